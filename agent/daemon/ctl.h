/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A connection to kemari-syncd's control socket (syncd/control/control.h) on the main loop: what
 * agent/client.h is for a command that may wait.
 */
#ifndef KEMARI_AGENT_DAEMON_CTL_H
#define KEMARI_AGENT_DAEMON_CTL_H

#include <jansson.h>

struct qb_loop;
struct ctl;

struct ctl_ops {
	/* An object came: borrowed.  The connection may be closed from within. */
	void (*answer)(void *arg, const json_t *answer);
	/* The other end is gone, or talks nonsense; to be closed, from within or later.  Called once. */
	void (*down)(void *arg, int err);
};

/* Never waits.  0, or a negative errno (-ENOENT, -ECONNREFUSED: nobody serves it; -EAGAIN: it is stuck). */
int ctl_open(struct qb_loop *loop, const char *path, const struct ctl_ops *ops, void *arg, struct ctl **out);
void ctl_close(struct ctl *c); /* NULL ok */

/* Takes over the reference.  0 or a negative errno, the connection is of no use then. */
int ctl_send(struct ctl *c, json_t *request);

#endif /* KEMARI_AGENT_DAEMON_CTL_H */
