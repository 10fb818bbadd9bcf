/* SPDX-License-Identifier: GPL-2.0-only */
/* The network backend against a well-behaved guest. */
#include "net_env.h"

#include "net/net_int.h"

#define ALL_FEATURES (NET_F_SG | NET_F_GSO4 | NET_F_GSO6 | NET_F_IPV6_CSUM | NET_F_RX_NOTIFY)

static void put16(uint8_t *p, unsigned int v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

/* Ethernet, IPv4, TCP without options, payload. */
static void tcp4_frame(uint8_t *f, uint32_t len)
{
	memset(f, 0x5a, len);
	put16(f + 12, 0x0800);
	memset(f + 14, 0, 40);
	f[14] = 0x45;
	put16(f + 16, len - 14);
	f[23] = 6;
	memcpy(f + 26, "\x0a\0\0\1\x0a\0\0\2", 8);
	put16(f + 34, 1234);
	put16(f + 36, 80);
	f[46] = 5 << 4;
}

static void assert_answered_in_order(struct net_env *e, unsigned int nr, int16_t status)
{
	struct netif_tx_response rsp;

	for (unsigned int i = 0; i < nr; i++) {
		assert_true(front_answer(&e->front, &rsp));
		assert_int_equal(rsp.id, i);
		assert_int_equal(rsp.status, status);
	}
	assert_false(front_answer(&e->front, &rsp));
}

static void frames_wait_for_their_epoch(void **state)
{
	struct net_env e;

	net_env_init(&e, ALL_FEATURES, 8);
	e.h.epoch = 5;
	send_plain(&e, 0);
	e.h.epoch = 6;
	send_plain(&e, 1);
	assert_answered_in_order(&e, 2, NETIF_RSP_OKAY);
	assert_int_equal(e.h.held, 2);
	assert_int_equal(e.h.urgent, 0);
	e.dev->ops->release(e.dev, 4);
	fake_run(&e.h, 1);
	assert_int_equal(wire_number(&e), -1);
	e.dev->ops->release(e.dev, 5);
	assert_int_equal(wire_number(&e), 0);
	assert_int_equal(wire_number(&e), -1);
	e.dev->ops->release(e.dev, 9);
	assert_int_equal(wire_number(&e), 1);
	net_env_fini(&e);
}

static void unprotected_frames_leave_at_once_but_pass_nobody(void **state)
{
	struct net_env e;

	net_env_init(&e, ALL_FEATURES, 0);
	e.h.hold = false;
	send_plain(&e, 0);
	assert_int_equal(wire_number(&e), 0);
	e.h.hold = true;
	e.h.epoch = 3;
	send_plain(&e, 1);
	e.h.hold = false;
	send_plain(&e, 2);
	assert_int_equal(wire_number(&e), -1);
	e.dev->ops->release(e.dev, 3);
	assert_int_equal(wire_number(&e), 1);
	assert_int_equal(wire_number(&e), 2);
	net_env_fini(&e);
}

static void discard_drops_later_epochs_only(void **state)
{
	struct net_env e;

	net_env_init(&e, ALL_FEATURES, 8);
	for (unsigned int i = 0; i < 4; i++) {
		e.h.epoch = 10 + i;
		send_plain(&e, i);
	}
	e.dev->ops->discard(e.dev, 11);
	e.dev->ops->release(e.dev, 99);
	assert_int_equal(wire_number(&e), 0);
	assert_int_equal(wire_number(&e), 1);
	assert_int_equal(wire_number(&e), -1);
	net_env_fini(&e);
}

static void long_frame_and_segmentation_reach_the_wire(void **state)
{
	struct netif_extra_info gso = { .type = XEN_NETIF_EXTRA_TYPE_GSO,
					.u.gso = { .size = 1448, .type = XEN_NETIF_GSO_TYPE_TCPV4 } };
	static uint8_t frame[60000], got[66000];
	struct netif_tx_response rsp;
	struct virtio_net_hdr h;
	struct net_env e;
	unsigned int ok = 0, null = 0;

	net_env_init(&e, ALL_FEATURES, 8);
	tcp4_frame(frame, sizeof(frame));
	front_frame(&e.front, frame, sizeof(frame), NETTXF_csum_blank | NETTXF_data_validated, &gso, 0);
	front_push_tx(&e.front);
	while (front_answer(&e.front, &rsp)) {
		ok += rsp.status == NETIF_RSP_OKAY;
		null += rsp.status == NETIF_RSP_NULL;
		assert_true(rsp.status != NETIF_RSP_NULL || ok == 1); /* behind the first */
	}
	assert_int_equal(ok, 15);
	assert_int_equal(null, 1);
	e.dev->ops->release(e.dev, 1);
	assert_int_equal(net_env_wire(&e, &h, got, sizeof(got)), sizeof(frame));
	assert_memory_equal(got, frame, sizeof(frame));
	assert_int_equal(h.flags, VIRTIO_NET_HDR_F_NEEDS_CSUM);
	assert_int_equal(h.gso_type, VIRTIO_NET_HDR_GSO_TCPV4);
	assert_int_equal(h.gso_size, 1448);
	assert_int_equal(h.csum_start, 34);
	assert_int_equal(h.csum_offset, 16);
	assert_int_equal(h.hdr_len, 54);
	net_env_fini(&e);
}

static void long_frame_and_segmentation_reach_the_guest(void **state)
{
	struct virtio_net_hdr h = { .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
				    .gso_type = VIRTIO_NET_HDR_GSO_TCPV4,
				    .gso_size = 1448,
				    .csum_start = 34,
				    .csum_offset = 16,
				    .hdr_len = 54 };
	static uint8_t frame[60000], got[70000];
	struct netif_extra_info gso;
	struct net_env e;
	uint16_t flags;

	net_env_init(&e, ALL_FEATURES, 8);
	front_post(&e.front, 64);
	tcp4_frame(frame, sizeof(frame));
	net_env_arrive(&e, &h, frame, sizeof(frame));
	fake_run(&e.h, 2);
	assert_int_equal(front_receive(&e.front, got, &flags, &gso), sizeof(frame));
	assert_memory_equal(got, frame, sizeof(frame));
	assert_int_equal(flags,
			 NETRXF_csum_blank | NETRXF_data_validated | NETRXF_extra_info | NETRXF_more_data);
	assert_int_equal(gso.type, XEN_NETIF_EXTRA_TYPE_GSO);
	assert_int_equal(gso.u.gso.type, XEN_NETIF_GSO_TYPE_TCPV4);
	assert_int_equal(gso.u.gso.size, 1448);
	assert_int_equal(e.front.rx_seen, 16); /* 15 pages and the extra slot */
	assert_true(e.h.guest.port[8].notified > 0);
	net_env_fini(&e);
}

static void frame_waits_for_buffers(void **state)
{
	struct virtio_net_hdr h = { 0 };
	uint8_t frame[5000], got[66000];
	struct netif_extra_info gso;
	struct net_env e;
	uint16_t flags;

	net_env_init(&e, ALL_FEATURES, 8);
	for (uint32_t i = 0; i < 3; i++) {
		plain_frame(frame, sizeof(frame), i);
		net_env_arrive(&e, &h, frame, sizeof(frame));
	}
	fake_run(&e.h, 2);
	front_post(&e.front, 1); /* two are needed */
	fake_run(&e.h, 2);
	assert_int_equal(front_receive(&e.front, got, &flags, &gso), 0);
	front_post(&e.front, 7);
	fake_run(&e.h, 2);
	for (uint32_t i = 0; i < 3; i++) {
		plain_frame(frame, sizeof(frame), i);
		assert_int_equal(front_receive(&e.front, got, &flags, &gso), sizeof(frame));
		assert_memory_equal(got, frame, sizeof(frame));
	}
	net_env_fini(&e);
}

static void silent_frontend_is_looked_at_again(void **state)
{
	struct virtio_net_hdr h = { 0 };
	uint8_t frame[100], got[66000];
	struct netif_extra_info gso;
	struct net_env e;
	uint16_t flags;

	net_env_init(&e, NET_F_SG, 0);
	plain_frame(frame, sizeof(frame), 1);
	net_env_arrive(&e, &h, frame, sizeof(frame));
	fake_run(&e.h, 2);
	e.h.guest.port[7].bound = false; /* its notification is lost */
	front_post(&e.front, 4);
	e.h.guest.port[7].bound = true;
	fake_run(&e.h, 25);
	assert_int_equal(front_receive(&e.front, got, &flags, &gso), sizeof(frame));
	net_env_fini(&e);
}

static void full_hold_queue_stops_the_guest_until_release(void **state)
{
	static uint8_t frame[60000];
	struct netif_tx_response rsp;
	struct net_env e;
	unsigned int sent = 0, out = 0;
	uint8_t got[66000];
	struct virtio_net_hdr h;

	net_env_init(&e, ALL_FEATURES, 8);
	plain_frame(frame, sizeof(frame), 0);
	for (; !e.h.urgent || hold_used(&((struct net_mem *)e.mem)->hold) < NET_HOLD_BYTES - 70000; sent++) {
		front_frame(&e.front, frame, sizeof(frame), 0, NULL, 0);
		front_push_tx(&e.front);
		while (front_answer(&e.front, &rsp))
			;
	}
	for (unsigned int i = 0; i < 4; i++, sent++)
		front_frame(&e.front, frame, sizeof(frame), 0, NULL, 0);
	front_push_tx(&e.front);
	while (front_answer(&e.front, &rsp))
		;
	assert_true(e.front.tx_seen != e.front.tx_prod); /* the last ones wait in the ring */
	assert_int_equal(e.h.failed, 0);
	for (int i = 0; i < 50; i++) {
		e.dev->ops->release(e.dev, 1);
		fake_run(&e.h, 1);
		while (net_env_wire(&e, &h, got, sizeof(got)) > 0)
			out++;
	}
	while (front_answer(&e.front, &rsp))
		assert_int_equal(rsp.status, NETIF_RSP_OKAY);
	assert_int_equal(e.front.tx_seen, e.front.tx_prod);
	assert_int_equal(out, sent);
	net_env_fini(&e);
}

/* Each frame of the guest's asks for a notification of its answer. */
static unsigned int notified(struct net_env *e)
{
	struct netif_tx_response rsp;

	while (front_answer(&e->front, &rsp))
		;
	return e->h.guest.port[7].notified;
}

static void the_guest_is_told_of_held_frames_when_they_leave(void **state)
{
	struct net_env e;
	unsigned int before;

	net_env_init(&e, ALL_FEATURES, 8);
	before = notified(&e);
	send_plain(&e, 1);
	assert_int_equal(notified(&e), before); /* answered, but not told */
	assert_int_equal(e.front.tx_seen, e.front.tx_prod);
	e.dev->ops->release(e.dev, 1);
	assert_int_equal(notified(&e), before + 1);
	e.h.hold = false;
	send_plain(&e, 2);
	assert_int_equal(notified(&e), before + 2); /* it has left */
	net_env_fini(&e);
}

/* Its slots are all in use, as far as it knows: it stops sending until it is told otherwise. */
static void a_guest_that_runs_out_of_slots_is_told_before(void **state)
{
	struct netif_tx_response rsp;
	struct net_env e;
	unsigned int before;

	net_env_init(&e, ALL_FEATURES, 8);
	before = notified(&e);
	for (uint32_t i = 0; i < NET_RING_SLOTS / 2 + 1; i++)
		place_plain(&e, 100, i);
	front_push_tx(&e.front);
	assert_true(e.h.guest.port[7].notified > before);
	while (front_answer(&e.front, &rsp))
		;
	assert_int_equal(e.front.tx_seen, e.front.tx_prod);
	net_env_fini(&e);
}

/* Linux lets a connection have so much under way that it was not told of. */
static void a_guest_that_sends_much_is_told_before(void **state)
{
	struct net_env e;
	unsigned int before;

	net_env_init(&e, ALL_FEATURES, 8);
	before = notified(&e);
	for (uint32_t i = 0; i < NET_TX_UNTOLD / 1500 + 1; i++)
		place_plain(&e, 1500, i);
	front_push_tx(&e.front);
	assert_int_equal(notified(&e), before + 1);
	assert_int_equal(e.front.tx_seen, e.front.tx_prod);
	send_plain(&e, 1);
	assert_int_equal(notified(&e), before + 1); /* counted anew */
	net_env_fini(&e);
}

/* Of two frames the second one comes after the epoch was taken. */
static void what_was_in_the_ring_when_an_epoch_was_taken_is_output_of_it(void **state)
{
	static _Alignas(8) uint8_t then[GUEST_PAGE_SIZE];
	struct net_env e;

	net_env_init(&e, ALL_FEATURES, 8);
	e.h.epoch = 2; /* the one that was taken is 1 */
	place_unheard(&e, 0, 2, 0, then);
	e.dev->ops->cut(e.dev, ring_then, then);
	assert_int_equal(e.dev->ops->catch_up(e.dev, 1), 1);
	assert_int_equal(e.h.held, 0);
	assert_int_equal(wire_number(&e), -1);
	e.dev->ops->release(e.dev, 1);
	assert_int_not_equal(wire_number(&e), -1);
	fake_kick(&e.h.guest, 7);
	assert_int_equal(e.h.held, 1);
	e.dev->ops->release(e.dev, 1);
	assert_int_equal(wire_number(&e), -1);
	e.dev->ops->release(e.dev, 2);
	assert_int_not_equal(wire_number(&e), -1);
	e.dev->ops->cut(e.dev, ring_then, then);
	assert_int_equal(e.dev->ops->catch_up(e.dev, 3), 0);
	net_env_fini(&e);
}

static void no_more_is_caught_up_with_than_there_is(void **state)
{
	static _Alignas(8) uint8_t then[GUEST_PAGE_SIZE];
	struct net_env e;

	net_env_init(&e, ALL_FEATURES, 8);
	place_unheard(&e, 0, 2, 0, then);
	((struct netif_tx_sring *)then)->req_prod = 77;
	e.dev->ops->cut(e.dev, ring_then, then);
	assert_int_equal(e.dev->ops->catch_up(e.dev, 1), 0);
	((struct netif_tx_sring *)then)->req_prod = 1;
	e.dev->ops->cut(e.dev, ring_then, then);
	assert_int_equal(e.dev->ops->catch_up(e.dev, 0), 0); /* no epoch came of it */
	assert_int_equal(e.dev->ops->catch_up(e.dev, 1), 0);
	e.dev->ops->quiesce(e.dev);
	e.dev->ops->cut(e.dev, ring_then, then);
	assert_int_equal(e.dev->ops->catch_up(e.dev, 1), 0);
	assert_int_equal(e.h.failed, 0);
	net_env_fini(&e);
}

static void quiesce_stops_both_ways_and_thaw_loses_nothing(void **state)
{
	struct virtio_net_hdr h = { 0 };
	uint8_t frame[100], got[66000];
	struct netif_extra_info gso;
	struct netif_tx_response rsp;
	struct net_env e;
	uint16_t flags;

	net_env_init(&e, ALL_FEATURES, 8);
	front_post(&e.front, 8);
	e.dev->ops->quiesce(e.dev);
	assert_int_equal(e.h.quiesced, 1);
	plain_frame(frame, sizeof(frame), 3);
	net_env_arrive(&e, &h, frame, sizeof(frame));
	send_plain(&e, 0);
	fake_run(&e.h, 2);
	assert_false(front_answer(&e.front, &rsp));
	assert_int_equal(front_receive(&e.front, got, &flags, &gso), 0);
	e.dev->ops->thaw(e.dev);
	fake_run(&e.h, 2);
	assert_answered_in_order(&e, 1, NETIF_RSP_OKAY);
	assert_int_equal(front_receive(&e.front, got, &flags, &gso), sizeof(frame));
	net_env_fini(&e);
}

static void queues_are_served_and_flows_stay_together(void **state)
{
	struct virtio_net_hdr h = { 0 };
	struct netfront front[2];
	uint8_t frame[200], got[66000];
	struct netif_extra_info gso;
	unsigned int used = 0;
	struct net_env e;
	uint16_t flags;

	memset(&e, 0, sizeof(e));
	fake_host_init(&e.h, 2 * FRONT_PAGES);
	for (unsigned int i = 0; i < 2; i++) {
		front_init(&front[i], &e.h.guest, i * FRONT_PAGES, 10 + 2 * i, 11 + 2 * i);
		front_cfg(&front[i], &e.cfg);
	}
	e.cfg.features = ALL_FEATURES;
	e.mem = calloc(1, net_mem_size());
	net_env_create(&e);
	net_env_connect(&e);
	for (unsigned int i = 0; i < 2; i++) {
		front_post(&front[i], 64);
		plain_frame(frame, sizeof(frame), i);
		front_frame(&front[i], frame, sizeof(frame), 0, NULL, 0);
		front_push_tx(&front[i]);
	}
	e.dev->ops->release(e.dev, 1);
	assert_int_equal(wire_number(&e), 0);
	assert_int_equal(wire_number(&e), 1);
	for (unsigned int flow = 0; flow < 8; flow++) {
		unsigned int hits[2] = { 0 };

		tcp4_frame(frame, sizeof(frame));
		frame[34] = (uint8_t)flow;
		for (unsigned int i = 0; i < 3; i++)
			net_env_arrive(&e, &h, frame, sizeof(frame));
		fake_run(&e.h, 2);
		for (unsigned int i = 0; i < 2; i++)
			while (front_receive(&front[i], got, &flags, &gso) > 0)
				hits[i]++;
		assert_true((hits[0] == 3 && !hits[1]) || (hits[1] == 3 && !hits[0]));
		used |= hits[0] ? 1 : 2;
	}
	assert_int_equal(used, 3);
	net_env_fini(&e);
}

static void announcement_carries_the_mac_three_times(void **state)
{
	struct virtio_net_hdr h;
	uint8_t got[66000];
	struct net_env e;
	unsigned int nr = 0;

	net_env_init(&e, ALL_FEATURES, 8);
	e.dev->ops->announce(e.dev);
	fake_run(&e.h, 1200);
	while (net_env_wire(&e, &h, got, sizeof(got)) > 0) {
		assert_memory_equal(got, "\xff\xff\xff\xff\xff\xff\x00\x16\x3e\x01\x02\x03\x80\x35", 14);
		assert_memory_equal(got + 22, net_env_cfg.mac, 6);
		nr++;
	}
	assert_int_equal(nr, 3);
	net_env_fini(&e);
}

static void standby_is_silent_and_deaf(void **state)
{
	struct virtio_net_hdr h = { 0 };
	uint8_t frame[100], got[66000];
	struct netif_extra_info gso;
	struct net_env e;
	uint16_t flags;

	net_env_init(&e, ALL_FEATURES, 8);
	front_post(&e.front, 8);
	e.dev->ops->disconnect(e.dev);
	e.dev->ops->announce(e.dev);
	plain_frame(frame, sizeof(frame), 1);
	net_env_arrive(&e, &h, frame, sizeof(frame));
	fake_run(&e.h, 5);
	assert_int_equal(wire_number(&e), -1);
	net_env_connect(&e);
	assert_int_equal(front_receive(&e.front, got, &flags, &gso), 0); /* that frame was for another */
	plain_frame(frame, sizeof(frame), 2);
	net_env_arrive(&e, &h, frame, sizeof(frame));
	fake_run(&e.h, 2);
	assert_int_equal(front_receive(&e.front, got, &flags, &gso), sizeof(frame));
	assert_int_equal(got[14], 2);
	net_env_fini(&e);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(frames_wait_for_their_epoch),
		cmocka_unit_test(unprotected_frames_leave_at_once_but_pass_nobody),
		cmocka_unit_test(discard_drops_later_epochs_only),
		cmocka_unit_test(long_frame_and_segmentation_reach_the_wire),
		cmocka_unit_test(long_frame_and_segmentation_reach_the_guest),
		cmocka_unit_test(frame_waits_for_buffers),
		cmocka_unit_test(silent_frontend_is_looked_at_again),
		cmocka_unit_test(full_hold_queue_stops_the_guest_until_release),
		cmocka_unit_test(the_guest_is_told_of_held_frames_when_they_leave),
		cmocka_unit_test(a_guest_that_runs_out_of_slots_is_told_before),
		cmocka_unit_test(a_guest_that_sends_much_is_told_before),
		cmocka_unit_test(what_was_in_the_ring_when_an_epoch_was_taken_is_output_of_it),
		cmocka_unit_test(no_more_is_caught_up_with_than_there_is),
		cmocka_unit_test(quiesce_stops_both_ways_and_thaw_loses_nothing),
		cmocka_unit_test(queues_are_served_and_flows_stay_together),
		cmocka_unit_test(announcement_carries_the_mac_three_times),
		cmocka_unit_test(standby_is_silent_and_deaf),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
