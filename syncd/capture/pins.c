/* SPDX-License-Identifier: GPL-2.0-only */
#include "pins.h"

#include <string.h>

static const char *const kind_name[] = {
	[PIN_GRANT] = "grant table",	[PIN_SHARED_INFO] = "shared_info", [PIN_STORE] = "xenstore ring",
	[PIN_CONSOLE] = "console ring", [PIN_VCPU_INFO] = "vcpu_info",	   [PIN_RING] = "device ring",
};

bool pins_add(struct pins *p, uint64_t frame, enum pin_kind kind)
{
	if (p->nr == HOT_MAX_PINNED)
		return false;
	p->frame[p->nr] = frame;
	p->kind[p->nr] = kind;
	p->nr++;
	return true;
}

int pins_find(const struct pins *p, uint64_t frame)
{
	for (unsigned int i = 0; i < p->nr; i++)
		if (p->frame[i] == frame)
			return (int)i;
	return -1;
}

bool pins_equal(const struct pins *a, const struct pins *b)
{
	return a->nr == b->nr && !memcmp(a->frame, b->frame, a->nr * sizeof(a->frame[0])) &&
	       !memcmp(a->kind, b->kind, a->nr * sizeof(a->kind[0]));
}

const char *pin_name(enum pin_kind kind)
{
	return kind_name[kind];
}
