/* SPDX-License-Identifier: GPL-2.0-only */
/* capture/hot.h: what is hot is compared, what cools down is given back, what is pinned stays. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "capture/hot.h"

#define FRAMES 4096U

static uint8_t memory[8][4096];

static const void *page(void *arg, uint64_t index)
{
	return memory[index % 8];
}

static unsigned int nr_dropped;
static uint64_t last_dropped;

static void note_dropped(void *arg, uint64_t index)
{
	nr_dropped++;
	last_dropped = index;
}

static int setup(void **state)
{
	struct hot *h;

	nr_dropped = 0;
	memset(memory, 0, sizeof(memory));
	if (hot_open(FRAMES, &h))
		return -1;
	*state = h;
	return 0;
}

static int teardown(void **state)
{
	hot_close(*state);
	return 0;
}

static void heat(struct hot *h, uint64_t index, uint64_t from, unsigned int epochs)
{
	for (unsigned int i = 0; i < epochs; i++)
		hot_dirtied(h, index, from + i);
}

/* As an epoch treats it. */
static bool same(struct hot *h, unsigned int slot)
{
	const uint8_t *now = memory[hot_member(h, slot) % 8];
	void *copy = hot_copy(h, slot);
	bool same = copy && !memcmp(copy, now, 4096);

	if (same)
		hot_compared(h, slot, false);
	else
		hot_sent(h, slot, now);
	return same;
}

static void a_page_dirty_in_a_row_becomes_hot(void **state)
{
	struct hot *h = *state;

	heat(h, 3, 100, HOT_ENTER);
	assert_true(hot_settle(h, 100 + HOT_ENTER, page, NULL));
	assert_int_equal(hot_members(h), 1);
	assert_int_equal(hot_member(h, 0), 3);
}

static void a_page_dirty_now_and_then_does_not(void **state)
{
	struct hot *h = *state;

	for (unsigned int i = 0; i < 10; i++)
		hot_dirtied(h, 3, 100 + i * (HOT_GAP + 1));
	hot_settle(h, 200, page, NULL);
	assert_int_equal(hot_members(h), 0);
}

static void a_burst_long_ago_does_not_count(void **state)
{
	struct hot *h = *state;

	heat(h, 3, 100, HOT_ENTER);
	hot_settle(h, 100 + HOT_ENTER + HOT_GAP + 1, page, NULL);
	assert_int_equal(hot_members(h), 0);
}

static void a_change_is_seen_once(void **state)
{
	struct hot *h = *state;

	heat(h, 3, 100, HOT_ENTER);
	hot_settle(h, 100 + HOT_ENTER, page, NULL);
	assert_true(same(h, 0));
	memory[3][4095] = 1;
	assert_false(same(h, 0));
	assert_true(same(h, 0));
}

/* A bulk copy begins: what it sends of a page may be neither the copy's nor the last content. */
static void after_forgetting_there_is_nothing_to_compare_with(void **state)
{
	struct hot *h = *state;
	uint64_t pin = 5;

	heat(h, 3, 100, HOT_ENTER);
	hot_settle(h, 100 + HOT_ENTER, page, NULL);
	hot_pin(h, &pin, 1, note_dropped, NULL);
	same(h, 1);
	assert_true(same(h, 0));
	assert_ptr_not_equal(hot_pinned_copy(h, 5), NULL);
	hot_forget(h);
	assert_null(hot_pinned_copy(h, 5));
	assert_false(same(h, 0));
	assert_false(same(h, 1));
	assert_true(same(h, 0));
}

static void a_page_that_went_away_is_not_compared_with_what_it_was(void **state)
{
	struct hot *h = *state;

	heat(h, 3, 100, HOT_ENTER);
	hot_settle(h, 100 + HOT_ENTER, page, NULL);
	hot_sent(h, 0, NULL);
	assert_null(hot_copy(h, 0));
	hot_sent(h, 0, memory[3]);
	assert_memory_equal(hot_copy(h, 0), memory[3], 4096);
}

static void an_unchanged_page_leaves(void **state)
{
	struct hot *h = *state;

	heat(h, 3, 100, HOT_ENTER);
	hot_settle(h, 100 + HOT_ENTER, page, NULL);
	for (unsigned int i = 0; i < HOT_LEAVE; i++)
		assert_true(same(h, 0));
	assert_true(hot_settle(h, 1000, page, NULL));
	assert_int_equal(hot_members(h), 0);
}

static void a_pinned_page_is_sent_first_and_stays(void **state)
{
	struct hot *h = *state;
	uint64_t pin = 5;

	assert_int_equal(hot_pin(h, &pin, 1, note_dropped, NULL), 0);
	/* all zero, as its copy would be: it must be sent all the same */
	assert_false(same(h, 0));
	for (unsigned int i = 0; i < 2 * HOT_LEAVE; i++)
		same(h, 0);
	assert_true(hot_settle(h, 1000, page, NULL));
	assert_int_equal(hot_members(h), 1);
}

static void an_unpinned_page_cools_down(void **state)
{
	struct hot *h = *state;
	uint64_t pin[2] = { 5, 6 };

	hot_pin(h, pin, 2, note_dropped, NULL);
	hot_settle(h, 10, page, NULL);
	hot_pin(h, pin + 1, 1, note_dropped, NULL);
	for (unsigned int i = 0; i <= HOT_LEAVE; i++)
		for (unsigned int s = 0; s < hot_members(h); s++)
			same(h, s);
	hot_settle(h, 1000, page, NULL);
	assert_int_equal(hot_members(h), 1);
	assert_int_equal(hot_member(h, 0), 6);
}

static void a_full_list_makes_room_for_pins(void **state)
{
	struct hot *h = *state;
	uint64_t pin = FRAMES - 1;
	bool found = false;

	for (uint64_t f = 0; f < HOT_MAX; f++)
		heat(h, f, 100, HOT_ENTER);
	hot_settle(h, 100 + HOT_ENTER, page, NULL);
	assert_int_equal(hot_members(h), HOT_MAX);
	assert_int_equal(hot_pin(h, &pin, 1, note_dropped, NULL), 0);
	assert_int_equal(hot_members(h), HOT_MAX);
	assert_int_equal(nr_dropped, 1);
	for (unsigned int s = 0; s < hot_members(h); s++) {
		found |= hot_member(h, s) == pin;
		assert_int_not_equal(hot_member(h, s), last_dropped);
	}
	assert_true(found);
}

static void a_pin_out_of_range_is_refused(void **state)
{
	uint64_t pin = FRAMES;

	assert_int_equal(hot_pin(*state, &pin, 1, note_dropped, NULL), -22);
	assert_int_equal(hot_members(*state), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_page_dirty_in_a_row_becomes_hot, setup, teardown),
		cmocka_unit_test_setup_teardown(a_page_dirty_now_and_then_does_not, setup, teardown),
		cmocka_unit_test_setup_teardown(a_burst_long_ago_does_not_count, setup, teardown),
		cmocka_unit_test_setup_teardown(a_change_is_seen_once, setup, teardown),
		cmocka_unit_test_setup_teardown(after_forgetting_there_is_nothing_to_compare_with, setup,
						teardown),
		cmocka_unit_test_setup_teardown(a_page_that_went_away_is_not_compared_with_what_it_was, setup,
						teardown),
		cmocka_unit_test_setup_teardown(an_unchanged_page_leaves, setup, teardown),
		cmocka_unit_test_setup_teardown(a_pinned_page_is_sent_first_and_stays, setup, teardown),
		cmocka_unit_test_setup_teardown(an_unpinned_page_cools_down, setup, teardown),
		cmocka_unit_test_setup_teardown(a_full_list_makes_room_for_pins, setup, teardown),
		cmocka_unit_test_setup_teardown(a_pin_out_of_range_is_refused, setup, teardown),
	};

	return cmocka_run_group_tests_name("hot", tests, NULL, NULL);
}
