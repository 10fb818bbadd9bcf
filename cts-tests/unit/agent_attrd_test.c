/* SPDX-License-Identifier: GPL-2.0-only */
/* The helper that keeps node attributes, with an attrd_updater that writes down what it is called with. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "agent/daemon/attrd.h"
#include "agent/daemon/helper.h"
#include "monotonic.h"

#define TEXT 8192

struct bed {
	char dir[64], log[96], script[96], fail[96], slow[96];
	struct attrd *a;
};

static void on_gone(void *arg)
{
}

static void write_file(const char *path, const char *text)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static int setup(void **state)
{
	struct bed *b = calloc(1, sizeof(*b));
	char text[512], path[128];

	*state = b;
	if (!b)
		return -1;
	snprintf(b->dir, sizeof(b->dir), "/tmp/kemari-attrd-XXXXXX");
	if (!mkdtemp(b->dir))
		return -1;
	snprintf(b->log, sizeof(b->log), "%s/log", b->dir);
	snprintf(b->script, sizeof(b->script), "%s/attrd_updater", b->dir);
	snprintf(b->fail, sizeof(b->fail), "%s/fail", b->dir);
	snprintf(b->slow, sizeof(b->slow), "%s/slow", b->dir);
	snprintf(text, sizeof(text),
		 "#!/bin/sh\necho \"$*\" >> %s\n[ ! -e %s ] || exec sleep 30\n[ ! -e %s ]\n", b->log, b->slow,
		 b->fail);
	write_file(b->script, text);
	write_file(b->log, "");
	chmod(b->script, 0755);
	snprintf(path, sizeof(path), "%s:/usr/bin:/bin", b->dir);
	setenv("PATH", path, 1);
	return attrd_start(on_gone, b, &b->a);
}

static int teardown(void **state)
{
	struct bed *b = *state;

	attrd_stop(b->a);
	unlink(b->log);
	unlink(b->script);
	unlink(b->fail);
	unlink(b->slow);
	rmdir(b->dir);
	free(b);
	return 0;
}

static void read_log(const struct bed *b, char text[TEXT])
{
	const int fd = open(b->log, O_RDONLY);
	ssize_t n;

	assert_true(fd >= 0);
	n = read(fd, text, TEXT - 1);
	close(fd);
	text[n > 0 ? n : 0] = '\0';
}

/* Waits until the log is that. */
static void expect(const struct bed *b, const char *want, unsigned int ms)
{
	const uint64_t end = monotonic_ns() + ms * 1000000ULL;
	char text[TEXT];

	do {
		usleep(20000);
		read_log(b, text);
	} while (strcmp(text, want) != 0 && monotonic_ns() < end);
	assert_string_equal(text, want);
}

static void values_are_set_and_deleted(void **state)
{
	struct bed *b = *state;

	attrd_there(b->a, true);
	attrd_set(b->a, "master-g1", "1000", 0);
	expect(b, "-n master-g1 -B 1000 -d 0s\n", 5000);
	attrd_set(b->a, "master-g1", "", 0);
	expect(b, "-n master-g1 -B 1000 -d 0s\n-n master-g1 -D\n", 5000);
}

static void scores_come_before_what_is_for_people(void **state)
{
	struct bed *b = *state;

	attrd_set(b->a, "kemari-g1-state", "blocked: cannot fence", 5);
	attrd_set(b->a, "kemari-g1-lag", "", 5);
	attrd_set(b->a, "master-g1", "1000", 0);
	attrd_there(b->a, true);
	expect(b,
	       "-n master-g1 -B 1000 -d 0s\n-n kemari-g1-state -B blocked: cannot fence -d 5s\n"
	       "-n kemari-g1-lag -D\n",
	       5000);
}

static void nothing_is_run_while_pacemaker_is_away(void **state)
{
	struct bed *b = *state;

	attrd_set(b->a, "a", "1", 0);
	attrd_set(b->a, "a", "2", 0);
	attrd_set(b->a, "b", "3", 0);
	usleep(300000);
	expect(b, "", 0);
	attrd_there(b->a, true);
	expect(b, "-n a -B 2 -d 0s\n-n b -B 3 -d 0s\n", 5000);
}

static void what_may_be_lost_is_set_anew(void **state)
{
	struct bed *b = *state;

	attrd_there(b->a, true);
	attrd_set(b->a, "a", "1", 0);
	expect(b, "-n a -B 1 -d 0s\n", 5000);
	attrd_reassert(b->a);
	expect(b, "-n a -B 1 -d 0s\n-R\n-n a -B 1 -d 0s\n", 5000);
}

static void what_failed_is_tried_again(void **state)
{
	struct bed *b = *state;
	char text[TEXT];

	write_file(b->fail, "");
	attrd_there(b->a, true);
	attrd_set(b->a, "a", "1", 0);
	expect(b, "-n a -B 1 -d 0s\n", 5000);
	unlink(b->fail);
	expect(b, "-n a -B 1 -d 0s\n-n a -B 1 -d 0s\n", 5000);
	usleep(1500000);
	read_log(b, text);
	assert_string_equal(text, "-n a -B 1 -d 0s\n-n a -B 1 -d 0s\n");
}

static void a_command_that_hangs_ends_and_the_newest_value_wins(void **state)
{
	struct bed *b = *state;

	write_file(b->slow, "");
	attrd_there(b->a, true);
	attrd_set(b->a, "a", "1", 0);
	expect(b, "-n a -B 1 -d 0s\n", 5000);
	unlink(b->slow);
	assert_int_equal(attrd_set(b->a, "a", "2", 0), 0); /* waits for nothing */
	attrd_set(b->a, "a", "3", 0);
	expect(b, "-n a -B 1 -d 0s\n-n a -B 3 -d 0s\n", 10000);
}

static void commands_have_output_and_status(void **state)
{
	static const char *const argv[] = { "sh", "-c", "echo off; exit 3", NULL };
	static const char *const missing[] = { "/nonexistent", NULL };
	static const char *const endless[] = { "sh", "-c", "while :; do echo x; done", NULL };
	char out[8];

	assert_int_equal(helper_command(argv, 5000, out, sizeof(out)), 3);
	assert_string_equal(out, "off\n");
	assert_int_equal(helper_command(missing, 5000, out, sizeof(out)), -ENOENT);
	assert_int_equal(helper_command(endless, 300, out, sizeof(out)), -ETIMEDOUT);
	assert_string_equal(out, "x\nx\nx\nx");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(values_are_set_and_deleted, setup, teardown),
		cmocka_unit_test_setup_teardown(scores_come_before_what_is_for_people, setup, teardown),
		cmocka_unit_test_setup_teardown(nothing_is_run_while_pacemaker_is_away, setup, teardown),
		cmocka_unit_test_setup_teardown(what_may_be_lost_is_set_anew, setup, teardown),
		cmocka_unit_test_setup_teardown(what_failed_is_tried_again, setup, teardown),
		cmocka_unit_test_setup_teardown(a_command_that_hangs_ends_and_the_newest_value_wins, setup,
						teardown),
		cmocka_unit_test(commands_have_output_and_status),
	};

	return cmocka_run_group_tests_name("agent_attrd", tests, NULL, NULL);
}
