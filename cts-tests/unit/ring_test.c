/* SPDX-License-Identifier: GPL-2.0-only */
/* The arithmetic of back rings, around the wrap of the free running indexes too. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "ring/ring.h"

#define NETIF_TX_SLOT 12
#define NETIF_RX_SLOT 8
#define BLKIF_SLOT 112

static uint64_t pages[16 * GUEST_PAGE_SIZE / 8];

static struct ring_shared *shared(void)
{
	memset(pages, 0, sizeof(pages));
	return (struct ring_shared *)pages;
}

static void slots_are_a_power_of_two(void **state)
{
	assert_int_equal(ring_slots(1, BLKIF_SLOT), 32);
	assert_int_equal(ring_slots(2, BLKIF_SLOT), 64);
	assert_int_equal(ring_slots(16, BLKIF_SLOT), 512);
	assert_int_equal(ring_slots(1, NETIF_TX_SLOT), 256);
	assert_int_equal(ring_slots(1, NETIF_RX_SLOT), 256);
}

static void pending_is_bounded_by_the_ring(void **state)
{
	static const uint32_t start[] = { 0, 5, UINT32_MAX - 3, 0x7ffffffe };
	struct ring_shared *s = shared();
	struct ring_back r;
	unsigned int i;

	for (i = 0; i < sizeof(start) / sizeof(start[0]); i++) {
		uint32_t at = start[i];

		/* 3 unanswered, of which all are consumed */
		ring_attach(&r, s, 1, BLKIF_SLOT, at + 3, at);
		s->req_prod = at + 3;
		assert_int_equal(ring_pending(&r), 0);
		s->req_prod = at + 32;
		assert_int_equal(ring_pending(&r), 29);
		s->req_prod = at + 33;
		assert_int_equal(ring_pending(&r), -EPROTO);
		s->req_prod = at + 2;
		assert_int_equal(ring_pending(&r), -EPROTO);
		s->req_prod = at - 1;
		assert_int_equal(ring_pending(&r), -EPROTO);
	}
}

static void slots_come_round(void **state)
{
	struct ring_shared *s = shared();
	uint8_t in[BLKIF_SLOT], out[BLKIF_SLOT];
	struct ring_back r;

	ring_attach(&r, s, 1, BLKIF_SLOT, UINT32_MAX, UINT32_MAX);
	assert_ptr_equal(ring_slot(&r, UINT32_MAX), s->slots + 31 * BLKIF_SLOT);
	assert_ptr_equal(ring_slot(&r, 0), s->slots);
	memset(in, 0x5c, sizeof(in));
	memcpy(ring_slot(&r, UINT32_MAX), in, sizeof(in));
	ring_peek(&r, out);
	assert_memory_equal(in, out, sizeof(in));
	assert_int_equal(r.req_cons, UINT32_MAX);
}

static void final_check_arms_the_next_request(void **state)
{
	struct ring_shared *s = shared();
	struct ring_back r;

	ring_attach(&r, s, 1, NETIF_TX_SLOT, UINT32_MAX, UINT32_MAX);
	s->req_prod = UINT32_MAX;
	assert_int_equal(ring_final_check(&r), 0);
	assert_int_equal(s->req_event, 0);
	s->req_prod = 1;
	assert_int_equal(ring_final_check(&r), 2);
}

/* The guest sees responses at publication only, and is notified if one of them is the one it waits for. */
static void publication_notifies_who_waits(void **state)
{
	struct ring_shared *s = shared();
	uint32_t rsp = 0xabcd;
	struct ring_back r;

	ring_attach(&r, s, 1, NETIF_RX_SLOT, 2, UINT32_MAX - 1);
	s->rsp_prod = UINT32_MAX - 1;
	ring_respond(&r, &rsp, sizeof(rsp));
	ring_respond(&r, &rsp, sizeof(rsp));
	assert_int_equal(s->rsp_prod, UINT32_MAX - 1);
	assert_memory_equal(ring_slot(&r, UINT32_MAX), &rsp, sizeof(rsp));
	s->rsp_event = 1; /* after the next but these two */
	assert_false(ring_publish(&r));
	assert_int_equal(s->rsp_prod, 0);
	ring_respond(&r, &rsp, sizeof(rsp));
	ring_respond(&r, &rsp, sizeof(rsp));
	assert_true(ring_publish(&r));
	ring_respond(&r, &rsp, sizeof(rsp));
	assert_false(ring_publish(&r)); /* it has not asked again */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(slots_are_a_power_of_two),
		cmocka_unit_test(pending_is_bounded_by_the_ring),
		cmocka_unit_test(slots_come_round),
		cmocka_unit_test(final_check_arms_the_next_request),
		cmocka_unit_test(publication_notifies_who_waits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
