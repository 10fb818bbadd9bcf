/* SPDX-License-Identifier: GPL-2.0-only */
/* The guest's whole RAM beside a copy of it, by which what is listed as dirty is checked. */
#ifndef KEMARI_HV_MEMORY_H
#define KEMARI_HV_MEMORY_H

#include <stdbool.h>

#include "hv-check.h"

/* gfns of a small PVH guest end below 4 GiB. */
#define HV_MAX_GFN 0x100000UL

struct hv_area;

struct memory {
	struct hv *hv;
	xen_pfn_t *gfns;
	int *err;
	uint32_t nr;
	uint8_t *now;	 /* the guest's frames, mapped */
	uint8_t *before; /* copies as of the last epoch */
	uint32_t *slot;	 /* by gfn: index + 1 */
	uint8_t *listed; /* by index: in the epoch at hand */
	uint8_t *always; /* by index: Xen or dom0 writes it without a mark */
	uint8_t *hot;	 /* by index */
	bool hot_listed; /* Xen says which hot frames were written */
	/* The first list of an epoch; NULL: it is a harvest as the others. */
	int (*first)(struct memory *m, struct hvop_harvest *h);
	struct hv_area *area; /* epochs are begun by a tap */
	uint64_t total, changed, unlisted, late, hot_written;
	uint8_t context[65536];
};

int hv_open_memory(struct memory *m, struct hv *hv);
uint8_t *hv_frame(const struct memory *m, uint32_t i);
uint8_t *hv_copy_of(const struct memory *m, uint32_t i);
/* A gfn whose frame came or went is mapped anew. */
void hv_remap(struct memory *m, uint32_t i);
/* Log-dirty on, the copies made. */
int hv_start(struct memory *m);
/* The guest runs unlogged for a while. */
void hv_stop(struct hv *hv);
/* One harvest; marks the listed frames. */
int hv_harvest(struct memory *m, bool *physmap);
/* Stopped, harvested, compared, resumed. */
int hv_epoch(struct memory *m);
int hv_epochs(struct memory *m, int nr, long ms);

/* hv-area.c: what a tap stopped runs on. */
void hv_area_end(struct hv_area *a);

#endif /* KEMARI_HV_MEMORY_H */
