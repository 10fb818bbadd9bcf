/* SPDX-License-Identifier: GPL-2.0-only */
/* capture/unsent.h: no frame that the standby lacks is ever forgotten. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "capture/unsent.h"

#define FRAMES 1000U
#define LIST 8U

static int setup(void **state)
{
	struct unsent *u = malloc(unsent_size(FRAMES, LIST));

	unsent_init(u, FRAMES, LIST, false);
	*state = u;
	return 0;
}

static int teardown(void **state)
{
	free(*state);
	return 0;
}

static bool take(struct unsent *u, uint64_t *f)
{
	bool found = unsent_find(u, f);

	if (found)
		unsent_drop(u, *f);
	return found;
}

static void marked_frames_come_out_once_in_order(void **state)
{
	struct unsent *u = *state;
	uint64_t f = 0;

	unsent_mark(u, 999);
	unsent_mark(u, 0);
	unsent_mark(u, 64);
	unsent_mark(u, 64);
	assert_int_equal(u->nr_again, 3);
	assert_true(take(u, &f));
	assert_int_equal(f, 0);
	f++;
	assert_true(take(u, &f));
	assert_int_equal(f, 64);
	f++;
	assert_true(take(u, &f));
	assert_int_equal(f, 999);
	f = 0;
	assert_false(take(u, &f));
	assert_int_equal(u->nr_again, 0);
}

static void an_acked_epoch_is_not_sent_again(void **state)
{
	struct unsent *u = *state;
	struct unsent_slot *a = unsent_begin(u, 1), *b = unsent_begin(u, 2);
	uint64_t f = 0;

	assert_int_equal(unsent_add(u, a, 10), 0);
	assert_int_equal(unsent_add(u, b, 20), 0);
	assert_int_equal(unsent_in_flight(u), 2);
	unsent_acked(u, 1);
	unsent_merge(u);
	assert_true(take(u, &f));
	assert_int_equal(f, 20);
	f++;
	assert_false(take(u, &f));
}

static void a_full_list_says_so(void **state)
{
	struct unsent *u = *state;
	struct unsent_slot *s = unsent_begin(u, 1);

	for (uint64_t i = 0; i < LIST; i++)
		assert_int_equal(unsent_add(u, s, i), 0);
	assert_int_equal(unsent_add(u, s, LIST), -28);
}

static void slots_run_out_and_come_back(void **state)
{
	struct unsent *u = *state;

	for (uint64_t e = 1; e <= UNSENT_SLOTS; e++)
		assert_non_null(unsent_begin(u, e));
	assert_null(unsent_begin(u, 99));
	unsent_acked(u, 1);
	assert_non_null(unsent_begin(u, 99));
}

static void everything_marked_is_every_frame(void **state)
{
	struct unsent *u = *state;
	uint64_t f = 0, n = 0;

	unsent_mark_all(u);
	assert_int_equal(u->nr_again, FRAMES);
	for (; take(u, &f); f++)
		assert_int_equal(f, n++);
	assert_int_equal(n, FRAMES);
}

static void a_user_that_died_left_no_frame_behind(void **state)
{
	struct unsent *u = *state;
	uint64_t f = 0;

	assert_int_equal(unsent_add(u, unsent_begin(u, 1), 7), 0);
	unsent_mark(u, 7); /* in the list, and not out of the bitmap yet */
	unsent_mark(u, 900);
	u->nr_again = 0; /* nor counted */
	unsent_recover(u);
	assert_true(take(u, &f));
	assert_int_equal(f, 7);
	assert_true(take(u, &f));
	assert_int_equal(f, 900);
	assert_int_equal(u->nr_again, 0);
}

static void one_made_anew_may_begin_with_every_frame(void **state)
{
	struct unsent *u = *state;

	unsent_init(u, FRAMES, LIST, true);
	assert_true(unsent_valid(u, FRAMES, LIST));
	assert_int_equal(u->nr_again, FRAMES);
}

static void a_file_of_another_size_is_not_believed(void **state)
{
	struct unsent *u = *state;

	assert_true(unsent_valid(u, FRAMES, LIST));
	assert_false(unsent_valid(u, FRAMES + 1, LIST));
	assert_false(unsent_valid(u, FRAMES, LIST + 1));
	u->slot[0].nr = LIST + 1;
	assert_false(unsent_valid(u, FRAMES, LIST));
}

static void a_frame_out_of_range_changes_nothing(void **state)
{
	struct unsent *u = *state;

	unsent_mark(u, FRAMES);
	unsent_mark(u, ~0ULL);
	assert_int_equal(u->nr_again, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(marked_frames_come_out_once_in_order, setup, teardown),
		cmocka_unit_test_setup_teardown(an_acked_epoch_is_not_sent_again, setup, teardown),
		cmocka_unit_test_setup_teardown(a_full_list_says_so, setup, teardown),
		cmocka_unit_test_setup_teardown(slots_run_out_and_come_back, setup, teardown),
		cmocka_unit_test_setup_teardown(everything_marked_is_every_frame, setup, teardown),
		cmocka_unit_test_setup_teardown(a_user_that_died_left_no_frame_behind, setup, teardown),
		cmocka_unit_test_setup_teardown(one_made_anew_may_begin_with_every_frame, setup, teardown),
		cmocka_unit_test_setup_teardown(a_file_of_another_size_is_not_believed, setup, teardown),
		cmocka_unit_test_setup_teardown(a_frame_out_of_range_changes_nothing, setup, teardown),
	};

	return cmocka_run_group_tests_name("unsent", tests, NULL, NULL);
}
