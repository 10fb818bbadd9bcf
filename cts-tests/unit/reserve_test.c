/* SPDX-License-Identifier: GPL-2.0-only */
/* Reserving space in a file. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>

#include <cmocka.h>

#include "reserve.h"

#define LEN ((64ULL << 20) + 4096)

static void on_alarm(int sig)
{
}

static uint64_t reserved(int fd)
{
	struct stat st;

	assert_int_equal(fstat(fd, &st), 0);
	return (uint64_t)st.st_blocks * 512;
}

static void all_of_it_is_there_though_signals_come(void **state)
{
	struct sigaction act = { .sa_handler = on_alarm }, was;
	struct itimerval often = { { 0, 500 }, { 0, 500 } }, never = { 0 };
	int fd = memfd_create("reserve", MFD_CLOEXEC), rc;

	assert_true(fd >= 0);
	assert_int_equal(sigaction(SIGALRM, &act, &was), 0);
	assert_int_equal(setitimer(ITIMER_REAL, &often, NULL), 0);
	rc = reserve_file(fd, 0, LEN);
	setitimer(ITIMER_REAL, &never, NULL);
	sigaction(SIGALRM, &was, NULL);
	assert_int_equal(rc, 0);
	assert_true(reserved(fd) >= LEN);
	close(fd);
}

static void what_cannot_be_reserved_is_an_error(void **state)
{
	assert_int_equal(reserve_file(-1, 0, 4096), -EBADF);
	assert_int_equal(reserve_file(-1, 4096, 4096), 0);
}

static void a_piece_of_it_is_reserved_alone(void **state)
{
	int fd = memfd_create("reserve", MFD_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(reserve_file(fd, 1 << 20, 3 << 20), 0);
	assert_int_equal(reserved(fd), 2 << 20);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_of_it_is_there_though_signals_come),
		cmocka_unit_test(a_piece_of_it_is_reserved_alone),
		cmocka_unit_test(what_cannot_be_reserved_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
