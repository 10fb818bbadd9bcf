/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Levels of fencing (doc/cluster.md, "Level 2"): that one can succeed at all, that a host's outlets are
 * switched off together, and that the first level leaves the second one its turn.
 */
#include "agent/doctor/check.h"

#define SEP ", "
/* Of Pacemaker, in s. */
#define STONITH_TIMEOUT 60L

static bool is_outlet_of(const struct device *d, const char *host)
{
	return device_is_outlet(d->agent) && device_targets(d, host) == DEVICE_DOES;
}

/* ---- one level with all outlets ---- */

static bool has_outlet(const struct fact_cib *c, const struct device_level *lv, const char *host, bool all)
{
	unsigned int in = 0, of = 0;

	for (unsigned int i = 0; i < c->fencing.nr; i++)
		if (is_outlet_of(&c->fencing.device[i], host)) {
			of++;
			in += device_of_level(lv, c->fencing.device[i].id);
		}
	return all ? in == of : in;
}

static bool are_together(const struct fact_cib *c, const char *host)
{
	bool together = false;

	for (unsigned int i = 0; i < c->fencing.nr_levels; i++) {
		const struct device_level *lv = &c->fencing.level[i];

		if (!device_level_is_for(&c->fencing, lv, host) || !has_outlet(c, lv, host, false))
			continue;
		if (!has_outlet(c, lv, host, true))
			return false;
		together = true;
	}
	return together;
}

static void check_outlets(const struct fact_cib *c, const char *host, struct findings *l)
{
	unsigned int nr = 0;

	for (unsigned int i = 0; i < c->fencing.nr; i++)
		nr += is_outlet_of(&c->fencing.device[i], host);
	if (nr < 2 || are_together(c, host))
		return;
	finding_problem(
		l, "fencing-level",
		"%s has %u outlets that are not switched off together: the first one that is off is taken "
		"for the host, which another one may still feed",
		host, nr);
	finding_fix(l, "put all outlets of %s into one level, behind its BMC (doc/cluster.md, Level 2)",
		    host);
}

/* ---- what cannot succeed ---- */

static bool is_device(const struct fact_cib *c, const char *id, size_t len)
{
	for (unsigned int i = 0; i < c->fencing.nr; i++)
		if (strlen(c->fencing.device[i].id) == len && !strncmp(c->fencing.device[i].id, id, len) &&
		    !c->fencing.device[i].stopped)
			return true;
	return false;
}

static void check_members(const struct fact_cib *c, const struct device_level *lv, struct findings *l)
{
	const char *of = lv->node[0] ? lv->node : lv->pattern[0] ? lv->pattern : "an attribute";
	size_t n;

	if (c->fencing.more)
		return;
	for (const char *p = lv->devices + strspn(lv->devices, SEP); *p; p += n, p += strspn(p, SEP)) {
		n = strcspn(p, SEP);
		if (is_device(c, p, n))
			continue;
		finding_problem(l, "fencing-level",
				"the level %s of %s never succeeds: there is no device %.*s that is on",
				lv->devices, of, (int)n, p);
		finding_fix(l, "add %.*s, or take it out of the level", (int)n, p);
	}
}

/* ---- time ---- */

/* fence_kemari ends by itself before Pacemaker ends it. */
static void check_time(const struct fact_cib *c, const struct device *d, struct findings *l)
{
	long delay = check_seconds(d->own_delay, 0),
	     power = check_seconds(d->power_timeout, CHECK_POWER_TIMEOUT);
	long login = check_seconds(d->login_timeout, CHECK_LOGIN_TIMEOUT);
	long given = check_seconds(d->off_timeout, check_seconds(c->stonith_timeout, STONITH_TIMEOUT));
	long needed = delay + power + 2 * (login + 1);

	if (delay < 0 || power < 0 || login < 0 || given < 0 || needed <= given)
		return;
	finding_warning(l, "fencing-time",
			"%s may need %ld s (delay, power_timeout, twice login_timeout), and Pacemaker ends "
			"it after %ld s",
			d->id, needed, given);
	finding_fix(l, "set pcmk_off_timeout=%lds for %s", needed, d->id);
}

static bool has_next_level(const struct fact_cib *c, const struct device *d)
{
	for (unsigned int i = 0; i < c->nr_nodes; i++) {
		unsigned int levels = 0;

		if (device_targets(d, c->node[i]) != DEVICE_DOES)
			continue;
		for (unsigned int k = 0; k < c->fencing.nr_levels; k++)
			levels += device_level_is_for(&c->fencing, &c->fencing.level[k], c->node[i]);
		if (levels > 1)
			return true;
	}
	return false;
}

static void check_retries(const struct fact_cib *c, const struct device *d, struct findings *l)
{
	if (!strcmp(d->off_retries, "1") || !has_next_level(c, d))
		return;
	finding_warning(
		l, "fencing-time",
		"%s is called %s times before the next level has its turn: fence_kemari tries for its own "
		"time already",
		d->id, d->off_retries[0] ? d->off_retries : "two");
	finding_fix(l, "set pcmk_off_retries=1 for %s", d->id);
}

void check_levels(const struct facts *f, struct findings *l)
{
	const struct fact_cib *c = &f->cib;

	if (!c->source.seen)
		return; /* check_pacemaker said so */
	for (unsigned int i = 0; i < c->fencing.nr_levels; i++)
		check_members(c, &c->fencing.level[i], l);
	for (unsigned int i = 0; i < c->nr_nodes; i++)
		check_outlets(c, c->node[i], l);
	for (unsigned int i = 0; i < c->fencing.nr; i++) {
		if (strcmp(c->fencing.device[i].agent, "fence_kemari") != 0)
			continue;
		check_time(c, &c->fencing.device[i], l);
		check_retries(c, &c->fencing.device[i], l);
	}
}
