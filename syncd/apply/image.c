/* SPDX-License-Identifier: GPL-2.0-only */
#include "apply/image_int.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hvop.h"
#include "wire/delta.h"
#include "wire/pack.h"

#define MAX_SPECIAL 256U
#define BLOB_BYTES (2U << 20)
#define PAGE RECORD_PAGE_SIZE
#define FREE (~0ULL)

/* ---- layout ---- */

struct layout {
	size_t state, nr_special, special, special_page, hole, half[2], half_bytes[2], total;
};

static size_t up(size_t n, size_t to)
{
	return (n + to - 1) / to * to;
}

static struct image_cfg with_defaults(const struct image_cfg *cfg)
{
	struct image_cfg c = *cfg;

	c.max_special = c.max_special ?: MAX_SPECIAL;
	c.blob_bytes = up(c.blob_bytes ?: BLOB_BYTES, 8);
	return c;
}

static struct layout layout_of(const struct image_cfg *cfg, uint64_t frames)
{
	struct layout l;

	l.state = up(sizeof(struct image_header), 8);
	l.nr_special = l.state + persist_size(sizeof(struct image_state));
	l.special = l.nr_special + 8;
	l.special_page = up(l.special + cfg->max_special * sizeof(struct special), 64);
	l.hole = l.special_page + (size_t)cfg->max_special * PAGE;
	l.half[0] = l.hole + up((frames + 7) / 8, 8);
	l.half_bytes[0] = l.half[0] + sizeof(struct half);
	l.half[1] = l.half_bytes[0] + cfg->blob_bytes;
	l.half_bytes[1] = l.half[1] + sizeof(struct half);
	l.total = l.half_bytes[1] + cfg->blob_bytes;
	return l;
}

size_t image_mem_size(const struct image_cfg *cfg, const struct gfn_range *ranges, unsigned int nr)
{
	struct image_cfg c = with_defaults(cfg);
	uint64_t frames = 0;

	for (unsigned int i = 0; i < nr; i++)
		frames += ranges[i].nr;
	return layout_of(&c, frames).total;
}

static void attach(struct image *img, uint8_t *mem, const struct layout *l)
{
	img->nr_special = (uint64_t *)(mem + l->nr_special);
	img->special = (struct special *)(mem + l->special);
	img->special_page = mem + l->special_page;
	img->hole = (uint64_t *)(mem + l->hole);
	for (unsigned int i = 0; i < 2; i++) {
		img->half[i] = (struct half *)(mem + l->half[i]);
		img->half_bytes[i] = mem + l->half_bytes[i];
	}
}

static bool half_valid(const struct image *img, unsigned int i)
{
	if (img->half[i]->nr > IMAGE_MAX_BLOBS)
		return false;
	for (unsigned int k = 0; k < img->half[i]->nr; k++) {
		const struct blob *b = &img->half[i]->blob[k];

		if (b->offset % 8 || b->offset > img->cfg.blob_bytes ||
		    b->len > img->cfg.blob_bytes - b->offset)
			return false;
	}
	return true;
}

/* Takes over what an earlier daemon left. */
static int adopt_mem(struct image *img)
{
	const void *state;
	size_t len;

	if (*img->nr_special > img->cfg.max_special || img->state.half > 1 ||
	    img->state.status > IMAGE_WHOLE || !half_valid(img, img->state.half))
		return -EBADMSG;
	img->promised = *img->half[img->state.half];
	for (unsigned int i = 0; i < IMAGE_NAMED_SLOTS; i++)
		img->named[i] = FREE;
	if (img->state.status != IMAGE_WHOLE && img->state.status != IMAGE_APPLYING)
		return 0;
	state = image_current_blob(img, RECORD_HV_STATE, "", 0, &len);
	if (!state)
		return 0;
	if (hvop_state_check(state, (uint32_t)len))
		return -EBADMSG;
	image_name(img, state);
	return 0;
}

int image_open(void *mem, size_t size, const struct image_cfg *cfg, struct ram *ram, struct image **out)
{
	struct image_header want = { .magic = IMAGE_MAGIC,
				     .version = IMAGE_VERSION,
				     .frames = ram_frames(ram) };
	struct image *img = calloc(1, sizeof(*img));
	struct image_header *h = mem;
	struct layout l;
	int ret;

	if (!img)
		return -ENOMEM;
	img->ram = ram;
	img->cfg = with_defaults(cfg);
	want.max_special = img->cfg.max_special;
	want.blob_bytes = img->cfg.blob_bytes;
	l = layout_of(&img->cfg, want.frames);
	ret = -EINVAL;
	if (size < l.total)
		goto fail;
	ret = -EBADMSG;
	if (!h->magic)
		*h = want;
	else if (memcmp(h, &want, sizeof(want)))
		goto fail;
	attach(img, mem, &l);
	ret = persist_attach(&img->store, (uint8_t *)mem + l.state, l.nr_special - l.state,
			     sizeof(img->state));
	if (ret)
		goto fail;
	persist_load(&img->store, &img->state); /* none yet: all zero, IMAGE_NONE */
	ret = adopt_mem(img);
	if (ret)
		goto fail;
	*out = img;
	return 0;

fail:
	free(img);
	return ret;
}

void image_close(struct image *img)
{
	free(img);
}

/* ---- status ---- */

void image_set_status(struct image *img, enum image_status status)
{
	img->state.status = status;
	persist_store(&img->store, &img->state);
}

enum image_status image_status(const struct image *img, uint64_t *g, uint64_t *epoch)
{
	const struct image_state *s = &img->state;
	bool applying = s->status == IMAGE_APPLYING;

	if (g)
		*g = applying ? s->to_g : s->g;
	if (epoch)
		*epoch = applying ? s->to_epoch : s->epoch;
	return (enum image_status)s->status;
}

/* What lies beside the RAM is forgotten; the status says so before. */
static void forget_aside(struct image *img)
{
	img->state.half = 0;
	img->state.to_g = img->state.to_epoch = 0;
	memset(&img->promised, 0, sizeof(img->promised));
	for (unsigned int i = 0; i < IMAGE_NAMED_SLOTS; i++)
		img->named[i] = FREE;
}

static void restart(struct image *img, enum image_status status, uint64_t g, uint64_t epoch)
{
	forget_aside(img);
	img->state.g = g;
	img->state.epoch = epoch;
	image_set_status(img, IMAGE_NONE);
	img->half[0]->nr = img->half[1]->nr = 0;
	*img->nr_special = 0;
	memset(img->hole, 0, up((ram_frames(img->ram) + 7) / 8, 8));
	if (status != IMAGE_NONE)
		image_set_status(img, status);
}

void image_bulk_begin(struct image *img)
{
	restart(img, IMAGE_BULK, 0, 0);
}

void image_forget(struct image *img)
{
	restart(img, IMAGE_NONE, 0, 0);
}

void image_adopt(struct image *img, uint64_t g, uint64_t epoch)
{
	restart(img, IMAGE_WHOLE, g, epoch);
}

/* ---- where pages lie ---- */

static unsigned int hash_gfn(uint64_t gfn)
{
	return (unsigned int)(gfn * 0x9e3779b97f4a7c15ULL >> 55) % IMAGE_NAMED_SLOTS;
}

bool image_is_named(const struct image *img, uint64_t gfn)
{
	for (unsigned int i = hash_gfn(gfn); img->named[i] != FREE; i = (i + 1) % IMAGE_NAMED_SLOTS)
		if (img->named[i] == gfn)
			return true;
	return false;
}

static void name_one(struct image *img, uint64_t gfn)
{
	unsigned int i = hash_gfn(gfn);

	if (gfn == XEN_KEMARI_INVALID_GFN || image_is_named(img, gfn))
		return;
	while (img->named[i] != FREE)
		i = (i + 1) % IMAGE_NAMED_SLOTS;
	img->named[i] = gfn;
}

void image_name(struct image *img, const void *hv_state)
{
	const struct xen_kemari_state *s = hv_state;

	for (unsigned int i = 0; i < IMAGE_NAMED_SLOTS; i++)
		img->named[i] = FREE;
	name_one(img, s->shared_info_gfn);
	for (uint32_t i = 0; i < s->nr_grant_frames && i + 1 < IMAGE_MAX_NAMED; i++)
		name_one(img, hvop_state_grant_gfns(s)[i]);
}

int image_find_special(const struct image *img, uint64_t gfn)
{
	for (unsigned int i = 0; i < *img->nr_special; i++)
		if (img->special[i].gfn == gfn)
			return (int)i;
	return -1;
}

int image_reserve_special(struct image *img, uint64_t gfn)
{
	int i = image_find_special(img, gfn);

	if (i >= 0)
		return i;
	if (*img->nr_special == img->cfg.max_special)
		return -ENOSPC;
	i = (int)*img->nr_special;
	img->special[i] = (struct special){ .gfn = gfn };
	++*img->nr_special;
	return i;
}

uint8_t *image_special_page(const struct image *img, int i)
{
	return img->special_page + (size_t)i * PAGE;
}

static void set_hole(struct image *img, uint64_t gfn, bool hole)
{
	uint64_t i = ram_index(img->ram, gfn), bit = 1ULL << i % 64;

	if (i == ~0ULL)
		return;
	if (hole)
		img->hole[i / 64] |= bit;
	else
		img->hole[i / 64] &= ~bit;
}

static bool is_hole(const struct image *img, uint64_t gfn)
{
	uint64_t i = ram_index(img->ram, gfn);

	return i != ~0ULL && img->hole[i / 64] >> i % 64 & 1;
}

int image_put_page(struct image *img, const struct record_page *p)
{
	uint8_t *to = ram_page(img->ram, p->gfn);
	bool aside = !to || image_is_named(img, p->gfn);
	int i = aside || p->encoding == PAGE_HOLE ? image_find_special(img, p->gfn) : -1;

	if (aside && i < 0 && p->encoding != PAGE_HOLE)
		return -ENOSPC;
	if (p->encoding == PAGE_DELTA && !image_view(img, p->gfn))
		return -ESTALE; /* from what? */
	set_hole(img, p->gfn, p->encoding == PAGE_HOLE);
	if (i >= 0) {
		img->special[i].valid = p->encoding != PAGE_HOLE;
		to = image_special_page(img, i);
	}
	if (p->encoding == PAGE_RAW)
		memcpy(to, p->data, PAGE);
	else if (p->encoding == PAGE_ZERO)
		memset(to, 0, PAGE);
	else if (p->encoding == PAGE_DELTA)
		delta_apply(to, p->data);
	else if (p->encoding == PAGE_LZ4 && !pack_unpack(p->data, to))
		return -EBADMSG;
	return 0;
}

const uint8_t *image_view(const struct image *img, uint64_t gfn)
{
	const uint8_t *page = ram_page(img->ram, gfn);
	int i;

	if (is_hole(img, gfn))
		return NULL;
	if (page && !image_is_named(img, gfn))
		return page;
	i = image_find_special(img, gfn);
	return i >= 0 && img->special[i].valid ? image_special_page(img, i) : NULL;
}

int image_bulk_pages(struct image *img, const uint8_t *payload, uint32_t len, char *why)
{
	struct record_page_iter it;
	struct record_page p;

	record_pages_first(&it, payload, len);
	while (record_pages_next(&it, &p)) {
		if (p.encoding == PAGE_DELTA) {
			snprintf(why, RECORD_WHY_MAX, "a bulk copy has only whole pages (gfn %llx)",
				 (unsigned long long)p.gfn);
			return -EBADMSG;
		}
		if (p.encoding != PAGE_HOLE && !ram_page(img->ram, p.gfn) &&
		    image_reserve_special(img, p.gfn) < 0) {
			snprintf(why, RECORD_WHY_MAX,
				 "the guest has pages where the standby's domain has none (gfn %llx and %u "
				 "others): "
				 "use the same memory= on both hosts",
				 (unsigned long long)p.gfn, img->cfg.max_special);
			return -ENOSPC;
		}
		if (image_put_page(img, &p)) {
			snprintf(why, RECORD_WHY_MAX, "the page of gfn %llx cannot be unpacked",
				 (unsigned long long)p.gfn);
			return -EBADMSG;
		}
	}
	return 0;
}

/* ---- promotion ---- */

const void *image_special(const struct image *img, uint64_t gfn)
{
	int i = img->state.status == IMAGE_WHOLE ? image_find_special(img, gfn) : -1;

	return i >= 0 && img->special[i].valid ? image_special_page(img, i) : NULL;
}

void image_each_special(const struct image *img, void (*fn)(void *arg, uint64_t gfn, const void *page),
			void *arg)
{
	if (img->state.status != IMAGE_WHOLE)
		return;
	for (unsigned int i = 0; i < *img->nr_special; i++)
		if (img->special[i].valid && !image_is_named(img, img->special[i].gfn))
			fn(arg, img->special[i].gfn, image_special_page(img, (int)i));
}

bool image_next_hole(const struct image *img, uint64_t gfn, uint64_t *hole)
{
	uint64_t frames = ram_frames(img->ram), i = 0;

	if (img->state.status != IMAGE_WHOLE)
		return false;
	while (i < frames && ram_gfn(img->ram, i) < gfn)
		i++;
	for (; i < frames; i++) {
		if (!img->hole[i / 64]) { /* a word of none */
			i |= 63;
		} else if (img->hole[i / 64] >> i % 64 & 1) {
			*hole = ram_gfn(img->ram, i);
			return true;
		}
	}
	return false;
}
