/* SPDX-License-Identifier: GPL-2.0-only */
/* Gathers what the policy looks at, for each VM of this host, and does what it says. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <qb/qbloop.h>

#include "agent/daemon/agent.h"
#include "agent/daemon/fencer.h"
#include "agent/daemon/group.h"
#include "agent/daemon/quorum.h"
#include "agent/daemon/syncd.h"
#include "log.h"
#include "monotonic.h"

#define SOON_NS (20 * QB_TIME_NS_IN_MSEC)
#define DAMPEN_S 5

/* ---- VMs that have attributes ---- */

static struct agent_vm *vm_find(struct agent *a, const char *vm)
{
	unsigned int i;

	for (i = 0; i < ROW_MAX; i++)
		if (!strcmp(a->vm[i].vm, vm))
			return &a->vm[i];
	return NULL;
}

static void vm_add(struct agent *a, const char *name)
{
	struct agent_vm *v = vm_find(a, "");

	if (!v) {
		kem_err("%s: more VMs than %d", name, ROW_MAX);
		return;
	}
	memset(v, 0, sizeof(*v));
	memcpy(v->vm, name, strlen(name));
	agent_save(a);
}

/* ---- attributes ---- */

static bool put(struct agent *a, struct agent_vm *v, enum agent_attr which, const char *value,
		unsigned int dampen_s)
{
	static const char *const formats[AGENT_NR_ATTRS] = {
		[AGENT_SCORE] = "master-%s",
		[AGENT_STATE] = "kemari-%s-state",
		[AGENT_LAG] = "kemari-%s-lag",
	};
	char name[ATTRD_NAME];

	snprintf(name, sizeof(name), formats[which], v->vm);
	return attrd_change(a->attrd, &v->attr[which], name, value, dampen_s);
}

static void put_score(struct agent *a, struct agent_vm *v, const struct policy_output *out)
{
	char value[16] = "";

	if (out->score)
		snprintf(value, sizeof(value), "%d", out->score);
	if (put(a, v, AGENT_SCORE, value, 0))
		kem_vm_info(v->vm, "promotion score %s (%s)", value[0] ? value : "none", out->why);
}

static void put_settled(struct agent *a, struct agent_vm *v, enum agent_attr which, const char *value)
{
	if (settle_is(&v->shown[which], value, monotonic_ns()))
		put(a, v, which, value, DAMPEN_S);
}

static void put_display(struct agent *a, struct agent_vm *v, const struct vm_row *row)
{
	const bool shown = row && (row->started || row->role != ROW_NONE);
	const bool owner = row && (row->role == ROW_PRIMARY || row->role == ROW_HELD);
	char lag[32] = "";

	if (owner)
		snprintf(lag, sizeof(lag), "%" PRIu64, policy_lag(row->lag_ms));
	put_settled(a, v, AGENT_STATE, shown ? row->state : "");
	put_settled(a, v, AGENT_LAG, lag);
}

/* ---- the policy's input ---- */

static struct policy_host *host_in(struct policy_input *in, const char *name)
{
	unsigned int i;

	for (i = 0; i < in->nr_hosts; i++)
		if (!strcmp(in->host[i].name, name))
			return &in->host[i];
	if (in->nr_hosts == POLICY_HOSTS)
		return NULL;
	in->host[in->nr_hosts].name = name;
	return &in->host[in->nr_hosts++];
}

static void put_member(const struct agent *a, const struct cluster_host *c, const char *vm,
		       struct policy_input *in)
{
	struct policy_host *h = host_in(in, c->name);

	if (!h)
		return;
	h->nodeid = c->nodeid;
	h->member = c->member;
	h->down = c->down;
	h->since_ns = c->since_ns;
	h->complete = cluster_complete(&a->cluster, c);
	h->red = c->red;
	h->owned = cluster_owned(c);
	h->row = row_find(c->row, c->nr, vm);
}

/* Every other host: of kemari.conf, of corosync.conf if that names none, and each that was ever a member. */
static void gather_hosts(const struct agent *a, const char *vm, struct policy_input *in)
{
	const char *own = a->cfg.host_name;
	unsigned int i;

	for (i = 0; i < a->cfg.nr_hosts; i++)
		if (strcmp(a->cfg.host[i].name, own) != 0)
			host_in(in, a->cfg.host[i].name);
	for (i = 0; !in->nr_hosts && i < a->ring.nr; i++)
		if (a->ring.node[i].name[0] && strcmp(a->ring.node[i].name, own) != 0)
			host_in(in, a->ring.node[i].name);
	for (i = 0; i < CLUSTER_HOSTS; i++) {
		const struct cluster_host *c = &a->cluster.host[i];

		if (c->nodeid && strcmp(c->name, own) != 0)
			put_member(a, c, vm, in);
	}
	for (i = 0; i < in->nr_hosts; i++) {
		in->host[i].off = agent_off(a, in->host[i].name);
		in->host[i].futile = agent_doubt(a, in->host[i].name);
		in->host[i].unsaid = agent_unsaid(a, in->host[i].name);
	}
}

void agent_gather(const struct agent *a, const char *vm, struct policy_input *in)
{
	const struct cluster_host *own = cluster_node(&a->cluster, group_nodeid(a->group));
	const struct vm_row *table;
	unsigned int nr;

	memset(in, 0, sizeof(*in));
	in->now_ns = monotonic_ns();
	in->nodeid = group_nodeid(a->group);
	in->red = a->red;
	in->quorate = quorum_now(a->quorum);
	in->syncd = syncd_known(a->syncd);
	in->owned = own ? cluster_owned(own) : 0; /* what the others have heard of us */
	table = syncd_table(a->syncd, &nr);
	in->row = in->syncd ? row_find(table, nr, vm) : NULL;
	in->fence_after_ns = AGENT_FENCE_AFTER_NS;
	in->fence_after_proof_ns = AGENT_FENCE_AFTER_PROOF_NS;
	in->fence_second_ns = AGENT_FENCE_SECOND_NS;
	gather_hosts(a, vm, in);
}

/* ---- acts ---- */

static void protect(struct agent *a, struct agent_vm *v, const char *host)
{
	int rc = syncd_protect(a->syncd, v->vm, host);

	if (rc) {
		policy_protected(&v->memory, monotonic_ns(), false);
		return;
	}
	v->memory.protecting = true;
	kem_vm_info(v->vm, "unprotected, and %s is ready to be its standby: asking for protection", host);
}

void agent_protected(struct agent *a, const char *vm, const char *host, const char *why)
{
	struct agent_vm *v = vm_find(a, vm);

	if (why)
		kem_vm_warn(vm, "protection on %s failed: %s", host, why);
	else
		kem_vm_info(vm, "protected by %s", host);
	if (v)
		policy_protected(&v->memory, monotonic_ns(), !why);
	agent_touch(a);
}

static const char *need_words(const struct vm_row *row)
{
	return row->needs == ROW_NEEDS_FENCE ? "outputs wait for a standby that does not answer"
					     : "it may not run before its peer is proven off";
}

static void fence(struct agent *a, struct agent_vm *v, const struct vm_row *row, const char *host)
{
	struct agent_request *r = agent_request(a, host);

	if (!r)
		return;
	r->needed = true;
	if (v->fence_told)
		return;
	v->fence_told = true;
	kem_vm_warn(v->vm, "%s: asking the cluster to fence %s", need_words(row), host);
	snprintf(r->reason, sizeof(r->reason), "%s: %s", v->vm, need_words(row));
}

/* It would be fenced, but for that. */
static void futile(struct agent *a, struct agent_vm *v, const struct vm_row *row, const char *host)
{
	if (!v->futile_told)
		kem_vm_err(v->vm, "%s, and no fencing of %s would be a proof: %s", need_words(row), host,
			   agent_doubt(a, host));
	v->futile_told = true;
}

static void watch_held(struct agent_vm *v, const struct vm_row *row)
{
	/* one whose copy is being completed waits for that */
	const bool held = row && row->role == ROW_HELD && row->protection != ROW_SYNCING;

	if (held_too_long(&v->held, held, monotonic_ns()))
		kem_vm_err(v->vm, "held for %u s without being run anywhere: promote it here or there",
			   (unsigned int)(HELD_TOO_LONG_NS / POLICY_SECOND));
}

static void decide(struct agent *a, struct agent_vm *v, const struct vm_row *row)
{
	struct policy_input in;
	struct policy_output out;

	agent_gather(a, v->vm, &in);
	policy_decide(&in, &v->memory, &out);
	put_score(a, v, &out);
	put_display(a, v, in.row);
	watch_held(v, in.row);
	if (out.protect)
		protect(a, v, out.protect);
	if (out.fence)
		fence(a, v, row, out.fence);
	else
		v->fence_told = false;
	if (out.futile)
		futile(a, v, row, out.futile);
	else
		v->futile_told = false;
}

/* It is of kemari-syncd's table no more, and its attributes are gone. */
static bool finished(const struct agent_vm *v)
{
	unsigned int i;

	for (i = 0; i < AGENT_NR_ATTRS; i++)
		if (!v->attr[i].set || v->attr[i].value[0])
			return false;
	return !v->memory.protecting;
}

void agent_decide(struct agent *a)
{
	const bool known = syncd_known(a->syncd);
	const struct vm_row *table, *row;
	unsigned int nr, i;

	/* a daemon that just started waits for the table: what stands of an earlier one is better than
	 * nothing */
	if (!known && monotonic_ns() - a->started_ns < SYNCD_GONE_NS)
		return;
	table = syncd_table(a->syncd, &nr);
	for (i = 0; i < AGENT_REQUESTS; i++)
		a->request[i].needed = false;
	for (i = 0; known && i < nr; i++)
		if (!vm_find(a, table[i].vm))
			vm_add(a, table[i].vm);
	for (i = 0; i < ROW_MAX; i++) {
		struct agent_vm *v = &a->vm[i];

		if (!v->vm[0])
			continue;
		row = row_find(table, nr, v->vm);
		decide(a, v, row);
		if (known && !row && finished(v)) {
			memset(v, 0, sizeof(*v));
			agent_save(a);
		}
	}
	agent_requests(a);
}

static void decide_later(void *arg)
{
	struct agent *a = arg;

	a->decide_timer = 0;
	agent_decide(a);
}

void agent_touch(struct agent *a)
{
	if (!a->decide_timer)
		qb_loop_timer_add(a->loop, QB_LOOP_MED, SOON_NS, a, decide_later, &a->decide_timer);
}
