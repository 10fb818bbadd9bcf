/* SPDX-License-Identifier: GPL-2.0-only */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "agent/daemon/settle.h"

#define S (1000000000ULL)

static void a_value_is_written_when_it_has_stayed(void **state)
{
	struct settle s = { 0 };

	assert_false(settle_is(&s, "protected", 100 * S));
	assert_false(settle_is(&s, "protected", 104 * S));
	assert_true(settle_is(&s, "protected", 105 * S));
	assert_true(settle_is(&s, "protected", 106 * S));
}

static void each_change_begins_anew(void **state)
{
	struct settle s = { 0 };

	assert_false(settle_is(&s, "held", 100 * S));
	assert_false(settle_is(&s, "copy", 104 * S));
	assert_false(settle_is(&s, "copy", 106 * S));
	assert_false(settle_is(&s, "", 108 * S));
	assert_true(settle_is(&s, "", 113 * S));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_value_is_written_when_it_has_stayed),
		cmocka_unit_test(each_change_begins_anew),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
