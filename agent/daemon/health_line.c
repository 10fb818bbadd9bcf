/* SPDX-License-Identifier: GPL-2.0-only */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <jansson.h>
#include <uuid/uuid.h>

#include "agent/daemon/health.h"

static int bad(char *why, const char *key, const char *what)
{
	snprintf(why, HEALTH_WHY, "\"%s\" is %s", key, what);
	return -EBADMSG;
}

static bool printable(const char *s)
{
	for (; *s; s++)
		if (*s < ' ' || *s > '~')
			return false;
	return true;
}

/* A text of less than len bytes, copied to out. */
static int text(const json_t *o, const char *key, char *out, size_t len, char *why)
{
	const json_t *v = json_object_get(o, key);
	const char *s = json_string_value(v);

	if (!s)
		return bad(why, key, "no text");
	if (json_string_length(v) >= len || !printable(s))
		return bad(why, key, "too long or not printable");
	memcpy(out, s, json_string_length(v) + 1);
	return 0;
}

/* The same, or null: "". */
static int text_or_null(const json_t *o, const char *key, char *out, size_t len, char *why)
{
	out[0] = '\0';
	return json_is_null(json_object_get(o, key)) ? 0 : text(o, key, out, len, why);
}

/* One of n words, as its number. */
static int word(const json_t *o, const char *key, const char *(*name)(unsigned int), unsigned int n,
		unsigned int *out, char *why)
{
	const char *s = json_string_value(json_object_get(o, key));

	for (*out = 0; s && *out < n; ++*out)
		if (!strcmp(s, name(*out)))
			return 0;
	return bad(why, key, "none of its words");
}

static const char *bmc_word(unsigned int i)
{
	return watch_bmc_name((enum watch_bmc)i);
}

static const char *action_word(unsigned int i)
{
	return watch_action_name((enum watch_action)i);
}

static const char *power_word(unsigned int i)
{
	static const char *const words[] = {
		[HEALTH_POWER_UNKNOWN] = "unknown", [HEALTH_POWER_ON] = "on", [HEALTH_POWER_OFF] = "off"
	};

	return words[i];
}

static const char *log_word(unsigned int i)
{
	static const char *const words[] = { [HEALTH_LOG_UNREAD] = "unread",
					     [HEALTH_LOG_READ] = "read",
					     [HEALTH_LOG_READ_SINCE_OFF] = "read-since-off" };

	return words[i];
}

static const char *kind_word(unsigned int i)
{
	return watch_kind_name((enum watch_kind)i);
}

/* What all events have, of the list `list`; time: the key of when it was. */
static int parse_what(const json_t *o, const char *list, const char *time, struct health_event *e, char *why)
{
	const json_t *since = json_object_get(o, time);
	unsigned int kind = 0;
	int rc;

	if (!json_is_object(o))
		return bad(why, list, "no list of objects");
	rc = word(o, "what", kind_word, WATCH_KINDS, &kind, why) ?:
	     text(o, "sensor", e->sensor, sizeof(e->sensor), why) ?:
	     text(o, "text", e->text, sizeof(e->text), why);
	if (rc)
		return rc;
	if (!json_is_integer(since))
		return bad(why, time, "no number");
	e->kind = (enum watch_kind)kind;
	e->since = json_integer_value(since);
	return 0;
}

static int parse_event(const json_t *o, struct health_event *e, char *why)
{
	const json_t *restart = json_object_get(o, "restart");
	unsigned int action = 0;
	int rc = parse_what(o, "events", "since", e, why);

	if (!rc)
		rc = word(o, "action", action_word, WATCH_FENCE + 1, &action, why);
	if (rc)
		return rc;
	if (restart && !json_is_boolean(restart))
		return bad(why, "restart", "neither true nor false");
	/* an older kemari-bmc does not say it */
	e->holds = restart ? json_is_false(restart) : action == WATCH_FENCE;
	e->action = (enum watch_action)action;
	return 0;
}

static int parse_events(const json_t *o, struct health_report *r, char *why)
{
	const json_t *list = json_object_get(o, "events"), *event;
	size_t i;
	int rc;

	if (!json_is_array(list) || json_array_size(list) > WATCH_EVENTS)
		return bad(why, "events", "no list, or too long");
	json_array_foreach(list, i, event) {
		rc = parse_event(event, &r->event[i], why);
		if (rc)
			return rc;
		if (health_event(r, &r->event[i]))
			return bad(why, "events", "a list with the same one twice");
		r->nr++;
	}
	return 0;
}

/* Of an older kemari-bmc there is none. */
static int parse_past(const json_t *o, struct health_report *r, char *why)
{
	const json_t *list = json_object_get(o, "past"), *event;
	size_t i;
	int rc;

	if (!list)
		return 0;
	if (!json_is_array(list) || json_array_size(list) > WATCH_KINDS)
		return bad(why, "past", "no list, or too long");
	json_array_foreach(list, i, event) {
		rc = parse_what(event, "past", "at", &r->past[r->nr_past], why);
		if (rc)
			return rc;
		r->past[r->nr_past++].holds = true;
	}
	return 0;
}

static int parse_log(const json_t *o, struct health_report *r, char *why)
{
	unsigned int log = HEALTH_LOG_UNREAD;
	int rc = 0;

	if (json_object_get(o, "log"))
		rc = word(o, "log", log_word, HEALTH_LOG_READ_SINCE_OFF + 1, &log, why);
	r->log = (enum health_log)log;
	return rc;
}

static int parse_uuid(const json_t *o, struct health_report *r, char *why)
{
	char uuid[UUID_STR_LEN];
	int rc = text_or_null(o, "uuid", uuid, sizeof(uuid), why);

	if (!rc && uuid[0] && uuid_parse(uuid, r->uuid))
		rc = bad(why, "uuid", "none");
	return rc;
}

static enum watch_action amounts_to(const struct health_report *r)
{
	const struct health_event *worst = health_worst_event(r);
	const enum watch_action of_bmc = r->bmc == WATCH_BMC_OK ? WATCH_IGNORE : WATCH_NOTE;

	return worst && worst->action > of_bmc ? worst->action : of_bmc;
}

static int parse(const json_t *o, const char *host, struct health_report *r, char *why)
{
	unsigned int bmc = 0, power = 0, worst = 0;
	char name[ROW_HOST];
	int rc;

	if (!json_is_object(o))
		return bad(why, "", "no object");
	rc = text(o, "host", name, sizeof(name), why) ?:
	     word(o, "bmc", bmc_word, WATCH_BMC_STATES, &bmc, why) ?:
	     text_or_null(o, "why", r->why, sizeof(r->why), why) ?:
	     word(o, "power", power_word, HEALTH_POWER_OFF + 1, &power, why) ?:
	     word(o, "worst", action_word, WATCH_FENCE + 1, &worst, why) ?:
	     parse_uuid(o, r, why) ?:
	     parse_events(o, r, why) ?:
	     parse_past(o, r, why) ?:
	     parse_log(o, r, why);
	if (rc)
		return rc;
	r->bmc = (enum watch_bmc)bmc;
	r->power = (enum health_power)power;
	r->worst = (enum watch_action)worst;
	if (strcmp(name, host) != 0)
		return bad(why, "host", "another one");
	return r->worst == amounts_to(r) ? 0 : bad(why, "worst", "not what the rest amounts to");
}

int health_parse(const char *line, size_t len, const char *host, struct health_report *r, char *why)
{
	json_error_t err;
	json_t *o = json_loadb(line, len, JSON_REJECT_DUPLICATES, &err);
	int rc;

	memset(r, 0, sizeof(*r));
	if (o) {
		rc = parse(o, host, r, why);
	} else {
		snprintf(why, HEALTH_WHY, "no JSON: %.100s", err.text);
		rc = -EBADMSG;
	}
	json_decref(o);
	return rc;
}
