/* SPDX-License-Identifier: GPL-2.0-only */
#include "hot.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define PAGE 4096U
#define NO_SLOT 0xffffU
#define NO_COPY 0xffffU

struct member {
	uint64_t index;
	uint16_t unchanged; /* epochs in a row, or NO_COPY: nothing to compare with yet */
	bool pinned;
	bool touched;
};

struct seen {
	uint32_t epoch; /* low bits of the last one it was dirty in */
	uint16_t count;
	uint16_t slot;
};

struct hot {
	uint64_t frames;
	struct seen *seen; /* by index */
	unsigned int nr;
	struct member member[HOT_MAX];
	uint8_t *copy; /* HOT_MAX pages, by slot */
	unsigned int nr_new;
	uint64_t candidate[HOT_MAX];
	uint64_t settled; /* epoch */
	bool pins_changed;
};

int hot_open(uint64_t frames, struct hot **out)
{
	struct hot *h = calloc(1, sizeof(*h));

	if (!h)
		return -ENOMEM;
	h->frames = frames;
	h->seen = calloc(frames, sizeof(*h->seen));
	h->copy = aligned_alloc(PAGE, (size_t)HOT_MAX * PAGE);
	if (!h->seen || !h->copy) {
		hot_close(h);
		return -ENOMEM;
	}
	for (uint64_t i = 0; i < frames; i++)
		h->seen[i].slot = NO_SLOT;
	*out = h;
	return 0;
}

void hot_close(struct hot *h)
{
	if (!h)
		return;
	free(h->copy);
	free(h->seen);
	free(h);
}

static bool add(struct hot *h, uint64_t index, bool pinned)
{
	unsigned int slot = h->nr;

	if (slot == HOT_MAX)
		return false;
	h->member[slot] = (struct member){ .index = index, .pinned = pinned };
	h->seen[index].slot = (uint16_t)slot;
	h->nr++;
	return true;
}

static void drop(struct hot *h, unsigned int slot)
{
	unsigned int last = --h->nr;

	h->seen[h->member[slot].index].slot = NO_SLOT;
	h->seen[h->member[slot].index].count = 0;
	if (slot == last)
		return;
	h->member[slot] = h->member[last];
	h->seen[h->member[slot].index].slot = (uint16_t)slot;
	memcpy(h->copy + (size_t)slot * PAGE, h->copy + (size_t)last * PAGE, PAGE);
}

int hot_pin(struct hot *h, const uint64_t *index, unsigned int nr, void (*dropped)(void *arg, uint64_t index),
	    void *arg)
{
	if (nr > HOT_MAX_PINNED)
		return -E2BIG;
	for (unsigned int i = 0; i < nr; i++)
		if (index[i] >= h->frames)
			return -EINVAL;
	for (unsigned int s = 0; s < h->nr; s++)
		h->member[s].pinned = false;
	for (unsigned int i = 0; i < nr; i++) {
		uint16_t slot = h->seen[index[i]].slot;

		if (slot != NO_SLOT) {
			h->member[slot].pinned = true;
			continue;
		}
		while (h->nr == HOT_MAX) { /* there is always one that is not pinned */
			unsigned int s = h->nr - 1;

			while (h->member[s].pinned)
				s--;
			dropped(arg, h->member[s].index);
			drop(h, s);
		}
		add(h, index[i], true);
		h->member[h->nr - 1].unchanged = NO_COPY;
		h->pins_changed = true;
	}
	return 0;
}

void hot_dirtied(struct hot *h, uint64_t index, uint64_t epoch)
{
	struct seen *s;

	if (index >= h->frames)
		return;
	s = &h->seen[index];
	if (s->slot != NO_SLOT)
		return;
	if (s->count && (uint32_t)epoch - s->epoch <= HOT_GAP)
		s->count++;
	else
		s->count = 1;
	s->epoch = (uint32_t)epoch;
	if (s->count == HOT_ENTER && h->nr_new < HOT_MAX)
		h->candidate[h->nr_new++] = index;
}

unsigned int hot_members(const struct hot *h)
{
	return h->nr;
}

uint64_t hot_member(const struct hot *h, unsigned int slot)
{
	return h->member[slot].index;
}

bool hot_is_member(const struct hot *h, uint64_t index)
{
	return index < h->frames && h->seen[index].slot != NO_SLOT;
}

void hot_touch(struct hot *h, uint64_t index)
{
	uint16_t slot = index < h->frames ? h->seen[index].slot : NO_SLOT;

	if (slot != NO_SLOT)
		h->member[slot].touched = true;
}

bool hot_is_touched(const struct hot *h, unsigned int slot)
{
	return h->member[slot].touched;
}

void hot_lost(struct hot *h)
{
	for (unsigned int s = 0; s < h->nr; s++)
		h->member[s].touched = false;
}

bool hot_is_due(const struct hot *h, unsigned int slot)
{
	const struct member *m = &h->member[slot];

	return m->touched || m->pinned || m->unchanged == NO_COPY;
}

void *hot_copy(struct hot *h, unsigned int slot)
{
	return h->member[slot].unchanged == NO_COPY ? NULL : h->copy + (size_t)slot * PAGE;
}

void hot_compared(struct hot *h, unsigned int slot, bool changed)
{
	struct member *m = &h->member[slot];

	m->touched = false;
	if (changed)
		m->unchanged = 0;
	else if (m->unchanged < HOT_LEAVE)
		m->unchanged++;
}

void hot_sent(struct hot *h, unsigned int slot, const void *page)
{
	h->member[slot].touched = false;
	h->member[slot].unchanged = page ? 0 : NO_COPY;
	if (page)
		memcpy(h->copy + (size_t)slot * PAGE, page, PAGE);
}

void hot_forget(struct hot *h)
{
	for (unsigned int s = 0; s < h->nr; s++)
		h->member[s].unchanged = NO_COPY;
}

const void *hot_pinned_copy(const struct hot *h, uint64_t index)
{
	uint16_t slot = index < h->frames ? h->seen[index].slot : NO_SLOT;

	if (slot == NO_SLOT || !h->member[slot].pinned || h->member[slot].unchanged == NO_COPY)
		return NULL;
	return h->copy + (size_t)slot * PAGE;
}

bool hot_settle(struct hot *h, uint64_t epoch, const void *(*page)(void *arg, uint64_t index), void *arg)
{
	bool changed = h->pins_changed;

	if (!changed && epoch - h->settled < HOT_SETTLE)
		return false;
	h->settled = epoch;
	h->pins_changed = false;
	for (unsigned int s = h->nr; s-- > 0;) {
		if (h->member[s].pinned || h->member[s].unchanged != HOT_LEAVE)
			continue;
		drop(h, s);
		changed = true;
	}
	for (unsigned int i = 0; i < h->nr_new; i++) {
		uint64_t index = h->candidate[i];
		const void *p = page(arg, index);

		/* it must be hot to the end: not one of a burst long ago */
		if ((uint32_t)epoch - h->seen[index].epoch > HOT_GAP || !p ||
		    h->seen[index].slot != NO_SLOT) {
			h->seen[index].count = 0;
			continue;
		}
		if (!add(h, index, false))
			continue;
		memcpy(h->copy + (size_t)(h->nr - 1) * PAGE, p, PAGE);
		changed = true;
	}
	h->nr_new = 0;
	return changed;
}

bool hot_is_unsettled(const struct hot *h, uint64_t epoch)
{
	uint64_t age = epoch - h->settled;

	return h->pins_changed || age >= HOT_COOL || (age >= HOT_SETTLE && h->nr_new);
}
