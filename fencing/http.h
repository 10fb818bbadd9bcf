/* SPDX-License-Identifier: GPL-2.0-or-later */
/* JSON over HTTPS with one server, by libcurl: one connection, credentials with each request. */
#ifndef KEMARI_FENCING_HTTP_H
#define KEMARI_FENCING_HTTP_H

#include <stddef.h>

#include <jansson.h>

struct fence_options;
struct http;

/* Nothing goes over the network yet. -EINVAL: ssl_ca or ssl_pin is of no use, why says what. */
int http_open(const struct fence_options *o, struct http **out, char *why, size_t len);
void http_close(struct http *h); /* NULL ok */

/*
 * Gets path; *answer is the caller's, an object.  0, or: -EACCES 401 and 403, and a certificate that is not
 * trusted; -EBUSY 429 and 503; -ENOENT 404; -EPROTO any other status, and what is no JSON object or too
 * large; -EHOSTUNREACH, -ETIMEDOUT.
 */
int http_get(struct http *h, const char *path, json_t **answer, char *why, size_t len);
/* Posts body (borrowed). Errors as above; of an error's answer the server's own words are in why. */
int http_post(struct http *h, const char *path, const json_t *body, char *why, size_t len);

#endif
