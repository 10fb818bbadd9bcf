/* SPDX-License-Identifier: GPL-2.0-only */
/* Everything that can happen in the simulated world, one small step each. */
#include <stdio.h>
#include <string.h>

#include "cts-tests/sim/step.h"

const struct step_kind step_kinds[STEP_KINDS] = {
	[STEP_OUTPUT] = { "output", 70, 2, 3, step_output },
	[STEP_COMPUTE] = { "compute", 30, 1, 3, step_compute },
	[STEP_DIRTY] = { "dirty", 20, 1, 3, step_dirty },
	[STEP_REBOOT] = { "reboot", 2, 1, 2, step_reboot },
	[STEP_ENDS] = { "ends", 1, 1, 2, step_ends },
	[STEP_SHUTS_DOWN] = { "shuts-down", 40, 1, 0, step_shuts_down },
	[STEP_CAPTURED] = { "captured", 120, 1, 0, step_captured },
	[STEP_CAPTURE_FAILS] = { "capture-fails", 3, 1, 1, step_capture_fails },
	[STEP_RUN_FAILS] = { "run-fails", 4, 1, 1, step_run_fails },
	[STEP_SENT] = { "sent", 90, 1, 0, step_sent },
	[STEP_BULKED] = { "bulked", 90, 1, 0, step_bulked },
	[STEP_QUIET] = { "quiet", 60, 1, 0, step_quiet },
	[STEP_TICK] = { "tick", 45, 1, 0, step_tick },
	[STEP_EARLY] = { "early", 3, 1, 1, step_early },
	[STEP_CONNECT] = { "connect", 70, 1, 0, step_connect },
	[STEP_LINK] = { "link", 250, 1, 0, step_link },
	[STEP_LOSE] = { "lose", 15, 1, 1, step_lose },
	[STEP_UNSENT] = { "unsent", 3, 1, 1, step_unsent },
	[STEP_CUT] = { "cut", 6, 1, 1, step_cut },
	[STEP_MEND] = { "mend", 20, 1, 0, step_mend },
	[STEP_LINKDOWN] = { "linkdown", 40, 1, 0, step_linkdown },
	[STEP_RING_CUT] = { "ring-cut", 3, 1, 1, step_ring_cut },
	[STEP_RING_MEND] = { "ring-mend", 20, 1, 0, step_ring_mend },
	[STEP_RING] = { "ring", 60, 4, 0, step_ring },
	[STEP_AGAIN] = { "again", 8, 4, 1, step_again },
	[STEP_RING_LOSE] = { "ring-lose", 10, 2, 1, step_ring_lose },
	[STEP_CRASH] = { "crash", 5, 6, 1, step_crash },
	[STEP_DIE] = { "die", 3, 6, 1, step_die },
	[STEP_KILL] = { "kill", 3, 1, 1, step_kill },
	[STEP_OFF] = { "off", 2, 1, 1, step_off },
	[STEP_RESTART] = { "restart", 50, 1, 0, step_restart },
	[STEP_BOOT] = { "boot", 30, 1, 0, step_boot },
	[STEP_FENCE] = { "fence", 3, 1, 2, step_fence },
	[STEP_PROOF] = { "proof", 12, 1, 2, step_proof },
	[STEP_PROMOTE] = { "promote", 20, 1, 2, step_promote },
	[STEP_PROMOTE_OFF] = { "promote-off", 10, 1, 2, step_promote_off },
	[STEP_AWAIT] = { "await", 16, 1, 2, step_await },
	[STEP_DEMOTE] = { "demote", 8, 1, 2, step_demote },
	[STEP_YIELD] = { "yield", 8, 1, 2, step_yield },
	[STEP_SWITCHOVER] = { "switchover", 8, 1, 2, step_switchover },
	[STEP_STOP] = { "stop", 4, 1, 2, step_stop },
	[STEP_FORGET] = { "forget", 4, 1, 2, step_forget },
	[STEP_FORGET_LAST] = { "forget-last", 2, 1, 2, step_forget_last },
	[STEP_PROTECT] = { "protect", 12, 1, 2, step_protect },
	[STEP_UNPROTECT] = { "unprotect", 2, 2, 2, step_unprotect },
	[STEP_GONE] = { "gone", 6, 1, 2, step_gone },
	[STEP_ADOPT] = { "adopt", 6, 1, 2, step_adopt },
	[STEP_BY_HAND] = { "by-hand", 3, 1, 2, step_by_hand },
	[STEP_BY_HAND_ENDS] = { "by-hand-ends", 6, 1, 2, step_by_hand_ends },
};

/*
 * Without a link the epoch acked last is granted to a standby that asks, and what is held ends with that
 * (section 0: a copy only if it is exactly N).  If the asker's host has died since, the holder cannot know
 * it.
 */
static bool asker_is_dead(const struct world *w, unsigned int h)
{
	return up(w, h) && w->host[h].e.requested && w->host[h].asker_boot != w->host[!h].boot;
}

/* The next event after the actions that it happened in. */
static void run_failed(struct world *w, unsigned int h)
{
	struct host *host = &w->host[h];
	struct engine_event ev = { .type = ENGINE_EV_RUN_FAILED, .g = host->record.g };

	if (!up(w, h) || !host->failed || host->told)
		return;
	host->told = true;
	host_event(w, h, &ev);
}

static bool run_kind(struct world *w, unsigned int kind, unsigned int h, unsigned int choice)
{
	bool existed = world_copy_exists(w) && !w->guest_ended;

	w->copy_may_end = w->given_up || asker_is_dead(w, 0) || asker_is_dead(w, 1);
	if (!step_kinds[kind].run(w, h, choice))
		return false;
	run_failed(w, 0);
	run_failed(w, 1);
	/* With a host down a copy may end by a chain of faults that nobody can know of. */
	if (existed && !world_copy_exists(w) && !w->copy_may_end && w->host[0].on && w->host[1].on)
		world_fail(w, "lost: the last valid copy was dropped");
	world_check(w);
	trace_step(w, (step_t)(kind << 8 | choice << 1 | h));
	return true;
}

bool step_run(struct world *w, step_t s)
{
	unsigned int kind = s >> 8;

	return kind < STEP_KINDS && run_kind(w, kind, s & 1, (s >> 1) & 0x7f);
}

static unsigned int find(const char *name)
{
	unsigned int k = 0;

	while (k < STEP_KINDS && strcmp(step_kinds[k].name, name))
		k++;
	return k;
}

bool step_do(struct world *w, enum step_id id, unsigned int h, unsigned int choice)
{
	return run_kind(w, id, h, choice);
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
	kind = find(name);
	if (kind == STEP_KINDS || (host != 'a' && host != 'b') || choice >= step_kinds[kind].choices)
		return false;
	*s = (step_t)(kind << 8 | choice << 1 | (host == 'b'));
	return true;
}
