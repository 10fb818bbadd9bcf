/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The replication stream: length-prefixed records, little endian, inside TLS.  One connection per VM,
 * opened by the primary's host.  An epoch is the records from EPOCH_BEGIN to EPOCH_END; the very same bytes
 * lie in the primary's send buffer, on the wire and in the standby's staging file.
 */
#ifndef KEMARI_WIRE_RECORD_H
#define KEMARI_WIRE_RECORD_H

#include <endian.h>
#include <stddef.h>
#include <stdint.h>

#define RECORD_MAGIC 0x314d454bU /* "KEM1" */
#define RECORD_VERSION 1
#define RECORD_MAX_PAYLOAD (1U << 20)

enum record_type {
	RECORD_HELLO = 1,    /* JSON: versions, vm record, g, what the sender holds */
	RECORD_WELCOME,	     /* JSON: accepted, what the receiver holds (role, g, epoch) */
	RECORD_REFUSE,	     /* JSON: reason, fix */
	RECORD_PROGRESS,     /* JSON: standby's preparation, for kemari protect */
	RECORD_BULK_BEGIN,   /* none: the receiver's image is NONE from here on */
	RECORD_EPOCH_BEGIN,  /* struct record_epoch */
	RECORD_PAGES,	     /* struct record_pages and its data */
	RECORD_HV_STATE,     /* struct xen_kemari_state ... */
	RECORD_HVM_CONTEXT,  /* as XEN_DOMCTL_gethvmcontext */
	RECORD_HVM_PARAMS,   /* pairs of le64: index, value */
	RECORD_DEVICE,	     /* struct record_device and device_ops.snapshot bytes */
	RECORD_XENSTORE,     /* the guest's nodes and watches (xenstore/tree.h) */
	RECORD_EPOCH_END,    /* struct record_epoch, equal to its BEGIN, totals filled in */
	RECORD_MESSAGE,	     /* struct engine_message (engine/engine.h), encoded by wire/message.h */
	RECORD_VERIFY,	     /* per-page hashes of the primary's RAM at an epoch */
	RECORD_VERIFY_RESULT, /* JSON */
	RECORD_PING,	     /* none; keeps the link alive */
	RECORD_TYPE_MAX = RECORD_PING
};

struct record_header {
	uint32_t magic;
	uint16_t version;
	uint16_t type;
	uint32_t length; /* of the payload */
	uint32_t check;	 /* low half of XXH3_64bits(payload) */
	uint64_t session; /* of this connection, chosen by the standby in WELCOME; 0 before */
	uint64_t epoch;	 /* 0 outside epochs */
};
_Static_assert(sizeof(struct record_header) == 32, "record_header");

struct record_epoch {
	uint64_t g;
	uint64_t epoch;
	uint64_t base;	    /* the epoch it is relative to; 0: a bulk copy came before */
	uint64_t nr_pages;  /* END: pages in it */
	uint64_t bytes;	    /* END: bytes from BEGIN to END, headers included */
	uint32_t nr_records; /* END */
	uint32_t flags;	    /* 0 */
};
_Static_assert(sizeof(struct record_epoch) == 48, "record_epoch");

enum page_encoding {
	PAGE_RAW = 0,  /* 4096 bytes follow */
	PAGE_ZERO = 1, /* nothing follows */
	PAGE_HOLE = 2, /* not in the physmap any more, nothing follows */
};

/* nr entries le64 (gfn | encoding << 56), then the data of the raw ones in that order. */
struct record_pages {
	uint32_t nr;
	uint32_t reserved; /* 0 */
};

struct record_device {
	char type[16]; /* "vbd", "vif", "console" */
	uint32_t id;
	uint32_t reserved; /* 0 */
};

#endif /* KEMARI_WIRE_RECORD_H */
