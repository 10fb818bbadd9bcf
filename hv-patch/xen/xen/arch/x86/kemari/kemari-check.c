/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Kemari: checks a state blob without a domain at hand.  The same file is built into the daemons, so that
 * a standby refuses what its hypervisor would refuse, long before it matters.
 */
#ifdef __XEN__
#include "kemari.h"
#include <public/sched.h>
#else
#ifndef __XEN_TOOLS__
#define __XEN_TOOLS__
#endif
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <xen/domctl.h>
#include <xen/sched.h>
#include <public/kemari.h>
int kemari_state_check(const void *blob, uint64_t size);
unsigned int kemari_virq_owner(unsigned int virq, unsigned int vcpu);
#endif

/* Longer than any uptime; sums of two stay positive. */
#define MAX_TIME (1ULL << 61)
#define VCPU_INFO_SIZE 64U
#define FRAME_SIZE 4096U
#define NR_VIRQ_TYPES 24U
#define MIN_PERIOD 1000000U /* ns, as VCPUOP_set_periodic_timer */
#define FIRST_FREE_VECTOR 0x10
#define LOWEST_PRIORITY 15
/* VIRQ_TIMER, VIRQ_DEBUG, VIRQ_XENOPROF, VIRQ_XENPMU: one per vCPU; all others one per domain. */
#define PER_VCPU_VIRQS ((1U << 0) | (1U << 1) | (1U << 7) | (1U << 13))

#define VCPU_FLAGS (XEN_KEMARI_VF_online | XEN_KEMARI_VF_nmi_pending | \
                    XEN_KEMARI_VF_mce_pending | XEN_KEMARI_VF_singleshot)

static bool all_zero(const uint64_t *p, unsigned int nr)
{
    while ( nr-- )
        if ( *p++ )
            return false;
    return true;
}

static bool vcpu_ok(const struct xen_kemari_vcpu *v, unsigned int align)
{
    unsigned int i;

    if ( (v->flags & ~VCPU_FLAGS) || v->pad[0] || v->pad[1] || v->pad[2] ||
         !all_zero(v->reserved, sizeof(v->reserved) / sizeof(v->reserved[0])) )
        return false;

    if ( v->vcpu_info_offset > FRAME_SIZE - VCPU_INFO_SIZE ||
         (v->vcpu_info_offset & (align - 1)) )
        return false;

    if ( (v->upcall_vector && v->upcall_vector < FIRST_FREE_VECTOR) ||
         (v->interrupt_shadow & ~0xfU) )
        return false;

    for ( i = 0; i < 4; i++ )
        if ( v->runstate_time[i] >= MAX_TIME )
            return false;

    if ( v->periodic_period &&
         (v->periodic_period < MIN_PERIOD || v->periodic_period >= MAX_TIME) )
        return false;

    return v->singleshot_abs < MAX_TIME;
}

static bool port_ok(const struct xen_kemari_port *p, unsigned int nr_vcpus)
{
    if ( !p->port || p->port >= XEN_KEMARI_MAX_PORTS ||
         p->vcpu >= nr_vcpus || p->priority > LOWEST_PRIORITY )
        return false;

    switch ( p->state )
    {
    case XEN_KEMARI_PORT_unbound:
    case XEN_KEMARI_PORT_interdomain:
        /* The backends are dom0's; a peer elsewhere cannot be recreated. */
        return !p->remote_dom && !p->virq;
    case XEN_KEMARI_PORT_virq:
        return p->virq < NR_VIRQ_TYPES && !p->remote_dom && !p->remote_port;
    case XEN_KEMARI_PORT_ipi:
        return !p->remote_dom && !p->virq && !p->remote_port;
    default:
        return false;
    }
}

/* The vCPU whose table holds the port of a VIRQ that notifies vcpu. */
unsigned int kemari_virq_owner(unsigned int virq, unsigned int vcpu)
{
    return (PER_VCPU_VIRQS & (1U << virq)) ? vcpu : 0;
}

/* Ports ascend; no VIRQ has two ports. */
static bool ports_ok(const struct xen_kemari_port *p, unsigned int nr,
                     unsigned int nr_vcpus)
{
    uint32_t virqs[XEN_KEMARI_MAX_VCPUS] = { 0 };
    unsigned int i, owner;

    for ( i = 0; i < nr; i++ )
    {
        if ( !port_ok(&p[i], nr_vcpus) || (i && p[i].port <= p[i - 1].port) )
            return false;

        if ( p[i].state != XEN_KEMARI_PORT_virq )
            continue;
        owner = kemari_virq_owner(p[i].virq, p[i].vcpu);
        if ( virqs[owner] & (1U << p[i].virq) )
            return false;
        virqs[owner] |= 1U << p[i].virq;
    }

    return true;
}

static bool shutdown_ok(const struct xen_kemari_state *s)
{
    if ( !(s->flags & XEN_KEMARI_SF_shutdown) )
        return !s->shutdown_code;

    /* The guest names it, in a byte. */
    return s->shutdown_code <= UINT8_MAX &&
           s->shutdown_code != SHUTDOWN_suspend;
}

int kemari_state_check(const void *blob, uint64_t size)
{
    const struct xen_kemari_state *s = blob;
    const struct xen_kemari_vcpu *v = (const void *)(s + 1);
    unsigned int i, align;

    if ( size < sizeof(*s) || s->magic != XEN_KEMARI_STATE_MAGIC ||
         s->version != XEN_KEMARI_STATE_VERSION )
        return -EINVAL;

    if ( !s->nr_vcpus || s->nr_vcpus > XEN_KEMARI_MAX_VCPUS ||
         s->nr_ports > XEN_KEMARI_MAX_PORTS ||
         s->nr_grant_frames > XEN_KEMARI_MAX_GRANT_FRAMES )
        return -EINVAL;

    if ( size != sizeof(*s) + s->nr_vcpus * sizeof(*v) +
                 s->nr_ports * sizeof(struct xen_kemari_port) +
                 s->nr_grant_frames * sizeof(uint64_t) )
        return -EINVAL;

    if ( (s->flags & ~(XEN_KEMARI_SF_shinfo32 | XEN_KEMARI_SF_shutdown)) ||
         !shutdown_ok(s) || s->pad || s->grant_version != 1 ||
         s->system_time >= MAX_TIME ||
         !all_zero(s->reserved, sizeof(s->reserved) / sizeof(s->reserved[0])) )
        return -EINVAL;

    align = (s->flags & XEN_KEMARI_SF_shinfo32) ? 4 : 8;
    for ( i = 0; i < s->nr_vcpus; i++ )
        if ( !vcpu_ok(&v[i], align) )
            return -EINVAL;

    return ports_ok((const void *)(v + s->nr_vcpus), s->nr_ports,
                    s->nr_vcpus) ? 0 : -EINVAL;
}
