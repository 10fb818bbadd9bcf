/* SPDX-License-Identifier: GPL-2.0-only */
/* When Pacemaker's fencer is asked for a fencing or for power, when again, and when no more. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "agent/daemon/request.h"

#define S REQUEST_SECOND

static const struct request_pace off = { .first_ns = 5 * S, .most_ns = 60 * S, .useless_ns = 60 * S };
static const struct request_pace on = { .first_ns = 10 * S, .most_ns = 600 * S };

static struct request r;
static uint64_t now;

static int setup(void **state)
{
	memset(&r, 0, sizeof(r));
	now = 1000 * S;
	return 0;
}

static enum request_step step(const struct request_pace *pace, bool wanted)
{
	return request_step(&r, pace, wanted, now);
}

static void nothing_is_asked_for_without_a_reason(void **state)
{
	assert_int_equal(step(&off, false), REQUEST_WAIT);
	assert_int_equal(step(&off, true), REQUEST_ASK);
}

static void it_is_asked_for_once_while_no_answer_has_come(void **state)
{
	assert_int_equal(step(&off, true), REQUEST_ASK);
	now += REQUEST_SILENT_NS;
	assert_int_equal(step(&off, true), REQUEST_WAIT);
	assert_false(request_silent(&r, now));
	assert_true(request_silent(&r, now + 1));
}

/* It fails, and nothing is asked for less than pause seconds later. */
static void fails_and_pauses(const struct request_pace *pace, unsigned int pause)
{
	assert_int_equal(step(pace, true), REQUEST_ASK);
	request_answer(&r, pace, "No route to host", now);
	now += pause * S - 1;
	assert_int_equal(step(pace, true), REQUEST_WAIT);
	now++;
}

static void what_failed_is_asked_for_again_ever_slower(void **state)
{
	static const unsigned int of_off[] = { 5, 10, 20, 40, 60, 60 };
	static const unsigned int of_on[] = { 10, 20, 40, 80, 160, 320, 600, 600 };
	size_t i;

	for (i = 0; i < sizeof(of_off) / sizeof(of_off[0]); i++)
		fails_and_pauses(&off, of_off[i]);
	setup(state);
	for (i = 0; i < sizeof(of_on) / sizeof(of_on[0]); i++)
		fails_and_pauses(&on, of_on[i]);
}

static void a_success_ends_the_slowness(void **state)
{
	fails_and_pauses(&off, 5);
	fails_and_pauses(&off, 10);
	assert_int_equal(step(&off, true), REQUEST_ASK);
	request_answer(&r, &off, NULL, now);
	assert_int_equal(step(&off, false), REQUEST_WAIT);
	fails_and_pauses(&off, 5);
}

static void each_failure_is_told_once(void **state)
{
	step(&off, true);
	assert_true(request_answer(&r, &off, "No route to host", now));
	now += 5 * S;
	step(&off, true);
	assert_false(request_answer(&r, &off, "No route to host", now));
	now += 10 * S;
	step(&off, true);
	assert_true(request_answer(&r, &off, "Timer expired", now));
	now += 20 * S;
	step(&off, true);
	assert_true(request_answer(&r, &off, NULL, now));
}

static void it_stops_when_its_reason_has_gone(void **state)
{
	step(&off, true);
	request_answer(&r, &off, "No route to host", now);
	now += 100 * S;
	assert_int_equal(step(&off, false), REQUEST_DROPPED);
	assert_int_equal(step(&off, false), REQUEST_WAIT);
	now += 100 * S;
	assert_int_equal(step(&off, false), REQUEST_WAIT);
	/* the next one's failure is told again */
	assert_int_equal(step(&off, true), REQUEST_ASK);
	assert_true(request_answer(&r, &off, "No route to host", now));
}

static void one_that_did_not_fail_ends_silently(void **state)
{
	step(&off, true);
	assert_int_equal(step(&off, false), REQUEST_WAIT);
}

static void a_reason_that_flickers_does_not_hurry_it(void **state)
{
	step(&off, true);
	request_answer(&r, &off, "No route to host", now);
	now += S;
	step(&off, false);
	now += S;
	assert_int_equal(step(&off, true), REQUEST_WAIT);
	now += 3 * S;
	assert_int_equal(step(&off, true), REQUEST_ASK);
}

static void an_operator_waits_for_no_pause(void **state)
{
	step(&off, true);
	request_answer(&r, &off, "No route to host", now);
	request_hurry(&r);
	assert_int_equal(step(&off, true), REQUEST_ASK);
	/* what is under way is not asked for twice */
	request_hurry(&r);
	assert_int_equal(step(&off, true), REQUEST_WAIT);
	request_answer(&r, &off, NULL, now);
	request_hurry(&r);
	assert_int_equal(step(&off, true), REQUEST_ASK_AGAIN);
}

static void an_answer_on_its_way_is_waited_for(void **state)
{
	step(&off, true);
	step(&off, false);
	assert_int_equal(step(&off, true), REQUEST_WAIT);
	assert_true(request_answer(&r, &off, NULL, now));
	assert_int_equal(step(&off, true), REQUEST_WAIT);
}

static void nothing_follows_a_success(void **state)
{
	step(&on, true);
	assert_true(request_answer(&r, &on, NULL, now));
	now += 3600 * S;
	assert_int_equal(step(&on, true), REQUEST_WAIT);
	/* the next reason */
	assert_int_equal(step(&on, false), REQUEST_WAIT);
	assert_int_equal(step(&on, true), REQUEST_ASK);
}

static void a_new_reason_after_a_success_waits_for_nothing(void **state)
{
	step(&off, true);
	request_answer(&r, &off, NULL, now);
	step(&off, false);
	assert_int_equal(step(&off, true), REQUEST_ASK);
}

/* A device that says yes and does nothing, or a proof that was lost: a guest waits. */
static void a_fencing_that_did_not_help_is_asked_for_again(void **state)
{
	step(&off, true);
	assert_true(request_answer(&r, &off, NULL, now));
	now += 60 * S - 1;
	assert_int_equal(step(&off, true), REQUEST_WAIT);
	now++;
	assert_int_equal(step(&off, true), REQUEST_ASK_AGAIN);
	/* told once */
	assert_false(request_answer(&r, &off, NULL, now));
	now += 60 * S;
	assert_int_equal(step(&off, true), REQUEST_ASK);
}

static void an_answer_that_nobody_waits_for_is_none(void **state)
{
	assert_false(request_answer(&r, &off, NULL, now));
	assert_false(request_answer(&r, &off, "No route to host", now));
	assert_int_equal(step(&off, true), REQUEST_ASK);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(nothing_is_asked_for_without_a_reason, setup),
		cmocka_unit_test_setup(it_is_asked_for_once_while_no_answer_has_come, setup),
		cmocka_unit_test_setup(what_failed_is_asked_for_again_ever_slower, setup),
		cmocka_unit_test_setup(a_success_ends_the_slowness, setup),
		cmocka_unit_test_setup(each_failure_is_told_once, setup),
		cmocka_unit_test_setup(it_stops_when_its_reason_has_gone, setup),
		cmocka_unit_test_setup(one_that_did_not_fail_ends_silently, setup),
		cmocka_unit_test_setup(a_reason_that_flickers_does_not_hurry_it, setup),
		cmocka_unit_test_setup(an_operator_waits_for_no_pause, setup),
		cmocka_unit_test_setup(an_answer_on_its_way_is_waited_for, setup),
		cmocka_unit_test_setup(nothing_follows_a_success, setup),
		cmocka_unit_test_setup(a_new_reason_after_a_success_waits_for_nothing, setup),
		cmocka_unit_test_setup(a_fencing_that_did_not_help_is_asked_for_again, setup),
		cmocka_unit_test_setup(an_answer_that_nobody_waits_for_is_none, setup),
	};

	return cmocka_run_group_tests_name("agent_fencer", tests, NULL, NULL);
}
