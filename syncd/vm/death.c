/* SPDX-License-Identifier: GPL-2.0-only */
/* What becomes of a guest that ends by itself, or is ended by xl. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <xenctrl.h>

#include "link.h"
#include "resource.h"
#include "vm.h"
#include "vms.h"

#define DESTROY_TIMEOUT_MS 60000
/* A shell without a copy is of use only to an owner who is about to fill it. */
#define SHELL_WAITS_NS (30ULL * 1000000000)

static const char *const reasons[] = {
	[SHUTDOWN_poweroff] = "powered off",	 [SHUTDOWN_reboot] = "rebooted",
	[SHUTDOWN_suspend] = "suspended",	 [SHUTDOWN_crash] = "crashed",
	[SHUTDOWN_watchdog] = "hung (watchdog)", [SHUTDOWN_soft_reset] = "soft reset",
};

static enum vm_action action_of(const struct vm_record *r, unsigned int reason)
{
	switch (reason) {
	case SHUTDOWN_reboot:
		return r->on_reboot;
	case SHUTDOWN_crash:
		return r->on_crash;
	case SHUTDOWN_watchdog:
		return r->on_watchdog;
	case SHUTDOWN_soft_reset:
		return r->on_soft_reset;
	default:
		return r->on_poweroff;
	}
}

/* Nothing of ours keeps the domain alive afterwards. */
static void let_go(struct vm *vm)
{
	vm_capture_close(vm, true);
	vm_devices_close(vm);
	vm_domain_close(vm);
	vm->mem->running_g = 0;
}

/* The story of this guest is over on this host; the peer drops its copy before we forget the VM. */
static void gone(struct vm *vm)
{
	struct engine_event ev = { .type = ENGINE_EV_GUEST_DEAD };

	vm->domid = 0;
	vm->ending = true;
	vm_event(vm, &ev);
}

/* The owner of the old guest is that of the new one: no word of the engine is needed to start it. */
static void on_remade(struct vm *vm, int err, const char *why)
{
	if (!err && engine_role(&vm->engine) == ENGINE_OWNER) {
		why = NULL;
		err = vm_run(vm, engine_generation(&vm->engine), 0);
	}
	if (err) {
		vm_tell(vm, "the guest cannot be started: %s", why ? why : strerror(-err));
		gone(vm);
		return;
	}
	vm_tell(vm, "the guest boots");
	link_offer(vm); /* it had to wait for the domain */
	resource_rebooted(vm);
}

static void on_destroyed(void *arg, int exit_code, const char *json, const char *error)
{
	struct vm *vm = arg;
	int rc;

	vm->helper = NULL;
	if (exit_code)
		vm_tell(vm, "domain %u cannot be destroyed: %s", vm->domid, error);
	if (vm_request_waits(vm, CONTROL_FORGET))
		vm_forget_done(vm, exit_code ? error : NULL);
	if (!vm->restarting) {
		gone(vm);
		return;
	}
	vm->restarting = false;
	vm->dead_seen = false;
	rc = vm_domain_make(vm, false, on_remade);
	if (rc)
		on_remade(vm, rc, "kemari-domain cannot be started");
}

static void destroy(struct vm *vm, bool restart)
{
	struct engine_event ev = { .type = ENGINE_EV_GUEST_DEAD, .incarnation = vm_incarnation() };

	if (engine_role(&vm->engine) >= ENGINE_HELD && vm_devices_owe(vm))
		vm_tell(vm,
			"what it wrote last is not on its disks, nor has any of its outputs after that left");
	vm->drains = false;
	vm->restarting = restart;
	vm->dead_seen = true;
	vm->mem->making = restart;
	let_go(vm);
	/* a new incarnation: the standby's copy of the old one is worthless from here on */
	if (restart)
		vm_event(vm, &ev);
	domain_helper_cancel(vm->helper);
	vm->helper = NULL;
	if (vm_helper_run(vm, "destroy", restart, DESTROY_TIMEOUT_MS, on_destroyed))
		on_destroyed(vm, -1, NULL, "kemari-domain cannot be started");
}

void vm_destroy(struct vm *vm)
{
	if (!vm->dead_seen)
		destroy(vm, false);
}

static void on_shell_cleared(void *arg, int exit_code, const char *json, const char *error)
{
	struct vm *vm = arg;
	int rc;

	vm->helper = NULL;
	vm->restarting = vm->dead_seen = false;
	rc = exit_code ? -EBUSY : vm_domain_make(vm, false, on_remade);
	if (rc)
		on_remade(vm, rc, exit_code ? error : "kemari-domain cannot be started");
}

/* A shell that never held a whole copy is in the way, also one that is still being made. */
int vm_boot(struct vm *vm)
{
	int rc;

	if (!vm->guest && !vm->ready)
		return vm_domain_make(vm, false, on_remade);
	vm->ready = NULL;
	vm->mem->making = 1;
	vm->restarting = vm->dead_seen = true;
	link_close(vm);
	vm_standby_close(vm);
	let_go(vm);
	domain_helper_cancel(vm->helper);
	vm->helper = NULL;
	rc = vm_helper_run(vm, "destroy", true, DESTROY_TIMEOUT_MS, on_shell_cleared);
	if (rc) {
		vm->restarting = vm->dead_seen = false;
		vm->mem->making = 0;
	}
	return rc;
}

/* ---- of no VM any more ---- */

struct going {
	struct going *next;
	struct daemon *d;
	uint32_t domid;
};

bool vms_is_going(const struct daemon *d, uint32_t domid)
{
	for (const struct going *g = d->going; g; g = g->next)
		if (g->domid == domid)
			return true;
	return false;
}

static struct going *goes(struct daemon *d, uint32_t domid)
{
	struct going *g = malloc(sizeof(*g));

	if (!g)
		return NULL;
	*g = (struct going){ .next = d->going, .d = d, .domid = domid };
	d->going = g;
	return g;
}

static void went(struct going *g)
{
	for (struct going **p = &g->d->going; *p; p = &(*p)->next)
		if (*p == g) {
			*p = g->next;
			break;
		}
	free(g);
}

void vms_forget_going(struct daemon *d)
{
	while (d->going)
		went(d->going);
}

static void on_shell_destroyed(void *arg, int exit_code, const char *json, const char *error)
{
	if (exit_code)
		kem_warn("a shell without a VM stays: %s", error);
	went(arg);
}

void vm_free_shell(struct vm *vm)
{
	struct domain_helper *helper;
	struct daemon *d = vm->d;
	char domid[16], *record = strdup(vm->mem->record);
	/* by its record, too: one that was being made may have found the number taken */
	const char *const argv[] = { "destroy", "--record", "-", "--domid", domid, NULL };
	/* the last one: who destroys it ends with the VM */
	bool ours = vm->guest || vm->mem->making || (vm->dead_seen && vm->domid);
	struct going *g = ours ? goes(d, vm->domid) : NULL;

	snprintf(domid, sizeof(domid), "%u", vm->domid);
	vm_free(vm);
	if (ours && (!record || !g ||
		     domain_helper_run(d->loop, d->cfg.helper, argv, record, DESTROY_TIMEOUT_MS,
				       on_shell_destroyed, g, &helper))) {
		kem_warn("kemari-domain cannot be started: domain %s stays", domid);
		if (g)
			went(g);
	}
	free(record);
}

static void waited(void *arg)
{
	struct vm *vm = arg;

	vm->shell_timer = 0;
	if (engine_role(&vm->engine) != ENGINE_NONE || link_up(vm) || vm->ending || vm->dead_seen ||
	    resource_wants_to_run(vm) || vm_shell_in_the_making(vm)) /* which looks for its link itself */
		return;
	vm_tell(vm, "nobody wants a copy here: the shell goes");
	vm_free_shell(vm);
}

void vm_shell_waits(struct vm *vm)
{
	if (!vm->shell_timer && engine_role(&vm->engine) == ENGINE_NONE && vm->guest)
		vm_timer_start(vm, &vm->shell_timer, QB_LOOP_LOW, SHELL_WAITS_NS, waited);
}

void vm_make_anew(struct vm *vm)
{
	enum engine_role role = engine_role(&vm->engine);

	vm_tell(vm, "kemari-syncd was away while its domain was made");
	if (role < ENGINE_HELD) {
		vm_free_shell(vm);
		return;
	}
	vm->initiator = vm->mem->peer[0];
	if (vm->initiator)
		link_reconnect_later(vm);
	destroy(vm, role == ENGINE_OWNER && engine_may_run(&vm->engine));
}

void vm_drained(void *arg)
{
	vm_check_death(arg);
}

/* By itself. */
static void ended(struct vm *vm, unsigned int reason)
{
	enum vm_action what = vm->stopping ? VM_DESTROY : action_of(&vm->rec, reason);

	if (!vm->drains)
		vm_tell(vm, "the guest %s",
			reason < sizeof(reasons) / sizeof(reasons[0]) ? reasons[reason] : "ended");
	vm->drains = vm_devices_owe(vm); /* its epochs go on until its disks have all that it wrote */
	if (vm->drains)
		return;
	if (what == VM_PRESERVE) {
		vm_tell(vm, "its domain is preserved");
		vm->preserved = true;
		return;
	}
	destroy(vm, what == VM_RESTART);
}

void vm_vanished(struct vm *vm)
{
	enum engine_role role = engine_role(&vm->engine);

	vm->dead_seen = true; /* nothing is captured any more */
	vm_tell(vm, "domain %u was destroyed from outside", vm->domid);
	vm_devices_stopped_by_toolstack(vm);
	if (role == ENGINE_OWNER || role == ENGINE_HELD) {
		let_go(vm);
		gone(vm); /* over the link: the peer drops its copy */
		return;
	}
	link_close(vm);
	vm_standby_close(vm);
	let_go(vm);
	vm_event_type(vm, ENGINE_EV_COPY_LOST);
	vm_free(vm);
}

/*
 * Not an end: xl save asks for it, and destroys the domain or lets it go on when the file is written.  Epochs
 * go on meanwhile, the guest has no outputs.
 */
static bool suspended(struct vm *vm, const xc_dominfo_t *info)
{
	bool now = info->shutdown && info->shutdown_reason == SHUTDOWN_suspend;

	if (now && !vm->suspended)
		vm_tell(vm, "the guest %s: what becomes of it is up to who asked for that (xl save)",
			reasons[SHUTDOWN_suspend]);
	vm->suspended = now;
	return now;
}

/* False: it is not there, or has no life left. */
static bool look(const struct vm *vm, xc_dominfo_t *info)
{
	return vm_domain_info(vm, info) && !info->dying;
}

bool vm_domain_is_there(const struct vm *vm)
{
	xc_dominfo_t info;

	return look(vm, &info);
}

void vm_check_death(struct vm *vm)
{
	xc_dominfo_t info;

	if (!vm->domid || vm->ready || vm->dead_seen || !vm->guest)
		return;
	if (!look(vm, &info))
		vm_vanished(vm);
	else if (engine_role(&vm->engine) >= ENGINE_HELD && !vm->preserved && !suspended(vm, &info) &&
		 vm_domain_is_down(&info))
		ended(vm, info.shutdown_reason);
}

void vms_released(void *arg)
{
	struct daemon *d = arg;

	for (struct vm *vm = d->vms, *next; vm; vm = next) {
		next = vm->next;
		vm_check_death(vm);
	}
	vms_look_beside(d);
}
