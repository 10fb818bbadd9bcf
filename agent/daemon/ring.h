/* SPDX-License-Identifier: GPL-2.0-only */
/* What corosync's cmap knows of the ring: time-outs and names.  Read once at each connect. */
#ifndef KEMARI_AGENT_DAEMON_RING_H
#define KEMARI_AGENT_DAEMON_RING_H

#include <stdint.h>

#include "agent/daemon/row.h"

#define RING_NODES 32
/* A lost host is noticed after token + consensus, and only then may its guests run elsewhere. */
#define RING_SLOW_MS 3000U

struct ring {
	uint32_t token_ms, consensus_ms; /* 0: not known */
	unsigned int nr;
	struct {
		uint32_t nodeid;
		char name[ROW_HOST]; /* as Pacemaker calls it; "": corosync.conf does not name it */
	} node[RING_NODES];
};

/* 0, or a negative errno with one message: r is as it was. */
int ring_read(struct ring *r);

/* Says what of it is not as a failover wants it: one line each. */
void ring_warn(const struct ring *r);

/* NULL: not known. */
const char *ring_name(const struct ring *r, uint32_t nodeid);

#endif /* KEMARI_AGENT_DAEMON_RING_H */
