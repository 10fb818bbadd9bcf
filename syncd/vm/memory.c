/* SPDX-License-Identifier: GPL-2.0-only */
/* A guest's memory is mapped, and unmapped, 16 MiB at a time: other guests wait for the loop, too. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <qb/qbloop.h>

#include "vm.h"
#include "vms.h"

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

/* ---- the end ---------------------------------------------------------------------------------------------
 */

/* What a VM, which may be gone by now, had mapped. */
struct unmapping {
	struct unmapping *next;
	struct daemon *d;
	struct ram *ram[2];
	void *arg; /* of both */
	qb_loop_timer_handle timer;
};

static void unmap_rest(struct unmapping *u)
{
	for (struct unmapping **p = &u->d->unmapping; *p; p = &(*p)->next)
		if (*p == u) {
			*p = u->next;
			break;
		}
	ram_close(u->ram[0]);
	ram_close(u->ram[1]);
	ram_xen_close(u->arg);
	free(u);
}

static void unmap_more(void *arg)
{
	struct unmapping *u = arg;
	bool more = false;

	for (unsigned int i = 0; i < 2 && !more; i++)
		more = u->ram[i] && ram_unmap_some(u->ram[i]);
	if (!more || qb_loop_timer_add(u->d->loop, QB_LOOP_LOW, 0, u, unmap_more, &u->timer))
		unmap_rest(u);
}

void vm_ram_drop(struct vm *vm)
{
	struct unmapping *u = vm->ram_arg ? malloc(sizeof(*u)) : NULL;

	vm_timer_stop(vm, &vm->ram_timer);
	vm->ram_ready = NULL;
	if (u) {
		*u = (struct unmapping){ .next = vm->d->unmapping,
					 .d = vm->d,
					 .ram = { vm->ram_new, vm->ram },
					 .arg = vm->ram_arg };
		vm->d->unmapping = u;
		if (qb_loop_timer_add(vm->d->loop, QB_LOOP_LOW, 0, u, unmap_more, &u->timer))
			unmap_rest(u);
	} else if (vm->ram_arg) {
		ram_close(vm->ram_new);
		ram_close(vm->ram);
		ram_xen_close(vm->ram_arg);
	}
	vm->ram = vm->ram_new = NULL;
	vm->ram_arg = NULL;
}

void vms_unmap_all(struct daemon *d)
{
	while (d->unmapping) {
		qb_loop_timer_del(d->loop, d->unmapping->timer);
		unmap_rest(d->unmapping);
	}
}
