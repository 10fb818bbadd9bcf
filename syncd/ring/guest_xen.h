/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The real struct guest (ring/guest.h): xengnttab for ring pages and data, xenevtchn for notifications.
 *
 * One evtchn handle and one gntdev handle per VM, so that closing them leaves nothing of the guest behind: a
 * page that stays mapped keeps a dead domain as a zombie and its domid taken.
 *
 * A bound port calls back from the main loop.  A callback may bind, unbind and notify any port of its guest,
 * its own included; it must not close the guest.  Right after a bind the callback runs once (Xen sets the
 * local port pending), so what was published while nobody was bound is seen.
 */
#ifndef KEMARI_RING_GUEST_XEN_H
#define KEMARI_RING_GUEST_XEN_H

#include <stdbool.h>

#include "ring/guest.h"

struct hvop;
struct qb_loop;

/* Opens the handles for domid; the domain need not exist yet.  0 or negative errno (one message). */
int guest_xen_open(uint32_t domid, struct qb_loop *loop, struct guest **out);

/* Modes of taps (XEN_KEMARI_TAP_*), 0: none. */
struct guest_xen_taps {
	uint32_t speaking; /* of channels on which the guest puts something out (ring/guest.h, speaks) */
	uint32_t others;
};

/* Taps all channels that are bound, and those that will be.  The first error, of those that could not be. */
int guest_xen_tap(struct guest *g, struct hvop *hv, const struct guest_xen_taps *taps);

/*
 * A port with nobody at its other end, which Xen raises where it is told to (hvop_watch_dirty()); cb as of
 * other ports. Returns the local port, for the guest's unbind, or a negative errno.
 */
int guest_xen_bell(struct guest *g, void (*cb)(void *arg), void *arg);

enum guest_xen_moment {
	GUEST_XEN_EVENTS,  /* there are some */
	GUEST_XEN_SERVED,  /* ... and their callbacks have run */
	GUEST_XEN_UNBOUND, /* a tapped channel is gone, and with it, perhaps, an event */
};

/* fn is told of each; NULL: nothing is. */
void guest_xen_watch(struct guest *g, void (*fn)(void *arg, enum guest_xen_moment moment), void *arg);

/* Unbinds and unmaps whatever is left; works on a domain that is gone.  NULL is fine. */
void guest_xen_close(struct guest *g);

#endif /* KEMARI_RING_GUEST_XEN_H */
