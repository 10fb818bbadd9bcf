/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the engine of a VM is told first when a daemon takes it up again.  Real: the pump, the memory file,
 * the engine.  Fake: Xen, devices, the link.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>
#include <qb/qbloop.h>

#include "capture/dirtylog.h"
#include "ring/guest_xen.h"
#include "vm/resource.h"
#include "vm/vm.h"
#include "vm/vms.h"

#include "standins.h"

#define UUID "11112222-3333-4444-5555-666677778888"
#define G ENGINE_G(7)
#define PEER_BOOT 77

static struct bed {
	struct daemon d;
	struct vm *vm;
	bool starts; /* an image does */
	unsigned int left;
} * bed;

static const char record[] =
	"{\"format\":1,\"name\":\"vm\",\"uuid\":\"" UUID "\",\"memory_kb\":65536,\"vcpus\":1,"
	"\"on\":{\"poweroff\":\"destroy\",\"reboot\":\"restart\",\"crash\":\"destroy\","
	"\"watchdog\":\"destroy\",\"soft_reset\":\"restart\"},\"disks\":[],\"nics\":[],"
	"\"config\":{\"c_info\":{\"type\":\"pvh\",\"name\":\"vm\",\"uuid\":\"" UUID "\"},"
	"\"b_info\":{\"max_vcpus\":1,\"tsc_mode\":\"native\",\"max_memkb\":65536,\"target_memkb\":65536,"
	"\"kernel\":\"/boot/vmlinuz\"}}}";

/* ---- the VM's room --------------------------------------------------------------------------------------
 */

/* As action.c and device.c: an image fails with RUN_FAILED, and who has no request under way is quiesced. */
void vm_act(struct vm *vm, const struct engine_action *a)
{
	struct engine_event failed = { .type = ENGINE_EV_RUN_FAILED, .g = a->g };

	if (a->type == ENGINE_ACT_QUIESCE)
		vm_event_type(vm, ENGINE_EV_QUIESCED);
	if (a->type != ENGINE_ACT_RUN)
		return;
	if (bed->starts || !a->epoch)
		vm->mem->running_g = a->g;
	else
		vm_event(vm, &failed);
}

int guest_xen_open(uint32_t domid, struct qb_loop *loop, struct guest **out)
{
	*out = (struct guest *)bed;
	return 0;
}

void link_leave(struct vm *vm)
{
	bed->left++;
}

void vm_domain_close(struct vm *vm)
{
	vm->guest = NULL;
}

bool vm_domain_is_there(const struct vm *vm)
{
	return true;
}

size_t capture_mem_size(uint64_t memory_kb, size_t epoch_bytes)
{
	return 4096;
}

/* As fire.c, without what Xen takes. */
void vm_busy(struct vm *vm)
{
	vm->inside++;
}

void vm_idle(struct vm *vm)
{
	if (!--vm->inside)
		vm_settle(vm);
}

/* Done, or nobody's question here. */
NOTHING(vm_tell(struct vm *vm, const char *fmt, ...))
NOTHING(vms_forget_going(struct daemon *d))
NOTHING(vms_unmap_all(struct daemon *d))
NOTHING(vm_publish_status(const struct vm *vm))
NOTHING(vm_committed(struct vm *vm))
NOTHING(vm_capture_close(struct vm *vm, bool keep))
NOTHING(vm_devices_close(struct vm *vm))
NOTHING(dirtylog_off(struct hvop *hv, struct xc_interface_core *xc, uint32_t domid))
NOTHING(vm_forgotten(struct vm *vm))
NOTHING(vm_taps_follow(struct vm *vm))
NOTHING(vm_taps_watch(struct vm *vm))
NOTHING(vm_make_anew(struct vm *vm))
NOTHING(vm_shell_waits(struct vm *vm))
NOTHING(vm_staging_close(struct vm *vm, bool keep))
NOTHING(vm_standby_close(struct vm *vm))
NOTHING(vm_vanished(struct vm *vm))
NOTHING(link_close(struct vm *vm))
NOTHING(link_connect(struct vm *vm))
NOTHING(link_offer(struct vm *vm))
NOTHING(resource_settle(struct vm *vm))
NOTHING(resources_close(struct daemon *d))
NOTHING(vms_publish(struct daemon *d))
NOTHING(vms_publish_stop(struct daemon *d))
NOTHING(vms_reopen_stop(struct daemon *d))

ZERO(vm_capture_open(struct vm *vm, bool promoted), int)
ZERO(vm_console_retake(struct vm *vm), int)
ZERO(vm_devices_open(struct vm *vm, enum xendev_mode mode), int)
ZERO(vm_devices_reconnect(struct vm *vm), int)
ZERO(vm_standby_open(struct vm *vm), int)
ZERO(vm_device_regions(const struct vm_record *rec, struct memfile_region_def *defs, unsigned int max,
		       char (*names)[MEMFILE_NAME_MAX]),
     unsigned int)

/* ---- the bed --------------------------------------------------------------------------------------------
 */

static int setup(void **state)
{
	struct kem_config *c;

	bed = calloc(1, sizeof(*bed));
	c = &bed->d.cfg;
	snprintf(c->run_dir, sizeof(c->run_dir), "/tmp/kemari-vm-XXXXXX");
	if (!mkdtemp(c->run_dir))
		return -1;
	snprintf(c->log_dir, sizeof(c->log_dir), "%s", c->run_dir);
	c->max_in_flight = 2;
	c->staging_mb = 1;
	c->fence_after_ms = 1000;
	bed->d.boot = 2ULL << 32 | 1;
	bed->d.loop = qb_loop_create();
	return vm_new(&bed->d, record, strlen(record), 9, &bed->vm);
}

static int teardown(void **state)
{
	char command[sizeof(bed->d.cfg.run_dir) + 16];

	vm_free(bed->vm);
	qb_loop_destroy(bed->d.loop);
	snprintf(command, sizeof(command), "rm -r %s", bed->d.cfg.run_dir);
	assert_int_equal(system(command), 0);
	free(bed);
	return 0;
}

#define EVENT(...) vm_event(bed->vm, &(struct engine_event){ __VA_ARGS__ })

/* The host that ran it is off, and this one starts its copy. */
static void promoted(bool starts)
{
	const uint64_t session = engine_next_session(&bed->vm->engine);

	bed->starts = starts;
	EVENT(.type = ENGINE_EV_LINK_UP, .session = session, .peer_boot = PEER_BOOT,
	      .peer = { .role = ENGINE_OWNER, .g = G });
	EVENT(.type = ENGINE_EV_BULK_BEGIN, .session = session);
	EVENT(.type = ENGINE_EV_EPOCH_STAGED, .g = G, .session = session, .epoch = 1);
	EVENT(.type = ENGINE_EV_LINK_DOWN);
	EVENT(.type = ENGINE_EV_PROMOTE, .proof = true, .peer_boot = PEER_BOOT);
	assert_int_equal(engine_role(&bed->vm->engine), starts ? ENGINE_OWNER : ENGINE_HELD);
}

static void restart(void)
{
	uint8_t uuid[16];

	memcpy(uuid, bed->vm->rec.uuid, sizeof(uuid));
	vm_leave(bed->vm);
	assert_int_equal(vm_reopen(&bed->d, uuid, &bed->vm), 0);
	assert_int_equal(vm_reattach(bed->vm), 0);
}

/* ---- tests ----------------------------------------------------------------------------------------------
 */

static void of_an_image_that_never_ran_the_engine_is_told_first(void **state)
{
	promoted(false);
	restart();
	assert_int_equal(engine_role(&bed->vm->engine), ENGINE_HELD);
	assert_int_equal(bed->vm->event[0].type, ENGINE_EV_RUN_FAILED);
	assert_int_equal(bed->vm->event[0].g, engine_generation(&bed->vm->engine));
	assert_int_equal(bed->vm->event[1].type, ENGINE_EV_QUIESCED);
	assert_true(bed->vm->engine.unborn);
}

static void of_a_guest_that_ran_here_no_run_has_failed(void **state)
{
	promoted(true);
	EVENT(.type = ENGINE_EV_DEMOTE);
	assert_int_equal(engine_role(&bed->vm->engine), ENGINE_HELD);
	restart();
	assert_int_equal(engine_role(&bed->vm->engine), ENGINE_HELD);
	assert_int_equal(bed->vm->event[0].type, ENGINE_EV_QUIESCED);
	assert_false(bed->vm->engine.unborn);
}

/* Its link is for the grant, and the end of it is what a host that leaves waits for. */
static void a_guest_that_is_held_lets_a_leaving_standby_go(void **state)
{
	promoted(true);
	EVENT(.type = ENGINE_EV_DEMOTE);
	EVENT(.type = ENGINE_EV_UNPROTECT);
	assert_int_equal(engine_role(&bed->vm->engine), ENGINE_HELD);
	strcpy(bed->vm->mem->peer, "xb");
	bed->left = 0;
	EVENT(.type = ENGINE_EV_TICK);
	assert_int_equal(bed->left, 0);
	bed->vm->peer_leaves = true;
	EVENT(.type = ENGINE_EV_TICK);
	assert_int_equal(bed->left, 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(of_an_image_that_never_ran_the_engine_is_told_first),
		TEST(of_a_guest_that_ran_here_no_run_has_failed),
		TEST(a_guest_that_is_held_lets_a_leaving_standby_go),
	};

	return cmocka_run_group_tests_name("vm", tests, NULL, NULL);
}
