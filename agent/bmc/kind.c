/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/bmc/kind.h"

#include <string.h>

#define HOUR 3600
#define DAY 86400

/*
 * A sensor that goes back to normal ends its event after minutes.  What only the log knows of (a memory
 * error, a machine check) is over in a moment and says something about the hardware for a day.  What holds
 * the power back has broken, or breaks more when it goes on.
 */
static const struct {
	const char *name;
	struct watch_rule rule;
} kinds[WATCH_KINDS] = {
	[WATCH_PSU_FAILED] = { "psu-failed", { WATCH_MOVE, 0, 300, true } },
	[WATCH_PSU_INPUT_LOST] = { "psu-input-lost", { WATCH_MOVE, 0, 300, false } },
	[WATCH_PSU_REDUNDANCY_LOST] = { "psu-redundancy-lost", { WATCH_MOVE, 0, 300, false } },
	[WATCH_PSU_WARNING] = { "psu-warning", { WATCH_NOTE, 0, 300, false } },
	[WATCH_TEMPERATURE_WARNING] = { "temperature-warning", { WATCH_NOTE, 30, 300, false } },
	[WATCH_TEMPERATURE_CRITICAL] = { "temperature-critical", { WATCH_MOVE, 10, 600, true } },
	[WATCH_FAN_WARNING] = { "fan-warning", { WATCH_NOTE, 30, 300, false } },
	[WATCH_FAN_FAILED] = { "fan-failed", { WATCH_NOTE, 10, 300, false } },
	[WATCH_FAN_REDUNDANCY_LOST] = { "fan-redundancy-lost", { WATCH_MOVE, 10, 300, false } },
	[WATCH_VOLTAGE_WARNING] = { "voltage-warning", { WATCH_NOTE, 30, 300, false } },
	[WATCH_VOLTAGE_CRITICAL] = { "voltage-critical", { WATCH_MOVE, 10, 600, false } },
	[WATCH_VRM_FAILED] = { "vrm-failed", { WATCH_MOVE, 0, DAY, true } },
	[WATCH_MEMORY_CORRECTABLE] = { "memory-correctable", { WATCH_NOTE, 0, HOUR, false } },
	[WATCH_MEMORY_STORM] = { "memory-storm", { WATCH_MOVE, 0, DAY, false } },
	[WATCH_MEMORY_UNCORRECTABLE] = { "memory-uncorrectable", { WATCH_MOVE, 0, DAY, true } },
	[WATCH_CPU_CATERR] = { "cpu-caterr", { WATCH_FENCE, 0, 600, true } },
	[WATCH_CPU_THERMAL_TRIP] = { "cpu-thermal-trip", { WATCH_FENCE, 0, 600, true } },
	[WATCH_MACHINE_CHECK] = { "machine-check", { WATCH_MOVE, 0, DAY, true } },
	[WATCH_BUS_FATAL] = { "bus-fatal", { WATCH_MOVE, 0, DAY, true } },
	[WATCH_WATCHDOG] = { "watchdog", { WATCH_NOTE, 0, HOUR, false } },
	[WATCH_HARDWARE_FAILURE] = { "hardware-failure", { WATCH_NOTE, 0, HOUR, false } },
};

const char *watch_kind_name(enum watch_kind kind)
{
	return kind < WATCH_KINDS ? kinds[kind].name : "nothing";
}

enum watch_kind watch_kind_of(const char *name)
{
	for (int k = 0; k < WATCH_KINDS; k++) {
		if (!strcmp(kinds[k].name, name))
			return k;
	}
	return WATCH_KINDS;
}

struct watch_rule watch_kind_default(enum watch_kind kind)
{
	return kinds[kind].rule;
}

const char *watch_action_name(enum watch_action action)
{
	static const char *const names[] = {
		[WATCH_IGNORE] = "none", [WATCH_NOTE] = "note", [WATCH_MOVE] = "move", [WATCH_FENCE] = "fence"
	};

	return names[action];
}
