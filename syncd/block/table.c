/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The in-flight table.  Every step between two stores below may be the last one of this process: entries
 *become valid by their state, written last, and leave by it; recovery sorts out the two states in between.
 *
 *	consume: entry, state = HELD or RELEASED | saved req_cons | ...
 *	answer:  slot, state = ANSWERED | ring's rsp_prod | saved rsp_prod | state = FREE
 */
#include <errno.h>
#include <inttypes.h>

#include "block/internal.h"
#include "monotonic.h"

static uint32_t table_slots(const struct table_header *h)
{
	return ring_slots(h->nr_ring_pages, BLKIF_SLOT_SIZE);
}

/* Entries in use by the table's queues; the rest of mem is not looked at. */
static unsigned int table_size(const struct table_header *h)
{
	return h->nr_queues ? h->nr_queues * table_slots(h) : 0;
}

static bool header_ok(const struct table_header *h)
{
	if (h->magic != TABLE_MAGIC || h->version != TABLE_VERSION || h->nr_queues > BLOCK_MAX_QUEUES)
		return false;
	if (h->nr_queues == 0)
		return h->nr_entries == 0;
	return h->nr_ring_pages >= 1 && h->nr_ring_pages <= BLOCK_MAX_RING_PAGES &&
	       !(h->nr_ring_pages & (h->nr_ring_pages - 1)) && h->waiting <= 1 && !h->reserved &&
	       h->nr_entries <= table_size(h) + BLOCK_OWED_MAX;
}

/* Every unanswered request that was consumed stands in the table, and nothing else does. */
static bool counts_ok(const struct table_header *h, const struct table_queue *queue,
		      const unsigned int *entries)
{
	unsigned int i;

	for (i = 0; i < h->nr_queues; i++)
		if (queue[i].req_cons - queue[i].rsp_prod != entries[i] || entries[i] > table_slots(h))
			return false;
	return true;
}

static bool owed_ok(struct block *b)
{
	uint64_t used[BLOCK_OWED_PAGES / 64] = { 0 };

	for (unsigned int i = BLOCK_MAX_REQUESTS; i < BLOCK_MAX_ENTRIES; i++) {
		const struct table_entry *e = &b->mem->entry[i];

		if (e->state != ENTRY_FREE && !owed_entry_ok(b, e, used))
			return false;
	}
	return true;
}

/* What create() finds in mem: zeroes, or what an earlier process left. */
int table_attach(struct block *b)
{
	struct table_header *h = &b->mem->header;
	unsigned int i;

	if (!h->magic && !h->version) {
		h->version = TABLE_VERSION;
		ring_compiler_barrier();
		h->magic = TABLE_MAGIC;
	}
	if (!header_ok(h) || h->nr_entries)
		goto bad;
	for (i = 0; i < table_size(h); i++) {
		const struct table_entry *e = &b->mem->entry[i];

		if (e->state > ENTRY_ANSWERED ||
		    (e->state != ENTRY_FREE && (e->queue >= h->nr_queues || e->owed)))
			goto bad;
	}
	if (owed_ok(b))
		return 0;
bad:
	block_err(b, "its in-flight table is damaged or of another version (%" PRIu32 ", known is %d)",
		  h->version, TABLE_VERSION);
	return -EBADMSG;
}

static void list_request(struct block *b, struct request *r, struct request_list *free)
{
	r->troubled = false;
	if (r->entry->state == ENTRY_FREE) {
		TAILQ_INSERT_TAIL(free, r, link);
		return;
	}
	if (r->entry->seq >= b->next_seq)
		b->next_seq = r->entry->seq + 1;
	if (r->entry->owed)
		owed_enlist(b, r);
	else if (r->entry->state == ENTRY_HELD)
		b->queue[r->entry->queue].held++;
	TAILQ_INSERT_TAIL(r->entry->state == ENTRY_HELD ? &b->held : &b->ready, r, link);
}

/* Sorts all requests into the lists after the table changed as a whole. */
void table_lists(struct block *b)
{
	unsigned int i, n = table_size(&b->mem->header);

	TAILQ_INIT(&b->free);
	TAILQ_INIT(&b->free_owed);
	TAILQ_INIT(&b->owed);
	memset(b->owed_used, 0, sizeof(b->owed_used));
	b->nr_owed = b->nr_owed_pages = 0;
	TAILQ_INIT(&b->held);
	TAILQ_INIT(&b->ready);
	TAILQ_INIT(&b->busy);
	TAILQ_INIT(&b->stuck);
	for (i = 0; i < BLOCK_MAX_QUEUES; i++)
		b->queue[i].held = 0;
	for (i = 0; i < BLOCK_MAX_ENTRIES; i++)
		b->request[i].entry = &b->mem->entry[i];
	for (i = 0; i < n; i++)
		list_request(b, &b->request[i], &b->free);
	for (i = BLOCK_MAX_REQUESTS; i < BLOCK_MAX_ENTRIES; i++)
		list_request(b, &b->request[i], &b->free_owed);
}

static bool same_queue(const struct table_queue *t, const struct device_queue_cfg *q, unsigned int nr_pages)
{
	return t->evtchn == q->evtchn && !memcmp(t->ring_ref, q->ring_ref, nr_pages * sizeof(t->ring_ref[0]));
}

static bool same_config(const struct block *b, const struct device_cfg *cfg)
{
	const struct table_header *h = &b->mem->header;
	unsigned int i;

	if (h->nr_queues != cfg->nr_queues || h->features != cfg->features)
		return false;
	for (i = 0; i < h->nr_queues; i++)
		if (cfg->queue[i].nr_ring_pages != h->nr_ring_pages ||
		    !same_queue(&b->mem->queue[i], &cfg->queue[i], h->nr_ring_pages))
			return false;
	return true;
}

/* nr_queues, written last, makes it count. */
static void begin_fresh(struct block *b, const struct device_cfg *cfg)
{
	struct block_mem *m = b->mem;
	unsigned int i;

	m->header.nr_ring_pages = cfg->queue[0].nr_ring_pages;
	m->header.features = cfg->features;
	m->header.sectors = b->props.sectors;
	for (i = 0; i < cfg->nr_queues; i++) {
		const struct ring_shared *shared = b->queue[i].pages;
		struct table_queue *t = &m->queue[i];

		memset(t, 0, sizeof(*t));
		memcpy(t->ring_ref, cfg->queue[i].ring_ref, m->header.nr_ring_pages * sizeof(t->ring_ref[0]));
		t->evtchn = cfg->queue[i].evtchn;
		t->rsp_prod = t->req_cons = READ_ONCE(shared->rsp_prod);
	}
	ring_compiler_barrier();
	m->header.nr_queues = cfg->nr_queues;
}

/* Was the response published before the process died?  If not, what it did was perhaps to become an owed one.
 */
static void recover_answered(struct block *b, struct table_entry *e)
{
	struct table_queue *t = &b->mem->queue[e->queue];
	const struct ring_shared *shared = b->queue[e->queue].pages;

	if (e->rsp_index == t->rsp_prod) {
		if (READ_ONCE(shared->rsp_prod) != e->rsp_index + 1) {
			e->state = request_is_output(e->request) ? ENTRY_HELD : ENTRY_RELEASED;
			return;
		}
		t->rsp_prod++;
		ring_compiler_barrier();
	}
	e->state = ENTRY_FREE;
}

/* Makes the table whole and checks it against the mapped rings. */
static int recover(struct block *b)
{
	const struct table_header *h = &b->mem->header;
	unsigned int entries[BLOCK_MAX_QUEUES] = { 0 };
	unsigned int i;

	for (i = 0; i < table_size(h); i++) {
		struct table_entry *e = &b->mem->entry[i];

		if (e->state == ENTRY_ANSWERED)
			recover_answered(b, e);
		else if (e->state != ENTRY_FREE && e->req_index == b->mem->queue[e->queue].req_cons)
			e->state = ENTRY_FREE; /* not consumed yet: it will be again */
		if (e->state != ENTRY_FREE)
			entries[e->queue]++;
	}
	if (!counts_ok(h, b->mem->queue, entries)) {
		block_err(b, "its in-flight table contradicts its ring indexes");
		return -EBADMSG;
	}
	for (i = 0; i < h->nr_queues; i++) {
		const struct ring_shared *shared = b->queue[i].pages;

		if (READ_ONCE(shared->rsp_prod) != b->mem->queue[i].rsp_prod) {
			block_err(b, "ring %u and the in-flight table are not of the same instant", i);
			return -EPROTO;
		}
	}
	return 0;
}

/* The rings are mapped: a new table, at the ring's own indexes, or the one that is there. */
int table_begin(struct block *b, const struct device_cfg *cfg)
{
	const struct table_header *h = &b->mem->header;

	if (b->mem->torn) {
		block_err(b, "its in-flight table is incomplete, it must be restored first");
		return -ESTALE;
	}
	if (h->nr_queues == 0) {
		begin_fresh(b, cfg);
		return 0;
	}
	if (!same_config(b, cfg)) {
		block_err(b, "the frontend's rings are not those of the in-flight table");
		return -EINVAL;
	}
	if (h->sectors > b->props.sectors) {
		block_err(b, "%s has %" PRIu64 " sectors, the guest knows %" PRIu64, b->target,
			  b->props.sectors, h->sectors);
		return -EINVAL;
	}
	b->props.sectors = h->sectors;
	return recover(b);
}

/* Forgets held requests of epochs that another copy will live through instead.  Returns how many. */
int table_drop_held(struct block *b, uint64_t epoch)
{
	struct request *r, *next;
	int dropped = 0;

	for (r = TAILQ_FIRST(&b->held); r; r = next) {
		next = TAILQ_NEXT(r, link);
		if (r->entry->stamp <= epoch)
			continue;
		b->mem->torn = 1; /* they count as consumed, but nobody has them */
		ring_compiler_barrier();
		TAILQ_REMOVE(&b->held, r, link);
		if (r->entry->owed) {
			owed_done(b, r);
		} else {
			r->entry->state = ENTRY_FREE;
			TAILQ_INSERT_TAIL(&b->free, r, link);
			b->queue[r->entry->queue].held--;
		}
		dropped++;
	}
	return dropped;
}

bool table_config(const struct block *b, struct device_cfg *cfg)
{
	const struct table_header *h = &b->mem->header;
	unsigned int i;

	if (h->nr_queues == 0)
		return false;
	memset(cfg, 0, sizeof(*cfg));
	cfg->nr_queues = h->nr_queues;
	cfg->features = h->features;
	for (i = 0; i < h->nr_queues; i++) {
		struct device_queue_cfg *q = &cfg->queue[i];

		q->nr_ring_pages = h->nr_ring_pages;
		q->evtchn = b->mem->queue[i].evtchn;
		memcpy(q->ring_ref, b->mem->queue[i].ring_ref, h->nr_ring_pages * sizeof(q->ring_ref[0]));
	}
	return true;
}

/* Appends a list's entries at *at; false if they do not fit in front of end. */
static bool put_list(const struct request_list *list, uint8_t **at, const uint8_t *end)
{
	const struct request *r;

	for (r = TAILQ_FIRST(list); r; r = TAILQ_NEXT(r, link)) {
		if ((size_t)(end - *at) < sizeof(*r->entry))
			return false;
		memcpy(*at, r->entry, sizeof(*r->entry));
		*at += sizeof(*r->entry);
	}
	return true;
}

/* header, queues, entries; buf needs no alignment. */
long table_snapshot(const struct block *b, void *buf, size_t cap)
{
	struct table_header h = b->mem->header;
	size_t queues = h.nr_queues * sizeof(struct table_queue);
	uint8_t *entries = (uint8_t *)buf + sizeof(h) + queues, *at = entries;
	const uint8_t *end = (uint8_t *)buf + cap;

	if (b->mem->torn)
		return -ESTALE;
	if (cap < sizeof(h) + queues)
		return -ENOBUFS;
	memcpy((uint8_t *)buf + sizeof(h), b->mem->queue, queues);
	if (!put_list(&b->held, &at, end) || !put_list(&b->ready, &at, end) ||
	    !put_list(&b->busy, &at, end) || !put_list(&b->stuck, &at, end))
		return -ENOBUFS;
	h.nr_entries = (at - entries) / sizeof(struct table_entry);
	h.waiting = b->wait_until && monotonic_ns() < b->wait_until;
	memcpy(buf, &h, sizeof(h));
	return at - (uint8_t *)buf;
}

/* An entry of a snapshot, and every page of its data is there. */
static bool owed_is_whole(struct block *b, const struct table_entry *e, uint64_t used[BLOCK_OWED_PAGES / 64])
{
	struct device_host *h = b->dev.host;

	if (!owed_entry_ok(b, e, used))
		return false;
	for (uint32_t i = 0; i * GUEST_PAGE_SIZE < b->scratch.len; i++)
		if (!h->ops->page(h, &b->dev, e->page + i))
			return false;
	return true;
}

static bool in_ring(const struct table_entry *e, const struct table_header *h,
		    const struct table_queue *queue)
{
	return (e->state == ENTRY_HELD || e->state == ENTRY_RELEASED) && e->queue < h->nr_queues &&
	       e->req_index != queue[e->queue].req_cons && !e->page;
}

/* The parts of a snapshot, or -EBADMSG. */
static int check_snapshot(struct block *b, const void *buf, size_t len, struct table_header *h)
{
	const uint8_t *at = buf;
	unsigned int entries[BLOCK_MAX_QUEUES] = { 0 }, owed = 0;
	uint64_t used[BLOCK_OWED_PAGES / 64] = { 0 };
	struct table_queue queue[BLOCK_MAX_QUEUES];
	unsigned int i;

	if (len < sizeof(*h))
		return -EBADMSG;
	memcpy(h, at, sizeof(*h));
	if (!header_ok(h) || h->sectors > b->props.sectors ||
	    len != sizeof(*h) + h->nr_queues * sizeof(queue[0]) + h->nr_entries * sizeof(struct table_entry))
		return -EBADMSG;
	at += sizeof(*h);
	memcpy(queue, at, h->nr_queues * sizeof(queue[0]));
	at += h->nr_queues * sizeof(queue[0]);
	for (i = 0; i < h->nr_entries; i++, at += sizeof(struct table_entry)) {
		struct table_entry e;

		memcpy(&e, at, sizeof(e));
		if (e.owed ? !owed_is_whole(b, &e, used) : !in_ring(&e, h, queue))
			return -EBADMSG;
		if (e.owed)
			owed++;
		else
			entries[e.queue]++;
	}
	return owed <= BLOCK_OWED_MAX && counts_ok(h, queue, entries) ? 0 : -EBADMSG;
}

static void restore_owed(struct block *b, const struct table_entry *e)
{
	struct device_host *h = b->dev.host;

	request_parse(b, e->request, &b->scratch);
	for (uint32_t i = 0; i * GUEST_PAGE_SIZE < b->scratch.len; i++)
		memcpy(b->owed_data + (size_t)(e->page + i) * GUEST_PAGE_SIZE,
		       h->ops->page(h, &b->dev, e->page + i), GUEST_PAGE_SIZE);
}

/*
 * The entries of a good snapshot; what is left of the table is free.  Of a host that was waiting for another
 * one's late writes only what that one had under way is the same, too.
 */
static void restore_entries(struct block *b, const uint8_t *at, unsigned int nr, unsigned int size,
			    bool waiting)
{
	struct table_entry *ring = b->mem->entry, *owed = ring + BLOCK_MAX_REQUESTS;

	for (; nr; nr--, at += sizeof(struct table_entry)) {
		struct table_entry e;

		memcpy(&e, at, sizeof(e));
		e.state = ENTRY_RELEASED;
		e.replayed = e.owed && (!waiting || e.replayed);
		if (e.owed)
			restore_owed(b, &e);
		*(e.owed ? owed++ : ring++) = e;
	}
	while (ring < b->mem->entry + size)
		ring++->state = ENTRY_FREE;
	while (owed < b->mem->entry + BLOCK_MAX_ENTRIES)
		owed++->state = ENTRY_FREE;
}

/* All of it was in flight at a committed epoch: all of it may run. */
int table_restore(struct block *b, const void *buf, size_t len)
{
	struct block_mem *m = b->mem;
	const uint8_t *at = buf;
	struct table_header h;
	unsigned int size;

	if (check_snapshot(b, buf, len, &h)) {
		block_err(b, "a snapshot of %zu bytes is damaged or not of this disk", len);
		return -EBADMSG;
	}
	size = table_size(&m->header) > table_size(&h) ? table_size(&m->header) : table_size(&h);

	m->torn = 1;
	ring_compiler_barrier();
	at += sizeof(h);
	memcpy(m->queue, at, h.nr_queues * sizeof(m->queue[0]));
	restore_entries(b, at + h.nr_queues * sizeof(m->queue[0]), h.nr_entries, size, h.waiting);
	h.nr_entries = h.waiting = 0;
	m->header = h;
	ring_compiler_barrier();
	m->torn = 0;
	table_lists(b);
	return 0;
}
