/* SPDX-License-Identifier: GPL-2.0-only */
#include "agent/daemon/order.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "log.h"

static bool before(const struct cluster_host *h, const struct cluster_host *own)
{
	unsigned int theirs = cluster_owned(h), ours = cluster_owned(own);

	return theirs != ours ? theirs > ours : h->nodeid < own->nodeid;
}

enum order order_of(const struct cluster *c, uint32_t own)
{
	const struct cluster_host *me = cluster_node(c, own);
	/* what all have heard, the own word included */
	bool second = false, agreed = me && !me->second;

	for (unsigned int i = 0; i < CLUSTER_HOSTS; i++) {
		const struct cluster_host *h = &c->host[i];

		if (!h->nodeid)
			continue;
		if (!h->member || !cluster_complete(c, h))
			return ORDER_UNKNOWN;
		if (!me || h == me)
			continue;
		second |= before(h, me);
		agreed &= h->second;
	}
	if (!me)
		return ORDER_UNKNOWN;
	return second ? ORDER_SECOND : agreed ? ORDER_FIRST : ORDER_WAITS;
}

int order_write(const char *run_dir, bool first)
{
	char path[PATH_MAX];
	int fd, rc = 0;

	snprintf(path, sizeof(path), "%s/" ORDER_FILE, run_dir);
	if (!access(path, F_OK) == first)
		return 0;
	if (first) {
		fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
		if (fd < 0)
			rc = -errno;
		else
			close(fd);
	} else if (unlink(path)) {
		rc = -errno;
	}
	if (rc)
		kem_err("%s: %s", path, strerror(-rc));
	else
		kem_info("should the hosts lose each other, this one %s",
			 first ? "shoots first" : "waits before it shoots");
	return rc;
}
