/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the standby does not have: the frames of each epoch in flight, and a bitmap of frames that must go
 * with the next one (bulk copy, a lost link, a restarted daemon).  It lies in the VM's memory file, because
 * Xen has forgotten the marks by then (doc/ownership.md, item 10).
 *
 * Frames are numbered by the caller (capture/pages.h).  Plain data, no pointers.
 */
#ifndef KEMARI_CAPTURE_UNSENT_H
#define KEMARI_CAPTURE_UNSENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define UNSENT_SLOTS 8

enum unsent_harvest {
	UNSENT_ALL_HERE,
	UNSENT_HARVEST, /* one was begun and its list is not in here: copy everything */
	UNSENT_ARMED,	/* Xen may have taken one, whose list is in the area (capture/area.h) */
};

struct unsent_slot {
	uint64_t epoch; /* 0: free */
	uint32_t nr;
	uint32_t unused;
};

struct unsent {
	uint32_t version;
	uint32_t list_max; /* frames in a slot's list */
	uint64_t frames;
	uint32_t harvesting; /* enum unsent_harvest */
	uint32_t unused;
	uint64_t nr_again; /* bits set in the bitmap */
	struct unsent_slot slot[UNSENT_SLOTS];
	/* then: uint64_t bitmap[(frames + 63) / 64], uint32_t list[UNSENT_SLOTS][list_max] */
	uint64_t bitmap[];
};

size_t unsent_size(uint64_t frames, uint32_t list_max);
/* all: every frame is marked; nobody finds it valid and unmarked. */
void unsent_init(struct unsent *u, uint64_t frames, uint32_t list_max, bool all);
/* Found in a memory file: does it fit these sizes and make sense? */
bool unsent_valid(const struct unsent *u, uint64_t frames, uint32_t list_max);

/* A free slot for the epoch, or NULL. */
struct unsent_slot *unsent_begin(struct unsent *u, uint64_t epoch);
/* -ENOSPC: list_max reached. */
int unsent_add(struct unsent *u, struct unsent_slot *s, uint64_t frame);
/* The epoch is not to be sent: its frames go with the next one. */
void unsent_abandon(struct unsent *u, struct unsent_slot *s);
/* The standby has all epochs <= epoch. */
void unsent_acked(struct unsent *u, uint64_t epoch);
/* All epochs > acked are lost: their frames go with the next one. */
void unsent_merge(struct unsent *u);
/* The same after its last user died at any point. */
void unsent_recover(struct unsent *u);

void unsent_mark(struct unsent *u, uint64_t frame);
void unsent_mark_all(struct unsent *u);
void unsent_clear(struct unsent *u);
/* The first marked frame >= *from; false: none. */
bool unsent_find(const struct unsent *u, uint64_t *from);
bool unsent_is_marked(const struct unsent *u, uint64_t frame);
/* It is marked, and no more. */
void unsent_drop(struct unsent *u, uint64_t frame);

/* Frames in flight, counted once for each epoch. */
uint64_t unsent_in_flight(const struct unsent *u);

#endif /* KEMARI_CAPTURE_UNSENT_H */
