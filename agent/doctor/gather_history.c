/* SPDX-License-Identifier: GPL-2.0-only */
/* The fencer's history. */
#include <stdio.h>
#include <string.h>

#include <libxml/parser.h>
#include <libxml/xpath.h>

#include "agent/doctor/gather.h"
#include "agent/xml.h"

/* A host was fenced, and by a device: what a person confirms shows nothing of the devices. */
#define FENCED "//fence_event[@status='success'][@action='off' or @action='reboot'][not(@delegate='a human')]"

static void tell_last(xmlNode *event, char *out, size_t cap)
{
	char when[FACT_NAME], client[FACT_NAME], node[FACT_NAME], doer[FACT_NAME], text[ASKER_TEXT];
	struct asker asker;

	xml_attribute(event, "completed", when, sizeof(when));
	xml_attribute(event, "client", client, sizeof(client));
	xml_attribute(event, "origin", node, sizeof(node));
	xml_attribute(event, "delegate", doer, sizeof(doer));
	asker_set(&asker, client, node, doer);
	asker_text(&asker, text);
	snprintf(out, cap, "%s%s%s", when, when[0] ? ", " : "", text);
}

/* The newest comes first. */
static void take_event(void *arg, xmlNode *event)
{
	struct fact_history *h = arg;
	char host[FACT_NAME];

	xml_attribute(event, "target", host, sizeof(host));
	for (unsigned int i = 0; i < h->nr; i++)
		if (!strcmp(h->host[i], host))
			return;
	if (!host[0] || h->nr == FACT_NODES)
		return;
	memcpy(h->host[h->nr], host, sizeof(host));
	tell_last(event, h->last[h->nr], sizeof(h->last[0]));
	h->nr++;
}

void gather_history_text(const char *text, size_t len, struct fact_history *h)
{
	xmlDoc *doc = xml_parse(text, len);

	if (!doc) {
		snprintf(h->source.why, sizeof(h->source.why), "stonith_admin prints no XML");
		return;
	}
	h->source.seen = true;
	xml_each(doc, NULL, FENCED, take_event, h);
	xmlFreeDoc(doc);
}

void gather_history(const struct job *j, struct fact_history *h)
{
	if (job_done(j) && j->out.text)
		gather_history_text(j->out.text, j->out.len, h);
	else
		gather_failed(j, "stonith_admin", &h->source);
}
