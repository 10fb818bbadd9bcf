/* SPDX-License-Identifier: GPL-2.0-only */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <xenctrl.h>

#include "block/block.h"
#include "console/console.h"
#include "net/net.h"
#include "vm.h"
#include "xenstore/frontend.h"

static const char *device_name(const struct vm_device *vd)
{
	return vd->kind == VM_CONSOLE ? "console" : xendev_path(vd->x);
}

/* ---- what devices ask of their VM ---------------------------------------------------------------------- */

static struct vm *vm_of(struct device_host *h)
{
	return (struct vm *)((char *)h - offsetof(struct vm, host));
}

static struct vm_device *find(struct vm *vm, const struct device *dev)
{
	for (unsigned int i = 0; i < vm->nr_devices; i++)
		if (vm->device[i].dev == dev)
			return &vm->device[i];
	return NULL;
}

static uint64_t open_epoch(struct device_host *h)
{
	return engine_open_epoch(&vm_of(h)->engine);
}

static void output_held(struct device_host *h, struct device *dev, bool urgent)
{
	struct engine_event ev = { .type = ENGINE_EV_OUTPUT_HELD, .flag = urgent };
	struct vm *vm = vm_of(h);
	const struct vm_device *vd = find(vm, dev);

	if (vd)
		recent_held(&vm->recent, vd->kind, engine_open_epoch(&vm->engine), monotonic_ns());
	vm_event(vm, &ev);
}

static void write_owed(struct device_host *h, struct device *dev, bool urgent)
{
	struct engine_event ev = { .type = ENGINE_EV_WRITE_OWED, .flag = urgent };

	vm_event(vm_of(h), &ev);
}

static bool must_hold(struct device_host *h, const struct device *dev)
{
	return vm_outputs_must_hold(vm_of(h), dev);
}

static void settled(struct device_host *h, struct device *dev)
{
	vm_outputs_settled(vm_of(h));
}

static const void *page(struct device_host *h, const struct device *dev, uint32_t index)
{
	const struct vm *vm = vm_of(h);

	return vm->image ? image_special(vm->image, record_device_gfn(dev->id, (uint16_t)index)) : NULL;
}

static void trouble(struct device_host *h, struct device *dev, const char *why)
{
	struct vm *vm = vm_of(h);
	struct vm_device *vd = find(vm, dev);

	if (!vd)
		return;
	snprintf(vd->trouble, sizeof(vd->trouble), "%s", why ? why : "");
	if (why)
		vm_tell(vm, "%s %u: %s", dev->ops->type, dev->id, why);
	else
		vm_tell(vm, "%s %u: no request waits for this host's path any more", dev->ops->type, dev->id);
	vm_publish_status(vm);
}

static void failed(struct device_host *h, struct device *dev, const char *why)
{
	vm_tell(vm_of(h), "%s %u cannot go on: %s", dev->ops->type, dev->id, why);
}

/* A frontend that starts anew gets a device that remembers nothing. */
static int make_device(struct vm_device *vd);

static void stopped(struct vm_device *vd)
{
	vd->closing = false;
	vd->connected = false;
	vd->dev->ops->disconnect(vd->dev);
	vd->dev->ops->destroy(vd->dev);
	vd->dev = NULL;
	memset(vd->mem, 0, vd->mem_len);
	make_device(vd);
	vd->vm->devices[vd - vd->vm->device] = vd->dev;
	xendev_stopped(vd->x);
}

static void on_stopped(void *arg)
{
	struct vm_device *vd = arg;

	vm_busy(vd->vm);
	if (vd->closing && vd->dev)
		stopped(vd);
	vm_idle(vd->vm);
}

static void quiesced(struct device_host *h, struct device *dev)
{
	struct vm *vm = vm_of(h);
	struct vm_device *vd = find(vm, dev);

	if (!vd)
		return;
	vd->quiesced = true;
	if (vd->closing && !vm_device_owes(vd)) /* not from within a callback of the device that goes away */
		later_add(vm->d->later, &vd->stop);
	for (unsigned int i = 0; i < vm->nr_devices; i++)
		if (!vm->device[i].quiesced)
			return;
	vm_event_type(vm, ENGINE_EV_QUIESCED);
}

static void enter(struct device_host *h)
{
	vm_busy(vm_of(h));
}

static void leave(struct device_host *h)
{
	vm_idle(vm_of(h));
}

static const struct device_host_ops host_ops = {
	.enter = enter,
	.leave = leave,
	.open_epoch = open_epoch,
	.output_held = output_held,
	.write_owed = write_owed,
	.settled = settled,
	.page = page,
	.must_hold = must_hold,
	.quiesced = quiesced,
	.trouble = trouble,
	.failed = failed,
};

/* ---- the xenstore side -----------------------------------------------------------------------------------
 */

static void disk_info(const struct vm_device *vd, struct xendev_disk_info *info)
{
	struct block_properties p;

	block_properties(vd->dev, &p);
	*info = (struct xendev_disk_info){
		.sectors = p.sectors,
		.sector_size = p.sector_size,
		.physical_sector_size = p.physical_sector_size,
		.readonly = p.readonly,
		.flush = true,
		.discard = p.discard,
		.discard_granularity = p.discard_granularity,
		.discard_alignment = p.discard_alignment,
	};
}

static uint32_t net_features(uint32_t fe)
{
	static const struct {
		uint32_t fe, net;
	} map[] = {
		{ VIF_FE_SG, NET_F_SG },
		{ VIF_FE_GSO_TCPV4, NET_F_GSO4 },
		{ VIF_FE_GSO_TCPV6, NET_F_GSO6 },
		{ VIF_FE_NO_CSUM, NET_F_NO_CSUM_OFFLOAD },
		{ VIF_FE_IPV6_CSUM, NET_F_IPV6_CSUM },
		{ VIF_FE_RX_NOTIFY, NET_F_RX_NOTIFY },
	};
	uint32_t f = 0;

	for (unsigned int i = 0; i < sizeof(map) / sizeof(map[0]); i++)
		if (fe & map[i].fe)
			f |= map[i].net;
	return f;
}

static int on_connect(void *arg, struct xendev *x, const struct device_cfg *cfg,
		      struct xendev_disk_info *info)
{
	struct vm_device *vd = arg;
	struct device_cfg c = *cfg;
	int rc;

	if (vd->kind == VM_DISK) {
		c.features = (cfg->features & VBD_FE_X86_32) ? 0 : BLOCK_FEATURE_ABI_X86_64;
		disk_info(vd, info);
		block_wait_until(vd->dev, vd->vm->mem->disks_from_ns);
	} else {
		c.features = net_features(cfg->features);
	}
	vm_busy(vd->vm);
	rc = vd->dev->ops->connect(vd->dev, &c);
	vd->connected |= !rc;
	if (!rc)
		kem_vm_info(vd->vm->rec.name, "%s connected, %u queues", device_name(vd), c.nr_queues);
	vm_idle(vd->vm);
	return rc;
}

static bool guest_is_over(const struct vm *vm)
{
	xc_dominfo_t info;

	if (!vm_domain_info(vm, &info))
		return true;
	return info.dying || info.shutdown || info.crashed || (info.paused && !vm->stopped);
}

static void drain(struct device *dev)
{
	dev->ops->drain ? dev->ops->drain(dev) : dev->ops->quiesce(dev);
}

static void on_closing(void *arg, struct xendev *x, enum xendev_why why)
{
	struct vm_device *vd = arg;

	if (why == XENDEV_BY_TOOLSTACK) {
		if (!guest_is_over(vd->vm))
			return; /* xl block-detach: the frontend will answer */
		vm_busy(vd->vm);
		vm_devices_stopped_by_toolstack(vd->vm);
		vm_idle(vd->vm);
		return;
	}
	if (vd->closing)
		return;
	vm_busy(vd->vm);
	vd->closing = true;
	vd->quiesced = false;
	drain(vd->dev);
	vm_idle(vd->vm);
}

static const struct xendev_ops xendev_ops = { .connect = on_connect, .closing = on_closing };

static void on_foreign(void *arg, const char *path)
{
	struct vm *vm = arg;

	vm_tell(vm, "%s is a device that Kemari does not mirror: the guest is not protected against its loss",
		path);
}

static const struct xendev_bus_ops bus_ops = { .foreign = on_foreign };

/* ---- making them -----------------------------------------------------------------------------------------
 */

static void region_name(enum vm_device_kind kind, unsigned int index, char name[MEMFILE_NAME_MAX])
{
	static const char *const kinds[] = { "console", "disk", "nic" };

	snprintf(name, MEMFILE_NAME_MAX, "%s%u", kinds[kind], index);
}

unsigned int vm_device_regions(const struct vm_record *rec, struct memfile_region_def *defs, unsigned int max,
			       char (*names)[MEMFILE_NAME_MAX])
{
	unsigned int nr = 0;

	region_name(VM_CONSOLE, 0, names[nr]);
	defs[nr] = (struct memfile_region_def){ names[nr], console_mem_size() };
	nr++;
	for (unsigned int i = 0; i < rec->nr_disks && nr < max; i++, nr++) {
		region_name(VM_DISK, i, names[nr]);
		defs[nr] = (struct memfile_region_def){ names[nr], block_mem_size() };
	}
	for (unsigned int i = 0; i < rec->nr_nics && nr < max; i++, nr++) {
		region_name(VM_NIC, i, names[nr]);
		defs[nr] = (struct memfile_region_def){ names[nr], net_mem_size() };
	}
	return nr;
}

static int make_console(struct vm_device *vd)
{
	struct vm *vm = vd->vm;
	char log[KEM_CONFIG_STR + VM_NAME_MAX + 16];
	struct console_cfg cfg = { .log_path = log };

	snprintf(log, sizeof(log), "%s/%s.console", vm->d->cfg.log_dir, vm->rec.name);
	return console_create(&vm->host, &cfg, vd->mem, vd->mem_len, &vd->dev);
}

static unsigned int writable_disks(const struct vm_record *rec)
{
	unsigned int nr = 0;

	for (unsigned int i = 0; i < rec->nr_disks; i++)
		nr += !rec->disk[i].readonly;
	return nr;
}

static int make_disk(struct vm_device *vd)
{
	struct vm *vm = vd->vm;
	const struct vm_disk *disk = &vm->rec.disk[vd->index];
	struct block_cfg cfg = {
		.target = disk->target,
		.readonly = disk->readonly,
		.discard = disk->discard,
		.lock_fd = memfile_lock_fd(vm->file),
		.error_hold_ms = vm->d->cfg.disk_error_wait_ms,
		.answer_early = vm->d->cfg.disk_answer == KEM_ANSWER_EARLY,
		.owe_flushes = writable_disks(&vm->rec) == 1,
		.write_cache = vm->d->cfg.disk_write_cache == KEM_CACHE_SAFE ? BLOCK_CACHE_SAFE
									     : BLOCK_CACHE_VOLATILE,
	};

	return block_create(&vm->host, disk->virtual_device, &cfg, vd->mem, vd->mem_len, &vd->dev);
}

static int make_nic(struct vm_device *vd)
{
	struct vm *vm = vd->vm;
	const struct vm_nic *nic = &vm->rec.nic[vd->index];
	struct net_cfg cfg = { .mtu = nic->mtu, .fd = -1 };

	memcpy(cfg.mac, nic->mac, sizeof(cfg.mac));
	memcpy(cfg.bridge, nic->bridge, sizeof(cfg.bridge));
	snprintf(cfg.tap, sizeof(cfg.tap), "kvif%u.%u", vm->domid, nic->devid);
	return net_create(&vm->host, nic->devid, &cfg, vd->mem, vd->mem_len, &vd->dev);
}

static int make_device(struct vm_device *vd)
{
	switch (vd->kind) {
	case VM_CONSOLE:
		return make_console(vd);
	case VM_DISK:
		return make_disk(vd);
	default:
		return make_nic(vd);
	}
}

static int add(struct vm *vm, enum vm_device_kind kind, unsigned int index, enum xendev_mode mode)
{
	struct vm_device *vd = &vm->device[vm->nr_devices];
	char name[MEMFILE_NAME_MAX];
	int rc;

	*vd = (struct vm_device){
		.vm = vm, .kind = kind, .index = index, .stop = { .fn = on_stopped, .arg = vd }
	};
	region_name(kind, index, name);
	vd->mem = memfile_region(vm->file, name, &vd->mem_len);
	if (!vd->mem)
		return -EBADMSG;
	if (mode == XENDEV_NEW)
		memset(vd->mem, 0, vd->mem_len); /* a guest that boots, perhaps after another */
	rc = make_device(vd);
	if (rc)
		return rc;
	vm->devices[vm->nr_devices++] = vd->dev;
	if (kind == VM_DISK)
		rc = xendev_add_disk(vm->bus, &vm->rec.disk[index], mode, &xendev_ops, vd, &vd->x);
	else if (kind == VM_NIC)
		rc = xendev_add_nic(vm->bus, &vm->rec.nic[index], mode, &xendev_ops, vd, &vd->x);
	return rc;
}

int vm_devices_open(struct vm *vm, enum xendev_mode mode)
{
	int rc;

	vm->host.ops = &host_ops;
	vm->host.vm = vm->rec.name;
	vm->host.guest = vm->guest;
	vm->host.loop = vm->d->loop;
	vm->host.later = vm->d->later;
	vm->drained = (struct later_item){ .fn = vm_drained, .arg = vm };
	rc = xendev_bus_open(vm->d->xs, vm->domid, vm->rec.name, &bus_ops, vm, &vm->bus);
	if (!rc)
		rc = add(vm, VM_CONSOLE, 0, mode);
	for (unsigned int i = 0; !rc && i < vm->rec.nr_disks; i++)
		rc = add(vm, VM_DISK, i, mode);
	for (unsigned int i = 0; !rc && i < vm->rec.nr_nics; i++)
		rc = add(vm, VM_NIC, i, mode);
	return rc;
}

int vm_console_connect(struct vm *vm)
{
	struct vm_device *vd = &vm->device[0];
	struct device_cfg cfg = { .nr_queues = 1 };
	int rc;

	cfg.queue[0].ring_ref[0] = CONSOLE_GRANT_REF;
	cfg.queue[0].nr_ring_pages = 1;
	cfg.queue[0].evtchn = vm->mem->console_port;
	rc = vd->dev->ops->connect(vd->dev, &cfg);
	vd->connected = !rc;
	return rc;
}

void vm_devices_disconnect(struct vm *vm)
{
	for (unsigned int i = 0; i < vm->nr_devices; i++) {
		struct vm_device *vd = &vm->device[i];

		if (vd->connected && vd->dev)
			vd->dev->ops->disconnect(vd->dev);
		vd->connected = false;
	}
}

void vm_devices_passivate(struct vm *vm)
{
	for (unsigned int i = 0; i < vm->nr_devices; i++)
		if (vm->device[i].x)
			xendev_passivate(vm->device[i].x);
}

void vm_devices_close(struct vm *vm)
{
	vm_devices_disconnect(vm);
	for (unsigned int i = vm->nr_devices; i-- > 0;) {
		struct vm_device *vd = &vm->device[i];

		xendev_remove(vd->x);
		if (vd->dev)
			vd->dev->ops->destroy(vd->dev);
		later_cancel(&vd->stop);
	}
	later_cancel(&vm->drained);
	vm->nr_devices = 0;
	xendev_bus_close(vm->bus);
	vm->bus = NULL;
}

/* ---- all at once ------------------------------------------------------------------------------------------
 */

static int attach(struct vm_device *vd)
{
	struct device_cfg cfg;
	int rc;

	if (!vd->dev->ops->config(vd->dev, &cfg))
		return 0; /* its frontend had not connected */
	if (vd->kind == VM_DISK)
		block_wait_until(vd->dev, vd->vm->mem->disks_from_ns);
	rc = vd->dev->ops->connect(vd->dev, &cfg);
	if (rc) {
		kem_vm_err(vd->vm->rec.name, "%s cannot be attached to the guest's rings: %s",
			   device_name(vd), strerror(-rc));
		return rc;
	}
	vd->connected = true;
	return 0;
}

int vm_devices_reconnect(struct vm *vm)
{
	for (unsigned int i = 0; i < vm->nr_devices; i++) {
		int rc = attach(&vm->device[i]);

		if (rc)
			return rc;
	}
	return 0;
}

int vm_devices_promote(struct vm *vm)
{
	for (unsigned int i = 0; i < vm->nr_devices; i++) {
		struct vm_device *vd = &vm->device[i];
		size_t len;
		const void *blob = image_device(vm->image, vd->dev->ops->type, vd->dev->id, &len);
		int rc = blob ? vd->dev->ops->restore(vd->dev, blob, len) : -ENODATA;

		if (rc) {
			kem_vm_err(vm->rec.name, "%s: its state in the image is refused: %s", device_name(vd),
				   strerror(-rc));
			return rc;
		}
		rc = attach(vd);
		if (rc)
			return rc;
	}
	return 0;
}

void vm_devices_mirror(struct vm *vm)
{
	for (unsigned int i = 0; i < vm->nr_devices; i++) {
		struct vm_device *vd = &vm->device[i];
		struct xendev_disk_info info = { 0 };
		struct device_cfg cfg;
		size_t len;
		const void *blob;
		int rc;

		if (!vd->x)
			continue;
		blob = image_device(vm->image, vd->dev->ops->type, vd->dev->id, &len);
		if (!blob || vd->dev->ops->restore(vd->dev, blob, len))
			continue;
		if (vd->kind == VM_DISK)
			disk_info(vd, &info);
		rc = xendev_mirror(vd->x, vd->dev->ops->config(vd->dev, &cfg), &info);
		if (rc)
			kem_vm_warn(vm->rec.name, "%s cannot be mirrored in xenstore: %s", device_name(vd),
				    strerror(-rc));
	}
}

void vm_devices_quiesce(struct vm *vm)
{
	for (unsigned int i = 0; i < vm->nr_devices; i++)
		vm->device[i].quiesced = false;
	for (unsigned int i = 0; i < vm->nr_devices; i++)
		vm->device[i].dev->ops->quiesce(vm->device[i].dev);
}

void vm_devices_thaw(struct vm *vm)
{
	for (unsigned int i = 0; i < vm->nr_devices; i++)
		if (vm->device[i].closing)
			drain(vm->device[i].dev);
		else
			vm->device[i].dev->ops->thaw(vm->device[i].dev);
}

void vm_devices_discard(struct vm *vm, uint64_t epoch)
{
	for (unsigned int i = 0; i < vm->nr_devices; i++)
		vm->device[i].dev->ops->discard(vm->device[i].dev, epoch);
	recent_discarded(&vm->recent, epoch);
}

void vm_devices_announce(struct vm *vm)
{
	for (unsigned int i = 0; i < vm->nr_devices; i++) {
		struct vm_device *vd = &vm->device[i];
		int rc = vd->x ? xendev_activate(vd->x) : 0;

		if (rc)
			kem_vm_err(vm->rec.name, "%s: its xenstore side cannot be activated: %s",
				   device_name(vd), strerror(-rc));
		if (vd->dev->ops->announce)
			vd->dev->ops->announce(vd->dev);
	}
}

/* xl destroy waits at most ten seconds for each device: answer for all of them at once. */
void vm_devices_stopped_by_toolstack(struct vm *vm)
{
	if (vm_devices_owe(vm))
		vm_tell(vm,
			"its disks lack what it wrote last: do not go on from a memory that was saved now");
	for (unsigned int i = 0; i < vm->nr_devices; i++) {
		struct vm_device *vd = &vm->device[i];

		vd->dev->ops->discard(vd->dev, 0);
		if (vd->connected)
			vd->dev->ops->disconnect(vd->dev);
		vd->connected = false;
		if (vd->x)
			xendev_stopped(vd->x);
	}
}
