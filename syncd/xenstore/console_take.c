/* SPDX-License-Identifier: GPL-2.0-only */
#include "xenstore/console_take.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <qb/qbloop.h>
#include <xenctrl.h>

#include <xen/hvm/params.h>

#include "lib/log.h"
#include "xenstore/xsconn.h"

#define POLL_MS 5
/* Beyond the 131072 ports of the FIFO ABI: no domain has it, binding it fails. */
#define IMPOSSIBLE_PORT "1048576"
#define OUR_TYPE "kemari"

struct console_take {
	struct xsconn *xs;
	struct qb_loop *loop;
	xc_interface *xc;
	uint32_t domid;
	uint32_t port;
	const char *vm;
	char tty[64];
	console_take_fn fn;
	void *arg;
	qb_loop_timer_handle timer;
	unsigned int polls;
	bool ours; /* taken before */
};

static int arm(struct console_take *t);

static void finish(struct console_take *t, int err)
{
	if (err)
		kem_vm_err(t->vm, "console: cannot take it over from xenconsoled: %s", strerror(-err));
	t->fn(t->arg, err, t->port);
	free(t);
}

static int write_ours(struct xsconn *xs, xs_transaction_t tr, void *arg)
{
	const struct console_take *t = arg;
	char port[16];
	int err;

	snprintf(port, sizeof(port), "%u", t->port);
	err = xsconn_write(xs, tr, OUR_TYPE, "/local/domain/%u/console/type", t->domid);
	if (!err)
		err = xsconn_write(xs, tr, port, "/local/domain/%u/console/port", t->domid);
	if (!err)
		err = xsconn_write(xs, tr, t->tty, "/local/domain/%u/console/tty", t->domid);
	return err;
}

static int port_is_unbound(const struct console_take *t)
{
	xc_evtchn_status_t st = { .dom = t->domid, .port = t->port };

	if (xc_evtchn_status(t->xc, &st))
		return -errno;
	return st.status == EVTCHNSTAT_unbound;
}

static void on_poll(void *data)
{
	struct console_take *t = data;
	/* ours already: it is we who may have bound it */
	int free_now = t->ours ? 1 : port_is_unbound(t);
	int err = free_now < 0 ? free_now : 0;

	if (!err && !free_now) {
		err = ++t->polls * POLL_MS > CONSOLE_TAKE_TIMEOUT_MS ? -ETIMEDOUT : arm(t);
		if (!err)
			return;
	}
	if (!err)
		err = xsconn_transaction(t->xs, write_ours, t);
	finish(t, err);
}

static int arm(struct console_take *t)
{
	return qb_loop_timer_add(t->loop, QB_LOOP_MED, POLL_MS * 1000000ULL, t, on_poll, &t->timer);
}

/*
 * xenconsoled keeps its pty and its map of the ring page until the domain dies, and would put into the
 * guest's ring whatever somebody types at the old pty.
 */
static void close_old_tty(const struct console_take *t)
{
	char *old = xsconn_read(t->xs, XBT_NULL, "/local/domain/%u/console/tty", t->domid);
	unsigned int n;
	char rest;

	if (old && sscanf(old, "/dev/pts/%u%c", &n, &rest) == 1 && strcmp(old, t->tty) && chmod(old, 0))
		kem_vm_warn(t->vm, "console: cannot close xenconsoled's %s: %s", old, strerror(errno));
	free(old);
}

static bool is_ours(const struct console_take *t)
{
	char *type = xsconn_read(t->xs, XBT_NULL, "/local/domain/%u/console/type", t->domid);
	bool ours = type && !strcmp(type, OUR_TYPE);

	free(type);
	return ours;
}

static int start(struct console_take *t)
{
	uint64_t port;

	/* Not from xenstore: an interrupted take-over left the impossible port there. */
	if (xc_hvm_param_get(t->xc, t->domid, HVM_PARAM_CONSOLE_EVTCHN, &port))
		return -errno;
	if (!port || port > UINT32_MAX)
		return -ENXIO;
	t->port = port;
	t->ours = is_ours(t);
	if (!t->ours) {
		int err;

		close_old_tty(t);
		err = xsconn_write(t->xs, XBT_NULL, IMPOSSIBLE_PORT, "/local/domain/%u/console/port",
				   t->domid);
		if (err)
			return err;
	}
	return arm(t);
}

int console_take(struct xsconn *xs, struct qb_loop *loop, struct xc_interface_core *xc, uint32_t domid,
		 const char *vm, const char *tty, console_take_fn fn, void *arg, struct console_take **out)
{
	struct console_take *t;
	int err;

	if (strlen(tty) >= sizeof(t->tty))
		return -ENAMETOOLONG;
	t = calloc(1, sizeof(*t));
	if (!t)
		return -ENOMEM;
	t->xs = xs;
	t->loop = loop;
	t->xc = xc;
	t->domid = domid;
	t->vm = vm;
	t->fn = fn;
	t->arg = arg;
	snprintf(t->tty, sizeof(t->tty), "%s", tty);
	err = start(t);
	if (err) {
		kem_vm_err(vm, "console: cannot take it over from xenconsoled: %s", strerror(-err));
		free(t);
		return err;
	}
	*out = t;
	return 0;
}

void console_take_cancel(struct console_take *t)
{
	if (!t)
		return;
	qb_loop_timer_del(t->loop, t->timer);
	free(t);
}
