/* SPDX-License-Identifier: GPL-2.0-only */
/* What BMCs tell of their hosts (health.h), and what follows: the log, red, a fencing, power. */
#include <stdio.h>
#include <string.h>

#include <uuid/uuid.h>

#include "agent/daemon/agent.h"
#include "agent/daemon/fencer.h"
#include "agent/daemon/group.h"
#include "agent/daemon/hosts.h"
#include "agent/daemon/quorum.h"
#include "agent/daemon/syncd.h"
#include "log.h"
#include "monotonic.h"

#define ATTRIBUTE "kemari-hardware"
#define DAMPEN_S 5

void agent_hardware_begin(struct agent *a)
{
	const uint64_t now = monotonic_ns();
	unsigned int i;

	for (i = 0; i < a->cfg.nr_bmcs; i++) {
		struct health_host *h = &a->health.h[a->health.nr++];

		memcpy(h->host, a->cfg.bmc[i].host, strlen(a->cfg.bmc[i].host)); /* main has checked it */
		h->heard_ns = now;
		h->awaited = true;
	}
}

/* ---- the log ---- */

static void log_new_event(const char *host, const struct health_event *e)
{
	kem_warn("%s: its BMC tells %s of '%s': %s (%s)", host, watch_kind_name(e->kind), e->sensor, e->text,
		 watch_action_name(e->action));
}

static void log_past_event(const char *host, const struct health_event *e)
{
	kem_info("%s: its BMC tells no more of %s of '%s'", host, watch_kind_name(e->kind), e->sensor);
}

static void log_bmc(const char *host, const struct health_report *r)
{
	if (r->bmc == WATCH_BMC_OK)
		kem_info("%s: its BMC is well", host);
	else
		kem_warn("%s: its BMC is %s: %s", host, watch_bmc_name(r->bmc), r->why);
}

/* Each change once; the words of an event may change while it lasts. */
static void log_changes(const struct health_host *h, const struct health_report *r)
{
	unsigned int i;

	if (!h->known || h->report.bmc != r->bmc)
		log_bmc(h->host, r);
	for (i = 0; i < r->nr; i++)
		if (!h->known || !health_event(&h->report, &r->event[i]))
			log_new_event(h->host, &r->event[i]);
	for (i = 0; h->known && i < h->report.nr; i++)
		if (!health_event(r, &h->report.event[i]))
			log_past_event(h->host, &h->report.event[i]);
}

/* ---- this host's health ---- */

static void set_red(struct agent *a)
{
	const struct health_host *h = health_find(&a->health, a->cfg.host_name);
	const struct health_event *e;

	if (!h || h->red == a->red)
		return;
	a->red = h->red;
	e = health_worst_event(&h->report);
	if (a->red)
		kem_warn("this host's health is bad (%s): its guests move to a healthy host that has their "
			 "copies",
			 e ? watch_kind_name(e->kind) : "?");
	else
		kem_info("this host's health is not bad any more");
	agent_state(a);
	agent_touch(a);
}

/* ---- another host ---- */

static struct policy_self self(const struct agent *a)
{
	struct policy_self s = {
		.now_ns = monotonic_ns(),
		.red = a->red,
		.quorate = quorum_now(a->quorum),
		.syncd = syncd_known(a->syncd),
	};

	s.row = syncd_table(a->syncd, &s.nr);
	return s;
}

/* Why a sick host is not fenced, once for each reason. */
static void log_not_fenced(struct agent_sick *s, const char *host, const struct policy_sick_output *out)
{
	if (out->why && out->why != s->told)
		kem_warn("%s: its BMC tells of a fault to fence it for, but %s%s%s", host, out->why,
			 out->vm ? ": " : "", out->vm ?: "");
	s->told = out->why;
}

static void decide_sick(struct agent *a, unsigned int i)
{
	const struct health_host *h = &a->health.h[i];
	const struct cluster_host *c = cluster_named(&a->cluster, h->host);
	const struct proof_host *p = proof_find(&a->proof, h->host);
	const struct policy_self s = self(a);
	struct agent_request *r;
	struct policy_sick_output out;
	struct policy_sick in = {
		.name = h->host,
		.asks = health_asks_to_fence(h) && p && p->fault,
		.futile = agent_doubt(a, h->host),
	};

	if (hosts_is_own(a, h->host))
		return;
	if (c) {
		in.member = c->member;
		in.complete = cluster_complete(&a->cluster, c);
		in.nr = c->nr;
		in.row = c->row;
	}
	policy_sick(&s, &in, &out);
	log_not_fenced(&a->sick[i], h->host, &out);
	r = agent_request(a, h->host);
	if (!r)
		return;
	if (out.fence && !a->sick[i].asked) {
		snprintf(r->reason, sizeof(r->reason), "its BMC told of a fault to fence it for");
		kem_warn("%s: its BMC tells of a fault to fence it for, and nothing is lost with it: asking "
			 "the cluster to fence it",
			 h->host);
	}
	a->sick[i].asked = r->sick = out.fence;
}

static void decide_power(struct agent *a, unsigned int i)
{
	const struct proof_host *p = &a->proof.h[i];
	const struct health_host *h = health_find(&a->health, p->host);
	const struct policy_self s = self(a);
	const struct policy_fenced in = {
		.name = p->host,
		.off = agent_off(a, p->host),
		.settled = p->settled,
		.by_operator = p->asker.kind == ASKER_OPERATOR,
		.fault = p->fault || (h && health_fault(h)),
		.held = p->hold[0],
		.log_unread = h && !(h->known && h->report.log == HEALTH_LOG_READ_SINCE_OFF),
		.powered = h && h->known && h->report.power == HEALTH_POWER_ON,
		.allowed = a->cfg.power_on_after_fence,
	};
	struct agent_request *r = agent_request(a, p->host);
	const char *why;
	bool told;

	/* an answer is on its way, and what changes meanwhile may be its doing */
	if (!r || r->on.under_way)
		return;
	r->power = false;
	switch (policy_fenced(&s, &in, &a->fenced[i], &why)) {
	case POLICY_POWER_ON:
		if (!r->on.wanted && in.log_unread)
			kem_warn("%s: its BMC's log could not be asked for what killed it", p->host);
		if (!r->on.wanted)
			kem_info("%s: a guest goes on here, it was fenced: asking the cluster to switch it "
				 "on",
				 p->host);
		r->power = true;
		break;
	case POLICY_POWER_NOT:
		told = in.held && in.allowed && !in.by_operator;
		kem_warn("%s was fenced, and the cluster is not asked to switch it on: %s%s%s%s", p->host,
			 why, told ? " (" : "", told ? p->hold : "",
			 told ? "); look at it, then switch it on by hand" : "");
		proof_settle(&a->proof, p->host);
		agent_save(a);
		break;
	case POLICY_POWER_LATER:
		break;
	}
}

/* ---- what comes ---- */

struct hold {
	struct agent *a;
	const char *host;
};

static void take_hold(void *arg, const struct health_event *e)
{
	const struct hold *h = arg;

	if (proof_hold(&h->a->proof, h->host, watch_kind_name(e->kind), e->since * PROOF_SECOND,
		       hosts_clock_offset()) != PROOF_RECORDED)
		return;
	kem_warn("%s: %s of '%s' (%s), in its present life: when it is fenced it will not be switched on by "
		 "itself",
		 h->host, watch_kind_name(e->kind), e->sensor, e->text);
	agent_save(h->a);
}

/* Each second, too: that the host is a member, and since when it is up, may come to be known later. */
static void take_holds(struct agent *a, const struct health_host *h)
{
	struct hold hold = { .a = a, .host = h->host };

	if (!hosts_is_own(a, h->host))
		health_each_hold(h, take_hold, &hold);
}

/* It stays known when the BMC says nothing any more, or not which machine it belongs to. */
static void take_uuid(struct agent *a, const struct health_host *h)
{
	if (h->known && !uuid_is_null(h->report.uuid) && proof_bmc(&a->proof, h->host, h->report.uuid))
		agent_save(a);
}

/* What it told another time is of no use then: the address was another one's, or it has been repaired. */
static void forget_uuid(struct agent *a, const char *host, const struct health_report *r)
{
	if (r->bmc == WATCH_BMC_OK && uuid_is_null(r->uuid) && proof_bmc(&a->proof, host, r->uuid))
		agent_save(a);
}

/* As the host itself tells. */
static const uint8_t *uuid_of(const struct agent *a, const char *host)
{
	static const uint8_t unknown[16];
	const struct proof_host *p = proof_find(&a->proof, host);

	if (hosts_is_own(a, host))
		return a->bmc_uuid;
	return p ? p->uuid : unknown;
}

/* Of an earlier boot of it, the present one is not fenced for. */
static void take_fault(struct agent *a, const char *host, const struct health_event *e)
{
	if (proof_fault(&a->proof, host, e->since * PROOF_SECOND, hosts_clock_offset()) == PROOF_RECORDED)
		agent_save(a);
}

static void on_report(void *arg, const char *host, const struct health_report *said)
{
	struct agent *a = arg;
	struct health_host *h = health_find(&a->health, host);
	struct health_report r = *said;
	const struct health_event *fault;

	if (!h)
		return;
	if (health_foreign(&r, uuid_of(a, host)) && !(h->known && h->report.bmc == r.bmc))
		kem_err("%s: its watched BMC is another machine's; look at addresses, in its file and in the "
			"cluster's devices",
			host);
	log_changes(h, &r);
	if (h->awaited) /* the first one since the start */
		forget_uuid(a, host, &r);
	fault = health_take(h, &r, monotonic_ns());
	if (fault)
		take_fault(a, host, fault);
	take_uuid(a, h);
	take_holds(a, h);
	set_red(a);
	decide_sick(a, (unsigned int)(h - a->health.h));
	agent_touch(a);
}

/* Of which machine the host is may come to be known after its BMC's report. */
static void drop_foreign(struct agent *a, const struct health_host *h)
{
	struct health_report r = h->report;

	if (h->known && r.bmc != WATCH_BMC_LYING && health_foreign(&r, uuid_of(a, h->host)))
		on_report(a, h->host, &r);
}

/* As a node attribute, for whoever looks at the cluster: what has been so for a while. */
static void show(struct agent *a)
{
	char value[ATTRD_VALUE];

	if (!a->health.nr)
		return;
	health_show(&a->health, value, sizeof(value));
	if (settle_is(&a->hardware_shown, value, monotonic_ns()))
		attrd_change(a->attrd, &a->hardware, ATTRIBUTE, value, DAMPEN_S);
}

const struct watcher_ops agent_watcher_ops = { .report = on_report, .gone = agent_helper_gone };

void agent_hardware_tick(struct agent *a)
{
	unsigned int i;

	for (i = 0; i < a->health.nr; i++) {
		if (health_expire(&a->health.h[i], monotonic_ns()))
			kem_err("%s: its BMC is not watched any more: nothing is known of its health",
				a->health.h[i].host);
		drop_foreign(a, &a->health.h[i]);
		decide_sick(a, i);
		take_uuid(a, &a->health.h[i]);
		take_holds(a, &a->health.h[i]);
	}
	set_red(a);
	show(a);
	for (i = 0; i < a->proof.nr; i++)
		decide_power(a, i);
}
