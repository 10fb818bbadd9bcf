/* SPDX-License-Identifier: GPL-2.0-only */
/* To the guest's rings and back. */
#include <errno.h>
#include <string.h>

#include "log.h"
#include "net/net_int.h"
#include "net/net_tap.h"

static void on_tx(void *arg)
{
	net_tx_pass(arg);
}

static void on_rx(void *arg)
{
	struct net_queue *q = arg;

	net_rx_kick(q->net);
}

/* One channel for both rings. */
static void on_both(void *arg)
{
	struct net_queue *q = arg;

	net_rx_kick(q->net);
	net_tx_pass(q);
}

static int map_ring(struct guest *g, uint32_t ref, void **page)
{
	int err = g->ops->map(g, &ref, 1, page);

	if (err)
		*page = NULL;
	return err;
}

/*
 * cons: where the last owner stood, if how is not NET_DETACHED.  Responses of his that the guest has not
 * seen are published again by the caller; after a restore there are none.
 */
static int attach_ring(struct ring_back *r, void *page, uint32_t slot_size, enum net_attach how,
		       uint32_t cons)
{
	struct ring_shared *shared = page;
	uint32_t rsp_prod = READ_ONCE(shared->rsp_prod);

	if (how == NET_DETACHED)
		cons = rsp_prod;
	if (cons - rsp_prod > (how == NET_CONNECTED ? NET_RING_SLOTS : 0))
		return -EPROTO;
	ring_attach(r, page, 1, slot_size, cons, rsp_prod);
	return ring_pending(r) < 0 ? -EPROTO : 0;
}

static int bind_ports(struct net_queue *q, const struct device_queue_cfg *c)
{
	struct guest *g = q->net->dev.host->guest;

	q->tx_port = g->ops->bind(g, c->evtchn, c->evtchn_rx ? on_tx : on_both, q);
	if (q->tx_port < 0)
		return q->tx_port;
	q->rx_port = c->evtchn_rx ? g->ops->bind(g, c->evtchn_rx, on_rx, q) : q->tx_port;
	if (c->evtchn_rx) /* else it also says that there are buffers */
		g->ops->speaks(g, q->tx_port);
	return q->rx_port < 0 ? q->rx_port : 0;
}

static void detach_queue(struct net_queue *q)
{
	struct guest *g = q->net->dev.host->guest;

	later_cancel(&q->again);
	if (q->rx_port >= 0 && q->rx_port != q->tx_port)
		g->ops->unbind(g, q->rx_port);
	if (q->tx_port >= 0)
		g->ops->unbind(g, q->tx_port);
	if (q->rx_page)
		g->ops->unmap(g, q->rx_page, 1);
	if (q->tx_page)
		g->ops->unmap(g, q->tx_page, 1);
	q->tx_port = q->rx_port = -1;
	q->tx_page = q->rx_page = NULL;
}

static int attach_queue(struct net *n, unsigned int nr, const struct device_queue_cfg *c, enum net_attach how)
{
	struct net_queue *q = &n->queue[nr];
	struct guest *g = n->dev.host->guest;
	const char *what = "map its rings";
	int err;

	*q = (struct net_queue){ .net = n, .m = &n->m->queue[nr], .nr = nr, .tx_port = -1, .rx_port = -1 };
	net_tx_init(q);
	err = map_ring(g, c->ring_ref[0], &q->tx_page);
	if (!err)
		err = map_ring(g, c->ring_ref[1], &q->rx_page);
	if (!err) {
		what = "go on in its rings";
		err = attach_ring(&q->tx, q->tx_page, sizeof(struct netif_tx_request), how, q->m->tx_cons);
	}
	if (!err)
		err = attach_ring(&q->rx, q->rx_page, sizeof(struct netif_rx_request), how, q->m->rx_cons);
	if (!err) {
		what = "bind its event channels";
		err = bind_ports(q, c);
	}
	if (err) {
		kem_vm_err(n->dev.host->vm, "vif %u: queue %u: cannot %s: %s", n->dev.id, nr, what,
			   strerror(-err));
		detach_queue(q);
	}
	return err;
}

/* How the rings in cfg relate to what the memory file knows. */
static int find_out_how(const struct net *n, const struct device_cfg *cfg)
{
	bool same = memcmp(&n->m->cfg, cfg, sizeof(*cfg)) == 0;

	if (n->m->attach == NET_RESTORED && !same)
		return -EINVAL;
	return same ? (int)n->m->attach : NET_DETACHED;
}

/* The memory file takes note; the attach state comes last and makes the rest valid. */
static void remember(struct net *n, const struct device_cfg *cfg, enum net_attach how)
{
	if (how == NET_DETACHED) {
		WRITE_ONCE(n->m->attach, NET_DETACHED);
		ring_compiler_barrier();
		n->m->gen++;
		n->m->cfg = *cfg;
		for (unsigned int i = 0; i < cfg->nr_queues; i++) {
			n->m->queue[i].tx_cons = n->m->queue[i].tx_cut = n->queue[i].tx.req_cons;
			n->m->queue[i].rx_cons = n->queue[i].rx.req_cons;
		}
		n->m->known = 1;
		ring_compiler_barrier();
	}
	WRITE_ONCE(n->m->attach, NET_CONNECTED);
}

/*
 * Answers that an earlier instance owed come first: a snapshot may follow, and it says that none is owed.
 * Every ring counts as kicked, as nobody heard the guest while no one was attached; the guest is told too.
 */
static void start_queue(struct net_queue *q, enum net_attach how)
{
	net_tx_respond(q);
	net_rx_respond(q);
	if (how != NET_DETACHED) {
		net_notify(q->net, q->tx_port);
		if (q->rx_port != q->tx_port)
			net_notify(q->net, q->rx_port);
	}
	net_tx_schedule(q);
}

int net_connect(struct device *dev, const struct device_cfg *wanted)
{
	struct net *n = net_of(dev);
	struct device_cfg cfg;
	unsigned int i;
	int how, err;

	if (n->connected)
		return -EBUSY;
	net_cfg_canonical(wanted, &cfg);
	err = dev->host->guest ? net_cfg_check(&cfg) : -ENODEV;
	how = err ? err : find_out_how(n, &cfg);
	if (how < 0) {
		kem_vm_err(dev->host->vm, "vif %u: the frontend's rings are not usable: %s", dev->id,
			   strerror(-how));
		return how;
	}
	for (i = 0; i < cfg.nr_queues; i++) {
		err = attach_queue(n, i, &cfg.queue[i], (enum net_attach)how);
		if (err)
			goto out_detach;
	}
	n->no_segmentation = false;
	err = n->is_tap ? net_tap_offload(n->fd, cfg.features, true) : 0;
	if (err) {
		kem_vm_err(dev->host->vm, "vif %u: cannot set the tap's offload: %s", dev->id,
			   strerror(-err));
		goto out_detach;
	}
	net_rx_flush(n);
	remember(n, &cfg, (enum net_attach)how);
	n->nr_queues = cfg.nr_queues;
	n->connected = true;
	n->quiet = false;
	n->failed = false;
	n->tx_full = false;
	for (i = 0; i < cfg.nr_queues; i++)
		start_queue(&n->queue[i], (enum net_attach)how);
	net_poll_update(n);
	return 0;

out_detach:
	while (i-- > 0)
		detach_queue(&n->queue[i]);
	return err;
}

void net_disconnect(struct device *dev)
{
	struct net *n = net_of(dev);

	if (!n->connected)
		return;
	net_stop_announcing(n);
	net_rx_cancel(n);
	for (unsigned int i = 0; i < n->nr_queues; i++)
		detach_queue(&n->queue[i]);
	n->connected = false;
	n->nr_queues = 0;
	n->tx_full = false;
	WRITE_ONCE(n->m->attach, NET_DETACHED);
	net_poll_update(n);
}
