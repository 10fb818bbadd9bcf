/* SPDX-License-Identifier: GPL-2.0-only */
/* kemari-sim: the engine as it ships, in a world that fails in every way. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cts-tests/sim/world.h"

static const struct {
	const char *name, *text;
} guard[GUARD_COUNT] = {
#define G(name, text) { #name, text },
	ENGINE_GUARDS(G)
#undef G
};

static const char usage[] =
	"usage: kemari-sim [--seed N] [--table] [--random N] [--exhaustive] [--prove] [--weaken GUARD] "
	"[--replay SCHEDULE]\n"
	"\n"
	"  --table             the failure table of doc/ownership.md: who has the guest after each\n"
	"  --random N          run N random schedules (seed and rate are printed)\n"
	"  --seed N            first seed of the random schedules (default 1)\n"
	"  --exhaustive        all schedules of two epochs with one fault, of a command with one fault, ...\n"
	"  --prove             switch off each guard of the engine in turn; a violation must be found\n"
	"  --weaken GUARD      switch off this guard (with --random, --exhaustive, --replay); \"list\" lists "
	"them\n"
	"  --replay SCHEDULE   run one schedule, as printed by the others, and show each step\n";

/* Of CPU: what else the machine does is not the simulation's. */
static double seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static int report(struct schedule *bad, const char *violation)
{
	explore_shrink(bad, &violation);
	printf("VIOLATION: %s\n  schedule: ", violation);
	schedule_print(bad);
	explore_replay(bad, true);
	return 1;
}

static int run_random(uint64_t seed, uint64_t count)
{
	struct random_result r;
	double t = seconds();

	explore_random(seed, count, &r);
	t = seconds() - t;
	printf("random: seed %llu, %llu schedules, %llu steps, %.1f s, %.0f schedules/s, longest list %u "
	       "actions\n",
	       (unsigned long long)seed, (unsigned long long)r.schedules, (unsigned long long)r.steps, t,
	       (double)r.schedules / t, r.max_actions);
	return r.violation ? report(&r.bad, r.violation) : 0;
}

static int run_exhaustive(void)
{
	int rc = 0;

	for (unsigned int part = 0; part < EXHAUSTIVE_PARTS && !rc; part++) {
		struct exhaustive_result r;
		double t = seconds();
		const char *name = explore_exhaustive(part, &r);

		printf("exhaustive: %s: %llu states, %llu steps, deepest %u, %.1f s\n", name,
		       (unsigned long long)r.states, (unsigned long long)r.steps, r.deepest, seconds() - t);
		rc = r.violation ? report(&r.bad, r.violation) : 0;
	}
	return rc;
}

#define PROVE_SCHEDULES 400000
#define PROVE_SAMPLES 12

/* The worst, then shortest, of some violations found at random, each shrunk. */
static bool prove(unsigned int g, uint64_t seed)
{
	struct schedule best = { .nr = SCHEDULE_STEPS + 1 };
	const char *why = NULL;
	uint64_t left = PROVE_SCHEDULES, used = 0;

	engine_guard_off[g] = true;
	for (unsigned int n = 0; n < PROVE_SAMPLES && left; n++) {
		struct random_result r;

		explore_random(seed + n * 7919, left, &r);
		used += r.schedules;
		left = r.violation ? (r.schedules < 4000 ? 4000 : 0) : 0;
		if (!r.violation)
			break;
		explore_shrink(&r.bad, &r.violation);
		if (!why || explore_mild(r.violation) < explore_mild(why) ||
		    (r.bad.nr < best.nr && explore_mild(r.violation) == explore_mild(why))) {
			best = r.bad;
			why = r.violation;
		}
	}
	engine_guard_off[g] = false;
	if (!why) {
		printf("%-16s NOT PROVEN in %llu schedules: %s\n", guard[g].name, (unsigned long long)used,
		       guard[g].text);
		return false;
	}
	printf("%-16s %s\n    without it: %s\n    ", guard[g].name, guard[g].text, why);
	schedule_print(&best);
	return true;
}

static int run_prove(uint64_t seed)
{
	unsigned int proven = 0;
	double t = seconds();

	for (unsigned int g = 0; g < GUARD_COUNT; g++)
		proven += prove(g, seed);
	printf("prove: %u of %u guards are necessary, %.1f s\n", proven, (unsigned int)GUARD_COUNT,
	       seconds() - t);
	return proven != GUARD_COUNT;
}

static int run_replay(const char *text)
{
	struct schedule s;
	const char *violation;

	if (!schedule_parse(text, &s)) {
		fprintf(stderr, "kemari-sim: not a schedule: %s\n", text);
		return 2;
	}
	violation = explore_replay(&s, true);
	printf("%s\n", violation ? violation : "no violation");
	return violation != NULL;
}

static int weaken(const char *name)
{
	for (unsigned int g = 0; g < GUARD_COUNT; g++) {
		if (!strcmp(name, "list"))
			printf("%-16s %s\n", guard[g].name, guard[g].text);
		else if (!strcmp(name, guard[g].name)) {
			engine_guard_off[g] = true;
			return 0;
		}
	}
	if (strcmp(name, "list"))
		fprintf(stderr, "kemari-sim: no such guard: %s\n", name);
	return 2;
}

static bool number(const char *text, uint64_t *v)
{
	char *end;

	*v = strtoull(text, &end, 0);
	return *text && !*end;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "seed", required_argument, NULL, 's' },
		{ "random", required_argument, NULL, 'r' },
		{ "exhaustive", no_argument, NULL, 'e' },
		{ "prove", no_argument, NULL, 'p' },
		{ "table", no_argument, NULL, 't' },
		{ "weaken", required_argument, NULL, 'w' },
		{ "replay", required_argument, NULL, 'y' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	uint64_t seed = 1, count = 0;
	bool table = false, exhaustive = false, proof = false;
	const char *replay = NULL;
	int c, rc = 0;

	setvbuf(stdout, NULL, _IOLBF, 0);
	while ((c = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		if (c == 'h') {
			fputs(usage, stdout);
			return 0;
		}
		if (c == 'e')
			exhaustive = true;
		else if (c == 'p')
			proof = true;
		else if (c == 't')
			table = true;
		else if (c == 'y')
			replay = optarg;
		else if (c == 'w')
			rc = weaken(optarg);
		else if ((c != 's' && c != 'r') || !number(optarg, c == 's' ? &seed : &count))
			rc = 2;
		if (rc)
			return rc;
	}
	if (!table && !exhaustive && !proof && !replay && !count) {
		fputs(usage, stderr);
		return 2;
	}
	if (replay)
		rc = run_replay(replay);
	if (!rc && table)
		rc = !table_check();
	if (!rc && count)
		rc = run_random(seed, count);
	if (!rc && exhaustive)
		rc = run_exhaustive();
	if (!rc && proof)
		rc = run_prove(seed);
	return rc;
}
