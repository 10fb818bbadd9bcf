/* SPDX-License-Identifier: GPL-2.0-only */
/* Demoted, with a copy that follows: the guest works on while the cluster manager is on its way to the other
 * host. */
#include "engine_env.h"

static void yield(void)
{
	EVENT(&a, .type = ENGINE_EV_DEMOTE, .flag = true);
	assert_int_equal(result(&a), ENGINE_RES_OK);
}

static void who_yields_runs_until_the_copy_asks(void **state)
{
	yield();
	assert_true(engine_may_run(&a.e));
	assert_null(did(&a, ENGINE_ACT_STOP_GUEST));
	EVENT(&a, .type = ENGINE_EV_OUTPUT_HELD, .flag = true);
	send_epoch();
	deliver(&b, &a, ENGINE_MSG_ACK);
	assert_non_null(did(&a, ENGINE_ACT_RELEASE));

	b_asks(ENGINE_MSG_REQUEST);
	assert_non_null(did(&a, ENGINE_ACT_STOP_GUEST));
	EVENT(&a, .type = ENGINE_EV_QUIESCED);
	assert_true(did(&a, ENGINE_ACT_CAPTURE)->final);
	send_epoch();
	deliver(&b, &a, ENGINE_MSG_ACK);
	EVENT(&a, .type = ENGINE_EV_QUIESCED); /* again: outputs have left */
	deliver(&a, &b, ENGINE_MSG_GRANT);
	assert_int_equal(result(&b), ENGINE_RES_OK);
	assert_true(engine_may_run(&b.e));
}

static void who_yields_and_is_not_asked_is_held(void **state)
{
	yield();
	tick(&a, YIELD / 2);
	yield(); /* again: its time does not begin anew */
	tick(&a, YIELD / 2 - 1);
	assert_true(engine_may_run(&a.e));
	tick(&a, 1);
	assert_int_equal(engine_role(&a.e), ENGINE_HELD);
	assert_non_null(did(&a, ENGINE_ACT_STOP_GUEST));
}

static void who_yields_and_is_promoted_stays(void **state)
{
	yield();
	EVENT(&a, .type = ENGINE_EV_PROMOTE);
	assert_int_equal(result(&a), ENGINE_RES_OK);
	assert_null(did(&a, ENGINE_ACT_RUN)); /* it never stopped */
	tick(&a, YIELD);
	assert_true(engine_may_run(&a.e));
	b_asks(ENGINE_MSG_REQUEST);
	deliver(&a, &b, ENGINE_MSG_STATE);
	assert_int_equal(result(&b), ENGINE_RES_PEER_OWNS);
}

static void who_yields_and_is_stopped_shuts_down_in_peace(void **state)
{
	yield();
	EVENT(&a, .type = ENGINE_EV_UNPROTECT); /* its standby is stopped, too, and asks to be let go */
	deliver(&a, &b, ENGINE_MSG_OUTDATE);
	deliver(&b, &a, ENGINE_MSG_OUTDATED);
	EVENT(&a, .type = ENGINE_EV_STOP);
	assert_int_equal(result(&a), ENGINE_RES_SHUTDOWN);
	tick(&a, YIELD);
	assert_true(engine_may_run(&a.e));
}

/* Before its own outdate_after, which may be shorter. */
static void the_copy_of_who_yields_is_not_outdated(void **state)
{
	yield();
	cut();
	tick(&a, OUTDATE_AFTER);
	assert_null(said(&a, ENGINE_MSG_OUTDATE));
	b_asks(ENGINE_MSG_REQUEST);
	EVENT(&a, .type = ENGINE_EV_QUIESCED);
	deliver(&a, &b, ENGINE_MSG_GRANT);
	assert_true(engine_may_run(&b.e));
}

/* What asks for more than its copy has, as for a guest that is held. */
static void of_who_yields_its_peer_waits_for_the_copy(void **state)
{
	struct engine_peer said;

	yield();
	assert_true(engine_say_state(&a.e, &said));
	assert_int_equal(said.role, ENGINE_HELD);
	EVENT(&b, .type = ENGINE_EV_COPY_LOST);
	b_asks(ENGINE_MSG_CLAIM);
	deliver(&a, &b, ENGINE_MSG_STATE);
	assert_int_equal(result(&b), ENGINE_RES_PEER_HOLDS);
}

static void who_reboots_yields_to_nobody_any_more(void **state)
{
	yield();
	EVENT(&a, .type = ENGINE_EV_GUEST_DEAD, .incarnation = 9);
	assert_false(engine_yields(&a.e));
	tick(&a, YIELD);
	assert_int_equal(engine_role(&a.e), ENGINE_OWNER);
}

/* Its standby leaves meanwhile, and its word is waited for. */
static void who_yields_and_is_promoted_waits_for_no_other_command(void **state)
{
	yield();
	EVENT(&a, .type = ENGINE_EV_UNPROTECT);
	EVENT(&a, .type = ENGINE_EV_PROMOTE);
	assert_int_equal(result(&a), ENGINE_RES_OK);
	tick(&a, YIELD);
	assert_int_equal(engine_role(&a.e), ENGINE_OWNER);
}

static void nobody_yields_to_a_copy_that_does_not_follow(void **state)
{
	cut();
	yield();
	assert_int_equal(engine_role(&a.e), ENGINE_HELD);
}

/* A REQUEST for something that is not the copy of here stops nothing. */
static void who_yields_does_so_to_its_own_copy_only(void **state)
{
	struct engine_message m;

	EVENT(&b, .type = ENGINE_EV_PROMOTE, .incarnation = 8);
	m = *said(&b, ENGINE_MSG_REQUEST);
	m.g++;
	yield();
	EVENT(&a, .type = ENGINE_EV_MSG, .msg = m);
	assert_non_null(said(&a, ENGINE_MSG_STATE));
	assert_true(engine_may_run(&a.e));
}

/* Both hosts stop at once: neither may hand it to the other. */
static void who_stops_hands_nothing_to_a_standby_that_leaves(void **state)
{
	struct engine_message outdate;

	EVENT(&a, .type = ENGINE_EV_STOP, .request = 1);
	assert_non_null(did(&a, ENGINE_ACT_STOP_GUEST));
	EVENT(&a, .type = ENGINE_EV_UNPROTECT, .request = 2, .flag = true);
	assert_int_equal(result(&a), ENGINE_RES_BUSY);
	outdate = *said(&a, ENGINE_MSG_OUTDATE);
	EVENT(&a, .type = ENGINE_EV_UNPROTECT, .request = 3, .flag = true); /* it says so until we let go */
	EVENT(&a, .type = ENGINE_EV_QUIESCED);
	assert_null(said(&a, ENGINE_MSG_GRANT));
	assert_false(engine_may_run(&a.e));

	EVENT(&b, .type = ENGINE_EV_MSG, .msg = outdate);
	deliver(&b, &a, ENGINE_MSG_OUTDATED);
	assert_int_equal(result(&a), ENGINE_RES_SHUTDOWN);
	assert_int_equal(did(&a, ENGINE_ACT_RESULT)->request, 1);
	assert_true(engine_may_run(&a.e));
	assert_int_equal(engine_role(&b.e), ENGINE_NONE);
	connect_hosts();
	assert_null(did(&a, ENGINE_ACT_START_BULK));
}

/* An operator's word waits: the guest is worth more elsewhere than stopped. */
static void who_stops_is_not_kept_from_handing_over_by_an_operator(void **state)
{
	EVENT(&a, .type = ENGINE_EV_STOP, .request = 1);
	EVENT(&a, .type = ENGINE_EV_UNPROTECT, .request = 2);
	assert_int_equal(result(&a), ENGINE_RES_BUSY);
	assert_null(said(&a, ENGINE_MSG_OUTDATE));
}

static void who_yields_and_is_restarted_is_held(void **state)
{
	yield();
	restart(&a);
	assert_int_equal(engine_role(&a.e), ENGINE_HELD);
	assert_non_null(did(&a, ENGINE_ACT_STOP_GUEST));
	assert_null(did(&a, ENGINE_ACT_RUN));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		PAIR(who_yields_runs_until_the_copy_asks),
		PAIR(who_yields_and_is_not_asked_is_held),
		PAIR(who_yields_and_is_promoted_stays),
		PAIR(who_yields_and_is_stopped_shuts_down_in_peace),
		PAIR(the_copy_of_who_yields_is_not_outdated),
		PAIR(of_who_yields_its_peer_waits_for_the_copy),
		PAIR(who_reboots_yields_to_nobody_any_more),
		PAIR(who_yields_and_is_promoted_waits_for_no_other_command),
		PAIR(nobody_yields_to_a_copy_that_does_not_follow),
		PAIR(who_yields_does_so_to_its_own_copy_only),
		PAIR(who_stops_hands_nothing_to_a_standby_that_leaves),
		PAIR(who_stops_is_not_kept_from_handing_over_by_an_operator),
		PAIR(who_yields_and_is_restarted_is_held),
	};

	return cmocka_run_group_tests_name("engine: yield", tests, NULL, NULL);
}
