/* SPDX-License-Identifier: GPL-2.0-only */
/* The hold of a domain, against what the hypervisor accepts (xen/kemari.h). */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "hvop.h"
#include "vm/vm.h"

static struct {
	struct daemon d;
	struct vm vm;
	struct vm_mem mem;
	uint64_t held; /* by Xen, for this generation; 0: it is not */
} w;

int hvop_hold(struct hvop *h, uint32_t domid, uint64_t g)
{
	if (g < w.held)
		return -EEXIST;
	w.held = g;
	return 0;
}

int hvop_run(struct hvop *h, uint32_t domid, uint64_t g)
{
	if (!w.held)
		return -ENOENT;
	if (g != w.held)
		return -EPERM;
	w.held = 0;
	return 0;
}

static int setup(void **state)
{
	memset(&w, 0, sizeof(w));
	w.vm.d = &w.d;
	w.vm.mem = &w.mem;
	return 0;
}

/* It began anew on the other host, and incarnations are random. */
static void a_guest_of_a_smaller_incarnation_runs_in_the_domain_of_the_one_before(void **state)
{
	assert_int_equal(vm_domain_hold(&w.vm, ENGINE_G(9) + 1), 0);
	assert_int_equal(vm_domain_hold(&w.vm, ENGINE_G(4) + 2), 0);
	assert_int_equal(vm_domain_run(&w.vm), 0);
	assert_int_equal(vm_domain_hold(&w.vm, ENGINE_G(4) + 3), 0);
	assert_int_equal(vm_domain_run(&w.vm), 0);
}

/* The memory file outlives it. */
static void the_next_daemon_runs_what_this_one_held(void **state)
{
	assert_int_equal(vm_domain_hold(&w.vm, ENGINE_G(9) + 1), 0);
	assert_int_equal(vm_domain_hold(&w.vm, ENGINE_G(4) + 2), 0);
	w.vm = (struct vm){ .d = &w.d, .mem = &w.mem };
	assert_int_equal(vm_domain_hold(&w.vm, ENGINE_G(4) + 2), 0);
	assert_int_equal(vm_domain_run(&w.vm), 0);
}

/* It died between its memory and Xen. */
static void a_hold_that_xen_was_not_told_of_is_told_with_the_next(void **state)
{
	assert_int_equal(vm_domain_hold(&w.vm, ENGINE_G(4)), 0);
	w.mem.hold_g = ENGINE_G(4) + 1;
	assert_int_equal(vm_domain_hold(&w.vm, ENGINE_G(4)), 0);
	assert_int_equal(vm_domain_run(&w.vm), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(a_guest_of_a_smaller_incarnation_runs_in_the_domain_of_the_one_before,
				       setup),
		cmocka_unit_test_setup(the_next_daemon_runs_what_this_one_held, setup),
		cmocka_unit_test_setup(a_hold_that_xen_was_not_told_of_is_told_with_the_next, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
