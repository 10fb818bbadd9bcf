/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which entries of a Redfish log are new.  Neither their order nor their numbers can be relied on (iLO counts
 * up, iDRAC lists the newest first, a log that was cleared begins at 1 again), so what was seen is
 * remembered.
 */
#ifndef KEMARI_AGENT_BMC_REDFISH_LOG_H
#define KEMARI_AGENT_BMC_REDFISH_LOG_H

#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

#define WATCH_LOG_SEEN 4096
#define WATCH_LOG_TIME 40

struct watch_log {
	bool primed;		       /* what was there at the first look is history */
	json_int_t count;	       /* entries, at the last look */
	bool shrunk, tail;	       /* of this round */
	uint64_t total;		       /* entries remembered so far, of which the last WATCH_LOG_SEEN count */
	uint64_t seen[WATCH_LOG_SEEN]; /* hashes */
	char newest[WATCH_LOG_TIME];   /* of all times that entries had */
	char limit[WATCH_LOG_TIME];    /* the same when this round began */
};

/*
 * A round of entries begins, of a log that has count of them.  Of one that shrank (it was cleared, or an
 * entry was deleted), and of one whose end alone is asked for (tail), an entry that was not seen may be old
 * all the same: its time decides.
 */
void watch_log_begin(struct watch_log *log, json_int_t count, bool tail);
/* An entry, or only the link to one.  True: it is new.  It is remembered. */
bool watch_log_new(struct watch_log *log, const json_t *entry);
/* What was new just now could not be read: it is new the next time. */
void watch_log_unsee(struct watch_log *log);
/* The round is complete: what comes now is new. */
void watch_log_end(struct watch_log *log);

/* Of a page of the log: how many entries there are in all. */
json_int_t watch_log_count(const json_t *page);
/* Below 0: the oldest entry stands first; above 0: the newest; 0: it cannot be told. */
int watch_log_order(const json_t *page);

#endif
