/* SPDX-License-Identifier: GPL-2.0-only */
/* The device: created, released, quiesced, announced; and its way to the tap. */
#include "net/net.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "log.h"
#include "net/net_int.h"
#include "net/net_tap.h"

#define RARP_FRAME 60 /* the shortest frame of Ethernet */

/* Three frames within a second: one may meet a bridge port or a switch that is not forwarding yet. */
static const uint64_t announce_after_ns[] = { 200000000ULL, 800000000ULL };

void net_fail(struct net *n, const char *why)
{
	if (n->failed)
		return;
	n->failed = true;
	kem_vm_err(n->dev.host->vm, "vif %u: %s; it stops", n->dev.id, why);
	net_poll_update(n);
	n->dev.host->ops->failed(n->dev.host, &n->dev, why);
}

void net_notify(struct net *n, int port)
{
	struct guest *g = n->dev.host->guest;

	if (g->ops->notify(g, port) < 0)
		net_fail(n, "the guest's event channel is closed");
}

static int32_t on_tap(int32_t fd, int32_t revents, void *data)
{
	struct net *n = data;

	device_enter(&n->dev);
	if (revents & POLLOUT) {
		n->tap_blocked = false;
		net_drain(n);
	}
	if (revents & POLLIN)
		net_rx_pass(n);
	else if (revents & (POLLERR | POLLHUP | POLLNVAL))
		net_fail(n, "the tap device is gone");
	device_leave(&n->dev);
	return 0;
}

/* Also with no event wanted the loop reports errors: the loss of the tap is seen while nothing is read. */
void net_poll_update(struct net *n)
{
	struct qb_loop *loop = n->dev.host->loop;
	bool add = !n->failed && (n->connected || n->tap_blocked);
	int want = 0, r = 0;

	if (n->connected && !n->quiet && !n->rx_stalled)
		want |= POLLIN;
	if (n->tap_blocked)
		want |= POLLOUT;
	/* with a lower priority the loop would go round once more before it comes to it */
	if (add && !n->polled)
		r = qb_loop_poll_add(loop, QB_LOOP_HIGH, n->fd, want, n, on_tap);
	else if (add && want != n->poll_events)
		r = qb_loop_poll_mod(loop, QB_LOOP_HIGH, n->fd, want, n, on_tap);
	else if (!add && n->polled)
		qb_loop_poll_del(loop, n->fd);
	n->polled = add && r == 0;
	n->poll_events = want;
	if (r < 0)
		net_fail(n, "the main loop takes no more descriptors");
}

/* False: the tap takes no more now. */
static bool send_piece(struct net *n, const struct hold_piece *p)
{
	if (write(n->fd, p->data, p->len) >= 0 || errno != EAGAIN)
		return true; /* what the kernel refuses is lost, as on a wire */
	return false;
}

static void after_drain(struct net *n)
{
	if (n->quiescing && !n->tap_blocked) {
		n->quiescing = false;
		n->dev.host->ops->quiesced(n->dev.host, &n->dev);
	}
	if (!n->tx_full || n->quiet)
		return;
	n->tx_full = false;
	for (unsigned int i = 0; i < n->nr_queues; i++)
		net_tx_schedule(&n->queue[i]);
}

void net_drain(struct net *n)
{
	struct hold *h = &n->m->hold;
	uint64_t pos = h->head, next, start = h->head;
	struct hold_piece *p;

	while (!n->tap_blocked && (p = hold_next(h, &pos, n->leave, &next))) {
		/* Forgotten before it is sent: a daemon that dies here loses it, and never sends it twice. */
		hold_set_head(h, next);
		if (!send_piece(n, p)) {
			hold_set_head(h, pos);
			n->tap_blocked = true;
			break;
		}
		pos = next;
	}
	if (!n->tap_blocked)
		hold_set_head(h, n->leave);
	if (hold_empty(h)) {
		hold_rewind(h);
		n->leave = h->head;
	}
	net_poll_update(n);
	if (h->head != start || n->quiescing)
		after_drain(n);
}

static void net_release(struct device *dev, uint64_t epoch)
{
	struct net *n = net_of(dev);
	n->leave = hold_covered(&n->m->hold, n->leave, epoch);
	net_drain(n);
	for (unsigned int i = 0; i < n->nr_queues; i++)
		net_tx_notify(&n->queue[i]);
}

static void net_discard(struct device *dev, uint64_t epoch)
{
	struct net *n = net_of(dev);
	hold_truncate(&n->m->hold, hold_covered(&n->m->hold, n->leave, epoch));
	after_drain(n);
}

void net_stop_announcing(struct net *n)
{
	if (n->announces)
		qb_loop_timer_del(n->dev.host->loop, n->announce_timer);
	n->announces = 0;
}

static void net_quiesce(struct device *dev)
{
	struct net *n = net_of(dev);

	n->quiet = true;
	net_stop_announcing(n);
	net_poll_update(n);
	if (n->tap_blocked && !n->failed)
		n->quiescing = true;
	else
		dev->host->ops->quiesced(dev->host, dev);
}

static void net_thaw(struct device *dev)
{
	struct net *n = net_of(dev);

	n->quiet = false;
	n->quiescing = false;
	n->tx_full = false;
	if (!n->connected)
		return;
	for (unsigned int i = 0; i < n->nr_queues; i++)
		net_tx_schedule(&n->queue[i]);
	net_rx_kick(n);
	net_poll_update(n);
}

/* "Reverse ARP, who am I": the frame that hypervisors use to move a MAC, since it needs no IP address. */
static void send_rarp(struct net *n)
{
	static const uint8_t fixed[] = { 0x80, 0x35, 0, 1, 8, 0, 6, 4, 0, 3 };
	uint8_t msg[sizeof(struct virtio_net_hdr) + RARP_FRAME] = { 0 };
	uint8_t *f = msg + NET_HDR;

	memset(f, 0xff, 6);
	memcpy(f + 6, n->cfg.mac, 6);
	memcpy(f + 12, fixed, sizeof(fixed));
	memcpy(f + 22, n->cfg.mac, 6); /* sender */
	memcpy(f + 32, n->cfg.mac, 6); /* target */
	if (write(n->fd, msg, sizeof(msg)) < 0)
		kem_vm_warn(n->dev.host->vm, "vif %u: cannot announce the MAC: %s", n->dev.id,
			    strerror(errno));
}

static void announce_step(void *data)
{
	struct net *n = data;
	unsigned int sent = n->announces;

	n->announces = 0;
	send_rarp(n);
	if (sent < sizeof(announce_after_ns) / sizeof(announce_after_ns[0]) &&
	    qb_loop_timer_add(n->dev.host->loop, QB_LOOP_MED, announce_after_ns[sent], n, announce_step,
			      &n->announce_timer) == 0)
		n->announces = sent + 1;
}

static void net_announce(struct device *dev)
{
	struct net *n = net_of(dev);

	net_stop_announcing(n);
	if (n->connected && !n->quiet && !n->failed)
		announce_step(n);
}

static void net_cut(struct device *dev, const void *(*page)(void *arg, uint32_t ref), void *arg)
{
	net_tx_cut(net_of(dev), page, arg);
}

static unsigned int net_catch_up(struct device *dev, uint64_t epoch)
{
	return net_tx_catch_up(net_of(dev), epoch);
}

static bool net_config(const struct device *dev, struct device_cfg *cfg)
{
	const struct net *n = (const struct net *)dev;

	if (n->m->known)
		*cfg = n->m->cfg;
	return n->m->known;
}

static unsigned int net_ring_refs(const struct device *dev, uint32_t *refs, unsigned int max)
{
	const struct net *n = (const struct net *)dev;
	unsigned int nr = 0;

	for (unsigned int i = 0; n->m->known && i < n->m->cfg.nr_queues; i++)
		for (unsigned int j = 0; j < NET_RINGS_PER_QUEUE && nr < max; j++)
			refs[nr++] = n->m->cfg.queue[i].ring_ref[j];
	return nr;
}

static void net_destroy(struct device *dev)
{
	struct net *n = net_of(dev);

	net_stop_announcing(n);
	net_disconnect(dev);
	n->tap_blocked = false;
	net_poll_update(n);
	close(n->fd);
	free(n);
}

static const struct device_ops net_ops = {
	.type = "vif",
	.connect = net_connect,
	.disconnect = net_disconnect,
	.quiesce = net_quiesce,
	.thaw = net_thaw,
	.cut = net_cut,
	.catch_up = net_catch_up,
	.release = net_release,
	.discard = net_discard,
	.snapshot = net_snapshot,
	.restore = net_restore,
	.config = net_config,
	.ring_refs = net_ring_refs,
	.announce = net_announce,
	.destroy = net_destroy,
};

size_t net_mem_size(void)
{
	return sizeof(struct net_mem) + NET_HOLD_BYTES;
}

int net_create(struct device_host *host, uint32_t handle, const struct net_cfg *cfg, void *mem,
	       size_t mem_len, struct device **out)
{
	struct net *n = calloc(1, sizeof(*n));
	int err;

	if (!n)
		return -ENOMEM;
	n->dev = (struct device){ .ops = &net_ops, .host = host, .id = handle };
	n->cfg = *cfg;
	err = net_mem_open(n, mem, mem_len);
	if (err)
		goto out_free;
	n->leave = n->m->hold.head;
	n->fd = cfg->fd >= 0 ? cfg->fd : net_tap_open(host->vm, cfg);
	if (n->fd < 0) {
		err = n->fd;
		goto out_free;
	}
	n->is_tap = net_tap_is(n->fd);
	*out = &n->dev;
	return 0;

out_free:
	free(n);
	return err;
}
