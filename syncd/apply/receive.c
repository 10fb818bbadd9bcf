/* SPDX-License-Identifier: GPL-2.0-only */
#include "apply/receive.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define HEADER sizeof(struct record_header)

static bool of_an_epoch(unsigned int type)
{
	return type >= RECORD_EPOCH_BEGIN && type <= RECORD_EPOCH_END;
}

static int not_ready(char *why, unsigned int type)
{
	snprintf(why, RECORD_WHY_MAX, "%s record before the standby has a place for it",
		 record_type_name(type));
	return -EPROTO;
}

static int place(void *arg, const struct record_header *h, void **where, char *why)
{
	struct receive *rx = arg;
	int ret;

	if (!h->epoch || !of_an_epoch(h->type))
		return 0;
	if (!rx->staging)
		return not_ready(why, h->type);
	if (h->type == RECORD_EPOCH_BEGIN)
		staging_abort(rx->staging);
	ret = staging_place(rx->staging, HEADER + h->length, where);
	if (ret == -EFBIG)
		snprintf(why, RECORD_WHY_MAX,
			 "epoch %llu is larger than the staging area of %zu bytes: raise staging_mb in "
			 "kemari.conf on "
			 "this host",
			 (unsigned long long)h->epoch, staging_area(rx->staging));
	return ret;
}

static int bulk_begin(struct receive *rx, const struct record *r, char *why)
{
	int ret;

	if (!rx->image || !rx->staging)
		return not_ready(why, r->type);
	ret = rx->ops->bulk_begin(rx->arg, why);
	if (ret)
		return ret;
	if (!rx->image || !rx->staging)
		return not_ready(why, r->type);
	rx->applying = false;
	staging_clear(rx->staging);
	image_bulk_begin(rx->image);
	return 0;
}

/* The epoch is whole: can it be applied?  Then it is staged, and only then told. */
static int epoch_end(struct receive *rx, const struct record *r, char *why)
{
	const struct record_epoch *now = &rx->reader.order.now;
	struct staged_epoch e = { .g = now->g,
				  .session = r->session,
				  .epoch = now->epoch,
				  .base = now->base,
				  .nr_pages = now->nr_pages,
				  .length = now->bytes };
	size_t len;
	const uint8_t *bytes = staging_under_way(rx->staging, &len);
	int ret = image_check(rx->image, bytes, len, why);

	if (ret)
		return ret;
	ret = staging_finish(rx->staging, &e);
	if (ret) {
		snprintf(why, RECORD_WHY_MAX, "too many staged epochs");
		return ret == -EAGAIN ? -ENOBUFS : ret;
	}
	rx->ops->staged(rx->arg, &e);
	return 0;
}

static int epoch_record(struct receive *rx, const struct record *r, char *why)
{
	struct record_epoch e;
	int ret;

	if (!rx->staging || !rx->image)
		return not_ready(why, r->type);
	if (r->type == RECORD_EPOCH_BEGIN) {
		record_epoch_decode(r->payload, &e);
		ret = rx->ops->admit(rx->arg, r->session, &e, why);
		if (ret)
			return ret;
	}
	staging_accept(rx->staging, HEADER + r->len);
	return r->type == RECORD_EPOCH_END ? epoch_end(rx, r, why) : 0;
}

static int record(void *arg, const struct record *r, char *why)
{
	struct receive *rx = arg;

	if (r->type == RECORD_BULK_BEGIN)
		return bulk_begin(rx, r, why);
	if (!of_an_epoch(r->type))
		return rx->ops->other(rx->arg, r, why);
	if (r->epoch)
		return epoch_record(rx, r, why);
	/* Pages of a bulk copy: the order of records lets no other type through. */
	return rx->image ? image_bulk_pages(rx->image, r->payload, r->len, why) : not_ready(why, r->type);
}

static const struct record_sink sink = { .place = place, .record = record };

int receive_init(struct receive *rx, const struct receive_ops *ops, void *arg)
{
	memset(rx, 0, sizeof(*rx));
	rx->ops = ops;
	rx->arg = arg;
	return record_reader_init(&rx->reader, &sink, rx);
}

void receive_fini(struct receive *rx)
{
	if (rx->staging)
		staging_abort(rx->staging);
	record_reader_fini(&rx->reader);
}

void receive_attach(struct receive *rx, struct staging *s, struct image *img, uint64_t session)
{
	/* The rest of an epoch, or of a record, that began in the old area has no place in the new one. */
	if (s != rx->staging && (rx->reader.order.in_epoch || record_reader_placed(&rx->reader)))
		record_reader_give_up(&rx->reader);
	rx->staging = s;
	rx->image = img;
	rx->applying = false;
	record_reader_set_session(&rx->reader, session);
}

void receive_reset(struct receive *rx)
{
	if (rx->staging)
		staging_abort(rx->staging);
	record_reader_reset(&rx->reader);
}

ssize_t receive_feed(struct receive *rx, const void *bytes, size_t len, char *why)
{
	return record_reader_feed(&rx->reader, bytes, len, why);
}

/* Others may have cleared the staging area since the last step. */
static bool still_applying(const struct receive *rx)
{
	const struct staged_epoch *e = staging_get(rx->staging, 0);

	return rx->applying && rx->apply.bytes == staging_bytes(rx->staging, e) &&
	       rx->apply.e.epoch == e->epoch && rx->apply.e.g == e->g;
}

/* Steps over the oldest staged epoch.  1: it is in the image. */
static int apply_oldest(struct receive *rx, unsigned int max_pages, char *why)
{
	const struct staged_epoch *e = staging_get(rx->staging, 0);
	int ret;

	if (!still_applying(rx)) {
		ret = image_apply_begin(rx->image, &rx->apply, staging_bytes(rx->staging, e), e->length, why);
		if (ret)
			return ret;
		rx->applying = true;
	}
	ret = image_apply_step(rx->image, &rx->apply, max_pages);
	if (ret < 0)
		snprintf(why, RECORD_WHY_MAX, "epoch %llu cannot be applied: %s",
			 (unsigned long long)e->epoch, strerror(-ret));
	return ret;
}

int receive_apply(struct receive *rx, unsigned int max_pages, char *why)
{
	while (rx->staging && rx->image && staging_count(rx->staging)) {
		int ret = apply_oldest(rx, max_pages, why);

		if (ret != 1)
			return ret;
		rx->applying = false;
		staging_drop(rx->staging);
		if (rx->ops->applied)
			rx->ops->applied(rx->arg, rx->apply.e.g, rx->apply.e.epoch);
		if (max_pages)
			return !rx->staging || !staging_count(rx->staging);
	}
	return 1;
}
