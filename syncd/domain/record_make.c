/* SPDX-License-Identifier: GPL-2.0-only */
/* From xl's JSON to the VM record. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <xxhash.h>

#include "domain/profile.h"
#include "domain/record.h"

static void stable_uuid(const char *name, char text[37])
{
	XXH128_canonical_t c;
	unsigned char *u = c.digest;

	XXH128_canonicalFromHash(&c, XXH3_128bits_withSeed(name, strlen(name), 0x6b656d617269ULL));
	u[6] = (u[6] & 0x0f) | 0x80; /* RFC 9562 version 8: made our own way */
	u[8] = (u[8] & 0x3f) | 0x80;
	snprintf(text, 37, "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", u[0], u[1],
		 u[2], u[3], u[4], u[5], u[6], u[7], u[8], u[9], u[10], u[11], u[12], u[13], u[14], u[15]);
}

/* Xen's own range 00:16:3e:00:00:00 .. 00:16:3e:7f:ff:ff. */
static void stable_mac(const char *uuid, json_int_t devid, char text[18])
{
	XXH64_hash_t h = XXH3_64bits_withSeed(uuid, strlen(uuid), devid);

	snprintf(text, 18, "00:16:3e:%02x:%02x:%02x", (unsigned int)(h >> 16) & 0x7f,
		 (unsigned int)(h >> 8) & 0xff, (unsigned int)h & 0xff);
}

static bool default_bool(const json_t *val, bool fallback)
{
	const char *s = json_string_value(val);

	return s ? !strcmp(s, "True") : fallback;
}

static json_t *make_disk(const json_t *d)
{
	bool writable = json_is_true(json_object_get(d, "readwrite")) ||
			json_integer_value(json_object_get(d, "readwrite"));

	/* libxl's default of discard: as writable. */
	return json_pack("{s:O?, s:O?, s:b, s:b}", "vdev", json_object_get(d, "vdev"), "target",
			 json_object_get(d, "pdev_path"), "readonly", !writable, "discard",
			 default_bool(json_object_get(d, "discard_enable"), writable));
}

static json_t *make_nic(const json_t *n, const char *uuid, size_t index)
{
	const json_t *devid = json_object_get(n, "devid");
	json_int_t id = devid ? json_integer_value(devid) : (json_int_t)index;
	const char *mac = json_string_value(json_object_get(n, "mac"));
	const char *bridge = json_string_value(json_object_get(n, "bridge"));
	json_int_t mtu = json_integer_value(json_object_get(n, "mtu"));
	char made[18];

	if (!mac) {
		stable_mac(uuid, id, made);
		mac = made;
	}
	return json_pack("{s:I, s:s, s:s, s:I}", "devid", id, "mac", mac, "bridge",
			 bridge ? bridge : VM_PROFILE_BRIDGE, "mtu", mtu ? mtu : (json_int_t)VM_PROFILE_MTU);
}

static json_t *make_devices(const json_t *list, const char *uuid, bool nics)
{
	json_t *out = json_array(), *val;
	size_t i;

	json_array_foreach((json_t *)list, i, val)
		json_array_append_new(out, nics ? make_nic(val, uuid, i) : make_disk(val));
	return out;
}

/* libxl leaves out what is "destroy"; a soft reset, which cannot be mirrored, becomes a restart. */
static const char *action(const json_t *config, const char *key)
{
	const char *s = json_string_value(json_object_get(config, key));

	if (!s)
		return "destroy";
	return !strcmp(s, "soft_reset") ? "restart" : s;
}

static void set_default(json_t *obj, const char *key, json_int_t val)
{
	if (!json_object_get(obj, key))
		json_object_set_new(obj, key, json_integer(val));
}

/* The configuration as the helper gives it to libxl: no devices, nothing left to a host's defaults. */
static void complete_config(json_t *config, const char *name, const char *uuid)
{
	static const char *const elsewhere[] = { "disks",    "nics",	    "on_poweroff",  "on_reboot",
						 "on_crash", "on_watchdog", "on_soft_reset" };
	json_t *c_info = json_object_get(config, "c_info"), *b_info = json_object_get(config, "b_info");
	size_t i;

	for (i = 0; i < sizeof(elsewhere) / sizeof(elsewhere[0]); i++)
		json_object_del(config, elsewhere[i]);
	json_object_set_new(c_info, "name", json_string(name));
	json_object_set_new(c_info, "uuid", json_string(uuid));
	json_object_set_new(c_info, "hap", json_string("True"));
	set_default(b_info, "event_channels", VM_PROFILE_EVENT_CHANNELS);
	set_default(b_info, "max_grant_frames", VM_PROFILE_GRANT_FRAMES);
	set_default(b_info, "max_maptrack_frames", VM_PROFILE_MAPTRACK_FRAMES);
	set_default(b_info, "max_grant_version", 1);
}

static char *make_record(json_t *config, const char *name, const char *uuid)
{
	json_t *b_info = json_object_get(config, "b_info");
	json_t *rec = json_pack("{s:i, s:s, s:s, s:I, s:I, s:{s:s, s:s, s:s, s:s, s:s}, s:o, s:o}", "format",
				1, "name", name, "uuid", uuid, "memory_kb",
				json_integer_value(json_object_get(b_info, "target_memkb")), "vcpus",
				json_integer_value(json_object_get(b_info, "max_vcpus")), "on", "poweroff",
				action(config, "on_poweroff"), "reboot", action(config, "on_reboot"), "crash",
				action(config, "on_crash"), "watchdog", action(config, "on_watchdog"),
				"soft_reset", action(config, "on_soft_reset"), "disks",
				make_devices(json_object_get(config, "disks"), uuid, false), "nics",
				make_devices(json_object_get(config, "nics"), uuid, true));
	char *text;

	if (!rec)
		return NULL;
	complete_config(config, name, uuid);
	json_object_set(rec, "config", config);
	text = json_dumps(rec, JSON_COMPACT);
	json_decref(rec);
	return text;
}

char *vm_profile_record(const char *xl_json, size_t len, const char *name, bool uuid_given, char *why,
			size_t why_len)
{
	struct vm_record check;
	char made[37];
	const char *uuid;
	json_error_t je;
	json_t *config = json_loadb(xl_json, len, JSON_REJECT_DUPLICATES, &je);
	char *text = NULL;

	if (!config) {
		snprintf(why, why_len, "xl printed something that is not JSON (line %d: %.80s)", je.line,
			 je.text);
		return NULL;
	}
	if (vm_profile_check(config, why, why_len))
		goto out;
	if (!name)
		name = json_string_value(json_object_get(json_object_get(config, "c_info"), "name"));
	if (!name) {
		snprintf(why, why_len, "name: is missing");
		goto out;
	}
	uuid = json_string_value(json_object_get(json_object_get(config, "c_info"), "uuid"));
	if (!uuid || !uuid_given) {
		stable_uuid(name, made);
		uuid = made;
	} else {
		snprintf(made, sizeof(made), "%s", uuid);
		uuid = made; /* the one in config is about to be replaced */
	}
	text = make_record(config, name, uuid);
	if (!text) {
		snprintf(why, why_len, "not enough memory for the record");
		goto out;
	}
	if (vm_record_parse(text, strlen(text), &check, why, why_len)) {
		free(text);
		text = NULL;
	} else {
		vm_record_free(&check);
	}
out:
	json_decref(config);
	return text;
}
