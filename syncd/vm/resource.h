/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * VMs that the cluster manager has put into this host's hands: what ocf:kemari:vm asks for.
 *
 * A resource is the cluster manager's view (started, promoted), a VM is ours (its engine's role).  They
 * differ: a started resource may have no VM yet, a stopped one may leave a VM parked, and a guest that
 * `kemari switchover` moved runs before the cluster manager calls promote.  What monitor says follows the
 * cluster manager's calls, never runs ahead of them; whether a guest may run is the engine's to say, and a
 * promote call is no proof (doc/ownership.md, items 3 and 16).
 *
 * They survive the daemon: RUN_DIR/VM.resource, JSON, on the tmpfs of the memory files.
 */
#ifndef KEMARI_VM_RESOURCE_H
#define KEMARI_VM_RESOURCE_H

#include <stdbool.h>

#include <jansson.h>

#include "control/control.h"
#include "daemon.h"
#include "engine/engine.h"

struct vm;

/* Ids of commands to the engine whose results come here. */
enum { RESOURCE_STOP_ID = 0xfffffff0, RESOURCE_PROMOTE_ID };

/* What an earlier daemon knew.  A file that cannot be read is named in the log and left alone. */
void resources_load(struct daemon *d);
void resources_close(struct daemon *d);

/* The CONTROL_RESOURCE_... requests. */
void resource_request(struct daemon *d, struct control_client *c, const struct control_request *r);
/* The engine's answer to RESOURCE_..._ID. */
void resource_result(struct vm *vm, uint32_t id, enum engine_result result);

/*
 * vm->peer_off was set.  A copy that the cluster manager takes for promoted, since it has not followed a
 * switchover to the host that has now died, is promoted: nobody else will call for it.
 */
void resource_peer_off(struct vm *vm);

/* After whatever the engine did: a guest that is held for nobody goes on. */
void resource_settle(struct vm *vm);
/* Its guest has just begun anew. */
void resource_rebooted(struct vm *vm);
/* promote came and lacks what only the peer, or a word about its host, can give. */
bool resource_wants_to_run(const struct vm *vm);
/* ... and it is not the copy of a guest that the peer holds. */
bool resource_wants_proof(const struct vm *vm);

/* Of the resource with that name; false if there is none. */
bool resource_started(const struct daemon *d, const char *vm);
bool resource_promoted(const struct daemon *d, const char *vm);
/* Rows of status for resources without a VM, appended to rows. */
void resource_rows(const struct daemon *d, const char *vm, json_t *rows);

#endif /* KEMARI_VM_RESOURCE_H */
