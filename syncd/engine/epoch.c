/* SPDX-License-Identifier: GPL-2.0-only */
/* Owner: when to capture, what may be sent, what an ack releases (G1). */
#include <string.h>

#include "engine/internal.h"

#define IDLE_PAGES 1024 /* 4 MiB: a fraction of a second to send */

void epoch_reset(struct engine *e)
{
	e->p.nr_flight = 0;
	e->sending = 0;
	e->bulk_done = false;
	e->stale = e->capturing != 0;
}

static uint64_t newest(const struct engine *e)
{
	return e->p.nr_flight ? e->p.flight[e->p.nr_flight - 1] : e->p.acked;
}

/* The peer can take an epoch. */
static bool linked(const struct engine *e)
{
	return e->session && (e->protection == ENGINE_PROTECTED ||
			      (e->protection == ENGINE_SYNCING && e->bulk_done && !e->p.right));
}

static uint32_t max_in_flight(const struct engine *e)
{
	return e->cfg.sync_mode ? 1 : e->cfg.max_in_flight;
}

static bool has_room(const struct engine *e)
{
	return linked(e) && !e->capturing && !e->sending && e->p.nr_flight < max_in_flight(e);
}

static bool can_capture(const struct engine *e)
{
	return has_room(e) && e->now >= e->retry_at;
}

static void capture(struct engine *e, bool final)
{
	struct engine_action *a = engine_emit(e, ENGINE_ACT_CAPTURE);

	a->epoch = ++e->p.captured;
	a->base = newest(e);
	a->final = final;
	a->g = e->p.g;
	e->capturing = a->epoch;
	e->stale = false;
	e->final = final;
	e->stopped = true;
	pace_captured(&e->pace, e->now);
	e->output_due = 0;
	e->urgent = false;
	e->owed_due = 0;
	e->dirty_due = 0;
	e->dirty_pages = 0;
}

/* 0: nothing has happened since the last capture. */
static uint64_t due(const struct engine *e)
{
	return engine_sooner(engine_sooner(e->output_due, e->owed_due), e->dirty_due);
}

bool engine_stops_guest(const struct engine *e)
{
	bool due = e->output_due &&
		   e->output_due >= e->retry_at; /* else it has to run on for a capture to succeed */

	return e->p.role == ENGINE_OWNER && linked(e) && (e->capturing || e->stopped || due);
}

uint64_t engine_awaits_output(const struct engine *e)
{
	uint64_t calm = pace_calm_from(&e->pace, e->cfg.batch_ns);

	if (e->p.role != ENGINE_OWNER || e->protection != ENGINE_PROTECTED || e->p.right || e->output_due ||
	    !calm || !has_room(e))
		return 0;
	return calm > e->retry_at ? calm : e->retry_at;
}

void epoch_capture_if_due(struct engine *e)
{
	uint64_t t = due(e);

	if (e->p.role == ENGINE_OWNER && t && e->now >= t && can_capture(e))
		capture(e, false);
}

/* HELD: the last epoch, taken when the backends are quiet, so that memory stays exactly it. */
bool epoch_capture_final(struct engine *e)
{
	if (e->p.exact || !can_capture(e))
		return false;
	capture(e, true);
	return true;
}

uint64_t epoch_deadline(const struct engine *e)
{
	uint64_t t = due(e);

	if (!linked(e) || e->capturing || e->sending || e->p.nr_flight >= max_in_flight(e))
		return 0;
	if (e->p.role == ENGINE_HELD) /* also when it has passed: no other event may come */
		return e->quiesced && !e->p.exact ? e->retry_at : 0;
	return t && t < e->retry_at ? e->retry_at : t;
}

void epoch_resume_guest(struct engine *e)
{
	if (e->capturing || !engine_allowed(GUARD_HELD_STOPPED, e->p.role == ENGINE_OWNER))
		return;
	if (e->run_due)
		promote_run(e);
	else if (e->stopped)
		engine_emit(e, ENGINE_ACT_RESUME);
	e->run_due = false;
	e->stopped = false;
}

/* Outputs may wait that no epoch under way will release. */
void epoch_due_now(struct engine *e)
{
	e->urgent = true;
	e->output_due = e->now ? e->now : 1;
}

/* At t, or now if that has passed. */
static void set_due(struct engine *e, uint64_t *due, uint64_t t)
{
	if (t < e->now)
		t = e->now;
	if (e->p.right)
		return;
	if (!*due || t < *due)
		*due = t ? t : 1;
	epoch_capture_if_due(e);
}

/* When outputs that wait are due changes with each of them, and with each ack. */
static void pace_outputs(struct engine *e)
{
	e->output_due = 0;
	set_due(e, &e->output_due, e->urgent ? e->now : pace_due(&e->pace, e->cfg.batch_ns, e->p.nr_flight));
}

void epoch_output_held(struct engine *e, bool urgent)
{
	if (!e->cfg.sync_mode) /* else the guest stands still until it has had its epoch: no more come */
		pace_output(&e->pace, e->now, e->p.nr_flight);
	e->urgent |= urgent;
	pace_outputs(e);
}

void epoch_write_owed(struct engine *e, bool urgent)
{
	set_due(e, &e->owed_due, urgent ? e->now : e->now + e->cfg.owed_ns);
}

/* Three quarters of staging: the rest is for what the guest writes until it is stopped. */
uint64_t engine_dirty_limit(const struct engine *e)
{
	return e->cfg.staging_pages - e->cfg.staging_pages / 4;
}

static bool staging_nearly_full(const struct engine *e, uint64_t pages)
{
	return pages >= engine_dirty_limit(e);
}

/* An epoch that nobody waits for saves only the work of a guest that does next to nothing. */
static uint64_t dirty_due(const struct engine *e, uint64_t pages)
{
	bool idle = pages < IDLE_PAGES && e->cfg.idle_epoch_ns > e->cfg.max_epoch_ns;

	return e->pace.captured_at + (idle ? e->cfg.idle_epoch_ns : e->cfg.max_epoch_ns);
}

void epoch_dirty(struct engine *e, uint64_t pages, bool ran)
{
	e->dirty_pages = pages;
	if (!ran || e->p.right)
		return;
	e->dirty_due = dirty_due(e, pages);
	if (staging_nearly_full(e, pages))
		e->dirty_due = e->now ? e->now : 1;
	epoch_capture_if_due(e);
	if (staging_nearly_full(e, e->dirty_pages) && linked(e) && !e->stopped && e->p.role == ENGINE_OWNER) {
		e->stopped = true;
		e->counters.throttled++;
		engine_emit(e, ENGINE_ACT_STOP_GUEST);
	}
}

void epoch_captured(struct engine *e, const struct engine_event *ev)
{
	bool keep_stopped = e->cfg.sync_mode;

	if (!e->capturing || ev->epoch != e->capturing)
		return;
	e->capturing = 0;
	if (!linked(e) || e->stale) {
		epoch_due_now(e);
		keep_stopped = false;
	} else if (!engine_allowed(GUARD_DELTA_FITS, ev->pages <= e->cfg.staging_pages)) {
		epoch_due_now(e);
		protect_too_large(e);
		keep_stopped = false;
	} else {
		e->p.flight[e->p.nr_flight++] = ev->epoch;
		e->p.exact = e->final && e->p.role == ENGINE_HELD ? ev->epoch : 0;
		e->sending = ev->epoch;
		e->counters.captures++;
		engine_changed(e);
	}
	/* before the epoch is made ready to send, which takes longer */
	if (!keep_stopped || e->run_due)
		epoch_resume_guest(e);
	if (e->sending == ev->epoch)
		engine_emit_epoch(e, ENGINE_ACT_SEND, ev->epoch);
	handover_continue(e);
}

void epoch_capture_failed(struct engine *e, uint64_t epoch)
{
	if (!e->capturing || epoch != e->capturing)
		return;
	e->capturing = 0;
	e->counters.failed_captures++;
	e->retry_at = e->now + e->cfg.retry_ns;
	epoch_due_now(e);
	engine_changed(e); /* the number is used up */
	epoch_resume_guest(e);
}

void epoch_sent(struct engine *e, uint64_t epoch)
{
	if (epoch != e->sending)
		return;
	e->sending = 0;
	pace_sent(&e->pace, e->now);
	if (engine_weak(GUARD_RELEASE_ACKED))
		engine_emit_epoch(e, ENGINE_ACT_RELEASE, epoch);
	epoch_capture_if_due(e);
}

bool epoch_peer_holds(struct engine *e, uint64_t epoch)
{
	unsigned int n = 0;

	while (n < e->p.nr_flight && e->p.flight[n] != epoch)
		n++;
	if (n == e->p.nr_flight)
		return epoch && epoch == e->p.acked;
	n++;
	e->p.nr_flight -= n;
	memmove(e->p.flight, e->p.flight + n, e->p.nr_flight * sizeof(e->p.flight[0]));
	e->p.acked = epoch;
	if (e->sending && e->sending <= epoch)
		e->sending = 0;
	engine_emit_epoch(e, ENGINE_ACT_RELEASE, epoch);
	pace_released(&e->pace, e->now);
	handover_released(e);
	return true;
}

void epoch_ack(struct engine *e, const struct engine_message *m)
{
	if (!engine_is_owner(e) || !linked(e) || m->session != e->session || m->g != e->p.g ||
	    !epoch_peer_holds(e, m->epoch)) {
		e->counters.dropped++;
		return;
	}
	if (e->protection == ENGINE_SYNCING) {
		e->protection = ENGINE_PROTECTED;
		engine_note(e, ENGINE_NOTE_PROTECTED);
	}
	if (e->output_due)
		pace_outputs(e);
	epoch_capture_if_due(e);
	if (!e->p.nr_flight)
		epoch_resume_guest(e);
	handover_continue(e);
}
