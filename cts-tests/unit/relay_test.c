/* SPDX-License-Identifier: GPL-2.0-only */
/* The engines' messages over the cluster's ring: who may say what (doc/ownership.md 15 and 38). */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <jansson.h>
#include <qb/qbloop.h>

#include "transport/transport.h"
#include "vm/relay.h"
#include "vm/vm.h"
#include "vm/vms.h"
#include "wire/message.h"

#define KEY "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
#define OTHER_KEY "ff112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
#define SEALED (MESSAGE_BYTES + TRANSPORT_MAC_BYTES)

struct control_client {
	bool done;
	int code;
};

static struct bed {
	struct daemon d;
	struct vm vm;
	struct vm_mem mem;
	struct transport *other;
	struct control_client client;
	struct control_request in; /* a message to us */
	struct engine_message out; /* the last one published */
	unsigned int published, events;
	bool served, domain;
} * bed;

/* ---- the rest of the daemon -----------------------------------------------------------------------------
 */

struct vm *vm_find_uuid(struct daemon *d, const uint8_t uuid[16])
{
	return bed->served ? &bed->vm : NULL;
}

bool vms_domain_of(struct daemon *d, const uint8_t uuid[16], uint32_t domid)
{
	return bed->domain;
}

void vm_look_for_foreign(struct vm *vm)
{
}

void vm_event(struct vm *vm, const struct engine_event *ev)
{
	bed->events += ev->type == ENGINE_EV_MSG;
}

void vm_engine_settings(const struct daemon *d, const uint8_t uuid[16], struct engine_cfg *e)
{
	*e = (struct engine_cfg){ .node = 2,
				  .boot = 102,
				  .max_in_flight = 2,
				  .staging_pages = 1,
				  .resend_ns = 1,
				  .fence_after_ns = 1,
				  .handover_ns = 1 };
	memcpy(e->uuid, uuid, sizeof(e->uuid));
}

bool control_watched(const struct control *srv, enum control_op op, const char *vm)
{
	return op == CONTROL_RELAY;
}

void control_publish(struct control *srv, enum control_op op, const char *vm, json_t *rows)
{
	const char *hex = json_string_value(json_object_get(json_array_get(rows, 0), "data"));
	char why[256];

	assert_non_null(hex);
	assert_int_equal(strlen(hex), 2 * SEALED);
	for (unsigned int i = 0; i < SEALED; i++) {
		const char byte[3] = { hex[2 * i], hex[2 * i + 1] };

		bed->in.data[i] = (uint8_t)strtoul(byte, NULL, 16);
	}
	bed->in.data_len = SEALED;
	assert_int_equal(message_decode(bed->in.data, MESSAGE_BYTES, &bed->out, why), 0);
	bed->published++;
	json_decref(rows);
}

void control_done(struct control_client *c, json_t *extra)
{
	c->done = true;
	json_decref(extra);
}

void control_fail(struct control_client *c, int code, const char *why, const char *fix)
{
	c->code = code;
}

/* ---- tests ----------------------------------------------------------------------------------------------
 */

static struct transport *with_key(const char *key)
{
	struct transport_cfg cfg = { .loop = bed->d.loop };
	char path[] = "/tmp/kemari-relay-XXXXXX", why[TRANSPORT_WHY_MAX];
	struct transport *t;
	int fd = mkstemp(path);

	assert_int_equal(write(fd, key, strlen(key)), strlen(key));
	close(fd);
	cfg.key_file = path;
	assert_int_equal(transport_open(&cfg, &t, why), 0);
	unlink(path);
	return t;
}

static int setup(void **state)
{
	bed = calloc(1, sizeof(*bed));
	bed->d.loop = qb_loop_create();
	bed->d.control = (struct control *)&bed->client; /* never looked into */
	bed->d.transport = with_key(KEY);
	bed->other = with_key(OTHER_KEY);
	bed->vm.d = &bed->d;
	bed->vm.mem = &bed->mem;
	strcpy(bed->in.host, "xa");
	return 0;
}

static int teardown(void **state)
{
	transport_close(bed->d.transport);
	transport_close(bed->other);
	qb_loop_destroy(bed->d.loop);
	free(bed);
	return 0;
}

/* The peer says it, with that key. */
static void say(struct transport *t, enum engine_msg_type type)
{
	struct engine_message m = { .type = (uint8_t)type, .node = 1, .g = ENGINE_G(7), .nonce = 3 };
	struct transport *own = bed->d.transport;

	bed->d.transport = t;
	relay_send(&bed->vm, &m);
	bed->d.transport = own;
	bed->published = 0;
}

static void receive(void)
{
	memset(&bed->client, 0, sizeof(bed->client));
	relay_receive(&bed->d, &bed->client, &bed->in);
}

static void a_message_sealed_with_the_key_reaches_its_vm(void **state)
{
	bed->served = true;
	bed->vm.peer_off = 5;
	say(bed->d.transport, ENGINE_MSG_OUTDATED);
	receive();
	assert_true(bed->client.done);
	assert_int_equal(bed->events, 1);
	assert_int_equal(bed->vm.peer_off, 0); /* a sign of life */
}

/* Rule 38. */
static void a_message_of_another_key_changes_nothing(void **state)
{
	bed->served = true;
	bed->vm.peer_off = 5;
	say(bed->other, ENGINE_MSG_OUTDATED);
	receive();
	assert_int_equal(bed->client.code, EBADMSG);
	assert_int_equal(bed->events, 0);
	assert_int_equal(bed->vm.peer_off, 5);
}

static void no_changed_bit_and_no_other_length_passes(void **state)
{
	bed->served = true;
	say(bed->d.transport, ENGINE_MSG_GRANT);
	for (unsigned int bit = 0; bit < 8 * SEALED; bit++) {
		bed->in.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
		receive();
		assert_int_equal(bed->client.code, EBADMSG);
		bed->in.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	bed->in.data_len--;
	receive();
	assert_int_equal(bed->client.code, EBADMSG);
	assert_int_equal(bed->events, 0);
}

static void a_host_that_holds_nothing_says_so(void **state)
{
	say(bed->d.transport, ENGINE_MSG_CLAIM);
	receive();
	assert_int_equal(bed->published, 1);
	assert_int_equal(bed->out.type, ENGINE_MSG_VOID);
	assert_int_equal(bed->out.role, ENGINE_NONE);
	assert_int_equal(bed->out.nonce, 3);
}

/* Section 0: VOID and NONE only if Xen here has no domain of it, and if that is known. */
static void nothing_is_said_while_xen_has_a_domain_of_it(void **state)
{
	bed->domain = true;
	say(bed->d.transport, ENGINE_MSG_CLAIM);
	receive();
	say(bed->d.transport, ENGINE_MSG_OUTDATE);
	receive();
	assert_int_equal(bed->published, 0);
}

static void nothing_is_said_before_all_vms_are_taken_up(void **state)
{
	bed->d.reopening = (struct reopening *)&bed->mem; /* never looked into */
	say(bed->d.transport, ENGINE_MSG_CLAIM);
	receive();
	assert_int_equal(bed->published, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_message_sealed_with_the_key_reaches_its_vm),
		TEST(a_message_of_another_key_changes_nothing),
		TEST(no_changed_bit_and_no_other_length_passes),
		TEST(a_host_that_holds_nothing_says_so),
		TEST(nothing_is_said_while_xen_has_a_domain_of_it),
		TEST(nothing_is_said_before_all_vms_are_taken_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
