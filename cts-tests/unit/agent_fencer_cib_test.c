/* SPDX-License-Identifier: GPL-2.0-only */
/* How the fencer's helper reads the configuration, and a libcib that is made up here. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <libxml/parser.h>
#include <pacemaker/crm/cib.h>
#include <pacemaker/crm/common/xml.h>

#include "agent/daemon/fencer_int.h"

#define DEVICE(id) "<primitive id='" id "' class='stonith' type='fence_kemari'/>"
#define CONFIGURATION(devices) "<configuration><resources>" devices "</resources></configuration>"

static struct {
	const char *text; /* NULL: no answer in time */
	bool absent;	  /* nobody greets */
	unsigned int made, deleted, open;
} fake;
static struct cib_s *cib;
static struct devices devices;

/* ---- libcib ---- */

static int fake_signon(cib_t *c, const char *name, enum cib_conn_type type, int *fd)
{
	assert_int_equal(type, cib_query);
	if (fake.absent)
		return -ENOTCONN;
	c->state = cib_connected_query;
	fake.open++;
	return pcmk_ok;
}

static int fake_signoff(cib_t *c)
{
	fake.open = 0;
	c->state = cib_disconnected;
	return pcmk_ok;
}

static int fake_query(cib_t *c, const char *section, xmlNode **out, int options)
{
	assert_string_equal(section, "configuration");
	assert_int_equal(options, cib_scope_local | cib_sync_call);
	if (c->state == cib_disconnected)
		return -ENOTCONN;
	if (!fake.text)
		return -ETIMEDOUT;
	*out = xmlDocGetRootElement(xmlParseDoc((const xmlChar *)fake.text));
	return pcmk_ok;
}

cib_t *cib_new_no_shadow(void)
{
	static cib_api_operations_t commands = { .signon_raw = fake_signon,
						 .signoff = fake_signoff,
						 .query = fake_query };
	cib_t *c = calloc(1, sizeof(*c));

	c->state = cib_disconnected;
	c->cmds = &commands;
	fake.made++;
	return c;
}

void cib_delete(cib_t *c)
{
	fake.deleted++;
	free(c);
}

void free_xml(xmlNode *child)
{
	if (child)
		xmlFreeDoc(child->doc);
}

/* ---- tests ---- */

static int setup(void **state)
{
	memset(&fake, 0, sizeof(fake));
	fake.text = CONFIGURATION(DEVICE("a"));
	return 0;
}

static int teardown(void **state)
{
	if (cib)
		cib_delete(cib);
	cib = NULL;
	xmlCleanupParser();
	return fake.made == fake.deleted ? 0 : -1;
}

static void one_connection_serves_all_reads(void **state)
{
	uint64_t sum = 0, first;

	assert_true(fencer_devices(&cib, &devices, &sum));
	assert_int_equal(devices.nr, 1);
	first = sum;
	fake.text = CONFIGURATION(DEVICE("a") DEVICE("b"));
	assert_true(fencer_devices(&cib, &devices, &sum));
	assert_int_equal(devices.nr, 2);
	assert_int_not_equal(sum, first);
	assert_int_equal(fake.made, 1);
}

static void a_late_answer_is_no_news_and_ends_no_connection(void **state)
{
	uint64_t sum = 0, first;

	assert_true(fencer_devices(&cib, &devices, &sum));
	first = sum;
	fake.text = NULL;
	assert_false(fencer_devices(&cib, &devices, &sum));
	assert_int_equal(sum, first);
	fake.text = CONFIGURATION(DEVICE("a"));
	assert_true(fencer_devices(&cib, &devices, &sum));
	assert_int_equal(fake.made, 1);
}

static void a_connection_that_has_ended_is_made_anew(void **state)
{
	uint64_t sum = 0;

	assert_true(fencer_devices(&cib, &devices, &sum));
	cib->state = cib_disconnected; /* by the other side */
	assert_true(fencer_devices(&cib, &devices, &sum));
	assert_int_equal(fake.made, 2);
	assert_int_equal(fake.deleted, 1);
	assert_int_equal(fake.open, 1);
}

static void nobody_to_ask_is_no_answer(void **state)
{
	uint64_t sum = 5;

	fake.absent = true;
	assert_false(fencer_devices(&cib, &devices, &sum));
	assert_int_equal(sum, 5);
	assert_null(cib);
	assert_int_equal(fake.made, 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(one_connection_serves_all_reads),
		TEST(a_late_answer_is_no_news_and_ends_no_connection),
		TEST(a_connection_that_has_ended_is_made_anew),
		TEST(nobody_to_ask_is_no_answer),
	};

	return cmocka_run_group_tests_name("agent_fencer_cib", tests, NULL, NULL);
}
