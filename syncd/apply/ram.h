/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A guest's RAM, mapped once and kept mapped: one pointer per page.  Used on both hosts: capture copies from
 * it, the standby's image writes into it.  Mapped in chunks of 16 MiB, since the kernel holds the address
 * space's lock while it maps (3 us a page, measured).
 *
 * A map shows the frame that was behind a gfn when it was mapped.  When the physmap changed (the guest placed
 * shared_info, gave a page back), ram_remap() looks again.
 *
 * A mapped domain cannot die: ram_unmap_some() and ram_close() when it is to be destroyed.
 */
#ifndef KEMARI_APPLY_RAM_H
#define KEMARI_APPLY_RAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RAM_PAGE_SIZE 4096U
#define RAM_MAX_RANGES 16
/* Pages outside of the ranges (grant frames where the guest put them), mapped one by one. */
#define RAM_MAX_EXTRA 512

struct gfn_range {
	uint64_t first;
	uint64_t nr;
};

struct ram_ops {
	/* Maps nr gfns writable; err[i] = 0 or negative errno of gfns[i].  NULL, errno: it failed. */
	void *(*map)(void *arg, const uint64_t *gfns, unsigned int nr, int *err);
	void (*unmap)(void *arg, void *addr, unsigned int nr);
};

struct ram;

/* ops on a domain through xenforeignmemory.  *arg is theirs; ram_xen_close() after ram_close(). */
int ram_xen_open(uint32_t domid, const struct ram_ops **ops, void **arg);
void ram_xen_close(void *arg);

/*
 * The gfns where a PVH guest of memory_kb has RAM: low memory from 0, the ACPI pages at 0xfc000 (256 looked
 * at), the 8 special pages at 0xfeff8, the rest from 4 GiB on (toolstack layout of Xen 4.17).  Returns their
 * number (<= 4).
 */
unsigned int ram_pvh_ranges(uint64_t memory_kb, struct gfn_range r[RAM_MAX_RANGES]);

/*
 * Of the ranges (ascending, not overlapping).  Nothing is mapped before ram_map_some() has been called until
 * it returns 0.  -EINVAL, -ENOMEM.
 */
int ram_open(const struct ram_ops *ops, void *arg, const struct gfn_range *ranges, unsigned int nr,
	     struct ram **out);
/* Maps all that is present in the next 16 MiB.  1: go on; 0: that was all; or the map's error. */
int ram_map_some(struct ram *r);
/* The reverse, before ram_close(), which unmaps all that is left at once: seconds with gigabytes.  No page is
 * asked for any more.  1: go on; 0: that was all of the ranges. */
int ram_unmap_some(struct ram *r);
void ram_close(struct ram *r);

/* The page, or NULL if the guest has none there (or it lies outside of the ranges and was not ram_remap()ed).
 */
uint8_t *ram_page(const struct ram *r, uint64_t gfn);
/*
 * Maps the gfn anew.  0, -ENOENT: nothing there now (ram_page gives NULL), -ENOSPC: RAM_MAX_EXTRA reached, or
 * the map's error: ram_page gives NULL, whatever is there.
 */
int ram_remap(struct ram *r, uint64_t gfn);
/*
 * The same for many, in ascending order; those outside of the ranges are left out.  Pointers into the same
 * chunks change, too.  0 or the map's error.
 */
int ram_remap_list(struct ram *r, const uint64_t *gfns, uint32_t nr);
/*
 * The 16 MiB in which the frame lies: physmap changes may have gone unseen.  *end: the first frame behind
 * them, ~0: there is none.  0 or the map's error.
 */
int ram_remap_part(struct ram *r, uint64_t index, uint64_t *end);
/* Takes the page out: ram_page gives NULL until ram_remap(). */
void ram_hide(struct ram *r, uint64_t gfn);

unsigned int ram_ranges(const struct ram *r, const struct gfn_range **ranges);
/* Frames of all ranges, present or not, are numbered 0..frames-1, in order of gfn. */
uint64_t ram_frames(const struct ram *r);
/* Of them, those that ram_map_some() has been through. */
uint64_t ram_mapped(const struct ram *r);
uint64_t ram_gfn(const struct ram *r, uint64_t index);
/* ~0: not in a range. */
uint64_t ram_index(const struct ram *r, uint64_t gfn);

#endif /* KEMARI_APPLY_RAM_H */
