/* SPDX-License-Identifier: GPL-2.0-only */
#include "hold.h"

#include <stdatomic.h>
#include <stddef.h>

#define PIECE_HEAD ((uint32_t)sizeof(struct hold_piece))

static struct hold_piece *piece_at(struct hold *h, uint64_t pos)
{
	return (struct hold_piece *)(h->data + (pos & (h->cap - 1)));
}

static uint32_t lap_left(const struct hold *h, uint64_t pos)
{
	return h->cap - (uint32_t)(pos & (h->cap - 1));
}

/* Fills the rest of a lap.  What is too short for a piece is skipped by every walk without one. */
static void pad_lap(struct hold *h, uint64_t pos)
{
	uint32_t left = lap_left(h, pos);

	if (left >= PIECE_HEAD)
		*piece_at(h, pos) = (struct hold_piece){ .len = left - PIECE_HEAD, .flags = HOLD_SKIP };
}

/* A killed daemon leaves its stores in program order; keep the compiler to it. */
static void store_pos(uint64_t *where, uint64_t pos)
{
	atomic_signal_fence(memory_order_seq_cst);
	*(volatile uint64_t *)where = pos;
	atomic_signal_fence(memory_order_seq_cst);
}

void hold_init(struct hold *h, uint32_t cap)
{
	h->head = 0;
	h->tail = 0;
	h->cap = cap;
	h->unused = 0;
}

bool hold_valid(const struct hold *h, uint32_t cap)
{
	uint64_t pos = h->head;

	if (h->cap != cap || h->tail < h->head || h->tail - h->head > cap || h->head % 8 || h->tail % 8)
		return false;
	while (pos < h->tail) {
		const struct hold_piece *p = (const struct hold_piece *)(h->data + (pos & (cap - 1)));
		uint32_t left = lap_left(h, pos);

		if (left < PIECE_HEAD) {
			pos += left;
			continue;
		}
		if (p->len > left - PIECE_HEAD || hold_piece_bytes(p->len) > left)
			return false;
		pos += hold_piece_bytes(p->len);
	}
	return pos == h->tail;
}

struct hold_piece *hold_prepare(struct hold *h, uint64_t *pos, uint32_t len, uint64_t epoch)
{
	uint64_t at = *pos;
	struct hold_piece *p;

	if (len > h->cap - PIECE_HEAD)
		return NULL;
	if (lap_left(h, at) < hold_piece_bytes(len))
		at += lap_left(h, at);
	if (at + hold_piece_bytes(len) - h->head > h->cap)
		return NULL;
	if (at != *pos)
		pad_lap(h, *pos);
	p = piece_at(h, at);
	*p = (struct hold_piece){ .len = len, .epoch = epoch };
	*pos = at + hold_piece_bytes(len);
	return p;
}

void hold_commit(struct hold *h, uint64_t pos)
{
	store_pos(&h->tail, pos);
}

struct hold_piece *hold_next(struct hold *h, uint64_t *pos, uint64_t end, uint64_t *next)
{
	while (*pos < end) {
		uint32_t left = lap_left(h, *pos);
		struct hold_piece *p = piece_at(h, *pos);

		if (left < PIECE_HEAD) {
			*pos += left;
			continue;
		}
		*next = *pos + hold_piece_bytes(p->len);
		if (!(p->flags & HOLD_SKIP))
			return p;
		*pos = *next;
	}
	return NULL;
}

void hold_set_head(struct hold *h, uint64_t pos)
{
	store_pos(&h->head, pos);
}

void hold_rewind(struct hold *h)
{
	uint64_t lap = h->tail + lap_left(h, h->tail);

	if (h->head != h->tail || !(h->tail & (h->cap - 1)))
		return;
	/* The pad is a piece like any other until the head has passed it. */
	pad_lap(h, h->tail);
	store_pos(&h->tail, lap);
	store_pos(&h->head, lap);
}

uint64_t hold_covered(struct hold *h, uint64_t from, uint64_t epoch)
{
	uint64_t covered = from, next;
	struct hold_piece *p;

	while ((p = hold_next(h, &from, h->tail, &next)) && p->epoch <= epoch) {
		covered = next;
		from = next;
	}
	return p ? covered : h->tail;
}

void hold_truncate(struct hold *h, uint64_t pos)
{
	store_pos(&h->tail, pos);
}
