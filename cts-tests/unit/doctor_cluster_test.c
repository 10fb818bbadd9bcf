/* SPDX-License-Identifier: GPL-2.0-only */
/* kemari doctor's judgement of the cluster: ring, properties, clones, fencing. */
#include <uuid/uuid.h>

#include "doctor_bed.h"

static void again(struct bed *b)
{
	memset(&b->l, 0, sizeof(b->l));
}

/* ---- corosync ---- */

static void a_good_ring_is_well(void **state)
{
	struct bed *b = *state;

	check_ring(&b->f, &b->l);
	assert_well(&b->l);
	assert_int_equal(b->l.nr, 6);
}

static void a_ring_that_was_not_seen_is_one_warning(void **state)
{
	struct bed *b = *state;

	b->f.ring.source = (struct fact_source){ false, "it does not answer" };
	check_ring(&b->f, &b->l);
	assert_one(&b->l, FINDING_WARNING, "corosync", "was not looked at", "corosync runs");
}

static void a_slow_ring_names_both_options(void **state)
{
	struct bed *b = *state;

	b->f.ring.ring.token_ms = 3000;
	b->f.ring.ring.consensus_ms = 3600;
	check_ring(&b->f, &b->l);
	assert_one(&b->l, FINDING_WARNING, "totem", "6600 ms only (totem.token 3000 + totem.consensus 3600)",
		   "totem.token to 1000 and totem.consensus to 200");
	again(b);
	b->f.ring.ring.token_ms = 2000;
	b->f.ring.ring.consensus_ms = 1000;
	check_ring(&b->f, &b->l);
	assert_well(&b->l);
	again(b);
	b->f.ring.ring.token_ms = 0;
	check_ring(&b->f, &b->l);
	assert_one(&b->l, FINDING_WARNING, "totem", "does not say", "totem.token");
}

static void consensus_below_token_is_for_two_nodes(void **state)
{
	struct bed *b = *state;

	b->f.ring.nr_nodes = b->f.ring.ring.nr = 3;
	b->f.ring.node[2] = b->f.ring.node[1];
	b->f.ring.node[2].nodeid = 3;
	check_ring(&b->f, &b->l);
	assert_one(&b->l, FINDING_PROBLEM, "consensus", "exactly two nodes, and there are 3",
		   "remove totem.consensus");
	again(b);
	b->f.ring.ring.consensus_ms = 1200;
	check_ring(&b->f, &b->l);
	assert_well(&b->l);
}

static void two_nodes_need_no_long_consensus(void **state)
{
	struct bed *b = *state;

	b->f.ring.ring.consensus_ms = 1200;
	check_ring(&b->f, &b->l);
	assert_one(&b->l, FINDING_WARNING, "consensus", "1200", "totem.consensus to 200");
}

static void a_token_may_be_too_short(void **state)
{
	struct bed *b = *state;

	b->f.ring.ring.token_ms = 300;
	check_ring(&b->f, &b->l);
	assert_one(&b->l, FINDING_WARNING, "totem", "300 ms", "1000");
}

static void outdating_comes_after_the_ring(void **state)
{
	struct bed *b = *state;

	b->f.config.cfg.outdate_after_ms = 3199;
	check_ring(&b->f, &b->l);
	assert_one(&b->l, FINDING_PROBLEM, "outdate", "3199", "outdate_after_ms to 3200");
	again(b);
	b->f.config.cfg.outdate_after_ms = 3200;
	check_ring(&b->f, &b->l);
	assert_well(&b->l);
}

static void one_link_is_a_warning(void **state)
{
	struct bed *b = *state;

	b->f.ring.node[0].nr_links = b->f.ring.node[1].nr_links = 1;
	SET(b->f.ring.node[0].address[0], "198.51.100.1");
	check_ring(&b->f, &b->l);
	assert_one(&b->l, FINDING_WARNING, "links", "one link", "ring1_addr");
}

static void one_link_is_on_the_replication_network(void **state)
{
	struct bed *b = *state;

	SET(b->f.ring.node[0].address[1], "203.0.113.1");
	check_ring(&b->f, &b->l);
	assert_one(&b->l, FINDING_WARNING, "links", "replication network (198.51.100.1)", "ring1_addr");
	again(b);
	/* Another address of the same interface will do. */
	b->f.host.nr_addresses = 3;
	SET(b->f.host.address[2].address, "203.0.113.1");
	SET(b->f.host.address[2].interface, "eth1");
	check_ring(&b->f, &b->l);
	assert_well(&b->l);
}

static void crypto_off_is_a_warning(void **state)
{
	struct bed *b = *state;

	SET(b->f.ring.cipher, "none");
	SET(b->f.ring.hash, "");
	check_ring(&b->f, &b->l);
	assert_one(&b->l, FINDING_WARNING, "crypto", "not authenticated", "crypto_cipher: aes256");
	again(b);
	SET(b->f.ring.hash, "sha256");
	check_ring(&b->f, &b->l);
	assert_one(&b->l, FINDING_WARNING, "crypto", "not encrypted", "crypto_cipher: aes256");
}

static void two_nodes_want_two_node_and_wait_for_all(void **state)
{
	struct bed *b = *state;

	b->f.ring.wait_for_all = false;
	check_ring(&b->f, &b->l);
	assert_one(&b->l, FINDING_PROBLEM, "quorum", "wait_for_all is off", "wait_for_all: 0");
	again(b);
	b->f.ring.two_node = false;
	check_ring(&b->f, &b->l);
	assert_one(&b->l, FINDING_PROBLEM, "quorum", "two_node is not set", "two_node: 1");
	again(b);
	b->f.ring.device = true; /* a third vote */
	check_ring(&b->f, &b->l);
	assert_well(&b->l);
}

/* ---- properties, rules, clones ---- */

static void a_good_cluster_is_well(void **state)
{
	struct bed *b = *state;

	check_pacemaker(&b->f, &b->l);
	check_fencing(&b->f, &b->l);
	assert_well(&b->l);
	assert_int_equal(b->l.nr, 10);
}

static void a_cluster_that_was_not_seen_is_one_warning(void **state)
{
	struct bed *b = *state;

	b->f.cib.source = (struct fact_source){ false, "cibadmin gave no answer in time" };
	check_pacemaker(&b->f, &b->l);
	check_fencing(&b->f, &b->l);
	assert_int_equal(b->l.nr, 1);
	assert_one(&b->l, FINDING_WARNING, "pacemaker", "no answer in time", "pacemaker runs");
}

static void each_property_is_judged(void **state)
{
	struct bed *b = *state;
	struct fact_cib *c = &b->f.cib;
	const struct {
		char *property;
		const char *value;
		enum finding_level level;
		const char *check, *fix;
	} cases[] = {
		{ c->stonith_enabled, "false", FINDING_PROBLEM, "stonith", "stonith-enabled=true" },
		{ c->stonith_enabled, "0", FINDING_PROBLEM, "stonith", "stonith-enabled=true" },
		{ c->fencing.stonith_action, "reboot", FINDING_WARNING, "stonith-action",
		  "stonith-action=off" },
		{ c->fencing.stonith_action, "", FINDING_WARNING, "stonith-action", "stonith-action=off" },
		{ c->health_strategy, "custom", FINDING_PROBLEM, "health", "node-health-strategy=none" },
		{ c->maintenance, "TRUE", FINDING_WARNING, "maintenance", "maintenance-mode=false" },
		{ c->startup_fencing, "no", FINDING_PROBLEM, "startup-fencing", "remove" },
		{ c->priority_delay, "5s", FINDING_WARNING, "priority-fencing-delay", "delay" },
		{ c->fencing.watchdog_timeout, "-1", FINDING_PROBLEM, "stonith-watchdog-timeout", "remove" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char before[16];

		again(b);
		memcpy(before, cases[i].property, sizeof(before));
		set(cases[i].property, sizeof(before), cases[i].value);
		check_pacemaker(&b->f, &b->l);
		assert_one(&b->l, cases[i].level, cases[i].check, cases[i].value, cases[i].fix);
		memcpy(cases[i].property, before, sizeof(before));
	}
	again(b);
	SET(c->stonith_enabled, "true");
	SET(c->health_strategy, "none");
	SET(c->maintenance, "off");
	SET(c->startup_fencing, "1");
	SET(c->priority_delay, "0s");
	SET(c->fencing.watchdog_timeout, "0");
	check_pacemaker(&b->f, &b->l);
	assert_well(&b->l);
	again(b);
	SET(c->fencing.watchdog_timeout, "10s");
	SET(b->f.config.cfg.fence_agents_believed, "fence_watchdog");
	check_pacemaker(&b->f, &b->l);
	assert_one(&b->l, FINDING_WARNING, "stonith-watchdog-timeout", "10s", "remove");
}

static void health_forbids_no_vm(void **state)
{
	struct bed *b = *state;
	struct fact_rule *r = &b->f.cib.health_rule[0];

	b->f.cib.nr_rules = 1;
	SET(r->constraint, "l1");
	SET(r->resource, "vm1-ha");
	SET(r->attribute, "#health-bmc");
	check_pacemaker(&b->f, &b->l);
	assert_one(&b->l, FINDING_PROBLEM, "health-rule", "l1 forbids vm1-ha where #health-bmc", "remove l1");
	again(b);
	SET(r->resource, ""); /* a pattern */
	check_pacemaker(&b->f, &b->l);
	assert_one(&b->l, FINDING_PROBLEM, "health-rule", "forbids a VM", "remove l1");
	again(b);
	SET(r->resource, "website");
	check_pacemaker(&b->f, &b->l);
	assert_well(&b->l);
}

static void what_a_move_left_is_told(void **state)
{
	struct bed *b = *state;

	b->f.cib.nr_moved = 1;
	SET(b->f.cib.moved[0].constraint, "cli-prefer-vm1-ha");
	SET(b->f.cib.moved[0].resource, "vm1-ha");
	check_pacemaker(&b->f, &b->l);
	assert_one(&b->l, FINDING_WARNING, "moved", "cli-prefer-vm1-ha", "--clear --resource vm1-ha");
}

static void each_meta_attribute_of_a_clone_is_judged(void **state)
{
	struct bed *b = *state;
	struct fact_resource *r = &b->f.cib.resource[0];
	const struct {
		char *meta;
		const char *value;
		enum finding_level level;
		const char *found, *fix;
	} cases[] = {
		{ r->promotable, "", FINDING_PROBLEM, "promotable is not set", "promotable=true" },
		{ r->promotable, "false", FINDING_PROBLEM, "promotable is false", "promotable=true" },
		{ r->clone_max, "3", FINDING_PROBLEM, "clone-max is 3", "clone-max=2" },
		{ r->promoted_max, "2", FINDING_PROBLEM, "promoted-max is 2", "promoted-max=1" },
		{ r->clone_node_max, "2", FINDING_PROBLEM, "clone-node-max is 2", "clone-node-max=1" },
		{ r->notify, "true", FINDING_WARNING, "notify is true", "notify=false" },
		{ r->migration_threshold, "1", FINDING_WARNING, "migration-threshold is 1", "remove" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char before[16];

		again(b);
		memcpy(before, cases[i].meta, sizeof(before));
		set(cases[i].meta, sizeof(before), cases[i].value);
		check_pacemaker(&b->f, &b->l);
		assert_one(&b->l, cases[i].level, "clone", cases[i].found, cases[i].fix);
		memcpy(cases[i].meta, before, sizeof(before));
	}
}

static void clone_max_is_the_number_of_nodes_by_default(void **state)
{
	struct bed *b = *state;

	SET(b->f.cib.resource[0].clone_max, "");
	check_pacemaker(&b->f, &b->l);
	assert_well(&b->l);
	b->f.cib.nr_nodes = 3;
	check_pacemaker(&b->f, &b->l);
	assert_one(&b->l, FINDING_PROBLEM, "clone", "clone-max is not set", "clone-max=2");
}

static void a_vm_that_is_no_clone_is_a_problem(void **state)
{
	struct bed *b = *state;

	SET(b->f.cib.resource[0].clone, "");
	check_pacemaker(&b->f, &b->l);
	assert_one(&b->l, FINDING_PROBLEM, "clone", "vm1 is no clone", "promotable=true");
	again(b);
	b->f.cib.nr_resources = 0;
	check_pacemaker(&b->f, &b->l);
	assert_one(&b->l, FINDING_WARNING, "clone", "no VM of kemari", "doc/cluster.md");
}

/* ---- fencing ---- */

static void only_devices(struct bed *b)
{
	again(b);
	b->f.cib.fencing.nr = b->f.cib.fencing.nr_levels = 0;
	memset(b->f.cib.fencing.device, 0, sizeof(b->f.cib.fencing.device));
	memset(b->f.cib.fencing.level, 0, sizeof(b->f.cib.fencing.level));
	b->f.cib.nr_nodes = 1; /* xa */
}

static void a_host_without_a_device_is_a_problem(void **state)
{
	struct bed *b = *state;

	only_devices(b);
	device(&b->f.cib, "bmc-xb", "fence_kemari", "xb");
	check_fencing(&b->f, &b->l);
	assert_one(&b->l, FINDING_PROBLEM, "fencing", "no device can confirm that xa is off",
		   "pcmk_host_list=xa");
	only_devices(b);
	device(&b->f.cib, "bmc", "fence_kemari", "xab bxa");
	check_fencing(&b->f, &b->l);
	assert_one(&b->l, FINDING_PROBLEM, "fencing", "xa is off", "pcmk_host_list=xa");
}

static void one_level_is_a_warning(void **state)
{
	struct bed *b = *state;

	only_devices(b);
	device(&b->f.cib, "bmc-xa", "fence_kemari", "xb xa");
	check_fencing(&b->f, &b->l);
	assert_one(&b->l, FINDING_WARNING, "fencing", "xa has one way", "second level");
	only_devices(b);
	device(&b->f.cib, "bmc-xa", "fence_kemari", "xa");
	device(&b->f.cib, "pdu-xa", "fence_apc", "xa");
	check_fencing(&b->f, &b->l);
	assert_well(&b->l); /* without levels each is tried */
	again(b);
	level(&b->f.cib, "xa", "bmc-xa,pdu-xa"); /* both must succeed */
	check_fencing(&b->f, &b->l);
	assert_one(&b->l, FINDING_WARNING, "fencing", "xa has one way", "second level");
}

static void levels_are_found_by_pattern_and_map(void **state)
{
	struct bed *b = *state;

	only_devices(b);
	device(&b->f.cib, "bmc", "fence_kemari", "");
	SET(b->f.cib.fencing.device[0].host_map, "xb:2;xa:1");
	device(&b->f.cib, "pdu", "fence_apc", "xa");
	level(&b->f.cib, "", "bmc");
	SET(b->f.cib.fencing.level[0].pattern, "^x[ab]$");
	level(&b->f.cib, "", "pdu");
	SET(b->f.cib.fencing.level[1].pattern, "^x[ab]$");
	check_fencing(&b->f, &b->l);
	assert_well(&b->l);
	again(b);
	level(&b->f.cib, "xa", "pdu"); /* hides the patterns */
	check_fencing(&b->f, &b->l);
	assert_one(&b->l, FINDING_WARNING, "fencing", "xa has one way", "second level");
	again(b);
	b->f.cib.fencing.nr_levels--;
	SET(b->f.cib.fencing.level[1].pattern, "^y");
	check_fencing(&b->f, &b->l);
	assert_one(&b->l, FINDING_WARNING, "fencing", "xa has one way", "second level");
}

static void what_cannot_confirm_is_rejected_by_name(void **state)
{
	static const char *const bad[] = { "fence_kdump", "external/ssh", "fence_dummy", "meatware",
					   "fence_scsi",  "fence_ifmib",  "null" };
	struct bed *b = *state;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		only_devices(b);
		device(&b->f.cib, "bmc-xa", "fence_kemari", "xa");
		device(&b->f.cib, "pdu-xa", "fence_apc", "xa");
		device(&b->f.cib, "third", bad[i], "xa");
		check_fencing(&b->f, &b->l);
		assert_one(&b->l, FINDING_PROBLEM, "fencing", bad[i], "remove third");
	}
}

static void what_cannot_confirm_may_stand_before_what_can(void **state)
{
	struct bed *b = *state;

	only_devices(b);
	device(&b->f.cib, "ping", "fence_heuristics_ping", "xa");
	device(&b->f.cib, "bmc-xa", "fence_kemari", "xa");
	device(&b->f.cib, "pdu-xa", "fence_apc", "xa");
	level(&b->f.cib, "xa", "ping,bmc-xa");
	level(&b->f.cib, "xa", "pdu-xa");
	check_fencing(&b->f, &b->l);
	assert_well(&b->l);
	again(b);
	SET(b->f.cib.fencing.level[1].devices, "ping");
	check_fencing(&b->f, &b->l);
	assert_int_equal(b->l.count[FINDING_PROBLEM], 1); /* alone in a level */
	assert_int_equal(b->l.count[FINDING_WARNING], 1); /* and so one level is left */
}

static void what_cannot_confirm_is_alone_in_any_level(void **state)
{
	struct bed *b = *state;

	only_devices(b);
	device(&b->f.cib, "kdump", "fence_kdump", "xa");
	device(&b->f.cib, "bmc-xa", "fence_kemari", "xa");
	device(&b->f.cib, "pdu-xa", "fence_apc", "xa");
	level(&b->f.cib, "xa", "kdump");
	level(&b->f.cib, "xa", "kdump,bmc-xa");
	level(&b->f.cib, "xa", "pdu-xa");
	check_fencing(&b->f, &b->l);
	assert_one(&b->l, FINDING_PROBLEM, "fencing", "kdump (fence_kdump)", "same level");
	again(b);
	SET(b->f.cib.fencing.level[0].devices, "kdump,bmc-xa");
	check_fencing(&b->f, &b->l);
	assert_well(&b->l);
	again(b);
	b->f.cib.fencing.device[1].stopped = true; /* then it is alone */
	check_fencing(&b->f, &b->l);
	assert_int_equal(b->l.count[FINDING_PROBLEM], 1);
}

static void what_is_not_known_to_confirm_must_be_believed(void **state)
{
	static const char *const agents[] = { "fence_sbd", "fence_acme" };
	struct bed *b = *state;

	for (size_t i = 0; i < sizeof(agents) / sizeof(agents[0]); i++) {
		only_devices(b);
		SET(b->f.config.cfg.fence_agents_believed, "");
		device(&b->f.cib, "bmc-xa", "fence_kemari", "xa");
		device(&b->f.cib, "pdu-xa", "fence_apc", "xa");
		device(&b->f.cib, "third", agents[i], "xa");
		check_fencing(&b->f, &b->l);
		assert_one(&b->l, FINDING_PROBLEM, "fencing", agents[i], "fence_agents_believed");
		again(b);
		SET(b->f.config.cfg.fence_agents_believed, "fence_sbd fence_acme");
		check_fencing(&b->f, &b->l);
		assert_well(&b->l);
		only_devices(b);
		device(&b->f.cib, "only", agents[i], "xa");
		check_fencing(&b->f, &b->l);
		assert_one(&b->l, FINDING_WARNING, "fencing", "only believed", "reads it");
	}
}

static void a_device_is_judged_by_its_parameters(void **state)
{
	struct bed *b = *state;
	struct device *d = &b->f.cib.fencing.device[0];

	SET(d->method, "cycle");
	check_fencing(&b->f, &b->l);
	assert_one(&b->l, FINDING_PROBLEM, "fencing", "method=cycle", "method=onoff for bmc-xa");
	again(b);
	SET(d->method, "");
	SET(d->agent, "fence_apc_snmp");
	SET(d->plug, "7");
	SET(d->snmp_version, "2c");
	check_fencing(&b->f, &b->l);
	assert_one(&b->l, FINDING_PROBLEM, "fencing", "its outlet is a number", "a name in the PDU");
	again(b);
	SET(d->plug, "");
	SET(d->agent, "fence_kemari");
	SET(d->off_action, "metadata");
	check_fencing(&b->f, &b->l);
	assert_one(&b->l, FINDING_PROBLEM, "fencing", "pcmk_off_action", "pcmk_off_action");
	again(b);
	/* the fix is for what is wrong, whatever else is set */
	SET(d->method, "onoff");
	SET(d->plug, "xa");
	check_fencing(&b->f, &b->l);
	assert_one(&b->l, FINDING_PROBLEM, "fencing", "pcmk_off_action", "pcmk_off_action");
	again(b);
	SET(d->plug, "");
	SET(d->off_action, "");
	SET(d->reboot_action, "off");
	SET(d->method, "onoff");
	SET(d->host_list, "");
	SET(d->host_check, "");
	check_fencing(&b->f, &b->l);
	assert_one(&b->l, FINDING_WARNING, "fencing", "bmc-xa has no pcmk_host_list", "static-list");
	again(b);
	SET(d->host_check, "none");
	SET(d->delay, "");
	SET(b->f.cib.fencing.device[1].delay, "10");
	check_fencing(&b->f, &b->l);
	assert_one(&b->l, FINDING_WARNING, "fencing", "against any host", "static-list for bmc-xa");
	again(b);
	SET(d->host_list, "xa");
	SET(d->host_check, "status");
	check_fencing(&b->f, &b->l);
	assert_one(&b->l, FINDING_WARNING, "fencing", "in the middle of a failover", "static-list");
}

static void a_device_for_another_machine_is_a_problem(void **state)
{
	struct bed *b = *state;
	struct fact_identity *i = &b->f.identity[0];

	b->f.nr_identities = 1;
	SET(i->host, "xa");
	SET(b->f.cib.fencing.device[0].system_uuid, "4c4c4544-0042-3510-8051-b7c04f4d3332");
	check_fencing(&b->f, &b->l);
	assert_well(&b->l); /* which one the host is is not known */
	again(b);
	uuid_parse("4c4c4544-0042-3510-8051-b7c04f4d3332", i->who.told);
	check_fencing(&b->f, &b->l);
	assert_well(&b->l);
	again(b);
	i->who.told[15]++;
	check_fencing(&b->f, &b->l);
	assert_one(&b->l, FINDING_PROBLEM, "fencing-uuid",
		   "the host's is 4c4c4544-0042-3510-8051-b7c04f4d3333", "bmc-xa");
	again(b);
	SET(i->host, "xc"); /* whom it is not used against */
	check_fencing(&b->f, &b->l);
	assert_well(&b->l);
}

static void what_kemari_agent_says_of_fencing_is_told(void **state)
{
	struct bed *b = *state;

	b->f.cib.nr_doubts = 1;
	SET(b->f.cib.doubt[0].node, "xb");
	SET(b->f.cib.doubt[0].text, "no proof of xa: bmc-xa");
	check_fencing(&b->f, &b->l);
	assert_one(&b->l, FINDING_PROBLEM, "fencing-proof", "kemari-agent of xb: no proof of xa", "devices");
	again(b);
	b->f.cib.nr_doubts = 0;
	b->f.cib.nr_hardware = 1;
	SET(b->f.cib.hardware[0].node, "xb");
	SET(b->f.cib.hardware[0].text, "xa: its BMC is unreachable");
	check_fencing(&b->f, &b->l);
	assert_one(&b->l, FINDING_WARNING, "hardware", "kemari-agent of xb: xa: its BMC is unreachable",
		   "kemari-bmc");
}

static void a_device_that_is_switched_off_covers_nobody(void **state)
{
	struct bed *b = *state;

	b->f.cib.fencing.device[0].stopped = true;
	check_fencing(&b->f, &b->l);
	assert_int_equal(b->l.count[FINDING_PROBLEM], 0);
	assert_int_equal(b->l.count[FINDING_WARNING], 3); /* that, one level for xa, its delay */
}

static void one_host_is_fenced_later(void **state)
{
	struct bed *b = *state;
	struct device *d = b->f.cib.fencing.device;

	SET(d[0].delay, "0s");
	SET(b->f.cib.priority_delay, "0");
	check_fencing(&b->f, &b->l);
	assert_one(&b->l, FINDING_WARNING, "fencing-delay", "without a delay", "delay=30");
	again(b);
	SET(d[0].delay, "5s");
	SET(d[1].delay, "5s");
	check_fencing(&b->f, &b->l);
	assert_one(&b->l, FINDING_WARNING, "fencing-delay", "the same delay", "delay=30");
	again(b);
	SET(d[0].first_file, "/run/kemari/shoot-first");
	SET(d[1].first_file, "/run/kemari/shoot-first");
	check_fencing(&b->f, &b->l);
	assert_one(&b->l, FINDING_WARNING, "fencing-delay", "the same delay", "delay=45");
	again(b);
	SET(d[0].delay, "27s");
	SET(d[0].own_delay, "27s");
	SET(d[1].delay, "45s");
	SET(d[1].own_delay, "45s");
	check_fencing(&b->f, &b->l);
	assert_well(&b->l);
	again(b);
	SET(d[0].own_delay, "26s"); /* 20 + 5 + 1 of the other one */
	check_fencing(&b->f, &b->l);
	assert_one(&b->l, FINDING_WARNING, "fencing-delay", "both may be shot", "delay=30");
	again(b);
	SET(d[0].delay, "xa:5;xb:0");
	SET(d[1].delay, "xa:5;xb:0");
	check_fencing(&b->f, &b->l);
	assert_well(&b->l);
}

static void fencing_that_was_never_tried_names_the_command(void **state)
{
	struct bed *b = *state;

	b->f.history.nr = 1; /* xb */
	check_fencing(&b->f, &b->l);
	assert_one(&b->l, FINDING_WARNING, "fencing-test", "xa was never tried", "stonith_admin --fence xa");
	again(b);
	b->f.history.source = (struct fact_source){ false, "stonith_admin gave no answer in time" };
	check_fencing(&b->f, &b->l);
	assert_one(&b->l, FINDING_WARNING, "fencing-test", "was not looked at", "--history");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		BED_TEST(a_good_ring_is_well),
		BED_TEST(a_ring_that_was_not_seen_is_one_warning),
		BED_TEST(a_slow_ring_names_both_options),
		BED_TEST(consensus_below_token_is_for_two_nodes),
		BED_TEST(two_nodes_need_no_long_consensus),
		BED_TEST(a_token_may_be_too_short),
		BED_TEST(outdating_comes_after_the_ring),
		BED_TEST(one_link_is_a_warning),
		BED_TEST(one_link_is_on_the_replication_network),
		BED_TEST(crypto_off_is_a_warning),
		BED_TEST(two_nodes_want_two_node_and_wait_for_all),
		BED_TEST(a_good_cluster_is_well),
		BED_TEST(a_cluster_that_was_not_seen_is_one_warning),
		BED_TEST(each_property_is_judged),
		BED_TEST(health_forbids_no_vm),
		BED_TEST(what_a_move_left_is_told),
		BED_TEST(each_meta_attribute_of_a_clone_is_judged),
		BED_TEST(clone_max_is_the_number_of_nodes_by_default),
		BED_TEST(a_vm_that_is_no_clone_is_a_problem),
		BED_TEST(a_host_without_a_device_is_a_problem),
		BED_TEST(one_level_is_a_warning),
		BED_TEST(levels_are_found_by_pattern_and_map),
		BED_TEST(what_cannot_confirm_is_rejected_by_name),
		BED_TEST(what_cannot_confirm_may_stand_before_what_can),
		BED_TEST(what_cannot_confirm_is_alone_in_any_level),
		BED_TEST(what_is_not_known_to_confirm_must_be_believed),
		BED_TEST(a_device_is_judged_by_its_parameters),
		BED_TEST(a_device_for_another_machine_is_a_problem),
		BED_TEST(what_kemari_agent_says_of_fencing_is_told),
		BED_TEST(a_device_that_is_switched_off_covers_nobody),
		BED_TEST(one_host_is_fenced_later),
		BED_TEST(fencing_that_was_never_tried_names_the_command),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
