/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a guest sees of the CPU: the CPUID leaves and MSRs of its domain's policy in Xen.  A guest that is
 * continued on another host must find the same ones there, so both domains' policies are compared before
 * anything is copied.
 *
 * Left out is what does not belong to the policy: values that Xen fills in while the guest runs (APIC ids,
 * bits that mirror CR4, the size of the enabled XSAVE area) and Xen's own leaves (0x4000xxxx), which may grow
 * with an update of Xen that the guest survives (ownership.md, item 34).
 */
#ifndef KEMARI_DOMAIN_CPU_H
#define KEMARI_DOMAIN_CPU_H

#include <stddef.h>
#include <stdint.h>

#define CPU_MAX_LEAVES 192 /* Xen 4.17 has at most 133 */
#define CPU_MAX_MSRS 16	   /* ... 2 */
#define CPU_NO_SUBLEAF 0xffffffffU

struct cpu_leaf {
	uint32_t leaf, subleaf; /* CPU_NO_SUBLEAF: it has none */
	uint32_t eax, ebx, ecx, edx;
};

struct cpu_msr {
	uint32_t index;
	uint64_t value;
};

/* In canonical order (cpu_policy_settle); nr_leaves 0: not known. */
struct cpu_policy {
	unsigned int nr_leaves, nr_msrs;
	struct cpu_leaf leaf[CPU_MAX_LEAVES];
	struct cpu_msr msr[CPU_MAX_MSRS];
};

/* Takes out what is not compared and sorts the rest. */
void cpu_policy_settle(struct cpu_policy *p);

/*
 * 0, or -EPROTO with a sentence that names the first leaf or MSR that differs, with both values.  Both
 * settled and known.
 */
int cpu_policy_compare(const struct cpu_policy *mine, const struct cpu_policy *theirs, char *why,
		       size_t why_len);

struct xc_interface_core;

/* The policy of a domain, settled; 0 or a negative errno with one message. */
int cpu_policy_read(struct xc_interface_core *xc, uint32_t domid, const char *vm, struct cpu_policy *p);

#endif /* KEMARI_DOMAIN_CPU_H */
