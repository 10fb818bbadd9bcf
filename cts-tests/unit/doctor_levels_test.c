/* SPDX-License-Identifier: GPL-2.0-only */
/* kemari doctor: levels of fencing that do not prove what they seem to, or come too late. */
#include "doctor_bed.h"

#include "agent/doctor/gather.h"

static void again(struct bed *b)
{
	memset(&b->l, 0, sizeof(b->l));
}

static void one(struct bed *b, enum finding_level level, const char *check, const char *found,
		const char *fix)
{
	again(b);
	check_levels(&b->f, &b->l);
	assert_one(&b->l, level, check, found, fix);
}

static void nothing(struct bed *b)
{
	again(b);
	check_levels(&b->f, &b->l);
	assert_int_equal(b->l.nr, 0);
}

/* xa has a second supply. */
static void second_outlet(struct bed *b)
{
	device(&b->f.cib, "pdu2-xa", "fence_apc_snmp", "xa");
}

static void two_levels_as_the_document_has_them_are_well(void **state)
{
	struct bed *b = *state;

	nothing(b);
	second_outlet(b);
	SET(b->f.cib.fencing.level[1].devices, "pdu-xa,pdu2-xa");
	nothing(b);
	b->f.cib.source.seen = false;
	SET(b->f.cib.fencing.level[1].devices, "nothing-there");
	nothing(b);
}

static void all_outlets_of_a_host_are_in_one_level(void **state)
{
	struct bed *b = *state;

	second_outlet(b); /* in none */
	one(b, FINDING_PROBLEM, "fencing-level", "xa has 2 outlets", "outlets of xa into one level");
	level(&b->f.cib, "xa", "pdu2-xa"); /* in one of its own */
	one(b, FINDING_PROBLEM, "fencing-level", "xa has 2 outlets", "outlets of xa into one level");
	b->f.cib.fencing.nr_levels = 0; /* each is tried */
	one(b, FINDING_PROBLEM, "fencing-level", "xa has 2 outlets", "outlets of xa into one level");
	SET(b->f.cib.fencing.device[4].agent, "fence_eaton_ssh"); /* of another make */
	one(b, FINDING_PROBLEM, "fencing-level", "xa has 2 outlets", "outlets of xa into one level");
	SET(b->f.cib.fencing.device[4].agent, "fence_ipmilan"); /* no outlet */
	nothing(b);
}

static void outlets_are_counted_in_the_levels_that_are_tried(void **state)
{
	struct bed *b = *state;

	second_outlet(b);
	SET(b->f.cib.fencing.level[1].devices, "pdu-xa,pdu2-xa");
	level(&b->f.cib, "", "pdu2-xa"); /* hidden by those for the name */
	SET(b->f.cib.fencing.level[4].pattern, "^x");
	nothing(b);
}

static void a_level_needs_all_its_devices(void **state)
{
	struct bed *b = *state;

	SET(b->f.cib.fencing.level[1].devices, "pdu-xa,pdu2-xa");
	one(b, FINDING_PROBLEM, "fencing-level", "no device pdu2-xa that is on", "add pdu2-xa");
	SET(b->f.cib.fencing.level[1].devices, "pdu-x");
	one(b, FINDING_PROBLEM, "fencing-level", "no device pdu-x that is on", "add pdu-x");
	SET(b->f.cib.fencing.level[1].devices, "pdu-xa");
	b->f.cib.fencing.device[2].stopped = true;
	one(b, FINDING_PROBLEM, "fencing-level", "no device pdu-xa that is on", "add pdu-xa");
}

static void fence_kemari_has_its_time(void **state)
{
	struct bed *b = *state;
	struct device *d = &b->f.cib.fencing.device[0];

	SET(d->own_delay, "28"); /* + 20 + 12 */
	nothing(b);
	SET(d->own_delay, "29");
	one(b, FINDING_WARNING, "fencing-time", "bmc-xa may need 61 s", "pcmk_off_timeout=61s for bmc-xa");
	SET(b->f.cib.stonith_timeout, "2min");
	nothing(b);
	SET(d->off_timeout, "60500ms");
	one(b, FINDING_WARNING, "fencing-time", "ends it after 60 s", "pcmk_off_timeout=61s");
	SET(d->power_timeout, "10s");
	nothing(b);
	SET(d->login_timeout, "11");
	one(b, FINDING_WARNING, "fencing-time", "bmc-xa may need 63 s", "pcmk_off_timeout=63s");
	SET(d->off_timeout, "soon"); /* what is not understood is not judged */
	nothing(b);
	SET(d->off_timeout, "5");
	SET(d->agent, "fence_ipmilan");
	nothing(b);
}

static void the_next_level_does_not_wait_for_a_second_try(void **state)
{
	struct bed *b = *state;
	struct device *d = &b->f.cib.fencing.device[0];

	SET(d->off_retries, "");
	one(b, FINDING_WARNING, "fencing-time", "bmc-xa is called two times",
	    "pcmk_off_retries=1 for bmc-xa");
	SET(d->off_retries, "3");
	one(b, FINDING_WARNING, "fencing-time", "bmc-xa is called 3 times", "pcmk_off_retries=1 for bmc-xa");
	b->f.cib.fencing.nr_levels = 1; /* without a next one nobody waits */
	nothing(b);
	b->f.cib.fencing.nr_levels = 0;
	nothing(b);
}

/* What the checks look at is found where Pacemaker keeps it. */
static void the_parameters_are_read(void **state)
{
	struct bed *b = *state;
	static const char cib[] =
		"<cib><configuration><crm_config><cluster_property_set id='p'>"
		"<nvpair id='t' name='stonith-timeout' "
		"value='90s'/></cluster_property_set></crm_config><nodes/>"
		"<resources><primitive id='d' class='stonith' type='fence_apc_snmp'><instance_attributes "
		"id='i'>"
		"<nvpair id='1' name='port' value='7'/><nvpair id='2' name='snmp_version' value='2c'/>"
		"<nvpair id='3' name='pcmk_off_timeout' value='1'/><nvpair id='4' name='pcmk_off_retries' "
		"value='2'/>"
		"<nvpair id='5' name='power_timeout' value='3'/><nvpair id='6' name='login_timeout' "
		"value='4'/>"
		"<nvpair id='7' name='delay' value='5'/></instance_attributes></primitive></resources>"
		"<constraints/></configuration><status/></cib>";
	const struct device *d = b->f.cib.fencing.device;

	memset(&b->f, 0, sizeof(b->f));
	gather_cib_text(cib, strlen(cib), &b->f);
	assert_int_equal(b->f.cib.fencing.nr, 1);
	assert_string_equal(b->f.cib.stonith_timeout, "90s");
	assert_string_equal(d->plug, "7");
	assert_string_equal(d->snmp_version, "2c");
	assert_string_equal(d->off_timeout, "1");
	assert_string_equal(d->off_retries, "2");
	assert_string_equal(d->power_timeout, "3");
	assert_string_equal(d->login_timeout, "4");
	assert_string_equal(d->own_delay, "5");
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		BED_TEST(two_levels_as_the_document_has_them_are_well),
		BED_TEST(all_outlets_of_a_host_are_in_one_level),
		BED_TEST(outlets_are_counted_in_the_levels_that_are_tried),
		BED_TEST(a_level_needs_all_its_devices),
		BED_TEST(fence_kemari_has_its_time),
		BED_TEST(the_next_level_does_not_wait_for_a_second_try),
		BED_TEST(the_parameters_are_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
