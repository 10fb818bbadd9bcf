/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The area that Xen and a guest's daemon share: checkpoints that Xen takes by itself when the guest sends on
 * a tapped channel (XEN_KEMARI_TAP_checkpoint).  One checkpoint at a time is in it.
 *
 * Whoever is the guest's backends holds Xen off while he touches rings, grants or the state of a device:
 *
 *	if (hvarea_enter(a)) {
 *		hvarea_read(a, &taken);
 *		... first of all each device's snapshot, of one that has consumed nothing since
 *		... take over list, copies and record; the rest of the list, if any, by hand
 *		hvarea_done(a);
 *		if (taken.stopped)
 *			hvop_tap_resume(...);
 *	}
 *	... rings
 *	hvarea_leave(a);
 *
 * The order of the two barriers is described in doc/hypervisor.md.  Of one thread at a time.
 */
#ifndef KEMARI_LIB_HVAREA_H
#define KEMARI_LIB_HVAREA_H

#include "hvop.h"

struct xenforeignmemory_handle;

struct hvarea;

struct hvarea_taken {
	struct hvop_checkpoint cp; /* .dirty.nr: the whole list */
	int result;		   /* an error: nothing was taken, the guest is stopped */
	uint64_t sequence;	   /* of this area's checkpoints, from 1 */
	uint32_t port;		   /* of the guest's, whose event it was */
	bool stopped;		   /* hvop_tap_resume() is wanted */
	uint32_t nr_done;	   /* of the list: those that have a copy, pinned ones or one of their own */
	uint32_t nr_copies;
	uint32_t nr_pinned;   /* of the copies, in front */
	const uint64_t *gfns; /* of each copy; with XEN_KEMARI_NO_FRAME: there is no memory */
	const uint8_t *copies;
	uint64_t copy_ns, total_ns;
};

/*
 * Makes the area, in place of an earlier daemon's, and maps it: busy and not armed.  copies: frames that an
 * epoch may have without the guest being stopped until the daemon copied the rest.  The state's size is that
 * of the domctl's buffer.  0 or an error, with which there is none.
 */
int hvarea_open(struct hvarea **a, struct hvop *h, struct xenforeignmemory_handle *fmem, uint32_t domid,
		uint32_t copies);
/*
 * Of the area of a daemon that has died: fn(arg, ...) gets the list of a checkpoint that was taken and not
 * taken over, whose marks are nowhere else.  Before hvarea_open().  0; or an error, with which nobody knows
 * what was in it.
 */
int hvarea_recover(struct xenforeignmemory_handle *fmem, uint32_t domid,
		   void (*fn)(void *arg, const struct hvop_harvest *h), void *arg);
/* Unmaps it; Xen's side goes with hvop_disable() or the domain. */
void hvarea_close(struct hvarea *a);

/* While entered: from hvarea_leave() on a checkpoint is wanted of the next event, or not.  flags:
 * XEN_KEMARI_AREA_*. */
void hvarea_arm(struct hvarea *a, bool armed, uint32_t flags);

/* From here on Xen takes none; waits for one that is under way.  True: one was taken, and comes first. */
bool hvarea_enter(struct hvarea *a);
/* Of a checkpoint that was taken; all of it is in the area. */
void hvarea_read(const struct hvarea *a, struct hvarea_taken *out);
/* All that hvarea_read() gave is still of the same checkpoint; the area is cleared when the domain dies. */
bool hvarea_is_whole(const struct hvarea *a, const struct hvarea_taken *taken);
/* It is taken over: Xen may write to the area again, as soon as hvarea_leave(). */
void hvarea_done(struct hvarea *a);
/* Rings and devices are left alone from here on, until hvarea_enter(). */
void hvarea_leave(struct hvarea *a);

#endif /* KEMARI_LIB_HVAREA_H */
