/* SPDX-License-Identifier: GPL-2.0-only */
#include "block/block.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "block/internal.h"

static struct block *to_block(struct device *dev)
{
	return (struct block *)dev;
}

static const struct block *to_block_const(const struct device *dev)
{
	return (const struct block *)dev;
}

bool block_is_quiet(const struct block *b)
{
	if (b->nr_busy)
		return false;
	return !b->connected || !(b->draining ? b->nr_owed > 0 : owed_runs(b));
}

/*
 * What must not be said from within the callback that caused it: the host may take the device apart in
 * quiesced() and failed().  Also goes on with rings whose turn was over.
 */
static void deferred(void *data)
{
	struct block *b = data;
	struct device_host *h = b->dev.host;
	unsigned int i;

	h->ops->enter(h);
	for (i = 0; i < b->nr_queues; i++)
		if (b->queue[i].more)
			queue_consume(&b->queue[i]);
	io_run(b);
	block_settle(b);
	if (b->failed_due) {
		b->failed_due = false;
		h->ops->failed(h, &b->dev, b->broken);
	} else if (b->quiesced_due && block_is_quiet(b)) {
		b->quiesced_due = false;
		b->quiet = true;
		h->ops->quiesced(h, &b->dev);
	}
	h->ops->leave(h);
}

void block_defer(struct block *b)
{
	later_add(b->dev.host->later, &b->deferred);
}

/* The ring cannot be trusted any more: nothing further is taken from it; what runs is answered. */
void block_fail(struct block *b, const char *why)
{
	if (b->broken)
		return;
	block_err(b, "%s", why);
	b->broken = why;
	b->failed_due = true;
}

static int check_config(const struct block *b, const struct device_cfg *cfg)
{
	uint32_t pages = cfg->queue[0].nr_ring_pages;
	unsigned int i;

	if (!(cfg->features & BLOCK_FEATURE_ABI_X86_64)) {
		block_err(b, "the frontend's protocol is not x86_64-abi, which is the only one supported");
		return -EPROTONOSUPPORT;
	}
	if (cfg->nr_queues == 0 || cfg->nr_queues > BLOCK_MAX_QUEUES) {
		block_err(b, "the frontend wants %u queues, 1 to %d are offered", cfg->nr_queues,
			  BLOCK_MAX_QUEUES);
		return -EINVAL;
	}
	if (pages == 0 || pages > BLOCK_MAX_RING_PAGES || (pages & (pages - 1))) {
		block_err(b, "the frontend wants rings of %u pages, 1, 2, 4, 8 or 16 are offered", pages);
		return -EINVAL;
	}
	for (i = 1; i < cfg->nr_queues; i++)
		if (cfg->queue[i].nr_ring_pages != pages) {
			block_err(b, "the frontend's rings are not of one size");
			return -EINVAL;
		}
	return 0;
}

/* Held requests that outlived a daemon: the epoch of their consumption is over for this one. */
static void stamp_held(struct block *b)
{
	struct device_host *h = b->dev.host;
	struct request *r;

	if (!h->ops->must_hold(h, &b->dev)) {
		b->dev.ops->release(&b->dev, UINT64_MAX);
		return;
	}
	for (r = TAILQ_FIRST(&b->held); r; r = TAILQ_NEXT(r, link)) {
		r->entry->stamp = h->ops->open_epoch(h);
		b->report_held |= !r->entry->owed;
		b->report_owed |= r->entry->owed;
	}
}

static void stop_queues(struct block *b)
{
	unsigned int i;

	for (i = 0; i < b->nr_queues; i++)
		queue_stop(&b->queue[i]);
	b->nr_queues = 0;
}

static int start_queues(struct block *b, const struct device_cfg *cfg)
{
	unsigned int i;
	int rc = 0;

	b->nr_queues = cfg->nr_queues;
	for (i = 0; i < cfg->nr_queues && !rc; i++)
		rc = queue_map(&b->queue[i], &cfg->queue[i]);
	if (!rc)
		rc = table_begin(b, cfg);
	for (i = 0; i < cfg->nr_queues && !rc; i++)
		rc = queue_start(&b->queue[i]);
	return rc;
}

static int block_connect(struct device *dev, const struct device_cfg *cfg)
{
	struct block *b = to_block(dev);
	int rc;

	if (b->connected || !dev->host->guest)
		return b->connected ? -EISCONN : -ENODEV;
	rc = check_config(b, cfg);
	if (rc)
		return rc;
	b->fd = disk_open(b);
	if (b->fd < 0)
		return b->fd;
	rc = io_start(b);
	if (rc)
		goto close_disk;
	rc = start_queues(b, cfg);
	if (rc)
		goto stop;
	b->connected = true;
	b->quiescing = b->quiesced_due = b->quiet = b->failed_due = false;
	b->report_held = b->report_owed = b->report_settled = false;
	b->broken = NULL;
	table_lists(b);
	stamp_held(b);
	block_defer(b); /* submits the table, then looks at the rings */
	return 0;

stop:
	stop_queues(b);
	io_stop(b);
close_disk:
	close(b->fd);
	return rc;
}

void block_wait_until(struct device *dev, uint64_t ns)
{
	to_block(dev)->wait_until = ns;
}

static void block_disconnect(struct device *dev)
{
	struct block *b = to_block(dev);

	if (!b->connected)
		return;
	later_cancel(&b->deferred);
	b->quiesced_due = b->failed_due = false;
	stop_queues(b);
	io_stop(b);
	close(b->fd);
	b->connected = false;
	table_lists(b); /* what was under way is to be done again by the next connect */
}

static void quiesce(struct block *b, bool drain)
{
	b->quiescing = b->quiesced_due = true;
	b->quiet = false;
	b->draining = drain;
	block_defer(b);
}

static void block_quiesce(struct device *dev)
{
	quiesce(to_block(dev), false);
}

static void block_drain(struct device *dev)
{
	quiesce(to_block(dev), true);
}

static void block_thaw(struct device *dev)
{
	struct block *b = to_block(dev);
	unsigned int i;

	b->quiescing = b->quiesced_due = b->quiet = false;
	for (i = 0; i < b->nr_queues; i++)
		b->queue[i].more = true;
	if (b->connected)
		block_defer(b);
}

static void block_release(struct device *dev, uint64_t epoch)
{
	struct block *b = to_block(dev);
	struct request *r, *next;

	for (r = TAILQ_FIRST(&b->held); r; r = next) {
		next = TAILQ_NEXT(r, link);
		if (r->entry->stamp > epoch)
			continue;
		r->entry->state = ENTRY_RELEASED;
		TAILQ_REMOVE(&b->held, r, link);
		TAILQ_INSERT_TAIL(&b->ready, r, link);
		if (!r->entry->owed)
			b->queue[r->entry->queue].held--;
	}
	if (!b->connected)
		return;
	io_run(b);
	block_settle(b);
}

static void block_discard(struct device *dev, uint64_t epoch)
{
	struct block *b = to_block(dev);
	int dropped = table_drop_held(b, epoch);

	if (dropped)
		block_warn(b, "%d held requests dropped, the other host goes on from epoch %llu", dropped,
			   (unsigned long long)epoch);
}

static long block_snapshot(struct device *dev, void *buf, size_t cap)
{
	return table_snapshot(to_block(dev), buf, cap);
}

static int block_restore(struct device *dev, const void *buf, size_t len)
{
	struct block *b = to_block(dev);

	return b->connected ? -EISCONN : table_restore(b, buf, len);
}

static int block_each_page(struct device *dev, uint64_t epoch, uint64_t base, device_page_fn fn, void *arg)
{
	return owed_each_page(to_block(dev), epoch, base, fn, arg);
}

static uint64_t block_durable(const struct device *dev)
{
	return owed_durable(to_block_const(dev));
}

static bool block_owes(const struct device *dev)
{
	return to_block_const(dev)->nr_owed;
}

static bool block_config(const struct device *dev, struct device_cfg *cfg)
{
	return table_config(to_block_const(dev), cfg);
}

static unsigned int block_ring_refs(const struct device *dev, uint32_t *refs, unsigned int max)
{
	const struct block *b = to_block_const(dev);
	unsigned int i, p, n = 0;

	for (i = 0; i < b->nr_queues; i++)
		for (p = 0; p < b->mem->header.nr_ring_pages && n < max; p++)
			refs[n++] = b->mem->queue[i].ring_ref[p];
	return n;
}

static void block_destroy(struct device *dev)
{
	struct block *b = to_block(dev);

	block_disconnect(dev);
	later_cancel(&b->deferred);
	free(b->request);
	free(b);
}

static const struct device_ops block_ops = {
	.type = "vbd",
	.connect = block_connect,
	.disconnect = block_disconnect,
	.quiesce = block_quiesce,
	.drain = block_drain,
	.thaw = block_thaw,
	.release = block_release,
	.discard = block_discard,
	.snapshot = block_snapshot,
	.each_page = block_each_page,
	.restore = block_restore,
	.durable = block_durable,
	.owes = block_owes,
	.config = block_config,
	.ring_refs = block_ring_refs,
	.destroy = block_destroy,
};

size_t block_mem_size(void)
{
	return sizeof(struct block_mem) + (BLOCK_OWED_PAGES + 1) * (size_t)GUEST_PAGE_SIZE;
}

void block_properties(const struct device *dev, struct block_properties *p)
{
	*p = to_block_const(dev)->props;
}

unsigned int block_recent_writes(const struct device *dev, uint64_t *offset, unsigned int max)
{
	const struct block *b = to_block_const(dev);
	unsigned int n = b->nr_writes < BLOCK_RECENT ? (unsigned int)b->nr_writes : BLOCK_RECENT;

	if (n > max)
		n = max;
	for (unsigned int i = 0; i < n; i++)
		offset[i] = b->recent[(b->nr_writes - 1 - i) % BLOCK_RECENT];
	return n;
}

uint32_t block_frontend_features(const char *protocol)
{
	return protocol && !strcmp(protocol, "x86_64-abi") ? BLOCK_FEATURE_ABI_X86_64 : 0;
}

static void init_block(struct block *b, struct device_host *host, uint32_t id, const struct block_cfg *cfg,
		       void *mem)
{
	unsigned int i;

	b->dev.ops = &block_ops;
	b->dev.host = host;
	b->dev.id = id;
	memcpy(b->target, cfg->target, strlen(cfg->target) + 1);
	b->readonly = cfg->readonly;
	b->want_discard = cfg->discard;
	b->write_cache = cfg->write_cache;
	b->answer_early = cfg->answer_early;
	b->owe_flushes = cfg->owe_flushes;
	b->trouble.hold_ms = cfg->error_hold_ms;
	b->lock_fd = cfg->lock_fd;
	b->mem = mem;
	b->owed_data = owed_pages(mem);
	for (i = 0; i < BLOCK_MAX_QUEUES; i++) {
		b->queue[i].block = b;
		b->queue[i].saved = &b->mem->queue[i];
		b->queue[i].port = -1;
	}
}

int block_create(struct device_host *host, uint32_t id, const struct block_cfg *cfg, void *mem,
		 size_t mem_len, struct device **out)
{
	struct block *b;
	int rc;

	if (mem_len < block_mem_size() || ((uintptr_t)mem & 7) || strlen(cfg->target) >= sizeof(b->target)) {
		kem_vm_err(host->vm, "vbd %u: bad memory or target", id);
		return -EINVAL;
	}
	b = calloc(1, sizeof(*b));
	if (!b)
		return -ENOMEM;
	init_block(b, host, id, cfg, mem);
	b->deferred = (struct later_item){ .fn = deferred, .arg = b };
	b->request = calloc((size_t)BLOCK_MAX_ENTRIES, sizeof(*b->request));
	if (!b->request) {
		rc = -ENOMEM;
		goto fail;
	}
	b->fd = disk_open(b);
	if (b->fd < 0) {
		rc = b->fd;
		goto fail;
	}
	close(b->fd);
	rc = table_attach(b);
	if (rc)
		goto fail;
	table_lists(b);
	*out = &b->dev;
	return 0;
fail:
	free(b->request);
	free(b);
	return rc;
}
