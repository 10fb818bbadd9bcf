/* SPDX-License-Identifier: GPL-2.0-or-later */
/* agent/bmc/state.h and report.h: when an event counts, when it is over, and that a BMC that is not well
 * moves nothing. */
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
#include "agent/bmc/state.h"

#define SECOND 1000000000ULL

static struct watch_table t;
static struct watch_state s;
static struct watch_look l;
static struct watch_now now;

static int setup(void **state)
{
	watch_table_defaults(&t);
	watch_state_init(&s, &t);
	now = (struct watch_now){ .ns = 1000 * SECOND, .wall = 1700000000 };
	return 0;
}

static void wait_s(unsigned int seconds)
{
	now.ns += seconds * SECOND;
	now.wall += seconds;
}

/* A look at a host that is on and well, to be changed before see(). */
static void look(void)
{
	memset(&l, 0, sizeof(l));
	l.has_power = true;
	l.power = BMC_ON;
	l.sensors = true;
	l.took_ns = SECOND / 10;
}

static void see(void)
{
	watch_state_look(&s, &l, now);
}

static void see_well(void)
{
	look();
	see();
}

static void see_sensor(enum watch_kind kind, const char *sensor)
{
	look();
	watch_look_add(&l, kind, false, sensor, "text");
	see();
}

static void see_logged(enum watch_kind kind, unsigned int times)
{
	look();
	while (times--)
		watch_look_add(&l, kind, true, "DIMM", "text");
	see();
}

/* Events that count. */
static unsigned int events(void)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < s.nr_events; i++)
		n += s.event[i].counts;
	return n;
}

static void worst_is(enum watch_action action)
{
	assert_int_equal(watch_state_worst(&s), action);
}

static void a_host_that_is_well_needs_nothing(void **state)
{
	see_well();
	assert_int_equal(s.bmc, WATCH_BMC_OK);
	assert_string_equal(s.why, "");
	worst_is(WATCH_IGNORE);
}

static void the_table_says_what_an_event_asks_for(void **state)
{
	see_sensor(WATCH_PSU_WARNING, "PSU 1");
	worst_is(WATCH_NOTE);
	see_sensor(WATCH_PSU_REDUNDANCY_LOST, "PSUs");
	worst_is(WATCH_MOVE);
	see_logged(WATCH_CPU_CATERR, 1);
	worst_is(WATCH_FENCE);
	t.rule[WATCH_CPU_CATERR].action = WATCH_NOTE;
	worst_is(WATCH_MOVE);
}

static void what_is_ignored_is_no_event(void **state)
{
	t.rule[WATCH_PSU_FAILED].action = WATCH_IGNORE;
	see_sensor(WATCH_PSU_FAILED, "PSU 1");
	assert_int_equal(events(), 0);
	worst_is(WATCH_IGNORE);
}

static void a_sensor_must_show_it_for_long_enough(void **state)
{
	t.rule[WATCH_TEMPERATURE_CRITICAL].for_s = 10;
	see_sensor(WATCH_TEMPERATURE_CRITICAL, "CPU");
	worst_is(WATCH_IGNORE);
	wait_s(9);
	see_sensor(WATCH_TEMPERATURE_CRITICAL, "CPU");
	worst_is(WATCH_IGNORE);
	wait_s(1);
	see_sensor(WATCH_TEMPERATURE_CRITICAL, "CPU");
	worst_is(WATCH_MOVE);
	assert_int_equal(s.event[0].since, 1700000000);
}

static void one_good_reading_begins_that_time_anew(void **state)
{
	t.rule[WATCH_TEMPERATURE_CRITICAL].for_s = 10;
	see_sensor(WATCH_TEMPERATURE_CRITICAL, "CPU");
	wait_s(9);
	see_well();
	wait_s(1);
	see_sensor(WATCH_TEMPERATURE_CRITICAL, "CPU");
	worst_is(WATCH_IGNORE);
	/* a look at the power alone is no good reading */
	wait_s(9);
	look();
	l.sensors = false;
	see();
	wait_s(1);
	see_sensor(WATCH_TEMPERATURE_CRITICAL, "CPU");
	worst_is(WATCH_MOVE);
}

static void an_entry_of_the_log_counts_at_once(void **state)
{
	t.rule[WATCH_PSU_FAILED].for_s = 60;
	see_logged(WATCH_PSU_FAILED, 1);
	worst_is(WATCH_MOVE);
}

static void an_event_is_over_when_it_was_gone_for_long_enough(void **state)
{
	t.rule[WATCH_PSU_FAILED].gone_s = 60;
	see_sensor(WATCH_PSU_FAILED, "PSU 1");
	wait_s(60);
	see_well();
	worst_is(WATCH_MOVE);
	/* back within the time: the same event goes on */
	see_sensor(WATCH_PSU_FAILED, "PSU 1");
	assert_int_equal(s.event[0].since, 1700000000);
	wait_s(61);
	see_well();
	worst_is(WATCH_IGNORE);
	assert_int_equal(s.nr_events, 0);
}

static void each_sensor_has_its_event(void **state)
{
	look();
	watch_look_add(&l, WATCH_PSU_FAILED, false, "PSU 1", "");
	watch_look_add(&l, WATCH_PSU_FAILED, false, "PSU 2", "");
	watch_look_add(&l, WATCH_PSU_FAILED, false, "PSU 2", "");
	see();
	see();
	assert_int_equal(events(), 2);
}

static void correctable_errors_are_a_storm_when_they_are_many(void **state)
{
	t.storm_count = 10;
	t.storm_within = 3600;
	see_logged(WATCH_MEMORY_CORRECTABLE, 9);
	worst_is(WATCH_NOTE);
	wait_s(3600);
	see_logged(WATCH_MEMORY_CORRECTABLE, 1);
	worst_is(WATCH_MOVE);
}

static void few_in_a_long_time_are_none(void **state)
{
	t.storm_count = 10;
	t.storm_within = 3600;
	for (int i = 0; i < 100; i++) {
		see_logged(WATCH_MEMORY_CORRECTABLE, 1);
		wait_s(401);
	}
	worst_is(WATCH_NOTE);
}

static void a_storm_of_the_largest_size_is_seen(void **state)
{
	t.storm_count = WATCH_STORM_MAX;
	see_logged(WATCH_MEMORY_CORRECTABLE, WATCH_STORM_MAX - 1);
	worst_is(WATCH_NOTE);
	see_logged(WATCH_MEMORY_CORRECTABLE, 1);
	worst_is(WATCH_MOVE);
	see_logged(WATCH_MEMORY_CORRECTABLE, 5 * WATCH_STORM_MAX);
	worst_is(WATCH_MOVE);
}

static void sensors_of_a_host_that_is_off_say_nothing(void **state)
{
	look();
	l.power = BMC_OFF;
	watch_look_add(&l, WATCH_FAN_FAILED, false, "Fan 1", "");
	watch_look_add(&l, WATCH_VOLTAGE_CRITICAL, false, "Vcore", "");
	see();
	assert_int_equal(s.nr_events, 0);
	assert_int_equal(s.bmc, WATCH_BMC_OK);
	assert_true(s.power_known);
	assert_int_equal(s.power, BMC_OFF);
}

static void a_host_that_was_just_turned_on_may_settle(void **state)
{
	t.settle = 120;
	look();
	l.power = BMC_OFF;
	see();
	wait_s(5);
	see_sensor(WATCH_PSU_FAILED, "PSU 1");
	wait_s(119);
	see_sensor(WATCH_PSU_FAILED, "PSU 1");
	worst_is(WATCH_IGNORE);
	wait_s(1);
	see_sensor(WATCH_PSU_FAILED, "PSU 1");
	worst_is(WATCH_MOVE);
}

/* By itself, it is a note; and what was seen before holds only as long as any event that is not seen any
 * more. */
static void not_well(int error, enum watch_bmc bmc)
{
	setup(NULL);
	t.rule[WATCH_PSU_FAILED].gone_s = 60;
	look();
	memset(&l, 0, sizeof(l));
	watch_look_fail(&l, error, "said so");
	see();
	assert_int_equal(s.bmc, bmc);
	assert_string_equal(s.why, "said so");
	assert_false(s.power_known);
	worst_is(WATCH_NOTE);
	see_sensor(WATCH_PSU_FAILED, "PSU 1");
	wait_s(61);
	memset(&l, 0, sizeof(l));
	watch_look_fail(&l, error, "said so");
	see();
	assert_int_equal(events(), 0);
	worst_is(WATCH_NOTE);
}

static void a_bmc_that_does_not_answer_is_no_reason_to_move(void **state)
{
	not_well(-ETIMEDOUT, WATCH_BMC_UNREACHABLE);
	not_well(-EHOSTUNREACH, WATCH_BMC_UNREACHABLE);
	not_well(-EPROTO, WATCH_BMC_UNREACHABLE);
	not_well(-ENOMEM, WATCH_BMC_UNREACHABLE);
	look();
	watch_look_fail(&l, -ENOMEM, "");
	assert_string_equal(l.why, "Cannot allocate memory");
	not_well(-EACCES, WATCH_BMC_REFUSED);
	not_well(-EBUSY, WATCH_BMC_BUSY);
	not_well(-ETIME, WATCH_BMC_SLOW);
}

static void a_slow_answer_is_a_note(void **state)
{
	look();
	l.took_ns = (t.slow_after + 1) * SECOND;
	see();
	assert_int_equal(s.bmc, WATCH_BMC_SLOW);
	worst_is(WATCH_NOTE);
	/* the power alone comes fast, and proves nothing about the rest */
	look();
	l.sensors = false;
	see();
	assert_int_equal(s.bmc, WATCH_BMC_SLOW);
	see_well();
	assert_int_equal(s.bmc, WATCH_BMC_OK);
}

static void no_answer_yet_is_slow_and_events_end_meanwhile(void **state)
{
	t.rule[WATCH_PSU_FAILED].gone_s = 60;
	see_sensor(WATCH_PSU_FAILED, "PSU 1");
	watch_state_waiting(&s, t.slow_after * SECOND, now);
	assert_int_equal(s.bmc, WATCH_BMC_OK);
	wait_s(61);
	watch_state_waiting(&s, t.slow_after * SECOND + 1, now);
	assert_int_equal(s.bmc, WATCH_BMC_SLOW);
	assert_false(s.power_known);
	assert_int_equal(events(), 0);
	worst_is(WATCH_NOTE);
}

static void a_full_log_is_a_note_until_it_is_cleared(void **state)
{
	look();
	l.log_full = true;
	see();
	assert_int_equal(s.bmc, WATCH_BMC_FULL);
	worst_is(WATCH_NOTE);
	look();
	l.sensors = false;
	see();
	assert_int_equal(s.bmc, WATCH_BMC_FULL);
	see_well();
	assert_int_equal(s.bmc, WATCH_BMC_OK);
}

/* Twice with the same contradiction, and the gravest of events: a note, and the power is not known. */
static void lying(enum bmc_power power, enum watch_running running, unsigned int fans, unsigned int turning,
		  bool is)
{
	setup(NULL);
	for (int i = 0; i < 2; i++) {
		look();
		l.power = power;
		l.running = running;
		l.fans = fans;
		l.fans_turning = turning;
		if (i) {
			watch_look_add(&l, WATCH_CPU_CATERR, true, "CPU", "");
			assert_int_not_equal(s.bmc, WATCH_BMC_LYING);
		}
		see();
	}
	assert_int_equal(s.bmc == WATCH_BMC_LYING, is);
	assert_int_equal(s.power_known, !is);
	worst_is(is ? WATCH_NOTE : WATCH_FENCE);
	/* the power alone does not clear it */
	look();
	l.sensors = false;
	see();
	assert_int_equal(s.bmc == WATCH_BMC_LYING, is);
	see_well();
	assert_int_equal(s.bmc, WATCH_BMC_OK);
}

static void a_bmc_that_contradicts_itself_is_not_believed(void **state)
{
	lying(BMC_OFF, WATCH_RUNNING, 0, 0, true);
	lying(BMC_ON, WATCH_STOPPED, 0, 0, true);
	lying(BMC_OFF, WATCH_RUNNING_UNKNOWN, 4, 4, true);
	lying(BMC_OFF, WATCH_RUNNING_UNKNOWN, 4, 3, false);
	lying(BMC_OFF, WATCH_RUNNING_UNKNOWN, 1, 1, false);
	lying(BMC_OFF, WATCH_STOPPED, 2, 0, false);
	lying(BMC_ON, WATCH_RUNNING, 2, 2, false);
	lying(BMC_BETWEEN, WATCH_STOPPED, 2, 2, false);
}

static void a_lie_is_not_forgotten_while_it_is_waited_for(void **state)
{
	for (int i = 0; i < 2; i++) {
		look();
		l.power = BMC_OFF;
		l.running = WATCH_RUNNING;
		see();
	}
	watch_state_waiting(&s, 1000 * SECOND, now);
	assert_int_equal(s.bmc, WATCH_BMC_LYING);
	/* an answer that failed says that it failed, and the next good one nothing new */
	look();
	l.sensors = false;
	watch_look_fail(&l, -ETIMEDOUT, "x");
	see();
	assert_int_equal(s.bmc, WATCH_BMC_UNREACHABLE);
	look();
	l.sensors = false;
	see();
	assert_int_equal(s.bmc, WATCH_BMC_LYING);
	assert_false(s.power_known);
}

static void a_host_on_its_way_is_no_lie(void **state)
{
	look();
	l.running = WATCH_STOPPED;
	watch_look_add(&l, WATCH_PSU_FAILED, false, "PSU 1", "");
	see();
	assert_int_equal(s.bmc, WATCH_BMC_OK);
	/* but what its sensors say in this moment is left alone */
	assert_int_equal(s.nr_events, 0);
	look();
	l.power = BMC_OFF;
	l.running = WATCH_STOPPED;
	see();
	assert_int_equal(s.bmc, WATCH_BMC_OK);
}

static void the_bmc_of_another_machine_is_not_believed(void **state)
{
	look();
	l.has_uuid = true;
	l.foreign = true;
	memset(l.uuid, 0xab, sizeof(l.uuid));
	watch_look_add(&l, WATCH_CPU_CATERR, true, "CPU", "");
	see();
	assert_int_equal(s.bmc, WATCH_BMC_LYING);
	/* whose it is, for whoever knows more */
	assert_true(s.has_uuid);
	assert_memory_equal(s.uuid, l.uuid, sizeof(s.uuid));
	assert_false(s.power_known);
	worst_is(WATCH_NOTE);
}

static void when_places_are_taken_the_graver_event_stays(void **state)
{
	char name[16];

	for (int i = 0; i < 3 * WATCH_EVENTS; i++) {
		snprintf(name, sizeof(name), "PSU %d", i);
		see_sensor(WATCH_PSU_WARNING, name);
	}
	assert_int_equal(s.nr_events, WATCH_EVENTS);
	worst_is(WATCH_NOTE);
	see_logged(WATCH_CPU_CATERR, 1);
	worst_is(WATCH_FENCE);
	see_sensor(WATCH_PSU_WARNING, "one more");
	worst_is(WATCH_FENCE);
}

static void the_same_holds_within_a_look(void **state)
{
	char name[16];

	look();
	for (int i = 0; i < 3 * WATCH_FINDINGS; i++) {
		snprintf(name, sizeof(name), "%d", i);
		watch_look_add(&l, WATCH_FAN_WARNING, false, name, "");
	}
	assert_int_equal(l.nr_findings, WATCH_FINDINGS);
	watch_look_add(&l, WATCH_CPU_CATERR, true, "CPU", "");
	see();
	worst_is(WATCH_FENCE);
}

/* ---- the line ---- */

static json_t *line(void)
{
	char *text = watch_report("xa", &s);
	json_t *j;

	assert_non_null(text);
	assert_null(strchr(text, '\n'));
	j = json_loads(text, 0, NULL);
	assert_non_null(j);
	free(text);
	return j;
}

static const char *text_at(const json_t *j, const char *key)
{
	return json_string_value(json_object_get(j, key));
}

static void a_line_says_all_there_is(void **state)
{
	const json_t *e;
	json_t *j;

	look();
	l.has_uuid = true;
	memset(l.uuid, 0xab, sizeof(l.uuid));
	watch_look_add(&l, WATCH_PSU_FAILED, false, "PSU 2", "failure detected");
	see();
	j = line();
	assert_string_equal(text_at(j, "host"), "xa");
	assert_string_equal(text_at(j, "bmc"), "ok");
	assert_true(json_is_null(json_object_get(j, "why")));
	assert_string_equal(text_at(j, "power"), "on");
	assert_string_equal(text_at(j, "uuid"), "abababab-abab-abab-abab-abababababab");
	assert_string_equal(text_at(j, "worst"), "move");
	e = json_array_get(json_object_get(j, "events"), 0);
	assert_string_equal(text_at(e, "what"), "psu-failed");
	assert_string_equal(text_at(e, "sensor"), "PSU 2");
	assert_string_equal(text_at(e, "action"), "move");
	assert_string_equal(text_at(e, "text"), "failure detected");
	assert_int_equal(json_integer_value(json_object_get(e, "since")), 1700000000);
	json_decref(j);
}

static void before_the_first_look_nothing_is_known(void **state)
{
	json_t *j = line();

	assert_string_equal(text_at(j, "bmc"), "unreachable");
	assert_string_equal(text_at(j, "power"), "unknown");
	assert_true(json_is_null(json_object_get(j, "uuid")));
	assert_string_equal(text_at(j, "worst"), "note");
	json_decref(j);
}

static void an_event_that_does_not_count_yet_is_not_told(void **state)
{
	json_t *j;

	see_sensor(WATCH_TEMPERATURE_CRITICAL, "CPU");
	j = line();
	assert_int_equal(json_array_size(json_object_get(j, "events")), 0);
	json_decref(j);
}

static void whatever_a_bmc_says_the_line_is_json_and_short(void **state)
{
	char sensor[4 * WATCH_SENSOR], text[4 * WATCH_TEXT], *said;

	srandom(3);
	for (int n = 0; n < 200; n++) {
		look();
		for (int i = 0; i < 2 * WATCH_FINDINGS; i++) {
			for (size_t b = 0; b < sizeof(sensor) - 1; b++)
				sensor[b] = (char)random();
			for (size_t b = 0; b < sizeof(text) - 1; b++)
				text[b] = (char)(random() % 255 + 1);
			sensor[sizeof(sensor) - 1] = text[sizeof(text) - 1] = '\0';
			watch_look_add(&l, (enum watch_kind)(random() % (WATCH_KINDS + 2)), random() % 2,
				       sensor, text);
		}
		if (n % 2)
			watch_look_fail(&l, -EPROTO, text);
		see();
		json_decref(line());
		said = watch_report("xa", &s);
		assert_true(strlen(said) < 16384);
		free(said);
	}
}

#define T(name) cmocka_unit_test_setup(name, setup)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_host_that_is_well_needs_nothing),
		T(the_table_says_what_an_event_asks_for),
		T(what_is_ignored_is_no_event),
		T(a_sensor_must_show_it_for_long_enough),
		T(one_good_reading_begins_that_time_anew),
		T(an_entry_of_the_log_counts_at_once),
		T(an_event_is_over_when_it_was_gone_for_long_enough),
		T(each_sensor_has_its_event),
		T(correctable_errors_are_a_storm_when_they_are_many),
		T(few_in_a_long_time_are_none),
		T(a_storm_of_the_largest_size_is_seen),
		T(sensors_of_a_host_that_is_off_say_nothing),
		T(a_host_that_was_just_turned_on_may_settle),
		T(a_bmc_that_does_not_answer_is_no_reason_to_move),
		T(a_slow_answer_is_a_note),
		T(no_answer_yet_is_slow_and_events_end_meanwhile),
		T(a_full_log_is_a_note_until_it_is_cleared),
		T(a_bmc_that_contradicts_itself_is_not_believed),
		T(a_lie_is_not_forgotten_while_it_is_waited_for),
		T(a_host_on_its_way_is_no_lie),
		T(the_bmc_of_another_machine_is_not_believed),
		T(when_places_are_taken_the_graver_event_stays),
		T(the_same_holds_within_a_look),
		T(a_line_says_all_there_is),
		T(before_the_first_look_nothing_is_known),
		T(an_event_that_does_not_count_yet_is_not_told),
		T(whatever_a_bmc_says_the_line_is_json_and_short),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
