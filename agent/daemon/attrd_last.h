/* SPDX-License-Identifier: GPL-2.0-only */
/* An attribute that is set when it changes. */
#ifndef KEMARI_AGENT_DAEMON_ATTRD_LAST_H
#define KEMARI_AGENT_DAEMON_ATTRD_LAST_H

#include <stdbool.h>

#include "agent/daemon/attrd.h"

/* What it was set to last. */
struct attrd_last {
	bool set;
	char value[ATTRD_VALUE];
};

/* True: it is set now.  False: it was so already, or has to be tried again, as with any tick. */
bool attrd_change(struct attrd *a, struct attrd_last *last, const char *name, const char *value,
		  unsigned int dampen_s);

#endif /* KEMARI_AGENT_DAEMON_ATTRD_LAST_H */
