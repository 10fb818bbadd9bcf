/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Turns a held shell and a whole image into the guest: everything that lives in the hypervisor.  Devices,
 * xenstore and the lifting of the hold are the caller's.  Works for a fresh shell and for the domain of a
 * former primary; may be repeated after a failure.
 */
#ifndef KEMARI_APPLY_PROMOTE_H
#define KEMARI_APPLY_PROMOTE_H

#include <stdint.h>

#include "apply/image.h"
#include "apply/ram.h"

struct hvop;
struct xc_interface_core;

struct promote_cfg {
	const char *vm;
	uint32_t domid;
	struct hvop *hv;
	struct xc_interface_core *xc;
	struct ram *ram;
	const struct image *image; /* IMAGE_WHOLE */
	/* CLOCK_MONOTONIC ns of this host when the epoch was received: the guest's clocks go on from there.
	 */
	uint64_t received_ns;
};

/* 0 or a negative errno with one message. */
int promote_image(const struct promote_cfg *cfg);

#endif /* KEMARI_APPLY_PROMOTE_H */
