/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What start, promote and stop of the cluster manager do with a guest and its copies (doc/ownership.md 1, 3,
 * 14, 15).  Real: resources, engine, loop, kemari-domain's place in it.  Fake: Xen, the link, the client.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>
#include <jansson.h>
#include <qb/qbloop.h>
#include <xenctrl.h>

#include "lib/autostart.h"
#include "lib/ocf.h"
#include "vm/link.h"
#include "vm/resource.h"
#include "vm/resource_int.h"
#include "vm/vm.h"
#include "vm/vms.h"
#include "xenstore/xsconn.h"

#define SECOND 1000000000ULL
#define TIMEOUT 60
#define HANDOVER_NS 50000000ULL
#define PEER_BOOT 77
#define LOOKS 3 /* 100 ms each */

struct control_client {
	bool done;
	int code; /* of the failure, 0: none */
	int ocf;  /* of a monitor */
	char why[256];
};

static struct bed {
	struct daemon d;
	struct vm vm;
	struct vm_mem mem;
	struct control_client client;
	char record[2048], disk[256], auto_file[64];
	bool served;	/* the VM is there */
	uint32_t taken; /* domid */
	bool linked;
	bool ran; /* the engine let the guest run */
	unsigned int stops, leaves, poweroffs, destroyed, freed;
} * bed;

/* ---- the rest of the daemon -----------------------------------------------------------------------------
 */

struct vm *vm_find(struct daemon *d, const char *name)
{
	return bed->served && !strcmp(name, "vm1") ? &bed->vm : NULL;
}

struct vm *vm_find_uuid(struct daemon *d, const uint8_t uuid[16])
{
	return bed->served ? &bed->vm : NULL;
}

static void carry_out(struct engine_actions *list)
{
	struct engine_event persisted = { .type = ENGINE_EV_PERSISTED, .now = monotonic_ns() };

	while (list->nr == 1 && list->a[0].type == ENGINE_ACT_PERSIST) {
		persisted.seq = list->persist.seq;
		assert_int_equal(engine_handle(&bed->vm.engine, &persisted, list), 0);
	}
	for (unsigned int i = 0; i < list->nr; i++) {
		if (list->a[i].type == ENGINE_ACT_RUN)
			bed->ran = true;
		else if (list->a[i].type == ENGINE_ACT_RESULT)
			resource_result(&bed->vm, list->a[i].request, list->a[i].result);
	}
}

void vm_event(struct vm *vm, const struct engine_event *ev)
{
	struct engine_event at = *ev;
	struct engine_actions list;

	bed->stops += ev->type == ENGINE_EV_STOP;
	at.now = monotonic_ns();
	assert_int_equal(engine_handle(&vm->engine, &at, &list), 0);
	carry_out(&list);
}

bool link_up(const struct vm *vm)
{
	return bed->linked;
}

void link_send_record(struct vm *vm, uint16_t type, const void *payload, size_t len)
{
	bed->leaves += type == RECORD_LEAVE;
}

int xsconn_write(struct xsconn *c, xs_transaction_t t, const char *value, const char *fmt, ...)
{
	bed->poweroffs += !strcmp(value, "poweroff");
	return 0;
}

bool autostart_find(const char *dir, const char *name, const char *config, char *path, size_t cap)
{
	assert_string_equal(dir, AUTOSTART_DIR);
	snprintf(path, cap, "%s", bed->auto_file);
	return bed->auto_file[0];
}

void vm_destroy(struct vm *vm)
{
	bed->destroyed++;
}

void vm_free(struct vm *vm)
{
	bed->freed++;
}

void vm_free_shell(struct vm *vm)
{
	bed->freed++;
}

int vm_new(struct daemon *d, const char *record, size_t len, uint32_t domid, struct vm **out)
{
	bed->vm.domid = domid;
	bed->served = true;
	*out = &bed->vm;
	return 0;
}

/* Xen has that one domain. */
int xc_domain_getinfo(xc_interface *xch, uint32_t first, unsigned int max, xc_dominfo_t *info)
{
	info->domid = bed->taken;
	return bed->taken >= first;
}

void vm_command(struct vm *vm, struct control_client *c, enum control_op op, struct engine_event ev)
{
	fail();
}

void vm_tell(struct vm *vm, const char *fmt, ...)
{
}

uint64_t vm_incarnation(void)
{
	return 5;
}

void vm_look_for_foreign(struct vm *vm)
{
}

bool vm_shell_in_the_making(const struct vm *vm)
{
	return false;
}

bool vms_domain_of(struct daemon *d, const uint8_t uuid[16], uint32_t domid)
{
	return false;
}

void vms_publish(struct daemon *d)
{
}

void control_done(struct control_client *c, json_t *extra)
{
	c->done = true;
	c->ocf = (int)json_integer_value(json_object_get(extra, "ocf"));
	json_decref(extra);
}

void control_fail(struct control_client *c, int code, const char *why, const char *fix)
{
	c->code = code;
	snprintf(c->why, sizeof(c->why), "%s", why ?: "");
}

bool control_gone(const struct control_client *c)
{
	return false;
}

json_t *control_status_row(const struct control_status *s)
{
	return NULL;
}

/* ---- the bed --------------------------------------------------------------------------------------------
 */

static void write_file(const char *path, const char *text, mode_t mode)
{
	FILE *f = fopen(path, "we");

	assert_non_null(f);
	fputs(text, f);
	assert_int_equal(fchmod(fileno(f), mode), 0);
	fclose(f);
}

static void path_in(const char *name, char path[256])
{
	snprintf(path, 256, "%.200s/%.50s", bed->d.cfg.run_dir, name);
}

/* The guest's configuration as kemari-domain tells it. */
static void make_record(const char *bridge)
{
	snprintf(bed->record, sizeof(bed->record),
		 "{\"format\":1,\"name\":\"vm1\",\"uuid\":\"11112222-3333-4444-5555-666677778888\","
		 "\"memory_kb\":65536,\"vcpus\":1,\"on\":{\"poweroff\":\"destroy\",\"reboot\":\"restart\","
		 "\"crash\":\"destroy\",\"watchdog\":\"destroy\",\"soft_reset\":\"restart\"},"
		 "\"disks\":[{\"vdev\":\"xvda\",\"target\":\"%s\",\"readonly\":false,\"discard\":true}],"
		 "\"nics\":[%s%s%s],\"config\":{\"c_info\":{\"type\":\"pvh\",\"name\":\"vm1\","
		 "\"uuid\":\"11112222-3333-4444-5555-666677778888\"},\"b_info\":{\"max_vcpus\":1,"
		 "\"tsc_mode\":\"native\",\"max_memkb\":65536,\"target_memkb\":65536,"
		 "\"kernel\":\"/boot/vmlinuz\"}}}",
		 bed->disk, bridge ? "{\"devid\":0,\"mac\":\"00:16:3e:00:00:01\",\"bridge\":\"" : "",
		 bridge ? bridge : "", bridge ? "\",\"mtu\":1500}" : "");
}

static void add_resource(void)
{
	struct resource *r = calloc(1, sizeof(*r));
	char why[256];

	r->d = &bed->d;
	strcpy(r->name, "vm1");
	strcpy(r->config, "/x");
	assert_int_equal(resource_set_record(r, bed->record, why), 0);
	bed->d.resources = r;
}

static int setup(void **state)
{
	struct engine_cfg cfg = { .node = 2,
				  .boot = 102,
				  .max_in_flight = 2,
				  .staging_pages = 1000,
				  .max_epoch_ns = 1000000000,
				  .idle_epoch_ns = 1000000000,
				  .retry_ns = 1000000,
				  .resend_ns = 1000000000,
				  .outdate_after_ns = 1000000000,
				  .fence_after_ns = 1000000000,
				  .handover_ns = HANDOVER_NS,
				  .yield_ns = HANDOVER_NS };

	bed = calloc(1, sizeof(*bed));
	snprintf(bed->d.cfg.run_dir, sizeof(bed->d.cfg.run_dir), "/tmp/kemari-task-XXXXXX");
	if (!mkdtemp(bed->d.cfg.run_dir))
		return -1;
	strcpy(bed->d.cfg.host_name, "xa");
	strcpy(bed->d.cfg.host[0].name, "xa");
	strcpy(bed->d.cfg.host[1].name, "xb");
	bed->d.cfg.nr_hosts = 2;
	bed->d.loop = qb_loop_create();
	bed->vm.d = &bed->d;
	bed->vm.mem = &bed->mem;
	bed->vm.rec.name[0] = '\0';
	strcpy(bed->vm.rec.name, "vm1");
	bed->served = true;
	path_in("disk", bed->disk);
	write_file(bed->disk, "", 0600);
	make_record(NULL);
	return engine_init(&bed->vm.engine, &cfg);
}

static int teardown(void **state)
{
	char command[128];

	resources_close(&bed->d);
	qb_loop_destroy(bed->d.loop);
	snprintf(command, sizeof(command), "rm -r %.100s", bed->d.cfg.run_dir);
	assert_int_equal(system(command), 0);
	free(bed);
	return 0;
}

static void stop_loop(void *arg)
{
	qb_loop_stop(bed->d.loop);
}

/* So many looks, and what the engine waited for. */
static void looks(unsigned int n)
{
	static const struct engine_event tick = { .type = ENGINE_EV_TICK };
	qb_loop_timer_handle h;

	while (n--) {
		qb_loop_timer_add(bed->d.loop, QB_LOOP_LOW, 105000000, NULL, stop_loop, &h);
		qb_loop_run(bed->d.loop);
		if (bed->served)
			vm_event(&bed->vm, &tick);
	}
}

#define EVENT(...) vm_event(&bed->vm, &(struct engine_event){ __VA_ARGS__ })

static void owner(void)
{
	add_resource();
	EVENT(.type = ENGINE_EV_START_OWNER, .incarnation = 7);
	bed->mem.running_g = engine_generation(&bed->vm.engine);
	assert_int_equal(engine_role(&bed->vm.engine), ENGINE_OWNER);
}

static void syncing(void)
{
	owner();
	EVENT(.type = ENGINE_EV_PROTECT);
	EVENT(.type = ENGINE_EV_LINK_UP, .session = 1, .peer_boot = PEER_BOOT);
	bed->linked = true;
	assert_int_equal(engine_protection(&bed->vm.engine), ENGINE_SYNCING);
}

/* A copy whose link is gone. */
static void copy(void)
{
	const uint64_t session = engine_next_session(&bed->vm.engine), g = ENGINE_G(7);

	add_resource();
	EVENT(.type = ENGINE_EV_LINK_UP, .session = session, .peer_boot = PEER_BOOT,
	      .peer = { .role = ENGINE_OWNER, .g = g });
	EVENT(.type = ENGINE_EV_BULK_BEGIN, .session = session);
	EVENT(.type = ENGINE_EV_EPOCH_STAGED, .g = g, .session = session, .epoch = 1);
	EVENT(.type = ENGINE_EV_LINK_DOWN);
	assert_int_equal(engine_role(&bed->vm.engine), ENGINE_COPY);
}

static struct resource *resource(void)
{
	return bed->d.resources;
}

static void stop(void)
{
	resource_stop(resource(), &bed->client, TIMEOUT);
}

/* Nothing of the guest was ended, freed or let run. */
static void expect_kept(void)
{
	assert_true(bed->client.done);
	assert_null(resource());
	assert_int_equal(bed->destroyed + bed->freed + bed->poweroffs, 0);
	assert_false(bed->ran);
}

/* ---- monitor ---------------------------------------------------------------------------------------------
 */

static int monitor(void)
{
	const struct control_request req = { .op = CONTROL_RESOURCE_MONITOR, .vm = "vm1" };

	resource_request(&bed->d, &bed->client, &req);
	assert_true(bed->client.done);
	return bed->client.ocf;
}

/* Pacemaker would promote it 80 s later in a failover. */
static void a_copy_is_degraded_a_minute_after_its_link_is_gone(void **state)
{
	copy();
	assert_int_equal(monitor(), OCF_SUCCESS);
	resource()->unlinked_ns -= 59 * SECOND;
	assert_int_equal(monitor(), OCF_SUCCESS);
	resource()->unlinked_ns -= SECOND;
	assert_int_equal(monitor(), OCF_DEGRADED);
	bed->linked = true;
	assert_int_equal(monitor(), OCF_SUCCESS);
	bed->linked = false;
	assert_int_equal(monitor(), OCF_SUCCESS);
}

/* ---- stop ------------------------------------------------------------------------------------------------
 */

/* Rule 1. */
static void stop_waits_for_a_copy_that_is_being_made(void **state)
{
	syncing();
	stop();
	looks(LOOKS);
	assert_int_equal(bed->stops, 0);
	assert_false(bed->client.done);
	resource()->half_at = 0; /* half of its time has passed */
	looks(1);
	assert_int_equal(bed->stops, 1);
}

static void stop_does_not_wait_for_a_copy_whose_link_is_gone(void **state)
{
	syncing();
	bed->linked = false;
	stop();
	assert_int_equal(bed->stops, 1);
}

static void a_guest_that_nobody_else_has_is_asked_to_end_first(void **state)
{
	owner();
	bed->vm.guest = (struct guest *)&bed->mem; /* it is there */
	stop();
	looks(1);
	assert_int_equal(bed->poweroffs, 1);
	assert_int_equal(bed->destroyed, 0);
	resource()->kill_at = 0;
	looks(LOOKS);
	assert_int_equal(bed->destroyed, 1);
	assert_false(bed->client.done);
	bed->served = false;
	looks(1);
	assert_true(bed->client.done);
	assert_null(resource());
}

/* Rule 14: the peer's host is off, the image could not be started here. */
static void stop_keeps_the_image_of_a_guest_that_never_ran(void **state)
{
	copy();
	EVENT(.type = ENGINE_EV_PROMOTE, .incarnation = 9, .proof = true, .peer_boot = PEER_BOOT);
	assert_int_equal(engine_role(&bed->vm.engine), ENGINE_OWNER);
	bed->ran = false; /* it was told to, and could not */
	stop();
	expect_kept();
	assert_int_equal(bed->stops, 0);
	assert_int_equal(engine_role(&bed->vm.engine), ENGINE_OWNER);
}

static void stop_keeps_what_could_not_be_run_and_is_held(void **state)
{
	owner();
	EVENT(.type = ENGINE_EV_DEMOTE);
	bed->vm.run_failed = true;
	stop();
	expect_kept();
	assert_int_equal(engine_role(&bed->vm.engine), ENGINE_HELD);
}

static void stop_parks_a_copy_without_a_link(void **state)
{
	copy();
	stop();
	expect_kept();
	assert_int_equal(bed->stops, 1);
	assert_int_equal(engine_role(&bed->vm.engine), ENGINE_COPY);
}

static void a_copy_stays_until_its_owner_lets_it_go(void **state)
{
	copy();
	bed->linked = true;
	stop();
	looks(LOOKS);
	assert_true(bed->leaves > 0);
	assert_false(bed->client.done);
	resource()->until = 0;
	looks(1);
	expect_kept();
	assert_int_equal(engine_role(&bed->vm.engine), ENGINE_COPY);
}

/* `kemari forget` destroys its domain: that is not to be cut off. */
static void stop_waits_for_a_domain_that_is_being_destroyed(void **state)
{
	add_resource();
	bed->vm.dead_seen = true;
	stop();
	looks(LOOKS);
	assert_false(bed->client.done);
	assert_int_equal(bed->freed, 0);
	bed->served = false;
	looks(1);
	expect_kept();
}

static void stop_leaves_a_domain_that_is_long_destroyed_to_who_destroys_it(void **state)
{
	add_resource();
	bed->vm.dead_seen = true;
	stop();
	looks(1);
	resource()->until = 0;
	looks(1);
	expect_kept();
}

/* ---- promote ---------------------------------------------------------------------------------------------
 */

/* Rule 3. */
static void promote_is_no_proof(void **state)
{
	copy();
	resource_promote(resource(), &bed->client, TIMEOUT);
	looks(LOOKS);
	assert_int_equal(bed->client.code, 0); /* asked again and again: the proof may come any time */
	resource()->until = 0;
	looks(2);
	assert_int_not_equal(bed->client.code, 0);
	assert_false(bed->ran);
	assert_int_equal(engine_role(&bed->vm.engine), ENGINE_COPY);
}

static void a_host_that_is_off_and_sends_is_not_off(void **state)
{
	copy();
	bed->vm.peer_off = PEER_BOOT;
	bed->linked = true;
	resource_promote(resource(), &bed->client, TIMEOUT);
	looks(LOOKS);
	assert_false(bed->ran);
	bed->linked = false;
	looks(LOOKS);
	assert_true(bed->ran);
}

static void promote_waits_for_a_domain_that_is_being_destroyed(void **state)
{
	add_resource();
	bed->vm.dead_seen = true;
	bed->vm.peer_off = PEER_BOOT; /* it may boot */
	resource_promote(resource(), &bed->client, TIMEOUT);
	looks(LOOKS);
	assert_false(bed->ran);
	assert_int_equal(bed->client.code, 0);
	bed->vm.dead_seen = false; /* by now it is another one */
	looks(1);
	assert_true(bed->ran);
}

static void promote_does_not_wait_for_that_longer_than_its_time(void **state)
{
	add_resource();
	bed->vm.dead_seen = true;
	resource_promote(resource(), &bed->client, TIMEOUT);
	resource()->until = 0;
	looks(1);
	assert_int_equal(bed->client.code, ETIMEDOUT);
}

static void protected(void)
{
	struct engine_message ack = { .type = ENGINE_MSG_ACK, .node = 1, .session = 1, .epoch = 1 };

	syncing();
	EVENT(.type = ENGINE_EV_BULK_DONE);
	EVENT(.type = ENGINE_EV_CAPTURED, .epoch = 1, .pages = 1);
	ack.g = engine_generation(&bed->vm.engine);
	EVENT(.type = ENGINE_EV_MSG, .msg = ack);
	assert_int_equal(engine_protection(&bed->vm.engine), ENGINE_PROTECTED);
}

/* Demoted a moment ago, it never stopped. */
static void promote_ends_that_a_guest_yields(void **state)
{
	protected();
	EVENT(.type = ENGINE_EV_DEMOTE, .flag = true);
	assert_true(engine_yields(&bed->vm.engine));

	resource_promote(resource(), &bed->client, TIMEOUT);
	looks(2);
	assert_true(bed->client.done);
	assert_false(engine_yields(&bed->vm.engine));
	assert_int_equal(engine_role(&bed->vm.engine), ENGINE_OWNER);
}

static void moved_here(void)
{
	protected();
	bed->vm.started_from = 1;
	resource_promote(resource(), &bed->client, TIMEOUT);
}

/* What the cluster manager does after its answer would keep the guest waiting, that is silent until its first
 * epoch is acked. */
static void promote_of_a_moved_guest_is_done_when_its_first_epoch_is(void **state)
{
	struct engine_message ack = { .type = ENGINE_MSG_ACK, .node = 1, .session = 1, .epoch = 2 };

	moved_here();
	assert_true(resource()->promoted);
	looks(2);
	assert_false(bed->client.done);
	EVENT(.type = ENGINE_EV_OUTPUT_HELD, .flag = true);
	EVENT(.type = ENGINE_EV_CAPTURED, .epoch = 2, .pages = 1);
	ack.g = engine_generation(&bed->vm.engine);
	EVENT(.type = ENGINE_EV_MSG, .msg = ack);
	looks(1);
	assert_true(bed->client.done);
	assert_int_equal(bed->client.code, 0);
}

static void it_does_not_wait_for_that_for_ever(void **state)
{
	moved_here();
	looks(1);
	assert_false(bed->client.done);
	resource()->until = 0;
	looks(1);
	assert_true(bed->client.done);
	assert_int_equal(bed->client.code, 0);
}

static void nor_does_a_newer_command(void **state)
{
	moved_here();
	assert_false(bed->client.done);
	resource_task_cancel(resource(), "another command");
	assert_true(bed->client.done);
	assert_int_equal(bed->client.code, 0);
}

static void who_is_demoted_and_reboots_is_held(void **state)
{
	owner();
	resource()->promoted = true;
	resource_rebooted(&bed->vm);
	assert_int_equal(engine_role(&bed->vm.engine), ENGINE_OWNER);
	resource()->promoted = false;
	resource_rebooted(&bed->vm);
	assert_int_equal(engine_role(&bed->vm.engine), ENGINE_HELD);
}

/* Rule 32. */
static void a_guest_that_boots_takes_the_first_domid_that_is_free(void **state)
{
	struct vm other = { 0 };

	bed->served = false;
	add_resource();
	other.domid = vm_record_domid(&resource()->rec, 0);
	bed->d.vms = &other; /* ours, its domain need not be there yet */
	bed->taken = vm_record_domid(&resource()->rec, 1);
	resource_promote(resource(), &bed->client, TIMEOUT);
	assert_int_equal(bed->vm.domid, vm_record_domid(&resource()->rec, 2));
	assert_string_equal(bed->mem.peer, "xb"); /* who is asked whether it may boot */
	assert_false(bed->ran);
	bed->d.vms = NULL;
}

/* ---- start -----------------------------------------------------------------------------------------------
 */

static void start(void)
{
	struct control_request req = { .op = CONTROL_RESOURCE_START };
	char script[256], text[sizeof(bed->record) + 64], record[256];

	strcpy(req.vm, "vm1");
	strcpy(req.config, "/x");
	path_in("record", record);
	write_file(record, bed->record, 0600);
	path_in("helper", script);
	snprintf(text, sizeof(text), "#!/bin/sh\ncat %s\n", record);
	write_file(script, text, 0700);
	snprintf(bed->d.cfg.helper, sizeof(bed->d.cfg.helper), "%s", script);
	resource_start(&bed->d, &bed->client, &req);
	for (unsigned int i = 0; i < 50 && !bed->client.done && !bed->client.code; i++)
		looks(1);
}

static void start_adopts_what_is_parked(void **state)
{
	start();
	assert_string_equal(bed->client.why, "");
	assert_true(bed->client.done);
	assert_non_null(resource());
	assert_int_equal(bed->freed, 0);
}

static void a_missing_disk_is_found_before_the_host_gets_a_score(void **state)
{
	unlink(bed->disk);
	start();
	assert_int_equal(bed->client.code, ENOENT);
	assert_non_null(strstr(bed->client.why, bed->disk));
	assert_null(resource());
}

static void a_missing_bridge_is_found_before_the_host_gets_a_score(void **state)
{
	make_record("nobridge0");
	start();
	assert_int_equal(bed->client.code, ENODEV);
	assert_null(resource());
}

/* Rule 15. */
static void what_xendomains_starts_is_not_started(void **state)
{
	strcpy(bed->auto_file, AUTOSTART_DIR "/vm1.cfg");
	start();
	assert_int_equal(bed->client.code, EEXIST);
	assert_non_null(strstr(bed->client.why, bed->auto_file));
	assert_null(resource());
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_copy_is_degraded_a_minute_after_its_link_is_gone),
		TEST(stop_waits_for_a_copy_that_is_being_made),
		TEST(stop_does_not_wait_for_a_copy_whose_link_is_gone),
		TEST(a_guest_that_nobody_else_has_is_asked_to_end_first),
		TEST(stop_keeps_the_image_of_a_guest_that_never_ran),
		TEST(stop_keeps_what_could_not_be_run_and_is_held),
		TEST(stop_parks_a_copy_without_a_link),
		TEST(a_copy_stays_until_its_owner_lets_it_go),
		TEST(stop_waits_for_a_domain_that_is_being_destroyed),
		TEST(stop_leaves_a_domain_that_is_long_destroyed_to_who_destroys_it),
		TEST(promote_is_no_proof),
		TEST(a_host_that_is_off_and_sends_is_not_off),
		TEST(promote_waits_for_a_domain_that_is_being_destroyed),
		TEST(promote_does_not_wait_for_that_longer_than_its_time),
		TEST(promote_ends_that_a_guest_yields),
		TEST(promote_of_a_moved_guest_is_done_when_its_first_epoch_is),
		TEST(it_does_not_wait_for_that_for_ever),
		TEST(nor_does_a_newer_command),
		TEST(who_is_demoted_and_reboots_is_held),
		TEST(a_guest_that_boots_takes_the_first_domid_that_is_free),
		TEST(start_adopts_what_is_parked),
		TEST(a_missing_disk_is_found_before_the_host_gets_a_score),
		TEST(a_missing_bridge_is_found_before_the_host_gets_a_score),
		TEST(what_xendomains_starts_is_not_started),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
