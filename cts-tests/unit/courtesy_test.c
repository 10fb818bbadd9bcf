/* SPDX-License-Identifier: GPL-2.0-only */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "courtesy.h"

#define MS 1000000ULL

static struct courtesy c;

static int begun(void **state)
{
	c = (struct courtesy){ .at = 1000 * MS, .waited = 70 * MS };
	return 0;
}

static void alone_on_a_cpu_it_never_pauses(void **state)
{
	assert_int_equal(courtesy_between(&c, 1010 * MS, 70 * MS), 0);
	assert_int_equal(courtesy_between(&c, 1020 * MS, 71 * MS), 0);
}

static void who_waits_pauses_for_as_long_as_a_piece_takes(void **state)
{
	assert_int_equal(courtesy_between(&c, 1010 * MS, 75 * MS), 10 * MS);
	/* the pause itself is no part of the next piece */
	assert_int_equal(courtesy_between(&c, 1028 * MS, 79 * MS), 8 * MS);
}

static void a_pause_is_never_long(void **state)
{
	assert_int_equal(courtesy_between(&c, 3000 * MS, 1500 * MS), COURTESY_MAX_NS);
}

static void a_kernel_that_counts_nothing_means_no_pause(void **state)
{
	assert_int_equal(courtesy_between(&c, 1010 * MS, 0), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(alone_on_a_cpu_it_never_pauses, begun),
		cmocka_unit_test_setup(who_waits_pauses_for_as_long_as_a_piece_takes, begun),
		cmocka_unit_test_setup(a_pause_is_never_long, begun),
		cmocka_unit_test_setup(a_kernel_that_counts_nothing_means_no_pause, begun),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
