/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What is shown to people is written when it has not changed for a while.  Each value written costs
 * Pacemaker on every host a new CIB and a calculation of the cluster, and right after a move, when a guest
 * passes through four states in a second, it waits for the CPU that these take.
 */
#ifndef KEMARI_AGENT_DAEMON_SETTLE_H
#define KEMARI_AGENT_DAEMON_SETTLE_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/daemon/attrd.h"

#define SETTLE_NS (5ULL * 1000000000)

struct settle {
	uint64_t since_ns; /* 0: nothing was wanted yet */
	char value[ATTRD_VALUE];
};

/* value is wanted now; true: it has been for SETTLE_NS. */
bool settle_is(struct settle *s, const char *value, uint64_t now_ns);

#endif /* KEMARI_AGENT_DAEMON_SETTLE_H */
