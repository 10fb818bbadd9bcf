/* SPDX-License-Identifier: GPL-2.0-only */
/* A guest's memory that is plain memory, and epochs to fill it. */
#ifndef KEMARI_TEST_FAKE_RAM_H
#define KEMARI_TEST_FAKE_RAM_H

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "apply/image.h"
#include "apply/ram.h"
#include "lib/hvop.h"
#include "wire/writer.h"

#define FAKE_GFNS 256U
#define FAKE_PAGE 4096U

/* The guest has RAM at gfns [0, 64) and [100, 116); what is mapped is a window into `page`. */
struct fake_ram {
	uint8_t page[FAKE_GFNS][FAKE_PAGE];
	bool present[FAKE_GFNS];
};

static const struct gfn_range fake_ranges[] = { { 0, 64 }, { 100, 16 } };

/* Chunks of the fake are contiguous as long as the gfns are. */
static void *fake_map(void *arg, const uint64_t *gfns, unsigned int nr, int *err)
{
	struct fake_ram *f = arg;

	for (unsigned int i = 0; i < nr; i++)
		err[i] = gfns[i] < FAKE_GFNS && f->present[gfns[i]] ? 0 : -ENOENT;
	return gfns[0] < FAKE_GFNS ? f->page[gfns[0]] : NULL;
}

static void fake_unmap(void *arg, void *addr, unsigned int nr)
{
}

static const struct ram_ops fake_ram_ops = { fake_map, fake_unmap };

static inline int fake_map_all(struct ram *ram)
{
	int rc;

	do
		rc = ram_map_some(ram);
	while (rc == 1);
	return rc;
}

static inline struct fake_ram *fake_ram_new(struct ram **ram)
{
	struct fake_ram *f = calloc(1, sizeof(*f));

	for (unsigned int i = 0; i < 64; i++)
		f->present[i] = true;
	for (unsigned int i = 100; i < 116; i++)
		f->present[i] = true;
	if (ram_open(&fake_ram_ops, f, fake_ranges, 2, ram) || fake_map_all(*ram))
		abort();
	return f;
}

/* A well-formed HV_STATE of one vCPU that names shared_info (~0: none) and nr grant frames. */
static inline size_t fake_hv_state(uint8_t *buf, uint64_t shared_info, const uint64_t *grants, uint32_t nr)
{
	struct xen_kemari_state s = { .magic = XEN_KEMARI_STATE_MAGIC,
				      .version = XEN_KEMARI_STATE_VERSION,
				      .nr_vcpus = 1,
				      .nr_grant_frames = nr,
				      .grant_version = 1,
				      .shared_info_gfn = shared_info };
	struct xen_kemari_vcpu v = { .vcpu_info_gfn = XEN_KEMARI_INVALID_GFN };

	memcpy(buf, &s, sizeof(s));
	memcpy(buf + sizeof(s), &v, sizeof(v));
	if (nr)
		memcpy(buf + sizeof(s) + sizeof(v), grants, nr * sizeof(*grants));
	return sizeof(s) + sizeof(v) + nr * sizeof(*grants);
}

/* What one test page looks like: zero, or all bytes the same. */
struct fake_page {
	uint64_t gfn;
	int fill; /* -1: a hole */
};

#define FAKE_G ((1ULL << 40) | 1)

static inline void fake_epoch_begin(struct record_writer *w, void *buf, size_t cap, uint64_t epoch,
				    uint64_t base)
{
	record_writer_init(w, buf, cap);
	record_epoch_begin(w, FAKE_G, epoch, base);
}

static inline void fake_pages(struct record_writer *w, const struct fake_page *p, unsigned int nr)
{
	uint8_t page[FAKE_PAGE];

	for (unsigned int i = 0; i < nr; i++) {
		memset(page, p[i].fill, sizeof(page));
		if (p[i].fill < 0)
			record_page_hole(w, p[i].gfn);
		else
			record_page(w, p[i].gfn, page);
	}
}

static inline void fake_device(struct record_writer *w, const char *type, uint32_t id, const char *text)
{
	size_t room;
	void *p = record_reserve_device(w, type, id, &room);

	if (p)
		memcpy(p, text, strlen(text));
	record_commit_device(w, strlen(text));
}

static inline size_t fake_epoch_end(struct record_writer *w, uint64_t session)
{
	if (record_epoch_end(w) || record_seal(w->buf, w->len, session))
		abort();
	return w->len;
}

/* A whole epoch of the given pages, with HVM_CONTEXT "cpu N" and device vbd 1 "dev N". */
static inline size_t fake_epoch(void *buf, size_t cap, uint64_t session, uint64_t epoch, uint64_t base,
				uint64_t shared_info, const struct fake_page *p, unsigned int nr)
{
	struct record_writer w;
	uint8_t state[512];
	char text[32];

	fake_epoch_begin(&w, buf, cap, epoch, base);
	record_put(&w, RECORD_HV_STATE, state, fake_hv_state(state, shared_info, NULL, 0));
	snprintf(text, sizeof(text), "cpu %llu", (unsigned long long)epoch);
	record_put(&w, RECORD_HVM_CONTEXT, text, strlen(text));
	fake_pages(&w, p, nr);
	snprintf(text, sizeof(text), "dev %llu", (unsigned long long)epoch);
	fake_device(&w, "vbd", 1, text);
	return fake_epoch_end(&w, session);
}

#endif /* KEMARI_TEST_FAKE_RAM_H */
