/* SPDX-License-Identifier: GPL-2.0-only */
/* What the fencer's helper and the daemon say to each other: packets of these. */
#ifndef KEMARI_AGENT_DAEMON_FENCER_INT_H
#define KEMARI_AGENT_DAEMON_FENCER_INT_H

#include "agent/daemon/fencer.h"

struct cib_s; /* libcib's */

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
	FENCER_UNREAD,	/* the devices cannot be read */
	FENCER_DEVICES, /* a packet of their own */
};

struct fencer_packet {
	enum fencer_word word;
	int64_t at;
	bool on; /* of a FENCER_ON */
	struct asker asker;
	char host[ROW_HOST];
	char why[FENCER_WHY];
};

struct fencer_devices_packet {
	enum fencer_word word; /* FENCER_DEVICES */
	struct devices devices;
};

/*
 * For use in the helper: reads the cluster's devices.  False: it cannot be told.  sum: of the configuration,
 * never 0 once it was read; the devices are read only if it is another one.  cib: the connection to
 * pacemaker-based, NULL: none; it is made and ended here.  Takes some seconds at most.
 */
bool fencer_devices(struct cib_s **cib, struct devices *d, uint64_t *sum);
/* The same of a configuration as text. */
bool fencer_devices_take(const char *text, size_t len, struct devices *d, uint64_t *sum);
/* The configuration may be another one than at the last call; if it is, that is not always told. */
bool fencer_devices_touched(void);

/* The helper's program. */
int fencer_run(int fd, const void *conf);

#endif /* KEMARI_AGENT_DAEMON_FENCER_INT_H */
