/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Between the engine's own files:
 *   engine.c    dispatch, the record, the list of actions, time
 *   epoch.c     owner: when to capture, what an ack releases
 *   protect.c   owner: link, bulk copy, dropping the peer's copy
 *   handover.c  demote, grant, promote, cold boot: section 0 of doc/ownership.md
 *   forget.c    what the operator wants gone
 *   standby.c   copy: staged epochs, the owner's OUTDATE
 *   name.c      texts
 */
#ifndef KEMARI_ENGINE_INTERNAL_H
#define KEMARI_ENGINE_INTERNAL_H

#include "engine/engine.h"
#include "engine/guard.h"

static inline bool engine_is_owner(const struct engine *e)
{
	return e->p.role == ENGINE_OWNER || e->p.role == ENGINE_HELD;
}

/* Owner: the peer holds no copy that could take over, outputs are free. */
static inline bool engine_alone(const struct engine *e)
{
	return e->p.right && !e->p.outdating;
}

/* ---- engine.c */
struct engine_action *engine_emit(struct engine *e, enum engine_action_type type);
/* The earlier of two deadlines; 0: none. */
uint64_t engine_sooner(uint64_t a, uint64_t b);
void engine_emit_epoch(struct engine *e, enum engine_action_type type, uint64_t epoch);
void engine_note(struct engine *e, enum engine_note note);
void engine_say(struct engine *e, enum engine_msg_type type, uint64_t g, uint64_t epoch, uint64_t nonce);
void engine_answer(struct engine *e, uint32_t request, enum engine_result result);
/* Ends the command that waits, if it is of this type (0: any). */
void engine_finish(struct engine *e, enum engine_event_type type, enum engine_result result);
/* A new question: its nonce makes older answers worthless. */
void engine_new_question(struct engine *e);
/* A sign of life of the peer's host in this boot: proofs that an earlier one is off are void. */
void engine_peer_seen(struct engine *e, uint64_t boot);
void engine_drop_link(struct engine *e);
static inline void engine_changed(struct engine *e)
{
	e->changed = true;
}

/* ---- epoch.c */
void epoch_reset(struct engine *e); /* nothing captured, nothing due */
void epoch_due_now(struct engine *e);
void epoch_output_held(struct engine *e, bool urgent);
void epoch_write_owed(struct engine *e, bool urgent);
void epoch_dirty(struct engine *e, uint64_t pages, bool ran);
void epoch_captured(struct engine *e, const struct engine_event *ev);
void epoch_capture_failed(struct engine *e, uint64_t epoch);
void epoch_sent(struct engine *e, uint64_t epoch);
void epoch_ack(struct engine *e, const struct engine_message *m);
/* The peer holds `epoch`, one that we sent (or acked already): true, and outputs up to it are released. */
bool epoch_peer_holds(struct engine *e, uint64_t epoch);
void epoch_capture_if_due(struct engine *e);
bool epoch_capture_final(struct engine *e);
void epoch_resume_guest(struct engine *e);
uint64_t epoch_deadline(const struct engine *e);

/* ---- protect.c */
void protect_link_up(struct engine *e, const struct engine_event *ev);
void protect_link_down(struct engine *e);
void protect_bulk_done(struct engine *e);
void protect_too_large(struct engine *e);
void protect_fenced(struct engine *e, uint64_t peer_boot);
void protect_outdated(struct engine *e, const struct engine_message *m);
void protect_command(struct engine *e, const struct engine_event *ev);
void protect_standby_leaves(struct engine *e); /* a stop is under way here, too */
void protect_guest_dead(struct engine *e, uint64_t incarnation);
/* Enters ownership: what the peer has decides whether outputs are free. */
void protect_begin(struct engine *e, bool peer_has_none);
void protect_unborn(struct engine *e);
void protect_resumed(struct engine *e); /* a held guest runs: what had to wait for that */
void protect_restore(struct engine *e);
/* Outputs that were free before the restart: the last daemon may have died before it let them go. */
void protect_release(struct engine *e);
void protect_tick(struct engine *e);
void protect_ask(struct engine *e); /* sends OUTDATE (again) */
uint64_t protect_deadline(const struct engine *e);
/* May the proof "this boot of the peer's host is off" be used? */
bool protect_proof_holds(const struct engine *e, uint64_t peer_boot);

/* ---- handover.c */
void handover_demote(struct engine *e, const struct engine_event *ev);
void handover_restore(struct engine *e);
bool handover_stay(struct engine *e); /* ends that it yields; false: it did not */
void handover_leave(struct engine *e, const struct engine_event *ev); /* SWITCHOVER, STOP */
void handover_run_failed(struct engine *e, uint64_t g);
void handover_alone(struct engine *e); /* the peer has no copy any more: a stop need not wait for it */
void handover_quiesced(struct engine *e);
void handover_released(struct engine *e); /* HELD: RELEASE was emitted */
void handover_continue(struct engine *e); /* HELD: next step towards the grant, if one is possible */
void handover_link_lost(struct engine *e);
void handover_have(struct engine *e);
void handover_request(struct engine *e, const struct engine_message *m);
void handover_ask(struct engine *e); /* GRANT or REQUEST or CLAIM (again) */
void handover_tick(struct engine *e);
uint64_t handover_deadline(const struct engine *e);

/* ---- promote.c */
void promote_command(struct engine *e, const struct engine_event *ev);
void promote_adopt(struct engine *e, const struct engine_event *ev);
void promote_fenced(struct engine *e, uint64_t peer_boot);
void promote_run(struct engine *e); /* emits RUN of what the record says */
void promote_resume(struct engine *e);
void promote_grant(struct engine *e, const struct engine_message *m);
void promote_void(struct engine *e, const struct engine_message *m);
void promote_claim(struct engine *e, const struct engine_message *m);
void promote_refused(struct engine *e, const struct engine_message *m); /* STATE */

/* ---- forget.c */
void forget_command(struct engine *e, const struct engine_event *ev);
void forget_answered(struct engine *e, const struct engine_message *m); /* STATE */

/* ---- standby.c */
void standby_link_up(struct engine *e, const struct engine_event *ev);
void standby_bulk_begin(struct engine *e, uint64_t session);
void standby_staged(struct engine *e, const struct engine_event *ev);
void standby_outdate(struct engine *e, const struct engine_message *m);
void standby_stop(struct engine *e, const struct engine_event *ev);
void standby_drop_copy(struct engine *e);

#endif /* KEMARI_ENGINE_INTERNAL_H */
