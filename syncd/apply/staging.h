/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The staging file of one VM on the standby: DIR/UUID.staging on tmpfs, fixed size, all blocks reserved.
 * Epochs are received straight into it, several may be staged while one is applied, and what is staged
 * survives the daemon: an epoch is acknowledged only once it is in the file's index, and stays there until
 * the image has all of it.
 *
 * The area is a ring, mapped twice in a row, so every epoch is contiguous in memory.  It needs the lock of
 * the VM's memory file (lib/memfile.h); it has none of its own.
 */
#ifndef KEMARI_APPLY_STAGING_H
#define KEMARI_APPLY_STAGING_H

#include <stddef.h>
#include <stdint.h>

#define STAGING_VERSION 3 /* with RECORD_VERSION */
#define STAGING_MAX_EPOCHS 16

struct staging;

struct staged_epoch {
	uint64_t g, session, epoch, base;
	uint64_t nr_pages;
	uint64_t offset; /* in the area */
	uint64_t length;
};

/*
 * Makes a new empty file, over an old one if there is one.  area: bytes, rounded up to pages.  Before
 * anything else is done with it, staging_reserve() is called until it returns 0.
 */
int staging_create(const char *dir, const uint8_t uuid[16], size_t area, struct staging **out);
/* Reserves one more piece of the area, in milliseconds.  1: go on; 0: it is usable; -ENOSPC. */
int staging_reserve(struct staging *s);
/*
 * Opens what an earlier daemon left and checks every staged epoch in it, byte for byte.  -ENOENT, -EPROTO
 * unknown version, -ESTALE earlier boot, -EBADMSG damaged: then nothing in it counts, the copy is NONE.
 */
int staging_open(const char *dir, const uint8_t uuid[16], struct staging **out);
void staging_close(struct staging *s);
/* Unlinks the file, then closes. */
void staging_remove(struct staging *s);
size_t staging_area(const struct staging *s);

/* Room for the next len bytes of the epoch under way.  -EAGAIN: not before staged ones are dropped, -EFBIG:
 * never. */
int staging_place(struct staging *s, size_t len, void **where);
/* The bytes given by the last staging_place are complete: the epoch under way grows by them. */
void staging_accept(struct staging *s, size_t len);
/* The epoch under way is whole and checked: enters it into the index.  -EAGAIN: STAGING_MAX_EPOCHS are
 * staged. */
int staging_finish(struct staging *s, const struct staged_epoch *e);
/* The bytes of the epoch under way that were accepted. */
const uint8_t *staging_under_way(const struct staging *s, size_t *len);
/* Forgets the epoch under way (the link broke). */
void staging_abort(struct staging *s);

/* Staged epochs, oldest first. */
unsigned int staging_count(const struct staging *s);
const struct staged_epoch *staging_get(const struct staging *s, unsigned int i);
const uint8_t *staging_bytes(const struct staging *s, const struct staged_epoch *e);
/* The oldest one is applied. */
void staging_drop(struct staging *s);
/* None of them counts any more. */
void staging_clear(struct staging *s);

#endif /* KEMARI_APPLY_STAGING_H */
