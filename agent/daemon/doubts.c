/* SPDX-License-Identifier: GPL-2.0-only */
/* Which hosts could not be proven off however they were fenced: what the cluster's devices are worth
 * (device.h). */
#include <stdio.h>
#include <string.h>

#include <uuid/uuid.h>

#include "agent/daemon/agent.h"
#include "agent/daemon/hosts.h"
#include "log.h"

#define ATTRIBUTE "kemari-fencing"
#define DAMPEN_S 5
#define UNREAD_NS (30 * PROOF_SECOND)

const char *agent_doubt(const struct agent *a, const char *host)
{
	unsigned int i;

	for (i = 0; i < PROOF_HOSTS; i++)
		if (!strcmp(a->doubt[i].host, host))
			return a->doubt[i].why[0] ? a->doubt[i].why : NULL;
	return NULL;
}

static void identify(struct agent *a, const struct proof_host *h, struct device_identity *who)
{
	memset(who, 0, sizeof(*who));
	memcpy(who->told, h->uuid, sizeof(who->told));
	who->watched = health_find(&a->health, h->host);
	if (who->watched)
		memcpy(who->bmc, h->bmc, sizeof(who->bmc));
}

bool hosts_awaits_bmc(struct agent *a, const char *host)
{
	const struct health_host *bmc = health_find(&a->health, host);
	const struct proof_host *h = proof_find(&a->proof, host);
	struct device_identity who;
	char why[DEVICE_WHY];

	if (!h || !bmc || !bmc->awaited || !uuid_is_null(h->bmc) || agent_doubt(a, host))
		return false;
	identify(a, h, &who);
	memset(who.bmc, 0xff, sizeof(who.bmc)); /* another machine's */
	return !devices_prove(&a->devices, host, &who, a->cfg.fence_agents_believed, why);
}

/* What was done until now may have been done by what is worth nothing.  The caller saves it. */
static void doubt(struct agent *a, const char *host)
{
	if (proof_doubt(&a->proof, host, hosts_boottime(), hosts_clock_offset()) == PROOF_DOUBTED)
		kem_err("that %s was fenced just now, as a member, does not count", host);
}

static void judge(struct agent *a, unsigned int i)
{
	const struct proof_host *h = &a->proof.h[i];
	struct agent_doubt *d = &a->doubt[i];
	const bool known = !strcmp(d->host, h->host);
	const bool was = known && d->why[0];
	char why[DEVICE_WHY] = "";
	struct device_identity who;
	bool proven;

	identify(a, h, &who);
	proven = devices_prove(&a->devices, h->host, &who, a->cfg.fence_agents_believed, why);
	if (known && !strcmp(d->why, why))
		return;
	memcpy(d->host, h->host, sizeof(d->host));
	memcpy(d->why, why, sizeof(d->why));
	if (!proven) {
		kem_err("no fencing of %s would be a proof: %s; if it dies, its guests stay down here",
			h->host, why);
	} else if (was) {
		kem_info("a fencing of %s would be a proof now", h->host);
	}
	if (proven ? was : h->fenced && h->member) {
		doubt(a, h->host);
		agent_save(a);
	}
	agent_touch(a);
}

/* As a node attribute, for whoever looks at the cluster: the first one. */
static void show(struct agent *a)
{
	char value[ATTRD_VALUE] = "";
	unsigned int i;

	if (a->unread)
		snprintf(value, sizeof(value), "no fencing counts: the devices cannot be read");
	for (i = 0; i < a->proof.nr && !value[0]; i++)
		if (a->doubt[i].why[0])
			snprintf(value, sizeof(value), "no proof of %s: %s", a->doubt[i].host,
				 a->doubt[i].why);
	attrd_change(a->attrd, &a->doubts, ATTRIBUTE, value, DAMPEN_S);
}

void agent_doubts_tick(struct agent *a)
{
	unsigned int i;

	for (i = 0; a->devices_known && i < a->proof.nr; i++)
		if (!hosts_is_own(a, a->proof.h[i].host))
			judge(a, i);
	if (a->devices_known || a->unread)
		show(a);
}

void hosts_devices_unread(struct agent *a)
{
	const int64_t now = hosts_boottime();

	if (!a->unread_ns)
		a->unread_ns = now;
	if (a->unread || now - a->unread_ns < UNREAD_NS)
		return;
	kem_err("the cluster's fencing devices cannot be read (cibadmin --query --local --scope "
		"configuration): no fencing counts until they can");
	a->unread = true;
	a->devices_known = false;
	agent_doubts_tick(a);
}

static void readable(struct agent *a)
{
	if (a->unread)
		kem_info("the cluster's fencing devices can be read again");
	a->unread = false;
	a->unread_ns = 0;
}

/* What was done while nobody looked may have been done by those that were there before. */
static void doubt_all(struct agent *a)
{
	unsigned int i;

	kem_warn("the cluster's fencing devices are not those that kemari-agent knew when it ran last: what "
		 "they did until now does not count");
	for (i = 0; i < a->proof.nr; i++)
		doubt(a, a->proof.h[i].host);
}

void hosts_devices(struct agent *a, const struct devices *d)
{
	const uint64_t sum = devices_sum(d);

	readable(a);
	if (d->nr && (!a->devices_warned || sum != a->proof.devices_sum))
		devices_warn(d);
	a->devices_warned = d->nr;
	a->devices_known = true;
	a->devices = *d;
	if (sum != a->proof.devices_sum) {
		if (a->devices_of_before)
			doubt_all(a);
		a->proof.devices_sum = sum;
		agent_save(a);
	}
	a->devices_of_before = false;
	agent_doubts_tick(a);
}
