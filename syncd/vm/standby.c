/* SPDX-License-Identifier: GPL-2.0-only */
#include <errno.h>
#include <string.h>

#include <xenctrl.h>
#include <xxhash.h>

#include "apply/promote.h"
#include "apply/receive.h"
#include "capture/dirtylog.h"
#include "hvop.h"
#include "transport/transport.h"
#include "vm.h"

#define ADOPT_TIMEOUT_MS 60000

/* ---- the copy
 * ---------------------------------------------------------------------------------------------- */

/* 1: there is more to do. */
static int reserve_some(struct vm *vm)
{
	int rc = staging_reserve(vm->staging_new);

	if (rc == 1)
		return 1;
	if (rc)
		staging_remove(vm->staging_new);
	else
		vm->staging = vm->staging_new;
	vm->staging_new = NULL;
	vm_timer_stop(vm, &vm->staging_timer);
	return rc;
}

static void reserve_more(void *arg)
{
	struct vm *vm = arg;

	vm->staging_timer = 0;
	if (reserve_some(vm) == 1)
		vm_timer_start(vm, &vm->staging_timer, QB_LOOP_LOW, VM_PIECE_NS, reserve_more);
}

int vm_staging_begin(struct vm *vm)
{
	const struct kem_config *c = &vm->d->cfg;
	int rc;

	if (vm->staging || vm->staging_new || !staging_open(c->run_dir, vm->rec.uuid, &vm->staging))
		return 0;
	rc = staging_create(c->run_dir, vm->rec.uuid, (size_t)c->staging_mb << 20, &vm->staging_new);
	if (!rc)
		vm_timer_start(vm, &vm->staging_timer, QB_LOOP_LOW, VM_PIECE_NS, reserve_more);
	return rc;
}

int vm_staging_open(struct vm *vm)
{
	int rc = vm_staging_begin(vm);

	while (rc >= 0 && vm->staging_new)
		rc = reserve_some(vm);
	return rc;
}

void vm_staging_close(struct vm *vm, bool keep)
{
	vm_timer_stop(vm, &vm->staging_timer);
	if (keep)
		staging_close(vm->staging);
	else
		staging_remove(vm->staging);
	staging_remove(vm->staging_new);
	vm->staging = vm->staging_new = NULL;
}

static int open_image(struct vm *vm)
{
	size_t len;
	void *mem = memfile_region(vm->file, "image", &len);
	struct image_cfg cfg = vm_image_cfg(&vm->rec);
	int rc = image_open(mem, len, &cfg, vm->ram, &vm->image);

	if (rc == -EBADMSG) {
		memset(mem, 0, len);
		rc = image_open(mem, len, &cfg, vm->ram, &vm->image);
	}
	return rc;
}

/* What an earlier daemon had staged and not applied. */
static int redo(struct vm *vm)
{
	static const struct receive_ops none;
	char why[RECORD_WHY_MAX];
	struct receive rx;
	int rc = receive_init(&rx, &none, vm);

	if (rc)
		return rc;
	receive_attach(&rx, vm->staging, vm->image, 0);
	rc = receive_apply(&rx, 0, why);
	receive_fini(&rx);
	return rc < 0 ? rc : 0;
}

int vm_standby_open(struct vm *vm)
{
	int err = 0, rc = vm_ram_open(vm);

	if (rc)
		return rc;
	/*
	 * While the copy follows, the store page is ours and xenstored's, to keep the guest's watches
	 * registered; the guest's own page is kept aside in the image.
	 */
	vm->store = (struct store_ring){ .domid = vm->domid,
					 .gfn = vm->mem->store_gfn,
					 .evtchn = vm->mem->store_port };
	vm->store.page = vm->ram_ops->map(vm->ram_arg, &vm->store.gfn, 1, &err);
	if (!vm->store.page || err)
		return err ? err : -ENOMEM;
	ram_hide(vm->ram, vm->store.gfn);
	rc = open_image(vm);
	if (!rc)
		rc = vm_staging_open(vm);
	if (!rc && staging_count(vm->staging))
		rc = redo(vm);
	if (rc) {
		kem_vm_err(vm->rec.name, "cannot prepare the standby's image: %s", strerror(-rc));
		return rc;
	}
	link_attach(vm);
	return 0;
}

void vm_standby_close(struct vm *vm)
{
	if (vm->image)
		image_close(vm->image);
	if (vm->store.page)
		vm->ram_ops->unmap(vm->ram_arg, vm->store.page, 1);
	vm->image = NULL;
	vm->store.page = NULL;
	link_attach(vm);
}

void vm_drop_copy(struct vm *vm)
{
	if (vm->image)
		image_forget(vm->image);
	if (vm->staging)
		staging_clear(vm->staging);
}

static void note_received(struct vm *vm, uint64_t epoch, uint64_t ns)
{
	unsigned int i = vm->mem->next_received % VM_RECEIVED;

	vm->mem->received[i].ns = ns;
	vm->mem->received[i].epoch = epoch;
	vm->mem->next_received = i + 1;
}

/* 0: never. */
static uint64_t received_at(const struct vm *vm, uint64_t epoch)
{
	uint64_t ns = 0;

	for (unsigned int i = 0; i < VM_RECEIVED; i++)
		if (vm->mem->received[i].epoch == epoch && vm->mem->received[i].ns > ns)
			ns = vm->mem->received[i].ns;
	return ns;
}

void vm_staged(struct vm *vm, const struct staged_epoch *e)
{
	struct engine_event ev = { .type = ENGINE_EV_EPOCH_STAGED,
				   .g = e->g,
				   .session = e->session,
				   .epoch = e->epoch,
				   .base = e->base,
				   .pages = e->nr_pages };

	note_received(vm, e->epoch, monotonic_ns());
	vm_event(vm, &ev);
}

/* The shell's xenstore follows the guest's: nodes, watches, backend directories. */
static void mirror_tree(struct vm *vm)
{
	size_t len;
	const void *blob = image_blob(vm->image, RECORD_XENSTORE, &len);
	char why[RECORD_WHY_MAX];
	struct tree t;
	uint64_t hash;
	int rc;

	if (!blob)
		return;
	hash = XXH3_64bits(blob, len);
	if (hash == vm->tree_hash)
		return;
	rc = tree_decode(blob, len, &t, why, sizeof(why));
	if (rc) {
		kem_vm_err(vm->rec.name, "the guest's xenstore nodes are refused: %s", why);
		return;
	}
	rc = tree_restore_changes(vm->d->xs, vm->d->wire, vm->shown.nr_nodes ? &vm->shown : NULL, &t,
				  vm->rec.name);
	tree_free(&vm->shown);
	if (!rc)
		rc = tree_restore_watches(vm->d->xs, vm->d->wire, &vm->store, &t, vm->rec.name);
	vm_devices_mirror(vm);
	if (!rc) {
		vm->tree_hash = hash;
		vm->shown = t;
		return;
	}
	tree_free(&t);
	kem_vm_warn(vm->rec.name, "xenstore cannot be mirrored yet: %s", strerror(-rc));
}

void vm_applied(struct vm *vm)
{
	mirror_tree(vm);
}

/* ---- promotion
 * ----------------------------------------------------------------------------------------------- */

static void on_adopted(void *arg, int exit_code, const char *json, const char *error)
{
	struct vm *vm = arg;

	vm->helper = NULL;
	if (exit_code)
		kem_vm_warn(vm->rec.name, "the domain keeps its standby's name for xl: %s", error);
}

/* The name and the configuration that xl shows; the guest runs already. */
static void adopt_name(struct vm *vm)
{
	if (!vm->helper && vm_helper_run(vm, "adopt", false, ADOPT_TIMEOUT_MS, on_adopted))
		kem_vm_warn(vm->rec.name, "cannot start kemari-domain to rename the domain");
}

static int lift(struct vm *vm, uint64_t g)
{
	int rc = vm_domain_hold(vm, g);

	/* before it: a daemon after this one must not start it from its image again */
	if (!rc) {
		vm->mem->running_g = g;
		vm->mem->is_shell = 0;
		rc = vm_domain_run(vm);
	}
	if (!rc)
		rc = vm_guest_unpause_all(vm);
	if (!rc)
		vm->stopped = false;
	return rc;
}

/* Every write from its first instruction on counts when the peer's copy is the base of the next epoch. */
static int capture_if_protected(struct vm *vm)
{
	return engine_protection(&vm->engine) == ENGINE_UNPROTECTED ? 0 : vm_capture_open(vm, true);
}

/* It runs by now: that may take a while. */
static void stop_logging_if_unprotected(struct vm *vm)
{
	if (!vm->capture)
		dirtylog_off(vm->d->hv, vm->d->xc, vm->domid);
}

/* The former primary that takes its guest back before the peer sent anything: all of it is still in place. */
static int resume_in_place(struct vm *vm, uint64_t g)
{
	int rc;

	ram_remap(vm->ram, vm->store.gfn);
	vm_standby_close(vm);
	rc = vm_devices_reconnect(vm);
	if (!rc)
		rc = capture_if_protected(vm);
	if (!rc)
		rc = hvop_kick(vm->d->hv, vm->domid, 0);
	if (!rc)
		rc = lift(vm, g);
	if (rc)
		return rc;
	vm_devices_announce(vm);
	stop_logging_if_unprotected(vm);
	return 0;
}

/* The shell's tree is the guest's: it need not be read again.  No reason to keep the guest waiting if not. */
static void take_tree_over(struct vm *vm)
{
	const void *page = ram_page(vm->ram, vm->store.gfn);

	if (!vm_tree_open(vm) && page && vm->shown.nr_nodes)
		guest_tree_seed(vm->tree, page, &vm->shown);
	tree_free(&vm->shown);
	vm->tree_hash = 0;
}

static int start_from_image(struct vm *vm, uint64_t g, uint64_t epoch)
{
	struct promote_cfg cfg = { .vm = vm->rec.name,
				   .domid = vm->domid,
				   .hv = vm->d->hv,
				   .xc = vm->d->xc,
				   .ram = vm->ram,
				   .image = vm->image,
				   .received_ns = received_at(vm, epoch) };
	uint64_t t[6] = { monotonic_ns() }, image_epoch;
	size_t len;
	int rc = link_apply_all(vm);

	if (rc || !vm->image || image_status(vm->image, NULL, &image_epoch) != IMAGE_WHOLE ||
	    image_epoch != epoch || !cfg.received_ns) {
		vm_tell(vm, "the image is not epoch %llu", (unsigned long long)epoch);
		return -ENODATA;
	}
	if (!image_blob(vm->image, RECORD_HV_STATE, &len))
		return resume_in_place(vm, g);
	rc = store_ring_settle(vm->d->xs, vm->d->wire, &vm->store, vm->rec.name);
	t[1] = monotonic_ns();
	if (!rc)
		rc = promote_image(&cfg);
	t[2] = monotonic_ns();
	if (!rc)
		rc = vm_devices_promote(vm);
	t[3] = monotonic_ns();
	if (rc)
		return rc;
	vm_standby_close(vm);
	staging_clear(vm->staging);
	take_tree_over(vm);
	rc = capture_if_protected(vm);
	if (!rc)
		rc = hvop_kick(vm->d->hv, vm->domid, 0);
	t[4] = monotonic_ns();
	if (!rc)
		rc = lift(vm, g);
	t[5] = monotonic_ns();
	if (rc)
		return rc;
	vm_tell(vm,
		"the guest runs here from epoch %llu: %llu us (xenstore %llu, hypervisor %llu, devices %llu, "
		"dirty logging %llu, start %llu)",
		(unsigned long long)epoch, (unsigned long long)(t[5] - t[0]) / 1000,
		(unsigned long long)(t[1] - t[0]) / 1000, (unsigned long long)(t[2] - t[1]) / 1000,
		(unsigned long long)(t[3] - t[2]) / 1000, (unsigned long long)(t[4] - t[3]) / 1000,
		(unsigned long long)(t[5] - t[4]) / 1000);
	vm_devices_announce(vm);
	stop_logging_if_unprotected(vm);
	adopt_name(vm);
	return 0;
}

/* Nothing of the guest has run: what is here is a standby as before. */
static void undo_start(struct vm *vm)
{
	vm_devices_disconnect(vm);
	vm_devices_passivate(vm);
	vm_capture_close(vm, true);
	if (vm->tree)
		guest_tree_take(vm->tree, &vm->shown);
	guest_tree_close(vm->tree);
	vm->tree = NULL;
	vm->tree_hash = 0;
	if (!vm->image && vm_standby_open(vm))
		vm_tell(vm, "the image cannot be opened again");
}

int vm_run(struct vm *vm, uint64_t g, uint64_t epoch)
{
	int rc;

	if (vm->ready && vm->shell && !epoch)
		return vm_boot(vm); /* what is being made is of no use to it */
	if (vm->restarting || vm->ready || vm->dead_seen)
		return 0; /* once the domain is made, if it is */
	if (!epoch && vm->mem->running_g != g && (!vm->guest || vm->mem->is_shell))
		return vm_boot(vm);
	if (vm->mem->running_g != g && epoch) {
		rc = start_from_image(vm, g, epoch);
		if (!rc)
			vm->started_from = epoch;
		else if (vm->mem->running_g != g)
			undo_start(vm);
		return rc;
	}
	if (vm->mem->running_g == g)
		vm_devices_thaw(vm);
	return lift(vm, g);
}

/* ---- the former primary
 * ------------------------------------------------------------------------------------------ */

/* Its memory is exactly epoch N and becomes the image; its devices go on as passive ones. */
static int become_standby(struct vm *vm, uint64_t g)
{
	bool exact = engine_role(&vm->engine) == ENGINE_COPY;
	int rc;

	vm_devices_disconnect(vm);
	vm_devices_passivate(vm);
	if (vm->capture && exact)
		capture_forget(vm->capture);
	vm_capture_close(vm, exact);
	if (vm->tree)
		guest_tree_take(vm->tree, &vm->shown);
	guest_tree_close(vm->tree);
	vm->tree = NULL;
	vm->tree_hash = 0;
	vm_devices_forget_end(vm);
	vm->mem->running_g = 0;
	vm->mem->is_shell = 1; /* a guest that boots here needs a domain of its own */
	vm->stopped = false;   /* its pauses are lifted all at once, should it run again */
	if (engine_role(&vm->engine) == ENGINE_NONE)
		return 0; /* no copy: whoever brings one has its memory mapped */
	rc = vm_standby_open(vm);
	if (rc || !exact)
		return rc;
	image_adopt(vm->image, g, engine_committed(&vm->engine));
	note_received(vm, engine_committed(&vm->engine), vm->stop_ns);
	return 0;
}

int vm_hold(struct vm *vm, uint64_t g)
{
	int rc;

	if (!vm->domid)
		return 0;
	rc = vm_domain_hold(vm, g);
	if (!rc && vm->mem->running_g)
		rc = become_standby(vm, g);
	if (rc)
		vm_tell(vm, "the domain here cannot be turned into a standby: %s", strerror(-rc));
	return rc;
}
