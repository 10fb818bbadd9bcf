/* SPDX-License-Identifier: GPL-2.0-only */
#include "block/share.h"

#include <errno.h>
#include <linux/major.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#define DRBD_MAJOR 147

/* The first word of a sysfs file of the device; false: there is none. */
static bool sysfs_word(dev_t dev, const char *name, char *to, size_t size)
{
	char path[128];
	bool ok;
	FILE *f;

	snprintf(path, sizeof(path), "/sys/dev/block/%u:%u/%s", major(dev), minor(dev), name);
	f = fopen(path, "re");
	if (!f)
		return false;
	ok = fgets(to, (int)size, f);
	fclose(f);
	if (ok)
		to[strcspn(to, " \t\n")] = '\0';
	return ok && to[0];
}

/*
 * Only names that are made to be unique in the world: two emulated or cheap disks may well have the same
 * serial number, and two different ones for the same disk.
 */
static void storage_name(dev_t dev, char id[SHARE_ID_MAX])
{
	static const struct {
		const char *file, *prefix, *scheme;
	} source[] = {
		{ "dm/uuid", "mpath-", "dm" },	      { "dm/uuid", "LVM-", "dm" },
		{ "device/wwid", "naa.", "wwid" },    { "device/wwid", "eui.", "wwid" },
		{ "../device/wwid", "naa.", "part" }, { "wwid", "uuid.", "wwid" },
		{ "wwid", "eui.", "wwid" },	      { "../wwid", "eui.", "part" },
	};
	char word[SHARE_ID_MAX - 32], start[24] = "0";

	for (unsigned int i = 0; i < sizeof(source) / sizeof(source[0]); i++) {
		if (!sysfs_word(dev, source[i].file, word, sizeof(word)) ||
		    strncmp(word, source[i].prefix, strlen(source[i].prefix)))
			continue;
		sysfs_word(dev, "start", start, sizeof(start)); /* of a partition */
		snprintf(id, SHARE_ID_MAX, "%s:%s+%s", source[i].scheme, word, start);
		return;
	}
}

int share_identify(const char *target, struct share_id *out)
{
	const char *kind = "device";
	struct stat st;

	memset(out, 0, sizeof(*out));
	if (stat(target, &st))
		return -errno;
	if (S_ISREG(st.st_mode))
		kind = "file";
	else if (!S_ISBLK(st.st_mode))
		return -ENOTBLK;
	else if (major(st.st_rdev) == LOOP_MAJOR)
		kind = "loop";
	else if (major(st.st_rdev) == DRBD_MAJOR)
		kind = "drbd";
	else
		storage_name(st.st_rdev, out->id);
	snprintf(out->kind, sizeof(out->kind), "%s", kind);
	return 0;
}

const char *share_private(const char *kind)
{
	if (!strcmp(kind, "file"))
		return "a plain file";
	if (!strcmp(kind, "loop"))
		return "a loop device";
	if (!strcmp(kind, "drbd"))
		return "a DRBD device";
	return strcmp(kind, "device") != 0 ? "of an unknown kind" : NULL;
}

static bool have(const uint64_t *offset, unsigned int nr, uint64_t value)
{
	for (unsigned int i = 0; i < nr; i++)
		if (offset[i] == value)
			return true;
	return false;
}

unsigned int share_pick(uint64_t disk_bytes, const uint64_t *recent, unsigned int *nr_recent,
			uint64_t offset[SHARE_SAMPLES])
{
	uint64_t blocks = disk_bytes / SHARE_BLOCK, random[SHARE_SAMPLES] = { 0 };
	unsigned int nr = 0, wanted = *nr_recent < SHARE_RECENT ? *nr_recent : SHARE_RECENT;

	*nr_recent = 0;
	if (!blocks)
		return 0;
	for (unsigned int i = 0; i < wanted; i++)
		if (recent[i] / SHARE_BLOCK < blocks && !have(offset, nr, recent[i]))
			offset[nr++] = recent[i];
	*nr_recent = nr;
	if (!have(offset, nr, 0))
		offset[nr++] = 0;
	if (!have(offset, nr, (blocks - 1) * SHARE_BLOCK))
		offset[nr++] = (blocks - 1) * SHARE_BLOCK;
	/* without entropy the same blocks are looked at, which is less and not wrong */
	if (getrandom(random, sizeof(random), 0) != sizeof(random))
		return nr;
	for (unsigned int i = 0; nr < SHARE_SAMPLES && i < SHARE_SAMPLES; i++) {
		uint64_t at = random[i] % blocks * SHARE_BLOCK;

		if (!have(offset, nr, at))
			offset[nr++] = at;
	}
	return nr;
}

void share_judge(const uint64_t *before, const uint64_t *theirs, const uint64_t *after, unsigned int nr,
		 unsigned int nr_recent, struct share_verdict *v)
{
	memset(v, 0, sizeof(*v));
	for (unsigned int i = 0; i < nr; i++) {
		if (before[i] != after[i]) {
			v->unstable++;
		} else if (theirs[i] == after[i]) {
			v->same++;
			v->same_recent += i < nr_recent;
		} else if (!v->differing++) {
			v->first = i;
		}
	}
}
