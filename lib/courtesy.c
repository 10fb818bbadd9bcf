/* SPDX-License-Identifier: GPL-2.0-only */
#include "courtesy.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "monotonic.h"

#define SHARE 8 /* less than this part of the time spent waiting is nothing */

/* How long this thread was ready to run and did not, since its start. */
static uint64_t waited_ns(void)
{
	char text[96] = "";
	unsigned long long waited = 0;
	int fd = open("/proc/thread-self/schedstat", O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return 0;
	if (read(fd, text, sizeof(text) - 1) > 0 && sscanf(text, "%*u %llu", &waited) != 1)
		waited = 0;
	close(fd);
	return waited;
}

uint64_t courtesy_between(struct courtesy *c, uint64_t now, uint64_t waited)
{
	uint64_t took = now - c->at, wait = waited - c->waited;
	uint64_t pause = 0;

	if (waited > c->waited && wait > took / SHARE)
		pause = took < COURTESY_MAX_NS ? took : COURTESY_MAX_NS;
	c->at = now + pause;
	c->waited = waited;
	return pause;
}

void courtesy_begin(struct courtesy *c)
{
	c->at = monotonic_ns();
	c->waited = waited_ns();
}

uint64_t courtesy_pause(struct courtesy *c)
{
	return courtesy_between(c, monotonic_ns(), waited_ns());
}
