/* SPDX-License-Identifier: GPL-2.0-only */
#include "agent/doctor/level.h"

#include <regex.h>
#include <string.h>

bool level_has_word(const char *list, const char *sep, const char *word)
{
	size_t len = strlen(word);

	for (const char *p = list + strspn(list, sep); *p; p += strspn(p, sep)) {
		size_t n = strcspn(p, sep);

		if (n >= len && !strncmp(p, word, len) && (n == len || p[len] == ':'))
			return true;
		p += n;
	}
	return false;
}

enum fact device_targets(const struct fact_fence_device *d, const char *host)
{
	if (d->stopped)
		return FACT_NO;
	if (!strcmp(d->host_check, "none"))
		return FACT_YES;
	if (!d->host_list[0] && !d->host_map[0])
		return FACT_UNKNOWN; /* the device is asked */
	return level_has_word(d->host_list, " ,;\t\n", host) || level_has_word(d->host_map, " ;\t\n", host)
		       ? FACT_YES
		       : FACT_NO;
}

static bool level_is_for(const struct fact_fence_level *lv, const char *host)
{
	regex_t re;
	bool match;

	if (lv->node[0])
		return !strcmp(lv->node, host);
	if (!lv->pattern[0])
		return true; /* an attribute tells: perhaps */
	if (regcomp(&re, lv->pattern, REG_EXTENDED | REG_NOSUB))
		return false;
	match = !regexec(&re, host, 0, NULL, 0);
	regfree(&re);
	return match;
}

static bool has_levels_by_name(const struct fact_cib *c, const char *host)
{
	for (unsigned int i = 0; i < c->nr_levels; i++)
		if (!strcmp(c->level[i].node, host))
			return true;
	return false;
}

bool level_counts(const struct fact_cib *c, const struct fact_fence_level *lv, const char *host)
{
	return level_is_for(lv, host) && (lv->node[0] || !has_levels_by_name(c, host));
}
