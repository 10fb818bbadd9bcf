/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * One thing that Pacemaker's fencer is asked for about one host.  No I/O, no clock.
 *
 * It is asked for as long as there is a reason for it (a level, ownership.md 28): again and ever more slowly
 * while it fails or its answer is lost, no more once it is done, and anew when the reason has gone and come
 * back.  What is under way is not taken back when its reason goes.
 */
#ifndef KEMARI_AGENT_DAEMON_REQUEST_H
#define KEMARI_AGENT_DAEMON_REQUEST_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/daemon/fencer.h"

#define REQUEST_SECOND 1000000000ULL
/* The fencer answers after the sum of its devices' time-outs; later than this its answer is lost. */
#define REQUEST_SILENT_NS (300 * REQUEST_SECOND)

struct request_pace {
	uint64_t first_ns;   /* from a failure to the next try; then twice as long, and so on */
	uint64_t most_ns;    /* ... up to this */
	uint64_t useless_ns; /* done, and the reason holds on after so long: that did not help; 0: done is
				done */
};

struct request {
	bool wanted; /* there is a reason */
	bool under_way;
	bool done; /* since there is a reason */
	bool useless_told;
	uint64_t asked_ns;
	uint64_t next_ns;	  /* not before */
	uint64_t pause_ns;	  /* after the next failure; 0: the first */
	char failure[FENCER_WHY]; /* that was told last, since there is a reason; "": none */
};

enum request_step {
	REQUEST_WAIT,
	REQUEST_ASK,	   /* now; it is under way then */
	REQUEST_ASK_AGAIN, /* the same, after one that was done and did not help, for the first time */
	REQUEST_DROPPED,   /* its reason has gone before it was done; there had been a failure to tell of */
};

/* wanted: there is a reason now. */
enum request_step request_step(struct request *r, const struct request_pace *pace, bool wanted,
			       uint64_t now_ns);
/* Somebody waits for it: what was tried before does not hold it up. */
void request_hurry(struct request *r);
/* No answer has come for too long: to be answered with a failure. */
bool request_silent(const struct request *r, uint64_t now_ns);
/* Its answer; why: it failed.  True: to be told, being another one than the last. */
bool request_answer(struct request *r, const struct request_pace *pace, const char *why, uint64_t now_ns);

#endif /* KEMARI_AGENT_DAEMON_REQUEST_H */
