/* SPDX-License-Identifier: GPL-2.0-only */
/* What a guest's other devices let out waits for what it was told its disks have. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <qb/qbloop.h>

#include "vm/vm.h"

#include "standins.h"

struct fake {
	struct device dev; /* first: the ops cast */
	uint64_t durable, released;
	bool owes;
};

static struct {
	struct daemon d;
	struct vm vm;
	struct fake disk[2], nic;
	unsigned int drained;
} w;

NOTHING(recent_released(struct recent *r, uint64_t epoch, uint64_t now_ns))

static void release(struct device *dev, uint64_t epoch)
{
	((struct fake *)dev)->released = epoch;
}

static uint64_t durable(const struct device *dev)
{
	return ((const struct fake *)dev)->durable;
}

static bool owes(const struct device *dev)
{
	return ((const struct fake *)dev)->owes;
}

static const struct device_ops disk_ops = { .release = release, .durable = durable, .owes = owes };
static const struct device_ops nic_ops = { .release = release };

static void on_drained(void *arg)
{
	w.drained++;
	qb_loop_stop(w.d.loop);
}

static void add(struct fake *f, const struct device_ops *ops)
{
	f->dev.ops = ops;
	f->durable = UINT64_MAX;
	w.vm.device[w.vm.nr_devices].dev = &f->dev;
	w.vm.devices[w.vm.nr_devices++] = &f->dev;
}

static int setup(void **state)
{
	memset(&w, 0, sizeof(w));
	w.d.loop = qb_loop_create();
	assert_false(later_open(w.d.loop, &w.d.later));
	w.vm.d = &w.d;
	w.vm.engine.p.role = ENGINE_OWNER;
	w.vm.engine.p.acked = 7;
	w.vm.drained = (struct later_item){ .fn = on_drained };
	add(&w.disk[0], &disk_ops);
	add(&w.nic, &nic_ops);
	add(&w.disk[1], &disk_ops);
	return 0;
}

static int teardown(void **state)
{
	later_close(w.d.later);
	qb_loop_destroy(w.d.loop);
	return 0;
}

static void all_that_was_committed_leaves(void **state)
{
	vm_devices_release(&w.vm, 7);
	assert_int_equal(w.disk[0].released, 7);
	assert_int_equal(w.disk[1].released, 7);
	assert_int_equal(w.nic.released, 7);
}

static void what_is_heard_waits_for_the_slowest_disk(void **state)
{
	w.disk[0].durable = 5;
	w.disk[1].durable = 4;
	vm_devices_release(&w.vm, 7);
	assert_int_equal(w.disk[0].released, 7);
	assert_int_equal(w.nic.released, 4);
	w.disk[1].durable = UINT64_MAX;
	vm_outputs_settled(&w.vm);
	assert_int_equal(w.nic.released, 5);
	w.disk[0].durable = UINT64_MAX;
	vm_outputs_settled(&w.vm);
	assert_int_equal(w.nic.released, 7); /* no more than was committed */
}

static void of_a_guest_alone_it_waits_too(void **state)
{
	w.vm.engine.p.right = 1;
	assert_false(vm_outputs_must_hold(&w.vm, &w.nic.dev));
	w.disk[0].durable = 4;
	assert_true(vm_outputs_must_hold(&w.vm, &w.nic.dev));
	assert_false(vm_outputs_must_hold(&w.vm, &w.disk[1].dev));
	w.disk[0].durable = UINT64_MAX;
	vm_outputs_settled(&w.vm);
	assert_true(w.nic.released == UINT64_MAX);
}

static void of_an_image_that_did_not_start_nothing_leaves(void **state)
{
	w.vm.run_failed = true;
	vm_outputs_settled(&w.vm);
	assert_int_equal(w.nic.released, 0);
}

static void a_copy_knows_of_no_end(void **state)
{
	w.vm.drains = w.vm.device[0].closing = true;
	later_add(w.d.later, &w.vm.drained);
	vm_devices_forget_end(&w.vm);
	assert_false(w.vm.drains);
	assert_false(w.vm.device[0].closing);
	assert_null(w.vm.drained.next);
}

static void a_guest_that_ended_is_drained_when_nothing_is_owed(void **state)
{
	w.vm.drains = true;
	w.disk[0].owes = true;
	assert_true(vm_devices_owe(&w.vm));
	vm_outputs_settled(&w.vm);
	assert_null(w.vm.drained.next);
	w.disk[0].owes = false;
	vm_outputs_settled(&w.vm);
	qb_loop_run(w.d.loop);
	assert_int_equal(w.drained, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(all_that_was_committed_leaves, setup, teardown),
		cmocka_unit_test_setup_teardown(what_is_heard_waits_for_the_slowest_disk, setup, teardown),
		cmocka_unit_test_setup_teardown(of_a_guest_alone_it_waits_too, setup, teardown),
		cmocka_unit_test_setup_teardown(of_an_image_that_did_not_start_nothing_leaves, setup,
						teardown),
		cmocka_unit_test_setup_teardown(a_copy_knows_of_no_end, setup, teardown),
		cmocka_unit_test_setup_teardown(a_guest_that_ended_is_drained_when_nothing_is_owed, setup,
						teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
