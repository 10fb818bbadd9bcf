/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * capture/take.c with hot list and list of the unsent: whatever the guest writes, and whichever epochs are
 * lost or fail, the standby has the guest's memory of each capture that it gets.  Xen is modelled: marks,
 * protection, dirty bits.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <xenctrl.h>

#include "capture/dirtylog.h"
#include "capture/internal.h"
#include "hvop.h"
#include "standins.h"
#include "wire/delta.h"
#include "wire/reader.h"
#include "wire/writer.h"

#define FRAMES 64U
#define HOT 20U	   /* so many are written all the time, from bed->warm on */
#define SHARED 60U /* from here on: where shared_info may be, which Xen writes without a mark */
#define PAGE RAM_PAGE_SIZE
#define IN_FLIGHT 3U

struct epoch {
	struct capture_epoch *e;
	uint64_t number;
	bool delivered;
	uint8_t memory[FRAMES][PAGE];
	bool present[FRAMES];
};

static struct bed {
	struct capture_cfg cfg;
	struct capture *c;
	/* the guest */
	uint8_t memory[FRAMES][PAGE];
	bool present[FRAMES];
	unsigned int warm;
	/* Xen */
	bool has_dirty_bits, physmap;
	bool dirty[FRAMES], hot[FRAMES], dirty_bit[FRAMES];
	unsigned int pauses;
	int checkpoint_rc;
	bool set_hot_fails;	    /* of another list than none */
	unsigned int looks_to_live; /* of the daemon at pages, in a capture; 0: for ever */
	jmp_buf death;
	struct {
		struct xen_kemari_state s;
		struct xen_kemari_vcpu v;
	} state;
	uint64_t gfns[FRAMES];
	/* ... and what it takes by itself */
	struct {
		bool open, armed, busy, there, stopped;
		unsigned int room; /* for copies */
		struct hvarea_taken taken;
		uint64_t pinned[FRAMES], list[FRAMES], gfns[FRAMES];
		unsigned int nr_pinned;
		_Alignas(8) uint8_t copies[FRAMES][PAGE];
		struct epoch then;		  /* the guest of that instant */
		const struct hvarea_taken *shown; /* pages_then() */
	} area;
	bool missed;
	unsigned int nr_fired, nr_stale, nr_stopped;
	/* on its way */
	struct epoch flight[IN_FLIGHT];
	unsigned int nr_flight;
	uint64_t captured, acked, last_captured;
	/* the standby */
	uint8_t copy[FRAMES][PAGE];
	bool copy_present[FRAMES];
	uint64_t applied;
	uint64_t deltas, wholes;
} * bed;

/* ---- Xen ---- */

int dirtylog_on(struct hvop *hv, uint32_t domid, const char *vm)
{
	return !bed->cfg.promoted; /* it was on: by an earlier daemon */
}

ZERO(dirtylog_protect_all(struct hvop *hv, uint32_t domid, const char *vm), int)
NOTHING(dirtylog_off(struct hvop *hv, struct xc_interface_core *xc, uint32_t domid))

/* A list that is cut has the rest of its marks in Xen. */
static struct hvop_harvest list(uint64_t *gfns, unsigned int max)
{
	struct hvop_harvest h = { .gfns = gfns, .physmap = bed->physmap, .hot = bed->has_dirty_bits };

	for (unsigned int f = 0; f < FRAMES && !h.more; f++) {
		bool written = bed->dirty[f] || (bed->hot[f] && bed->dirty_bit[f]);

		if (written && (bed->has_dirty_bits || bed->physmap || !bed->hot[f])) {
			h.more = h.nr == max;
			if (h.more)
				break;
			gfns[h.nr++] = f;
		}
		bed->dirty[f] = bed->dirty_bit[f] = false;
	}
	if (!h.more)
		bed->physmap = false;
	return h;
}

/* ---- the area ---- */

static void copy_frame(uint64_t f)
{
	struct hvarea_taken *t = &bed->area.taken;

	memcpy(bed->area.copies[t->nr_copies], bed->memory[f], PAGE);
	bed->area.gfns[t->nr_copies++] = f | (bed->present[f] ? 0 : XEN_KEMARI_NO_FRAME);
}

static bool is_pinned(uint64_t f)
{
	for (unsigned int i = 0; i < bed->area.nr_pinned; i++)
		if (bed->area.pinned[i] == f)
			return true;
	return false;
}

static void remember(struct epoch *e)
{
	memcpy(e->memory, bed->memory, sizeof(e->memory));
	memcpy(e->present, bed->present, sizeof(e->present));
}

/* The guest sends on a tapped channel. */
static bool xen_fires(void)
{
	struct hvarea_taken *t = &bed->area.taken;
	uint32_t i;

	if (!bed->area.open || !bed->area.armed || bed->area.busy || bed->area.there || bed->pauses)
		return false;
	*t = (struct hvarea_taken){ .gfns = bed->area.gfns, .copies = (const uint8_t *)bed->area.copies };
	t->cp = (struct hvop_checkpoint){ .state = &bed->state.s,
					  .state_size = sizeof(bed->state),
					  .context = "context",
					  .context_size = 7 };
	t->cp.dirty = list(bed->area.list, 1 + (unsigned int)rand() % FRAMES);
	for (i = 0; i < bed->area.nr_pinned; i++)
		copy_frame(bed->area.pinned[i]);
	t->nr_pinned = t->nr_copies;
	for (i = 0; i < t->cp.dirty.nr; i++) {
		if (is_pinned(t->cp.dirty.gfns[i]))
			continue;
		if (t->nr_copies == bed->area.room)
			break;
		copy_frame(t->cp.dirty.gfns[i]);
	}
	t->nr_done = i;
	t->stopped = t->nr_done < t->cp.dirty.nr || t->cp.dirty.more;
	t->total_ns = 1;
	bed->area.stopped = t->stopped;
	bed->area.there = true;
	remember(&bed->area.then);
	return true;
}

int hvarea_open(struct hvarea **a, struct hvop *h, struct xenforeignmemory_handle *fmem, uint32_t domid,
		uint32_t copies)
{
	bed->area.open = bed->area.busy = true;
	bed->area.armed = bed->area.there = false;
	bed->area.nr_pinned = 0;
	*a = (struct hvarea *)bed;
	return 0;
}

int hvarea_recover(struct xenforeignmemory_handle *fmem, uint32_t domid,
		   void (*fn)(void *arg, const struct hvop_harvest *h), void *arg)
{
	if (!bed->area.open)
		return -ENOENT;
	bed->area.busy = true;
	if (bed->area.there)
		fn(arg, &bed->area.taken.cp.dirty);
	return 0;
}

void hvarea_close(struct hvarea *a)
{
	bed->area.busy = true;
	bed->area.armed = false;
}

void hvarea_arm(struct hvarea *a, bool armed, uint32_t flags)
{
	bed->area.armed = armed;
}

bool hvarea_enter(struct hvarea *a)
{
	bed->area.busy = true;
	return bed->area.there;
}

void hvarea_read(const struct hvarea *a, struct hvarea_taken *out)
{
	*out = bed->area.taken;
}

bool hvarea_is_whole(const struct hvarea *a, const struct hvarea_taken *taken)
{
	return true;
}

void hvarea_done(struct hvarea *a)
{
	bed->area.there = false;
}

void hvarea_leave(struct hvarea *a)
{
	bed->area.busy = false;
}

int hvop_area_pin(struct hvop *h, uint32_t domid, const uint64_t *gfns, uint32_t nr)
{
	assert_true(bed->area.busy);
	memcpy(bed->area.pinned, gfns, nr * sizeof(*gfns));
	bed->area.nr_pinned = nr;
	return 0;
}

NEVER(hvop_area_set(struct hvop *h, uint32_t domid, uint32_t copies, uint32_t listed, uint32_t state_size,
		    uint64_t *size),
      int)

int hvop_harvest(struct hvop *h, uint32_t domid, struct hvop_harvest *out)
{
	*out = list(bed->gfns, FRAMES);
	return 0;
}

int hvop_checkpoint(struct hvop *h, uint32_t domid, bool anywhere, struct hvop_checkpoint *out)
{
	if (bed->checkpoint_rc == -EAGAIN && anywhere)
		bed->checkpoint_rc = 0;
	if (bed->checkpoint_rc)
		return bed->checkpoint_rc;
	bed->pauses++;
	*out = (struct hvop_checkpoint){ .state = &bed->state.s,
					 .state_size = sizeof(bed->state),
					 .context = "context",
					 .context_size = 7,
					 .dirty = list(bed->gfns, FRAMES) };
	return 0;
}

int hvop_resume(struct hvop *h, uint32_t domid)
{
	assert_true(bed->pauses > 0);
	bed->pauses--;
	return 0;
}

int hvop_set_hot(struct hvop *h, uint32_t domid, const uint64_t *gfns, uint32_t nr)
{
	bool hot[FRAMES] = { false };

	if (nr && bed->set_hot_fails)
		return -EFAULT;
	for (uint32_t i = 0; i < nr; i++)
		hot[gfns[i]] = true;
	for (unsigned int f = 0; f < FRAMES; f++)
		bed->dirty[f] |= bed->hot[f] && !hot[f];
	memcpy(bed->hot, hot, sizeof(hot));
	return 0;
}

ZERO(xc_domain_getinfo(xc_interface *xch, uint32_t first, unsigned int max, xc_dominfo_t *info), int)
NEVER(hvop_forget_dirty(struct hvop *h, uint32_t domid), int)
NEVER(hvop_reserve(struct hvop *h, uint32_t gfns, uint32_t state_size), int)
NEVER(hvop_stop(struct hvop *h, uint32_t domid, bool anywhere), int)
NEVER(hvop_dirty_count(struct hvop *h, uint32_t domid, uint64_t *count), int)
NEVER(hvop_watch_dirty(struct hvop *h, uint32_t domid, uint32_t frames, uint32_t notify, uint64_t *count),
      int)

/* ---- pages: frame and gfn are the same number ---- */

uint64_t pages_frames_of(uint64_t memory_kb)
{
	return memory_kb / 4;
}

uint64_t pages_frame(const struct pages *p, uint64_t gfn)
{
	return gfn < FRAMES ? gfn : PAGES_NONE;
}

uint64_t pages_gfn(const struct pages *p, uint64_t frame)
{
	return frame;
}

void pages_then(struct pages *p, const uint64_t *gfns, const void *copies, uint32_t nr)
{
	bed->area.shown = &bed->area.taken;
	bed->missed = false;
}

void pages_now(struct pages *p)
{
	bed->area.shown = NULL;
}

bool pages_missed(const struct pages *p)
{
	return bed->missed;
}

static const void *page_then(uint64_t frame)
{
	const struct hvarea_taken *t = bed->area.shown;

	for (unsigned int i = 0; i < t->nr_copies; i++)
		if (t->gfns[i] == frame)
			return t->copies + (size_t)i * PAGE;
	bed->missed = true;
	return NULL;
}

const void *pages_page(struct pages *p, uint64_t frame)
{
	if (bed->area.shown)
		return page_then(frame);
	if (bed->looks_to_live && !--bed->looks_to_live)
		longjmp(bed->death, 1);
	return bed->present[frame] ? bed->memory[frame] : NULL;
}

NEVER(pages_page_now(const struct pages *p, uint64_t frame), const void *)
ZERO(pages_memory(struct pages *p), struct xenforeignmemory_handle *)
ZERO(pages_open(const char *vm, uint32_t domid, struct ram *ram, struct pages **out), int)
NOTHING(pages_close(struct pages *p))
ZERO(pages_remap(struct pages *p, const uint64_t *gfns, uint32_t nr), int)
ZERO(pages_set_grants(struct pages *p, const uint64_t *gfns, uint32_t nr), int)
ZERO(pages_grants(const struct pages *p), uint32_t)
NEVER(pages_grant_gfn(const struct pages *p, uint32_t ref), uint64_t)
NEVER_VOID(reference_keep(struct capture *c, uint64_t epoch))

/* ---- the guest ---- */

static void guest_writes(unsigned int f)
{
	unsigned int nr = 1 + (unsigned int)rand() % 8;

	if (!bed->present[f])
		return;
	for (unsigned int i = 0; i < nr; i++)
		bed->memory[f][(unsigned int)rand() % 32 * 128] =
			(uint8_t)(rand() % 3); /* as it was before, at times */
	if (bed->hot[f])
		bed->dirty_bit[f] = true;
	else
		bed->dirty[f] = true;
}

static void guest_works(void)
{
	for (unsigned int f = bed->warm; f < bed->warm + HOT; f++)
		if (rand() % 4)
			guest_writes(f);
	for (unsigned int n = (unsigned int)rand() % 5; n; n--)
		guest_writes((unsigned int)rand() % FRAMES);
	bed->memory[bed->state.s.shared_info_gfn][(unsigned int)rand() % PAGE]++; /* by Xen */
}

/* A balloon: gives a page back, or gets one for an old gfn. */
static void guest_balloons(void)
{
	unsigned int f = (unsigned int)rand() % 5 * 11;

	bed->present[f] = !bed->present[f];
	memset(bed->memory[f], 0, PAGE);
	bed->dirty[f] = bed->physmap = true;
}

/* It places its shared_info elsewhere. */
static void guest_moves_shared_info(void)
{
	bed->dirty[bed->state.s.shared_info_gfn] = bed->physmap = true;
	bed->state.s.shared_info_gfn = SHARED + (unsigned int)rand() % (FRAMES - SHARED);
	bed->dirty[bed->state.s.shared_info_gfn] = true;
}

/* ---- the standby ---- */

static void apply_page(const struct record_page *p)
{
	switch (p->encoding) {
	case PAGE_RAW:
		memcpy(bed->copy[p->gfn], p->data, PAGE);
		bed->wholes++;
		break;
	case PAGE_ZERO:
		memset(bed->copy[p->gfn], 0, PAGE);
		break;
	case PAGE_DELTA:
		assert_true(bed->copy_present[p->gfn]);
		delta_apply(bed->copy[p->gfn], p->data);
		bed->deltas++;
		break;
	default:
		break;
	}
	bed->copy_present[p->gfn] = p->encoding != PAGE_HOLE;
}

static void apply(const struct epoch *e)
{
	struct record_page_iter it;
	struct record_page p;
	struct record r;
	size_t off = 0;

	assert_int_equal(record_seal(e->e->buf, e->e->len, 1), 0);
	while (record_walk(e->e->buf, e->e->len, &off, &r)) {
		if (r.type != RECORD_PAGES)
			continue;
		record_pages_first(&it, r.payload, r.len);
		while (record_pages_next(&it, &p))
			apply_page(&p);
	}
	bed->applied = e->number;
	for (unsigned int f = 0; f < FRAMES; f++) {
		if (bed->copy_present[f] != e->present[f] ||
		    (e->present[f] && memcmp(bed->copy[f], e->memory[f], PAGE)))
			fail_msg("epoch %llu: frame %u differs", (unsigned long long)e->number, f);
	}
}

/* ---- epochs ---- */

static int setup(void **state)
{
	bed = calloc(1, sizeof(*bed));
	bed->cfg = (struct capture_cfg){ .vm = "vm1",
					 .run_dir = "/nonexistent",
					 .memory_kb = FRAMES * 4,
					 .store_gfn = PAGES_NONE,
					 .console_gfn = PAGES_NONE,
					 .mem_len = capture_mem_size(FRAMES * 4, CAPTURE_MIN_EPOCH),
					 .epoch_bytes = CAPTURE_MIN_EPOCH,
					 .buffers = IN_FLIGHT + 1,
					 .area = true,
					 .promoted = true };
	bed->cfg.mem = calloc(1, bed->cfg.mem_len);
	bed->state.s = (struct xen_kemari_state){ .nr_vcpus = 1, .shared_info_gfn = SHARED };
	bed->state.v.vcpu_info_gfn = XEN_KEMARI_INVALID_GFN;
	memset(bed->present, 1, sizeof(bed->present));
	memset(bed->copy_present, 1, sizeof(bed->copy_present));
	return capture_open(&bed->cfg, &bed->c);
}

static int teardown(void **state)
{
	capture_close(bed->c, true);
	free(bed->cfg.mem);
	free(bed);
	return 0;
}

static int capture(struct epoch *to)
{
	struct capture_request rq = { .g = 1, .epoch = ++bed->captured, .base = bed->last_captured };
	int rc = capture_take(bed->c, &rq, &to->e);

	assert_int_equal(bed->pauses, rq.stopped);
	if (rc) {
		while (bed->pauses)
			hvop_resume(NULL, 0);
		return rc;
	}
	to->number = bed->last_captured = rq.epoch;
	to->delivered = false;
	remember(to);
	hvop_resume(NULL, 0);
	return 0;
}

/* Of what Xen took, as the daemon's fire.c does; true: it did. */
static bool capture_what_fired(struct epoch *to)
{
	struct capture_request rq = {
		.g = 1, .epoch = bed->captured + 1, .base = bed->last_captured, .fired = true
	};
	int rc = capture_take(bed->c, &rq, &to->e);

	assert_false(rq.stopped);
	if (rc) {
		bed->nr_stale++;
		capture_absorb(bed->c);
		return false;
	}
	bed->nr_fired++;
	bed->nr_stopped += bed->area.stopped;
	to->number = bed->last_captured = ++bed->captured;
	to->delivered = false;
	memcpy(to->memory, bed->area.then.memory, sizeof(to->memory));
	memcpy(to->present, bed->area.then.present, sizeof(to->present));
	return true;
}

/* The guest sends, and works on unless it was left stopped; in between the daemon may be at another thing. */
static int capture_somehow(struct epoch *to)
{
	bool fired, stopped, taken = false;
	int rc = 0;

	capture_leave(bed->c, rand() % 4);
	if (rand() % 2 && xen_fires() && !bed->area.stopped)
		guest_works();
	fired = capture_enter(bed->c, &stopped);
	assert_true(!fired || stopped == bed->area.stopped);
	if (fired && rand() % 8)
		taken = capture_what_fired(to);
	bed->area.stopped = false; /* tap_resume */
	if (!taken)
		rc = capture(to);
	return rc;
}

static void deliver(unsigned int i)
{
	if (!bed->flight[i].delivered)
		apply(&bed->flight[i]);
	bed->flight[i].delivered = true;
}

static void forget_flight(unsigned int n)
{
	for (unsigned int i = 0; i < n; i++)
		capture_sent(bed->c, bed->flight[i].e);
	memmove(bed->flight, bed->flight + n, (IN_FLIGHT - n) * sizeof(bed->flight[0]));
	bed->nr_flight -= n;
}

static void ack_first(void)
{
	deliver(0);
	capture_acked(bed->c, bed->flight[0].number);
	forget_flight(1);
}

/* Some have arrived by then, no ack came. */
static void lose_link(void)
{
	for (unsigned int i = 0, n = (unsigned int)rand() % (bed->nr_flight + 1); i < n; i++)
		deliver(i);
	forget_flight(bed->nr_flight);
	capture_lost(bed->c);
}

/* What it had in its head is gone; some epochs have arrived. */
static void daemon_dies(void)
{
	static struct epoch e;

	if (!setjmp(bed->death)) {
		bed->looks_to_live = 1 + (unsigned int)rand() % 60;
		if (!capture(&e))
			capture_sent(bed->c, e.e);
	}
	bed->looks_to_live = 0;
	bed->area.shown = NULL;
	while (bed->pauses)
		hvop_resume(NULL, 0);
	if (!(rand() % 2)) {
		capture_leave(bed->c, true);
		guest_works();
		if (xen_fires() && !bed->area.stopped)
			guest_works();
	}
	for (unsigned int i = 0, n = (unsigned int)rand() % (bed->nr_flight + 1); i < n; i++)
		deliver(i);
	bed->nr_flight = 0;
	capture_close(bed->c, true);
	bed->cfg.promoted = false;
	assert_int_equal(capture_open(&bed->cfg, &bed->c), 0);
}

static void whatever_is_lost(bool dirty_bits)
{
	bool failed;

	bed->has_dirty_bits = dirty_bits;
	bed->area.room = 40;
	srand(20261128);
	for (unsigned int n = 0; n < 10000; n++) {
		bed->warm = n / 200 % 4 * 10; /* others become hot, and hot ones cold */
		guest_works();
		if (!(rand() % 50))
			guest_balloons();
		if (!(rand() % 150))
			guest_moves_shared_info();
		if (!(rand() % 40))
			bed->checkpoint_rc = -EAGAIN;
		if (!(rand() % 60))
			lose_link();
		if (!(rand() % 150))
			daemon_dies();
		bed->set_hot_fails = !(rand() % 8);
		while (bed->nr_flight == IN_FLIGHT || (bed->nr_flight && rand() % 2))
			ack_first();
		if (!(rand() % 30)) /* at some page there is no room */
			bed->c->cfg.epoch_bytes = 1000 + (size_t)rand() % 8000;
		failed = capture_somehow(&bed->flight[bed->nr_flight]);
		bed->nr_flight += !failed;
		bed->checkpoint_rc = 0;
		bed->c->cfg.epoch_bytes = CAPTURE_MIN_EPOCH;
		if (failed && rand() % 2)
			lose_link();
	}
	while (bed->nr_flight)
		ack_first();
	assert_true(bed->deltas > bed->wholes);
	if (dirty_bits) /* else Xen never takes one by itself */
		assert_true(bed->nr_fired > 2000 && bed->nr_stopped > 10 && bed->nr_stale > 10);
}

static void the_copy_is_the_guest_whatever_is_lost(void **state)
{
	whatever_is_lost(true);
}

static void also_where_the_cpu_notes_no_writes(void **state)
{
	whatever_is_lost(false);
}

static void heat(void)
{
	for (unsigned int n = 0; n < 3 * HOT_SETTLE; n++) {
		for (unsigned int f = 0; f < HOT; f++)
			guest_writes(f);
		assert_int_equal(capture(&bed->flight[0]), 0);
		bed->nr_flight = 1;
		ack_first();
	}
	assert_true(bed->hot[0] && bed->hot[HOT - 1]);
}

static void hot_pages_that_nobody_wrote_are_not_looked_at(void **state)
{
	bed->has_dirty_bits = true;
	heat();
	guest_writes(3);
	assert_int_equal(capture(&bed->flight[0]), 0);
	assert_int_equal(bed->flight[0].e->hot, 2); /* and shared_info */
	assert_int_equal(bed->flight[0].e->pages, 1);
	bed->nr_flight = 1;
	ack_first();
}

static void an_epoch_that_fails_behind_the_harvest_loses_no_mark(void **state)
{
	struct epoch *e = &bed->flight[0];
	struct capture_request rq;

	bed->has_dirty_bits = true;
	heat();
	guest_writes(3);	       /* hot */
	guest_writes(40);	       /* not */
	bed->c->cfg.epoch_bytes = 200; /* no room for its pages */
	rq = (struct capture_request){ .g = 1, .epoch = ++bed->captured, .base = bed->last_captured };
	assert_int_equal(capture_take(bed->c, &rq, &e->e), -ENOBUFS);
	assert_true(rq.stopped);
	hvop_resume(NULL, 0);
	bed->c->cfg.epoch_bytes = CAPTURE_MIN_EPOCH;
	assert_int_equal(capture(e), 0);
	bed->nr_flight = 1;
	ack_first(); /* compares */
}

static void a_guest_that_was_stopped_before_is_stopped_once(void **state)
{
	struct capture_request rq = { .g = 1, .epoch = 1, .stopped = true };
	struct capture_epoch *e;

	bed->pauses = 1;
	assert_int_equal(capture_take(bed->c, &rq, &e), 0);
	assert_true(rq.stopped);
	assert_int_equal(bed->pauses, 1);
	hvop_resume(NULL, 0);
}

static void one_in_an_interrupt_handler_runs_on_and_keeps_its_marks(void **state)
{
	bed->has_dirty_bits = true;
	guest_writes(40);
	bed->checkpoint_rc = -EAGAIN;
	assert_int_equal(capture(&bed->flight[0]), -EAGAIN);
	assert_int_equal(bed->pauses, 0);
	assert_false(bed->c->unsent->harvesting);
	bed->checkpoint_rc = 0;
	assert_int_equal(capture(&bed->flight[0]), 0);
	bed->nr_flight = 1;
	ack_first();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(the_copy_is_the_guest_whatever_is_lost, setup, teardown),
		cmocka_unit_test_setup_teardown(also_where_the_cpu_notes_no_writes, setup, teardown),
		cmocka_unit_test_setup_teardown(hot_pages_that_nobody_wrote_are_not_looked_at, setup,
						teardown),
		cmocka_unit_test_setup_teardown(an_epoch_that_fails_behind_the_harvest_loses_no_mark, setup,
						teardown),
		cmocka_unit_test_setup_teardown(a_guest_that_was_stopped_before_is_stopped_once, setup,
						teardown),
		cmocka_unit_test_setup_teardown(one_in_an_interrupt_handler_runs_on_and_keeps_its_marks,
						setup, teardown),
	};

	return cmocka_run_group_tests_name("take", tests, NULL, NULL);
}
