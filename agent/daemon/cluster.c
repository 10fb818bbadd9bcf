/* SPDX-License-Identifier: GPL-2.0-only */
#include "agent/daemon/cluster.h"

#include <string.h>
#include <xxhash.h>

#include "log.h"

uint64_t cluster_view(const struct group_change *c)
{
	uint64_t sum = c->nr;
	unsigned int i;

	/* in whatever order they are listed */
	for (i = 0; i < c->nr; i++) {
		const uint32_t who[2] = { c->member[i].nodeid, c->member[i].pid };

		sum += XXH64(who, sizeof(who), 0);
	}
	return sum ?: 1;
}

const struct cluster_host *cluster_node(const struct cluster *c, uint32_t nodeid)
{
	unsigned int i;

	for (i = 0; nodeid && i < CLUSTER_HOSTS; i++)
		if (c->host[i].nodeid == nodeid)
			return &c->host[i];
	return NULL;
}

const struct cluster_host *cluster_named(const struct cluster *c, const char *name)
{
	unsigned int i;

	for (i = 0; i < CLUSTER_HOSTS; i++)
		if (c->host[i].nodeid && !strcmp(c->host[i].name, name))
			return &c->host[i];
	return NULL;
}

/* Its place, or a new one; NULL: no room. */
static struct cluster_host *place(struct cluster *c, uint32_t nodeid)
{
	struct cluster_host *free_one = NULL, *gone = NULL;
	unsigned int i;

	for (i = 0; i < CLUSTER_HOSTS; i++) {
		struct cluster_host *h = &c->host[i];

		if (h->nodeid == nodeid)
			return h;
		if (!h->nodeid)
			free_one = free_one ?: h;
		else if (!h->member && (!gone || h->since_ns < gone->since_ns))
			gone = h;
	}
	free_one = free_one ?: gone;
	if (!free_one)
		return NULL;
	memset(free_one, 0, sizeof(*free_one));
	free_one->nodeid = nodeid;
	return free_one;
}

static void set_member(struct cluster_host *h, bool member, uint64_t now_ns)
{
	if (h->member != member) {
		h->since_ns = now_ns;
		h->complained = false;
	}
	if (member)
		h->down = false;
	h->member = member;
	h->coming = false;
}

static bool is_member(const struct group_change *change, uint32_t nodeid)
{
	unsigned int i;

	for (i = 0; i < change->nr; i++)
		if (change->member[i].nodeid == nodeid)
			return true;
	return false;
}

static bool is_down(const struct group_change *change, uint32_t nodeid)
{
	unsigned int i;

	for (i = 0; i < change->nr_left; i++)
		if (change->left[i].nodeid == nodeid)
			return change->left[i].down;
	return false;
}

void cluster_members(struct cluster *c, const struct group_change *change, uint64_t now_ns)
{
	unsigned int i;

	for (i = 0; i < CLUSTER_HOSTS; i++) {
		struct cluster_host *h = &c->host[i];

		if (!h->nodeid || is_member(change, h->nodeid))
			continue;
		set_member(h, false, now_ns);
		if (is_down(change, h->nodeid))
			h->down = true;
	}
	for (i = 0; i < change->nr; i++) {
		struct cluster_host *h = place(c, change->member[i].nodeid);

		if (h)
			set_member(h, true, now_ns);
	}
	c->view = cluster_view(change);
}

void cluster_lost(struct cluster *c, uint64_t now_ns)
{
	unsigned int i;

	for (i = 0; i < CLUSTER_HOSTS; i++)
		if (c->host[i].nodeid)
			set_member(&c->host[i], false, now_ns);
	c->view = 0;
}

static enum cluster_news take_hello(struct cluster_host *h, const struct message *m)
{
	if (h->boot != m->boot) {
		h->nr = 0;
		h->view = 0;
	}
	if (h->boot != m->boot || strcmp(h->name, m->hello.host) != 0)
		kem_info("%s (node %u, Kemari %s, boot %016llx) is in the group", m->hello.host, h->nodeid,
			 m->hello.version, (unsigned long long)m->boot);
	memcpy(h->name, m->hello.host, sizeof(h->name));
	h->boot = m->boot;
	h->red = m->hello.red;
	h->second = m->hello.second;
	h->coming = true;
	h->nr_next = 0;
	return CLUSTER_HELLO;
}

static enum cluster_news take_end(struct cluster_host *h, const struct message_vms_end *end)
{
	bool whole = h->coming && h->nr_next == end->rows, same;

	h->coming = false;
	if (!whole)
		return CLUSTER_NOTHING; /* its next one comes within seconds */
	same = h->view == end->view && h->nr == h->nr_next &&
	       !memcmp(h->row, h->next, h->nr * sizeof(h->row[0]));
	memcpy(h->row, h->next, h->nr_next * sizeof(h->row[0]));
	h->nr = h->nr_next;
	h->view = end->view;
	return same ? CLUSTER_NOTHING : CLUSTER_STATEMENT;
}

enum cluster_news cluster_take(struct cluster *c, const struct message *m, const struct cluster_host **from)
{
	struct cluster_host *h = (struct cluster_host *)cluster_node(c, m->nodeid);

	*from = h;
	if (!h || !h->member)
		return CLUSTER_NOTHING;
	/* with a message missing, rows may be missing */
	if (m->seq != h->seq + 1)
		h->coming = false;
	h->seq = m->seq;
	switch (m->type) {
	case MESSAGE_HELLO:
		return take_hello(h, m);
	case MESSAGE_VM:
		if (h->coming && h->nr_next < ROW_MAX)
			h->next[h->nr_next++] = m->vm;
		return CLUSTER_NOTHING;
	case MESSAGE_VMS_END:
		return take_end(h, &m->end);
	default:
		return h->name[0] && h->boot == m->boot ? CLUSTER_ENGINE : CLUSTER_NOTHING;
	}
}

bool cluster_complain(struct cluster *c, uint32_t nodeid)
{
	struct cluster_host *h = (struct cluster_host *)cluster_node(c, nodeid);

	if (!h || h->complained)
		return false;
	h->complained = true;
	return true;
}

bool cluster_complete(const struct cluster *c, const struct cluster_host *h)
{
	return h->member && c->view && h->view == c->view;
}

unsigned int cluster_owned(const struct cluster_host *h)
{
	unsigned int i, n = 0;

	for (i = 0; i < h->nr; i++)
		n += h->row[i].role == ROW_PRIMARY || h->row[i].role == ROW_HELD;
	return n;
}
