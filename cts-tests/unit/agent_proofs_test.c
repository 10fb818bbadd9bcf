/* SPDX-License-Identifier: GPL-2.0-only */
/* What kemari-agent makes of a fencing that Pacemaker tells of: kemari-syncd hears of it only if it is a
 * proof. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "agent/daemon/agent.h"
#include "agent/daemon/fencer.h"
#include "agent/daemon/group.h"
#include "agent/daemon/hosts.h"
#include "agent/daemon/quorum.h"
#include "agent/daemon/syncd.h"

#define S PROOF_SECOND
#define BOOT 0xa1ULL
#define UUID "01000000-0000-0000-0000-000000000000"

#define XA 1
#define XB 2

/* ---- what is around: one host, xb, that is alone in the group ---- */

static uint64_t told_off; /* boot of xa */
static bool ring_known, xa_in_ring, third_in_ring;
static struct vm_row g1; /* kemari-syncd's table */
static char attribute[ATTRD_VALUE];
static char story[256]; /* who had it fenced; "": not told */

void agent_request_answer(struct agent *a, const char *host, bool on, const char *why)
{
}

void agent_requests_lost(struct agent *a)
{
}

const char *agent_request_reason(struct agent *a, const char *host)
{
	return "g1: it waits";
}

void group_drain(struct group *g)
{
}

uint32_t group_nodeid(const struct group *g)
{
	return XB;
}

bool quorum_ring(const struct quorum *q, const uint32_t **nodeid, unsigned int *nr)
{
	static uint32_t ring[3];

	*nodeid = ring;
	*nr = 0;
	ring[(*nr)++] = XB;
	if (xa_in_ring)
		ring[(*nr)++] = XA;
	if (third_in_ring)
		ring[(*nr)++] = 3;
	return ring_known;
}

const struct vm_row *syncd_table(const struct syncd *s, unsigned int *nr)
{
	*nr = 1;
	return &g1;
}

void agent_touch(struct agent *a)
{
}

bool syncd_host_fenced(struct syncd *s, const char *host, uint64_t boot, const char *why)
{
	assert_int_equal(told_off, 0);
	snprintf(story, sizeof(story), "%s", why);
	return true;
}

void syncd_host_off(struct syncd *s, const char *host, uint64_t boot)
{
	assert_string_equal(host, "xa");
	told_off = boot;
}

int attrd_set(struct attrd *a, const char *name, const char *value, unsigned int dampen_s)
{
	assert_string_equal(name, "kemari-fencing");
	snprintf(attribute, sizeof(attribute), "%s", value);
	return 0;
}

struct bed {
	struct agent a;
	struct devices good, bad;
	int64_t now; /* when it began */
};

static void device(struct devices *d, const char *id, const char *agent)
{
	struct device *one = &d->device[d->nr++];

	snprintf(one->id, sizeof(one->id), "%s", id);
	snprintf(one->agent, sizeof(one->agent), "%s", agent);
	snprintf(one->host_list, sizeof(one->host_list), "xa");
	if (device_is_bmc(agent))
		snprintf(one->system_uuid, sizeof(one->system_uuid), UUID);
}

/* xa was heard of 100 seconds ago and is gone since 50. */
static int setup(void **state)
{
	struct bed *b = calloc(1, sizeof(*b));

	*state = b;
	if (!b)
		return -1;
	b->now = hosts_boottime();
	snprintf(b->a.cfg.host_name, sizeof(b->a.cfg.host_name), "xb");
	snprintf(b->a.state_path, sizeof(b->a.state_path), "/tmp/kemari-proofs-%d", (int)getpid());
	b->a.boot = 77;
	b->a.cluster.view = 1;
	b->a.ring.nr = 1;
	b->a.ring.node[0].nodeid = XA;
	snprintf(b->a.ring.node[0].name, sizeof(b->a.ring.node[0].name), "xa");
	ring_known = true;
	xa_in_ring = third_in_ring = false;
	g1 = (struct vm_row){ .vm = "g1", .peer = "xa" };
	proof_heard(&b->a.proof, "xa", BOOT, b->now - 100 * S, hosts_clock_offset());
	proof_left(&b->a.proof, "xa", true, b->now - 50 * S);
	device(&b->good, "bmc-xa", "fence_kemari");
	device(&b->bad, "kdump", "fence_kdump");
	told_off = 0;
	attribute[0] = story[0] = '\0';
	return 0;
}

static int teardown(void **state)
{
	struct bed *b = *state;

	unlink(b->a.state_path);
	free(b);
	return 0;
}

static const struct asker us = {
	.kind = ASKER_KEMARI, .program = "kemari-agent", .node = "xb", .doer = "xb"
};

static void history(struct bed *b, int64_t at)
{
	agent_fencer_ops.history(&b->a, "xa", at + hosts_clock_offset(), &us);
}

static void fenced_now(struct bed *b)
{
	agent_fencer_ops.fenced(&b->a, "xa", hosts_boottime(), &us);
}

static void what_confirms_is_a_proof(void **state)
{
	struct bed *b = *state;

	agent_fencer_ops.devices(&b->a, &b->good);
	fenced_now(b);
	assert_int_equal(told_off, BOOT);
	assert_string_equal(attribute, "");
	assert_string_equal(story, "asked for by kemari-agent on xb, carried out by xb (g1: it waits)");
}

/* ---- it rises, and no kemari-agent runs there ---- */

static void proven_off(struct bed *b)
{
	agent_fencer_ops.devices(&b->a, &b->good);
	fenced_now(b);
	assert_int_equal(told_off, BOOT);
	assert_non_null(agent_off(&b->a, "xa"));
	told_off = 0;
}

static void what_is_in_the_ring_is_not_off(void **state)
{
	struct bed *b = *state;

	xa_in_ring = true;
	agent_fencer_ops.devices(&b->a, &b->good);
	fenced_now(b);
	assert_int_equal(told_off, 0);
	xa_in_ring = false;
	agent_quorum_ops.changed(&b->a);
	assert_int_equal(told_off, BOOT);
}

static void nobody_is_off_while_the_ring_is_not_known(void **state)
{
	struct bed *b = *state;

	proven_off(b);
	ring_known = false;
	assert_null(agent_off(&b->a, "xa"));
}

static void whose_node_came_back_is_not_off_though_it_leaves_again(void **state)
{
	struct bed *b = *state;

	proven_off(b);
	agent_quorum_ops.joined(&b->a, XB);
	agent_quorum_ops.changed(&b->a);
	assert_int_equal(told_off, BOOT);
	told_off = 0;

	xa_in_ring = true;
	agent_quorum_ops.joined(&b->a, XA);
	agent_quorum_ops.changed(&b->a);
	xa_in_ring = false;
	agent_quorum_ops.changed(&b->a);
	assert_int_equal(told_off, 0);
	assert_null(agent_off(&b->a, "xa"));
}

static void fenced_again_it_is_off_in_all_its_boots(void **state)
{
	struct bed *b = *state;

	proven_off(b);
	agent_quorum_ops.joined(&b->a, XA);
	fenced_now(b);
	assert_int_equal(told_off, PROOF_UNHEARD);
}

static void who_is_linked_is_not_off(void **state)
{
	struct bed *b = *state;

	g1.linked = true; /* of the life that was fenced: it stands until it is timed out */
	b->a.nr_linked = 1;
	b->a.linked[0] = (struct agent_link){ .vm = "g1", .peer = "xa" };
	proven_off(b);
	hosts_table(&b->a);
	assert_non_null(agent_off(&b->a, "xa"));
	g1.linked = false;
	hosts_table(&b->a);
	assert_non_null(agent_off(&b->a, "xa"));
	g1.linked = true;
	hosts_table(&b->a);
	assert_null(agent_off(&b->a, "xa"));
}

/* Another one may come and go as it likes, and without a name. */
static void a_node_without_a_name_is_that_host_only_if_nobody_knows(void **state)
{
	struct bed *b = *state;
	struct cluster_host *c = &b->a.cluster.host[0];

	proven_off(b);
	third_in_ring = true;
	assert_non_null(agent_off(&b->a, "xa"));
	b->a.ring.nr = 0;
	assert_null(agent_off(&b->a, "xa"));
	c->nodeid = XA;
	snprintf(c->name, sizeof(c->name), "xa");
	assert_non_null(agent_off(&b->a, "xa"));
	xa_in_ring = true;
	assert_null(agent_off(&b->a, "xa"));
}

static void level(struct devices *d, const char *of)
{
	struct device_level *one = &d->level[d->nr_levels++];

	snprintf(one->node, sizeof(one->node), "xa");
	snprintf(one->devices, sizeof(one->devices), "%s", of);
}

/* As kemari.conf(5) and doctor have it: the BMC, and the outlets when it does not answer. */
static void levels_whose_devices_confirm_are_a_proof(void **state)
{
	struct bed *b = *state;

	device(&b->good, "pdu-xa", "fence_apc");
	level(&b->good, "bmc-xa");
	level(&b->good, "pdu-xa");
	agent_fencer_ops.devices(&b->a, &b->good);
	assert_null(agent_doubt(&b->a, "xa"));
	assert_string_equal(attribute, "");
	fenced_now(b);
	assert_int_equal(told_off, BOOT);
}

static void a_level_that_confirms_nothing_is_none(void **state)
{
	struct bed *b = *state;

	device(&b->good, "kdump", "fence_kdump");
	level(&b->good, "bmc-xa");
	level(&b->good, "kdump");
	agent_fencer_ops.devices(&b->a, &b->good);
	assert_non_null(strstr(attribute, "no proof of xa: kdump (fence_kdump)"));
	fenced_now(b);
	assert_int_equal(told_off, 0);
}

static void what_confirms_nothing_is_none(void **state)
{
	struct bed *b = *state;

	agent_fencer_ops.devices(&b->a, &b->bad);
	assert_non_null(strstr(attribute, "no proof of xa: kdump (fence_kdump)"));
	assert_non_null(strstr(agent_doubt(&b->a, "xa"), "fence_kdump"));
	history(b, b->now - 20 * S);
	assert_int_equal(told_off, 0);
	fenced_now(b);
	assert_int_equal(told_off, 0);
	assert_string_equal(story, "");
	assert_null(agent_off(&b->a, "xa"));
}

static void what_was_no_proof_is_none_when_the_devices_are_better(void **state)
{
	struct bed *b = *state;

	agent_fencer_ops.devices(&b->a, &b->bad);
	agent_fencer_ops.devices(&b->a, &b->good);
	assert_null(agent_doubt(&b->a, "xa"));
	assert_string_equal(attribute, "");
	/* told late: it was done by what there was then */
	history(b, b->now - 20 * S);
	assert_int_equal(told_off, 0);
	fenced_now(b);
	assert_int_equal(told_off, BOOT);
}

/* They may have been worse already when it was fenced. */
static void a_member_that_was_fenced_is_doubted_with_its_devices(void **state)
{
	struct bed *b = *state;

	proof_heard(&b->a.proof, "xa", BOOT, b->now - 10 * S, hosts_clock_offset());
	agent_fencer_ops.devices(&b->a, &b->good);
	fenced_now(b);
	assert_true(proof_find(&b->a.proof, "xa")->fenced);
	agent_fencer_ops.devices(&b->a, &b->bad);
	hosts_proof(&b->a, "xa", proof_left(&b->a.proof, "xa", true, hosts_boottime()));
	assert_int_equal(told_off, 0);
	assert_null(agent_off(&b->a, "xa"));
}

static void restarted(struct bed *b)
{
	b->a.devices_known = false;
	memset(&b->a.devices, 0, sizeof(b->a.devices));
	memset(b->a.doubt, 0, sizeof(b->a.doubt));
	agent_load(&b->a);
}

static void a_fencing_during_a_restart_counts_if_the_devices_are_what_they_were(void **state)
{
	struct bed *b = *state;

	agent_fencer_ops.devices(&b->a, &b->good);
	restarted(b);
	snprintf(b->good.device[0].delay, sizeof(b->good.device[0].delay), "5s"); /* of no interest */
	agent_fencer_ops.devices(&b->a, &b->good);
	history(b, b->now - 20 * S);
	assert_int_equal(told_off, BOOT);
}

static void a_fencing_during_a_restart_does_not_count_if_the_devices_were_others(void **state)
{
	struct bed *b = *state;

	agent_fencer_ops.devices(&b->a, &b->bad);
	restarted(b);
	agent_fencer_ops.devices(&b->a, &b->good);
	assert_null(agent_doubt(&b->a, "xa"));
	history(b, b->now - 20 * S);
	assert_int_equal(told_off, 0);
	/* now they are known: what is changed from now on is seen */
	device(&b->good, "bmc2-xa", "fence_ipmilan");
	agent_fencer_ops.devices(&b->a, &b->good);
	fenced_now(b);
	assert_int_equal(told_off, BOOT);
}

static void a_proof_stands_when_the_devices_were_changed_during_a_restart(void **state)
{
	struct bed *b = *state;

	agent_fencer_ops.devices(&b->a, &b->good);
	fenced_now(b);
	restarted(b);
	agent_fencer_ops.devices(&b->a, &b->bad);
	assert_non_null(agent_off(&b->a, "xa"));
}

static void devices_that_cannot_be_read_are_told_of_after_a_while(void **state)
{
	struct bed *b = *state;

	agent_fencer_ops.devices(&b->a, &b->good);
	agent_fencer_ops.unread(&b->a);
	assert_string_equal(attribute, "");
	assert_true(b->a.devices_known);
	b->a.unread_ns -= 29 * S;
	agent_fencer_ops.unread(&b->a);
	assert_string_equal(attribute, "");
	/* the time without Pacemaker is none of it */
	agent_fencer_ops.connected(&b->a, true);
	agent_fencer_ops.unread(&b->a);
	b->a.unread_ns -= 2 * S;
	agent_fencer_ops.unread(&b->a);
	assert_string_equal(attribute, "");
	b->a.unread_ns -= 29 * S;
	agent_fencer_ops.unread(&b->a);
	assert_non_null(strstr(attribute, "cannot be read"));
	assert_false(b->a.devices_known);
	agent_fencer_ops.devices(&b->a, &b->good);
	assert_string_equal(attribute, "");
	agent_fencer_ops.unread(&b->a);
	assert_string_equal(attribute, "");
	fenced_now(b);
	assert_int_equal(told_off, BOOT);
}

static void what_is_not_known_yet_is_told_again(void **state)
{
	struct bed *b = *state;

	fenced_now(b);
	history(b, b->now - 20 * S);
	assert_int_equal(told_off, 0);
	agent_fencer_ops.devices(&b->a, &b->good);
	history(b, b->now - 20 * S);
	assert_int_equal(told_off, BOOT);
}

static void a_bmc_of_another_machine_proves_nothing(void **state)
{
	static const uint8_t uuid[16] = { 1 }, other[16] = { 2 };
	struct bed *b = *state;
	struct health_host *h = &b->a.health.h[0];

	assert_true(proof_identify(&b->a.proof, "xa", uuid));
	b->good.device[0].system_uuid[0] = '\0';
	snprintf(b->good.device[0].agent, DEVICE_NAME, "fence_ipmilan");
	snprintf(h->host, sizeof(h->host), "xa");
	b->a.health.nr = 1;
	proof_bmc(&b->a.proof, "xa", other);
	agent_fencer_ops.devices(&b->a, &b->good);
	assert_non_null(strstr(attribute, "xa: bmc-xa (fence_ipmilan): it has no system_uuid"));
	fenced_now(b);
	assert_int_equal(told_off, 0);
	proof_bmc(&b->a.proof, "xa", uuid);
	agent_doubts_tick(&b->a);
	fenced_now(b);
	assert_int_equal(told_off, BOOT);
}

static void what_a_bmc_said_counts_while_it_is_watched(void **state)
{
	static const uint8_t uuid[16] = { 1 }, other[16] = { 2 };
	struct bed *b = *state;

	proof_identify(&b->a.proof, "xa", uuid);
	proof_bmc(&b->a.proof, "xa", other);
	agent_fencer_ops.devices(&b->a, &b->good);
	fenced_now(b);
	assert_int_equal(told_off, BOOT);
}

static void a_bmc_that_nobody_says_is_the_hosts_proves_nothing(void **state)
{
	struct bed *b = *state;

	b->good.device[0].system_uuid[0] = '\0';
	agent_fencer_ops.devices(&b->a, &b->good);
	assert_non_null(strstr(attribute, "xa: bmc-xa (fence_kemari): it has no system_uuid"));
	fenced_now(b);
	assert_int_equal(told_off, 0);
}

/* A kemari-agent that has just started. */
static struct health_host *awaits(struct bed *b, const char *agent)
{
	static const uint8_t uuid[16] = { 1 };
	struct health_host *h = &b->a.health.h[0];

	proof_identify(&b->a.proof, "xa", uuid);
	b->good.device[0].system_uuid[0] = '\0';
	snprintf(b->good.device[0].agent, DEVICE_NAME, "%s", agent);
	snprintf(h->host, sizeof(h->host), "xa");
	h->awaited = true;
	b->a.health.nr = 1;
	agent_fencer_ops.devices(&b->a, &b->good);
	return h;
}

static void the_first_report_of_a_bmc_is_waited_for(void **state)
{
	struct bed *b = *state;
	struct health_host *h = awaits(b, "fence_ipmilan");

	fenced_now(b);
	history(b, b->now - 20 * S);
	assert_int_equal(told_off, 0);
	assert_int_equal(proof_find(&b->a.proof, "xa")->after_ns, b->now - 100 * S); /* nor is it spent */
	h->awaited = false;
	history(b, b->now - 20 * S);
	assert_int_equal(told_off, BOOT);
}

static void a_report_that_changes_nothing_is_not_waited_for(void **state)
{
	struct bed *b = *state;

	awaits(b, "fence_apc_snmp");
	fenced_now(b);
	assert_int_equal(told_off, BOOT);
}

static void what_a_bmc_said_before_the_restart_will_do(void **state)
{
	static const uint8_t uuid[16] = { 1 };
	struct bed *b = *state;

	awaits(b, "fence_ipmilan");
	proof_bmc(&b->a.proof, "xa", uuid);
	fenced_now(b);
	assert_int_equal(told_off, BOOT);
}

static void kemari_conf_may_believe_an_agent(void **state)
{
	struct bed *b = *state;

	snprintf(b->a.cfg.fence_agents_believed, sizeof(b->a.cfg.fence_agents_believed), "fence_sbd");
	device(&b->good, "sbd", "fence_sbd");
	agent_fencer_ops.devices(&b->a, &b->good);
	fenced_now(b);
	assert_int_equal(told_off, BOOT);
}

/* Whoever was there may have left in good order, with a guest. */
static void what_a_host_said_to_an_earlier_agent_is_not_known(void **state)
{
	struct bed *b = *state;
	struct cluster_host *c = &b->a.cluster.host[0];

	assert_true(agent_unsaid(&b->a, "xa"));
	assert_false(agent_unsaid(&b->a, "xc"));
	c->nodeid = 1;
	snprintf(c->name, sizeof(c->name), "xa");
	assert_true(agent_unsaid(&b->a, "xa")); /* its HELLO, and no more */
	c->view = 1;
	assert_false(agent_unsaid(&b->a, "xa"));
	/* it was never heard of */
	proof_expect(&b->a.proof, "xc", hosts_boottime(), hosts_clock_offset());
	assert_false(agent_unsaid(&b->a, "xc"));
}

static void an_operators_word_is_no_fencing_in_the_story(void **state)
{
	struct bed *b = *state;

	hosts_proof(&b->a, "xa", proof_word(&b->a.proof, "xa", hosts_boottime(), hosts_clock_offset()));
	assert_int_equal(told_off, BOOT);
	assert_string_equal(story, "");
}

#define PROOFS_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		PROOFS_TEST(what_confirms_is_a_proof),
		PROOFS_TEST(what_is_in_the_ring_is_not_off),
		PROOFS_TEST(nobody_is_off_while_the_ring_is_not_known),
		PROOFS_TEST(whose_node_came_back_is_not_off_though_it_leaves_again),
		PROOFS_TEST(fenced_again_it_is_off_in_all_its_boots),
		PROOFS_TEST(who_is_linked_is_not_off),
		PROOFS_TEST(a_node_without_a_name_is_that_host_only_if_nobody_knows),
		PROOFS_TEST(levels_whose_devices_confirm_are_a_proof),
		PROOFS_TEST(a_level_that_confirms_nothing_is_none),
		PROOFS_TEST(what_confirms_nothing_is_none),
		PROOFS_TEST(what_was_no_proof_is_none_when_the_devices_are_better),
		PROOFS_TEST(a_member_that_was_fenced_is_doubted_with_its_devices),
		PROOFS_TEST(a_fencing_during_a_restart_counts_if_the_devices_are_what_they_were),
		PROOFS_TEST(a_fencing_during_a_restart_does_not_count_if_the_devices_were_others),
		PROOFS_TEST(a_proof_stands_when_the_devices_were_changed_during_a_restart),
		PROOFS_TEST(devices_that_cannot_be_read_are_told_of_after_a_while),
		PROOFS_TEST(what_is_not_known_yet_is_told_again),
		PROOFS_TEST(a_bmc_of_another_machine_proves_nothing),
		PROOFS_TEST(what_a_bmc_said_counts_while_it_is_watched),
		PROOFS_TEST(a_bmc_that_nobody_says_is_the_hosts_proves_nothing),
		PROOFS_TEST(the_first_report_of_a_bmc_is_waited_for),
		PROOFS_TEST(a_report_that_changes_nothing_is_not_waited_for),
		PROOFS_TEST(what_a_bmc_said_before_the_restart_will_do),
		PROOFS_TEST(kemari_conf_may_believe_an_agent),
		PROOFS_TEST(what_a_host_said_to_an_earlier_agent_is_not_known),
		PROOFS_TEST(an_operators_word_is_no_fencing_in_the_story),
	};

	return cmocka_run_group_tests_name("agent_proofs", tests, NULL, NULL);
}
