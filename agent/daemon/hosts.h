/* SPDX-License-Identifier: GPL-2.0-only */
/* What hosts.c, proofs.c, doubts.c, operator.c and main.c share of each other. */
#ifndef KEMARI_AGENT_DAEMON_HOSTS_H
#define KEMARI_AGENT_DAEMON_HOSTS_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/daemon/agent.h"
#include "agent/daemon/proof.h"

struct fencer_ops;
struct quorum_ops;

/* For the helper; arg is the agent. */
extern const struct fencer_ops agent_fencer_ops;

/* The clocks of proof.h. */
int64_t hosts_boottime(void);
int64_t hosts_clock_offset(void);

bool hosts_is_own(const struct agent *a, const char *host);
/* The cluster's devices are known, others than before. */
void hosts_devices(struct agent *a, const struct devices *d);
/* They cannot be read. */
void hosts_devices_unread(struct agent *a);
/* Whether a fencing of it is a proof hangs on what its watched BMC will say, for the first time. */
bool hosts_awaits_bmc(struct agent *a, const char *host);
/* What follows from a change of host's proof: the log, agent.state, kemari-syncd. */
void hosts_proof(struct agent *a, const char *host, enum proof_change change);
/* Tells kemari-syncd that host is off, if it is proven. */
void hosts_tell_off(struct agent *a, const char *host);
/* It is neither in the group nor in corosync's ring, and that is known. */
bool hosts_absent(const struct agent *a, const char *host);
/* kemari-syncd has told its table: who is linked to it lives. */
void hosts_table(struct agent *a);
/* For the quorum; arg is the agent. */
extern const struct quorum_ops agent_quorum_ops;

#endif /* KEMARI_AGENT_DAEMON_HOSTS_H */
