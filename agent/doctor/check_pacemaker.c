/* SPDX-License-Identifier: GPL-2.0-only */
/* Pacemaker's properties, its rules on health, and how each VM is cloned. */
#include <string.h>
#include <strings.h>

#include "agent/doctor/check.h"

/* As crm_is_true() and its opposite; "" is neither. */
static bool is_true(const char *s)
{
	return !strcasecmp(s, "true") || !strcasecmp(s, "on") || !strcasecmp(s, "yes") ||
	       !strcasecmp(s, "y") || !strcmp(s, "1");
}

static bool is_false(const char *s)
{
	return s[0] && !is_true(s);
}

static void check_fencing_properties(const struct fact_cib *c, struct findings *l)
{
	if (is_false(c->stonith_enabled)) {
		finding_problem(l, "stonith",
				"stonith-enabled is %s: no host is ever proven off, so no guest "
				"goes on elsewhere",
				c->stonith_enabled);
		finding_fix(l, "set the property stonith-enabled=true");
	} else {
		finding_ok(l, "stonith", "fencing is enabled");
	}
	if (strcmp(c->fencing.stonith_action, "off")) {
		finding_warning(l, "stonith-action",
				"stonith-action is %s: a failover also waits for the dead "
				"host to be switched on again",
				c->fencing.stonith_action[0] ? c->fencing.stonith_action : "reboot");
		finding_fix(l, "set the property stonith-action=off");
	} else {
		finding_ok(l, "stonith-action", "stonith-action is off");
	}
	if (is_false(c->startup_fencing)) {
		finding_problem(l, "startup-fencing",
				"startup-fencing is %s: a host that nobody has seen is "
				"taken for off",
				c->startup_fencing);
		finding_fix(l, "remove the property startup-fencing");
	}
	if (device_is_time(c->priority_delay)) {
		finding_warning(l, "priority-fencing-delay",
				"priority-fencing-delay %s makes each failover so much later",
				c->priority_delay);
		finding_fix(l, "remove it, and give one fencing device a delay (doc/cluster.md)");
	}
}

static void check_watchdog(const struct facts *f, struct findings *l)
{
	const char *timeout = f->cib.fencing.watchdog_timeout, *why;
	const bool believed =
		device_counts(device_confirms("fence_watchdog", f->config.cfg.fence_agents_believed, &why));

	if (!device_is_time(timeout))
		return;
	if (believed)
		finding_warning(
			l, "stonith-watchdog-timeout",
			"stonith-watchdog-timeout is %s: then a host is taken for off, and nobody has "
			"read its power",
			timeout);
	else
		finding_problem(
			l, "stonith-watchdog-timeout",
			"stonith-watchdog-timeout is %s: a host may be taken for off without its power "
			"being read, so no fencing is a proof",
			timeout);
	finding_fix(l, "remove it, and fence by devices that read the power");
}

static void check_properties(const struct fact_cib *c, struct findings *l)
{
	check_fencing_properties(c, l);
	if (c->health_strategy[0] && strcmp(c->health_strategy, "none")) {
		finding_problem(l, "health",
				"node-health-strategy is %s: Pacemaker stops guests and copies on a "
				"host with a fault, also when both have one",
				c->health_strategy);
		finding_fix(l,
			    "set the property node-health-strategy=none; kemari-agent lowers scores instead");
	} else {
		finding_ok(l, "health", "node-health-strategy is none");
	}
	if (is_true(c->maintenance)) {
		finding_warning(l, "maintenance", "maintenance-mode is %s: nothing fails over",
				c->maintenance);
		finding_fix(l, "set the property maintenance-mode=false");
	}
}

static bool concerns_vm(const struct fact_cib *c, const char *resource)
{
	if (!resource[0])
		return true; /* a pattern or a set: perhaps */
	for (unsigned int i = 0; i < c->nr_resources; i++)
		if (!strcmp(c->resource[i].id, resource) || !strcmp(c->resource[i].clone, resource))
			return true;
	return false;
}

static void check_rules(const struct fact_cib *c, struct findings *l)
{
	unsigned int bad = 0;

	for (unsigned int i = 0; i < c->nr_rules; i++) {
		const struct fact_rule *r = &c->health_rule[i];

		if (!concerns_vm(c, r->resource))
			continue;
		bad++;
		finding_problem(l, "health-rule",
				"constraint %s forbids %s where %s is bad: with both hosts bad "
				"the guest is taken down",
				r->constraint, r->resource[0] ? r->resource : "a VM", r->attribute);
		finding_fix(l, "remove %s; kemari-agent lowers scores instead", r->constraint);
	}
	if (!bad)
		finding_ok(l, "health-rule", "no rule of -INFINITY on health");
	for (unsigned int i = 0; i < c->nr_moved; i++) {
		const struct fact_rule *r = &c->moved[i];

		if (!concerns_vm(c, r->resource))
			continue;
		finding_warning(l, "moved",
				"%s, left by a move or ban by hand, outweighs every promotion score",
				r->constraint);
		finding_fix(l, "crm_resource --clear --resource %s", r->resource);
	}
}

static void wish(struct findings *l, const struct fact_resource *r, const char *what, const char *is,
		 const char *should, const char *why)
{
	finding_problem(l, "clone", "%s: %s is %s: %s", r->clone, what, is[0] ? is : "not set", why);
	finding_fix(l, "set %s=%s in the meta attributes of %s", what, should, r->clone);
}

static void check_clone(const struct fact_cib *c, const struct fact_resource *r, struct findings *l)
{
	unsigned int bad = l->count[FINDING_PROBLEM];

	if (!r->clone[0]) {
		finding_problem(l, "clone", "%s is no clone: it has no second host", r->id);
		finding_fix(l, "clone it with promotable=true clone-max=2 notify=false interleave=true "
			       "(doc/cluster.md)");
		return;
	}
	if (!is_true(r->promotable))
		wish(l, r, "promotable", r->promotable, "true", "the guest would never be promoted");
	if (strcmp(r->clone_max, "2") && (r->clone_max[0] || c->nr_nodes != 2))
		wish(l, r, "clone-max", r->clone_max, "2", "a VM has two hosts");
	if (r->promoted_max[0] && strcmp(r->promoted_max, "1"))
		wish(l, r, "promoted-max", r->promoted_max, "1", "a guest runs once");
	if (r->clone_node_max[0] && strcmp(r->clone_node_max, "1"))
		wish(l, r, "clone-node-max", r->clone_node_max, "1", "a host has one of the two");
	if (is_true(r->notify)) {
		finding_warning(l, "clone", "%s: notify is %s: six more steps in each failover, for nothing",
				r->clone, r->notify);
		finding_fix(l, "set notify=false in the meta attributes of %s", r->clone);
	}
	if (!strcmp(r->migration_threshold, "1")) {
		finding_warning(l, "clone",
				"%s: migration-threshold is 1: the first failure bans the copy, too",
				r->clone);
		finding_fix(l, "remove migration-threshold; scores move the role");
	}
	if (l->count[FINDING_PROBLEM] == bad)
		finding_ok(l, "clone", "%s is a promotable clone for two hosts", r->clone);
}

void check_pacemaker(const struct facts *f, struct findings *l)
{
	const struct fact_cib *c = &f->cib;

	if (!c->source.seen) {
		finding_warning(l, "pacemaker",
				"pacemaker was not looked at (properties, clones, fencing): %s",
				c->source.why);
		finding_fix(
			l,
			f->host.root
				? "see that pacemaker runs and answers (crm_mon -1), then kemari doctor again"
				: "run kemari doctor as root, or as a member of haclient");
		return;
	}
	check_properties(c, l);
	check_watchdog(f, l);
	check_rules(c, l);
	for (unsigned int i = 0; i < c->nr_resources; i++)
		check_clone(c, &c->resource[i], l);
	if (!c->nr_resources) {
		finding_warning(l, "clone", "the cluster has no VM of kemari");
		finding_fix(l, "add one: doc/cluster.md, The guest");
	}
}
