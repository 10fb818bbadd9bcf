/* SPDX-License-Identifier: GPL-2.0-only */
/* Staging and the receiver in front of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <unistd.h>

#include "apply/receive.h"
#include "fake_ram.h"

#define NOWHERE XEN_KEMARI_INVALID_GFN
#define SESSION 77ULL
#define AREA (256U << 10)

static const uint8_t uuid[16] = { 1, 2, 3 };
#define FILE_NAME "01020300-0000-0000-0000-000000000000.staging"

static char dir[32], why[RECORD_WHY_MAX];
static struct fake_ram *fake;
static struct ram *ram;
static struct image *img;
static void *mem;
static size_t mem_size;
static struct staging *st;
static struct receive rx;
static uint8_t buf[2 << 20];
static const struct image_cfg cfg = { .max_special = 8, .blob_bytes = 8192 };

/* What the receiver said. */
static struct {
	unsigned int bulks, admits, staged, applied, others;
	uint64_t last_staged, last_applied;
	int refuse_bulk, refuse_epoch;
} said;

static int on_bulk_begin(void *arg, char *reason)
{
	said.bulks++;
	return said.refuse_bulk;
}

static int on_admit(void *arg, uint64_t session, const struct record_epoch *e, char *reason)
{
	said.admits++;
	assert_int_equal(session, SESSION);
	return said.refuse_epoch;
}

static void on_staged(void *arg, const struct staged_epoch *e)
{
	said.staged++;
	said.last_staged = e->epoch;
	assert_int_equal(e->session, SESSION);
	assert_int_equal(e->g, FAKE_G);
}

static void on_applied(void *arg, uint64_t g, uint64_t epoch)
{
	said.applied++;
	said.last_applied = epoch;
}

static int on_other(void *arg, const struct record *r, char *reason)
{
	said.others++;
	return 0;
}

static const struct receive_ops ops = { on_bulk_begin, on_admit, on_staged, on_applied, on_other };

static int make_staging(void)
{
	int rc = staging_create(dir, uuid, AREA, &st);

	while (!rc && (rc = staging_reserve(st)) == 1)
		rc = 0;
	return rc;
}

static int setup(void **state)
{
	strcpy(dir, "/tmp/staging-XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	memset(&said, 0, sizeof(said));
	fake = fake_ram_new(&ram);
	mem_size = image_mem_size(&cfg, fake_ranges, 2);
	mem = calloc(1, mem_size);
	if (image_open(mem, mem_size, &cfg, ram, &img) || make_staging() || receive_init(&rx, &ops, NULL))
		return -1;
	receive_attach(&rx, st, img, SESSION);
	return 0;
}

static int teardown(void **state)
{
	receive_fini(&rx);
	staging_remove(st);
	image_close(img);
	ram_close(ram);
	free(fake);
	free(mem);
	return rmdir(dir);
}

/* The daemon is killed; what lies in files and in the shell stays. */
static void restart_daemon(void)
{
	receive_fini(&rx);
	staging_close(st);
	image_close(img);
	assert_int_equal(staging_open(dir, uuid, &st), 0);
	assert_int_equal(image_open(mem, mem_size, &cfg, ram, &img), 0);
	assert_int_equal(receive_init(&rx, &ops, NULL), 0);
	receive_attach(&rx, st, img, SESSION);
}

static void reconnect(void)
{
	receive_reset(&rx);
	receive_attach(&rx, st, img, SESSION);
}

static ssize_t feed(size_t len)
{
	return receive_feed(&rx, buf, len, why);
}

static size_t bulk(const struct fake_page *p, unsigned int nr)
{
	struct record_writer w;

	record_writer_init(&w, buf, sizeof(buf));
	record_put(&w, RECORD_BULK_BEGIN, NULL, 0);
	fake_pages(&w, p, nr);
	record_pages_flush(&w);
	record_seal(buf, w.len, SESSION);
	return w.len;
}

static size_t epoch(uint64_t n, uint64_t base, const struct fake_page *p, unsigned int nr)
{
	return fake_epoch(buf, sizeof(buf), SESSION, n, base, NOWHERE, p, nr);
}

static void take(size_t len)
{
	assert_int_equal(feed(len), len);
}

static void start(void)
{
	take(bulk((struct fake_page[]){ { 1, 1 }, { 2, 2 } }, 2));
	take(epoch(1, 0, (struct fake_page[]){ { 2, 3 } }, 1));
	assert_int_equal(receive_apply(&rx, 0, why), 1);
}

static void a_copy_is_made_and_followed(void **state)
{
	start();
	assert_int_equal(said.bulks, 1);
	assert_int_equal(said.staged, 1);
	assert_int_equal(said.last_applied, 1);
	assert_int_equal(fake->page[1][0], 1);
	assert_int_equal(fake->page[2][0], 3);
	for (uint64_t n = 2; n < 60; n++) { /* many times round the ring */
		struct fake_page p[8];

		for (unsigned int i = 0; i < 8; i++)
			p[i] = (struct fake_page){ 10 + i, (int)(n + i) };
		take(epoch(n, n - 1, p, 8));
		assert_int_equal(said.last_staged, n);
		if (n % 3)
			continue; /* up to three are staged */
		assert_int_equal(staging_count(st), n == 3 ? 2 : 3);
		assert_int_equal(receive_apply(&rx, 0, why), 1);
		assert_int_equal(said.last_applied, n);
		for (unsigned int i = 0; i < 8; i++)
			assert_int_equal(fake->page[10 + i][4095], n + i);
	}
}

static void small_steps_free_the_area(void **state)
{
	struct fake_page p[60];
	unsigned int steps = 0;

	start();
	for (unsigned int i = 0; i < 40; i++)
		p[i] = (struct fake_page){ i, 9 };
	take(epoch(2, 1, p, 40));
	take(epoch(3, 2, p, 10));
	while (!receive_apply(&rx, 1, why))
		steps++;
	assert_true(steps >= 2);
	assert_int_equal(said.last_applied, 3);
	assert_int_equal(staging_count(st), 0);
}

static void a_full_area_stops_the_stream_until_it_is_applied(void **state)
{
	struct fake_page p[40];
	ssize_t n;
	size_t len;

	start();
	for (unsigned int i = 0; i < 40; i++)
		p[i] = (struct fake_page){ i, 5 };
	take(epoch(2, 1, p, 40)); /* 164 KiB of 256 */
	for (unsigned int i = 0; i < 40; i++)
		p[i].fill = 6;
	len = epoch(3, 2, p, 40);
	n = feed(len);
	assert_true(n > 0 && (size_t)n < len);
	assert_int_equal(said.staged, 2);
	assert_int_equal(receive_feed(&rx, buf + n, len - (size_t)n, why), 0);
	assert_int_equal(receive_apply(&rx, 0, why), 1);
	assert_int_equal(receive_feed(&rx, buf + n, len - (size_t)n, why), len - (size_t)n);
	assert_int_equal(said.last_staged, 3);
	assert_int_equal(receive_apply(&rx, 0, why), 1);
	assert_int_equal(fake->page[39][7], 6);
}

static void an_epoch_larger_than_the_area_is_refused(void **state)
{
	struct fake_page p[64];

	start();
	for (unsigned int i = 0; i < 64; i++)
		p[i] = (struct fake_page){ i, 5 };
	assert_int_equal(feed(epoch(2, 1, p, 64)), -EFBIG);
	assert_non_null(strstr(why, "raise staging_mb"));
	assert_int_equal(fake->page[5][0], 0); /* the copy is as it was */
	reconnect();
	take(epoch(2, 1, p, 3));
	assert_int_equal(receive_apply(&rx, 0, why), 1);
}

static void an_epoch_cut_off_by_the_link_leaves_no_trace(void **state)
{
	size_t len;

	start();
	len = epoch(2, 1, (struct fake_page[]){ { 2, 99 }, { 3, 99 } }, 2);
	for (size_t cut = 1; cut < len; cut += 500) {
		assert_int_equal(feed(cut), cut);
		assert_int_equal(receive_apply(&rx, 0, why), 1);
		reconnect();
	}
	assert_int_equal(said.staged, 1);
	assert_int_equal(fake->page[2][0], 3);
	take(len);
	assert_int_equal(receive_apply(&rx, 0, why), 1);
	assert_int_equal(fake->page[2][0], 99);
}

static void staged_epochs_survive_the_daemon(void **state)
{
	start();
	take(epoch(2, 1, (struct fake_page[]){ { 2, 20 }, { 3, 20 } }, 2));
	take(epoch(3, 2, (struct fake_page[]){ { 3, 30 } }, 1));
	feed(epoch(4, 3, (struct fake_page[]){ { 3, 40 } }, 1) - 10); /* not whole when the daemon dies */
	restart_daemon();
	assert_int_equal(staging_count(st), 2);
	assert_int_equal(staging_get(st, 0)->epoch, 2);
	assert_int_equal(staging_get(st, 1)->session, SESSION);
	assert_int_equal(receive_apply(&rx, 0, why), 1);
	assert_int_equal(said.last_applied, 3);
	assert_int_equal(fake->page[2][0], 20);
	assert_int_equal(fake->page[3][0], 30);
	restart_daemon();
	assert_int_equal(staging_count(st), 0);
}

static void a_half_applied_epoch_is_redone(void **state)
{
	struct fake_page p[50];

	start();
	for (unsigned int i = 0; i < 50; i++)
		p[i] = (struct fake_page){ i, 60 };
	take(epoch(2, 1, p, 50));
	assert_int_equal(receive_apply(&rx, 1, why), 0);
	restart_daemon();
	assert_int_equal(image_status(img, NULL, NULL), IMAGE_APPLYING);
	assert_int_equal(receive_apply(&rx, 0, why), 1);
	assert_int_equal(image_status(img, NULL, NULL), IMAGE_WHOLE);
	for (unsigned int i = 0; i < 50; i++)
		assert_int_equal(fake->page[i][100], 60);
}

/* Killed between the image being whole and the epoch being dropped from the index. */
static void an_epoch_that_is_applied_and_still_staged_is_harmless(void **state)
{
	struct image_apply a;

	start();
	take(epoch(2, 1, (struct fake_page[]){ { 2, 20 } }, 1));
	take(epoch(3, 2, (struct fake_page[]){ { 2, 30 } }, 1));
	assert_int_equal(image_apply_begin(img, &a, staging_bytes(st, staging_get(st, 0)),
					   staging_get(st, 0)->length, why),
			 0);
	assert_int_equal(image_apply_step(img, &a, 0), 1);
	restart_daemon();
	assert_int_equal(receive_apply(&rx, 0, why), 1);
	assert_int_equal(fake->page[2][0], 30);
	assert_int_equal(said.last_applied, 3);
}

static void poke(off_t at, uint8_t value)
{
	char path[128];
	int fd;

	snprintf(path, sizeof(path), "%s/" FILE_NAME, dir);
	fd = open(path, O_RDWR);
	assert_int_equal(pwrite(fd, &value, 1, at), 1);
	close(fd);
}

static void a_damaged_file_does_not_count(void **state)
{
	struct staging *s;

	start();
	take(epoch(2, 1, (struct fake_page[]){ { 2, 20 } }, 1));
	poke(8192 + 2000, 0x55); /* in the epoch's page */
	assert_int_equal(staging_open(dir, uuid, &s), -EBADMSG);
	poke(8192 + 2000, 20);
	assert_int_equal(staging_open(dir, uuid, &s), 0);
	staging_close(s);
	poke(8, 9); /* version */
	assert_int_equal(staging_open(dir, uuid, &s), -EPROTO);
	poke(8, STAGING_VERSION);
	poke(0, 0); /* magic */
	assert_int_equal(staging_open(dir, uuid, &s), -EBADMSG);
	assert_int_equal(staging_open("/nonexistent", uuid, &s), -ENOENT);
}

/* It is made piece by piece; a daemon may die in between. */
static void half_a_file_does_not_count(void **state)
{
	static const uint8_t other[16] = { 2 };
	struct staging *s, *again;
	void *where;

	assert_int_equal(staging_create(dir, other, 2 << 20, &s), 0);
	assert_int_equal(staging_reserve(s), 1);
	assert_int_equal(staging_open(dir, other, &again), -EBADMSG);
	assert_int_equal(staging_reserve(s), 1);
	assert_int_equal(staging_reserve(s), 0);
	assert_int_equal(staging_place(s, 2 << 20, &where), 0);
	assert_int_equal(staging_open(dir, other, &again), 0);
	staging_close(again);
	staging_remove(s);
}

static void who_is_not_admitted_changes_nothing(void **state)
{
	start();
	said.refuse_epoch = -EPERM;
	assert_int_equal(feed(epoch(2, 1, NULL, 0)), -EPERM);
	assert_int_equal(staging_count(st), 0);
	said.refuse_epoch = 0;
	said.refuse_bulk = -EBUSY;
	reconnect();
	assert_int_equal(feed(bulk((struct fake_page[]){ { 2, 88 } }, 1)), -EBUSY);
	assert_int_equal(image_status(img, NULL, NULL), IMAGE_WHOLE);
	assert_int_equal(fake->page[2][0], 3);
}

static void an_epoch_that_cannot_be_applied_is_not_staged(void **state)
{
	struct record_writer w;
	size_t len;

	start();
	fake_epoch_begin(&w, buf, sizeof(buf), 2, 1);
	record_put(&w, RECORD_HV_STATE, "garbage", 7);
	record_put(&w, RECORD_HVM_CONTEXT, "x", 1);
	len = fake_epoch_end(&w, SESSION);
	assert_int_equal(feed(len), -EBADMSG);
	assert_int_equal(said.staged, 1);
	assert_int_equal(staging_count(st), 0);
}

static void a_new_bulk_copy_forgets_what_was_staged(void **state)
{
	start();
	take(epoch(2, 1, (struct fake_page[]){ { 2, 20 } }, 1));
	take(bulk((struct fake_page[]){ { 2, 50 } }, 1));
	assert_int_equal(staging_count(st), 0);
	assert_int_equal(image_status(img, NULL, NULL), IMAGE_BULK);
	assert_int_equal(receive_apply(&rx, 0, why), 1);
	assert_int_equal(fake->page[2][0], 50);
	take(epoch(9, 0, NULL, 0));
	assert_int_equal(receive_apply(&rx, 0, why), 1);
	assert_int_equal(image_status(img, NULL, NULL), IMAGE_WHOLE);
}

static void nothing_is_taken_before_the_vm_is_known(void **state)
{
	receive_reset(&rx);
	receive_attach(&rx, NULL, NULL, SESSION);
	assert_int_equal(feed(bulk(NULL, 0)), -EPROTO);
	receive_reset(&rx);
	receive_attach(&rx, NULL, NULL, SESSION);
	assert_int_equal(feed(epoch(2, 1, NULL, 0)), -EPROTO);
	assert_int_equal(said.bulks + said.admits, 0);
}

/* The VM's standby side is closed while an epoch is half received: its rest must not be written anywhere. */
static void an_area_taken_away_ends_the_stream(void **state)
{
	size_t len;

	start();
	len = epoch(2, 1, (struct fake_page[]){ { 2, 20 }, { 3, 9 } }, 2);
	/* In the middle of a page; in the middle of the first record, when no epoch has begun yet. */
	for (size_t cut = 1000; cut; cut = cut == 1000 ? 40 : 0) {
		take(cut);
		receive_attach(&rx, NULL, NULL, SESSION);
		staging_close(st);
		assert_int_equal(receive_feed(&rx, buf + cut, len - cut, why), -EBADMSG);
		assert_int_equal(staging_open(dir, uuid, &st), 0);
		reconnect();
	}
}

/*
 * Streams with seeded damage, right checks or wrong ones.  Whatever they do, an epoch that was staged before
 * stays, and the image is never anything but what an accepted bulk copy or epoch made of it.
 */
static void garbage_changes_nothing(void **state)
{
	static uint8_t clean[1 << 16];
	size_t len;
	unsigned int refused = 0;

	start();
	srand(20000);
	said.refuse_bulk = -EPERM;
	len = epoch(2, 1, (struct fake_page[]){ { 2, 20 }, { 3, 30 }, { 200, 7 } }, 3);
	memcpy(clean, buf, len);
	for (unsigned int round = 0; round < 3000; round++) {
		unsigned int staged = said.staged;
		ssize_t n;

		memcpy(buf, clean, len);
		for (int k = rand() % 3; k >= 0; k--)
			buf[(size_t)rand() % (round % 2 ? len : 700)] = (uint8_t)rand();
		if (round % 4 == 0)
			for (size_t i = 0; i < len; i++)
				buf[i] = (uint8_t)rand();
		if (round % 4 >= 2)
			record_seal(buf, len, SESSION);
		n = feed(len);
		refused += n < 0;
		if (said.staged == staged) {
			assert_int_equal(staging_count(st), 0);
			assert_int_equal(image_status(img, NULL, NULL), IMAGE_WHOLE);
			assert_int_equal(fake->page[2][0], 3);
			assert_int_equal(fake->page[3][0], 0);
		} else { /* the damage was in the guest's own data */
			staging_clear(st);
		}
		reconnect();
	}
	assert_true(refused > 1000);
	image_forget(img);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_copy_is_made_and_followed),
		TEST(small_steps_free_the_area),
		TEST(a_full_area_stops_the_stream_until_it_is_applied),
		TEST(an_epoch_larger_than_the_area_is_refused),
		TEST(an_epoch_cut_off_by_the_link_leaves_no_trace),
		TEST(staged_epochs_survive_the_daemon),
		TEST(a_half_applied_epoch_is_redone),
		TEST(an_epoch_that_is_applied_and_still_staged_is_harmless),
		TEST(a_damaged_file_does_not_count),
		TEST(half_a_file_does_not_count),
		TEST(who_is_not_admitted_changes_nothing),
		TEST(an_epoch_that_cannot_be_applied_is_not_staged),
		TEST(a_new_bulk_copy_forgets_what_was_staged),
		TEST(nothing_is_taken_before_the_vm_is_known),
		TEST(an_area_taken_away_ends_the_stream),
		TEST(garbage_changes_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
