/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * promote where the copy is not whole while the other host holds the guest.  Real: the engine, its actions,
 * resources, requests, the control server.  Fake: hypervisor and link behind the VM; the peer's engine is the
 * test.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>
#include <jansson.h>
#include <qb/qbloop.h>
#include <xenctrl.h>

#include "vm/await.h"
#include "vm/relay.h"
#include "vm/resource.h"
#include "vm/vm.h"
#include "vm/vms.h"

#include "standins.h"

#define UUID "11112222-3333-4444-5555-666677778888"
#define SECOND 1000000000ULL
#define FAR_NS (8 * SECOND)
#define G ENGINE_G(7)

struct bed {
	struct daemon d;
	char socket[CONTROL_PATH_MAX];
	struct vm_mem mem;
	struct vm *vm;
	bool up, making;	    /* link, shell */
	struct engine_message said; /* last one to the peer */
	unsigned int asked, runs;   /* REQUEST or CLAIM, RUN */
	uint64_t began;
	bool (*done)(struct bed *bed);
	int fd;
};

static struct bed *bed;

/* ---- the VM's room --------------------------------------------------------------------------------------
 */

static const char record[] =
	"{\"format\":1,\"name\":\"vm\",\"uuid\":\"" UUID "\",\"memory_kb\":65536,\"vcpus\":1,"
	"\"on\":{\"poweroff\":\"destroy\",\"reboot\":\"restart\",\"crash\":\"destroy\","
	"\"watchdog\":\"destroy\",\"soft_reset\":\"restart\"},\"disks\":[],\"nics\":[],"
	"\"config\":{\"c_info\":{\"type\":\"pvh\",\"name\":\"vm\",\"uuid\":\"" UUID "\"},"
	"\"b_info\":{\"max_vcpus\":1,\"tsc_mode\":\"native\",\"max_memkb\":65536,\"target_memkb\":65536,"
	"\"kernel\":\"/boot/vmlinuz\"}}}";

int vm_new(struct daemon *d, const char *text, size_t len, uint32_t domid, struct vm **out)
{
	struct engine_cfg cfg = { .node = 2,
				  .boot = 22,
				  .max_in_flight = 2,
				  .staging_pages = 1000,
				  .resend_ns = 20 * SECOND,
				  .outdate_after_ns = SECOND,
				  .fence_after_ns = SECOND,
				  .handover_ns = 20 * SECOND };
	struct vm *vm = calloc(1, sizeof(*vm));
	char why[256];

	assert_null(bed->vm);
	assert_int_equal(vm_record_parse(record, strlen(record), &vm->rec, why, sizeof(why)), 0);
	memcpy(cfg.uuid, vm->rec.uuid, 16);
	assert_int_equal(engine_init(&vm->engine, &cfg), 0);
	memset(&bed->mem, 0, sizeof(bed->mem));
	vm->d = d;
	vm->mem = &bed->mem;
	d->vms = bed->vm = vm;
	*out = vm;
	return 0;
}

static void drop(void)
{
	vm_timer_stop(bed->vm, &bed->vm->timer);
	vm_record_free(&bed->vm->rec);
	free(bed->vm);
	bed->vm = bed->d.vms = NULL;
}

void vm_free(struct vm *vm)
{
	vm->doomed = true;
	if (!vm->pumping)
		drop();
}

static void carry_out(struct vm *vm, struct engine_actions *acts)
{
	struct engine_event ev = { .type = ENGINE_EV_PERSISTED, .now = monotonic_ns() };
	struct engine_actions next;

	for (unsigned int i = 0; i < acts->nr; i++) {
		if (acts->a[i].type != ENGINE_ACT_PERSIST) {
			vm_act(vm, &acts->a[i]);
			continue;
		}
		ev.seq = acts->persist.seq;
		assert_int_equal(engine_handle(&vm->engine, &ev, &next), 0);
		carry_out(vm, &next);
	}
}

void vm_event(struct vm *vm, const struct engine_event *ev)
{
	struct engine_actions acts;

	vm->event[vm->nr_events++] = *ev;
	if (vm->pumping)
		return;
	vm->pumping = true;
	for (unsigned int i = 0; i < vm->nr_events; i++) {
		vm->event[i].now = monotonic_ns();
		assert_int_equal(engine_handle(&vm->engine, &vm->event[i], &acts), 0);
		carry_out(vm, &acts);
	}
	vm->nr_events = 0;
	vm->pumping = false;
	if (vm->doomed)
		drop();
}

void vm_event_type(struct vm *vm, enum engine_event_type type)
{
	struct engine_event ev = { .type = type };

	vm_event(vm, &ev);
}

struct vm *vm_find(struct daemon *d, const char *name)
{
	return bed->vm;
}

struct vm *vm_find_uuid(struct daemon *d, const uint8_t uuid[16])
{
	return bed->vm;
}

void vm_timer_stop(struct vm *vm, uint64_t *timer)
{
	if (*timer)
		qb_loop_timer_del(vm->d->loop, *timer);
	*timer = 0;
}

int vm_timer_start(struct vm *vm, uint64_t *timer, enum qb_loop_priority p, uint64_t ns, void (*fn)(void *vm))
{
	vm_timer_stop(vm, timer);
	return qb_loop_timer_add(vm->d->loop, p, ns, vm, fn, timer);
}

bool link_up(const struct vm *vm)
{
	return bed->up;
}

bool vm_shell_in_the_making(const struct vm *vm)
{
	return bed->making;
}

bool link_send_message(struct vm *vm, const struct engine_message *m)
{
	bed->said = *m;
	bed->asked += m->type == ENGINE_MSG_CLAIM || m->type == ENGINE_MSG_REQUEST;
	return true;
}

int vm_run(struct vm *vm, uint64_t g, uint64_t epoch)
{
	bed->runs++;
	vm->mem->running_g = g;
	return 0;
}

/* Done, or nobody's question here. */
NOTHING(vm_look_for_foreign(struct vm *vm))
NOTHING(link_end_session(struct vm *vm))
NOTHING(link_connect(struct vm *vm))
NOTHING(link_apply(struct vm *vm))
NOTHING(link_send_record(struct vm *vm, uint16_t type, const void *p, size_t len))
NOTHING(relay_send(const struct vm *vm, const struct engine_message *m))
NOTHING(vm_forget(struct vm *vm, struct control_client *c, bool last_copy))
NOTHING(vm_forget_result(struct vm *vm, enum engine_result result))
NOTHING(relay_receive(struct daemon *d, struct control_client *c, const struct control_request *r))
NOTHING(vm_capture(struct vm *vm, uint64_t epoch, uint64_t base))
NOTHING(vm_send_epoch(struct vm *vm, uint64_t epoch))
NOTHING(vm_devices_release(struct vm *vm, uint64_t epoch))
NOTHING(vm_devices_discard(struct vm *vm, uint64_t epoch))
NOTHING(vm_devices_quiesce(struct vm *vm))
NOTHING(vm_bulk_start(struct vm *vm))
NOTHING(vm_bulk_stop(struct vm *vm))
NOTHING(vm_drop_copy(struct vm *vm))
NOTHING(vm_free_shell(struct vm *vm))
NOTHING(vm_destroy(struct vm *vm))

ZERO(vm_taps_rows(const struct vm *vm), json_t *)
ZERO(vms_domain_of(struct daemon *d, const uint8_t uuid[16], uint32_t domid), bool)
ZERO(vm_domain_info(const struct vm *vm, struct xc_dominfo *info), bool)
ZERO(vm_domain_is_down(const struct xc_dominfo *info), bool)
ZERO(link_end_of_boot(struct vm *vm, uint64_t boot), bool)
ZERO(vms_left(const struct daemon *d, const uint8_t uuid[16], const char *name), bool)
ZERO(vms_reopening(const struct daemon *d), bool)
ZERO(vm_guest_go(struct vm *vm), int)
ZERO(vm_guest_stop(struct vm *vm), int)
ZERO(vm_hold(struct vm *vm, uint64_t g), int)
ZERO(vm_domain_make(struct vm *vm, bool shell, void (*ready)(struct vm *vm, int err, const char *why)), int)
NOTHING(vms_reopening_rows(const struct daemon *d, const char *vm, json_t *rows))

/* every domid is free */
int xc_domain_getinfo(xc_interface *xc, uint32_t first, unsigned int max, xc_dominfo_t *info)
{
	return 0;
}

/* ---- the bed --------------------------------------------------------------------------------------------
 */

static int setup(void **state)
{
	static const struct control_handlers handlers = { .request = vms_request };
	struct control_options opt = { 0 };
	char path[CONTROL_PATH_MAX];
	json_t *o;

	bed = calloc(1, sizeof(*bed));
	snprintf(bed->d.cfg.run_dir, sizeof(bed->d.cfg.run_dir), "/tmp/kemari-await-XXXXXX");
	if (!mkdtemp(bed->d.cfg.run_dir))
		return -1;
	snprintf(bed->d.cfg.host_name, sizeof(bed->d.cfg.host_name), "b");
	snprintf(bed->d.cfg.host[0].name, sizeof(bed->d.cfg.host[0].name), "a");
	bed->d.cfg.nr_hosts = 1;
	snprintf(bed->socket, sizeof(bed->socket), "%s/%s", bed->d.cfg.run_dir, CONTROL_SOCKET);
	opt.path = bed->socket;
	bed->d.loop = qb_loop_create();
	o = json_pack("{si ss ss sb ss}", "version", 1, "vm", "vm", "config", "/x", "promoted", 0, "record",
		      record);
	snprintf(path, sizeof(path), "%s/vm.resource", bed->d.cfg.run_dir);
	assert_int_equal(json_dump_file(o, path, 0), 0);
	json_decref(o);
	resources_load(&bed->d);
	return control_start(bed->d.loop, &handlers, &bed->d, &opt, &bed->d.control);
}

static int teardown(void **state)
{
	char command[CONTROL_PATH_MAX + 16];

	resources_close(&bed->d);
	vms_publish_stop(&bed->d);
	if (bed->vm)
		drop();
	control_stop(bed->d.control);
	qb_loop_destroy(bed->d.loop);
	snprintf(command, sizeof(command), "rm -r %s", bed->d.cfg.run_dir);
	assert_int_equal(system(command), 0);
	free(bed);
	return 0;
}

/* since the loop was begun */
static uint64_t lasted(void)
{
	return monotonic_ns() - bed->began;
}

static void look(void *arg)
{
	qb_loop_timer_handle h;

	if (bed->done(bed) || lasted() > FAR_NS)
		qb_loop_stop(bed->d.loop);
	else
		qb_loop_timer_add(bed->d.loop, QB_LOOP_LOW, 1000000, NULL, look, &h);
}

/* Runs the loop until then. */
static void until(bool (*done)(struct bed *bed))
{
	qb_loop_timer_handle h;

	bed->done = done;
	bed->began = monotonic_ns();
	qb_loop_timer_add(bed->d.loop, QB_LOOP_LOW, 0, NULL, look, &h);
	qb_loop_run(bed->d.loop);
	assert_true(done(bed));
}

static void ask(const char *text)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };

	bed->fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	memcpy(addr.sun_path, bed->socket, strlen(bed->socket));
	assert_int_equal(connect(bed->fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	assert_int_equal(send(bed->fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

static bool heard(struct bed *b)
{
	char byte;

	return recv(b->fd, &byte, 1, MSG_PEEK) >= 0;
}

static bool was_asked(struct bed *b)
{
	return b->asked;
}

static bool some_looks_later(struct bed *b)
{
	return lasted() > SECOND / 4;
}

/* 0: done */
static int answered(void)
{
	char text[CONTROL_MSG_MAX];
	json_t *answer;
	ssize_t n;
	int code;

	until(heard);
	n = recv(bed->fd, text, sizeof(text), 0);
	assert_true(n > 0);
	answer = json_loadb(text, (size_t)n, 0, NULL);
	code = (int)json_integer_value(json_object_get(answer, "code"));
	assert_true(code || json_is_true(json_object_get(answer, "ok")));
	json_decref(answer);
	close(bed->fd);
	return code;
}

static void still_waits(void)
{
	until(some_looks_later);
	assert_false(heard(bed));
}

/* The peer's engine answers what it was asked. */
static void peer_says(enum engine_msg_type type, enum engine_role role)
{
	struct engine_event ev = { .type = ENGINE_EV_MSG,
				   .msg = { .type = type,
					    .role = role,
					    .node = 1,
					    .g = type == ENGINE_MSG_GRANT  ? G + 1
						 : type == ENGINE_MSG_VOID ? bed->said.g
									   : G,
					    .session = 1,
					    .epoch = type == ENGINE_MSG_GRANT ? 1 : 0,
					    .nonce = bed->said.nonce } };

	memcpy(ev.msg.uuid, bed->vm->rec.uuid, 16);
	bed->asked = 0;
	vm_event(bed->vm, &ev);
}

/* The engine's time for the answer is over. */
static void nobody_answers(void)
{
	bed->vm->engine.cmd.deadline = 1;
	vm_event_type(bed->vm, ENGINE_EV_TICK);
}

static void is_off(void)
{
	struct engine_event ev = { .type = ENGINE_EV_FENCED };

	vm_event(bed->vm, &ev);
}

static void promote(void)
{
	ask("{\"op\":\"resource-promote\",\"vm\":\"vm\",\"timeout\":60}");
	until(was_asked);
	assert_int_equal(bed->said.type, ENGINE_MSG_CLAIM);
}

/* A standby is there, and the owner's bulk copy goes on. */
static void sync_begins(void)
{
	struct engine_event ev = { .type = ENGINE_EV_LINK_UP,
				   .peer = { .role = ENGINE_OWNER, .g = G },
				   .peer_boot = 11 };
	struct vm *vm = bed->vm;

	if (!vm)
		vm_new(&bed->d, record, strlen(record), 1, &vm);
	vm->link = (struct link *)bed;
	vm->guest = (struct guest *)bed;
	bed->up = true;
	ev.session = engine_next_session(&vm->engine);
	vm_event(vm, &ev);
	ev.type = ENGINE_EV_BULK_BEGIN;
	vm_event(vm, &ev);
}

static void copy_is_whole(void)
{
	struct engine_event ev = {
		.type = ENGINE_EV_EPOCH_STAGED, .g = G, .session = bed->vm->engine.session, .epoch = 1
	};

	bed->asked = 0;
	vm_event(bed->vm, &ev);
	assert_int_equal(engine_role(&bed->vm->engine), ENGINE_COPY);
}

static void is_granted(void)
{
	until(was_asked);
	assert_true(lasted() < SECOND / 2); /* the guest stands still */
	assert_int_equal(bed->said.type, ENGINE_MSG_REQUEST);
	peer_says(ENGINE_MSG_GRANT, ENGINE_COPY);
	assert_int_equal(answered(), 0);
	assert_int_equal(bed->runs, 1);
}

/* ---- tests ----------------------------------------------------------------------------------------------
 */

static void promote_waits_for_the_copy_and_takes_the_grant(void **state)
{
	sync_begins();
	promote();
	peer_says(ENGINE_MSG_STATE, ENGINE_HELD);
	still_waits();
	assert_int_equal(bed->asked, 0); /* not ten times a second */
	copy_is_whole();
	is_granted();
}

static void nobody_is_to_be_fenced_meanwhile(void **state)
{
	sync_begins();
	promote();
	assert_true(resource_wants_proof(bed->vm));
	peer_says(ENGINE_MSG_STATE, ENGINE_HELD);
	assert_false(resource_wants_proof(bed->vm));
	assert_true(resource_wants_to_run(bed->vm)); /* its shell stays */
}

static void promote_waits_for_the_greeting(void **state)
{
	promote();
	peer_says(ENGINE_MSG_STATE, ENGINE_HELD);
	assert_null(bed->vm); /* the shell is made as for any host that has nothing */
	still_waits();
	sync_begins();
	bed->up = false;
	bed->making = true;
	still_waits();
	bed->making = false;
	bed->up = true;
	copy_is_whole();
	is_granted();
}

/* The owner's HELLO came while the VM had only asked: it is another one now. */
static void the_vm_of_a_hello_asks_anew(void **state)
{
	promote();
	drop();
	sync_begins();
	bed->asked = 0;
	until(was_asked);
	assert_int_equal(bed->said.type, ENGINE_MSG_CLAIM);
}

static void a_peer_that_owns_it_ends_the_wait(void **state)
{
	sync_begins();
	promote();
	peer_says(ENGINE_MSG_STATE, ENGINE_HELD);
	until(was_asked);
	peer_says(ENGINE_MSG_STATE, ENGINE_OWNER);
	assert_int_equal(answered(), EREMOTE);
}

static void a_peer_that_has_nothing_ends_the_wait_and_nothing_boots(void **state)
{
	sync_begins();
	promote();
	peer_says(ENGINE_MSG_STATE, ENGINE_HELD);
	until(was_asked);
	peer_says(ENGINE_MSG_VOID, ENGINE_NONE);
	assert_int_equal(answered(), EREMOTE);
	assert_int_equal(bed->runs, 0);
}

static void a_connection_that_ends_ends_the_wait(void **state)
{
	sync_begins();
	promote();
	peer_says(ENGINE_MSG_STATE, ENGINE_HELD);
	bed->up = false;
	bed->vm->link = NULL;
	until(was_asked); /* its host may be off: then it is not the peer that answers */
	assert_false(heard(bed));
	peer_says(ENGINE_MSG_STATE, ENGINE_HELD);
	assert_int_equal(answered(), EREMOTE);
}

static void a_copy_that_fails_ends_the_wait(void **state)
{
	sync_begins();
	promote();
	peer_says(ENGINE_MSG_STATE, ENGINE_HELD);
	drop(); /* the shell, with all that is here */
	bed->up = false;
	until(was_asked);
	assert_false(heard(bed));
	peer_says(ENGINE_MSG_STATE, ENGINE_HELD);
	assert_int_equal(answered(), EREMOTE);
}

/* Its host: that it was HELD is no word of it any more. */
static void a_peer_that_dies_before_its_greeting_ends_the_wait_softly(void **state)
{
	promote();
	peer_says(ENGINE_MSG_STATE, ENGINE_HELD);
	until(was_asked);
	assert_true(lasted() > 2 * SECOND);
	assert_int_equal(bed->said.type, ENGINE_MSG_CLAIM);
	nobody_answers();
	still_waits();
	assert_true(resource_wants_proof(bed->vm)); /* from here on as without a word of the peer */
	is_off();
	assert_int_equal(answered(), 0);
	assert_int_equal(bed->runs, 1);
}

static void a_peer_that_dies_after_its_copy_failed_ends_the_wait_softly(void **state)
{
	sync_begins();
	promote();
	peer_says(ENGINE_MSG_STATE, ENGINE_HELD);
	drop();
	bed->up = false;
	until(was_asked);
	nobody_answers();
	still_waits();
	assert_true(resource_wants_proof(bed->vm));
}

static void a_peer_that_still_holds_it_without_a_greeting_ends_the_wait(void **state)
{
	promote();
	peer_says(ENGINE_MSG_STATE, ENGINE_HELD);
	until(was_asked);
	peer_says(ENGINE_MSG_STATE, ENGINE_HELD);
	assert_int_equal(answered(), EREMOTE);
	assert_null(bed->vm);
}

static void the_wait_ends_with_the_actions_time(void **state)
{
	sync_begins();
	ask("{\"op\":\"resource-promote\",\"vm\":\"vm\",\"timeout\":1}");
	until(was_asked);
	peer_says(ENGINE_MSG_STATE, ENGINE_HELD);
	assert_int_equal(answered(), EREMOTE);
	assert_true(lasted() < 3 * SECOND / 2);
}

static void a_peer_that_is_silent_at_the_end_of_that_time_is_no_holder(void **state)
{
	sync_begins();
	ask("{\"op\":\"resource-promote\",\"vm\":\"vm\",\"timeout\":4}");
	until(was_asked);
	peer_says(ENGINE_MSG_STATE, ENGINE_HELD);
	until(was_asked);
	assert_int_equal(answered(), EPERM);
}

static void nothing_is_waited_for_where_nobody_holds_it(void **state)
{
	sync_begins();
	promote();
	peer_says(ENGINE_MSG_STATE, ENGINE_COPY);
	assert_int_equal(answered(), EREMOTE);
	assert_true(lasted() < SECOND / 2);
}

static void a_greeting_is_waited_for_three_seconds(void **state)
{
	struct await a = { 0 };
	struct vm vm = { 0 };

	assert_true(await_held(&a, &vm, SECOND));
	assert_false(await_asks(&a, NULL, 3 * SECOND));
	assert_true(await_held(&a, &vm, 3 * SECOND));
	assert_true(await_asks(&a, NULL, 4 * SECOND));
	assert_false(await_held(&a, &vm, 4 * SECOND));
	vm.link = (struct link *)bed; /* it came, and waits for the shell */
	bed->making = true;
	assert_true(await_held(&a, &vm, 4 * SECOND));
	assert_false(await_asks(&a, &vm, 4 * SECOND));
	assert_false(await_asks(&a, &vm, 30 * SECOND));
	a = (struct await){ 0 };
	assert_true(await_held(&a, &vm, SECOND));
	assert_true(
		await_asks(&a, NULL, 2 * SECOND)); /* that connection is gone: no other one is waited for */
	assert_false(await_held(&a, NULL, 2 * SECOND));
}

/* The agent's request on the holder: its answer is not the peer's to wait for. */
static void protect_is_answered_while_the_guest_is_held(void **state)
{
	struct engine_event ev = { .type = ENGINE_EV_START_OWNER, .incarnation = 7 };
	struct engine_event up = { .type = ENGINE_EV_LINK_UP, .session = 5, .peer_boot = 11 };
	struct engine_event ack = { .type = ENGINE_EV_MSG,
				    .msg = { .type = ENGINE_MSG_ACK, .node = 1, .g = G, .session = 5 } };
	struct vm *vm;

	vm_new(&bed->d, record, strlen(record), 1, &vm);
	vm->link = (struct link *)bed;
	snprintf(vm->mem->peer, sizeof(vm->mem->peer), "a");
	vm_event(vm, &ev);
	ask("{\"op\":\"protect\",\"vm\":\"vm\",\"host\":\"a\"}");
	still_waits();
	vm_event(vm, &up);
	vm_event_type(vm, ENGINE_EV_DEMOTE);
	vm_event_type(vm, ENGINE_EV_QUIESCED);
	vm_event_type(vm, ENGINE_EV_BULK_DONE);
	ev = (struct engine_event){ .type = ENGINE_EV_CAPTURED, .epoch = vm->engine.capturing, .pages = 1 };
	vm_event(vm, &ev);
	assert_false(heard(bed));
	ack.msg.epoch = ev.epoch;
	memcpy(ack.msg.uuid, vm->rec.uuid, 16);
	vm_event(vm, &ack);
	assert_int_equal(engine_role(&vm->engine), ENGINE_HELD);
	assert_int_equal(answered(), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(promote_waits_for_the_copy_and_takes_the_grant),
		TEST(nobody_is_to_be_fenced_meanwhile),
		TEST(promote_waits_for_the_greeting),
		TEST(the_vm_of_a_hello_asks_anew),
		TEST(a_peer_that_owns_it_ends_the_wait),
		TEST(a_peer_that_has_nothing_ends_the_wait_and_nothing_boots),
		TEST(a_connection_that_ends_ends_the_wait),
		TEST(a_copy_that_fails_ends_the_wait),
		TEST(a_peer_that_dies_before_its_greeting_ends_the_wait_softly),
		TEST(a_peer_that_dies_after_its_copy_failed_ends_the_wait_softly),
		TEST(a_peer_that_still_holds_it_without_a_greeting_ends_the_wait),
		TEST(the_wait_ends_with_the_actions_time),
		TEST(a_peer_that_is_silent_at_the_end_of_that_time_is_no_holder),
		TEST(nothing_is_waited_for_where_nobody_holds_it),
		TEST(a_greeting_is_waited_for_three_seconds),
		TEST(protect_is_answered_while_the_guest_is_held),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
