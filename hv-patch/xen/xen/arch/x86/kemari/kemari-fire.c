/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Kemari: a checkpoint that Xen takes by itself when the guest sends on a tapped channel.
 *
 * It begins in the guest's hypercall, under the channel's lock: nothing there may wait.  What may comes in a tasklet of
 * the same CPU, in idle context: the vCPU that sent is descheduled, and what the others do is waited for.  From the
 * first step to the last k->at_work is set; of that, k->busy until all is taken, so that an operation of the daemon's,
 * who looks at fired, meets no busy domain.
 *
 * doc/hypervisor.md says what the daemon does at the other end, and why no write of its is torn.
 */
#include <xen/domain_page.h>
#include <xen/event.h>
#include <xen/softirq.h>
#include <asm/p2m.h>
#include "kemari.h"

/* Frames that are copied between two looks at other work of this CPU's. */
#define COPIES_PER_LOOK 64

/* In the guest's hypercall: its registers are on the stack. */
static bool interrupts_off(const struct kemari_area *a)
{
    return !(a->flags & XEN_KEMARI_AREA_anywhere) &&
           !(guest_cpu_user_regs()->eflags & X86_EFLAGS_IF);
}

/* fired is FIRED_working: what the daemon writes while it is busy stays as it is, once it is seen not to be. */
static enum kemari_fire decide(struct kemari_area *a)
{
    const struct xen_kemari_area *s = a->shared;

    if ( read_atomic(&s->busy) )
        return KEMARI_ORDINARY;
    smp_rmb();
    if ( !read_atomic(&s->armed) )
        return KEMARI_ORDINARY;
    a->flags = read_atomic(&s->flags);

    return interrupts_off(a) ? KEMARI_INTERRUPTS_OFF : KEMARI_FIRED;
}

/* k->at_work is ours: an area that is seen stays. */
static enum kemari_fire begin(const struct domain *d, struct kemari_area *a,
                              evtchn_port_t port)
{
    struct xen_kemari_area *s;

    if ( !a || d->is_dying )
        return KEMARI_ORDINARY;

    s = a->shared;
    if ( !read_atomic(&s->armed) || read_atomic(&s->fired) != XEN_KEMARI_FIRED_no )
        return KEMARI_ORDINARY;
    a->begin = NOW();
    a->port = port;

    /* We say that we work, then look whether he does; he the other way round. */
    write_atomic(&s->fired, XEN_KEMARI_FIRED_working);
    smp_mb();

    return decide(a);
}

static void release(bool *flag)
{
    smp_mb();
    write_atomic(flag, false);
}

/* k->busy comes last: a daemon that is inside, where it never fires, is never in the way of its own operations. */
enum kemari_fire kemari_fire(struct domain *d, evtchn_port_t port)
{
    struct kemari *k = d->kemari;
    struct kemari_area *a;
    enum kemari_fire rc = KEMARI_ORDINARY;

    /* Without an area nobody is to wait for us. */
    if ( current->domain != d || !ACCESS_ONCE(k->area) ||
         test_and_set_bool(k->at_work) )
        return rc;

    a = ACCESS_ONCE(k->area);
    rc = begin(d, a, port);
    if ( rc == KEMARI_FIRED && test_and_set_bool(k->busy) )
        rc = KEMARI_ORDINARY;
    if ( rc == KEMARI_FIRED )
    {
        /* Ends with the checkpoint, or becomes that of a tap. */
        domain_pause_nosync(d);
        tasklet_schedule(&k->tasklet);
        return rc;
    }
    if ( a && read_atomic(&a->shared->fired) == XEN_KEMARI_FIRED_working )
        write_atomic(&a->shared->fired, XEN_KEMARI_FIRED_no);
    release(&k->at_work);

    return rc;
}

/* The tasklet is behind its last step but one, or an event is about to see that it is an ordinary one. */
void kemari_wait_idle(const struct kemari *k)
{
    while ( read_atomic(&k->at_work) )
        cpu_relax();
    smp_mb();
}

static void copy_frame(struct domain *d, struct kemari_area *a,
                       unsigned int nr, unsigned long gfn)
{
    p2m_type_t t;
    struct page_info *page = get_page_from_gfn(d, gfn, &t, 0);
    uint64_t copied = gfn | XEN_KEMARI_NO_FRAME;

    if ( page && p2m_is_ram(t) )
    {
        const void *from = __map_domain_page(page);

        copy_page(a->copies + nr * PAGE_SIZE, from);
        unmap_domain_page(from);
        copied = gfn;
    }
    if ( page )
        put_page(page);

    a->copied[nr] = copied;
    if ( !(nr % COPIES_PER_LOOK) )
        process_pending_softirqs();
}

/* Pinned ones, then the others of the list; both ascend.  Sets the numbers, and returns whether all have a copy. */
static bool copy_frames(struct domain *d, struct kemari_area *a,
                        unsigned int nr_listed, struct xen_kemari_area *out)
{
    unsigned int nr, i, p = 0;

    for ( nr = 0; nr < a->nr_pinned; nr++ )
        copy_frame(d, a, nr, a->pinned[nr]);
    out->nr_pinned = nr;

    for ( i = 0; i < nr_listed; i++ )
    {
        uint64_t gfn = read_atomic(&a->list[i]);

        while ( p < a->nr_pinned && a->pinned[p] < gfn )
            p++;
        if ( p < a->nr_pinned && a->pinned[p] == gfn )
            continue;
        if ( nr == a->copies_room )
            break;
        copy_frame(d, a, nr++, gfn);
    }

    out->nr_listed = nr_listed;
    out->nr_done = i;
    out->nr_copied = nr;

    return i == nr_listed;
}

/* Everything that may fail comes before the harvest, which takes marks. */
static int take_parts(struct domain *d, struct kemari_area *a,
                      struct xen_kemari_area *out)
{
    struct xen_kemari_checkpoint head = { .stop = NOW() - a->begin };
    ssize_t size = kemari_read_parts(d, &head);

    if ( size < 0 )
        return size;
    if ( size > a->record_room )
        return -ENOBUFS;
    out->record_size = size;

    memcpy(a->record, &head, sizeof(head));
    memcpy(a->record + sizeof(head), d->kemari->blob, head.state_size);
    memcpy(a->record + kemari_context_offset(&head), d->kemari->context,
           head.context_size);
    process_pending_softirqs();

    return 0;
}

/* Of the stopped domain; *out is what the daemon is told.  Returns whether the domain has to stay stopped. */
static bool take(struct domain *d, struct kemari_area *a,
                 struct xen_kemari_area *out)
{
    struct xen_kemari_op op = { .nr = a->list_room };
    s_time_t harvest = 0, copy = 0;
    bool all = false;

    out->result = take_parts(d, a, out);
    if ( !out->result )
    {
        harvest = NOW();
        out->result = kemari_harvest(d, &op, a->list);
        copy = NOW();
    }
    if ( !out->result )
    {
        all = copy_frames(d, a, op.nr_out, out);
        out->out = op.flags;
        out->harvest_ns = copy - harvest;
        out->copy_ns = NOW() - copy;
    }

    return !all || (op.flags & XEN_KEMARI_F_more) ||
           (a->flags & XEN_KEMARI_AREA_sync);
}

/* All behind the layout, at once. */
static void tell(struct kemari_area *a, struct xen_kemari_area *out, bool stay)
{
    const size_t from = offsetof(struct xen_kemari_area, sequence);

    out->sequence = ++a->sequence;
    out->port = a->port;
    out->stopped = stay;
    out->total_ns = NOW() - a->begin;
    memcpy((void *)a->shared + from, (void *)out + from, sizeof(*out) - from);
}

/* The pause of the event ends, or becomes that of a tap, before the daemon is told. */
static void finish(struct domain *d, bool taken, bool stay)
{
    struct kemari *k = d->kemari;
    struct kemari_area *a = k->area;
    bool unpause = !stay || test_and_set_bool(k->tap_paused);

    release(&k->busy);
    /* Kept by at_work. */
    write_atomic(&a->shared->fired, taken ? XEN_KEMARI_FIRED_taken
                                          : XEN_KEMARI_FIRED_no);
    if ( unpause )
        domain_unpause(d);
    kemari_tap_release(d, a->port, taken);
    release(&k->at_work);
}

void cf_check kemari_take_by_tap(void *data)
{
    struct domain *d = data;
    struct kemari_area *a = d->kemari->area;
    bool taken, stay = false;

    /* Of all vCPUs: their state is in memory from here on. */
    domain_pause(d);

    taken = (a->flags & XEN_KEMARI_AREA_anywhere) || !kemari_interrupts_off(d);
    if ( taken )
    {
        struct xen_kemari_area out = {};

        stay = take(d, a, &out);
        tell(a, &out, stay);
    }

    domain_unpause(d);
    finish(d, taken, stay);
}
