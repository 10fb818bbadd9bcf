/* SPDX-License-Identifier: GPL-2.0-only */
/* After a switchover: the guest has moved, and the cluster manager finds out. */
#ifndef KEMARI_AGENT_FOLLOW_H
#define KEMARI_AGENT_FOLLOW_H

#include "syncd/control/control.h"

/* It notices the new scores, demotes here and promotes there: 2 to 10 s, of which little is its own. */
#define FOLLOW_TIMEOUT_S 60

/*
 * path: of kemari-syncd's socket on the host that the VM left.  0: the cluster manager has demoted it there,
 * or does not have it at all.  -ETIMEDOUT: it has not; or a negative errno.
 */
int follow_cluster(const char *path, const char *vm);

#endif /* KEMARI_AGENT_FOLLOW_H */
