/* SPDX-License-Identifier: GPL-2.0-only */
/* A guest's memory is mapped 16 MiB at a time: other guests wait for the loop, too. */
#include <errno.h>
#include <string.h>

#include "vm.h"

static int begin_mapping(struct vm *vm)
{
	struct gfn_range r[RAM_MAX_RANGES];
	unsigned int nr = ram_pvh_ranges(vm->rec.memory_kb, r);
	int rc = vm->ram_arg ? 0 : ram_xen_open(vm->domid, &vm->ram_ops, &vm->ram_arg);

	return rc ? rc : ram_open(vm->ram_ops, vm->ram_arg, r, nr, &vm->ram_new);
}

/* 1: there is more to do. */
static int map_some(struct vm *vm)
{
	int rc = ram_map_some(vm->ram_new);

	if (rc == 1)
		return 1;
	if (rc)
		ram_close(vm->ram_new);
	else
		vm->ram = vm->ram_new;
	vm->ram_new = NULL;
	vm_timer_stop(vm, &vm->ram_timer);
	return rc;
}

static int mapped(struct vm *vm, int rc)
{
	if (rc)
		kem_vm_err(vm->rec.name, "cannot map the memory of domain %u: %s", vm->domid, strerror(-rc));
	return rc;
}

static void map_more(void *arg)
{
	struct vm *vm = arg;
	void (*fn)(struct vm * vm, int err) = vm->ram_ready;
	int rc;

	vm->ram_timer = 0;
	rc = vm->ram_new ? map_some(vm) : 0;
	if (rc == 1) {
		rc = vm_timer_start(vm, &vm->ram_timer, QB_LOOP_LOW, vm->ram_pause_ns, map_more);
		if (!rc)
			return;
	}
	vm->ram_ready = NULL;
	mapped(vm, rc);
	if (fn)
		fn(vm, rc);
}

int vm_ram_begin(struct vm *vm, uint64_t pause_ns, void (*fn)(struct vm *vm, int err))
{
	int rc = vm->ram || vm->ram_new ? 0 : begin_mapping(vm);

	vm->ram_pause_ns = pause_ns;
	if (fn)
		vm->ram_ready = fn;
	if (!rc)
		rc = vm_timer_start(vm, &vm->ram_timer, QB_LOOP_LOW, pause_ns, map_more);
	return mapped(vm, rc);
}

int vm_ram_open(struct vm *vm)
{
	int rc = vm->ram || vm->ram_new ? 0 : begin_mapping(vm);

	vm_timer_stop(vm, &vm->ram_timer);
	vm->ram_ready = NULL;
	while (rc >= 0 && vm->ram_new)
		rc = map_some(vm);
	return mapped(vm, rc);
}
