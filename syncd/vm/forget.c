/* SPDX-License-Identifier: GPL-2.0-only */
/* kemari forget: a parked copy or a held guest that is not needed any more (ownership.md 14). */
#include <errno.h>
#include <stdio.h>

#include "resource.h"
#include "vm.h"

#define TEXT 512

static const char *peer_of(const struct vm *vm)
{
	return vm->mem->peer[0] ? vm->mem->peer : "the other host";
}

/* What no word of the operator changes.  True: it was answered. */
static bool in_use(struct vm *vm, struct control_client *c)
{
	const enum engine_role role = engine_role(&vm->engine);
	char why[TEXT], fix[TEXT];

	if (role == ENGINE_OWNER) {
		control_fail(c, EBUSY, "the guest runs here: it is no copy",
			     "to end it shut it down, or have the cluster manager stop it");
		return true;
	}
	if (role == ENGINE_HELD && resource_started(vm->d, vm->rec.name)) {
		control_fail(c, EBUSY,
			     "the guest is held here, and the cluster manager is about to promote it",
			     "crm_mon -1A shows it; stop its resource first: crm resource stop, pcs resource "
			     "disable");
		return true;
	}
	if (role < ENGINE_HELD && link_up(vm)) {
		snprintf(why, sizeof(why), "%s keeps its copy here up to date: it is in use", peer_of(vm));
		snprintf(fix, sizeof(fix), "to go on without one: kemari unprotect %s, on %s", vm->rec.name,
			 peer_of(vm));
		control_fail(c, EBUSY, why, fix);
		return true;
	}
	if (!vm->ready && !vm->dead_seen)
		return false;
	control_fail(c, EBUSY, "its domain is being made or destroyed", "try again in a moment");
	return true;
}

void vm_forget(struct vm *vm, struct control_client *c, bool last_copy)
{
	struct engine_event ev = { .type = ENGINE_EV_FORGET,
				   .flag = last_copy,
				   .incarnation = vm_incarnation() };

	if (in_use(vm, c))
		return;
	if (last_copy)
		vm_tell(vm, "an operator wants it forgotten, though it may be the last valid copy");
	vm_command(vm, c, CONTROL_FORGET, ev);
}

static void refuse_last(struct vm *vm)
{
	char why[TEXT], fix[TEXT];

	if (engine_role(&vm->engine) == ENGINE_HELD) {
		snprintf(why, sizeof(why), "the guest itself is here, held");
		snprintf(fix, sizeof(fix),
			 "if it is not wanted any more: kemari forget %s --last-copy; what it has in memory "
			 "is lost "
			 "then",
			 vm->rec.name);
	} else {
		snprintf(why, sizeof(why),
			 "this may be the last valid copy: %s does not say that it runs the guest",
			 peer_of(vm));
		snprintf(fix, sizeof(fix),
			 "look there (kemari status): if the guest runs there, or is not wanted any more, "
			 "kemari forget "
			 "%s --last-copy; what is only here is lost then",
			 vm->rec.name);
	}
	vm_request_fail(vm, CONTROL_FORGET, EBUSY, why, fix);
}

void vm_forget_result(struct vm *vm, enum engine_result result)
{
	const bool held = engine_role(&vm->engine) == ENGINE_HELD;
	char fix[TEXT];

	if (result == ENGINE_RES_OK && vm->dead_seen) {
		vm_forget_done(vm,
			       NULL); /* its domain has just vanished, and the rest of it goes with that */
		return;
	}
	if (result == ENGINE_RES_OK) {
		vm->forget = true; /* when the engine's list is done */
		return;
	}
	if (result == ENGINE_RES_LAST_COPY) {
		refuse_last(vm);
		return;
	}
	snprintf(fix, sizeof(fix), "kemari status %s shows what it is now; try again in a moment",
		 vm->rec.name);
	vm_request_fail(vm, CONTROL_FORGET, EBUSY,
			result == ENGINE_RES_BUSY && held ? "the guest is held here, and something of it is "
							    "under way: a disk request, its last epoch"
							  : engine_result_text(result),
			fix);
}

void vm_forgotten(struct vm *vm)
{
	vm->forget = false;
	link_close(vm);
	if (!vm->guest) {
		vm_forget_done(vm, NULL);
		vm_free(vm);
		return;
	}
	vm_standby_close(vm);
	vm_destroy(vm);
}

void vm_forget_done(struct vm *vm, const char *error)
{
	char why[TEXT], fix[TEXT];

	if (!error) {
		vm_request_done_with(vm, CONTROL_FORGET,
				     json_pack("{s:s}", "text", "Nothing of it is here any more."));
		return;
	}
	snprintf(why, sizeof(why),
		 "it is forgotten, but its domain %u, which never runs again, cannot be destroyed: %s",
		 vm->domid, error);
	snprintf(fix, sizeof(fix), "xl destroy %u", vm->domid);
	vm_request_fail(vm, CONTROL_FORGET, EIO, why, fix);
}
