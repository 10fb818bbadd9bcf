/* SPDX-License-Identifier: GPL-2.0-only */
/* The wire client against a scripted xenstored: long replies, many requests at once, nonsense, death. */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <xen/io/xs_wire.h>

#include "lib/log.h"
#include "xenstore/xswire.h"

#define BIG 60000 /* what "watches" answers: far above the 4096 of libxenstore */
#define IDLE "partial_in: 16 needed, pending events total: 0"

enum mood { SOUND, C_XENSTORED, WRONG_ID, TOO_LONG, CUT_SHORT, WRONG_TYPE };

struct server {
	char dir[32], path[64];
	pid_t pid;
};

static void read_exactly(int fd, void *buf, size_t len)
{
	char *p = buf;

	while (len) {
		ssize_t n = read(fd, p, len);

		if (n <= 0)
			_exit(0); /* the client went away */
		p += n;
		len -= n;
	}
}

static void reply(int fd, const struct xsd_sockmsg *req, uint32_t type, const char *body, uint32_t len)
{
	struct xsd_sockmsg hdr = { .type = type, .req_id = req->req_id, .len = len };

	if (write(fd, &hdr, sizeof(hdr)) != sizeof(hdr) || write(fd, body, len) != (ssize_t)len)
		_exit(0);
}

/* Reads are answered with their path; a path with "none" in it does not exist. */
static void answer(int fd, const struct xsd_sockmsg *req, const char *body, enum mood mood)
{
	static char big[BIG];
	struct xsd_sockmsg bad = *req;

	if (req->type == XS_CONTROL) {
		if (mood == C_XENSTORED) {
			reply(fd, req, XS_ERROR, "EINVAL", 7);
		} else if (!strcmp(body, "watches")) {
			memset(big, 'w', sizeof(big));
			reply(fd, req, XS_CONTROL, big, sizeof(big));
		} else {
			reply(fd, req, XS_CONTROL, IDLE, sizeof(IDLE));
		}
		return;
	}
	if (strstr(body, "none")) {
		reply(fd, req, XS_ERROR, "ENOENT", 7);
		return;
	}
	switch (mood) {
	case WRONG_ID:
		bad.req_id++;
		reply(fd, &bad, req->type, "x", 1);
		break;
	case TOO_LONG:
		bad.len = XSWIRE_MAX_REPLY + 1;
		if (write(fd, &bad, sizeof(bad)) < 0)
			_exit(0);
		break;
	case CUT_SHORT:
		bad.len = 10;
		if (write(fd, &bad, sizeof(bad)) < 0 || write(fd, "abc", 3) < 0)
			_exit(0);
		_exit(0);
	case WRONG_TYPE:
		reply(fd, req, XS_WATCH_EVENT, "x", 1);
		break;
	default:
		reply(fd, req, req->type, body, strlen(body));
	}
}

static void serve(int listener, enum mood mood)
{
	for (;;) {
		int fd = accept(listener, NULL, NULL);
		struct xsd_sockmsg req;
		char body[XENSTORE_PAYLOAD_MAX + 1];

		/* One child for each connection: a client that reconnects is served at once. */
		if (fork()) {
			close(fd);
			continue;
		}
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (;;) {
			read_exactly(fd, &req, sizeof(req));
			if (req.len > XENSTORE_PAYLOAD_MAX)
				_exit(1);
			read_exactly(fd, body, req.len);
			body[req.len] = '\0';
			answer(fd, &req, body, mood);
		}
	}
}

static void server_start(struct server *s, enum mood mood)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	snprintf(s->dir, sizeof(s->dir), "/tmp/xswire-XXXXXX");
	assert_non_null(mkdtemp(s->dir));
	snprintf(s->path, sizeof(s->path), "%s/socket", s->dir);
	snprintf(sun.sun_path, sizeof(sun.sun_path), "%s", s->path);
	assert_int_equal(bind(fd, (struct sockaddr *)&sun, sizeof(sun)), 0);
	assert_int_equal(listen(fd, 5), 0);
	s->pid = fork();
	if (!s->pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		setpgid(0, 0);
		serve(fd, mood);
	}
	setpgid(s->pid, s->pid);
	close(fd);
}

static void server_stop(struct server *s)
{
	kill(-s->pid, SIGKILL);
	waitpid(s->pid, NULL, 0);
	unlink(s->path);
	rmdir(s->dir);
}

static void replies_above_four_kilobytes_arrive_whole(void **state)
{
	static const char *const cmd[] = { "watches" };
	struct server s;
	struct xswire *w;
	char *text;
	size_t len;

	server_start(&s, SOUND);
	assert_int_equal(xswire_open(s.path, &w), 0);
	assert_int_equal(xswire_control(w, cmd, 1, &text, &len), 0);
	assert_int_equal(len, BIG);
	assert_int_equal(strlen(text), BIG);
	free(text);
	xswire_close(w);
	server_stop(&s);
}

static void many_requests_get_their_own_replies(void **state)
{
	enum { NR = 500 };
	struct xswire_req req[NR];
	static char path[NR][32];
	struct server s;
	struct xswire *w;
	unsigned int i;

	server_start(&s, SOUND);
	assert_int_equal(xswire_open(s.path, &w), 0);
	for (i = 0; i < NR; i++) {
		snprintf(path[i], sizeof(path[i]), "/%s/%u", i % 7 ? "some" : "none", i);
		req[i] = (struct xswire_req){ .type = XS_READ, .path = path[i] };
	}
	assert_int_equal(xswire_batch(w, req, NR), 0);
	for (i = 0; i < NR; i++) {
		assert_int_equal(req[i].err, i % 7 ? 0 : -ENOENT);
		if (i % 7)
			assert_string_equal(req[i].reply, path[i]);
		else
			assert_null(req[i].reply);
		free(req[i].reply);
	}
	xswire_close(w);
	server_stop(&s);
}

static void nonsense_breaks_the_connection_and_not_us(void **state)
{
	static const struct {
		enum mood mood;
		int err;
	} cases[] = {
		{ WRONG_ID, -EPROTO }, { TOO_LONG, -EPROTO }, { CUT_SHORT, -EPIPE }, { WRONG_TYPE, -EPROTO }
	};
	static const char *const cmd[] = { "xenbus", "1" };
	size_t i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct xswire_req req[2] = { { .type = XS_READ, .path = "/none" },
					     { .type = XS_READ, .path = "/a" } };
		struct server s;
		struct xswire *w;
		char *text;
		size_t len;

		server_start(&s, cases[i].mood);
		assert_int_equal(xswire_open(s.path, &w), 0);
		assert_int_equal(xswire_batch(w, req, 2), cases[i].err);
		assert_null(req[0].reply);
		assert_null(req[1].reply);
		/* The next call has a fresh connection. */
		assert_int_equal(xswire_control(w, cmd, 2, &text, &len), 0);
		assert_string_equal(text, IDLE);
		free(text);
		xswire_close(w);
		server_stop(&s);
	}
}

static void another_xenstored_is_refused(void **state)
{
	struct xswire *w;
	struct server s;

	server_start(&s, C_XENSTORED);
	assert_int_equal(xswire_open(s.path, &w), -EOPNOTSUPP);
	server_stop(&s);
	assert_int_equal(xswire_open(s.path, &w), -ENOENT);
}

static void what_does_not_fit_is_not_sent(void **state)
{
	char longer[XENSTORE_PAYLOAD_MAX + 8];
	const char *const cmd[] = { longer };
	struct xswire_req req = { .type = XS_READ, .path = longer };
	struct server s;
	struct xswire *w;
	char *text;
	size_t len;

	memset(longer, 'a', sizeof(longer));
	longer[sizeof(longer) - 1] = '\0';
	server_start(&s, SOUND);
	assert_int_equal(xswire_open(s.path, &w), 0);
	assert_int_equal(xswire_control(w, cmd, 1, &text, &len), -E2BIG);
	assert_int_equal(xswire_batch(w, &req, 1), -E2BIG);
	xswire_close(w);
	server_stop(&s);
}

static int quiet(void **state)
{
	kem_log_init("xswire_test", false, false);
	qb_log_ctl(QB_LOG_SYSLOG, QB_LOG_CONF_ENABLED, QB_FALSE);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(replies_above_four_kilobytes_arrive_whole),
		cmocka_unit_test(many_requests_get_their_own_replies),
		cmocka_unit_test(nonsense_breaks_the_connection_and_not_us),
		cmocka_unit_test(another_xenstored_is_refused),
		cmocka_unit_test(what_does_not_fit_is_not_sent),
	};

	return cmocka_run_group_tests(tests, quiet, NULL);
}
