/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The console backend: device "console".  It serves the guest's console page (<xen/io/console.h>) and a pty
 * of its own, as xenconsoled offers it, for `xl console`.
 *
 * Output bytes are held, stamped, until release(); then they go to the log file, if any, and to the pty.
 * Bytes that are held travel with each snapshot, so none is lost across a failover; the last ones may be
 * seen twice (once from either host).  When the hold queue is full the guest's ring fills up and the guest
 * waits.  A pty that nobody reads never makes it wait: the oldest bytes not yet in the pty are dropped.
 *
 * Input goes to the guest while the device is connected; before that it waits in the pty.
 *
 * device_cfg: one queue, ring_ref[0] = 0 (the console's reserved grant entry, seeded by the toolstack),
 * nr_ring_pages = 1, evtchn = console/port.
 */
#ifndef KEMARI_CONSOLE_H
#define KEMARI_CONSOLE_H

#include "device.h"

#define CONSOLE_HOLD_BYTES (64U << 10) /* held output, with 24 to 32 bytes of overhead a piece */
#define CONSOLE_SNAPSHOT_MAX (CONSOLE_HOLD_BYTES + 256) /* bytes that snapshot() may need */

struct console_cfg {
	const char *log_path; /* released output is appended here; NULL: no log.  Not kept. */
};

size_t console_mem_size(void);

/*
 * mem: console_mem_size() bytes, 8-aligned, zeroed for a new VM.  -EBADMSG: mem is not what an earlier
 * instance left.  A log that cannot be opened is an error; one that cannot be written later is said once.
 */
int console_create(struct device_host *host, const struct console_cfg *cfg, void *mem, size_t mem_len,
		   struct device **out);

/* Path of the pty for console/tty in xenstore.  A restarted daemon has a new one. */
const char *console_tty(const struct device *dev);

#endif /* KEMARI_CONSOLE_H */
