/* SPDX-License-Identifier: GPL-2.0-only */
#include "wire/writer.h"

#include <errno.h>
#include <string.h>

#include "le.h"
#include "wire/delta.h"

#define HEADER sizeof(struct record_header)
#define LONG_DELTA 512U /* the page may have become zero */

void record_writer_init(struct record_writer *w, void *buf, size_t cap)
{
	memset(w, 0, sizeof(*w));
	w->buf = buf;
	w->cap = cap;
}

/* Begins a record at the end; NULL when not even its header fits. */
static uint8_t *open_record(struct record_writer *w, enum record_type type, size_t need)
{
	uint8_t *h = w->buf + w->len;

	if (w->error)
		return NULL;
	if (w->cap - w->len < HEADER + need) {
		w->error = -ENOBUFS;
		return NULL;
	}
	put_le32(h, RECORD_MAGIC);
	put_le16(h + 4, RECORD_VERSION);
	put_le16(h + 6, (uint16_t)type);
	put_le32(h + 8, 0);
	put_le32(h + 12, 0);
	put_le64(h + 16, 0);
	put_le64(h + 24, w->epoch);
	w->open = w->len;
	w->is_open = true;
	return h + HEADER;
}

static void close_record(struct record_writer *w, size_t payload)
{
	put_le32(w->buf + w->open + 8, (uint32_t)payload);
	w->len = w->open + HEADER + payload;
	w->is_open = false;
	w->totals.nr_records++;
}

int record_pages_flush(struct record_writer *w)
{
	if (w->nr_batch) {
		put_le32(w->buf + w->open + HEADER, w->nr_batch);
		w->totals.nr_pages += w->nr_batch;
		w->nr_batch = 0;
		close_record(w, w->len - w->open - HEADER);
	}
	return w->error;
}

static int add_entry(struct record_writer *w, uint64_t gfn, enum page_encoding encoding, const void *data,
		     size_t len)
{
	size_t need = 8 + len;
	uint8_t *pos;

	if (w->error)
		return w->error;
	if (w->nr_batch == RECORD_MAX_PAGES)
		record_pages_flush(w);
	if (!w->nr_batch) {
		pos = open_record(w, RECORD_PAGES, sizeof(struct record_pages) + need);
		if (!pos)
			return w->error;
		put_le64(pos, 0);
		w->len += HEADER + sizeof(struct record_pages);
	} else if (w->cap - w->len < need) {
		return w->error = -ENOBUFS;
	}
	pos = w->buf + w->len;
	put_le64(pos, gfn | (uint64_t)encoding << RECORD_ENCODING_SHIFT);
	if (len)
		memcpy(pos + 8, data, len);
	w->len += need;
	w->nr_batch++;
	return 0;
}

/* Most pages differ from zero in their first words; memcmp stops there. */
static bool page_is_zero(const uint8_t *page)
{
	static const uint8_t zero[RECORD_PAGE_SIZE];

	return !memcmp(page, zero, RECORD_PAGE_SIZE);
}

int record_page(struct record_writer *w, uint64_t gfn, const void *page)
{
	return page_is_zero(page) ? add_entry(w, gfn, PAGE_ZERO, NULL, 0)
				  : add_entry(w, gfn, PAGE_RAW, page, RECORD_PAGE_SIZE);
}

int record_page_hole(struct record_writer *w, uint64_t gfn)
{
	return add_entry(w, gfn, PAGE_HOLE, NULL, 0);
}

int record_page_delta(struct record_writer *w, uint64_t gfn, void *copy, const void *page)
{
	uint8_t delta[DELTA_WORST];
	size_t len = delta_encode(delta, copy, page);
	int rc;

	if (!len)
		return 0;
	if (len > LONG_DELTA && page_is_zero(copy))
		rc = add_entry(w, gfn, PAGE_ZERO, NULL, 0);
	else
		rc = len > DELTA_MAX ? add_entry(w, gfn, PAGE_RAW, copy, RECORD_PAGE_SIZE)
				     : add_entry(w, gfn, PAGE_DELTA, delta, len);
	return rc ? rc : 1;
}

void *record_reserve(struct record_writer *w, enum record_type type, size_t *room)
{
	uint8_t *payload;

	record_pages_flush(w);
	payload = open_record(w, type, 0);
	if (!payload)
		return NULL;
	*room = w->cap - w->len - HEADER;
	if (*room > RECORD_MAX_PAYLOAD)
		*room = RECORD_MAX_PAYLOAD;
	return payload;
}

int record_commit(struct record_writer *w, size_t len)
{
	if (w->error)
		return w->error;
	close_record(w, len);
	return 0;
}

void record_cancel(struct record_writer *w)
{
	w->is_open = false;
}

int record_put(struct record_writer *w, enum record_type type, const void *payload, size_t len)
{
	size_t room;
	void *to = record_reserve(w, type, &room);

	if (!to)
		return w->error;
	if (room < len) {
		record_cancel(w);
		return w->error = -ENOBUFS;
	}
	if (len)
		memcpy(to, payload, len);
	return record_commit(w, len);
}

void *record_reserve_device(struct record_writer *w, const char *type, uint32_t id, size_t *room)
{
	uint8_t *p = record_reserve(w, RECORD_DEVICE, room);

	if (!p)
		return NULL;
	if (*room < sizeof(struct record_device)) {
		record_cancel(w);
		w->error = -ENOBUFS;
		return NULL;
	}
	memset(p, 0, sizeof(struct record_device));
	memcpy(p, type, strnlen(type, sizeof(((struct record_device *)0)->type) - 1));
	put_le32(p + offsetof(struct record_device, id), id);
	*room -= sizeof(struct record_device);
	return p + sizeof(struct record_device);
}

int record_commit_device(struct record_writer *w, size_t len)
{
	return record_commit(w, sizeof(struct record_device) + len);
}

int record_epoch_begin(struct record_writer *w, uint64_t g, uint64_t epoch, uint64_t base)
{
	uint8_t payload[sizeof(struct record_epoch)];

	record_pages_flush(w);
	w->totals = (struct record_epoch){ .g = g, .epoch = epoch, .base = base };
	w->begin = w->len;
	w->epoch = epoch;
	record_epoch_encode(&w->totals, payload);
	return record_put(w, RECORD_EPOCH_BEGIN, payload, sizeof(payload));
}

int record_epoch_end(struct record_writer *w)
{
	uint8_t payload[sizeof(struct record_epoch)];
	struct record_epoch end;
	int ret;

	record_pages_flush(w);
	end = w->totals;
	end.nr_records++;
	end.bytes = w->len - w->begin + HEADER + sizeof(payload);
	record_epoch_encode(&end, payload);
	ret = record_put(w, RECORD_EPOCH_END, payload, sizeof(payload));
	w->totals = end;
	w->epoch = 0;
	return ret;
}

int record_seal(uint8_t *buf, size_t len, uint64_t session)
{
	char why[RECORD_WHY_MAX];

	for (size_t off = 0; off < len;) {
		struct record_header h;

		if (len - off < HEADER || record_header_decode(buf + off, &h, why) ||
		    h.length > len - off - HEADER)
			return -EBADMSG;
		put_le64(buf + off + 16, record_sessionless(h.type) ? 0 : session);
		put_le32(buf + off + 12,
			 record_check((enum record_type)h.type, h.epoch, buf + off + HEADER, h.length));
		off += HEADER + h.length;
	}
	return 0;
}
