/* SPDX-License-Identifier: GPL-2.0-only */
/* What Pacemaker's fencer is asked for (request.h), its answers, and what the log says of them. */
#include <stdio.h>
#include <string.h>

#include "agent/daemon/agent.h"
#include "agent/daemon/fencer.h"
#include "agent/daemon/operator.h"
#include "log.h"
#include "monotonic.h"

/* A guest may wait for it, and what is lost by asking once more is nothing. */
static const struct request_pace off_pace = {
	.first_ns = 5 * REQUEST_SECOND,
	.most_ns = 60 * REQUEST_SECOND,
	.useless_ns = 60 * REQUEST_SECOND,
};

/* Nobody waits for it; a host that was switched on and does not come is not switched on again. */
static const struct request_pace on_pace = {
	.first_ns = 10 * REQUEST_SECOND,
	.most_ns = 600 * REQUEST_SECOND,
};

static const char *verb(bool on)
{
	return on ? "switch on" : "fence";
}

static bool idle(const struct agent_request *r)
{
	return !r->needed && !r->sick && !r->ordered && !r->power && !r->off.wanted && !r->off.under_way &&
	       !r->on.wanted && !r->on.under_way;
}

static struct agent_request *find(struct agent *a, const char *host)
{
	unsigned int i;

	for (i = 0; i < AGENT_REQUESTS; i++)
		if (!strcmp(a->request[i].host, host))
			return &a->request[i];
	return NULL;
}

/* One that was never used, else one that is not used any more, whose last reason is lost then. */
static struct agent_request *room(struct agent *a)
{
	struct agent_request *r = find(a, "");
	unsigned int i;

	for (i = 0; !r && i < AGENT_REQUESTS; i++)
		if (idle(&a->request[i]))
			r = &a->request[i];
	return r;
}

struct agent_request *agent_request(struct agent *a, const char *host)
{
	struct agent_request *r = find(a, host);

	if (r)
		return r;
	r = room(a);
	if (!r)
		return NULL;
	memset(r, 0, sizeof(*r));
	strncpy(r->host, host, sizeof(r->host) - 1);
	return r;
}

bool agent_request_order(struct agent *a, const char *host, const char *reason)
{
	struct agent_request *r = reason ? agent_request(a, host) : find(a, host);

	if (!r)
		return false;
	r->ordered = reason;
	if (!reason)
		return true;
	snprintf(r->reason, sizeof(r->reason), "%s", reason);
	request_hurry(&r->off);
	agent_touch(a);
	return true;
}

const char *agent_request_reason(struct agent *a, const char *host)
{
	const struct agent_request *r = find(a, host);

	return r && r->reason[0] ? r->reason : NULL;
}

static void answer(struct agent *a, struct agent_request *r, bool on, const char *why)
{
	struct request *q = on ? &r->on : &r->off;
	const bool was = q->under_way;

	if (request_answer(q, on ? &on_pace : &off_pace, why, monotonic_ns())) {
		if (why)
			kem_err("the cluster could not %s %s: %s; it is asked again until it can or need not "
				"any more",
				verb(on), r->host, why);
		else
			kem_info("the cluster has %s %s as asked", on ? "switched on" : "fenced", r->host);
	}
	if (!was)
		return;
	if (!on) {
		operator_fenced(a, r->host, why);
	} else if (!why) {
		proof_settle(&a->proof, r->host);
		agent_save(a);
	}
}

void agent_request_answer(struct agent *a, const char *host, bool on, const char *why)
{
	struct agent_request *r = find(a, host);

	if (r)
		answer(a, r, on, why);
}

void agent_requests_lost(struct agent *a)
{
	unsigned int i;

	for (i = 0; i < AGENT_REQUESTS; i++) {
		answer(a, &a->request[i], false, "the connection to Pacemaker's fencer was lost");
		answer(a, &a->request[i], true, "the connection to Pacemaker's fencer was lost");
	}
}

static void step(struct agent *a, struct agent_request *r, bool on)
{
	const bool wanted = on ? r->power : r->needed || r->sick || r->ordered;
	const uint64_t now = monotonic_ns();
	struct request *q = on ? &r->on : &r->off;
	int rc;

	if (request_silent(q, now))
		answer(a, r, on, "Pacemaker's fencer gave no answer");
	switch (request_step(q, on ? &on_pace : &off_pace, wanted, now)) {
	case REQUEST_WAIT:
		return;
	case REQUEST_DROPPED:
		kem_info("the cluster is not asked any more to %s %s", verb(on), r->host);
		return;
	case REQUEST_ASK_AGAIN:
		kem_err("the cluster says that it has fenced %s, and that has not helped: the guest waits "
			"still; it is asked again",
			r->host);
		break;
	case REQUEST_ASK:
		break;
	}
	rc = on ? fencer_switch_on(a->fencer, r->host) : fencer_ask(a->fencer, r->host);
	if (rc)
		answer(a, r, on, strerror(-rc));
}

void agent_requests(struct agent *a)
{
	unsigned int i;

	for (i = 0; i < AGENT_REQUESTS; i++) {
		if (!a->request[i].host[0])
			continue;
		step(a, &a->request[i], false);
		step(a, &a->request[i], true);
	}
}
