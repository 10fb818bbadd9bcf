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

#include "domain/record.h"
#include "wire/record.h"

#define HELLO_DIGEST_MAX 65 /* hex, with the NUL */
#define HELLO_HOST_MAX 256
#define HELLO_ROLE_MAX 8 /* "owner", "held", "copy", "none" */

struct hello {
	uint32_t protocol;     /* RECORD_VERSION */
	uint32_t state_format; /* XEN_KEMARI_STATE_VERSION; 0 is never valid */
	uint8_t uuid[16];
	uint32_t domid;		   /* the guest's, the same on both hosts; 0: no domain here */
	char host[HELLO_HOST_MAX]; /* what the sender calls itself */
	uint64_t memory_kb;
	char cpu_policy[HELLO_DIGEST_MAX]; /* of the guest's, made by the caller; "": not known yet */
	unsigned int nr_disks;
	uint64_t disk_bytes[VM_MAX_DISKS]; /* as this host sees them; 0: not known */
	char role[HELLO_ROLE_MAX];	   /* of the copy here */
	uint64_t boot;			   /* boot_id_number() of the sender's host */
	uint64_t g, epoch;		   /* of that role */
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
 * What makes it impossible that `theirs` is the other copy of the VM that `mine` describes: protocol, state
 * format, uuid, memory, CPU policy, disks.  0, or -EPROTO with a reason that has both values and a fix.
 * What one side does not know (cpu_policy "", disks of 0 bytes) is not compared.  Both buffers
 * RECORD_WHY_MAX.
 */
int hello_mismatch(const struct hello *mine, const struct hello *theirs, char *reason, char *fix);

struct refuse {
	char reason[RECORD_WHY_MAX];
	char fix[RECORD_WHY_MAX];
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
