/* SPDX-License-Identifier: GPL-2.0-only */
/* The primary's side: keeps the block of tree.h up to date, cheaply. */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <xen/io/xs_wire.h>

#include "lib/log.h"
#include "xenstore/tree_int.h"
#include "xenstore/xsconn.h"

struct guest_tree {
	struct xswire *wire;
	uint32_t domid;
	const char *vm;
	struct xsconn_watch *watch;
	char home[32]; /* /local/domain/D/ */
	struct tree tree;
	bool loaded;	 /* tree holds all, but for what is pending */
	bool registered; /* the event that a new watch makes has come */
	unsigned int nr_pending;
	char *pending[TREE_MAX_UPDATE]; /* changed and not read again yet; when it is full, all is */
	bool valid;			/* cur holds a block of the instant `at` */
	struct store_ring_index at;
	bool idle_known; /* xenstored said idle at idle_at */
	struct store_ring_index idle_at;
	uint8_t *cur, *next;
	size_t cur_len;
	uint64_t version;
};

void store_ring_index_read(const void *page, struct store_ring_index *idx)
{
	const volatile struct xenstore_domain_interface *ring = page;

	idx->req_cons = ring->req_cons;
	idx->req_prod = ring->req_prod;
	idx->rsp_cons = ring->rsp_cons;
	idx->rsp_prod = ring->rsp_prod;
}

/* Nothing went over the ring between a and b, in either direction. */
static bool no_traffic(const struct store_ring_index *a, const struct store_ring_index *b)
{
	return a->req_prod == b->req_prod && a->rsp_prod == b->rsp_prod;
}

static void forget_pending(struct guest_tree *g)
{
	while (g->nr_pending)
		free(g->pending[--g->nr_pending]);
}

static void reload_later(struct guest_tree *g)
{
	forget_pending(g);
	g->loaded = false;
}

static void on_change(void *arg, const char *changed)
{
	struct guest_tree *g = arg;
	const char *path = changed + strlen(g->home);
	unsigned int i;

	if (strncmp(changed, g->home, strlen(g->home)) || !*path) {
		/* The home directory itself: once at registration, later only if it was removed. */
		if (g->registered)
			reload_later(g);
		g->registered = true;
		return;
	}
	if (!g->loaded || tree_is_host_node(path))
		return;
	for (i = 0; i < g->nr_pending; i++)
		if (!strcmp(g->pending[i], path))
			return;
	if (g->nr_pending < TREE_MAX_UPDATE)
		g->pending[g->nr_pending] = strdup(path);
	if (g->nr_pending == TREE_MAX_UPDATE || !g->pending[g->nr_pending])
		reload_later(g);
	else
		g->nr_pending++;
}

int guest_tree_open(struct xsconn *xs, struct xswire *wire, uint32_t domid, const char *vm,
		    struct guest_tree **out)
{
	struct guest_tree *g = calloc(1, sizeof(*g));
	char path[32];
	int err = -ENOMEM;

	if (!g)
		return -ENOMEM;
	g->wire = wire;
	g->domid = domid;
	g->vm = vm;
	g->cur = malloc(TREE_MAX_BYTES);
	g->next = malloc(TREE_MAX_BYTES);
	snprintf(path, sizeof(path), "/local/domain/%u", domid);
	snprintf(g->home, sizeof(g->home), "/local/domain/%u/", domid);
	if (g->cur && g->next)
		err = xsconn_watch(xs, path, on_change, g, &g->watch);
	if (err) {
		guest_tree_close(g);
		return err;
	}
	*out = g;
	return 0;
}

void guest_tree_close(struct guest_tree *g)
{
	if (!g)
		return;
	xsconn_unwatch(g->watch);
	forget_pending(g);
	tree_free(&g->tree);
	free(g->cur);
	free(g->next);
	free(g);
}

int guest_tree_seed(struct guest_tree *g, const void *page, struct tree *t)
{
	long len = tree_encode(t, g->cur, TREE_MAX_BYTES);

	if (len < 0)
		return (int)len;
	tree_free(&g->tree);
	g->tree = *t;
	*t = (struct tree){ 0 };
	g->cur_len = (size_t)len;
	g->loaded = g->valid = true;
	g->version++;
	store_ring_index_read(page, &g->at);
	return 0;
}

void guest_tree_take(struct guest_tree *g, struct tree *t)
{
	*t = (struct tree){ 0 };
	if (!g->loaded || g->nr_pending)
		return;
	*t = g->tree;
	g->tree = (struct tree){ 0 };
	reload_later(g);
}

static int bring_up_to_date(struct guest_tree *g)
{
	int err = xsconn_sync(g->watch);

	if (!err && !g->loaded) {
		tree_free(&g->tree);
		g->loaded = true; /* events from here on are kept */
		err = tree_read_nodes(g->wire, g->domid, &g->tree);
	}
	if (!err && g->nr_pending)
		err = tree_update(g->wire, &g->tree, g->pending, g->nr_pending);
	forget_pending(g);
	if (!err)
		err = tree_read_watches(g->wire, g->domid, &g->tree);
	if (err)
		reload_later(g);
	return err;
}

/* The block as of now, in next; if it differs, next becomes cur. */
static int read_all(struct guest_tree *g, const struct store_ring_index *now)
{
	uint8_t *swap;
	long len = bring_up_to_date(g);

	if (!len)
		len = tree_encode(&g->tree, g->next, TREE_MAX_BYTES);
	if (len == -E2BIG)
		kem_vm_err(g->vm,
			   "the guest has more in xenstore than a checkpoint may hold (%u nodes, %u watches, "
			   "%u bytes)",
			   TREE_MAX_NODES, TREE_MAX_WATCHES, TREE_MAX_BYTES);
	else if (len < 0 && len != -ENOENT) /* the domain is gone: others tell */
		kem_vm_err(g->vm, "cannot read the guest's part of xenstore: %s", strerror(-len));
	if (len < 0)
		return len;
	g->at = *now;
	if (g->valid && (size_t)len == g->cur_len && !memcmp(g->cur, g->next, len))
		return 0;
	swap = g->cur;
	g->cur = g->next;
	g->next = swap;
	g->cur_len = len;
	g->valid = true;
	g->version++;
	return 0;
}

int guest_tree_refresh(struct guest_tree *g, const void *page)
{
	struct store_ring_index now;

	store_ring_index_read(page, &now);
	if (g->valid && g->loaded && !g->nr_pending && no_traffic(&now, &g->at))
		return 0;
	return read_all(g, &now);
}

int guest_tree_snapshot(struct guest_tree *g, const void *page, const void **buf, size_t *len,
			uint64_t *version)
{
	struct store_ring_index now;

	store_ring_index_read(page, &now);
	if (!g->valid || !no_traffic(&now, &g->at)) {
		int err = read_all(g, &now);

		if (err)
			return err;
	}
	*buf = g->cur;
	*len = g->cur_len;
	*version = g->version;
	return 0;
}

bool guest_tree_idle(struct guest_tree *g, const void *page)
{
	struct store_ring_index now;

	store_ring_index_read(page, &now);
	if (now.req_prod != now.req_cons)
		return false;
	if (g->idle_known && no_traffic(&now, &g->idle_at) &&
	    now.rsp_prod - now.rsp_cons < XENSTORE_RING_SIZE)
		return true;
	g->idle_known = xenbus_is_idle(g->wire, g->domid);
	g->idle_at = now;
	return g->idle_known;
}
