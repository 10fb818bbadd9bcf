/* SPDX-License-Identifier: GPL-2.0-only */
#include "agent/cib.h"

#include <stdio.h>

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

void cib_option(xmlNode *from, const char *set, const char *name, char *out, size_t cap)
{
	struct first f = { .out = out, .cap = cap };
	char path[256];

	snprintf(path, sizeof(path), "%s/nvpair[@name='%s']", set, name);
	xml_each(from->doc, from, path, take_value, &f);
}

struct wanted {
	xmlChar *id;
	xmlNode *found;
};

static void take_template(void *arg, xmlNode *node)
{
	struct wanted *w = arg;
	xmlChar *id = xmlGetProp(node, (const xmlChar *)"id");

	if (!w->found && id && xmlStrEqual(id, w->id))
		w->found = node;
	xmlFree(id);
}

/* NULL: it has none, or one that is not there. */
static xmlNode *template_of(xmlNode *primitive)
{
	struct wanted w = { .id = xmlGetProp(primitive, (const xmlChar *)"template") };

	if (w.id)
		xml_each(primitive->doc, NULL, "//template", take_template, &w);
	xmlFree(w.id);
	return w.found;
}

static void count(void *arg, xmlNode *node)
{
	unsigned int *n = arg;

	++*n;
}

/* A reference, a rule, sets in an order of their own. */
static bool has_more(xmlNode *node)
{
	unsigned int n = 0;

	xml_each(node->doc, node,
		 "instance_attributes/descendant-or-self::*[@id-ref] | instance_attributes[@score and "
		 "last() > 1] | instance_attributes//rule | meta_attributes//rule",
		 count, &n);
	return n;
}

bool cib_plain(xmlNode *primitive)
{
	xmlNode *template = template_of(primitive);

	if (has_more(primitive) || (template && has_more(template)))
		return false;
	return template || !xmlHasProp(primitive, (const xmlChar *)"template");
}

void cib_attribute(xmlNode *primitive, const char *name, char *out, size_t cap)
{
	xmlNode *template = template_of(primitive);

	xml_attribute(template ? template : primitive, name, out, cap);
}

void cib_parameter(xmlNode *primitive, const char *set, const char *name, char *out, size_t cap)
{
	xmlNode *template = template_of(primitive);

	cib_option(primitive, set, name, out, cap);
	if (!out[0] && template)
		cib_option(template, set, name, out, cap);
}
