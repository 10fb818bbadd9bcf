/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A process of its own for what may wait: forked before the main loop begins, spoken with in packets over a
 * socket pair.  It ends when the daemon does.  The daemon does not outlive it either, for it would go on
 * without scores or proofs: it ends, and systemd starts it anew.
 */
#ifndef KEMARI_AGENT_DAEMON_HELPER_H
#define KEMARI_AGENT_DAEMON_HELPER_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define HELPER_PACKET 65536 /* bytes of one, at most */

struct qb_loop;
struct helper;

struct helper_ops {
	/* Called in the helper with its end of the socket pair; its return value is the exit status. */
	int (*run)(int fd, const void *conf);
	/* In the daemon: a packet of it came, at least one byte. NULL: it sends none. */
	void (*packet)(void *arg, const void *bytes, size_t len);
	/* It is gone. Called once. */
	void (*gone)(void *arg);
};

/* name: as it shows in ps, and in messages.  0 or a negative errno with one message. */
int helper_start(const char *name, const struct helper_ops *ops, const void *conf, void *arg,
		 struct helper **out);
/* Takes its packets from the loop. */
int helper_listen(struct helper *h, struct qb_loop *loop);
void helper_stop(struct helper *h); /* NULL ok */

/* Never waits.  0, or a negative errno: -EAGAIN: it takes none now. */
int helper_send(struct helper *h, const void *bytes, size_t len);

/* For use in the helper: runs a program without input and output, kills it after timeout_ms.  Its exit
 * status, or a negative errno; -ETIMEDOUT.  out: the start of what it wrote to stdout, NUL-terminated; may be
 * NULL. */
int helper_command(const char *const argv[], int timeout_ms, char *out, size_t out_len);

#endif /* KEMARI_AGENT_DAEMON_HELPER_H */
