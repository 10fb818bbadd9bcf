/* SPDX-License-Identifier: GPL-2.0-only */
/* Domains of a VM that somebody else made: the engine knows of them, and so do people. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <xenctrl.h>

#include "vm/vm.h"
#include "vm/vms.h"

#define OURS 20000
#define THEIRS 70
#define MANY 200 /* more than are asked for at once */

static struct bed {
	struct daemon d;
	struct vm vm;
	bool exists, dying, going, fails;
	unsigned int told, events;
	bool foreign; /* as the engine was told last */
} bed;

static const uint8_t uuid[16] = "of the guest";

/* Domains 1 to MANY of other VMs, THEIRS is one of ours if it exists; then OURS. */
int xc_domain_getinfo(xc_interface *xch, uint32_t first, unsigned int max, xc_dominfo_t *info)
{
	unsigned int n = 0;

	if (bed.fails) {
		errno = EACCES;
		return -1;
	}
	for (uint32_t id = first; n < max && id <= OURS; id++) {
		if (id > MANY && id < OURS)
			continue;
		memset(&info[n], 0, sizeof(info[n]));
		info[n].domid = id;
		info[n].dying = id == THEIRS && bed.dying;
		if (id == OURS || (id == THEIRS && bed.exists))
			memcpy(info[n].handle, uuid, sizeof(uuid));
		n++;
	}
	errno = ESRCH;
	return n ? (int)n : -1;
}

bool vms_is_going(const struct daemon *d, uint32_t domid)
{
	return bed.going && domid == THEIRS;
}

void vm_tell(struct vm *vm, const char *fmt, ...)
{
	bed.told++;
}

void vm_event(struct vm *vm, const struct engine_event *ev)
{
	assert_int_equal(ev->type, ENGINE_EV_FOREIGN_DOMAIN);
	bed.events++;
	bed.foreign = ev->flag;
}

static int setup(void **state)
{
	struct engine_cfg cfg = { .node = 1,
				  .boot = 1,
				  .max_in_flight = 1,
				  .staging_pages = 1,
				  .resend_ns = 1,
				  .fence_after_ns = 1,
				  .handover_ns = 1 };

	memset(&bed, 0, sizeof(bed));
	bed.vm.d = &bed.d;
	bed.vm.domid = OURS;
	memcpy(bed.vm.rec.uuid, uuid, sizeof(uuid));
	bed.d.vms = &bed.vm;
	return engine_init(&bed.vm.engine, &cfg);
}

static void own_it(void)
{
	struct engine_event ev = { .type = ENGINE_EV_START_OWNER, .incarnation = 7 };
	struct engine_actions list;

	assert_int_equal(engine_handle(&bed.vm.engine, &ev, &list), 0);
	assert_int_equal(engine_role(&bed.vm.engine), ENGINE_OWNER);
}

static void another_domain_with_its_uuid_is_found(void **state)
{
	assert_false(vms_domain_of(&bed.d, uuid, OURS));
	assert_true(vms_domain_of(&bed.d, uuid, 0));
	bed.exists = true;
	assert_true(vms_domain_of(&bed.d, uuid, OURS));
	bed.going = true;
	assert_false(vms_domain_of(&bed.d, uuid, OURS));
	bed.going = false;
	bed.dying = true;
	assert_false(vms_domain_of(&bed.d, uuid, OURS));
}

/* Who cannot ask says neither NONE nor VOID. */
static void what_cannot_be_asked_may_be_there(void **state)
{
	bed.fails = true;
	assert_true(vms_domain_of(&bed.d, uuid, OURS));
}

static void the_engine_of_a_host_with_nothing_is_told_when_it_comes_and_goes(void **state)
{
	vms_look_beside(&bed.d);
	assert_int_equal(bed.events, 0);
	bed.exists = true;
	vms_look_beside(&bed.d);
	vms_look_beside(&bed.d);
	assert_int_equal(bed.events, 1);
	assert_true(bed.foreign);
	bed.exists = false;
	vms_look_beside(&bed.d);
	assert_int_equal(bed.events, 2);
	assert_false(bed.foreign);
}

static void one_beside_ours_is_told_of_when_it_comes_and_goes(void **state)
{
	own_it();
	bed.exists = true;
	vms_look_beside(&bed.d);
	vms_look_beside(&bed.d);
	assert_true(bed.vm.beside);
	assert_int_equal(bed.told, 1);
	bed.exists = false;
	vms_look_beside(&bed.d);
	assert_false(bed.vm.beside);
	assert_int_equal(bed.told, 2);
	assert_int_equal(bed.events, 0); /* what is ours is ours */
}

#define TEST(name) cmocka_unit_test_setup(name, setup)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(another_domain_with_its_uuid_is_found),
		TEST(what_cannot_be_asked_may_be_there),
		TEST(the_engine_of_a_host_with_nothing_is_told_when_it_comes_and_goes),
		TEST(one_beside_ours_is_told_of_when_it_comes_and_goes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
