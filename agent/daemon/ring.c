/* SPDX-License-Identifier: GPL-2.0-only */
#include "agent/daemon/ring.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <corosync/cmap.h>
#include <corosync/corotypes.h>

#include "log.h"

static uint32_t number(cmap_handle_t h, const char *key)
{
	uint32_t v = 0;

	return cmap_get_uint32(h, key, &v) == CS_OK ? v : 0;
}

static void read_node(cmap_handle_t h, unsigned int i, struct ring *r)
{
	char key[CMAP_KEYNAME_MAXLEN + 1];
	char *name = NULL;
	uint32_t nodeid;

	snprintf(key, sizeof(key), "nodelist.node.%u.nodeid", i);
	nodeid = number(h, key);
	if (!nodeid)
		return;
	r->node[r->nr].nodeid = nodeid;
	snprintf(key, sizeof(key), "nodelist.node.%u.name", i);
	if (cmap_get_string(h, key, &name) == CS_OK && strlen(name) < ROW_HOST)
		memcpy(r->node[r->nr].name, name, strlen(name));
	free(name);
	r->nr++;
}

int ring_read(struct ring *out)
{
	struct ring ring = { 0 }, *r = &ring;
	cmap_handle_t h;
	cs_error_t err = cmap_initialize(&h);
	unsigned int i;

	if (err != CS_OK) {
		kem_warn("corosync's configuration map cannot be read: %s", cs_strerror(err));
		return -EAGAIN;
	}
	r->token_ms = number(h, "runtime.config.totem.token");
	r->consensus_ms = number(h, "runtime.config.totem.consensus");
	for (i = 0; i < RING_NODES; i++)
		read_node(h, i, r);
	cmap_finalize(h);
	*out = ring;
	return 0;
}

void ring_warn(const struct ring *r)
{
	if (r->token_ms + r->consensus_ms > RING_SLOW_MS)
		kem_warn("corosync notices a lost host only after %u ms (totem.token %u + totem.consensus "
			 "%u): "
			 "set totem.token to 1000 in corosync.conf%s",
			 r->token_ms + r->consensus_ms, r->token_ms, r->consensus_ms,
			 r->nr == 2 ? ", and totem.consensus to 100, which is safe with two nodes" : "");
}

const char *ring_name(const struct ring *r, uint32_t nodeid)
{
	unsigned int i;

	for (i = 0; i < r->nr; i++)
		if (r->node[i].nodeid == nodeid && r->node[i].name[0])
			return r->node[i].name;
	return NULL;
}
