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

/*
 * on: taps all channels that are bound, and those that will be: the guest stops in the hypercall that
 * notifies one of them, until hvop_tap_resume().  The first error, of those that could not be.
 */
int guest_xen_tap(struct guest *g, struct hvop *hv, bool on);
/* fn comes before the callbacks of events, and when they are served; NULL: nothing does. */
void guest_xen_watch(struct guest *g, void (*fn)(void *arg, bool served), void *arg);

/* Unbinds and unmaps whatever is left; works on a domain that is gone.  NULL is fine. */
void guest_xen_close(struct guest *g);

#endif /* KEMARI_RING_GUEST_XEN_H */
