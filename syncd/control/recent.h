/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The last epochs of a VM and how long its last outputs were held: what `kemari status --json --recent` shows
 * and the benchmark is made of.  Plain data inside the VM; nothing is allocated until it is shown.
 *
 * The numbers are those of the primary's capture (capture/capture.h) and of the stamps that outputs get
 * (device.h); times are CLOCK_MONOTONIC.
 */
#ifndef KEMARI_CONTROL_RECENT_H
#define KEMARI_CONTROL_RECENT_H

#include <stdint.h>

#include <jansson.h>

#define RECENT_MAX 256U	  /* so that a row of status fits a packet with every number at its longest */
#define RECENT_HELD 1024U /* outputs that wait; of more, the newer ones are not measured */
#define RECENT_KINDS 3U

enum recent_field {
	RECENT_PAUSE_US, /* the guest stood still */
	RECENT_STOP_US,	 /* ... of which */
	RECENT_STATE_US,
	RECENT_CONTEXT_US,
	RECENT_HARVEST_US,
	RECENT_DEVICES_US,
	RECENT_COPY_US,
	RECENT_COMMIT_US, /* from capture to ack, 0: not yet */
	RECENT_DIRTY,	  /* pages of the harvest */
	RECENT_HOT,	  /* pages that were compared instead */
	RECENT_PAGES,	  /* pages in it */
	RECENT_BYTES,	  /* of it, as sent */
	RECENT_FIELDS
};

struct recent_epoch {
	uint64_t epoch, at_ns; /* when it was captured */
	uint32_t value[RECENT_FIELDS];
};

struct recent {
	uint64_t epochs; /* so far; e[] is a ring */
	struct recent_epoch e[RECENT_MAX];
	uint32_t first_held, nr_held;
	struct {
		uint64_t epoch, ns;
		uint32_t kind;
	} held[RECENT_HELD];
	struct {
		uint64_t nr; /* so far; us[] is a ring */
		uint32_t us[RECENT_MAX];
	} released[RECENT_KINDS];
};

void recent_captured(struct recent *r, const struct recent_epoch *e);
/* The epoch went, and so long it was. */
void recent_sent(struct recent *r, uint64_t epoch, uint32_t bytes);
/* The standby has everything up to epoch. */
void recent_committed(struct recent *r, uint64_t epoch, uint64_t now_ns);
/* An output waits for epoch; kind < RECENT_KINDS. */
void recent_held(struct recent *r, unsigned int kind, uint64_t epoch, uint64_t now_ns);
/* Those of up to epoch have left; those after it are dropped. */
void recent_released(struct recent *r, uint64_t epoch, uint64_t now_ns);
void recent_discarded(struct recent *r, uint64_t epoch);

/* {"fields":[...], "epochs":[[...], ...], "held_us":{NAME:{"nr":N,"last":[...]}, ...}}, the oldest first. */
json_t *recent_json(const struct recent *r, const char *const kinds[RECENT_KINDS]);

#endif /* KEMARI_CONTROL_RECENT_H */
