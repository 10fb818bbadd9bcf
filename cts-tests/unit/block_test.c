/* SPDX-License-Identifier: GPL-2.0-only */
/* What the block backend does for a guest that behaves, and when. */
#include "block/internal.h"
#include "block_env.h"

#include <sys/file.h>
#include <sys/uio.h>

struct bed {
	struct fake_guest fake;
	struct block_env env;
	struct block_front front;
};

static struct bed *bed_new(unsigned int nr_queues, unsigned int nr_pages)
{
	struct bed *t = calloc(1, sizeof(*t));

	assert_non_null(t);
	fake_guest_init(&t->fake, GUEST_PAGES);
	env_init(&t->env, &t->fake, NULL);
	front_init(&t->front, &t->fake, nr_queues, nr_pages);
	return t;
}

static void bed_free(struct bed *t)
{
	env_fini(&t->env, true);
	assert_int_equal(t->fake.maps, 0);
	fake_guest_fini(&t->fake);
	free(t);
}

static void fill(struct bed *t, unsigned int page, unsigned int nr, uint8_t value)
{
	memset(fake_page(&t->fake, page), value, (size_t)nr * GUEST_PAGE_SIZE);
}

static bool page_is(struct bed *t, unsigned int page, uint8_t value)
{
	const uint8_t *p = fake_page(&t->fake, page);
	unsigned int i;

	for (i = 0; i < GUEST_PAGE_SIZE; i++)
		if (p[i] != value)
			return false;
	return true;
}

static void read_brings_the_disks_data(void **state)
{
	struct bed *t = bed_new(1, 1);
	uint8_t data[2 * GUEST_PAGE_SIZE];
	struct blkif_request *r;
	unsigned int i;

	for (i = 0; i < sizeof(data); i++)
		data[i] = i * 7 + i / 512;
	env_poke_disk(&t->env, 40, data, sizeof(data));
	env_connect(&t->env, &t->front);

	/* 3 + 8 + 5 sectors, at different places of three pages */
	r = front_slot(&t->front, 0);
	memset(r, 0, sizeof(*r));
	r->operation = BLKIF_OP_READ;
	r->nr_segments = 3;
	r->id = 5;
	r->sector_number = 40;
	r->seg[0] = (struct blkif_request_segment){ t->front.data_ref[70], 5, 7 };
	r->seg[1] = (struct blkif_request_segment){ t->front.data_ref[71], 0, 7 };
	r->seg[2] = (struct blkif_request_segment){ t->front.data_ref[72], 0, 4 };
	front_push(&t->front, 0, 5, BLKIF_OP_READ);
	front_kick(&t->front, 0);
	env_run(&t->env, &t->front, 1);

	assert_int_equal(t->front.id[5].status, BLKIF_RSP_OKAY);
	assert_memory_equal(fake_page(&t->fake, 70) + 5 * 512, data, 3 * 512);
	assert_memory_equal(fake_page(&t->fake, 71), data + 3 * 512, GUEST_PAGE_SIZE);
	assert_memory_equal(fake_page(&t->fake, 72), data + 11 * 512, 5 * 512);
	assert_int_equal(fake_page(&t->fake, 70)[5 * 512 - 1], 0);
	assert_int_equal(fake_page(&t->fake, 72)[5 * 512], 0);
	assert_true(t->fake.port[3].notified >= 1);
	bed_free(t);
}

static void write_waits_for_the_release_of_its_epoch(void **state)
{
	struct bed *t = bed_new(1, 1);

	env_connect(&t->env, &t->front);
	t->env.epoch = 7;
	fill(t, 64, 1, 0xaa);
	front_rw(&t->front, 0, 1, BLKIF_OP_WRITE, 8, 64, 1);
	front_kick(&t->front, 0);
	t->env.epoch = 8;
	fill(t, 65, 1, 0xbb);
	front_rw(&t->front, 0, 2, BLKIF_OP_WRITE, 16, 65, 1);
	front_discard(&t->front, 0, 3, 0, 8, 0);
	front_kick(&t->front, 0);
	assert_int_equal(t->env.held_said, 2);
	t->env.dev->ops->release(t->env.dev, 6);
	env_run(&t->env, &t->front, 0);
	assert_true(env_disk_is(&t->env, 0, 64, 0));
	assert_int_equal(t->fake.copies_from, 0);

	t->env.dev->ops->release(t->env.dev, 7);
	env_run(&t->env, &t->front, 1);
	assert_true(t->front.id[1].answered);
	assert_true(env_disk_is(&t->env, 8, 8, 0xaa));
	assert_true(env_disk_is(&t->env, 16, 8, 0));

	t->env.dev->ops->release(t->env.dev, 8);
	env_run(&t->env, &t->front, 3);
	assert_true(env_disk_is(&t->env, 16, 8, 0xbb));
	assert_int_equal(t->front.id[2].status, BLKIF_RSP_OKAY);
	assert_int_equal(t->front.id[3].status, BLKIF_RSP_OKAY);
	bed_free(t);
}

static void read_and_flush_pass_held_writes(void **state)
{
	struct bed *t = bed_new(1, 1);

	env_connect(&t->env, &t->front);
	fill(t, 66, 1, 0x11);
	front_rw(&t->front, 0, 1, BLKIF_OP_WRITE, 0, 64, 1);
	front_rw(&t->front, 0, 2, BLKIF_OP_READ, 800, 66, 1);
	front_flush(&t->front, 0, 3);
	front_kick(&t->front, 0);
	env_run(&t->env, &t->front, 2);
	assert_true(t->front.id[2].answered && t->front.id[3].answered);
	assert_int_equal(t->front.id[3].status, BLKIF_RSP_OKAY);
	assert_true(page_is(t, 66, 0));
	bed_free(t);
}

static void unprotected_writes_go_at_once(void **state)
{
	struct bed *t = bed_new(1, 1);

	t->env.must_hold = false;
	env_connect(&t->env, &t->front);
	fill(t, 64, 2, 0x5a);
	front_rw(&t->front, 0, 1, BLKIF_OP_WRITE, 24, 64, 2);
	front_kick(&t->front, 0);
	env_run(&t->env, &t->front, 1);
	assert_int_equal(t->front.id[1].status, BLKIF_RSP_OKAY);
	assert_true(env_disk_is(&t->env, 24, 16, 0x5a));
	assert_int_equal(t->env.held_said, 0);
	bed_free(t);
}

static struct bed *bed_with_cache(enum block_write_cache cache)
{
	struct bed *t = bed_new(1, 1);

	t->env.must_hold = false;
	t->env.cfg.write_cache = cache;
	t->env.dev->ops->destroy(t->env.dev);
	env_create(&t->env);
	env_connect(&t->env, &t->front);
	return t;
}

static void send_writes(struct bed *t, unsigned int nr)
{
	for (unsigned int i = 0; i < nr; i++)
		front_rw(&t->front, 0, i, BLKIF_OP_WRITE, 8 * i, 64 + i, 1);
	front_kick(&t->front, 0);
}

/* The flags of the first request that went to the kernel, for a write and this kind of cache. */
static int flags_of_a_write(enum block_write_cache cache)
{
	struct bed *t = bed_with_cache(cache);
	int flags;

	send_writes(t, 1);
	env_run(&t->env, &t->front, 1);
	assert_int_equal(t->front.id[0].status, BLKIF_RSP_OKAY);
	flags = ((struct block *)t->env.dev)->uring.sq.sqes[0].rw_flags;
	bed_free(t);
	return flags;
}

/* Answered means: on storage that survives the host. */
static void write_to_a_volatile_cache_is_synchronous(void **state)
{
	assert_int_equal(flags_of_a_write(BLOCK_CACHE_VOLATILE), RWF_DSYNC);
	assert_int_equal(flags_of_a_write(BLOCK_CACHE_SAFE), 0);
}

static unsigned int flushes(const struct block *b)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < *b->uring.sq.ktail; i++)
		n += b->uring.sq.sqes[i].opcode == IORING_OP_FSYNC;
	return n;
}

static struct bed *notified;

/* Called after responses were published: but for the first write, not before a flush has ended after all of
 * them. */
static int notify_after_flush(struct guest *g, int local_port)
{
	const struct block *b = (struct block *)notified->env.dev;
	uint32_t published = notified->front.queue[0].shared->rsp_prod;

	if (published > 1)
		assert_true(*b->uring.cq.khead > published && flushes(b));
	return 0;
}

static void writes_beside_others_are_answered_when_one_flush_after_them_has_ended(void **state)
{
	struct bed *t = bed_with_cache(BLOCK_CACHE_VOLATILE);
	const struct block *b = (struct block *)t->env.dev;
	struct guest_ops ops = *t->env.host.guest->ops;

	notified = t;
	ops.notify = notify_after_flush;
	t->env.host.guest->ops = &ops;
	send_writes(t, 9);
	env_run(&t->env, &t->front, 9);
	assert_int_equal(b->uring.sq.sqes[0].rw_flags, RWF_DSYNC);
	for (unsigned int i = 1; i < 9; i++)
		assert_int_equal(b->uring.sq.sqes[i].rw_flags, 0);
	assert_in_range(flushes(b), 1, 8);
	bed_free(t);
}

static void what_is_in_no_volatile_cache_needs_no_flush(void **state)
{
	struct bed *t = bed_with_cache(BLOCK_CACHE_VOLATILE);
	const struct block *b = (struct block *)t->env.dev;
	unsigned int before;

	front_flush(&t->front, 0, 20); /* of what others wrote */
	front_kick(&t->front, 0);
	env_run(&t->env, &t->front, 1);
	assert_int_equal(flushes(b), 1);
	send_writes(t, 3);
	env_run(&t->env, &t->front, 4);
	before = flushes(b);
	front_flush(&t->front, 0, 21);
	front_kick(&t->front, 0);
	env_run(&t->env, &t->front, 5);
	assert_int_equal(t->front.id[21].status, BLKIF_RSP_OKAY);
	assert_int_equal(flushes(b), before);
	front_discard(&t->front, 0, 22, 800, 8, 0);
	front_kick(&t->front, 0);
	env_run(&t->env, &t->front, 6);
	front_flush(&t->front, 0, 23);
	front_kick(&t->front, 0);
	env_run(&t->env, &t->front, 7);
	assert_int_equal(flushes(b), before + (t->front.id[22].status == BLKIF_RSP_OKAY));
	bed_free(t);
}

/* As one request's own error of that kind is. */
static void a_flush_that_the_kernel_had_no_memory_for_is_tried_again(void **state)
{
	struct bed *t = bed_with_cache(BLOCK_CACHE_VOLATILE);
	struct block *b = (struct block *)t->env.dev;
	struct block_io io = { .op = BLKIF_OP_WRITE };

	for (unsigned int i = 0; i < BLOCK_MAX_RETRIES; i++) {
		SLIST_INSERT_HEAD(&b->flushing, &io, link);
		cache_flushed(b, i % 2 ? -EAGAIN : -EINTR);
		assert_true(SLIST_EMPTY(&b->flushing));
		assert_ptr_equal(SLIST_FIRST(&b->written), &io);
		SLIST_INIT(&b->written);
		assert_false(b->synced);
	}
	cache_flushed(b, -EAGAIN); /* enough: an error of each, here of none */
	assert_int_equal(b->flush_retries, 0);
	bed_free(t);
}

static void a_cache_that_is_safe_is_flushed_when_the_guest_says_so(void **state)
{
	struct bed *t = bed_with_cache(BLOCK_CACHE_SAFE);
	const struct block *b = (struct block *)t->env.dev;

	send_writes(t, 3);
	env_run(&t->env, &t->front, 3);
	assert_int_equal(flushes(b), 0);
	for (unsigned int i = 1; i <= 2; i++) {
		front_flush(&t->front, 0, 20 + i);
		front_kick(&t->front, 0);
		env_run(&t->env, &t->front, 3 + i);
		assert_int_equal(flushes(b), i);
	}
	bed_free(t);
}

static bool lock_is_free(const char *path)
{
	int fd = open(path, O_RDWR | O_CLOEXEC);
	bool got = fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0;

	close(fd);
	return got;
}

/* The io_uring keeps the lock of the memory file when every descriptor of the process is gone. */
static void lock_lasts_as_long_as_the_io(void **state)
{
	struct bed *t = bed_new(1, 1);
	unsigned int ms;
	int fd;

	fd = open(t->env.path, O_RDWR | O_CLOEXEC);
	assert_int_equal(flock(fd, LOCK_EX | LOCK_NB), 0);
	t->env.cfg.lock_fd = fd;
	t->env.dev->ops->destroy(t->env.dev);
	env_create(&t->env);
	env_connect(&t->env, &t->front);
	close(fd);
	assert_false(lock_is_free(t->env.path));
	t->env.dev->ops->disconnect(t->env.dev);
	for (ms = 0; ms < 5000 && !lock_is_free(t->env.path); ms++)
		usleep(1000); /* the kernel takes the ring apart in its own time */
	assert_true(ms < 5000);
	bed_free(t);
}

static void write_takes_the_data_of_its_submission(void **state)
{
	struct bed *t = bed_new(1, 1);

	env_connect(&t->env, &t->front);
	fill(t, 64, 1, 1);
	front_rw(&t->front, 0, 1, BLKIF_OP_WRITE, 0, 64, 1);
	front_kick(&t->front, 0);
	fill(t, 64, 1, 2);
	t->env.dev->ops->release(t->env.dev, 1);
	fill(t, 64, 1, 3);
	env_run(&t->env, &t->front, 1);
	assert_true(env_disk_is(&t->env, 0, 8, 2));
	bed_free(t);
}

static void discard_makes_a_hole(void **state)
{
	struct bed *t = bed_new(1, 1);
	uint8_t data[64 * 512];

	memset(data, 0xee, sizeof(data));
	env_poke_disk(&t->env, 0, data, sizeof(data));
	t->env.must_hold = false;
	env_connect(&t->env, &t->front);
	front_discard(&t->front, 0, 1, 8, 32, 0);
	front_kick(&t->front, 0);
	env_run(&t->env, &t->front, 1);
	if (t->front.id[1].status == BLKIF_RSP_EOPNOTSUPP) {
		bed_free(t);
		print_message("the file system makes no holes\n");
		skip();
		return;
	}
	assert_int_equal(t->front.id[1].status, BLKIF_RSP_OKAY);
	assert_true(env_disk_is(&t->env, 0, 8, 0xee));
	assert_true(env_disk_is(&t->env, 8, 32, 0));
	assert_true(env_disk_is(&t->env, 40, 24, 0xee));
	bed_free(t);
}

static void indirect_moves_256_segments(void **state)
{
	struct bed *t = bed_new(1, 1);
	unsigned int i;

	t->env.must_hold = false;
	env_connect(&t->env, &t->front);
	for (i = 0; i < 256; i++)
		fill(t, 100 + i, 1, i ^ 0x80);
	front_indirect(&t->front, 0, 1, BLKIF_OP_WRITE, 4096, 64, 100, 256);
	front_kick(&t->front, 0);
	env_run(&t->env, &t->front, 1);
	assert_int_equal(t->front.id[1].status, BLKIF_RSP_OKAY);
	for (i = 0; i < 256; i++)
		assert_true(env_disk_is(&t->env, 4096 + 8 * i, 8, i ^ 0x80));

	front_indirect(&t->front, 0, 2, BLKIF_OP_READ, 4096, 65, 500, 256);
	front_kick(&t->front, 0);
	env_run(&t->env, &t->front, 2);
	assert_int_equal(t->front.id[2].status, BLKIF_RSP_OKAY);
	assert_memory_equal(fake_page(&t->fake, 100), fake_page(&t->fake, 500), 256 * GUEST_PAGE_SIZE);
	bed_free(t);
}

/* 20 x 256 pages are more bounce pages than there are: the rest waits its turn. */
static void more_data_than_bounce_pages_waits(void **state)
{
	struct bed *t = bed_new(1, 1);
	unsigned int i;

	env_connect(&t->env, &t->front);
	for (i = 0; i < 20; i++)
		front_indirect(&t->front, 0, i, BLKIF_OP_READ, 0, 64 + i, 100, 256);
	front_kick(&t->front, 0);
	env_run(&t->env, &t->front, 20);
	for (i = 0; i < 20; i++)
		assert_int_equal(t->front.id[i].status, BLKIF_RSP_OKAY);
	bed_free(t);
}

/* Full rings of 16 pages on 4 queues, several times round: each request is answered once, on its own queue.
 */
static void many_queues_and_pages_answer_each_once(void **state)
{
	struct bed *t = bed_new(4, 16);
	unsigned int i, q, round, id = 0;

	env_connect(&t->env, &t->front);
	assert_int_equal(t->front.queue[0].size, 512);
	for (round = 0; round < 3; round++) {
		for (i = 0; i < 512; i++)
			for (q = 0; q < 4; q++) {
				uint8_t op = i % 4 ? BLKIF_OP_READ : BLKIF_OP_WRITE;

				front_rw(&t->front, q, id, op, (id % 1000) * 8, 64 + id % 900, 1 + i % 3);
				id++;
			}
		for (q = 0; q < 4; q++)
			front_kick(&t->front, q);
		env_run(&t->env, &t->front, id - 512);
		t->env.dev->ops->release(t->env.dev, 1);
		env_run(&t->env, &t->front, id);
	}
	for (i = 0; i < id; i++)
		assert_int_equal(t->front.id[i].status, BLKIF_RSP_OKAY);
	for (q = 0; q < 4; q++)
		assert_int_equal(t->front.queue[q].rsp_cons, 3 * 512);
	bed_free(t);
}

static void three_quarters_of_the_ring_held_is_urgent(void **state)
{
	struct bed *t = bed_new(1, 1);
	unsigned int i;

	env_connect(&t->env, &t->front);
	for (i = 0; i < 23; i++)
		front_rw(&t->front, 0, i, BLKIF_OP_WRITE, 0, 64, 1);
	front_kick(&t->front, 0);
	assert_int_equal(t->env.held_said, 1);
	assert_int_equal(t->env.urgent_said, 0);
	front_rw(&t->front, 0, i, BLKIF_OP_WRITE, 0, 64, 1);
	front_kick(&t->front, 0);
	assert_int_equal(t->env.urgent_said, 1);
	bed_free(t);
}

static void quiesce_finishes_what_runs_and_starts_nothing(void **state)
{
	struct bed *t = bed_new(1, 1);

	uint8_t snapshot[4096];
	long len;

	env_connect(&t->env, &t->front);
	front_rw(&t->front, 0, 1, BLKIF_OP_READ, 0, 64, 4);
	front_rw(&t->front, 0, 2, BLKIF_OP_WRITE, 0, 70, 1);
	front_kick(&t->front, 0);
	t->env.dev->ops->quiesce(t->env.dev);
	assert_int_equal(t->env.quiesced_said, 0);
	len = t->env.dev->ops->snapshot(t->env.dev, snapshot, sizeof(snapshot));
	front_rw(&t->front, 0, 3, BLKIF_OP_READ, 0, 64, 4);
	front_kick(&t->front, 0);
	assert_int_equal(t->env.dev->ops->snapshot(t->env.dev, snapshot, sizeof(snapshot)), len);
	fill(t, 70, 1, 0x77);
	t->env.dev->ops->release(t->env.dev, 1);
	env_wait((struct env_wait){ .env = &t->env, .front = &t->front, .quiesced = 1 });
	assert_int_equal(t->env.quiesced_said, 1);
	assert_int_equal(t->front.answered, 1);
	assert_true(t->front.id[1].answered);
	assert_true(env_disk_is(&t->env, 0, 8, 0));

	t->env.dev->ops->thaw(t->env.dev);
	env_run(&t->env, &t->front, 3);
	assert_true(env_disk_is(&t->env, 0, 8, 0x77));
	bed_free(t);
}

static void idle_device_is_quiesced_from_the_loop(void **state)
{
	struct bed *t = bed_new(1, 1);

	t->env.dev->ops->quiesce(t->env.dev);
	assert_int_equal(t->env.quiesced_said, 0);
	env_wait((struct env_wait){ .env = &t->env, .quiesced = 1 });
	assert_int_equal(t->env.quiesced_said, 1);
	bed_free(t);
}

static void guest_is_notified_as_it_asked(void **state)
{
	struct bed *t = bed_new(1, 1);
	unsigned int before, i;

	env_connect(&t->env, &t->front);
	env_run(&t->env, &t->front, 0);
	before = t->fake.port[3].notified;
	t->front.queue[0].shared->rsp_event = 4;
	for (i = 0; i < 3; i++)
		front_flush(&t->front, 0, i);
	front_kick(&t->front, 0);
	env_wait((struct env_wait){ .env = &t->env, .published = &t->front, .responses = 3 });
	assert_int_equal(t->fake.port[3].notified, before);
	front_flush(&t->front, 0, 3);
	front_kick(&t->front, 0);
	env_wait((struct env_wait){ .env = &t->env, .published = &t->front, .responses = 4 });
	assert_int_equal(t->fake.port[3].notified, before + 1);
	env_run(&t->env, &t->front, 4);
	bed_free(t);
}

/* The event comes again for the first request after the last look, not for those that were seen. */
static void req_event_is_armed_behind_the_last_request(void **state)
{
	struct bed *t = bed_new(1, 1);

	env_connect(&t->env, &t->front);
	front_flush(&t->front, 0, 0);
	front_flush(&t->front, 0, 1);
	front_kick(&t->front, 0);
	assert_int_equal(t->front.queue[0].shared->req_event, 3);
	env_run(&t->env, &t->front, 2);
	bed_free(t);
}

/* Requests published before connect() are seen without an event. */
static void connect_looks_at_the_ring(void **state)
{
	struct bed *t = bed_new(1, 1);

	front_rw(&t->front, 0, 9, BLKIF_OP_READ, 0, 64, 1);
	env_connect(&t->env, &t->front);
	env_run(&t->env, &t->front, 1);
	bed_free(t);
}

static void lost_disk_is_an_error_of_that_request(void **state)
{
	struct bed *t = bed_new(1, 1);

	t->env.must_hold = false;
	env_connect(&t->env, &t->front);
	assert_int_equal(truncate(t->env.path, 64 * 512), 0);
	front_rw(&t->front, 0, 1, BLKIF_OP_READ, 128, 64, 1);
	front_rw(&t->front, 0, 2, BLKIF_OP_READ, 60, 65, 1); /* its second half is gone */
	front_rw(&t->front, 0, 3, BLKIF_OP_READ, 0, 66, 1);
	front_kick(&t->front, 0);
	env_run(&t->env, &t->front, 3);
	assert_int_equal(t->front.id[1].status, BLKIF_RSP_ERROR);
	assert_int_equal(t->front.id[2].status, BLKIF_RSP_ERROR);
	assert_int_equal(t->front.id[3].status, BLKIF_RSP_OKAY);
	assert_int_equal(t->env.failed_said, 0);
	bed_free(t);
}

static void properties_and_ring_refs_are_those_of_the_device(void **state)
{
	struct bed *t = bed_new(2, 2);
	struct block_properties p;
	struct device_cfg cfg;
	uint32_t refs[8];

	block_properties(t->env.dev, &p);
	assert_int_equal(p.sectors, DISK_SECTORS);
	assert_true(p.sector_size >= 512 && p.discard && !p.readonly && p.discard_granularity);
	assert_false(t->env.dev->ops->config(t->env.dev, &cfg));
	assert_int_equal(t->env.dev->ops->ring_refs(t->env.dev, refs, 8), 0);

	env_connect(&t->env, &t->front);
	assert_true(t->env.dev->ops->config(t->env.dev, &cfg));
	assert_memory_equal(&cfg, &t->front.cfg, sizeof(cfg));
	assert_int_equal(t->env.dev->ops->ring_refs(t->env.dev, refs, 8), 4);
	assert_int_equal(refs[2], t->front.cfg.queue[1].ring_ref[0]);
	assert_int_equal(t->env.dev->ops->ring_refs(t->env.dev, refs, 3), 3);
	bed_free(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(read_brings_the_disks_data),
		cmocka_unit_test(write_waits_for_the_release_of_its_epoch),
		cmocka_unit_test(read_and_flush_pass_held_writes),
		cmocka_unit_test(unprotected_writes_go_at_once),
		cmocka_unit_test(write_to_a_volatile_cache_is_synchronous),
		cmocka_unit_test(writes_beside_others_are_answered_when_one_flush_after_them_has_ended),
		cmocka_unit_test(what_is_in_no_volatile_cache_needs_no_flush),
		cmocka_unit_test(a_flush_that_the_kernel_had_no_memory_for_is_tried_again),
		cmocka_unit_test(a_cache_that_is_safe_is_flushed_when_the_guest_says_so),
		cmocka_unit_test(lock_lasts_as_long_as_the_io),
		cmocka_unit_test(write_takes_the_data_of_its_submission),
		cmocka_unit_test(discard_makes_a_hole),
		cmocka_unit_test(indirect_moves_256_segments),
		cmocka_unit_test(more_data_than_bounce_pages_waits),
		cmocka_unit_test(many_queues_and_pages_answer_each_once),
		cmocka_unit_test(three_quarters_of_the_ring_held_is_urgent),
		cmocka_unit_test(quiesce_finishes_what_runs_and_starts_nothing),
		cmocka_unit_test(idle_device_is_quiesced_from_the_loop),
		cmocka_unit_test(guest_is_notified_as_it_asked),
		cmocka_unit_test(req_event_is_armed_behind_the_last_request),
		cmocka_unit_test(connect_looks_at_the_ring),
		cmocka_unit_test(lost_disk_is_an_error_of_that_request),
		cmocka_unit_test(properties_and_ring_refs_are_those_of_the_device),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
