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

	for (unsigned int i = 0; i < h->nr_disks; i++)
		json_array_append_new(a, json_integer((json_int_t)h->disk_bytes[i]));
	return a;
}

static int parse_disks(const json_t *o, struct hello *h, char *why)
{
	const json_t *a = json_object_get(o, "disk_bytes");

	if (!json_is_array(a) || json_array_size(a) > VM_MAX_DISKS)
		return bad(why, "disk_bytes", "an array of at most 16 numbers");
	h->nr_disks = (unsigned int)json_array_size(a);
	for (unsigned int i = 0; i < h->nr_disks; i++) {
		const json_t *j = json_array_get(a, i);

		if (!json_is_integer(j) || json_integer_value(j) < 0)
			return bad(why, "disk_bytes", "an array of at most 16 numbers");
		h->disk_bytes[i] = (uint64_t)json_integer_value(j);
	}
	return 0;
}

long hello_encode(const struct hello *h, char *buf, size_t cap)
{
	char uuid[UUID_STR_LEN];
	json_t *o;

	uuid_unparse_lower(h->uuid, uuid);
	o = json_pack("{s:I s:I s:s s:I s:s s:I s:s s:o s:s s:o s:o s:I}", "protocol",
		      (json_int_t)h->protocol, "state_format", (json_int_t)h->state_format, "uuid", uuid,
		      "domid", (json_int_t)h->domid, "host", h->host, "memory_kb", (json_int_t)h->memory_kb,
		      "cpu_policy", h->cpu_policy, "disk_bytes", encode_disks(h), "role", h->role, "boot",
		      hex64(h->boot), "g", hex64(h->g), "epoch", (json_int_t)h->epoch);
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
				?: get_text(o, "cpu_policy", h->cpu_policy, sizeof(h->cpu_policy), why);
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

static int disks_mismatch(const struct hello *mine, const struct hello *theirs, char *reason, char *fix)
{
	if (mine->nr_disks != theirs->nr_disks) {
		snprintf(reason, RECORD_WHY_MAX, "this host has %u disks for the VM, the peer %u",
			 mine->nr_disks, theirs->nr_disks);
		snprintf(fix, RECORD_WHY_MAX, "use the same VM configuration on both hosts");
		return -EPROTO;
	}
	for (unsigned int i = 0; i < mine->nr_disks; i++) {
		if (!mine->disk_bytes[i] || !theirs->disk_bytes[i] ||
		    mine->disk_bytes[i] == theirs->disk_bytes[i])
			continue;
		snprintf(reason, RECORD_WHY_MAX,
			 "disk %u has %" PRIu64 " bytes here and %" PRIu64 " on the peer", i,
			 mine->disk_bytes[i], theirs->disk_bytes[i]);
		snprintf(fix, RECORD_WHY_MAX, "make the disk's target name the same device on both hosts");
		return -EPROTO;
	}
	return 0;
}

int hello_mismatch(const struct hello *mine, const struct hello *theirs, char *reason, char *fix)
{
	char mine_uuid[UUID_STR_LEN], theirs_uuid[UUID_STR_LEN];

	if (mine->protocol != theirs->protocol) {
		snprintf(reason, RECORD_WHY_MAX, "this host speaks protocol %u, the peer %u", mine->protocol,
			 theirs->protocol);
		snprintf(fix, RECORD_WHY_MAX, "install the same kemari version on both hosts");
	} else if (mine->state_format != theirs->state_format) {
		snprintf(reason, RECORD_WHY_MAX, "Xen here has state format %u, the peer's %u",
			 mine->state_format, theirs->state_format);
		snprintf(fix, RECORD_WHY_MAX, "boot Xen with the same kemari patch on both hosts");
	} else if (memcmp(mine->uuid, theirs->uuid, sizeof(mine->uuid))) {
		uuid_unparse_lower(mine->uuid, mine_uuid);
		uuid_unparse_lower(theirs->uuid, theirs_uuid);
		snprintf(reason, RECORD_WHY_MAX, "the VM is %s here and %s on the peer", mine_uuid,
			 theirs_uuid);
		snprintf(fix, RECORD_WHY_MAX, "set the same uuid= in the VM's configuration on both hosts");
	} else if (mine->memory_kb != theirs->memory_kb) {
		snprintf(reason, RECORD_WHY_MAX,
			 "the VM has %" PRIu64 " KiB here and %" PRIu64 " KiB on the peer", mine->memory_kb,
			 theirs->memory_kb);
		snprintf(fix, RECORD_WHY_MAX, "use the same memory= on both hosts and start the VM anew");
	} else if (mine->cpu_policy[0] && theirs->cpu_policy[0] &&
		   strcmp(mine->cpu_policy, theirs->cpu_policy)) {
		snprintf(reason, RECORD_WHY_MAX,
			 "the guest's CPU policy is %.16s... here and %.16s... on the peer", mine->cpu_policy,
			 theirs->cpu_policy);
		snprintf(fix, RECORD_WHY_MAX,
			 "use hosts with the same CPU model and microcode, or level the guest's features "
			 "with cpuid=");
	} else {
		return disks_mismatch(mine, theirs, reason, fix);
	}
	return -EPROTO;
}

long refuse_encode(const struct refuse *r, char *buf, size_t cap)
{
	return dump(json_pack("{s:s s:s}", "reason", r->reason, "fix", r->fix), buf, cap);
}

int refuse_parse(const void *text, size_t len, struct refuse *r, char *why)
{
	json_t *o = load(text, len, why);
	int ret;

	if (!o)
		return -EBADMSG;
	ret = get_text(o, "reason", r->reason, sizeof(r->reason), why)
		      ?: get_text(o, "fix", r->fix, sizeof(r->fix), why);
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
