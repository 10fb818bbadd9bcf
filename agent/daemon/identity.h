/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Which machine a host is: its system UUID as SMBIOS has it, which its BMC tells as well.  Zeroes: not known;
 * not every machine has one, and only root may read it.
 */
#ifndef KEMARI_AGENT_DAEMON_IDENTITY_H
#define KEMARI_AGENT_DAEMON_IDENTITY_H

#include <stdint.h>

/* Of this host. */
void identity_read(uint8_t uuid[16]);

#endif /* KEMARI_AGENT_DAEMON_IDENTITY_H */
