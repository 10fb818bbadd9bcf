/* SPDX-License-Identifier: GPL-2.0-or-later */
/* fencing/fence.h: "off" is said when it was read twice, and for no other reason. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "fencing/fence.h"
#include "fencing/ipmi_acpi.h"

#define SECOND 1000000000ULL
#define NEVER UINT64_MAX

/* A BMC whose host obeys after a while, and whose answers may be bad for a while. */
struct fake {
	struct bmc bmc;
	uint64_t now;
	enum bmc_power power;
	enum bmc_power until; /* what it says on the way */
	uint64_t obeys_after; /* an order */
	uint64_t changes_at;
	enum bmc_power changes_to;
	int error; /* of each look from error_from, before error_ends */
	uint64_t error_from, error_ends;
	int order_error;
	unsigned int looks, offs, ons, diags;
	uint64_t first_off_at;
	uint8_t uuid[16];
	int uuid_error;
	uint64_t uuid_error_ends; /* 0: never */
};

static struct fake fake;

static int fake_power(struct bmc *b, enum bmc_power *now)
{
	fake.looks++;
	if (fake.now >= fake.changes_at) {
		fake.power = fake.changes_to;
		fake.changes_at = NEVER;
	}
	if (fake.error && fake.now >= fake.error_from && fake.now < fake.error_ends)
		return fake.error;
	*now = fake.changes_at != NEVER ? fake.until : fake.power;
	return 0;
}

static void change(enum bmc_power to)
{
	if (fake.obeys_after == NEVER || (fake.power == to && fake.changes_at == NEVER))
		return;
	fake.changes_at = fake.now + fake.obeys_after;
	fake.changes_to = to;
}

static int fake_order(struct bmc *b, enum bmc_order what)
{
	if (what == BMC_DIAG) {
		fake.diags++;
		return fake.order_error;
	}
	if (what == BMC_TURN_OFF && !fake.offs++)
		fake.first_off_at = fake.now;
	if (what == BMC_TURN_ON)
		fake.ons++;
	if (!fake.order_error)
		change(what == BMC_TURN_OFF ? BMC_OFF : BMC_ON);
	return fake.order_error;
}

static int fake_uuid(struct bmc *b, uint8_t uuid[16])
{
	memcpy(uuid, fake.uuid, 16);
	return fake.uuid_error_ends && fake.now >= fake.uuid_error_ends ? 0 : fake.uuid_error;
}

static void fake_close(struct bmc *b)
{
}

static const struct bmc_ops fake_ops = { fake_power, fake_order, fake_uuid, fake_close };

static uint64_t fake_now(void *arg)
{
	return fake.now;
}

static void fake_sleep(void *arg, uint64_t ns)
{
	fake.now += ns;
}

static void tell(const char *what)
{
}

static struct fence f;

static int setup(void **state)
{
	fake = (struct fake){ .bmc = { .ops = &fake_ops },
			      .now = 5 * SECOND,
			      .power = BMC_ON,
			      .until = BMC_ON,
			      .obeys_after = SECOND,
			      .changes_at = NEVER };
	f = (struct fence){ .bmc = &fake.bmc,
			    .clock = { fake_now, fake_sleep, NULL },
			    .timeout_ns = 20 * SECOND,
			    .tell = tell };
	return 0;
}

static uint64_t took(uint64_t since)
{
	return fake.now - since;
}

static void off_is_ordered_and_read_twice(void **state)
{
	assert_int_equal(fence_off(&f), 0);
	assert_int_equal(fake.offs, 1);
	assert_int_equal(fake.power, BMC_OFF);
	assert_in_range(took(5 * SECOND), SECOND, SECOND + SECOND / 5);
}

static void off_already_is_success_without_an_order(void **state)
{
	fake.power = BMC_OFF;
	f.delay_ns = 10 * SECOND;
	assert_int_equal(fence_off(&f), 0);
	assert_int_equal(fake.offs, 0);
	assert_int_equal(fake.looks, 2);
	assert_in_range(took(5 * SECOND), 0, SECOND / 10);
}

static void one_off_between_two_ons_proves_nothing(void **state)
{
	/* the first answer is wrong, then the host is on and never obeys */
	fake.power = BMC_OFF;
	fake.changes_at = fake.now + 1;
	fake.changes_to = BMC_ON;
	fake.until = BMC_OFF;
	fake.obeys_after = NEVER;
	assert_int_equal(fence_off(&f), -ETIMEDOUT);
	assert_true(fake.offs > 1);
}

static void time_that_passes_proves_nothing(void **state)
{
	fake.obeys_after = NEVER;
	assert_int_equal(fence_off(&f), -ETIMEDOUT);
	assert_true(took(5 * SECOND) >= 20 * SECOND);
}

static void asleep_is_not_off(void **state)
{
	fake.power = BMC_BETWEEN;
	fake.obeys_after = NEVER;
	assert_int_equal(fence_off(&f), -ETIMEDOUT);
	assert_true(fake.offs > 0);
}

static void silence_proves_nothing(void **state)
{
	fake.error = -ETIMEDOUT;
	fake.error_ends = NEVER;
	fake.power = BMC_OFF;
	assert_int_equal(fence_off(&f), -ETIMEDOUT);
	setup(NULL);
	fake.error = -EHOSTUNREACH;
	fake.error_ends = NEVER;
	assert_int_equal(fence_off(&f), -EHOSTUNREACH);
	assert_int_equal(fake.offs, 0);
}

static void an_error_between_two_offs_is_no_second_off(void **state)
{
	fake.power = BMC_OFF;
	assert_int_equal(fake_power(&fake.bmc, &(enum bmc_power){ 0 }), 0);
	fake.error = -EBUSY;
	fake.error_ends = fake.now + 3 * SECOND;
	assert_int_equal(fence_off(&f), 0);
	assert_true(took(5 * SECOND) >= 3 * SECOND);
}

static void errors_for_a_while_are_lived_through(void **state)
{
	fake.error = -EBUSY;
	fake.error_ends = fake.now + 5 * SECOND;
	assert_int_equal(fence_off(&f), 0);
	assert_int_equal(fake.offs, 1);
}

static void a_refused_order_is_no_verdict(void **state)
{
	/* it goes off by itself in the meantime: iDRAC answers 409 then */
	fake.order_error = -EPROTO;
	fake.changes_at = fake.now + 2 * SECOND;
	fake.changes_to = BMC_OFF;
	assert_int_equal(fence_off(&f), 0);
	assert_true(fake.offs > 0);
}

static void a_refused_user_ends_it_at_once(void **state)
{
	fake.error = -EACCES;
	fake.error_ends = NEVER;
	assert_int_equal(fence_off(&f), -EACCES);
	assert_int_equal(took(5 * SECOND), 0);
}

/* A BMC may be out of sessions, or on its way down, and say that instead. */
static void a_user_who_was_known_may_be_refused_for_a_while(void **state)
{
	fake.error_from = fake.now + SECOND / 10;
	fake.error = -EACCES;
	fake.error_ends = fake.now + 2 * SECOND;
	assert_int_equal(fence_off(&f), 0);
}

static void an_order_that_is_refused_to_the_user_is_no_verdict_either(void **state)
{
	fake.order_error = -EACCES;
	fake.changes_at = fake.now + 2 * SECOND;
	fake.changes_to = BMC_OFF;
	assert_int_equal(fence_off(&f), 0);
	setup(NULL);
	fake.order_error = -EACCES;
	assert_int_equal(fence_off(&f), -EACCES); /* when the time is up */
	assert_true(took(5 * SECOND) >= f.timeout_ns);
	setup(NULL);
	fake.order_error = -EACCES;
	fake.power = BMC_OFF;
	assert_int_equal(fence_on(&f), -EACCES);
}

static void who_sleeps_is_not_off(void **state)
{
	static const uint8_t sleeps[] = { 1, 2, 3, 4, 8, 9 };
	unsigned int n = 0;

	for (unsigned int i = 0; i < sizeof(sleeps); i++)
		assert_true(ipmi_acpi_sleeps(sleeps[i]));
	for (unsigned int s = 0; s < 256; s++)
		n += ipmi_acpi_sleeps((uint8_t)s);
	assert_int_equal(n, sizeof(sleeps)); /* S0, "S4 or S5", S5, G3, legacy, unknown: the chassis tells */
}

static void the_delay_comes_before_the_order(void **state)
{
	f.delay_ns = 4 * SECOND;
	assert_int_equal(fence_off(&f), 0);
	assert_true(fake.first_off_at >= 9 * SECOND);
}

static void a_host_that_dies_in_the_delay_is_not_shot(void **state)
{
	f.delay_ns = 10 * SECOND;
	fake.changes_at = fake.now + 3 * SECOND;
	fake.changes_to = BMC_OFF;
	assert_int_equal(fence_off(&f), 0);
	assert_int_equal(fake.offs, 0);
	assert_in_range(took(5 * SECOND), 3 * SECOND, 4 * SECOND);
}

static void an_order_without_effect_is_given_again(void **state)
{
	fake.obeys_after = NEVER;
	fence_off(&f);
	assert_in_range(fake.offs, 6, 7);
}

static void on_is_read_and_not_only_ordered(void **state)
{
	fake.power = BMC_OFF;
	fake.until = BMC_OFF;
	assert_int_equal(fence_on(&f), 0);
	assert_int_equal(fake.power, BMC_ON);
	assert_int_equal(fence_on(&f), 0);
	assert_int_equal(fake.ons, 1);
	setup(NULL);
	fake.power = BMC_OFF;
	fake.obeys_after = NEVER;
	assert_int_equal(fence_on(&f), -ETIMEDOUT);
}

static void a_reboot_is_done_when_it_was_off(void **state)
{
	fake.until = BMC_BETWEEN;
	assert_int_equal(fence_reboot(&f), 0);
	assert_int_equal(fake.power, BMC_ON);
	assert_int_equal(fake.ons, 1);
	setup(NULL);
	fake.obeys_after = NEVER;
	assert_int_equal(fence_reboot(&f), -ETIMEDOUT);
	assert_int_equal(fake.ons, 0);
}

static void a_diagnostic_interrupt_is_ordered_once(void **state)
{
	assert_int_equal(fence_diag(&f), 0);
	assert_int_equal(fake.diags, 1);
	fake.order_error = -EOPNOTSUPP;
	assert_int_equal(fence_diag(&f), -EOPNOTSUPP);
}

static void the_machine_is_known_in_any_byte_order(void **state)
{
	static const uint8_t uuid[16] = { 0x00, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77,
					  0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff };
	static const uint8_t smbios[16] = { 0x33, 0x22, 0x11, 0x00, 0x55, 0x44, 0x77, 0x66,
					    0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff };

	memcpy(fake.uuid, uuid, 16);
	assert_int_equal(fence_identify(&f, uuid), 0);
	memcpy(fake.uuid, smbios, 16);
	assert_int_equal(fence_identify(&f, uuid), 0);
	for (unsigned int i = 0; i < 16; i++)
		fake.uuid[i] = uuid[15 - i];
	assert_int_equal(fence_identify(&f, uuid), 0);
	fake.uuid[7] ^= 1;
	assert_int_equal(fence_identify(&f, uuid), -EXDEV);
	fake.uuid_error = -EOPNOTSUPP;
	assert_int_equal(fence_identify(&f, uuid), -EOPNOTSUPP);
}

static void a_bad_answer_about_the_machine_is_asked_for_again(void **state)
{
	static const uint8_t uuid[16] = { 1 };

	memcpy(fake.uuid, uuid, 16);
	fake.uuid_error = -EPROTO;
	fake.uuid_error_ends = fake.now + SECOND;
	assert_int_equal(fence_identify(&f, uuid), 0);
	fake.uuid_error_ends = 0;
	assert_int_equal(fence_identify(&f, uuid), -EPROTO);
	assert_true(took(6 * SECOND) >= f.timeout_ns);
	fake.uuid_error = -EACCES;
	fake.now = 0;
	assert_int_equal(fence_identify(&f, uuid), -EACCES);
	assert_int_equal(fake.now, 0);
}

#define T(name) cmocka_unit_test_setup(name, setup)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(off_is_ordered_and_read_twice),
		T(off_already_is_success_without_an_order),
		T(one_off_between_two_ons_proves_nothing),
		T(time_that_passes_proves_nothing),
		T(asleep_is_not_off),
		T(silence_proves_nothing),
		T(an_error_between_two_offs_is_no_second_off),
		T(errors_for_a_while_are_lived_through),
		T(a_refused_order_is_no_verdict),
		T(a_refused_user_ends_it_at_once),
		T(a_user_who_was_known_may_be_refused_for_a_while),
		T(an_order_that_is_refused_to_the_user_is_no_verdict_either),
		T(who_sleeps_is_not_off),
		T(a_bad_answer_about_the_machine_is_asked_for_again),
		T(the_delay_comes_before_the_order),
		T(a_host_that_dies_in_the_delay_is_not_shot),
		T(an_order_without_effect_is_given_again),
		T(on_is_read_and_not_only_ordered),
		T(a_reboot_is_done_when_it_was_off),
		T(a_diagnostic_interrupt_is_ordered_once),
		T(the_machine_is_known_in_any_byte_order),
	};

	return cmocka_run_group_tests_name("fence", tests, NULL, NULL);
}
