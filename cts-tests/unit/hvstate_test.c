/* SPDX-License-Identifier: GPL-2.0-only */
/* The check of a hypervisor state blob: the very file that the hypervisor is built with. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <xenctrl.h>

#include "hvop.h"

enum { VCPUS = 2, PORTS = 5, FRAMES = 2 };

struct blob {
	struct xen_kemari_state s;
	struct xen_kemari_vcpu v[VCPUS];
	struct xen_kemari_port p[PORTS];
	uint64_t gfns[FRAMES];
};

static struct blob good(void)
{
	struct blob b = {
		.s = { .magic = XEN_KEMARI_STATE_MAGIC,
		       .version = XEN_KEMARI_STATE_VERSION,
		       .nr_vcpus = VCPUS,
		       .nr_ports = PORTS,
		       .nr_grant_frames = FRAMES,
		       .grant_version = 1,
		       .shared_info_gfn = 0x10,
		       .system_time = 1000 },
		.v = { { .vcpu_info_gfn = 0x7a31, .vcpu_info_offset = 0x3c0, .upcall_vector = 0xf3 },
		       { .vcpu_info_gfn = XEN_KEMARI_INVALID_GFN } },
		.p = { { .port = 1, .state = XEN_KEMARI_PORT_interdomain, .remote_port = 31 },
		       { .port = 2, .state = XEN_KEMARI_PORT_unbound },
		       { .port = 4, .state = XEN_KEMARI_PORT_virq },
		       { .port = 5, .state = XEN_KEMARI_PORT_virq, .vcpu = 1 },
		       { .port = 9, .state = XEN_KEMARI_PORT_ipi, .vcpu = 1 } },
		.gfns = { 0xffff, 0xfffe },
	};

	return b;
}

static int check(const struct blob *b)
{
	return hvop_state_check(b, sizeof(*b));
}

/* Exactly so many bytes, so that the sanitizer sees a read beyond them. */
static int check_bytes(const void *data, uint32_t size)
{
	void *copy = malloc(size ? size : 1);
	int rc;

	memcpy(copy, data, size);
	rc = hvop_state_check(copy, size);
	free(copy);
	return rc;
}

static void a_good_blob_passes(void **state)
{
	struct blob b = good();

	assert_int_equal(check(&b), 0);
	assert_ptr_equal(hvop_state_vcpus(&b.s), b.v);
	assert_ptr_equal(hvop_state_ports(&b.s), b.p);
	assert_ptr_equal(hvop_state_grant_gfns(&b.s), b.gfns);
}

static void every_other_length_is_refused(void **state)
{
	struct blob b[2] = { good(), good() };

	for (uint32_t n = 0; n < 2 * sizeof(b[0]); n++)
		assert_int_equal(check_bytes(b, n), n == sizeof(b[0]) ? 0 : -EINVAL);
}

static void a_blob_at_an_odd_address_is_refused(void **state)
{
	uint64_t room[sizeof(struct blob) / 8 + 1];
	struct blob b = good();

	memcpy((uint8_t *)room + 4, &b, sizeof(b));
	assert_int_equal(hvop_state_check((uint8_t *)room + 4, sizeof(b)), -EINVAL);
}

#define refused(change)                                                                                      \
	do {                                                                                                 \
		struct blob b = good();                                                                      \
		change;                                                                                      \
		assert_int_equal(check(&b), -EINVAL);                                                        \
	} while (0)

static void bad_headers_are_refused(void **state)
{
	refused(b.s.magic++);
	refused(b.s.version++);
	refused(b.s.flags = 4);
	refused(b.s.nr_vcpus = 0);
	refused(b.s.nr_vcpus = XEN_KEMARI_MAX_VCPUS + 1);
	refused(b.s.nr_ports = XEN_KEMARI_MAX_PORTS + 1);
	refused(b.s.nr_grant_frames = UINT32_MAX);
	refused(b.s.grant_version = 2);
	refused(b.s.system_time = 1ULL << 63);
	refused(b.s.reserved[0] = 1);
}

/* Two counts that are wrong but add up to the right size: port records are as long as two gfns. */
static void counts_that_cancel_out_are_read_as_they_are(void **state)
{
	refused((b.s.nr_ports++, b.s.nr_grant_frames -= 2, b.gfns[0] = 0, b.gfns[1] = 0));
}

static void bad_vcpus_are_refused(void **state)
{
	refused(b.v[1].flags = 1U << 4);
	refused(b.v[1].pad[2] = 1);
	refused(b.v[1].reserved[2] = 1);
	refused(b.v[0].vcpu_info_offset = 4096 - 56);
	refused(b.v[0].vcpu_info_offset = 0x3c4);
	refused(b.v[0].vcpu_info_offset = UINT32_MAX & ~7U);
	refused(b.v[0].upcall_vector = 0xf);
	refused(b.v[0].interrupt_shadow = 0x10);
	refused(b.v[0].runstate_time[3] = UINT64_MAX);
	refused(b.v[0].periodic_period = 999999);
	refused(b.v[0].periodic_period = UINT64_MAX);
	refused(b.v[0].singleshot_abs = UINT64_MAX);
}

static void a_32_bit_guest_aligns_by_four(void **state)
{
	struct blob compat = good();

	compat.v[0].vcpu_info_offset = 0x3c4;
	compat.s.flags = XEN_KEMARI_SF_shinfo32;
	assert_int_equal(check(&compat), 0);
	refused((b.s.flags = XEN_KEMARI_SF_shinfo32, b.v[0].vcpu_info_offset = 0x3c2));
}

static void a_guest_that_ended_says_why(void **state)
{
	struct blob ended = good();

	ended.s.flags = XEN_KEMARI_SF_shutdown;
	ended.s.shutdown_code = SHUTDOWN_reboot;
	assert_int_equal(check(&ended), 0);
	ended.s.shutdown_code = 77; /* whatever it says */
	assert_int_equal(check(&ended), 0);
	refused(b.s.shutdown_code = SHUTDOWN_reboot);
	refused((b.s.flags = XEN_KEMARI_SF_shutdown, b.s.shutdown_code = SHUTDOWN_suspend));
	refused((b.s.flags = XEN_KEMARI_SF_shutdown, b.s.shutdown_code = 256));
	refused(b.s.pad = 1);
}

static void bad_ports_are_refused(void **state)
{
	refused(b.p[0].port = 0);
	refused(b.p[4].port = XEN_KEMARI_MAX_PORTS);
	refused(b.p[1].port = 1);
	refused(b.p[1].port = 5);
	refused(b.p[0].state = 0);
	refused(b.p[0].state = 3);
	refused(b.p[0].vcpu = VCPUS);
	refused(b.p[0].priority = 16);
	refused(b.p[0].remote_dom = 7);
	refused(b.p[2].virq = 24);
	refused(b.p[2].remote_port = 1);
	refused(b.p[4].virq = 1);
}

static void a_virq_has_one_port(void **state)
{
	/* the timer: one on each vCPU */
	refused(b.p[3].vcpu = 0);
	/* a global one: one in the domain, whichever vCPU it notifies */
	refused((b.p[2].virq = 9, b.p[3].virq = 9));
}

/* Whatever bits are flipped: an answer, no read outside. */
static void flipped_bits_do_no_harm(void **state)
{
	uint32_t seed = 1;

	for (int i = 0; i < 20000; i++) {
		struct blob b = good();
		uint8_t *bytes = (uint8_t *)&b;

		for (int n = 0; n < 3; n++) {
			seed = seed * 1664525 + 1013904223;
			bytes[(seed >> 8) % sizeof(b)] ^= (uint8_t)(1U << (seed >> 29));
		}
		assert_in_set(-check_bytes(&b, sizeof(b)), ((unsigned long[]){ 0, EINVAL }), 2);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_good_blob_passes),
		cmocka_unit_test(every_other_length_is_refused),
		cmocka_unit_test(a_blob_at_an_odd_address_is_refused),
		cmocka_unit_test(bad_headers_are_refused),
		cmocka_unit_test(counts_that_cancel_out_are_read_as_they_are),
		cmocka_unit_test(bad_vcpus_are_refused),
		cmocka_unit_test(a_32_bit_guest_aligns_by_four),
		cmocka_unit_test(a_guest_that_ended_says_why),
		cmocka_unit_test(bad_ports_are_refused),
		cmocka_unit_test(a_virq_has_one_port),
		cmocka_unit_test(flipped_bits_do_no_harm),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
