/* SPDX-License-Identifier: GPL-2.0-only */
#include "agent/xml.h"

#include <stdio.h>

#include <libxml/parser.h>
#include <libxml/xpath.h>

xmlDoc *xml_parse(const char *text, size_t len)
{
	return xmlReadMemory(text, (int)len, NULL, NULL,
			     XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING);
}

void xml_each(xmlDoc *doc, xmlNode *from, const char *path, void (*fn)(void *arg, xmlNode *node), void *arg)
{
	xmlXPathContext *context = xmlXPathNewContext(doc);
	xmlXPathObject *found = NULL;

	if (!context)
		return;
	context->node = from;
	found = xmlXPathEvalExpression((const xmlChar *)path, context);
	if (found && found->nodesetval)
		for (int i = 0; i < found->nodesetval->nodeNr; i++)
			fn(arg, found->nodesetval->nodeTab[i]);
	xmlXPathFreeObject(found);
	xmlXPathFreeContext(context);
}

void xml_attribute(xmlNode *node, const char *name, char *out, size_t cap)
{
	xmlChar *value = xmlGetProp(node, (const xmlChar *)name);

	snprintf(out, cap, "%s", value ? (const char *)value : "");
	xmlFree(value);
}
