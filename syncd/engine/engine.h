/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The engine: one per VM and host.  The only place that decides whether an output may leave the host or a
 * guest may run (G1, G2, G5).  It is handed events and returns actions; it does no I/O, reads no clock, holds
 * no descriptor and allocates nothing.  doc/ownership.md section 0 is the protocol it keeps.
 *
 * Contract with the caller
 *  - One event at a time; then execute the returned actions in their order, all of them, before the next
 * event.
 *  - ENGINE_ACT_PERSIST is always alone in its list.  Store the record, then hand in ENGINE_EV_PERSISTED with
 * its seq as the very next event: everything that the event before led to (run, release, send, grant,
 * replies, acks, results) is returned by that call and not before.  Any other event meanwhile is refused with
 * -EBUSY, nothing changed.  If the record cannot be stored the daemon must not go on (the guest waits).
 *  - `now` of every event is monotonic time in ns and never goes back.  Deadlines are acted on in
 * ENGINE_EV_TICK only.  A caller that wakes late hands in everything that waits in its queues (messages,
 * acks, completions) first and the TICK last; then an old timer never wins against an answer that had already
 * arrived.
 *  - Stamp of an output: engine_open_epoch(), read after the guest's req_prod was read.  It is held if
 *    engine_must_hold(), until ENGINE_ACT_RELEASE with upto >= stamp.
 *  - A message is delivered to engine_handle() with ENGINE_EV_MSG after its authentication (MAC, TLS); the
 * engine drops and counts what is not current.
 *  - What the peer's host said in one boot is handed in before the first sign of life of its next boot, or
 * never (CPG: dropped when the member joins anew; link: the connection is closed).
 *
 * Words: g = generation, an incarnation number (44 random bits from the caller) and a counter (20 bits) that
 * each change of owner raises.  N = an epoch.  Epoch numbers only grow within an incarnation; they may skip.
 */
#ifndef KEMARI_ENGINE_ENGINE_H
#define KEMARI_ENGINE_ENGINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ENGINE_G_BITS 20
#define ENGINE_G(incarnation) (((uint64_t)(incarnation) << ENGINE_G_BITS) | 1)
#define ENGINE_INCARNATION(g) ((uint64_t)(g) >> ENGINE_G_BITS)
#define ENGINE_PEER_BOOTS 4
#define ENGINE_MAX_FLIGHT 8   /* epochs captured and not acked, at most */
#define ENGINE_MAX_ACTIONS 16 /* in one list; cts-tests/sim shows that it suffices */

/* ---- state --------------------------------------------------------------------------------------------- */

enum engine_role {
	ENGINE_NONE = 0, /* nothing here that may ever run; also everything unproven */
	ENGINE_COPY,	 /* valid standby of generation g, epoch N */
	ENGINE_HELD,	 /* owner of g, guest stopped, reversible */
	ENGINE_OWNER,	 /* owner of g, guest runs */
};

/* Of OWNER and HELD: what the peer has, as far as we may rely on it. */
enum engine_protection {
	ENGINE_UNPROTECTED = 0, /* peer holds no copy (its word, or off): outputs are free */
	ENGINE_SYNCING,		/* bulk copy under way, peer still holds no copy: outputs are free */
	ENGINE_PROTECTED,	/* peer follows: outputs wait for its ack */
	ENGINE_LINK_LOST,	/* peer may hold a copy, no link: outputs wait */
	ENGINE_OUTDATING,	/* peer was asked to drop its copy and has not answered: outputs wait */
	ENGINE_BLOCKED,		/* as OUTDATING, no answer for fence_after: "blocked: cannot fence" */
};

/*
 * What must survive the daemon (not the host): one record in the VM's memory file, written whole.  Fixed
 * width, no pointers, no padding.  A file of zeroes is the record of a VM that this host knows nothing about.
 */
#define ENGINE_PERSIST_VERSION 2
struct engine_persist {
	uint16_t version;
	uint8_t yields; /* owner: demoted, and runs on until the copy asks for it */
	uint8_t reserved;
	uint32_t seq;	      /* of the PERSIST action that wrote it */
	uint8_t role;	      /* enum engine_role */
	uint8_t right;	      /* owner: 1 = may release without commit (peer NONE or off) */
	uint8_t want_protect; /* owner: keep the VM protected */
	uint8_t granted;      /* GRANT(g) sent, neither HAVE nor VOID heard */
	uint8_t outdating;    /* owner: OUTDATE was sent, never cancelled */
	uint8_t gone;	      /* owner: guest ended for good; NONE once the peer's copy is NONE */
	uint8_t nr_flight;
	uint8_t asked; /* COPY: REQUEST was sent, no answer heard: it may be granted at any time */
	uint64_t g;
	uint64_t epoch;	   /* COPY: N.  OWNER: the epoch whose image RUN starts (0: cold boot, adopted) */
	uint64_t released; /* with it: outputs of that image stamped <= it have left already */
	uint64_t voided;   /* the last g of which we said that we never use it */
	uint64_t exact;	   /* HELD: memory is exactly this epoch; 0: no */
	uint64_t acked;	   /* owner: last epoch known to be held by the peer */
	uint64_t captured; /* owner: last epoch number used */
	uint64_t flight[ENGINE_MAX_FLIGHT]; /* owner: sent or about to be, not acked, ascending */
	uint64_t session;      /* COPY: that made it (or its grant); owner: last one heard of from the peer */
	uint64_t session_last; /* last one chosen here: boot << 32 | counter */
	/* Boots that the peer's host was seen in, newest first; 0: none. */
	uint32_t peer_boot[ENGINE_PEER_BOOTS];
	uint64_t nonce;	  /* last one used */
	uint64_t refused; /* owner: boot of the asker << 32 | nonce of its REQUEST that was refused last */
};

struct engine_cfg {
	uint8_t uuid[16];
	uint32_t node;		   /* cluster node id, differs on the two hosts; lower wins a tie */
	uint32_t boot;		   /* of this host, not 0: 32 bits of the kernel's boot_id */
	uint64_t nonce;		   /* numbers its questions from here: 32 bits that grow within a boot */
	uint32_t max_in_flight;	   /* 1..ENGINE_MAX_FLIGHT - 2; 2 */
	uint64_t staging_pages;	   /* the most pages an epoch may have */
	bool sync_mode;		   /* resume the guest after the ack, not after the copy */
	uint64_t batch_ns;	   /* from one capture to the next, at least, unless urgent; 1 ms */
	uint64_t owed_ns;	   /* a write that was answered waits at most this for a capture; 20 ms */
	uint64_t max_epoch_ns;	   /* dirty memory waits at most this for a capture; 1 s */
	uint64_t idle_epoch_ns;	   /* ... as long as it is little; 5 s */
	uint64_t retry_ns;	   /* after a failed capture; 1 ms */
	uint64_t resend_ns;	   /* GRANT, REQUEST, OUTDATE, CLAIM; 200 ms */
	uint64_t outdate_after_ns; /* link loss to OUTDATE (rule 24); token + consensus + 2 s */
	uint64_t fence_after_ns;   /* OUTDATE to "cannot fence" and asking for it (rule 27) */
	uint64_t handover_ns;	   /* promote, switchover, stop: how long to wait for the peer */
	uint64_t yield_ns;	   /* demoted: how long the guest runs on if nobody asks for it */
};

/* ---- messages between the two engines -------------------------------------------------------------------
 */

enum engine_msg_type {
	ENGINE_MSG_ACK = 1,  /* standby: (g, epoch) is held for good.  Link only */
	ENGINE_MSG_REQUEST,  /* COPY(g, epoch) wants to run */
	ENGINE_MSG_GRANT,    /* run as g from epoch; role: what the granter is now (COPY or NONE) */
	ENGINE_MSG_HAVE,     /* I am owner of g, persisted */
	ENGINE_MSG_VOID,     /* I will never use g, persisted; role: what I am (COPY or NONE) */
	ENGINE_MSG_OUTDATE,  /* owner of g: let your copy be NONE */
	ENGINE_MSG_OUTDATED, /* my copy is NONE, persisted */
	ENGINE_MSG_CLAIM, /* I hold nothing (role) and want to boot the VM cold as g; a COPY: what have you?
			   */
	ENGINE_MSG_STATE, /* a refusal of REQUEST, CLAIM or OUTDATE: my role, g, epoch */
	ENGINE_MSG_MAX = ENGINE_MSG_STATE
};

/* On the link: RECORD_MESSAGE.  All but ACK also over CPG with a MAC (rule 38): the link may be down. */
struct engine_message {
	uint8_t type;
	uint8_t role; /* of the sender, after what the message says */
	uint16_t reserved;
	uint32_t node; /* of the sender */
	uint8_t uuid[16];
	uint64_t g;
	uint64_t session; /* ACK: of the link; OUTDATE: last one known; GRANT, VOID: names the copy kept;
			     CLAIM: boot << 32 */
	uint64_t epoch;
	uint64_t nonce; /* replies repeat the one of the question */
};
_Static_assert(sizeof(struct engine_message) == 56, "engine_message");

/* ---- events -----------------------------------------------------------------------------------------------
 */

enum engine_event_type {
	ENGINE_EV_PERSISTED = 1, /* .seq */
	ENGINE_EV_TICK,		 /* the deadline of SET_TIMER passed, or just the time */
	ENGINE_EV_MSG,		 /* .msg */
	/*
	 * The link is up.  Standby: hand it in before WELCOME is sent, .session = engine_next_session().
	 * Primary: when WELCOME was read, .session from it.  .peer: role, g, epoch of the other's HELLO or
	 * WELCOME (engine_say_state there); .peer_boot: an id of its host's boot.
	 */
	ENGINE_EV_LINK_UP,
	ENGINE_EV_LINK_DOWN, /* nothing of that session is staged or read any more on this host */
	/* Xen here has a domain of this uuid that is not ours (.flag): silence, neither VOID nor NONE. */
	ENGINE_EV_FOREIGN_DOMAIN,
	/* The peer's host is confirmed off, after its last sign of life; .peer_boot: which boot (0: any) */
	ENGINE_EV_FENCED,

	/* Commands; each is answered by exactly one RESULT with .request. */
	ENGINE_EV_START_OWNER, /* adopt a guest that runs here, .incarnation */
	/*
	 * promote.  OWNER: done.  HELD: resume.  COPY: ask the peer, or run at once with the proof.  NONE:
	 * cold boot with .incarnation if the peer says NONE, or at once with the proof.  .proof: the peer's
	 * host is confirmed off (fencing, or the operator's --primary-is-off), .peer_boot as in FENCED.
	 * .flag: the peer held the guest when it was asked before, and its copy is awaited; a NONE of the
	 * peer is answered with OUTDATED then: that guest is lost, and whoever moved it is to know it.
	 */
	ENGINE_EV_PROMOTE,
	/*
	 * Hold the guest; answered at once.  .flag: with a copy that follows it may run on until that one
	 * asks for it, for yield_ns.
	 */
	ENGINE_EV_DEMOTE,
	ENGINE_EV_SWITCHOVER, /* demote and grant; answered after HAVE, or resumed and refused */
	ENGINE_EV_STOP, /* hand over; ENGINE_RES_PARKED: keep the domain, ENGINE_RES_SHUTDOWN: end it orderly
			 */
	/*
	 * The operator wants what is here gone; RES_OK: it is, persisted, and the domain may be destroyed.
	 * COPY: the peer is asked (.incarnation is for that) and has to own the guest; RES_LAST_COPY if it
	 * does not, or does not answer.  .flag: the operator knows that it may be the last one.  HELD: only
	 * so.
	 */
	ENGINE_EV_FORGET,
	ENGINE_EV_PROTECT,   /* keep protected from now on; answered at once */
	ENGINE_EV_UNPROTECT, /* drop the peer's copy, then run on alone; .flag: its host wishes it, that
				leaves */
	ENGINE_EV_UNPROTECT_STANDBY_GONE, /* the operator says that the standby is gone for good */

	/* Owner. */
	ENGINE_EV_OUTPUT_HELD, /* .flag: urgent, do not batch */
	ENGINE_EV_WRITE_OWED,  /* one was answered before its commit, nobody waits; .flag: soon somebody will
				*/
	/*
	 * .pages a capture taken now would carry, .flag: guest ran.  While linked that is what changed since
	 * the last capture; after a lost link or a restart also what was in epochs that are not acked.  It
	 * only throttles: what counts against staging is .pages of CAPTURED.
	 */
	ENGINE_EV_DIRTY,
	ENGINE_EV_CAPTURED,	  /* .epoch, .pages; the guest is still stopped */
	ENGINE_EV_CAPTURE_FAILED, /* .epoch: not now; nothing was harvested, guest still stopped */
	ENGINE_EV_SENT,		  /* .epoch: all of it is in the transport's hands */
	ENGINE_EV_BULK_DONE,	  /* the bulk copy converged: time for the first epoch */
	ENGINE_EV_QUIESCED,	  /* answer to QUIESCE: no disk request is under way */
	/*
	 * .g: its RUN could not start the image, nothing of the guest has run and no output has left.  The
	 * next event after that list of actions.  Held then, and given back to a peer that has a copy; after
	 * a while, for that one may fail, too.  Also the first event after the list of engine_restore(), if
	 * what is HELD has not run here as .g: the record does not know whether a RUN was tried.
	 */
	ENGINE_EV_RUN_FAILED,
	/* The guest ended.  .incarnation: it begins anew (reboot); 0: gone for good */
	ENGINE_EV_GUEST_DEAD,

	/* Standby. */
	ENGINE_EV_BULK_BEGIN,	/* .session */
	ENGINE_EV_EPOCH_STAGED, /* .g .session .epoch .base: complete, checked, in a file that survives the
				   daemon */
	ENGINE_EV_COPY_LOST,	/* image or staging broken (I/O error, failed redo, shell gone) */
	ENGINE_EV_MAX = ENGINE_EV_COPY_LOST
};

struct engine_peer {
	uint8_t role;
	uint64_t g;
	uint64_t epoch;
};

struct engine_event {
	enum engine_event_type type;
	bool flag;
	bool proof;
	uint32_t seq;
	uint32_t request; /* caller's number of a command, returned in RESULT */
	uint64_t now;
	uint64_t g;
	uint64_t session;
	uint64_t epoch;
	uint64_t base;
	uint64_t pages;
	uint64_t incarnation;
	uint64_t peer_boot;
	struct engine_peer peer;
	struct engine_message msg;
};

/* ---- actions ----------------------------------------------------------------------------------------------
 */

enum engine_action_type {
	ENGINE_ACT_PERSIST = 1, /* engine_actions.persist; alone in its list */
	ENGINE_ACT_SEND_MSG,	/* .msg: link (if up) and, except ACK, CPG */
	ENGINE_ACT_SET_TIMER,	/* .deadline (absolute ns), 0: none.  Replaces the one before */
	ENGINE_ACT_NOTE,	/* .note, .epoch: for the story log and status */
	ENGINE_ACT_RESULT,	/* .request .result */
	ENGINE_ACT_DROP_LINK,	/* close the link (standby: stop staging first); LINK_DOWN is not expected */

	/* Owner. */
	/*
	 * Stop the guest and take .epoch: all pages changed since .base, those of epochs captured after .base
	 * again (sent or not, they did not count); .base 0: changed since the bulk copy passed them.  .final:
	 * it stays stopped.  Answer: CAPTURED or CAPTURE_FAILED.
	 */
	ENGINE_ACT_CAPTURE,
	ENGINE_ACT_RESUME,     /* let the guest run on after a capture */
	ENGINE_ACT_SEND,       /* .epoch */
	ENGINE_ACT_RELEASE,    /* outputs stamped <= .epoch may leave */
	ENGINE_ACT_DISCARD,    /* held outputs stamped > .epoch are dropped */
	ENGINE_ACT_STOP_GUEST, /* done when no vcpu runs */
	/*
	 * Backends take no new request and write no guest memory; QUIESCED when every submitted disk request
	 * is reaped.  Also asked again after a RELEASE that came later.  RUN undoes it.
	 */
	ENGINE_ACT_QUIESCE,
	ENGINE_ACT_START_BULK, /* begin (or begin again) the bulk copy: BULK_BEGIN, all pages, then BULK_DONE
				*/
	ENGINE_ACT_STOP_BULK,

	/*
	 * The guest runs from here on as .g.  If it has already run here as .g: continue it (thaw backends,
	 * lift hold and pause).  Else start it from the image of .epoch, once its redo is finished: attach
	 * backends, resubmit the requests in flight, lift the hold.  .epoch 0: boot from the disk.  Outputs
	 * of that image stamped <= .base have left before and are not repeated; the others are held until
	 * RELEASE.
	 */
	ENGINE_ACT_RUN,
	/* Here is a shell that must not run: hypervisor hold, backends detached, disks closed.  .g */
	ENGINE_ACT_HOLD,
	/* Standby: image and staging are worthless and may be freed. */
	ENGINE_ACT_DROP_COPY,
	ENGINE_ACT_APPLY, /* .epoch may be applied to the image (redo; repeatable) */
	ENGINE_ACT_MAX = ENGINE_ACT_APPLY
};

enum engine_note {
	ENGINE_NOTE_SYNCING = 1,
	ENGINE_NOTE_PROTECTED,
	ENGINE_NOTE_LINK_LOST,	 /* outputs wait */
	ENGINE_NOTE_OUTDATING,	 /* asking the peer to drop its copy */
	ENGINE_NOTE_FENCE_PEER,	 /* no answer: have the peer fenced (or unprotect by hand) */
	ENGINE_NOTE_UNPROTECTED, /* peer has no copy: running on alone */
	ENGINE_NOTE_TOO_LARGE,	 /* delta > staging: the copy has to be made anew */
	ENGINE_NOTE_YIELDS,	 /* demoted: runs on until its copy asks for it */
	ENGINE_NOTE_STAYS,	 /* ... promoted again before that */
	ENGINE_NOTE_HELD,
	ENGINE_NOTE_GRANTED,
	ENGINE_NOTE_HANDED_OVER, /* HAVE: the peer runs it */
	ENGINE_NOTE_TAKEN_BACK,	 /* VOID: ours again */
	ENGINE_NOTE_RUN_GRANT,	 /* runs here: by grant */
	ENGINE_NOTE_RUN_VOID,	 /* runs here: the peer said that it never will */
	ENGINE_NOTE_RUN_NONE,	 /* runs here: the peer has nothing of it any more */
	ENGINE_NOTE_RUN_FENCED,	 /* runs here: the peer's host is off */
	ENGINE_NOTE_COLD_BOOT,
	ENGINE_NOTE_COPY_DROPPED, /* standby: copy is NONE */
	ENGINE_NOTE_FORGOTTEN,	  /* by the operator's word */
	ENGINE_NOTE_CONFLICT,	  /* the peer claims to be owner too */
};

enum engine_result {
	ENGINE_RES_OK = 0,
	ENGINE_RES_PARKED,     /* stop: the last valid copy is here, keep it */
	ENGINE_RES_SHUTDOWN,   /* stop: nobody else has it; end the guest orderly, then GUEST_DEAD */
	ENGINE_RES_STATE,      /* not possible in this role */
	ENGINE_RES_BUSY,       /* another command is under way */
	ENGINE_RES_PEER_OWNS,  /* the peer is OWNER */
	ENGINE_RES_PEER_HOLDS, /* the peer is HELD, and grants nothing to what is here */
	ENGINE_RES_NO_PROOF,   /* no grant and no answer in time: have the peer fenced */
	ENGINE_RES_NO_STANDBY, /* switchover: no copy to hand over to */
	ENGINE_RES_OUTDATED,   /* the copy here is NONE; PROMOTE .flag: nobody has one */
	ENGINE_RES_PEER_COPY,  /* the peer has a COPY, or is about to boot: no cold boot */
	ENGINE_RES_LAST_COPY,  /* forget: the peer is not known to own the guest */
};

struct engine_action {
	enum engine_action_type type;
	bool final;
	uint32_t request;
	enum engine_note note;
	enum engine_result result;
	uint64_t g;
	uint64_t epoch;
	uint64_t base;
	uint64_t deadline;
	struct engine_message msg;
};

struct engine_actions {
	unsigned int nr;
	struct engine_action a[ENGINE_MAX_ACTIONS + 1]; /* the last one is never handed out */
	struct engine_persist persist; /* of the PERSIST action; its .seq goes into PERSISTED */
};

struct engine_counters {
	uint64_t dropped; /* messages and epochs that were not current */
	uint64_t captures;
	uint64_t failed_captures;
	uint64_t throttled; /* guest stopped because its dirty set nearly filled staging */
};

#include "engine/state.h" /* struct engine: its size is known, its inside is the engine's own */

/* ---- calls
 * ---------------------------------------------------------------------------------------------------- */

/* A VM that this host knows nothing about: NONE.  -EINVAL: the configuration. */
int engine_init(struct engine *e, const struct engine_cfg *cfg);
/*
 * After a restart of the daemon.  `out` brings the host to the recorded state (RUN, HOLD, APPLY, DROP_COPY
 * ...) and repeats a RELEASE that the last daemon may not have come to.  A guest that ended is not run again.
 * -EINVAL: the configuration; -EBADMSG: the record is of another version or impossible (the daemon must not
 * go on).
 */
int engine_restore(struct engine *e, const struct engine_cfg *cfg, const struct engine_persist *p,
		   uint64_t now, struct engine_actions *out);
/* 0; -EBUSY: a PERSIST waits for its PERSISTED; -EINVAL: no such event.  Nothing changed then, out is empty.
 */
int engine_handle(struct engine *e, const struct engine_event *ev, struct engine_actions *out);

enum engine_role engine_role(const struct engine *e);
enum engine_protection engine_protection(const struct engine *e);
/* Owner: the VM is to be kept protected; false from the end of an UNPROTECT on, whoever waits for it. */
bool engine_wants_protection(const struct engine *e);
/* For status: "protected", "blocked: cannot fence", "copy", ... */
const char *engine_state_name(const struct engine *e);
uint64_t engine_generation(const struct engine *e);
/* Stamp of an output taken now: the epoch of the next capture. */
uint64_t engine_open_epoch(const struct engine *e);
bool engine_must_hold(const struct engine *e);
/* With so many dirty pages the next epoch is due, and the guest stops if it cannot be had now:
 * ENGINE_EV_DIRTY. */
uint64_t engine_dirty_limit(const struct engine *e);
/* The guest has nothing to do until a capture that is due or under way, or in sync mode its ack, is over. */
bool engine_stops_guest(const struct engine *e);
/* Owner, protected: from when on an output that is held would have its capture at once; 0: that follows an
 * event. */
uint64_t engine_awaits_output(const struct engine *e);
/* Owner: last epoch that the peer holds.  COPY: N. */
uint64_t engine_committed(const struct engine *e);
/* What this host says of itself in HELLO and WELCOME.  False: it may say nothing now (foreign domain). */
bool engine_say_state(const struct engine *e, struct engine_peer *peer);
/* Standby: the session to offer in WELCOME. */
uint64_t engine_next_session(const struct engine *e);
/* Owner: the epoch whose image RUN starts; 0: it booted here, or was adopted. */
uint64_t engine_starts_from(const struct engine *e);
/* Owner: demoted, and the guest runs on until its copy asks for it. */
bool engine_yields(const struct engine *e);
/* Owner: the guest ended for good, the peer's copy goes. */
bool engine_is_gone(const struct engine *e);
/* A command is under way. */
bool engine_is_busy(const struct engine *e);
/* Not an owner any more, and whether the peer took the grant is not known. */
bool engine_waits_for_have(const struct engine *e);
/* PROMOTE waits for an answer of the peer, or for the proof that its host is off. */
bool engine_wants_to_run(const struct engine *e);
/* True if the guest is allowed to run here at this moment. */
bool engine_may_run(const struct engine *e);
const struct engine_counters *engine_counters(const struct engine *e);
const char *engine_note_text(enum engine_note note);
const char *engine_result_text(enum engine_result result);

#endif /* KEMARI_ENGINE_ENGINE_H */
