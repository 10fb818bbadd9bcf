/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * In sync mode a protected guest stops in the very hypercall with which it says that an output waits, as in
 * the first Kemari: its channels are tapped, and what it says is looked at while it stands still.  It runs on
 * when there is nothing to wait for, or its epoch is acked.  In async mode it would stand still until this
 * daemon has woken up: there Xen takes the epoch by itself (vm/fire.c), on channels on which outputs come.
 */
#include <errno.h>
#include <string.h>

#include "hvop.h"
#include "ring/guest_xen.h"
#include "vm/vm.h"

static bool wanted(const struct vm *vm)
{
	return !vm->dead_seen && engine_role(&vm->engine) == ENGINE_OWNER &&
	       engine_protection(&vm->engine) == ENGINE_PROTECTED;
}

static bool is_sync(const struct vm *vm)
{
	return vm->d->cfg.mode == KEM_MODE_SYNC;
}

static void run_on(struct vm *vm)
{
	int rc = hvop_tap_resume(vm->d->hv, vm->domid);

	vm->tap_fired = rc && rc != -ENOENT && rc != -ESRCH;
	if (vm->tap_fired)
		kem_vm_err(vm->rec.name, "the guest, which a tap has stopped, cannot be let run on: %s",
			   strerror(-rc));
}

static void on_events(void *arg, enum guest_xen_moment moment)
{
	struct vm *vm = arg;

	if (moment == GUEST_XEN_EVENTS)
		vm_busy(vm);
	if (moment == GUEST_XEN_SERVED) {
		vm_taps_follow(vm);
		vm_idle(vm);
	} else if (vm->tapped && is_sync(vm)) {
		vm->tap_fired = true;
	}
}

void vm_taps_watch(struct vm *vm)
{
	guest_xen_watch(vm->guest, on_events, vm);
}

static void change(struct vm *vm, bool on)
{
	const struct guest_xen_taps none = { 0 },
				    sync = { XEN_KEMARI_TAP_out | XEN_KEMARI_TAP_pause,
					     XEN_KEMARI_TAP_out | XEN_KEMARI_TAP_pause },
				    async = { XEN_KEMARI_TAP_out | XEN_KEMARI_TAP_checkpoint, 0 };
	int rc = guest_xen_tap(vm->guest, vm->d->hv, !on ? &none : is_sync(vm) ? &sync : &async);

	if (rc)
		kem_vm_warn(vm->rec.name, "not all of its channels can be %s: %s",
			    on ? "tapped, it stops a little later" : "freed of their taps yet",
			    strerror(-rc));
	vm->tapped = on || rc; /* else once more */
	vm->tap_fired = true;  /* one of them may have stopped it */
}

void vm_taps_follow(struct vm *vm)
{
	if (!vm->guest)
		return;
	if (wanted(vm) != vm->tapped)
		change(vm, !vm->tapped);
	if (!vm->tap_fired || (is_sync(vm) && engine_stops_guest(&vm->engine)))
		return;
	if (vm->capture)
		capture_absorb(
			vm->capture); /* what of an epoch that Xen took was to be had from a stopped guest */
	run_on(vm);
}

bool vm_taps_stopped(const struct vm *vm)
{
	const struct xen_kemari_tap *tap;
	bool stopped = false;
	uint32_t nr;

	if (!vm->tapped || !vm->tap_fired || hvop_tap_list(vm->d->hv, vm->domid, &tap, &nr, &stopped))
		return false;
	return stopped;
}

static json_t *mode_text(uint32_t mode)
{
	static const char *const word[] = { "out", "in", "hold", "stop", "checkpoint" };
	char text[64] = "";

	for (unsigned int i = 0; i < sizeof(word) / sizeof(word[0]); i++) {
		if (!(mode >> i & 1))
			continue;
		if (text[0])
			strcat(text, ",");
		strcat(text, word[i]);
	}
	return json_string(text);
}

json_t *vm_taps_rows(const struct vm *vm)
{
	const struct xen_kemari_tap *tap;
	json_t *rows = json_array();
	uint32_t nr = 0;
	bool paused;

	if (vm->domid && hvop_tap_list(vm->d->hv, vm->domid, &tap, &nr, &paused))
		nr = 0;
	for (uint32_t i = 0; i < nr; i++)
		json_array_append_new(
			rows, json_pack("{sI so sI sI sI}", "port", (json_int_t)tap[i].port, "mode",
					mode_text(tap[i].mode), "seen",
					(json_int_t)tap[i].seen_out + (json_int_t)tap[i].seen_in, "held",
					(json_int_t)tap[i].held_out + (json_int_t)tap[i].held_in, "stops",
					(json_int_t)tap[i].pauses));
	return rows;
}
