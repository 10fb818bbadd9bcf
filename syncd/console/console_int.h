/* SPDX-License-Identifier: GPL-2.0-only */
/* Inside of the console backend: what lies in the memory file, and the device. */
#ifndef KEMARI_CONSOLE_INT_H
#define KEMARI_CONSOLE_INT_H

#include "console/console.h"
#include "console/console_pty.h"
#include "device.h"
#include "hold.h"
#include "later.h"

struct console_mem {
	uint32_t magic, version;
	uint32_t known;	    /* ring_ref and evtchn are those of a connect or restore */
	uint32_t connected; /* by us or by an instance that died; or so restored */
	uint32_t ring_ref, evtchn;
	struct hold hold; /* and CONSOLE_HOLD_BYTES of data; cookie: out_cons after the piece */
};

struct xencons_interface;

struct console {
	struct device dev;
	struct console_mem *m;
	struct xencons_interface *page; /* NULL: not attached */
	int port;
	bool connected, quiet, failed;
	bool full;    /* the hold queue had no room for what waits in the ring */
	bool in_full; /* the guest has to read first */
	struct later_item look;
	int poll_events;
	struct console_pty pty;
};

/* console_state.c */
int console_mem_open(struct console *c, void *mem, size_t len);
int console_cfg_check(const struct device_cfg *cfg);
long console_snapshot(struct device *dev, void *buf, size_t cap);
int console_restore(struct device *dev, const void *buf, size_t len);

static inline struct console *console_of(struct device *dev)
{
	return (struct console *)dev; /* first member */
}

#endif /* KEMARI_CONSOLE_INT_H */
