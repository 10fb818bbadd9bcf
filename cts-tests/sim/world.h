/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The simulated world: two hosts with the shipped engine, their memory files, a link, a cluster ring,
 * fencing, one guest.  All of it is plain data in one struct, so that a state can be copied, hashed and gone
 * back to.
 *
 * The guest's state is a node in a tree of histories: what it does appends a node.  Two nodes on different
 * branches are two histories that contradict each other.  An output carries the node it was made in; what the
 * world has seen must stay on the branch of whoever runs or could run (G1), none of it lost, none of it twice
 * in a planned move (G4).
 */
#ifndef KEMARI_SIM_WORLD_H
#define KEMARI_SIM_WORLD_H

#include "engine/engine.h"
#include "engine/guard.h"

#define WORLD_NODES 96
#define WORLD_QUEUE 8	/* link, each direction */
#define WORLD_RING 8	/* CPG messages under way */
#define WORLD_OUT 6	/* held outputs of a host */
#define WORLD_CAPS 12	/* captured epochs whose content the glue remembers */
#define WORLD_STAGING 6 /* pages an epoch may have */

struct output {
	uint16_t node;
	uint32_t stamp;
};

struct outputs {
	unsigned int nr;
	struct output o[WORLD_OUT];
};

/* Content of an epoch, as captured, sent and staged. */
struct epoch {
	uint64_t g;
	uint64_t session;
	uint32_t epoch;
	uint32_t base;
	uint16_t node;
	uint16_t base_node;
	uint16_t pages;
	struct outputs held; /* the devices' state of that instant */
};

enum packet_type { PACKET_WELCOME = 1, PACKET_MSG, PACKET_BULK_BEGIN, PACKET_EPOCH };

struct packet {
	enum packet_type type;
	uint64_t session;
	uint32_t boot; /* WELCOME */
	struct engine_peer peer;
	struct engine_message msg;
	struct epoch epoch;
};

struct host {
	/* Dies with the host. */
	bool on;
	uint32_t boot;
	struct engine_persist record; /* memory file */
	bool domain;
	bool running;
	bool foreign;			      /* a domain of the VM started by hand */
	bool fails;			      /* the next RUN of an image cannot start it */
	bool failed;			      /* ... and could not */
	bool told;			      /* ... which the engine knows */
	enum { ALIVE, ENDED, REBOOTS } guest; /* what the engine does not know yet */
	uint64_t ran_g;
	uint64_t reborn_g;    /* the guest begins anew as this */
	uint16_t memory;      /* of the domain: running guest or image */
	bool torn;	      /* image: an incomplete epoch or a delta over the wrong base */
	struct outputs out;   /* held by the devices */
	struct outputs image; /* devices' state of the image */
	struct epoch staged;  /* staging file; .epoch 0: empty */
	struct {
		uint32_t epoch;
		uint16_t node;
	} cap[WORLD_CAPS]; /* what was in the epochs captured here */
	unsigned int nr_cap;
	unsigned int inflight; /* disk requests of the kernel */
	bool repeats;	       /* took over without the old owner's word: console bytes may come twice */

	/* Dies with the daemon. */
	bool daemon;
	struct engine e;
	uint64_t deadline;
	uint64_t session; /* of the connection as this side sees it, 0: none */
	bool capturing;
	bool sending;
	bool bulk;
	bool quiesce;
	bool shutdown; /* RESULT said so */
	struct epoch capture;
	uint64_t lost_at;
	uint32_t asker_boot;	   /* of the peer's host when it asked for the grant last */
	enum engine_result result; /* of the last command */
	bool answered;
	bool awaiting; /* promote: the copy of the guest that the peer held when it answered last */
};

struct node {
	uint16_t parent;
	uint16_t outs; /* outputs in this history so far */
};

struct world {
	uint64_t now;
	struct node node[WORLD_NODES];
	unsigned int nr_node;
	uint16_t seen; /* newest output the world saw, 0: none */
	struct host host[2];
	struct {
		unsigned int nr;
		struct packet p[WORLD_QUEUE];
	} queue[2]; /* to host [i] */
	struct {
		unsigned int nr;
		struct {
			unsigned int to;
			struct engine_message msg;
		} m[WORLD_RING];
	} ring;
	bool send_failed;      /* on the open connection: its sender will close it */
	uint64_t connection;   /* session of the open one, 0: none */
	bool net;	       /* replication link */
	bool cpg;	       /* cluster ring */
	uint32_t off_proof[2]; /* boot of the host that was confirmed off last */
	struct {
		bool armed;
		bool whole_host;
		unsigned int host;
		unsigned int after; /* actions */
	} fault;
	uint32_t boots;
	uint32_t incarnations;
	uint32_t requests;
	unsigned int max_actions;
	bool moved;	   /* the cluster manager has it promoted on b while it is held on a */
	bool guest_ended;  /* by itself: no copy is needed any more */
	bool ticking;	   /* the step under way is a timer */
	bool copy_may_end; /* ... it may end the last copy */
	bool given_up;	   /* an operator had the last copy forgotten: what was said before may come after */
	bool verbose;
	const char *violation;
};

enum world_start { START_COLD, START_ALONE, START_PROTECTED, START_MOVED, START_KINDS };

void world_init(struct world *w, enum world_start start);
uint64_t world_hash(const struct world *w);
void world_fail(struct world *w, const char *what);
bool world_covers(const struct world *w, uint16_t node, uint16_t seen);
uint16_t world_node(struct world *w, uint16_t parent, bool output);
void world_release(struct world *w, unsigned int h, uint16_t node);
/* Checks what must hold between any two steps. */
void world_check(struct world *w);
bool world_copy_exists(const struct world *w);
uint16_t host_copy_node(const struct host *h);

/* ---- host.c: the glue of the daemon, as a model */
void host_event(struct world *w, unsigned int h, const struct engine_event *ev);
void host_event_type(struct world *w, unsigned int h, enum engine_event_type type);
void host_restart(struct world *w, unsigned int h);
void host_daemon_dies(struct world *w, unsigned int h);
void host_off(struct world *w, unsigned int h);
void host_boot(struct world *w, unsigned int h);
void host_guest_ends(struct world *w, unsigned int h, bool again);
void host_deliver(struct world *w, unsigned int h, const struct packet *p);
/* Of an owner: what it has is an image that has not been started here. */
bool host_never_ran(const struct host *h);
bool host_epoch_node(const struct host *h, uint64_t epoch, uint16_t *node);

/* ---- step.c: everything that can happen */
typedef uint16_t step_t; /* kind << 8 | choice << 1 | host */
enum step_id {
	STEP_OUTPUT,
	STEP_COMPUTE,
	STEP_DIRTY,
	STEP_REBOOT,
	STEP_ENDS,
	STEP_SHUTS_DOWN,
	STEP_CAPTURED,
	STEP_CAPTURE_FAILS,
	STEP_RUN_FAILS,
	STEP_SENT,
	STEP_BULKED,
	STEP_QUIET,
	STEP_TICK,
	STEP_EARLY,
	STEP_CONNECT,
	STEP_LINK,
	STEP_LOSE,
	STEP_UNSENT,
	STEP_CUT,
	STEP_MEND,
	STEP_LINKDOWN,
	STEP_RING_CUT,
	STEP_RING_MEND,
	STEP_RING,
	STEP_AGAIN,
	STEP_RING_LOSE,
	STEP_CRASH,
	STEP_DIE,
	STEP_KILL,
	STEP_OFF,
	STEP_RESTART,
	STEP_BOOT,
	STEP_FENCE,
	STEP_PROOF,
	STEP_PROMOTE,
	STEP_PROMOTE_OFF,
	STEP_AWAIT,
	STEP_DEMOTE,
	STEP_YIELD,
	STEP_SWITCHOVER,
	STEP_STOP,
	STEP_FORGET,
	STEP_FORGET_LAST,
	STEP_PROTECT,
	STEP_UNPROTECT,
	STEP_GONE,
	STEP_ADOPT,
	STEP_BY_HAND,
	STEP_BY_HAND_ENDS,
	STEP_KINDS
};
struct step_kind {
	const char *name;
	unsigned int weight;  /* in random schedules */
	unsigned int choices; /* per host */
	unsigned int cost;    /* 1: a fault, 2: a command, 3: guest work, 0: progress */
	bool (*run)(struct world *w, unsigned int h, unsigned int choice);
};
extern const struct step_kind step_kinds[STEP_KINDS];
/* False: not possible now, nothing changed. */
bool step_run(struct world *w, step_t s);
int step_text(step_t s, char *buf, size_t len);
bool step_parse(const char *text, step_t *s);
bool step_do(struct world *w, enum step_id id, unsigned int h, unsigned int choice);

/* ---- trace.c: when .verbose */
void trace_action(const struct world *w, unsigned int h, const struct engine_action *a);
void trace_packet(const struct world *w, unsigned int h, const struct packet *p);
void trace_step(const struct world *w, step_t s);

/* ---- settle.c: no more faults: does it become protected again? */
void settle(struct world *w);

/* ---- table.c: the failure table of doc/ownership.md */
bool table_check(void);

/* ---- explore.c */
#define SCHEDULE_STEPS 160
struct schedule {
	enum world_start start;
	unsigned int nr;
	step_t step[SCHEDULE_STEPS];
};
struct random_result {
	uint64_t schedules;
	uint64_t steps;
	unsigned int max_actions;
	struct schedule bad; /* nr 0: none */
	const char *violation;
};
void explore_random(uint64_t seed, uint64_t count, struct random_result *r);
bool explore_mild(const char *violation);
void explore_shrink(struct schedule *s, const char **violation);
const char *explore_replay(const struct schedule *s, bool verbose);
struct exhaustive_result {
	uint64_t states;
	uint64_t steps;
	unsigned int deepest;
	struct schedule bad;
	const char *violation;
};
#define EXHAUSTIVE_PARTS 5
/* Its name is returned. */
const char *explore_exhaustive(unsigned int part, struct exhaustive_result *r);
void schedule_print(const struct schedule *s);
bool schedule_parse(const char *text, struct schedule *s);

#endif /* KEMARI_SIM_WORLD_H */
