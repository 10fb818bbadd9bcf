/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The block backend ("vbd"): blkif on the guest's own rings, io_uring on the disk.
 *
 * READ and FLUSH run as they come.  WRITE and DISCARD are stamped and held until release(); the data of a
 * write is copied from the guest only then, when it is submitted, so that a replay on the other host, which
 * reads guest memory of the committed epoch, does the very same.  Data moves by grant copy through bounce
 * buffers; no I/O ever touches a granted page.
 *
 * With answer_early, and while outputs must be held, a small WRITE is copied and answered at once: it is owed
 * to the disk (owed.c).  So is a FLUSH with owe_flushes; without, as of a guest with several disks, whose
 * order across them a flush may be for, it is answered when it is done.
 *
 * The in-flight table lies in `mem`: an entry stands in it before its request counts as consumed and until
 * its response is published.  A restarted daemon (mem as it was) and a promoted standby (mem filled by
 * restore()) connect at the saved indexes and execute exactly the table: after a restart held entries stay
 * held, after restore() all of them run, for they were in flight at a committed epoch.  The caller holds the
 * exclusive lock of the memory file before connect(): the old process' I/O is gone by then (ownership.md,
 * item 9).
 *
 * A request that the host's path to the disk fails is not answered: it stays in the table, so it goes along
 * with a switchover, and is tried again here until error_hold_ms are over (ownership.md, item 33).  Errors
 * that every host would get (the medium itself, an operation that is not supported) are the guest's at once.
 *
 * The disk is open only between connect() and disconnect(); create() opens it for a moment to learn its size.
 *
 * A frontend that starts anew (Closed, then Initialising) gets a new device on zeroed mem; connect() with
 * another configuration than that of the table is refused.
 */
#ifndef KEMARI_BLOCK_BLOCK_H
#define KEMARI_BLOCK_BLOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "device.h"

/* What the backend offers; equal on both hosts.  The numbers are those of Linux' blkback. */
#define BLOCK_MAX_QUEUES 16
#define BLOCK_MAX_RING_PAGE_ORDER 4
#define BLOCK_MAX_INDIRECT_SEGMENTS 256

/* device_cfg.features */
#define BLOCK_FEATURE_ABI_X86_64 (1U << 0) /* `protocol` is x86_64-abi; connect() refuses others */

enum block_write_cache {
	BLOCK_CACHE_SAFE,     /* a completed write survives the host: shared or non-volatile cache */
	BLOCK_CACHE_VOLATILE, /* it may not: a write is over when a flush after it is (block/cache.c) */
};

struct block_cfg {
	const char *target; /* block device or raw file; copied */
	bool readonly;
	bool discard; /* offer it if the target can */
	enum block_write_cache write_cache;
	bool answer_early;	/* a small write is answered when its data is copied, before its commit */
	bool owe_flushes;	/* ... and a flush at once: of the only disk that the guest can write */
	uint32_t error_hold_ms; /* 0: every error is the guest's at once */
	/* memfile_lock_fd(): the io_uring holds it until its last I/O is done.  Not > 0: none, which only a
	 * device whose mem is in no file may say; connect() warns. */
	int lock_fd;
};

/* For the backend's xenstore nodes. */
struct block_properties {
	uint64_t sectors;	       /* `sectors`: of 512 bytes, whatever sector_size is */
	uint32_t sector_size;	       /* `sector-size`: logical, 512 or 4096 */
	uint32_t physical_sector_size; /* `physical-sector-size` */
	bool readonly;		       /* `info` |= 4, `mode` r */
	bool discard;		       /* `feature-discard` */
	uint32_t discard_granularity;  /* bytes */
	uint32_t discard_alignment;    /* bytes */
};

/* Bytes of `mem`; the same for every device. */
size_t block_mem_size(void);

/*
 * id: the virtual-device number.  mem (8 byte aligned) outlives the device; zeroed means new.
 * -EINVAL: cfg or mem_len; -EBADMSG: mem holds something that this version did not write; else what
 * opening the target says.  One message for each.
 */
int block_create(struct device_host *host, uint32_t id, const struct block_cfg *cfg, void *mem,
		 size_t mem_len, struct device **out);

void block_properties(const struct device *dev, struct block_properties *p);

/*
 * No I/O goes to the disk before that instant (CLOCK_MONOTONIC, ns): what a dead host had on its way to the
 * storage must have landed by then (ownership.md, item 7).  Before connect(); 0: no wait.
 */
void block_wait_until(struct device *dev, uint64_t ns);

/*
 * Where the guest wrote lately, as offsets of 4 KiB blocks, not sorted, with doubles: at most max, and
 * BLOCK_RECENT.  Returns how many.
 */
#define BLOCK_RECENT 16
unsigned int block_recent_writes(const struct device *dev, uint64_t *offset, unsigned int max);

/* Bits for device_cfg.features from the frontend's `protocol` node; NULL: the node is absent (x86_32-abi). */
uint32_t block_frontend_features(const char *protocol);

#endif /* KEMARI_BLOCK_BLOCK_H */
