/* SPDX-License-Identifier: GPL-2.0-only */
/* wire/delta.h, and pages that go as what differs from the last time: writer, reader, image. */
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
#include "wire/delta.h"
#include "wire/reader.h"

#define PAGE 4096U
#define NOWHERE XEN_KEMARI_INVALID_GFN

static uint8_t copy[PAGE] __attribute__((aligned(8))), page[PAGE] __attribute__((aligned(8)));
static uint8_t delta[DELTA_WORST];

static void scribble(uint8_t *to, unsigned int bytes)
{
	for (unsigned int i = 0; i < bytes; i++)
		to[(unsigned int)rand() % PAGE] = (uint8_t)rand();
}

static void the_same_page_has_no_delta(void **state)
{
	memset(page, 7, PAGE);
	memcpy(copy, page, PAGE);
	assert_int_equal(delta_encode(delta, copy, page), 0);
}

static void one_byte_costs_one_word(void **state)
{
	memset(page, 7, PAGE);
	memcpy(copy, page, PAGE);
	page[4095] = 8;
	assert_int_equal(delta_encode(delta, copy, page), 8 + 1 + 8);
	assert_memory_equal(copy, page, PAGE);
}

static void a_delta_makes_the_page_of_the_copy(void **state)
{
	static uint8_t there[PAGE];

	srand(4711);
	memset(page, 0, PAGE);
	memset(copy, 0, PAGE);
	memset(there, 0, PAGE);
	for (unsigned int round = 0; round < 2000; round++) {
		size_t len;

		scribble(page, (unsigned int)rand() % (round % 10 ? 40 : 3000));
		len = delta_encode(delta, copy, page);
		assert_memory_equal(copy, page, PAGE);
		if (!len)
			continue;
		if (len <= DELTA_MAX)
			assert_int_equal(delta_length(delta, len), len);
		delta_apply(there, delta);
		assert_memory_equal(there, page, PAGE);
		delta_apply(there, delta); /* a redo */
		assert_memory_equal(there, page, PAGE);
	}
}

static void what_is_no_delta_is_refused(void **state)
{
	memset(copy, 0, PAGE);
	memset(page, 1, PAGE);
	assert_int_equal(delta_encode(delta, copy, page), DELTA_WORST);
	assert_int_equal(delta_length(delta, DELTA_WORST), 0); /* longer than the page */
	memset(page + 64, 2, 128);
	assert_int_equal(delta_encode(delta, copy, page), 8 + 2 * 65);
	for (size_t len = 0; len < 8 + 2 * 65; len++)
		assert_int_equal(delta_length(delta, len), 0); /* cut */
	memset(delta, 0, 8);
	assert_int_equal(delta_length(delta, 100), 0); /* nothing differs */
}

/* Bytes that nobody encoded stay within the page, and within what was given; ASan watches. */
static void garbage_stays_within_its_bounds(void **state)
{
	srand(99);
	for (unsigned int round = 0; round < 20000; round++) {
		size_t len = (size_t)rand() % 300, is;
		uint8_t *in = malloc(len + 1), *to = malloc(PAGE), *exact;

		for (size_t i = 0; i < len; i++)
			in[i] = (uint8_t)(i < 8 && rand() % 4 ? 0 : rand());
		is = delta_length(in, len);
		assert_true(is <= len);
		exact = malloc(is + 1);
		memcpy(exact, in, is);
		if (is)
			delta_apply(to, exact);
		free(exact);
		free(in);
		free(to);
	}
}

/* ---- in an epoch ---- */

static uint8_t buf[1 << 20];

static void begin(struct record_writer *w, uint64_t epoch, uint64_t base, uint64_t shared_info)
{
	uint8_t hv[512];

	fake_epoch_begin(w, buf, sizeof(buf), epoch, base);
	record_put(w, RECORD_HV_STATE, hv, fake_hv_state(hv, shared_info, NULL, 0));
	record_put(w, RECORD_HVM_CONTEXT, "x", 1);
}

/* Up to the step at which it is stopped; redone from the start if asked. */
static int apply(struct record_writer *w, unsigned int times)
{
	size_t len = fake_epoch_end(w, 0);
	struct record_epoch e;
	struct image_apply a;
	int rc;

	assert_int_equal(record_epoch_check(buf, len, &e, why), 0);
	rc = image_check(img, buf, len, why);
	while (!rc && times--) {
		assert_int_equal(image_apply_begin(img, &a, buf, len, why), 0);
		while (!(rc = image_apply_step(img, &a, times ? 1 : 0)) && !times)
			;
		if (rc == 1)
			rc = 0;
	}
	return rc;
}

/* Two epochs of pages that change here and there, each applied twice: gfn 16 is kept aside from the second
 * on. */
static void pages_follow_by_their_differences(void **state)
{
	static uint8_t now[30][PAGE] __attribute__((aligned(8))), last[30][PAGE] __attribute__((aligned(8)));
	struct record_writer w;

	srand(1);
	image_bulk_begin(img);
	begin(&w, 1, 0, NOWHERE);
	for (unsigned int i = 0; i < 30; i++) {
		scribble(now[i], 2000);
		memcpy(last[i], now[i], PAGE);
		record_page(&w, i, now[i]);
	}
	assert_int_equal(apply(&w, 1), 0);
	for (uint64_t n = 2; n < 10; n++) {
		unsigned int nr = 0;

		begin(&w, n, n - 1, 16);
		for (unsigned int i = 0; i < 30; i++) {
			bool same;

			scribble(now[i], i == 7 ? 4000 : i);
			same = !memcmp(last[i], now[i], PAGE);
			nr += !same;
			assert_int_equal(record_page_delta(&w, i, last[i], now[i]), !same);
		}
		assert_in_range(nr, 20, 30);
		assert_int_equal(w.nr_batch, nr);
		assert_true(w.len < 30 * PAGE / 4 + PAGE);
		assert_int_equal(apply(&w, 2), 0);
		for (unsigned int i = 0; i < 30; i++)
			assert_memory_equal(i == 16 ? image_special(img, 16) : fake->page[i], now[i], PAGE);
	}
}

static void a_full_buffer_leaves_the_copy_as_the_page(void **state)
{
	struct record_writer w;

	memset(copy, 0, PAGE);
	memset(page, 1, 80);
	memset(page + 80, 0, PAGE - 80);
	record_writer_init(&w, buf, 100);
	assert_int_equal(record_page_delta(&w, 3, copy, page), -ENOBUFS);
	assert_memory_equal(copy, page, PAGE);
}

static void a_difference_from_nothing_is_refused_before_the_ack(void **state)
{
	struct record_writer w;

	memset(page, 5, PAGE);
	memset(copy, 5, PAGE);
	image_bulk_begin(img);
	begin(&w, 1, 0, NOWHERE);
	page[0]++;
	record_page_delta(&w, 200, copy, page); /* the standby has no RAM there, and it never came */
	assert_int_equal(apply(&w, 1), -EBADMSG);
	assert_non_null(strstr(why, "gfn c8 cannot be made a page"));
}

static void a_bulk_copy_has_whole_pages(void **state)
{
	struct record_writer w;
	struct record r;
	size_t off = 0;

	image_bulk_begin(img);
	record_writer_init(&w, buf, sizeof(buf));
	page[0]++;
	record_page_delta(&w, 3, copy, page);
	record_pages_flush(&w);
	assert_int_equal(record_walk(buf, w.len, &off, &r), 1);
	assert_int_equal(image_bulk_pages(img, r.payload, r.len, why), -EBADMSG);
}

static void a_page_that_was_given_back_differs_from_nothing(void **state)
{
	struct record_writer w;

	memset(page, 5, PAGE);
	memcpy(copy, page, PAGE);
	image_bulk_begin(img);
	begin(&w, 1, 0, NOWHERE);
	record_page(&w, 3, page);
	assert_int_equal(apply(&w, 1), 0);
	begin(&w, 2, 1, NOWHERE);
	record_page_hole(&w, 3);
	assert_int_equal(apply(&w, 1), 0);
	begin(&w, 3, 2, NOWHERE);
	page[0]++;
	record_page_delta(&w, 3, copy, page);
	assert_int_equal(apply(&w, 1), -ESTALE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_same_page_has_no_delta),
		cmocka_unit_test(one_byte_costs_one_word),
		cmocka_unit_test(a_delta_makes_the_page_of_the_copy),
		cmocka_unit_test(what_is_no_delta_is_refused),
		cmocka_unit_test(garbage_stays_within_its_bounds),
		cmocka_unit_test(a_full_buffer_leaves_the_copy_as_the_page),
		cmocka_unit_test_setup_teardown(pages_follow_by_their_differences, setup, teardown),
		cmocka_unit_test_setup_teardown(a_difference_from_nothing_is_refused_before_the_ack, setup,
						teardown),
		cmocka_unit_test_setup_teardown(a_bulk_copy_has_whole_pages, setup, teardown),
		cmocka_unit_test_setup_teardown(a_page_that_was_given_back_differs_from_nothing, setup,
						teardown),
	};

	return cmocka_run_group_tests_name("delta", tests, NULL, NULL);
}
