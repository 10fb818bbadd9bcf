/* SPDX-License-Identifier: GPL-2.0-only */
/* Two engines, a and b, and a caller that does at once what it is told. */
#ifndef KEMARI_UNIT_ENGINE_ENV_H
#define KEMARI_UNIT_ENGINE_ENV_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "engine/engine.h"

#define DONE_MAX 64
#define OUTDATE_AFTER 500
#define FENCE_AFTER 300
#define HANDOVER 1000
#define YIELD 700

struct host {
	struct engine e;
	struct engine_cfg cfg;
	struct engine_persist record;
	struct engine_action done[DONE_MAX]; /* by the last event */
	unsigned int nr;
	unsigned int records; /* stored by the last event */
};

static struct host a, b;
static uint64_t now;

static inline void carry_out(struct host *h, struct engine_actions *list)
{
	struct engine_event persisted = { .type = ENGINE_EV_PERSISTED };

	while (list->nr == 1 && list->a[0].type == ENGINE_ACT_PERSIST) {
		h->record = list->persist;
		h->records++;
		persisted.now = now;
		persisted.seq = list->persist.seq;
		assert_int_equal(engine_handle(&h->e, &persisted, list), 0);
	}
	memcpy(h->done, list->a, list->nr * sizeof(list->a[0]));
	h->nr = list->nr;
}

static inline void hand(struct host *h, struct engine_event ev)
{
	struct engine_actions list;

	h->records = 0;
	ev.now = now;
	assert_int_equal(engine_handle(&h->e, &ev, &list), 0);
	carry_out(h, &list);
}

#define EVENT(h, ...) hand(h, (struct engine_event){ __VA_ARGS__ })

static inline const struct engine_action *did(const struct host *h, enum engine_action_type type)
{
	for (unsigned int i = 0; i < h->nr; i++)
		if (h->done[i].type == type)
			return &h->done[i];
	return NULL;
}

static inline const struct engine_message *said(const struct host *h, enum engine_msg_type type)
{
	for (unsigned int i = 0; i < h->nr; i++)
		if (h->done[i].type == ENGINE_ACT_SEND_MSG && h->done[i].msg.type == type)
			return &h->done[i].msg;
	return NULL;
}

/* What `from` said last with this type comes to `to`. */
static inline void deliver(struct host *from, struct host *to, enum engine_msg_type type)
{
	const struct engine_message *m = said(from, type);

	assert_non_null(m);
	EVENT(to, .type = ENGINE_EV_MSG, .msg = *m);
}

static inline enum engine_result result(const struct host *h)
{
	const struct engine_action *r = did(h, ENGINE_ACT_RESULT);

	assert_non_null(r);
	return r->result;
}

static inline void tick(struct host *h, uint64_t later)
{
	now += later;
	EVENT(h, .type = ENGINE_EV_TICK);
}

static inline void restart(struct host *h)
{
	struct engine_actions list;

	h->records = 0;
	assert_int_equal(engine_restore(&h->e, &h->cfg, &h->record, now, &list), 0);
	carry_out(h, &list);
}

static inline void connect_hosts(void)
{
	struct engine_event ev = { .type = ENGINE_EV_LINK_UP, .session = engine_next_session(&b.e) };

	assert_true(engine_say_state(&a.e, &ev.peer));
	ev.peer_boot = a.cfg.boot;
	hand(&b, ev);
	assert_true(engine_say_state(&b.e, &ev.peer));
	ev.peer_boot = b.cfg.boot;
	hand(&a, ev);
}

static inline void cut(void)
{
	EVENT(&a, .type = ENGINE_EV_LINK_DOWN);
	EVENT(&b, .type = ENGINE_EV_LINK_DOWN);
}

/* The capture that a was just told to take, up to its place in b's staging. */
static inline void send_epoch(void)
{
	struct engine_action c = *did(&a, ENGINE_ACT_CAPTURE);

	EVENT(&a, .type = ENGINE_EV_CAPTURED, .epoch = c.epoch, .pages = 1);
	assert_non_null(did(&a, ENGINE_ACT_SEND));
	EVENT(&a, .type = ENGINE_EV_SENT, .epoch = c.epoch);
	EVENT(&b, .type = ENGINE_EV_EPOCH_STAGED, .g = c.g, .session = a.e.session, .epoch = c.epoch,
	      .base = c.base);
}

/* b is promoted, and its question comes to a. */
static inline void b_asks(enum engine_msg_type question)
{
	EVENT(&b, .type = ENGINE_EV_PROMOTE, .incarnation = 8);
	deliver(&b, &a, question);
}

static inline void begin(struct host *h, uint32_t node)
{
	memset(h, 0, sizeof(*h));
	h->cfg = (struct engine_cfg){
		.uuid = "unit",
		.node = node,
		.boot = 100 + node,
		.max_in_flight = 2,
		.staging_pages = 10000,
		.batch_ns = 1,
		.owed_ns = 10,
		.max_epoch_ns = 100,
		.idle_epoch_ns = 500,
		.retry_ns = 1,
		.resend_ns = 20,
		.outdate_after_ns = OUTDATE_AFTER,
		.fence_after_ns = FENCE_AFTER,
		.handover_ns = HANDOVER,
		.yield_ns = YIELD,
	};
	assert_int_equal(engine_init(&h->e, &h->cfg), 0);
}

/* a runs the guest, alone */
static inline int two_hosts(void **state)
{
	now = 1000;
	begin(&a, 1);
	begin(&b, 2);
	EVENT(&a, .type = ENGINE_EV_START_OWNER, .incarnation = 7);
	assert_int_equal(result(&a), ENGINE_RES_OK);
	return 0;
}

static inline void protect(void)
{
	EVENT(&a, .type = ENGINE_EV_PROTECT);
	connect_hosts();
	assert_non_null(did(&a, ENGINE_ACT_START_BULK));
	EVENT(&b, .type = ENGINE_EV_BULK_BEGIN, .session = a.e.session);
	EVENT(&a, .type = ENGINE_EV_BULK_DONE);
	send_epoch();
	deliver(&b, &a, ENGINE_MSG_ACK);
}

static inline int protected_pair(void **state)
{
	two_hosts(state);
	protect();
	assert_int_equal(engine_protection(&a.e), ENGINE_PROTECTED);
	assert_int_equal(engine_role(&b.e), ENGINE_COPY);
	return 0;
}

#define ALONE(f) cmocka_unit_test_setup(f, two_hosts)
#define PAIR(f) cmocka_unit_test_setup(f, protected_pair)

#endif /* KEMARI_UNIT_ENGINE_ENV_H */
