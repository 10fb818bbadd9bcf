/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The xenstore side of the devices of one guest: nodes, states, handshake.  The daemon is the backend at the
 * normal path /local/domain/0/backend/TYPE/D/ID; dom0's kernel takes a backend directory only when its state
 * is 1, which is never written here.
 *
 * Primary: bus_open -> add(XENDEV_NEW) for each device -> [connect callback] -> ... -> bus_close.
 * Daemon restart: add(XENDEV_REATTACH): nodes are as they were; no connect callback for a device whose
 * backend state is 4 (its config is in the device's memory), the handshake goes on for others. Standby:
 * add(XENDEV_PASSIVE) to the shell, xendev_mirror() as epochs say, xendev_activate() at promotion.
 */
#ifndef KEMARI_XENSTORE_XENDEV_H
#define KEMARI_XENSTORE_XENDEV_H

#include <stdbool.h>
#include <stdint.h>

#include "device.h"

struct vm_disk;
struct vm_nic;
struct xsconn;
struct xendev_bus;
struct xendev;

/* The same on both hosts by construction: never derived from a host's CPUs. */
#define XENDEV_MAX_QUEUES 4U
#define XENDEV_MAX_RING_ORDER 4U
#define XENDEV_MAX_INDIRECT 256U

/* What a vbd backend says of its disk when it connects; a vif has nothing to say. */
struct xendev_disk_info {
	uint64_t sectors; /* of 512 bytes, whatever sector_size is */
	uint32_t sector_size;
	uint32_t physical_sector_size;
	bool readonly;
	bool flush;
	bool discard;
	uint32_t discard_granularity; /* bytes */
	uint32_t discard_alignment;
};

enum xendev_why {
	XENDEV_BY_GUEST,     /* frontend went to Closing/Closed: drain, disconnect, then xendev_stopped() */
	XENDEV_BY_TOOLSTACK, /* somebody wrote backend state 5.  Domain paused, shut down or dying (xl
			      * destroy): drop held outputs, disconnect and call xendev_stopped() within a
			      * second.  Else it is xl block-detach: do nothing, the frontend answers and
			      * BY_GUEST follows. */
};

struct xendev_ops {
	/*
	 * The frontend published its rings.  The device connects them (device_ops.connect) and, a vbd, fills
	 * info.  On 0 the backend's keys and state 4 are written in one transaction; on a negative errno the
	 * reason goes to the backend's error node and the handshake waits for the frontend's next change.
	 * Must not remove x; closing may.
	 */
	int (*connect)(void *arg, struct xendev *x, const struct device_cfg *cfg,
		       struct xendev_disk_info *info);
	void (*closing)(void *arg, struct xendev *x, enum xendev_why why);
};

struct xendev_bus_ops {
	/* A device of this guest that is not ours (xl block-attach ...): path of its directory.  Once for
	 * each. */
	void (*foreign)(void *arg, const char *path);
};

/* vm must live as long as the bus.  Add the devices before returning to the loop, else they look foreign. */
int xendev_bus_open(struct xsconn *xs, uint32_t domid, const char *vm, const struct xendev_bus_ops *ops,
		    void *arg, struct xendev_bus **out);
/* Closes what is left of its devices, too; xenstore is left as it is. */
void xendev_bus_close(struct xendev_bus *bus); /* NULL ok */

enum xendev_mode { XENDEV_NEW, XENDEV_REATTACH, XENDEV_PASSIVE };

/* Writes the nodes (one transaction) unless they are there in REATTACH, and watches.  Callbacks come from the
 * loop. */
int xendev_add_disk(struct xendev_bus *bus, const struct vm_disk *disk, enum xendev_mode mode,
		    const struct xendev_ops *ops, void *arg, struct xendev **out);
int xendev_add_nic(struct xendev_bus *bus, const struct vm_nic *nic, enum xendev_mode mode,
		   const struct xendev_ops *ops, void *arg, struct xendev **out);
/* Stops watching; xenstore is left as it is. */
void xendev_remove(struct xendev *x); /* NULL ok */

/* The device answers that it is stopped: backend state 6 (and ready for a new handshake if still online). */
void xendev_stopped(struct xendev *x);

/*
 * PASSIVE only, any number of times, cheap when nothing changed: makes the backend directory look as on the
 * primary (connected: state 4 and the keys of info; else state 2).  The frontend's keys come with the guest's
 * tree.
 */
int xendev_mirror(struct xendev *x, bool connected, const struct xendev_disk_info *info);
/* Promotion: from now on frontend changes are acted upon.  No handshake for a connected device. */
int xendev_activate(struct xendev *x);

/* The reverse, when the guest runs elsewhere from now on: the frontend's nodes are mirrored ones again. */
void xendev_passivate(struct xendev *x);

const char *xendev_path(const struct xendev *x); /* the backend's directory, for messages */

#endif /* KEMARI_XENSTORE_XENDEV_H */
