/* SPDX-License-Identifier: GPL-2.0-only */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <qb/qbloop.h>
#include <string.h>
#include <time.h>

#include "lib/later.h"

static qb_loop_t *loop;
static struct later *later;
static char order[16];

struct work {
	struct later_item it;
	char name;
	struct work *add, *cancel;
};

static void work(void *arg)
{
	struct work *w = arg;

	order[strlen(order)] = w->name;
	if (w->add)
		later_add(later, &w->add->it);
	if (w->cancel)
		later_cancel(&w->cancel->it);
}

static void stop(void *arg)
{
	qb_loop_stop(loop);
}

static struct later_item stopper = { .fn = stop };

static struct work item(char name)
{
	return (struct work){ .it = { .fn = work }, .name = name };
}

static void add(struct work *w)
{
	w->it.arg = w;
	later_add(later, &w->it);
}

static int setup(void **state)
{
	loop = qb_loop_create();
	memset(order, 0, sizeof(order));
	return later_open(loop, &later);
}

static int teardown(void **state)
{
	later_close(later);
	qb_loop_destroy(loop);
	return 0;
}

static void items_run_once_in_order(void **state)
{
	struct work a = item('a'), b = item('b'), c = item('c');

	add(&b);
	add(&a);
	add(&b);
	add(&c);
	later_cancel(&c.it);
	later_add(later, &stopper);
	qb_loop_run(loop);
	assert_string_equal(order, "ba");
	add(&c);
	later_add(later, &stopper);
	qb_loop_run(loop);
	assert_string_equal(order, "bac");
}

static void an_item_may_add_itself_and_cancel_others(void **state)
{
	struct work a = item('a'), b = item('b'), c = item('c');

	a.add = &a;
	a.cancel = &b;
	add(&a);
	add(&b);
	add(&c);
	later_add(later, &stopper);
	qb_loop_run(loop);
	a.add = NULL;
	later_add(later, &stopper);
	qb_loop_run(loop);
	assert_string_equal(order, "aca");
}

static uint64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

struct chain {
	struct later_item it;
	unsigned int left;
};

static void next_link(void *arg)
{
	struct chain *c = arg;

	if (--c->left)
		later_add(later, &c->it);
	else
		qb_loop_stop(loop);
}

/* 100 turns with libqb's jobs take 5 seconds. */
static void the_loop_does_not_sleep_over_it(void **state)
{
	struct chain c = { { .fn = next_link, .arg = &c }, 100 };
	uint64_t start = now_ms();

	later_add(later, &c.it);
	qb_loop_run(loop);
	assert_true(now_ms() - start < 1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(items_run_once_in_order, setup, teardown),
		cmocka_unit_test_setup_teardown(an_item_may_add_itself_and_cancel_others, setup, teardown),
		cmocka_unit_test_setup_teardown(the_loop_does_not_sleep_over_it, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
