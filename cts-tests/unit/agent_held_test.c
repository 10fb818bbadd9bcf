/* SPDX-License-Identifier: GPL-2.0-only */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "agent/daemon/held.h"

#define S (1000000000ULL)

static void a_guest_that_stands_still_too_long_is_told_of_once(void **state)
{
	struct held h = { 0 };

	assert_false(held_too_long(&h, true, 100 * S));
	assert_false(held_too_long(&h, true, 109 * S));
	assert_true(held_too_long(&h, true, 110 * S));
	assert_false(held_too_long(&h, true, 111 * S));
	assert_false(held_too_long(&h, true, 200 * S));
}

static void each_time_it_is_held_counts_for_itself(void **state)
{
	struct held h = { 0 };

	assert_false(held_too_long(&h, true, 100 * S));
	assert_false(held_too_long(&h, false, 105 * S));
	assert_false(held_too_long(&h, true, 106 * S));
	assert_false(held_too_long(&h, true, 115 * S));
	assert_true(held_too_long(&h, true, 116 * S));
	assert_false(held_too_long(&h, false, 117 * S));
	assert_false(held_too_long(&h, true, 118 * S));
	assert_true(held_too_long(&h, true, 128 * S));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_guest_that_stands_still_too_long_is_told_of_once),
		cmocka_unit_test(each_time_it_is_held_counts_for_itself),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
