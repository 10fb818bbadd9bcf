/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The failure table of doc/ownership.md, cell by cell: what dies or is lost at which moment of a planned move
 * from a to b, and who has the guest then, from which epoch.  What became of the guest until then is in epoch
 * 1, the final one is 2.
 */
#include <stdio.h>

#include "cts-tests/sim/world.h"

/* Moments: before the final ack; acked; granted; b has the grant and its daemon dies before it runs; it runs
 */
#define SENT "protected output.a switchover.a quiet.a captured.a sent.a"
#define ACKED SENT " link.b link.a"
#define GRANTED ACKED " quiet.a"
#define TAKEN GRANTED " crash.b.1 link.b"
#define RUNS GRANTED " link.b"
/* The same by the cluster manager: a is demoted and waits for b to be promoted. */
#define HELD_SENT "protected output.a demote.a quiet.a captured.a sent.a"
/* The same, and the guest runs on until b asks for it. */
#define YIELDS "protected output.a yield.a"
/* One epoch of b's is acked by a. */
#define REVERSE RUNS " ring.a connect.b link.b captured.b sent.b link.a link.b"

#define CUT " cut.a linkdown.a linkdown.b"

static const struct cell {
	const char *what, *schedule;
	unsigned int owner; /* host */
	enum engine_role role;
	uint64_t epoch; /* that it runs from; 0: the guest went on where it was */
} cells[] = {
	{ "A host, before the final ack", SENT " fence.a promote-off.b", 1, ENGINE_OWNER, 1 },
	{ "A host, acked", ACKED " fence.a promote-off.b", 1, ENGINE_OWNER, 2 },
	{ "A host, granted", GRANTED " fence.a lose.b ring-lose.b promote-off.b", 1, ENGINE_OWNER, 2 },
	{ "A host, b has the grant", TAKEN " fence.a restart.b", 1, ENGINE_OWNER, 2 },
	{ "A host, b runs", RUNS " fence.a proof.b", 1, ENGINE_OWNER, 2 },

	{ "B host, before the final ack", SENT " fence.b linkdown.a", 0, ENGINE_OWNER, 0 },
	{ "B host, acked", ACKED " fence.b linkdown.a", 0, ENGINE_OWNER, 0 },
	{ "B host, granted", GRANTED " fence.b demote.a promote-off.a", 0, ENGINE_OWNER, 2 },
	{ "B host, b has the grant", TAKEN " fence.b demote.a promote-off.a", 0, ENGINE_OWNER, 2 },
	{ "B host, b runs", RUNS " fence.b demote.a promote-off.a", 0, ENGINE_OWNER, 2 },
	{ "B host, b runs, mirrored", REVERSE " fence.b promote-off.a", 0, ENGINE_OWNER, 3 },

	{ "nothing, a yields and b asks",
	  YIELDS " promote.b ring.a quiet.a captured.a sent.a link.b link.a link.a quiet.a ring.b", 1,
	  ENGINE_OWNER, 2 },
	{ "A host, yielding", YIELDS " fence.a promote-off.b", 1, ENGINE_OWNER, 1 },
	{ "B host, yielding", YIELDS " fence.b linkdown.a", 0, ENGINE_OWNER, 0 },
	{ "link, yielding, b asks", YIELDS CUT " promote.b ring.a quiet.a ring.b", 1, ENGINE_OWNER, 1 },
	{ "syncd A, yielding", YIELDS " kill.a restart.a", 0, ENGINE_HELD, 0 },
	{ "syncd B, yielding", YIELDS " kill.b linkdown.a restart.b", 0, ENGINE_OWNER, 0 },

	{ "link, before the final ack", SENT CUT, 0, ENGINE_OWNER, 0 },
	{ "link, before the final ack, b asks", HELD_SENT CUT " promote.b ring.a ring.b", 1, ENGINE_OWNER,
	  1 },
	{ "link, acked", ACKED CUT, 0, ENGINE_OWNER, 0 },
	{ "link, acked, b asks", HELD_SENT " link.b link.a" CUT " promote.b ring.a quiet.a ring.b", 1,
	  ENGINE_OWNER, 2 },
	{ "link, granted", GRANTED " cut.a lose.b ring-lose.b tick.a ring.b", 1, ENGINE_OWNER, 2 },
	{ "link, b has the grant", TAKEN " cut.a restart.b", 1, ENGINE_OWNER, 2 },
	{ "link, b runs", RUNS " cut.a ring.a tick.b ring.a ring.b", 1, ENGINE_OWNER, 2 },

	{ "ring+link, before the final ack, b wins",
	  SENT " ring-cut.a cut.a fence.a linkdown.b promote-off.b", 1, ENGINE_OWNER, 1 },
	{ "ring+link, before the final ack, a wins", SENT " ring-cut.a cut.a fence.b linkdown.a", 0,
	  ENGINE_OWNER, 0 },
	{ "ring+link, acked, b wins", ACKED " ring-cut.a cut.a fence.a linkdown.b promote-off.b", 1,
	  ENGINE_OWNER, 2 },
	{ "ring+link, acked, a wins", ACKED " ring-cut.a cut.a fence.b linkdown.a", 0, ENGINE_OWNER, 0 },
	{ "ring+link, granted, b wins", GRANTED " ring-cut.a cut.a lose.b fence.a promote-off.b", 1,
	  ENGINE_OWNER, 2 },
	{ "ring+link, granted, a wins", GRANTED " ring-cut.a cut.a fence.b demote.a promote-off.a", 0,
	  ENGINE_OWNER, 2 },
	{ "ring+link, b runs, b wins", RUNS " ring-cut.a cut.a fence.a proof.b", 1, ENGINE_OWNER, 2 },
	{ "ring+link, b runs, a wins", RUNS " ring-cut.a cut.a fence.b demote.a promote-off.a", 0,
	  ENGINE_OWNER, 2 },

	{ "syncd A, before the final ack", SENT " kill.a restart.a", 0, ENGINE_HELD, 0 },
	{ "syncd A, acked", ACKED " kill.a restart.a", 0, ENGINE_HELD, 0 },
	{ "syncd A, granted", GRANTED " lose.b ring-lose.b kill.a restart.a tick.a ring.b", 1, ENGINE_OWNER,
	  2 },
	{ "syncd A, b has the grant", TAKEN " kill.a restart.b restart.a", 1, ENGINE_OWNER, 2 },
	{ "syncd A, b runs", RUNS " kill.a restart.a tick.a ring.b ring.a", 1, ENGINE_OWNER, 2 },
	{ "syncd B, before the final ack", SENT " kill.b linkdown.a restart.b", 0, ENGINE_OWNER, 0 },
	{ "syncd B, acked", ACKED " kill.b linkdown.a restart.b", 0, ENGINE_OWNER, 0 },
	{ "syncd B, granted", GRANTED " kill.b restart.b tick.a ring.b", 1, ENGINE_OWNER, 2 },
	{ "syncd B, b has the grant", TAKEN " restart.b", 1, ENGINE_OWNER, 2 },
	{ "syncd B, b runs", RUNS " kill.b restart.b", 1, ENGINE_OWNER, 2 },
};

#define NR_CELLS (sizeof(cells) / sizeof(cells[0]))

static bool is_as_it_should_be(const struct world *w, const struct cell *c)
{
	const struct host *h = &w->host[c->owner], *other = &w->host[!c->owner];

	return h->daemon && h->record.role == c->role && h->running == (c->role == ENGINE_OWNER) &&
	       h->record.epoch == c->epoch && !other->running &&
	       (!other->on || other->record.role < ENGINE_HELD);
}

static bool check(const struct cell *c)
{
	static struct world w;
	struct schedule s;
	char text[48] = "";
	unsigned int n = 0;

	if (!schedule_parse(c->schedule, &s))
		return false;
	world_init(&w, s.start);
	while (n < s.nr && step_run(&w, s.step[n]))
		n++;
	if (n < s.nr)
		step_text(s.step[n], text, sizeof(text));
	if (n == s.nr && !w.violation && is_as_it_should_be(&w, c)) {
		settle(&w);
		if (!w.violation)
			return true;
	}
	printf("TABLE: %s: %s%s%s\n  %s\n", c->what, w.violation ? w.violation : "", text,
	       w.violation ? ""
	       : n < s.nr  ? " is not possible"
			   : "another one has the guest",
	       c->schedule);
	return false;
}

bool table_check(void)
{
	unsigned int good = 0;

	for (unsigned int i = 0; i < NR_CELLS; i++)
		good += check(&cells[i]);
	printf("table: %u of %u cells are as doc/ownership.md says\n", good, (unsigned int)NR_CELLS);
	return good == NR_CELLS;
}
