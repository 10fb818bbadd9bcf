/* SPDX-License-Identifier: GPL-2.0-only */
/* What the engine's actions do with a VM, where a rule of doc/ownership.md hangs on it (7, 14, 36). */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <qb/qbloop.h>

#include "vm/link.h"
#include "vm/relay.h"
#include "vm/vm.h"

#define INFLIGHT_MS 5000

static struct bed {
	struct daemon d;
	struct vm vm;
	struct vm_mem mem;
	int run_err;
	bool connected;
	unsigned int linked, relayed, released, bulks, run_failed;
	bool timer_set;
	enum qb_loop_priority priority;
} bed;

/* ---- the rest of the daemon -----------------------------------------------------------------------------
 */

int vm_timer_start(struct vm *vm, uint64_t *timer, enum qb_loop_priority p, uint64_t ns, void (*fn)(void *vm))
{
	bed.timer_set = true;
	bed.priority = p;
	return 0;
}

void vm_timer_stop(struct vm *vm, uint64_t *timer)
{
	bed.timer_set = false;
}

int vm_run(struct vm *vm, uint64_t g, uint64_t epoch)
{
	if (!bed.run_err)
		vm->mem->running_g = g;
	return bed.run_err;
}

void vm_event(struct vm *vm, const struct engine_event *ev)
{
	bed.run_failed += ev->type == ENGINE_EV_RUN_FAILED && ev->g == 2;
}

bool link_send_message(struct vm *vm, const struct engine_message *m)
{
	bed.linked += bed.connected;
	return bed.connected;
}

void relay_send(const struct vm *vm, const struct engine_message *m)
{
	bed.relayed++;
}

void vm_devices_release(struct vm *vm, uint64_t epoch)
{
	bed.released++;
}

void vm_request_done(struct vm *vm, enum control_op op)
{
}

void vm_bulk_start(struct vm *vm)
{
	bed.bulks++;
}

void vm_tell(struct vm *vm, const char *fmt, ...)
{
}

/* Nothing of these is to happen. */
#define NEVER(name, ...)                                                                                     \
	void name(__VA_ARGS__)                                                                               \
	{                                                                                                    \
		fail();                                                                                      \
	}

NEVER(vm_event_type, struct vm *vm, enum engine_event_type type)
NEVER(vm_result, struct vm *vm, uint32_t id, enum engine_result result)
NEVER(link_end_session, struct vm *vm)
NEVER(vm_capture, struct vm *vm, uint64_t epoch, uint64_t base)
NEVER(vm_send_epoch, struct vm *vm, uint64_t epoch)
NEVER(vm_devices_discard, struct vm *vm, uint64_t epoch)
NEVER(vm_devices_quiesce, struct vm *vm)
NEVER(vm_bulk_stop, struct vm *vm)
NEVER(vm_drop_copy, struct vm *vm)
NEVER(link_apply, struct vm *vm)

int vm_guest_go(struct vm *vm)
{
	fail();
	return -EIO;
}

int vm_guest_stop(struct vm *vm)
{
	fail();
	return -EIO;
}

int vm_hold(struct vm *vm, uint64_t g)
{
	fail();
	return -EIO;
}

/* ---- tests ----------------------------------------------------------------------------------------------
 */

static int setup(void **state)
{
	memset(&bed, 0, sizeof(bed));
	bed.d.cfg.disk_inflight_ms = INFLIGHT_MS;
	bed.vm.d = &bed.d;
	bed.vm.mem = &bed.mem;
	strcpy(bed.vm.rec.name, "vm1");
	return 0;
}

#define ACT(...) vm_act(&bed.vm, &(struct engine_action){ __VA_ARGS__ })

static bool disks_wait_after(enum engine_note note)
{
	uint64_t before = monotonic_ns();

	bed.mem.disks_from_ns = 0;
	ACT(.type = ENGINE_ACT_NOTE, .note = note);
	return bed.mem.disks_from_ns >= before + INFLIGHT_MS * 1000000ULL;
}

/* Rule 7. */
static void a_dead_hosts_writes_may_land_before_the_disks_are_used(void **state)
{
	assert_true(disks_wait_after(ENGINE_NOTE_RUN_FENCED));
	assert_true(disks_wait_after(ENGINE_NOTE_COLD_BOOT));
	assert_true(disks_wait_after(ENGINE_NOTE_RUN_NONE));
	assert_true(disks_wait_after(ENGINE_NOTE_TAKEN_BACK));
	assert_false(disks_wait_after(ENGINE_NOTE_RUN_VOID));  /* it holds a copy, and has not run it */
	assert_false(disks_wait_after(ENGINE_NOTE_RUN_GRANT)); /* all of it was reaped before the grant */
}

/* Rule 14. */
static void of_an_image_that_did_not_start_nothing_leaves(void **state)
{
	bed.run_err = -ENODEV;
	ACT(.type = ENGINE_ACT_RUN, .g = 2, .epoch = 1);
	assert_int_equal(bed.run_failed, 1);
	ACT(.type = ENGINE_ACT_RELEASE, .epoch = 1);
	ACT(.type = ENGINE_ACT_START_BULK);
	assert_int_equal(bed.released + bed.bulks, 0);
	bed.run_err = 0;
	ACT(.type = ENGINE_ACT_RUN, .g = 2, .epoch = 1);
	ACT(.type = ENGINE_ACT_RELEASE, .epoch = 1);
	ACT(.type = ENGINE_ACT_START_BULK);
	assert_int_equal(bed.run_failed, 1);
	assert_int_equal(bed.released + bed.bulks, 2);
}

/* It runs already: whatever failed, the image it began from is not where it is. */
static void a_guest_that_has_run_is_no_image_any_more(void **state)
{
	bed.run_err = -EIO;
	bed.mem.running_g = 2;
	ACT(.type = ENGINE_ACT_RUN, .g = 2, .epoch = 1);
	assert_int_equal(bed.run_failed, 0);
}

/* Rule 36. */
static void what_waits_in_the_queues_comes_before_a_deadline(void **state)
{
	ACT(.type = ENGINE_ACT_SET_TIMER, .deadline = 1); /* long ago */
	assert_true(bed.timer_set);
	assert_int_equal(bed.priority, QB_LOOP_LOW);
	ACT(.type = ENGINE_ACT_SET_TIMER);
	assert_false(bed.timer_set);
}

static void messages_take_the_cluster_when_there_is_no_link_but_no_ack_does(void **state)
{
	ACT(.type = ENGINE_ACT_SEND_MSG, .msg = { .type = ENGINE_MSG_OUTDATE });
	assert_int_equal(bed.relayed, 1);
	ACT(.type = ENGINE_ACT_SEND_MSG, .msg = { .type = ENGINE_MSG_ACK });
	assert_int_equal(bed.relayed, 1);
	bed.connected = true;
	ACT(.type = ENGINE_ACT_SEND_MSG, .msg = { .type = ENGINE_MSG_OUTDATE });
	assert_int_equal(bed.linked, 1);
	assert_int_equal(bed.relayed, 1);
}

/* The link may be dead already, and the guest runs nowhere. */
static void a_grant_that_is_not_answered_takes_both_ways(void **state)
{
	bed.connected = true;
	ACT(.type = ENGINE_ACT_SEND_MSG, .msg = { .type = ENGINE_MSG_GRANT, .nonce = 7 });
	assert_int_equal(bed.linked, 1);
	assert_int_equal(bed.relayed, 0);
	ACT(.type = ENGINE_ACT_SEND_MSG, .msg = { .type = ENGINE_MSG_GRANT, .nonce = 7 });
	assert_int_equal(bed.linked, 2);
	assert_int_equal(bed.relayed, 1);
	ACT(.type = ENGINE_ACT_SEND_MSG, .msg = { .type = ENGINE_MSG_GRANT, .nonce = 8 });
	assert_int_equal(bed.relayed, 1);
}

/* The session ends with it. */
static void the_word_that_nothing_is_here_takes_both_ways(void **state)
{
	bed.connected = true;
	ACT(.type = ENGINE_ACT_SEND_MSG, .msg = { .type = ENGINE_MSG_OUTDATED });
	assert_int_equal(bed.linked, 1);
	assert_int_equal(bed.relayed, 1);
}

#define TEST(name) cmocka_unit_test_setup(name, setup)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_dead_hosts_writes_may_land_before_the_disks_are_used),
		TEST(of_an_image_that_did_not_start_nothing_leaves),
		TEST(a_guest_that_has_run_is_no_image_any_more),
		TEST(what_waits_in_the_queues_comes_before_a_deadline),
		TEST(messages_take_the_cluster_when_there_is_no_link_but_no_ack_does),
		TEST(a_grant_that_is_not_answered_takes_both_ways),
		TEST(the_word_that_nothing_is_here_takes_both_ways),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
