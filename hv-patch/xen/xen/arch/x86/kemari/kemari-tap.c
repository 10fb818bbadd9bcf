/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Kemari: taps on the channels between a guest and dom0: an event is noticed by who sends it, in his own hypercall.
 *
 * struct evtchn of the guest's end says which tap it has, an index into k->taps from 1.  Taps come, change and go with
 * the guest's event lock and both ends of the channel write-locked: whoever holds one of these three locks, and a sender
 * holds that of his end, sees a tap that stays as it is.  Only what senders write (held events, counters) is written by
 * several at once, and by atomic operations.
 */
#include <xen/event.h>
#include <xen/guest_access.h>
#include "kemari.h"

/* Of xen_kemari_tap.held. */
#define OUT_BIT 0
#define IN_BIT 1

static struct xen_kemari_tap *tap_of(const struct domain *d,
                                     const struct evtchn *chn)
{
    return &d->kemari->taps[chn->kemari_tap - 1];
}

static void count(uint64_t *counter)
{
    arch_fetch_and_add(counter, 1UL);
}

static struct evtchn *find_channel(const struct domain *d, evtchn_port_t port)
{
    return port_is_valid(d, port) ? evtchn_from_port(d, port) : NULL;
}

static struct evtchn *other_end(const struct evtchn *chn)
{
    return evtchn_from_port(chn->u.interdomain.remote_dom,
                            chn->u.interdomain.remote_port);
}

/*
 * Under the lock of an unrelated channel already: waiting for this one could be a deadlock with who locks two.  It is
 * written to while it is made or closed, and by nobody else, as no tap is set on a channel that is not bound.
 */
void kemari_notify(evtchn_port_t port)
{
    struct evtchn *chn = port ? find_channel(hardware_domain, port) : NULL;

    if ( chn && read_trylock(&chn->lock) )
    {
        if ( chn->state == ECS_UNBOUND )
            evtchn_port_set_pending(hardware_domain, chn->notify_vcpu_id, chn);
        read_unlock(&chn->lock);
    }
}

/* Also of the vCPU that runs here: it is descheduled on its way out of the hypercall. */
static void pause(struct domain *d, struct xen_kemari_tap *t)
{
    /* Paused before it is said: who ends the pause must not come first. */
    domain_pause_nosync(d);
    if ( test_and_set_bool(d->kemari->tap_paused) )
        domain_unpause(d);
    else
        count(&t->pauses);
}

static bool hold(struct xen_kemari_tap *t, unsigned int bit, uint64_t *counter)
{
    if ( !(t->mode & XEN_KEMARI_TAP_hold) )
        return false;

    count(counter);
    set_bit(bit, &t->held);

    return true;
}

/* True: a checkpoint was begun, which releases the event.  It is for this CPU to do, which comes to it after us. */
static bool checkpoint(struct domain *d, struct xen_kemari_tap *t)
{
    switch ( kemari_fire(d, t->port) )
    {
    case KEMARI_FIRED:
        set_bit(OUT_BIT, &t->held);
        return true;
    case KEMARI_INTERRUPTS_OFF:
        count(&t->interrupts_off);
        return false;
    default:
        count(&t->ordinary);
        return false;
    }
}

bool kemari_tap_event(struct domain *ld, const struct evtchn *lchn,
                      struct domain *rd, const struct evtchn *rchn)
{
    bool out = lchn->kemari_tap, held;
    struct xen_kemari_tap *t = out ? tap_of(ld, lchn) : tap_of(rd, rchn);

    if ( !(t->mode & (out ? XEN_KEMARI_TAP_out : XEN_KEMARI_TAP_in)) )
        return false;

    count(out ? &t->seen_out : &t->seen_in);
    held = out ? hold(t, OUT_BIT, &t->held_out) : hold(t, IN_BIT, &t->held_in);

    /* The guest stops before anybody is told. */
    if ( out && (t->mode & XEN_KEMARI_TAP_pause) )
        pause(ld, t);
    if ( out && (t->mode & XEN_KEMARI_TAP_checkpoint) && checkpoint(ld, t) )
        return true;
    kemari_notify(t->notify);

    return held;
}

/* Under the guest's event lock, or both ends' locks; returns how many. */
static unsigned int deliver(struct domain *d, struct evtchn *chn,
                            uint32_t directions)
{
    struct xen_kemari_tap *t = tap_of(d, chn);
    struct domain *rd = chn->u.interdomain.remote_dom;
    struct evtchn *rchn = other_end(chn);
    unsigned int nr = 0;

    /* Cleared first: an event from here on is another one. */
    if ( (directions & XEN_KEMARI_TAP_out) &&
         test_and_clear_bit(OUT_BIT, &t->held) )
    {
        evtchn_port_set_pending(rd, rchn->notify_vcpu_id, rchn);
        nr++;
    }
    if ( (directions & XEN_KEMARI_TAP_in) &&
         test_and_clear_bit(IN_BIT, &t->held) )
    {
        evtchn_port_set_pending(d, chn->notify_vcpu_id, chn);
        nr++;
    }

    return nr;
}

void kemari_tap_release(struct domain *d, evtchn_port_t port, bool taken)
{
    struct evtchn *chn;

    read_lock(&d->event_lock);

    chn = find_channel(d, port);
    if ( chn && chn->kemari_tap )
    {
        struct xen_kemari_tap *t = tap_of(d, chn);

        if ( !(t->mode & XEN_KEMARI_TAP_hold) )
            deliver(d, chn, XEN_KEMARI_TAP_out);
        count(taken ? &t->checkpoints : &t->interrupts_off);
        kemari_notify(t->notify);
    }

    read_unlock(&d->event_lock);
}

void kemari_tap_drop(struct domain *d, struct evtchn *chn)
{
    struct xen_kemari_tap *t = tap_of(d, chn);

    /* One too many wakes somebody in vain, one that is lost may be the only one. */
    deliver(d, chn, XEN_KEMARI_TAP_out | XEN_KEMARI_TAP_in);
    memset(t, 0, sizeof(*t));
    chn->kemari_tap = 0;
}

/* By address, as all who lock two. */
static void lock_ends(struct evtchn *a, struct evtchn *b)
{
    write_lock(a < b ? &a->lock : &b->lock);
    write_lock(a < b ? &b->lock : &a->lock);
}

static void unlock_ends(struct evtchn *a, struct evtchn *b)
{
    write_unlock(&a->lock);
    write_unlock(&b->lock);
}

/* Both ends are locked. */
static int change(struct domain *d, struct evtchn *chn, uint32_t mode,
                  evtchn_port_t notify)
{
    struct kemari *k = d->kemari;
    struct xen_kemari_tap *t;
    unsigned int i;

    if ( !mode )
    {
        if ( !chn->kemari_tap )
            return -ENOENT;
        kemari_tap_drop(d, chn);
        return 0;
    }

    if ( !chn->kemari_tap )
    {
        for ( i = 0; i < XEN_KEMARI_MAX_TAPS && k->taps[i].port; i++ )
            ;
        if ( i == XEN_KEMARI_MAX_TAPS )
            return -ENOSPC;
        k->taps[i].port = chn->port;
        chn->kemari_tap = i + 1;
    }

    t = tap_of(d, chn);
    t->mode = mode;
    t->notify = notify;
    deliver(d, chn, mode & XEN_KEMARI_TAP_hold ? ~mode : ~0U);

    return 0;
}

/* The guest's end; under its event lock, so that a channel that is bound stays so. */
static struct evtchn *find_bound(const struct domain *d, evtchn_port_t port)
{
    struct evtchn *chn = find_channel(d, port);

    return chn && chn->state == ECS_INTERDOMAIN && !chn->xen_consumer &&
           chn->u.interdomain.remote_dom == hardware_domain ? chn : NULL;
}

static int set(struct domain *d, evtchn_port_t port, uint32_t mode,
               evtchn_port_t notify)
{
    struct evtchn *chn;
    int rc = -EINVAL;

    write_lock(&d->event_lock);

    chn = find_bound(d, port);
    if ( chn )
    {
        struct evtchn *remote = other_end(chn);

        lock_ends(chn, remote);
        rc = change(d, chn, mode, notify);
        unlock_ends(chn, remote);
    }

    write_unlock(&d->event_lock);

    return rc;
}

static bool mode_ok(uint32_t mode)
{
    uint32_t stops = mode & (XEN_KEMARI_TAP_pause | XEN_KEMARI_TAP_checkpoint);

    if ( !mode )
        return true;
    if ( stops )
        return (mode & XEN_KEMARI_TAP_out) && !(stops & (stops - 1));
    return mode & (XEN_KEMARI_TAP_out | XEN_KEMARI_TAP_in);
}

/* As the daemon makes it.  What becomes of the port later harms nobody but dom0. */
bool kemari_notify_ok(uint64_t port)
{
    const struct evtchn *chn;

    if ( !port )
        return true;
    if ( port > UINT32_MAX )
        return false;
    chn = find_channel(hardware_domain, port);

    return chn && chn->state == ECS_UNBOUND;
}

int kemari_tap_set(struct domain *d, const struct xen_kemari_op *op)
{
    struct kemari *k = d->kemari;

    if ( !mode_ok(op->flags) || !kemari_notify_ok(op->val) )
        return -EINVAL;

    /* Lives as long as a channel may have a tap. */
    if ( !k->taps )
        k->taps = xzalloc_array(struct xen_kemari_tap, XEN_KEMARI_MAX_TAPS);
    if ( !k->taps )
        return -ENOMEM;

    return set(d, op->port, op->flags, op->val);
}

int kemari_tap_deliver(struct domain *d, struct xen_kemari_op *op)
{
    const struct xen_kemari_tap *t = d->kemari->taps;
    unsigned int i;
    int rc = op->port ? -ENOENT : 0;

    if ( !op->flags )
        return -EINVAL;

    op->nr_out = 0;
    read_lock(&d->event_lock);

    for ( i = 0; t && i < XEN_KEMARI_MAX_TAPS; i++ )
    {
        if ( !t[i].port || (op->port && t[i].port != op->port) )
            continue;
        op->nr_out += deliver(d, evtchn_from_port(d, t[i].port), op->flags);
        rc = 0;
    }

    read_unlock(&d->event_lock);

    return rc;
}

int kemari_tap_list(struct domain *d, struct xen_kemari_op *op)
{
    struct kemari *k = d->kemari;
    struct xen_kemari_tap *list = (void *)k->batch;
    unsigned int i, nr = 0;

    BUILD_BUG_ON(sizeof(k->batch) < sizeof(*list) * XEN_KEMARI_MAX_TAPS);

    read_lock(&d->event_lock);

    for ( i = 0; k->taps && i < XEN_KEMARI_MAX_TAPS; i++ )
        if ( k->taps[i].port )
            list[nr++] = k->taps[i];

    read_unlock(&d->event_lock);

    op->nr_out = nr;
    op->flags = read_atomic(&k->tap_paused) ? XEN_KEMARI_F_paused : 0;
    if ( nr > op->nr )
        return -ENOBUFS;

    return copy_to_guest(op->buf, (uint8_t *)list, nr * sizeof(*list)) ? -EFAULT
                                                                      : 0;
}

int kemari_tap_resume(struct domain *d)
{
    struct kemari *k = d->kemari;

    /* Cleared first: the next event takes a pause of its own. */
    if ( !test_and_clear_bool(k->tap_paused) )
        return -ENOENT;

    domain_unpause(d);

    return 0;
}

void kemari_tap_clear(struct domain *d)
{
    const struct xen_kemari_tap *t = d->kemari->taps;
    unsigned int i;

    for ( i = 0; t && i < XEN_KEMARI_MAX_TAPS; i++ )
        if ( t[i].port )
            set(d, t[i].port, 0, 0);

    /* No event can pause it any more. */
    kemari_tap_resume(d);
}

void kemari_tap_dump(const struct domain *d, const struct evtchn *chn)
{
    const struct xen_kemari_tap *t = tap_of(d, chn);

    printk(" tap=%s%s%s%s%s held=%s%s seen=%lu/%lu",
           t->mode & XEN_KEMARI_TAP_out ? "O" : "",
           t->mode & XEN_KEMARI_TAP_in ? "I" : "",
           t->mode & XEN_KEMARI_TAP_hold ? "H" : "",
           t->mode & XEN_KEMARI_TAP_pause ? "P" : "",
           t->mode & XEN_KEMARI_TAP_checkpoint ? "C" : "",
           t->held & XEN_KEMARI_TAP_out ? "O" : "",
           t->held & XEN_KEMARI_TAP_in ? "I" : "", t->seen_out, t->seen_in);
}
