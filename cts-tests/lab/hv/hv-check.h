/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * hv-check: exercises the private domctl of the patched Xen on the real thing, from dom0 of a lab host.  One
 * command per claim; prints what it saw, exit status 0 when the claim held.
 */
#ifndef KEMARI_HV_CHECK_H
#define KEMARI_HV_CHECK_H

#include <stdbool.h>

#include <xenctrl.h>
#include <xenforeignmemory.h>

#include "hvop.h"

#define HV_PAGE 4096UL

struct hv {
	struct hvop *hvop;
	xc_interface *xc;
	xenforeignmemory_handle *fmem;
	uint32_t domid;
};

/* The frames of a small PVH guest (below 4 GiB): RAM, ACPI, special pages; ascending, at most cap of them. */
uint32_t hv_all_gfns(struct hv *hv, xen_pfn_t *gfns, uint32_t cap);

/* Maps frames read-write; err[i] != 0 where there is none.  NULL on failure. */
uint8_t *hv_map(struct hv *hv, const xen_pfn_t *gfns, uint32_t nr, int *err);

int hv_memory_main(struct hv *hv, int argc, char **argv); /* harvest, hot */
int hv_watch(struct hv *hv, uint32_t frames);
int hv_stock(struct hv *hv, int epochs, long ms);
int hv_freeze(struct hv *hv, const char *file);
int hv_thaw(struct hv *hv, const char *file);
int hv_area_main(struct hv *hv, int argc, char **argv); /* area, area-busy, by-tap, fire */
/* Equal but for what runs on while a guest is stopped, which is struck out of both. */
bool hv_same_state(struct xen_kemari_state *a, uint32_t size_a, struct xen_kemari_state *b, uint32_t size_b);
int hv_tap_main(struct hv *hv, int argc, char **argv); /* tap, taps, deliver, tap-in, tap-pause, tap-reset */

#endif /* KEMARI_HV_CHECK_H */
