/* SPDX-License-Identifier: GPL-2.0-only */
#include "xenstore/xswire.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

#include <xen/io/xs_wire.h>

#include "lib/log.h"

struct xswire {
	int fd; /* -1: closed */
	struct sockaddr_un sun;
};

static void disconnect(struct xswire *w)
{
	if (w->fd >= 0)
		close(w->fd);
	w->fd = -1;
}

static int reconnect(struct xswire *w)
{
	struct timeval tv = { .tv_sec = XSWIRE_TIMEOUT_MS / 1000,
			      .tv_usec = XSWIRE_TIMEOUT_MS % 1000 * 1000 };
	int err;

	if (w->fd >= 0)
		return 0;
	w->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (w->fd < 0)
		return -errno;
	if (setsockopt(w->fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv)) ||
	    setsockopt(w->fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv)) ||
	    connect(w->fd, (struct sockaddr *)&w->sun, sizeof(w->sun))) {
		err = -errno;
		disconnect(w);
		return err;
	}
	return 0;
}

static int io_error(void)
{
	return errno == EAGAIN || errno == EWOULDBLOCK ? -ETIMEDOUT : -errno;
}

static int send_all(struct xswire *w, const void *buf, size_t len)
{
	const char *p = buf;

	while (len) {
		ssize_t n = send(w->fd, p, len, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return io_error();
		p += n;
		len -= n;
	}
	return 0;
}

static int recv_all(struct xswire *w, void *buf, size_t len)
{
	char *p = buf;

	while (len) {
		ssize_t n = recv(w->fd, p, len, 0);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return io_error();
		if (!n)
			return -EPIPE;
		p += n;
		len -= n;
	}
	return 0;
}

static int send_request(struct xswire *w, uint32_t type, uint32_t req_id, const char *body, size_t len)
{
	struct {
		struct xsd_sockmsg hdr;
		char body[XENSTORE_PAYLOAD_MAX];
	} msg;

	if (len > sizeof(msg.body))
		return -E2BIG;
	msg.hdr = (struct xsd_sockmsg){ .type = type, .req_id = req_id, .len = len };
	memcpy(msg.body, body, len);
	return send_all(w, &msg, sizeof(msg.hdr) + len);
}

static int error_number(const char *name)
{
	size_t i;

	for (i = 0; i < sizeof(xsd_errors) / sizeof(xsd_errors[0]); i++)
		if (!strcmp(name, xsd_errors[i].errstring))
			return -xsd_errors[i].errnum;
	return -EINVAL;
}

/* One reply to (type, req_id).  *err: what xenstored says; return: whether the connection is sound. */
static int recv_reply(struct xswire *w, uint32_t type, uint32_t req_id, char **reply, size_t *len, int *err)
{
	struct xsd_sockmsg hdr;
	char *body;
	int rc = recv_all(w, &hdr, sizeof(hdr));

	if (rc)
		return rc;
	if (hdr.len > XSWIRE_MAX_REPLY || hdr.req_id != req_id || (hdr.type != type && hdr.type != XS_ERROR))
		return -EPROTO;
	body = malloc(hdr.len + 1);
	if (!body)
		return -ENOMEM;
	rc = recv_all(w, body, hdr.len);
	if (rc) {
		free(body);
		return rc;
	}
	body[hdr.len] = '\0';
	if (hdr.type == XS_ERROR) {
		*err = error_number(body);
		free(body);
		return 0;
	}
	*err = 0;
	*reply = body;
	*len = hdr.len;
	return 0;
}

int xswire_batch(struct xswire *w, struct xswire_req *req, unsigned int nr)
{
	unsigned int sent = 0, got = 0;
	int err;

	for (sent = 0; sent < nr; sent++)
		req[sent].reply = NULL;
	err = reconnect(w);
	for (sent = 0; !err && got < nr;) {
		if (sent < nr && sent - got < XSWIRE_WINDOW) {
			err = send_request(w, req[sent].type, sent, req[sent].path,
					   strlen(req[sent].path) + 1);
			sent++;
			continue;
		}
		err = recv_reply(w, req[got].type, got, &req[got].reply, &req[got].len, &req[got].err);
		got++;
	}
	if (!err)
		return 0;
	disconnect(w);
	while (got) {
		free(req[--got].reply);
		req[got].reply = NULL;
	}
	return err;
}

int xswire_control(struct xswire *w, const char *const *argv, unsigned int nr, char **reply, size_t *len)
{
	char body[256];
	size_t used = 0;
	unsigned int i;
	int err, answer = 0;

	for (i = 0; i < nr; i++) {
		size_t n = strlen(argv[i]) + 1;

		if (n > sizeof(body) - used)
			return -E2BIG;
		memcpy(body + used, argv[i], n);
		used += n;
	}
	err = reconnect(w);
	if (!err)
		err = send_request(w, XS_CONTROL, 0, body, used);
	if (!err)
		err = recv_reply(w, XS_CONTROL, 0, reply, len, &answer);
	if (err) {
		disconnect(w);
		return err;
	}
	return answer;
}

/* Both commands must be there, and the second in the form that tree_read.c reads. */
static int probe(struct xswire *w)
{
	static const char *const watches[] = { "watches" }, *const xenbus[] = { "xenbus", "0" };
	char *reply;
	size_t len;
	int err = xswire_control(w, watches, 1, &reply, &len);

	if (err)
		return err;
	free(reply);
	err = xswire_control(w, xenbus, 2, &reply, &len);
	if (err)
		return err;
	if (!strstr(reply, "partial_in: ") || !strstr(reply, "pending events total: "))
		err = -EINVAL;
	free(reply);
	return err;
}

int xswire_open(const char *path, struct xswire **out)
{
	struct xswire *w;
	int err;

	if (!path)
		path = XSWIRE_SOCKET;
	if (strlen(path) >= sizeof(w->sun.sun_path))
		return -ENAMETOOLONG;
	w = calloc(1, sizeof(*w));
	if (!w)
		return -ENOMEM;
	w->fd = -1;
	w->sun.sun_family = AF_UNIX;
	snprintf(w->sun.sun_path, sizeof(w->sun.sun_path), "%s", path);
	err = probe(w);
	if (!err) {
		*out = w;
		return 0;
	}
	if (err == -EINVAL) {
		kem_err("xenstored does not know the commands \"watches\" and \"xenbus\": Kemari needs the "
			"oxenstored of "
			"Xen 4.17 (XENSTORED=oxenstored in /etc/default/xen)");
		err = -EOPNOTSUPP;
	} else {
		kem_err("xenstored: %s: %s", path, strerror(-err));
	}
	xswire_close(w);
	return err;
}

void xswire_close(struct xswire *w)
{
	if (!w)
		return;
	disconnect(w);
	free(w);
}
