/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What one look at a BMC showed, whatever it speaks.  Everything in it came from the BMC, so it is bounded,
 * and its texts are printable ASCII; what it means is judged elsewhere (state.h).
 */
#ifndef KEMARI_AGENT_BMC_LOOK_H
#define KEMARI_AGENT_BMC_LOOK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/bmc/kind.h"
#include "fencing/bmc.h"

#define WATCH_SENSOR 48
#define WATCH_TEXT 128
#define WATCH_FINDINGS 64

struct watch_finding {
	enum watch_kind kind;
	bool logged;	    /* an entry of the event log; false: a sensor shows it now */
	bool past;	    /* ... which was there before anybody watched */
	int64_t age;	    /* s since it was logged, of the youngest of them; below 0: not known */
	unsigned int times; /* entries of the log that say the same */
	char sensor[WATCH_SENSOR];
	char text[WATCH_TEXT];
};

/* What the sensors say about the power: to be compared with what the BMC says about it. */
enum watch_running { WATCH_RUNNING_UNKNOWN, WATCH_RUNNING, WATCH_STOPPED };

struct watch_look {
	int error; /* 0, or a negative errno of fencing/bmc.h, and why: the look is not complete */
	char why[BMC_WHY];
	uint64_t took_ns;
	bool has_power;
	enum bmc_power power;
	bool has_uuid;
	uint8_t uuid[16];
	bool foreign; /* the UUID is not the one that the options name */
	bool sensors; /* they were read, all of them, and what is not found here is not so */
	bool log_full;
	bool log_read; /* nothing in the log was left unread, past entries included */
	enum watch_running running;
	unsigned int fans, fans_turning;
	unsigned int nr_findings;
	struct watch_finding finding[WATCH_FINDINGS];
};

/* Where looks come from: one BMC by one protocol.  Embedded in what that needs. */
struct watch_source {
	const struct watch_source_ops *ops;
};

struct watch_source_ops {
	/* Blocks.  sensors: sensors and logs, too, not only the power.  *l is cleared by the caller. */
	void (*look)(struct watch_source *s, bool sensors, struct watch_look *l);
	void (*close)(struct watch_source *s);
};

struct fence_options;
struct watch_table;

/* o and t must outlive it; cache_dir is for what a BMC says once (IPMI's sensor descriptions).  On error why
 * says what. */
int watch_ipmi_open(const struct fence_options *o, const struct watch_table *t, const char *cache_dir,
		    struct watch_source **out, char why[BMC_WHY]);
int watch_redfish_open(const struct fence_options *o, const struct watch_table *t, struct watch_source **out,
		       char why[BMC_WHY]);

/*
 * Adds what was found; the same once more counts as one.  sensor, text: NULL ok, any bytes.  WATCH_NOTHING is
 * not added.  When all places are taken a finding gives way to one that is graver by default.
 */
void watch_look_add(struct watch_look *l, enum watch_kind kind, bool logged, const char *sensor,
		    const char *text);
/* The same of an entry of the log; past, age: as in struct watch_finding. */
void watch_look_entry(struct watch_look *l, enum watch_kind kind, bool past, int64_t age, const char *sensor,
		      const char *text);
/* Remembers the first error; why may be any bytes. */
void watch_look_fail(struct watch_look *l, int error, const char *why);

/* Copies at most len - 1 bytes; what is not printable ASCII becomes '?'. */
void watch_clean(char *to, size_t len, const char *from);

#endif
