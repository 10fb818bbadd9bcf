/* SPDX-License-Identifier: GPL-2.0-only */
/* What a host does about a VM: each rule of policy.h, one test. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "agent/daemon/policy.h"

#define S POLICY_SECOND

/* Host xa (node 1) and its peer xb (node 2), which is a member and has told all. */
struct bed {
	struct policy_input in;
	struct policy_memory m;
	struct policy_output out;
	struct vm_row own, peer;
};

static struct bed *fresh(void)
{
	static struct bed b;

	memset(&b, 0, sizeof(b));
	strcpy(b.own.vm, "g1");
	strcpy(b.own.peer, "xb");
	b.own.started = true;
	b.peer = b.own;
	strcpy(b.peer.peer, "xa");
	b.in.now_ns = 1000 * S;
	b.in.nodeid = 1;
	b.in.quorate = true;
	b.in.syncd = true;
	b.in.row = &b.own;
	b.in.fence_after_ns = 2 * S;
	b.in.fence_after_proof_ns = 30 * S;
	b.in.fence_second_ns = 20 * S;
	b.in.nr_hosts = 1;
	b.in.host[0] = (struct policy_host){
		.name = "xb", .nodeid = 2, .member = true, .complete = true, .row = &b.peer
	};
	return &b;
}

static int score(struct bed *b)
{
	policy_decide(&b->in, &b->m, &b->out);
	assert_non_null(b->out.why);
	return b->out.score;
}

/* ---- scores ---- */

static void not_started_has_no_score(void **state)
{
	struct bed *b = fresh();

	b->own.started = false;
	b->own.role = ROW_PRIMARY;
	assert_int_equal(score(b), 0);
	b->own.role = ROW_STANDBY;
	assert_int_equal(score(b), 0);
	b->in.row = NULL;
	assert_int_equal(score(b), 0);
}

static void silent_syncd_has_no_score(void **state)
{
	struct bed *b = fresh();

	b->own.role = ROW_PRIMARY;
	b->in.syncd = false;
	assert_int_equal(score(b), 0);
}

static void primary_has_the_highest_score(void **state)
{
	struct bed *b = fresh();

	b->own.role = ROW_PRIMARY;
	assert_int_equal(score(b), 10000);
	/* whatever is known of others */
	b->in.nr_hosts = 0;
	b->in.nodeid = 0;
	b->in.quorate = false;
	assert_int_equal(score(b), 10000);
}

static void held_is_as_good_as_a_copy(void **state)
{
	struct bed *b = fresh();

	b->own.role = ROW_HELD;
	assert_int_equal(score(b), 1000);
}

static void standby_keeps_its_score_without_a_link(void **state)
{
	struct bed *b = fresh();

	b->own.role = ROW_STANDBY;
	b->own.linked = true;
	assert_int_equal(score(b), 1000);
	b->own.linked = false;
	b->in.now_ns += POLICY_LINK_NS;
	assert_int_equal(score(b), 1000); /* for a moment */
	b->in.now_ns++;
	assert_int_equal(score(b), 900);
	b->own.linked = true;
	assert_int_equal(score(b), 1000);
}

static void a_host_that_is_gone_changes_no_score(void **state)
{
	struct bed *b = fresh();

	b->own.role = ROW_STANDBY;
	b->own.linked = true;
	assert_int_equal(score(b), 1000);
	b->own.linked = false;
	b->in.host[0].member = false;
	b->in.host[0].down = true;
	b->in.now_ns += POLICY_LINK_NS + 1;
	assert_int_equal(score(b), 1000);
	b->in.host[0].down = false; /* its kemari-agent has left, no more than that */
	assert_int_equal(score(b), 900);
	b->in.host[0].down = true;
	b->in.now_ns += POLICY_LINK_NS + 1;
	assert_int_equal(score(b), 900);
}

static int score_after(struct bed *b, uint64_t ns, uint8_t role, uint8_t protection, bool linked,
		       bool promoted)
{
	b->in.now_ns += ns;
	b->own.role = role;
	b->own.protection = protection;
	b->own.linked = linked;
	b->own.promoted = promoted;
	return score(b);
}

/* kemari switchover: the cluster manager has it promoted where it was, until the scores change. */
static void the_host_that_a_guest_leaves_says_so_when_that_is_over(void **state)
{
	struct bed *b = fresh();

	assert_int_equal(score_after(b, S, ROW_PRIMARY, ROW_PROTECTED, true, true), 10000);
	assert_int_equal(score_after(b, S, ROW_HELD, ROW_PROTECTED, true, true), 10000);
	assert_int_equal(score_after(b, S / 4, ROW_STANDBY, ROW_NOT_OWNER, false, true), 10000);
	assert_int_equal(score_after(b, S / 4, ROW_STANDBY, ROW_NOT_OWNER, true, true), 10000);
	assert_int_equal(score_after(b, 3 * S / 4 - 1, ROW_STANDBY, ROW_NOT_OWNER, true, true), 10000);
	assert_int_equal(score_after(b, 1, ROW_STANDBY, ROW_NOT_OWNER, true, true), 1000);
}

static void the_host_that_a_guest_comes_to_says_so_when_that_is_over(void **state)
{
	struct bed *b = fresh();

	assert_int_equal(score_after(b, S, ROW_STANDBY, ROW_NOT_OWNER, true, false), 1000);
	assert_int_equal(score_after(b, S, ROW_PRIMARY, ROW_LINK_LOST, false, false), 1000);
	assert_int_equal(score_after(b, S / 4, ROW_PRIMARY, ROW_PROTECTED, true, false), 1000);
	assert_int_equal(score_after(b, S, ROW_PRIMARY, ROW_PROTECTED, true, false), 10000);
}

static void a_move_that_takes_long_changes_scores(void **state)
{
	struct bed *b = fresh();

	assert_int_equal(score_after(b, S, ROW_PRIMARY, ROW_PROTECTED, true, true), 10000);
	assert_int_equal(score_after(b, S, ROW_HELD, ROW_LINK_LOST, false, true), 10000);
	assert_int_equal(score_after(b, POLICY_MOVE_NS - 1, ROW_HELD, ROW_LINK_LOST, false, true), 10000);
	assert_int_equal(score_after(b, 1, ROW_HELD, ROW_LINK_LOST, false, true), 1000);
	assert_int_equal(score_after(b, S, ROW_HELD, ROW_PROTECTED, true, true), 1000);
}

static void what_the_cluster_manager_moves_has_its_scores_at_once(void **state)
{
	struct bed *b = fresh();

	assert_int_equal(score_after(b, S, ROW_PRIMARY, ROW_PROTECTED, true, true), 10000);
	assert_int_equal(score_after(b, S, ROW_HELD, ROW_PROTECTED, true, false), 1000);
	assert_int_equal(score_after(b, 1, ROW_STANDBY, ROW_NOT_OWNER, false, false), 1000);
	assert_int_equal(score_after(b, 9 * S, ROW_PRIMARY, ROW_LINK_LOST, false, true), 10000);
	/* switched over, and it follows before the score has changed */
	assert_int_equal(score_after(b, 1, ROW_HELD, ROW_PROTECTED, true, true), 10000);
	assert_int_equal(score_after(b, 1, ROW_STANDBY, ROW_NOT_OWNER, false, false), 1000);
}

static void a_red_host_that_a_guest_leaves_gets_no_better_score(void **state)
{
	struct bed *b = fresh();

	b->in.red = true;
	b->peer.role = ROW_STANDBY;
	b->peer.linked = true;
	assert_int_equal(score_after(b, S, ROW_PRIMARY, ROW_PROTECTED, true, true), 500);
	b->peer.role = ROW_PRIMARY;
	assert_int_equal(score_after(b, 1, ROW_HELD, ROW_PROTECTED, true, true), 500);
	assert_int_equal(score_after(b, 1, ROW_STANDBY, ROW_NOT_OWNER, false, true), 500);
}

static void a_move_changes_nothing_about_what_is_lost(void **state)
{
	struct bed *b = fresh();

	assert_int_equal(score_after(b, S, ROW_PRIMARY, ROW_PROTECTED, true, true), 10000);
	assert_int_equal(score_after(b, S, ROW_HELD, ROW_PROTECTED, true, true), 10000);
	assert_int_equal(score_after(b, 1, ROW_NONE, ROW_NOT_OWNER, true, true),
			 10); /* the peer has nothing */
	assert_int_equal(score_after(b, 1, ROW_STANDBY, ROW_NOT_OWNER, true, true), 1000);
	b->own.started = false;
	assert_int_equal(score(b), 0);
}

static void cold_score_when_the_peer_says_none(void **state)
{
	struct bed *b = fresh();

	assert_int_equal(score(b), 10);
	b->in.host[0].row = NULL; /* it does not know the VM at all */
	assert_int_equal(score(b), 10);
}

static void cold_score_is_lower_on_the_higher_node(void **state)
{
	struct bed *b = fresh();

	b->in.nodeid = 3;
	assert_int_equal(score(b), 5);
	b->in.host[0].off = true;
	b->in.host[0].member = false;
	assert_int_equal(score(b), 10);
}

static void cold_score_when_the_peer_is_proven_off(void **state)
{
	struct bed *b = fresh();

	b->in.host[0].member = b->in.host[0].complete = false;
	b->peer.role = ROW_PRIMARY; /* what it said last dies with it */
	assert_int_equal(score(b), 0);
	b->in.host[0].off = true;
	assert_int_equal(score(b), 10);
}

static void no_cold_score_while_a_host_is_unknown(void **state)
{
	struct bed *b = fresh();

	b->in.host[0].complete = false;
	assert_int_equal(score(b), 0);
	b->in.host[0].complete = true;
	b->in.host[0].member = false;
	assert_int_equal(score(b), 0);
	b->in.host[0].member = true;
	b->in.host[1] = (struct policy_host){ .name = "xc" };
	b->in.nr_hosts = 2;
	assert_int_equal(score(b), 0);
	b->in.host[1].off = true;
	assert_int_equal(score(b), 10);
	b->in.nodeid = 0;
	assert_int_equal(score(b), 0);
}

static void no_cold_score_while_anybody_has_anything(void **state)
{
	struct bed *b = fresh();
	unsigned int role;

	for (role = ROW_STANDBY; role < ROW_NR_ROLES; role++) {
		b->peer.role = (uint8_t)role;
		assert_int_equal(score(b), 0);
	}
	b->peer.role = ROW_NONE;
	b->peer.running = true;
	assert_int_equal(score(b), 0);
	b->peer.running = false;
	b->own.running = true;
	assert_int_equal(score(b), 0);
}

/* ---- health ---- */

static void red_yields_to_a_green_linked_standby(void **state)
{
	struct bed *b = fresh();

	b->in.red = true;
	b->own.role = ROW_PRIMARY;
	b->peer.role = ROW_STANDBY;
	b->peer.linked = true;
	assert_int_equal(score(b), 500);
	b->own.role = ROW_HELD;
	assert_int_equal(score(b), 500);
}

static void red_changes_nothing_without_one(void **state)
{
	struct bed *b = fresh();

	b->in.red = true;
	b->own.role = ROW_PRIMARY;
	assert_int_equal(score(b), 10000);
	b->peer.role = ROW_STANDBY; /* not linked */
	assert_int_equal(score(b), 10000);
	b->peer.linked = true;
	b->peer.started = false;
	assert_int_equal(score(b), 10000);
	b->peer.started = true;
	b->in.host[0].red = true;
	assert_int_equal(score(b), 10000);
	b->in.host[0].red = false;
	b->in.host[0].member = false;
	assert_int_equal(score(b), 10000);
}

static void red_never_deletes_nor_raises(void **state)
{
	struct bed *b = fresh();

	b->in.red = true;
	assert_int_equal(score(b), 10);
	b->in.red = false;
	b->own.role = ROW_PRIMARY;
	b->peer.role = ROW_STANDBY;
	b->peer.linked = true;
	assert_int_equal(score(b), 10000);
}

/* ---- protection ---- */

static struct bed *unprotected(void)
{
	struct bed *b = fresh();

	b->own.role = ROW_PRIMARY;
	b->own.running = true;
	b->own.protection = ROW_UNPROTECTED;
	return b;
}

static const char *protect(struct bed *b)
{
	policy_decide(&b->in, &b->m, &b->out);
	return b->out.protect;
}

static void an_unprotected_guest_is_protected_by_the_host_that_waits(void **state)
{
	struct bed *b = unprotected();

	assert_string_equal(protect(b), "xb");
}

static void protection_needs_an_unprotected_owner(void **state)
{
	struct bed *b = unprotected();
	unsigned int p;

	for (p = 0; p < ROW_NR_PROTECTIONS; p++) {
		b->own.protection = (uint8_t)p;
		assert_int_equal(!!protect(b), p == ROW_UNPROTECTED);
	}
	b->own.protection = ROW_UNPROTECTED;
	b->own.role = ROW_HELD;
	assert_null(protect(b));
	b->own.role = ROW_PRIMARY;
	b->own.by_hand = true; /* an operator knows why */
	assert_null(protect(b));
	b->own.by_hand = false;
	b->own.started = false;
	assert_null(protect(b));
	b->own.started = true;
	b->in.syncd = false;
	assert_null(protect(b));
}

static void protection_needs_exactly_one_host_that_waits(void **state)
{
	struct bed *b = unprotected();
	struct vm_row third = b->peer;

	b->peer.started = false;
	assert_null(protect(b));
	b->peer.started = true;
	b->peer.role = ROW_STANDBY;
	assert_null(protect(b));
	b->peer.role = ROW_NONE;
	b->peer.running = true;
	assert_null(protect(b));
	b->peer.running = false;
	b->in.host[0].member = false;
	assert_null(protect(b));
	b->in.host[0].member = true;
	b->in.host[1] = (struct policy_host){ .name = "xc", .nodeid = 3, .member = true, .row = &third };
	b->in.nr_hosts = 2;
	assert_null(protect(b));
	third.started = false;
	assert_string_equal(protect(b), "xb");
}

static void protection_is_never_asked_for_twice_at_once(void **state)
{
	struct bed *b = unprotected();

	assert_non_null(protect(b));
	b->m.protecting = true;
	assert_null(protect(b));
	policy_protected(&b->m, b->in.now_ns, true);
	assert_false(b->m.protecting);
}

static void protection_is_tried_again_ever_slower(void **state)
{
	static const unsigned int pause[] = { 5, 10, 20, 40, 60, 60 };
	struct bed *b = unprotected();
	size_t i;

	for (i = 0; i < sizeof(pause) / sizeof(pause[0]); i++) {
		assert_non_null(protect(b));
		policy_protected(&b->m, b->in.now_ns, false);
		b->in.now_ns += pause[i] * S - 1;
		assert_null(protect(b));
		b->in.now_ns++;
	}
	/* after a success from the start again, and not at once */
	policy_protected(&b->m, b->in.now_ns, true);
	assert_null(protect(b));
	b->in.now_ns += 5 * S;
	assert_non_null(protect(b));
	policy_protected(&b->m, b->in.now_ns, false);
	b->in.now_ns += 5 * S;
	assert_non_null(protect(b));
}

/* ---- fencing ---- */

static const char *fence(struct bed *b)
{
	policy_decide(&b->in, &b->m, &b->out);
	return b->out.fence;
}

static struct bed *needy(enum row_needs needs)
{
	struct bed *b = fresh();

	b->own.role = ROW_PRIMARY;
	b->own.needs = (uint8_t)needs;
	return b;
}

static void a_silent_standby_is_fenced_after_fence_after(void **state)
{
	struct bed *b = needy(ROW_NEEDS_FENCE);

	assert_null(fence(b));
	b->in.now_ns += 2 * S - 1;
	assert_null(fence(b));
	b->in.now_ns++;
	assert_string_equal(fence(b), "xb");
}

static void a_lacking_proof_leaves_pacemaker_time(void **state)
{
	struct bed *b = needy(ROW_NEEDS_PROOF);

	assert_null(fence(b));
	b->in.now_ns += 30 * S - 1;
	assert_null(fence(b));
	b->in.now_ns++;
	assert_string_equal(fence(b), "xb");
}

static void a_need_that_went_away_starts_anew(void **state)
{
	struct bed *b = needy(ROW_NEEDS_FENCE);

	fence(b);
	b->in.now_ns += S;
	b->own.needs = ROW_NEEDS_NOTHING;
	assert_null(fence(b));
	b->in.now_ns += S;
	b->own.needs = ROW_NEEDS_FENCE;
	assert_null(fence(b));
	b->in.now_ns += S;
	assert_null(fence(b));
	b->in.now_ns += S;
	assert_non_null(fence(b));
}

static void fencing_is_wanted_as_long_as_it_is_needed(void **state)
{
	struct bed *b = needy(ROW_NEEDS_FENCE);

	fence(b);
	b->in.now_ns += 2 * S;
	assert_non_null(fence(b));
	b->in.now_ns++;
	assert_non_null(fence(b));
	b->own.needs = ROW_NEEDS_NOTHING;
	assert_null(fence(b));
}

static void a_host_proven_off_is_not_fenced(void **state)
{
	struct bed *b = needy(ROW_NEEDS_FENCE);

	b->in.host[0].off = true;
	fence(b);
	b->in.now_ns += 100 * S;
	assert_null(fence(b));
	/* it has booted again: it gets its time */
	b->in.host[0].off = false;
	assert_null(fence(b));
	b->in.now_ns += 2 * S;
	assert_non_null(fence(b));
}

static void a_host_that_just_came_gets_its_time(void **state)
{
	struct bed *b = needy(ROW_NEEDS_PROOF);

	fence(b);
	b->in.now_ns += 29 * S;
	b->in.host[0].since_ns = b->in.now_ns;
	b->in.now_ns += 29 * S;
	assert_null(fence(b));
	b->in.now_ns += S;
	assert_non_null(fence(b));
}

static void nobody_is_fenced_when_that_would_be_no_proof(void **state)
{
	struct bed *b = needy(ROW_NEEDS_PROOF);

	b->in.host[0].futile = true;
	fence(b);
	assert_null(b->out.futile);
	b->in.now_ns += 60 * S;
	assert_null(fence(b));
	assert_string_equal(b->out.futile, "xb");
	assert_null(fence(b));
	assert_string_equal(b->out.futile, "xb"); /* as long as it is needed */
	b->in.host[0].futile = false;
	assert_string_equal(fence(b), "xb");
	assert_null(b->out.futile);
}

static void without_quorum_nobody_is_fenced(void **state)
{
	struct bed *b = needy(ROW_NEEDS_FENCE);

	b->in.quorate = false;
	fence(b);
	b->in.now_ns += 100 * S;
	assert_null(fence(b));
}

static void a_peer_nobody_knows_is_not_fenced(void **state)
{
	struct bed *b = needy(ROW_NEEDS_FENCE);

	b->own.peer[0] = '\0';
	fence(b);
	b->in.now_ns += 100 * S;
	assert_null(fence(b));
}

static void who_owns_less_shoots_second(void **state)
{
	struct bed *b = needy(ROW_NEEDS_FENCE);

	b->in.host[0].owned = 1;
	fence(b);
	b->in.now_ns += 22 * S - 1;
	assert_null(fence(b));
	b->in.now_ns++;
	assert_non_null(fence(b));
}

static void of_equals_the_lower_node_shoots_first(void **state)
{
	struct bed *b = needy(ROW_NEEDS_FENCE);

	b->in.owned = b->in.host[0].owned = 1;
	fence(b);
	b->in.now_ns += 2 * S;
	assert_non_null(fence(b));
	b = needy(ROW_NEEDS_FENCE);
	b->in.owned = b->in.host[0].owned = 1;
	b->in.nodeid = 3;
	fence(b);
	b->in.now_ns += 2 * S;
	assert_null(fence(b));
	b->in.now_ns += 20 * S;
	assert_non_null(fence(b));
}

static void lag_below_a_second_is_none_above_rounded_to_powers_of_two(void **state)
{
	assert_int_equal(policy_lag(0), 0);
	assert_int_equal(policy_lag(1023), 0);
	assert_int_equal(policy_lag(1024), 1024);
	assert_int_equal(policy_lag(5000), 4096);
	assert_true(policy_lag(UINT64_MAX) == 1ULL << 63);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(not_started_has_no_score),
		cmocka_unit_test(silent_syncd_has_no_score),
		cmocka_unit_test(primary_has_the_highest_score),
		cmocka_unit_test(held_is_as_good_as_a_copy),
		cmocka_unit_test(the_host_that_a_guest_leaves_says_so_when_that_is_over),
		cmocka_unit_test(the_host_that_a_guest_comes_to_says_so_when_that_is_over),
		cmocka_unit_test(what_the_cluster_manager_moves_has_its_scores_at_once),
		cmocka_unit_test(a_red_host_that_a_guest_leaves_gets_no_better_score),
		cmocka_unit_test(a_move_that_takes_long_changes_scores),
		cmocka_unit_test(a_move_changes_nothing_about_what_is_lost),
		cmocka_unit_test(standby_keeps_its_score_without_a_link),
		cmocka_unit_test(a_host_that_is_gone_changes_no_score),
		cmocka_unit_test(cold_score_when_the_peer_says_none),
		cmocka_unit_test(cold_score_is_lower_on_the_higher_node),
		cmocka_unit_test(cold_score_when_the_peer_is_proven_off),
		cmocka_unit_test(no_cold_score_while_a_host_is_unknown),
		cmocka_unit_test(no_cold_score_while_anybody_has_anything),
		cmocka_unit_test(red_yields_to_a_green_linked_standby),
		cmocka_unit_test(red_changes_nothing_without_one),
		cmocka_unit_test(red_never_deletes_nor_raises),
		cmocka_unit_test(an_unprotected_guest_is_protected_by_the_host_that_waits),
		cmocka_unit_test(protection_needs_an_unprotected_owner),
		cmocka_unit_test(protection_needs_exactly_one_host_that_waits),
		cmocka_unit_test(protection_is_never_asked_for_twice_at_once),
		cmocka_unit_test(protection_is_tried_again_ever_slower),
		cmocka_unit_test(a_silent_standby_is_fenced_after_fence_after),
		cmocka_unit_test(a_lacking_proof_leaves_pacemaker_time),
		cmocka_unit_test(a_need_that_went_away_starts_anew),
		cmocka_unit_test(fencing_is_wanted_as_long_as_it_is_needed),
		cmocka_unit_test(a_host_proven_off_is_not_fenced),
		cmocka_unit_test(a_host_that_just_came_gets_its_time),
		cmocka_unit_test(nobody_is_fenced_when_that_would_be_no_proof),
		cmocka_unit_test(without_quorum_nobody_is_fenced),
		cmocka_unit_test(a_peer_nobody_knows_is_not_fenced),
		cmocka_unit_test(who_owns_less_shoots_second),
		cmocka_unit_test(of_equals_the_lower_node_shoots_first),
		cmocka_unit_test(lag_below_a_second_is_none_above_rounded_to_powers_of_two),
	};

	return cmocka_run_group_tests_name("agent_policy", tests, NULL, NULL);
}
