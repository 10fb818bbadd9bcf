/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What this host does about one VM: its promotion score, whether it asks for protection or for a fencing.
 * Pure: everything it looks at is in the input, and what it has to remember between calls is in struct
 * policy_memory.  What follows from it costs time when wrong, never safety: kemari-syncd checks each of its
 * orders itself (ownership.md 3, 6 and 16).
 */
#ifndef KEMARI_AGENT_DAEMON_POLICY_H
#define KEMARI_AGENT_DAEMON_POLICY_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/daemon/row.h"

#define POLICY_HOSTS                                                                                         \
	33 /* 32 members and hosts of kemari.conf in all, and one more to be told of too many                \
	    */

#define POLICY_SCORE_PRIMARY 10000
#define POLICY_SCORE_HELD 1000
#define POLICY_SCORE_LINKED 1000
#define POLICY_SCORE_STANDBY 900
#define POLICY_SCORE_RED 500
#define POLICY_SCORE_COLD 10	  /* of the lowest node that may boot it */
#define POLICY_SCORE_COLD_OTHER 5 /* ... of the others */

#define POLICY_SECOND 1000000000ULL
#define POLICY_LINK_NS (5 * POLICY_SECOND)
#define POLICY_MOVE_NS (3 * POLICY_SECOND)
#define POLICY_MOVED_NS POLICY_SECOND
#define POLICY_PROTECT_FIRST_NS (5 * POLICY_SECOND)
#define POLICY_PROTECT_LAST_NS (60 * POLICY_SECOND)

/* Another host: one of kemari.conf, or a member of the group. */
struct policy_host {
	const char *name;
	uint32_t nodeid;	  /* 0: not known */
	bool member;		  /* of the group now */
	bool down;		  /* it was one, and its node is gone */
	uint64_t since_ns;	  /* CLOCK_MONOTONIC of its joining or leaving; 0: never */
	bool complete;		  /* its whole statement of this membership is known */
	bool off;		  /* proven off (proof.h) */
	bool futile;		  /* no fencing of it would be a proof (device.h) */
	bool red;		  /* health */
	unsigned int owned;	  /* VMs that it said to be primary or held of, last */
	bool unsaid;		  /* it was in the group since this host booted, and row is not known */
	const struct vm_row *row; /* of this VM, as far as it ever said, NULL: none */
};

struct policy_input {
	uint64_t now_ns; /* CLOCK_MONOTONIC */
	uint32_t nodeid; /* own, 0: not known */
	bool red;
	bool quorate;
	bool syncd;		  /* kemari-syncd has told its table, and not too long ago */
	unsigned int owned;	  /* VMs here with role primary or held */
	const struct vm_row *row; /* own of this VM, NULL: none */
	unsigned int nr_hosts;
	struct policy_host host[POLICY_HOSTS];
	/* how long a need stands before the cluster is asked for a fencing */
	uint64_t fence_after_ns;       /* ... when outputs wait for a standby that is silent */
	uint64_t fence_after_proof_ns; /* ... when a proof lacks: mostly Pacemaker sees to it itself */
	uint64_t fence_second_ns;      /* ... on top, of the host that does not shoot first */
};

struct policy_memory {
	bool protecting;	   /* a protect command is under way; set by the caller */
	uint64_t protect_next_ns;  /* not before */
	uint64_t protect_pause_ns; /* after the next failure; 0: the first */
	uint8_t needs;		   /* what was needed at the last call */
	uint64_t needs_since_ns;
	uint64_t linked_ns; /* a standby's link was there, or has been waited for since; 0: no standby */
	bool unlinked;	    /* ... and its score is that of one without */
	int score;	    /* of the last call */
	const char *why;
	uint64_t moves_ns; /* a move began; 0: none is under way, nor was just now */
	uint64_t moved_ns; /* ... and was seen last */
};

struct policy_output {
	int score;	     /* 0: none, the attribute is to go */
	const char *why;     /* of the score, a phrase */
	const char *protect; /* host to mirror it to, NULL: no */
	const char *fence;   /* host to fence, as long as it stands here, NULL: no */
	const char
		*futile; /* host to fence, did that prove anything, as long as it stands here, NULL: none */
};

/* A host of which it is certain that it has nothing of the VM: no guest, no held one, no copy. */
bool policy_has_nothing(const struct policy_host *h);

void policy_decide(const struct policy_input *in, struct policy_memory *m, struct policy_output *out);

/* The protect command that policy_decide() asked for is done: sets when the next may be. */
void policy_protected(struct policy_memory *m, uint64_t now_ns, bool ok);

/*
 * Rounded down to a power of two, and none below a second: each change of an attribute is a run of the
 * cluster's scheduler.
 */
#define POLICY_LAG_MS 1024
uint64_t policy_lag(uint64_t lag_ms);

#endif /* KEMARI_AGENT_DAEMON_POLICY_H */
