/* SPDX-License-Identifier: GPL-2.0-only */
/* Reads the guest's nodes and watches from xenstored. */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <xen/io/xs_wire.h>

#include "xenstore/tree_int.h"
#include "xenstore/xsconn.h"
#include "xenstore/xswire.h"

#define MAX_ABS (TREE_MAX_PATH + 32)
#define REQS_PER_NODE 3

static int add_node(struct tree *t, const char *path)
{
	struct tree_node *n;

	if (t->nr_nodes == TREE_MAX_NODES || strlen(path) > TREE_MAX_PATH)
		return -E2BIG;
	n = realloc(t->node, (t->nr_nodes + 1) * sizeof(*n));
	if (!n)
		return -ENOMEM;
	t->node = n;
	n = &t->node[t->nr_nodes];
	memset(n, 0, sizeof(*n));
	n->path = strdup(path);
	if (!n->path)
		return -ENOMEM;
	t->nr_nodes++;
	return 0;
}

/* The children named in a XS_DIRECTORY reply, below parent ("" for the home directory). */
static int add_children(struct tree *t, const char *parent, const char *names, size_t len)
{
	char path[MAX_ABS];
	const char *p;
	int err = 0;

	for (p = names; !err && p < names + len; p += strlen(p) + 1) {
		int n = snprintf(path, sizeof(path), "%s%s%s", parent, *parent ? "/" : "", p);

		if (n >= (int)sizeof(path))
			err = -E2BIG;
		else if (!tree_is_host_node(path))
			err = add_node(t, path);
	}
	return err;
}

/* "n20000\0r0\0": letter and domid. */
static int parse_perms(struct tree_node *n, const char *text, size_t len)
{
	const char *p;

	for (p = text; p < text + len; p += strlen(p) + 1) {
		static const char letters[] = "nrwb"; /* XS_PERM_NONE, READ, WRITE, both: by value */
		const char *l = *p ? strchr(letters, *p) : NULL;

		if (!l || n->nr_perms == TREE_MAX_PERMS ||
		    xsconn_parse_u32(p + 1, UINT32_MAX, &n->perm[n->nr_perms].domid))
			return -EPROTO;
		n->perm[n->nr_perms++].flags = l - letters;
	}
	return n->nr_perms ? 0 : -EPROTO;
}

/* Takes value and permissions of node i from its replies and adds its children; -ENOENT: it is gone. */
static int take_node(struct tree *t, unsigned int i, struct xswire_req *req)
{
	struct tree_node *n = &t->node[i];
	char parent[TREE_MAX_PATH + 1];
	unsigned int k;
	int err;

	for (k = 0; k < REQS_PER_NODE; k++)
		if (req[k].err)
			return req[k].err;
	if (req[0].len > TREE_MAX_VALUE)
		return -E2BIG;
	n->value = (uint8_t *)req[0].reply;
	n->value_len = req[0].len;
	req[0].reply = NULL;
	err = parse_perms(n, req[1].reply, req[1].len);
	if (err)
		return err;
	snprintf(parent, sizeof(parent), "%s", n->path); /* n moves when the list grows */
	return add_children(t, parent, req[2].reply, req[2].len);
}

/* Nodes [first, last) in one batch; those that vanished lose their value. */
static int read_level(struct xswire *wire, struct tree *t, unsigned int first, unsigned int last)
{
	static const uint32_t types[REQS_PER_NODE] = { XS_READ, XS_GET_PERMS, XS_DIRECTORY };
	unsigned int nr = last - first, i, k;
	struct xswire_req *req = calloc(nr * REQS_PER_NODE, sizeof(*req));
	char(*path)[MAX_ABS] = calloc(nr, sizeof(*path));
	int err = req && path ? 0 : -ENOMEM;

	for (i = 0; !err && i < nr; i++) {
		snprintf(path[i], sizeof(path[i]), "/local/domain/%u/%s", t->domid, t->node[first + i].path);
		for (k = 0; k < REQS_PER_NODE; k++)
			req[i * REQS_PER_NODE + k] = (struct xswire_req){ .type = types[k], .path = path[i] };
	}
	if (!err)
		err = xswire_batch(wire, req, nr * REQS_PER_NODE);
	for (i = 0; !err && i < nr; i++) {
		err = take_node(t, first + i, &req[i * REQS_PER_NODE]);
		if (err == -ENOENT)
			err = 0;
	}
	for (i = 0; req && i < nr * REQS_PER_NODE; i++)
		free(req[i].reply);
	free(req);
	free(path);
	return err;
}

static void drop_vanished(struct tree *t)
{
	unsigned int i, kept = 0;

	for (i = 0; i < t->nr_nodes; i++) {
		if (t->node[i].value && t->node[i].nr_perms) {
			t->node[kept++] = t->node[i];
			continue;
		}
		free(t->node[i].path);
		free(t->node[i].value);
	}
	t->nr_nodes = kept;
}

static int by_path(const void *a, const void *b)
{
	return strcmp(((const struct tree_node *)a)->path, ((const struct tree_node *)b)->path);
}

/* Nodes from `first` on and their descendants; then in order again. */
static int read_below(struct xswire *wire, struct tree *t, unsigned int first)
{
	while (first < t->nr_nodes) {
		unsigned int last = t->nr_nodes;
		int err = read_level(wire, t, first, last);

		if (err)
			return err;
		first = last;
	}
	drop_vanished(t);
	if (t->nr_nodes)
		qsort(t->node, t->nr_nodes, sizeof(*t->node), by_path);
	return 0;
}

int tree_read_nodes(struct xswire *wire, uint32_t domid, struct tree *t)
{
	char home[32];
	struct xswire_req req = { .type = XS_DIRECTORY, .path = home };
	int err;

	memset(t, 0, sizeof(*t));
	t->domid = domid;
	snprintf(home, sizeof(home), "/local/domain/%u", domid);
	err = xswire_batch(wire, &req, 1);
	if (!err)
		err = req.err;
	if (!err)
		err = add_children(t, "", req.reply, req.len);
	free(req.reply);
	if (!err)
		err = read_below(wire, t, 0);
	if (err)
		tree_free(t);
	return err;
}

static bool has_node(const struct tree *t, const char *path, size_t len)
{
	unsigned int i;

	for (i = 0; i < t->nr_nodes; i++)
		if (!strncmp(t->node[i].path, path, len) && !t->node[i].path[len])
			return true;
	return false;
}

/* Writing a/b/c makes a and a/b, too, without an event for them: the first that is missing. */
static size_t first_missing(const struct tree *t, const char *path)
{
	const char *slash;

	for (slash = strchr(path, '/'); slash; slash = strchr(slash + 1, '/'))
		if (!has_node(t, path, slash - path))
			return slash - path;
	return strlen(path);
}

static bool is_at_or_below(const char *path, const char *root)
{
	size_t len = strlen(root);

	return !strncmp(path, root, len) && (!path[len] || path[len] == '/');
}

static void remove_below(struct tree *t, const char *root)
{
	unsigned int i, kept = 0;

	for (i = 0; i < t->nr_nodes; i++) {
		if (!is_at_or_below(t->node[i].path, root)) {
			t->node[kept++] = t->node[i];
			continue;
		}
		free(t->node[i].path);
		free(t->node[i].value);
	}
	t->nr_nodes = kept;
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* What to read again, each by its topmost directory, cut off in place; an ancestor comes before what is below
 * it. */
static int choose_roots(const struct tree *t, char **path, unsigned int nr, char **root,
			unsigned int *nr_roots)
{
	unsigned int i, k;

	*nr_roots = 0;
	qsort(path, nr, sizeof(*path), by_text);
	for (i = 0; i < nr; i++) {
		size_t len = first_missing(t, path[i]);

		if (len > TREE_MAX_PATH)
			return -E2BIG;
		path[i][len] = '\0';
		for (k = 0; k < *nr_roots && !is_at_or_below(path[i], root[k]); k++)
			;
		if (k == *nr_roots)
			root[(*nr_roots)++] = path[i];
	}
	return 0;
}

int tree_update(struct xswire *wire, struct tree *t, char **path, unsigned int nr)
{
	char *root[TREE_MAX_UPDATE];
	unsigned int nr_roots, first, i;
	int err = choose_roots(t, path, nr, root, &nr_roots);

	for (i = 0; !err && i < nr_roots; i++)
		remove_below(t, root[i]);
	first = t->nr_nodes;
	for (i = 0; !err && i < nr_roots; i++)
		err = add_node(t, root[i]);
	if (!err)
		err = read_below(wire, t, first);
	return err;
}

static int add_watch(struct tree *t, const char *path, size_t path_len, const char *token, size_t token_len)
{
	struct tree_watch *w;

	if (t->nr_watches == TREE_MAX_WATCHES || path_len > TREE_MAX_PATH || token_len > TREE_MAX_PATH)
		return -E2BIG;
	w = realloc(t->watch, (t->nr_watches + 1) * sizeof(*w));
	if (!w)
		return -ENOMEM;
	t->watch = w;
	w = &t->watch[t->nr_watches];
	w->path = strndup(path, path_len);
	w->token = strndup(token, token_len);
	t->nr_watches++;
	return w->path && w->token ? 0 : -ENOMEM;
}

static int by_watch(const void *a, const void *b)
{
	return tree_watch_compare(a, b);
}

static void drop_double_watches(struct tree *t)
{
	unsigned int i, kept = 0;

	for (i = 0; i < t->nr_watches; i++) {
		if (kept && !tree_watch_compare(&t->watch[kept - 1], &t->watch[i])) {
			free(t->watch[i].path);
			free(t->watch[i].token);
			continue;
		}
		t->watch[kept++] = t->watch[i];
	}
	t->nr_watches = kept;
}

int tree_parse_watches(const char *text, uint32_t domid, struct tree *t)
{
	char prefix[32];
	size_t prefix_len = snprintf(prefix, sizeof(prefix), "watch D%u: ", domid);
	const char *line, *end;
	int err = 0;

	for (line = text; !err && *line; line = *end ? end + 1 : end) {
		const char *path = line + prefix_len, *blank;

		end = strchrnul(line, '\n');
		if (strncmp(line, prefix, prefix_len))
			continue;
		blank = memchr(path, ' ', end - path);
		if (blank && blank != path)
			err = add_watch(t, path, blank - path, blank + 1, end - blank - 1);
	}
	if (err)
		return err;
	if (t->nr_watches)
		qsort(t->watch, t->nr_watches, sizeof(*t->watch), by_watch);
	drop_double_watches(t);
	return 0;
}

static void free_watches(struct tree *t)
{
	unsigned int i;

	for (i = 0; i < t->nr_watches; i++) {
		free(t->watch[i].path);
		free(t->watch[i].token);
	}
	free(t->watch);
	t->watch = NULL;
	t->nr_watches = 0;
}

int tree_read_watches(struct xswire *wire, uint32_t domid, struct tree *t)
{
	static const char *const cmd[] = { "watches" };
	char *text;
	size_t len;
	int err = xswire_control(wire, cmd, 1, &text, &len);

	if (err)
		return err;
	free_watches(t);
	err = tree_parse_watches(text, domid, t);
	free(text);
	return err;
}

/* The number after name, or ~0. */
static uint64_t number_after(const char *text, const char *name)
{
	const char *p = strstr(text, name);
	char *end;
	uint64_t n;

	if (!p)
		return UINT64_MAX;
	p += strlen(name);
	n = strtoull(p, &end, 10);
	return end == p ? UINT64_MAX : n;
}

bool xenbus_text_is_idle(const char *text)
{
	/* 16: the whole header of a next message is still to come. */
	return number_after(text, "partial_in: ") == sizeof(struct xsd_sockmsg) &&
	       number_after(text, "partial_out: ") == 0 && number_after(text, "pkt_out: ") == 0 &&
	       number_after(text, "overflow queue length: ") == 0 &&
	       number_after(text, "pending events total: ") == 0;
}

bool xenbus_is_idle(struct xswire *wire, uint32_t domid)
{
	char number[16];
	const char *const cmd[] = { "xenbus", number };
	char *text;
	size_t len;
	bool idle;

	snprintf(number, sizeof(number), "%u", domid);
	if (xswire_control(wire, cmd, 2, &text, &len))
		return false;
	idle = xenbus_text_is_idle(text);
	free(text);
	return idle;
}
