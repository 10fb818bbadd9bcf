/* SPDX-License-Identifier: GPL-2.0-only */
/* All VMs of this host, for main. */
#ifndef KEMARI_VM_VMS_H
#define KEMARI_VM_VMS_H

#include "control/control.h"
#include "daemon.h"

struct conn;

/*
 * Takes up what an earlier daemon left in the run directory, from the loop.  One that cannot be taken up
 * keeps no other VM away: it is tried again, or left as it is if that is of no use.  Negative: the directory
 * cannot be read.
 */
int vms_reopen(struct daemon *d);
/* Some of it has not been tried to its end: the table of all VMs is not known yet. */
bool vms_reopening(const struct daemon *d);
/* A VM of that uuid (NULL: not known) or name is being taken up, or is to be. */
bool vms_left(const struct daemon *d, const uint8_t uuid[16], const char *name);
/* Rows of status for those, of all or the named one, appended to rows. */
void vms_reopening_rows(const struct daemon *d, const char *vm, json_t *rows);
/* At its end: nobody waits for them any more. */
void vms_forget_going(struct daemon *d);
/* At its end, too: what is left of vm_ram_drop(), at once. */
void vms_unmap_all(struct daemon *d);
/* Ends the daemon's part; guests stop at their next output and wait for the next daemon. */
void vms_close(struct daemon *d);
/* A peer that has proven to hold the key. */
void vms_accepted(void *arg, struct conn *c);
/* struct control_handlers.request */
void vms_request(void *ctx, struct control_client *c, const struct control_request *r);
/* That domain is of no VM any more and is being destroyed: held, or dead, it runs nothing until then. */
bool vms_is_going(const struct daemon *d, uint32_t domid);
/* Xen has another domain of that uuid than domid that is not about to go, or cannot be asked. */
bool vms_domain_of(struct daemon *d, const uint8_t uuid[16], uint32_t domid);
/* Something that `kemari status` shows of all VMs has changed: to those who watch it, soon. */
void vms_publish(struct daemon *d);
void vms_publish_stop(struct daemon *d);
/* What is shown of all of them, or of the named one. */
json_t *vms_status_rows(const struct daemon *d, const char *vm, unsigned int parts);
/* xenstore's @releaseDomain */
void vms_released(void *arg);
/* Domains were made or are gone: is there one of a VM that is not ours?  arg: the daemon. */
void vms_look_beside(void *arg);

#endif /* KEMARI_VM_VMS_H */
