/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Writes records into a buffer of the caller (an epoch buffer, a message).  Nothing is allocated.
 *
 * Two steps, so that the guest's stop holds only the first: everything but record_seal() copies data and
 * fills in lengths and totals; record_seal() walks the finished buffer, stamps the session and computes the
 * checks.  A buffer must be sealed before it is sent, and is sealed again with the new session when it is
 * sent on another connection.
 *
 * A buffer that runs full gives -ENOBUFS, and so does every later call: testing record_epoch_end() is enough.
 */
#ifndef KEMARI_WIRE_WRITER_H
#define KEMARI_WIRE_WRITER_H

#include <stdbool.h>

#include "wire/record.h"

struct record_writer {
	uint8_t *buf;
	size_t cap, len; /* len: bytes of finished records, unless `open` */
	uint64_t epoch;	 /* 0 outside an epoch */
	struct record_epoch totals;
	size_t begin;	   /* where EPOCH_BEGIN lies */
	size_t open;	   /* where the unfinished record's header lies */
	bool is_open;	   /* a record is unfinished */
	uint32_t nr_batch; /* pages in the unfinished PAGES record, 0: it is none */
	int error;	   /* 0 or -ENOBUFS */
};

void record_writer_init(struct record_writer *w, void *buf, size_t cap);

/* One whole record of len <= RECORD_MAX_PAYLOAD bytes. */
int record_put(struct record_writer *w, enum record_type type, const void *payload, size_t len);

/*
 * A record whose payload the caller writes in place: record_reserve() returns where and *room how much fits
 * (at most RECORD_MAX_PAYLOAD), NULL when the buffer is full; then record_commit() with what was used or
 * record_cancel().
 */
void *record_reserve(struct record_writer *w, enum record_type type, size_t *room);
int record_commit(struct record_writer *w, size_t len);
void record_cancel(struct record_writer *w);
/* As record_reserve, the record_device header written already; room and commit count the bytes behind it. */
void *record_reserve_device(struct record_writer *w, const char *type, uint32_t id, size_t *room);
int record_commit_device(struct record_writer *w, size_t len);

int record_epoch_begin(struct record_writer *w, uint64_t g, uint64_t epoch, uint64_t base);
/* Totals of the epoch are in w->totals afterwards. */
int record_epoch_end(struct record_writer *w);

/* Adds a page (copies it at once; an all-zero one becomes an entry only) to a batch, inside or outside an
 * epoch. */
int record_page(struct record_writer *w, uint64_t gfn, const void *page);
int record_page_hole(struct record_writer *w, uint64_t gfn);
/*
 * A page of which the receiver has copy: what differs is added, or all of it if that is less, and copy is the
 * page then, also on an error.  1, or 0: they are the same, nothing was added.
 */
int record_page_delta(struct record_writer *w, uint64_t gfn, void *copy, const void *page);
/* Ends the batch; the other calls do so by themselves, only a buffer of nothing but pages needs it. */
int record_pages_flush(struct record_writer *w);

/* Stamps (sessionless ones with 0) and checks all records in buf[0..len); -EBADMSG if these are no finished
 * records. */
int record_seal(uint8_t *buf, size_t len, uint64_t session);

#endif /* KEMARI_WIRE_WRITER_H */
