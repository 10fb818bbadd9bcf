/* SPDX-License-Identifier: GPL-2.0-only */
/* The network backend across deaths: of the daemon (same memory file), and of the host (snapshot). */
#include "net_env.h"

#include "net/net_int.h"

#define FEATURES (NET_F_SG | NET_F_RX_NOTIFY)

/* Memory file and guest as they were at some instant inside of a pass. */
struct instant {
	struct net_env *e;
	uint8_t *mem, *pages;
	bool taken;
};

static struct instant now;

static void take_instant(struct net_env *e)
{
	if (now.taken)
		return;
	now.taken = true;
	memcpy(now.mem, e->mem, net_mem_size());
	memcpy(now.pages, e->h.guest.mem, (size_t)FRONT_PAGES * GUEST_PAGE_SIZE);
}

static void instant_init(struct net_env *e)
{
	now = (struct instant){ .e = e,
				.mem = malloc(net_mem_size()),
				.pages = malloc((size_t)FRONT_PAGES * GUEST_PAGE_SIZE) };
}

/* The daemon died at that instant; the next one finds exactly what was there. */
static void die_at_instant(struct net_env *e)
{
	assert_true(now.taken);
	net_env_kill(e);
	memcpy(e->mem, now.mem, net_mem_size());
	memcpy(e->h.guest.mem, now.pages, (size_t)FRONT_PAGES * GUEST_PAGE_SIZE);
	free(now.mem);
	free(now.pages);
	net_env_create(e);
}

static void at_copy(struct fake_guest *g, const struct guest_copy *c, bool from)
{
	take_instant(now.e);
}

static void at_held(struct fake_host *h)
{
	take_instant((struct net_env *)h);
}

static unsigned int answers(struct net_env *e)
{
	struct netif_tx_response rsp;
	unsigned int nr = 0;

	while (front_answer(&e->front, &rsp)) {
		assert_int_equal(rsp.status, NETIF_RSP_OKAY);
		assert_int_equal(rsp.id, e->front.tx_seen - 1);
		nr++;
	}
	return nr;
}

static void restarted_daemon_releases_what_was_held_once(void **state)
{
	struct net_env e;

	net_env_init(&e, FEATURES, 8);
	for (unsigned int i = 0; i < 4; i++) {
		e.h.epoch = 1 + i;
		send_plain(&e, i);
	}
	e.dev->ops->release(e.dev, 2);
	assert_int_equal(wire_number(&e), 0);
	assert_int_equal(wire_number(&e), 1);
	net_env_kill(&e);
	net_env_create(&e);
	e.dev->ops->release(e.dev, 2);
	net_env_connect(&e);
	assert_int_equal(wire_number(&e), -1);
	e.dev->ops->release(e.dev, 4);
	assert_int_equal(wire_number(&e), 2);
	assert_int_equal(wire_number(&e), 3);
	assert_int_equal(wire_number(&e), -1);
	assert_int_equal(answers(&e), 4);
	send_plain(&e, 4);
	assert_int_equal(answers(&e), 1);
	net_env_fini(&e);
}

/* Three frames in one pass; dead before, and after, they are held. */
static void death_inside_a_pass_neither_loses_nor_repeats(void **state)
{
	for (int where = 0; where < 4; where++) {
		struct net_env e;
		struct net_mem *m;
		uint8_t frame[100];

		net_env_init(&e, FEATURES, 8);
		instant_init(&e);
		if (where == 0)
			e.h.guest.on_copy = at_copy;
		else
			e.h.on_held = at_held;
		for (uint32_t i = 0; i < 3; i++) {
			plain_frame(frame, sizeof(frame), i);
			memcpy(front_tx_data(&e.front, i), frame, sizeof(frame));
			front_slot(&e.front, (struct netif_tx_request){ .gref = e.front.tx_data_ref[i],
									.id = (uint16_t)i,
									.size = sizeof(frame) });
		}
		front_push_tx(&e.front);
		e.h.guest.on_copy = NULL;
		e.h.on_held = NULL;
		/* 2: consumed, the answers not yet published.  3: held, the slots not yet consumed. */
		if (where >= 2)
			((struct netif_tx_sring *)now.pages)->rsp_prod = 0;
		m = (struct net_mem *)now.mem;
		assert_int_equal(m->queue[0].tx_cons, where == 0 ? 0 : 3);
		if (where == 3)
			m->queue[0].tx_cons = 0;
		die_at_instant(&e);
		assert_int_equal(e.dev->ops->connect(e.dev, &e.cfg), 0);
		/* At once: a capture may come next. */
		assert_int_equal(front_tx(&e.front)->rsp_prod, where == 0 ? 0 : 3);
		fake_run(&e.h, 1);
		assert_int_equal(answers(&e), 3);
		e.dev->ops->release(e.dev, 1);
		for (int i = 0; i < 3; i++)
			assert_int_equal(wire_number(&e), i);
		assert_int_equal(wire_number(&e), -1);
		assert_true(e.h.guest.port[7].notified > 0);
		net_env_fini(&e);
	}
}

/* A response overwrites its request: the next daemon must know it without the slot. */
static void death_between_rx_responses_and_their_publication(void **state)
{
	struct virtio_net_hdr h = { 0 };
	uint8_t frame[100], got[66000];
	struct netif_extra_info gso;
	struct net_env e;
	uint16_t flags;

	net_env_init(&e, FEATURES, 8);
	instant_init(&e);
	front_post(&e.front, 8);
	plain_frame(frame, sizeof(frame), 42);
	net_env_arrive(&e, &h, frame, sizeof(frame));
	fake_run(&e.h, 2);
	assert_int_equal(front_rx(&e.front)->rsp_prod, 1);
	take_instant(&e);
	((struct netif_rx_sring *)(now.pages + GUEST_PAGE_SIZE))->rsp_prod = 0;
	((struct netif_rx_sring *)(now.pages + GUEST_PAGE_SIZE))->ring[0].rsp.status = -1; /* half written */
	die_at_instant(&e);
	net_env_connect(&e);
	assert_int_equal(front_receive(&e.front, got, &flags, &gso), sizeof(frame));
	assert_memory_equal(got, frame, sizeof(frame));
	plain_frame(frame, sizeof(frame), 43);
	net_env_arrive(&e, &h, frame, sizeof(frame));
	fake_run(&e.h, 2);
	assert_int_equal(front_receive(&e.front, got, &flags, &gso), sizeof(frame));
	assert_memory_equal(got, frame, sizeof(frame));
	net_env_fini(&e);
}

static void frame_that_needed_no_commit_leaves_after_a_restart(void **state)
{
	struct net_env e;

	net_env_init(&e, FEATURES, 8);
	instant_init(&e);
	e.h.hold = false;
	e.h.guest.on_copy = NULL;
	send_plain(&e, 1);
	assert_int_equal(wire_number(&e), 1);
	take_instant(&e);
	((struct net_mem *)now.mem)->hold.head = 0; /* dead before it was forgotten */
	((struct net_mem *)now.mem)->hold.tail = 24 + 112;
	die_at_instant(&e);
	net_env_connect(&e);
	assert_int_equal(wire_number(&e), 1);
	send_plain(&e, 2);
	assert_int_equal(wire_number(&e), 2);
	net_env_fini(&e);
}

/* The standby: its own daemon, its own memory file; the guest's memory is that of the capture. */
static void standby_continues_both_rings_exactly(void **state)
{
	struct virtio_net_hdr h = { 0 };
	uint8_t snap[NET_SNAPSHOT_MAX], frame[100], got[66000];
	struct netif_extra_info gso;
	struct net_env e;
	struct device_cfg cfg;
	uint32_t refs[8];
	uint16_t flags;
	long len;

	net_env_init(&e, FEATURES, 8);
	front_post(&e.front, 8);
	for (uint32_t i = 0; i < 3; i++) {
		send_plain(&e, i);
		plain_frame(frame, sizeof(frame), i);
		net_env_arrive(&e, &h, frame, sizeof(frame));
	}
	fake_run(&e.h, 2);
	/* One more frame stands in the ring, not yet taken. */
	e.dev->ops->quiesce(e.dev);
	send_plain(&e, 3);
	len = e.dev->ops->snapshot(e.dev, snap, sizeof(snap));
	assert_true(len > 0);
	assert_int_equal(e.dev->ops->snapshot(e.dev, snap, (size_t)len - 1), -ENOBUFS);
	assert_int_equal(e.dev->ops->restore(e.dev, snap, (size_t)len), -EBUSY);
	assert_int_equal(e.dev->ops->ring_refs(e.dev, refs, 8), 2);
	assert_true(refs[0] == e.front.tx_ref && refs[1] == e.front.rx_ref);
	net_env_kill(&e);

	memset(e.mem, 0, net_mem_size());
	net_env_create(&e);
	assert_false(e.dev->ops->config(e.dev, &cfg));
	assert_int_equal(e.dev->ops->restore(e.dev, snap, (size_t)len), 0);
	assert_true(e.dev->ops->config(e.dev, &cfg));
	assert_memory_equal(&cfg, &e.cfg, sizeof(cfg));
	assert_int_equal(e.dev->ops->connect(e.dev, &cfg), 0);
	fake_run(&e.h, 1);
	assert_int_equal(answers(&e), 4);
	e.dev->ops->release(e.dev, 1);
	assert_int_equal(wire_number(&e), 3); /* the others were the primary's to send */
	assert_int_equal(wire_number(&e), -1);
	plain_frame(frame, sizeof(frame), 9);
	net_env_arrive(&e, &h, frame, sizeof(frame));
	fake_run(&e.h, 2);
	for (unsigned int i = 0; i < 4; i++) {
		assert_int_equal(front_receive(&e.front, got, &flags, &gso), sizeof(frame));
		assert_int_equal(got[14], i < 3 ? i : 9);
	}
	net_env_fini(&e);
}

/* Two frames are in the ring when an epoch is taken, which the primary sends; a third one comes later. */
static void what_the_primary_sends_of_an_epoch_is_not_sent_again(void **state)
{
	static _Alignas(8) uint8_t then[GUEST_PAGE_SIZE];
	uint8_t snap[NET_SNAPSHOT_MAX];
	struct net_env e;
	long len;

	net_env_init(&e, FEATURES, 8);
	send_plain(&e, 0);
	place_unheard(&e, 1, 4, 2, then);
	e.dev->ops->cut(e.dev, ring_then, then);
	len = e.dev->ops->snapshot(e.dev, snap, sizeof(snap));
	net_env_kill(&e);

	memset(e.mem, 0, net_mem_size());
	net_env_create(&e);
	assert_int_equal(e.dev->ops->restore(e.dev, snap, (size_t)len), 0);
	assert_int_equal(e.dev->ops->connect(e.dev, &e.cfg), 0);
	fake_run(&e.h, 1);
	assert_int_equal(answers(&e), 4);
	e.dev->ops->release(e.dev, 1);
	assert_int_equal(wire_number(&e), 3);
	assert_int_equal(wire_number(&e), -1);
	send_plain(&e, 4);
	e.dev->ops->release(e.dev, 1);
	assert_int_equal(wire_number(&e), 4);
	net_env_fini(&e);
}

/* It had consumed frames, and not yet noted that none of another host's are left. */
static void a_daemon_that_died_in_between_leaves_a_snapshot_that_is_taken(void **state)
{
	uint8_t snap[NET_SNAPSHOT_MAX];
	struct net_env e;
	long len;

	net_env_init(&e, FEATURES, 8);
	send_plain(&e, 0);
	send_plain(&e, 1);
	((struct net_mem *)e.mem)->queue[0].tx_cut--;
	len = e.dev->ops->snapshot(e.dev, snap, sizeof(snap));
	e.dev->ops->disconnect(e.dev);
	assert_int_equal(e.dev->ops->restore(e.dev, snap, (size_t)len), 0);
	net_env_fini(&e);
}

static void restored_rings_must_be_those_of_the_snapshot(void **state)
{
	uint8_t snap[NET_SNAPSHOT_MAX];
	struct device_cfg cfg;
	struct net_env e;
	long len;

	net_env_init(&e, FEATURES, 8);
	send_plain(&e, 0);
	len = e.dev->ops->snapshot(e.dev, snap, sizeof(snap));
	e.dev->ops->disconnect(e.dev);
	assert_int_equal(e.dev->ops->restore(e.dev, snap, (size_t)len), 0);
	cfg = e.cfg;
	cfg.queue[0].evtchn++;
	assert_int_equal(e.dev->ops->connect(e.dev, &cfg), -EINVAL);
	front_tx(&e.front)->rsp_prod = 0; /* a page of another epoch */
	assert_int_equal(e.dev->ops->connect(e.dev, &e.cfg), -EPROTO);
	assert_int_equal(e.h.guest.maps, 0);
	front_tx(&e.front)->rsp_prod = 1;
	net_env_connect(&e);
	net_env_fini(&e);
}

static void restore_drops_frames_of_an_earlier_life(void **state)
{
	uint8_t snap[NET_SNAPSHOT_MAX];
	struct net_env e;
	long len;

	net_env_init(&e, FEATURES, 8);
	send_plain(&e, 0);
	len = e.dev->ops->snapshot(e.dev, snap, sizeof(snap));
	e.dev->ops->quiesce(e.dev);
	e.dev->ops->disconnect(e.dev);
	assert_int_equal(e.dev->ops->restore(e.dev, snap, (size_t)len), 0);
	e.dev->ops->release(e.dev, 99);
	assert_int_equal(wire_number(&e), -1);
	net_env_fini(&e);
}

static void damaged_snapshots_change_nothing(void **state)
{
	uint8_t snap[NET_SNAPSHOT_MAX], bad[NET_SNAPSHOT_MAX], *before = malloc(sizeof(struct net_mem));
	struct net_env e;
	long len;

	net_env_init(&e, FEATURES, 8);
	send_plain(&e, 0);
	len = e.dev->ops->snapshot(e.dev, snap, sizeof(snap));
	e.dev->ops->disconnect(e.dev);
	memcpy(before, e.mem, sizeof(struct net_mem));
	for (long i = 0; i < len; i++)
		assert_int_equal(e.dev->ops->restore(e.dev, snap, (size_t)i), -EBADMSG);
	for (long i = 0; i < 24; i++) { /* the head; behind it any number is a possible one */
		memcpy(bad, snap, (size_t)len);
		bad[i] ^= 0x80;
		assert_int_equal(e.dev->ops->restore(e.dev, bad, (size_t)len), -EBADMSG);
	}
	assert_memory_equal(before, e.mem, sizeof(struct net_mem));
	free(before);
	net_env_fini(&e);
}

static void damaged_memory_is_refused(void **state)
{
	struct net_cfg cfg = net_env_cfg;
	struct net_env e;
	struct device *dev;
	struct net_mem *m;

	net_env_init(&e, FEATURES, 8);
	send_plain(&e, 0);
	m = (struct net_mem *)e.mem;
	cfg.fd = 0;
	m->hold.tail += 8;
	assert_int_equal(net_create(&e.h.host, 0, &cfg, e.mem, net_mem_size(), &dev), -EBADMSG);
	m->hold.tail -= 8;
	m->version++;
	assert_int_equal(net_create(&e.h.host, 0, &cfg, e.mem, net_mem_size(), &dev), -EBADMSG);
	m->version--;
	assert_int_equal(net_create(&e.h.host, 0, &cfg, e.mem, net_mem_size() - 1, &dev), -EINVAL);
	net_env_fini(&e);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(restarted_daemon_releases_what_was_held_once),
		cmocka_unit_test(death_inside_a_pass_neither_loses_nor_repeats),
		cmocka_unit_test(death_between_rx_responses_and_their_publication),
		cmocka_unit_test(frame_that_needed_no_commit_leaves_after_a_restart),
		cmocka_unit_test(standby_continues_both_rings_exactly),
		cmocka_unit_test(what_the_primary_sends_of_an_epoch_is_not_sent_again),
		cmocka_unit_test(a_daemon_that_died_in_between_leaves_a_snapshot_that_is_taken),
		cmocka_unit_test(restored_rings_must_be_those_of_the_snapshot),
		cmocka_unit_test(restore_drops_frames_of_an_earlier_life),
		cmocka_unit_test(damaged_snapshots_change_nothing),
		cmocka_unit_test(damaged_memory_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
