/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Reading of Pacemaker's configuration (CIB).  Sets of options and attributes are taken without their rules,
 * the first one of a name counts, as Pacemaker takes them; what a primitive does not say, its template does.
 */
#ifndef KEMARI_AGENT_CIB_H
#define KEMARI_AGENT_CIB_H

#include <stdbool.h>

#include "agent/xml.h"

/* The value of the first nvpair of that name in such a set (a path below from); out unchanged: there is none.
 */
void cib_option(xmlNode *from, const char *set, const char *name, char *out, size_t cap);
/* class, provider or type of a primitive. */
void cib_attribute(xmlNode *primitive, const char *name, char *out, size_t cap);
/* An instance or meta attribute (set) of a primitive. */
void cib_parameter(xmlNode *primitive, const char *set, const char *name, char *out, size_t cap);

/*
 * Whether the above is all that there is to a primitive's attributes: no rule, no reference to a set
 * elsewhere, no order of its sets but as they stand, and a template, if it has one, that is there.
 */
bool cib_plain(xmlNode *primitive);

#endif /* KEMARI_AGENT_CIB_H */
