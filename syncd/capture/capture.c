/* SPDX-License-Identifier: GPL-2.0-only */
#include "capture.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <xenctrl.h>

#include <xen/hvm/params.h>

#include "capture/dirtylog.h"
#include "capture/internal.h"
#include "hvop.h"
#include "log.h"
#include "wire/writer.h"
#include "xenstore/tree.h"

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

	c->broken = valid && !was_logging; /* what was written since the log ended nobody knows */
	if (!valid || c->unsent->harvesting)
		begin_unsent(c, valid || was_logging);
	unsent_recover(c->unsent);
}

/* Should Xen leave out what is compared no more, writes would be lost: it had better list all. */
static void give_hot(struct capture *c, const uint64_t *gfns, uint32_t nr)
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
	if (!rc && !(c->hvm = malloc(HVM_CONTEXT_MAX)))
		rc = -ENOMEM;
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
	give_hot(c, NULL, 0);
	*out = c;
	return 0;
}

void capture_close(struct capture *c, bool keep)
{
	if (!c)
		return;
	if (c->logging && !keep) {
		hvop_set_hot(c->cfg.hv, c->cfg.domid, NULL, 0);
		dirtylog_off(c->cfg.hv, c->cfg.xc, c->cfg.domid);
	}
	for (unsigned int i = 0; i < CAPTURE_MAX_BUFFERS; i++)
		free(c->epoch[i].buf);
	free(c->ref.before);
	free(c->ref.state);
	free(c->hvm);
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

/* ---- pieces of an epoch ---------------------------------------------------------------------------- */

static bool pin_gfn(struct capture *c, struct pins *pins, uint64_t gfn, enum pin_kind kind)
{
	uint64_t frame = pages_frame(c->pages, gfn);

	return frame == PAGES_NONE || pins_add(pins, frame, kind);
}

static void not_hot_any_more(void *arg, uint64_t frame)
{
	struct capture *c = arg;

	unsent_mark(c->unsent, frame);
}

/* What is written without a dirty mark: reference study of the hypervisor, section 3.6. */
static int pin_pages(struct capture *c, const struct capture_request *rq, const struct xen_kemari_state *s)
{
	const struct xen_kemari_vcpu *v = hvop_state_vcpus(s);
	struct pins pins = { 0 };
	bool fits = true;

	for (uint32_t i = 0; i < pages_grants(c->pages); i++)
		fits = fits && pin_gfn(c, &pins, hvop_state_grant_gfns(s)[i], PIN_GRANT);
	fits = fits && pin_gfn(c, &pins, s->shared_info_gfn, PIN_SHARED_INFO);
	fits = fits && pin_gfn(c, &pins, c->cfg.store_gfn, PIN_STORE);
	fits = fits && pin_gfn(c, &pins, c->cfg.console_gfn, PIN_CONSOLE);
	for (uint32_t i = 0; i < s->nr_vcpus; i++)
		fits = fits && pin_gfn(c, &pins, v[i].vcpu_info_gfn, PIN_VCPU_INFO);
	for (unsigned int d = 0; d < rq->nr_devices; d++) {
		uint32_t refs[DEVICE_MAX_QUEUES * DEVICE_MAX_RING_PAGES];
		struct device *dev = rq->devices[d];
		unsigned int n = dev->ops->ring_refs(dev, refs, sizeof(refs) / sizeof(refs[0]));

		for (unsigned int i = 0; i < n; i++)
			fits = fits && pin_gfn(c, &pins, pages_grant_gfn(c->pages, refs[i]), PIN_RING);
	}
	if (!fits) {
		kem_vm_err(c->cfg.vm, "the guest has more than %u ring and grant pages", HOT_MAX_PINNED);
		return -E2BIG;
	}
	if (pins_equal(&pins, &c->pins))
		return 0;
	c->pins = pins;
	return hot_pin(c->hot, pins.frame, pins.nr, not_hot_any_more, c);
}

int capture_read_state(struct capture *c, const struct xen_kemari_state **s, uint32_t *size)
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

static int take_state(struct capture *c, const struct capture_request *rq, struct record_writer *w)
{
	const struct xen_kemari_state *s;
	uint32_t size;
	int rc = capture_read_state(c, &s, &size);

	if (rc)
		return rc;
	fault_spoil_state(&c->fault, s);
	record_put(w, RECORD_HV_STATE, s, size);
	rc = pages_set_grants(c->pages, hvop_state_grant_gfns(s), s->nr_grant_frames);
	return rc ? rc : pin_pages(c, rq, s);
}

int capture_read_context(struct capture *c)
{
	int len = xc_domain_hvm_getcontext(c->cfg.xc, c->cfg.domid, c->hvm, HVM_CONTEXT_MAX);

	if (len < 0) {
		len = -errno;
		kem_vm_err(c->cfg.vm, "cannot read the guest's HVM context: %s", strerror(-len));
	}
	return len;
}

int capture_read_params(struct capture *c, uint64_t param[2])
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

static int take_context(struct capture *c, struct record_writer *w)
{
	int rc = capture_read_context(c);
	uint64_t param[2];

	if (rc < 0)
		return rc;
	record_put(w, RECORD_HVM_CONTEXT, c->hvm, (size_t)rc);
	rc = capture_read_params(c, param);
	return rc ? rc : record_put(w, RECORD_HVM_PARAMS, param, sizeof(param));
}

int capture_harvest(struct capture *c, uint64_t epoch, uint64_t *nr)
{
	struct hvop_harvest h;
	int rc;

	*nr = 0;
	if (c->broken)
		return -ENOBUFS; /* no epoch could carry what is missing */
	c->unsent->harvesting = 1;
	do {
		rc = hvop_harvest(c->cfg.hv, c->cfg.domid, &h);
		if (rc) {
			kem_vm_err(c->cfg.vm, "cannot read the dirty pages: %s", strerror(-rc));
			c->broken = rc == -EFAULT || rc == -ENOMEM || rc == -ENODATA; /* marks are lost */
			return rc;
		}
		rc = h.physmap ? pages_remap(c->pages, h.gfns, h.nr) : 0;
		c->broken = rc;
		if (rc)
			return rc;
		for (uint32_t i = 0; i < h.nr; i++) {
			uint64_t frame = pages_frame(c->pages, h.gfns[i]);

			if (frame == PAGES_NONE || fault_drops_mark(&c->fault, i, h.nr))
				continue;
			unsent_mark(c->unsent, frame);
			hot_dirtied(c->hot, frame, epoch);
		}
		*nr += h.nr;
	} while (h.more);
	c->unsent->harvesting = 0;
	return 0;
}

static int take_devices(struct capture *c, const struct capture_request *rq, struct record_writer *w)
{
	for (unsigned int i = 0; i < rq->nr_devices; i++) {
		struct device *dev = rq->devices[i];
		size_t room;
		void *where = record_reserve_device(w, dev->ops->type, dev->id, &room);
		long len = where ? dev->ops->snapshot(dev, where, room) : -ENOBUFS;

		if (len < 0) {
			if (where)
				record_cancel(w);
			kem_vm_err(c->cfg.vm, "cannot take the state of %s %u: %s", dev->ops->type, dev->id,
				   strerror((int)-len));
			return (int)len;
		}
		record_commit_device(w, (size_t)len);
	}
	return 0;
}

/* The tree goes with the first epoch after a bulk copy or a lost link, and when it changed. */
static int take_tree(struct capture *c, const struct capture_request *rq, struct record_writer *w)
{
	const void *store = capture_page(c, c->cfg.store_gfn);
	const void *buf;
	uint64_t version;
	size_t len;
	int rc;

	if (!rq->tree || !store)
		return 0;
	rc = guest_tree_snapshot(rq->tree, store, &buf, &len, &version);
	if (rc)
		return rc;
	if (c->tree_sent && version == c->tree_version)
		return 0;
	c->tree_sent = true;
	c->tree_version = version;
	return record_put(w, RECORD_XENSTORE, buf, len);
}

int capture_put_frame(struct capture *c, struct record_writer *w, uint64_t frame, const void *page)
{
	uint64_t gfn = pages_gfn(c->pages, frame);

	if (gfn == PAGES_NONE)
		return 0;
	return page ? record_page(w, gfn, page) : record_page_hole(w, gfn);
}

/* Of a pinned page the bytes that were compared: it may have changed since. */
static const void *page_to_send(const struct capture *c, uint64_t frame)
{
	const void *page = pages_page(c->pages, frame);
	const void *copy = page ? hot_pinned_copy(c->hot, frame) : NULL;

	return copy ? copy : page;
}

/*
 * A hot page goes as what differs from what went last, or as a whole with those that are marked.  Its copy is
 * what the standby will have: should this epoch fail, it is in the slot's list or marked.
 */
static int put_hot(struct capture *c, unsigned int s, struct unsent_slot *slot, struct record_writer *w)
{
	uint64_t frame = hot_member(c->hot, s), gfn = pages_gfn(c->pages, frame);
	const void *page = pages_page(c->pages, frame);
	void *copy = unsent_is_marked(c->unsent, frame) ? NULL : hot_copy(c->hot, s);
	int rc;

	if (fault_drops_page(&c->fault, &c->pins, frame))
		return 0;
	if (!page || gfn == PAGES_NONE) {
		hot_sent(c->hot, s, NULL);
		return 0;
	}
	if (!copy) {
		hot_sent(c->hot, s, page);
		unsent_mark(c->unsent, frame);
		return 0;
	}
	rc = record_page_delta(w, gfn, copy, page);
	hot_compared(c->hot, s, rc);
	if (rc > 0)
		rc = unsent_add(c->unsent, slot, frame);
	if (rc < 0)
		unsent_mark(c->unsent, frame);
	return rc;
}

static int copy_pages(struct capture *c, struct unsent_slot *slot, struct record_writer *w)
{
	int rc = 0;

	for (unsigned int s = 0; !rc && s < hot_members(c->hot); s++)
		rc = put_hot(c, s, slot, w);
	/* into the list before out of the bitmap: the daemon may die in between */
	for (uint64_t frame = 0; !rc && unsent_find(c->unsent, &frame); frame++) {
		rc = unsent_add(c->unsent, slot, frame);
		if (rc)
			break;
		unsent_drop(c->unsent, frame);
		rc = capture_put_frame(c, w, frame, page_to_send(c, frame));
	}
	return rc;
}

static const void *page_for_hot(void *arg, uint64_t frame)
{
	struct capture *c = arg;

	return pages_page(c->pages, frame);
}

static void settle_hot(struct capture *c, uint64_t epoch)
{
	uint64_t gfn[HOT_MAX];
	uint32_t nr = 0;

	if (!hot_settle(c->hot, epoch, page_for_hot, c))
		return;
	for (unsigned int s = 0; s < hot_members(c->hot); s++) {
		uint64_t g = pages_gfn(c->pages, hot_member(c->hot, s));

		if (g != PAGES_NONE)
			gfn[nr++] = g;
	}
	give_hot(c, gfn, nr);
}

static struct capture_epoch *free_buffer(struct capture *c)
{
	for (unsigned int i = 0; i < c->cfg.buffers; i++)
		if (!c->epoch[i].busy)
			return &c->epoch[i];
	return NULL;
}

static int write_epoch(struct capture *c, const struct capture_request *rq, struct capture_epoch *e,
		       struct unsent_slot *slot, struct record_writer *w)
{
	uint64_t t[6];
	int rc;

	t[0] = monotonic_ns();
	rc = record_epoch_begin(w, rq->g, rq->epoch, rq->base);
	if (!rc)
		rc = take_state(c, rq, w);
	t[1] = monotonic_ns();
	if (!rc)
		rc = take_context(c, w);
	t[2] = monotonic_ns();
	if (!rc)
		rc = capture_harvest(c, rq->epoch, &e->dirty);
	t[3] = monotonic_ns();
	if (!rc)
		rc = take_devices(c, rq, w);
	if (!rc)
		rc = take_tree(c, rq, w);
	if (!rc && rq->verify)
		reference_keep(c, rq->epoch);
	t[4] = monotonic_ns();
	if (!rc)
		rc = copy_pages(c, slot, w);
	if (!rc)
		rc = record_epoch_end(w);
	t[5] = monotonic_ns();
	e->times = (struct capture_times){ .stop = t[0] - rq->stop_ns,
					   .state = t[1] - t[0],
					   .context = t[2] - t[1],
					   .harvest = t[3] - t[2],
					   .devices = t[4] - t[3],
					   .copy = t[5] - t[4] };
	return rc;
}

int capture_take(struct capture *c, const struct capture_request *rq, struct capture_epoch **out)
{
	const void *store = capture_page(c, c->cfg.store_gfn);
	struct capture_epoch *e = free_buffer(c);
	struct unsent_slot *slot;
	struct record_writer w;
	int rc;

	if (!e)
		return -EBUSY;
	if (rq->tree && store && !guest_tree_idle(rq->tree, store))
		return -EAGAIN;
	fault_begin(&c->fault, c->cfg.run_dir, c->cfg.vm);
	slot = unsent_begin(c->unsent, rq->epoch);
	if (!slot)
		return -EBUSY;
	if (!rq->base)
		c->tree_sent = false;
	record_writer_init(&w, e->buf, c->cfg.epoch_bytes);
	rc = write_epoch(c, rq, e, slot, &w);
	if (rc) {
		/* what was taken out of the bitmap goes back */
		capture_lost(c);
		return rc == -ENOSPC ? -ENOBUFS : rc;
	}
	settle_hot(c, rq->epoch);
	postpone_end(&c->postponed);
	e->epoch = rq->epoch;
	e->len = w.len;
	e->pages = w.totals.nr_pages;
	e->hot = hot_members(c->hot);
	e->busy = true;
	*out = e;
	return 0;
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
	c->tree_sent = false;
}

uint64_t capture_dirty(struct capture *c)
{
	uint64_t n = 0;

	if (hvop_dirty_count(c->cfg.hv, c->cfg.domid, &n))
		n = 0;
	return n + c->unsent->nr_again + hot_members(c->hot);
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

/* Its own CPU time counts: on a busy host a guest may not run at all between two attempts. */
int capture_stop(struct capture *c)
{
	uint64_t now = monotonic_ns(), cpu = c->postponed.on ? capture_cpu_time(c) : 0;
	int rc = hvop_stop(c->cfg.hv, c->cfg.domid, postpone_over(&c->postponed, now, cpu));

	if (rc != -EAGAIN)
		postpone_end(&c->postponed);
	else if (!c->postponed.on)
		postpone_once_more(&c->postponed, now, capture_cpu_time(c));
	return rc;
}
