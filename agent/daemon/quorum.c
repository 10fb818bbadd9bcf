/* SPDX-License-Identifier: GPL-2.0-only */
#include "agent/daemon/quorum.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>

#include <corosync/corotypes.h>
#include <corosync/quorum.h>
#include <qb/qbloop.h>

#include "log.h"

struct quorum {
	struct qb_loop *loop;
	void (*changed)(void *arg);
	void *arg;
	quorum_handle_t handle;
	bool open, quorate;
	int fd; /* -1: not on the loop */
};

static void disconnect(struct quorum *q)
{
	bool was = q->quorate;

	if (q->fd >= 0)
		qb_loop_poll_del(q->loop, q->fd);
	q->fd = -1;
	if (q->open)
		quorum_finalize(q->handle);
	q->open = q->quorate = false;
	if (was)
		q->changed(q->arg);
}

static void on_quorum(quorum_handle_t handle, uint32_t quorate, uint64_t ring, uint32_t nr, uint32_t *list)
{
	const void *ctx = NULL;
	struct quorum *q;

	if (quorum_context_get(handle, &ctx) != CS_OK || !ctx)
		return;
	q = (struct quorum *)ctx;
	if (q->quorate == !!quorate)
		return;
	q->quorate = quorate;
	kem_info("this side of the cluster %s quorum", quorate ? "has" : "has no");
	q->changed(q->arg);
}

static int on_readable(int32_t fd, int32_t revents, void *arg)
{
	struct quorum *q = arg;
	cs_error_t err = quorum_dispatch(q->handle, CS_DISPATCH_ALL);

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

int quorum_open(struct qb_loop *loop, void (*changed)(void *arg), void *arg, struct quorum **out)
{
	struct quorum *q = calloc(1, sizeof(*q));

	if (!q)
		return -ENOMEM;
	q->loop = loop;
	q->changed = changed;
	q->arg = arg;
	q->fd = -1;
	*out = q;
	return 0;
}

void quorum_close(struct quorum *q)
{
	if (!q)
		return;
	q->quorate = false;
	disconnect(q);
	free(q);
}

bool quorum_now(const struct quorum *q)
{
	return q->quorate;
}
