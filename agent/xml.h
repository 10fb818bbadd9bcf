/* SPDX-License-Identifier: GPL-2.0-only */
/* Reading of what Pacemaker's commands print. */
#ifndef KEMARI_AGENT_XML_H
#define KEMARI_AGENT_XML_H

#include <stddef.h>

#include <libxml/tree.h>

/* NULL: that is no XML.  Nothing outside of the text is read. */
xmlDoc *xml_parse(const char *text, size_t len);

/* Calls fn for each element that the XPath names, in its order; from: where a relative path begins, or NULL.
 */
void xml_each(xmlDoc *doc, xmlNode *from, const char *path, void (*fn)(void *arg, xmlNode *node), void *arg);

/* The attribute's value, cut; "" if it is missing. */
void xml_attribute(xmlNode *node, const char *name, char *out, size_t cap);

#endif /* KEMARI_AGENT_XML_H */
