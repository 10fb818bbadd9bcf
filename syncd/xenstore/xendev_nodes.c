/* SPDX-License-Identifier: GPL-2.0-only */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <xen/io/xenbus.h>

#include "xenstore/xendev_int.h"

#define VALUE_MAX 300

const char *const xendev_type_name[] = { [XENDEV_VBD] = "vbd", [XENDEV_VIF] = "vif" };

/* Where put() writes, and the first error. */
struct writer {
	struct xsconn *xs;
	xs_transaction_t t;
	const char *dir;
	int err;
};

static void put(struct writer *w, const char *key, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
static void put(struct writer *w, const char *key, const char *fmt, ...)
{
	char val[VALUE_MAX];
	va_list ap;
	int n;

	if (w->err)
		return;
	va_start(ap, fmt);
	n = vsnprintf(val, sizeof(val), fmt, ap);
	va_end(ap);
	if (n < 0 || n >= (int)sizeof(val))
		w->err = -ENAMETOOLONG;
	else
		w->err = xsconn_write(w->xs, w->t, val, "%s/%s", w->dir, key);
}

/* A fresh directory: children inherit its permissions, so they are set first. */
static void start_dir(struct writer *w, const char *dir, struct xs_permissions *perms, unsigned int nr)
{
	w->dir = dir;
	if (!w->err)
		w->err = xsconn_rm(w->xs, w->t, "%s", dir);
	if (!w->err)
		w->err = xsconn_mkdir(w->xs, w->t, dir, perms, nr);
}

static void put_mac(struct writer *w, const uint8_t *m)
{
	put(w, "mac", "%02x:%02x:%02x:%02x:%02x:%02x", m[0], m[1], m[2], m[3], m[4], m[5]);
}

/*
 * What libxl would write of the device, into the backend's directory and /libxl, where `xl block-list`, `xl
 * network-list` and `xl destroy` look.  script: libxl runs it at destroy; it must exist and do nothing.
 */
static void put_description(struct writer *w, const struct xendev *x, uint32_t domid)
{
	put(w, "frontend", "%s", x->fe);
	put(w, "frontend-id", "%u", domid);
	put(w, "script", "/bin/true");
	put(w, "online", "1");
	if (x->type == XENDEV_VBD) {
		put(w, "params", "%s", x->disk.target);
		put(w, "removable", "0");
		put(w, "bootable", "1");
		put(w, "dev", "%s", x->disk.vdev);
		put(w, "type", "phy");
		put(w, "mode", "%s", x->disk.readonly ? "r" : "w");
		put(w, "device-type", "disk");
		put(w, "discard-enable", "%d", x->disk.discard);
		put(w, "specification", "xen");
	} else {
		put_mac(w, x->nic.mac);
		put(w, "bridge", "%s", x->nic.bridge);
		put(w, "handle", "%u", x->id);
		put(w, "type", "vif");
	}
}

/* What a frontend may choose from: constants, equal on every host. */
static void put_offers(struct writer *w, const struct xendev *x)
{
	put(w, "multi-queue-max-queues", "%u", XENDEV_MAX_QUEUES);
	if (x->type == XENDEV_VBD) {
		put(w, "feature-max-indirect-segments", "%u", XENDEV_MAX_INDIRECT);
		put(w, "max-ring-page-order", "%u", XENDEV_MAX_RING_ORDER);
		return;
	}
	put(w, "hotplug-status", "connected");
	put(w, "feature-sg", "1");
	put(w, "feature-gso-tcpv4", "1");
	put(w, "feature-gso-tcpv6", "1");
	put(w, "feature-ipv6-csum-offload", "1");
	put(w, "feature-rx-copy", "1");
	put(w, "feature-rx-flip", "0");
	put(w, "feature-split-event-channels", "1");
}

static void put_connected(struct writer *w, const struct xendev *x)
{
	const struct xendev_disk_info *i = &x->info;

	if (x->type != XENDEV_VBD)
		return;
	put(w, "sectors", "%llu", (unsigned long long)i->sectors);
	put(w, "info", "%u", i->readonly ? 4 : 0); /* VDISK_READONLY */
	put(w, "sector-size", "%u", i->sector_size);
	put(w, "physical-sector-size", "%u", i->physical_sector_size);
	put(w, "feature-flush-cache", "%d", i->flush);
	put(w, "feature-barrier", "0");
	put(w, "feature-persistent", "0");
	put(w, "feature-discard", "%d", i->discard);
	if (i->discard) {
		put(w, "discard-granularity", "%u", i->discard_granularity);
		put(w, "discard-alignment", "%u", i->discard_alignment);
		put(w, "discard-secure", "0");
	}
}

static void put_frontend(struct writer *w, const struct xendev *x)
{
	put(w, "backend", "%s", x->be);
	put(w, "backend-id", "0");
	if (x->type == XENDEV_VBD) {
		put(w, "virtual-device", "%u", x->id);
		put(w, "device-type", "disk");
	} else {
		put(w, "handle", "%u", x->id);
		put_mac(w, x->nic.mac);
		put(w, "mtu", "%u", x->nic.mtu);
	}
	put(w, "trusted", "1");
	put(w, "state", "%u", XenbusStateInitialising);
}

struct write_all {
	struct xendev *x;
	uint32_t domid;
	bool fresh_frontend;
};

static int frontend_missing(struct xsconn *xs, xs_transaction_t t, const struct xendev *x)
{
	char *val = xsconn_read(xs, t, "%s/backend", x->fe);

	if (!val)
		return errno == ENOENT ? 1 : -errno;
	free(val);
	return 0;
}

static int write_all(struct xsconn *xs, xs_transaction_t t, void *arg)
{
	const struct write_all *a = arg;
	struct xs_permissions be_perms[] = { { 0, XS_PERM_NONE }, { a->domid, XS_PERM_READ } };
	struct xs_permissions fe_perms[] = { { a->domid, XS_PERM_NONE }, { 0, XS_PERM_READ } };
	struct xs_permissions lx_perms[] = { { 0, XS_PERM_NONE } };
	struct writer w = { .xs = xs, .t = t };
	int make_fe = a->fresh_frontend ? 1 : frontend_missing(xs, t, a->x);

	if (make_fe < 0)
		return make_fe;
	if (make_fe) {
		start_dir(&w, a->x->fe, fe_perms, 2);
		put_frontend(&w, a->x);
	}
	start_dir(&w, a->x->lx, lx_perms, 1);
	put(&w, "backend", "%s", a->x->be);
	put_description(&w, a->x, a->domid);
	put(&w, "state", "%u", XenbusStateInitialising);
	start_dir(&w, a->x->be, be_perms, 2);
	put_description(&w, a->x, a->domid);
	put_offers(&w, a->x);
	put(&w, "state", "%u", XenbusStateInitWait);
	return w.err;
}

int xendev_write_all(struct xsconn *xs, struct xendev *x, uint32_t domid, bool fresh_frontend)
{
	struct write_all a = { x, domid, fresh_frontend };
	int err = xsconn_transaction(xs, write_all, &a);

	if (!err)
		x->be_state = XenbusStateInitWait;
	return err;
}

static int write_connected(struct xsconn *xs, xs_transaction_t t, void *arg)
{
	struct xendev *x = arg;
	struct writer w = { .xs = xs, .t = t, .dir = x->be };

	put_connected(&w, x);
	put(&w, "state", "%u", XenbusStateConnected);
	return w.err;
}

int xendev_write_connected(struct xsconn *xs, struct xendev *x)
{
	int err = xsconn_transaction(xs, write_connected, x);

	if (!err)
		x->be_state = XenbusStateConnected;
	return err;
}

static int write_state(struct xsconn *xs, xs_transaction_t t, void *arg)
{
	const struct xendev *x = arg;
	char *val = xsconn_read(xs, t, "%s/state", x->be);
	struct writer w = { .xs = xs, .t = t, .dir = x->be };

	/* Removed by the toolstack: writing would bring back a directory with nothing but a state. */
	if (!val)
		return -errno;
	free(val);
	put(&w, "state", "%u", x->be_state);
	return w.err;
}

int xendev_write_state(struct xsconn *xs, struct xendev *x, uint32_t state)
{
	x->be_state = state;
	return xsconn_transaction(xs, write_state, x);
}

/* Where Linux backends leave it, too. */
void xendev_write_error(struct xsconn *xs, const struct xendev *x, const char *why)
{
	xsconn_write(xs, XBT_NULL, why, "/local/domain/0/error/%s/error", x->be + strlen("/local/domain/0/"));
}
