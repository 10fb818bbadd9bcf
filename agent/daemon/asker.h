/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Who asked for a fencing, and which node carried it out, as far as Pacemaker's fencer tells: the name of the
 * program that asked and the node that it ran on.
 */
#ifndef KEMARI_AGENT_DAEMON_ASKER_H
#define KEMARI_AGENT_DAEMON_ASKER_H

#include <stddef.h>

#include "agent/daemon/row.h"

#define ASKER_PROGRAM 32
#define ASKER_TEXT 320

/* The numbers are those of agent.state. */
enum asker_kind {
	ASKER_UNKNOWN,
	ASKER_OPERATOR,	 /* stonith_admin, so pcs and crmsh, too */
	ASKER_PACEMAKER, /* itself: a node or a resource failed, or the attribute terminate */
	ASKER_KEMARI,	 /* a kemari-agent */
	ASKER_OTHER,
	ASKER_NR_KINDS
};

struct asker {
	enum asker_kind kind;
	char program[ASKER_PROGRAM]; /* printable, no spaces; "": not known, as all of these */
	char node[ROW_HOST];	     /* where that runs */
	char doer[ROW_HOST];	     /* the node whose device did it */
};

/* client: a program's name, a dot and its pid.  Each may be NULL and have any bytes. */
void asker_set(struct asker *a, const char *client, const char *node, const char *doer);
/* "asked for by ..., carried out by ..." */
void asker_text(const struct asker *a, char text[ASKER_TEXT]);

#endif /* KEMARI_AGENT_DAEMON_ASKER_H */
