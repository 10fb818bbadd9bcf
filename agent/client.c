/* SPDX-License-Identifier: GPL-2.0-only */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "agent/client.h"

int client_connect(const char *path)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd, rc;

	if ((size_t)snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", path) >= sizeof(addr.sun_path))
		return -ENAMETOOLONG;
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (connect(fd, (struct sockaddr *)&addr, sizeof(addr))) {
		rc = -errno;
		close(fd);
		return rc;
	}
	return fd;
}

char *client_request_text(const struct control_request *r)
{
	json_t *o = json_pack("{s:s}", "op", control_op_name(r->op));
	char *text;

	if (r->vm[0])
		json_object_set_new(o, "vm", json_string(r->vm));
	if (r->host[0])
		json_object_set_new(o, "host", json_string(r->host));
	if (r->config[0])
		json_object_set_new(o, "config", json_string(r->config));
	if (r->standby_is_gone)
		json_object_set_new(o, "standby_is_gone", json_true());
	if (r->primary_is_off)
		json_object_set_new(o, "primary_is_off", json_true());
	if (r->last_copy)
		json_object_set_new(o, "last_copy", json_true());
	if (r->peer_is_off)
		json_object_set_new(o, "peer_is_off", json_true());
	if (r->watch)
		json_object_set_new(o, "watch", json_true());
	if (r->taps)
		json_object_set_new(o, "taps", json_true());
	if (r->recent)
		json_object_set_new(o, "recent", json_true());
	if (r->epochs)
		json_object_set_new(o, "epochs", json_integer(r->epochs));
	if (r->timeout)
		json_object_set_new(o, "timeout", json_integer(r->timeout));
	text = json_dumps(o, JSON_COMPACT);
	json_decref(o);
	return text;
}

int client_send(int fd, const struct control_request *r)
{
	char *text = client_request_text(r);
	int rc = 0;

	if (!text)
		return -EINVAL;
	if (send(fd, text, strlen(text), MSG_NOSIGNAL) < 0)
		rc = -errno;
	free(text);
	return rc;
}

json_t *client_receive(int fd)
{
	char *text = malloc(CONTROL_MSG_MAX);
	json_t *answer = NULL;
	ssize_t n = -1;

	if (!text)
		return NULL;
	do
		n = recv(fd, text, CONTROL_MSG_MAX, 0);
	while (n < 0 && errno == EINTR);
	if (n == 0)
		errno = ECONNRESET;
	if (n > 0) {
		answer = json_loadb(text, n, 0, NULL);
		if (!json_is_object(answer)) {
			json_decref(answer);
			answer = NULL;
			errno = EBADMSG;
		}
	}
	free(text);
	return answer;
}
