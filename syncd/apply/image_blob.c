/* SPDX-License-Identifier: GPL-2.0-only */
/* The blobs of an image: two halves, of which one counts. */
#include "apply/image_int.h"

#include <errno.h>
#include <string.h>

#include "hvop.h"
#include "le.h"

struct key {
	uint32_t type, id;
	char device[16];
	const uint8_t *data;
	uint64_t len;
};

bool image_blob_type(enum record_type type)
{
	return type == RECORD_HV_STATE || type == RECORD_HVM_CONTEXT || type == RECORD_HVM_PARAMS ||
	       type == RECORD_DEVICE || type == RECORD_XENSTORE;
}

static struct key key_of(const struct record *r)
{
	struct key k = { .type = r->type, .data = r->payload, .len = r->len };

	if (r->type == RECORD_DEVICE) {
		memcpy(k.device, r->payload, sizeof(k.device));
		k.id = get_le32(r->payload + offsetof(struct record_device, id));
		k.data += sizeof(struct record_device);
		k.len -= sizeof(struct record_device);
	}
	return k;
}

static const struct blob *find(const struct half *h, uint32_t type, const char *device, uint32_t id)
{
	for (unsigned int i = 0; i < h->nr; i++) {
		const struct blob *b = &h->blob[i];

		if (b->type == type && b->id == id && !strncmp(b->device, device, sizeof(b->device)))
			return b;
	}
	return NULL;
}

static uint64_t room_of(uint64_t len)
{
	return (len + 7) & ~7ULL;
}

static uint64_t end_of(const struct half *h)
{
	return h->nr ? h->blob[h->nr - 1].offset + room_of(h->blob[h->nr - 1].len) : 0;
}

static int append(struct image *img, unsigned int half, const struct key *k)
{
	struct half *h = img->half[half];
	uint64_t at = end_of(h);
	struct blob *b = &h->blob[h->nr];

	if (h->nr == IMAGE_MAX_BLOBS || room_of(k->len) > img->cfg.blob_bytes - at)
		return -ENOSPC;
	*b = (struct blob){ .type = k->type, .id = k->id, .offset = at, .len = k->len };
	memcpy(b->device, k->device, sizeof(b->device));
	if (k->len)
		memcpy(img->half_bytes[half] + at, k->data, k->len);
	h->nr++;
	return 0;
}

int image_add_blob(struct image *img, unsigned int half, const struct record *r)
{
	struct key k = key_of(r);

	return append(img, half, &k);
}

int image_carry_blobs(struct image *img, unsigned int to)
{
	const struct half *from = img->half[!to];
	int ret = 0;

	for (unsigned int i = 0; !ret && i < from->nr; i++) {
		const struct blob *b = &from->blob[i];
		struct key k = {
			.type = b->type, .id = b->id, .data = img->half_bytes[!to] + b->offset, .len = b->len
		};

		if (find(img->half[to], b->type, b->device, b->id))
			continue;
		memcpy(k.device, b->device, sizeof(k.device));
		ret = append(img, to, &k);
	}
	return ret;
}

int image_promise_blob(const struct image *img, struct half *sum, const struct record *r)
{
	struct key k = key_of(r);
	struct blob *b = (struct blob *)find(sum, k.type, k.device, k.id);
	uint64_t total = 0;

	if (!b) {
		if (sum->nr == IMAGE_MAX_BLOBS)
			return -ENOSPC;
		b = &sum->blob[sum->nr++];
		*b = (struct blob){ .type = k.type, .id = k.id };
		memcpy(b->device, k.device, sizeof(b->device));
	}
	if (b->offset)
		return -EEXIST;
	b->offset = 1;
	b->len = k.len;
	for (unsigned int i = 0; i < sum->nr; i++)
		total += room_of(sum->blob[i].len);
	return total > img->cfg.blob_bytes ? -ENOSPC : 0;
}

const void *image_hv_state(struct image *img, const struct record *r)
{
	const struct xen_kemari_state *s = (const struct xen_kemari_state *)img->scratch;

	if (r->len > sizeof(img->scratch))
		return NULL;
	memcpy(img->scratch, r->payload, r->len);
	if (hvop_state_check(img->scratch, r->len) || s->nr_grant_frames >= IMAGE_MAX_NAMED)
		return NULL;
	return img->scratch;
}

const void *image_current_blob(const struct image *img, uint32_t type, const char *device, uint32_t id,
			       size_t *len)
{
	const struct blob *b = find(img->half[img->state.half], type, device, id);

	if (!b)
		return NULL;
	*len = b->len;
	return img->half_bytes[img->state.half] + b->offset;
}

const void *image_blob(const struct image *img, enum record_type type, size_t *len)
{
	return img->state.status == IMAGE_WHOLE ? image_current_blob(img, type, "", 0, len) : NULL;
}

const void *image_device(const struct image *img, const char *type, uint32_t id, size_t *len)
{
	return img->state.status == IMAGE_WHOLE ? image_current_blob(img, RECORD_DEVICE, type, id, len)
						: NULL;
}
