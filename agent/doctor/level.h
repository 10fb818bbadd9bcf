/* SPDX-License-Identifier: GPL-2.0-only */
/* Which fencing devices and levels of the configuration are for a host, as Pacemaker's fencer finds them. */
#ifndef KEMARI_AGENT_DOCTOR_LEVEL_H
#define KEMARI_AGENT_DOCTOR_LEVEL_H

#include <stdbool.h>

#include "agent/doctor/facts.h"

/* Is word one of list, whose words are separated by any of sep?  Of a map only what is before the ':'. */
bool level_has_word(const char *list, const char *sep, const char *word);
/* Can the device be used against host, as far as its configuration says? */
enum fact device_targets(const struct fact_fence_device *d, const char *host);
/* Is the level tried for host?  Levels for a name hide those for a pattern or an attribute. */
bool level_counts(const struct fact_cib *c, const struct fact_fence_level *lv, const char *host);

#endif /* KEMARI_AGENT_DOCTOR_LEVEL_H */
