/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * kemari cold-start (ownership.md 31): may a VM be booted from its disk here, and what lacks?  Pure.  It
 * gives no right to run: what it leads to is a proof, from which the cold score, and the engine's own check
 * of it, follow as always.
 */
#ifndef KEMARI_AGENT_DAEMON_COLD_H
#define KEMARI_AGENT_DAEMON_COLD_H

#include <stdbool.h>

#include "agent/daemon/policy.h"

#define COLD_TEXT 1024

enum cold_step {
	COLD_REFUSED, /* text: why; fix: what to do */
	COLD_ABSENT,  /* host is to be proven off first */
	COLD_CLEAR,   /* nobody has anything of it; text: what is left to do, and by whom */
};

struct cold {
	enum cold_step step;
	const char *host; /* of the input */
	char text[COLD_TEXT], fix[COLD_TEXT];
};

/* word: an operator says that hosts that are no members are off. */
void cold_judge(const struct policy_input *in, const char *vm, bool word, struct cold *c);

#endif /* KEMARI_AGENT_DAEMON_COLD_H */
