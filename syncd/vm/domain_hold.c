/* SPDX-License-Identifier: GPL-2.0-only */
/* The hold of the VM's domain in the hypervisor. */
#include "hvop.h"
#include "vm.h"

/*
 * Incarnations are random, so a guest that began anew may have a smaller number than the one that the domain
 * was held for: what Xen compares is the largest that was held.
 */
int vm_domain_hold(struct vm *vm, uint64_t g)
{
	if (g > vm->mem->hold_g)
		vm->mem->hold_g = g;
	return hvop_hold(vm->d->hv, vm->domid, vm->mem->hold_g);
}

int vm_domain_run(struct vm *vm)
{
	return hvop_run(vm->d->hv, vm->domid, vm->mem->hold_g);
}
