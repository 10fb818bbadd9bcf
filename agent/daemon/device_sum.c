/* SPDX-License-Identifier: GPL-2.0-only */
#include <string.h>
#include <xxhash.h>

#include "agent/daemon/device.h"

/* With the NUL: where it ends matters. */
static uint64_t add(uint64_t sum, const char *s)
{
	return XXH64(s, strlen(s) + 1, sum);
}

static uint64_t add_device(uint64_t sum, const struct device *d)
{
	const char *const fields[] = {
		d->id,	       d->agent,       d->host_list,	d->host_map,
		d->host_check, d->method,      d->off_action,	d->reboot_action,
		d->plug,       d->system_uuid, d->snmp_version, d->stopped ? "-" : "+"
	};
	unsigned int i;

	for (i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
		sum = add(sum, fields[i]);
	return sum;
}

uint64_t devices_sum(const struct devices *d)
{
	uint64_t sum = add(0, d->watchdog_timeout);
	unsigned int i;

	sum = add(add(sum, d->more ? "more" : ""), d->odd ? "odd" : "");
	for (i = 0; i < d->nr; i++)
		sum = add_device(sum, &d->device[i]);
	for (i = 0; i < d->nr_levels; i++)
		sum = add(add(add(sum, d->level[i].node), d->level[i].pattern), d->level[i].devices);
	return sum ?: 1;
}
