/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * An epoch as stock hypercalls alone can take it, for the benchmark: pause, whole HVM context, the bitmap of
 * all dirty pages fetched and cleaned, those pages mapped and copied, unpause.  What no stock hypercall reads
 * (event ports, timers) and the device states are missing, so this does less than an epoch of kemari-syncd.
 */
#include "hv-check.h" /* first: it says that these are tools */

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "lib/monotonic.h"

#define CONTEXT_MAX 65536U
#define COPY_PAGES 16384U /* the most that are copied in one epoch */

struct stock {
	struct hv *hv;
	xc_hypercall_buffer_t *bits;
	const uint8_t *bitmap;
	unsigned long gfns; /* bits in it */
	xen_pfn_t dirty[COPY_PAGES];
	int err[COPY_PAGES];
	uint8_t context[CONTEXT_MAX];
	uint8_t copy[COPY_PAGES][HV_PAGE];
};

static int clean(struct stock *s)
{
	xc_shadow_op_stats_t stats;
	long long rc = xc_logdirty_control(s->hv->xc, s->hv->domid, XEN_DOMCTL_SHADOW_OP_CLEAN, s->bits,
					   s->gfns, 0, &stats);

	return rc < 0 ? -errno : 0;
}

static uint32_t find_dirty(struct stock *s)
{
	uint32_t nr = 0;

	for (unsigned long byte = 0; byte < s->gfns / 8; byte++)
		for (unsigned int bit = 0; s->bitmap[byte] && bit < 8 && nr < COPY_PAGES; bit++)
			if (s->bitmap[byte] & 1U << bit)
				s->dirty[nr++] = byte * 8 + bit;
	return nr;
}

static void copy_out(struct stock *s, uint32_t nr, const uint8_t *map)
{
	for (uint32_t i = 0; i < nr; i++)
		if (!s->err[i])
			memcpy(s->copy[i], map + i * HV_PAGE, HV_PAGE);
}

/* One epoch; a line of its times in us, and its pages. */
static int epoch(struct stock *s)
{
	struct hv *hv = s->hv;
	uint8_t *map = NULL;
	uint64_t t[7];
	uint32_t nr = 0;
	int rc;

	t[0] = monotonic_ns();
	if (xc_domain_pause(hv->xc, hv->domid))
		return -errno;
	t[1] = monotonic_ns();
	rc = xc_domain_hvm_getcontext(hv->xc, hv->domid, s->context, sizeof(s->context)) < 0 ? -errno : 0;
	t[2] = monotonic_ns();
	if (!rc)
		rc = clean(s);
	if (!rc)
		nr = find_dirty(s);
	t[3] = monotonic_ns();
	if (!rc && nr) {
		map = xenforeignmemory_map(hv->fmem, hv->domid, PROT_READ, nr, s->dirty, s->err);
		rc = map ? 0 : -errno;
	}
	t[4] = monotonic_ns();
	if (!rc)
		copy_out(s, nr, map);
	if (map)
		xenforeignmemory_unmap(hv->fmem, map, nr);
	t[5] = monotonic_ns();
	xc_domain_unpause(hv->xc, hv->domid);
	t[6] = monotonic_ns();
	if (!rc)
		printf("epoch pause_us %" PRIu64 " stop_us %" PRIu64 " context_us %" PRIu64
		       " harvest_us %" PRIu64 " map_us %" PRIu64 " copy_us %" PRIu64 " resume_us %" PRIu64
		       " dirty %u\n",
		       (t[5] - t[0]) / 1000, (t[1] - t[0]) / 1000, (t[2] - t[1]) / 1000, (t[3] - t[2]) / 1000,
		       (t[4] - t[3]) / 1000, (t[5] - t[4]) / 1000, (t[6] - t[5]) / 1000, nr);
	return rc;
}

static int epochs(struct stock *s, int nr, long ms)
{
	const struct timespec gap = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 };
	struct hv *hv = s->hv;
	int rc = 0;

	if (xc_shadow_control(hv->xc, hv->domid, XEN_DOMCTL_SHADOW_OP_ENABLE_LOGDIRTY, NULL, 0) < 0)
		return -errno;
	rc = clean(s);
	for (int i = 0; !rc && i < nr; i++) {
		nanosleep(&gap, NULL);
		rc = epoch(s);
	}
	xc_shadow_control(hv->xc, hv->domid, XEN_DOMCTL_SHADOW_OP_OFF, NULL, 0);
	return rc;
}

int hv_stock(struct hv *hv, int nr, long ms)
{
	DECLARE_HYPERCALL_BUFFER(uint8_t, bits);
	struct stock *s = calloc(1, sizeof(*s));
	xen_pfn_t last = 0;
	size_t pages;
	int rc = -ENOMEM;

	if (!s || xc_domain_maximum_gpfn(hv->xc, hv->domid, &last))
		goto out;
	memset(s->copy, 1, sizeof(s->copy)); /* no page fault of ours may count */
	s->hv = hv;
	s->gfns = (last + 64) & ~63UL;
	pages = (s->gfns / 8 + HV_PAGE - 1) / HV_PAGE;
	bits = xc_hypercall_buffer_alloc_pages(hv->xc, bits, (int)pages);
	if (!bits)
		goto out;
	memset(bits, 0, pages * HV_PAGE);
	s->bits = HYPERCALL_BUFFER(bits);
	s->bitmap = bits;
	rc = epochs(s, nr, ms);
	xc_hypercall_buffer_free_pages(hv->xc, bits, (int)pages);
out:
	free(s);
	if (rc)
		printf("error %d %s\n", -rc, strerror(-rc));
	return rc ? 1 : 0;
}
