/* SPDX-License-Identifier: GPL-2.0-only */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <jansson.h>
#include <xenctrl.h>

#include "console/console.h"
#include "hvop.h"
#include "ring/guest_xen.h"
#include "vm.h"

#define MAKE_TIMEOUT_MS 120000
#define MAX_PAUSES 16
/* A guest that is to be handed over gets this long to leave an interrupt handler. */
#define STOP_WAIT_NS (20ULL * 1000000)
#define STOP_RETRY_NS 500000
/* Any generation replaces it: a domain that was just made runs as nobody's. */
#define FIRST_HOLD 1

static void ready(struct vm *vm, int err, const char *why)
{
	void (*fn)(struct vm * vm, int e, const char *w) = vm->ready;

	vm->ready = NULL;
	vm->mem->making = 0;
	fn(vm, err, why);
}

static void on_console(void *arg, int err, uint32_t port)
{
	struct vm *vm = arg;

	vm->take = NULL;
	if (!err && port != vm->mem->console_port)
		err = -EPROTO;
	if (!err && !vm->shell)
		err = vm_console_connect(vm);
	ready(vm, err, err ? "the console cannot be taken over from xenconsoled" : NULL);
}

static void on_retaken(void *arg, int err, uint32_t port)
{
	struct vm *vm = arg;

	vm->take = NULL;
	if (err)
		kem_vm_warn(vm->rec.name, "xl console does not reach the guest: %s", strerror(-err));
}

int vm_console_retake(struct vm *vm)
{
	return console_take(vm->d->xs, vm->d->loop, vm->d->xc, vm->domid, vm->rec.name,
			    console_tty(vm->device[0].dev), on_retaken, vm, &vm->take);
}

static bool get_u64(const json_t *o, const char *key, uint64_t *v)
{
	const json_t *j = json_object_get(o, key);

	if (!json_is_integer(j) || json_integer_value(j) < 0)
		return false;
	*v = (uint64_t)json_integer_value(j);
	return true;
}

static int note_domain(struct vm *vm, const char *text)
{
	json_t *o = json_loads(text, 0, NULL);
	uint64_t sp = 0, cp = 0;
	bool ok = get_u64(o, "store_gfn", &vm->mem->store_gfn) && get_u64(o, "store_port", &sp) &&
		  get_u64(o, "console_gfn", &vm->mem->console_gfn) && get_u64(o, "console_port", &cp);

	vm->mem->store_port = (uint32_t)sp;
	vm->mem->console_port = (uint32_t)cp;
	json_decref(o);
	return ok ? 0 : -EPROTO;
}

/* The fresh domain is paused; from here on the hypervisor's hold keeps it so, whatever xl unpause does. */
static int equip(struct vm *vm, bool shell)
{
	struct daemon *d = vm->d;
	int rc = hvop_enable(d->hv, vm->domid, true);

	vm->mem->is_shell = shell;
	vm->mem->hold_g = FIRST_HOLD;
	if (!rc)
		rc = vm_domain_hold(vm, FIRST_HOLD);
	if (!rc)
		rc = guest_xen_open(vm->domid, d->loop, &vm->guest);
	if (!rc)
		vm_taps_watch(vm);
	if (!rc)
		rc = vm_devices_open(vm, shell ? XENDEV_PASSIVE : XENDEV_NEW);
	if (!rc)
		rc = console_take(d->xs, d->loop, d->xc, vm->domid, vm->rec.name,
				  console_tty(vm->device[0].dev), on_console, vm, &vm->take);
	return rc;
}

static void on_made(struct vm *vm, bool shell, int exit_code, const char *json, const char *error)
{
	int rc;

	vm->helper = NULL;
	if (exit_code) {
		ready(vm, exit_code == DOMAIN_HELPER_DOMID_BUSY ? -EEXIST : -EIO, error);
		return;
	}
	rc = note_domain(vm, json);
	if (!rc)
		rc = equip(vm, shell);
	if (rc)
		ready(vm, rc, "the new domain cannot be set up; the daemon's log tells more");
}

static void on_created(void *arg, int exit_code, const char *json, const char *error)
{
	on_made(arg, false, exit_code, json, error);
}

static void on_shell(void *arg, int exit_code, const char *json, const char *error)
{
	on_made(arg, true, exit_code, json, error);
}

int vm_helper_run(struct vm *vm, const char *command, bool tied, unsigned int timeout_ms, domain_helper_fn fn)
{
	char domid[16], parent[16];
	const char *const argv[] = { command, "--record", "-", "--domid", domid, tied ? "--parent" : NULL,
				     parent,  NULL };

	snprintf(domid, sizeof(domid), "%u", vm->domid);
	snprintf(parent, sizeof(parent), "%d", (int)getpid());
	return domain_helper_run(vm->d->loop, vm->d->cfg.helper, argv, vm->mem->record, timeout_ms, fn, vm,
				 &vm->helper);
}

int vm_domain_make(struct vm *vm, bool shell, void (*fn)(struct vm *vm, int err, const char *why))
{
	int rc;

	vm->ready = fn;
	vm->shell = shell;
	vm->mem->making = 1;
	rc = vm_helper_run(vm, shell ? "shell" : "create", true, MAKE_TIMEOUT_MS,
			   shell ? on_shell : on_created);
	if (rc) {
		vm->ready = NULL;
		vm->mem->making = 0;
	}
	return rc;
}

bool vm_shell_in_the_making(const struct vm *vm)
{
	return vm->ready || (engine_role(&vm->engine) == ENGINE_NONE && vm->ram_ready);
}

void vm_domain_close(struct vm *vm)
{
	console_take_cancel(vm->take);
	vm->take = NULL;
	guest_tree_close(vm->tree);
	vm->tree = NULL;
	tree_free(&vm->shown);
	vm->tree_hash = 0;
	vm->cpu.nr_leaves = 0;
	vm_ram_drop(vm);
	guest_xen_close(vm->guest);
	vm->guest = NULL;
}

/* ---- stop and go -----------------------------------------------------------------------------------------
 */

bool vm_domain_info(const struct vm *vm, struct xc_dominfo *info)
{
	return xc_domain_getinfo(vm->d->xc, vm->domid, 1, info) == 1 && info->domid == vm->domid;
}

bool vm_domain_is_down(const struct xc_dominfo *info)
{
	return info->shutdown || info->crashed; /* libxc: a crash is no shutdown */
}

static bool paused(const struct vm *vm)
{
	xc_dominfo_t info;

	return vm_domain_info(vm, &info) && info.paused;
}

/* An operator's xl unpause may have undone an earlier stop. */
static int stop(struct vm *vm)
{
	const struct timespec pause = { .tv_nsec = STOP_RETRY_NS };
	uint64_t now = monotonic_ns();
	/* only a handover has time: one that dirties too much is to stop at once */
	bool wait = engine_role(&vm->engine) == ENGINE_HELD && !vm_taps_stopped(vm);
	uint64_t until = wait ? now + STOP_WAIT_NS : now;
	int rc;

	if (vm->stopped && paused(vm))
		return 0;
	while ((rc = hvop_stop(vm->d->hv, vm->domid, now >= until)) == -EAGAIN) {
		nanosleep(&pause, NULL);
		now = monotonic_ns();
	}
	if (rc) {
		kem_vm_err(vm->rec.name, "cannot stop the guest: %s", strerror(-rc));
		return rc;
	}
	vm->stop_ns = now;
	vm->stopped = true;
	return 0;
}

/* Of a guest that is held the last epoch may have been taken: then nobody asks again what it has written. */
int vm_guest_stop(struct vm *vm)
{
	int rc = stop(vm);

	if (rc || engine_role(&vm->engine) != ENGINE_HELD)
		return rc;
	rc = vm_domain_hold(vm, engine_generation(&vm->engine));
	if (rc)
		kem_vm_err(vm->rec.name, "cannot hold the guest: %s", strerror(-rc));
	return rc;
}

int vm_guest_go(struct vm *vm)
{
	int rc;

	if (!vm->stopped)
		return 0;
	rc = hvop_resume(vm->d->hv, vm->domid);
	if (rc && rc != -EINVAL) { /* that: it was not paused any more */
		kem_vm_err(vm->rec.name, "cannot let the guest run on: %s", strerror(-rc));
		return rc;
	}
	vm->stopped = false;
	vm->bulk_stopped = false;
	return 0;
}

/*
 * Drops every pause of the toolstack: the one a new domain is born with, ours, and what an operator's
 * `xl pause` of a held shell left.
 */
int vm_guest_unpause_all(struct vm *vm)
{
	for (int i = 0; i < MAX_PAUSES; i++) {
		xc_dominfo_t info;

		if (!vm_domain_info(vm, &info))
			return -ESRCH;
		if (!info.paused)
			break;
		if (xc_domain_unpause(vm->d->xc, vm->domid))
			return -errno;
	}
	vm->stopped = false;
	vm->bulk_stopped = false;
	return 0;
}
