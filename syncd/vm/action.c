/* SPDX-License-Identifier: GPL-2.0-only */
#include <errno.h>
#include <string.h>

#include <qb/qbloop.h>

#include "relay.h"
#include "vm.h"

static void on_timer(void *arg)
{
	struct vm *vm = arg;

	vm->timer = 0;
	vm_event_type(vm, ENGINE_EV_TICK);
}

static void set_timer(struct vm *vm, uint64_t deadline)
{
	uint64_t now = monotonic_ns();

	if (!deadline) {
		vm_timer_stop(vm, &vm->timer);
		return;
	}
	/* low priority: what waits in the queues is handed in before an expired deadline */
	if (vm_timer_start(vm, &vm->timer, QB_LOOP_LOW, deadline > now ? deadline - now : 0, on_timer))
		kem_vm_err(vm->rec.name, "cannot set a timer");
}

/* It was, or may have been, another host's until now, which did not see its last writes end. */
static bool writes_may_linger(enum engine_note note)
{
	return note == ENGINE_NOTE_RUN_FENCED || note == ENGINE_NOTE_RUN_NONE ||
	       note == ENGINE_NOTE_TAKEN_BACK || note == ENGINE_NOTE_COLD_BOOT;
}

static void note(struct vm *vm, const struct engine_action *a)
{
	vm_tell(vm, "%s", engine_note_text(a->note));
	/* also of a guest that is held meanwhile: then its copy is what the peer goes on from */
	if (a->note == ENGINE_NOTE_PROTECTED || a->note == ENGINE_NOTE_GRANTED) {
		vm->refusals = 0;
		vm_request_done(vm, CONTROL_PROTECT);
	}
	if (writes_may_linger(a->note))
		vm->mem->disks_from_ns = monotonic_ns() + vm->d->cfg.disk_inflight_ms * 1000000ULL;
	if (a->note == ENGINE_NOTE_FENCE_PEER)
		kem_vm_warn(vm->rec.name,
			    "the standby does not answer and outputs wait: if its host is off, or you accept "
			    "to lose the copy, "
			    "run `kemari unprotect %s --standby-is-gone`",
			    vm->rec.name);
}

static void run(struct vm *vm, const struct engine_action *a)
{
	struct engine_event failed = { .type = ENGINE_EV_RUN_FAILED, .g = a->g };
	int rc = vm_run(vm, a->g, a->epoch);

	vm->run_failed = rc != 0;
	if (rc && a->epoch && vm->mem->running_g != a->g)
		vm_event(vm, &failed); /* after the rest of this list */
	if (rc)
		vm_tell(vm, "the guest cannot run here: %s", strerror(-rc));
}

/* A link that is about to be found dead still takes it: nobody runs the guest until it arrives. */
static bool is_grant_again(struct vm *vm, const struct engine_message *m)
{
	bool again = m->type == ENGINE_MSG_GRANT && m->nonce == vm->grant_sent;

	if (m->type == ENGINE_MSG_GRANT)
		vm->grant_sent = m->nonce;
	return again;
}

/* What a link carries last may be lost with it: TCP takes back what was not read when the other end closes.
 */
static void send_message(struct vm *vm, const struct engine_message *m)
{
	bool sent = link_send_message(vm, m), both = is_grant_again(vm, m) || m->type == ENGINE_MSG_OUTDATED;

	if ((!sent || both) && m->type != ENGINE_MSG_ACK)
		relay_send(vm, m);
}

void vm_act(struct vm *vm, const struct engine_action *a)
{
	switch (a->type) {
	case ENGINE_ACT_SEND_MSG:
		send_message(vm, &a->msg);
		break;
	case ENGINE_ACT_SET_TIMER:
		set_timer(vm, a->deadline);
		break;
	case ENGINE_ACT_NOTE:
		note(vm, a);
		break;
	case ENGINE_ACT_RESULT:
		vm_result(vm, a->request, a->result);
		break;
	case ENGINE_ACT_DROP_LINK:
		link_end_session(vm);
		break;
	case ENGINE_ACT_CAPTURE:
		vm_capture(vm, a->epoch, a->base);
		break;
	case ENGINE_ACT_RESUME:
		vm_guest_go(vm);
		break;
	case ENGINE_ACT_SEND:
		vm_send_epoch(vm, a->epoch);
		break;
	case ENGINE_ACT_RELEASE:
		if (!vm->run_failed) /* of an image that did not start nothing may leave */
			vm_devices_release(vm, a->epoch);
		break;
	case ENGINE_ACT_DISCARD:
		vm_devices_discard(vm, a->epoch);
		break;
	case ENGINE_ACT_STOP_GUEST:
		vm_guest_stop(vm);
		break;
	case ENGINE_ACT_QUIESCE:
		vm_devices_quiesce(vm);
		break;
	case ENGINE_ACT_START_BULK:
		if (!vm->run_failed)
			vm_bulk_start(vm);
		break;
	case ENGINE_ACT_STOP_BULK:
		vm_bulk_stop(vm);
		break;
	case ENGINE_ACT_RUN:
		run(vm, a);
		break;
	case ENGINE_ACT_HOLD:
		vm_hold(vm, a->g);
		break;
	case ENGINE_ACT_DROP_COPY:
		vm_drop_copy(vm);
		break;
	case ENGINE_ACT_APPLY:
		link_apply(vm);
		break;
	case ENGINE_ACT_PERSIST: /* by the pump */
		break;
	}
}
