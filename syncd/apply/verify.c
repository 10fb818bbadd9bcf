/* SPDX-License-Identifier: GPL-2.0-only */
#include "apply/verify.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "apply/image_int.h"
#include "hvop.h"
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

int verify_write(struct record_writer *w, const struct ram *ram, const uint64_t *outside, unsigned int nr,
		 verify_page_fn page, void *arg)
{
	const struct gfn_range *range;
	unsigned int ranges = ram_ranges(ram, &range);
	int ret = 0;

	if (!page) {
		page = page_in_ram;
		arg = (void *)ram;
	}
	for (unsigned int i = 0; !ret && i < nr; i++)
		ret = write_some(w, page, arg, outside[i], 1, false);
	for (unsigned int i = 0; !ret && i < ranges; i++)
		for (uint64_t at = 0; !ret && at < range[i].nr; at += VERIFY_MAX_PAGES) {
			uint64_t left = range[i].nr - at;
			uint32_t n = left < VERIFY_MAX_PAGES ? (uint32_t)left : (uint32_t)VERIFY_MAX_PAGES;

			ret = write_some(w, page, arg, range[i].first + at, n, i + 1 == ranges && n == left);
		}
	return ret;
}

void *verify_reserve_state(struct record_writer *w, enum record_type type, const char *device, uint32_t id,
			   size_t *room)
{
	uint8_t *p = record_reserve(w, RECORD_VERIFY_STATE, room);

	if (!p)
		return NULL;
	if (*room < sizeof(struct record_verify_state)) {
		record_cancel(w);
		return NULL;
	}
	memset(p, 0, sizeof(struct record_verify_state));
	put_le32(p, type);
	put_le32(p + 4, id);
	memcpy(p + 8, device, strnlen(device, sizeof(((struct record_verify_state *)0)->device) - 1));
	*room -= sizeof(struct record_verify_state);
	return p + sizeof(struct record_verify_state);
}

int verify_commit_state(struct record_writer *w, size_t len)
{
	return record_commit(w, sizeof(struct record_verify_state) + len);
}

int verify_put_state(struct record_writer *w, enum record_type type, const void *data, size_t len)
{
	size_t room;
	void *to = verify_reserve_state(w, type, "", 0, &room);

	if (!to)
		return -ENOBUFS;
	if (room < len) {
		record_cancel(w);
		return -ENOBUFS;
	}
	memcpy(to, data, len);
	return verify_commit_state(w, len);
}

static int whole(const struct image *img, char *why)
{
	if (image_status(img, NULL, NULL) == IMAGE_WHOLE)
		return 0;
	snprintf(why, RECORD_WHY_MAX, "nothing to verify: the image is not whole");
	return -EBADMSG;
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
	if (whole(img, why))
		return -EBADMSG;
	first = get_le64(payload);
	nr = get_le32(payload + 8);
	*last = get_le32(payload + 12);
	payload += sizeof(struct record_verify);
	for (uint32_t i = 0; i < nr; i++, payload += 8) {
		if (get_le64(payload) != hash_page(image_view(img, first + i))) {
			if (res->mismatches < VERIFY_GFNS)
				res->gfn[res->mismatches] = first + i;
			res->mismatches++;
		}
		res->compared++;
	}
	return 0;
}

/* An 8-byte aligned copy that is well formed; NULL.  The caller frees it. */
static struct xen_kemari_state *hv_state_of(const uint8_t *bytes, size_t len)
{
	struct xen_kemari_state *s = malloc(len);

	if (!s)
		return NULL;
	memcpy(s, bytes, len);
	if (!hvop_state_check(s, (uint32_t)len))
		return s;
	free(s);
	return NULL;
}

static int compare_hv_state(struct verify_result *res, const uint8_t *want, size_t want_len,
			    const uint8_t *have, size_t have_len, char *why)
{
	struct xen_kemari_state *w = hv_state_of(want, want_len), *h = hv_state_of(have, have_len);
	int ret = 0;

	if (!w) {
		snprintf(why, RECORD_WHY_MAX, "VERIFY_STATE: a hidden state of %zu bytes that is none",
			 want_len);
		ret = -EBADMSG;
	} else if (!h) {
		verify_differs(res, "hidden state: not well formed");
	} else {
		verify_hv_state(res, w, h);
	}
	free(h);
	free(w);
	return ret;
}

int verify_compare_state(const struct image *img, const uint8_t *payload, uint32_t len,
			 struct verify_result *res, char *why)
{
	char device[sizeof(((struct record_verify_state *)0)->device)] = "";
	size_t have_len = 0, want_len;
	const uint8_t *have, *want;
	char name[48];
	uint32_t type, id;

	if (len < sizeof(struct record_verify_state) || payload[sizeof(struct record_verify_state) - 1]) {
		snprintf(why, RECORD_WHY_MAX, "VERIFY_STATE record of %u bytes: not well formed", len);
		return -EBADMSG;
	}
	if (whole(img, why))
		return -EBADMSG;
	type = get_le32(payload);
	id = get_le32(payload + 4);
	memcpy(device, payload + 8, sizeof(device));
	want = payload + sizeof(struct record_verify_state);
	want_len = len - sizeof(struct record_verify_state);
	if (type == RECORD_DEVICE) {
		have = image_device(img, device, id, &have_len);
		snprintf(name, sizeof(name), "device state: %.15s %u", device, id);
	} else if (type == RECORD_HV_STATE || type == RECORD_HVM_CONTEXT || type == RECORD_HVM_PARAMS) {
		have = image_blob(img, (enum record_type)type, &have_len);
		snprintf(name, sizeof(name), "%s", record_type_name(type));
	} else {
		snprintf(why, RECORD_WHY_MAX, "VERIFY_STATE of record type %u: there is none to compare",
			 type);
		return -EBADMSG;
	}
	res->parts++;
	if (!have)
		verify_differs(res, "%s: the standby has none", name);
	else if (type == RECORD_HV_STATE)
		return compare_hv_state(res, want, want_len, have, have_len, why);
	else if (type == RECORD_HVM_CONTEXT)
		verify_hvm_context(res, want, want_len, have, have_len);
	else
		verify_bytes(res, name, want, want_len, have, have_len);
	return 0;
}
