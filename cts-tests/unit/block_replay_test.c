/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Exactly once across the death of the daemon and of the host (G4, G6).  "The guest" is one block_front; the
 * hosts are block_envs on one disk file.  front_reap() fails the test on a second answer or one to nothing.
 */
#include "block/internal.h"
#include "block_env.h"
#include "monotonic.h"

#define SNAPSHOT_CAP (2U << 20)

struct bed {
	struct fake_guest fake, fake_b; /* the guest's memory on either host */
	struct block_env a, b;
	struct block_front front;
	uint8_t *snapshot;
	long len;
};

static struct bed *bed_new(unsigned int nr_queues, unsigned int nr_pages)
{
	struct bed *t = calloc(1, sizeof(*t));

	assert_non_null(t);
	t->snapshot = malloc(SNAPSHOT_CAP);
	assert_non_null(t->snapshot);
	fake_guest_init(&t->fake, GUEST_PAGES);
	fake_guest_init(&t->fake_b, GUEST_PAGES);
	env_init(&t->a, &t->fake, NULL);
	env_init(&t->b, &t->fake_b, t->a.path);
	front_init(&t->front, &t->fake, nr_queues, nr_pages);
	return t;
}

static void bed_free(struct bed *t)
{
	env_fini(&t->b, false);
	env_fini(&t->a, true);
	fake_guest_fini(&t->fake);
	fake_guest_fini(&t->fake_b);
	free(t->snapshot);
	free(t);
}

static void capture(struct bed *t)
{
	t->len = t->a.dev->ops->snapshot(t->a.dev, t->snapshot, SNAPSHOT_CAP);
	assert_true(t->len > 0);
	memcpy(t->fake_b.mem, t->fake.mem, GUEST_PAGES * GUEST_PAGE_SIZE);
	memcpy(t->fake_b.grant, t->fake.grant, sizeof(t->fake.grant));
	t->fake_b.next_ref = t->fake.next_ref;
}

/* The guest lives on the other host from here on. */
static void move_guest(struct bed *t)
{
	unsigned int q;

	for (q = 0; q < t->front.nr_queues; q++)
		t->front.queue[q].shared =
			(void *)((uint8_t *)t->front.queue[q].shared - t->fake.mem + t->fake_b.mem);
	t->front.fake = &t->fake_b;
}

static void promote(struct bed *t)
{
	struct device_cfg cfg;

	assert_int_equal(t->b.dev->ops->restore(t->b.dev, t->snapshot, t->len), 0);
	move_guest(t);
	assert_true(t->b.dev->ops->config(t->b.dev, &cfg));
	assert_memory_equal(&cfg, &t->front.cfg, sizeof(cfg));
	assert_int_equal(t->b.dev->ops->connect(t->b.dev, &cfg), 0);
}

/* The daemon of host A dies and comes again: same memory file, same guest. */
static void restart_daemon(struct bed *t)
{
	t->a.dev->ops->destroy(t->a.dev);
	env_create(&t->a);
}

static void promotion_executes_the_table_and_nothing_else(void **state)
{
	struct bed *t = bed_new(1, 1);
	uint8_t old[GUEST_PAGE_SIZE];

	memset(old, 0x33, sizeof(old));
	env_poke_disk(&t->a, 100 * 8, old, sizeof(old));
	env_connect(&t->a, &t->front);

	/* answered before the capture */
	front_flush(&t->front, 0, 1);
	front_kick(&t->front, 0);
	env_run(&t->a, &t->front, 1);
	/* in flight: a held write, a held discard, a read that runs */
	memset(fake_page(&t->fake, 64), 0x44, GUEST_PAGE_SIZE);
	front_rw(&t->front, 0, 2, BLKIF_OP_WRITE, 8, 64, 1);
	front_discard(&t->front, 0, 3, 1600, 8, 0);
	front_rw(&t->front, 0, 4, BLKIF_OP_READ, 800, 70, 1);
	front_kick(&t->front, 0);
	/* published, not consumed */
	front_rw(&t->front, 0, 5, BLKIF_OP_READ, 800, 71, 1);
	capture(t);

	/* what A's guest does afterwards never happened */
	memset(fake_page(&t->fake, 64), 0x55, GUEST_PAGE_SIZE);
	front_kick(&t->front, 0);
	t->a.dev->ops->disconnect(t->a.dev);

	promote(t);
	env_run(&t->b, &t->front, 5);
	assert_int_equal(t->front.id[2].status, BLKIF_RSP_OKAY);
	assert_true(env_disk_is(&t->b, 8, 8, 0x44));
	assert_memory_equal(fake_page(&t->fake_b, 70), old, GUEST_PAGE_SIZE);
	assert_memory_equal(fake_page(&t->fake_b, 71), old, GUEST_PAGE_SIZE);

	/* and the guest goes on */
	t->b.must_hold = false;
	front_rw(&t->front, 0, 6, BLKIF_OP_WRITE, 16, 64, 1);
	front_kick(&t->front, 0);
	env_run(&t->b, &t->front, 6);
	assert_true(env_disk_is(&t->b, 16, 8, 0x44));
	bed_free(t);
}

/* A write that the dead host left on its way must not land on a newer one. */
static void no_io_before_the_dead_hosts_writes_have_landed(void **state)
{
	struct bed *t = bed_new(1, 1);
	uint64_t until;

	env_connect(&t->a, &t->front);
	memset(fake_page(&t->fake, 64), 0x44, GUEST_PAGE_SIZE);
	front_rw(&t->front, 0, 1, BLKIF_OP_WRITE, 8, 64, 1);
	front_kick(&t->front, 0);
	capture(t);
	t->a.dev->ops->disconnect(t->a.dev);
	until = monotonic_ns() + 50000000;
	block_wait_until(t->b.dev, until);
	promote(t);
	assert_true(env_disk_is(&t->b, 8, 8, 0));
	env_run(&t->b, &t->front, 1);
	assert_true(monotonic_ns() >= until);
	assert_true(env_disk_is(&t->b, 8, 8, 0x44));
	bed_free(t);
}

static void promotion_of_full_rings_answers_each_once(void **state)
{
	struct bed *t = bed_new(4, 4);
	unsigned int i, q, id = 0;

	env_connect(&t->a, &t->front);
	for (i = 0; i < 128; i++)
		for (q = 0; q < 4; q++) {
			front_rw(&t->front, q, id, id % 3 ? BLKIF_OP_WRITE : BLKIF_OP_READ, id * 8, 64, 1);
			id++;
		}
	for (q = 0; q < 4; q++) {
		front_kick(&t->front, q);
		front_kick(&t->front, q);
	}
	env_wait((struct env_wait){ .env = &t->a, .front = &t->front }); /* the reads come, out of order */
	assert_int_equal(t->front.answered, (id + 2) / 3);
	for (i = 0; i < 100; i++, id++)
		front_flush(&t->front, i % 4, id);
	capture(t);
	t->a.dev->ops->disconnect(t->a.dev);
	promote(t);
	env_run(&t->b, &t->front, id);
	bed_free(t);
}

/* Each epoch's snapshot replaces the one before. */
static void last_restore_counts(void **state)
{
	struct bed *t = bed_new(1, 1);
	unsigned int i;

	env_connect(&t->a, &t->front);
	for (i = 0; i < 10; i++)
		front_rw(&t->front, 0, i, BLKIF_OP_WRITE, 8 * i, 64, 1);
	front_kick(&t->front, 0);
	capture(t);
	assert_int_equal(t->b.dev->ops->restore(t->b.dev, t->snapshot, t->len), 0);
	t->a.dev->ops->release(t->a.dev, 1);
	env_run(&t->a, &t->front, 10);
	front_rw(&t->front, 0, 10, BLKIF_OP_WRITE, 8 * i, 64, 1);
	front_kick(&t->front, 0);
	capture(t);
	t->a.dev->ops->disconnect(t->a.dev);
	promote(t);
	env_run(&t->b, &t->front, 11);
	bed_free(t);
}

static void restart_keeps_held_and_repeats_the_rest(void **state)
{
	struct bed *t = bed_new(1, 1);

	env_connect(&t->a, &t->front);
	memset(fake_page(&t->fake, 64), 0x66, GUEST_PAGE_SIZE);
	front_rw(&t->front, 0, 1, BLKIF_OP_WRITE, 0, 64, 1);
	t->a.epoch = 1;
	front_kick(&t->front, 0);
	t->a.epoch = 2;
	front_rw(&t->front, 0, 2, BLKIF_OP_WRITE, 8, 64, 1);
	front_rw(&t->front, 0, 3, BLKIF_OP_READ, 80, 65, 1);
	front_kick(&t->front, 0);
	t->a.dev->ops->release(t->a.dev, 1); /* write 1 and read 3 are under way, write 2 is held */
	restart_daemon(t);

	/* a release before the guest is attached is not lost, one too early for write 2 does not let it go */
	t->a.held_said = 0;
	t->a.epoch = 5;
	t->a.dev->ops->release(t->a.dev, 1);
	env_connect(&t->a, &t->front);
	env_run(&t->a, &t->front, 2);
	assert_true(t->front.id[1].answered && t->front.id[3].answered);
	assert_true(env_disk_is(&t->a, 0, 8, 0x66));
	assert_true(env_disk_is(&t->a, 8, 8, 0));
	assert_true(t->a.held_said >= 1);

	/* it belongs to the epoch that is open now */
	t->a.dev->ops->release(t->a.dev, 4);
	env_run(&t->a, &t->front, 2);
	t->a.dev->ops->release(t->a.dev, 5);
	env_run(&t->a, &t->front, 3);
	assert_true(env_disk_is(&t->a, 8, 8, 0x66));
	bed_free(t);
}

static void restart_notifies_what_may_not_have_been(void **state)
{
	struct bed *t = bed_new(2, 1);

	env_connect(&t->a, &t->front);
	restart_daemon(t);
	t->fake.port[3].notified = t->fake.port[4].notified = 0;
	env_connect(&t->a, &t->front);
	env_run(&t->a, &t->front, 0);
	assert_int_equal(t->fake.port[3].notified, 1);
	assert_int_equal(t->fake.port[4].notified, 1);
	bed_free(t);
}

/* SIGKILL between two stores: the memory file as each of them leaves it. */
enum kill_point {
	BEFORE_CONSUMED,  /* the entry is there, req_cons is not advanced */
	BEFORE_PUBLISHED, /* the response is in its slot, rsp_prod is not advanced */
	BEFORE_RECORDED,  /* published, the table does not know */
	BEFORE_FREED,	  /* published and recorded, the entry is still there */
};

static void kill_at(struct bed *t, enum kill_point at)
{
	struct block_mem *m = t->a.mem;
	struct table_entry *e = &m->entry[0];

	assert_int_equal(e->state, ENTRY_HELD);
	switch (at) {
	case BEFORE_CONSUMED:
		m->queue[0].req_cons--;
		break;
	case BEFORE_PUBLISHED:
		e->rsp_index = m->queue[0].rsp_prod;
		e->state = ENTRY_ANSWERED;
		break;
	case BEFORE_FREED:
		m->queue[0].rsp_prod++;
		/* fall through */
	case BEFORE_RECORDED:
		e->rsp_index = t->front.queue[0].shared->rsp_prod;
		e->state = ENTRY_ANSWERED;
		((struct blkif_response *)t->front.queue[0].shared->slots)[0] =
			(struct blkif_response){ .id = 1, .operation = BLKIF_OP_WRITE };
		t->front.queue[0].shared->rsp_prod++;
	}
}

static void death_at(enum kill_point at, unsigned int answered_before, bool executed_again)
{
	struct bed *t = bed_new(1, 1);
	struct block_mem *m = t->a.mem;
	unsigned int i;

	env_connect(&t->a, &t->front);
	memset(fake_page(&t->fake, 64), 0x99, GUEST_PAGE_SIZE);
	front_rw(&t->front, 0, 1, BLKIF_OP_WRITE, 0, 64, 1);
	front_kick(&t->front, 0);
	t->a.dev->ops->disconnect(t->a.dev);
	kill_at(t, at);
	front_reap(&t->front);
	assert_int_equal(t->front.answered, answered_before);
	restart_daemon(t);
	env_connect(&t->a, &t->front);
	env_wait((struct env_wait){ .env = &t->a, .front = &t->front });
	t->a.dev->ops->release(t->a.dev, 1);
	env_run(&t->a, &t->front, 1);
	assert_int_equal(env_disk_is(&t->a, 0, 8, 0x99), executed_again);
	/* the indexes still fit */
	front_flush(&t->front, 0, 2);
	front_kick(&t->front, 0);
	env_run(&t->a, &t->front, 2);
	for (i = 0; i < t->front.queue[0].size; i++)
		assert_int_equal(m->entry[i].state, ENTRY_FREE);
	bed_free(t);
}

static void death_before_consumed(void **state)
{
	death_at(BEFORE_CONSUMED, 0, true);
}

static void death_before_published(void **state)
{
	death_at(BEFORE_PUBLISHED, 0, true);
}

static void death_before_recorded(void **state)
{
	death_at(BEFORE_RECORDED, 1, false);
}

static void death_before_freed(void **state)
{
	death_at(BEFORE_FREED, 1, false);
}

/* Memory and device state of different epochs: refused, not guessed. */
static void ring_of_another_instant_is_refused(void **state)
{
	struct bed *t = bed_new(1, 1);

	env_connect(&t->a, &t->front);
	front_flush(&t->front, 0, 1);
	front_kick(&t->front, 0);
	capture(t);
	env_run(&t->a, &t->front, 1);
	memcpy(t->fake_b.mem, t->fake.mem, GUEST_PAGE_SIZE);
	t->a.dev->ops->disconnect(t->a.dev);
	assert_int_equal(t->b.dev->ops->restore(t->b.dev, t->snapshot, t->len), 0);
	assert_int_equal(t->b.dev->ops->connect(t->b.dev, &t->front.cfg), -EPROTO);
	assert_int_equal(t->fake_b.maps, 0);
	assert_false(t->fake_b.port[3].bound);
	bed_free(t);
}

static void other_rings_than_the_tables_are_refused(void **state)
{
	struct bed *t = bed_new(1, 1);

	env_connect(&t->a, &t->front);
	t->a.dev->ops->disconnect(t->a.dev);
	t->front.cfg.queue[0].evtchn++;
	assert_int_equal(t->a.dev->ops->connect(t->a.dev, &t->front.cfg), -EINVAL);
	t->front.cfg.queue[0].evtchn--;
	assert_int_equal(t->a.dev->ops->connect(t->a.dev, &t->front.cfg), 0);
	bed_free(t);
}

/* A host that gave the guest away has no use for what it held beyond that epoch, and cannot go on from there.
 */
static void discarded_outputs_never_reach_the_disk(void **state)
{
	struct bed *t = bed_new(1, 1);

	env_connect(&t->a, &t->front);
	memset(fake_page(&t->fake, 64), 0x21, GUEST_PAGE_SIZE);
	t->a.epoch = 4;
	front_rw(&t->front, 0, 1, BLKIF_OP_WRITE, 0, 64, 1);
	front_kick(&t->front, 0);
	capture(t);
	t->a.epoch = 5;
	front_rw(&t->front, 0, 2, BLKIF_OP_WRITE, 8, 64, 1);
	front_kick(&t->front, 0);
	t->a.dev->ops->discard(t->a.dev, 4);
	t->a.dev->ops->release(t->a.dev, UINT64_MAX);
	env_wait((struct env_wait){ .env = &t->a });
	assert_true(env_disk_is(&t->a, 8, 8, 0));
	assert_int_equal(t->a.dev->ops->snapshot(t->a.dev, t->snapshot, SNAPSHOT_CAP), -ESTALE);
	t->a.dev->ops->disconnect(t->a.dev);
	assert_int_equal(t->a.dev->ops->connect(t->a.dev, &t->front.cfg), -ESTALE);

	/* a copy from the other side makes it whole */
	assert_int_equal(t->a.dev->ops->restore(t->a.dev, t->snapshot, t->len), 0);
	bed_free(t);
}

/* With nothing beyond the epoch the state stays good: the guest may come back to it. */
static void discard_of_nothing_keeps_the_table(void **state)
{
	struct bed *t = bed_new(1, 1);

	env_connect(&t->a, &t->front);
	front_rw(&t->front, 0, 1, BLKIF_OP_WRITE, 0, 64, 1);
	front_kick(&t->front, 0);
	t->a.dev->ops->discard(t->a.dev, 1);
	t->a.dev->ops->disconnect(t->a.dev);
	env_connect(&t->a, &t->front);
	t->a.dev->ops->release(t->a.dev, 1);
	env_run(&t->a, &t->front, 1);
	bed_free(t);
}

static void snapshot_needs_its_room(void **state)
{
	struct bed *t = bed_new(2, 1);
	long len, cap;

	env_connect(&t->a, &t->front);
	front_rw(&t->front, 1, 1, BLKIF_OP_WRITE, 0, 64, 1);
	front_kick(&t->front, 1);
	capture(t);
	len = t->len;
	for (cap = 0; cap < len; cap++)
		assert_int_equal(t->a.dev->ops->snapshot(t->a.dev, t->snapshot, cap), -ENOBUFS);
	assert_int_equal(t->a.dev->ops->snapshot(t->a.dev, t->snapshot, len), len);
	bed_free(t);
}

static void never_connected_device_travels_too(void **state)
{
	struct bed *t = bed_new(1, 1);
	struct device_cfg cfg;

	capture(t);
	assert_int_equal(t->b.dev->ops->restore(t->b.dev, t->snapshot, t->len), 0);
	assert_false(t->b.dev->ops->config(t->b.dev, &cfg));
	move_guest(t);
	front_flush(&t->front, 0, 1);
	env_connect(&t->b, &t->front);
	env_run(&t->b, &t->front, 1);
	bed_free(t);
}

/* Is this byte of a snapshot with two queues part of a number that the others determine? */
static bool must_be_exact(size_t at)
{
	const size_t entries = sizeof(struct table_header) + 2 * sizeof(struct table_queue);

	if (at < sizeof(struct table_header))
		return at < offsetof(struct table_header, features) ||
		       (at >= offsetof(struct table_header, nr_entries) &&
			at < offsetof(struct table_header, sectors));
	if (at < entries) {
		at = (at - sizeof(struct table_header)) % sizeof(struct table_queue);
		return at >= offsetof(struct table_queue, req_cons) &&
		       at < offsetof(struct table_queue, reserved);
	}
	at = (at - entries) % sizeof(struct table_entry);
	return at >= offsetof(struct table_entry, queue) && at <= offsetof(struct table_entry, state);
}

static void damaged_snapshot_changes_nothing(void **state)
{
	struct bed *t = bed_new(2, 1);
	uint8_t *bad = malloc(SNAPSHOT_CAP), *before = malloc(block_mem_size());
	long i, len;

	env_connect(&t->a, &t->front);
	for (i = 0; i < 5; i++)
		front_rw(&t->front, i % 2, i, BLKIF_OP_WRITE, 0, 64, 1);
	front_kick(&t->front, 0);
	front_kick(&t->front, 1);
	capture(t);
	len = t->len;
	assert_int_equal(t->b.dev->ops->restore(t->b.dev, t->snapshot, len), 0);
	memcpy(before, t->b.mem, block_mem_size());

	for (i = 0; i < len; i++)
		assert_int_equal(t->b.dev->ops->restore(t->b.dev, t->snapshot, i), -EBADMSG);
	assert_int_equal(t->b.dev->ops->restore(t->b.dev, t->snapshot, len + 1), -EBADMSG);
	assert_memory_equal(before, t->b.mem, block_mem_size());

	/* each byte changed, one at a time; some numbers may have any value, these may not */
	for (i = 0; i < len; i++) {
		int rc;

		memcpy(bad, t->snapshot, len);
		bad[i] ^= 0x81;
		rc = t->b.dev->ops->restore(t->b.dev, bad, len);
		if (rc == 0) {
			assert_false(must_be_exact(i));
			assert_int_equal(t->b.dev->ops->restore(t->b.dev, t->snapshot, len), 0);
			continue;
		}
		assert_int_equal(rc, -EBADMSG);
		assert_memory_equal(before, t->b.mem, block_mem_size());
	}
	free(before);
	free(bad);
	bed_free(t);
}

static void memory_of_another_version_is_refused(void **state)
{
	struct bed *t = bed_new(1, 1);
	struct block_mem *m = t->a.mem;
	struct device *dev;

	m->header.version++;
	assert_int_equal(block_create(&t->a.host, 1, &t->a.cfg, t->a.mem, block_mem_size(), &dev), -EBADMSG);
	m->header.version--;
	m->header.nr_queues = 1;
	m->header.nr_ring_pages = 1;
	m->entry[3].state = ENTRY_ANSWERED + 1;
	assert_int_equal(block_create(&t->a.host, 1, &t->a.cfg, t->a.mem, block_mem_size(), &dev), -EBADMSG);
	m->entry[3].state = ENTRY_RELEASED;
	m->entry[3].queue = 1;
	assert_int_equal(block_create(&t->a.host, 1, &t->a.cfg, t->a.mem, block_mem_size(), &dev), -EBADMSG);
	assert_int_equal(block_create(&t->a.host, 1, &t->a.cfg, t->a.mem, block_mem_size() - 1, &dev),
			 -EINVAL);
	memset(m, 0, sizeof(*m));
	bed_free(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(promotion_executes_the_table_and_nothing_else),
		cmocka_unit_test(no_io_before_the_dead_hosts_writes_have_landed),
		cmocka_unit_test(promotion_of_full_rings_answers_each_once),
		cmocka_unit_test(last_restore_counts),
		cmocka_unit_test(restart_keeps_held_and_repeats_the_rest),
		cmocka_unit_test(restart_notifies_what_may_not_have_been),
		cmocka_unit_test(death_before_consumed),
		cmocka_unit_test(death_before_published),
		cmocka_unit_test(death_before_recorded),
		cmocka_unit_test(death_before_freed),
		cmocka_unit_test(ring_of_another_instant_is_refused),
		cmocka_unit_test(other_rings_than_the_tables_are_refused),
		cmocka_unit_test(discarded_outputs_never_reach_the_disk),
		cmocka_unit_test(discard_of_nothing_keeps_the_table),
		cmocka_unit_test(snapshot_needs_its_room),
		cmocka_unit_test(never_connected_device_travels_too),
		cmocka_unit_test(damaged_snapshot_changes_nothing),
		cmocka_unit_test(memory_of_another_version_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
