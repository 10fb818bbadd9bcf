/* SPDX-License-Identifier: GPL-2.0-only */
/* A guest that is held stands still: for a moment in each move, and no longer (ownership.md 29). */
#ifndef KEMARI_AGENT_DAEMON_HELD_H
#define KEMARI_AGENT_DAEMON_HELD_H

#include <stdbool.h>
#include <stdint.h>

#define HELD_TOO_LONG_NS (10ULL * 1000000000)

struct held {
	uint64_t since_ns; /* 0: it is not */
	bool told;
};

/* True once for each time that it is held longer than that. */
bool held_too_long(struct held *h, bool is_held, uint64_t now_ns);

#endif /* KEMARI_AGENT_DAEMON_HELD_H */
