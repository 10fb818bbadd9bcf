/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What can be wrong with a host that its BMC knows of, and what to do about it if the table says nothing
 * else. */
#ifndef KEMARI_AGENT_BMC_KIND_H
#define KEMARI_AGENT_BMC_KIND_H

#include <stdbool.h>
#include <stdint.h>

/* From harmless to grave: the worst one of a host counts. */
enum watch_action {
	WATCH_IGNORE,
	WATCH_NOTE,  /* told, nothing else */
	WATCH_MOVE,  /* its guests are better off on the other host, if that one is well */
	WATCH_FENCE, /* it cannot go on: the cluster should make sure that it is off */
};

enum watch_kind {
	WATCH_PSU_FAILED,
	WATCH_PSU_INPUT_LOST,
	WATCH_PSU_REDUNDANCY_LOST,
	WATCH_PSU_WARNING,
	WATCH_TEMPERATURE_WARNING,
	WATCH_TEMPERATURE_CRITICAL,
	WATCH_FAN_WARNING,
	WATCH_FAN_FAILED,
	WATCH_FAN_REDUNDANCY_LOST,
	WATCH_VOLTAGE_WARNING,
	WATCH_VOLTAGE_CRITICAL,
	WATCH_VRM_FAILED,
	WATCH_MEMORY_CORRECTABLE,
	WATCH_MEMORY_STORM,
	WATCH_MEMORY_UNCORRECTABLE,
	WATCH_CPU_CATERR,
	WATCH_CPU_THERMAL_TRIP,
	WATCH_MACHINE_CHECK,
	WATCH_BUS_FATAL,
	WATCH_WATCHDOG,
	WATCH_HARDWARE_FAILURE,
	WATCH_KINDS,
	WATCH_NOTHING = WATCH_KINDS, /* what needs no attention */
};

/* How an event is treated; all times in seconds. */
struct watch_rule {
	enum watch_action action;
	uint32_t for_s;	 /* a sensor must show it so long before it counts */
	uint32_t gone_s; /* neither a sensor nor the log says it for so long before it counts as gone */
	bool holds;	 /* a host that had it in the life that was fenced is not switched on by itself */
};

/* The name in the table and in reports, such as "psu-failed". */
const char *watch_kind_name(enum watch_kind kind);
/* WATCH_KINDS: there is none of that name. */
enum watch_kind watch_kind_of(const char *name);
struct watch_rule watch_kind_default(enum watch_kind kind);

/* "none" for WATCH_IGNORE, as the worst of nothing. */
const char *watch_action_name(enum watch_action action);

#endif
