/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The helper that keeps a kemari-bmc (kemari-bmc(8)) for each BMC: it starts them, reads what they say, and
 * starts one anew that has ended, says what makes no sense, says too much, or nothing; after 1, 2, 4 ... 60 s
 * if that goes on.  The daemon gets reports, checked.  When the daemon ends they all do.
 */
#ifndef KEMARI_AGENT_DAEMON_WATCHER_H
#define KEMARI_AGENT_DAEMON_WATCHER_H

#include "agent/daemon/health.h"

struct qb_loop;
struct watcher;

struct watcher_bmc {
	char host[ROW_HOST];
	char file[KEM_CONFIG_STR]; /* for --bmc-config */
};

struct watcher_conf {
	const char *program;
	unsigned int pause_ms;	/* before one is started anew the first time; 60 times as long at most */
	unsigned int silent_ms; /* one that says nothing for so long is of no use */
	unsigned int nr;
	struct watcher_bmc bmc[KEM_CONFIG_HOSTS];
};

struct watcher_ops {
	void (*report)(void *arg, const char *host, const struct health_report *r);
	void (*gone)(void *arg); /* the helper */
};

/* Before anything is on a loop; conf is only read here.  0 or a negative errno. */
int watcher_start(const struct watcher_conf *conf, const struct watcher_ops *ops, void *arg,
		  struct watcher **out);
int watcher_listen(struct watcher *w, struct qb_loop *loop);
void watcher_stop(struct watcher *w); /* NULL ok */

/* ---- between the two ---- */

struct watcher_packet {
	char host[ROW_HOST];
	struct health_report report;
};

/* The helper's program. */
int watcher_run(int fd, const void *conf);

#endif /* KEMARI_AGENT_DAEMON_WATCHER_H */
