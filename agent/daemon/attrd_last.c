/* SPDX-License-Identifier: GPL-2.0-only */
#include "agent/daemon/attrd_last.h"

#include <stdio.h>
#include <string.h>

bool attrd_change(struct attrd *a, struct attrd_last *last, const char *name, const char *value,
		  unsigned int dampen_s)
{
	if (last->set && !strcmp(last->value, value))
		return false;
	if (attrd_set(a, name, value, dampen_s))
		return false;
	last->set = true;
	snprintf(last->value, sizeof(last->value), "%s", value);
	return true;
}
