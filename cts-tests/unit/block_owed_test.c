/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Writes and flushes that the guest was told are done before they are (G1, G4): nobody can tell.  The guest
 * is one block_front, the hosts are block_envs on one disk file.  A limit on the size of files stands for a
 * disk that does not do a write for now: one beyond it fails and is tried again.
 */
#include <signal.h>

#include "block/internal.h"
#include "block_env.h"
#include "monotonic.h"

#define SNAPSHOT_CAP (2U << 20)
#define BEYOND 8192 /* a sector where writes fail while the limit is set */
#define HOLD_MS 3000

struct bed {
	struct fake_guest fake, fake_b; /* the guest's memory on either host */
	struct block_env a, b;
	struct block_front front;
	uint8_t *snapshot;
	uint8_t *image; /* pages of the device, as the standby has them */
	unsigned int carried;
	long len;
};

static void answer_early(struct block_env *e, uint32_t hold_ms)
{
	e->dev->ops->destroy(e->dev);
	e->cfg.answer_early = e->cfg.owe_flushes = true;
	e->cfg.error_hold_ms = hold_ms;
	env_create(e);
}

static struct bed *bed_new(uint32_t hold_ms)
{
	struct bed *t = calloc(1, sizeof(*t));

	assert_non_null(t);
	t->snapshot = malloc(SNAPSHOT_CAP);
	t->image = calloc(DEVICE_MAX_PAGES, GUEST_PAGE_SIZE);
	assert_true(t->snapshot && t->image);
	fake_guest_init(&t->fake, GUEST_PAGES);
	fake_guest_init(&t->fake_b, GUEST_PAGES);
	env_init(&t->a, &t->fake, NULL);
	env_init(&t->b, &t->fake_b, t->a.path);
	t->b.pages = t->image;
	answer_early(&t->a, hold_ms);
	answer_early(&t->b, hold_ms);
	front_init(&t->front, &t->fake, 1, 1);
	env_connect(&t->a, &t->front);
	return t;
}

static void bed_free(struct bed *t)
{
	env_fini(&t->b, false);
	env_fini(&t->a, true);
	fake_guest_fini(&t->fake);
	fake_guest_fini(&t->fake_b);
	free(t->snapshot);
	free(t->image);
	free(t);
}

/* By the guest where it is now; its page is of its own. */
static void write_page(struct bed *t, uint64_t id, uint64_t sector, uint8_t value)
{
	unsigned int page = DATA_PAGE0 + (unsigned int)id;

	memset(fake_page(t->front.fake, page), value, GUEST_PAGE_SIZE);
	front_rw(&t->front, 0, id, BLKIF_OP_WRITE, sector, page, 1);
	front_kick(&t->front, 0);
}

static void flush(struct bed *t, uint64_t id)
{
	front_flush(&t->front, 0, id);
	front_kick(&t->front, 0);
}

static void read_page(struct bed *t, uint64_t id, uint64_t sector)
{
	front_rw(&t->front, 0, id, BLKIF_OP_READ, sector, DATA_PAGE0 + (unsigned int)id, 1);
	front_kick(&t->front, 0);
}

static void turns(struct block_env *e)
{
	env_wait((struct env_wait){ .env = e });
}

static void release(struct block_env *e, uint64_t epoch)
{
	e->dev->ops->release(e->dev, epoch);
	turns(e);
}

/* All that is owed may be done, and is. */
static void release_all(struct block_env *e)
{
	unsigned int n = 0;

	e->dev->ops->release(e->dev, e->epoch);
	do
		turns(e);
	while (e->dev->ops->owes(e->dev) && n++ < 600);
	assert_false(e->dev->ops->owes(e->dev));
}

static int carry(void *arg, uint32_t index, const void *page)
{
	struct bed *t = arg;

	memcpy(t->image + (size_t)index * GUEST_PAGE_SIZE, page, GUEST_PAGE_SIZE);
	t->carried++;
	return 0;
}

/* The epoch that is open, and the next one begins. */
static unsigned int capture(struct bed *t, uint64_t base)
{
	t->carried = 0;
	t->len = t->a.dev->ops->snapshot(t->a.dev, t->snapshot, SNAPSHOT_CAP);
	assert_true(t->len > 0);
	assert_int_equal(t->a.dev->ops->each_page(t->a.dev, t->a.epoch, base, carry, t), 0);
	memcpy(t->fake_b.mem, t->fake.mem, GUEST_PAGES * GUEST_PAGE_SIZE);
	memcpy(t->fake_b.grant, t->fake.grant, sizeof(t->fake.grant));
	t->fake_b.next_ref = t->fake.next_ref;
	t->a.epoch++;
	return t->carried;
}

static void promote(struct bed *t)
{
	t->a.dev->ops->disconnect(t->a.dev);
	assert_int_equal(t->b.dev->ops->restore(t->b.dev, t->snapshot, (size_t)t->len), 0);
	t->front.queue[0].shared =
		(void *)((uint8_t *)t->front.queue[0].shared - t->fake.mem + t->fake_b.mem);
	t->front.fake = &t->fake_b;
	t->b.epoch = t->a.epoch;
	env_connect(&t->b, &t->front);
}

static uint64_t durable(const struct block_env *e)
{
	return e->dev->ops->durable(e->dev);
}

static void a_write_is_answered_at_once_and_done_after_its_commit(void **state)
{
	struct bed *t = bed_new(HOLD_MS);

	write_page(t, 1, 8, 0x11);
	env_run(&t->a, &t->front, 1);
	assert_int_equal(t->front.id[1].status, BLKIF_RSP_OKAY);
	assert_int_equal(t->a.owed_said, 1);
	assert_int_equal(t->a.held_said, 0);
	assert_true(t->a.dev->ops->owes(t->a.dev));
	memset(fake_page(&t->fake, DATA_PAGE0 + 1), 0x99, GUEST_PAGE_SIZE); /* its page is its own again */
	turns(&t->a);
	assert_true(env_disk_is(&t->a, 8, 8, 0));

	release(&t->a, t->a.epoch - 1);
	assert_true(env_disk_is(&t->a, 8, 8, 0));
	release_all(&t->a);
	assert_true(env_disk_is(&t->a, 8, 8, 0x11));
	assert_int_equal(t->a.settled_said, 1);
	bed_free(t);
}

static void what_needs_no_commit_is_answered_when_it_is_done(void **state)
{
	struct bed *t = bed_new(HOLD_MS);

	t->a.must_hold = false;
	write_page(t, 1, 8, 0x11);
	assert_false(t->a.dev->ops->owes(t->a.dev));
	env_run(&t->a, &t->front, 1);
	assert_true(env_disk_is(&t->a, 8, 8, 0x11));
	assert_int_equal(t->a.owed_said, 0);
	bed_free(t);
}

static void what_is_heard_after_a_flush_waits_until_it_is_done(void **state)
{
	struct bed *t = bed_new(HOLD_MS);

	t->a.epoch = 5;
	write_page(t, 1, 8, 0x11);
	assert_true(durable(&t->a) == UINT64_MAX); /* of a write alone nobody was told that it lasts */
	t->a.epoch = 6;
	flush(t, 2);
	env_run(&t->a, &t->front, 2);
	assert_int_equal(durable(&t->a), 5);
	t->a.epoch = 7;
	flush(t, 3);
	env_run(&t->a, &t->front, 3);
	assert_int_equal(durable(&t->a), 5);
	write_page(t, 4, 16, 0x44);
	env_run(&t->a, &t->front, 4);
	t->a.dev->ops->release(t->a.dev, 5);
	for (unsigned int n = 0; n < 600 && durable(&t->a) != UINT64_MAX; n++)
		turns(&t->a);
	assert_true(t->a.settled_said > 0);
	assert_true(durable(&t->a) == UINT64_MAX);
	assert_true(t->a.dev->ops->owes(t->a.dev));
	assert_true(env_disk_is(&t->a, 8, 8, 0x11));
	bed_free(t);
}

static void a_flush_is_not_done_before_the_writes_that_came_before_it(void **state)
{
	struct bed *t = bed_new(HOLD_MS);

	write_page(t, 1, BEYOND, 0x11);
	flush(t, 2);
	env_path_breaks(true);
	release(&t->a, t->a.epoch);
	assert_int_equal(durable(&t->a), t->a.epoch - 1);
	env_path_breaks(false);
	env_wait((struct env_wait){ .env = &t->a, .settled = 1 });
	assert_true(env_disk_is(&t->a, BEYOND, 8, 0x11));
	assert_true(durable(&t->a) == UINT64_MAX);
	bed_free(t);
}

static void no_write_overtakes_a_flush(void **state)
{
	struct bed *t = bed_new(HOLD_MS);

	write_page(t, 1, BEYOND, 0x11);
	flush(t, 2);
	write_page(t, 3, 8, 0x33);
	env_path_breaks(true);
	release(&t->a, t->a.epoch);
	t->a.must_hold = false; /* nor does one that needs no commit */
	write_page(t, 4, 16, 0x44);
	front_discard(&t->front, 0, 5, 24, 8, 0);
	front_kick(&t->front, 0);
	turns(&t->a);
	assert_true(env_disk_is(&t->a, 8, 16, 0));
	assert_false(t->front.id[5].answered);

	env_path_breaks(false);
	env_run(&t->a, &t->front, 5);
	assert_true(env_disk_is(&t->a, BEYOND, 8, 0x11));
	assert_true(env_disk_is(&t->a, 8, 8, 0x33));
	assert_true(env_disk_is(&t->a, 16, 8, 0x44));
	bed_free(t);
}

static void a_read_sees_what_is_owed(void **state)
{
	struct bed *t = bed_new(HOLD_MS);
	uint8_t want[GUEST_PAGE_SIZE];

	memset(want, 0x11, sizeof(want));
	write_page(t, 1, 8, 0x11);
	read_page(t, 2, 800); /* of other blocks: it waits for nothing */
	env_run(&t->a, &t->front, 2);
	read_page(t, 3, 8);
	turns(&t->a);
	front_reap(&t->front);
	assert_false(t->front.id[3].answered);
	assert_true(t->a.held_said > 0); /* an epoch is wanted for it */
	t->a.epoch++;
	t->a.held_said = 0;
	turns(&t->a);
	read_page(t, 4, 16);
	assert_int_equal(t->a.held_said, 0); /* it is under way */
	t->a.dev->ops->release(t->a.dev, t->a.epoch - 1);
	env_run(&t->a, &t->front, 4);
	assert_memory_equal(fake_page(&t->fake, DATA_PAGE0 + 3), want, sizeof(want));
	bed_free(t);
}

/* Nor does anything wait for what came later, which may wait for its commit for long. */
static void a_read_does_not_wait_for_a_later_write(void **state)
{
	struct bed *t = bed_new(HOLD_MS);

	t->a.dev->ops->disconnect(t->a.dev);
	block_wait_until(t->a.dev, monotonic_ns() + 20000000);
	env_connect(&t->a, &t->front);
	memset(fake_page(&t->fake, DATA_PAGE0 + 1), 0x99, GUEST_PAGE_SIZE);
	read_page(t, 1, 8);
	write_page(t, 2, 8, 0x22);
	env_run(&t->a, &t->front, 2);
	assert_int_equal(fake_page(&t->fake, DATA_PAGE0 + 1)[0], 0);
	bed_free(t);
}

static void a_disk_that_fails_is_owed_nothing_more(void **state)
{
	struct bed *t = bed_new(HOLD_MS);

	write_page(t, 1, BEYOND, 0x11);
	env_path_breaks(true);
	release(&t->a, t->a.epoch++);
	write_page(t, 2, 8, 0x22);
	turns(&t->a);
	front_reap(&t->front);
	assert_false(t->front.id[2].answered);
	release(&t->a, t->a.epoch);
	env_path_breaks(false);
	env_run(&t->a, &t->front, 2);
	env_wait((struct env_wait){ .env = &t->a, .settled = 1 });
	bed_free(t);
}

static void writes_of_the_same_blocks_are_done_in_order(void **state)
{
	struct bed *t = bed_new(HOLD_MS);

	write_page(t, 1, ENV_LIMIT / 512 - 4, 0x11); /* half of it is beyond */
	write_page(t, 2, ENV_LIMIT / 512 - 8, 0x22);
	env_path_breaks(true);
	release(&t->a, t->a.epoch);
	assert_true(env_disk_is(&t->a, ENV_LIMIT / 512 - 8, 4, 0));
	env_path_breaks(false);
	env_wait((struct env_wait){ .env = &t->a, .settled = 1 });
	assert_true(env_disk_is(&t->a, ENV_LIMIT / 512 - 8, 8, 0x22));
	assert_true(env_disk_is(&t->a, ENV_LIMIT / 512, 4, 0x11));
	bed_free(t);
}

static void too_much_waits_for_its_commit(void **state)
{
	struct bed *t = bed_new(HOLD_MS);
	unsigned int i, page = DATA_PAGE0 + 100;

	/* 11 pages each: 23 fit, and beyond a half it is urgent */
	for (i = 0; i < 24; i++)
		front_rw(&t->front, 0, i, BLKIF_OP_WRITE, (uint64_t)i * 88, page,
			 BLKIF_MAX_SEGMENTS_PER_REQUEST);
	front_kick(&t->front, 0);
	env_run(&t->a, &t->front, 23);
	assert_int_equal(t->a.held_said, 1);
	assert_int_equal(t->a.urgent_said, 1);
	t->a.dev->ops->release(t->a.dev, t->a.epoch);
	env_run(&t->a, &t->front, 24);
	bed_free(t);
}

static void a_copy_is_brought_the_data_once(void **state)
{
	struct bed *t = bed_new(HOLD_MS);

	t->a.epoch = 10;
	write_page(t, 1, 8, 0x11);
	assert_int_equal(capture(t, 9), 1);
	write_page(t, 2, 16, 0x22);
	assert_int_equal(capture(t, 10), 1); /* 11 */
	assert_int_equal(capture(t, 11), 0);
	/* 12 was the last; the link broke, the peer holds 10 only */
	assert_int_equal(capture(t, 10), 1);
	/* a new copy */
	assert_int_equal(capture(t, 0), 2);
	bed_free(t);
}

static void who_goes_on_from_the_epoch_does_what_is_owed(void **state)
{
	struct bed *t = bed_new(HOLD_MS);

	write_page(t, 1, 8, 0x11);
	flush(t, 2);
	env_run(&t->a, &t->front, 2);
	capture(t, 0);
	write_page(t, 3, 8, 0x33); /* never happened */
	promote(t);
	assert_int_equal(durable(&t->b), 0);
	read_page(t, 4, 8);
	env_wait((struct env_wait){ .env = &t->b, .settled = 1 });
	assert_true(env_disk_is(&t->b, 8, 8, 0x11));
	assert_true(durable(&t->b) == UINT64_MAX);
	bed_free(t);
}

static void without_its_data_a_snapshot_is_refused(void **state)
{
	struct bed *t = bed_new(HOLD_MS);

	write_page(t, 1, 8, 0x11);
	capture(t, 0);
	t->b.pages = NULL;
	assert_int_equal(t->b.dev->ops->restore(t->b.dev, t->snapshot, (size_t)t->len), -EBADMSG);
	t->b.pages = t->image;
	assert_int_equal(t->b.dev->ops->restore(t->b.dev, t->snapshot, (size_t)t->len), 0);
	bed_free(t);
}

/* Where the first owed entry of the snapshot lies. */
static struct table_entry *owed_entry(struct bed *t, unsigned int nr)
{
	return (struct table_entry *)(t->snapshot + sizeof(struct table_header) +
				      sizeof(struct table_queue)) +
	       nr;
}

static void an_owed_entry_that_cannot_be_is_refused(void **state)
{
	struct bed *t = bed_new(HOLD_MS);
	struct table_entry good;

	write_page(t, 1, 8, 0x11);
	write_page(t, 2, 16, 0x22);
	capture(t, 0);
	good = *owed_entry(t, 1);
	for (unsigned int what = 0; what < 6; what++) {
		struct table_entry *e = owed_entry(t, 1);
		struct blkif_request *rq = (struct blkif_request *)e->request;

		*e = good;
		switch (what) {
		case 0:
			e->page = BLOCK_OWED_PAGES;
			break;
		case 1:
			e->page = owed_entry(t, 0)->page;
			break;
		case 2:
			rq->operation = BLKIF_OP_READ;
			break;
		case 3:
			rq->operation = BLKIF_OP_INDIRECT;
			break;
		case 4:
			rq->sector_number = DISK_SECTORS;
			break;
		default:
			e->queue = 1;
		}
		assert_int_equal(t->b.dev->ops->restore(t->b.dev, t->snapshot, (size_t)t->len), -EBADMSG);
	}
	*owed_entry(t, 1) = good;
	assert_int_equal(t->b.dev->ops->restore(t->b.dev, t->snapshot, (size_t)t->len), 0);
	bed_free(t);
}

static void a_daemon_that_comes_again_still_owes_it(void **state)
{
	struct bed *t = bed_new(HOLD_MS);

	write_page(t, 1, 8, 0x11);
	flush(t, 2);
	env_run(&t->a, &t->front, 2);
	capture(t, 0);
	t->a.dev->ops->destroy(t->a.dev);
	env_create(&t->a);
	env_connect(&t->a, &t->front);
	turns(&t->a);
	assert_int_equal(t->a.owed_said, 3);
	assert_true(env_disk_is(&t->a, 8, 8, 0));
	assert_int_equal(capture(t, t->a.epoch - 1), 1); /* it does not know what its predecessor sent */
	release_all(&t->a);
	assert_true(env_disk_is(&t->a, 8, 8, 0x11));
	bed_free(t);
}

static void it_is_quiet_when_nothing_is_owed_that_may_be_done(void **state)
{
	struct bed *t = bed_new(HOLD_MS);

	write_page(t, 1, 8, 0x11);
	flush(t, 2);
	t->a.dev->ops->quiesce(t->a.dev);
	env_wait((struct env_wait){ .env = &t->a, .quiesced = 1 });
	assert_true(env_disk_is(&t->a, 8, 8, 0));
	/* once it is quiet, only another quiesce begins anything */
	release(&t->a, t->a.epoch);
	assert_true(env_disk_is(&t->a, 8, 8, 0));
	t->a.dev->ops->quiesce(t->a.dev);
	env_wait((struct env_wait){ .env = &t->a, .quiesced = 2 });
	assert_true(env_disk_is(&t->a, 8, 8, 0x11));
	assert_false(t->a.dev->ops->owes(t->a.dev));
	bed_free(t);
}

static void a_disk_that_fails_keeps_no_guest_from_moving(void **state)
{
	struct bed *t = bed_new(100 * HOLD_MS);

	write_page(t, 1, BEYOND, 0x11);
	env_path_breaks(true);
	capture(t, 0);
	release(&t->a, t->a.epoch - 1);
	t->a.dev->ops->quiesce(t->a.dev);
	env_wait((struct env_wait){ .env = &t->a, .quiesced = 1 });
	env_path_breaks(false);
	assert_true(env_disk_is(&t->a, BEYOND, 8, 0));
	promote(t);
	env_wait((struct env_wait){ .env = &t->b, .settled = 1 });
	assert_true(env_disk_is(&t->b, BEYOND, 8, 0x11));
	bed_free(t);
}

static void what_another_copy_lives_through_is_dropped(void **state)
{
	struct bed *t = bed_new(HOLD_MS);

	t->a.epoch = 5;
	write_page(t, 1, 8, 0x11);
	t->a.epoch = 6;
	write_page(t, 2, 16, 0x22);
	t->a.dev->ops->discard(t->a.dev, 5);
	release_all(&t->a);
	assert_true(env_disk_is(&t->a, 8, 8, 0x11));
	assert_true(env_disk_is(&t->a, 16, 8, 0));
	assert_int_equal(t->a.dev->ops->snapshot(t->a.dev, t->snapshot, SNAPSHOT_CAP), -ESTALE);
	bed_free(t);
}

/* What the guest was told is done is tried until it is; what it is told from now on is the truth. */
static void what_is_owed_is_never_given_up(void **state)
{
	struct bed *t = bed_new(100);

	write_page(t, 1, BEYOND, 0x11);
	flush(t, 2);
	env_path_breaks(true);
	release(&t->a, t->a.epoch);
	write_page(t, 3, BEYOND + 8, 0x33);
	t->a.dev->ops->release(t->a.dev, t->a.epoch);
	env_run(&t->a, &t->front, 3);
	assert_int_equal(t->front.id[3].status, BLKIF_RSP_ERROR);
	write_page(t, 4, BEYOND + 16, 0x44);
	t->a.dev->ops->release(t->a.dev, t->a.epoch);
	env_run(&t->a, &t->front, 4);
	assert_int_equal(t->front.id[4].status, BLKIF_RSP_ERROR);
	assert_int_equal(durable(&t->a), t->a.epoch - 1);
	env_path_breaks(false);
	env_wait((struct env_wait){ .env = &t->a, .settled = 1 });
	assert_true(env_disk_is(&t->a, BEYOND, 8, 0x11));
	assert_true(durable(&t->a) == UINT64_MAX);
	assert_string_equal(t->a.trouble, "");
	bed_free(t);
}

static void a_disk_that_closes_is_drained(void **state)
{
	struct bed *t = bed_new(HOLD_MS);

	write_page(t, 1, BEYOND, 0x11);
	t->a.dev->ops->drain(t->a.dev);
	turns(&t->a);
	assert_int_equal(t->a.quiesced_said, 0);
	env_path_breaks(true);
	release(&t->a, t->a.epoch);
	assert_int_equal(t->a.quiesced_said, 0);
	env_path_breaks(false);
	env_wait((struct env_wait){ .env = &t->a, .quiesced = 1 });
	assert_false(t->a.dev->ops->owes(t->a.dev));
	assert_true(env_disk_is(&t->a, BEYOND, 8, 0x11));
	bed_free(t);
}

/* What a dead host had on its way is the same, unless there are two of the same blocks. */
static void of_an_image_it_is_done_before_late_writes_have_landed(void **state)
{
	struct bed *t = bed_new(HOLD_MS);

	write_page(t, 1, 8, 0x11);
	write_page(t, 2, 16, 0x22);
	write_page(t, 3, 20, 0x33);
	capture(t, 0);
	block_wait_until(t->b.dev, monotonic_ns() + 1000000000);
	promote(t);
	for (unsigned int n = 0; n < 100 && !env_disk_is(&t->b, 8, 8, 0x11); n++)
		turns(&t->b);
	assert_true(env_disk_is(&t->b, 8, 8, 0x11));
	write_page(t, 4, 8, 0x44); /* nobody had that under way */
	release(&t->b, t->b.epoch);
	assert_true(env_disk_is(&t->b, 8, 8, 0x11));
	assert_true(env_disk_is(&t->b, 16, 24, 0));
	release_all(&t->b);
	assert_true(env_disk_is(&t->b, 8, 8, 0x44));
	assert_true(env_disk_is(&t->b, 16, 4, 0x22));
	assert_true(env_disk_is(&t->b, 20, 8, 0x33));
	bed_free(t);
}

/* The first host's late write of the same blocks may still come. */
static void of_who_waited_itself_only_what_it_was_left_is_done_early(void **state)
{
	struct bed *t = bed_new(HOLD_MS);

	block_wait_until(t->a.dev, monotonic_ns() + 60000000000ULL);
	write_page(t, 1, 8, 0x11);
	capture(t, 0);
	block_wait_until(t->b.dev, monotonic_ns() + 500000000);
	promote(t);
	turns(&t->b);
	assert_true(env_disk_is(&t->b, 8, 8, 0));
	release_all(&t->b);
	assert_true(env_disk_is(&t->b, 8, 8, 0x11));
	bed_free(t);
}

static void what_waits_for_a_write_that_cannot_be_fails(void **state)
{
	struct bed *t = bed_new(0);

	write_page(t, 1, BEYOND, 0x11);
	env_path_breaks(true);
	release(&t->a, t->a.epoch);
	write_page(t, 2, BEYOND + 4, 0x22);
	t->a.dev->ops->release(t->a.dev, t->a.epoch);
	env_run(&t->a, &t->front, 2);
	assert_int_equal(t->front.id[2].status, BLKIF_RSP_ERROR);
	env_path_breaks(false);
	release_all(&t->a);
	assert_true(env_disk_is(&t->a, BEYOND, 8, 0x11));
	bed_free(t);
}

/* Its flush may be for the order of writes on several. */
static void of_one_of_several_disks_no_flush_is_owed(void **state)
{
	struct bed *t = bed_new(HOLD_MS);

	t->a.dev->ops->destroy(t->a.dev);
	t->a.cfg.owe_flushes = false;
	env_create(&t->a);
	env_connect(&t->a, &t->front);
	write_page(t, 1, 8, 0x11);
	flush(t, 2);
	env_run(&t->a, &t->front, 1);
	assert_true(t->a.held_said > 0); /* an epoch is wanted for it */
	t->a.dev->ops->release(t->a.dev, t->a.epoch);
	env_run(&t->a, &t->front, 2);
	assert_true(env_disk_is(&t->a, 8, 8, 0x11));
	bed_free(t);
}

/* The daemon died when the write was owed, and its answer was not published yet. */
static void half_an_answer_is_no_commit(void **state)
{
	struct bed *t = bed_new(HOLD_MS);
	struct block_mem *m = t->a.mem;

	write_page(t, 1, 8, 0x11);
	m->entry[0].state = ENTRY_ANSWERED;
	m->queue[0].rsp_prod--;
	t->front.queue[0].shared->rsp_prod--;
	t->a.dev->ops->destroy(t->a.dev);
	env_create(&t->a);
	env_connect(&t->a, &t->front);
	turns(&t->a);
	assert_true(env_disk_is(&t->a, 8, 8, 0));
	t->a.dev->ops->release(t->a.dev, t->a.epoch);
	env_run(&t->a, &t->front, 1);
	env_wait((struct env_wait){ .env = &t->a, .settled = 1 });
	assert_true(env_disk_is(&t->a, 8, 8, 0x11));
	bed_free(t);
}

static void no_byte_of_an_older_write_travels(void **state)
{
	struct bed *t = bed_new(HOLD_MS);
	struct blkif_request *r;

	write_page(t, 1, 8, 0x11);
	release_all(&t->a);
	memset(fake_page(&t->fake, DATA_PAGE0 + 2), 0x22, GUEST_PAGE_SIZE);
	r = front_slot(&t->front, 0);
	memset(r, 0, sizeof(*r));
	r->operation = BLKIF_OP_WRITE;
	r->nr_segments = 1;
	r->id = 2;
	r->sector_number = 8;
	r->seg[0].gref = t->front.data_ref[DATA_PAGE0 + 2]; /* its first sector */
	front_push(&t->front, 0, 2, BLKIF_OP_WRITE);
	front_kick(&t->front, 0);
	assert_int_equal(capture(t, 0), 1);
	assert_int_equal(t->image[511], 0x22);
	for (unsigned int i = 512; i < GUEST_PAGE_SIZE; i++)
		assert_int_equal(t->image[i], 0);
	bed_free(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_write_is_answered_at_once_and_done_after_its_commit),
		cmocka_unit_test(what_needs_no_commit_is_answered_when_it_is_done),
		cmocka_unit_test(what_is_heard_after_a_flush_waits_until_it_is_done),
		cmocka_unit_test(a_flush_is_not_done_before_the_writes_that_came_before_it),
		cmocka_unit_test(no_write_overtakes_a_flush),
		cmocka_unit_test(a_read_sees_what_is_owed),
		cmocka_unit_test(a_read_does_not_wait_for_a_later_write),
		cmocka_unit_test(a_disk_that_fails_is_owed_nothing_more),
		cmocka_unit_test(writes_of_the_same_blocks_are_done_in_order),
		cmocka_unit_test(too_much_waits_for_its_commit),
		cmocka_unit_test(a_copy_is_brought_the_data_once),
		cmocka_unit_test(who_goes_on_from_the_epoch_does_what_is_owed),
		cmocka_unit_test(without_its_data_a_snapshot_is_refused),
		cmocka_unit_test(an_owed_entry_that_cannot_be_is_refused),
		cmocka_unit_test(a_daemon_that_comes_again_still_owes_it),
		cmocka_unit_test(it_is_quiet_when_nothing_is_owed_that_may_be_done),
		cmocka_unit_test(a_disk_that_fails_keeps_no_guest_from_moving),
		cmocka_unit_test(what_another_copy_lives_through_is_dropped),
		cmocka_unit_test(what_is_owed_is_never_given_up),
		cmocka_unit_test(a_disk_that_closes_is_drained),
		cmocka_unit_test(of_an_image_it_is_done_before_late_writes_have_landed),
		cmocka_unit_test(of_who_waited_itself_only_what_it_was_left_is_done_early),
		cmocka_unit_test(what_waits_for_a_write_that_cannot_be_fails),
		cmocka_unit_test(of_one_of_several_disks_no_flush_is_owed),
		cmocka_unit_test(half_an_answer_is_no_commit),
		cmocka_unit_test(no_byte_of_an_older_write_travels),
	};

	signal(SIGXFSZ, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
