/* SPDX-License-Identifier: GPL-2.0-only */
/* The holder's side of section 0: hold, grant, and what a copy answers to another copy. */
#include "engine/internal.h"

/* Two hosts that both fail must not hand it to and fro without a pause; in resend_ns. */
#define GIVE_BACK 5

static bool same_incarnation(uint64_t a, uint64_t b)
{
	return ENGINE_INCARNATION(a) == ENGINE_INCARNATION(b);
}

/* What has just left is not on the disk yet. */
void handover_released(struct engine *e)
{
	if (e->p.role != ENGINE_HELD)
		return;
	e->quiesced = false;
	engine_emit(e, ENGINE_ACT_QUIESCE);
}

static void hold(struct engine *e)
{
	e->p.role = ENGINE_HELD;
	e->p.yields = 0;
	e->p.exact = 0;
	e->quiesced = false;
	e->requested = false;
	e->run_due = false;
	e->stopped = false;
	engine_changed(e);
	engine_note(e, ENGINE_NOTE_HELD);
	engine_emit(e, ENGINE_ACT_STOP_GUEST);
	engine_emit(e, ENGINE_ACT_QUIESCE);
}

/* What the cluster manager does between its demote and its promote is time in which the guest may work. */
static void yield(struct engine *e)
{
	e->p.yields = 1;
	e->yield_until = e->now + e->cfg.yield_ns;
	engine_changed(e);
	engine_note(e, ENGINE_NOTE_YIELDS);
}

void handover_demote(struct engine *e, const struct engine_event *ev)
{
	if (e->p.role == ENGINE_OWNER && !e->p.gone) {
		if (!ev->flag || e->protection != ENGINE_PROTECTED)
			hold(e);
		else if (!e->p.yields)
			yield(e);
	}
	engine_answer(e, ev->request, ENGINE_RES_OK);
}

/* For how much longer it was to run on is not known any more. */
void handover_restore(struct engine *e)
{
	if (!e->p.yields)
		return;
	e->p.yields = 0;
	e->p.role = ENGINE_HELD;
	e->p.exact = 0;
	engine_changed(e);
}

/* What is here is still exactly the image that it was to start from. */
void handover_run_failed(struct engine *e, uint64_t g)
{
	if (!engine_is_owner(e) || g != e->p.g || !e->p.epoch || e->p.gone)
		return;
	hold(e);
	epoch_reset(e);
	e->unborn = true;
	protect_unborn(e);
	e->p.exact = e->p.epoch;
	if (!engine_alone(e))
		e->give_back_at = e->now + GIVE_BACK * e->cfg.resend_ns;
}

/* Nobody has asked for it, and nobody will. */
bool handover_stay(struct engine *e)
{
	if (!e->p.yields)
		return false;
	e->p.yields = 0;
	e->lost_at = e->now;
	engine_changed(e);
	return true;
}

static void stop_alone(struct engine *e, uint32_t request)
{
	if (e->p.role == ENGINE_HELD)
		promote_resume(e);
	handover_stay(e);
	engine_answer(e, request, ENGINE_RES_SHUTDOWN);
}

void handover_leave(struct engine *e, const struct engine_event *ev)
{
	bool stop = ev->type == ENGINE_EV_STOP;

	if (!engine_is_owner(e)) {
		stop ? standby_stop(e, ev) : engine_answer(e, ev->request, ENGINE_RES_STATE);
		return;
	}
	if (!stop && e->protection != ENGINE_PROTECTED) {
		engine_answer(e, ev->request, ENGINE_RES_NO_STANDBY);
		return;
	}
	if (stop && engine_allowed(GUARD_STOP_HANDS_OVER, engine_alone(e))) {
		stop_alone(e, ev->request);
		return;
	}
	e->cmd.type = ev->type;
	e->cmd.request = ev->request;
	e->cmd.deadline = e->now + e->cfg.handover_ns;
	if (e->p.role == ENGINE_OWNER && !e->p.gone)
		hold(e);
	handover_continue(e);
}

void handover_alone(struct engine *e)
{
	if (e->cmd.type != ENGINE_EV_STOP)
		return;
	if (e->p.role == ENGINE_HELD)
		promote_resume(e);
	engine_finish(e, 0, ENGINE_RES_SHUTDOWN);
}

/* ---- the grant ---- */

/* Commit point: what the record says after this decides who may run. */
static void grant(struct engine *e, uint64_t n, bool exact)
{
	e->give_back_at = 0;
	e->unborn = false;
	e->p.g++;
	e->p.role = exact ? ENGINE_COPY : ENGINE_NONE;
	e->p.epoch = n;
	e->p.released = n;
	e->p.exact = 0;
	e->p.granted = 1;
	e->p.right = 0;
	e->p.session_last = engine_next_session(e);
	e->p.session = e->p.session_last;
	e->protection = ENGINE_UNPROTECTED;
	e->requested = false;
	epoch_reset(e);
	engine_new_question(e);
	engine_emit_epoch(e, ENGINE_ACT_DISCARD, n);
	engine_emit(e, ENGINE_ACT_HOLD)->g = e->p.g;
	if (!exact)
		engine_emit(e, ENGINE_ACT_DROP_COPY);
	engine_note(e, ENGINE_NOTE_GRANTED);
	handover_ask(e);
	engine_drop_link(e);
}

static bool grant_wanted(const struct engine *e)
{
	return e->requested || e->cmd.type == ENGINE_EV_SWITCHOVER || e->cmd.type == ENGINE_EV_STOP;
}

/*
 * The last epoch is acked: the planned move.  Without a link the epoch acked last is granted as it is, as in
 * a failover, but only to a peer that asked: then it lives and has a way to hear the answer.
 */
static void grant_if_possible(struct engine *e)
{
	uint64_t n = e->p.acked;
	bool exact;

	if (!grant_wanted(e) || e->p.right || e->p.outdating || !n)
		return;
	if (engine_weak(GUARD_GRANT_ACKED) && e->p.exact)
		n = e->p.exact;
	exact = e->p.exact == n;
	if (!exact && (e->session || !e->requested))
		return;
	grant(e, n, engine_allowed(GUARD_GRANT_EXACT, exact));
}

void handover_continue(struct engine *e)
{
	if (!engine_allowed(GUARD_GRANT_HELD, e->p.role == ENGINE_HELD) || !engine_is_owner(e) ||
	    e->capturing)
		return;
	if (!engine_allowed(GUARD_GRANT_QUIESCED, e->quiesced))
		return;
	if (e->p.role == ENGINE_HELD && epoch_capture_final(e))
		return;
	grant_if_possible(e);
}

void handover_quiesced(struct engine *e)
{
	if (e->p.role != ENGINE_HELD)
		return;
	e->quiesced = true;
	handover_continue(e);
}

void handover_link_lost(struct engine *e)
{
	if (e->p.role != ENGINE_HELD)
		return;
	if (e->cmd.type == ENGINE_EV_SWITCHOVER) {
		promote_resume(e);
		engine_finish(e, 0, ENGINE_RES_NO_STANDBY);
	}
	handover_continue(e);
}

/* ---- the answers ---- */

void handover_have(struct engine *e)
{
	if (engine_is_owner(e) || !e->p.granted) {
		e->counters.dropped++;
		return;
	}
	e->p.granted = 0;
	engine_changed(e);
	engine_note(e, ENGINE_NOTE_HANDED_OVER);
	engine_finish(e, ENGINE_EV_PROMOTE, ENGINE_RES_PEER_OWNS);
	engine_finish(e, 0, ENGINE_RES_OK);
}

static uint64_t question(const struct engine_message *m)
{
	return m->session >> 32 << 32 | (uint32_t)m->nonce;
}

static bool was_refused(const struct engine *e, const struct engine_message *m)
{
	return m->session >> 32 == e->p.refused >> 32 && question(m) <= e->p.refused;
}

/*
 * Who is refused is free to drop its copy: that question is never granted later, however late or often it
 * comes, nor by a daemon after this one.
 */
static void refuse(struct engine *e, const struct engine_message *m)
{
	if (!was_refused(e, m)) {
		e->p.refused = question(m);
		engine_changed(e);
	}
	e->requested = false;
	engine_say(e, ENGINE_MSG_STATE, e->p.g, e->p.acked, m->nonce);
}

/* What the peer says it holds is as good as its ack; it may have acked more since it said so. */
static bool request_fits(struct engine *e, const struct engine_message *m)
{
	if (m->g != e->p.g || e->p.outdating || m->epoch < e->first)
		return false;
	return epoch_peer_holds(e, m->epoch) || (m->epoch && m->epoch < e->p.acked);
}

static void requested(struct engine *e, const struct engine_message *m)
{
	if (!engine_allowed(GUARD_REFUSED_FINAL, !was_refused(e, m)) || !request_fits(e, m)) {
		refuse(e, m);
		return;
	}
	if (e->p.yields)
		hold(e);
	e->requested = true;
	handover_continue(e);
}

/* Both are copies: the peer's is newer by the grant that we have not used.  From here on we never will. */
static void give_up_generation(struct engine *e, const struct engine_message *m)
{
	e->p.voided = m->g;
	e->p.granted = 0;
	if (!engine_weak(GUARD_VOID_RELABEL))
		e->p.g = m->g + 1;
	e->p.session_last = engine_next_session(e);
	e->p.session = e->p.session_last;
	engine_changed(e);
	engine_drop_link(e);
	engine_say(e, ENGINE_MSG_VOID, m->g, e->p.epoch, m->nonce);
}

static void copy_requested(struct engine *e, const struct engine_message *m)
{
	if (!same_incarnation(m->g, e->p.g))
		e->counters.dropped++;
	else if (m->g == e->p.voided)
		engine_say(e, ENGINE_MSG_VOID, m->g, e->p.epoch, m->nonce);
	else if (m->g == e->p.g + 1 && m->epoch == e->p.epoch)
		give_up_generation(e, m);
	else if (e->p.granted && e->p.g == m->g + 1 && e->cmd.type != ENGINE_EV_PROMOTE)
		handover_ask(e);
	else
		e->counters.dropped++;
}

void handover_request(struct engine *e, const struct engine_message *m)
{
	switch (e->p.role) {
	case ENGINE_OWNER:
		if (e->p.yields || engine_weak(GUARD_GRANT_HELD))
			requested(e, m);
		else if (engine_weak(GUARD_OWNER_SILENT))
			engine_say(e, ENGINE_MSG_VOID, m->g, 0, m->nonce);
		else
			refuse(e, m);
		break;
	case ENGINE_HELD:
		requested(e, m);
		break;
	case ENGINE_COPY:
		copy_requested(e, m);
		break;
	default:
		if (e->p.granted)
			handover_ask(e);
		else if (engine_allowed(GUARD_FOREIGN_SILENT, !e->foreign))
			engine_say(e, ENGINE_MSG_VOID, m->g, 0, m->nonce);
	}
}

/* ---- time ---- */

/* Of a copy that is to be forgotten it is no claim, and its role says so: a peer that has something tells it.
 */
static void claim(struct engine *e)
{
	uint64_t copy = e->p.session;

	e->p.session = (uint64_t)e->cfg.boot << 32; /* who answers has seen this boot */
	engine_say(e, ENGINE_MSG_CLAIM, e->cmd.g, 0, e->p.nonce);
	e->p.session = copy;
}

static void request(struct engine *e)
{
	if (!e->p.asked) {
		e->p.asked = 1;
		engine_new_question(e); /* an answer to a CLAIM of before is none to this */
	}
	engine_say(e, ENGINE_MSG_REQUEST, e->p.g, e->p.epoch, e->p.nonce);
}

void handover_ask(struct engine *e)
{
	if (e->cmd.type == ENGINE_EV_PROMOTE && e->p.role == ENGINE_COPY)
		request(e);
	else if (e->cmd.type == ENGINE_EV_PROMOTE || e->cmd.type == ENGINE_EV_FORGET)
		claim(e);
	else
		engine_say(e, ENGINE_MSG_GRANT, e->p.g, e->p.epoch, e->p.nonce);
	e->resend_at = e->now + e->cfg.resend_ns;
}

static bool asking(const struct engine *e)
{
	return !engine_is_owner(e) &&
	       (e->p.granted || e->cmd.type == ENGINE_EV_PROMOTE || e->cmd.type == ENGINE_EV_FORGET);
}

static void command_expired(struct engine *e)
{
	switch (e->cmd.type) {
	case ENGINE_EV_STOP:
		engine_finish(e, 0, ENGINE_RES_PARKED);
		break;
	case ENGINE_EV_FORGET:
		engine_finish(e, 0, ENGINE_RES_LAST_COPY);
		break;
	case ENGINE_EV_SWITCHOVER:
		if (e->p.role == ENGINE_HELD) {
			promote_resume(e);
			engine_finish(e, 0, ENGINE_RES_NO_STANDBY);
			break;
		}
		/* fall through */
	default:
		engine_finish(e, 0, ENGINE_RES_NO_PROOF);
	}
}

void handover_tick(struct engine *e)
{
	if (e->cmd.type && e->now >= e->cmd.deadline)
		command_expired(e);
	if (asking(e) && e->now >= e->resend_at)
		handover_ask(e);
	if (engine_yields(e) && e->now >= e->yield_until)
		hold(e);
	if (e->give_back_at && e->now >= e->give_back_at) {
		e->give_back_at = 0;
		e->requested = e->unborn && e->p.role == ENGINE_HELD;
	}
	if (e->p.role == ENGINE_HELD)
		handover_continue(e);
}

uint64_t handover_deadline(const struct engine *e)
{
	uint64_t t = engine_sooner(asking(e) ? e->resend_at : 0, e->give_back_at);

	t = engine_sooner(t, engine_yields(e) ? e->yield_until : 0);
	return engine_sooner(t, e->cmd.type ? e->cmd.deadline : 0);
}
