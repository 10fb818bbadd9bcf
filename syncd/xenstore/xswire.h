/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A small xenstore client of our own on xenstored's socket, for the two things that libxenstore cannot do:
 * replies above 4096 bytes (XS_CONTROL "watches": libxenstore drops the connection), and many requests
 * under way at once (reading a whole tree costs one round trip per level instead of three per node).
 *
 * Blocking, with a bound of XSWIRE_TIMEOUT_MS for each reply.  No watches, no transactions.  After an error
 * other than one named by xenstored itself the connection is closed and the next call opens a new one.
 */
#ifndef KEMARI_XENSTORE_XSWIRE_H
#define KEMARI_XENSTORE_XSWIRE_H

#include <stddef.h>
#include <stdint.h>

struct xswire;

#define XSWIRE_SOCKET "/run/xenstored/socket"
#define XSWIRE_TIMEOUT_MS 2000
#define XSWIRE_MAX_REPLY (1U << 20)
#define XSWIRE_WINDOW 32U /* requests under way; far below any socket buffer */

/* path NULL: XSWIRE_SOCKET.  -EOPNOTSUPP: not oxenstored (no "watches" command), said in the log. */
int xswire_open(const char *path, struct xswire **out);
void xswire_close(struct xswire *w); /* NULL ok */

struct xswire_req {
	uint32_t type; /* XS_READ, XS_DIRECTORY, XS_GET_PERMS */
	const char *path;
	char *reply; /* out: NUL added, the caller frees; NULL on error */
	size_t len;  /* out, without the NUL */
	int err;     /* out: 0 or negative errno from xenstored */
};
/* All of req[0..nr), replies in order.  Negative only when the connection failed (then no reply is set). */
int xswire_batch(struct xswire *w, struct xswire_req *req, unsigned int nr);

/* XS_CONTROL with nr arguments; reply as above. */
int xswire_control(struct xswire *w, const char *const *argv, unsigned int nr, char **reply, size_t *len);

#endif /* KEMARI_XENSTORE_XSWIRE_H */
