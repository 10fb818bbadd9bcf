/* SPDX-License-Identifier: GPL-2.0-only */
/* capture/postpone.h: epochs wait for interrupt handlers, and not for those that never end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "capture/postpone.h"

#define MS 1000000ULL

/* As the capture asks. */
static bool waits(struct postpone *p, bool inside, uint64_t now, uint64_t cpu)
{
	if (inside && !postpone_over(p, now, cpu)) {
		postpone_once_more(p, now, cpu);
		return true;
	}
	postpone_end(p);
	return false;
}

static void a_handler_is_waited_for(void **state)
{
	struct postpone p = { 0 };

	assert_true(waits(&p, true, 0, 0));
	assert_true(waits(&p, true, MS, MS));
	assert_false(waits(&p, false, 2 * MS, 2 * MS));
}

static void one_that_never_ends_is_not(void **state)
{
	struct postpone p = { 0 };
	uint64_t now;

	for (now = 0; waits(&p, true, now, 0); now += MS)
		assert_true(now < POSTPONE_NS);
	assert_int_equal(now, POSTPONE_NS);
}

static void nor_one_that_takes_much_cpu_time(void **state)
{
	struct postpone p = { 0 };
	uint64_t now;

	for (now = 0; waits(&p, true, now, now); now += MS)
		assert_true(now < POSTPONE_CPU_NS);
	assert_int_equal(now, POSTPONE_CPU_NS);
}

static void the_next_handler_has_its_own_time(void **state)
{
	struct postpone p = { 0 };

	assert_true(waits(&p, true, 0, 0));
	assert_false(waits(&p, true, POSTPONE_NS, 0));
	assert_true(waits(&p, true, POSTPONE_NS + 1, 0));

	assert_false(waits(&p, false, POSTPONE_NS + MS, 0));
	assert_true(waits(&p, true, 2 * POSTPONE_NS, 0));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_handler_is_waited_for),
		cmocka_unit_test(one_that_never_ends_is_not),
		cmocka_unit_test(nor_one_that_takes_much_cpu_time),
		cmocka_unit_test(the_next_handler_has_its_own_time),
	};

	return cmocka_run_group_tests_name("postpone", tests, NULL, NULL);
}
