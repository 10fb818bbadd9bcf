/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Kemari: the list of frames written since the last time, at the cost of those frames only.
 *
 * Kept true while log-dirty is on: a frame that the guest can write without a fault (type p2m_ram_rw) is
 * marked in the log-dirty bitmap, on the hot list, or not reached by kemari_protect() yet.  A harvest takes
 * the marked ones, clears their marks and gives just these the type p2m_ram_logdirty again.
 *
 * Of hot frames the CPU notes in the dirty bit of the nested page table's entry that they were written: a harvest
 * clears it and marks them, where the table has such bits.  Whoever gives an entry another type sets the bit.
 *
 * Types are changed frame by frame, by these two and by the guest's own write faults.  What stock does at ENABLE,
 * CLEAN and OFF is to re-type the whole p2m, to be carried out by whoever touches a frame next: that access, to any
 * frame, takes as long as it takes to re-type all 512 of its table, in the middle of an interrupt handler.
 */
#include <xen/event.h>
#include <xen/guest_access.h>
#include <xen/kemari.h>
#include <xen/softirq.h>
#include <xen/sort.h>
#include <asm/hvm/asid.h>
#include <asm/paging.h>
#include <asm/p2m.h>
#include "../kemari/kemari.h"
#include "mm-locks.h"
#include "p2m.h"

/* dom0's other work is looked at once per so many frames. */
#define FRAMES_PER_LOOK (16 * KEMARI_BATCH)

/* Of an entry, as the CPU counts them. */
#define DIRTY_BIT 6

#define LEAF_SHIFT (PAGE_SHIFT + 3)
#define TOP_SHIFT (LEAF_SHIFT + 2 * PAGETABLE_ORDER)

struct cursor {
    unsigned long pfn; /* next to look at */
    unsigned int hot;  /* next hot frame, index */
    bool list_hot;     /* marked hot frames are listed, too */
    bool physmap;      /* the physmap changed: so they are then */
    bool done;
};

/* The bitmap page that covers *pfn, or the first one after it; *pfn follows. */
static mfn_t find_leaf(const struct domain *d, unsigned long *pfn,
                       unsigned long end)
{
    while ( *pfn < end )
    {
        mfn_t mfn = d->arch.paging.log_dirty.top;
        unsigned int shift = TOP_SHIFT;

        for ( ; ; shift -= PAGETABLE_ORDER )
        {
            const mfn_t *node;

            if ( mfn_eq(mfn, INVALID_MFN) )
                break;
            if ( shift < LEAF_SHIFT )
                return mfn;

            node = map_domain_page(mfn);
            mfn = node[(*pfn >> shift) & (LOGDIRTY_NODE_ENTRIES - 1)];
            unmap_domain_page(node);
            if ( mfn_eq(mfn, INVALID_MFN) )
                break;
        }

        *pfn = ((*pfn >> shift) + 1) << shift;
    }

    return INVALID_MFN;
}

static bool is_hot(const struct kemari *k, struct cursor *c, unsigned long pfn)
{
    while ( c->hot < k->nr_hot && k->hot[c->hot] < pfn )
        c->hot++;

    return c->hot < k->nr_hot && k->hot[c->hot] == pfn;
}

/* Takes marks from one bitmap page; returns how many are in the batch now. */
static unsigned int take_leaf(struct domain *d, mfn_t leaf, struct cursor *c,
                              unsigned int nr, unsigned int max)
{
    struct kemari *k = d->kemari;
    unsigned long base = c->pfn & ~((1UL << LEAF_SHIFT) - 1);
    unsigned long *bits = map_domain_page(leaf);
    unsigned int bit = c->pfn - base;

    while ( nr < max )
    {
        bit = find_next_bit(bits, 1U << LEAF_SHIFT, bit);
        if ( bit >= (1U << LEAF_SHIFT) )
            break;
        __clear_bit(bit, bits);
        d->arch.paging.log_dirty.dirty_count--;
        if ( c->list_hot || c->physmap || !is_hot(k, c, base + bit) )
            k->batch[nr++] = base + bit;
        bit++;
    }

    unmap_domain_page(bits);
    c->pfn = base + bit;

    return nr;
}

/* Fills the batch; c->done when nothing is left. */
static unsigned int take_marks(struct domain *d, struct cursor *c,
                               unsigned int max)
{
    unsigned long end = p2m_get_hostp2m(d)->max_mapped_pfn + 1;
    unsigned int nr = 0;

    paging_lock(d);

    /* Set before the marks that come with it, so it covers all that is seen. */
    c->physmap |= read_atomic(&d->kemari->physmap_changed);

    while ( nr < max )
    {
        mfn_t leaf = find_leaf(d, &c->pfn, end);

        if ( mfn_eq(leaf, INVALID_MFN) )
        {
            c->done = true;
            break;
        }
        nr = take_leaf(d, leaf, c, nr, max);
    }

    paging_unlock(d);

    return nr;
}

/* Under the p2m lock; returns whether RAM is there, *order: as large as what is there, or is not. */
static bool protect_one(struct domain *d, struct p2m_domain *p2m,
                        unsigned long gfn, unsigned int *order)
{
    p2m_type_t t;
    p2m_access_t a;
    mfn_t mfn = p2m->get_entry(p2m, _gfn(gfn), &t, &a, 0, order, NULL);

    /* It stays writable if a superpage cannot be split: so it stays marked. */
    if ( t == p2m_ram_rw &&
         p2m_set_entry(p2m, _gfn(gfn), mfn, PAGE_ORDER_4K, p2m_ram_logdirty,
                       a) )
        paging_mark_pfn_dirty(d, _pfn(gfn));

    return p2m_is_ram(t);
}

/*
 * No TLB flush of our own: the vCPUs are descheduled and come back with a new ASID (SVM) or with the EPT sync that
 * setting an entry asks for (VMX).
 */
static void protect(struct domain *d, const uint64_t *gfns, unsigned int nr)
{
    struct p2m_domain *p2m = p2m_get_hostp2m(d);
    struct cursor c = {};
    unsigned int i, order;

    p2m_lock(p2m);

    for ( i = 0; i < nr; i++ )
        if ( !is_hot(d->kemari, &c, gfns[i]) )
            protect_one(d, p2m, gfns[i], &order);

    p2m_unlock(p2m);
}

/* EPT has dirty bits with PML only, which needs no hot list. */
static bool has_dirty_bits(void)
{
    return !cpu_has_vmx;
}

/* The table with the entry of a 4K frame; INVALID_MFN: it has none. */
static mfn_t find_l1(const struct p2m_domain *p2m, unsigned long gfn)
{
    mfn_t mfn = pagetable_get_mfn(p2m_get_pagetable(p2m));
    unsigned int level;

    for ( level = 3; level; level-- )
    {
        const l1_pgentry_t *table = map_domain_page(mfn);
        l1_pgentry_t e = table[(gfn >> (level * PAGETABLE_ORDER)) &
                               (L1_PAGETABLE_ENTRIES - 1)];

        unmap_domain_page(table);
        if ( (l1e_get_flags(e) & (_PAGE_PRESENT | _PAGE_PSE)) != _PAGE_PRESENT )
            return INVALID_MFN;
        mfn = l1e_get_mfn(e);
    }

    return mfn;
}

/*
 * It may have been written since this was asked last.  Also if it cannot be written now: it could before its type
 * was changed.
 */
static bool take_dirty_bit(l1_pgentry_t *e)
{
    return test_and_clear_bit(DIRTY_BIT, &l1e_get_intpte(*e));
}

/* Marks the hot frames that were written, and those without an entry of their own. */
static void mark_hot(struct domain *d)
{
    struct kemari *k = d->kemari;
    struct p2m_domain *p2m = p2m_get_hostp2m(d);
    l1_pgentry_t *table = NULL;
    unsigned int i;

    p2m_lock(p2m);

    for ( i = 0; i < k->nr_hot; i++ )
    {
        unsigned long gfn = k->hot[i];

        if ( !i || gfn >> PAGETABLE_ORDER != k->hot[i - 1] >> PAGETABLE_ORDER )
        {
            mfn_t mfn = find_l1(p2m, gfn);

            if ( table )
                unmap_domain_page(table);
            table = mfn_eq(mfn, INVALID_MFN) ? NULL : map_domain_page(mfn);
        }
        if ( !table ||
             take_dirty_bit(&table[gfn & (L1_PAGETABLE_ENTRIES - 1)]) )
            paging_mark_pfn_dirty(d, _pfn(gfn));
    }
    if ( table )
        unmap_domain_page(table);

    p2m_unlock(p2m);
}

/* Under the lock of those who change the physmap: with the flag, all their marks. */
static bool take_physmap_flag(struct domain *d)
{
    struct p2m_domain *p2m = p2m_get_hostp2m(d);
    bool changed;

    p2m_lock(p2m);
    changed = d->kemari->physmap_changed;
    d->kemari->physmap_changed = false;
    p2m_unlock(p2m);

    return changed;
}

static bool marks_lost(struct domain *d)
{
    bool lost;

    paging_lock(d);
    lost = d->arch.paging.log_dirty.failed_allocs;
    paging_unlock(d);

    return lost;
}

static void lose_marks(struct domain *d)
{
    paging_lock(d);
    d->arch.paging.log_dirty.failed_allocs++;
    paging_unlock(d);
}

static int put_batch(const struct kemari *k, const struct xen_kemari_op *op,
                     uint64_t *list, unsigned int nr)
{
    if ( list )
        memcpy(list + op->nr_out, k->batch, nr * sizeof(*list));
    else if ( nr && copy_to_guest_offset(op->gfns, op->nr_out, k->batch, nr) )
        return -EFAULT;

    return 0;
}

/* Batch after batch into the caller's list; returns an error or 0. */
static int harvest(struct domain *d, struct xen_kemari_op *op, uint64_t *list,
                   struct cursor *c)
{
    struct kemari *k = d->kemari;

    while ( !c->done && op->nr_out < op->nr )
    {
        unsigned int nr = take_marks(d, c, min(op->nr - op->nr_out,
                                               (uint32_t)KEMARI_BATCH));

        protect(d, k->batch, nr);
        if ( put_batch(k, op, list, nr) )
        {
            lose_marks(d);
            return -EFAULT;
        }
        op->nr_out += nr;

        /* In idle context it is not to be left half done. */
        if ( list )
            process_pending_softirqs();
        else if ( op->nr_out && !(op->nr_out % FRAMES_PER_LOOK) &&
                  hypercall_preempt_check() )
            break;
    }

    return 0;
}

/* The TLBs forget what a frame's entry was. */
static void flush_asids(struct domain *d)
{
    struct vcpu *v;

    for_each_vcpu ( d, v )
        hvm_asid_flush_vcpu(v);
}

int kemari_harvest(struct domain *d, struct xen_kemari_op *op, uint64_t *list)
{
    struct kemari *k = d->kemari;
    struct cursor c = { .list_hot = has_dirty_bits() };
    int rc;

    if ( !paging_mode_log_dirty(d) )
        return -ENODATA;
    if ( !op->nr || (!list && !guest_handle_okay(op->gfns, op->nr)) )
        return -EINVAL;

    p2m_flush_hardware_cached_dirty(d);
    if ( c.list_hot )
        mark_hot(d);
    if ( marks_lost(d) )
    {
        flush_asids(d);
        return -ENOMEM;
    }

    op->nr_out = 0;
    c.physmap = take_physmap_flag(d);

    rc = harvest(d, op, list, &c);

    /* What changed since then is told now and, as marks may follow, next time. */
    if ( !c.done && c.physmap )
        write_atomic(&k->physmap_changed, true);
    flush_asids(d);

    op->flags = (c.done ? 0 : XEN_KEMARI_F_more) |
                (c.physmap ? XEN_KEMARI_F_physmap : 0) |
                (c.list_hot ? XEN_KEMARI_F_hot : 0);

    return rc;
}

/* From k->to_protect on; holes, which may be large, count as one frame. */
static unsigned int protect_next(struct domain *d, struct cursor *c,
                                 unsigned int max)
{
    struct kemari *k = d->kemari;
    struct p2m_domain *p2m = p2m_get_hostp2m(d);
    unsigned int nr, order;

    p2m_lock(p2m);

    for ( nr = 0; nr < max && k->to_protect <= p2m->max_mapped_pfn; nr++ )
    {
        if ( is_hot(k, c, k->to_protect) ||
             protect_one(d, p2m, k->to_protect, &order) )
            k->to_protect++;
        else
            k->to_protect = ((k->to_protect >> order) + 1) << order;
    }
    c->done = k->to_protect > p2m->max_mapped_pfn;

    p2m_unlock(p2m);

    return nr;
}

int kemari_protect(struct domain *d, struct xen_kemari_op *op)
{
    struct kemari *k = d->kemari;
    struct cursor c = {};
    unsigned int nr = 0;

    if ( !op->nr )
        return -EINVAL;
    if ( !paging_mode_log_dirty(d) || !k->own_log )
        return -ENODATA;

    while ( !c.done && nr < op->nr )
    {
        nr += protect_next(d, &c, min(op->nr - nr, (uint32_t)KEMARI_BATCH));
        if ( hypercall_preempt_check() )
            break;
    }

    flush_asids(d);

    op->val = k->to_protect;
    op->flags = c.done ? 0 : XEN_KEMARI_F_more;

    return 0;
}

static int cf_check cmp_gfn(const void *a, const void *b)
{
    const uint64_t *l = a, *r = b;

    return *l < *r ? -1 : *l > *r;
}

static void cf_check swap_gfn(void *a, void *b, size_t size)
{
    SWAP(*(uint64_t *)a, *(uint64_t *)b);
}

int kemari_fetch_gfns(const struct xen_kemari_op *op, uint64_t **gfns)
{
    *gfns = NULL;
    if ( !op->nr )
        return 0;

    *gfns = xmalloc_array(uint64_t, op->nr);
    if ( !*gfns )
        return -ENOMEM;
    if ( copy_from_guest(*gfns, op->gfns, op->nr) )
    {
        XFREE(*gfns);
        return -EFAULT;
    }
    sort(*gfns, op->nr, sizeof(**gfns), cmp_gfn, swap_gfn);

    return 0;
}

/* Both ascending: marks what is in old only. */
static void mark_leavers(struct domain *d, const uint64_t *old, unsigned int nr,
                         const uint64_t *new, unsigned int nr_new)
{
    unsigned int i, n = 0;

    for ( i = 0; i < nr; i++ )
    {
        while ( n < nr_new && new[n] < old[i] )
            n++;
        if ( n == nr_new || new[n] != old[i] )
            paging_mark_pfn_dirty(d, _pfn(old[i]));
    }
}

int kemari_set_hot(struct domain *d, struct xen_kemari_op *op)
{
    struct kemari *k = d->kemari;
    uint64_t *hot, *old = k->hot;
    unsigned int nr_old = k->nr_hot;
    int rc;

    if ( op->nr > XEN_KEMARI_MAX_HOT )
        return -EINVAL;

    rc = kemari_fetch_gfns(op, &hot);
    if ( rc )
        return rc;
    if ( op->nr && hot[op->nr - 1] > p2m_get_hostp2m(d)->max_mapped_pfn )
    {
        xfree(hot);
        return -EINVAL;
    }

    k->hot = hot;
    k->nr_hot = op->nr;
    mark_leavers(d, old, nr_old, hot, op->nr);
    xfree(old);

    return 0;
}

int kemari_dirty_count(struct domain *d, struct xen_kemari_op *op)
{
    if ( !paging_mode_log_dirty(d) )
        return -ENODATA;

    paging_lock(d);
    op->val = d->arch.paging.log_dirty.dirty_count;
    paging_unlock(d);

    return 0;
}

int kemari_watch_dirty(struct domain *d, struct xen_kemari_op *op)
{
    struct kemari *k = d->kemari;

    if ( op->val > UINT_MAX || (op->val && !op->port) ||
         !kemari_notify_ok(op->port) )
        return -EINVAL;
    if ( !paging_mode_log_dirty(d) )
        return -ENODATA;

    paging_lock(d);
    k->dirty_watch = op->val;
    k->dirty_port = op->port;
    op->val = d->arch.paging.log_dirty.dirty_count;
    paging_unlock(d);

    return 0;
}

void kemari_marked(const struct domain *d)
{
    const struct kemari *k = ACCESS_ONCE(d->kemari);

    if ( k && k->dirty_watch &&
         k->dirty_watch == d->arch.paging.log_dirty.dirty_count )
        kemari_notify(k->dirty_port);
}

static int log_on(struct domain *d)
{
    struct kemari *k = d->kemari;
    struct p2m_domain *p2m = p2m_get_hostp2m(d);
    int rc;

    /* Given up, and not off yet: a stock CLEAN may have taken marks. */
    if ( paging_mode_log_dirty(d) )
        return k->guard_log ? 0 : -EBUSY;
    if ( has_arch_pdevs(d) || read_atomic(&p2m->ioreq.entry_count) )
        return -EOPNOTSUPP;

    paging_lock(d);
    d->arch.paging.log_dirty.dirty_count = 0;
    d->arch.paging.log_dirty.failed_allocs = 0;
    paging_unlock(d);

    /* Whatever has types calculated anew meanwhile, an earlier stock command or a change of EPT's settings, protects. */
    p2m_lock(p2m);
    p2m->global_logdirty = true;
    p2m_unlock(p2m);

    domain_pause(d);
    rc = d->arch.paging.log_dirty.ops->enable(d, false);
    domain_unpause(d);

    k->own_log = k->guard_log = !rc;
    k->to_protect = 0;

    return rc;
}

static int log_off(struct kemari *k)
{
    if ( !k->own_log )
        return -ENOENT;

    k->guard_log = false;

    return 0;
}

int kemari_log(struct domain *d, const struct xen_kemari_op *op)
{
    int rc;

    if ( op->val > 1 )
        return -EINVAL;

    /* A stock command is let through, or refused, as a whole. */
    if ( !domctl_lock_acquire() )
        return -EAGAIN;

    if ( d->arch.paging.preempt.dom )
        rc = -EAGAIN;
    else
        rc = op->val ? log_on(d) : log_off(d->kemari);

    domctl_lock_release();

    return rc;
}

bool kemari_log_ends(const struct domain *d)
{
    struct kemari *k = ACCESS_ONCE(d->kemari);
    struct p2m_domain *p2m = p2m_get_hostp2m(d);

    if ( !k || !k->own_log )
        return false;

    k->own_log = k->guard_log = false;

    /* With PML a frame of that type is writable, and the next log may have to do without PML. */
    if ( p2m->enable_hardware_log_dirty )
        return false;

    p2m_lock(p2m);
    p2m->global_logdirty = false;
    p2m_unlock(p2m);

    return true;
}

int kemari_shadow_op(const struct domain *d,
                     const struct xen_domctl_shadow_op *sc)
{
    const struct kemari *k = ACCESS_ONCE(d->kemari);

    if ( !k || !k->guard_log )
        return 0;

    switch ( sc->op )
    {
    case XEN_DOMCTL_SHADOW_OP_OFF:
    case XEN_DOMCTL_SHADOW_OP_ENABLE:
    case XEN_DOMCTL_SHADOW_OP_ENABLE_LOGDIRTY:
    case XEN_DOMCTL_SHADOW_OP_CLEAN:
        return -EBUSY;
    default:
        return 0;
    }
}

void kemari_physmap_changed(struct domain *d, gfn_t gfn, unsigned int order)
{
    struct kemari *k = ACCESS_ONCE(d->kemari);
    unsigned long i;

    if ( !k || !k->enabled )
        return;

    /* First: who finds a mark knows why. */
    write_atomic(&k->physmap_changed, true);
    smp_wmb();
    for ( i = 0; i < (1UL << order); i++ )
        paging_mark_pfn_dirty(d, _pfn(gfn_x(gfn) + i));
}
