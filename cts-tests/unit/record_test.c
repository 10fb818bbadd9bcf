/* SPDX-License-Identifier: GPL-2.0-only */
/* The VM record: what is taken, and that each key's nonsense is refused by its name. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "domain/record.h"

#define UUID "11112222-3333-4444-5555-666677778888"

static const char good[] =
	"{\"format\":1,\"name\":\"vm1\",\"uuid\":\"" UUID "\",\"memory_kb\":131072,\"vcpus\":1,"
	"\"on\":{\"poweroff\":\"destroy\",\"reboot\":\"restart\",\"crash\":\"preserve\",\"watchdog\":"
	"\"destroy\","
	"\"soft_reset\":\"restart\"},"
	"\"disks\":[{\"vdev\":\"xvda\",\"target\":\"/dev/vdb\",\"readonly\":false,\"discard\":true},"
	"{\"vdev\":\"xvdb1\",\"target\":\"/dev/vdc\",\"readonly\":true,\"discard\":false}],"
	"\"nics\":[{\"devid\":0,\"mac\":\"00:16:3E:77:00:50\",\"bridge\":\"xenbr0\",\"mtu\":1500}],"
	"\"config\":{\"c_info\":{\"type\":\"pvh\",\"name\":\"vm1\",\"uuid\":\"" UUID "\"},"
	"\"b_info\":{\"max_vcpus\":1,\"tsc_mode\":\"native\",\"max_memkb\":131072,\"target_memkb\":131072,"
	"\"kernel\":\"/boot/vmlinuz\"}}}";

static int parse(const char *text, struct vm_record *r, char why[256])
{
	why[0] = '\0';
	return vm_record_parse(text, strlen(text), r, why, 256);
}

static void a_good_record_is_taken_whole(void **state)
{
	struct vm_record r;
	char why[256];

	assert_int_equal(parse(good, &r, why), 0);
	assert_string_equal(r.name, "vm1");
	assert_string_equal(r.uuid_text, UUID);
	assert_int_equal(r.uuid[0], 0x11);
	assert_int_equal(r.uuid[15], 0x88);
	assert_int_equal(r.memory_kb, 131072);
	assert_int_equal(r.on_reboot, VM_RESTART);
	assert_int_equal(r.on_crash, VM_PRESERVE);
	assert_int_equal(r.nr_disks, 2);
	assert_int_equal(r.disk[0].virtual_device, 51712);
	assert_int_equal(r.disk[1].virtual_device, 51712 + 16 + 1);
	assert_true(r.disk[1].readonly);
	assert_int_equal(r.nic[0].mac[2], 0x3e);
	assert_string_equal(r.json, good);
	vm_record_free(&r);
	assert_null(r.json);
}

/* Sets (value NULL: deletes) the key at a path like "disks.0.vdev" of the good record. */
static char *changed(const char *path, const char *value)
{
	json_t *root = json_loads(good, 0, NULL), *at = root;
	char copy[64], *key, *next, *text;

	snprintf(copy, sizeof(copy), "%s", path);
	for (key = copy; (next = strchr(key, '.')); key = next + 1) {
		*next = '\0';
		at = json_is_array(at) ? json_array_get(at, atoi(key)) : json_object_get(at, key);
		assert_non_null(at);
	}
	if (value)
		json_object_set_new(at, key, json_loads(value, JSON_DECODE_ANY, NULL));
	else
		json_object_del(at, key);
	text = json_dumps(root, JSON_COMPACT);
	json_decref(root);
	return text;
}

static void each_key_is_needed_and_checked(void **state)
{
	static const struct {
		const char *path, *value, *named;
	} bad[] = {
		{ "format", NULL, "format" },
		{ "format", "2", "format" },
		{ "name", NULL, "name" },
		{ "name", "\"\"", "name" },
		{ "name", "\"a b\"", "name" },
		{ "name", "\"a/b\"", "name" },
		{ "name", "\"-x\"", "name" },
		{ "name", "\"vm1--standby\"", "standby" },
		{ "name", "\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"", "name" },
		{ "uuid", NULL, "uuid" },
		{ "uuid", "\"11112222-3333-4444-5555-66667777888\"", "uuid" },
		{ "uuid", "\"11112222-3333-4444-5555-66667777888g\"", "uuid" },
		{ "uuid", "\"1111222213333-4444-5555-666677778888\"", "uuid" },
		{ "uuid", "\"00000000-0000-0000-0000-000000000000\"", "uuid" },
		{ "memory_kb", "-1", "memory_kb" },
		{ "memory_kb", "131071", "memory_kb" },
		{ "memory_kb", "1.5", "memory_kb" },
		{ "memory_kb", "9223372036854775807", "memory_kb" },
		{ "memory_kb", "262144", "memory" },
		{ "vcpus", "0", "vcpus" },
		{ "vcpus", "2", "vcpus" },
		{ "on", NULL, "on" },
		{ "on.crash", "\"rename_restart\"", "on.crash" },
		{ "on.extra", "\"destroy\"", "extra" },
		{ "disks", "{}", "disks" },
		{ "disks.0.vdev", "\"sda\"", "vdev" },
		{ "disks.0.vdev", "\"xvd\"", "vdev" },
		{ "disks.0.vdev", "\"xvda0\"", "vdev" },
		{ "disks.0.vdev", "\"xvda256\"", "vdev" },
		{ "disks.0.vdev", "\"xvdzzzzzzz\"", "vdev" },
		{ "disks.0.target", "\"vdb\"", "target" },
		{ "disks.0.target", "\"/dev/vdc\"", "same" },
		{ "disks.1.vdev", "\"xvda\"", "same" },
		{ "disks.0.readonly", "0", "readonly" },
		{ "disks.0.discard", NULL, "discard" },
		{ "disks.0.script", "\"x\"", "script" },
		{ "nics.0.devid", "256", "devid" },
		{ "nics.0.mac", "\"00:16:3e:77:00\"", "mac" },
		{ "nics.0.mac", "\"01:16:3e:77:00:50\"", "mac" },
		{ "nics.0.mac", "\"00:00:00:00:00:00\"", "mac" },
		{ "nics.0.mac", "\"00-16-3e-77-00-50\"", "mac" },
		{ "nics.0.bridge", "\"a-name-too-long-for-it\"", "bridge" },
		{ "nics.0.bridge", "\"../x\"", "bridge" },
		{ "nics.0.bridge", "\"..\"", "bridge" },
		{ "nics.0.mtu", "67", "mtu" },
		{ "config", NULL, "" },
		{ "config.c_info.name", "\"other\"", "config" },
		{ "config.c_info.uuid", "\"11112222-3333-4444-5555-666677778889\"", "config" },
		{ "config.disks", "[]", "config" },
		{ "config.b_info.nested_hvm", "\"True\"", "nestedhvm" },
		{ "config.pcidevs", "[]", "pci" },
		{ "surprise", "1", "surprise" },
	};
	struct vm_record r;
	char why[256];
	size_t i;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		char *text = changed(bad[i].path, bad[i].value);

		if (parse(text, &r, why) != -EINVAL || !why[0] || !strstr(why, bad[i].named))
			fail_msg("%s = %s: \"%s\"", bad[i].path, bad[i].value ? bad[i].value : "(gone)", why);
		assert_null(r.json);
		free(text);
	}
}

static void text_that_is_no_record_is_refused(void **state)
{
	static const char *const bad[] = { "", "[]", "null", "{", "{\"format\":1,\"format\":1}", "\"x\"" };
	struct vm_record r;
	char why[256], *big;
	size_t i;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(parse(bad[i], &r, why), -EINVAL);
	/* Every cut of the good one. */
	for (i = 0; i < sizeof(good) - 1; i++)
		assert_int_equal(vm_record_parse(good, i, &r, why, sizeof(why)), -EINVAL);
	big = calloc(1, VM_RECORD_MAX + 2);
	memset(big, ' ', VM_RECORD_MAX + 1);
	memcpy(big, good, sizeof(good) - 1);
	assert_int_equal(vm_record_parse(big, VM_RECORD_MAX + 1, &r, why, sizeof(why)), -EINVAL);
	assert_int_equal(vm_record_parse(big, VM_RECORD_MAX, &r, why, sizeof(why)), 0);
	vm_record_free(&r);
	free(big);
}

static void too_many_devices_are_refused(void **state)
{
	struct vm_record r;
	char why[256], one[128], *text;
	json_t *root = json_loads(good, 0, NULL), *list = json_array();
	unsigned int i;

	for (i = 0; i <= VM_MAX_DISKS; i++) {
		snprintf(one, sizeof(one),
			 "{\"vdev\":\"xvd%c\",\"target\":\"/d/%u\",\"readonly\":false,\"discard\":true}",
			 'a' + i, i);
		json_array_append_new(list, json_loads(one, 0, NULL));
	}
	json_object_set_new(root, "disks", list);
	text = json_dumps(root, 0);
	assert_int_equal(parse(text, &r, why), -EINVAL);
	assert_non_null(strstr(why, "disks"));
	free(text);
	json_array_remove(list, 0);
	text = json_dumps(root, 0);
	assert_int_equal(parse(text, &r, why), 0);
	assert_int_equal(r.nr_disks, VM_MAX_DISKS);
	vm_record_free(&r);
	free(text);
	json_decref(root);
}

static void device_numbers_are_those_of_libxl(void **state)
{
	static const struct {
		const char *vdev;
		uint32_t number;
	} known[] = {
		{ "\"xvda\"", 51712 },	    { "\"xvda15\"", 51727 },	 { "\"xvdp\"", 51952 },
		{ "\"xvdq\"", 268439552 },  { "\"xvda16\"", 268435472 }, { "\"xvdz\"", 268441856 },
		{ "\"xvdaa\"", 268442112 },
	};
	struct vm_record r;
	char why[256];
	size_t i;

	for (i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		char *text = changed("disks.0.vdev", known[i].vdev);

		assert_int_equal(parse(text, &r, why), 0);
		assert_int_equal(r.disk[0].virtual_device, known[i].number);
		vm_record_free(&r);
		free(text);
	}
}

static void domids_probe_on_within_their_range(void **state)
{
	struct vm_record a, b;
	char why[256], *text = changed("name", "\"vm1\"");
	uint32_t first, i;

	assert_int_equal(parse(good, &a, why), 0);
	assert_int_equal(parse(text, &b, why), 0);
	free(text);
	first = vm_record_domid(&a, 0);
	assert_int_equal(first, vm_record_domid(&b, 0));
	for (i = 0; i < 12000; i++) {
		uint32_t d = vm_record_domid(&a, i);

		assert_in_range(d, 20000, 31999);
		assert_int_equal(d == first, i == 0);
	}
	b.uuid[0] ^= 1;
	assert_int_not_equal(first, vm_record_domid(&b, 0));
	vm_record_free(&a);
	vm_record_free(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_good_record_is_taken_whole),
		cmocka_unit_test(each_key_is_needed_and_checked),
		cmocka_unit_test(text_that_is_no_record_is_refused),
		cmocka_unit_test(too_many_devices_are_refused),
		cmocka_unit_test(device_numbers_are_those_of_libxl),
		cmocka_unit_test(domids_probe_on_within_their_range),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
