/* SPDX-License-Identifier: GPL-2.0-only */
#include "agent/resource.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "agent/client.h"
#include "lib/monotonic.h"
#include "lib/ocf.h"

#define RETRY_NS 100000000L

int resource_ocf_code(const struct control_request *req, int code)
{
	switch (code) {
	case EACCES:
		return OCF_ERR_PERM;
	case EREMOTE: /* another host has the guest and does not give it: not to be tried here again and again
		       */
		return OCF_ERR_INSTALLED;
	case EINVAL:
	case ENOENT:
	case ENODEV:
	case EEXIST:
		/* what this host lacks, another one may have */
		return req->op == CONTROL_RESOURCE_START ? OCF_ERR_INSTALLED : OCF_ERR_GENERIC;
	default:
		return OCF_ERR_GENERIC;
	}
}

/* The agent started it here: of that, a file is there as long as the host has not booted anew. */
static bool started_here(const struct kem_config *cfg, const char *vm)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s.resource", cfg->run_dir, vm);
	return !access(path, F_OK);
}

/* The connected socket, or a negative errno when nobody has listened until then. */
static int dial(const struct kem_config *cfg, uint64_t until)
{
	const struct timespec pause = { .tv_nsec = RETRY_NS };
	char path[PATH_MAX];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", cfg->run_dir, CONTROL_SOCKET);
	while ((fd = client_connect(path)) < 0 && fd != -EACCES && monotonic_ns() < until)
		nanosleep(&pause, NULL);
	return fd;
}

/* The final answer; NULL: the daemon is gone, or silent. */
static json_t *converse(int fd, const struct control_request *req, int timeout_ms)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	json_t *answer = NULL;

	if (client_send(fd, req))
		return NULL;
	while (poll(&p, 1, timeout_ms) == 1) {
		answer = client_receive(fd);
		if (!answer || json_object_get(answer, "ok") || json_object_get(answer, "error"))
			break;
		json_decref(answer);
		answer = NULL;
	}
	return answer;
}

static int conclude(const struct control_request *req, const json_t *answer)
{
	const char *why = json_string_value(json_object_get(answer, "error"));
	const char *fix = json_string_value(json_object_get(answer, "fix"));
	const char *reason = json_string_value(json_object_get(answer, "reason"));

	if (why) {
		fprintf(stderr, "%s%s%s\n", why, fix ? "; " : "", fix ? fix : "");
		return resource_ocf_code(req, (int)json_integer_value(json_object_get(answer, "code")));
	}
	if (req->op != CONTROL_RESOURCE_MONITOR)
		return OCF_SUCCESS;
	if (reason)
		puts(reason);
	return (int)json_integer_value(json_object_get(answer, "ocf"));
}

int resource_action(const struct kem_config *cfg, const struct control_request *req)
{
	bool short_one = req->op == CONTROL_RESOURCE_MONITOR || req->op == CONTROL_RESOURCE_DEMOTE;
	int timeout_ms = short_one ? RESOURCE_GRACE_S * 1000 : req->timeout ? (int)req->timeout * 1000 : -1;
	uint64_t grace = RESOURCE_GRACE_S * 1000000000ULL, begin = monotonic_ns(), until = begin + grace;
	uint64_t end = begin + (req->timeout ? req->timeout * 1000000000ULL : grace);
	struct control_request again = *req;
	json_t *answer;
	int fd, rc;

	/* A host that never started it needs no daemon to say so. */
	if ((req->op == CONTROL_RESOURCE_MONITOR || req->op == CONTROL_RESOURCE_STOP) &&
	    !started_here(cfg, req->vm))
		return req->op == CONTROL_RESOURCE_STOP ? OCF_SUCCESS : OCF_NOT_RUNNING;
	do {
		fd = dial(cfg, until);
		if (fd < 0) {
			fprintf(stderr, "kemari-syncd does not answer: %s; systemctl status kemari-syncd\n",
				strerror(-fd));
			return fd == -EACCES ? OCF_ERR_PERM : OCF_ERR_GENERIC;
		}
		answer = converse(fd, &again, timeout_ms);
		close(fd);
		/* it went away meanwhile: its successor has what is left of the time */
		until = monotonic_ns() + grace < end ? monotonic_ns() + grace : end;
		if (req->timeout && monotonic_ns() < end)
			again.timeout = (uint32_t)((end - monotonic_ns()) / 1000000000ULL) + 1;
	} while (!answer && monotonic_ns() < until);
	if (!answer) {
		fprintf(stderr, "kemari-syncd gives no answer; journalctl -u kemari-syncd\n");
		return OCF_ERR_GENERIC;
	}
	rc = conclude(req, answer);
	json_decref(answer);
	return rc;
}
