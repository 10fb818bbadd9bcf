/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Kemari: reads what a domain owns in Xen that neither the HVM save records nor other hypercalls carry.
 * Must work on a domain that never ran: its vcpu_info is nowhere, its shared_info may have no gfn.
 */
#include <xen/event.h>
#include <xen/grant_table.h>
#include <xen/guest_access.h>
#include <asm/hvm/hvm.h>
#include <asm/p2m.h>
#include "kemari.h"
#include <public/sched.h>

#define INTR_SHADOW_MASK 0xf

static int get_vcpu_info(const struct vcpu *v, struct xen_kemari_vcpu *out)
{
    unsigned long gfn;

    out->vcpu_info_gfn = XEN_KEMARI_INVALID_GFN;
    if ( mfn_eq(v->vcpu_info_mfn, INVALID_MFN) )
        return 0;

    gfn = get_gpfn_from_mfn(mfn_x(v->vcpu_info_mfn));
    if ( !VALID_M2P(gfn) )
        return -EOPNOTSUPP;

    out->vcpu_info_gfn = gfn;
    out->vcpu_info_offset = (unsigned long)v->vcpu_info & ~PAGE_MASK;

    return 0;
}

static void get_interruptibility(struct vcpu *v, struct xen_kemari_vcpu *out)
{
    if ( hvm_funcs.get_nonreg_state )
    {
        struct hvm_vcpu_nonreg_state nrs = {};

        hvm_get_nonreg_state(v, &nrs);
        out->interrupt_shadow = nrs.vmx.interruptibility_info;
        out->pending_debug = nrs.vmx.pending_dbg;
    }
    else
        out->interrupt_shadow = alternative_call(
            hvm_funcs.get_interrupt_shadow, v);

    out->interrupt_shadow &= INTR_SHADOW_MASK;
}

/*
 * First of all, and before the caller looks at event words in guest memory: a timer that fires in between
 * is then seen armed and pending, which costs a second tick.  The other order would lose the only one.
 */
static void get_timers(const struct vcpu *v, struct xen_kemari_vcpu *out)
{
    s_time_t expires = ACCESS_ONCE(v->singleshot_timer.expires) +
                       kemari_stime_off(v->domain);

    if ( timer_is_active(&v->singleshot_timer) )
    {
        out->flags |= XEN_KEMARI_VF_singleshot;
        out->singleshot_abs = max(expires, (s_time_t)0);
    }
    out->periodic_period = v->periodic_period;
}

static int get_vcpu(struct vcpu *v, struct xen_kemari_vcpu *out)
{
    struct vcpu_runstate_info runstate;
    unsigned int i;

    memset(out, 0, sizeof(*out));
    get_timers(v, out);

    if ( !(v->pause_flags & VPF_down) )
        out->flags |= XEN_KEMARI_VF_online;
    if ( v->arch.nmi_pending )
        out->flags |= XEN_KEMARI_VF_nmi_pending;
    if ( v->arch.mce_pending )
        out->flags |= XEN_KEMARI_VF_mce_pending;

    out->upcall_vector = v->arch.hvm.evtchn_upcall_vector;
    out->runstate_area = (unsigned long)runstate_guest(v).p;
    out->time_area = (unsigned long)v->arch.time_info_guest.p;

    vcpu_runstate_get(v, &runstate);
    for ( i = 0; i < ARRAY_SIZE(out->runstate_time); i++ )
        out->runstate_time[i] = runstate.time[i];

    get_interruptibility(v, out);

    return get_vcpu_info(v, out);
}

/* Also if a vCPU of it has to be waited for.  A suspended one is about to go on, for who saved it. */
static void get_end(struct domain *d, struct xen_kemari_state *s)
{
    spin_lock(&d->shutdown_lock);

    if ( d->is_shutting_down && d->shutdown_code != SHUTDOWN_suspend )
    {
        s->flags |= XEN_KEMARI_SF_shutdown;
        s->shutdown_code = d->shutdown_code;
    }

    spin_unlock(&d->shutdown_lock);
}

static void get_common(struct domain *d, struct xen_kemari_state *s)
{
    unsigned long gfn = get_gpfn_from_mfn(virt_to_mfn(d->shared_info));

    s->magic = XEN_KEMARI_STATE_MAGIC;
    s->version = XEN_KEMARI_STATE_VERSION;
    s->flags = has_32bit_shinfo(d) ? XEN_KEMARI_SF_shinfo32 : 0;
    get_end(d, s);
    s->nr_vcpus = d->max_vcpus;
    s->tsc_khz = d->arch.tsc_khz;
    s->vm_assist = d->vm_assist;
    s->shared_info_gfn = VALID_M2P(gfn) ? gfn : XEN_KEMARI_INVALID_GFN;
    kemari_time(d, &s->system_time, &s->tsc);
}

/* Fills k->blob; room is what follows the vCPUs.  Returns the size. */
static ssize_t fill(struct domain *d, size_t room)
{
    struct xen_kemari_state *s = d->kemari->blob;
    struct xen_kemari_vcpu *out = (void *)(s + 1);
    struct xen_kemari_port *ports = (void *)(out + d->max_vcpus);
    unsigned int max_gfns;
    struct vcpu *v;
    int rc;

    memset(s, 0, sizeof(*s));

    for_each_vcpu ( d, v )
    {
        rc = get_vcpu(v, &out[v->vcpu_id]);
        if ( rc )
            return rc;
    }

    get_common(d, s);

    rc = kemari_get_ports(d, ports, room / sizeof(*ports));
    if ( rc < 0 )
        return rc;
    s->nr_ports = rc;

    max_gfns = (room - rc * sizeof(*ports)) / sizeof(uint64_t);
    s->nr_grant_frames = gnttab_get_layout(d, &s->grant_version,
                                           (void *)(ports + rc), max_gfns);
    if ( s->nr_grant_frames > max_gfns )
        return -ENOBUFS;

    return (void *)(ports + s->nr_ports) - (void *)s +
           s->nr_grant_frames * sizeof(uint64_t);
}

ssize_t kemari_read_state(struct domain *d)
{
    size_t fixed = sizeof(struct xen_kemari_state) +
                   d->max_vcpus * sizeof(struct xen_kemari_vcpu);
    ssize_t size;
    size_t room;
    int rc;

    /* dom0 may make a port or grow the grant table just now: once more. */
    do {
        room = read_atomic(&d->valid_evtchns) * sizeof(struct xen_kemari_port) +
               gnttab_resource_max_frames(
                   d, XENMEM_resource_grant_table_id_shared) * sizeof(uint64_t);
        rc = kemari_blob_reserve(d->kemari, fixed + room);
        if ( rc )
            return rc;
        size = fill(d, room);
    } while ( size == -ENOBUFS );

    return size;
}

int kemari_get_state(struct domain *d, struct xen_kemari_op *op)
{
    ssize_t size = kemari_read_state(d);

    if ( size < 0 )
        return size;

    if ( guest_handle_is_null(op->buf) )
    {
        op->size = size;
        return 0;
    }
    if ( op->size < size )
    {
        op->size = size;
        return -ENOBUFS;
    }
    op->size = size;

    return copy_to_guest(op->buf, (uint8_t *)d->kemari->blob, size) ? -EFAULT
                                                                   : 0;
}
