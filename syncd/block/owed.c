/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What is owed to the disk: writes and flushes that the guest was told are done before they are.
 *
 * A write is answered as soon as its data is copied.  From then on it is part of the guest's image: it stands
 * in the table and its data in the owed pages, both travel with the epoch, and whoever goes on from that
 * epoch does it first.  It leaves for the disk after its commit, as any write.  So that the guest, and
 * whoever hears of it, cannot tell:
 *
 *  - requests of the same blocks wait for it, in the order in which the guest sent them (owed_before());
 *  - nothing sent after an owed flush reaches the disk before what was owed when it came;
 *  - what the guest lets out after an owed flush waits until that is done (durable()): else somebody had the
 *    guest's word for data that a loss of both hosts would take.
 *
 * Nightingale et al., "Rethink the Sync" (OSDI 2006), call it external synchrony.
 */
#include <errno.h>
#include <string.h>

#include "block/internal.h"
#include "block/runs.h"

/* With that much in use there is hardly room for more. */
#define URGENT_NUM 1
#define URGENT_DEN 2

uint8_t *owed_pages(const struct block_mem *m)
{
	uintptr_t end = (uintptr_t)(m + 1);

	return (uint8_t *)((end + GUEST_PAGE_SIZE - 1) & ~(uintptr_t)(GUEST_PAGE_SIZE - 1));
}

static bool is_write(const struct table_entry *e)
{
	return e->request[0] == BLKIF_OP_WRITE;
}

static unsigned int pages_of(uint64_t bytes)
{
	return (unsigned int)((bytes + GUEST_PAGE_SIZE - 1) / GUEST_PAGE_SIZE);
}

static bool parse(struct block *b, const struct table_entry *e, struct block_io *io)
{
	uint8_t op = e->request[0];

	return (op == BLKIF_OP_WRITE || op == BLKIF_OP_FLUSH_DISKCACHE) && !request_parse(b, e->request, io);
}

bool owed_entry_ok(struct block *b, const struct table_entry *e, uint64_t used[BLOCK_OWED_PAGES / 64])
{
	struct block_io *io = &b->scratch;

	if (e->owed != 1 || e->queue || (e->state != ENTRY_HELD && e->state != ENTRY_RELEASED) ||
	    !parse(b, e, io))
		return false;
	for (unsigned int i = 0; i < pages_of(io->len); i++) {
		unsigned int page = e->page + i;

		if (page >= BLOCK_OWED_PAGES || runs_is_used(used, page))
			return false;
		runs_toggle(used, page, 1);
	}
	return true;
}

void owed_enlist(struct block *b, struct request *r)
{
	struct request *o = TAILQ_LAST(&b->owed, request_list);

	while (o && o->entry->seq > r->entry->seq)
		o = TAILQ_PREV(o, request_list, owed_link);
	if (o)
		TAILQ_INSERT_AFTER(&b->owed, o, r, owed_link);
	else
		TAILQ_INSERT_HEAD(&b->owed, r, owed_link);
	parse(b, r->entry, &b->scratch);
	r->offset = b->scratch.offset;
	r->len = b->scratch.len;
	r->carried = 0;
	runs_toggle(b->owed_used, r->entry->page, pages_of(r->len));
	b->nr_owed++;
	b->nr_owed_pages += pages_of(r->len);
}

static bool may_owe(const struct block *b)
{
	return b->answer_early && !b->trouble.since && !b->trouble.passing && !TAILQ_EMPTY(&b->free_owed);
}

/* The data lies in the owed pages from `page` on; no byte of an earlier write stays behind it. */
static int take_data(struct block *b, struct block_io *io, unsigned int page)
{
	io->data = b->owed_data + (size_t)page * GUEST_PAGE_SIZE;
	memset(io->data + io->len, 0, (size_t)pages_of(io->len) * GUEST_PAGE_SIZE - io->len);
	return io_copy(b, io);
}

bool owed_take(struct block *b, struct request *r)
{
	struct request *o = TAILQ_FIRST(&b->free_owed);
	struct block_io *io = &b->scratch;
	struct table_entry e = *r->entry;
	int page = 0;

	if (!may_owe(b) || !parse(b, &e, io) || (!io->len && !b->owe_flushes))
		return false;
	if (io->len) {
		page = runs_find(b->owed_used, BLOCK_OWED_PAGES, pages_of(io->len));
		if (page < 0 || take_data(b, io, (unsigned int)page))
			return false;
	}
	e.state = ENTRY_FREE;
	e.req_index = e.rsp_index = 0;
	e.queue = 0;
	e.page = (uint16_t)page;
	e.owed = 1;
	e.replayed = 0;
	*o->entry = e;
	ring_compiler_barrier();
	o->entry->state = is_write(o->entry) ? ENTRY_HELD : ENTRY_RELEASED;
	ring_compiler_barrier();
	TAILQ_REMOVE(&b->free_owed, o, link);
	TAILQ_INSERT_TAIL(is_write(o->entry) ? &b->held : &b->ready, o, link);
	owed_enlist(b, o);
	b->report_owed = true;
	queue_respond(b, r, 0);
	return true;
}

void owed_done(struct block *b, struct request *r)
{
	TAILQ_REMOVE(&b->owed, r, owed_link);
	runs_toggle(b->owed_used, r->entry->page, pages_of(r->len));
	b->nr_owed--;
	b->nr_owed_pages -= pages_of(r->len);
	b->report_settled |= !is_write(r->entry) || TAILQ_EMPTY(&b->owed);
	r->entry->state = ENTRY_FREE;
	TAILQ_INSERT_TAIL(&b->free_owed, r, link);
}

static bool overlaps(const struct request *o, uint64_t offset, uint64_t len)
{
	return offset < o->offset + o->len && o->offset < offset + len;
}

/* Does io have to wait for o, which came before it? */
static bool comes_after(const struct request *o, const struct block_io *io)
{
	if (io->op == BLKIF_OP_FLUSH_DISKCACHE)
		return true;
	if (!is_write(o->entry))
		return io->op != BLKIF_OP_READ;
	return overlaps(o, io->offset, io->len);
}

const struct request *owed_before(const struct block *b, const struct request *r, const struct block_io *io)
{
	const struct request *o;

	for (o = TAILQ_FIRST(&b->owed); o && o->entry->seq < r->entry->seq; o = TAILQ_NEXT(o, owed_link))
		if (comes_after(o, io))
			return o;
	return NULL;
}

bool owed_is_alone(const struct block *b, const struct request *r)
{
	const struct request *o;

	for (o = TAILQ_FIRST(&b->owed); o; o = TAILQ_NEXT(o, owed_link))
		if (o != r && overlaps(o, r->offset, r->len))
			return false;
	return true;
}

bool owed_runs(const struct block *b)
{
	const struct request *o;

	/* what was not released is the end of the list, but for flushes, which wait for it */
	o = TAILQ_FIRST(&b->owed);
	return o && o->entry->state == ENTRY_RELEASED && !o->troubled;
}

bool owed_is_urgent(const struct block *b)
{
	return b->nr_owed * URGENT_DEN >= BLOCK_OWED_MAX * URGENT_NUM ||
	       b->nr_owed_pages * URGENT_DEN >= BLOCK_OWED_PAGES * URGENT_NUM;
}

uint64_t owed_durable(const struct block *b)
{
	const struct request *o;

	for (o = TAILQ_FIRST(&b->owed); o; o = TAILQ_NEXT(o, owed_link))
		if (!is_write(o->entry))
			return o->entry->stamp - 1;
	return UINT64_MAX;
}

int owed_each_page(struct block *b, uint64_t epoch, uint64_t base, device_page_fn fn, void *arg)
{
	struct request *o;
	int rc = 0;

	for (o = TAILQ_FIRST(&b->owed); o && !rc; o = TAILQ_NEXT(o, owed_link)) {
		if (o->carried && o->carried <= base)
			continue;
		for (unsigned int i = 0; i < pages_of(o->len) && !rc; i++)
			rc = fn(arg, o->entry->page + i,
				b->owed_data + (size_t)(o->entry->page + i) * GUEST_PAGE_SIZE);
		o->carried = epoch;
	}
	return rc;
}
