/* SPDX-License-Identifier: GPL-2.0-only */
/* The tap device: made, put on the bridge, told what the guest's frontend can take. */
#ifndef KEMARI_NET_TAP_H
#define KEMARI_NET_TAP_H

#include <stdbool.h>
#include <stdint.h>

#include "net/net.h"

/*
 * Returns a nonblocking descriptor, or a negative errno after one message.  The device is up, lives as long
 * as the descriptor, and has no segmentation or checksum offload yet.
 */
int net_tap_open(const char *vm, const struct net_cfg *cfg);

/* Whether fd is a tap and takes the calls below. */
bool net_tap_is(int fd);

/* Lets the kernel hand over what a frontend with these NET_F_* features completes itself. */
int net_tap_offload(int fd, uint32_t features, bool segmentation);

#endif /* KEMARI_NET_TAP_H */
