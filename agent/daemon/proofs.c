/* SPDX-License-Identifier: GPL-2.0-only */
/* Who is proven off: what the fencer and the membership say, put together (proof.h). */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <qb/qbloop.h>

#include "agent/daemon/agent.h"
#include "agent/daemon/fencer.h"
#include "agent/daemon/group.h"
#include "agent/daemon/hosts.h"
#include "agent/daemon/quorum.h"
#include "agent/daemon/syncd.h"
#include "log.h"

#define WHO 384 /* as much as kemari-syncd takes */

static int64_t clock_ns(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (int64_t)t.tv_sec * PROOF_SECOND + t.tv_nsec;
}

int64_t hosts_boottime(void)
{
	return clock_ns(CLOCK_BOOTTIME);
}

int64_t hosts_clock_offset(void)
{
	return clock_ns(CLOCK_REALTIME) - hosts_boottime();
}

bool hosts_is_own(const struct agent *a, const char *host)
{
	return !strcmp(host, a->cfg.host_name);
}

/* ---- agent.state ---- */

void agent_save(struct agent *a)
{
	struct proof_vms vms = { 0 };
	unsigned int i;

	for (i = 0; i < ROW_MAX; i++)
		if (a->vm[i].vm[0])
			memcpy(vms.vm[vms.nr++], a->vm[i].vm, ROW_VM);
	proof_save(a->state_path, a->boot, &a->proof, &vms);
	proof_saved(&a->proof); /* one that failed is not tried again for this alone */
}

void agent_load(struct agent *a)
{
	struct proof_vms vms;
	unsigned int i;

	proof_load(a->state_path, a->boot, &a->proof, &vms);
	a->devices_of_before = a->proof.nr;
	for (i = 0; i < vms.nr; i++)
		memcpy(a->vm[i].vm, vms.vm[i], ROW_VM);
}

/* ---- proofs ---- */

/* Membership is known, and no member is that host. */
static bool no_member(const struct agent *a, const char *host)
{
	unsigned int i;

	if (!group_nodeid(a->group) || !a->cluster.view)
		return false;
	for (i = 0; i < CLUSTER_HOSTS; i++) {
		const struct cluster_host *h = &a->cluster.host[i];
		const char *name = h->name[0] ? h->name : ring_name(&a->ring, h->nodeid);

		if (h->member && (!name || !strcmp(name, host)))
			return false;
	}
	return true;
}

/* By corosync.conf, or by what it said when it was in the group; NULL: not known. */
static const char *node_name(const struct agent *a, uint32_t nodeid)
{
	const struct cluster_host *h = cluster_node(&a->cluster, nodeid);
	const char *name = ring_name(&a->ring, nodeid);

	return name ? name : h && h->name[0] ? h->name : NULL;
}

/* By what it said when it was in the group, or by corosync.conf; 0: not known. */
static uint32_t node_id(const struct agent *a, const char *host)
{
	const struct cluster_host *h = cluster_named(&a->cluster, host);
	unsigned int i;

	if (h)
		return h->nodeid;
	for (i = 0; i < a->ring.nr; i++)
		if (!strcmp(a->ring.node[i].name, host))
			return a->ring.node[i].nodeid;
	return 0;
}

/* The same of corosync's ring.  Of a host whose node is not known, any may be it that has no name. */
static bool not_in_ring(const struct agent *a, const char *host)
{
	const uint32_t id = node_id(a, host), *node;
	unsigned int nr, i;

	if (!quorum_ring(a->quorum, &node, &nr))
		return false;
	for (i = 0; i < nr; i++)
		if (id ? node[i] == id : node[i] != group_nodeid(a->group) && !node_name(a, node[i]))
			return false;
	return true;
}

bool hosts_absent(const struct agent *a, const char *host)
{
	return no_member(a, host) && not_in_ring(a, host);
}

const struct proof_host *agent_off(const struct agent *a, const char *host)
{
	if (hosts_is_own(a, host) || !hosts_absent(a, host))
		return NULL;
	return proof_off(&a->proof, host);
}

bool agent_unsaid(const struct agent *a, const char *host)
{
	const struct cluster_host *c = cluster_named(&a->cluster, host);
	const struct proof_host *h = proof_find(&a->proof, host);

	return h && (h->boot != PROOF_UNHEARD || h->risen) && !(c && c->view);
}

/* Who had it fenced, and why, if that was us; or who says so. */
static void who_fenced(struct agent *a, const struct proof_host *h, char text[WHO])
{
	const bool own = h->asker.kind == ASKER_KEMARI && hosts_is_own(a, h->asker.node);
	const char *reason = own ? agent_request_reason(a, h->host) : NULL;
	char asker[ASKER_TEXT];

	if (h->by_word) {
		snprintf(text, WHO, "an operator says so");
		return;
	}
	asker_text(&h->asker, asker);
	snprintf(text, WHO, "%s%s%s%s", asker, reason ? " (" : "", reason ?: "", reason ? ")" : "");
}

/* Before kemari-syncd acts upon it. */
static void tell_fenced(struct agent *a, const struct proof_host *h)
{
	uint64_t *told = &a->told_fenced[h - a->proof.h];
	char who[WHO];

	if (*told == h->boot || h->by_word)
		return;
	who_fenced(a, h, who);
	if (syncd_host_fenced(a->syncd, h->host, h->boot, who))
		*told = h->boot;
}

void hosts_tell_off(struct agent *a, const char *host)
{
	const struct proof_host *h = agent_off(a, host);

	if (!h)
		return;
	tell_fenced(a, h);
	syncd_host_off(a->syncd, h->host, h->boot);
}

/* Of a member: its proof waits until it is none. */
static void log_fenced(struct agent *a, const struct proof_host *h)
{
	const bool foreseen = h->fault || h->asker.kind == ASKER_KEMARI || h->asker.kind == ASKER_OPERATOR;
	char who[WHO];

	who_fenced(a, h, who);
	kem_info("the cluster fenced %s, %s; it is proven off when it is no member any more", h->host, who);
	if (!foreseen)
		kem_warn("%s was fenced while it was a member, and nothing is known here that was wrong with "
			 "it: Pacemaker's log on the node that asked tells why",
			 h->host);
}

void hosts_proof(struct agent *a, const char *host, enum proof_change change)
{
	const struct proof_host *h = proof_find(&a->proof, host);
	char who[WHO];

	switch (change) {
	case PROOF_SAME:
		return;
	case PROOF_OFF:
		who_fenced(a, h, who);
		kem_info("%s is proven off in boot %016" PRIx64 ": %s%s; it is no member of the cluster",
			 host, h->boot, h->by_word ? "" : "the cluster fenced it, ", who);
		break;
	case PROOF_BACK:
		kem_info("%s is heard of in another boot than the one that was proven off", host);
		break;
	case PROOF_RISEN:
		a->told_fenced[h - a->proof.h] = 0;
		kem_info("%s is there again: the proof that it is off ends", host);
		break;
	case PROOF_ALIVE:
		kem_err("%s was confirmed off by its fencing device, or by an operator, and lives: that "
			"proof is "
			"void; is the device really its own?",
			host);
		break;
	case PROOF_DOUBTED:
		break; /* said already */
	case PROOF_RECORDED:
		if (h->fenced)
			log_fenced(a, h);
		break;
	}
	agent_save(a);
	if (change == PROOF_OFF)
		hosts_tell_off(a, host);
	agent_touch(a);
}

/* ---- who lives, whether its kemari-agent runs or not ---- */

static void risen(struct agent *a, const char *host)
{
	if (!hosts_is_own(a, host))
		hosts_proof(a, host, proof_risen(&a->proof, host, hosts_boottime()));
}

static void on_ring_joined(void *arg, uint32_t nodeid)
{
	struct agent *a = arg;
	const char *name = node_name(a, nodeid);

	if (nodeid == group_nodeid(a->group))
		return;
	if (!name && !ring_read(&a->ring)) /* it was added since that was read */
		name = node_name(a, nodeid);
	if (name)
		risen(a, name);
}

/* A proof that was there before the ring had lost its host is one from now on. */
static void on_ring_changed(void *arg)
{
	struct agent *a = arg;
	unsigned int i;

	for (i = 0; i < a->proof.nr; i++)
		hosts_tell_off(a, a->proof.h[i].host);
	agent_touch(a);
}

const struct quorum_ops agent_quorum_ops = { .joined = on_ring_joined, .changed = on_ring_changed };

static bool was_linked(const struct agent *a, const struct vm_row *row)
{
	unsigned int i;

	for (i = 0; i < a->nr_linked; i++)
		if (!strcmp(a->linked[i].vm, row->vm) && !strcmp(a->linked[i].peer, row->peer))
			return true;
	return false;
}

void hosts_table(struct agent *a)
{
	const struct vm_row *row;
	unsigned int nr, i;

	row = syncd_table(a->syncd, &nr);
	/* a link of before stands for a while after its host's death */
	for (i = 0; i < nr; i++)
		if (row[i].linked && !was_linked(a, &row[i]))
			risen(a, row[i].peer);
	a->nr_linked = 0;
	for (i = 0; i < nr; i++) {
		if (!row[i].linked)
			continue;
		memcpy(a->linked[a->nr_linked].vm, row[i].vm, ROW_VM);
		memcpy(a->linked[a->nr_linked++].peer, row[i].peer, ROW_HOST);
	}
}

/* The fencing of host confirms nothing. */
static void doubted(struct agent *a, const char *host, const struct asker *asker, enum proof_change change)
{
	char who[ASKER_TEXT];

	asker_text(asker, who);
	if (change == PROOF_DOUBTED)
		kem_err("the fencing of %s, %s, is no proof: %s", host, who, agent_doubt(a, host));
	hosts_proof(a, host, change);
}

/* Whether a fencing of host can be looked at at all: what it is worth is known. */
static bool worth_known(struct agent *a, const char *host)
{
	if (hosts_is_own(a, host) || !a->devices_known)
		return false;
	/* membership first: what left before it was fenced has left */
	group_drain(a->group);
	agent_doubts_tick(a);
	return !hosts_awaits_bmc(a, host);
}

static void on_fenced(void *arg, const char *host, int64_t since, const struct asker *asker)
{
	struct agent *a = arg;
	const int64_t now = hosts_boottime();

	if (!worth_known(a, host))
		return; /* the history has it */
	if (agent_doubt(a, host))
		doubted(a, host, asker,
			proof_fenced_doubted(&a->proof, host, since, now, hosts_clock_offset()));
	else
		hosts_proof(a, host, proof_fenced(&a->proof, host, since, asker, now));
}

static void on_history(void *arg, const char *host, int64_t wall_ns, const struct asker *asker)
{
	struct agent *a = arg;
	const int64_t now = hosts_boottime(), offset = hosts_clock_offset();

	if (!worth_known(a, host))
		return; /* it is told again */
	if (agent_doubt(a, host))
		doubted(a, host, asker, proof_history_doubted(&a->proof, host, wall_ns, now, offset));
	else
		hosts_proof(a, host, proof_history(&a->proof, host, wall_ns, asker, now, offset));
}

static void on_devices(void *arg, const struct devices *d)
{
	hosts_devices(arg, d);
}

static void on_unread(void *arg)
{
	hosts_devices_unread(arg);
}

static void on_result(void *arg, const char *host, bool on, const char *why)
{
	agent_request_answer(arg, host, on, why);
}

static void on_by_hand(void *arg, const char *host)
{
	kem_warn(
		"somebody confirmed by hand that %s is off: for the cluster that will do, for its guests it "
		"is no "
		"proof (kemari promote VM --primary-is-off and kemari cold-start VM --peer-is-off say it for "
		"one)",
		host);
}

static void on_fencer(void *arg, bool connected)
{
	struct agent *a = arg;

	kem_info(connected ? "connected to Pacemaker's fencer"
			   : "Pacemaker's fencer is gone; waiting for it");
	a->unread_ns = 0; /* nobody tries while it is gone */
	if (!connected)
		agent_requests_lost(a);
}

void agent_helper_gone(void *arg)
{
	struct agent *a = arg;

	a->failed = true;
	qb_loop_stop(a->loop);
}

const struct fencer_ops agent_fencer_ops = {
	.devices = on_devices,
	.unread = on_unread,
	.fenced = on_fenced,
	.history = on_history,
	.result = on_result,
	.connected = on_fencer,
	.confirmed_by_hand = on_by_hand,
	.gone = agent_helper_gone,
};
