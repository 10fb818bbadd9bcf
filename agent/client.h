/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The client's end of the control socket (syncd/control/control.h): one request, its answers.
 */
#ifndef KEMARI_AGENT_CLIENT_H
#define KEMARI_AGENT_CLIENT_H

#include <jansson.h>

#include "syncd/control/control.h"

/* Returns the connected descriptor, or a negative errno. */
int client_connect(const char *path);

/* r as the JSON text that the server parses; malloc'd. */
char *client_request_text(const struct control_request *r);

/* Sends r. 0 or a negative errno. */
int client_send(int fd, const struct control_request *r);

/* Waits for the next answer, an object. NULL: the server is gone, or what came is not an answer (errno says).
 */
json_t *client_receive(int fd);

#endif /* KEMARI_AGENT_CLIENT_H */
