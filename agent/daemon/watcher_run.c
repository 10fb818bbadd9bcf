/* SPDX-License-Identifier: GPL-2.0-only */
/* The helper that keeps the kemari-bmcs.  What they say is taken for hostile; it decides nothing. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/daemon/watcher.h"
#include "log.h"
#include "monotonic.h"

#define TURN_MS 200
#define NS_PER_MS 1000000ULL
#define PAUSE_MOST 60		     /* times the first one */
#define END_NS (5 * HEALTH_SECOND)   /* for a child to end when told to */
#define TALK_NS (10 * HEALTH_SECOND) /* ... and in that time it says */
#define TALK_LINES 100		     /* no more than so many lines */

struct child {
	const struct watcher_conf *conf;
	const struct watcher_bmc *bmc;
	pid_t pid;		       /* 0: none */
	int fd;			       /* its output, -1: of no interest any more */
	uint64_t started_ns, heard_ns; /* heard: a line that makes sense, or its start */
	uint64_t end_ns;	       /* it was told to end */
	uint64_t next_ns, pause_ns;    /* it is started again, how long after it ended the last time */
	uint64_t talk_ns;	       /* since when lines are counted */
	unsigned int lines;
	bool told;	      /* that something is wrong with it, since it last was well */
	char why[HEALTH_WHY]; /* that is over with it; "": by itself */
	size_t used;
	char line[HEALTH_LINE];
};

struct watch_all {
	int fd; /* of the daemon */
	bool hopeless;
	unsigned int nr;
	struct child *child;
};

/* ---- its life ---- */

/* As any program is started by default: this one ignores signals. */
static int set_signals(posix_spawnattr_t *attr)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGPIPE);
	return posix_spawnattr_setsigdefault(attr, &set)
		       ?: posix_spawnattr_setflags(attr, POSIX_SPAWN_SETSIGDEF);
}

/* Its standard error is the daemon's, where it says what is wrong with a file. */
static int spawn(struct child *c, int out_fd)
{
	char *const argv[] = { (char *)"kemari-bmc",   (char *)"--host",     (char *)c->bmc->host,
			       (char *)"--bmc-config", (char *)c->bmc->file, NULL };
	posix_spawn_file_actions_t fa;
	posix_spawnattr_t attr;
	int rc = posix_spawn_file_actions_init(&fa);

	if (rc)
		return rc;
	rc = posix_spawnattr_init(&attr);
	if (!rc) {
		rc = set_signals(&attr) ?:
		     posix_spawn_file_actions_addopen(&fa, STDIN_FILENO, "/dev/null", O_RDONLY, 0) ?:
		     posix_spawn_file_actions_adddup2(&fa, out_fd, STDOUT_FILENO) ?:
		     posix_spawn(&c->pid, c->conf->program, &fa, &attr, argv, environ);
		posix_spawnattr_destroy(&attr);
	}
	posix_spawn_file_actions_destroy(&fa);
	return rc;
}

/* It is over: when the next one is due. */
static void over(struct child *c, uint64_t now)
{
	const uint64_t first = c->conf->pause_ms * NS_PER_MS, most = PAUSE_MOST * first;
	const bool lasted = c->pause_ns && now - c->started_ns > most;

	c->pid = 0;
	c->pause_ns = !c->pause_ns || lasted ? first : c->pause_ns < most / 2 ? 2 * c->pause_ns : most;
	c->next_ns = now + c->pause_ns;
	if (!c->told)
		kem_err("the BMC of %s is not watched: %s; trying again, after %u s at most", c->bmc->host,
			c->why, (unsigned int)(most / HEALTH_SECOND));
	c->told = true;
}

static void begin(struct child *c, uint64_t now)
{
	int fd[2], rc;

	c->used = c->lines = 0;
	c->why[0] = '\0';
	c->started_ns = c->heard_ns = c->talk_ns = now;
	rc = pipe2(fd, O_CLOEXEC) ? errno : 0;
	if (!rc) {
		rc = spawn(c, fd[1]);
		close(fd[1]);
		c->fd = fd[0];
		fcntl(c->fd, F_SETFL, O_NONBLOCK);
	}
	if (!rc)
		return;
	if (c->fd >= 0)
		close(c->fd);
	c->fd = -1;
	snprintf(c->why, sizeof(c->why), "%.100s: %s", c->conf->program, strerror(rc));
	over(c, now);
}

/* why: a phrase; NULL: its output has ended. */
static void end(struct child *c, const char *why, uint64_t now)
{
	close(c->fd);
	c->fd = -1;
	c->end_ns = now;
	if (why)
		snprintf(c->why, sizeof(c->why), "%s", why);
	kill(c->pid, SIGTERM);
}

static void reap(struct child *c, uint64_t now)
{
	int status;

	if (waitpid(c->pid, &status, WNOHANG) != c->pid) {
		if (now - c->end_ns > END_NS)
			kill(c->pid, SIGKILL);
		return;
	}
	if (!c->why[0] && WIFEXITED(status))
		snprintf(c->why, sizeof(c->why), "kemari-bmc has ended with status %d", WEXITSTATUS(status));
	else if (!c->why[0])
		snprintf(c->why, sizeof(c->why), "kemari-bmc was ended by signal %d", WTERMSIG(status));
	over(c, now);
}

/* ---- what it says ---- */

/* False: it is over with it. */
static bool take_line(struct watch_all *w, struct child *c, size_t len, uint64_t now)
{
	struct watcher_packet p = { .report = { .nr = 0 } };
	char why[HEALTH_WHY], text[HEALTH_WHY];

	if (now - c->talk_ns > TALK_NS) {
		c->talk_ns = now;
		c->lines = 0;
	}
	if (++c->lines > TALK_LINES) {
		end(c, "kemari-bmc says too much", now);
		return false;
	}
	if (health_parse(c->line, len, c->bmc->host, &p.report, why)) {
		snprintf(text, sizeof(text), "what kemari-bmc says makes no sense: %.110s", why);
		end(c, text, now);
		return false;
	}
	c->heard_ns = now;
	if (c->told)
		kem_info("the BMC of %s is watched again", c->bmc->host);
	c->told = false;
	memcpy(p.host, c->bmc->host, sizeof(p.host));
	/* may wait: the daemon reads */
	if (send(w->fd, &p, sizeof(p), MSG_NOSIGNAL) < 0)
		w->hopeless = true;
	return true;
}

static void take_lines(struct watch_all *w, struct child *c, uint64_t now)
{
	char *newline;

	while ((newline = memchr(c->line, '\n', c->used))) {
		const size_t len = (size_t)(newline - c->line);

		if (!take_line(w, c, len, now))
			return;
		c->used -= len + 1;
		memmove(c->line, newline + 1, c->used);
	}
	if (c->used == sizeof(c->line))
		end(c, "what kemari-bmc says makes no sense: a line without an end", now);
}

static void take_output(struct watch_all *w, struct child *c, uint64_t now)
{
	ssize_t n = read(c->fd, c->line + c->used, sizeof(c->line) - c->used);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		end(c, NULL, now);
		return;
	}
	c->used += (size_t)n;
	take_lines(w, c, now);
}

/* ---- all of them ---- */

static void tend(struct child *c, uint64_t now)
{
	if (!c->pid && now >= c->next_ns)
		begin(c, now);
	else if (c->pid && c->fd < 0)
		reap(c, now);
	else if (c->pid && now - c->heard_ns > c->conf->silent_ms * NS_PER_MS)
		end(c, "kemari-bmc has been silent for too long", now);
}

static void turn(struct watch_all *w)
{
	struct pollfd p[KEM_CONFIG_HOSTS + 1] = { { .fd = w->fd, .events = POLLIN } };
	unsigned int i;
	uint64_t now;

	for (i = 0; i < w->nr; i++) /* poll() passes over those below 0 */
		p[i + 1] = (struct pollfd){ .fd = w->child[i].fd, .events = POLLIN };
	if (poll(p, w->nr + 1, TURN_MS) < 0)
		return;
	/* the daemon says nothing: it is gone */
	if (p[0].revents)
		w->hopeless = true;
	now = monotonic_ns();
	for (i = 0; i < w->nr; i++) {
		if (w->child[i].fd >= 0 && p[i + 1].revents)
			take_output(w, &w->child[i], now);
		tend(&w->child[i], now);
	}
}

int watcher_run(int fd, const void *conf)
{
	const struct watcher_conf *c = conf;
	struct watch_all w = { .fd = fd, .nr = c->nr };
	unsigned int i;

	w.child = calloc(c->nr, sizeof(*w.child));
	if (!w.child)
		return 1;
	for (i = 0; i < c->nr; i++) {
		w.child[i].conf = c;
		w.child[i].bmc = &c->bmc[i];
		w.child[i].fd = -1;
	}
	while (!w.hopeless)
		turn(&w);
	free(w.child);
	return 0;
}
