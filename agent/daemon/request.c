/* SPDX-License-Identifier: GPL-2.0-only */
#include "agent/daemon/request.h"

#include <stdio.h>
#include <string.h>

/* The reason has gone. */
static enum request_step drop(struct request *r)
{
	const bool told = r->failure[0];

	/* when one comes, it is asked for at once, but not in the middle of a pause */
	if (r->done)
		r->next_ns = 0;
	r->wanted = r->done = r->useless_told = false;
	r->failure[0] = '\0';
	r->pause_ns = 0;
	return told ? REQUEST_DROPPED : REQUEST_WAIT;
}

enum request_step request_step(struct request *r, const struct request_pace *pace, bool wanted,
			       uint64_t now_ns)
{
	const bool useless = r->done;
	bool news;

	if (!wanted)
		return r->wanted ? drop(r) : REQUEST_WAIT;
	r->wanted = true;
	if (r->under_way || (r->done && !pace->useless_ns) || now_ns < r->next_ns)
		return REQUEST_WAIT;
	news = useless && !r->useless_told;
	r->useless_told |= useless;
	r->done = false;
	r->under_way = true;
	r->asked_ns = now_ns;
	return news ? REQUEST_ASK_AGAIN : REQUEST_ASK;
}

void request_hurry(struct request *r)
{
	r->next_ns = 0;
}

bool request_silent(const struct request *r, uint64_t now_ns)
{
	return r->under_way && now_ns - r->asked_ns > REQUEST_SILENT_NS;
}

static bool failed(struct request *r, const struct request_pace *pace, const char *why, uint64_t now_ns)
{
	const uint64_t pause = r->pause_ns ? r->pause_ns : pace->first_ns;
	char text[FENCER_WHY];
	bool news;

	r->next_ns = now_ns + pause;
	r->pause_ns = 2 * pause < pace->most_ns ? 2 * pause : pace->most_ns;
	snprintf(text, sizeof(text), "%s", why);
	news = r->wanted && strcmp(text, r->failure) != 0;
	if (news)
		memcpy(r->failure, text, sizeof(text));
	return news;
}

bool request_answer(struct request *r, const struct request_pace *pace, const char *why, uint64_t now_ns)
{
	if (!r->under_way)
		return false;
	r->under_way = false;
	if (why)
		return failed(r, pace, why, now_ns);
	r->done = r->wanted;
	r->failure[0] = '\0';
	r->pause_ns = 0;
	r->next_ns = r->wanted ? now_ns + pace->useless_ns : 0;
	return !r->useless_told;
}
