/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/bmc/ipmi_map.h"

#include <errno.h>
#include <string.h>

#include <ipmi_monitoring.h>
#include <ipmi_monitoring_bitmasks.h>
#include <ipmi_monitoring_offsets.h>

/* Short names, or no table fits on a line. */
#define TYPE(name) IPMI_MONITORING_SENSOR_TYPE_##name
#define BITS_OF(name) IPMI_MONITORING_SENSOR_BITMASK_TYPE_##name
#define BIT(name) IPMI_MONITORING_SENSOR_BITMASK_##name

static bool critical(const struct watch_reading *r)
{
	return r->state == IPMI_MONITORING_STATE_CRITICAL;
}

static bool bad(const struct watch_reading *r)
{
	return critical(r) || r->state == IPMI_MONITORING_STATE_WARNING;
}

static enum watch_kind by_state(const struct watch_reading *r, enum watch_kind if_critical,
				enum watch_kind if_warning)
{
	return critical(r) ? if_critical : bad(r) ? if_warning : WATCH_NOTHING;
}

/* What sensor-specific bits stand for, the gravest first. */
static const struct bit_kind {
	int bits_type;
	int bits;
	enum watch_kind kind;
} bit_kinds[] = {
	{ BITS_OF(PROCESSOR), BIT(PROCESSOR_IERR), WATCH_CPU_CATERR },
	{ BITS_OF(PROCESSOR), BIT(PROCESSOR_THERMAL_TRIP), WATCH_CPU_THERMAL_TRIP },
	{ BITS_OF(PROCESSOR),
	  BIT(PROCESSOR_MACHINE_CHECK_EXCEPTION) | BIT(PROCESSOR_SMBIOS_UNCORRECTABLE_CPU_COMPLEX_ERROR),
	  WATCH_MACHINE_CHECK },
	{ BITS_OF(PROCESSOR),
	  BIT(PROCESSOR_FRB1_BIST_FAILURE) | BIT(PROCESSOR_FRB2_HANG_IN_POST_FAILURE) |
		  BIT(PROCESSOR_FRB3_PROCESSOR_STARTUP_INITIALIZATION_FAILURE) |
		  BIT(PROCESSOR_CORRECTABLE_MACHINE_CHECK_ERROR),
	  WATCH_HARDWARE_FAILURE },
	{ BITS_OF(CHIP_SET), BIT(CHIP_SET_THERMAL_TRIP), WATCH_CPU_THERMAL_TRIP },
	{ BITS_OF(MEMORY), BIT(MEMORY_UNCORRECTABLE_MEMORY_ERROR) | BIT(MEMORY_PARITY),
	  WATCH_MEMORY_UNCORRECTABLE },
	{ BITS_OF(MEMORY), BIT(MEMORY_CORRECTABLE_MEMORY_ERROR_LOGGING_LIMIT_REACHED), WATCH_MEMORY_STORM },
	{ BITS_OF(MEMORY), BIT(MEMORY_CRITICAL_OVERTEMPERATURE), WATCH_TEMPERATURE_CRITICAL },
	{ BITS_OF(MEMORY), BIT(MEMORY_CORRECTABLE_MEMORY_ERROR), WATCH_MEMORY_CORRECTABLE },
	/* the firmware gives up counting them */
	{ BITS_OF(EVENT_LOGGING_DISABLED),
	  BIT(EVENT_LOGGING_DISABLED_CORRECTABLE_MEMORY_ERROR_LOGGING_DISABLED), WATCH_MEMORY_STORM },
	/* without input it says failed, too */
	{ BITS_OF(POWER_SUPPLY),
	  BIT(POWER_SUPPLY_POWER_SUPPLY_INPUT_LOST_AC_DC) |
		  BIT(POWER_SUPPLY_POWER_SUPPLY_INPUT_LOST_OR_OUT_OF_RANGE),
	  WATCH_PSU_INPUT_LOST },
	{ BITS_OF(POWER_SUPPLY), BIT(POWER_SUPPLY_POWER_SUPPLY_FAILURE_DETECTED), WATCH_PSU_FAILED },
	{ BITS_OF(POWER_SUPPLY),
	  BIT(POWER_SUPPLY_PREDICTIVE_FAILURE) |
		  BIT(POWER_SUPPLY_POWER_SUPPLY_INPUT_OUT_OF_RANGE_BUT_PRESENT) |
		  BIT(POWER_SUPPLY_CONFIGURATION_ERROR) | BIT(POWER_SUPPLY_POWER_SUPPLY_INACTIVE),
	  WATCH_PSU_WARNING },
	{ BITS_OF(POWER_UNIT), BIT(POWER_UNIT_POWER_UNIT_FAILURE_DETECTED), WATCH_PSU_FAILED },
	{ BITS_OF(POWER_UNIT), BIT(POWER_UNIT_AC_LOST), WATCH_PSU_INPUT_LOST },
	{ BITS_OF(POWER_UNIT), BIT(POWER_UNIT_PREDICTIVE_FAILURE), WATCH_PSU_WARNING },
	{ BITS_OF(CRITICAL_INTERRUPT),
	  BIT(CRITICAL_INTERRUPT_BUS_UNCORRECTABLE_ERROR) | BIT(CRITICAL_INTERRUPT_BUS_FATAL_ERROR) |
		  BIT(CRITICAL_INTERRUPT_FATAL_NMI) | BIT(CRITICAL_INTERRUPT_PCI_SERR),
	  WATCH_BUS_FATAL },
	{ BITS_OF(SYSTEM_EVENT), BIT(SYSTEM_EVENT_UNDETERMINED_SYSTEM_HARDWARE_FAILURE),
	  WATCH_HARDWARE_FAILURE },
};

/* Specific bits say what it is; whether it is bad says the state. */
static enum watch_kind by_bits(const struct watch_reading *r)
{
	if (!bad(r) || r->bits <= 0)
		return WATCH_NOTHING;
	for (size_t i = 0; i < sizeof(bit_kinds) / sizeof(bit_kinds[0]); i++) {
		if (bit_kinds[i].bits_type == r->bits_type && (bit_kinds[i].bits & r->bits))
			return bit_kinds[i].kind;
	}
	return WATCH_NOTHING;
}

static enum watch_kind temperature(const struct watch_reading *r)
{
	const int warm = BIT(THRESHOLD_AT_OR_BELOW_UPPER_NON_CRITICAL_THRESHOLD);
	const int hot = BIT(THRESHOLD_AT_OR_BELOW_UPPER_CRITICAL_THRESHOLD) |
			BIT(THRESHOLD_AT_OR_BELOW_UPPER_NON_RECOVERABLE_THRESHOLD);

	if (r->bits_type != BITS_OF(THRESHOLD) || r->bits < 0)
		return by_state(r, WATCH_TEMPERATURE_CRITICAL, WATCH_TEMPERATURE_WARNING);
	/* too cold is no reason to move; nominal is libipmimonitoring's word for warm, which is worth a line
	 */
	if (critical(r) && (r->bits & hot))
		return WATCH_TEMPERATURE_CRITICAL;
	return bad(r) || (r->bits & warm) ? WATCH_TEMPERATURE_WARNING : WATCH_NOTHING;
}

static bool named(const struct watch_reading *r, const char *part)
{
	return r->name && strcasestr(r->name, part);
}

/* Sensors that are known by their names: there is no type for them, or each maker takes another one. */
static enum watch_kind by_name(const struct watch_reading *r)
{
	/* a type that libipmimonitoring does not interpret, with "state asserted" */
	bool asserted = r->state == IPMI_MONITORING_STATE_UNKNOWN && r->bits_type == BITS_OF(STATE) &&
			r->bits > 0 && (r->bits & BIT(STATE_ASSERTED));

	if (!bad(r) && !asserted)
		return WATCH_NOTHING;
	if (named(r, "CATERR") || named(r, "IERR"))
		return WATCH_CPU_CATERR;
	if (r->type != TYPE(TEMPERATURE) && (critical(r) || asserted) && (named(r, "VRM") || named(r, "VRD")))
		return WATCH_VRM_FAILED;
	return WATCH_NOTHING;
}

static enum watch_kind by_type(const struct watch_reading *r)
{
	switch (r->type) {
	case TYPE(TEMPERATURE):
		return temperature(r);
	case TYPE(VOLTAGE):
		return by_state(r, WATCH_VOLTAGE_CRITICAL, WATCH_VOLTAGE_WARNING);
	case TYPE(CURRENT): /* also of the power that a host takes, with its budget for a limit */
		return by_state(r, WATCH_VOLTAGE_WARNING, WATCH_VOLTAGE_WARNING);
	case TYPE(FAN):
	case TYPE(COOLING_DEVICE):
		if (r->bits_type == BITS_OF(REDUNDANCY))
			return by_state(r, WATCH_FAN_REDUNDANCY_LOST, WATCH_FAN_REDUNDANCY_LOST);
		return by_state(r, WATCH_FAN_FAILED, WATCH_FAN_WARNING);
	case TYPE(POWER_SUPPLY):
	case TYPE(POWER_UNIT):
		if (r->bits_type == BITS_OF(REDUNDANCY))
			return by_state(r, WATCH_PSU_REDUNDANCY_LOST, WATCH_PSU_REDUNDANCY_LOST);
		/* a power unit that is switched off is no failure */
		if (r->bits_type == BITS_OF(POWER_UNIT) || r->bits_type == BITS_OF(POWER_SUPPLY))
			return WATCH_NOTHING;
		return by_state(r, WATCH_PSU_FAILED, WATCH_PSU_WARNING);
	case TYPE(WATCHDOG1):
	case TYPE(WATCHDOG2):
		return by_state(r, WATCH_WATCHDOG, WATCH_WATCHDOG);
	default:
		return WATCH_NOTHING;
	}
}

enum watch_kind watch_ipmi_kind(const struct watch_reading *r)
{
	enum watch_kind kind = by_name(r);

	if (kind == WATCH_NOTHING)
		kind = by_bits(r);
	return kind == WATCH_NOTHING ? by_type(r) : kind;
}

bool watch_ipmi_log_full(const struct watch_reading *r)
{
	return r->bits_type == BITS_OF(EVENT_LOGGING_DISABLED) && r->bits > 0 &&
	       (r->bits & BIT(EVENT_LOGGING_DISABLED_SEL_FULL));
}

void watch_ipmi_running(const struct watch_reading *r, struct watch_look *l)
{
	const int off = BIT(SYSTEM_ACPI_POWER_STATE_S4) | BIT(SYSTEM_ACPI_POWER_STATE_S5_G2) |
			BIT(SYSTEM_ACPI_POWER_STATE_S4_S5_SOFT_OFF) |
			BIT(SYSTEM_ACPI_POWER_STATE_G3_MECHANICAL_OFF);

	if (r->type == TYPE(FAN) && r->has_value && r->rpm) {
		l->fans++;
		l->fans_turning += r->value > 0;
	}
	if (r->bits_type != BITS_OF(SYSTEM_ACPI_POWER_STATE) || r->bits <= 0)
		return;
	if (r->bits & BIT(SYSTEM_ACPI_POWER_STATE_S0_G0))
		l->running = WATCH_RUNNING;
	else if (r->bits & off)
		l->running = WATCH_STOPPED;
}

int watch_ipmi_bit(int offset_type, int offset)
{
	if (offset < 0 || offset > 14)
		return -1;
	/* a threshold has two: going low, going high */
	if (offset_type == IPMI_MONITORING_EVENT_OFFSET_TYPE_THRESHOLD)
		return offset < 12 ? 1 << offset / 2 : -1;
	return 1 << offset;
}

int watch_ipmi_errno(int monitoring_error)
{
	switch (monitoring_error) {
	case IPMI_MONITORING_ERR_PERMISSION:
	case IPMI_MONITORING_ERR_USERNAME_INVALID:
	case IPMI_MONITORING_ERR_PASSWORD_INVALID:
	case IPMI_MONITORING_ERR_K_G_INVALID:
	case IPMI_MONITORING_ERR_PRIVILEGE_LEVEL_INSUFFICIENT:
	case IPMI_MONITORING_ERR_PRIVILEGEL_LEVEL_CANNOT_BE_OBTAINED:
	case IPMI_MONITORING_ERR_AUTHENTICATION_TYPE_UNAVAILABLE:
	case IPMI_MONITORING_ERR_IPMI_2_0_UNAVAILABLE:
	case IPMI_MONITORING_ERR_CIPHER_SUITE_ID_UNAVAILABLE:
		return -EACCES;
	case IPMI_MONITORING_ERR_CONNECTION_TIMEOUT:
	case IPMI_MONITORING_ERR_SESSION_TIMEOUT:
	case IPMI_MONITORING_ERR_PASSWORD_VERIFICATION_TIMEOUT:
		return -ETIMEDOUT;
	case IPMI_MONITORING_ERR_HOSTNAME_INVALID:
		return -EHOSTUNREACH;
	case IPMI_MONITORING_ERR_BMC_BUSY:
		return -EBUSY;
	case IPMI_MONITORING_ERR_CALLBACK_ERROR: /* our own: the time is up */
		return -ETIME;
	case IPMI_MONITORING_ERR_OUT_OF_MEMORY:
		return -ENOMEM;
	default:
		return -EPROTO;
	}
}
