/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Fencing: each host needs a device that confirms it off, since nothing else lets its guests run elsewhere
 * (doc/ownership.md, items 13 and 25).  What an agent can confirm is told by its name.
 */
#include <regex.h>
#include <stdio.h>
#include <string.h>

#include "agent/daemon/order.h"
#include "agent/doctor/check.h"

#define SHOOT_FIRST "/run/kemari/" ORDER_FILE

enum confirms {
	CONFIRMS,
	BELIEVES, /* a watchdog does it, in time, if it works */
	SAYS,	  /* without the host's being off */
};

static const struct {
	const char *agent;
	enum confirms confirms;
	const char *why;
} agents[] = {
	{ "fence_kdump", SAYS, "it says that the host's kernel crashed, not that it has no power" },
	{ "fence_dummy", SAYS, "it is for tests" },
	{ "external/ssh", SAYS, "it asks the host to reboot, if that still listens" },
	{ "ssh", SAYS, "it asks the host to reboot, if that still listens" },
	{ "external/vmware", SAYS, "it does not read the power back" },
	{ "meatware", SAYS, "a person says so" },
	{ "fence_manual", SAYS, "a person says so" },
	{ "fence_ack_manual", SAYS, "a person says so" },
	{ "null", SAYS, "it is for tests" },
	{ "suicide", SAYS, "it asks the host itself" },
	{ "fence_heuristics_ping", SAYS, "it only lets the next device of its level be used or not" },
	{ "fence_scsi", SAYS, "it takes the disk away, and the guest goes on running" },
	{ "fence_mpath", SAYS, "it takes the disk away, and the guest goes on running" },
	{ "fence_brocade", SAYS, "it takes the disk away, and the guest goes on running" },
	{ "fence_cisco_mds", SAYS, "it takes the disk away, and the guest goes on running" },
	{ "fence_sanbox2", SAYS, "it takes the disk away, and the guest goes on running" },
	{ "fence_ifmib", SAYS, "it takes the network away, and the guest goes on running" },
	{ "fence_watchdog", BELIEVES, "the host's watchdog is believed, not read" },
	{ "fence_sbd", BELIEVES, "the host's watchdog is believed, not read" },
	{ "external/sbd", BELIEVES, "the host's watchdog is believed, not read" },
};

static enum confirms confirms(const char *agent, const char **why)
{
	for (size_t i = 0; i < sizeof(agents) / sizeof(agents[0]); i++)
		if (!strcmp(agents[i].agent, agent)) {
			*why = agents[i].why;
			return agents[i].confirms;
		}
	*why = NULL;
	return CONFIRMS;
}

/* Is word one of list, whose words are separated by any of sep?  Of a map only what is before the ':'. */
static bool has_word(const char *list, const char *sep, const char *word)
{
	size_t len = strlen(word);

	for (const char *p = list + strspn(list, sep); *p; p += strspn(p, sep)) {
		size_t n = strcspn(p, sep);

		if (n >= len && !strncmp(p, word, len) && (n == len || p[len] == ':'))
			return true;
		p += n;
	}
	return false;
}

/* Can the device be used against host, as far as its configuration says? */
static enum fact targets(const struct fact_fence_device *d, const char *host)
{
	if (d->stopped)
		return FACT_NO;
	if (!strcmp(d->host_check, "none"))
		return FACT_YES;
	if (!d->host_list[0] && !d->host_map[0])
		return FACT_UNKNOWN; /* the device is asked */
	return has_word(d->host_list, " ,;\t\n", host) || has_word(d->host_map, " ;\t\n", host) ? FACT_YES
												: FACT_NO;
}

static bool level_is_for(const struct fact_fence_level *lv, const char *host)
{
	regex_t re;
	bool match;

	if (lv->node[0])
		return !strcmp(lv->node, host);
	if (!lv->pattern[0])
		return true; /* an attribute tells: perhaps */
	if (regcomp(&re, lv->pattern, REG_EXTENDED | REG_NOSUB))
		return false;
	match = !regexec(&re, host, 0, NULL, 0);
	regfree(&re);
	return match;
}

/* What a host has. */
struct cover {
	unsigned int levels; /* that confirm it off, tried one after the other */
	unsigned int believed;
	bool topology;
};

/* A level is as good as the best of its devices, for all of them must succeed. */
static enum confirms level_confirms(const struct fact_cib *c, const struct fact_fence_level *lv,
				    const char *host)
{
	enum confirms best = SAYS;
	const char *why;

	for (unsigned int i = 0; i < c->nr_devices; i++) {
		const struct fact_fence_device *d = &c->device[i];

		if (has_word(lv->devices, ", ", d->id) && targets(d, host) != FACT_NO &&
		    confirms(d->agent, &why) < best)
			best = confirms(d->agent, &why);
	}
	return best;
}

/* As the fencer finds them: levels for a name hide those for a pattern or an attribute. */
static bool has_levels_by_name(const struct fact_cib *c, const char *host)
{
	for (unsigned int i = 0; i < c->nr_levels; i++)
		if (!strcmp(c->level[i].node, host))
			return true;
	return false;
}

static void count(struct cover *v, enum confirms how)
{
	v->levels += how == CONFIRMS;
	v->believed += how == BELIEVES;
}

static void cover_of(const struct fact_cib *c, const char *host, struct cover *v)
{
	bool by_name = has_levels_by_name(c, host);
	const char *why;

	memset(v, 0, sizeof(*v));
	for (unsigned int i = 0; i < c->nr_levels; i++)
		if (level_is_for(&c->level[i], host) && (c->level[i].node[0] || !by_name)) {
			v->topology = true;
			count(v, level_confirms(c, &c->level[i], host));
		}
	/* Without levels each device is tried until one has done it. */
	for (unsigned int i = 0; i < c->nr_devices && !v->topology; i++)
		if (targets(&c->device[i], host) != FACT_NO)
			count(v, confirms(c->device[i].agent, &why));
}

static void check_cover(const struct fact_cib *c, const char *host, struct findings *l)
{
	struct cover v;

	cover_of(c, host, &v);
	if (!v.levels && !v.believed) {
		finding_problem(l, "fencing",
				"no device can confirm that %s is off: if it dies, its guests stay "
				"down",
				host);
		finding_fix(l, "add one for it, stonith:fence_kemari with pcmk_host_list=%s, say", host);
	} else if (!v.levels) {
		finding_warning(l, "fencing",
				"that %s is off is only believed: its watchdog does it, and nobody "
				"reads its power",
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

/* Does it stand alone, without one that confirms?  Then what it says is taken for a fencing. */
static bool is_believed_alone(const struct fact_cib *c, const struct fact_fence_device *d)
{
	bool in_level = false, alone = false;

	if (d->stopped)
		return false;
	for (unsigned int i = 0; i < c->nr_levels; i++) {
		const struct fact_fence_level *lv = &c->level[i];
		bool partner = false;
		const char *why;

		if (!has_word(lv->devices, ", ", d->id))
			continue;
		in_level = true;
		for (unsigned int k = 0; k < c->nr_devices; k++)
			partner = partner ||
				  (has_word(lv->devices, ", ", c->device[k].id) && !c->device[k].stopped &&
				   confirms(c->device[k].agent, &why) != SAYS);
		alone = alone || !partner;
	}
	return alone || !in_level;
}

static void check_device(const struct fact_cib *c, const struct fact_fence_device *d, struct findings *l)
{
	const char *why;

	if (d->stopped) {
		finding_warning(l, "fencing", "the fencing device %s is switched off (target-role)", d->id);
		finding_fix(l, "crm_resource --resource %s --meta --delete-parameter target-role", d->id);
		return;
	}
	if (confirms(d->agent, &why) == SAYS && is_believed_alone(c, d)) {
		finding_problem(l, "fencing",
				"%s (%s) cannot confirm a host off: %s; a guest may then run twice", d->id,
				d->agent, why);
		finding_fix(l, "remove %s, or put a device that reads the power into the same level", d->id);
	} else if (confirms(d->agent, &why) == BELIEVES) {
		finding_warning(l, "fencing", "%s (%s): %s", d->id, d->agent, why);
		finding_fix(l, "keep it for the last level, behind one that reads the power");
	}
	if (!strcmp(d->method, "cycle")) {
		finding_problem(l, "fencing", "%s: method=cycle says done before the host has lost its power",
				d->id);
		finding_fix(l, "set method=onoff for %s", d->id);
	}
	if (!d->host_list[0] && !d->host_map[0] && strcmp(d->host_check, "none")) {
		finding_warning(l, "fencing",
				"%s has no pcmk_host_list: the device is asked whom it fences, in "
				"the middle of a failover",
				d->id);
		finding_fix(l, "set pcmk_host_list and pcmk_host_check=static-list for %s", d->id);
	} else if (!strcmp(d->host_check, "none") || !strcmp(d->host_check, "dynamic-list") ||
		   !strcmp(d->host_check, "status")) {
		finding_warning(l, "fencing", "%s: with pcmk_host_check=%s %s", d->id, d->host_check,
				strcmp(d->host_check, "none")
					? "the device is asked in the middle of a failover"
					: "it is used against any host");
		finding_fix(l, "set pcmk_host_check=static-list for %s", d->id);
	}
}

/* The device that waits before it fences the host, NULL: none. */
static const struct fact_fence_device *late_for(const struct fact_cib *c, const char *host)
{
	for (unsigned int i = 0; i < c->nr_devices; i++)
		if (targets(&c->device[i], host) != FACT_NO && check_is_time(c->device[i].delay))
			return &c->device[i];
	return NULL;
}

/* When only the network between them is cut both hosts fence, and the faster one must be certain. */
static void check_delay(const struct fact_cib *c, struct findings *l)
{
	const struct fact_fence_device *a, *b;

	if (c->nr_nodes != 2 || !c->nr_devices || check_is_time(c->priority_delay))
		return;
	for (unsigned int i = 0; i < c->nr_devices; i++)
		if (targets(&c->device[i], c->node[0]) == FACT_UNKNOWN)
			return; /* it may be anybody's */
	a = late_for(c, c->node[0]);
	b = late_for(c, c->node[1]);
	if (a && b && !strcmp(a->first_file, SHOOT_FIRST) && !strcmp(b->first_file, SHOOT_FIRST) &&
	    strcmp(a->delay, b->delay) != 0) {
		finding_ok(l, "fencing-delay", "kemari-agent has worked out which host fences first");
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
		    "delay=10 first_file=" SHOOT_FIRST " for one device, delay=20 and the same file for the "
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
	for (unsigned int i = 0; i < c->nr_devices; i++)
		check_device(c, &c->device[i], l);
	for (unsigned int i = 0; i < c->nr_nodes; i++)
		check_cover(c, c->node[i], l);
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
