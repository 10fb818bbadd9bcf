/* SPDX-License-Identifier: GPL-2.0-only */
/* A netif frontend in a fake guest: one queue, data pages that it sends from, buffers that it posts. */
#ifndef KEMARI_UNIT_FAKE_NETFRONT_H
#define KEMARI_UNIT_FAKE_NETFRONT_H

#include <xen/xen.h>

#include <xen/io/netif.h>

#include "fake_host.h"
#include "net/net.h"

#define FRONT_TX_PAGES 24U
#define FRONT_PAGES (2 + FRONT_TX_PAGES + 256) /* of the guest, for one queue */
#define FRONT_SLOTS 256U

struct netfront {
	struct fake_guest *g;
	unsigned int page0; /* tx ring, rx ring, tx data, rx buffers */
	uint32_t tx_ref, rx_ref, tx_port, rx_port;
	uint32_t tx_data_ref[FRONT_TX_PAGES], rx_buf_ref[FRONT_SLOTS];
	uint32_t tx_prod, tx_seen, rx_prod, rx_seen;
};

static inline struct netif_tx_sring *front_tx(struct netfront *f)
{
	return (struct netif_tx_sring *)fake_page(f->g, f->page0);
}

static inline struct netif_rx_sring *front_rx(struct netfront *f)
{
	return (struct netif_rx_sring *)fake_page(f->g, f->page0 + 1);
}

static inline uint8_t *front_tx_data(struct netfront *f, unsigned int page)
{
	return fake_page(f->g, f->page0 + 2 + page);
}

static inline uint8_t *front_rx_buf(struct netfront *f, uint32_t index)
{
	return fake_page(f->g, f->page0 + 2 + FRONT_TX_PAGES + index % FRONT_SLOTS);
}

/* rx_port 0: one channel for both. */
static inline void front_init(struct netfront *f, struct fake_guest *g, unsigned int page0, uint32_t tx_port,
			      uint32_t rx_port)
{
	memset(f, 0, sizeof(*f));
	f->g = g;
	f->page0 = page0;
	f->tx_port = tx_port;
	f->rx_port = rx_port;
	f->tx_ref = fake_grant(g, page0);
	f->rx_ref = fake_grant(g, page0 + 1);
	for (unsigned int i = 0; i < FRONT_TX_PAGES; i++)
		f->tx_data_ref[i] = fake_grant_mode(g, page0 + 2 + i, true);
	for (unsigned int i = 0; i < FRONT_SLOTS; i++)
		f->rx_buf_ref[i] = fake_grant(g, page0 + 2 + FRONT_TX_PAGES + i);
	SHARED_RING_INIT(front_tx(f));
	SHARED_RING_INIT(front_rx(f));
}

static inline void front_cfg(const struct netfront *f, struct device_cfg *cfg)
{
	struct device_queue_cfg *q = &cfg->queue[cfg->nr_queues++];

	q->ring_ref[0] = f->tx_ref;
	q->ring_ref[1] = f->rx_ref;
	q->nr_ring_pages = 2;
	q->evtchn = f->tx_port;
	q->evtchn_rx = f->rx_port;
}

static inline void front_slot(struct netfront *f, struct netif_tx_request req)
{
	front_tx(f)->ring[f->tx_prod++ % FRONT_SLOTS].req = req;
}

static inline void front_extra(struct netfront *f, struct netif_extra_info extra)
{
	memcpy(&front_tx(f)->ring[f->tx_prod++ % FRONT_SLOTS], &extra, sizeof(extra));
}

/* Publishes, and notifies if the backend asked for it. */
static inline void front_push_tx(struct netfront *f)
{
	uint32_t old = front_tx(f)->req_prod;

	front_tx(f)->req_prod = f->tx_prod;
	if (f->tx_prod - front_tx(f)->req_event < f->tx_prod - old)
		fake_kick(f->g, f->tx_port);
}

/* Puts a frame of len bytes (from data) into the ring, in pages; slot ids count up from id. */
static inline void front_frame(struct netfront *f, const uint8_t *data, uint32_t len, uint16_t flags,
			       struct netif_extra_info *gso, uint16_t id)
{
	for (uint32_t at = 0, page = 0; at < len; page++) {
		uint32_t piece = len - at < GUEST_PAGE_SIZE ? len - at : GUEST_PAGE_SIZE;
		bool more = at + piece < len;

		memcpy(front_tx_data(f, page), data + at, piece);
		front_slot(f, (struct netif_tx_request){
				      .gref = f->tx_data_ref[page],
				      .id = (uint16_t)(id + page),
				      .size = (uint16_t)(at ? piece : len),
				      .flags = (uint16_t)((at ? 0 : flags) | (more ? NETTXF_more_data : 0) |
							  (!at && gso ? NETTXF_extra_info : 0)) });
		if (!at && gso)
			front_extra(f, *gso);
		at += piece;
	}
}

/* The next response; false: none. */
static inline bool front_answer(struct netfront *f, struct netif_tx_response *rsp)
{
	if (f->tx_seen == front_tx(f)->rsp_prod)
		return false;
	*rsp = front_tx(f)->ring[f->tx_seen++ % FRONT_SLOTS].rsp;
	front_tx(f)->rsp_event = f->tx_seen + 1;
	return true;
}

static inline void front_post(struct netfront *f, unsigned int nr)
{
	uint32_t old = f->rx_prod;

	for (; nr; nr--, f->rx_prod++)
		front_rx(f)->ring[f->rx_prod % FRONT_SLOTS].req = (struct netif_rx_request){
			.id = (uint16_t)(f->rx_prod % FRONT_SLOTS),
			.gref = f->rx_buf_ref[f->rx_prod % FRONT_SLOTS],
		};
	front_rx(f)->req_prod = f->rx_prod;
	if (f->rx_prod - front_rx(f)->req_event < f->rx_prod - old)
		fake_kick(f->g, f->rx_port ? f->rx_port : f->tx_port);
}

/*
 * The next received frame: bytes, flags of its first slot, segmentation.  Returns its length, 0: none, -1: a
 * slot with an error.  Looks buffers up by ring index, as Linux does.
 */
static inline int front_receive(struct netfront *f, uint8_t *data, uint16_t *flags,
				struct netif_extra_info *gso)
{
	uint16_t more = NETRXF_more_data;
	int len = 0;
	bool bad = false;

	memset(gso, 0, sizeof(*gso));
	for (bool first = true; more; first = false) {
		struct netif_rx_response rsp;
		uint32_t index = f->rx_seen;

		if (index == front_rx(f)->rsp_prod)
			return 0;
		rsp = front_rx(f)->ring[index % FRONT_SLOTS].rsp;
		assert(rsp.id == index % FRONT_SLOTS);
		f->rx_seen++;
		if (first)
			*flags = rsp.flags;
		if (rsp.flags & NETRXF_extra_info) {
			assert(first);
			memcpy(gso, &front_rx(f)->ring[f->rx_seen++ % FRONT_SLOTS], sizeof(*gso));
		}
		if (rsp.status < 0) {
			bad = true;
		} else {
			memcpy(data + len, front_rx_buf(f, index) + rsp.offset, (size_t)rsp.status);
			len += rsp.status;
		}
		more = rsp.flags & NETRXF_more_data;
	}
	front_rx(f)->rsp_event = f->rx_seen + 1;
	return bad ? -1 : len;
}

#endif /* KEMARI_UNIT_FAKE_NETFRONT_H */
