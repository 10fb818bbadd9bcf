/* SPDX-License-Identifier: GPL-2.0-only */
/* A domain's memory through libxenforeignmemory. */
#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>

#include <xenforeignmemory.h>

#include "apply/ram.h"

#define MAP_MAX 4096U

struct ram_xen {
	xenforeignmemory_handle *fmem;
	uint32_t domid;
};

static void *xen_map(void *arg, const uint64_t *gfns, unsigned int nr, int *err)
{
	struct ram_xen *x = arg;
	xen_pfn_t pfn[MAP_MAX];

	if (nr > MAP_MAX)
		return NULL;
	for (unsigned int i = 0; i < nr; i++)
		pfn[i] = gfns[i];
	return xenforeignmemory_map(x->fmem, x->domid, PROT_READ | PROT_WRITE, nr, pfn, err);
}

static void xen_unmap(void *arg, void *addr, unsigned int nr)
{
	struct ram_xen *x = arg;

	xenforeignmemory_unmap(x->fmem, addr, nr);
}

int ram_xen_open(uint32_t domid, const struct ram_ops **ops, void **arg)
{
	static const struct ram_ops xen_ops = { .map = xen_map, .unmap = xen_unmap };
	struct ram_xen *x = calloc(1, sizeof(*x));

	if (!x)
		return -ENOMEM;
	x->domid = domid;
	x->fmem = xenforeignmemory_open(NULL, 0);
	if (!x->fmem) {
		int rc = -errno;

		free(x);
		return rc;
	}
	*ops = &xen_ops;
	*arg = x;
	return 0;
}

void ram_xen_close(void *arg)
{
	struct ram_xen *x = arg;

	xenforeignmemory_close(x->fmem);
	free(x);
}
