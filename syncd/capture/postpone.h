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

/* The guest was found in a handler. */
static inline void postpone_once_more(struct postpone *p, uint64_t now, uint64_t cpu)
{
	if (!p->on)
		*p = (struct postpone){ .on = true, .since = now, .cpu = cpu };
}

/* It was waited for long enough. */
static inline bool postpone_over(const struct postpone *p, uint64_t now, uint64_t cpu)
{
	return p->on && (now - p->since >= POSTPONE_NS || cpu - p->cpu >= POSTPONE_CPU_NS);
}

/* The guest was stopped. */
static inline void postpone_end(struct postpone *p)
{
	p->on = false;
}

#endif
