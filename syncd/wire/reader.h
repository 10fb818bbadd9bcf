/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Takes a byte stream apart into checked records.  What comes out has a known type, a length within bounds,
 * the right check, the session of this connection, and is in its place (record.h, "Order"); the totals of an
 * epoch are right when its EPOCH_END comes out.  Payloads of HV_STATE, HVM_*, DEVICE data, XENSTORE and JSON
 * are not looked into.
 *
 * After an error the reader takes no more: the connection is to be closed with the sentence it gave.
 */
#ifndef KEMARI_WIRE_READER_H
#define KEMARI_WIRE_READER_H

#include <stdbool.h>
#include <sys/types.h>

#include "wire/record.h"

struct record_sink {
	/*
	 * Where header and payload (sizeof(*h) + h->length bytes) of the coming record are to lie.  *where
	 * stays NULL for the reader's own buffer, which the next record overwrites.  0, -EAGAIN: no room now,
	 * or another errno with why: refused.  The whole function may be NULL.
	 */
	int (*place)(void *arg, const struct record_header *h, void **where, char *why);
	/* One whole checked record, header and payload where place put them.  Non-zero stops the reader with
	 * why; -EAGAIN is not allowed. */
	int (*record)(void *arg, const struct record *r, char *why);
};

/* Checks the order of records and the totals of epochs. */
struct record_order {
	bool bulk; /* BULK_BEGIN was seen, its first epoch has not ended */
	bool in_epoch;
	struct record_epoch now; /* the epoch under way, totals so far */
	bool has_hv_state, has_hvm_context;
};

/* Takes the next record of the stream; 0, or -EBADMSG and why. */
int record_order_next(struct record_order *o, const struct record *r, char *why);

struct record_reader {
	const struct record_sink *sink;
	void *arg;
	uint64_t session; /* what every record must carry */
	struct record_order order;
	struct record_header head;
	uint8_t *buf; /* own buffer, RECORD_MAX_PAYLOAD + header */
	uint8_t *at;  /* where the record under way lies, NULL: not placed yet */
	uint8_t raw[sizeof(struct record_header)];
	size_t have; /* bytes of the record under way, header included */
	bool failed;
	uint64_t nr_records, nr_bytes;
};

/* -ENOMEM.  session 0 until WELCOME; record_reader_set_session() after it was sent or received. */
int record_reader_init(struct record_reader *r, const struct record_sink *sink, void *arg);
void record_reader_fini(struct record_reader *r);
/* A new connection: session 0, nothing of the old one. */
void record_reader_reset(struct record_reader *r);
/* The record under way lies where the sink said. */
bool record_reader_placed(const struct record_reader *r);
/* Takes no more from this stream. */
void record_reader_give_up(struct record_reader *r);
void record_reader_set_session(struct record_reader *r, uint64_t session);

/*
 * Feeds bytes.  Returns how many were taken: fewer than len only when place said -EAGAIN (feed the rest again
 * later); -EBADMSG or what the sink returned, with why (RECORD_WHY_MAX bytes), on an error.
 */
ssize_t record_reader_feed(struct record_reader *r, const void *bytes, size_t len, char *why);

/*
 * The records of a buffer: 1: *r is the next one and *off behind it, 0: end, -EBADMSG and why.  Checks each
 * record, not their order.
 */
int record_next(const uint8_t *buf, size_t len, size_t *off, struct record *r, char *why);
/* As record_next for bytes that were checked before: no checks are computed.  1 or 0. */
int record_walk(const uint8_t *buf, size_t len, size_t *off, struct record *r);
/* Checks that buf[0..len) is exactly one whole epoch; *e gets its EPOCH_END. */
int record_epoch_check(const uint8_t *buf, size_t len, struct record_epoch *e, char *why);

#endif /* KEMARI_WIRE_READER_H */
