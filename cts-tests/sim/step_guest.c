/* SPDX-License-Identifier: GPL-2.0-only */
/* Steps: the guest, and what completes by itself in its daemon. */
#include <string.h>

#include "cts-tests/sim/step.h"

/* ---- guest ---- */

/* choice 1: the ring is nearly full */
bool step_output(struct world *w, unsigned int h, unsigned int choice)
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

bool step_compute(struct world *w, unsigned int h, unsigned int choice)
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

bool step_dirty(struct world *w, unsigned int h, unsigned int choice)
{
	struct host *host = &w->host[h];
	struct engine_event ev = { .type = ENGINE_EV_DIRTY, .flag = true };

	if (!host->running || !owns(w, h) || host->e.p.right)
		return false;
	ev.pages = dirty_pages(w, host);
	host_event(w, h, &ev);
	return true;
}

bool step_reboot(struct world *w, unsigned int h, unsigned int choice)
{
	if (!w->host[h].running || !owns(w, h) || w->nr_node == WORLD_NODES)
		return false;
	host_guest_ends(w, h, true);
	return true;
}

bool step_ends(struct world *w, unsigned int h, unsigned int choice)
{
	if (!w->host[h].running || !owns(w, h))
		return false;
	host_guest_ends(w, h, false);
	return true;
}

/* It was told to: the answer to a stop. */
bool step_shuts_down(struct world *w, unsigned int h, unsigned int choice)
{
	return w->host[h].shutdown && step_ends(w, h, choice);
}

/* ---- daemon's own completions ---- */

bool step_captured(struct world *w, unsigned int h, unsigned int choice)
{
	struct host *host = &w->host[h];
	struct engine_event ev = { 0 };

	if (!up(w, h) || !host->capturing)
		return false;
	if (host->failed)
		choice = 1; /* there is nothing to capture from */
	ev.type = choice ? ENGINE_EV_CAPTURE_FAILED : ENGINE_EV_CAPTURED;
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

bool step_capture_fails(struct world *w, unsigned int h, unsigned int choice)
{
	return step_captured(w, h, 1);
}

/* A disk, a tap, Xen: the image here will not start. */
bool step_run_fails(struct world *w, unsigned int h, unsigned int choice)
{
	struct host *host = &w->host[h];

	if (!up(w, h) || host->fails)
		return false;
	host->fails = true;
	return true;
}

bool step_sent(struct world *w, unsigned int h, unsigned int choice)
{
	struct host *host = &w->host[h];
	struct engine_event ev = { .type = ENGINE_EV_SENT, .epoch = host->capture.epoch };

	if (!up(w, h) || !host->sending)
		return false;
	host->sending = false;
	host_event(w, h, &ev);
	return true;
}

bool step_bulked(struct world *w, unsigned int h, unsigned int choice)
{
	if (!up(w, h) || !w->host[h].bulk || !w->host[h].session)
		return false;
	w->host[h].bulk = false;
	host_event_type(w, h, ENGINE_EV_BULK_DONE);
	return true;
}

/* choice 0: all disk requests, and what waits for them */
bool step_quiet(struct world *w, unsigned int h, unsigned int choice)
{
	struct host *host = &w->host[h];

	if (!up(w, h) || (!host->inflight && !host->quiesce))
		return false;
	host->inflight = 0;
	if (host->quiesce && host->e.p.role == ENGINE_HELD && !host->e.quiesced)
		host_event_type(w, h, ENGINE_EV_QUIESCED);
	return true;
}

bool step_tick(struct world *w, unsigned int h, unsigned int choice)
{
	struct host *host = &w->host[h];

	if (!up(w, h) || !host->deadline)
		return false;
	if (w->now < host->deadline)
		w->now = host->deadline;
	host->deadline = 0; /* it fires once */
	w->ticking = true;
	host_event_type(w, h, ENGINE_EV_TICK);
	w->ticking = false;
	return true;
}

/* The main loop looks around without a deadline. */
bool step_early(struct world *w, unsigned int h, unsigned int choice)
{
	if (!up(w, h))
		return false;
	w->ticking = true;
	host_event_type(w, h, ENGINE_EV_TICK);
	w->ticking = false;
	return true;
}
