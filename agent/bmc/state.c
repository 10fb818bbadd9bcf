/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/bmc/state.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define SECOND 1000000000ULL
/* One may be a host on its way: power and sensors are not read in the same moment. */
#define CONTRADICTIONS 2

void watch_state_init(struct watch_state *s, const struct watch_table *table)
{
	memset(s, 0, sizeof(*s));
	s->table = table;
	s->bmc = WATCH_BMC_UNREACHABLE;
	snprintf(s->why, sizeof(s->why), "it was not asked yet");
}

const char *watch_bmc_name(enum watch_bmc bmc)
{
	static const char *const names[] = {
		[WATCH_BMC_OK] = "ok",	     [WATCH_BMC_UNREACHABLE] = "unreachable",
		[WATCH_BMC_SLOW] = "slow",   [WATCH_BMC_REFUSED] = "refused",
		[WATCH_BMC_LYING] = "lying", [WATCH_BMC_FULL] = "full",
		[WATCH_BMC_BUSY] = "busy",
	};

	return names[bmc];
}

/* ---- events ---- */

static const struct watch_rule *rule_of(const struct watch_state *s, enum watch_kind kind)
{
	return &s->table->rule[kind];
}

static struct watch_event *find_event(struct watch_state *s, enum watch_kind kind, const char *sensor)
{
	for (unsigned int i = 0; i < s->nr_events; i++) {
		if (s->event[i].kind == kind && !strcmp(s->event[i].sensor, sensor))
			return &s->event[i];
	}
	return NULL;
}

/* A free place, or that of an event of less weight; NULL: all are as grave. */
static struct watch_event *place_for(struct watch_state *s, enum watch_kind kind)
{
	struct watch_event *least = s->event;

	if (s->nr_events < WATCH_EVENTS)
		return &s->event[s->nr_events++];
	for (unsigned int i = 1; i < WATCH_EVENTS; i++) {
		if (rule_of(s, s->event[i].kind)->action < rule_of(s, least->kind)->action)
			least = &s->event[i];
	}
	return rule_of(s, least->kind)->action < rule_of(s, kind)->action ? least : NULL;
}

/*
 * One of the log whose age is not known came after the log was read last, perhaps at once: before a fencing
 * that was later than that.
 */
static int64_t began(const struct watch_state *s, const struct watch_finding *f, struct watch_now now)
{
	if (f->logged && f->age < 0 && s->log_at)
		return s->log_at;
	return now.wall - (f->age > 0 ? f->age : 0);
}

static void raise_event(struct watch_state *s, const struct watch_finding *f, struct watch_now now)
{
	const struct watch_rule *rule = rule_of(s, f->kind);
	struct watch_event *e = find_event(s, f->kind, f->sensor);

	if (rule->action == WATCH_IGNORE)
		return;
	if (!e) {
		e = place_for(s, f->kind);
		if (!e)
			return;
		*e = (struct watch_event){ .kind = f->kind, .since = began(s, f, now), .first_ns = now.ns };
		memcpy(e->sensor, f->sensor, sizeof(e->sensor));
		memcpy(e->text, f->text, sizeof(e->text));
	}
	e->last_ns = now.ns;
	/* an entry of the log is no passing reading */
	if (f->logged || now.ns - e->first_ns >= rule->for_s * SECOND)
		e->counts = true;
}

/* Whose time is not known tells nothing about the host's present life. */
static void keep_past(struct watch_state *s, const struct watch_finding *f, struct watch_now now)
{
	struct watch_past *p = &s->past[f->kind];

	if (f->age < 0 || !rule_of(s, f->kind)->holds || now.wall - f->age <= p->at)
		return;
	p->at = now.wall - f->age;
	memcpy(p->sensor, f->sensor, sizeof(p->sensor));
	memcpy(p->text, f->text, sizeof(p->text));
}

/* Ends what is over; seen_all: what was not found this time is not there. */
static void end_events(struct watch_state *s, struct watch_now now, bool seen_all)
{
	unsigned int kept = 0;

	for (unsigned int i = 0; i < s->nr_events; i++) {
		const struct watch_event *e = &s->event[i];
		bool passing = !e->counts && seen_all && e->last_ns != now.ns;

		if (passing || now.ns - e->last_ns > rule_of(s, e->kind)->gone_s * SECOND)
			continue;
		s->event[kept++] = *e;
	}
	s->nr_events = kept;
}

static void count_correctable(struct watch_state *s, const struct watch_finding *f, struct watch_now now)
{
	const struct watch_table *t = s->table;
	struct watch_finding storm = { .kind = WATCH_MEMORY_STORM, .logged = true, .age = f->age };
	uint64_t oldest;

	for (unsigned int i = 0; i < f->times && i < WATCH_STORM_MAX; i++)
		s->correctable_at[s->correctable++ % WATCH_STORM_MAX] = now.ns;
	if (s->correctable < t->storm_count)
		return;
	oldest = s->correctable_at[(s->correctable - t->storm_count) % WATCH_STORM_MAX];
	if (now.ns - oldest > t->storm_within * SECOND)
		return;
	/* of the host, not of one module: they wander */
	snprintf(storm.text, sizeof(storm.text), "%u correctable memory errors within %u s or less",
		 t->storm_count, t->storm_within);
	raise_event(s, &storm, now);
}

/* ---- the BMC itself ---- */

static enum watch_bmc bmc_of_error(int error)
{
	switch (error) {
	case 0:
		return WATCH_BMC_OK;
	case -EACCES:
		return WATCH_BMC_REFUSED;
	case -EBUSY:
		return WATCH_BMC_BUSY;
	case -ETIME:
		return WATCH_BMC_SLOW;
	default:
		return WATCH_BMC_UNREACHABLE;
	}
}

static const char *contradiction(const struct watch_look *l)
{
	if (!l->has_power)
		return NULL;
	if (l->power == BMC_OFF && l->running == WATCH_RUNNING)
		return "it says that the power is off, and a sensor that the host works";
	/* one fan may have its own supply */
	if (l->power == BMC_OFF && l->fans >= 2 && l->fans_turning == l->fans)
		return "it says that the power is off, and all fans turn";
	if (l->power == BMC_ON && l->running == WATCH_STOPPED)
		return "it says that the power is on, and a sensor that the host is off";
	return NULL;
}

static void set_bmc(struct watch_state *s, enum watch_bmc bmc, const char *why)
{
	s->bmc = bmc;
	snprintf(s->why, sizeof(s->why), "%s", why);
}

static void judge_bmc(struct watch_state *s, const struct watch_look *l)
{
	enum watch_bmc by_error = bmc_of_error(l->error);
	char late[64];

	snprintf(late, sizeof(late), "it took %u s to answer", (unsigned int)(s->took_ns / SECOND));
	if (l->foreign)
		set_bmc(s, WATCH_BMC_LYING, "it belongs to another machine: its UUID is not system_uuid");
	else if (s->contradictions >= CONTRADICTIONS && by_error == WATCH_BMC_OK)
		set_bmc(s, WATCH_BMC_LYING, s->contradiction);
	else if (by_error != WATCH_BMC_OK)
		set_bmc(s, by_error, l->why);
	else if (s->took_ns > s->table->slow_after * SECOND)
		set_bmc(s, WATCH_BMC_SLOW, late);
	else if (s->log_full)
		set_bmc(s, WATCH_BMC_FULL, "its event log is full: clear it, nothing new is logged");
	else
		set_bmc(s, WATCH_BMC_OK, "");
}

static void judge_power(struct watch_state *s, const struct watch_look *l, bool sure, struct watch_now now)
{
	s->power_known = l->has_power && s->bmc != WATCH_BMC_LYING;
	s->power = l->power;
	if (!s->power_known)
		return;
	if (s->was_off && l->power != BMC_OFF)
		s->settled_ns = now.ns + s->table->settle * SECOND;
	s->was_off = l->power == BMC_OFF;
	if (!s->was_off)
		s->log_read_off = false;
	else if (l->log_read && !l->error && sure)
		s->log_read_off = true;
}

/* What is found in the log from now on came after this look began. */
static void date_log(struct watch_state *s, const struct watch_look *l, struct watch_now now)
{
	if (l->sensors && !l->error && (l->log_read || !s->log_at))
		s->log_at = now.wall - (int64_t)((l->took_ns + SECOND - 1) / SECOND);
}

/* Sensors of a host without power, or that is just starting, say a lot that means nothing: fans stand still.
 */
static bool levels_count(const struct watch_state *s, struct watch_now now)
{
	return s->power_known && s->power == BMC_ON && now.ns >= s->settled_ns;
}

void watch_state_look(struct watch_state *s, const struct watch_look *l, struct watch_now now)
{
	const char *against = contradiction(l);
	bool levels;

	if (l->sensors) {
		s->contradictions = against ? s->contradictions + 1 : 0;
		s->contradiction = against;
		s->log_full = l->log_full;
		s->log_read = l->log_read;
	}
	/* the power alone is read fast by a BMC that takes long for everything else */
	if (l->sensors || l->took_ns > s->took_ns)
		s->took_ns = l->took_ns;
	judge_bmc(s, l);
	judge_power(s, l, !against, now);
	if (l->has_uuid) {
		s->has_uuid = true;
		memcpy(s->uuid, l->uuid, sizeof(s->uuid));
	}
	levels = levels_count(s, now);
	for (unsigned int i = 0; i < l->nr_findings && s->bmc != WATCH_BMC_LYING; i++) {
		const struct watch_finding *f = &l->finding[i];

		/* an entry of the log comes but once */
		if (!f->logged && (!levels || against))
			continue;
		if (f->past) {
			keep_past(s, f, now);
			continue;
		}
		raise_event(s, f, now);
		if (f->logged && f->kind == WATCH_MEMORY_CORRECTABLE)
			count_correctable(s, f, now);
	}
	date_log(s, l, now);
	end_events(s, now, l->sensors);
}

void watch_state_waiting(struct watch_state *s, uint64_t waited_ns, struct watch_now now)
{
	end_events(s, now, false);
	if (waited_ns <= s->table->slow_after * SECOND || s->bmc == WATCH_BMC_LYING)
		return;
	set_bmc(s, WATCH_BMC_SLOW, "it has not answered yet");
	s->power_known = false;
}

enum watch_action watch_state_worst(const struct watch_state *s)
{
	enum watch_action worst = s->bmc == WATCH_BMC_OK ? WATCH_IGNORE : WATCH_NOTE;

	for (unsigned int i = 0; i < s->nr_events; i++) {
		enum watch_action action = rule_of(s, s->event[i].kind)->action;

		if (s->event[i].counts && action > worst)
			worst = action;
	}
	return worst;
}
