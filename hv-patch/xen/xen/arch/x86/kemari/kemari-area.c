/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Kemari: the area that Xen and the daemon share: frames of the guest's domain, though not of its memory map, which dom0
 * maps as a resource.  They come and go as vmtrace buffers do.
 */
#include <xen/domain_page.h>
#include <xen/mm.h>
#include <xen/vmap.h>
#include "kemari.h"

static void free_frames(struct kemari_area *a)
{
    unsigned int i;

    if ( a->shared )
        vunmap(a->shared);

    for ( i = 0; i < a->nr_frames; i++ )
    {
        struct page_info *pg = mfn_to_page(a->mfns[i]);

        /* What was the guest's is nobody else's. */
        clear_domain_page(a->mfns[i]);
        put_page_alloc_ref(pg);
        put_page_and_type(pg);
    }

    xfree(a->mfns);
}

static void free_area(struct kemari_area *a)
{
    free_frames(a);
    xfree(a->pinned);
    xfree(a);
}

static int add_frame(struct domain *d, struct kemari_area *a)
{
    struct page_info *pg = alloc_domheap_page(d, MEMF_no_refcount);

    if ( !pg )
        return -ENOMEM;

    /* The domain cannot know of it: a page that is lost here was lost before. */
    if ( !get_page_and_type(pg, d, PGT_writable_page) )
        return -ENODATA;

    a->mfns[a->nr_frames] = page_to_mfn(pg);
    clear_domain_page(a->mfns[a->nr_frames++]);

    return 0;
}

static int make_frames(struct domain *d, struct kemari_area *a, unsigned int nr)
{
    int rc = 0;

    a->mfns = xmalloc_array(mfn_t, nr);
    if ( !a->mfns )
        return -ENOMEM;

    while ( !rc && a->nr_frames < nr )
        rc = add_frame(d, a);
    if ( rc )
        return rc;

    a->shared = vmap(a->mfns, nr);

    return a->shared ? 0 : -ENOMEM;
}

/* Sizes are bounded: no sum overflows.  Returns the number of frames. */
static unsigned int lay_out(struct xen_kemari_area *s)
{
    s->record = ROUNDUP(sizeof(*s), 64);
    s->list = s->record + s->record_room;
    s->copied = s->list + s->list_room * sizeof(uint64_t);
    s->copies = ROUNDUP(s->copied + s->copies_room * sizeof(uint64_t),
                        PAGE_SIZE);

    return PFN_DOWN(s->copies) + s->copies_room;
}

static void fill(struct kemari_area *a, const struct xen_kemari_area *layout)
{
    void *base = a->shared;

    *a->shared = *layout;
    a->record = base + layout->record;
    a->record_room = layout->record_room;
    a->list = base + layout->list;
    a->list_room = layout->list_room;
    a->copied = base + layout->copied;
    a->copies = base + layout->copies;
    a->copies_room = layout->copies_room;
}

static struct kemari_area *make(struct domain *d, struct xen_kemari_area *layout)
{
    struct kemari_area *a = xzalloc(struct kemari_area);

    if ( !a )
        return NULL;
    if ( make_frames(d, a, lay_out(layout)) )
    {
        free_area(a);
        return NULL;
    }
    fill(a, layout);

    return a;
}

void kemari_area_drop(struct kemari *k)
{
    struct kemari_area *a = k->area;

    ACCESS_ONCE(k->area) = NULL;
    k->area_frames = 0;
    /* An event that comes now sees none; one that saw it has at_work until it is done. */
    smp_mb();
    kemari_wait_idle(k);
    if ( a )
        free_area(a);
}

int kemari_area_set(struct domain *d, struct xen_kemari_op *op)
{
    struct kemari *k = d->kemari;
    struct xen_kemari_area layout = {};
    struct kemari_area *a = NULL;

    if ( op->val )
    {
        if ( op->val > XEN_KEMARI_MAX_COPIES || !op->nr ||
             op->nr > XEN_KEMARI_MAX_LISTED || !op->size ||
             op->size > XEN_KEMARI_MAX_RECORD )
            return -EINVAL;

        layout.record_room = ROUNDUP(op->size, 64);
        layout.list_room = op->nr;
        layout.copies_room = op->val;
        a = make(d, &layout);
        if ( !a )
            return -ENOMEM;
    }

    kemari_area_drop(k);
    smp_wmb();
    ACCESS_ONCE(k->area) = a;
    k->area_frames = a ? a->nr_frames : 0;
    op->size = (uint64_t)k->area_frames << PAGE_SHIFT;

    return 0;
}

int kemari_area_pin(struct domain *d, const struct xen_kemari_op *op)
{
    struct kemari *k = d->kemari;
    uint64_t *pinned;
    int rc;

    if ( !k->area )
        return -ENOENT;
    if ( op->nr > min(XEN_KEMARI_MAX_PINNED, k->area->copies_room) )
        return -EINVAL;

    rc = kemari_fetch_gfns(op, &pinned);
    if ( rc )
        return rc;

    xfree(k->area->pinned);
    k->area->pinned = pinned;
    k->area->nr_pinned = op->nr;

    return 0;
}

unsigned int kemari_area_frames(const struct domain *d, unsigned int id)
{
    const struct kemari *k = ACCESS_ONCE(d->kemari);

    return k && !id ? read_atomic(&k->area_frames) : 0;
}

int kemari_acquire_area(struct domain *d, unsigned int frame,
                        unsigned int nr_frames, xen_pfn_t mfn_list[])
{
    struct kemari *k = d->kemari;
    unsigned int i;
    int rc = -EINVAL;

    /* The daemon believes what it reads there: it is not for a device model. */
    if ( !is_control_domain(current->domain) &&
         !is_hardware_domain(current->domain) )
        return -EPERM;

    /* Nobody takes the area away, nor the domain. */
    if ( test_and_set_bool(k->busy) )
        return -EBUSY;

    if ( !d->is_dying && k->area && frame + nr_frames <= k->area->nr_frames )
    {
        for ( i = 0; i < nr_frames; i++ )
            mfn_list[i] = mfn_x(k->area->mfns[frame + i]);
        rc = nr_frames;
    }

    smp_wmb();
    write_atomic(&k->busy, false);

    return rc;
}
