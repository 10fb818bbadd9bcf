/* SPDX-License-Identifier: GPL-2.0-only */
#include "agent/daemon/settle.h"

#include <stdio.h>
#include <string.h>

bool settle_is(struct settle *s, const char *value, uint64_t now_ns)
{
	if (!s->since_ns || strcmp(s->value, value) != 0) {
		s->since_ns = now_ns;
		snprintf(s->value, sizeof(s->value), "%s", value);
	}
	return now_ns - s->since_ns >= SETTLE_NS;
}
