/* SPDX-License-Identifier: GPL-2.0-only */
#include "agent/daemon/helper.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <qb/qbloop.h>

#include "log.h"
#include "monotonic.h"

#define NS_PER_MS 1000000ULL

struct helper {
	const char *name;
	const struct helper_ops *ops;
	void *arg;
	struct qb_loop *loop; /* NULL: not on it */
	int fd;
	pid_t pid;
};

static void run(const char *name, const struct helper_ops *ops, const void *conf, int fd, pid_t parent)
{
	prctl(PR_SET_NAME, name);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	signal(SIGINT, SIG_IGN); /* the daemon's business */
	signal(SIGTERM, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
	if (getppid() == parent)
		_exit(ops->run(fd, conf));
	_exit(0);
}

int helper_start(const char *name, const struct helper_ops *ops, const void *conf, void *arg,
		 struct helper **out)
{
	struct helper *h = calloc(1, sizeof(*h));
	const pid_t parent = getpid();
	int fd[2];

	if (!h)
		return -ENOMEM;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fd)) {
		free(h);
		return -errno;
	}
	h->name = name;
	h->ops = ops;
	h->arg = arg;
	h->fd = fd[0];
	h->pid = fork();
	if (!h->pid) {
		close(fd[0]);
		run(name, ops, conf, fd[1], parent);
	}
	close(fd[1]);
	if (h->pid < 0) {
		kem_err("cannot start %s: %s", name, strerror(errno));
		helper_stop(h);
		return -EAGAIN;
	}
	*out = h;
	return 0;
}

static int on_readable(int32_t fd, int32_t revents, void *arg)
{
	struct helper *h = arg;
	char bytes[HELPER_PACKET] __attribute__((aligned(8)));
	ssize_t n = recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT);

	if (n > 0) {
		if (h->ops->packet)
			h->ops->packet(h->arg, bytes, (size_t)n);
		return 0;
	}
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	qb_loop_poll_del(h->loop, fd);
	h->loop = NULL;
	kem_err("%s has ended", h->name);
	h->ops->gone(h->arg);
	return 0;
}

int helper_listen(struct helper *h, struct qb_loop *loop)
{
	int rc = qb_loop_poll_add(loop, QB_LOOP_MED, h->fd, POLLIN, h, on_readable);

	if (!rc)
		h->loop = loop;
	return rc;
}

void helper_stop(struct helper *h)
{
	if (!h)
		return;
	if (h->loop)
		qb_loop_poll_del(h->loop, h->fd);
	close(h->fd);
	if (h->pid > 0) {
		kill(h->pid, SIGKILL);
		waitpid(h->pid, NULL, 0);
	}
	free(h);
}

int helper_send(struct helper *h, const void *bytes, size_t len)
{
	return send(h->fd, bytes, len, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 ? -errno : 0;
}

static int spawn(const char *const argv[], int out_fd, pid_t *pid)
{
	posix_spawn_file_actions_t fa;
	int rc = posix_spawn_file_actions_init(&fa);

	if (rc)
		return -rc;
	rc = posix_spawn_file_actions_addopen(&fa, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
	if (!rc)
		rc = posix_spawn_file_actions_adddup2(&fa, out_fd, STDOUT_FILENO);
	if (!rc)
		rc = posix_spawn_file_actions_addopen(&fa, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
	if (!rc)
		rc = posix_spawnp(pid, argv[0], &fa, NULL, (char *const *)argv, environ);
	posix_spawn_file_actions_destroy(&fa);
	return -rc;
}

/* Reads until the end of its output or the deadline. */
static int collect(int fd, uint64_t deadline, char *out, size_t out_len)
{
	char rest[256];
	size_t used = 0;

	for (;;) {
		const uint64_t now = monotonic_ns();
		struct pollfd p = { .fd = fd, .events = POLLIN };
		ssize_t n;

		if (now >= deadline || poll(&p, 1, (int)((deadline - now) / NS_PER_MS) + 1) == 0)
			return -ETIMEDOUT;
		n = read(fd, rest, sizeof(rest));
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return 0;
		if (out && used < out_len - 1) {
			const size_t room = out_len - 1 - used, take = (size_t)n < room ? (size_t)n : room;

			memcpy(out + used, rest, take);
			used += take;
			out[used] = '\0';
		}
	}
}

int helper_command(const char *const argv[], int timeout_ms, char *out, size_t out_len)
{
	const uint64_t deadline = monotonic_ns() + (uint64_t)timeout_ms * NS_PER_MS;
	int fd[2], rc, status = 0;
	pid_t pid;

	if (out)
		out[0] = '\0';
	if (pipe2(fd, O_CLOEXEC))
		return -errno;
	rc = spawn(argv, fd[1], &pid);
	close(fd[1]);
	if (!rc) {
		/* its output ends when it does */
		rc = collect(fd[0], deadline, out, out_len);
		if (rc)
			kill(pid, SIGKILL);
		while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
			;
		if (!rc)
			rc = WIFEXITED(status) ? WEXITSTATUS(status) : -ECHILD;
	}
	close(fd[0]);
	return rc;
}
