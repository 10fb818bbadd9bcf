/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What every device backend offers to its VM, and what it may ask of it.  One thread: every function runs
 * on the main loop, so a capture never falls into the middle of one.
 *
 * Life of a device: create -> connect (frontend published its rings) -> run -> quiesce -> disconnect.
 * On a standby: create -> restore (each epoch) -> connect at promotion, which resubmits what restore
 * left in flight -> run.
 *
 * State that must outlive the daemon lies in `mem`, a piece of the VM's memory file (lib/memfile.h): plain
 * data, no pointers.  A freshly created VM has it zeroed.  A restarted daemon finds it as it was.
 *
 * Output commit (G1): whatever leaves the host is stamped with host->ops->open_epoch() after the guest's
 * req_prod was read, and held until release(dev, epoch) with epoch >= stamp.
 *
 * A device may tell the guest that something lasts which is still to be done (owed): then it belongs to the
 * device's state, and what other devices let out waits for it, as far as durable() says.
 */
#ifndef KEMARI_DEVICE_H
#define KEMARI_DEVICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct device;
struct device_host;
struct guest;
struct later;
struct qb_loop;

struct device_host_ops {
	/*
	 * Around all that a device does to rings or to its state in a callback of the loop's, but in those of
	 * the guest's events: nobody takes an epoch meanwhile.  The device may be gone after leave().
	 */
	void (*enter)(struct device_host *h);
	void (*leave)(struct device_host *h);
	/* The epoch that a capture made now would have: the stamp of an output. */
	uint64_t (*open_epoch)(struct device_host *h);
	/* Says that an output waits.  urgent: the ring is running full, do not batch. */
	void (*output_held)(struct device_host *h, struct device *dev, bool urgent);
	/* A write was answered that is owed to the disk.  urgent: there is hardly room for more. */
	void (*write_owed)(struct device_host *h, struct device *dev, bool urgent);
	/* durable() of the device has grown, or nothing is owed any more. */
	void (*settled)(struct device_host *h, struct device *dev);
	/* restore(): the page of dev's that came last with that number, NULL: none did. */
	const void *(*page)(struct device_host *h, const struct device *dev, uint32_t index);
	/* False: outputs of dev need no commit now (unprotected, with the right to run so). */
	bool (*must_hold)(struct device_host *h, const struct device *dev);
	/* Everything that quiesce waited for is done. */
	void (*quiesced)(struct device_host *h, struct device *dev);
	/*
	 * The host fails the device, requests wait for it (why: one sentence), or no longer (NULL).  The
	 * device must not be taken apart in it.
	 */
	void (*trouble)(struct device_host *h, struct device *dev, const char *why);
	/* The device cannot go on (a broken guest ring, a dead disk); why is one sentence. */
	void (*failed)(struct device_host *h, struct device *dev, const char *why);
};

struct device_host {
	const struct device_host_ops *ops;
	const char *vm;	      /* name, for messages */
	struct guest *guest;  /* NULL while no domain */
	struct qb_loop *loop; /* where to put descriptors and timers */
	struct later *later;  /* work for its next turn */
};

/* What the frontend published (xenstore), already checked to be numbers in range. */
#define DEVICE_MAX_QUEUES 16
#define DEVICE_MAX_RING_PAGES 16

struct device_queue_cfg {
	uint32_t ring_ref[DEVICE_MAX_RING_PAGES]; /* block; net: [0] tx, [1] rx */
	uint32_t nr_ring_pages;
	uint32_t evtchn;    /* block, console; net: tx, or both */
	uint32_t evtchn_rx; /* net with split channels, else 0 */
};

struct device_cfg {
	uint32_t nr_queues;
	struct device_queue_cfg queue[DEVICE_MAX_QUEUES];
	uint32_t features; /* of the frontend, device specific bits */
};

/* Pages that belong to a device's state beside its snapshot: numbered from 0. */
#define DEVICE_MAX_PAGES 256U
typedef int (*device_page_fn)(void *arg, uint32_t index, const void *page);

struct device_ops {
	const char *type; /* "vbd", "vif", "console" */
	/* Attaches to the rings.  What is in flight in `mem` is submitted again. */
	int (*connect)(struct device *dev, const struct device_cfg *cfg);
	/* Detaches: unmaps, unbinds.  Only after quiesce, or when the guest is gone. */
	void (*disconnect)(struct device *dev);
	/* Stops consuming; host->ops->quiesced() when no I/O of ours is under way.  thaw undoes it. */
	void (*quiesce)(struct device *dev);
	void (*thaw)(struct device *dev);
	/* quiesce(), but host->ops->quiesced() not before all that is owed is done, too.  NULL: nothing ever
	 * is. */
	void (*drain)(struct device *dev);
	/*
	 * An epoch was taken a moment ago, and nothing was consumed since: what the guest had in its rings at
	 * that instant is to be output of it, of ours, so that a snapshot says that nobody else has to put it
	 * out.  page(arg, ref) is the ring's page as it was then, NULL: not known.  catch_up() comes behind
	 * the snapshot; epoch 0: none came of it. Returns how many outputs, which host->ops->output_held() is
	 * not told of.  Both may be NULL.
	 */
	void (*cut)(struct device *dev, const void *(*page)(void *arg, uint32_t ref), void *arg);
	unsigned int (*catch_up)(struct device *dev, uint64_t epoch);
	/* Outputs stamped <= epoch may leave. */
	void (*release)(struct device *dev, uint64_t epoch);
	/* Held outputs stamped > epoch are dropped (the copy elsewhere continues from epoch). */
	void (*discard)(struct device *dev, uint64_t epoch);
	/* Device state of this instant (in-flight table, ring indexes, committed unreleased output, cfg).
	 * Returns the bytes written, -ENOBUFS if cap is too small. */
	long (*snapshot)(struct device *dev, void *buf, size_t cap);
	/*
	 * Calls fn for each page that the snapshot taken now, for epoch, needs and that epochs up to base (0:
	 * none) have not brought.  Ends with fn's error.  May be NULL: it has none.
	 */
	int (*each_page)(struct device *dev, uint64_t epoch, uint64_t base, device_page_fn fn, void *arg);
	/*
	 * Takes over a snapshot of the primary, and the pages that it needs (host->ops->page()); checks all
	 * of it first (-EBADMSG: nothing changed).
	 */
	int (*restore)(struct device *dev, const void *buf, size_t len);
	/*
	 * What other devices have stamped above it must not leave: the guest was told that something lasts
	 * which does not yet.  UINT64_MAX: nothing such.  May be NULL.
	 */
	uint64_t (*durable)(const struct device *dev);
	/* The guest was told that it is done, and it is not yet.  May be NULL: never. */
	bool (*owes)(const struct device *dev);
	/* The cfg of the last connect or restore; false: never connected. */
	bool (*config)(const struct device *dev, struct device_cfg *cfg);
	/* gfn-less pages that the backend writes without a dirty mark: refs of the mapped rings. */
	unsigned int (*ring_refs)(const struct device *dev, uint32_t *refs, unsigned int max);
	/* Announces itself after a promotion (the MAC); may be NULL. */
	void (*announce)(struct device *dev);
	void (*destroy)(struct device *dev);
};

struct device {
	const struct device_ops *ops;
	struct device_host *host;
	uint32_t id; /* virtual-device, handle, 0 */
};

static inline void device_enter(const struct device *dev)
{
	dev->host->ops->enter(dev->host);
}

static inline void device_leave(const struct device *dev)
{
	dev->host->ops->leave(dev->host);
}

#endif /* KEMARI_DEVICE_H */
