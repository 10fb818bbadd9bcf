/* SPDX-License-Identifier: GPL-2.0-only */
#include "capture.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <xenctrl.h>

#include "capture/dirtylog.h"
#include "capture/internal.h"
#include "hvop.h"
#include "log.h"
#include "wire/record.h"

_Static_assert(HOT_MAX <= XEN_KEMARI_MAX_HOT, "the hypervisor takes the whole hot list");

size_t capture_mem_size(uint64_t memory_kb, size_t epoch_bytes)
{
	return unsent_size(pages_frames_of(memory_kb), (uint32_t)(epoch_bytes / RECORD_PAGE_SIZE) + HOT_MAX);
}

/* Frames that an epoch may have; the memory may be of a time with other settings. */
static uint32_t list_max(const struct capture_cfg *cfg)
{
	size_t least = unsent_size(pages_frames_of(cfg->memory_kb), 0);

	return cfg->mem_len < least ? 0
				    : (uint32_t)((cfg->mem_len - least) / (UNSENT_SLOTS * sizeof(uint32_t)));
}

static void begin_unsent(struct capture *c, bool all)
{
	unsent_init(c->unsent, pages_frames_of(c->cfg.memory_kb), list_max(&c->cfg), all);
}

/*
 * What the standby lacks, as the daemon before us left it.  If that one died in a harvest, or had other
 * limits, marks were taken from Xen that nobody has: nothing less than all pages will do then.
 */
static void take_unsent_up(struct capture *c, bool was_logging)
{
	bool valid = unsent_valid(c->unsent, pages_frames_of(c->cfg.memory_kb), list_max(&c->cfg));

	bool known = valid &&
		     (!c->unsent->harvesting || (c->unsent->harvesting == UNSENT_ARMED && !area_recover(c)));

	c->broken = valid && !was_logging; /* what was written since the log ended nobody knows */
	if (!known)
		begin_unsent(c, valid || was_logging);
	c->unsent->harvesting = UNSENT_ALL_HERE;
	unsent_recover(c->unsent);
}

/* Should Xen leave out what is compared no more, writes would be lost: it had better list all. */
void capture_give_hot(struct capture *c, const uint64_t *gfns, uint32_t nr)
{
	int rc = hvop_set_hot(c->cfg.hv, c->cfg.domid, gfns, nr);

	if (!rc)
		return;
	kem_vm_warn(c->cfg.vm, "cannot set the hot list: %s", strerror(-rc));
	rc = nr ? hvop_set_hot(c->cfg.hv, c->cfg.domid, NULL, 0) : rc;
	if (rc)
		c->broken = true;
}

/* Every write from here on counts. */
static int begin_promoted(struct capture *c)
{
	const struct capture_cfg *cfg = &c->cfg;
	uint64_t nr;
	int rc;

	rc = dirtylog_protect_all(cfg->hv, cfg->domid, cfg->vm);
	if (rc)
		return rc;
	begin_unsent(c, false);
	return capture_harvest(c, 0, &nr);
}

static int begin_logging(struct capture *c)
{
	int rc = dirtylog_on(c->cfg.hv, c->cfg.domid, c->cfg.vm), was_on = rc;

	if (c->cfg.promoted) /* for the daemon after us, until all writes are seen */
		begin_unsent(c, true);
	c->logging = rc >= 0;
	c->fresh = !was_on;
	if (rc >= 0 && c->cfg.promoted)
		rc = begin_promoted(c);
	else if (rc >= 0)
		take_unsent_up(c, was_on);
	if (rc < 0 && c->cfg.promoted) {
		kem_vm_warn(c->cfg.vm, "its writes cannot be logged: it has to be copied anew");
		if (c->logging) /* or the next daemon would rely on it */
			dirtylog_off(c->cfg.hv, c->cfg.xc, c->cfg.domid);
		c->logging = c->fresh = false;
		c->broken = true;
		return 0;
	}
	return rc < 0 ? rc : 0;
}

int capture_open(const struct capture_cfg *cfg, struct capture **out)
{
	uint64_t frames = pages_frames_of(cfg->memory_kb);
	struct capture *c;
	int rc;

	if (cfg->buffers > CAPTURE_MAX_BUFFERS || cfg->epoch_bytes < CAPTURE_MIN_EPOCH || !list_max(cfg))
		return -EINVAL;
	c = calloc(1, sizeof(*c));
	if (!c)
		return -ENOMEM;
	c->cfg = *cfg;
	c->unsent = cfg->mem;
	rc = pages_open(cfg->vm, cfg->domid, cfg->ram, &c->pages);
	if (!rc)
		rc = hot_open(frames, &c->hot);
	if (!rc)
		rc = sent_open(frames, &c->sent);
	for (unsigned int i = 0; !rc && i < cfg->buffers; i++)
		if (!(c->epoch[i].buf = malloc(cfg->epoch_bytes)))
			rc = -ENOMEM;
	if (rc)
		kem_vm_err(cfg->vm, "cannot prepare for captures: %s", strerror(-rc));
	else
		rc = begin_logging(c);
	if (rc) {
		capture_close(c, false);
		return rc;
	}
	/* whatever an earlier daemon had on the hot list is dirty from here on */
	capture_give_hot(c, NULL, 0);
	if (cfg->area)
		area_open(c);
	*out = c;
	return 0;
}

void capture_close(struct capture *c, bool keep)
{
	if (!c)
		return;
	area_close(c, keep);
	if (c->logging && !keep) {
		hvop_set_hot(c->cfg.hv, c->cfg.domid, NULL, 0);
		dirtylog_off(c->cfg.hv, c->cfg.xc, c->cfg.domid);
	}
	for (unsigned int i = 0; i < CAPTURE_MAX_BUFFERS; i++)
		free(c->epoch[i].buf);
	free(c->ref.before);
	free(c->ref.state);
	free(c->ref.context);
	sent_close(c->sent);
	hot_close(c->hot);
	pages_close(c->pages);
	free(c);
}

void capture_forget(struct capture *c)
{
	const struct capture_cfg *cfg = &c->cfg;
	int rc = hvop_set_hot(cfg->hv, cfg->domid, NULL, 0) ?: hvop_forget_dirty(cfg->hv, cfg->domid);

	if (rc) {
		kem_vm_warn(cfg->vm, "its dirty pages cannot be forgotten: %s", strerror(-rc));
		dirtylog_off(cfg->hv, cfg->xc, cfg->domid);
	}
}

void capture_sent(struct capture *c, struct capture_epoch *e)
{
	e->busy = false;
}

void capture_acked(struct capture *c, uint64_t epoch)
{
	unsent_acked(c->unsent, epoch);
}

void capture_lost(struct capture *c)
{
	unsent_merge(c->unsent);
	hot_lost(c->hot);
	sent_forget(c->sent);
	c->tree_sent = false;
}

uint64_t capture_dirty(struct capture *c, uint64_t limit)
{
	uint64_t others = c->unsent->nr_again + hot_members(c->hot);
	uint32_t frames = limit > others ? (uint32_t)(limit - others) : 1;
	uint64_t n = 0;

	if (frames != c->watched && !hvop_watch_dirty(c->cfg.hv, c->cfg.domid, frames, c->cfg.bell, &n))
		c->watched = frames;
	else if (hvop_dirty_count(c->cfg.hv, c->cfg.domid, &n))
		n = 0;
	return n + others;
}

uint64_t capture_cpu_time(struct capture *c)
{
	xc_dominfo_t info;

	if (xc_domain_getinfo(c->cfg.xc, c->cfg.domid, 1, &info) != 1 || info.domid != c->cfg.domid)
		return 0;
	return info.cpu_time;
}

const void *capture_page(const struct capture *c, uint64_t gfn)
{
	uint64_t frame = pages_frame(c->pages, gfn);

	return frame == PAGES_NONE ? NULL : pages_page(c->pages, frame);
}
