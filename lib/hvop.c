/* SPDX-License-Identifier: GPL-2.0-only */
#include "hvop.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <xencall.h>

#include "log.h"

/* Of 1 ms, until no other domctl is under way. */
#define LOG_TRIES 1000

struct hvop {
	xencall_handle *call;
	struct xen_domctl *ctl;
	uint64_t *gfns;
	uint32_t max_gfns;
	void *state;
	uint32_t max_state;
};

/* One file for both sides: a standby must refuse exactly what its hypervisor would. */
#include "hv-patch/xen/xen/arch/x86/kemari/kemari-check.c" /* NOLINT(bugprone-suspicious-include) */

int hvop_state_check(const void *blob, uint32_t size)
{
	if ((uintptr_t)blob % _Alignof(struct xen_kemari_state))
		return -EINVAL;
	return kemari_state_check(blob, size);
}

/* The operation inside the domctl buffer, cleared. */
static struct xen_kemari_op *prepare(struct hvop *h, uint32_t domid, uint32_t cmd)
{
	struct xen_kemari_op *op = (struct xen_kemari_op *)h->ctl->u.pad;

	_Static_assert(sizeof(*op) <= sizeof(h->ctl->u.pad), "does not fit into a domctl");

	memset(h->ctl, 0, sizeof(*h->ctl));
	h->ctl->cmd = XEN_DOMCTL_kemari_op;
	h->ctl->interface_version = XEN_DOMCTL_INTERFACE_VERSION;
	h->ctl->domain = domid;
	op->cmd = cmd;
	return op;
}

static int call(struct hvop *h)
{
	return xencall1(h->call, __HYPERVISOR_domctl, (uint64_t)(uintptr_t)h->ctl) < 0 ? -errno : 0;
}

static int simple(struct hvop *h, uint32_t domid, uint32_t cmd, uint64_t val)
{
	prepare(h, domid, cmd)->val = val;
	return call(h);
}

/* Dom0 always exists, and this command takes any domain. */
static int check_version(struct hvop *h)
{
	struct xen_kemari_op *op = prepare(h, 0, XEN_KEMARI_version);
	int rc = call(h);

	if (rc == -ENOSYS || rc == -EOPNOTSUPP) {
		kem_err("the running Xen has no Kemari patch: boot the hypervisor that hv-patch/build makes");
		return -ENOSYS;
	}
	if (rc == -EACCES) {
		kem_err("the running Xen is not a 4.17: boot the hypervisor that hv-patch/build makes");
		return -EPROTO;
	}
	if (rc) {
		kem_err("asking Xen for its Kemari interface: %s", strerror(-rc));
		return rc;
	}
	if (op->val != XEN_KEMARI_INTERFACE || op->nr_out != XEN_KEMARI_STATE_VERSION) {
		kem_err("the running Xen has Kemari interface %llu, state version %u; this program needs %u "
			"and %u",
			(unsigned long long)op->val, op->nr_out, XEN_KEMARI_INTERFACE,
			XEN_KEMARI_STATE_VERSION);
		return -EPROTO;
	}
	return 0;
}

struct hvop *hvop_open(void)
{
	struct hvop *h = calloc(1, sizeof(*h));
	int rc = -ENOMEM;

	if (!h)
		goto fail;

	h->call = xencall_open(NULL, 0);
	if (!h->call) {
		rc = -errno;
		kem_err("opening the hypercall device: %s (is this dom0?)", strerror(-rc));
		goto fail;
	}

	h->ctl = xencall_alloc_buffer(h->call, sizeof(*h->ctl));
	if (!h->ctl)
		goto fail;

	rc = check_version(h);
	if (!rc)
		rc = hvop_reserve(h, HVOP_GFNS_DEFAULT, HVOP_STATE_DEFAULT);
	if (rc)
		goto fail;
	return h;

fail:
	hvop_close(h);
	errno = -rc;
	return NULL;
}

void hvop_close(struct hvop *h)
{
	if (!h)
		return;
	if (h->call) {
		xencall_free_buffer(h->call, h->state);
		xencall_free_buffer(h->call, h->gfns);
		xencall_free_buffer(h->call, h->ctl);
		xencall_close(h->call);
	}
	free(h);
}

int hvop_reserve(struct hvop *h, uint32_t gfns, uint32_t state_size)
{
	uint64_t *new_gfns = NULL;
	void *new_state = NULL;

	if (gfns > h->max_gfns) {
		new_gfns = xencall_alloc_buffer(h->call, gfns * sizeof(*new_gfns));
		if (!new_gfns)
			return -ENOMEM;
	}
	if (state_size > h->max_state) {
		new_state = xencall_alloc_buffer(h->call, state_size);
		if (!new_state) {
			xencall_free_buffer(h->call, new_gfns);
			return -ENOMEM;
		}
	}

	if (new_gfns) {
		xencall_free_buffer(h->call, h->gfns);
		h->gfns = new_gfns;
		h->max_gfns = gfns;
	}
	if (new_state) {
		xencall_free_buffer(h->call, h->state);
		h->state = new_state;
		h->max_state = state_size;
	}
	return 0;
}

int hvop_enable(struct hvop *h, uint32_t domid, bool no_fifo)
{
	prepare(h, domid, XEN_KEMARI_enable)->flags = no_fifo ? XEN_KEMARI_F_no_fifo : 0;
	return call(h);
}

int hvop_disable(struct hvop *h, uint32_t domid)
{
	return simple(h, domid, XEN_KEMARI_disable, 0);
}

int hvop_hold(struct hvop *h, uint32_t domid, uint64_t generation)
{
	return simple(h, domid, XEN_KEMARI_hold, generation);
}

int hvop_run(struct hvop *h, uint32_t domid, uint64_t generation)
{
	return simple(h, domid, XEN_KEMARI_run, generation);
}

struct hvop_harvest hvop_harvest_of(const uint64_t *gfns, uint32_t nr, uint32_t flags)
{
	return (struct hvop_harvest){
		.gfns = gfns,
		.nr = nr,
		.more = flags & XEN_KEMARI_F_more,
		.physmap = flags & XEN_KEMARI_F_physmap,
		.hot = flags & XEN_KEMARI_F_hot,
	};
}

int hvop_harvest(struct hvop *h, uint32_t domid, struct hvop_harvest *out)
{
	uint32_t nr = 0, flags = 0;

	/* Xen cuts a list short when dom0 has urgent work; go on while there is room. */
	do {
		struct xen_kemari_op *op = prepare(h, domid, XEN_KEMARI_harvest);
		int rc;

		op->nr = h->max_gfns - nr;
		set_xen_guest_handle_raw(op->gfns, h->gfns + nr);
		rc = call(h);
		if (rc && !nr)
			return rc;
		/* The frames at hand are unmarked already: hand them out, the next call meets the error. */
		if (rc) {
			flags |= XEN_KEMARI_F_more;
			break;
		}
		nr += op->nr_out;
		flags = (flags & XEN_KEMARI_F_physmap) | op->flags;
	} while ((flags & XEN_KEMARI_F_more) && nr < h->max_gfns);

	*out = hvop_harvest_of(h->gfns, nr, flags);
	return 0;
}

int hvop_checkpoint(struct hvop *h, uint32_t domid, bool anywhere, struct hvop_checkpoint *out)
{
	struct xen_kemari_op *op = prepare(h, domid, XEN_KEMARI_checkpoint);
	const struct xen_kemari_checkpoint *head = h->state;
	int rc;

	op->flags = anywhere ? XEN_KEMARI_F_anywhere : 0;
	op->nr = h->max_gfns;
	op->size = h->max_state;
	set_xen_guest_handle_raw(op->gfns, h->gfns);
	set_xen_guest_handle_raw(op->buf, h->state);
	rc = call(h);
	if (rc) {
		out->state_size = rc == -ENOBUFS ? (uint32_t)op->size : 0;
		return rc;
	}
	*out = hvop_checkpoint_of(head, op->size);
	out->harvest_ns = op->val;
	out->dirty = hvop_harvest_of(h->gfns, op->nr_out, op->flags);
	return 0;
}

int hvop_resume(struct hvop *h, uint32_t domid)
{
	return simple(h, domid, XEN_KEMARI_resume, 0);
}

int hvop_forget_dirty(struct hvop *h, uint32_t domid)
{
	struct hvop_harvest list;
	int rc;

	do {
		rc = hvop_harvest(h, domid, &list);
	} while (!rc && list.more);
	return rc;
}

/* A command whose input is a list of frames. */
static int with_gfns(struct hvop *h, uint32_t domid, uint32_t cmd, const uint64_t *gfns, uint32_t nr)
{
	struct xen_kemari_op *op;

	if (nr)
		memcpy(h->gfns, gfns, nr * sizeof(*gfns));

	op = prepare(h, domid, cmd);
	op->nr = nr;
	set_xen_guest_handle_raw(op->gfns, h->gfns);
	return call(h);
}

int hvop_set_hot(struct hvop *h, uint32_t domid, const uint64_t *gfns, uint32_t nr)
{
	if (nr > XEN_KEMARI_MAX_HOT || nr > h->max_gfns)
		return -EINVAL;
	return with_gfns(h, domid, XEN_KEMARI_set_hot, gfns, nr);
}

int hvop_dirty_count(struct hvop *h, uint32_t domid, uint64_t *count)
{
	struct xen_kemari_op *op = prepare(h, domid, XEN_KEMARI_dirty_count);
	int rc = call(h);

	if (!rc)
		*count = op->val;
	return rc;
}

int hvop_watch_dirty(struct hvop *h, uint32_t domid, uint32_t frames, uint32_t notify, uint64_t *count)
{
	struct xen_kemari_op *op = prepare(h, domid, XEN_KEMARI_watch_dirty);
	int rc;

	op->val = frames;
	op->port = notify;
	rc = call(h);
	if (!rc)
		*count = op->val;
	return rc;
}

int hvop_log(struct hvop *h, uint32_t domid, bool on)
{
	const struct timespec pause = { .tv_nsec = 1000000 };
	int rc = -EAGAIN;

	for (unsigned int i = 0; rc == -EAGAIN && i < LOG_TRIES; i++) {
		if (i)
			nanosleep(&pause, NULL);
		prepare(h, domid, XEN_KEMARI_log)->val = on;
		rc = call(h);
	}
	return rc;
}

int hvop_protect(struct hvop *h, uint32_t domid, uint32_t nr, uint64_t *next)
{
	struct xen_kemari_op *op = prepare(h, domid, XEN_KEMARI_protect);
	int rc;

	op->nr = nr;
	rc = call(h);
	if (!rc)
		*next = op->flags & XEN_KEMARI_F_more ? op->val : UINT64_MAX;
	return rc;
}

int hvop_stop(struct hvop *h, uint32_t domid, bool anywhere)
{
	struct xen_kemari_op *op = prepare(h, domid, XEN_KEMARI_stop);

	op->flags = anywhere ? XEN_KEMARI_F_anywhere : 0;
	return call(h);
}

int hvop_state_size(struct hvop *h, uint32_t domid, uint32_t *size)
{
	struct xen_kemari_op *op = prepare(h, domid, XEN_KEMARI_get_state);
	int rc = call(h);

	if (!rc)
		*size = op->size;
	return rc;
}

int hvop_get_state(struct hvop *h, uint32_t domid, const struct xen_kemari_state **state, uint32_t *size)
{
	struct xen_kemari_op *op = prepare(h, domid, XEN_KEMARI_get_state);
	int rc;

	op->size = h->max_state;
	set_xen_guest_handle_raw(op->buf, h->state);
	rc = call(h);
	if (rc)
		return rc;

	*state = h->state;
	*size = op->size;
	return 0;
}

int hvop_set_state(struct hvop *h, uint32_t domid, const void *state, uint32_t size, uint64_t elapsed_ns)
{
	struct xen_kemari_op *op;

	if (size > h->max_state)
		return -ENOBUFS;
	memmove(h->state, state, size);

	op = prepare(h, domid, XEN_KEMARI_set_state);
	op->size = size;
	op->val = elapsed_ns;
	set_xen_guest_handle_raw(op->buf, h->state);
	return call(h);
}

int hvop_tap_set(struct hvop *h, uint32_t domid, uint32_t port, uint32_t mode, uint32_t notify)
{
	struct xen_kemari_op *op = prepare(h, domid, XEN_KEMARI_tap_set);

	op->port = port;
	op->flags = mode;
	op->val = notify;
	return call(h);
}

int hvop_tap_deliver(struct hvop *h, uint32_t domid, uint32_t port, uint32_t directions, uint32_t *nr)
{
	struct xen_kemari_op *op = prepare(h, domid, XEN_KEMARI_tap_deliver);
	int rc;

	op->port = port;
	op->flags = directions;
	rc = call(h);
	if (!rc)
		*nr = op->nr_out;
	return rc;
}

int hvop_tap_list(struct hvop *h, uint32_t domid, const struct xen_kemari_tap **taps, uint32_t *nr,
		  bool *paused)
{
	struct xen_kemari_op *op = prepare(h, domid, XEN_KEMARI_tap_list);
	int rc;

	_Static_assert(XEN_KEMARI_MAX_TAPS * sizeof(**taps) <= HVOP_STATE_DEFAULT, "all taps fit");

	op->nr = XEN_KEMARI_MAX_TAPS;
	set_xen_guest_handle_raw(op->buf, h->state);
	rc = call(h);
	if (rc)
		return rc;
	*taps = h->state;
	*nr = op->nr_out;
	*paused = op->flags & XEN_KEMARI_F_paused;
	return 0;
}

int hvop_tap_resume(struct hvop *h, uint32_t domid)
{
	return simple(h, domid, XEN_KEMARI_tap_resume, 0);
}

int hvop_area_set(struct hvop *h, uint32_t domid, uint32_t copies, uint32_t listed, uint32_t state_size,
		  uint64_t *size)
{
	struct xen_kemari_op *op = prepare(h, domid, XEN_KEMARI_area_set);
	int rc;

	op->val = copies;
	op->nr = listed;
	op->size = state_size;
	rc = call(h);
	if (!rc)
		*size = op->size;
	return rc;
}

int hvop_area_pin(struct hvop *h, uint32_t domid, const uint64_t *gfns, uint32_t nr)
{
	if (nr > XEN_KEMARI_MAX_PINNED)
		return -EINVAL;
	return with_gfns(h, domid, XEN_KEMARI_area_pin, gfns, nr);
}

int hvop_kick(struct hvop *h, uint32_t domid, uint32_t port)
{
	prepare(h, domid, XEN_KEMARI_kick)->port = port;
	return call(h);
}

int hvop_time(struct hvop *h, uint32_t domid, uint64_t *system_time, uint64_t *tsc)
{
	struct xen_kemari_op *op = prepare(h, domid, XEN_KEMARI_time);
	int rc = call(h);

	if (!rc) {
		*system_time = op->val;
		*tsc = op->size;
	}
	return rc;
}
