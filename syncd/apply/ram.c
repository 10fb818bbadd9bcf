/* SPDX-License-Identifier: GPL-2.0-only */
#include "apply/ram.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define CHUNK_PAGES 4096U /* 16 MiB */
#define ACPI_FIRST 0xfc000ULL
#define ACPI_PAGES 256ULL
#define SPECIAL_FIRST 0xfeff8ULL
#define SPECIAL_PAGES 8ULL
#define HIGH_FIRST 0x100000ULL

struct chunk {
	uint8_t *addr;
	unsigned int nr;
};

struct extra {
	uint64_t gfn;
	uint8_t *page;
};

struct ram {
	const struct ram_ops *ops;
	void *arg;
	unsigned int nr_ranges;
	struct gfn_range range[RAM_MAX_RANGES];
	uint64_t frames;
	uint8_t **page; /* by index */
	bool *own;	/* by index: mapped alone by ram_remap */
	struct chunk *chunk;
	unsigned int nr_chunks;
	unsigned int nr_extra;
	struct extra extra[RAM_MAX_EXTRA];
};

static void add(struct gfn_range *r, unsigned int *n, uint64_t first, uint64_t nr)
{
	if (nr)
		r[(*n)++] = (struct gfn_range){ first, nr };
}

unsigned int ram_pvh_ranges(uint64_t memory_kb, struct gfn_range r[RAM_MAX_RANGES])
{
	uint64_t pages = memory_kb / 4, low = pages < ACPI_FIRST ? pages : ACPI_FIRST;
	unsigned int n = 0;

	add(r, &n, 0, low);
	add(r, &n, ACPI_FIRST, ACPI_PAGES);
	add(r, &n, SPECIAL_FIRST, SPECIAL_PAGES);
	add(r, &n, HIGH_FIRST, pages - low);
	return n;
}

static int map_chunk(struct ram *r, uint64_t index, unsigned int nr)
{
	uint64_t gfns[CHUNK_PAGES];
	int err[CHUNK_PAGES];
	uint8_t *addr;

	for (unsigned int i = 0; i < nr; i++)
		gfns[i] = ram_gfn(r, index + i);
	addr = r->ops->map(r->arg, gfns, nr, err);
	if (!addr)
		return 0; /* nothing there at all */
	r->chunk[r->nr_chunks++] = (struct chunk){ addr, nr };
	for (unsigned int i = 0; i < nr; i++) {
		if (err[i])
			continue;
		r->page[index + i] = addr + (size_t)i * RAM_PAGE_SIZE;
	}
	return 0;
}

static int map_all(struct ram *r)
{
	uint64_t index = 0;

	for (unsigned int k = 0; k < r->nr_ranges; k++)
		for (uint64_t at = 0; at < r->range[k].nr;) {
			uint64_t left = r->range[k].nr - at;
			unsigned int nr = left < CHUNK_PAGES ? (unsigned int)left : CHUNK_PAGES;
			int rc = map_chunk(r, index, nr);

			if (rc)
				return rc;
			index += nr;
			at += nr;
		}
	return 0;
}

static bool ascending(const struct gfn_range *ranges, unsigned int nr)
{
	for (unsigned int i = 0; i < nr; i++)
		if (!ranges[i].nr || (i && ranges[i].first < ranges[i - 1].first + ranges[i - 1].nr))
			return false;
	return nr && nr <= RAM_MAX_RANGES;
}

int ram_open(const struct ram_ops *ops, void *arg, const struct gfn_range *ranges, unsigned int nr,
	     struct ram **out)
{
	struct ram *r;
	int rc = -ENOMEM;

	if (!ascending(ranges, nr))
		return -EINVAL;
	r = calloc(1, sizeof(*r));
	if (!r)
		return -ENOMEM;
	r->ops = ops;
	r->arg = arg;
	r->nr_ranges = nr;
	memcpy(r->range, ranges, nr * sizeof(*ranges));
	for (unsigned int i = 0; i < nr; i++)
		r->frames += ranges[i].nr;
	r->page = calloc(r->frames, sizeof(*r->page));
	r->own = calloc(r->frames, sizeof(*r->own));
	r->chunk = calloc(r->frames / CHUNK_PAGES + nr + 1, sizeof(*r->chunk));
	if (r->page && r->own && r->chunk)
		rc = map_all(r);
	if (rc) {
		ram_close(r);
		return rc;
	}
	*out = r;
	return 0;
}

void ram_close(struct ram *r)
{
	if (!r)
		return;
	for (uint64_t i = 0; r->own && i < r->frames; i++)
		if (r->own[i])
			r->ops->unmap(r->arg, r->page[i], 1);
	for (unsigned int i = 0; i < r->nr_extra; i++)
		if (r->extra[i].page)
			r->ops->unmap(r->arg, r->extra[i].page, 1);
	for (unsigned int i = 0; i < r->nr_chunks; i++)
		r->ops->unmap(r->arg, r->chunk[i].addr, r->chunk[i].nr);
	free(r->chunk);
	free(r->own);
	free(r->page);
	free(r);
}

uint64_t ram_index(const struct ram *r, uint64_t gfn)
{
	uint64_t base = 0;

	for (unsigned int i = 0; i < r->nr_ranges; i++) {
		if (gfn - r->range[i].first < r->range[i].nr)
			return base + (gfn - r->range[i].first);
		base += r->range[i].nr;
	}
	return ~0ULL;
}

uint64_t ram_gfn(const struct ram *r, uint64_t index)
{
	for (unsigned int i = 0; i < r->nr_ranges; i++) {
		if (index < r->range[i].nr)
			return r->range[i].first + index;
		index -= r->range[i].nr;
	}
	return ~0ULL;
}

static struct extra *find_extra(const struct ram *r, uint64_t gfn)
{
	for (unsigned int i = 0; i < r->nr_extra; i++)
		if (r->extra[i].gfn == gfn)
			return (struct extra *)&r->extra[i];
	return NULL;
}

uint8_t *ram_page(const struct ram *r, uint64_t gfn)
{
	uint64_t index = ram_index(r, gfn);
	const struct extra *x;

	if (index != ~0ULL)
		return r->page[index];
	x = find_extra(r, gfn);
	return x ? x->page : NULL;
}

static uint8_t *map_one(struct ram *r, uint64_t gfn)
{
	int err = 0;
	uint8_t *page = r->ops->map(r->arg, &gfn, 1, &err);

	if (page && err) {
		r->ops->unmap(r->arg, page, 1);
		page = NULL;
	}
	return page;
}

/* A page of a chunk stays mapped in the chunk until the end; only the pointer moves. */
static void drop(struct ram *r, uint64_t index)
{
	if (!r->page[index])
		return;
	if (r->own[index])
		r->ops->unmap(r->arg, r->page[index], 1);
	r->own[index] = false;
	r->page[index] = NULL;
}

static int remap_extra(struct ram *r, uint64_t gfn)
{
	struct extra *x = find_extra(r, gfn);

	if (!x) {
		if (r->nr_extra == RAM_MAX_EXTRA)
			return -ENOSPC;
		x = &r->extra[r->nr_extra++];
		*x = (struct extra){ .gfn = gfn };
	}
	if (x->page)
		r->ops->unmap(r->arg, x->page, 1);
	x->page = map_one(r, gfn);
	return x->page ? 0 : -ENOENT;
}

int ram_remap(struct ram *r, uint64_t gfn)
{
	uint64_t index = ram_index(r, gfn);

	if (index == ~0ULL)
		return remap_extra(r, gfn);
	drop(r, index);
	r->page[index] = map_one(r, gfn);
	if (!r->page[index])
		return -ENOENT;
	r->own[index] = true;
	return 0;
}

void ram_hide(struct ram *r, uint64_t gfn)
{
	uint64_t index = ram_index(r, gfn);

	if (index != ~0ULL)
		drop(r, index);
}

unsigned int ram_ranges(const struct ram *r, const struct gfn_range **ranges)
{
	*ranges = r->range;
	return r->nr_ranges;
}

uint64_t ram_frames(const struct ram *r)
{
	return r->frames;
}
