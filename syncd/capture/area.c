/* SPDX-License-Identifier: GPL-2.0-only */
#include "capture/area.h"

#include <errno.h>
#include <string.h>

#include <xenforeignmemory.h>

#include "capture/internal.h"
#include "log.h"

/* More frames in an epoch than copies: the guest stays stopped until the daemon has copied the rest. */
#define COPIES PAGES_MAX_COPIES

struct recovery {
	struct capture *c;
	int rc;
};

static void mark_listed(void *arg, const struct hvop_harvest *h)
{
	struct recovery *r = arg;

	if (h->physmap)
		r->rc = pages_remap(r->c->pages, h->gfns, h->nr);
	for (uint32_t i = 0; i < h->nr && !r->rc; i++) {
		uint64_t frame = pages_frame(r->c->pages, h->gfns[i]);

		if (frame != PAGES_NONE)
			unsent_mark(r->c->unsent, frame);
	}
}

int area_recover(struct capture *c)
{
	struct recovery r = { .c = c };
	int rc = hvarea_recover(pages_memory(c->pages), c->cfg.domid, mark_listed, &r);

	return rc ? rc : r.rc;
}

void area_open(struct capture *c)
{
	int rc = hvarea_open(&c->area.hv, c->cfg.hv, pages_memory(c->pages), c->cfg.domid, COPIES);

	if (rc)
		kem_vm_warn(c->cfg.vm, "no memory for epochs that Xen takes by itself: %s", strerror(-rc));
	c->area.repin = true;
}

void area_close(struct capture *c, bool keep)
{
	uint64_t size;

	if (!c->area.hv)
		return;
	hvarea_close(c->area.hv);
	c->area.hv = NULL;
	if (!keep)
		hvop_area_set(c->cfg.hv, c->cfg.domid, 0, 0, 0, &size);
}

/* Xen has a copy of each pinned frame; an error: it has not, now. */
static int give_pins(struct capture *c)
{
	uint64_t gfn[XEN_KEMARI_MAX_PINNED];
	uint32_t nr = 0;
	int rc;

	for (unsigned int i = 0; i < c->pins.nr; i++) {
		uint64_t g = pages_gfn(c->pages, c->pins.frame[i]);

		if (g != PAGES_NONE)
			gfn[nr++] = g;
	}
	rc = hvop_area_pin(c->cfg.hv, c->cfg.domid, gfn, nr);
	c->area.repin = rc != 0;
	return rc;
}

/* Of an ordinary epoch there has been one, so that all pins are known; and the next one need not be one. */
static bool may_arm(struct capture *c)
{
	return !c->broken && !c->all_hot && c->logging && c->pins.nr && c->pins.nr <= XEN_KEMARI_MAX_PINNED &&
	       !hot_is_unsettled(c->hot, c->last_epoch + 1) && (!c->area.repin || !give_pins(c));
}

bool capture_enter(struct capture *c, bool *stopped)
{
	struct capture_area *a = &c->area;

	*stopped = false;
	if (!a->hv)
		return false;
	a->there = hvarea_enter(a->hv);
	if (!a->there) {
		if (c->unsent->harvesting == UNSENT_ARMED)
			c->unsent->harvesting = UNSENT_ALL_HERE;
		return false;
	}
	a->marked = false;
	hvarea_read(a->hv, &a->taken);
	*stopped = a->taken.stopped;
	return true;
}

const void *capture_fired_page(const struct capture *c, uint32_t ref)
{
	const struct hvarea_taken *t = &c->area.taken;
	uint64_t gfn = pages_grant_gfn(c->pages, ref);

	if (!c->area.there || t->result)
		return NULL;
	for (uint32_t i = 0; i < t->nr_pinned; i++)
		if (t->gfns[i] == gfn)
			return t->copies + (size_t)i * RAM_PAGE_SIZE;
	return NULL;
}

void capture_absorb(struct capture *c)
{
	struct capture_area *a = &c->area;
	uint64_t nr;

	if (!a->there || a->marked)
		return;
	a->marked = true;
	if (a->taken.result)
		c->unsent->harvesting = UNSENT_ALL_HERE;
	else
		capture_take_marks(c, c->last_epoch + 1, &a->taken.cp, &nr);
}

void capture_leave(struct capture *c, bool wanted)
{
	bool armed;

	if (!c->area.hv)
		return;
	if (c->area.there) {
		capture_absorb(c);
		hvarea_done(c->area.hv);
		c->area.there = false;
	}
	armed = wanted && may_arm(c);
	if (armed)
		c->unsent->harvesting = UNSENT_ARMED;
	/* Linux notifies with interrupts off */
	hvarea_arm(c->area.hv, armed, XEN_KEMARI_AREA_anywhere);
	hvarea_leave(c->area.hv);
}
