/* SPDX-License-Identifier: GPL-2.0-only */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "domain/cpu.h"

static char why[256];

/* As Xen hands one out: its own leaves between the basic and the extended ones. */
static struct cpu_policy a_policy(void)
{
	struct cpu_policy p = {
		.nr_leaves = 9,
		.nr_msrs = 2,
		.leaf = { { 0x0, CPU_NO_SUBLEAF, 0xd, 0x756e6547, 0x6c65746e, 0x49656e69 },
			  { 0x1, CPU_NO_SUBLEAF, 0x306c3, 0x00100800, 0x76fa3203, 0x0f8bfbff },
			  { 0x7, 0, 0, 0x000027ab, 0, 0x9c000400 },
			  { 0xb, 0, 1, 2, 0x100, 0 },
			  { 0xd, 0, 7, 0x340, 0x340, 0 },
			  { 0xd, 1, 1, 0, 0, 0 },
			  { 0x40000000, CPU_NO_SUBLEAF, 5, 0, 0, 0 },
			  { 0x40000100, CPU_NO_SUBLEAF, 0, 0, 0, 0 },
			  { 0x80000001, CPU_NO_SUBLEAF, 0, 0, 0x21, 0x28100800 } },
		.msr = { { 0x10a, 0x2b }, { 0xce, 0x80000000 } },
	};

	return p;
}

static int compare(struct cpu_policy a, struct cpu_policy b)
{
	cpu_policy_settle(&a);
	cpu_policy_settle(&b);
	why[0] = '\0';
	return cpu_policy_compare(&a, &b, why, sizeof(why));
}

static void equal_policies_are_equal_in_any_order(void **state)
{
	struct cpu_policy a = a_policy(), b = a;
	struct cpu_leaf l = b.leaf[0];
	struct cpu_msr m = b.msr[0];

	b.leaf[0] = b.leaf[8];
	b.leaf[8] = l;
	b.msr[0] = b.msr[1];
	b.msr[1] = m;
	assert_int_equal(compare(a, b), 0);
}

static void what_changes_while_a_guest_runs_is_not_compared(void **state)
{
	struct cpu_policy a = a_policy(), b = a;

	b.leaf[1].ebx |= 0x06000000; /* APIC id */
	b.leaf[1].ecx ^= 1U << 27;   /* OSXSAVE */
	b.leaf[2].ecx ^= 1U << 4;    /* OSPKE */
	b.leaf[3].edx = 6;	     /* x2APIC id */
	b.leaf[4].ebx = 0x240;	     /* XSAVE area in use */
	b.leaf[5].ebx = 0x240;
	b.leaf[6].eax = 6; /* a newer Xen has one more leaf of its own */
	assert_int_equal(compare(a, b), 0);
}

static void the_first_difference_is_named_with_both_values(void **state)
{
	struct cpu_policy a = a_policy(), b = a;

	b.leaf[2].ebx ^= 1U << 5; /* AVX2 */
	b.leaf[8].edx = 0;
	assert_int_equal(compare(a, b), -EPROTO);
	assert_string_equal(why,
			    "the guest's CPUID leaf 0x7 subleaf 0 ebx is 0x000027ab here and 0x0000278b on "
			    "the peer");
	b = a;
	b.leaf[8].edx = 0;
	assert_int_equal(compare(a, b), -EPROTO);
	assert_string_equal(why,
			    "the guest's CPUID leaf 0x80000001 edx is 0x28100800 here and 0x00000000 on the "
			    "peer");
	b = a;
	b.leaf[1].ecx ^= 1; /* beside bits that are not compared */
	assert_int_equal(compare(a, b), -EPROTO);
	assert_non_null(strstr(why, "leaf 0x1 ecx is 0x76fa3203"));
}

static void a_leaf_that_one_side_lacks_is_named(void **state)
{
	struct cpu_policy a = a_policy(), b = a;

	b.nr_leaves--;
	assert_int_equal(compare(a, b), -EPROTO);
	assert_string_equal(why, "the guest's CPUID leaf 0x80000001 exists only here");
	assert_int_equal(compare(b, a), -EPROTO);
	assert_string_equal(why, "the guest's CPUID leaf 0x80000001 exists only on the peer");
}

static void an_msr_that_differs_is_named(void **state)
{
	struct cpu_policy a = a_policy(), b = a;

	b.msr[0].value = 0xb;
	assert_int_equal(compare(a, b), -EPROTO);
	assert_string_equal(why, "the guest's MSR 0x10a is 0x2b here and 0xb on the peer");
	b = a;
	b.nr_msrs = 1; /* not listed by an older Xen: 0 */
	assert_int_equal(compare(b, a), -EPROTO);
	assert_string_equal(why, "the guest's MSR 0xce is 0x0 here and 0x80000000 on the peer");
	a.msr[1].value = 0;
	assert_int_equal(compare(b, a), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(equal_policies_are_equal_in_any_order),
		cmocka_unit_test(what_changes_while_a_guest_runs_is_not_compared),
		cmocka_unit_test(the_first_difference_is_named_with_both_values),
		cmocka_unit_test(a_leaf_that_one_side_lacks_is_named),
		cmocka_unit_test(an_msr_that_differs_is_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
