/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What an entry of a Redfish log tells of.  Message registries differ by maker and firmware, so it is found
 * by the words of the message, in English, which BMCs of all makers log in; words that say nothing here are
 * left alone.
 */
#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "agent/bmc/redfish_parse.h"

#define WORDS_MAX 512

/* The first line whose words are all there counts; so "uncorrectable" stands before "correctable". */
static const struct words {
	const char *all[2];
	enum watch_kind critical, otherwise;
} words[] = {
	{ { "caterr" }, WATCH_CPU_CATERR, WATCH_CPU_CATERR },
	{ { "ierr" }, WATCH_CPU_CATERR, WATCH_CPU_CATERR },
	{ { "thermal trip" }, WATCH_CPU_THERMAL_TRIP, WATCH_CPU_THERMAL_TRIP },
	{ { "thermtrip" }, WATCH_CPU_THERMAL_TRIP, WATCH_CPU_THERMAL_TRIP },
	{ { "uncorrect", "machine check" }, WATCH_MACHINE_CHECK, WATCH_MACHINE_CHECK },
	{ { "correct", "machine check" }, WATCH_HARDWARE_FAILURE, WATCH_HARDWARE_FAILURE },
	{ { "machine check" }, WATCH_MACHINE_CHECK, WATCH_HARDWARE_FAILURE },
	{ { "uncorrect", "memory" }, WATCH_MEMORY_UNCORRECTABLE, WATCH_MEMORY_UNCORRECTABLE },
	{ { "uncorrect", "ecc" }, WATCH_MEMORY_UNCORRECTABLE, WATCH_MEMORY_UNCORRECTABLE },
	{ { "multi-bit", "memory" }, WATCH_MEMORY_UNCORRECTABLE, WATCH_MEMORY_UNCORRECTABLE },
	{ { "correct", "threshold" }, WATCH_MEMORY_STORM, WATCH_MEMORY_STORM },
	{ { "correct", "rate exceeded" }, WATCH_MEMORY_STORM, WATCH_MEMORY_STORM },
	{ { "correct", "limit reached" }, WATCH_MEMORY_STORM, WATCH_MEMORY_STORM },
	{ { "correct", "memory" }, WATCH_MEMORY_CORRECTABLE, WATCH_MEMORY_CORRECTABLE },
	{ { "correct", "ecc" }, WATCH_MEMORY_CORRECTABLE, WATCH_MEMORY_CORRECTABLE },
	{ { "single-bit", "memory" }, WATCH_MEMORY_CORRECTABLE, WATCH_MEMORY_CORRECTABLE },
	{ { "redundan", "power" }, WATCH_PSU_REDUNDANCY_LOST, WATCH_PSU_REDUNDANCY_LOST },
	{ { "redundan", "fan" }, WATCH_FAN_REDUNDANCY_LOST, WATCH_FAN_REDUNDANCY_LOST },
	{ { "power input" }, WATCH_PSU_INPUT_LOST, WATCH_PSU_INPUT_LOST },
	{ { "power supply", "input" }, WATCH_PSU_INPUT_LOST, WATCH_PSU_INPUT_LOST },
	{ { "power supply" }, WATCH_PSU_FAILED, WATCH_PSU_WARNING },
	{ { "vrm" }, WATCH_VRM_FAILED, WATCH_VOLTAGE_WARNING },
	{ { "voltage regulator" }, WATCH_VRM_FAILED, WATCH_VOLTAGE_WARNING },
	{ { "voltage" }, WATCH_VOLTAGE_CRITICAL, WATCH_VOLTAGE_WARNING },
	{ { "overtemperature" }, WATCH_TEMPERATURE_CRITICAL, WATCH_TEMPERATURE_WARNING },
	{ { "temperature" }, WATCH_TEMPERATURE_CRITICAL, WATCH_TEMPERATURE_WARNING },
	{ { "overheat" }, WATCH_TEMPERATURE_CRITICAL, WATCH_TEMPERATURE_WARNING },
	{ { "fan " }, WATCH_FAN_FAILED, WATCH_FAN_WARNING },
	{ { "watchdog" }, WATCH_WATCHDOG, WATCH_WATCHDOG },
	{ { "asr " }, WATCH_WATCHDOG, WATCH_WATCHDOG }, /* HPE: automatic server recovery */
	{ { "bus", "fatal" }, WATCH_BUS_FATAL, WATCH_BUS_FATAL },
	{ { "pci", "fatal" }, WATCH_BUS_FATAL, WATCH_BUS_FATAL },
	{ { "bus", "uncorrect" }, WATCH_BUS_FATAL, WATCH_BUS_FATAL },
	{ { "pci", "uncorrect" }, WATCH_BUS_FATAL, WATCH_BUS_FATAL },
};

static enum watch_kind kind_of(const char *said, bool critical)
{
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		const struct words *w = &words[i];

		if (strstr(said, w->all[0]) && (!w->all[1] || strstr(said, w->all[1])))
			return critical ? w->critical : w->otherwise;
	}
	return WATCH_NOTHING;
}

/* What it is an entry about, for people: the sensor's name where there is one. */
static const char *subject(const json_t *entry)
{
	const char *type = watch_json_text(entry, "SensorType"), *id = watch_json_text(entry, "MessageId");

	return type ? type : id ? id : "log";
}

void watch_redfish_entry(const json_t *entry, struct watch_look *l)
{
	const char *message = watch_json_text(entry, "Message"),
		   *severity = watch_json_text(entry, "Severity"),
		   *code = watch_json_text(entry, "EntryCode"), *type = watch_json_text(entry, "SensorType");
	char said[WORDS_MAX];
	bool critical;

	if (!severity)
		severity = watch_json_text(entry, "MessageSeverity");
	critical = severity && !strcasecmp(severity, "Critical");
	if (!message || !severity || (!critical && strcasecmp(severity, "Warning")))
		return;
	/* what is over */
	if (code && strcasestr(code, "deassert"))
		return;
	snprintf(said, sizeof(said), "%s %s ", type ? type : "", message);
	for (char *c = said; *c; c++)
		*c = (char)tolower((unsigned char)*c);
	watch_look_add(l, kind_of(said, critical), true, subject(entry), message);
}
