/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The standby's image: the shell's RAM as the last applied epoch left it, and beside it what has no place in
 * the shell yet.  The latter lies in a piece of the memory file, so a restarted daemon finds it:
 *
 *  - special pages: shared_info and the grant frames (named by the HV_STATE of the epoch) and any gfn where
 * the shell has no RAM.  At promotion the caller places them and copies the content.
 *  - blobs: the latest HV_STATE, HVM_CONTEXT, HVM_PARAMS, XENSTORE and one per DEVICE; what an epoch does not
 *    carry stays from the one before.  Two halves: those of an epoch appear together, when all its pages are
 * in.
 *  - holes: RAM gfns that the guest has given back.
 *
 * Applying is a redo: an epoch may be applied again from its start any number of times.
 */
#ifndef KEMARI_APPLY_IMAGE_H
#define KEMARI_APPLY_IMAGE_H

#include <stdbool.h>

#include "apply/ram.h"
#include "wire/record.h"

struct image_cfg {
	unsigned int max_special; /* pages; 0: 256 */
	size_t blob_bytes;	  /* all blobs of one epoch; 0: 2 MiB */
};
#define IMAGE_MAX_BLOBS 40

struct image;

/* Bytes of memory file that an image over these ranges takes. */
size_t image_mem_size(const struct image_cfg *cfg, const struct gfn_range *ranges, unsigned int nr);

/*
 * Attaches to mem (8-byte aligned, zeroed for a new VM) and the shell's RAM, which stays the caller's and
 * must outlive the image.  -EINVAL: mem is too small, -EBADMSG: mem is of another layout or damaged: start
 * with a fresh one.
 */
int image_open(void *mem, size_t size, const struct image_cfg *cfg, struct ram *ram, struct image **out);
void image_close(struct image *img);

enum image_status {
	IMAGE_NONE,	/* holds nothing */
	IMAGE_BULK,	/* a bulk copy is under way: not to be used */
	IMAGE_APPLYING, /* an epoch was being applied: only redoing it makes the image whole */
	IMAGE_WHOLE	/* exactly epoch `epoch` of g */
};
/* g, epoch (either may be NULL): what is whole, or for IMAGE_APPLYING what is being applied. */
enum image_status image_status(const struct image *img, uint64_t *g, uint64_t *epoch);

/* From here on the image is IMAGE_BULK; special pages, holes and blobs are forgotten. */
void image_bulk_begin(struct image *img);
/* Writes the pages of a checked PAGES record of a bulk copy. -ENOSPC and why: too many pages without RAM. */
int image_bulk_pages(struct image *img, const uint8_t *payload, uint32_t len, char *why);
/* Nothing in it counts any more. */
void image_forget(struct image *img);
/* The RAM in place is exactly epoch `epoch` of g: the former primary after its grant. */
void image_adopt(struct image *img, uint64_t g, uint64_t epoch);

/*
 * Makes sure that a staged epoch (record_epoch_check() accepted it) can be applied after those before it,
 * before it is acknowledged: HV_STATE is well formed, blobs fit, every page has a place.  0, -EBADMSG,
 * -ENOSPC and why.
 */
int image_check(struct image *img, const uint8_t *epoch, size_t len, char *why);

/* Applies an epoch in steps, so that the loop is never held for long. */
struct image_apply {
	const uint8_t *bytes;
	size_t len;
	size_t off;
	struct record_epoch e;
	bool skip; /* applied already */
};
/* -ESTALE and why: it is not the next one.  An epoch that is applied already is skipped. */
int image_apply_begin(struct image *img, struct image_apply *a, const uint8_t *epoch, size_t len, char *why);
/* Applies up to about max_pages pages (0: all).  1: done, the image is whole; 0: call again. */
int image_apply_step(struct image *img, struct image_apply *a, unsigned int max_pages);

/* For promotion.  Only on IMAGE_WHOLE, else NULL or 0. */
const void *image_blob(const struct image *img, enum record_type type, size_t *len);
const void *image_device(const struct image *img, const char *type, uint32_t id, size_t *len);
/* 4096 bytes of a special page, NULL if it never came. */
const void *image_special(const struct image *img, uint64_t gfn);
/* Calls fn for every special page that has content; for the gfns with no RAM that are not in HV_STATE. */
void image_each_special(const struct image *img, void (*fn)(void *arg, uint64_t gfn, const void *page),
			void *arg);
/* The next hole >= gfn; false: no more. */
bool image_next_hole(const struct image *img, uint64_t gfn, uint64_t *hole);

#endif /* KEMARI_APPLY_IMAGE_H */
