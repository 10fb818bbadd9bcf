/* SPDX-License-Identifier: GPL-2.0-only */
#include "pages.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <xen/grant_table.h>
#include <xen/memory.h>
#include <xenforeignmemory.h>

#include "log.h"

#define ENTRIES_PER_FRAME (RAM_PAGE_SIZE / sizeof(grant_entry_v1_t))

struct pages {
	const char *vm;
	uint32_t domid;
	struct ram *ram;
	uint64_t ram_frames;
	xenforeignmemory_handle *fmem;
	xenforeignmemory_resource_handle *res;
	uint8_t *grant; /* nr_grants pages */
	uint32_t nr_grants;
	uint64_t grant_gfn[PAGES_MAX_GRANT_FRAMES];
	/* Copies of an instant; NULL: not now. */
	const uint8_t *then;
	uint32_t nr_then;
	uint64_t then_frame[PAGES_MAX_COPIES]; /* PAGES_NONE: no such frame */
	uint16_t *then_of;		       /* by frame: which copy, counted from 1; 0: none */
	bool missed;
};

uint64_t pages_frames_of(uint64_t memory_kb)
{
	struct gfn_range r[RAM_MAX_RANGES];
	unsigned int nr = ram_pvh_ranges(memory_kb, r);
	uint64_t frames = PAGES_MAX_GRANT_FRAMES;

	for (unsigned int i = 0; i < nr; i++)
		frames += r[i].nr;
	return frames;
}

int pages_open(const char *vm, uint32_t domid, struct ram *ram, struct pages **out)
{
	struct pages *p = calloc(1, sizeof(*p));
	int rc;

	if (!p)
		return -ENOMEM;
	p->vm = vm;
	p->domid = domid;
	p->ram = ram;
	p->ram_frames = ram_frames(ram);
	p->then_of = calloc(pages_frames(p), sizeof(*p->then_of));
	if (!p->then_of) {
		free(p);
		return -ENOMEM;
	}
	p->fmem = xenforeignmemory_open(NULL, 0);
	if (!p->fmem) {
		rc = -errno;
		free(p->then_of);
		free(p);
		return rc;
	}
	*out = p;
	return 0;
}

void pages_close(struct pages *p)
{
	if (!p)
		return;
	if (p->res)
		xenforeignmemory_unmap_resource(p->fmem, p->res);
	xenforeignmemory_close(p->fmem);
	free(p->then_of);
	free(p);
}

xenforeignmemory_handle *pages_memory(struct pages *p)
{
	return p->fmem;
}

uint64_t pages_frames(const struct pages *p)
{
	return p->ram_frames + PAGES_MAX_GRANT_FRAMES;
}

uint64_t pages_gfn(const struct pages *p, uint64_t frame)
{
	if (frame >= p->ram_frames)
		return frame - p->ram_frames < p->nr_grants ? p->grant_gfn[frame - p->ram_frames]
							    : PAGES_NONE;
	return ram_gfn(p->ram, frame);
}

uint64_t pages_frame(const struct pages *p, uint64_t gfn)
{
	uint64_t frame = ram_index(p->ram, gfn);

	if (frame != PAGES_NONE)
		return frame;
	for (uint32_t i = 0; i < p->nr_grants; i++)
		if (p->grant_gfn[i] == gfn && gfn != PAGES_NONE)
			return p->ram_frames + i;
	return PAGES_NONE;
}

void pages_then(struct pages *p, const uint64_t *gfns, const void *copies, uint32_t nr)
{
	p->then = copies;
	p->nr_then = nr < PAGES_MAX_COPIES ? nr : PAGES_MAX_COPIES;
	p->missed = false;
	for (uint32_t i = 0; i < p->nr_then; i++) {
		uint64_t frame = pages_frame(p, gfns[i]);

		p->then_frame[i] = frame;
		if (frame != PAGES_NONE)
			p->then_of[frame] = (uint16_t)(i + 1);
	}
}

void pages_now(struct pages *p)
{
	for (uint32_t i = 0; p->then && i < p->nr_then; i++)
		if (p->then_frame[i] != PAGES_NONE)
			p->then_of[p->then_frame[i]] = 0;
	p->then = NULL;
}

bool pages_missed(const struct pages *p)
{
	return p->missed;
}

static const void *copy_of(struct pages *p, uint64_t frame)
{
	uint16_t i = p->then_of[frame];

	if (!i)
		p->missed = true;
	return i ? p->then + (size_t)(i - 1) * RAM_PAGE_SIZE : NULL;
}

const void *pages_page_now(const struct pages *p, uint64_t frame)
{
	if (frame >= p->ram_frames)
		return frame - p->ram_frames < p->nr_grants
			       ? p->grant + (frame - p->ram_frames) * RAM_PAGE_SIZE
			       : NULL;
	return ram_page(p->ram, pages_gfn(p, frame));
}

const void *pages_page(struct pages *p, uint64_t frame)
{
	return p->then ? copy_of(p, frame) : pages_page_now(p, frame);
}

static int remapped(const struct pages *p, int rc)
{
	if (rc)
		kem_vm_err(p->vm, "cannot map the guest's memory anew: %s", strerror(-rc));
	return rc;
}

int pages_remap(struct pages *p, const uint64_t *gfns, uint32_t nr)
{
	return remapped(p, ram_remap_list(p->ram, gfns, nr));
}

int pages_remap_part(struct pages *p, uint64_t frame, uint64_t *end)
{
	return remapped(p, ram_remap_part(p->ram, frame, end));
}

int pages_set_grants(struct pages *p, const uint64_t *gfns, uint32_t nr)
{
	void *addr = NULL;

	if (nr > PAGES_MAX_GRANT_FRAMES) {
		kem_vm_err(p->vm, "the guest has %u grant frames, %u can be mirrored", nr,
			   PAGES_MAX_GRANT_FRAMES);
		return -E2BIG;
	}
	memcpy(p->grant_gfn, gfns, nr * sizeof(*gfns));
	if (nr == p->nr_grants)
		return 0;
	if (p->res)
		xenforeignmemory_unmap_resource(p->fmem, p->res);
	p->nr_grants = 0;
	p->res = xenforeignmemory_map_resource(p->fmem, (domid_t)p->domid, XENMEM_resource_grant_table,
					       XENMEM_resource_grant_table_id_shared, 0, nr, &addr,
					       PROT_READ | PROT_WRITE, 0);
	if (!p->res) {
		int rc = -errno;

		kem_vm_err(p->vm, "cannot map the grant table: %s", strerror(-rc));
		return rc;
	}
	p->grant = addr;
	p->nr_grants = nr;
	return 0;
}

uint32_t pages_grants(const struct pages *p)
{
	return p->nr_grants;
}

uint64_t pages_grant_gfn(const struct pages *p, uint32_t ref)
{
	const grant_entry_v1_t *e;

	if (ref >= p->nr_grants * ENTRIES_PER_FRAME)
		return PAGES_NONE;
	e = (const grant_entry_v1_t *)p->grant + ref;
	if ((e->flags & GTF_type_mask) != GTF_permit_access)
		return PAGES_NONE;
	return e->frame;
}
