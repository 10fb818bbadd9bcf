/* SPDX-License-Identifier: GPL-2.0-only */
#include "apply/verify.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <xxhash.h>

#include "apply/image_int.h"
#include "le.h"

static uint64_t hash_page(const void *page)
{
	return page ? XXH3_64bits(page, RECORD_PAGE_SIZE) ?: 1 : 0;
}

static const void *page_in_ram(void *arg, uint64_t gfn)
{
	return ram_page(arg, gfn);
}

static int write_some(struct record_writer *w, verify_page_fn page, void *arg, uint64_t first, uint32_t nr,
		      bool last)
{
	size_t room, len = sizeof(struct record_verify) + (size_t)nr * 8;
	uint8_t *p = record_reserve(w, RECORD_VERIFY, &room);

	if (!p)
		return -ENOBUFS;
	if (room < len) {
		record_cancel(w);
		return -ENOBUFS;
	}
	put_le64(p, first);
	put_le32(p + 8, nr);
	put_le32(p + 12, last);
	for (uint32_t i = 0; i < nr; i++)
		put_le64(p + sizeof(struct record_verify) + (size_t)i * 8, hash_page(page(arg, first + i)));
	return record_commit(w, len);
}

int verify_write(struct record_writer *w, const struct ram *ram, verify_page_fn page, void *arg)
{
	const struct gfn_range *range;
	unsigned int nr = ram_ranges(ram, &range);
	int ret = 0;

	if (!page) {
		page = page_in_ram;
		arg = (void *)ram;
	}
	for (unsigned int i = 0; !ret && i < nr; i++)
		for (uint64_t at = 0; !ret && at < range[i].nr; at += VERIFY_MAX_PAGES) {
			uint64_t left = range[i].nr - at;
			uint32_t n = left < VERIFY_MAX_PAGES ? (uint32_t)left : (uint32_t)VERIFY_MAX_PAGES;

			ret = write_some(w, page, arg, range[i].first + at, n, i + 1 == nr && n == left);
		}
	return ret;
}

int verify_compare(const struct image *img, const uint8_t *payload, uint32_t len, struct verify_result *res,
		   bool *last, char *why)
{
	uint64_t first;
	uint32_t nr;

	if (len < sizeof(struct record_verify) || get_le32(payload + 8) > VERIFY_MAX_PAGES ||
	    len != sizeof(struct record_verify) + (size_t)get_le32(payload + 8) * 8) {
		snprintf(why, RECORD_WHY_MAX, "VERIFY record of %u bytes: wrong length", len);
		return -EBADMSG;
	}
	if (image_status(img, NULL, NULL) != IMAGE_WHOLE) {
		snprintf(why, RECORD_WHY_MAX, "nothing to verify: the image is not whole");
		return -EBADMSG;
	}
	first = get_le64(payload);
	nr = get_le32(payload + 8);
	*last = get_le32(payload + 12);
	payload += sizeof(struct record_verify);
	for (uint32_t i = 0; i < nr; i++, payload += 8) {
		if (get_le64(payload) != hash_page(image_view(img, first + i))) {
			if (res->mismatches < sizeof(res->gfn) / sizeof(res->gfn[0]))
				res->gfn[res->mismatches] = first + i;
			res->mismatches++;
		}
		res->compared++;
	}
	return 0;
}
