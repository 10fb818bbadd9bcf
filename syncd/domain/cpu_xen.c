/* SPDX-License-Identifier: GPL-2.0-only */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <xenctrl.h>
#include <xenguest.h>

#include "domain/cpu.h"
#include "log.h"

static int convert(const xen_cpuid_leaf_t *leaf, uint32_t nr_leaves, const xen_msr_entry_t *msr,
		   uint32_t nr_msrs, struct cpu_policy *p)
{
	if (nr_leaves > CPU_MAX_LEAVES || nr_msrs > CPU_MAX_MSRS)
		return -E2BIG;
	p->nr_leaves = nr_leaves;
	p->nr_msrs = nr_msrs;
	for (uint32_t i = 0; i < nr_leaves; i++)
		p->leaf[i] = (struct cpu_leaf){ leaf[i].leaf, leaf[i].subleaf, leaf[i].a,
						leaf[i].b,    leaf[i].c,       leaf[i].d };
	for (uint32_t i = 0; i < nr_msrs; i++)
		p->msr[i] = (struct cpu_msr){ msr[i].idx, msr[i].val };
	cpu_policy_settle(p);
	return 0;
}

int cpu_policy_read(struct xc_interface_core *xc, uint32_t domid, const char *vm, struct cpu_policy *p)
{
	xc_cpu_policy_t *policy = xc_cpu_policy_init();
	uint32_t nr_leaves = 0, nr_msrs = 0;
	xen_cpuid_leaf_t *leaf = NULL;
	xen_msr_entry_t *msr = NULL;
	int rc = -ENOMEM;

	memset(p, 0, sizeof(*p));
	if (!policy)
		goto out;
	if (xc_cpu_policy_get_size(xc, &nr_leaves, &nr_msrs) || xc_cpu_policy_get_domain(xc, domid, policy))
		goto out_errno;
	leaf = calloc(nr_leaves, sizeof(*leaf));
	msr = calloc(nr_msrs, sizeof(*msr));
	if (!leaf || !msr)
		goto out;
	if (xc_cpu_policy_serialise(xc, policy, leaf, &nr_leaves, msr, &nr_msrs))
		goto out_errno;
	rc = convert(leaf, nr_leaves, msr, nr_msrs, p);
	goto out;

out_errno:
	rc = errno ? -errno : -EIO;
out:
	if (rc)
		kem_vm_err(vm, "the guest's CPU policy cannot be read: %s", strerror(-rc));
	free(leaf);
	free(msr);
	if (policy)
		xc_cpu_policy_destroy(policy);
	return rc;
}
