/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The hosts of the cluster as their kemari-agents tell of them: name, boot, membership, VMs.  Built from what
 * the group delivers, the own statements included, and from nothing else; no I/O.
 */
#ifndef KEMARI_AGENT_DAEMON_CLUSTER_H
#define KEMARI_AGENT_DAEMON_CLUSTER_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/daemon/group.h"
#include "agent/daemon/message.h"

#define CLUSTER_HOSTS 32

struct cluster_host {
	uint32_t nodeid; /* 0: this place is free */
	bool member;
	bool down;	     /* it was a member, and its node is gone from the ring */
	uint64_t since_ns;   /* CLOCK_MONOTONIC of its joining or leaving */
	char name[ROW_HOST]; /* "": no HELLO yet */
	uint64_t boot;
	bool red;
	bool second;	 /* it does not shoot first */
	bool complained; /* about its messages, since it came */
	/* Its last whole statement; it stays when the host leaves. */
	unsigned int nr;
	struct vm_row row[ROW_MAX];
	uint64_t view; /* of the group that the statement was made in; 0: none has come of this boot */
	/* The statement that is coming in. */
	bool coming;
	uint64_t seq; /* of its last message */
	unsigned int nr_next;
	struct vm_row next[ROW_MAX];
};

struct cluster {
	uint64_t view; /* of the group now, 0: not joined */
	struct cluster_host host[CLUSTER_HOSTS];
};

/* What a message was, for the caller to go on with. */
enum cluster_news {
	CLUSTER_NOTHING,
	CLUSTER_HELLO,	   /* its host's name and boot are those of the message */
	CLUSTER_STATEMENT, /* a whole one, and something in it is new */
	CLUSTER_ENGINE,
};

/* Makes one number of the members, the same one on all of them. */
uint64_t cluster_view(const struct group_change *c);

void cluster_members(struct cluster *c, const struct group_change *change, uint64_t now_ns);
/* Not joined any more: nobody is a member, what was said stays as the last that is known. */
void cluster_lost(struct cluster *c, uint64_t now_ns);
/* Takes a checked message.  *from is its host, valid until the next call. */
enum cluster_news cluster_take(struct cluster *c, const struct message *m, const struct cluster_host **from);

/* Whether to complain about its messages: once while it is a member. */
bool cluster_complain(struct cluster *c, uint32_t nodeid);

/* Its whole statement was made in the present membership. */
bool cluster_complete(const struct cluster *c, const struct cluster_host *h);
/* NULL: not known. */
const struct cluster_host *cluster_node(const struct cluster *c, uint32_t nodeid);
const struct cluster_host *cluster_named(const struct cluster *c, const char *name);
/* VMs of which it says that it is their primary or holds them. */
unsigned int cluster_owned(const struct cluster_host *h);

#endif /* KEMARI_AGENT_DAEMON_CLUSTER_H */
