/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The disk's volatile cache.  What the guest is told is written survives the host (ownership.md, 8): a write
 * that runs alone carries RWF_DSYNC; those that run beside others are over when a flush that began after them
 * is, one for all that were done by then.  So of what was answered nothing is in that cache only, and a flush
 * of the guest's has nothing to do.
 */
#include <errno.h>

#include "block/internal.h"

bool cache_alone(const struct block *b, const struct block_io *io)
{
	return b->write_cache == BLOCK_CACHE_VOLATILE && b->nr_busy == 1 && !io->done;
}

bool cache_keep(struct block *b, struct block_io *io)
{
	if (b->write_cache != BLOCK_CACHE_VOLATILE || io->synced)
		return false;
	SLIST_INSERT_HEAD(&b->written, io, link);
	return true;
}

void cache_flush(struct block *b)
{
	struct io_uring_sqe *sqe;

	if (SLIST_EMPTY(&b->written) || !SLIST_EMPTY(&b->flushing))
		return;
	SLIST_FIRST(&b->flushing) = SLIST_FIRST(&b->written);
	SLIST_INIT(&b->written);
	sqe = io_uring_get_sqe(&b->uring);
	io_uring_prep_fsync(sqe, b->fd, IORING_FSYNC_DATASYNC);
	io_uring_sqe_set_data(sqe, NULL);
}

static struct block_io *take_flushing(struct block *b)
{
	struct block_io *io = SLIST_FIRST(&b->flushing);

	if (io)
		SLIST_REMOVE_HEAD(&b->flushing, link);
	return io;
}

void cache_flushed(struct block *b, int rc)
{
	bool again = (rc == -EAGAIN || rc == -EINTR) && b->flush_retries++ < BLOCK_MAX_RETRIES;
	struct block_io *io;

	while ((io = take_flushing(b)))
		if (again)
			SLIST_INSERT_HEAD(&b->written, io, link);
		else
			io_finish(b, io, rc);
	if (again)
		return;
	b->flush_retries = 0;
	if (!rc)
		cache_emptied(b);
}

void cache_emptied(struct block *b)
{
	b->synced = b->write_cache == BLOCK_CACHE_VOLATILE;
}
