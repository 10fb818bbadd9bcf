/* SPDX-License-Identifier: GPL-2.0-only */
/* Checksums and segmentation between netif and virtio_net_hdr. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <xen/xen.h>

#include <xen/io/netif.h>

#include <cmocka.h>

#include "net/net.h"
#include "net/net_frame.h"

#define UDP 17
#define TCP 6

static void put16(uint8_t *p, unsigned int v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

/* Returns the offset of the L4 header.  tag: behind an 802.1Q header; ext: an IPv6 extension header. */
static size_t make(uint8_t *f, size_t len, bool v6, uint8_t proto, bool tag, bool ext)
{
	size_t ip = tag ? 18 : 14, l4 = ip + (v6 ? 40 : 20) + (ext ? 8 : 0);

	memset(f, 0, len);
	for (size_t i = l4 + 20; i < len; i++)
		f[i] = (uint8_t)(i * 3);
	if (tag)
		put16(f + 12, 0x8100);
	put16(f + ip - 2, v6 ? 0x86dd : 0x0800);
	f[ip] = v6 ? 0x60 : 0x45;
	if (v6) {
		f[ip + 6] = ext ? 0 : proto;
		f[ip + 40] = proto; /* next header, if ext */
	} else {
		f[ip + 9] = proto;
	}
	memset(f + ip + (v6 ? 8 : 12), 0x11, v6 ? 32 : 8);
	memset(f + l4, 0, 20);
	put16(f + l4, 1000);
	put16(f + l4 + 2, 2000);
	if (proto == TCP)
		f[l4 + 12] = 0x50;
	return l4;
}

static void blank_checksum_is_located(void **state)
{
	static const struct {
		bool v6, tag, ext;
		uint8_t proto;
		unsigned int start, offset;
	} way[] = {
		{ false, false, false, TCP, 34, 16 }, { false, false, false, UDP, 34, 6 },
		{ true, false, false, TCP, 54, 16 },  { true, false, true, UDP, 62, 6 },
		{ false, true, false, TCP, 38, 16 },
	};

	for (size_t i = 0; i < sizeof(way) / sizeof(way[0]); i++) {
		struct virtio_net_hdr h;
		uint8_t f[200];

		make(f, sizeof(f), way[i].v6, way[i].proto, way[i].tag, way[i].ext);
		assert_int_equal(net_frame_to_tap(f, sizeof(f), true, (struct net_gso){ 0 }, &h), 0);
		assert_int_equal(h.flags, VIRTIO_NET_HDR_F_NEEDS_CSUM);
		assert_int_equal(h.csum_start, way[i].start);
		assert_int_equal(h.csum_offset, way[i].offset);
		assert_int_equal(h.gso_type, VIRTIO_NET_HDR_GSO_NONE);
	}
}

static void false_claims_are_refused(void **state)
{
	struct net_gso v4 = { .type = XEN_NETIF_GSO_TYPE_TCPV4, .size = 1000 }, none = { 0 };
	struct virtio_net_hdr h;
	uint8_t f[200];

	make(f, sizeof(f), false, 1, false, false); /* ICMP */
	assert_int_equal(net_frame_to_tap(f, sizeof(f), true, none, &h), -EINVAL);
	assert_int_equal(net_frame_to_tap(f, sizeof(f), false, none, &h), 0);
	make(f, sizeof(f), false, TCP, false, false);
	f[20] = 0x20; /* more fragments */
	assert_int_equal(net_frame_to_tap(f, sizeof(f), true, none, &h), -EINVAL);
	make(f, sizeof(f), false, UDP, false, false);
	assert_int_equal(net_frame_to_tap(f, sizeof(f), true, v4, &h), -EINVAL);
	make(f, sizeof(f), true, TCP, false, false);
	assert_int_equal(net_frame_to_tap(f, sizeof(f), true, v4, &h), -EINVAL);
	make(f, sizeof(f), false, TCP, false, false);
	f[46] = 0xf0; /* 60 bytes of TCP header */
	assert_int_equal(net_frame_to_tap(f, 93, true, none, &h), -EINVAL);
	for (size_t len = 14; len < 54; len++) {
		make(f, sizeof(f), false, TCP, false, false);
		assert_int_equal(net_frame_to_tap(f, len, true, none, &h), -EINVAL);
	}
}

/* What the receiver does at last: the sum over the segment with its pseudo header is all ones. */
static unsigned int verify(const uint8_t *f, size_t len, size_t ip, size_t l4, bool v6, uint8_t proto)
{
	uint32_t sum = proto + (uint32_t)(len - l4);

	for (size_t i = 0; i < (v6 ? 32U : 8U); i += 2)
		sum += (uint32_t)(f[ip + (v6 ? 8 : 12) + i] << 8 | f[ip + (v6 ? 8 : 12) + i + 1]);
	for (size_t i = l4; i < len; i += 2)
		sum += (uint32_t)(f[i] << 8 | (i + 1 < len ? f[i + 1] : 0));
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

static uint16_t pseudo(const uint8_t *f, size_t len, size_t ip, size_t l4, bool v6, uint8_t proto)
{
	uint32_t sum = proto + (uint32_t)(len - l4);

	for (size_t i = 0; i < (v6 ? 32U : 8U); i += 2)
		sum += (uint32_t)(f[ip + (v6 ? 8 : 12) + i] << 8 | f[ip + (v6 ? 8 : 12) + i + 1]);
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}

static void segmentation_without_blank_gets_the_pseudo_sum(void **state)
{
	struct net_gso gso = { .type = XEN_NETIF_GSO_TYPE_TCPV6, .size = 1000 };
	struct virtio_net_hdr h;
	static uint8_t f[4001];
	size_t l4 = make(f, sizeof(f), true, TCP, false, false);

	assert_int_equal(net_frame_to_tap(f, sizeof(f), false, gso, &h), 0);
	assert_int_equal(f[l4 + 16] << 8 | f[l4 + 17], pseudo(f, sizeof(f), 14, l4, true, TCP));
	assert_int_equal(h.gso_type, VIRTIO_NET_HDR_GSO_TCPV6);
	assert_int_equal(h.hdr_len, l4 + 20);
}

static void checksum_is_left_to_guests_that_complete_it(void **state)
{
	static const struct {
		bool v6, tag;
		uint32_t features;
		bool left;
	} way[] = {
		{ false, false, 0, true },
		{ false, false, NET_F_NO_CSUM_OFFLOAD, false },
		{ true, false, NET_F_IPV6_CSUM, true },
		{ true, false, 0, false },
		{ false, true, 0, false }, /* frontends look no further than Ethernet */
	};

	for (size_t i = 0; i < sizeof(way) / sizeof(way[0]); i++) {
		uint8_t f[201];
		size_t ip = way[i].tag ? 18 : 14, l4 = make(f, sizeof(f), way[i].v6, TCP, way[i].tag, false);
		struct virtio_net_hdr h = { .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
					    .csum_start = (uint16_t)l4,
					    .csum_offset = 16 };
		struct net_gso gso;
		uint16_t flags;

		put16(f + l4 + 16, pseudo(f, sizeof(f), ip, l4, way[i].v6, TCP));
		for (int again = 0; again < 2; again++) { /* a frame that waits is looked at twice */
			assert_int_equal(net_frame_to_guest(f, sizeof(f), &h, way[i].features, &flags, &gso),
					 0);
			assert_int_equal(flags, way[i].left ? NETRXF_csum_blank | NETRXF_data_validated : 0);
		}
		if (!way[i].left)
			assert_int_equal(verify(f, sizeof(f), ip, l4, way[i].v6, TCP), 0xffff);
	}
}

static void checked_frame_is_told_so(void **state)
{
	struct virtio_net_hdr h = { .flags = VIRTIO_NET_HDR_F_DATA_VALID };
	struct net_gso gso;
	uint16_t flags;
	uint8_t f[100];

	make(f, sizeof(f), false, TCP, false, false);
	assert_int_equal(net_frame_to_guest(f, sizeof(f), &h, 0, &flags, &gso), 0);
	assert_int_equal(flags, NETRXF_data_validated);
}

static void segmentation_needs_the_guests_features(void **state)
{
	static uint8_t f[4000];
	size_t l4 = make(f, sizeof(f), false, TCP, false, false);
	struct virtio_net_hdr h = { .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
				    .gso_type = VIRTIO_NET_HDR_GSO_TCPV4 | VIRTIO_NET_HDR_GSO_ECN,
				    .gso_size = 1000,
				    .csum_start = (uint16_t)l4,
				    .csum_offset = 16 };
	struct net_gso gso;
	uint16_t flags;

	assert_int_equal(net_frame_to_guest(f, sizeof(f), &h, NET_F_SG | NET_F_GSO4, &flags, &gso), 0);
	assert_int_equal(gso.type, XEN_NETIF_GSO_TYPE_TCPV4);
	assert_int_equal(gso.size, 1000);
	assert_int_equal(net_frame_to_guest(f, sizeof(f), &h, NET_F_SG | NET_F_GSO6, &flags, &gso),
			 -EOPNOTSUPP);
	assert_int_equal(net_frame_to_guest(f, sizeof(f), &h, NET_F_GSO4, &flags, &gso), -EOPNOTSUPP);
	h.gso_type = VIRTIO_NET_HDR_GSO_UDP;
	assert_int_equal(
		net_frame_to_guest(f, sizeof(f), &h, NET_F_ALL & ~NET_F_NO_CSUM_OFFLOAD, &flags, &gso),
		-EOPNOTSUPP);
}

static void a_flow_has_one_number(void **state)
{
	uint8_t a[100], b[100];

	make(a, sizeof(a), false, TCP, false, false);
	make(b, sizeof(b), false, TCP, false, false);
	b[60] ^= 1; /* payload */
	assert_int_equal(net_frame_flow(a, sizeof(a)), net_frame_flow(b, sizeof(b)));
	b[35] ^= 1; /* port */
	assert_int_not_equal(net_frame_flow(a, sizeof(a)), net_frame_flow(b, sizeof(b)));
	a[23] = 1; /* ICMP */
	assert_int_equal(net_frame_flow(a, sizeof(a)), 0);
}

/* Exactly sized allocations: the sanitizer sees any look behind the frame. */
static void random_frames_are_read_within_bounds(void **state)
{
	srand(1);
	for (unsigned int i = 0; i < 20000; i++) {
		size_t len = 14 + (size_t)rand() % 100;
		uint8_t *f = malloc(len);
		struct virtio_net_hdr h = { .flags = (uint8_t)rand(),
					    .gso_type = (uint8_t)(rand() % 6),
					    .gso_size = (uint16_t)rand(),
					    .csum_start = (uint16_t)(rand() % 150),
					    .csum_offset = (uint16_t)(rand() % 150) };
		struct net_gso gso = { .type = (uint8_t)(1 + rand() % 2), .size = (uint16_t)(rand() % 2) };
		uint16_t flags;
		uint8_t full[200];

		make(full, sizeof(full), rand() % 2, rand() % 2 ? TCP : UDP, rand() % 2, rand() % 2);
		memcpy(f, full, len);
		for (int j = rand() % 4; j > 0; j--)
			f[(size_t)rand() % len] = (uint8_t)rand();
		if (net_frame_to_guest(f, len, &h, (uint32_t)rand() & NET_F_ALL, &flags, &gso) == 0)
			assert_true(h.csum_start <= len || !(h.flags & VIRTIO_NET_HDR_F_NEEDS_CSUM));
		if (net_frame_to_tap(f, len, rand() % 2, gso, &h) == 0 && h.flags)
			assert_true(h.csum_start + h.csum_offset + 2U <= len && h.hdr_len <= len);
		net_frame_flow(f, len);
		free(f);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(blank_checksum_is_located),
		cmocka_unit_test(false_claims_are_refused),
		cmocka_unit_test(segmentation_without_blank_gets_the_pseudo_sum),
		cmocka_unit_test(checksum_is_left_to_guests_that_complete_it),
		cmocka_unit_test(checked_frame_is_told_so),
		cmocka_unit_test(segmentation_needs_the_guests_features),
		cmocka_unit_test(a_flow_has_one_number),
		cmocka_unit_test(random_frames_are_read_within_bounds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
