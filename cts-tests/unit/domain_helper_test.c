/* SPDX-License-Identifier: GPL-2.0-only */
/* Running the libxl helper from the loop, with /bin/sh in its place: what it says, how it ends, that it is
 * reaped. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>
#include <qb/qbloop.h>

#include "domain/domain_helper.h"
#include "lib/log.h"

struct bed {
	qb_loop_t *loop;
	struct domain_helper *h;
	int calls, code;
	char *json, *error;
};

static void on_done(void *arg, int code, const char *json, const char *error)
{
	struct bed *b = arg;

	b->calls++;
	b->code = code;
	b->json = strdup(json);
	b->error = strdup(error);
	qb_loop_stop(b->loop);
}

static void start(struct bed *b, const char *script, const char *input, unsigned int timeout_ms)
{
	const char *const argv[] = { "-c", script, NULL };

	memset(b, 0, sizeof(*b));
	b->loop = qb_loop_create();
	assert_int_equal(domain_helper_run(b->loop, "/bin/sh", argv, input, timeout_ms, on_done, b, &b->h),
			 0);
}

static void end(struct bed *b)
{
	free(b->json);
	free(b->error);
	qb_loop_destroy(b->loop);
	/* Nobody is left behind. */
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	assert_int_equal(errno, ECHILD);
}

static void run(struct bed *b, const char *script, const char *input, unsigned int timeout_ms)
{
	start(b, script, input, timeout_ms);
	qb_loop_run(b->loop);
	assert_int_equal(b->calls, 1);
}

static void the_record_goes_in_and_the_result_comes_out(void **state)
{
	char *record = malloc(60001);
	struct bed b;

	memset(record, 'r', 60000);
	record[60000] = '\0';
	run(&b, "echo noise >&2; cat; echo", record, 5000);
	assert_int_equal(b.code, DOMAIN_HELPER_OK);
	assert_string_equal(b.json, record);
	assert_string_equal(b.error, "");
	end(&b);
	free(record);
}

static void an_error_is_one_line_with_its_status(void **state)
{
	struct bed b;

	run(&b, "printf 'kemari-domain: one\\ntwo\\001\\n' >&2; exit 4", NULL, 5000);
	assert_int_equal(b.code, DOMAIN_HELPER_DOMID_BUSY);
	assert_string_equal(b.error, "kemari-domain: one two");
	assert_string_equal(b.json, "");
	end(&b);
	run(&b, "exit 1", NULL, 5000);
	assert_int_equal(b.code, DOMAIN_HELPER_FAILED);
	assert_non_null(strstr(b.error, "status 1"));
	end(&b);
}

static void a_helper_that_hangs_is_killed_with_its_children(void **state)
{
	struct bed b;
	char *path = strdup("/tmp/kemari-helper-XXXXXX"), script[128];
	int fd = mkstemp(path), i;
	pid_t grandchild = 0;
	FILE *f;

	close(fd);
	snprintf(script, sizeof(script), "sleep 100 & echo $! > %s; wait", path);
	run(&b, script, NULL, 300);
	assert_int_equal(b.code, DOMAIN_HELPER_KILLED);
	assert_non_null(strstr(b.error, "300 ms"));
	end(&b);
	f = fopen(path, "r");
	assert_int_equal(fscanf(f, "%d", &grandchild), 1);
	fclose(f);
	unlink(path);
	free(path);
	/* Its death is the kernel's and init's business and takes a moment. */
	for (i = 0; i < 200 && !kill(grandchild, 0); i++) {
		char stat[64], line[256] = "";

		snprintf(stat, sizeof(stat), "/proc/%d/stat", grandchild);
		f = fopen(stat, "r");
		if (f && fgets(line, sizeof(line), f) && strstr(line, ") Z"))
			i = 1000;
		if (f)
			fclose(f);
		usleep(10000);
	}
	assert_true(i != 200);
}

static void a_result_does_not_wait_for_who_holds_the_pipe(void **state)
{
	struct timespec t0, t1;
	struct bed b;

	clock_gettime(CLOCK_MONOTONIC, &t0);
	run(&b, "sleep 2 & echo '{}'", NULL, 5000);
	clock_gettime(CLOCK_MONOTONIC, &t1);
	assert_int_equal(b.code, DOMAIN_HELPER_OK);
	assert_string_equal(b.json, "{}");
	assert_true(t1.tv_sec - t0.tv_sec < 2);
	end(&b);
}

static void too_much_output_is_cut_and_an_error(void **state)
{
	struct bed b;

	run(&b, "head -c 200000 /dev/zero | tr '\\0' x", NULL, 5000);
	assert_int_equal(b.code, DOMAIN_HELPER_KILLED);
	assert_non_null(strstr(b.error, "more than"));
	assert_true(strlen(b.json) <= DOMAIN_HELPER_MAX_OUT + 1);
	end(&b);
	run(&b, "head -c 200000 /dev/zero | tr '\\0' x >&2; exit 1", NULL, 5000);
	assert_int_equal(b.code, DOMAIN_HELPER_FAILED);
	end(&b);
}

static void nothing_of_the_daemon_leaks_into_it(void **state)
{
	int fd = open("/dev/null", 0);
	sigset_t set, old;
	struct bed b;

	/* Without close-on-exec, with a signal blocked and one ignored. */
	dup2(fd, 50);
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_BLOCK, &set, &old);
	signal(SIGUSR1, SIG_IGN);
	run(&b, "if [ -e /proc/self/fd/50 ]; then echo leaked; fi; kill -TERM $$; echo blocked", NULL, 5000);
	sigprocmask(SIG_SETMASK, &old, NULL);
	signal(SIGUSR1, SIG_DFL);
	close(50);
	close(fd);
	assert_int_equal(b.code, DOMAIN_HELPER_KILLED);
	assert_non_null(strstr(b.error, "signal 15"));
	assert_string_equal(b.json, "");
	end(&b);
}

static void cancel_ends_it_without_a_call(void **state)
{
	struct bed b;

	start(&b, "sleep 100", NULL, 5000);
	domain_helper_cancel(b.h);
	assert_int_equal(b.calls, 0);
	end(&b);
}

static void a_program_that_is_not_there_is_an_error_at_once(void **state)
{
	static const char *const argv[] = { "destroy", NULL };
	struct domain_helper *h;
	qb_loop_t *loop = qb_loop_create();

	assert_int_equal(
		domain_helper_run(loop, "/nonexistent/kemari-domain", argv, NULL, 1000, on_done, NULL, &h),
		-ENOENT);
	qb_loop_destroy(loop);
}

static int quiet(void **state)
{
	kem_log_init("domain_helper_test", false, false);
	qb_log_ctl(QB_LOG_SYSLOG, QB_LOG_CONF_ENABLED, QB_FALSE);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_record_goes_in_and_the_result_comes_out),
		cmocka_unit_test(an_error_is_one_line_with_its_status),
		cmocka_unit_test(a_helper_that_hangs_is_killed_with_its_children),
		cmocka_unit_test(a_result_does_not_wait_for_who_holds_the_pipe),
		cmocka_unit_test(too_much_output_is_cut_and_an_error),
		cmocka_unit_test(nothing_of_the_daemon_leaks_into_it),
		cmocka_unit_test(cancel_ends_it_without_a_call),
		cmocka_unit_test(a_program_that_is_not_there_is_an_error_at_once),
	};

	return cmocka_run_group_tests(tests, quiet, NULL);
}
