/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Who shoots first when the hosts lose each other (ownership.md, item 4): one order for all of their VMs,
 * made of what all of them have heard.  It is the one that runs more guests, or of as many the one with the
 * lowest node id.  On it, and on no other, is ORDER_FILE, and fence_kemari (first_file) does not wait there.
 *
 * Not two at once: a host says in its HELLO that it is not the first one. The file is made when all others
 * have said so, and this one has taken it back, as all have heard; it is removed before anything is said.
 */
#ifndef KEMARI_AGENT_DAEMON_ORDER_H
#define KEMARI_AGENT_DAEMON_ORDER_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/daemon/cluster.h"

#define ORDER_FILE "shoot-first" /* in RUN_DIR */

enum order {
	ORDER_UNKNOWN, /* not all have told: what was agreed last stays */
	ORDER_SECOND,  /* another one is to be the first */
	ORDER_WAITS,   /* this one is to be, and another one has not said yet that it is not */
	ORDER_FIRST,
};

enum order order_of(const struct cluster *c, uint32_t own);

/* Makes the file, or removes it; tells when that is a change.  0 or a negative errno with one message. */
int order_write(const char *run_dir, bool first);

#endif /* KEMARI_AGENT_DAEMON_ORDER_H */
