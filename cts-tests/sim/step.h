/* SPDX-License-Identifier: GPL-2.0-only */
/* The steps by their functions; step.c has the table of them.  False: not possible now, nothing changed. */
#ifndef KEMARI_SIM_STEP_H
#define KEMARI_SIM_STEP_H

#include "cts-tests/sim/world.h"

static inline bool up(const struct world *w, unsigned int h)
{
	return w->host[h].daemon;
}

static inline bool owns(const struct world *w, unsigned int h)
{
	return up(w, h) && engine_role(&w->host[h].e) >= ENGINE_HELD;
}

bool step_output(struct world *w, unsigned int h, unsigned int choice);
bool step_compute(struct world *w, unsigned int h, unsigned int choice);
bool step_dirty(struct world *w, unsigned int h, unsigned int choice);
bool step_reboot(struct world *w, unsigned int h, unsigned int choice);
bool step_ends(struct world *w, unsigned int h, unsigned int choice);
bool step_shuts_down(struct world *w, unsigned int h, unsigned int choice);
bool step_captured(struct world *w, unsigned int h, unsigned int choice);
bool step_capture_fails(struct world *w, unsigned int h, unsigned int choice);
bool step_run_fails(struct world *w, unsigned int h, unsigned int choice);
bool step_sent(struct world *w, unsigned int h, unsigned int choice);
bool step_bulked(struct world *w, unsigned int h, unsigned int choice);
bool step_quiet(struct world *w, unsigned int h, unsigned int choice);
bool step_tick(struct world *w, unsigned int h, unsigned int choice);
bool step_early(struct world *w, unsigned int h, unsigned int choice);
bool step_connect(struct world *w, unsigned int h, unsigned int choice);
bool step_link(struct world *w, unsigned int h, unsigned int choice);
bool step_unsent(struct world *w, unsigned int h, unsigned int choice);
bool step_lose(struct world *w, unsigned int h, unsigned int choice);
bool step_cut(struct world *w, unsigned int h, unsigned int choice);
bool step_mend(struct world *w, unsigned int h, unsigned int choice);
bool step_linkdown(struct world *w, unsigned int h, unsigned int choice);
bool step_ring_cut(struct world *w, unsigned int h, unsigned int choice);
bool step_ring_mend(struct world *w, unsigned int h, unsigned int choice);
bool step_ring(struct world *w, unsigned int h, unsigned int choice);
bool step_again(struct world *w, unsigned int h, unsigned int choice);
bool step_ring_lose(struct world *w, unsigned int h, unsigned int choice);
bool step_crash(struct world *w, unsigned int h, unsigned int choice);
bool step_die(struct world *w, unsigned int h, unsigned int choice);
bool step_kill(struct world *w, unsigned int h, unsigned int choice);
bool step_off(struct world *w, unsigned int h, unsigned int choice);
bool step_restart(struct world *w, unsigned int h, unsigned int choice);
bool step_boot(struct world *w, unsigned int h, unsigned int choice);
bool step_fence(struct world *w, unsigned int h, unsigned int choice);
bool step_proof(struct world *w, unsigned int h, unsigned int choice);
bool step_promote(struct world *w, unsigned int h, unsigned int choice);
bool step_promote_off(struct world *w, unsigned int h, unsigned int choice);
bool step_await(struct world *w, unsigned int h, unsigned int choice);
bool step_demote(struct world *w, unsigned int h, unsigned int choice);
bool step_yield(struct world *w, unsigned int h, unsigned int choice);
bool step_switchover(struct world *w, unsigned int h, unsigned int choice);
bool step_stop(struct world *w, unsigned int h, unsigned int choice);
bool step_forget(struct world *w, unsigned int h, unsigned int choice);
bool step_forget_last(struct world *w, unsigned int h, unsigned int choice);
bool step_protect(struct world *w, unsigned int h, unsigned int choice);
bool step_unprotect(struct world *w, unsigned int h, unsigned int choice);
bool step_gone(struct world *w, unsigned int h, unsigned int choice);
bool step_adopt(struct world *w, unsigned int h, unsigned int choice);
bool step_by_hand(struct world *w, unsigned int h, unsigned int choice);
bool step_by_hand_ends(struct world *w, unsigned int h, unsigned int choice);

#endif /* KEMARI_SIM_STEP_H */
