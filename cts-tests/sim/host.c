/* SPDX-License-Identifier: GPL-2.0-only */
/* One host of the simulation: what the daemon's glue, Xen and the kernel do with the engine's actions. */
#include <string.h>

#include "cts-tests/sim/world.h"

static const struct engine_cfg sim_cfg = {
	.uuid = "kemari-simulate",
	.max_in_flight = 2,
	.staging_pages = WORLD_STAGING,
	.batch_ns = 1,
	.owed_ns = 10,
	.max_epoch_ns = 100,
	.idle_epoch_ns = 100,
	.retry_ns = 1,
	.resend_ns = 20,
	.outdate_after_ns = 50,
	.fence_after_ns = 50,
	.handover_ns = 100,
	.yield_ns = 60,
};

static struct engine_cfg cfg_of(const struct world *w, unsigned int h)
{
	struct engine_cfg cfg = sim_cfg;

	cfg.node = h + 1;
	cfg.boot = w->host[h].boot;
	return cfg;
}

/* ---- faults ---- */

static void connection_lost(struct world *w)
{
	w->connection = 0;
}

static void ring_drop(struct world *w, unsigned int to)
{
	unsigned int kept = 0;

	for (unsigned int i = 0; i < w->ring.nr; i++)
		if (w->ring.m[i].to != to)
			w->ring.m[kept++] = w->ring.m[i];
	w->ring.nr = kept;
}

void host_daemon_dies(struct world *w, unsigned int h)
{
	struct host *host = &w->host[h];
	const size_t from = offsetof(struct host, daemon);

	memset((char *)host + from, 0, sizeof(*host) - from);
	host->inflight = 0; /* the kernel has finished them before the next daemon gets the memory file */
	w->queue[h].nr = 0;
	ring_drop(w, h); /* CPG delivers to members */
	connection_lost(w);
	if (w->fault.host == h)
		w->fault.armed = false;
}

void host_off(struct world *w, unsigned int h)
{
	uint32_t boot = w->host[h].boot;

	host_daemon_dies(w, h);
	memset(&w->host[h], 0, sizeof(w->host[h]));
	w->host[h].boot = boot;
}

void host_boot(struct world *w, unsigned int h)
{
	w->host[h].on = true;
	w->host[h].boot = ++w->boots;
	/* Of the boot before: read by now, or never (a daemon drops what is left when a member joins anew).
	 */
	w->queue[!h].nr = 0;
	ring_drop(w, !h);
	host_restart(w, h);
}

/* True: the fault that was armed struck. */
static bool fault_strikes(struct world *w, unsigned int h)
{
	if (!w->fault.armed || w->fault.host != h)
		return false;
	if (w->fault.after--)
		return false;
	w->fault.armed = false;
	w->copy_may_end = true;
	if (w->fault.whole_host)
		host_off(w, h);
	else
		host_daemon_dies(w, h);
	return true;
}

/* ---- messages ---- */

static void link_send(struct world *w, unsigned int from, const struct packet *p)
{
	unsigned int to = !from;

	if (!w->connection || w->host[from].session != w->connection)
		return;
	if (w->queue[to].nr == WORLD_QUEUE)
		connection_lost(w);
	else
		w->queue[to].p[w->queue[to].nr++] = *p;
}

static void say(struct world *w, unsigned int h, const struct engine_message *m)
{
	struct packet p = { .type = PACKET_MSG, .session = w->host[h].session, .msg = *m };

	link_send(w, h, &p);
	if (m->type == ENGINE_MSG_ACK || !w->host[!h].daemon)
		return;
	if (w->ring.nr == WORLD_RING) {
		memmove(&w->ring.m[0], &w->ring.m[1], sizeof(w->ring.m[0]) * (WORLD_RING - 1));
		w->ring.nr--;
	}
	w->ring.m[w->ring.nr].to = !h;
	w->ring.m[w->ring.nr++].msg = *m;
}

static void check_said(struct world *w, unsigned int h, const struct engine_message *m)
{
	struct host *host = &w->host[h];

	if (m->type == ENGINE_MSG_GRANT && host->running)
		world_fail(w, "G2: granted while the guest runs");
	if (m->type == ENGINE_MSG_GRANT && host->inflight)
		world_fail(w, "G4: granted with disk requests under way");
	if (m->type != ENGINE_MSG_OUTDATE)
		return;
	if (w->ticking && host->lost_at && w->now < host->lost_at + sim_cfg.outdate_after_ns)
		world_fail(w, "rule 24: a copy thrown away too early");
	host->lost_at = 0;
}

/* ---- actions ---- */

static void remember(struct host *host, uint64_t epoch, uint16_t node)
{
	if (host->nr_cap == WORLD_CAPS) {
		memmove(&host->cap[0], &host->cap[1], sizeof(host->cap[0]) * (WORLD_CAPS - 1));
		host->nr_cap--;
	}
	host->cap[host->nr_cap].epoch = (uint32_t)epoch;
	host->cap[host->nr_cap++].node = node;
}

bool host_epoch_node(const struct host *host, uint64_t epoch, uint16_t *node)
{
	for (unsigned int i = host->nr_cap; i-- > 0;)
		if (host->cap[i].epoch == epoch) {
			*node = host->cap[i].node;
			return true;
		}
	return false;
}

static unsigned int distance(const struct world *w, uint16_t node, uint16_t base)
{
	unsigned int n = 0;

	for (; node > base; n++)
		node = w->node[node].parent;
	return n;
}

bool host_never_ran(const struct host *host)
{
	return host->record.epoch && host->ran_g != host->record.g;
}

static void act_capture(struct world *w, struct host *host, const struct engine_action *a)
{
	struct epoch *c = &host->capture;

	host->running = false;
	host->capturing = true;
	memset(c, 0, sizeof(*c));
	c->g = a->g;
	c->epoch = (uint32_t)a->epoch;
	c->base = (uint32_t)a->base;
	c->node = host->memory;
	c->held = host->out;
	if (a->base && !host_epoch_node(host, a->base, &c->base_node))
		world_fail(w, "engine: capture relative to an epoch that never was here");
	c->pages = (uint16_t)(a->base ? distance(w, c->node, c->base_node) : 1);
}

static void act_release(struct world *w, unsigned int h, uint64_t upto)
{
	struct host *host = &w->host[h];
	struct outputs keep = { 0 };

	for (unsigned int i = 0; i < host->out.nr; i++) {
		if (host->out.o[i].stamp > upto) {
			keep.o[keep.nr++] = host->out.o[i];
			continue;
		}
		world_release(w, h, host->out.o[i].node);
		host->inflight++;
	}
	host->out = keep;
}

static void act_discard(struct host *host, uint64_t after)
{
	struct outputs keep = { 0 };

	for (unsigned int i = 0; i < host->out.nr; i++)
		if (host->out.o[i].stamp <= after)
			keep.o[keep.nr++] = host->out.o[i];
	host->out = keep;
}

static void act_apply(struct host *host, uint64_t epoch)
{
	const struct epoch *s = &host->staged;

	if (s->epoch != epoch)
		return; /* done before, or our own memory after a grant */
	if (s->base && host->memory != s->base_node && host->memory != s->node)
		host->torn = true;
	if (!s->base)
		host->torn = false;
	host->memory = s->node;
	host->image = s->held;
	host->domain = true;
}

static void boot_cold(struct world *w, unsigned int h)
{
	struct host *host = &w->host[h];

	if (host->record.g != host->reborn_g && w->host[!h].on && w->host[!h].record.role != ENGINE_NONE)
		world_fail(w, "lost: booted cold while the other host has the guest");
	if (host->awaiting && w->host[!h].on)
		world_fail(w, "rule 16: booted cold instead of the guest that was moved here");
	host->memory = world_node(w, w->seen, false);
	w->guest_ended = false;
	host->out.nr = 0;
	host->repeats = false;
	host->torn = false;
}

/* False: it could not. */
static bool start_image(struct world *w, unsigned int h, const struct engine_action *a)
{
	struct host *host = &w->host[h];

	act_apply(host, a->epoch);
	if (host->torn)
		world_fail(w, "G4: runs from a torn image");
	if (!world_covers(w, host->memory, w->seen))
		world_fail(w, "G1: runs from before what the world saw");
	host->failed = host->fails;
	host->told = false;
	host->fails = false;
	if (host->failed) {
		remember(host, a->epoch, host->memory);
		return false;
	}
	host->repeats = !a->base;
	host->out.nr = 0;
	for (unsigned int i = 0; i < host->image.nr; i++)
		if (host->image.o[i].stamp > a->base)
			host->out.o[host->out.nr++] = host->image.o[i];
	remember(host, a->epoch, host->memory);
	memset(&host->staged, 0, sizeof(host->staged));
	return true;
}

static void act_run(struct world *w, unsigned int h, const struct engine_action *a)
{
	struct host *host = &w->host[h];

	if (host->guest != ALIVE)
		return; /* nothing to continue: the daemon sees that next */
	if (!host->domain || host->ran_g != a->g) {
		if (a->epoch && !start_image(w, h, a))
			return;
		if (!a->epoch)
			boot_cold(w, h);
		host->failed = false;
		host->ran_g = a->g;
	}
	host->domain = true;
	host->running = true;
	host->quiesce = false;
}

static void act_drop_copy(struct host *host)
{
	memset(&host->staged, 0, sizeof(host->staged));
	host->failed = false;
	host->image.nr = 0;
	host->out.nr = 0; /* the shell's devices go with it */
	host->domain = false;
	host->torn = false;
	host->ran_g = 0;
}

static void act_send(struct world *w, unsigned int h)
{
	struct packet p = { .type = PACKET_EPOCH,
			    .session = w->host[h].session,
			    .epoch = w->host[h].capture };

	p.epoch.session = p.session;
	w->host[h].sending = true;
	link_send(w, h, &p);
}

static void act_start_bulk(struct world *w, unsigned int h)
{
	struct packet p = { .type = PACKET_BULK_BEGIN, .session = w->host[h].session };
	struct host *host = &w->host[h];

	if (host->failed && !host->told)
		return; /* in the list of the RUN that failed */
	if (host->guest == ALIVE && host_never_ran(host))
		world_fail(w, "G4: a guest that never ran is copied");
	host->bulk = true;
	link_send(w, h, &p);
}

static void act_drop_link(struct world *w, unsigned int h)
{
	if (w->connection == w->host[h].session)
		connection_lost(w);
	w->host[h].session = 0;
	w->host[h].bulk = false;
	w->host[h].sending = false;
}

static void act_result(struct world *w, unsigned int h, const struct engine_action *a)
{
	w->host[h].result = a->result;
	w->host[h].answered = true;
	w->host[h].awaiting = false;
	if (a->result != ENGINE_RES_SHUTDOWN)
		return;
	if (w->host[!h].on && w->host[!h].record.role == ENGINE_COPY)
		world_fail(w, "lost: a guest is ended while the peer could bring it back");
	w->host[h].shutdown = true;
}

static void act(struct world *w, unsigned int h, const struct engine_action *a)
{
	struct host *host = &w->host[h];

	trace_action(w, h, a);
	switch (a->type) {
	case ENGINE_ACT_SEND_MSG:
		check_said(w, h, &a->msg);
		say(w, h, &a->msg);
		break;
	case ENGINE_ACT_SET_TIMER:
		host->deadline = a->deadline;
		break;
	case ENGINE_ACT_RESULT:
		act_result(w, h, a);
		break;
	case ENGINE_ACT_DROP_LINK:
		act_drop_link(w, h);
		break;
	case ENGINE_ACT_CAPTURE:
		act_capture(w, host, a);
		break;
	case ENGINE_ACT_RESUME:
		host->running = host->domain && !host->failed;
		if (host->record.role == ENGINE_HELD)
			world_fail(w, "G2: a held guest was resumed");
		break;
	case ENGINE_ACT_SEND:
		act_send(w, h);
		break;
	case ENGINE_ACT_RELEASE:
		if (!host->failed) /* its devices were never attached */
			act_release(w, h, a->epoch);
		break;
	case ENGINE_ACT_DISCARD:
		if (!host->failed)
			act_discard(host, a->epoch);
		break;
	case ENGINE_ACT_STOP_GUEST:
		host->running = false;
		break;
	case ENGINE_ACT_QUIESCE:
		host->quiesce = true;
		break;
	case ENGINE_ACT_START_BULK:
		act_start_bulk(w, h);
		break;
	case ENGINE_ACT_STOP_BULK:
		host->bulk = false;
		break;
	case ENGINE_ACT_RUN:
		act_run(w, h, a);
		break;
	case ENGINE_ACT_HOLD:
		host->running = false;
		host->quiesce = false;
		if (!host->failed)
			host->image = host->out; /* what is left of the devices */
		host->failed = false;
		break;
	case ENGINE_ACT_DROP_COPY:
		act_drop_copy(host);
		break;
	case ENGINE_ACT_APPLY:
		act_apply(host, a->epoch);
		break;
	default:
		break;
	}
}

/* Executes a list; PERSIST is answered at once.  False: a fault struck. */
static bool execute(struct world *w, unsigned int h, struct engine_actions *list)
{
	struct engine_event persisted = { .type = ENGINE_EV_PERSISTED, .now = w->now };

	for (unsigned int i = 0; i < list->nr; i++) {
		if (fault_strikes(w, h))
			return false;
		if (list->a[i].type != ENGINE_ACT_PERSIST) {
			act(w, h, &list->a[i]);
			continue;
		}
		w->host[h].record = list->persist;
		if (fault_strikes(w, h))
			return false;
		persisted.seq = list->persist.seq;
		if (engine_handle(&w->host[h].e, &persisted, list))
			world_fail(w, "engine: PERSISTED refused");
		i = (unsigned int)-1;
	}
	return true;
}

void host_event(struct world *w, unsigned int h, const struct engine_event *ev)
{
	static struct engine_actions list;
	struct engine_event at = *ev;
	uint8_t was = w->host[h].record.role;

	at.now = w->now;
	if (engine_handle(&w->host[h].e, &at, &list))
		world_fail(w, "engine: event refused");
	if (list.nr > w->max_actions)
		w->max_actions = list.nr;
	execute(w, h, &list);
	if (w->host[h].shutdown && ev->type == ENGINE_EV_TICK && was == ENGINE_OWNER &&
	    w->host[h].record.role == ENGINE_HELD)
		world_fail(w, "a guest that shuts down is held");
}

void host_event_type(struct world *w, unsigned int h, enum engine_event_type type)
{
	struct engine_event ev = { .type = type };

	host_event(w, h, &ev);
}

void host_restart(struct world *w, unsigned int h)
{
	static struct engine_actions list;
	struct host *host = &w->host[h];
	struct engine_cfg cfg = cfg_of(w, h);
	struct engine_event foreign = { .type = ENGINE_EV_FOREIGN_DOMAIN, .flag = host->foreign };
	struct engine_event unborn = { .type = ENGINE_EV_RUN_FAILED, .g = host->record.g };

	host->daemon = true;
	if (engine_restore(&host->e, &cfg, &host->record, w->now, &list))
		world_fail(w, "engine: its own record refused");
	if (!execute(w, h, &list))
		return;
	if (host->foreign)
		host_event(w, h, &foreign);
	if (host->record.role == ENGINE_HELD && host_never_ran(host))
		host_event(w, h, &unborn); /* whether a RUN was tried or not */
	if (host->guest != ALIVE)
		host_guest_ends(w, h, host->guest == REBOOTS);
}

static bool owns_guest(const struct host *host)
{
	return host->record.role >= ENGINE_HELD && !host->record.gone;
}

/* It begins again from its disk: what it had written and nobody saw is as after a power cut. */
static void reboot(struct world *w, unsigned int h)
{
	struct engine_action run = { .g = w->host[h].record.g };

	if (w->host[h].record.role == ENGINE_OWNER)
		act_run(w, h, &run);
}

void host_guest_ends(struct world *w, unsigned int h, bool again)
{
	struct host *host = &w->host[h];
	struct engine_event ev = { .type = ENGINE_EV_GUEST_DEAD };

	host->guest = again ? REBOOTS : ENDED;
	host->shutdown = false;
	host->capturing = false;
	host->sending = false;
	host->running = false;
	host->domain = false;
	host->quiesce = false;
	host->out.nr = 0;
	if (again) {
		ev.incarnation = ++w->incarnations;
		host->reborn_g = ENGINE_G(ev.incarnation);
	}
	w->guest_ended = !again;
	w->copy_may_end = true;
	host_event(w, h, &ev);
	/* A daemon that dies before the record says so leaves the news to the next one. */
	if (!host->on || (again ? host->record.g != host->reborn_g : owns_guest(host)))
		return;
	host->guest = ALIVE;
	if (again && host->daemon)
		reboot(w, h);
}

/* ---- what comes in ---- */

static void deliver_welcome(struct world *w, unsigned int h, const struct packet *p)
{
	struct engine_event ev = {
		.type = ENGINE_EV_LINK_UP, .session = p->session, .peer = p->peer, .peer_boot = p->boot
	};

	if (p->session != w->connection)
		return;
	w->host[h].session = p->session;
	host_event(w, h, &ev);
}

static void deliver_epoch(struct world *w, unsigned int h, const struct packet *p)
{
	struct host *host = &w->host[h];
	struct epoch before = host->staged;
	struct engine_event ev = { .type = ENGINE_EV_EPOCH_STAGED,
				   .g = p->epoch.g,
				   .session = p->epoch.session,
				   .epoch = p->epoch.epoch,
				   .base = p->epoch.base };

	/* It does not fit: it would go into the image in pieces. */
	if (p->epoch.pages > WORLD_STAGING && host->record.role == ENGINE_COPY)
		world_fail(w, "G4: a valid copy was overwritten in part");
	host->staged = p->epoch;
	host_event(w, h, &ev);
	if (host->on && host->record.epoch != p->epoch.epoch)
		host->staged = before; /* not taken */
}

static void deliver_bulk_begin(struct world *w, unsigned int h, const struct packet *p)
{
	struct engine_event ev = { .type = ENGINE_EV_BULK_BEGIN, .session = p->session };

	host_event(w, h, &ev);
	if (!w->host[h].daemon || !w->host[h].e.bulk)
		return;
	if (w->host[h].record.role == ENGINE_COPY)
		world_fail(w, "G4: a valid copy was overwritten in part");
	w->host[h].torn = true; /* until the first epoch */
}

void host_deliver(struct world *w, unsigned int h, const struct packet *p)
{
	struct engine_event ev = { .type = ENGINE_EV_MSG, .msg = p->msg };

	trace_packet(w, h, p);
	switch (p->type) {
	case PACKET_WELCOME:
		deliver_welcome(w, h, p);
		break;
	case PACKET_MSG:
		if (p->msg.type == ENGINE_MSG_REQUEST)
			w->host[h].asker_boot = w->host[!h].boot;
		host_event(w, h, &ev);
		break;
	case PACKET_BULK_BEGIN:
		deliver_bulk_begin(w, h, p);
		break;
	case PACKET_EPOCH:
		deliver_epoch(w, h, p);
		break;
	}
}
