/* SPDX-License-Identifier: GPL-2.0-only */
#include "domain/profile.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* One key of libxl's JSON: its name in an xl configuration and what is allowed. */
struct rule {
	const char *key;
	const char *option;
	/* NULL: any value.  Else what is wrong with it, or NULL when it is right. */
	const char *(*wrong)(const json_t *val);
	const char *refuse; /* the key's mere presence is wrong */
};

static int say(char *why, size_t why_len, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
static int say(char *why, size_t why_len, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(why, why_len, fmt, ap);
	va_end(ap);
	return -EINVAL;
}

static bool is_string(const json_t *val, const char *want)
{
	return json_is_string(val) && !strcmp(json_string_value(val), want);
}

static const char *wrong_unless_false(const json_t *val)
{
	return is_string(val, "False") ? NULL : "is not supported; remove it";
}

static const char *wrong_unless_true(const json_t *val)
{
	return is_string(val, "True") ? NULL : "must not be switched off; remove it";
}

static const char *wrong_type(const json_t *val)
{
	return is_string(val, "pvh") ? NULL : "must be \"pvh\": only PVH guests can be protected";
}

static const char *wrong_passthrough(const json_t *val)
{
	return is_string(val, "disabled") || is_string(val, "unknown")
		       ? NULL
		       : "must be \"disabled\": device passthrough "
			 "cannot be mirrored";
}

static const char *wrong_pool(const json_t *val)
{
	return is_string(val, "Pool-0") ? NULL : "must be Pool-0";
}

static const char *wrong_tsc(const json_t *val)
{
	return is_string(val, "native") ? NULL : "must be \"native\"";
}

static const char *wrong_vcpus(const json_t *val)
{
	return json_integer_value(val) >= 1 && json_integer_value(val) <= VM_PROFILE_MAX_VCPUS
		       ? NULL
		       : "must be 1: several vCPUs cannot be protected yet";
}

static const char *wrong_grant_version(const json_t *val)
{
	return json_integer_value(val) == 1 ? NULL : "must be 1: grant table version 2 cannot be mirrored";
}

static const char *wrong_struct(const json_t *val)
{
	return json_is_object(val) && !json_object_size(val) ? NULL
							     : "has sub-options that are not supported";
}

static const char *wrong_format(const json_t *val)
{
	return is_string(val, "raw") ? NULL : "must be raw: both hosts must see the same block device";
}

static const char *wrong_backend(const json_t *val)
{
	return is_string(val, "phy") || is_string(val, "unknown") ? NULL : "must be phy or left out";
}

static const char *wrong_script(const json_t *val)
{
	return is_string(val, "vif-bridge")
		       ? NULL
		       : "must be vif-bridge or left out: Kemari attaches the guest itself";
}

static const char *wrong_nictype(const json_t *val)
{
	return is_string(val, "vif") ? NULL : "must be vif";
}

static const struct rule c_info_rules[] = {
	{ "type", "type", wrong_type, NULL },
	{ "hap", "hap", wrong_unless_true, NULL },
	{ "oos", "oos", NULL, NULL },
	{ "name", "name", NULL, NULL },
	{ "uuid", "uuid", NULL, NULL },
	{ "run_hotplug_scripts", "run_hotplug_scripts", NULL, NULL },
	{ "passthrough", "passthrough", wrong_passthrough, NULL },
	{ "driver_domain", "driver_domain", wrong_unless_false, NULL },
	{ "pool_name", "pool", wrong_pool, NULL },
	{ "ssid_label", "seclabel", NULL,
	  "is not supported: the label's number may differ on the other host" },
	{ "ssidref", "seclabel", NULL, "is not supported: the label's number may differ on the other host" },
	{ NULL, NULL, NULL, NULL },
};

static const struct rule b_info_rules[] = {
	{ "max_vcpus", "maxvcpus", wrong_vcpus, NULL },
	{ "avail_vcpus", "vcpus", NULL, NULL },
	{ "cpumap", "cpus", NULL, NULL },
	{ "nodemap", "nodes", NULL, NULL },
	{ "vcpu_hard_affinity", "cpus", NULL, NULL },
	{ "vcpu_soft_affinity", "cpus_soft", NULL, NULL },
	{ "numa_placement", "numa_placement", NULL, NULL },
	{ "tsc_mode", "tsc_mode", wrong_tsc, NULL },
	{ "max_memkb", "maxmem", NULL, NULL },
	{ "target_memkb", "memory", NULL, NULL },
	{ "shadow_memkb", "shadow_memory", NULL, NULL },
	{ "sched_params", "cpu_weight", NULL, NULL },
	{ "rtc_timeoffset", "rtc_timeoffset", NULL, NULL },
	{ "localtime", "localtime", wrong_unless_false, NULL },
	{ "claim_mode", "claim_mode", NULL, NULL },
	{ "event_channels", "event_channels", NULL, NULL },
	{ "max_grant_frames", "max_grant_frames", NULL, NULL },
	{ "max_maptrack_frames", "max_maptrack_frames", NULL, NULL },
	{ "max_grant_version", "max_grant_version", wrong_grant_version, NULL },
	{ "cpuid", "cpuid", NULL, NULL },
	{ "kernel", "kernel", NULL, NULL },
	{ "cmdline", "cmdline", NULL, NULL },
	{ "ramdisk", "ramdisk", NULL, NULL },
	{ "acpi", "acpi", NULL, NULL },
	{ "apic", "apic", wrong_unless_true, NULL },
	{ "nested_hvm", "nestedhvm", wrong_unless_false, NULL },
	{ "type.pvh", "pvshim", wrong_struct, NULL },
	{ "arch_arm", "vuart", wrong_struct, NULL },
	{ "arch_x86", "msr_relaxed", wrong_struct, NULL },
	{ "altp2m", "altp2m", NULL, "is not supported; remove it" },
	{ "bootloader", "bootloader", NULL, "is not supported: give kernel and ramdisk" },
	{ "ioports", "ioports", NULL, "is device passthrough, which cannot be mirrored" },
	{ "irqs", "irqs", NULL, "is device passthrough, which cannot be mirrored" },
	{ "iomem", "iomem", NULL, "is device passthrough, which cannot be mirrored" },
	{ "vnuma_nodes", "vnuma", NULL, "is not supported; remove it" },
	{ "disable_migrate", "nomigrate", wrong_unless_false, NULL },
	{ "device_model", "device_model_override", NULL,
	  "is not supported: a protected guest has no device model" },
	{ "vmtrace_buf_kb", "vmtrace_buf_kb", NULL, "is not supported; remove it" },
	{ "vpmu", "vpmu", wrong_unless_false, NULL },
	{ "timer_mode", "timer_mode", NULL, "is not supported; remove it" },
	{ NULL, NULL, NULL, NULL },
};

static const struct rule config_rules[] = {
	{ "c_info", "c_info", NULL, NULL },
	{ "b_info", "b_info", NULL, NULL },
	{ "disks", "disk", NULL, NULL },
	{ "nics", "vif", NULL, NULL },
	{ "on_poweroff", "on_poweroff", NULL, NULL },
	{ "on_reboot", "on_reboot", NULL, NULL },
	{ "on_crash", "on_crash", NULL, NULL },
	{ "on_watchdog", "on_watchdog", NULL, NULL },
	{ "on_soft_reset", "on_soft_reset", NULL, NULL },
	{ "pcidevs", "pci", NULL, "is device passthrough, which cannot be mirrored" },
	{ "rdms", "rdm", NULL, "is device passthrough, which cannot be mirrored" },
	{ "dtdevs", "dtdev", NULL, "is device passthrough, which cannot be mirrored" },
	{ "vfbs", "vfb", NULL, "is not supported: a protected guest has a text console only" },
	{ "vkbs", "vkb", NULL, "is not supported: a protected guest has a text console only" },
	{ "vtpms", "vtpm", NULL, "is not supported; remove it" },
	{ "p9s", "p9", NULL, "is not supported; remove it" },
	{ "pvcallsifs", "pvcalls", NULL, "is not supported; remove it" },
	{ "vdispls", "vdispl", NULL, "is not supported; remove it" },
	{ "vsnds", "vsnd", NULL, "is not supported; remove it" },
	{ "channels", "channel", NULL, "is not supported; remove it" },
	{ "usbctrls", "usbctrl", NULL, "is not supported; remove it" },
	{ "usbdevs", "usbdev", NULL, "is not supported; remove it" },
	{ NULL, NULL, NULL, NULL },
};

static const struct rule disk_rules[] = {
	{ "pdev_path", "target", NULL, NULL },
	{ "vdev", "vdev", NULL, NULL },
	{ "format", "format", wrong_format, NULL },
	{ "backend", "backendtype", wrong_backend, NULL },
	{ "readwrite", "access", NULL, NULL },
	{ "discard_enable", "discard", NULL, NULL },
	{ "direct_io_safe", "direct-io-safe", NULL, NULL },
	{ "script", "script", NULL, "is not supported: give a block device as target" },
	{ "is_cdrom", "devtype=cdrom", NULL, "is not supported; remove it" },
	{ "removable", "devtype=cdrom", NULL, "is not supported; remove it" },
	{ "backend_domname", "backend", NULL, "is not supported: the disk must be in dom0" },
	{ "backend_domid", "backend", NULL, "is not supported: the disk must be in dom0" },
	{ NULL, NULL, NULL, NULL },
};

static const struct rule nic_rules[] = {
	{ "devid", "devid", NULL, NULL },
	{ "mac", "mac", NULL, NULL },
	{ "bridge", "bridge", NULL, NULL },
	{ "mtu", "mtu", NULL, NULL },
	{ "script", "script", wrong_script, NULL },
	{ "nictype", "type", wrong_nictype, NULL },
	{ "ip", "ip", NULL, "is not supported: it is for routed setups, Kemari needs a bridge" },
	{ "gatewaydev", "gatewaydev", NULL,
	  "is not supported: it is for routed setups, Kemari needs a bridge" },
	{ "ifname", "vifname", NULL, "is not supported: Kemari names the interface" },
	{ "rate_bytes_per_interval", "rate", NULL, "is not supported; limit the rate on the bridge" },
	{ "backend_domname", "backend", NULL, "is not supported: the bridge must be in dom0" },
	{ "backend_domid", "backend", NULL, "is not supported: the bridge must be in dom0" },
	{ NULL, NULL, NULL, NULL },
};

static const struct rule *find_rule(const struct rule *rules, const char *key)
{
	for (; rules->key; rules++)
		if (!strcmp(rules->key, key))
			return rules;
	return NULL;
}

/* where: "" or "disk: " ... in front of the option's name. */
static int check_object(const json_t *obj, const struct rule *rules, const char *where, char *why,
			size_t why_len)
{
	const char *key;
	json_t *val;

	if (!json_is_object(obj))
		return say(why, why_len, "%sxl printed something that is no object", where);
	json_object_foreach((json_t *)obj, key, val) {
		const struct rule *r = find_rule(rules, key);
		const char *wrong;

		if (!r)
			return say(why, why_len, "%s%.40s: is not supported for a protected guest; remove it",
				   where, key);
		wrong = r->refuse ? r->refuse : r->wrong ? r->wrong(val) : NULL;
		if (wrong)
			return say(why, why_len, "%s%s: %s", where, r->option, wrong);
	}
	return 0;
}

static int check_array(const json_t *list, const struct rule *rules, const char *where, char *why,
		       size_t why_len)
{
	size_t i;
	json_t *val;

	if (!list)
		return 0;
	if (!json_is_array(list))
		return say(why, why_len, "%sxl printed something that is no list", where);
	json_array_foreach((json_t *)list, i, val) {
		int err = check_object(val, rules, where, why, why_len);

		if (err)
			return err;
	}
	return 0;
}

static int check_action(const json_t *config, const char *key, char *why, size_t why_len)
{
	const json_t *val = json_object_get(config, key);

	if (!val || is_string(val, "destroy") || is_string(val, "restart") || is_string(val, "preserve"))
		return 0;
	if (!strcmp(key, "on_soft_reset") && is_string(val, "soft_reset"))
		return 0;
	return say(why, why_len, "%s: must be destroy, restart or preserve", key);
}

static int check_size(const json_t *c_info, const json_t *b_info, char *why, size_t why_len)
{
	json_int_t mem = json_integer_value(json_object_get(b_info, "target_memkb"));
	json_int_t max = json_integer_value(json_object_get(b_info, "max_memkb"));

	if (!json_object_get(c_info, "type"))
		return say(why, why_len, "type: must be \"pvh\": only PVH guests can be protected");
	if (!json_object_get(b_info, "tsc_mode"))
		return say(why, why_len,
			   "tsc_mode: must be \"native\"; add tsc_mode = \"native\" to the configuration");
	if (!json_is_string(json_object_get(b_info, "kernel")))
		return say(why, why_len,
			   "kernel: is missing; a protected guest boots from a kernel file in dom0");
	if (mem <= 0 || mem != max)
		return say(why, why_len, "maxmem: must be equal to memory (%lld and %lld KiB): no ballooning",
			   (long long)max, (long long)mem);
	return 0;
}

int vm_profile_check(const json_t *config, char *why, size_t why_len)
{
	static const char *const actions[] = { "on_poweroff", "on_reboot", "on_crash", "on_watchdog",
					       "on_soft_reset" };
	const json_t *c_info, *b_info;
	size_t i;
	int err = check_object(config, config_rules, "", why, why_len);

	if (err)
		return err;
	c_info = json_object_get(config, "c_info");
	b_info = json_object_get(config, "b_info");
	err = check_object(c_info, c_info_rules, "", why, why_len);
	if (!err)
		err = check_object(b_info, b_info_rules, "", why, why_len);
	if (!err)
		err = check_size(c_info, b_info, why, why_len);
	if (!err)
		err = check_array(json_object_get(config, "disks"), disk_rules, "disk: ", why, why_len);
	if (!err)
		err = check_array(json_object_get(config, "nics"), nic_rules, "vif: ", why, why_len);
	for (i = 0; !err && i < sizeof(actions) / sizeof(actions[0]); i++)
		err = check_action(config, actions[i], why, why_len);
	return err;
}
