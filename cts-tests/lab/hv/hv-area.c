/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Checkpoints that Xen takes by itself: what is in the area is what the stopped guest is, and copies that
 * were made while it was stopped, and it ran on, add up to its memory.
 */
#include "hv-memory.h" /* first: it says that these are tools */

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include <xen/hvm/save.h>
#include <xenevtchn.h>

#include "hvarea.h"
#include "lib/monotonic.h"

#define TAP (XEN_KEMARI_TAP_out | XEN_KEMARI_TAP_checkpoint)
#define WRITTEN_MEANWHILE 160 /* words of 8 bytes */
#define EFLAGS_IF (1U << 9)
#define PATIENCE_NS 20000000000ULL

struct hv_area {
	struct hv *hv;
	struct hvarea *area;
	xenevtchn_handle *xce;
	uint32_t port, notify, flags;
	bool inside; /* entered, with a checkpoint */
	struct hvarea_taken t;
	uint64_t sequence, stopped, copies, total_ns, stop_ns;
};

static int fail(const char *what, int rc)
{
	printf("%s: error %d %s\n", what, -rc, strerror(-rc));
	return rc;
}

static int area_open(struct hv_area *a, struct hv *hv, uint32_t port, uint32_t copies, uint32_t flags)
{
	int rc;

	*a = (struct hv_area){ .hv = hv, .port = port, .flags = flags };
	a->xce = xenevtchn_open(NULL, 0);
	rc = a->xce ? xenevtchn_bind_unbound_port(a->xce, hv->domid) : -1;
	if (rc < 0)
		return fail("port", -errno);
	a->notify = (uint32_t)rc;
	rc = hvarea_open(&a->area, hv->hvop, hv->fmem, hv->domid, copies);
	if (rc)
		return fail("area", rc);
	rc = hvop_tap_set(hv->hvop, hv->domid, port, TAP, a->notify);
	return rc ? fail("tap", rc) : 0;
}

static int area_close(struct hv_area *a)
{
	uint64_t size;
	int rc;

	/* other callers may be under way */
	do {
		rc = hvop_tap_set(a->hv->hvop, a->hv->domid, a->port, 0, 0);
	} while (rc == -EBUSY);
	while (!rc || rc == -EBUSY) {
		rc = hvop_area_set(a->hv->hvop, a->hv->domid, 0, 0, 0, &size);
		if (!rc)
			break;
	}
	hvarea_close(a->area);
	xenevtchn_close(a->xce);
	return rc ? fail("close", rc) : 0;
}

/* True: our port was raised, within 10 ms. */
static bool notified(struct hv_area *a)
{
	struct pollfd p = { .fd = xenevtchn_fd(a->xce), .events = POLLIN };
	xenevtchn_port_or_error_t port;

	if (poll(&p, 1, 10) <= 0)
		return false;
	port = xenevtchn_pending(a->xce);
	if (port < 0)
		return false;
	xenevtchn_unmask(a->xce, (evtchn_port_t)port);
	return (uint32_t)port == a->notify;
}

/* No checkpoint came, or nobody said so. */
static int tell_why(struct hv_area *a)
{
	const struct xen_kemari_tap *t;
	bool taken = hvarea_enter(a->area), paused = false;
	uint32_t nr = 0;

	hvop_tap_list(a->hv->hvop, a->hv->domid, &t, &nr, &paused);
	if (nr)
		printf("taken=%d paused=%d held=%u seen=%" PRIu64 " ordinary=%" PRIu64 " checkpoints=%" PRIu64 " of %" PRIu64
		       "\n",
		       taken, paused, t->held, t->seen_out, t->ordinary, t->checkpoints, a->sequence);
	return -ETIMEDOUT;
}

/* The next checkpoint of the tap; we are inside on return. */
static int take(struct hv_area *a, uint32_t flags)
{
	uint64_t end = monotonic_ns() + PATIENCE_NS;

	hvarea_arm(a->area, true, flags | a->flags);
	do {
		hvarea_leave(a->area);
		while (!notified(a))
			if (monotonic_ns() > end)
				return tell_why(a);
	} while (!hvarea_enter(a->area));

	hvarea_arm(a->area, false, 0);
	hvarea_read(a->area, &a->t);
	a->inside = true;
	if (a->t.result)
		return a->t.result;
	if (a->t.sequence != ++a->sequence || a->t.port != a->port) {
		puts("not the checkpoint that was due");
		return -EPROTO;
	}
	a->stopped += a->t.stopped;
	a->copies += a->t.nr_copies;
	a->total_ns += a->t.total_ns;
	a->stop_ns += a->t.cp.stop_ns;
	return 0;
}

void hv_area_end(struct hv_area *a)
{
	if (!a->inside)
		return;
	a->inside = false;
	hvarea_done(a->area);
	if (a->t.stopped)
		hvop_tap_resume(a->hv->hvop, a->hv->domid);
}

/* Of vCPU n, all but its clock, which runs on. */
static bool cpu_of(const uint8_t *context, uint32_t size, uint32_t n, struct hvm_hw_cpu *cpu)
{
	for (uint32_t at = 0; at + sizeof(struct hvm_save_descriptor) <= size;) {
		const struct hvm_save_descriptor *d = (const struct hvm_save_descriptor *)(context + at);

		at += (uint32_t)sizeof(*d);
		if (d->typecode == HVM_SAVE_CODE(CPU) && d->instance == n && d->length == sizeof(*cpu)) {
			memcpy(cpu, context + at, sizeof(*cpu));
			cpu->tsc = 0;
			return true;
		}
		at += d->length;
	}
	return false;
}

static bool same_context(struct memory *m, const struct hvop_checkpoint *cp)
{
	struct hvm_hw_cpu then, now;
	int size = xc_domain_hvm_getcontext(m->hv->xc, m->hv->domid, m->context, sizeof(m->context));
	bool same = size == (int)cp->context_size;

	for (uint32_t n = 0; same && n < cp->state->nr_vcpus; n++)
		same = cpu_of(cp->context, cp->context_size, n, &then) &&
		       cpu_of(m->context, (uint32_t)size, n, &now) && !memcmp(&then, &now, sizeof(now));
	if (!same)
		puts("the HVM context is another one");
	return same;
}

/* No vCPU was in a handler. */
static bool interrupts_on(const struct hvop_checkpoint *cp)
{
	struct hvm_hw_cpu cpu;
	bool on = true;

	for (uint32_t n = 0; on && n < cp->state->nr_vcpus; n++)
		on = cpu_of(cp->context, cp->context_size, n, &cpu) && (cpu.rflags & EFLAGS_IF);
	if (!on)
		puts("taken with interrupts off");
	return on;
}

static bool same_state(struct memory *m, const struct hvop_checkpoint *cp)
{
	const struct xen_kemari_state *s;
	struct xen_kemari_state *then = malloc(cp->state_size), *now = NULL;
	uint32_t size;
	bool same = false;

	if (then && !hvop_get_state(m->hv->hvop, m->hv->domid, &s, &size)) {
		memcpy(then, cp->state, cp->state_size);
		now = malloc(size);
	}
	if (now) {
		memcpy(now, s, size);
		same = !hvop_state_check(then, cp->state_size) &&
		       hv_same_state(then, cp->state_size, now, size);
	}
	free(then);
	free(now);
	return same;
}

static uint32_t slot_of(const struct memory *m, uint64_t gfn)
{
	return gfn < HV_MAX_GFN ? m->slot[gfn] : 0;
}

static uint32_t differing_words(const uint8_t *a, const uint8_t *b)
{
	const uint64_t *x = (const uint64_t *)a, *y = (const uint64_t *)b;
	uint32_t nr = 0;

	for (size_t i = 0; i < HV_PAGE / sizeof(*x); i++)
		nr += x[i] != y[i];
	return nr;
}

/* Copies of the guest that stands still, and of what dom0 may write to meanwhile: indexes, and an answer of
 * xenstored's. */
static bool same_copies(struct memory *m, const struct hvarea_taken *t)
{
	uint32_t bad = 0;

	for (uint32_t n = 0; n < t->nr_copies; n++) {
		uint32_t i = slot_of(m, t->gfns[n]), differ;

		/* mapped anew only later if it came or went */
		if (!i || m->err[i - 1] || t->cp.dirty.physmap)
			continue;
		differ = differing_words(t->copies + n * HV_PAGE, hv_frame(m, i - 1));
		if (differ > (m->always[i - 1] ? WRITTEN_MEANWHILE : 0)) {
			printf("the copy of gfn %#" PRIx64 " is of something else\n", t->gfns[n]);
			bad++;
		}
	}
	return !bad;
}

/* Each listed frame up to nr_done has a copy, each pinned one, and no others. */
static bool complete(struct memory *m, const struct hvarea_taken *t)
{
	uint32_t pinned = 0, own = 0;

	for (uint32_t i = 0; i < m->nr; i++)
		pinned += m->always[i];
	for (uint32_t n = 0; n < t->nr_done; n++) {
		uint32_t i = slot_of(m, t->cp.dirty.gfns[n]);

		own += !i || !m->always[i - 1];
	}
	if (pinned == t->nr_pinned && pinned + own == t->nr_copies &&
	    (t->stopped || (t->nr_done == t->cp.dirty.nr && !t->cp.dirty.more)))
		return true;
	printf("copies=%u pinned=%u of %u, list %u of %u, stopped=%u\n", t->nr_copies, t->nr_pinned, pinned,
	       t->nr_done, t->cp.dirty.nr, t->stopped);
	return false;
}

/* First list of an epoch that is compared: the guest stays stopped. */
static int by_tap(struct memory *m, struct hvop_harvest *h)
{
	struct hv_area *a = m->area;
	int rc;

	if (a->inside)
		return hvop_harvest(m->hv->hvop, m->hv->domid, h);
	rc = take(a, XEN_KEMARI_AREA_sync);
	if (rc)
		return rc;
	*h = a->t.cp.dirty;
	if (!a->t.stopped || !complete(m, &a->t) || !same_copies(m, &a->t) || !same_state(m, &a->t.cp) ||
	    !same_context(m, &a->t.cp) ||
	    (!(a->flags & XEN_KEMARI_AREA_anywhere) && !interrupts_on(&a->t.cp)))
		return -EPROTO;
	return 0;
}

/* By hand, of a guest that was left stopped. */
static int copy_rest(struct memory *m)
{
	bool physmap;
	int rc = hv_harvest(m, &physmap);

	for (uint32_t n = m->area->t.nr_done; !rc && n < m->area->t.cp.dirty.nr; n++) {
		uint32_t i = slot_of(m, m->area->t.cp.dirty.gfns[n]);

		if (i)
			m->listed[i - 1] = 1;
	}
	for (uint32_t i = 0; !rc && i < m->nr; i++) {
		if (!m->listed[i])
			continue;
		if (physmap || m->area->t.cp.dirty.physmap)
			hv_remap(m, i);
		if (!m->err[i])
			memcpy(hv_copy_of(m, i), hv_frame(m, i), HV_PAGE);
	}
	return rc;
}

/* An epoch of a guest that ran on; its copies are what the memory was. */
static int async_epoch(struct memory *m)
{
	struct hvarea_taken *t = &m->area->t;
	int rc = take(m->area, 0);

	if (!rc && !complete(m, t))
		rc = -EPROTO;
	for (uint32_t n = 0; !rc && n < t->nr_copies; n++) {
		uint64_t gfn = t->gfns[n] & ~XEN_KEMARI_NO_FRAME;
		uint32_t i = slot_of(m, gfn);

		if (!i)
			continue;
		if (t->cp.dirty.physmap)
			hv_remap(m, i - 1);
		if (gfn == t->gfns[n])
			memcpy(hv_copy_of(m, i - 1), t->copies + n * HV_PAGE, HV_PAGE);
	}
	memset(m->listed, 0, m->nr);
	if (!rc && t->stopped)
		rc = copy_rest(m);
	hv_area_end(m->area);
	return rc;
}

/* The frames of which every epoch has a copy, in any order. */
static int pin(struct memory *m)
{
	uint64_t gfns[XEN_KEMARI_MAX_PINNED];
	uint32_t nr = 0;

	for (uint32_t i = m->nr; i-- > 0;)
		if (m->always[i] && nr < XEN_KEMARI_MAX_PINNED)
			gfns[nr++] = m->gfns[i];
	return hvop_area_pin(m->hv->hvop, m->hv->domid, gfns, nr);
}

/* Epochs that are compared at once, such whose guest runs on, and one that compares what these added up to.
 */
static int mixed_epochs(struct memory *m, int nr)
{
	int rc = hv_epochs(m, nr, 0);

	for (int i = 0; !rc && i < nr; i++)
		rc = async_epoch(m);
	return rc ? rc : hv_epochs(m, 2, 0);
}

static int by_tap_main(struct hv *hv, uint32_t port, int nr, uint32_t copies, uint32_t flags)
{
	static struct memory m;
	struct hv_area a;
	int rc = hv_open_memory(&m, hv);

	if (!rc)
		rc = hv_start(&m);
	if (!rc)
		rc = area_open(&a, hv, port, copies, flags);
	if (rc)
		return 1;
	m.first = by_tap;
	m.area = &a;
	rc = pin(&m);
	if (!rc)
		rc = mixed_epochs(&m, nr);
	if (rc)
		fail("epochs", rc);
	printf("taken=%" PRIu64 " stopped=%" PRIu64 " copies=%" PRIu64 " us=%" PRIu64 " stop=%" PRIu64
	       " unlisted=%" PRIu64 "\n",
	       a.sequence, a.stopped, a.copies, a.sequence ? a.total_ns / a.sequence / 1000 : 0,
	       a.sequence ? a.stop_ns / a.sequence / 1000 : 0, m.unlisted);
	if (area_close(&a))
		rc = -EIO;
	hv_stop(hv);
	return rc || m.unlisted || !m.changed;
}

/* Without an end to what is asked for: for those who disturb it. */
static int fire(struct hv *hv, uint32_t port, uint64_t seconds)
{
	uint64_t end = monotonic_ns() + seconds * 1000000000ULL;
	struct hv_area a;
	int rc = hvop_log(hv->hvop, hv->domid, true);

	if (!rc)
		rc = area_open(&a, hv, port, 256, XEN_KEMARI_AREA_anywhere);
	if (rc)
		return 1;
	while (!rc && monotonic_ns() < end) {
		rc = take(&a, a.sequence % 4 ? 0 : XEN_KEMARI_AREA_sync);
		hv_area_end(&a);
	}
	printf("fired=%" PRIu64 " stopped=%" PRIu64 " us=%" PRIu64 "\n", a.sequence, a.stopped,
	       a.sequence ? a.total_ns / a.sequence / 1000 : 0);
	if (rc)
		fail("fire", rc);
	hvop_log(hv->hvop, hv->domid, false);
	xc_shadow_control(hv->xc, hv->domid, XEN_DOMCTL_SHADOW_OP_OFF, NULL, 0);
	return rc || area_close(&a);
}

static unsigned int failed;

static void expect(const char *what, int64_t want, int64_t got)
{
	if (want == got)
		return;
	printf("%s: expected %" PRId64 ", got %" PRId64 "\n", what, want, got);
	failed++;
}

static int set(struct hv *hv, uint32_t copies, uint32_t listed, uint32_t state)
{
	uint64_t size;

	return hvop_area_set(hv->hvop, hv->domid, copies, listed, state, &size);
}

/* How many frames can be had. */
static uint64_t frames(struct hv *hv)
{
	size_t size = 0;

	return xenforeignmemory_resource_size(hv->fmem, (domid_t)hv->domid, XEN_KEMARI_resource, 0, &size)
		       ? 0
		       : size / HV_PAGE;
}

static int area_checks(struct hv *hv)
{
	static const uint64_t gfns[17];
	struct hvarea *first = NULL, *second = NULL;
	struct hvarea_taken t;
	void *at = NULL;

	expect("pins without an area", -ENOENT, hvop_area_pin(hv->hvop, hv->domid, gfns, 1));
	expect("frames without an area", 0, (int64_t)frames(hv));
	expect("too many copies", -EINVAL, set(hv, XEN_KEMARI_MAX_COPIES + 1, 1, 4096));
	expect("no list", -EINVAL, set(hv, 1, 0, 4096));
	expect("a long list", -EINVAL, set(hv, 1, XEN_KEMARI_MAX_LISTED + 1, 4096));
	expect("no state", -EINVAL, set(hv, 1, 1, 0));
	expect("a large state", -EINVAL, set(hv, 1, 1, XEN_KEMARI_MAX_RECORD + 1));
	expect("the largest of all", 0,
	       set(hv, XEN_KEMARI_MAX_COPIES, XEN_KEMARI_MAX_LISTED, XEN_KEMARI_MAX_RECORD));
	expect("its frames", 1024 + 1 + 16 + 64 + 2, (int64_t)frames(hv));
	expect("none any more", 0, set(hv, 0, 0, 0));
	expect("frames then", 0, (int64_t)frames(hv));

	expect("an area", 0, hvarea_open(&first, hv->hvop, hv->fmem, hv->domid, 16));
	expect("more pins than copies", -EINVAL, hvop_area_pin(hv->hvop, hv->domid, gfns, 17));
	expect("as many pins as copies", 0, hvop_area_pin(hv->hvop, hv->domid, gfns, 16));
	expect("beyond its end", 0,
	       (int64_t)(uintptr_t)xenforeignmemory_map_resource(hv->fmem, (domid_t)hv->domid,
								 XEN_KEMARI_resource, 0, 0, frames(hv) + 1,
								 &at, PROT_READ | PROT_WRITE, 0));
	expect("another area", 0, hvarea_open(&second, hv->hvop, hv->fmem, hv->domid, 16));
	hvarea_arm(first, true, 0);
	hvarea_leave(first);
	expect("nothing was taken", 0, hvarea_enter(second));
	hvarea_read(second, &t);
	expect("no checkpoint", 0, (int64_t)t.sequence);
	expect("disable", 0, hvop_disable(hv->hvop, hv->domid));
	expect("frames when disabled", 0, (int64_t)frames(hv));
	expect("the old ones are memory", 0, hvarea_enter(first) || hvarea_enter(second));
	expect("enable", 0, hvop_enable(hv->hvop, hv->domid, true));
	hvarea_close(first);
	hvarea_close(second);
	puts(failed ? "failed" : "an area as it should be");
	return failed != 0;
}

static struct xen_kemari_tap look(struct hv_area *a)
{
	const struct xen_kemari_tap *taps;
	struct xen_kemari_tap none = { 0 };
	uint32_t nr = 0;
	bool paused = false;

	/* an event under way is counted twice, one after the other */
	xc_domain_pause(a->hv->xc, a->hv->domid);
	if (hvop_tap_list(a->hv->hvop, a->hv->domid, &taps, &nr, &paused))
		nr = 0;
	xc_domain_unpause(a->hv->xc, a->hv->domid);
	if (nr != 1)
		return none;
	expect("stopped by a tap", 0, paused);
	return taps[0];
}

/* The guest sends a few times; what was counted before, and *now. */
static struct xen_kemari_tap let_send(struct hv_area *a, struct xen_kemari_tap *now)
{
	const struct timespec moment = { .tv_nsec = 10000000 };
	uint64_t end = monotonic_ns() + PATIENCE_NS;
	struct xen_kemari_tap before = look(a);

	do {
		nanosleep(&moment, NULL);
		*now = look(a);
	} while (now->seen_out < before.seen_out + 20 && monotonic_ns() < end);
	expect("the guest sends", 0, now->seen_out < before.seen_out + 20);
	return before;
}

static void expect_ordinary(const char *what, struct hv_area *a)
{
	struct xen_kemari_tap now, before = let_send(a, &now);

	expect(what, (int64_t)(now.seen_out - before.seen_out), (int64_t)(now.ordinary - before.ordinary));
	expect(what, (int64_t)before.checkpoints, (int64_t)now.checkpoints);
}

/* Of a console, which sends under a lock with interrupts off; *off: how many of some twenty. */
static void expect_handlers(struct hv_area *a, uint64_t *off)
{
	struct xen_kemari_tap now, before;
	struct hvarea_taken t;

	hvarea_arm(a->area, true, 0);
	hvarea_leave(a->area);
	before = let_send(a, &now);
	expect("with interrupts off", 1, now.interrupts_off > before.interrupts_off);
	*off = now.interrupts_off - before.interrupts_off;
	if (!hvarea_enter(a->area))
		return;
	hvarea_read(a->area, &t);
	expect("taken with interrupts on", 1, interrupts_on(&t.cp));
	a->sequence = t.sequence;
	hvarea_done(a->area);
}

/* Counted when the event is delivered, a moment after we may see what was taken. */
static uint64_t counted(struct hv_area *a, uint64_t sequence)
{
	uint64_t end = monotonic_ns() + PATIENCE_NS, nr;

	do {
		nr = look(a).checkpoints;
	} while (nr < sequence && monotonic_ns() < end);
	return nr;
}

static void expect_taken(const char *what, struct hv_area *a, uint64_t sequence, uint32_t held)
{
	expect(what, 0, take(a, 0));
	expect(what, (int64_t)sequence, (int64_t)a->t.sequence);
	expect(what, 0, a->t.result);
	expect(what, 0, a->t.stopped);
	expect(what, (int64_t)sequence, (int64_t)counted(a, sequence));
	/* behind the checkpoint it was delivered, or waits on */
	expect(what, held, look(a).held);
	expect(what, a->port, a->t.port);
}

/* The event waits behind the checkpoint, too. */
static void expect_held(struct hv_area *a)
{
	uint32_t nr = 0;

	expect("hold", 0,
	       hvop_tap_set(a->hv->hvop, a->hv->domid, a->port, TAP | XEN_KEMARI_TAP_hold, a->notify));
	expect_taken("and take", a, a->sequence + 1, XEN_KEMARI_TAP_out);
	hv_area_end(a);
	expect("deliver", 0, hvop_tap_deliver(a->hv->hvop, a->hv->domid, a->port, XEN_KEMARI_TAP_out, &nr));
	expect("delivered", 1, nr);
	expect("hold no more", 0, hvop_tap_set(a->hv->hvop, a->hv->domid, a->port, TAP, a->notify));
}

/* Ends inside, with the guest stopped. */
static int die(struct hv *hv, uint32_t port)
{
	struct hv_area a;
	int rc = hvop_log(hv->hvop, hv->domid, true);

	if (!rc)
		rc = area_open(&a, hv, port, 16, XEN_KEMARI_AREA_anywhere);
	if (!rc)
		rc = take(&a, XEN_KEMARI_AREA_sync);
	puts(rc ? "failed" : "dies");
	return rc != 0;
}

static int area_busy(struct hv *hv, uint32_t port)
{
	struct hv_area a;
	uint64_t off = 0;

	expect("log-dirty", 0, hvop_log(hv->hvop, hv->domid, true));
	if (area_open(&a, hv, port, 1024, XEN_KEMARI_AREA_anywhere))
		return 1;
	expect("a pause and a checkpoint", -EINVAL,
	       hvop_tap_set(hv->hvop, hv->domid, port, TAP | XEN_KEMARI_TAP_pause, 0));
	expect("a checkpoint by what dom0 sends", -EINVAL,
	       hvop_tap_set(hv->hvop, hv->domid, port, XEN_KEMARI_TAP_in | XEN_KEMARI_TAP_checkpoint, 0));
	expect_ordinary("busy, not armed", &a);
	hvarea_arm(a.area, true, a.flags);
	expect_ordinary("busy", &a);
	hvarea_arm(a.area, false, a.flags);
	hvarea_leave(a.area);
	expect_ordinary("not armed", &a);
	expect("entered", 0, hvarea_enter(a.area));
	expect_handlers(&a, &off);
	expect_taken("armed", &a, a.sequence + 1, 0);
	hvarea_arm(a.area, true, a.flags);
	hvarea_leave(a.area);
	expect_ordinary("taken, and not taken over", &a);
	expect("it is still there", 1, hvarea_enter(a.area));
	hv_area_end(&a);
	expect_taken("the next one", &a, a.sequence + 1, 0);
	hv_area_end(&a);
	expect_held(&a);

	hvop_log(hv->hvop, hv->domid, false);
	xc_shadow_control(hv->xc, hv->domid, XEN_DOMCTL_SHADOW_OP_OFF, NULL, 0);
	expect("with log-dirty off", -ENODATA, take(&a, 0));
	expect("it is stopped", 1, a.t.stopped);
	hv_area_end(&a);
	expect_ordinary("and goes on", &a);
	expect("closed", 0, area_close(&a));
	printf("%s; events with interrupts off: %" PRIu64 "\n", failed ? "failed" : "nobody is disturbed",
	       off);
	return failed != 0;
}

int hv_area_main(struct hv *hv, int argc, char **argv)
{
	uint32_t port = argc > 1 ? (uint32_t)strtoul(argv[1], NULL, 0) : 0;
	int nr = argc > 2 ? atoi(argv[2]) : 10;

	if (!strcmp(argv[0], "area"))
		return area_checks(hv);
	if (!strcmp(argv[0], "area-busy"))
		return area_busy(hv, port);
	if (!strcmp(argv[0], "area-die"))
		return die(hv, port);
	if (!strcmp(argv[0], "fire"))
		return fire(hv, port, (uint64_t)nr);
	return by_tap_main(hv, port, nr, argc > 3 ? (uint32_t)atoi(argv[3]) : XEN_KEMARI_MAX_COPIES,
			   argc > 4 ? XEN_KEMARI_AREA_anywhere : 0);
}
