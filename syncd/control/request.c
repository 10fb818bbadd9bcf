/* SPDX-License-Identifier: GPL-2.0-only */
#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "syncd/control/control.h"

enum {
	ARG_VM = 1 << 0,
	ARG_HOST = 1 << 1,
	ARG_CONFIG = 1 << 2,
	ARG_STANDBY_IS_GONE = 1 << 3,
	ARG_PRIMARY_IS_OFF = 1 << 4,
	ARG_WATCH = 1 << 5,
	ARG_EPOCHS = 1 << 6,
	ARG_RECENT = 1 << 7,
	ARG_TIMEOUT = 1 << 8,
	ARG_BOOT = 1 << 9,
	ARG_FROM = 1 << 10,
	ARG_DATA = 1 << 11,
	ARG_PEER_IS_OFF = 1 << 12,
	ARG_LAST_COPY = 1 << 13,
	ARG_WHY = 1 << 14,
	ARG_TAPS = 1 << 15,
};

/* In the order of their bits. */
static const char *const arg_names[] = {
	"vm",	"host", "config", "standby_is_gone", "primary_is_off", "watch", "epochs", "recent", "timeout",
	"boot", "from", "data",	  "peer_is_off",     "last_copy",      "why",	"taps"
};
#define NR_ARGS (sizeof(arg_names) / sizeof(arg_names[0]))

static const struct {
	const char *name;
	unsigned int needs, takes;
} ops[CONTROL_NR_OPS] = {
	[CONTROL_CREATE] = { "create", ARG_CONFIG, 0 },
	[CONTROL_PROTECT] = { "protect", ARG_VM | ARG_HOST, 0 },
	[CONTROL_UNPROTECT] = { "unprotect", ARG_VM, ARG_STANDBY_IS_GONE },
	[CONTROL_STATUS] = { "status", 0, ARG_VM | ARG_WATCH | ARG_RECENT | ARG_TAPS },
	[CONTROL_PROMOTE] = { "promote", ARG_VM, ARG_PRIMARY_IS_OFF },
	[CONTROL_SWITCHOVER] = { "switchover", ARG_VM, ARG_HOST },
	[CONTROL_VERIFY] = { "verify", ARG_VM, ARG_EPOCHS },
	[CONTROL_LOG] = { "log", ARG_VM, ARG_WATCH },
	[CONTROL_FORGET] = { "forget", ARG_VM, ARG_LAST_COPY },
	[CONTROL_COLD_START] = { "cold-start", ARG_VM, ARG_PEER_IS_OFF },
	[CONTROL_RESOURCE_START] = { "resource-start", ARG_VM | ARG_CONFIG, 0 },
	[CONTROL_RESOURCE_STOP] = { "resource-stop", ARG_VM, ARG_TIMEOUT },
	[CONTROL_RESOURCE_PROMOTE] = { "resource-promote", ARG_VM, ARG_TIMEOUT },
	[CONTROL_RESOURCE_DEMOTE] = { "resource-demote", ARG_VM, 0 },
	[CONTROL_RESOURCE_MONITOR] = { "resource-monitor", ARG_VM, 0 },
	[CONTROL_HOST_OFF] = { "host-off", ARG_HOST | ARG_BOOT, 0 },
	[CONTROL_HOST_FENCED] = { "host-fenced", ARG_HOST | ARG_BOOT | ARG_WHY, 0 },
	[CONTROL_RELAY] = { "relay", ARG_WATCH, 0 },
	[CONTROL_MESSAGE] = { "message", ARG_FROM | ARG_DATA, 0 },
};

/* A request under examination and where to say what is wrong with it. */
struct check {
	struct control_request *r;
	char *why, *fix;
	size_t why_len, fix_len;
};

static int __attribute__((format(printf, 3, 4)))
refuse(struct check *k, const char *fix, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(k->why, k->why_len, fmt, ap);
	va_end(ap);
	snprintf(k->fix, k->fix_len, "%s", fix);
	return -EINVAL;
}

static bool only(const char *s, const char *extra)
{
	for (; *s; s++) {
		if (!isalnum((unsigned char)*s) && !strchr(extra, *s))
			return false;
	}
	return true;
}

/* The name goes into file names and xenstore paths. */
static const char *wrong_vm(const char *s)
{
	if (!only(s, "_.+-") || s[0] == '.' || s[0] == '-' || s[0] == '+')
		return "a VM's name is made of letters, digits and _ . + -, and starts with a letter, a "
		       "digit or _";
	return NULL;
}

static const char *wrong_host(const char *s)
{
	if (!only(s, "_.:%-") || s[0] == '-')
		return "give a host name or an address";
	return NULL;
}

static const char *wrong_path(const char *s)
{
	const char *c;

	if (s[0] != '/')
		return "give an absolute path";
	for (c = s; *c; c++) {
		if (iscntrl((unsigned char)*c))
			return "give a path without control characters";
	}
	return NULL;
}

static const char *wrong_text(const char *s)
{
	for (; *s; s++) {
		if (*s < ' ' || *s > '~')
			return "give printable ASCII";
	}
	return NULL;
}

static int get_string(struct check *k, const char *key, const json_t *v, char *out, size_t cap,
		      const char *(*wrong)(const char *))
{
	const char *fix;

	if (!json_is_string(v))
		return refuse(k, "give it as a string", "%s is not a string", key);
	if (!json_string_length(v) || json_string_length(v) >= cap)
		return refuse(k, "give a shorter, not empty one", "%s has not 1 to %zu bytes", key, cap - 1);
	fix = wrong(json_string_value(v));
	if (fix)
		return refuse(k, fix, "%s has characters that are not allowed", key);
	snprintf(out, cap, "%s", json_string_value(v));
	return 0;
}

static int get_bool(struct check *k, const char *key, const json_t *v, bool *out)
{
	if (!json_is_boolean(v))
		return refuse(k, "give true or false", "%s is not a boolean", key);
	*out = json_is_true(v);
	return 0;
}

static int get_number(struct check *k, const char *key, const json_t *v, uint32_t max, uint32_t *out)
{
	json_int_t n = json_integer_value(v);

	if (!json_is_integer(v) || n < 1 || n > max)
		return refuse(k, "give a number in that range", "%s is not a number from 1 to %u", key, max);
	*out = n;
	return 0;
}

static int hex_digit(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Two lower case digits a byte. */
static int get_bytes(struct check *k, const char *key, const json_t *v, uint8_t *out, size_t cap,
		     uint32_t *len)
{
	const char *s = json_string_value(v);
	size_t n = json_string_length(v);

	if (!s || !n || n % 2 || n / 2 > cap)
		return refuse(k, "give hex digits, two a byte", "%s is not a string of 1 to %zu bytes in hex",
			      key, cap);
	for (size_t i = 0; i < n / 2; i++) {
		int high = hex_digit(s[2 * i]), low = hex_digit(s[2 * i + 1]);

		if (high < 0 || low < 0)
			return refuse(k, "give hex digits, two a byte",
				      "%s has characters that are not allowed", key);
		out[i] = (uint8_t)(high << 4 | low);
	}
	*len = (uint32_t)(n / 2);
	return 0;
}

/* 16 digits, the most significant ones first; 0 is no boot. */
static int get_boot(struct check *k, const char *key, const json_t *v, uint64_t *out)
{
	uint8_t bytes[8];
	uint32_t len = 0;
	int rc = get_bytes(k, key, v, bytes, sizeof(bytes), &len);

	if (rc)
		return rc;
	*out = 0;
	for (uint32_t i = 0; i < len; i++)
		*out = *out << 8 | bytes[i];
	if (len != sizeof(bytes) || !*out)
		return refuse(k, "give 16 hex digits", "%s is no number of a boot", key);
	return 0;
}

static int get_value(struct check *k, unsigned int arg, const char *key, const json_t *v)
{
	struct control_request *r = k->r;

	switch (arg) {
	case ARG_VM:
		return get_string(k, key, v, r->vm, sizeof(r->vm), wrong_vm);
	case ARG_HOST:
	case ARG_FROM:
		return get_string(k, key, v, r->host, sizeof(r->host), wrong_host);
	case ARG_CONFIG:
		return get_string(k, key, v, r->config, sizeof(r->config), wrong_path);
	case ARG_STANDBY_IS_GONE:
		return get_bool(k, key, v, &r->standby_is_gone);
	case ARG_PRIMARY_IS_OFF:
		return get_bool(k, key, v, &r->primary_is_off);
	case ARG_LAST_COPY:
		return get_bool(k, key, v, &r->last_copy);
	case ARG_PEER_IS_OFF:
		return get_bool(k, key, v, &r->peer_is_off);
	case ARG_WATCH:
		return get_bool(k, key, v, &r->watch);
	case ARG_RECENT:
		return get_bool(k, key, v, &r->recent);
	case ARG_TAPS:
		return get_bool(k, key, v, &r->taps);
	case ARG_EPOCHS:
		return get_number(k, key, v, CONTROL_EPOCHS_MAX, &r->epochs);
	case ARG_TIMEOUT:
		return get_number(k, key, v, CONTROL_TIMEOUT_MAX, &r->timeout);
	case ARG_WHY:
		return get_string(k, key, v, r->why, sizeof(r->why), wrong_text);
	case ARG_BOOT:
		return get_boot(k, key, v, &r->boot);
	default:
		return get_bytes(k, key, v, r->data, sizeof(r->data), &r->data_len);
	}
}

static int check_op(struct check *k, const json_t *v)
{
	const char *name = json_string_value(v);
	unsigned int i;

	if (!name)
		return refuse(k, "name the operation in \"op\"", "the request has no op");
	for (i = 0; i < CONTROL_NR_OPS && strcmp(ops[i].name, name); i++)
		;
	if (i == CONTROL_NR_OPS)
		return refuse(k, "use kemari and kemari-syncd of the same version", "unknown op '%.32s'",
			      name);
	k->r->op = i;
	return 0;
}

static int check_object(struct check *k, json_t *object)
{
	unsigned int i, wanted, given = 0;
	const char *key;
	json_t *v;
	int rc;

	rc = check_op(k, json_object_get(object, "op"));
	if (rc)
		return rc;
	wanted = ops[k->r->op].needs | ops[k->r->op].takes;
	if (wanted & ARG_EPOCHS)
		k->r->epochs = 1;
	json_object_foreach(object, key, v) {
		if (!strcmp(key, "op"))
			continue;
		for (i = 0; i < NR_ARGS && strcmp(arg_names[i], key); i++)
			;
		if (i == NR_ARGS || !(1U << i & wanted))
			return refuse(k, "use kemari and kemari-syncd of the same version",
				      "%s has no '%.32s'", ops[k->r->op].name, key);
		rc = get_value(k, 1U << i, key, v);
		if (rc)
			return rc;
		given |= 1U << i;
	}
	for (i = 0; i < NR_ARGS; i++)
		if (ops[k->r->op].needs & ~given & 1U << i)
			return refuse(k, "see kemari(8) for what it needs", "%s: %s is missing",
				      ops[k->r->op].name, arg_names[i]);
	return 0;
}

int control_request_parse(const char *text, size_t len, struct control_request *r, char *why, size_t why_len,
			  char *fix, size_t fix_len)
{
	struct check k = { .r = r, .why = why, .fix = fix, .why_len = why_len, .fix_len = fix_len };
	json_error_t error;
	json_t *object;
	int rc;

	memset(r, 0, sizeof(*r));
	if (len > CONTROL_MSG_MAX) {
		refuse(&k, "send a shorter one", "the request is longer than %u bytes", CONTROL_MSG_MAX);
		return -EMSGSIZE;
	}
	object = json_loadb(text, len, JSON_REJECT_DUPLICATES, &error);
	if (!object)
		return refuse(&k, "send one JSON object in one packet", "the request is not JSON: %s",
			      error.text);
	if (!json_is_object(object))
		rc = refuse(&k, "send one JSON object in one packet", "the request is not a JSON object");
	else
		rc = check_object(&k, object);
	json_decref(object);
	if (rc)
		memset(r, 0, sizeof(*r));
	return rc;
}

const char *control_op_name(enum control_op op)
{
	return (unsigned int)op < CONTROL_NR_OPS ? ops[op].name : "?";
}

json_t *control_status_row(const struct control_status *s)
{
	return json_pack(
		"{s:s, s:s, s:s, s:s*, s:s*, s:i, s:o, s:I, s:I, s:I, s:I, s:I, s:s*, s:s*, s:s*, s:b, s:b, "
		"s:b, s:b, s:b}",
		"vm", s->vm, "role", s->role, "state", s->state, "peer", s->peer, "reason", s->reason,
		"domid", (int)s->domid, "g", json_sprintf("%016llx", (unsigned long long)s->g), "epoch",
		(json_int_t)s->epoch, "lag_ms", (json_int_t)s->lag_ms, "pause_us", (json_int_t)s->pause_us,
		"commit_us", (json_int_t)s->commit_us, "held", (json_int_t)s->held, "uuid", s->uuid,
		"protection", s->protection, "needs", s->needs, "started", s->started, "promoted",
		s->promoted, "by_hand", s->by_hand, "linked", s->linked, "running", s->running);
}

json_t *control_copy_row(const struct control_copy *p)
{
	return json_pack("{s:s, s:s*, s:i, s:I, s:I, s:I}", "phase", p->phase, "text", p->text, "round",
			 (int)p->round, "bytes", (json_int_t)p->bytes, "left_bytes",
			 (json_int_t)p->left_bytes, "rate", (json_int_t)p->rate);
}
