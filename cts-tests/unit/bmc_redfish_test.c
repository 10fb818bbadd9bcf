/* SPDX-License-Identifier: GPL-2.0-or-later */
/* agent/bmc/redfish_parse.h and redfish_log.h: what a Redfish BMC's JSON means, and that any JSON at all is
 * taken. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "agent/bmc/redfish_log.h"
#include "agent/bmc/redfish_parse.h"

/* Shaped as iLO 5 and iDRAC 9 answer, without what is not read. */
static const char thermal[] =
	"{'@odata.id':'/redfish/v1/Chassis/1/Thermal/','Fans':["
	"{'MemberId':'0','Name':'Fan "
	"1','Reading':9000,'ReadingUnits':'RPM','Status':{'Health':'OK','State':'Enabled'}},"
	"{'MemberId':'1','FanName':'Fan 2','Reading':0,'Status':{'Health':'Critical','State':'Enabled'}},"
	"{'MemberId':'2','Name':'Fan 3','Reading':8000,'Status':{'Health':'Warning','State':'Enabled'}},"
	"{'MemberId':'3','Name':'Fan 4','Reading':null,'Status':{'Health':'Critical','State':'Absent'}}],"
	"'Redundancy':[{'MemberId':'0','Name':'Fans','MinNumNeeded':2,'Status':{'Health':'Warning','State':'"
	"Enabled'}}],"
	"'Temperatures':["
	"{'Name':'01-Inlet','ReadingCelsius':22,'UpperThresholdCritical':42,'UpperThresholdFatal':47,"
	"'Status':{'Health':'OK','State':'Enabled'}},"
	"{'Name':'02-CPU 1','ReadingCelsius':82.5,'UpperThresholdNonCritical':80,'UpperThresholdCritical':90,"
	"'Status':{'Health':'OK','State':'Enabled'}},"
	"{'Name':'03-CPU 2','ReadingCelsius':90,'UpperThresholdNonCritical':80,'UpperThresholdCritical':90,"
	"'Status':{'Health':'OK','State':'Enabled'}},"
	"{'Name':'04-P1 DIMM','ReadingCelsius':70,'UpperThresholdCritical':null,"
	"'Status':{'Health':'Critical','State':'Enabled'}},"
	"{'Name':'05-none','ReadingCelsius':0,'UpperThresholdCritical':0,'Status':{'State':'Absent'}}]}";

static const char power[] =
	"{'PowerSupplies':["
	"{'MemberId':'0','Name':'HpeServerPowerSupply "
	"1','LineInputVoltage':230,'Status':{'Health':'OK','State':'Enabled'}},"
	"{'MemberId':'1','Name':'PSU "
	"2','LineInputVoltage':0,'Status':{'Health':'Critical','State':'Enabled'}},"
	"{'MemberId':'2','Name':'PSU 3','LineInputVoltage':229.5,'Status':{'Health':'Critical',"
	"'State':'UnavailableOffline'}},"
	"{'MemberId':'3','Name':'PSU 4','Status':{'Health':'Warning','State':'Enabled'}},"
	"{'MemberId':'4','Name':'PSU 5','Status':{'Health':'Critical','State':'Absent'}}],"
	"'Redundancy':[{'Name':'PowerSupply Redundancy Group "
	"1','Status':{'Health':'Critical','State':'Enabled'}}],"
	"'Voltages':[{'Name':'CPU1 VRM','Status':{'Health':'Critical','State':'Enabled'}},"
	"{'Name':'12V','Status':{'Health':'Warning','State':'Enabled'}}]}";

static const char entry[] =
	"{'@odata.id':'/redfish/v1/Managers/iDRAC.Embedded.1/LogServices/Sel/Entries/"
	"7','Created':'2024-03-01T10:00:00-06:00',"
	"'EntryCode':'Assert','EntryType':'SEL','Id':'7','Message':'Multi-bit memory errors detected on a "
	"memory device at "
	"location(s) "
	"DIMM_A1.','MessageId':'MEM0001','SensorNumber':2,'SensorType':'Memory','Severity':'Critical'}";

static const char subsystem[] =
	"{'Name':'CPU "
	"1','Reading':95,'ReadingUnits':'Cel','Status':{'State':'Enabled','Health':'OK'},'FanRedundancy':["
	"{'Status':{'Health':'Critical'}}],'PowerSupplyRedundancy':[{'Status':{'Health':'Warning'}}],'"
	"Thresholds':{"
	"'UpperCaution':{'Reading':80},'UpperCritical':{'Reading':90},'UpperFatal':{'Reading':null}},'"
	"SpeedPercent':{"
	"'Reading':40,'SpeedRPM':5000},'LineInputStatus':'LossOfInput','MemorySummary':{'Status':{'"
	"HealthRollup':'Warning'}},"
	"'ProcessorSummary':{'Status':{'Health':'Critical'}},'OverWritePolicy':'NeverOverWrites','"
	"MaxNumberOfRecords':10}";

static struct watch_look l;

static json_t *load(const char *quoted)
{
	static char text[8192];
	json_error_t error;
	json_t *j;

	snprintf(text, sizeof(text), "%s", quoted);
	for (char *c = text; *c; c++)
		*c = *c == '\'' ? '"' : *c;
	j = json_loads(text, 0, &error);
	if (!j)
		fail_msg("%s at %d", error.text, error.position);
	return j;
}

static int setup(void **state)
{
	memset(&l, 0, sizeof(l));
	return 0;
}

static void parse(const char *quoted, void (*how)(const json_t *j, struct watch_look *look))
{
	json_t *j = load(quoted);

	how(j, &l);
	json_decref(j);
}

static bool found(enum watch_kind kind, const char *sensor)
{
	for (unsigned int i = 0; i < l.nr_findings; i++) {
		if (l.finding[i].kind == kind && !strcmp(l.finding[i].sensor, sensor))
			return true;
	}
	return false;
}

static void heat_and_fans(void **state)
{
	parse(thermal, watch_redfish_thermal);
	assert_int_equal(l.nr_findings, 6);
	assert_true(found(WATCH_FAN_FAILED, "Fan 2"));
	assert_true(found(WATCH_FAN_WARNING, "Fan 3"));
	assert_true(found(WATCH_FAN_REDUNDANCY_LOST, "Fans"));
	assert_true(found(WATCH_TEMPERATURE_WARNING, "02-CPU 1"));
	assert_true(found(WATCH_TEMPERATURE_CRITICAL, "03-CPU 2"));
	assert_true(found(WATCH_TEMPERATURE_CRITICAL, "04-P1 DIMM"));
	assert_int_equal(l.fans, 3);
	assert_int_equal(l.fans_turning, 2);
}

static void power_supplies(void **state)
{
	parse(power, watch_redfish_power);
	assert_int_equal(l.nr_findings, 6);
	assert_true(found(WATCH_PSU_INPUT_LOST, "PSU 2"));
	assert_true(found(WATCH_PSU_FAILED, "PSU 3"));
	assert_true(found(WATCH_PSU_WARNING, "PSU 4"));
	assert_true(found(WATCH_PSU_REDUNDANCY_LOST, "PowerSupply Redundancy Group 1"));
	assert_true(found(WATCH_VRM_FAILED, "CPU1 VRM"));
	assert_true(found(WATCH_VOLTAGE_WARNING, "12V"));
}

static void the_newer_form(void **state)
{
	parse(subsystem, watch_redfish_temperature);
	assert_true(found(WATCH_TEMPERATURE_CRITICAL, "CPU 1"));
	parse(subsystem, watch_redfish_thermal_subsystem);
	assert_true(found(WATCH_FAN_REDUNDANCY_LOST, ""));
	parse(subsystem, watch_redfish_power_subsystem);
	assert_true(found(WATCH_PSU_REDUNDANCY_LOST, ""));
	parse(subsystem, watch_redfish_fan);
	assert_int_equal(l.fans_turning, 1);
	parse("{'Name':'PSU','LineInputStatus':'LossOfInput','Status':{'Health':'Critical'}}",
	      watch_redfish_psu);
	assert_true(found(WATCH_PSU_INPUT_LOST, "PSU"));
	parse(subsystem, watch_redfish_system);
	assert_true(found(WATCH_MEMORY_CORRECTABLE, "MemorySummary"));
	assert_true(found(WATCH_HARDWARE_FAILURE, "ProcessorSummary"));
}

static void a_log_is_full_when_it_says_so(void **state)
{
	json_t *service = load(subsystem),
	       *wraps = load("{'OverWritePolicy':'WrapsWhenFull','MaxNumberOfRecords':10}");

	assert_false(watch_redfish_log_full(service, 9));
	assert_true(watch_redfish_log_full(service, 10));
	assert_false(watch_redfish_log_full(wraps, 10));
	assert_false(watch_redfish_log_full(NULL, 10));
	json_decref(service);
	json_decref(wraps);
}

/* An entry with this message means that. */
static void says(const char *severity, const char *message, enum watch_kind kind)
{
	json_t *j = json_pack("{s:s, s:s}", "Severity", severity, "Message", message);

	setup(NULL);
	watch_redfish_entry(j, &l);
	json_decref(j);
	if (l.nr_findings != (kind != WATCH_NOTHING) || (l.nr_findings && l.finding[0].kind != kind))
		fail_msg("'%s' is %s, not %s", message,
			 watch_kind_name(l.nr_findings ? l.finding[0].kind : WATCH_NOTHING),
			 watch_kind_name(kind));
	if (l.nr_findings)
		assert_true(l.finding[0].logged);
}

static void entries_of_logs(void **state)
{
	says("Critical", "CPU 1 has an internal error (IERR).", WATCH_CPU_CATERR);
	says("Critical", "CPU 2 has a thermal trip (over-temperature) event.", WATCH_CPU_THERMAL_TRIP);
	says("Critical", "CPU 1 machine check error detected.", WATCH_MACHINE_CHECK);
	says("Critical", "Uncorrectable Machine Check Exception (Processor 1, APIC ID 0x0)",
	     WATCH_MACHINE_CHECK);
	says("Critical", "Uncorrectable Memory Error (Processor 1, DIMM 2)", WATCH_MEMORY_UNCORRECTABLE);
	says("Critical", "Multi-bit memory errors detected on a memory device", WATCH_MEMORY_UNCORRECTABLE);
	says("Warning", "Corrected Memory Error threshold exceeded (Processor 1, DIMM 2)",
	     WATCH_MEMORY_STORM);
	says("Warning", "Correctable memory error rate exceeded for DIMM_A1.", WATCH_MEMORY_STORM);
	says("Warning", "Correctable ECC, DIMM_A1", WATCH_MEMORY_CORRECTABLE);
	says("Critical", "Power supply redundancy is lost.", WATCH_PSU_REDUNDANCY_LOST);
	says("Critical", "The power input for power supply 1 is lost.", WATCH_PSU_INPUT_LOST);
	says("Critical", "Power supply 2 failed.", WATCH_PSU_FAILED);
	says("Warning", "Power supply 2 is operating at reduced power.", WATCH_PSU_WARNING);
	says("Critical", "Fan redundancy is lost.", WATCH_FAN_REDUNDANCY_LOST);
	says("Critical", "Fan 3 RPM is less than the lower critical threshold.", WATCH_FAN_FAILED);
	says("Warning", "The system inlet temperature is greater than the upper warning threshold.",
	     WATCH_TEMPERATURE_WARNING);
	says("Critical", "The system board VCORE voltage is outside of range.", WATCH_VOLTAGE_CRITICAL);
	says("Critical", "CPU 1 VRM failed", WATCH_VRM_FAILED);
	says("Critical", "The watchdog timer expired.", WATCH_WATCHDOG);
	says("Critical", "ASR Detected by System ROM", WATCH_WATCHDOG);
	says("Critical", "A bus fatal error was detected on a component at slot 3.", WATCH_BUS_FATAL);
	says("OK", "Power supply 2 failed.", WATCH_NOTHING);
	says("Critical", "The chassis is open.", WATCH_NOTHING);
}

static void what_is_over_is_no_entry(void **state)
{
	parse(entry, watch_redfish_entry);
	assert_true(found(WATCH_MEMORY_UNCORRECTABLE, "Memory"));
	setup(NULL);
	parse("{'Severity':'Critical','Message':'Power supply 2 failed.','EntryCode':'Deassert'}",
	      watch_redfish_entry);
	parse("{'Severity':null,'Message':'Power supply 2 failed.'}", watch_redfish_entry);
	parse("{'Severity':'Critical'}", watch_redfish_entry);
	assert_int_equal(l.nr_findings, 0);
}

/* ---- what is new ---- */

static struct watch_log *log_of;

static int log_setup(void **state)
{
	log_of = calloc(1, sizeof(*log_of));
	return log_of ? 0 : -1;
}

static int log_teardown(void **state)
{
	free(log_of);
	return 0;
}

/* An entry with this number and second. */
static bool is_new(int id, int second)
{
	char number[16], created[32];
	json_t *j;
	bool new;

	snprintf(number, sizeof(number), "%d", id);
	snprintf(created, sizeof(created), "2024-03-01T10:%02d:%02dZ", second / 60, second % 60);
	j = json_pack("{s:s, s:s, s:s}", "Id", number, "Created", created, "Message", "x");
	new = watch_log_new(log_of, j);
	json_decref(j);
	return new;
}

/* A round over entries first..last, each at the second of its number; how many are new. */
static int round_of(int first, int last, json_int_t count, bool tail)
{
	int n = 0;

	watch_log_begin(log_of, count, tail);
	for (int i = first; i <= last; i++)
		n += is_new(i, i);
	watch_log_end(log_of);
	return n;
}

static void what_was_logged_before_is_history(void **state)
{
	assert_int_equal(round_of(1, 10, 10, false), 0);
	assert_int_equal(round_of(1, 10, 10, false), 0);
	assert_int_equal(round_of(1, 12, 12, false), 2);
	assert_int_equal(round_of(1, 12, 12, false), 0);
}

static void numbers_that_are_used_again_are_new(void **state)
{
	round_of(1, 10, 10, false);
	watch_log_begin(log_of, 1, false);
	assert_true(is_new(1, 100));
	watch_log_end(log_of);
}

static void links_of_a_log_that_was_cleared_are_new(void **state)
{
	json_t *j = load("{'@odata.id':'/redfish/v1/Systems/1/LogServices/IML/Entries/1/'}");

	watch_log_begin(log_of, 2, false);
	assert_false(watch_log_new(log_of, j));
	watch_log_end(log_of);
	watch_log_begin(log_of, 2, false);
	assert_false(watch_log_new(log_of, j));
	watch_log_begin(log_of, 1, false);
	assert_true(watch_log_new(log_of, j));
	json_decref(j);
}

static void an_entry_that_was_deleted_makes_no_other_new(void **state)
{
	round_of(1, 10, 10, false);
	assert_int_equal(round_of(2, 10, 9, false), 0);
	assert_int_equal(round_of(2, 11, 10, false), 1);
}

static void at_the_end_of_a_long_log_time_decides(void **state)
{
	round_of(51, 100, 100, true);
	assert_int_equal(round_of(53, 102, 102, true), 2);
	/* it is as long as before, but older ones come into sight */
	assert_int_equal(round_of(48, 102, 102, true), 0);
	/* some were deleted */
	assert_int_equal(round_of(40, 102, 90, true), 0);
	assert_int_equal(round_of(41, 103, 91, true), 1);
}

static void what_has_no_time_is_known_by_the_rest(void **state)
{
	json_t *j = json_pack("{s:s, s:s}", "Id", "5", "Message", "x");

	round_of(1, 2, 2, false);
	watch_log_begin(log_of, 3, false);
	assert_true(watch_log_new(log_of, j));
	assert_false(watch_log_new(log_of, j));
	json_decref(j);
}

static void what_could_not_be_read_stays_new(void **state)
{
	round_of(1, 2, 2, false);
	watch_log_begin(log_of, 3, false);
	assert_true(is_new(3, 3));
	watch_log_unsee(log_of);
	watch_log_end(log_of);
	assert_int_equal(round_of(1, 3, 3, false), 1);
}

static void an_entry_that_was_changed_is_new(void **state)
{
	json_t *j =
		json_pack("{s:s, s:s, s:s}", "Id", "1", "Message", "x", "Modified", "2024-03-01T10:00:00Z");

	watch_log_begin(log_of, 1, false);
	watch_log_new(log_of, j);
	watch_log_end(log_of);
	json_object_set_new(j, "Modified", json_string("2024-03-01T10:00:09Z"));
	watch_log_begin(log_of, 1, false);
	assert_true(watch_log_new(log_of, j));
	json_decref(j);
}

static void a_page_tells_count_and_order(void **state)
{
	json_t *up = load("{'Members@odata.count':70,'Members':[{'Created':'2024-01-01'},{},{'Created':'2024-"
			  "01-02'}]}"),
	       *down = load("{'Members@odata.count':-1,'Members':[{'Created':'2024-01-02'},{'Created':'2024-"
			    "01-01'}]}"),
	       *flat = load("{'Members':[{'@odata.id':'/1'},{'@odata.id':'/2'}]}");

	assert_true(watch_log_order(up) < 0);
	assert_true(watch_log_order(down) > 0);
	assert_int_equal(watch_log_order(flat), 0);
	assert_int_equal(watch_log_order(NULL), 0);
	assert_int_equal(watch_log_count(up), 70);
	assert_int_equal(watch_log_count(down), 2);
	assert_int_equal(watch_log_count(flat), 2);
	assert_int_equal(watch_log_count(NULL), 0);
	json_decref(up);
	json_decref(down);
	json_decref(flat);
}

/* ---- anything at all ---- */

static void take(const json_t *j)
{
	setup(NULL);
	watch_redfish_thermal(j, &l);
	watch_redfish_power(j, &l);
	watch_redfish_thermal_subsystem(j, &l);
	watch_redfish_power_subsystem(j, &l);
	watch_redfish_fan(j, &l);
	watch_redfish_psu(j, &l);
	watch_redfish_temperature(j, &l);
	watch_redfish_system(j, &l);
	watch_redfish_entry(j, &l);
	watch_redfish_log_full(j, 5);
	watch_log_order(j);
	assert_true(watch_log_count(j) >= 0);
	watch_log_new(log_of, j);
	assert_true(l.nr_findings <= WATCH_FINDINGS);
	for (unsigned int i = 0; i < l.nr_findings; i++) {
		for (const char *c = l.finding[i].text; *c; c++)
			assert_in_range(*c, 0x20, 0x7e);
	}
}

static json_t *some_value(void)
{
	switch (random() % 8) {
	case 0:
		return json_null();
	case 1:
		return json_integer((json_int_t)random() << (random() % 32));
	case 2:
		return json_real((double)random() * -1e300);
	case 3:
		return json_string(random() % 2 ? "Critical" : "\xc3\xa4\n\x01");
	case 4:
		return json_array();
	case 5:
		return json_pack("[{s:{s:s}}, n, i]", "Status", "Health", "Critical", 3);
	case 6:
		return json_pack("{s:{s:s}, s:s}", "Status", "Health", "Warning", "@odata.id", "//x");
	default:
		return json_true();
	}
}

/* Replaces values of the tree by others, each with a chance of one in twelve. */
static void spoil(json_t *j)
{
	const char *key;
	json_t *v;
	void *at;

	for (size_t i = 0; i < json_array_size(j); i++) {
		if (random() % 12)
			spoil(json_array_get(j, i));
		else
			json_array_set_new(j, i, some_value());
	}
	for (at = json_object_iter(j); at; at = json_object_iter_next(j, at)) {
		key = json_object_iter_key(at);
		v = json_object_get(j, key);
		if (random() % 12)
			spoil(v);
		else
			json_object_iter_set_new(j, at, some_value());
	}
}

static void values_of_every_kind_are_taken(void **state)
{
	static const char *const all[] = { thermal, power, entry, subsystem };

	take(NULL);
	srandom(1);
	for (int n = 0; n < 4000; n++) {
		json_t *j = load(all[n % 4]);

		spoil(j);
		take(j);
		json_decref(j);
	}
}

/* Bytes changed, as they come over the network: most is no JSON any more, the rest is something else. */
static void bytes_of_every_kind_are_taken(void **state)
{
	static const char *const all[] = { thermal, power, entry, subsystem };
	unsigned int parsed = 0;
	char text[4096];

	srandom(2);
	for (int n = 0; n < 40000; n++) {
		size_t len = (size_t)snprintf(text, sizeof(text), "%s", all[n % 4]);
		json_t *j;

		for (size_t i = 0; i < len; i++)
			text[i] = text[i] == '\'' ? '"' : text[i];
		for (int i = (int)(random() % 3); i >= 0; i--)
			text[(size_t)random() % len] =
				random() % 2 ? text[(size_t)random() % len] : (char)random();
		j = json_loadb(text, len, 0, NULL);
		if (!j)
			continue;
		parsed++;
		take(j);
		json_decref(j);
	}
	assert_true(parsed > 1000);
}

static void a_list_without_end_is_cut(void **state)
{
	json_t *j = json_object(), *list = json_array();

	for (int i = 0; i < 100000; i++)
		json_array_append_new(list, json_pack("{s:o, s:{s:s}}", "Name", json_sprintf("%d", i),
						      "Status", "Health", "Critical"));
	json_object_set_new(j, "Fans", list);
	take(j);
	assert_int_equal(l.nr_findings, WATCH_FINDINGS);
	json_decref(j);
}

#define T(name) cmocka_unit_test_setup(name, setup)
#define L(name) cmocka_unit_test_setup_teardown(name, log_setup, log_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(heat_and_fans),
		T(power_supplies),
		T(the_newer_form),
		T(a_log_is_full_when_it_says_so),
		T(a_page_tells_count_and_order),
		T(entries_of_logs),
		T(what_is_over_is_no_entry),
		L(what_was_logged_before_is_history),
		L(numbers_that_are_used_again_are_new),
		L(links_of_a_log_that_was_cleared_are_new),
		L(an_entry_that_was_deleted_makes_no_other_new),
		L(at_the_end_of_a_long_log_time_decides),
		L(what_has_no_time_is_known_by_the_rest),
		L(what_could_not_be_read_stays_new),
		L(an_entry_that_was_changed_is_new),
		L(values_of_every_kind_are_taken),
		L(bytes_of_every_kind_are_taken),
		L(a_list_without_end_is_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
