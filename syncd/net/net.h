/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The network backend: device "vif".  It serves the guest's netif rings (<xen/io/netif.h>) and a tap device
 * on the host's bridge.
 *
 * tx: a frame is copied out of the guest into the hold queue and answered at once, so at every capture no
 * request is in flight.  It is written to the tap when release() covers its stamp.  rx: frames of the tap
 * go straight into posted buffers; without buffers the tap is not read and the kernel queues, then drops.
 *
 * Frames are delivered at most once, in order.  They do not travel to the standby: restore() empties the
 * hold queue.  A restarted daemon finds the queue in `mem` and releases what was held, no frame twice.
 *
 * On a standby the tap exists, is up and on the bridge, and silent: nothing is written to it, so no bridge
 * learns the guest's MAC there, and what it received before connect() is thrown away.
 *
 * quiesce() answers with host->ops->quiesced() from within the call, unless the tap is blocked.
 */
#ifndef KEMARI_NET_H
#define KEMARI_NET_H

#include "device.h"

/* device_cfg.features: what the frontend wrote below its own directory. */
#define NET_F_SG (1U << 0)		/* feature-sg = 1 */
#define NET_F_GSO4 (1U << 1)		/* feature-gso-tcpv4 = 1 */
#define NET_F_GSO6 (1U << 2)		/* feature-gso-tcpv6 = 1 */
#define NET_F_NO_CSUM_OFFLOAD (1U << 3) /* feature-no-csum-offload = 1 */
#define NET_F_IPV6_CSUM (1U << 4)	/* feature-ipv6-csum-offload = 1 */
#define NET_F_RX_NOTIFY (1U << 5)	/* feature-rx-notify = 1 */
#define NET_F_ALL 0x3fU

/*
 * What the backend's directory may offer: feature-sg, feature-gso-tcpv4, feature-gso-tcpv6,
 * feature-ipv6-csum-offload, feature-rx-copy, feature-split-event-channels = 1; multi-queue-max-queues up
 * to DEVICE_MAX_QUEUES.  Not feature-ctrl-ring, feature-multicast-control, feature-xdp-headroom.
 *
 * device_queue_cfg: ring_ref[0] = tx-ring-ref, ring_ref[1] = rx-ring-ref, nr_ring_pages = 2;
 * evtchn = event-channel-tx and evtchn_rx = event-channel-rx, or evtchn = event-channel and evtchn_rx = 0.
 */
#define NET_RINGS_PER_QUEUE 2

#define NET_SNAPSHOT_MAX 1024 /* bytes that snapshot() may need */

struct net_cfg {
	uint8_t mac[6];	 /* of the guest */
	char bridge[16]; /* "" leaves the tap on no bridge */
	char tap[16];	 /* name of the tap device to make, e.g. "kvif20001.0" */
	uint32_t mtu;	 /* bytes, 68..65521 */
	int fd; /* >= 0: serve this descriptor (owned after success) and make no tap: for tests, and for
		 * a tap made in another network namespace.  It carries one frame behind one struct
		 * virtio_net_hdr in each message.  < 0: make the tap. */
};

size_t net_mem_size(void);

/*
 * mem: net_mem_size() bytes, 8-aligned, zeroed for a new VM.  -EBADMSG: mem is not what an earlier instance
 * left.  What cannot be made of the tap is said in one message, with the errno of that step.
 */
int net_create(struct device_host *host, uint32_t handle, const struct net_cfg *cfg, void *mem,
	       size_t mem_len, struct device **out);

#endif /* KEMARI_NET_H */
