/* SPDX-License-Identifier: GPL-2.0-only */
/* The engine by example. */
#include <errno.h>

#include "engine_env.h"

/* ---- protection ---- */

static void outputs_are_free_until_the_first_epoch_is_taken(void **state)
{
	assert_false(engine_must_hold(&a.e));
	EVENT(&a, .type = ENGINE_EV_PROTECT);
	connect_hosts();
	EVENT(&b, .type = ENGINE_EV_BULK_BEGIN, .session = a.e.session);
	assert_false(engine_must_hold(&a.e));
	EVENT(&a, .type = ENGINE_EV_BULK_DONE);
	assert_non_null(did(&a, ENGINE_ACT_CAPTURE));
	assert_true(engine_must_hold(&a.e));
	assert_int_equal(engine_protection(&a.e), ENGINE_SYNCING);
	send_epoch();
	deliver(&b, &a, ENGINE_MSG_ACK);
	assert_int_equal(engine_protection(&a.e), ENGINE_PROTECTED);
}

static void an_output_leaves_with_the_ack_of_its_epoch(void **state)
{
	uint64_t stamp = engine_open_epoch(&a.e);

	EVENT(&a, .type = ENGINE_EV_OUTPUT_HELD, .flag = true);
	assert_int_equal(did(&a, ENGINE_ACT_CAPTURE)->epoch, stamp);
	send_epoch();
	assert_null(did(&a, ENGINE_ACT_RELEASE));
	deliver(&b, &a, ENGINE_MSG_ACK);
	assert_int_equal(did(&a, ENGINE_ACT_RELEASE)->epoch, stamp);
}

static void a_write_that_was_answered_waits_for_company(void **state)
{
	tick(&a, 100); /* also long after the last epoch */
	EVENT(&a, .type = ENGINE_EV_WRITE_OWED);
	tick(&a, 9);
	EVENT(&a, .type = ENGINE_EV_WRITE_OWED);
	assert_null(did(&a, ENGINE_ACT_CAPTURE));
	tick(&a, 1);
	assert_non_null(did(&a, ENGINE_ACT_CAPTURE));
}

static void only_what_waits_stops_a_tapped_guest(void **state)
{
	assert_false(engine_stops_guest(&a.e));
	EVENT(&a, .type = ENGINE_EV_WRITE_OWED);
	assert_false(engine_stops_guest(&a.e));
	EVENT(&a, .type = ENGINE_EV_OUTPUT_HELD, .flag = true);
	assert_true(engine_stops_guest(&a.e));
	assert_false(engine_stops_guest(&b.e));
	EVENT(&a, .type = ENGINE_EV_CAPTURE_FAILED, .epoch = did(&a, ENGINE_ACT_CAPTURE)->epoch);
	assert_false(engine_stops_guest(&a.e));
}

static void an_output_does_not_wait_with_it(void **state)
{
	EVENT(&a, .type = ENGINE_EV_WRITE_OWED);
	assert_null(did(&a, ENGINE_ACT_CAPTURE));
	EVENT(&a, .type = ENGINE_EV_OUTPUT_HELD, .flag = true);
	assert_non_null(did(&a, ENGINE_ACT_CAPTURE));
}

static void nor_one_that_there_is_hardly_room_for(void **state)
{
	EVENT(&a, .type = ENGINE_EV_WRITE_OWED, .flag = true);
	assert_non_null(did(&a, ENGINE_ACT_CAPTURE));
}

static void the_epoch_of_an_idle_guest_is_longer(void **state)
{
	EVENT(&a, .type = ENGINE_EV_DIRTY, .pages = 40, .flag = true);
	tick(&a, 499);
	assert_null(did(&a, ENGINE_ACT_CAPTURE));
	tick(&a, 1);
	assert_non_null(did(&a, ENGINE_ACT_CAPTURE));
}

static void much_new_memory_ends_the_idle_epoch(void **state)
{
	EVENT(&a, .type = ENGINE_EV_DIRTY, .pages = 40, .flag = true);
	tick(&a, 200);
	EVENT(&a, .type = ENGINE_EV_DIRTY, .pages = 4000, .flag = true);
	assert_non_null(did(&a, ENGINE_ACT_CAPTURE));
}

/* So many outputs until an ack, ten times; ends with one that waits. */
static void storm(unsigned int at_a_time)
{
	for (unsigned int i = 0; i < 10; i++) {
		for (unsigned int k = 0; k < at_a_time; k++) {
			now += 10;
			EVENT(&a, .type = ENGINE_EV_OUTPUT_HELD, .flag = true);
			now += 5;
			send_epoch();
		}
		deliver(&b, &a, ENGINE_MSG_ACK);
	}
	now += 10;
	EVENT(&a, .type = ENGINE_EV_OUTPUT_HELD);
}

static void one_request_after_the_other_waits_for_none(void **state)
{
	storm(1);
	assert_non_null(did(&a, ENGINE_ACT_CAPTURE));
}

static void outputs_of_a_storm_share_an_epoch(void **state)
{
	storm(2);
	assert_null(did(&a, ENGINE_ACT_CAPTURE));
	assert_true(did(&a, ENGINE_ACT_SET_TIMER)->deadline > now);
	tick(&a, 50);
	assert_non_null(did(&a, ENGINE_ACT_CAPTURE));
}

static void an_urgent_one_ends_the_waiting(void **state)
{
	storm(2);
	assert_null(did(&a, ENGINE_ACT_CAPTURE));
	EVENT(&a, .type = ENGINE_EV_OUTPUT_HELD, .flag = true);
	assert_non_null(did(&a, ENGINE_ACT_CAPTURE));
}

static void an_ack_of_another_session_is_dropped(void **state)
{
	struct engine_message m;

	EVENT(&a, .type = ENGINE_EV_OUTPUT_HELD, .flag = true);
	send_epoch();
	m = *said(&b, ENGINE_MSG_ACK);
	m.session--;
	EVENT(&a, .type = ENGINE_EV_MSG, .msg = m);
	assert_null(did(&a, ENGINE_ACT_RELEASE));
	assert_int_equal(engine_counters(&a.e)->dropped, 1);
}

static void an_epoch_on_another_base_is_not_taken(void **state)
{
	EVENT(&b, .type = ENGINE_EV_EPOCH_STAGED, .g = b.record.g, .session = b.e.session, .epoch = 9,
	      .base = 8);
	assert_null(said(&b, ENGINE_MSG_ACK));
	assert_int_equal(engine_committed(&b.e), 1);
}

static void nothing_is_done_before_the_record_is_stored(void **state)
{
	struct engine_event demote = { .type = ENGINE_EV_DEMOTE, .now = now };
	struct engine_event ev = { .type = ENGINE_EV_PERSISTED, .now = now };
	struct engine_actions list;

	assert_int_equal(engine_handle(&a.e, &demote, &list), 0);
	assert_int_equal(list.nr, 1);
	assert_int_equal(list.a[0].type, ENGINE_ACT_PERSIST);
	assert_int_equal(list.persist.role, ENGINE_HELD);
	assert_false(engine_may_run(&a.e));
	ev.seq = list.persist.seq;
	assert_int_equal(engine_handle(&a.e, &demote, &list), -EBUSY);
	assert_int_equal(list.nr, 0);
	assert_int_equal(engine_handle(&a.e, &ev, &list), 0);
	carry_out(&a, &list);
	assert_non_null(did(&a, ENGINE_ACT_STOP_GUEST));
}

static void without_a_link_outputs_wait_for_the_peers_none(void **state)
{
	cut();
	assert_true(engine_must_hold(&a.e));
	tick(&a, OUTDATE_AFTER - 1);
	assert_null(said(&a, ENGINE_MSG_OUTDATE));
	tick(&a, 1);
	deliver(&a, &b, ENGINE_MSG_OUTDATE);
	assert_non_null(did(&b, ENGINE_ACT_DROP_COPY));
	assert_true(engine_must_hold(&a.e));
	deliver(&b, &a, ENGINE_MSG_OUTDATED);
	assert_non_null(did(&a, ENGINE_ACT_RELEASE));
	assert_false(engine_must_hold(&a.e));
}

static void a_silent_peer_has_to_be_fenced(void **state)
{
	cut();
	tick(&a, OUTDATE_AFTER);
	tick(&a, FENCE_AFTER);
	assert_int_equal(engine_protection(&a.e), ENGINE_BLOCKED);
	assert_true(engine_must_hold(&a.e));
	EVENT(&a, .type = ENGINE_EV_FENCED, .peer_boot = b.cfg.boot);
	assert_non_null(did(&a, ENGINE_ACT_RELEASE));
	assert_false(engine_must_hold(&a.e));
}

static void a_capture_begun_before_the_link_was_lost_does_not_count(void **state)
{
	uint64_t epoch;

	EVENT(&a, .type = ENGINE_EV_OUTPUT_HELD, .flag = true);
	epoch = did(&a, ENGINE_ACT_CAPTURE)->epoch;
	cut();
	connect_hosts();
	EVENT(&a, .type = ENGINE_EV_CAPTURED, .epoch = epoch, .pages = 1);
	assert_null(did(&a, ENGINE_ACT_SEND));
	tick(&a, 1);
	assert_int_equal(did(&a, ENGINE_ACT_CAPTURE)->base, 1);
}

static void a_large_delta_after_the_first_epoch_is_no_word_of_the_peer(void **state)
{
	EVENT(&a, .type = ENGINE_EV_PROTECT);
	connect_hosts();
	EVENT(&b, .type = ENGINE_EV_BULK_BEGIN, .session = a.e.session);
	EVENT(&a, .type = ENGINE_EV_BULK_DONE);
	send_epoch(); /* b has it; its ack is under way */
	EVENT(&a, .type = ENGINE_EV_OUTPUT_HELD, .flag = true);
	EVENT(&a, .type = ENGINE_EV_CAPTURED, .epoch = did(&a, ENGINE_ACT_CAPTURE)->epoch, .pages = 10001);
	assert_null(did(&a, ENGINE_ACT_RELEASE));
	assert_non_null(said(&a, ENGINE_MSG_OUTDATE));
	assert_true(engine_must_hold(&a.e));
}

/* Rule 11. */
static void a_bulk_copy_never_begins_over_a_copy(void **state)
{
	EVENT(&b, .type = ENGINE_EV_BULK_BEGIN, .session = b.e.session);
	assert_non_null(did(&b, ENGINE_ACT_DROP_LINK));
	EVENT(&b, .type = ENGINE_EV_EPOCH_STAGED, .g = b.record.g, .session = a.e.session, .epoch = 7);
	assert_null(said(&b, ENGINE_MSG_ACK));
	assert_int_equal(engine_role(&b.e), ENGINE_COPY);
	assert_int_equal(engine_committed(&b.e), 1);
}

/* Rule 5: a ring that delivers to its sender, too, and nobody else. */
static void an_own_message_that_comes_back_counts_for_nothing(void **state)
{
	struct engine_message m;

	cut();
	tick(&a, OUTDATE_AFTER);
	m = *said(&a, ENGINE_MSG_OUTDATE);
	EVENT(&a, .type = ENGINE_EV_MSG, .msg = m);
	m.type = ENGINE_MSG_OUTDATED;
	EVENT(&a, .type = ENGINE_EV_MSG, .msg = m);
	assert_null(did(&a, ENGINE_ACT_RELEASE));
	assert_true(engine_must_hold(&a.e));
	m.node = b.cfg.node;
	EVENT(&a, .type = ENGINE_EV_MSG, .msg = m);
	assert_false(engine_must_hold(&a.e));
}

static void a_message_about_another_vm_is_dropped(void **state)
{
	struct engine_message m;

	cut();
	tick(&a, OUTDATE_AFTER);
	m = *said(&a, ENGINE_MSG_OUTDATE);
	m.uuid[0]++;
	EVENT(&b, .type = ENGINE_EV_MSG, .msg = m);
	assert_int_equal(b.nr, 0);
	assert_int_equal(engine_role(&b.e), ENGINE_COPY);
	assert_int_equal(engine_counters(&b.e)->dropped, 1);
}

/* Rule 22: it may be on its way while the peer drops what it acknowledged. */
static void an_ack_that_comes_after_outdate_frees_nothing(void **state)
{
	struct engine_message m;

	EVENT(&a, .type = ENGINE_EV_OUTPUT_HELD, .flag = true);
	send_epoch();
	m = *said(&b, ENGINE_MSG_ACK);
	cut();
	tick(&a, OUTDATE_AFTER);
	connect_hosts();
	m.session = a.e.session;
	EVENT(&a, .type = ENGINE_EV_MSG, .msg = m);
	assert_null(did(&a, ENGINE_ACT_RELEASE));
	assert_true(engine_must_hold(&a.e));
}

/* ---- promotion ---- */

static void promote_alone_is_no_proof(void **state)
{
	cut();
	EVENT(&b, .type = ENGINE_EV_PROMOTE, .incarnation = 8);
	assert_null(did(&b, ENGINE_ACT_RUN));
	assert_non_null(said(&b, ENGINE_MSG_REQUEST));
	tick(&b, HANDOVER);
	assert_int_equal(result(&b), ENGINE_RES_NO_PROOF);
	assert_int_equal(engine_role(&b.e), ENGINE_COPY);
}

static void after_a_power_cut_the_copy_runs_once_the_host_is_off(void **state)
{
	EVENT(&b, .type = ENGINE_EV_LINK_DOWN);
	EVENT(&b, .type = ENGINE_EV_PROMOTE, .incarnation = 8);
	assert_null(did(&b, ENGINE_ACT_RUN));
	EVENT(&b, .type = ENGINE_EV_FENCED, .peer_boot = a.cfg.boot);
	assert_int_equal(did(&b, ENGINE_ACT_RUN)->epoch, 1);
	assert_int_equal(result(&b), ENGINE_RES_OK);
	assert_int_equal(b.record.role, ENGINE_OWNER);
	assert_false(engine_must_hold(&b.e));
}

/* Rule 21. */
static void who_asked_goes_on_taking_epochs_until_it_has_the_proof(void **state)
{
	struct engine_event late = {
		.type = ENGINE_EV_EPOCH_STAGED, .g = b.record.g, .session = b.e.session, .epoch = 3, .base = 2
	};

	EVENT(&b, .type = ENGINE_EV_PROMOTE, .incarnation = 8);
	EVENT(&a, .type = ENGINE_EV_OUTPUT_HELD, .flag = true);
	send_epoch();
	assert_int_equal(said(&b, ENGINE_MSG_ACK)->epoch, 2);
	EVENT(&b, .type = ENGINE_EV_LINK_DOWN);
	EVENT(&b, .type = ENGINE_EV_FENCED, .peer_boot = a.cfg.boot);
	assert_int_equal(did(&b, ENGINE_ACT_RUN)->epoch, 2);
	hand(&b, late);
	assert_null(said(&b, ENGINE_MSG_ACK));
	assert_int_equal(engine_role(&b.e), ENGINE_OWNER);
}

static void an_epoch_of_a_session_that_ended_is_not_taken(void **state)
{
	struct engine_event late = {
		.type = ENGINE_EV_EPOCH_STAGED, .g = b.record.g, .session = b.e.session, .epoch = 2, .base = 1
	};

	EVENT(&b, .type = ENGINE_EV_LINK_DOWN);
	hand(&b, late);
	assert_null(said(&b, ENGINE_MSG_ACK));
	assert_int_equal(engine_committed(&b.e), 1);
}

static void an_owner_refuses_and_never_grants_that_question_later(void **state)
{
	struct engine_message request;

	EVENT(&b, .type = ENGINE_EV_PROMOTE, .incarnation = 8);
	request = *said(&b, ENGINE_MSG_REQUEST);
	EVENT(&b, .type = ENGINE_EV_STOP); /* asked and not answered */
	assert_int_equal(result(&b), ENGINE_RES_BUSY);
	EVENT(&a, .type = ENGINE_EV_MSG, .msg = request);
	deliver(&a, &b, ENGINE_MSG_STATE);
	assert_int_equal(result(&b), ENGINE_RES_PEER_OWNS);
	EVENT(&b, .type = ENGINE_EV_STOP);
	assert_int_equal(result(&b), ENGINE_RES_OK);
	assert_int_equal(engine_role(&b.e), ENGINE_NONE);

	EVENT(&a, .type = ENGINE_EV_LINK_DOWN);
	EVENT(&a, .type = ENGINE_EV_DEMOTE);
	restart(&a);
	EVENT(&a, .type = ENGINE_EV_QUIESCED);
	EVENT(&a, .type = ENGINE_EV_MSG, .msg = request);
	assert_null(said(&a, ENGINE_MSG_GRANT));
	assert_int_equal(engine_role(&a.e), ENGINE_HELD);
}

/* The record is that of nothing, and its questions are not those that were refused. */
static void who_is_made_anew_asks_new_questions(void **state)
{
	b_asks(ENGINE_MSG_REQUEST);
	EVENT(&a, .type = ENGINE_EV_UNPROTECT);
	deliver(&a, &b, ENGINE_MSG_OUTDATE);
	deliver(&b, &a, ENGINE_MSG_OUTDATED);
	b.cfg.nonce = 32;
	assert_int_equal(engine_init(&b.e, &b.cfg), 0);
	protect();
	EVENT(&a, .type = ENGINE_EV_DEMOTE);
	EVENT(&a, .type = ENGINE_EV_QUIESCED);
	send_epoch();
	deliver(&b, &a, ENGINE_MSG_ACK);
	EVENT(&a, .type = ENGINE_EV_QUIESCED);
	b_asks(ENGINE_MSG_REQUEST);
	deliver(&a, &b, ENGINE_MSG_GRANT);
	assert_int_equal(result(&b), ENGINE_RES_OK);
}

static void who_asked_and_heard_nothing_keeps_its_copy(void **state)
{
	EVENT(&b, .type = ENGINE_EV_PROMOTE, .incarnation = 8);
	tick(&b, HANDOVER);
	EVENT(&b, .type = ENGINE_EV_STOP);
	assert_int_equal(result(&b), ENGINE_RES_PARKED);
	assert_int_equal(engine_role(&b.e), ENGINE_COPY);
}

static void a_cold_boot_needs_the_peers_none(void **state)
{
	begin(&a, 1);
	EVENT(&b, .type = ENGINE_EV_PROMOTE, .incarnation = 8);
	assert_null(did(&b, ENGINE_ACT_RUN));
	deliver(&b, &a, ENGINE_MSG_CLAIM);
	deliver(&a, &b, ENGINE_MSG_VOID);
	assert_non_null(did(&b, ENGINE_ACT_RUN));
	assert_int_equal(did(&b, ENGINE_ACT_RUN)->epoch, 0);
}

/* ---- planned moves ---- */

/* a is held, its last epoch acked, and has granted */
static void switch_over(void)
{
	EVENT(&a, .type = ENGINE_EV_SWITCHOVER);
	assert_non_null(did(&a, ENGINE_ACT_STOP_GUEST));
	EVENT(&a, .type = ENGINE_EV_QUIESCED);
	assert_true(did(&a, ENGINE_ACT_CAPTURE)->final);
	send_epoch();
	deliver(&b, &a, ENGINE_MSG_ACK);
	assert_null(said(&a, ENGINE_MSG_GRANT)); /* what was released has to reach the disk first */
	EVENT(&a, .type = ENGINE_EV_QUIESCED);
	assert_int_equal(a.record.role, ENGINE_COPY);
}

static void a_switchover_grants_the_last_epoch(void **state)
{
	uint64_t g = engine_generation(&a.e);

	switch_over();
	deliver(&a, &b, ENGINE_MSG_GRANT);
	assert_int_equal(did(&b, ENGINE_ACT_RUN)->g, g + 1);
	assert_true(engine_must_hold(&b.e)); /* a holds a copy */
	deliver(&b, &a, ENGINE_MSG_HAVE);
	assert_int_equal(result(&a), ENGINE_RES_OK);
	assert_int_equal(engine_role(&a.e), ENGINE_COPY);
	assert_int_equal(engine_role(&b.e), ENGINE_OWNER);
}

/* Rule 22: of the grant before. */
static void a_have_of_another_generation_is_no_answer(void **state)
{
	struct engine_message m;

	switch_over();
	deliver(&a, &b, ENGINE_MSG_GRANT);
	m = *said(&b, ENGINE_MSG_HAVE);
	m.g--;
	EVENT(&a, .type = ENGINE_EV_MSG, .msg = m);
	assert_null(did(&a, ENGINE_ACT_RESULT));
	assert_true(engine_waits_for_have(&a.e));
	deliver(&b, &a, ENGINE_MSG_HAVE);
	assert_int_equal(result(&a), ENGINE_RES_OK);
}

static void a_void_gives_the_guest_back(void **state)
{
	uint64_t g = engine_generation(&a.e);
	struct engine_message grant;

	switch_over();
	grant = *said(&a, ENGINE_MSG_GRANT);
	begin(&b, 2); /* its host was off */
	EVENT(&b, .type = ENGINE_EV_MSG, .msg = grant);
	deliver(&b, &a, ENGINE_MSG_VOID);
	assert_int_equal(did(&a, ENGINE_ACT_RUN)->g, g + 2);
	assert_int_equal(result(&a), ENGINE_RES_NO_STANDBY);
}

static void demote_never_waits_and_promote_resumes(void **state)
{
	cut();
	EVENT(&a, .type = ENGINE_EV_DEMOTE);
	assert_int_equal(result(&a), ENGINE_RES_OK);
	assert_int_equal(engine_role(&a.e), ENGINE_HELD);
	EVENT(&a, .type = ENGINE_EV_PROMOTE);
	assert_non_null(did(&a, ENGINE_ACT_RUN));
	assert_int_equal(result(&a), ENGINE_RES_OK);
}

/* Demoted while the first copy is under way, and promoted on b. */
static void move_unsynced(void)
{
	EVENT(&a, .type = ENGINE_EV_PROTECT);
	connect_hosts();
	EVENT(&b, .type = ENGINE_EV_BULK_BEGIN, .session = a.e.session);
	EVENT(&a, .type = ENGINE_EV_DEMOTE);
	EVENT(&a, .type = ENGINE_EV_QUIESCED);
	b_asks(ENGINE_MSG_CLAIM);
	deliver(&a, &b, ENGINE_MSG_STATE);
	assert_int_equal(result(&b), ENGINE_RES_PEER_HOLDS);
}

static void a_held_guests_first_copy_is_finished_and_granted(void **state)
{
	move_unsynced();
	EVENT(&a, .type = ENGINE_EV_BULK_DONE);
	assert_true(did(&a, ENGINE_ACT_CAPTURE)->final);
	send_epoch();
	deliver(&b, &a, ENGINE_MSG_ACK);
	assert_int_equal(engine_protection(&a.e), ENGINE_PROTECTED);
	EVENT(&a, .type = ENGINE_EV_QUIESCED);
	EVENT(&b, .type = ENGINE_EV_PROMOTE, .incarnation = 9, .flag = true);
	deliver(&b, &a, ENGINE_MSG_REQUEST);
	deliver(&a, &b, ENGINE_MSG_GRANT);
	assert_int_equal(did(&b, ENGINE_ACT_RUN)->epoch, 1);
}

/* The time to try again passes while another event is handled: the timer is there all the same. */
static void a_last_capture_that_failed_is_tried_again(void **state)
{
	move_unsynced();
	EVENT(&a, .type = ENGINE_EV_BULK_DONE);
	EVENT(&a, .type = ENGINE_EV_CAPTURE_FAILED, .epoch = did(&a, ENGINE_ACT_CAPTURE)->epoch);
	now += 10;
	EVENT(&a, .type = ENGINE_EV_DIRTY);
	assert_true(!did(&a, ENGINE_ACT_SET_TIMER) || did(&a, ENGINE_ACT_SET_TIMER)->deadline);
	tick(&a, 0);
	assert_true(did(&a, ENGINE_ACT_CAPTURE)->final);
}

static void who_awaits_the_copy_of_a_held_guest_boots_none(void **state)
{
	move_unsynced();
	begin(&a, 1); /* its host was off */
	EVENT(&b, .type = ENGINE_EV_PROMOTE, .incarnation = 9, .flag = true);
	deliver(&b, &a, ENGINE_MSG_CLAIM);
	deliver(&a, &b, ENGINE_MSG_VOID);
	assert_null(did(&b, ENGINE_ACT_RUN));
	assert_int_equal(result(&b), ENGINE_RES_OUTDATED);
}

/* ---- restarts and reboots ---- */

static void a_restarted_owner_goes_on_from_what_the_peer_holds(void **state)
{
	EVENT(&a, .type = ENGINE_EV_OUTPUT_HELD, .flag = true);
	EVENT(&a, .type = ENGINE_EV_CAPTURED, .epoch = did(&a, ENGINE_ACT_CAPTURE)->epoch, .pages = 1);
	restart(&a); /* epoch 2 was captured and never sent */
	assert_int_equal(did(&a, ENGINE_ACT_RUN)->g, a.record.g);
	assert_true(engine_must_hold(&a.e));
	EVENT(&b, .type = ENGINE_EV_LINK_DOWN);
	connect_hosts();
	assert_int_equal(engine_protection(&a.e), ENGINE_PROTECTED);
	assert_int_equal(did(&a, ENGINE_ACT_CAPTURE)->base, 1);
	assert_true(did(&a, ENGINE_ACT_CAPTURE)->epoch > 2);
}

static void a_restarted_standby_redoes_its_epoch(void **state)
{
	restart(&b);
	assert_non_null(did(&b, ENGINE_ACT_HOLD));
	assert_int_equal(did(&b, ENGINE_ACT_APPLY)->epoch, 1);
	assert_int_equal(engine_role(&b.e), ENGINE_COPY);
}

static void a_granter_asks_again_after_a_restart(void **state)
{
	switch_over();
	restart(&a);
	tick(&a, 20);
	deliver(&a, &b, ENGINE_MSG_GRANT);
	assert_non_null(did(&b, ENGINE_ACT_RUN));
}

/* The peer's host was off: what a granted is held here again, as the image that it became. */
static void take_back(void)
{
	switch_over();
	tick(&a, HANDOVER); /* nobody waits for it any more */
	begin(&b, 2);
	deliver(&a, &b, ENGINE_MSG_GRANT);
	deliver(&b, &a, ENGINE_MSG_VOID);
	assert_int_equal(engine_role(&a.e), ENGINE_HELD);
	assert_null(did(&a, ENGINE_ACT_RUN));
}

static void what_was_taken_back_is_copied_once_it_runs(void **state)
{
	take_back();
	restart(&a);
	EVENT(&a, .type = ENGINE_EV_RUN_FAILED, .g = engine_generation(&a.e));
	connect_hosts();
	assert_null(did(&a, ENGINE_ACT_START_BULK));
	EVENT(&a, .type = ENGINE_EV_PROMOTE);
	assert_non_null(did(&a, ENGINE_ACT_RUN));
	assert_non_null(did(&a, ENGINE_ACT_START_BULK));
}

/* The caller did not say after the restart that it has not run. */
static void a_run_that_fails_does_not_make_a_sent_epoch_unsent(void **state)
{
	take_back();
	restart(&a);
	EVENT(&a, .type = ENGINE_EV_QUIESCED);
	connect_hosts();
	EVENT(&b, .type = ENGINE_EV_BULK_BEGIN, .session = a.e.session);
	EVENT(&a, .type = ENGINE_EV_BULK_DONE);
	send_epoch();
	EVENT(&a, .type = ENGINE_EV_PROMOTE);
	EVENT(&a, .type = ENGINE_EV_RUN_FAILED, .g = engine_generation(&a.e));
	assert_non_null(said(&a, ENGINE_MSG_OUTDATE));
	EVENT(&a, .type = ENGINE_EV_PROMOTE);
	assert_null(did(&a, ENGINE_ACT_START_BULK));
	EVENT(&a, .type = ENGINE_EV_STOP);
	cut();
	assert_null(did(&a, ENGINE_ACT_RESULT)); /* b has a copy */
	assert_int_equal(engine_role(&b.e), ENGINE_COPY);
}

static void a_damaged_record_is_refused(void **state)
{
	struct engine_persist p = a.record;
	struct engine_actions list;

	p.version++;
	assert_int_equal(engine_restore(&a.e, &a.cfg, &p, now, &list), -EBADMSG);
	assert_int_equal(list.nr, 0);
	p = a.record;
	p.nr_flight = ENGINE_MAX_FLIGHT + 1;
	assert_int_equal(engine_restore(&a.e, &a.cfg, &p, now, &list), -EBADMSG);
}

static void a_rebooted_guest_waits_until_its_old_copy_is_gone(void **state)
{
	EVENT(&a, .type = ENGINE_EV_GUEST_DEAD, .incarnation = 8);
	assert_int_equal(engine_generation(&a.e), ENGINE_G(8));
	assert_true(engine_must_hold(&a.e));
	deliver(&a, &b, ENGINE_MSG_OUTDATE);
	assert_int_equal(engine_role(&b.e), ENGINE_NONE);
	deliver(&b, &a, ENGINE_MSG_OUTDATED);
	assert_false(engine_must_hold(&a.e));
}

static void a_guest_that_ended_is_not_booted_by_the_next_daemon(void **state)
{
	EVENT(&a, .type = ENGINE_EV_GUEST_DEAD);
	restart(&a);
	assert_null(did(&a, ENGINE_ACT_RUN));
	assert_false(engine_may_run(&a.e));
	tick(&a, 20);
	deliver(&a, &b, ENGINE_MSG_OUTDATE);
	deliver(&b, &a, ENGINE_MSG_OUTDATED);
	assert_int_equal(engine_role(&a.e), ENGINE_NONE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		ALONE(outputs_are_free_until_the_first_epoch_is_taken),
		PAIR(an_output_leaves_with_the_ack_of_its_epoch),
		PAIR(a_write_that_was_answered_waits_for_company),
		PAIR(only_what_waits_stops_a_tapped_guest),
		PAIR(an_output_does_not_wait_with_it),
		PAIR(nor_one_that_there_is_hardly_room_for),
		PAIR(the_epoch_of_an_idle_guest_is_longer),
		PAIR(much_new_memory_ends_the_idle_epoch),
		PAIR(one_request_after_the_other_waits_for_none),
		PAIR(outputs_of_a_storm_share_an_epoch),
		PAIR(an_urgent_one_ends_the_waiting),
		PAIR(an_ack_of_another_session_is_dropped),
		PAIR(an_epoch_on_another_base_is_not_taken),
		PAIR(nothing_is_done_before_the_record_is_stored),
		PAIR(without_a_link_outputs_wait_for_the_peers_none),
		PAIR(a_silent_peer_has_to_be_fenced),
		PAIR(a_capture_begun_before_the_link_was_lost_does_not_count),
		ALONE(a_large_delta_after_the_first_epoch_is_no_word_of_the_peer),
		PAIR(a_bulk_copy_never_begins_over_a_copy),
		PAIR(an_own_message_that_comes_back_counts_for_nothing),
		PAIR(a_message_about_another_vm_is_dropped),
		PAIR(an_ack_that_comes_after_outdate_frees_nothing),
		PAIR(promote_alone_is_no_proof),
		PAIR(after_a_power_cut_the_copy_runs_once_the_host_is_off),
		PAIR(who_asked_goes_on_taking_epochs_until_it_has_the_proof),
		PAIR(an_epoch_of_a_session_that_ended_is_not_taken),
		PAIR(an_owner_refuses_and_never_grants_that_question_later),
		PAIR(who_is_made_anew_asks_new_questions),
		PAIR(who_asked_and_heard_nothing_keeps_its_copy),
		ALONE(a_cold_boot_needs_the_peers_none),
		PAIR(a_switchover_grants_the_last_epoch),
		PAIR(a_have_of_another_generation_is_no_answer),
		PAIR(a_void_gives_the_guest_back),
		PAIR(demote_never_waits_and_promote_resumes),
		ALONE(a_held_guests_first_copy_is_finished_and_granted),
		ALONE(a_last_capture_that_failed_is_tried_again),
		ALONE(who_awaits_the_copy_of_a_held_guest_boots_none),
		PAIR(a_restarted_owner_goes_on_from_what_the_peer_holds),
		PAIR(a_restarted_standby_redoes_its_epoch),
		PAIR(a_granter_asks_again_after_a_restart),
		PAIR(what_was_taken_back_is_copied_once_it_runs),
		PAIR(a_run_that_fails_does_not_make_a_sent_epoch_unsent),
		PAIR(a_damaged_record_is_refused),
		PAIR(a_rebooted_guest_waits_until_its_old_copy_is_gone),
		PAIR(a_guest_that_ended_is_not_booted_by_the_next_daemon),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
