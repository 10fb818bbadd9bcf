/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What kemari doctor found: a list of sentences, each well, to be looked at, or wrong.
 *
 * A finding that is not well gets a fix right after it:
 *	finding_problem(l, "key", "%s is missing", path);
 *	finding_fix(l, "kemari keygen makes it");
 */
#ifndef KEMARI_AGENT_DOCTOR_FINDING_H
#define KEMARI_AGENT_DOCTOR_FINDING_H

#include <stdio.h>

#include <jansson.h>

#define FINDING_TEXT 512 /* longer ones are cut */
#define FINDING_MAX 512	 /* what comes later is only counted */

enum finding_level { FINDING_OK, FINDING_WARNING, FINDING_PROBLEM, FINDING_LEVELS };

struct finding {
	enum finding_level level;
	const char *check; /* what was looked at, one word that does not change: for programs */
	char found[FINDING_TEXT];
	char fix[FINDING_TEXT]; /* "": of one that is well */
};

struct findings {
	unsigned int nr;
	unsigned int count[FINDING_LEVELS]; /* of all, also of those that had no room */
	struct finding *last;		    /* NULL: it had no room */
	struct finding list[FINDING_MAX];
};

void finding_ok(struct findings *l, const char *check, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
void finding_warning(struct findings *l, const char *check, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
void finding_problem(struct findings *l, const char *check, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* Of the last one. */
void finding_fix(struct findings *l, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

const char *finding_level_name(enum finding_level level);

/* A line each, then `N ok, N warnings, N problems`. */
void findings_print(FILE *out, const struct findings *l);
/* {"findings":[{"level","check","found","fix" or null}], "ok":N, "warnings":N, "problems":N}; a new
 * reference. */
json_t *findings_json(const struct findings *l);

#endif /* KEMARI_AGENT_DOCTOR_FINDING_H */
