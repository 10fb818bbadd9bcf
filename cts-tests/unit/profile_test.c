/* SPDX-License-Identifier: GPL-2.0-only */
/* The domain profile and the making of a record, on JSON as `xl create -qn` of Xen 4.17.7 prints it. */
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

#include "domain/profile.h"
#include "domain/record.h"

static const char xl_json[] =
	"{\"c_info\":{\"type\":\"pvh\",\"name\":\"g1\",\"uuid\":\"74805e63-203a-445c-9bb3-d3d14d44f686\","
	"\"run_hotplug_scripts\":\"True\"},\"b_info\":{\"max_vcpus\":1,\"avail_vcpus\":[0],\"tsc_mode\":"
	"\"native\","
	"\"max_memkb\":131072,\"target_memkb\":131072,\"sched_params\":{},\"claim_mode\":\"True\","
	"\"kernel\":\"/lab/vmlinux\",\"cmdline\":\"console=hvc0\",\"ramdisk\":\"/lab/"
	"initrd.img\",\"type.pvh\":{},"
	"\"arch_arm\":{},\"arch_x86\":{}},\"disks\":[{\"pdev_path\":\"/dev/"
	"vdb\",\"vdev\":\"xvda\",\"format\":\"raw\","
	"\"readwrite\":1}],\"nics\":[{\"devid\":0,\"bridge\":\"xenbr0\"},{\"devid\":1,\"mac\":\"00:16:3e:77:"
	"00:50\","
	"\"mtu\":9000}],\"on_reboot\":\"restart\",\"on_soft_reset\":\"soft_reset\"}";

/* Sets the key at a path like "disks.0.format"; value NULL deletes. */
static char *changed(const char *path, const char *value)
{
	json_t *root = json_loads(xl_json, 0, NULL), *at = root;
	char copy[64], *key = copy, *next, *text;

	snprintf(copy, sizeof(copy), "%s", path);
	while ((next = strchr(key, '|'))) {
		*next = '\0';
		at = json_is_array(at) ? json_array_get(at, atoi(key)) : json_object_get(at, key);
		assert_non_null(at);
		key = next + 1;
	}
	if (value)
		json_object_set_new(at, key, json_loads(value, JSON_DECODE_ANY, NULL));
	else
		json_object_del(at, key);
	text = json_dumps(root, JSON_COMPACT);
	json_decref(root);
	return text;
}

static char *make(const char *text, const char *name, bool uuid_given, struct vm_record *r)
{
	char why[256] = "", *rec = vm_profile_record(text, strlen(text), name, uuid_given, why, sizeof(why));

	if (!rec)
		fail_msg("%s", why);
	assert_int_equal(vm_record_parse(rec, strlen(rec), r, why, sizeof(why)), 0);
	return rec;
}

static void refused_options_are_named_as_in_the_configuration(void **state)
{
	static const struct {
		const char *path, *value, *named;
	} bad[] = {
		{ "c_info|type", "\"hvm\"", "type:" },
		{ "c_info|type", NULL, "type:" },
		{ "c_info|hap", "\"False\"", "hap:" },
		{ "c_info|passthrough", "\"enabled\"", "passthrough:" },
		{ "c_info|ssid_label", "\"x\"", "seclabel:" },
		{ "c_info|pool_name", "\"other\"", "pool:" },
		{ "b_info|tsc_mode", NULL, "tsc_mode = \"native\"" },
		{ "b_info|tsc_mode", "\"native_paravirt\"", "tsc_mode:" },
		{ "b_info|max_memkb", "262144", "maxmem:" },
		{ "b_info|max_vcpus", "2", "maxvcpus:" },
		{ "b_info|max_grant_version", "2", "max_grant_version:" },
		{ "b_info|nested_hvm", "\"True\"", "nestedhvm:" },
		{ "b_info|altp2m", "\"external\"", "altp2m:" },
		{ "b_info|bootloader", "\"pygrub\"", "bootloader:" },
		{ "b_info|kernel", NULL, "kernel:" },
		{ "b_info|ioports", "[]", "ioports:" },
		{ "b_info|vnuma_nodes", "[]", "vnuma:" },
		{ "b_info|type.pvh", "{\"pvshim\":\"True\"}", "pvshim:" },
		{ "b_info|arch_x86", "{\"msr_relaxed\":\"True\"}", "msr_relaxed:" },
		{ "b_info|never_seen", "1", "never_seen" },
		{ "disks|0|format", "\"qcow2\"", "disk: format:" },
		{ "disks|0|script", "\"block-x\"", "disk: script:" },
		{ "disks|0|backend_domname", "\"d\"", "disk: backend:" },
		{ "disks|0|is_cdrom", "1", "disk: devtype" },
		{ "disks|0|backend", "\"qdisk\"", "disk: backendtype:" },
		{ "nics|0|script", "\"vif-route\"", "vif: script:" },
		{ "nics|0|rate_bytes_per_interval", "1", "vif: rate:" },
		{ "nics|0|ip", "\"1.2.3.4\"", "vif: ip:" },
		{ "nics|0|backend_domname", "\"d\"", "vif: backend:" },
		{ "pcidevs", "[{}]", "pci:" },
		{ "vfbs", "[{}]", "vfb:" },
		{ "vtpms", "[{}]", "vtpm:" },
		{ "p9s", "[{}]", "p9:" },
		{ "channels", "[{}]", "channel:" },
		{ "usbctrls", "[{}]", "usbctrl:" },
		{ "on_crash", "\"coredump_restart\"", "on_crash:" },
		{ "on_reboot", "\"soft_reset\"", "on_reboot:" },
	};
	char why[256];
	size_t i;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		char *text = changed(bad[i].path, bad[i].value);
		char *rec;

		why[0] = '\0';
		rec = vm_profile_record(text, strlen(text), NULL, true, why, sizeof(why));
		if (rec || !strstr(why, bad[i].named))
			fail_msg("%s: \"%s\"", bad[i].path, rec ? "taken" : why);
		free(text);
	}
}

static void a_record_holds_all_that_the_other_host_must_know(void **state)
{
	struct vm_record r;
	char *rec = make(xl_json, NULL, true, &r);
	json_t *root = json_loads(rec, 0, NULL), *config = json_object_get(root, "config");
	json_t *b_info = json_object_get(config, "b_info");

	assert_string_equal(r.name, "g1");
	assert_string_equal(r.uuid_text, "74805e63-203a-445c-9bb3-d3d14d44f686");
	assert_int_equal(r.nr_disks, 1);
	assert_false(r.disk[0].readonly);
	assert_true(r.disk[0].discard);
	assert_int_equal(r.nr_nics, 2);
	assert_int_equal(r.nic[0].mtu, 1500);
	assert_int_equal(r.nic[1].mtu, 9000);
	assert_string_equal(r.nic[1].bridge, "xenbr0");
	assert_int_equal(r.on_poweroff, VM_DESTROY);
	assert_int_equal(r.on_reboot, VM_RESTART);
	assert_int_equal(r.on_soft_reset, VM_RESTART);
	assert_null(json_object_get(config, "disks"));
	assert_null(json_object_get(config, "nics"));
	assert_int_equal(json_integer_value(json_object_get(b_info, "max_grant_version")), 1);
	assert_int_equal(json_integer_value(json_object_get(b_info, "max_grant_frames")), 64);
	assert_int_equal(json_integer_value(json_object_get(b_info, "event_channels")), 1023);
	json_decref(root);
	vm_record_free(&r);
	free(rec);
}

static void what_xl_makes_up_is_made_stable(void **state)
{
	char *other = changed("c_info|uuid", "\"99999999-203a-445c-9bb3-d3d14d44f686\"");
	struct vm_record a, b, c;
	char *ra = make(xl_json, NULL, false, &a), *rb = make(other, NULL, false, &b),
	     *rc = make(xl_json, "g2", false, &c);

	/* The same name gives the same uuid and MACs, whatever xl invented; another name gives others. */
	assert_string_equal(ra, rb);
	assert_string_not_equal(a.uuid_text, c.uuid_text);
	assert_memory_not_equal(a.nic[0].mac, c.nic[0].mac, 6);
	assert_memory_equal(a.nic[0].mac, "\x00\x16\x3e", 3);
	assert_true(a.nic[0].mac[3] < 0x80);
	assert_int_equal(a.nic[1].mac[5], 0x50);
	/* An RFC 9562 uuid. */
	assert_int_equal(a.uuid[6] >> 4, 8);
	assert_int_equal(a.uuid[8] >> 6, 2);
	free(ra);
	free(rb);
	free(rc);
	free(other);
	vm_record_free(&a);
	vm_record_free(&b);
	vm_record_free(&c);
}

static void an_option_switched_off_explicitly_is_fine(void **state)
{
	static const char *const fine[][2] = {
		{ "b_info|nested_hvm", "\"False\"" },	  { "c_info|hap", "\"True\"" },
		{ "c_info|passthrough", "\"disabled\"" }, { "nics|0|script", "\"vif-bridge\"" },
		{ "b_info|max_grant_version", "1" },	  { "disks|0|discard_enable", "\"False\"" },
		{ "on_crash", "\"preserve\"" },
	};
	struct vm_record r;
	size_t i;

	for (i = 0; i < sizeof(fine) / sizeof(fine[0]); i++) {
		char *text = changed(fine[i][0], fine[i][1]), *rec = make(text, NULL, true, &r);

		vm_record_free(&r);
		free(rec);
		free(text);
	}
}

static void what_is_no_configuration_is_refused(void **state)
{
	static const char *const bad[] = {
		"", "[]", "{}", "{\"c_info\":{}}", "{\"c_info\":1,\"b_info\":2}", "(domain"
	};
	char why[256];
	size_t i;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		why[0] = '\0';
		assert_null(vm_profile_record(bad[i], strlen(bad[i]), "x", true, why, sizeof(why)));
		assert_true(why[0]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(refused_options_are_named_as_in_the_configuration),
		cmocka_unit_test(a_record_holds_all_that_the_other_host_must_know),
		cmocka_unit_test(what_xl_makes_up_is_made_stable),
		cmocka_unit_test(an_option_switched_off_explicitly_is_fine),
		cmocka_unit_test(what_is_no_configuration_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
