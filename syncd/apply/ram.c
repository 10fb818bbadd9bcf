/* SPDX-License-Identifier: GPL-2.0-only */
#include "apply/ram.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define CHUNK_PAGES 4096U /* 16 MiB */
/* So many pages of a chunk cost more one by one than all of it at once (60 us and 3 us each, measured). */
#define CHUNK_ANEW 205U
/* Each page mapped alone is a mapping of the kernel's, which has 65530 for a process. */
#define OWN_MAX 16384U
#define ACPI_FIRST 0xfc000ULL
#define ACPI_PAGES 256ULL
#define SPECIAL_FIRST 0xfeff8ULL
#define SPECIAL_PAGES 8ULL
#define HIGH_FIRST 0x100000ULL

struct chunk {
	uint64_t index; /* of its first page */
	unsigned int nr;
	uint8_t *addr;
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
	uint64_t nr_own;
	struct chunk *chunk;
	unsigned int nr_chunks;
	unsigned int mapped; /* chunks, by ram_map_some() */
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

/* A page of a chunk stays mapped in the chunk until that is mapped anew; only the pointer moves. */
static void drop(struct ram *r, uint64_t index)
{
	if (!r->page[index])
		return;
	if (r->own[index]) {
		r->ops->unmap(r->arg, r->page[index], 1);
		r->nr_own--;
	}
	r->own[index] = false;
	r->page[index] = NULL;
}

/* Linux' words for a gfn without a page; any other error says nothing about the guest. */
static bool is_hole(int err)
{
	return err == -EINVAL || err == -ENOENT;
}

/* For the first time, or all of it anew. */
static int map_chunk(struct ram *r, struct chunk *c)
{
	uint64_t gfns[CHUNK_PAGES];
	int err[CHUNK_PAGES];
	uint8_t *addr;

	for (unsigned int i = 0; i < c->nr; i++)
		gfns[i] = ram_gfn(r, c->index + i);
	addr = r->ops->map(r->arg, gfns, c->nr, err);
	if (!addr)
		return -errno;
	for (unsigned int i = 0; i < c->nr; i++)
		if (err[i] && !is_hole(err[i])) {
			r->ops->unmap(r->arg, addr, c->nr);
			return err[i];
		}
	for (unsigned int i = 0; i < c->nr; i++) {
		drop(r, c->index + i);
		r->page[c->index + i] = err[i] ? NULL : addr + (size_t)i * RAM_PAGE_SIZE;
	}
	if (c->addr)
		r->ops->unmap(r->arg, c->addr, c->nr);
	c->addr = addr;
	return 0;
}

static void divide(struct ram *r)
{
	uint64_t index = 0;

	for (unsigned int k = 0; k < r->nr_ranges; k++)
		for (uint64_t at = 0; at < r->range[k].nr;) {
			uint64_t left = r->range[k].nr - at;
			unsigned int nr = left < CHUNK_PAGES ? (unsigned int)left : CHUNK_PAGES;

			r->chunk[r->nr_chunks++] = (struct chunk){ .index = index, .nr = nr };
			index += nr;
			at += nr;
		}
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
	if (!r->page || !r->own || !r->chunk) {
		ram_close(r);
		return -ENOMEM;
	}
	divide(r);
	*out = r;
	return 0;
}

int ram_map_some(struct ram *r)
{
	int rc = r->mapped < r->nr_chunks ? map_chunk(r, &r->chunk[r->mapped]) : 0;

	if (rc)
		return rc;
	return ++r->mapped < r->nr_chunks;
}

int ram_unmap_some(struct ram *r)
{
	struct chunk *c;

	if (!r->nr_chunks)
		return 0;
	c = &r->chunk[--r->nr_chunks];
	for (unsigned int i = 0; i < c->nr; i++)
		drop(r, c->index + i);
	if (c->addr)
		r->ops->unmap(r->arg, c->addr, c->nr);
	return r->nr_chunks > 0;
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
		if (r->chunk[i].addr)
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

/* 0 and the page, -ENOENT: there is none, or the map's error. */
static int map_one(struct ram *r, uint64_t gfn, uint8_t **page)
{
	int err = 0;

	*page = r->ops->map(r->arg, &gfn, 1, &err);
	if (!*page)
		return -errno;
	if (!err)
		return 0;
	r->ops->unmap(r->arg, *page, 1);
	*page = NULL;
	return is_hole(err) ? -ENOENT : err;
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
	return map_one(r, gfn, &x->page);
}

int ram_remap(struct ram *r, uint64_t gfn)
{
	uint64_t index = ram_index(r, gfn);
	int rc;

	if (index == ~0ULL)
		return remap_extra(r, gfn);
	drop(r, index);
	rc = map_one(r, gfn, &r->page[index]);
	r->own[index] = !rc;
	r->nr_own += !rc;
	return rc;
}

static struct chunk *chunk_of(const struct ram *r, uint64_t index)
{
	for (unsigned int i = 0; i < r->nr_chunks; i++)
		if (index - r->chunk[i].index < r->chunk[i].nr)
			return &r->chunk[i];
	return NULL;
}

static int remap_each(struct ram *r, const uint64_t *gfns, uint32_t nr)
{
	int rc = 0;

	for (uint32_t i = 0; i < nr && (!rc || rc == -ENOENT); i++)
		rc = ram_remap(r, gfns[i]);
	return rc == -ENOENT ? 0 : rc;
}

int ram_remap_list(struct ram *r, const uint64_t *gfns, uint32_t nr)
{
	int rc = 0;

	for (uint32_t i = 0, n; !rc && i < nr; i += n) {
		struct chunk *c = chunk_of(r, ram_index(r, gfns[i]));

		for (n = 1; c && i + n < nr && ram_index(r, gfns[i + n]) - c->index < c->nr;)
			n++;
		if (c && n < CHUNK_ANEW && r->nr_own + n <= OWN_MAX)
			rc = remap_each(r, gfns + i, n);
		else if (c)
			rc = map_chunk(r, c);
	}
	return rc;
}

int ram_remap_part(struct ram *r, uint64_t index, uint64_t *end)
{
	struct chunk *c = chunk_of(r, index);

	*end = c ? c->index + c->nr : ~0ULL;
	return c ? map_chunk(r, c) : 0;
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

uint64_t ram_mapped(const struct ram *r)
{
	return r->mapped < r->nr_chunks ? r->chunk[r->mapped].index : r->frames;
}
