/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Do both hosts see the same disk (ownership.md, item 37)?  Two questions:
 *
 * - What is the target?  A block device may be shared; a plain file, a loop device or DRBD is one host's own.
 *   A name that the storage gives itself, if it has one, must be equal on both hosts.
 * - What is in it?  The owner picks samples: blocks that the guest wrote lately through this daemon, then
 *   random ones.  Both hosts read them past every cache; the owner does so before and after the other one,
 * and a sample that did not change meanwhile must be equal.  Nothing is written: a raw disk belongs to the
 * guest to its last byte, so the guest's own writes stand for the nonce.
 *
 * An equal sample of a block that the guest wrote lately proves that the other host sees those writes; equal
 * random blocks alone would be found in a clone, too.
 */
#ifndef KEMARI_BLOCK_SHARE_H
#define KEMARI_BLOCK_SHARE_H

#include <stddef.h>
#include <stdint.h>

#define SHARE_BLOCK 4096U /* bytes of a sample; its offset is a multiple */
#define SHARE_RECENT 16U  /* samples of blocks written lately, at most */
#define SHARE_SAMPLES 48U /* in all, at most */

#define SHARE_KIND_MAX 8
#define SHARE_ID_MAX 96

struct share_id {
	char kind[SHARE_KIND_MAX]; /* "device", "file", "loop", "drbd" */
	char id[SHARE_ID_MAX];	   /* scheme:name of the storage's own, "": it has none that is unique */
};

/* 0, -ENOTBLK or what stat() says; no message. */
int share_identify(const char *target, struct share_id *out);

/* NULL, or what a disk of that kind is called that only one host has. */
const char *share_private(const char *kind);

/*
 * Offsets to sample of a disk: of blocks written lately (multiples of SHARE_BLOCK) first, its first and last
 * block, random ones.  Returns how many, without doubles, and in nr_recent how many of the first kind; 0: the
 * disk has less than a block.
 */
unsigned int share_pick(uint64_t disk_bytes, const uint64_t *recent, unsigned int *nr_recent,
			uint64_t offset[SHARE_SAMPLES]);

struct share_verdict {
	unsigned int same, same_recent; /* samples that did not change and are equal */
	unsigned int unstable;		/* the guest wrote them meanwhile */
	unsigned int differing;		/* ... did not, and the other host reads something else */
	unsigned int first;		/* index of the first of those */
};

/* Hashes of the samples: ours, the other host's, ours again.  The first nr_recent are of blocks written
 * lately. */
void share_judge(const uint64_t *before, const uint64_t *theirs, const uint64_t *after, unsigned int nr,
		 unsigned int nr_recent, struct share_verdict *v);

/* ---- reading samples --------------------------------------------------------------------------------- */

struct qb_loop;
struct share_read;

/* err 0: hash[i] is XXH3_64bits of the block at offset[i]; else negative.  The object is gone on return. */
typedef void (*share_read_fn)(void *arg, int err, const uint64_t *hash, unsigned int nr);

/*
 * Reads blocks of target with O_DIRECT and hashes them.  fn is called from the loop, within timeout_ms
 * (-ETIMEDOUT: the storage does not answer).  0, or a negative errno: nothing was started.
 */
int share_read_start(struct qb_loop *loop, const char *target, const uint64_t *offset, unsigned int nr,
		     unsigned int timeout_ms, share_read_fn fn, void *arg, struct share_read **out);
/* fn is not called.  NULL ok. */
void share_read_cancel(struct share_read *r);

#endif /* KEMARI_BLOCK_SHARE_H */
