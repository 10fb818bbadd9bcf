/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Dirty logging of a domain: from when on, and by which protected frames, the hypervisor sees its writes.
 *
 * Frames are protected piece by piece, ahead of the time when their content is taken, and stay so until they
 * are written: a guest meets a fault for a frame it writes to, never the work for a whole table of them.
 */
#ifndef KEMARI_CAPTURE_DIRTYLOG_H
#define KEMARI_CAPTURE_DIRTYLOG_H

#include <stdint.h>

struct hvop;
struct xc_interface_core;

/* Protected at a time, while the guest stands still. */
#define DIRTYLOG_PIECE 1024U

/*
 * Switches it on and keeps other programs' hands (xl migrate, xl save) off it.  1: it was on already;
 * negative errno, told.  Which frames are protected the hypervisor knows: those that were, when it was on
 * already, else none.
 */
int dirtylog_on(struct hvop *hv, uint32_t domid, const char *vm);
/*
 * The next piece, the domain is stopped.  *next: gfns before it are protected, UINT64_MAX: all.  -EBUSY
 * without a message: it is not stopped; other negative errno, told.
 */
int dirtylog_protect(struct hvop *hv, uint32_t domid, const char *vm, uint64_t *next);
/* All that is left, 0.7 s for each GiB in the lab: of a guest that is about to start here, to be mirrored. */
int dirtylog_protect_all(struct hvop *hv, uint32_t domid, const char *vm);
/* Of a domain that logs by dirtylog_on(); another one is left alone. */
void dirtylog_off(struct hvop *hv, struct xc_interface_core *xc, uint32_t domid);

#endif /* KEMARI_CAPTURE_DIRTYLOG_H */
