/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Samples of a disk (block/share.h) as bytes: the payload of RECORD_DISK_ASK (v: offsets) and of
 * RECORD_DISK_ANSWER (v: hashes, in the same order).
 */
#ifndef KEMARI_WIRE_SAMPLES_H
#define KEMARI_WIRE_SAMPLES_H

#include <stddef.h>
#include <stdint.h>

#include "block/share.h"

/* le32 disk, le32 error, le32 nr, le32 0, le64 v[nr] */
#define SAMPLES_MAX_BYTES (16 + 8 * SHARE_SAMPLES)

struct samples {
	uint32_t disk;	/* of the VM record */
	uint32_t error; /* ANSWER: the errno that the reads failed with, 0: none; ASK: 0 */
	uint32_t nr;	/* 0 only with an error */
	uint64_t v[SHARE_SAMPLES];
};

/* Returns the bytes. */
size_t samples_encode(const struct samples *s, uint8_t out[SAMPLES_MAX_BYTES]);
/* 0, or -EBADMSG and why (RECORD_WHY_MAX bytes). */
int samples_decode(const uint8_t *bytes, size_t len, struct samples *s, char *why);
/* Of an ASK: do all offsets name blocks of a disk of that size?  0, or -EBADMSG and why. */
int samples_check_offsets(const struct samples *s, uint64_t disk_bytes, char *why);

#endif /* KEMARI_WIRE_SAMPLES_H */
