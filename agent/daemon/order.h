/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Who shoots first when the hosts lose each other (ownership.md, item 4): one order for all of their VMs,
 * made of what all of them have heard.  The one that runs more guests, or of as many the one with the lowest
 * node id, shoots at once; for the others ORDER_FILE is there, and fence_kemari (delay_file) waits with it.
 */
#ifndef KEMARI_AGENT_DAEMON_ORDER_H
#define KEMARI_AGENT_DAEMON_ORDER_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/daemon/cluster.h"

#define ORDER_FILE "shoot-second" /* in RUN_DIR */

/* 1: another host shoots first, 0: this one, -EAGAIN: not all have told, what was agreed last stays. */
int order_second(const struct cluster *c, uint32_t own);

/* Makes the file, or removes it; tells when that is a change.  0 or a negative errno with one message. */
int order_write(const char *run_dir, bool second);

#endif /* KEMARI_AGENT_DAEMON_ORDER_H */
