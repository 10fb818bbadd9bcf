/* SPDX-License-Identifier: GPL-2.0-only */
#include "agent/daemon/policy.h"

#include <stddef.h>
#include <string.h>

bool policy_has_nothing(const struct policy_host *h)
{
	if (h->off)
		return true;
	if (!h->member || !h->complete)
		return false;
	return !h->row || (h->row->role == ROW_NONE && !h->row->running);
}

static void cold_score(const struct policy_input *in, struct policy_output *out)
{
	unsigned int i;

	if (in->row->running) {
		out->why = "the guest runs here unowned";
		return;
	}
	if (!in->nodeid) {
		out->why = "the cluster is not there";
		return;
	}
	out->score = POLICY_SCORE_COLD;
	out->why = "nobody has anything of it, it may be booted";
	for (i = 0; i < in->nr_hosts; i++) {
		const struct policy_host *h = &in->host[i];

		if (!policy_has_nothing(h)) {
			out->score = 0;
			out->why = "a host may have a guest or a copy";
			return;
		}
		if (!h->off && h->nodeid < in->nodeid)
			out->score = POLICY_SCORE_COLD_OTHER;
	}
}

/* The other host of this VM; NULL: it has none, or none that is known. */
static const struct policy_host *peer_of(const struct policy_input *in)
{
	unsigned int i;

	for (i = 0; i < in->nr_hosts; i++)
		if (!strcmp(in->host[i].name, in->row->peer))
			return &in->host[i];
	return NULL;
}

/* A standby that could take over from a red host. */
static bool green_standby(const struct policy_input *in)
{
	unsigned int i;

	for (i = 0; i < in->nr_hosts; i++) {
		const struct policy_host *h = &in->host[i];

		if (h->member && !h->red && h->row && h->row->role == ROW_STANDBY && h->row->linked &&
		    h->row->started)
			return true;
	}
	return false;
}

/*
 * A link that is away for a moment (a switchover, a restarted daemon) is not worth two changes of the score.
 * Nor is one to a host that is gone: this copy is about to be promoted, and a change has Pacemaker begin
 * anew.
 */
static void standby_score(const struct policy_input *in, struct policy_memory *m, struct policy_output *out)
{
	const struct policy_host *peer = peer_of(in);

	if (in->row->linked || !m->linked_ns) {
		m->linked_ns = in->now_ns;
		m->unlinked = false;
	} else if (in->now_ns - m->linked_ns > POLICY_LINK_NS && !(peer && peer->down)) {
		m->unlinked = true;
	}
	if (m->unlinked) {
		out->score = POLICY_SCORE_STANDBY;
		out->why = "a copy without a link";
	} else {
		out->score = POLICY_SCORE_LINKED;
		out->why =
			in->row->linked ? "a copy that is kept up to date" : "a copy that waits for its link";
	}
}

static void score_now(const struct policy_input *in, struct policy_memory *m, struct policy_output *out)
{
	out->score = 0;
	if (!in->row || in->row->role != ROW_STANDBY)
		m->linked_ns = 0;
	if (!in->syncd) {
		out->why = "kemari-syncd does not answer";
		return;
	}
	if (!in->row || !in->row->started) {
		out->why = "it is not started here";
		return;
	}
	switch (in->row->role) {
	case ROW_PRIMARY:
		out->score = POLICY_SCORE_PRIMARY;
		out->why = "the guest is owned here";
		break;
	case ROW_HELD:
		out->score = POLICY_SCORE_HELD;
		out->why = "the guest is held here";
		break;
	case ROW_STANDBY:
		standby_score(in, m, out);
		break;
	default:
		cold_score(in, out);
	}
}

/*
 * It has moved before the cluster manager did (kemari switchover), and its outputs wait for the end of that.
 */
static bool moves_ahead(const struct vm_row *row)
{
	switch (row->role) {
	case ROW_HELD:
		return row->promoted;
	case ROW_PRIMARY:
		return !row->promoted && row->protection == ROW_LINK_LOST;
	case ROW_STANDBY:
		return row->promoted && !row->linked;
	default:
		return false;
	}
}

/*
 * Each change of a score is work for all of the cluster's programs on both hosts, and none is urgent while
 * the guest waits for its first epochs on its new host.  What the cluster manager itself moves has its scores
 * at once: with the old ones it would move it back.
 */
static bool waits_for_move(const struct policy_input *in, struct policy_memory *m)
{
	const struct vm_row *row = in->syncd ? in->row : NULL;

	if (!row || !row->started || row->role == ROW_NONE || row->promoted == (row->role == ROW_PRIMARY)) {
		m->moves_ns = 0;
		return false;
	}
	if (moves_ahead(row)) {
		m->moved_ns = in->now_ns;
		if (!m->moves_ns)
			m->moves_ns = in->now_ns;
	} else if (in->now_ns - m->moved_ns >= POLICY_MOVED_NS) {
		m->moves_ns = 0;
	}
	return m->score && m->moves_ns && in->now_ns - m->moves_ns < POLICY_MOVE_NS;
}

static void score(const struct policy_input *in, struct policy_memory *m, struct policy_output *out)
{
	score_now(in, m, out);
	if (in->red && out->score > POLICY_SCORE_RED && green_standby(in)) {
		out->score = POLICY_SCORE_RED;
		out->why = "this host's health is bad, a healthy one has a copy";
	}
	if (waits_for_move(in, m)) {
		out->score = m->score;
		out->why = m->why;
	}
	m->score = out->score;
	m->why = out->why;
}

/* The one host that waits to become the standby; NULL: none, or not exactly one. */
static const char *candidate(const struct policy_input *in)
{
	const char *found = NULL;
	unsigned int i;

	for (i = 0; i < in->nr_hosts; i++) {
		const struct policy_host *h = &in->host[i];

		if (!h->member || !h->row || !h->row->started || h->row->role != ROW_NONE || h->row->running)
			continue;
		if (found)
			return NULL;
		found = h->name;
	}
	return found;
}

static void protect(const struct policy_input *in, struct policy_memory *m, struct policy_output *out)
{
	out->protect = NULL;
	if (!in->syncd || !in->row || in->row->role != ROW_PRIMARY || !in->row->started ||
	    in->row->protection != ROW_UNPROTECTED || in->row->by_hand)
		return;
	if (m->protecting || in->now_ns < m->protect_next_ns)
		return;
	out->protect = candidate(in);
}

void policy_protected(struct policy_memory *m, uint64_t now_ns, bool ok)
{
	uint64_t pause = !ok && m->protect_pause_ns ? m->protect_pause_ns : POLICY_PROTECT_FIRST_NS;

	m->protecting = false;
	m->protect_next_ns = now_ns + pause;
	m->protect_pause_ns = ok				   ? 0
			      : pause < POLICY_PROTECT_LAST_NS / 2 ? 2 * pause
								   : POLICY_PROTECT_LAST_NS;
}

/*
 * Who shoots first when both could (ownership.md 4): one order per pair of hosts for all of their VMs, made
 * of what both have heard.
 */
static bool shoots_first(const struct policy_input *in, const struct policy_host *h)
{
	if (in->owned != h->owned)
		return in->owned > h->owned;
	return in->nodeid < h->nodeid;
}

static uint64_t patience(const struct policy_input *in, const struct policy_host *peer)
{
	uint64_t ns = in->row->needs == ROW_NEEDS_FENCE ? in->fence_after_ns : in->fence_after_proof_ns;

	return shoots_first(in, peer) ? ns : ns + in->fence_second_ns;
}

/* Whose being off is needed; NULL: nobody's. */
static const struct policy_host *needed(const struct policy_input *in)
{
	const struct policy_host *peer;

	if (!in->syncd || !in->row || in->row->needs == ROW_NEEDS_NOTHING)
		return NULL;
	peer = peer_of(in);
	return peer && peer->off ? NULL : peer;
}

static void fence(const struct policy_input *in, struct policy_memory *m, struct policy_output *out)
{
	const struct policy_host *peer = needed(in);
	const uint8_t needs = peer ? in->row->needs : ROW_NEEDS_NOTHING;
	uint64_t since;

	out->fence = NULL;
	if (needs != m->needs)
		m->needs_since_ns = in->now_ns;
	m->needs = needs;
	if (!peer || !in->quorate)
		return;
	/* one that has just come has its chance to settle it */
	since = peer->member && peer->since_ns > m->needs_since_ns ? peer->since_ns : m->needs_since_ns;
	if (in->now_ns - since < patience(in, peer))
		return;
	/* it would be shot for nothing, again and again, as it comes back */
	if (peer->futile)
		out->futile = peer->name;
	else
		out->fence = peer->name;
}

void policy_decide(const struct policy_input *in, struct policy_memory *m, struct policy_output *out)
{
	memset(out, 0, sizeof(*out));
	score(in, m, out);
	protect(in, m, out);
	fence(in, m, out);
}

uint64_t policy_lag(uint64_t lag_ms)
{
	uint64_t p = POLICY_LAG_MS;

	if (lag_ms < POLICY_LAG_MS)
		return 0;
	while (p <= lag_ms / 2)
		p *= 2;
	return p;
}
