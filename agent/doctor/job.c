/* SPDX-License-Identifier: GPL-2.0-only */
#include "agent/doctor/job.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "monotonic.h"

#define CHUNK 65536
#define JOBS_MAX 80
#define REAP_MS 100

static void child(int out, int err)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	setpgid(0, 0); /* what it starts ends with it */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	signal(SIGPIPE, SIG_DFL);
	if (null >= 0)
		dup2(null, STDIN_FILENO);
	dup2(out, STDOUT_FILENO);
	dup2(err, STDERR_FILENO);
}

/* As fork(), with both ends of the pipes set up; 0 in the child. */
static pid_t spawn(struct job *j)
{
	int out[2] = { -1, -1 }, err[2] = { -1, -1 };
	pid_t pid = -1;

	memset(j, 0, sizeof(*j));
	j->status = j->out.fd = j->err.fd = -1;
	if (!pipe2(out, O_CLOEXEC) && !pipe2(err, O_CLOEXEC))
		pid = fork();
	if (!pid) {
		child(out[1], err[1]);
		return 0;
	}
	if (out[1] >= 0)
		close(out[1]);
	if (err[1] >= 0)
		close(err[1]);
	if (pid > 0) {
		setpgid(pid, pid); /* whoever is first */
		j->pid = pid;
		j->out.fd = out[0];
		j->err.fd = err[0];
		return pid;
	}
	if (out[0] >= 0)
		close(out[0]);
	if (err[0] >= 0)
		close(err[0]);
	return pid;
}

void job_command(struct job *j, const char *const argv[])
{
	if (spawn(j))
		return;
	execvp(argv[0], (char *const *)argv);
	_exit(JOB_NOT_FOUND);
}

void job_call(struct job *j, int (*fn)(int out, const void *arg), const void *arg)
{
	if (!spawn(j))
		_exit(fn(STDOUT_FILENO, arg));
}

static void take(struct job_stream *s)
{
	ssize_t n;

	if (s->cap - s->len < CHUNK + 1) {
		size_t cap = s->cap ? 2 * s->cap : 2 * CHUNK;
		char *text = s->len < JOB_OUT_MAX ? realloc(s->text, cap) : NULL;

		if (!text)
			goto end;
		s->text = text;
		s->cap = cap;
	}
	n = read(s->fd, s->text + s->len, CHUNK);
	if (n < 0 && errno == EINTR)
		return;
	if (n > 0)
		s->len += (size_t)n;
	s->text[s->len] = '\0';
	if (n > 0)
		return;
end:
	close(s->fd);
	s->fd = -1;
}

/* One that hangs in the kernel outlives its kill: it is not waited for. */
static bool ended(const struct job *j, int *status)
{
	const struct timespec pause = { .tv_nsec = 1000000 };

	for (int i = 0; i < REAP_MS; i++) {
		if (waitpid(j->pid, status, WNOHANG))
			return true;
		nanosleep(&pause, NULL);
	}
	return false;
}

static void reap(struct job *j)
{
	int status = 0;

	if (!j->pid)
		return;
	j->late = j->out.fd >= 0 || j->err.fd >= 0;
	if (j->late)
		kill(-j->pid, SIGKILL);
	if (!ended(j, &status))
		kill(-j->pid, SIGKILL);
	else if (WIFEXITED(status))
		j->status = WEXITSTATUS(status);
	j->pid = 0;
	if (j->out.fd >= 0)
		close(j->out.fd);
	if (j->err.fd >= 0)
		close(j->err.fd);
	j->out.fd = j->err.fd = -1;
}

/* False: all streams have ended. */
static bool gather(struct job *j, unsigned int nr, int timeout_ms)
{
	struct pollfd p[2 * JOBS_MAX];
	struct job_stream *of[2 * JOBS_MAX];
	nfds_t n = 0;

	for (unsigned int i = 0; i < nr; i++) {
		struct job_stream *s[2] = { &j[i].out, &j[i].err };

		for (int k = 0; k < 2; k++)
			if (j[i].pid && s[k]->fd >= 0) {
				p[n] = (struct pollfd){ .fd = s[k]->fd, .events = POLLIN };
				of[n++] = s[k];
			}
	}
	if (!n)
		return false;
	if (poll(p, n, timeout_ms) > 0)
		for (nfds_t i = 0; i < n; i++)
			if (p[i].revents)
				take(of[i]);
	return true;
}

void jobs_wait(struct job *j, unsigned int nr, unsigned long long until)
{
	unsigned long long now;

	if (nr > JOBS_MAX)
		nr = JOBS_MAX;
	while ((now = monotonic_ns()) < until)
		if (!gather(j, nr, (int)((until - now) / 1000000) + 1))
			break;
	for (unsigned int i = 0; i < nr; i++)
		reap(&j[i]);
}

void job_free(struct job *j)
{
	free(j->out.text);
	free(j->err.text);
	j->out.text = j->err.text = NULL;
}

bool job_done(const struct job *j)
{
	return !j->late && !j->status;
}
