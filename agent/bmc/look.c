/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/bmc/look.h"

#include <string.h>

void watch_clean(char *to, size_t len, const char *from)
{
	size_t n = 0;

	for (; from && n + 1 < len && from[n]; n++)
		to[n] = from[n] >= 0x20 && from[n] < 0x7f ? from[n] : '?';
	/* firmware pads with spaces */
	while (n && to[n - 1] == ' ')
		n--;
	to[n] = '\0';
}

static enum watch_action gravity(enum watch_kind kind)
{
	return watch_kind_default(kind).action;
}

static struct watch_finding *place_for(struct watch_look *l, enum watch_kind kind)
{
	struct watch_finding *least = l->finding;

	if (l->nr_findings < WATCH_FINDINGS)
		return &l->finding[l->nr_findings++];
	for (unsigned int i = 1; i < WATCH_FINDINGS; i++) {
		if (gravity(l->finding[i].kind) < gravity(least->kind))
			least = &l->finding[i];
	}
	return gravity(least->kind) < gravity(kind) ? least : NULL;
}

static void add(struct watch_look *l, struct watch_finding *f, const char *sensor, const char *text)
{
	struct watch_finding *to;

	if (f->kind >= WATCH_KINDS)
		return;
	watch_clean(f->sensor, sizeof(f->sensor), sensor);
	watch_clean(f->text, sizeof(f->text), text);
	for (unsigned int i = 0; i < l->nr_findings; i++) {
		to = &l->finding[i];
		if (to->kind != f->kind || to->logged != f->logged || to->past != f->past ||
		    strcmp(to->sensor, f->sensor) != 0)
			continue;
		to->times++;
		if (f->age >= 0 && (to->age < 0 || f->age < to->age))
			to->age = f->age;
		return;
	}
	to = place_for(l, f->kind);
	if (to)
		*to = *f;
}

void watch_look_add(struct watch_look *l, enum watch_kind kind, bool logged, const char *sensor,
		    const char *text)
{
	struct watch_finding f = { .kind = kind, .logged = logged, .age = -1, .times = 1 };

	add(l, &f, sensor, text);
}

void watch_look_entry(struct watch_look *l, enum watch_kind kind, bool past, int64_t age, const char *sensor,
		      const char *text)
{
	struct watch_finding f = { .kind = kind, .logged = true, .past = past, .age = age, .times = 1 };

	add(l, &f, sensor, text);
}

void watch_look_fail(struct watch_look *l, int error, const char *why)
{
	if (l->error)
		return;
	l->error = error;
	watch_clean(l->why, sizeof(l->why), why && why[0] ? why : strerror(-error));
}
