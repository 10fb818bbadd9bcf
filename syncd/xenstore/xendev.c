/* SPDX-License-Identifier: GPL-2.0-only */
#include "xenstore/xendev.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <xen/io/xenbus.h>

#include "lib/log.h"
#include "xenstore/frontend.h"
#include "xenstore/xendev_int.h"

#define MAX_FOREIGN 16 /* reported at most; one is enough to lose protection */
#define WHY_MAX 256
#define EVTCHN_2L_PORTS 4096

struct xendev_bus {
	struct xsconn *xs;
	uint32_t domid;
	const char *vm;
	const struct xendev_bus_ops *ops;
	void *arg;
	struct xendev *devs;
	struct xsconn_watch *watch[3];
	unsigned int nr_foreign;
	char foreign[MAX_FOREIGN][XS_PATH_MAX];
};

/* ---- foreign devices ---- */

static void report_foreign(struct xendev_bus *bus, const char *path)
{
	unsigned int i;

	for (i = 0; i < bus->nr_foreign; i++)
		if (!strcmp(bus->foreign[i], path))
			return;
	if (bus->nr_foreign == MAX_FOREIGN)
		return;
	snprintf(bus->foreign[bus->nr_foreign++], XS_PATH_MAX, "%s", path);
	kem_vm_err(bus->vm, "%s was attached by another program: the guest cannot be mirrored with it", path);
	bus->ops->foreign(bus->arg, path);
}

static bool is_ours(const struct xendev_bus *bus, const char *type, const char *id)
{
	const struct xendev *x;
	uint32_t n;

	if (xsconn_parse_u32(id, UINT32_MAX, &n))
		return false;
	for (x = bus->devs; x; x = x->next)
		if (x->id == n && !strcmp(xendev_type_name[x->type], type))
			return true;
	return false;
}

/* Children of dir that are devices of this type and not ours. */
static void check_dir(struct xendev_bus *bus, const char *dir, const char *type)
{
	unsigned int i, nr;
	char **ids = xsconn_list(bus->xs, XBT_NULL, &nr, "%s", dir);
	char path[XS_PATH_MAX];

	for (i = 0; ids && i < nr; i++) {
		if (is_ours(bus, type, ids[i]))
			continue;
		if (snprintf(path, sizeof(path), "%s/%s", dir, ids[i]) < (int)sizeof(path))
			report_foreign(bus, path);
	}
	free(ids);
}

static void on_backend_dir(void *arg, const char *changed)
{
	struct xendev_bus *bus = arg;
	char dir[XS_PATH_MAX];
	unsigned int i;

	for (i = 0; i < 2; i++) {
		snprintf(dir, sizeof(dir), "/local/domain/0/backend/%s/%u", xendev_type_name[i], bus->domid);
		check_dir(bus, dir, xendev_type_name[i]);
	}
}

static void on_libxl_dir(void *arg, const char *changed)
{
	struct xendev_bus *bus = arg;
	unsigned int i, nr;
	char **types = xsconn_list(bus->xs, XBT_NULL, &nr, "/libxl/%u/device", bus->domid);
	char dir[XS_PATH_MAX];

	for (i = 0; types && i < nr; i++) {
		/* libxl's own entry for the console that every domain has. */
		if (!strcmp(types[i], "console"))
			continue;
		if (snprintf(dir, sizeof(dir), "/libxl/%u/device/%s", bus->domid, types[i]) <
		    (int)sizeof(dir))
			check_dir(bus, dir, types[i]);
	}
	free(types);
}

int xendev_bus_open(struct xsconn *xs, uint32_t domid, const char *vm, const struct xendev_bus_ops *ops,
		    void *arg, struct xendev_bus **out)
{
	static const char *const fmt[] = { "/local/domain/0/backend/vbd/%u", "/local/domain/0/backend/vif/%u",
					   "/libxl/%u/device" };
	struct xendev_bus *bus = calloc(1, sizeof(*bus));
	char path[XS_PATH_MAX];
	unsigned int i;

	if (!bus)
		return -ENOMEM;
	bus->xs = xs;
	bus->domid = domid;
	bus->vm = vm;
	bus->ops = ops;
	bus->arg = arg;
	for (i = 0; i < 3; i++) {
		int err;

		snprintf(path, sizeof(path), fmt[i], domid);
		err = xsconn_watch(xs, path, i == 2 ? on_libxl_dir : on_backend_dir, bus, &bus->watch[i]);
		if (err) {
			xendev_bus_close(bus);
			return err;
		}
	}
	*out = bus;
	return 0;
}

void xendev_bus_close(struct xendev_bus *bus)
{
	unsigned int i;

	if (!bus)
		return;
	while (bus->devs)
		xendev_remove(bus->devs);
	for (i = 0; i < 3; i++)
		xsconn_unwatch(bus->watch[i]);
	free(bus);
}

/* ---- one device ---- */

static const char *vm_of(const struct xendev *x)
{
	return x->bus->vm;
}

static void set_state(struct xendev *x, uint32_t state)
{
	int err = xendev_write_state(x->bus->xs, x, state);

	if (err && err != -ENOENT)
		kem_vm_err(vm_of(x), "%s: cannot write state %u: %s", x->be, state, strerror(-err));
}

struct lookup {
	struct xendev *x;
	char *last;
};

static const char *lookup_frontend(void *arg, const char *key)
{
	struct lookup *l = arg;

	free(l->last);
	l->last = xsconn_read(l->x->bus->xs, XBT_NULL, "%s/%s", l->x->fe, key);
	return l->last;
}

static void connect_frontend(struct xendev *x)
{
	static const struct frontend_limits lim = { XENDEV_MAX_QUEUES, XENDEV_MAX_RING_ORDER,
						    EVTCHN_2L_PORTS };
	struct lookup l = { .x = x };
	struct device_cfg cfg;
	char why[WHY_MAX] = "";
	int err;

	if (x->type == XENDEV_VBD)
		err = frontend_parse_vbd(lookup_frontend, &l, &lim, &cfg, why, sizeof(why));
	else
		err = frontend_parse_vif(lookup_frontend, &l, &lim, &cfg, why, sizeof(why));
	free(l.last);
	if (!err) {
		memset(&x->info, 0, sizeof(x->info));
		err = x->ops->connect(x->arg, x, &cfg, &x->info);
		if (err)
			snprintf(why, sizeof(why), "the device does not connect: %s", strerror(-err));
	}
	if (err) {
		kem_vm_err(vm_of(x), "%s: %s", x->be, why);
		xendev_write_error(x->bus->xs, x, why);
		return;
	}
	x->running = true;
	err = xendev_write_connected(x->bus->xs, x);
	if (err)
		kem_vm_err(vm_of(x), "%s: cannot write state 4: %s", x->be, strerror(-err));
	else
		kem_vm_info(vm_of(x), "%s connected, %u queue(s)", x->be, cfg.nr_queues);
}

static void tell_closing(struct xendev *x, enum xendev_why why)
{
	enum xendev_told level = why == XENDEV_BY_GUEST ? TOLD_GUEST : TOLD_TOOLSTACK;

	if (x->told >= level)
		return;
	x->told = level;
	x->ops->closing(x->arg, x, why);
}

static bool is_online(const struct xendev *x)
{
	uint32_t online;

	return !xsconn_read_u32(x->bus->xs, XBT_NULL, 1, &online, "%s/online", x->be) && online;
}

/* Acts on the frontend's state as it is now; every step leaves a state in which the next call does nothing.
 */
static void evaluate(struct xendev *x)
{
	uint32_t fe;

	if (xsconn_read_u32(x->bus->xs, XBT_NULL, XenbusStateReconfigured, &fe, "%s/state", x->fe))
		return; /* gone with the domain, or nonsense that no backend would act upon */
	switch (fe) {
	case XenbusStateInitialising:
		if (x->running)
			tell_closing(x, XENDEV_BY_GUEST);
		else if (x->be_state == XenbusStateClosed && is_online(x))
			set_state(x, XenbusStateInitWait);
		break;
	case XenbusStateInitialised:
		if (x->type != XENDEV_VBD)
			break;
		/* fall through */
	case XenbusStateConnected:
		if (!x->running && x->be_state == XenbusStateInitWait)
			connect_frontend(x);
		break;
	case XenbusStateClosing:
	case XenbusStateClosed:
		if (x->running) {
			if (x->be_state != XenbusStateClosing)
				set_state(x, XenbusStateClosing);
			tell_closing(x, XENDEV_BY_GUEST);
		} else if (x->be_state != XenbusStateClosed) {
			set_state(x, XenbusStateClosed);
		}
		break;
	default:
		break;
	}
}

static void on_frontend(void *arg, const char *changed)
{
	struct xendev *x = arg;

	if (!x->passive)
		evaluate(x);
}

static void on_backend(void *arg, const char *changed)
{
	struct xendev *x = arg;
	uint32_t state;

	if (xsconn_read_u32(x->bus->xs, XBT_NULL, XenbusStateReconfigured, &state, "%s/state", x->be) ||
	    state == x->be_state)
		return;
	if (state != XenbusStateClosing && state != XenbusStateClosed) {
		report_foreign(x->bus, x->be);
		return;
	}
	x->be_state = state;
	if (x->running)
		tell_closing(x, XENDEV_BY_TOOLSTACK);
	else if (state == XenbusStateClosing)
		set_state(x, XenbusStateClosed);
}

void xendev_stopped(struct xendev *x)
{
	x->running = false;
	x->told = TOLD_NOTHING;
	set_state(x, XenbusStateClosed);
	if (!x->passive)
		evaluate(x);
}

static int reattach(struct xendev *x)
{
	int err = xsconn_read_u32(x->bus->xs, XBT_NULL, XenbusStateReconfigured, &x->be_state, "%s/state",
				  x->be);

	x->running = !err && x->be_state == XenbusStateConnected;
	return err;
}

static int watch_state(struct xendev *x, const char *dir, xsconn_watch_fn fn, struct xsconn_watch **out)
{
	char path[XS_PATH_MAX + 8];

	snprintf(path, sizeof(path), "%s/state", dir);
	return xsconn_watch(x->bus->xs, path, fn, x, out);
}

static int add(struct xendev *x, enum xendev_mode mode, struct xendev **out)
{
	struct xendev_bus *bus = x->bus;
	const char *type = xendev_type_name[x->type];
	int err;

	snprintf(x->be, sizeof(x->be), "/local/domain/0/backend/%s/%u/%u", type, bus->domid, x->id);
	snprintf(x->fe, sizeof(x->fe), "/local/domain/%u/device/%s/%u", bus->domid, type, x->id);
	snprintf(x->lx, sizeof(x->lx), "/libxl/%u/device/%s/%u", bus->domid, type, x->id);
	x->passive = mode == XENDEV_PASSIVE;
	if (mode == XENDEV_REATTACH)
		err = reattach(x);
	else
		err = xendev_write_all(bus->xs, x, bus->domid, mode == XENDEV_NEW);
	if (err) {
		kem_vm_err(bus->vm, "%s: cannot set up the device: %s", x->be, strerror(-err));
		free(x);
		return err;
	}
	x->next = bus->devs;
	bus->devs = x;
	*out = x;
	err = watch_state(x, x->fe, on_frontend, &x->fe_watch);
	if (!err)
		err = watch_state(x, x->be, on_backend, &x->be_watch);
	if (err)
		xendev_remove(x);
	return err;
}

static struct xendev *new_device(struct xendev_bus *bus, enum xendev_type type, uint32_t id,
				 const struct xendev_ops *ops, void *arg)
{
	struct xendev *x = calloc(1, sizeof(*x));

	if (!x)
		return NULL;
	x->bus = bus;
	x->type = type;
	x->id = id;
	x->ops = ops;
	x->arg = arg;
	return x;
}

int xendev_add_disk(struct xendev_bus *bus, const struct vm_disk *disk, enum xendev_mode mode,
		    const struct xendev_ops *ops, void *arg, struct xendev **out)
{
	struct xendev *x = new_device(bus, XENDEV_VBD, disk->virtual_device, ops, arg);

	if (!x)
		return -ENOMEM;
	x->disk = *disk;
	return add(x, mode, out);
}

int xendev_add_nic(struct xendev_bus *bus, const struct vm_nic *nic, enum xendev_mode mode,
		   const struct xendev_ops *ops, void *arg, struct xendev **out)
{
	struct xendev *x = new_device(bus, XENDEV_VIF, nic->devid, ops, arg);

	if (!x)
		return -ENOMEM;
	x->nic = *nic;
	return add(x, mode, out);
}

void xendev_remove(struct xendev *x)
{
	struct xendev **p;

	if (!x)
		return;
	for (p = &x->bus->devs; *p != x; p = &(*p)->next)
		;
	*p = x->next;
	xsconn_unwatch(x->fe_watch);
	xsconn_unwatch(x->be_watch);
	free(x);
}

static bool same_info(const struct xendev_disk_info *a, const struct xendev_disk_info *b)
{
	return a->sectors == b->sectors && a->sector_size == b->sector_size &&
	       a->physical_sector_size == b->physical_sector_size && a->readonly == b->readonly &&
	       a->flush == b->flush && a->discard == b->discard &&
	       a->discard_granularity == b->discard_granularity &&
	       a->discard_alignment == b->discard_alignment;
}

int xendev_mirror(struct xendev *x, bool connected, const struct xendev_disk_info *info)
{
	static const struct xendev_disk_info none;
	uint32_t state = connected ? XenbusStateConnected : XenbusStateInitWait;
	int err;

	if (!connected || !info)
		info = &none;
	if (x->be_state == state && same_info(&x->info, info))
		return 0;
	x->info = *info;
	err = connected ? xendev_write_connected(x->bus->xs, x) : xendev_write_state(x->bus->xs, x, state);
	if (err)
		kem_vm_err(vm_of(x), "%s: cannot mirror the device: %s", x->be, strerror(-err));
	else
		x->running = connected;
	return err;
}

int xendev_activate(struct xendev *x)
{
	if (x->passive) {
		x->passive = false;
		evaluate(x);
	}
	return 0;
}

void xendev_passivate(struct xendev *x)
{
	x->passive = true;
}

const char *xendev_path(const struct xendev *x)
{
	return x->be;
}
