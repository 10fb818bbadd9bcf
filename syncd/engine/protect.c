/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Owner: the link, the bulk copy, and the right to run alone (G5).  `p.right` is that right: the peer holds
 * no copy, by its own word or because its host is off.  Everything that gives or takes it is in this file,
 * but for the change of owner itself, which calls protect_begin().
 */
#include "engine/internal.h"

static bool outdating(const struct engine *e)
{
	return e->protection == ENGINE_OUTDATING || e->protection == ENGINE_BLOCKED;
}

void protect_begin(struct engine *e, bool peer_has_none)
{
	epoch_reset(e);
	e->p.right = peer_has_none;
	e->p.outdating = 0;
	e->protection = peer_has_none ? ENGINE_UNPROTECTED : ENGINE_LINK_LOST;
	e->lost_at = e->now;
	e->first = 0;
	engine_changed(e);
}

void protect_restore(struct engine *e)
{
	e->protection = e->p.outdating ? ENGINE_OUTDATING
			: e->p.right   ? ENGINE_UNPROTECTED
				       : ENGINE_LINK_LOST;
	e->lost_at = e->now;
	e->outdate_at = e->now;
	epoch_due_now(e); /* outputs may wait in the devices */
	e->p.captured++;  /* the last number may have been used and not recorded */
}

void protect_release(struct engine *e)
{
	uint64_t upto = engine_alone(e) ? engine_open_epoch(e) : e->p.acked;

	if (upto)
		engine_emit_epoch(e, ENGINE_ACT_RELEASE, upto);
}

void protect_ask(struct engine *e)
{
	engine_say(e, ENGINE_MSG_OUTDATE, e->p.g, 0, e->p.nonce);
	e->resend_at = e->now + e->cfg.resend_ns;
}

/* There is no way back from here but the peer's NONE: it may drop its copy at any moment. */
static void outdate_begin(struct engine *e)
{
	if (outdating(e))
		return;
	epoch_reset(e);
	e->protection = ENGINE_OUTDATING;
	e->p.outdating = 1;
	e->p.exact = 0;
	e->outdate_at = e->now;
	engine_new_question(e);
	engine_note(e, ENGINE_NOTE_OUTDATING);
	protect_ask(e);
	epoch_resume_guest(e);
}

static void bulk_begin(struct engine *e)
{
	e->protection = ENGINE_SYNCING;
	e->bulk_done = false;
	engine_note(e, ENGINE_NOTE_SYNCING);
	engine_emit(e, ENGINE_ACT_START_BULK);
}

static void bulk_if_wanted(struct engine *e)
{
	if (e->protection == ENGINE_UNPROTECTED && e->session && e->p.want_protect && !e->unborn)
		bulk_begin(e);
}

/*
 * What has not run cannot be copied.  No epoch of it was sent: a bulk copy begins with the RUN that failed.
 * Only a caller that was silent about it after a restart comes here later, when the peer may hold one.
 */
void protect_unborn(struct engine *e)
{
	if (e->protection != ENGINE_SYNCING)
		return;
	engine_emit(e, ENGINE_ACT_STOP_BULK);
	if (e->p.right)
		e->protection = ENGINE_UNPROTECTED;
	else
		outdate_begin(e);
}

void protect_resumed(struct engine *e)
{
	bulk_if_wanted(e);
}

static void guest_is_gone(struct engine *e)
{
	engine_drop_link(e);
	e->p.role = ENGINE_NONE;
	e->p.gone = 0;
	e->p.right = 0;
	e->give_back_at = 0;
	e->unborn = false;
	e->protection = ENGINE_UNPROTECTED;
	engine_changed(e);
	engine_finish(e, 0, ENGINE_RES_OK); /* a stop */
}

/* The peer holds no copy: outputs are free from now on. */
static void peer_has_none(struct engine *e)
{
	bool had_right = e->p.right;

	epoch_reset(e);
	e->p.right = 1;
	e->p.outdating = 0;
	e->p.acked = 0;
	e->p.exact = 0;
	e->protection = ENGINE_UNPROTECTED;
	engine_changed(e);
	if (!had_right) {
		engine_note(e, ENGINE_NOTE_UNPROTECTED);
		engine_emit_epoch(e, ENGINE_ACT_RELEASE, engine_open_epoch(e));
		handover_released(e);
	}
	if (e->cmd.type == ENGINE_EV_UNPROTECT) {
		e->p.want_protect = 0;
		engine_finish(e, 0, ENGINE_RES_OK);
	}
	epoch_resume_guest(e);
	if (e->p.gone) {
		guest_is_gone(e);
		return;
	}
	handover_alone(e);
	bulk_if_wanted(e);
}

/* A copy of our own lineage, at an epoch that we sent: the delta from it is enough. */
static bool resync_possible(struct engine *e, const struct engine_peer *peer)
{
	if (!engine_allowed(GUARD_OUTDATE_FINAL, !outdating(e)))
		return false;
	if (e->protection != ENGINE_LINK_LOST && !outdating(e))
		return false;
	if (engine_weak(GUARD_RESYNC_KNOWN))
		return true;
	return peer->g == e->p.g && epoch_peer_holds(e, peer->epoch);
}

static void resync(struct engine *e)
{
	epoch_reset(e); /* what else was sent did not arrive */
	epoch_due_now(e);
	if (e->p.exact != e->p.acked)
		e->p.exact = 0;
	e->p.outdating = 0;
	e->protection = ENGINE_PROTECTED;
	engine_note(e, ENGINE_NOTE_PROTECTED);
	epoch_capture_if_due(e);
	handover_continue(e);
}

void protect_link_up(struct engine *e, const struct engine_event *ev)
{
	if (ev->peer.role == ENGINE_OWNER || ev->peer.role == ENGINE_HELD) {
		engine_note(e, ENGINE_NOTE_CONFLICT);
		engine_emit(e, ENGINE_ACT_DROP_LINK);
		return;
	}
	e->session = ev->session;
	e->p.session = ev->session;
	engine_peer_seen(e, ev->peer_boot);
	e->retry_at = 0;
	engine_changed(e);
	if (ev->peer.role == ENGINE_NONE)
		peer_has_none(e);
	else if (resync_possible(e, &ev->peer))
		resync(e);
	else if (outdating(e))
		protect_ask(e);
	else
		outdate_begin(e);
}

/* The peer was NONE when the bulk copy began, and what it got since is no copy yet. */
static bool first_never_sent(const struct engine *e)
{
	return e->protection == ENGINE_SYNCING && !e->p.nr_flight && !e->p.acked;
}

void protect_link_down(struct engine *e)
{
	e->sending = 0;
	if (outdating(e) || e->protection == ENGINE_UNPROTECTED || e->protection == ENGINE_LINK_LOST)
		return;
	if (engine_allowed(GUARD_FIRST_SENT, first_never_sent(e))) {
		peer_has_none(e);
	} else {
		e->protection = ENGINE_LINK_LOST;
		e->lost_at = e->now;
		engine_note(e, ENGINE_NOTE_LINK_LOST);
		epoch_resume_guest(e);
	}
	handover_link_lost(e);
}

void protect_bulk_done(struct engine *e)
{
	if (e->protection != ENGINE_SYNCING || e->bulk_done)
		return;
	e->bulk_done = true;
	e->first = e->p.captured + 1;
	e->p.acked = 0;
	if (!engine_weak(GUARD_RIGHT_REVOKED))
		e->p.right = 0;
	engine_changed(e);
	epoch_due_now(e);
	epoch_capture_if_due(e);
	handover_continue(e);
}

void protect_too_large(struct engine *e)
{
	engine_note(e, ENGINE_NOTE_TOO_LARGE);
	if (engine_allowed(GUARD_FIRST_SENT, first_never_sent(e)))
		peer_has_none(e);
	else
		outdate_begin(e);
}

/* The caller sees to it that a proof is newer than the last sign of life; a boot that ended long ago gives it
 * away. */
bool protect_proof_holds(const struct engine *e, uint64_t peer_boot)
{
	bool ended = false;

	for (unsigned int i = 1; i < ENGINE_PEER_BOOTS; i++)
		ended |= peer_boot && e->p.peer_boot[i] == (uint32_t)peer_boot;
	return engine_allowed(GUARD_FENCE_BOOT, !ended);
}

void protect_fenced(struct engine *e, uint64_t peer_boot)
{
	if (engine_alone(e) || e->session || !protect_proof_holds(e, peer_boot))
		return;
	peer_has_none(e);
}

void protect_outdated(struct engine *e, const struct engine_message *m)
{
	if (!engine_is_owner(e) || !outdating(e) || m->g != e->p.g ||
	    !engine_allowed(GUARD_OUTDATE_NONCE, m->nonce == e->p.nonce)) {
		e->counters.dropped++;
		return;
	}
	engine_drop_link(e); /* the peer has closed that session */
	peer_has_none(e);
}

static void unprotect(struct engine *e, const struct engine_event *ev)
{
	if (!e->p.right) {
		e->cmd.type = ENGINE_EV_UNPROTECT;
		e->cmd.request = ev->request;
		e->cmd.deadline = e->now + e->cfg.handover_ns;
		outdate_begin(e);
		return;
	}
	e->p.want_protect = 0;
	engine_changed(e);
	if (e->protection == ENGINE_SYNCING) {
		engine_emit(e, ENGINE_ACT_STOP_BULK);
		e->protection = ENGINE_UNPROTECTED;
	}
	engine_answer(e, ev->request, ENGINE_RES_OK);
}

void protect_command(struct engine *e, const struct engine_event *ev)
{
	if (!engine_is_owner(e)) {
		engine_answer(e, ev->request, ENGINE_RES_STATE);
		return;
	}
	if (ev->type == ENGINE_EV_PROTECT) {
		e->p.want_protect = 1;
		engine_changed(e);
		bulk_if_wanted(e);
		engine_answer(e, ev->request, ENGINE_RES_OK);
	} else if (ev->type == ENGINE_EV_UNPROTECT || e->session) {
		unprotect(e, ev); /* with a link the standby is not gone: it can be asked */
	} else {
		e->p.want_protect = 0;
		peer_has_none(e);
		engine_answer(e, ev->request, ENGINE_RES_OK);
	}
}

/* Whom the stop would hand the guest to would hand it back: both would, until their time is up. */
void protect_standby_leaves(struct engine *e)
{
	if (!engine_is_owner(e))
		return;
	e->p.want_protect = 0;
	engine_changed(e);
	outdate_begin(e);
}

/*
 * The guest ended; what follows is another guest (rule 18).  Its outputs wait until the copy of the old one
 * is NONE, else a failover would bring back what the world has seen end.
 */
void protect_guest_dead(struct engine *e, uint64_t incarnation)
{
	bool alone = engine_allowed(GUARD_REBOOT_OUTDATES, engine_alone(e));

	e->capturing = 0;
	e->stopped = false;
	e->run_due = false;
	e->requested = false;
	e->p.exact = 0;
	e->p.epoch = 0;
	e->p.released = 0;
	if (incarnation)
		e->p.g = ENGINE_G(incarnation);
	else
		e->p.gone = 1;
	handover_stay(e); /* no copy could ask for what begins anew */
	engine_changed(e);
	if (e->cmd.type != ENGINE_EV_UNPROTECT)
		engine_finish(e, 0, ENGINE_RES_STATE);
	if (e->protection == ENGINE_SYNCING && e->p.right)
		engine_emit(e, ENGINE_ACT_STOP_BULK);
	if (alone)
		peer_has_none(e);
	else if (outdating(e))
		protect_ask(e);
	else
		outdate_begin(e);
}

/* The copy of a guest that is held, or about to be, may be the one that goes on. */
static bool may_outdate(const struct engine *e)
{
	return e->p.role == ENGINE_OWNER && !e->p.yields && e->protection == ENGINE_LINK_LOST;
}

void protect_tick(struct engine *e)
{
	if (!engine_is_owner(e))
		return;
	if (may_outdate(e) &&
	    engine_allowed(GUARD_OUTDATE_WAIT, e->now >= e->lost_at + e->cfg.outdate_after_ns)) {
		outdate_begin(e);
		return;
	}
	if (!outdating(e))
		return;
	if (e->protection == ENGINE_OUTDATING && e->now >= e->outdate_at + e->cfg.fence_after_ns) {
		e->protection = ENGINE_BLOCKED;
		engine_note(e, ENGINE_NOTE_FENCE_PEER);
		if (engine_weak(GUARD_OUTDATE_REPLY)) {
			peer_has_none(e);
			return;
		}
	}
	if (e->now >= e->resend_at)
		protect_ask(e);
}

uint64_t protect_deadline(const struct engine *e)
{
	uint64_t fence = e->outdate_at + e->cfg.fence_after_ns;

	if (!engine_is_owner(e))
		return 0;
	if (may_outdate(e))
		return e->lost_at + e->cfg.outdate_after_ns;
	if (e->protection == ENGINE_OUTDATING && fence < e->resend_at)
		return fence;
	return outdating(e) ? e->resend_at : 0;
}
