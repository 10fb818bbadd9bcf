/* SPDX-License-Identifier: GPL-2.0-only */
/* Dispatch of events, the durable record, the list of actions, time. */
#include <errno.h>
#include <string.h>

#include "engine/internal.h"

_Static_assert(sizeof(struct engine_persist) == 32 + 19 * 8, "the record has no padding");

/* ---- the list of actions ---- */

struct engine_action *engine_emit(struct engine *e, enum engine_action_type type)
{
	struct engine_action *a = &e->list.a[e->list.nr];

	if (e->list.nr < ENGINE_MAX_ACTIONS)
		e->list.nr++;
	memset(a, 0, sizeof(*a));
	a->type = type;
	return a;
}

void engine_emit_epoch(struct engine *e, enum engine_action_type type, uint64_t epoch)
{
	engine_emit(e, type)->epoch = epoch;
}

void engine_note(struct engine *e, enum engine_note note)
{
	struct engine_action *a = engine_emit(e, ENGINE_ACT_NOTE);

	a->note = note;
	a->g = e->p.g;
	a->epoch = engine_committed(e);
}

/* Who yields grants, as who holds does: whoever asks is to wait for that. */
static uint8_t said_role(const struct engine *e)
{
	return engine_yields(e) ? ENGINE_HELD : e->p.role;
}

void engine_say(struct engine *e, enum engine_msg_type type, uint64_t g, uint64_t epoch, uint64_t nonce)
{
	struct engine_message *m = &engine_emit(e, ENGINE_ACT_SEND_MSG)->msg;

	m->type = type;
	m->role = said_role(e);
	m->node = e->cfg.node;
	memcpy(m->uuid, e->cfg.uuid, sizeof(m->uuid));
	m->g = g;
	m->session = e->p.session;
	m->epoch = epoch;
	m->nonce = nonce;
}

void engine_answer(struct engine *e, uint32_t request, enum engine_result result)
{
	struct engine_action *a = engine_emit(e, ENGINE_ACT_RESULT);

	a->request = request;
	a->result = result;
}

void engine_finish(struct engine *e, enum engine_event_type type, enum engine_result result)
{
	if (!e->cmd.type || (type && e->cmd.type != type))
		return;
	e->cmd.type = 0;
	engine_answer(e, e->cmd.request, result);
}

void engine_new_question(struct engine *e)
{
	e->p.nonce++;
	e->resend_at = e->now + e->cfg.resend_ns;
	engine_changed(e);
}

void engine_peer_seen(struct engine *e, uint64_t boot)
{
	uint32_t *seen = e->p.peer_boot;

	if (!(uint32_t)boot || (uint32_t)boot == seen[0])
		return;
	memmove(seen + 1, seen, (ENGINE_PEER_BOOTS - 1) * sizeof(*seen));
	seen[0] = (uint32_t)boot;
	engine_changed(e);
}

void engine_drop_link(struct engine *e)
{
	if (!e->session)
		return;
	e->session = 0;
	e->bulk = false;
	engine_emit(e, ENGINE_ACT_DROP_LINK);
}

/* ---- time ---- */

uint64_t engine_sooner(uint64_t a, uint64_t b)
{
	return !a || (b && b < a) ? b : a;
}

static void set_timer(struct engine *e)
{
	uint64_t t =
		engine_sooner(engine_sooner(epoch_deadline(e), protect_deadline(e)), handover_deadline(e));

	if (t == e->timer)
		return;
	e->timer = t;
	engine_emit(e, ENGINE_ACT_SET_TIMER)->deadline = t;
}

static void tick(struct engine *e)
{
	e->timer = 0; /* it has fired: whatever still waits is set anew */
	handover_tick(e);
	protect_tick(e);
	epoch_capture_if_due(e);
}

/* ---- dispatch ---- */

static void message(struct engine *e, const struct engine_message *m)
{
	if (memcmp(m->uuid, e->cfg.uuid, sizeof(m->uuid)) || m->node == e->cfg.node) {
		e->counters.dropped++;
		return;
	}
	switch (m->type) {
	case ENGINE_MSG_ACK:
		epoch_ack(e, m);
		break;
	case ENGINE_MSG_REQUEST:
		handover_request(e, m);
		break;
	case ENGINE_MSG_GRANT:
		promote_grant(e, m);
		break;
	case ENGINE_MSG_HAVE:
		if (m->g == e->p.g)
			handover_have(e);
		break;
	case ENGINE_MSG_VOID:
		promote_void(e, m);
		break;
	case ENGINE_MSG_OUTDATE:
		standby_outdate(e, m);
		break;
	case ENGINE_MSG_OUTDATED:
		protect_outdated(e, m);
		break;
	case ENGINE_MSG_CLAIM:
		promote_claim(e, m);
		break;
	case ENGINE_MSG_STATE:
		promote_refused(e, m);
		break;
	default:
		e->counters.dropped++;
	}
}

static void command(struct engine *e, const struct engine_event *ev)
{
	/* A demote never waits, so it ends whatever waits. */
	if (ev->type == ENGINE_EV_DEMOTE)
		engine_finish(e, 0, ENGINE_RES_STATE);
	if (e->cmd.type == ENGINE_EV_STOP && ev->type == ENGINE_EV_UNPROTECT && ev->flag)
		protect_standby_leaves(e);
	if (e->cmd.type && !(ev->type == ENGINE_EV_PROMOTE && engine_yields(e))) {
		engine_answer(e, ev->request, ENGINE_RES_BUSY);
		return;
	}
	switch (ev->type) {
	case ENGINE_EV_START_OWNER:
		promote_adopt(e, ev);
		break;
	case ENGINE_EV_PROMOTE:
		promote_command(e, ev);
		break;
	case ENGINE_EV_DEMOTE:
		handover_demote(e, ev);
		break;
	case ENGINE_EV_FORGET:
		forget_command(e, ev);
		break;
	case ENGINE_EV_SWITCHOVER:
	case ENGINE_EV_STOP:
		handover_leave(e, ev);
		break;
	default:
		protect_command(e, ev);
	}
}

/* Events of an owner; elsewhere they are leftovers of the time before. */
static void owner_event(struct engine *e, const struct engine_event *ev)
{
	switch (ev->type) {
	case ENGINE_EV_OUTPUT_HELD:
		epoch_output_held(e, ev->flag);
		break;
	case ENGINE_EV_WRITE_OWED:
		epoch_write_owed(e, ev->flag);
		break;
	case ENGINE_EV_DIRTY:
		epoch_dirty(e, ev->pages, ev->flag);
		break;
	case ENGINE_EV_CAPTURED:
		epoch_captured(e, ev);
		break;
	case ENGINE_EV_CAPTURE_FAILED:
		epoch_capture_failed(e, ev->epoch);
		break;
	case ENGINE_EV_SENT:
		epoch_sent(e, ev->epoch);
		break;
	case ENGINE_EV_BULK_DONE:
		protect_bulk_done(e);
		break;
	case ENGINE_EV_QUIESCED:
		handover_quiesced(e);
		break;
	case ENGINE_EV_RUN_FAILED:
		handover_run_failed(e, ev->g);
		break;
	default:
		protect_guest_dead(e, ev->incarnation);
	}
}

static void standby_event(struct engine *e, const struct engine_event *ev)
{
	switch (ev->type) {
	case ENGINE_EV_BULK_BEGIN:
		standby_bulk_begin(e, ev->session);
		break;
	case ENGINE_EV_EPOCH_STAGED:
		standby_staged(e, ev);
		break;
	default:
		engine_drop_link(e);
		standby_drop_copy(e);
	}
}

static void dispatch(struct engine *e, const struct engine_event *ev)
{
	bool owner = engine_is_owner(e);

	switch (ev->type) {
	case ENGINE_EV_TICK:
		tick(e);
		break;
	case ENGINE_EV_MSG:
		message(e, &ev->msg);
		break;
	case ENGINE_EV_LINK_UP:
		owner ? protect_link_up(e, ev) : standby_link_up(e, ev);
		break;
	case ENGINE_EV_LINK_DOWN:
		e->session = 0;
		e->bulk = false;
		if (owner)
			protect_link_down(e);
		break;
	case ENGINE_EV_FOREIGN_DOMAIN:
		e->foreign = ev->flag;
		break;
	case ENGINE_EV_FENCED:
		owner ? protect_fenced(e, ev->peer_boot) : promote_fenced(e, ev->peer_boot);
		break;
	case ENGINE_EV_START_OWNER ... ENGINE_EV_UNPROTECT_STANDBY_GONE:
		command(e, ev);
		break;
	case ENGINE_EV_OUTPUT_HELD ... ENGINE_EV_GUEST_DEAD:
		if (owner)
			owner_event(e, ev);
		break;
	default:
		if (!owner)
			standby_event(e, ev);
	}
}

/* ---- the record ---- */

static void hand_out(struct engine *e, struct engine_actions *out)
{
	out->nr = e->list.nr;
	memcpy(out->a, e->list.a, e->list.nr * sizeof(out->a[0]));
	e->list.nr = 0;
}

/* Persist before acting (rule 39): a changed record goes first and alone. */
static void finish_event(struct engine *e, struct engine_actions *out)
{
	out->nr = 0;
	if (!e->changed) {
		hand_out(e, out);
		return;
	}
	if (engine_weak(GUARD_PERSIST_FIRST))
		hand_out(e, out);
	e->changed = false;
	e->waiting = true;
	e->p.version = ENGINE_PERSIST_VERSION;
	e->p.seq++;
	out->persist = e->p;
	memset(&out->a[out->nr], 0, sizeof(out->a[0]));
	out->a[out->nr++].type = ENGINE_ACT_PERSIST;
}

static bool record_is_sound(const struct engine_persist *p)
{
	bool sound = p->version == ENGINE_PERSIST_VERSION && p->role <= ENGINE_OWNER &&
		     p->nr_flight <= ENGINE_MAX_FLIGHT && p->acked <= p->captured;
	uint64_t last = p->acked;

	for (unsigned int i = 0; sound && i < p->nr_flight; i++) {
		sound = p->flight[i] > last && p->flight[i] <= p->captured;
		last = p->flight[i];
	}
	sound = sound && !p->reserved && (!p->yields || (p->role == ENGINE_OWNER && !p->gone));
	return sound && (p->role == ENGINE_NONE || p->g);
}

/* ---- calls ---- */

int engine_init(struct engine *e, const struct engine_cfg *cfg)
{
	if (!cfg->node || !cfg->boot || !cfg->max_in_flight || cfg->max_in_flight > ENGINE_MAX_FLIGHT ||
	    !cfg->staging_pages || !cfg->resend_ns || !cfg->handover_ns || !cfg->fence_after_ns)
		return -EINVAL;
	memset(e, 0, sizeof(*e));
	e->cfg = *cfg;
	e->p.nonce = cfg->nonce;
	return 0;
}

int engine_restore(struct engine *e, const struct engine_cfg *cfg, const struct engine_persist *p,
		   uint64_t now, struct engine_actions *out)
{
	int rc = engine_init(e, cfg);

	out->nr = 0;
	if (rc || (!p->version && !p->role))
		return rc;
	if (!record_is_sound(p))
		return -EBADMSG;
	e->p = *p;
	e->now = now;
	e->resend_at = now ? now : 1; /* what the last daemon was asking is asked again at once */
	handover_restore(e);
	switch (e->p.role) {
	case ENGINE_OWNER:
		protect_restore(e);
		if (!e->p.gone)
			promote_run(e);
		protect_release(e);
		break;
	case ENGINE_HELD:
		protect_restore(e);
		engine_emit(e, ENGINE_ACT_STOP_GUEST);
		protect_release(e);
		engine_emit(e, ENGINE_ACT_QUIESCE);
		break;
	case ENGINE_COPY:
		engine_emit(e, ENGINE_ACT_HOLD)->g = e->p.g;
		engine_emit_epoch(e, ENGINE_ACT_APPLY, e->p.epoch);
		break;
	default:
		engine_emit(e, ENGINE_ACT_DROP_COPY); /* the last daemon may have died before it did */
		break;
	}
	set_timer(e);
	finish_event(e, out);
	return 0;
}

int engine_handle(struct engine *e, const struct engine_event *ev, struct engine_actions *out)
{
	out->nr = 0;
	if (ev->type == ENGINE_EV_PERSISTED) {
		if (!e->waiting || ev->seq != e->p.seq)
			return -EINVAL;
		e->waiting = false;
		hand_out(e, out);
		return 0;
	}
	if (ev->type <= 0 || ev->type > ENGINE_EV_MAX)
		return -EINVAL;
	if (e->waiting)
		return -EBUSY;
	if (ev->now > e->now)
		e->now = ev->now;
	dispatch(e, ev);
	set_timer(e);
	finish_event(e, out);
	return 0;
}

enum engine_role engine_role(const struct engine *e)
{
	return e->p.role;
}

enum engine_protection engine_protection(const struct engine *e)
{
	return e->protection;
}

bool engine_wants_protection(const struct engine *e)
{
	return e->p.want_protect;
}

uint64_t engine_generation(const struct engine *e)
{
	return e->p.g;
}

uint64_t engine_open_epoch(const struct engine *e)
{
	return e->p.captured + 1;
}

bool engine_must_hold(const struct engine *e)
{
	bool alone = engine_is_owner(e) && e->p.right && !e->waiting;

	return !engine_allowed(GUARD_HOLD_OUTPUT, alone);
}

uint64_t engine_committed(const struct engine *e)
{
	return engine_is_owner(e) ? e->p.acked : e->p.epoch;
}

bool engine_say_state(const struct engine *e, struct engine_peer *peer)
{
	if (e->foreign || e->waiting)
		return false;
	peer->role = said_role(e);
	peer->g = e->p.g;
	peer->epoch = engine_committed(e);
	return true;
}

uint64_t engine_next_session(const struct engine *e)
{
	uint32_t count = e->p.session_last >> 32 == e->cfg.boot ? (uint32_t)e->p.session_last : 0;

	return (uint64_t)e->cfg.boot << 32 | (count + 1);
}

uint64_t engine_starts_from(const struct engine *e)
{
	return e->p.epoch;
}

bool engine_yields(const struct engine *e)
{
	return e->p.yields;
}

bool engine_is_gone(const struct engine *e)
{
	return e->p.gone;
}

bool engine_is_busy(const struct engine *e)
{
	return e->cmd.type;
}

bool engine_waits_for_have(const struct engine *e)
{
	return !engine_is_owner(e) && e->p.granted;
}

bool engine_wants_to_run(const struct engine *e)
{
	return !engine_is_owner(e) && e->cmd.type == ENGINE_EV_PROMOTE;
}

bool engine_may_run(const struct engine *e)
{
	return e->p.role == ENGINE_OWNER && !e->p.gone && !e->waiting;
}

const struct engine_counters *engine_counters(const struct engine *e)
{
	return &e->counters;
}
