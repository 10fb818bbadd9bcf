/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Looks at a BMC by Redfish: the host's system, what its chassis say about heat and power, and its logs.  All
 * of it is asked for; the event stream (EventService, SSE) is not used: it would still need all this after
 * every lost connection.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/bmc/look.h"
#include "agent/bmc/redfish_log.h"
#include "agent/bmc/redfish_parse.h"
#include "agent/bmc/table.h"
#include "fencing/fence.h"
#include "fencing/options.h"
#include "fencing/redfish.h"
#include "monotonic.h"

#define SECOND 1000000000ULL
#define CHASSIS_MAX 4
#define LOGS_MAX 4
/* Resources of a collection, pages of a log, entries that are fetched one by one: what is beyond has to wait.
 */
#define MEMBERS_MAX 32U
#define PAGES_MAX 8U
#define LINKS_MAX 16U
#define TAIL 50

struct chassis {
	char thermal[FENCE_STR], power[FENCE_STR]; /* empty: it has none */
	bool subsystems;			   /* the newer form of both */
};

struct log {
	char entries[FENCE_STR];
	json_t *service;
	struct watch_log log;
};

struct redfish_source {
	struct watch_source source;
	const struct fence_options *o;
	const struct watch_table *table;
	struct bmc *bmc;
	bool found; /* the lists below; anew after each failure */
	unsigned int nr_chassis, nr_logs;
	struct chassis chassis[CHASSIS_MAX];
	struct log log[LOGS_MAX];
	/* of the look that is under way */
	struct watch_look *l;
	uint64_t end_ns;
};

static struct redfish_source *redfish_of(struct watch_source *s)
{
	return (struct redfish_source *)s; /* its first member */
}

/* The caller's; NULL: it is not there, or the look failed. */
static json_t *get(struct redfish_source *r, const char *path)
{
	json_t *answer = NULL;
	int rc;

	if (!path || r->l->error)
		return NULL;
	if (monotonic_ns() > r->end_ns) {
		watch_look_fail(r->l, -ETIME, "it takes too long to read what it has");
		return NULL;
	}
	rc = http_get(redfish_http(r->bmc), path, &answer, r->bmc->why, BMC_WHY);
	if (rc && rc != -ENOENT)
		watch_look_fail(r->l, rc, r->bmc->why);
	return answer;
}

/* False: there is no path, or it is too long. */
static bool keep(char to[FENCE_STR], const char *path)
{
	if (!path || path[0] != '/' || strlen(path) >= FENCE_STR)
		return false;
	strcpy(to, path);
	return true;
}

/* ---- heat and power ---- */

static void find_chassis(struct redfish_source *r, const json_t *system)
{
	const json_t *links = json_object_get(json_object_get(system, "Links"), "Chassis");

	r->nr_chassis = 0;
	for (size_t i = 0; i < json_array_size(links) && r->nr_chassis < CHASSIS_MAX; i++) {
		json_t *resource = get(r, watch_json_text(json_array_get(links, i), "@odata.id"));
		struct chassis *c = &r->chassis[r->nr_chassis];
		bool old, new = false;

		memset(c, 0, sizeof(*c));
		old = keep(c->thermal, watch_json_link(resource, "Thermal"));
		old = keep(c->power, watch_json_link(resource, "Power")) || old;
		if (!old) {
			new = keep(c->thermal, watch_json_link(resource, "ThermalSubsystem"));
			new = keep(c->power, watch_json_link(resource, "PowerSubsystem")) || new;
		}
		c->subsystems = new;
		r->nr_chassis += old || new;
		json_decref(resource);
	}
}

/* The resources of a collection, which are there in full or by their links. */
static void each_member(struct redfish_source *r, const char *collection,
			void (*parse)(const json_t *resource, struct watch_look *l))
{
	json_t *list = get(r, collection);
	const json_t *members = json_object_get(list, "Members");

	for (size_t i = 0; i < json_array_size(members) && i < MEMBERS_MAX; i++) {
		const json_t *member = json_array_get(members, i);
		json_t *resource = NULL;

		if (json_object_size(member) == 1)
			resource = get(r, watch_json_text(member, "@odata.id"));
		parse(resource ? resource : member, r->l);
		json_decref(resource);
	}
	json_decref(list);
}

static void look_at_temperatures(struct redfish_source *r, const json_t *thermal)
{
	json_t *metrics = get(r, watch_json_link(thermal, "ThermalMetrics"));
	const json_t *readings = json_object_get(metrics, "TemperatureReadingsCelsius");

	for (size_t i = 0; i < json_array_size(readings) && i < MEMBERS_MAX; i++) {
		json_t *sensor = get(r, watch_json_text(json_array_get(readings, i), "DataSourceUri"));

		watch_redfish_temperature(sensor, r->l);
		json_decref(sensor);
	}
	json_decref(metrics);
}

static void look_at_subsystems(struct redfish_source *r, const struct chassis *c)
{
	json_t *thermal = get(r, c->thermal[0] ? c->thermal : NULL),
	       *power = get(r, c->power[0] ? c->power : NULL);

	watch_redfish_thermal_subsystem(thermal, r->l);
	each_member(r, watch_json_link(thermal, "Fans"), watch_redfish_fan);
	look_at_temperatures(r, thermal);
	watch_redfish_power_subsystem(power, r->l);
	each_member(r, watch_json_link(power, "PowerSupplies"), watch_redfish_psu);
	json_decref(thermal);
	json_decref(power);
}

static void look_at_chassis(struct redfish_source *r, const struct chassis *c)
{
	json_t *thermal, *power;

	if (c->subsystems) {
		look_at_subsystems(r, c);
		return;
	}
	thermal = get(r, c->thermal[0] ? c->thermal : NULL);
	power = get(r, c->power[0] ? c->power : NULL);
	watch_redfish_thermal(thermal, r->l);
	watch_redfish_power(power, r->l);
	json_decref(thermal);
	json_decref(power);
}

/* ---- logs ---- */

static void add_log(struct redfish_source *r, const char *path)
{
	struct log *log = &r->log[r->nr_logs];
	json_t *service = get(r, path);
	char entries[FENCE_STR];

	if (!keep(entries, watch_json_link(service, "Entries"))) {
		json_decref(service);
		return;
	}
	/* what was seen of it stays seen */
	if (strcmp(entries, log->entries))
		memset(&log->log, 0, sizeof(log->log));
	memcpy(log->entries, entries, sizeof(log->entries));
	json_decref(log->service);
	log->service = service;
	r->nr_logs++;
}

static void add_logs(struct redfish_source *r, const json_t *owner)
{
	json_t *list = get(r, watch_json_link(owner, "LogServices"));
	const json_t *members = json_object_get(list, "Members");

	for (size_t i = 0; i < json_array_size(members) && r->nr_logs < LOGS_MAX; i++)
		add_log(r, watch_json_text(json_array_get(members, i), "@odata.id"));
	json_decref(list);
}

/* Of the system; older firmware has them with the manager. */
static void find_logs(struct redfish_source *r, const json_t *system)
{
	const json_t *managers = json_object_get(json_object_get(system, "Links"), "ManagedBy");
	json_t *manager;

	r->nr_logs = 0;
	add_logs(r, system);
	if (r->nr_logs)
		return;
	manager = get(r, watch_json_text(json_array_get(managers, 0), "@odata.id"));
	add_logs(r, manager);
	json_decref(manager);
}

/* An entry that is there by its link. */
static void read_link(struct redfish_source *r, struct watch_log *log, const json_t *link)
{
	json_t *entry = get(r, watch_json_text(link, "@odata.id"));
	bool new = entry &&watch_log_new(log, entry);

	if (new)
		watch_redfish_entry(entry, r->l);
	else if (!entry)
		watch_log_unsee(log);
	json_decref(entry);
}

/* True: there was a new one. */
static bool read_page(struct redfish_source *r, struct watch_log *log, const json_t *page)
{
	const json_t *members = json_object_get(page, "Members");
	unsigned int links = 0;
	bool any = false;

	for (size_t i = 0; i < json_array_size(members) && i < WATCH_LOG_SEEN && links < LINKS_MAX; i++) {
		const json_t *entry = json_array_get(members, i);

		if (!watch_log_new(log, entry))
			continue;
		any = true;
		if (json_object_size(entry) != 1) {
			watch_redfish_entry(entry, r->l);
		} else {
			links++;
			read_link(r, log, entry);
		}
	}
	return any;
}

/* The last entries of a log of several pages that begins with its oldest one.  NULL: the BMC does not know
 * $skip. */
static json_t *get_tail(struct redfish_source *r, const char *entries, json_int_t count)
{
	char path[FENCE_STR + 32], why[BMC_WHY];
	json_t *page = NULL;

	snprintf(path, sizeof(path), "%s?$skip=%lld", entries, (long long)(count > TAIL ? count - TAIL : 0));
	return http_get(redfish_http(r->bmc), path, &page, why, sizeof(why)) ? NULL : page;
}

static void look_at_log(struct redfish_source *r, struct log *log)
{
	json_t *page = get(r, log->entries), *next = NULL;
	json_int_t count = watch_log_count(page);
	int order = watch_log_order(page);

	if (!page)
		return;
	if (watch_json_text(page, "Members@odata.nextLink") && order < 0)
		next = get_tail(r, log->entries, count);
	watch_log_begin(&log->log, count, next);
	if (next) {
		json_decref(page);
		page = next;
	}
	if (watch_redfish_log_full(log->service, count))
		r->l->log_full = true;
	for (unsigned int n = 1; page; n++) {
		/* behind the newest that are known there is nothing new */
		bool more = read_page(r, &log->log, page) || order <= 0 || !log->log.primed;

		next = more && n < PAGES_MAX ? get(r, watch_json_text(page, "Members@odata.nextLink")) : NULL;
		json_decref(page);
		page = next;
	}
	if (!r->l->error)
		watch_log_end(&log->log);
}

/* ---- */

static void look_at_system(struct redfish_source *r, const json_t *system)
{
	struct watch_look *l = r->l;
	int rc = redfish_system_power(r->bmc, system, &l->power);

	l->has_power = !rc;
	if (rc)
		watch_look_fail(l, rc, r->bmc->why);
	l->has_uuid = !redfish_system_uuid(r->bmc, system, l->uuid);
	if (!r->o->has_uuid || !l->has_uuid)
		return;
	l->foreign = !bmc_same_uuid(l->uuid, r->o->uuid);
	if (!l->foreign)
		memcpy(l->uuid, r->o->uuid, sizeof(l->uuid));
}

static void look_at_all(struct redfish_source *r, const json_t *system)
{
	struct watch_look *l = r->l;

	if (!r->found) {
		find_chassis(r, system);
		find_logs(r, system);
		/* or all would seem to be well */
		if (!r->nr_chassis)
			watch_look_fail(l, -EPROTO, "none of its chassis says anything about heat and power");
		r->found = !l->error;
	}
	watch_redfish_system(system, l);
	for (unsigned int i = 0; i < r->nr_chassis; i++)
		look_at_chassis(r, &r->chassis[i]);
	l->sensors = !l->error;
	for (unsigned int i = 0; i < r->nr_logs; i++)
		look_at_log(r, &r->log[i]);
	l->log_read = !l->error;
}

static void redfish_look(struct watch_source *s, bool sensors, struct watch_look *l)
{
	struct redfish_source *r = redfish_of(s);
	uint64_t begin = monotonic_ns();
	json_t *system = NULL;
	int rc;

	r->l = l;
	r->end_ns = begin + r->table->slow_after * SECOND;
	r->bmc->why[0] = '\0';
	rc = redfish_system(r->bmc, &system);
	if (rc)
		watch_look_fail(l, rc, r->bmc->why);
	else
		look_at_system(r, system);
	if (sensors && !l->error)
		look_at_all(r, system);
	if (l->error)
		r->found = false;
	json_decref(system);
	l->took_ns = monotonic_ns() - begin;
}

static void redfish_close(struct watch_source *s)
{
	struct redfish_source *r = redfish_of(s);

	for (unsigned int i = 0; i < LOGS_MAX; i++)
		json_decref(r->log[i].service);
	if (r->bmc)
		r->bmc->ops->close(r->bmc);
	free(r);
}

static const struct watch_source_ops redfish_ops = { .look = redfish_look, .close = redfish_close };

int watch_redfish_open(const struct fence_options *o, const struct watch_table *t, struct watch_source **out,
		       char why[BMC_WHY])
{
	struct redfish_source *r = calloc(1, sizeof(*r));
	int rc;

	why[0] = '\0';
	if (!r)
		return -ENOMEM;
	r->source.ops = &redfish_ops;
	r->o = o;
	r->table = t;
	rc = redfish_open(o, &r->bmc, why);
	if (rc) {
		redfish_close(&r->source);
		return rc;
	}
	*out = &r->source;
	return 0;
}
