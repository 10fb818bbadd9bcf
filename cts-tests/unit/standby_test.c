/* SPDX-License-Identifier: GPL-2.0-only */
/* What becomes of a guest's domain when it is another host's, or nobody's.  Fake: Xen and the VM's room. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "apply/promote.h"
#include "capture/capture.h"
#include "capture/dirtylog.h"
#include "hvop.h"
#include "vm/vm.h"

#include "standins.h"

#define G 7

static struct {
	struct daemon d;
	struct vm vm;
	struct vm_mem mem;
	unsigned int held, disconnected, captures_closed, mapped, runs, boots;
} w;

/* ---- the VM's room and the hypervisor -------------------------------------------------------------------
 */

int vm_domain_hold(struct vm *vm, uint64_t g)
{
	assert_int_equal(g, G);
	w.held++;
	return 0;
}

int vm_domain_run(struct vm *vm)
{
	w.runs++;
	return 0;
}

int vm_guest_unpause_all(struct vm *vm)
{
	return 0;
}

int vm_boot(struct vm *vm)
{
	w.boots++;
	return 0;
}

void vm_devices_disconnect(struct vm *vm)
{
	w.disconnected++;
}

void vm_capture_close(struct vm *vm, bool keep)
{
	w.captures_closed++;
}

/* As far as the tests go. */
int vm_ram_open(struct vm *vm)
{
	w.mapped++;
	return -ENOMEM;
}

void vm_tell(struct vm *vm, const char *fmt, ...)
{
}

void vm_devices_thaw(struct vm *vm)
{
}

void vm_devices_passivate(struct vm *vm)
{
}

/* Nothing of these is to happen. */
NEVER(hvop_state_check(const void *blob, uint32_t size), int)
NEVER(hvop_kick(struct hvop *h, uint32_t domid, uint32_t port), int)
NEVER(promote_image(const struct promote_cfg *cfg), int)
NEVER(vm_devices_reconnect(struct vm *vm), int)
NEVER(vm_devices_promote(struct vm *vm), int)
NEVER(vm_capture_open(struct vm *vm, bool promoted), int)
NEVER(vm_tree_open(struct vm *vm), int)
NEVER_VOID(capture_forget(struct capture *c))
NEVER_VOID(dirtylog_off(struct hvop *hv, struct xc_interface_core *xc, uint32_t domid))
NEVER(link_apply_all(struct vm *vm), int)
NEVER(vm_helper_run(struct vm *vm, const char *command, bool tied, unsigned int ms, domain_helper_fn fn), int)
NEVER(vm_timer_start(struct vm *vm, uint64_t *t, enum qb_loop_priority p, uint64_t ns, void (*fn)(void *vm)),
      int)
NEVER_VOID(vm_timer_stop(struct vm *vm, uint64_t *timer))
NEVER_VOID(vm_devices_announce(struct vm *vm))
NEVER_VOID(vm_devices_mirror(struct vm *vm))
NOTHING(vm_devices_forget_end(struct vm *vm))
NEVER_VOID(vm_event(struct vm *vm, const struct engine_event *ev))
NEVER_VOID(link_attach(struct vm *vm))

/* ---- the tests ------------------------------------------------------------------------------------------
 */

/* The guest ran here as the generation before. */
static int setup(void **state)
{
	memset(&w, 0, sizeof(w));
	w.vm.d = &w.d;
	w.vm.mem = &w.mem;
	w.vm.domid = 9;
	w.vm.guest = (struct guest *)&w;
	w.mem.running_g = G - 1;
	return 0;
}

static void expect_let_go(void)
{
	assert_int_equal(w.held, 1);
	assert_int_equal(w.disconnected, 1);
	assert_int_equal(w.captures_closed, 1);
	assert_int_equal(w.mem.running_g, 0);
}

static void the_memory_of_a_former_primary_becomes_the_image(void **state)
{
	w.vm.engine.p.role = ENGINE_COPY;
	assert_int_equal(vm_hold(&w.vm, G), -ENOMEM);
	expect_let_go();
	assert_int_equal(w.mapped, 1);
}

/* `kemari forget`: mapping takes seconds, in which no other guest has the loop. */
static void a_guest_that_is_forgotten_has_no_memory_mapped(void **state)
{
	w.vm.engine.p.role = ENGINE_NONE;
	assert_int_equal(vm_hold(&w.vm, G), 0);
	expect_let_go();
	assert_int_equal(w.mapped, 0);
}

static void a_shell_is_held_as_it_is(void **state)
{
	w.vm.engine.p.role = ENGINE_COPY;
	w.mem.running_g = 0;
	assert_int_equal(vm_hold(&w.vm, G), 0);
	assert_int_equal(w.held, 1);
	assert_int_equal(w.disconnected + w.mapped, 0);
}

/* Its copy was dropped, and the other host is off: what is in its memory is old. */
static void the_domain_of_a_former_primary_is_not_the_one_that_boots(void **state)
{
	w.vm.engine.p.role = ENGINE_COPY;
	vm_hold(&w.vm, G);
	w.vm.engine.p.role = ENGINE_OWNER;
	assert_int_equal(vm_run(&w.vm, G, 0), 0);
	assert_int_equal(w.boots, 1);
	assert_int_equal(w.runs, 0);
}

static void a_domain_that_was_made_to_boot_does(void **state)
{
	w.mem.running_g = 0;
	assert_int_equal(vm_run(&w.vm, G, 0), 0);
	assert_int_equal(w.boots, 0);
	assert_int_equal(w.runs, 1);
	assert_int_equal(w.mem.running_g, G);
}

static void the_domain_of_a_guest_that_runs_is_no_shell(void **state)
{
	w.mem.is_shell = 1;
	w.mem.running_g = G;
	assert_int_equal(vm_run(&w.vm, G, 1), 0);
	assert_int_equal(w.runs, 1);
	assert_int_equal(w.mem.is_shell, 0);
}

#define TEST(name) cmocka_unit_test_setup(name, setup)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_memory_of_a_former_primary_becomes_the_image),
		TEST(a_guest_that_is_forgotten_has_no_memory_mapped),
		TEST(a_shell_is_held_as_it_is),
		TEST(the_domain_of_a_former_primary_is_not_the_one_that_boots),
		TEST(a_domain_that_was_made_to_boot_does),
		TEST(the_domain_of_a_guest_that_runs_is_no_shell),
	};

	return cmocka_run_group_tests_name("standby", tests, NULL, NULL);
}
