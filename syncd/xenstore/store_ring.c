/* SPDX-License-Identifier: GPL-2.0-only */
/* Speaks for the guest on its store ring, while the guest is held: replays its watches. */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <xen/io/xs_wire.h>

#include "lib/log.h"
#include "lib/monotonic.h"
#include "xenstore/tree_int.h"
#include "xenstore/xsconn.h"

#define POLL_US 200
/* oxenstored looks at a ring on an event only; one that came too early for it is repeated after this long. */
#define KICK_US 20000
#define REQ_ID 0x6b656d61U /* "kema"; Linux counts from 0 */

struct talk {
	struct xsconn *xs;
	const struct store_ring *ring;
	volatile struct xenstore_domain_interface *intf;
	uint64_t deadline, last_kick; /* monotonic_ns() */
	bool told;		      /* since the last kick nothing new was written */
	/* the message being read */
	struct xsd_sockmsg hdr;
	size_t got; /* bytes of header and body */
	int answer; /* of our request: 1 none yet, 0 ok, -EREMOTEIO an error */
};

static int kick(struct talk *t)
{
	uint64_t now = monotonic_ns();

	if (now > t->deadline)
		return -ETIMEDOUT;
	if (t->told && now - t->last_kick < KICK_US * 1000ULL) {
		usleep(POLL_US);
		return 0;
	}
	/* Introducing a domain again binds its event channel again, which sets it pending. */
	if (!xs_introduce_domain(xsconn_handle(t->xs), t->ring->domid, t->ring->gfn, t->ring->evtchn))
		return -errno;
	t->last_kick = now;
	t->told = true;
	return 0;
}

static int put_bytes(struct talk *t, const void *src, size_t n)
{
	const char *p = src;

	while (n) {
		uint32_t prod = t->intf->req_prod, used = prod - t->intf->req_cons;
		int err;

		if (used > XENSTORE_RING_SIZE)
			return -EPROTO;
		if (used == XENSTORE_RING_SIZE) {
			err = kick(t);
			if (err)
				return err;
			continue;
		}
		t->intf->req[MASK_XENSTORE_IDX(prod)] = *p++;
		n--;
		__sync_synchronize();
		t->intf->req_prod = prod + 1;
		t->told = false;
	}
	return 0;
}

static void message_done(struct talk *t)
{
	if (t->hdr.type != XS_WATCH_EVENT && t->hdr.req_id == REQ_ID)
		t->answer = t->hdr.type == XS_ERROR ? -EREMOTEIO : 0;
	t->got = 0;
}

/* Takes in what there is.  Events are dropped: the guest's own handlers see what they name when it runs. */
static int take_bytes(struct talk *t)
{
	for (;;) {
		uint32_t cons = t->intf->rsp_cons, avail = t->intf->rsp_prod - cons;
		char c;

		if (avail > XENSTORE_RING_SIZE)
			return -EPROTO;
		if (!avail)
			return 0;
		__sync_synchronize();
		c = t->intf->rsp[MASK_XENSTORE_IDX(cons)];
		__sync_synchronize();
		t->intf->rsp_cons = cons + 1;
		t->told = false; /* room was made: xenstored may want to go on */
		if (t->got < sizeof(t->hdr))
			((char *)&t->hdr)[t->got] = c;
		t->got++;
		if (t->got < sizeof(t->hdr))
			continue;
		if (t->hdr.len > XENSTORE_PAYLOAD_MAX)
			return -EPROTO;
		if (t->got == sizeof(t->hdr) + t->hdr.len)
			message_done(t);
	}
}

static void talk_begin(struct talk *t, struct xsconn *xs, const struct store_ring *ring)
{
	memset(t, 0, sizeof(*t));
	t->xs = xs;
	t->ring = ring;
	t->intf = ring->page;
	t->deadline = monotonic_ns() + STORE_RING_TIMEOUT_MS * 1000000ULL;
}

static int request(struct talk *t, uint32_t type, const struct tree_watch *w)
{
	size_t path = strlen(w->path) + 1, token = strlen(w->token) + 1;
	struct xsd_sockmsg hdr = { .type = type, .req_id = REQ_ID, .len = path + token };
	int err = put_bytes(t, &hdr, sizeof(hdr));

	if (!err)
		err = put_bytes(t, w->path, path);
	if (!err)
		err = put_bytes(t, w->token, token);
	t->answer = 1;
	while (!err && t->answer > 0) {
		err = kick(t);
		if (!err)
			err = take_bytes(t);
	}
	return err ? err : t->answer;
}

/*
 * Drops what is there, unparsed: a guest that was stopped while it read may have taken a message's first
 * half, so nobody knows where one begins until xenstored has said all it had to say.
 */
static int settle(struct talk *t, struct xswire *wire)
{
	for (;;) {
		uint32_t prod = t->intf->rsp_prod;
		int err;

		if (prod != t->intf->rsp_cons) {
			t->intf->rsp_cons = prod;
			__sync_synchronize();
			t->told = false;
		} else if (xenbus_is_idle(wire, t->ring->domid) && t->intf->rsp_prod == prod) {
			t->got = 0;
			return 0;
		}
		err = kick(t);
		if (err)
			return err;
	}
}

int store_ring_settle(struct xsconn *xs, struct xswire *wire, const struct store_ring *ring, const char *vm)
{
	struct talk t;
	int err;

	talk_begin(&t, xs, ring);
	err = settle(&t, wire);
	if (err)
		kem_vm_err(vm, "the shell's xenstore ring does not come to rest: %s", strerror(-err));
	return err;
}

static bool same_watches(const struct tree *a, const struct tree *b)
{
	unsigned int i;

	if (a->nr_watches != b->nr_watches)
		return false;
	for (i = 0; i < a->nr_watches; i++)
		if (tree_watch_compare(&a->watch[i], &b->watch[i]))
			return false;
	return true;
}

/* Both lists are sorted: what is too many goes, what is missing comes. */
static int replay(struct talk *t, const struct tree *have, const struct tree *want, unsigned int *nr)
{
	unsigned int i = 0, k = 0;
	int err = 0;

	while (!err && (i < have->nr_watches || k < want->nr_watches)) {
		const struct tree_watch *h = i < have->nr_watches ? &have->watch[i] : NULL;
		const struct tree_watch *w = k < want->nr_watches ? &want->watch[k] : NULL;
		int order = !h ? 1 : !w ? -1 : tree_watch_compare(h, w);

		if (order)
			err = request(t, order < 0 ? XS_UNWATCH : XS_WATCH, order < 0 ? h : w);
		*nr += !!order;
		i += order <= 0;
		k += order >= 0;
	}
	return err;
}

int tree_restore_watches(struct xsconn *xs, struct xswire *wire, const struct store_ring *ring,
			 const struct tree *t, const char *vm)
{
	struct tree have = { .domid = ring->domid };
	struct talk talk;
	unsigned int nr = 0;
	int err = tree_read_watches(wire, ring->domid, &have);

	talk_begin(&talk, xs, ring);
	if (!err && !same_watches(&have, t))
		err = settle(&talk, wire);
	if (!err)
		err = replay(&talk, &have, t, &nr);
	if (!err && nr)
		err = settle(&talk, wire);
	tree_free(&have);
	if (err)
		kem_vm_err(vm, "cannot restore the guest's xenstore watches: %s", strerror(-err));
	else if (nr)
		kem_vm_debug(vm, "xenstore: %u watches of %u restored", nr, t->nr_watches);
	return err;
}
