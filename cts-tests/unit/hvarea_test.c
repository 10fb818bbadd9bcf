/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The daemon's side of the area that it shares with Xen, against a thread that does what Xen's hook and
 * tasklet do (kemari-fire.c): never are both at work on a ring, on a real CPU with its store buffers.
 */
#include "hvarea.h" /* first: it says that these are tools */

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <xenforeignmemory.h>

#include "lib/monotonic.h"

#define COPIES 4
#define RUN_NS 300000000ULL

static _Alignas(4096) uint8_t area[65536];
static struct xen_kemari_area *const shared = (struct xen_kemari_area *)area;

/* What the daemon writes: halves that agree whenever it is not inside. */
static volatile uint64_t ring[2];
static bool there = true, end;
static uint64_t taken, torn;

int hvop_area_set(struct hvop *h, uint32_t domid, uint32_t copies, uint32_t listed, uint32_t state_size,
		  uint64_t *size)
{
	assert_int_equal(copies, COPIES);
	assert_true(listed <= XEN_KEMARI_MAX_LISTED);
	assert_true(state_size <= XEN_KEMARI_MAX_RECORD);
	*size = sizeof(area);
	memset(area, 0, sizeof(area));
	shared->record = 4096;
	shared->list = 8192;
	shared->copied = 12288;
	shared->copies = 16384;
	return 0;
}

struct hvop_harvest hvop_harvest_of(const uint64_t *gfns, uint32_t nr, uint32_t flags)
{
	return (struct hvop_harvest){ .gfns = gfns, .nr = nr, .more = flags & XEN_KEMARI_F_more };
}

xenforeignmemory_resource_handle *xenforeignmemory_map_resource(xenforeignmemory_handle *fmem, domid_t domid,
								unsigned int type, unsigned int id,
								unsigned long frame, unsigned long nr,
								void **addr, int prot, int flags)
{
	assert_int_equal(type, XEN_KEMARI_resource);
	assert_in_range(nr, 1, sizeof(area) / 4096);
	if (!there) {
		errno = ENOENT;
		return NULL;
	}
	*addr = area;
	return (xenforeignmemory_resource_handle *)area;
}

int xenforeignmemory_unmap_resource(xenforeignmemory_handle *fmem, xenforeignmemory_resource_handle *fres)
{
	return 0;
}

static struct hvarea *open_area(void)
{
	struct hvarea *a;

	assert_int_equal(hvarea_open(&a, NULL, NULL, 1, COPIES), 0);
	return a;
}

static void test_begins_busy(void **state)
{
	struct hvarea *a = open_area();

	assert_int_equal(shared->busy, 1);
	assert_int_equal(shared->armed, 0);
	hvarea_arm(a, true, XEN_KEMARI_AREA_sync);
	assert_int_equal(shared->armed, 1);
	assert_int_equal(shared->flags, XEN_KEMARI_AREA_sync);
	hvarea_leave(a);
	assert_int_equal(shared->busy, 0);
	assert_false(hvarea_enter(a));
	assert_int_equal(shared->busy, 1);
	hvarea_close(a);
}

static void test_reads_what_was_taken(void **state)
{
	struct hvarea *a = open_area();
	struct xen_kemari_checkpoint *head = (void *)(area + shared->record);
	struct hvarea_taken t;

	*head = (struct xen_kemari_checkpoint){
		.state_size = 100, .context_size = 300, .callback = 7, .stop = 5
	};
	shared->record_size = 600;
	shared->sequence = 9;
	shared->port = 3;
	shared->stopped = 1;
	shared->out = XEN_KEMARI_F_more;
	shared->nr_listed = 5;
	shared->nr_done = 2;
	shared->nr_copied = 4;
	shared->nr_pinned = 1;
	shared->total_ns = 11;
	shared->fired = XEN_KEMARI_FIRED_taken;

	assert_true(hvarea_enter(a));
	hvarea_read(a, &t);
	assert_int_equal(t.sequence, 9);
	assert_int_equal(t.port, 3);
	assert_true(t.stopped);
	assert_ptr_equal(t.cp.state, head + 1);
	assert_ptr_equal(t.cp.context, (uint8_t *)head + 300);
	assert_int_equal(t.cp.callback, 7);
	assert_ptr_equal(t.cp.dirty.gfns, area + shared->list);
	assert_int_equal(t.cp.dirty.nr, 5);
	assert_true(t.cp.dirty.more);
	assert_int_equal(t.nr_done, 2);
	assert_ptr_equal(t.gfns, area + shared->copied);
	assert_ptr_equal(t.copies, area + shared->copies);
	assert_int_equal(t.nr_copies, 4);
	assert_int_equal(t.nr_pinned, 1);
	assert_int_equal(t.total_ns, 11);
	hvarea_done(a);
	assert_false(hvarea_enter(a));
	hvarea_close(a);
}

static void note(void *arg, const struct hvop_harvest *h)
{
	uint32_t *nr = arg;

	*nr += h->nr;
	assert_ptr_equal(h->gfns, area + shared->list);
}

/* By the daemon after one that died. */
static void test_what_nobody_took_over_is_recovered(void **state)
{
	struct hvarea *a = open_area();
	uint32_t nr = 0;

	hvarea_arm(a, true, 0);
	hvarea_leave(a);
	assert_int_equal(hvarea_recover(NULL, 1, note, &nr), 0);
	assert_int_equal(nr, 0);
	assert_int_equal(shared->busy, 1); /* no more of them */

	shared->nr_listed = 5;
	shared->fired = XEN_KEMARI_FIRED_taken;
	assert_int_equal(hvarea_recover(NULL, 1, note, &nr), 0);
	assert_int_equal(nr, 5);
	shared->result = -ENODATA; /* nothing was taken then */
	assert_int_equal(hvarea_recover(NULL, 1, note, &nr), 0);
	assert_int_equal(nr, 5);
	hvarea_close(a);
}

static void test_without_an_area_nothing_is_known(void **state)
{
	uint32_t nr = 0;

	there = false;
	assert_int_equal(hvarea_recover(NULL, 1, note, &nr), -ENOENT);
	there = true;
}

static void test_an_error_has_nothing_else(void **state)
{
	struct hvarea *a = open_area();
	struct hvarea_taken t;

	shared->result = -ENODATA;
	shared->stopped = 1;
	shared->nr_copied = 4;
	shared->fired = XEN_KEMARI_FIRED_taken;
	assert_true(hvarea_enter(a));
	hvarea_read(a, &t);
	assert_int_equal(t.result, -ENODATA);
	assert_true(t.stopped);
	assert_null(t.cp.state);
	assert_int_equal(t.nr_copies, 0);
	hvarea_close(a);
}

/* begin() and the tasklet: the copy of the ring is taken with FIRED_working. */
static void *xen(void *arg)
{
	while (!__atomic_load_n(&end, __ATOMIC_RELAXED)) {
		if (__atomic_load_n(&shared->fired, __ATOMIC_ACQUIRE) != XEN_KEMARI_FIRED_no)
			continue;
		__atomic_store_n(&shared->fired, XEN_KEMARI_FIRED_working, __ATOMIC_RELAXED);
		__atomic_thread_fence(__ATOMIC_SEQ_CST);
		if (__atomic_load_n(&shared->busy, __ATOMIC_ACQUIRE)) {
			__atomic_store_n(&shared->fired, XEN_KEMARI_FIRED_no, __ATOMIC_RELEASE);
			continue;
		}
		for (int i = 0; i < 30; i++)
			torn += ring[0] != ring[1];
		taken++;
		__atomic_store_n(&shared->fired, XEN_KEMARI_FIRED_taken, __ATOMIC_RELEASE);
	}
	return NULL;
}

static void test_never_both(void **state)
{
	struct hvarea *a = open_area();
	uint64_t until = monotonic_ns() + RUN_NS, seen = 0;
	pthread_t thread;

	assert_int_equal(pthread_create(&thread, NULL, xen, NULL), 0);
	while (monotonic_ns() < until)
		for (int i = 0; i < 100; i++) {
			if (hvarea_enter(a)) {
				seen++;
				hvarea_done(a);
			}
			ring[0]++;
			ring[1]++;
			hvarea_leave(a);
			for (volatile int outside = 0; outside < i; outside++)
				;
		}
	seen += hvarea_enter(a);
	__atomic_store_n(&end, true, __ATOMIC_RELAXED);
	pthread_join(thread, NULL);
	assert_int_equal(torn, 0);
	assert_true(taken > 0);
	assert_int_equal(seen, taken);
	hvarea_close(a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_begins_busy),
		cmocka_unit_test(test_reads_what_was_taken),
		cmocka_unit_test(test_what_nobody_took_over_is_recovered),
		cmocka_unit_test(test_without_an_area_nothing_is_known),
		cmocka_unit_test(test_an_error_has_nothing_else),
		cmocka_unit_test(test_never_both),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
