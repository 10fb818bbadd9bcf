/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the verifier holds an epoch against: the guest itself, read once more while it is still stopped, and
 * not what the capture collected, or a page that was never looked at would pass.
 *
 * A stopped guest's memory is not frozen: Xen sets event bits, xenstored writes its ring.  So the pinned
 * pages are read twice, before and after the epoch's pages were copied.  A word that is the same both times
 * must be in the epoch; one that changed was written by somebody else in between, and what was sent counts.
 * The hidden state is read again at once: a timer that fires while the pages are copied could not be missed
 * on the standby any more.
 */
#ifndef KEMARI_CAPTURE_REFERENCE_H
#define KEMARI_CAPTURE_REFERENCE_H

#include <stdbool.h>
#include <stdint.h>

#include "capture/capture.h"

/* Gets ready for capture_request.verify; may be repeated.  -ENOMEM. */
int reference_begin(struct capture *c);
/* The epoch just taken has a reference: it was begun before, and asked for. */
bool reference_of(const struct capture *c, uint64_t epoch);

/* The page of a gfn as it must be on the standby, NULL: a hole.  Good until the next call. */
const void *reference_page(struct capture *c, uint64_t gfn);
/* Gfns outside of the guest's RAM that it has pages at: grant frames.  Their number. */
unsigned int reference_outside(const struct capture *c, uint64_t *gfn, unsigned int max);
/* What the page is to the guest: "grant table", ... */
const char *reference_name(const struct capture *c, uint64_t gfn);
/*
 * Appends the hidden state, HVM context and parameters, and the devices' states as VERIFY_STATE records.
 * Errors as the sources', -ENOBUFS.
 */
int reference_state(struct capture *c, struct device *const *devices, unsigned int nr,
		    struct record_writer *w);

/* One page: `out` gets what the epoch must have.  Also for its test. */
void reference_merge(uint32_t *out, const uint32_t *before, const uint32_t *now, const uint32_t *sent);

#endif /* KEMARI_CAPTURE_REFERENCE_H */
