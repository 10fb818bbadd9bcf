/* SPDX-License-Identifier: GPL-2.0-only */
#define _GNU_SOURCE
#include "witness.h"

#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

uint64_t now_ns(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (uint64_t)t.tv_sec * 1000000000ULL + (uint64_t)t.tv_nsec;
}

uint64_t mix(uint64_t state, uint64_t n)
{
	uint64_t z = (state ^ n) + 0x9e3779b97f4a7c15ULL;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
	return z ^ (z >> 31);
}

uint64_t fnv1a(const void *buf, size_t len)
{
	const unsigned char *p = buf;
	uint64_t h = 0xcbf29ce484222325ULL;

	while (len--)
		h = (h ^ *p++) * 0x100000001b3ULL;
	return h;
}

int listen_on(int port)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
	int one = 1, s = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (s < 0 || setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) ||
	    bind(s, (struct sockaddr *)&a, sizeof(a)) || listen(s, 16)) {
		fprintf(stderr, "witness: port %d: %s\n", port, strerror(errno));
		exit(1);
	}
	return s;
}

int send_all(int fd, const void *buf, size_t len)
{
	const char *p = buf;

	while (len) {
		ssize_t n = send(fd, p, len, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return -1;
		p += n;
		len -= (size_t)n;
	}
	return 0;
}

static const struct {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *args;
} commands[] = {
	{ "count", count_main, "PORT" },
	{ "journal", journal_main, "PORT FILE [INTERVAL_MS]" },
	{ "clocks", clocks_main, "PORT [INTERVAL_US [GAP_MS]]" },
	{ "dirty", dirty_main, "PORT PAGES PAGES_PER_SECOND" },
	{ "pulse", pulse_main, "ADDRESS PORT INTERVAL_MS [PAGES]" },
	{ "beat", beat_main, "INTERVAL_MS" },
	{ "work", work_main, "SECONDS" },
	{ "fsync", fsync_main, "SECONDS FILE" },
};

int main(int argc, char **argv)
{
	/*
	 * With the next tick will do.  On an emulated CPU a timer's interrupt takes a good part of a
	 * millisecond; with many timers, each a little apart, Linux finds the next one due whenever it is
	 * done with one, and three times in a row is a line in its log.
	 */
	prctl(PR_SET_TIMERSLACK, 4000000UL);
	for (size_t i = 0; argc > 1 && i < sizeof(commands) / sizeof(*commands); i++)
		if (!strcmp(argv[1], commands[i].name))
			return commands[i].run(argc - 1, argv + 1);
	for (size_t i = 0; i < sizeof(commands) / sizeof(*commands); i++)
		fprintf(stderr, "usage: witness %s %s\n", commands[i].name, commands[i].args);
	return 2;
}
