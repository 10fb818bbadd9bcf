/* SPDX-License-Identifier: GPL-2.0-only */
#include "agent/daemon/asker.h"

#include <stdio.h>
#include <string.h>

static void word(char *to, size_t len, const char *from)
{
	size_t n;

	for (n = 0; from && from[n] && n < len - 1; n++)
		to[n] = from[n] > ' ' && from[n] <= '~' ? from[n] : '?';
	to[n] = '\0';
}

static enum asker_kind kind_of(const char *program)
{
	static const struct {
		const char *program;
		enum asker_kind kind;
	} known[] = {
		{ "", ASKER_UNKNOWN },
		{ "stonith_admin", ASKER_OPERATOR },
		{ "pacemaker-controld", ASKER_PACEMAKER },
		{ "kemari-agent", ASKER_KEMARI },
	};
	size_t i;

	for (i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (!strcmp(known[i].program, program))
			return known[i].kind;
	return ASKER_OTHER;
}

void asker_set(struct asker *a, const char *client, const char *node, const char *doer)
{
	char *dot;

	memset(a, 0, sizeof(*a));
	word(a->program, sizeof(a->program), client);
	dot = strrchr(a->program, '.');
	if (dot && dot[1] && strspn(dot + 1, "0123456789") == strlen(dot + 1))
		*dot = '\0';
	word(a->node, sizeof(a->node), node);
	word(a->doer, sizeof(a->doer), doer);
	a->kind = kind_of(a->program);
}

void asker_text(const struct asker *a, char text[ASKER_TEXT])
{
	static const char *const who[ASKER_NR_KINDS] = {
		[ASKER_UNKNOWN] = "somebody who is not known",
		[ASKER_OPERATOR] = "an operator",
		[ASKER_PACEMAKER] = "Pacemaker itself",
		[ASKER_KEMARI] = "kemari-agent",
		[ASKER_OTHER] = "another program",
	};
	const bool named = a->kind == ASKER_OPERATOR || a->kind == ASKER_OTHER;

	snprintf(text, ASKER_TEXT, "asked for by %s%s%s%s%s%s%s%s", who[a->kind], named ? " (" : "",
		 named ? a->program : "", named ? ")" : "", a->node[0] ? " on " : "", a->node,
		 a->doer[0] ? ", carried out by " : "", a->doer);
}
