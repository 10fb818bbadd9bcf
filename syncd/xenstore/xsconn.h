/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The daemon's connection to xenstored (libxenstore) on the main loop.  One for the process; every function
 * runs on the main loop and waits for xenstored's answer (a round trip on a local socket).
 *
 * All functions return 0 or a negative errno unless said otherwise.  -EPIPE: the connection is lost; lost()
 * has been or will be called once from the loop.  xenstored cannot be restarted under running domains, so
 * the owner ends the process then; lost() itself must not close the connection.
 */
#ifndef KEMARI_XENSTORE_XSCONN_H
#define KEMARI_XENSTORE_XSCONN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <xenstore.h>

struct qb_loop;
struct xsconn;
struct xsconn_watch;

#define XS_PATH_MAX 512	  /* of the paths that we build */
#define XS_VALUE_MAX 4096 /* XENSTORE_PAYLOAD_MAX */

int xsconn_open(struct qb_loop *loop, void (*lost)(void *arg), void *arg, struct xsconn **out);
void xsconn_close(struct xsconn *c);

/*
 * fn runs once soon after registration and then for every change at or below path; `changed` is the path that
 * changed (absolute, or @releaseDomain ...).  fn may unwatch anything, itself included.
 */
typedef void (*xsconn_watch_fn)(void *arg, const char *changed);
int xsconn_watch(struct xsconn *c, const char *path, xsconn_watch_fn fn, void *arg,
		 struct xsconn_watch **out);
void xsconn_unwatch(struct xsconn_watch *w); /* NULL ok */
/*
 * Brings w's events up to this instant: whatever xenstored has executed so far has reached fn when this
 * returns.  One round trip.  Events of other watches that it finds on the way are dispatched from the loop as
 * always.
 */
int xsconn_sync(struct xsconn_watch *w);

/* The value, NUL terminated; the caller frees.  NULL with errno set (ENOENT: no such node). */
char *xsconn_read(struct xsconn *c, xs_transaction_t t, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* A decimal number without sign or blanks, 0..max.  -ENOENT, or -EINVAL for anything else. */
int xsconn_parse_u32(const char *text, uint32_t max, uint32_t *val);
int xsconn_read_u32(struct xsconn *c, xs_transaction_t t, uint32_t max, uint32_t *val, const char *fmt, ...)
	__attribute__((format(printf, 5, 6)));
int xsconn_write(struct xsconn *c, xs_transaction_t t, const char *value, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
/* 0 also when there is no such node. */
int xsconn_rm(struct xsconn *c, xs_transaction_t t, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
int xsconn_mkdir(struct xsconn *c, xs_transaction_t t, const char *path, const struct xs_permissions *perms,
		 unsigned int nr_perms);
/* Names of the children, one block the caller frees; NULL with errno set. */
char **xsconn_list(struct xsconn *c, xs_transaction_t t, unsigned int *nr, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

/* Runs body in a transaction until it commits; a negative return of body aborts and is returned. */
typedef int (*xsconn_body_fn)(struct xsconn *c, xs_transaction_t t, void *arg);
int xsconn_transaction(struct xsconn *c, xsconn_body_fn body, void *arg);

/* libxenstore's handle, for calls that have no wrapper here. */
struct xs_handle *xsconn_handle(struct xsconn *c);

#endif /* KEMARI_XENSTORE_XSCONN_H */
