/* SPDX-License-Identifier: GPL-2.0-only */
/* agent/follow.h: when the cluster manager has followed a guest that moved. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "agent/follow.h"

#define ROW(vm, started, promoted) "{\"vm\":\"" vm "\",\"started\":" started ",\"promoted\":" promoted "}"
#define ROWS(rows) "{\"rows\":[" rows "]}"
#define MORE(rows) "{\"rows\":[" rows "],\"more\":true}"

static char path[64];

/* A kemari-syncd that says these, and is gone. */
static int after(const char *const said[])
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	const int fd = socket(AF_UNIX, SOCK_SEQPACKET, 0);
	char request[512];
	int rc, s;
	pid_t pid;

	snprintf(path, sizeof(path), "/tmp/kemari-follow-%d", (int)getpid());
	snprintf(a.sun_path, sizeof(a.sun_path), "%s", path);
	unlink(path);
	assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	assert_int_equal(listen(fd, 1), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (!pid) {
		s = accept(fd, NULL, NULL);
		recv(s, request, sizeof(request), 0);
		for (; *said; said++)
			send(s, *said, strlen(*said), MSG_NOSIGNAL);
		_exit(0);
	}
	close(fd);
	rc = follow_cluster(path, "vm1");
	assert_int_equal(waitpid(pid, &s, 0), pid);
	unlink(path);
	return rc;
}

#define AFTER(...) after((const char *const[]){ __VA_ARGS__, NULL })

static void when_it_is_demoted(void **state)
{
	assert_int_equal(AFTER(ROWS(ROW("vm1", "true", "true")), ROWS(ROW("vm1", "true", "true")),
			       ROWS(ROW("vm1", "true", "false"))),
			 0);
}

static void when_it_is_not_its_business(void **state)
{
	assert_int_equal(AFTER(ROWS(ROW("vm1", "false", "false"))), 0);
	assert_int_equal(AFTER(ROWS(ROW("vm2", "true", "true"))), 0);
	assert_int_equal(AFTER(ROWS("")), 0);
}

static void a_table_in_several_packets_is_one(void **state)
{
	assert_int_equal(AFTER(MORE(ROW("vm0", "true", "false")), ROWS(ROW("vm1", "true", "true")),
			       MORE(ROW("vm1", "true", "true")), ROWS(ROW("vm2", "true", "false"))),
			 -ECONNRESET);
	assert_int_equal(AFTER(MORE(ROW("vm1", "true", "true")), ROWS(ROW("vm2", "true", "false")),
			       MORE(ROW("vm1", "true", "false")), ROWS(ROW("vm2", "true", "true"))),
			 0);
}

static void a_daemon_that_is_gone_has_said_nothing(void **state)
{
	assert_int_equal(AFTER(ROWS(ROW("vm1", "true", "true"))), -ECONNRESET);
	assert_int_equal(follow_cluster(path, "vm1"), -ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(when_it_is_demoted),
		cmocka_unit_test(when_it_is_not_its_business),
		cmocka_unit_test(a_table_in_several_packets_is_one),
		cmocka_unit_test(a_daemon_that_is_gone_has_said_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
