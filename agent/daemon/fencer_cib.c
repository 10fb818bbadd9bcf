/* SPDX-License-Identifier: GPL-2.0-only */
/* In the fencer's helper: the cluster's configuration as this host's pacemaker-based has it. */
#include <unistd.h>

#include <libxml/tree.h>
#include <pacemaker/crm/cib.h>
#include <pacemaker/crm/common/xml.h>

#include "agent/daemon/fencer_int.h"

#define CIB_S 2
/* It greets without a limit of time: who waits for longer ends, and kemari-agent with it, to begin anew. */
#define GREETING_S 10

static void disconnect(struct cib_s **cib)
{
	(*cib)->cmds->signoff(*cib); /* cib_delete() does not when the other side has ended it */
	cib_delete(*cib);
	*cib = NULL;
}

static bool connect_cib(struct cib_s **cib)
{
	int rc, fd; /* for what is told without asking, which is nothing */

	*cib = cib_new_no_shadow();
	if (!*cib)
		return false;
	alarm(GREETING_S);
	rc = (*cib)->cmds->signon_raw(*cib, "kemari-agent", cib_query, &fd);
	alarm(0);
	if (rc == pcmk_ok) {
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
		/* it answers too late, and libcib leaves that answer out at the next call */
		if ((*cib)->state != cib_disconnected)
			return NULL;
		disconnect(cib);
	} while (!fresh);
	return NULL;
}

bool fencer_devices(struct cib_s **cib, struct devices *d, uint64_t *sum)
{
	xmlBuffer *text = xmlBufferCreate();
	xmlNode *xml = configuration(cib);
	bool ok;

	ok = text && xml && xmlNodeDump(text, xml->doc, xml, 0, 0) > 0 &&
	     fencer_devices_take((const char *)xmlBufferContent(text), (size_t)xmlBufferLength(text), d, sum);
	free_xml(xml);
	xmlBufferFree(text);
	return ok;
}
