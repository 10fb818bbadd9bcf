/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Which hosts are proven to be off (ownership.md 13 and 28).  Plain bookkeeping: no I/O, no clock.
 *
 * A proof is that of one boot of one host: the cluster confirmed a fencing of it that ended after that boot
 * was first heard of in the group, and the host is no member of the group any more.  It is a level: it stays
 * until the host is heard of with another boot.  A host that left without being fenced is not proven off,
 * however it left.  One that shows life after it was confirmed off was not off: the wrong power supply, BMC
 * or blade.
 *
 * Times are CLOCK_BOOTTIME of this host in ns.  The cluster's history has wall-clock times; clock_offset
 * (CLOCK_REALTIME - CLOCK_BOOTTIME) turns them into ours, as long as nobody set the clock in between.
 *
 * Signs of life are: it stays a member for PROOF_LINGER_NS, longer than any ring takes to notice a dead one;
 * it is heard of after PROOF_ECHO_NS, when all that it sent before has been delivered; it leaves the group by
 * itself; it joins again.  Fencings that ended before a sign of life count no more.
 */
#ifndef KEMARI_AGENT_DAEMON_PROOF_H
#define KEMARI_AGENT_DAEMON_PROOF_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/daemon/asker.h"
#include "agent/daemon/row.h"

#define PROOF_HOSTS 32
#define PROOF_HOLD 32
#define PROOF_SECOND 1000000000LL
#define PROOF_LINGER_NS (60 * PROOF_SECOND)
#define PROOF_ECHO_NS (20 * PROOF_SECOND)

struct proof_host {
	char host[ROW_HOST];
	uint64_t boot;	      /* the one that was heard of last, never 0 */
	int64_t heard_ns;     /* when it was first heard of, or the sign of life that voided a fencing */
	int64_t clock_offset; /* then */
	bool member;	      /* now */
	bool fenced;	      /* confirmed since heard_ns */
	int64_t fenced_ns;    /* when that was taken note of */
	struct asker asker;   /* ... at whose wish */
	bool settled;	      /* ... and what becomes of its power is decided */
	bool fault;	      /* its BMC told of a fault to fence it for, in this boot */
	bool up_known;
	int64_t booted_ns;     /* when this boot began, which may be before ours did; else as heard_ns */
	char hold[PROOF_HOLD]; /* what its BMC told of in this boot that holds its power back: a word; "" */
};

struct proof {
	unsigned int nr;
	struct proof_host h[PROOF_HOSTS];
};

enum proof_change {
	PROOF_SAME,
	PROOF_RECORDED, /* something changed that has to survive a restart of this program */
	PROOF_OFF,	/* ... and the host is proven off now */
	PROOF_BACK,	/* ... a host that was confirmed off has booted again */
	PROOF_ALIVE,	/* ... a host that was confirmed off lives in that very boot */
};

/* A member's HELLO was delivered. */
enum proof_change proof_heard(struct proof *p, const char *host, uint64_t boot, int64_t now,
			      int64_t clock_offset);
/* It is no member any more.  down: its node is gone from the ring, else it left by itself. */
enum proof_change proof_left(struct proof *p, const char *host, bool down, int64_t now);

/*
 * The cluster confirmed a fencing of host just now; since: a time at which it had not yet been told, so that
 * the fencing ended later.  A boot that was first heard of after since is another one.
 */
enum proof_change proof_fenced(struct proof *p, const char *host, int64_t since, const struct asker *asker,
			       int64_t now);
/* The cluster's history has one that ended at wall_ns. */
enum proof_change proof_history(struct proof *p, const char *host, int64_t wall_ns, const struct asker *asker,
				int64_t now, int64_t clock_offset);
/* Its BMC tells of a fault to fence it for.  PROOF_SAME as well if it was never heard of. */
enum proof_change proof_fault(struct proof *p, const char *host);
/* When that boot began; the first word counts. */
enum proof_change proof_up(struct proof *p, const char *host, int64_t booted_ns);
/*
 * Its BMC has what (a word) on record, of wall_ns: a fault that holds its power back, if it is of this boot
 * and, when the host was fenced, from before that.
 */
enum proof_change proof_hold(struct proof *p, const char *host, const char *what, int64_t wall_ns,
			     int64_t clock_offset);
/* What becomes of its power after this fencing is decided.  Nothing if it is not fenced. */
void proof_settle(struct proof *p, const char *host);

/* Each second, until it returns NULL: a host that was confirmed off and is a member for too long. */
const struct proof_host *proof_expire(struct proof *p, int64_t now);

/* The host, if it is proven off; NULL: it is not. */
const struct proof_host *proof_off(const struct proof *p, const char *host);
/* The host, if it was ever heard of. */
const struct proof_host *proof_find(const struct proof *p, const char *host);

#endif /* KEMARI_AGENT_DAEMON_PROOF_H */
