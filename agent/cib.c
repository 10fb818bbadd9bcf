/* SPDX-License-Identifier: GPL-2.0-only */
#include "agent/cib.h"

#include <stdio.h>
#include <string.h>

#define NAME 80
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

void cib_option(xmlNode *from, const char *set, const char *name, char *out, size_t cap)
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
	char id[NAME], path[NAME + 32];
	xmlNode *found = NULL;

	xml_attribute(primitive, "template", id, sizeof(id));
	if (!id[0] || strspn(id, SAFE_ID) != strlen(id))
		return NULL;
	snprintf(path, sizeof(path), "//template[@id='%s']", id);
	xml_each(primitive->doc, NULL, path, take_node, &found);
	return found;
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
