/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The pages of a guest as capture sees them: its RAM, and behind it the grant frames, numbered 0..frames-1.
 */
#ifndef KEMARI_CAPTURE_PAGES_H
#define KEMARI_CAPTURE_PAGES_H

#include <stdbool.h>
#include <stdint.h>

#include "apply/ram.h"

#define PAGES_MAX_GRANT_FRAMES 64U
#define PAGES_MAX_COPIES 1024U
#define PAGES_NONE (~0ULL)

struct pages;

/* ram is borrowed. */
int pages_open(const char *vm, uint32_t domid, struct ram *ram, struct pages **out);
void pages_close(struct pages *p); /* NULL ok */
struct xenforeignmemory_handle *pages_memory(struct pages *p);

/* Number of frames for a guest of that size, as pages_frames will say. */
uint64_t pages_frames_of(uint64_t memory_kb);
uint64_t pages_frames(const struct pages *p);
uint64_t pages_gfn(const struct pages *p, uint64_t frame); /* PAGES_NONE: a grant frame that is not placed */
uint64_t pages_frame(const struct pages *p, uint64_t gfn); /* PAGES_NONE: no such frame */
const void *pages_page(struct pages *p, uint64_t frame);   /* NULL: nothing there */
/* The same whatever pages_then() says. */
const void *pages_page_now(const struct pages *p, uint64_t frame);

/*
 * Of an instant that has passed: from here on until pages_now() pages_page() gives the copies, nr pages of
 * the gfns (those without memory have a high bit that no gfn has), and NULL of a frame that has none;
 * pages_missed() tells of these.
 */
void pages_then(struct pages *p, const uint64_t *gfns, const void *copies, uint32_t nr);
void pages_now(struct pages *p);
bool pages_missed(const struct pages *p);

/*
 * After a physmap change somewhere in the gfns (ascending), or perhaps in the part of the memory that the
 * frame lies in; *end: the first frame behind that.  0 or a negative errno with one message.
 */
int pages_remap(struct pages *p, const uint64_t *gfns, uint32_t nr);
int pages_remap_part(struct pages *p, uint64_t frame, uint64_t *end);

/* The grant table as get_state shows it; maps it anew when it grew. */
int pages_set_grants(struct pages *p, const uint64_t *gfns, uint32_t nr);
uint32_t pages_grants(const struct pages *p);
/* gfn that a grant reference (version 1) names; PAGES_NONE: none. */
uint64_t pages_grant_gfn(const struct pages *p, uint32_t ref);

#endif /* KEMARI_CAPTURE_PAGES_H */
