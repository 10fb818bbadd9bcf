/* SPDX-License-Identifier: GPL-2.0-only */
/* Runs of adjacent pages: a bit of used[] is set for each page that is taken. */
#ifndef KEMARI_BLOCK_RUNS_H
#define KEMARI_BLOCK_RUNS_H

#include <stdbool.h>
#include <stdint.h>

static inline bool runs_is_used(const uint64_t *used, unsigned int page)
{
	return used[page / 64] >> (page % 64) & 1;
}

/* Takes them, or gives them back. */
static inline void runs_toggle(uint64_t *used, unsigned int page, unsigned int nr)
{
	for (; nr; page++, nr--)
		used[page / 64] ^= 1ULL << (page % 64);
}

/* The first page of the first nr > 0 of pages that are free, -1: there are none. */
static inline int runs_find(const uint64_t *used, unsigned int pages, unsigned int nr)
{
	unsigned int run = 0;

	for (unsigned int page = 0; page < pages; page++) {
		run = runs_is_used(used, page) ? 0 : run + 1;
		if (run == nr)
			return (int)(page - nr + 1);
	}
	return -1;
}

#endif /* KEMARI_BLOCK_RUNS_H */
