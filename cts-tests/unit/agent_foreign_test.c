/* SPDX-License-Identifier: GPL-2.0-only */
/* A BMC that turns out to be another machine's, when the host says which machine it is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "agent/daemon/agent.h"
#include "agent/daemon/fencer.h"
#include "agent/daemon/hosts.h"
#include "agent/daemon/operator.h"
#include "agent/daemon/quorum.h"
#include "agent/daemon/syncd.h"

#define S PROOF_SECOND

/* ---- the rest of the agent ---- */

void agent_touch(struct agent *a)
{
}

void agent_save(struct agent *a)
{
}

void agent_state(struct agent *a)
{
}

void agent_helper_gone(void *arg)
{
}

const char *agent_doubt(const struct agent *a, const char *host)
{
	return NULL;
}

const struct proof_host *agent_off(const struct agent *a, const char *host)
{
	return NULL;
}

int fencer_ask(struct fencer *f, const char *host)
{
	fail();
	return 0;
}

int fencer_switch_on(struct fencer *f, const char *host)
{
	fail();
	return 0;
}

void operator_fenced(struct agent *a, const char *host, const char *why)
{
}

int64_t hosts_clock_offset(void)
{
	return 0;
}

bool hosts_is_own(const struct agent *a, const char *host)
{
	return false;
}

static char shown[ATTRD_VALUE];

int attrd_set(struct attrd *a, const char *name, const char *value, unsigned int dampen_s)
{
	assert_string_equal(name, "kemari-hardware");
	snprintf(shown, sizeof(shown), "%s", value);
	return 0;
}

bool quorum_now(const struct quorum *q)
{
	return true;
}

bool syncd_known(const struct syncd *s)
{
	return false;
}

const struct vm_row *syncd_table(const struct syncd *s, unsigned int *nr)
{
	*nr = 0;
	return NULL;
}

/* ---- the tests ---- */

static int setup(void **state)
{
	struct agent *a = calloc(1, sizeof(*a));

	*state = a;
	if (!a)
		return -1;
	a->health.nr = 1;
	strcpy(a->health.h[0].host, "xa");
	return 0;
}

static int teardown(void **state)
{
	free(*state);
	return 0;
}

/* Its BMC, of machine 2, tells of two faults; then xa is heard of, and says which machine it is. */
static const struct proof_host *hear(struct agent *a, uint8_t machine)
{
	const uint8_t uuid[16] = { machine };
	struct health_report r = { .bmc = WATCH_BMC_OK, .uuid = { 2 }, .nr = 1, .nr_past = 1 };

	r.event[0] = (struct health_event){
		.kind = WATCH_CPU_CATERR, .action = WATCH_FENCE, .holds = true, .since = 150
	};
	r.past[0] = (struct health_event){ .kind = WATCH_CPU_CATERR, .holds = true, .since = 120 };
	agent_watcher_ops.report(a, "xa", &r);
	proof_heard(&a->proof, "xa", 7, 100 * S, 0);
	proof_identify(&a->proof, "xa", uuid);
	agent_hardware_tick(a);
	return proof_find(&a->proof, "xa");
}

static void what_is_so_for_a_while_is_shown_in_the_cluster(void **state)
{
	struct agent *a = *state;
	struct health_report r = { .bmc = WATCH_BMC_UNREACHABLE };

	shown[0] = '\0';
	agent_watcher_ops.report(a, "xa", &r);
	agent_hardware_tick(a);
	assert_string_equal(shown, "");
	a->hardware_shown.since_ns = 1;
	agent_hardware_tick(a);
	assert_string_equal(shown, "xa: its BMC is unreachable");
}

static void its_own_holds_its_power_back(void **state)
{
	assert_string_not_equal(hear(*state, 2)->hold, "");
}

static void what_another_machines_told_before_that_was_known_is_dropped(void **state)
{
	struct agent *a = *state;

	assert_string_equal(hear(a, 1)->hold, "");
	assert_int_equal(a->health.h[0].report.bmc, WATCH_BMC_LYING);
	assert_int_equal(a->health.h[0].report.nr, 0);
}

/* A kemari-bmc that was started anew and gets no answer. */
static void which_machine_it_is_stays_known_while_it_does_not_say(void **state)
{
	struct agent *a = *state;
	struct health_report r = { .bmc = WATCH_BMC_UNREACHABLE };
	const struct proof_host *p = hear(a, 1);

	assert_int_equal(p->bmc[0], 2);
	agent_watcher_ops.report(a, "xa", &r);
	agent_hardware_tick(a);
	assert_int_equal(p->bmc[0], 2);
	/* it has got the right address */
	r = (struct health_report){ .bmc = WATCH_BMC_OK, .uuid = { 1 } };
	agent_watcher_ops.report(a, "xa", &r);
	assert_int_equal(p->bmc[0], 1);
}

/* As after a restart of kemari-agent for an address that was wrong: this BMC says no UUID. */
static void a_first_report_of_a_well_bmc_without_a_uuid_ends_what_was_known(void **state)
{
	struct agent *a = *state;
	struct health_report r = { .bmc = WATCH_BMC_OK };
	const struct proof_host *p = hear(a, 1);

	agent_watcher_ops.report(a, "xa", &r);
	assert_int_equal(p->bmc[0], 2); /* not the first one */
	a->health.h[0].awaited = true;
	r.bmc = WATCH_BMC_UNREACHABLE;
	agent_watcher_ops.report(a, "xa", &r);
	assert_int_equal(p->bmc[0], 2);
	a->health.h[0].awaited = true;
	r.bmc = WATCH_BMC_OK;
	agent_watcher_ops.report(a, "xa", &r);
	assert_int_equal(p->bmc[0], 0);
}

/* Logged before xa was heard of in this boot, and read after that. */
static void a_fault_of_an_earlier_life_is_none_of_this_one(void **state)
{
	struct health_report r = { .bmc = WATCH_BMC_OK, .worst = WATCH_FENCE, .nr = 1 };
	struct agent *a = *state;

	proof_heard(&a->proof, "xa", 7, 100 * S, 0);
	r.event[0] = (struct health_event){ .kind = WATCH_CPU_CATERR, .action = WATCH_FENCE, .since = 99 };
	agent_watcher_ops.report(a, "xa", &r);
	assert_false(proof_find(&a->proof, "xa")->fault);
	/* of two that are new the youngest counts */
	r.nr = 2;
	r.event[0].since = 150;
	r.event[1] = (struct health_event){ .kind = WATCH_MACHINE_CHECK, .action = WATCH_FENCE, .since = 90 };
	agent_watcher_ops.report(a, "xa", &r);
	assert_true(proof_find(&a->proof, "xa")->fault);
}

static void a_report_is_awaited_from_the_start(void **state)
{
	struct health_report r = { .bmc = WATCH_BMC_UNREACHABLE };
	struct agent *a = *state;

	a->health.nr = 0;
	a->cfg.nr_bmcs = 1;
	strcpy(a->cfg.bmc[0].host, "xa");
	agent_hardware_begin(a);
	assert_true(a->health.h[0].awaited);
	agent_watcher_ops.report(a, "xa", &r);
	assert_false(a->health.h[0].awaited);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(what_is_so_for_a_while_is_shown_in_the_cluster, setup,
						teardown),
		cmocka_unit_test_setup_teardown(its_own_holds_its_power_back, setup, teardown),
		cmocka_unit_test_setup_teardown(what_another_machines_told_before_that_was_known_is_dropped,
						setup, teardown),
		cmocka_unit_test_setup_teardown(which_machine_it_is_stays_known_while_it_does_not_say, setup,
						teardown),
		cmocka_unit_test_setup_teardown(
			a_first_report_of_a_well_bmc_without_a_uuid_ends_what_was_known, setup, teardown),
		cmocka_unit_test_setup_teardown(a_fault_of_an_earlier_life_is_none_of_this_one, setup,
						teardown),
		cmocka_unit_test_setup_teardown(a_report_is_awaited_from_the_start, setup, teardown),
	};

	return cmocka_run_group_tests_name("agent_foreign", tests, NULL, NULL);
}
