/* SPDX-License-Identifier: GPL-2.0-only */
#include "reference.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "apply/verify.h"
#include "capture/internal.h"
#include "hvop.h"

int reference_begin(struct capture *c)
{
	if (!c->ref.before)
		c->ref.before = aligned_alloc(RAM_PAGE_SIZE, (size_t)HOT_MAX_PINNED * RAM_PAGE_SIZE);
	if (!c->ref.state)
		c->ref.state = malloc(HVM_CONTEXT_MAX);
	return c->ref.before && c->ref.state ? 0 : -ENOMEM;
}

bool reference_of(const struct capture *c, uint64_t epoch)
{
	return c->ref.epoch == epoch;
}

/*
 * Xen samples the time first and reads the timers after it: one may fire in between.  So the reference gets
 * the time at which all of it had been read.
 */
static int keep_state(struct capture *c)
{
	const struct xen_kemari_state *s;
	uint64_t begin = monotonic_ns();
	int rc = capture_read_state(c, &s, &c->ref.state_size);

	if (rc)
		return rc;
	if (c->ref.state_size > HVM_CONTEXT_MAX)
		return -ENOBUFS;
	memcpy(c->ref.state, s, c->ref.state_size);
	c->ref.state->system_time += monotonic_ns() - begin;
	return 0;
}

void reference_keep(struct capture *c, uint64_t epoch)
{
	c->ref.epoch = 0;
	if (!c->ref.before || !c->ref.state)
		return;
	c->ref.error = keep_state(c);
	for (unsigned int i = 0; i < c->pins.nr; i++) {
		const void *page = pages_page(c->pages, c->pins.frame[i]);

		if (page)
			memcpy(c->ref.before + (size_t)i * RAM_PAGE_SIZE, page, RAM_PAGE_SIZE);
	}
	c->ref.epoch = epoch;
}

void reference_merge(uint32_t *out, const uint32_t *before, const uint32_t *now, const uint32_t *sent)
{
	for (unsigned int i = 0; i < RAM_PAGE_SIZE / sizeof(*out); i++) {
		uint32_t word = *(const volatile uint32_t *)&now[i];

		out[i] = word == before[i] ? word : sent[i];
	}
}

const void *reference_page(struct capture *c, uint64_t gfn)
{
	uint64_t frame = pages_frame(c->pages, gfn);
	const void *now = frame == PAGES_NONE ? NULL : pages_page(c->pages, frame);
	int pin = now ? pins_find(&c->pins, frame) : -1;
	const void *sent = pin < 0 ? NULL : hot_pinned_copy(c->hot, frame);

	if (!sent)
		return now;
	reference_merge(c->ref.page, (const uint32_t *)(c->ref.before + (size_t)pin * RAM_PAGE_SIZE), now,
			sent);
	return c->ref.page;
}

unsigned int reference_outside(const struct capture *c, uint64_t *gfn, unsigned int max)
{
	unsigned int nr = 0;

	for (unsigned int i = 0; i < c->pins.nr && nr < max; i++) {
		uint64_t g = pages_gfn(c->pages, c->pins.frame[i]);

		if (g != PAGES_NONE && ram_index(c->cfg.ram, g) == PAGES_NONE)
			gfn[nr++] = g;
	}
	return nr;
}

const char *reference_name(const struct capture *c, uint64_t gfn)
{
	uint64_t frame = pages_frame(c->pages, gfn);
	int pin = frame == PAGES_NONE ? -1 : pins_find(&c->pins, frame);

	return pin < 0 ? "RAM" : pin_name(c->pins.kind[pin]);
}

static int device_state(struct device *dev, struct record_writer *w)
{
	size_t room;
	void *where = verify_reserve_state(w, RECORD_DEVICE, dev->ops->type, dev->id, &room);
	long len = where ? dev->ops->snapshot(dev, where, room) : -ENOBUFS;

	if (len < 0) {
		if (where)
			record_cancel(w);
		return (int)len;
	}
	return verify_commit_state(w, (size_t)len);
}

int reference_state(struct capture *c, struct device *const *devices, unsigned int nr,
		    struct record_writer *w)
{
	uint64_t param[2];
	int rc = c->ref.error;

	if (!rc)
		rc = verify_put_state(w, RECORD_HV_STATE, c->ref.state, c->ref.state_size);
	if (rc)
		return rc;
	rc = capture_read_context(c);
	if (rc >= 0)
		rc = verify_put_state(w, RECORD_HVM_CONTEXT, c->hvm, (size_t)rc);
	if (!rc)
		rc = capture_read_params(c, param);
	if (!rc)
		rc = verify_put_state(w, RECORD_HVM_PARAMS, param, sizeof(param));
	for (unsigned int i = 0; !rc && i < nr; i++)
		rc = device_state(devices[i], w);
	return rc;
}
