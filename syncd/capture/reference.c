/* SPDX-License-Identifier: GPL-2.0-only */
#include "reference.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <xenctrl.h>

#include <xen/hvm/params.h>

#include "apply/verify.h"
#include "capture/internal.h"
#include "hvop.h"
#include "log.h"

int reference_begin(struct capture *c)
{
	if (!c->ref.before)
		c->ref.before = aligned_alloc(RAM_PAGE_SIZE, (size_t)HOT_MAX_PINNED * RAM_PAGE_SIZE);
	if (!c->ref.state)
		c->ref.state = malloc(HVM_CONTEXT_MAX);
	if (!c->ref.context)
		c->ref.context = malloc(HVM_CONTEXT_MAX);
	return c->ref.before && c->ref.state && c->ref.context ? 0 : -ENOMEM;
}

bool reference_of(const struct capture *c, uint64_t epoch)
{
	return c->ref.epoch == epoch;
}

static int read_state(struct capture *c, const struct xen_kemari_state **s, uint32_t *size)
{
	int rc = hvop_get_state(c->cfg.hv, c->cfg.domid, s, size);

	if (rc == -ENOBUFS) {
		rc = hvop_state_size(c->cfg.hv, c->cfg.domid, size);
		if (!rc)
			rc = hvop_reserve(c->cfg.hv, 0, *size + 4096);
		if (!rc)
			rc = hvop_get_state(c->cfg.hv, c->cfg.domid, s, size);
	}
	if (rc)
		kem_vm_err(c->cfg.vm, "cannot read the guest's state from Xen: %s", strerror(-rc));
	return rc;
}

/*
 * Xen samples the time first and reads the timers after it: one may fire in between.  So the reference gets
 * the time at which all of it had been read.
 */
static int keep_state(struct capture *c)
{
	const struct xen_kemari_state *s;
	uint64_t begin = monotonic_ns();
	int rc = read_state(c, &s, &c->ref.state_size);

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
	if (!c->ref.before || !c->ref.state || !c->ref.context)
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

static int read_context(struct capture *c)
{
	int len = xc_domain_hvm_getcontext(c->cfg.xc, c->cfg.domid, c->ref.context, HVM_CONTEXT_MAX);

	if (len < 0) {
		len = -errno;
		kem_vm_err(c->cfg.vm, "cannot read the guest's HVM context: %s", strerror(-len));
	}
	return len;
}

static int read_params(struct capture *c, uint64_t param[2])
{
	uint64_t value = 0;

	if (xc_hvm_param_get(c->cfg.xc, c->cfg.domid, HVM_PARAM_CALLBACK_IRQ, &value)) {
		int rc = -errno;

		kem_vm_err(c->cfg.vm, "cannot read the guest's callback: %s", strerror(-rc));
		return rc;
	}
	param[0] = htole64(HVM_PARAM_CALLBACK_IRQ);
	param[1] = htole64(value);
	return 0;
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
	rc = read_context(c);
	if (rc >= 0)
		rc = verify_put_state(w, RECORD_HVM_CONTEXT, c->ref.context, (size_t)rc);
	if (!rc)
		rc = read_params(c, param);
	if (!rc)
		rc = verify_put_state(w, RECORD_HVM_PARAMS, param, sizeof(param));
	for (unsigned int i = 0; !rc && i < nr; i++)
		rc = device_state(devices[i], w);
	return rc;
}
