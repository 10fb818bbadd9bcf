/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * No more faults.  Everything under way arrives, timers run, and a cluster manager does what Pacemaker does:
 * start the daemons, promote where the best copy is, fence who does not answer.  In the end the guest must
 * run protected.
 */
#include "cts-tests/sim/world.h"

#define ROUNDS 60
#define ASKED 12 /* by a host that awaits a copy, until its time is over */

static void both(struct world *w, enum step_id id)
{
	step_do(w, id, 0, 0);
	step_do(w, id, 1, 0);
}

/* Until nothing moves any more; bounded, since engines may talk for ever (which is then found). */
static void drain(struct world *w)
{
	static const enum step_id progress[] = { STEP_RESTART,	STEP_LINKDOWN,	STEP_LINK,   STEP_RING,
						 STEP_CAPTURED, STEP_SENT,	STEP_BULKED, STEP_QUIET,
						 STEP_CONNECT,	STEP_SHUTS_DOWN };
	bool moved = true;

	for (unsigned int n = 0; moved && n < 40; n++) {
		moved = false;
		for (unsigned int i = 0; i < sizeof(progress) / sizeof(progress[0]); i++) {
			bool counts = progress[i] != STEP_QUIET;

			moved |= step_do(w, progress[i], 0, 0) && counts;
			moved |= step_do(w, progress[i], 1, 0) && counts;
		}
	}
}

static bool earlier_timer(const struct world *w, unsigned int *h)
{
	uint64_t a = w->host[0].daemon ? w->host[0].deadline : 0;
	uint64_t b = w->host[1].daemon ? w->host[1].deadline : 0;

	if (!a && !b)
		return false;
	*h = !a || (b && b < a);
	return true;
}

static enum engine_role role(const struct world *w, unsigned int h)
{
	return w->host[h].on ? (enum engine_role)w->host[h].record.role : ENGINE_NONE;
}

static unsigned int best(const struct world *w)
{
	if (role(w, 0) != role(w, 1))
		return role(w, 1) > role(w, 0);
	return w->host[1].record.g > w->host[0].record.g;
}

static bool busy(const struct world *w, unsigned int h)
{
	return w->host[h].daemon && w->host[h].e.cmd.type;
}

static void promote(struct world *w, unsigned int h)
{
	enum engine_result r;

	if (busy(w, h) || busy(w, !h))
		return;
	if (!w->host[h].on)
		step_do(w, STEP_BOOT, h, 0);
	r = w->host[h].result;
	w->host[h].result = ENGINE_RES_OK;
	if (w->host[!h].on && r != ENGINE_RES_NO_PROOF) {
		step_do(w, STEP_PROMOTE, h, 0);
		return;
	}
	step_do(w, STEP_FENCE, !h, 0);
	step_do(w, STEP_PROMOTE_OFF, h, 0);
}

/* Who owns is kept protected: the other host is there, and fenced if it does not answer. */
static void keep_protected(struct world *w, unsigned int h)
{
	if (role(w, h) == ENGINE_HELD && !w->host[h].record.gone) {
		if (!busy(w, h))
			step_do(w, STEP_PROMOTE, h, 0);
		return;
	}
	if (!w->host[h].record.want_protect && !busy(w, h))
		step_do(w, STEP_PROTECT, h, 0);
	if (w->host[h].daemon && !w->host[h].record.right && !w->host[!h].on) {
		step_do(w, STEP_FENCE, !h, 0);
		step_do(w, STEP_PROOF, h, 0);
	} else if (w->host[h].daemon && w->host[h].e.protection == ENGINE_BLOCKED) {
		step_do(w, STEP_FENCE, !h, 0);
		step_do(w, STEP_PROOF, h, 0);
	}
	step_do(w, STEP_BOOT, !h, 0);
}

/* False: there is no such move (any more), or its time is over, so that the holder goes on. */
static bool moves(struct world *w, unsigned int *asked)
{
	const struct host *a = &w->host[0];

	if (!w->moved || role(w, 0) != ENGINE_HELD || role(w, 1) >= ENGINE_HELD)
		return false;
	if (busy(w, 1))
		return true;
	w->moved = ++*asked < ASKED && w->host[1].session && step_do(w, STEP_AWAIT, 1, 0);
	if (*asked == ASKED && a->record.want_protect && !a->e.unborn)
		world_fail(w, "liveness: moved while unsynced, and the copy is never whole");
	return w->moved;
}

static void manage(struct world *w, unsigned int *asked)
{
	if (moves(w, asked))
		return;
	for (unsigned int h = 0; h < 2; h++)
		if (role(w, h) == ENGINE_OWNER || role(w, h) == ENGINE_HELD) {
			keep_protected(w, h);
			return;
		}
	promote(w, best(w));
}

static bool is_protected(const struct world *w)
{
	for (unsigned int h = 0; h < 2; h++) {
		const struct host *host = &w->host[h], *peer = &w->host[!h];

		if (host->daemon && host->running && host->e.protection == ENGINE_PROTECTED &&
		    !host->capturing && !host->e.p.nr_flight && !host->out.nr && peer->on &&
		    peer->record.role == ENGINE_COPY)
			return true;
	}
	return false;
}

void settle(struct world *w)
{
	unsigned int h, asked = 0;

	w->fault.armed = false;
	w->host[0].fails = w->host[1].fails = false;
	if (w->send_failed)
		w->connection = 0;
	both(w, STEP_RESTART); /* by hand it began, by hand it ends: the daemon is there to see it */
	both(w, STEP_BY_HAND_ENDS);
	step_do(w, STEP_MEND, 0, 0);
	step_do(w, STEP_RING_MEND, 0, 0);
	for (unsigned int n = 0; n < ROUNDS && !w->violation; n++) {
		drain(w);
		if (is_protected(w))
			return;
		manage(w, &asked);
		drain(w);
		if (earlier_timer(w, &h))
			step_do(w, STEP_TICK, h, 0);
	}
	world_fail(w, "liveness: not protected again though nothing fails any more");
}
