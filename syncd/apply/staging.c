/* SPDX-License-Identifier: GPL-2.0-only */
#include "apply/staging.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <uuid/uuid.h>

#include "bootid.h"
#include "log.h"
#include "persist.h"
#include "reserve.h"
#include "wire/reader.h"

#define STAGING_MAGIC 0x3153474154534dULL
#define PAGE 4096U
/* One page of header, one for the index, then the area. */
#define INDEX_OFFSET PAGE
#define AREA_OFFSET (2 * PAGE)
#define RESERVE_STEP (1U << 20)

struct staging_header {
	uint64_t magic;
	uint32_t version;
	uint32_t reserved;
	uint64_t area;
	uint8_t uuid[16];
	char boot_id[BOOT_ID_MAX];
};

struct staging_index {
	uint64_t nr;
	struct staged_epoch e[STAGING_MAX_EPOCHS];
};
_Static_assert(2 * (sizeof(struct staging_index) + 16) <= PAGE, "the index fits into its page");

struct staging {
	int fd;
	uint8_t uuid[16];
	size_t area;
	uint64_t reserved; /* bytes of a file in the making */
	uint8_t *head;	   /* header and index */
	uint8_t *data;	   /* the area, twice */
	struct persist store;
	struct staging_index index;
	size_t tail;	/* offset behind the newest staged epoch, where the one under way begins */
	size_t pending; /* bytes of the epoch under way */
	size_t used;	/* bytes of staged epochs */
	char path[PATH_MAX];
};

static struct staging *staging_new(const char *dir, const uint8_t uuid[16])
{
	struct staging *s = calloc(1, sizeof(*s));
	char text[UUID_STR_LEN];

	if (!s)
		return NULL;
	s->fd = -1;
	memcpy(s->uuid, uuid, sizeof(s->uuid));
	uuid_unparse_lower(uuid, text);
	snprintf(s->path, sizeof(s->path), "%s/%s.staging", dir, text);
	return s;
}

void staging_close(struct staging *s)
{
	if (!s)
		return;
	if (s->data)
		munmap(s->data, 2 * s->area);
	if (s->head)
		munmap(s->head, AREA_OFFSET);
	if (s->fd >= 0)
		close(s->fd);
	free(s);
}

void staging_remove(struct staging *s)
{
	if (!s)
		return;
	unlink(s->path);
	staging_close(s);
}

static int map_head(struct staging *s)
{
	void *p = mmap(NULL, AREA_OFFSET, PROT_READ | PROT_WRITE, MAP_SHARED, s->fd, 0);

	if (p == MAP_FAILED)
		return -errno;
	s->head = p;
	return 0;
}

static int map_area(struct staging *s)
{
	uint8_t *p = mmap(NULL, 2 * s->area, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (p == MAP_FAILED)
		return -errno;
	s->data = p;
	for (unsigned int i = 0; i < 2; i++)
		if (mmap(p + i * s->area, s->area, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, s->fd,
			 AREA_OFFSET) == MAP_FAILED)
			return -errno;
	return 0;
}

static int finish_new(struct staging *s)
{
	struct staging_header h = { .version = STAGING_VERSION, .area = s->area };
	int ret = map_head(s) ?: map_area(s) ?: boot_id_read(h.boot_id);

	if (ret)
		return ret;
	memcpy(h.uuid, s->uuid, sizeof(h.uuid));
	memcpy(s->head, &h, sizeof(h));
	ret = persist_attach(&s->store, s->head + INDEX_OFFSET, PAGE, sizeof(s->index));
	if (ret)
		return ret;
	persist_store(&s->store, &s->index);
	/* Last: a file without it is one whose making was cut short. */
	__atomic_store_n(&((struct staging_header *)s->head)->magic, STAGING_MAGIC, __ATOMIC_RELEASE);
	return 0;
}

int staging_create(const char *dir, const uint8_t uuid[16], size_t area, struct staging **out)
{
	struct staging *s = staging_new(dir, uuid);
	int ret;

	if (!s)
		return -ENOMEM;
	s->area = (area + PAGE - 1) / PAGE * PAGE;
	unlink(s->path);
	s->fd = open(s->path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (s->fd < 0) {
		ret = -errno;
		kem_err("%s: cannot be created: %s", s->path, strerror(-ret));
		staging_close(s);
		return ret;
	}
	*out = s;
	return 0;
}

int staging_reserve(struct staging *s)
{
	uint64_t size = AREA_OFFSET + s->area, from = s->reserved;
	int ret;

	s->reserved = size - from < RESERVE_STEP ? size : from + RESERVE_STEP;
	ret = reserve_file(s->fd, from, s->reserved);
	if (!ret && s->reserved < size)
		return 1;
	if (!ret)
		ret = finish_new(s);
	if (ret)
		kem_err("%s: cannot be set up (%zu bytes): %s", s->path, s->area, strerror(-ret));
	return ret;
}

static int check_header(const struct staging *s, const uint8_t uuid[16], uint64_t file_size)
{
	const struct staging_header *h = (const struct staging_header *)s->head;
	char boot_id[BOOT_ID_MAX];
	int ret;

	if (h->magic != STAGING_MAGIC) {
		kem_err("%s: is no whole staging file", s->path);
		return -EBADMSG;
	}
	if (h->version != STAGING_VERSION) {
		kem_err("%s: has format %u, this kemari-syncd reads format %d: install the package that "
			"wrote it, or "
			"let the copy be made anew",
			s->path, h->version, STAGING_VERSION);
		return -EPROTO;
	}
	if (!h->area || h->area % PAGE || h->area != file_size - AREA_OFFSET ||
	    memcmp(h->uuid, uuid, sizeof(h->uuid))) {
		kem_err("%s: is damaged", s->path);
		return -EBADMSG;
	}
	ret = boot_id_read(boot_id);
	if (!ret && memcmp(h->boot_id, boot_id, sizeof(boot_id))) {
		kem_warn("%s: is of an earlier boot of this host", s->path);
		ret = -ESTALE;
	}
	return ret;
}

/* Every staged epoch, byte for byte, and that they lie behind each other. */
static int check_epochs(struct staging *s)
{
	char why[RECORD_WHY_MAX] = "its place is wrong";

	if (s->index.nr > STAGING_MAX_EPOCHS)
		return -EBADMSG;
	for (unsigned int i = 0; i < s->index.nr; i++) {
		const struct staged_epoch *e = &s->index.e[i];
		struct record_epoch is;

		if (e->offset >= s->area || e->length > s->area - s->used || (i && e->offset != s->tail) ||
		    record_epoch_check(s->data + e->offset, e->length, &is, why) || is.g != e->g ||
		    is.epoch != e->epoch || is.base != e->base) {
			kem_err("%s: staged epoch %llu is damaged: %s", s->path, (unsigned long long)e->epoch,
				why);
			return -EBADMSG;
		}
		s->used += e->length;
		s->tail = (e->offset + e->length) % s->area;
	}
	return 0;
}

static int open_existing(struct staging *s, const uint8_t uuid[16])
{
	struct stat st;
	int ret;

	if (fstat(s->fd, &st))
		return -errno;
	if (!S_ISREG(st.st_mode) || st.st_size <= AREA_OFFSET) {
		kem_err("%s: is no whole staging file", s->path);
		return -EBADMSG;
	}
	ret = map_head(s) ?: check_header(s, uuid, (uint64_t)st.st_size);
	if (ret)
		return ret;
	s->area = (size_t)st.st_size - AREA_OFFSET;
	ret = map_area(s) ?: persist_attach(&s->store, s->head + INDEX_OFFSET, PAGE, sizeof(s->index));
	return ret ?: persist_load(&s->store, &s->index) ?: check_epochs(s);
}

int staging_open(const char *dir, const uint8_t uuid[16], struct staging **out)
{
	struct staging *s = staging_new(dir, uuid);
	int ret;

	if (!s)
		return -ENOMEM;
	s->fd = open(s->path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	ret = s->fd < 0 ? -errno : open_existing(s, uuid);
	if (ret) {
		staging_close(s);
		return ret;
	}
	*out = s;
	return 0;
}

size_t staging_area(const struct staging *s)
{
	return s->area;
}

int staging_place(struct staging *s, size_t len, void **where)
{
	if (len > s->area || s->pending > s->area - len)
		return -EFBIG;
	if (!s->pending && !s->index.nr)
		s->tail = 0; /* the same memory again and again stays in the caches */
	if (s->pending + len > s->area - s->used || (!s->pending && s->index.nr == STAGING_MAX_EPOCHS))
		return -EAGAIN;
	*where = s->data + s->tail + s->pending;
	return 0;
}

void staging_accept(struct staging *s, size_t len)
{
	s->pending += len;
}

int staging_finish(struct staging *s, const struct staged_epoch *e)
{
	struct staged_epoch *slot = &s->index.e[s->index.nr];

	if (s->index.nr == STAGING_MAX_EPOCHS)
		return -EAGAIN;
	*slot = *e;
	slot->offset = s->tail;
	slot->length = s->pending;
	s->index.nr++;
	persist_store(&s->store, &s->index);
	s->used += s->pending;
	s->tail = (s->tail + s->pending) % s->area;
	s->pending = 0;
	return 0;
}

const uint8_t *staging_under_way(const struct staging *s, size_t *len)
{
	*len = s->pending;
	return s->data + s->tail;
}

void staging_abort(struct staging *s)
{
	s->pending = 0;
}

unsigned int staging_count(const struct staging *s)
{
	return (unsigned int)s->index.nr;
}

const struct staged_epoch *staging_get(const struct staging *s, unsigned int i)
{
	return &s->index.e[i];
}

const uint8_t *staging_bytes(const struct staging *s, const struct staged_epoch *e)
{
	return s->data + e->offset;
}

void staging_drop(struct staging *s)
{
	s->used -= s->index.e[0].length;
	s->index.nr--;
	memmove(&s->index.e[0], &s->index.e[1], s->index.nr * sizeof(s->index.e[0]));
	persist_store(&s->store, &s->index);
}

void staging_clear(struct staging *s)
{
	s->used = 0;
	s->index.nr = 0;
	persist_store(&s->store, &s->index);
}
