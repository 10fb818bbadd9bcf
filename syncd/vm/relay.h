/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Messages of the engines by way of the cluster (kemari-agent, CPG) while there is no link: what is asked and
 * answered when the replication link is cut must not need it (doc/ownership.md, section 0).
 *
 * Each carries an HMAC-SHA256 under the cluster's key: membership of the cluster's ring proves nothing (item
 * 38).  kemari-agent only carries them.
 */
#ifndef KEMARI_VM_RELAY_H
#define KEMARI_VM_RELAY_H

#include "control/control.h"
#include "daemon.h"
#include "engine/engine.h"

struct vm;

/* Nobody may listen; the engine asks again. */
void relay_send(const struct vm *vm, const struct engine_message *m);
/* CONTROL_MESSAGE.  A message about a VM that this host holds nothing of is answered for NONE. */
void relay_receive(struct daemon *d, struct control_client *c, const struct control_request *r);

#endif /* KEMARI_VM_RELAY_H */
