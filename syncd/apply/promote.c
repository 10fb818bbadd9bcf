/* SPDX-License-Identifier: GPL-2.0-only */
#include "promote.h"

#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <xenctrl.h>
#include <xenforeignmemory.h>

#include <xen/grant_table.h>
#include <xen/hvm/params.h>
#include <xen/hvm/save.h>
#include <xen/memory.h>

#include "hvop.h"
#include "log.h"
#include "monotonic.h"

#define PAGE 4096U

static uint64_t elapsed_ns(const struct promote_cfg *cfg)
{
	return monotonic_ns() - cfg->received_ns;
}

static int fail(const struct promote_cfg *cfg, int rc, const char *what)
{
	kem_vm_err(cfg->vm, "promotion: cannot %s: %s", what, strerror(-rc));
	return rc;
}

/* ---- physmap ----------------------------------------------------------------------------------------- */

static int give_back_holes(const struct promote_cfg *cfg)
{
	uint64_t gfn = 0, hole;

	while (image_next_hole(cfg->image, gfn, &hole)) {
		xen_pfn_t pfn = hole;

		gfn = hole + 1;
		if (!ram_page(cfg->ram, hole))
			continue;
		if (xc_domain_decrease_reservation_exact(cfg->xc, cfg->domid, 1, 0, &pfn))
			return fail(cfg, -errno, "give back a page");
		ram_remap(cfg->ram, hole);
	}
	return 0;
}

struct extra {
	const struct promote_cfg *cfg;
	int rc;
};

/* A page that the guest has and the shell lacks. */
static void add_page(void *arg, uint64_t gfn, const void *page)
{
	struct extra *x = arg;
	xen_pfn_t pfn = gfn;

	if (x->rc || (gfn & RECORD_DEVICE_GFN))
		return;
	if (!ram_page(x->cfg->ram, gfn) && ram_remap(x->cfg->ram, gfn)) {
		if (xc_domain_populate_physmap_exact(x->cfg->xc, x->cfg->domid, 1, 0, 0, &pfn)) {
			x->rc = -errno;
			return;
		}
		x->rc = ram_remap(x->cfg->ram, gfn);
	}
	if (!x->rc)
		memcpy(ram_page(x->cfg->ram, gfn), page, PAGE);
}

static int place_shared_info(const struct promote_cfg *cfg, const struct xen_kemari_state *s)
{
	const void *page;
	int rc;

	if (s->shared_info_gfn == XEN_KEMARI_INVALID_GFN)
		return 0;
	page = image_special(cfg->image, s->shared_info_gfn);
	if (!page)
		return fail(cfg, -ENODATA, "find shared_info in the image");
	if (xc_domain_add_to_physmap(cfg->xc, cfg->domid, XENMAPSPACE_shared_info, 0, s->shared_info_gfn))
		return fail(cfg, -errno, "place shared_info");
	rc = ram_remap(cfg->ram, s->shared_info_gfn);
	if (rc)
		return fail(cfg, rc, "map shared_info");
	memcpy(ram_page(cfg->ram, s->shared_info_gfn), page, PAGE);
	return 0;
}

/*
 * GTF_reading and GTF_writing say that the primary's backends had the page mapped.  Nobody here has, and a
 * bit that stays would keep the guest from ever ending the grant.
 */
static void copy_grants(grant_entry_v1_t *to, const grant_entry_v1_t *from)
{
	for (unsigned int i = 0; i < PAGE / sizeof(*to); i++) {
		to[i] = from[i];
		to[i].flags &= (uint16_t) ~(GTF_reading | GTF_writing);
	}
}

static int fill_grants(const struct promote_cfg *cfg, const struct xen_kemari_state *s)
{
	xenforeignmemory_handle *fmem = xenforeignmemory_open(NULL, 0);
	xenforeignmemory_resource_handle *res;
	void *addr = NULL;
	int rc = 0;

	if (!fmem)
		return fail(cfg, -errno, "open foreign memory");
	res = xenforeignmemory_map_resource(fmem, (domid_t)cfg->domid, XENMEM_resource_grant_table,
					    XENMEM_resource_grant_table_id_shared, 0, s->nr_grant_frames,
					    &addr, PROT_READ | PROT_WRITE, 0);
	if (!res) {
		rc = fail(cfg, -errno, "map the grant table");
		goto out;
	}
	for (uint32_t i = 0; i < s->nr_grant_frames; i++) {
		uint64_t gfn = hvop_state_grant_gfns(s)[i];
		const void *page = gfn == XEN_KEMARI_INVALID_GFN ? NULL : image_special(cfg->image, gfn);

		if (page)
			copy_grants((grant_entry_v1_t *)((uint8_t *)addr + (size_t)i * PAGE), page);
	}
	xenforeignmemory_unmap_resource(fmem, res);
out:
	xenforeignmemory_close(fmem);
	return rc;
}

static int place_grants(const struct promote_cfg *cfg, const struct xen_kemari_state *s)
{
	for (uint32_t i = 0; i < s->nr_grant_frames; i++) {
		uint64_t gfn = hvop_state_grant_gfns(s)[i];

		if (gfn == XEN_KEMARI_INVALID_GFN)
			continue;
		if (xc_domain_add_to_physmap(cfg->xc, cfg->domid, XENMAPSPACE_grant_table, i, gfn))
			return fail(cfg, -errno, "place a grant frame");
		/* in place of a page of its RAM, for some kernels */
		if (ram_index(cfg->ram, gfn) != ~0ULL && ram_remap(cfg->ram, gfn))
			return fail(cfg, -EIO, "map a grant frame");
	}
	return s->nr_grant_frames ? fill_grants(cfg, s) : 0;
}

/* ---- vCPUs ------------------------------------------------------------------------------------------- */

/* Moves the TSC of each CPU record on by the time that passed since the capture. */
static int advance_tsc(uint8_t *ctx, size_t len, uint64_t ticks)
{
	size_t at = 0;

	while (len - at >= sizeof(struct hvm_save_descriptor)) {
		struct hvm_save_descriptor d;
		struct hvm_hw_cpu cpu;

		memcpy(&d, ctx + at, sizeof(d));
		at += sizeof(d);
		if (d.length > len - at)
			return -EBADMSG;
		if (d.typecode == HVM_SAVE_CODE(END))
			return 0;
		if (d.typecode == HVM_SAVE_CODE(CPU) && d.length >= sizeof(cpu)) {
			memcpy(&cpu, ctx + at, sizeof(cpu));
			cpu.tsc += ticks;
			memcpy(ctx + at, &cpu, sizeof(cpu));
		}
		at += d.length;
	}
	return -EBADMSG;
}

static int set_context(const struct promote_cfg *cfg, const struct xen_kemari_state *s)
{
	size_t len;
	const void *blob = image_blob(cfg->image, RECORD_HVM_CONTEXT, &len);
	uint8_t *ctx;
	uint64_t ticks;
	int rc;

	if (!blob)
		return fail(cfg, -ENODATA, "find the HVM context in the image");
	ctx = malloc(len);
	if (!ctx)
		return -ENOMEM;
	memcpy(ctx, blob, len);
	ticks = (uint64_t)((unsigned __int128)elapsed_ns(cfg) * s->tsc_khz / 1000000U);
	rc = advance_tsc(ctx, len, ticks);
	if (rc)
		fail(cfg, rc, "read the HVM context");
	else if (xc_domain_hvm_setcontext(cfg->xc, cfg->domid, ctx, (uint32_t)len))
		rc = fail(cfg, -errno, "set the HVM context");
	free(ctx);
	return rc;
}

static int set_params(const struct promote_cfg *cfg)
{
	size_t len;
	const uint8_t *blob = image_blob(cfg->image, RECORD_HVM_PARAMS, &len);

	for (size_t at = 0; blob && at + 16 <= len; at += 16) {
		uint64_t index, value;

		memcpy(&index, blob + at, 8);
		memcpy(&value, blob + at + 8, 8);
		/* the only one that a guest changes while it runs */
		if (le64toh(index) != HVM_PARAM_CALLBACK_IRQ)
			continue;
		if (xc_hvm_param_set(cfg->xc, (domid_t)cfg->domid, HVM_PARAM_CALLBACK_IRQ, le64toh(value)))
			return fail(cfg, -errno, "set the callback");
	}
	return 0;
}

int promote_image(const struct promote_cfg *cfg)
{
	struct extra x = { .cfg = cfg };
	const struct xen_kemari_state *s;
	size_t len;
	int rc;

	s = image_blob(cfg->image, RECORD_HV_STATE, &len);
	if (!s || hvop_state_check(s, (uint32_t)len))
		return fail(cfg, -ENODATA, "find a valid state in the image");
	rc = give_back_holes(cfg);
	if (rc)
		return rc;
	image_each_special(cfg->image, add_page, &x);
	if (x.rc)
		return fail(cfg, x.rc, "add a page");
	rc = place_shared_info(cfg, s);
	if (!rc)
		rc = place_grants(cfg, s);
	if (rc)
		return rc;
	/* that change of the physmap is the peer's, too, and mapped anew here; if it stays marked, it is sent
	 * once more */
	hvop_forget_dirty(cfg->hv, cfg->domid);
	rc = hvop_set_state(cfg->hv, cfg->domid, s, (uint32_t)len, elapsed_ns(cfg));
	if (rc)
		return fail(cfg, rc, "set the guest's state in Xen");
	rc = set_context(cfg, s);
	return rc ? rc : set_params(cfg);
}
