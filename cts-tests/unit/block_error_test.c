/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the host's path to the disk fails (ownership.md, item 33).  A limit on the size of files stands for
 * the broken path: writes beyond it fail while it is set.
 */
#include <signal.h>

#include "block_env.h"

#define SNAPSHOT_CAP (2U << 20)
#define SECTOR 8192 /* beyond it */

struct bed {
	struct fake_guest fake, fake_b;
	struct block_env a, b;
	struct block_front front;
};

static void set_hold(struct block_env *e, uint32_t ms)
{
	e->dev->ops->destroy(e->dev);
	e->cfg.error_hold_ms = ms;
	e->must_hold = false;
	env_create(e);
}

static struct bed *bed_new(uint32_t hold_ms)
{
	struct bed *t = calloc(1, sizeof(*t));

	assert_non_null(t);
	fake_guest_init(&t->fake, GUEST_PAGES);
	fake_guest_init(&t->fake_b, GUEST_PAGES);
	env_init(&t->a, &t->fake, NULL);
	env_init(&t->b, &t->fake_b, t->a.path);
	set_hold(&t->a, hold_ms);
	set_hold(&t->b, hold_ms);
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
	free(t);
}

static void write_page(struct bed *t, uint64_t id, uint64_t sector, uint8_t value)
{
	memset(fake_page(&t->fake, DATA_PAGE0 + (unsigned int)id), value, GUEST_PAGE_SIZE);
	front_rw(&t->front, 0, id, BLKIF_OP_WRITE, sector, DATA_PAGE0 + (unsigned int)id, 1);
	front_kick(&t->front, 0);
}

static void a_failed_request_waits_until_the_path_is_back(void **state)
{
	struct bed *t = bed_new(3000);

	env_path_breaks(true);
	write_page(t, 1, SECTOR, 0x11);
	write_page(t, 2, 0, 0x22); /* others are served */
	env_run(&t->a, &t->front, 1);
	assert_true(t->front.id[2].answered);
	assert_int_equal(t->a.trouble_said, 1);
	assert_non_null(strstr(t->a.trouble, t->a.path));
	assert_non_null(strstr(t->a.trouble, "File too large"));

	env_path_breaks(false);
	env_run(&t->a, &t->front, 2);
	assert_int_equal(t->front.id[1].status, BLKIF_RSP_OKAY);
	assert_true(env_disk_is(&t->a, SECTOR, 8, 0x11));
	assert_int_equal(t->a.trouble_said, 2);
	assert_string_equal(t->a.trouble, "");
	bed_free(t);
}

static void after_its_time_the_error_goes_through_and_later_ones_at_once(void **state)
{
	struct bed *t = bed_new(100);

	env_path_breaks(true);
	write_page(t, 1, SECTOR, 0x11);
	env_run(&t->a, &t->front, 1);
	assert_int_equal(t->front.id[1].status, BLKIF_RSP_ERROR);
	assert_non_null(strstr(t->a.trouble, "too long"));
	assert_int_equal(t->a.trouble_said, 2);
	write_page(t, 2, SECTOR, 0x22);
	env_run(&t->a, &t->front, 2);
	assert_int_equal(t->front.id[2].status, BLKIF_RSP_ERROR);
	assert_int_equal(t->a.trouble_said, 2);

	env_path_breaks(false);
	write_page(t, 3, SECTOR, 0x33);
	env_run(&t->a, &t->front, 3);
	assert_int_equal(t->front.id[3].status, BLKIF_RSP_OKAY);
	assert_string_equal(t->a.trouble, "");
	bed_free(t);
}

static void without_a_time_every_error_is_the_guests(void **state)
{
	struct bed *t = bed_new(0);

	env_path_breaks(true);
	write_page(t, 1, SECTOR, 0x11);
	env_run(&t->a, &t->front, 1);
	env_path_breaks(false);
	assert_int_equal(t->front.id[1].status, BLKIF_RSP_ERROR);
	assert_int_equal(t->a.trouble_said, 0);
	bed_free(t);
}

/* What no host can do is no trouble of this one. */
static void an_operation_that_is_not_supported_does_not_wait(void **state)
{
	struct bed *t = bed_new(60000);

	front_discard(&t->front, 0, 1, 0, 8, BLKIF_DISCARD_SECURE);
	front_kick(&t->front, 0);
	env_run(&t->a, &t->front, 1);
	assert_int_equal(t->front.id[1].status, BLKIF_RSP_EOPNOTSUPP);
	assert_int_equal(t->a.trouble_said, 0);
	bed_free(t);
}

static void the_waiting_request_moves_to_the_host_whose_path_is_whole(void **state)
{
	struct bed *t = bed_new(60000);
	uint8_t *snapshot = malloc(SNAPSHOT_CAP);
	long len;

	env_path_breaks(true);
	write_page(t, 1, SECTOR, 0x11);
	env_run(&t->a, &t->front, 0);
	t->a.dev->ops->quiesce(t->a.dev);
	env_wait((struct env_wait){ .env = &t->a, .quiesced = 1 }); /* it does not wait for the path */
	len = t->a.dev->ops->snapshot(t->a.dev, snapshot, SNAPSHOT_CAP);
	assert_true(len > 0);
	t->a.dev->ops->disconnect(t->a.dev);
	assert_string_equal(t->a.trouble, "");
	env_path_breaks(false);
	assert_true(env_disk_is(&t->a, SECTOR, 8, 0));

	memcpy(t->fake_b.mem, t->fake.mem, GUEST_PAGES * GUEST_PAGE_SIZE);
	memcpy(t->fake_b.grant, t->fake.grant, sizeof(t->fake.grant));
	t->front.queue[0].shared = (struct ring_shared *)fake_page(&t->fake_b, RING_PAGE0);
	t->front.fake = &t->fake_b;
	assert_int_equal(t->b.dev->ops->restore(t->b.dev, snapshot, (size_t)len), 0);
	env_connect(&t->b, &t->front);
	env_run(&t->b, &t->front, 1);
	assert_int_equal(t->front.id[1].status, BLKIF_RSP_OKAY);
	assert_true(env_disk_is(&t->b, SECTOR, 8, 0x11));
	free(snapshot);
	bed_free(t);
}

/* A replay after a failover finds a broken path, too. */
static void a_replayed_request_waits_as_well(void **state)
{
	struct bed *t = bed_new(60000);

	env_path_breaks(true);
	write_page(t, 1, SECTOR, 0x11);
	env_run(&t->a, &t->front, 0);
	t->a.dev->ops->disconnect(t->a.dev);
	env_connect(&t->a, &t->front); /* a new daemon */
	env_run(&t->a, &t->front, 0);
	assert_int_equal(t->a.trouble_said, 3);
	assert_true(t->a.trouble[0]);
	env_path_breaks(false);
	env_run(&t->a, &t->front, 1);
	assert_int_equal(t->front.id[1].status, BLKIF_RSP_OKAY);
	bed_free(t);
}

static void finished_writes_are_remembered_newest_first(void **state)
{
	struct bed *t = bed_new(0);
	uint64_t at[BLOCK_RECENT];

	assert_int_equal(block_recent_writes(t->a.dev, at, BLOCK_RECENT), 0);
	for (unsigned int i = 0; i < BLOCK_RECENT + 2; i++) {
		write_page(t, i, 8ULL * i + 1, 1);
		env_run(&t->a, &t->front, i + 1);
	}
	front_rw(&t->front, 0, 100, BLKIF_OP_READ, 0, DATA_PAGE0, 1);
	front_kick(&t->front, 0);
	env_run(&t->a, &t->front, BLOCK_RECENT + 3);
	assert_int_equal(block_recent_writes(t->a.dev, at, 3), 3);
	assert_int_equal(at[0], 4096 * (BLOCK_RECENT + 1));
	assert_int_equal(block_recent_writes(t->a.dev, at, BLOCK_RECENT), BLOCK_RECENT);
	assert_int_equal(at[BLOCK_RECENT - 1], 4096 * 2);
	bed_free(t);
}

static int mend(void **state)
{
	env_path_breaks(false);
	return 0;
}

#define TEST(name) cmocka_unit_test_teardown(name, mend)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_failed_request_waits_until_the_path_is_back),
		TEST(after_its_time_the_error_goes_through_and_later_ones_at_once),
		TEST(without_a_time_every_error_is_the_guests),
		TEST(an_operation_that_is_not_supported_does_not_wait),
		TEST(the_waiting_request_moves_to_the_host_whose_path_is_whole),
		TEST(a_replayed_request_waits_as_well),
		TEST(finished_writes_are_remembered_newest_first),
	};

	signal(SIGXFSZ, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
