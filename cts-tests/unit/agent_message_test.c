/* SPDX-License-Identifier: GPL-2.0-only */
/* What kemari-agents send each other: comes back as it was, and nothing malformed gets through. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <xxhash.h>

#include "agent/daemon/message.h"

#define NODE 7
#define HEADER 40U /* bytes */

static const struct message hello = {
	.type = MESSAGE_HELLO,
	.nodeid = NODE,
	.boot = 0xb001,
	.seq = 42,
	.hello = { .host = "xa", .version = "0.1", .bmc_uuid = { 1, 2, 3 }, .red = 1, .up_s = 0x01020304 },
};

static const struct message vm = {
	.type = MESSAGE_VM,
	.nodeid = NODE,
	.boot = 0xb001,
	.seq = 43,
	.vm = { .uuid = { 9 },
		.vm = "g1",
		.state = "blocked: cannot fence",
		.role = ROW_PRIMARY,
		.protection = ROW_BLOCKED,
		.needs = ROW_NEEDS_FENCE,
		.started = true,
		.running = true,
		.g = UINT64_MAX,
		.epoch = 1ULL << 40,
		.lag_ms = 3,
		.pause_us = 4,
		.commit_us = 5 },
};

static const struct message end = {
	.type = MESSAGE_VMS_END,
	.nodeid = NODE,
	.boot = 0xb001,
	.seq = 44,
	.end = { .rows = 1, .view = 0x1122334455667788 },
};

static const struct message engine = {
	.type = MESSAGE_ENGINE,
	.nodeid = NODE,
	.boot = 0xb001,
	.seq = 45,
	.engine = { .to = "xb", .len = 3, .data = { 0xde, 0xad, 0x00 } },
};

static const struct message *const samples[] = { &hello, &vm, &end, &engine };

static int unpack(const void *bytes, size_t len, struct message *m)
{
	char why[MESSAGE_WHY] = "";
	int rc = message_unpack(bytes, len, NODE, m, why);

	assert_int_equal(!rc, !why[0]);
	return rc;
}

/* Makes the checksum right again after a change. */
static void seal(uint8_t *bytes, size_t len)
{
	uint32_t check;

	memset(bytes + 36, 0, 4);
	check = (uint32_t)XXH64(bytes, len, 0);
	memcpy(bytes + 36, &check, 4); /* the tests run little-endian only, as Xen does */
}

static void each_type_comes_back_as_it_was(void **state)
{
	uint8_t bytes[MESSAGE_MAX];
	struct message m;
	size_t i;

	for (i = 0; i < 4; i++) {
		const long len = message_pack(samples[i], bytes);

		assert_true(len > HEADER);
		assert_int_equal(unpack(bytes, (size_t)len, &m), 0);
		assert_int_equal(m.type, samples[i]->type);
		assert_int_equal(m.nodeid, NODE);
		assert_int_equal(m.boot, 0xb001);
		assert_int_equal(m.seq, samples[i]->seq);
	}
	message_pack(&hello, bytes);
	unpack(bytes, HEADER + 112, &m);
	assert_memory_equal(&m.hello, &hello.hello, sizeof(m.hello));
	message_pack(&vm, bytes);
	unpack(bytes, HEADER + 224, &m);
	assert_string_equal(m.vm.vm, "g1");
	assert_string_equal(m.vm.state, "blocked: cannot fence");
	assert_int_equal(m.vm.needs, ROW_NEEDS_FENCE);
	assert_true(m.vm.started && m.vm.running && !m.vm.promoted && !m.vm.linked);
	assert_true(m.vm.g == UINT64_MAX && m.vm.epoch == 1ULL << 40 && m.vm.commit_us == 5);
	message_pack(&engine, bytes);
	unpack(bytes, HEADER + 80 + 3, &m);
	assert_string_equal(m.engine.to, "xb");
	assert_int_equal(m.engine.len, 3);
	assert_memory_equal(m.engine.data, engine.engine.data, 3);
}

static void the_layout_is_fixed(void **state)
{
	static const uint8_t head[] = { 'K', 'M', 'R', 'I', 1,	  1, 3, 0, 0, 0, 0, 0, NODE,
					0,   0,	  0,   1,   0xb0, 0, 0, 0, 0, 0, 0, 44 };
	static const uint8_t body[] = {
		1, 0, 0, 0, 0, 0, 0, 0, 0x88, 0x77, 0x66, 0x55, 0x44, 0x33, 0x22, 0x11
	};
	uint8_t bytes[MESSAGE_MAX];

	assert_int_equal(message_pack(&end, bytes), HEADER + sizeof(body));
	assert_memory_equal(bytes, head, sizeof(head));
	assert_memory_equal(bytes + HEADER, body, sizeof(body));
}

static void another_sender_is_refused(void **state)
{
	uint8_t bytes[MESSAGE_MAX];
	char why[MESSAGE_WHY];
	struct message m;
	const long len = message_pack(&hello, bytes);

	assert_int_equal(message_unpack(bytes, (size_t)len, NODE + 1, &m, why), -EBADMSG);
}

static void another_major_is_refused(void **state)
{
	uint8_t bytes[MESSAGE_MAX];
	struct message m;
	const long len = message_pack(&hello, bytes);

	bytes[4] = 2;
	seal(bytes, (size_t)len);
	assert_int_equal(unpack(bytes, (size_t)len, &m), -EPROTO);
}

static void unknown_types_are_ignored(void **state)
{
	uint8_t bytes[MESSAGE_MAX];
	struct message m;
	const long len = message_pack(&hello, bytes);

	bytes[6] = 200;
	seal(bytes, (size_t)len);
	assert_int_equal(unpack(bytes, (size_t)len, &m), -ENOMSG);
}

static void a_later_minor_may_append(void **state)
{
	uint8_t bytes[MESSAGE_MAX];
	struct message m;
	size_t len = (size_t)message_pack(&vm, bytes);

	memset(bytes + len, 0x55, 8);
	len += 8;
	bytes[32] = (uint8_t)(len - HEADER);
	seal(bytes, len);
	assert_int_equal(unpack(bytes, len, &m), -EBADMSG);
	bytes[5] = MESSAGE_MINOR + 1;
	seal(bytes, len);
	assert_int_equal(unpack(bytes, len, &m), 0);
	assert_string_equal(m.vm.vm, "g1");
}

static void a_wrong_length_is_refused(void **state)
{
	uint8_t bytes[MESSAGE_MAX + 8];
	struct message m;
	const size_t len = (size_t)message_pack(&engine, bytes);
	size_t i;

	for (i = 0; i < len; i++)
		assert_int_equal(unpack(bytes, i, &m), -EBADMSG);
	assert_int_equal(unpack(bytes, len + 1, &m), -EBADMSG);
	assert_int_equal(unpack(bytes, sizeof(bytes), &m), -EBADMSG);
}

static void a_flipped_bit_is_seen(void **state)
{
	uint8_t bytes[MESSAGE_MAX];
	struct message m;
	const size_t len = (size_t)message_pack(&hello, bytes);
	size_t i;

	for (i = 0; i < len * 8; i++) {
		bytes[i / 8] ^= 1U << i % 8;
		assert_int_not_equal(unpack(bytes, len, &m), 0);
		bytes[i / 8] ^= 1U << i % 8;
	}
	assert_int_equal(unpack(bytes, len, &m), 0);
}

/* Sets a byte of the body and expects a refusal in spite of a right checksum. */
static void refused(const struct message *sample, size_t at, uint8_t value)
{
	uint8_t bytes[MESSAGE_MAX];
	struct message m;
	const size_t len = (size_t)message_pack(sample, bytes);

	bytes[at] = value;
	seal(bytes, len);
	assert_int_equal(unpack(bytes, len, &m), -EBADMSG);
}

static void bad_fields_are_refused(void **state)
{
	refused(&hello, 8, 1);		   /* flags */
	refused(&hello, HEADER, ' ');	   /* host name */
	refused(&hello, HEADER, 0);	   /* ... empty, with bytes behind its end */
	refused(&hello, HEADER + 60, 'x'); /* ... bytes behind its end */
	refused(&hello, HEADER + 104, 2);  /* health */
	refused(&hello, HEADER + 107, 1);  /* reserved */
	refused(&vm, HEADER + 16, '-');	   /* VM name */
	refused(&vm, HEADER + 16 + 1, '/');
	refused(&vm, HEADER + 80, '\n'); /* state */
	refused(&vm, HEADER + 176, ROW_NR_ROLES);
	refused(&vm, HEADER + 177, ROW_NR_PROTECTIONS);
	refused(&vm, HEADER + 178, ROW_NR_NEEDS);
	refused(&vm, HEADER + 179, 16); /* an unknown bit */
	refused(&vm, HEADER + 180, 1);	/* reserved */
	refused(&end, HEADER, ROW_MAX + 1);
	refused(&engine, HEADER + 72, 4); /* longer than the message */
	refused(&engine, HEADER + 72, 0);
	refused(&engine, HEADER + 75, 0xff);
	refused(&engine, HEADER + 76, 1); /* reserved */
}

static void nothing_is_packed_that_would_be_refused(void **state)
{
	uint8_t bytes[MESSAGE_MAX];
	struct message m = hello;

	m.boot = 0;
	assert_int_equal(message_pack(&m, bytes), -EINVAL);
	m = hello;
	memset(m.hello.host, 'x', sizeof(m.hello.host));
	assert_int_equal(message_pack(&m, bytes), -EINVAL);
	m = engine;
	m.engine.len = MESSAGE_ENGINE_MAX + 1;
	assert_int_equal(message_pack(&m, bytes), -EINVAL);
	m = engine;
	m.engine.len = MESSAGE_ENGINE_MAX;
	assert_true(message_pack(&m, bytes) > 0);
	m.type = 9;
	assert_int_equal(message_pack(&m, bytes), -EINVAL);
}

static uint64_t next_random(uint64_t *x)
{
	*x ^= *x << 13;
	*x ^= *x >> 7;
	*x ^= *x << 17;
	return *x;
}

/* What gets through is within bounds, and is packed again without complaint. */
static void check_taken(const struct message *m)
{
	uint8_t bytes[MESSAGE_MAX];

	assert_true(message_pack(m, bytes) > 0);
	if (m->type == MESSAGE_VM) {
		assert_true(strnlen(m->vm.vm, ROW_VM) < ROW_VM &&
			    strnlen(m->vm.state, ROW_STATE) < ROW_STATE);
		assert_true(m->vm.role < ROW_NR_ROLES && m->vm.needs < ROW_NR_NEEDS);
	}
	if (m->type == MESSAGE_ENGINE)
		assert_true(m->engine.len <= MESSAGE_ENGINE_MAX);
}

/* Seeded mutations of each type, with the checksum made right so that they reach the rest. */
static void mutations_do_no_harm(void **state)
{
	uint64_t x = 20240229, taken = 0, i;
	uint8_t bytes[MESSAGE_MAX];
	struct message m;

	for (i = 0; i < 200000; i++) {
		size_t len = (size_t)message_pack(samples[i % 4], bytes);
		unsigned int n = 1 + (unsigned int)(next_random(&x) % 4);

		while (n--)
			bytes[next_random(&x) % len] = (uint8_t)next_random(&x);
		if (next_random(&x) % 8 == 0)
			len = next_random(&x) % sizeof(bytes);
		if (len >= HEADER && next_random(&x) % 16)
			seal(bytes, len);
		if (unpack(bytes, len, &m))
			continue;
		check_taken(&m);
		taken++;
	}
	assert_true(taken > 1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_type_comes_back_as_it_was),
		cmocka_unit_test(the_layout_is_fixed),
		cmocka_unit_test(another_sender_is_refused),
		cmocka_unit_test(another_major_is_refused),
		cmocka_unit_test(unknown_types_are_ignored),
		cmocka_unit_test(a_later_minor_may_append),
		cmocka_unit_test(a_wrong_length_is_refused),
		cmocka_unit_test(a_flipped_bit_is_seen),
		cmocka_unit_test(bad_fields_are_refused),
		cmocka_unit_test(nothing_is_packed_that_would_be_refused),
		cmocka_unit_test(mutations_do_no_harm),
	};

	return cmocka_run_group_tests_name("agent_message", tests, NULL, NULL);
}
