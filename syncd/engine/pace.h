/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * When outputs that wait get their epoch.  One that comes alone gets it at once.  In a storm, where outputs
 * come beside others or while an epoch is in flight, an epoch for each would take all of the CPU: there they
 * share one, captured when no more come for a while and nothing is in flight, and anyway when epochs take no
 * more than a share of the time (PACE_SHARE) even so.  Where an epoch takes longer than that share of
 * PACE_MAX_NS it is the link that takes the time, and what waits is not kept waiting for it any longer.
 *
 * Plain data; times are the engine's, in ns.
 */
#ifndef KEMARI_ENGINE_PACE_H
#define KEMARI_ENGINE_PACE_H

#include <stdbool.h>
#include <stdint.h>

/* An epoch that took long, the first one or one that was put off, says nothing of those to come. */
#define PACE_MAX_NS 100000000ULL
#define PACE_SHARE 4U /* in a storm an epoch's cost is at most one part in so many of the time */

struct pace {
	uint64_t captured_at; /* last capture; 0: none yet */
	uint64_t cost_ns;     /* from a capture until the transport has all of it, a running mean */
	uint64_t gap_ns;  /* from an output, or a release that may bring one, to the next output, as well */
	uint64_t last;	  /* output or release */
	uint32_t crowded; /* of the last outputs those that did not come alone, 1/65536 */
	bool waits;	  /* an output, for the next capture */
};

/* in_flight: epochs captured and not acked. */
void pace_output(struct pace *p, uint64_t now, bool in_flight);
void pace_released(struct pace *p, uint64_t now);
void pace_captured(struct pace *p, uint64_t now);
void pace_sent(struct pace *p, uint64_t now);
/* When the outputs that wait are due, which may have passed; batch_ns is the least time between captures. */
uint64_t pace_due(const struct pace *p, uint64_t batch_ns, bool in_flight);

/* From when on an output that comes alone is due at once; 0: there is a storm, or one waits. */
uint64_t pace_calm_from(const struct pace *p, uint64_t batch_ns);

#endif /* KEMARI_ENGINE_PACE_H */
