/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Held outputs of a device: a bounded byte ring of pieces, each stamped with the epoch that must be
 * committed before it may leave.  It lies in the VM's memory file, holds no pointers, and is consistent at
 * every store: pieces are written behind the tail and appear with the store of the tail, so a daemon that
 * dies anywhere leaves either all of a batch or nothing of it.
 *
 * No epoch has the number 0.  An output that needs no commit is stamped 0: it leaves as soon as everything
 * before it has left.
 *
 * A position is a byte count since the ring was made and only grows.  A piece never wraps: it is one range
 * of memory, ready for writev.
 */
#ifndef KEMARI_LIB_HOLD_H
#define KEMARI_LIB_HOLD_H

#include <stdbool.h>
#include <stdint.h>

struct hold {
	uint64_t head; /* position of the oldest piece */
	uint64_t tail; /* where the next batch begins */
	uint32_t cap;  /* bytes of data[], a power of two */
	uint32_t unused;
	uint8_t data[];
};

#define HOLD_SKIP 1U /* nothing to send: the rest of a lap, or a piece that was given up */

struct hold_piece {
	uint32_t len; /* bytes of data[] in use */
	uint32_t flags;
	uint64_t epoch;
	uint64_t cookie; /* of the user */
	uint8_t data[];
};

/* What a piece of len bytes takes of the ring. */
static inline uint32_t hold_piece_bytes(uint32_t len)
{
	return (uint32_t)sizeof(struct hold_piece) + ((len + 7) & ~7U);
}

/* cap: a power of two, at least 4096. */
void hold_init(struct hold *h, uint32_t cap);

/* Whether a ring found in a memory file can be walked; everything below relies on it. */
bool hold_valid(const struct hold *h, uint32_t cap);

/*
 * Prepares a piece of len data bytes behind *pos (which starts at h->tail) and moves *pos past it.
 * NULL: no room.  The caller fills data[] and cookie, or sets HOLD_SKIP in flags.
 */
struct hold_piece *hold_prepare(struct hold *h, uint64_t *pos, uint32_t len, uint64_t epoch);

/* Appends everything prepared up to pos. */
void hold_commit(struct hold *h, uint64_t pos);

/*
 * The next piece at or after *pos and before end, skips passed over; *pos is set to where it begins and
 * *next to where it ends.  NULL: none; *pos is then end.
 */
struct hold_piece *hold_next(struct hold *h, uint64_t *pos, uint64_t end, uint64_t *next);

/*
 * Everything before pos has left.  A smaller pos gives pieces back, as long as nothing was prepared and the
 * ring was not rewound since.
 */
void hold_set_head(struct hold *h, uint64_t pos);

/* Lets an empty ring start over at data[0], so that a quiet device touches few pages; moves head and tail. */
void hold_rewind(struct hold *h);

/* Where the run of pieces stamped <= epoch ends that begins at from. */
uint64_t hold_covered(struct hold *h, uint64_t from, uint64_t epoch);

/* Drops what lies at or after pos. */
void hold_truncate(struct hold *h, uint64_t pos);

static inline bool hold_empty(const struct hold *h)
{
	return h->head == h->tail;
}

static inline uint32_t hold_used(const struct hold *h)
{
	return (uint32_t)(h->tail - h->head);
}

#endif /* KEMARI_LIB_HOLD_H */
