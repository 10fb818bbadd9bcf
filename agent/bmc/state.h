/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What looks at a BMC amount to over time: which events its host has, and what to think of the BMC itself.
 * Pure: time comes from outside, nothing is read or written.
 *
 * Ways in which a BMC is not well are states of the BMC, and no event: they never ask for more than a note.
 */
#ifndef KEMARI_AGENT_BMC_STATE_H
#define KEMARI_AGENT_BMC_STATE_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/bmc/look.h"
#include "agent/bmc/table.h"

#define WATCH_EVENTS 32

enum watch_bmc {
	WATCH_BMC_OK,
	WATCH_BMC_UNREACHABLE, /* no usable answer */
	WATCH_BMC_SLOW,	       /* later than slow_after */
	WATCH_BMC_REFUSED,     /* the user, the password, the privilege, its certificate */
	WATCH_BMC_LYING,       /* contradicts itself, or belongs to another machine: nothing it says counts */
	WATCH_BMC_FULL,	       /* its event log takes no more */
	WATCH_BMC_BUSY,	       /* it said so: no session is free, it updates itself */
	WATCH_BMC_STATES
};

struct watch_now {
	uint64_t ns;  /* monotonic */
	int64_t wall; /* s since 1970, for people */
};

struct watch_event {
	enum watch_kind kind;
	bool counts;	   /* it was there for long enough */
	int64_t since;	   /* wall */
	uint64_t first_ns; /* of the findings, of which there was none missing since */
	uint64_t last_ns;
	char sensor[WATCH_SENSOR];
	char text[WATCH_TEXT];
};

/* An entry of the log from before anybody watched. */
struct watch_past {
	int64_t at; /* wall; 0: there is none */
	char sensor[WATCH_SENSOR];
	char text[WATCH_TEXT];
};

struct watch_state {
	const struct watch_table *table;
	enum watch_bmc bmc;
	char why[BMC_WHY]; /* the BMC is not well; empty: it is */
	bool power_known;
	enum bmc_power power;
	bool was_off;		     /* by the last look that said anything about it */
	uint64_t settled_ns;	     /* sensors count from here on */
	unsigned int contradictions; /* looks at the sensors in a row */
	const char *contradiction;   /* the last one */
	bool log_full;		     /* by the last of these */
	uint64_t took_ns;	     /* the last of these */
	bool has_uuid;
	uint8_t uuid[16];
	bool log_read;			     /* by the last look at the log, all of it */
	int64_t log_at;			     /* wall; when that began, or the first one; 0: none */
	bool log_read_off;		     /* ... since the power is off */
	struct watch_past past[WATCH_KINDS]; /* the newest entry of each kind that holds the power back */
	unsigned int nr_events;
	struct watch_event event[WATCH_EVENTS];
	uint64_t correctable;			  /* errors so far */
	uint64_t correctable_at[WATCH_STORM_MAX]; /* the n-th one's time, in place n % WATCH_STORM_MAX */
};

void watch_state_init(struct watch_state *s, const struct watch_table *table);
void watch_state_look(struct watch_state *s, const struct watch_look *l, struct watch_now now);
/* No look came back for so long, and it is under way still. */
void watch_state_waiting(struct watch_state *s, uint64_t waited_ns, struct watch_now now);

/* The worst of what the table says about the events that count, and of the BMC's own state. */
enum watch_action watch_state_worst(const struct watch_state *s);
const char *watch_bmc_name(enum watch_bmc bmc);

#endif
