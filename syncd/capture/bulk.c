/* SPDX-License-Identifier: GPL-2.0-only */
/* The first copy of a guest, and any copy anew: all pages, in rounds, while it runs. */
#include <errno.h>
#include <string.h>

#include <xenctrl.h>

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

static int bulk_harvest(struct capture *c)
{
	uint64_t nr;
	int rc;

	/* the toolstack's pause counts: this one nests with whoever stopped the guest */
	rc = c->bulk.outrun ? hvop_stop(c->cfg.hv, c->cfg.domid, true) : capture_stop(c);
	if (rc) {
		if (rc != -EAGAIN)
			kem_vm_err(c->cfg.vm, "cannot stop the guest for a harvest: %s", strerror(-rc));
		return rc;
	}
	fault_begin(&c->fault, c->cfg.run_dir, c->cfg.vm);
	rc = capture_harvest(c, 0, &nr);
	xc_domain_unpause(c->cfg.xc, c->cfg.domid);
	return rc;
}

/* Xen's marks begin anew, for a list of them was lost. */
static int log_anew(struct capture *c)
{
	if (!c->broken)
		return 0;
	capture_stop_logging(c->cfg.hv, c->cfg.xc, c->cfg.domid);
	c->broken = false;
	return capture_start_logging(c);
}

int capture_bulk_begin(struct capture *c)
{
	int rc = log_anew(c);

	if (rc < 0)
		return rc;
	unsent_clear(c->unsent);
	unsent_mark_all(c->unsent);
	hot_forget(c->hot);
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

int capture_bulk_next(struct capture *c, struct record_writer *w)
{
	int rc = 0;

	while (!rc && w->cap - w->len > 2 * RECORD_PAGE_SIZE && unsent_find(c->unsent, &c->bulk_at)) {
		const void *page;

		rc = map_ahead(c);
		if (rc)
			return rc;
		page = pages_page(c->pages, c->bulk_at);
		unsent_drop(c->unsent, c->bulk_at);
		rc = page ? capture_put_frame(c, w, c->bulk_at, page) : 0;
		c->bulk_at++;
		c->bulk.sent++;
	}
	if (!rc)
		rc = record_pages_flush(w);
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
