/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * This host's membership in corosync's CPG group "kemari".
 *
 * Messages and membership changes come to all members in the same order, the own messages included: whoever
 * sends acts when the message comes back, not before.  A corosync that is away (restart, not started yet) is
 * waited for and joined again; its coming and going is logged once each.
 *
 * A corosync that is stopped (SIGSTOP) blocks the calls to it, and this process with them.
 */
#ifndef KEMARI_AGENT_DAEMON_GROUP_H
#define KEMARI_AGENT_DAEMON_GROUP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/daemon/message.h"

#define GROUP_MEMBERS 32
#define GROUP_QUEUE 256 /* messages that wait for corosync */

struct qb_loop;
struct group;

struct group_member {
	uint32_t nodeid, pid;
};

/* Who is in it now, and who has left with this change. */
struct group_change {
	unsigned int nr, nr_left;
	struct group_member member[GROUP_MEMBERS];
	struct {
		uint32_t nodeid;
		bool down; /* its node is gone from the ring; else its agent left or ended */
	} left[GROUP_MEMBERS];
};

struct group_ops {
	void (*deliver)(void *arg, uint32_t nodeid, const void *bytes, size_t len);
	void (*members)(void *arg, const struct group_change *c);
	/* Joined, or the connection to corosync is lost: then nothing is known of anybody. */
	void (*joined)(void *arg, uint32_t nodeid);
	void (*lost)(void *arg);
};

/* Begins to connect.  0 or a negative errno. */
int group_open(struct qb_loop *loop, const struct group_ops *ops, void *arg, struct group **out);
void group_close(struct group *g); /* NULL ok */

/* Own node id; 0: not joined. */
uint32_t group_nodeid(const struct group *g);

/* Queues a message.  0, -ENOTCONN, -ENOBUFS: corosync takes none for too long, -EINVAL: too long. */
int group_send(struct group *g, const void *bytes, size_t len);

/* Delivers all that corosync has for us already: what happened before something else that came another way.
 */
void group_drain(struct group *g);

/*
 * A number made of the members of the given group of CPG on all hosts: it changes whenever one of them starts
 * or ends.  *local: one of them is on this host.  0 or a negative errno.
 */
int group_watch(struct group *g, const char *name, uint64_t *sum, bool *local);

#endif /* KEMARI_AGENT_DAEMON_GROUP_H */
