/* SPDX-License-Identifier: GPL-2.0-only */
/* Who is in the cluster: what the group and corosync tell. */
#include <string.h>

#include <qb/qbloop.h>

#include "agent/daemon/agent.h"
#include "agent/daemon/fencer.h"
#include "agent/daemon/group.h"
#include "agent/daemon/hosts.h"
#include "agent/daemon/quorum.h"
#include "agent/daemon/syncd.h"
#include "log.h"
#include "monotonic.h"

#define AGAIN_S 3

/* ---- the group ---- */

static const char *host_word(const struct cluster_host *h)
{
	return h && h->name[0] ? h->name : "a host without a name yet";
}

static void on_members(void *arg, const struct group_change *c)
{
	struct agent *a = arg;
	unsigned int i;

	for (i = 0; i < c->nr_left; i++) {
		const struct cluster_host *h = cluster_node(&a->cluster, c->left[i].nodeid);

		kem_info("%s (node %u) is no member any more: %s", host_word(h), c->left[i].nodeid,
			 c->left[i].down ? "its node is gone" : "its kemari-agent has left");
	}
	cluster_members(&a->cluster, c, monotonic_ns());
	for (i = 0; i < c->nr_left; i++) {
		const struct cluster_host *h = cluster_node(&a->cluster, c->left[i].nodeid);

		/* a new one of the same host is in already */
		if (!h || !h->name[0] || h->member)
			continue;
		syncd_forget(a->syncd, h->name);
		hosts_proof(a, h->name, proof_left(&a->proof, h->name, c->left[i].down, hosts_boottime()));
	}
	agent_state_now(a);
	agent_touch(a);
}

/* A host's name is what fencings, attributes and orders go by: it must be that node's, and its alone. */
static bool name_ok(struct agent *a, const struct message *m)
{
	const char *real = ring_name(&a->ring, m->nodeid);
	const struct cluster_host *h = cluster_named(&a->cluster, m->hello.host);
	const bool twice = h && h->member && h->nodeid != m->nodeid;

	if ((!real || !strcmp(real, m->hello.host)) && !twice)
		return true;
	if (!cluster_complain(&a->cluster, m->nodeid))
		return false;
	if (twice)
		kem_err("nodes %u and %u both call themselves %s: the second one is not listened to",
			h->nodeid, m->nodeid, m->hello.host);
	else
		kem_err("node %u calls itself %s and is %s for the cluster: it is not listened to; "
			"host_name in its kemari.conf must be its cluster node name",
			m->nodeid, m->hello.host, real);
	return false;
}

static void on_hello(struct agent *a, const struct message *m)
{
	const char *host = m->hello.host;
	const int64_t up_ns = (int64_t)m->hello.up_s * PROOF_SECOND;
	bool news;

	if (hosts_is_own(a, host))
		return;
	hosts_proof(a, host, proof_heard(&a->proof, host, m->boot, hosts_boottime(), hosts_clock_offset()));
	news = proof_identify(&a->proof, host, m->hello.bmc_uuid);
	if (up_ns && proof_up(&a->proof, host, hosts_boottime() - up_ns) == PROOF_RECORDED)
		news = true;
	if (news)
		agent_save(a);
}

static void on_engine(struct agent *a, const struct message *m, const struct cluster_host *from)
{
	const struct message_engine *e = &m->engine;

	if (m->nodeid == group_nodeid(a->group) || (e->to[0] && !hosts_is_own(a, e->to)))
		return;
	syncd_message(a->syncd, from->name, e->data, e->len);
}

static void on_deliver(void *arg, uint32_t nodeid, const void *bytes, size_t len)
{
	struct agent *a = arg;
	const struct cluster_host *from;
	struct message m;
	char why[MESSAGE_WHY];
	int rc = message_unpack(bytes, len, nodeid, &m, why);

	if (rc == -ENOMSG)
		return;
	if (rc) {
		if (cluster_complain(&a->cluster, nodeid))
			kem_warn("messages of node %u are dropped: %s", nodeid, why);
		return;
	}
	if (m.type == MESSAGE_HELLO && !name_ok(a, &m))
		return;
	switch (cluster_take(&a->cluster, &m, &from)) {
	case CLUSTER_HELLO:
		on_hello(a, &m);
		break;
	case CLUSTER_STATEMENT:
		agent_touch(a);
		break;
	case CLUSTER_ENGINE:
		on_engine(a, &m, from);
		break;
	case CLUSTER_NOTHING:
		break;
	}
}

static void on_joined(void *arg, uint32_t nodeid)
{
	struct agent *a = arg;
	const char *real;

	kem_info("joined the group as node %u", nodeid);
	if (!ring_read(&a->ring))
		ring_warn(&a->ring);
	real = ring_name(&a->ring, nodeid);
	if (real && strcmp(real, a->cfg.host_name) != 0)
		kem_err("host_name in kemari.conf is %s, for the cluster this node is %s: must be the same",
			a->cfg.host_name, real);
	quorum_connect(a->quorum);
	agent_touch(a);
}

static void on_lost(void *arg)
{
	struct agent *a = arg;
	unsigned int i;

	for (i = 0; i < CLUSTER_HOSTS; i++) {
		const struct cluster_host *h = &a->cluster.host[i];

		if (!h->member || !h->name[0])
			continue;
		syncd_forget(a->syncd, h->name);
		/* nobody will tell how it left: one that was fenced just now must be fenced again */
		if (proof_left(&a->proof, h->name, false, hosts_boottime()) == PROOF_SAME)
			continue;
		kem_warn("corosync is gone before %s was: that it was fenced does not count", h->name);
		agent_save(a);
	}
	cluster_lost(&a->cluster, monotonic_ns());
	a->pacemaker = 0;
	attrd_there(a->attrd, false); /* Pacemaker does not live without corosync */
	agent_touch(a);
}

static const struct group_ops group_ops = {
	.deliver = on_deliver,
	.members = on_members,
	.joined = on_joined,
	.lost = on_lost,
};

int agent_join(struct agent *a)
{
	return group_open(a->loop, &group_ops, a, &a->group);
}

/* ---- each second ---- */

/*
 * Pacemaker's daemons that hold the attributes: when one of them, on any host, starts or ends, attributes of
 * ours may be erased, right then or when the next leader tidies up.
 */
static void watch_pacemaker(struct agent *a)
{
	uint64_t crmd, attrd;
	bool crmd_here = false, attrd_here = false;

	if (group_watch(a->group, "crmd", &crmd, &crmd_here) ||
	    group_watch(a->group, "attrd", &attrd, &attrd_here))
		return;
	attrd_there(a->attrd, attrd_here);
	if (crmd + 3 * attrd != a->pacemaker)
		a->reassert = 3;
	a->pacemaker = crmd + 3 * attrd;
	if (a->reassert && attrd_here && crmd_here && !attrd_reassert(a->attrd))
		a->reassert--;
}

/*
 * A host that is off is told of again and again as long as somebody here may wait for it, though he has not
 * said so yet: kemari-syncd may have been away when it was told.
 */
static bool may_wait(const struct vm_row *r)
{
	return r->needs != ROW_NEEDS_NOTHING || (r->promoted && r->role == ROW_STANDBY) ||
	       r->protection == ROW_LINK_LOST || r->protection == ROW_OUTDATING;
}

static bool any_needs(const struct agent *a)
{
	const struct vm_row *row;
	unsigned int nr, i;

	row = syncd_table(a->syncd, &nr);
	for (i = 0; i < nr; i++)
		if (may_wait(&row[i]))
			return true;
	return false;
}

/* A fencing that is told of meanwhile is left alone: it is to be told of again. */
static bool any_awaits_bmc(struct agent *a)
{
	unsigned int i;

	for (i = 0; i < a->proof.nr; i++)
		if (hosts_awaits_bmc(a, a->proof.h[i].host))
			return true;
	return false;
}

void agent_hosts_tick(struct agent *a)
{
	const bool needed = any_needs(a);
	const struct proof_host *h;
	unsigned int i;

	while ((h = proof_expire(&a->proof, hosts_boottime())))
		hosts_proof(a, h->host, PROOF_ALIVE);
	if (proof_unsaved(&a->proof))
		agent_save(a);
	agent_doubts_tick(a);
	if (any_awaits_bmc(a))
		a->again = AGAIN_S;
	else if (a->again)
		a->again--;
	fencer_want(a->fencer, needed || a->again);
	for (i = 0; needed && i < a->proof.nr; i++)
		hosts_tell_off(a, a->proof.h[i].host);
	if (group_nodeid(a->group))
		quorum_connect(a->quorum);
	watch_pacemaker(a);
}
