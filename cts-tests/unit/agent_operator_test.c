/* SPDX-License-Identifier: GPL-2.0-only */
/* A cold start from the operator's request to its answer; what the agent has besides is made up here. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "agent/daemon/agent.h"
#include "agent/daemon/fencer.h"
#include "agent/daemon/group.h"
#include "agent/daemon/hosts.h"
#include "agent/daemon/operator.h"
#include "syncd/control/control.h"

#define S PROOF_SECOND

static const struct asker us = { .kind = ASKER_KEMARI, .program = "kemari-agent" };

static struct {
	struct control_handlers handlers;
	struct agent *agent;
	struct vm_row own;
	bool member, quorate;
	unsigned int fenced; /* asked for */
	bool judged;
	const char *doubt; /* whether that would be a proof */
	int fencer;	   /* its answer to that */
	char host[ROW_HOST];
	bool touched, three;
	/* the last answer */
	bool done;
	int code;
	char text[2048], fix[2048];
	unsigned int answers;
} w;

/* ---- the rest of the agent ---- */

int control_start(struct qb_loop *loop, const struct control_handlers *h, void *ctx,
		  const struct control_options *opt, struct control **out)
{
	w.handlers = *h;
	return 0;
}

void control_stop(struct control *srv)
{
}

void control_progress(struct control_client *c, json_t *progress)
{
	json_decref(progress);
}

void control_done(struct control_client *c, json_t *extra)
{
	w.answers++;
	w.done = true;
	snprintf(w.text, sizeof(w.text), "%s", json_string_value(json_object_get(extra, "text")));
	json_decref(extra);
}

void control_fail(struct control_client *c, int code, const char *why, const char *fix)
{
	w.answers++;
	w.done = false;
	w.code = code;
	snprintf(w.text, sizeof(w.text), "%s", why);
	snprintf(w.fix, sizeof(w.fix), "%s", fix);
}

void group_drain(struct group *g)
{
}

int fencer_ask(struct fencer *f, const char *host)
{
	snprintf(w.host, sizeof(w.host), "%s", host);
	w.fenced++;
	return w.fencer;
}

int fencer_switch_on(struct fencer *f, const char *host)
{
	fail();
	return 0;
}

void agent_save(struct agent *a)
{
}

void agent_touch(struct agent *a)
{
	w.touched = true;
}

const char *agent_doubt(const struct agent *a, const char *host)
{
	return w.judged ? w.doubt : NULL;
}

/* Of hosts that have a place among the proofs. */
void agent_doubts_tick(struct agent *a)
{
	w.judged = proof_find(&a->proof, "xa");
}

int64_t hosts_boottime(void)
{
	return 1000 * S;
}

int64_t hosts_clock_offset(void)
{
	return 0;
}

void hosts_proof(struct agent *a, const char *host, enum proof_change change)
{
}

bool hosts_absent(const struct agent *a, const char *host)
{
	return !w.member;
}

const struct proof_host *agent_off(const struct agent *a, const char *host)
{
	return w.member ? NULL : proof_off(&a->proof, host);
}

void agent_gather(const struct agent *a, const char *vm, struct policy_input *in)
{
	memset(in, 0, sizeof(*in));
	in->nodeid = 2;
	in->syncd = true;
	in->quorate = w.quorate;
	in->row = w.own.role ? &w.own : NULL;
	in->host[0].name = "xa";
	in->host[0].off = agent_off(a, "xa");
	in->host[1].name = "xc";
	in->nr_hosts = w.three ? 2 : 1;
}

/* ---- the tests ---- */

static int setup(void **state)
{
	memset(&w, 0, sizeof(w));
	w.agent = calloc(1, sizeof(*w.agent));
	if (!w.agent)
		return -1;
	w.agent->devices_known = true;
	return operator_start(w.agent);
}

static int teardown(void **state)
{
	operator_stop(w.agent);
	free(w.agent);
	return 0;
}

static void ask(bool word)
{
	struct control_request r = { .op = CONTROL_COLD_START, .vm = "g1", .peer_is_off = word };

	w.touched = false;
	w.handlers.request(w.agent, (struct control_client *)&w, &r);
	if (w.touched)
		agent_requests(w.agent);
}

/* The fencer's. */
static void answer(const char *why)
{
	agent_request_answer(w.agent, "xa", false, why);
}

static void says(const char *text, const char *part)
{
	if (!strstr(text, part))
		fail_msg("'%s' is not in '%s'", part, text);
}

static void it_ends_when_the_absent_host_is_proven_off(void **state)
{
	ask(false);
	assert_int_equal(w.fenced, 1);
	assert_string_equal(w.host, "xa");
	operator_look(w.agent);
	answer(NULL); /* alone it is no proof */
	operator_look(w.agent);
	assert_int_equal(w.answers, 0);
	assert_int_equal(proof_fenced(&w.agent->proof, "xa", 1001 * S, &us, 1002 * S), PROOF_OFF);
	operator_look(w.agent);
	assert_int_equal(w.answers, 1);
	assert_true(w.done);
	says(w.text, "cancel_wait_for_all");
	operator_look(w.agent);
	agent_requests(w.agent);
	assert_int_equal(w.answers, 1);
	assert_int_equal(w.fenced, 1);
	assert_non_null(strstr(agent_request_reason(w.agent, "xa"), "cold start of g1"));
}

static void a_fencing_that_fails_is_told_with_the_way_out(void **state)
{
	ask(false);
	operator_fenced(w.agent, "xc", "somebody else's");
	assert_int_equal(w.answers, 0);
	answer("no such device");
	assert_int_equal(w.answers, 1);
	assert_false(w.done);
	says(w.text, "no such device");
	says(w.fix, "kemari cold-start g1 --peer-is-off");
	assert_null(proof_off(&w.agent->proof, "xa"));
	/* with that it is over: nobody goes on fencing for it */
	agent_requests(w.agent);
	assert_int_equal(w.fenced, 1);
	/* nor is what he asks for held up by it */
	w.fencer = -EAGAIN;
	ask(false);
	assert_int_equal(w.fenced, 2);
	assert_int_equal(w.answers, 2);
	assert_false(w.done);
}

static void one_absent_host_after_the_other_is_fenced(void **state)
{
	w.three = true;
	ask(false);
	answer(NULL);
	proof_fenced(&w.agent->proof, "xa", 1001 * S, &us, 1002 * S);
	operator_look(w.agent);
	agent_requests(w.agent);
	assert_int_equal(w.fenced, 2);
	assert_string_equal(w.host, "xc");
	assert_true(agent_request(w.agent, "xc")->ordered);
	assert_false(agent_request(w.agent, "xa")->ordered);
}

static void why_one_host_was_fenced_is_not_lost_for_another(void **state)
{
	char name[ROW_HOST];
	int i;

	ask(false);
	answer("no such device");
	agent_requests(w.agent);
	agent_request(w.agent, "xc");
	assert_non_null(agent_request_reason(w.agent, "xa"));
	/* but for room */
	for (i = 0; i < 2 * AGENT_REQUESTS; i++) {
		snprintf(name, sizeof(name), "x%d", i);
		assert_non_null(agent_request(w.agent, name));
	}
}

static void a_fencer_that_goes_away_is_told(void **state)
{
	ask(false);
	agent_requests_lost(w.agent);
	assert_int_equal(w.answers, 1);
	assert_false(w.done);
	says(w.text, "connection");
}

static void a_fencing_that_is_under_way_for_a_guest_will_do(void **state)
{
	agent_request(w.agent, "xa")->needed = true;
	agent_requests(w.agent);
	ask(false);
	assert_int_equal(w.fenced, 1);
	assert_int_equal(w.answers, 0);
	answer("no such device");
	assert_int_equal(w.answers, 1);
	/* and for the guest it is asked for again, in its time */
	assert_true(agent_request(w.agent, "xa")->off.wanted);
	assert_false(agent_request(w.agent, "xa")->ordered);
}

static void a_fencing_that_would_be_no_proof_is_not_asked_for(void **state)
{
	w.doubt = "bmc-xa confirms nothing";
	ask(false);
	assert_int_equal(w.answers, 1);
	assert_false(w.done);
	says(w.text, "bmc-xa confirms nothing");
	w.doubt = NULL;
	w.agent->devices_known = false;
	ask(false);
	assert_int_equal(w.answers, 2);
	assert_int_equal(w.fenced, 0);
	ask(true);
	assert_true(w.done);
}

static void the_operators_word_fences_nobody_and_is_kept_as_his(void **state)
{
	ask(true);
	assert_int_equal(w.fenced, 0);
	assert_true(w.done);
	says(w.text, "by your word");
	assert_true(proof_off(&w.agent->proof, "xa")->by_word);
}

static void his_word_of_a_member_is_not_believed(void **state)
{
	w.member = true;
	ask(true);
	assert_int_equal(w.answers, 1);
	assert_false(w.done);
	assert_int_equal(w.code, EAGAIN);
	assert_null(proof_off(&w.agent->proof, "xa")); /* nor kept for the time when it has left */
}

static void what_is_refused_fences_nobody(void **state)
{
	w.own.role = ROW_STANDBY;
	ask(false);
	ask(true);
	assert_int_equal(w.answers, 2);
	assert_false(w.done);
	assert_int_equal(w.fenced, 0);
	assert_int_equal(w.agent->proof.nr, 0);
}

static void one_at_a_time(void **state)
{
	ask(false);
	ask(false);
	assert_int_equal(w.answers, 1);
	assert_int_equal(w.code, EBUSY);
	assert_int_equal(w.fenced, 1);
}

static void other_requests_are_not_for_this_daemon(void **state)
{
	struct control_request r = { .op = CONTROL_STATUS };

	w.handlers.request(w.agent, (struct control_client *)&w, &r);
	assert_int_equal(w.code, ENOSYS);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(it_ends_when_the_absent_host_is_proven_off),
		TEST(a_fencing_that_fails_is_told_with_the_way_out),
		TEST(one_absent_host_after_the_other_is_fenced),
		TEST(why_one_host_was_fenced_is_not_lost_for_another),
		TEST(a_fencer_that_goes_away_is_told),
		TEST(a_fencing_that_is_under_way_for_a_guest_will_do),
		TEST(a_fencing_that_would_be_no_proof_is_not_asked_for),
		TEST(the_operators_word_fences_nobody_and_is_kept_as_his),
		TEST(his_word_of_a_member_is_not_believed),
		TEST(what_is_refused_fences_nobody),
		TEST(one_at_a_time),
		TEST(other_requests_are_not_for_this_daemon),
	};

	return cmocka_run_group_tests_name("operator", tests, NULL, NULL);
}
