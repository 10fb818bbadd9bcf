/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Kemari: the private domctl between dom0's daemons and the hypervisor.
 *
 * One operation, XEN_DOMCTL_kemari_op, dispatched before the domctl lock is taken.  It serves HVM/PVH
 * domains with HAP only, and privileged callers only.  Every command either does all it says or
 * returns an error and changes nothing.  Sizes are bytes, times nanoseconds, gfns are 4 KiB frames.
 *
 * Included by the hypervisor and, with __XEN_TOOLS__ defined and <xen/domctl.h> included first, by
 * dom0 programs.
 */
#ifndef __XEN_PUBLIC_KEMARI_H__
#define __XEN_PUBLIC_KEMARI_H__

/* For the hypervisor and its tools; guests have no use for it. */
#if defined(__XEN__) || defined(__XEN_TOOLS__)

#define XEN_DOMCTL_kemari_op 200
/* Interface of the commands; the format of the state has its own version below. */
#define XEN_KEMARI_INTERFACE 7

/*
 * Commands.  Errors common to all: -ESRCH no such domain or a dying one, -EPERM caller not
 * privileged, -EOPNOTSUPP domain is not HVM/PVH with HAP (or has nested virtualization), -EINVAL
 * bad command, non-zero reserved field, unknown flag or the caller's own domain, -ENXIO not
 * enabled, -EBUSY another caller is inside an operation on this domain.
 */
/*
 * Out: val = XEN_KEMARI_INTERFACE, nr_out = XEN_KEMARI_STATE_VERSION.  Works for any existing
 * domid.
 */
#define XEN_KEMARI_version 0
/*
 * Makes the domain a protected one.  flags: XEN_KEMARI_F_no_fifo makes EVTCHNOP_init_control fail
 * in the guest, which then uses the 2-level ABI; -EBUSY if FIFO is active already.  Idempotent.
 * Comes before log-dirty is switched on: only an enabled domain has its physmap changes marked.
 */
#define XEN_KEMARI_enable 1
/*
 * Drops what the other commands set up (hot list, marks of physmap changes, the refusal of FIFO, taps and the pause of
 * one); -EBUSY while held or while log-dirty is on by XEN_KEMARI_log.  The guest's clock offset stays, or its time would jump.
 */
#define XEN_KEMARI_disable 2
/*
 * Takes the hold: one domain_pause() that only XEN_KEMARI_run gives back, whatever xl unpause does.
 * val = generation that alone may lift it.  Held already: 0 when val is equal, else the new
 * generation replaces the old one if it is larger, -EEXIST if it is smaller.  Synchronous: on
 * return no vCPU runs.
 */
#define XEN_KEMARI_hold 3
/* Lifts the hold; val must be the hold's generation, else -EPERM.  -ENOENT when not held. */
#define XEN_KEMARI_run 4
/*
 * Out: gfns[0..nr_out) = frames written (by the guest, by Xen for it, or by a grant copy or unmap)
 * or changed in the physmap since the last harvest, each once, hot ones left out unless F_hot is set.
 * They are clean, and write-protected again unless hot, on return.  In: nr = capacity of gfns, in
 * entries.  flags out: F_more = list was cut, call again before running the guest (a hot frame without an entry
 * of its own in the memory map is then listed again); F_physmap = entries
 * were added to or removed from the physmap since the last harvest (all of them are listed, also hot
 * ones: map each listed gfn anew); F_hot = hot frames that were written, and perhaps some that were not, are listed,
 * too, for the CPU notes it in the memory map.  -EBUSY unless every vCPU is paused, -ENODATA unless log-dirty
 * is on, -ENOMEM when marks were lost: switch log-dirty off and on, protect every frame again and
 * copy everything.  -EFAULT on gfns loses marks.  A list may be cut before nr when dom0
 * has urgent work.
 */
#define XEN_KEMARI_harvest 5
/*
 * In: gfns[0..nr) = frames that harvest does not protect, and does not list unless it says F_hot: else
 * the caller treats them as always dirty.  Replaces the old list; a frame that leaves it is marked dirty.  nr <=
 * XEN_KEMARI_MAX_HOT, any order, every gfn within the physmap.  Works on a running domain.
 */
#define XEN_KEMARI_set_hot 6
/*
 * Out: val = number of frames marked dirty now, without hot ones that only the memory map knows of;
 * -ENODATA unless log-dirty is on.  Works on a running domain.
 */
#define XEN_KEMARI_dirty_count 7
/*
 * Out: buf = struct xen_kemari_state and what follows it; size in = capacity, out = bytes written.
 * A NULL buf asks for the size.  -ENOBUFS too small (size = what is needed), -EBUSY unless paused,
 * -EOPNOTSUPP the guest uses FIFO events, pirqs, or freed the page that holds its vcpu_info.  Works
 * on a domain that never ran.  Timers are read first; see the order rule in doc/hypervisor.md.
 */
#define XEN_KEMARI_get_state 8
/*
 * In: buf, size as from get_state; val = time since it was taken, added to the guest's clocks.  The
 * domain must be paused and have the same number of vCPUs; its ports are made to match the list:
 * dom0-bound ones that exist with the same peer are left alone, others are made UNBOUND(dom0), IPI
 * and VIRQ ports are made, ports not listed are closed.  shared_info and grant frames must be in
 * the physmap at the gfns of the blob, and the pages of the vcpu_infos populated.  Wakes nothing:
 * XEN_KEMARI_kick does.  A domain that had ended has ended here, too, as if it had done so now.  May be repeated, also on a domain that has run.  -EINVAL bad blob or it
 * does not fit the domain, -EBUSY not paused; then nothing changed.
 */
#define XEN_KEMARI_set_state 9
/*
 * Heals and wakes: all evtchn_pending_sel bits and upcall_pending set, the upcall asserted on every
 * online vCPU, and port made pending (port 0: every interdomain or unbound port).  The domain may
 * be running.
 */
#define XEN_KEMARI_kick 10
/* Out: val = guest system time now, size = guest TSC of vCPU 0 at that same instant. */
#define XEN_KEMARI_time 11
/*
 * val = 1: switches log-dirty on for the caller, without a change of the memory map: no frame is protected until
 * XEN_KEMARI_protect comes to it.  From here on XEN_DOMCTL_shadow_op fails with -EBUSY where it would switch log-dirty
 * on or off or clean the bitmap, so that xl migrate, or the end of xl save, takes no mark away.  0 if it was on by this
 * command already; -EBUSY if by a stock one, or after val = 0; -EOPNOTSUPP with passed-through devices or frames of a device model's.
 * val = 0: anyone's again; XEN_DOMCTL_SHADOW_OP_OFF follows, which then leaves the map as it is, too: the first write to
 * a frame that is still protected makes it writable.  -ENOENT if it was not on by this command.
 * -EAGAIN while a stock command on log-dirty, or any other domctl, is under way.
 */
#define XEN_KEMARI_log 12
/*
 * XEN_DOMCTL_pausedomain, but not while a vCPU has interrupts disabled: -EAGAIN then, and the domain runs
 * on.  A guest that is stopped in an interrupt handler, and has to write to protected frames when it goes
 * on there, finds its next timers late.  flags: XEN_KEMARI_F_anywhere stops it all the same.
 * XEN_DOMCTL_unpausedomain undoes it.  -EOVERFLOW: too many pauses.
 */
#define XEN_KEMARI_stop 13
/*
 * Protects frames, by ascending gfn, from where the last call ended; the first one after XEN_KEMARI_log begins at 0.
 * In: nr = how many to look at, at most.  Out: val = gfn of the next one.  All before it are protected, marked or hot
 * from here on, until log-dirty is switched off.  flags out: F_more = val is not the end.  A call may end before nr when dom0
 * has urgent work.  -EBUSY unless every vCPU is paused, -ENODATA unless log-dirty is on by XEN_KEMARI_log.
 */
#define XEN_KEMARI_protect 14
/*
 * One epoch's state at once: stops the domain as XEN_KEMARI_stop does (flags: F_anywhere), then get_state, the HVM
 * context, and a harvest, in this order.  In: size = capacity of buf, nr and gfns as for harvest.  Out: buf =
 * struct xen_kemari_checkpoint, the state, and from the next multiple of 8 on what XEN_DOMCTL_gethvmcontext gives;
 * size = bytes, val = ns that the harvest and copying all this out took, nr_out and flags as harvest's.  The domain stays
 * stopped; XEN_KEMARI_resume undoes it.  The harvest comes before any copy of a ring that the caller makes: right only if
 * the caller is all backends of the domain himself, and answers nothing meanwhile.  After an error it is as before: -EAGAIN
 * and -EOVERFLOW as stop, -ENOBUFS too small (size = what is needed), -ENOSPC no memory in Xen for the state, -EIO no HVM
 * context, else get_state's and harvest's; but for -EFAULT, where marks are lost and it may be stopped.
 */
#define XEN_KEMARI_checkpoint 15
/*
 * XEN_DOMCTL_unpausedomain, which waits for no other domctl and no other command.  -EINVAL: no pause of a toolstack is
 * left.
 */
#define XEN_KEMARI_resume 16
/*
 * Sets, changes or takes away the tap of one of the guest's channels to dom0.  In: port = the guest's; flags =
 * XEN_KEMARI_TAP_*: TAP_out taps what the guest sends, TAP_in what dom0 sends to it, TAP_hold keeps the event back until
 * XEN_KEMARI_tap_deliver (several become one, as events do), TAP_pause stops the guest with the first event that it sends:
 * the vCPU that sends goes no further than its hypercall, the others stop within an interrupt's time.  No flag: the tap
 * goes.  val = a port of dom0's own that is waiting for its remote end (unbound), raised with each tapped event, or 0.
 * Of a tap that goes, or holds no more, the events it held are delivered.  It goes when either end of the channel is closed,
 * thus also with a daemon that dies.  TAP_checkpoint, of TAP_out: the event makes Xen take a checkpoint by itself, before it
 * is delivered or notify is raised; see XEN_KEMARI_area_set.  A domain has taps of one of these two kinds, or tap_resume is
 * called between enter and leave only.  Events that Xen itself raises (VIRQs, at binding, at unmasking) are never tapped.
 * Works on a running domain.  On return no event is under way by the old rule.
 * -EINVAL no such channel or not to dom0, no direction, TAP_pause or TAP_checkpoint without TAP_out, or both, val not such
 * a port; -ENOENT nothing
 * to take away; -ENOSPC XEN_KEMARI_MAX_TAPS are set; -ENOMEM.
 */
#define XEN_KEMARI_tap_set 17
/*
 * Delivers what is held: of port, or of all taps with port = 0; flags = TAP_out, TAP_in or both.  Out: nr_out = events
 * delivered.  -ENOENT no tap on port, -EINVAL no direction.
 */
#define XEN_KEMARI_tap_deliver 18
/*
 * Out: buf = array of struct xen_kemari_tap, by no order; nr in = its capacity in entries; nr_out = taps that are set;
 * flags: XEN_KEMARI_F_paused.  -ENOBUFS too small (nr_out = what is needed).
 */
#define XEN_KEMARI_tap_list 19
/*
 * Ends the pause that a tap made, which nothing else ends but disable: no XEN_DOMCTL_unpausedomain, no XEN_KEMARI_resume, no
 * end of a daemon.  Waits for no other command.  -ENOENT no tap stopped the domain.
 */
#define XEN_KEMARI_tap_resume 20
/*
 * Makes the area that Xen and the daemon share, in place of one that there was; see struct xen_kemari_area, with which it
 * begins.  In: val = how many copies of frames fit, 0: the area goes; nr = entries of the list of dirty frames; size = bytes
 * for what XEN_KEMARI_checkpoint writes to buf.  Out: size = bytes in all.  It is mapped as the resource
 * XEN_KEMARI_resource, id 0, frame 0 on, and belongs to the domain: it goes with it, and with disable.  What is mapped of one
 * that is gone stays memory, of no use.  Works on a running domain.  -EINVAL too large or nothing, -ENOMEM, then the old one
 * stays.
 */
#define XEN_KEMARI_area_set 21
/*
 * In: gfns[0..nr) = frames of which each checkpoint of a tap has a copy, in front and ascending, dirty or not (frames that are
 * written without a mark).  Replaces those before.  -ENOENT no area, -EINVAL more than XEN_KEMARI_MAX_PINNED or than fit.
 */
#define XEN_KEMARI_area_pin 22
/*
 * In: port = a port of dom0's own that is waiting for its remote end (unbound), raised whenever the number that dirty_count
 * gives has grown to be val; it may be raised in vain.  val = 0: never.  Replaces what there was; goes with disable.  Out: val
 * = the number now: if it is as large already, nothing is raised for it.  Works on a running domain.  -EINVAL no such port,
 * -ENODATA unless log-dirty is on.
 */
#define XEN_KEMARI_watch_dirty 23

#define XEN_KEMARI_resource 200 /* XENMEM_acquire_resource */

#define XEN_KEMARI_F_no_fifo (1U << 0) /* enable */
#define XEN_KEMARI_F_more (1U << 1)    /* harvest, protect, out */
#define XEN_KEMARI_F_physmap (1U << 2) /* harvest, out */
#define XEN_KEMARI_F_anywhere (1U << 3) /* stop, checkpoint */
#define XEN_KEMARI_F_hot (1U << 4) /* harvest, out */
#define XEN_KEMARI_F_paused (1U << 5) /* tap_list, out: a tap stopped the domain */

#define XEN_KEMARI_TAP_out (1U << 0)
#define XEN_KEMARI_TAP_in (1U << 1)
#define XEN_KEMARI_TAP_hold (1U << 2)
#define XEN_KEMARI_TAP_pause (1U << 3)
#define XEN_KEMARI_TAP_checkpoint (1U << 4)

#define XEN_KEMARI_MAX_TAPS 48U
/* Of area_set. */
#define XEN_KEMARI_MAX_COPIES 1024U
#define XEN_KEMARI_MAX_LISTED 8192U
#define XEN_KEMARI_MAX_RECORD (1U << 18)
#define XEN_KEMARI_MAX_PINNED 256U

#define XEN_KEMARI_MAX_HOT 4096U
/* Of set_state, ns: about 73 years. */
#define XEN_KEMARI_MAX_ELAPSED (1ULL << 61)
/* Bounds of a state blob; the 2-level ABI has 4096 ports. */
#define XEN_KEMARI_MAX_VCPUS 128U
#define XEN_KEMARI_MAX_PORTS 4096U
#define XEN_KEMARI_MAX_GRANT_FRAMES 4096U

struct xen_kemari_op {
    uint32_t cmd;
    uint32_t flags;
    uint32_t port;
    uint32_t nr;
    uint32_t nr_out;
    uint32_t reserved; /* 0 */
    uint64_aligned_t val;
    uint64_aligned_t size;
    XEN_GUEST_HANDLE_64(uint8) buf;
    XEN_GUEST_HANDLE_64(uint64) gfns;
};

/*
 * The state that neither the HVM save records nor stock hypercalls carry.  Little endian, packed by
 * construction.  Layout of the blob: struct xen_kemari_state, nr_vcpus x struct xen_kemari_vcpu,
 * nr_ports x struct xen_kemari_port, nr_grant_frames x uint64_t gfn.
 */
#define XEN_KEMARI_STATE_MAGIC 0x534d454bU /* "KEMS" */
#define XEN_KEMARI_STATE_VERSION 2
#define XEN_KEMARI_INVALID_GFN (~0ULL)

#define XEN_KEMARI_SF_shinfo32 (1U << 0) /* d->arch.has_32bit_shinfo */
#define XEN_KEMARI_SF_shutdown (1U << 1) /* it ended (but to suspend): shutdown_code says why */

struct xen_kemari_state {
    uint32_t magic;
    uint32_t version;
    uint32_t flags; /* XEN_KEMARI_SF_* */
    uint32_t nr_vcpus;
    uint32_t nr_ports;
    uint32_t nr_grant_frames;
    uint32_t grant_version;
    uint32_t tsc_khz;
    uint64_t vm_assist;
    uint64_t shared_info_gfn; /* INVALID_GFN: not placed yet */
    uint64_t system_time;     /* guest's, ns, at the same instant as tsc */
    uint64_t tsc;             /* guest's, vCPU 0 */
    uint32_t shutdown_code;   /* SHUTDOWN_*, 0 without SF_shutdown */
    uint32_t pad;             /* 0 */
    uint64_t reserved[3];     /* 0 */
};

#define XEN_KEMARI_VF_online (1U << 0)
#define XEN_KEMARI_VF_nmi_pending (1U << 1)
#define XEN_KEMARI_VF_mce_pending (1U << 2)
#define XEN_KEMARI_VF_singleshot (1U << 3) /* singleshot_abs is armed */

struct xen_kemari_vcpu {
    uint64_t vcpu_info_gfn; /* INVALID_GFN: still in shared_info */
    uint32_t vcpu_info_offset;
    uint32_t flags; /* XEN_KEMARI_VF_* */
    uint8_t upcall_vector;
    uint8_t pad[3];              /* 0 */
    uint32_t interrupt_shadow;   /* 1 STI, 2 MOV SS, 4 SMI, 8 NMI blocked */
    uint64_t runstate_area;      /* guest linear address, 0: none */
    uint64_t time_area;          /* guest linear address, 0: none */
    uint64_t runstate_time[4];   /* accumulators, ns, current state included up to now */
    uint64_t singleshot_abs;     /* guest system time, ns */
    uint64_t periodic_period;    /* ns, 0: off */
    uint64_t pending_debug;      /* VMX pending debug exceptions */
    uint64_t reserved[3];        /* 0 */
};

/* Head of what checkpoint writes.  Times in ns: how long each step took. */
struct xen_kemari_checkpoint {
    uint32_t state_size;
    uint32_t context_size;
    uint64_t callback; /* HVM_PARAM_CALLBACK_IRQ */
    uint64_t stop;
    uint64_t state;
    uint64_t context;
    uint64_t reserved[3]; /* 0 */
};

/*
 * A tap, as tap_list gives it.  Counted since it was set first: events that came, of these held, pauses made; with
 * TAP_checkpoint, checkpoints taken, events that found a vCPU with interrupts off, and all others that could make none.
 */
struct xen_kemari_tap {
    uint32_t port;
    uint32_t notify; /* tap_set's val */
    uint32_t mode;   /* XEN_KEMARI_TAP_* */
    uint32_t held;   /* TAP_out, TAP_in: an event waits */
    uint64_t seen_out;
    uint64_t seen_in;
    uint64_t held_out;
    uint64_t held_in;
    uint64_t pauses;
    uint64_t checkpoints;
    uint64_t interrupts_off;
    uint64_t ordinary;
};

/*
 * Begin of the area.  An event of a tap with TAP_checkpoint, sent while armed is set, busy is not and fired is FIRED_no, has
 * Xen stop the domain and take a checkpoint, as XEN_KEMARI_checkpoint does, and copy frames: pinned ones, then those of the
 * list, as many as there is room for.  If all fit the domain runs on at once; it stays stopped, until XEN_KEMARI_tap_resume, with
 * AREA_sync, when frames are left, and after an error.  The event is delivered after that.  An event that cannot make a
 * checkpoint (also for another command is under way, or a vCPU has interrupts off and AREA_anywhere is not given) is
 * an ordinary one.
 *
 * Whose is what: armed, busy and flags are written by the daemon, armed and flags while busy is set.  fired and all that follows the layout is Xen's, until it
 * writes FIRED_taken, the daemon's then until it writes FIRED_no.  As long as busy is set, and fired was not FIRED_working
 * at any time after that, Xen does not look at the domain's memory or stop it by a tap.  So the daemon sets busy, makes a
 * full barrier, and waits while fired is FIRED_working; Xen writes FIRED_working, makes a full barrier, and takes it
 * back if busy is set.  Neither looks away at the same time: doc/hypervisor.md.
 */
#define XEN_KEMARI_AREA_sync (1U << 0)     /* the domain stays stopped in any case */
#define XEN_KEMARI_AREA_anywhere (1U << 1) /* as F_anywhere */

#define XEN_KEMARI_FIRED_no 0U
#define XEN_KEMARI_FIRED_working 1U
#define XEN_KEMARI_FIRED_taken 2U

struct xen_kemari_area {
    uint32_t armed;
    uint32_t busy;
    uint32_t flags; /* XEN_KEMARI_AREA_* */
    uint32_t fired; /* XEN_KEMARI_FIRED_* */

    /* Layout: offsets from here, and room, in bytes and entries. */
    uint32_t record; /* what XEN_KEMARI_checkpoint writes to buf */
    uint32_t record_room;
    uint32_t list; /* gfns of dirty frames, as harvest's */
    uint32_t list_room;
    uint32_t copied; /* gfn of each copy */
    uint32_t copies; /* 4 KiB each */
    uint32_t copies_room;
    uint32_t reserved;

    /* What was taken. */
    uint64_t sequence; /* counts from 1 in each area */
    int32_t result;    /* 0 or, with nothing of what follows but port and stopped, XEN_KEMARI_checkpoint's error */
    uint32_t port;     /* whose event it was */
    uint32_t stopped;  /* XEN_KEMARI_tap_resume is wanted */
    uint32_t out;      /* XEN_KEMARI_F_*, harvest's */
    uint32_t record_size;
    uint32_t nr_listed;
    uint32_t nr_done; /* of the list, from its begin: those that have a copy */
    uint32_t nr_copied;
    uint32_t nr_pinned; /* of these, in front */
    uint32_t reserved2;
    uint64_t harvest_ns;
    uint64_t copy_ns;
    uint64_t total_ns; /* from the event on */
};

/* In an entry of copied: no memory there, and its copy is of nothing. */
#define XEN_KEMARI_NO_FRAME (1ULL << 63)

#define XEN_KEMARI_PORT_unbound 1
#define XEN_KEMARI_PORT_interdomain 2
#define XEN_KEMARI_PORT_virq 4
#define XEN_KEMARI_PORT_ipi 5

struct xen_kemari_port {
    uint32_t port;
    uint8_t state; /* XEN_KEMARI_PORT_* */
    uint8_t priority;
    uint16_t vcpu;        /* notify_vcpu_id */
    uint16_t remote_dom;  /* unbound, interdomain */
    uint16_t virq;        /* virq */
    uint32_t remote_port; /* interdomain, informative */
};

#endif /* __XEN__ || __XEN_TOOLS__ */
#endif /* __XEN_PUBLIC_KEMARI_H__ */
