/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The state of a BMC and its host as one line of JSON; kemari-bmc(8) documents it. */
#ifndef KEMARI_AGENT_BMC_REPORT_H
#define KEMARI_AGENT_BMC_REPORT_H

#include "agent/bmc/state.h"

/* Without a newline, the caller's to free, a few KiB at most.  The same state gives the same text.  NULL: no
 * memory. */
char *watch_report(const char *host, const struct watch_state *s);

#endif
