/* SPDX-License-Identifier: GPL-2.0-only */
#include "agent/daemon/quorum.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>

#include <corosync/corotypes.h>
#include <corosync/quorum.h>
#include <qb/qbloop.h>

#include "log.h"

struct nodes {
	unsigned int nr;
	uint32_t id[QUORUM_NODES];
};

struct quorum {
	struct qb_loop *loop;
	const struct quorum_ops *ops;
	void *arg;
	quorum_handle_t handle;
	bool open, quorate;
	bool known; /* the ring is */
	struct nodes ring;
	/* By what is being dispatched: who came, even if he left before, and whether anything is new. */
	struct nodes came;
	bool news;
	int fd; /* -1: not on the loop */
};

static bool has(const struct nodes *n, uint32_t id)
{
	for (unsigned int i = 0; i < n->nr; i++)
		if (n->id[i] == id)
			return true;
	return false;
}

static void add(struct nodes *n, uint32_t id)
{
	if (n->nr < QUORUM_NODES && !has(n, id))
		n->id[n->nr++] = id;
}

static void disconnect(struct quorum *q)
{
	bool was = q->quorate || q->known;

	if (q->fd >= 0)
		qb_loop_poll_del(q->loop, q->fd);
	q->fd = -1;
	if (q->open)
		quorum_finalize(q->handle);
	q->open = q->quorate = q->known = false;
	q->ring.nr = 0;
	if (was)
		q->ops->changed(q->arg);
}

static void take_ring(struct quorum *q, const uint32_t *list, uint32_t nr)
{
	const struct nodes before = q->ring;

	q->ring.nr = 0;
	for (uint32_t i = 0; i < nr; i++) {
		add(&q->ring, list[i]);
		if (!has(&before, list[i]))
			add(&q->came, list[i]);
	}
	q->known = nr <= QUORUM_NODES;
	q->news = true;
}

static void on_quorum(quorum_handle_t handle, uint32_t quorate, uint64_t ring, uint32_t nr, uint32_t *list)
{
	const void *ctx = NULL;
	struct quorum *q;

	if (quorum_context_get(handle, &ctx) != CS_OK || !ctx)
		return;
	q = (struct quorum *)ctx;
	take_ring(q, list, nr);
	if (q->quorate == !!quorate)
		return;
	q->quorate = quorate;
	kem_info("this side of the cluster %s quorum", quorate ? "has" : "has no");
}

/* When all that waited is read: one who came and left again is not there. */
static void tell(struct quorum *q)
{
	const struct nodes came = q->came;

	if (!q->news)
		return;
	q->news = false;
	q->came.nr = 0;
	for (unsigned int i = 0; i < came.nr; i++)
		if (has(&q->ring, came.id[i]))
			q->ops->joined(q->arg, came.id[i]);
	q->ops->changed(q->arg);
}

static int on_readable(int32_t fd, int32_t revents, void *arg)
{
	struct quorum *q = arg;
	cs_error_t err = quorum_dispatch(q->handle, CS_DISPATCH_ALL);

	tell(q);
	/* group.c tells of a corosync that is gone */
	if (err != CS_OK && err != CS_ERR_TRY_AGAIN)
		disconnect(q);
	return 0;
}

void quorum_connect(struct quorum *q)
{
	quorum_model_v0_data_t data = { .model = QUORUM_MODEL_V0, .quorum_notify_fn = on_quorum };
	uint32_t type = 0;
	cs_error_t err;

	if (q->open)
		return;
	err = quorum_model_initialize(&q->handle, QUORUM_MODEL_V0, (quorum_model_data_t *)&data, &type, q);
	if (err != CS_OK)
		return;
	q->open = true;
	err = quorum_fd_get(q->handle, &q->fd);
	if (err != CS_OK)
		q->fd = -1;
	if (err == CS_OK)
		err = quorum_trackstart(q->handle, CS_TRACK_CURRENT | CS_TRACK_CHANGES);
	if (err == CS_OK && qb_loop_poll_add(q->loop, QB_LOOP_MED, q->fd, POLLIN, q, on_readable)) {
		q->fd = -1;
		err = CS_ERR_NO_MEMORY;
	}
	if (err != CS_OK)
		disconnect(q);
}

int quorum_open(struct qb_loop *loop, const struct quorum_ops *ops, void *arg, struct quorum **out)
{
	struct quorum *q = calloc(1, sizeof(*q));

	if (!q)
		return -ENOMEM;
	q->loop = loop;
	q->ops = ops;
	q->arg = arg;
	q->fd = -1;
	*out = q;
	return 0;
}

void quorum_close(struct quorum *q)
{
	if (!q)
		return;
	q->quorate = q->known = false;
	disconnect(q);
	free(q);
}

bool quorum_now(const struct quorum *q)
{
	return q->quorate;
}

bool quorum_ring(const struct quorum *q, const uint32_t **nodeid, unsigned int *nr)
{
	*nodeid = q->ring.id;
	*nr = q->ring.nr;
	return q->known;
}
