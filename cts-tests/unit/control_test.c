/* SPDX-License-Identifier: GPL-2.0-only */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <qb/qbloop.h>

#include "syncd/control/control.h"

#define NOBODY 65534

struct bed {
	struct qb_loop *loop;
	struct control *srv;
	char dir[64], path[96];
	unsigned int calls;
	struct control_request last;
	struct control_client *open; /* of the last call, unless it was answered at once */
	bool answer_at_once;
};

static void on_request(void *ctx, struct control_client *c, const struct control_request *r)
{
	struct bed *bed = ctx;

	bed->calls++;
	bed->last = *r;
	bed->open = c;
	if (bed->answer_at_once) {
		bed->open = NULL;
		control_done(c, NULL);
	}
}

static int start(struct bed *bed, const char *group)
{
	static const struct control_handlers handlers = { .request = on_request };
	struct control_options opt = { .path = bed->path, .access_group = group };

	return control_start(bed->loop, &handlers, bed, &opt, &bed->srv);
}

static int setup(void **state)
{
	struct bed *bed = calloc(1, sizeof(*bed));

	*state = bed;
	if (!bed)
		return -1;
	bed->loop = qb_loop_create();
	snprintf(bed->dir, sizeof(bed->dir), "/tmp/kemari-control-XXXXXX");
	if (!mkdtemp(bed->dir) || chmod(bed->dir, 0755))
		return -1;
	snprintf(bed->path, sizeof(bed->path), "%s/%s", bed->dir, CONTROL_SOCKET);
	return start(bed, NULL);
}

static int teardown(void **state)
{
	struct bed *bed = *state;

	control_stop(bed->srv);
	qb_loop_destroy(bed->loop);
	unlink(bed->path);
	rmdir(bed->dir);
	free(bed);
	return 0;
}

static void stop_loop(void *data)
{
	qb_loop_stop(data);
}

/* Lets the server do all that is there to do. */
static void turn(struct bed *bed)
{
	qb_loop_timer_handle timer;

	qb_loop_timer_add(bed->loop, QB_LOOP_LOW, 3000000, bed->loop, stop_loop, &timer);
	qb_loop_run(bed->loop);
}

static int dial(const char *path)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", path);
	if (connect(fd, (struct sockaddr *)&addr, sizeof(addr))) {
		int rc = -errno;

		close(fd);
		return rc;
	}
	return fd;
}

static int client(struct bed *bed)
{
	int fd = dial(bed->path);

	assert_true(fd >= 0);
	turn(bed);
	return fd;
}

static void say(struct bed *bed, int fd, const char *text)
{
	assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
	turn(bed);
}

/* The next answer, NULL if there is none. */
static json_t *hear(int fd)
{
	static char text[CONTROL_MSG_MAX];
	ssize_t n = recv(fd, text, sizeof(text), 0);

	return n > 0 ? json_loadb(text, n, 0, NULL) : NULL;
}

static bool closed(int fd)
{
	char byte;

	return recv(fd, &byte, 1, 0) == 0;
}

static void expect_error(int fd, int code, const char *part)
{
	json_t *answer = hear(fd);

	assert_non_null(answer);
	if (!strstr(json_string_value(json_object_get(answer, "error")), part))
		fail_msg("'%s' is not in '%s'", part, json_string_value(json_object_get(answer, "error")));
	assert_true(json_string_length(json_object_get(answer, "fix")) > 0);
	assert_int_equal(json_integer_value(json_object_get(answer, "code")), code);
	json_decref(answer);
}

static void expect_ok(int fd)
{
	json_t *answer = hear(fd);

	assert_true(json_is_true(json_object_get(answer, "ok")));
	json_decref(answer);
}

static void a_request_reaches_the_handler_checked(void **state)
{
	struct bed *bed = *state;
	int fd = client(bed);

	bed->answer_at_once = true;
	say(bed, fd, "{\"op\":\"protect\",\"vm\":\"vm1\",\"host\":\"xb\"}");
	expect_ok(fd);
	assert_int_equal(bed->last.op, CONTROL_PROTECT);
	assert_string_equal(bed->last.vm, "vm1");
	assert_string_equal(bed->last.host, "xb");
	say(bed, fd, "{\"op\":\"promote\",\"vm\":\"vm-2.x\",\"primary_is_off\":true}");
	expect_ok(fd);
	assert_int_equal(bed->last.op, CONTROL_PROMOTE);
	assert_true(bed->last.primary_is_off);
	assert_false(bed->last.standby_is_gone);
	say(bed, fd, "{\"op\":\"verify\",\"vm\":\"vm1\"}");
	expect_ok(fd);
	assert_int_equal(bed->last.epochs, 1);
	say(bed, fd, "{\"op\":\"create\",\"config\":\"/etc/xen/vm1.cfg\"}");
	expect_ok(fd);
	assert_string_equal(bed->last.config, "/etc/xen/vm1.cfg");
	assert_int_equal(bed->calls, 4);
	close(fd);
}

static void the_clusters_requests_reach_the_handler_checked(void **state)
{
	struct bed *bed = *state;
	int fd = client(bed);

	bed->answer_at_once = true;
	say(bed, fd, "{\"op\":\"resource-start\",\"vm\":\"vm1\",\"config\":\"/etc/xen/vm1.cfg\"}");
	expect_ok(fd);
	assert_int_equal(bed->last.op, CONTROL_RESOURCE_START);
	assert_string_equal(bed->last.config, "/etc/xen/vm1.cfg");
	say(bed, fd, "{\"op\":\"resource-stop\",\"vm\":\"vm1\",\"timeout\":86400}");
	expect_ok(fd);
	assert_int_equal(bed->last.op, CONTROL_RESOURCE_STOP);
	assert_int_equal(bed->last.timeout, 86400);
	say(bed, fd, "{\"op\":\"resource-promote\",\"vm\":\"vm1\"}");
	expect_ok(fd);
	assert_int_equal(bed->last.timeout, 0);
	say(bed, fd, "{\"op\":\"host-off\",\"host\":\"xa\",\"boot\":\"0123456789abcdef\"}");
	expect_ok(fd);
	assert_string_equal(bed->last.host, "xa");
	assert_true(bed->last.boot == 0x0123456789abcdefULL);
	say(bed, fd,
	    "{\"op\":\"host-fenced\",\"host\":\"xa\",\"boot\":\"0123456789abcdef\",\"why\":\"asked for by "
	    "xb\"}");
	expect_ok(fd);
	assert_int_equal(bed->last.op, CONTROL_HOST_FENCED);
	assert_string_equal(bed->last.why, "asked for by xb");
	say(bed, fd, "{\"op\":\"message\",\"from\":\"xb\",\"data\":\"00ff7f\"}");
	expect_ok(fd);
	assert_string_equal(bed->last.host, "xb");
	assert_int_equal(bed->last.data_len, 3);
	assert_memory_equal(bed->last.data, "\x00\xff\x7f", 3);
	say(bed, fd, "{\"op\":\"relay\",\"watch\":true}");
	expect_ok(fd);
	assert_int_equal(bed->last.op, CONTROL_RELAY);
	assert_true(bed->last.watch);
	close(fd);
}

static void answers_come_in_order_and_end_with_one_last(void **state)
{
	struct bed *bed = *state;
	struct control_copy copy = { .phase = "copying", .round = 2, .bytes = 1ULL << 40, .rate = 5 };
	json_t *answer, *p;
	int fd = client(bed);

	say(bed, fd, "{\"op\":\"switchover\",\"vm\":\"vm1\"}");
	control_progress(bed->open, control_copy_row(&copy));
	control_rows(bed->open, json_pack("[{s:s}]", "a", "b"));
	control_done(bed->open, json_pack("{s:i, s:b}", "epoch", 7, "ok", 0));
	answer = hear(fd);
	p = json_object_get(answer, "progress");
	assert_string_equal(json_string_value(json_object_get(p, "phase")), "copying");
	assert_int_equal(json_integer_value(json_object_get(p, "bytes")), 1ULL << 40);
	json_decref(answer);
	answer = hear(fd);
	assert_int_equal(json_array_size(json_object_get(answer, "rows")), 1);
	json_decref(answer);
	answer = hear(fd);
	assert_true(json_is_true(json_object_get(answer, "ok")));
	assert_int_equal(json_integer_value(json_object_get(answer, "epoch")), 7);
	json_decref(answer);
	assert_null(hear(fd));
	close(fd);
}

static void hostile_requests_get_one_error_and_change_nothing(void **state)
{
	static const struct {
		const char *text, *part;
	} bad[] = {
		{ "{", "not JSON" },
		{ "{\"op\":\"status\"", "not JSON" },
		{ "\001\002\003", "not JSON" },
		{ "{\"op\":\"status\"}{\"op\":\"status\"}", "not JSON" },
		{ "{\"op\":\"status\",\"op\":\"log\"}", "not JSON" },
		{ "{\"op\":\"log\",\"vm\":\"a\\u0000b\"}", "not JSON" },
		{ "[\"status\"]", "not a JSON object" },
		{ "{}", "has no op" },
		{ "{\"op\":7}", "has no op" },
		{ "{\"op\":\"format\"}", "unknown op 'format'" },
		{ "{\"op\":\"status\",\"force\":true}", "status has no 'force'" },
		{ "{\"op\":\"status\",\"host\":\"xb\"}", "status has no 'host'" },
		{ "{\"op\":\"status\",\"recent\":1}", "recent is not a boolean" },
		{ "{\"op\":\"unprotect\",\"vm\":\"vm1\",\"primary_is_off\":true}",
		  "unprotect has no 'primary_is_off'" },
		{ "{\"op\":\"log\"}", "vm is missing" },
		{ "{\"op\":\"protect\",\"vm\":\"vm1\"}", "host is missing" },
		{ "{\"op\":\"create\"}", "config is missing" },
		{ "{\"op\":\"log\",\"vm\":1}", "vm is not a string" },
		{ "{\"op\":\"log\",\"vm\":\"\"}", "vm has not 1 to 63 bytes" },
		{ "{\"op\":\"log\",\"vm\":\"../../etc/passwd\"}", "vm has characters" },
		{ "{\"op\":\"log\",\"vm\":\"..\"}", "vm has characters" },
		{ "{\"op\":\"log\",\"vm\":\"-x\"}", "vm has characters" },
		{ "{\"op\":\"log\",\"vm\":"
		  "\"0123456789012345678901234567890123456789012345678901234567890123\"}",
		  "vm has not" },
		{ "{\"op\":\"protect\",\"vm\":\"vm1\",\"host\":\"x b\"}", "host has characters" },
		{ "{\"op\":\"create\",\"config\":\"vm1.cfg\"}", "config has characters" },
		{ "{\"op\":\"create\",\"config\":\"/a\\nb\"}", "config has characters" },
		{ "{\"op\":\"promote\",\"vm\":\"vm1\",\"primary_is_off\":1}",
		  "primary_is_off is not a boolean" },
		{ "{\"op\":\"promote\",\"vm\":\"vm1\",\"primary_is_off\":\"true\"}", "is not a boolean" },
		{ "{\"op\":\"forget\"}", "vm is missing" },
		{ "{\"op\":\"forget\",\"vm\":\"vm1\",\"last_copy\":1}", "last_copy is not a boolean" },
		{ "{\"op\":\"cold-start\"}", "vm is missing" },
		{ "{\"op\":\"cold-start\",\"vm\":\"vm1\",\"peer_is_off\":1}",
		  "peer_is_off is not a boolean" },
		{ "{\"op\":\"cold-start\",\"vm\":\"vm1\",\"host\":\"xa\"}", "has no 'host'" },
		{ "{\"op\":\"verify\",\"vm\":\"vm1\",\"epochs\":0}", "epochs is not a number" },
		{ "{\"op\":\"verify\",\"vm\":\"vm1\",\"epochs\":1000001}", "epochs is not a number" },
		{ "{\"op\":\"verify\",\"vm\":\"vm1\",\"epochs\":1.5}", "epochs is not a number" },
		{ "{\"op\":\"verify\",\"vm\":\"vm1\",\"epochs\":99999999999999999999}", "not JSON" },
		{ "{\"op\":\"resource-start\",\"vm\":\"vm1\"}", "config is missing" },
		{ "{\"op\":\"resource-stop\",\"vm\":\"vm1\",\"timeout\":0}", "timeout is not a number" },
		{ "{\"op\":\"resource-stop\",\"vm\":\"vm1\",\"timeout\":86401}", "timeout is not a number" },
		{ "{\"op\":\"resource-demote\",\"vm\":\"vm1\",\"timeout\":5}", "has no 'timeout'" },
		{ "{\"op\":\"host-off\",\"host\":\"xa\"}", "boot is missing" },
		{ "{\"op\":\"host-off\",\"host\":\"xa\",\"boot\":\"0\"}", "boot is not a string" },
		{ "{\"op\":\"host-off\",\"host\":\"xa\",\"boot\":\"00000000\"}", "boot is no number" },
		{ "{\"op\":\"host-off\",\"host\":\"xa\",\"boot\":\"0000000000000000\"}",
		  "boot is no number" },
		{ "{\"op\":\"host-off\",\"host\":\"xa\",\"boot\":\"0123456789abcdeF\"}",
		  "boot has characters" },
		{ "{\"op\":\"host-off\",\"host\":\"xa\",\"boot\":7}", "boot is not a string" },
		{ "{\"op\":\"host-fenced\",\"host\":\"xa\",\"boot\":\"0123456789abcdef\"}",
		  "why is missing" },
		{ "{\"op\":\"host-fenced\",\"host\":\"xa\",\"boot\":\"0123456789abcdef\",\"why\":\"a\\nb\"}",
		  "why has characters" },
		{ "{\"op\":\"host-off\",\"host\":\"xa\",\"boot\":\"0123456789abcdef\",\"why\":\"x\"}",
		  "has no 'why'" },
		{ "{\"op\":\"message\",\"data\":\"00\"}", "from is missing" },
		{ "{\"op\":\"message\",\"host\":\"xb\",\"data\":\"00\"}", "has no 'host'" },
		{ "{\"op\":\"message\",\"from\":\"xb\",\"data\":\"\"}", "data is not a string of 1" },
		{ "{\"op\":\"message\",\"from\":\"xb\",\"data\":\"000\"}", "data is not a string of 1" },
		{ "{\"op\":\"message\",\"from\":\"xb\",\"data\":\"0g\"}", "data has characters" },
	};
	struct bed *bed = *state;
	int fd = client(bed);
	size_t i;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		say(bed, fd, bad[i].text);
		expect_error(fd, EINVAL, bad[i].part);
		assert_null(hear(fd));
	}
	assert_int_equal(bed->calls, 0);
	bed->answer_at_once = true;
	say(bed, fd, "{\"op\":\"status\"}");
	expect_ok(fd);
	close(fd);
}

static void a_huge_or_deep_request_is_refused(void **state)
{
	struct bed *bed = *state;
	int fd = client(bed);
	char *text = malloc(CONTROL_MSG_MAX + 2);

	memset(text, ' ', CONTROL_MSG_MAX + 1);
	memcpy(text, "{\"op\":\"status\"}", 15);
	text[CONTROL_MSG_MAX + 1] = '\0';
	say(bed, fd, text);
	expect_error(fd, EMSGSIZE, "longer than 65536 bytes");
	memset(text, '[', CONTROL_MSG_MAX);
	text[CONTROL_MSG_MAX] = '\0';
	say(bed, fd, text);
	expect_error(fd, EINVAL, "not JSON");
	assert_int_equal(bed->calls, 0);
	free(text);
	close(fd);
}

static void a_client_that_vanishes_leaves_a_valid_handle(void **state)
{
	struct bed *bed = *state;
	int fd = client(bed);

	say(bed, fd, "{\"op\":\"switchover\",\"vm\":\"vm1\"}");
	assert_false(control_gone(bed->open));
	close(fd);
	turn(bed);
	assert_true(control_gone(bed->open));
	control_progress(bed->open, json_object());
	control_rows(bed->open, json_array());
	control_done(bed->open, json_object());
}

static void a_handle_survives_the_server(void **state)
{
	struct bed *bed = *state;
	int fd = client(bed);

	say(bed, fd, "{\"op\":\"switchover\",\"vm\":\"vm1\"}");
	control_stop(bed->srv);
	bed->srv = NULL;
	assert_true(control_gone(bed->open));
	control_fail(bed->open, EIO, "late", NULL);
	assert_true(closed(fd));
	assert_int_equal(dial(bed->path), -ENOENT);
	close(fd);
}

static void a_second_request_on_a_busy_connection_is_refused(void **state)
{
	struct bed *bed = *state;
	int fd = client(bed);

	say(bed, fd, "{\"op\":\"switchover\",\"vm\":\"vm1\"}");
	say(bed, fd, "{\"op\":\"status\"}");
	expect_error(fd, EBUSY, "still open");
	assert_true(closed(fd));
	assert_int_equal(bed->calls, 1);
	assert_true(control_gone(bed->open));
	control_done(bed->open, NULL);
	close(fd);
}

static void many_rows_arrive_complete_in_several_packets(void **state)
{
	struct bed *bed = *state;
	unsigned int i, packets = 0, next = 0;
	json_t *rows = json_array(), *answer, *row;
	int fd = client(bed);
	size_t at;

	for (i = 0; i < 20000; i++)
		json_array_append_new(rows, json_pack("{s:i, s:s}", "n", i, "reason", "a standby was lost"));
	say(bed, fd, "{\"op\":\"log\",\"vm\":\"vm1\"}");
	control_rows(bed->open, rows);
	control_done(bed->open, NULL);
	for (;;) {
		answer = hear(fd);
		if (!answer) {
			turn(bed); /* the socket was full */
			answer = hear(fd);
		}
		assert_non_null(answer);
		if (json_object_get(answer, "ok"))
			break;
		packets++;
		json_array_foreach(json_object_get(answer, "rows"), at, row)
			assert_int_equal(json_integer_value(json_object_get(row, "n")), next++);
		assert_int_equal(json_is_true(json_object_get(answer, "more")), next < 20000);
		json_decref(answer);
	}
	json_decref(answer);
	assert_int_equal(next, 20000);
	assert_true(packets > 10);
	close(fd);
}

static void progress_is_dropped_for_a_slow_client_the_end_is_not(void **state)
{
	struct bed *bed = *state;
	json_t *answer;
	int i, n = 0, fd = client(bed);
	char *pad = malloc(40000);

	memset(pad, 'x', 39999);
	pad[39999] = '\0';
	say(bed, fd, "{\"op\":\"switchover\",\"vm\":\"vm1\"}");
	for (i = 0; i < 200; i++)
		control_progress(bed->open, json_pack("{s:s}", "text", pad));
	control_done(bed->open, NULL);
	for (;;) {
		answer = hear(fd);
		if (!answer) {
			turn(bed);
			answer = hear(fd);
		}
		assert_non_null(answer);
		if (json_object_get(answer, "ok"))
			break;
		json_decref(answer);
		n++;
	}
	json_decref(answer);
	assert_in_range(n, 1, 100);
	free(pad);
	close(fd);
}

static void subscribers_get_what_they_asked_for(void **state)
{
	struct bed *bed = *state;
	int all = client(bed), one = client(bed), log = client(bed);

	say(bed, all, "{\"op\":\"status\",\"watch\":true}");
	assert_true(bed->last.watch);
	control_watch(bed->open);
	say(bed, one, "{\"op\":\"status\",\"vm\":\"vm1\",\"watch\":true}");
	control_watch(bed->open);
	say(bed, log, "{\"op\":\"log\",\"vm\":\"vm1\",\"watch\":true}");
	control_watch(bed->open);
	assert_true(control_watched(bed->srv, CONTROL_STATUS, ""));
	assert_true(control_watched(bed->srv, CONTROL_STATUS, "vm1"));
	assert_false(control_watched(bed->srv, CONTROL_STATUS, "vm2"));
	assert_false(control_watched(bed->srv, CONTROL_LOG, "vm2"));
	control_publish(bed->srv, CONTROL_LOG, "vm1", json_pack("[i]", 1));
	assert_null(hear(all));
	assert_null(hear(one));
	json_decref(hear(log));
	control_publish(bed->srv, CONTROL_STATUS, "", json_pack("[i]", 2));
	assert_null(hear(log));
	assert_null(hear(one));
	json_decref(hear(all));
	close(one);
	turn(bed);
	assert_false(control_watched(bed->srv, CONTROL_STATUS, "vm1"));
	close(all);
	close(log);
}

static void a_subscriber_that_does_not_read_is_cut_off_alone(void **state)
{
	struct bed *bed = *state;
	int deaf = client(bed), other = client(bed);
	char *pad = malloc(60000);
	int i;

	memset(pad, 'x', 59999);
	pad[59999] = '\0';
	say(bed, deaf, "{\"op\":\"log\",\"vm\":\"vm1\",\"watch\":true}");
	control_watch(bed->open);
	for (i = 0; i < 200 && control_watched(bed->srv, CONTROL_LOG, "vm1"); i++)
		control_publish(bed->srv, CONTROL_LOG, "vm1", json_pack("[s]", pad));
	assert_in_range(i, 20, 199);
	bed->answer_at_once = true;
	say(bed, other, "{\"op\":\"status\"}");
	expect_ok(other);
	free(pad);
	close(deaf);
	close(other);
}

static void too_many_clients_are_refused(void **state)
{
	struct bed *bed = *state;
	int fd[64], extra, i;

	for (i = 0; i < 64; i++)
		fd[i] = client(bed);
	extra = client(bed);
	expect_error(extra, EBUSY, "too many clients");
	assert_true(closed(extra));
	close(extra);
	for (i = 0; i < 64; i++)
		close(fd[i]);
	turn(bed);
	extra = client(bed);
	assert_false(closed(extra));
	close(extra);
}

/* Runs as nobody in a child: the errno of the connect, or the "code" of the answer, 0 for an ok. */
static int try_as_nobody(struct bed *bed, gid_t extra_group)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		json_t *answer = NULL;
		int fd, i;

		if (setgroups(extra_group ? 1 : 0, &extra_group) || setgid(NOBODY) || setuid(NOBODY))
			_exit(99);
		fd = dial(bed->path);
		if (fd < 0)
			_exit(-fd);
		send(fd, "{\"op\":\"status\"}", 15, MSG_NOSIGNAL);
		for (i = 0; i < 2000 && !answer; i++) {
			usleep(1000);
			answer = hear(fd);
		}
		_exit(answer ? json_integer_value(json_object_get(answer, "code")) : 98);
	}
	do
		turn(bed);
	while (waitpid(pid, &status, WNOHANG) == 0);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void other_users_are_refused(void **state)
{
	struct bed *bed = *state;

	if (geteuid())
		skip();
	bed->answer_at_once = true;
	assert_int_equal(try_as_nobody(bed, 0), EACCES);
	/* Not the file's mode alone: */
	assert_int_equal(chmod(bed->path, 0666), 0);
	assert_int_equal(try_as_nobody(bed, 0), EACCES);
	assert_int_equal(bed->calls, 0);
}

static void members_of_the_group_are_let_in(void **state)
{
	struct bed *bed = *state;
	struct group *group = getgrgid(1);

	if (geteuid() || !group) {
		skip();
		return;
	}
	control_stop(bed->srv);
	assert_int_equal(start(bed, group->gr_name), 0);
	bed->answer_at_once = true;
	assert_int_equal(try_as_nobody(bed, group->gr_gid), 0);
	assert_int_equal(bed->calls, 1);
	assert_int_equal(try_as_nobody(bed, 0), EACCES);
	assert_int_equal(bed->calls, 1);
}

static void start_replaces_only_a_dead_servers_socket(void **state)
{
	struct bed *bed = *state;
	struct control *first = bed->srv;
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd;

	assert_int_equal(start(bed, NULL), -EADDRINUSE);
	control_stop(first);
	fd = socket(AF_UNIX, SOCK_SEQPACKET, 0);
	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", bed->path);
	assert_int_equal(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	close(fd);
	assert_int_equal(start(bed, NULL), 0);
	control_stop(bed->srv);
	bed->srv = NULL;
	fd = open(bed->path, O_CREAT | O_WRONLY, 0600);
	assert_true(fd >= 0);
	close(fd);
	assert_int_equal(start(bed, NULL), -ENOTSOCK);
	assert_int_equal(access(bed->path, F_OK), 0);
}

static void an_unknown_group_is_refused(void **state)
{
	struct bed *bed = *state;

	control_stop(bed->srv);
	bed->srv = NULL;
	assert_int_equal(start(bed, "no-such-group-here"), -ENOENT);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_request_reaches_the_handler_checked),
		TEST(the_clusters_requests_reach_the_handler_checked),
		TEST(answers_come_in_order_and_end_with_one_last),
		TEST(hostile_requests_get_one_error_and_change_nothing),
		TEST(a_huge_or_deep_request_is_refused),
		TEST(a_client_that_vanishes_leaves_a_valid_handle),
		TEST(a_handle_survives_the_server),
		TEST(a_second_request_on_a_busy_connection_is_refused),
		TEST(many_rows_arrive_complete_in_several_packets),
		TEST(progress_is_dropped_for_a_slow_client_the_end_is_not),
		TEST(subscribers_get_what_they_asked_for),
		TEST(a_subscriber_that_does_not_read_is_cut_off_alone),
		TEST(too_many_clients_are_refused),
		TEST(other_users_are_refused),
		TEST(members_of_the_group_are_let_in),
		TEST(start_replaces_only_a_dead_servers_socket),
		TEST(an_unknown_group_is_refused),
	};

	return cmocka_run_group_tests_name("control", tests, NULL, NULL);
}
