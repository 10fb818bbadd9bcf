/* SPDX-License-Identifier: GPL-2.0-only */
/* In the fencer's helper: the cluster's fencing devices, from this host's copy of the configuration. */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <xxhash.h>

#include "agent/daemon/fencer_int.h"
#include "agent/daemon/helper.h"

#define COMMAND_MS 5000
#define CONFIGURATION_MAX (4U << 20) /* bytes; what is longer is cut, and makes no sense then */

/* Where Pacemaker writes each change to (and nothing of its status).  Only a hint, so nothing else is read of
 * it. */
#define CIB_FILE "/var/lib/pacemaker/cib/cib.xml"

bool fencer_devices_touched(void)
{
	static struct stat last;
	struct stat now = { 0 };
	bool touched;

	if (stat(CIB_FILE, &now))
		return false;
	touched = now.st_ino != last.st_ino || now.st_mtim.tv_sec != last.st_mtim.tv_sec ||
		  now.st_mtim.tv_nsec != last.st_mtim.tv_nsec;
	last = now;
	return touched;
}

bool fencer_devices(struct devices *d, uint64_t *sum)
{
	static const char *const argv[] = {
		"cibadmin", "--query", "--local", "--scope", "configuration", NULL
	};
	char *text = malloc(CONFIGURATION_MAX);
	uint64_t now;
	bool ok;

	if (!text)
		return false;
	ok = !helper_command(argv, COMMAND_MS, text, CONFIGURATION_MAX);
	now = ok ? XXH64(text, strlen(text), 0) | 1 : 0;
	if (ok && now != *sum) {
		ok = devices_read(text, strlen(text), d);
		*sum = ok ? now : 0;
	}
	free(text);
	return ok;
}
