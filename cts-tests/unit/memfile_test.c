/* SPDX-License-Identifier: GPL-2.0-only */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/memfile.h"
#include "lib/persist.h"

static const uint8_t uuid[16] = { 0x11, 0x22, 0x33, 0x44, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16 };
#define FILE_NAME "11223344-0506-0708-090a-0b0c0d0e0f10.mem"

static const struct memfile_region_def defs[] = {
	{ "engine", 100 },
	{ "image", 3 * 4096 + 1 },
};

static char dir[64];

static int setup(void **state)
{
	strcpy(dir, "/tmp/memfile-XXXXXX");
	return mkdtemp(dir) ? 0 : -1;
}

static int teardown(void **state)
{
	char path[128];
	struct dirent *e;
	DIR *d = opendir(dir);

	while ((e = readdir(d))) {
		snprintf(path, sizeof(path), "%.40s/%.80s", dir, e->d_name);
		unlink(path);
	}
	closedir(d);
	return rmdir(dir);
}

/* Its lock goes a while after its holder: 0 within 5 s. */
static int open_in_time(struct memfile **m)
{
	int rc = -EBUSY;

	for (unsigned int i = 0; rc == -EBUSY && i < 500; i++) {
		rc = memfile_open(dir, uuid, m);
		if (rc == -EBUSY)
			usleep(10000);
	}
	return rc;
}

static struct memfile *create(void)
{
	struct memfile *m = NULL;

	assert_int_equal(memfile_create(dir, uuid, defs, 2, &m), 0);
	return m;
}

/* Changes one byte of the closed file. */
static void poke(off_t at, uint8_t value)
{
	char path[128];
	int fd;

	snprintf(path, sizeof(path), "%s/" FILE_NAME, dir);
	fd = open(path, O_RDWR);
	assert_int_equal(pwrite(fd, &value, 1, at), 1);
	close(fd);
}

static void regions_are_zero_and_survive_the_holder(void **state)
{
	struct memfile *m = create();
	size_t size;
	uint8_t *p = memfile_region(m, "image", &size);

	assert_int_equal(size, 3 * 4096 + 1);
	for (size_t i = 0; i < size; i++)
		assert_int_equal(p[i], 0);
	p[size - 1] = 42;
	assert_null(memfile_region(m, "imag", NULL));
	assert_ptr_not_equal(memfile_region(m, "engine", NULL), p);
	memfile_close(m);

	assert_int_equal(memfile_open(dir, uuid, &m), 0);
	assert_memory_equal(memfile_uuid(m), uuid, 16);
	p = memfile_region(m, "image", &size);
	assert_int_equal(size, 3 * 4096 + 1);
	assert_int_equal(p[size - 1], 42);
	memfile_remove(m);
	assert_int_equal(memfile_open(dir, uuid, &m), -ENOENT);
}

static void create_never_replaces_a_file(void **state)
{
	struct memfile *m = create(), *second;

	*(char *)memfile_region(m, "engine", NULL) = 7;
	assert_int_equal(memfile_create(dir, uuid, defs, 2, &second), -EEXIST);
	assert_int_equal(*(char *)memfile_region(m, "engine", NULL), 7);
	memfile_close(m);
}

static void bad_definitions_are_refused(void **state)
{
	const struct memfile_region_def twice[] = { { "a", 1 }, { "a", 1 } };
	const struct memfile_region_def empty[] = { { "a", 0 } };
	const struct memfile_region_def unnamed[] = { { "", 1 } };
	const struct memfile_region_def longname[] = { { "0123456789012345678901234567890123456789", 1 } };
	const struct memfile_region_def huge[] = { { "a", SIZE_MAX - 4 } };
	struct memfile *m;

	assert_int_equal(memfile_create(dir, uuid, twice, 2, &m), -EINVAL);
	assert_int_equal(memfile_create(dir, uuid, empty, 1, &m), -EINVAL);
	assert_int_equal(memfile_create(dir, uuid, unnamed, 1, &m), -EINVAL);
	assert_int_equal(memfile_create(dir, uuid, longname, 1, &m), -EINVAL);
	assert_int_equal(memfile_create(dir, uuid, huge, 1, &m), -EINVAL);
	assert_int_equal(memfile_create(dir, uuid, defs, 0, &m), -EINVAL);
}

static void open_waits_for_the_holder_to_end(void **state)
{
	struct memfile *m;
	int ready[2], status;
	char c;
	pid_t pid;

	assert_int_equal(pipe(ready), 0);
	pid = fork();
	if (!pid) {
		create();
		if (write(ready[1], "x", 1) != 1)
			_exit(1);
		pause();
		_exit(0);
	}
	assert_int_equal(read(ready[0], &c, 1), 1);
	assert_int_equal(memfile_open(dir, uuid, &m), -EBUSY);
	kill(pid, SIGKILL);
	assert_int_equal(open_in_time(&m), 0);
	memfile_close(m);
	waitpid(pid, &status, 0);
	close(ready[0]);
	close(ready[1]);
}

/* Ownership item 9: the lock outlives its process as long as the kernel holds the process's ring. */
static void a_ring_that_registered_the_lock_keeps_it(void **state)
{
	struct memfile *m = create();
	int fd = memfile_lock_fd(m);
	struct io_uring ring;

	if (io_uring_queue_init(4, &ring, 0)) {
		memfile_close(m);
		skip();
	}
	assert_int_equal(io_uring_register_files(&ring, &fd, 1), 0);
	memfile_close(m);
	assert_int_equal(memfile_open(dir, uuid, &m), -EBUSY);
	io_uring_queue_exit(&ring);
	assert_int_equal(open_in_time(&m), 0);
	memfile_close(m);
}

static void what_cannot_be_trusted_is_refused(void **state)
{
	struct memfile *m;

	memfile_close(create());
	poke(8, 99); /* version */
	assert_int_equal(memfile_open(dir, uuid, &m), -EPROTO);
	poke(8, MEMFILE_VERSION);
	poke(12, 1); /* number of regions */
	assert_int_equal(memfile_open(dir, uuid, &m), -EBADMSG);
	poke(12, 2);
	poke(0, 0); /* magic */
	assert_int_equal(memfile_open(dir, uuid, &m), -EBADMSG);
	poke(0, MEMFILE_MAGIC & 0xff);
	assert_int_equal(memfile_open(dir, uuid, &m), 0);
	memfile_close(m);
}

static int count(const uint8_t u[16], void *arg)
{
	assert_memory_equal(u, uuid, 16);
	++*(int *)arg;
	return 0;
}

static void scan_finds_memory_files_only(void **state)
{
	char path[128];
	int n = 0;

	memfile_close(create());
	snprintf(path, sizeof(path), "%s/11223344-0506-0708-090a-0b0c0d0e0f10.mem.new", dir);
	close(open(path, O_CREAT | O_RDWR, 0600));
	snprintf(path, sizeof(path), "%s/xx223344-0506-0708-090a-0b0c0d0e0f10.mem", dir);
	close(open(path, O_CREAT | O_RDWR, 0600));
	assert_int_equal(memfile_scan(dir, count, &n), 0);
	assert_int_equal(n, 1);
	assert_int_equal(memfile_scan("/nonexistent", count, &n), 0);
	assert_int_equal(n, 1);
}

struct value {
	uint64_t a[5];
};

static struct value value_of(uint64_t n)
{
	return (struct value){ { n, ~n, n * 3, n << 32, n } };
}

static void a_value_is_found_again(void **state)
{
	uint64_t mem[64] = { 0 };
	struct persist p;
	struct value v, got;

	assert_true(persist_size(sizeof(v)) <= sizeof(mem));
	assert_int_equal(persist_attach(&p, mem, 8, sizeof(v)), -EINVAL);
	assert_int_equal(persist_attach(&p, mem, sizeof(mem), sizeof(v)), 0);
	assert_int_equal(persist_load(&p, &got), -ENOENT);
	for (uint64_t n = 1; n < 6; n++) {
		v = value_of(n);
		persist_store(&p, &v);
		assert_int_equal(persist_attach(&p, mem, sizeof(mem), sizeof(v)), 0);
		assert_int_equal(persist_load(&p, &got), 0);
		assert_memory_equal(&got, &v, sizeof(v));
	}
}

/* Every prefix of the bytes that a store changes must read as the old value, all of them as the new one. */
static void a_torn_store_leaves_the_value_before(void **state)
{
	for (uint64_t n = 0; n < 4; n++) {
		uint64_t before[64] = { 0 }, after[64], torn[64];
		struct persist p;
		struct value v, got;
		unsigned int base, nr = persist_size(sizeof(v)) / 2;

		persist_attach(&p, before, sizeof(before), sizeof(v));
		for (uint64_t i = 1; i <= n; i++) {
			v = value_of(i);
			persist_store(&p, &v);
		}
		memcpy(after, before, sizeof(after));
		persist_attach(&p, after, sizeof(after), sizeof(v));
		v = value_of(n + 1);
		persist_store(&p, &v);
		base = p.newest * nr;
		/* Order of the stores: value, check, sequence. */
		for (unsigned int cut = 0; cut < nr - 8; cut++) {
			memcpy(torn, before, sizeof(torn));
			memcpy((char *)torn + base + 16, (char *)after + base + 16,
			       cut < nr - 16 ? cut : nr - 16);
			if (cut >= nr - 16)
				memcpy((char *)torn + base + 8, (char *)after + base + 8, cut - (nr - 16));
			assert_int_equal(persist_attach(&p, torn, sizeof(torn), sizeof(v)), 0);
			if (!n) {
				assert_int_equal(persist_load(&p, &got), -ENOENT);
				continue;
			}
			v = value_of(n);
			assert_int_equal(persist_load(&p, &got), 0);
			assert_memory_equal(&got, &v, sizeof(v));
		}
	}
}

static void a_damaged_value_is_not_returned(void **state)
{
	uint64_t mem[64] = { 0 };
	struct persist p;
	struct value v = value_of(3);

	persist_attach(&p, mem, sizeof(mem), sizeof(v));
	persist_store(&p, &v);
	mem[3] ^= 1;
	assert_int_equal(persist_attach(&p, mem, sizeof(mem), sizeof(v)), -EBADMSG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(regions_are_zero_and_survive_the_holder, setup, teardown),
		cmocka_unit_test_setup_teardown(create_never_replaces_a_file, setup, teardown),
		cmocka_unit_test_setup_teardown(bad_definitions_are_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(open_waits_for_the_holder_to_end, setup, teardown),
		cmocka_unit_test_setup_teardown(a_ring_that_registered_the_lock_keeps_it, setup, teardown),
		cmocka_unit_test_setup_teardown(what_cannot_be_trusted_is_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(scan_finds_memory_files_only, setup, teardown),
		cmocka_unit_test(a_value_is_found_again),
		cmocka_unit_test(a_torn_store_leaves_the_value_before),
		cmocka_unit_test(a_damaged_value_is_not_returned),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
