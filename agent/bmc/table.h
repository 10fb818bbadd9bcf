/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * /etc/kemari/bmc-events.conf: which event of a BMC has which consequence.  `KEY = VALUE` lines, and
 * `event NAME ACTION [for=S] [gone=S] [restart=no]`; bmc-events.conf(5) documents them.  All times in
 * seconds.
 */
#ifndef KEMARI_AGENT_BMC_TABLE_H
#define KEMARI_AGENT_BMC_TABLE_H

#include <stddef.h>
#include <stdint.h>

#include "agent/bmc/kind.h"

#define WATCH_TABLE_FILE "/etc/kemari/bmc-events.conf"
#define WATCH_TABLE_ERR 512
#define WATCH_STORM_MAX 1000

struct watch_table {
	uint32_t interval;	  /* from one look at the power to the next */
	uint32_t sensor_interval; /* the same for sensors and logs */
	uint32_t slow_after;	  /* an answer that takes longer is late */
	uint32_t settle;	  /* after the power came on sensors do not count for so long */
	uint32_t storm_count;	  /* so many correctable memory errors ... */
	uint32_t storm_within;	  /* ... in so long a time are a storm */
	struct watch_rule rule[WATCH_KINDS];
};

void watch_table_defaults(struct watch_table *t);

/*
 * Reads path over the defaults.  0, or a negative errno with err saying file:line, what is wrong and what is
 * allowed; t is then unchanged.  A missing file is -ENOENT.
 */
int watch_table_load(const char *path, struct watch_table *t, char err[WATCH_TABLE_ERR]);
/* As watch_table_load, of a text; name stands for the file in err. */
int watch_table_parse(const char *name, const char *text, size_t len, struct watch_table *t,
		      char err[WATCH_TABLE_ERR]);

#endif
