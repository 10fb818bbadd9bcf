/* SPDX-License-Identifier: GPL-2.0-only */
/* What the fencer's helper and the daemon say to each other: packets of these. */
#ifndef KEMARI_AGENT_DAEMON_FENCER_INT_H
#define KEMARI_AGENT_DAEMON_FENCER_INT_H

#include "agent/daemon/fencer.h"

enum fencer_word {
	/* of the daemon */
	FENCER_ASK, /* host */
	FENCER_ON,  /* host */
	FENCER_WANT,
	FENCER_WANT_NOT,
	/* of the helper */
	FENCER_CONNECTED,
	FENCER_LOST,
	FENCER_FENCED,	/* host, at: since, asker */
	FENCER_HISTORY, /* host, at: wall clock, asker */
	FENCER_BY_HAND, /* host */
	FENCER_DONE,	/* host, on */
	FENCER_FAILED,	/* host, on, why */
};

struct fencer_packet {
	enum fencer_word word;
	int64_t at;
	bool on; /* of a FENCER_ON */
	struct asker asker;
	char host[ROW_HOST];
	char why[FENCER_WHY];
};

/* The helper's program. */
int fencer_run(int fd, const void *conf);

#endif /* KEMARI_AGENT_DAEMON_FENCER_INT_H */
