/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A System Event Log's header and records (sel.h) over the lasting session of fencing/ipmi.h. */
#ifndef KEMARI_AGENT_BMC_IPMI_SEL_H
#define KEMARI_AGENT_BMC_IPMI_SEL_H

#include "agent/bmc/sel.h"
#include "fencing/bmc.h"

/* Errors as in fencing/bmc.h, b->why says what was wrong. */
int watch_sel_info(struct bmc *b, struct watch_sel_info *info);
/* The BMC's present time, by which it logs. */
int watch_sel_time(struct bmc *b, uint64_t *now);
/* A watch_sel_read; arg is the struct bmc. */
int watch_sel_entry(void *arg, uint16_t id, uint8_t record[16], size_t *len, uint16_t *next);

#endif
