/* SPDX-License-Identifier: GPL-2.0-only */
/* What becomes of an epoch that Xen took by itself, and when one is wanted. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "capture/capture.h"
#include "monotonic.h"
#include "vm/vm.h"

#include "standins.h"

static struct {
	struct daemon d;
	struct vm vm;
	struct device dev;
	bool there, stopped; /* in the area */
	bool captures;	     /* the engine */
	uint64_t awaits;     /* ... an output, from then on */
	void (*timer)(void *vm);
	uint64_t timer_ns;
	bool armed;
	unsigned int events, settled;
	char order[16];
	uint64_t caught_up;
} w;

static void did(char what)
{
	w.order[strlen(w.order)] = what;
}

bool capture_enter(struct capture *c, bool *stopped)
{
	did('(');
	*stopped = w.stopped;
	return w.there;
}

void capture_leave(struct capture *c, bool wanted)
{
	did(')');
	w.armed = wanted;
	w.there = false;
}

void capture_absorb(struct capture *c)
{
	did('a');
}

ZERO(capture_fired_page(const struct capture *c, uint32_t ref), const void *)
ZERO(vm_verify_wants(const struct vm *vm), bool)
NOTHING(recent_held(struct recent *r, unsigned int kind, uint64_t epoch, uint64_t now_ns))

uint64_t engine_awaits_output(const struct engine *e)
{
	return w.awaits;
}

int vm_timer_start(struct vm *vm, uint64_t *timer, enum qb_loop_priority p, uint64_t ns, void (*fn)(void *vm))
{
	w.timer = fn;
	w.timer_ns = ns;
	*timer = 1;
	return 0;
}

void vm_look_at_dirty(struct vm *vm)
{
	did('l');
}

void vm_settle(struct vm *vm)
{
	assert_int_equal(vm->inside, 0);
	w.settled++;
}

/* As vm.c, with an engine that has a capture made of it or not. */
void vm_event_type(struct vm *vm, enum engine_event_type type)
{
	vm_busy(vm);
	assert_int_equal(type, ENGINE_EV_OUTPUT_HELD);
	did('e');
	if (w.captures && vm->fired) {
		vm->fired = false;
		did('t');
		vm_catch_up(vm, 5);
	}
	vm_idle(vm);
}

static void cut(struct device *dev, const void *(*page)(void *arg, uint32_t ref), void *arg)
{
	did('|');
}

static unsigned int catch_up(struct device *dev, uint64_t epoch)
{
	did('c');
	w.caught_up = epoch;
	return 1;
}

static const struct device_ops ops = { .cut = cut, .catch_up = catch_up };

static int setup(void **state)
{
	memset(&w, 0, sizeof(w));
	w.vm.d = &w.d;
	w.vm.capture = (struct capture *)&w;
	w.vm.tapped = true;
	w.dev.ops = &ops;
	w.vm.device[0].dev = &w.dev;
	w.vm.nr_devices = 1;
	w.awaits = 1;
	w.captures = true;
	return 0;
}

static void what_was_taken_comes_before_all_else(void **state)
{
	w.there = true;
	vm_busy(&w.vm);
	assert_string_equal(w.order, "(|etca");
	assert_int_equal(w.caught_up, 5);
	vm_idle(&w.vm);
	assert_string_equal(w.order, "(|etca)");
}

static void of_an_epoch_that_was_not_made_nothing_is_output(void **state)
{
	w.there = true;
	w.captures = false;
	vm_busy(&w.vm);
	vm_idle(&w.vm);
	assert_string_equal(w.order, "(|ecal)");
	assert_int_equal(w.caught_up, 0);
	assert_false(w.vm.fired);
}

static void within_each_other_only_the_outermost_counts(void **state)
{
	vm_busy(&w.vm);
	vm_busy(&w.vm);
	vm_idle(&w.vm);
	assert_int_equal(w.settled, 0);
	vm_idle(&w.vm);
	assert_string_equal(w.order, "()");
	assert_int_equal(w.settled, 1);
}

static void a_guest_that_was_left_stopped_is_noticed(void **state)
{
	w.there = w.stopped = true;
	vm_busy(&w.vm);
	assert_true(w.vm.tap_fired);
	vm_idle(&w.vm);
}

static void one_is_wanted_when_an_output_would_have_its_epoch_at_once(void **state)
{
	vm_busy(&w.vm);
	vm_idle(&w.vm);
	assert_true(w.armed);
	w.awaits = 0;
	vm_busy(&w.vm);
	vm_idle(&w.vm);
	assert_false(w.armed);
	assert_null(w.timer);
}

static void one_that_is_wanted_in_a_moment_is_so_then(void **state)
{
	w.awaits = monotonic_ns() + 1000000000;
	vm_busy(&w.vm);
	vm_idle(&w.vm);
	assert_false(w.armed);
	assert_non_null(w.timer);
	assert_in_range(w.timer_ns, 1, 1000000000);
	w.awaits = 1;
	w.timer(&w.vm);
	assert_true(w.armed);
	assert_int_equal(w.vm.arm, 0);
}

static void none_is_wanted_of_a_guest_that_is_stopped_or_not_tapped(void **state)
{
	w.vm.stopped = true;
	vm_busy(&w.vm);
	vm_idle(&w.vm);
	assert_false(w.armed);
	w.vm.stopped = w.vm.tapped = false;
	vm_busy(&w.vm);
	vm_idle(&w.vm);
	assert_false(w.armed);
}

static void without_a_capture_nothing_is_taken(void **state)
{
	w.vm.capture = NULL;
	w.there = true;
	vm_busy(&w.vm);
	vm_idle(&w.vm);
	assert_string_equal(w.order, "");
	assert_int_equal(w.settled, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(what_was_taken_comes_before_all_else, setup),
		cmocka_unit_test_setup(of_an_epoch_that_was_not_made_nothing_is_output, setup),
		cmocka_unit_test_setup(within_each_other_only_the_outermost_counts, setup),
		cmocka_unit_test_setup(a_guest_that_was_left_stopped_is_noticed, setup),
		cmocka_unit_test_setup(one_is_wanted_when_an_output_would_have_its_epoch_at_once, setup),
		cmocka_unit_test_setup(one_that_is_wanted_in_a_moment_is_so_then, setup),
		cmocka_unit_test_setup(none_is_wanted_of_a_guest_that_is_stopped_or_not_tapped, setup),
		cmocka_unit_test_setup(without_a_capture_nothing_is_taken, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
