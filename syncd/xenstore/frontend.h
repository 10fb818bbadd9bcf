/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a frontend published below /local/domain/D/device/TYPE/ID, turned into struct device_cfg.  Every
 * number is checked; the text is the guest's and hostile.  Lookups go through a function, so tests need no
 * xenstore.
 */
#ifndef KEMARI_XENSTORE_FRONTEND_H
#define KEMARI_XENSTORE_FRONTEND_H

#include <stddef.h>
#include <stdint.h>

#include "device.h"

/* device_cfg.features of a vbd */
#define VBD_FE_PERSISTENT (1U << 0) /* feature-persistent; we never offer it */
#define VBD_FE_X86_32 (1U << 1)	    /* protocol is x86_32-abi (or absent), else x86_64-abi */
/* device_cfg.features of a vif */
#define VIF_FE_RX_COPY (1U << 0)   /* request-rx-copy, always there: refused without */
#define VIF_FE_RX_NOTIFY (1U << 1) /* feature-rx-notify */
#define VIF_FE_SG (1U << 2)	   /* feature-sg */
#define VIF_FE_GSO_TCPV4 (1U << 3) /* feature-gso-tcpv4 */
#define VIF_FE_GSO_TCPV6 (1U << 4) /* feature-gso-tcpv6 */
#define VIF_FE_NO_CSUM (1U << 5)   /* feature-no-csum-offload: wants no blank IPv4 checksums */
#define VIF_FE_IPV6_CSUM (1U << 6) /* feature-ipv6-csum-offload: takes blank IPv6 checksums */
#define VIF_FE_SPLIT (1U << 7)	   /* tx and rx have channels of their own */

/* Value of key (relative to the frontend's directory, e.g. "queue-0/ring-ref"), or NULL.  It stays valid
 * until the next call. */
typedef const char *(*frontend_lookup_fn)(void *arg, const char *key);

struct frontend_limits {
	uint32_t max_queues;	 /* as advertised, <= DEVICE_MAX_QUEUES */
	uint32_t max_page_order; /* vbd: 1 << order <= DEVICE_MAX_RING_PAGES */
	uint32_t max_evtchn;	 /* ports of the ABI: 4096 for 2-level */
};

/* 0, or -EINVAL (bad value) / -ENOENT (key missing) with one sentence in why that names the key. */
int frontend_parse_vbd(frontend_lookup_fn get, void *arg, const struct frontend_limits *lim,
		       struct device_cfg *cfg, char *why, size_t why_len);
int frontend_parse_vif(frontend_lookup_fn get, void *arg, const struct frontend_limits *lim,
		       struct device_cfg *cfg, char *why, size_t why_len);

#endif /* KEMARI_XENSTORE_FRONTEND_H */
