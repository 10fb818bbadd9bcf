/* SPDX-License-Identifier: GPL-2.0-only */
#include "domain/record.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>
#include <xxhash.h>

#include "domain/profile.h"

#define DOMID_FIRST 20000U
#define DOMID_COUNT 12000U
#define FORMAT 1

struct parser {
	char *why;
	size_t why_len;
};

static int refuse(const struct parser *p, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static int refuse(const struct parser *p, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(p->why, p->why_len, fmt, ap);
	va_end(ap);
	return -EINVAL;
}

/* All keys of obj are in the NULL ended list: what an older daemon does not know it must not ignore. */
static int only_keys(const struct parser *p, json_t *obj, const char *where, const char *const *keys)
{
	const char *key;
	json_t *val;

	if (!json_is_object(obj))
		return refuse(p, "%s is not an object", where);
	json_object_foreach(obj, key, val) {
		const char *const *k;

		for (k = keys; *k && strcmp(*k, key); k++)
			;
		if (!*k)
			return refuse(p, "%s has an unknown key \"%.40s\"", where, key);
	}
	return 0;
}

static int get_int(const struct parser *p, json_t *obj, const char *key, uint64_t min, uint64_t max,
		   uint64_t *out)
{
	const json_t *val = json_object_get(obj, key);
	json_int_t n;

	if (!json_is_integer(val))
		return refuse(p, "%s is missing or not a number", key);
	n = json_integer_value(val);
	if (n < 0 || (uint64_t)n < min || (uint64_t)n > max)
		return refuse(p, "%s is %lld, not in %llu..%llu", key, (long long)n, (unsigned long long)min,
			      (unsigned long long)max);
	*out = n;
	return 0;
}

static int get_bool(const struct parser *p, json_t *obj, const char *key, bool *out)
{
	const json_t *val = json_object_get(obj, key);

	if (!json_is_boolean(val))
		return refuse(p, "%s is missing or not true or false", key);
	*out = json_is_true(val);
	return 0;
}

/* Printable ASCII without blanks, 1..size-1 characters; more: what else is allowed besides letters and
 * digits, NULL: all. */
static int get_word(const struct parser *p, json_t *obj, const char *key, const char *more, char *out,
		    size_t size)
{
	const char *s = json_string_value(json_object_get(obj, key));
	size_t i;

	if (!s)
		return refuse(p, "%s is missing or not a string", key);
	if (!*s || strlen(s) >= size)
		return refuse(p, "%s is empty or longer than %zu characters", key, size - 1);
	for (i = 0; s[i]; i++) {
		unsigned char c = s[i];

		if (c <= ' ' || c > '~' || (more && !isalnum(c) && !strchr(more, c)))
			return refuse(p, "%s has a character that is not allowed", key);
	}
	memcpy(out, s, strlen(s) + 1);
	return 0;
}

static int parse_name(const struct parser *p, json_t *obj, struct vm_record *r)
{
	static const char standby[] = "--standby";
	size_t len;
	int err = get_word(p, obj, "name", "._-+", r->name, sizeof(r->name));

	if (err)
		return err;
	if (!isalnum((unsigned char)r->name[0]))
		return refuse(p, "name must begin with a letter or a digit");
	len = strlen(r->name);
	if (len >= sizeof(standby) - 1 && !strcmp(r->name + len - (sizeof(standby) - 1), standby))
		return refuse(p, "name must not end with %s, which marks a standby", standby);
	/* The standby's shell adds the suffix and must still fit. */
	if (len + sizeof(standby) > sizeof(r->name))
		return refuse(p, "name is longer than %zu characters", sizeof(r->name) - sizeof(standby));
	return 0;
}

static int hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return -1;
}

static int parse_uuid(const struct parser *p, json_t *obj, struct vm_record *r)
{
	unsigned int i, n = 0, any = 0;
	int err = get_word(p, obj, "uuid", "-", r->uuid_text, sizeof(r->uuid_text));

	if (err)
		return err;
	for (i = 0; r->uuid_text[i]; i++)
		r->uuid_text[i] = tolower((unsigned char)r->uuid_text[i]);
	if (i != 36)
		return refuse(p, "uuid is not 36 characters long");
	for (i = 0; i < 36;) {
		int hi, lo;

		if (i == 8 || i == 13 || i == 18 || i == 23) {
			if (r->uuid_text[i++] != '-')
				return refuse(p, "uuid lacks a dash");
			continue;
		}
		hi = hex(r->uuid_text[i++]);
		lo = hex(r->uuid_text[i++]);
		if (hi < 0 || lo < 0)
			return refuse(p, "uuid has a character that is not a hex digit");
		any |= r->uuid[n++] = hi << 4 | lo;
	}
	return any ? 0 : refuse(p, "uuid is all zeros");
}

static int get_action(const struct parser *p, json_t *on, const char *key, enum vm_action *out)
{
	static const char *const names[] = {
		[VM_DESTROY] = "destroy", [VM_RESTART] = "restart", [VM_PRESERVE] = "preserve"
	};
	const char *s = json_string_value(json_object_get(on, key));
	unsigned int i;

	for (i = 0; s && i < sizeof(names) / sizeof(names[0]); i++) {
		if (!strcmp(s, names[i])) {
			*out = i;
			return 0;
		}
	}
	return refuse(p, "on.%s is not destroy, restart or preserve", key);
}

static int parse_on(const struct parser *p, json_t *root, struct vm_record *r)
{
	static const char *const keys[] = { "poweroff", "reboot", "crash", "watchdog", "soft_reset", NULL };
	enum vm_action *const out[] = { &r->on_poweroff, &r->on_reboot, &r->on_crash, &r->on_watchdog,
					&r->on_soft_reset };
	json_t *on = json_object_get(root, "on");
	unsigned int i;
	int err = only_keys(p, on, "on", keys);

	for (i = 0; !err && keys[i]; i++)
		err = get_action(p, on, keys[i], out[i]);
	return err;
}

/* xvda, xvdb1, ... xvdaa: xenstore's number of it (public/io/blkif.h, xen-vbd-interface(7)). */
static int vdev_number(const char *vdev, uint32_t *out)
{
	unsigned int disk = 0, part = 0;
	const char *s = vdev;

	if (strncmp(s, "xvd", 3) || !islower((unsigned char)s[3]))
		return -EINVAL;
	for (s += 3; islower((unsigned char)*s); s++) {
		disk = disk * 26 + (*s - 'a' + 1);
		if (disk > 1U << 20)
			return -EINVAL;
	}
	disk--;
	if (*s == '0')
		return -EINVAL;
	for (; isdigit((unsigned char)*s); s++) {
		part = part * 10 + (*s - '0');
		if (part > 255)
			return -EINVAL;
	}
	if (*s || disk >= 1U << 20)
		return -EINVAL;
	if (disk < 16 && part < 16)
		*out = 202U << 8 | disk << 4 | part;
	else
		*out = 1U << 28 | disk << 8 | part;
	return 0;
}

static int parse_disk(const struct parser *p, json_t *obj, struct vm_record *r)
{
	static const char *const keys[] = { "vdev", "target", "readonly", "discard", NULL };
	struct vm_disk *d = &r->disk[r->nr_disks];
	unsigned int i;
	int err = only_keys(p, obj, "a disk", keys);

	if (!err)
		err = get_word(p, obj, "vdev", "", d->vdev, sizeof(d->vdev));
	if (!err)
		err = get_word(p, obj, "target", NULL, d->target, sizeof(d->target));
	if (!err)
		err = get_bool(p, obj, "readonly", &d->readonly);
	if (!err)
		err = get_bool(p, obj, "discard", &d->discard);
	if (err)
		return err;
	if (vdev_number(d->vdev, &d->virtual_device))
		return refuse(p, "vdev \"%s\" is not of the form xvda, xvdb, ...", d->vdev);
	if (d->target[0] != '/')
		return refuse(p, "target \"%.60s\" of disk %s is not an absolute path", d->target, d->vdev);
	for (i = 0; i < r->nr_disks; i++)
		if (r->disk[i].virtual_device == d->virtual_device || !strcmp(r->disk[i].target, d->target))
			return refuse(p, "disks %s and %s have the same vdev or target", r->disk[i].vdev,
				      d->vdev);
	return 0;
}

static int parse_mac(const struct parser *p, json_t *obj, uint8_t mac[6])
{
	char text[18];
	unsigned int i, any = 0;
	int err = get_word(p, obj, "mac", ":", text, sizeof(text));

	if (err)
		return err;
	if (strlen(text) != 17)
		return refuse(p, "mac \"%s\" is not of the form 00:16:3e:xx:xx:xx", text);
	for (i = 0; i < 6; i++) {
		int hi = hex(tolower((unsigned char)text[3 * i])),
		    lo = hex(tolower((unsigned char)text[3 * i + 1]));

		if (hi < 0 || lo < 0 || (i < 5 && text[3 * i + 2] != ':'))
			return refuse(p, "mac \"%s\" is not of the form 00:16:3e:xx:xx:xx", text);
		any |= mac[i] = hi << 4 | lo;
	}
	if (!any || mac[0] & 1)
		return refuse(p, "mac \"%s\" is not an address of one interface", text);
	return 0;
}

static int parse_nic(const struct parser *p, json_t *obj, struct vm_record *r)
{
	static const char *const keys[] = { "devid", "mac", "bridge", "mtu", NULL };
	struct vm_nic *n = &r->nic[r->nr_nics];
	uint64_t devid = 0, mtu = 0;
	unsigned int i;
	int err = only_keys(p, obj, "a nic", keys);

	if (!err)
		err = get_int(p, obj, "devid", 0, 255, &devid);
	if (!err)
		err = parse_mac(p, obj, n->mac);
	if (!err)
		err = get_word(p, obj, "bridge", "._-", n->bridge, sizeof(n->bridge));
	if (!err)
		err = get_int(p, obj, "mtu", 68, 65535, &mtu);
	if (err)
		return err;
	n->devid = devid;
	n->mtu = mtu;
	if (!strcmp(n->bridge, ".") || !strcmp(n->bridge, ".."))
		return refuse(p, "bridge is not a name of an interface");
	for (i = 0; i < r->nr_nics; i++)
		if (r->nic[i].devid == n->devid || !memcmp(r->nic[i].mac, n->mac, 6))
			return refuse(p, "two nics have the same devid or mac");
	return 0;
}

static int parse_list(const struct parser *p, json_t *root, const char *key, unsigned int max,
		      int (*one)(const struct parser *, json_t *, struct vm_record *), struct vm_record *r,
		      unsigned int *nr)
{
	json_t *list = json_object_get(root, key), *val;
	size_t i;

	if (!json_is_array(list))
		return refuse(p, "%s is missing or not a list", key);
	if (json_array_size(list) > max)
		return refuse(p, "%s has more than %u entries", key, max);
	json_array_foreach(list, i, val) {
		int err = one(p, val, r);

		if (err)
			return err;
		(*nr)++;
	}
	return 0;
}

/* The configuration of libxl says the same as the record, and the profile holds: a peer's record is checked,
 * too. */
static int parse_config(const struct parser *p, json_t *root, const struct vm_record *r)
{
	json_t *config = json_object_get(root, "config");
	json_t *c_info = json_object_get(config, "c_info"), *b_info = json_object_get(config, "b_info");
	const char *name = json_string_value(json_object_get(c_info, "name"));
	const char *uuid = json_string_value(json_object_get(c_info, "uuid"));
	int err = vm_profile_check(config, p->why, p->why_len);

	if (err)
		return err;
	if (json_object_get(config, "disks") || json_object_get(config, "nics"))
		return refuse(p, "config has devices; they belong into disks and nics");
	if (!name || strcmp(name, r->name) || !uuid || strcasecmp(uuid, r->uuid_text))
		return refuse(p, "config has another name or uuid than the record");
	if ((uint64_t)json_integer_value(json_object_get(b_info, "max_memkb")) != r->memory_kb ||
	    json_integer_value(json_object_get(b_info, "max_vcpus")) != r->vcpus)
		return refuse(p, "config has another memory size or number of vCPUs than the record");
	return 0;
}

static int parse_root(const struct parser *p, json_t *root, struct vm_record *r)
{
	static const char *const keys[] = { "format", "name",  "uuid", "memory_kb", "vcpus",
					    "on",     "disks", "nics", "config",    NULL };
	uint64_t format, vcpus;
	int err = only_keys(p, root, "the record", keys);

	if (!err)
		err = get_int(p, root, "format", FORMAT, FORMAT, &format);
	if (!err)
		err = parse_name(p, root, r);
	if (!err)
		err = parse_uuid(p, root, r);
	if (!err)
		err = get_int(p, root, "memory_kb", 1024, 1ULL << 34, &r->memory_kb);
	if (!err && r->memory_kb % 4)
		err = refuse(p, "memory_kb is not a multiple of 4");
	if (!err)
		err = get_int(p, root, "vcpus", 1, VM_PROFILE_MAX_VCPUS, &vcpus);
	if (err)
		return err;
	r->vcpus = vcpus;
	err = parse_on(p, root, r);
	if (!err)
		err = parse_list(p, root, "disks", VM_MAX_DISKS, parse_disk, r, &r->nr_disks);
	if (!err)
		err = parse_list(p, root, "nics", VM_MAX_NICS, parse_nic, r, &r->nr_nics);
	if (!err)
		err = parse_config(p, root, r);
	return err;
}

int vm_record_parse(const char *text, size_t len, struct vm_record *r, char *why, size_t why_len)
{
	const struct parser p = { why, why_len };
	json_error_t je;
	json_t *root;
	int err;

	memset(r, 0, sizeof(*r));
	if (len > VM_RECORD_MAX)
		return refuse(&p, "the record is longer than %u bytes", VM_RECORD_MAX);
	root = json_loadb(text, len, JSON_REJECT_DUPLICATES, &je);
	if (!root)
		return refuse(&p, "the record is not JSON (line %d: %.80s)", je.line, je.text);
	err = parse_root(&p, root, r);
	json_decref(root);
	if (!err) {
		r->json = malloc(len + 1);
		if (!r->json)
			err = -ENOMEM;
	}
	if (err) {
		memset(r, 0, sizeof(*r));
		return err;
	}
	memcpy(r->json, text, len);
	r->json[len] = '\0';
	r->json_len = len;
	return 0;
}

void vm_record_free(struct vm_record *r)
{
	free(r->json);
	memset(r, 0, sizeof(*r));
}

uint32_t vm_record_domid(const struct vm_record *r, unsigned int attempt)
{
	return DOMID_FIRST + (XXH3_64bits(r->uuid, sizeof(r->uuid)) + attempt) % DOMID_COUNT;
}
