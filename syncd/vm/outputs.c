/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a guest lets out, and what it was told is done: a disk's owed flush keeps back what others would hear
 * of the guest after it (syncd/block/owed.c).
 */
#include "monotonic.h"
#include "vm/vm.h"

/* What others hear of the guest rests on what its disks have, not the other way round. */
static bool is_heard(const struct device *dev)
{
	return !dev->ops->durable;
}

static uint64_t durable(const struct vm *vm)
{
	uint64_t epoch = UINT64_MAX;

	for (unsigned int i = 0; i < vm->nr_devices; i++) {
		const struct device *dev = vm->device[i].dev;
		uint64_t d = is_heard(dev) ? UINT64_MAX : dev->ops->durable(dev);

		epoch = d < epoch ? d : epoch;
	}
	return epoch;
}

bool vm_outputs_must_hold(const struct vm *vm, const struct device *dev)
{
	return engine_must_hold(&vm->engine) || (is_heard(dev) && durable(vm) != UINT64_MAX);
}

static void release_heard(struct vm *vm)
{
	uint64_t epoch = engine_must_hold(&vm->engine) ? engine_committed(&vm->engine) : UINT64_MAX;
	uint64_t limit = durable(vm);

	if (limit < epoch)
		epoch = limit;
	for (unsigned int i = 0; i < vm->nr_devices; i++)
		if (is_heard(vm->device[i].dev))
			vm->device[i].dev->ops->release(vm->device[i].dev, epoch);
}

void vm_devices_release(struct vm *vm, uint64_t epoch)
{
	for (unsigned int i = 0; i < vm->nr_devices; i++) {
		struct device *dev = vm->device[i].dev;

		if (!is_heard(dev))
			dev->ops->release(dev, epoch);
	}
	release_heard(vm);
	recent_released(&vm->recent, epoch, monotonic_ns());
}

bool vm_device_owes(const struct vm_device *vd)
{
	return vd->dev->ops->owes && vd->dev->ops->owes(vd->dev);
}

bool vm_devices_owe(const struct vm *vm)
{
	for (unsigned int i = 0; i < vm->nr_devices; i++)
		if (vm_device_owes(&vm->device[i]))
			return true;
	return false;
}

/* Whoever goes on from the copy brings it to its end. */
void vm_devices_forget_end(struct vm *vm)
{
	vm->drains = false;
	later_cancel(&vm->drained);
	for (unsigned int i = 0; i < vm->nr_devices; i++) {
		vm->device[i].closing = false;
		later_cancel(&vm->device[i].stop);
	}
}

void vm_outputs_settled(struct vm *vm)
{
	if (vm->run_failed) /* of an image that did not start nothing may leave */
		return;
	release_heard(vm);
	if (vm->drains && !vm_devices_owe(vm))
		later_add(vm->d->later, &vm->drained);
}
