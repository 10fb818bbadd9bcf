/* SPDX-License-Identifier: GPL-2.0-only */
/* Everything that can happen in the simulated world, one small step each. */
#include <stdio.h>
#include <string.h>

#include "cts-tests/sim/step.h"

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

/*
 * Without a link the epoch acked last is granted to a standby that asks, and what is held ends with that
 * (section 0: a copy only if it is exactly N).  If the asker's host has died since, the holder cannot know it.
 */
static bool asker_is_dead(const struct world *w, unsigned int h)
{
	return up(w, h) && w->host[h].e.requested && w->host[h].asker_boot != w->host[!h].boot;
}

static bool run_kind(struct world *w, unsigned int kind, unsigned int h, unsigned int choice)
{
	bool existed = world_copy_exists(w) && !w->guest_ended;

	w->copy_may_end = asker_is_dead(w, 0) || asker_is_dead(w, 1);
	if (!step_kinds[kind].run(w, h, choice))
		return false;
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
