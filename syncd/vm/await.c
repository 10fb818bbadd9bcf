/* SPDX-License-Identifier: GPL-2.0-only */
#include "await.h"

#include "vm.h"

/* A peer whose connection failed makes the next one a second later (link.c). */
#define GREET_NS 3000000000ULL
/* How often the peer is asked whether it still holds the guest. */
#define ASK_NS 1000000000ULL

/* A session is with an owner; a shell in the making is for one, and greets it when it is there. */
static bool link_greeted(const struct vm *vm)
{
	return link_up(vm) || (vm->link && vm_shell_in_the_making(vm));
}

bool await_held(struct await *a, const struct vm *vm, uint64_t now)
{
	if (!a->on)
		*a = (struct await){ .on = true, .greet_by = now + GREET_NS, .ask_after = now + ASK_NS };
	if (!link_greeted(vm))
		return !a->greeted;
	a->greeted = true;
	return true;
}

static enum await_step ask(struct await *a, uint64_t now)
{
	if (now < a->ask_after)
		return AWAIT_WAIT;
	a->ask_after = now + ASK_NS;
	return AWAIT_ASK;
}

enum await_step await_look(struct await *a, const struct vm *vm, uint64_t now)
{
	bool copy = vm && engine_role(&vm->engine) == ENGINE_COPY;

	if (copy && !a->copy)
		a->ask_after = now;
	a->copy = copy;
	if (!vm || !link_greeted(vm)) {
		if (!a->greeted)
			return now < a->greet_by ? AWAIT_WAIT : AWAIT_OVER;
		return vm ? ask(a, now) : AWAIT_OVER; /* a peer that lives says that it holds it; a dead one
							 nothing */
	}
	a->greeted = true;
	return copy || link_up(vm) ? ask(a, now) : AWAIT_WAIT;
}
