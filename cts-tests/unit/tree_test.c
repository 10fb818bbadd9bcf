/* SPDX-License-Identifier: GPL-2.0-only */
/* The block with the guest's part of xenstore: round trip, hostile bytes, oxenstored's texts. */
#include <endian.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "xenstore/tree_int.h"

static struct tree_node node(const char *path, const char *val, size_t len, uint32_t owner, uint32_t flags)
{
	return (struct tree_node){ .path = (char *)path,
				   .value = (uint8_t *)val,
				   .value_len = len,
				   .nr_perms = 1,
				   .perm = { { owner, flags } } };
}

static struct tree_node nodes[4];
static struct tree_watch watches[] = { { "/local/domain/0/backend/vif/20000/0/state", "FFFF888006D57820" },
				       { "control/shutdown", "FFFFFFFF82BB0540" },
				       { "device", "" } };
static uint8_t block[4096];
static size_t block_len;

static int setup(void **state)
{
	struct tree t = { .domid = 20000, .nr_nodes = 4, .nr_watches = 3, .node = nodes, .watch = watches };

	nodes[0] = node("control", "", 0, 0, 1);
	nodes[1] = node("control/feature-poweroff", "1", 1, 20000, 0);
	nodes[2] = node("data", "a\0b", 3, 20000, 3);
	nodes[3] = node("device", "", 0, 0, 1);
	block_len = tree_encode(&t, block, sizeof(block));
	return 0;
}

static int decode(const void *buf, size_t len, struct tree *t)
{
	char why[256] = "";
	/* A copy of exactly len bytes: the sanitizer sees every read behind it. */
	void *copy = malloc(len ? len : 1);
	int err;

	memcpy(copy, buf, len);
	err = tree_decode(copy, len, t, why, sizeof(why));
	free(copy);
	if (err)
		assert_true(why[0]);
	return err;
}

static void what_is_encoded_is_decoded(void **state)
{
	uint8_t again[sizeof(block)];
	struct tree t;

	assert_int_equal(decode(block, block_len, &t), 0);
	assert_int_equal(t.domid, 20000);
	assert_int_equal(t.nr_nodes, 4);
	assert_string_equal(t.node[2].path, "data");
	assert_int_equal(t.node[2].value_len, 3);
	assert_memory_equal(t.node[2].value, "a\0b", 3);
	assert_int_equal(t.node[2].perm[0].domid, 20000);
	assert_int_equal(t.node[2].perm[0].flags, 3);
	assert_int_equal(t.nr_watches, 3);
	assert_string_equal(t.watch[1].token, "FFFFFFFF82BB0540");
	assert_string_equal(t.watch[2].token, "");
	assert_int_equal(tree_encode(&t, again, sizeof(again)), block_len);
	assert_memory_equal(again, block, block_len);
	tree_free(&t);
}

static void every_cut_and_every_addition_is_refused(void **state)
{
	uint8_t longer[sizeof(block)];
	struct tree t;
	size_t i;

	for (i = 0; i < block_len; i++)
		assert_int_equal(decode(block, i, &t), -EBADMSG);
	memcpy(longer, block, block_len + 1);
	assert_int_equal(decode(longer, block_len + 1, &t), -EBADMSG);
	/* Also when the header agrees with the wrong length. */
	for (i = sizeof(struct tree_header); i < block_len; i++) {
		((struct tree_header *)longer)->bytes = htole32(i);
		assert_int_equal(decode(longer, i, &t), -EBADMSG);
	}
	((struct tree_header *)longer)->bytes = htole32(block_len + 1);
	assert_int_equal(decode(longer, block_len + 1, &t), -EBADMSG);
}

/* Each byte, each of some values: refused, or a tree that encodes to what came in; never a fault. */
static void changed_bytes_never_do_harm(void **state)
{
	static const uint8_t values[] = { 0x00, 0x01, 0x2f, 0x7f, 0x80, 0xff };
	uint8_t b[sizeof(block)], again[sizeof(block)];
	unsigned int taken = 0, refused = 0;
	struct tree t;
	size_t i, k;

	for (i = 0; i < block_len; i++) {
		for (k = 0; k < sizeof(values); k++) {
			memcpy(b, block, block_len);
			b[i] = values[k];
			if (decode(b, block_len, &t)) {
				refused++;
				continue;
			}
			taken++;
			assert_int_equal(tree_encode(&t, again, sizeof(again)), block_len);
			assert_memory_equal(again, b, block_len);
			tree_free(&t);
		}
	}
	assert_true(taken);
	assert_true(refused > taken);
}

static long encode_one(struct tree_node n, uint8_t *buf, size_t cap)
{
	struct tree t = { .domid = 20000, .nr_nodes = 1, .node = &n };

	return tree_encode(&t, buf, cap);
}

static void nodes_that_cannot_be_the_guests_are_refused(void **state)
{
	static const char *const bad[] = { "/control", "control/",    "a//b",		"a b", "a\nb", "name",
					   "vm",       "console/tty", "store/ring-ref", "..",  "a\x80" };
	static const char *const fine[] = { "names", "vms/x", "device/vbd/51712/ring-ref", "a-b_c@d" };
	uint8_t buf[256] = { 0 };
	struct tree t;
	size_t i;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(decode(buf, encode_one(node(bad[i], "", 0, 0, 1), buf, sizeof(buf)), &t),
				 -EBADMSG);
	for (i = 0; i < sizeof(fine) / sizeof(fine[0]); i++) {
		assert_int_equal(decode(buf, encode_one(node(fine[i], "", 0, 0, 1), buf, sizeof(buf)), &t),
				 0);
		tree_free(&t);
	}
	assert_int_equal(decode(buf, encode_one(node("a", "", 0, 0x7ff0, 1), buf, sizeof(buf)), &t),
			 -EBADMSG);
	assert_int_equal(decode(buf, encode_one(node("a", "", 0, 0, 4), buf, sizeof(buf)), &t), -EBADMSG);
}

static void order_matters_and_doubles_are_refused(void **state)
{
	struct tree_node two[2] = { node("b", "", 0, 0, 1), node("a", "", 0, 0, 1) };
	struct tree t = { .domid = 20000, .nr_nodes = 2, .node = two }, got;
	uint8_t buf[256] = { 0 };

	assert_int_equal(decode(buf, tree_encode(&t, buf, sizeof(buf)), &got), -EBADMSG);
	two[0] = two[1];
	assert_int_equal(decode(buf, tree_encode(&t, buf, sizeof(buf)), &got), -EBADMSG);
}

static void bounds_hold_on_the_way_out(void **state)
{
	struct tree t = { .domid = 1, .nr_nodes = TREE_MAX_NODES + 1 };
	uint8_t buf[64] = { 0 };

	assert_int_equal(tree_encode(&t, buf, sizeof(buf)), -E2BIG);
	t = (struct tree){ .domid = 20000, .nr_nodes = 4, .node = nodes };
	assert_int_equal(tree_encode(&t, buf, sizeof(buf)), -ENOBUFS);
}

static const char oxenstored[] = "watch D1: control/sysrq FFFFFFFF82BB0580\n"
				 "watch D1: memory/target FFFFFFFF82BB1520\n"
				 "watch D12: cpu FFFFFFFF82BB01A0\n"
				 "watch D1: device FFFFFFFF82BB0DA0\n"
				 "watch D1: /local/domain/0/backend/vif/1/0/state a token with blanks\n"
				 "watch D1: device FFFFFFFF82BB0DA0\n"
				 "watch D1: \n"
				 "watch D1: nothing-behind\n"
				 "watch A6: backend/qusb/0 be:0x560a0691f66c:0\n";

static void watches_of_one_domain_are_found_and_sorted(void **state)
{
	struct tree t = { .domid = 1 };

	assert_int_equal(tree_parse_watches(oxenstored, 1, &t), 0);
	assert_int_equal(t.nr_watches, 4);
	assert_string_equal(t.watch[0].path, "/local/domain/0/backend/vif/1/0/state");
	assert_string_equal(t.watch[0].token, "a token with blanks");
	assert_string_equal(t.watch[1].path, "control/sysrq");
	assert_string_equal(t.watch[2].path, "device");
	assert_string_equal(t.watch[3].token, "FFFFFFFF82BB1520");
	tree_free(&t);
	assert_int_equal(tree_parse_watches("", 1, &t), 0);
	assert_int_equal(t.nr_watches, 0);
}

static void too_many_watches_are_an_error(void **state)
{
	char *text = calloc(TREE_MAX_WATCHES + 1, 32), *p = text;
	struct tree t = { .domid = 1 };
	unsigned int i;

	for (i = 0; i <= TREE_MAX_WATCHES; i++)
		p += sprintf(p, "watch D1: p%u t\n", i);
	assert_int_equal(tree_parse_watches(text, 1, &t), -E2BIG);
	tree_free(&t);
	free(text);
}

#define IDLE                                                                                                 \
	"xenbus: XenBus state: partial_in: 16 needed, partial_out: 0 bytes, pkt_out: 0 packets, "            \
	"BoundedQueue capacity: "                                                                            \
	"2048, used: {}; overflow queue length: 0, can_input: true, has_more_input: false, has_old_output: " \
	"false, "                                                                                            \
	"has_new_output: false, has_more_work: false. pending: Watches with pending events: 0, pending "     \
	"events total: 0"

static void only_a_wholly_quiet_connection_is_idle(void **state)
{
	static const struct {
		const char *from, *to;
	} busy[] = {
		{ "partial_in: 16", "partial_in: 15" },	  { "partial_in: 16", "partial_in: 160" },
		{ "partial_out: 0", "partial_out: 7" },	  { "pkt_out: 0", "pkt_out: 1" },
		{ "queue length: 0", "queue length: 2" }, { "events total: 0", "events total: 3" },
		{ "partial_in: 16", "partial: 16" },	  { "pkt_out: 0", "pkt_out: x" },
	};
	char text[sizeof(IDLE) + 16];
	size_t i;

	assert_true(xenbus_text_is_idle(IDLE));
	assert_false(xenbus_text_is_idle(""));
	assert_false(xenbus_text_is_idle("OK"));
	for (i = 0; i < sizeof(busy) / sizeof(busy[0]); i++) {
		const char *at = strstr(IDLE, busy[i].from);

		assert_non_null(at);
		snprintf(text, sizeof(text), "%.*s%s%s", (int)(at - IDLE), IDLE, busy[i].to,
			 at + strlen(busy[i].from));
		assert_false(xenbus_text_is_idle(text));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_encoded_is_decoded),
		cmocka_unit_test(every_cut_and_every_addition_is_refused),
		cmocka_unit_test(changed_bytes_never_do_harm),
		cmocka_unit_test(nodes_that_cannot_be_the_guests_are_refused),
		cmocka_unit_test(order_matters_and_doubles_are_refused),
		cmocka_unit_test(bounds_hold_on_the_way_out),
		cmocka_unit_test(watches_of_one_domain_are_found_and_sorted),
		cmocka_unit_test(too_many_watches_are_an_error),
		cmocka_unit_test(only_a_wholly_quiet_connection_is_idle),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
