/* SPDX-License-Identifier: GPL-2.0-only */
/* Which record may follow which, and the totals of an epoch. */
#include "wire/reader.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define HEADER sizeof(struct record_header)

static int refuse(char *why, const struct record *r, const char *what)
{
	snprintf(why, RECORD_WHY_MAX, "%s record of epoch %llu: %s", record_type_name(r->type),
		 (unsigned long long)r->epoch, what);
	return -EBADMSG;
}

static int begin(struct record_order *o, const struct record *r, char *why)
{
	struct record_epoch e;

	if (r->len != sizeof(e))
		return refuse(why, r, "wrong length");
	record_epoch_decode(r->payload, &e);
	if (!e.g || !e.epoch || e.epoch != r->epoch || e.base >= e.epoch || e.nr_pages || e.bytes ||
	    e.nr_records || e.flags)
		return refuse(why, r, "impossible values");
	if (!e.base != o->bulk)
		return refuse(why, r,
			      o->bulk ? "the epoch after a bulk copy must have base 0"
				      : "base 0 without a bulk copy");
	o->in_epoch = true;
	o->has_hv_state = false;
	o->has_hvm_context = false;
	o->now = e;
	o->now.nr_records = 1;
	o->now.bytes = HEADER + r->len;
	return 0;
}

static int end(struct record_order *o, const struct record *r, char *why)
{
	struct record_epoch e;

	if (r->len != sizeof(e))
		return refuse(why, r, "wrong length");
	record_epoch_decode(r->payload, &e);
	o->now.nr_records++;
	o->now.bytes += HEADER + r->len;
	if (memcmp(&e, &o->now, sizeof(e))) {
		snprintf(why, RECORD_WHY_MAX,
			 "epoch %llu: its end says %llu pages, %u records, %llu bytes; it had %llu, %u, %llu",
			 (unsigned long long)r->epoch, (unsigned long long)e.nr_pages, e.nr_records,
			 (unsigned long long)e.bytes, (unsigned long long)o->now.nr_pages, o->now.nr_records,
			 (unsigned long long)o->now.bytes);
		return -EBADMSG;
	}
	if (!o->has_hv_state || !o->has_hvm_context)
		return refuse(why, r, "the epoch has no HV_STATE or no HVM_CONTEXT");
	o->in_epoch = false;
	o->bulk = false;
	return 0;
}

static int inside(struct record_order *o, const struct record *r, char *why)
{
	uint32_t nr = 0;

	if (r->epoch != o->now.epoch)
		return refuse(why, r, "lies inside another epoch");
	switch (r->type) {
	case RECORD_EPOCH_END:
		return end(o, r, why);
	case RECORD_PAGES:
		if (record_pages_check(r->payload, r->len, &nr, why))
			return -EBADMSG;
		break;
	case RECORD_HV_STATE:
		if (o->has_hv_state)
			return refuse(why, r, "comes twice");
		o->has_hv_state = true;
		break;
	case RECORD_HVM_CONTEXT:
		if (o->has_hvm_context)
			return refuse(why, r, "comes twice");
		o->has_hvm_context = true;
		break;
	case RECORD_HVM_PARAMS:
		if (r->len % 16)
			return refuse(why, r, "wrong length");
		break;
	case RECORD_DEVICE:
		if (r->len < sizeof(struct record_device) || !r->payload[0] ||
		    r->payload[sizeof(((struct record_device *)0)->type) - 1])
			return refuse(why, r, "names no device");
		break;
	case RECORD_XENSTORE:
		break;
	default:
		return refuse(why, r, "has no place inside an epoch");
	}
	o->now.nr_records++;
	o->now.nr_pages += nr;
	o->now.bytes += HEADER + r->len;
	return 0;
}

int record_order_next(struct record_order *o, const struct record *r, char *why)
{
	uint32_t nr;

	if (o->in_epoch)
		return inside(o, r, why);
	switch (r->type) {
	case RECORD_EPOCH_BEGIN:
		return begin(o, r, why);
	case RECORD_BULK_BEGIN:
		if (r->len)
			return refuse(why, r, "wrong length");
		o->bulk = true;
		break;
	case RECORD_PAGES:
		if (!o->bulk)
			return refuse(why, r, "neither inside an epoch nor in a bulk copy");
		if (record_pages_check(r->payload, r->len, &nr, why))
			return -EBADMSG;
		break;
	case RECORD_HV_STATE:
	case RECORD_HVM_CONTEXT:
	case RECORD_HVM_PARAMS:
	case RECORD_DEVICE:
	case RECORD_XENSTORE:
	case RECORD_EPOCH_END:
		return refuse(why, r, "is not inside an epoch");
	default:
		break;
	}
	return r->epoch ? refuse(why, r, "an epoch number outside of epochs") : 0;
}
