/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Frames for the guest: tap -> buffers that it posted.  With several queues all frames of one flow go to the
 * same one.  A frame that finds too few buffers waits in front, the tap is not read meanwhile.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "log.h"
#include "net/net_int.h"
#include "net/net_tap.h"

#define READ_MAX (NET_HDR + NET_FRAME_MAX + 1) /* one more than allowed, to see what is too long */
#define FLUSH_MAX 4096			       /* more than any tap queues (txqueuelen 1000) */

_Static_assert(sizeof(struct netif_rx_request) == 8, "an rx slot has 8 bytes");
_Static_assert(sizeof(struct netif_extra_info) == 8, "extra info fills an rx slot");

static int answer_len(void)
{
	return sizeof(((struct net_queue_mem *)0)->rx_rsp[0]);
}

void net_rx_respond(struct net_queue *q)
{
	if (q->rx.rsp_prod == q->rx.req_cons)
		return;
	while (q->rx.rsp_prod != q->rx.req_cons)
		ring_respond(&q->rx, &q->m->rx_rsp[q->rx.rsp_prod % NET_RING_SLOTS], answer_len());
	if (!ring_publish(&q->rx))
		return;
	net_notify(q->net, q->rx_port);
	if (q->rx_port == q->tx_port)
		net_tx_notified(q);
}

/* 1: need buffers are posted, 0: not yet (the guest will say so), -EPROTO. */
static int room_for(struct net_queue *q, unsigned int need)
{
	int pending = ring_pending(&q->rx);

	if (pending >= 0 && (unsigned int)pending < need) {
		WRITE_ONCE(q->rx.shared->req_event, q->rx.req_cons + need);
		ring_mb();
		pending = ring_pending(&q->rx);
	}
	return pending < 0 ? pending : (unsigned int)pending >= need;
}

static struct netif_rx_request take_buffer(struct net_queue *q)
{
	struct netif_rx_request req;

	ring_peek(&q->rx, &req);
	q->rx.req_cons++;
	return req;
}

static void place(struct net_queue *q, uint8_t *frame, uint32_t len, uint16_t flags, struct net_gso gso)
{
	struct net *n = q->net;

	if (gso.size)
		flags |= NETRXF_extra_info;
	for (uint32_t at = 0; at < len;) {
		uint32_t piece = len - at < GUEST_PAGE_SIZE ? len - at : GUEST_PAGE_SIZE;
		uint32_t index = q->rx.req_cons;
		struct netif_rx_request req = take_buffer(q);

		if (at + piece < len)
			flags |= NETRXF_more_data;
		q->m->rx_rsp[index % NET_RING_SLOTS].rsp =
			(struct netif_rx_response){ .id = req.id, .flags = flags, .status = (int16_t)piece };
		n->rx_queue[n->nr_copies] = q->nr;
		n->rx_index[n->nr_copies] = index;
		n->copy[n->nr_copies++] = (struct guest_copy){
			.ref = req.gref, .len = (uint16_t)piece, .local = frame + at, .status = -EIO
		};
		if (flags & NETRXF_extra_info) {
			index = q->rx.req_cons;
			take_buffer(q);
			q->m->rx_rsp[index % NET_RING_SLOTS].extra = (struct netif_extra_info){
				.type = XEN_NETIF_EXTRA_TYPE_GSO,
				.u.gso = { .size = gso.size, .type = gso.type },
			};
		}
		flags = 0;
		at += piece;
	}
	q->rx_touched = true;
}

/* What this frontend cannot segment: the kernel shall do it from now on, TCP sends this one again. */
static void stop_segmentation(struct net *n)
{
	if (!n->is_tap || n->no_segmentation)
		return;
	n->no_segmentation = true;
	if (net_tap_offload(n->fd, n->m->cfg.features, false) < 0)
		kem_vm_warn(n->dev.host->vm,
			    "vif %u: frames in a VLAN are too long for the guest and the tap "
			    "cannot be told",
			    n->dev.id);
}

/* 1: placed, or not for this guest.  0: no buffers yet.  -EPROTO: the ring is broken. */
static int deliver(struct net *n, uint8_t *msg, uint32_t msg_len)
{
	uint32_t len = msg_len - NET_HDR, features = n->m->cfg.features;
	uint8_t *frame = msg + NET_HDR;
	struct virtio_net_hdr h;
	struct net_queue *q;
	struct net_gso gso;
	unsigned int slots;
	uint16_t flags;
	int r;

	if (msg_len < NET_HDR + NET_ETH_HLEN || len > NET_FRAME_MAX)
		return 1;
	memcpy(&h, msg, NET_HDR);
	r = net_frame_to_guest(frame, len, &h, features, &flags, &gso);
	if (r < 0) {
		if (r == -EOPNOTSUPP)
			stop_segmentation(n);
		return 1;
	}
	memcpy(msg, &h, NET_HDR); /* a frame that waits is not completed twice */
	slots = (len + GUEST_PAGE_SIZE - 1) / GUEST_PAGE_SIZE;
	if (slots > 1 && !(features & NET_F_SG))
		return 1;
	q = &n->queue[n->nr_queues > 1 ? net_frame_flow(frame, len) % n->nr_queues : 0];
	r = room_for(q, slots + (gso.size ? 1 : 0));
	if (r == 1)
		place(q, frame, len, flags, gso);
	return r;
}

/* Copies what was placed and publishes it: consumed and answered in that order, as net_mem_open() needs it.
 */
static void flush_copies(struct net *n)
{
	struct guest *g = n->dev.host->guest;

	if (n->nr_copies)
		g->ops->copy_to(g, n->copy, n->nr_copies);
	for (unsigned int i = 0; i < n->nr_copies; i++)
		if (n->copy[i].status)
			n->queue[n->rx_queue[i]].m->rx_rsp[n->rx_index[i] % NET_RING_SLOTS].rsp.status =
				NETIF_RSP_ERROR;
	for (unsigned int i = 0; i < n->nr_queues; i++) {
		struct net_queue *q = &n->queue[i];

		if (!q->rx_touched)
			continue;
		q->rx_touched = false;
		ring_compiler_barrier();
		WRITE_ONCE(q->m->rx_cons, q->rx.req_cons);
		ring_compiler_barrier();
		net_rx_respond(q);
	}
	n->nr_copies = 0;
}

static void rx_timer(void *data)
{
	struct net *n = data;

	n->rx_timer_on = false;
	device_enter(&n->dev);
	net_rx_kick(n);
	device_leave(&n->dev);
}

static void wait_for_buffers(struct net *n)
{
	n->rx_stalled = true;
	if ((n->m->cfg.features & NET_F_RX_NOTIFY) || n->rx_timer_on)
		return;
	n->rx_timer_on = qb_loop_timer_add(n->dev.host->loop, QB_LOOP_MED, NET_RX_POLL_NS, n, rx_timer,
					   &n->rx_timer) == 0;
}

/* Reads frames and places them until buffers, budget or scratch end; returns the bytes of scratch used. */
static int fill(struct net *n, uint32_t *used)
{
	n->nr_copies = 0;
	n->rx_stalled = false;
	for (unsigned int i = 0; i < NET_RX_BUDGET && *used + READ_MAX <= NET_RX_ARENA &&
				 n->nr_copies + NET_MAX_DATA_SLOTS <= NET_RING_SLOTS;
	     i++) {
		unsigned int before = n->nr_copies;
		int r;

		if (!n->rx_len) {
			ssize_t len = read(n->fd, n->rx_arena + *used, READ_MAX);

			if (len < 0)
				return errno == EAGAIN || errno == EINTR ? 0 : -errno;
			if (len == 0)
				return -EPIPE;
			if (len < (ssize_t)NET_HDR)
				continue;
			n->rx_len = (uint32_t)len;
		}
		r = deliver(n, n->rx_arena + *used, n->rx_len);
		if (r < 0)
			return r;
		if (r == 0) {
			wait_for_buffers(n);
			return 0;
		}
		if (n->nr_copies != before)
			*used += n->rx_len;
		n->rx_len = 0;
	}
	return 0;
}

void net_rx_pass(struct net *n)
{
	uint32_t used = 0;
	int r;

	if (!n->connected || n->quiet || n->failed)
		return;
	r = fill(n, &used);
	flush_copies(n);
	if (n->rx_len && used)
		memmove(n->rx_arena, n->rx_arena + used, n->rx_len);
	if (r == -EPROTO)
		net_fail(n, "the guest's rx ring has an impossible index");
	else if (r < 0)
		net_fail(n, "the tap device cannot be read");
	net_poll_update(n);
}

void net_rx_kick(struct net *n)
{
	if (n->rx_stalled)
		net_rx_pass(n);
}

void net_rx_cancel(struct net *n)
{
	if (n->rx_timer_on)
		qb_loop_timer_del(n->dev.host->loop, n->rx_timer);
	n->rx_timer_on = false;
	n->rx_stalled = false;
	n->rx_len = 0;
}

void net_rx_flush(struct net *n)
{
	for (int i = 0; i < FLUSH_MAX; i++)
		if (read(n->fd, n->rx_arena, READ_MAX) < 0)
			return;
}
