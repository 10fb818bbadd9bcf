/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How a backend reaches its guest: ring pages, data pages, event channels.  The real one
 * (guest_xen_open) stands on xengnttab and xenevtchn; unit tests put a fake behind the same table.
 *
 * All functions return 0 or a negative errno unless said otherwise.
 */
#ifndef KEMARI_RING_GUEST_H
#define KEMARI_RING_GUEST_H

#include <stdbool.h>
#include <stdint.h>

#define GUEST_PAGE_SIZE 4096U

/* One piece of a grant copy; never crosses a page of the guest. */
struct guest_copy {
	uint32_t ref;	 /* grant reference of the guest's page */
	uint16_t offset; /* in that page */
	uint16_t len;	 /* offset + len <= 4096 */
	void *local;	 /* len bytes of ours */
	int16_t status;	 /* out: 0 or negative errno */
};

struct guest;

struct guest_ops {
	/* Maps nr grant refs, in order, as one writable range.  *pages is valid until unmap. */
	int (*map)(struct guest *g, const uint32_t *refs, unsigned int nr, void **pages);
	void (*unmap)(struct guest *g, void *pages, unsigned int nr);
	/* Marks what it writes dirty, as the harvest needs.  Returns -EFAULT if any piece failed. */
	int (*copy_from)(struct guest *g, struct guest_copy *c, unsigned int nr);
	int (*copy_to)(struct guest *g, struct guest_copy *c, unsigned int nr);
	/* Binds the guest's unbound port; cb(arg) runs from the main loop when the guest notifies.
	 * Returns the local port (>= 0). */
	int (*bind)(struct guest *g, uint32_t remote_port, void (*cb)(void *arg), void *arg);
	void (*unbind)(struct guest *g, int local_port);
	/* With what it says there the guest puts something out: worth an epoch of its own. */
	void (*speaks)(struct guest *g, int local_port);
	int (*notify)(struct guest *g, int local_port);
};

struct guest {
	const struct guest_ops *ops;
	uint32_t domid;
};

#endif /* KEMARI_RING_GUEST_H */
