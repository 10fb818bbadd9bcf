/* SPDX-License-Identifier: GPL-2.0-only */
#include "agent/daemon/proof.h"

#include <stdlib.h>
#include <string.h>

const struct proof_host *proof_find(const struct proof *p, const char *host)
{
	unsigned int i;

	for (i = 0; i < p->nr; i++)
		if (!strcmp(p->h[i].host, host))
			return &p->h[i];
	return NULL;
}

static struct proof_host *find(struct proof *p, const char *host)
{
	return (struct proof_host *)proof_find(p, host);
}

const struct proof_host *proof_off(const struct proof *p, const char *host)
{
	const struct proof_host *h = proof_find(p, host);

	return h && h->fenced && !h->member ? h : NULL;
}

/* Room for one more: the list's end, or the place of one that is no member and not proven off. */
static struct proof_host *room(struct proof *p)
{
	unsigned int i;

	if (p->nr < PROOF_HOSTS)
		return &p->h[p->nr++];
	for (i = 0; i < p->nr; i++)
		if (!p->h[i].member && !p->h[i].fenced)
			return &p->h[i];
	return NULL;
}

/* It lives: what ended before now did not switch it off. */
static enum proof_change void_fencing(struct proof_host *h, int64_t now)
{
	h->fenced = h->by_word = h->settled = false;
	memset(&h->asker, 0, sizeof(h->asker));
	h->after_ns = now;
	return PROOF_ALIVE;
}

/* A member of which nothing is known but its boot, which was heard of before. */
static enum proof_change heard_again(struct proof_host *h, int64_t now, int64_t clock_offset)
{
	const bool joined = !h->member;

	h->member = true;
	h->last_ns = now;
	if (h->fenced && (joined || now - h->fenced_ns > PROOF_ECHO_NS))
		return void_fencing(h, now);
	if (!joined)
		return PROOF_SAME;
	h->after_ns = now;
	h->clock_offset = clock_offset;
	return PROOF_RECORDED;
}

/* In the boot that it was in before it rose: it did not boot. */
static enum proof_change heard_in_that_boot(struct proof_host *h, int64_t now, int64_t clock_offset)
{
	const bool was_off = h->voided || h->fenced;

	h->boot = h->risen;
	h->risen = 0;
	h->voided = false;
	h->member = true;
	h->last_ns = now;
	h->clock_offset = clock_offset;
	if (was_off)
		return void_fencing(h, now);
	h->after_ns = now;
	return PROOF_RECORDED;
}

enum proof_change proof_risen(struct proof *p, const char *host, int64_t now)
{
	struct proof_host *h = find(p, host);
	const bool off = h && h->fenced;

	if (!h || h->member || (!off && h->boot == PROOF_UNHEARD && h->risen))
		return PROOF_SAME;
	void_fencing(h, now);
	if (h->boot != PROOF_UNHEARD)
		h->risen = h->boot;
	h->boot = PROOF_UNHEARD;
	h->voided |= off;
	if (off) { /* what was so in that life is not of this one */
		h->fault = h->up_known = false;
		h->hold[0] = '\0';
	}
	return off ? PROOF_RISEN : PROOF_RECORDED;
}

enum proof_change proof_heard(struct proof *p, const char *host, uint64_t boot, int64_t now,
			      int64_t clock_offset)
{
	struct proof_host *h = find(p, host);
	bool back = h && (h->fenced || h->voided);
	uint8_t bmc[16] = { 0 };

	if (!boot || strnlen(host, ROW_HOST) == ROW_HOST)
		return PROOF_SAME;
	if (h && h->boot == boot)
		return heard_again(h, now, clock_offset);
	if (h && h->risen == boot)
		return heard_in_that_boot(h, now, clock_offset);
	if (h)
		memcpy(bmc, h->bmc, sizeof(bmc));
	else
		h = room(p);
	if (!h)
		return PROOF_SAME;
	memset(h, 0, sizeof(*h));
	memcpy(h->host, host, strlen(host));
	memcpy(h->bmc, bmc, sizeof(bmc));
	h->boot = boot;
	h->after_ns = h->last_ns = now;
	h->clock_offset = clock_offset;
	h->member = true;
	return back ? PROOF_BACK : PROOF_RECORDED;
}

bool proof_identify(struct proof *p, const char *host, const uint8_t uuid[16])
{
	struct proof_host *h = find(p, host);

	if (!h || !memcmp(h->uuid, uuid, sizeof(h->uuid)))
		return false;
	memcpy(h->uuid, uuid, sizeof(h->uuid));
	return true;
}

bool proof_bmc(struct proof *p, const char *host, const uint8_t uuid[16])
{
	struct proof_host *h = find(p, host);

	if (!h || !memcmp(h->bmc, uuid, sizeof(h->bmc)))
		return false;
	memcpy(h->bmc, uuid, sizeof(h->bmc));
	return true;
}

enum proof_change proof_left(struct proof *p, const char *host, bool down, int64_t now)
{
	struct proof_host *h = find(p, host);

	if (!h || !h->member)
		return PROOF_SAME;
	h->member = false;
	if (!h->fenced)
		return PROOF_SAME;
	return down ? PROOF_OFF : void_fencing(h, now);
}

static enum proof_change confirm(struct proof_host *h, const struct asker *asker, int64_t now)
{
	if (h->fenced)
		return PROOF_SAME;
	h->fenced = true;
	h->asker = *asker;
	h->fenced_ns = now;
	return h->member ? PROOF_RECORDED : PROOF_OFF;
}

/* Did what was told of just now end in its present life? */
static bool ended_now(const struct proof_host *h, int64_t since)
{
	return since > h->after_ns && since + PROOF_ECHO_NS >= h->last_ns;
}

/* Did what ended then? */
static bool ended_then(const struct proof_host *h, int64_t wall_ns, int64_t clock_offset)
{
	if (llabs(clock_offset - h->clock_offset) > PROOF_SECOND)
		return false;
	/* the clock may have drifted by that second */
	return wall_ns - clock_offset > h->after_ns + PROOF_SECOND;
}

enum proof_change proof_fenced(struct proof *p, const char *host, int64_t since, const struct asker *asker,
			       int64_t now)
{
	struct proof_host *h = find(p, host);

	return h && ended_now(h, since) ? confirm(h, asker, now) : PROOF_SAME;
}

enum proof_change proof_history(struct proof *p, const char *host, int64_t wall_ns, const struct asker *asker,
				int64_t now, int64_t clock_offset)
{
	struct proof_host *h = find(p, host);
	const int64_t at = wall_ns - clock_offset;

	if (!h || !ended_then(h, wall_ns, clock_offset) || (h->fenced && !h->member))
		return PROOF_SAME;
	/* it was heard of long after that: it may have left since, but not for that reason */
	if (at + PROOF_ECHO_NS < h->last_ns)
		return void_fencing(h, h->last_ns);
	/* a member that was switched off long ago was not */
	if (h->member && now - at > PROOF_LINGER_NS)
		return void_fencing(h, now);
	return confirm(h, asker, now);
}

static enum proof_change doubt(struct proof_host *h, int64_t now, int64_t clock_offset)
{
	h->after_ns = now;
	h->clock_offset = clock_offset;
	return PROOF_DOUBTED;
}

enum proof_change proof_fenced_doubted(struct proof *p, const char *host, int64_t since, int64_t now,
				       int64_t clock_offset)
{
	struct proof_host *h = find(p, host);

	return h && !h->fenced && ended_now(h, since) ? doubt(h, now, clock_offset) : PROOF_SAME;
}

enum proof_change proof_history_doubted(struct proof *p, const char *host, int64_t wall_ns, int64_t now,
					int64_t clock_offset)
{
	struct proof_host *h = find(p, host);

	return h && !h->fenced && ended_then(h, wall_ns, clock_offset) ? doubt(h, now, clock_offset)
								       : PROOF_SAME;
}

enum proof_change proof_doubt(struct proof *p, const char *host, int64_t now, int64_t clock_offset)
{
	struct proof_host *h = find(p, host);

	if (!h)
		return PROOF_SAME;
	doubt(h, now, clock_offset);
	if (!h->fenced || !h->member)
		return PROOF_RECORDED;
	void_fencing(h, now);
	return PROOF_DOUBTED;
}

bool proof_unsaved(const struct proof *p)
{
	unsigned int i;

	for (i = 0; i < p->nr; i++)
		if (p->h[i].last_ns - p->h[i].saved_ns > PROOF_ECHO_NS)
			return true;
	return false;
}

void proof_saved(struct proof *p)
{
	unsigned int i;

	for (i = 0; i < p->nr; i++)
		p->h[i].saved_ns = p->h[i].last_ns;
}

enum proof_change proof_expect(struct proof *p, const char *host, int64_t now, int64_t clock_offset)
{
	struct proof_host *h = strnlen(host, ROW_HOST) < ROW_HOST && !find(p, host) ? room(p) : NULL;

	if (!h)
		return PROOF_SAME;
	*h = (struct proof_host){ .boot = PROOF_UNHEARD,
				  .after_ns = now - PROOF_LEAD_NS,
				  .clock_offset = clock_offset };
	memcpy(h->host, host, strlen(host));
	return PROOF_RECORDED;
}

enum proof_change proof_word(struct proof *p, const char *host, int64_t now, int64_t clock_offset)
{
	static const struct asker operator= { .kind = ASKER_OPERATOR };
	struct proof_host *h;

	proof_expect(p, host, now, clock_offset);
	h = find(p, host);
	if (!h || h->member || h->fenced)
		return PROOF_SAME;
	h->by_word = true;
	return confirm(h, &operator, now);
}

const struct proof_host *proof_expire(struct proof *p, int64_t now)
{
	unsigned int i;

	for (i = 0; i < p->nr; i++)
		if (p->h[i].fenced && p->h[i].member && now - p->h[i].fenced_ns > PROOF_LINGER_NS) {
			void_fencing(&p->h[i], now);
			return &p->h[i];
		}
	return NULL;
}

/* Of this boot of it, as far as is known. */
static bool in_this_life(const struct proof_host *h, int64_t at)
{
	return at >= (h->up_known ? h->booted_ns : h->after_ns);
}

enum proof_change proof_fault(struct proof *p, const char *host, int64_t wall_ns, int64_t clock_offset)
{
	struct proof_host *h = find(p, host);

	if (!h || h->fault || !in_this_life(h, wall_ns - clock_offset))
		return PROOF_SAME;
	h->fault = true;
	return PROOF_RECORDED;
}

enum proof_change proof_up(struct proof *p, const char *host, int64_t booted_ns)
{
	struct proof_host *h = find(p, host);

	if (!h || h->up_known)
		return PROOF_SAME;
	h->up_known = true;
	h->booted_ns = booted_ns;
	return PROOF_RECORDED;
}

enum proof_change proof_hold(struct proof *p, const char *host, const char *what, int64_t wall_ns,
			     int64_t clock_offset)
{
	struct proof_host *h = find(p, host);
	const int64_t at = wall_ns - clock_offset;

	if (!h || h->hold[0] || !in_this_life(h, at))
		return PROOF_SAME;
	if (h->fenced && at > h->fenced_ns)
		return PROOF_SAME;
	strncpy(h->hold, what, sizeof(h->hold) - 1);
	return PROOF_RECORDED;
}

void proof_settle(struct proof *p, const char *host)
{
	struct proof_host *h = find(p, host);

	/* an answer about power may come when the host has booted again: that is another life */
	if (h && h->fenced)
		h->settled = true;
}
