/* SPDX-License-Identifier: GPL-2.0-only */
/* Steps: fencing, what the cluster manager and the operator command. */
#include "cts-tests/sim/step.h"

/* Power off and confirm it; the proof reaches the other host in a step of its own. */
bool step_fence(struct world *w, unsigned int h, unsigned int choice)
{
	if (!w->host[h].on && w->off_proof[h] == w->host[h].boot)
		return false;
	step_off(w, h, 0);
	w->off_proof[h] = w->host[h].boot;
	return true;
}

/*
 * The agent keeps a proof until it sees the peer's host in a later boot.  A proof that was on its way then is
 * of a boot that the engine has seen too.
 */
static uint32_t proof_for(const struct world *w, unsigned int h)
{
	const struct host *host = &w->host[h];
	uint32_t boot = w->off_proof[!h];

	if (!w->host[!h].on)
		return boot == w->host[!h].boot ? boot : 0;
	for (unsigned int i = 1; i < ENGINE_PEER_BOOTS; i++)
		if (boot && host->record.peer_boot[i] == boot)
			return boot;
	return 0;
}

bool step_proof(struct world *w, unsigned int h, unsigned int choice)
{
	struct engine_event ev = { .type = ENGINE_EV_FENCED, .peer_boot = proof_for(w, h) };

	if (!up(w, h) || !ev.peer_boot)
		return false;
	host_event(w, h, &ev);
	return true;
}

static void command(struct world *w, unsigned int h, struct engine_event *ev)
{
	ev->request = ++w->requests;
	w->host[h].answered = false;
	host_event(w, h, ev);
}

/* choice 1: with the confirmation that the peer's host is off */
bool step_promote(struct world *w, unsigned int h, unsigned int choice)
{
	struct engine_event ev = { .type = ENGINE_EV_PROMOTE, .incarnation = w->incarnations + 1 };

	if (!up(w, h) || w->nr_node == WORLD_NODES)
		return false;
	if (choice) {
		ev.proof = true;
		ev.peer_boot = proof_for(w, h);
		if (!ev.peer_boot)
			return false;
	}
	w->incarnations++;
	command(w, h, &ev);
	return true;
}

bool step_promote_off(struct world *w, unsigned int h, unsigned int choice)
{
	return step_promote(w, h, 1);
}

/* Promoted where the copy is not whole while the peer holds the guest: the daemon asks again until it is. */
bool step_await(struct world *w, unsigned int h, unsigned int choice)
{
	struct engine_event ev = { .type = ENGINE_EV_PROMOTE,
				   .flag = true,
				   .incarnation = w->incarnations + 1 };
	struct host *host = &w->host[h];

	if (!up(w, h) || owns(w, h) || w->nr_node == WORLD_NODES || !host->answered ||
	    host->result != ENGINE_RES_PEER_HOLDS)
		return false;
	w->incarnations++;
	host->awaiting = true;
	command(w, h, &ev);
	return true;
}

static bool flag_command(struct world *w, unsigned int h, enum engine_event_type type, bool flag)
{
	struct engine_event ev = { .type = type, .flag = flag };

	if (!up(w, h))
		return false;
	command(w, h, &ev);
	return true;
}

static bool simple_command(struct world *w, unsigned int h, enum engine_event_type type)
{
	return flag_command(w, h, type, false);
}

bool step_demote(struct world *w, unsigned int h, unsigned int choice)
{
	return simple_command(w, h, ENGINE_EV_DEMOTE);
}

/* Demoted as kemari-syncd does it: the guest runs on until the copy asks for it.  Nobody does that after a
 * stop. */
bool step_yield(struct world *w, unsigned int h, unsigned int choice)
{
	return !w->host[h].shutdown && flag_command(w, h, ENGINE_EV_DEMOTE, true);
}

bool step_switchover(struct world *w, unsigned int h, unsigned int choice)
{
	return owns(w, h) && simple_command(w, h, ENGINE_EV_SWITCHOVER);
}

bool step_stop(struct world *w, unsigned int h, unsigned int choice)
{
	const struct host *host = &w->host[h];

	/* the daemon keeps what was not started yet, and asks nobody */
	if (owns(w, h) && host_never_ran(host))
		return false;
	w->copy_may_end |= up(w, h) && !owns(w, h);
	return simple_command(w, h, ENGINE_EV_STOP);
}

/* flag: the operator knows that it may be the last copy */
static bool forget(struct world *w, unsigned int h, bool flag)
{
	struct engine_event ev = { .type = ENGINE_EV_FORGET,
				   .flag = flag,
				   .incarnation = w->incarnations + 1 };
	struct host *host = &w->host[h];
	bool held = host->record.role == ENGINE_HELD;
	unsigned int inflight = host->inflight;

	if (!up(w, h))
		return false;
	w->incarnations++;
	w->given_up |= flag;
	w->copy_may_end |= flag;
	command(w, h, &ev);
	if (held && inflight && host->on && host->record.role == ENGINE_NONE)
		world_fail(w, "G4: forgotten with disk requests under way");
	return true;
}

bool step_forget(struct world *w, unsigned int h, unsigned int choice)
{
	return forget(w, h, false);
}

bool step_forget_last(struct world *w, unsigned int h, unsigned int choice)
{
	return forget(w, h, true);
}

bool step_protect(struct world *w, unsigned int h, unsigned int choice)
{
	return owns(w, h) && simple_command(w, h, ENGINE_EV_PROTECT);
}

/* choice 1: the standby's host wishes it */
bool step_unprotect(struct world *w, unsigned int h, unsigned int choice)
{
	return owns(w, h) && flag_command(w, h, ENGINE_EV_UNPROTECT, choice);
}

/* The operator tells the truth. */
bool step_gone(struct world *w, unsigned int h, unsigned int choice)
{
	return owns(w, h) && !w->host[!h].on && simple_command(w, h, ENGINE_EV_UNPROTECT_STANDBY_GONE);
}

/* Who starts the guest by hand knows that no host has it, nor takes it at the moment. */
static bool nothing_anywhere(const struct world *w)
{
	bool idle = !world_copy_exists(w) && !w->ring.nr && !w->queue[0].nr && !w->queue[1].nr;

	for (unsigned int h = 0; h < 2; h++)
		idle = idle && !(up(w, h) && w->host[h].e.cmd.type) && !w->host[h].record.granted;
	return idle;
}

/* Until the record says that we own it, a guest that runs here is not ours. */
bool step_adopt(struct world *w, unsigned int h, unsigned int choice)
{
	struct host *host = &w->host[h];
	struct engine_event ev = { .type = ENGINE_EV_START_OWNER };
	uint16_t n;

	if (!up(w, h) || !nothing_anywhere(w))
		return false;
	n = world_node(w, w->seen, false);
	if (!n)
		return false;
	ev.incarnation = ++w->incarnations;
	host->foreign = true;
	host->failed = false;
	w->guest_ended = false;
	command(w, h, &ev);
	if (!host->on || host->record.g != ENGINE_G(ev.incarnation))
		return true;
	host->foreign = false;
	host->memory = n;
	host->torn = false;
	host->domain = true;
	host->running = true;
	host->ran_g = ENGINE_G(ev.incarnation);
	return true;
}

bool step_by_hand(struct world *w, unsigned int h, unsigned int choice)
{
	struct engine_event ev = { .type = ENGINE_EV_FOREIGN_DOMAIN, .flag = true };

	if (!up(w, h) || !nothing_anywhere(w))
		return false;
	w->host[h].foreign = true;
	host_event(w, h, &ev);
	return true;
}

bool step_by_hand_ends(struct world *w, unsigned int h, unsigned int choice)
{
	struct engine_event ev = { .type = ENGINE_EV_FOREIGN_DOMAIN };

	if (!up(w, h) || !w->host[h].foreign)
		return false;
	w->host[h].foreign = false;
	w->copy_may_end = true;
	host_event(w, h, &ev);
	return true;
}
