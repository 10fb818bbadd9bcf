/* SPDX-License-Identifier: GPL-2.0-only */
#include "wire/reader.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HEADER sizeof(struct record_header)

int record_reader_init(struct record_reader *r, const struct record_sink *sink, void *arg)
{
	memset(r, 0, sizeof(*r));
	r->buf = malloc(HEADER + RECORD_MAX_PAYLOAD);
	if (!r->buf)
		return -ENOMEM;
	r->sink = sink;
	r->arg = arg;
	return 0;
}

void record_reader_fini(struct record_reader *r)
{
	free(r->buf);
	r->buf = NULL;
}

void record_reader_reset(struct record_reader *r)
{
	struct record_reader fresh = { .sink = r->sink, .arg = r->arg, .buf = r->buf };

	*r = fresh;
}

bool record_reader_placed(const struct record_reader *r)
{
	return r->at && r->at != r->buf;
}

void record_reader_give_up(struct record_reader *r)
{
	r->failed = true;
}

void record_reader_set_session(struct record_reader *r, uint64_t session)
{
	r->session = session;
}

/* The header is in raw: checks it and finds a place for the record. */
static int place_record(struct record_reader *r, char *why)
{
	void *where = NULL;
	int ret;

	ret = record_header_decode(r->raw, &r->head, why);
	if (ret)
		return ret;
	if (r->head.session != (record_sessionless(r->head.type) ? 0 : r->session)) {
		snprintf(why, RECORD_WHY_MAX, "%s record of session %016llx on session %016llx",
			 record_type_name(r->head.type), (unsigned long long)r->head.session,
			 (unsigned long long)r->session);
		return -EBADMSG;
	}
	if (r->sink->place) {
		ret = r->sink->place(r->arg, &r->head, &where, why);
		if (ret)
			return ret;
	}
	r->at = where ?: r->buf;
	memcpy(r->at, r->raw, HEADER);
	return 0;
}

static int check_payload(const struct record_header *h, const uint8_t *payload, char *why)
{
	if (record_check((enum record_type)h->type, h->epoch, payload, h->length) == h->check)
		return 0;
	snprintf(why, RECORD_WHY_MAX, "%s record of %u bytes, epoch %llu: wrong check",
		 record_type_name(h->type), h->length, (unsigned long long)h->epoch);
	return -EBADMSG;
}

static void record_of(struct record *out, const struct record_header *h, const uint8_t *payload)
{
	out->type = (enum record_type)h->type;
	out->session = h->session;
	out->epoch = h->epoch;
	out->payload = payload;
	out->len = h->length;
}

static int finish_record(struct record_reader *r, char *why)
{
	const uint8_t *payload = r->at + HEADER;
	struct record rec;
	int ret;

	record_of(&rec, &r->head, payload);
	ret = check_payload(&r->head, payload, why) ?: record_order_next(&r->order, &rec, why);
	if (ret)
		return ret;
	r->nr_records++;
	r->have = 0;
	r->at = NULL;
	return r->sink->record(r->arg, &rec, why);
}

static size_t take(uint8_t *to, size_t want, const uint8_t *from, size_t have)
{
	size_t n = want < have ? want : have;

	memcpy(to, from, n);
	return n;
}

ssize_t record_reader_feed(struct record_reader *r, const void *bytes, size_t len, char *why)
{
	const uint8_t *pos = bytes, *end = pos + len;
	int ret = -EBADMSG;

	if (r->failed) {
		snprintf(why, RECORD_WHY_MAX, "the stream was given up before");
		return ret;
	}
	for (;;) {
		size_t n;

		if (r->have < HEADER) {
			if (pos == end)
				break;
			n = take(r->raw + r->have, HEADER - r->have, pos, (size_t)(end - pos));
			r->have += n;
			pos += n;
			if (r->have < HEADER)
				break;
		}
		if (!r->at) {
			ret = place_record(r, why);
			if (ret == -EAGAIN)
				break;
			if (ret)
				goto fail;
		}
		n = take(r->at + r->have, HEADER + r->head.length - r->have, pos, (size_t)(end - pos));
		r->have += n;
		pos += n;
		if (r->have < HEADER + r->head.length)
			break;
		ret = finish_record(r, why);
		if (ret)
			goto fail;
	}
	r->nr_bytes += (uint64_t)(pos - (const uint8_t *)bytes);
	return pos - (const uint8_t *)bytes;

fail:
	r->failed = true;
	return ret;
}

int record_next(const uint8_t *buf, size_t len, size_t *off, struct record *r, char *why)
{
	const uint8_t *at = buf + *off;
	struct record_header h;
	int ret;

	if (*off == len)
		return 0;
	if (len - *off < HEADER) {
		snprintf(why, RECORD_WHY_MAX, "%zu bytes behind the last record", len - *off);
		return -EBADMSG;
	}
	ret = record_header_decode(at, &h, why);
	if (ret)
		return ret;
	if (h.length > len - *off - HEADER) {
		snprintf(why, RECORD_WHY_MAX, "%s record is cut off", record_type_name(h.type));
		return -EBADMSG;
	}
	ret = check_payload(&h, at + HEADER, why);
	if (ret)
		return ret;
	record_of(r, &h, at + HEADER);
	*off += HEADER + h.length;
	return 1;
}

int record_walk(const uint8_t *buf, size_t len, size_t *off, struct record *r)
{
	const uint8_t *at = buf + *off;
	struct record_header h;
	char why[RECORD_WHY_MAX];

	if (len - *off < HEADER || record_header_decode(at, &h, why))
		return 0;
	record_of(r, &h, at + HEADER);
	*off += HEADER + h.length;
	return 1;
}

int record_epoch_check(const uint8_t *buf, size_t len, struct record_epoch *e, char *why)
{
	struct record_order o = { 0 };
	struct record r;
	size_t off = 0;
	int ret;

	while ((ret = record_next(buf, len, &off, &r, why)) == 1) {
		if (!o.now.nr_records && r.type == RECORD_EPOCH_BEGIN && r.len == sizeof(*e)) {
			record_epoch_decode(r.payload, e);
			o.bulk = !e->base;
		} else if (!o.in_epoch) {
			snprintf(why, RECORD_WHY_MAX, "%s record where an epoch should be",
				 record_type_name(r.type));
			return -EBADMSG;
		}
		ret = record_order_next(&o, &r, why);
		if (ret)
			return ret;
	}
	if (ret)
		return ret;
	if (!o.now.nr_records || o.in_epoch) {
		snprintf(why, RECORD_WHY_MAX, "the epoch has no end");
		return -EBADMSG;
	}
	*e = o.now;
	return 0;
}
