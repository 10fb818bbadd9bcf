/* SPDX-License-Identifier: GPL-2.0-only */
/* The world's own state: histories, what was seen, the invariants. */
#include <string.h>

#include "cts-tests/sim/world.h"

bool engine_guard_off[GUARD_COUNT];

void world_fail(struct world *w, const char *what)
{
	if (!w->violation)
		w->violation = what;
}

/* `seen` lies on the branch that ends in `node`. */
bool world_covers(const struct world *w, uint16_t node, uint16_t seen)
{
	while (node > seen)
		node = w->node[node].parent;
	return node == seen;
}

/* 0: the tree is full. */
uint16_t world_node(struct world *w, uint16_t parent, bool output)
{
	uint16_t n = (uint16_t)w->nr_node;

	if (n == WORLD_NODES)
		return 0;
	w->nr_node++;
	w->node[n].parent = parent;
	w->node[n].outs = (uint16_t)(w->node[parent].outs + output);
	return n;
}

uint16_t host_copy_node(const struct host *h)
{
	return h->staged.epoch && h->staged.epoch == h->record.epoch ? h->staged.node : h->memory;
}

/* An output leaves host h. */
void world_release(struct world *w, unsigned int h, uint16_t node)
{
	const struct host *peer = &w->host[!h];
	unsigned int outs = w->node[node].outs, seen = w->node[w->seen].outs;

	if (peer->on && peer->record.role == ENGINE_COPY && !world_covers(w, host_copy_node(peer), node))
		world_fail(w, "G1: output of an epoch that the standby does not hold");
	if (outs <= seen) {
		if (!world_covers(w, w->seen, node))
			world_fail(w, "G1: the world saw two histories");
		else if (!w->host[h].repeats)
			world_fail(w, "G4: output twice in a planned move");
		return;
	}
	if (!world_covers(w, node, w->seen))
		world_fail(w, "G1: an output that the world saw never happened");
	else if (outs != seen + 1)
		world_fail(w, "G4: output lost");
	w->seen = node;
}

bool world_copy_exists(const struct world *w)
{
	for (unsigned int h = 0; h < 2; h++) {
		const struct host *host = &w->host[h];

		if (host->on && (host->record.role != ENGINE_NONE || host->foreign))
			return true;
	}
	return false;
}

static void check_host(struct world *w, unsigned int h)
{
	const struct host *host = &w->host[h];

	if (!host->on || host->record.role != ENGINE_COPY)
		return;
	if (host->torn && host->staged.epoch != host->record.epoch)
		world_fail(w, "G4: a valid copy was overwritten in part");
	if (!world_covers(w, host_copy_node(host), w->seen))
		world_fail(w, "G1: a copy that lacks what the world saw could be promoted");
	if (host->running)
		world_fail(w, "G2: a standby's guest runs");
}

void world_check(struct world *w)
{
	unsigned int runners = 0;

	for (unsigned int h = 0; h < 2; h++) {
		check_host(w, h);
		runners += w->host[h].running + w->host[h].foreign;
	}
	if (runners > 1)
		world_fail(w, "G2: two runners");
	if (w->max_actions > ENGINE_MAX_ACTIONS)
		world_fail(w, "engine: list of actions too short");
}

/* ---- start ---- */

static void drive(struct world *w, unsigned int rounds)
{
	static const enum step_id progress[] = { STEP_CONNECT,	STEP_LINK, STEP_QUIET,
						 STEP_CAPTURED, STEP_SENT, STEP_BULKED };

	while (rounds--)
		for (unsigned int i = 0; i < sizeof(progress) / sizeof(progress[0]); i++)
			for (unsigned int h = 0; h < 2; h++)
				step_do(w, progress[i], h, 0);
}

/* The bulk copy has just begun when the cluster manager demotes on a and promotes on b. */
static void move_unsynced(struct world *w)
{
	static struct world undisturbed;

	step_do(w, STEP_CONNECT, 0, 0);
	step_do(w, STEP_LINK, 0, 0);
	step_do(w, STEP_DEMOTE, 0, 0);
	step_do(w, STEP_PROMOTE, 1, 0);
	w->moved = true;
	if (w->host[0].record.role != ENGINE_HELD || w->host[0].e.protection != ENGINE_SYNCING)
		world_fail(w, "simulation: no move of an unsynced guest");
	undisturbed = *w;
	settle(&undisturbed);
	if (undisturbed.host[1].record.role != ENGINE_OWNER || undisturbed.guest_ended)
		world_fail(w, "liveness: moved while unsynced, and not where it was moved to");
}

void world_init(struct world *w, enum world_start start)
{
	memset(w, 0, sizeof(*w));
	w->now = 1000;
	w->nr_node = 1;
	w->net = true;
	w->cpg = true;
	host_boot(w, 0);
	host_boot(w, 1);
	if (start == START_COLD)
		return;
	step_do(w, STEP_ADOPT, 0, 0);
	if (start == START_ALONE)
		return;
	step_do(w, STEP_PROTECT, 0, 0);
	if (start == START_MOVED)
		move_unsynced(w);
	else
		drive(w, 6);
}

/* ---- hash: of all that decides what can happen next; times relative to now ---- */

static uint64_t mix(uint64_t h, uint64_t v)
{
	h = (h ^ v) * 0x9e3779b97f4a7c15ULL;
	return h ^ (h >> 29);
}

static uint64_t mix_bytes(uint64_t h, const void *p, size_t len)
{
	const unsigned char *b = p;
	uint64_t v;

	for (; len >= sizeof(v); b += sizeof(v), len -= sizeof(v)) {
		memcpy(&v, b, sizeof(v));
		h = mix(h, v);
	}
	v = 0;
	memcpy(&v, b, len);
	return mix(h, v);
}

static uint64_t mix_time(uint64_t h, const struct world *w, uint64_t t)
{
	return mix(h, !t ? 0 : t > w->now ? t - w->now : 1);
}

static uint64_t mix_outputs(uint64_t h, const struct outputs *o)
{
	for (unsigned int i = 0; i < o->nr; i++)
		h = mix(h, (uint64_t)o->o[i].node << 32 | o->o[i].stamp);
	return mix(h, o->nr);
}

static uint64_t mix_epoch(uint64_t h, const struct epoch *e)
{
	h = mix(mix(h, e->g), e->session);
	h = mix(h, (uint64_t)e->epoch << 32 | e->base);
	h = mix(h, (uint64_t)e->node << 32 | (uint64_t)e->base_node << 16 | e->pages);
	return mix_outputs(h, &e->held);
}

static uint64_t mix_engine(uint64_t h, const struct world *w, const struct engine *e)
{
	h = mix_bytes(h, &e->p, sizeof(e->p));
	h = mix(h, (uint64_t)e->protection << 32 | (uint64_t)e->cmd.type << 8 | (uint64_t)e->bulk_done << 0 |
			   (uint64_t)e->stopped << 1 | (uint64_t)e->quiesced << 2 |
			   (uint64_t)e->requested << 3 | (uint64_t)e->run_due << 4 | (uint64_t)e->final << 5 |
			   (uint64_t)e->bulk << 6 | (uint64_t)e->foreign << 7 |
			   (uint64_t)e->cmd.awaiting << 16 | (uint64_t)e->unborn << 17 |
			   (uint64_t)e->stale << 18);
	h = mix(mix(mix(mix(h, e->session), e->capturing), e->sending), e->first);
	h = mix_time(mix_time(h, w, e->give_back_at), w, e->yield_until);
	h = mix_time(mix_time(h, w, e->cmd.deadline), w, e->resend_at);
	h = mix_time(mix_time(h, w, e->lost_at), w, e->outdate_at);
	h = mix_time(mix_time(h, w, e->output_due), w, e->dirty_due);
	return mix_time(mix(h, e->dirty_pages), w, e->retry_at);
}

static uint64_t mix_host(uint64_t h, const struct world *w, const struct host *host)
{
	h = mix(h, (uint64_t)host->boot << 16 | host->on | host->domain << 1 | host->running << 2 |
			   host->foreign << 3 | host->torn << 4 | host->daemon << 5 | host->capturing << 6 |
			   host->sending << 7 | host->bulk << 8 | host->quiesce << 9 | host->repeats << 10 |
			   host->guest << 11 | (uint64_t)host->awaiting << 13 |
			   (uint64_t)host->shutdown << 15 |
			   (uint64_t)(host->answered && host->result == ENGINE_RES_PEER_HOLDS) << 14 |
			   (uint64_t)host->fails << 48 | (uint64_t)host->failed << 49 |
			   (uint64_t)host->told << 50);
	h = mix(mix(mix(h, host->ran_g ^ host->reborn_g << 1), host->memory), host->inflight);
	h = mix(mix_time(h, w, host->deadline), host->session);
	h = mix_outputs(mix_outputs(h, &host->out), &host->image);
	h = mix_epoch(mix_epoch(h, &host->staged), &host->capture);
	if (host->on)
		h = mix_bytes(h, &host->record, sizeof(host->record));
	return host->daemon ? mix_engine(h, w, &host->e) : h;
}

static uint64_t mix_packet(uint64_t h, const struct packet *p)
{
	h = mix(mix(h, p->type), p->session);
	switch (p->type) {
	case PACKET_MSG:
		return mix_bytes(h, &p->msg, sizeof(p->msg));
	case PACKET_EPOCH:
		return mix_epoch(h, &p->epoch);
	default:
		return mix(mix(mix(h, p->peer.g), p->peer.epoch), p->peer.role);
	}
}

uint64_t world_hash(const struct world *w)
{
	uint64_t h = mix(w->nr_node, w->seen);

	for (unsigned int i = 0; i < 2; i++) {
		h = mix_host(h, w, &w->host[i]);
		h = mix(mix(h, w->queue[i].nr), w->off_proof[i]);
		for (unsigned int k = 0; k < w->queue[i].nr; k++)
			h = mix_packet(h, &w->queue[i].p[k]);
	}
	for (unsigned int k = 0; k < w->ring.nr; k++)
		h = mix_bytes(h, &w->ring.m[k].msg, sizeof(w->ring.m[k].msg));
	h = mix(mix(h, w->connection), w->net | w->cpg << 1 | w->fault.armed << 2 | w->send_failed << 3 |
					       w->moved << 4 | w->given_up << 5);
	return mix(h, w->fault.armed ? w->fault.whole_host | w->fault.host << 1 | w->fault.after << 2 : 0);
}
