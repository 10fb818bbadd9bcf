/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the operator wants gone (rule 14): for the peer it is as if this host had lost it with a boot, which
 * every other part of the protocol lives with.  The word of the operator is asked for where that may lose the
 * guest.
 */
#include "engine/internal.h"

/* Whoever runs the guest has a newer one than this copy; what is held there may still be granted to us. */
static bool peer_owns(const struct engine *e, const struct engine_message *m)
{
	bool older = ENGINE_INCARNATION(m->g) == ENGINE_INCARNATION(e->p.g) && m->g < e->p.g;

	return m->role == ENGINE_OWNER && !older;
}

static void forget_copy(struct engine *e, uint32_t request)
{
	engine_note(e, ENGINE_NOTE_FORGOTTEN);
	e->cmd.type = 0;
	standby_drop_copy(e);
	engine_drop_link(e);
	engine_answer(e, request, ENGINE_RES_OK);
}

/* Outputs that wait go with it, as with its host; what is on its way to a disk must not come after the
 * peer's. */
static void forget_held(struct engine *e, const struct engine_event *ev)
{
	bool quiet = e->quiesced && !e->capturing;

	if (!engine_allowed(GUARD_FORGET_LAST, ev->flag)) {
		engine_answer(e, ev->request, ENGINE_RES_LAST_COPY);
		return;
	}
	if (!engine_allowed(GUARD_FORGET_QUIESCED, quiet)) {
		engine_answer(e, ev->request, ENGINE_RES_BUSY);
		return;
	}
	engine_note(e, ENGINE_NOTE_FORGOTTEN);
	engine_drop_link(e);
	epoch_reset(e);
	e->p.role = ENGINE_NONE;
	e->p.right = 0;
	e->p.outdating = 0;
	e->p.exact = 0;
	e->give_back_at = 0;
	e->unborn = false;
	e->requested = false;
	e->protection = ENGINE_UNPROTECTED;
	engine_changed(e);
	engine_emit(e, ENGINE_ACT_HOLD)->g = e->p.g;
	engine_emit(e, ENGINE_ACT_DROP_COPY);
	engine_answer(e, ev->request, ENGINE_RES_OK);
}

/* A question that is open (ours for the grant, the peer's about it) may leave this copy the last one. */
static void forget_parked(struct engine *e, const struct engine_event *ev)
{
	if (engine_allowed(GUARD_FORGET_LAST, ev->flag)) {
		forget_copy(e, ev->request);
		return;
	}
	if (e->p.granted || e->p.asked || !ev->incarnation) {
		engine_answer(e, ev->request, ENGINE_RES_LAST_COPY);
		return;
	}
	e->cmd.type = ENGINE_EV_FORGET;
	e->cmd.request = ev->request;
	e->cmd.deadline = e->now + e->cfg.handover_ns;
	e->cmd.g = ENGINE_G(ev->incarnation);
	engine_new_question(e);
	handover_ask(e);
}

void forget_command(struct engine *e, const struct engine_event *ev)
{
	switch (e->p.role) {
	case ENGINE_COPY:
		/* with a link it follows its owner, who is to be asked to go on without it */
		if (e->session)
			engine_answer(e, ev->request, ENGINE_RES_STATE);
		else
			forget_parked(e, ev);
		break;
	case ENGINE_HELD:
		forget_held(e, ev);
		break;
	case ENGINE_NONE:
		engine_answer(e, ev->request, e->session ? ENGINE_RES_STATE : ENGINE_RES_OK);
		break;
	default:
		engine_answer(e, ev->request, ENGINE_RES_STATE);
	}
}

void forget_answered(struct engine *e, const struct engine_message *m)
{
	if (peer_owns(e, m))
		forget_copy(e, e->cmd.request);
	else
		engine_finish(e, 0, ENGINE_RES_LAST_COPY);
}
