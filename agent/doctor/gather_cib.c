/* SPDX-License-Identifier: GPL-2.0-only */
/* Pacemaker's configuration. */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "agent/cib.h"
#include "agent/doctor/gather.h"

#define PARAMETER(node, name, field) cib_parameter(node, "instance_attributes", name, field, sizeof(field))
#define META(node, name, field) cib_parameter(node, "meta_attributes", name, field, sizeof(field))

static void take_properties(xmlNode *root, struct fact_cib *c)
{
	static const char set[] = "configuration/crm_config/cluster_property_set";

	cib_option(root, set, "stonith-enabled", c->stonith_enabled, sizeof(c->stonith_enabled));
	cib_option(root, set, "node-health-strategy", c->health_strategy, sizeof(c->health_strategy));
	cib_option(root, set, "maintenance-mode", c->maintenance, sizeof(c->maintenance));
	cib_option(root, set, "startup-fencing", c->startup_fencing, sizeof(c->startup_fencing));
	cib_option(root, set, "priority-fencing-delay", c->priority_delay, sizeof(c->priority_delay));
	cib_option(root, set, "stonith-timeout", c->stonith_timeout, sizeof(c->stonith_timeout));
}

static void take_cluster_node(void *arg, xmlNode *node)
{
	struct fact_cib *c = arg;

	if (c->nr_nodes < FACT_NODES)
		xml_attribute(node, "uname", c->node[c->nr_nodes++], FACT_NAME);
}

/* Of the primitive, else of the clone, else the cluster's default: what a clone hands down. */
static void take_threshold(xmlNode *primitive, xmlNode *clone, struct fact_resource *r)
{
	xmlNode *root = xmlDocGetRootElement(primitive->doc);

	META(primitive, "migration-threshold", r->migration_threshold);
	if (!r->migration_threshold[0] && clone)
		META(clone, "migration-threshold", r->migration_threshold);
	if (!r->migration_threshold[0])
		cib_option(root, "configuration/rsc_defaults/meta_attributes", "migration-threshold",
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

	cib_attribute(node, "class", class, sizeof(class));
	cib_attribute(node, "provider", provider, sizeof(provider));
	cib_attribute(node, "type", type, sizeof(type));
	if (!strcmp(class, "ocf") && !strcmp(provider, "kemari") && !strcmp(type, "vm"))
		take_vm(f, node);
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

/* node: kemari-agent's attribute of a node. */
static void take_word(xmlNode *node, struct fact_word words[FACT_NODES], unsigned int *nr)
{
	xmlNode *state = node;

	if (*nr == FACT_NODES)
		return;
	while (state->parent && strcmp((const char *)state->name, "node_state") != 0)
		state = state->parent;
	xml_attribute(state, "uname", words[*nr].node, FACT_NAME);
	xml_attribute(node, "value", words[*nr].text, FACT_TEXT);
	++*nr;
}

static void take_doubt(void *arg, xmlNode *node)
{
	struct fact_cib *c = arg;

	take_word(node, c->doubt, &c->nr_doubts);
}

static void take_hardware(void *arg, xmlNode *node)
{
	struct fact_cib *c = arg;

	take_word(node, c->hardware, &c->nr_hardware);
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
	devices_read(text, len, &f->cib.fencing);
	xml_each(doc, root,
		 "configuration/constraints/rsc_location//rule[@score='-INFINITY' or @score='-infinity' or "
		 "@score='-inf']//expression[starts-with(@attribute, '#health')]",
		 take_health_rule, &f->cib);
	xml_each(doc, root,
		 "configuration/constraints/rsc_location[@rsc][starts-with(@id, 'cli-prefer-') or "
		 "starts-with(@id, 'cli-ban-')]",
		 take_moved, &f->cib);
	xml_each(doc, root,
		 "status/node_state/transient_attributes//nvpair[@name='kemari-fencing'][@value!='']",
		 take_doubt, &f->cib);
	xml_each(doc, root,
		 "status/node_state/transient_attributes//nvpair[@name='kemari-hardware'][@value!='']",
		 take_hardware, &f->cib);
	xmlFreeDoc(doc);
}

void gather_cib(const struct job *j, struct facts *f)
{
	if (job_done(j) && j->out.text)
		gather_cib_text(j->out.text, j->out.len, f);
	else
		gather_failed(j, "cibadmin", &f->cib.source);
}
