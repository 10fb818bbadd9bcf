/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What Pacemaker's fencer tells of fencings, and the way to ask it for one.  A helper process holds the
 * connection, for libstonithd's calls wait for their answers (up to minutes when the fencer is stuck).
 *
 * The fencer's notifications carry no time, so each also has the time at which it had certainly not come
 * yet; its history (2.1) has wall-clock times, taken by the fencer of this host when the result reached it,
 * or by a peer's if it was synchronised from there.  The history is read at connect, after each notification
 * and, while wanted, each second.  The cluster's configuration is read at connect, when it changes, once a
 * minute, and before each fencing that was not told of yet; none is told of while it cannot be read.
 */
#ifndef KEMARI_AGENT_DAEMON_FENCER_H
#define KEMARI_AGENT_DAEMON_FENCER_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/daemon/asker.h"
#include "agent/daemon/device.h"
#include "agent/daemon/row.h"

#define FENCER_WHY 160

struct qb_loop;
struct fencer;

struct fencer_ops {
	/* The cluster's devices, whenever they are others than before, or could not be read before. */
	void (*devices)(void *arg, const struct devices *d);
	/* They cannot be read; again and again.  Meanwhile no fencing is told of. */
	void (*unread)(void *arg);
	/* The fencer confirmed just now that host is off (or rebooted); since: CLOCK_BOOTTIME ns, before it.
	 * asker: its doer is the host whose fencer had a device do it; which device is not told (device.h).
	 */
	void (*fenced)(void *arg, const char *host, int64_t since, const struct asker *asker);
	/* Its history has one that ended at wall_ns (CLOCK_REALTIME).  The same again and again. */
	void (*history)(void *arg, const char *host, int64_t wall_ns, const struct asker *asker);
	/* What was asked for, on: to be switched on, else a fencing.  why: NULL when it succeeded. */
	void (*result)(void *arg, const char *host, bool on, const char *why);
	void (*connected)(void *arg, bool yes);
	/* Somebody confirmed by hand (stonith_admin --confirm) that host is off: no proof. */
	void (*confirmed_by_hand)(void *arg, const char *host);
	void (*gone)(void *arg); /* the helper */
};

/* Starts the helper; before anything is on a loop.  0 or a negative errno. */
int fencer_start(const struct fencer_ops *ops, void *arg, struct fencer **out);
int fencer_listen(struct fencer *f, struct qb_loop *loop);
void fencer_stop(struct fencer *f); /* NULL ok */

/* These never wait.  0, or -EAGAIN: the helper is busy and has not taken it. */
/* Whether to read the history each second. */
int fencer_want(struct fencer *f, bool history);
/* Asks for a fencing of host, with the cluster's stonith-action.  result() will be called. */
int fencer_ask(struct fencer *f, const char *host);
/* Asks for host to be switched on.  result() will be called. */
int fencer_switch_on(struct fencer *f, const char *host);

#endif /* KEMARI_AGENT_DAEMON_FENCER_H */
