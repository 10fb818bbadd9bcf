/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * An epoch waits while the guest is in an interrupt handler, but not for ever: a guest that hangs with
 * interrupts off, or has suspended, is mirrored as any other.
 */
#ifndef KEMARI_CAPTURE_POSTPONE_H
#define KEMARI_CAPTURE_POSTPONE_H

#include <stdbool.h>
#include <stdint.h>

/* What a handler may take of its guest's CPU time, and of ours. */
#define POSTPONE_CPU_NS (20ULL * 1000000)
#define POSTPONE_NS (200ULL * 1000000)

struct postpone {
	bool on;
	uint64_t since, cpu; /* when the wait began, and the guest's CPU time then; ns */
};

/*
 * True: wait.  inside: the guest is in a handler.  stopped: the guest stands still, so that this answer is
 * the one that counts and a wait, if it is over, is over; an answer about a running guest is only a first
 * look.
 */
static inline bool postpone(struct postpone *p, bool inside, bool stopped, uint64_t now, uint64_t cpu)
{
	if (inside && !p->on)
		*p = (struct postpone){ .on = true, .since = now, .cpu = cpu };
	if (inside && now - p->since < POSTPONE_NS && cpu - p->cpu < POSTPONE_CPU_NS)
		return true;
	if (stopped)
		p->on = false;
	return false;
}

#endif
