/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Looks at a BMC by IPMI 2.0.  Power and the headers of the log come over one lasting session
 * (fencing/ipmi.h); sensors, and what records of the log say, by libipmimonitoring, which begins a session of
 * its own for each question.  A BMC has few places for sessions, often four, for all who ask it: two hosts,
 * and the fencing of both.  So the lasting one ends before each of those, and there is one at a time.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <ipmi_monitoring.h>

#include "agent/bmc/ipmi_map.h"
#include "agent/bmc/ipmi_sel.h"
#include "agent/bmc/look.h"
#include "agent/bmc/sel.h"
#include "agent/bmc/table.h"
#include "fencing/fence.h"
#include "fencing/ipmi.h"
#include "monotonic.h"

#define SECOND 1000000000ULL
/* freeipmi_interpret_sensor.conf(5), freeipmi_interpret_sel.conf(5) */
#define INTERPRET_SENSOR "/etc/freeipmi/freeipmi_interpret_sensor.conf"
#define INTERPRET_SEL "/etc/freeipmi/freeipmi_interpret_sel.conf"
/* Of one BMC; a large machine has 300. */
#define SENSORS_MAX 1024U
/* A session lasts over idle times up to this; a BMC that is gone is noticed after the time of an answer. */
#define IDLE_MAX 15U

struct ipmi_source {
	struct watch_source source;
	const struct fence_options *o;
	struct fence_options patient; /* the same, with time for a session to be idle */
	const struct watch_table *table;
	struct bmc *bmc;
	ipmi_monitoring_ctx_t monitor;
	struct ipmi_monitoring_ipmi_config config;
	char where[IPMI_WHERE];
	bool identified; /* since it last failed to answer */
	bool has_uuid, foreign;
	bool has_log;
	uint8_t uuid[16];
	struct watch_sel sel;
	/* of the look that is under way */
	struct watch_look *l;
	uint64_t end_ns;
	unsigned int sensors, records;
	bool past;	/* records from before the first look are being read */
	uint64_t clock; /* the BMC's, by which it logs; 0: not known */
};

static struct ipmi_source *ipmi_of(struct watch_source *s)
{
	return (struct ipmi_source *)s; /* its first member */
}

static void fail(struct ipmi_source *i, int rc)
{
	watch_look_fail(i->l, rc, i->bmc->why);
	i->identified = false;
}

/* ---- which machine it is ---- */

static void identify(struct ipmi_source *i)
{
	int rc;

	if (!i->identified) {
		rc = i->bmc->ops->uuid(i->bmc, i->uuid);
		if (rc && rc != -EOPNOTSUPP && rc != -EPROTO) {
			fail(i, rc);
			return;
		}
		i->has_uuid = !rc;
		i->foreign = i->o->has_uuid && i->has_uuid && !bmc_same_uuid(i->uuid, i->o->uuid);
		/* in the order of bytes that people use */
		if (i->o->has_uuid && !i->foreign)
			memcpy(i->uuid, i->o->uuid, sizeof(i->uuid));
		i->identified = true;
	}
	i->l->has_uuid = i->has_uuid;
	i->l->foreign = i->foreign;
	memcpy(i->l->uuid, i->uuid, sizeof(i->uuid));
}

/* ---- sensors ---- */

/* Of a question about what: "sensors", "the event log". */
static int monitor_failed(struct ipmi_source *i, const char *what)
{
	int rc = watch_ipmi_errno(ipmi_monitoring_ctx_errnum(i->monitor));

	snprintf(i->bmc->why, BMC_WHY, "%s: %s: %s", i->o->ip, what,
		 rc == -ETIME ? "it takes too long to read them" : ipmi_monitoring_ctx_errormsg(i->monitor));
	return rc;
}

static bool late(const struct ipmi_source *i)
{
	return monotonic_ns() > i->end_ns;
}

/* The words for all bits that are set, as libipmimonitoring has them. */
static void words_of(ipmi_monitoring_ctx_t c, char *to, size_t len)
{
	char **words = ipmi_monitoring_sensor_read_sensor_bitmask_strings(c);
	size_t n = 0;

	to[0] = '\0';
	for (; words && *words && n < len; words++)
		n += (size_t)snprintf(to + n, len - n, "%s%s", n ? ", " : "", *words);
}

static void read_value(ipmi_monitoring_ctx_t c, struct watch_reading *r)
{
	const void *value = ipmi_monitoring_sensor_read_sensor_reading(c);

	r->rpm = ipmi_monitoring_sensor_read_sensor_units(c) == IPMI_MONITORING_SENSOR_UNITS_RPM;
	r->has_value = value && ipmi_monitoring_sensor_read_sensor_reading_type(c) ==
					IPMI_MONITORING_SENSOR_READING_TYPE_DOUBLE;
	if (r->has_value)
		memcpy(&r->value, value, sizeof(r->value));
}

static int on_sensor(ipmi_monitoring_ctx_t c, void *arg)
{
	struct ipmi_source *i = arg;
	struct watch_reading r = {
		.type = ipmi_monitoring_sensor_read_sensor_type(c),
		.state = ipmi_monitoring_sensor_read_sensor_state(c),
		.bits_type = ipmi_monitoring_sensor_read_sensor_bitmask_type(c),
		.bits = ipmi_monitoring_sensor_read_sensor_bitmask(c),
		.name = ipmi_monitoring_sensor_read_sensor_name(c),
	};
	char text[WATCH_TEXT];

	if (late(i) || ++i->sensors > SENSORS_MAX)
		return -1;
	read_value(c, &r);
	watch_ipmi_running(&r, i->l);
	if (watch_ipmi_log_full(&r))
		i->l->log_full = true;
	words_of(c, text, sizeof(text));
	watch_look_add(i->l, watch_ipmi_kind(&r), false, r.name, text);
	return 0;
}

static int look_at_sensors(struct ipmi_source *i)
{
	/* not: drive slots, slots, cables and more, which big machines have in hundreds */
	static unsigned int types[] = {
		IPMI_MONITORING_SENSOR_TYPE_TEMPERATURE,
		IPMI_MONITORING_SENSOR_TYPE_VOLTAGE,
		IPMI_MONITORING_SENSOR_TYPE_CURRENT,
		IPMI_MONITORING_SENSOR_TYPE_FAN,
		IPMI_MONITORING_SENSOR_TYPE_PROCESSOR,
		IPMI_MONITORING_SENSOR_TYPE_POWER_SUPPLY,
		IPMI_MONITORING_SENSOR_TYPE_POWER_UNIT,
		IPMI_MONITORING_SENSOR_TYPE_COOLING_DEVICE,
		IPMI_MONITORING_SENSOR_TYPE_MEMORY,
		IPMI_MONITORING_SENSOR_TYPE_EVENT_LOGGING_DISABLED,
		IPMI_MONITORING_SENSOR_TYPE_WATCHDOG1,
		IPMI_MONITORING_SENSOR_TYPE_WATCHDOG2,
		IPMI_MONITORING_SENSOR_TYPE_SYSTEM_EVENT,
		IPMI_MONITORING_SENSOR_TYPE_CRITICAL_INTERRUPT,
		IPMI_MONITORING_SENSOR_TYPE_MODULE_BOARD,
		IPMI_MONITORING_SENSOR_TYPE_CHIP_SET,
		IPMI_MONITORING_SENSOR_TYPE_SYSTEM_ACPI_POWER_STATE,
	};

	i->sensors = 0;
	if (ipmi_monitoring_sensor_readings_by_sensor_type(
		    i->monitor, i->where, &i->config,
		    IPMI_MONITORING_SENSOR_READING_FLAGS_BRIDGE_SENSORS |
			    IPMI_MONITORING_SENSOR_READING_FLAGS_SHARED_SENSORS,
		    types, sizeof(types) / sizeof(types[0]), on_sensor, i) < 0)
		return monitor_failed(i, "its sensors");
	if (!i->sensors) { /* or all would seem to be well */
		snprintf(i->bmc->why, BMC_WHY, "%s: it has no sensors that are known here", i->o->ip);
		return -EPROTO;
	}
	i->l->sensors = true;
	return 0;
}

/* ---- the log ---- */

static int on_record(ipmi_monitoring_ctx_t c, void *arg)
{
	struct ipmi_source *i = arg;
	int id = ipmi_monitoring_sel_read_record_id(c);
	struct watch_reading r = { .state = ipmi_monitoring_sel_read_sel_state(c) };

	unsigned int at = 0;

	if (late(i) || id < 0)
		return -1;
	i->records++;
	if (!i->past)
		watch_sel_done(&i->sel, (unsigned int)id);
	if (ipmi_monitoring_sel_read_record_type_class(c) !=
		    IPMI_MONITORING_SEL_RECORD_TYPE_CLASS_SYSTEM_EVENT_RECORD ||
	    ipmi_monitoring_sel_read_event_direction(c) != IPMI_MONITORING_SEL_EVENT_DIRECTION_ASSERTION)
		return 0;
	r.type = ipmi_monitoring_sel_read_sensor_type(c);
	r.bits_type = ipmi_monitoring_sel_read_event_offset_type(c);
	r.bits = watch_ipmi_bit(r.bits_type, ipmi_monitoring_sel_read_event_offset(c));
	r.name = ipmi_monitoring_sel_read_sensor_name(c);
	ipmi_monitoring_sel_read_timestamp(c, &at);
	watch_look_entry(i->l, watch_ipmi_kind(&r), i->past, watch_sel_age(at, i->clock), r.name,
			 ipmi_monitoring_sel_read_event_offset_string(c));
	return 0;
}

/* What they say, by libipmimonitoring. */
static int read_records(struct ipmi_source *i, unsigned int *ids, unsigned int n)
{
	int rc;

	i->records = 0;
	i->clock = 0;
	rc = watch_sel_time(i->bmc, &i->clock);
	if (rc && rc != -EOPNOTSUPP && rc != -EPROTO)
		return rc;
	ipmi_hang_up(i->bmc);
	if (ipmi_monitoring_sel_by_record_id(i->monitor, i->where, &i->config, 0, ids, n, on_record, i) >=
	    0) {
		if (!i->past)
			watch_sel_done(&i->sel, ids[n - 1]);
		return 0;
	}
	rc = monitor_failed(i, "its event log");
	/* a record that cannot be read must not hide those behind it */
	if (!i->past && rc == -EPROTO && i->records < n)
		watch_sel_done(&i->sel, ids[i->records]);
	return rc;
}

static int look_at_log(struct ipmi_source *i)
{
	unsigned int ids[WATCH_SEL_BATCH], n;
	struct watch_sel_info info = { 0 };
	int rc = watch_sel_info(i->bmc, &info), read;

	i->has_log = rc != -EOPNOTSUPP;
	if (rc)
		return rc == -EOPNOTSUPP ? 0 : rc;
	if (watch_sel_full(&info))
		i->l->log_full = true;
	i->bmc->why[0] = '\0';
	rc = watch_sel_new(&i->sel, &info, watch_sel_entry, i->bmc, ids, &n);
	if (rc == -EPROTO && !i->bmc->why[0])
		snprintf(i->bmc->why, BMC_WHY, "%s: its event log makes no sense", i->o->ip);
	if (rc && rc != -EPROTO)
		return rc;
	read = n ? read_records(i, ids, n) : 0;
	return rc ? rc : read;
}

/* ---- */

/* Nothing will be asked over the lasting session for so long, and then until the next look. */
static void leave_alone(struct ipmi_source *i, uint64_t busy_ns)
{
	uint64_t interval = i->table->interval * SECOND;
	/* poller.c: the next look comes after as long a time as a long one took */
	uint64_t idle = busy_ns + (busy_ns > interval ? busy_ns : interval);

	if (idle + SECOND > i->patient.login_timeout * SECOND)
		ipmi_hang_up(i->bmc);
}

static void read_sensors(struct ipmi_source *i)
{
	int rc;

	ipmi_hang_up(i->bmc);
	rc = look_at_sensors(i);
	if (rc)
		fail(i, rc);
}

/*
 * What was in the log before the first look; the rest of a long one is for the next looks.  A record that
 * cannot be read takes those that were asked for with it, and no more: it is not why a host is in danger now.
 */
static int read_past(struct ipmi_source *i)
{
	const uint64_t end_ns = monotonic_ns() + i->table->slow_after * SECOND / 4;
	unsigned int ids[WATCH_SEL_BATCH], n;
	struct watch_sel before;
	int rc = 0;

	i->past = true;
	while (!rc && !watch_sel_past_read(&i->sel) && monotonic_ns() < end_ns && !late(i)) {
		before = i->sel;
		rc = watch_sel_past(&i->sel, watch_sel_entry, i->bmc, ids, &n);
		if (!rc && n)
			rc = read_records(i, ids, n);
		if (rc == -EPROTO)
			rc = 0;
		if (rc)
			i->sel = before;
		if (rc == -ETIME) /* or the next look would get no further */
			watch_sel_past_slow(&i->sel);
	}
	i->past = false;
	return rc == -ETIME ? 0 : rc;
}

/* The log's past comes last: it can wait. */
static void read_all(struct ipmi_source *i)
{
	int rc = look_at_log(i);

	if (rc) {
		fail(i, rc);
		return;
	}
	read_sensors(i);
	if (i->l->error)
		return;
	rc = i->has_log ? read_past(i) : 0;
	if (rc)
		fail(i, rc);
	else
		i->l->log_read = !i->has_log || watch_sel_all_read(&i->sel);
}

static void ipmi_look(struct watch_source *s, bool sensors, struct watch_look *l)
{
	struct ipmi_source *i = ipmi_of(s);
	uint64_t begin = monotonic_ns();
	int rc;

	i->l = l;
	i->end_ns = begin + i->table->slow_after * SECOND;
	i->bmc->why[0] = '\0';
	rc = i->bmc->ops->power(i->bmc, &l->power);
	l->has_power = !rc;
	if (rc)
		fail(i, rc);
	else
		identify(i);
	if (sensors && !l->error)
		read_all(i);
	leave_alone(i, monotonic_ns() - begin);
	l->took_ns = monotonic_ns() - begin;
}

static void ipmi_close(struct watch_source *s)
{
	struct ipmi_source *i = ipmi_of(s);

	if (i->monitor)
		ipmi_monitoring_ctx_destroy(i->monitor);
	if (i->bmc)
		i->bmc->ops->close(i->bmc);
	explicit_bzero(i->patient.password, sizeof(i->patient.password));
	free(i);
}

/*
 * The administrator's own interpretation, if there is one.  As they are shipped these files say nothing, in
 * 60 KB of comments, which the library reads byte by byte: 120 000 system calls, a minute on a busy dom0 of
 * the lab.
 */
static const char *interpretation(const char *path)
{
	FILE *f = fopen(path, "re");
	char *line = NULL;
	bool says = false;
	size_t cap = 0;

	if (!f)
		return NULL; /* the library's own default, which may be missing */
	while (!says && getline(&line, &cap, f) >= 0) {
		char first = line[strspn(line, " \t\r\n")];

		says = first && first != '#';
	}
	free(line);
	fclose(f);
	return says ? path : "/dev/null";
}

static int open_monitor(struct ipmi_source *i, const char *cache_dir, char why[BMC_WHY])
{
	const struct fence_options *o = i->o;
	int error;

	i->config = (struct ipmi_monitoring_ipmi_config){
		.driver_type = -1,
		.protocol_version = IPMI_MONITORING_PROTOCOL_VERSION_2_0,
		.username = o->user[0] ? (char *)o->user : NULL,
		.password = o->password[0] ? (char *)o->password : NULL,
		.privilege_level = strcasecmp(o->privilege, "operator")
					   ? IPMI_MONITORING_PRIVILEGE_LEVEL_ADMIN
					   : IPMI_MONITORING_PRIVILEGE_LEVEL_OPERATOR,
		.authentication_type = -1,
		.cipher_suite_id = (int)o->cipher,
		.session_timeout_len = (int)o->login_timeout * 1000,
		.retransmission_timeout_len = o->login_timeout > 1 ? 1000 : 500,
	};
	/* libipmimonitoring's flags for the workarounds are the same bits */
	_Static_assert(
		IPMI_WORKAROUND_FLAGS_OUTOFBAND_2_0_OPEN_SESSION_PRIVILEGE ==
				(int)IPMI_MONITORING_WORKAROUND_FLAGS_PROTOCOL_VERSION_2_0_OPEN_SESSION_PRIVILEGE &&
			IPMI_WORKAROUND_FLAGS_OUTOFBAND_2_0_NON_EMPTY_INTEGRITY_CHECK_VALUE ==
				(int)IPMI_MONITORING_WORKAROUND_FLAGS_PROTOCOL_VERSION_2_0_NON_EMPTY_INTEGRITY_CHECK_VALUE,
		"the workarounds have other bits");
	error = ipmi_workarounds(o->workarounds, &i->config.workaround_flags, why);
	if (error)
		return error;
	if (ipmi_monitoring_init(0, &error) < 0 || !(i->monitor = ipmi_monitoring_ctx_create())) {
		snprintf(why, BMC_WHY, "libipmimonitoring does not begin");
		return -ENOMEM;
	}
	if (ipmi_monitoring_ctx_sensor_config_file(i->monitor, interpretation(INTERPRET_SENSOR)) < 0 ||
	    ipmi_monitoring_ctx_sel_config_file(i->monitor, interpretation(INTERPRET_SEL)) < 0 ||
	    ipmi_monitoring_ctx_sdr_cache_directory(i->monitor, cache_dir) < 0) {
		snprintf(why, BMC_WHY, "libipmimonitoring: %s", ipmi_monitoring_ctx_errormsg(i->monitor));
		return -EINVAL;
	}
	return 0;
}

static const struct watch_source_ops ipmi_ops = { .look = ipmi_look, .close = ipmi_close };

int watch_ipmi_open(const struct fence_options *o, const struct watch_table *t, const char *cache_dir,
		    struct watch_source **out, char why[BMC_WHY])
{
	struct ipmi_source *i = calloc(1, sizeof(*i));
	int rc;

	why[0] = '\0';
	if (!i)
		return -ENOMEM;
	i->source.ops = &ipmi_ops;
	i->o = o;
	i->table = t;
	i->patient = *o;
	if (i->patient.login_timeout < t->interval + 5 && t->interval + 5 <= IDLE_MAX)
		i->patient.login_timeout = t->interval + 5;
	ipmi_where(o, i->where);
	rc = ipmi_open(&i->patient, &i->bmc, why);
	if (!rc)
		rc = open_monitor(i, cache_dir, why);
	if (rc) {
		ipmi_close(&i->source);
		return rc;
	}
	*out = &i->source;
	return 0;
}
