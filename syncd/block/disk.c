/* SPDX-License-Identifier: GPL-2.0-only */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/fs.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "block/internal.h"

/* A number from sysfs; 0 if there is none.  A partition's queue is that of its disk, one level up. */
static uint64_t sysfs_number(dev_t dev, const char *name)
{
	static const char *const where[] = { "", "queue/", "../queue/" };
	char path[128];
	uint64_t value;
	unsigned int i;

	for (i = 0; i < sizeof(where) / sizeof(where[0]); i++) {
		FILE *f;
		int n;

		snprintf(path, sizeof(path), "/sys/dev/block/%u:%u/%s%s", major(dev), minor(dev), where[i],
			 name);
		f = fopen(path, "re");
		if (!f)
			continue;
		n = fscanf(f, "%" SCNu64, &value);
		fclose(f);
		if (n == 1)
			return value;
	}
	return 0;
}

static int probe_device(struct block *b, int fd, dev_t dev)
{
	struct block_properties *p = &b->props;
	uint64_t bytes, granularity;
	unsigned int physical;
	int logical;

	if (ioctl(fd, BLKGETSIZE64, &bytes) || ioctl(fd, BLKSSZGET, &logical) ||
	    ioctl(fd, BLKPBSZGET, &physical))
		return -errno;
	p->sectors = bytes >> SECTOR_SHIFT;
	p->sector_size = logical;
	p->physical_sector_size = physical;

	/* A discard becomes fallocate(PUNCH_HOLE), which on a device needs its "write zeroes". */
	granularity = sysfs_number(dev, "discard_granularity");
	if (granularity && granularity <= UINT32_MAX && sysfs_number(dev, "write_zeroes_max_bytes")) {
		p->discard = true;
		p->discard_granularity = granularity;
		p->discard_alignment = sysfs_number(dev, "discard_alignment");
	}
	return 0;
}

static int probe_file(struct block *b, int fd)
{
	struct block_properties *p = &b->props;
	struct statx sx;

	if (statx(fd, "", AT_EMPTY_PATH, STATX_SIZE | STATX_DIOALIGN, &sx))
		return -errno;
	p->sectors = sx.stx_size >> SECTOR_SHIFT;
	p->sector_size = 1U << SECTOR_SHIFT;
	if ((sx.stx_mask & STATX_DIOALIGN) && sx.stx_dio_offset_align > p->sector_size)
		p->sector_size = sx.stx_dio_offset_align;
	p->physical_sector_size = sx.stx_blksize;
	p->discard = true;
	p->discard_granularity = sx.stx_blksize;
	return 0;
}

static int probe(struct block *b, int fd)
{
	struct stat st;
	int rc;

	memset(&b->props, 0, sizeof(b->props));
	if (fstat(fd, &st))
		return -errno;
	if (S_ISBLK(st.st_mode))
		rc = probe_device(b, fd, st.st_rdev);
	else if (S_ISREG(st.st_mode))
		rc = probe_file(b, fd);
	else
		rc = -ENOTBLK;
	b->props.readonly = b->readonly;
	b->props.discard = b->props.discard && b->want_discard && !b->readonly;
	return rc;
}

static bool sector_size_ok(uint32_t size)
{
	return size >= 1U << SECTOR_SHIFT && size <= GUEST_PAGE_SIZE && !(size & (size - 1));
}

int disk_open(struct block *b)
{
	int fd, rc;

	fd = open(b->target, (b->readonly ? O_RDONLY : O_RDWR) | O_DIRECT | O_CLOEXEC);
	if (fd < 0) {
		rc = -errno;
		block_err(b, "cannot open %s for direct I/O: %s", b->target, strerror(-rc));
		return rc;
	}
	rc = probe(b, fd);
	if (rc) {
		block_err(b, "cannot use %s as a disk: %s", b->target, strerror(-rc));
		goto fail;
	}
	if (!sector_size_ok(b->props.sector_size)) {
		rc = -EINVAL;
		block_err(b, "%s has sectors of %u bytes, only 512 to 4096 work", b->target,
			  b->props.sector_size);
		goto fail;
	}
	b->props.sectors &= ~(uint64_t)((b->props.sector_size >> SECTOR_SHIFT) - 1);
	if (b->props.sectors == 0) {
		rc = -EINVAL;
		block_err(b, "%s is empty", b->target);
		goto fail;
	}
	return fd;
fail:
	close(fd);
	return rc;
}
