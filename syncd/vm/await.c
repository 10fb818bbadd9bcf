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
	if (!vm || !link_greeted(vm))
		return !a->greeted && now < a->greet_by;
	a->greeted = true;
	return true;
}

static bool is_time(struct await *a, uint64_t now)
{
	if (now < a->ask_after)
		return false;
	a->ask_after = now + ASK_NS;
	return true;
}

bool await_asks(struct await *a, const struct vm *vm, uint64_t now)
{
	bool copy = vm && engine_role(&vm->engine) == ENGINE_COPY;

	if (copy && !a->copy)
		a->ask_after = now;
	a->copy = copy;
	if (!vm || !link_greeted(vm))
		/* a peer that lives says that it holds it, and that is the end; a dead one says nothing */
		return (a->greeted || now >= a->greet_by) && is_time(a, now);
	a->greeted = true;
	return (copy || link_up(vm)) && is_time(a, now);
}
