/* SPDX-License-Identifier: GPL-2.0-only */
#include "agent/follow.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "agent/client.h"
#include "lib/monotonic.h"

static bool is_promoted(const json_t *rows, const char *vm)
{
	const json_t *row;
	size_t i;

	json_array_foreach(rows, i, row) {
		const char *name = json_string_value(json_object_get(row, "vm"));

		if (name && !strcmp(name, vm))
			return json_is_true(json_object_get(row, "started")) &&
			       json_is_true(json_object_get(row, "promoted"));
	}
	return false;
}

static int watch(int fd, const char *vm)
{
	const uint64_t end = monotonic_ns() + FOLLOW_TIMEOUT_S * 1000000000ULL;
	struct pollfd p = { .fd = fd, .events = POLLIN };
	bool promoted = false;
	uint64_t now;

	while ((now = monotonic_ns()) < end) {
		json_t *answer, *rows;
		bool whole;

		if (poll(&p, 1, (int)((end - now) / 1000000) + 1) != 1)
			continue;
		answer = client_receive(fd);
		if (!answer)
			return -ECONNRESET;
		rows = json_object_get(answer, "rows");
		promoted = promoted || is_promoted(rows, vm);
		whole = rows && !json_is_true(json_object_get(answer, "more"));
		json_decref(answer);
		if (whole && !promoted)
			return 0;
		promoted =
			promoted && !whole; /* a table comes each second, in several packets if it is long */
	}
	return -ETIMEDOUT;
}

int follow_cluster(const char *path, const char *vm)
{
	/* of all VMs: of one alone what becomes of it under the cluster manager is not told */
	const struct control_request req = { .op = CONTROL_STATUS, .watch = true };
	int fd = client_connect(path), rc;

	if (fd < 0)
		return fd;
	rc = client_send(fd, &req);
	if (!rc)
		rc = watch(fd, vm);
	close(fd);
	return rc;
}
