/* SPDX-License-Identifier: GPL-2.0-only */
/* What outlives the daemon, and what travels to the standby. */
#include <errno.h>
#include <string.h>

#include "log.h"
#include "net/net_int.h"

#define MEM_MAGIC 0x6d74656eU /* "netm" */
#define MEM_VERSION 2U
#define SNAP_MAGIC 0x7374656eU /* "nets" */
#define SNAP_VERSION 2U

struct snap_head {
	uint32_t magic, version;
	uint32_t known, attached; /* 0 or 1 */
	uint32_t nr_queues, features;
};

struct snap_queue {
	uint32_t tx_ref, rx_ref, evtchn, evtchn_rx;
	uint32_t tx_cons, rx_cons;
	uint32_t tx_cut; /* slots before it were sent, or are about to be */
	uint32_t unused; /* 0 */
};
_Static_assert(sizeof(struct snap_head) + DEVICE_MAX_QUEUES * sizeof(struct snap_queue) <= NET_SNAPSHOT_MAX,
	       "NET_SNAPSHOT_MAX");

uint64_t net_cookie(const struct net *n, unsigned int queue, uint32_t cons)
{
	return (uint64_t)(n->m->gen & 0xffffff) << 40 | (uint64_t)queue << 32 | cons;
}

void net_cfg_canonical(const struct device_cfg *in, struct device_cfg *out)
{
	memset(out, 0, sizeof(*out));
	out->features = in->features;
	out->nr_queues = in->nr_queues;
	for (unsigned int i = 0; i < in->nr_queues && i < DEVICE_MAX_QUEUES; i++) {
		out->queue[i].ring_ref[0] = in->queue[i].ring_ref[0];
		out->queue[i].ring_ref[1] = in->queue[i].ring_ref[1];
		out->queue[i].nr_ring_pages = in->queue[i].nr_ring_pages;
		out->queue[i].evtchn = in->queue[i].evtchn;
		out->queue[i].evtchn_rx = in->queue[i].evtchn_rx;
	}
}

int net_cfg_check(const struct device_cfg *cfg)
{
	if (cfg->nr_queues < 1 || cfg->nr_queues > DEVICE_MAX_QUEUES || cfg->features & ~NET_F_ALL)
		return -EINVAL;
	for (unsigned int i = 0; i < cfg->nr_queues; i++)
		if (cfg->queue[i].nr_ring_pages != NET_RINGS_PER_QUEUE || !cfg->queue[i].evtchn)
			return -EINVAL;
	return 0;
}

/*
 * A pass makes its frames held (one store), then its slots consumed, then answered.  A daemon that died
 * after the first store would take the slots again and send the frames twice: the pieces tell.
 */
static void catch_up(struct net *n)
{
	struct hold *h = &n->m->hold;
	uint64_t pos = h->head, next;
	struct hold_piece *p;

	while ((p = hold_next(h, &pos, h->tail, &next))) {
		unsigned int queue = p->cookie >> 32 & 0xff;
		uint32_t cons = (uint32_t)p->cookie;

		if (queue < DEVICE_MAX_QUEUES && p->cookie == net_cookie(n, queue, cons) &&
		    cons - n->m->queue[queue].tx_cons <= NET_RING_SLOTS)
			n->m->queue[queue].tx_cons = cons;
		pos = next;
	}
}

int net_mem_open(struct net *n, void *mem, size_t len)
{
	struct net_mem *m = mem;

	if (len < net_mem_size() || (uintptr_t)mem % 8)
		return -EINVAL;
	n->m = m;
	if (!m->magic && !m->version) {
		hold_init(&m->hold, NET_HOLD_BYTES);
		m->version = MEM_VERSION;
		ring_compiler_barrier();
		WRITE_ONCE(m->magic, MEM_MAGIC);
		return 0;
	}
	/* Died while making it: nothing was in it. */
	if (!m->magic && m->version == MEM_VERSION)
		WRITE_ONCE(m->magic, MEM_MAGIC);
	if (m->magic != MEM_MAGIC || m->version != MEM_VERSION || m->attach > NET_RESTORED || m->known > 1 ||
	    (m->known && net_cfg_check(&m->cfg)) || !hold_valid(&m->hold, NET_HOLD_BYTES)) {
		kem_vm_err(n->dev.host->vm,
			   "vif %u: its part of the memory file is damaged or of another version", n->dev.id);
		return -EBADMSG;
	}
	if (m->attach == NET_CONNECTED)
		catch_up(n);
	return 0;
}

/*
 * Of the queue, never before tx_cons, which a daemon that died may have moved alone; what is not consumed yet
 * and is ours to send counts as sent.
 */
static uint32_t cut_of(const struct net *n, unsigned int nr)
{
	const struct net_queue_mem *m = &n->m->queue[nr];
	uint32_t ours = nr < n->nr_queues ? n->queue[nr].tx_ours : 0;

	if (!ours && (int32_t)(m->tx_cut - m->tx_cons) > 0)
		return m->tx_cut;
	return m->tx_cons + ours;
}

long net_snapshot(struct device *dev, void *buf, size_t cap)
{
	const struct net *n = net_of(dev);
	const struct net_mem *m = n->m;
	struct snap_head h = { .magic = SNAP_MAGIC,
			       .version = SNAP_VERSION,
			       .known = m->known,
			       .attached = m->attach != NET_DETACHED,
			       .nr_queues = m->known ? m->cfg.nr_queues : 0,
			       .features = m->known ? m->cfg.features : 0 };
	size_t len = sizeof(h) + h.nr_queues * sizeof(struct snap_queue);
	uint8_t *at = buf;

	if (cap < len)
		return -ENOBUFS;
	memcpy(at, &h, sizeof(h));
	at += sizeof(h);
	for (unsigned int i = 0; i < h.nr_queues; i++, at += sizeof(struct snap_queue)) {
		const struct device_queue_cfg *c = &m->cfg.queue[i];
		struct snap_queue q = { .tx_ref = c->ring_ref[0],
					.rx_ref = c->ring_ref[1],
					.evtchn = c->evtchn,
					.evtchn_rx = c->evtchn_rx,
					.tx_cons = m->queue[i].tx_cons,
					.rx_cons = m->queue[i].rx_cons,
					.tx_cut = cut_of(n, i) };

		memcpy(at, &q, sizeof(q));
	}
	return (long)len;
}

/* The same checks as at a connect; cfg is canonical afterwards. */
static int decode(const uint8_t *buf, size_t len, struct snap_head *h, struct device_cfg *cfg,
		  struct snap_queue *queue)
{
	if (len < sizeof(*h))
		return -EBADMSG;
	memcpy(h, buf, sizeof(*h));
	if (h->magic != SNAP_MAGIC || h->version != SNAP_VERSION || h->known > 1 || h->attached > h->known ||
	    h->nr_queues > DEVICE_MAX_QUEUES || len != sizeof(*h) + h->nr_queues * sizeof(*queue))
		return -EBADMSG;
	memcpy(queue, buf + sizeof(*h), h->nr_queues * sizeof(*queue));
	for (unsigned int i = 0; i < h->nr_queues; i++)
		if (queue[i].tx_cut - queue[i].tx_cons > NET_RING_SLOTS || queue[i].unused)
			return -EBADMSG;
	memset(cfg, 0, sizeof(*cfg));
	cfg->nr_queues = h->nr_queues;
	cfg->features = h->features;
	for (unsigned int i = 0; i < h->nr_queues; i++)
		cfg->queue[i] = (struct device_queue_cfg){
			.ring_ref = { queue[i].tx_ref, queue[i].rx_ref },
			.nr_ring_pages = NET_RINGS_PER_QUEUE,
			.evtchn = queue[i].evtchn,
			.evtchn_rx = queue[i].evtchn_rx,
		};
	if (h->known ? net_cfg_check(cfg) : (h->nr_queues || h->features))
		return -EBADMSG;
	return 0;
}

int net_restore(struct device *dev, const void *buf, size_t len)
{
	struct net *n = net_of(dev);
	struct snap_queue queue[DEVICE_MAX_QUEUES];
	struct device_cfg cfg;
	struct snap_head h;

	if (n->connected)
		return -EBUSY;
	if (decode(buf, len, &h, &cfg, queue))
		return -EBADMSG;
	WRITE_ONCE(n->m->attach, NET_DETACHED);
	ring_compiler_barrier();
	/* Frames of an earlier life as the primary have left or are lost; these must never follow the copy.
	 */
	hold_truncate(&n->m->hold, n->m->hold.head);
	n->leave = n->m->hold.head;
	n->m->gen++;
	n->m->known = h.known;
	n->m->cfg = cfg;
	for (unsigned int i = 0; i < h.nr_queues; i++) {
		n->m->queue[i].tx_cons = queue[i].tx_cons;
		n->m->queue[i].rx_cons = queue[i].rx_cons;
		n->m->queue[i].tx_cut = queue[i].tx_cut;
	}
	ring_compiler_barrier();
	WRITE_ONCE(n->m->attach, h.attached ? NET_RESTORED : NET_DETACHED);
	return 0;
}
