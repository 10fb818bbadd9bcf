/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The VM record: what both hosts must know to make, find and run one protected guest.  Made once from the
 * xl configuration by `kemari-domain record`, kept as JSON, sent to the standby, never re-derived for a
 * running guest.
 *
 * - "format": 1, "name": "vm1", "uuid": "...", "memory_kb": 131072, "vcpus": 1
 * - "on": { "poweroff", "reboot", "crash", "watchdog", "soft_reset": "destroy", "restart" or "preserve" }
 * - "disks": [ { "vdev": "xvda", "target": "/dev/vdb", "readonly": false, "discard": true } ]
 * - "nics": [ { "devid": 0, "mac": "00:16:3e:..", "bridge": "xenbr0", "mtu": 1500 } ]
 * - "config": libxl_domain_config as JSON, without devices
 *
 * No key may be missing, no other key may be there.
 */
#ifndef KEMARI_DOMAIN_RECORD_H
#define KEMARI_DOMAIN_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define VM_NAME_MAX 64
#define VM_PATH_MAX 256
#define VM_MAX_DISKS 16
#define VM_MAX_NICS 8
#define VM_RECORD_MAX (64U << 10) /* JSON text */

enum vm_action { VM_DESTROY, VM_RESTART, VM_PRESERVE };

struct vm_disk {
	char vdev[16];
	char target[VM_PATH_MAX];
	uint32_t virtual_device; /* xenstore's number of vdev */
	bool readonly;
	bool discard;
};

struct vm_nic {
	uint32_t devid;
	uint8_t mac[6];
	char bridge[16];
	uint32_t mtu;
};

struct vm_record {
	char name[VM_NAME_MAX];
	uint8_t uuid[16];
	char uuid_text[37];
	uint64_t memory_kb;
	uint32_t vcpus;
	enum vm_action on_poweroff, on_reboot, on_crash, on_watchdog, on_soft_reset;
	unsigned int nr_disks, nr_nics;
	struct vm_disk disk[VM_MAX_DISKS];
	struct vm_nic nic[VM_MAX_NICS];
	char *json;	 /* the whole text, owned */
	size_t json_len; /* without the NUL */
};

/* Parses and checks text; why (at least 256 bytes) gets one sentence that names the key on -EINVAL. */
int vm_record_parse(const char *text, size_t len, struct vm_record *r, char *why, size_t why_len);
void vm_record_free(struct vm_record *r);

/* First domid to try: a number hashed from the uuid in 20000..31999; attempt 1, 2, ... probes on. */
uint32_t vm_record_domid(const struct vm_record *r, unsigned int attempt);

#endif /* KEMARI_DOMAIN_RECORD_H */
