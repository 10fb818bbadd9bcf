/* SPDX-License-Identifier: GPL-2.0-only */
/* Shared by the files behind tree.h. */
#ifndef KEMARI_XENSTORE_TREE_INT_H
#define KEMARI_XENSTORE_TREE_INT_H

#include "xenstore/tree.h"

/* name, vm, console/, store/: each host has its own. */
bool tree_is_host_node(const char *path);
int tree_watch_compare(const struct tree_watch *a, const struct tree_watch *b);

/* What xenstored has now.  t is empty before; on error nothing is left in it. */
int tree_read_nodes(struct xswire *wire, uint32_t domid, struct tree *t);
/*
 * Brings these paths (relative) and what is below them up to date in a tree that was read before; ancestors
 * that t lacks, too.  One batch for each level, however many paths.  The texts are sorted and cut.  On error
 * t is incomplete: read all again.
 */
#define TREE_MAX_UPDATE 64
int tree_update(struct xswire *wire, struct tree *t, char **path, unsigned int nr);
/* Replaces t's watches. */
int tree_read_watches(struct xswire *wire, uint32_t domid, struct tree *t);

/* The text of XS_CONTROL "watches": those of domid, sorted.  -E2BIG, -ENOMEM. */
int tree_parse_watches(const char *text, uint32_t domid, struct tree *t);
/* The text of XS_CONTROL "xenbus D": does xenstored hold nothing half-done for this guest? */
bool xenbus_text_is_idle(const char *text);
/* The same, asked; false when xenstored cannot say. */
bool xenbus_is_idle(struct xswire *wire, uint32_t domid);

#endif /* KEMARI_XENSTORE_TREE_INT_H */
