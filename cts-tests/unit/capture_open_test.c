/* SPDX-License-Identifier: GPL-2.0-only */
/* capture/capture.c: what counts as unsent when a capture begins, and what becomes of it when it ends. */
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

#define FRAMES 8U
#define MEMORY_KB (FRAMES * 4U)
#define BELL 77U

static struct bed {
	struct capture_cfg cfg;
	struct capture *c;
	bool logged; /* by Xen, now */
	int on_rc, protect_rc, harvest_rc, forget_rc, hot_rc, recover_rc, watch_rc;
	uint64_t dirty;	 /* frame that the next harvest finds; FRAMES: none */
	uint64_t marked; /* how many are, as Xen counts */
	uint32_t watched;
	char did[16]; /* to the hypervisor, a letter each: Log on, Protect, Harvest, hot List emptied, Forget,
			 Off, Count, Watch */
} * bed;

static void did(char what)
{
	size_t len = strlen(bed->did);

	assert_true(len + 1 < sizeof(bed->did));
	bed->did[len] = what;
}

/* ---- the hypervisor ---- */

int dirtylog_on(struct hvop *hv, uint32_t domid, const char *vm)
{
	bool was_on = bed->logged;

	did('L');
	if (bed->on_rc)
		return bed->on_rc;
	bed->logged = true;
	return was_on;
}

int dirtylog_protect_all(struct hvop *hv, uint32_t domid, const char *vm)
{
	did('P');
	return bed->protect_rc;
}

void dirtylog_off(struct hvop *hv, struct xc_interface_core *xc, uint32_t domid)
{
	did('O');
	bed->logged = false;
}

int hvop_harvest(struct hvop *h, uint32_t domid, struct hvop_harvest *out)
{
	static uint64_t gfn;

	did('H');
	if (bed->harvest_rc)
		return bed->harvest_rc;
	gfn = bed->dirty;
	*out = (struct hvop_harvest){ .gfns = &gfn, .nr = bed->dirty < FRAMES };
	bed->dirty = FRAMES;
	return 0;
}

int hvop_set_hot(struct hvop *h, uint32_t domid, const uint64_t *gfns, uint32_t nr)
{
	assert_int_equal(nr, 0);
	did('l');
	return bed->hot_rc;
}

int hvop_forget_dirty(struct hvop *h, uint32_t domid)
{
	did('F');
	return bed->forget_rc;
}

NEVER(hvop_checkpoint(struct hvop *h, uint32_t domid, bool anywhere, struct hvop_checkpoint *out), int)
NEVER(hvop_resume(struct hvop *h, uint32_t domid), int)
NEVER(hvop_reserve(struct hvop *h, uint32_t gfns, uint32_t state_size), int)
NEVER(hvop_stop(struct hvop *h, uint32_t domid, bool anywhere), int)

/* What counts as dirty, and at how many Xen raises which port. */
int hvop_dirty_count(struct hvop *h, uint32_t domid, uint64_t *count)
{
	did('C');
	*count = bed->marked;
	return 0;
}

int hvop_watch_dirty(struct hvop *h, uint32_t domid, uint32_t frames, uint32_t notify, uint64_t *count)
{
	did('W');
	assert_int_equal(notify, BELL);
	if (!bed->watch_rc)
		bed->watched = frames;
	*count = bed->marked;
	return bed->watch_rc;
}

/* ---- what Xen took by itself ---- */

int area_recover(struct capture *c)
{
	did('A');
	if (!bed->recover_rc)
		unsent_mark(c->unsent, 7);
	return bed->recover_rc;
}

NEVER_VOID(area_open(struct capture *c))
NOTHING(area_close(struct capture *c, bool keep))
NOTHING(capture_absorb(struct capture *c))
NEVER(hvarea_is_whole(const struct hvarea *a, const struct hvarea_taken *taken), bool)

/* ---- its pages: frame and gfn are the same number ---- */

uint64_t pages_frames_of(uint64_t memory_kb)
{
	return memory_kb / 4;
}

uint64_t pages_frame(const struct pages *p, uint64_t gfn)
{
	return gfn;
}

ZERO(pages_open(const char *vm, uint32_t domid, struct ram *ram, struct pages **out), int)
NOTHING(pages_close(struct pages *p))
ZERO(pages_memory(struct pages *p), struct xenforeignmemory_handle *)
NEVER_VOID(pages_then(struct pages *p, const uint64_t *gfns, const void *copies, uint32_t nr))
NOTHING(pages_now(struct pages *p))
ZERO(pages_missed(const struct pages *p), bool)
NEVER(pages_page_now(const struct pages *p, uint64_t frame), const void *)
NEVER(pages_gfn(const struct pages *p, uint64_t frame), uint64_t)
NEVER(pages_page(struct pages *p, uint64_t frame), const void *)
NEVER(pages_remap(struct pages *p, const uint64_t *gfns, uint32_t nr), int)
NEVER(pages_set_grants(struct pages *p, const uint64_t *gfns, uint32_t nr), int)
NEVER(pages_grants(const struct pages *p), uint32_t)
NEVER(pages_grant_gfn(const struct pages *p, uint32_t ref), uint64_t)
NEVER_VOID(reference_keep(struct capture *c, uint64_t epoch))

/* ---- bed ---- */

static int setup(void **state)
{
	bed = calloc(1, sizeof(*bed));
	bed->cfg = (struct capture_cfg){ .vm = "vm1",
					 .run_dir = "/nonexistent",
					 .memory_kb = MEMORY_KB,
					 .mem_len = capture_mem_size(MEMORY_KB, CAPTURE_MIN_EPOCH),
					 .epoch_bytes = CAPTURE_MIN_EPOCH,
					 .bell = BELL,
					 .buffers = 1 };
	bed->cfg.mem = calloc(1, bed->cfg.mem_len);
	bed->dirty = FRAMES;
	return 0;
}

static int teardown(void **state)
{
	capture_close(bed->c, true);
	free(bed->cfg.mem);
	free(bed);
	return 0;
}

static struct unsent *unsent(void)
{
	return bed->cfg.mem;
}

static void open_with(bool promoted, const char *want)
{
	bed->cfg.promoted = promoted;
	assert_int_equal(capture_open(&bed->cfg, &bed->c), 0);
	assert_string_equal(bed->did, want);
	memset(bed->did, 0, sizeof(bed->did));
}

/* The daemon dies; its memory stays. */
static void again(void)
{
	capture_close(bed->c, true);
	bed->c = NULL;
	assert_string_equal(bed->did, "");
}

/* No epoch comes before a copy anew. */
static void assert_broken(void)
{
	uint64_t nr;

	memset(bed->did, 0, sizeof(bed->did));
	assert_int_equal(capture_harvest(bed->c, 1, &nr), -ENOBUFS);
	assert_string_equal(bed->did, ""); /* Xen's marks are not asked for */
}

static void assert_whole(void)
{
	uint64_t nr;

	assert_int_equal(capture_harvest(bed->c, 1, &nr), 0);
}

/* Nor of the next daemon. */
static void assert_broken_for_good(void)
{
	assert_broken();
	again();
	bed->on_rc = bed->harvest_rc = 0;
	open_with(false, "Ll");
	assert_broken();
	assert_int_equal(unsent()->nr_again, FRAMES);
}

/* ---- a guest that was promoted ---- */

static void a_promoted_guest_is_protected_before_it_runs_and_nothing_of_it_is_unsent(void **state)
{
	memset(bed->cfg.mem, 0xff, bed->cfg.mem_len); /* of the time when it ran here last */
	open_with(true, "LPHl");
	assert_int_equal(unsent()->nr_again, 0);
	assert_false(unsent()->harvesting);
}

static void what_was_written_to_it_while_it_was_protected_goes_with_its_first_epoch(void **state)
{
	uint64_t at = 0;

	bed->dirty = 3;
	open_with(true, "LPHl");
	assert_int_equal(unsent()->nr_again, 1);
	assert_true(unsent_find(unsent(), &at));
	assert_int_equal(at, 3);
}

static void a_promoted_guest_runs_though_its_pages_cannot_be_protected(void **state)
{
	bed->protect_rc = -ENOMEM;
	open_with(true, "LPOl");
	assert_broken_for_good();
}

static void a_promoted_guest_runs_though_its_first_marks_are_lost(void **state)
{
	bed->harvest_rc = -EIO;
	open_with(true, "LPHOl");
	assert_broken_for_good();
}

static void a_promoted_guest_runs_without_a_log(void **state)
{
	bed->on_rc = -EBUSY;
	open_with(true, "Ll");
	assert_broken_for_good();
}

static void no_log_is_switched_off_that_was_not_switched_on(void **state)
{
	bed->on_rc = -EBUSY;
	open_with(true, "Ll");
	capture_close(bed->c, false);
	bed->c = NULL;
	assert_string_equal(bed->did, "");
}

/* ---- how much is dirty ---- */

static void looks(uint64_t limit, uint64_t want, const char *did_want)
{
	memset(bed->did, 0, sizeof(bed->did));
	assert_int_equal(capture_dirty(bed->c, limit), want);
	assert_string_equal(bed->did, did_want);
}

static void xen_is_told_once_when_to_ring(void **state)
{
	open_with(false, "Ll");
	bed->marked = 3;
	looks(100, 3, "W");
	assert_int_equal(bed->watched, 100);
	looks(100, 3, "C");
	looks(90, 3, "W");
	assert_int_equal(bed->watched, 90);
}

static void what_is_dirty_though_xen_does_not_count_it_makes_it_ring_earlier(void **state)
{
	open_with(false, "Ll");
	looks(100, 0, "W");
	unsent_mark(unsent(), 2);
	unsent_mark(unsent(), 5);
	bed->marked = 3;
	looks(100, 5, "W");
	assert_int_equal(bed->watched, 98);
	looks(2, 5, "W");
	assert_int_equal(bed->watched, 1);
}

static void a_watch_that_xen_refused_is_asked_for_again(void **state)
{
	open_with(false, "Ll");
	bed->watch_rc = -ENODATA;
	bed->marked = 4;
	looks(100, 4, "WC");
	bed->watch_rc = 0;
	looks(100, 4, "W");
	assert_int_equal(bed->watched, 100);
	looks(100, 4, "C");
}

/* ---- any other ---- */

static void without_a_log_no_other_guest_is_captured(void **state)
{
	bed->on_rc = -EBUSY;
	assert_int_equal(capture_open(&bed->cfg, &bed->c), -EBUSY);
	assert_null(bed->c);
	assert_string_equal(bed->did, "L");
}

static void what_the_daemon_before_had_not_sent_is_unsent(void **state)
{
	struct unsent_slot *s;

	open_with(false, "Ll");
	unsent_mark(unsent(), 2);
	s = unsent_begin(unsent(), 7);
	assert_non_null(s);
	assert_int_equal(unsent_add(unsent(), s, 5), 0);
	again();

	open_with(false, "Ll");
	assert_int_equal(unsent()->nr_again, 2);
	assert_whole();
}

static void what_was_written_while_nobody_logged_is_not_known(void **state)
{
	open_with(false, "Ll");
	assert_whole();
	memset(bed->did, 0, sizeof(bed->did));
	again();
	bed->logged = false;
	open_with(false, "Ll");
	assert_broken();
}

static void what_xen_leaves_out_and_nobody_compares_is_not_known(void **state)
{
	bed->hot_rc = -EFAULT;
	open_with(false, "Ll");
	assert_broken();
}

static void all_is_unsent_when_the_daemon_before_died_in_a_harvest(void **state)
{
	open_with(false, "Ll");
	unsent()->harvesting = 1;
	again();

	open_with(false, "Ll");
	assert_int_equal(unsent()->nr_again, FRAMES);
	assert_false(unsent()->harvesting);
}

static void what_xen_took_meanwhile_is_unsent(void **state)
{
	open_with(false, "Ll");
	unsent()->harvesting = UNSENT_ARMED;
	again();

	open_with(false, "LAl");
	assert_int_equal(unsent()->nr_again, 1);
	assert_true(unsent_is_marked(unsent(), 7));
	assert_false(unsent()->harvesting);
}

static void all_is_unsent_when_nobody_knows_what_xen_took(void **state)
{
	open_with(false, "Ll");
	unsent()->harvesting = UNSENT_ARMED;
	again();

	bed->recover_rc = -ENOENT;
	open_with(false, "LAl");
	assert_int_equal(unsent()->nr_again, FRAMES);
	assert_false(unsent()->harvesting);
}

static void all_is_unsent_when_the_memory_of_the_daemon_before_is_damaged(void **state)
{
	open_with(false, "Ll");
	unsent()->frames++;
	again();

	open_with(false, "Ll");
	assert_int_equal(unsent()->nr_again, FRAMES);
}

/* ---- the end ---- */

static void a_guest_that_became_a_copy_has_no_marks_and_stays_logged(void **state)
{
	open_with(false, "Ll");
	capture_forget(bed->c);
	capture_close(bed->c, true);
	bed->c = NULL;
	assert_string_equal(bed->did, "lF");
}

static void marks_that_cannot_be_forgotten_end_with_the_log(void **state)
{
	open_with(false, "Ll");
	bed->forget_rc = -ENOMEM;
	capture_forget(bed->c);
	assert_string_equal(bed->did, "lFO");
}

static void a_guest_that_is_not_mirrored_any_more_is_not_logged(void **state)
{
	open_with(false, "Ll");
	capture_close(bed->c, false);
	bed->c = NULL;
	assert_string_equal(bed->did, "lO");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_promoted_guest_is_protected_before_it_runs_and_nothing_of_it_is_unsent),
		TEST(what_was_written_to_it_while_it_was_protected_goes_with_its_first_epoch),
		TEST(a_promoted_guest_runs_though_its_pages_cannot_be_protected),
		TEST(a_promoted_guest_runs_though_its_first_marks_are_lost),
		TEST(a_promoted_guest_runs_without_a_log),
		TEST(no_log_is_switched_off_that_was_not_switched_on),
		TEST(xen_is_told_once_when_to_ring),
		TEST(what_is_dirty_though_xen_does_not_count_it_makes_it_ring_earlier),
		TEST(a_watch_that_xen_refused_is_asked_for_again),
		TEST(without_a_log_no_other_guest_is_captured),
		TEST(what_the_daemon_before_had_not_sent_is_unsent),
		TEST(what_was_written_while_nobody_logged_is_not_known),
		TEST(what_xen_leaves_out_and_nobody_compares_is_not_known),
		TEST(all_is_unsent_when_the_daemon_before_died_in_a_harvest),
		TEST(what_xen_took_meanwhile_is_unsent),
		TEST(all_is_unsent_when_nobody_knows_what_xen_took),
		TEST(all_is_unsent_when_the_memory_of_the_daemon_before_is_damaged),
		TEST(a_guest_that_became_a_copy_has_no_marks_and_stays_logged),
		TEST(marks_that_cannot_be_forgotten_end_with_the_log),
		TEST(a_guest_that_is_not_mirrored_any_more_is_not_logged),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
