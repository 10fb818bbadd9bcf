/* SPDX-License-Identifier: GPL-2.0-only */
/* corosync's configuration map.  libcmap waits without an end for a corosync that is stopped: a job. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <corosync/cmap.h>
#include <corosync/corotypes.h>

#include "agent/doctor/gather.h"

static uint32_t number(cmap_handle_t h, const char *key)
{
	uint32_t v = 0;

	return cmap_get_uint32(h, key, &v) == CS_OK ? v : 0;
}

static void string(cmap_handle_t h, const char *key, char *out, size_t cap)
{
	char *s = NULL;

	if (cmap_get_string(h, key, &s) == CS_OK)
		snprintf(out, cap, "%s", s);
	free(s);
}

static void read_addresses(cmap_handle_t h, unsigned int node, struct fact_ring *r)
{
	char key[CMAP_KEYNAME_MAXLEN + 1];

	snprintf(key, sizeof(key), "nodelist.node.%u.nodeid", node);
	r->node[r->nr_nodes].nodeid = number(h, key);
	if (!r->node[r->nr_nodes].nodeid)
		return;
	for (unsigned int link = 0; link < FACT_LINKS; link++) {
		char *address = r->node[r->nr_nodes].address[r->node[r->nr_nodes].nr_links];

		snprintf(key, sizeof(key), "nodelist.node.%u.ring%u_addr", node, link);
		string(h, key, address, sizeof(r->node[0].address[0]));
		r->node[r->nr_nodes].nr_links += !!address[0];
	}
	r->nr_nodes++;
}

static void read_crypto(cmap_handle_t h, struct fact_ring *r)
{
	char secauth[16] = "";

	string(h, "totem.secauth", secauth, sizeof(secauth));
	if (!strcmp(secauth, "on")) { /* what it stands for, corosync.conf(5) */
		snprintf(r->cipher, sizeof(r->cipher), "aes256");
		snprintf(r->hash, sizeof(r->hash), "sha256");
	}
	string(h, "totem.crypto_cipher", r->cipher, sizeof(r->cipher));
	string(h, "totem.crypto_hash", r->hash, sizeof(r->hash));
}

static void read_votes(cmap_handle_t h, struct fact_ring *r)
{
	char model[16] = "";
	uint8_t v = 0;

	r->two_node = cmap_get_uint8(h, "quorum.two_node", &v) == CS_OK && v;
	r->wait_for_all = cmap_get_uint8(h, "quorum.wait_for_all", &v) == CS_OK ? v : r->two_node;
	string(h, "quorum.device.model", model, sizeof(model));
	r->device = model[0];
}

int gather_ring_job(int out, const void *arg)
{
	struct fact_ring r = { .source.seen = true };
	cmap_handle_t h;
	unsigned int own;

	if (ring_read(&r.ring) || cmap_initialize(&h) != CS_OK)
		return 1;
	for (unsigned int i = 0; i < FACT_NODES && r.nr_nodes < FACT_NODES; i++)
		read_addresses(h, i, &r);
	if (cmap_get_uint32(h, "nodelist.local_node_pos", &own) == CS_OK) {
		char key[CMAP_KEYNAME_MAXLEN + 1];

		snprintf(key, sizeof(key), "nodelist.node.%u.nodeid", own);
		r.own = number(h, key);
	}
	read_crypto(h, &r);
	read_votes(h, &r);
	cmap_finalize(h);
	return write(out, &r, sizeof(r)) != sizeof(r);
}

void gather_ring(const struct job *j, struct fact_ring *r)
{
	if (job_done(j) && j->out.text && j->out.len == sizeof(*r))
		memcpy(r, j->out.text, sizeof(*r));
	else
		snprintf(r->source.why, sizeof(r->source.why), "it does not answer");
}
