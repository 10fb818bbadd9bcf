/* SPDX-License-Identifier: GPL-2.0-or-later */
/* agent/bmc/table.h: what may stand in bmc-events.conf, and that what is shipped is what counts without it.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "agent/bmc/table.h"

static struct watch_table t;
static char err[WATCH_TABLE_ERR];

static int parse(const char *text)
{
	watch_table_defaults(&t);
	return watch_table_parse("f", text, strlen(text), &t, err);
}

static void refused(const char *text, const char *names)
{
	struct watch_table before;

	watch_table_defaults(&before);
	assert_int_equal(parse(text), -EINVAL);
	if (strncmp(err, names, strlen(names)))
		fail_msg("'%s' does not begin with '%s'", err, names);
	assert_memory_equal(&t, &before, sizeof(t));
}

static void the_shipped_file_is_the_default(void **state)
{
	struct watch_table shipped;

	memset(&shipped, 0xff, sizeof(shipped));
	watch_table_defaults(&t);
	if (watch_table_load("doc/bmc-events.conf", &shipped, err))
		fail_msg("%s", err);
	assert_memory_equal(&shipped, &t, sizeof(t));
}

static void the_shipped_file_names_everything(void **state)
{
	char text[16384], line[64];
	FILE *in = fopen("doc/bmc-events.conf", "re");

	assert_non_null(in);
	text[fread(text, 1, sizeof(text) - 1, in)] = '\0';
	fclose(in);
	for (int k = 0; k < WATCH_KINDS; k++) {
		snprintf(line, sizeof(line), "\nevent %s ", watch_kind_name(k));
		if (!strstr(text, line))
			fail_msg("%s is not there", watch_kind_name(k));
	}
}

static void only_what_is_grave_moves_or_fences_by_default(void **state)
{
	static const enum watch_kind notes[] = { WATCH_PSU_WARNING,	   WATCH_TEMPERATURE_WARNING,
						 WATCH_FAN_WARNING,	   WATCH_VOLTAGE_WARNING,
						 WATCH_MEMORY_CORRECTABLE, WATCH_WATCHDOG };

	watch_table_defaults(&t);
	for (size_t i = 0; i < sizeof(notes) / sizeof(notes[0]); i++)
		assert_int_equal(t.rule[notes[i]].action, WATCH_NOTE);
	for (int k = 0; k < WATCH_KINDS; k++)
		assert_int_equal(t.rule[k].action == WATCH_FENCE,
				 k == WATCH_CPU_CATERR || k == WATCH_CPU_THERMAL_TRIP);
}

static void a_line_changes_what_it_names_alone(void **state)
{
	struct watch_table all;

	assert_int_equal(parse("# x\n\n interval = 7 # y\r\n\tsensor_interval=30\n"
			       "event psu-failed note gone=50\nevent\twatchdog  ignore\n"),
			 0);
	watch_table_defaults(&all);
	all.interval = 7;
	all.sensor_interval = 30;
	all.rule[WATCH_PSU_FAILED].action = WATCH_NOTE;
	all.rule[WATCH_PSU_FAILED].gone_s = 50;
	all.rule[WATCH_WATCHDOG].action = WATCH_IGNORE;
	assert_memory_equal(&t, &all, sizeof(t));
}

static void what_is_wrong_is_named_with_its_line(void **state)
{
	refused("\nintervall = 5\n", "f:2: unknown key 'intervall'");
	refused("interval = 0\n", "f:1: interval: '0' is not a number from 1 to 300");
	refused("interval = 5s\n", "f:1: interval: '5s'");
	refused("interval = -1\n", "f:1: interval: '-1'");
	refused("interval = 99999999999999999999\n", "f:1: interval: ");
	refused("storm_count = 1001\n", "f:1: storm_count: ");
	refused("interval = 5\ninterval = 5\n", "f:2: interval: already set in line 1");
	refused("nonsense\n", "f:1: 'nonsense': neither");
	refused("event\n", "f:1: event: '' is no event");
	refused("event psu-fialed note\n", "f:1: event: 'psu-fialed' is no event");
	refused("event psu-failed\n", "f:1: event psu-failed: '' is not one of");
	refused("event psu-failed promote\n", "f:1: event psu-failed: 'promote' is not one of");
	refused("event psu-failed none\n", "f:1: event psu-failed: 'none' is not one of");
	refused("event psu-failed note gone\n", "f:1: event psu-failed: 'gone' is none of");
	refused("event psu-failed note gone=\n", "f:1: gone: ''");
	refused("event psu-failed note gone=604801\n", "f:1: gone: '604801'");
	refused("event psu-failed note gone=5 gone=6\n", "f:1: event psu-failed: gone= is there twice");
	refused("event psu-failed note since=5\n", "f:1: event psu-failed: 'since' is none of");
	refused("event psu-failed note restart=maybe\n", "f:1: event psu-failed: restart: 'maybe' is not");
	refused("event psu-failed note restart=no restart=no\n",
		"f:1: event psu-failed: restart= is there twice");
	refused("event psu-failed note\nevent psu-failed move\n",
		"f:2: event psu-failed: already set in line 1");
	refused("interval = 5\n\x01\n", "f:2: byte 0x01 is not text");
	refused("interval = 20\n", "f: sensor_interval (10) is shorter than interval (20)");
	refused("event psu-failed note gone=9\n", "f: event psu-failed: gone=9: ");
	refused("sensor_interval = 3600\n", "f: event psu-failed: gone=300: ");
}

static void a_file_that_is_not_there_says_so(void **state)
{
	assert_int_equal(watch_table_load("/nonexistent/x", &t, err), -ENOENT);
	assert_string_equal(err, "/nonexistent/x: No such file or directory");
}

/* Mutations of the shipped file: an error that names the file, or a table in its bounds. */
static void whatever_stands_there_it_is_bounded(void **state)
{
	static char text[16384], mutant[16384];
	FILE *in = fopen("doc/bmc-events.conf", "re");
	size_t len;

	assert_non_null(in);
	len = fread(text, 1, sizeof(text), in);
	fclose(in);
	srandom(7);
	for (int n = 0; n < 5000; n++) {
		memcpy(mutant, text, len);
		for (int i = (int)(random() % 4); i >= 0; i--)
			mutant[(size_t)random() % len] =
				(char)(random() % 4 ? text[(size_t)random() % len] : random());
		watch_table_defaults(&t);
		if (watch_table_parse("f", mutant, (size_t)random() % len, &t, err)) {
			assert_int_equal(err[0], 'f');
			continue;
		}
		assert_in_range(t.interval, 1, 300);
		assert_in_range(t.storm_count, 1, WATCH_STORM_MAX);
		for (int k = 0; k < WATCH_KINDS; k++)
			assert_in_range(t.rule[k].action, WATCH_IGNORE, WATCH_FENCE);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_shipped_file_is_the_default),
		cmocka_unit_test(the_shipped_file_names_everything),
		cmocka_unit_test(only_what_is_grave_moves_or_fences_by_default),
		cmocka_unit_test(a_line_changes_what_it_names_alone),
		cmocka_unit_test(what_is_wrong_is_named_with_its_line),
		cmocka_unit_test(a_file_that_is_not_there_says_so),
		cmocka_unit_test(whatever_stands_there_it_is_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
