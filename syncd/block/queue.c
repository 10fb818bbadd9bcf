/* SPDX-License-Identifier: GPL-2.0-only */
#include <errno.h>

#include "block/internal.h"

/* Requests taken in one callback: a guest that never stops leaves the loop its turn. */
#define CONSUME_BUDGET 64

/* With this share of the slots held the guest will soon have none left. */
#define URGENT_NUM 3
#define URGENT_DEN 4

static void queue_kicked(void *arg)
{
	struct block_queue *q = arg;

	queue_consume(q);
	io_run(q->block);
	block_settle(q->block);
}

/* Maps the ring, so that the table can be compared with it. */
int queue_map(struct block_queue *q, const struct device_queue_cfg *cfg)
{
	struct guest *g = q->block->dev.host->guest;
	int rc;

	q->nr_pages = cfg->nr_ring_pages;
	rc = g->ops->map(g, cfg->ring_ref, q->nr_pages, &q->pages);
	if (rc) {
		q->pages = NULL;
		block_err(q->block, "cannot map its ring (ref %u, %u pages): %s", cfg->ring_ref[0],
			  cfg->nr_ring_pages, strerror(-rc));
	}
	return rc;
}

/* Attaches at the saved indexes and binds the port. */
int queue_start(struct block_queue *q)
{
	struct block *b = q->block;
	struct guest *g = b->dev.host->guest;

	ring_attach(&q->ring, q->pages, q->nr_pages, BLKIF_SLOT_SIZE, q->saved->req_cons, q->saved->rsp_prod);
	q->port = g->ops->bind(g, q->saved->evtchn, queue_kicked, q);
	if (q->port < 0)
		block_err(b, "cannot bind event channel %u: %s", q->saved->evtchn, strerror(-q->port));
	q->more = true;	  /* what was published while nobody listened */
	q->notify = true; /* what the last owner published and may not have notified */
	return q->port < 0 ? q->port : 0;
}

void queue_stop(struct block_queue *q)
{
	struct guest *g = q->block->dev.host->guest;

	if (q->port >= 0)
		g->ops->unbind(g, q->port);
	if (q->pages)
		g->ops->unmap(g, q->pages, q->nr_pages);
	q->port = -1;
	q->pages = NULL;
	q->more = q->notify = false;
}

/* Takes the request at req_cons into the table. */
static void take_request(struct block_queue *q, uint64_t stamp, bool must_hold)
{
	struct block *b = q->block;
	struct request *r = TAILQ_FIRST(&b->free);
	struct table_entry *e = r->entry;
	bool hold;

	ring_peek(&q->ring, e->request);
	hold = must_hold && request_is_output(e->request);
	e->stamp = stamp;
	e->seq = b->next_seq++;
	e->req_index = q->ring.req_cons;
	e->queue = q - b->queue;
	ring_compiler_barrier();
	e->state = hold ? ENTRY_HELD : ENTRY_RELEASED;
	ring_compiler_barrier();
	q->saved->req_cons = ++q->ring.req_cons;

	TAILQ_REMOVE(&b->free, r, link);
	if (must_hold && owed_take(b, r))
		return;
	TAILQ_INSERT_TAIL(hold ? &b->held : &b->ready, r, link);
	if (hold) {
		q->held++;
		b->report_held = true;
	}
}

/*
 * Takes what the guest published, up to the budget.  ring_pending() bounds what is in flight by the ring's
 * size, so there is always a free entry.
 */
void queue_consume(struct block_queue *q)
{
	struct device_host *h = q->block->dev.host;
	unsigned int budget = CONSUME_BUDGET;
	uint64_t stamp;
	bool must_hold;
	int n;

	q->more = false;
	if (q->block->quiescing || q->block->broken)
		return;
	n = ring_pending(&q->ring);
	while (n > 0 && budget) {
		stamp = h->ops->open_epoch(h);
		must_hold = h->ops->must_hold(h, &q->block->dev);
		for (; n > 0 && budget; n--, budget--)
			take_request(q, stamp, must_hold);
		if (n == 0)
			n = ring_final_check(&q->ring);
	}
	if (n < 0) {
		block_fail(q->block, "the guest's ring has impossible indexes");
	} else if (n > 0) {
		q->more = true;
		block_defer(q->block);
	}
}

static int16_t response_status(int rc)
{
	if (rc == 0)
		return BLKIF_RSP_OKAY;
	return rc == -EOPNOTSUPP ? BLKIF_RSP_EOPNOTSUPP : BLKIF_RSP_ERROR;
}

/* Publishes the response of r, which is in no list, and forgets it. */
void queue_respond(struct block *b, struct request *r, int rc)
{
	struct table_entry *e = r->entry;
	struct block_queue *q = &b->queue[e->queue];
	struct blkif_response rsp;

	memset(&rsp, 0, sizeof(rsp));
	rsp.id = ((const struct blkif_request *)e->request)->id;
	rsp.operation = request_response_op(e->request);
	rsp.status = response_status(rc);
	e->rsp_index = q->ring.rsp_prod;
	ring_respond(&q->ring, &rsp, sizeof(rsp));
	ring_compiler_barrier();
	e->state = ENTRY_ANSWERED;
	ring_compiler_barrier();
	q->notify |= ring_publish(&q->ring);
	q->saved->rsp_prod = q->ring.rsp_prod;
	ring_compiler_barrier();
	e->state = ENTRY_FREE;
	TAILQ_INSERT_TAIL(&b->free, r, link);
}

static void notify_queues(struct block *b)
{
	struct guest *g = b->dev.host->guest;
	unsigned int i;

	for (i = 0; i < b->nr_queues; i++) {
		if (b->queue[i].notify)
			g->ops->notify(g, b->queue[i].port);
		b->queue[i].notify = false;
	}
}

static void report_held(struct block *b)
{
	struct device_host *h = b->dev.host;
	bool urgent = false;
	unsigned int i;

	for (i = 0; i < b->nr_queues; i++)
		urgent |= b->queue[i].held * URGENT_DEN >= b->queue[i].ring.size * URGENT_NUM;
	b->report_held = false;
	h->ops->output_held(h, &b->dev, urgent);
}

static void report_owed(struct block *b)
{
	struct device_host *h = b->dev.host;

	b->report_owed = false;
	h->ops->write_owed(h, &b->dev, owed_is_urgent(b));
}

static void report_settled(struct block *b)
{
	struct device_host *h = b->dev.host;

	b->report_settled = false;
	h->ops->settled(h, &b->dev);
}

/*
 * The last act of every callback: the rings are whole, now tell host and guest, in this order: a capture is
 * not to find the guest in its interrupt handler.
 */
void block_settle(struct block *b)
{
	if ((b->quiesced_due && block_is_quiet(b)) || b->failed_due)
		block_defer(b);
	if (b->report_held)
		report_held(b);
	if (b->report_owed)
		report_owed(b);
	notify_queues(b);
	if (b->report_settled)
		report_settled(b);
}
