/* SPDX-License-Identifier: GPL-2.0-only */
#include "link.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <qb/qbloop.h>

#include "vms.h"
#include "wire/message.h"
#include "wire/writer.h"

#define RECONNECT_NS 1000000000ULL
/* Who was heard of that lately lives: well above the keepalives' distance. */
#define LIFE_NS 1500000000ULL
#define VOID_NS 5000000000ULL
#define MAX_REFUSALS 5 /* each doubles it: up to 32 s */
#define APPLY_PAGES 512U
#define SMALL_RECORD (72U << 10)

bool link_up(const struct vm *vm)
{
	return vm->link && vm->link->up && !vm->link->ended;
}

struct conn *link_conn(const struct vm *vm)
{
	return vm->link->conn;
}

uint64_t link_session(const struct vm *vm)
{
	return vm->link->session;
}

/* ---- sending
 * ------------------------------------------------------------------------------------------------- */

int link_put(struct link *l, uint16_t type, const void *payload, size_t len)
{
	uint8_t buf[SMALL_RECORD];
	struct record_writer w;
	int rc;

	if (len > sizeof(buf) - sizeof(struct record_header))
		return -EMSGSIZE;
	record_writer_init(&w, buf, sizeof(buf));
	rc = record_put(&w, type, payload, len);
	if (!rc)
		rc = record_seal(buf, w.len, l->session);
	return rc ? rc : conn_send_copy(l->conn, buf, w.len);
}

void link_send_record(struct vm *vm, uint16_t type, const void *payload, size_t len)
{
	int rc = link_up(vm) ? link_put(vm->link, type, payload, len) : 0;

	if (rc)
		kem_vm_warn(vm->rec.name, "a %s record could not be sent: %s", record_type_name(type),
			    strerror(-rc));
}

bool link_send_message(struct vm *vm, const struct engine_message *m)
{
	uint8_t buf[MESSAGE_BYTES];

	if (!vm->link || !vm->link->bound)
		return false;
	message_encode(m, buf);
	link_put(vm->link, RECORD_MESSAGE, buf, sizeof(buf)); /* the engine asks again */
	return true;
}

/* ---- applying
 * -------------------------------------------------------------------------------------------------- */

static void apply_job(void *arg)
{
	struct link *l = arg;
	char why[RECORD_WHY_MAX] = "";
	int rc;

	if (!l->vm || !l->vm->image)
		return;
	rc = receive_apply(&l->rx, APPLY_PAGES, why);
	if (rc < 0) {
		vm_tell(l->vm, "the copy here is lost: %s", why);
		vm_event_type(l->vm, ENGINE_EV_COPY_LOST);
		return;
	}
	if (!rc)
		link_apply(l->vm);
	conn_resume(l->conn);
}

void link_apply(struct vm *vm)
{
	struct link *l = vm->link;

	if (l && l->receiving)
		l->apply_due = true; /* as soon as that is done */
	else if (l)
		later_add(vm->d->later, &l->apply);
}

int link_apply_all(struct vm *vm)
{
	char why[RECORD_WHY_MAX] = "";
	int rc;

	if (!vm->link || !vm->image)
		return 0; /* what was staged before a restart is redone at the start */
	rc = receive_apply(&vm->link->rx, 0, why);
	if (rc < 0)
		vm_tell(vm, "the copy here is lost: %s", why);
	return rc < 0 ? rc : 0;
}

void link_attach(struct vm *vm)
{
	if (vm->link)
		receive_attach(&vm->link->rx, vm->staging, vm->image, vm->link->session);
}

/* ---- receiving
 * --------------------------------------------------------------------------------------------------- */

static int on_bulk_begin(void *arg, char *why)
{
	struct link *l = arg;
	struct engine_event ev = { .type = ENGINE_EV_BULK_BEGIN, .session = l->session };

	vm_event(l->vm, &ev);
	if (engine_role(&l->vm->engine) == ENGINE_NONE)
		return 0;
	snprintf(why, RECORD_WHY_MAX, "a bulk copy onto a %s", vm_role_name(l->vm));
	return -EPROTO;
}

static int on_admit(void *arg, uint64_t session, const struct record_epoch *e, char *why)
{
	struct link *l = arg;
	enum engine_role role = engine_role(&l->vm->engine);

	if (role == ENGINE_COPY || role == ENGINE_NONE)
		return 0;
	snprintf(why, RECORD_WHY_MAX, "epoch %llu for a %s", (unsigned long long)e->epoch,
		 vm_role_name(l->vm));
	return -EPROTO;
}

static void on_staged(void *arg, const struct staged_epoch *e)
{
	struct link *l = arg;

	vm_staged(l->vm, e);
}

static void on_applied(void *arg, uint64_t g, uint64_t epoch)
{
	struct link *l = arg;

	vm_applied(l->vm);
}

static int on_message(struct link *l, const struct record *r, char *why)
{
	struct engine_event ev = { .type = ENGINE_EV_MSG };
	int rc = message_decode(r->payload, r->len, &ev.msg, why);

	if (!rc)
		vm_event(l->vm, &ev);
	return rc;
}

/* The first record of a round has the image catch up: it is that epoch then, and stays so. */
static int on_verify(struct link *l, const struct record *r, char *why)
{
	bool last = false;
	int rc = l->vm->image ? link_apply_all(l->vm) : -EPROTO;
	json_t *o;
	char *text;

	if (!rc && r->type == RECORD_VERIFY_STATE)
		return verify_compare_state(l->vm->image, r->payload, r->len, &l->verify, why);
	if (!rc)
		rc = verify_compare(l->vm->image, r->payload, r->len, &l->verify, &last, why);
	if (rc || !last)
		return rc;
	o = verify_report(l->vm->image, &l->verify);
	text = json_dumps(o, JSON_COMPACT);
	link_send_record(l->vm, RECORD_VERIFY_RESULT, text, strlen(text));
	free(text);
	json_decref(o);
	memset(&l->verify, 0, sizeof(l->verify));
	return 0;
}

/* The standby's host stops being one, in order: it goes as by `kemari unprotect`. */
static int on_leave(struct link *l)
{
	struct vm *vm = l->vm;
	bool protects = engine_wants_protection(&vm->engine);
	struct engine_event ev = { .type = protects ? ENGINE_EV_UNPROTECT : ENGINE_EV_TICK,
				   .flag = protects };

	if (engine_role(&vm->engine) < ENGINE_HELD)
		return 0;
	if (protects && !vm->peer_leaves)
		vm_tell(vm, "%s leaves: it asks to be the standby no more", vm->mem->peer);
	vm->peer_leaves = true; /* it says so until we let go */
	vm_event(vm, &ev);
	return 0;
}

static int dispatch(struct link *l, const struct record *r, char *why)
{
	if (r->type == RECORD_PING)
		return 0;
	switch (r->type) {
	case RECORD_HELLO:
		return link_on_hello(l, r, why);
	case RECORD_WELCOME:
		return link_on_welcome(l, r, why);
	case RECORD_REFUSE:
		return link_on_refuse(l, r, why);
	case RECORD_PROGRESS:
		return link_on_progress(l, r, why);
	case RECORD_MESSAGE:
		if (l->vm)
			return on_message(l, r, why);
		break;
	case RECORD_DISK_ASK:
		if (l->vm)
			return vm_share_ask(l->vm, r->payload, r->len, why);
		break;
	case RECORD_DISK_ANSWER:
		if (l->vm)
			return vm_share_answer(l->vm, r->payload, r->len, why);
		break;
	case RECORD_VERIFY:
	case RECORD_VERIFY_STATE:
		if (l->vm)
			return on_verify(l, r, why);
		break;
	case RECORD_LEAVE:
		if (l->vm)
			return on_leave(l);
		break;
	case RECORD_VERIFY_RESULT:
		if (l->vm)
			return vm_verify_result(l->vm, r->payload, r->len, why);
		break;
	default:
		break;
	}
	snprintf(why, RECORD_WHY_MAX, "a %s record at the wrong time", record_type_name(r->type));
	return -EPROTO;
}

static int on_other(void *arg, const struct record *r, char *why)
{
	struct link *l = arg;
	int rc = dispatch(l, r, why);

	/* what follows a record that ended the link is not looked at */
	return rc ? rc : l->ended ? -ECANCELED : 0;
}

static const struct receive_ops receive_ops = {
	.bulk_begin = on_bulk_begin,
	.admit = on_admit,
	.staged = on_staged,
	.applied = on_applied,
	.other = on_other,
};

/* ---- the connection
 * ------------------------------------------------------------------------------------------------ */

static void free_job(void *arg)
{
	struct link *l = arg;

	receive_fini(&l->rx);
	hello_free(&l->theirs);
	free(l);
}

/* Later, from the loop: we may be inside of its receiver. */
void link_free(struct link *l)
{
	l->ended = true;
	later_cancel(&l->apply);
	later_add(l->d->later, &l->free);
}

static void reconnect(void *arg)
{
	struct vm *vm = arg;

	vm->reconnect = 0;
	link_connect(vm);
}

void link_reconnect_later(struct vm *vm)
{
	unsigned int doubled = vm->refusals < MAX_REFUSALS ? vm->refusals : MAX_REFUSALS;

	if (!vm->reconnect && vm->initiator && vm->mem->peer[0])
		vm_timer_start(vm, &vm->reconnect, QB_LOOP_MED, RECONNECT_NS << doubled, reconnect);
}

void link_leave(struct vm *vm)
{
	vm->initiator = false;
	vm->mem->peer[0] = '\0';
	vm_timer_stop(vm, &vm->reconnect);
	link_close(vm);
}

void link_end_session(struct vm *vm)
{
	struct link *l = vm->link;

	if (!l)
		return;
	if (l->up && vm->image)
		link_apply_all(vm);
	l->up = l->offered = false;
	l->session = 0;
	vm_bulk_stop(vm);
	vm_sends_lost(vm);
	receive_attach(&l->rx, vm->staging, vm->image, 0);
}

/* What was staged is applied while its receiver is still there. */
static void detach(struct link *l)
{
	struct vm *vm = l->vm;
	bool was_up = l->up;

	l->ended = true;
	if (!vm)
		return;
	if (was_up && vm->image)
		link_apply_all(vm);
	vm_bulk_stop(vm);
	vm_sends_lost(vm);
	vm->link = NULL;
	if (was_up)
		vm_event_type(vm, ENGINE_EV_LINK_DOWN);
	vm_shell_waits(vm);
}

/*
 * The boot of the peer's host, if it was said to be off and nothing came from it since; 0: not.  One that did
 * go on sending was not off, whoever says so.
 */
static uint64_t proven_off(struct vm *vm, const struct link *l)
{
	uint64_t boot = l->peer_boot, heard = monotonic_ns() - conn_quiet_ns(l->conn);

	if (!vm->off_later || vm->off_later != boot)
		return 0;
	vm->off_later = 0;
	if (heard <= vm->off_said_ns + LIFE_NS)
		return boot;
	vm->off_void = boot;
	return 0;
}

static void on_down(struct conn *c, void *arg, const char *why)
{
	struct link *l = arg;
	struct vm *vm = l->vm;
	bool was_up = l->up, greeted = l->bound;
	uint64_t off = vm && was_up ? proven_off(vm, l) : 0;

	if (vm && was_up)
		vm_tell(vm, "the link to %s is down: %s", vm->mem->peer, why);
	else if (vm)
		kem_vm_info(vm->rec.name, "no connection to %s: %s", vm->mem->peer, why);
	else
		kem_info("connection from %s ended: %s", conn_peer(c), why);
	detach(l);
	/* a peer that took the HELLO prepares its standby: asking again finds it further on */
	if (vm && !was_up && !greeted) {
		char text[512];

		snprintf(text, sizeof(text), "no connection to %s: %s", vm->mem->peer, why);
		vm_request_fail(vm, CONTROL_PROTECT, ENOTCONN, text,
				"check that kemari-syncd runs there, its port and the key");
	}
	link_free(l);
	if (vm)
		link_reconnect_later(vm);
	if (off)
		vm_peer_off(vm, off); /* last: it may be the end of the VM */
}

void link_close(struct vm *vm)
{
	struct link *l = vm->link;

	if (!l)
		return;
	detach(l);
	conn_close(l->conn);
	link_free(l);
}

/* The word is repeated each second while it stands; after a pause it is another one. */
static bool is_void(struct vm *vm, uint64_t boot)
{
	uint64_t now = monotonic_ns(), last = vm->off_heard_ns;

	vm->off_heard_ns = now;
	if (vm->off_void != boot)
		return false;
	if (now - last < VOID_NS)
		return true;
	vm->off_void = 0;
	return false;
}

bool link_end_of_boot(struct vm *vm, uint64_t boot)
{
	if (is_void(vm, boot))
		return false;
	if (!link_up(vm))
		return true;
	if (vm->link->peer_boot != boot)
		return false;
	if (conn_quiet_ns(vm->link->conn) < LIFE_NS) {
		if (vm->off_later != boot) {
			vm_tell(vm, "%s is said to be off and goes on sending: not believed while it does",
				vm->mem->peer);
			vm->off_said_ns = monotonic_ns();
		}
		vm->off_later = boot;
		return false;
	}
	vm_tell(vm, "the link to %s ends: its host is off", vm->mem->peer);
	link_again(vm);
	return true;
}

void link_again(struct vm *vm)
{
	link_close(vm);
	link_reconnect_later(vm);
}

static void on_up(struct conn *c, void *arg)
{
	struct link *l = arg;
	struct vm *vm = l->vm;

	l->bound = true;
	if (link_send_hello(l))
		link_again(vm);
}

static ssize_t on_received(struct conn *c, void *arg, const uint8_t *bytes, size_t len, char *why)
{
	struct link *l = arg;
	ssize_t n = (ssize_t)len;

	l->receiving = true;
	if (!l->ended)
		n = receive_feed(&l->rx, bytes, len, why);
	l->receiving = false;
	if (l->apply_due && !l->ended && n >= 0)
		apply_job(l);
	l->apply_due = false;
	if (!l->ended && n >= 0 && n < (ssize_t)len) /* it resumes what pauses now */
		later_add(l->d->later, &l->apply);
	return l->ended ? (ssize_t)len : n;
}

static void on_idle(struct conn *c, void *arg)
{
	link_put(arg, RECORD_PING, NULL, 0);
}

static void on_drained(struct conn *c, void *arg)
{
	struct link *l = arg;

	if (l->vm)
		vm_bulk_pump(l->vm);
}

static const struct conn_ops conn_ops = {
	.up = on_up, .received = on_received, .idle = on_idle, .drained = on_drained, .down = on_down
};

static struct link *link_new(struct daemon *d)
{
	struct link *l = calloc(1, sizeof(*l));

	if (!l)
		return NULL;
	l->d = d;
	l->apply = (struct later_item){ .fn = apply_job, .arg = l };
	l->free = (struct later_item){ .fn = free_job, .arg = l };
	if (receive_init(&l->rx, &receive_ops, l)) {
		free(l);
		return NULL;
	}
	return l;
}

void link_connect(struct vm *vm)
{
	struct daemon *d = vm->d;
	char why[TRANSPORT_WHY_MAX] = "no memory";
	struct transport_addr addr;
	struct link *l;

	if (vm->link)
		return;
	vm->initiator = true;
	if (vm->restarting || vm->ready) { /* there is no domain whose disks a HELLO could name */
		link_reconnect_later(vm);
		return;
	}
	if (vm->guest && !vm->dead_seen && !vm->ending) {
		/* while the standby is made; vm_bulk_start() has the last word about both */
		vm_staging_begin(vm);
		if (!vm->ram)
			vm_ram_begin(vm, VM_PIECE_NS, NULL);
	}
	l = link_new(d);
	if (!l ||
	    transport_resolve(kem_config_address(&d->cfg, vm->mem->peer), (uint16_t)d->cfg.port, &addr,
			      why) ||
	    transport_connect(d->transport, &addr, &conn_ops, l, &l->conn, why)) {
		kem_vm_warn(vm->rec.name, "cannot connect to %s: %s", vm->mem->peer, why);
		vm_request_fail(vm, CONTROL_PROTECT, EHOSTUNREACH, why, "check the host's name and address");
		if (l)
			link_free(l);
		link_reconnect_later(vm);
		return;
	}
	l->initiator = true;
	l->vm = vm;
	vm->link = l;
}

void vms_accepted(void *arg, struct conn *c)
{
	struct link *l = link_new(arg);

	if (!l) {
		conn_close(c);
		return;
	}
	l->conn = c;
	conn_set_ops(c, &conn_ops, l);
}

void link_established(struct link *l)
{
	struct engine_event ev = {
		.type = ENGINE_EV_LINK_UP, .session = l->session, .peer = l->peer, .peer_boot = l->peer_boot
	};

	l->vm->peer_off = l->vm->off_later = 0;
	vm_tell(l->vm, "the link to %s is up", l->vm->mem->peer);
	vm_event(l->vm, &ev);
}
