/* SPDX-License-Identifier: GPL-2.0-only */
#include "net/net_frame.h"

#include <errno.h>
#include <linux/if_ether.h>
#include <netinet/in.h>
#include <string.h>
#include <xen/xen.h>

#include <xen/io/netif.h>

#include "net/net.h"

#define MAX_EXT_HEADERS 8
#define TCP_CSUM 16
#define TCP_DOFF 12
#define UDP_CSUM 6

/* A whole, unfragmented TCP or UDP frame; offsets from the start of the frame. */
struct layout {
	size_t ip, l4;
	size_t csum; /* of the checksum field, from l4 */
	size_t end;  /* of the headers */
	uint8_t proto;
	bool v6, vlan;
};

static uint16_t get16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static void put16(uint8_t *p, uint16_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static uint64_t sum16(const uint8_t *p, size_t len)
{
	uint64_t sum = 0;

	for (; len >= 2; p += 2, len -= 2)
		sum += get16(p);
	return len ? sum + ((uint32_t)*p << 8) : sum;
}

static uint16_t fold(uint64_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}

static bool find_ipv4(const uint8_t *f, size_t len, struct layout *l)
{
	const uint8_t *ip = f + l->ip;

	if (len < l->ip + 20 || ip[0] >> 4 != 4 || (ip[0] & 15) < 5)
		return false;
	if (get16(ip + 6) & 0x3fff) /* MF or an offset */
		return false;
	l->proto = ip[9];
	l->l4 = l->ip + (size_t)(ip[0] & 15) * 4;
	return true;
}

static bool find_ipv6(const uint8_t *f, size_t len, struct layout *l)
{
	uint8_t next;

	if (len < l->ip + 40 || f[l->ip] >> 4 != 6)
		return false;
	next = f[l->ip + 6];
	l->v6 = true;
	l->l4 = l->ip + 40;
	for (int i = 0; i < MAX_EXT_HEADERS; i++) {
		if (next != IPPROTO_HOPOPTS && next != IPPROTO_ROUTING && next != IPPROTO_DSTOPTS) {
			l->proto = next;
			return true;
		}
		if (len < l->l4 + 8)
			return false;
		next = f[l->l4];
		l->l4 += (size_t)(f[l->l4 + 1] + 1) * 8;
	}
	return false;
}

static bool find_l4(const uint8_t *f, size_t len, struct layout *l)
{
	uint16_t type;

	*l = (struct layout){ .ip = NET_ETH_HLEN };
	if (len < NET_ETH_HLEN + 4)
		return false;
	type = get16(f + 12);
	if (type == ETH_P_8021Q || type == ETH_P_8021AD) {
		l->vlan = true;
		type = get16(f + 16);
		l->ip += 4;
	}
	if (!(type == ETH_P_IP ? find_ipv4(f, len, l) : type == ETH_P_IPV6 && find_ipv6(f, len, l)))
		return false;
	if (l->proto == IPPROTO_UDP) {
		l->csum = UDP_CSUM;
		l->end = l->l4 + 8;
	} else if (l->proto == IPPROTO_TCP && len >= l->l4 + 20 && f[l->l4 + TCP_DOFF] >> 4 >= 5) {
		l->csum = TCP_CSUM;
		l->end = l->l4 + (size_t)(f[l->l4 + TCP_DOFF] >> 4) * 4;
	} else {
		return false;
	}
	return l->end <= len;
}

/* Addresses, protocol and length, not complemented, as a sender leaves it for its card. */
static uint16_t pseudo_sum(const uint8_t *f, size_t len, const struct layout *l)
{
	const uint8_t *addrs = f + l->ip + (l->v6 ? 8 : 12);

	return fold(sum16(addrs, l->v6 ? 32 : 8) + l->proto + (len - l->l4));
}

int net_frame_to_tap(uint8_t *frame, size_t len, bool csum_blank, struct net_gso gso,
		     struct virtio_net_hdr *h)
{
	struct layout l;

	memset(h, 0, sizeof(*h));
	if (!csum_blank && !gso.size)
		return 0;
	if (!find_l4(frame, len, &l))
		return -EINVAL;
	h->flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
	h->csum_start = (uint16_t)l.l4;
	h->csum_offset = (uint16_t)l.csum;
	if (!gso.size)
		return 0;
	if (l.proto != IPPROTO_TCP || l.v6 != (gso.type == XEN_NETIF_GSO_TYPE_TCPV6))
		return -EINVAL;
	if (!csum_blank)
		put16(frame + l.l4 + l.csum, pseudo_sum(frame, len, &l));
	h->gso_type = l.v6 ? VIRTIO_NET_HDR_GSO_TCPV6 : VIRTIO_NET_HDR_GSO_TCPV4;
	h->gso_size = gso.size;
	h->hdr_len = (uint16_t)l.end;
	return 0;
}

static int complete_csum(uint8_t *frame, size_t len, struct virtio_net_hdr *h)
{
	size_t field = (size_t)h->csum_start + h->csum_offset;
	uint16_t csum;

	if (h->csum_start > len || field + 2 > len)
		return -EINVAL;
	csum = (uint16_t)~fold(sum16(frame + h->csum_start, len - h->csum_start));
	put16(frame + field, csum ? csum : 0xffff); /* UDP's 0 means none */
	h->flags &= (uint8_t)~VIRTIO_NET_HDR_F_NEEDS_CSUM;
	return 0;
}

static bool guest_completes(const struct layout *l, const struct virtio_net_hdr *h, uint32_t features)
{
	/* Frontends look for IP right behind the Ethernet header. */
	if (l->vlan || l->l4 != h->csum_start || l->csum != h->csum_offset)
		return false;
	return l->v6 ? (features & NET_F_IPV6_CSUM) != 0 : !(features & NET_F_NO_CSUM_OFFLOAD);
}

int net_frame_to_guest(uint8_t *frame, size_t len, struct virtio_net_hdr *h, uint32_t features,
		       uint16_t *flags, struct net_gso *gso)
{
	bool blank = false, is_gso = h->gso_type != VIRTIO_NET_HDR_GSO_NONE;
	struct layout l;

	*flags = 0;
	*gso = (struct net_gso){ 0 };
	if (h->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM)
		blank = find_l4(frame, len, &l) && guest_completes(&l, h, features);
	if (is_gso) {
		bool v6 = (h->gso_type & ~VIRTIO_NET_HDR_GSO_ECN) == VIRTIO_NET_HDR_GSO_TCPV6;

		if (!v6 && (h->gso_type & ~VIRTIO_NET_HDR_GSO_ECN) != VIRTIO_NET_HDR_GSO_TCPV4)
			return -EOPNOTSUPP;
		if (!blank || !(features & NET_F_SG) || !(features & (v6 ? NET_F_GSO6 : NET_F_GSO4)))
			return -EOPNOTSUPP;
		if (l.v6 != v6 || l.proto != IPPROTO_TCP || !h->gso_size)
			return -EINVAL;
		gso->type = v6 ? XEN_NETIF_GSO_TYPE_TCPV6 : XEN_NETIF_GSO_TYPE_TCPV4;
		gso->size = h->gso_size;
	}
	if (blank) {
		*flags = NETRXF_csum_blank | NETRXF_data_validated;
		return 0;
	}
	if (h->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM)
		return complete_csum(frame, len, h);
	if (h->flags & VIRTIO_NET_HDR_F_DATA_VALID)
		*flags = NETRXF_data_validated;
	return 0;
}

uint32_t net_frame_flow(const uint8_t *frame, size_t len)
{
	const uint8_t *p;
	struct layout l;
	uint32_t hash = 2166136261U; /* FNV-1a */

	if (!find_l4(frame, len, &l))
		return 0;
	p = frame + l.ip + (l.v6 ? 8 : 12);
	for (size_t i = 0; i < (l.v6 ? 32U : 8U); i++)
		hash = (hash ^ p[i]) * 16777619U;
	for (size_t i = 0; i < 4; i++) /* both ports */
		hash = (hash ^ frame[l.l4 + i]) * 16777619U;
	return hash ^ hash >> 16;
}
