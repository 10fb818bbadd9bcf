/* SPDX-License-Identifier: GPL-2.0-only */
/* Kemari: what the parts of the operation share.  Every function is called with k->busy held. */
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

/* The domain may be running. */
int kemari_tap_set(struct domain *d, const struct xen_kemari_op *op);
int kemari_tap_deliver(struct domain *d, struct xen_kemari_op *op);
int kemari_tap_list(struct domain *d, struct xen_kemari_op *op);
/* Not under k->busy. */
int kemari_tap_resume(struct domain *d);
/* All taps go, and the pause of one. */
void kemari_tap_clear(struct domain *d);

/* arch/x86/mm/kemari.c */
int kemari_harvest(struct domain *d, struct xen_kemari_op *op);
int kemari_set_hot(struct domain *d, struct xen_kemari_op *op);
int kemari_dirty_count(struct domain *d, struct xen_kemari_op *op);
int kemari_log(struct domain *d, const struct xen_kemari_op *op);
int kemari_protect(struct domain *d, struct xen_kemari_op *op);

#endif /* __X86_KEMARI_H__ */
