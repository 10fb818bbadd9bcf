/* SPDX-License-Identifier: GPL-2.0-only */
/* The first copy of a guest, and any copy anew: all pages, in rounds, while it runs. */
#include <errno.h>
#include <string.h>

#include <xenctrl.h>

#include "capture/dirtylog.h"
#include "capture/internal.h"
#include "hvop.h"
#include "log.h"
#include "wire/writer.h"

/*
 * A bulk round that leaves no more than this is the last: one epoch carries the rest, about as many pages as
 * any epoch of a busy guest.  In sync mode the guest stands still until it is committed.
 */
#define BULK_ENOUGH 256U
#define BULK_MAX_ROUNDS 8U

/*
 * What the first epoch carries beside the hot list, all of which it has to send. As the engine, it leaves a
 * quarter for what comes on top.
 */
static uint64_t fits_epoch(const struct capture *c)
{
	uint64_t pages = c->cfg.epoch_bytes / RECORD_PAGE_SIZE;

	return pages - pages / 4 - hot_members(c->hot);
}
_Static_assert((CAPTURE_MIN_EPOCH / RECORD_PAGE_SIZE) / 4 * 3 - HOT_MAX > BULK_ENOUGH,
	       "the smallest epoch takes what a converged copy leaves");

/* The toolstack's pause counts: this one nests with whoever stopped the guest. */
static int stop(struct capture *c)
{
	int rc = c->bulk.outrun ? hvop_stop(c->cfg.hv, c->cfg.domid, true) : capture_stop(c);

	if (rc && rc != -EAGAIN)
		kem_vm_err(c->cfg.vm, "cannot stop the guest for its first copy: %s", strerror(-rc));
	return rc;
}

/* From here on a write to the frame that comes next will be seen, and to some behind it. */
static int protect_ahead(struct capture *c)
{
	int rc = stop(c);

	if (rc)
		return rc;
	rc = dirtylog_protect(c->cfg.hv, c->cfg.domid, c->cfg.vm, &c->protected_to);
	hvop_resume(c->cfg.hv, c->cfg.domid);
	return rc == -EBUSY ? -EAGAIN : rc; /* an operator's xl unpause came in between */
}

/* A frame without a gfn is a grant frame that nobody has placed. */
static bool is_protected(const struct capture *c, uint64_t frame)
{
	uint64_t gfn = pages_gfn(c->pages, frame);

	return gfn == PAGES_NONE || gfn < c->protected_to;
}

static int bulk_harvest(struct capture *c)
{
	uint64_t nr;
	int rc = stop(c);

	if (rc)
		return rc;
	fault_begin(&c->fault, c->cfg.run_dir, c->cfg.vm);
	rc = capture_harvest(c, 0, &nr);
	hvop_resume(c->cfg.hv, c->cfg.domid);
	return rc;
}

/* Xen's marks begin anew, for a list of them was lost. */
static int log_anew(struct capture *c)
{
	int rc;

	if (!c->broken)
		return 0;
	rc = hvop_set_hot(c->cfg.hv, c->cfg.domid, NULL, 0);
	if (rc)
		return rc;
	c->broken = !c->fresh;
	c->fresh = false;
	if (!c->broken)
		return 0;
	dirtylog_off(c->cfg.hv, c->cfg.xc, c->cfg.domid);
	c->protected_to = 0;
	rc = dirtylog_on(c->cfg.hv, c->cfg.domid, c->cfg.vm);
	c->logging = rc >= 0;
	c->broken = !c->logging;
	return rc;
}

int capture_bulk_begin(struct capture *c)
{
	int rc = log_anew(c);

	if (rc < 0)
		return rc;
	unsent_clear(c->unsent);
	unsent_mark_all(c->unsent);
	hot_forget(c->hot);
	sent_forget(c->sent);
	c->tree_sent = false;
	postpone_end(&c->postponed);
	c->bulk = (struct capture_bulk){ .round = 1, .left = c->unsent->nr_again };
	c->bulk_round = c->bulk.left;
	c->bulk_at = 0;
	c->bulk_mapped = 0;
	return 0;
}

/* While nobody looked, the physmap may have changed: the first round maps what it comes to anew. */
static int map_ahead(struct capture *c)
{
	return c->bulk_at < c->bulk_mapped ? 0 : pages_remap_part(c->pages, c->bulk_at, &c->bulk_mapped);
}

/*
 * After a harvest.  A round that leaves about as much as it sent gains nothing by another one; of the first
 * one that says nothing, for it finds marks from before the copy, too.
 */
static int next_round(struct capture *c)
{
	struct capture_bulk *b = &c->bulk;
	uint64_t before = c->bulk_round;
	bool last =
		b->outrun || b->round >= BULK_MAX_ROUNDS || (b->round > 1 && b->left > before - before / 8);

	if (b->left <= fits_epoch(c) && (last || b->left <= BULK_ENOUGH))
		return 0;
	c->bulk_round = b->left;
	b->outrun = last;
	b->round++;
	return 1;
}

/* The frame at hand may be looked at: mapped anew, if that was due, and protected; -EAGAIN as capture_stop().
 */
static int make_ready(struct capture *c)
{
	int rc = 0;

	while (!rc && !is_protected(c, c->bulk_at))
		rc = protect_ahead(c);
	return rc ? rc : map_ahead(c);
}

static int put_frames(struct capture *c, struct record_writer *w)
{
	bool empty = true;

	for (; w->cap - w->len > 2 * RECORD_PAGE_SIZE && unsent_find(c->unsent, &c->bulk_at); c->bulk_at++) {
		const void *page;
		int rc;

		/* the guest may have to be asked more than once to stand still: what is there goes first */
		if (!empty && !is_protected(c, c->bulk_at))
			break;
		rc = make_ready(c);
		if (rc)
			return rc;
		page = pages_page(c->pages, c->bulk_at);
		unsent_drop(c->unsent, c->bulk_at);
		rc = page ? capture_put_frame(c, w, c->bulk_at, page) : 0;
		if (rc)
			return rc;
		c->bulk.sent++;
		empty = false;
	}
	return record_pages_flush(w);
}

int capture_bulk_next(struct capture *c, struct record_writer *w)
{
	int rc = put_frames(c, w);

	if (rc)
		return rc;
	c->bulk.left = c->unsent->nr_again;
	if (c->bulk.left || w->len)
		return 1;
	rc = bulk_harvest(c);
	if (rc)
		return rc;
	c->bulk.left = c->unsent->nr_again;
	c->bulk_at = 0;
	return next_round(c);
}

const struct capture_bulk *capture_bulk_state(const struct capture *c)
{
	return &c->bulk;
}
