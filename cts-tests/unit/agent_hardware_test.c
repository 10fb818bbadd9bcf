/* SPDX-License-Identifier: GPL-2.0-only */
/* What a BMC tells about a host, what is believed of it, and what this host does about the other one. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "agent/daemon/health.h"
#include "agent/daemon/policy_host.h"
#include "lib/config.h"

#define S HEALTH_SECOND

/* ---- kemari.conf ---- */

static void bmc_lines_are_read(void **state)
{
	static const char text[] = "bmc xa /etc/kemari/bmc-xa.conf\n"
				   "host xa 192.0.2.1\n"
				   "  bmc\txb\t/etc/kemari/b#b   # its\n"
				   "power_on_after_fence = no\n";
	char err[KEM_CONFIG_ERR];
	struct kem_config cfg;

	assert_int_equal(kem_config_parse("k.conf", "", 0, &cfg, err, sizeof(err)), 0);
	assert_int_equal(cfg.nr_bmcs, 0);
	assert_int_equal(cfg.power_on_after_fence, 1);
	assert_int_equal(kem_config_parse("k.conf", text, strlen(text), &cfg, err, sizeof(err)), 0);
	assert_int_equal(cfg.power_on_after_fence, 0);
	assert_int_equal(cfg.nr_hosts, 1);
	assert_int_equal(cfg.nr_bmcs, 2);
	assert_string_equal(cfg.bmc[0].host, "xa");
	assert_string_equal(cfg.bmc[0].file, "/etc/kemari/bmc-xa.conf");
	assert_string_equal(cfg.bmc[1].host, "xb");
	assert_string_equal(cfg.bmc[1].file, "/etc/kemari/b#b");
}

static void config_refused(const char *text, const char *message)
{
	char err[KEM_CONFIG_ERR] = "";
	struct kem_config cfg;

	assert_int_equal(kem_config_parse("k.conf", text, strlen(text), &cfg, err, sizeof(err)), -EINVAL);
	assert_string_equal(err, message);
}

static void wrong_bmc_lines_are_refused(void **state)
{
	char text[2048];
	int i, n = 0;

	config_refused("bmc", "k.conf:1: 'bmc': neither KEY = VALUE nor host NAME ADDRESS");
	config_refused("bmc xa", "k.conf:1: bmc: a host's name and a file are wanted: bmc HOST FILE");
	config_refused("bmc xa /f x", "k.conf:1: bmc: a host's name and a file are wanted: bmc HOST FILE");
	config_refused("bmc x;a /f", "k.conf:1: bmc: 'x;a' is not a host name");
	config_refused("bmc xa f", "k.conf:1: bmc xa: 'f' is not an absolute path");
	config_refused("bmc xa /f\nbmc xa /g", "k.conf:2: bmc xa: already listed");
	config_refused("bmc = /f", "k.conf:1: unknown key 'bmc'; kemari.conf(5) lists the keys");
	config_refused("power_on_after_fence = 1",
		       "k.conf:1: power_on_after_fence: '1' is not one of: no, yes");
	snprintf(text, sizeof(text), "bmc xa /%0*d", KEM_CONFIG_STR, 0);
	config_refused(text, "k.conf:1: bmc xa: longer than 255 bytes");
	for (i = 0; i <= KEM_CONFIG_HOSTS; i++)
		n += snprintf(text + n, sizeof(text) - n, "bmc h%d /f%d\n", i, i);
	config_refused(text, "k.conf:33: bmc h32: more than 32 of them");
}

/* ---- a line of kemari-bmc ---- */

#define EVENT(what, sensor, action, since)                                                                   \
	"{\"what\":\"" what "\",\"sensor\":\"" sensor "\",\"action\":\"" action "\",\"since\":" since        \
	",\"text\":\"words\"}"
#define LINE(bmc, why, power, events, worst)                                                                 \
	"{\"host\":\"xa\",\"bmc\":\"" bmc "\",\"why\":" why ",\"power\":\"" power                            \
	"\",\"uuid\":null,\"events\":[" events "],\"worst\":\"" worst "\"}"
#define HOT EVENT("temperature-critical", "CPU Temp", "move", "1764220800")
#define IERR EVENT("cpu-caterr", "CPU 1", "fence", "1764220900")
#define FAN EVENT("fan-failed", "Fan 1", "note", "1764220700")

static char why[HEALTH_WHY];

static int parse(const char *line, struct health_report *r)
{
	return health_parse(line, strlen(line), "xa", r, why);
}

static struct health_report report(const char *line)
{
	struct health_report r;

	assert_int_equal(parse(line, &r), 0);
	return r;
}

static void a_line_is_read(void **state)
{
	struct health_report r = report(LINE("ok", "null", "on", "", "none"));

	assert_int_equal(r.bmc, WATCH_BMC_OK);
	assert_int_equal(r.power, HEALTH_POWER_ON);
	assert_int_equal(r.worst, WATCH_IGNORE);
	assert_int_equal(r.nr, 0);
	r = report(LINE("full", "\"it is full\"", "off", FAN "," IERR "," HOT, "fence"));
	assert_int_equal(r.bmc, WATCH_BMC_FULL);
	assert_string_equal(r.why, "it is full");
	assert_int_equal(r.power, HEALTH_POWER_OFF);
	assert_int_equal(r.worst, WATCH_FENCE);
	assert_int_equal(r.nr, 3);
	assert_int_equal(r.event[1].kind, WATCH_CPU_CATERR);
	assert_int_equal(r.event[1].action, WATCH_FENCE);
	assert_int_equal(r.event[1].since, 1764220900);
	assert_string_equal(r.event[1].sensor, "CPU 1");
	assert_string_equal(r.event[1].text, "words");
	assert_ptr_equal(health_worst_event(&r), &r.event[1]);
	/* of a later version */
	report("{\"more\":1,\"host\":\"xa\",\"bmc\":\"ok\",\"why\":null,\"power\":\"on\",\"uuid\":"
	       "\"4c4c4544-0042-3510-8051-b7c04f4d3332\",\"events\":[],\"worst\":\"none\"}");
}

static void a_bmc_of_another_machine_lies(void **state)
{
	struct health_report r =
		report("{\"host\":\"xa\",\"bmc\":\"ok\",\"why\":null,\"power\":\"off\",\"uuid\":"
		       "\"4c4c4544-0042-3510-8051-b7c04f4d3332\",\"events\":[" IERR "],\"worst\":\"fence\"}");
	uint8_t told[16] = { 0 };

	assert_false(health_foreign(&r, told)); /* not told */
	memcpy(told, r.uuid, sizeof(told));
	assert_int_equal(told[0], 0x4c);
	assert_false(health_foreign(&r, told));
	assert_int_equal(r.bmc, WATCH_BMC_OK);
	told[15]++;
	assert_true(health_foreign(&r, told));
	assert_int_equal(r.bmc, WATCH_BMC_LYING);
	assert_int_equal(r.power, HEALTH_POWER_UNKNOWN);
	assert_int_equal(r.nr, 0);
	assert_int_equal(r.worst, WATCH_NOTE);
	assert_non_null(strstr(r.why, "4c4c4544-0042-3510-8051-b7c04f4d3332"));
	memset(r.uuid, 0, sizeof(r.uuid));
	assert_false(health_foreign(&r, told));
}

static void what_makes_no_sense_is_refused(void **state)
{
	static const char *const lines[] = {
		"",
		"x",
		"[]",
		"null",
		"{}",
		LINE("ok", "null", "on", "", "none") "x",
		LINE("good", "null", "on", "", "none"),
		LINE("ok", "1", "on", "", "none"),
		LINE("slow", "\"\\u0007\"", "on", "", "note"),
		LINE("slow", "\"\\u00e4\"", "on", "", "note"),
		LINE("ok", "null", "up", "", "none"),
		LINE("ok", "null", "on", "", "panic"),
		LINE("ok", "null", "on", "1", "none"),
		LINE("ok", "null", "on", "{}", "none"),
		LINE("ok", "null", "on", EVENT("no-such-thing", "s", "move", "1"), "move"),
		LINE("ok", "null", "on", EVENT("psu-failed", "s", "burn", "1"), "fence"),
		LINE("ok", "null", "on", EVENT("psu-failed", "s", "move", "\"1\""), "move"),
		LINE("ok", "null", "on", EVENT("psu-failed", "s", "move", "1.5"), "move"),
		LINE("ok", "null", "on", HOT "," HOT, "move"),
		/* worst is not what the rest amounts to */
		LINE("ok", "null", "on", "", "fence"),
		LINE("ok", "null", "on", "", "note"),
		LINE("lying", "\"x\"", "unknown", "", "move"),
		LINE("lying", "\"x\"", "unknown", "", "none"),
		LINE("ok", "null", "on", HOT, "fence"),
		LINE("ok", "null", "on", HOT, "note"),
		/* twice, another host's, no UUID */
		"{\"host\":\"xb\",\"host\":\"xa\",\"bmc\":\"ok\",\"why\":null,\"power\":\"on\",\"uuid\":null,"
		"\"events\":[],\"worst\":\"none\"}",
		"{\"host\":\"xb\",\"bmc\":\"ok\",\"why\":null,\"power\":\"on\",\"uuid\":null,\"events\":[],"
		"\"worst\":\"none\"}",
		"{\"host\":\"xa\",\"bmc\":\"ok\",\"why\":null,\"power\":\"on\",\"uuid\":\"4c4c\",\"events\":"
		"[],\"worst\":\"none\"}",
		"{\"host\":\"xa\",\"bmc\":\"ok\",\"why\":null,\"power\":\"on\",\"events\":[],\"worst\":"
		"\"none\"}",
	};
	struct health_report r;
	size_t i;

	for (i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		why[0] = '\0';
		if (parse(lines[i], &r) != -EBADMSG || !why[0])
			fail_msg("taken: %s", lines[i]);
	}
	assert_int_equal(health_parse("{}\0", 3, "xa", &r, why), -EBADMSG);
}

static void too_long_is_refused(void **state)
{
	struct health_report r;
	char line[HEALTH_LINE];
	int i, n;

	snprintf(line, sizeof(line), LINE("slow", "\"%0*d\"", "on", "", "note"), BMC_WHY, 0);
	assert_int_equal(parse(line, &r), -EBADMSG);
	snprintf(line, sizeof(line), LINE("slow", "\"%0*d\"", "on", "", "note"), BMC_WHY - 1, 0);
	assert_int_equal(parse(line, &r), 0);
	snprintf(line, sizeof(line),
		 LINE("ok", "null", "on", EVENT("fan-failed", "%0*d", "note", "1"), "note"), WATCH_SENSOR, 0);
	assert_int_equal(parse(line, &r), -EBADMSG);
	for (i = 0; i < 2; i++) {
		unsigned int k, nr = WATCH_EVENTS + i;

		n = snprintf(line, sizeof(line),
			     "{\"host\":\"xa\",\"bmc\":\"ok\",\"why\":null,\"power\":"
			     "\"on\",\"uuid\":null,\"worst\":\"note\",\"events\":[");
		for (k = 0; k < nr; k++)
			n += snprintf(line + n, sizeof(line) - n,
				      "%s" EVENT("fan-failed", "Fan %u", "note", "1"), k ? "," : "", k);
		snprintf(line + n, sizeof(line) - n, "]}");
		assert_int_equal(parse(line, &r), i ? -EBADMSG : 0);
	}
}

/* Whatever bytes come, it ends, and what is taken is in its bounds. */
static void any_bytes_do_no_harm(void **state)
{
	static const char good[] = LINE("ok", "null", "on", FAN "," IERR, "fence");
	struct health_report r;
	char line[sizeof(good)];
	int i, k;

	srand(1);
	for (i = 0; i < 20000; i++) {
		memcpy(line, good, sizeof(good));
		for (k = rand() % 4; k >= 0; k--)
			line[(size_t)rand() % (sizeof(good) - 1)] = (char)rand();
		if (health_parse(line, sizeof(good) - 1, "xa", &r, why))
			continue;
		assert_true(r.nr <= WATCH_EVENTS && r.worst <= WATCH_FENCE);
		assert_true(strnlen(r.event[0].sensor, WATCH_SENSOR) < WATCH_SENSOR);
	}
}

/* ---- what is believed ---- */

static bool take(struct health_host *h, const char *line)
{
	const struct health_report r = report(line);

	return health_take(h, &r, 1000 * S);
}

static void move_and_fence_make_red(void **state)
{
	struct health_host h = { .host = "xa" };

	take(&h, LINE("ok", "null", "on", FAN, "note"));
	assert_false(h.red);
	take(&h, LINE("ok", "null", "on", HOT, "move"));
	assert_true(h.red);
	take(&h, LINE("ok", "null", "on", "", "none"));
	assert_false(h.red);
	take(&h, LINE("ok", "null", "on", IERR, "fence"));
	assert_true(h.red);
}

static void a_bmc_that_is_not_well_makes_nothing_red(void **state)
{
	static const char *const lines[] = {
		LINE("unreachable", "\"x\"", "unknown", "", "note"),
		LINE("slow", "\"x\"", "unknown", "", "note"),
		LINE("refused", "\"x\"", "unknown", "", "note"),
		LINE("busy", "\"x\"", "unknown", "", "note"),
		LINE("lying", "\"x\"", "unknown", "", "note"),
		LINE("full", "\"x\"", "on", "", "note"),
	};
	size_t i;

	for (i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		struct health_host h = { .host = "xa" };

		take(&h, lines[i]);
		assert_false(h.red);
		assert_false(health_fault(&h));
		/* it ends what was there when kemari-bmc says so */
		h.red = true;
		take(&h, lines[i]);
		assert_false(h.red);
	}
}

static void who_is_not_believed_begins_nothing_and_ends_nothing(void **state)
{
	static const char *const lines[] = {
		LINE("unreachable", "\"x\"", "unknown", IERR, "fence"),
		LINE("refused", "\"x\"", "unknown", IERR, "fence"),
		LINE("busy", "\"x\"", "unknown", IERR, "fence"),
		LINE("lying", "\"x\"", "unknown", IERR, "fence"),
	};
	size_t i;

	for (i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		struct health_host h = { .host = "xa" };

		assert_false(take(&h, lines[i]));
		assert_false(h.red);
		assert_false(health_asks_to_fence(&h));
		assert_true(take(
			&h, LINE("ok", "null", "on", EVENT("cpu-caterr", "CPU 1", "fence", "9"), "fence")));
		assert_true(h.red);
		assert_true(health_asks_to_fence(&h));
		assert_false(take(&h, lines[i]));
		assert_true(h.red);
		assert_true(health_fault(&h));
		assert_false(health_asks_to_fence(&h));
	}
}

static void a_slow_or_full_one_is_believed(void **state)
{
	struct health_host h = { .host = "xa" };

	assert_true(take(&h, LINE("full", "\"x\"", "on", IERR, "fence")));
	assert_true(h.red);
	assert_true(health_asks_to_fence(&h));
	memset(&h, 0, sizeof(h));
	take(&h, LINE("slow", "\"x\"", "on", HOT, "move"));
	assert_true(h.red);
}

static void a_fault_is_new_once(void **state)
{
	struct health_host h = { .host = "xa" };

	assert_false(take(&h, LINE("ok", "null", "on", HOT, "move")));
	assert_true(take(&h, LINE("ok", "null", "on", HOT "," IERR, "fence")));
	assert_false(take(&h, LINE("ok", "null", "on", IERR, "fence")));
	assert_false(take(&h, LINE("slow", "\"x\"", "on", IERR, "fence")));
	/* it began anew, or it is another one */
	assert_true(take(
		&h, LINE("ok", "null", "on", EVENT("cpu-caterr", "CPU 1", "fence", "1764220901"), "fence")));
	assert_true(take(
		&h, LINE("ok", "null", "on", EVENT("cpu-caterr", "CPU 2", "fence", "1764220901"), "fence")));
	assert_false(take(&h, LINE("ok", "null", "on", "", "none")));
	assert_true(take(&h, LINE("ok", "null", "on", IERR, "fence")));
}

static void nothing_is_known_after_a_long_silence(void **state)
{
	struct health_host h = { .host = "xa" };

	take(&h, LINE("ok", "null", "on", IERR, "fence"));
	assert_false(health_expire(&h, h.heard_ns + HEALTH_SILENT_NS));
	assert_true(h.red);
	assert_true(health_expire(&h, h.heard_ns + HEALTH_SILENT_NS + 1));
	assert_false(h.red);
	assert_false(health_fault(&h));
	assert_false(health_expire(&h, h.heard_ns + HEALTH_SILENT_NS + 1));
	assert_true(take(&h, LINE("ok", "null", "on", IERR, "fence")));
	assert_true(h.red);
}

static void a_first_report_is_awaited_no_longer_than_a_silence(void **state)
{
	struct health_host h = { .host = "xa", .awaited = true };

	assert_false(health_expire(&h, h.heard_ns + HEALTH_SILENT_NS));
	assert_true(h.awaited);
	assert_false(health_expire(&h, h.heard_ns + HEALTH_SILENT_NS + 1));
	assert_false(h.awaited);
}

/* ---- sick, but connected ---- */

/* xa is sick and owns g1, whose copy is here. */
struct bed {
	struct vm_row own[2], theirs[2];
	struct policy_self self;
	struct policy_sick sick;
	struct policy_sick_output out;
	struct policy_fenced fenced;
	struct policy_fenced_memory fm;
	const char *why;
};

static struct bed *fresh(void)
{
	static struct bed b;

	memset(&b, 0, sizeof(b));
	strcpy(b.own[0].vm, "g1");
	strcpy(b.own[0].peer, "xa");
	b.own[0].role = ROW_STANDBY;
	b.own[0].started = b.own[0].linked = true;
	strcpy(b.theirs[0].vm, "g1");
	b.theirs[0].role = ROW_PRIMARY;
	b.theirs[0].protection = ROW_PROTECTED;
	b.theirs[0].running = b.theirs[0].started = b.theirs[0].linked = true;
	b.self = (struct policy_self){
		.now_ns = 1000 * S, .quorate = true, .syncd = true, .nr = 1, .row = b.own
	};
	b.sick = (struct policy_sick){
		.name = "xa", .asks = true, .member = true, .complete = true, .nr = 1, .row = b.theirs
	};
	b.fenced = (struct policy_fenced){ .name = "xa", .off = true, .allowed = true };
	return &b;
}

static bool fence(struct bed *b)
{
	policy_sick(&b->self, &b->sick, &b->out);
	return b->out.fence;
}

static void a_sick_host_is_fenced_as_long_as_it_is(void **state)
{
	struct bed *b = fresh();

	assert_true(fence(b));
	assert_null(b->out.why);
	b->self.now_ns += 3600 * S;
	assert_true(fence(b));
	b->sick.asks = false;
	assert_false(fence(b));
}

static void a_healthy_host_is_not_fenced(void **state)
{
	struct bed *b = fresh();

	b->sick.asks = false;
	assert_false(fence(b));
	assert_null(b->out.why);
}

static void one_that_left_is_pacemakers(void **state)
{
	struct bed *b = fresh();

	b->sick.member = b->sick.complete = false;
	assert_false(fence(b));
	assert_null(b->out.why);
}

static void not_for(struct bed *b, const char *phrase)
{
	assert_false(fence(b));
	assert_non_null(b->out.why);
	assert_non_null(strstr(b->out.why, phrase));
}

static void not_when_that_would_be_no_proof(void **state)
{
	struct bed *b = fresh();

	b->sick.futile = true;
	not_for(b, "a copy of its guest could not run here, for no fencing of it would be a proof");
	assert_string_equal(b->out.vm, "g1");
	/* it owns nothing: nothing waits for a proof */
	b->theirs[0].role = ROW_STANDBY;
	b->theirs[0].running = false;
	assert_true(fence(b));
	assert_null(b->out.vm);
}

static void only_a_healthy_quorate_host_that_knows_asks(void **state)
{
	struct bed *b = fresh();

	b->self.red = true;
	not_for(b, "too");
	b->self.red = false;
	b->self.quorate = false;
	not_for(b, "quorum");
	b->self.quorate = true;
	b->self.syncd = false;
	not_for(b, "kemari-syncd");
	b->self.syncd = true;
	b->sick.complete = false;
	not_for(b, "not known");
	b->sick.complete = true;
	assert_true(fence(b)); /* none of these was the asking */
}

static void never_without_the_protected_copy(void **state)
{
	struct bed *b = fresh();
	unsigned int i;

	for (i = 0; i < ROW_NR_PROTECTIONS; i++) {
		b->theirs[0].protection = (uint8_t)i;
		if (i != ROW_PROTECTED)
			not_for(b, "no protected copy");
	}
	b->theirs[0].protection = ROW_PROTECTED;
	for (i = 0; i < ROW_NR_ROLES; i++) {
		b->own[0].role = (uint8_t)i;
		if (i != ROW_STANDBY)
			not_for(b, "no protected copy");
	}
	b->own[0].role = ROW_STANDBY;
	b->own[0].linked = false;
	not_for(b, "no protected copy");
	assert_string_equal(b->out.vm, "g1");
	b->own[0].linked = true;
	b->own[0].started = false;
	not_for(b, "no protected copy");
	b->own[0].started = true;
	strcpy(b->own[0].peer, "xc");
	not_for(b, "no protected copy");
	strcpy(b->own[0].peer, "xa");
	b->self.nr = 0;
	not_for(b, "no protected copy");
	b->self.nr = 1;
	assert_true(fence(b));
}

static void one_guest_without_a_copy_is_enough(void **state)
{
	struct bed *b = fresh();

	b->sick.nr = 2;
	strcpy(b->theirs[1].vm, "g2");
	b->theirs[1].role = ROW_HELD;
	not_for(b, "no protected copy");
	assert_string_equal(b->out.vm, "g2");
	/* one that nobody owns, but runs there */
	b->theirs[1].role = ROW_NONE;
	b->theirs[1].running = true;
	not_for(b, "no protected copy");
	/* a copy there is none of its guests */
	b->theirs[1].running = false;
	b->theirs[1].role = ROW_STANDBY;
	assert_true(fence(b));
}

static void one_that_owns_nothing_has_nothing_to_lose(void **state)
{
	struct bed *b = fresh();

	b->sick.nr = 0;
	assert_true(fence(b));
}

/* ---- its power after a fencing ---- */

static enum policy_power power(struct bed *b)
{
	return policy_fenced(&b->self, &b->fenced, &b->fm, &b->why);
}

/* Here runs what xa ran. */
static struct bed *taken_over(void)
{
	struct bed *b = fresh();

	b->own[0].role = ROW_PRIMARY;
	b->own[0].running = true;
	b->own[0].linked = false;
	b->own[0].protection = ROW_UNPROTECTED;
	return b;
}

static void a_fenced_host_is_switched_on_after_ten_seconds(void **state)
{
	struct bed *b = taken_over();

	assert_int_equal(power(b), POLICY_POWER_LATER);
	b->self.now_ns += POLICY_POWER_NS - 1;
	assert_int_equal(power(b), POLICY_POWER_LATER);
	b->self.now_ns++;
	assert_int_equal(power(b), POLICY_POWER_ON);
	assert_null(b->why);
}

static void and_until_that_is_done(void **state)
{
	struct bed *b = taken_over();

	power(b);
	b->self.now_ns += POLICY_POWER_NS;
	assert_int_equal(power(b), POLICY_POWER_ON);
	b->self.now_ns += 3600 * S;
	assert_int_equal(power(b), POLICY_POWER_ON);
	b->fenced.settled = true;
	b->self.now_ns += 3600 * S;
	assert_int_equal(power(b), POLICY_POWER_LATER);
	/* the next fencing begins anew */
	b->fenced.settled = false;
	assert_int_equal(power(b), POLICY_POWER_LATER);
	b->self.now_ns += POLICY_POWER_NS;
	assert_int_equal(power(b), POLICY_POWER_ON);
}

/* However long it lasts. */
static void never(struct bed *b)
{
	assert_int_equal(power(b), POLICY_POWER_LATER);
	b->self.now_ns += 100 * S;
	assert_int_equal(power(b), POLICY_POWER_LATER);
}

static void only_when_the_guest_runs_here_and_the_host_is_proven_off(void **state)
{
	struct bed *b = taken_over();

	power(b);
	b->own[0].role = ROW_STANDBY;
	never(b);
	b->own[0].role = ROW_HELD;
	never(b);
	b->own[0].role = ROW_PRIMARY;
	b->own[0].running = false;
	never(b);
	b->own[0].running = true;
	strcpy(b->own[0].peer, "xc");
	never(b);
	strcpy(b->own[0].peer, "xa");
	b->fenced.off = false;
	never(b);
	b->fenced.off = true;
	b->self.quorate = false;
	never(b);
	b->self.quorate = true;
	b->self.syncd = false;
	never(b);
	/* the ten seconds are counted from when all of it is so */
	b->self.syncd = true;
	assert_int_equal(power(b), POLICY_POWER_LATER);
	b->self.now_ns += POLICY_POWER_NS;
	assert_int_equal(power(b), POLICY_POWER_ON);
}

static void stays_off(void (*because)(struct policy_fenced *in), const char *phrase)
{
	struct bed *b = taken_over();

	because(&b->fenced);
	assert_int_equal(power(b), POLICY_POWER_LATER);
	b->self.now_ns += POLICY_POWER_NS;
	assert_int_equal(power(b), POLICY_POWER_NOT);
	assert_non_null(strstr(b->why, phrase));
}

static void not_allowed(struct policy_fenced *in)
{
	in->allowed = false;
}

static void by_operator(struct policy_fenced *in)
{
	in->by_operator = true;
}

static void by_fault(struct policy_fenced *in)
{
	in->fault = true;
}

static void powered(struct policy_fenced *in)
{
	in->powered = true;
}

static void it_stays_off_for_a_reason(void **state)
{
	stays_off(not_allowed, "power_on_after_fence");
	stays_off(by_operator, "operator");
	stays_off(by_fault, "fault");
	stays_off(powered, "on already");
}

static void what_is_wrong_is_told_in_a_few_words(void **state)
{
	struct health s = { .nr = 3,
			    .h = { { .host = "xa" }, { .host = "xb" }, { .host = "xc", .awaited = true } } };
	struct health_report hot = report(LINE("slow", "\"it takes long\"", "on", FAN "," HOT, "move"));
	struct health_report well = report(LINE("ok", "null", "on", "", "none"));
	char text[ROW_STATE], little[32];

	health_take(&s.h[0], &well, 1);
	health_take(&s.h[1], &well, 1);
	health_show(&s, text, sizeof(text));
	assert_string_equal(text, "");
	health_take(&s.h[0], &hot, 2);
	health_show(&s, text, sizeof(text));
	assert_string_equal(text, "xa: temperature-critical of 'CPU Temp', its BMC is slow");
	s.h[0].report = well;
	s.h[0].report.bmc = WATCH_BMC_UNREACHABLE;
	s.h[1].known = false;
	health_show(&s, text, sizeof(text));
	assert_string_equal(text, "xa: its BMC is unreachable; xb: nobody watches its BMC");
	health_show(&s, little, sizeof(little));
	assert_string_equal(little, "xa: its BMC is unreachable");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bmc_lines_are_read),
		cmocka_unit_test(wrong_bmc_lines_are_refused),
		cmocka_unit_test(a_line_is_read),
		cmocka_unit_test(a_bmc_of_another_machine_lies),
		cmocka_unit_test(what_makes_no_sense_is_refused),
		cmocka_unit_test(too_long_is_refused),
		cmocka_unit_test(any_bytes_do_no_harm),
		cmocka_unit_test(move_and_fence_make_red),
		cmocka_unit_test(a_bmc_that_is_not_well_makes_nothing_red),
		cmocka_unit_test(who_is_not_believed_begins_nothing_and_ends_nothing),
		cmocka_unit_test(a_slow_or_full_one_is_believed),
		cmocka_unit_test(what_is_wrong_is_told_in_a_few_words),
		cmocka_unit_test(a_fault_is_new_once),
		cmocka_unit_test(nothing_is_known_after_a_long_silence),
		cmocka_unit_test(a_first_report_is_awaited_no_longer_than_a_silence),
		cmocka_unit_test(a_sick_host_is_fenced_as_long_as_it_is),
		cmocka_unit_test(a_healthy_host_is_not_fenced),
		cmocka_unit_test(not_when_that_would_be_no_proof),
		cmocka_unit_test(one_that_left_is_pacemakers),
		cmocka_unit_test(only_a_healthy_quorate_host_that_knows_asks),
		cmocka_unit_test(never_without_the_protected_copy),
		cmocka_unit_test(one_guest_without_a_copy_is_enough),
		cmocka_unit_test(one_that_owns_nothing_has_nothing_to_lose),
		cmocka_unit_test(a_fenced_host_is_switched_on_after_ten_seconds),
		cmocka_unit_test(and_until_that_is_done),
		cmocka_unit_test(only_when_the_guest_runs_here_and_the_host_is_proven_off),
		cmocka_unit_test(it_stays_off_for_a_reason),
	};

	return cmocka_run_group_tests_name("agent_hardware", tests, NULL, NULL);
}
