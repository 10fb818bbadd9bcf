/* SPDX-License-Identifier: GPL-2.0-only */
#include "agent/daemon/health.h"

#include <stdio.h>
#include <string.h>

#include <uuid/uuid.h>

#include "fencing/fence.h"

static bool believed(enum watch_bmc bmc)
{
	return bmc == WATCH_BMC_OK || bmc == WATCH_BMC_SLOW || bmc == WATCH_BMC_FULL;
}

const struct health_event *health_event(const struct health_report *r, const struct health_event *e)
{
	unsigned int i;

	for (i = 0; i < r->nr; i++)
		if (r->event[i].kind == e->kind && !strcmp(r->event[i].sensor, e->sensor))
			return &r->event[i];
	return NULL;
}

const struct health_event *health_worst_event(const struct health_report *r)
{
	const struct health_event *worst = NULL;
	unsigned int i;

	for (i = 0; i < r->nr; i++)
		if (!worst || r->event[i].action > worst->action)
			worst = &r->event[i];
	return worst;
}

/* The same event that began anew is another one.  The youngest; NULL: there is none. */
static const struct health_event *new_fault(const struct health_host *h, const struct health_report *r)
{
	const struct health_event *youngest = NULL;
	unsigned int i;

	for (i = 0; i < r->nr && believed(r->bmc); i++) {
		const struct health_event *e = &r->event[i], *old = NULL;

		if (e->action != WATCH_FENCE)
			continue;
		if (h->known)
			old = health_event(&h->report, e);
		if (old && old->since == e->since && old->action == WATCH_FENCE)
			continue;
		if (!youngest || e->since > youngest->since)
			youngest = e;
	}
	return youngest;
}

bool health_foreign(struct health_report *r, const uint8_t told[16])
{
	char said[UUID_STR_LEN];

	if (uuid_is_null(r->uuid) || uuid_is_null(told) || bmc_same_uuid(r->uuid, told))
		return false;
	uuid_unparse_lower(r->uuid, said);
	r->bmc = WATCH_BMC_LYING;
	r->power = HEALTH_POWER_UNKNOWN;
	r->worst = WATCH_NOTE;
	r->log = HEALTH_LOG_UNREAD;
	r->nr = r->nr_past = 0;
	snprintf(r->why, sizeof(r->why), "it belongs to another machine, with the UUID %s", said);
	return true;
}

const struct health_event *health_take(struct health_host *h, const struct health_report *r, uint64_t now_ns)
{
	const struct health_event *fault = new_fault(h, r);

	h->red = r->worst >= WATCH_MOVE && (h->red || believed(r->bmc));
	h->known = true;
	h->awaited = false;
	h->heard_ns = now_ns;
	h->report = *r;
	return fault;
}

bool health_expire(struct health_host *h, uint64_t now_ns)
{
	if (now_ns - h->heard_ns <= HEALTH_SILENT_NS)
		return false;
	h->heard_ns = now_ns;
	h->awaited = false;
	if (!h->known)
		return false;
	h->known = h->red = false;
	return true;
}

bool health_fault(const struct health_host *h)
{
	return h->known && h->report.worst == WATCH_FENCE;
}

bool health_asks_to_fence(const struct health_host *h)
{
	return health_fault(h) && believed(h->report.bmc);
}

void health_each_hold(const struct health_host *h, void (*fn)(void *arg, const struct health_event *e),
		      void *arg)
{
	const struct health_report *r = &h->report;
	unsigned int i;

	if (!h->known || r->bmc == WATCH_BMC_LYING)
		return;
	for (i = 0; i < r->nr; i++)
		if (r->event[i].holds)
			fn(arg, &r->event[i]);
	for (i = 0; i < r->nr_past; i++)
		fn(arg, &r->past[i]);
}

static void show_one(const struct health_host *h, char *text, size_t len)
{
	const struct health_event *e = h->known ? health_worst_event(&h->report) : NULL;
	const enum watch_bmc bmc = h->report.bmc;

	text[0] = '\0';
	if (h->awaited)
		return;
	if (!h->known)
		snprintf(text, len, "%s: nobody watches its BMC", h->host);
	else if (e)
		snprintf(text, len, "%s: %s of '%s'%s%s", h->host, watch_kind_name(e->kind), e->sensor,
			 bmc == WATCH_BMC_OK ? "" : ", its BMC is ",
			 bmc == WATCH_BMC_OK ? "" : watch_bmc_name(bmc));
	else if (bmc != WATCH_BMC_OK)
		snprintf(text, len, "%s: its BMC is %s", h->host, watch_bmc_name(bmc));
}

void health_show(const struct health *s, char *text, size_t len)
{
	char one[ROW_HOST + WATCH_SENSOR + 128];
	size_t at = 0;
	unsigned int i;

	text[0] = '\0';
	for (i = 0; i < s->nr; i++) {
		show_one(&s->h[i], one, sizeof(one));
		if (!one[0] || at + strlen(one) + 3 > len)
			continue;
		at += (size_t)snprintf(text + at, len - at, "%s%s", at ? "; " : "", one);
	}
}

struct health_host *health_find(struct health *s, const char *host)
{
	unsigned int i;

	for (i = 0; i < s->nr; i++)
		if (!strcmp(s->h[i].host, host))
			return &s->h[i];
	return NULL;
}
