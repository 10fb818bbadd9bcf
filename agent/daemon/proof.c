/* SPDX-License-Identifier: GPL-2.0-only */
#include "agent/daemon/proof.h"

#include <stdlib.h>
#include <string.h>

static struct proof_host *find(struct proof *p, const char *host)
{
	unsigned int i;

	for (i = 0; i < p->nr; i++)
		if (!strcmp(p->h[i].host, host))
			return &p->h[i];
	return NULL;
}

const struct proof_host *proof_find(const struct proof *p, const char *host)
{
	unsigned int i;

	for (i = 0; i < p->nr; i++)
		if (!strcmp(p->h[i].host, host))
			return &p->h[i];
	return NULL;
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
	h->fenced = h->settled = false;
	memset(&h->asker, 0, sizeof(h->asker));
	h->heard_ns = now;
	return PROOF_ALIVE;
}

enum proof_change proof_heard(struct proof *p, const char *host, uint64_t boot, int64_t now,
			      int64_t clock_offset)
{
	struct proof_host *h = find(p, host);
	bool back = h && h->fenced;

	if (!boot || strnlen(host, ROW_HOST) == ROW_HOST)
		return PROOF_SAME;
	if (h && h->boot == boot) {
		bool again = !h->member;

		h->member = true;
		if (h->fenced && (again || now - h->fenced_ns > PROOF_ECHO_NS))
			return void_fencing(h, now);
		return PROOF_SAME;
	}
	if (!h)
		h = room(p);
	if (!h)
		return PROOF_SAME;
	memset(h, 0, sizeof(*h));
	memcpy(h->host, host, strlen(host));
	h->boot = boot;
	h->heard_ns = now;
	h->clock_offset = clock_offset;
	h->member = true;
	return back ? PROOF_BACK : PROOF_RECORDED;
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

enum proof_change proof_fenced(struct proof *p, const char *host, int64_t since, const struct asker *asker,
			       int64_t now)
{
	struct proof_host *h = find(p, host);

	if (!h || since <= h->heard_ns)
		return PROOF_SAME;
	return confirm(h, asker, now);
}

enum proof_change proof_history(struct proof *p, const char *host, int64_t wall_ns, const struct asker *asker,
				int64_t now, int64_t clock_offset)
{
	struct proof_host *h = find(p, host);
	int64_t at = wall_ns - clock_offset;

	if (!h || llabs(clock_offset - h->clock_offset) > PROOF_SECOND)
		return PROOF_SAME;
	/* the clock may have drifted by that second */
	if (at <= h->heard_ns + PROOF_SECOND)
		return PROOF_SAME;
	/* a member that was switched off long ago was not */
	if (h->member && now - at > PROOF_LINGER_NS)
		return void_fencing(h, now);
	return confirm(h, asker, now);
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

enum proof_change proof_fault(struct proof *p, const char *host)
{
	struct proof_host *h = find(p, host);

	if (!h || h->fault)
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

	if (!h || h->hold[0] || at < (h->up_known ? h->booted_ns : h->heard_ns))
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
