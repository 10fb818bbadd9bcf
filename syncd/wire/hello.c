/* SPDX-License-Identifier: GPL-2.0-only */
#include "wire/hello.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uuid/uuid.h>

#define HEX64 17 /* 16 digits and the NUL */

/* Dumps and releases o; NULL stands for an allocation that failed. */
static long dump(json_t *o, char *buf, size_t cap)
{
	size_t n;

	if (!o)
		return -ENOMEM;
	n = json_dumpb(o, buf, cap, JSON_COMPACT);
	json_decref(o);
	return n && n <= cap ? (long)n : -ENOBUFS;
}

static json_t *load(const void *text, size_t len, char *why)
{
	json_error_t err;
	json_t *o = json_loadb(text, len, JSON_REJECT_DUPLICATES, &err);

	if (o && json_is_object(o))
		return o;
	snprintf(why, RECORD_WHY_MAX, "JSON record: %.180s", o ? "not an object" : err.text);
	json_decref(o);
	return NULL;
}

static int bad(char *why, const char *key, const char *must)
{
	snprintf(why, RECORD_WHY_MAX, "JSON record: \"%s\" must be %s", key, must);
	return -EBADMSG;
}

static json_t *hex64(uint64_t v)
{
	char text[HEX64];

	snprintf(text, sizeof(text), "%016" PRIx64, v);
	return json_string(text);
}

static int get_hex64(const json_t *o, const char *key, uint64_t *v, char *why)
{
	const char *s = json_string_value(json_object_get(o, key));

	if (!s || strlen(s) != HEX64 - 1 || strspn(s, "0123456789abcdef") != HEX64 - 1)
		return bad(why, key, "16 hex digits");
	*v = strtoull(s, NULL, 16);
	return 0;
}

static int get_uint(const json_t *o, const char *key, uint64_t max, uint64_t *v, char *why)
{
	const json_t *j = json_object_get(o, key);

	if (!json_is_integer(j) || json_integer_value(j) < 0 || (uint64_t)json_integer_value(j) > max)
		return bad(why, key, "a number in range");
	*v = (uint64_t)json_integer_value(j);
	return 0;
}

static int get_uint32(const json_t *o, const char *key, uint32_t *v, char *why)
{
	uint64_t n = 0;
	int ret = get_uint(o, key, UINT32_MAX, &n, why);

	*v = (uint32_t)n;
	return ret;
}

/* A text without control characters, which goes into messages, of at most size - 1 bytes. */
static int get_text(const json_t *o, const char *key, char *to, size_t size, char *why)
{
	const char *s = json_string_value(json_object_get(o, key));

	if (!s || strlen(s) >= size)
		return bad(why, key, "a text within its length");
	for (const char *c = s; *c; c++)
		if ((unsigned char)*c < 0x20 || *c == 0x7f)
			return bad(why, key, "a text without control characters");
	memcpy(to, s, strlen(s) + 1);
	return 0;
}

static json_t *encode_disks(const struct hello *h)
{
	json_t *a = json_array();

	for (unsigned int i = 0; i < h->nr_disks; i++) {
		const struct hello_disk *d = &h->disk[i];

		json_array_append_new(a, json_pack("{ss sI sI ss ss}", "vdev", d->vdev, "bytes",
						   (json_int_t)d->bytes, "sector_size",
						   (json_int_t)d->sector_size, "kind", d->share.kind, "id",
						   d->share.id));
	}
	return a;
}

static int parse_disks(const json_t *o, struct hello *h, char *why)
{
	const json_t *a = json_object_get(o, "disks");
	int ret = 0;

	if (!json_is_array(a) || json_array_size(a) > VM_MAX_DISKS)
		return bad(why, "disks", "an array of at most 16 objects");
	h->nr_disks = (unsigned int)json_array_size(a);
	for (unsigned int i = 0; !ret && i < h->nr_disks; i++) {
		const json_t *j = json_array_get(a, i);
		struct hello_disk *d = &h->disk[i];

		ret = get_text(j, "vdev", d->vdev, sizeof(d->vdev), why)
			      ?: get_uint(j, "bytes", INT64_MAX, &d->bytes, why)
				 ?: get_uint32(j, "sector_size", &d->sector_size, why);
		ret = ret ?: get_text(j, "kind", d->share.kind, sizeof(d->share.kind), why)
				     ?: get_text(j, "id", d->share.id, sizeof(d->share.id), why);
	}
	return ret;
}

/* Flat: six numbers for each leaf; index, low and high half for each MSR. */
static int encode_cpu(const struct cpu_policy *p, json_t *o)
{
	json_t *leaves = json_array(), *msrs = json_array();
	int ret = 0;

	for (unsigned int i = 0; i < p->nr_leaves; i++) {
		const struct cpu_leaf *l = &p->leaf[i];
		const uint32_t v[] = { l->leaf, l->subleaf, l->eax, l->ebx, l->ecx, l->edx };

		for (unsigned int k = 0; k < 6; k++)
			ret |= json_array_append_new(leaves, json_integer(v[k]));
	}
	for (unsigned int i = 0; i < p->nr_msrs; i++) {
		const uint64_t v = p->msr[i].value;

		ret |= json_array_append_new(msrs, json_integer(p->msr[i].index)) |
		       json_array_append_new(msrs, json_integer((uint32_t)v)) |
		       json_array_append_new(msrs, json_integer((json_int_t)(v >> 32)));
	}
	ret |= json_object_set_new(o, "cpuid", leaves) | json_object_set_new(o, "msrs", msrs);
	return ret ? -EINVAL : 0;
}

/* An array of groups of numbers, each of 32 bits, into v; how many numbers, or -EBADMSG. */
static int get_numbers(const json_t *o, const char *key, unsigned int group, unsigned int max_groups,
		       uint32_t *v, char *why)
{
	const json_t *a = json_object_get(o, key);
	size_t n = json_array_size(a);

	if (!json_is_array(a) || n % group || n / group > max_groups)
		return bad(why, key, "an array of groups of numbers");
	for (size_t i = 0; i < n; i++) {
		const json_t *j = json_array_get(a, i);

		if (!json_is_integer(j) || json_integer_value(j) < 0 || json_integer_value(j) > UINT32_MAX)
			return bad(why, key, "an array of 32-bit numbers");
		v[i] = (uint32_t)json_integer_value(j);
	}
	return (int)n;
}

static int parse_cpu(const json_t *o, struct cpu_policy *p, char *why)
{
	uint32_t v[6 * CPU_MAX_LEAVES];
	int n = get_numbers(o, "cpuid", 6, CPU_MAX_LEAVES, v, why);

	if (n < 0)
		return n;
	p->nr_leaves = (unsigned int)n / 6;
	for (unsigned int i = 0; i < p->nr_leaves; i++) {
		const uint32_t *l = v + (size_t)i * 6;

		p->leaf[i] = (struct cpu_leaf){ l[0], l[1], l[2], l[3], l[4], l[5] };
	}
	n = get_numbers(o, "msrs", 3, CPU_MAX_MSRS, v, why);
	if (n < 0)
		return n;
	p->nr_msrs = (unsigned int)n / 3;
	for (unsigned int i = 0; i < p->nr_msrs; i++) {
		const uint32_t *m = v + (size_t)i * 3;

		p->msr[i] = (struct cpu_msr){ m[0], m[1] | (uint64_t)m[2] << 32 };
	}
	cpu_policy_settle(p);
	return 0;
}

long hello_encode(const struct hello *h, char *buf, size_t cap)
{
	char uuid[UUID_STR_LEN];
	json_t *o;

	uuid_unparse_lower(h->uuid, uuid);
	o = json_pack("{s:I s:I s:s s:I s:s s:I s:o s:s s:o s:o s:I}", "protocol", (json_int_t)h->protocol,
		      "state_format", (json_int_t)h->state_format, "uuid", uuid, "domid",
		      (json_int_t)h->domid, "host", h->host, "memory_kb", (json_int_t)h->memory_kb, "disks",
		      encode_disks(h), "role", h->role, "boot", hex64(h->boot), "g", hex64(h->g), "epoch",
		      (json_int_t)h->epoch);
	if (o && encode_cpu(&h->cpu, o))
		goto out_bad;
	if (o && h->record && json_object_set_new(o, "record", json_stringn(h->record, h->record_len)))
		goto out_bad;
	if (o && h->session &&
	    (json_object_set_new(o, "session", hex64(h->session)) ||
	     json_object_set_new(o, "staging_bytes", json_integer((json_int_t)h->staging_bytes))))
		goto out_bad;
	return dump(o, buf, cap);

out_bad:
	json_decref(o);
	return -EINVAL;
}

static bool role_known(const char *role)
{
	return !strcmp(role, "owner") || !strcmp(role, "held") || !strcmp(role, "copy") ||
	       !strcmp(role, "none");
}

static int parse_identity(const json_t *o, struct hello *h, char *why)
{
	const char *uuid = json_string_value(json_object_get(o, "uuid"));

	if (!uuid || uuid_parse(uuid, h->uuid))
		return bad(why, "uuid", "a uuid");
	if (get_text(o, "role", h->role, sizeof(h->role), why) || !role_known(h->role))
		return bad(why, "role", "owner, held, copy or none");
	return get_uint32(o, "domid", &h->domid, why) ?: get_text(o, "host", h->host, sizeof(h->host), why)
		       ?: get_hex64(o, "boot", &h->boot, why) ?: get_hex64(o, "g", &h->g, why)
		       ?: get_uint(o, "epoch", INT64_MAX, &h->epoch, why);
}

/* What only one of HELLO and WELCOME has. */
static int parse_rest(const json_t *o, struct hello *h, char *why)
{
	const json_t *record = json_object_get(o, "record");
	int ret;

	if (json_object_get(o, "session")) {
		ret = get_hex64(o, "session", &h->session, why)
			      ?: get_uint(o, "staging_bytes", INT64_MAX, &h->staging_bytes, why);
		if (ret)
			return ret;
		if (!h->session)
			return bad(why, "session", "not 0");
	}
	if (!record)
		return 0;
	if (!json_is_string(record) || json_string_length(record) > VM_RECORD_MAX)
		return bad(why, "record", "a VM record of at most 64 KiB");
	h->record_len = json_string_length(record);
	h->record = malloc(h->record_len + 1);
	if (!h->record)
		return -ENOMEM;
	memcpy(h->record, json_string_value(record), h->record_len + 1);
	return 0;
}

int hello_parse(const void *text, size_t len, struct hello *h, char *why)
{
	json_t *o = load(text, len, why);
	int ret;

	memset(h, 0, sizeof(*h));
	if (!o)
		return -EBADMSG;
	/* A peer of another version may lack every other key: only the version counts then. */
	ret = get_uint32(o, "protocol", &h->protocol, why);
	if (!ret && h->protocol != RECORD_VERSION)
		goto out;
	ret = ret ?: get_uint32(o, "state_format", &h->state_format, why)
			     ?: get_uint(o, "memory_kb", INT64_MAX, &h->memory_kb, why)
				?: parse_cpu(o, &h->cpu, why);
	ret = ret ?: parse_disks(o, h, why) ?: parse_identity(o, h, why) ?: parse_rest(o, h, why);
	if (ret)
		hello_free(h);
out:
	json_decref(o);
	return ret;
}

void hello_free(struct hello *h)
{
	free(h->record);
	h->record = NULL;
	h->record_len = 0;
}

long refuse_encode(const struct refuse *r, char *buf, size_t cap)
{
	return dump(json_pack("{s:s s:s s:b}", "reason", r->reason, "fix", r->fix, "retry", r->retry), buf,
		    cap);
}

int refuse_parse(const void *text, size_t len, struct refuse *r, char *why)
{
	json_t *o = load(text, len, why);
	int ret;

	if (!o)
		return -EBADMSG;
	ret = get_text(o, "reason", r->reason, sizeof(r->reason), why)
		      ?: get_text(o, "fix", r->fix, sizeof(r->fix), why);
	if (!ret && !json_is_boolean(json_object_get(o, "retry")))
		ret = bad(why, "retry", "true or false");
	r->retry = json_is_true(json_object_get(o, "retry"));
	json_decref(o);
	return ret;
}

long progress_encode(const struct progress *p, char *buf, size_t cap)
{
	return dump(json_pack("{s:s s:I s:I}", "step", p->step, "done", (json_int_t)p->done, "total",
			      (json_int_t)p->total),
		    buf, cap);
}

int progress_parse(const void *text, size_t len, struct progress *p, char *why)
{
	json_t *o = load(text, len, why);
	int ret;

	if (!o)
		return -EBADMSG;
	ret = get_text(o, "step", p->step, sizeof(p->step), why) ?: get_uint(o, "done", INT64_MAX, &p->done, why)
		      ?: get_uint(o, "total", INT64_MAX, &p->total, why);
	json_decref(o);
	return ret;
}
