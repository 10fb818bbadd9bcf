/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * count: the client sends n, the guest answers n and f(n), where f depends on every number this
 * connection has carried so far: an answer that was lost, doubled, reordered or computed by a guest
 * that forgot something shows.
 */
#define _GNU_SOURCE
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "witness.h"

#define MAX_CONNECTIONS 64

struct connection {
	uint64_t state;
	unsigned char in[8];
	size_t have;
};

/* Answers what has arrived; -1 when the connection is over. */
static int answer(int fd, struct connection *c)
{
	unsigned char buf[512];
	ssize_t n = read(fd, buf, sizeof(buf));

	if (n <= 0)
		return -1;
	for (ssize_t i = 0; i < n; i++) {
		uint64_t out[2];

		c->in[c->have++] = buf[i];
		if (c->have < sizeof(c->in))
			continue;
		c->have = 0;
		memcpy(&out[0], c->in, sizeof(out[0]));
		c->state = mix(c->state, out[0]);
		out[1] = c->state;
		if (send_all(fd, out, sizeof(out)))
			return -1;
	}
	return 0;
}

int count_main(int argc, char **argv)
{
	static struct connection c[MAX_CONNECTIONS + 1];
	struct pollfd p[MAX_CONNECTIONS + 1];
	int one = 1, n = 1;

	if (argc != 2)
		return 2;
	p[0] = (struct pollfd){ .fd = listen_on(atoi(argv[1])), .events = POLLIN };
	for (;;) {
		poll(p, (nfds_t)n, -1);
		for (int i = n - 1; i > 0; i--) {
			if (!p[i].revents || !answer(p[i].fd, &c[i]))
				continue;
			close(p[i].fd);
			n--;
			p[i] = p[n];
			c[i] = c[n];
		}
		if (p[0].revents && n <= MAX_CONNECTIONS) {
			int s = accept4(p[0].fd, NULL, NULL, SOCK_CLOEXEC);

			if (s < 0)
				continue;
			setsockopt(s, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
			p[n] = (struct pollfd){ .fd = s, .events = POLLIN };
			c[n++] = (struct connection){ 0 };
		}
	}
}
