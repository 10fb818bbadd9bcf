/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The capture from the inside:
 *   capture.c    beginning and end, dirty logging
 *   take.c       one epoch
 *   area.c       one that Xen took by itself
 *   bulk.c       the first copy
 *   reference.c  what the verifier compares with
 */
#ifndef KEMARI_CAPTURE_INTERNAL_H
#define KEMARI_CAPTURE_INTERNAL_H

#include "capture/area.h"
#include "capture/capture.h"
#include "capture/fault.h"
#include "capture/hot.h"
#include "capture/pages.h"
#include "capture/pins.h"
#include "capture/postpone.h"
#include "capture/sent.h"
#include "capture/unsent.h"
#include "monotonic.h"

struct xen_kemari_state;

#define HVM_CONTEXT_MAX (64U << 10)
#define CAPTURE_MAX_BUFFERS 8

/* For the verifier. */
struct reference {
	uint8_t *before; /* of each pinned frame, as it was before the epoch's pages were copied; NULL: not
			    begun */
	struct xen_kemari_state *state; /* the hidden state, read again at that moment */
	uint32_t state_size;
	uint8_t *context; /* HVM_CONTEXT_MAX */
	int error;	  /* why it could not */
	uint64_t epoch;	  /* that both belong to, 0: none */
	uint32_t page[RAM_PAGE_SIZE / 4];
};

struct capture {
	struct capture_cfg cfg;
	struct pages *pages;
	struct hot *hot;
	struct sent *sent;
	struct unsent *unsent;
	struct capture_epoch epoch[CAPTURE_MAX_BUFFERS];
	struct pins pins;
	uint64_t tree_version; /* of the last xenstore block that went out */
	bool tree_sent;
	struct capture_area area;
	uint64_t last_epoch;
	uint32_t watched; /* the bell is raised at so many marks, 0: not known */
	bool all_hot;	  /* Xen does not say which hot frames were written */
	bool logging;
	bool fresh;	       /* the log was switched on just now: no frame is protected, no mark was lost */
	uint64_t protected_to; /* gfn: by bulk copies so far */
	bool broken;	       /* pages or their marks are not to be had: no epoch would be whole any more */
	struct capture_bulk bulk;
	uint64_t bulk_round;	   /* pages that this round sends */
	uint64_t bulk_at;	   /* frame */
	uint64_t bulk_mapped;	   /* frames before it were mapped anew by the first round */
	struct postpone postponed; /* an epoch or a harvest, for an interrupt handler's sake */
	struct fault fault;
	struct reference ref;
};

/* capture.c */

/* Should Xen not take it, the captures end, for writes would be lost. */
void capture_give_hot(struct capture *c, const uint64_t *gfns, uint32_t nr);

/* take.c */

/* Moves Xen's dirty marks into the bitmap of unsent frames; *nr: how many.  The guest is stopped. */
int capture_harvest(struct capture *c, uint64_t epoch, uint64_t *nr);
/* The marks of a checkpoint, as capture_harvest(), and those that Xen has cut off. */
int capture_take_marks(struct capture *c, uint64_t epoch, const struct hvop_checkpoint *cp, uint64_t *nr);
/* Appends the frame, page NULL: as a hole. */
int capture_put_frame(struct capture *c, struct record_writer *w, uint64_t frame, const void *page);

/* reference.c: the pages of this epoch are about to be copied. */
void reference_keep(struct capture *c, uint64_t epoch);

#endif /* KEMARI_CAPTURE_INTERNAL_H */
