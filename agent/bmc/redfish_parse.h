/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What resources of a Redfish BMC say about its host, into a look.  Pure: JSON in, findings out.  The JSON
 * may be anything at all, NULL included: what is not as DMTF's schemas (DSP8010) have it says nothing.
 */
#ifndef KEMARI_AGENT_BMC_REDFISH_PARSE_H
#define KEMARI_AGENT_BMC_REDFISH_PARSE_H

#include <jansson.h>

#include "agent/bmc/look.h"

/* Chassis/X/Thermal and Chassis/X/Power: all in one, as iLO 4 and 5, iDRAC 7 to 9 have them. */
void watch_redfish_thermal(const json_t *thermal, struct watch_look *l);
void watch_redfish_power(const json_t *power, struct watch_look *l);

/* Chassis/X/ThermalSubsystem and PowerSubsystem: redundancy; and what they have as resources of their own. */
void watch_redfish_thermal_subsystem(const json_t *thermal, struct watch_look *l);
void watch_redfish_power_subsystem(const json_t *power, struct watch_look *l);
void watch_redfish_fan(const json_t *fan, struct watch_look *l);
void watch_redfish_psu(const json_t *psu, struct watch_look *l);
void watch_redfish_temperature(const json_t *sensor, struct watch_look *l);

/* Systems/X: what it sums up about memory and processors. */
void watch_redfish_system(const json_t *system, struct watch_look *l);

/* A member of a LogEntryCollection. */
void watch_redfish_entry(const json_t *entry, struct watch_look *l);
/* A LogService whose log takes no more; entries: how many there are. */
bool watch_redfish_log_full(const json_t *service, json_int_t entries);

/* The string at key; NULL: there is none. */
const char *watch_json_text(const json_t *object, const char *key);
/* The path that the link at key has (@odata.id); NULL: there is none. */
const char *watch_json_link(const json_t *object, const char *key);

#endif
