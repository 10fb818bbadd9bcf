/* SPDX-License-Identifier: GPL-2.0-only */
/* What kemari doctor reads: Pacemaker's XML, systemd's and kemari-syncd's answers, commands that hang. */
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "agent/daemon/proof_file.h"
#include "agent/doctor/gather.h"
#include "bootid.h"
#include "monotonic.h"

#define SECOND 1000000000ULL

#define NVPAIR(name, value) "<nvpair id='x' name='" name "' value='" value "'/>"
#define PARAMS(pairs) "<instance_attributes id='i'>" pairs "</instance_attributes>"
#define META_ATTRS(pairs) "<meta_attributes id='m'>" pairs "</meta_attributes>"

static const char cib[] =
	"<cib validate-with='pacemaker-3.9' epoch='7'><configuration>"
	"<crm_config><cluster_property_set id='cib-bootstrap-options'>" NVPAIR("stonith-enabled", "true")
		NVPAIR("stonith-action", "off") "</cluster_property_set><cluster_property_set "
						"id='later'>" NVPAIR("stonith-action", "reboot") NVPAIR(
							"node-health-strategy",
							"custom") "</cluster_property_set></crm_config>"
								  "<nodes><node id='1' uname='xa'/><node "
								  "id='2' uname='xb'/><node id='r' "
								  "type='remote' uname='r1'/></nodes>"
								  "<resources>"
								  "<template id='bmc' class='stonith' "
								  "type='fence_kemari'>" PARAMS(NVPAIR(
									  "pcmk_host_check",
									  "static-list")) "</template>"
											  "<primitive "
											  "id='bmc-xa' "
											  "template='bmc'"
											  ">" PARAMS(NVPAIR(
												  "pcmk_host_"
												  "list",
												  "xa")
													     NVPAIR(
														     "pcmk_delay_base",
														     "10s")) "</primitive>"
															     "<primitive id='ipmi' class='stonith' type='fence_ipmilan'>" PARAMS(NVPAIR("pcmk_host_map", "xb:1") NVPAIR("method",
																													"cycle")) META_ATTRS(NVPAIR("target-role", "Stopped")) "</primitive>"
																																			       "<clone id='vm1-ha'><primitive id='vm1' class='ocf' provider='kemari' type='vm'>" PARAMS(NVPAIR("config", "/etc/xen/vm1.cfg")) "</primitive>" META_ATTRS(NVPAIR("promotable",
																																																							       "true")
																																																								NVPAIR("clone-max",
																																																								       "2") NVPAIR("notify", "false")) "</clone>"
																																																												       "<master id='m2'><primitive id='p2' class='ocf' provider='kemari' type='vm'>" PARAMS(NVPAIR("vm",
																																																																								   "vm2")) "</primitive>" META_ATTRS(NVPAIR("master-max", "1")) "</master>"
																																																																																"<group id='g'><primitive id='vm3' class='ocf' provider='kemari' type='vm'>" META_ATTRS(NVPAIR(
																																																																																	"migration-threshold", "3")) "</primitive></group>"
																																																																																				     "<primitive id='ip' class='ocf' provider='heartbeat' type='IPaddr2'/>"
																																																																																				     "</resources>"
																																																																																				     "<constraints>"
																																																																																				     "<rsc_location id='l1' rsc='vm1-ha'><rule id='r1' role='Promoted' score='-INFINITY'>"
																																																																																				     "<rule id='r2' score='0'><expression id='e1' attribute='#health-bmc' operation='eq' value='red'/></rule>"
																																																																																				     "</rule></rsc_location>"
																																																																																				     "<rsc_location id='l2' rsc='vm1-ha'><rule id='r3' score='100'>"
																																																																																				     "<expression id='e2' attribute='#health-bmc' operation='eq' value='green'/></rule></rsc_location>"
																																																																																				     "<rsc_location id='cli-prefer-vm1-ha' rsc='vm1-ha' role='Started' node='xb' score='INFINITY'/>"
																																																																																				     "</constraints>"
																																																																																				     "<fencing-topology><fencing-level id='f1' target='xa' index='1' devices='bmc-xa,ping'/>"
																																																																																				     "<fencing-level id='f2' target-pattern='x.' index='2' devices='ipmi'/></fencing-topology>"
																																																																																				     "<rsc_defaults><meta_attributes id='d'>" NVPAIR(
																																																																																					     "migration-threshold",
																																																																																					     "1") "</meta_attributes></rsc_defaults>"
																																																																																						  "</configuration><status/></cib>";

static void read_cib(struct facts *f)
{
	memset(f, 0, sizeof(*f));
	gather_cib_text(cib, strlen(cib), f);
	assert_true(f->cib.source.seen);
}

static void properties_are_read_first_set_first(void **state)
{
	struct facts *f = *state;

	read_cib(f);
	assert_string_equal(f->cib.stonith_enabled, "true");
	assert_string_equal(f->cib.fencing.stonith_action, "off");
	assert_string_equal(f->cib.health_strategy, "custom");
	assert_string_equal(f->cib.maintenance, "");
	assert_int_equal(f->cib.nr_nodes, 2);
	assert_string_equal(f->cib.node[1], "xb");
}

static void devices_are_read_with_their_templates(void **state)
{
	struct facts *f = *state;
	const struct device *d = f->cib.fencing.device;

	read_cib(f);
	assert_int_equal(f->cib.fencing.nr, 2);
	assert_string_equal(d[0].id, "bmc-xa");
	assert_string_equal(d[0].agent, "fence_kemari");
	assert_string_equal(d[0].host_list, "xa");
	assert_string_equal(d[0].host_check, "static-list");
	assert_string_equal(d[0].delay, "10s");
	assert_false(d[0].stopped);
	assert_string_equal(d[1].agent, "fence_ipmilan");
	assert_string_equal(d[1].host_map, "xb:1");
	assert_string_equal(d[1].method, "cycle");
	assert_true(d[1].stopped);
	assert_int_equal(f->cib.fencing.nr_levels, 2);
	assert_string_equal(f->cib.fencing.level[0].node, "xa");
	assert_string_equal(f->cib.fencing.level[0].devices, "bmc-xa,ping");
	assert_string_equal(f->cib.fencing.level[1].pattern, "x.");
}

static void doubts_are_read_from_the_status(void **state)
{
	static const char text[] =
		"<cib><configuration/><status><node_state id='1' uname='xa'><transient_attributes id='1'>"
		"<instance_attributes id='s1'>" NVPAIR(
			"kemari-fencing",
			"no proof of xb: x") "</instance_attributes></transient_attributes></"
					     "node_state><node_state id='2' uname='xb'>"
					     "<transient_attributes id='2'><instance_attributes "
					     "id='s2'>" NVPAIR("kemari-hardware", "xa: its BMC is full")
						     NVPAIR("kemari-vm1-state",
							    "protected") "</instance_attributes></"
									 "transient_attributes></"
									 "node_state></status></cib>";
	struct facts *f = *state;

	memset(f, 0, sizeof(*f));
	gather_cib_text(text, strlen(text), f);
	assert_int_equal(f->cib.nr_doubts, 1);
	assert_string_equal(f->cib.doubt[0].node, "xa");
	assert_string_equal(f->cib.doubt[0].text, "no proof of xb: x");
	assert_int_equal(f->cib.nr_hardware, 1);
	assert_string_equal(f->cib.hardware[0].node, "xb");
	assert_string_equal(f->cib.hardware[0].text, "xa: its BMC is full");
}

static void identities_are_those_of_the_agents_state(void **state)
{
	struct facts *f = *state;
	const struct proof_vms vms = { 0 };
	struct proof p = { 0 };
	char path[KEM_CONFIG_STR + 32];

	memset(f, 0, sizeof(*f));
	snprintf(f->config.cfg.host_name, sizeof(f->config.cfg.host_name), "xa");
	snprintf(f->config.cfg.run_dir, sizeof(f->config.cfg.run_dir), "/tmp/kemari-doctor-XXXXXX");
	assert_non_null(mkdtemp(f->config.cfg.run_dir));
	gather_identities(f);
	assert_int_equal(f->nr_identities, 1);
	assert_string_equal(f->identity[0].host, "xa");
	proof_heard(&p, "xb", 1, PROOF_SECOND, 0);
	proof_identify(&p, "xb", (const uint8_t[16]){ 9 });
	snprintf(path, sizeof(path), "%s/" PROOF_FILE, f->config.cfg.run_dir);
	assert_int_equal(proof_save(path, boot_id_number(), &p, &vms), 0);
	f->nr_identities = 0;
	gather_identities(f);
	assert_int_equal(f->nr_identities, 2);
	assert_string_equal(f->identity[1].host, "xb");
	assert_int_equal(f->identity[1].who.told[0], 9);
	unlink(path);
	rmdir(f->config.cfg.run_dir);
}

static void vms_are_read_with_their_clones(void **state)
{
	struct facts *f = *state;
	const struct fact_resource *r = f->cib.resource;

	read_cib(f);
	assert_int_equal(f->cib.nr_resources, 3);
	assert_string_equal(r[0].clone, "vm1-ha");
	assert_string_equal(r[0].promotable, "true");
	assert_string_equal(r[0].clone_max, "2");
	assert_string_equal(r[0].promoted_max, "");
	assert_string_equal(r[0].notify, "false");
	assert_string_equal(r[0].migration_threshold, "1"); /* the cluster's default */
	assert_string_equal(r[1].vm, "vm2");
	assert_string_equal(r[1].promotable, "true"); /* a master is */
	assert_string_equal(r[1].promoted_max, "1");
	assert_string_equal(r[2].clone, "");
	assert_string_equal(r[2].migration_threshold, "3");
	assert_int_equal(f->nr_vms, 3);
	assert_string_equal(f->vm[0].name, "vm1");
	assert_string_equal(f->vm[0].config, "/etc/xen/vm1.cfg");
	assert_int_equal(f->vm[0].origin, FACT_OF_CLUSTER);
}

static void rules_that_forbid_are_read(void **state)
{
	struct facts *f = *state;

	read_cib(f);
	assert_int_equal(f->cib.nr_rules, 1);
	assert_string_equal(f->cib.health_rule[0].constraint, "l1");
	assert_string_equal(f->cib.health_rule[0].resource, "vm1-ha");
	assert_string_equal(f->cib.health_rule[0].attribute, "#health-bmc");
	assert_int_equal(f->cib.nr_moved, 1);
	assert_string_equal(f->cib.moved[0].constraint, "cli-prefer-vm1-ha");
}

static void what_is_no_cib_is_not_seen(void **state)
{
	static const char *const bad[] = { "", "<cib", "<status/>", "Could not connect" };
	struct facts *f = *state;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		memset(f, 0, sizeof(*f));
		gather_cib_text(bad[i], strlen(bad[i]), f);
		assert_false(f->cib.source.seen);
		assert_string_equal(f->cib.source.why, "cibadmin prints no CIB");
	}
}

/* More of everything than there is room for. */
static void a_large_cib_is_cut(void **state)
{
	struct facts *f = *state;
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);

	fputs("<cib><configuration><nodes>", out);
	for (int i = 0; i < 100; i++)
		fprintf(out, "<node id='%d' uname='node%0200d'/>", i, i);
	fputs("</nodes><resources>", out);
	for (int i = 0; i < 100; i++)
		fprintf(out,
			"<primitive id='f%d' class='stonith' type='fence_kemari'/>"
			"<primitive id='vm%d' class='ocf' provider='kemari' type='vm'/>",
			i, i);
	fputs("</resources><fencing-topology>", out);
	for (int i = 0; i < 100; i++)
		fprintf(out, "<fencing-level id='l%d' target='xa' index='%d' devices='f%d'/>", i, i, i);
	fputs("</fencing-topology></configuration></cib>", out);
	fclose(out);
	memset(f, 0, sizeof(*f));
	gather_cib_text(text, len, f);
	free(text);
	assert_int_equal(f->cib.nr_nodes, FACT_NODES);
	assert_int_equal(f->cib.fencing.nr, DEVICES);
	assert_int_equal(f->cib.fencing.nr_levels, DEVICE_LEVELS);
	assert_int_equal(f->cib.nr_resources, FACT_VMS);
	assert_int_equal(f->nr_vms, FACT_VMS);
	assert_int_equal(strlen(f->cib.node[0]), FACT_NAME - 1);
}

static void fencings_by_a_device_are_read(void **state)
{
	static const char text[] =
		"<pacemaker-result api-version='2.25' request='stonith_admin'><list name='fencing history' "
		"count='5'>"
		"<fence_event action='off' target='xb' status='success' delegate='xa' "
		"client='stonith_admin.7' "
		"origin='xc' completed='2026-11-27 14:00:00Z'/>"
		"<fence_event action='reboot' target='xb' status='success' delegate='xa' "
		"client='pacemaker-controld.8' origin='xa' completed='2026-11-27 13:00:00Z'/>"
		"<fence_event action='off' target='xa' status='failed' delegate='xb'/>"
		"<fence_event action='on' target='xa' status='success' delegate='xb'/>"
		"<fence_event action='off' target='xa' status='success' delegate='a human'/>"
		"</list><status code='0' message='OK'/></pacemaker-result>";
	struct fact_history h = { 0 };

	gather_history_text(text, strlen(text), &h);
	assert_true(h.source.seen);
	assert_int_equal(h.nr, 1);
	assert_string_equal(h.host[0], "xb");
	assert_string_equal(h.last[0],
			    "2026-11-27 14:00:00Z, asked for by an operator (stonith_admin) on xc, "
			    "carried out by xa");
	memset(&h, 0, sizeof(h));
	gather_history_text("no", 2, &h);
	assert_false(h.source.seen);
	assert_int_equal(h.nr, 0);
}

static struct job said(const char *text)
{
	return (struct job){ .out = { .fd = -1, .text = (char *)text, .len = strlen(text) } };
}

static void units_are_read_in_any_order(void **state)
{
	struct facts *f = *state;
	struct job j = said("Id=corosync.service\nUnitFileState=enabled\n\n"
			    "UnitFileState=disabled\nId=pacemaker.service\n\n"
			    "Id=kemari-syncd.service\nUnitFileState=\n\n"
			    "Id=kemari-agent.service\nUnitFileState=enabled-runtime\n");

	memset(f, 0, sizeof(*f));
	gather_units(&j, f);
	assert_true(f->daemons.units.seen);
	assert_int_equal(f->daemons.corosync, FACT_YES);
	assert_int_equal(f->daemons.pacemaker, FACT_NO);
	assert_int_equal(f->daemons.syncd.enabled, FACT_NO);
	assert_int_equal(f->daemons.agent.enabled, FACT_YES);
	assert_int_equal(f->xendomains.enabled, FACT_UNKNOWN);
}

static void a_version_is_read_of_the_right_program_only(void **state)
{
	struct fact_daemon d = { 0 };
	struct job good = said("kemari-syncd 0.1\n"), bad = said("something 0.1\n");

	gather_version(&bad, "kemari-syncd", &d);
	assert_string_equal(d.version, "");
	gather_version(&good, "kemari-syncd", &d);
	assert_string_equal(d.version, "0.1");
}

static void rows_of_syncd_are_read(void **state)
{
	struct facts *f = *state;
	struct job j = said(
		"{\"rows\":[{\"vm\":\"vm1\",\"role\":\"primary\",\"state\":\"protected\",\"peer\":\"xb\","
		"\"reason\":null,\"protection\":\"protected\",\"needs\":null,\"started\":true,\"linked\":"
		"true}],"
		"\"more\":true}\n"
		"{\"rows\":[{\"vm\":\"vm2\",\"role\":\"none\",\"needs\":\"proof\"},{\"role\":\"none\"},7]}\n"
		"{\"ok\":true}\n");

	memset(f, 0, sizeof(*f));
	gather_syncd(&j, f);
	assert_true(f->syncd.seen);
	assert_int_equal(f->nr_vms, 2);
	assert_string_equal(f->vm[0].peer, "xb");
	assert_string_equal(f->vm[0].protection, "protected");
	assert_true(f->vm[0].started && f->vm[0].linked);
	assert_string_equal(f->vm[0].reason, "");
	assert_string_equal(f->vm[1].needs, "proof");
	assert_int_equal(f->vm[1].origin, FACT_OF_SYNCD);
}

static void a_syncd_that_gives_no_answer_is_not_seen(void **state)
{
	struct facts *f = *state;
	struct job error = said("{\"error\":\"not you\",\"code\":13}\n"), half = said("{\"rows\":[]}\n"),
		   junk = said("junk\n"), refused = { .status = 111 };

	memset(f, 0, sizeof(*f));
	gather_syncd(&error, f);
	assert_string_equal(f->syncd.why, "not you");
	gather_syncd(&half, f);
	assert_string_equal(f->syncd.why, "it gives no answer");
	gather_syncd(&junk, f);
	assert_string_equal(f->syncd.why, "it gives an answer that is none");
	gather_syncd(&refused, f);
	assert_string_equal(f->syncd.why, "Connection refused");
	assert_false(f->syncd.seen);
}

static int print_much(int out, const void *arg)
{
	static const char block[10000];

	for (int i = 0; i < 50; i++)
		if (write(out, block, sizeof(block)) != sizeof(block))
			return 1;
	return strcmp(arg, "arg") ? 2 : 0;
}

static void jobs_run_side_by_side(void **state)
{
	static const char *const echo[] = { "sh", "-c", "sleep 0.3; echo out; echo err >&2; exit 3", NULL };
	static const char *const absent[] = { "/nonexistent/command", NULL };
	struct job j[3];
	uint64_t start = monotonic_ns();

	job_command(&j[0], echo);
	job_command(&j[1], absent);
	job_call(&j[2], print_much, "arg");
	jobs_wait(j, 3, start + 20 * SECOND);
	assert_int_equal(j[0].status, 3);
	assert_string_equal(j[0].out.text, "out\n");
	assert_string_equal(j[0].err.text, "err\n");
	assert_int_equal(j[1].status, JOB_NOT_FOUND);
	assert_true(job_done(&j[2]));
	assert_int_equal(j[2].out.len, 500000);
	assert_false(j[0].late || j[1].late || job_done(&j[0]) || job_done(&j[1]));
	for (int i = 0; i < 3; i++)
		job_free(&j[i]);
}

static void a_job_that_hangs_is_ended_with_its_children(void **state)
{
	static const char *const hang[] = { "sh", "-c", "echo begun; (sleep 1000; :) ; :", NULL };
	uint64_t start = monotonic_ns();
	struct fact_source s = { 0 };
	struct pollfd p = { .events = POLLIN };
	struct job j;
	int held[2];
	char c;

	assert_int_equal(pipe(held), 0); /* they all inherit its end */
	p.fd = held[0];
	job_command(&j, hang);
	close(held[1]);
	jobs_wait(&j, 1, start + SECOND / 2);
	assert_true(monotonic_ns() - start < 5 * SECOND);
	assert_true(j.late && !job_done(&j));
	assert_string_equal(j.out.text, "begun\n");
	assert_int_equal(poll(&p, 1, 5000), 1);
	assert_int_equal(read(held[0], &c, 1), 0);
	close(held[0]);
	gather_failed(&j, "hang", &s);
	assert_string_equal(s.why, "hang gave no answer in time");
	job_free(&j);
}

static void why_a_job_failed_is_its_first_line(void **state)
{
	struct job j = { .status = 102, .err = { .text = (char *)"Could not connect\nmore\n" } };
	struct fact_source s = { 0 };

	gather_failed(&j, "cibadmin", &s);
	assert_string_equal(s.why, "Could not connect");
	j.err.text = NULL;
	gather_failed(&j, "cibadmin", &s);
	assert_string_equal(s.why, "cibadmin ended with status 102");
	j.status = JOB_NOT_FOUND;
	gather_failed(&j, "cibadmin", &s);
	assert_string_equal(s.why, "there is no cibadmin on this host");
}

/* ---- a VM's files ---- */

struct files {
	struct kem_config cfg;
	char resource[300], story[300];
};

static void put(const char *path, const char *text)
{
	FILE *f = fopen(path, "we");

	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static void files_begin(struct files *d)
{
	kem_config_defaults(&d->cfg);
	snprintf(d->cfg.run_dir, sizeof(d->cfg.run_dir), "/tmp/kemari-doctor-XXXXXX");
	assert_non_null(mkdtemp(d->cfg.run_dir));
	memcpy(d->cfg.log_dir, d->cfg.run_dir, sizeof(d->cfg.log_dir));
	snprintf(d->resource, sizeof(d->resource), "%.200s/vm1.resource", d->cfg.run_dir);
	snprintf(d->story, sizeof(d->story), "%.200s/vm1.story", d->cfg.run_dir);
}

static void files_end(struct files *d)
{
	unlink(d->resource);
	unlink(d->story);
	rmdir(d->cfg.run_dir);
}

static void a_story_tells_whether_it_was_protected(void **state)
{
	static const char line[] =
		"{\"vm\":\"vm1\",\"role\":\"primary\",\"state\":\"%s\",\"reason\":\"protected\"}\n";
	struct files d;
	struct fact_vm vm = { .name = "vm1" };
	char text[256];

	files_begin(&d);
	gather_vm_files(&d.cfg, &vm);
	assert_int_equal(vm.was_protected, FACT_NO);
	snprintf(text, sizeof(text), line, "syncing");
	put(d.story, text);
	gather_vm_files(&d.cfg, &vm);
	assert_int_equal(vm.was_protected, FACT_NO);
	snprintf(text, sizeof(text), line, "protected");
	put(d.story, text);
	gather_vm_files(&d.cfg, &vm);
	assert_int_equal(vm.was_protected, FACT_YES);
	files_end(&d);
}

static const char record[] =
	"{\\\"format\\\":1,\\\"name\\\":\\\"vm1\\\",\\\"uuid\\\":\\\"11112222-3333-4444-5555-"
	"666677778888\\\","
	"\\\"memory_kb\\\":131072,\\\"vcpus\\\":1,\\\"on\\\":{\\\"poweroff\\\":\\\"destroy\\\","
	"\\\"reboot\\\":\\\"restart\\\",\\\"crash\\\":\\\"preserve\\\",\\\"watchdog\\\":\\\"destroy\\\","
	"\\\"soft_reset\\\":\\\"restart\\\"},\\\"disks\\\":[{\\\"vdev\\\":\\\"xvda\\\",\\\"target\\\":\\\"%"
	"s\\\","
	"\\\"readonly\\\":false,\\\"discard\\\":true}],\\\"nics\\\":[{\\\"devid\\\":0,"
	"\\\"mac\\\":\\\"00:16:3E:77:00:50\\\",\\\"bridge\\\":\\\"nobr0\\\",\\\"mtu\\\":1500}],"
	"\\\"config\\\":{\\\"c_info\\\":{\\\"type\\\":\\\"pvh\\\",\\\"name\\\":\\\"vm1\\\","
	"\\\"uuid\\\":\\\"11112222-3333-4444-5555-666677778888\\\"},\\\"b_info\\\":{\\\"max_vcpus\\\":1,"
	"\\\"tsc_mode\\\":\\\"native\\\",\\\"max_memkb\\\":131072,\\\"target_memkb\\\":131072,"
	"\\\"kernel\\\":\\\"/boot/vmlinuz\\\"}}}";

static void a_started_vms_devices_are_looked_for(void **state)
{
	struct files d;
	struct fact_vm vm = { .name = "vm1" };
	char rec[2048], text[4096];

	files_begin(&d);
	snprintf(rec, sizeof(rec), record, "/dev/null"); /* a device, but of characters */
	snprintf(text, sizeof(text), "{\"version\":1,\"vm\":\"vm1\",\"config\":\"%s\",\"record\":\"%s\"}",
		 d.story, rec);
	put(d.resource, text);
	gather_vm_files(&d.cfg, &vm);
	assert_string_equal(vm.config, d.story);
	assert_int_equal(vm.config_exists, FACT_NO);
	assert_string_equal(vm.config_error, "");
	assert_true(vm.have_devices);
	assert_int_equal(vm.nr_disks, 1);
	assert_string_equal(vm.disk[0].target, "/dev/null");
	assert_int_equal(vm.disk[0].block_device, FACT_NO);
	assert_int_equal(vm.nr_nics, 1);
	assert_string_equal(vm.nic[0].bridge, "nobr0");
	assert_int_equal(vm.nic[0].exists, FACT_NO);
	put(d.resource, "{\"config\":7");
	vm = (struct fact_vm){ .name = "vm1" };
	gather_vm_files(&d.cfg, &vm);
	assert_false(vm.have_devices);
	files_end(&d);
}

static void what_xl_refuses_is_told(void **state)
{
	struct job j = { .status = 3, .err = { .text = (char *)"kemari-domain: vm1.cfg: pci is set\n" } };
	struct fact_vm vm = { .name = "vm1" };

	gather_vm_record(&j, &vm);
	assert_string_equal(vm.config_error, "vm1.cfg: pci is set");
	memset(&vm, 0, sizeof(vm));
	j.status = 1; /* Xen or xl failed: that is not the configuration's fault */
	gather_vm_record(&j, &vm);
	assert_string_equal(vm.config_error, "");
	assert_false(vm.have_devices);
}

static int setup(void **state)
{
	*state = calloc(1, sizeof(struct facts));
	return *state ? 0 : -1;
}

static int teardown(void **state)
{
	free(*state);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(properties_are_read_first_set_first),
		cmocka_unit_test(devices_are_read_with_their_templates),
		cmocka_unit_test(doubts_are_read_from_the_status),
		cmocka_unit_test(identities_are_those_of_the_agents_state),
		cmocka_unit_test(vms_are_read_with_their_clones),
		cmocka_unit_test(rules_that_forbid_are_read),
		cmocka_unit_test(what_is_no_cib_is_not_seen),
		cmocka_unit_test(a_large_cib_is_cut),
		cmocka_unit_test(fencings_by_a_device_are_read),
		cmocka_unit_test(units_are_read_in_any_order),
		cmocka_unit_test(a_version_is_read_of_the_right_program_only),
		cmocka_unit_test(rows_of_syncd_are_read),
		cmocka_unit_test(a_syncd_that_gives_no_answer_is_not_seen),
		cmocka_unit_test(jobs_run_side_by_side),
		cmocka_unit_test(a_job_that_hangs_is_ended_with_its_children),
		cmocka_unit_test(why_a_job_failed_is_its_first_line),
		cmocka_unit_test(a_story_tells_whether_it_was_protected),
		cmocka_unit_test(a_started_vms_devices_are_looked_for),
		cmocka_unit_test(what_xl_refuses_is_told),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
