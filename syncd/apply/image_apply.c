/* SPDX-License-Identifier: GPL-2.0-only */
/* Checking that an epoch can be applied, and applying it. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "apply/image_int.h"
#include "engine/engine.h"
#include "hvop.h"
#include "wire/pack.h"
#include "wire/reader.h"

#define PAGE RECORD_PAGE_SIZE

static bool find_record(const uint8_t *bytes, size_t len, enum record_type type, struct record *r)
{
	size_t off = 0;

	while (record_walk(bytes, len, &off, r))
		if (r->type == type)
			return true;
	return false;
}

/*
 * Is p a page that can be applied?  It is given a place if the shell's RAM does not take it.  One that comes
 * as a difference needs one where what it differs from lies, or will when this is applied.
 */
static int place_page(struct image *img, const struct record_page *p)
{
	uint8_t page[PAGE];

	if (p->encoding == PAGE_LZ4 && !pack_unpack(p->data, page))
		return -EBADMSG;
	if (p->encoding == PAGE_HOLE || ram_page(img->ram, p->gfn))
		return 0;
	if (p->encoding == PAGE_DELTA && image_find_special(img, p->gfn) < 0)
		return -EBADMSG;
	return image_reserve_special(img, p->gfn) < 0 ? -ENOSPC : 0;
}

/* *gfn: of the page that cannot be, on an error. */
static int place_pages(struct image *img, const uint8_t *bytes, size_t len, uint64_t *gfn)
{
	struct record_page_iter it;
	struct record_page p;
	struct record r;
	size_t off = 0;
	int rc = 0;

	while (!rc && record_walk(bytes, len, &off, &r)) {
		if (r.type != RECORD_PAGES)
			continue;
		record_pages_first(&it, r.payload, r.len);
		while (!rc && record_pages_next(&it, &p)) {
			*gfn = p.gfn;
			rc = place_page(img, &p);
		}
	}
	return rc;
}

/* Gives a place to what the state names. */
static int place_named(struct image *img, const struct xen_kemari_state *s)
{
	if (s->shared_info_gfn != XEN_KEMARI_INVALID_GFN &&
	    image_reserve_special(img, s->shared_info_gfn) < 0)
		return -ENOSPC;
	for (uint32_t i = 0; i < s->nr_grant_frames; i++) {
		uint64_t gfn = hvop_state_grant_gfns(s)[i];

		if (gfn != XEN_KEMARI_INVALID_GFN && image_reserve_special(img, gfn) < 0)
			return -ENOSPC;
	}
	return 0;
}

static int promise(const struct image *img, struct half *sum, const uint8_t *bytes, size_t len)
{
	struct record r;
	size_t off = 0;
	int ret = 0;

	for (unsigned int i = 0; i < sum->nr; i++)
		sum->blob[i].offset = 0;
	while (!ret && record_walk(bytes, len, &off, &r))
		if (image_blob_type(r.type))
			ret = image_promise_blob(img, sum, &r);
	return ret;
}

int image_check(struct image *img, const uint8_t *epoch, size_t len, char *why)
{
	struct half sum = img->promised;
	uint64_t nr_special = *img->nr_special, gfn;
	const struct xen_kemari_state *s = NULL;
	struct record r;
	int ret;

	if (find_record(epoch, len, RECORD_HV_STATE, &r))
		s = image_hv_state(img, &r);
	if (!s) {
		snprintf(why, RECORD_WHY_MAX,
			 "the epoch's HV_STATE is not well formed, or names more than %u grant frames",
			 IMAGE_MAX_NAMED - 1);
		return -EBADMSG;
	}
	ret = promise(img, &sum, epoch, len);
	if (ret == -EEXIST) {
		snprintf(why, RECORD_WHY_MAX, "the epoch has two records of the same part of the state");
		return -EBADMSG;
	}
	if (ret) {
		snprintf(why, RECORD_WHY_MAX,
			 "the guest's state is larger than %zu bytes or has more than %d parts",
			 img->cfg.blob_bytes, IMAGE_MAX_BLOBS);
		return -ENOSPC;
	}
	ret = place_pages(img, epoch, len, &gfn) ?: place_named(img, s);
	if (ret)
		*img->nr_special = nr_special;
	else
		img->promised = sum;
	if (ret == -EBADMSG)
		snprintf(why, RECORD_WHY_MAX, "what the epoch has of gfn %llx cannot be made a page",
			 (unsigned long long)gfn);
	else if (ret)
		snprintf(why, RECORD_WHY_MAX,
			 "the guest has more than %u pages where the standby's domain has none: use the same "
			 "memory= on "
			 "both hosts",
			 img->cfg.max_special);
	return ret;
}

/* Epoch numbers are unique within an incarnation; a change of owner alone leaves the memory as it is. */
static bool same_life(uint64_t a, uint64_t b)
{
	return ENGINE_INCARNATION(a) == ENGINE_INCARNATION(b);
}

static bool follows(const struct image_state *s, const struct record_epoch *e)
{
	switch (s->status) {
	case IMAGE_BULK:
		return !e->base;
	case IMAGE_WHOLE:
		return e->base && same_life(s->g, e->g) && e->base <= s->epoch;
	case IMAGE_APPLYING:
		return e->g == s->to_g && e->epoch == s->to_epoch;
	default:
		return false;
	}
}

/*
 * Pages that the new HV_STATE names move aside, those that it names no more go back into the RAM. Repeatable:
 * what is aside stays out of the RAM until it is moved back.
 */
static void move_pages(struct image *img)
{
	for (unsigned int i = 0; i < *img->nr_special; i++) {
		struct special *sp = &img->special[i];
		uint8_t *page = ram_page(img->ram, sp->gfn);

		if (!page)
			continue;
		if (image_is_named(img, sp->gfn) && !sp->valid) {
			memcpy(image_special_page(img, (int)i), page, PAGE);
			sp->valid = 1;
		} else if (!image_is_named(img, sp->gfn) && sp->valid) {
			memcpy(page, image_special_page(img, (int)i), PAGE);
			sp->valid = 0;
		}
	}
}

int image_apply_begin(struct image *img, struct image_apply *a, const uint8_t *epoch, size_t len, char *why)
{
	const void *s = NULL;
	struct record r;

	*a = (struct image_apply){ .bytes = epoch, .len = len };
	if (!find_record(epoch, len, RECORD_EPOCH_BEGIN, &r))
		return -ESTALE;
	record_epoch_decode(r.payload, &a->e);
	if (img->state.status == IMAGE_WHOLE && same_life(img->state.g, a->e.g) &&
	    a->e.epoch <= img->state.epoch) {
		a->skip = true;
		return 0;
	}
	if (find_record(epoch, len, RECORD_HV_STATE, &r))
		s = image_hv_state(img, &r);
	if (!s || !follows(&img->state, &a->e)) {
		snprintf(why, RECORD_WHY_MAX,
			 "epoch %llu (base %llu) does not follow the image (status %u, epoch %llu)",
			 (unsigned long long)a->e.epoch, (unsigned long long)a->e.base, img->state.status,
			 (unsigned long long)img->state.epoch);
		return -ESTALE;
	}
	img->state.to_g = a->e.g;
	img->state.to_epoch = a->e.epoch;
	image_set_status(img, IMAGE_APPLYING);
	image_name(img, s);
	move_pages(img);
	img->half[!img->state.half]->nr = 0;
	return 0;
}

/* All pages are in: the blobs change over. */
static int finish(struct image *img, const struct record_epoch *e)
{
	unsigned int to = !img->state.half;
	int ret = image_carry_blobs(img, to);

	if (ret)
		return ret;
	img->state.half = to;
	img->state.g = e->g;
	img->state.epoch = e->epoch;
	image_set_status(img, IMAGE_WHOLE);
	return 1;
}

int image_apply_step(struct image *img, struct image_apply *a, unsigned int max_pages)
{
	struct record_page_iter it;
	struct record_page p;
	struct record r;
	unsigned int pages = 0;

	if (a->skip)
		return 1;
	if (img->state.status != IMAGE_APPLYING || img->state.to_g != a->e.g ||
	    img->state.to_epoch != a->e.epoch)
		return -ESTALE;
	while ((!max_pages || pages < max_pages) && record_walk(a->bytes, a->len, &a->off, &r)) {
		if (r.type == RECORD_EPOCH_END)
			return finish(img, &a->e);
		if (image_blob_type(r.type) && image_add_blob(img, !img->state.half, &r))
			return -ENOSPC;
		if (r.type != RECORD_PAGES)
			continue;
		record_pages_first(&it, r.payload, r.len);
		for (; record_pages_next(&it, &p); pages++) {
			int rc = image_put_page(img, &p);

			if (rc)
				return rc;
		}
	}
	return 0;
}
