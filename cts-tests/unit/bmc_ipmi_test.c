/* SPDX-License-Identifier: GPL-2.0-or-later */
/* agent/bmc/ipmi_map.h and sel.h: what sensors and records mean, and which records of a log are new. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <ipmi_monitoring.h>
#include <ipmi_monitoring_bitmasks.h>
#include <ipmi_monitoring_offsets.h>

#include "agent/bmc/ipmi_map.h"
#include "agent/bmc/sel.h"

#define NOMINAL IPMI_MONITORING_STATE_NOMINAL
#define WARNING IPMI_MONITORING_STATE_WARNING
#define CRITICAL IPMI_MONITORING_STATE_CRITICAL
#define UNKNOWN IPMI_MONITORING_STATE_UNKNOWN
#define TYPE(name) IPMI_MONITORING_SENSOR_TYPE_##name
#define BITS_OF(name) IPMI_MONITORING_SENSOR_BITMASK_TYPE_##name
#define BIT(name) IPMI_MONITORING_SENSOR_BITMASK_##name
#define OFFSET(name) IPMI_MONITORING_EVENT_OFFSET_##name

static void means(enum watch_kind kind, int type, int state, int bits_type, int bits, const char *name)
{
	const struct watch_reading r = {
		.type = type, .state = state, .bits_type = bits_type, .bits = bits, .name = name
	};

	assert_string_equal(watch_kind_name(watch_ipmi_kind(&r)), watch_kind_name(kind));
}

static void a_nominal_sensor_means_nothing(void **state)
{
	for (int type = 0; type < 0x30; type++) {
		means(WATCH_NOTHING, type, NOMINAL, BITS_OF(UNKNOWN), 0, "x");
		means(WATCH_NOTHING, type, UNKNOWN, BITS_OF(UNKNOWN), -1, NULL);
	}
}

static void heat_and_fans(void **state)
{
	means(WATCH_TEMPERATURE_CRITICAL, TYPE(TEMPERATURE), CRITICAL, BITS_OF(THRESHOLD), 0x18, "CPU Temp");
	means(WATCH_TEMPERATURE_WARNING, TYPE(TEMPERATURE), NOMINAL, BITS_OF(THRESHOLD), 0x08, "CPU Temp");
	means(WATCH_TEMPERATURE_WARNING, TYPE(TEMPERATURE), WARNING, BITS_OF(STATE), 0x02, "VRD Hot");
	means(WATCH_NOTHING, TYPE(TEMPERATURE), NOMINAL, BITS_OF(THRESHOLD), 0x01, "Inlet, cool");
	means(WATCH_TEMPERATURE_WARNING, TYPE(TEMPERATURE), CRITICAL, BITS_OF(THRESHOLD), 0x03,
	      "Inlet, cold");
	means(WATCH_TEMPERATURE_CRITICAL, TYPE(TEMPERATURE), CRITICAL, BITS_OF(LIMIT), 0x02, "VRD Hot");
	means(WATCH_FAN_FAILED, TYPE(FAN), CRITICAL, BITS_OF(THRESHOLD), 0x02, "Fan 1");
	means(WATCH_FAN_REDUNDANCY_LOST, TYPE(FAN), CRITICAL, BITS_OF(REDUNDANCY), BIT(REDUNDANCY_LOST),
	      "Fans");
	means(WATCH_FAN_REDUNDANCY_LOST, TYPE(COOLING_DEVICE), WARNING, BITS_OF(REDUNDANCY),
	      BIT(REDUNDANCY_DEGRADED), "Cooling");
	means(WATCH_NOTHING, TYPE(FAN), NOMINAL, BITS_OF(REDUNDANCY), BIT(FULLY_REDUNDANT), "Fans");
}

static void power_supplies(void **state)
{
	const int psu = TYPE(POWER_SUPPLY), unit = TYPE(POWER_UNIT), bits = BITS_OF(POWER_SUPPLY);

	means(WATCH_PSU_FAILED, psu, CRITICAL, bits, 0x03, "PSU 1");
	means(WATCH_PSU_INPUT_LOST, psu, CRITICAL, bits, 0x0b, "PSU 1");
	means(WATCH_PSU_WARNING, psu, CRITICAL, bits, 0x05, "PSU 1");
	means(WATCH_PSU_WARNING, psu, WARNING, bits, 0x81, "PSU 1");
	means(WATCH_NOTHING, psu, NOMINAL, bits, 0x01, "PSU 1");
	means(WATCH_PSU_REDUNDANCY_LOST, psu, CRITICAL, BITS_OF(REDUNDANCY), BIT(REDUNDANCY_LOST), "PSUs");
	means(WATCH_PSU_REDUNDANCY_LOST, unit, CRITICAL, BITS_OF(REDUNDANCY), BIT(REDUNDANCY_LOST), "PSUs");
	means(WATCH_PSU_INPUT_LOST, unit, CRITICAL, BITS_OF(POWER_UNIT), BIT(POWER_UNIT_AC_LOST), "Power");
	means(WATCH_NOTHING, unit, CRITICAL, BITS_OF(POWER_UNIT), BIT(POWER_UNIT_POWER_OFF_POWER_DOWN),
	      "Power");
	means(WATCH_PSU_FAILED, psu, CRITICAL, BITS_OF(STATE), 0x02, "PSU 1 fault");
}

static void processors_memory_and_buses(void **state)
{
	const int cpu = TYPE(PROCESSOR), mem = TYPE(MEMORY);

	means(WATCH_CPU_CATERR, cpu, CRITICAL, BITS_OF(PROCESSOR), BIT(PROCESSOR_IERR) | 0x80, "CPU 1");
	means(WATCH_CPU_THERMAL_TRIP, cpu, CRITICAL, BITS_OF(PROCESSOR), BIT(PROCESSOR_THERMAL_TRIP),
	      "CPU 1");
	means(WATCH_MACHINE_CHECK, cpu, CRITICAL, BITS_OF(PROCESSOR), BIT(PROCESSOR_MACHINE_CHECK_EXCEPTION),
	      "CPU 1");
	means(WATCH_NOTHING, cpu, NOMINAL, BITS_OF(PROCESSOR), 0x80, "CPU 1");
	means(WATCH_CPU_CATERR, cpu, WARNING, BITS_OF(STATE), 0x02, "CATERR");
	means(WATCH_CPU_CATERR, cpu, UNKNOWN, BITS_OF(STATE), 0x02, "CPU_CATERR");
	means(WATCH_NOTHING, cpu, UNKNOWN, BITS_OF(STATE), 0x01, "CPU_CATERR");
	means(WATCH_MEMORY_UNCORRECTABLE, mem, CRITICAL, BITS_OF(MEMORY), 0x02, "DIMM");
	means(WATCH_MEMORY_CORRECTABLE, mem, WARNING, BITS_OF(MEMORY), 0x01, "DIMM");
	means(WATCH_MEMORY_STORM, mem, WARNING, BITS_OF(MEMORY), 0x20, "DIMM");
	means(WATCH_VRM_FAILED, TYPE(VOLTAGE), CRITICAL, BITS_OF(LIMIT), 0x02, "CPU1 VRM");
	means(WATCH_VRM_FAILED, TYPE(MODULE_BOARD), UNKNOWN, BITS_OF(STATE), 0x02, "VRD fault");
	means(WATCH_VOLTAGE_CRITICAL, TYPE(VOLTAGE), CRITICAL, BITS_OF(THRESHOLD), 0x02, "12V");
	means(WATCH_WATCHDOG, TYPE(WATCHDOG2), CRITICAL, BITS_OF(WATCHDOG2), BIT(WATCHDOG2_HARD_RESET),
	      "Watchdog");
	means(WATCH_BUS_FATAL, TYPE(CRITICAL_INTERRUPT), CRITICAL, BITS_OF(CRITICAL_INTERRUPT),
	      BIT(CRITICAL_INTERRUPT_BUS_FATAL_ERROR), "PCI");
	means(WATCH_NOTHING, TYPE(CRITICAL_INTERRUPT), CRITICAL, BITS_OF(CRITICAL_INTERRUPT),
	      BIT(CRITICAL_INTERRUPT_SOFTWARE_NMI), "NMI");
}

static void an_entry_has_an_offset_for_a_bit(void **state)
{
	assert_int_equal(watch_ipmi_bit(OFFSET(TYPE_THRESHOLD), OFFSET(THRESHOLD_UPPER_CRITICAL_GOING_HIGH)),
			 BIT(THRESHOLD_AT_OR_BELOW_UPPER_CRITICAL_THRESHOLD));
	assert_int_equal(
		watch_ipmi_bit(OFFSET(TYPE_THRESHOLD), OFFSET(THRESHOLD_LOWER_NON_CRITICAL_GOING_LOW)),
		BIT(THRESHOLD_AT_OR_BELOW_LOWER_NON_CRITICAL_THRESHOLD));
	assert_int_equal(watch_ipmi_bit(OFFSET(TYPE_MEMORY), OFFSET(MEMORY_UNCORRECTABLE_MEMORY_ERROR)),
			 BIT(MEMORY_UNCORRECTABLE_MEMORY_ERROR));
	assert_int_equal((int)OFFSET(TYPE_MEMORY), (int)BITS_OF(MEMORY));
	assert_int_equal((int)OFFSET(TYPE_FRU_STATE), (int)BITS_OF(FRU_STATE));
	assert_int_equal(watch_ipmi_bit(OFFSET(TYPE_THRESHOLD), 12), -1);
	assert_int_equal(watch_ipmi_bit(OFFSET(TYPE_MEMORY), 15), -1);
	assert_int_equal(watch_ipmi_bit(OFFSET(TYPE_MEMORY), -1), -1);
}

static void errors_are_told_apart(void **state)
{
	assert_int_equal(watch_ipmi_errno(IPMI_MONITORING_ERR_PASSWORD_INVALID), -EACCES);
	assert_int_equal(watch_ipmi_errno(IPMI_MONITORING_ERR_SESSION_TIMEOUT), -ETIMEDOUT);
	assert_int_equal(watch_ipmi_errno(IPMI_MONITORING_ERR_BMC_BUSY), -EBUSY);
	assert_int_equal(watch_ipmi_errno(IPMI_MONITORING_ERR_CALLBACK_ERROR), -ETIME);
	assert_int_equal(watch_ipmi_errno(-1), -EPROTO);
}

static void what_runs_is_seen(void **state)
{
	struct watch_reading fan = { .type = TYPE(FAN), .has_value = true, .rpm = true, .value = 900 };
	struct watch_reading acpi = { .bits_type = BITS_OF(SYSTEM_ACPI_POWER_STATE), .bits = 1 };
	struct watch_look l = { 0 };

	watch_ipmi_running(&fan, &l);
	fan.value = 0;
	watch_ipmi_running(&fan, &l);
	fan.rpm = false; /* percent */
	watch_ipmi_running(&fan, &l);
	assert_int_equal(l.fans, 2);
	assert_int_equal(l.fans_turning, 1);
	watch_ipmi_running(&acpi, &l);
	assert_int_equal(l.running, WATCH_RUNNING);
	acpi.bits = BIT(SYSTEM_ACPI_POWER_STATE_S4_S5_SOFT_OFF);
	watch_ipmi_running(&acpi, &l);
	assert_int_equal(l.running, WATCH_STOPPED);
}

static void any_numbers_are_taken(void **state)
{
	struct watch_look l = { 0 };

	srandom(11);
	for (int i = 0; i < 200000; i++) {
		const struct watch_reading r = {
			.type = (int)(random() % 300 - 2),
			.state = (int)(random() % 6 - 1),
			.bits_type = (int)(random() % 260 - 2),
			.bits = (int)(random() % 0x20000 - 2),
			.name = random() % 2 ? "VRM CATERR" : NULL,
		};

		assert_in_range(watch_ipmi_kind(&r), 0, WATCH_NOTHING);
		watch_ipmi_running(&r, &l);
	}
}

/* ---- the log ---- */

#define LOG_MAX 300

/* A BMC's log: records in a chain. */
static struct fake {
	struct watch_sel_info info;
	uint16_t id[LOG_MAX];
	unsigned int n;
	unsigned int reads;
	unsigned int circle; /* the last one's next is this place; 0: the end */
	size_t len;	     /* of a record */
	int error;
} fake;

static struct watch_sel sel;
static unsigned int ids[WATCH_SEL_BATCH], nr_ids;

static int fake_read(void *arg, uint16_t id, uint8_t record[16], size_t *len, uint16_t *next)
{
	unsigned int at = 0;

	fake.reads++;
	if (fake.error)
		return fake.error;
	if (id == WATCH_SEL_LAST)
		at = fake.n - 1;
	else if (id != WATCH_SEL_FIRST)
		while (at < fake.n && fake.id[at] != id)
			at++;
	if (at >= fake.n)
		return -ENOENT;
	*len = fake.len;
	record[0] = (uint8_t)fake.id[at];
	record[1] = (uint8_t)(fake.id[at] >> 8);
	*next = at + 1 < fake.n ? fake.id[at + 1] : fake.circle ? fake.id[fake.circle - 1] : WATCH_SEL_LAST;
	return 0;
}

static int sel_setup(void **state)
{
	memset(&fake, 0, sizeof(fake));
	memset(&sel, 0, sizeof(sel));
	fake.len = 16;
	fake.info.free_space = 1000;
	return 0;
}

static void log_add(uint16_t id)
{
	fake.id[fake.n++] = id;
	fake.info.entries = fake.n;
	fake.info.added++;
}

static int look_at_log(void)
{
	return watch_sel_new(&sel, &fake.info, fake_read, NULL, ids, &nr_ids);
}

static void all_done(void)
{
	for (unsigned int i = 0; i < nr_ids; i++)
		watch_sel_done(&sel, ids[i]);
}

/* The new ones are just these; they are done. */
static void new_ones(unsigned int n, ...)
{
	va_list ap;

	assert_int_equal(look_at_log(), 0);
	assert_int_equal(nr_ids, n);
	va_start(ap, n);
	for (unsigned int i = 0; i < n; i++)
		assert_int_equal(ids[i], va_arg(ap, unsigned int));
	va_end(ap);
	all_done();
}

static void what_was_logged_before_is_history(void **state)
{
	log_add(1);
	log_add(2);
	new_ones(0);
	new_ones(0);
	log_add(17); /* numbers need not follow each other, nor grow */
	log_add(5);
	new_ones(2, 17, 5);
	new_ones(0);
}

static void a_log_that_was_empty_is_read_from_its_begin(void **state)
{
	new_ones(0);
	log_add(1);
	log_add(2);
	new_ones(2, 1, 2);
}

static void a_log_that_does_not_change_is_not_read(void **state)
{
	log_add(1);
	new_ones(0);
	fake.reads = 0;
	new_ones(0);
	assert_int_equal(fake.reads, 0);
}

static void after_it_was_cleared_all_is_new(void **state)
{
	log_add(1);
	log_add(2);
	new_ones(0);
	fake.n = 0;
	fake.info.erased++;
	log_add(1);
	log_add(2);
	new_ones(2, 1, 2);
}

static void a_bmc_that_does_not_tell_when_it_was_cleared(void **state)
{
	log_add(8);
	log_add(9);
	new_ones(0);
	fake.n = 0;
	log_add(1);
	new_ones(1, 1);
}

static void what_is_not_done_stays_new(void **state)
{
	new_ones(0);
	log_add(1);
	log_add(2);
	log_add(3);
	assert_int_equal(look_at_log(), 0);
	assert_int_equal(nr_ids, 3);
	watch_sel_done(&sel, 1);
	new_ones(2, 2, 3);
}

static void many_come_in_portions(void **state)
{
	unsigned int got = 0;

	new_ones(0);
	for (uint16_t i = 1; i <= 200; i++)
		log_add(i);
	for (int i = 0; i < 4; i++) {
		assert_int_equal(look_at_log(), 0);
		assert_true(nr_ids <= WATCH_SEL_BATCH);
		for (unsigned int k = 0; k < nr_ids; k++)
			assert_int_equal(ids[k], ++got);
		all_done();
	}
	assert_int_equal(got, 200);
	new_ones(0);
}

static void a_chain_that_is_a_circle_ends(void **state)
{
	unsigned int told = 0;
	int rc = 0;

	new_ones(0);
	for (uint16_t i = 1; i <= 100; i++)
		log_add(i);
	fake.circle = 1;
	for (int i = 0; i < 20 && !rc; i++) {
		rc = look_at_log();
		told += nr_ids;
		all_done();
	}
	assert_int_equal(rc, -EPROTO);
	assert_true(told < 100 + 3 * WATCH_SEL_BATCH);
	/* and is not told over and over */
	assert_int_equal(look_at_log(), 0);
	assert_int_equal(nr_ids, 0);
}

static void records_without_a_number_are_refused(void **state)
{
	new_ones(0);
	log_add(1);
	fake.len = 1;
	assert_int_equal(look_at_log(), -EPROTO);
	sel_setup(NULL);
	new_ones(0);
	log_add(WATCH_SEL_LAST);
	assert_int_equal(look_at_log(), -EPROTO);
}

static void an_error_is_handed_on_and_nothing_is_lost(void **state)
{
	new_ones(0);
	log_add(1);
	fake.error = -ETIMEDOUT;
	assert_int_equal(look_at_log(), -ETIMEDOUT);
	fake.error = 0;
	new_ones(1, 1);
}

static void a_full_log_is_seen(void **state)
{
	fake.info.free_space = 0;
	assert_true(watch_sel_full(&fake.info));
	fake.info.free_space = 0xffff;
	assert_false(watch_sel_full(&fake.info));
	fake.info.overflow = true;
	assert_true(watch_sel_full(&fake.info));
}

/* A BMC that says anything: each look ends, with few questions. */
static int wild_read(void *arg, uint16_t id, uint8_t record[16], size_t *len, uint16_t *next)
{
	fake.reads++;
	*len = (size_t)random() % 17;
	for (int i = 0; i < 16; i++)
		record[i] = (uint8_t)random();
	*next = (uint16_t)(random() % 4 ? random() % 8 : random());
	return random() % 16 ? 0 : random() % 2 ? -ENOENT : -EPROTO;
}

static void whatever_a_bmc_says_a_look_ends(void **state)
{
	srandom(5);
	for (int i = 0; i < 20000; i++) {
		fake.info.entries = (uint64_t)random() % 3 ? (uint64_t)random() % 100 : 0;
		fake.info.erased = (uint64_t)random() % 2;
		fake.info.added = (uint64_t)random() % 5;
		fake.reads = 0;
		watch_sel_new(&sel, &fake.info, wild_read, NULL, ids, &nr_ids);
		assert_true(nr_ids <= WATCH_SEL_BATCH);
		assert_true(fake.reads <= WATCH_SEL_BATCH + 1);
		all_done();
	}
}

#define T(name) cmocka_unit_test_setup(name, sel_setup)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_nominal_sensor_means_nothing),
		cmocka_unit_test(heat_and_fans),
		cmocka_unit_test(power_supplies),
		cmocka_unit_test(processors_memory_and_buses),
		cmocka_unit_test(an_entry_has_an_offset_for_a_bit),
		cmocka_unit_test(errors_are_told_apart),
		cmocka_unit_test(what_runs_is_seen),
		cmocka_unit_test(any_numbers_are_taken),
		T(what_was_logged_before_is_history),
		T(a_log_that_was_empty_is_read_from_its_begin),
		T(a_log_that_does_not_change_is_not_read),
		T(after_it_was_cleared_all_is_new),
		T(a_bmc_that_does_not_tell_when_it_was_cleared),
		T(what_is_not_done_stays_new),
		T(many_come_in_portions),
		T(a_chain_that_is_a_circle_ends),
		T(records_without_a_number_are_refused),
		T(an_error_is_handed_on_and_nothing_is_lost),
		T(a_full_log_is_seen),
		T(whatever_a_bmc_says_a_look_ends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
