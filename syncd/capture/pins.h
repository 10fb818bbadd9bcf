/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Frames that Xen, xenstored or our backends write without a dirty mark (doc/hypervisor.md, "The
 * always-list"), and what each of them is.  Numbered as in capture/pages.h.
 */
#ifndef KEMARI_CAPTURE_PINS_H
#define KEMARI_CAPTURE_PINS_H

#include <stdbool.h>
#include <stdint.h>

#include "capture/hot.h"

enum pin_kind { PIN_GRANT, PIN_SHARED_INFO, PIN_STORE, PIN_CONSOLE, PIN_VCPU_INFO, PIN_RING };

struct pins {
	unsigned int nr;
	uint64_t frame[HOT_MAX_PINNED];
	enum pin_kind kind[HOT_MAX_PINNED];
};

/* False: HOT_MAX_PINNED reached. */
bool pins_add(struct pins *p, uint64_t frame, enum pin_kind kind);
/* Where it stands, the first time; -1: it is none. */
int pins_find(const struct pins *p, uint64_t frame);
bool pins_equal(const struct pins *a, const struct pins *b);
const char *pin_name(enum pin_kind kind);

#endif /* KEMARI_CAPTURE_PINS_H */
