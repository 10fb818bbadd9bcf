/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A block device on a fake guest and a real file, for the tests of the block backend: block_env is one host
 * (loop, disk, device memory), block_front the guest's driver, which checks that each of its requests is
 * answered once.
 *
 * The disk is a file beside the test program.  Tests are skipped where that file system has no O_DIRECT.
 */
#ifndef KEMARI_UNIT_BLOCK_ENV_H
#define KEMARI_UNIT_BLOCK_ENV_H

#include <fcntl.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

#include <cmocka.h>
#include <qb/qbloop.h>
#include <xen/io/blkif.h>

#include "block/block.h"
#include "fake_guest.h"
#include "later.h"
#include "ring/ring.h"

#define DISK_SECTORS 16384ULL
#define RING_PAGE0 0 /* guest pages 0..63: rings; from 64 on: data */
#define DATA_PAGE0 64
#define GUEST_PAGES 1024
#define MAX_IDS 8192

struct block_env {
	struct device_host host;
	struct fake_guest *fake;
	char path[PATH_MAX];
	struct block_cfg cfg;
	void *mem;
	struct device *dev;
	uint64_t epoch;
	bool must_hold;
	unsigned int inside;
	const uint8_t *pages; /* of the image, DEVICE_MAX_PAGES of them; NULL: none */
	unsigned int held_said, owed_said, settled_said, urgent_said, quiesced_said, failed_said,
		trouble_said;
	char why[128], trouble[512];
	bool timed_out;
};

struct block_front {
	struct fake_guest *fake;
	unsigned int nr_queues, nr_pages;
	struct {
		struct ring_shared *shared;
		uint32_t size, req_prod, rsp_cons, evtchn;
	} queue[DEVICE_MAX_QUEUES];
	struct device_cfg cfg;
	uint32_t data_ref[GUEST_PAGES]; /* grant of page i */
	struct {
		bool sent, answered;
		uint8_t op;
		int16_t status;
	} id[MAX_IDS];
	unsigned int sent, answered;
};

static inline struct block_env *env_of(struct device_host *h)
{
	return (struct block_env *)h; /* first member */
}

static uint64_t env_open_epoch(struct device_host *h)
{
	return env_of(h)->epoch;
}

static void env_output_held(struct device_host *h, struct device *dev, bool urgent)
{
	env_of(h)->held_said++;
	env_of(h)->urgent_said += urgent;
}

static void env_write_owed(struct device_host *h, struct device *dev, bool urgent)
{
	env_of(h)->owed_said++;
	env_of(h)->urgent_said += urgent;
}

static void env_settled(struct device_host *h, struct device *dev)
{
	env_of(h)->settled_said++;
}

static const void *env_page(struct device_host *h, const struct device *dev, uint32_t index)
{
	return env_of(h)->pages ? env_of(h)->pages + (size_t)index * GUEST_PAGE_SIZE : NULL;
}

static bool env_must_hold(struct device_host *h, const struct device *dev)
{
	return env_of(h)->must_hold;
}

static void env_quiesced(struct device_host *h, struct device *dev)
{
	env_of(h)->quiesced_said++;
}

static void env_trouble(struct device_host *h, struct device *dev, const char *why)
{
	env_of(h)->trouble_said++;
	snprintf(env_of(h)->trouble, sizeof(env_of(h)->trouble), "%s", why ? why : "");
}

static void env_failed(struct device_host *h, struct device *dev, const char *why)
{
	env_of(h)->failed_said++;
	snprintf(env_of(h)->why, sizeof(env_of(h)->why), "%s", why);
}

static void env_enter(struct device_host *h)
{
	env_of(h)->inside++;
}

static void env_leave(struct device_host *h)
{
	assert_true(env_of(h)->inside--);
}

static const struct device_host_ops env_host_ops = {
	.enter = env_enter,
	.leave = env_leave,
	.open_epoch = env_open_epoch,
	.output_held = env_output_held,
	.write_owed = env_write_owed,
	.settled = env_settled,
	.page = env_page,
	.must_hold = env_must_hold,
	.quiesced = env_quiesced,
	.trouble = env_trouble,
	.failed = env_failed,
};

/* An empty disk beside the test program; skips the test if direct I/O is refused there. */
static inline void env_make_disk(struct block_env *e)
{
	ssize_t n = readlink("/proc/self/exe", e->path, sizeof(e->path) - 16);
	int fd;

	assert_true(n > 0);
	strcpy(e->path + n, ".disk-XXXXXX");
	fd = mkstemp(e->path);
	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, DISK_SECTORS * 512), 0);
	close(fd);
	fd = open(e->path, O_RDWR | O_DIRECT);
	if (fd < 0) {
		unlink(e->path);
		print_message("no direct I/O on %s\n", e->path);
		skip();
	}
	close(fd);
}

static inline void env_create(struct block_env *e)
{
	e->cfg.target = e->path;
	assert_int_equal(block_create(&e->host, 51712, &e->cfg, e->mem, block_mem_size(), &e->dev), 0);
}

/* A host whose guest is f; disk: another env's path, or NULL for a new one. */
static inline void env_init(struct block_env *e, struct fake_guest *f, const char *disk)
{
	memset(e, 0, sizeof(*e));
	e->host.ops = &env_host_ops;
	e->host.vm = "vm1";
	e->host.guest = &f->guest;
	e->host.loop = qb_loop_create();
	assert_false(later_open(e->host.loop, &e->host.later));
	e->fake = f;
	e->epoch = 1;
	e->must_hold = true;
	e->cfg.discard = true;
	e->cfg.lock_fd = -1;
	e->mem = calloc(1, block_mem_size());
	assert_non_null(e->mem);
	if (disk)
		strcpy(e->path, disk);
	else
		env_make_disk(e);
	env_create(e);
}

static inline void env_fini(struct block_env *e, bool remove_disk)
{
	e->dev->ops->disconnect(e->dev);
	e->dev->ops->destroy(e->dev);
	later_close(e->host.later);
	qb_loop_destroy(e->host.loop);
	free(e->mem);
	if (remove_disk)
		unlink(e->path);
}

static inline void env_peek_disk(const struct block_env *e, uint64_t sector, void *buf, size_t len)
{
	int fd = open(e->path, O_RDONLY);

	assert_true(fd >= 0);
	assert_int_equal(pread(fd, buf, len, sector * 512), len);
	close(fd);
}

static inline void env_poke_disk(const struct block_env *e, uint64_t sector, const void *buf, size_t len)
{
	int fd = open(e->path, O_WRONLY);

	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, buf, len, sector * 512), len);
	assert_int_equal(fsync(fd), 0);
	close(fd);
}

/* Does every byte of the disk's range equal value? */
static inline bool env_disk_is(const struct block_env *e, uint64_t sector, unsigned int nr, uint8_t value)
{
	uint8_t *buf = malloc(nr * 512);
	bool same = true;
	unsigned int i;

	env_peek_disk(e, sector, buf, nr * 512);
	for (i = 0; i < nr * 512; i++)
		same &= buf[i] == value;
	free(buf);
	return same;
}

/* The driver: rings of nr_pages pages each in the guest's first pages, every later page granted. */
static inline void front_init(struct block_front *fr, struct fake_guest *f, unsigned int nr_queues,
			      unsigned int nr_pages)
{
	unsigned int i, p, page = RING_PAGE0;

	memset(fr, 0, sizeof(*fr));
	assert_true(nr_queues * nr_pages <= DATA_PAGE0);
	fr->fake = f;
	fr->nr_queues = fr->cfg.nr_queues = nr_queues;
	fr->nr_pages = nr_pages;
	fr->cfg.features = block_frontend_features("x86_64-abi");
	for (i = 0; i < nr_queues; i++) {
		fr->queue[i].shared = (struct ring_shared *)fake_page(f, page);
		fr->queue[i].size = ring_slots(nr_pages, sizeof(struct blkif_request));
		fr->queue[i].evtchn = 3 + i;
		fr->queue[i].shared->req_event = fr->queue[i].shared->rsp_event = 1;
		fr->cfg.queue[i].evtchn = 3 + i;
		fr->cfg.queue[i].nr_ring_pages = nr_pages;
		for (p = 0; p < nr_pages; p++)
			fr->cfg.queue[i].ring_ref[p] = fake_grant(f, page++);
	}
	for (i = DATA_PAGE0; i < GUEST_PAGES; i++)
		fr->data_ref[i] = fake_grant(f, i);
}

static inline struct blkif_request *front_slot(struct block_front *fr, unsigned int q)
{
	struct ring_shared *s = fr->queue[q].shared;

	return (struct blkif_request *)s->slots + (fr->queue[q].req_prod & (fr->queue[q].size - 1));
}

/* Publishes the slot that the caller filled. */
static inline void front_push(struct block_front *fr, unsigned int q, uint64_t id, uint8_t rsp_op)
{
	assert_true(id < MAX_IDS && !fr->id[id].sent);
	assert_true(fr->queue[q].req_prod - fr->queue[q].rsp_cons < fr->queue[q].size);
	fr->id[id].sent = true;
	fr->id[id].op = rsp_op;
	fr->sent++;
	__atomic_store_n(&fr->queue[q].shared->req_prod, ++fr->queue[q].req_prod, __ATOMIC_RELEASE);
}

/* READ or WRITE of nr whole pages, guest pages page.. */
static inline void front_rw(struct block_front *fr, unsigned int q, uint64_t id, uint8_t op, uint64_t sector,
			    unsigned int page, unsigned int nr)
{
	struct blkif_request *r = front_slot(fr, q);
	unsigned int i;

	memset(r, 0, sizeof(*r));
	r->operation = op;
	r->nr_segments = nr;
	r->id = id;
	r->sector_number = sector;
	for (i = 0; i < nr; i++) {
		r->seg[i].gref = fr->data_ref[page + i];
		r->seg[i].last_sect = 7;
	}
	front_push(fr, q, id, op);
}

/* The same with an indirect request whose descriptors lie in guest page desc. */
static inline void front_indirect(struct block_front *fr, unsigned int q, uint64_t id, uint8_t op,
				  uint64_t sector, unsigned int desc, unsigned int page, unsigned int nr)
{
	struct blkif_request_indirect *r = (struct blkif_request_indirect *)front_slot(fr, q);
	struct blkif_request_segment *seg = (struct blkif_request_segment *)fake_page(fr->fake, desc);
	unsigned int i;

	memset(r, 0, sizeof(struct blkif_request));
	r->operation = BLKIF_OP_INDIRECT;
	r->indirect_op = op;
	r->nr_segments = nr;
	r->id = id;
	r->sector_number = sector;
	r->indirect_grefs[0] = fr->data_ref[desc];
	for (i = 0; i < nr && i < 512; i++)
		seg[i] = (struct blkif_request_segment){ .gref = fr->data_ref[page + i], .last_sect = 7 };
	front_push(fr, q, id, op);
}

static inline void front_discard(struct block_front *fr, unsigned int q, uint64_t id, uint64_t sector,
				 uint64_t nr, uint8_t flag)
{
	struct blkif_request_discard *r = (struct blkif_request_discard *)front_slot(fr, q);

	memset(r, 0, sizeof(struct blkif_request));
	r->operation = BLKIF_OP_DISCARD;
	r->flag = flag;
	r->id = id;
	r->sector_number = sector;
	r->nr_sectors = nr;
	front_push(fr, q, id, BLKIF_OP_DISCARD);
}

static inline void front_flush(struct block_front *fr, unsigned int q, uint64_t id)
{
	struct blkif_request *r = front_slot(fr, q);

	memset(r, 0, sizeof(*r));
	r->operation = BLKIF_OP_FLUSH_DISKCACHE;
	r->id = id;
	front_push(fr, q, id, BLKIF_OP_FLUSH_DISKCACHE);
}

static inline void front_kick(struct block_front *fr, unsigned int q)
{
	fake_kick(fr->fake, fr->queue[q].evtchn);
}

/* Takes the published responses.  An answer to nothing, a second answer or a wrong operation fails the test.
 */
static inline void front_reap(struct block_front *fr)
{
	unsigned int q;

	for (q = 0; q < fr->nr_queues; q++) {
		struct ring_shared *s = fr->queue[q].shared;
		uint32_t prod = __atomic_load_n(&s->rsp_prod, __ATOMIC_ACQUIRE);

		assert_true(prod - fr->queue[q].rsp_cons <= fr->queue[q].req_prod - fr->queue[q].rsp_cons);
		for (; fr->queue[q].rsp_cons != prod; fr->queue[q].rsp_cons++) {
			uint32_t slot = fr->queue[q].rsp_cons & (fr->queue[q].size - 1);
			struct blkif_response rsp;

			memcpy(&rsp, (struct blkif_request *)s->slots + slot, sizeof(rsp));
			assert_true(rsp.id < MAX_IDS);
			assert_true(fr->id[rsp.id].sent && !fr->id[rsp.id].answered);
			assert_int_equal(rsp.operation, fr->id[rsp.id].op);
			fr->id[rsp.id].answered = true;
			fr->id[rsp.id].status = rsp.status;
			fr->answered++;
		}
		s->rsp_event = prod + 1;
	}
}

/* Turns of the main loop, one each ms: until what is named here has happened, but some more, for what must
 * not. */
#define ENV_MAX_TURNS 5000
#define ENV_MIN_TURNS 8

struct env_wait {
	struct block_env *env;
	struct block_front *front;
	struct block_front *published; /* its first ring holds that many responses; nobody takes them */
	unsigned int answered, responses, quiesced, failed, settled, turns;
};

static inline bool env_waits(const struct env_wait *w)
{
	return (w->front && w->front->answered < w->answered) ||
	       (w->published && w->published->queue[0].shared->rsp_prod < w->responses) ||
	       w->env->settled_said < w->settled || w->env->quiesced_said < w->quiesced ||
	       w->env->failed_said < w->failed;
}

static void env_look(void *data)
{
	struct env_wait *w = data;
	qb_loop_timer_handle t;

	if (w->front)
		front_reap(w->front);
	if (w->turns == ENV_MAX_TURNS || (w->turns >= ENV_MIN_TURNS && !env_waits(w))) {
		w->env->timed_out = env_waits(w);
		qb_loop_stop(w->env->host.loop);
		return;
	}
	w->turns++;
	qb_loop_timer_add(w->env->host.loop, QB_LOOP_LOW, 1000000, w, env_look, &t);
}

static inline void env_wait(struct env_wait w)
{
	w.turns = 0;
	env_look(&w);
	qb_loop_run(w.env->host.loop);
	assert_false(w.env->timed_out);
}

/* Until the guest has this many answers in all; and a little longer, for one too many. */
static inline void env_run(struct block_env *e, struct block_front *fr, unsigned int answered)
{
	env_wait((struct env_wait){ .env = e, .front = fr, .answered = answered });
	assert_int_equal(fr->answered, answered);
}

/* A limit on the size of files stands for a disk, or a path to it, that fails: writes beyond it do, while it
 * is set. The test ignores SIGXFSZ. */
#define ENV_LIMIT (1U << 20)

static inline void env_path_breaks(bool broken)
{
	struct rlimit r;

	assert_int_equal(getrlimit(RLIMIT_FSIZE, &r), 0);
	r.rlim_cur = broken ? ENV_LIMIT : r.rlim_max;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &r), 0);
}

static inline void env_connect(struct block_env *e, struct block_front *fr)
{
	assert_int_equal(e->dev->ops->connect(e->dev, &fr->cfg), 0);
}

#endif /* KEMARI_UNIT_BLOCK_ENV_H */
