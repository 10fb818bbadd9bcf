/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A connection to the peer's daemon, for one VM.  Internal to syncd/vm/link*.c.
 *
 * The side that connects says HELLO.  Messages of the engines flow as soon as both ends know the VM.  A
 * session is what epochs belong to: it begins with the owner's HELLO and the other's WELCOME, ends when the
 * engine of either side says so (a change of owner), and begins anew with the new owner's HELLO on the same
 * connection.
 */
#ifndef KEMARI_VM_LINK_H
#define KEMARI_VM_LINK_H

#include "apply/receive.h"
#include "apply/verify.h"
#include "transport/transport.h"
#include "vm.h"
#include "wire/hello.h"

struct link {
	struct daemon *d;
	struct vm *vm; /* NULL until its HELLO came */
	struct conn *conn;
	bool initiator;
	bool bound;   /* both ends know the VM: messages may flow */
	bool offered; /* HELLO of an owner was sent, no answer yet */
	bool up;      /* a session: WELCOME was sent or read */
	bool ended;
	struct later_item apply, free;
	bool receiving, apply_due;
	uint64_t session;
	struct engine_peer peer;
	uint64_t peer_boot;
	struct hello theirs; /* the last HELLO on it */
	struct receive rx;
	struct verify_result verify;
};

/* The records of a start, link_hello.c.  Non-zero with why: the connection ends. */
int link_send_hello(struct link *l);
int link_on_hello(struct link *l, const struct record *r, char *why);
int link_on_welcome(struct link *l, const struct record *r, char *why);
int link_on_refuse(struct link *l, const struct record *r, char *why);
int link_on_progress(struct link *l, const struct record *r, char *why);
/* Tells the peer and ends the connection; retry: it may ask again soon. */
void link_refuse(struct link *l, const char *reason, const char *fix, bool retry);
/* The same from the peer, or as good as. */
void link_refused(struct vm *vm, const char *why, const char *fix, bool retry);
/* The owner finds, in a session, that the peer cannot hold the copy: the end of both, told to both. */
void link_disagree(struct vm *vm, const char *why, const char *fix);

/* One record outside of epochs, sealed with the link's session. */
int link_put(struct link *l, uint16_t type, const void *payload, size_t len);
/* Both sides agreed. */
void link_established(struct link *l);
void link_free(struct link *l);
/* Makes another connection in a while, if this side made the last one. */
void link_reconnect_later(struct vm *vm);

#endif /* KEMARI_VM_LINK_H */
