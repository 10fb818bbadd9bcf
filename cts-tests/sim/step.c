/* SPDX-License-Identifier: GPL-2.0-only */
/* Everything that can happen in the simulated world, one small step each. */
#include <stdio.h>
#include <string.h>

#include "cts-tests/sim/world.h"

static bool up(const struct world *w, unsigned int h)
{
	return w->host[h].daemon;
}

static const struct engine *engine_of(const struct world *w, unsigned int h)
{
	return &w->host[h].e;
}

static bool owns(const struct world *w, unsigned int h)
{
	return up(w, h) &&
	       (engine_role(engine_of(w, h)) == ENGINE_OWNER || engine_role(engine_of(w, h)) == ENGINE_HELD);
}

/* ---- guest ---- */

/* choice 1: the ring is nearly full */
static bool step_output(struct world *w, unsigned int h, unsigned int choice)
{
	struct host *host = &w->host[h];
	struct engine_event ev = { .type = ENGINE_EV_OUTPUT_HELD, .flag = choice };
	uint16_t n;

	if (!host->running || !up(w, h) || host->out.nr == WORLD_OUT)
		return false;
	n = world_node(w, host->memory, true);
	if (!n)
		return false;
	host->memory = n;
	if (!engine_must_hold(&host->e)) {
		world_release(w, h, n);
		host->inflight++;
		return true;
	}
	host->out.o[host->out.nr].node = n;
	host->out.o[host->out.nr++].stamp = (uint32_t)engine_open_epoch(&host->e);
	host_event(w, h, &ev);
	return true;
}

static bool step_compute(struct world *w, unsigned int h, unsigned int choice)
{
	struct host *host = &w->host[h];
	uint16_t n = host->running ? world_node(w, host->memory, false) : 0;

	if (!n)
		return false;
	host->memory = n;
	return true;
}

static unsigned int dirty_pages(const struct world *w, const struct host *host)
{
	uint16_t base = 0, node = host->memory;
	unsigned int n = 0;

	if (!host_epoch_node(host, host->e.p.acked, &base))
		return 1;
	for (; node > base; n++)
		node = w->node[node].parent;
	return n;
}

static bool step_dirty(struct world *w, unsigned int h, unsigned int choice)
{
	struct host *host = &w->host[h];
	struct engine_event ev = { .type = ENGINE_EV_DIRTY, .flag = true };

	if (!host->running || !owns(w, h) || host->e.p.right)
		return false;
	ev.pages = dirty_pages(w, host);
	host_event(w, h, &ev);
	return true;
}

static bool step_reboot(struct world *w, unsigned int h, unsigned int choice)
{
	if (!w->host[h].running || !owns(w, h) || w->nr_node == WORLD_NODES)
		return false;
	host_guest_ends(w, h, true);
	return true;
}

static bool step_ends(struct world *w, unsigned int h, unsigned int choice)
{
	if (!w->host[h].running || !owns(w, h))
		return false;
	host_guest_ends(w, h, false);
	return true;
}

/* ---- daemon's own completions ---- */

static bool step_captured(struct world *w, unsigned int h, unsigned int choice)
{
	struct host *host = &w->host[h];
	struct engine_event ev = { .type = choice ? ENGINE_EV_CAPTURE_FAILED : ENGINE_EV_CAPTURED };

	if (!up(w, h) || !host->capturing)
		return false;
	host->capturing = false;
	ev.epoch = host->capture.epoch;
	ev.pages = host->capture.pages;
	if (!choice) {
		memmove(&host->cap[0], &host->cap[host->nr_cap == WORLD_CAPS],
			sizeof(host->cap[0]) * (WORLD_CAPS - 1));
		host->nr_cap -= host->nr_cap == WORLD_CAPS;
		host->cap[host->nr_cap].epoch = host->capture.epoch;
		host->cap[host->nr_cap++].node = host->capture.node;
	}
	host_event(w, h, &ev);
	return true;
}

static bool step_capture_fails(struct world *w, unsigned int h, unsigned int choice)
{
	return step_captured(w, h, 1);
}

static bool step_sent(struct world *w, unsigned int h, unsigned int choice)
{
	struct host *host = &w->host[h];
	struct engine_event ev = { .type = ENGINE_EV_SENT, .epoch = host->capture.epoch };

	if (!up(w, h) || !host->sending)
		return false;
	host->sending = false;
	host_event(w, h, &ev);
	return true;
}

static bool step_bulked(struct world *w, unsigned int h, unsigned int choice)
{
	if (!up(w, h) || !w->host[h].bulk || !w->host[h].session)
		return false;
	w->host[h].bulk = false;
	host_event_type(w, h, ENGINE_EV_BULK_DONE);
	return true;
}

/* choice 0: all disk requests, and what waits for them */
static bool step_quiet(struct world *w, unsigned int h, unsigned int choice)
{
	struct host *host = &w->host[h];

	if (!up(w, h) || (!host->inflight && !host->quiesce))
		return false;
	host->inflight = 0;
	if (host->quiesce && host->e.p.role == ENGINE_HELD && !host->e.quiesced)
		host_event_type(w, h, ENGINE_EV_QUIESCED);
	return true;
}

static bool step_tick(struct world *w, unsigned int h, unsigned int choice)
{
	struct host *host = &w->host[h];

	if (!up(w, h) || !host->deadline)
		return false;
	if (w->now < host->deadline)
		w->now = host->deadline;
	w->ticking = true;
	host_event_type(w, h, ENGINE_EV_TICK);
	w->ticking = false;
	return true;
}

/* The main loop looks around without a deadline. */
static bool step_early(struct world *w, unsigned int h, unsigned int choice)
{
	if (!up(w, h))
		return false;
	w->ticking = true;
	host_event_type(w, h, ENGINE_EV_TICK);
	w->ticking = false;
	return true;
}

/* ---- network ---- */

/* h connects as primary; its peer answers WELCOME. */
static bool step_connect(struct world *w, unsigned int h, unsigned int choice)
{
	struct host *host = &w->host[h], *peer = &w->host[!h];
	struct packet p = { .type = PACKET_WELCOME };
	struct engine_event ev = { .type = ENGINE_EV_LINK_UP, .peer_boot = host->boot };

	if (!w->net || w->connection || !owns(w, h) || !up(w, !h) || host->session || peer->session)
		return false;
	if (w->queue[h].nr == WORLD_QUEUE || owns(w, !h))
		return false;
	if (!engine_say_state(&host->e, &ev.peer) || !engine_say_state(&peer->e, &p.peer))
		return false;
	ev.session = engine_next_session(&peer->e);
	w->connection = ev.session;
	peer->session = ev.session;
	host_event(w, !h, &ev);
	if (!w->connection || !up(w, !h) || !engine_say_state(&peer->e, &p.peer))
		return true;
	p.session = w->connection;
	p.boot = peer->boot;
	w->queue[h].p[w->queue[h].nr++] = p;
	return true;
}

static bool step_link(struct world *w, unsigned int h, unsigned int choice)
{
	struct packet p;

	if (!up(w, h) || !w->queue[h].nr)
		return false;
	p = w->queue[h].p[0];
	memmove(&w->queue[h].p[0], &w->queue[h].p[1], sizeof(p) * --w->queue[h].nr);
	host_deliver(w, h, &p);
	return true;
}

/* The rest of a broken connection never arrives. */
static bool step_lose(struct world *w, unsigned int h, unsigned int choice)
{
	if (!w->queue[h].nr || (w->connection && w->queue[h].p[0].session == w->connection))
		return false;
	w->queue[h].nr = 0;
	return true;
}

static bool step_cut(struct world *w, unsigned int h, unsigned int choice)
{
	if (h || !w->net)
		return false;
	w->net = false;
	w->connection = 0;
	return true;
}

static bool step_mend(struct world *w, unsigned int h, unsigned int choice)
{
	if (h || w->net)
		return false;
	w->net = true;
	return true;
}

static bool step_linkdown(struct world *w, unsigned int h, unsigned int choice)
{
	struct host *host = &w->host[h];

	if (!up(w, h) || !host->session || w->connection == host->session)
		return false;
	host->session = 0;
	host->sending = false;
	host->bulk = false;
	host->lost_at = host->e.p.outdating ? 0 : w->now;
	host_event_type(w, h, ENGINE_EV_LINK_DOWN);
	return true;
}

static bool step_ring_cut(struct world *w, unsigned int h, unsigned int choice)
{
	if (h || !w->cpg)
		return false;
	w->cpg = false;
	return true;
}

static bool step_ring_mend(struct world *w, unsigned int h, unsigned int choice)
{
	if (h || w->cpg)
		return false;
	w->cpg = true;
	return true;
}

static bool ring_pick(const struct world *w, unsigned int h, unsigned int choice, unsigned int *at)
{
	for (unsigned int i = 0; i < w->ring.nr; i++)
		if (w->ring.m[i].to == h && !choice--) {
			*at = i;
			return true;
		}
	return false;
}

static void ring_remove(struct world *w, unsigned int at)
{
	memmove(&w->ring.m[at], &w->ring.m[at + 1], sizeof(w->ring.m[0]) * (--w->ring.nr - at));
}

static bool step_ring(struct world *w, unsigned int h, unsigned int choice)
{
	struct packet p = { .type = PACKET_MSG };
	unsigned int at;

	if (!w->cpg || !up(w, h) || !ring_pick(w, h, choice, &at))
		return false;
	p.msg = w->ring.m[at].msg;
	ring_remove(w, at);
	host_deliver(w, h, &p);
	return true;
}

/* A message comes and comes again later. */
static bool step_again(struct world *w, unsigned int h, unsigned int choice)
{
	struct packet p = { .type = PACKET_MSG };
	unsigned int at;

	if (!w->cpg || !up(w, h) || !ring_pick(w, h, choice, &at))
		return false;
	p.msg = w->ring.m[at].msg;
	host_deliver(w, h, &p);
	return true;
}

static bool step_ring_lose(struct world *w, unsigned int h, unsigned int choice)
{
	unsigned int at;

	if (!ring_pick(w, h, choice, &at))
		return false;
	ring_remove(w, at);
	return true;
}

/* ---- faults ---- */

/* choice: after so many actions; the next event of this host is its last. */
static bool step_crash(struct world *w, unsigned int h, unsigned int choice)
{
	if (!up(w, h) || w->fault.armed)
		return false;
	w->fault.armed = true;
	w->fault.whole_host = false;
	w->fault.host = h;
	w->fault.after = choice;
	return true;
}

static bool step_die(struct world *w, unsigned int h, unsigned int choice)
{
	if (!step_crash(w, h, choice))
		return false;
	w->fault.whole_host = true;
	return true;
}

static bool step_kill(struct world *w, unsigned int h, unsigned int choice)
{
	if (!up(w, h))
		return false;
	host_daemon_dies(w, h);
	return true;
}

static bool step_off(struct world *w, unsigned int h, unsigned int choice)
{
	if (!w->host[h].on)
		return false;
	w->copy_may_end = true;
	host_off(w, h);
	return true;
}

static bool step_restart(struct world *w, unsigned int h, unsigned int choice)
{
	if (!w->host[h].on || up(w, h))
		return false;
	host_restart(w, h);
	return true;
}

static bool step_boot(struct world *w, unsigned int h, unsigned int choice)
{
	if (w->host[h].on)
		return false;
	host_boot(w, h);
	return true;
}

/* ---- cluster ---- */

/* Power off and confirm it; the proof reaches the other host in a step of its own. */
static bool step_fence(struct world *w, unsigned int h, unsigned int choice)
{
	if (!w->host[h].on && w->off_proof[h] == w->host[h].boot)
		return false;
	step_off(w, h, 0);
	w->off_proof[h] = w->host[h].boot;
	return true;
}

/*
 * The agent keeps a proof until it sees the peer's host in a later boot.  A proof that was on its way then is
 * of a boot that the engine has seen too.
 */
static uint32_t proof_for(const struct world *w, unsigned int h)
{
	const struct host *host = &w->host[h];
	uint32_t boot = w->off_proof[!h];

	if (!w->host[!h].on)
		return boot == w->host[!h].boot ? boot : 0;
	for (unsigned int i = 1; i < ENGINE_PEER_BOOTS; i++)
		if (boot && host->record.peer_boot[i] == boot)
			return boot;
	return 0;
}

static bool step_proof(struct world *w, unsigned int h, unsigned int choice)
{
	struct engine_event ev = { .type = ENGINE_EV_FENCED, .peer_boot = proof_for(w, h) };

	if (!up(w, h) || !ev.peer_boot)
		return false;
	host_event(w, h, &ev);
	return true;
}

static void command(struct world *w, unsigned int h, struct engine_event *ev)
{
	ev->request = ++w->requests;
	w->host[h].answered = false;
	host_event(w, h, ev);
}

/* choice 1: with the confirmation that the peer's host is off */
static bool step_promote(struct world *w, unsigned int h, unsigned int choice)
{
	struct engine_event ev = { .type = ENGINE_EV_PROMOTE, .incarnation = w->incarnations + 1 };

	if (!up(w, h) || w->nr_node == WORLD_NODES)
		return false;
	if (choice) {
		ev.proof = true;
		ev.peer_boot = proof_for(w, h);
		if (!ev.peer_boot)
			return false;
	}
	w->incarnations++;
	command(w, h, &ev);
	return true;
}

static bool step_promote_off(struct world *w, unsigned int h, unsigned int choice)
{
	return step_promote(w, h, 1);
}

static bool simple_command(struct world *w, unsigned int h, enum engine_event_type type)
{
	struct engine_event ev = { .type = type };

	if (!up(w, h))
		return false;
	command(w, h, &ev);
	return true;
}

static bool step_demote(struct world *w, unsigned int h, unsigned int choice)
{
	return simple_command(w, h, ENGINE_EV_DEMOTE);
}

static bool step_switchover(struct world *w, unsigned int h, unsigned int choice)
{
	return owns(w, h) && simple_command(w, h, ENGINE_EV_SWITCHOVER);
}

static bool step_stop(struct world *w, unsigned int h, unsigned int choice)
{
	w->copy_may_end |= up(w, h) && !owns(w, h);
	return simple_command(w, h, ENGINE_EV_STOP);
}

static bool step_protect(struct world *w, unsigned int h, unsigned int choice)
{
	return owns(w, h) && simple_command(w, h, ENGINE_EV_PROTECT);
}

static bool step_unprotect(struct world *w, unsigned int h, unsigned int choice)
{
	return owns(w, h) && simple_command(w, h, ENGINE_EV_UNPROTECT);
}

/* The operator tells the truth. */
static bool step_gone(struct world *w, unsigned int h, unsigned int choice)
{
	return owns(w, h) && !w->host[!h].on && simple_command(w, h, ENGINE_EV_UNPROTECT_STANDBY_GONE);
}

static bool nothing_anywhere(const struct world *w)
{
	bool idle = !world_copy_exists(w) && !w->ring.nr && !w->queue[0].nr && !w->queue[1].nr;

	for (unsigned int h = 0; h < 2; h++)
		idle = idle && !(up(w, h) && w->host[h].e.cmd.type);
	return idle;
}

static bool step_adopt(struct world *w, unsigned int h, unsigned int choice)
{
	struct host *host = &w->host[h];
	struct engine_event ev = { .type = ENGINE_EV_START_OWNER };
	uint16_t n;

	if (!up(w, h) || !nothing_anywhere(w))
		return false;
	n = world_node(w, w->seen, false);
	if (!n)
		return false;
	ev.incarnation = ++w->incarnations;
	host->memory = n;
	host->domain = true;
	host->running = true;
	host->ran_g = ENGINE_G(ev.incarnation);
	w->guest_ended = false;
	command(w, h, &ev);
	return true;
}

static bool step_by_hand(struct world *w, unsigned int h, unsigned int choice)
{
	struct engine_event ev = { .type = ENGINE_EV_FOREIGN_DOMAIN, .flag = true };

	if (!up(w, h) || !nothing_anywhere(w))
		return false;
	w->host[h].foreign = true;
	host_event(w, h, &ev);
	return true;
}

static bool step_by_hand_ends(struct world *w, unsigned int h, unsigned int choice)
{
	struct engine_event ev = { .type = ENGINE_EV_FOREIGN_DOMAIN };

	if (!up(w, h) || !w->host[h].foreign)
		return false;
	w->host[h].foreign = false;
	w->copy_may_end = true;
	host_event(w, h, &ev);
	return true;
}

const struct step_kind step_kinds[] = {
	{ "output", 70, 2, 3, step_output },
	{ "compute", 30, 1, 3, step_compute },
	{ "dirty", 20, 1, 3, step_dirty },
	{ "reboot", 2, 1, 2, step_reboot },
	{ "ends", 1, 1, 2, step_ends },
	{ "captured", 120, 1, 0, step_captured },
	{ "capture-fails", 3, 1, 1, step_capture_fails },
	{ "sent", 90, 1, 0, step_sent },
	{ "bulked", 90, 1, 0, step_bulked },
	{ "quiet", 60, 1, 0, step_quiet },
	{ "tick", 45, 1, 0, step_tick },
	{ "early", 3, 1, 1, step_early },
	{ "connect", 70, 1, 0, step_connect },
	{ "link", 250, 1, 0, step_link },
	{ "lose", 15, 1, 1, step_lose },
	{ "cut", 6, 1, 1, step_cut },
	{ "mend", 20, 1, 0, step_mend },
	{ "linkdown", 40, 1, 0, step_linkdown },
	{ "ring-cut", 3, 1, 1, step_ring_cut },
	{ "ring-mend", 20, 1, 0, step_ring_mend },
	{ "ring", 60, 4, 0, step_ring },
	{ "again", 8, 4, 1, step_again },
	{ "ring-lose", 10, 2, 1, step_ring_lose },
	{ "crash", 5, 6, 1, step_crash },
	{ "die", 3, 6, 1, step_die },
	{ "kill", 3, 1, 1, step_kill },
	{ "off", 2, 1, 1, step_off },
	{ "restart", 50, 1, 0, step_restart },
	{ "boot", 30, 1, 0, step_boot },
	{ "fence", 3, 1, 2, step_fence },
	{ "proof", 12, 1, 2, step_proof },
	{ "promote", 20, 1, 2, step_promote },
	{ "promote-off", 10, 1, 2, step_promote_off },
	{ "demote", 8, 1, 2, step_demote },
	{ "switchover", 8, 1, 2, step_switchover },
	{ "stop", 4, 1, 2, step_stop },
	{ "protect", 12, 1, 2, step_protect },
	{ "unprotect", 2, 1, 2, step_unprotect },
	{ "gone", 6, 1, 2, step_gone },
	{ "adopt", 6, 1, 2, step_adopt },
	{ "by-hand", 3, 1, 2, step_by_hand },
	{ "by-hand-ends", 6, 1, 2, step_by_hand_ends },
};
const unsigned int nr_step_kinds = sizeof(step_kinds) / sizeof(step_kinds[0]);

static bool run_kind(struct world *w, unsigned int kind, unsigned int h, unsigned int choice)
{
	bool existed = world_copy_exists(w) && !w->guest_ended;

	w->copy_may_end = false;
	if (!step_kinds[kind].run(w, h, choice))
		return false;
	/* With a host down a copy may end by a chain of faults that nobody can know of. */
	if (existed && !world_copy_exists(w) && !w->copy_may_end && w->host[0].on && w->host[1].on)
		world_fail(w, "lost: the last valid copy was dropped");
	world_check(w);
	return true;
}

bool step_run(struct world *w, step_t s)
{
	unsigned int kind = s >> 8;

	return kind < nr_step_kinds && run_kind(w, kind, s & 1, (s >> 1) & 0x7f);
}

unsigned int step_find(const char *name)
{
	unsigned int k = 0;

	while (k < nr_step_kinds && strcmp(step_kinds[k].name, name))
		k++;
	return k;
}

bool step_do(struct world *w, const char *name, unsigned int h, unsigned int choice)
{
	unsigned int kind = step_find(name);

	return kind < nr_step_kinds && run_kind(w, kind, h, choice);
}

/* A host is called a or b: "output.a", "crash.b.3". */
int step_text(step_t s, char *buf, size_t len)
{
	const struct step_kind *k = &step_kinds[s >> 8];
	unsigned int choice = (s >> 1) & 0x7f;

	if (choice)
		return snprintf(buf, len, "%s.%c.%u", k->name, 'a' + (s & 1), choice);
	return snprintf(buf, len, "%s.%c", k->name, 'a' + (s & 1));
}

bool step_parse(const char *text, step_t *s)
{
	char name[32];
	char host;
	unsigned int choice = 0, kind;

	if (sscanf(text, "%31[a-z-].%c.%u", name, &host, &choice) < 2)
		return false;
	kind = step_find(name);
	if (kind == nr_step_kinds || (host != 'a' && host != 'b') || choice >= step_kinds[kind].choices)
		return false;
	*s = (step_t)(kind << 8 | choice << 1 | (host == 'b'));
	return true;
}
