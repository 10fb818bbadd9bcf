/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The local control server: how the kemari command (or a resource agent) talks to kemari-syncd.
 *
 * Transport: an AF_UNIX SOCK_SEQPACKET socket at RUN_DIR/CONTROL_SOCKET, served on the main loop.  The file's
 * mode lets in root and the configured group only; the caller's credentials, taken from the kernel at
 * connect, are checked once more.
 *
 * Not libqb's IPC: in 2.0.6 (Debian 12) the request socket of a QB_IPC_SOCKET connection is an abstract
 * datagram socket that takes messages from any local user until the first answer was sent (tried: uid 65534
 * got a request into a connection of root's), hdr->size is the length of a recv() into a fixed buffer, and
 * the first answer sleeps up to a second in the server when the client has not bound its end.
 *
 * One packet is one JSON object, CONTROL_MSG_MAX bytes at most.  A connection has one open request at a time.
 *
 *   request  {"op":"protect","vm":"vm1","host":"xb"}   keys other than those of the op are refused
 *   answers  {"progress":{...}}     any number; may be dropped when the client is slow
 *            {"rows":[...]}         any number; never dropped; "more":true when the next packet belongs to it
 *   and exactly one, the last:
 *            {"ok":true, ...}  or  {"error":"why","fix":"what to do","code":2}
 *
 * What a client sends is hostile: what is not exactly of this form gets one error and changes nothing.
 */
#ifndef KEMARI_CONTROL_CONTROL_H
#define KEMARI_CONTROL_CONTROL_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include <jansson.h>

#define CONTROL_SOCKET "control.sock"
#define CONTROL_AGENT_SOCKET "agent.sock" /* kemari-agent's, for CONTROL_COLD_START */
#define CONTROL_MSG_MAX (64U << 10)
#define CONTROL_VM_MAX 64     /* with the NUL */
#define CONTROL_HOST_MAX 256  /* with the NUL */
#define CONTROL_PATH_MAX 4096 /* with the NUL */
#define CONTROL_EPOCHS_MAX 1000000
#define CONTROL_TIMEOUT_MAX 86400
#define CONTROL_DATA_MAX 256 /* bytes of a relayed message */
#define CONTROL_WHY_MAX 384  /* with the NUL */

struct qb_loop;

enum control_op {
	CONTROL_CREATE,	    /* config: start a protectable VM here, cold */
	CONTROL_PROTECT,    /* vm, host: mirror it to that host */
	CONTROL_UNPROTECT,  /* vm, standby_is_gone */
	CONTROL_STATUS,	    /* vm or "" for all, watch, recent, taps: rows of control_status_row */
	CONTROL_PROMOTE,    /* vm, primary_is_off */
	CONTROL_SWITCHOVER, /* vm */
	CONTROL_VERIFY,	    /* vm, epochs */
	CONTROL_LOG,	    /* vm, watch: rows of story_rows */
	CONTROL_FORGET,	    /* vm, last_copy */
	CONTROL_COLD_START, /* of kemari-agent.  vm, peer_is_off */
	/* What the cluster manager's resource agent asks (vm/resource.h). */
	CONTROL_RESOURCE_START,	  /* vm, config */
	CONTROL_RESOURCE_STOP,	  /* vm, timeout */
	CONTROL_RESOURCE_PROMOTE, /* vm, timeout */
	CONTROL_RESOURCE_DEMOTE,  /* vm */
	CONTROL_RESOURCE_MONITOR, /* vm: "ocf", "reason" */
	/* What kemari-agent, this host's member of the cluster, tells and asks (vm/relay.h, vm/proof.h). */
	CONTROL_HOST_OFF,    /* host, boot: confirmed off after its last sign of life */
	CONTROL_HOST_FENCED, /* host, boot, why: for the story */
	CONTROL_RELAY,	     /* watch: rows {"to":HOST or null,"data":HEX} for the cluster's messages */
	CONTROL_MESSAGE,     /* from, data: such a row of another host */
	CONTROL_NR_OPS
};

/* A checked request.  What the op has not is "" , 0 or false. */
struct control_request {
	enum control_op op;
	char vm[CONTROL_VM_MAX];       /* [A-Za-z0-9_][A-Za-z0-9_.+-]* */
	char host[CONTROL_HOST_MAX];   /* a host name or address, not resolved yet; "from", too */
	char config[CONTROL_PATH_MAX]; /* absolute path of an xl configuration */
	bool standby_is_gone;	       /* the operator's word that the standby will never run */
	bool primary_is_off;	       /* the operator's word that the primary's host is off */
	bool last_copy;		       /* the operator knows that what he has forgotten may be the last one */
	bool peer_is_off;	       /* ... that the other host is, which is no member of the cluster */
	bool watch;		       /* the client wants what comes later, too */
	bool taps;		       /* with the taps on their channels */
	bool recent;		       /* with the last epochs, each (control/recent.h) */
	uint32_t epochs;	       /* 1..CONTROL_EPOCHS_MAX */
	uint32_t timeout;	       /* seconds, 1..CONTROL_TIMEOUT_MAX; 0: not given */
	uint64_t boot;		       /* a host's boot_id_number() */
	uint8_t data[CONTROL_DATA_MAX];
	uint32_t data_len;
	char why[CONTROL_WHY_MAX]; /* printable ASCII, for people */
};

/*
 * The answering end of one request.  The handler owns it from request() to the one call of control_done,
 * control_fail or control_watch, however long that takes and whether or not the client or the server is still
 * there: answers to a client that went away are dropped.
 */
struct control_client;
struct control;

struct control_handlers {
	/* Must answer r, now or later.  r is valid during the call only. */
	void (*request)(void *ctx, struct control_client *c, const struct control_request *r);
};

struct control_options {
	const char *path;	  /* of the socket; a stale one is replaced */
	const char *daemon;	  /* its name, for messages; NULL: kemari-syncd */
	const char *access_group; /* name of a group that may connect; NULL or "": root only */
};

/*
 * Starts to listen.  Returns 0 or a negative errno with one message logged (-EADDRINUSE: another daemon
 * serves the socket; -ENOENT: no such group).
 */
int control_start(struct qb_loop *loop, const struct control_handlers *h, void *ctx,
		  const struct control_options *opt, struct control **out);
/* Closes every connection.  Handles that are still open stay valid until they are answered. */
void control_stop(struct control *srv);

/* All of these take over the reference to the json. */
void control_progress(struct control_client *c, json_t *progress);
void control_rows(struct control_client *c, json_t *rows); /* an array of any length, sent in pieces */
/* Success.  extra: an object that is merged into {"ok":true}, or NULL; the command shows its "text", if any.
 * c is gone afterwards. */
void control_done(struct control_client *c, json_t *extra);
/* Failure.  code: a positive errno; why and fix: a sentence each; fix may be NULL.  c is gone afterwards. */
void control_fail(struct control_client *c, int code, const char *why, const char *fix);
/* The client vanished: nobody will see an answer. */
bool control_gone(const struct control_client *c);

/*
 * Instead of control_done, for a request with watch: the client stays subscribed to op of vm ("" = all) until
 * it disconnects.  c is gone afterwards.
 */
void control_watch(struct control_client *c);
/* Is anybody subscribed to op (CONTROL_STATUS or CONTROL_LOG) of exactly this vm ("" = all)? */
bool control_watched(const struct control *srv, enum control_op op, const char *vm);
/*
 * Sends rows to those subscribers.  Of CONTROL_STATUS, rows are everything there is to show (they replace
 * what the subscriber saw); of CONTROL_LOG, they are what is new.  A subscriber that does not read is
 * disconnected.
 */
void control_publish(struct control *srv, enum control_op op, const char *vm, json_t *rows);

/* One line of kemari status. */
struct control_status {
	const char *vm;
	const char *role;   /* primary, standby, none */
	const char *state;  /* protected, syncing, unprotected, blocked, ... one word */
	const char *peer;   /* host name, NULL: none */
	const char *reason; /* a sentence: why it is not simply well; NULL: it is */
	uint32_t domid;	    /* 0: no domain */
	uint64_t g;
	uint64_t epoch;	    /* last committed */
	uint64_t lag_ms;    /* age of the oldest epoch that is not committed, 0: none */
	uint64_t pause_us;  /* guest stopped in the last capture */
	uint64_t commit_us; /* capture to ack of the last committed epoch */
	uint64_t held;	    /* outputs waiting for a commit */
	/* for kemari-agent */
	const char *uuid;
	const char *protection; /* of an owner, one word; NULL: none */
	const char *needs; /* "proof": wants to run; "fence": outputs wait for a silent standby; or NULL */
	bool started, promoted; /* in the cluster manager's hands, as ... */
	bool by_hand;		/* unprotected by an operator */
	bool linked;		/* a session with the peer */
	bool running;		/* the guest executes here */
};
json_t *control_status_row(const struct control_status *s);

/* Progress of a copy, for control_progress. */
struct control_copy {
	const char *phase;   /* one word: connecting, copying, verifying, ... */
	const char *text;    /* a sentence to show as it is, or NULL */
	uint32_t round;	     /* 1, 2, ...; 0: not in rounds */
	uint64_t bytes;	     /* sent so far, all rounds */
	uint64_t left_bytes; /* of this round */
	uint64_t rate;	     /* bytes per second, 0: not known yet */
};
json_t *control_copy_row(const struct control_copy *p);

/* Name and back, as in "op". */
const char *control_op_name(enum control_op op);

/*
 * Checks one message's text and fills r.  On -EINVAL or -EMSGSIZE, why and fix (256 bytes at least, each) say
 * what is wrong and what would be right, and r is all zero.
 */
int control_request_parse(const char *text, size_t len, struct control_request *r, char *why, size_t why_len,
			  char *fix, size_t fix_len);

#endif /* KEMARI_CONTROL_CONTROL_H */
