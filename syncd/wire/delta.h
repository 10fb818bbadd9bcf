/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A page as the words in which it differs from the copy that the receiver has (PAGE_DELTA):
 *
 *	le64	bit b: something of the 64 bytes from 64 * b on differs
 *	for each such block, in order: u8, bit w: its w-th 8 bytes differ; then those 8 bytes each
 *
 * The new words are in it, not their difference from the old ones: applied twice it gives the same page.
 */
#ifndef KEMARI_WIRE_DELTA_H
#define KEMARI_WIRE_DELTA_H

#include <stddef.h>
#include <stdint.h>

/* As long as a whole page at most, or the page itself is sent. */
#define DELTA_MAX 4096U
/* Of any two pages. */
#define DELTA_WORST (8U + 64U + 4096U)

/*
 * Writes how page differs from copy to out (DELTA_WORST bytes), and makes copy the page.  Returns the length,
 * 0: they are the same.  Someone may write to the page meanwhile: what is in the delta is what copy has then.
 */
size_t delta_encode(uint8_t *out, void *copy, const void *page);
/* The length of the delta that begins here, 0: none of at most len bytes does. */
size_t delta_length(const uint8_t *delta, size_t len);
/* Only one that delta_length() accepted. */
void delta_apply(void *page, const uint8_t *delta);

#endif /* KEMARI_WIRE_DELTA_H */
