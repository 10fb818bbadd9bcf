/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Makes the whole pages of finished records shorter (PAGE_LZ4: le16 length, then an LZ4 block of the page),
 * where the link takes longer for what is saved than this takes for saving it.  What a page costs and saves
 * is measured as it goes on: with pages that do not compress, or a fast link, only one of many is tried.
 */
#ifndef KEMARI_WIRE_PACK_H
#define KEMARI_WIRE_PACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct packer {
	uint64_t cost_ns, saved; /* of a page, averages of the last ones tried; cost 0: none was */
	unsigned int untried;	 /* whole pages since the last one */
	unsigned int tries;	 /* of this call */
	uint64_t tried, packed;	 /* pages */
};

/*
 * buf[0..len) are finished records, not sealed; they are rewritten in place, the totals of an epoch among
 * them corrected.  link_rate: bytes a second that the link carries; 0: not known, nothing is done.  After
 * some hundred pages the rest stays as it is.  Returns the new length.
 */
size_t pack_records(struct packer *p, uint8_t *buf, size_t len, uint64_t link_rate);

/* The length of a PAGE_LZ4's data that begins here, 0: none of at most len bytes does. */
size_t pack_length(const uint8_t *data, size_t len);
/* page: RECORD_PAGE_SIZE bytes.  False: it is none of that length. */
bool pack_unpack(const uint8_t *data, void *page);

#endif /* KEMARI_WIRE_PACK_H */
