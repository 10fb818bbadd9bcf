/* SPDX-License-Identifier: GPL-2.0-only */
/* Kemari: what the parts of the operation share.  Functions are called with k->busy held, if nothing else is said. */
#ifndef __X86_KEMARI_H__
#define __X86_KEMARI_H__

#include <xen/kemari.h>

/* Checks a blob by itself: sizes, ranges, reserved fields.  Built into the daemons as well. */
int kemari_state_check(const void *blob, uint64_t size);
/* The vCPU whose table holds the port of a VIRQ that notifies vcpu. */
unsigned int kemari_virq_owner(unsigned int virq, unsigned int vcpu);

/* Makes room for a blob; what was in it is lost. */
int kemari_blob_reserve(struct kemari *k, size_t size);

/* The domain is paused. */
/* Into k->blob; the size or an error. */
ssize_t kemari_read_state(struct domain *d);
int kemari_get_state(struct domain *d, struct xen_kemari_op *op);
int kemari_set_state(struct domain *d, struct xen_kemari_op *op);

/* The domain may be running. */
int kemari_kick(struct domain *d, struct xen_kemari_op *op);
void kemari_time(struct domain *d, uint64_t *system_time, uint64_t *tsc);

/* Writes up to max records; returns the number, -ENOBUFS or -EOPNOTSUPP. */
int kemari_get_ports(struct domain *d, struct xen_kemari_port *ports,
                     unsigned int max);
/* Takes the memory that kemari_set_ports() needs, or fails and changes nothing. */
int kemari_prepare_ports(struct domain *d, const struct xen_kemari_port *ports,
                         unsigned int nr);
void kemari_set_ports(struct domain *d, const struct xen_kemari_port *ports,
                      unsigned int nr);

/* A vCPU is stopped where it must not stay: with interrupts off. */
bool kemari_interrupts_off(const struct domain *d);
/* Stops the domain itself. */
int kemari_checkpoint(struct domain *d, struct xen_kemari_op *op);
/* Of a stopped domain, all but the harvest, which comes next: into k->blob, k->context and *head; the size or an error. */
ssize_t kemari_read_parts(struct domain *d, struct xen_kemari_checkpoint *head);
/* Where the context begins in what checkpoint writes. */
size_t kemari_context_offset(const struct xen_kemari_checkpoint *head);

/* The domain may be running. */
int kemari_tap_set(struct domain *d, const struct xen_kemari_op *op);
int kemari_tap_deliver(struct domain *d, struct xen_kemari_op *op);
int kemari_tap_list(struct domain *d, struct xen_kemari_op *op);
/* Not under k->busy. */
int kemari_tap_resume(struct domain *d);
/* All taps go, and the pause of one. */
void kemari_tap_clear(struct domain *d);
/* Is it 0, or dom0's, unbound? */
bool kemari_notify_ok(uint64_t port);
/* Raises it.  Needs no lock and waits for none; also under other locks. */
void kemari_notify(evtchn_port_t port);
/* The event that made a checkpoint, or was to make one, takes its way.  Not under k->busy. */
void kemari_tap_release(struct domain *d, evtchn_port_t port, bool taken);

/* What is shared with the daemon; only the first page is read again, and each field of it once. */
struct kemari_area {
    struct xen_kemari_area *shared; /* mapped as a whole */
    unsigned int nr_frames;
    mfn_t *mfns;
    void *record;
    uint64_t *list;
    uint64_t *copied;
    uint8_t *copies;
    uint32_t record_room, list_room, copies_room;
    unsigned int nr_pinned;
    uint64_t *pinned; /* ascending */
    uint64_t sequence;
    /* Of the checkpoint under way. */
    s_time_t begin;
    evtchn_port_t port;
    uint32_t flags;
};

int kemari_area_set(struct domain *d, struct xen_kemari_op *op);
int kemari_area_pin(struct domain *d, const struct xen_kemari_op *op);
/* Waits for whatever is at work. */
void kemari_area_drop(struct kemari *k);

enum kemari_fire { KEMARI_FIRED, KEMARI_ORDINARY, KEMARI_INTERRUPTS_OFF };

/* The guest sends, and we are in its hypercall; not under k->busy.  KEMARI_FIRED: a checkpoint was begun. */
enum kemari_fire kemari_fire(struct domain *d, evtchn_port_t port);
void cf_check kemari_take_by_tap(void *data);
/* With k->busy held: until the last checkpoint of a tap has ended altogether. */
void kemari_wait_idle(const struct kemari *k);

/* arch/x86/mm/kemari.c */
/* To op->gfns or, unless it is NULL, to list; op->nr entries at most. */
int kemari_harvest(struct domain *d, struct xen_kemari_op *op, uint64_t *list);
/* The caller's list, ascending, for xfree(); NULL if it is empty. */
int kemari_fetch_gfns(const struct xen_kemari_op *op, uint64_t **gfns);
int kemari_set_hot(struct domain *d, struct xen_kemari_op *op);
int kemari_dirty_count(struct domain *d, struct xen_kemari_op *op);
int kemari_watch_dirty(struct domain *d, struct xen_kemari_op *op);
int kemari_log(struct domain *d, const struct xen_kemari_op *op);
int kemari_protect(struct domain *d, struct xen_kemari_op *op);

#endif /* __X86_KEMARI_H__ */
