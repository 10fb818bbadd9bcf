/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The private domctl of the patched Xen (<public/kemari.h>), one function per command.
 *
 * A handle owns its hypercall buffers: one operation, one list of gfns, one state blob.  They are allocated
 * at hvop_open() or hvop_reserve() and never on a call, so the epoch path allocates nothing.  A handle serves
 * any number of domains, one call at a time.  What a call returns by pointer lies in the handle's buffers and
 * is good until the next hvop_harvest(), hvop_set_hot(), hvop_checkpoint(), hvop_get_state() or
 * hvop_set_state() of that handle, whichever domain it is for.
 *
 * Functions return 0 or a negative errno and log nothing: what an error means (and for which VM) is known to
 * the caller. Common ones: -ESRCH no such domain, -EOPNOTSUPP not HVM/PVH with HAP, -ENXIO not enabled,
 * -EBUSY another caller is inside an operation on this domain or (where a command needs it) some vCPU is not
 * paused, -EPERM not privileged.
 */
#ifndef KEMARI_LIB_HVOP_H
#define KEMARI_LIB_HVOP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifndef __XEN_TOOLS__
#define __XEN_TOOLS__
#endif
#include <xen/domctl.h>

#include <public/kemari.h>

struct hvop;

/* Capacities that hvop_open() reserves: 64 Ki gfns (256 MiB of dirty memory in one call), 64 KiB of state. */
#define HVOP_GFNS_DEFAULT 65536U
#define HVOP_STATE_DEFAULT 65536U

/*
 * Opens the hypercall device and asks for the interface version.  NULL with errno, and one message that says
 * what to do: ENOSYS the running Xen lacks the patch, EPROTO it has another version of it, else the open's
 * own error.
 */
struct hvop *hvop_open(void);
void hvop_close(struct hvop *h);

/* Grows the buffers (never shrinks them); not for the epoch path.  -ENOMEM leaves them as they were. */
int hvop_reserve(struct hvop *h, uint32_t gfns, uint32_t state_size);

/* Makes the domain a protected one; no_fifo: the guest gets the 2-level event ABI.  Before its first run. */
int hvop_enable(struct hvop *h, uint32_t domid, bool no_fifo);
int hvop_disable(struct hvop *h, uint32_t domid);

/* The hold: no vCPU runs on return, and none will until hvop_run() with the same generation. */
int hvop_hold(struct hvop *h, uint32_t domid, uint64_t generation);
int hvop_run(struct hvop *h, uint32_t domid, uint64_t generation);

/*
 * Stops the guest as xc_domain_pause() does, which xc_domain_unpause() undoes; -EAGAIN, and it runs on, while
 * it is in an interrupt handler, unless anywhere.
 */
int hvop_stop(struct hvop *h, uint32_t domid, bool anywhere);

struct hvop_harvest {
	const uint64_t *gfns; /* each once, hot ones left out unless .hot, ascending within a call */
	uint32_t nr;
	bool more;    /* list was cut: harvest again before the guest runs */
	bool physmap; /* entries came or went: map each listed gfn anew */
	bool hot;     /* hot frames that were written are listed, too */
};

/* A list that Xen made, with the flags that came with it. */
struct hvop_harvest hvop_harvest_of(const uint64_t *gfns, uint32_t nr, uint32_t flags);

/* Frames written since the last harvest; they are protected again.  The domain must be paused. */
int hvop_harvest(struct hvop *h, uint32_t domid, struct hvop_harvest *out);

struct hvop_checkpoint {
	const struct xen_kemari_state *state; /* this and the next are not touched by hvop_harvest() */
	const void *context;		      /* as XEN_DOMCTL_gethvmcontext */
	uint32_t state_size, context_size;
	uint64_t callback;				    /* HVM_PARAM_CALLBACK_IRQ */
	uint64_t stop_ns, state_ns, context_ns, harvest_ns; /* of Xen's time */
	struct hvop_harvest dirty;
};

/* What XEN_KEMARI_checkpoint wrote, size bytes from head on, without the harvest. */
static inline struct hvop_checkpoint hvop_checkpoint_of(const struct xen_kemari_checkpoint *head,
							uint64_t size)
{
	return (struct hvop_checkpoint){
		.state = (const struct xen_kemari_state *)(head + 1),
		.context = (const uint8_t *)head + size - head->context_size,
		.state_size = head->state_size,
		.context_size = head->context_size,
		.callback = head->callback,
		.stop_ns = head->stop,
		.state_ns = head->state,
		.context_ns = head->context,
	};
}

/*
 * What an epoch needs from Xen in one call: stops the guest as hvop_stop(), then hvop_get_state(), the HVM
 * context and hvop_harvest().  hvop_resume() lets it run on.  After an error it is as before; -ENOBUFS:
 * hvop_reserve() state_size of *out; -EFAULT: marks are lost, and it may be stopped.
 */
int hvop_checkpoint(struct hvop *h, uint32_t domid, bool anywhere, struct hvop_checkpoint *out);
/* xc_domain_unpause(), which waits for no other domctl.  -EINVAL: no pause of a toolstack is left. */
int hvop_resume(struct hvop *h, uint32_t domid);

/* hvop_harvest(), and nobody asks which: nothing is dirty any more. */
int hvop_forget_dirty(struct hvop *h, uint32_t domid);
/* Frames to leave writable and unlisted from now on; replaces the list before.  nr <= XEN_KEMARI_MAX_HOT. */
int hvop_set_hot(struct hvop *h, uint32_t domid, const uint64_t *gfns, uint32_t nr);
int hvop_dirty_count(struct hvop *h, uint32_t domid, uint64_t *count);
/*
 * notify, a port from xenevtchn_bind_unbound_port(), is raised whenever the dirty count has grown to be
 * frames; 0 frames: never.  *count: as hvop_dirty_count() now, for nothing is raised if that is as large
 * already.  Works on a running guest.
 */
int hvop_watch_dirty(struct hvop *h, uint32_t domid, uint32_t frames, uint32_t notify, uint64_t *count);
/*
 * on: log-dirty begins, with no frame protected yet but those that were already, and XEN_DOMCTL_shadow_op
 * cannot change it any more (-EBUSY), whoever calls it.  off: it can; XEN_DOMCTL_SHADOW_OP_OFF follows.
 * -EBUSY: somebody else switched it on, or it was given up and is not off yet.  -ENOENT: it was not on by us.
 * Waits for other domctls, a second at most: -EAGAIN.
 */
int hvop_log(struct hvop *h, uint32_t domid, bool on);
/*
 * Protects up to nr more frames; *next: all gfns before it are protected from here on, UINT64_MAX: every one.
 * The domain must be paused.
 */
int hvop_protect(struct hvop *h, uint32_t domid, uint32_t nr, uint64_t *next);

/* Bytes hvop_get_state() would need now; reserve with room for ports the guest may yet open (16 bytes each).
 */
int hvop_state_size(struct hvop *h, uint32_t domid, uint32_t *size);
/* The domain must be paused.  -ENOBUFS: hvop_reserve() more. */
int hvop_get_state(struct hvop *h, uint32_t domid, const struct xen_kemari_state **state, uint32_t *size);
/* elapsed_ns is added to the guest's clocks.  -EINVAL: the blob is bad, nothing was changed. */
int hvop_set_state(struct hvop *h, uint32_t domid, const void *state, uint32_t size, uint64_t elapsed_ns);

/*
 * The tap of one of the guest's channels to dom0: mode is XEN_KEMARI_TAP_*, 0 takes it away, and what it held
 * is delivered.  notify: a port from xenevtchn_bind_unbound_port() that is raised with each tapped event, or
 * 0.  Works on a running guest.  -EINVAL: no such channel, or nonsense; -ENOENT: there was none; -ENOSPC: too
 * many.
 */
int hvop_tap_set(struct hvop *h, uint32_t domid, uint32_t port, uint32_t mode, uint32_t notify);
/* Delivers what is held in these directions (XEN_KEMARI_TAP_out, _in): of port, or port 0: of all.  *nr: how
 * many. */
int hvop_tap_deliver(struct hvop *h, uint32_t domid, uint32_t port, uint32_t directions, uint32_t *nr);
/* *taps is in the buffer of hvop_get_state(); *paused: one of them stopped the guest. */
int hvop_tap_list(struct hvop *h, uint32_t domid, const struct xen_kemari_tap **taps, uint32_t *nr,
		  bool *paused);
/* The guest that a tap stopped runs on; nothing else lets it.  Waits for nothing.  -ENOENT: no tap stopped
 * it. */
int hvop_tap_resume(struct hvop *h, uint32_t domid);

/*
 * Makes the area of checkpoints that taps take, instead of the one before; lib/hvarea.h is what it is for.
 * copies 0: none any more.  *size: bytes of the resource XEN_KEMARI_resource.
 */
int hvop_area_set(struct hvop *h, uint32_t domid, uint32_t copies, uint32_t listed, uint32_t state_size,
		  uint64_t *size);
/* Frames that every one of them has a copy of, in front.  -ENOENT: no area; -EINVAL: more than have a place
 * in it. */
int hvop_area_pin(struct hvop *h, uint32_t domid, const uint64_t *gfns, uint32_t nr);

/* Heals and wakes; port 0: every interdomain and unbound port. */
int hvop_kick(struct hvop *h, uint32_t domid, uint32_t port);
/* Guest system time (ns) and TSC of vCPU 0 at one instant. */
int hvop_time(struct hvop *h, uint32_t domid, uint64_t *system_time, uint64_t *tsc);

/* The parts of a blob that hvop_get_state() gave or hvop_state_check() accepted. */
static inline const struct xen_kemari_vcpu *hvop_state_vcpus(const struct xen_kemari_state *s)
{
	return (const struct xen_kemari_vcpu *)(s + 1);
}

static inline const struct xen_kemari_port *hvop_state_ports(const struct xen_kemari_state *s)
{
	return (const struct xen_kemari_port *)(hvop_state_vcpus(s) + s->nr_vcpus);
}

static inline const uint64_t *hvop_state_grant_gfns(const struct xen_kemari_state *s)
{
	return (const uint64_t *)(hvop_state_ports(s) + s->nr_ports);
}

/*
 * Checks a blob from outside as the hypervisor will: size, counts, ranges, reserved fields.  0 or -EINVAL,
 * also for a blob that is not aligned to 8 bytes.
 */
int hvop_state_check(const void *blob, uint32_t size);

#endif /* KEMARI_LIB_HVOP_H */
