/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which records of a System Event Log (IPMI 2.0, 31) are new.  What was in the log at the first look is
 * history, which is read once, for faults that it may tell of.  Then records are followed from the last known
 * one by the BMC's own chain, in which their numbers need not be in order. Only headers are read here, to
 * find the numbers; what the records say is libipmimonitoring's to read.
 */
#ifndef KEMARI_AGENT_BMC_SEL_H
#define KEMARI_AGENT_BMC_SEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WATCH_SEL_BATCH 64
#define WATCH_SEL_FIRST 0x0000
#define WATCH_SEL_LAST 0xffff

/* Of Get SEL Info; host byte order. */
struct watch_sel_info {
	uint64_t entries, free_space, added, erased;
	bool overflow;
};

/*
 * Get SEL Entry: record receives at most 16 bytes, *next is the number of the one after it, WATCH_SEL_LAST at
 * the end. 0, -ENOENT: there is none of that number; or another negative errno.
 */
typedef int watch_sel_read(void *arg, uint16_t id, uint8_t record[16], size_t *len, uint16_t *next);

struct watch_sel {
	bool primed;
	uint16_t last;	/* the last one that was told; 0: none */
	bool caught_up; /* all records up to tail were told */
	uint16_t tail;
	uint64_t told;		    /* records since it was caught up */
	struct watch_sel_info seen; /* when it was caught up */
	/* of what was there at the first look, which is read in turns, the oldest first */
	uint16_t past;		  /* the next one; WATCH_SEL_LAST: it is read */
	uint16_t past_last;	  /* the last one that is past */
	uint64_t past_read;	  /* records so far */
	unsigned int past_halved; /* so often was a turn too long */
};

/*
 * The numbers of new records, at most WATCH_SEL_BATCH, into ids.  They stay new until they are told to be
 * done. -EPROTO: the chain goes round in circles, or a record has no number.
 */
int watch_sel_new(struct watch_sel *s, const struct watch_sel_info *info, watch_sel_read *read, void *arg,
		  unsigned int ids[WATCH_SEL_BATCH], unsigned int *n);
void watch_sel_done(struct watch_sel *s, unsigned int id);

/*
 * The numbers of past records that may tell of a fault, of the next WATCH_SEL_BATCH ones or fewer.  They are
 * read with that: what they say is asked for once.  A log that was cleared meanwhile has no past any more.
 * Errors as above, after which nothing more of it is read.
 */
int watch_sel_past(struct watch_sel *s, watch_sel_read *read, void *arg, unsigned int ids[WATCH_SEL_BATCH],
		   unsigned int *n);
/* What they say took too long to read: turns are half as long from now on, of one record at least. */
void watch_sel_past_slow(struct watch_sel *s);
/* All past records were read, or never will be. */
bool watch_sel_past_read(const struct watch_sel *s);
/* ... and all new ones were told. */
bool watch_sel_all_read(const struct watch_sel *s);

/*
 * How many seconds ago something was logged, of its time and the BMC's present time; -1: not known.  A clock
 * that nobody has set counts from when the BMC started, and a record of an earlier start looks younger than
 * it is; one that was set back has records of the future.
 */
int64_t watch_sel_age(uint64_t at, uint64_t now);

bool watch_sel_full(const struct watch_sel_info *info);

#endif
