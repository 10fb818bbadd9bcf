/* SPDX-License-Identifier: GPL-2.0-only */
/* Inside of the network backend: what lies in the memory file, and the device. */
#ifndef KEMARI_NET_INT_H
#define KEMARI_NET_INT_H

#include <linux/virtio_net.h>
#include <qb/qbloop.h>
#include <xen/xen.h>

#include <xen/io/netif.h>

#include "device.h"
#include "hold.h"
#include "later.h"
#include "net/net.h"
#include "net/net_frame.h"
#include "ring/ring.h"

#define NET_RING_SLOTS 256U	  /* netif: one page a ring, for both kinds of slots */
#define NET_HOLD_BYTES (8U << 20) /* 10 Gbit/s for 6 ms, 1 Gbit/s for 60 ms */
#define NET_MAX_DATA_SLOTS 18U	  /* XEN_NETIF_NR_SLOTS_MIN: what a frontend may use for one frame */
#define NET_HDR ((uint32_t)sizeof(struct virtio_net_hdr))
/* Linux sends no more of a TCP connection while it was not told that so much, or less, has gone
 * (tcp_small_queue_check: two GSO frames or a millisecond's worth): such a guest is told at once. */
#define NET_TX_UNTOLD (16U << 10)
#define NET_RX_BUDGET 64U	  /* frames of one callback, as many as Linux's NAPI takes */
#define NET_RX_ARENA (512U << 10) /* bytes read from the tap before one grant copy */
#define NET_RX_POLL_NS                                                                                       \
	10000000ULL /* looks for buffers of a frontend that does not say when it posts some                  \
		     */

/* Responses as they go into the slots: kept until published, since writing them destroys the requests. */
struct net_queue_mem {
	uint32_t tx_cons, rx_cons; /* everything before is answered by tx_rsp, rx_rsp */
	uint32_t tx_cut;	   /* slots before it were sent by another host; not behind tx_cons: none */
	uint32_t unused;
	struct netif_tx_response tx_rsp[NET_RING_SLOTS];
	union {
		struct netif_rx_response rsp;
		struct netif_extra_info extra;
	} rx_rsp[NET_RING_SLOTS];
};

enum net_attach {
	NET_DETACHED,  /* the next connect() begins where the rings are */
	NET_CONNECTED, /* by us or by an instance that died */
	NET_RESTORED,  /* cons come from a snapshot: nothing may be unanswered in the rings */
};

struct net_mem {
	uint32_t magic, version;
	uint32_t attach; /* enum net_attach */
	uint32_t known;	 /* cfg is that of a connect or restore */
	uint32_t gen;	 /* counts fresh attaches: tells pieces of different rings apart */
	uint32_t unused;
	struct device_cfg cfg;
	struct net_queue_mem queue[DEVICE_MAX_QUEUES];
	struct hold hold; /* and NET_HOLD_BYTES of data; pieces: virtio_net_hdr, frame */
};

/* One frame of the guest on its way into the hold queue. */
struct net_tx_frame {
	uint32_t first, end;	  /* ring indexes: first slot, behind the last */
	uint32_t copy, nr_copies; /* in net.copy */
	uint32_t len;		  /* bytes of the frame */
	uint16_t flags;
	bool bad;
	bool sent; /* by another host */
	struct net_gso gso;
	struct hold_piece *piece;
};

struct net;

struct net_queue {
	struct net *net;
	struct net_queue_mem *m;
	unsigned int nr;
	struct ring_back tx, rx;
	void *tx_page, *rx_page;
	int tx_port, rx_port;	 /* local; < 0 not bound; the same for one channel */
	struct later_item again; /* the next pass */
	bool rx_touched;	 /* has responses of this pass */
	bool tx_notify;		 /* its responses are to be notified */
	uint32_t tx_notified;	 /* rsp_prod when they were last */
	uint32_t tx_untold;	 /* bytes of frames since then */
	uint32_t tx_ours; /* so many slots from tx.req_cons on are output of the epoch that is being taken */
};

struct net {
	struct device dev;
	struct net_mem *m;
	struct net_cfg cfg;
	int fd;
	bool is_tap;
	bool connected, quiet, failed;
	bool quiescing;	  /* quiesced() is owed */
	bool tap_blocked; /* wait for POLLOUT */
	bool tx_full;	  /* the hold queue had no room */
	bool rx_stalled;  /* rx_frame waits for buffers */
	bool no_segmentation, rx_timer_on;
	bool polled;
	int poll_events; /* if polled */
	uint64_t leave;	 /* position in the hold queue before which pieces may leave */
	unsigned int announces;
	qb_loop_timer_handle announce_timer, rx_timer;
	unsigned int nr_queues;
	struct net_queue queue[DEVICE_MAX_QUEUES];

	/* Scratch of one pass. */
	struct guest_copy copy[NET_RING_SLOTS];
	unsigned int nr_copies;
	struct net_tx_frame tx_frame[NET_RING_SLOTS];
	uint32_t rx_queue[NET_RING_SLOTS], rx_index[NET_RING_SLOTS]; /* of each copy */
	uint32_t rx_len; /* bytes in rx_arena of the frame that waits, with its header */
	uint8_t rx_arena[NET_RX_ARENA];
};

/* net.c */
void net_fail(struct net *n, const char *why);
void net_poll_update(struct net *n);
void net_notify(struct net *n, int port);
void net_stop_announcing(struct net *n);
/* Writes to the tap what may leave, in order. */
void net_drain(struct net *n);

/* net_tx.c: takes what the guest sent on this queue, one ring at most. */
void net_tx_pass(struct net_queue *q);
/* The same from the next turn of the loop; queue by queue, so that no guest keeps the loop to itself. */
void net_tx_schedule(struct net_queue *q);
void net_tx_init(struct net_queue *q);
/* device.h */
void net_tx_cut(struct net *n, const void *(*page)(void *arg, uint32_t ref), void *arg);
unsigned int net_tx_catch_up(struct net *n, uint64_t epoch);
/* Answers and publishes what is consumed and unanswered. */
void net_tx_respond(struct net_queue *q);
void net_tx_notify(struct net_queue *q);
void net_tx_notified(struct net_queue *q); /* by a channel that both rings share */
void net_rx_respond(struct net_queue *q);

/* net_rx.c */
void net_rx_pass(struct net *n);
/* The guest may have posted buffers. */
void net_rx_kick(struct net *n);
void net_rx_cancel(struct net *n);
/* Throws away what the tap received while no guest ran behind it. */
void net_rx_flush(struct net *n);

/* net_attach.c */
int net_connect(struct device *dev, const struct device_cfg *cfg);
void net_disconnect(struct device *dev);

/* net_state.c */
int net_mem_open(struct net *n, void *mem, size_t len);
/* A copy of in with nothing in it that this device does not use, so that two can be compared. */
void net_cfg_canonical(const struct device_cfg *in, struct device_cfg *out);
int net_cfg_check(const struct device_cfg *cfg);
long net_snapshot(struct device *dev, void *buf, size_t cap);
int net_restore(struct device *dev, const void *buf, size_t len);
uint64_t net_cookie(const struct net *n, unsigned int queue, uint32_t cons);

static inline struct net *net_of(struct device *dev)
{
	return (struct net *)dev; /* first member */
}

#endif /* KEMARI_NET_INT_H */
