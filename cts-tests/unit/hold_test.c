/* SPDX-License-Identifier: GPL-2.0-only */
/* The ring of held outputs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "hold.h"

#define CAP 4096U

static struct hold *new_hold(void)
{
	struct hold *h = calloc(1, sizeof(*h) + CAP);

	hold_init(h, CAP);
	return h;
}

static int add(struct hold *h, uint32_t len, uint64_t epoch, uint64_t cookie)
{
	uint64_t pos = h->tail;
	struct hold_piece *p = hold_prepare(h, &pos, len, epoch);

	if (!p)
		return -1;
	memset(p->data, (int)cookie, len);
	p->cookie = cookie;
	hold_commit(h, pos);
	return 0;
}

static void prepared_pieces_are_invisible_until_commit(void **state)
{
	struct hold *h = new_hold();
	uint64_t pos = h->tail, at = h->head, next;

	assert_non_null(hold_prepare(h, &pos, 100, 1));
	assert_non_null(hold_prepare(h, &pos, 100, 1));
	assert_null(hold_next(h, &at, h->tail, &next));
	assert_true(hold_valid(h, CAP));
	hold_commit(h, pos);
	at = h->head;
	assert_non_null(hold_next(h, &at, h->tail, &next));
	free(h);
}

static void covered_ends_before_the_first_later_epoch(void **state)
{
	struct hold *h = new_hold();
	uint64_t all, first;

	add(h, 10, 3, 0);
	first = h->tail;
	add(h, 10, 7, 1);
	add(h, 10, 0, 2); /* needs no commit, but comes behind one that does */
	all = h->tail;
	assert_int_equal(hold_covered(h, h->head, 2), h->head);
	assert_int_equal(hold_covered(h, h->head, 6), first);
	assert_int_equal(hold_covered(h, h->head, 7), all);
	hold_truncate(h, first);
	assert_int_equal(hold_covered(h, h->head, 99), first);
	free(h);
}

static void full_ring_takes_nothing_and_recovers(void **state)
{
	struct hold *h = new_hold();
	unsigned int nr = 0;

	while (add(h, 1000, 1, nr) == 0)
		nr++;
	assert_int_equal(nr, CAP / 1024);
	assert_int_equal(add(h, CAP, 1, 0), -1);
	assert_true(hold_valid(h, CAP));
	hold_set_head(h, hold_covered(h, h->head, 1));
	hold_rewind(h);
	assert_true(hold_empty(h));
	assert_int_equal(h->head % CAP, 0);
	assert_int_equal(add(h, CAP - 24, 1, 0), 0);
	free(h);
}

/* Against a plain list of what should be inside. */
static void random_use_keeps_every_piece_in_order(void **state)
{
	struct hold *h = new_hold();
	uint64_t added = 0, taken = 0;

	srand(7);
	for (unsigned int step = 0; step < 200000; step++) {
		if (rand() % 2) {
			uint32_t len = (uint32_t)rand() % (rand() % 10 ? 60 : 1500);

			if (add(h, len, 1, added) == 0)
				added++;
		} else {
			uint64_t pos = h->head, next;
			struct hold_piece *p = hold_next(h, &pos, h->tail, &next);

			assert_true((p == NULL) == (added == taken));
			if (p) {
				assert_int_equal(p->cookie, taken);
				for (uint32_t i = 0; i < p->len; i++)
					assert_int_equal(p->data[i], (uint8_t)taken);
				taken++;
				hold_set_head(h, next);
			}
			if (rand() % 4 == 0)
				hold_rewind(h);
		}
		if (step % 100 == 0)
			assert_true(hold_valid(h, CAP));
	}
	assert_true(added > 50000);
	free(h);
}

static void damage_is_seen(void **state)
{
	struct hold *h = new_hold();

	add(h, 100, 1, 0);
	assert_false(hold_valid(h, CAP * 2));
	h->tail += 8;
	assert_false(hold_valid(h, CAP));
	h->tail -= 8;
	((struct hold_piece *)h->data)->len = CAP;
	assert_false(hold_valid(h, CAP));
	((struct hold_piece *)h->data)->len = 0xffffffffU;
	assert_false(hold_valid(h, CAP));
	((struct hold_piece *)h->data)->len = 100;
	assert_true(hold_valid(h, CAP));
	h->head = h->tail + 8;
	assert_false(hold_valid(h, CAP));
	free(h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(prepared_pieces_are_invisible_until_commit),
		cmocka_unit_test(covered_ends_before_the_first_later_epoch),
		cmocka_unit_test(full_ring_takes_nothing_and_recovers),
		cmocka_unit_test(random_use_keeps_every_piece_in_order),
		cmocka_unit_test(damage_is_seen),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
