/* SPDX-License-Identifier: GPL-2.0-only */
#include <string.h>

#include "agent/daemon/device.h"
#include "log.h"

/* Waits before it fences anybody, also one that is off already: fence_kemari alone looks first. */
static bool always_waits(const struct device *d)
{
	return device_is_time(d->delay) && (strcmp(d->agent, "fence_kemari") != 0 || !d->own_delay[0]);
}

void devices_warn(const struct devices *d)
{
	if (strcmp(d->stonith_action, "off") != 0)
		kem_warn("stonith-action is %s: a failover also waits for the dead host's switching on; set "
			 "the "
			 "property stonith-action=off",
			 d->stonith_action[0] ? d->stonith_action : "reboot");
	for (unsigned int i = 0; i < d->nr; i++)
		if (always_waits(&d->device[i]))
			kem_warn("%s waits for %s before each fencing, so each failover by it is as much "
				 "later",
				 d->device[i].id, d->device[i].delay);
}
