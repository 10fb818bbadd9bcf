/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The back end of a Xen ring (xen/io/ring.h): free running indexes in a 64 byte header, then a power of two
 * of slots which requests and responses share.  Serves blkif (one or more pages) and netif.
 *
 * The shared page is hostile: every field is read once, and only req_prod and rsp_event are ever read.  What
 * the backend owns (req_cons, rsp_prod) is kept privately.
 */
#ifndef KEMARI_RING_RING_H
#define KEMARI_RING_RING_H

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "ring/guest.h"

/* clang-format off */
#define READ_ONCE(x) (*(const volatile __typeof__(x) *)&(x))
#define WRITE_ONCE(x, val) (*(volatile __typeof__(x) *)&(x) = (val))
/* clang-format on */

/* Orders the compiler only: enough between a process and the memory file that survives it. */
static inline void ring_compiler_barrier(void)
{
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
}

/* Orders against the guest's vCPUs. */
static inline void ring_rmb(void)
{
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
}

static inline void ring_wmb(void)
{
	__atomic_thread_fence(__ATOMIC_RELEASE);
}

static inline void ring_mb(void)
{
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
}

/* As xen/io/ring.h lays it out. */
struct ring_shared {
	uint32_t req_prod;
	uint32_t req_event;
	uint32_t rsp_prod;
	uint32_t rsp_event;
	uint8_t pad[48];
	uint8_t slots[];
};
_Static_assert(sizeof(struct ring_shared) == 64, "ring_shared");

struct ring_back {
	struct ring_shared *shared;
	uint32_t size;	    /* slots, a power of two */
	uint32_t slot_size; /* bytes */
	uint32_t req_cons;
	uint32_t rsp_prod; /* responses written; published by ring_publish() */
	uint32_t rsp_pub;  /* responses published */
};

/* Slots of slot_size bytes that fit nr_pages (>= 1), rounded down to a power of two. */
static inline uint32_t ring_slots(unsigned int nr_pages, uint32_t slot_size)
{
	uint32_t n = (nr_pages * GUEST_PAGE_SIZE - (uint32_t)sizeof(struct ring_shared)) / slot_size;

	return 1U << (31 - __builtin_clz(n));
}

/* Attaches at indexes that the caller knows: 0, 0 for a fresh ring, else those of the last owner. */
static inline void ring_attach(struct ring_back *r, void *pages, unsigned int nr_pages, uint32_t slot_size,
			       uint32_t req_cons, uint32_t rsp_prod)
{
	r->shared = pages;
	r->size = ring_slots(nr_pages, slot_size);
	r->slot_size = slot_size;
	r->req_cons = req_cons;
	r->rsp_prod = rsp_prod;
	r->rsp_pub = rsp_prod;
}

static inline void *ring_slot(const struct ring_back *r, uint32_t index)
{
	return r->shared->slots + (size_t)(index & (r->size - 1)) * r->slot_size;
}

/*
 * Requests that wait, or -EPROTO when the guest's req_prod is impossible: more than a ring of unanswered
 * ones, or behind what was consumed.  Slots up to the returned count may be read.
 */
static inline int ring_pending(const struct ring_back *r)
{
	uint32_t prod = READ_ONCE(r->shared->req_prod);
	uint32_t unanswered = prod - r->rsp_prod, consumed = r->req_cons - r->rsp_prod;

	if (unanswered > r->size || unanswered < consumed)
		return -EPROTO;
	ring_rmb();
	return unanswered - consumed;
}

/* Private copy of the request at req_cons; the slot is not looked at again.  The caller advances req_cons. */
static inline void ring_peek(const struct ring_back *r, void *req)
{
	memcpy(req, ring_slot(r, r->req_cons), r->slot_size);
	ring_compiler_barrier();
}

/* Asks for an event with the next request, then looks once more: as ring_pending(). */
static inline int ring_final_check(const struct ring_back *r)
{
	WRITE_ONCE(r->shared->req_event, r->req_cons + 1);
	ring_mb();
	return ring_pending(r);
}

/* Writes the next response, len <= slot_size; the guest sees it after ring_publish(). */
static inline void ring_respond(struct ring_back *r, const void *rsp, size_t len)
{
	memcpy(ring_slot(r, r->rsp_prod), rsp, len);
	r->rsp_prod++;
}

/* Publishes the written responses.  True: the guest asked to be notified of one of them. */
static inline bool ring_publish(struct ring_back *r)
{
	uint32_t old = r->rsp_pub, new = r->rsp_prod;

	ring_wmb();
	WRITE_ONCE(r->shared->rsp_prod, new);
	r->rsp_pub = new;
	ring_mb();
	return new - READ_ONCE(r->shared->rsp_event) < new - old;
}

#endif /* KEMARI_RING_RING_H */
