/* SPDX-License-Identifier: GPL-2.0-only */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "syncd/control/control.h"
#include "syncd/control/recent.h"

static const char *const kinds[RECENT_KINDS] = { "console", "vbd", "vif" };
static struct recent r;

static int fresh(void **state)
{
	memset(&r, 0, sizeof(r));
	return 0;
}

static void capture(uint64_t epoch, uint64_t at_us)
{
	struct recent_epoch e = { .epoch = epoch, .at_ns = at_us * 1000 };

	recent_captured(&r, &e);
}

static json_int_t released(const json_t *j, const char *kind, size_t i)
{
	const json_t *held = json_object_get(json_object_get(j, "held_us"), kind);

	return json_integer_value(json_array_get(json_object_get(held, "last"), i));
}

static void an_ack_ends_all_epochs_up_to_it_once(void **state)
{
	for (uint64_t n = 1; n <= 4; n++)
		capture(n, n * 100);
	recent_committed(&r, 1, 150 * 1000);
	recent_committed(&r, 3, 450 * 1000);
	assert_int_equal(r.e[0].value[RECENT_COMMIT_US], 50);
	assert_int_equal(r.e[1].value[RECENT_COMMIT_US], 250);
	assert_int_equal(r.e[2].value[RECENT_COMMIT_US], 150);
	assert_int_equal(r.e[3].value[RECENT_COMMIT_US], 0);
}

static void an_ack_finds_its_epoch_after_the_ring_wrapped(void **state)
{
	for (uint64_t n = 1; n <= RECENT_MAX + 2; n++)
		capture(n, 100);
	recent_committed(&r, RECENT_MAX + 2, 107 * 1000);
	for (unsigned int i = 0; i < RECENT_MAX; i++)
		assert_int_equal(r.e[i].value[RECENT_COMMIT_US], 7);
}

static void outputs_leave_with_their_epoch_each_in_its_kind(void **state)
{
	json_t *j;

	recent_held(&r, 2, 5, 1000);
	recent_held(&r, 1, 5, 2000);
	recent_held(&r, 2, 6, 3000);
	recent_released(&r, 5, 9000);
	recent_discarded(&r, 5);
	recent_released(&r, 99, 99000);
	j = recent_json(&r, kinds);
	assert_int_equal(r.released[2].nr, 1);
	assert_int_equal(released(j, "vif", 0), 8);
	assert_int_equal(released(j, "vbd", 0), 7);
	assert_int_equal(r.released[0].nr, 0);
	json_decref(j);
}

static void what_there_is_no_room_for_is_not_measured(void **state)
{
	for (unsigned int i = 0; i < RECENT_HELD + 5; i++)
		recent_held(&r, 0, i + 1, 0);
	recent_released(&r, UINT64_MAX, 1000);
	assert_int_equal(r.released[0].nr, RECENT_HELD);
	recent_held(&r, 0, 1, 1000);
	recent_released(&r, 1, 2000);
	assert_int_equal(r.released[0].nr, RECENT_HELD + 1);
}

/* With every number at its longest. */
static void it_fits_a_packet_and_shows_the_oldest_first(void **state)
{
	struct recent_epoch e = { .at_ns = INT64_MAX };
	json_t *j, *epochs;
	size_t len;

	memset(e.value, 0xff, sizeof(e.value));
	for (uint64_t n = 0; n < RECENT_MAX + 10; n++) {
		e.epoch = INT64_MAX - 1000 + n;
		recent_captured(&r, &e);
		for (unsigned int k = 0; k < RECENT_KINDS; k++) {
			recent_held(&r, k, 1, 0);
			recent_released(&r, 1, UINT64_MAX);
		}
	}
	j = recent_json(&r, kinds);
	epochs = json_object_get(j, "epochs");
	assert_int_equal(json_array_size(epochs), RECENT_MAX);
	assert_int_equal(json_integer_value(json_array_get(json_array_get(epochs, 0), 0)),
			 INT64_MAX - 1000 + 10);
	assert_int_equal(json_array_size(json_array_get(epochs, 0)),
			 json_array_size(json_object_get(j, "fields")));
	assert_int_equal(released(j, "vif", RECENT_MAX - 1), UINT32_MAX);
	len = json_dumpb(j, NULL, 0, JSON_COMPACT);
	/* the rest of the row takes a few kilobytes at most */
	assert_true(len < CONTROL_MSG_MAX - 4096);
	json_decref(j);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(an_ack_ends_all_epochs_up_to_it_once, fresh),
		cmocka_unit_test_setup(an_ack_finds_its_epoch_after_the_ring_wrapped, fresh),
		cmocka_unit_test_setup(outputs_leave_with_their_epoch_each_in_its_kind, fresh),
		cmocka_unit_test_setup(what_there_is_no_room_for_is_not_measured, fresh),
		cmocka_unit_test_setup(it_fits_a_packet_and_shows_the_oldest_first, fresh),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
