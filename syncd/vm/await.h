/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * promote on a host without a whole copy while the peer holds the guest (doc/ownership.md, item 16): the copy
 * that was being made when the guest was demoted goes on, of a memory that is still, and is waited for; then
 * the grant is asked for as with any copy.  It is worth waiting for as long as the peer says that it holds
 * the guest and the connection is there that brings it.
 *
 * It only says when to ask the engine; what is allowed is the engine's to say.
 */
#ifndef KEMARI_VM_AWAIT_H
#define KEMARI_VM_AWAIT_H

#include <stdbool.h>
#include <stdint.h>

struct vm;

struct await {
	bool on;	    /* the peer said that it holds the guest */
	bool greeted;	    /* a connection that brings the copy was there since */
	bool copy;	    /* one was here at the last look */
	uint64_t greet_by;  /* CLOCK_MONOTONIC, ns */
	uint64_t ask_after; /* not sooner again */
};

/*
 * The peer says that it holds the guest; vm may have ceased to be by the next look.  False: and no copy comes
 * any more.
 */
bool await_held(struct await *a, const struct vm *vm, uint64_t now);
/*
 * The engine is to be asked now.  vm: NULL, not there (yet).  Also where no copy comes any more: what the
 * peer said before is no word of a peer that may have died since.
 */
bool await_asks(struct await *a, const struct vm *vm, uint64_t now);

#endif /* KEMARI_VM_AWAIT_H */
