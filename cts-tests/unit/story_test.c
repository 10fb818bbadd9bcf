/* SPDX-License-Identifier: GPL-2.0-only */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmocka.h>

#include "syncd/control/story.h"

static char dir[64], file[128];

static int setup(void **state)
{
	struct story *s;

	snprintf(dir, sizeof(dir), "/tmp/kemari-story-XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	snprintf(file, sizeof(file), "%s/vm1.story", dir);
	if (story_open(dir, "vm1", &s))
		return -1;
	*state = s;
	return 0;
}

static int teardown(void **state)
{
	story_close(*state);
	unlink(file);
	rmdir(dir);
	return 0;
}

static const char *text_of(const json_t *rows, size_t i, const char *key)
{
	return json_string_value(json_object_get(json_array_get(rows, i), key));
}

static void reopen(void **state)
{
	struct story *s;

	story_close(*state);
	*state = NULL;
	assert_int_equal(story_open(dir, "vm1", &s), 0);
	*state = s;
}

static void an_entry_says_who_what_when_and_why(void **state)
{
	json_t *rows;

	story_add(*state, "primary", "protected", 0xabcULL, 42, "standby %s holds a complete copy", "xb");
	rows = story_rows(*state);
	assert_int_equal(json_array_size(rows), 1);
	assert_string_equal(text_of(rows, 0, "vm"), "vm1");
	assert_string_equal(text_of(rows, 0, "role"), "primary");
	assert_string_equal(text_of(rows, 0, "state"), "protected");
	assert_string_equal(text_of(rows, 0, "g"), "0000000000000abc");
	assert_string_equal(text_of(rows, 0, "reason"), "standby xb holds a complete copy");
	assert_int_equal(json_integer_value(json_object_get(json_array_get(rows, 0), "epoch")), 42);
	assert_int_equal(strlen(text_of(rows, 0, "time")), strlen("2026-01-31T12:00:00.123Z"));
	json_decref(rows);
}

static void the_story_outlives_the_daemon(void **state)
{
	json_t *rows;

	story_add(*state, "primary", "syncing", 1, 0, "first");
	story_add(*state, "primary", "protected", 1, 1, "second");
	reopen(state);
	story_add(*state, "standby", "parked", 2, 9, "third");
	reopen(state);
	rows = story_rows(*state);
	assert_int_equal(json_array_size(rows), 3);
	assert_string_equal(text_of(rows, 0, "reason"), "first");
	assert_string_equal(text_of(rows, 2, "reason"), "third");
	json_decref(rows);
}

static void torn_and_foreign_lines_are_skipped(void **state)
{
	json_t *rows;
	static const char rubbish[] = "\0\1\n{}\n[1]\nrubbish\n{\"time\":\"2026";
	int fd;

	story_add(*state, "primary", "syncing", 1, 0, "whole");
	fd = open(file, O_WRONLY | O_APPEND);
	assert_int_equal(write(fd, rubbish, sizeof(rubbish) - 1), sizeof(rubbish) - 1);
	close(fd);
	reopen(state);
	story_add(*state, "primary", "protected", 1, 1, "after");
	reopen(state);
	rows = story_rows(*state);
	assert_int_equal(json_array_size(rows), 2);
	assert_string_equal(text_of(rows, 0, "reason"), "whole");
	assert_string_equal(text_of(rows, 1, "reason"), "after");
	json_decref(rows);
}

static void memory_keeps_the_last_entries_in_order(void **state)
{
	json_t *rows;
	int i;

	for (i = 0; i < STORY_KEEP + 10; i++)
		story_add(*state, "primary", "protected", 1, i, "n %d", i);
	rows = story_rows(*state);
	assert_int_equal(json_array_size(rows), STORY_KEEP);
	assert_string_equal(text_of(rows, 0, "reason"), "n 10");
	json_decref(rows);
	reopen(state);
	rows = story_rows(*state);
	assert_int_equal(json_array_size(rows), STORY_KEEP);
	assert_string_equal(text_of(rows, STORY_KEEP - 1, "reason"), "n 521");
	json_decref(rows);
}

static void odd_bytes_and_long_reasons_do_not_lose_an_entry(void **state)
{
	char *reason = malloc(4000);
	json_t *rows;

	memset(reason, 'a', 3999);
	reason[3999] = '\0';
	memcpy(reason, "\xff\n\xc3", 3);
	story_add(*state, "primary", "blocked", 1, 1, "%s", reason);
	rows = story_rows(*state);
	assert_int_equal(json_array_size(rows), 1);
	assert_int_equal(strlen(text_of(rows, 0, "reason")), STORY_REASON_MAX - 1);
	assert_memory_equal(text_of(rows, 0, "reason"), "???aaa", 6);
	json_decref(rows);
	free(reason);
}

static void a_full_disk_loses_nothing_in_memory(void **state)
{
	struct rlimit old, none = { 0, 0 };
	json_t *rows;

	signal(SIGXFSZ, SIG_IGN);
	getrlimit(RLIMIT_FSIZE, &old);
	none.rlim_max = old.rlim_max;
	setrlimit(RLIMIT_FSIZE, &none);
	story_add(*state, "primary", "protected", 1, 1, "kept");
	setrlimit(RLIMIT_FSIZE, &old);
	rows = story_rows(*state);
	assert_int_equal(json_array_size(rows), 1);
	json_decref(rows);
	story_add(*state, "primary", "protected", 1, 2, "written");
	reopen(state);
	rows = story_rows(*state);
	assert_int_equal(json_array_size(rows), 1);
	assert_string_equal(text_of(rows, 0, "reason"), "written");
	json_decref(rows);
}

static void listen_in(void *ctx, const char *vm, json_t *entry)
{
	assert_string_equal(vm, "vm1");
	snprintf(ctx, 16, "%s", json_string_value(json_object_get(entry, "reason")));
}

static void followers_hear_each_new_entry(void **state)
{
	char heard[16] = "";

	story_on_entry(*state, listen_in, heard);
	story_add(*state, "primary", "protected", 1, 2, "now");
	assert_string_equal(heard, "now");
}

static void a_link_in_place_of_the_file_is_refused(void **state)
{
	struct story *s;
	char link[128];

	snprintf(link, sizeof(link), "%s/vm2.story", dir);
	assert_int_equal(symlink("/etc/passwd", link), 0);
	assert_int_equal(story_open(dir, "vm2", &s), -ELOOP);
	unlink(link);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(an_entry_says_who_what_when_and_why),
		TEST(the_story_outlives_the_daemon),
		TEST(torn_and_foreign_lines_are_skipped),
		TEST(memory_keeps_the_last_entries_in_order),
		TEST(odd_bytes_and_long_reasons_do_not_lose_an_entry),
		TEST(a_full_disk_loses_nothing_in_memory),
		TEST(followers_hear_each_new_entry),
		TEST(a_link_in_place_of_the_file_is_refused),
	};

	return cmocka_run_group_tests_name("story", tests, NULL, NULL);
}
