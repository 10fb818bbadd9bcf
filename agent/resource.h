/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * `kemari resource`: one action of ocf:kemari:vm.
 *
 * A daemon that is being restarted is waited for: RESOURCE_GRACE_S, more than its watchdog and a restart take
 * and less than any time-out of the cluster manager (doc/ownership.md, item 26).  It answers before it has
 * taken up the guests.
 */
#ifndef KEMARI_AGENT_RESOURCE_H
#define KEMARI_AGENT_RESOURCE_H

#include "lib/config.h"
#include "syncd/control/control.h"

#define RESOURCE_GRACE_S 10

/* Returns an OCF exit code (lib/ocf.h); says why on stderr, or what is degraded on stdout. */
int resource_action(const struct kem_config *cfg, const struct control_request *req);

/* The exit code for a refusal of req with that errno. */
int resource_ocf_code(const struct control_request *req, int code);

#endif /* KEMARI_AGENT_RESOURCE_H */
