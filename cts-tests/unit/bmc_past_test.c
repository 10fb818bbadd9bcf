/* SPDX-License-Identifier: GPL-2.0-or-later */
/* agent/bmc: what a log told before anybody watched, when that was, and what of it is reported. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "agent/bmc/report.h"
#include "agent/bmc/sel.h"

#define SECOND 1000000000ULL
#define LOG_MAX 600

/* ---- the log ---- */

static struct {
	struct watch_sel_info info;
	unsigned int n, first; /* numbers of records: first to n */
	uint8_t type, direction;
	size_t len;
	int error;
	bool circle;
} fake;

static struct watch_sel sel;
static unsigned int ids[WATCH_SEL_BATCH], nr_ids;

static int fake_read(void *arg, uint16_t id, uint8_t record[16], size_t *len, uint16_t *next)
{
	if (fake.error)
		return fake.error;
	if (id == WATCH_SEL_LAST)
		id = (uint16_t)fake.n;
	if (id == WATCH_SEL_FIRST)
		id = (uint16_t)fake.first;
	if (id < fake.first || id > fake.n)
		return -ENOENT;
	record[0] = (uint8_t)id;
	record[1] = (uint8_t)(id >> 8);
	record[2] = fake.type;
	record[12] = 0x6f | fake.direction;
	*len = fake.len;
	*next = id < fake.n ? (uint16_t)(id + 1) : fake.circle ? (uint16_t)fake.first : WATCH_SEL_LAST;
	return 0;
}

static struct watch_table t;
static struct watch_state s;
static struct watch_look l;
static struct watch_now now;

static int setup(void **state)
{
	memset(&fake, 0, sizeof(fake));
	memset(&sel, 0, sizeof(sel));
	fake.first = 1;
	fake.type = 0x02;
	fake.len = 16;
	watch_table_defaults(&t);
	watch_state_init(&s, &t);
	now = (struct watch_now){ .ns = 1000 * SECOND, .wall = 1700000000 };
	return 0;
}

static void first_look(unsigned int n)
{
	fake.n = n;
	fake.info.entries = n;
	assert_int_equal(watch_sel_new(&sel, &fake.info, fake_read, NULL, ids, &nr_ids), 0);
	assert_int_equal(nr_ids, 0);
}

static unsigned int past(void)
{
	assert_int_equal(watch_sel_past(&sel, fake_read, NULL, ids, &nr_ids), 0);
	return nr_ids;
}

static void the_past_is_read_once_in_turns(void **state)
{
	assert_false(watch_sel_past_read(&sel));
	first_look(WATCH_SEL_BATCH + 6);
	assert_false(watch_sel_past_read(&sel));
	assert_false(watch_sel_all_read(&sel));
	assert_int_equal(past(), WATCH_SEL_BATCH);
	assert_int_equal(ids[0], 1);
	assert_int_equal(past(), 6);
	assert_int_equal(ids[5], WATCH_SEL_BATCH + 6);
	assert_true(watch_sel_past_read(&sel));
	assert_true(watch_sel_all_read(&sel));
	assert_int_equal(past(), 0);
}

static void turns_are_shorter_when_one_took_too_long(void **state)
{
	struct watch_sel before;
	int i;

	first_look(WATCH_SEL_BATCH + 6);
	before = sel;
	assert_int_equal(past(), WATCH_SEL_BATCH);
	sel = before;
	watch_sel_past_slow(&sel);
	assert_int_equal(past(), WATCH_SEL_BATCH / 2);
	assert_int_equal(past(), WATCH_SEL_BATCH / 2);
	assert_int_equal(past(), 6);
	sel = before;
	for (i = 0; i < 100; i++)
		watch_sel_past_slow(&sel);
	assert_int_equal(past(), 1);
	assert_int_equal(ids[0], 1);
}

static void what_comes_meanwhile_is_not_past(void **state)
{
	first_look(3);
	fake.n = 5;
	fake.info.entries = 5;
	assert_int_equal(past(), 3);
	assert_true(watch_sel_past_read(&sel));
	assert_int_equal(watch_sel_new(&sel, &fake.info, fake_read, NULL, ids, &nr_ids), 0);
	assert_int_equal(nr_ids, 2);
	/* and is not read yet */
	assert_false(watch_sel_all_read(&sel));
	watch_sel_done(&sel, 4);
	watch_sel_done(&sel, 5);
	assert_true(watch_sel_all_read(&sel));
}

static void an_empty_log_has_no_past(void **state)
{
	first_look(0);
	assert_true(watch_sel_all_read(&sel));
}

static void a_log_that_was_cleared_has_no_past_any_more(void **state)
{
	first_look(WATCH_SEL_BATCH + 6);
	past();
	fake.n = 0;
	assert_int_equal(past(), 0);
	assert_true(watch_sel_past_read(&sel));
}

static void only_events_that_began_are_asked_for(void **state)
{
	first_look(3);
	fake.type = 0xc0;
	assert_int_equal(past(), 0);
	setup(state);
	first_look(3);
	fake.direction = 0x80;
	assert_int_equal(past(), 0);
	assert_true(watch_sel_past_read(&sel));
}

/* The last one that is past is never met. */
static void a_chain_that_goes_round_in_circles_ends(void **state)
{
	int rc = 0, i;

	first_look(9);
	sel.past_last = 77;
	fake.circle = true;
	for (i = 0; i < 10 && !watch_sel_past_read(&sel); i++)
		rc = watch_sel_past(&sel, fake_read, NULL, ids, &nr_ids);
	assert_int_equal(rc, -EPROTO);
	assert_true(watch_sel_past_read(&sel));
}

static void an_error_is_told(void **state)
{
	first_look(9);
	fake.error = -ETIMEDOUT;
	assert_int_equal(watch_sel_past(&sel, fake_read, NULL, ids, &nr_ids), -ETIMEDOUT);
}

static void an_age_needs_a_clock_that_was_set(void **state)
{
	assert_int_equal(watch_sel_age(1700000000, 1700000100), 100);
	assert_int_equal(watch_sel_age(1700000000, 1700000000), 0);
	/* the clock was set back, or never set, then or now, or it says so */
	assert_int_equal(watch_sel_age(1700000500, 1700000000), -1);
	assert_int_equal(watch_sel_age(5000, 6000), -1);
	assert_int_equal(watch_sel_age(5000, 1700000000), -1);
	assert_int_equal(watch_sel_age(1700000000, 0), -1);
	assert_int_equal(watch_sel_age(0xffffffff, 1700000000), -1);
	assert_int_equal(watch_sel_age(1700000000, 0xffffffff), -1);
}

/* ---- what it amounts to ---- */

static void look(enum bmc_power power)
{
	memset(&l, 0, sizeof(l));
	l.has_power = true;
	l.power = power;
	l.sensors = l.log_read = true;
}

static void see(void)
{
	watch_state_look(&s, &l, now);
}

static json_t *line(void)
{
	char *text = watch_report("xa", &s);
	json_t *j = json_loads(text, 0, NULL);

	free(text);
	assert_non_null(j);
	return j;
}

/* In the line, the number of past faults, and how much of the log is read. */
static void told(size_t nr, const char *log)
{
	json_t *j = line();

	assert_int_equal(json_array_size(json_object_get(j, "past")), nr);
	assert_string_equal(json_string_value(json_object_get(j, "log")), log);
	json_decref(j);
}

static void a_past_fault_is_told_and_no_event(void **state)
{
	json_t *j;
	const json_t *e;

	look(BMC_ON);
	watch_look_entry(&l, WATCH_CPU_CATERR, true, 600, "CATERR", "State Asserted");
	see();
	assert_int_equal(s.nr_events, 0);
	assert_int_equal(watch_state_worst(&s), WATCH_IGNORE);
	j = line();
	e = json_array_get(json_object_get(j, "past"), 0);
	assert_string_equal(json_string_value(json_object_get(e, "what")), "cpu-caterr");
	assert_string_equal(json_string_value(json_object_get(e, "sensor")), "CATERR");
	assert_int_equal(json_integer_value(json_object_get(e, "at")), 1700000000 - 600);
	json_decref(j);
}

static void of_each_kind_the_newest_is_told(void **state)
{
	look(BMC_ON);
	watch_look_entry(&l, WATCH_MEMORY_UNCORRECTABLE, true, 600, "A", "x");
	watch_look_entry(&l, WATCH_MEMORY_UNCORRECTABLE, true, 500, "A", "x");
	watch_look_entry(&l, WATCH_MEMORY_UNCORRECTABLE, true, 550, "B", "x");
	see();
	assert_int_equal(s.past[WATCH_MEMORY_UNCORRECTABLE].at, 1700000000 - 500);
	told(1, "read");
}

static void what_does_not_hold_or_has_no_time_is_not(void **state)
{
	look(BMC_ON);
	watch_look_entry(&l, WATCH_PSU_INPUT_LOST, true, 600, "PSU", "x");
	watch_look_entry(&l, WATCH_VRM_FAILED, true, -1, "VRM", "x");
	see();
	told(0, "read");
}

static void an_event_begins_when_it_was_logged(void **state)
{
	look(BMC_ON);
	watch_look_entry(&l, WATCH_CPU_CATERR, false, 7, "CPU", "x");
	watch_look_entry(&l, WATCH_VRM_FAILED, false, -1, "VRM", "x");
	see();
	assert_int_equal(s.event[0].since, 1700000000 - 7);
	assert_int_equal(s.event[1].since, 1700000000);
}

static void later(unsigned int seconds)
{
	now.ns += seconds * SECOND;
	now.wall += seconds;
}

static void see_entry(int64_t age, const char *sensor)
{
	look(BMC_ON);
	watch_look_entry(&l, WATCH_VRM_FAILED, false, age, sensor, "x");
	see();
}

/* Redfish tells no age, nor does IPMI with a clock that was not set. */
static void an_entry_without_an_age_is_of_after_the_last_look_at_the_whole_log(void **state)
{
	look(BMC_ON);
	l.took_ns = SECOND * 3 / 2;
	see();
	later(10);
	look(BMC_ON); /* the power alone, a log in part, a look that failed */
	l.sensors = l.log_read = false;
	see();
	look(BMC_ON);
	l.log_read = false;
	see();
	look(BMC_ON);
	l.error = -ETIMEDOUT;
	see();
	later(10);
	see_entry(-1, "A");
	assert_int_equal(s.event[0].since, 1700000000 - 2);
	later(10);
	see_entry(-1, "B");
	assert_int_equal(s.event[1].since, 1700000000 + 20);
	see_entry(3, "C");
	assert_int_equal(s.event[2].since, 1700000000 + 30 - 3);
	/* a sensor shows it now */
	later(5);
	look(BMC_ON);
	watch_look_add(&l, WATCH_VRM_FAILED, false, "D", "x");
	see();
	assert_int_equal(s.event[3].since, 1700000000 + 35);
}

/* Its past is read in turns, and what comes meanwhile is new. */
static void nor_is_it_of_before_the_first_look(void **state)
{
	look(BMC_ON);
	l.log_read = false;
	see();
	later(10);
	look(BMC_ON);
	l.log_read = false;
	watch_look_entry(&l, WATCH_VRM_FAILED, false, -1, "A", "x");
	see();
	assert_int_equal(s.event[0].since, 1700000000);
}

static void a_storm_begins_with_what_made_it_one(void **state)
{
	look(BMC_ON);
	see();
	later(10);
	look(BMC_ON);
	for (unsigned int i = 0; i < t.storm_count; i++)
		watch_look_entry(&l, WATCH_MEMORY_CORRECTABLE, false, -1, "DIMM", "x");
	see();
	assert_int_equal(s.event[1].kind, WATCH_MEMORY_STORM);
	assert_int_equal(s.event[1].since, 1700000000);
}

static void the_log_is_read_anew_after_the_power_is_off(void **state)
{
	look(BMC_ON);
	l.log_read = false;
	see();
	told(0, "unread");
	look(BMC_ON);
	see();
	told(0, "read");
	/* the power alone */
	look(BMC_OFF);
	l.sensors = l.log_read = false;
	see();
	told(0, "read");
	look(BMC_OFF);
	see();
	told(0, "read-since-off");
	look(BMC_OFF);
	l.sensors = l.log_read = false;
	see();
	told(0, "read-since-off");
	look(BMC_ON);
	see();
	told(0, "read");
}

/* Fans that run down are a contradiction for a moment; entries of the log come but once. */
static void the_log_of_a_host_on_its_way_down_is_kept_and_read_again(void **state)
{
	look(BMC_OFF);
	l.fans = l.fans_turning = 2;
	watch_look_entry(&l, WATCH_VRM_FAILED, false, 3, "VRM", "x");
	watch_look_entry(&l, WATCH_CPU_CATERR, true, 600, "CPU", "x");
	see();
	assert_int_equal(s.bmc, WATCH_BMC_OK);
	assert_int_equal(s.nr_events, 1);
	told(1, "read");
	later(10);
	look(BMC_OFF);
	l.fans = 2;
	see();
	told(1, "read-since-off");
}

static void an_incomplete_look_has_read_nothing(void **state)
{
	look(BMC_OFF);
	l.error = -ETIMEDOUT;
	see();
	assert_false(s.log_read_off);
}

#define T(name) cmocka_unit_test_setup(name, setup)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(the_past_is_read_once_in_turns),
		T(turns_are_shorter_when_one_took_too_long),
		T(what_comes_meanwhile_is_not_past),
		T(an_empty_log_has_no_past),
		T(a_log_that_was_cleared_has_no_past_any_more),
		T(only_events_that_began_are_asked_for),
		T(a_chain_that_goes_round_in_circles_ends),
		T(an_error_is_told),
		T(an_age_needs_a_clock_that_was_set),
		T(a_past_fault_is_told_and_no_event),
		T(of_each_kind_the_newest_is_told),
		T(what_does_not_hold_or_has_no_time_is_not),
		T(an_event_begins_when_it_was_logged),
		T(an_entry_without_an_age_is_of_after_the_last_look_at_the_whole_log),
		T(nor_is_it_of_before_the_first_look),
		T(a_storm_begins_with_what_made_it_one),
		T(the_log_is_read_anew_after_the_power_is_off),
		T(the_log_of_a_host_on_its_way_down_is_kept_and_read_again),
		T(an_incomplete_look_has_read_nothing),
	};

	return cmocka_run_group_tests_name("bmc_past", tests, NULL, NULL);
}
