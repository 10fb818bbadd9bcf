/* SPDX-License-Identifier: GPL-2.0-only */
/* Whether corosync counts this host's side as the cluster. */
#ifndef KEMARI_AGENT_DAEMON_QUORUM_H
#define KEMARI_AGENT_DAEMON_QUORUM_H

#include <stdbool.h>

struct qb_loop;
struct quorum;

/* changed: not from within quorum_open().  0 or a negative errno. */
int quorum_open(struct qb_loop *loop, void (*changed)(void *arg), void *arg, struct quorum **out);
void quorum_close(struct quorum *q); /* NULL ok */

/* Connects if it is not connected; called when corosync is known to be there. */
void quorum_connect(struct quorum *q);

/* False as well while corosync does not say. */
bool quorum_now(const struct quorum *q);

#endif /* KEMARI_AGENT_DAEMON_QUORUM_H */
