/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Epochs that Xen takes by itself, in the hypercall with which the guest says that an output waits
 * (capture_enter()): when they are wanted, and what becomes of one.
 *
 * All that touches the guest's rings or its devices' state happens between vm_busy() and vm_idle(), which
 * nest.  An epoch that was taken before an enter comes before everything else: the snapshots of the devices
 * are those of that instant, since none has consumed anything since.  What the guest had in its rings then,
 * and what says so, becomes output of that epoch afterwards: whoever goes on from it finds it in the rings.
 */
#include "capture/capture.h"
#include "monotonic.h"
#include "vm/vm.h"

static const void *ring_page(void *arg, uint32_t ref)
{
	const struct vm *vm = arg;

	return capture_fired_page(vm->capture, ref);
}

static void cut(struct vm *vm)
{
	for (unsigned int i = 0; i < vm->nr_devices; i++) {
		struct device *dev = vm->device[i].dev;

		if (dev && dev->ops->cut)
			dev->ops->cut(dev, ring_page, vm);
	}
}

void vm_catch_up(struct vm *vm, uint64_t epoch)
{
	for (unsigned int i = 0; i < vm->nr_devices; i++) {
		struct vm_device *vd = &vm->device[i];

		if (vd->dev && vd->dev->ops->catch_up && vd->dev->ops->catch_up(vd->dev, epoch))
			recent_held(&vm->recent, vd->kind, epoch, vm->fired_ns);
	}
}

/* An output waits, where it came from will be seen: that is what fired. */
static void take(struct vm *vm)
{
	bool unused;

	cut(vm);
	vm->fired = true;
	vm->fired_ns = monotonic_ns(); /* as of another output, from when it was seen */
	vm_event_type(vm, ENGINE_EV_OUTPUT_HELD);
	unused = vm->fired;
	vm->fired = false;
	if (unused)
		vm_catch_up(vm, 0);
	if (vm->capture)
		capture_absorb(vm->capture);
	if (unused)
		vm_look_at_dirty(vm); /* its marks are in Xen's count no more */
}

/* Armed, unless the guest is to be left alone; too early for that: again when it is not. */
static void leave_again(void *arg)
{
	struct vm *vm = arg;

	vm->arm = 0;
	vm_busy(vm);
	vm_idle(vm);
}

static bool wanted(struct vm *vm)
{
	uint64_t from, now;

	if (!vm->tapped || vm->stopped || vm->dead_seen || vm_verify_wants(vm))
		return false;
	from = engine_awaits_output(&vm->engine);
	now = monotonic_ns();
	if (from > now && !vm->arm)
		vm_timer_start(vm, &vm->arm, QB_LOOP_LOW, from - now, leave_again);
	return from && from <= now;
}

void vm_busy(struct vm *vm)
{
	bool stopped;

	if (vm->inside++ || !vm->capture)
		return;
	if (capture_enter(vm->capture, &stopped)) {
		vm->tap_fired |= stopped;
		take(vm);
	}
}

void vm_idle(struct vm *vm)
{
	if (--vm->inside)
		return;
	if (vm->capture)
		capture_leave(vm->capture, wanted(vm));
	vm_settle(vm);
}
