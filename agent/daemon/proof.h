/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Which hosts are proven to be off (ownership.md 13 and 28).  Plain bookkeeping: no I/O, no clock.
 *
 * A proof is that of one boot of one host: the cluster confirmed a fencing of it that ended after that boot
 * was first heard of in the group, and the host is no member of the group any more.  It is a level: it stays
 * until the host is heard of with another boot, or has risen: its node comes into corosync's ring, or its
 * kemari-syncd links itself to ours, whether a kemari-agent runs there or not.  In which boot it has risen
 * only its kemari-agent tells; until then one that is fenced is proven off in all boots before.  A host
 * that left without being fenced is not proven off, however it left.  One that shows life in the boot in
 * which it was confirmed off was not off: the wrong power supply, BMC or blade.
 *
 * A fencing by what confirms nothing (device.h) is no proof, and is not counted later either, when the
 * devices may be others: it is doubted.
 *
 * Times are CLOCK_BOOTTIME of this host in ns.  The cluster's history has wall-clock times; clock_offset
 * (CLOCK_REALTIME - CLOCK_BOOTTIME) turns them into ours, as long as nobody set the clock in between.
 *
 * Signs of life are: it stays a member for PROOF_LINGER_NS, longer than any ring takes to notice a dead one;
 * it is heard of after PROOF_ECHO_NS, when all that it sent before has been delivered; it leaves the group by
 * itself; it joins again.  Fencings that ended before a sign of life count no more, whenever they are told
 * of: so no record counts for two lives, and none that was made before the host joined last.
 *
 * A host that was never heard of, since this one booted, has no boot to name, and no fencing of it counts:
 * unless an operator asks for a cold start (ownership.md 31), and it is expected to be fenced.  Its proof is
 * then one of all its boots before, and ends with the first word that is heard of it.
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
#define PROOF_UNHEARD 1ULL /* in place of a boot: no host's random number */
/* A fencing that ended just before it was asked for will do: nothing was heard of the host in that time. */
#define PROOF_LEAD_NS (30 * PROOF_SECOND)

struct proof_host {
	char host[ROW_HOST];
	uint64_t boot;	  /* the one that was heard of last, never 0; PROOF_UNHEARD since it has risen */
	uint64_t risen;	  /* ... and this is the one before that; 0: it has not */
	bool voided;	  /* ... in which it was proven off */
	int64_t after_ns; /* fencings that ended before do not count: its joining, or a later sign of life */
	int64_t clock_offset; /* then */
	int64_t last_ns;   /* when it was heard of last: what ended PROOF_ECHO_NS before does not count either
			    */
	uint8_t uuid[16];  /* of the machine, as it told in this boot; zeroes: not told */
	uint8_t bmc[16];   /* the same, as its watched BMC said last, in whatever boot */
	int64_t saved_ns;  /* of last_ns, what agent.state has */
	bool member;	   /* now */
	bool fenced;	   /* confirmed since after_ns */
	int64_t fenced_ns; /* when that was taken note of */
	struct asker asker; /* ... at whose wish */
	bool settled;	    /* ... and what becomes of its power is decided */
	bool by_word;	    /* ... and nothing but an operator's word says that it is off */
	bool fault;	    /* its BMC told of a fault to fence it for, in this boot */
	bool up_known;
	int64_t booted_ns;     /* when this boot began, which may be before ours did; else as after_ns */
	char hold[PROOF_HOLD]; /* what its BMC told of in this boot that holds its power back: a word; "" */
};

struct proof {
	uint64_t devices_sum; /* of the devices (device.h) by which fencings are judged; 0: not known */
	unsigned int nr;
	struct proof_host h[PROOF_HOSTS];
};

enum proof_change {
	PROOF_SAME,
	PROOF_RECORDED, /* something changed that has to survive a restart of this program */
	PROOF_OFF,	/* ... and the host is proven off now */
	PROOF_BACK,	/* ... a host that was confirmed off has booted again */
	PROOF_RISEN,	/* ... a host that was confirmed off is there, in a boot that is not known */
	PROOF_ALIVE,	/* ... a host that was confirmed off lives in that very boot */
	PROOF_DOUBTED,	/* ... one that would be off now, did that fencing count */
};

/* A member's HELLO was delivered. */
enum proof_change proof_heard(struct proof *p, const char *host, uint64_t boot, int64_t now,
			      int64_t clock_offset);
/* Its node came into the ring, or its kemari-syncd has linked itself to ours: no news of a member. */
enum proof_change proof_risen(struct proof *p, const char *host, int64_t now);
/* It tells which machine it is.  True: that was not known. */
bool proof_identify(struct proof *p, const char *host, const uint8_t uuid[16]);
/* Its watched BMC tells which machine it belongs to.  True: it said something else before, or nothing. */
bool proof_bmc(struct proof *p, const char *host, const uint8_t uuid[16]);
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
/*
 * The same two, of one that confirms nothing.  It is spent, and so is each that ended before now.
 */
enum proof_change proof_fenced_doubted(struct proof *p, const char *host, int64_t since, int64_t now,
				       int64_t clock_offset);
enum proof_change proof_history_doubted(struct proof *p, const char *host, int64_t wall_ns, int64_t now,
					int64_t clock_offset);
/*
 * Fencings of it that ended before now confirm nothing.  PROOF_DOUBTED: one of a member was confirmed
 * already, and is void; a proof that stands does.
 */
enum proof_change proof_doubt(struct proof *p, const char *host, int64_t now, int64_t clock_offset);
/*
 * Its BMC tells of a fault to fence it for, since wall_ns.  PROOF_SAME as well if that was before this boot,
 * or it was never heard of.
 */
enum proof_change proof_fault(struct proof *p, const char *host, int64_t wall_ns, int64_t clock_offset);
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

/*
 * For a cold start host is to be fenced.  If it was never heard of, what ends from now on counts.  PROOF_SAME
 * as well if there is no room.
 */
enum proof_change proof_expect(struct proof *p, const char *host, int64_t now, int64_t clock_offset);
/* An operator says that it is off; never of a member (PROOF_SAME). */
enum proof_change proof_word(struct proof *p, const char *host, int64_t now, int64_t clock_offset);

/* Somebody was heard of so much later than agent.state knows that it matters. */
bool proof_unsaved(const struct proof *p);
/* agent.state was written. */
void proof_saved(struct proof *p);

/* Each second, until it returns NULL: a host that was confirmed off and is a member for too long. */
const struct proof_host *proof_expire(struct proof *p, int64_t now);

/* The host, if it is proven off; NULL: it is not. */
const struct proof_host *proof_off(const struct proof *p, const char *host);
/* The host, if it was ever heard of. */
const struct proof_host *proof_find(const struct proof *p, const char *host);

#endif /* KEMARI_AGENT_DAEMON_PROOF_H */
