/* SPDX-License-Identifier: GPL-2.0-only */
/* Harvest against a compare of the whole RAM between two pauses. */
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "hv-memory.h"

#define ACPI_GFN 0xfc000UL
#define SPECIAL_GFN 0xfeff8UL
#define SPECIAL_FRAMES 8
#define XENSTORE_GFN 0xfeffcUL
#define CONSOLE_GFN 0xfefffUL

uint32_t hv_all_gfns(struct hv *hv, xen_pfn_t *gfns, uint32_t cap)
{
	xc_dominfo_t info;
	uint32_t nr = 0;
	uint64_t ram;

	if (xc_domain_getinfo(hv->xc, hv->domid, 1, &info) != 1 || info.domid != hv->domid)
		return 0;
	/* What is ballooned out or beyond the end fails to map and is skipped. */
	ram = info.max_memkb / 4;
	for (uint64_t g = 0; g < ram && g < ACPI_GFN && nr < cap; g++)
		gfns[nr++] = g;
	for (uint64_t g = ACPI_GFN; g < ACPI_GFN + 0x100 && nr < cap; g++)
		gfns[nr++] = g;
	for (uint64_t g = SPECIAL_GFN; g < SPECIAL_GFN + SPECIAL_FRAMES && nr < cap; g++)
		gfns[nr++] = g;
	return nr;
}

uint8_t *hv_map(struct hv *hv, const xen_pfn_t *gfns, uint32_t nr, int *err)
{
	return xenforeignmemory_map(hv->fmem, hv->domid, PROT_READ | PROT_WRITE, nr, gfns, err);
}

uint8_t *hv_frame(const struct memory *m, uint32_t i)
{
	return m->now + i * HV_PAGE;
}

uint8_t *hv_copy_of(const struct memory *m, uint32_t i)
{
	return m->before + i * HV_PAGE;
}

static void set_always(struct memory *m, uint64_t gfn)
{
	if (gfn < HV_MAX_GFN && m->slot[gfn])
		m->always[m->slot[gfn] - 1] = 1;
}

/* The list of doc/hypervisor.md. */
static int find_always(struct memory *m)
{
	const struct xen_kemari_state *s;
	uint32_t size;
	int rc = hvop_get_state(m->hv->hvop, m->hv->domid, &s, &size);

	if (rc)
		return rc;
	set_always(m, s->shared_info_gfn);
	for (uint32_t i = 0; i < s->nr_vcpus; i++)
		set_always(m, hvop_state_vcpus(s)[i].vcpu_info_gfn);
	for (uint32_t i = 0; i < s->nr_grant_frames; i++)
		set_always(m, hvop_state_grant_gfns(s)[i]);
	set_always(m, XENSTORE_GFN);
	set_always(m, CONSOLE_GFN);
	return 0;
}

/* A gfn whose frame came or went is mapped anew. */
void hv_remap(struct memory *m, uint32_t i)
{
	xen_pfn_t gfn = m->gfns[i];
	void *at;

	if (!m->err[i])
		munmap(hv_frame(m, i), HV_PAGE);
	at = xenforeignmemory_map2(m->hv->fmem, m->hv->domid, hv_frame(m, i), PROT_READ | PROT_WRITE, MAP_FIXED,
				   1, &gfn, &m->err[i]);
	if (!at) {
		mmap(hv_frame(m, i), HV_PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
		m->err[i] = -EINVAL;
	}
}

/* The parts are as long as those that are read one by one, and the pause that comes with them is given back. */
static int by_checkpoint(struct memory *m, struct hvop_harvest *h)
{
	const struct xen_kemari_state *s;
	struct hvop_checkpoint cp;
	uint32_t size;
	int rc = hvop_checkpoint(m->hv->hvop, m->hv->domid, true, &cp);

	if (rc)
		return rc;
	*h = cp.dirty;
	rc = hvop_resume(m->hv->hvop, m->hv->domid);
	if (!rc)
		rc = hvop_get_state(m->hv->hvop, m->hv->domid, &s, &size);
	if (rc)
		return rc;
	if (size != cp.state_size ||
	    xc_domain_hvm_getcontext(m->hv->xc, m->hv->domid, m->context, sizeof(m->context)) !=
		    (int)cp.context_size) {
		puts("a checkpoint's parts are not of the size that they have");
		return -EPROTO;
	}
	return 0;
}

/* One harvest; marks the listed frames and takes their content over. */
int hv_harvest(struct memory *m, bool *physmap)
{
	bool first = m->first != NULL;
	struct hvop_harvest h;

	*physmap = false;
	do {
		int rc = first ? m->first(m, &h) : hvop_harvest(m->hv->hvop, m->hv->domid, &h);

		if (rc)
			return rc;
		first = false;
		*physmap |= h.physmap;
		m->hot_listed = h.hot;
		for (uint32_t n = 0; n < h.nr; n++) {
			uint32_t i = h.gfns[n] < HV_MAX_GFN ? m->slot[h.gfns[n]] : 0;

			if (!i) {
				printf("listed gfn %#" PRIx64 " is unknown\n", h.gfns[n]);
				continue;
			}
			if (m->hot[i - 1] && !h.physmap && !h.hot) {
				printf("hot gfn %#" PRIx64 " was listed\n", h.gfns[n]);
				return -EPROTO;
			}
			m->listed[i - 1] = 1;
			m->hot_written += m->hot[i - 1];
			m->total++;
		}
	} while (h.more);

	return 0;
}

/* Frames that differ from their copies though not listed; the copies follow in any case. */
static uint32_t compare(struct memory *m, bool report)
{
	uint32_t bad = 0;

	for (uint32_t i = 0; i < m->nr; i++) {
		if (m->err[i] || (!m->listed[i] && !memcmp(hv_frame(m, i), hv_copy_of(m, i), HV_PAGE)))
			continue;
		if (memcmp(hv_frame(m, i), hv_copy_of(m, i), HV_PAGE))
			m->changed++;
		if (m->listed[i] || m->always[i] || (m->hot[i] && !m->hot_listed))
			memcpy(hv_copy_of(m, i), hv_frame(m, i), HV_PAGE);
		else {
			bad++;
			if (report)
				printf("gfn %#lx changed and was not listed\n", (unsigned long)m->gfns[i]);
		}
	}
	return bad;
}

int hv_epoch(struct memory *m)
{
	bool physmap, again;
	uint32_t bad;
	int rc;

	memset(m->listed, 0, m->nr);
	if (!m->area)
		xc_domain_pause(m->hv->xc, m->hv->domid);
	rc = hv_harvest(m, &physmap);
	if (rc)
		goto out;
	for (uint32_t i = 0; physmap && i < m->nr; i++)
		if (m->listed[i])
			hv_remap(m, i);

	bad = compare(m, false);
	if (bad) {
		/* A grant copy into a paused guest comes after the list, and its mark with it. */
		rc = hv_harvest(m, &again);
		if (rc)
			goto out;
		m->late += bad;
		bad = compare(m, true);
		m->late -= bad;
		m->unlisted += bad;
		/* Told once is enough. */
		for (uint32_t i = 0; i < m->nr; i++)
			if (!m->err[i])
				memcpy(hv_copy_of(m, i), hv_frame(m, i), HV_PAGE);
	}
out:
	if (m->area)
		hv_area_end(m->area);
	else
		xc_domain_unpause(m->hv->xc, m->hv->domid);
	return rc;
}

int hv_open_memory(struct memory *m, struct hv *hv)
{
	uint32_t cap = (uint32_t)(ACPI_GFN / 4);

	m->hv = hv;
	m->gfns = calloc(cap, sizeof(*m->gfns));
	m->slot = calloc(HV_MAX_GFN, sizeof(*m->slot));
	if (!m->gfns || !m->slot)
		return -ENOMEM;
	m->nr = hv_all_gfns(hv, m->gfns, cap);
	m->err = calloc(m->nr, sizeof(*m->err));
	m->listed = calloc(m->nr, 1);
	m->always = calloc(m->nr, 1);
	m->hot = calloc(m->nr, 1);
	m->before = malloc(m->nr * HV_PAGE);
	m->now = hv_map(hv, m->gfns, m->nr, m->err);
	if (!m->nr || !m->err || !m->listed || !m->always || !m->hot || !m->before || !m->now)
		return -ENOMEM;
	for (uint32_t i = 0; i < m->nr; i++)
		m->slot[m->gfns[i]] = i + 1;
	return 0;
}

/* Piece by piece, between which the guest runs and writes to both sides of the border. */
static int protect(struct hv *hv)
{
	const struct timespec gap = { .tv_nsec = 2000000 };
	uint64_t next = 0;
	int rc = 0;

	while (!rc && next != UINT64_MAX) {
		xc_domain_pause(hv->xc, hv->domid);
		rc = hvop_protect(hv->hvop, hv->domid, 1000, &next);
		xc_domain_unpause(hv->xc, hv->domid);
		nanosleep(&gap, NULL);
	}
	return rc;
}

int hv_start(struct memory *m)
{
	bool physmap;
	int rc = hvop_log(m->hv->hvop, m->hv->domid, true);

	if (!rc)
		rc = protect(m->hv);
	if (rc)
		return rc;
	xc_domain_pause(m->hv->xc, m->hv->domid);
	rc = find_always(m);
	if (!rc)
		rc = hv_harvest(m, &physmap);
	for (uint32_t i = 0; i < m->nr; i++)
		if (!m->err[i])
			memcpy(hv_copy_of(m, i), hv_frame(m, i), HV_PAGE);
	m->total = 0;
	xc_domain_unpause(m->hv->xc, m->hv->domid);
	return rc;
}

void hv_stop(struct hv *hv)
{
	const struct timespec unlogged = { .tv_nsec = 300000000 };

	hvop_log(hv->hvop, hv->domid, false);
	xc_shadow_control(hv->xc, hv->domid, XEN_DOMCTL_SHADOW_OP_OFF, NULL, 0);
	nanosleep(&unlogged, NULL);
}

int hv_epochs(struct memory *m, int nr, long ms)
{
	const struct timespec gap = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 };
	int rc = 0;

	for (int i = 0; !rc && i < nr; i++) {
		nanosleep(&gap, NULL);
		rc = hv_epoch(m);
	}
	printf("epochs=%d listed=%" PRIu64 " changed=%" PRIu64 " unlisted=%" PRIu64 " late=%" PRIu64 "\n", nr,
	       m->total, m->changed, m->unlisted, m->late);
	return rc;
}

/* The frames written in one epoch become hot. */
static int make_hot(struct memory *m, long ms, uint64_t *gfns, uint32_t *nr)
{
	int rc = hv_epochs(m, 1, ms);

	*nr = 0;
	for (uint32_t i = 0; !rc && i < m->nr && *nr < XEN_KEMARI_MAX_HOT; i++)
		if (m->listed[i]) {
			m->hot[i] = 1;
			gfns[(*nr)++] = m->gfns[i];
		}
	/* Any order will do. */
	if (*nr > 1) {
		uint64_t t = gfns[0];

		gfns[0] = gfns[*nr - 1];
		gfns[*nr - 1] = t;
	}
	return rc ? rc : hvop_set_hot(m->hv->hvop, m->hv->domid, gfns, *nr);
}

/*
 * Hot frames are listed if the CPU notes that they were written, else never while they are hot; and all of them once when
 * they stop being so.
 */
static int check_hot(struct memory *m, int nr, long ms)
{
	static uint64_t gfns[XEN_KEMARI_MAX_HOT];
	uint64_t beyond = HV_MAX_GFN << 4;
	uint32_t hot, missing = 0;
	int rc = make_hot(m, ms, gfns, &hot);

	if (!rc)
		rc = hv_epochs(m, nr, ms);
	if (rc)
		return rc;
	if (hvop_set_hot(m->hv->hvop, m->hv->domid, &beyond, 1) != -EINVAL) {
		puts("a hot gfn beyond the physmap was accepted");
		return -EPROTO;
	}

	xc_domain_pause(m->hv->xc, m->hv->domid);
	rc = hvop_set_hot(m->hv->hvop, m->hv->domid, NULL, 0);
	memset(m->hot, 0, m->nr);
	memset(m->listed, 0, m->nr);
	if (!rc) {
		bool physmap;

		rc = hv_harvest(m, &physmap);
		compare(m, false);
	}
	xc_domain_unpause(m->hv->xc, m->hv->domid);
	for (uint32_t i = 0; i < hot; i++)
		missing += !m->listed[m->slot[gfns[i]] - 1];
	printf("hot=%u written=%" PRIu64 " missing afterwards=%u\n", hot, m->hot_written, missing);
	return rc ? rc : (!hot || missing || (m->hot_listed && !m->hot_written)) ? -EPROTO : hv_epochs(m, nr, ms);
}

int hv_memory_main(struct hv *hv, int argc, char **argv)
{
	static struct memory m;
	int nr = argc > 1 ? atoi(argv[1]) : 10;
	long ms = argc > 2 ? atol(argv[2]) : 100;
	int rc = hv_open_memory(&m, hv);

	m.first = strcmp(argv[0], "checkpoint") ? NULL : by_checkpoint;
	if (!rc)
		rc = hv_start(&m);
	if (!rc)
		rc = strcmp(argv[0], "harvest") ? check_hot(&m, nr, ms) : hv_epochs(&m, nr, ms);
	hv_stop(hv);
	/* frames of all kinds are left: protected, written since, hot */
	if (!rc)
		rc = hv_start(&m);
	if (!rc)
		rc = hv_epochs(&m, nr, ms);
	hv_stop(hv);
	if (rc)
		printf("error %d %s\n", -rc, strerror(-rc));
	return rc || m.unlisted || !m.changed;
}
