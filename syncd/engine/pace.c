/* SPDX-License-Identifier: GPL-2.0-only */
#include "engine/pace.h"

#define ONE 65536U
#define STORM (ONE / 4)
#define WEIGHT 8 /* of what a running mean was, to that of the new value, less one */
#define GAPS 2U	 /* so many without an output: no more are coming */

static uint64_t mean(uint64_t was, uint64_t is)
{
	return was ? (was * (WEIGHT - 1) + is) / WEIGHT : is;
}

static uint64_t later(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

static uint64_t bound_ns(const struct pace *p)
{
	return p->cost_ns * PACE_SHARE;
}

void pace_output(struct pace *p, uint64_t now, bool in_flight)
{
	bool alone = !p->waits && !in_flight;

	/* of one that came after a pause nothing is learned */
	if (p->last && now - p->last < bound_ns(p))
		p->gap_ns = mean(p->gap_ns, now - p->last);
	p->crowded = (uint32_t)(((uint64_t)p->crowded * (WEIGHT - 1) + (alone ? 0 : ONE)) / WEIGHT);
	p->last = now;
	p->waits = true;
}

void pace_released(struct pace *p, uint64_t now)
{
	p->last = now;
}

void pace_captured(struct pace *p, uint64_t now)
{
	p->captured_at = now;
	p->waits = false;
}

void pace_sent(struct pace *p, uint64_t now)
{
	uint64_t cost = now - p->captured_at, most = PACE_MAX_NS / PACE_SHARE;

	p->cost_ns = mean(p->cost_ns, cost < most ? cost : most);
}

static uint64_t soonest_of(const struct pace *p, uint64_t batch_ns)
{
	return p->captured_at ? p->captured_at + batch_ns : 0;
}

uint64_t pace_due(const struct pace *p, uint64_t batch_ns, bool in_flight)
{
	uint64_t soonest = soonest_of(p, batch_ns);
	uint64_t bound = later(soonest, p->captured_at + bound_ns(p));
	uint64_t quiet = later(soonest, p->last + GAPS * p->gap_ns);

	if (p->crowded < STORM)
		return soonest;
	return in_flight || bound < quiet ? bound : quiet;
}

uint64_t pace_calm_from(const struct pace *p, uint64_t batch_ns)
{
	uint64_t soonest = soonest_of(p, batch_ns);

	if (p->crowded >= STORM || p->waits)
		return 0;
	return soonest ? soonest : 1;
}
