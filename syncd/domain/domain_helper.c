/* SPDX-License-Identifier: GPL-2.0-only */
#include "domain/domain_helper.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <qb/qbloop.h>

#include "lib/log.h"

extern char **environ;

#define NICE 5
#define MAX_ERROR 4096

struct stream {
	int fd; /* -1: ended */
	char *buf;
	size_t len, cap;
	bool overflow; /* the rest is read and dropped */
};

struct domain_helper {
	struct qb_loop *loop;
	domain_helper_fn fn;
	void *arg;
	char what[32]; /* the subcommand, for messages */
	pid_t pid;
	int pidfd;
	bool timed_out;
	unsigned int timeout_ms;
	qb_loop_timer_handle timer;
	bool timer_set;
	struct stream out, err;
};

static void stream_close(struct domain_helper *h, struct stream *s)
{
	if (s->fd < 0)
		return;
	qb_loop_poll_del(h->loop, s->fd);
	close(s->fd);
	s->fd = -1;
}

/* Reads what is there; true at the end of the stream. */
static bool stream_read(struct stream *s)
{
	char drop[512];

	for (;;) {
		size_t room = s->cap - 1 - s->len;
		ssize_t n = room ? read(s->fd, s->buf + s->len, room) : read(s->fd, drop, sizeof(drop));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno != EAGAIN;
		if (!n)
			return true;
		if (room)
			s->len += n;
		else
			s->overflow = true;
	}
}

/* One line: control characters become blanks, those at the end go. */
static const char *stream_line(struct stream *s)
{
	size_t i;

	for (i = 0; i < s->len; i++)
		if ((unsigned char)s->buf[i] < ' ')
			s->buf[i] = ' ';
	while (s->len && s->buf[s->len - 1] == ' ')
		s->len--;
	s->buf[s->len] = '\0';
	return s->buf;
}

static void helper_free(struct domain_helper *h)
{
	stream_close(h, &h->out);
	stream_close(h, &h->err);
	if (h->pidfd >= 0) {
		qb_loop_poll_del(h->loop, h->pidfd);
		close(h->pidfd);
	}
	if (h->timer_set)
		qb_loop_timer_del(h->loop, h->timer);
	free(h->out.buf);
	free(h->err.buf);
	free(h);
}

static void describe_failure(struct domain_helper *h, int status, char *text, size_t len)
{
	if (h->timed_out)
		snprintf(text, len, "kemari-domain %s did not end within %u ms and was killed", h->what,
			 h->timeout_ms);
	else if (WIFSIGNALED(status))
		snprintf(text, len, "kemari-domain %s died of signal %d", h->what, WTERMSIG(status));
	else if (h->out.overflow)
		snprintf(text, len, "kemari-domain %s printed more than %u bytes", h->what,
			 DOMAIN_HELPER_MAX_OUT);
	else
		snprintf(text, len, "kemari-domain %s failed with status %d and no message", h->what,
			 WEXITSTATUS(status));
}

static void helper_done(struct domain_helper *h, int status)
{
	char why[128] = "";
	const char *json, *error;
	int code = DOMAIN_HELPER_KILLED;

	if (h->out.fd >= 0)
		stream_read(&h->out);
	if (h->err.fd >= 0)
		stream_read(&h->err);
	json = stream_line(&h->out);
	error = stream_line(&h->err);
	if (WIFEXITED(status) && !h->timed_out && !h->out.overflow)
		code = WEXITSTATUS(status);
	if (code == DOMAIN_HELPER_OK) {
		error = "";
	} else if (!*error || code == DOMAIN_HELPER_KILLED) {
		describe_failure(h, status, why, sizeof(why));
		error = why;
	}
	h->fn(h->arg, code, json, error);
	helper_free(h);
}

static int32_t on_stream(int32_t fd, int32_t revents, void *data)
{
	struct domain_helper *h = data;
	struct stream *s = fd == h->out.fd ? &h->out : &h->err;

	if (stream_read(s))
		stream_close(h, s);
	return 0;
}

static int32_t on_exit_of_child(int32_t fd, int32_t revents, void *data)
{
	struct domain_helper *h = data;
	int status = 0;

	if (waitpid(h->pid, &status, WNOHANG) == h->pid)
		helper_done(h, status);
	return 0;
}

static void on_timeout(void *data)
{
	struct domain_helper *h = data;

	h->timer_set = false;
	h->timed_out = true;
	kill(-h->pid, SIGKILL); /* its group: libxl's children, too */
}

/* A descriptor that holds text and stands at its begin. */
static int input_open(const char *text)
{
	size_t len = text ? strlen(text) : 0;
	int fd = text ? memfd_create("kemari-record", MFD_CLOEXEC) : open("/dev/null", O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	while (len) {
		ssize_t n = write(fd, text, len);

		if (n < 0) {
			int err = -errno;

			close(fd);
			return err;
		}
		text += n;
		len -= n;
	}
	if (lseek(fd, 0, SEEK_SET) < 0 && errno != ESPIPE) {
		close(fd);
		return -EIO;
	}
	return fd;
}

static int spawn(pid_t *pid, const char *program, const char *const *argv, int in, int out, int err)
{
	char *args[DOMAIN_HELPER_MAX_ARGS + 2] = { (char *)program };
	posix_spawn_file_actions_t fa;
	posix_spawnattr_t at;
	sigset_t none, all;
	unsigned int i;
	int rc;

	for (i = 0; argv[i]; i++) {
		if (i == DOMAIN_HELPER_MAX_ARGS)
			return -E2BIG;
		args[i + 1] = (char *)argv[i];
	}
	sigemptyset(&none);
	sigfillset(&all);
	posix_spawn_file_actions_init(&fa);
	posix_spawn_file_actions_adddup2(&fa, in, 0);
	posix_spawn_file_actions_adddup2(&fa, out, 1);
	posix_spawn_file_actions_adddup2(&fa, err, 2);
	posix_spawn_file_actions_addclosefrom_np(&fa, 3);
	posix_spawnattr_init(&at);
	posix_spawnattr_setflags(&at, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
	posix_spawnattr_setsigmask(&at, &none);
	posix_spawnattr_setsigdefault(&at, &all);
	posix_spawnattr_setpgroup(&at, 0);
	rc = posix_spawn(pid, program, &fa, &at, args, environ);
	posix_spawnattr_destroy(&at);
	posix_spawn_file_actions_destroy(&fa);
	return -rc;
}

static int stream_open(struct stream *s, size_t cap, int *other_end)
{
	int fd[2];

	s->buf = malloc(cap);
	if (!s->buf)
		return -ENOMEM;
	s->cap = cap;
	if (pipe2(fd, O_CLOEXEC))
		return -errno;
	s->fd = fd[0];
	*other_end = fd[1];
	return fcntl(s->fd, F_SETFL, O_NONBLOCK) ? -errno : 0;
}

/* Everything on the loop, or an error and nothing that calls back. */
static int watch_child(struct domain_helper *h)
{
	int err;

	h->pidfd = pidfd_open(h->pid, 0);
	if (h->pidfd < 0)
		return -errno;
	err = qb_loop_poll_add(h->loop, QB_LOOP_MED, h->out.fd, POLLIN, h, on_stream);
	if (!err)
		err = qb_loop_poll_add(h->loop, QB_LOOP_MED, h->err.fd, POLLIN, h, on_stream);
	if (!err)
		err = qb_loop_poll_add(h->loop, QB_LOOP_MED, h->pidfd, POLLIN, h, on_exit_of_child);
	if (!err)
		err = qb_loop_timer_add(h->loop, QB_LOOP_MED, h->timeout_ms * 1000000ULL, h, on_timeout,
					&h->timer);
	h->timer_set = !err;
	return err;
}

int domain_helper_run(struct qb_loop *loop, const char *program, const char *const *argv, const char *input,
		      unsigned int timeout_ms, domain_helper_fn fn, void *arg, struct domain_helper **out)
{
	struct domain_helper *h = calloc(1, sizeof(*h));
	int in = -1, out_end = -1, err_end = -1, err;

	if (!h)
		return -ENOMEM;
	h->loop = loop;
	h->fn = fn;
	h->arg = arg;
	h->timeout_ms = timeout_ms;
	h->pidfd = h->out.fd = h->err.fd = -1;
	snprintf(h->what, sizeof(h->what), "%s", argv[0] ? argv[0] : "");
	in = input_open(input);
	err = in < 0 ? in : stream_open(&h->out, DOMAIN_HELPER_MAX_OUT + 2, &out_end);
	if (!err)
		err = stream_open(&h->err, MAX_ERROR, &err_end);
	if (!err)
		err = spawn(&h->pid, program, argv, in, out_end, err_end);
	if (!err) {
		setpriority(PRIO_PROCESS, (id_t)h->pid, NICE); /* guests wait for this daemon's CPU */
		err = watch_child(h);
		if (err) {
			kill(-h->pid, SIGKILL);
			waitpid(h->pid, NULL, 0);
		}
	}
	if (in >= 0)
		close(in);
	if (out_end >= 0)
		close(out_end);
	if (err_end >= 0)
		close(err_end);
	if (err) {
		kem_err("cannot run %s %s: %s", program, h->what, strerror(-err));
		helper_free(h);
		return err;
	}
	*out = h;
	return 0;
}

void domain_helper_cancel(struct domain_helper *h)
{
	if (!h)
		return;
	kill(-h->pid, SIGKILL);
	waitpid(h->pid, NULL, 0);
	helper_free(h);
}
