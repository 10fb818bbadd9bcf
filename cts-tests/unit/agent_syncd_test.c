/* SPDX-License-Identifier: GPL-2.0-only */
/* kemari-agent and kemari-syncd's control socket: what answers are taken, and the conversation with the real
 * server. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <qb/qbloop.h>
#include <qb/qbutil.h>

#include "agent/daemon/answer.h"
#include "agent/daemon/syncd.h"
#include "syncd/control/control.h"

#define UUID "11112222-3333-4444-5555-666677778888"

static const char good[] =
	"{\"vm\":\"g1\",\"role\":\"primary\",\"state\":\"blocked: "
	"no\\u00e9\",\"peer\":\"xb\",\"reason\":null,"
	"\"domid\":7,\"g\":\"fedcba9876543210\",\"epoch\":12,\"lag_ms\":3,\"pause_us\":4,\"commit_us\":5,"
	"\"held\":0,\"uuid\":\"" UUID
	"\",\"started\":true,\"promoted\":true,\"linked\":false,\"running\":true,"
	"\"needs\":\"fence\",\"protection\":\"blocked\",\"stats\":{\"captures\":1}}";

/* ---- answers ---- */

static json_t *parse(const char *text)
{
	json_t *o = json_loads(text, 0, NULL);

	assert_non_null(o);
	return o;
}

static void a_row_is_taken_whole(void **state)
{
	json_t *o = parse(good);
	char why[ANSWER_WHY];
	struct vm_row r;

	assert_int_equal(answer_row(o, &r, why), 0);
	assert_string_equal(r.vm, "g1");
	assert_string_equal(r.peer, "xb");
	assert_string_equal(r.state, "blocked: no??");
	assert_int_equal(r.uuid[15], 0x88);
	assert_int_equal(r.role, ROW_PRIMARY);
	assert_int_equal(r.protection, ROW_BLOCKED);
	assert_int_equal(r.needs, ROW_NEEDS_FENCE);
	assert_true(r.started && r.promoted && r.running && !r.linked);
	assert_true(r.g == 0xfedcba9876543210 && r.epoch == 12 && r.lag_ms == 3 && r.commit_us == 5);
	json_decref(o);
}

static void an_older_row_has_nothing_of_the_rest(void **state)
{
	json_t *o = parse("{\"vm\":\"g1\",\"role\":\"standby\",\"state\":\"copy\",\"peer\":null}");
	char why[ANSWER_WHY];
	struct vm_row r;

	assert_int_equal(answer_row(o, &r, why), 0);
	assert_int_equal(r.role, ROW_STANDBY);
	assert_false(r.started || r.linked || r.running || r.peer[0]);
	assert_int_equal(r.needs, ROW_NEEDS_NOTHING);
	json_decref(o);
}

static void each_key_is_checked(void **state)
{
	static const struct {
		const char *key, *value;
	} bad[] = {
		{ "vm", "null" },
		{ "vm", "\"../x\"" },
		{ "vm", "1" },
		{ "peer", "\"a b\"" },
		{ "peer", "[]" },
		{ "uuid", "\"x\"" },
		{ "role", "\"owner\"" },
		{ "role", "1" },
		{ "state", "{}" },
		{ "needs", "\"money\"" },
		{ "protection", "\"\\u0001\"" },
		{ "started", "1" },
		{ "linked", "\"yes\"" },
		{ "g", "\"\"" },
		{ "g", "\"11112222333344445\"" },
		{ "g", "\"0x1\"" },
		{ "g", "5" },
		{ "epoch", "-1" },
		{ "lag_ms", "\"1\"" },
		{ "commit_us", "1.5" },
	};
	size_t i;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		json_t *o = parse(good);
		char why[ANSWER_WHY] = "", quoted[32];
		struct vm_row r;

		json_object_set_new(o, bad[i].key, json_loads(bad[i].value, JSON_DECODE_ANY, NULL));
		assert_int_equal(answer_row(o, &r, why), -EBADMSG);
		snprintf(quoted, sizeof(quoted), "\"%s\"", bad[i].key);
		assert_non_null(strstr(why, quoted));
		json_decref(o);
	}
}

static void a_bad_row_spares_the_others(void **state)
{
	json_t *o = parse("{\"rows\":[{\"vm\":\"g1\"},{\"vm\":\"/\"},7,{\"vm\":\"g2\"},{\"vm\":\"g1\"}]}");
	struct vm_row table[ROW_MAX];
	char why[ANSWER_WHY];
	unsigned int nr = 0;

	assert_int_equal(answer_rows(o, table, &nr, why), -EBADMSG);
	assert_int_equal(nr, 2);
	assert_string_equal(table[0].vm, "g1");
	assert_string_equal(table[1].vm, "g2");
	json_decref(o);
}

static void a_table_is_bounded(void **state)
{
	json_t *rows = json_array(), *o = json_pack("{s:o}", "rows", rows);
	struct vm_row table[ROW_MAX];
	char why[ANSWER_WHY];
	unsigned int nr = 0;
	char name[16];
	int i;

	for (i = 0; i <= ROW_MAX; i++) {
		snprintf(name, sizeof(name), "g%d", i);
		json_array_append_new(rows, json_pack("{s:s}", "vm", name));
	}
	assert_int_equal(answer_rows(o, table, &nr, why), -E2BIG);
	assert_int_equal(nr, ROW_MAX);
	json_decref(o);
}

static void answers_are_told_apart(void **state)
{
	static const struct {
		const char *text;
		enum answer_kind kind;
	} cases[] = {
		{ "{\"rows\":[],\"more\":true}", ANSWER_MORE_ROWS },
		{ "{\"rows\":[]}", ANSWER_ROWS },
		{ "{\"progress\":{}}", ANSWER_PROGRESS },
		{ "{\"ok\":true}", ANSWER_OK },
		{ "{\"error\":\"no\",\"code\":2}", ANSWER_ERROR },
		{ "{\"ok\":false}", ANSWER_NONSENSE },
		{ "{\"rows\":1}", ANSWER_NONSENSE },
		{ "{}", ANSWER_NONSENSE },
	};
	size_t i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		json_t *o = parse(cases[i].text);

		assert_int_equal(answer_kind(o), cases[i].kind);
		json_decref(o);
	}
}

static int relay_of(const char *text, struct message_engine *e)
{
	json_t *o = parse(text);
	char why[ANSWER_WHY];
	int rc = answer_relay(o, e, why);

	json_decref(o);
	return rc;
}

static void relay_rows_are_checked(void **state)
{
	char big[2 * MESSAGE_ENGINE_MAX + 64];
	struct message_engine e;
	int n;

	assert_int_equal(relay_of("{\"to\":\"xb\",\"data\":\"00ffA0\"}", &e), 0);
	assert_string_equal(e.to, "xb");
	assert_int_equal(e.len, 3);
	assert_memory_equal(e.data, "\x00\xff\xa0", 3);
	assert_int_equal(relay_of("{\"to\":null,\"data\":\"01\"}", &e), 0);
	assert_string_equal(e.to, "");
	assert_int_equal(relay_of("{\"to\":\"a b\",\"data\":\"01\"}", &e), -EBADMSG);
	assert_int_equal(relay_of("{\"data\":\"\"}", &e), -EBADMSG);
	assert_int_equal(relay_of("{\"data\":\"012\"}", &e), -EBADMSG);
	assert_int_equal(relay_of("{\"data\":\"0g\"}", &e), -EBADMSG);
	assert_int_equal(relay_of("{\"data\":7}", &e), -EBADMSG);
	n = snprintf(big, sizeof(big), "{\"data\":\"%0*d\"}", 2 * MESSAGE_ENGINE_MAX, 0);
	assert_true(n > 0 && relay_of(big, &e) == 0 && e.len == MESSAGE_ENGINE_MAX);
	snprintf(big, sizeof(big), "{\"data\":\"%0*d\"}", 2 * MESSAGE_ENGINE_MAX + 2, 0);
	assert_int_equal(relay_of(big, &e), -EBADMSG);
}

/* ---- the conversation ---- */

struct bed {
	struct qb_loop *loop;
	struct control *srv;
	struct syncd *s;
	char dir[64], path[96];
	qb_loop_timer_handle timer;
	unsigned int asked[CONTROL_NR_OPS];
	struct control_request last[CONTROL_NR_OPS];
	struct control_client *protecting;
	unsigned int tables, relays, protects;
	struct message_engine relayed;
	char why[64]; /* of the protect command */
	bool (*done)(const struct bed *b);
};

static void on_request(void *ctx, struct control_client *c, const struct control_request *r)
{
	struct bed *b = ctx;

	b->asked[r->op]++;
	b->last[r->op] = *r;
	switch (r->op) {
	case CONTROL_STATUS:
		control_rows(c, json_pack("[o]", json_loads(good, 0, NULL)));
		if (r->watch)
			control_watch(c);
		else
			control_done(c, NULL);
		break;
	case CONTROL_RELAY:
		control_watch(c);
		break;
	case CONTROL_PROTECT:
		b->protecting = c;
		break;
	default:
		control_done(c, NULL);
	}
}

static void on_table(void *arg)
{
	((struct bed *)arg)->tables++;
}

static void on_relay(void *arg, const struct message_engine *e)
{
	struct bed *b = arg;

	b->relays++;
	b->relayed = *e;
}

static void on_protected(void *arg, const char *vm, const char *host, const char *why)
{
	struct bed *b = arg;

	assert_string_equal(vm, "g1");
	assert_string_equal(host, "xb");
	b->protects++;
	snprintf(b->why, sizeof(b->why), "%s", why ? why : "");
}

static int start(struct bed *b)
{
	static const struct control_handlers handlers = { .request = on_request };
	const struct control_options opt = { .path = b->path };

	return control_start(b->loop, &handlers, b, &opt, &b->srv);
}

static int setup(void **state)
{
	static const struct syncd_ops ops = { .table = on_table,
					      .relay = on_relay,
					      .protected = on_protected };
	struct bed *b = calloc(1, sizeof(*b));

	*state = b;
	if (!b)
		return -1;
	b->loop = qb_loop_create();
	snprintf(b->dir, sizeof(b->dir), "/tmp/kemari-agent-XXXXXX");
	if (!mkdtemp(b->dir))
		return -1;
	snprintf(b->path, sizeof(b->path), "%s/%s", b->dir, CONTROL_SOCKET);
	return start(b) ?: syncd_open(b->loop, b->path, &ops, b, &b->s);
}

static int teardown(void **state)
{
	struct bed *b = *state;

	syncd_close(b->s);
	if (b->protecting)
		control_fail(b->protecting, EIO, "the test ends", NULL);
	if (b->srv)
		control_stop(b->srv);
	qb_loop_destroy(b->loop);
	unlink(b->path);
	rmdir(b->dir);
	free(b);
	return 0;
}

static void look(void *arg)
{
	struct bed *b = arg;

	if (b->done(b))
		qb_loop_stop(b->loop);
	else
		qb_loop_timer_add(b->loop, QB_LOOP_LOW, 10 * QB_TIME_NS_IN_MSEC, b, look, &b->timer);
}

static void give_up(void *arg)
{
	fail_msg("nothing came of it in 20 s");
}

static void run_until(struct bed *b, bool (*done)(const struct bed *b))
{
	qb_loop_timer_handle limit;

	b->done = done;
	qb_loop_timer_add(b->loop, QB_LOOP_LOW, 20 * QB_TIME_NS_IN_SEC, b, give_up, &limit);
	look(b);
	qb_loop_run(b->loop);
	qb_loop_timer_del(b->loop, limit);
}

static bool is_there(const struct bed *b)
{
	return syncd_known(b->s) && b->asked[CONTROL_RELAY];
}

static void the_table_comes_with_the_watch(void **state)
{
	struct bed *b = *state;
	const struct vm_row *table;
	unsigned int nr;

	assert_false(syncd_known(b->s));
	run_until(b, is_there);
	table = syncd_table(b->s, &nr);
	assert_int_equal(nr, 1);
	assert_string_equal(table[0].vm, "g1");
	assert_true(b->last[CONTROL_STATUS].watch);
}

static bool table_came(const struct bed *b)
{
	return b->tables;
}

static void the_table_is_replaced_by_each_push(void **state)
{
	struct bed *b = *state;
	unsigned int nr;

	run_until(b, is_there);
	b->tables = 0;
	control_publish(b->srv, CONTROL_STATUS, "", json_array());
	run_until(b, table_came);
	syncd_table(b->s, &nr);
	assert_int_equal(nr, 0);
	assert_true(syncd_known(b->s));
}

static bool relay_came(const struct bed *b)
{
	return b->relays == 2;
}

static void relay_rows_come(void **state)
{
	struct bed *b = *state;

	run_until(b, is_there);
	control_publish(b->srv, CONTROL_RELAY, "",
			json_pack("[{s:n, s:s}, {s:s, s:s}, {s:s}]", "to", "data", "00", "to", "xb", "data",
				  "dead", "data", "x"));
	run_until(b, relay_came);
	assert_string_equal(b->relayed.to, "xb");
	assert_memory_equal(b->relayed.data, "\xde\xad", 2);
}

static bool orders_came(const struct bed *b)
{
	return b->asked[CONTROL_HOST_OFF] == 2 && b->asked[CONTROL_MESSAGE] == 2;
}

static void orders_arrive_one_after_the_other(void **state)
{
	struct bed *b = *state;

	run_until(b, is_there);
	syncd_host_off(b->s, "xb", 0xfedc000000000001);
	assert_true(syncd_host_fenced(b->s, "xb", 0xfedc000000000001, "asked for by xa"));
	syncd_message(b->s, "xb", (const uint8_t *)"\x01\xff", 2);
	syncd_message(b->s, "xc", (const uint8_t *)"\x02", 1);
	syncd_forget(b->s, "xc");
	syncd_message(b->s, "xd", (const uint8_t *)"\x03", 1);
	syncd_host_off(b->s, "xe", 1);
	run_until(b, orders_came);
	assert_string_equal(b->last[CONTROL_HOST_OFF].host, "xe");
	assert_true(b->last[CONTROL_HOST_OFF].boot == 1);
	assert_true(b->last[CONTROL_HOST_FENCED].boot == 0xfedc000000000001);
	assert_string_equal(b->last[CONTROL_HOST_FENCED].why, "asked for by xa");
	assert_string_equal(b->last[CONTROL_MESSAGE].host, "xd");
	assert_int_equal(b->last[CONTROL_MESSAGE].data[0], 3);
}

static bool is_protecting(const struct bed *b)
{
	return b->protecting;
}

static bool protect_done(const struct bed *b)
{
	return b->protects;
}

static void protect_takes_its_time_beside_the_rest(void **state)
{
	struct bed *b = *state;

	run_until(b, is_there);
	assert_int_equal(syncd_protect(b->s, "g1", "xb"), 0);
	run_until(b, is_protecting);
	assert_string_equal(b->last[CONTROL_PROTECT].vm, "g1");
	syncd_host_off(b->s, "xb", 1);
	syncd_host_off(b->s, "xb", 1);
	syncd_message(b->s, "xb", (const uint8_t *)"\x01", 1);
	syncd_message(b->s, "xb", (const uint8_t *)"\x01", 1);
	run_until(b, orders_came);
	control_progress(b->protecting, json_object());
	control_done(b->protecting, NULL);
	b->protecting = NULL;
	run_until(b, protect_done);
	assert_string_equal(b->why, "");
}

static void protect_fails_with_the_reason(void **state)
{
	struct bed *b = *state;

	run_until(b, is_there);
	assert_int_equal(syncd_protect(b->s, "g1", "xb"), 0);
	run_until(b, is_protecting);
	control_fail(b->protecting, EPROTO, "memory differs", NULL);
	b->protecting = NULL;
	run_until(b, protect_done);
	assert_string_equal(b->why, "memory differs");
}

static bool unknown(const struct bed *b)
{
	return !syncd_known(b->s);
}

static void a_daemon_that_stays_away_is_not_relied_upon(void **state)
{
	struct bed *b = *state;

	run_until(b, is_there);
	control_stop(b->srv);
	b->srv = NULL;
	b->tables = 0;
	run_until(b, unknown);
	assert_true(b->tables);
	assert_int_equal(start(b), 0);
	run_until(b, is_there);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_row_is_taken_whole),
		cmocka_unit_test(an_older_row_has_nothing_of_the_rest),
		cmocka_unit_test(each_key_is_checked),
		cmocka_unit_test(a_bad_row_spares_the_others),
		cmocka_unit_test(a_table_is_bounded),
		cmocka_unit_test(answers_are_told_apart),
		cmocka_unit_test(relay_rows_are_checked),
		cmocka_unit_test_setup_teardown(the_table_comes_with_the_watch, setup, teardown),
		cmocka_unit_test_setup_teardown(the_table_is_replaced_by_each_push, setup, teardown),
		cmocka_unit_test_setup_teardown(relay_rows_come, setup, teardown),
		cmocka_unit_test_setup_teardown(orders_arrive_one_after_the_other, setup, teardown),
		cmocka_unit_test_setup_teardown(protect_takes_its_time_beside_the_rest, setup, teardown),
		cmocka_unit_test_setup_teardown(protect_fails_with_the_reason, setup, teardown),
		cmocka_unit_test_setup_teardown(a_daemon_that_stays_away_is_not_relied_upon, setup, teardown),
	};

	return cmocka_run_group_tests_name("agent_syncd", tests, NULL, NULL);
}
