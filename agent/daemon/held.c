/* SPDX-License-Identifier: GPL-2.0-only */
#include "agent/daemon/held.h"

bool held_too_long(struct held *h, bool is_held, uint64_t now_ns)
{
	if (!is_held) {
		*h = (struct held){ 0 };
		return false;
	}
	if (!h->since_ns)
		h->since_ns = now_ns;
	if (h->told || now_ns - h->since_ns < HELD_TOO_LONG_NS)
		return false;
	h->told = true;
	return true;
}
