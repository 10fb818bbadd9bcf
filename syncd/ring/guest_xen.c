/* SPDX-License-Identifier: GPL-2.0-only */
#include "ring/guest_xen.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <qb/qbloop.h>
#include <xenctrl.h>
#include <xenevtchn.h>
#include <xengnttab.h>

#include "lib/hvop.h"
#include "lib/log.h"

/* No port is so large. */
#define NO_REMOTE UINT32_MAX
/* Pieces handed to gntdev at once; it makes hypercalls of 16 out of them. */
#define COPY_BATCH 128

/* The longest ring: 16 pages (blkif, order 4). */
#define MAX_MAP_REFS 16

/* Events served in one callback, so that a guest that notifies without end leaves the loop its turn. */
#define EVENT_BUDGET 16

struct binding {
	int port;	      /* local, -1: free */
	uint32_t remote_port; /* NO_REMOTE: a bell */
	uint32_t serial;
	bool speaks;
	void (*cb)(void *arg);
	void *arg;
};

struct mapping {
	void *pages; /* NULL: free */
	unsigned int nr;
};

struct guest_xen {
	struct guest guest; /* first: the ops cast */
	struct qb_loop *loop;
	xenevtchn_handle *xce;
	xengnttab_handle *xgt;
	struct binding *binding;
	unsigned int nr_bindings;
	uint32_t serial;
	struct hvop *tapper; /* NULL: channels are not tapped */
	struct guest_xen_taps taps;
	void (*watch)(void *arg, enum guest_xen_moment moment);
	void *watch_arg;
	struct mapping *mapping;
	unsigned int nr_mappings;
	xengnttab_grant_copy_segment_t seg[COPY_BATCH];
};

static struct guest_xen *to_xen(struct guest *g)
{
	return (struct guest_xen *)g;
}

static struct mapping *free_mapping(struct guest_xen *x)
{
	struct mapping *m;
	unsigned int i;

	for (i = 0; i < x->nr_mappings; i++)
		if (!x->mapping[i].pages)
			return &x->mapping[i];
	m = reallocarray(x->mapping, x->nr_mappings + 1, sizeof(*m));
	if (!m)
		return NULL;
	x->mapping = m;
	m = &x->mapping[x->nr_mappings++];
	memset(m, 0, sizeof(*m));
	return m;
}

static int xen_map(struct guest *g, const uint32_t *refs, unsigned int nr, void **pages)
{
	struct guest_xen *x = to_xen(g);
	uint32_t copy[MAX_MAP_REFS];
	struct mapping *m;

	if (nr == 0 || nr > MAX_MAP_REFS)
		return -EINVAL;
	m = free_mapping(x);
	if (!m)
		return -ENOMEM;
	memcpy(copy, refs, nr * sizeof(*refs));
	m->pages = xengnttab_map_domain_grant_refs(x->xgt, nr, g->domid, copy, PROT_READ | PROT_WRITE);
	if (!m->pages)
		return errno ? -errno : -EIO;
	m->nr = nr;
	*pages = m->pages;
	return 0;
}

static void xen_unmap(struct guest *g, void *pages, unsigned int nr)
{
	struct guest_xen *x = to_xen(g);
	unsigned int i;

	for (i = 0; i < x->nr_mappings; i++)
		if (x->mapping[i].pages == pages) {
			if (xengnttab_unmap(x->xgt, pages, nr) != 0)
				kem_err("domain %u: cannot unmap %u pages: %s", g->domid, nr,
					strerror(errno));
			x->mapping[i].pages = NULL;
			return;
		}
}

static int grant_errno(int16_t status)
{
	switch (status) {
	case GNTST_okay:
		return 0;
	case GNTST_bad_gntref:
		return -ENOENT;
	case GNTST_permission_denied:
		return -EACCES;
	case GNTST_eagain:
		return -EAGAIN;
	default:
		return -EFAULT;
	}
}

static void fill_segment(xengnttab_grant_copy_segment_t *s, const struct guest_copy *c, uint32_t domid,
			 bool from)
{
	union xengnttab_copy_ptr *theirs = from ? &s->source : &s->dest, *ours = from ? &s->dest : &s->source;

	theirs->foreign.ref = c->ref;
	theirs->foreign.offset = c->offset;
	theirs->foreign.domid = domid;
	ours->virt = c->local;
	s->len = c->len;
	s->flags = from ? GNTCOPY_source_gref : GNTCOPY_dest_gref;
	s->status = GNTST_okay;
}

/* Up to COPY_BATCH pieces.  A failure of the call itself leaves unknown what was copied: all of them failed.
 */
static int copy_batch(struct guest_xen *x, struct guest_copy *c, unsigned int nr, bool from)
{
	unsigned int i;
	int rc = 0;

	for (i = 0; i < nr; i++)
		fill_segment(&x->seg[i], &c[i], x->guest.domid, from);
	if (xengnttab_grant_copy(x->xgt, nr, x->seg) != 0)
		rc = errno ? -errno : -EIO;
	for (i = 0; i < nr; i++)
		c[i].status = rc ? rc : grant_errno(x->seg[i].status);
	for (i = 0; i < nr && !rc; i++)
		if (c[i].status)
			rc = -EFAULT;
	return rc ? -EFAULT : 0;
}

static int copy_all(struct guest *g, struct guest_copy *c, unsigned int nr, bool from)
{
	int rc = 0;

	while (nr) {
		unsigned int n = nr < COPY_BATCH ? nr : COPY_BATCH;

		if (copy_batch(to_xen(g), c, n, from))
			rc = -EFAULT;
		c += n;
		nr -= n;
	}
	return rc;
}

static int xen_copy_from(struct guest *g, struct guest_copy *c, unsigned int nr)
{
	return copy_all(g, c, nr, true);
}

static int xen_copy_to(struct guest *g, struct guest_copy *c, unsigned int nr)
{
	return copy_all(g, c, nr, false);
}

static struct binding *find_binding(struct guest_xen *x, int port)
{
	unsigned int i;

	for (i = 0; i < x->nr_bindings; i++)
		if (x->binding[i].port == port)
			return &x->binding[i];
	return NULL;
}

/* One that is not tapped is not served worse, but later. */
static int tap(struct guest_xen *x, struct hvop *hv, const struct binding *b)
{
	uint32_t mode = b->speaks ? x->taps.speaking : x->taps.others;
	int rc = b->remote_port == NO_REMOTE ? 0 : hvop_tap_set(hv, x->guest.domid, b->remote_port, mode, 0);

	/* those: it is gone already, or there was none */
	return !mode && (rc == -ENOENT || rc == -EINVAL) ? 0 : rc;
}

static void watched(struct guest_xen *x, enum guest_xen_moment moment)
{
	if (x->watch)
		x->watch(x->watch_arg, moment);
}

static struct binding *new_binding(struct guest_xen *x)
{
	struct binding *b = find_binding(x, -1);

	if (b)
		return b;
	b = reallocarray(x->binding, x->nr_bindings + 1, sizeof(*b));
	if (!b)
		return NULL;
	x->binding = b;
	b = &x->binding[x->nr_bindings++];
	b->port = -1;
	return b;
}

/* port: as libxenevtchn gave it. */
static int set_binding(struct guest_xen *x, struct binding *b, int port, uint32_t remote_port,
		       void (*cb)(void *arg), void *arg)
{
	if (port < 0)
		return errno ? -errno : -EIO;
	*b = (struct binding){
		.port = port, .remote_port = remote_port, .serial = ++x->serial, .cb = cb, .arg = arg
	};
	return port;
}

static int xen_bind(struct guest *g, uint32_t remote_port, void (*cb)(void *arg), void *arg)
{
	struct guest_xen *x = to_xen(g);
	struct binding *b = new_binding(x);
	int port;

	if (!b)
		return -ENOMEM;
	port = set_binding(x, b, xenevtchn_bind_interdomain(x->xce, g->domid, remote_port), remote_port, cb,
			   arg);
	if (port >= 0 && x->tapper && x->taps.others)
		tap(x, x->tapper, b);
	return port;
}

static void xen_speaks(struct guest *g, int local_port)
{
	struct guest_xen *x = to_xen(g);
	struct binding *b = find_binding(x, local_port);

	if (!b || local_port < 0)
		return;
	b->speaks = true;
	if (x->tapper)
		tap(x, x->tapper, b);
}

static void xen_unbind(struct guest *g, int local_port)
{
	struct guest_xen *x = to_xen(g);
	struct binding *b = find_binding(x, local_port);

	if (!b || local_port < 0)
		return;
	b->port = -1;
	if (xenevtchn_unbind(x->xce, local_port) != 0)
		kem_err("domain %u: cannot unbind event channel %d: %s", g->domid, local_port,
			strerror(errno));
	if (x->tapper)
		watched(x, GUEST_XEN_UNBOUND);
}

static int xen_notify(struct guest *g, int local_port)
{
	return xenevtchn_notify(to_xen(g)->xce, local_port) == 0 ? 0 : -errno;
}

/* Serves one port; true: it is to be unmasked.  The callback may have unbound it, and the number be in use
 * again. */
static bool serve_port(struct guest_xen *x, evtchn_port_t port)
{
	struct binding *b = find_binding(x, (int)port);
	uint32_t serial;

	if (!b)
		return false; /* read just before it was unbound */
	serial = b->serial;
	b->cb(b->arg);
	b = find_binding(x, (int)port);
	return b && b->serial == serial;
}

/*
 * Ports stay masked while their callbacks run.  All that are pending are read, and unmasked, at once: the
 * device takes and gives arrays of ports (xen/evtchn.h of Linux), libxenevtchn one at a time.
 */
static int32_t events_ready(int32_t fd, int32_t revents, void *data)
{
	struct guest_xen *x = data;
	evtchn_port_t port[EVENT_BUDGET], served[EVENT_BUDGET];
	ssize_t n = read(fd, port, sizeof(port));
	size_t nr = 0;

	watched(x, GUEST_XEN_EVENTS);
	for (ssize_t i = 0; i < n / (ssize_t)sizeof(port[0]); i++)
		if (serve_port(x, port[i]))
			served[nr++] = port[i];
	if (nr && write(fd, served, nr * sizeof(served[0])) != (ssize_t)(nr * sizeof(served[0])))
		kem_err("domain %u: cannot unmask event channels: %s", x->guest.domid, strerror(errno));
	watched(x, GUEST_XEN_SERVED);
	return 0;
}

static const struct guest_ops guest_xen_ops = {
	.map = xen_map,
	.unmap = xen_unmap,
	.copy_from = xen_copy_from,
	.copy_to = xen_copy_to,
	.bind = xen_bind,
	.unbind = xen_unbind,
	.speaks = xen_speaks,
	.notify = xen_notify,
};

int guest_xen_open(uint32_t domid, struct qb_loop *loop, struct guest **out)
{
	struct guest_xen *x = calloc(1, sizeof(*x));
	int rc;

	if (!x)
		return -ENOMEM;
	x->guest.ops = &guest_xen_ops;
	x->guest.domid = domid;
	x->loop = loop;
	x->xce = xenevtchn_open(NULL, 0);
	if (!x->xce) {
		rc = -errno;
		kem_err("domain %u: cannot open /dev/xen/evtchn: %s", domid, strerror(-rc));
		goto free;
	}
	if (fcntl(xenevtchn_fd(x->xce), F_SETFL, O_NONBLOCK)) {
		rc = -errno;
		goto close_evtchn;
	}
	x->xgt = xengnttab_open(NULL, 0);
	if (!x->xgt) {
		rc = -errno;
		kem_err("domain %u: cannot open /dev/xen/gntdev: %s", domid, strerror(-rc));
		goto close_evtchn;
	}
	rc = qb_loop_poll_add(loop, QB_LOOP_HIGH, xenevtchn_fd(x->xce), POLLIN, x, events_ready);
	if (rc) {
		kem_err("domain %u: cannot watch event channels: %s", domid, strerror(-rc));
		goto close_gnttab;
	}
	*out = &x->guest;
	return 0;

close_gnttab:
	xengnttab_close(x->xgt);
close_evtchn:
	xenevtchn_close(x->xce);
free:
	free(x);
	return rc;
}

int guest_xen_tap(struct guest *g, struct hvop *hv, const struct guest_xen_taps *taps)
{
	struct guest_xen *x = to_xen(g);
	int first = 0;

	x->taps = *taps;
	x->tapper = taps->speaking || taps->others ? hv : NULL;
	for (unsigned int i = 0; i < x->nr_bindings; i++) {
		int rc = x->binding[i].port >= 0 ? tap(x, hv, &x->binding[i]) : 0;

		first = first ? first : rc;
	}
	return first;
}

int guest_xen_bell(struct guest *g, void (*cb)(void *arg), void *arg)
{
	struct guest_xen *x = to_xen(g);
	struct binding *b = new_binding(x);

	if (!b)
		return -ENOMEM;
	return set_binding(x, b, xenevtchn_bind_unbound_port(x->xce, DOMID_SELF), NO_REMOTE, cb, arg);
}

void guest_xen_watch(struct guest *g, void (*fn)(void *arg, enum guest_xen_moment moment), void *arg)
{
	struct guest_xen *x = to_xen(g);

	x->watch = fn;
	x->watch_arg = arg;
}

void guest_xen_close(struct guest *g)
{
	struct guest_xen *x = to_xen(g);
	unsigned int i;

	if (!g)
		return;
	qb_loop_poll_del(x->loop, xenevtchn_fd(x->xce));
	xenevtchn_close(x->xce); /* the kernel unbinds the ports, a dead domain's too */
	for (i = 0; i < x->nr_mappings; i++)
		if (x->mapping[i].pages)
			xengnttab_unmap(x->xgt, x->mapping[i].pages, x->mapping[i].nr);
	xengnttab_close(x->xgt);
	free(x->mapping);
	free(x->binding);
	free(x);
}
