/* SPDX-License-Identifier: GPL-2.0-only */
/* The standby's side: the shell's nodes become those of the block, by differences. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "lib/log.h"
#include "xenstore/tree_int.h"
#include "xenstore/xsconn.h"

struct difference {
	const struct tree *have, *want;
	unsigned int nr; /* counted by the last run over it */
};

static bool same_perms(const struct tree_node *a, const struct tree_node *b)
{
	return a->nr_perms == b->nr_perms && !memcmp(a->perm, b->perm, a->nr_perms * sizeof(a->perm[0]));
}

static bool same_value(const struct tree_node *a, const struct tree_node *b)
{
	return a->value_len == b->value_len && !memcmp(a->value, b->value, a->value_len);
}

static int set_perms(struct xsconn *c, xs_transaction_t t, const char *path, const struct tree_node *n)
{
	struct xs_permissions perms[TREE_MAX_PERMS];
	unsigned int i;

	for (i = 0; i < n->nr_perms; i++)
		perms[i] = (struct xs_permissions){ .id = n->perm[i].domid, .perms = n->perm[i].flags };
	return xs_set_permissions(xsconn_handle(c), t, path, perms, n->nr_perms) ? 0 : -errno;
}

/* Makes node `want` of what is there (`have`, NULL: nothing). */
static int put_node(struct xsconn *c, xs_transaction_t t, struct difference *d, const struct tree_node *have,
		    const struct tree_node *want)
{
	char path[TREE_MAX_PATH + 32];
	bool value = !have || !same_value(have, want), perms = !have || !same_perms(have, want);
	int err = 0;

	if (!value && !perms)
		return 0;
	d->nr++;
	if (!c)
		return 0;
	snprintf(path, sizeof(path), "/local/domain/%u/%s", d->want->domid, want->path);
	if (value && !xs_write(xsconn_handle(c), t, path, want->value, want->value_len))
		return -errno;
	if (perms)
		err = set_perms(c, t, path, want);
	return err;
}

/* What the guest's watches look at must not vanish and come back: a missing device is a device unplugged. */
static bool is_kept(const char *path)
{
	return !strcmp(path, "device") || !strncmp(path, "device/", 7);
}

static int drop_node(struct xsconn *c, xs_transaction_t t, struct difference *d, const struct tree_node *have)
{
	if (is_kept(have->path))
		return 0;
	d->nr++;
	return c ? xsconn_rm(c, t, "/local/domain/%u/%s", d->want->domid, have->path) : 0;
}

/* Both lists are sorted.  c NULL: only counts. */
static int apply(struct xsconn *c, xs_transaction_t t, void *arg)
{
	struct difference *d = arg;
	unsigned int i = 0, k = 0;
	int err = 0;

	d->nr = 0;
	while (!err && (i < d->have->nr_nodes || k < d->want->nr_nodes)) {
		const struct tree_node *have = i < d->have->nr_nodes ? &d->have->node[i] : NULL;
		const struct tree_node *want = k < d->want->nr_nodes ? &d->want->node[k] : NULL;
		int order = !have ? 1 : !want ? -1 : strcmp(have->path, want->path);

		if (order < 0)
			err = drop_node(c, t, d, have);
		else
			err = put_node(c, t, d, order ? NULL : have, want);
		i += order <= 0;
		k += order >= 0;
	}
	return err;
}

int tree_restore_changes(struct xsconn *xs, struct xswire *wire, const struct tree *shown,
			 const struct tree *t, const char *vm)
{
	struct tree read = { 0 };
	struct difference d = { shown, t, 0 };
	int err = 0;

	if (!shown) {
		d.have = &read;
		err = tree_read_nodes(wire, t->domid, &read);
	}
	if (!err) {
		apply(NULL, XBT_NULL, &d);
		if (d.nr)
			err = xsconn_transaction(xs, apply, &d);
	}
	tree_free(&read);
	if (err)
		kem_vm_err(vm, "cannot restore the guest's part of xenstore: %s", strerror(-err));
	else if (d.nr)
		kem_vm_debug(vm, "xenstore: %u nodes of %u restored", d.nr, t->nr_nodes);
	return err;
}
