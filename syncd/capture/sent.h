/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What was sent last of frames that are written now and then (hot ones have a copy of their own,
 * capture/hot.h): the next time only what differs goes.  A cache: what is found is right, and much is not
 * found.  Nothing is allocated after sent_open.
 */
#ifndef KEMARI_CAPTURE_SENT_H
#define KEMARI_CAPTURE_SENT_H

#include <stdint.h>

struct sent;

/* For a guest of so many frames: a sixteenth of them, 4 to 64 MiB. */
int sent_open(uint64_t frames, struct sent **out);
void sent_close(struct sent *s); /* NULL ok */

/* What was sent of the frame, for the caller to make it what is sent now; NULL: not known. */
void *sent_copy(struct sent *s, uint64_t frame);
/* All of it is sent. */
void sent_store(struct sent *s, uint64_t frame, const void *page);
/* Nobody has it any more, or somebody else keeps its copy. */
void sent_drop(struct sent *s, uint64_t frame);
/* Nobody knows what the standby has. */
void sent_forget(struct sent *s);

#endif /* KEMARI_CAPTURE_SENT_H */
