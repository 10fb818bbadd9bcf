/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A long work that nobody waits for, done in pieces by a process that has more weight on the CPU than others:
 * when they have to wait for it, it pauses between two pieces for as long as a piece takes.
 *
 * That others wait is known from the process itself: on a CPU that has nothing else to do it never waits to
 * run.  The time is in the second field of /proc/self/schedstat (Linux: Documentation/scheduler/
 * sched-stats.rst); where the kernel keeps none there are no pauses.
 */
#ifndef KEMARI_LIB_COURTESY_H
#define KEMARI_LIB_COURTESY_H

#include <stdint.h>

#define COURTESY_MAX_NS (50ULL * 1000000)

struct courtesy {
	uint64_t at, waited; /* when the piece was begun, and the waiting of this process until then; ns */
};

/* The first piece begins. */
void courtesy_begin(struct courtesy *c);
/* One is done: how long to pause before the next; 0: not at all. */
uint64_t courtesy_pause(struct courtesy *c);
/* The same of given times. */
uint64_t courtesy_between(struct courtesy *c, uint64_t now, uint64_t waited);

#endif /* KEMARI_LIB_COURTESY_H */
