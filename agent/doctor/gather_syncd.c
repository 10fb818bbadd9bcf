/* SPDX-License-Identifier: GPL-2.0-only */
/* kemari-syncd's rows of status, asked by a job: it may be stopped. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "agent/client.h"
#include "agent/doctor/gather.h"

static void take_text(const json_t *row, const char *key, char *out, size_t cap)
{
	const char *s = json_string_value(json_object_get(row, key));

	snprintf(out, cap, "%s", s ? s : "");
}

static void take_row(const json_t *row, struct facts *f)
{
	const char *name = json_string_value(json_object_get(row, "vm"));
	struct fact_vm *vm = name ? gather_vm(f, name, FACT_OF_SYNCD) : NULL;

	if (!vm)
		return;
	take_text(row, "role", vm->role, sizeof(vm->role));
	take_text(row, "state", vm->state, sizeof(vm->state));
	take_text(row, "protection", vm->protection, sizeof(vm->protection));
	take_text(row, "needs", vm->needs, sizeof(vm->needs));
	take_text(row, "peer", vm->peer, sizeof(vm->peer));
	take_text(row, "reason", vm->reason, sizeof(vm->reason));
	vm->started = json_is_true(json_object_get(row, "started"));
	vm->linked = json_is_true(json_object_get(row, "linked"));
}

/* False: more will come. */
static bool take_answer(const char *text, size_t len, struct facts *f)
{
	json_t *answer = json_loadb(text, len, 0, NULL), *row;
	const json_t *rows = json_object_get(answer, "rows");
	const char *error = json_string_value(json_object_get(answer, "error"));
	size_t i;

	if (json_is_array(rows))
		json_array_foreach(rows, i, row)
			take_row(row, f);
	else if (json_is_true(json_object_get(answer, "ok")))
		f->syncd.seen = true;
	else
		snprintf(f->syncd.why, sizeof(f->syncd.why), "%s",
			 error ? error : "it gives an answer that is none");
	json_decref(answer);
	return !rows;
}

/* Each answer becomes a line; the exit status is an errno. */
int gather_syncd_job(int out, const void *arg)
{
	const struct control_request r = { .op = CONTROL_STATUS };
	int fd = client_connect(arg), rc;
	bool last = false;

	if (fd < 0)
		return -fd;
	rc = client_send(fd, &r);
	if (rc)
		return -rc;
	while (!last) {
		json_t *answer = client_receive(fd);

		if (!answer)
			return errno;
		last = !json_object_get(answer, "rows");
		rc = json_dumpfd(answer, out, JSON_COMPACT);
		json_decref(answer);
		if (rc || write(out, "\n", 1) != 1)
			return EIO;
	}
	close(fd);
	return 0;
}

void gather_syncd(const struct job *j, struct facts *f)
{
	const char *p = j->out.text;

	if (!job_done(j) || !p) {
		snprintf(f->syncd.why, sizeof(f->syncd.why), "%s",
			 strerror(j->late	  ? ETIMEDOUT
				  : j->status > 0 ? j->status
						  : EIO));
		return;
	}
	while (*p) {
		size_t len = strcspn(p, "\n");

		if (take_answer(p, len, f))
			return;
		p += len + !!p[len];
	}
	snprintf(f->syncd.why, sizeof(f->syncd.why), "it gives no answer");
}
