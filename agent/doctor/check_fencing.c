/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Fencing: each host needs a device that confirms it off, since nothing else lets its guests run elsewhere
 * (doc/ownership.md, items 13 and 25).  What an agent can confirm is told by its name
 * (device_table.c), here as in kemari-agent.
 */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include <uuid/uuid.h>

#include "agent/daemon/order.h"
#include "agent/doctor/check.h"

#define SHOOT_FIRST "/run/kemari/" ORDER_FILE

static enum device_confirms confirms(const struct facts *f, const struct device *d)
{
	const char *why;

	return device_confirms(d->agent, f->config.cfg.fence_agents_believed, &why);
}

/* What a host has. */
struct cover {
	unsigned int levels; /* that confirm it off, tried one after the other */
	unsigned int believed;
	bool topology;
};

/* A level is as good as the best of its devices, for all of them must succeed. */
static enum device_confirms level_confirms(const struct facts *f, const struct device_level *lv,
					   const char *host)
{
	const struct devices *devices = &f->cib.fencing;
	enum device_confirms best = DEVICE_SAYS;

	for (unsigned int i = 0; i < devices->nr; i++) {
		const struct device *d = &devices->device[i];

		if (device_of_level(lv, d->id) && device_targets(d, host) != DEVICE_NOT &&
		    confirms(f, d) < best)
			best = confirms(f, d);
	}
	return best;
}

static void count(struct cover *v, enum device_confirms how)
{
	v->levels += how == DEVICE_CONFIRMS;
	v->believed += how == DEVICE_BELIEVED;
}

static void cover_of(const struct facts *f, const char *host, struct cover *v)
{
	const struct devices *d = &f->cib.fencing;

	memset(v, 0, sizeof(*v));
	for (unsigned int i = 0; i < d->nr_levels; i++)
		if (device_level_is_for(d, &d->level[i], host)) {
			v->topology = true;
			count(v, level_confirms(f, &d->level[i], host));
		}
	/* Without levels each device is tried until one has done it. */
	for (unsigned int i = 0; i < d->nr && !v->topology; i++)
		if (device_targets(&d->device[i], host) != DEVICE_NOT)
			count(v, confirms(f, &d->device[i]));
}

static void check_cover(const struct facts *f, const char *host, struct findings *l)
{
	struct cover v;

	cover_of(f, host, &v);
	if (!v.levels && !v.believed) {
		finding_problem(l, "fencing",
				"no device can confirm that %s is off: if it dies, its guests stay "
				"down",
				host);
		finding_fix(l, "add one for it, stonith:fence_kemari with pcmk_host_list=%s, say", host);
	} else if (!v.levels) {
		finding_warning(l, "fencing",
				"that %s is off is only believed (fence_agents_believed): nobody reads "
				"its power",
				host);
		finding_fix(l, "add a device that reads it, stonith:fence_kemari with pcmk_host_list=%s, say",
			    host);
	} else if (v.levels + v.believed == 1) {
		finding_warning(l, "fencing",
				"%s has one way to be fenced: a BMC shares the power of its host, and "
				"without it nothing proves that host off",
				host);
		finding_fix(l, "a second level for %s: its switched outlets, all of them (fencing_topology)",
			    host);
	} else {
		finding_ok(l, "fencing", "%s has %u ways to be fenced", host, v.levels + v.believed);
	}
}

/* Does it stand alone, without one that counts?  Then what it says would be all there is. */
static bool stands_alone(const struct facts *f, const struct device *d)
{
	const struct devices *devices = &f->cib.fencing;
	bool in_level = false, alone = false;

	for (unsigned int i = 0; i < devices->nr_levels; i++) {
		const struct device_level *lv = &devices->level[i];
		bool partner = false;

		if (!device_of_level(lv, d->id))
			continue;
		in_level = true;
		for (unsigned int k = 0; k < devices->nr; k++)
			partner = partner || (device_of_level(lv, devices->device[k].id) &&
					      !devices->device[k].stopped &&
					      device_counts(confirms(f, &devices->device[k])));
		alone = alone || !partner;
	}
	return alone || !in_level;
}

/* As long as it may be what did it, no fencing of its hosts lets their guests run elsewhere. */
static void check_confirms(const struct facts *f, const struct device *d, struct findings *l)
{
	const char *why;
	const enum device_confirms how = device_confirms(d->agent, f->config.cfg.fence_agents_believed, &why);

	if (device_counts(how) || !stands_alone(f, d))
		return;
	finding_problem(l, "fencing",
			"%s (%s) cannot confirm a host off: %s; no fencing of its hosts is a proof then, "
			"whatever did it",
			d->id, d->agent, why);
	if (how == DEVICE_SAYS)
		finding_fix(l, "remove %s, or put a device that reads the power into the same level", d->id);
	else
		finding_fix(l,
			    "remove %s, put a device that reads the power into the same level, or believe it "
			    "(fence_agents_believed in kemari.conf)",
			    d->id);
}

static void check_device(const struct facts *f, const struct device *d, struct findings *l)
{
	const struct device_misuse *misuse = device_misused(d);

	if (d->stopped) {
		finding_warning(l, "fencing", "the fencing device %s is switched off (target-role)", d->id);
		finding_fix(l, "crm_resource --resource %s --meta --delete-parameter target-role", d->id);
		return;
	}
	check_confirms(f, d, l);
	if (misuse) {
		finding_problem(l, "fencing", "%s: %s; no fencing by it is a proof", d->id, misuse->why);
		finding_fix(l, "%s for %s", misuse->fix, d->id);
	}
	if (!d->host_list[0] && !d->host_map[0] && strcasecmp(d->host_check, "none")) {
		finding_warning(l, "fencing",
				"%s has no pcmk_host_list: the device is asked whom it fences, in "
				"the middle of a failover",
				d->id);
		finding_fix(l, "set pcmk_host_list and pcmk_host_check=static-list for %s", d->id);
	} else if (!strcasecmp(d->host_check, "none") || !strcasecmp(d->host_check, "dynamic-list") ||
		   !strcasecmp(d->host_check, "status")) {
		finding_warning(l, "fencing", "%s: with pcmk_host_check=%s %s", d->id, d->host_check,
				strcasecmp(d->host_check, "none")
					? "the device is asked in the middle of a failover"
					: "it is used against any host");
		finding_fix(l, "set pcmk_host_check=static-list for %s", d->id);
	}
}

/* Devices that are set up for another machine than the host tells it is. */
static void check_identity(const struct facts *f, const struct fact_identity *i, struct findings *l)
{
	const struct devices *d = &f->cib.fencing;
	char told[UUID_STR_LEN];

	uuid_unparse_lower(i->who.told, told);
	for (unsigned int k = 0; k < d->nr; k++) {
		if (device_targets(&d->device[k], i->host) == DEVICE_NOT ||
		    !device_is_anothers(&d->device[k], &i->who))
			continue;
		finding_problem(
			l, "fencing-uuid",
			"%s is for another machine than %s: its system_uuid is %s, the host's is %s; a "
			"fencing by it is no proof",
			d->device[k].id, i->host, d->device[k].system_uuid, told);
		finding_fix(
			l,
			"see that the address of %s is that of %s's BMC (dmidecode -s system-uuid there), "
			"then set its system_uuid",
			d->device[k].id, i->host);
	}
}

/* What kemari-agents say, who know more: of BMCs, of all hosts. */
static void check_words(const struct fact_cib *c, struct findings *l)
{
	for (unsigned int i = 0; i < c->nr_hardware; i++) {
		finding_warning(l, "hardware", "kemari-agent of %s: %s", c->hardware[i].node,
				c->hardware[i].text);
		finding_fix(l, "journalctl -u kemari-agent there has the BMC's own words; kemari-bmc(8)");
	}
	for (unsigned int i = 0; i < c->nr_doubts; i++) {
		finding_problem(l, "fencing-proof", "kemari-agent of %s: %s", c->doubt[i].node,
				c->doubt[i].text);
		finding_fix(l,
			    "other devices, or other parameters; kemari-agent(8), WHICH FENCING IS A PROOF");
	}
}

/* The device that waits before it fences the host, NULL: none. */
static const struct device *late_for(const struct fact_cib *c, const char *host)
{
	const struct devices *d = &c->fencing;

	for (unsigned int i = 0; i < d->nr; i++)
		if (device_targets(&d->device[i], host) != DEVICE_NOT && device_is_time(d->device[i].delay))
			return &d->device[i];
	return NULL;
}

/* Who fences second waits until the first one is through with it, whose own device is first. */
static void check_second(const struct device *second, const struct device *first, struct findings *l)
{
	long delay = check_seconds(second->own_delay, 0), worst = check_worst_drop(first);

	if (delay < 0 || worst < 0 || delay > worst)
		return;
	finding_warning(l, "fencing-delay",
			"%s waits for %ld s, and %s may take %ld s until the power is off (power_timeout, "
			"login_timeout): when only the network between the hosts is cut, both may be shot",
			second->id, delay, first->id, worst);
	finding_fix(l, "set delay=%ld for %s, or a shorter power_timeout for %s", worst + 4, second->id,
		    first->id);
}

/* When only the network between them is cut both hosts fence, and the faster one must be certain. */
static void check_delay(const struct fact_cib *c, struct findings *l)
{
	const struct device *a, *b;

	if (c->nr_nodes != 2 || !c->fencing.nr || device_is_time(c->priority_delay))
		return;
	for (unsigned int i = 0; i < c->fencing.nr; i++)
		if (device_targets(&c->fencing.device[i], c->node[0]) == DEVICE_PERHAPS)
			return; /* it may be anybody's */
	a = late_for(c, c->node[0]);
	b = late_for(c, c->node[1]);
	if (a && b && !strcmp(a->first_file, SHOOT_FIRST) && !strcmp(b->first_file, SHOOT_FIRST) &&
	    strcmp(a->delay, b->delay) != 0) {
		finding_ok(l, "fencing-delay", "kemari-agent has worked out which host fences first");
		check_second(a, b, l);
		check_second(b, a, l);
		return;
	}
	/* A map of delays is one for each host. */
	if (strcmp(a ? a->delay : "", b ? b->delay : "") != 0 || (a && strchr(a->delay, ':'))) {
		finding_ok(l, "fencing-delay", "one of the hosts is fenced later than the other one");
		return;
	}
	finding_warning(l, "fencing-delay",
			"both hosts are fenced %s: when only the network between them is cut, they "
			"fence each other",
			a ? "after the same delay" : "without a delay");
	finding_fix(l,
		    "delay=30 first_file=" SHOOT_FIRST " for one device, delay=45 and the same file for the "
		    "other one (doc/cluster.md)");
}

static void check_history(const struct facts *f, const char *host, struct findings *l)
{
	const struct fact_history *h = &f->history;

	for (unsigned int i = 0; i < h->nr; i++)
		if (!strcmp(h->host[i], host)) {
			finding_ok(l, "fencing-test", "%s was fenced with success, last: %s", host,
				   h->last[i]);
			return;
		}
	finding_warning(l, "fencing-test", "fencing of %s was never tried since the cluster started", host);
	finding_fix(l, "with no guest on it: stonith_admin --fence %s, and look that it is off", host);
}

void check_fencing(const struct facts *f, struct findings *l)
{
	const struct fact_cib *c = &f->cib;

	if (!c->source.seen)
		return; /* check_pacemaker said so */
	for (unsigned int i = 0; i < c->fencing.nr; i++)
		check_device(f, &c->fencing.device[i], l);
	for (unsigned int i = 0; i < c->nr_nodes; i++)
		check_cover(f, c->node[i], l);
	for (unsigned int i = 0; i < f->nr_identities; i++)
		check_identity(f, &f->identity[i], l);
	check_words(c, l);
	check_delay(c, l);
	if (!f->history.source.seen) {
		finding_warning(l, "fencing-test", "whether fencing was ever tried was not looked at: %s",
				f->history.source.why);
		finding_fix(l, "stonith_admin --history '*'");
		return;
	}
	for (unsigned int i = 0; i < c->nr_nodes; i++)
		check_history(f, c->node[i], l);
}
