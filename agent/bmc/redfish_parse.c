/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/bmc/redfish_parse.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

/* Of one list; what is behind them is not looked at. */
#define ITEMS_MAX 256U

enum health { HEALTH_OK, HEALTH_WARNING, HEALTH_CRITICAL };

const char *watch_json_text(const json_t *object, const char *key)
{
	const json_t *v = json_object_get(object, key);

	return json_is_string(v) ? json_string_value(v) : NULL;
}

const char *watch_json_link(const json_t *object, const char *key)
{
	return watch_json_text(json_object_get(object, key), "@odata.id");
}

static const char *name_of(const json_t *object)
{
	static const char *const keys[] = { "Name", "FanName", "MemberId", "Id" };
	const char *name = NULL;

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]) && (!name || !name[0]); i++)
		name = watch_json_text(object, keys[i]);
	return name ? name : "";
}

/* A place without a part, or a part that is switched off, is no part that failed. */
static bool is_there(const json_t *object)
{
	const char *state = watch_json_text(json_object_get(object, "Status"), "State");

	return json_is_object(object) && (!state || (strcmp(state, "Absent") && strcmp(state, "Disabled")));
}

static enum health health_word(const char *word)
{
	if (word && !strcasecmp(word, "Critical"))
		return HEALTH_CRITICAL;
	return word && !strcasecmp(word, "Warning") ? HEALTH_WARNING : HEALTH_OK;
}

static enum health health_of(const json_t *object)
{
	return health_word(watch_json_text(json_object_get(object, "Status"), "Health"));
}

static void add(struct watch_look *l, const json_t *object, enum health h, enum watch_kind critical,
		enum watch_kind warning)
{
	static const char *const text[] = { "", "health: warning", "health: critical" };

	if (h != HEALTH_OK)
		watch_look_add(l, h == HEALTH_CRITICAL ? critical : warning, false, name_of(object), text[h]);
}

static void each(const json_t *list, void (*item)(const json_t *object, struct watch_look *l),
		 struct watch_look *l)
{
	for (size_t i = 0; i < json_array_size(list) && i < ITEMS_MAX; i++) {
		const json_t *object = json_array_get(list, i);

		if (is_there(object))
			item(object, l);
	}
}

/* ---- heat ---- */

/* True: there is such a limit, and the reading is there. */
static bool reaches(const json_t *reading, const json_t *limit)
{
	return json_is_number(reading) && json_is_number(limit) && json_number_value(limit) > 0 &&
	       json_number_value(reading) >= json_number_value(limit);
}

static enum health worse(enum health a, enum health b)
{
	return a > b ? a : b;
}

static void old_temperature(const json_t *t, struct watch_look *l)
{
	const json_t *reading = json_object_get(t, "ReadingCelsius");
	enum health h = health_of(t);

	if (reaches(reading, json_object_get(t, "UpperThresholdNonCritical")))
		h = worse(h, HEALTH_WARNING);
	if (reaches(reading, json_object_get(t, "UpperThresholdCritical")) ||
	    reaches(reading, json_object_get(t, "UpperThresholdFatal")))
		h = HEALTH_CRITICAL;
	add(l, t, h, WATCH_TEMPERATURE_CRITICAL, WATCH_TEMPERATURE_WARNING);
}

void watch_redfish_temperature(const json_t *sensor, struct watch_look *l)
{
	const json_t *reading = json_object_get(sensor, "Reading"),
		     *limits = json_object_get(sensor, "Thresholds");
	enum health h = health_of(sensor);

	if (!is_there(sensor))
		return;
	if (reaches(reading, json_object_get(json_object_get(limits, "UpperCaution"), "Reading")))
		h = worse(h, HEALTH_WARNING);
	if (reaches(reading, json_object_get(json_object_get(limits, "UpperCritical"), "Reading")) ||
	    reaches(reading, json_object_get(json_object_get(limits, "UpperFatal"), "Reading")))
		h = HEALTH_CRITICAL;
	add(l, sensor, h, WATCH_TEMPERATURE_CRITICAL, WATCH_TEMPERATURE_WARNING);
}

static void count_fan(const json_t *reading, struct watch_look *l)
{
	if (!json_is_number(reading))
		return;
	l->fans++;
	l->fans_turning += json_number_value(reading) > 0;
}

static void old_fan(const json_t *fan, struct watch_look *l)
{
	count_fan(json_object_get(fan, "Reading"), l);
	add(l, fan, health_of(fan), WATCH_FAN_FAILED, WATCH_FAN_WARNING);
}

void watch_redfish_fan(const json_t *fan, struct watch_look *l)
{
	const json_t *speed = json_object_get(fan, "SpeedPercent");

	if (!is_there(fan))
		return;
	count_fan(json_object_get(speed, "SpeedRPM") ? json_object_get(speed, "SpeedRPM")
						     : json_object_get(speed, "Reading"),
		  l);
	add(l, fan, health_of(fan), WATCH_FAN_FAILED, WATCH_FAN_WARNING);
}

static void fan_redundancy(const json_t *group, struct watch_look *l)
{
	add(l, group, health_of(group), WATCH_FAN_REDUNDANCY_LOST, WATCH_FAN_REDUNDANCY_LOST);
}

void watch_redfish_thermal(const json_t *thermal, struct watch_look *l)
{
	each(json_object_get(thermal, "Temperatures"), old_temperature, l);
	each(json_object_get(thermal, "Fans"), old_fan, l);
	each(json_object_get(thermal, "Redundancy"), fan_redundancy, l);
}

void watch_redfish_thermal_subsystem(const json_t *thermal, struct watch_look *l)
{
	each(json_object_get(thermal, "FanRedundancy"), fan_redundancy, l);
}

/* ---- power ---- */

static bool no_input(const json_t *psu)
{
	const json_t *volts = json_object_get(psu, "LineInputVoltage");
	const char *line = watch_json_text(psu, "LineInputStatus");

	if (line && (!strcmp(line, "LossOfInput") || !strcmp(line, "OutOfRange")))
		return true;
	return json_is_number(volts) && json_number_value(volts) < 1;
}

static void psu_health(const json_t *psu, struct watch_look *l)
{
	enum health h = health_of(psu);

	/* without one the supply is not well either, but nothing is broken */
	if (no_input(psu))
		add(l, psu, h, WATCH_PSU_INPUT_LOST, WATCH_PSU_INPUT_LOST);
	else
		add(l, psu, h, WATCH_PSU_FAILED, WATCH_PSU_WARNING);
}

void watch_redfish_psu(const json_t *psu, struct watch_look *l)
{
	if (is_there(psu))
		psu_health(psu, l);
}

static void psu_redundancy(const json_t *group, struct watch_look *l)
{
	add(l, group, health_of(group), WATCH_PSU_REDUNDANCY_LOST, WATCH_PSU_REDUNDANCY_LOST);
}

static void voltage(const json_t *v, struct watch_look *l)
{
	const char *name = name_of(v);

	if (health_of(v) == HEALTH_CRITICAL && (strcasestr(name, "VRM") || strcasestr(name, "VRD")))
		add(l, v, HEALTH_CRITICAL, WATCH_VRM_FAILED, WATCH_VRM_FAILED);
	else
		add(l, v, health_of(v), WATCH_VOLTAGE_CRITICAL, WATCH_VOLTAGE_WARNING);
}

void watch_redfish_power(const json_t *power, struct watch_look *l)
{
	each(json_object_get(power, "PowerSupplies"), psu_health, l);
	each(json_object_get(power, "Redundancy"), psu_redundancy, l);
	each(json_object_get(power, "Voltages"), voltage, l);
}

void watch_redfish_power_subsystem(const json_t *power, struct watch_look *l)
{
	each(json_object_get(power, "PowerSupplyRedundancy"), psu_redundancy, l);
}

/* ---- the rest of the host ---- */

static void summary(const json_t *system, const char *key, enum watch_kind critical, enum watch_kind warning,
		    struct watch_look *l)
{
	const json_t *status = json_object_get(json_object_get(system, key), "Status");
	const char *word = watch_json_text(status, "HealthRollup");
	enum health h = health_word(word ? word : watch_json_text(status, "Health"));

	if (h != HEALTH_OK)
		watch_look_add(l, h == HEALTH_CRITICAL ? critical : warning, false, key,
			       h == HEALTH_CRITICAL ? "health: critical" : "health: warning");
}

void watch_redfish_system(const json_t *system, struct watch_look *l)
{
	summary(system, "MemorySummary", WATCH_MEMORY_UNCORRECTABLE, WATCH_MEMORY_CORRECTABLE, l);
	summary(system, "ProcessorSummary", WATCH_HARDWARE_FAILURE, WATCH_HARDWARE_FAILURE, l);
}

bool watch_redfish_log_full(const json_t *service, json_int_t entries)
{
	const char *policy = watch_json_text(service, "OverWritePolicy");
	const json_t *max = json_object_get(service, "MaxNumberOfRecords");

	return policy && !strcmp(policy, "NeverOverWrites") && json_is_integer(max) &&
	       json_integer_value(max) > 0 && entries >= json_integer_value(max);
}
