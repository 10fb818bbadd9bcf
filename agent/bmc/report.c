/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/bmc/report.h"

#include <stdlib.h>

#include <jansson.h>
#include <uuid/uuid.h>

static const char *power_name(const struct watch_state *s)
{
	if (!s->power_known || s->power == BMC_BETWEEN)
		return "unknown";
	return s->power == BMC_ON ? "on" : "off";
}

static json_t *events_of(const struct watch_state *s)
{
	json_t *list = json_array();

	for (unsigned int i = 0; i < s->nr_events; i++) {
		const struct watch_event *e = &s->event[i];

		if (!e->counts)
			continue;
		json_array_append_new(list, json_pack("{s:s, s:s, s:s, s:b, s:I, s:s}", "what",
						      watch_kind_name(e->kind), "sensor", e->sensor, "action",
						      watch_action_name(s->table->rule[e->kind].action),
						      "restart", !s->table->rule[e->kind].holds, "since",
						      (json_int_t)e->since, "text", e->text));
	}
	return list;
}

static json_t *past_of(const struct watch_state *s)
{
	json_t *list = json_array();

	for (unsigned int k = 0; k < WATCH_KINDS; k++) {
		const struct watch_past *p = &s->past[k];

		if (p->at)
			json_array_append_new(list, json_pack("{s:s, s:s, s:I, s:s}", "what",
							      watch_kind_name(k), "sensor", p->sensor, "at",
							      (json_int_t)p->at, "text", p->text));
	}
	return list;
}

static const char *log_name(const struct watch_state *s)
{
	return s->log_read_off ? "read-since-off" : s->log_read ? "read" : "unread";
}

char *watch_report(const char *host, const struct watch_state *s)
{
	char uuid[UUID_STR_LEN] = "", *text = NULL;
	json_t *line;

	if (s->has_uuid)
		uuid_unparse_lower(s->uuid, uuid);
	line = json_pack("{s:s, s:s, s:s?, s:s, s:s?, s:o, s:s, s:o, s:s}", "host", host, "bmc",
			 watch_bmc_name(s->bmc), "why", s->why[0] ? s->why : NULL, "power", power_name(s),
			 "uuid", uuid[0] ? uuid : NULL, "events", events_of(s), "log", log_name(s), "past",
			 past_of(s), "worst", watch_action_name(watch_state_worst(s)));
	if (line)
		text = json_dumps(line, JSON_COMPACT);
	json_decref(line);
	return text;
}
