/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Inside of the block backend.  Who does what:
 *
 *	block.c    life of the device: struct device_ops
 *	queue.c    the rings: consume requests, push responses
 *	table.c    the in-flight table in `mem`, snapshot and restore
 *	request.c  a guest's request, checked, as one I/O
 *	owed.c     what was answered before it is on the disk
 *	io.c       bounce buffers, io_uring, completion
 *	cache.c    the disk's volatile cache
 *	trouble.c  what the host's path to the disk failed
 *	disk.c     the target: open, size, abilities
 *
 * A request is in exactly one list: free or free_owed; held (waits for release); ready (may run, waits for an
 * I/O slot, for bounce pages, or for an owed one); busy (its I/O is under way); stuck (its I/O failed here
 *and will be tried again).  An owed one that is not free is in the list owed, too.
 */
#ifndef KEMARI_BLOCK_INTERNAL_H
#define KEMARI_BLOCK_INTERNAL_H

#include <sys/queue.h>

#include <liburing.h>
#include <qb/qbloop.h>
#include <xen/io/blkif.h>

#include "block/block.h"
#include "later.h"
#include "log.h"
#include "ring/ring.h"

#define SECTOR_SHIFT 9
#define SECTORS_PER_PAGE (GUEST_PAGE_SIZE >> SECTOR_SHIFT)
#define BLKIF_SLOT_SIZE 112U

#ifndef __x86_64__
#error "only the x86_64 layout of blkif is known here"
#endif
_Static_assert(sizeof(struct blkif_request) == BLKIF_SLOT_SIZE, "x86_64-abi");
_Static_assert(sizeof(struct blkif_request_indirect) <= BLKIF_SLOT_SIZE, "x86_64-abi");
_Static_assert(sizeof(struct blkif_response) == 16, "x86_64-abi");

#define BLOCK_MAX_RING_PAGES (1U << BLOCK_MAX_RING_PAGE_ORDER)
_Static_assert(BLOCK_MAX_RING_PAGES <= DEVICE_MAX_RING_PAGES, "ring pages");
_Static_assert(BLOCK_MAX_QUEUES <= DEVICE_MAX_QUEUES, "queues");

/* 32 slots in each page, for the header takes less than a page's remainder. */
#define BLOCK_MAX_SLOTS (32U * BLOCK_MAX_RING_PAGES)
#define BLOCK_MAX_REQUESTS (BLOCK_MAX_QUEUES * BLOCK_MAX_SLOTS)

/* What may be owed to the disk, with its data (1 MiB): further writes wait for their commit, as large ones.
 */
#define BLOCK_OWED_MAX 64
#define BLOCK_OWED_PAGES 256
#define BLOCK_MAX_ENTRIES (BLOCK_MAX_REQUESTS + BLOCK_OWED_MAX)
_Static_assert(BLOCK_OWED_PAGES <= DEVICE_MAX_PAGES, "owed pages");

/* I/Os under way at once, and their bounce pages (8 MiB): further requests wait, in order. */
#define BLOCK_IO_DEPTH 128
/* A kernel short of memory for a request: worth a few more tries, not an endless loop. */
#define BLOCK_MAX_RETRIES 8
#define BLOCK_BOUNCE_PAGES 2048
_Static_assert(BLOCK_BOUNCE_PAGES >= BLOCK_MAX_INDIRECT_SEGMENTS, "one request always fits");

/* The memory file and the snapshot: plain little-endian data, the same structs in both. */

#define TABLE_MAGIC 0x4b424c4bU /* "KLBK" */
#define TABLE_VERSION 2

enum entry_state {
	ENTRY_FREE = 0,
	ENTRY_HELD,	/* an output, waits for release(stamp) */
	ENTRY_RELEASED, /* may run, or runs */
	ENTRY_ANSWERED, /* its response is being published as rsp_index; never seen between callbacks */
};

struct table_entry {
	uint64_t stamp;	    /* epoch of an output */
	uint64_t seq;	    /* grows with each request that is consumed */
	uint32_t req_index; /* ring index it was consumed at; owed: 0 */
	uint32_t rsp_index;
	uint16_t queue;			  /* owed: 0 */
	uint16_t page;			  /* owed write: its data is in the owed pages from here on */
	uint8_t state;			  /* enum entry_state; owed: never answered again */
	uint8_t owed;			  /* 1: the guest has its answer, no ring knows it */
	uint8_t replayed;		  /* owed: 1: it came from an image */
	uint8_t reserved;		  /* 0 */
	uint8_t request[BLKIF_SLOT_SIZE]; /* as the guest wrote it */
};
_Static_assert(sizeof(struct table_entry) == 144, "table_entry");

struct table_queue {
	uint32_t ring_ref[BLOCK_MAX_RING_PAGES];
	uint32_t evtchn;
	uint32_t req_cons;
	uint32_t rsp_prod;
	uint32_t reserved; /* 0 */
};
_Static_assert(sizeof(struct table_queue) == 80, "table_queue");

struct table_header {
	uint32_t magic;
	uint32_t version;
	uint32_t nr_queues; /* 0: never connected */
	uint32_t nr_ring_pages;
	uint32_t features;
	uint32_t nr_entries; /* snapshot: entries that follow the queues; memory file: 0 */
	uint64_t sectors;    /* of the disk that the table belongs to */
	uint32_t waiting;    /* snapshot: 1: another host's late writes may land yet; memory file: 0 */
	uint32_t reserved;   /* 0 */
};
_Static_assert(sizeof(struct table_header) == 40, "table_header");

struct block_mem {
	struct table_header header;
	uint32_t torn; /* a change of the whole was cut off, or requests were dropped: only restore() helps */
	uint32_t reserved;
	struct table_queue queue[BLOCK_MAX_QUEUES];
	struct table_entry entry[BLOCK_MAX_ENTRIES]; /* owed ones last */
};
/* Behind it, from the next page boundary on: the owed pages. */

struct request {
	TAILQ_ENTRY(request) link;
	TAILQ_ENTRY(request) owed_link;
	struct table_entry *entry;
	bool troubled; /* its I/O has failed here before */
	/* of an owed one */
	uint64_t offset, len; /* bytes; on the disk */
	uint64_t carried;     /* the last epoch that took its data along, 0: none */
};
TAILQ_HEAD(request_list, request);

struct segment {
	uint32_t ref;
	uint16_t offset, len;
};

/* A request on its way through io_uring; filled by request_parse(). */
struct block_io {
	SLIST_ENTRY(block_io) link; /* free, written, flushing; the request's list says the rest */
	struct request *request;
	uint8_t op;	 /* BLKIF_OP_READ, _WRITE, _FLUSH_DISKCACHE or _DISCARD */
	uint8_t retries; /* transient errors so far */
	bool synced;	 /* what is written is in no volatile cache */
	uint16_t nr_segments;
	uint64_t offset; /* bytes; on the disk */
	uint64_t len, done;
	uint8_t *data;
	uint32_t bounce, bounce_pages; /* first page, and how many; owed: none */
	struct segment segment[BLOCK_MAX_INDIRECT_SEGMENTS];
};

SLIST_HEAD(block_io_list, block_io);

struct block_queue {
	struct block *block;
	struct table_queue *saved; /* in mem */
	struct ring_back ring;
	void *pages;
	unsigned int nr_pages;
	int port;
	unsigned int held; /* requests in the held list */
	bool notify;	   /* a published response is to be notified */
	bool more;	   /* ring to be looked at by the deferred job */
};

struct block {
	struct device dev; /* first: the ops cast */
	char target[256];
	bool readonly, want_discard;
	enum block_write_cache write_cache;
	bool answer_early, owe_flushes;
	int lock_fd;
	struct block_properties props;

	struct block_mem *mem;
	struct request *request; /* one for each entry of mem */
	struct request_list free, free_owed, held, ready, busy, stuck;
	struct request_list owed; /* by seq, oldest first; linked by owed_link */
	uint8_t *owed_data;
	uint64_t owed_used[BLOCK_OWED_PAGES / 64];
	unsigned int nr_owed, nr_owed_pages;
	uint64_t next_seq;

	bool connected, quiescing;
	bool quiesced_due;   /* quiesced() has not been said yet */
	bool quiet;	     /* it has: no I/O begins */
	bool draining;	     /* quiesced() is not before all that is owed is done */
	bool report_held;    /* outputs were held since output_held() was said */
	bool report_owed;    /* something was answered early since write_owed() was said */
	bool report_settled; /* settled() has not been said yet */
	const char *broken;  /* why it cannot go on */
	bool failed_due;     /* failed() has not been said yet */
	struct later_item deferred;
	uint64_t wait_until; /* CLOCK_MONOTONIC, ns: no I/O before */
	bool resubmit;	     /* the timer is armed */
	qb_loop_timer_handle resubmit_timer;
	unsigned int nr_queues;
	struct block_queue queue[BLOCK_MAX_QUEUES];

	int fd, event_fd;
	struct io_uring uring;
	struct block_io *io;
	struct block_io_list free_io;
	struct block_io_list written;  /* done, not flushed; their requests are busy */
	struct block_io_list flushing; /* a flush that began after them is under way */
	unsigned int flush_retries;    /* transient errors of that one so far */
	bool synced;		       /* nothing that was answered is in a volatile cache only */
	unsigned int nr_busy;
	uint8_t *bounce;
	uint64_t bounce_used[BLOCK_BOUNCE_PAGES / 64];
	struct guest_copy copy[BLOCK_MAX_INDIRECT_SEGMENTS];
	struct block_io scratch; /* to look at a request that does not run yet */

	struct {
		uint32_t hold_ms;
		uint64_t since;	 /* CLOCK_MONOTONIC ns of the first error, 0: all is well */
		bool passing;	 /* the time is over: errors are the guest's */
		bool said;	 /* the host knows of it */
		unsigned int nr; /* requests that are troubled */
		bool timer_set;
		qb_loop_timer_handle timer;
	} trouble;

	uint64_t recent[BLOCK_RECENT]; /* of finished writes, a ring */
	uint64_t nr_writes;
};

#define block_err(b, fmt, ...) kem_vm_err((b)->dev.host->vm, "vbd %u: " fmt, (b)->dev.id, ##__VA_ARGS__)
#define block_warn(b, fmt, ...) kem_vm_warn((b)->dev.host->vm, "vbd %u: " fmt, (b)->dev.id, ##__VA_ARGS__)

/* block.c */
void block_defer(struct block *b);
void block_settle(struct block *b);
void block_fail(struct block *b, const char *why);
/* No I/O is under way, nor begins while it is quiescing. */
bool block_is_quiet(const struct block *b);

/* disk.c: fills b->props; the descriptor or negative errno (one message). */
int disk_open(struct block *b);

/* table.c; those with an error give one message. */
int table_attach(struct block *b);
void table_lists(struct block *b);
int table_begin(struct block *b, const struct device_cfg *cfg);
int table_drop_held(struct block *b, uint64_t epoch);
bool table_config(const struct block *b, struct device_cfg *cfg);
long table_snapshot(const struct block *b, void *buf, size_t cap);
int table_restore(struct block *b, const void *buf, size_t len);

/* queue.c */
int queue_map(struct block_queue *q, const struct device_queue_cfg *cfg);
int queue_start(struct block_queue *q);
void queue_stop(struct block_queue *q);
void queue_consume(struct block_queue *q);
void queue_respond(struct block *b, struct request *r, int rc);

/* request.c */
bool request_is_output(const uint8_t *raw);
unsigned int request_pages(const uint8_t *raw);
uint8_t request_response_op(const uint8_t *raw);
int request_parse(struct block *b, const uint8_t *raw, struct block_io *io);

/* owed.c */
/* Where the owed pages lie in mem. */
uint8_t *owed_pages(const struct block_mem *m);
/* Can it be an owed one that is not free?  Its pages are marked in used and were not before. */
bool owed_entry_ok(struct block *b, const struct table_entry *e, uint64_t used[BLOCK_OWED_PAGES / 64]);
/* Sorts r, whose entry is a good one, into the list of them. */
void owed_enlist(struct block *b, struct request *r);
/* r, which was just taken from a ring and is in no list, becomes an owed one and is answered.  False: it does
 * not. */
bool owed_take(struct block *b, struct request *r);
/* r, which is in no list but owed, is done, or another copy lives through it. */
void owed_done(struct block *b, struct request *r);
/* The first owed one that r, of which io is what it does, has to wait for. */
const struct request *owed_before(const struct block *b, const struct request *r, const struct block_io *io);
/* No other owed one is of the same blocks. */
bool owed_is_alone(const struct block *b, const struct request *r);
/* Something is owed that is done here without a further commit. */
bool owed_runs(const struct block *b);
bool owed_is_urgent(const struct block *b);
/* As device_ops.durable, device_ops.each_page. */
uint64_t owed_durable(const struct block *b);
int owed_each_page(struct block *b, uint64_t epoch, uint64_t base, device_page_fn fn, void *arg);

/* trouble.c */
bool trouble_keep(struct block *b, struct request *r, const struct block_io *io, int err);
void trouble_answered(struct block *b, struct request *r, int rc);
void trouble_stop(struct block *b);

/* cache.c */
/* The write io may be synchronous by itself: none beside it would share its flush. */
bool cache_alone(const struct block *b, const struct block_io *io);
/* The write io is done, as the disk says.  True: it has to wait for a flush, which finishes it. */
bool cache_keep(struct block *b, struct block_io *io);
/* Queues the flush that is wanted, if any. */
void cache_flush(struct block *b);
/* It is over, with rc. */
void cache_flushed(struct block *b, int rc);
/* A flush of the guest's was done. */
void cache_emptied(struct block *b);

/* io.c */
/* The I/O is over, with rc. */
void io_finish(struct block *b, struct block_io *io, int rc);
int io_start(struct block *b);
void io_stop(struct block *b);
void io_run(struct block *b);
/* Moves the data between the guest's segments and io->data, where it lies without gaps. */
int io_copy(struct block *b, const struct block_io *io);

#endif /* KEMARI_BLOCK_INTERNAL_H */
