/* SPDX-License-Identifier: GPL-2.0-only */
/* One epoch: what Xen takes at the guest's stop, what the backends know, and the pages. */
#include <errno.h>
#include <string.h>

#include <xenctrl.h>

#include <xen/hvm/params.h>
#include <xen/io/xs_wire.h>
#include <xen/vcpu.h>

#include "capture/internal.h"
#include "hvop.h"
#include "log.h"
#include "wire/writer.h"
#include "xenstore/tree.h"

/* The guest runs: of its memory there is what Xen has copied. */
static bool runs_already(const struct capture *c, const struct capture_request *rq)
{
	return rq->fired && !c->area.taken.stopped;
}

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
	c->area.repin = true;
	return hot_pin(c->hot, pins.frame, pins.nr, not_hot_any_more, c);
}

static int put_state(struct capture *c, const struct capture_request *rq, const struct hvop_checkpoint *cp,
		     struct record_writer *w)
{
	const struct xen_kemari_state *s = cp->state;
	const uint64_t param[2] = { htole64(HVM_PARAM_CALLBACK_IRQ), htole64(cp->callback) };
	int rc;

	fault_spoil_state(&c->fault, s);
	record_put(w, RECORD_HV_STATE, s, cp->state_size);
	record_put(w, RECORD_HVM_CONTEXT, cp->context, cp->context_size);
	record_put(w, RECORD_HVM_PARAMS, param, sizeof(param));
	rc = pages_set_grants(c->pages, hvop_state_grant_gfns(s), s->nr_grant_frames);
	return rc ? rc : pin_pages(c, rq, s);
}

/*
 * Into the bitmap of unsent frames.  Of a hot one that is there for nothing but this write only what differs
 * is due.
 */
static int take_marks(struct capture *c, uint64_t epoch, const struct hvop_harvest *h)
{
	int rc = h->physmap ? pages_remap(c->pages, h->gfns, h->nr) : 0;

	c->broken = rc;
	if (rc)
		return rc;
	for (uint32_t i = 0; i < h->nr; i++) {
		uint64_t frame = pages_frame(c->pages, h->gfns[i]);

		if (frame == PAGES_NONE || fault_drops_mark(&c->fault, i, h->nr))
			continue;
		if (h->hot && !h->physmap && !unsent_is_marked(c->unsent, frame))
			hot_touch(c->hot, frame);
		unsent_mark(c->unsent, frame);
		hot_dirtied(c->hot, frame, epoch);
	}
	c->all_hot = !h->hot;
	return 0;
}

/* Of an error that loses no mark the caller tells, and not each time. */
static int marks_failed(struct capture *c, int rc)
{
	c->broken = rc == -EFAULT || rc == -ENOMEM || rc == -ENODATA;
	if (c->broken)
		kem_vm_err(c->cfg.vm, "cannot read the dirty pages: %s", strerror(-rc));
	return rc;
}

int capture_harvest(struct capture *c, uint64_t epoch, uint64_t *nr)
{
	struct hvop_harvest h;
	int rc;

	*nr = 0;
	if (c->broken)
		return -ENOBUFS; /* no epoch could carry what is missing */
	capture_absorb(c);
	c->unsent->harvesting = UNSENT_HARVEST;
	do {
		rc = hvop_harvest(c->cfg.hv, c->cfg.domid, &h);
		if (rc)
			return marks_failed(c, rc);
		rc = take_marks(c, epoch, &h);
		if (rc)
			return rc;
		*nr += h.nr;
	} while (h.more);
	c->unsent->harvesting = UNSENT_ALL_HERE;
	return 0;
}

/* Its own CPU time counts: on a busy host a guest may not run at all between two attempts. */
static bool stop_anywhere(struct capture *c)
{
	uint64_t cpu = c->postponed.on ? capture_cpu_time(c) : 0;

	return postpone_over(&c->postponed, monotonic_ns(), cpu);
}

static void stop_answered(struct capture *c, int rc)
{
	if (rc != -EAGAIN)
		postpone_end(&c->postponed);
	else if (!c->postponed.on)
		postpone_once_more(&c->postponed, monotonic_ns(), capture_cpu_time(c));
}

/* Once more with a larger buffer, if Xen asks for one. */
static int call_checkpoint(struct capture *c, bool anywhere, struct hvop_checkpoint *cp)
{
	int rc = hvop_checkpoint(c->cfg.hv, c->cfg.domid, anywhere, cp);

	if (rc == -ENOBUFS && !hvop_reserve(c->cfg.hv, 0, cp->state_size + 4096))
		rc = hvop_checkpoint(c->cfg.hv, c->cfg.domid, anywhere, cp);
	return rc == -ENOBUFS || rc == -ENOSPC ? -EBUSY : rc; /* no memory for it now: no mark is lost */
}

/* The guest is stopped from here on, once more than before. */
static int checkpoint(struct capture *c, const struct capture_request *rq, struct hvop_checkpoint *cp)
{
	int rc;

	c->unsent->harvesting = UNSENT_HARVEST;
	rc = call_checkpoint(c, rq->stopped || rq->anywhere || stop_anywhere(c), cp);
	stop_answered(c, rc);
	if (rc && rc != -EAGAIN)
		marks_failed(c, rc);
	if (rc && !c->broken)
		c->unsent->harvesting = UNSENT_ALL_HERE;
	return rc;
}

int capture_take_marks(struct capture *c, uint64_t epoch, const struct hvop_checkpoint *cp, uint64_t *nr)
{
	uint64_t more = 0;
	int rc;

	c->unsent->harvesting = UNSENT_HARVEST;
	*nr = 0;
	if (c->broken)
		return -ENOBUFS;
	rc = take_marks(c, epoch, &cp->dirty);

	if (!rc && cp->dirty.more)
		rc = capture_harvest(c, epoch, &more);
	if (!rc)
		c->unsent->harvesting = UNSENT_ALL_HERE;
	*nr = cp->dirty.nr + more;
	return rc;
}

struct device_pages {
	struct record_writer *w;
	uint32_t id;
};

static int put_device_page(void *arg, uint32_t index, const void *page)
{
	struct device_pages *p = arg;

	return record_page(p->w, record_device_gfn(p->id, (uint16_t)index), page);
}

/* Behind the snapshots, which say what they are of. */
static int take_device_pages(const struct capture_request *rq, struct record_writer *w)
{
	int rc = 0;

	for (unsigned int i = 0; i < rq->nr_devices && !rc; i++) {
		struct device *dev = rq->devices[i];
		struct device_pages p = { .w = w, .id = dev->id };

		if (dev->ops->each_page)
			rc = dev->ops->each_page(dev, rq->epoch, rq->base, put_device_page, &p);
	}
	return rc;
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

/*
 * xenstored works while the guest runs on: what is read of it now is of the epoch's instant if the guest's
 * page is still what it was then.
 */
static bool store_is_as_then(const struct capture *c, const void *then)
{
	const void *now = pages_page_now(c->pages, pages_frame(c->pages, c->cfg.store_gfn));

	return now && !memcmp(now, then, sizeof(struct xenstore_domain_interface));
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
	if (!rc && runs_already(c, rq) && !store_is_as_then(c, store))
		rc = -ESTALE;
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

/* A page that is marked: what differs from what went last, if that is known. */
static int put_marked(struct capture *c, struct record_writer *w, uint64_t frame)
{
	bool hot = hot_is_member(c->hot, frame);
	const void *page = page_to_send(c, frame);
	void *copy = sent_copy(c->sent, frame);
	uint64_t gfn = pages_gfn(c->pages, frame);
	int rc;

	if (hot || !page || gfn == PAGES_NONE) {
		sent_drop(c->sent, frame);
		return capture_put_frame(c, w, frame, page);
	}
	if (copy) {
		rc = record_page_delta(w, gfn, copy, page);
		return rc < 0 ? rc : 0;
	}
	sent_store(c->sent, frame, page);
	return record_page(w, gfn, page);
}

/*
 * A hot page goes as what differs from what went last, or as a whole with those that are marked for more than
 * its being written.  Its copy is what the standby will have: should this epoch fail, it is in the slot's
 * list or marked.
 */
static int put_hot(struct capture *c, unsigned int s, struct unsent_slot *slot, struct record_writer *w)
{
	uint64_t frame = hot_member(c->hot, s), gfn = pages_gfn(c->pages, frame);
	const void *page = pages_page(c->pages, frame);
	bool marked = unsent_is_marked(c->unsent, frame), whole = marked && !hot_is_touched(c->hot, s);
	void *copy = whole ? NULL : hot_copy(c->hot, s);
	int rc;

	if (fault_drops_page(&c->fault, &c->pins, frame)) {
		if (marked)
			unsent_drop(c->unsent, frame);
		return 0;
	}
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
	else if (marked)
		unsent_drop(c->unsent, frame);
	return rc < 0 ? rc : 0;
}

static int put_hot_pages(struct capture *c, struct unsent_slot *slot, struct record_writer *w, uint64_t *nr)
{
	int rc = 0;

	for (unsigned int s = 0; !rc && s < hot_members(c->hot); s++) {
		if (c->all_hot || hot_is_due(c->hot, s) ||
		    unsent_is_marked(c->unsent, hot_member(c->hot, s))) {
			rc = put_hot(c, s, slot, w);
			++*nr;
		} else {
			hot_compared(c->hot, s, false);
		}
	}
	return rc;
}

static int copy_pages(struct capture *c, struct unsent_slot *slot, struct record_writer *w, uint64_t *hot)
{
	int rc = put_hot_pages(c, slot, w, hot);

	/* into the list before out of the bitmap: the daemon may die in between */
	for (uint64_t frame = 0; !rc && unsent_find(c->unsent, &frame); frame++) {
		rc = unsent_add(c->unsent, slot, frame);
		if (rc)
			break;
		unsent_drop(c->unsent, frame);
		rc = put_marked(c, w, frame);
	}
	return rc;
}

static const void *page_for_hot(void *arg, uint64_t frame)
{
	struct capture *c = arg;

	sent_drop(c->sent, frame);
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
	capture_give_hot(c, gfn, nr);
}

static struct capture_epoch *free_buffer(struct capture *c)
{
	for (unsigned int i = 0; i < c->cfg.buffers; i++)
		if (!c->epoch[i].busy)
			return &c->epoch[i];
	return NULL;
}

/* No message between the guest and xenstored is half done. */
static bool tree_idle(const struct capture *c, const struct capture_request *rq)
{
	const void *store = capture_page(c, c->cfg.store_gfn);

	return !rq->tree || !store ||
	       (guest_tree_idle(rq->tree, store) && (!runs_already(c, rq) || store_is_as_then(c, store)));
}

static uint64_t guest_cpu(const struct xen_kemari_state *s)
{
	uint64_t ns = 0;

	for (uint32_t i = 0; i < s->nr_vcpus; i++)
		ns += hvop_state_vcpus(s)[i].runstate_time[RUNSTATE_running];
	return ns;
}

/* From here on pages are those of the checkpoint, also where the guest runs on. */
static int take_marks_of(struct capture *c, const struct capture_request *rq,
			 const struct hvop_checkpoint *cp, struct capture_epoch *e)
{
	const struct hvarea_taken *t = &c->area.taken;
	int rc;

	c->area.marked |= rq->fired;
	rc = capture_take_marks(c, rq->epoch, cp, &e->dirty);
	if (rc || !runs_already(c, rq))
		return rc;
	if (cp->dirty.physmap)
		return -ESTALE;
	pages_then(c->pages, t->gfns, t->copies, t->nr_copies);
	return 0;
}

/* All of it behind the checkpoint; what it takes to copy pages goes to *copy_ns. */
static int fill_epoch(struct capture *c, const struct capture_request *rq, const struct hvop_checkpoint *cp,
		      struct capture_epoch *e, struct unsent_slot *slot, struct record_writer *w,
		      uint64_t *copy_ns)
{
	int rc = take_marks_of(c, rq, cp, e);
	uint64_t begin;

	if (!rc && !tree_idle(c, rq))
		rc = -EAGAIN;
	if (!rc)
		rc = record_epoch_begin(w, rq->g, rq->epoch, rq->base);
	if (!rc)
		rc = put_state(c, rq, cp, w);
	if (!rc)
		rc = take_devices(c, rq, w);
	if (!rc)
		rc = take_device_pages(rq, w);
	if (!rc)
		rc = take_tree(c, rq, w);
	if (!rc && rq->verify)
		reference_keep(c, rq->epoch);
	begin = monotonic_ns();
	if (!rc)
		rc = copy_pages(c, slot, w, &e->hot);
	if (!rc)
		rc = record_epoch_end(w);
	*copy_ns = monotonic_ns() - begin;
	pages_now(c->pages);
	return !rc && runs_already(c, rq) && pages_missed(c->pages) ? -ESTALE : rc;
}

/* It was stopped before, too: one pause is enough, once all is copied that nobody's unpause was to disturb.
 */
static void give_pause_back(struct capture *c)
{
	int rc = hvop_resume(c->cfg.hv, c->cfg.domid);

	if (rc && rc != -EINVAL)
		kem_vm_err(c->cfg.vm, "cannot give a pause of the guest back: %s", strerror(-rc));
}

static int fired_checkpoint(const struct capture *c, const struct capture_request *rq,
			    struct hvop_checkpoint *cp)
{
	if (!c->area.there || c->area.taken.result || rq->verify)
		return -ESTALE;
	*cp = c->area.taken.cp;
	return 0;
}

static int write_epoch(struct capture *c, struct capture_request *rq, struct capture_epoch *e,
		       struct unsent_slot *slot, struct record_writer *w)
{
	uint64_t begin = monotonic_ns(), taken, copy = 0;
	struct hvop_checkpoint cp;
	int rc = rq->fired ? fired_checkpoint(c, rq, &cp) : checkpoint(c, rq, &cp);

	if (rc == -EFAULT)
		rq->stopped = true; /* perhaps */
	if (rc)
		return rc;
	taken = monotonic_ns();
	e->cpu = guest_cpu(cp.state);
	e->hot = 0;
	rc = fill_epoch(c, rq, &cp, e, slot, w, &copy);
	if (!rc && rq->fired && !hvarea_is_whole(c->area.hv, &c->area.taken))
		rc = -ESRCH;
	e->paused = 0;
	if (rq->fired)
		e->paused = c->area.taken.total_ns + (runs_already(c, rq) ? 0 : monotonic_ns() - begin);
	if (rq->stopped && !rq->fired)
		give_pause_back(c);
	rq->stopped |= !rq->fired;
	e->times = (struct capture_times){
		.stop = rq->fired ? cp.stop_ns : taken - begin - cp.state_ns - cp.context_ns - cp.harvest_ns,
		.state = cp.state_ns,
		.context = cp.context_ns,
		.harvest = cp.harvest_ns,
		.devices = monotonic_ns() - taken - copy,
		.copy = copy
	};
	return rc;
}

int capture_take(struct capture *c, struct capture_request *rq, struct capture_epoch **out)
{
	struct capture_epoch *e = free_buffer(c);
	struct unsent_slot *slot;
	struct record_writer w;
	int rc;

	if (!rq->fired)
		capture_absorb(c); /* no epoch leaves out what was written before another one */
	if (c->broken)
		return -ENOBUFS; /* no epoch could carry what is missing */
	if (!e)
		return -EBUSY;
	fault_begin(&c->fault, c->cfg.run_dir, c->cfg.vm);
	slot = unsent_begin(c->unsent, rq->epoch);
	if (!slot)
		return -EBUSY;
	if (!rq->base)
		c->tree_sent = false;
	record_writer_init(&w, e->buf, c->cfg.epoch_bytes);
	rc = write_epoch(c, rq, e, slot, &w);
	if (rc) {
		if (slot->nr) /* some went into the buffer */
			sent_forget(c->sent);
		unsent_abandon(c->unsent, slot);
		c->tree_sent = c->tree_sent && rc == -EAGAIN;
		return rc == -ENOSPC ? -ENOBUFS : rc;
	}
	c->last_epoch = rq->epoch;
	if (!runs_already(c, rq))
		settle_hot(c, rq->epoch);
	e->epoch = rq->epoch;
	e->len = w.len;
	e->pages = w.totals.nr_pages;
	e->busy = true;
	*out = e;
	return 0;
}

int capture_stop(struct capture *c)
{
	int rc = hvop_stop(c->cfg.hv, c->cfg.domid, stop_anywhere(c));

	stop_answered(c, rc);
	return rc;
}
