/* SPDX-License-Identifier: GPL-2.0-only */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/le.h"
#include "wire/message.h"
#include "wire/reader.h"
#include "wire/writer.h"

#define SESSION 0x1122334455667788ULL
#define G 0xfedcba9876543210ULL

static uint8_t buf[4 << 20];
static char why[RECORD_WHY_MAX];

/* Counts what a reader hands out and keeps the last page data seen per gfn (small gfns only). */
struct seen {
	unsigned int nr, nr_pages, ends;
	uint8_t first_byte[1024];
	enum page_encoding encoding[1024];
};

static int see(void *arg, const struct record *r, char *reason)
{
	struct seen *s = arg;

	s->nr++;
	s->ends += r->type == RECORD_EPOCH_END;
	if (r->type == RECORD_PAGES) {
		struct record_page_iter it;
		struct record_page p;

		record_pages_first(&it, r->payload, r->len);
		while (record_pages_next(&it, &p)) {
			s->nr_pages++;
			s->encoding[p.gfn % 1024] = p.encoding;
			s->first_byte[p.gfn % 1024] = p.data ? p.data[0] : 0;
		}
	}
	return 0;
}

static const struct record_sink sink = { .record = see };

static void fill_page(uint8_t *page, unsigned int i)
{
	memset(page, 0, RECORD_PAGE_SIZE);
	if (i % 3) {
		page[0] = (uint8_t)i | 1;
		page[4095] = 9;
	}
}

/* An epoch of nr pages: every third one zero, the last one a hole. */
static size_t make_epoch(uint8_t *to, size_t cap, uint64_t epoch, uint64_t base, unsigned int nr)
{
	struct record_writer w;
	uint8_t page[RECORD_PAGE_SIZE];
	size_t room;
	char *p;

	record_writer_init(&w, to, cap);
	record_epoch_begin(&w, G, epoch, base);
	record_put(&w, RECORD_HV_STATE, "state", 5);
	for (unsigned int i = 0; i < nr; i++) {
		fill_page(page, i);
		record_page(&w, i, page);
	}
	record_page_hole(&w, nr);
	record_put(&w, RECORD_HVM_CONTEXT, "context", 7);
	p = record_reserve_device(&w, "vbd", 51712, &room);
	if (p) {
		memcpy(p, "dev", 3);
		record_commit_device(&w, 3);
	}
	if (record_epoch_end(&w))
		return 0;
	assert_int_equal(w.totals.nr_pages, nr + 1);
	assert_int_equal(record_seal(to, w.len, SESSION), 0);
	return w.len;
}

static size_t make_bulk(uint8_t *to, size_t cap)
{
	struct record_writer w;

	record_writer_init(&w, to, cap);
	record_put(&w, RECORD_BULK_BEGIN, NULL, 0);
	assert_int_equal(record_seal(to, w.len, SESSION), 0);
	return w.len;
}

static void check_seen(const struct seen *s, unsigned int nr)
{
	assert_int_equal(s->nr_pages, nr + 1);
	for (unsigned int i = 0; i < nr; i++) {
		assert_int_equal(s->encoding[i], i % 3 ? PAGE_RAW : PAGE_ZERO);
		assert_int_equal(s->first_byte[i], i % 3 ? ((uint8_t)i | 1) : 0);
	}
	assert_int_equal(s->encoding[nr], PAGE_HOLE);
}

static void an_epoch_comes_through_in_pieces_of_any_size(void **state)
{
	static const size_t pieces[] = { 1, 7, 33, 4096, 16384, 1 << 22 };
	size_t len = make_bulk(buf, sizeof(buf));

	len += make_epoch(buf + len, sizeof(buf) - len, 1, 0, 300);
	for (unsigned int k = 0; k < sizeof(pieces) / sizeof(pieces[0]); k++) {
		struct record_reader r;
		struct seen s = { 0 };

		assert_int_equal(record_reader_init(&r, &sink, &s), 0);
		record_reader_set_session(&r, SESSION);
		for (size_t off = 0; off < len; off += pieces[k]) {
			size_t n = len - off < pieces[k] ? len - off : pieces[k];

			assert_int_equal(record_reader_feed(&r, buf + off, n, why), n);
		}
		check_seen(&s, 300);
		assert_int_equal(s.ends, 1);
		record_reader_fini(&r);
	}
}

static void batches_hold_128_pages(void **state)
{
	struct record r;
	size_t off = 0, len = make_epoch(buf, sizeof(buf), 2, 1, 300);
	unsigned int records = 0;

	while (record_next(buf, len, &off, &r, why) == 1)
		records += r.type == RECORD_PAGES;
	assert_int_equal(records, 3); /* 300 pages and the hole */
}

static void a_full_buffer_is_an_error_that_stays(void **state)
{
	size_t len = make_epoch(buf, sizeof(buf), 2, 1, 50);

	for (size_t cap = 0; cap < len; cap += 61)
		assert_int_equal(make_epoch(buf, cap, 2, 1, 50), 0);
	assert_int_equal(make_epoch(buf, len, 2, 1, 50), len);
}

static struct seen seen;
static struct record_reader reader;

/* A new stream: 0 or the error, `seen` is what came out. */
static int feed_all(const void *bytes, size_t len)
{
	char again[RECORD_WHY_MAX];
	ssize_t n;

	memset(&seen, 0, sizeof(seen));
	record_reader_reset(&reader);
	record_reader_set_session(&reader, SESSION);
	n = record_reader_feed(&reader, bytes, len, why);
	if (n < 0)
		assert_int_equal(record_reader_feed(&reader, bytes, len, again),
				 -EBADMSG); /* given up for good */
	return n < 0 ? (int)n : 0;
}

static int make_reader(void **state)
{
	return record_reader_init(&reader, &sink, &seen);
}

static int free_reader(void **state)
{
	record_reader_fini(&reader);
	return 0;
}

/* Changing any single bit of an epoch is noticed, whatever it hits. */
static void a_flipped_bit_never_passes(void **state)
{
	size_t len = make_epoch(buf, sizeof(buf), 2, 1, 4);
	struct record_epoch e;
	static uint8_t copy[1 << 16];

	assert_true(len <= sizeof(copy));
	memcpy(copy, buf, len);
	assert_int_equal(record_epoch_check(copy, len, &e, why), 0);
	for (size_t at = 0; at < len; at++) {
		copy[at] ^= 1 << (at % 8);
		assert_true(feed_all(copy, len) || !seen.ends);
		copy[at] ^= 1 << (at % 8);
	}
}

static void a_truncated_epoch_never_passes(void **state)
{
	size_t len = make_epoch(buf, sizeof(buf), 2, 1, 4);
	struct record_epoch e;

	for (size_t cut = 0; cut < len; cut++)
		assert_int_equal(record_epoch_check(buf, cut, &e, why), -EBADMSG);
	assert_int_equal(record_epoch_check(buf, len, &e, why), 0);
	assert_int_equal(e.epoch, 2);
	assert_int_equal(e.g, G);
	memcpy(buf + len, buf, 32);
	assert_int_equal(record_epoch_check(buf, len + 32, &e, why), -EBADMSG);
}

/* One record out of place: refused with a sentence that names it. */
static void refused(enum record_type type, uint64_t epoch, const void *payload, size_t len, const char *word)
{
	struct record_writer w;

	record_writer_init(&w, buf, sizeof(buf));
	w.epoch = epoch;
	record_put(&w, type, payload, len);
	record_seal(buf, w.len, SESSION);
	why[0] = '\0';
	assert_int_equal(feed_all(buf, w.len), -EBADMSG);
	if (!strstr(why, word))
		fail_msg("\"%s\" does not say \"%s\"", why, word);
}

static void records_out_of_place_are_refused(void **state)
{
	uint8_t pages[8 + 8] = { 1 }, end[48] = { 1 };

	refused(RECORD_PAGES, 0, pages, sizeof(pages), "neither inside an epoch nor in a bulk copy");
	refused(RECORD_HV_STATE, 3, "x", 1, "is not inside an epoch");
	refused(RECORD_EPOCH_END, 3, end, sizeof(end), "is not inside an epoch");
	refused(RECORD_PING, 3, NULL, 0, "epoch number outside");
	refused(RECORD_EPOCH_BEGIN, 3, "short", 5, "wrong length");
}

static void base_zero_and_bulk_belong_together(void **state)
{
	size_t len = make_epoch(buf, sizeof(buf), 1, 0, 1);

	assert_int_equal(feed_all(buf, len), -EBADMSG);
	assert_non_null(strstr(why, "without a bulk copy"));
	len = make_bulk(buf, sizeof(buf));
	len += make_epoch(buf + len, sizeof(buf) - len, 5, 4, 1);
	assert_int_equal(feed_all(buf, len), -EBADMSG);
	assert_non_null(strstr(why, "must have base 0"));
}

static void totals_must_be_equal(void **state)
{
	size_t len = make_epoch(buf, sizeof(buf), 2, 1, 4), end = len - 48;

	put_le64(buf + end + 24, 4);
	record_seal(buf, len, SESSION);
	assert_int_equal(feed_all(buf, len), -EBADMSG);
	assert_non_null(strstr(why, "its end says 4 pages"));
}

static void an_epoch_without_state_is_refused(void **state)
{
	struct record_writer w;

	record_writer_init(&w, buf, sizeof(buf));
	record_epoch_begin(&w, G, 2, 1);
	record_put(&w, RECORD_HV_STATE, "state", 5);
	record_epoch_end(&w);
	record_seal(buf, w.len, SESSION);
	assert_int_equal(feed_all(buf, w.len), -EBADMSG);
	assert_non_null(strstr(why, "no HVM_CONTEXT"));
}

static void another_session_is_refused(void **state)
{
	size_t len = make_epoch(buf, sizeof(buf), 2, 1, 4);

	record_seal(buf, len, SESSION + 1);
	assert_int_equal(feed_all(buf, len), -EBADMSG);
	record_seal(buf, len, SESSION); /* sealed again for another connection */
	assert_int_equal(feed_all(buf, len), 0);
}

static void bad_page_records_are_refused(void **state)
{
	uint8_t p[8 + 2 * 8 + 4096] = { 0 };
	uint32_t nr;

	assert_int_equal(record_pages_check(p, 4, &nr, why), -EBADMSG);
	assert_int_equal(record_pages_check(p, 8, &nr, why), -EBADMSG); /* no page */
	put_le32(p, RECORD_MAX_PAGES + 1);
	assert_int_equal(record_pages_check(p, sizeof(p), &nr, why), -EBADMSG);
	put_le32(p, 1);
	assert_int_equal(record_pages_check(p, 8 + 8 + 4095, &nr, why), -EBADMSG); /* cut */
	assert_int_equal(record_pages_check(p, 8 + 8 + 4096, &nr, why), 0);
	assert_int_equal(record_pages_check(p, 8 + 8 + 4097, &nr, why), -EBADMSG); /* more behind it */
	put_le64(p + 8, 5ULL << 56);
	assert_int_equal(record_pages_check(p, 16, &nr, why), -EBADMSG); /* unknown encoding */
	put_le64(p + 8, 1ULL << 56 | 1ULL << 52);
	assert_int_equal(record_pages_check(p, 16, &nr, why), -EBADMSG); /* gfn too large */
	put_le64(p + 8, 1ULL << 56 | 7);
	assert_int_equal(record_pages_check(p, 16, &nr, why), 0);
}

/* Garbage, and valid streams with garbage in them, end in an error or in nothing; ASan watches the bounds. */
static void garbage_is_an_error(void **state)
{
	static uint8_t copy[1 << 16];
	size_t len = make_bulk(buf, sizeof(buf));

	srand(7799);
	len += make_epoch(buf + len, sizeof(buf) - len, 1, 0, 8);
	for (unsigned int round = 0; round < 1000; round++) {
		memcpy(copy, buf, len);
		for (int k = rand() % 4; k >= 0; k--)
			copy[(size_t)rand() % (round % 2 ? len : 256)] = (uint8_t)rand();
		if (round % 3 == 0) /* right checks, so that what lies behind them is reached */
			record_seal(copy, len, SESSION);
		if (memcmp(copy, buf, len))
			feed_all(copy, len - (size_t)rand() % 64);
		for (size_t i = 0; i < 512; i++)
			copy[i] = (uint8_t)rand();
		assert_int_equal(feed_all(copy, 512), -EBADMSG);
	}
}

static int place_later(void *arg, const struct record_header *h, void **where, char *reason)
{
	static unsigned int calls;

	return h->type == RECORD_HV_STATE && calls++ % 2 == 0 ? -EAGAIN : 0;
}

static void a_place_that_is_not_free_is_asked_for_again(void **state)
{
	static const struct record_sink later = { .place = place_later, .record = see };
	size_t len = make_epoch(buf, sizeof(buf), 2, 1, 10);
	struct record_reader r;
	struct seen s = { 0 };
	ssize_t n;

	assert_int_equal(record_reader_init(&r, &later, &s), 0);
	record_reader_set_session(&r, SESSION);
	n = record_reader_feed(&r, buf, len, why);
	assert_true(n > 0 && (size_t)n < len);
	assert_int_equal(s.nr, 1);
	assert_int_equal(record_reader_feed(&r, buf + n, len - (size_t)n, why), len - (size_t)n);
	check_seen(&s, 10);
	record_reader_fini(&r);
}

static void messages_come_through(void **state)
{
	struct engine_message m = { .type = ENGINE_MSG_GRANT,
				    .role = ENGINE_COPY,
				    .node = 3,
				    .g = G,
				    .session = SESSION,
				    .epoch = 77,
				    .nonce = 0x8000000000000001ULL },
			      got;
	uint8_t b[MESSAGE_BYTES + 1] = { 0 };

	memset(m.uuid, 0xab, sizeof(m.uuid));
	message_encode(&m, b);
	assert_int_equal(message_decode(b, MESSAGE_BYTES, &got, why), 0);
	assert_memory_equal(&got, &m, sizeof(m));
	assert_int_equal(message_decode(b, MESSAGE_BYTES - 1, &got, why), -EBADMSG);
	assert_int_equal(message_decode(b, MESSAGE_BYTES + 1, &got, why), -EBADMSG);
	b[0] = ENGINE_MSG_MAX + 1;
	assert_int_equal(message_decode(b, MESSAGE_BYTES, &got, why), -EBADMSG);
	b[0] = 0;
	assert_int_equal(message_decode(b, MESSAGE_BYTES, &got, why), -EBADMSG);
	b[0] = 1;
	b[1] = ENGINE_OWNER + 1;
	assert_int_equal(message_decode(b, MESSAGE_BYTES, &got, why), -EBADMSG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_epoch_comes_through_in_pieces_of_any_size),
		cmocka_unit_test(batches_hold_128_pages),
		cmocka_unit_test(a_full_buffer_is_an_error_that_stays),
		cmocka_unit_test(a_flipped_bit_never_passes),
		cmocka_unit_test(a_truncated_epoch_never_passes),
		cmocka_unit_test(records_out_of_place_are_refused),
		cmocka_unit_test(base_zero_and_bulk_belong_together),
		cmocka_unit_test(totals_must_be_equal),
		cmocka_unit_test(an_epoch_without_state_is_refused),
		cmocka_unit_test(another_session_is_refused),
		cmocka_unit_test(bad_page_records_are_refused),
		cmocka_unit_test(garbage_is_an_error),
		cmocka_unit_test(a_place_that_is_not_free_is_asked_for_again),
		cmocka_unit_test(messages_come_through),
	};

	return cmocka_run_group_tests(tests, make_reader, free_reader);
}
