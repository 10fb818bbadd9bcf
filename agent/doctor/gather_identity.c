/* SPDX-License-Identifier: GPL-2.0-only */
/* Which machines the hosts are: this one by its firmware, the others by the state of its kemari-agent. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "agent/daemon/identity.h"
#include "agent/daemon/proof_file.h"
#include "agent/doctor/gather.h"
#include "bootid.h"

static void add(struct facts *f, const char *host, const uint8_t uuid[16])
{
	struct fact_identity *i = &f->identity[f->nr_identities];

	if (f->nr_identities == FACT_NODES)
		return;
	f->nr_identities++;
	snprintf(i->host, sizeof(i->host), "%.*s", FACT_NAME - 1, host);
	memcpy(i->who.told, uuid, sizeof(i->who.told));
}

void gather_identities(struct facts *f)
{
	char path[KEM_CONFIG_STR + sizeof(PROOF_FILE) + 1];
	struct proof_vms vms;
	struct proof p;
	uint8_t own[16];

	identity_read(own);
	add(f, f->config.cfg.host_name, own);
	snprintf(path, sizeof(path), "%s/%s", f->config.cfg.run_dir, PROOF_FILE);
	if (access(path, R_OK))
		return; /* proof_load() would log */
	proof_load(path, boot_id_number(), &p, &vms);
	for (unsigned int i = 0; i < p.nr; i++)
		if (strcmp(p.h[i].host, f->config.cfg.host_name) != 0)
			add(f, p.h[i].host, p.h[i].uuid);
}
