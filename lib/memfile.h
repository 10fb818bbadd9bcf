/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The memory file of one VM: what must outlive the daemon but dies with the host, as the copies of the guest
 * do. DIR/UUID.mem on tmpfs (DIR is /run/kemari), mapped shared; named regions of fixed sizes, each on a page
 * boundary, zero at creation, all blocks reserved (a full tmpfs is an error of create, never a SIGBUS later).
 *
 * Whoever has it open holds its exclusive flock.  The lock is what makes a restarted daemon wait for the old
 * one (doc/ownership.md, item 9): it falls with the last reference to the open file.  An io_uring that has
 * memfile_lock_fd() among its registered files keeps such a reference until the kernel has finished its last
 * request; a ring that writes to a disk must register it, since the kernel drains a killed process's rings
 * after the process is gone.
 *
 * Errors are logged here (the path is the context) and returned as negative errno.
 */
#ifndef KEMARI_LIB_MEMFILE_H
#define KEMARI_LIB_MEMFILE_H

#include <stddef.h>
#include <stdint.h>

#define MEMFILE_MAGIC 0x314d4d454bULL /* "KEMM1" */
#define MEMFILE_VERSION 1
#define MEMFILE_MAX_REGIONS 48
#define MEMFILE_NAME_MAX 32 /* with the NUL */

struct memfile;

struct memfile_region_def {
	const char *name; /* unique in the file */
	size_t size;	  /* bytes, > 0 */
};

/*
 * Makes, locks and maps a new file.  It appears under its name only when it is complete.  -EEXIST: there is
 * one already, -ENOSPC: the tmpfs is too small, -EINVAL: bad definitions.
 */
int memfile_create(const char *dir, const uint8_t uuid[16], const struct memfile_region_def *defs,
		   unsigned int nr, struct memfile **out);

/*
 * Opens an existing one.  -ENOENT, -EBUSY: another process, or a ring of one, has its lock (no message),
 * -EPROTO: a version that this program does not know (the message names the fix), -ESTALE: of an earlier boot
 * (its RAM is gone: remove it), -EBADMSG: damaged.
 */
int memfile_open(const char *dir, const uint8_t uuid[16], struct memfile **out);

/* Unmaps and unlocks; the file stays. */
void memfile_close(struct memfile *m);
/* Unlinks the file, then closes. */
void memfile_remove(struct memfile *m);
/* Unlinks a file that memfile_open refused with -ESTALE.  0, or -ENOENT. */
int memfile_unlink(const char *dir, const uint8_t uuid[16]);

/* The region, or NULL if there is none of that name; *size (may be NULL) gets what it was created with. */
void *memfile_region(const struct memfile *m, const char *name, size_t *size);
const uint8_t *memfile_uuid(const struct memfile *m);
/* The locked descriptor: only for registering with an io_uring (above). */
int memfile_lock_fd(const struct memfile *m);

/* Calls found() once per DIR/UUID.mem; stops at and returns its first non-zero value.  A missing DIR holds
 * none. */
int memfile_scan(const char *dir, int (*found)(const uint8_t uuid[16], void *arg), void *arg);

#endif /* KEMARI_LIB_MEMFILE_H */
