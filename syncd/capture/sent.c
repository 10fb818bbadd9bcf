/* SPDX-License-Identifier: GPL-2.0-only */
#include "sent.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define PAGE 4096U
#define WAYS 4U /* frames that share the lowest bits */
#define MIN_PAGES 1024U
#define MAX_PAGES 16384U
#define NONE (~0ULL)

struct sent {
	uint64_t sets;
	uint64_t *frame; /* by slot: set * WAYS + way */
	uint8_t *next;	 /* by set: way that is given away next */
	uint8_t *copy;	 /* by slot */
};

int sent_open(uint64_t frames, struct sent **out)
{
	uint64_t pages = frames / 16 < MIN_PAGES ? MIN_PAGES : frames / 16;
	struct sent *s = calloc(1, sizeof(*s));

	if (!s)
		return -ENOMEM;
	s->sets = (pages > MAX_PAGES ? MAX_PAGES : pages) / WAYS;
	s->frame = malloc(s->sets * WAYS * sizeof(*s->frame));
	s->next = calloc(s->sets, sizeof(*s->next));
	s->copy = aligned_alloc(PAGE, s->sets * WAYS * PAGE);
	if (!s->frame || !s->next || !s->copy) {
		sent_close(s);
		return -ENOMEM;
	}
	sent_forget(s);
	*out = s;
	return 0;
}

void sent_close(struct sent *s)
{
	if (!s)
		return;
	free(s->copy);
	free(s->next);
	free(s->frame);
	free(s);
}

static uint64_t find(const struct sent *s, uint64_t frame)
{
	uint64_t slot = frame % s->sets * WAYS;

	for (unsigned int way = 0; way < WAYS; way++)
		if (s->frame[slot + way] == frame)
			return slot + way;
	return NONE;
}

void *sent_copy(struct sent *s, uint64_t frame)
{
	uint64_t slot = find(s, frame);

	return slot == NONE ? NULL : s->copy + slot * PAGE;
}

void sent_store(struct sent *s, uint64_t frame, const void *page)
{
	uint64_t slot = find(s, frame), set = frame % s->sets;

	if (slot == NONE) {
		slot = set * WAYS + s->next[set];
		s->next[set] = (uint8_t)((s->next[set] + 1) % WAYS);
	}
	s->frame[slot] = frame;
	memcpy(s->copy + slot * PAGE, page, PAGE);
}

void sent_drop(struct sent *s, uint64_t frame)
{
	uint64_t slot = find(s, frame);

	if (slot != NONE)
		s->frame[slot] = NONE;
}

void sent_forget(struct sent *s)
{
	memset(s->frame, 0xff, s->sets * WAYS * sizeof(*s->frame));
}
