/* SPDX-License-Identifier: GPL-2.0-only */
#include "console/console.h"

#include <errno.h>
#include <qb/qbloop.h>
#include <stdlib.h>
#include <string.h>

#include <xen/io/console.h>

#include "console/console_int.h"
#include "log.h"
#include "ring/ring.h"

#define OUT_SIZE ((uint32_t)sizeof(((struct xencons_interface *)0)->out))
#define IN_SIZE ((uint32_t)sizeof(((struct xencons_interface *)0)->in))

static void update_poll(struct console *c);

static void stop_failed(struct console *c, const char *why)
{
	if (c->failed)
		return;
	c->failed = true;
	kem_vm_err(c->dev.host->vm, "console: %s; it stops", why);
	update_poll(c);
	c->dev.host->ops->failed(c->dev.host, &c->dev, why);
}

static void notify(struct console *c)
{
	struct guest *g = c->dev.host->guest;

	if (g->ops->notify(g, c->port) < 0)
		stop_failed(c, "the guest's event channel is closed");
}

/* Sends what is covered; a daemon that dies in between sends the last piece again. */
static void drain(struct console *c, uint64_t until)
{
	struct hold *h = &c->m->hold;
	uint64_t pos = h->head, next;
	struct hold_piece *p;

	while ((p = hold_next(h, &pos, until, &next))) {
		console_pty_put(&c->pty, p->data, p->len);
		hold_set_head(h, next);
		pos = next;
	}
	hold_set_head(h, until);
	hold_rewind(h);
	update_poll(c);
}

/* Copies len bytes at out_cons into one piece; the guest gets the space when they are held. */
static bool hold_output(struct console *c, uint32_t cons, uint32_t len, uint64_t epoch)
{
	struct hold *h = &c->m->hold;
	uint64_t pos = h->tail;
	struct hold_piece *p = hold_prepare(h, &pos, len, epoch);
	uint32_t at = cons % OUT_SIZE, run = OUT_SIZE - at;

	if (!p)
		return false;
	if (run > len)
		run = len;
	memcpy(p->data, c->page->out + at, run);
	memcpy(p->data + run, c->page->out, len - run);
	p->cookie = cons + len;
	hold_commit(h, pos);
	ring_mb(); /* read before the guest may write there again */
	WRITE_ONCE(c->page->out_cons, cons + len);
	return true;
}

static void take_output(struct console *c)
{
	struct device_host *host = c->dev.host;
	struct hold *h = &c->m->hold;
	uint32_t cons, prod;
	uint64_t epoch;

	if (!c->connected || c->quiet || c->failed)
		return;
	cons = READ_ONCE(c->page->out_cons);
	prod = READ_ONCE(c->page->out_prod);
	if (prod - cons > OUT_SIZE) {
		stop_failed(c, "the guest's console ring has an impossible index");
		return;
	}
	if (prod == cons)
		return;
	ring_rmb();
	epoch = host->ops->must_hold(host, &c->dev) ? host->ops->open_epoch(host) : 0;
	c->full = !hold_output(c, cons, prod - cons, epoch);
	if (!c->full)
		notify(c); /* it may wait for space */
	if (epoch)
		host->ops->output_held(host, &c->dev, c->full);
	drain(c, hold_covered(h, h->head, 0));
}

static void take_input(struct console *c)
{
	uint8_t data[IN_SIZE];
	uint32_t cons, prod;
	size_t len;

	if (!c->connected || c->quiet || c->failed)
		return;
	cons = READ_ONCE(c->page->in_cons);
	prod = READ_ONCE(c->page->in_prod);
	if (prod - cons > IN_SIZE) {
		stop_failed(c, "the guest's console ring has an impossible index");
		return;
	}
	len = console_pty_get(&c->pty, data, IN_SIZE - (prod - cons));
	ring_mb();
	for (size_t i = 0; i < len; i++)
		c->page->in[prod++ % IN_SIZE] = (char)data[i];
	ring_wmb();
	if (len) {
		WRITE_ONCE(c->page->in_prod, prod);
		notify(c);
	}
	c->in_full = prod - cons == IN_SIZE;
}

static void on_guest(void *arg)
{
	struct console *c = arg;

	take_output(c);
	if (c->in_full)
		take_input(c);
	update_poll(c);
}

static int32_t on_pty(int32_t fd, int32_t revents, void *data)
{
	struct console *c = data;

	device_enter(&c->dev);
	if (revents & POLLOUT)
		console_pty_flush(&c->pty);
	if (revents & POLLIN)
		take_input(c);
	update_poll(c);
	device_leave(&c->dev);
	return 0;
}

static void update_poll(struct console *c)
{
	struct qb_loop *loop = c->dev.host->loop;
	int want = c->pty.used ? POLLOUT : 0, r = 0;

	if (c->connected && !c->quiet && !c->failed && !c->in_full)
		want |= POLLIN;
	if (want == c->poll_events)
		return;
	if (!want)
		qb_loop_poll_del(loop, c->pty.master);
	else if (c->poll_events)
		r = qb_loop_poll_mod(loop, QB_LOOP_LOW, c->pty.master, want, c, on_pty);
	else
		r = qb_loop_poll_add(loop, QB_LOOP_LOW, c->pty.master, want, c, on_pty);
	c->poll_events = r < 0 ? 0 : want;
	if (r < 0)
		stop_failed(c, "the main loop takes no more descriptors");
}

/* An instance that died after holding a piece and before saying so to the guest must not hold it twice. */
static void catch_up(struct console *c)
{
	struct hold *h = &c->m->hold;
	uint64_t pos = h->head, next;
	uint32_t cons = READ_ONCE(c->page->out_cons), prod = READ_ONCE(c->page->out_prod);
	struct hold_piece *p;

	while ((p = hold_next(h, &pos, h->tail, &next))) {
		uint32_t held = (uint32_t)p->cookie;

		if (held - cons <= OUT_SIZE && prod - held <= OUT_SIZE)
			cons = held;
		pos = next;
	}
	WRITE_ONCE(c->page->out_cons, cons);
}

static int attach(struct console *c, const struct device_queue_cfg *q)
{
	struct guest *g = c->dev.host->guest;
	void *page;
	int err = g->ops->map(g, q->ring_ref, 1, &page);

	if (err)
		return err;
	c->page = page;
	c->port = g->ops->bind(g, q->evtchn, on_guest, c);
	if (c->port >= 0)
		return 0;
	g->ops->unmap(g, page, 1);
	c->page = NULL;
	return c->port;
}

static void first_look(void *data)
{
	struct console *c = data;

	device_enter(&c->dev);
	on_guest(c);
	device_leave(&c->dev);
}

static void look_soon(struct console *c)
{
	later_add(c->dev.host->later, &c->look);
}

static int console_connect(struct device *dev, const struct device_cfg *cfg)
{
	struct console *c = console_of(dev);
	bool again = c->m->connected;
	int err;

	if (c->connected)
		return -EBUSY;
	err = dev->host->guest ? console_cfg_check(cfg) : -ENODEV;
	if (!err)
		err = attach(c, &cfg->queue[0]);
	if (err) {
		kem_vm_err(dev->host->vm, "console: cannot attach: %s", strerror(-err));
		return err;
	}
	if (again)
		catch_up(c);
	c->m->ring_ref = cfg->queue[0].ring_ref[0];
	c->m->evtchn = cfg->queue[0].evtchn;
	c->m->known = 1;
	c->m->connected = 1;
	c->connected = true;
	c->quiet = c->failed = c->full = c->in_full = false;
	if (again)
		notify(c);
	look_soon(c);
	drain(c, hold_covered(&c->m->hold, c->m->hold.head, 0));
	return 0;
}

static void console_disconnect(struct device *dev)
{
	struct console *c = console_of(dev);
	struct guest *g = dev->host->guest;

	if (!c->connected)
		return;
	later_cancel(&c->look);
	g->ops->unbind(g, c->port);
	g->ops->unmap(g, c->page, 1);
	c->page = NULL;
	c->connected = false;
	c->m->connected = 0;
	update_poll(c);
}

static void console_quiesce(struct device *dev)
{
	struct console *c = console_of(dev);

	c->quiet = true;
	update_poll(c);
	dev->host->ops->quiesced(dev->host, dev);
}

static void console_thaw(struct device *dev)
{
	struct console *c = console_of(dev);

	c->quiet = false;
	if (c->connected)
		look_soon(c);
	update_poll(c);
}

static void console_release(struct device *dev, uint64_t epoch)
{
	struct console *c = console_of(dev);
	struct hold *h = &c->m->hold;

	drain(c, hold_covered(h, h->head, epoch));
	if (c->full && c->connected)
		look_soon(c);
}

static void console_discard(struct device *dev, uint64_t epoch)
{
	struct console *c = console_of(dev);
	struct hold *h = &c->m->hold;

	hold_truncate(h, hold_covered(h, h->head, epoch));
	if (c->full && c->connected)
		look_soon(c);
}

static bool console_config(const struct device *dev, struct device_cfg *cfg)
{
	const struct console *c = (const struct console *)dev;

	if (!c->m->known)
		return false;
	*cfg = (struct device_cfg){ .nr_queues = 1 };
	cfg->queue[0].ring_ref[0] = c->m->ring_ref;
	cfg->queue[0].nr_ring_pages = 1;
	cfg->queue[0].evtchn = c->m->evtchn;
	return true;
}

static unsigned int console_ring_refs(const struct device *dev, uint32_t *refs, unsigned int max)
{
	const struct console *c = (const struct console *)dev;

	if (!c->m->known || !max)
		return 0;
	refs[0] = c->m->ring_ref;
	return 1;
}

static void console_destroy(struct device *dev)
{
	struct console *c = console_of(dev);

	console_disconnect(dev);
	if (c->poll_events)
		qb_loop_poll_del(dev->host->loop, c->pty.master);
	console_pty_close(&c->pty);
	free(c);
}

static const struct device_ops console_ops = {
	.type = "console",
	.connect = console_connect,
	.disconnect = console_disconnect,
	.quiesce = console_quiesce,
	.thaw = console_thaw,
	.release = console_release,
	.discard = console_discard,
	.snapshot = console_snapshot,
	.restore = console_restore,
	.config = console_config,
	.ring_refs = console_ring_refs,
	.destroy = console_destroy,
};

size_t console_mem_size(void)
{
	return sizeof(struct console_mem) + CONSOLE_HOLD_BYTES;
}

const char *console_tty(const struct device *dev)
{
	return ((const struct console *)dev)->pty.tty;
}

int console_create(struct device_host *host, const struct console_cfg *cfg, void *mem, size_t mem_len,
		   struct device **out)
{
	struct console *c = calloc(1, sizeof(*c));
	int err;

	if (!c)
		return -ENOMEM;
	c->dev = (struct device){ .ops = &console_ops, .host = host };
	c->look = (struct later_item){ .fn = first_look, .arg = c };
	err = console_mem_open(c, mem, mem_len);
	if (!err)
		err = console_pty_open(&c->pty, host->vm, cfg->log_path);
	if (err) {
		free(c);
		return err;
	}
	*out = &c->dev;
	return 0;
}
