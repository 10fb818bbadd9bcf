/* SPDX-License-Identifier: GPL-2.0-only */
/* In the fencer's helper: this host's copy of the cluster's configuration, over one connection to
 * pacemaker-based. */
#include <unistd.h>

#include <libxml/tree.h>
#include <pacemaker/crm/cib.h>
#include <pacemaker/crm/common/xml.h>

#include "agent/daemon/fencer_int.h"

/* It greets without a limit of time: whoever waits for longer ends, and the daemon starts the helper anew. */
#define CIB_S 5

static void disconnect(struct cib_s **cib)
{
	cib_delete(*cib);
	*cib = NULL;
}

static bool connect_cib(struct cib_s **cib)
{
	int fd; /* for what is told without asking, which is nothing */

	*cib = cib_new_no_shadow();
	if (!*cib)
		return false;
	if ((*cib)->cmds->signon_raw(*cib, "kemari-agent", cib_query, &fd) == pcmk_ok) {
		(*cib)->call_timeout = CIB_S;
		return true;
	}
	disconnect(cib);
	return false;
}

/* To be freed by free_xml(); NULL: it cannot be told. */
static xmlNode *configuration(struct cib_s **cib)
{
	bool fresh;

	do { /* a connection of before may have ended */
		xmlNode *xml = NULL;

		fresh = !*cib;
		if (fresh && !connect_cib(cib))
			return NULL;
		if ((*cib)->cmds->query(*cib, "configuration", &xml, cib_scope_local | cib_sync_call) ==
		    pcmk_ok)
			return xml;
		free_xml(xml);
		disconnect(cib);
	} while (!fresh);
	return NULL;
}

bool fencer_devices(struct cib_s **cib, struct devices *d, uint64_t *sum)
{
	xmlBuffer *text = xmlBufferCreate();
	xmlNode *xml;
	bool ok;

	alarm(CIB_S);
	xml = configuration(cib);
	alarm(0);
	ok = text && xml && xmlNodeDump(text, xml->doc, xml, 0, 0) > 0 &&
	     fencer_devices_take((const char *)xmlBufferContent(text), (size_t)xmlBufferLength(text), d, sum);
	free_xml(xml);
	xmlBufferFree(text);
	return ok;
}
