/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The primary's eye on its stopped guest.  One epoch is
 *
 *   hidden state, timers first -> HVM context -> harvest -> devices, xenstore -> dirty pages
 *
 * of which Xen does the first three in one operation that stops the guest,
 * and lies ready to send in one of a few buffers.  The order is doc/hypervisor.md's; pages that Xen or a
 * backend writes without a dirty mark are pinned on the hot list.  Nothing is allocated after capture_open.
 *
 * Returns are 0 or a negative errno with one message logged, unless said otherwise.
 */
#ifndef KEMARI_CAPTURE_CAPTURE_H
#define KEMARI_CAPTURE_CAPTURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "apply/ram.h"
#include "device.h"

struct capture;
struct guest_tree;
struct hvop;
struct xc_interface_core;
struct record_writer;

struct capture_cfg {
	const char *vm;
	const char *run_dir; /* of the daemon */
	uint32_t domid;
	struct hvop *hv;
	struct xc_interface_core *xc;
	struct ram *ram; /* borrowed */
	uint64_t memory_kb;
	uint64_t store_gfn; /* the guest's xenstore page */
	uint64_t console_gfn;
	void *mem; /* capture_mem_size() bytes of the memory file, zeroed for a new VM */
	size_t mem_len;
	bool area;	      /* Xen may take epochs by itself: capture_leave() */
	size_t epoch_bytes;   /* the largest epoch */
	unsigned int buffers; /* epochs that may be under way at once */
	uint32_t bell;	      /* dom0's port that Xen raises when much is dirty: capture_dirty() */
	bool promoted;	      /* the guest has not run here, the peer has all that the memory is now */
};

size_t capture_mem_size(uint64_t memory_kb, size_t epoch_bytes);

/*
 * Maps what it needs, switches dirty logging on, and takes up what the daemon before us had not sent: all
 * pages, if it died in a harvest.  Of a promoted guest every page is protected, and clean;
 * should that fail, the guest may run all the same, and no epoch comes before a copy anew.
 */
int capture_open(const struct capture_cfg *cfg, struct capture **out);
/* Switches dirty logging off, unless keep (the next daemon goes on).  NULL ok. */
void capture_close(struct capture *c, bool keep);
/*
 * The guest is stopped, and what is here becomes a copy: nothing of it is dirty.  capture_close() with keep
 * comes next.
 */
void capture_forget(struct capture *c);

struct capture_request {
	uint64_t g, epoch, base;
	bool stopped;  /* in: the guest is, already; out: it is now, whatever capture_take() returns */
	bool anywhere; /* also where it has interrupts off: it stands in the hypercall of an event, not in a
			  handler */
	struct device *const *devices;
	unsigned int nr_devices;
	struct guest_tree *tree; /* NULL: the guest has no xenstore yet */
	bool verify;		 /* keep what reference.h needs */
	bool fired; /* of what Xen has taken: capture_enter() said so.  The guest runs, or a tap has stopped
		       it */
};

/* The least .epoch_bytes: the whole hot list, what a bulk copy leaves, and a quarter for more. */
#define CAPTURE_MIN_EPOCH (16U << 20)

/* Times in ns, of one epoch. */
struct capture_times {
	uint64_t stop, state, context, harvest, devices, copy;
};

struct capture_epoch {
	uint64_t epoch;
	uint8_t *buf; /* not sealed yet (wire/writer.h) */
	size_t len;
	uint64_t pages;	 /* in it */
	uint64_t dirty;	 /* of the harvest */
	uint64_t hot;	 /* members of the hot list that were compared */
	uint64_t cpu;	 /* CPU time of the guest so far, ns */
	uint64_t paused; /* how long Xen had stopped the guest, ns; 0: it is stopped by the caller */
	struct capture_times times;
	bool busy;
	void *owner; /* of the caller */
};

/*
 * Stops the guest (xc_domain_unpause() undoes it) outside of its interrupt handlers: stopped in one it finds
 * its next timer late, and says so in its log.  -EAGAIN: it is in one and runs on, come back.  A handler that
 * never ends does not keep an epoch away.
 */
int capture_stop(struct capture *c);
/*
 * Between leave and enter Xen may take an epoch by itself, if that is wanted, when the guest sends on a
 * channel tapped for that (XEN_KEMARI_TAP_checkpoint); rings, grants and the state of devices are not touched
 * there, nor is any command given. Both do nothing where there is no area.
 *
 * capture_enter(): true: one was taken, which is for the next capture_take() with .fired, until
 * capture_leave(). capture_fired_page(): its copy of a ring page, NULL: none.  *stopped: the tap has left the
 * guest stopped, and hvop_tap_resume() lets it run on, after capture_take() or capture_absorb().
 */
bool capture_enter(struct capture *c, bool *stopped);
void capture_leave(struct capture *c, bool wanted);
const void *capture_fired_page(const struct capture *c, uint32_t ref);
/* No epoch is made of it: its pages are due. */
void capture_absorb(struct capture *c);
/*
 * Stops the guest as capture_stop(), if it is not yet.  *out stays until capture_sent().  -EAGAIN without a
 * message: the guest runs in an interrupt handler, or is in the middle of a xenstore message; let it run on a
 * little. -ENOBUFS: too many pages for an epoch, which a bulk copy carries.  -EBUSY: no buffer is free.
 * -ESTALE, with .fired: what Xen has copied is not all that an epoch needs now.
 */
int capture_take(struct capture *c, struct capture_request *rq, struct capture_epoch **out);
/* The bytes are not needed any more. */
void capture_sent(struct capture *c, struct capture_epoch *e);

/* The standby has everything up to epoch. */
void capture_acked(struct capture *c, uint64_t epoch);
/* The link broke: what is not acked goes with the next epoch. */
void capture_lost(struct capture *c);

/* Pages that the next epoch would carry, about; cheap.  The bell is raised when they have grown to be limit.
 */
uint64_t capture_dirty(struct capture *c, uint64_t limit);
/* CPU time of the guest so far, ns. */
uint64_t capture_cpu_time(struct capture *c);

/* ---- bulk copy: the guest runs ---- */

struct capture_bulk {
	uint32_t round; /* 1, 2, ... */
	uint64_t sent;	/* pages, all rounds */
	uint64_t left;	/* pages of this round */
	bool outrun; /* the guest writes faster than rounds carry: it has to stand still for this last one */
};

/* Marks every page as unsent. */
int capture_bulk_begin(struct capture *c);
/*
 * Appends pages to w until it is full or the round is at its end.  Between rounds the guest stops for a
 * harvest. 1: go on; 0: converged, the rest fits one epoch; -EAGAIN: as capture_stop(), w is empty.
 * Before it is called with .outrun set, the caller stops the guest, outside of an interrupt handler.
 */
int capture_bulk_next(struct capture *c, struct record_writer *w);
const struct capture_bulk *capture_bulk_state(const struct capture *c);

/* The page of a gfn, NULL: nothing there. */
const void *capture_page(const struct capture *c, uint64_t gfn);

#endif /* KEMARI_CAPTURE_CAPTURE_H */
