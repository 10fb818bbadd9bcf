/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Kemari: gives a paused domain the state that kemari-get.c read on another host, and wakes it.
 *
 * All that can fail comes first (the blob, its fit to the domain, memory, the pages of the vcpu_infos);
 * then everything is applied.  The domain may be fresh, or an old primary that has run for days.
 */
#include <xen/domain_page.h>
#include <xen/event.h>
#include <xen/grant_table.h>
#include <xen/guest_access.h>
#include <xen/rcupdate.h>
#include <asm/hvm/hvm.h>
#include <asm/p2m.h>
#include "kemari.h"

/*
 * Added to the guest's clock, ns.  Until the next calibration vcpu_info extrapolates from a stamp up to a
 * second old, which errs by less: with this its time cannot step back.
 */
#define CLOCK_SLACK 2000

/* A vcpu_info's page that is no longer a vCPU's. */
struct leaver {
    struct rcu_head rcu;
    struct page_info *page;
    void *map;
};

/* A vCPU's future vcpu_info; page NULL: the one in shared_info. */
struct placement {
    struct page_info *page;
    void *map;
    struct leaver *leaver; /* room to let the old one go */
};

static const struct xen_kemari_vcpu *vcpus_of(const struct xen_kemari_state *s)
{
    return (const void *)(s + 1);
}

static const struct xen_kemari_port *ports_of(const struct xen_kemari_state *s)
{
    return (const void *)(vcpus_of(s) + s->nr_vcpus);
}

/* shared_info and grant frames are where the guest left them. */
static int check_frames(struct domain *d, const struct xen_kemari_state *s)
{
    const uint64_t *want = (const void *)(ports_of(s) + s->nr_ports);
    unsigned long gfn = get_gpfn_from_mfn(virt_to_mfn(d->shared_info));
    unsigned int i, nr, version;
    uint64_t *have;
    int rc = 0;

    if ( s->shared_info_gfn != XEN_KEMARI_INVALID_GFN &&
         s->shared_info_gfn != gfn )
        return -EINVAL;

    have = xmalloc_array(uint64_t, s->nr_grant_frames + 1);
    if ( !have )
        return -ENOMEM;

    nr = gnttab_get_layout(d, &version, have, s->nr_grant_frames);
    if ( version != s->grant_version || nr < s->nr_grant_frames )
        rc = -EINVAL;
    for ( i = 0; !rc && i < s->nr_grant_frames; i++ )
        if ( want[i] != XEN_KEMARI_INVALID_GFN && want[i] != have[i] )
            rc = -EINVAL;

    xfree(have);

    return rc;
}

static void release_placements(struct placement *p, unsigned int nr)
{
    unsigned int i;

    for ( i = 0; i < nr; i++ )
    {
        if ( p[i].map )
            unmap_domain_page_global(p[i].map);
        if ( p[i].page )
            put_page_and_type(p[i].page);
        xfree(p[i].leaver);
    }
}

static int take_page(struct domain *d, uint64_t gfn, struct placement *out)
{
    struct page_info *page = get_page_from_gfn(d, gfn, NULL, P2M_UNSHARE);

    if ( !page )
        return -EINVAL;
    if ( !get_page_type(page, PGT_writable_page) )
    {
        put_page(page);
        return -EINVAL;
    }

    out->page = page;
    out->map = __map_domain_page_global(page);

    return out->map ? 0 : -ENOMEM;
}

static int take_pages(struct domain *d, const struct xen_kemari_state *s,
                      struct placement *p)
{
    const struct xen_kemari_vcpu *v = vcpus_of(s);
    unsigned int i;
    int rc = 0;

    for ( i = 0; !rc && i < s->nr_vcpus; i++ )
    {
        p[i].leaver = xmalloc(struct leaver);
        if ( !p[i].leaver )
            rc = -ENOMEM;
        else if ( v[i].vcpu_info_gfn != XEN_KEMARI_INVALID_GFN )
            rc = take_page(d, v[i].vcpu_info_gfn, &p[i]);
    }

    return rc;
}

static void cf_check free_leaver(struct rcu_head *rcu)
{
    struct leaver *l = container_of(rcu, struct leaver, rcu);

    unmap_domain_page_global(l->map);
    put_page_and_type(l->page);
    xfree(l);
}

static vcpu_info_t *default_vcpu_info(const struct vcpu *v)
{
    return v->vcpu_id < XEN_LEGACY_MAX_VCPUS
           ? (vcpu_info_t *)&shared_info(v->domain, vcpu_info[v->vcpu_id])
           : &dummy_vcpu_info;
}

/*
 * Content is not touched: it is the guest's own, restored or about to be.  The domain is paused but timers
 * and dom0 go on sending it events: the old place stays mapped until no CPU can be writing to it.
 */
static void place_vcpu_info(struct vcpu *v, const struct xen_kemari_vcpu *s,
                            struct placement *p)
{
    mfn_t old = v->vcpu_info_mfn;
    mfn_t new = p->page ? page_to_mfn(p->page) : INVALID_MFN;
    void *old_map = (void *)((unsigned long)v->vcpu_info & PAGE_MASK);

    if ( mfn_eq(old, new) &&
         (!p->page || v->vcpu_info == old_map + s->vcpu_info_offset) )
        return;

    write_atomic(&v->vcpu_info, p->page ? p->map + s->vcpu_info_offset
                                        : default_vcpu_info(v));
    v->vcpu_info_mfn = new;
    p->page = NULL;
    p->map = NULL;

    if ( mfn_eq(old, INVALID_MFN) )
        return;

    p->leaver->map = old_map;
    p->leaver->page = mfn_to_page(old);
    call_rcu(&p->leaver->rcu, free_leaver);
    p->leaver = NULL;
}

static void set_interruptibility(struct vcpu *v, const struct xen_kemari_vcpu *s)
{
    unsigned int shadow = s->interrupt_shadow;

    if ( hvm_funcs.set_nonreg_state )
    {
        struct hvm_vcpu_nonreg_state nrs = {};

        /* The rest (interrupt status) comes from the LAPIC records. */
        hvm_get_nonreg_state(v, &nrs);
        nrs.vmx.activity_state = 0;
        nrs.vmx.interruptibility_info = shadow;
        nrs.vmx.pending_dbg = s->pending_debug;
        hvm_set_nonreg_state(v, &nrs);
    }
    else
        alternative_vcall(hvm_funcs.set_interrupt_shadow, v, shadow);
}

/* An old primary waits for an event of a life that did not happen. */
static void end_waits(struct vcpu *v)
{
    stop_timer(&v->poll_timer);
    vcpu_unblock(v);
}

static void set_vcpu(struct vcpu *v, const struct xen_kemari_vcpu *s)
{
    v->arch.hvm.evtchn_upcall_vector = s->upcall_vector;
    v->arch.nmi_pending = s->flags & XEN_KEMARI_VF_nmi_pending;
    v->arch.mce_pending = s->flags & XEN_KEMARI_VF_mce_pending;

    set_xen_guest_handle(runstate_guest(v), (void *)s->runstate_area);
    set_xen_guest_handle(v->arch.time_info_guest, (void *)s->time_area);
    vcpu_runstate_set(v, s->runstate_time);

    set_interruptibility(v, s);
    end_waits(v);
}

/* After the ports: a timer that is due fires at once. */
static void set_timers(struct vcpu *v, const struct xen_kemari_vcpu *s)
{
    vcpu_set_periodic_timer(v, s->periodic_period);

    if ( s->flags & XEN_KEMARI_VF_singleshot )
    {
        migrate_timer(&v->singleshot_timer, v->processor);
        set_timer(&v->singleshot_timer,
                  s->singleshot_abs - kemari_stime_off(v->domain));
    }
    else
        stop_timer(&v->singleshot_timer);
}

/*
 * The guest's clock goes on where it stood.  The vCPUs' time areas follow when they are scheduled in: they
 * may be written only from their own address space.
 */
static void set_clock(struct domain *d, const struct xen_kemari_state *s,
                      uint64_t elapsed)
{
    s_time_t off = s->system_time + elapsed + CLOCK_SLACK - get_s_time();

    write_atomic(&d->kemari->stime_off, off);
    update_domain_wallclock_time(d);
}

static void apply(struct domain *d, const struct xen_kemari_state *s,
                  struct placement *p, uint64_t elapsed)
{
    const struct xen_kemari_vcpu *in = vcpus_of(s);
    struct vcpu *v;

    /* First: the layout of shared_info and vcpu_info depends on it. */
    d->arch.has_32bit_shinfo = s->flags & XEN_KEMARI_SF_shinfo32;
    d->vm_assist = s->vm_assist;

    domain_lock(d);
    for_each_vcpu ( d, v )
        place_vcpu_info(v, &in[v->vcpu_id], &p[v->vcpu_id]);
    domain_unlock(d);

    for_each_vcpu ( d, v )
        set_vcpu(v, &in[v->vcpu_id]);

    kemari_set_ports(d, ports_of(s), s->nr_ports);
    set_clock(d, s, elapsed);

    for_each_vcpu ( d, v )
        set_timers(v, &in[v->vcpu_id]);

    if ( s->flags & XEN_KEMARI_SF_shutdown )
        domain_shutdown(d, s->shutdown_code);
}

/* How an earlier life of the domain ended, or was about to. */
static void forget_end(struct domain *d)
{
    struct vcpu *v;

    spin_lock(&d->shutdown_lock);
    for_each_vcpu ( d, v )
        v->defer_shutdown = 0;
    spin_unlock(&d->shutdown_lock);

    if ( d->is_shutting_down || d->shutdown_code != SHUTDOWN_CODE_INVALID )
        domain_resume(d);
}

static int copy_in(struct domain *d, const struct xen_kemari_op *op)
{
    const size_t max = sizeof(struct xen_kemari_state) +
                       XEN_KEMARI_MAX_VCPUS * sizeof(struct xen_kemari_vcpu) +
                       XEN_KEMARI_MAX_PORTS * sizeof(struct xen_kemari_port) +
                       XEN_KEMARI_MAX_GRANT_FRAMES * sizeof(uint64_t);
    struct kemari *k = d->kemari;
    int rc;

    if ( op->size < sizeof(struct xen_kemari_state) || op->size > max )
        return -EINVAL;

    rc = kemari_blob_reserve(k, op->size);
    if ( rc )
        return rc;

    return copy_from_guest((uint8_t *)k->blob, op->buf, op->size) ? -EFAULT : 0;
}

int kemari_set_state(struct domain *d, struct xen_kemari_op *op)
{
    const struct xen_kemari_state *s;
    struct placement *p;
    int rc = copy_in(d, op);

    if ( rc )
        return rc;

    s = d->kemari->blob;
    rc = kemari_state_check(s, op->size);
    if ( rc )
        return rc;

    if ( s->nr_vcpus != d->max_vcpus || op->val > XEN_KEMARI_MAX_ELAPSED ||
         (s->vm_assist & ~arch_vm_assist_valid_mask(d)) )
        return -EINVAL;

    p = xzalloc_array(struct placement, s->nr_vcpus);
    if ( !p )
        return -ENOMEM;

    rc = check_frames(d, s);
    if ( !rc )
        rc = kemari_prepare_ports(d, ports_of(s), s->nr_ports);
    if ( !rc )
        rc = take_pages(d, s, p);
    if ( !rc )
    {
        forget_end(d);
        apply(d, s, p, op->val);
    }

    release_placements(p, s->nr_vcpus);
    xfree(p);

    return rc;
}

/*
 * A copy of guest memory may be torn between "pending" and "selector", or between "upcall pending" and
 * the interrupt: the event would be lost for ever, as Xen sends the next one only on a change.
 */
static void heal(struct vcpu *v)
{
    if ( v->vcpu_info == &dummy_vcpu_info || (v->pause_flags & VPF_down) )
        return;

#ifdef CONFIG_COMPAT
    if ( !has_32bit_shinfo(v->domain) )
        write_atomic(&v->vcpu_info->native.evtchn_pending_sel, ~0UL);
    else
#endif
        write_atomic(&vcpu_info(v, evtchn_pending_sel), ~0);
    smp_wmb();
    write_atomic(&vcpu_info(v, evtchn_upcall_pending), 1);

    /* Not vcpu_mark_events_pending(): it returns when the flag was set. */
    hvm_assert_evtchn_irq(v);
}

static void kick_port(struct domain *d, evtchn_port_t port, bool any)
{
    struct evtchn *chn = evtchn_from_port(d, port);

    evtchn_read_lock(chn);
    if ( any || chn->state == ECS_UNBOUND || chn->state == ECS_INTERDOMAIN )
        evtchn_port_set_pending(d, chn->notify_vcpu_id, chn);
    evtchn_read_unlock(chn);
}

int kemari_kick(struct domain *d, struct xen_kemari_op *op)
{
    struct vcpu *v;
    evtchn_port_t port;

    if ( op->port && !port_is_valid(d, op->port) )
        return -EINVAL;

    if ( op->port )
        kick_port(d, op->port, true);
    else
        for ( port = 1; port_is_valid(d, port); port++ )
            kick_port(d, port, false);

    for_each_vcpu ( d, v )
        heal(v);

    return 0;
}
