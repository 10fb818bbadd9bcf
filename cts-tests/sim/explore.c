/* SPDX-License-Identifier: GPL-2.0-only */
/* Schedules: random ones, all short ones, the shortest that shows a violation. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cts-tests/sim/world.h"

static const char *const start_name[START_KINDS] = { "cold", "alone", "protected", "moved" };

void schedule_print(const struct schedule *s)
{
	char text[48];

	printf("%s", start_name[s->start]);
	for (unsigned int i = 0; i < s->nr; i++) {
		step_text(s->step[i], text, sizeof(text));
		printf(" %s", text);
	}
	printf("\n");
}

bool schedule_parse(const char *text, struct schedule *s)
{
	char word[48];
	int used;

	memset(s, 0, sizeof(*s));
	if (sscanf(text, "%47s%n", word, &used) != 1)
		return false;
	while (s->start < START_KINDS && strcmp(word, start_name[s->start]))
		s->start++;
	if (s->start == START_KINDS)
		return false;
	for (text += used; sscanf(text, "%47s%n", word, &used) == 1; text += used) {
		if (s->nr == SCHEDULE_STEPS || !step_parse(word, &s->step[s->nr]))
			return false;
		s->nr++;
	}
	return true;
}

/* The start states are reached by running, once each. */
static const struct world *started(enum world_start start)
{
	static struct world start_world[START_KINDS];
	static bool made[START_KINDS];

	if (!made[start])
		world_init(&start_world[start], start);
	made[start] = true;
	return &start_world[start];
}

const char *explore_replay(const struct schedule *s, bool verbose)
{
	static struct world w;

	w = *started(s->start);
	w.verbose = verbose;
	for (unsigned int i = 0; i < s->nr && !w.violation; i++)
		step_run(&w, s->step[i]);
	if (w.violation)
		return w.violation;
	if (verbose)
		printf("  (nothing fails any more)\n");
	settle(&w);
	return w.violation;
}

/* ---- random ---- */

static uint64_t next_random(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15ULL;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
	return z ^ (z >> 31);
}

/* kind by weight, one look-up */
static unsigned int pick_kind(uint64_t r)
{
	static uint8_t table[2048];
	static unsigned int size;

	if (!size)
		for (unsigned int k = 0; k < STEP_KINDS; k++)
			for (unsigned int i = 0; i < step_kinds[k].weight; i++)
				table[size++] = (uint8_t)k;
	return table[r % size];
}

static step_t random_step(uint64_t *seed)
{
	uint64_t r = next_random(seed);
	unsigned int kind = pick_kind(r & 0xffffffff);
	unsigned int choice = (unsigned int)((r >> 33) & 0xffff) % step_kinds[kind].choices;

	return (step_t)(kind << 8 | choice << 1 | ((r >> 32) & 1));
}

static void one_random(uint64_t seed, struct schedule *s, struct world *w)
{
	unsigned int length = 12 + (unsigned int)(next_random(&seed) % 84);
	uint64_t pick = next_random(&seed) % 8;

	s->start = pick == 0   ? START_COLD
		   : pick == 1 ? START_ALONE
		   : pick == 2 ? START_MOVED
			       : START_PROTECTED;
	s->nr = 0;
	*w = *started(s->start);
	for (unsigned int tries = 0; s->nr < length && tries < 600 && !w->violation; tries++) {
		step_t step = random_step(&seed);

		if (step_run(w, step))
			s->step[s->nr++] = step;
	}
	if (!w->violation)
		settle(w);
}

void explore_random(uint64_t seed, uint64_t count, struct random_result *r)
{
	static struct world w;
	struct schedule s;

	memset(r, 0, sizeof(*r));
	for (; r->schedules < count && !r->violation; r->schedules++) {
		one_random(seed + r->schedules * 0x632be59bd9b4e019ULL, &s, &w);
		r->steps += s.nr;
		if (w.max_actions > r->max_actions)
			r->max_actions = w.max_actions;
		if (w.violation) {
			r->violation = w.violation;
			r->bad = s;
		}
	}
}

/* ---- shortest ---- */

static void without(const struct schedule *s, unsigned int at, unsigned int n, struct schedule *out)
{
	*out = *s;
	memmove(&out->step[at], &out->step[at + n], (s->nr - at - n) * sizeof(out->step[0]));
	out->nr -= n;
}

/* A guest that waits for ever is the mildest violation. */
bool explore_mild(const char *violation)
{
	return !strncmp(violation, "liveness", 8);
}

/* Takes out runs of steps, then single ones, as long as some violation stays that is as bad. */
void explore_shrink(struct schedule *s, const char **violation)
{
	unsigned int n = s->nr / 2 ? s->nr / 2 : 1;
	struct schedule shorter;

	while (n) {
		bool shrunk = false;

		for (unsigned int at = 0; at + n <= s->nr;) {
			const char *v;

			without(s, at, n, &shorter);
			v = explore_replay(&shorter, false);
			if (!v || (explore_mild(v) && !explore_mild(*violation))) {
				at++;
				continue;
			}
			*s = shorter;
			*violation = v;
			shrunk = true;
		}
		if (!shrunk || n > s->nr)
			n /= 2;
	}
}

/* ---- all schedules of two epochs with one fault ---- */

#define TABLE_BITS 23

struct budget {
	uint8_t guest, fault, command, tick;
};

struct search {
	struct exhaustive_result *r;
	uint64_t *table;
	uint64_t mask;
	struct schedule path;
	struct world world[SCHEDULE_STEPS + 1];
};

static bool visited(struct search *s, const struct world *w, const struct budget *b)
{
	uint64_t key = world_hash(w) ^ ((uint64_t)b->guest << 8 | (uint64_t)b->fault << 16 |
					(uint64_t)b->command << 24 | b->tick) *
					       0x9e3779b97f4a7c15ULL;

	key |= 1;
	for (uint64_t i = key >> 20;; i++) {
		uint64_t *slot = &s->table[i & s->mask];

		if (*slot == key)
			return true;
		if (*slot)
			continue;
		if (s->r->states > s->mask / 4 * 3) {
			s->r->violation = "simulation: table of states too small";
			return true;
		}
		*slot = key;
		return false;
	}
}

/* What a step of this kind costs of the budget; false: spent. */
static bool pay(struct budget *b, unsigned int kind)
{
	uint8_t *purse = NULL;

	if (kind == STEP_TICK)
		purse = &b->tick;
	else if (step_kinds[kind].cost == 1)
		purse = &b->fault;
	else if (step_kinds[kind].cost == 2)
		purse = &b->command;
	else if (step_kinds[kind].cost == 3)
		purse = &b->guest;
	if (!purse)
		return true;
	if (!*purse)
		return false;
	--*purse;
	return true;
}

static void found(struct search *s, unsigned int depth, const char *violation)
{
	s->r->violation = violation;
	s->r->bad = s->path;
	s->r->bad.nr = depth;
}

static void search(struct search *s, unsigned int depth, struct budget left);

/* copied: the next world is still the one of this depth, since the steps tried before were not possible. */
static bool try_step(struct search *s, unsigned int depth, struct budget left, step_t step, bool *copied)
{
	struct world *w = &s->world[depth + 1];

	if (!pay(&left, step >> 8))
		return false;
	if (!*copied)
		*w = s->world[depth];
	*copied = true;
	if (!step_run(w, step))
		return false;
	*copied = false;
	s->path.step[depth] = step;
	s->r->steps++;
	if (w->violation)
		found(s, depth + 1, w->violation);
	else if (!visited(s, w, &left))
		search(s, depth + 1, left);
	return true;
}

static void search(struct search *s, unsigned int depth, struct budget left)
{
	bool moved = false, copied = false;

	s->r->states++;
	if (depth > s->r->deepest)
		s->r->deepest = depth;
	if (depth + 1 >= SCHEDULE_STEPS) {
		found(s, depth, "simulation: schedule too long for the search");
		return;
	}
	for (unsigned int kind = 0; kind < STEP_KINDS; kind++)
		for (unsigned int c = 0; c < 2 * step_kinds[kind].choices; c++) {
			moved |= try_step(s, depth, left, (step_t)(kind << 8 | c), &copied);
			if (s->r->violation)
				return;
		}
	if (moved && s->r->states % 64)
		return;
	settle(&s->world[depth]);
	if (s->world[depth].violation)
		found(s, depth, s->world[depth].violation);
}

/*
 * Two epochs and a loss or crash at any step; and a command of the cluster or the guest's own end with a loss
 * or crash at any step of it.  What the cluster does about it is settle()'s part.
 */
static const struct {
	const char *name;
	enum world_start start;
	struct budget budget;
} parts[EXHAUSTIVE_PARTS] = {
	{ "two epochs, one fault", START_PROTECTED, { .guest = 2, .fault = 1, .tick = 2 } },
	{ "a command, one fault", START_PROTECTED, { .fault = 1, .command = 1, .tick = 1 } },
	{ "an output, a command", START_PROTECTED, { .guest = 1, .command = 1, .tick = 1 } },
	{ "moved while unsynced, one fault", START_MOVED, { .fault = 1, .tick = 1 } },
	{ "first protection, one fault", START_ALONE, { .guest = 1, .fault = 1, .command = 1 } },
};

const char *explore_exhaustive(unsigned int part, struct exhaustive_result *r)
{
	struct search *s = calloc(1, sizeof(*s));

	memset(r, 0, sizeof(*r));
	if (s)
		s->table = calloc(1U << TABLE_BITS, sizeof(*s->table));
	if (!s || !s->table) {
		r->violation = "simulation: out of memory";
		free(s);
		return parts[part].name;
	}
	s->mask = (1U << TABLE_BITS) - 1;
	s->r = r;
	s->path.start = parts[part].start;
	s->world[0] = *started(parts[part].start);
	search(s, 0, parts[part].budget);
	free(s->table);
	free(s);
	return parts[part].name;
}
