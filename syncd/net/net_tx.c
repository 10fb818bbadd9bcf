/* SPDX-License-Identifier: GPL-2.0-only */
/* Frames of the guest: tx rings -> hold queue. */
#include <errno.h>
#include <string.h>

#include "net/net_int.h"

union tx_slot {
	struct netif_tx_request req;
	struct netif_extra_info extra;
};
_Static_assert(sizeof(union tx_slot) == 12, "a tx slot has 12 bytes");

static void tx_again(void *arg)
{
	struct net_queue *q = arg;
	struct device *dev = &q->net->dev;

	device_enter(dev);
	net_tx_pass(q);
	device_leave(dev);
}

void net_tx_init(struct net_queue *q)
{
	q->again = (struct later_item){ .fn = tx_again, .arg = q };
}

void net_tx_schedule(struct net_queue *q)
{
	later_add(q->net->dev.host->later, &q->again);
}

static struct netif_tx_response *answer_of(struct net_queue *q, uint32_t index)
{
	return &q->m->tx_rsp[index % NET_RING_SLOTS];
}

static bool take_slot(struct net_queue *q, uint32_t prod, union tx_slot *s)
{
	if (q->tx.req_cons == prod)
		return false;
	ring_peek(&q->tx, s);
	q->tx.req_cons++;
	return true;
}

/* The extra slots behind the first one; they are answered with "no response". */
static int take_extras(struct net_queue *q, uint32_t prod, struct net_tx_frame *f)
{
	union tx_slot s;

	do {
		if (!take_slot(q, prod, &s))
			return -EPROTO;
		*answer_of(q, q->tx.req_cons - 1) = (struct netif_tx_response){ .status = NETIF_RSP_NULL };
		switch (s.extra.type) {
		case XEN_NETIF_EXTRA_TYPE_GSO:
			f->gso.type = s.extra.u.gso.type;
			f->gso.size = s.extra.u.gso.size;
			if (!f->gso.size || (f->gso.type != XEN_NETIF_GSO_TYPE_TCPV4 &&
					     f->gso.type != XEN_NETIF_GSO_TYPE_TCPV6))
				f->bad = true;
			break;
		case XEN_NETIF_EXTRA_TYPE_HASH:
			break; /* a hint that nobody needs */
		default:       /* multicast lists are not offered */
			f->bad = true;
		}
	} while (s.extra.flags & XEN_NETIF_EXTRA_FLAG_MORE);
	return 0;
}

/*
 * Reads the slots of one frame, each once, and notes how they are answered.  Returns the number of data
 * slots, the first NET_MAX_DATA_SLOTS of them in slot[].  -EPROTO: the frame is not whole.
 */
static int take_frame(struct net_queue *q, uint32_t prod, struct net_tx_frame *f,
		      struct netif_tx_request *slot)
{
	union tx_slot s;
	uint16_t flags;
	int nr = 0;

	*f = (struct net_tx_frame){ .first = q->tx.req_cons };
	do {
		if (!take_slot(q, prod, &s))
			return -EPROTO;
		flags = s.req.flags;
		*answer_of(q, q->tx.req_cons - 1) =
			(struct netif_tx_response){ .id = s.req.id, .status = NETIF_RSP_OKAY };
		if ((unsigned int)nr < NET_MAX_DATA_SLOTS)
			slot[nr] = s.req;
		if (nr++ == 0 && (flags & NETTXF_extra_info) && take_extras(q, prod, f) < 0)
			return -EPROTO;
	} while (flags & NETTXF_more_data);
	f->end = q->tx.req_cons;
	f->flags = slot[0].flags;
	f->len = slot[0].size;
	return nr;
}

/* The first slot's size is that of the whole frame; turns it into that of its own piece. */
static bool sizes_ok(struct netif_tx_request *slot, int nr)
{
	uint32_t rest = 0;

	if ((unsigned int)nr > NET_MAX_DATA_SLOTS || slot[0].size < NET_ETH_HLEN)
		return false;
	for (int i = 1; i < nr; i++)
		rest += slot[i].size;
	if (rest > slot[0].size)
		return false;
	slot[0].size -= (uint16_t)rest;
	for (int i = 0; i < nr; i++)
		if ((uint32_t)slot[i].offset + slot[i].size > GUEST_PAGE_SIZE)
			return false;
	return true;
}

static void queue_copies(struct net *n, struct net_tx_frame *f, const struct netif_tx_request *slot, int nr)
{
	uint8_t *to = f->piece->data + NET_HDR;

	f->copy = n->nr_copies;
	for (int i = 0; i < nr; i++) {
		if (!slot[i].size)
			continue;
		n->copy[n->nr_copies++] = (struct guest_copy){ .ref = slot[i].gref,
							       .offset = slot[i].offset,
							       .len = slot[i].size,
							       .local = to,
							       .status = -EIO };
		to += slot[i].size;
	}
	f->nr_copies = n->nr_copies - f->copy;
}

/* Takes whole frames up to prod, as many as the hold queue has room for; *pos moves behind the last. */
static int gather(struct net_queue *q, uint32_t prod, uint64_t epoch, uint64_t *pos)
{
	struct netif_tx_request slot[NET_MAX_DATA_SLOTS];
	struct net *n = q->net;
	int nr_frames = 0, nr;

	n->nr_copies = 0;
	while (q->tx.req_cons != prod) {
		struct net_tx_frame *f = &n->tx_frame[nr_frames];

		nr = take_frame(q, prod, f, slot);
		if (nr < 0)
			return nr;
		if (!sizes_ok(slot, nr))
			f->bad = true;
		f->sent = (int32_t)(f->first - q->m->tx_cut) < 0;
		if (!f->bad && !f->sent) {
			f->piece = hold_prepare(&n->m->hold, pos, NET_HDR + f->len, epoch);
			if (!f->piece) {
				q->tx.req_cons = f->first;
				break;
			}
			queue_copies(n, f, slot, nr);
		}
		nr_frames++;
	}
	return nr_frames;
}

static void answer_error(struct net_queue *q, const struct net_tx_frame *f)
{
	for (uint32_t i = f->first; i != f->end; i++)
		if (answer_of(q, i)->status == NETIF_RSP_OKAY)
			answer_of(q, i)->status = NETIF_RSP_ERROR;
}

/* The data has come, or not.  True: a frame to send. */
static bool finish_frame(struct net_queue *q, struct net_tx_frame *f)
{
	struct virtio_net_hdr h;

	if (f->bad)
		answer_error(q, f);
	if (f->bad || f->sent)
		return false;
	f->piece->cookie = net_cookie(q->net, q->nr, f->end);
	for (unsigned int i = 0; i < f->nr_copies; i++) {
		if (q->net->copy[f->copy + i].status) {
			answer_error(q, f);
			f->piece->flags |= HOLD_SKIP;
			return false;
		}
	}
	if (net_frame_to_tap(f->piece->data + NET_HDR, f->len, f->flags & NETTXF_csum_blank, f->gso, &h) <
	    0) {
		f->piece->flags |= HOLD_SKIP; /* dropped as a switch drops it: after the card said sent */
		return false;
	}
	memcpy(f->piece->data, &h, NET_HDR);
	return true;
}

void net_tx_respond(struct net_queue *q)
{
	if (q->tx.rsp_prod == q->tx.req_cons)
		return;
	while (q->tx.rsp_prod != q->tx.req_cons)
		ring_respond(&q->tx, answer_of(q, q->tx.rsp_prod), sizeof(struct netif_tx_response));
	q->tx_notify |= ring_publish(&q->tx);
}

void net_tx_notified(struct net_queue *q)
{
	q->tx_notify = false;
	q->tx_notified = q->tx.rsp_prod;
	q->tx_untold = 0;
}

void net_tx_notify(struct net_queue *q)
{
	bool due = q->tx_notify && q->net->connected;

	net_tx_notified(q);
	if (due)
		net_notify(q->net, q->tx_port);
}

/* A guest without a free slot, or with as much under way as it allows itself, stops until it is notified. */
static bool guest_waits(const struct net_queue *q)
{
	return q->tx.rsp_prod - q->tx_notified >= NET_RING_SLOTS / 2 || q->tx_untold >= NET_TX_UNTOLD;
}

/* Everything of this pass becomes held, consumed and answered, in that order: see net_mem_open(). */
static unsigned int commit(struct net_queue *q, int nr_frames, uint64_t pos)
{
	struct net *n = q->net;
	unsigned int frames = 0;

	for (int i = 0; i < nr_frames; i++) {
		q->tx_untold += n->tx_frame[i].len;
		frames += finish_frame(q, &n->tx_frame[i]);
	}
	hold_commit(&n->m->hold, pos);
	n->leave = hold_covered(&n->m->hold, n->leave, 0);
	WRITE_ONCE(q->m->tx_cons, q->tx.req_cons);
	if ((int32_t)(q->tx.req_cons - q->m->tx_cut) >= 0)
		WRITE_ONCE(q->m->tx_cut, q->tx.req_cons);
	q->tx_ours = 0;
	ring_compiler_barrier();
	net_tx_respond(q);
	return frames;
}

/* Nothing is taken until the hold queue has room; or an event announces the next frame, if there is none yet.
 */
static void wait_for_more(struct net_queue *q, bool full)
{
	int pending = full ? 0 : ring_final_check(&q->tx);

	if (pending < 0)
		net_fail(q->net, "the guest's tx ring has an impossible index");
	else if (pending)
		net_tx_schedule(q);
}

/* All up to prod becomes held for epoch; the number of frames or -EPROTO. */
static int consume(struct net_queue *q, uint32_t prod, uint64_t epoch)
{
	struct net *n = q->net;
	struct device_host *host = n->dev.host;
	uint64_t pos = n->m->hold.tail;
	int nr = gather(q, prod, epoch, &pos);

	if (nr < 0) {
		net_fail(n, "the guest's tx ring holds half a frame");
		return nr;
	}
	n->tx_full |= q->tx.req_cons != prod;
	if (n->nr_copies)
		host->guest->ops->copy_from(host->guest, n->copy, n->nr_copies);
	return (int)commit(q, nr, pos);
}

static bool passes(const struct net *n)
{
	return n->connected && !n->quiet && !n->failed;
}

void net_tx_pass(struct net_queue *q)
{
	struct net *n = q->net;
	struct device_host *host = n->dev.host;
	int pending, frames;
	uint64_t epoch;
	uint32_t prod;
	bool full;

	if (!passes(n))
		return;
	pending = ring_pending(&q->tx);
	if (pending < 0) {
		net_fail(n, "the guest's tx ring has an impossible index");
		return;
	}
	prod = q->tx.req_cons + (uint32_t)pending;
	epoch = host->ops->must_hold(host, &n->dev) ? host->ops->open_epoch(host) : 0;
	frames = consume(q, prod, epoch);
	if (frames < 0)
		return;
	full = q->tx.req_cons != prod;
	if (epoch && (frames || full))
		host->ops->output_held(host, &n->dev,
				       full || hold_used(&n->m->hold) > NET_HOLD_BYTES / 4 * 3);
	net_drain(n);
	/* of held ones when they leave: the capture is not to find the guest in its interrupt handler */
	if (!epoch || !frames || guest_waits(q))
		net_tx_notify(q);
	if (n->connected && !n->failed) /* output_held may have led to more */
		wait_for_more(q, full);
}

/* What the copy of the page says was the guest's word, too: it is believed as far as the ring goes. */
static void cut(struct net_queue *q, const struct ring_shared *then)
{
	int pending = ring_pending(&q->tx);
	uint32_t ours = then->req_prod - q->tx.req_cons;

	if (pending > 0 && ours <= (uint32_t)pending)
		q->tx_ours = ours;
}

void net_tx_cut(struct net *n, const void *(*page)(void *arg, uint32_t ref), void *arg)
{
	for (unsigned int i = 0; i < n->nr_queues && passes(n); i++) {
		const void *then = page(arg, n->m->cfg.queue[i].ring_ref[0]);

		if (then)
			cut(&n->queue[i], then);
	}
}

unsigned int net_tx_catch_up(struct net *n, uint64_t epoch)
{
	unsigned int sum = 0;

	for (unsigned int i = 0; i < n->nr_queues; i++) {
		struct net_queue *q = &n->queue[i];
		int frames =
			epoch && passes(n) && q->tx_ours ? consume(q, q->tx.req_cons + q->tx_ours, epoch) : 0;

		if (frames > 0)
			sum += (unsigned int)frames;
		q->tx_ours = 0;
	}
	return sum;
}
