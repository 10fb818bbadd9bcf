/* SPDX-License-Identifier: GPL-2.0-only */
/* The faults of the special build: each leaves out what it says, and nothing else. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#ifndef KEMARI_FAULTS
#define KEMARI_FAULTS
#endif
#include "syncd/capture/fault.c" /* NOLINT(bugprone-suspicious-include) */

static char dir[] = "/tmp/kemari-fault-XXXXXX";
static char path[64];

static int setup(void **state)
{
	strcpy(dir + strlen(dir) - 6, "XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	snprintf(path, sizeof(path), "%s/" FAULT_FILE, dir);
	return 0;
}

static int teardown(void **state)
{
	unlink(path);
	return rmdir(dir);
}

static void name(const char *text)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static void the_file_is_read_at_each_capture(void **state)
{
	struct fault f = { 0 };

	fault_begin(&f, dir, "g1");
	assert_int_equal(f.kind, FAULT_NONE);
	name("ring-page\n");
	fault_begin(&f, dir, "g1");
	assert_int_equal(f.kind, FAULT_RING_PAGE);
	name("timer");
	fault_begin(&f, dir, "g1");
	assert_int_equal(f.kind, FAULT_TIMER);
	name("");
	fault_begin(&f, dir, "g1");
	assert_int_equal(f.kind, FAULT_NONE);
}

static void an_unknown_name_is_no_fault(void **state)
{
	enum fault_kind kind = FAULT_NONE;

	assert_int_equal(fault_parse("ring-pages", 10, &kind), -EINVAL);
	assert_int_equal(fault_parse("ring", 4, &kind), -EINVAL);
	assert_int_equal(kind, FAULT_NONE);
}

static void the_daemon_ends_at_an_unknown_name(void **state)
{
	int status = 0;
	pid_t pid;

	name("no such thing");
	pid = fork();
	assert_true(pid >= 0);
	if (!pid) {
		struct fault f = { 0 };

		fault_begin(&f, dir, "g1");
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) != 0);
}

static void one_mark_of_each_harvest_is_dropped(void **state)
{
	struct fault f = { .kind = FAULT_DIRTY_MARK };
	unsigned int dropped = 0;

	for (uint32_t i = 0; i < 5; i++)
		dropped += fault_drops_mark(&f, i, 5);
	assert_int_equal(dropped, 1);
	assert_false(fault_drops_mark(&f, 0, 1));
	f.done = false;
	assert_true(fault_drops_mark(&f, 0, 1));
	f = (struct fault){ .kind = FAULT_TIMER };
	assert_false(fault_drops_mark(&f, 0, 1));
}

static void a_fault_leaves_out_its_pages_only(void **state)
{
	static const enum pin_kind kind[] = { PIN_GRANT,   PIN_SHARED_INFO, PIN_STORE,
					      PIN_CONSOLE, PIN_VCPU_INFO,   PIN_RING };
	static const struct {
		enum fault_kind fault;
		const char *dropped; /* of kind[] and of a page that is not pinned */
	} row[] = { { FAULT_NONE, "-------" },	    { FAULT_DIRTY_MARK, "-------" },
		    { FAULT_RING_PAGE, "-----x-" }, { FAULT_GRANT_PAGE, "x------" },
		    { FAULT_VCPU_INFO, "-x--x--" }, { FAULT_TIMER, "-------" } };
	static struct pins pins;

	pins.nr = 0;
	for (unsigned int i = 0; i < 6; i++)
		pins_add(&pins, i, kind[i]);
	for (unsigned int r = 0; r < 6; r++) {
		struct fault f = { .kind = row[r].fault };

		for (unsigned int i = 0; i < 7; i++)
			assert_int_equal(fault_drops_page(&f, &pins, i), row[r].dropped[i] == 'x');
	}
}

static void only_the_timer_fault_disarms_timers(void **state)
{
	struct {
		struct xen_kemari_state s;
		struct xen_kemari_vcpu v[2];
	} b = { .s = { .nr_vcpus = 2 } };
	struct fault f = { .kind = FAULT_RING_PAGE };

	for (unsigned int i = 0; i < 2; i++)
		b.v[i] = (struct xen_kemari_vcpu){ .flags = XEN_KEMARI_VF_online | XEN_KEMARI_VF_singleshot,
						   .singleshot_abs = 9 };
	fault_spoil_state(&f, &b.s);
	assert_int_equal(b.v[1].singleshot_abs, 9);
	f.kind = FAULT_TIMER;
	fault_spoil_state(&f, &b.s);
	for (unsigned int i = 0; i < 2; i++) {
		assert_int_equal(b.v[i].flags, XEN_KEMARI_VF_online);
		assert_int_equal(b.v[i].singleshot_abs, 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(the_file_is_read_at_each_capture, setup, teardown),
		cmocka_unit_test(an_unknown_name_is_no_fault),
		cmocka_unit_test_setup_teardown(the_daemon_ends_at_an_unknown_name, setup, teardown),
		cmocka_unit_test(one_mark_of_each_harvest_is_dropped),
		cmocka_unit_test(a_fault_leaves_out_its_pages_only),
		cmocka_unit_test(only_the_timer_fault_disarms_timers),
	};

	return cmocka_run_group_tests_name("fault", tests, NULL, NULL);
}
