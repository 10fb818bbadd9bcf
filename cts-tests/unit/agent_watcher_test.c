/* SPDX-License-Identifier: GPL-2.0-only */
/* The helper that keeps the kemari-bmcs, with shell scripts in their place. */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>
#include <qb/qbloop.h>

#include "agent/daemon/watcher.h"
#include "monotonic.h"

#define MS 1000000ULL
#define WELL "\"bmc\":\"ok\",\"why\":null,\"power\":\"on\",\"uuid\":null,\"events\":[],\"worst\":\"none\"}'\n"
/* One line about the host that it was started for. */
#define SAY "echo '{\"host\":\"'$2'\"," WELL

struct bed {
	qb_loop_t *loop;
	struct watcher *watcher;
	char folder[32], program[64], starts[64];
	unsigned int reports, of_xb, wanted;
	bool gone;
};

static void on_report(void *arg, const char *host, const struct health_report *r)
{
	struct bed *b = arg;

	assert_int_equal(r->worst, WATCH_IGNORE);
	b->reports++;
	b->of_xb += !strcmp(host, "xb");
	if (b->reports == b->wanted)
		qb_loop_stop(b->loop);
}

static void on_gone(void *arg)
{
	struct bed *b = arg;

	b->gone = true;
	qb_loop_stop(b->loop);
}

static void stop(void *arg)
{
	struct bed *b = arg;

	qb_loop_stop(b->loop);
}

static const struct watcher_ops ops = { .report = on_report, .gone = on_gone };

/* A watcher of xa, and of xb, whose kemari-bmc is the script; each start of it adds a line to b->starts. */
static struct bed *begin(const char *script, unsigned int nr, unsigned int silent_ms)
{
	struct watcher_conf conf = { .pause_ms = 20, .silent_ms = silent_ms, .nr = nr };
	struct bed *b = calloc(1, sizeof(*b));
	FILE *f;

	assert_non_null(b);
	strcpy(b->folder, "/tmp/kemari-watcher-XXXXXX");
	assert_non_null(mkdtemp(b->folder));
	snprintf(b->program, sizeof(b->program), "%s/bmc", b->folder);
	snprintf(b->starts, sizeof(b->starts), "%s/starts", b->folder);
	f = fopen(b->program, "we");
	assert_non_null(f);
	fprintf(f, "#!/bin/sh\necho \"$*\" >> %s\n%s", b->starts, script);
	assert_int_equal(fclose(f), 0);
	assert_int_equal(chmod(b->program, 0700), 0);
	conf.program = b->program;
	strcpy(conf.bmc[0].host, "xa");
	strcpy(conf.bmc[0].file, "/f a");
	strcpy(conf.bmc[1].host, "xb");
	strcpy(conf.bmc[1].file, "/fb");
	b->loop = qb_loop_create();
	assert_int_equal(watcher_start(&conf, &ops, b, &b->watcher), 0);
	assert_int_equal(watcher_listen(b->watcher, b->loop), 0);
	return b;
}

/* Until so many reports came, or so long. */
static void run(struct bed *b, unsigned int reports, unsigned int ms)
{
	qb_loop_timer_handle timer;

	b->wanted = reports;
	qb_loop_timer_add(b->loop, QB_LOOP_MED, ms * MS, b, stop, &timer);
	qb_loop_run(b->loop);
	qb_loop_timer_del(b->loop, timer);
}

static unsigned int starts(const struct bed *b)
{
	FILE *f = fopen(b->starts, "re");
	unsigned int n = 0;
	int c;

	while (f && (c = fgetc(f)) != EOF)
		n += c == '\n';
	if (f)
		fclose(f);
	return n;
}

static void end(struct bed *b)
{
	watcher_stop(b->watcher);
	qb_loop_destroy(b->loop);
	unlink(b->program);
	unlink(b->starts);
	rmdir(b->folder);
	free(b);
}

static void each_bmc_has_one(void **state)
{
	struct bed *b = begin(SAY "exec sleep 100\n", 2, 60000);
	char line[64] = "";
	FILE *f;

	run(b, 2, 10000);
	assert_int_equal(b->reports, 2);
	assert_int_equal(b->of_xb, 1);
	assert_int_equal(starts(b), 2);
	f = fopen(b->starts, "re");
	assert_non_null(f);
	assert_non_null(fgets(line, sizeof(line), f));
	fclose(f);
	assert_true(!strcmp(line, "--host xa --bmc-config /f a\n") ||
		    !strcmp(line, "--host xb --bmc-config /fb\n"));
	end(b);
}

static void one_that_ends_is_started_anew_ever_slower(void **state)
{
	struct bed *b = begin(SAY "exit 1\n", 1, 60000);
	uint64_t before = monotonic_ns(), first, more;

	run(b, 2, 10000);
	assert_int_equal(b->reports, 2);
	first = monotonic_ns() - before;
	/* 40, 80, 160, 320 ms at least; the turns are of 200 */
	before = monotonic_ns();
	run(b, 6, 20000);
	assert_int_equal(b->reports, 6);
	more = monotonic_ns() - before;
	assert_true(first >= 20 * MS);
	assert_true(more >= 600 * MS);
	end(b);
}

/* It is ended, and the next one starts. */
static void not_suffered(const char *script, unsigned int silent_ms)
{
	struct bed *b = begin(script, 1, silent_ms);
	const uint64_t before = monotonic_ns();

	while (starts(b) < 2 && monotonic_ns() - before < 15000 * MS)
		run(b, 0, 50);
	assert_true(starts(b) >= 2);
	assert_false(b->gone);
	end(b);
}

static void nonsense_is_not_suffered(void **state)
{
	not_suffered("echo nonsense\nexec sleep 100\n", 60000);
	not_suffered("echo '{\"host\":\"xz\"," WELL "exec sleep 100\n", 60000);
}

static void a_line_without_an_end_is_not_suffered(void **state)
{
	not_suffered("exec tr '\\0' x < /dev/zero\n", 60000);
}

static void too_many_lines_are_not_suffered(void **state)
{
	not_suffered("while :; do " SAY "done\n", 60000);
}

static void silence_is_not_suffered(void **state)
{
	not_suffered("exec sleep 100\n", 300);
}

static void one_that_does_not_end_is_killed(void **state)
{
	not_suffered("trap '' TERM\nexec >&-\nwhile [ -e \"$0\" ]; do sleep 0.1; done\n", 60000);
}

static void a_program_that_is_not_there_is_waited_for(void **state)
{
	struct bed *b = begin("", 1, 60000);
	char hidden[80];

	snprintf(hidden, sizeof(hidden), "%s.away", b->program);
	assert_int_equal(rename(b->program, hidden), 0);
	run(b, 0, 500);
	assert_false(b->gone);
	assert_int_equal(b->reports, 0);
	assert_int_equal(rename(hidden, b->program), 0);
	while (!starts(b) && !b->gone)
		run(b, 0, 50);
	assert_false(b->gone);
	end(b);
}

/* None outlives it: a pipe that nobody reads ends each. */
static void they_end_with_it(void **state)
{
	struct bed *b = begin(SAY "echo $$ > \"${0%/bmc}/pid\"\nwhile sleep 0.1; do " SAY "done\n", 1, 60000);
	char path[80];
	int pid = 0, i;
	FILE *f;

	run(b, 3, 10000);
	snprintf(path, sizeof(path), "%s/pid", b->folder);
	f = fopen(path, "re");
	assert_non_null(f);
	assert_int_equal(fscanf(f, "%d", &pid), 1);
	fclose(f);
	unlink(path);
	assert_int_equal(kill(pid, 0), 0);
	end(b);
	for (i = 0; i < 100 && !kill(pid, 0); i++)
		usleep(50000);
	assert_int_equal(kill(pid, 0), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_bmc_has_one),
		cmocka_unit_test(one_that_ends_is_started_anew_ever_slower),
		cmocka_unit_test(nonsense_is_not_suffered),
		cmocka_unit_test(a_line_without_an_end_is_not_suffered),
		cmocka_unit_test(too_many_lines_are_not_suffered),
		cmocka_unit_test(silence_is_not_suffered),
		cmocka_unit_test(one_that_does_not_end_is_killed),
		cmocka_unit_test(a_program_that_is_not_there_is_waited_for),
		cmocka_unit_test(they_end_with_it),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests_name("agent_watcher", tests, NULL, NULL);
}
