/* SPDX-License-Identifier: GPL-2.0-only */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <xxhash.h>

#include <qb/qbloop.h>

#include "agent/daemon/agent.h"
#include "agent/daemon/group.h"
#include "agent/daemon/hosts.h"
#include "agent/daemon/syncd.h"
#include "log.h"
#include "monotonic.h"

#ifndef KEMARI_VERSION
#define KEMARI_VERSION "unknown"
#endif

#define REGULAR_NS (5 * QB_TIME_NS_IN_SEC)
#define SPACING_NS (QB_TIME_NS_IN_SEC / 2)

static int say(struct agent *a, struct message *m)
{
	uint8_t bytes[MESSAGE_MAX];
	long len;

	m->nodeid = group_nodeid(a->group);
	m->boot = a->boot;
	m->seq = ++a->seq;
	len = message_pack(m, bytes);
	return len < 0 ? (int)len : group_send(a->group, bytes, (size_t)len);
}

static int say_hello(struct agent *a)
{
	struct message m = { .type = MESSAGE_HELLO };

	memcpy(m.hello.host, a->cfg.host_name, strlen(a->cfg.host_name)); /* main has checked it */
	snprintf(m.hello.version, sizeof(m.hello.version), "%s", KEMARI_VERSION);
	memcpy(m.hello.bmc_uuid, a->bmc_uuid, sizeof(m.hello.bmc_uuid));
	m.hello.red = a->red;
	m.hello.second = a->second;
	m.hello.up_s = (uint32_t)(hosts_boottime() / PROOF_SECOND);
	return say(a, &m);
}

static int say_row(struct agent *a, const struct vm_row *row)
{
	struct message m = { .type = MESSAGE_VM, .vm = *row };

	return say(a, &m);
}

/* view 0 is nobody's: what is said then counts as complete nowhere. */
static int say_end(struct agent *a, unsigned int nr, uint64_t view)
{
	struct message m = { .type = MESSAGE_VMS_END, .end = { .rows = nr, .view = view } };

	return say(a, &m);
}

/* Of all but the numbers that change with each epoch. */
static uint64_t sum_of(const struct agent *a, const struct vm_row *row, unsigned int nr, bool known)
{
	uint64_t sum = a->cluster.view + 4 * a->second + 2 * a->red + known;
	unsigned int i;

	for (i = 0; i < nr; i++) {
		struct vm_row r;

		memcpy(&r, &row[i], sizeof(r)); /* with its padding */
		r.epoch = r.lag_ms = r.pause_us = r.commit_us = 0;
		sum = XXH64(&r, sizeof(r), sum);
	}
	return sum;
}

static void statement(struct agent *a, bool at_once)
{
	const bool known = syncd_known(a->syncd);
	const uint64_t now = monotonic_ns();
	const struct vm_row *row;
	unsigned int nr, i;
	uint64_t sum;
	int rc;

	row = syncd_table(a->syncd, &nr);
	/* a silent kemari-syncd may have anything: no row, and the statement is incomplete */
	if (!known)
		nr = 0;
	sum = sum_of(a, row, nr, known);
	if (!group_nodeid(a->group) || (!at_once && sum == a->said_sum && now - a->said_ns < REGULAR_NS))
		return;
	if (!at_once && now - a->said_ns < SPACING_NS)
		return; /* the tick comes back to it */
	rc = say_hello(a);
	for (i = 0; !rc && i < nr; i++)
		rc = say_row(a, &row[i]);
	if (!rc)
		rc = say_end(a, nr, known ? a->cluster.view : 0);
	if (rc) {
		kem_debug("a statement was not sent: %s", strerror(-rc));
		return;
	}
	a->said_ns = now;
	a->said_sum = sum;
}

void agent_state_now(struct agent *a)
{
	statement(a, true);
}

static void state_later(void *arg)
{
	struct agent *a = arg;

	a->state_timer = 0;
	statement(a, false);
}

void agent_state(struct agent *a)
{
	statement(a, false);
	/* what came too soon after the last one is said half a second later */
	if (!a->state_timer)
		qb_loop_timer_add(a->loop, QB_LOOP_MED, SPACING_NS, a, state_later, &a->state_timer);
}

void agent_relay(struct agent *a, const struct message_engine *e)
{
	struct message m = { .type = MESSAGE_ENGINE, .engine = *e };
	int rc = say(a, &m);

	if (rc)
		kem_debug("a message of kemari-syncd was not sent: %s", strerror(-rc));
}
