/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * RUN_DIR/agent.state: what a restarted kemari-agent must still know.  Text, rewritten as a whole; it is of
 * one life of this host, as the directory is.
 */
#ifndef KEMARI_AGENT_DAEMON_PROOF_FILE_H
#define KEMARI_AGENT_DAEMON_PROOF_FILE_H

#include "agent/daemon/proof.h"
#include "agent/daemon/row.h"

#define PROOF_FILE "agent.state"

/* The VMs that have node attributes: those that are no more must be taken back. */
struct proof_vms {
	unsigned int nr;
	char vm[ROW_MAX][ROW_VM];
};

/* boot: of this host.  0 or a negative errno with one message; the old file stands then. */
int proof_save(const char *path, uint64_t boot, const struct proof *p, const struct proof_vms *vms);

/*
 * Both are empty when there is no file, or none of this boot that makes sense (then with one message): the
 * cluster tells most of it anew.  Nobody in it counts as a member.
 */
void proof_load(const char *path, uint64_t boot, struct proof *p, struct proof_vms *vms);

#endif /* KEMARI_AGENT_DAEMON_PROOF_FILE_H */
