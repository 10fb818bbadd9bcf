/* SPDX-License-Identifier: GPL-2.0-only */
/* The image from the inside: its layout in the memory file, and what the image_*.c share. */
#ifndef KEMARI_APPLY_IMAGE_INT_H
#define KEMARI_APPLY_IMAGE_INT_H

#include "apply/image.h"
#include "persist.h"

#define IMAGE_MAGIC 0x31474d494d454bULL
#define IMAGE_VERSION 1
/* Largest HV_STATE: 128 vCPUs, 4096 ports, 64 grant frames take 83 KiB. */
#define IMAGE_MAX_HV_STATE (128U << 10)
/* Gfns that one HV_STATE may name: shared_info and as many grant frames as Xen allows by default, doubled. */
#define IMAGE_MAX_NAMED 129U
#define IMAGE_NAMED_SLOTS 512U /* of their hash table, a power of two */

struct image_header {
	uint64_t magic;
	uint32_t version;
	uint32_t max_special;
	uint64_t blob_bytes;
	uint64_t frames;
};

/* Persisted: what the image is. */
struct image_state {
	uint32_t status; /* enum image_status */
	uint32_t half;	 /* of the blobs that count */
	uint64_t g, epoch;
	uint64_t to_g, to_epoch; /* IMAGE_APPLYING */
};

/* A page that is kept aside.  Places are given at image_check() time and stay until the next bulk copy. */
struct special {
	uint64_t gfn;
	uint64_t valid; /* it has content */
};

struct blob {
	uint32_t type; /* enum record_type */
	uint32_t id;   /* of a DEVICE */
	char device[16];
	uint64_t offset, len; /* in the half's bytes */
};

struct half {
	uint64_t nr;
	struct blob blob[IMAGE_MAX_BLOBS];
};

struct image {
	struct ram *ram;
	struct image_cfg cfg;
	struct persist store;
	struct image_state state;
	/* in the memory file */
	uint64_t *nr_special;
	struct special *special;
	uint8_t *special_page;
	uint64_t *hole; /* a bit for each frame of ram */
	struct half *half[2];
	uint8_t *half_bytes[2];
	/* The daemon's own: gfns named by the HV_STATE that counts, ~0: free. */
	uint64_t named[IMAGE_NAMED_SLOTS];
	/* Lengths of the blobs as they will be when all that was checked is applied. */
	struct half promised;
	uint64_t scratch[IMAGE_MAX_HV_STATE / 8];
};

void image_set_status(struct image *img, enum image_status status);

/* image.c: where pages lie */
bool image_is_named(const struct image *img, uint64_t gfn);
/* Takes the gfns that a checked HV_STATE names. */
void image_name(struct image *img, const void *hv_state);
/* -1: none. */
int image_find_special(const struct image *img, uint64_t gfn);
/* Finds or gives a place; -ENOSPC. */
int image_reserve_special(struct image *img, uint64_t gfn);
uint8_t *image_special_page(const struct image *img, int i);
/* -ENOSPC: it has no place, -ESTALE: nothing is there that it could differ from, -EBADMSG: it is not packed
 * as it should be. */
int image_put_page(struct image *img, const struct record_page *p);
/* What the guest has at gfn as far as the image knows, NULL: nothing. */
const uint8_t *image_view(const struct image *img, uint64_t gfn);

/* image_blob.c */
bool image_blob_type(enum record_type type);
/* Puts one blob record into a half; -ENOSPC. */
int image_add_blob(struct image *img, unsigned int half, const struct record *r);
/* Copies what `to` lacks from the other half; -ENOSPC. */
int image_carry_blobs(struct image *img, unsigned int to);
/* Whether the record's blob fits beside the others of sum; it is counted in and marked by its offset.
 * -ENOSPC, -EEXIST: it is marked already. */
int image_promise_blob(const struct image *img, struct half *sum, const struct record *r);
/* Of the half that counts, whatever the status. */
const void *image_current_blob(const struct image *img, uint32_t type, const char *device, uint32_t id,
			       size_t *len);
/* The HV_STATE record of an epoch, copied to where it is aligned; NULL: none that is well formed. */
const void *image_hv_state(struct image *img, const struct record *r);

#endif /* KEMARI_APPLY_IMAGE_INT_H */
