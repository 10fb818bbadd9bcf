/* SPDX-License-Identifier: GPL-2.0-only */
/* engine/pace.h: an output that comes alone is due at once, those of a storm share an epoch. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "engine/pace.h"

#define BATCH 100U
#define COST 1000U
#define GAP 200U

static struct pace p;
static uint64_t now;

static int setup(void **state)
{
	p = (struct pace){ 0 };
	now = 1000000;
	return 0;
}

static void epoch(void)
{
	pace_captured(&p, now);
	now += COST;
	pace_sent(&p, now);
}

/* A guest that answers one request after the other, so many times. */
static void requests(unsigned int n)
{
	for (; n; n--) {
		pace_output(&p, now, false);
		epoch();
		now += COST;
		pace_released(&p, now);
		now += GAP;
	}
}

/* n outputs, GAP after each other, the last one just now. */
static void burst(unsigned int n)
{
	for (; n; n--) {
		now += GAP;
		pace_output(&p, now, false);
	}
}

static void storm(void)
{
	for (unsigned int i = 0; i < 4; i++) {
		burst(4);
		epoch();
		pace_released(&p, now);
	}
}

static void test_one_that_comes_alone_is_due_at_once(void **state)
{
	pace_output(&p, now, false);
	assert_true(pace_due(&p, BATCH, false) <= now);
	requests(20);
	pace_output(&p, now, false);
	assert_true(pace_due(&p, BATCH, false) <= now);
}

static void test_captures_keep_their_distance(void **state)
{
	pace_output(&p, now, false);
	pace_captured(&p, now);
	pace_output(&p, now + 1, false);
	assert_int_equal(pace_due(&p, BATCH, true), now + BATCH);
}

static void test_in_a_storm_more_are_waited_for(void **state)
{
	uint64_t due;

	storm();
	burst(1);
	due = pace_due(&p, BATCH, false);
	assert_true(due > now + GAP);
	assert_true(due < now + 3 * GAP);
	burst(1);
	assert_true(pace_due(&p, BATCH, false) >= due + GAP / 2);
}

static void test_an_epoch_in_flight_is_waited_for(void **state)
{
	storm();
	pace_captured(&p, now);
	burst(2);
	assert_int_equal(pace_due(&p, BATCH, true), p.captured_at + PACE_SHARE * COST);
	now += 3 * GAP;
	assert_true(pace_due(&p, BATCH, false) <= now);
}

/* Those to whom it brings the answers have more to ask. */
static void test_after_a_release_more_are_waited_for(void **state)
{
	storm();
	pace_captured(&p, now);
	burst(1);
	now += 3 * GAP;
	pace_released(&p, now);
	assert_true(pace_due(&p, BATCH, false) > now + GAP);
}

static void test_a_storm_without_a_pause_is_bounded(void **state)
{
	storm();
	pace_captured(&p, now);
	for (unsigned int i = 0; i < 1000; i++) {
		burst(1);
		if (pace_due(&p, BATCH, false) <= now)
			break;
	}
	assert_in_range(now, p.captured_at + PACE_SHARE * COST, p.captured_at + PACE_SHARE * COST + GAP);
}

/* A guest that sends at a steady pace whatever it hears, in a time that one slow epoch made one of waiting.
 */
static void test_one_slow_epoch_is_forgotten_at_once(void **state)
{
	uint64_t pulse = PACE_MAX_NS / 3, begin;

	pace_captured(&p, now);
	burst(20);
	now += 10 * PACE_MAX_NS;
	pace_sent(&p, now);
	begin = now;
	for (unsigned int i = 0; i < 60; i++) {
		now += pulse;
		pace_output(&p, now, false);
		if (pace_due(&p, BATCH, false) <= now)
			epoch();
	}
	assert_in_range(pace_calm_from(&p, BATCH), 1, now + BATCH);
	assert_true(p.captured_at - begin > 50 * pulse);
	assert_true(PACE_SHARE * p.cost_ns < pulse);
}

static void test_no_output_waits_for_longer_than_the_bound(void **state)
{
	storm();
	for (unsigned int i = 0; i < 20; i++) {
		pace_captured(&p, now);
		now += 10 * PACE_MAX_NS;
		pace_sent(&p, now);
	}
	pace_captured(&p, now);
	burst(1);
	assert_in_range(pace_due(&p, BATCH, true), now, now + PACE_MAX_NS);
}

static void test_after_a_storm_all_is_as_before(void **state)
{
	storm();
	requests(20);
	pace_output(&p, now, false);
	assert_true(pace_due(&p, BATCH, false) <= now);
}

static void test_a_pause_is_no_gap(void **state)
{
	uint64_t gap;

	storm();
	gap = p.gap_ns;
	now += 1000 * (uint64_t)COST;
	pace_output(&p, now, false);
	assert_int_equal(p.gap_ns, gap);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_one_that_comes_alone_is_due_at_once, setup),
		cmocka_unit_test_setup(test_captures_keep_their_distance, setup),
		cmocka_unit_test_setup(test_in_a_storm_more_are_waited_for, setup),
		cmocka_unit_test_setup(test_an_epoch_in_flight_is_waited_for, setup),
		cmocka_unit_test_setup(test_after_a_release_more_are_waited_for, setup),
		cmocka_unit_test_setup(test_a_storm_without_a_pause_is_bounded, setup),
		cmocka_unit_test_setup(test_one_slow_epoch_is_forgotten_at_once, setup),
		cmocka_unit_test_setup(test_no_output_waits_for_longer_than_the_bound, setup),
		cmocka_unit_test_setup(test_after_a_storm_all_is_as_before, setup),
		cmocka_unit_test_setup(test_a_pause_is_no_gap, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
