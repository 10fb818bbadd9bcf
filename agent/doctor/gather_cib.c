/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Pacemaker's configuration.  Sets of options and attributes are taken without their rules, the first one of
 * a name counts, as Pacemaker takes them; what a primitive does not say, its template does.
 */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "agent/doctor/gather.h"
#include "agent/doctor/xml.h"

#define SAFE_ID "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-"

struct first {
	char *out;
	size_t cap;
};

static void take_value(void *arg, xmlNode *node)
{
	struct first *f = arg;

	if (!f->out[0])
		xml_attribute(node, "value", f->out, f->cap);
}

/* The value of the first nvpair of that name in such a set (a path below from); out unchanged: there is none.
 */
static void option(xmlNode *from, const char *set, const char *name, char *out, size_t cap)
{
	struct first f = { .out = out, .cap = cap };
	char path[256];

	snprintf(path, sizeof(path), "%s/nvpair[@name='%s']", set, name);
	xml_each(from->doc, from, path, take_value, &f);
}

static void take_node(void *arg, xmlNode *node)
{
	xmlNode **out = arg;

	if (!*out)
		*out = node;
}

/* NULL: it has none. */
static xmlNode *template_of(xmlNode *primitive)
{
	char id[FACT_NAME], path[FACT_NAME + 32];
	xmlNode *found = NULL;

	xml_attribute(primitive, "template", id, sizeof(id));
	if (!id[0] || strspn(id, SAFE_ID) != strlen(id))
		return NULL;
	snprintf(path, sizeof(path), "//template[@id='%s']", id);
	xml_each(primitive->doc, NULL, path, take_node, &found);
	return found;
}

static void attribute(xmlNode *primitive, const char *name, char *out, size_t cap)
{
	xmlNode *template = template_of(primitive);

	xml_attribute(template ? template : primitive, name, out, cap);
}

/* An instance or meta attribute (set) of a primitive. */
static void parameter(xmlNode *primitive, const char *set, const char *name, char *out, size_t cap)
{
	xmlNode *template = template_of(primitive);

	option(primitive, set, name, out, cap);
	if (!out[0] && template)
		option(template, set, name, out, cap);
}

#define PARAMETER(node, name, field) parameter(node, "instance_attributes", name, field, sizeof(field))
#define META(node, name, field) parameter(node, "meta_attributes", name, field, sizeof(field))

static void take_properties(xmlNode *root, struct fact_cib *c)
{
	static const char set[] = "configuration/crm_config/cluster_property_set";

	option(root, set, "stonith-enabled", c->stonith_enabled, sizeof(c->stonith_enabled));
	option(root, set, "stonith-action", c->stonith_action, sizeof(c->stonith_action));
	option(root, set, "node-health-strategy", c->health_strategy, sizeof(c->health_strategy));
	option(root, set, "maintenance-mode", c->maintenance, sizeof(c->maintenance));
	option(root, set, "startup-fencing", c->startup_fencing, sizeof(c->startup_fencing));
	option(root, set, "priority-fencing-delay", c->priority_delay, sizeof(c->priority_delay));
	option(root, set, "stonith-watchdog-timeout", c->watchdog_timeout, sizeof(c->watchdog_timeout));
	option(root, set, "stonith-timeout", c->stonith_timeout, sizeof(c->stonith_timeout));
}

static void take_cluster_node(void *arg, xmlNode *node)
{
	struct fact_cib *c = arg;

	if (c->nr_nodes < FACT_NODES)
		xml_attribute(node, "uname", c->node[c->nr_nodes++], FACT_NAME);
}

static void take_device(struct fact_cib *c, xmlNode *node, const char *type)
{
	struct fact_fence_device *d = &c->device[c->nr_devices];
	char role[16] = "";

	if (c->nr_devices == FACT_DEVICES)
		return;
	c->nr_devices++;
	xml_attribute(node, "id", d->id, sizeof(d->id));
	snprintf(d->agent, sizeof(d->agent), "%s", type);
	PARAMETER(node, "pcmk_host_list", d->host_list);
	PARAMETER(node, "pcmk_host_map", d->host_map);
	PARAMETER(node, "pcmk_host_check", d->host_check);
	PARAMETER(node, "method", d->method);
	PARAMETER(node, "delay", d->delay);
	PARAMETER(node, "first_file", d->first_file);
	PARAMETER(node, "delay", d->own_delay);
	PARAMETER(node, "plug", d->plug);
	if (!d->plug[0])
		PARAMETER(node, "port", d->plug); /* its older name */
	PARAMETER(node, "snmp_version", d->snmp_version);
	PARAMETER(node, "power_timeout", d->power_timeout);
	PARAMETER(node, "login_timeout", d->login_timeout);
	PARAMETER(node, "pcmk_off_timeout", d->off_timeout);
	PARAMETER(node, "pcmk_off_retries", d->off_retries);
	if (!d->delay[0])
		PARAMETER(node, "pcmk_delay_base", d->delay);
	if (!d->delay[0])
		PARAMETER(node, "pcmk_delay_max", d->delay);
	META(node, "target-role", role);
	d->stopped = !strcasecmp(role, "stopped");
}

/* Of the primitive, else of the clone, else the cluster's default: what a clone hands down. */
static void take_threshold(xmlNode *primitive, xmlNode *clone, struct fact_resource *r)
{
	xmlNode *root = xmlDocGetRootElement(primitive->doc);

	META(primitive, "migration-threshold", r->migration_threshold);
	if (!r->migration_threshold[0] && clone)
		META(clone, "migration-threshold", r->migration_threshold);
	if (!r->migration_threshold[0])
		option(root, "configuration/rsc_defaults/meta_attributes", "migration-threshold",
		       r->migration_threshold, sizeof(r->migration_threshold));
}

static void take_clone(xmlNode *clone, struct fact_resource *r)
{
	xml_attribute(clone, "id", r->clone, sizeof(r->clone));
	META(clone, "promotable", r->promotable);
	META(clone, "clone-max", r->clone_max);
	META(clone, "promoted-max", r->promoted_max);
	if (!r->promoted_max[0])
		META(clone, "master-max", r->promoted_max);
	META(clone, "clone-node-max", r->clone_node_max);
	META(clone, "notify", r->notify);
	if (!strcmp((const char *)clone->name, "master")) /* before Pacemaker 2 */
		snprintf(r->promotable, sizeof(r->promotable), "true");
}

static bool is_clone(const xmlNode *node)
{
	return node &&
	       (!strcmp((const char *)node->name, "clone") || !strcmp((const char *)node->name, "master"));
}

static void take_vm(struct facts *f, xmlNode *node)
{
	struct fact_resource *r = &f->cib.resource[f->cib.nr_resources];
	xmlNode *clone = is_clone(node->parent) ? node->parent : NULL;
	struct fact_vm *vm;

	if (f->cib.nr_resources == FACT_VMS)
		return;
	f->cib.nr_resources++;
	xml_attribute(node, "id", r->id, sizeof(r->id));
	PARAMETER(node, "vm", r->vm);
	if (!r->vm[0])
		memcpy(r->vm, r->id, sizeof(r->vm));
	PARAMETER(node, "config", r->config);
	if (clone)
		take_clone(clone, r);
	take_threshold(node, clone, r);
	vm = gather_vm(f, r->vm, FACT_OF_CLUSTER);
	if (vm)
		memcpy(vm->config, r->config, sizeof(vm->config));
}

static void take_primitive(void *arg, xmlNode *node)
{
	struct facts *f = arg;
	char class[16], provider[32], type[FACT_NAME];

	attribute(node, "class", class, sizeof(class));
	attribute(node, "provider", provider, sizeof(provider));
	attribute(node, "type", type, sizeof(type));
	if (!strcmp(class, "stonith"))
		take_device(&f->cib, node, type);
	else if (!strcmp(class, "ocf") && !strcmp(provider, "kemari") && !strcmp(type, "vm"))
		take_vm(f, node);
}

static void take_level(void *arg, xmlNode *node)
{
	struct fact_cib *c = arg;
	struct fact_fence_level *lv = &c->level[c->nr_levels];

	if (c->nr_levels == FACT_LEVELS)
		return;
	c->nr_levels++;
	xml_attribute(node, "target", lv->node, sizeof(lv->node));
	xml_attribute(node, "target-pattern", lv->pattern, sizeof(lv->pattern));
	xml_attribute(node, "devices", lv->devices, sizeof(lv->devices));
}

/* node: an expression on health in a rule of a location constraint. */
static void take_health_rule(void *arg, xmlNode *node)
{
	struct fact_cib *c = arg;
	struct fact_rule *r = &c->health_rule[c->nr_rules];
	xmlNode *constraint = node;

	if (c->nr_rules == FACT_RULES)
		return;
	while (constraint->parent && strcmp((const char *)constraint->name, "rsc_location") != 0)
		constraint = constraint->parent;
	c->nr_rules++;
	xml_attribute(node, "attribute", r->attribute, sizeof(r->attribute));
	xml_attribute(constraint, "id", r->constraint, sizeof(r->constraint));
	xml_attribute(constraint, "rsc", r->resource, sizeof(r->resource));
}

static void take_moved(void *arg, xmlNode *node)
{
	struct fact_cib *c = arg;
	struct fact_rule *r = &c->moved[c->nr_moved];

	if (c->nr_moved == FACT_RULES)
		return;
	c->nr_moved++;
	xml_attribute(node, "id", r->constraint, sizeof(r->constraint));
	xml_attribute(node, "rsc", r->resource, sizeof(r->resource));
}

void gather_cib_text(const char *text, size_t len, struct facts *f)
{
	xmlDoc *doc = xml_parse(text, len);
	xmlNode *root = doc ? xmlDocGetRootElement(doc) : NULL;

	if (!root || strcmp((const char *)root->name, "cib") != 0) {
		snprintf(f->cib.source.why, sizeof(f->cib.source.why), "cibadmin prints no CIB");
		xmlFreeDoc(doc);
		return;
	}
	f->cib.source.seen = true;
	take_properties(root, &f->cib);
	xml_each(doc, root, "configuration/nodes/node[not(@type='remote')]", take_cluster_node, &f->cib);
	xml_each(doc, root, "configuration/resources//primitive", take_primitive, f);
	xml_each(doc, root, "configuration/fencing-topology/fencing-level", take_level, &f->cib);
	xml_each(doc, root,
		 "configuration/constraints/rsc_location//rule[@score='-INFINITY' or @score='-infinity' or "
		 "@score='-inf']//expression[starts-with(@attribute, '#health')]",
		 take_health_rule, &f->cib);
	xml_each(doc, root,
		 "configuration/constraints/rsc_location[@rsc][starts-with(@id, 'cli-prefer-') or "
		 "starts-with(@id, 'cli-ban-')]",
		 take_moved, &f->cib);
	xmlFreeDoc(doc);
}

void gather_cib(const struct job *j, struct facts *f)
{
	if (job_done(j) && j->out.text)
		gather_cib_text(j->out.text, j->out.len, f);
	else
		gather_failed(j, "cibadmin", &f->cib.source);
}
