/* SPDX-License-Identifier: GPL-2.0-only */
/* kemari cold-start: what it refuses, what it has done first, what it leaves to the operator. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "agent/daemon/cold.h"

/* Host xb (node 2) came up alone: xa was never heard of, nothing was started, there is no quorum. */
struct bed {
	struct policy_input in;
	struct vm_row own, peer;
	struct cold c;
};

static struct bed *alone(void)
{
	static struct bed b;

	memset(&b, 0, sizeof(b));
	b.in.nodeid = 2;
	b.in.syncd = true;
	b.in.nr_hosts = 1;
	b.in.host[0].name = "xa";
	return &b;
}

static struct bed *both(void)
{
	struct bed *b = alone();

	b->in.quorate = true;
	b->in.host[0].nodeid = 1;
	b->in.host[0].member = b->in.host[0].complete = true;
	b->in.host[0].row = &b->peer;
	return b;
}

static enum cold_step judge(struct bed *b, bool word)
{
	cold_judge(&b->in, "g1", word, &b->c);
	if (b->c.step == COLD_REFUSED) {
		assert_true(b->c.text[0]);
		assert_true(b->c.fix[0]);
	}
	return b->c.step;
}

static void says(const char *text, const char *part)
{
	if (!strstr(text, part))
		fail_msg("'%s' is not in '%s'", part, text);
}

static void an_absent_host_has_to_be_off_first(void **state)
{
	struct bed *b = alone();

	assert_int_equal(judge(b, false), COLD_ABSENT);
	assert_string_equal(b->c.host, "xa");
	assert_int_equal(judge(b, true), COLD_ABSENT);
}

static void without_quorum_the_operator_is_told_how_to_lift_it(void **state)
{
	struct bed *b = alone();

	b->in.host[0].off = true;
	assert_int_equal(judge(b, false), COLD_CLEAR);
	says(b->c.text, "xa is proven off");
	says(b->c.text, "no quorum");
	says(b->c.text, "quorum.cancel_wait_for_all");
	assert_null(strstr(b->c.text, "--confirm"));
	assert_int_equal(judge(b, true), COLD_CLEAR);
	says(b->c.text, "by your word");
	says(b->c.text, "stonith_admin --confirm xa");
}

static void with_quorum_nothing_is_said_of_lifting_it(void **state)
{
	struct bed *b = alone();

	b->in.host[0].off = true;
	b->in.quorate = true;
	assert_int_equal(judge(b, false), COLD_CLEAR);
	assert_null(strstr(b->c.text, "cancel_wait_for_all"));
	says(b->c.text, "not started here");
	b->own.started = true;
	b->in.row = &b->own;
	assert_int_equal(judge(b, false), COLD_CLEAR);
	says(b->c.text, "Pacemaker boots it");
}

static void what_is_here_is_not_passed_over(void **state)
{
	struct bed *b = alone();

	b->in.host[0].off = true;
	b->in.row = &b->own;
	b->own.role = ROW_STANDBY;
	assert_int_equal(judge(b, true), COLD_REFUSED);
	says(b->c.text, "a copy of g1 is here");
	says(b->c.fix, "kemari promote g1 --primary-is-off");
	b->own.role = ROW_HELD;
	assert_int_equal(judge(b, true), COLD_REFUSED);
	says(b->c.text, "held here");
	b->own.role = ROW_PRIMARY;
	assert_int_equal(judge(b, true), COLD_REFUSED);
	b->own.role = ROW_NONE;
	b->own.running = true; /* and nobody's */
	assert_int_equal(judge(b, true), COLD_REFUSED);
	b->own.running = false;
	assert_int_equal(judge(b, true), COLD_CLEAR);
}

static void nothing_is_concluded_from_a_silent_syncd(void **state)
{
	struct bed *b = alone();

	b->in.host[0].off = true;
	b->in.syncd = false;
	assert_int_equal(judge(b, true), COLD_REFUSED);
	says(b->c.text, "kemari-syncd does not answer");
}

static void without_corosync_nobody_is_absent(void **state)
{
	struct bed *b = alone();

	b->in.nodeid = 0;
	assert_int_equal(judge(b, true), COLD_REFUSED);
	says(b->c.text, "corosync");
	b->in.nodeid = 2;
	b->in.nr_hosts = 0;
	assert_int_equal(judge(b, true), COLD_REFUSED);
	says(b->c.fix, "kemari.conf");
}

static void a_member_has_to_say_that_it_has_nothing(void **state)
{
	struct bed *b = both();

	b->in.host[0].complete = false;
	assert_int_equal(judge(b, true), COLD_REFUSED);
	says(b->c.text, "has not said yet");
	b->in.host[0].complete = true;
	assert_int_equal(judge(b, true), COLD_CLEAR);
	b->in.host[0].row = NULL;
	assert_int_equal(judge(b, true), COLD_CLEAR);
}

static void what_a_member_has_is_not_passed_over(void **state)
{
	struct bed *b = both();

	for (b->peer.role = ROW_STANDBY; b->peer.role < ROW_NR_ROLES; b->peer.role++) {
		assert_int_equal(judge(b, true), COLD_REFUSED);
		says(b->c.text, "xa, a member of the cluster, has ");
	}
}

/* It may have left in good order and run the guest still. */
static void who_left_with_the_guest_is_not_fenced_for_it(void **state)
{
	struct bed *b = both();

	b->in.host[0].member = b->in.host[0].complete = false;
	b->peer.role = ROW_PRIMARY;
	assert_int_equal(judge(b, false), COLD_REFUSED);
	says(b->c.fix, "kemari cold-start g1 --peer-is-off");
	assert_int_equal(judge(b, true), COLD_ABSENT);
	b->peer.role = ROW_NONE;
	assert_int_equal(judge(b, false), COLD_ABSENT);
}

/* A kemari-agent that was restarted has not heard what it said. */
static void who_left_with_what_is_not_known_is_not_fenced_for_it(void **state)
{
	struct bed *b = alone();

	b->in.host[0].unsaid = true;
	assert_int_equal(judge(b, false), COLD_REFUSED);
	says(b->c.text, "what it has of g1");
	says(b->c.fix, "kemari cold-start g1 --peer-is-off");
	assert_int_equal(judge(b, true), COLD_ABSENT);
	b->in.host[0].off = true;
	assert_int_equal(judge(b, false), COLD_CLEAR);
}

static void each_absent_host_has_to_be_off(void **state)
{
	struct bed *b = alone();

	b->in.nr_hosts = 2;
	b->in.host[0].off = true;
	b->in.host[1].name = "xc";
	assert_int_equal(judge(b, false), COLD_ABSENT);
	assert_string_equal(b->c.host, "xc");
	b->in.host[1].member = true;
	assert_int_equal(judge(b, false), COLD_REFUSED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_absent_host_has_to_be_off_first),
		cmocka_unit_test(without_quorum_the_operator_is_told_how_to_lift_it),
		cmocka_unit_test(with_quorum_nothing_is_said_of_lifting_it),
		cmocka_unit_test(what_is_here_is_not_passed_over),
		cmocka_unit_test(nothing_is_concluded_from_a_silent_syncd),
		cmocka_unit_test(without_corosync_nobody_is_absent),
		cmocka_unit_test(a_member_has_to_say_that_it_has_nothing),
		cmocka_unit_test(what_a_member_has_is_not_passed_over),
		cmocka_unit_test(who_left_with_the_guest_is_not_fenced_for_it),
		cmocka_unit_test(who_left_with_what_is_not_known_is_not_fenced_for_it),
		cmocka_unit_test(each_absent_host_has_to_be_off),
	};

	return cmocka_run_group_tests_name("cold start", tests, NULL, NULL);
}
