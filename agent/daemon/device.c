/* SPDX-License-Identifier: GPL-2.0-only */
#include "agent/daemon/device.h"

#include <regex.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include <uuid/uuid.h>

#include "fencing/fence.h"

/* Is word in list, behind any of sep or at its begin?  What is read as a word ends before what is not in
 * chars, or, when that is NULL, at the next of sep. */
static bool has(const char *list, const char *sep, const char *chars, const char *word,
		int (*compare)(const char *, const char *, size_t))
{
	const size_t len = strlen(word);

	for (const char *p = list + strspn(list, sep); *p; p += strcspn(p, sep), p += strspn(p, sep))
		if ((chars ? strspn(p, chars) : strcspn(p, sep)) == len && !compare(p, word, len))
			return true;
	return false;
}

bool device_has_word(const char *list, const char *sep, const char *word)
{
	return has(list, sep, NULL, word, strncmp);
}

/*
 * Whoever is in the part that was cut off is not known, and an escaped character or line end is more than is
 * read here.
 */
static bool unclear(const char *list)
{
	return strlen(list) == DEVICE_LIST - 1 || strchr(list, '\\');
}

/* As Pacemaker has it (2.1), without regard to case: a name ends at what is no character of a name. */
static bool names(const char *list, const char *host)
{
	return has(list, " ,;\t\n\r\v\f", "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.",
		   host, strncasecmp);
}

/* A map's outlets are taken for hosts, too; ':' and '=' are the same. */
static bool maps(const char *map, const char *host)
{
	return has(map, " ;:=\t\n", NULL, host, strncasecmp);
}

enum device_targets device_targets(const struct device *d, const char *host)
{
	if (d->stopped)
		return DEVICE_NOT;
	if (!strcasecmp(d->host_check, "none") || names(d->host_list, host) || maps(d->host_map, host))
		return DEVICE_DOES;
	if ((!d->host_list[0] && !d->host_map[0]) || !strcasecmp(d->host_check, "dynamic-list") ||
	    !strcasecmp(d->host_check, "status") || unclear(d->host_list) || unclear(d->host_map))
		return DEVICE_PERHAPS; /* the device is asked */
	return DEVICE_NOT;
}

bool device_of_level(const struct device_level *lv, const char *id)
{
	return device_has_word(lv->devices, ", ", id);
}

static bool matches(const char *pattern, const char *host)
{
	regex_t re;
	bool match;

	if (regcomp(&re, pattern, REG_EXTENDED | REG_NOSUB))
		return false;
	match = !regexec(&re, host, 0, NULL, 0);
	regfree(&re);
	return match;
}

bool device_level_is_for(const struct devices *d, const struct device_level *lv, const char *host)
{
	unsigned int i;

	if (!strcmp(lv->node, host))
		return true;
	/* levels for that very name hide those for it in other letters, a pattern or an attribute */
	for (i = 0; i < d->nr_levels; i++)
		if (!strcmp(d->level[i].node, host))
			return false;
	if (lv->node[0])
		return !strcasecmp(lv->node, host);
	return !lv->pattern[0] || matches(lv->pattern, host); /* an attribute tells: perhaps */
}

/* They take whatever is not "on" for off (fence-agents 4.12), and SNMP 2c and 3 answer for what there is not.
 */
static bool is_any_plug(const struct device *d)
{
	if (strcmp(d->agent, "fence_apc_snmp") != 0 && strcmp(d->agent, "fence_tripplite_snmp") != 0)
		return false;
	return d->plug[0] && !d->plug[strspn(d->plug, "0123456789:")] && d->snmp_version[0] &&
	       strcmp(d->snmp_version, "1") != 0;
}

const struct device_misuse *device_misused(const struct device *d)
{
	static const struct device_misuse
		cycle = { "method=cycle says done before the host has lost its power", "set method=onoff" },
		off = { "pcmk_off_action has it do something else", "remove pcmk_off_action and action" },
		reboot = { "pcmk_reboot_action has it do something else",
			   "remove pcmk_reboot_action and action" },
		plug = { "its outlet is a number, and over SNMP 2c and 3 one that does not exist counts as "
			 "off",
			 "give the outlet a name in the PDU, and plug= that name" };

	if (!strcmp(d->method, "cycle"))
		return &cycle;
	if (d->off_action[0] && strcmp(d->off_action, "off") != 0)
		return &off;
	if (d->reboot_action[0] && strcmp(d->reboot_action, "off") != 0 &&
	    strcmp(d->reboot_action, "reboot") != 0)
		return &reboot;
	return is_any_plug(d) ? &plug : NULL;
}

bool device_is_anothers(const struct device *d, const struct device_identity *who)
{
	uuid_t own;

	return !uuid_is_null(who->told) && d->system_uuid[0] && !uuid_parse(d->system_uuid, own) &&
	       !bmc_same_uuid(own, who->told);
}

/* NULL: as far as is known it is the host's. */
static const char *anothers(const struct device *d, const struct device_identity *who)
{
	if (device_is_anothers(d, who))
		return "its system_uuid is not the one that the host tells";
	if (d->system_uuid[0] || !device_is_bmc(d->agent))
		return NULL;
	if (!who->watched)
		return "it has no system_uuid, and no BMC is watched as the host's: it may be another "
		       "machine's";
	if (uuid_is_null(who->told) || uuid_is_null(who->bmc) || bmc_same_uuid(who->bmc, who->told))
		return NULL;
	return "it has no system_uuid, and the BMC that is watched as the host's is another machine's";
}

/* Does its success mean that the host is off?  Else why. */
static bool proves(const struct device *d, const struct device_identity *who, const char *believed, char *why)
{
	const struct device_misuse *misuse = device_misused(d);
	const char *reason = NULL;

	if (device_counts(device_confirms(d->agent, believed, &reason)))
		reason = misuse ? misuse->why : anothers(d, who);
	if (reason)
		snprintf(why, DEVICE_WHY, "%s (%s): %s", d->id, d->agent, reason);
	return !reason;
}

static bool level_proves(const struct devices *d, const struct device_level *lv, const char *host,
			 const struct device_identity *who, const char *believed, char *why)
{
	unsigned int i;

	snprintf(why, DEVICE_WHY, "the level of %.200s has no device that is used against it", lv->devices);
	for (i = 0; i < d->nr; i++)
		if (device_of_level(lv, d->device[i].id) &&
		    device_targets(&d->device[i], host) != DEVICE_NOT &&
		    proves(&d->device[i], who, believed, why))
			return true;
	return false;
}

/* When no device can do it Pacemaker waits for that time. */
static bool watchdog_proves(const struct devices *d, const char *believed, char *why)
{
	const char *reason, *t = d->watchdog_timeout;

	if (!t[0] || strspn(t, "0s") == strlen(t) ||
	    device_counts(device_confirms("fence_watchdog", believed, &reason)))
		return true;
	snprintf(why, DEVICE_WHY, "stonith-watchdog-timeout is set: %s", reason);
	return false;
}

static bool all_prove(const struct devices *d, const char *host, const struct device_identity *who,
		      const char *believed, char *why)
{
	bool any = false, topology = false;
	unsigned int i;

	if (d->more) {
		snprintf(why, DEVICE_WHY,
			 "the cluster has more fencing devices or levels than are looked at");
		return false;
	}
	if (d->odd) {
		snprintf(why, DEVICE_WHY,
			 "a fencing device or level is configured in a way that is not read: by a rule, a "
			 "reference or a score of its attributes, a template that is not there, or a pattern "
			 "that is too long");
		return false;
	}
	for (i = 0; i < d->nr_levels; i++) {
		if (!device_level_is_for(d, &d->level[i], host))
			continue;
		topology = any = true;
		if (!level_proves(d, &d->level[i], host, who, believed, why))
			return false;
	}
	/* without levels each device is tried until one has done it */
	for (i = 0; i < d->nr && !topology; i++) {
		if (device_targets(&d->device[i], host) == DEVICE_NOT)
			continue;
		any = true;
		if (!proves(&d->device[i], who, believed, why))
			return false;
	}
	if (!any)
		snprintf(why, DEVICE_WHY, "the cluster's configuration has no device for it");
	return any && watchdog_proves(d, believed, why);
}

bool devices_prove(const struct devices *d, const char *host, const struct device_identity *who,
		   const char *believed, char *why)
{
	const bool proven = all_prove(d, host, who, believed, why);

	/* within a level one that does not confirm gives way to one that does */
	if (proven)
		why[0] = '\0';
	return proven;
}
