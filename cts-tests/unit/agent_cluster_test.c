/* SPDX-License-Identifier: GPL-2.0-only */
/* The hosts as their agents tell of them: a statement counts whole or not at all, and in its membership only.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "agent/daemon/cluster.h"
#include "agent/daemon/order.h"

#define BOOT 0xb2ULL

static const struct group_change both = { .nr = 2, .member = { { 1, 11 }, { 2, 22 } } };
static const struct group_change one = {
	.nr = 1, .member = { { 1, 11 } }, .nr_left = 1, .left = { { 2, true } }
};

static int setup(void **state)
{
	struct cluster *c = calloc(1, sizeof(*c));

	*state = c;
	if (c)
		cluster_members(c, &both, 1);
	return c ? 0 : -1;
}

static int teardown(void **state)
{
	free(*state);
	return 0;
}

static enum cluster_news take(struct cluster *c, uint64_t seq, const struct message *m)
{
	const struct cluster_host *from;
	struct message copy = *m;

	copy.nodeid = 2;
	copy.boot = copy.boot ?: BOOT;
	copy.seq = seq;
	return cluster_take(c, &copy, &from);
}

static enum cluster_news hello(struct cluster *c, uint64_t seq)
{
	return take(c, seq, &(struct message){ .type = MESSAGE_HELLO, .hello = { .host = "xb" } });
}

static enum cluster_news row(struct cluster *c, uint64_t seq, const char *vm, enum row_role role)
{
	struct message m = { .type = MESSAGE_VM, .vm = { .role = (uint8_t)role } };

	snprintf(m.vm.vm, sizeof(m.vm.vm), "%s", vm);
	return take(c, seq, &m);
}

static enum cluster_news end(struct cluster *c, uint64_t seq, uint32_t rows, uint64_t view)
{
	return take(c, seq, &(struct message){ .type = MESSAGE_VMS_END, .end = { rows, view } });
}

/* Node 1 is this host: what it said itself counts as what the other one said. */
static void own_statement(struct cluster *c, uint64_t seq, enum row_role role)
{
	const struct cluster_host *from;
	struct message m = {
		.type = MESSAGE_HELLO, .nodeid = 1, .boot = 1, .seq = seq, .hello = { .host = "xa" }
	};

	cluster_take(c, &m, &from);
	m = (struct message){ .type = MESSAGE_VM,
			      .nodeid = 1,
			      .boot = 1,
			      .seq = seq + 1,
			      .vm = { .vm = "g1", .role = (uint8_t)role } };
	cluster_take(c, &m, &from);
	m = (struct message){
		.type = MESSAGE_VMS_END, .nodeid = 1, .boot = 1, .seq = seq + 2, .end = { 1, c->view }
	};
	cluster_take(c, &m, &from);
}

static void who_runs_more_guests_shoots_first_then_the_lower_node(void **state)
{
	struct cluster *c = *state;

	assert_int_equal(order_of(c, 1), ORDER_UNKNOWN); /* nobody has told anything */
	own_statement(c, 1, ROW_STANDBY);
	assert_int_equal(order_of(c, 1), ORDER_UNKNOWN);
	hello(c, 1);
	row(c, 2, "g1", ROW_PRIMARY);
	end(c, 3, 1, c->view);
	assert_int_equal(order_of(c, 1), ORDER_SECOND);
	assert_int_equal(order_of(c, 2), ORDER_WAITS); /* 1 has not said that it is not the first */
	own_statement(c, 4, ROW_PRIMARY);	       /* of another guest, as far as this goes */
	assert_int_equal(order_of(c, 1), ORDER_WAITS);
	assert_int_equal(order_of(c, 2), ORDER_SECOND);
	take(c, 4, &(struct message){ .type = MESSAGE_HELLO, .hello = { .host = "xb", .second = 1 } });
	assert_int_equal(order_of(c, 1), ORDER_FIRST);
	cluster_members(c, &one, 2); /* what was agreed last stays */
	assert_int_equal(order_of(c, 1), ORDER_UNKNOWN);
}

static void a_statement_replaces_the_one_before(void **state)
{
	struct cluster *c = *state;
	const struct cluster_host *h;

	assert_int_equal(hello(c, 1), CLUSTER_HELLO);
	row(c, 2, "g1", ROW_PRIMARY);
	row(c, 3, "g2", ROW_STANDBY);
	assert_int_equal(end(c, 4, 2, c->view), CLUSTER_STATEMENT);
	h = cluster_named(c, "xb");
	assert_non_null(h);
	assert_int_equal(h->nr, 2);
	assert_int_equal(cluster_owned(h), 1);
	hello(c, 5);
	row(c, 6, "g2", ROW_HELD);
	assert_int_equal(end(c, 7, 1, c->view), CLUSTER_STATEMENT);
	assert_null(row_find(h->row, h->nr, "g1"));
	assert_int_equal(row_find(h->row, h->nr, "g2")->role, ROW_HELD);
	hello(c, 8);
	row(c, 9, "g2", ROW_HELD);
	assert_int_equal(end(c, 10, 1, c->view), CLUSTER_NOTHING); /* nothing new */
}

static void a_statement_with_a_gap_does_not_count(void **state)
{
	struct cluster *c = *state;
	const struct cluster_host *h = cluster_node(c, 2);

	hello(c, 1);
	row(c, 2, "g1", ROW_PRIMARY);
	row(c, 4, "g3", ROW_PRIMARY);
	assert_int_equal(end(c, 5, 3, c->view), CLUSTER_NOTHING);
	assert_int_equal(h->nr, 0);
	hello(c, 6);
	row(c, 7, "g1", ROW_PRIMARY);
	assert_int_equal(end(c, 8, 2, c->view), CLUSTER_NOTHING);
	assert_false(cluster_complete(c, h));
}

static void a_statement_is_complete_in_its_membership_only(void **state)
{
	struct cluster *c = *state;
	const struct cluster_host *h = cluster_node(c, 2);
	const uint64_t view = c->view;

	hello(c, 1);
	end(c, 2, 0, view);
	assert_true(cluster_complete(c, h));
	cluster_members(c, &one, 2);
	assert_false(h->member);
	assert_int_equal(h->since_ns, 2);
	assert_false(cluster_complete(c, h));
	cluster_members(c, &(struct group_change){ .nr = 2, .member = { { 1, 11 }, { 2, 23 } } }, 3);
	assert_true(h->member);
	assert_false(cluster_complete(c, h));
	hello(c, 3);
	end(c, 4, 0, view); /* made before */
	assert_false(cluster_complete(c, h));
	hello(c, 5);
	end(c, 6, 0, c->view);
	assert_true(cluster_complete(c, h));
	cluster_lost(c, 4);
	assert_false(cluster_complete(c, h));
}

static void an_incomplete_statement_says_so_with_no_view(void **state)
{
	struct cluster *c = *state;

	hello(c, 1);
	end(c, 2, 0, c->view);
	hello(c, 3);
	assert_int_equal(end(c, 4, 0, 0), CLUSTER_STATEMENT);
	assert_false(cluster_complete(c, cluster_node(c, 2)));
}

static void another_boot_forgets_what_the_first_said(void **state)
{
	struct cluster *c = *state;

	hello(c, 1);
	row(c, 2, "g1", ROW_PRIMARY);
	end(c, 3, 1, c->view);
	take(c, 1, &(struct message){ .type = MESSAGE_HELLO, .boot = 9, .hello = { .host = "xb" } });
	assert_int_equal(cluster_node(c, 2)->nr, 0);
	assert_int_equal(cluster_node(c, 2)->boot, 9);
	assert_int_equal(cluster_node(c, 2)->view, 0);
}

static void engine_messages_need_a_hello_of_that_boot(void **state)
{
	const struct message e = { .type = MESSAGE_ENGINE, .engine = { .len = 1 } };
	struct cluster *c = *state;

	assert_int_equal(take(c, 1, &e), CLUSTER_NOTHING);
	hello(c, 2);
	assert_int_equal(take(c, 3, &e), CLUSTER_ENGINE);
	cluster_members(c, &one, 2);
	assert_int_equal(take(c, 4, &e), CLUSTER_NOTHING);
}

static void all_members_make_the_same_view(void **state)
{
	static const struct group_change other_order = { .nr = 2, .member = { { 2, 22 }, { 1, 11 } } };

	assert_true(cluster_view(&both) == cluster_view(&other_order));
	assert_false(cluster_view(&both) == cluster_view(&one));
	assert_true(cluster_view(&one) != 0);
}

static void hosts_that_left_make_room(void **state)
{
	struct cluster *c = *state;
	unsigned int i;

	for (i = 0; i < 2 * CLUSTER_HOSTS; i++) {
		const struct group_change change = { .nr = 2, .member = { { 1, 11 }, { 100 + i, 1 } } };

		cluster_members(c, &change, 10 + i);
		assert_true(cluster_node(c, 100 + i)->member);
		assert_true(cluster_node(c, 1)->member);
	}
}

static void a_node_that_went_down_is_so_until_it_comes_back(void **state)
{
	static const struct group_change left = {
		.nr = 1, .member = { { 1, 11 } }, .nr_left = 1, .left = { { 2, false } }
	};
	static const struct group_change nobody_else = { .nr = 1, .member = { { 1, 11 } } };
	struct cluster *c = *state;

	cluster_members(c, &left, 2);
	assert_false(cluster_node(c, 2)->down);
	cluster_members(c, &both, 3);
	cluster_members(c, &one, 4);
	assert_true(cluster_node(c, 2)->down);
	cluster_members(c, &nobody_else, 5);
	assert_true(cluster_node(c, 2)->down);
	cluster_members(c, &both, 6);
	assert_false(cluster_node(c, 2)->down);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_statement_replaces_the_one_before, setup, teardown),
		cmocka_unit_test_setup_teardown(a_statement_with_a_gap_does_not_count, setup, teardown),
		cmocka_unit_test_setup_teardown(a_statement_is_complete_in_its_membership_only, setup,
						teardown),
		cmocka_unit_test_setup_teardown(an_incomplete_statement_says_so_with_no_view, setup,
						teardown),
		cmocka_unit_test_setup_teardown(another_boot_forgets_what_the_first_said, setup, teardown),
		cmocka_unit_test_setup_teardown(engine_messages_need_a_hello_of_that_boot, setup, teardown),
		cmocka_unit_test_setup_teardown(all_members_make_the_same_view, setup, teardown),
		cmocka_unit_test_setup_teardown(hosts_that_left_make_room, setup, teardown),
		cmocka_unit_test_setup_teardown(a_node_that_went_down_is_so_until_it_comes_back, setup,
						teardown),
		cmocka_unit_test_setup_teardown(who_runs_more_guests_shoots_first_then_the_lower_node, setup,
						teardown),
	};

	return cmocka_run_group_tests_name("agent_cluster", tests, NULL, NULL);
}
