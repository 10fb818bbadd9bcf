/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The replication stream: length-prefixed records, little endian, inside TLS.  One connection per VM,
 * opened by the primary's host.  An epoch is the records from EPOCH_BEGIN to EPOCH_END; the very same bytes
 * lie in the primary's send buffer, on the wire and in the standby's staging file.
 *
 * Order: HELLO answered by WELCOME or REFUSE; then BULK_BEGIN, any number of PAGES (epoch 0), and an epoch
 * with base 0; then epochs, each relative to one before.  Between EPOCH_BEGIN and EPOCH_END there are only
 * PAGES, HV_STATE, HVM_CONTEXT, HVM_PARAMS, DEVICE and XENSTORE records of the same epoch.
 */
#ifndef KEMARI_WIRE_RECORD_H
#define KEMARI_WIRE_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RECORD_MAGIC 0x314d454bU /* "KEM1" */
#define RECORD_VERSION 4
#define RECORD_MAX_PAYLOAD (1U << 20)
#define RECORD_PAGE_SIZE 4096U
/* Pages in one PAGES record: half of the payload limit, so that a receiver acts before a megabyte is in. */
#define RECORD_MAX_PAGES 128U
/* A sentence that says what is wrong with a peer's bytes. */
#define RECORD_WHY_MAX 256

enum record_type {
	RECORD_HELLO = 1,     /* JSON: versions, vm record, g, what the sender holds (wire/hello.h) */
	RECORD_WELCOME,	      /* JSON: accepted, what the receiver holds (role, g, epoch) */
	RECORD_REFUSE,	      /* JSON: reason, fix */
	RECORD_PROGRESS,      /* JSON: standby's preparation, for kemari protect */
	RECORD_BULK_BEGIN,    /* none: the receiver's image is NONE from here on */
	RECORD_EPOCH_BEGIN,   /* struct record_epoch */
	RECORD_PAGES,	      /* struct record_pages and its pages */
	RECORD_HV_STATE,      /* struct xen_kemari_state ... */
	RECORD_HVM_CONTEXT,   /* as XEN_DOMCTL_gethvmcontext */
	RECORD_HVM_PARAMS,    /* pairs of le64: index, value */
	RECORD_DEVICE,	      /* struct record_device and device_ops.snapshot bytes */
	RECORD_XENSTORE,      /* the guest's nodes and watches (xenstore/tree.h) */
	RECORD_EPOCH_END,     /* struct record_epoch, equal to its BEGIN, totals filled in */
	RECORD_MESSAGE,	      /* struct engine_message (engine/engine.h), encoded by wire/message.h */
	RECORD_PING,	      /* none; keeps the link alive */
	RECORD_VERIFY,	      /* struct record_verify and hashes of the primary's pages at an epoch */
	RECORD_VERIFY_RESULT, /* JSON */
	RECORD_VERIFY_STATE,  /* struct record_verify_state and what that part of the state must be */
	RECORD_DISK_ASK,      /* owner: struct samples (wire/samples.h), offsets */
	RECORD_DISK_ANSWER,   /* struct samples, hashes */
	RECORD_LEAVE,	      /* none; standby: unprotect the VM, this host is to hold no copy */
	RECORD_TYPE_MAX = RECORD_LEAVE
};

struct record_header {
	uint32_t magic;
	uint16_t version;
	uint16_t type;
	uint32_t length;  /* of the payload */
	uint32_t check;	  /* low half of XXH3_64bits of the payload, seeded with type, length and epoch */
	uint64_t session; /* of this connection, chosen by the standby in WELCOME; 0 before */
	uint64_t epoch;	  /* 0 outside epochs */
};
_Static_assert(sizeof(struct record_header) == 32, "record_header");

struct record_epoch {
	uint64_t g;
	uint64_t epoch;
	uint64_t base;	     /* the epoch it is relative to; 0: a bulk copy came before */
	uint64_t nr_pages;   /* END: pages in it, zero ones and holes included; BEGIN: 0 */
	uint64_t bytes;	     /* END: bytes from BEGIN to END, headers included; BEGIN: 0 */
	uint32_t nr_records; /* END: records from BEGIN to END, both included; BEGIN: 0 */
	uint32_t flags;	     /* 0 */
};
_Static_assert(sizeof(struct record_epoch) == 48, "record_epoch");

enum page_encoding {
	PAGE_RAW = 0,	/* 4096 bytes follow */
	PAGE_ZERO = 1,	/* nothing follows */
	PAGE_HOLE = 2,	/* not in the physmap any more, nothing follows */
	PAGE_DELTA = 3, /* in epochs only: how it differs from what the receiver has (wire/delta.h) */
	PAGE_LZ4 = 4,	/* wire/pack.h */
	PAGE_ENCODING_MAX = PAGE_LZ4
};
#define RECORD_GFN_BITS 52
/* Pages of a device (device_ops.each_page) go as those of a gfn that no guest has. */
#define RECORD_DEVICE_GFN (1ULL << (RECORD_GFN_BITS - 1))

static inline uint64_t record_device_gfn(uint32_t id, uint16_t index)
{
	return RECORD_DEVICE_GFN | (uint64_t)id << 16 | index;
}

#define RECORD_ENCODING_SHIFT 56

/* nr times: le64 (gfn | encoding << RECORD_ENCODING_SHIFT), followed by the data if the encoding has any. */
struct record_pages {
	uint32_t nr;	   /* 1..RECORD_MAX_PAGES */
	uint32_t reserved; /* 0 */
};

struct record_device {
	char type[16]; /* "vbd", "vif", "console", NUL padded */
	uint32_t id;
	uint32_t reserved; /* 0 */
};

/* nr times le64: XXH3_64bits of the page, 0 if it is not in the physmap. */
struct record_verify {
	uint64_t first_gfn;
	uint32_t nr;
	uint32_t last; /* 1: no more VERIFY records of this round */
};

/* HV_STATE, HVM_CONTEXT, HVM_PARAMS or DEVICE, as an epoch has them.  Before the VERIFY records. */
struct record_verify_state {
	uint32_t type;	 /* enum record_type */
	uint32_t id;	 /* of a DEVICE, else 0 */
	char device[16]; /* its type, NUL padded */
};

/* A checked record as the parsers hand it out. */
struct record {
	enum record_type type;
	uint64_t session;
	uint64_t epoch;
	const uint8_t *payload;
	uint32_t len;
};

/* A header's fields in host order; 0, or -EBADMSG and why (RECORD_WHY_MAX bytes) when it cannot be one. */
int record_header_decode(const uint8_t bytes[sizeof(struct record_header)], struct record_header *h,
			 char *why);
/* The check that a header with this type, epoch and payload must carry. */
uint32_t record_check(enum record_type type, uint64_t epoch, const void *payload, uint32_t len);
const char *record_type_name(unsigned int type);
/*
 * Records that belong to the connection, not to a session on it: they carry session 0 at all times.  A
 * session ends with a change of owner while the connection goes on.
 */
bool record_sessionless(unsigned int type);

void record_epoch_encode(const struct record_epoch *e, uint8_t out[sizeof(struct record_epoch)]);
void record_epoch_decode(const uint8_t in[sizeof(struct record_epoch)], struct record_epoch *e);

/* Walks the pages of a RECORD_PAGES payload. */
struct record_page_iter {
	const uint8_t *pos, *end;
	uint32_t left;
};

struct record_page {
	uint64_t gfn;
	enum page_encoding encoding;
	const uint8_t *data; /* PAGE_RAW, PAGE_DELTA, PAGE_LZ4 */
};

/* Checks the whole payload; 0, or -EBADMSG and why. */
int record_pages_check(const uint8_t *payload, uint32_t len, uint32_t *nr, char *why);
/* Only on a payload that record_pages_check accepted. */
void record_pages_first(struct record_page_iter *it, const uint8_t *payload, uint32_t len);
/* 1: *p is the next page, 0: no more. */
int record_pages_next(struct record_page_iter *it, struct record_page *p);

#endif /* KEMARI_WIRE_RECORD_H */
