/* SPDX-License-Identifier: GPL-2.0-only */
/* The verifier: states that are compared field by field, so that a difference has a name. */
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <xenctrl.h>

#include <xen/hvm/save.h>

#include "apply/verify.h"
#include "hvop.h"

void verify_differs(struct verify_result *res, const char *fmt, ...)
{
	va_list ap;

	if (res->fields < VERIFY_FIELDS) {
		va_start(ap, fmt);
		vsnprintf(res->field[res->fields], VERIFY_FIELD_MAX, fmt, ap);
		va_end(ap);
	}
	res->fields++;
}

void verify_bytes(struct verify_result *res, const char *name, const uint8_t *want, size_t want_len,
		  const uint8_t *have, size_t have_len)
{
	size_t i = 0;

	if (want_len != have_len) {
		verify_differs(res, "%s: %zu bytes instead of %zu", name, have_len, want_len);
		return;
	}
	while (i < want_len && want[i] == have[i])
		i++;
	if (i < want_len)
		verify_differs(res, "%s: byte %zu of %zu", name, i, want_len);
}

/* ---- hidden state ---- */

struct field {
	const char *name;
	uint16_t offset, size;
};

#define FIELD(s, m)                                                                                          \
	{                                                                                                    \
#m, offsetof(struct s, m), sizeof(((struct s *)0)->m)                                        \
	}

/* What does not change while the guest is stopped. */
static const struct field head_field[] = {
	FIELD(xen_kemari_state, version),	  FIELD(xen_kemari_state, flags),
	FIELD(xen_kemari_state, nr_vcpus),	  FIELD(xen_kemari_state, nr_ports),
	FIELD(xen_kemari_state, nr_grant_frames), FIELD(xen_kemari_state, grant_version),
	FIELD(xen_kemari_state, tsc_khz),	  FIELD(xen_kemari_state, vm_assist),
	FIELD(xen_kemari_state, shared_info_gfn), FIELD(xen_kemari_state, shutdown_code),
};

static const struct field vcpu_field[] = {
	FIELD(xen_kemari_vcpu, vcpu_info_gfn),	 FIELD(xen_kemari_vcpu, vcpu_info_offset),
	FIELD(xen_kemari_vcpu, upcall_vector),	 FIELD(xen_kemari_vcpu, interrupt_shadow),
	FIELD(xen_kemari_vcpu, runstate_area),	 FIELD(xen_kemari_vcpu, time_area),
	FIELD(xen_kemari_vcpu, periodic_period), FIELD(xen_kemari_vcpu, pending_debug),
};

static const struct field port_field[] = {
	FIELD(xen_kemari_port, port),	     FIELD(xen_kemari_port, state),
	FIELD(xen_kemari_port, priority),    FIELD(xen_kemari_port, vcpu),
	FIELD(xen_kemari_port, remote_dom),  FIELD(xen_kemari_port, virq),
	FIELD(xen_kemari_port, remote_port),
};

static void compare_fields(struct verify_result *res, const char *what, const struct field *f, size_t nr,
			   const void *want, const void *have)
{
	for (size_t i = 0; i < nr; i++)
		if (memcmp((const char *)want + f[i].offset, (const char *)have + f[i].offset, f[i].size) !=
		    0)
			verify_differs(res, "hidden state: %s%s", what, f[i].name);
}

/*
 * A change of state carries the time at which the scheduler began with it, before a state_get that it kept
 * waiting: what that one counted for the old state is taken back.
 */
#define RUNSTATE_BACK_NS 10000000U

/*
 * A timer fires by the clock of the guest's CPU, the reference's time is by that of dom0's: nanoseconds apart
 * on hardware, up to 11 ms in the lab, whose emulated CPUs wait for each other (xl debug-keys t, "stime
 * skew").
 */
#define CPU_CLOCKS_NS 20000000U

/* An armed timer stays as it is, or has fired since. */
static void compare_timer(struct verify_result *res, const char *what, const struct xen_kemari_vcpu *want,
			  const struct xen_kemari_vcpu *have, uint64_t now)
{
	bool armed = have->flags & XEN_KEMARI_VF_singleshot;

	if (armed && !(want->flags & XEN_KEMARI_VF_singleshot)) {
		if (have->singleshot_abs > now + CPU_CLOCKS_NS)
			verify_differs(
				res,
				"hidden state: %ssingleshot timer armed, %llu ns to go, the guest's is not",
				what, (unsigned long long)(have->singleshot_abs - now));
		return;
	}
	if ((want->flags ^ have->flags) & XEN_KEMARI_VF_singleshot)
		verify_differs(res, "hidden state: %ssingleshot timer not armed", what);
	else if (armed && want->singleshot_abs != have->singleshot_abs)
		verify_differs(res, "hidden state: %ssingleshot_abs", what);
}

static void compare_vcpu(struct verify_result *res, unsigned int n, const struct xen_kemari_vcpu *want,
			 const struct xen_kemari_vcpu *have, uint64_t now)
{
	uint32_t pending = XEN_KEMARI_VF_nmi_pending | XEN_KEMARI_VF_mce_pending;
	char what[24];

	snprintf(what, sizeof(what), "vcpu %u: ", n);
	compare_fields(res, what, vcpu_field, sizeof(vcpu_field) / sizeof(vcpu_field[0]), want, have);
	compare_timer(res, what, want, have, now);
	if ((want->flags ^ have->flags) & XEN_KEMARI_VF_online)
		verify_differs(res, "hidden state: %sonline", what);
	if (have->flags & ~want->flags & pending)
		verify_differs(res, "hidden state: %sNMI or MCE pending", what);
	/* of a stopped vCPU only the time of the state that it is in goes on; it does not run */
	if (want->runstate_time[0] != have->runstate_time[0])
		verify_differs(res, "hidden state: %stime running", what);
	for (unsigned int i = 1; i < 4; i++)
		if (have->runstate_time[i] > want->runstate_time[i] + RUNSTATE_BACK_NS)
			verify_differs(res, "hidden state: %srunstate_time[%u]", what, i);
}

static void compare_ports(struct verify_result *res, const struct xen_kemari_state *want,
			  const struct xen_kemari_state *have)
{
	const struct xen_kemari_port *w = hvop_state_ports(want), *h = hvop_state_ports(have);

	for (uint32_t i = 0; i < want->nr_ports; i++) {
		char what[24];

		snprintf(what, sizeof(what), "event port %u: ", w[i].port);
		compare_fields(res, what, port_field, sizeof(port_field) / sizeof(port_field[0]), &w[i],
			       &h[i]);
	}
}

void verify_hv_state(struct verify_result *res, const struct xen_kemari_state *want,
		     const struct xen_kemari_state *have)
{
	const struct xen_kemari_vcpu *w = hvop_state_vcpus(want), *h = hvop_state_vcpus(have);

	compare_fields(res, "", head_field, sizeof(head_field) / sizeof(head_field[0]), want, have);
	if (have->system_time > want->system_time)
		verify_differs(res, "hidden state: system_time");
	if (have->tsc > want->tsc)
		verify_differs(res, "hidden state: tsc");
	if (want->nr_vcpus != have->nr_vcpus || want->nr_ports != have->nr_ports ||
	    want->nr_grant_frames != have->nr_grant_frames)
		return;
	for (uint32_t i = 0; i < want->nr_vcpus; i++)
		compare_vcpu(res, i, &w[i], &h[i], want->system_time);
	compare_ports(res, want, have);
	for (uint32_t i = 0; i < want->nr_grant_frames; i++)
		if (hvop_state_grant_gfns(want)[i] != hvop_state_grant_gfns(have)[i])
			verify_differs(res, "hidden state: gfn of grant frame %u", i);
}

/* ---- HVM context ---- */

#define LAPIC_TMR 0x180U
#define LAPIC_IRR 0x200U
#define LAPIC_IRR_END 0x280U

struct entry {
	struct hvm_save_descriptor d;
	const uint8_t *data;
};

/* False: the end, or cut short. */
static bool next_entry(const uint8_t *ctx, size_t len, size_t *at, struct entry *e)
{
	if (len - *at < sizeof(e->d))
		return false;
	memcpy(&e->d, ctx + *at, sizeof(e->d));
	*at += sizeof(e->d);
	if (len - *at < e->d.length)
		return false;
	e->data = ctx + *at;
	*at += e->d.length;
	return true;
}

/* An interrupt may come to a stopped vCPU; none goes. */
static bool lapic_equal(const uint8_t *want, const uint8_t *have, size_t len, size_t *where)
{
	for (size_t i = 0; i < len; i++) {
		if (i >= LAPIC_TMR && i < LAPIC_IRR)
			continue;
		if (i >= LAPIC_IRR && i < LAPIC_IRR_END ? have[i] & ~want[i] : have[i] != want[i]) {
			*where = i;
			return false;
		}
	}
	return true;
}

/* The TSC goes on. */
static bool cpu_equal(const uint8_t *want, const uint8_t *have, size_t len, size_t *where)
{
	size_t tsc = offsetof(struct hvm_hw_cpu, tsc);

	for (size_t i = 0; i < len; i++)
		if ((i < tsc || i >= tsc + sizeof(uint64_t)) && want[i] != have[i]) {
			*where = i;
			return false;
		}
	return true;
}

static void compare_entry(struct verify_result *res, const struct entry *want, const struct entry *have)
{
	size_t where = 0, len = want->d.length;
	bool equal;

	if (want->d.typecode != have->d.typecode || want->d.instance != have->d.instance ||
	    want->d.length != have->d.length) {
		verify_differs(res, "HVM context: record %u of vcpu %u of %u bytes is missing",
			       want->d.typecode, want->d.instance, want->d.length);
		return;
	}
	if (want->d.typecode == HVM_SAVE_CODE(CPU)) {
		equal = cpu_equal(want->data, have->data, len, &where);
	} else if (want->d.typecode == HVM_SAVE_CODE(LAPIC_REGS)) {
		equal = lapic_equal(want->data, have->data, len, &where);
	} else {
		while (where < len && want->data[where] == have->data[where])
			where++;
		equal = where == len;
	}
	if (!equal)
		verify_differs(res, "HVM context: %s %u of vcpu %u, byte %zu",
			       want->d.typecode == HVM_SAVE_CODE(CPU) ? "CPU registers, record" : "record",
			       want->d.typecode, want->d.instance, where);
}

void verify_hvm_context(struct verify_result *res, const uint8_t *want, size_t want_len, const uint8_t *have,
			size_t have_len)
{
	size_t want_at = 0, have_at = 0;
	struct entry w, h;

	if (want_len != have_len) {
		verify_differs(res, "HVM context: %zu bytes instead of %zu", have_len, want_len);
		return;
	}
	while (next_entry(want, want_len, &want_at, &w)) {
		if (!next_entry(have, have_len, &have_at, &h)) {
			verify_differs(res, "HVM context: cut short");
			return;
		}
		compare_entry(res, &w, &h);
	}
}
