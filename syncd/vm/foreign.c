/* SPDX-License-Identifier: GPL-2.0-only */
/* Domains of a VM that are not Kemari's: made by xl, by hand or by xendomains (doc/ownership.md 15). */
#include <errno.h>
#include <string.h>

#include <xenctrl.h>

#include "vm.h"
#include "vms.h"

bool vms_domain_of(struct daemon *d, const uint8_t uuid[16], uint32_t domid)
{
	xc_dominfo_t info[64];
	uint32_t first = 1;
	int n;

	while ((n = xc_domain_getinfo(d->xc, first, 64, info)) > 0) {
		for (int i = 0; i < n; i++)
			if (info[i].domid != domid && !info[i].dying && !memcmp(info[i].handle, uuid, 16) &&
			    !vms_is_going(d, info[i].domid))
				return true;
		first = info[n - 1].domid + 1;
	}
	return n < 0 && errno != ESRCH; /* that: no domain with a higher number */
}

void vm_look_for_foreign(struct vm *vm)
{
	struct engine_event ev = { .type = ENGINE_EV_FOREIGN_DOMAIN };

	if (engine_role(&vm->engine) != ENGINE_NONE)
		return;
	/* what is being made for `kemari create` is not the engine's yet, and soon runs */
	ev.flag = vm->creation || vms_domain_of(vm->d, vm->rec.uuid, vm->domid);
	if (ev.flag == vm->foreign)
		return;
	vm->foreign = ev.flag;
	if (ev.flag && !vm->creation)
		vm_tell(vm, "Xen has a domain of it that is not Kemari's: destroy it first");
	vm_event(vm, &ev);
}

/* Nothing here can keep it from running, and both use the same disk: somebody has to know. */
static void look_beside(struct vm *vm)
{
	bool beside =
		engine_role(&vm->engine) != ENGINE_NONE && vms_domain_of(vm->d, vm->rec.uuid, vm->domid);

	if (beside == vm->beside)
		return;
	vm->beside = beside;
	vm_tell(vm, beside ? VM_BESIDE : "Xen has no other domain of it any more");
	if (beside)
		kem_vm_err(vm->rec.name, VM_BESIDE);
}

void vms_look_beside(void *arg)
{
	struct daemon *d = arg;

	for (struct vm *vm = d->vms, *next; vm; vm = next) {
		next = vm->next;
		look_beside(vm);
		vm_look_for_foreign(vm); /* the VM may be gone afterwards */
	}
}
