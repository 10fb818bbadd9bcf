/* SPDX-License-Identifier: GPL-2.0-only */
#include "xenstore/xsconn.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <qb/qbloop.h>

#include "lib/log.h"
#include "xenstore/xswire.h"

/* A commit that loses against others this often is one that never wins. */
#define TRANSACTION_TRIES 100
#define TOKEN_LEN 24

struct xsconn_watch {
	struct xsconn *conn;
	struct xsconn_watch *next;
	xsconn_watch_fn fn;
	void *arg;
	bool dead; /* unwatched while a dispatch was under way */
	char token[TOKEN_LEN];
	char path[XS_PATH_MAX];
};

/* An event that xsconn_sync() met and that is not for its watch. */
struct deferred {
	struct deferred *next;
	char **event; /* as xs_check_watch() gave it */
};

struct xsconn {
	struct xs_handle *xs;
	struct qb_loop *loop;
	void (*lost)(void *arg);
	void *arg;
	struct xsconn_watch *watches;
	unsigned long last_token;
	unsigned int dispatching;
	bool is_lost;
	struct deferred *deferred, **deferred_end;
	bool job_added;
	/*
	 * A second, silent connection.  libxenstore's reader thread ends at EOF without touching the
	 * descriptor of xs_fileno(), so the loop would never learn of xenstored's death.
	 */
	int canary;
};

static void conn_lost(struct xsconn *c)
{
	if (c->is_lost)
		return;
	c->is_lost = true;
	qb_loop_poll_del(c->loop, c->canary);
	qb_loop_poll_del(c->loop, xs_fileno(c->xs));
	kem_err("xenstored closed the connection; it cannot be restarted under running domains");
	c->lost(c->arg);
}

/* errno of a failed libxenstore call, as ours.  A dead socket shows as one of several. */
static int conn_error(struct xsconn *c)
{
	switch (errno) {
	case EPIPE:
	case EBADF:
	case ECONNRESET:
	case ENOTCONN:
		return -EPIPE;
	case 0:
		return -EIO;
	default:
		return -errno;
	}
}

static void reap_watches(struct xsconn *c)
{
	struct xsconn_watch **p = &c->watches;

	if (c->dispatching)
		return;
	while (*p) {
		struct xsconn_watch *w = *p;

		if (w->dead) {
			*p = w->next;
			free(w);
		} else {
			p = &w->next;
		}
	}
}

static void dispatch(struct xsconn *c, const char *path, const char *token)
{
	struct xsconn_watch *w;

	for (w = c->watches; w; w = w->next) {
		if (!w->dead && !strcmp(w->token, token)) {
			w->fn(w->arg, path);
			return;
		}
	}
}

static void run_deferred(struct xsconn *c)
{
	struct deferred *d;

	while (!c->is_lost && (d = c->deferred)) {
		c->deferred = d->next;
		if (!d->next)
			c->deferred_end = &c->deferred;
		dispatch(c, d->event[XS_WATCH_PATH], d->event[XS_WATCH_TOKEN]);
		free(d->event);
		free(d);
	}
}

static void on_deferred(void *data)
{
	struct xsconn *c = data;

	c->job_added = false;
	c->dispatching++;
	run_deferred(c);
	c->dispatching--;
	reap_watches(c);
}

static int32_t on_watches(int32_t fd, int32_t revents, void *data)
{
	struct xsconn *c = data;
	char **event;

	c->dispatching++;
	run_deferred(c); /* they are older */
	while (!c->is_lost && (event = xs_check_watch(c->xs))) {
		dispatch(c, event[XS_WATCH_PATH], event[XS_WATCH_TOKEN]);
		free(event);
	}
	if (!c->is_lost && errno != EAGAIN)
		conn_lost(c);
	c->dispatching--;
	reap_watches(c);
	return c->is_lost ? -1 : 0;
}

static int32_t on_canary(int32_t fd, int32_t revents, void *data)
{
	char byte;
	ssize_t n = recv(fd, &byte, 1, MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	conn_lost(data);
	return -1;
}

static int canary_open(void)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX, .sun_path = XSWIRE_SOCKET };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	if (connect(fd, (struct sockaddr *)&sun, sizeof(sun))) {
		int err = -errno;

		close(fd);
		return err;
	}
	return fd;
}

int xsconn_open(struct qb_loop *loop, void (*lost)(void *arg), void *arg, struct xsconn **out)
{
	struct xsconn *c = calloc(1, sizeof(*c));
	int err;

	if (!c)
		return -ENOMEM;
	c->loop = loop;
	c->deferred_end = &c->deferred;
	c->lost = lost;
	c->arg = arg;
	c->canary = canary_open();
	if (c->canary < 0) {
		err = c->canary;
		kem_err("xenstored: cannot connect to %s: %s", XSWIRE_SOCKET, strerror(-err));
		goto out_free;
	}
	c->xs = xs_open(XS_UNWATCH_FILTER);
	if (!c->xs) {
		err = -errno;
		kem_err("xenstored: xs_open: %s", strerror(-err));
		goto out_canary;
	}
	err = qb_loop_poll_add(loop, QB_LOOP_MED, xs_fileno(c->xs), POLLIN, c, on_watches);
	if (err)
		goto out_xs;
	err = qb_loop_poll_add(loop, QB_LOOP_MED, c->canary, POLLIN, c, on_canary);
	if (err)
		goto out_poll;
	*out = c;
	return 0;

out_poll:
	qb_loop_poll_del(loop, xs_fileno(c->xs));
out_xs:
	xs_close(c->xs);
out_canary:
	close(c->canary);
out_free:
	free(c);
	return err;
}

void xsconn_close(struct xsconn *c)
{
	struct xsconn_watch *w;
	struct deferred *d;

	if (!c)
		return;
	if (c->job_added)
		qb_loop_job_del(c->loop, QB_LOOP_MED, c, on_deferred);
	while ((d = c->deferred)) {
		c->deferred = d->next;
		free(d->event);
		free(d);
	}
	if (!c->is_lost) {
		qb_loop_poll_del(c->loop, c->canary);
		qb_loop_poll_del(c->loop, xs_fileno(c->xs));
	}
	while ((w = c->watches)) {
		c->watches = w->next;
		free(w);
	}
	xs_close(c->xs);
	close(c->canary);
	free(c);
}

int xsconn_watch(struct xsconn *c, const char *path, xsconn_watch_fn fn, void *arg, struct xsconn_watch **out)
{
	struct xsconn_watch *w;

	if (strlen(path) >= sizeof(w->path))
		return -ENAMETOOLONG;
	w = calloc(1, sizeof(*w));
	if (!w)
		return -ENOMEM;
	w->conn = c;
	w->fn = fn;
	w->arg = arg;
	snprintf(w->path, sizeof(w->path), "%s", path);
	snprintf(w->token, sizeof(w->token), "k%lu", ++c->last_token);
	if (!xs_watch(c->xs, w->path, w->token)) {
		int err = conn_error(c);

		free(w);
		return err;
	}
	w->next = c->watches;
	c->watches = w;
	*out = w;
	return 0;
}

void xsconn_unwatch(struct xsconn_watch *w)
{
	struct xsconn *c;

	if (!w)
		return;
	c = w->conn;
	if (!c->is_lost)
		xs_unwatch(c->xs, w->path, w->token);
	w->dead = true;
	reap_watches(c);
}

static int defer(struct xsconn *c, char **event)
{
	struct deferred *d = calloc(1, sizeof(*d));

	if (!d) {
		free(event);
		return -ENOMEM;
	}
	d->event = event;
	*c->deferred_end = d;
	c->deferred_end = &d->next;
	if (!c->job_added)
		c->job_added = !qb_loop_job_add(c->loop, QB_LOOP_MED, c, on_deferred);
	return 0;
}

int xsconn_sync(struct xsconn_watch *w)
{
	struct xsconn *c = w->conn;
	char **event, *path;
	int err = 0;

	/* Any request will do: xenstored sends events and replies in the order in which it made them. */
	errno = 0;
	path = xs_get_domain_path(c->xs, 0);
	if (!path)
		return conn_error(c);
	free(path);
	c->dispatching++;
	while (!err && (event = xs_check_watch(c->xs))) {
		if (strcmp(event[XS_WATCH_TOKEN], w->token)) {
			err = defer(c, event);
			continue;
		}
		if (!w->dead)
			w->fn(w->arg, event[XS_WATCH_PATH]);
		free(event);
	}
	c->dispatching--;
	reap_watches(c);
	return err;
}

static int make_path(char *path, const char *fmt, va_list ap)
{
	int n = vsnprintf(path, XS_PATH_MAX, fmt, ap);

	return n < 0 || n >= XS_PATH_MAX ? -ENAMETOOLONG : 0;
}

#define PATH_FROM(path, err, fmt)                                                                            \
	do {                                                                                                 \
		va_list ap_;                                                                                 \
		va_start(ap_, fmt);                                                                          \
		(err) = make_path(path, fmt, ap_);                                                           \
		va_end(ap_);                                                                                 \
	} while (0)

char *xsconn_read(struct xsconn *c, xs_transaction_t t, const char *fmt, ...)
{
	char path[XS_PATH_MAX];
	char *val;
	int err;

	PATH_FROM(path, err, fmt);
	if (err) {
		errno = -err;
		return NULL;
	}
	errno = 0;
	val = xs_read(c->xs, t, path, NULL);
	if (!val)
		errno = -conn_error(c);
	return val;
}

int xsconn_parse_u32(const char *text, uint32_t max, uint32_t *val)
{
	unsigned long long n;
	char *end;

	if (text[0] < '0' || text[0] > '9' || strlen(text) > 10)
		return -EINVAL;
	n = strtoull(text, &end, 10);
	if (*end || n > max)
		return -EINVAL;
	*val = n;
	return 0;
}

int xsconn_read_u32(struct xsconn *c, xs_transaction_t t, uint32_t max, uint32_t *val, const char *fmt, ...)
{
	char path[XS_PATH_MAX];
	char *text;
	int err;

	PATH_FROM(path, err, fmt);
	if (err)
		return err;
	text = xsconn_read(c, t, "%s", path);
	if (!text)
		return -errno;
	err = xsconn_parse_u32(text, max, val);
	free(text);
	return err;
}

int xsconn_write(struct xsconn *c, xs_transaction_t t, const char *value, const char *fmt, ...)
{
	char path[XS_PATH_MAX];
	int err;

	PATH_FROM(path, err, fmt);
	if (err)
		return err;
	errno = 0;
	return xs_write(c->xs, t, path, value, strlen(value)) ? 0 : conn_error(c);
}

int xsconn_rm(struct xsconn *c, xs_transaction_t t, const char *fmt, ...)
{
	char path[XS_PATH_MAX];
	int err;

	PATH_FROM(path, err, fmt);
	if (err)
		return err;
	errno = 0;
	if (xs_rm(c->xs, t, path) || errno == ENOENT)
		return 0;
	return conn_error(c);
}

int xsconn_mkdir(struct xsconn *c, xs_transaction_t t, const char *path, const struct xs_permissions *perms,
		 unsigned int nr_perms)
{
	errno = 0;
	if (!xs_mkdir(c->xs, t, path) ||
	    !xs_set_permissions(c->xs, t, path, (struct xs_permissions *)perms, nr_perms))
		return conn_error(c);
	return 0;
}

char **xsconn_list(struct xsconn *c, xs_transaction_t t, unsigned int *nr, const char *fmt, ...)
{
	char path[XS_PATH_MAX];
	char **list;
	int err;

	PATH_FROM(path, err, fmt);
	if (err) {
		errno = -err;
		return NULL;
	}
	errno = 0;
	list = xs_directory(c->xs, t, path, nr);
	if (!list)
		errno = -conn_error(c);
	return list;
}

int xsconn_transaction(struct xsconn *c, xsconn_body_fn body, void *arg)
{
	unsigned int try;

	for (try = 0; try < TRANSACTION_TRIES; try++) {
		xs_transaction_t t = xs_transaction_start(c->xs);
		int err;

		if (t == XBT_NULL)
			return conn_error(c);
		err = body(c, t, arg);
		if (err) {
			xs_transaction_end(c->xs, t, true);
			return err;
		}
		if (xs_transaction_end(c->xs, t, false))
			return 0;
		if (errno != EAGAIN)
			return conn_error(c);
	}
	return -EAGAIN;
}

struct xs_handle *xsconn_handle(struct xsconn *c)
{
	return c->xs;
}
