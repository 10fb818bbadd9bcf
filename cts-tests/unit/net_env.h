/* SPDX-License-Identifier: GPL-2.0-only */
/* One vif of a fake guest; the far end of a socket pair stands for the wire behind its tap. */
#ifndef KEMARI_UNIT_NET_ENV_H
#define KEMARI_UNIT_NET_ENV_H

#include <linux/virtio_net.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "fake_netfront.h"

#define WIRE_HDR sizeof(struct virtio_net_hdr)

struct net_env {
	struct fake_host h; /* first member */
	struct netfront front;
	struct device_cfg cfg;
	struct device *dev;
	uint8_t *mem;
	int wire;
};

static const struct net_cfg net_env_cfg = { .mac = { 0, 0x16, 0x3e, 1, 2, 3 }, .mtu = 1500, .fd = -1 };

/* An instance over the memory as it is; the wire is new. */
static inline void net_env_create(struct net_env *e)
{
	struct net_cfg cfg = net_env_cfg;
	int pair[2], big = 4 << 20;

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair), 0);
	for (int i = 0; i < 2; i++)
		setsockopt(pair[i], SOL_SOCKET, SO_SNDBUFFORCE, &big, sizeof(big));
	cfg.fd = pair[0];
	e->wire = pair[1];
	assert_int_equal(net_create(&e->h.host, 0, &cfg, e->mem, net_mem_size(), &e->dev), 0);
}

static inline void net_env_connect(struct net_env *e)
{
	assert_int_equal(e->dev->ops->connect(e->dev, &e->cfg), 0);
	fake_run(&e->h, 1);
}

static inline void net_env_init(struct net_env *e, uint32_t features, uint32_t rx_port)
{
	memset(e, 0, sizeof(*e));
	fake_host_init(&e->h, FRONT_PAGES);
	front_init(&e->front, &e->h.guest, 0, 7, rx_port);
	front_cfg(&e->front, &e->cfg);
	e->cfg.features = features;
	e->mem = calloc(1, net_mem_size());
	net_env_create(e);
	net_env_connect(e);
}

/*
 * The daemon dies: nothing is said to the rings or the memory, the kernel closes what was open.  The
 * instance itself is ended only so that the sanitizer sees no leak.
 */
static inline void net_env_kill(struct net_env *e)
{
	uint8_t *mem = malloc(net_mem_size());
	uint8_t *pages = malloc((size_t)FRONT_PAGES * GUEST_PAGE_SIZE);

	memcpy(mem, e->mem, net_mem_size());
	memcpy(pages, e->h.guest.mem, (size_t)FRONT_PAGES * GUEST_PAGE_SIZE);
	close(e->wire);
	e->dev->ops->destroy(e->dev);
	memcpy(e->mem, mem, net_mem_size());
	memcpy(e->h.guest.mem, pages, (size_t)FRONT_PAGES * GUEST_PAGE_SIZE);
	free(mem);
	free(pages);
	memset(&e->h.guest.port, 0, sizeof(e->h.guest.port));
}

static inline void net_env_fini(struct net_env *e)
{
	e->dev->ops->destroy(e->dev);
	assert_int_equal(e->h.guest.maps, 0);
	close(e->wire);
	free(e->mem);
	fake_host_fini(&e->h);
}

/* What came out on the wire: the length of the frame, -1: nothing. */
static inline int net_env_wire(struct net_env *e, struct virtio_net_hdr *h, uint8_t *frame, size_t room)
{
	uint8_t msg[66000];
	ssize_t len = recv(e->wire, msg, sizeof(msg), MSG_DONTWAIT);

	if (len < 0)
		return -1;
	assert_true((size_t)len >= WIRE_HDR && (size_t)len - WIRE_HDR <= room);
	memcpy(h, msg, WIRE_HDR);
	memcpy(frame, msg + WIRE_HDR, (size_t)len - WIRE_HDR);
	return (int)((size_t)len - WIRE_HDR);
}

static inline bool net_env_wire_takes(const struct net_env *e)
{
	struct pollfd p = { .fd = e->wire, .events = POLLOUT };

	return poll(&p, 1, 0) == 1;
}

static inline void net_env_arrive(struct net_env *e, const struct virtio_net_hdr *h, const uint8_t *frame,
				  size_t len)
{
	uint8_t msg[66000];

	memcpy(msg, h, WIRE_HDR);
	memcpy(msg + WIRE_HDR, frame, len);
	assert_int_equal(send(e->wire, msg, WIRE_HDR + len, 0), WIRE_HDR + len);
}

/* An Ethernet frame of no known protocol, told apart by its number. */
static inline void plain_frame(uint8_t *frame, uint32_t len, uint32_t number)
{
	for (uint32_t i = 0; i < len; i++)
		frame[i] = (uint8_t)(i * 7 + number);
	frame[12] = 0x88;
	frame[13] = 0xb5;
	memcpy(frame + 14, &number, sizeof(number));
}

/* The guest puts plain frame number into its ring, and does not say so yet. */
static inline void place_plain(struct net_env *e, uint32_t len, uint32_t number)
{
	uint8_t frame[1500];

	assert_in_range(len, 18, sizeof(frame));
	plain_frame(frame, len, number);
	front_frame(&e->front, frame, len, 0, NULL, (uint16_t)number);
}

/* The guest sends plain frame number; it is answered at once. */
static inline void send_plain(struct net_env *e, uint32_t number)
{
	place_plain(e, 100, number);
	front_push_tx(&e->front);
}

/*
 * The guest places plain frames from, ... to - 1, and nobody is told; then: its tx ring as it was with those
 * up to `taken`.  As the arg of ring_then() that is what the devices' cut() looks at.
 */
static inline void place_unheard(struct net_env *e, uint32_t from, uint32_t to, uint32_t taken, uint8_t *then)
{
	for (uint32_t i = from; i < to; i++) {
		place_plain(e, 100, i);
		front_tx(&e->front)->req_prod = e->front.tx_prod;
		if (i == taken)
			memcpy(then, front_tx(&e->front), GUEST_PAGE_SIZE);
	}
}

static inline const void *ring_then(void *arg, uint32_t ref)
{
	return arg;
}

/* The number of the next plain frame on the wire; -1: none. */
static inline int wire_number(struct net_env *e)
{
	struct virtio_net_hdr h;
	uint8_t frame[66000];
	uint32_t number;

	if (net_env_wire(e, &h, frame, sizeof(frame)) < 0)
		return -1;
	memcpy(&number, frame + 14, sizeof(number));
	return (int)number;
}

#endif /* KEMARI_UNIT_NET_ENV_H */
