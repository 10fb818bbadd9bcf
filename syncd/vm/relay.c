/* SPDX-License-Identifier: GPL-2.0-only */
#include "relay.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "transport/transport.h"
#include "vm.h"
#include "vms.h"
#include "wire/message.h"
#include "wire/record.h"

#define SEALED_BYTES (MESSAGE_BYTES + TRANSPORT_MAC_BYTES)
_Static_assert(SEALED_BYTES <= CONTROL_DATA_MAX, "a sealed message fits a request");

/* ---- out -------------------------------------------------------------------------------------------------
 */

static void publish(const struct daemon *d, const char *to, const struct engine_message *m)
{
	uint8_t bytes[SEALED_BYTES];
	char hex[2 * SEALED_BYTES + 1];

	if (!d->control || !control_watched(d->control, CONTROL_RELAY, ""))
		return;
	message_encode(m, bytes);
	if (transport_mac(d->transport, bytes, MESSAGE_BYTES, bytes + MESSAGE_BYTES))
		return;
	for (unsigned int i = 0; i < SEALED_BYTES; i++)
		snprintf(hex + 2 * (size_t)i, 3, "%02x", bytes[i]);
	control_publish(d->control, CONTROL_RELAY, "",
			json_pack("[{ss* ss}]", "to", to && to[0] ? to : NULL, "data", hex));
}

void relay_send(const struct vm *vm, const struct engine_message *m)
{
	publish(vm->d, vm->mem->peer, m);
}

/* ---- in --------------------------------------------------------------------------------------------------
 */

/*
 * This host holds nothing of that VM: what its engine would say.  Nothing needs to be stored: without a copy
 * it could never use what it gives up.
 */
static void answer_for_none(struct daemon *d, const char *from, const struct engine_event *ev)
{
	struct engine_event persisted = { .type = ENGINE_EV_PERSISTED, .now = ev->now };
	struct engine_actions acts;
	struct engine_cfg cfg;
	struct engine e;

	vm_engine_settings(d, ev->msg.uuid, &cfg);
	if (engine_init(&e, &cfg) || engine_handle(&e, ev, &acts))
		return;
	if (acts.nr == 1 && acts.a[0].type == ENGINE_ACT_PERSIST) {
		persisted.seq = acts.persist.seq;
		if (engine_handle(&e, &persisted, &acts))
			return;
	}
	for (unsigned int i = 0; i < acts.nr; i++)
		if (acts.a[i].type == ENGINE_ACT_SEND_MSG)
			publish(d, from, &acts.a[i].msg);
}

static int open_message(const struct daemon *d, const struct control_request *r, struct engine_message *m,
			char *why)
{
	uint8_t mac[TRANSPORT_MAC_BYTES], diff = 0;

	if (r->data_len != SEALED_BYTES) {
		snprintf(why, RECORD_WHY_MAX, "%u bytes, must be %d", r->data_len, SEALED_BYTES);
		return -EBADMSG;
	}
	if (transport_mac(d->transport, r->data, MESSAGE_BYTES, mac))
		return -EIO;
	for (unsigned int i = 0; i < TRANSPORT_MAC_BYTES; i++)
		diff |= mac[i] ^ r->data[MESSAGE_BYTES + i];
	if (diff) {
		snprintf(why, RECORD_WHY_MAX, "it was not made with this host's key");
		return -EBADMSG;
	}
	return message_decode(r->data, MESSAGE_BYTES, m, why);
}

void relay_receive(struct daemon *d, struct control_client *c, const struct control_request *r)
{
	struct engine_event ev = { .type = ENGINE_EV_MSG, .now = monotonic_ns() };
	char why[RECORD_WHY_MAX] = "no MAC can be made";
	struct vm *vm;
	int rc = open_message(d, r, &ev.msg, why);

	if (rc) {
		kem_warn("a message of %s that came over the cluster is dropped: %s", r->host, why);
		control_fail(c, EBADMSG, why, "all hosts need the same key file");
		return;
	}
	vm = vm_find_uuid(d, ev.msg.uuid);
	if (vm) {
		vm->peer_off = 0; /* a sign of life; who is off all the same is told anew */
		vm_look_for_foreign(vm);
		vm_event(vm, &ev);
	} else if (!d->reopening && !vms_domain_of(d, ev.msg.uuid, 0)) {
		answer_for_none(d, r->host, &ev);
	}
	control_done(c, NULL);
}
