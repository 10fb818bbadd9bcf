/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The standby's end of a connection: reader, staging and image put together.  Feed it what transport
 *received; it stages and checks epochs, applies bulk pages at once, and says what happened.  The engine
 *decides what that means.
 *
 *	received -> receive_feed -> staged() -> engine: ack -> receive_apply() until nothing is left
 *
 * receive_apply() frees staging; when feed took less than it was given, call conn_resume() after it.
 */
#ifndef KEMARI_APPLY_RECEIVE_H
#define KEMARI_APPLY_RECEIVE_H

#include "apply/image.h"
#include "apply/staging.h"
#include "wire/reader.h"

struct receive_ops {
	/* A bulk copy begins: the copy is NONE from here on, to be recorded before the return.  Non-zero with
	 * why: not now. */
	int (*bulk_begin)(void *arg, char *why);
	/* An epoch's head came: may it be staged?  0, or an errno with why: the connection ends. */
	int (*admit)(void *arg, uint64_t session, const struct record_epoch *e, char *why);
	/* It is staged, checked and survives the daemon. */
	void (*staged)(void *arg, const struct staged_epoch *e);
	/* It is in the image; its blobs are the current ones. */
	void (*applied)(void *arg, uint64_t g, uint64_t epoch);
	/* Every other record (HELLO, MESSAGE, PING, VERIFY ...).  Non-zero with why: the connection ends. */
	int (*other)(void *arg, const struct record *r, char *why);
};

struct receive {
	const struct receive_ops *ops;
	void *arg;
	struct record_reader reader;
	struct staging
		*staging;    /* the caller's; NULL until the VM is known: then epochs and bulk are refused */
	struct image *image; /* the caller's */
	struct image_apply apply;
	bool applying;
};

int receive_init(struct receive *rx, const struct receive_ops *ops, void *arg);
void receive_fini(struct receive *rx);
/* staging and image of the VM, and the session that was put into WELCOME. */
void receive_attach(struct receive *rx, struct staging *s, struct image *img, uint64_t session);
/* A new connection: the epoch under way is forgotten, staged ones stay; session 0 again. */
void receive_reset(struct receive *rx);

/* As record_reader_feed. */
ssize_t receive_feed(struct receive *rx, const void *bytes, size_t len, char *why);

/*
 * Applies about max_pages pages (0: everything staged).  1: nothing is left, 0: call again from the loop,
 * -ESTALE and why: a staged epoch does not follow the image, the copy is NONE.  Also what a restarted daemon
 * calls first (redo).
 */
int receive_apply(struct receive *rx, unsigned int max_pages, char *why);

#endif /* KEMARI_APPLY_RECEIVE_H */
