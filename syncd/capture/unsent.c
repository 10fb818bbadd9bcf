/* SPDX-License-Identifier: GPL-2.0-only */
#include "unsent.h"

#include <errno.h>
#include <stdatomic.h>
#include <string.h>

#define UNSENT_VERSION 1

static uint64_t words(uint64_t frames)
{
	return (frames + 63) / 64;
}

static uint32_t *list_of(struct unsent *u, const struct unsent_slot *s)
{
	return (uint32_t *)(u->bitmap + words(u->frames)) + (size_t)(s - u->slot) * u->list_max;
}

size_t unsent_size(uint64_t frames, uint32_t list_max)
{
	return sizeof(struct unsent) + words(frames) * 8 + (size_t)UNSENT_SLOTS * list_max * 4;
}

void unsent_init(struct unsent *u, uint64_t frames, uint32_t list_max, bool all)
{
	memset(u, 0, unsent_size(frames, list_max));
	u->frames = frames;
	u->list_max = list_max;
	if (all)
		unsent_mark_all(u);
	atomic_signal_fence(memory_order_seq_cst);
	u->version = UNSENT_VERSION;
}

bool unsent_valid(const struct unsent *u, uint64_t frames, uint32_t list_max)
{
	if (u->version != UNSENT_VERSION || u->frames != frames || u->list_max != list_max)
		return false;
	for (unsigned int i = 0; i < UNSENT_SLOTS; i++)
		if (u->slot[i].nr > list_max)
			return false;
	return true;
}

struct unsent_slot *unsent_begin(struct unsent *u, uint64_t epoch)
{
	for (unsigned int i = 0; i < UNSENT_SLOTS; i++) {
		if (u->slot[i].epoch)
			continue;
		u->slot[i].nr = 0;
		u->slot[i].epoch = epoch;
		return &u->slot[i];
	}
	return NULL;
}

int unsent_add(struct unsent *u, struct unsent_slot *s, uint64_t frame)
{
	if (s->nr == u->list_max)
		return -ENOSPC;
	list_of(u, s)[s->nr++] = (uint32_t)frame;
	return 0;
}

void unsent_acked(struct unsent *u, uint64_t epoch)
{
	for (unsigned int i = 0; i < UNSENT_SLOTS; i++)
		if (u->slot[i].epoch <= epoch)
			u->slot[i].epoch = 0;
}

void unsent_abandon(struct unsent *u, struct unsent_slot *s)
{
	for (uint32_t k = 0; k < s->nr; k++)
		unsent_mark(u, list_of(u, s)[k]);
	s->epoch = 0;
}

void unsent_merge(struct unsent *u)
{
	for (unsigned int i = 0; i < UNSENT_SLOTS; i++)
		if (u->slot[i].epoch)
			unsent_abandon(u, &u->slot[i]);
}

void unsent_recover(struct unsent *u)
{
	u->nr_again = 0;
	for (uint64_t w = 0; w < words(u->frames); w++)
		u->nr_again += (uint64_t)__builtin_popcountll(u->bitmap[w]);
	unsent_merge(u);
}

void unsent_mark(struct unsent *u, uint64_t frame)
{
	uint64_t bit = 1ULL << (frame % 64);

	if (frame >= u->frames || (u->bitmap[frame / 64] & bit))
		return;
	u->bitmap[frame / 64] |= bit;
	u->nr_again++;
}

void unsent_mark_all(struct unsent *u)
{
	memset(u->bitmap, 0xff, words(u->frames) * 8);
	if (u->frames % 64)
		u->bitmap[u->frames / 64] = (1ULL << (u->frames % 64)) - 1;
	u->nr_again = u->frames;
}

void unsent_clear(struct unsent *u)
{
	memset(u->bitmap, 0, words(u->frames) * 8);
	u->nr_again = 0;
	for (unsigned int i = 0; i < UNSENT_SLOTS; i++)
		u->slot[i].epoch = 0;
}

bool unsent_find(const struct unsent *u, uint64_t *from)
{
	for (uint64_t w = *from / 64; u->nr_again && w < words(u->frames); w++) {
		uint64_t bits = u->bitmap[w];

		if (w == *from / 64)
			bits &= ~0ULL << (*from % 64);
		if (!bits)
			continue;
		*from = w * 64 + (uint64_t)__builtin_ctzll(bits);
		return true;
	}
	return false;
}

bool unsent_is_marked(const struct unsent *u, uint64_t frame)
{
	return u->bitmap[frame / 64] >> (frame % 64) & 1;
}

void unsent_drop(struct unsent *u, uint64_t frame)
{
	u->bitmap[frame / 64] &= ~(1ULL << (frame % 64));
	u->nr_again--;
}

uint64_t unsent_in_flight(const struct unsent *u)
{
	uint64_t n = 0;

	for (unsigned int i = 0; i < UNSENT_SLOTS; i++)
		if (u->slot[i].epoch)
			n += u->slot[i].nr;
	return n;
}
