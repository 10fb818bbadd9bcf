/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The guest's part of xenstore: what lies below /local/domain/D, with permissions, and the guest's watches,
 * as one bounded, versioned, checked block of bytes (payload of RECORD_XENSTORE).
 *
 * Not in it, because each host has its own: name, vm, console/, store/.  The backend directories and /libxl/D
 * are made by xendev.
 *
 * Layout, little endian: struct tree_header, nr_nodes nodes sorted by path, nr_watches watches sorted by path
 * and token.
 * - node: u16 path_len, u16 value_len, u16 nr_perms, nr_perms x { u32 domid, u32 flags (XS_PERM_*) }, path
 *   (relative to /local/domain/D, no leading slash), value (any bytes)
 * - watch: u16 path_len, u16 token_len, path and token as the guest gave them
 */
#ifndef KEMARI_XENSTORE_TREE_H
#define KEMARI_XENSTORE_TREE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct xsconn;
struct xswire;

#define TREE_MAGIC 0x5353454bU /* "KESS" */
#define TREE_VERSION 1
/* oxenstored.conf allows a guest 1000 nodes of 2048 bytes and 100 watches; the toolstack's nodes come on top.
 */
#define TREE_MAX_NODES 2048U
#define TREE_MAX_WATCHES 256U
#define TREE_MAX_PATH 1024U
#define TREE_MAX_VALUE 4096U
#define TREE_MAX_PERMS 16U
#define TREE_MAX_BYTES (1U << 20) /* RECORD_MAX_PAYLOAD */

struct tree_header {
	uint32_t magic;
	uint16_t version;
	uint16_t reserved; /* 0 */
	uint32_t domid;
	uint32_t nr_nodes;
	uint32_t nr_watches;
	uint32_t bytes; /* header included */
};
_Static_assert(sizeof(struct tree_header) == 24, "tree_header");

/* ---- the block itself: no xenstore needed ---- */

struct tree_perm {
	uint32_t domid;
	uint32_t flags;
};

struct tree_node {
	char *path;
	uint8_t *value;
	size_t value_len;
	unsigned int nr_perms;
	struct tree_perm perm[TREE_MAX_PERMS];
};

struct tree_watch {
	char *path;
	char *token;
};

struct tree {
	uint32_t domid;
	unsigned int nr_nodes, nr_watches;
	struct tree_node *node;
	struct tree_watch *watch;
};

/* -EBADMSG with one sentence in why: not a block we can have written; *t is empty then. */
int tree_decode(const void *buf, size_t len, struct tree *t, char *why, size_t why_len);
/* Bytes written, or -ENOBUFS, -E2BIG (beyond the bounds above). */
long tree_encode(const struct tree *t, void *buf, size_t cap);
void tree_free(struct tree *t);

/* ---- the primary ---- */

/* Counters of the guest's store ring (struct xenstore_domain_interface) as the caller's mapping shows them.
 */
struct store_ring_index {
	uint32_t req_cons, req_prod, rsp_cons, rsp_prod;
};
void store_ring_index_read(const void *page, struct store_ring_index *idx);

struct guest_tree;

int guest_tree_open(struct xsconn *xs, struct xswire *wire, uint32_t domid, const char *vm,
		    struct guest_tree **out);
void guest_tree_close(struct guest_tree *g); /* NULL ok */

/*
 * For a guest that is about to start here: t, which its shell shows (tree_restore_changes), is taken over, so
 * that neither its first capture nor the daemon waits for a whole read.  page: its store page, not shared
 * with xenstored yet.  -E2BIG, -ENOBUFS: nothing is taken.
 */
int guest_tree_seed(struct guest_tree *g, const void *page, struct tree *t);
/* For a guest that has left: *t becomes what xenstored shows, or empty (nr_nodes 0) when that is not known.
 */
void guest_tree_take(struct guest_tree *g, struct tree *t);

/*
 * The block as of a stopped guest.  Compares page's counters with those of the last read: a guest request or
 * an event to it moves them, so equal counters mean a tree that is equal as far as the guest can know, and
 * the call costs four loads; the bytes and *version are then those given before.  Otherwise asks xenstored
 * for what changed since (two round trips, and three requests for each changed node; everything at the first
 * call) and counts *version up if the bytes differ. The bytes are valid until the next call.
 */
int guest_tree_snapshot(struct guest_tree *g, const void *page, const void **buf, size_t *len,
			uint64_t *version);
/*
 * Reads ahead, while the guest runs, so that the snapshot finds nothing to do; also brings in what dom0 wrote
 * and the guest has not heard of.  Cheap when nothing changed: call it before each capture.
 */
int guest_tree_refresh(struct guest_tree *g, const void *page);

/*
 * May a capture be made now, with the guest stopped?  True when xenstored holds nothing of a half-done
 * conversation: ring request side empty, no message half read, nothing waiting to be sent.  Asks xenstored
 * only when the counters moved since it last said yes.  Else let the guest run on a little and ask again.
 */
bool guest_tree_idle(struct guest_tree *g, const void *page);

/* ---- the standby ---- */

/*
 * Makes the shell's nodes equal to t: writes differences only, in one transaction.  Removes what t does not
 * have, except device/ and the host's own nodes.  The domain must exist.  Call whenever a new block arrives.
 * shown: what the last call made it (nobody else writes to a shell), so that xenstored need not be asked;
 * NULL: read it.
 */
int tree_restore_changes(struct xsconn *xs, struct xswire *wire, const struct tree *shown,
			 const struct tree *t, const char *vm);

/*
 * The shell's store ring.  While the copy follows, its page belongs to us and xenstored: the guest's own
 * store page must be kept aside by apply and installed at promotion only, after store_ring_settle().
 */
struct store_ring {
	void *page; /* foreign mapping of gfn */
	uint32_t domid;
	uint64_t gfn;	 /* HVM_PARAM_STORE_PFN */
	uint32_t evtchn; /* HVM_PARAM_STORE_EVTCHN, the guest's port */
};

/*
 * Makes xenstored's list of the shell's watches equal to t's, by speaking XS_WATCH/XS_UNWATCH for the guest;
 * only the differences.  Blocks for a few ms when there are any, at most STORE_RING_TIMEOUT_MS.
 */
#define STORE_RING_TIMEOUT_MS 2000
int tree_restore_watches(struct xsconn *xs, struct xswire *wire, const struct store_ring *ring,
			 const struct tree *t, const char *vm);
/* Consumes all events until xenstored has nothing more to say: from now on nobody writes the page. */
int store_ring_settle(struct xsconn *xs, struct xswire *wire, const struct store_ring *ring, const char *vm);

#endif /* KEMARI_XENSTORE_TREE_H */
