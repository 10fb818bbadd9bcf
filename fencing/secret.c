/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fencing/secret.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "monotonic.h"

#define SCRIPT_NS (10ULL * 1000000000)
#define WAIT_NS 10000000 /* between two looks whether it has ended */

extern char **environ;

static int first_line(const char *path, char secret[FENCE_STR], size_t len, char why[FENCE_WHY])
{
	secret[len] = '\0';
	secret[strcspn(secret, "\r\n")] = '\0';
	if (secret[0])
		return 0;
	snprintf(why, FENCE_WHY, "%s: no password in its first line", path);
	return -ENODATA;
}

int secret_from_file(const char *path, char secret[FENCE_STR], char why[FENCE_WHY])
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY), rc = 0;
	struct stat st;
	ssize_t n = 0;

	if (fd < 0 || fstat(fd, &st)) {
		rc = -errno;
		snprintf(why, FENCE_WHY, "password_file %s: %s", path, strerror(-rc));
	} else if (!S_ISREG(st.st_mode) || (st.st_mode & 077) || (st.st_uid && st.st_uid != geteuid())) {
		rc = -EPERM;
		snprintf(why, FENCE_WHY, "password_file %s: others may read it; chown root, chmod 600", path);
	} else if ((n = read(fd, secret, FENCE_STR - 1)) < 0) {
		rc = -errno;
		snprintf(why, FENCE_WHY, "password_file %s: %s", path, strerror(-rc));
	}
	if (fd >= 0)
		close(fd);
	return rc ? rc : first_line(path, secret, (size_t)n, why);
}

/* Until the end of its output, a full buffer, or the end of its time. */
static int read_all(int fd, uint64_t end, char secret[FENCE_STR], size_t *len)
{
	uint64_t now;
	struct pollfd p = { .fd = fd, .events = POLLIN };
	ssize_t n;

	*len = 0;
	while (*len < FENCE_STR - 1) {
		now = monotonic_ns();
		if (now >= end)
			return -ETIMEDOUT;
		if (poll(&p, 1, (int)((end - now) / 1000000) + 1) <= 0)
			continue;
		n = read(fd, secret + *len, FENCE_STR - 1 - *len);
		if (n < 0 && errno != EINTR)
			return -errno;
		if (!n)
			break;
		*len += n > 0 ? (size_t)n : 0;
	}
	return 0;
}

/* Its exit status; killed at the end of its time. */
static int wait_for(pid_t pid, uint64_t end, int *status)
{
	const struct timespec pause = { .tv_nsec = WAIT_NS };
	pid_t done;

	while (!(done = waitpid(pid, status, WNOHANG)) || (done < 0 && errno == EINTR)) {
		if (monotonic_ns() >= end) {
			kill(pid, SIGKILL);
			while (waitpid(pid, status, 0) < 0 && errno == EINTR)
				;
			return -ETIMEDOUT;
		}
		nanosleep(&pause, NULL);
	}
	return WIFEXITED(*status) && !WEXITSTATUS(*status) ? 0 : -EIO;
}

int secret_from_script(const char *path, char secret[FENCE_STR], char why[FENCE_WHY])
{
	char *const argv[] = { (char *)path, NULL };
	posix_spawn_file_actions_t fa;
	const uint64_t end = monotonic_ns() + SCRIPT_NS;
	int p[2], status = 0, rc, ended;
	size_t len = 0;
	pid_t pid;

	if (pipe2(p, O_CLOEXEC)) {
		snprintf(why, FENCE_WHY, "password_script %s: %s", path, strerror(errno));
		return -errno;
	}
	posix_spawn_file_actions_init(&fa);
	posix_spawn_file_actions_adddup2(&fa, p[1], STDOUT_FILENO);
	posix_spawn_file_actions_addopen(&fa, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
	rc = -posix_spawn(&pid, path, &fa, NULL, argv, environ);
	posix_spawn_file_actions_destroy(&fa);
	close(p[1]);
	if (!rc) {
		rc = read_all(p[0], end, secret, &len);
		close(p[0]);
		p[0] = -1;
		ended = wait_for(pid, rc ? 0 : end, &status);
		rc = rc ? rc : ended;
	}
	if (p[0] >= 0)
		close(p[0]);
	if (rc) {
		snprintf(why, FENCE_WHY, "password_script %s: %s", path,
			 rc == -EIO ? "it failed" : strerror(-rc));
		return rc;
	}
	return first_line(path, secret, len, why);
}
