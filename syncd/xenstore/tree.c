/* SPDX-License-Identifier: GPL-2.0-only */
/* The block of bytes of tree.h: encode, decode, check. */
#include "xenstore/tree.h"

#include <endian.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "xenstore/tree_int.h"

#define DOMID_MAX 0x7fefU /* below DOMID_FIRST_RESERVED */

bool tree_is_host_node(const char *path)
{
	static const char *const own[] = { "name", "vm", "console", "store" };
	size_t i;

	for (i = 0; i < sizeof(own) / sizeof(own[0]); i++) {
		size_t n = strlen(own[i]);

		if (!strncmp(path, own[i], n) && (!path[n] || path[n] == '/'))
			return true;
	}
	return false;
}

void tree_free(struct tree *t)
{
	unsigned int i;

	for (i = 0; i < t->nr_nodes; i++) {
		free(t->node[i].path);
		free(t->node[i].value);
	}
	for (i = 0; i < t->nr_watches; i++) {
		free(t->watch[i].path);
		free(t->watch[i].token);
	}
	free(t->node);
	free(t->watch);
	memset(t, 0, sizeof(*t));
}

/* ---- encode ---- */

struct out {
	uint8_t *p, *end;
	int err;
};

static void put_bytes(struct out *o, const void *src, size_t n)
{
	if (o->err || (size_t)(o->end - o->p) < n) {
		o->err = -ENOBUFS;
		return;
	}
	memcpy(o->p, src, n);
	o->p += n;
}

static void put_u16(struct out *o, uint16_t v)
{
	uint16_t le = htole16(v);

	put_bytes(o, &le, sizeof(le));
}

static void put_u32(struct out *o, uint32_t v)
{
	uint32_t le = htole32(v);

	put_bytes(o, &le, sizeof(le));
}

static void put_node(struct out *o, const struct tree_node *n)
{
	unsigned int i;

	put_u16(o, strlen(n->path));
	put_u16(o, n->value_len);
	put_u16(o, n->nr_perms);
	for (i = 0; i < n->nr_perms; i++) {
		put_u32(o, n->perm[i].domid);
		put_u32(o, n->perm[i].flags);
	}
	put_bytes(o, n->path, strlen(n->path));
	put_bytes(o, n->value, n->value_len);
}

static void put_watch(struct out *o, const struct tree_watch *w)
{
	put_u16(o, strlen(w->path));
	put_u16(o, strlen(w->token));
	put_bytes(o, w->path, strlen(w->path));
	put_bytes(o, w->token, strlen(w->token));
}

long tree_encode(const struct tree *t, void *buf, size_t cap)
{
	struct tree_header h = { .magic = htole32(TREE_MAGIC), .version = htole16(TREE_VERSION) };
	struct out o = { buf, (uint8_t *)buf + cap, 0 };
	unsigned int i;
	size_t bytes;

	if (t->nr_nodes > TREE_MAX_NODES || t->nr_watches > TREE_MAX_WATCHES)
		return -E2BIG;
	put_bytes(&o, &h, sizeof(h));
	for (i = 0; i < t->nr_nodes; i++)
		put_node(&o, &t->node[i]);
	for (i = 0; i < t->nr_watches; i++)
		put_watch(&o, &t->watch[i]);
	if (o.err)
		return cap < TREE_MAX_BYTES ? o.err : -E2BIG;
	bytes = o.p - (uint8_t *)buf;
	if (bytes > TREE_MAX_BYTES)
		return -E2BIG;
	h.domid = htole32(t->domid);
	h.nr_nodes = htole32(t->nr_nodes);
	h.nr_watches = htole32(t->nr_watches);
	h.bytes = htole32(bytes);
	memcpy(buf, &h, sizeof(h));
	return bytes;
}

/* ---- decode ---- */

struct in {
	const uint8_t *p, *end;
	char *why;
	size_t why_len;
};

static int bad(const struct in *in, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static int bad(const struct in *in, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(in->why, in->why_len, fmt, ap);
	va_end(ap);
	return -EBADMSG;
}

static int get_bytes(struct in *in, void *dst, size_t n)
{
	if ((size_t)(in->end - in->p) < n)
		return bad(in, "xenstore block: ends early");
	memcpy(dst, in->p, n);
	in->p += n;
	return 0;
}

static int get_u16(struct in *in, uint16_t *v)
{
	int err = get_bytes(in, v, sizeof(*v));

	*v = le16toh(*v);
	return err;
}

static int get_u32(struct in *in, uint32_t *v)
{
	int err = get_bytes(in, v, sizeof(*v));

	*v = le32toh(*v);
	return err;
}

/* n bytes without NUL, as a string. */
static int get_text(struct in *in, size_t n, char **out)
{
	char *s;

	if ((size_t)(in->end - in->p) < n)
		return bad(in, "xenstore block: ends early");
	if (memchr(in->p, '\0', n))
		return bad(in, "xenstore block: a NUL in a path or token");
	s = strndup((const char *)in->p, n);
	if (!s)
		return -ENOMEM;
	in->p += n;
	*out = s;
	return 0;
}

static bool path_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       (c && strchr("-_@", c));
}

/* A relative path of one or more non-empty names. */
static bool node_path_ok(const char *path)
{
	bool name = false;

	for (; *path; path++) {
		if (*path == '/') {
			if (!name)
				return false;
			name = false;
		} else if (path_char(*path)) {
			name = true;
		} else {
			return false;
		}
	}
	return name;
}

static int get_perms(struct in *in, struct tree_node *n, uint16_t nr)
{
	int err = 0;

	if (!nr || nr > TREE_MAX_PERMS)
		return bad(in, "xenstore block: a node with %u permissions", nr);
	for (n->nr_perms = 0; !err && n->nr_perms < nr; n->nr_perms++) {
		struct tree_perm *p = &n->perm[n->nr_perms];

		err = get_u32(in, &p->domid);
		if (!err)
			err = get_u32(in, &p->flags);
		if (!err && (p->domid > DOMID_MAX || p->flags > 3))
			err = bad(in, "xenstore block: a permission that does not exist");
	}
	return err;
}

static int get_node(struct in *in, struct tree_node *n)
{
	uint16_t path_len = 0, value_len = 0, nr_perms = 0;
	int err = get_u16(in, &path_len);

	if (!err)
		err = get_u16(in, &value_len);
	if (!err)
		err = get_u16(in, &nr_perms);
	if (!err && (!path_len || path_len > TREE_MAX_PATH || value_len > TREE_MAX_VALUE))
		err = bad(in, "xenstore block: a node with a path of %u and a value of %u bytes", path_len,
			  value_len);
	if (!err)
		err = get_perms(in, n, nr_perms);
	if (!err)
		err = get_text(in, path_len, &n->path);
	if (err)
		return err;
	if (!node_path_ok(n->path) || tree_is_host_node(n->path))
		return bad(in, "xenstore block: a node that cannot be in it");
	n->value = malloc(value_len ? value_len : 1);
	if (!n->value)
		return -ENOMEM;
	n->value_len = value_len;
	return get_bytes(in, n->value, value_len);
}

static int get_watch(struct in *in, struct tree_watch *w)
{
	uint16_t path_len = 0, token_len = 0;
	int err = get_u16(in, &path_len);

	if (!err)
		err = get_u16(in, &token_len);
	if (!err && (!path_len || path_len > TREE_MAX_PATH || token_len > TREE_MAX_PATH))
		err = bad(in, "xenstore block: a watch with a path of %u and a token of %u bytes", path_len,
			  token_len);
	if (!err)
		err = get_text(in, path_len, &w->path);
	if (!err)
		err = get_text(in, token_len, &w->token);
	return err;
}

int tree_watch_compare(const struct tree_watch *a, const struct tree_watch *b)
{
	int c = strcmp(a->path, b->path);

	return c ? c : strcmp(a->token, b->token);
}

static int get_header(struct in *in, size_t len, struct tree_header *h)
{
	int err = get_bytes(in, h, sizeof(*h));

	if (err)
		return err;
	h->domid = le32toh(h->domid);
	h->nr_nodes = le32toh(h->nr_nodes);
	h->nr_watches = le32toh(h->nr_watches);
	if (h->magic != htole32(TREE_MAGIC))
		return bad(in, "xenstore block: not one");
	if (h->version != htole16(TREE_VERSION))
		return bad(in, "xenstore block: version %u, this daemon knows %u", le16toh(h->version),
			   TREE_VERSION);
	if (le32toh(h->bytes) != len || len > TREE_MAX_BYTES)
		return bad(in, "xenstore block: %zu bytes, its header says %u", len, le32toh(h->bytes));
	if (h->reserved || !h->domid || h->domid > DOMID_MAX || h->nr_nodes > TREE_MAX_NODES ||
	    h->nr_watches > TREE_MAX_WATCHES)
		return bad(in, "xenstore block: a header out of bounds");
	return 0;
}

static int get_all(struct in *in, const struct tree_header *h, struct tree *t)
{
	int err = 0;

	t->domid = h->domid;
	t->node = calloc(h->nr_nodes + 1, sizeof(*t->node));
	t->watch = calloc(h->nr_watches + 1, sizeof(*t->watch));
	if (!t->node || !t->watch)
		return -ENOMEM;
	while (!err && t->nr_nodes < h->nr_nodes) {
		struct tree_node *n = &t->node[t->nr_nodes++];

		err = get_node(in, n);
		if (!err && t->nr_nodes > 1 && strcmp(n[-1].path, n->path) >= 0)
			err = bad(in, "xenstore block: nodes out of order");
	}
	while (!err && t->nr_watches < h->nr_watches) {
		struct tree_watch *w = &t->watch[t->nr_watches++];

		err = get_watch(in, w);
		if (!err && t->nr_watches > 1 && tree_watch_compare(w - 1, w) >= 0)
			err = bad(in, "xenstore block: watches out of order");
	}
	if (!err && in->p != in->end)
		err = bad(in, "xenstore block: bytes left over");
	return err;
}

int tree_decode(const void *buf, size_t len, struct tree *t, char *why, size_t why_len)
{
	struct in in = { buf, (const uint8_t *)buf + len, why, why_len };
	struct tree_header h;
	int err;

	memset(t, 0, sizeof(*t));
	err = get_header(&in, len, &h);
	if (!err)
		err = get_all(&in, &h, t);
	if (err == -ENOMEM)
		snprintf(why, why_len, "xenstore block: out of memory");
	if (err)
		tree_free(t);
	return err;
}
