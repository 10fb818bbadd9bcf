/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The JSON records of a connection's start: HELLO (primary to standby), WELCOME or REFUSE (its answer),
 * PROGRESS (the standby prepares).  64-bit numbers that may exceed 2^63 (g, session) are 16 hex digits in a
 * string.
 *
 * All *_encode return the bytes written into buf or -ENOBUFS; all *_parse return 0 or -EBADMSG with why
 * (RECORD_WHY_MAX bytes) naming the key.
 */
#ifndef KEMARI_WIRE_HELLO_H
#define KEMARI_WIRE_HELLO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "block/share.h"
#include "domain/cpu.h"
#include "domain/record.h"
#include "wire/record.h"

#define HELLO_HOST_MAX 256
#define HELLO_ROLE_MAX 8 /* "owner", "held", "copy", "none" */

/* A disk as the sender sees it. */
struct hello_disk {
	char vdev[16];	/* of the VM record */
	uint64_t bytes; /* 0: not known */
	uint32_t sector_size;
	struct share_id share;
};

struct hello {
	uint32_t protocol;     /* RECORD_VERSION */
	uint32_t state_format; /* XEN_KEMARI_STATE_VERSION; 0 is never valid */
	uint8_t uuid[16];
	uint32_t domid;		   /* the guest's, the same on both hosts; 0: no domain here */
	char host[HELLO_HOST_MAX]; /* what the sender calls itself */
	uint64_t memory_kb;
	struct cpu_policy cpu; /* of the guest's domain; no leaves: not known */
	unsigned int nr_disks;
	struct hello_disk disk[VM_MAX_DISKS];
	char role[HELLO_ROLE_MAX]; /* of the copy here */
	uint64_t boot;		   /* boot_id_number() of the sender's host */
	uint64_t g, epoch;	   /* of that role */
	/* HELLO only: the VM record's text.  Owned by the struct after hello_parse, borrowed for
	 * hello_encode. */
	char *record;
	size_t record_len;
	/* WELCOME only */
	uint64_t session;	/* chosen by the standby, never 0 */
	uint64_t staging_bytes; /* the largest epoch it can take */
};

/* Writes the record if it is set (HELLO), session and staging_bytes if session is not 0 (WELCOME). */
long hello_encode(const struct hello *h, char *buf, size_t cap);
int hello_parse(const void *text, size_t len, struct hello *h, char *why);
void hello_free(struct hello *h);

/*
 * Of a HELLO alone, before anything is made for it: versions, a VM record that parses, and whether the HELLO
 * tells of the VM of that record.  0 and the VM's name, or -EPROTO with reason and fix (RECORD_WHY_MAX bytes
 * each).
 */
int hello_admit(const struct hello *h, char name[VM_NAME_MAX], char *reason, char *fix);

/*
 * What makes it impossible that `theirs` is the other copy of the VM that `mine` describes: protocol, state
 * format, uuid, domid, memory, CPU policy, disks.  0, or -EPROTO with a reason that has both values and a
 * fix. What one side does not know (no CPU leaves, disks of 0 bytes) is not compared.  Both buffers
 * RECORD_WHY_MAX.
 */
int hello_mismatch(const struct hello *mine, const struct hello *theirs, char *reason, char *fix);

struct refuse {
	char reason[RECORD_WHY_MAX];
	char fix[RECORD_WHY_MAX];
	bool retry; /* it may go away by itself: a busy host.  Else the same answer is to be expected */
};
long refuse_encode(const struct refuse *r, char *buf, size_t cap);
int refuse_parse(const void *text, size_t len, struct refuse *r, char *why);

struct progress {
	char step[64];	      /* "shell", "map", "bulk" */
	uint64_t done, total; /* in the step's unit; total 0: unknown */
};
long progress_encode(const struct progress *p, char *buf, size_t cap);
int progress_parse(const void *text, size_t len, struct progress *p, char *why);

#endif /* KEMARI_WIRE_HELLO_H */
