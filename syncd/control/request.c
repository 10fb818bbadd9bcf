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
};

static const struct {
	const char *name;
	unsigned int needs, takes;
} ops[CONTROL_NR_OPS] = {
	[CONTROL_CREATE] = { "create", ARG_CONFIG, 0 },
	[CONTROL_PROTECT] = { "protect", ARG_VM | ARG_HOST, 0 },
	[CONTROL_UNPROTECT] = { "unprotect", ARG_VM, ARG_STANDBY_IS_GONE },
	[CONTROL_STATUS] = { "status", 0, ARG_VM | ARG_WATCH | ARG_RECENT },
	[CONTROL_PROMOTE] = { "promote", ARG_VM, ARG_PRIMARY_IS_OFF },
	[CONTROL_SWITCHOVER] = { "switchover", ARG_VM, 0 },
	[CONTROL_VERIFY] = { "verify", ARG_VM, ARG_EPOCHS },
	[CONTROL_LOG] = { "log", ARG_VM, ARG_WATCH },
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

static int get_epochs(struct check *k, const json_t *v, uint32_t *out)
{
	json_int_t n = json_integer_value(v);

	if (!json_is_integer(v) || n < 1 || n > CONTROL_EPOCHS_MAX)
		return refuse(k, "give a number in that range", "epochs is not a number from 1 to %d",
			      CONTROL_EPOCHS_MAX);
	*out = n;
	return 0;
}

/* Takes one key over; *arg gets its bit. */
static int get_arg(struct check *k, const char *key, const json_t *v, unsigned int *arg)
{
	struct control_request *r = k->r;

	if (!strcmp(key, "vm")) {
		*arg = ARG_VM;
		return get_string(k, key, v, r->vm, sizeof(r->vm), wrong_vm);
	}
	if (!strcmp(key, "host")) {
		*arg = ARG_HOST;
		return get_string(k, key, v, r->host, sizeof(r->host), wrong_host);
	}
	if (!strcmp(key, "config")) {
		*arg = ARG_CONFIG;
		return get_string(k, key, v, r->config, sizeof(r->config), wrong_path);
	}
	if (!strcmp(key, "standby_is_gone")) {
		*arg = ARG_STANDBY_IS_GONE;
		return get_bool(k, key, v, &r->standby_is_gone);
	}
	if (!strcmp(key, "primary_is_off")) {
		*arg = ARG_PRIMARY_IS_OFF;
		return get_bool(k, key, v, &r->primary_is_off);
	}
	if (!strcmp(key, "watch")) {
		*arg = ARG_WATCH;
		return get_bool(k, key, v, &r->watch);
	}
	if (!strcmp(key, "recent")) {
		*arg = ARG_RECENT;
		return get_bool(k, key, v, &r->recent);
	}
	if (!strcmp(key, "epochs")) {
		*arg = ARG_EPOCHS;
		return get_epochs(k, v, &r->epochs);
	}
	*arg = 0;
	return 0;
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
	unsigned int arg, given = 0;
	const char *key;
	json_t *v;
	int rc;

	rc = check_op(k, json_object_get(object, "op"));
	if (rc)
		return rc;
	if (ops[k->r->op].takes & ARG_EPOCHS)
		k->r->epochs = 1;
	json_object_foreach(object, key, v) {
		if (!strcmp(key, "op"))
			continue;
		rc = get_arg(k, key, v, &arg);
		if (rc)
			return rc;
		if (!(arg & (ops[k->r->op].needs | ops[k->r->op].takes)))
			return refuse(k, "use kemari and kemari-syncd of the same version",
				      "%s has no '%.32s'", ops[k->r->op].name, key);
		given |= arg;
	}
	if (ops[k->r->op].needs & ~given)
		return refuse(k, "see kemari(8) for what it needs", "%s: %s is missing", ops[k->r->op].name,
			      ops[k->r->op].needs & ~given & ARG_VM	? "vm"
			      : ops[k->r->op].needs & ~given & ARG_HOST ? "host"
									: "config");
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
	return json_pack("{s:s, s:s, s:s, s:s*, s:s*, s:i, s:o, s:I, s:I, s:I, s:I, s:I}", "vm", s->vm,
			 "role", s->role, "state", s->state, "peer", s->peer, "reason", s->reason, "domid",
			 (int)s->domid, "g", json_sprintf("%016llx", (unsigned long long)s->g), "epoch",
			 (json_int_t)s->epoch, "lag_ms", (json_int_t)s->lag_ms, "pause_us",
			 (json_int_t)s->pause_us, "commit_us", (json_int_t)s->commit_us, "held",
			 (json_int_t)s->held);
}

json_t *control_copy_row(const struct control_copy *p)
{
	return json_pack("{s:s, s:s*, s:i, s:I, s:I, s:I}", "phase", p->phase, "text", p->text, "round",
			 (int)p->round, "bytes", (json_int_t)p->bytes, "left_bytes",
			 (json_int_t)p->left_bytes, "rate", (json_int_t)p->rate);
}
