/* SPDX-License-Identifier: GPL-2.0-only */
/* What kemari-syncd has once: made by main, borrowed by every VM. */
#ifndef KEMARI_DAEMON_H
#define KEMARI_DAEMON_H

#include <stdbool.h>
#include <stdint.h>

#include "config.h"

struct control;
struct domwatch;
struct hvop;
struct later;
struct qb_loop;
struct transport;
struct vm;
struct xc_interface_core;
struct xsconn;
struct xswire;

struct daemon {
	struct qb_loop *loop;
	struct later *later;
	struct kem_config cfg;
	struct xc_interface_core *xc;
	struct hvop *hv;
	struct xsconn *xs;
	struct xswire *wire;
	struct transport *transport;
	struct control *control;
	struct domwatch *domwatch;
	uint64_t boot;		     /* of this host, lib/bootid.h */
	struct vm *vms;		     /* list */
	struct reopening *reopening; /* VMs of an earlier daemon that are not taken up yet; list */
	struct resource *resources;  /* in the cluster manager's hands; list */
	struct going *going;	     /* domains without a VM that are being destroyed; list */
	struct unmapping *unmapping; /* memory of guests that are gone; list */
	uint64_t publish;	     /* qb handle: status goes to those who watch all VMs */
	bool publish_soon;	     /* ... for something has changed */
};

#endif /* KEMARI_DAEMON_H */
