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

void watch_look_add(struct watch_look *l, enum watch_kind kind, bool logged, const char *sensor,
		    const char *text)
{
	struct watch_finding f = { .kind = kind, .logged = logged, .times = 1 }, *to;

	if (kind >= WATCH_KINDS)
		return;
	watch_clean(f.sensor, sizeof(f.sensor), sensor);
	watch_clean(f.text, sizeof(f.text), text);
	for (unsigned int i = 0; i < l->nr_findings; i++) {
		to = &l->finding[i];
		if (to->kind == kind && to->logged == logged && !strcmp(to->sensor, f.sensor)) {
			to->times++;
			return;
		}
	}
	to = place_for(l, kind);
	if (to)
		*to = f;
}

void watch_look_fail(struct watch_look *l, int error, const char *why)
{
	if (l->error)
		return;
	l->error = error;
	watch_clean(l->why, sizeof(l->why), why && why[0] ? why : strerror(-error));
}
