/* SPDX-License-Identifier: GPL-2.0-only */
/* wire/pack.h: whole pages become shorter where that pays, and what comes out is what went in. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "image_env.h"
#include "lib/le.h"
#include "wire/pack.h"
#include "wire/reader.h"

#define PAGE 4096U
#define SLOW 1000U	      /* bytes a second: packing always pays */
#define FAST 1000000000000ULL /* ... never */
#define NOWHERE XEN_KEMARI_INVALID_GFN
#define PAGES 300U

static uint8_t buf[4 << 20];

/* Text compresses, noise does not, zero is nothing anyway. */
static void fill(uint8_t *page, unsigned int i)
{
	memset(page, 0, PAGE);
	for (unsigned int k = 0; k < PAGE && i % 3; k++)
		page[k] = (uint8_t)(i % 3 == 1 ? 97 + k * k % 7 : (unsigned int)rand());
}

static size_t make_epoch(uint8_t (*now)[PAGE], unsigned int nr)
{
	struct record_writer w;
	uint8_t hv[512];

	srand(5);
	fake_epoch_begin(&w, buf, sizeof(buf), 1, 0);
	record_put(&w, RECORD_HV_STATE, hv, fake_hv_state(hv, NOWHERE, NULL, 0));
	record_put(&w, RECORD_HVM_CONTEXT, "x", 1);
	for (unsigned int i = 0; i < nr; i++) {
		fill(now[i], i);
		record_page(&w, i, now[i]);
	}
	record_page_hole(&w, nr);
	fake_device(&w, "vbd", 1, "dev");
	assert_int_equal(record_epoch_end(&w), 0);
	return w.len;
}

static void a_packed_epoch_is_an_epoch_and_has_the_same_pages(void **state)
{
	static uint8_t now[30][PAGE];
	size_t len = make_epoch(now, 30), packed;
	struct packer p = { 0 };
	struct record_epoch e;
	struct image_apply a;

	packed = pack_records(&p, buf, len, SLOW);
	assert_true(packed < len / 2 + 4 * PAGE);
	assert_int_equal(p.tried, 20);
	assert_int_equal(p.packed, 10);
	assert_int_equal(record_seal(buf, packed, 0), 0);
	assert_int_equal(record_epoch_check(buf, packed, &e, why), 0);
	assert_int_equal(e.nr_pages, 31);
	image_bulk_begin(img);
	assert_int_equal(image_check(img, buf, packed, why), 0);
	assert_int_equal(image_apply_begin(img, &a, buf, packed, why), 0);
	assert_int_equal(image_apply_step(img, &a, 0), 1);
	for (unsigned int i = 0; i < 30; i++)
		assert_memory_equal(fake->page[i], now[i], PAGE);
}

static void nothing_is_done_for_a_link_of_unknown_speed(void **state)
{
	static uint8_t now[30][PAGE];
	size_t len = make_epoch(now, 30);
	struct packer p = { 0 };

	assert_int_equal(pack_records(&p, buf, len, 0), len);
	assert_int_equal(p.tried, 0);
}

/* One of many is tried all the same: pages and links change. */
static void a_fast_link_is_hardly_tried(void **state)
{
	static uint8_t now[PAGES][PAGE];
	struct packer p = { 0 };

	pack_records(&p, buf, make_epoch(now, PAGES), FAST);
	assert_in_range(p.tried, 2, 2 + PAGES / 64);
	p.tried = 0;
	pack_records(&p, buf, make_epoch(now, PAGES), SLOW);
	assert_int_equal(p.tried, PAGES / 3 * 2);
}

/* It holds the main loops of two hosts. */
static void a_call_has_an_end(void **state)
{
	static uint8_t now[900][PAGE];
	struct packer p = { 0 };
	struct record_epoch e;
	size_t len = pack_records(&p, buf, make_epoch(now, 900), SLOW);

	assert_int_equal(p.tried, 256);
	record_seal(buf, len, 0);
	assert_int_equal(record_epoch_check(buf, len, &e, why), 0);
}

static void a_bulk_copy_is_packed_too(void **state)
{
	static uint8_t now[30][PAGE];
	struct packer p = { 0 };
	struct record_writer w;
	struct record r;
	size_t off = 0, len;

	record_writer_init(&w, buf, sizeof(buf));
	for (unsigned int i = 0; i < 30; i++) {
		fill(now[i], i);
		record_page(&w, i, now[i]);
	}
	record_pages_flush(&w);
	len = pack_records(&p, buf, w.len, SLOW);
	assert_true(len < w.len);
	image_bulk_begin(img);
	while (record_walk(buf, len, &off, &r))
		assert_int_equal(image_bulk_pages(img, r.payload, r.len, why), 0);
	for (unsigned int i = 0; i < 30; i++)
		assert_memory_equal(fake->page[i], now[i], PAGE);
}

/* Whatever is in it: refused before the ack, or it is a page; ASan watches the bounds. */
static void what_does_not_unpack_is_refused_before_the_ack(void **state)
{
	static uint8_t now[2][PAGE], good[PAGE * 3];
	struct packer p = { 0 };
	size_t len = pack_records(&p, buf, make_epoch(now, 2), SLOW);
	unsigned int refused = 0;

	srand(8);
	memcpy(good, buf, len);
	for (unsigned int round = 0; round < 2000; round++) {
		struct record_epoch e;

		memcpy(buf, good, len);
		buf[300 + (size_t)rand() % (len - 400)] = (uint8_t)rand();
		record_seal(buf, len, 0);
		if (record_epoch_check(buf, len, &e, why)) {
			refused++;
			continue;
		}
		image_bulk_begin(img);
		refused += image_check(img, buf, len, why) != 0;
	}
	assert_true(refused > 100);
}

static void lengths_are_checked(void **state)
{
	uint8_t b[PAGE] = { 0 };

	assert_int_equal(pack_length(b, 1), 0);
	assert_int_equal(pack_length(b, sizeof(b)), 0); /* no block */
	put_le16(b, 100);
	assert_int_equal(pack_length(b, 101), 0);
	assert_int_equal(pack_length(b, 102), 102);
	put_le16(b, PAGE);
	assert_int_equal(pack_length(b, sizeof(b)), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_packed_epoch_is_an_epoch_and_has_the_same_pages, setup,
						teardown),
		cmocka_unit_test(nothing_is_done_for_a_link_of_unknown_speed),
		cmocka_unit_test(a_fast_link_is_hardly_tried),
		cmocka_unit_test(a_call_has_an_end),
		cmocka_unit_test_setup_teardown(a_bulk_copy_is_packed_too, setup, teardown),
		cmocka_unit_test_setup_teardown(what_does_not_unpack_is_refused_before_the_ack, setup,
						teardown),
		cmocka_unit_test(lengths_are_checked),
	};

	return cmocka_run_group_tests_name("pack", tests, NULL, NULL);
}
