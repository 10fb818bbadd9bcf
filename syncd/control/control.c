/* SPDX-License-Identifier: GPL-2.0-only */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <qb/qbloop.h>

#include "lib/log.h"
#include "syncd/control/control.h"

#define CLIENTS_MAX 64
#define BACKLOG 16
#define GROUPS_MAX 256
/* Answers that a client has not read yet; beyond it the client is cut off. */
#define QUEUE_MAX (4U << 20)
#define REASON_MAX 256

/* One packet that the socket did not take yet. */
struct packet {
	STAILQ_ENTRY(packet) link;
	size_t len;
	char text[];
};

struct connection {
	LIST_ENTRY(connection) link;
	struct control *srv;
	int fd;
	struct control_client *open; /* of the request being worked on */
	bool broken;		     /* shut down; the loop's next look at it frees it */
	bool watching;
	enum control_op watch_op;
	char watch_vm[CONTROL_VM_MAX];
	STAILQ_HEAD(packets, packet) queue;
	size_t queued; /* bytes */
};

struct control_client {
	struct connection *conn; /* NULL: gone */
	struct control_request r;
};

struct control {
	struct qb_loop *loop;
	struct control_handlers h;
	void *ctx;
	int fd;
	char path[sizeof(((struct sockaddr_un *)0)->sun_path)];
	bool has_group;
	gid_t group;
	const char *daemon;
	unsigned int nr_clients;
	LIST_HEAD(connections, connection) clients;
};

/* ---- sending ---- */

/* The connection itself goes when the loop sees the hangup: callers may still hold it. */
static void break_off(struct connection *conn)
{
	conn->broken = true;
	shutdown(conn->fd, SHUT_RDWR);
}

static int on_client(int fd, int revents, void *data);

static void want_write(struct connection *conn, bool on)
{
	qb_loop_poll_mod(conn->srv->loop, QB_LOOP_LOW, conn->fd, on ? POLLIN | POLLOUT : POLLIN, conn,
			 on_client);
}

static void enqueue(struct connection *conn, const char *text, size_t len)
{
	struct packet *p = NULL;

	if (conn->queued + len <= QUEUE_MAX)
		p = malloc(sizeof(*p) + len);
	if (!p) {
		kem_warn("control: a client does not read its answers, it is disconnected");
		break_off(conn);
		return;
	}
	p->len = len;
	memcpy(p->text, text, len);
	if (STAILQ_EMPTY(&conn->queue))
		want_write(conn, true);
	STAILQ_INSERT_TAIL(&conn->queue, p, link);
	conn->queued += len;
}

static void flush(struct connection *conn)
{
	struct packet *p;

	while ((p = STAILQ_FIRST(&conn->queue))) {
		if (send(conn->fd, p->text, p->len, MSG_DONTWAIT | MSG_NOSIGNAL) < 0) {
			if (errno != EAGAIN && errno != EINTR)
				break_off(conn);
			return;
		}
		STAILQ_REMOVE_HEAD(&conn->queue, link);
		conn->queued -= p->len;
		free(p);
	}
	want_write(conn, false);
}

/* Sends object, whose reference it takes.  may_drop: better lost than queued. */
static void send_object(struct connection *conn, json_t *object, bool may_drop)
{
	char *text = NULL;
	size_t len;

	if (conn->broken || (may_drop && !STAILQ_EMPTY(&conn->queue)))
		goto out;
	text = json_dumps(object, JSON_COMPACT);
	len = text ? strlen(text) : 0;
	if (!len || len > CONTROL_MSG_MAX) {
		kem_err("control: an answer of %zu bytes cannot be sent, its client is disconnected", len);
		break_off(conn);
		goto out;
	}
	if (STAILQ_EMPTY(&conn->queue)) {
		if (send(conn->fd, text, len, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0)
			goto out;
		if (errno != EAGAIN && errno != EINTR) {
			break_off(conn);
			goto out;
		}
		if (may_drop)
			goto out;
	}
	enqueue(conn, text, len);
out:
	free(text);
	json_decref(object);
}

/* Sends rows (borrowed) in as many packets as they need; all but the last have "more". */
static void send_rows(struct connection *conn, const json_t *rows)
{
	const size_t room = CONTROL_MSG_MAX - 64; /* {"rows":[],"more":true} around them */
	json_t *part = json_array(), *row;
	size_t i, used = 0;

	json_array_foreach(rows, i, row) {
		size_t len = json_dumpb(row, NULL, 0, JSON_COMPACT) + 1;

		if (used && used + len > room) {
			send_object(conn, json_pack("{s:o, s:b}", "rows", part, "more", 1), false);
			part = json_array();
			used = 0;
		}
		json_array_append(part, row);
		used += len;
	}
	send_object(conn, json_pack("{s:o}", "rows", part), false);
}

static void send_error(struct connection *conn, int code, const char *why, const char *fix)
{
	send_object(conn, json_pack("{s:s, s:s*, s:i}", "error", why, "fix", fix, "code", code), false);
}

/* ---- answers ---- */

static void client_free(struct control_client *c)
{
	if (c->conn)
		c->conn->open = NULL;
	free(c);
}

bool control_gone(const struct control_client *c)
{
	return !c->conn || c->conn->broken;
}

void control_progress(struct control_client *c, json_t *progress)
{
	if (c->conn)
		send_object(c->conn, json_pack("{s:o}", "progress", progress), true);
	else
		json_decref(progress);
}

void control_rows(struct control_client *c, json_t *rows)
{
	if (c->conn)
		send_rows(c->conn, rows);
	json_decref(rows);
}

void control_done(struct control_client *c, json_t *extra)
{
	json_t *answer;

	if (c->conn) {
		answer = json_pack("{s:b}", "ok", 1);
		if (extra)
			json_object_update_missing(answer, extra);
		send_object(c->conn, answer, false);
	}
	json_decref(extra);
	client_free(c);
}

void control_fail(struct control_client *c, int code, const char *why, const char *fix)
{
	if (c->conn)
		send_error(c->conn, code, why, fix);
	client_free(c);
}

/* ---- subscribers ---- */

void control_watch(struct control_client *c)
{
	struct connection *conn = c->conn;

	if (conn) {
		conn->watching = true;
		conn->watch_op = c->r.op;
		snprintf(conn->watch_vm, sizeof(conn->watch_vm), "%s", c->r.vm);
	}
	client_free(c);
}

static bool wants(const struct connection *conn, enum control_op op, const char *vm)
{
	return conn->watching && !conn->broken && conn->watch_op == op && !strcmp(conn->watch_vm, vm);
}

bool control_watched(const struct control *srv, enum control_op op, const char *vm)
{
	const struct connection *conn;

	LIST_FOREACH(conn, &srv->clients, link) {
		if (wants(conn, op, vm))
			return true;
	}
	return false;
}

void control_publish(struct control *srv, enum control_op op, const char *vm, json_t *rows)
{
	struct connection *conn;

	LIST_FOREACH(conn, &srv->clients, link) {
		if (wants(conn, op, vm))
			send_rows(conn, rows);
	}
	json_decref(rows);
}

/* ---- connections ---- */

static void connection_free(struct connection *conn)
{
	struct packet *p;

	if (conn->open)
		conn->open->conn = NULL;
	qb_loop_poll_del(conn->srv->loop, conn->fd);
	close(conn->fd);
	while ((p = STAILQ_FIRST(&conn->queue))) {
		STAILQ_REMOVE_HEAD(&conn->queue, link);
		free(p);
	}
	conn->srv->nr_clients--;
	LIST_REMOVE(conn, link);
	free(conn);
}

static void on_request(struct connection *conn, const char *text, size_t len)
{
	struct control *srv = conn->srv;
	char why[REASON_MAX], fix[REASON_MAX];
	struct control_client *c;
	int rc;

	if (conn->open || conn->watching) {
		send_error(conn, EBUSY, "a request of this connection is still open",
			   "wait for its last answer, or open another connection");
		break_off(conn);
		return;
	}
	c = calloc(1, sizeof(*c));
	if (!c) {
		break_off(conn);
		return;
	}
	rc = control_request_parse(text, len, &c->r, why, sizeof(why), fix, sizeof(fix));
	if (rc) {
		free(c);
		send_error(conn, -rc, why, fix);
		return;
	}
	c->conn = conn;
	conn->open = c;
	srv->h.request(srv->ctx, c, &c->r);
}

static int on_client(int fd, int revents, void *data)
{
	struct connection *conn = data;
	char text[CONTROL_MSG_MAX + 1];
	ssize_t n;

	if (!conn->broken && (revents & POLLOUT))
		flush(conn);
	if (!conn->broken && (revents & POLLIN)) {
		/* MSG_TRUNC: the packet's own length, so that one byte too many shows as too long. */
		n = recv(fd, text, sizeof(text), MSG_DONTWAIT | MSG_TRUNC);
		if (n > 0)
			on_request(conn, text, n);
		else if (n == 0 || (errno != EAGAIN && errno != EINTR))
			conn->broken = true;
	} else if (revents & (POLLHUP | POLLERR | POLLNVAL)) {
		conn->broken = true;
	}
	if (conn->broken)
		connection_free(conn);
	return 0;
}

/* ---- who may connect ---- */

static bool in_group(int fd, gid_t primary, gid_t wanted)
{
	gid_t groups[GROUPS_MAX];
	socklen_t len = sizeof(groups);
	size_t i;

	if (primary == wanted)
		return true;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &len))
		return false;
	for (i = 0; i < len / sizeof(groups[0]); i++) {
		if (groups[i] == wanted)
			return true;
	}
	return false;
}

static bool may_connect(const struct control *srv, int fd)
{
	struct ucred cred;
	socklen_t len = sizeof(cred);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len))
		return false;
	if (cred.uid == 0 || cred.uid == geteuid())
		return true;
	if (srv->has_group && in_group(fd, cred.gid, srv->group))
		return true;
	kem_warn("control: uid %u, process %d was refused", cred.uid, cred.pid);
	return false;
}

/* why: without the daemon's name at its end. */
static void refuse_client(const struct control *srv, int fd, int code, const char *why, const char *fix)
{
	json_t *answer = json_pack("{s:o, s:s, s:i}", "error", json_sprintf("%s %s", why, srv->daemon), "fix",
				   fix, "code", code);
	char *text = json_dumps(answer, JSON_COMPACT);

	if (text)
		send(fd, text, strlen(text), MSG_DONTWAIT | MSG_NOSIGNAL);
	free(text);
	json_decref(answer);
	close(fd);
}

static void add_client(struct control *srv, int fd)
{
	struct connection *conn = calloc(1, sizeof(*conn));

	if (!conn)
		goto fail;
	conn->srv = srv;
	conn->fd = fd;
	STAILQ_INIT(&conn->queue);
	if (qb_loop_poll_add(srv->loop, QB_LOOP_LOW, fd, POLLIN, conn, on_client))
		goto fail;
	LIST_INSERT_HEAD(&srv->clients, conn, link);
	srv->nr_clients++;
	return;
fail:
	kem_err("control: out of memory for a client");
	free(conn);
	close(fd);
}

static int on_connect(int fd, int revents, void *data)
{
	struct control *srv = data;
	int client;

	client = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (client < 0)
		return 0;
	if (!may_connect(srv, client))
		refuse_client(srv, client, EACCES, "this user may not control",
			      "use root, or join the group that control_group names in kemari.conf");
	else if (srv->nr_clients >= CLIENTS_MAX)
		refuse_client(srv, client, EBUSY, "too many clients are served already by",
			      "end those that watch or wait, and try again");
	else
		add_client(srv, client);
	return 0;
}

/* ---- start and stop ---- */

static int find_group(struct control *srv, const char *name)
{
	struct group *g;

	if (!name || !name[0])
		return 0;
	errno = 0;
	g = getgrnam(name);
	if (!g) {
		kem_err("control_group: there is no group '%s'; make it, or take the line out of kemari.conf",
			name);
		return errno ? -errno : -ENOENT;
	}
	srv->has_group = true;
	srv->group = g->gr_gid;
	return 0;
}

/* Removes what a dead daemon left; a living one answers the connect. */
static int clear_path(const struct sockaddr_un *addr)
{
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct stat st;
	int rc = 0;

	if (fd < 0)
		return -errno;
	if (!lstat(addr->sun_path, &st) && !S_ISSOCK(st.st_mode))
		rc = -ENOTSOCK;
	else if (!connect(fd, (const struct sockaddr *)addr, sizeof(*addr)) || errno == EAGAIN)
		rc = -EADDRINUSE;
	else if (errno == ECONNREFUSED && unlink(addr->sun_path))
		rc = -errno;
	close(fd);
	return rc;
}

static int listen_at(struct control *srv)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	mode_t old;
	int rc;

	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", srv->path);
	rc = clear_path(&addr);
	if (rc)
		return rc;
	srv->fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (srv->fd < 0)
		return -errno;
	old = umask(0177);
	rc = bind(srv->fd, (struct sockaddr *)&addr, sizeof(addr)) ? -errno : 0;
	umask(old);
	if (rc)
		return rc;
	if (srv->has_group && (chown(srv->path, -1, srv->group) || chmod(srv->path, 0660)))
		goto fail;
	if (listen(srv->fd, BACKLOG))
		goto fail;
	rc = qb_loop_poll_add(srv->loop, QB_LOOP_LOW, srv->fd, POLLIN, srv, on_connect);
	if (rc)
		unlink(srv->path);
	return rc;
fail:
	rc = -errno;
	unlink(srv->path);
	return rc;
}

int control_start(struct qb_loop *loop, const struct control_handlers *h, void *ctx,
		  const struct control_options *opt, struct control **out)
{
	struct control *srv;
	int rc;

	if (strlen(opt->path) >= sizeof(srv->path)) {
		kem_err("control: %s is too long for a socket's path", opt->path);
		return -ENAMETOOLONG;
	}
	srv = calloc(1, sizeof(*srv));
	if (!srv)
		return -ENOMEM;
	srv->loop = loop;
	srv->h = *h;
	srv->ctx = ctx;
	srv->fd = -1;
	srv->daemon = opt->daemon ? opt->daemon : "kemari-syncd";
	LIST_INIT(&srv->clients);
	snprintf(srv->path, sizeof(srv->path), "%s", opt->path);
	rc = find_group(srv, opt->access_group);
	if (rc)
		goto fail;
	rc = listen_at(srv);
	if (rc) {
		kem_err("control: cannot listen at %s: %s", srv->path,
			rc == -EADDRINUSE ? "another daemon serves it" : strerror(-rc));
		goto fail;
	}
	*out = srv;
	return 0;
fail:
	if (srv->fd >= 0)
		close(srv->fd);
	free(srv);
	return rc;
}

void control_stop(struct control *srv)
{
	struct connection *conn, *next;

	if (!srv)
		return;
	for (conn = LIST_FIRST(&srv->clients); conn; conn = next) {
		next = LIST_NEXT(conn, link);
		connection_free(conn);
	}
	qb_loop_poll_del(srv->loop, srv->fd);
	unlink(srv->path);
	close(srv->fd);
	free(srv);
}
