/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The domain profile: what a protected guest may be.  Works on the JSON that `xl create -n` prints of a
 * configuration (libxl_domain_config), which holds only what was set; so whatever is not known to be right is
 * refused by its name in the xl configuration.  No libxl here.
 *
 * First version: PVH with HAP, one vCPU, memory = maxmem, grant table v1, tsc_mode native, disks format=raw,
 * nics on a bridge.
 */
#ifndef KEMARI_DOMAIN_PROFILE_H
#define KEMARI_DOMAIN_PROFILE_H

#include <stdbool.h>
#include <stddef.h>

#include <jansson.h>

#define VM_PROFILE_MAX_VCPUS 1
/* Fixed in the record, so that both hosts build the same domain whatever their defaults are. */
#define VM_PROFILE_GRANT_FRAMES 64
#define VM_PROFILE_MAPTRACK_FRAMES 1024
#define VM_PROFILE_EVENT_CHANNELS 1023
#define VM_PROFILE_BRIDGE "xenbr0" /* libxl's default */
#define VM_PROFILE_MTU 1500

/* 0, or -EINVAL with why ("option: what is wrong and what to do").  Devices are checked, too. */
int vm_profile_check(const json_t *config, char *why, size_t why_len);

/*
 * The VM record (record.h) of a configuration: checked, devices taken out into disks and nics, uuid and MACs
 * fixed, limits made explicit.  name NULL: the configuration's own.  uuid_given false: xl made the uuid up; a
 * stable one is made from the name. Returns the text (free it), NULL with why on error.
 */
char *vm_profile_record(const char *xl_json, size_t len, const char *name, bool uuid_given, char *why,
			size_t why_len);

#endif /* KEMARI_DOMAIN_PROFILE_H */
