/* SPDX-License-Identifier: GPL-2.0-only */
#include "wire/delta.h"

#include <stdbool.h>
#include <string.h>

#include "le.h"

#define BLOCKS 64U
#define WORDS 8U /* in a block */

/* Pages are bytes elsewhere. */
typedef uint64_t __attribute__((may_alias)) word_t;

static bool same_block(const word_t *a, const word_t *b)
{
	return !((a[0] ^ b[0]) | (a[1] ^ b[1]) | (a[2] ^ b[2]) | (a[3] ^ b[3]) | (a[4] ^ b[4]) |
		 (a[5] ^ b[5]) | (a[6] ^ b[6]) | (a[7] ^ b[7]));
}

/* Each word of the page is read once: what is sent is what the copy becomes. */
static uint8_t *encode_block(uint8_t *out, word_t *copy, const volatile word_t *page)
{
	uint8_t *mask = out++;

	*mask = 0;
	for (unsigned int w = 0; w < WORDS; w++) {
		word_t word = page[w];

		if (word == copy[w])
			continue;
		*mask |= (uint8_t)(1U << w);
		copy[w] = word;
		memcpy(out, &word, sizeof(word));
		out += sizeof(word);
	}
	return out;
}

size_t delta_encode(uint8_t *out, void *copy, const void *page)
{
	word_t *c = copy;
	const word_t *p = page;
	uint8_t *end = out + 8;
	uint64_t blocks = 0;

	for (unsigned int b = 0; b < BLOCKS; b++, c += WORDS, p += WORDS) {
		if (same_block(c, p))
			continue;
		blocks |= 1ULL << b;
		end = encode_block(end, c, p);
	}
	put_le64(out, blocks);
	return blocks ? (size_t)(end - out) : 0;
}

size_t delta_length(const uint8_t *delta, size_t len)
{
	uint64_t blocks;
	size_t at = 8;

	if (len < at)
		return 0;
	for (blocks = get_le64(delta); blocks; blocks &= blocks - 1) {
		if (at >= len)
			return 0;
		at += 1 + 8 * (size_t)__builtin_popcount(delta[at]);
	}
	return at <= len && at > 8 && at <= DELTA_MAX ? at : 0;
}

void delta_apply(void *page, const uint8_t *delta)
{
	uint64_t blocks = get_le64(delta);
	const uint8_t *from = delta + 8;

	for (; blocks; blocks &= blocks - 1) {
		uint8_t *block = (uint8_t *)page + 64 * (size_t)__builtin_ctzll(blocks);

		for (unsigned int words = *from++; words; words &= words - 1, from += 8)
			memcpy(block + 8 * (size_t)__builtin_ctz(words), from, 8);
	}
}
