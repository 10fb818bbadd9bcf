/* SPDX-License-Identifier: GPL-2.0-only */
/* Whose domain is destroyed, and that a destruction under way is not cut off. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <xenctrl.h>

#include "vm/link.h"
#include "vm/resource.h"
#include "vm/vm.h"
#include "vm/vms.h"

#include "standins.h"

#define DOMID 9

static struct {
	struct daemon d;
	struct vm vm;
	struct vm_mem mem;
	void (*timer)(void *vm);
	unsigned int freed, cancelled;
	bool ended, owes; /* the guest; to its disks */
	int helper_rc;
	char destroyed[16];	 /* by a helper of no VM: the domid, "": none */
	domain_helper_fn helper; /* of the VM: its result goes there; NULL: it does not run */
	domain_helper_fn other;	 /* of no VM, and its argument */
	void *arg;
} w;

/* ---- the VM's room and kemari-domain --------------------------------------------------------------------
 */

int domain_helper_run(qb_loop_t *loop, const char *path, const char *const argv[], const char *input,
		      unsigned int timeout_ms, domain_helper_fn fn, void *arg, struct domain_helper **out)
{
	assert_string_equal(argv[0], "destroy");
	assert_string_equal(argv[3], "--domid");
	assert_string_equal(input, "record");
	snprintf(w.destroyed, sizeof(w.destroyed), "%s", argv[4]);
	w.other = fn;
	w.arg = arg;
	return w.helper_rc;
}

int vm_helper_run(struct vm *vm, const char *command, bool tied, unsigned int timeout_ms, domain_helper_fn fn)
{
	assert_string_equal(command, "destroy");
	w.helper = fn;
	vm->helper = (struct domain_helper *)&w;
	return 0;
}

void domain_helper_cancel(struct domain_helper *h)
{
	w.cancelled += h != NULL;
}

/* as end() of vm.c */
void vm_free(struct vm *vm)
{
	w.freed++;
	domain_helper_cancel(vm->helper);
	vm->helper = NULL;
}

void vm_event(struct vm *vm, const struct engine_event *ev)
{
	assert_int_equal(ev->type, ENGINE_EV_GUEST_DEAD);
	if (vm->ending)
		vm_free(vm); /* nothing of it is anywhere */
}

int vm_timer_start(struct vm *vm, uint64_t *timer, enum qb_loop_priority p, uint64_t ns, void (*fn)(void *vm))
{
	*timer = 1;
	w.timer = fn;
	return 0;
}

void vm_domain_close(struct vm *vm)
{
	vm->guest = NULL;
}

bool vm_request_waits(const struct vm *vm, enum control_op op)
{
	return false;
}

bool vm_domain_info(const struct vm *vm, struct xc_dominfo *info)
{
	*info = (struct xc_dominfo){ .shutdown = w.ended, .shutdown_reason = SHUTDOWN_poweroff };
	return w.ended;
}

bool vm_domain_is_down(const struct xc_dominfo *info)
{
	return info->shutdown;
}

bool vm_devices_owe(const struct vm *vm)
{
	return w.owes;
}

/* Done, or nobody's question here. */
NOTHING(vm_tell(struct vm *vm, const char *fmt, ...))
NOTHING(vm_forget_done(struct vm *vm, const char *error))
NOTHING(vm_capture_close(struct vm *vm, bool keep))
NOTHING(vm_devices_close(struct vm *vm))
NOTHING(vm_devices_stopped_by_toolstack(struct vm *vm))
NOTHING(vm_standby_close(struct vm *vm))
NOTHING(vm_event_type(struct vm *vm, enum engine_event_type type))
NOTHING(link_close(struct vm *vm))
NOTHING(link_offer(struct vm *vm))
NOTHING(resource_rebooted(struct vm *vm))
NOTHING(link_reconnect_later(struct vm *vm))
NOTHING(vms_look_beside(void *arg))

ZERO(link_up(const struct vm *vm), bool)
ZERO(resource_wants_to_run(const struct vm *vm), bool)
ZERO(vm_shell_in_the_making(const struct vm *vm), bool)
ZERO(vm_domain_make(struct vm *vm, bool shell, void (*ready)(struct vm *vm, int err, const char *why)), int)
ZERO(vm_run(struct vm *vm, uint64_t g, uint64_t epoch), int)
ZERO(vm_incarnation(void), uint64_t)

/* ---- the tests ------------------------------------------------------------------------------------------
 */

/* A shell that nobody wants, its domain made. */
static int setup(void **state)
{
	memset(&w, 0, sizeof(w));
	w.vm.d = &w.d;
	w.vm.mem = &w.mem;
	w.vm.domid = DOMID;
	w.vm.guest = (struct guest *)&w;
	strcpy(w.mem.record, "record");
	return 0;
}

static int teardown(void **state)
{
	vms_forget_going(&w.d);
	return 0;
}

static void a_shell_that_nobody_wants_goes_with_its_domain(void **state)
{
	vm_shell_waits(&w.vm);
	w.timer(&w.vm);
	assert_int_equal(w.freed, 1);
	assert_string_equal(w.destroyed, "9");
}

/* `kemari forget`; the timer was set before, or when it closed the link. */
static void a_destruction_under_way_goes_on_when_the_shells_time_is_over(void **state)
{
	vm_shell_waits(&w.vm);
	vm_destroy(&w.vm);
	assert_null(w.vm.guest);
	w.timer(&w.vm);
	assert_int_equal(w.freed + w.cancelled, 0);
	w.helper(&w.vm, 0, "{}", NULL);
	assert_int_equal(w.freed, 1);
	assert_string_equal(w.destroyed, "");
}

static void who_frees_a_vm_under_destruction_has_its_domain_destroyed(void **state)
{
	vm_destroy(&w.vm);
	vm_free_shell(&w.vm);
	assert_int_equal(w.cancelled, 1);
	assert_string_equal(w.destroyed, "9");
}

static void a_vm_whose_domain_is_gone_takes_no_other_along(void **state)
{
	vm_destroy(&w.vm);
	w.vm.helper = NULL;
	w.vm.domid = 0; /* as when it is destroyed */
	vm_free_shell(&w.vm);
	assert_string_equal(w.destroyed, "");
}

static void a_vm_without_a_domain_has_none_destroyed(void **state)
{
	w.vm.guest = NULL;
	vm_free_shell(&w.vm);
	assert_int_equal(w.freed, 1);
	assert_string_equal(w.destroyed, "");
}

/* Its epochs go on meanwhile, and so do its outputs. */
static void a_guest_that_ended_is_destroyed_when_its_disks_have_all(void **state)
{
	w.vm.engine.p.role = ENGINE_OWNER;
	w.ended = w.owes = true;
	vm_check_death(&w.vm);
	vm_check_death(&w.vm);
	assert_true(w.vm.drains);
	assert_false(w.vm.dead_seen);
	assert_null(w.helper);
	w.owes = false;
	vm_drained(&w.vm);
	assert_true(w.vm.dead_seen);
	assert_non_null(w.helper);
}

static void the_domain_of_a_copy_has_no_end_of_its_own(void **state)
{
	w.vm.engine.p.role = ENGINE_COPY;
	w.ended = true;
	vm_check_death(&w.vm);
	assert_false(w.vm.dead_seen);
	assert_null(w.helper);
}

/* It is nobody's question until then: what is held or dead runs nothing. */
static void a_domain_without_a_vm_is_about_to_go_until_it_is_gone(void **state)
{
	assert_false(vms_is_going(&w.d, DOMID));
	vm_free_shell(&w.vm);
	assert_true(vms_is_going(&w.d, DOMID));
	assert_false(vms_is_going(&w.d, DOMID + 1));
	w.other(w.arg, 0, NULL, NULL);
	assert_false(vms_is_going(&w.d, DOMID));
}

static void one_that_nobody_destroys_stays(void **state)
{
	w.helper_rc = -ENOMEM;
	vm_free_shell(&w.vm);
	assert_false(vms_is_going(&w.d, DOMID));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_shell_that_nobody_wants_goes_with_its_domain),
		TEST(a_destruction_under_way_goes_on_when_the_shells_time_is_over),
		TEST(who_frees_a_vm_under_destruction_has_its_domain_destroyed),
		TEST(a_vm_whose_domain_is_gone_takes_no_other_along),
		TEST(a_vm_without_a_domain_has_none_destroyed),
		TEST(a_guest_that_ended_is_destroyed_when_its_disks_have_all),
		TEST(the_domain_of_a_copy_has_no_end_of_its_own),
		TEST(a_domain_without_a_vm_is_about_to_go_until_it_is_gone),
		TEST(one_that_nobody_destroys_stays),
	};

	return cmocka_run_group_tests_name("death", tests, NULL, NULL);
}
