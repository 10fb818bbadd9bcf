/* SPDX-License-Identifier: GPL-2.0-only */
/* In the fencer's helper: the cluster's fencing devices, from this host's copy of the configuration. */
#include <stdlib.h>
#include <string.h>

#include "agent/daemon/fencer_int.h"
#include "agent/daemon/helper.h"

#define COMMAND_MS 5000
#define CONFIGURATION_MAX (4U << 20) /* bytes; what is longer is cut, and makes no sense then */

bool fencer_devices(struct devices *d)
{
	static const char *const argv[] = {
		"cibadmin", "--query", "--local", "--scope", "configuration", NULL
	};
	char *text = malloc(CONFIGURATION_MAX);
	bool ok;

	if (!text)
		return false;
	ok = !helper_command(argv, COMMAND_MS, text, CONFIGURATION_MAX) &&
	     devices_read(text, strlen(text), d);
	free(text);
	return ok;
}
