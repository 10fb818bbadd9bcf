/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The hot list: frames that are written in nearly every epoch.  Write-protecting them costs a fault each
 * time, so they stay writable and are compared with what was sent last (xen-build study: without it a guest
 * stands still at 5 ms epochs under emulation).
 *
 * Pinned members are those that Xen or the backends write without a dirty mark: shared_info, vcpu_info,
 * grant frames, rings, the console and xenstore pages.  Others come and go by how often they are dirty.
 *
 * Frames are given by their index (guest_ram_index).  Nothing is allocated after hot_open.
 */
#ifndef KEMARI_CAPTURE_HOT_H
#define KEMARI_CAPTURE_HOT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HOT_MAX 1536U /* members, pinned ones included; <= XEN_KEMARI_MAX_HOT */
#define HOT_MAX_PINNED 512U
#define HOT_ENTER 4U /* dirty in so many epochs, gaps of at most HOT_GAP, makes a frame hot */
#define HOT_GAP 2U
#define HOT_LEAVE 64U  /* unchanged in so many epochs in a row makes it cold again */
#define HOT_SETTLE 16U /* epochs between two changes of the list */
#define HOT_COOL 256U  /* ... in which members only go */

struct hot;

int hot_open(uint64_t frames, struct hot **out);
void hot_close(struct hot *h); /* NULL ok */

/*
 * Replaces the pinned members; -E2BIG.  Those that were members anyway keep their copy.  dropped() is told of
 * members that had to make room: nobody compares them any more, and the hypervisor does not list them yet.
 */
int hot_pin(struct hot *h, const uint64_t *index, unsigned int nr, void (*dropped)(void *arg, uint64_t index),
	    void *arg);

/* A frame was in this epoch's harvest. */
void hot_dirtied(struct hot *h, uint64_t index, uint64_t epoch);

/* Members, in no order, named by a slot until the next hot_pin or hot_settle. */
unsigned int hot_members(const struct hot *h);
uint64_t hot_member(const struct hot *h, unsigned int slot);

bool hot_is_member(const struct hot *h, uint64_t index);
/* Xen says that it was written, and nothing of it is due already.  Nothing happens if it is no member. */
void hot_touch(struct hot *h, uint64_t index);
bool hot_is_touched(const struct hot *h, unsigned int slot);
/* Of those in flight the standby may lack some: whatever is due of a member is all of it. */
void hot_lost(struct hot *h);
/* Has to be looked at: touched since it was compared last, pinned, or nothing to compare with yet. */
bool hot_is_due(const struct hot *h, unsigned int slot);
/* What was last sent of it, for the caller to compare and to make it what is sent now; NULL: nothing was. */
void *hot_copy(struct hot *h, unsigned int slot);
/* It was compared. */
void hot_compared(struct hot *h, unsigned int slot, bool changed);
/* All of it is sent: page is what hot_copy gives from here on.  NULL: nobody has it. */
void hot_sent(struct hot *h, unsigned int slot, const void *page);

/* Nobody has what was sent before. */
void hot_forget(struct hot *h);

/* What was last sent of a pinned frame; NULL: it is not pinned, or was not compared yet. */
const void *hot_pinned_copy(const struct hot *h, uint64_t index);

/*
 * After an epoch: takes in and drops members when it is time, fetching the first copy of new ones through
 * page(arg, index) (the guest is stopped; the same bytes were just sent), which lets go of its own.  True:
 * the list changed and must be given to the hypervisor.
 */
bool hot_settle(struct hot *h, uint64_t epoch, const void *(*page)(void *arg, uint64_t index), void *arg);

/* The list is to change in this epoch, for which the guest has to be stopped. */
bool hot_is_unsettled(const struct hot *h, uint64_t epoch);

#endif /* KEMARI_CAPTURE_HOT_H */
