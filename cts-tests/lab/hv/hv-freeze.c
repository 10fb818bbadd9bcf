/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Freeze and thaw: a paused guest is written to a file, whole; a fresh domain of the same configuration
 * becomes it.  This is what a standby does at promotion, without the stream.  Order as in doc/hypervisor.md.
 */
#include "hv-check.h" /* first: it says that these are tools */

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "lib/monotonic.h"

#include <xen/grant_table.h>
#include <xen/hvm/params.h>
#include <xen/hvm/save.h>
#include <xen/memory.h>

#define MAX_FRAMES 65536U

struct frozen {
	uint64_t when; /* CLOCK_MONOTONIC of dom0, ns */
	uint64_t callback_irq;
	uint32_t nr_gfns;
	uint32_t context_size;
	uint32_t state_size;
	uint32_t pad;
};

static int fail(const char *what)
{
	int rc = errno ? errno : EIO;

	printf("%s: %s\n", what, strerror(rc));
	return -rc;
}

static int put(FILE *f, const void *data, size_t size)
{
	return fwrite(data, 1, size, f) == size ? 0 : fail("write");
}

static int take(FILE *f, void *data, size_t size)
{
	return fread(data, 1, size, f) == size ? 0 : fail("read");
}

static int put_memory(struct hv *hv, FILE *f, uint32_t *populated)
{
	xen_pfn_t *gfns = calloc(MAX_FRAMES, sizeof(*gfns));
	int *err = calloc(MAX_FRAMES, sizeof(*err));
	uint32_t nr = gfns ? hv_all_gfns(hv, gfns, MAX_FRAMES) : 0;
	uint8_t *map = nr && err ? hv_map(hv, gfns, nr, err) : NULL;
	int rc = map ? 0 : fail("map");

	*populated = 0;
	for (uint32_t i = 0; !rc && i < nr; i++) {
		uint64_t gfn = gfns[i];

		if (err[i])
			continue;
		rc = put(f, &gfn, sizeof(gfn));
		if (!rc)
			rc = put(f, map + i * HV_PAGE, HV_PAGE);
		++*populated;
	}
	if (map)
		xenforeignmemory_unmap(hv->fmem, map, nr);
	free(gfns);
	free(err);
	return rc;
}

static int put_context(struct hv *hv, FILE *f, uint32_t *size)
{
	static uint8_t context[65536];
	int n = xc_domain_hvm_getcontext(hv->xc, hv->domid, context, sizeof(context));

	if (n < 0)
		return fail("HVM context");
	*size = (uint32_t)n;
	return put(f, context, *size);
}

int hv_freeze(struct hv *hv, const char *file)
{
	struct frozen head = { .when = monotonic_ns() };
	const struct xen_kemari_state *state;
	FILE *f = fopen(file, "w");
	int rc;

	if (!f)
		return fail(file) != 0;

	/* Timers and clocks first, then memory. */
	rc = hvop_get_state(hv->hvop, hv->domid, &state, &head.state_size);
	if (rc) {
		printf("get_state: %s\n", strerror(-rc));
		goto out;
	}
	rc = put(f, &head, sizeof(head));
	if (!rc)
		rc = put(f, state, head.state_size);
	if (!rc)
		rc = put_context(hv, f, &head.context_size);
	if (!rc)
		rc = put_memory(hv, f, &head.nr_gfns);
	if (!rc && xc_hvm_param_get(hv->xc, hv->domid, HVM_PARAM_CALLBACK_IRQ, &head.callback_irq))
		rc = fail("HVM parameter");
	rewind(f);
	if (!rc)
		rc = put(f, &head, sizeof(head));
out:
	if (fclose(f) && !rc)
		rc = fail(file);
	if (!rc)
		printf("frozen: %u frames, %u bytes of state, %u of HVM context\n", head.nr_gfns,
		       head.state_size, head.context_size);
	return rc != 0;
}

/* shared_info and grant frames go where the guest had put them. */
static int place_frames(struct hv *hv, const struct xen_kemari_state *s)
{
	const uint64_t *gfns = hvop_state_grant_gfns(s);

	if (s->shared_info_gfn != XEN_KEMARI_INVALID_GFN &&
	    xc_domain_add_to_physmap(hv->xc, hv->domid, XENMAPSPACE_shared_info, 0, s->shared_info_gfn))
		return fail("placing shared_info");
	for (uint32_t i = 0; i < s->nr_grant_frames; i++)
		if (gfns[i] != XEN_KEMARI_INVALID_GFN &&
		    xc_domain_add_to_physmap(hv->xc, hv->domid, XENMAPSPACE_grant_table, i, gfns[i]))
			return fail("placing a grant frame");
	return 0;
}

/* Pins of backends that are no more: without this the guest could never end these grants. */
static void unpin_grants(uint8_t *page)
{
	grant_entry_v1_t *e = (grant_entry_v1_t *)page;

	for (size_t i = 0; i < HV_PAGE / sizeof(*e); i++)
		e[i].flags &= (uint16_t) ~(GTF_reading | GTF_writing);
}

static int is_grant_frame(const struct xen_kemari_state *s, uint64_t gfn)
{
	for (uint32_t i = 0; i < s->nr_grant_frames; i++)
		if (hvop_state_grant_gfns(s)[i] == gfn)
			return 1;
	return 0;
}

static int take_memory(struct hv *hv, FILE *f, uint32_t nr, const struct xen_kemari_state *s)
{
	static uint8_t page[HV_PAGE];
	int rc = 0;

	for (uint32_t i = 0; !rc && i < nr; i++) {
		uint64_t gfn;
		xen_pfn_t pfn;
		uint8_t *map;
		int err = 0;

		rc = take(f, &gfn, sizeof(gfn));
		if (!rc)
			rc = take(f, page, sizeof(page));
		if (rc)
			break;
		pfn = gfn;
		map = hv_map(hv, &pfn, 1, &err);
		if (!map || err)
			return fail("map");
		memcpy(map, page, HV_PAGE);
		if (is_grant_frame(s, gfn))
			unpin_grants(map);
		xenforeignmemory_unmap(hv->fmem, map, 1);
	}
	return rc;
}

/* The TSC runs on by the time that passed, as the system time does. */
static void advance_tsc(uint8_t *context, uint32_t size, uint64_t ticks)
{
	for (uint32_t at = 0; at + sizeof(struct hvm_save_descriptor) <= size;) {
		struct hvm_save_descriptor *d = (struct hvm_save_descriptor *)(context + at);

		at += (uint32_t)sizeof(*d);
		if (d->typecode == HVM_SAVE_CODE(CPU))
			((struct hvm_hw_cpu *)(context + at))->tsc += ticks;
		at += d->length;
	}
}

static int become(struct hv *hv, FILE *f, const struct frozen *head, struct xen_kemari_state *s,
		  uint8_t *context)
{
	uint64_t elapsed;
	int rc = place_frames(hv, s);

	if (!rc)
		rc = take_memory(hv, f, head->nr_gfns, s);
	if (rc)
		return rc;

	elapsed = monotonic_ns() - head->when;
	rc = hvop_set_state(hv->hvop, hv->domid, s, head->state_size, elapsed);
	if (rc) {
		printf("set_state: %s\n", strerror(-rc));
		return rc;
	}
	advance_tsc(context, head->context_size, elapsed * s->tsc_khz / 1000000);
	if (xc_domain_hvm_setcontext(hv->xc, hv->domid, context, head->context_size))
		return fail("HVM context");
	if (xc_hvm_param_set(hv->xc, hv->domid, HVM_PARAM_CALLBACK_IRQ, head->callback_irq))
		return fail("HVM parameter");
	rc = hvop_kick(hv->hvop, hv->domid, 0);
	if (!rc)
		printf("thawed: %.1f s passed\n", (double)elapsed / 1e9);
	return rc;
}

int hv_thaw(struct hv *hv, const char *file)
{
	struct xen_kemari_state *state = NULL;
	uint8_t *context = NULL;
	FILE *f = fopen(file, "r");
	struct frozen head;
	int rc;

	if (!f)
		return fail(file) != 0;
	rc = take(f, &head, sizeof(head));
	if (rc)
		goto out;
	state = malloc(head.state_size);
	context = malloc(head.context_size);
	rc = state && context ? take(f, state, head.state_size) : -ENOMEM;
	if (!rc)
		rc = take(f, context, head.context_size);
	if (!rc)
		rc = become(hv, f, &head, state, context);
out:
	free(state);
	free(context);
	fclose(f);
	return rc != 0;
}
