/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A thread that looks at a BMC again and again: libfreeipmi, libipmimonitoring and libcurl block, and a BMC
 * may keep them for long.  So the loop goes on, and can say that it waits.
 */
#ifndef KEMARI_AGENT_BMC_POLLER_H
#define KEMARI_AGENT_BMC_POLLER_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/bmc/look.h"
#include "agent/bmc/table.h"

struct watch_poller;

/*
 * Begins at once, with the sensors.  Source and table are the thread's until watch_poller_end().
 * *fd becomes readable (an eventfd, not to be read) when there is a look to take.
 */
int watch_poller_begin(struct watch_source *source, const struct watch_table *table,
		       struct watch_poller **out, int *fd);
/* The oldest look that was not taken; false: there is none. */
bool watch_poller_take(struct watch_poller *p, struct watch_look *l);
/* For how long the look that is under way has been so; 0: none is. */
uint64_t watch_poller_waiting(struct watch_poller *p);
/* Waits for at most that long for the look under way.  False: it goes on, and the source must be left to it.
 */
bool watch_poller_end(struct watch_poller *p, unsigned int seconds);

#endif
