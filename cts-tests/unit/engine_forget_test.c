/* SPDX-License-Identifier: GPL-2.0-only */
/* What an operator has forgotten, and what is not forgotten all the same. */
#include "engine_env.h"

#define FORGET(h, ...) EVENT(h, .type = ENGINE_EV_FORGET, .incarnation = 9, __VA_ARGS__)

/* a's guest goes on without a link to b's copy, which is parked. */
static void park(void)
{
	cut();
	EVENT(&b, .type = ENGINE_EV_STOP);
	assert_int_equal(result(&b), ENGINE_RES_PARKED);
}

static void forgotten(const struct host *h)
{
	assert_int_equal(result(h), ENGINE_RES_OK);
	assert_non_null(did(h, ENGINE_ACT_DROP_COPY));
	assert_int_equal(h->record.role, ENGINE_NONE); /* before that */
	assert_int_equal(h->records, 1);
}

static void a_parked_copy_goes_when_the_peer_says_that_it_runs_the_guest(void **state)
{
	park();
	FORGET(&b, .request = 5);
	assert_null(did(&b, ENGINE_ACT_RESULT));
	assert_int_equal(engine_role(&b.e), ENGINE_COPY);
	deliver(&b, &a, ENGINE_MSG_CLAIM);
	deliver(&a, &b, ENGINE_MSG_STATE);
	forgotten(&b);
	assert_int_equal(did(&b, ENGINE_ACT_RESULT)->request, 5);
}

static void a_copy_stays_when_nobody_answers(void **state)
{
	park();
	FORGET(&b);
	tick(&b, 20);
	assert_non_null(said(&b, ENGINE_MSG_CLAIM));
	tick(&b, HANDOVER);
	assert_int_equal(result(&b), ENGINE_RES_LAST_COPY);
	assert_int_equal(engine_role(&b.e), ENGINE_COPY);
}

static void a_copy_stays_when_the_peer_has_nothing(void **state)
{
	park();
	begin(&a, 1);
	FORGET(&b);
	deliver(&b, &a, ENGINE_MSG_CLAIM);
	deliver(&a, &b, ENGINE_MSG_VOID);
	assert_int_equal(result(&b), ENGINE_RES_LAST_COPY);
	assert_int_equal(engine_role(&b.e), ENGINE_COPY);
}

static void a_copy_stays_when_the_peer_only_holds_the_guest(void **state)
{
	park();
	EVENT(&a, .type = ENGINE_EV_DEMOTE);
	FORGET(&b);
	deliver(&b, &a, ENGINE_MSG_CLAIM);
	deliver(&a, &b, ENGINE_MSG_STATE);
	assert_int_equal(result(&b), ENGINE_RES_LAST_COPY);
	assert_int_equal(engine_role(&b.e), ENGINE_COPY);
}

static void an_answer_to_an_older_question_forgets_nothing(void **state)
{
	struct engine_message old;

	park();
	FORGET(&b);
	deliver(&b, &a, ENGINE_MSG_CLAIM);
	old = *said(&a, ENGINE_MSG_STATE);
	tick(&b, HANDOVER);
	FORGET(&b);
	EVENT(&b, .type = ENGINE_EV_MSG, .msg = old);
	assert_int_equal(engine_role(&b.e), ENGINE_COPY);
	assert_null(did(&b, ENGINE_ACT_RESULT));
}

static void the_operators_word_drops_the_last_copy(void **state)
{
	park();
	FORGET(&b, .flag = true);
	forgotten(&b);
	assert_null(said(&b, ENGINE_MSG_CLAIM));
}

/* Whoever granted, or asked, and was not answered may have the last one. */
static void a_copy_with_an_open_question_is_not_asked_about(void **state)
{
	cut();
	EVENT(&b, .type = ENGINE_EV_PROMOTE, .incarnation = 8);
	EVENT(&b, .type = ENGINE_EV_DEMOTE); /* ends the command, not the question */
	FORGET(&b);
	assert_int_equal(result(&b), ENGINE_RES_LAST_COPY);
	FORGET(&b, .flag = true);
	forgotten(&b);
}

static void a_copy_that_follows_its_owner_is_not_forgotten(void **state)
{
	FORGET(&b, .flag = true);
	assert_int_equal(result(&b), ENGINE_RES_STATE);
	assert_int_equal(engine_role(&b.e), ENGINE_COPY);
}

static void a_link_that_comes_back_keeps_the_copy(void **state)
{
	park();
	FORGET(&b);
	connect_hosts();
	assert_int_equal(engine_role(&b.e), ENGINE_COPY);
	assert_int_equal(result(&b), ENGINE_RES_STATE);
}

static void a_running_guest_is_not_forgotten(void **state)
{
	FORGET(&a, .flag = true);
	assert_int_equal(result(&a), ENGINE_RES_STATE);
	assert_true(engine_may_run(&a.e));
}

static void a_held_guest_is_forgotten_at_the_operators_word_once_its_disks_are_quiet(void **state)
{
	cut();
	EVENT(&a, .type = ENGINE_EV_DEMOTE);
	FORGET(&a);
	assert_int_equal(result(&a), ENGINE_RES_LAST_COPY);
	FORGET(&a, .flag = true);
	assert_int_equal(result(&a), ENGINE_RES_BUSY);
	assert_int_equal(engine_role(&a.e), ENGINE_HELD);
	EVENT(&a, .type = ENGINE_EV_QUIESCED);
	FORGET(&a, .flag = true);
	forgotten(&a);
	assert_non_null(did(&a, ENGINE_ACT_HOLD));
}

static void outputs_that_leave_a_held_guest_are_waited_for_again(void **state)
{
	cut();
	EVENT(&a, .type = ENGINE_EV_DEMOTE);
	EVENT(&a, .type = ENGINE_EV_QUIESCED);
	EVENT(&a, .type = ENGINE_EV_FENCED, .peer_boot = b.cfg.boot);
	assert_non_null(did(&a, ENGINE_ACT_RELEASE));
	assert_non_null(did(&a, ENGINE_ACT_QUIESCE));
	FORGET(&a, .flag = true);
	assert_int_equal(result(&a), ENGINE_RES_BUSY);
	EVENT(&a, .type = ENGINE_EV_QUIESCED);
	FORGET(&a, .flag = true);
	forgotten(&a);
}

static void without_a_held_guest_the_copy_runs(void **state)
{
	cut();
	EVENT(&a, .type = ENGINE_EV_DEMOTE);
	EVENT(&a, .type = ENGINE_EV_QUIESCED);
	FORGET(&a, .flag = true);
	forgotten(&a);
	EVENT(&b, .type = ENGINE_EV_PROMOTE, .incarnation = 8);
	deliver(&b, &a, ENGINE_MSG_REQUEST);
	deliver(&a, &b, ENGINE_MSG_VOID);
	assert_true(engine_may_run(&b.e));
}

/* The owner forgot its guest while that was copied: what of it is still on its way must not become a copy. */
static void who_says_none_to_a_claim_takes_no_epoch_that_comes_after(void **state)
{
	struct engine_action c;
	uint64_t session;

	EVENT(&a, .type = ENGINE_EV_PROTECT);
	connect_hosts();
	session = a.e.session;
	EVENT(&b, .type = ENGINE_EV_BULK_BEGIN, .session = session);
	EVENT(&a, .type = ENGINE_EV_BULK_DONE);
	c = *did(&a, ENGINE_ACT_CAPTURE);
	EVENT(&a, .type = ENGINE_EV_CAPTURED, .epoch = c.epoch, .pages = 1);
	EVENT(&a, .type = ENGINE_EV_DEMOTE);
	EVENT(&a, .type = ENGINE_EV_QUIESCED);
	FORGET(&a, .flag = true);
	assert_int_equal(engine_role(&a.e), ENGINE_NONE);
	EVENT(&a, .type = ENGINE_EV_PROMOTE, .incarnation = 8);
	deliver(&a, &b, ENGINE_MSG_CLAIM);
	assert_non_null(said(&b, ENGINE_MSG_VOID));
	assert_non_null(did(&b, ENGINE_ACT_DROP_LINK));
	EVENT(&b, .type = ENGINE_EV_EPOCH_STAGED, .g = c.g, .session = session, .epoch = c.epoch,
	      .base = c.base);
	assert_int_equal(engine_role(&b.e), ENGINE_NONE);
}

static void of_nothing_nothing_is_left(void **state)
{
	FORGET(&b);
	assert_int_equal(result(&b), ENGINE_RES_OK);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		PAIR(a_parked_copy_goes_when_the_peer_says_that_it_runs_the_guest),
		PAIR(a_copy_stays_when_nobody_answers),
		PAIR(a_copy_stays_when_the_peer_has_nothing),
		PAIR(a_copy_stays_when_the_peer_only_holds_the_guest),
		PAIR(an_answer_to_an_older_question_forgets_nothing),
		PAIR(the_operators_word_drops_the_last_copy),
		PAIR(a_copy_with_an_open_question_is_not_asked_about),
		PAIR(a_copy_that_follows_its_owner_is_not_forgotten),
		PAIR(a_link_that_comes_back_keeps_the_copy),
		PAIR(a_running_guest_is_not_forgotten),
		PAIR(a_held_guest_is_forgotten_at_the_operators_word_once_its_disks_are_quiet),
		PAIR(outputs_that_leave_a_held_guest_are_waited_for_again),
		PAIR(without_a_held_guest_the_copy_runs),
		ALONE(who_says_none_to_a_claim_takes_no_epoch_that_comes_after),
		ALONE(of_nothing_nothing_is_left),
	};

	return cmocka_run_group_tests_name("engine: forget", tests, NULL, NULL);
}
