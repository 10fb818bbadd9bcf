/* SPDX-License-Identifier: GPL-2.0-only */
#include "block/share.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include <liburing.h>
#include <qb/qbloop.h>
#include <xxhash.h>

struct share_read {
	struct qb_loop *loop;
	struct io_uring uring;
	int fd, event_fd;
	qb_loop_timer_handle timer;
	uint8_t *data;
	unsigned int nr, left;
	int err;
	uint64_t offset[SHARE_SAMPLES], hash[SHARE_SAMPLES];
	share_read_fn fn;
	void *arg;
};

#define DATA_BYTES ((size_t)SHARE_SAMPLES * SHARE_BLOCK)

/* Reads that the storage never answered stay the kernel's, with their pages. */
static void destroy(struct share_read *r)
{
	if (r->timer)
		qb_loop_timer_del(r->loop, r->timer);
	if (r->event_fd >= 0) {
		qb_loop_poll_del(r->loop, r->event_fd);
		io_uring_queue_exit(&r->uring);
		close(r->event_fd);
	}
	if (r->data)
		munmap(r->data, DATA_BYTES);
	close(r->fd);
	free(r);
}

static void finish(struct share_read *r)
{
	for (unsigned int i = 0; !r->err && i < r->nr; i++)
		r->hash[i] = XXH3_64bits(r->data + (size_t)i * SHARE_BLOCK, SHARE_BLOCK);
	r->fn(r->arg, r->err, r->hash, r->nr);
	destroy(r);
}

static void timed_out(void *arg)
{
	struct share_read *r = arg;

	r->timer = 0;
	r->err = -ETIMEDOUT;
	finish(r);
}

static int32_t completed(int32_t fd, int32_t revents, void *arg)
{
	struct share_read *r = arg;
	struct io_uring_cqe *cqe;
	eventfd_t count;

	eventfd_read(fd, &count);
	while (r->left && io_uring_peek_cqe(&r->uring, &cqe) == 0) {
		if (cqe->res != (int)SHARE_BLOCK && !r->err)
			r->err = cqe->res < 0 ? cqe->res : -EIO;
		io_uring_cqe_seen(&r->uring, cqe);
		r->left--;
	}
	if (!r->left)
		finish(r);
	return 0;
}

static int submit(struct share_read *r)
{
	int rc;

	for (unsigned int i = 0; i < r->nr; i++)
		io_uring_prep_read(io_uring_get_sqe(&r->uring), r->fd, r->data + (size_t)i * SHARE_BLOCK,
				   SHARE_BLOCK, r->offset[i]);
	rc = io_uring_submit(&r->uring);
	return rc == (int)r->nr ? 0 : rc < 0 ? rc : -EAGAIN;
}

static int equip(struct share_read *r, unsigned int timeout_ms)
{
	int event_fd, rc;

	r->data = mmap(NULL, DATA_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (r->data == MAP_FAILED) {
		r->data = NULL;
		return -ENOMEM;
	}
	event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (event_fd < 0)
		return -errno;
	rc = io_uring_queue_init(SHARE_SAMPLES, &r->uring, 0);
	if (rc)
		goto close_event;
	rc = io_uring_register_eventfd(&r->uring, event_fd);
	if (!rc)
		rc = qb_loop_poll_add(r->loop, QB_LOOP_MED, event_fd, POLLIN, r, completed);
	if (rc)
		goto exit_uring;
	r->event_fd = event_fd;
	rc = qb_loop_timer_add(r->loop, QB_LOOP_LOW, timeout_ms * 1000000ULL, r, timed_out, &r->timer);
	return rc ? rc : submit(r);

exit_uring:
	io_uring_queue_exit(&r->uring);
close_event:
	close(event_fd);
	return rc;
}

int share_read_start(struct qb_loop *loop, const char *target, const uint64_t *offset, unsigned int nr,
		     unsigned int timeout_ms, share_read_fn fn, void *arg, struct share_read **out)
{
	struct share_read *r;
	int rc;

	if (!nr || nr > SHARE_SAMPLES)
		return -EINVAL;
	r = calloc(1, sizeof(*r));
	if (!r)
		return -ENOMEM;
	r->loop = loop;
	r->nr = r->left = nr;
	r->fn = fn;
	r->arg = arg;
	r->event_fd = -1;
	for (unsigned int i = 0; i < nr; i++)
		r->offset[i] = offset[i];
	r->fd = open(target, O_RDONLY | O_DIRECT | O_CLOEXEC);
	if (r->fd < 0) {
		rc = -errno;
		free(r);
		return rc;
	}
	rc = equip(r, timeout_ms);
	if (rc)
		destroy(r);
	else
		*out = r;
	return rc;
}

void share_read_cancel(struct share_read *r)
{
	if (r)
		destroy(r);
}
