/* SPDX-License-Identifier: GPL-2.0-only */
/* Times of the cluster's configuration. */
#include <ctype.h>
#include <stdlib.h>
#include <strings.h>

#include "agent/doctor/check.h"

long check_seconds(const char *text, long by_default)
{
	char *unit;
	long n;

	if (!text[0])
		return by_default;
	n = strtol(text, &unit, 10);
	while (isspace((unsigned char)*unit))
		unit++;
	if (unit == text || n < 0)
		return -1;
	if (!*unit || !strcasecmp(unit, "s") || !strcasecmp(unit, "sec"))
		return n;
	if (!strcasecmp(unit, "ms") || !strcasecmp(unit, "msec"))
		return n / 1000;
	return !strcasecmp(unit, "m") || !strcasecmp(unit, "min") ? n * 60 : -1;
}

long check_worst_drop(const struct device *d)
{
	long power = check_seconds(d->power_timeout, CHECK_POWER_TIMEOUT);
	long login = check_seconds(d->login_timeout, CHECK_LOGIN_TIMEOUT);

	return power < 0 || login < 0 ? -1 : power + login + 1;
}
