/* SPDX-License-Identifier: GPL-2.0-only */
#include "agent/daemon/answer.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uuid/uuid.h>

enum answer_kind answer_kind(const json_t *answer)
{
	if (json_is_array(json_object_get(answer, "rows")))
		return json_is_true(json_object_get(answer, "more")) ? ANSWER_MORE_ROWS : ANSWER_ROWS;
	if (json_is_object(json_object_get(answer, "progress")))
		return ANSWER_PROGRESS;
	if (json_is_true(json_object_get(answer, "ok")))
		return ANSWER_OK;
	return json_is_string(json_object_get(answer, "error")) ? ANSWER_ERROR : ANSWER_NONSENSE;
}

const char *answer_error(const json_t *answer)
{
	const char *s = json_string_value(json_object_get(answer, "error"));

	return s ? s : "kemari-syncd gave no reason";
}

static int bad(char *why, const char *key, const char *what)
{
	snprintf(why, ANSWER_WHY, "\"%s\" of kemari-syncd's answer is %s", key, what);
	return -EBADMSG;
}

/* *s is NULL when it is absent or null. */
static int text(const json_t *row, const char *key, const char **s, char *why)
{
	const json_t *v = json_object_get(row, key);

	*s = json_string_value(v);
	return v && !*s && !json_is_null(v) ? bad(why, key, "no text") : 0;
}

static int flag(const json_t *row, const char *key, bool *b, char *why)
{
	const json_t *v = json_object_get(row, key);

	*b = json_is_true(v);
	return v && !json_is_boolean(v) && !json_is_null(v) ? bad(why, key, "neither true nor false") : 0;
}

static int number(const json_t *row, const char *key, uint64_t *n, char *why)
{
	const json_t *v = json_object_get(row, key);

	*n = 0;
	if (!v || json_is_null(v))
		return 0;
	if (!json_is_integer(v) || json_integer_value(v) < 0)
		return bad(why, key, "no number");
	*n = (uint64_t)json_integer_value(v);
	return 0;
}

static int hex_number(const json_t *row, const char *key, uint64_t *n, char *why)
{
	const char *s = NULL;
	char *end;
	int rc = text(row, key, &s, why);

	*n = 0;
	if (rc || !s)
		return rc;
	if (!*s || strlen(s) > 16 || strspn(s, "0123456789abcdefABCDEF") != strlen(s))
		return bad(why, key, "no hexadecimal number");
	*n = strtoull(s, &end, 16);
	return 0;
}

/* One of the words, 0 when it is absent. */
static int word(const json_t *row, const char *key, int (*value)(const char *), uint8_t *out, char *why)
{
	const char *s = NULL;
	int rc = text(row, key, &s, why), v = s ? value(s) : 0;

	*out = 0;
	if (rc)
		return rc;
	if (v < 0)
		return bad(why, key, "an unknown word");
	*out = (uint8_t)v;
	return 0;
}

static int names(const json_t *row, struct vm_row *r, char *why)
{
	const char *vm = NULL, *peer = NULL, *uuid = NULL;
	int rc = text(row, "vm", &vm, why);

	if (!rc && (!vm || !row_vm_name_ok(vm)))
		rc = bad(why, "vm", "no VM's name");
	if (!rc)
		rc = text(row, "peer", &peer, why);
	if (!rc && peer && !row_host_name_ok(peer))
		rc = bad(why, "peer", "no host's name");
	if (!rc)
		rc = text(row, "uuid", &uuid, why);
	if (!rc && uuid && uuid_parse(uuid, r->uuid))
		rc = bad(why, "uuid", "none");
	if (rc)
		return rc;
	memcpy(r->vm, vm, strlen(vm));
	if (peer)
		memcpy(r->peer, peer, strlen(peer));
	return 0;
}

/* For people: cut to the room there is, and only what any terminal shows. */
static int state(const json_t *row, struct vm_row *r, char *why)
{
	const char *s = NULL;
	size_t i;
	int rc = text(row, "state", &s, why);

	for (i = 0; s && s[i] && i < sizeof(r->state) - 1; i++)
		r->state[i] = s[i] >= ' ' && s[i] <= '~' ? s[i] : '?';
	return rc;
}

static int words(const json_t *row, struct vm_row *r, char *why)
{
	return word(row, "role", row_role_value, &r->role, why) ?:
	       word(row, "protection", row_protection_value, &r->protection, why) ?:
	       word(row, "needs", row_needs_value, &r->needs, why) ?:
	       flag(row, "started", &r->started, why) ?:
	       flag(row, "promoted", &r->promoted, why) ?:
	       flag(row, "by_hand", &r->by_hand, why) ?:
	       flag(row, "running", &r->running, why) ?:
	       flag(row, "linked", &r->linked, why);
}

static int numbers(const json_t *row, struct vm_row *r, char *why)
{
	return hex_number(row, "g", &r->g, why) ?:
	       number(row, "epoch", &r->epoch, why) ?:
	       number(row, "lag_ms", &r->lag_ms, why) ?:
	       number(row, "pause_us", &r->pause_us, why) ?:
	       number(row, "commit_us", &r->commit_us, why);
}

int answer_row(const json_t *row, struct vm_row *r, char *why)
{
	int rc;

	memset(r, 0, sizeof(*r));
	if (!json_is_object(row))
		return bad(why, "rows", "no list of objects");
	rc = names(row, r, why);
	if (!rc)
		rc = state(row, r, why);
	if (!rc)
		rc = words(row, r, why);
	if (!rc)
		rc = numbers(row, r, why);
	if (rc)
		memset(r, 0, sizeof(*r));
	return rc;
}

int answer_rows(const json_t *answer, struct vm_row *table, unsigned int *nr, char *why)
{
	const json_t *rows = json_object_get(answer, "rows"), *row;
	size_t i;
	int rc = 0, err;

	json_array_foreach(rows, i, row) {
		if (*nr == ROW_MAX) {
			snprintf(why, ANSWER_WHY, "kemari-syncd has more than %d VMs", ROW_MAX);
			return -E2BIG;
		}
		err = answer_row(row, &table[*nr], why);
		if (err)
			rc = err;
		else if (!row_find(table, *nr, table[*nr].vm))
			++*nr;
	}
	return rc;
}

static int nibble(char c)
{
	static const char digits[] = "0123456789abcdef";
	const char *p = c ? strchr(digits, c | 0x20) : NULL;

	return p ? (int)(p - digits) : -1;
}

int answer_relay(const json_t *row, struct message_engine *e, char *why)
{
	const char *to = NULL, *data = NULL;
	size_t len, i;
	int rc;

	memset(e, 0, sizeof(*e));
	rc = text(row, "to", &to, why);
	if (!rc)
		rc = text(row, "data", &data, why);
	if (rc)
		return rc;
	if (to && !row_host_name_ok(to))
		return bad(why, "to", "no host's name");
	len = data ? strlen(data) : 0;
	if (!len || len % 2 || len / 2 > sizeof(e->data))
		return bad(why, "data", "empty, too long or not in hexadecimal");
	for (i = 0; i < len / 2; i++) {
		const int high = nibble(data[2 * i]), low = nibble(data[2 * i + 1]);

		if (high < 0 || low < 0)
			return bad(why, "data", "not in hexadecimal");
		e->data[i] = (uint8_t)(high << 4 | low);
	}
	e->len = (uint32_t)(len / 2);
	if (to)
		memcpy(e->to, to, strlen(to));
	return 0;
}

void answer_hex(const uint8_t *data, size_t len, char *out)
{
	size_t i;

	for (i = 0; i < len; i++)
		snprintf(out + 2 * i, 3, "%02x", data[i]);
	out[2 * len] = '\0';
}
