/* SPDX-License-Identifier: GPL-2.0-only */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "apply/verify.h"
#include "image_env.h"
#include "wire/reader.h"

#define NOWHERE XEN_KEMARI_INVALID_GFN

static uint8_t buf[2 << 20];

/* The daemon dies and another one takes over; the shell and the memory file stay. */
static void restart_daemon(void)
{
	image_close(img);
	ram_close(ram);
	assert_int_equal(ram_open(&fake_ram_ops, fake, fake_ranges, 2, &ram), 0);
	assert_int_equal(fake_map_all(ram), 0);
	assert_int_equal(image_open(mem, mem_size, &cfg, ram, &img), 0);
}

static void bulk(const struct fake_page *p, unsigned int nr)
{
	struct record_writer w;
	struct record r;
	size_t off = 0;

	image_bulk_begin(img);
	record_writer_init(&w, buf, sizeof(buf));
	fake_pages(&w, p, nr);
	record_pages_flush(&w);
	while (record_walk(buf, w.len, &off, &r))
		assert_int_equal(image_bulk_pages(img, r.payload, r.len, why), 0);
}

static void apply(size_t len)
{
	struct image_apply a;

	assert_int_equal(image_check(img, buf, len, why), 0);
	assert_int_equal(image_apply_begin(img, &a, buf, len, why), 0);
	assert_int_equal(image_apply_step(img, &a, 0), 1);
}

static void epoch(uint64_t n, uint64_t base, uint64_t shared_info, const struct fake_page *p, unsigned int nr)
{
	apply(fake_epoch(buf, sizeof(buf), 0, n, base, shared_info, p, nr));
}

static void filled(const void *page, int fill)
{
	const uint8_t *b = page;

	assert_non_null(page);
	for (unsigned int i = 0; i < FAKE_PAGE; i++)
		assert_int_equal(b[i], fill);
}

static void blob_is(enum record_type type, const char *text)
{
	size_t len;
	const void *b = image_blob(img, type, &len);

	assert_non_null(b);
	assert_int_equal(len, strlen(text));
	assert_memory_equal(b, text, len);
}

static void device_is(const char *type, uint32_t id, const char *text)
{
	size_t len;
	const void *b = image_device(img, type, id, &len);

	assert_non_null(b);
	assert_int_equal(len, strlen(text));
	assert_memory_equal(b, text, len);
}

static void status_is(enum image_status status, uint64_t epoch_is)
{
	uint64_t e;

	assert_int_equal(image_status(img, NULL, &e), status);
	assert_int_equal(e, epoch_is);
}

static void bulk_and_epochs_fill_the_ram(void **state)
{
	status_is(IMAGE_NONE, 0);
	bulk((struct fake_page[]){ { 0, 1 }, { 5, 2 }, { 115, 3 } }, 3);
	status_is(IMAGE_BULK, 0);
	filled(fake->page[5], 2);
	epoch(4, 0, NOWHERE, (struct fake_page[]){ { 5, 7 }, { 6, 8 } }, 2);
	status_is(IMAGE_WHOLE, 4);
	epoch(5, 4, NOWHERE, (struct fake_page[]){ { 6, 0 } }, 1);
	status_is(IMAGE_WHOLE, 5);
	filled(fake->page[0], 1);
	filled(fake->page[5], 7);
	filled(fake->page[6], 0);
	filled(fake->page[115], 3);
	blob_is(RECORD_HVM_CONTEXT, "cpu 5");
	device_is("vbd", 1, "dev 5");
}

static void nothing_is_given_out_before_it_is_whole(void **state)
{
	size_t len;

	assert_null(image_blob(img, RECORD_HVM_CONTEXT, &len));
	bulk((struct fake_page[]){ { 200, 4 } }, 1);
	assert_null(image_special(img, 200));
	epoch(1, 0, NOWHERE, NULL, 0);
	filled(image_special(img, 200), 4);
	image_forget(img);
	assert_null(image_special(img, 200));
	assert_null(image_blob(img, RECORD_HVM_CONTEXT, &len));
	status_is(IMAGE_NONE, 0);
}

static void an_epoch_must_follow(void **state)
{
	struct image_apply a;
	size_t len = fake_epoch(buf, sizeof(buf), 0, 3, 2, NOWHERE, NULL, 0);

	assert_int_equal(image_apply_begin(img, &a, buf, len, why), -ESTALE); /* onto nothing */
	bulk(NULL, 0);
	assert_int_equal(image_apply_begin(img, &a, buf, len, why), -ESTALE); /* onto half a bulk copy */
	len = fake_epoch(buf, sizeof(buf), 0, 2, 0, NOWHERE, NULL, 0);
	apply(len);
	len = fake_epoch(buf, sizeof(buf), 0, 5, 4, NOWHERE, NULL, 0);
	assert_int_equal(image_apply_begin(img, &a, buf, len, why), -ESTALE); /* a gap */
	assert_non_null(strstr(why, "epoch 5 (base 4) does not follow"));
	status_is(IMAGE_WHOLE, 2);
	len = fake_epoch(buf, sizeof(buf), 0, 6, 0, NOWHERE, NULL, 0);
	assert_int_equal(image_apply_begin(img, &a, buf, len, why),
			 -ESTALE);     /* a bulk copy that never began */
	epoch(7, 1, NOWHERE, NULL, 0); /* carries what changed since an older one: more than needed */
	status_is(IMAGE_WHOLE, 7);
}

static void an_applied_epoch_is_skipped(void **state)
{
	struct image_apply a;
	size_t len;

	bulk(NULL, 0);
	epoch(1, 0, NOWHERE, (struct fake_page[]){ { 3, 1 } }, 1);
	epoch(2, 1, NOWHERE, (struct fake_page[]){ { 3, 2 } }, 1);
	len = fake_epoch(buf, sizeof(buf), 0, 1, 0, NOWHERE, (struct fake_page[]){ { 3, 1 } }, 1);
	assert_int_equal(image_apply_begin(img, &a, buf, len, why), 0);
	assert_int_equal(image_apply_step(img, &a, 0), 1);
	filled(fake->page[3], 2);
	status_is(IMAGE_WHOLE, 2);
}

static void special_pages_are_kept_aside(void **state)
{
	const uint64_t grants[] = { 150, NOWHERE, 151 };
	struct record_writer w;
	uint8_t hv[512];

	bulk((struct fake_page[]){ { 16, 9 }, { 20, 1 } }, 2);
	filled(fake->page[16], 9); /* nobody knows yet that shared_info is there */
	fake_epoch_begin(&w, buf, sizeof(buf), 1, 0);
	record_put(&w, RECORD_HVM_CONTEXT, "x", 1);
	fake_pages(&w, (struct fake_page[]){ { 150, 5 } }, 1); /* before the state that names it */
	record_put(&w, RECORD_HV_STATE, hv, fake_hv_state(hv, 16, grants, 3));
	apply(fake_epoch_end(&w, 0));
	filled(image_special(img, 16), 9);
	filled(image_special(img, 150), 5);
	assert_null(image_special(img, 151));
	assert_null(image_special(img, 20));
	epoch(2, 1, 16, (struct fake_page[]){ { 16, 33 } }, 1);
	filled(image_special(img, 16), 33);
	filled(fake->page[16], 9);
	/* The guest places shared_info elsewhere: gfn 16 is RAM again. */
	epoch(3, 2, 17, (struct fake_page[]){ { 17, 44 } }, 1);
	filled(fake->page[16], 33);
	filled(image_special(img, 17), 44);
	assert_null(image_special(img, 16));
}

static unsigned int nr_each;

static void each(void *arg, uint64_t gfn, const void *page)
{
	nr_each++;
	assert_int_equal(gfn, 201);
	filled(page, 6);
}

static void pages_without_ram_are_listed_but_not_those_that_the_state_names(void **state)
{
	bulk(NULL, 0);
	epoch(1, 0, 200, (struct fake_page[]){ { 200, 5 }, { 201, 6 }, { 3, 3 } }, 3);
	nr_each = 0;
	image_each_special(img, each, NULL);
	assert_int_equal(nr_each, 1);
}

static void holes_come_and_go(void **state)
{
	uint64_t hole;

	bulk((struct fake_page[]){ { 7, 1 } }, 1);
	epoch(1, 0, NOWHERE, (struct fake_page[]){ { 7, -1 }, { 107, -1 }, { 250, -1 } }, 3);
	assert_true(image_next_hole(img, 0, &hole));
	assert_int_equal(hole, 7);
	assert_true(image_next_hole(img, 8, &hole));
	assert_int_equal(hole, 107);
	assert_false(image_next_hole(img, 108, &hole));
	epoch(2, 1, NOWHERE, (struct fake_page[]){ { 7, 5 } }, 1);
	assert_true(image_next_hole(img, 0, &hole));
	assert_int_equal(hole, 107);
	filled(fake->page[7], 5);
}

static void blobs_that_an_epoch_lacks_stay(void **state)
{
	struct record_writer w;
	uint8_t hv[512];

	bulk(NULL, 0);
	fake_epoch_begin(&w, buf, sizeof(buf), 1, 0);
	record_put(&w, RECORD_HV_STATE, hv, fake_hv_state(hv, NOWHERE, NULL, 0));
	record_put(&w, RECORD_HVM_CONTEXT, "x", 1);
	record_put(&w, RECORD_XENSTORE, "tree", 4);
	fake_device(&w, "vif", 0, "net");
	fake_device(&w, "vbd", 1, "disk");
	fake_device(&w, "vbd", 2, "disk two");
	apply(fake_epoch_end(&w, 0));
	for (uint64_t n = 2; n < 6; n++) {
		epoch(n, n - 1, NOWHERE, NULL, 0);
		blob_is(RECORD_XENSTORE, "tree");
		device_is("vif", 0, "net");
		device_is("vbd", 2, "disk two");
	}
	device_is("vbd", 1, "dev 5");
}

/* The daemon is killed after every step of an apply; each time the next one redoes the epoch from its start.
 */
static void a_torn_apply_is_redone(void **state)
{
	static uint8_t second[1 << 20];
	struct fake_page pages[56];
	struct image_apply a;
	uint64_t g, e;
	size_t len, off;

	for (unsigned int i = 0; i < 56; i++)
		pages[i] = (struct fake_page){ i < 40 ? i : i + 60, 100 + (int)i };
	pages[39].gfn = 16;
	pages[16].gfn = 39;
	for (unsigned int stop = 0; stop < 8; stop++) {
		bulk((struct fake_page[]){ { 1, 1 }, { 16, 77 }, { 30, 30 } }, 3);
		epoch(1, 0, NOWHERE, NULL, 0);
		len = fake_epoch(second, sizeof(second), 0, 2, 1, 16, pages, 56);
		assert_int_equal(image_check(img, second, len, why), 0);
		assert_int_equal(image_apply_begin(img, &a, second, len, why), 0);
		off = 0;
		for (unsigned int i = 0; i < stop && !image_apply_step(img, &a, 1); i++)
			off = a.off;
		restart_daemon();
		if (image_status(img, &g, &e) == IMAGE_APPLYING) {
			size_t n;

			assert_int_equal(e, 2);
			assert_null(image_special(img, 16)); /* not to be run */
			assert_null(image_device(img, "vbd", 1, &n));
		} else {
			assert_true(off > 0);
		}
		assert_int_equal(image_apply_begin(img, &a, second, len, why), 0);
		while (!image_apply_step(img, &a, 3))
			;
		status_is(IMAGE_WHOLE, 2);
		blob_is(RECORD_HVM_CONTEXT, "cpu 2");
		device_is("vbd", 1, "dev 2");
		for (unsigned int i = 0; i < 56; i++)
			filled(pages[i].gfn == 16 ? image_special(img, 16) : fake->page[pages[i].gfn],
			       100 + (int)i);
	}
}

static void what_cannot_be_applied_is_refused_before_the_ack(void **state)
{
	struct fake_page many[9];
	struct record_writer w;
	uint8_t hv[512];
	size_t len;

	bulk(NULL, 0);
	for (unsigned int i = 0; i < 9; i++)
		many[i] = (struct fake_page){ 200 + i, 1 };
	len = fake_epoch(buf, sizeof(buf), 0, 1, 0, NOWHERE, many, 9);
	assert_int_equal(image_check(img, buf, len, why), -ENOSPC);
	assert_non_null(strstr(why, "same memory="));
	/* Nothing was taken by that: eight have a place. */
	len = fake_epoch(buf, sizeof(buf), 0, 1, 0, NOWHERE, many + 1, 8);
	assert_int_equal(image_check(img, buf, len, why), 0);

	fake_epoch_begin(&w, buf, sizeof(buf), 1, 0);
	record_put(&w, RECORD_HV_STATE, "garbage", 7);
	record_put(&w, RECORD_HVM_CONTEXT, "x", 1);
	len = fake_epoch_end(&w, 0);
	assert_int_equal(image_check(img, buf, len, why), -EBADMSG);
	assert_non_null(strstr(why, "HV_STATE"));

	fake_epoch_begin(&w, buf, sizeof(buf), 1, 0);
	record_put(&w, RECORD_HV_STATE, hv, fake_hv_state(hv, NOWHERE, NULL, 0));
	record_put(&w, RECORD_HVM_CONTEXT, buf + 65536, 8192);
	len = fake_epoch_end(&w, 0);
	assert_int_equal(image_check(img, buf, len, why), -ENOSPC);
	assert_non_null(strstr(why, "8192 bytes"));

	fake_epoch_begin(&w, buf, sizeof(buf), 1, 0);
	record_put(&w, RECORD_HV_STATE, hv, fake_hv_state(hv, NOWHERE, NULL, 0));
	record_put(&w, RECORD_HVM_CONTEXT, "x", 1);
	fake_device(&w, "vbd", 1, "a");
	fake_device(&w, "vbd", 1, "b");
	len = fake_epoch_end(&w, 0);
	assert_int_equal(image_check(img, buf, len, why), -EBADMSG);
	assert_non_null(strstr(why, "two records of the same part"));
}

static void blobs_of_checked_epochs_are_counted_together(void **state)
{
	static uint8_t first[1 << 16];
	struct record_writer w;
	uint8_t hv[512];
	size_t len;

	bulk(NULL, 0);
	memset(buf + (1 << 20), 0, 8192);
	fake_epoch_begin(&w, first, sizeof(first), 1, 0);
	record_put(&w, RECORD_HV_STATE, hv, fake_hv_state(hv, NOWHERE, NULL, 0));
	record_put(&w, RECORD_HVM_CONTEXT, "x", 1);
	record_put(&w, RECORD_XENSTORE, buf + (1 << 20), 5000);
	len = fake_epoch_end(&w, 0);
	assert_int_equal(image_check(img, first, len, why), 0);
	/* Staged and not applied yet, it will stay beside this one's. */
	fake_epoch_begin(&w, buf, sizeof(buf), 2, 1);
	record_put(&w, RECORD_HV_STATE, hv, fake_hv_state(hv, NOWHERE, NULL, 0));
	record_put(&w, RECORD_HVM_CONTEXT, buf + (1 << 20), 4000);
	len = fake_epoch_end(&w, 0);
	assert_int_equal(image_check(img, buf, len, why), -ENOSPC);
}

static void an_image_of_another_layout_is_refused(void **state)
{
	struct image_cfg other = cfg;
	struct image *second;

	assert_int_equal(image_open(mem, mem_size - 1, &cfg, ram, &second), -EINVAL);
	other.max_special--;
	assert_int_equal(image_open(mem, mem_size, &other, ram, &second), -EBADMSG);
}

static void the_former_primary_goes_on_from_its_memory(void **state)
{
	uint64_t g, e;

	memset(fake->page[9], 4, FAKE_PAGE);
	image_adopt(img, FAKE_G + 1, 20);
	restart_daemon();
	assert_int_equal(image_status(img, &g, &e), IMAGE_WHOLE);
	assert_int_equal(g, FAKE_G + 1);
	epoch(21, 20, NOWHERE, (struct fake_page[]){ { 8, 8 } }, 1);
	filled(fake->page[9], 4);
	filled(fake->page[8], 8);
	status_is(IMAGE_WHOLE, 21);
}

static void the_verifier_finds_the_page_that_differs(void **state)
{
	static uint8_t hashes[1 << 16];
	struct verify_result res = { 0 };
	struct fake_ram *primary;
	struct record_writer w;
	struct ram *pram;
	struct record r;
	size_t off = 0;
	bool last = false;

	primary = fake_ram_new(&pram);
	bulk((struct fake_page[]){ { 3, 3 }, { 16, 5 } }, 2);
	epoch(1, 0, 16, (struct fake_page[]){ { 16, 6 }, { 101, -1 } }, 2);
	memset(primary->page[3], 3, FAKE_PAGE);
	memset(primary->page[16], 6, FAKE_PAGE);
	ram_hide(pram, 101);
	record_writer_init(&w, hashes, sizeof(hashes));
	assert_int_equal(verify_write(&w, pram, NULL, 0, NULL, NULL), 0);
	for (unsigned int round = 0; round < 2; round++) {
		memset(&res, 0, sizeof(res));
		for (off = 0; record_walk(hashes, w.len, &off, &r);)
			assert_int_equal(verify_compare(img, r.payload, r.len, &res, &last, why), 0);
		assert_true(last);
		assert_int_equal(res.compared, 80);
		assert_int_equal(res.mismatches, round);
		fake->page[63][17] ^= 1;
	}
	assert_int_equal(res.gfn[0], 63);
	assert_int_equal(verify_compare(img, r.payload, r.len - 1, &res, &last, why), -EBADMSG);
	ram_close(pram);
	free(primary);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(bulk_and_epochs_fill_the_ram),
		TEST(nothing_is_given_out_before_it_is_whole),
		TEST(an_epoch_must_follow),
		TEST(an_applied_epoch_is_skipped),
		TEST(special_pages_are_kept_aside),
		TEST(pages_without_ram_are_listed_but_not_those_that_the_state_names),
		TEST(holes_come_and_go),
		TEST(blobs_that_an_epoch_lacks_stay),
		TEST(a_torn_apply_is_redone),
		TEST(what_cannot_be_applied_is_refused_before_the_ack),
		TEST(blobs_of_checked_epochs_are_counted_together),
		TEST(an_image_of_another_layout_is_refused),
		TEST(the_former_primary_goes_on_from_its_memory),
		TEST(the_verifier_finds_the_page_that_differs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
