/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * clocks: samples the guest's clocks all the time and remembers every step back and every gap longer
 * than a bound.  Whoever connects gets the report as text and the connection is closed:
 *
 *   samples N
 *   clock NAME first F last L backs B maxback NS maxgap NS
 *   event gap|back NAME before NS after NS
 *   events N                          how many there were; the oldest of too many are forgotten
 *   end
 */
#define _GNU_SOURCE
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "witness.h"

#define NR_CLOCKS 3
#define MAX_EVENTS 512

struct clock {
	const char *name;
	clockid_t id;
	uint64_t first, last, backs, maxback, maxgap;
};

struct event {
	int back, clock;
	uint64_t before, after;
};

struct watch {
	struct clock clocks[NR_CLOCKS];
	struct event events[MAX_EVENTS]; /* ring; events_nr counts all */
	uint64_t events_nr, samples, gap_ns;
};

static void note(struct watch *w, int back, int clock, uint64_t before, uint64_t after)
{
	w->events[w->events_nr++ % MAX_EVENTS] = (struct event){ back, clock, before, after };
}

static void sample(struct watch *w)
{
	for (int i = 0; i < NR_CLOCKS; i++) {
		struct clock *c = &w->clocks[i];
		uint64_t t = now_ns(c->id);

		if (!w->samples) {
			c->first = t;
		} else if (t < c->last) {
			c->backs++;
			if (c->last - t > c->maxback)
				c->maxback = c->last - t;
			note(w, 1, i, c->last, t);
		} else {
			if (t - c->last > c->maxgap)
				c->maxgap = t - c->last;
			if (t - c->last > w->gap_ns)
				note(w, 0, i, c->last, t);
		}
		c->last = t;
	}
	w->samples++;
}

__attribute__((format(printf, 2, 3))) static void say(int fd, const char *fmt, ...)
{
	char line[256];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	send_all(fd, line, (size_t)n);
}

static void report(const struct watch *w, int fd)
{
	uint64_t first = w->events_nr > MAX_EVENTS ? w->events_nr - MAX_EVENTS : 0;

	say(fd, "samples %llu\n", (unsigned long long)w->samples);
	for (int i = 0; i < NR_CLOCKS; i++) {
		const struct clock *c = &w->clocks[i];

		say(fd, "clock %s first %llu last %llu backs %llu maxback %llu maxgap %llu\n", c->name,
		    (unsigned long long)c->first, (unsigned long long)c->last, (unsigned long long)c->backs,
		    (unsigned long long)c->maxback, (unsigned long long)c->maxgap);
	}
	for (uint64_t i = first; i < w->events_nr; i++) {
		const struct event *e = &w->events[i % MAX_EVENTS];

		say(fd, "event %s %s before %llu after %llu\n", e->back ? "back" : "gap",
		    w->clocks[e->clock].name, (unsigned long long)e->before, (unsigned long long)e->after);
	}
	say(fd, "events %llu\nend\n", (unsigned long long)w->events_nr);
}

int clocks_main(int argc, char **argv)
{
	static struct watch w = { .clocks = { { .name = "monotonic", .id = CLOCK_MONOTONIC },
					      { .name = "realtime", .id = CLOCK_REALTIME },
					      { .name = "boottime", .id = CLOCK_BOOTTIME } } };
	struct timespec interval = { 0 };
	struct pollfd p;

	if (argc < 2)
		return 2;
	interval.tv_nsec = (argc > 2 ? atol(argv[2]) : 1000) * 1000;
	w.gap_ns = (uint64_t)(argc > 3 ? atol(argv[3]) : 50) * 1000000;
	p = (struct pollfd){ .fd = listen_on(atoi(argv[1])), .events = POLLIN };
	for (;;) {
		int s;

		sample(&w);
		if (ppoll(&p, 1, &interval, NULL) <= 0)
			continue;
		s = accept4(p.fd, NULL, NULL, SOCK_CLOEXEC);
		if (s < 0)
			continue;
		report(&w, s);
		shutdown(s, SHUT_WR);
		close(s);
	}
}
