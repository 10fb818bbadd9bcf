/* SPDX-License-Identifier: GPL-2.0-only */
/* Whether corosync counts this host's side as the cluster, and which nodes are in its ring. */
#ifndef KEMARI_AGENT_DAEMON_QUORUM_H
#define KEMARI_AGENT_DAEMON_QUORUM_H

#include <stdbool.h>
#include <stdint.h>

#define QUORUM_NODES 128

struct qb_loop;
struct quorum;

/* Not from within quorum_open(). */
struct quorum_ops {
	/* The node was not in the ring when it was told of last, or nothing was told yet; it is now. */
	void (*joined)(void *arg, uint32_t nodeid);
	/* Quorum or the ring have changed; after all who joined. */
	void (*changed)(void *arg);
};

/* 0 or a negative errno. */
int quorum_open(struct qb_loop *loop, const struct quorum_ops *ops, void *arg, struct quorum **out);
void quorum_close(struct quorum *q); /* NULL ok */

/* Connects if it is not connected; called when corosync is known to be there. */
void quorum_connect(struct quorum *q);

/* False as well while corosync does not say. */
bool quorum_now(const struct quorum *q);

/* The nodes of the ring, whatever runs on them; false: not known. */
bool quorum_ring(const struct quorum *q, const uint32_t **nodeid, unsigned int *nr);

#endif /* KEMARI_AGENT_DAEMON_QUORUM_H */
