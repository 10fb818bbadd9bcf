/* SPDX-License-Identifier: GPL-2.0-only */
#include "later.h"

#include <errno.h>
#include <qb/qbloop.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct later {
	struct qb_loop *loop;
	int fd;
	struct later_item queue; /* head of a ring */
	struct later_item turn;	 /* head of those being run */
};

static void ring_init(struct later_item *head)
{
	head->next = head->prev = head;
}

static void append(struct later_item *head, struct later_item *it)
{
	it->next = head;
	it->prev = head->prev;
	head->prev->next = it;
	head->prev = it;
}

void later_cancel(struct later_item *it)
{
	if (!it->next)
		return;
	it->prev->next = it->next;
	it->next->prev = it->prev;
	it->next = it->prev = NULL;
}

/* What is added meanwhile waits for the next turn, so that nobody can hold the loop by adding itself. */
static int32_t run(int32_t fd, int32_t revents, void *arg)
{
	struct later *l = arg;
	eventfd_t n;

	eventfd_read(fd, &n);
	while (l->queue.next != &l->queue) {
		struct later_item *it = l->queue.next;

		later_cancel(it);
		append(&l->turn, it);
	}
	while (l->turn.next != &l->turn) {
		struct later_item *it = l->turn.next;

		later_cancel(it);
		it->fn(it->arg);
	}
	return 0;
}

int later_open(struct qb_loop *loop, struct later **out)
{
	struct later *l = calloc(1, sizeof(*l));
	int ret = -ENOMEM;

	if (!l)
		return ret;
	l->loop = loop;
	ring_init(&l->queue);
	ring_init(&l->turn);
	l->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (l->fd < 0) {
		ret = -errno;
		goto out_free;
	}
	ret = qb_loop_poll_add(loop, QB_LOOP_HIGH, l->fd, POLLIN, l, run);
	if (ret)
		goto out_close;
	*out = l;
	return 0;

out_close:
	close(l->fd);
out_free:
	free(l);
	return ret;
}

void later_close(struct later *l)
{
	if (!l)
		return;
	while (l->queue.next != &l->queue)
		later_cancel(l->queue.next);
	while (l->turn.next != &l->turn)
		later_cancel(l->turn.next);
	qb_loop_poll_del(l->loop, l->fd);
	close(l->fd);
	free(l);
}

void later_add(struct later *l, struct later_item *it)
{
	bool idle = l->queue.next == &l->queue;

	if (it->next)
		return;
	append(&l->queue, it);
	if (idle)
		eventfd_write(l->fd, 1);
}
