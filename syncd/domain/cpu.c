/* SPDX-License-Identifier: GPL-2.0-only */
#include "domain/cpu.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define XEN_LEAVES 0x40000000U
#define XEN_LEAVES_MASK 0xffff0000U

/* Bits that Xen computes at each CPUID instruction, whatever the policy holds there. */
static const struct {
	uint32_t leaf, subleaf; /* CPU_NO_SUBLEAF: any */
	uint32_t eax, ebx, ecx, edx;
} dynamic[] = {
	{ 0x1, CPU_NO_SUBLEAF, 0, 0xff000000U, 1U << 27, 0 }, /* APIC id, OSXSAVE */
	{ 0x7, 0, 0, 0, 1U << 4, 0 },			      /* OSPKE */
	{ 0xb, CPU_NO_SUBLEAF, 0, 0, 0xff, ~0U },	      /* its own subleaf, x2APIC id */
	{ 0xd, 0, 0, ~0U, 0, 0 },			      /* size for the XCR0 of the moment */
	{ 0xd, 1, 0, ~0U, 0, 0 },
};

static void mask(struct cpu_leaf *l)
{
	for (unsigned int i = 0; i < sizeof(dynamic) / sizeof(dynamic[0]); i++) {
		if (l->leaf != dynamic[i].leaf ||
		    (dynamic[i].subleaf != CPU_NO_SUBLEAF && l->subleaf != dynamic[i].subleaf))
			continue;
		l->eax &= ~dynamic[i].eax;
		l->ebx &= ~dynamic[i].ebx;
		l->ecx &= ~dynamic[i].ecx;
		l->edx &= ~dynamic[i].edx;
	}
}

static int compare_u32(uint32_t a, uint32_t b)
{
	return (a > b) - (a < b);
}

static int leaf_order(const void *a, const void *b)
{
	const struct cpu_leaf *x = a, *y = b;

	return compare_u32(x->leaf, y->leaf) ?: compare_u32(x->subleaf, y->subleaf);
}

static int msr_order(const void *a, const void *b)
{
	return compare_u32(((const struct cpu_msr *)a)->index, ((const struct cpu_msr *)b)->index);
}

void cpu_policy_settle(struct cpu_policy *p)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < p->nr_leaves; i++) {
		if ((p->leaf[i].leaf & XEN_LEAVES_MASK) == XEN_LEAVES)
			continue;
		p->leaf[n] = p->leaf[i];
		mask(&p->leaf[n++]);
	}
	p->nr_leaves = n;
	qsort(p->leaf, p->nr_leaves, sizeof(p->leaf[0]), leaf_order);
	qsort(p->msr, p->nr_msrs, sizeof(p->msr[0]), msr_order);
}

static void leaf_name(const struct cpu_leaf *l, char *to, size_t size)
{
	if (l->subleaf == CPU_NO_SUBLEAF)
		snprintf(to, size, "CPUID leaf 0x%" PRIx32, l->leaf);
	else
		snprintf(to, size, "CPUID leaf 0x%" PRIx32 " subleaf %" PRIu32, l->leaf, l->subleaf);
}

static int leaf_differs(const struct cpu_leaf *m, const struct cpu_leaf *t, char *why, size_t why_len)
{
	const struct {
		const char *name;
		uint32_t mine, theirs;
	} reg[] = { { "eax", m->eax, t->eax },
		    { "ebx", m->ebx, t->ebx },
		    { "ecx", m->ecx, t->ecx },
		    { "edx", m->edx, t->edx } };
	char name[64];

	for (unsigned int i = 0; i < 4; i++) {
		if (reg[i].mine == reg[i].theirs)
			continue;
		leaf_name(m, name, sizeof(name));
		snprintf(why, why_len,
			 "the guest's %s %s is 0x%08" PRIx32 " here and 0x%08" PRIx32 " on the peer", name,
			 reg[i].name, reg[i].mine, reg[i].theirs);
		return -EPROTO;
	}
	return 0;
}

static int leaf_missing(const struct cpu_leaf *l, const char *where, char *why, size_t why_len)
{
	char name[64];

	leaf_name(l, name, sizeof(name));
	snprintf(why, why_len, "the guest's %s exists only %s", name, where);
	return -EPROTO;
}

static int compare_leaves(const struct cpu_policy *mine, const struct cpu_policy *theirs, char *why,
			  size_t why_len)
{
	unsigned int m = 0, t = 0;

	while (m < mine->nr_leaves || t < theirs->nr_leaves) {
		int order = m == mine->nr_leaves     ? 1
			    : t == theirs->nr_leaves ? -1
						     : leaf_order(&mine->leaf[m], &theirs->leaf[t]);

		if (order < 0)
			return leaf_missing(&mine->leaf[m], "here", why, why_len);
		if (order > 0)
			return leaf_missing(&theirs->leaf[t], "on the peer", why, why_len);
		if (leaf_differs(&mine->leaf[m++], &theirs->leaf[t++], why, why_len))
			return -EPROTO;
	}
	return 0;
}

/* An MSR that is not there reads as 0 for the guest's purposes. */
static uint64_t msr_value(const struct cpu_policy *p, uint32_t index)
{
	for (unsigned int i = 0; i < p->nr_msrs; i++)
		if (p->msr[i].index == index)
			return p->msr[i].value;
	return 0;
}

static int compare_msrs(const struct cpu_policy *a, const struct cpu_policy *mine,
			const struct cpu_policy *theirs, char *why, size_t why_len)
{
	for (unsigned int i = 0; i < a->nr_msrs; i++) {
		uint64_t m = msr_value(mine, a->msr[i].index), t = msr_value(theirs, a->msr[i].index);

		if (m == t)
			continue;
		snprintf(why, why_len,
			 "the guest's MSR 0x%" PRIx32 " is 0x%" PRIx64 " here and 0x%" PRIx64 " on the peer",
			 a->msr[i].index, m, t);
		return -EPROTO;
	}
	return 0;
}

int cpu_policy_compare(const struct cpu_policy *mine, const struct cpu_policy *theirs, char *why,
		       size_t why_len)
{
	if (compare_leaves(mine, theirs, why, why_len) || compare_msrs(mine, mine, theirs, why, why_len) ||
	    compare_msrs(theirs, mine, theirs, why, why_len))
		return -EPROTO;
	return 0;
}
