/* SPDX-License-Identifier: GPL-2.0-only */
#include "memfile.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <uuid/uuid.h>
#include <xxhash.h>

#include "bootid.h"
#include "log.h"
#include "reserve.h"

#define PAGE 4096U

struct memfile_region {
	char name[MEMFILE_NAME_MAX];
	uint64_t offset; /* in the file */
	uint64_t size;
};

/* The first page(s) of the file.  The version stays at its place in every version. */
struct memfile_header {
	uint64_t magic;
	uint32_t version;
	uint32_t nr_regions;
	uint64_t check; /* of the header with this field 0 */
	uint64_t file_size;
	uint8_t uuid[16];
	char boot_id[BOOT_ID_MAX];
	struct memfile_region region[MEMFILE_MAX_REGIONS];
};

struct memfile {
	int fd;
	size_t size;
	uint8_t *map;
	const struct memfile_header *head;
	char path[PATH_MAX];
};

static uint64_t page_up(uint64_t n)
{
	return (n + PAGE - 1) & ~(uint64_t)(PAGE - 1);
}

static uint64_t header_check(const struct memfile_header *h)
{
	struct memfile_header copy = *h;

	copy.check = 0;
	return XXH3_64bits(&copy, sizeof(copy));
}

static int path_of(char path[PATH_MAX], const char *dir, const uint8_t uuid[16], const char *suffix)
{
	char text[UUID_STR_LEN];

	uuid_unparse_lower(uuid, text);
	return snprintf(path, PATH_MAX, "%s/%s%s", dir, text, suffix) < PATH_MAX ? 0 : -ENAMETOOLONG;
}

static bool defs_valid(const struct memfile_region_def *defs, unsigned int nr)
{
	if (!nr || nr > MEMFILE_MAX_REGIONS)
		return false;
	for (unsigned int i = 0; i < nr; i++) {
		if (!defs[i].size || defs[i].size > SIZE_MAX / MEMFILE_MAX_REGIONS - PAGE ||
		    !defs[i].name[0] || strlen(defs[i].name) >= MEMFILE_NAME_MAX)
			return false;
		for (unsigned int j = 0; j < i; j++)
			if (!strcmp(defs[i].name, defs[j].name))
				return false;
	}
	return true;
}

static int header_make(struct memfile_header *h, const uint8_t uuid[16],
		       const struct memfile_region_def *defs, unsigned int nr)
{
	uint64_t offset = page_up(sizeof(*h));

	if (!defs_valid(defs, nr))
		return -EINVAL;
	memset(h, 0, sizeof(*h));
	h->magic = MEMFILE_MAGIC;
	h->version = MEMFILE_VERSION;
	h->nr_regions = nr;
	memcpy(h->uuid, uuid, sizeof(h->uuid));
	for (unsigned int i = 0; i < nr; i++) {
		memcpy(h->region[i].name, defs[i].name, strlen(defs[i].name));
		h->region[i].offset = offset;
		h->region[i].size = defs[i].size;
		offset += page_up(defs[i].size);
	}
	h->file_size = offset;
	return boot_id_read(h->boot_id);
}

/* Only the part of the header that says whose layout it is may be looked at before the version is known. */
static int header_validate(const struct memfile *m, const uint8_t uuid[16])
{
	const struct memfile_header *h = m->head;
	char boot_id[BOOT_ID_MAX];
	int ret;

	if (h->magic != MEMFILE_MAGIC) {
		kem_err("%s: is no memory file of kemari-syncd; remove it", m->path);
		return -EBADMSG;
	}
	if (h->version != MEMFILE_VERSION) {
		kem_err("%s: has format %u, this kemari-syncd reads format %d: install the package that "
			"wrote it, "
			"or move its guest away before the upgrade",
			m->path, h->version, MEMFILE_VERSION);
		return -EPROTO;
	}
	if (h->check != header_check(h) || h->file_size != m->size || h->nr_regions > MEMFILE_MAX_REGIONS ||
	    memcmp(h->uuid, uuid, sizeof(h->uuid))) {
		kem_err("%s: is damaged (header check)", m->path);
		return -EBADMSG;
	}
	ret = boot_id_read(boot_id);
	if (ret)
		return ret;
	if (strcmp(h->boot_id, boot_id)) {
		kem_warn("%s: is of an earlier boot of this host, what it describes is gone", m->path);
		return -ESTALE;
	}
	for (unsigned int i = 0; i < h->nr_regions; i++) {
		const struct memfile_region *r = &h->region[i];

		if (r->offset > m->size || r->size > m->size - r->offset) {
			kem_err("%s: is damaged (region %u)", m->path, i);
			return -EBADMSG;
		}
	}
	return 0;
}

static int map_file(struct memfile *m)
{
	void *map = mmap(NULL, m->size, PROT_READ | PROT_WRITE, MAP_SHARED, m->fd, 0);

	if (map == MAP_FAILED)
		return -errno;
	m->map = map;
	m->head = map;
	return 0;
}

static void memfile_free(struct memfile *m)
{
	if (m->map)
		munmap(m->map, m->size);
	if (m->fd >= 0)
		close(m->fd);
	free(m);
}

/* Fills the new file, which nobody can see yet under its final name. */
static int fill_new(struct memfile *m, const char *tmp, const struct memfile_header *h)
{
	int ret;

	if (flock(m->fd, LOCK_EX | LOCK_NB))
		return -errno;
	ret = reserve_file(m->fd, 0, h->file_size);
	if (ret)
		return ret;
	m->size = h->file_size;
	ret = map_file(m);
	if (ret)
		return ret;
	memcpy(m->map, h, sizeof(*h));
	((struct memfile_header *)m->map)->check = header_check(h);
	/* link() instead of rename(): it does not replace a file that appeared meanwhile. */
	return link(tmp, m->path) ? -errno : 0;
}

int memfile_create(const char *dir, const uint8_t uuid[16], const struct memfile_region_def *defs,
		   unsigned int nr, struct memfile **out)
{
	struct memfile_header h;
	struct memfile *m;
	char tmp[PATH_MAX];
	int ret = header_make(&h, uuid, defs, nr);

	if (ret)
		return ret;
	m = calloc(1, sizeof(*m));
	if (!m)
		return -ENOMEM;
	m->fd = -1;
	ret = path_of(m->path, dir, uuid, ".mem") ?: path_of(tmp, dir, uuid, ".mem.new");
	if (ret)
		goto out_free;
	unlink(tmp);
	m->fd = open(tmp, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (m->fd < 0) {
		ret = -errno;
		kem_err("%s: cannot be created: %s", tmp, strerror(-ret));
		goto out_free;
	}
	ret = fill_new(m, tmp, &h);
	unlink(tmp);
	if (ret) {
		kem_err("%s: cannot be set up (%llu bytes): %s", m->path, (unsigned long long)h.file_size,
			strerror(-ret));
		goto out_free;
	}
	*out = m;
	return 0;

out_free:
	memfile_free(m);
	return ret;
}

static int try_lock(const struct memfile *m)
{
	while (flock(m->fd, LOCK_EX | LOCK_NB))
		if (errno != EINTR)
			return errno == EWOULDBLOCK ? -EBUSY : -errno;
	return 0;
}

static int open_locked(struct memfile *m, const uint8_t uuid[16])
{
	struct stat st;
	int ret;

	if (fstat(m->fd, &st))
		return -errno;
	if (!st.st_nlink) /* removed by the one that held it */
		return -ENOENT;
	if (!S_ISREG(st.st_mode) || (uint64_t)st.st_size < sizeof(struct memfile_header)) {
		kem_err("%s: is no memory file of kemari-syncd (%lld bytes); remove it", m->path,
			(long long)st.st_size);
		return -EBADMSG;
	}
	m->size = (size_t)st.st_size;
	ret = map_file(m);
	return ret ?: header_validate(m, uuid);
}

int memfile_open(const char *dir, const uint8_t uuid[16], struct memfile **out)
{
	struct memfile *m = calloc(1, sizeof(*m));
	int ret;

	if (!m)
		return -ENOMEM;
	m->fd = -1;
	ret = path_of(m->path, dir, uuid, ".mem");
	if (ret)
		goto out_free;
	m->fd = open(m->path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	if (m->fd < 0) {
		ret = -errno;
		if (ret != -ENOENT)
			kem_err("%s: cannot be opened: %s", m->path, strerror(-ret));
		goto out_free;
	}
	ret = try_lock(m) ?: open_locked(m, uuid);
	if (ret)
		goto out_free;
	*out = m;
	return 0;

out_free:
	memfile_free(m);
	return ret;
}

void memfile_close(struct memfile *m)
{
	if (m)
		memfile_free(m);
}

void memfile_remove(struct memfile *m)
{
	if (!m)
		return;
	unlink(m->path);
	memfile_free(m);
}

int memfile_unlink(const char *dir, const uint8_t uuid[16])
{
	char path[PATH_MAX];
	int ret = path_of(path, dir, uuid, ".mem");

	if (ret)
		return ret;
	return unlink(path) ? -errno : 0;
}

void *memfile_region(const struct memfile *m, const char *name, size_t *size)
{
	for (unsigned int i = 0; i < m->head->nr_regions; i++) {
		const struct memfile_region *r = &m->head->region[i];

		if (strncmp(r->name, name, MEMFILE_NAME_MAX))
			continue;
		if (size)
			*size = r->size;
		return m->map + r->offset;
	}
	return NULL;
}

const uint8_t *memfile_uuid(const struct memfile *m)
{
	return m->head->uuid;
}

int memfile_lock_fd(const struct memfile *m)
{
	return m->fd;
}

int memfile_scan(const char *dir, int (*found)(const uint8_t uuid[16], void *arg), void *arg)
{
	struct dirent *e;
	int ret = 0;
	DIR *d = opendir(dir);

	if (!d)
		return errno == ENOENT ? 0 : -errno;
	while (!ret && (e = readdir(d))) {
		uint8_t uuid[16];
		char text[UUID_STR_LEN];

		if (strlen(e->d_name) != UUID_STR_LEN - 1 + 4 || strcmp(e->d_name + UUID_STR_LEN - 1, ".mem"))
			continue;
		memcpy(text, e->d_name, UUID_STR_LEN - 1);
		text[UUID_STR_LEN - 1] = '\0';
		if (!uuid_parse(text, uuid))
			ret = found(uuid, arg);
	}
	closedir(d);
	return ret;
}
