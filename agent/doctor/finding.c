/* SPDX-License-Identifier: GPL-2.0-only */
#include "agent/doctor/finding.h"

#include <stdarg.h>

static const char *const names[FINDING_LEVELS] = { "ok", "warning", "problem" };

const char *finding_level_name(enum finding_level level)
{
	return names[level];
}

static void __attribute__((format(printf, 4, 0)))
add(struct findings *l, enum finding_level level, const char *check, const char *fmt, va_list ap)
{
	struct finding *f = l->nr < FINDING_MAX ? &l->list[l->nr++] : NULL;

	l->count[level]++;
	l->last = f;
	if (!f)
		return;
	f->level = level;
	f->check = check;
	vsnprintf(f->found, sizeof(f->found), fmt, ap);
}

void finding_ok(struct findings *l, const char *check, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	add(l, FINDING_OK, check, fmt, ap);
	va_end(ap);
}

void finding_warning(struct findings *l, const char *check, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	add(l, FINDING_WARNING, check, fmt, ap);
	va_end(ap);
}

void finding_problem(struct findings *l, const char *check, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	add(l, FINDING_PROBLEM, check, fmt, ap);
	va_end(ap);
}

void finding_fix(struct findings *l, const char *fmt, ...)
{
	va_list ap;

	if (!l->last)
		return;
	va_start(ap, fmt);
	vsnprintf(l->last->fix, sizeof(l->last->fix), fmt, ap);
	va_end(ap);
}

static const char *plural(unsigned int n)
{
	return n == 1 ? "" : "s";
}

void findings_print(FILE *out, const struct findings *l)
{
	const unsigned int *n = l->count;
	unsigned int i;

	for (i = 0; i < l->nr; i++) {
		const struct finding *f = &l->list[i];

		fprintf(out, "%-8s %s%s%s\n", names[f->level], f->found, f->fix[0] ? "; fix: " : "", f->fix);
	}
	fprintf(out, "%u ok, %u warning%s, %u problem%s\n", n[FINDING_OK], n[FINDING_WARNING],
		plural(n[FINDING_WARNING]), n[FINDING_PROBLEM], plural(n[FINDING_PROBLEM]));
}

json_t *findings_json(const struct findings *l)
{
	json_t *list = json_array();
	unsigned int i;

	for (i = 0; i < l->nr; i++) {
		const struct finding *f = &l->list[i];

		json_array_append_new(list, json_pack("{s:s, s:s, s:s, s:s?}", "level", names[f->level],
						      "check", f->check, "found", f->found, "fix",
						      f->fix[0] ? f->fix : NULL));
	}
	return json_pack("{s:o, s:i, s:i, s:i}", "findings", list, "ok", (int)l->count[FINDING_OK],
			 "warnings", (int)l->count[FINDING_WARNING], "problems",
			 (int)l->count[FINDING_PROBLEM]);
}
