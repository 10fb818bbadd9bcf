/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * I/O on the disk.  A request takes a block_io and a run of bounce pages, both allocated at connect(), so
 * io_uring's queues (as deep as there are block_ios, and a flush) never overflow.  Without either it waits in
 * the ready list; the list is served in order, so a large request is not overtaken for ever.
 */
#include <errno.h>
#include <linux/falloc.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#include "block/internal.h"
#include "block/runs.h"
#include "monotonic.h"

#define RESUBMIT_NS 10000000ULL

/* False: not now. */
static bool bounce_alloc(struct block *b, struct block_io *io, unsigned int nr)
{
	int page = nr ? runs_find(b->bounce_used, BLOCK_BOUNCE_PAGES, nr) : 0;

	if (page < 0)
		return false;
	io->bounce = (uint32_t)page;
	io->bounce_pages = nr;
	io->data = b->bounce + (size_t)page * GUEST_PAGE_SIZE;
	runs_toggle(b->bounce_used, io->bounce, nr);
	return true;
}

int io_copy(struct block *b, const struct block_io *io)
{
	struct guest *g = b->dev.host->guest;
	uint8_t *local = io->data;
	unsigned int i;
	int rc;

	for (i = 0; i < io->nr_segments; i++) {
		b->copy[i] = (struct guest_copy){
			.ref = io->segment[i].ref,
			.offset = io->segment[i].offset,
			.len = io->segment[i].len,
			.local = local,
		};
		local += io->segment[i].len;
	}
	if (io->op == BLKIF_OP_WRITE)
		rc = g->ops->copy_from(g, b->copy, io->nr_segments);
	else
		rc = g->ops->copy_to(g, b->copy, io->nr_segments);
	return rc;
}

static void queue_sqe(struct block *b, struct block_io *io)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&b->uring);
	uint8_t *data = io->data + io->done;

	switch (io->op) {
	case BLKIF_OP_READ:
		io_uring_prep_read(sqe, b->fd, data, io->len - io->done, io->offset + io->done);
		break;
	case BLKIF_OP_WRITE:
		io_uring_prep_write(sqe, b->fd, data, io->len - io->done, io->offset + io->done);
		io->synced = cache_alone(b, io);
		if (io->synced)
			sqe->rw_flags = RWF_DSYNC;
		break;
	case BLKIF_OP_DISCARD:
		io_uring_prep_fallocate(sqe, b->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, io->offset,
					io->len);
		break;
	default:
		io_uring_prep_fsync(sqe, b->fd, IORING_FSYNC_DATASYNC);
	}
	io_uring_sqe_set_data(sqe, io);
}

static void submit_again(void *data)
{
	struct block *b = data;

	b->resubmit = false;
	device_enter(&b->dev);
	io_run(b);
	block_settle(b);
	device_leave(&b->dev);
}

static void again_in(struct block *b, uint64_t ns)
{
	if (!b->resubmit)
		b->resubmit = qb_loop_timer_add(b->dev.host->loop, QB_LOOP_MED, ns, b, submit_again,
						&b->resubmit_timer) == 0;
}

/* Hands the queued entries to the kernel; if it has no memory for them now, again in a moment. */
static void submit(struct block *b)
{
	int rc = 1;

	while (io_uring_sq_ready(&b->uring) && rc > 0)
		rc = io_uring_submit(&b->uring);
	if (rc > 0)
		return;
	if (rc && rc != -EAGAIN && rc != -EBUSY && rc != -ENOMEM)
		block_err(b, "io_uring does not take requests: %s", strerror(-rc));
	again_in(b, RESUBMIT_NS);
}

static void free_io(struct block *b, struct block_io *io)
{
	runs_toggle(b->bounce_used, io->bounce, io->bounce_pages);
	SLIST_INSERT_HEAD(&b->free_io, io, link);
}

/* An owed write has its data already. */
static bool find_data(struct block *b, const struct table_entry *e, struct block_io *io)
{
	if (!e->owed)
		return bounce_alloc(b, io, request_pages(e->request));
	io->bounce = io->bounce_pages = 0;
	io->data = b->owed_data + (size_t)e->page * GUEST_PAGE_SIZE;
	return true;
}

/* r is over with rc, what its I/O said is host: -EALREADY if there was nothing to do. */
static void over(struct block *b, struct request *r, int rc, int host)
{
	if (r->entry->owed)
		owed_done(b, r);
	else
		queue_respond(b, r, rc);
	trouble_answered(b, r, host);
}

/* Can it be done, as far as is known before?  *wait: not before that one. */
static int look(struct block *b, struct request *r, struct block_io *io, const struct request **wait)
{
	int rc = request_parse(b, r->entry->request, io);

	*wait = rc ? NULL : owed_before(b, r, io);
	if (*wait && b->trouble.passing && !r->entry->owed) {
		*wait = NULL;
		return -EIO; /* it has waited long enough for a disk that fails */
	}
	if (rc || *wait)
		return rc;
	return io->op == BLKIF_OP_WRITE && !r->entry->owed ? io_copy(b, io) : 0;
}

/* r waits for one that no epoch under way will release. */
static void want_commit(struct block *b, const struct request *r, const struct request *wait)
{
	struct device_host *h = b->dev.host;

	b->report_held |= !r->entry->owed && wait->entry->state == ENTRY_HELD &&
			  wait->entry->stamp == h->ops->open_epoch(h);
}

/*
 * Starts r, or answers it at once if it cannot be done, or leaves it where it is if it has to wait for what
 * is owed.  -EAGAIN: no bounce pages, nothing changed.
 */
static int start_request(struct block *b, struct request *r)
{
	struct block_io *io = SLIST_FIRST(&b->free_io);
	const struct request *wait;
	int rc;

	if (!find_data(b, r->entry, io))
		return -EAGAIN;
	SLIST_REMOVE_HEAD(&b->free_io, link);
	rc = look(b, r, io, &wait);
	if (wait) {
		want_commit(b, r, wait);
		free_io(b, io);
		return 0;
	}
	TAILQ_REMOVE(&b->ready, r, link);
	if (rc || (io->op == BLKIF_OP_FLUSH_DISKCACHE && b->synced)) {
		free_io(b, io);
		over(b, r, rc, rc ? rc : -EALREADY);
		return 0;
	}
	io->request = r;
	TAILQ_INSERT_TAIL(&b->busy, r, link);
	b->nr_busy++;
	queue_sqe(b, io);
	return 0;
}

/*
 * A dead host's writes may still land.  Of what an image owes it had the very same under way, so that may be
 * done before; but not two of the same blocks, of which the older one may still come.
 */
static bool may_run_early(const struct block *b, const struct request *r)
{
	return r->entry->replayed && owed_is_alone(b, r);
}

/* Starts what is ready, as far as there is room; while quiescing what is owed, which needs nothing of the
 * guest. */
void io_run(struct block *b)
{
	uint64_t now = b->wait_until ? monotonic_ns() : 0;
	bool early = now < b->wait_until;
	struct request *r, *next;

	if (!b->connected || b->quiet)
		return;
	if (early)
		again_in(b, b->wait_until - now);
	for (r = TAILQ_FIRST(&b->ready); r && !SLIST_EMPTY(&b->free_io); r = next) {
		next = TAILQ_NEXT(r, link);
		if ((b->quiescing && !r->entry->owed) || (early && !may_run_early(b, r)))
			continue;
		if (start_request(b, r))
			break;
	}
	submit(b);
}

/* What the guest gets of an error of the host's. */
static int host_error(struct block *b, const struct block_io *io, int err)
{
	if (io->op == BLKIF_OP_DISCARD && err == -EOPNOTSUPP)
		return err;
	block_warn(b, "%s: operation %u at byte %llu, length %llu: %s", b->target, io->op,
		   (unsigned long long)io->offset, (unsigned long long)io->len, strerror(-err));
	return -EIO;
}

void io_finish(struct block *b, struct block_io *io, int rc)
{
	struct request *r = io->request;
	int host = rc;

	TAILQ_REMOVE(&b->busy, r, link);
	b->nr_busy--;
	if (rc && trouble_keep(b, r, io, rc)) {
		free_io(b, io);
		return;
	}
	if (rc)
		rc = host_error(b, io, rc);
	else if (io->op == BLKIF_OP_READ)
		rc = io_copy(b, io);
	else if (io->op == BLKIF_OP_WRITE)
		b->recent[b->nr_writes++ % BLOCK_RECENT] = io->offset & ~(uint64_t)(GUEST_PAGE_SIZE - 1);
	else if (io->op == BLKIF_OP_FLUSH_DISKCACHE)
		cache_emptied(b);
	else if (io->op == BLKIF_OP_DISCARD)
		b->synced = false;
	free_io(b, io);
	over(b, r, rc, host);
}

static bool moves_data(const struct block_io *io)
{
	return io->op == BLKIF_OP_READ || io->op == BLKIF_OP_WRITE;
}

static void completed(struct block *b, struct block_io *io, int res)
{
	if ((res == -EAGAIN || res == -EINTR) && io->retries++ < BLOCK_MAX_RETRIES) {
		queue_sqe(b, io);
		return;
	}
	if (res < 0 || !moves_data(io)) {
		io_finish(b, io, res < 0 ? res : 0);
		return;
	}
	io->done += res;
	if (res == 0)
		io_finish(b, io, -EIO); /* the target became shorter */
	else if (io->done < io->len)
		queue_sqe(b, io);
	else if (io->op != BLKIF_OP_WRITE || !cache_keep(b, io))
		io_finish(b, io, 0);
}

static int32_t completions_ready(int32_t fd, int32_t revents, void *data)
{
	struct block *b = data;
	struct io_uring_cqe *cqe;
	eventfd_t count;

	device_enter(&b->dev);
	eventfd_read(fd, &count); /* re-armed; it may be empty after a spurious wake-up */
	while (io_uring_peek_cqe(&b->uring, &cqe) == 0) {
		struct block_io *io = io_uring_cqe_get_data(cqe);
		int res = cqe->res;

		io_uring_cqe_seen(&b->uring, cqe);
		if (io)
			completed(b, io, res);
		else
			cache_flushed(b, res);
	}
	cache_flush(b);
	submit(b); /* continued ones, also while quiescing */
	io_run(b);
	block_settle(b);
	device_leave(&b->dev);
	return 0;
}

static int start_uring(struct block *b)
{
	int rc = io_uring_queue_init(BLOCK_IO_DEPTH + 1, &b->uring, 0);

	if (rc)
		return rc;
	if (b->lock_fd > 0)
		rc = io_uring_register_files(&b->uring, &b->lock_fd, 1);
	else
		block_warn(b, "its I/O does not hold the memory file's lock, a restart may overtake it");
	if (!rc)
		rc = io_uring_register_eventfd(&b->uring, b->event_fd);
	if (rc)
		io_uring_queue_exit(&b->uring);
	return rc;
}

static int alloc_ios(struct block *b)
{
	unsigned int i;

	b->io = calloc(BLOCK_IO_DEPTH, sizeof(*b->io));
	if (!b->io)
		return -ENOMEM;
	b->bounce = mmap(NULL, (size_t)BLOCK_BOUNCE_PAGES * GUEST_PAGE_SIZE, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (b->bounce == MAP_FAILED) {
		free(b->io);
		return -ENOMEM;
	}
	SLIST_INIT(&b->free_io);
	SLIST_INIT(&b->written);
	SLIST_INIT(&b->flushing);
	b->synced = false;
	for (i = 0; i < BLOCK_IO_DEPTH; i++)
		SLIST_INSERT_HEAD(&b->free_io, &b->io[i], link);
	memset(b->bounce_used, 0, sizeof(b->bounce_used));
	b->nr_busy = 0;
	return 0;
}

static void free_ios(struct block *b)
{
	munmap(b->bounce, (size_t)BLOCK_BOUNCE_PAGES * GUEST_PAGE_SIZE);
	free(b->io);
}

/* Buffers and io_uring on the loop. */
int io_start(struct block *b)
{
	int rc = alloc_ios(b);

	if (rc)
		goto fail;
	b->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (b->event_fd < 0) {
		rc = -errno;
		goto free;
	}
	rc = start_uring(b);
	if (rc)
		goto close_event;
	rc = qb_loop_poll_add(b->dev.host->loop, QB_LOOP_HIGH, b->event_fd, POLLIN, b, completions_ready);
	if (rc)
		goto exit_uring;
	return 0;

exit_uring:
	io_uring_queue_exit(&b->uring);
close_event:
	close(b->event_fd);
free:
	free_ios(b);
fail:
	block_err(b, "cannot set up its I/O: %s", strerror(-rc));
	return rc;
}

/*
 * With I/O still under way (the guest is gone) the kernel finishes it, on pages that it holds, and keeps the
 * registered lock until then.
 */
void io_stop(struct block *b)
{
	if (b->resubmit)
		qb_loop_timer_del(b->dev.host->loop, b->resubmit_timer);
	b->resubmit = false;
	trouble_stop(b);
	if (b->nr_busy)
		block_warn(b, "closed with %u requests under way", b->nr_busy);
	qb_loop_poll_del(b->dev.host->loop, b->event_fd);
	io_uring_queue_exit(&b->uring);
	close(b->event_fd);
	free_ios(b);
	b->nr_busy = 0;
}
