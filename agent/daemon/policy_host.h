/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What this host does about another one as a whole: has it fenced because its hardware fails, and has it
 * switched on again after a fencing (ownership.md 30).  Pure, as policy.h.
 */
#ifndef KEMARI_AGENT_DAEMON_POLICY_HOST_H
#define KEMARI_AGENT_DAEMON_POLICY_HOST_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/daemon/policy.h"
#include "agent/daemon/row.h"

/* A host that was just fenced gets so long before it is switched on: the guest comes first. */
#define POLICY_POWER_NS (10 * POLICY_SECOND)
/* So long its BMC's log is waited for. */
#define POLICY_POWER_LOG_NS (60 * POLICY_SECOND)

/* This host. */
struct policy_self {
	uint64_t now_ns; /* CLOCK_MONOTONIC */
	bool red;
	bool quorate;
	bool syncd; /* kemari-syncd has told its table, and not too long ago */
	unsigned int nr;
	const struct vm_row *row;
};

/* ---- sick, but connected ---- */

struct policy_sick {
	const char *name;
	bool asks;     /* its BMC asks for its fencing now, for something that began in this boot of it */
	bool member;   /* of the group now */
	bool complete; /* its whole statement of this membership is known */
	bool futile;   /* no fencing of it would be a proof (device.h) */
	unsigned int nr;
	const struct vm_row *row; /* what it has */
};

struct policy_sick_output {
	bool fence;	 /* as long as this is so */
	const char *why; /* it is not, although its BMC asks for it: a phrase, static; NULL */
	const char *vm;	 /* which this is about; NULL */
};

/*
 * Every guest that the host owns must have its protected copy here,
 * or it would be lost; a host that owns none has none to lose.
 */
void policy_sick(const struct policy_self *self, const struct policy_sick *in,
		 struct policy_sick_output *out);

/* ---- its power after a fencing ---- */

struct policy_fenced {
	const char *name;
	bool off;	  /* proven off (proof.h) */
	bool settled;	  /* what becomes of its power after this fencing is decided */
	bool by_operator; /* who asked for the fencing */
	bool fault;	  /* its BMC told of a fault to fence it for, in that boot or since */
	bool held;	  /* ... of one that holds its power back */
	bool log_unread;  /* it has a BMC whose log was not read since it is off */
	bool powered;	  /* its BMC says that it is on */
	bool allowed;	  /* by kemari.conf */
};

struct policy_fenced_memory {
	uint64_t since_ns; /* the proof is used since then; 0: it is not */
};

enum policy_power {
	POLICY_POWER_LATER, /* nothing to decide, or not yet */
	POLICY_POWER_ON,    /* the cluster is to be asked; it is settled when that is done */
	POLICY_POWER_NOT,   /* it stays off, which is settled now */
};

/* why: of POLICY_POWER_NOT a phrase, static; else NULL. */
enum policy_power policy_fenced(const struct policy_self *self, const struct policy_fenced *in,
				struct policy_fenced_memory *m, const char **why);

#endif /* KEMARI_AGENT_DAEMON_POLICY_HOST_H */
