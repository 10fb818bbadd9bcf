/* SPDX-License-Identifier: GPL-2.0-only */
/* Who may run (G2): each way to become owner, and the word of a host that holds nothing. */
#include "engine/internal.h"

void promote_run(struct engine *e)
{
	struct engine_action *a = engine_emit(e, ENGINE_ACT_RUN);

	e->unborn = false;
	e->give_back_at = 0;
	a->g = e->p.g;
	a->epoch = e->p.epoch;
	a->base = e->p.released;
}

/* Seals what comes from the old owner, then owns. */
static void own(struct engine *e, uint64_t g, bool peer_has_none, enum engine_note note)
{
	engine_drop_link(e);
	e->p.role = ENGINE_OWNER;
	e->p.g = g;
	e->p.granted = 0;
	e->p.asked = 0;
	e->p.want_protect = 1;
	e->p.exact = 0;
	e->p.acked = peer_has_none ? 0 : e->p.epoch;
	if (e->p.captured < e->p.epoch)
		e->p.captured = e->p.epoch;
	e->capturing = 0;
	e->stopped = false;
	e->run_due = false;
	e->dirty_due = 0;
	epoch_due_now(e); /* the image may hold outputs */
	protect_begin(e, peer_has_none || engine_weak(GUARD_RUN_HOLDS));
	engine_note(e, note);
	promote_run(e);
	if (e->p.right)
		engine_emit_epoch(e, ENGINE_ACT_RELEASE, engine_open_epoch(e));
}

/* released: outputs of our image stamped <= it left the other host, or this one before it granted. */
static void run_copy(struct engine *e, uint64_t g, bool peer_has_none, uint64_t released,
		     enum engine_note note)
{
	e->p.released = released;
	own(e, g, peer_has_none, note);
	engine_finish(e, ENGINE_EV_PROMOTE, ENGINE_RES_OK);
	engine_finish(e, 0, ENGINE_RES_NO_STANDBY);
}

static void cold_boot(struct engine *e, uint64_t g)
{
	e->p.epoch = 0;
	e->p.released = 0;
	own(e, g, true, ENGINE_NOTE_COLD_BOOT);
	engine_finish(e, 0, ENGINE_RES_OK);
}

static uint64_t left_before(const struct engine *e)
{
	return e->p.granted ? e->p.released : 0;
}

/* The peer's host is off: nothing there runs, grants or takes a grant any more. */
static void run_alone(struct engine *e, uint64_t cold_g)
{
	if (e->p.role == ENGINE_COPY)
		run_copy(e, e->p.g + 1, true, left_before(e), ENGINE_NOTE_RUN_FENCED);
	else
		cold_boot(e, cold_g);
}

static bool may_run_alone(const struct engine *e, const struct engine_event *ev)
{
	if (e->p.role == ENGINE_COPY && engine_weak(GUARD_PROMOTE_PROOF))
		return true;
	if (e->p.role == ENGINE_NONE && engine_weak(GUARD_COLD_PROOF))
		return true;
	return ev->proof && protect_proof_holds(e, ev->peer_boot);
}

void promote_resume(struct engine *e)
{
	e->p.role = ENGINE_OWNER;
	e->p.exact = 0;
	e->requested = false;
	e->lost_at = e->now;
	epoch_due_now(e);
	engine_changed(e);
	if (e->capturing)
		e->run_due = true;
	else
		promote_run(e);
	protect_release(e); /* of an image that could not be started before nothing has left */
	protect_resumed(e);
}

void promote_command(struct engine *e, const struct engine_event *ev)
{
	uint64_t g = ENGINE_G(ev->incarnation);

	if (e->p.gone) {
		engine_answer(e, ev->request, ENGINE_RES_STATE); /* the guest ended; soon there is NONE */
		return;
	}
	if (e->p.role == ENGINE_HELD)
		promote_resume(e);
	if (e->p.role == ENGINE_OWNER) {
		if (handover_stay(e))
			engine_note(e, ENGINE_NOTE_STAYS);
		engine_answer(e, ev->request, ENGINE_RES_OK);
		return;
	}
	if (e->foreign || (e->p.role == ENGINE_NONE && !ev->incarnation)) {
		engine_answer(e, ev->request, ENGINE_RES_STATE);
		return;
	}
	e->cmd.type = ENGINE_EV_PROMOTE;
	e->cmd.request = ev->request;
	e->cmd.deadline = e->now + e->cfg.handover_ns;
	e->cmd.g = g;
	e->cmd.awaiting = ev->flag;
	if (may_run_alone(e, ev)) {
		run_alone(e, g);
		return;
	}
	engine_new_question(e);
	handover_ask(e);
}

void promote_fenced(struct engine *e, uint64_t peer_boot)
{
	if (e->cmd.type == ENGINE_EV_PROMOTE && protect_proof_holds(e, peer_boot))
		run_alone(e, e->cmd.g);
}

void promote_adopt(struct engine *e, const struct engine_event *ev)
{
	if (e->p.role != ENGINE_NONE || e->p.granted || !ev->incarnation) {
		engine_answer(e, ev->request, ENGINE_RES_STATE);
		return;
	}
	engine_drop_link(e);
	e->foreign = false;
	e->p.role = ENGINE_OWNER;
	e->p.g = ENGINE_G(ev->incarnation);
	e->p.epoch = 0;
	e->p.released = 0;
	e->p.acked = 0;
	protect_begin(e, true);
	engine_answer(e, ev->request, ENGINE_RES_OK);
}

/* ---- what the peer says ---- */

/* N is exact, or the granter keeps nothing and a later epoch that it had sent is as good. */
static bool grant_fits(const struct engine *e, const struct engine_message *m)
{
	if (m->g != e->p.g + 1)
		return false;
	return m->epoch == e->p.epoch || (m->role == ENGINE_NONE && m->epoch < e->p.epoch);
}

static void copy_granted(struct engine *e, const struct engine_message *m)
{
	if (engine_allowed(GUARD_GRANT_MATCH, grant_fits(e, m))) {
		run_copy(e, m->g, m->role == ENGINE_NONE, m->epoch, ENGINE_NOTE_RUN_GRANT);
		e->p.session = m->session;
		engine_say(e, ENGINE_MSG_HAVE, m->g, m->epoch, m->nonce);
	} else if (m->g == e->p.voided) {
		engine_say(e, ENGINE_MSG_VOID, m->g, e->p.epoch, m->nonce);
	} else {
		e->counters.dropped++;
	}
}

void promote_grant(struct engine *e, const struct engine_message *m)
{
	if (engine_is_owner(e)) {
		if (m->g == e->p.g)
			engine_say(e, ENGINE_MSG_HAVE, m->g, m->epoch, m->nonce);
		return;
	}
	if (e->p.role == ENGINE_COPY)
		copy_granted(e, m);
	else if (engine_allowed(GUARD_FOREIGN_SILENT, !e->foreign))
		engine_say(e, ENGINE_MSG_VOID, m->g, 0, m->nonce);
}

/* VOID: what was granted is ours again.  It runs only if somebody here wants that; else it is held. */
static void take_back(struct engine *e, const struct engine_message *m)
{
	bool none = m->role == ENGINE_NONE;

	e->p.session = m->session;
	if (e->cmd.type == ENGINE_EV_PROMOTE || e->cmd.type == ENGINE_EV_SWITCHOVER) {
		run_copy(e, e->p.g + 1, none, left_before(e),
			 none ? ENGINE_NOTE_RUN_NONE : ENGINE_NOTE_RUN_VOID);
		return;
	}
	engine_drop_link(e);
	e->p.role = ENGINE_HELD;
	e->p.g++;
	e->p.granted = 0;
	e->p.want_protect = 1;
	e->p.acked = none ? 0 : e->p.epoch;
	e->p.exact = e->p.acked;
	if (e->p.captured < e->p.epoch)
		e->p.captured = e->p.epoch;
	e->quiesced = false;
	e->requested = false;
	e->unborn = true; /* the domain has a standby's form: it is started from its image */
	protect_begin(e, none);
	engine_note(e, ENGINE_NOTE_TAKEN_BACK);
	engine_emit(e, ENGINE_ACT_QUIESCE);
	engine_finish(e, ENGINE_EV_STOP, ENGINE_RES_PARKED);
}

static void peer_has_none(struct engine *e, const struct engine_message *m)
{
	if (engine_allowed(GUARD_COLD_AWAITED, !e->cmd.awaiting))
		cold_boot(e, m->g);
	else
		engine_finish(e, 0, ENGINE_RES_OUTDATED);
}

void promote_void(struct engine *e, const struct engine_message *m)
{
	bool promoting = e->cmd.type == ENGINE_EV_PROMOTE;
	bool forgetting = e->cmd.type == ENGINE_EV_FORGET;

	/* The nonce is rule 38's, against a replay: between honest hosts g alone tells what a VOID is about.
	 */
	if (engine_is_owner(e) || m->nonce != e->p.nonce) {
		e->counters.dropped++;
	} else if (forgetting && m->g == e->cmd.g) {
		engine_finish(e, 0, ENGINE_RES_LAST_COPY);
	} else if (e->p.role == ENGINE_COPY && m->g == e->p.g && (e->p.granted || promoting)) {
		take_back(e, m);
	} else if (e->p.role == ENGINE_NONE && promoting && m->g == e->cmd.g && m->role == ENGINE_NONE) {
		peer_has_none(e, m);
	} else if (e->p.role == ENGINE_NONE && e->p.granted && m->g == e->p.g) {
		e->p.granted = 0;
		engine_changed(e);
		engine_finish(e, 0, ENGINE_RES_NO_STANDBY);
	} else {
		e->counters.dropped++;
	}
}

/* Two hosts that want to boot cold at once: the higher node gives way, then its NONE is true. */
static bool claim_yields(struct engine *e, const struct engine_message *m)
{
	if (e->cmd.type != ENGINE_EV_PROMOTE || engine_weak(GUARD_COLD_TIE))
		return true;
	if (e->cfg.node < m->node)
		return false;
	engine_finish(e, 0, ENGINE_RES_PEER_COPY);
	return true;
}

void promote_claim(struct engine *e, const struct engine_message *m)
{
	if (e->p.role != ENGINE_NONE)
		engine_say(e, ENGINE_MSG_STATE, e->p.g, engine_committed(e), m->nonce);
	else if (engine_allowed(GUARD_FOREIGN_SILENT, !e->foreign) && claim_yields(e, m)) {
		engine_peer_seen(e, m->session >> 32);
		engine_drop_link(e); /* of a peer that owned it: nothing of that may come after this word */
		engine_say(e, ENGINE_MSG_VOID, m->g, 0, m->nonce);
	}
}

static enum engine_result refusal(const struct engine_message *m)
{
	if (m->role == ENGINE_OWNER)
		return ENGINE_RES_PEER_OWNS;
	return m->role == ENGINE_HELD ? ENGINE_RES_PEER_HOLDS : ENGINE_RES_PEER_COPY;
}

void promote_refused(struct engine *e, const struct engine_message *m)
{
	if (m->nonce != e->p.nonce) {
		e->counters.dropped++;
		return;
	}
	if (engine_is_owner(e)) {
		if (e->p.outdating && (m->role == ENGINE_OWNER || m->role == ENGINE_HELD))
			engine_note(e, ENGINE_NOTE_CONFLICT);
		return;
	}
	if (e->cmd.type == ENGINE_EV_FORGET) {
		forget_answered(e, m);
		return;
	}
	if (e->p.asked) {
		e->p.asked = 0;
		engine_changed(e);
	}
	if (e->p.granted && m->g == e->p.g && (m->role == ENGINE_OWNER || m->role == ENGINE_HELD))
		handover_have(e);
	else
		engine_finish(e, ENGINE_EV_PROMOTE, refusal(m));
}
