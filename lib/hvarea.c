/* SPDX-License-Identifier: GPL-2.0-only */
#include "hvarea.h"

#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/mman.h>

#include <xenforeignmemory.h>

#define PAGE 4096U
/* Entries of the list: with more an epoch is harvested to its end by the daemon. */
#define LISTED 4096U

struct hvarea {
	struct xen_kemari_area *shared;
	xenforeignmemory_handle *fmem;
	xenforeignmemory_resource_handle *map;
};

/* He says that he works, then looks whether we are busy; we the other way round. */
static void enter(struct xen_kemari_area *s)
{
	__atomic_store_n(&s->busy, 1, __ATOMIC_RELAXED);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
}

static uint32_t wait_for_xen(const struct xen_kemari_area *s)
{
	uint32_t fired;

	/* It takes him a fraction of a millisecond, on another CPU or before us on this one. */
	while ((fired = __atomic_load_n(&s->fired, __ATOMIC_ACQUIRE)) == XEN_KEMARI_FIRED_working)
		sched_yield();
	return fired;
}

static struct xen_kemari_area *map(xenforeignmemory_handle *fmem, uint32_t domid, uint64_t size,
				   xenforeignmemory_resource_handle **res)
{
	void *at = NULL;

	*res = xenforeignmemory_map_resource(fmem, (domid_t)domid, XEN_KEMARI_resource, 0, 0,
					     (size + PAGE - 1) / PAGE, &at, PROT_READ | PROT_WRITE, 0);
	return *res ? at : NULL;
}

int hvarea_open(struct hvarea **out, struct hvop *h, xenforeignmemory_handle *fmem, uint32_t domid,
		uint32_t copies)
{
	struct hvarea *a = calloc(1, sizeof(*a));
	uint64_t size;
	int rc;

	if (!a)
		return -ENOMEM;
	rc = hvop_area_set(h, domid, copies, LISTED, HVOP_STATE_DEFAULT, &size);
	if (rc)
		goto fail;
	a->fmem = fmem;
	a->shared = map(fmem, domid, size, &a->map);
	if (!a->shared) {
		rc = -errno;
		goto fail;
	}
	a->shared->busy = 1;
	*out = a;
	return 0;
fail:
	free(a);
	return rc;
}

int hvarea_recover(xenforeignmemory_handle *fmem, uint32_t domid,
		   void (*fn)(void *arg, const struct hvop_harvest *h), void *arg)
{
	xenforeignmemory_resource_handle *res;
	struct xen_kemari_area *s = map(fmem, domid, PAGE, &res);
	struct hvop_harvest h;
	uint64_t size;

	if (!s)
		return -errno;
	size = s->copied;
	xenforeignmemory_unmap_resource(fmem, res);
	s = map(fmem, domid, size, &res);
	if (!s)
		return -errno;
	enter(s);
	if (wait_for_xen(s) == XEN_KEMARI_FIRED_taken && !s->result) {
		h = hvop_harvest_of((const void *)((const uint8_t *)s + s->list), s->nr_listed, s->out);
		fn(arg, &h);
	}
	xenforeignmemory_unmap_resource(fmem, res);
	return 0;
}

void hvarea_close(struct hvarea *a)
{
	if (!a)
		return;
	hvarea_enter(a);
	hvarea_arm(a, false, 0); /* nobody takes over what Xen would take */
	xenforeignmemory_unmap_resource(a->fmem, a->map);
	free(a);
}

void hvarea_arm(struct hvarea *a, bool armed, uint32_t flags)
{
	__atomic_store_n(&a->shared->flags, flags, __ATOMIC_RELAXED);
	__atomic_store_n(&a->shared->armed, armed, __ATOMIC_RELAXED);
}

bool hvarea_enter(struct hvarea *a)
{
	enter(a->shared);
	return wait_for_xen(a->shared) == XEN_KEMARI_FIRED_taken;
}

void hvarea_read(const struct hvarea *a, struct hvarea_taken *out)
{
	const struct xen_kemari_area *s = a->shared;
	const uint8_t *base = (const uint8_t *)s;
	const struct xen_kemari_checkpoint *head = (const void *)(base + s->record);

	*out = (struct hvarea_taken){
		.result = s->result,
		.sequence = s->sequence,
		.port = s->port,
		.stopped = s->stopped,
		.total_ns = s->total_ns,
	};
	if (s->result)
		return;
	out->cp = hvop_checkpoint_of(head, s->record_size);
	out->cp.harvest_ns = s->harvest_ns;
	out->cp.dirty = hvop_harvest_of((const void *)(base + s->list), s->nr_listed, s->out);
	out->nr_done = s->nr_done;
	out->nr_copies = s->nr_copied;
	out->nr_pinned = s->nr_pinned;
	out->gfns = (const void *)(base + s->copied);
	out->copies = base + s->copies;
	out->copy_ns = s->copy_ns;
}

bool hvarea_is_whole(const struct hvarea *a, const struct hvarea_taken *taken)
{
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	return __atomic_load_n(&a->shared->sequence, __ATOMIC_RELAXED) == taken->sequence;
}

void hvarea_done(struct hvarea *a)
{
	__atomic_store_n(&a->shared->fired, XEN_KEMARI_FIRED_no, __ATOMIC_RELEASE);
}

void hvarea_leave(struct hvarea *a)
{
	__atomic_store_n(&a->shared->busy, 0, __ATOMIC_RELEASE);
}
