/* SPDX-License-Identifier: GPL-2.0-only */
/* kemari doctor's judgement of this host: configuration, key, Xen, clock, daemons, xendomains. */
#include "doctor_bed.h"

#include <errno.h>

static void a_good_configuration_is_well(void **state)
{
	struct bed *b = *state;

	check_config(&b->f, &b->l);
	assert_well(&b->l);
	assert_int_equal(b->l.nr, 4);
}

static void a_configuration_that_does_not_load_is_all_that_is_said(void **state)
{
	struct bed *b = *state;

	b->f.config.loads = false;
	SET(b->f.config.error, "kemari.conf:3: no such key: prot");
	check_config(&b->f, &b->l);
	assert_int_equal(b->l.nr, 1);
	assert_one(&b->l, FINDING_PROBLEM, "config", "kemari.conf:3", "kemari.conf(5)");
}

static void there_are_two_host_lines(void **state)
{
	struct bed *b = *state;

	b->f.config.cfg.nr_hosts = 1;
	check_config(&b->f, &b->l);
	assert_one(&b->l, FINDING_PROBLEM, "hosts", "1 host lines", "host NAME ADDRESS");
}

static void one_host_line_is_this_hosts(void **state)
{
	struct bed *b = *state;

	SET(b->f.config.cfg.host[0].name, "xc");
	b->f.ring.source.seen = false;
	check_config(&b->f, &b->l);
	assert_one(&b->l, FINDING_PROBLEM, "hosts", "host_name is xa", "host xa ADDRESS");
}

static void the_host_lines_differ(void **state)
{
	struct bed *b = *state;

	SET(b->f.config.cfg.host[1].name, "xa");
	check_config(&b->f, &b->l);
	assert_one(&b->l, FINDING_PROBLEM, "hosts", "both host lines", "the other host");
}

static void the_name_is_unames(void **state)
{
	struct bed *b = *state;

	SET(b->f.host.uname, "dom0");
	check_config(&b->f, &b->l);
	assert_one(&b->l, FINDING_PROBLEM, "names", "uname -n says dom0", "host_name");
}

static void the_name_is_the_clusters(void **state)
{
	struct bed *b = *state;

	SET(b->f.ring.ring.node[0].name, "node1");
	check_config(&b->f, &b->l);
	assert_one(&b->l, FINDING_PROBLEM, "names", "node1 in corosync's nodelist", "host_name = node1");
}

static void the_other_hosts_name_is_the_clusters(void **state)
{
	struct bed *b = *state;

	SET(b->f.ring.ring.node[1].name, "node2");
	check_config(&b->f, &b->l);
	assert_one(&b->l, FINDING_PROBLEM, "names", "xb", "corosync.conf");
}

static void a_nodelist_without_a_name_is_told(void **state)
{
	struct bed *b = *state;

	SET(b->f.ring.ring.node[0].name, "");
	check_config(&b->f, &b->l);
	assert_one(&b->l, FINDING_WARNING, "names", "does not name this host", "name: xa");
}

static void names_are_not_judged_without_corosync(void **state)
{
	struct bed *b = *state;

	memset(&b->f.ring, 0, sizeof(b->f.ring));
	check_config(&b->f, &b->l);
	assert_well(&b->l);
	assert_int_equal(b->l.nr, 3);
}

static void a_bad_key_is_a_problem(void **state)
{
	struct bed *b = *state;

	b->f.config.key_error = -EPERM;
	SET(b->f.config.key_why, "/etc/kemari/key: others may read or write it");
	check_config(&b->f, &b->l);
	assert_one(&b->l, FINDING_PROBLEM, "key", "others may read", "0600");
}

static void a_key_of_somebody_else_is_a_problem(void **state)
{
	struct bed *b = *state;

	b->f.config.key_root = FACT_NO;
	check_config(&b->f, &b->l);
	assert_one(&b->l, FINDING_PROBLEM, "key", "does not belong to root", "chown root:");
}

static void a_key_that_only_root_may_read_is_not_judged(void **state)
{
	struct bed *b = *state;

	b->f.host.root = false;
	b->f.config.key_error = -EACCES;
	check_config(&b->f, &b->l);
	assert_one(&b->l, FINDING_WARNING, "key", "was not looked at", "as root");
	memset(&b->l, 0, sizeof(b->l));
	b->f.host.root = true; /* a file system that keeps root out */
	SET(b->f.config.key_why, "/etc/kemari/key: Permission denied");
	check_config(&b->f, &b->l);
	assert_one(&b->l, FINDING_PROBLEM, "key", "Permission denied", "0600");
}

static void a_good_host_is_well(void **state)
{
	struct bed *b = *state;

	check_host(&b->f, &b->l);
	assert_well(&b->l);
	assert_int_equal(b->l.nr, 3);
}

static void what_xen_says_is_told(void **state)
{
	static const struct {
		int error;
		enum finding_level level;
		const char *found, *fix;
	} cases[] = { { ENOSYS, FINDING_PROBLEM, "no Kemari patch", "hv-patch/build" },
		      { EPROTO, FINDING_PROBLEM, "another version", "of this version" },
		      { EACCES, FINDING_WARNING, "only root may", "as root" },
		      { ENOMEM, FINDING_PROBLEM, "Cannot allocate memory", "/dev/xen/privcmd" } };
	struct bed *b = *state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		memset(&b->l, 0, sizeof(b->l));
		b->f.host.xen_error = cases[i].error;
		check_host(&b->f, &b->l);
		assert_one(&b->l, cases[i].level, "xen", cases[i].found, cases[i].fix);
	}
	memset(&b->l, 0, sizeof(b->l));
	b->f.host.dom0 = false;
	check_host(&b->f, &b->l);
	assert_one(&b->l, FINDING_PROBLEM, "xen", "no dom0", "hv-patch/build");
}

static void a_clock_is_never_a_problem(void **state)
{
	struct bed *b = *state;

	b->f.host.synchronized = FACT_NO;
	check_host(&b->f, &b->l);
	assert_one(&b->l, FINDING_WARNING, "clock", "not synchronized", "chrony");
	memset(&b->l, 0, sizeof(b->l));
	b->f.host.synchronized = FACT_UNKNOWN;
	check_host(&b->f, &b->l);
	assert_well(&b->l);
	assert_int_equal(b->l.nr, 2);
}

static void a_watchdog_is_a_hint(void **state)
{
	struct bed *b = *state;

	b->f.host.watchdog = FACT_NO;
	check_host(&b->f, &b->l);
	assert_one(&b->l, FINDING_WARNING, "watchdog", "no watchdog", "xenwatchdogd");
}

static void good_daemons_are_well(void **state)
{
	struct bed *b = *state;

	check_daemons(&b->f, "0.1", &b->l);
	assert_well(&b->l);
	assert_int_equal(b->l.nr, 2);
}

static void a_daemon_of_another_version_is_a_problem(void **state)
{
	struct bed *b = *state;

	SET(b->f.daemons.agent.version, "0.0.9");
	check_daemons(&b->f, "0.1", &b->l);
	assert_one(&b->l, FINDING_PROBLEM, "kemari-agent", "version 0.0.9, this command is 0.1",
		   "systemctl restart kemari-agent");
	memset(&b->l, 0, sizeof(b->l));
	SET(b->f.daemons.agent.version, "");
	check_daemons(&b->f, "0.1", &b->l);
	assert_well(&b->l);
}

static void a_syncd_that_does_not_run_is_a_problem(void **state)
{
	struct bed *b = *state;

	b->f.syncd.seen = false;
	b->f.daemons.syncd.runs = FACT_NO;
	check_daemons(&b->f, "0.1", &b->l);
	assert_one(&b->l, FINDING_PROBLEM, "kemari-syncd", "does not run", "enable --now kemari-syncd");
}

static void a_syncd_that_does_not_answer_is_a_problem_to_root(void **state)
{
	struct bed *b = *state;

	b->f.syncd.seen = false;
	SET(b->f.syncd.why, "Connection timed out");
	check_daemons(&b->f, "0.1", &b->l);
	assert_one(&b->l, FINDING_PROBLEM, "kemari-syncd", "Connection timed out", "journalctl");
	memset(&b->l, 0, sizeof(b->l));
	b->f.host.root = false;
	check_daemons(&b->f, "0.1", &b->l);
	assert_one(&b->l, FINDING_WARNING, "kemari-syncd", "was not asked", "as root");
}

static void an_agent_is_needed_in_a_cluster_only(void **state)
{
	struct bed *b = *state;

	b->f.daemons.agent = (struct fact_daemon){ .runs = FACT_NO };
	check_daemons(&b->f, "0.1", &b->l);
	assert_one(&b->l, FINDING_PROBLEM, "kemari-agent", "nothing fails over", "enable --now kemari-agent");
	memset(&b->l, 0, sizeof(b->l));
	b->f.cib.source.seen = false;
	check_daemons(&b->f, "0.1", &b->l);
	assert_one(&b->l, FINDING_WARNING, "kemari-agent", "is yours to do", "corosync and pacemaker");
}

static void what_is_not_enabled_at_boot_is_told(void **state)
{
	struct bed *b = *state;

	b->f.daemons.syncd.enabled = FACT_NO;
	check_daemons(&b->f, "0.1", &b->l);
	assert_one(&b->l, FINDING_WARNING, "kemari-syncd", "not started at boot", "enable kemari-syncd");
	memset(&b->l, 0, sizeof(b->l));
	b->f.daemons.syncd.enabled = FACT_YES;
	b->f.daemons.pacemaker = FACT_NO;
	check_daemons(&b->f, "0.1", &b->l);
	assert_one(&b->l, FINDING_WARNING, "pacemaker", "not started at boot", "enable pacemaker");
	memset(&b->l, 0, sizeof(b->l));
	b->f.daemons.units = (struct fact_source){ false, "there is no systemctl on this host" };
	check_daemons(&b->f, "0.1", &b->l);
	assert_one(&b->l, FINDING_WARNING, "systemd", "there is no systemctl", "enable corosync");
}

static void xendomains_must_not_save(void **state)
{
	struct bed *b = *state;

	SET(b->f.xendomains.save, "/var/lib/xen/save");
	SET(b->f.xendomains.file, "/etc/default/xendomains");
	check_xendomains(&b->f, &b->l);
	assert_well(&b->l); /* it is not enabled */
	memset(&b->l, 0, sizeof(b->l));
	b->f.xendomains.enabled = FACT_YES;
	check_xendomains(&b->f, &b->l);
	assert_one(&b->l, FINDING_PROBLEM, "xendomains", "XENDOMAINS_SAVE=/var/lib/xen/save",
		   "XENDOMAINS_SAVE=\"\" in /etc/default/xendomains");
	memset(&b->l, 0, sizeof(b->l));
	b->f.xendomains.enabled = FACT_UNKNOWN;
	check_xendomains(&b->f, &b->l);
	assert_one(&b->l, FINDING_WARNING, "xendomains", "was not seen", "/etc/default/xendomains");
	memset(&b->l, 0, sizeof(b->l));
	b->f.xendomains.enabled = FACT_YES;
	SET(b->f.xendomains.save, "");
	check_xendomains(&b->f, &b->l);
	assert_well(&b->l);
}

static void xendomains_is_no_matter_without_a_vm(void **state)
{
	struct bed *b = *state;

	b->f.nr_vms = 0;
	SET(b->f.xendomains.save, "/var/lib/xen/save");
	b->f.xendomains.enabled = FACT_YES;
	check_xendomains(&b->f, &b->l);
	assert_int_equal(b->l.nr, 0);
}

static void a_vm_in_auto_is_a_problem(void **state)
{
	struct bed *b = *state;

	SET(b->f.vm[0].autostart, "/etc/xen/auto/10-vm1");
	check_xendomains(&b->f, &b->l);
	assert_one(&b->l, FINDING_PROBLEM, "autostart", "starts vm1 at boot", "rm /etc/xen/auto/10-vm1");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		BED_TEST(a_good_configuration_is_well),
		BED_TEST(a_configuration_that_does_not_load_is_all_that_is_said),
		BED_TEST(there_are_two_host_lines),
		BED_TEST(one_host_line_is_this_hosts),
		BED_TEST(the_host_lines_differ),
		BED_TEST(the_name_is_unames),
		BED_TEST(the_name_is_the_clusters),
		BED_TEST(the_other_hosts_name_is_the_clusters),
		BED_TEST(a_nodelist_without_a_name_is_told),
		BED_TEST(names_are_not_judged_without_corosync),
		BED_TEST(a_bad_key_is_a_problem),
		BED_TEST(a_key_of_somebody_else_is_a_problem),
		BED_TEST(a_key_that_only_root_may_read_is_not_judged),
		BED_TEST(a_good_host_is_well),
		BED_TEST(what_xen_says_is_told),
		BED_TEST(a_clock_is_never_a_problem),
		BED_TEST(a_watchdog_is_a_hint),
		BED_TEST(good_daemons_are_well),
		BED_TEST(a_daemon_of_another_version_is_a_problem),
		BED_TEST(a_syncd_that_does_not_run_is_a_problem),
		BED_TEST(a_syncd_that_does_not_answer_is_a_problem_to_root),
		BED_TEST(an_agent_is_needed_in_a_cluster_only),
		BED_TEST(what_is_not_enabled_at_boot_is_told),
		BED_TEST(xendomains_must_not_save),
		BED_TEST(xendomains_is_no_matter_without_a_vm),
		BED_TEST(a_vm_in_auto_is_a_problem),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
