/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * This host's transient node attributes, as wanted: a helper process runs attrd_updater for each that
 * changes, one after the other, five seconds at most each.  Of an attribute that changes faster, the newest
 * value counts.
 *
 * Where they live (Pacemaker 2.1): pacemaker-attrd holds them in memory and writes them to the CIB, where
 * pacemaker-controld's or attrd's death has them erased; attrd's memory keeps them in the first case, and an
 * update to the value it has is not written again.  So after such a death they are refreshed (attrd_updater
 * -R), which has all that attrd knows written, and each is set anew.  An update without change costs no
 * write.
 */
#ifndef KEMARI_AGENT_DAEMON_ATTRD_H
#define KEMARI_AGENT_DAEMON_ATTRD_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/daemon/row.h"

#define ATTRD_NAME 96
#define ATTRD_VALUE ROW_STATE
#define ATTRD_MAX (3 * ROW_MAX + 2) /* of each VM, kemari-fencing, kemari-hardware */

struct qb_loop;
struct attrd;

/* Starts the helper; before anything is on a loop.  0 or a negative errno. */
int attrd_start(void (*gone)(void *arg), void *arg, struct attrd **out);
int attrd_listen(struct attrd *a, struct qb_loop *loop);
void attrd_stop(struct attrd *a); /* NULL ok */

/*
 * These never wait.  0, or -EAGAIN: the helper is busy and has not taken it, to be said again.
 */
/* Pacemaker's attribute daemon is there, or not: then what is wanted waits. */
int attrd_there(struct attrd *a, bool there);
/* value "": deletes it.  dampen_s: how long Pacemaker waits for more before it writes. */
int attrd_set(struct attrd *a, const char *name, const char *value, unsigned int dampen_s);
/* They may be lost: sets all again and has them written. */
int attrd_reassert(struct attrd *a);

#endif /* KEMARI_AGENT_DAEMON_ATTRD_H */
