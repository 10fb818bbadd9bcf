/* SPDX-License-Identifier: GPL-2.0-only */
#include "agent/daemon/watcher.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "agent/daemon/helper.h"

struct watcher {
	struct helper *helper;
	const struct watcher_ops *ops;
	void *arg;
};

_Static_assert(sizeof(struct watcher_packet) <= HELPER_PACKET, "a report fits");

static void on_packet(void *arg, const void *bytes, size_t len)
{
	struct watcher *w = arg;
	struct watcher_packet p;

	if (len != sizeof(p))
		return;
	memcpy(&p, bytes, sizeof(p));
	w->ops->report(w->arg, p.host, &p.report);
}

static void on_gone(void *arg)
{
	struct watcher *w = arg;

	w->ops->gone(w->arg);
}

static const struct helper_ops helper_ops = { .run = watcher_run, .packet = on_packet, .gone = on_gone };

int watcher_start(const struct watcher_conf *conf, const struct watcher_ops *ops, void *arg,
		  struct watcher **out)
{
	struct watcher *w = calloc(1, sizeof(*w));
	int rc;

	if (!w)
		return -ENOMEM;
	w->ops = ops;
	w->arg = arg;
	rc = helper_start("kemari-watcher", &helper_ops, conf, w, &w->helper);
	if (rc) {
		free(w);
		return rc;
	}
	*out = w;
	return 0;
}

int watcher_listen(struct watcher *w, struct qb_loop *loop)
{
	return helper_listen(w->helper, loop);
}

void watcher_stop(struct watcher *w)
{
	if (!w)
		return;
	helper_stop(w->helper);
	free(w);
}
