/* SPDX-License-Identifier: GPL-2.0-only */
/* Kemari: dispatch of the private domctl, and the commands that fit into a few lines. */
#include <xen/event.h>
#include <xen/guest_access.h>
#include <asm/hvm/hvm.h>
#include <asm/hvm/nestedhvm.h>
#include <asm/time.h>
#include "kemari.h"

int kemari_blob_reserve(struct kemari *k, size_t size)
{
    void *blob;

    if ( size <= k->blob_size )
        return 0;

    blob = xmalloc_bytes(size);
    if ( !blob )
        return -ENOMEM;

    xfree(k->blob);
    k->blob = blob;
    k->blob_size = size;

    return 0;
}

/* No channel has a tap any more. */
static void drop_buffers(struct kemari *k)
{
    kemari_area_drop(k);
    XFREE(k->taps);
    XFREE(k->hot);
    k->nr_hot = 0;
    XFREE(k->blob);
    k->blob_size = 0;
    XFREE(k->context);
}

void kemari_destroy(struct domain *d)
{
    if ( !d->kemari )
        return;

    tasklet_kill(&d->kemari->tasklet);
    drop_buffers(d->kemari);
    XFREE(d->kemari);
}

int kemari_teardown(struct domain *d)
{
    struct kemari *k = d->kemari;

    if ( !k )
        return 0;

    smp_mb(); /* is_dying was written before */
    if ( read_atomic(&k->busy) || read_atomic(&k->at_work) )
        return -ERESTART;

    /* Its frames are the domain's. */
    kemari_area_drop(k);

    return 0;
}

static int enable(struct domain *d, const struct xen_kemari_op *op)
{
    struct kemari *k = d->kemari;
    bool no_fifo = op->flags & XEN_KEMARI_F_no_fifo;
    int rc = 0;

    /* No vCPU is in the middle of EVTCHNOP_init_control. */
    domain_pause(d);

    if ( no_fifo && d->evtchn_fifo )
        rc = -EBUSY;
    else
    {
        k->no_fifo = no_fifo;
        k->enabled = true;
    }

    domain_unpause(d);

    return rc;
}

static int disable(struct domain *d)
{
    struct kemari *k = d->kemari;

    if ( k->held || k->own_log )
        return -EBUSY;

    kemari_tap_clear(d);
    kemari_wait_idle(k);
    k->dirty_watch = 0;
    k->enabled = k->no_fifo = k->physmap_changed = false;
    drop_buffers(k);

    return 0;
}

static int hold(struct domain *d, const struct xen_kemari_op *op)
{
    struct kemari *k = d->kemari;

    if ( k->held && op->val < k->generation )
        return -EEXIST;

    k->generation = op->val;
    if ( !k->held )
    {
        domain_pause(d);
        k->held = true;
    }

    return 0;
}

static int run(struct domain *d, const struct xen_kemari_op *op)
{
    struct kemari *k = d->kemari;

    if ( !k->held )
        return -ENOENT;
    if ( op->val != k->generation )
        return -EPERM;

    k->held = false;
    domain_unpause(d);

    return 0;
}

bool kemari_interrupts_off(const struct domain *d)
{
    const struct vcpu *v;

    for_each_vcpu ( d, v )
        if ( is_vcpu_online(v) && !(v->arch.user_regs.eflags & X86_EFLAGS_IF) )
            return true;

    return false;
}

static int stop(struct domain *d, const struct xen_kemari_op *op)
{
    int rc = -EAGAIN;

    /* Its registers are in memory from here on. */
    domain_pause(d);

    if ( (op->flags & XEN_KEMARI_F_anywhere) || !kemari_interrupts_off(d) )
        rc = domain_pause_by_systemcontroller(d);

    domain_unpause(d);

    return rc;
}

/* Both clocks at one instant. */
void kemari_time(struct domain *d, uint64_t *system_time, uint64_t *tsc)
{
    uint64_t now = rdtsc_ordered();

    *system_time = get_s_time_fixed(now) + kemari_stime_off(d);
    *tsc = hvm_get_guest_tsc_fixed(d->vcpu[0], now);
}

static bool all_vcpus_exist(const struct domain *d)
{
    unsigned int i;

    for ( i = 0; i < d->max_vcpus; i++ )
        if ( !d->vcpu[i] )
            return false;

    return d->max_vcpus;
}

/* Commands on the domain's memory or state; the caller has stopped it. */
static int stopped_op(struct domain *d, struct xen_kemari_op *op)
{
    int rc;

    if ( !atomic_read(&d->pause_count) && !d->is_shut_down )
        return -EBUSY;

    /* Our own pause: synchronous, and an xl unpause now changes nothing. */
    domain_pause(d);

    switch ( op->cmd )
    {
    case XEN_KEMARI_harvest:
        rc = kemari_harvest(d, op, NULL);
        break;
    case XEN_KEMARI_protect:
        rc = kemari_protect(d, op);
        break;
    case XEN_KEMARI_get_state:
        rc = kemari_get_state(d, op);
        break;
    default:
        rc = kemari_set_state(d, op);
        break;
    }

    domain_unpause(d);

    return rc;
}

static int do_op(struct domain *d, struct xen_kemari_op *op)
{
    switch ( op->cmd )
    {
    case XEN_KEMARI_disable:
        return disable(d);
    case XEN_KEMARI_hold:
        return hold(d, op);
    case XEN_KEMARI_run:
        return run(d, op);
    case XEN_KEMARI_set_hot:
        return kemari_set_hot(d, op);
    case XEN_KEMARI_dirty_count:
        return kemari_dirty_count(d, op);
    case XEN_KEMARI_watch_dirty:
        return kemari_watch_dirty(d, op);
    case XEN_KEMARI_log:
        return kemari_log(d, op);
    case XEN_KEMARI_stop:
        return stop(d, op);
    case XEN_KEMARI_tap_set:
        return kemari_tap_set(d, op);
    case XEN_KEMARI_tap_deliver:
        return kemari_tap_deliver(d, op);
    case XEN_KEMARI_tap_list:
        return kemari_tap_list(d, op);
    }

    if ( !all_vcpus_exist(d) )
        return -EINVAL;

    switch ( op->cmd )
    {
    case XEN_KEMARI_harvest:
    case XEN_KEMARI_protect:
    case XEN_KEMARI_get_state:
    case XEN_KEMARI_set_state:
        return stopped_op(d, op);
    case XEN_KEMARI_checkpoint:
        return kemari_checkpoint(d, op);
    case XEN_KEMARI_area_set:
        return kemari_area_set(d, op);
    case XEN_KEMARI_area_pin:
        return kemari_area_pin(d, op);
    case XEN_KEMARI_kick:
        return kemari_kick(d, op);
    case XEN_KEMARI_time:
        kemari_time(d, &op->val, &op->size);
        return 0;
    }

    return -EINVAL;
}

static uint32_t flags_of(uint32_t cmd)
{
    switch ( cmd )
    {
    case XEN_KEMARI_enable:
        return XEN_KEMARI_F_no_fifo;
    case XEN_KEMARI_stop:
    case XEN_KEMARI_checkpoint:
        return XEN_KEMARI_F_anywhere;
    case XEN_KEMARI_tap_set:
        return XEN_KEMARI_TAP_out | XEN_KEMARI_TAP_in | XEN_KEMARI_TAP_hold |
               XEN_KEMARI_TAP_pause | XEN_KEMARI_TAP_checkpoint;
    case XEN_KEMARI_tap_deliver:
        return XEN_KEMARI_TAP_out | XEN_KEMARI_TAP_in;
    default:
        return 0;
    }
}

static int check_op(const struct domain *d, const struct xen_kemari_op *op)
{
    if ( op->cmd > XEN_KEMARI_watch_dirty || op->reserved ||
         (op->flags & ~flags_of(op->cmd)) || d == current->domain ||
         is_hardware_domain(d) )
        return -EINVAL;

    if ( !is_hvm_domain(d) || !hap_enabled(d) || nestedhvm_enabled(d) )
        return -EOPNOTSUPP;

    return 0;
}

/* The state block lives as long as the domain: hooks read it without a lock. */
static int ensure_block(struct domain *d)
{
    struct kemari *k;

    if ( d->kemari )
        return 0;

    k = xzalloc(struct kemari);
    if ( !k )
        return -ENOMEM;
    tasklet_init(&k->tasklet, kemari_take_by_tap, d);
    if ( cmpxchgptr(&d->kemari, NULL, k) )
        xfree(k);

    return 0;
}

int kemari_domctl(struct domain *d, void *arg, bool *copyback)
{
    struct xen_kemari_op *op = arg;
    struct kemari *k;
    int rc;

    BUILD_BUG_ON(sizeof(*op) > sizeof(((struct xen_domctl *)NULL)->u.pad));

    if ( op->cmd == XEN_KEMARI_version )
    {
        op->val = XEN_KEMARI_INTERFACE;
        op->nr_out = XEN_KEMARI_STATE_VERSION;
        *copyback = true;
        return 0;
    }

    rc = check_op(d, op);
    if ( !rc && op->cmd == XEN_KEMARI_enable )
        rc = ensure_block(d);
    if ( rc )
        return rc;

    k = d->kemari;
    if ( !k )
        return -ENXIO;
    /* Whatever else is under way: the guest would stand still. */
    if ( op->cmd == XEN_KEMARI_resume )
        return k->enabled ? domain_unpause_by_systemcontroller(d) : -ENXIO;
    if ( op->cmd == XEN_KEMARI_tap_resume )
        return kemari_tap_resume(d);
    if ( test_and_set_bool(k->busy) )
        return -EBUSY;

    /* Pairs with domain_kill(): it waits for busy, or we see is_dying. */
    if ( d->is_dying )
        rc = -ESRCH;
    else if ( op->cmd == XEN_KEMARI_enable )
        rc = enable(d, op);
    else if ( !k->enabled )
        rc = -ENXIO;
    else
        rc = do_op(d, op);

    smp_wmb();
    write_atomic(&k->busy, false);

    *copyback = !rc || rc == -ENOBUFS;

    return rc;
}
