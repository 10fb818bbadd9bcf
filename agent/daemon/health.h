/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a BMC says about its host, as kemari-bmc tells it (kemari-bmc(8), OUTPUT), and what follows for the
 * host's health.  No I/O, no clock.
 *
 * How long something must be so before it counts, and how long it counts on, is for kemari-bmc to know.  Here
 * it matters only that a BMC which is not to be believed (it does not answer, refuses, lies, or is too busy
 * to say anything) makes nothing worse: what it told before counts on, and nothing else begins to.  A slow
 * one or one with a full log is to be believed; that it is so is at most worth a note.
 */
#ifndef KEMARI_AGENT_DAEMON_HEALTH_H
#define KEMARI_AGENT_DAEMON_HEALTH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/bmc/kind.h"
#include "agent/bmc/look.h"
#include "agent/bmc/state.h"
#include "agent/daemon/row.h"
#include "config.h"

#define HEALTH_LINE 24576 /* bytes of a report, at most; the longest that makes sense is shorter */
#define HEALTH_WHY 160

#define HEALTH_SECOND 1000000000ULL
/* kemari-bmc says something each 30 s. */
#define HEALTH_SILENT_NS (75 * HEALTH_SECOND)

enum health_power { HEALTH_POWER_UNKNOWN, HEALTH_POWER_ON, HEALTH_POWER_OFF };

/* How much of the BMC's event log is known. */
enum health_log { HEALTH_LOG_UNREAD, HEALTH_LOG_READ, HEALTH_LOG_READ_SINCE_OFF };

struct health_event {
	enum watch_kind kind;
	enum watch_action action;
	bool holds;    /* a fenced host that had it is not switched on by itself */
	int64_t since; /* s since 1970 */
	char sensor[WATCH_SENSOR];
	char text[WATCH_TEXT];
};

struct health_report {
	enum watch_bmc bmc;
	enum health_power power;
	enum watch_action worst;
	char why[BMC_WHY]; /* the BMC is not well; "" */
	enum health_log log;
	uint8_t uuid[16]; /* of the machine that it says it belongs to; zeroes: not told */
	unsigned int nr;
	struct health_event event[WATCH_EVENTS];
	unsigned int nr_past;
	struct health_event past[WATCH_KINDS]; /* of the log from before it was watched; they hold */
};

/*
 * One line of kemari-bmc about host.  0, or -EBADMSG with why (HEALTH_WHY bytes).  Keys that are not known
 * are left alone; everything else must be as documented, and worst must be what the rest amounts to.
 */
int health_parse(const char *line, size_t len, const char *host, struct health_report *r, char *why);

/* One host that has a BMC. */
struct health_host {
	char host[ROW_HOST];
	bool awaited;	   /* no report has come since the start, but one may yet */
	bool known;	   /* somebody watches the BMC, and report is what is so */
	bool red;	   /* its guests are better off elsewhere */
	uint64_t heard_ns; /* CLOCK_MONOTONIC of the last report, or since when one is waited for */
	struct health_report report;
};

struct health {
	unsigned int nr;
	struct health_host h[KEM_CONFIG_HOSTS];
};

/*
 * The BMC says that it belongs to another machine than the host, whose own word is told (zeroes: not known):
 * then r says that it lies, and nothing of what it tells.
 */
bool health_foreign(struct health_report *r, const uint8_t told[16]);

/*
 * Takes a report.  Of the faults in r to fence the host for that the last one did not tell of, the youngest;
 * NULL: there is none.
 */
const struct health_event *health_take(struct health_host *h, const struct health_report *r, uint64_t now_ns);
/* Its BMC has not been told of for too long: nothing is known any more.  True: since now. */
bool health_expire(struct health_host *h, uint64_t now_ns);

/* Of kind and sensor; NULL: there is none. */
const struct health_event *health_event(const struct health_report *r, const struct health_event *e);
/* The gravest; NULL: there is none. */
const struct health_event *health_worst_event(const struct health_report *r);
/* It tells of a fault to fence the host for; the BMC may not be there any more. */
bool health_fault(const struct health_host *h);
/* Calls fn for each fault, now or past, that holds the host's power back; none while the BMC lies. */
void health_each_hold(const struct health_host *h, void (*fn)(void *arg, const struct health_event *e),
		      void *arg);
/* The same, and the BMC says so now. */
bool health_asks_to_fence(const struct health_host *h);

/*
 * For people, in a few words: of each host what is the worst of its hardware, or that its BMC is not well, or
 * that nobody watches it; "" while all is well or not known yet.  What does not fit is left out, host by
 * host.
 */
void health_show(const struct health *s, char *text, size_t len);

/* NULL: it has no BMC. */
struct health_host *health_find(struct health *s, const char *host);

#endif /* KEMARI_AGENT_DAEMON_HEALTH_H */
