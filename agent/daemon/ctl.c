/* SPDX-License-Identifier: GPL-2.0-only */
#include "agent/daemon/ctl.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <qb/qbloop.h>

#include "syncd/control/control.h"

struct ctl {
	struct qb_loop *loop;
	const struct ctl_ops *ops;
	void *arg;
	int fd;
	bool listening; /* fd is on the loop */
	char text[CONTROL_MSG_MAX];
};

static void go_down(struct ctl *c, int err)
{
	qb_loop_poll_del(c->loop, c->fd);
	c->listening = false;
	c->ops->down(c->arg, err); /* c may be gone */
}

/* One packet a turn: after a callback c may be gone. */
static int on_readable(int32_t fd, int32_t revents, void *arg)
{
	struct ctl *c = arg;
	json_t *answer;
	ssize_t n = recv(fd, c->text, sizeof(c->text), MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (n <= 0) {
		go_down(c, n ? -errno : -ECONNRESET);
		return 0;
	}
	answer = json_loadb(c->text, (size_t)n, 0, NULL);
	if (json_is_object(answer))
		c->ops->answer(c->arg, answer);
	else
		go_down(c, -EBADMSG);
	json_decref(answer);
	return 0;
}

int ctl_open(struct qb_loop *loop, const char *path, const struct ctl_ops *ops, void *arg, struct ctl **out)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	struct ctl *c;
	int rc;

	if ((size_t)snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", path) >= sizeof(addr.sun_path))
		return -ENAMETOOLONG;
	c = calloc(1, sizeof(*c));
	if (!c)
		return -ENOMEM;
	c->loop = loop;
	c->ops = ops;
	c->arg = arg;
	c->fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	rc = c->fd < 0 ? -errno : 0;
	if (!rc && connect(c->fd, (struct sockaddr *)&addr, sizeof(addr)))
		rc = -errno;
	if (!rc)
		rc = qb_loop_poll_add(loop, QB_LOOP_MED, c->fd, POLLIN, c, on_readable);
	if (rc) {
		ctl_close(c);
		return rc;
	}
	c->listening = true;
	*out = c;
	return 0;
}

void ctl_close(struct ctl *c)
{
	if (!c)
		return;
	if (c->listening)
		qb_loop_poll_del(c->loop, c->fd);
	if (c->fd >= 0)
		close(c->fd);
	free(c);
}

int ctl_send(struct ctl *c, json_t *request)
{
	char *text = json_dumps(request, JSON_COMPACT);
	int rc = text ? 0 : -EINVAL;

	if (!rc && send(c->fd, text, strlen(text), MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
		rc = -errno;
	free(text);
	json_decref(request);
	return rc;
}
