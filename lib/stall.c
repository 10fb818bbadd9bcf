/* SPDX-License-Identifier: GPL-2.0-only */
#include "stall.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>

#include <qb/qbloop.h>
#include <systemd/sd-daemon.h>

#include "log.h"
#include "monotonic.h"

#define PERIOD_NS STALL_WARN_NS
#define WATCHDOG_NS 2000000000ULL

struct stall {
	struct qb_loop *loop;
	qb_loop_timer_handle timer;
	uint64_t due, cpu;
	bool watchdog; /* the unit has WatchdogSec=, of six seconds or more */
	uint64_t told; /* when its systemd heard of us last */
};

static void look(void *arg);

static int again(struct stall *s)
{
	s->due = monotonic_ns() + PERIOD_NS;
	s->cpu = cpu_time_ns();
	return qb_loop_timer_add(s->loop, QB_LOOP_HIGH, PERIOD_NS, s, look, &s->timer);
}

static void look(void *arg)
{
	struct stall *s = arg;
	uint64_t now = monotonic_ns(), late = now - s->due;
	uint64_t cpu = cpu_time_ns() - s->cpu;

	s->timer = 0;
	if (late > STALL_WARN_NS)
		kem_warn("the main loop was away for %llu ms, %llu ms of CPU were used meanwhile",
			 (unsigned long long)late / 1000000, (unsigned long long)cpu / 1000000);
	if (s->watchdog && now - s->told >= WATCHDOG_NS) {
		sd_notify(0, "WATCHDOG=1");
		s->told = now;
	}
	again(s);
}

int stall_open(struct qb_loop *loop, struct stall **out)
{
	struct stall *s = calloc(1, sizeof(*s));
	int rc;

	if (!s)
		return -ENOMEM;
	s->loop = loop;
	s->watchdog = sd_watchdog_enabled(0, NULL) > 0;
	rc = again(s);
	if (rc) {
		free(s);
		return rc;
	}
	*out = s;
	return 0;
}

void stall_close(struct stall *s)
{
	if (!s)
		return;
	if (s->timer)
		qb_loop_timer_del(s->loop, s->timer);
	free(s);
}
