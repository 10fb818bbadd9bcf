/* SPDX-License-Identifier: GPL-2.0-only */
#include "xenstore/domwatch.h"

#include <errno.h>
#include <stdlib.h>

#include "xenstore/xsconn.h"

struct domwatch {
	const struct domwatch_ops *ops;
	void *arg;
	struct xsconn_watch *release, *introduce;
};

static void on_release(void *arg, const char *changed)
{
	struct domwatch *d = arg;

	if (d->ops->released)
		d->ops->released(d->arg);
}

static void on_introduce(void *arg, const char *changed)
{
	struct domwatch *d = arg;

	if (d->ops->introduced)
		d->ops->introduced(d->arg);
}

int domwatch_open(struct xsconn *xs, const struct domwatch_ops *ops, void *arg, struct domwatch **out)
{
	struct domwatch *d = calloc(1, sizeof(*d));
	int err;

	if (!d)
		return -ENOMEM;
	d->ops = ops;
	d->arg = arg;
	err = xsconn_watch(xs, "@releaseDomain", on_release, d, &d->release);
	if (!err)
		err = xsconn_watch(xs, "@introduceDomain", on_introduce, d, &d->introduce);
	if (err) {
		domwatch_close(d);
		return err;
	}
	*out = d;
	return 0;
}

void domwatch_close(struct domwatch *d)
{
	if (!d)
		return;
	xsconn_unwatch(d->introduce);
	xsconn_unwatch(d->release);
	free(d);
}
