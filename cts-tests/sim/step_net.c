/* SPDX-License-Identifier: GPL-2.0-only */
/* Steps: link and cluster ring, with what they lose, repeat and delay. */
#include <string.h>

#include "cts-tests/sim/step.h"

/* h connects as primary; its peer answers WELCOME. */
bool step_connect(struct world *w, unsigned int h, unsigned int choice)
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
	w->send_failed = false;
	peer->session = ev.session;
	host_event(w, !h, &ev);
	if (!w->connection || !up(w, !h) || !engine_say_state(&peer->e, &p.peer))
		return true;
	p.session = w->connection;
	p.boot = peer->boot;
	w->queue[h].p[w->queue[h].nr++] = p;
	return true;
}

bool step_link(struct world *w, unsigned int h, unsigned int choice)
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
bool step_lose(struct world *w, unsigned int h, unsigned int choice)
{
	unsigned int n = 0;

	while (n < w->queue[h].nr && (!w->connection || w->queue[h].p[n].session != w->connection))
		n++;
	if (!n)
		return false;
	w->queue[h].nr -= n;
	memmove(&w->queue[h].p[0], &w->queue[h].p[n], sizeof(w->queue[h].p[0]) * w->queue[h].nr);
	return true;
}

/* An epoch to h could not be handed to the connection, which is closed for that only later. */
bool step_unsent(struct world *w, unsigned int h, unsigned int choice)
{
	unsigned int n = 0;

	while (n < w->queue[h].nr && w->queue[h].p[n].type != PACKET_EPOCH)
		n++;
	if (n == w->queue[h].nr || w->queue[h].p[n].session != w->connection)
		return false;
	w->queue[h].nr--;
	memmove(&w->queue[h].p[n], &w->queue[h].p[n + 1], sizeof(w->queue[h].p[0]) * (w->queue[h].nr - n));
	w->send_failed = true;
	return true;
}

bool step_cut(struct world *w, unsigned int h, unsigned int choice)
{
	if (h || !w->net)
		return false;
	w->net = false;
	w->connection = 0;
	return true;
}

bool step_mend(struct world *w, unsigned int h, unsigned int choice)
{
	if (h || w->net)
		return false;
	w->net = true;
	return true;
}

bool step_linkdown(struct world *w, unsigned int h, unsigned int choice)
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

bool step_ring_cut(struct world *w, unsigned int h, unsigned int choice)
{
	if (h || !w->cpg)
		return false;
	w->cpg = false;
	return true;
}

bool step_ring_mend(struct world *w, unsigned int h, unsigned int choice)
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

bool step_ring(struct world *w, unsigned int h, unsigned int choice)
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
bool step_again(struct world *w, unsigned int h, unsigned int choice)
{
	struct packet p = { .type = PACKET_MSG };
	unsigned int at;

	if (!w->cpg || !up(w, h) || !ring_pick(w, h, choice, &at))
		return false;
	p.msg = w->ring.m[at].msg;
	host_deliver(w, h, &p);
	return true;
}

bool step_ring_lose(struct world *w, unsigned int h, unsigned int choice)
{
	unsigned int at;

	if (!ring_pick(w, h, choice, &at))
		return false;
	ring_remove(w, at);
	return true;
}
