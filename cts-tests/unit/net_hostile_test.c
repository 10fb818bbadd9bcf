/* SPDX-License-Identifier: GPL-2.0-only */
/* The network backend against a guest that breaks the rules: it hurts only itself. */
#include "net_env.h"

#include "net/net_int.h"

#define FEATURES (NET_F_SG | NET_F_GSO4 | NET_F_RX_NOTIFY)

/* The backend itself sees to it that no piece crosses a page. */
static void within_a_page(struct fake_guest *g, const struct guest_copy *c, bool from)
{
	assert_true(c->offset + c->len <= GUEST_PAGE_SIZE);
}

/* Sends one slot that must be refused and shows that the next good frame still passes. */
static void refused(struct netif_tx_request bad, struct netif_extra_info *extra)
{
	struct netif_tx_response rsp;
	struct net_env e;

	net_env_init(&e, FEATURES, 8);
	e.h.guest.on_copy = within_a_page;
	if (!bad.gref)
		bad.gref = e.front.tx_data_ref[0];
	bad.id = 77;
	front_slot(&e.front, bad);
	if (extra)
		front_extra(&e.front, *extra);
	front_push_tx(&e.front);
	assert_true(front_answer(&e.front, &rsp));
	assert_int_equal(rsp.id, 77);
	assert_int_equal(rsp.status, NETIF_RSP_ERROR);
	if (extra) {
		assert_true(front_answer(&e.front, &rsp));
		assert_int_equal(rsp.status, NETIF_RSP_NULL);
	}
	send_plain(&e, 5);
	assert_true(front_answer(&e.front, &rsp));
	assert_int_equal(rsp.status, NETIF_RSP_OKAY);
	e.dev->ops->release(e.dev, 99);
	assert_int_equal(wire_number(&e), 5);
	assert_int_equal(wire_number(&e), -1);
	assert_int_equal(e.h.failed, 0);
	net_env_fini(&e);
}

static void bad_slots_are_answered_with_an_error(void **state)
{
	struct netif_extra_info gso = { .type = XEN_NETIF_EXTRA_TYPE_GSO,
					.u.gso = { .size = 0, .type = XEN_NETIF_GSO_TYPE_TCPV4 } };

	refused((struct netif_tx_request){ .size = 13 }, NULL);
	refused((struct netif_tx_request){ .size = 100, .offset = 4000 }, NULL);
	refused((struct netif_tx_request){ .size = 100, .offset = 65535 }, NULL);
	refused((struct netif_tx_request){ .size = 65535 }, NULL);
	refused((struct netif_tx_request){ .size = 100, .gref = 4000 }, NULL);
	refused((struct netif_tx_request){ .size = 100, .flags = NETTXF_extra_info }, &gso);
	gso.u.gso.size = 1400;
	gso.u.gso.type = 9;
	refused((struct netif_tx_request){ .size = 100, .flags = NETTXF_extra_info }, &gso);
	gso.type = XEN_NETIF_EXTRA_TYPE_MCAST_ADD;
	refused((struct netif_tx_request){ .size = 100, .flags = NETTXF_extra_info }, &gso);
	gso.type = 200;
	refused((struct netif_tx_request){ .size = 100, .flags = NETTXF_extra_info }, &gso);
}

/* Pieces of size bytes behind a first slot that claims total bytes. */
static int16_t status_of_chain(unsigned int slots, uint16_t size, uint16_t total)
{
	struct netif_tx_response rsp;
	struct net_env e;
	int16_t status;

	net_env_init(&e, FEATURES, 8);
	for (unsigned int i = 0; i < slots; i++)
		front_slot(&e.front,
			   (struct netif_tx_request){ .gref = e.front.tx_data_ref[i % FRONT_TX_PAGES],
						      .id = (uint16_t)i,
						      .size = i ? size : total,
						      .flags = i + 1 < slots ? NETTXF_more_data : 0 });
	front_push_tx(&e.front);
	assert_int_equal(e.h.failed, 0);
	assert_true(front_answer(&e.front, &rsp));
	status = rsp.status;
	for (unsigned int i = 1; i < slots; i++) {
		assert_true(front_answer(&e.front, &rsp));
		assert_int_equal(rsp.id, i);
		assert_int_equal(rsp.status, status);
	}
	net_env_fini(&e);
	return status;
}

static void chains_are_bounded(void **state)
{
	assert_int_equal(status_of_chain(18, 20, 18 * 20), NETIF_RSP_OKAY);
	assert_int_equal(status_of_chain(19, 20, 19 * 20), NETIF_RSP_ERROR);
	assert_int_equal(status_of_chain(256, 20, 256 * 20), NETIF_RSP_ERROR);
	assert_int_equal(status_of_chain(3, 20, 40), NETIF_RSP_OKAY);  /* nothing in the first piece itself */
	assert_int_equal(status_of_chain(3, 20, 39), NETIF_RSP_ERROR); /* less than the others have */
	assert_int_equal(status_of_chain(18, 4096, 17 * 4096 + 100 - 65536),
			 NETIF_RSP_ERROR); /* wraps to 100 */
}

static void broken_tx_ring_stops_the_device_alone(void **state)
{
	static const struct {
		uint32_t prod;
		uint16_t flags;
	} way[] = { { 257, 0 }, { 0xffffffff, 0 }, { 1, NETTXF_more_data }, { 1, NETTXF_extra_info } };

	for (unsigned int i = 0; i < sizeof(way) / sizeof(way[0]); i++) {
		struct net_env e;

		net_env_init(&e, FEATURES, 8);
		front_slot(&e.front, (struct netif_tx_request){ .gref = e.front.tx_data_ref[0],
								.size = 100,
								.flags = way[i].flags });
		front_tx(&e.front)->req_prod = way[i].prod;
		fake_kick(&e.h.guest, 7);
		assert_int_equal(e.h.failed, 1);
		fake_kick(&e.h.guest, 7);
		fake_run(&e.h, 1);
		assert_int_equal(e.h.failed, 1);
		e.dev->ops->quiesce(e.dev); /* a stopped device is no obstacle */
		assert_int_equal(e.h.quiesced, 1);
		net_env_fini(&e);
	}
}

static void broken_rx_ring_stops_the_device_alone(void **state)
{
	struct virtio_net_hdr h = { 0 };
	uint8_t frame[100];
	struct net_env e;

	net_env_init(&e, FEATURES, 8);
	front_rx(&e.front)->req_prod = 300;
	plain_frame(frame, sizeof(frame), 1);
	net_env_arrive(&e, &h, frame, sizeof(frame));
	fake_run(&e.h, 2);
	assert_int_equal(e.h.failed, 1);
	net_env_fini(&e);
}

static void bad_buffer_costs_one_frame(void **state)
{
	struct virtio_net_hdr h = { 0 };
	uint8_t frame[100], got[66000];
	struct netif_extra_info gso;
	struct net_env e;
	uint16_t flags;

	net_env_init(&e, FEATURES, 8);
	fake_revoke(&e.h.guest, e.front.rx_buf_ref[0]);
	front_post(&e.front, 4);
	for (uint32_t i = 0; i < 2; i++) {
		plain_frame(frame, sizeof(frame), i);
		net_env_arrive(&e, &h, frame, sizeof(frame));
	}
	fake_run(&e.h, 2);
	assert_int_equal(front_receive(&e.front, got, &flags, &gso), -1);
	assert_int_equal(front_receive(&e.front, got, &flags, &gso), sizeof(frame));
	assert_int_equal(got[14], 1);
	net_env_fini(&e);
}

static void frames_that_the_guest_cannot_take_are_dropped(void **state)
{
	struct virtio_net_hdr h = { 0 };
	static uint8_t frame[65600];
	uint8_t got[66000];
	struct netif_extra_info gso;
	struct net_env e;
	uint16_t flags;

	net_env_init(&e, NET_F_RX_NOTIFY, 8); /* no scatter-gather: one page a frame */
	front_post(&e.front, 64);
	plain_frame(frame, 4097, 1);
	net_env_arrive(&e, &h, frame, 4097);
	net_env_arrive(&e, &h, frame, 65600);
	net_env_arrive(&e, &h, frame, 13);
	h.gso_type = VIRTIO_NET_HDR_GSO_TCPV4;
	h.gso_size = 1000;
	net_env_arrive(&e, &h, frame, 3000);
	h = (struct virtio_net_hdr){ .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
				     .csum_start = 99,
				     .csum_offset = 0 };
	net_env_arrive(&e, &h, frame, 100);
	memset(&h, 0, sizeof(h));
	plain_frame(frame, 4096, 2);
	net_env_arrive(&e, &h, frame, 4096);
	fake_run(&e.h, 2);
	assert_int_equal(front_receive(&e.front, got, &flags, &gso), 4096);
	assert_int_equal(got[14], 2);
	assert_int_equal(front_receive(&e.front, got, &flags, &gso), 0);
	net_env_fini(&e);
}

static void cfg_is_checked(void **state)
{
	struct device_cfg bad;
	struct net_env e;

	net_env_init(&e, FEATURES, 8);
	assert_int_equal(e.dev->ops->connect(e.dev, &e.cfg), -EBUSY);
	e.dev->ops->disconnect(e.dev);
	bad = e.cfg;
	bad.nr_queues = DEVICE_MAX_QUEUES + 1;
	assert_int_equal(e.dev->ops->connect(e.dev, &bad), -EINVAL);
	bad = e.cfg;
	bad.nr_queues = 0;
	assert_int_equal(e.dev->ops->connect(e.dev, &bad), -EINVAL);
	bad = e.cfg;
	bad.features = 1U << 31;
	assert_int_equal(e.dev->ops->connect(e.dev, &bad), -EINVAL);
	bad = e.cfg;
	bad.queue[0].ring_ref[1] = 4000;
	assert_true(e.dev->ops->connect(e.dev, &bad) < 0);
	bad = e.cfg;
	bad.queue[0].evtchn_rx = FAKE_MAX_PORTS + 1;
	assert_true(e.dev->ops->connect(e.dev, &bad) < 0);
	assert_int_equal(e.h.guest.maps, 0);
	assert_false(e.h.guest.port[7].bound);
	front_tx(&e.front)->rsp_prod = 5; /* ahead of all requests */
	assert_int_equal(e.dev->ops->connect(e.dev, &e.cfg), -EPROTO);
	front_tx(&e.front)->rsp_prod = 0;
	net_env_connect(&e);
	net_env_fini(&e);
}

/* Another vCPU rewrites slots and data while they are read. */
static void scribble(struct fake_guest *g, const struct guest_copy *c, bool from)
{
	for (unsigned int i = 0; i < 64; i++)
		fake_page(g, 0)[64 + rand() % 4032] = (uint8_t)rand();
}

/* last: of this push, so it had better end a frame. */
static void random_slot(struct net_env *e, bool last)
{
	struct netif_tx_request req = { .gref = e->front.tx_data_ref[rand() % FRONT_TX_PAGES],
					.offset = (uint16_t)(rand() % 4 ? 0 : rand()),
					.size = (uint16_t)(rand() % 3 ? rand() % 1500 : rand()),
					.id = (uint16_t)rand(),
					.flags = (uint16_t)(rand() % 4 ? rand() % 2 : rand() % 16) };

	if (rand() % 50 == 0)
		req.gref = (uint32_t)rand();
	if (last && rand() % 3000)
		req.flags &= (uint16_t)~NETTXF_more_data;
	front_slot(&e->front, req);
	if (req.flags & NETTXF_extra_info)
		front_extra(&e->front, (struct netif_extra_info){
					       .type = (uint8_t)(rand() % 4 ? 1 : rand()),
					       .flags = (uint8_t)(rand() % 1000 == 0),
					       .u.gso = { .size = (uint16_t)rand(), .type = rand() % 3 } });
}

static void random_arrival(struct net_env *e)
{
	struct virtio_net_hdr h = { .flags = (uint8_t)(rand() % 4),
				    .gso_type = (uint8_t)(rand() % 6),
				    .gso_size = (uint16_t)rand(),
				    .csum_start = (uint16_t)(rand() % 80),
				    .csum_offset = (uint16_t)(rand() % 20) };
	static uint8_t frame[20000];
	size_t len = (size_t)(rand() % 8 ? rand() % 200 : rand() % (int)sizeof(frame));

	for (size_t i = 0; i < len && i < 100; i++)
		frame[i] = (uint8_t)rand();
	if (rand() % 2) {
		memcpy(frame + 12, rand() % 2 ? "\x08\x00\x45" : "\x86\xdd\x60", 3);
		frame[23] = 6;
		frame[46] = 0x50;
	}
	/* a wire that is full drops it, as any: without root it is short */
	if (net_env_wire_takes(e))
		net_env_arrive(e, &h, frame, len);
}

static void random_steps_break_nothing(void **state)
{
	unsigned int broken = 0, sent = 0;

	for (unsigned int seed = 0; seed < 60; seed++) {
		struct virtio_net_hdr h;
		uint8_t got[66000];
		struct net_env e;

		srand(seed);
		net_env_init(&e, (uint32_t)rand() & NET_F_ALL, seed % 2 ? 8 : 0);
		if (seed % 3 == 0)
			e.h.guest.on_copy = scribble;
		for (unsigned int step = 0; step < 300; step++) {
			for (int i = rand() % 6; i > 0; i--)
				random_slot(&e, i == 1);
			if (rand() % 1000 == 0)
				e.front.tx_prod += (uint32_t)rand();
			front_push_tx(&e.front);
			if (rand() % 3 == 0)
				front_post(&e.front, (unsigned int)rand() % 8);
			if (rand() % 3 == 0)
				random_arrival(&e);
			if (rand() % 1000 == 0)
				fake_page(&e.h.guest, 1)[rand() % 4096] = (uint8_t)rand();
			e.h.epoch += rand() % 2;
			e.h.hold = rand() % 20 != 0;
			if (rand() % 2)
				e.dev->ops->release(e.dev, e.h.epoch - (uint64_t)(rand() % 3));
			if (rand() % 50 == 0)
				e.dev->ops->discard(e.dev, e.h.epoch - 1);
			if (rand() % 20 == 0)
				fake_run(&e.h, 0);
			while (net_env_wire(&e, &h, got, sizeof(got)) >= 0)
				sent++;
			assert_true(hold_valid(&((struct net_mem *)e.mem)->hold, NET_HOLD_BYTES));
		}
		broken += e.h.failed;
		net_env_fini(&e);
	}
	/* Both kinds of runs were seen. */
	assert_in_range(broken, 5, 55);
	assert_in_range(sent, 1000, 1000000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bad_slots_are_answered_with_an_error),
		cmocka_unit_test(chains_are_bounded),
		cmocka_unit_test(broken_tx_ring_stops_the_device_alone),
		cmocka_unit_test(broken_rx_ring_stops_the_device_alone),
		cmocka_unit_test(bad_buffer_costs_one_frame),
		cmocka_unit_test(frames_that_the_guest_cannot_take_are_dropped),
		cmocka_unit_test(cfg_is_checked),
		cmocka_unit_test(random_steps_break_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
