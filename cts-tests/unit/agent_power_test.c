/* SPDX-License-Identifier: GPL-2.0-only */
/* Which faults of a fenced host's hardware keep it from being switched on, and how long its log is waited
 * for. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "agent/daemon/health.h"
#include "agent/daemon/policy_host.h"
#include "agent/daemon/proof.h"
#include "agent/daemon/proof_file.h"

#define S PROOF_SECOND
#define OFFSET (1700000000LL * S) /* wall clock less uptime */
#define BOOT 0xa1ULL

static const struct asker somebody;

/* xa, up since second 50, was heard of first in second 100. */
static struct proof member(void)
{
	struct proof p = { 0 };

	proof_heard(&p, "xa", BOOT, 100 * S, OFFSET);
	assert_int_equal(proof_up(&p, "xa", 50 * S), PROOF_RECORDED);
	assert_int_equal(proof_up(&p, "xa", 51 * S), PROOF_SAME);
	return p;
}

static enum proof_change hold(struct proof *p, int64_t second)
{
	return proof_hold(p, "xa", "cpu-caterr", OFFSET + second * S, OFFSET);
}

static void a_fault_since_the_hosts_boot_holds(void **state)
{
	struct proof p = member();

	/* of an earlier life of it: it has been well since */
	assert_int_equal(hold(&p, 49), PROOF_SAME);
	/* before anybody here had heard of it */
	assert_int_equal(hold(&p, 60), PROOF_RECORDED);
	assert_string_equal(proof_find(&p, "xa")->hold, "cpu-caterr");
	assert_int_equal(hold(&p, 61), PROOF_SAME);
	assert_int_equal(proof_hold(&p, "xb", "cpu-caterr", OFFSET + 60 * S, OFFSET), PROOF_SAME);
}

static void a_boot_before_ours_counts_whole(void **state)
{
	struct proof p = { 0 };

	proof_heard(&p, "xa", BOOT, 100 * S, OFFSET);
	proof_up(&p, "xa", -5000 * S);
	assert_int_equal(hold(&p, -5001), PROOF_SAME);
	assert_int_equal(hold(&p, -4000), PROOF_RECORDED);
}

static void without_its_uptime_it_counts_from_when_it_was_heard_of(void **state)
{
	struct proof p = { 0 };

	proof_heard(&p, "xa", BOOT, 100 * S, OFFSET);
	assert_int_equal(hold(&p, 99), PROOF_SAME);
	assert_int_equal(hold(&p, 100), PROOF_RECORDED);
}

/* What a power cut has a BMC log, or somebody who pulls a supply out afterwards. */
static void what_came_after_the_fencing_did_not_kill_it(void **state)
{
	struct proof p = member();

	proof_left(&p, "xa", true, 150 * S);
	proof_fenced(&p, "xa", 160 * S, &somebody, 161 * S);
	assert_int_equal(hold(&p, 162), PROOF_SAME);
	/* read afterwards, logged before */
	assert_int_equal(hold(&p, 149), PROOF_RECORDED);
}

static void the_next_boot_is_free_of_it(void **state)
{
	struct proof p = member();

	hold(&p, 60);
	proof_heard(&p, "xa", BOOT + 1, 300 * S, OFFSET);
	assert_string_equal(proof_find(&p, "xa")->hold, "");
	assert_int_equal(hold(&p, 250), PROOF_SAME);
}

static void it_survives_a_restart(void **state)
{
	char path[] = "/tmp/kemari-proof-XXXXXX";
	const int fd = mkstemp(path);
	struct proof_vms vms = { 0 };
	struct proof p = member(), got;

	assert_true(fd >= 0);
	close(fd);
	proof_save(path, 7, &p, &vms);
	proof_load(path, 7, &got, &vms);
	assert_int_equal(hold(&got, 49), PROOF_SAME);
	assert_int_equal(hold(&got, 60), PROOF_RECORDED);
	proof_save(path, 7, &got, &vms);
	proof_load(path, 7, &got, &vms);
	assert_string_equal(proof_find(&got, "xa")->hold, "cpu-caterr");
	unlink(path);
}

/* ---- what kemari-bmc tells ---- */

#define LINE(bmc, more)                                                                                      \
	"{\"host\":\"xa\",\"bmc\":\"" bmc "\",\"why\":null,\"power\":\"off\",\"uuid\":null,\"events\":[{"    \
	"\"what\":\"psu-failed\",\"sensor\":\"PSU\","                                                        \
	"\"action\":\"move\",\"restart\":false,\"since\":5,\"text\":\"x\"},{\"what\":\"fan-failed\","        \
	"\"sensor\":"                                                                                        \
	"\"Fan\",\"action\":\"note\",\"restart\":true,\"since\":6,\"text\":\"x\"}],\"worst\":\"move\"" more  \
	"}"
#define PAST "{\"what\":\"vrm-failed\",\"sensor\":\"VRM\",\"at\":4,\"text\":\"x\"}"

static int parse(const char *line, struct health_report *r)
{
	char why[HEALTH_WHY];

	return health_parse(line, strlen(line), "xa", r, why);
}

static int64_t sum;

static void add(void *arg, const struct health_event *e)
{
	sum += e->since;
}

static void what_holds_is_told_apart(void **state)
{
	struct health_host h = { .host = "xa" };
	struct health_report r;

	assert_int_equal(parse(LINE("ok", ",\"log\":\"read-since-off\",\"past\":[" PAST "]"), &r), 0);
	assert_int_equal(r.log, HEALTH_LOG_READ_SINCE_OFF);
	sum = 0;
	health_each_hold(&h, add, NULL);
	assert_int_equal(sum, 0);
	health_take(&h, &r, 1);
	health_each_hold(&h, add, NULL);
	assert_int_equal(sum, 5 + 4);
	/* a full log, a BMC that is away: what it told stands */
	sum = 0;
	h.report.bmc = WATCH_BMC_UNREACHABLE;
	health_each_hold(&h, add, NULL);
	assert_int_equal(sum, 5 + 4);
	sum = 0;
	h.report.bmc = WATCH_BMC_LYING;
	health_each_hold(&h, add, NULL);
	assert_int_equal(sum, 0);
}

static void the_log_of_another_machine_holds_nothing_and_is_not_read(void **state)
{
	static const uint8_t told[16] = { 1 };
	struct health_host h = { .host = "xa" };
	struct health_report r;

	assert_int_equal(parse(LINE("ok", ",\"log\":\"read-since-off\",\"past\":[" PAST "]"), &r), 0);
	r.uuid[0] = 2;
	assert_true(health_foreign(&r, told));
	assert_int_equal(r.log, HEALTH_LOG_UNREAD);
	assert_int_equal(r.nr_past, 0);
	health_take(&h, &r, 1);
	sum = 0;
	health_each_hold(&h, add, NULL);
	assert_int_equal(sum, 0);
}

static void an_older_one_says_less(void **state)
{
	struct health_report r;

	assert_int_equal(parse("{\"host\":\"xa\",\"bmc\":\"ok\",\"why\":null,\"power\":\"on\",\"uuid\":null,"
			       "\"events\":[{\"what\":\"cpu-caterr\",\"sensor\":\"C\",\"action\":\"fence\","
			       "\"since\":5,\"text\":\"x\"}],\"worst\":\"fence\"}",
			       &r),
			 0);
	assert_true(r.event[0].holds);
	assert_int_equal(r.log, HEALTH_LOG_UNREAD);
	assert_int_equal(r.nr_past, 0);
}

static void what_makes_no_sense_is_refused(void **state)
{
	struct health_report r;

	assert_int_equal(parse(LINE("ok", ",\"log\":\"eaten\""), &r), -EBADMSG);
	assert_int_equal(parse(LINE("ok", ",\"past\":{}"), &r), -EBADMSG);
	assert_int_equal(parse(LINE("ok", ",\"past\":[1]"), &r), -EBADMSG);
	assert_int_equal(
		parse(LINE("ok", ",\"past\":[{\"what\":\"vrm-failed\",\"sensor\":\"V\",\"text\":\"x\"}]"),
		      &r),
		-EBADMSG);
	assert_int_equal(
		parse(LINE("ok", ",\"past\":[" PAST "," PAST "," PAST "," PAST "," PAST "," PAST "," PAST
				 "," PAST "," PAST "," PAST "," PAST "," PAST "," PAST "," PAST "," PAST
				 "," PAST "," PAST "," PAST "," PAST "," PAST "," PAST "," PAST "]"),
		      &r),
		-EBADMSG);
}

/* ---- power ---- */

static struct vm_row row;
static struct policy_self self;
static struct policy_fenced fenced;
static struct policy_fenced_memory memory;

static int setup(void **state)
{
	memset(&row, 0, sizeof(row));
	memset(&memory, 0, sizeof(memory));
	strcpy(row.vm, "g1");
	strcpy(row.peer, "xa");
	row.role = ROW_PRIMARY;
	row.running = true;
	self = (struct policy_self){
		.now_ns = 1000 * POLICY_SECOND, .quorate = true, .syncd = true, .nr = 1, .row = &row
	};
	fenced = (struct policy_fenced){ .name = "xa", .off = true, .allowed = true };
	return 0;
}

static enum policy_power after(uint64_t ns, const char **why)
{
	self.now_ns = 1000 * POLICY_SECOND;
	memory.since_ns = 0;
	policy_fenced(&self, &fenced, &memory, why);
	self.now_ns += ns;
	return policy_fenced(&self, &fenced, &memory, why);
}

static void a_fault_holds_the_power_back(void **state)
{
	const char *why;

	fenced.held = true;
	assert_int_equal(after(POLICY_POWER_NS, &why), POLICY_POWER_NOT);
	assert_non_null(strstr(why, "hardware"));
}

static void the_log_is_waited_for_and_not_for_ever(void **state)
{
	const char *why;

	fenced.log_unread = true;
	assert_int_equal(after(POLICY_POWER_NS, &why), POLICY_POWER_LATER);
	assert_int_equal(after(POLICY_POWER_LOG_NS - 1, &why), POLICY_POWER_LATER);
	assert_int_equal(after(POLICY_POWER_LOG_NS, &why), POLICY_POWER_ON);
	fenced.log_unread = false;
	assert_int_equal(after(POLICY_POWER_NS, &why), POLICY_POWER_ON);
	/* what speaks against it needs no log */
	fenced.log_unread = fenced.by_operator = true;
	assert_int_equal(after(POLICY_POWER_NS, &why), POLICY_POWER_NOT);
}

/* A look that began before the fencing may still say so: it reads the power first. */
static void that_it_is_on_counts_with_the_log_or_after_its_time(void **state)
{
	const char *why;

	fenced.powered = fenced.log_unread = true;
	assert_int_equal(after(POLICY_POWER_NS, &why), POLICY_POWER_LATER);
	assert_null(why);
	assert_int_equal(after(POLICY_POWER_LOG_NS - 1, &why), POLICY_POWER_LATER);
	assert_int_equal(after(POLICY_POWER_LOG_NS, &why), POLICY_POWER_NOT);
	assert_non_null(strstr(why, "on already"));
	fenced.log_unread = false;
	assert_int_equal(after(POLICY_POWER_NS, &why), POLICY_POWER_NOT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_fault_since_the_hosts_boot_holds),
		cmocka_unit_test(a_boot_before_ours_counts_whole),
		cmocka_unit_test(without_its_uptime_it_counts_from_when_it_was_heard_of),
		cmocka_unit_test(what_came_after_the_fencing_did_not_kill_it),
		cmocka_unit_test(the_next_boot_is_free_of_it),
		cmocka_unit_test(it_survives_a_restart),
		cmocka_unit_test(what_holds_is_told_apart),
		cmocka_unit_test(the_log_of_another_machine_holds_nothing_and_is_not_read),
		cmocka_unit_test(an_older_one_says_less),
		cmocka_unit_test(what_makes_no_sense_is_refused),
		cmocka_unit_test_setup(a_fault_holds_the_power_back, setup),
		cmocka_unit_test_setup(the_log_is_waited_for_and_not_for_ever, setup),
		cmocka_unit_test_setup(that_it_is_on_counts_with_the_log_or_after_its_time, setup),
	};

	return cmocka_run_group_tests_name("agent_power", tests, NULL, NULL);
}
