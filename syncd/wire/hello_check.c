/* SPDX-License-Identifier: GPL-2.0-only */
/* Whether two hosts can hold the two copies of one VM: every refusal before anything is copied. */
#include "wire/hello.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <uuid/uuid.h>

#include "hvop.h"

static int names_differ(const char *mine, const char *theirs)
{
	const char *colon = strchr(mine, ':');

	/* only names of one scheme can be compared: a path of dm-multipath is another name of the same disk
	 */
	return mine[0] && theirs[0] && colon && !strncmp(mine, theirs, (size_t)(colon - mine) + 1) &&
	       strcmp(mine, theirs) != 0;
}

static int disk_mismatch(const struct hello_disk *mine, const struct hello_disk *theirs, char *reason,
			 char *fix)
{
	const char *own = share_private(mine->share.kind), *other = share_private(theirs->share.kind);
	const char *same_device = "make the disk's target name the same device on both hosts";

	if (!mine->bytes || !theirs->bytes)
		return 0;
	if (own || other) {
		snprintf(reason, RECORD_WHY_MAX, "disk %s is %s %s, which no other host sees", mine->vdev,
			 own ? own : other, own ? "here" : "on the peer");
		snprintf(fix, RECORD_WHY_MAX,
			 "use a block device that both hosts reach: a SAN or iSCSI LUN, NBD, a dual-attached "
			 "disk");
	} else if (mine->bytes != theirs->bytes) {
		snprintf(reason, RECORD_WHY_MAX,
			 "disk %s has %" PRIu64 " bytes here and %" PRIu64 " on the peer", mine->vdev,
			 mine->bytes, theirs->bytes);
		snprintf(fix, RECORD_WHY_MAX, "%s", same_device);
	} else if (mine->sector_size != theirs->sector_size) {
		snprintf(reason, RECORD_WHY_MAX,
			 "disk %s has sectors of %" PRIu32 " bytes here and of %" PRIu32 " on the peer",
			 mine->vdev, mine->sector_size, theirs->sector_size);
		snprintf(fix, RECORD_WHY_MAX, "attach it in the same way on both hosts");
	} else if (names_differ(mine->share.id, theirs->share.id)) {
		snprintf(reason, RECORD_WHY_MAX, "disk %s is %.80s here and %.80s on the peer", mine->vdev,
			 mine->share.id, theirs->share.id);
		snprintf(fix, RECORD_WHY_MAX, "%s", same_device);
	} else {
		return 0;
	}
	return -EPROTO;
}

static int disks_mismatch(const struct hello *mine, const struct hello *theirs, char *reason, char *fix)
{
	if (mine->nr_disks != theirs->nr_disks) {
		snprintf(reason, RECORD_WHY_MAX, "this host has %u disks for the VM, the peer %u",
			 mine->nr_disks, theirs->nr_disks);
		snprintf(fix, RECORD_WHY_MAX, "use the same VM configuration on both hosts");
		return -EPROTO;
	}
	for (unsigned int i = 0; i < mine->nr_disks; i++)
		if (disk_mismatch(&mine->disk[i], &theirs->disk[i], reason, fix))
			return -EPROTO;
	return 0;
}

static int version_mismatch(uint32_t protocol, uint32_t state_format, const struct hello *theirs,
			    char *reason, char *fix)
{
	if (protocol != theirs->protocol) {
		snprintf(reason, RECORD_WHY_MAX, "this host speaks protocol %u, the peer %u", protocol,
			 theirs->protocol);
		snprintf(fix, RECORD_WHY_MAX, "install the same kemari version on both hosts");
	} else if (state_format != theirs->state_format) {
		snprintf(reason, RECORD_WHY_MAX, "Xen here has state format %u, the peer's %u", state_format,
			 theirs->state_format);
		snprintf(fix, RECORD_WHY_MAX, "boot Xen with the same kemari patch on both hosts");
	} else {
		return 0;
	}
	return -EPROTO;
}

static int uuid_mismatch(const uint8_t mine[16], const uint8_t theirs[16], char *reason, char *fix)
{
	char mine_uuid[UUID_STR_LEN], theirs_uuid[UUID_STR_LEN];

	if (!memcmp(mine, theirs, 16))
		return 0;
	uuid_unparse_lower(mine, mine_uuid);
	uuid_unparse_lower(theirs, theirs_uuid);
	snprintf(reason, RECORD_WHY_MAX, "the VM is %s here and %s on the peer", mine_uuid, theirs_uuid);
	snprintf(fix, RECORD_WHY_MAX, "set the same uuid= in the VM's configuration on both hosts");
	return -EPROTO;
}

/* A HELLO whose record is of another VM than its other keys say. */
static int record_mismatch(const struct hello *h, const struct vm_record *r, char *reason)
{
	const char *key = memcmp(h->uuid, r->uuid, 16)	 ? "uuid"
			  : h->memory_kb != r->memory_kb ? "memory"
			  : h->nr_disks != r->nr_disks	 ? "number of disks"
							 : NULL;

	if (!key)
		return 0;
	snprintf(reason, RECORD_WHY_MAX, "the peer's HELLO contradicts its own VM record: the %s", key);
	return -EPROTO;
}

int hello_admit(const struct hello *h, char name[VM_NAME_MAX], char *reason, char *fix)
{
	char why[RECORD_WHY_MAX];
	struct vm_record r;
	int ret;

	if (version_mismatch(RECORD_VERSION, XEN_KEMARI_STATE_VERSION, h, reason, fix))
		return -EPROTO;
	snprintf(fix, RECORD_WHY_MAX, "install the same kemari version on both hosts");
	if (!h->record || !h->domid) {
		snprintf(reason, RECORD_WHY_MAX, "a HELLO without VM record or domain");
		return -EPROTO;
	}
	if (vm_record_parse(h->record, h->record_len, &r, why, sizeof(why))) {
		snprintf(reason, RECORD_WHY_MAX, "the peer's VM record is refused: %.200s", why);
		return -EPROTO;
	}
	memcpy(name, r.name, sizeof(r.name));
	ret = record_mismatch(h, &r, reason);
	vm_record_free(&r);
	return ret;
}

int hello_mismatch(const struct hello *mine, const struct hello *theirs, char *reason, char *fix)
{
	if (version_mismatch(mine->protocol, mine->state_format, theirs, reason, fix) ||
	    uuid_mismatch(mine->uuid, theirs->uuid, reason, fix))
		return -EPROTO;
	if (mine->domid != theirs->domid) {
		snprintf(reason, RECORD_WHY_MAX, "the VM is domain %u here and domain %u on the peer",
			 mine->domid, theirs->domid);
		snprintf(fix, RECORD_WHY_MAX, "destroy the one that is not needed");
	} else if (mine->memory_kb != theirs->memory_kb) {
		snprintf(reason, RECORD_WHY_MAX,
			 "the VM has %" PRIu64 " KiB here and %" PRIu64 " KiB on the peer", mine->memory_kb,
			 theirs->memory_kb);
		snprintf(fix, RECORD_WHY_MAX, "use the same memory= on both hosts and start the VM anew");
	} else if (mine->cpu.nr_leaves && theirs->cpu.nr_leaves &&
		   cpu_policy_compare(&mine->cpu, &theirs->cpu, reason, RECORD_WHY_MAX)) {
		snprintf(fix, RECORD_WHY_MAX,
			 "use hosts with the same CPU model, microcode and Xen options, or level the guest's "
			 "features with cpuid= and start the VM anew");
	} else {
		return disks_mismatch(mine, theirs, reason, fix);
	}
	return -EPROTO;
}
