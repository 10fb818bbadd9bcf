/* SPDX-License-Identifier: GPL-2.0-only */
/* What a frontend published, read from a table instead of xenstore. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "xenstore/frontend.h"

struct entry {
	const char *key, *val;
};

#define MAX 40
struct table {
	struct entry e[MAX];
	unsigned int nr;
};

static const struct frontend_limits lim = { .max_queues = 4, .max_page_order = 4, .max_evtchn = 4096 };

static const char *get(void *arg, const char *key)
{
	const struct table *t = arg;
	unsigned int i;

	for (i = 0; i < t->nr; i++)
		if (!strcmp(t->e[i].key, key))
			return t->e[i].val;
	return NULL;
}

static void set(struct table *t, const char *key, const char *val)
{
	unsigned int i;

	for (i = 0; i < t->nr; i++)
		if (!strcmp(t->e[i].key, key))
			break;
	assert_true(i < MAX);
	t->e[i] = (struct entry){ key, val };
	if (i == t->nr)
		t->nr++;
}

static void drop(struct table *t, const char *key)
{
	unsigned int i;

	for (i = 0; i < t->nr; i++)
		if (!strcmp(t->e[i].key, key))
			t->e[i] = t->e[--t->nr];
}

/* As Linux 6.1 was seen to write them. */
static const struct table linux_vbd = { { { "ring-ref", "8" },
					  { "event-channel", "7" },
					  { "protocol", "x86_64-abi" },
					  { "feature-persistent", "1" },
					  { "state", "3" } },
					5 };
static const struct table linux_vif = { { { "tx-ring-ref", "522" },
					  { "rx-ring-ref", "523" },
					  { "event-channel-tx", "8" },
					  { "event-channel-rx", "9" },
					  { "multi-queue-num-queues", "1" },
					  { "request-rx-copy", "1" },
					  { "feature-rx-notify", "1" },
					  { "feature-sg", "1" },
					  { "feature-gso-tcpv4", "1" },
					  { "feature-gso-tcpv6", "1" },
					  { "feature-ipv6-csum-offload", "1" } },
					11 };

static int vbd(struct table *t, struct device_cfg *cfg, char why[256])
{
	why[0] = '\0';
	return frontend_parse_vbd(get, t, &lim, cfg, why, 256);
}

static int vif(struct table *t, struct device_cfg *cfg, char why[256])
{
	why[0] = '\0';
	return frontend_parse_vif(get, t, &lim, cfg, why, 256);
}

static void a_linux_disk_is_understood(void **state)
{
	struct table t = linux_vbd;
	struct device_cfg cfg;
	char why[256];

	assert_int_equal(vbd(&t, &cfg, why), 0);
	assert_int_equal(cfg.nr_queues, 1);
	assert_int_equal(cfg.queue[0].nr_ring_pages, 1);
	assert_int_equal(cfg.queue[0].ring_ref[0], 8);
	assert_int_equal(cfg.queue[0].evtchn, 7);
	assert_int_equal(cfg.features, VBD_FE_PERSISTENT);
	drop(&t, "protocol");
	assert_int_equal(vbd(&t, &cfg, why), 0);
	assert_true(cfg.features & VBD_FE_X86_32);
}

static void a_linux_nic_is_understood(void **state)
{
	struct table t = linux_vif;
	struct device_cfg cfg;
	char why[256];

	assert_int_equal(vif(&t, &cfg, why), 0);
	assert_int_equal(cfg.nr_queues, 1);
	assert_int_equal(cfg.queue[0].ring_ref[0], 522);
	assert_int_equal(cfg.queue[0].ring_ref[1], 523);
	assert_int_equal(cfg.queue[0].evtchn, 8);
	assert_int_equal(cfg.queue[0].evtchn_rx, 9);
	assert_int_equal(cfg.features, VIF_FE_RX_COPY | VIF_FE_RX_NOTIFY | VIF_FE_SG | VIF_FE_GSO_TCPV4 |
					       VIF_FE_GSO_TCPV6 | VIF_FE_IPV6_CSUM | VIF_FE_SPLIT);
	drop(&t, "event-channel-tx");
	drop(&t, "event-channel-rx");
	set(&t, "event-channel", "8");
	assert_int_equal(vif(&t, &cfg, why), 0);
	assert_int_equal(cfg.queue[0].evtchn, 8);
	assert_int_equal(cfg.queue[0].evtchn_rx, 0);
	assert_false(cfg.features & VIF_FE_SPLIT);
}

static void several_queues_and_pages_are_read_in_order(void **state)
{
	struct table t = { { { "protocol", "x86_64-abi" },
			     { "multi-queue-num-queues", "2" },
			     { "ring-page-order", "1" },
			     { "queue-0/ring-ref0", "10" },
			     { "queue-0/ring-ref1", "11" },
			     { "queue-0/event-channel", "20" },
			     { "queue-1/ring-ref0", "12" },
			     { "queue-1/ring-ref1", "13" },
			     { "queue-1/event-channel", "21" } },
			   9 };
	struct device_cfg cfg;
	char why[256];

	assert_int_equal(vbd(&t, &cfg, why), 0);
	assert_int_equal(cfg.nr_queues, 2);
	assert_int_equal(cfg.queue[1].nr_ring_pages, 2);
	assert_int_equal(cfg.queue[1].ring_ref[0], 12);
	assert_int_equal(cfg.queue[1].ring_ref[1], 13);
	assert_int_equal(cfg.queue[1].evtchn, 21);
	set(&t, "queue-1/event-channel", "20");
	assert_int_equal(vbd(&t, &cfg, why), -EINVAL);
	assert_non_null(strstr(why, "share"));
}

static void a_single_page_may_be_named_either_way(void **state)
{
	struct table t = linux_vbd;
	struct device_cfg cfg;
	char why[256];

	set(&t, "ring-page-order", "0");
	assert_int_equal(vbd(&t, &cfg, why), 0);
	assert_int_equal(cfg.queue[0].ring_ref[0], 8);
	drop(&t, "ring-ref");
	set(&t, "ring-ref0", "9");
	assert_int_equal(vbd(&t, &cfg, why), 0);
	assert_int_equal(cfg.queue[0].ring_ref[0], 9);
}

static void hostile_disk_keys_are_refused_by_name(void **state)
{
	static const struct {
		const char *key, *val;
	} bad[] = {
		{ "ring-ref", NULL },
		{ "ring-ref", "" },
		{ "ring-ref", "-1" },
		{ "ring-ref", "+8" },
		{ "ring-ref", " 8" },
		{ "ring-ref", "8x" },
		{ "ring-ref", "0x8" },
		{ "ring-ref", "4294967296" },
		{ "ring-ref", "99999999999999999999" },
		{ "ring-ref", "0" },
		{ "event-channel", NULL },
		{ "event-channel", "0" },
		{ "event-channel", "4096" },
		{ "multi-queue-num-queues", "0" },
		{ "multi-queue-num-queues", "5" },
		{ "ring-page-order", "5" },
		{ "protocol", "arm-abi" },
		{ "protocol", "x86_64-abi\n\x1b[31m" },
		{ "feature-persistent", "yes" },
	};
	struct device_cfg cfg;
	char why[256], *p;
	size_t i;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct table t = linux_vbd;
		int err;

		if (bad[i].val)
			set(&t, bad[i].key, bad[i].val);
		else
			drop(&t, bad[i].key);
		err = vbd(&t, &cfg, why);
		assert_int_equal(err, bad[i].val ? -EINVAL : -ENOENT);
		assert_non_null(strstr(why, bad[i].key));
		for (p = why; *p; p++)
			assert_in_range(*p, ' ', '~');
	}
}

static void hostile_nic_keys_are_refused_by_name(void **state)
{
	static const struct {
		const char *key, *val;
	} bad[] = {
		{ "tx-ring-ref", NULL },
		{ "rx-ring-ref", "0" },
		{ "event-channel-rx", NULL },
		{ "event-channel-rx", "8" },
		{ "event-channel-tx", "4096" },
		{ "request-rx-copy", "0" },
		{ "request-rx-copy", NULL },
		{ "feature-sg", "1.0" },
		{ "multi-queue-num-queues", "17" },
	};
	struct device_cfg cfg;
	char why[256];
	size_t i;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct table t = linux_vif;

		if (bad[i].val)
			set(&t, bad[i].key, bad[i].val);
		else
			drop(&t, bad[i].key);
		assert_true(vif(&t, &cfg, why) < 0);
		assert_non_null(strstr(why, bad[i].key));
	}
}

/* Whatever the limits say, struct device_cfg is never written beyond its end. */
static void limits_beyond_the_struct_are_cut(void **state)
{
	const struct frontend_limits wide = { .max_queues = 1000, .max_page_order = 4, .max_evtchn = 4096 };
	struct table t = linux_vif;
	struct device_cfg cfg;
	char why[256];

	set(&t, "multi-queue-num-queues", "17");
	assert_int_equal(frontend_parse_vif(get, &t, &wide, &cfg, why, sizeof(why)), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_linux_disk_is_understood),
		cmocka_unit_test(a_linux_nic_is_understood),
		cmocka_unit_test(several_queues_and_pages_are_read_in_order),
		cmocka_unit_test(a_single_page_may_be_named_either_way),
		cmocka_unit_test(hostile_disk_keys_are_refused_by_name),
		cmocka_unit_test(hostile_nic_keys_are_refused_by_name),
		cmocka_unit_test(limits_beyond_the_struct_are_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
