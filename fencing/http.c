/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fencing/http.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <curl/curl.h>

#include "fencing/options.h"

#define ANSWER_MAX (1U << 20)
#define URL_MAX (FENCE_STR * 3)

struct http {
	const struct fence_options *o;
	CURL *curl;
	struct curl_slist *headers;
	char *answer;
	size_t len;
	char error[CURL_ERROR_SIZE];
};

static size_t on_data(char *data, size_t size, size_t n, void *arg)
{
	struct http *h = arg;
	size_t len = size * n;

	if (len > ANSWER_MAX - h->len)
		return 0; /* ends the transfer */
	memcpy(h->answer + h->len, data, len);
	h->len += len;
	return len;
}

static bool set_tls(struct http *h)
{
	const struct fence_options *o = h->o;
	bool ok = !curl_easy_setopt(h->curl, CURLOPT_PROTOCOLS_STR, "https") &&
		  !curl_easy_setopt(h->curl, CURLOPT_REDIR_PROTOCOLS_STR, "https");

	if (o->ssl_ca[0])
		/* instead of what this host trusts otherwise */
		ok = ok && !curl_easy_setopt(h->curl, CURLOPT_CAINFO, o->ssl_ca) &&
		     !curl_easy_setopt(h->curl, CURLOPT_CAPATH, NULL);
	if (o->ssl_pin[0]) {
		/* the key is known: who signed it, and for which name, adds nothing */
		ok = ok && !curl_easy_setopt(h->curl, CURLOPT_PINNEDPUBLICKEY, o->ssl_pin) &&
		     !curl_easy_setopt(h->curl, CURLOPT_SSL_VERIFYPEER, 0L) &&
		     !curl_easy_setopt(h->curl, CURLOPT_SSL_VERIFYHOST, 0L);
	}
	return ok;
}

static bool set_up(struct http *h)
{
	const struct fence_options *o = h->o;

	h->headers = curl_slist_append(NULL, "Content-Type: application/json");
	return h->headers && set_tls(h) && !curl_easy_setopt(h->curl, CURLOPT_HTTPHEADER, h->headers) &&
	       !curl_easy_setopt(h->curl, CURLOPT_WRITEFUNCTION, on_data) &&
	       !curl_easy_setopt(h->curl, CURLOPT_WRITEDATA, h) &&
	       !curl_easy_setopt(h->curl, CURLOPT_ERRORBUFFER, h->error) &&
	       !curl_easy_setopt(h->curl, CURLOPT_NOSIGNAL, 1L) &&
	       !curl_easy_setopt(h->curl, CURLOPT_PROXY, "") &&
	       !curl_easy_setopt(h->curl, CURLOPT_TIMEOUT, (long)o->login_timeout) &&
	       /* a BMC may add or want a slash at the end of a path */
	       !curl_easy_setopt(h->curl, CURLOPT_FOLLOWLOCATION, 1L) &&
	       !curl_easy_setopt(h->curl, CURLOPT_MAXREDIRS, 3L) &&
	       !curl_easy_setopt(h->curl, CURLOPT_HTTPAUTH, CURLAUTH_BASIC) &&
	       !curl_easy_setopt(h->curl, CURLOPT_USERNAME, o->user) &&
	       !curl_easy_setopt(h->curl, CURLOPT_PASSWORD, o->password);
}

int http_open(const struct fence_options *o, struct http **out, char *why, size_t len)
{
	struct http *h = calloc(1, sizeof(*h));

	why[0] = '\0';
	if (!h)
		return -ENOMEM;
	h->o = o;
	h->answer = malloc(ANSWER_MAX);
	h->curl = curl_easy_init();
	if (!h->answer || !h->curl || !set_up(h)) {
		http_close(h);
		snprintf(why, len, "libcurl does not take ssl_ca, ssl_pin, or the user's name");
		return -EINVAL;
	}
	*out = h;
	return 0;
}

void http_close(struct http *h)
{
	if (!h)
		return;
	curl_easy_cleanup(h->curl);
	curl_slist_free_all(h->headers);
	free(h->answer);
	free(h);
}

static int transport_error(struct http *h, CURLcode code, char *why, size_t len)
{
	const char *said = h->error[0] ? h->error : curl_easy_strerror(code);

	snprintf(why, len, "%s: %s", h->o->ip, said);
	switch (code) {
	case CURLE_PEER_FAILED_VERIFICATION:
	case CURLE_SSL_CERTPROBLEM:
	case CURLE_SSL_CACERT_BADFILE:
		snprintf(why, len,
			 "%s: its certificate is not trusted (%s); give ssl_ca, or ssl_pin of its key",
			 h->o->ip, said);
		return -EACCES;
	case CURLE_SSL_PINNEDPUBKEYNOTMATCH:
		snprintf(why, len, "%s: it has another key than ssl_pin says", h->o->ip);
		return -EACCES;
	case CURLE_WRITE_ERROR:
		snprintf(why, len, "%s: an answer of more than %u bytes", h->o->ip, ANSWER_MAX);
		return -EPROTO;
	case CURLE_OPERATION_TIMEDOUT:
		return -ETIMEDOUT;
	case CURLE_COULDNT_RESOLVE_HOST:
	case CURLE_COULDNT_CONNECT:
		return -EHOSTUNREACH;
	default:
		return -EPROTO;
	}
}

/* The BMC's own words: DSP0266, 8.6 "Error responses". */
static const char *words_of(const json_t *answer)
{
	const json_t *error = json_object_get(answer, "error");
	const json_t *first = json_array_get(json_object_get(error, "@Message.ExtendedInfo"), 0);
	const json_t *text = json_object_get(first, "Message");

	if (!json_is_string(text))
		text = json_object_get(first, "MessageId");
	if (!json_is_string(text))
		text = json_object_get(error, "message");
	return json_is_string(text) ? json_string_value(text) : "no reason given";
}

static int status_error(struct http *h, long status, const json_t *answer, char *why, size_t len)
{
	snprintf(why, len, "%s: HTTP status %ld: %s", h->o->ip, status, words_of(answer));
	switch (status) {
	case 401:
	case 403:
		return -EACCES;
	case 404:
		return -ENOENT;
	case 429:
	case 503:
		return -EBUSY;
	default:
		return -EPROTO;
	}
}

static int perform(struct http *h, const char *path, json_t **answer, char *why, size_t len)
{
	char url[URL_MAX];
	CURLcode code;
	long status = 0;
	int rc = 0;

	if (path[0] != '/' || strlen(path) >= URL_MAX - FENCE_STR - 32) {
		snprintf(why, len, "%s: it gives a path that is none", h->o->ip);
		return -EPROTO;
	}
	snprintf(url, sizeof(url), strchr(h->o->ip, ':') ? "https://[%s]:%u%s" : "https://%s:%u%s", h->o->ip,
		 h->o->port ? h->o->port : 443, path);
	h->len = 0;
	h->error[0] = '\0';
	if (curl_easy_setopt(h->curl, CURLOPT_URL, url))
		return -ENOMEM;
	code = curl_easy_perform(h->curl);
	if (code)
		return transport_error(h, code, why, len);
	curl_easy_getinfo(h->curl, CURLINFO_RESPONSE_CODE, &status);
	*answer = json_loadb(h->answer, h->len, 0, NULL);
	if (status < 200 || status > 299)
		rc = status_error(h, status, *answer, why, len);
	return rc;
}

int http_get(struct http *h, const char *path, json_t **answer, char *why, size_t len)
{
	int rc;

	*answer = NULL;
	if (curl_easy_setopt(h->curl, CURLOPT_HTTPGET, 1L))
		return -ENOMEM;
	rc = perform(h, path, answer, why, len);
	if (!rc && !json_is_object(*answer)) {
		snprintf(why, len, "%s: its answer to %.100s is no JSON object", h->o->ip, path);
		rc = -EPROTO;
	}
	if (rc) {
		json_decref(*answer);
		*answer = NULL;
	}
	return rc;
}

int http_post(struct http *h, const char *path, const json_t *body, char *why, size_t len)
{
	char *text = json_dumps(body, JSON_COMPACT);
	json_t *answer = NULL;
	int rc = -ENOMEM;

	/* COPYPOSTFIELDS makes it a POST */
	if (text && !curl_easy_setopt(h->curl, CURLOPT_COPYPOSTFIELDS, text))
		rc = perform(h, path, &answer, why, len);
	json_decref(answer);
	free(text);
	return rc;
}
