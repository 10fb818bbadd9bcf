/* SPDX-License-Identifier: GPL-2.0-only */
/* Whether a fencing by the cluster's devices proves a host off. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <uuid/uuid.h>

#include "agent/daemon/device.h"
#include "agent/daemon/fencer_int.h"

#define HEAD "<cib><configuration><crm_config/><resources>"
#define DEVICE(id, agent, params)                                                                            \
	"<primitive id='" id "' class='stonith' type='" agent "'><instance_attributes id='i-" id "'>" params \
	"</instance_attributes></primitive>"
#define PARAM(name, value) "<nvpair id='n' name='" name "' value='" value "'/>"
#define FOR(host) PARAM("pcmk_host_list", host)
#define LEVELS "</resources><fencing-topology>"
#define LEVEL(attributes, devices) "<fencing-level id='l' index='1' " attributes " devices='" devices "'/>"
#define TAIL "</fencing-topology></configuration><status/></cib>"

#define BMC DEVICE("bmc-xa", "fence_kemari", FOR("xa"))
#define PDU DEVICE("pdu-xa", "fence_apc_snmp", PARAM("pcmk_host_map", "xb:1;xa:2"))
#define KDUMP DEVICE("kdump", "fence_kdump", FOR("xa"))

#define LONG                                                                                                 \
	"a-name-of-more-than-eighty-characters-is-a-name-all-the-same-and-it-is-compared-as-a-whole-and-"    \
	"not-"                                                                                               \
	"cut"
#define BY_TEMPLATE(id, agent) "<template id='" id "' class='stonith' type='" agent "'/>"
#define FROM_TEMPLATE(id)                                                                                    \
	"<primitive id='t' template='" id                                                                    \
	"'><instance_attributes id='i-t'>" FOR("xa") "</instance_attributes></primitive>"
#define SET(attributes, inner)                                                                               \
	"<primitive id='s' class='stonith' type='fence_kemari'><instance_attributes id='i-s'>" FOR(          \
		"xb") "</instance_attributes><instance_attributes id='i-t' " attributes ">" inner            \
		      "</instance_attributes></primitive>"

static struct devices devices;
static struct device_identity nobody = { .watched = true };
static char why[DEVICE_WHY];

static bool proves(const char *cib, const char *believed)
{
	bool proven;

	snprintf(why, sizeof(why), "what was here before");
	assert_true(devices_read(cib, strlen(cib), &devices));
	proven = devices_prove(&devices, "xa", &nobody, believed, why);
	assert_int_equal(!why[0], proven);
	return proven;
}

static void assert_no_proof(const char *cib, const char *reason)
{
	assert_false(proves(cib, ""));
	if (!strstr(why, reason))
		fail_msg("'%s' instead of '%s'", why, reason);
}

static void devices_that_read_the_power_prove(void **state)
{
	assert_true(proves(HEAD BMC LEVELS TAIL, ""));
	assert_true(proves(HEAD BMC PDU LEVELS TAIL, ""));
	assert_true(proves(
		HEAD BMC PDU LEVELS LEVEL("target='xa'", "bmc-xa") LEVEL("target='xa'", "pdu-xa") TAIL, ""));
	assert_true(proves(HEAD DEVICE("all", "fence_ipmilan", "") LEVELS TAIL, ""));
}

static void any_device_that_may_have_done_it_must_confirm(void **state)
{
	assert_no_proof(HEAD BMC KDUMP LEVELS TAIL, "kdump (fence_kdump): it says that");
	assert_no_proof(HEAD BMC DEVICE("asked", "fence_kdump", "") LEVELS TAIL, "asked (fence_kdump)");
	assert_no_proof(HEAD BMC DEVICE("any", "null", FOR("xb") PARAM("pcmk_host_check", "none"))
				LEVELS TAIL,
			"any (null)");
	assert_no_proof(HEAD BMC DEVICE("dyn", "fence_dummy",
					FOR("xb") PARAM("pcmk_host_check", "dynamic-list")) LEVELS TAIL,
			"dyn (fence_dummy)");
	/* another host's, and one that is switched off */
	assert_true(proves(HEAD BMC DEVICE("kdump", "fence_kdump", FOR("xb")) LEVELS TAIL, ""));
	assert_true(proves(HEAD BMC
			   "<primitive id='k' class='stonith' type='fence_kdump'><meta_attributes id='m'>"
			   "<nvpair id='r' name='target-role' value='Stopped'/></meta_attributes>"
			   "</primitive>" LEVELS TAIL,
			   ""));
}

#define MAPPED(map) (HEAD BMC DEVICE("m", "fence_kdump", PARAM("pcmk_host_map", map)) LEVELS TAIL)
#define LISTED(list) (HEAD BMC DEVICE("m", "fence_kdump", FOR(list)) LEVELS TAIL)
#define CHECKED(check)                                                                                       \
	(HEAD BMC DEVICE("m", "fence_kdump", FOR("xb") PARAM("pcmk_host_check", check)) LEVELS TAIL)

/* Whom a device is for is read as Pacemaker reads it. */
static void a_map_may_have_equal_signs(void **state)
{
	assert_no_proof(MAPPED("xa=1"), "m (fence_kdump)");
	assert_no_proof(MAPPED("xb:2;xa=1"), "m (fence_kdump)");
	assert_no_proof(MAPPED("xb:2\txa:1"), "m (fence_kdump)");
	/* an outlet of that name */
	assert_no_proof(MAPPED("xb:xa"), "m (fence_kdump)");
	assert_no_proof(MAPPED("x\\a:1"), "m (fence_kdump)");
	assert_true(proves(MAPPED("xb=1;xab=2"), ""));
	/* it is enough for a device that confirms, too */
	assert_true(
		proves(HEAD DEVICE("p", "fence_apc_snmp", PARAM("pcmk_host_map", "xa=1")) LEVELS TAIL, ""));
}

static void hosts_are_the_same_in_any_letters(void **state)
{
	assert_no_proof(LISTED("XA"), "m (fence_kdump)");
	assert_no_proof(LISTED("xb,Xa"), "m (fence_kdump)");
	assert_no_proof(LISTED("xb xa#1"), "m (fence_kdump)");
	assert_no_proof(LISTED("xb\\nxa"), "m (fence_kdump)");
	assert_no_proof(MAPPED("XA:1"), "m (fence_kdump)");
	assert_no_proof(CHECKED("None"), "m (fence_kdump)");
	assert_no_proof(CHECKED("DYNAMIC-LIST"), "m (fence_kdump)");
	assert_no_proof(CHECKED("Status"), "m (fence_kdump)");
	assert_true(proves(LISTED("xab,x"), ""));
	assert_true(proves(CHECKED("Static-List"), ""));
	assert_true(proves(HEAD DEVICE("b", "fence_kemari", FOR("XA")) LEVELS TAIL, ""));
}

static void a_level_may_name_its_host_in_other_letters(void **state)
{
	assert_no_proof(HEAD BMC KDUMP LEVELS LEVEL("target='XA'", "kdump") TAIL, "kdump (fence_kdump)");
	assert_no_proof(HEAD BMC KDUMP LEVELS LEVEL("target='XA'", "kdump")
				LEVEL("target-pattern='x.'", "bmc-xa") TAIL,
			"kdump (fence_kdump)");
	assert_true(proves(
		HEAD BMC KDUMP LEVELS LEVEL("target='XA'", "kdump") LEVEL("target='xa'", "bmc-xa") TAIL, ""));
}

static void no_device_is_no_proof(void **state)
{
	assert_no_proof(HEAD LEVELS TAIL, "no device");
	assert_no_proof(HEAD DEVICE("bmc-xb", "fence_kemari", FOR("xb")) LEVELS TAIL, "no device");
}

static void each_level_must_confirm(void **state)
{
	assert_no_proof(HEAD KDUMP BMC LEVELS LEVEL("target='xa'", "kdump") LEVEL("target='xa'", "bmc-xa")
				TAIL,
			"kdump (fence_kdump)");
	assert_no_proof(HEAD KDUMP BMC LEVELS LEVEL("target-pattern='x.'", "bmc-xa")
				LEVEL("target-attribute='a' target-value='v'", "kdump") TAIL,
			"kdump (fence_kdump)");
	assert_no_proof(HEAD BMC LEVELS LEVEL("target='xa'", "gone") TAIL, "level of gone");
	/* within a level all must succeed: one that confirms is enough */
	assert_true(proves(HEAD KDUMP BMC LEVELS LEVEL("target='xa'", "kdump,bmc-xa") TAIL, ""));
	/* a level for the name hides one for a pattern, another host's is of no interest, nor a device in
	 * none */
	assert_true(proves(HEAD KDUMP BMC LEVELS LEVEL("target='xa'", "bmc-xa")
				   LEVEL("target-pattern='x.'", "kdump") LEVEL("target='xb'", "kdump") TAIL,
			   ""));
}

static void an_agent_is_known_or_believed(void **state)
{
	static const char acme[] = HEAD BMC DEVICE("acme", "fence_acme", FOR("xa")) LEVELS TAIL;
	static const char sbd[] = HEAD BMC DEVICE("sbd", "fence_sbd", FOR("xa")) LEVELS TAIL;
	static const char kdump[] = HEAD BMC KDUMP LEVELS TAIL;

	assert_no_proof(acme, "acme (fence_acme): nothing is known");
	assert_no_proof(sbd, "sbd (fence_sbd): the host's watchdog is believed");
	assert_true(proves(acme, "fence_sbd fence_acme"));
	assert_true(proves(sbd, "fence_sbd, fence_acme"));
	assert_false(proves(acme, "fence_acm fence_acme2 fence_acme:1"));
	/* of some it is known better */
	assert_false(proves(kdump, "fence_kdump"));
}

static void a_misused_device_proves_nothing(void **state)
{
	assert_no_proof(HEAD DEVICE("b", "fence_ipmilan", FOR("xa") PARAM("method", "cycle")) LEVELS TAIL,
			"method=cycle");
	assert_no_proof(HEAD DEVICE("b", "fence_ipmilan", FOR("xa") PARAM("pcmk_off_action", "monitor"))
				LEVELS TAIL,
			"pcmk_off_action");
	assert_no_proof(HEAD DEVICE("b", "fence_ipmilan", FOR("xa") PARAM("pcmk_reboot_action", "on"))
				LEVELS TAIL,
			"pcmk_reboot_action");
	assert_no_proof(HEAD DEVICE("b", "fence_ipmilan", FOR("xa") PARAM("action", "status")) LEVELS TAIL,
			"pcmk_off_action");
	assert_no_proof(HEAD DEVICE("b", "fence_ipmilan",
				    FOR("xa") PARAM("action", "on") PARAM("pcmk_off_action", "off"))
				LEVELS TAIL,
			"pcmk_reboot_action");
	assert_true(proves(HEAD DEVICE("b", "fence_ipmilan", FOR("xa") PARAM("action", "reboot")) LEVELS TAIL,
			   ""));
	assert_true(proves(HEAD DEVICE("b", "fence_ipmilan", FOR("xa") PARAM("pcmk_reboot_action", "off"))
				   LEVELS TAIL,
			   ""));
}

static void an_outlet_by_number_proves_nothing_over_newer_snmp(void **state)
{
#define OUTLET(agent, plug, snmp)                                                                            \
	(HEAD DEVICE("p", agent, FOR("xa") PARAM("plug", plug) PARAM("snmp_version", snmp)) LEVELS TAIL)
	assert_no_proof(OUTLET("fence_apc_snmp", "7", "2c"), "its outlet is a number");
	assert_no_proof(OUTLET("fence_apc_snmp", "1:7", "3"), "its outlet is a number");
	assert_true(proves(OUTLET("fence_apc_snmp", "xa", "3"), ""));
	assert_true(proves(OUTLET("fence_apc_snmp", "7", "1"), "")); /* SNMP 1 says that there is none */
	assert_true(proves(OUTLET("fence_apc", "7", "2c"), ""));     /* by telnet and ssh */
}

static void waiting_for_a_watchdog_proves_nothing(void **state)
{
	static const char cib[] = "<cib><configuration><crm_config><cluster_property_set id='c'>" PARAM(
		"stonith-watchdog-timeout",
		"10s") "</cluster_property_set></crm_config><resources>" BMC LEVELS TAIL;
	static const char none[] = "<cib><configuration><crm_config><cluster_property_set id='c'>" PARAM(
		"stonith-watchdog-timeout",
		"0s") "</cluster_property_set></crm_config><resources>" BMC LEVELS TAIL;
	static const char alone[] = "<configuration><crm_config><cluster_property_set id='c'>" PARAM(
		"stonith-watchdog-timeout", "10s") "</cluster_property_set></crm_config><resources>" BMC
						   "</resources></configuration>";

	assert_no_proof(cib, "stonith-watchdog-timeout");
	assert_no_proof(alone, "stonith-watchdog-timeout");
	assert_true(proves(none, ""));
	assert_true(proves(cib, "fence_watchdog"));
}

/* A restart doubts what was done by other devices: for any change of these, and for no other. */
static void the_sum_is_of_what_a_fencing_is_worth(void **state)
{
	static const char *const others[] = {
		HEAD LEVELS TAIL,
		HEAD BMC KDUMP LEVELS TAIL,
		HEAD DEVICE("bmc-xa", "fence_kemari", FOR("xb")) LEVELS TAIL,
		HEAD DEVICE("bmc-xa", "fence_ipmilan", FOR("xa")) LEVELS TAIL,
		HEAD DEVICE("bmc-xa", "fence_kemari", FOR("xa") PARAM("method", "cycle")) LEVELS TAIL,
		HEAD BMC FROM_TEMPLATE("gone") LEVELS TAIL,
		HEAD BMC LEVELS LEVEL("target='xa'", "bmc-xa") TAIL,
		HEAD BMC LEVELS LEVEL("target-pattern='xa'", "bmc-xa") TAIL,
		HEAD BMC LEVELS LEVEL("target='xa'", "bmc-xa,pdu") TAIL,
		"<cib><configuration><crm_config><cluster_property_set id='c'>" PARAM(
			"stonith-watchdog-timeout",
			"10s") "</cluster_property_set></crm_config><resources>" BMC LEVELS TAIL,
	};
	static const char *const same[] = {
		HEAD BMC LEVELS TAIL,
		HEAD BMC "<primitive id='g1' class='ocf' provider='kemari' type='vm'/>" LEVELS TAIL,
		HEAD DEVICE("bmc-xa", "fence_kemari", FOR("xa") PARAM("delay", "5s")) LEVELS TAIL,
	};
	uint64_t sum, before = 0;
	size_t i;

	assert_true(devices_read(same[0], strlen(same[0]), &devices));
	sum = devices_sum(&devices);
	for (i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		assert_true(devices_read(others[i], strlen(others[i]), &devices));
		assert_int_not_equal(devices_sum(&devices), sum);
		assert_int_not_equal(devices_sum(&devices), before);
		before = devices_sum(&devices);
	}
	for (i = 0; i < sizeof(same) / sizeof(same[0]); i++) {
		assert_true(devices_read(same[i], strlen(same[i]), &devices));
		assert_int_equal(devices_sum(&devices), sum);
	}
}

static void a_template_is_found_whatever_its_name(void **state)
{
	assert_no_proof(HEAD BMC BY_TEMPLATE("ger\xc3\xa4t", "fence_kdump") FROM_TEMPLATE("ger\xc3\xa4t")
				LEVELS TAIL,
			"t (fence_kdump)");
	assert_no_proof(HEAD BMC BY_TEMPLATE(LONG, "fence_kdump") BY_TEMPLATE(LONG "2", "fence_kemari")
				FROM_TEMPLATE(LONG) LEVELS TAIL,
			"t (fence_kdump)");
	assert_true(proves(HEAD BY_TEMPLATE("b c", "fence_kemari") FROM_TEMPLATE("b c") LEVELS TAIL, ""));
}

static void what_is_not_read_proves_nothing(void **state)
{
	assert_no_proof(HEAD BMC FROM_TEMPLATE("gone") LEVELS TAIL, "in a way that is not read");
	assert_no_proof(HEAD BMC SET("id-ref='i-bmc-xa'", "") LEVELS TAIL, "in a way that is not read");
	assert_no_proof(HEAD BMC SET("", "<nvpair id-ref='n'/>") LEVELS TAIL, "in a way that is not read");
	assert_no_proof(HEAD BMC SET("", "<rule id='r'/>") LEVELS TAIL, "in a way that is not read");
	assert_no_proof(HEAD BMC SET("score='5'", "") LEVELS TAIL, "in a way that is not read");
	assert_no_proof(HEAD BMC LEVELS LEVEL("target-pattern='" LONG "'", "bmc-xa") TAIL,
			"in a way that is not read");
	assert_true(proves(HEAD BMC SET("", "") LEVELS TAIL, ""));
	/* what is no fencing device may be as it likes */
	assert_true(proves(HEAD BMC "<primitive id='g1' class='ocf' type='vm'><instance_attributes id='i' "
				    "id-ref='j'/></primitive>" LEVELS TAIL,
			   ""));
}

static void what_was_cut_is_not_known(void **state)
{
	static struct devices d;
	unsigned int i;

	d.nr = 2;
	snprintf(d.device[0].id, DEVICE_NAME, "bmc");
	snprintf(d.device[0].agent, DEVICE_NAME, "fence_kemari");
	snprintf(d.device[0].host_list, DEVICE_LIST, "xa");
	snprintf(d.device[1].id, DEVICE_NAME, "k");
	snprintf(d.device[1].agent, DEVICE_NAME, "fence_kdump");
	for (i = 0; i < DEVICE_LIST - 1; i++)
		d.device[1].host_list[i] = i % 2 ? ' ' : 'h';
	assert_false(devices_prove(&d, "xa", &nobody, "", why));
	d.nr = 1;
	assert_true(devices_prove(&d, "xa", &nobody, "", why));
	d.more = true;
	assert_false(devices_prove(&d, "xa", &nobody, "", why));
}

static void a_device_for_another_machine_proves_nothing(void **state)
{
	static const char own[] =
		HEAD DEVICE("bmc-xa", "fence_kemari",
			    FOR("xa") PARAM("system_uuid", "4c4c4544-0042-3510-8051-b7c04f4d3332"))
			LEVELS TAIL;
	struct device_identity who = { 0 };

	assert_true(devices_read(own, strlen(own), &devices));
	assert_true(devices_prove(&devices, "xa", &who, "", why)); /* not known */
	assert_int_equal(uuid_parse("4c4c4544-0042-3510-8051-b7c04f4d3332", who.told), 0);
	assert_true(devices_prove(&devices, "xa", &who, "", why));
	/* as a BMC may have it, in another order; and fence_kemari looks itself */
	assert_int_equal(uuid_parse("44454c4c-4200-1035-8051-b7c04f4d3332", who.told), 0);
	assert_true(devices_prove(&devices, "xa", &who, "", why));
	memset(who.bmc, 1, sizeof(who.bmc));
	assert_true(devices_prove(&devices, "xa", &who, "", why));
	assert_int_equal(uuid_parse("4c4c4544-0042-3510-8051-b7c04f4d3333", who.told), 0);
	assert_true(device_is_anothers(&devices.device[0], &who));
	assert_false(devices_prove(&devices, "xa", &who, "", why));
	assert_non_null(strstr(why, "bmc-xa (fence_kemari): its system_uuid"));
}

static void a_watched_bmc_tells_whether_its_device_is_the_hosts(void **state)
{
	static const char bmc[] = HEAD DEVICE("bmc-xa", "fence_ipmilan", FOR("xa")) LEVELS TAIL;
	static const char outlet[] = HEAD PDU LEVELS TAIL;
	struct device_identity who = { .told = { 1 }, .watched = true, .bmc = { 1 } };

	assert_true(devices_read(bmc, strlen(bmc), &devices));
	assert_true(devices_prove(&devices, "xa", &who, "", why));
	who.bmc[0] = 2;
	assert_false(devices_prove(&devices, "xa", &who, "", why));
	assert_non_null(strstr(why, "no system_uuid"));
	who.bmc[0] = 0;
	assert_true(devices_prove(&devices, "xa", &who, "", why));
	who.watched = false;
	assert_false(devices_prove(&devices, "xa", &who, "", why));
	assert_non_null(strstr(why, "no BMC is watched"));
	/* outlets have nothing to do with it */
	who.bmc[0] = 2;
	assert_true(devices_read(outlet, strlen(outlet), &devices));
	assert_true(devices_prove(&devices, "xa", &who, "", why));
}

static void the_configuration_is_read_when_it_is_another_one(void **state)
{
	static const char cib[] = HEAD BMC LEVELS TAIL, other[] = HEAD BMC KDUMP LEVELS TAIL;
	uint64_t sum = 0, first;

	assert_true(fencer_devices_take(cib, strlen(cib), &devices, &sum));
	assert_int_equal(devices.nr, 1);
	first = sum;
	devices.nr = 7;
	assert_true(fencer_devices_take(cib, strlen(cib), &devices, &sum));
	assert_int_equal(devices.nr, 7);
	assert_true(fencer_devices_take(other, strlen(other), &devices, &sum));
	assert_int_equal(devices.nr, 2);
	assert_int_not_equal(sum, first);
	assert_false(fencer_devices_take("what?", 5, &devices, &sum));
	assert_int_equal(sum, 0);
}

static void what_is_no_configuration_is_refused(void **state)
{
	static const char *const texts[] = { "", "x", "<cib", "<status/>" };
	size_t i;

	for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		assert_false(devices_read(texts[i], strlen(texts[i]), &devices));
	assert_int_equal(devices.nr, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(devices_that_read_the_power_prove),
		cmocka_unit_test(any_device_that_may_have_done_it_must_confirm),
		cmocka_unit_test(a_map_may_have_equal_signs),
		cmocka_unit_test(hosts_are_the_same_in_any_letters),
		cmocka_unit_test(a_level_may_name_its_host_in_other_letters),
		cmocka_unit_test(no_device_is_no_proof),
		cmocka_unit_test(each_level_must_confirm),
		cmocka_unit_test(an_agent_is_known_or_believed),
		cmocka_unit_test(a_misused_device_proves_nothing),
		cmocka_unit_test(an_outlet_by_number_proves_nothing_over_newer_snmp),
		cmocka_unit_test(waiting_for_a_watchdog_proves_nothing),
		cmocka_unit_test(the_sum_is_of_what_a_fencing_is_worth),
		cmocka_unit_test(a_template_is_found_whatever_its_name),
		cmocka_unit_test(what_is_not_read_proves_nothing),
		cmocka_unit_test(what_was_cut_is_not_known),
		cmocka_unit_test(a_device_for_another_machine_proves_nothing),
		cmocka_unit_test(a_watched_bmc_tells_whether_its_device_is_the_hosts),
		cmocka_unit_test(the_configuration_is_read_when_it_is_another_one),
		cmocka_unit_test(what_is_no_configuration_is_refused),
	};

	return cmocka_run_group_tests_name("agent_device", tests, NULL, NULL);
}
