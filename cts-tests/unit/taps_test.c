/* SPDX-License-Identifier: GPL-2.0-only */
/* When a guest's channels are tapped, and when one that a tap has stopped runs on. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "hvop.h"
#include "ring/guest_xen.h"
#include "vm/vm.h"

#include "standins.h"

static struct {
	struct daemon d;
	struct vm vm;
	bool stopped; /* in Xen */
	struct guest_xen_taps taps;
	unsigned int resumed, absorbed, busy;
	void (*watch)(void *arg, enum guest_xen_moment moment);
	void *watch_arg;
	struct xen_kemari_tap tap;
} w;

NOTHING(vm_tell(struct vm *vm, const char *fmt, ...))

NOTHING(vm_busy(struct vm *vm))
NOTHING(vm_idle(struct vm *vm))

int guest_xen_tap(struct guest *g, struct hvop *hv, const struct guest_xen_taps *taps)
{
	w.taps = *taps;
	return 0;
}

void capture_absorb(struct capture *c)
{
	assert_int_equal(w.resumed, 0); /* from a stopped guest */
	w.absorbed++;
}

void guest_xen_watch(struct guest *g, void (*fn)(void *arg, enum guest_xen_moment moment), void *arg)
{
	w.watch = fn;
	w.watch_arg = arg;
}

int hvop_tap_resume(struct hvop *h, uint32_t domid)
{
	w.resumed++;
	if (!w.stopped)
		return -ENOENT;
	w.stopped = false;
	return 0;
}

int hvop_tap_list(struct hvop *h, uint32_t domid, const struct xen_kemari_tap **taps, uint32_t *nr,
		  bool *paused)
{
	*taps = &w.tap;
	*nr = 1;
	*paused = false;
	return 0;
}

static int setup(void **state)
{
	memset(&w, 0, sizeof(w));
	w.d.cfg.mode = KEM_MODE_SYNC;
	w.vm.d = &w.d;
	w.vm.domid = 9;
	w.vm.guest = (struct guest *)&w;
	w.vm.engine.p.role = ENGINE_OWNER;
	w.vm.engine.protection = ENGINE_PROTECTED;
	w.vm.engine.session = 1;
	vm_taps_watch(&w.vm);
	return 0;
}

/* What the guest says stops it, and is served. */
static void event(bool output)
{
	w.stopped = w.taps.others;
	if (w.watch)
		w.watch(w.watch_arg, GUEST_XEN_EVENTS);
	if (output)
		w.vm.engine.output_due = 1;
	if (w.watch)
		w.watch(w.watch_arg, GUEST_XEN_SERVED);
}

static void in_async_mode_nothing_but_an_output_is_tapped_and_stops_nobody(void **state)
{
	w.d.cfg.mode = KEM_MODE_ASYNC;
	vm_taps_follow(&w.vm);
	assert_int_equal(w.taps.speaking, XEN_KEMARI_TAP_out | XEN_KEMARI_TAP_checkpoint);
	assert_int_equal(w.taps.others, 0);
	w.vm.engine.protection = ENGINE_UNPROTECTED;
	vm_taps_follow(&w.vm);
	assert_int_equal(w.taps.speaking, 0);
}

static void in_async_mode_what_was_left_stopped_runs_on_whatever_waits(void **state)
{
	w.d.cfg.mode = KEM_MODE_ASYNC;
	vm_taps_follow(&w.vm);
	w.vm.capture = (struct capture *)&w;
	w.resumed = 0;
	w.stopped = w.vm.tap_fired = true;
	w.vm.engine.output_due = 1;
	vm_taps_follow(&w.vm);
	assert_int_equal(w.absorbed, 1);
	assert_false(w.stopped);
}

static void what_waits_for_nothing_runs_on_at_once(void **state)
{
	vm_taps_follow(&w.vm);
	assert_true(w.taps.others);
	event(false);
	assert_false(w.stopped);
}

static void what_has_said_something_stands_still_until_its_ack(void **state)
{
	vm_taps_follow(&w.vm);
	event(true);
	assert_true(w.stopped);
	w.vm.engine.output_due = 0;
	w.vm.engine.capturing = 7;
	vm_taps_follow(&w.vm);
	assert_true(w.stopped);
	w.vm.engine.capturing = 0;
	w.vm.engine.stopped = true;
	vm_taps_follow(&w.vm);
	assert_true(w.stopped);
	w.vm.engine.stopped = false;
	vm_taps_follow(&w.vm);
	assert_false(w.stopped);
}

/* In the middle of something that a capture does not want to see. */
static void what_cannot_be_captured_where_it_is_runs_on(void **state)
{
	vm_taps_follow(&w.vm);
	event(true);
	assert_true(w.stopped);
	w.vm.engine.retry_at = 2;
	vm_taps_follow(&w.vm);
	assert_false(w.stopped);
}

static void without_a_link_it_runs_on(void **state)
{
	vm_taps_follow(&w.vm);
	event(true);
	w.vm.engine.protection = ENGINE_LINK_LOST;
	vm_taps_follow(&w.vm);
	assert_false(w.taps.others);
	assert_false(w.stopped);
}

static void taps_that_go_leave_no_guest_stopped(void **state)
{
	vm_taps_follow(&w.vm);
	w.stopped = true; /* and its event was not read yet */
	w.vm.engine.p.role = ENGINE_HELD;
	vm_taps_follow(&w.vm);
	assert_false(w.taps.others);
	assert_false(w.stopped);
}

static void of_a_guest_that_ended_nothing_is_tapped(void **state)
{
	w.vm.dead_seen = true;
	vm_taps_follow(&w.vm);
	assert_false(w.taps.others);
}

static void what_the_tap_of_a_dead_daemon_stopped_runs_on(void **state)
{
	w.d.cfg.mode = KEM_MODE_ASYNC;
	w.stopped = w.vm.tap_fired = true;
	vm_taps_follow(&w.vm);
	assert_false(w.stopped);
	vm_taps_follow(&w.vm);
	assert_int_equal(w.resumed, 1); /* no hypercall for nothing */
}

static void taps_are_shown_in_words(void **state)
{
	json_t *rows, *row;

	w.tap = (struct xen_kemari_tap){
		.port = 5, .mode = XEN_KEMARI_TAP_out | XEN_KEMARI_TAP_pause, .seen_out = 3, .pauses = 2
	};
	rows = vm_taps_rows(&w.vm);
	row = json_array_get(rows, 0);
	assert_int_equal(json_integer_value(json_object_get(row, "port")), 5);
	assert_string_equal(json_string_value(json_object_get(row, "mode")), "out,stop");
	assert_int_equal(json_integer_value(json_object_get(row, "seen")), 3);
	assert_int_equal(json_integer_value(json_object_get(row, "stops")), 2);
	json_decref(rows);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup(name, setup)
	const struct CMUnitTest tests[] = {
		TEST(in_async_mode_nothing_but_an_output_is_tapped_and_stops_nobody),
		TEST(in_async_mode_what_was_left_stopped_runs_on_whatever_waits),
		TEST(what_waits_for_nothing_runs_on_at_once),
		TEST(what_has_said_something_stands_still_until_its_ack),
		TEST(what_cannot_be_captured_where_it_is_runs_on),
		TEST(without_a_link_it_runs_on),
		TEST(taps_that_go_leave_no_guest_stopped),
		TEST(of_a_guest_that_ended_nothing_is_tapped),
		TEST(what_the_tap_of_a_dead_daemon_stopped_runs_on),
		TEST(taps_are_shown_in_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
