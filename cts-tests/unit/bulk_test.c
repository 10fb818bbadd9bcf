/* SPDX-License-Identifier: GPL-2.0-only */
/* capture/bulk.c: no frame is copied before a write to it would be seen, and the guest is never waited for.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <xenctrl.h>

#include "capture/dirtylog.h"
#include "capture/internal.h"
#include "hvop.h"
#include "standins.h"
#include "wire/writer.h"

#define FRAMES 10U
#define PIECE 4U
#define FIRST_GFN 256U /* of frame 0 */
#define LIST 8U

static struct bed {
	struct capture c;
	uint8_t buf[(FRAMES + 4) * RECORD_PAGE_SIZE];
	struct record_writer w;
	int stop_rc;	/* of the next stop */
	int protect_rc; /* of the next piece */
	unsigned int stopped, pieces, harvests, offs;
	uint64_t next; /* gfn that is to be protected next */
	unsigned int copied[FRAMES];
	uint64_t dirty; /* frame that the next harvest finds; FRAMES: none */
} * bed;

/* ---- the guest and its hypervisor ---- */

int capture_stop(struct capture *c)
{
	int rc = bed->stop_rc;

	bed->stop_rc = 0;
	bed->stopped += !rc;
	return rc;
}

int hvop_resume(struct hvop *h, uint32_t domid)
{
	assert_int_not_equal(bed->stopped, 0);
	bed->stopped--;
	return 0;
}

int dirtylog_protect(struct hvop *hv, uint32_t domid, const char *vm, uint64_t *next)
{
	int rc = bed->protect_rc;

	assert_int_equal(bed->stopped, 1);
	bed->protect_rc = 0;
	if (rc)
		return rc;
	bed->pieces++;
	bed->next += PIECE;
	*next = bed->next >= FIRST_GFN + FRAMES ? UINT64_MAX : bed->next;
	return 0;
}

int dirtylog_on(struct hvop *hv, uint32_t domid, const char *vm)
{
	bed->next = 0;
	return 0;
}

void dirtylog_off(struct hvop *hv, struct xc_interface_core *xc, uint32_t domid)
{
	bed->offs++;
}

int capture_harvest(struct capture *c, uint64_t epoch, uint64_t *nr)
{
	assert_int_equal(bed->stopped, 1);
	bed->harvests++;
	if (bed->dirty < FRAMES)
		unsent_mark(c->unsent, bed->dirty);
	bed->dirty = FRAMES;
	return 0;
}

int capture_put_frame(struct capture *c, struct record_writer *w, uint64_t frame, const void *page)
{
	assert_int_equal(bed->stopped, 0);
	assert_true(FIRST_GFN + frame < bed->next);
	bed->copied[frame]++;
	return record_page(w, FIRST_GFN + frame, page);
}

uint64_t pages_gfn(const struct pages *p, uint64_t frame)
{
	return FIRST_GFN + frame;
}

const void *pages_page(struct pages *p, uint64_t frame)
{
	static uint8_t page[RECORD_PAGE_SIZE] = { 1 };

	return page;
}

int pages_remap_part(struct pages *p, uint64_t frame, uint64_t *end)
{
	*end = UINT64_MAX;
	return 0;
}

ZERO(hvop_set_hot(struct hvop *h, uint32_t domid, const uint64_t *gfns, uint32_t nr), int)
NEVER(hvop_stop(struct hvop *h, uint32_t domid, bool anywhere), int)
ZERO(hot_members(const struct hot *h), unsigned int)
NOTHING(hot_forget(struct hot *h))
NOTHING(sent_forget(struct sent *s))

/* ---- bed ---- */

static int setup(void **state)
{
	bed = calloc(1, sizeof(*bed));
	bed->c.cfg = (struct capture_cfg){ .vm = "vm1", .run_dir = "/nonexistent", .epoch_bytes = 1U << 20 };
	bed->c.unsent = calloc(1, unsent_size(FRAMES, LIST));
	unsent_init(bed->c.unsent, FRAMES, LIST, false);
	bed->dirty = FRAMES;
	bed->next = FIRST_GFN;
	return capture_bulk_begin(&bed->c);
}

static int teardown(void **state)
{
	free(bed->c.unsent);
	free(bed);
	return 0;
}

static int next(void)
{
	record_writer_init(&bed->w, bed->buf, sizeof(bed->buf));
	return capture_bulk_next(&bed->c, &bed->w);
}

/* Until the copy has converged. */
static void all(void)
{
	int rc = 1;

	for (unsigned int i = 0; rc == 1 && i < 100; i++)
		rc = next();
	assert_int_equal(rc, 0);
}

/* ---- tests ---- */

static void each_frame_is_protected_before_it_is_copied(void **state)
{
	all();
	for (unsigned int i = 0; i < FRAMES; i++)
		assert_int_equal(bed->copied[i], 1);
	assert_int_equal(bed->pieces, 3);
	assert_int_equal(bed->stopped, 0);
}

static void what_is_written_meanwhile_goes_once_more_and_nothing_is_protected_for_it(void **state)
{
	bed->dirty = 2;
	bed->c.cfg.epoch_bytes = 0; /* no epoch takes anything: it goes with a second round */
	while (next() == 1 && bed->harvests < 2)
		;
	assert_int_equal(bed->copied[2], 2);
	assert_int_equal(bed->copied[3], 1);
	assert_int_equal(bed->pieces, 3);
}

static void a_guest_in_a_handler_is_asked_again_with_nothing_at_hand(void **state)
{
	assert_int_equal(next(), 1);
	assert_int_equal(bed->copied[PIECE - 1], 1);
	assert_int_equal(bed->copied[PIECE], 0);
	assert_int_not_equal(bed->w.len, 0);

	bed->stop_rc = -EAGAIN;
	assert_int_equal(next(), -EAGAIN);
	assert_int_equal(bed->w.len, 0);
	all();
	for (unsigned int i = 0; i < FRAMES; i++)
		assert_int_equal(bed->copied[i], 1);
}

static void an_unpause_between_stop_and_protect_is_no_end_of_the_copy(void **state)
{
	bed->protect_rc = -EBUSY;
	assert_int_equal(next(), -EAGAIN);
	all();
	assert_int_equal(bed->pieces, 3);
}

static void a_log_that_fails_ends_the_copy(void **state)
{
	bed->protect_rc = -ENODATA;
	assert_int_equal(next(), -ENODATA);
	assert_int_equal(bed->stopped, 0);
}

static void a_copy_anew_protects_nothing_that_is_protected(void **state)
{
	all();
	assert_int_equal(capture_bulk_begin(&bed->c), 0);
	all();
	assert_int_equal(bed->copied[0], 2);
	assert_int_equal(bed->pieces, 3);
}

static void after_lost_marks_all_is_protected_anew(void **state)
{
	all();
	bed->c.broken = true;
	assert_int_equal(capture_bulk_begin(&bed->c), 0);
	assert_int_equal(bed->offs, 1);
	assert_false(bed->c.broken);
	bed->next = FIRST_GFN;
	all();
	assert_int_equal(bed->pieces, 6);
}

/* It took nothing away, and protected nothing yet. */
static void a_log_that_has_just_begun_does_not_begin_anew(void **state)
{
	bed->c.broken = bed->c.fresh = true;
	assert_int_equal(capture_bulk_begin(&bed->c), 0);
	assert_int_equal(bed->offs, 0);
	assert_false(bed->c.broken);
	all();
	bed->c.broken = true;
	assert_int_equal(capture_bulk_begin(&bed->c), 0);
	assert_int_equal(bed->offs, 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(each_frame_is_protected_before_it_is_copied),
		TEST(what_is_written_meanwhile_goes_once_more_and_nothing_is_protected_for_it),
		TEST(a_guest_in_a_handler_is_asked_again_with_nothing_at_hand),
		TEST(an_unpause_between_stop_and_protect_is_no_end_of_the_copy),
		TEST(a_log_that_fails_ends_the_copy),
		TEST(a_copy_anew_protects_nothing_that_is_protected),
		TEST(after_lost_marks_all_is_protected_anew),
		TEST(a_log_that_has_just_begun_does_not_begin_anew),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
