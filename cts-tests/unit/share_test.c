/* SPDX-License-Identifier: GPL-2.0-only */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <qb/qbloop.h>
#include <xxhash.h>

#include "block/share.h"

#define BLOCKS 16

static void samples_are_the_recent_ones_the_ends_and_others(void **state)
{
	const uint64_t recent[] = { 40960, 8192, 40960, 0, 1ULL << 40 }; /* doubles, the start, too far out */
	uint64_t at[SHARE_SAMPLES];
	unsigned int nr_recent = 5, nr = share_pick(1 << 20, recent, &nr_recent, at);

	assert_int_equal(nr_recent, 3);
	assert_int_equal(at[0], 40960);
	assert_int_equal(at[1], 8192);
	assert_int_equal(at[2], 0);
	assert_int_equal(at[3], (1 << 20) - SHARE_BLOCK);
	assert_true(nr > 8 && nr <= SHARE_SAMPLES);
	for (unsigned int i = 0; i < nr; i++) {
		assert_int_equal(at[i] % SHARE_BLOCK, 0);
		assert_true(at[i] < 1 << 20);
		for (unsigned int k = 0; k < i; k++)
			assert_int_not_equal(at[i], at[k]);
	}
}

static void a_small_disk_has_few_samples(void **state)
{
	uint64_t at[SHARE_SAMPLES];
	unsigned int nr_recent = 0;

	assert_int_equal(share_pick(SHARE_BLOCK - 1, NULL, &nr_recent, at), 0);
	assert_int_equal(share_pick(SHARE_BLOCK + 512, NULL, &nr_recent, at), 1);
	assert_int_equal(at[0], 0);
}

static void only_what_did_not_change_is_judged(void **state)
{
	const uint64_t before[] = { 1, 2, 3, 4, 5 }, after[] = { 1, 9, 3, 4, 5 };
	uint64_t theirs[] = { 1, 7, 3, 4, 5 };
	struct share_verdict v;

	share_judge(before, theirs, after, 5, 2, &v);
	assert_int_equal(v.same, 4);
	assert_int_equal(v.same_recent, 1);
	assert_int_equal(v.unstable, 1);
	assert_int_equal(v.differing, 0);
	theirs[2] = theirs[4] = 0;
	share_judge(before, theirs, after, 5, 2, &v);
	assert_int_equal(v.differing, 2);
	assert_int_equal(v.first, 2);
}

/* ---- reading ---- */

struct bed {
	struct qb_loop *loop;
	char path[PATH_MAX];
	int err;
	unsigned int nr, calls;
	uint64_t hash[SHARE_SAMPLES];
};

static void on_read(void *arg, int err, const uint64_t *hash, unsigned int nr)
{
	struct bed *b = arg;

	b->calls++;
	b->err = err;
	b->nr = nr;
	memcpy(b->hash, hash, nr * sizeof(*hash));
	qb_loop_stop(b->loop);
}

static void give_up(void *arg)
{
	qb_loop_stop(arg);
}

static void run(struct bed *b, unsigned int ms)
{
	qb_loop_timer_handle t;

	assert_int_equal(qb_loop_timer_add(b->loop, QB_LOOP_LOW, ms * 1000000ULL, b->loop, give_up, &t), 0);
	qb_loop_run(b->loop);
	qb_loop_timer_del(b->loop, t);
}

static void fill(uint8_t *block, unsigned int i)
{
	memset(block, (int)i + 1, SHARE_BLOCK);
}

static int make_bed(void **state)
{
	struct bed *b = calloc(1, sizeof(*b));
	ssize_t n = readlink("/proc/self/exe", b->path, sizeof(b->path) - 16);
	uint8_t block[SHARE_BLOCK];
	int fd;

	strcpy(b->path + n, ".disk-XXXXXX");
	fd = mkstemp(b->path);
	for (unsigned int i = 0; i < BLOCKS; i++) {
		fill(block, i);
		if (write(fd, block, sizeof(block)) != (ssize_t)sizeof(block))
			return -1;
	}
	close(fd);
	b->loop = qb_loop_create();
	*state = b;
	return 0;
}

static int free_bed(void **state)
{
	struct bed *b = *state;

	unlink(b->path);
	qb_loop_destroy(b->loop);
	free(b);
	return 0;
}

static bool direct(const struct bed *b)
{
	int fd = open(b->path, O_RDONLY | O_DIRECT);

	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

static void blocks_are_read_and_hashed_in_order(void **state)
{
	const uint64_t at[] = { 5 * SHARE_BLOCK, 0, 15 * SHARE_BLOCK };
	struct bed *b = *state;
	uint8_t block[SHARE_BLOCK];
	struct share_read *r;

	if (!direct(b))
		skip();
	assert_int_equal(share_read_start(b->loop, b->path, at, 3, 5000, on_read, b, &r), 0);
	run(b, 5000);
	assert_int_equal(b->calls, 1);
	assert_int_equal(b->err, 0);
	for (unsigned int i = 0; i < 3; i++) {
		fill(block, (unsigned int)(at[i] / SHARE_BLOCK));
		assert_true(b->hash[i] == XXH3_64bits(block, sizeof(block)));
	}
}

static void what_cannot_be_read_is_an_error(void **state)
{
	const uint64_t at[] = { 0, BLOCKS * SHARE_BLOCK };
	struct bed *b = *state;
	struct share_read *r;

	assert_int_equal(share_read_start(b->loop, "/nonexistent", at, 1, 5000, on_read, b, &r), -ENOENT);
	assert_int_equal(share_read_start(b->loop, b->path, at, 0, 5000, on_read, b, &r), -EINVAL);
	if (!direct(b))
		skip();
	assert_int_equal(share_read_start(b->loop, b->path, at, 2, 5000, on_read, b, &r), 0);
	run(b, 5000);
	assert_int_equal(b->calls, 1);
	assert_int_equal(b->err, -EIO);
}

static void a_cancelled_read_says_nothing(void **state)
{
	const uint64_t at[] = { 0 };
	struct bed *b = *state;
	struct share_read *r;

	if (!direct(b))
		skip();
	assert_int_equal(share_read_start(b->loop, b->path, at, 1, 5000, on_read, b, &r), 0);
	share_read_cancel(r);
	run(b, 20);
	assert_int_equal(b->calls, 0);
}

static void a_file_is_not_shared(void **state)
{
	struct bed *b = *state;
	struct share_id id;

	assert_int_equal(share_identify(b->path, &id), 0);
	assert_string_equal(id.kind, "file");
	assert_string_equal(id.id, "");
	assert_string_equal(share_private(id.kind), "a plain file");
	assert_null(share_private("device"));
	assert_int_equal(share_identify("/dev/null", &id), -ENOTBLK);
	assert_int_equal(share_identify("/nonexistent", &id), -ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(samples_are_the_recent_ones_the_ends_and_others),
		cmocka_unit_test(a_small_disk_has_few_samples),
		cmocka_unit_test(only_what_did_not_change_is_judged),
		cmocka_unit_test_setup_teardown(blocks_are_read_and_hashed_in_order, make_bed, free_bed),
		cmocka_unit_test_setup_teardown(what_cannot_be_read_is_an_error, make_bed, free_bed),
		cmocka_unit_test_setup_teardown(a_cancelled_read_says_nothing, make_bed, free_bed),
		cmocka_unit_test_setup_teardown(a_file_is_not_shared, make_bed, free_bed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
