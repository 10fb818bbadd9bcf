/* SPDX-License-Identifier: GPL-2.0-only */
/* In the fencer's helper: what the configuration says of fencing devices, and whether it is another one. */
#include <sys/stat.h>
#include <xxhash.h>

#include "agent/daemon/fencer_int.h"

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

bool fencer_devices_take(const char *text, size_t len, struct devices *d, uint64_t *sum)
{
	const uint64_t now = XXH64(text, len, 0) | 1;
	bool ok;

	if (now == *sum)
		return true;
	ok = devices_read(text, len, d);
	*sum = ok ? now : 0;
	return ok;
}
