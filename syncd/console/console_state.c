/* SPDX-License-Identifier: GPL-2.0-only */
/* What outlives the daemon, and what travels to the standby. */
#include <errno.h>
#include <string.h>

#include "console/console_int.h"
#include "log.h"
#include "ring/ring.h"

#define MEM_MAGIC 0x6d736e63U /* "cnsm" */
#define MEM_VERSION 1U
#define SNAP_MAGIC 0x73736e63U /* "cnss" */
#define SNAP_VERSION 1U

struct snap_head {
	uint32_t magic, version;
	uint32_t known, connected; /* 0 or 1 */
	uint32_t ring_ref, evtchn;
	uint32_t nr_pieces, unused;
};

/* Followed by len bytes. */
struct snap_piece {
	uint64_t epoch;
	uint32_t cookie, len;
};

/* A held piece takes at least as much of the hold queue as of a snapshot. */
_Static_assert(sizeof(struct snap_piece) <= sizeof(struct hold_piece) && sizeof(struct snap_head) <= 256,
	       "CONSOLE_SNAPSHOT_MAX");

int console_cfg_check(const struct device_cfg *cfg)
{
	const struct device_queue_cfg *q = &cfg->queue[0];

	return cfg->nr_queues == 1 && q->nr_ring_pages == 1 && q->evtchn && !cfg->features ? 0 : -EINVAL;
}

int console_mem_open(struct console *c, void *mem, size_t len)
{
	struct console_mem *m = mem;

	if (len < console_mem_size() || (uintptr_t)mem % 8)
		return -EINVAL;
	c->m = m;
	if (!m->magic) { /* zeroed, or its maker died half way */
		hold_init(&m->hold, CONSOLE_HOLD_BYTES);
		m->version = MEM_VERSION;
		ring_compiler_barrier();
		WRITE_ONCE(m->magic, MEM_MAGIC);
		return 0;
	}
	if (m->magic != MEM_MAGIC || m->version != MEM_VERSION || m->known > 1 || m->connected > 1 ||
	    !hold_valid(&m->hold, CONSOLE_HOLD_BYTES)) {
		kem_vm_err(c->dev.host->vm,
			   "console: its part of the memory file is damaged or of another version");
		return -EBADMSG;
	}
	return 0;
}

long console_snapshot(struct device *dev, void *buf, size_t cap)
{
	struct console *c = console_of(dev);
	struct hold *h = &c->m->hold;
	struct snap_head head = { .magic = SNAP_MAGIC,
				  .version = SNAP_VERSION,
				  .known = c->m->known,
				  .connected = c->m->connected,
				  .ring_ref = c->m->ring_ref,
				  .evtchn = c->m->evtchn };
	uint64_t pos = h->head, next;
	size_t len = sizeof(head);
	uint8_t *out = buf;
	struct hold_piece *p;

	if (cap < len)
		return -ENOBUFS;
	for (; (p = hold_next(h, &pos, h->tail, &next)); pos = next, head.nr_pieces++) {
		struct snap_piece s = { .epoch = p->epoch, .cookie = (uint32_t)p->cookie, .len = p->len };

		if (cap - len < sizeof(s) + p->len)
			return -ENOBUFS;
		memcpy(out + len, &s, sizeof(s));
		memcpy(out + len + sizeof(s), p->data, p->len);
		len += sizeof(s) + p->len;
	}
	memcpy(out, &head, sizeof(head));
	return (long)len;
}

/* -EBADMSG: they are not nr whole pieces, or do not fit into an empty hold queue. */
static int check_pieces(const uint8_t *at, size_t len, uint32_t nr)
{
	size_t need = 0;
	struct snap_piece s;

	for (; nr; nr--) {
		if (len < sizeof(s))
			return -EBADMSG;
		memcpy(&s, at, sizeof(s));
		if (s.len > len - sizeof(s))
			return -EBADMSG;
		at += sizeof(s) + s.len;
		len -= sizeof(s) + s.len;
		need += hold_piece_bytes(s.len);
		if (need > CONSOLE_HOLD_BYTES)
			return -EBADMSG;
	}
	return len ? -EBADMSG : 0;
}

/* They replace what is held here and appear with one store. */
static void take_pieces(struct hold *h, const uint8_t *at, uint32_t nr)
{
	uint64_t pos;

	hold_truncate(h, h->head);
	hold_rewind(h);
	pos = h->tail;
	for (; nr; nr--) {
		struct hold_piece *p;
		struct snap_piece s;

		memcpy(&s, at, sizeof(s));
		p = hold_prepare(h, &pos, s.len, s.epoch);
		p->cookie = s.cookie;
		memcpy(p->data, at + sizeof(s), s.len);
		at += sizeof(s) + s.len;
	}
	hold_commit(h, pos);
}

int console_restore(struct device *dev, const void *buf, size_t len)
{
	struct console *c = console_of(dev);
	const uint8_t *at = buf;
	struct snap_head head;

	if (c->connected)
		return -EBUSY;
	if (len < sizeof(head))
		return -EBADMSG;
	memcpy(&head, at, sizeof(head));
	at += sizeof(head);
	if (head.magic != SNAP_MAGIC || head.version != SNAP_VERSION || head.known > 1 ||
	    head.connected > head.known || head.known != (head.evtchn != 0) ||
	    check_pieces(at, len - sizeof(head), head.nr_pieces))
		return -EBADMSG;
	take_pieces(&c->m->hold, at, head.nr_pieces);
	c->m->ring_ref = head.ring_ref;
	c->m->evtchn = head.evtchn;
	c->m->known = head.known;
	c->m->connected = head.connected;
	return 0;
}
