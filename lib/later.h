/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Work for the next turn of the main loop.  In place of qb_loop_job_add(): a loop that has nothing but jobs
 * to do sleeps up to 50 ms before it runs them (libqb 2.0, qb_loop_run()), and adding one allocates.  This
 * one wakes the loop through an eventfd and allocates nothing.
 */
#ifndef KEMARI_LIB_LATER_H
#define KEMARI_LIB_LATER_H

struct qb_loop;
struct later;

/* Embedded in what it works for; zeroed and fn, arg set before the first later_add(). */
struct later_item {
	void (*fn)(void *arg);
	void *arg;
	struct later_item *next, *prev; /* NULL: not queued */
};

int later_open(struct qb_loop *loop, struct later **out);
/* Items still queued are forgotten.  Not from within an item. */
void later_close(struct later *l); /* NULL ok */

/* Runs fn(arg) once, from the loop, in order of the calls.  No effect on an item that is queued already. */
void later_add(struct later *l, struct later_item *it);
/* Takes it out again, if it is queued. */
void later_cancel(struct later_item *it);

#endif /* KEMARI_LIB_LATER_H */
