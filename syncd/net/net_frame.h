/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What netif and virtio_net_hdr say about one Ethernet frame, translated both ways.  netif marks "checksum
 * blank" and leaves it to the receiver to find the checksum; the tap wants to be told where it is.
 */
#ifndef KEMARI_NET_FRAME_H
#define KEMARI_NET_FRAME_H

#include <linux/virtio_net.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NET_ETH_HLEN 14U
#define NET_FRAME_MAX                                                                                        \
	(65535U + NET_ETH_HLEN + 4U) /* IP's longest packet behind an Ethernet and a VLAN header */

/* Segmentation as netif says it: XEN_NETIF_GSO_TYPE_*, size 0 if none. */
struct net_gso {
	uint8_t type;
	uint16_t size;
};

/*
 * A frame of the guest for the tap.  -EINVAL: not a TCP or UDP frame of the kind that the flags claim; the
 * frame is to be dropped.  Without csum_blank a GSO frame gets the pseudo header's checksum written in.
 */
int net_frame_to_tap(uint8_t *frame, size_t len, bool csum_blank, struct net_gso gso,
		     struct virtio_net_hdr *h);

/*
 * A frame of the tap for a guest with these NET_F_* features: *flags gets NETRXF_csum_blank and
 * NETRXF_data_validated.  A checksum that the guest would not complete is completed here, and *h says so.
 * -EINVAL: header and frame disagree.  -EOPNOTSUPP: segmentation that the guest cannot do.
 */
int net_frame_to_guest(uint8_t *frame, size_t len, struct virtio_net_hdr *h, uint32_t features,
		       uint16_t *flags, struct net_gso *gso);

/* The same for all frames of one TCP or UDP flow, 0 for other frames. */
uint32_t net_frame_flow(const uint8_t *frame, size_t len);

#endif /* KEMARI_NET_FRAME_H */
