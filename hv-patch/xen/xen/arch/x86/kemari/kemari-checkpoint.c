/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Kemari: what an epoch takes from Xen, in one operation and in the order that it must have (doc/hypervisor.md): timers
 * before anything that their expiry would change, the harvest last.
 */
#include <xen/guest_access.h>
#include <asm/hvm/save.h>
#include <public/hvm/params.h>
#include "kemari.h"

/* The HVM context goes into k->context; its size or an error. */
static ssize_t read_context(struct domain *d)
{
    struct kemari *k = d->kemari;
    hvm_domain_context_t c = {};
    int rc;

    if ( !k->context )
    {
        k->context_room = hvm_save_size(d);
        k->context = xmalloc_bytes(k->context_room);
        if ( !k->context )
            return -ENOSPC;
    }

    c.data = k->context;
    c.size = k->context_room;
    rc = hvm_save(d, &c);
    if ( rc )
        return d->is_dying ? -ESRCH : -EIO;

    return c.cur;
}

static int put(const struct xen_kemari_op *op, size_t at, const void *from,
               size_t size)
{
    return copy_to_guest_offset(op->buf, at, (const uint8_t *)from, size) ? -EFAULT
                                                                          : 0;
}

size_t kemari_context_offset(const struct xen_kemari_checkpoint *head)
{
    return ROUNDUP(sizeof(*head) + head->state_size, 8);
}

ssize_t kemari_read_parts(struct domain *d, struct xen_kemari_checkpoint *head)
{
    s_time_t begin = NOW(), state;
    ssize_t size = kemari_read_state(d);

    if ( size < 0 )
        return size == -ENOMEM ? -ENOSPC : size; /* -ENOMEM: marks are lost */
    head->state_size = size;
    state = NOW();

    size = read_context(d);
    if ( size < 0 )
        return size;
    head->context_size = size;

    head->callback = d->arch.hvm.params[HVM_PARAM_CALLBACK_IRQ];
    head->state = state - begin;
    head->context = NOW() - state;

    return kemari_context_offset(head) + size;
}

/* Of a stopped domain.  Everything that may fail comes before the harvest, which takes marks. */
static int take(struct domain *d, struct xen_kemari_op *op,
                struct xen_kemari_checkpoint *head)
{
    struct kemari *k = d->kemari;
    ssize_t size = kemari_read_parts(d, head);
    s_time_t read = NOW();
    int rc;

    if ( size < 0 )
        return size;

    if ( op->size < size )
        rc = -ENOBUFS;
    else
        rc = put(op, 0, head, sizeof(*head)) ?:
             put(op, sizeof(*head), k->blob, head->state_size) ?:
             put(op, kemari_context_offset(head), k->context,
                 head->context_size) ?: kemari_harvest(d, op, NULL);

    op->size = size;
    op->val = NOW() - read;

    return rc;
}

int kemari_checkpoint(struct domain *d, struct xen_kemari_op *op)
{
    struct xen_kemari_checkpoint head = {};
    bool anywhere = op->flags & XEN_KEMARI_F_anywhere;
    s_time_t begin = NOW();
    int rc = -EAGAIN;

    op->flags = 0;

    /* Synchronous, and nobody else's unpause ends it. */
    domain_pause(d);
    head.stop = NOW() - begin;

    if ( anywhere || !kemari_interrupts_off(d) )
        rc = domain_pause_by_systemcontroller(d);
    if ( !rc )
    {
        rc = take(d, op, &head);
        if ( rc )
            domain_unpause_by_systemcontroller(d);
    }

    domain_unpause(d);

    return rc;
}
