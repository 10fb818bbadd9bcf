/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Kemari: a domain's event ports as a list, and back.  Interdomain ports come back as unbound ones for
 * dom0: backends then bind to them as they do to a new guest's.
 */
#include <xen/event.h>
#include <asm/guest_atomics.h>
#include "kemari.h"

static bool is_listed(const struct evtchn *chn)
{
    return chn->state >= ECS_UNBOUND && !chn->xen_consumer;
}

static int get_port(const struct evtchn *chn, struct xen_kemari_port *out)
{
    *out = (struct xen_kemari_port){
        .port = chn->port,
        .priority = chn->priority,
        .vcpu = chn->notify_vcpu_id,
    };

    switch ( chn->state )
    {
    case ECS_UNBOUND:
        out->state = XEN_KEMARI_PORT_unbound;
        out->remote_dom = chn->u.unbound.remote_domid;
        break;
    case ECS_INTERDOMAIN:
        out->state = XEN_KEMARI_PORT_interdomain;
        out->remote_dom = chn->u.interdomain.remote_dom->domain_id;
        out->remote_port = chn->u.interdomain.remote_port;
        break;
    case ECS_VIRQ:
        out->state = XEN_KEMARI_PORT_virq;
        out->virq = chn->u.virq;
        break;
    case ECS_IPI:
        out->state = XEN_KEMARI_PORT_ipi;
        break;
    default: /* a pirq: no record carries its mapping yet */
        return -EOPNOTSUPP;
    }

    return 0;
}

int kemari_get_ports(struct domain *d, struct xen_kemari_port *ports,
                     unsigned int max)
{
    unsigned int port, nr = 0;
    int rc = 0;

    if ( d->evtchn_fifo )
        return -EOPNOTSUPP;

    read_lock(&d->event_lock);

    for ( port = 1; !rc && port_is_valid(d, port); port++ )
    {
        const struct evtchn *chn = evtchn_from_port(d, port);

        if ( !is_listed(chn) )
            continue;
        if ( nr == max )
            rc = -ENOBUFS;
        else
            rc = get_port(chn, &ports[nr++]);
    }

    read_unlock(&d->event_lock);

    return rc ?: nr;
}

/* The port is there as it should be, but for what can be changed in place. */
static bool matches(const struct evtchn *chn, const struct xen_kemari_port *p)
{
    switch ( p->state )
    {
    case XEN_KEMARI_PORT_unbound:
    case XEN_KEMARI_PORT_interdomain:
        return (chn->state == ECS_UNBOUND &&
                chn->u.unbound.remote_domid == p->remote_dom) ||
               (chn->state == ECS_INTERDOMAIN &&
                chn->u.interdomain.remote_dom->domain_id == p->remote_dom);
    case XEN_KEMARI_PORT_virq:
        return chn->state == ECS_VIRQ && chn->u.virq == p->virq &&
               kemari_virq_owner(p->virq, chn->notify_vcpu_id) ==
               kemari_virq_owner(p->virq, p->vcpu);
    default:
        return chn->state == ECS_IPI && chn->notify_vcpu_id == p->vcpu;
    }
}

static const struct xen_kemari_port *find(const struct xen_kemari_port *ports,
                                          unsigned int nr, evtchn_port_t port)
{
    unsigned int lo = 0, hi = nr;

    while ( lo < hi )
    {
        unsigned int mid = (lo + hi) / 2;

        if ( ports[mid].port == port )
            return &ports[mid];
        if ( ports[mid].port < port )
            lo = mid + 1;
        else
            hi = mid;
    }

    return NULL;
}

int kemari_prepare_ports(struct domain *d, const struct xen_kemari_port *ports,
                         unsigned int nr)
{
    unsigned int i;
    int rc = 0;

    if ( d->evtchn_fifo )
        return -EOPNOTSUPP;
    if ( !nr )
        return 0;

    write_lock(&d->event_lock);

    for ( i = 0; !rc && i < nr && port_is_valid(d, ports[i].port); i++ )
    {
        const struct evtchn *chn = evtchn_from_port(d, ports[i].port);

        if ( chn->xen_consumer || chn->state == ECS_RESERVED ||
             chn->state == ECS_PIRQ )
            rc = -EINVAL;
    }

    /* One for the highest port makes all buckets; then give it back. */
    if ( !rc && !port_is_valid(d, ports[nr - 1].port) )
    {
        rc = evtchn_allocate_port(d, ports[nr - 1].port);
        if ( !rc )
            write_atomic(&d->active_evtchns, d->active_evtchns - 1);
        else if ( rc == -ENOSPC )
            rc = -EINVAL;
    }

    write_unlock(&d->event_lock);

    return rc;
}

static void make_port(struct domain *d, struct evtchn *chn,
                      const struct xen_kemari_port *p)
{
    struct vcpu *v;
    unsigned long flags;

    write_lock(&chn->lock);

    chn->notify_vcpu_id = p->vcpu;
    switch ( p->state )
    {
    case XEN_KEMARI_PORT_virq:
        chn->state = ECS_VIRQ;
        chn->u.virq = p->virq;
        break;
    case XEN_KEMARI_PORT_ipi:
        chn->state = ECS_IPI;
        break;
    default:
        chn->state = ECS_UNBOUND;
        chn->u.unbound.remote_domid = p->remote_dom;
        break;
    }
    evtchn_port_init(d, chn);
    chn->priority = p->priority;

    write_unlock(&chn->lock);

    if ( p->state != XEN_KEMARI_PORT_virq )
        return;

    v = d->vcpu[kemari_virq_owner(p->virq, p->vcpu)];
    write_lock_irqsave(&v->virq_lock, flags);
    write_atomic(&v->virq_to_evtchn[p->virq], p->port);
    write_unlock_irqrestore(&v->virq_lock, flags);
}

/*
 * Closes what is not on the list, or is something else there.  Closing clears the port's pending bit in
 * the shared page, whose content is the new one already: a bit that is the list's must be put back.
 */
static void close_others(struct domain *d, const struct xen_kemari_port *ports,
                         unsigned int nr)
{
    evtchn_port_t port;

    for ( port = 1; port_is_valid(d, port); port++ )
    {
        const struct xen_kemari_port *p = find(ports, nr, port);
        struct evtchn *chn = evtchn_from_port(d, port);
        bool keep, pending;

        read_lock(&d->event_lock);
        keep = !is_listed(chn) || (p && matches(chn, p));
        pending = p && evtchn_is_pending(d, chn);
        read_unlock(&d->event_lock);

        if ( keep )
            continue;
        evtchn_close(d, port, false);
        if ( pending )
            guest_set_bit(d, port, &shared_info(d, evtchn_pending));
    }
}

void kemari_set_ports(struct domain *d, const struct xen_kemari_port *ports,
                      unsigned int nr)
{
    unsigned int i;

    close_others(d, ports, nr);

    write_lock(&d->event_lock);

    for ( i = 0; i < nr; i++ )
    {
        struct evtchn *chn = evtchn_from_port(d, ports[i].port);

        if ( is_listed(chn) )
            chn->notify_vcpu_id = ports[i].vcpu;
        else if ( !evtchn_allocate_port(d, ports[i].port) )
            make_port(d, chn, &ports[i]);
        else /* its bucket exists, it is free, and nobody uses FIFO */
            ASSERT_UNREACHABLE();
    }

    write_unlock(&d->event_lock);
}
