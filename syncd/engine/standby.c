/* SPDX-License-Identifier: GPL-2.0-only */
/* The copy: which epochs it takes, and when it lets itself be dropped. */
#include "engine/internal.h"

void standby_drop_copy(struct engine *e)
{
	if (e->p.role != ENGINE_COPY)
		return;
	e->p.role = ENGINE_NONE;
	e->p.asked = 0;
	engine_changed(e);
	engine_emit(e, ENGINE_ACT_DROP_COPY);
	engine_note(e, ENGINE_NOTE_COPY_DROPPED);
	engine_finish(e, ENGINE_EV_PROMOTE, ENGINE_RES_OUTDATED);
	engine_finish(e, ENGINE_EV_FORGET, ENGINE_RES_OK); /* whoever had it dropped */
}

void standby_link_up(struct engine *e, const struct engine_event *ev)
{
	if (ev->peer.role != ENGINE_OWNER && ev->peer.role != ENGINE_HELD) {
		engine_emit(e, ENGINE_ACT_DROP_LINK);
		return;
	}
	e->session = ev->session;
	e->bulk = false;
	e->p.session_last = ev->session;
	engine_peer_seen(e, ev->peer_boot);
	engine_changed(e);
	if (e->p.granted && ev->peer.g == e->p.g)
		handover_have(e);
	if (ev->peer.role == ENGINE_OWNER)
		engine_finish(e, ENGINE_EV_PROMOTE, ENGINE_RES_PEER_OWNS);
	engine_finish(e, ENGINE_EV_FORGET, ENGINE_RES_STATE); /* it is wanted again */
}

/*
 * A valid copy is never overwritten by an incomplete one (rule 11): the owner asks for NONE first.  No honest
 * owner begins without, so that no simulated schedule comes here with a copy; a unit test does.
 */
void standby_bulk_begin(struct engine *e, uint64_t session)
{
	if (session != e->session)
		return;
	if (e->p.role == ENGINE_NONE)
		e->bulk = true;
	else
		engine_drop_link(e);
}

static bool epoch_fits(const struct engine *e, const struct engine_event *ev)
{
	if (e->p.role == ENGINE_NONE)
		return !ev->base && e->bulk;
	return ev->g == e->p.g && ev->base == e->p.epoch && ev->epoch > e->p.epoch;
}

void standby_staged(struct engine *e, const struct engine_event *ev)
{
	bool current = e->session && ev->session == e->session;

	if (!engine_allowed(GUARD_STAGE_SESSION, current) ||
	    !engine_allowed(GUARD_STAGE_BASE, epoch_fits(e, ev))) {
		e->counters.dropped++;
		return;
	}
	e->bulk = false;
	e->p.role = ENGINE_COPY;
	e->p.g = ev->g;
	e->p.epoch = ev->epoch;
	e->p.released = 0;
	e->p.granted = 0;
	e->p.session = ev->session;
	engine_changed(e);
	engine_say(e, ENGINE_MSG_ACK, ev->g, ev->epoch, 0);
	engine_emit_epoch(e, ENGINE_ACT_APPLY, ev->epoch);
}

/* Sessions of one boot are ordered: an OUTDATE older than the session that made this copy is not about it. */
static bool outdate_is_current(const struct engine *e, const struct engine_message *m)
{
	if (ENGINE_INCARNATION(m->g) == ENGINE_INCARNATION(e->p.g) && m->g != e->p.g)
		return false;
	return m->session >> 32 == e->p.session >> 32 && m->session >= e->p.session;
}

/*
 * Asked before this session began, which began with our NONE: the owner knows it since, and nothing staged in
 * this session is older than that.
 */
static bool asked_before_session(const struct engine *e, const struct engine_message *m)
{
	return e->p.role == ENGINE_NONE && m->session >> 32 == e->session >> 32 && m->session < e->session;
}

void standby_outdate(struct engine *e, const struct engine_message *m)
{
	bool old;

	if (engine_is_owner(e)) {
		if (engine_weak(GUARD_OWNER_SILENT))
			engine_say(e, ENGINE_MSG_OUTDATED, m->g, 0, m->nonce);
		else
			engine_say(e, ENGINE_MSG_STATE, e->p.g, e->p.acked, m->nonce);
		return;
	}
	if (!engine_allowed(GUARD_FOREIGN_SILENT, !e->foreign))
		return;
	if (e->p.role == ENGINE_COPY && !engine_allowed(GUARD_OUTDATE_CURRENT, outdate_is_current(e, m))) {
		e->counters.dropped++;
		return;
	}
	old = asked_before_session(e, m);
	if (e->p.granted)
		handover_have(e); /* only an owner sends this */
	standby_drop_copy(e);
	engine_say(e, ENGINE_MSG_OUTDATED, m->g, 0, m->nonce);
	if (!old && !engine_weak(GUARD_OUTDATE_SEALS))
		engine_drop_link(e);
}

void standby_stop(struct engine *e, const struct engine_event *ev)
{
	bool free = e->session && !e->p.granted && engine_allowed(GUARD_ASKED_STAYS, !e->p.asked);

	if (e->p.role == ENGINE_COPY && !free) {
		engine_answer(e, ev->request, ENGINE_RES_PARKED);
		return;
	}
	standby_drop_copy(e);
	engine_drop_link(e);
	engine_answer(e, ev->request, ENGINE_RES_OK);
}
