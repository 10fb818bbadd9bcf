/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Kemari: fault tolerance of HVM/PVH domains.  What the rest of Xen needs to know: the hooks.  The
 * commands are described in public/kemari.h.
 */
#ifndef __XEN_KEMARI_H__
#define __XEN_KEMARI_H__

#include <xen/sched.h>
#include <xen/tasklet.h>
#include <public/domctl.h>
#include <public/kemari.h>

/* Frames that a harvest takes between two looks at the locks. */
#define KEMARI_BATCH 512

/*
 * Allocated at the first enable, freed with the domain, so that hooks need no lock.  Fields below busy
 * belong to the operation that holds it.
 */
struct kemari
{
    bool busy;            /* an operation is under way */
    bool enabled;
    bool no_fifo;
    bool held;            /* one domain_pause() is ours */
    bool physmap_changed; /* since the last complete harvest; set by hooks */
    bool own_log;         /* log-dirty was switched on by us, without a change of types; under the domctl lock */
    bool guard_log;       /* it is not for XEN_DOMCTL_shadow_op; under the domctl lock */
    bool tap_paused;      /* one domain_pause() is a tap's; set by the hook */
    bool at_work;         /* a tap's checkpoint begins, is under way or ends; see kemari-fire.c */
    unsigned int area_frames; /* of area */
    struct kemari_area *area; /* changes while nothing is at work */
    struct tasklet tasklet;
    struct xen_kemari_tap *taps; /* XEN_KEMARI_MAX_TAPS, port 0: free; see kemari-tap.c */
    s_time_t stime_off;   /* guest's system time - host's */
    uint64_t generation;  /* that may lift the hold */
    unsigned long to_protect; /* gfn; those before it were */
    unsigned int dirty_watch; /* raise dirty_port when so many are marked, 0: never; under the paging lock */
    evtchn_port_t dirty_port; /* dom0's */
    unsigned int nr_hot;
    uint64_t *hot;        /* ascending */
    void *blob;           /* state on its way in or out */
    size_t blob_size;
    void *context;        /* the HVM context, of a checkpoint */
    size_t context_room;
    uint64_t batch[KEMARI_BATCH];
};

static inline s_time_t kemari_stime_off(const struct domain *d)
{
    const struct kemari *k = ACCESS_ONCE(d->kemari);

    return k ? read_atomic(&k->stime_off) : 0;
}

static inline bool kemari_no_fifo(const struct domain *d)
{
    const struct kemari *k = ACCESS_ONCE(d->kemari);

    return k && k->no_fifo;
}

#if defined(CONFIG_X86) && defined(CONFIG_HVM)

int kemari_domctl(struct domain *d, void *arg, bool *copyback);
void kemari_destroy(struct domain *d);
/* The domain is dying.  -ERESTART: an operation runs on it, its resources must not be taken away yet. */
int kemari_teardown(struct domain *d);
/* The area as a resource: how many frames, and which. */
unsigned int kemari_area_frames(const struct domain *d, unsigned int id);
int kemari_acquire_area(struct domain *d, unsigned int frame,
                        unsigned int nr_frames, xen_pfn_t mfn_list[]);
/* -EBUSY: a stock command would change log-dirty, and a guard is on it.  Under the domctl lock. */
int kemari_shadow_op(const struct domain *d,
                     const struct xen_domctl_shadow_op *sc);
/* Log-dirty ends; true: it was ours, and the types of frames stay as they are.  Under the domctl lock. */
bool kemari_log_ends(const struct domain *d);
/* The physmap got or lost entries.  Caller holds the p2m lock. */
void kemari_physmap_changed(struct domain *d, gfn_t gfn, unsigned int order);
/* One more frame was marked, and is counted.  Under the paging lock. */
void kemari_marked(const struct domain *d);
/* An event on a channel with a tap at either end; true: it is not to be delivered now.  ld's channel is read-locked. */
bool kemari_tap_event(struct domain *ld, const struct evtchn *lchn,
                      struct domain *rd, const struct evtchn *rchn);
/* The guest's end of a channel with a tap is about to be closed or unbound.  Both ends are write-locked. */
void kemari_tap_drop(struct domain *d, struct evtchn *chn);
/* Under the event lock. */
void kemari_tap_dump(const struct domain *d, const struct evtchn *chn);

#else

static inline int kemari_domctl(struct domain *d, void *arg, bool *copyback)
{
    return -EOPNOTSUPP;
}

static inline void kemari_destroy(struct domain *d) {}

static inline int kemari_teardown(struct domain *d)
{
    return 0;
}

static inline unsigned int kemari_area_frames(const struct domain *d,
                                              unsigned int id)
{
    return 0;
}

static inline int kemari_acquire_area(struct domain *d, unsigned int frame,
                                      unsigned int nr_frames,
                                      xen_pfn_t mfn_list[])
{
    return -EOPNOTSUPP;
}

static inline int kemari_shadow_op(const struct domain *d,
                                   const struct xen_domctl_shadow_op *sc)
{
    return 0;
}

static inline void kemari_marked(const struct domain *d) {}

static inline bool kemari_tap_event(struct domain *ld,
                                    const struct evtchn *lchn,
                                    struct domain *rd,
                                    const struct evtchn *rchn)
{
    return false;
}

static inline void kemari_tap_drop(struct domain *d, struct evtchn *chn) {}

static inline void kemari_tap_dump(const struct domain *d,
                                   const struct evtchn *chn) {}

#endif

/* Hook of evtchn_send(); true: the event is held. */
static inline bool kemari_tapped(struct domain *ld, const struct evtchn *lchn,
                                 struct domain *rd, const struct evtchn *rchn)
{
    return unlikely(lchn->kemari_tap | rchn->kemari_tap) &&
           kemari_tap_event(ld, lchn, rd, rchn);
}

/* Hook of evtchn_close(): no channel from here on. */
static inline void kemari_channel_ends(struct domain *d1, struct evtchn *chn1,
                                       struct domain *d2, struct evtchn *chn2)
{
    if ( unlikely(chn1->kemari_tap) )
        kemari_tap_drop(d1, chn1);
    if ( unlikely(chn2->kemari_tap) )
        kemari_tap_drop(d2, chn2);
}

#endif /* __XEN_KEMARI_H__ */
