/* SPDX-License-Identifier: GPL-2.0-only */
/* What kemari-agent has once: made by main, borrowed by its parts. */
#ifndef KEMARI_AGENT_DAEMON_AGENT_H
#define KEMARI_AGENT_DAEMON_AGENT_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/daemon/attrd_last.h"
#include "agent/daemon/cluster.h"
#include "agent/daemon/device.h"
#include "agent/daemon/health.h"
#include "agent/daemon/held.h"
#include "agent/daemon/policy.h"
#include "agent/daemon/policy_host.h"
#include "agent/daemon/proof.h"
#include "agent/daemon/proof_file.h"
#include "agent/daemon/request.h"
#include "agent/daemon/ring.h"
#include "agent/daemon/settle.h"
#include "agent/daemon/watcher.h"
#include "config.h"

/* How long a need stands until the cluster is asked to fence (policy.h). */
#define AGENT_FENCE_AFTER_NS (2 * POLICY_SECOND)
/* both together well below the time-out of promote, during which the need stands */
#define AGENT_FENCE_AFTER_PROOF_NS (15 * POLICY_SECOND)
#define AGENT_FENCE_SECOND_NS (15 * POLICY_SECOND)

struct attrd;
struct fencer;
struct group;
struct operator;
struct qb_loop;
struct quorum;
struct syncd;

enum agent_attr { AGENT_SCORE, AGENT_STATE, AGENT_LAG, AGENT_NR_ATTRS };

/* A VM that has, or had, node attributes. */
struct agent_vm {
	char vm[ROW_VM]; /* "": free */
	struct policy_memory memory;
	struct attrd_last attr[AGENT_NR_ATTRS];
	struct settle shown[AGENT_NR_ATTRS]; /* of those that are only shown */
	struct held held;
	bool fence_told;  /* that it needs its peer fenced */
	bool futile_told; /* ... and that this would prove nothing */
};

/* A link of kemari-syncd, by its last table. */
struct agent_link {
	char vm[ROW_VM], peer[ROW_HOST];
};

/* What the fencer is asked for about one host, and why. */
struct agent_request {
	char host[ROW_HOST]; /* "": free */
	bool needed;	     /* a guest here needs it fenced */
	bool sick;	     /* its BMC asks for its fencing */
	bool ordered;	     /* an operator wants it fenced, for a cold start */
	bool power;	     /* it is to be switched on */
	struct request off, on;
	char reason[FENCER_WHY]; /* of the last fencing that was asked for, a phrase; "": none was */
};
#define AGENT_REQUESTS POLICY_HOSTS

/* Of one host: why a fencing of it would prove nothing. */
struct agent_doubt {
	char host[ROW_HOST];  /* "": none yet */
	char why[DEVICE_WHY]; /* "": it would be a proof */
};

/* Of one host that has a BMC. */
struct agent_sick {
	bool asked;	  /* the cluster is to fence it */
	const char *told; /* why it is not fenced; NULL */
};

struct agent {
	struct qb_loop *loop;
	struct kem_config cfg;
	char state_path[KEM_CONFIG_STR + sizeof(PROOF_FILE) + 1];
	uint64_t boot; /* of this host */
	uint64_t started_ns;
	uint8_t bmc_uuid[16]; /* zeroes: not known */
	bool red;	      /* this host's health is bad, as its BMC says */
	bool second;	      /* another one shoots first (order.h) */
	int lock_fd;	      /* of RUN_DIR/agent.lock, -1: none */
	bool failed;	      /* a helper has ended: so does the daemon */

	struct attrd *attrd;
	struct fencer *fencer;
	struct group *group;
	struct operator* operator;
	struct quorum *quorum;
	struct syncd *syncd;
	struct watcher *watcher; /* NULL: no BMC is to be watched */
	struct ring ring;
	struct cluster cluster;
	struct proof proof;
	struct policy_fenced_memory fenced[PROOF_HOSTS]; /* of the host at that place in proof */
	uint64_t told_fenced[PROOF_HOSTS]; /* ... and its boot whose fencing kemari-syncd was told of */
	struct health health;
	struct agent_sick sick[KEM_CONFIG_HOSTS]; /* of the host at that place in health */
	struct settle hardware_shown;		  /* what is to be shown of it */
	struct attrd_last hardware;
	struct agent_request request[AGENT_REQUESTS];
	bool devices_known;
	bool devices_warned;	/* of what makes them slow */
	bool devices_of_before; /* agent.state had hosts, whose fencings other devices may have done */
	int64_t unread_ns;	/* CLOCK_BOOTTIME since when they cannot be read; 0: they can */
	bool unread;		/* ... for so long that it was said */
	struct devices devices;
	struct agent_doubt doubt[PROOF_HOSTS]; /* of the host at that place in proof */
	struct attrd_last doubts;
	struct agent_vm vm[ROW_MAX];
	unsigned int nr_linked;
	struct agent_link linked[ROW_MAX];

	uint64_t tick_timer, decide_timer, state_timer; /* qb handles, 0: not set */
	uint64_t seq;					/* of the last message sent */
	uint64_t said_ns;				/* the last statement */
	uint64_t said_sum;				/* of what matters in it */
	uint64_t pacemaker;				/* group_watch() of its daemons */
	unsigned int reassert;				/* seconds for which to do it again */
	unsigned int again; /* seconds for which to read the history, for what was left alone */
};

/* ---- hosts.c, proofs.c: who is in the cluster, and who is off ---- */

int agent_join(struct agent *a);
/* Each second. */
void agent_hosts_tick(struct agent *a);
/* Proven off, in which boot.  NULL: not, or that is not certain now. */
const struct proof_host *agent_off(const struct agent *a, const char *host);
/*
 * It was in the group since this host booted, and what it has is not known: it never told all, or told it to
 * a kemari-agent that ran here before.
 */
bool agent_unsaid(const struct agent *a, const char *host);
/* It is known that a fencing of it would prove nothing: why. NULL: it would, or that is not known. */
const char *agent_doubt(const struct agent *a, const char *host);
/* Each second. */
void agent_doubts_tick(struct agent *a);
/* Writes agent.state. */
void agent_save(struct agent *a);
/* Takes agent.state up. */
void agent_load(struct agent *a);

/* A helper is gone: so is the daemon, soon.  arg is the agent. */
void agent_helper_gone(void *arg);

/* ---- requests.c: what Pacemaker's fencer is asked for ---- */

/* Those of host, for the reasons in it to be set; NULL: too many hosts. */
struct agent_request *agent_request(struct agent *a, const char *host);
/* An operator wants host fenced, now and until reason is NULL.  False: too many hosts. */
bool agent_request_order(struct agent *a, const char *host, const char *reason);
/* Asks for what is due, at the end of each decision. */
void agent_requests(struct agent *a);
/* Why this host has asked for the fencing of host; NULL: it has not. */
const char *agent_request_reason(struct agent *a, const char *host);
/* The fencer's answer; on: to a wish to switch it on.  why: NULL when it is done. */
void agent_request_answer(struct agent *a, const char *host, bool on, const char *why);
/* The connection to the fencer is lost, and all answers with it. */
void agent_requests_lost(struct agent *a);

/* ---- hardware.c: what BMCs tell ---- */

/* For the helper; arg is the agent. */
extern const struct watcher_ops agent_watcher_ops;
/* Once, when the configuration is known. */
void agent_hardware_begin(struct agent *a);
/* Each second. */
void agent_hardware_tick(struct agent *a);

/* ---- statement.c: what this host tells the others ---- */

/* Sends a statement: at once, or when something that matters has changed, or when it is time again. */
void agent_state_now(struct agent *a);
void agent_state(struct agent *a);
/* Sends what kemari-syncd wants multicast. */
void agent_relay(struct agent *a, const struct message_engine *e);

/* ---- decide.c: what follows ---- */

/* Something that decisions depend on has changed: decides soon. */
void agent_touch(struct agent *a);
/* What is known of a VM, for policy.h and cold.h; it points into a. */
void agent_gather(const struct agent *a, const char *vm, struct policy_input *in);
/* At once. */
void agent_decide(struct agent *a);
void agent_protected(struct agent *a, const char *vm, const char *host, const char *why);

#endif /* KEMARI_AGENT_DAEMON_AGENT_H */
