/* SPDX-License-Identifier: GPL-2.0-only */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "hvop.h"
#include "link.h"

#define TEXT_MAX (72U << 10)

static const struct {
	const char *name;
	enum engine_role role;
} roles[] = {
	{ "none", ENGINE_NONE }, { "copy", ENGINE_COPY }, { "held", ENGINE_HELD }, { "owner", ENGINE_OWNER }
};

static const char *role_name(uint8_t role)
{
	for (unsigned int i = 0; i < sizeof(roles) / sizeof(roles[0]); i++)
		if (roles[i].role == role)
			return roles[i].name;
	return "none";
}

static struct engine_peer peer_of(const struct hello *h)
{
	struct engine_peer p = { .g = h->g, .epoch = h->epoch };

	for (unsigned int i = 0; i < sizeof(roles) / sizeof(roles[0]); i++)
		if (!strcmp(roles[i].name, h->role))
			p.role = (uint8_t)roles[i].role;
	return p;
}

/* What this host says of the VM; record and session are the caller's to add.  False: it must be silent. */
static bool fill(const struct vm *vm, struct hello *h)
{
	struct engine_peer me;

	*h = (struct hello){
		.protocol = RECORD_VERSION,
		.state_format = XEN_KEMARI_STATE_VERSION,
		.domid = vm->domid,
		.memory_kb = vm->rec.memory_kb,
		.boot = vm->d->boot,
	};
	if (!engine_say_state(&vm->engine, &me))
		return false;
	memcpy(h->uuid, vm->rec.uuid, 16);
	snprintf(h->host, sizeof(h->host), "%s", vm->d->cfg.host_name);
	snprintf(h->role, sizeof(h->role), "%s", role_name(me.role));
	h->g = me.g;
	h->epoch = me.epoch;
	for (unsigned int i = 0; i < vm->nr_devices; i++)
		if (vm->device[i].kind == VM_DISK)
			h->disk_bytes[h->nr_disks++] = vm_devices_disk_bytes(&vm->device[i]);
	return true;
}

static int send_hello(struct link *l, uint16_t type, const struct hello *h)
{
	char *text = malloc(TEXT_MAX);
	long n;
	int rc;

	if (!text)
		return -ENOMEM;
	n = hello_encode(h, text, TEXT_MAX);
	rc = n < 0 ? (int)n : link_put(l, type, text, (size_t)n);
	free(text);
	if (rc)
		kem_vm_err(l->vm->rec.name, "cannot send the %s: %s", record_type_name(type), strerror(-rc));
	return rc;
}

int link_send_hello(struct link *l)
{
	struct hello h;

	if (!fill(l->vm, &h))
		return -EPERM;
	h.record = l->vm->mem->record;
	h.record_len = l->vm->mem->record_len;
	l->offered = engine_role(&l->vm->engine) >= ENGINE_HELD;
	return send_hello(l, RECORD_HELLO, &h);
}

void link_offer(struct vm *vm)
{
	struct link *l = vm->link;

	if (l && l->bound && !l->up && !l->offered && !l->ended && engine_role(&vm->engine) >= ENGINE_HELD &&
	    link_send_hello(l))
		link_close(vm);
}

void link_refuse(struct link *l, const char *reason, const char *fix)
{
	struct refuse r;
	char text[1024];
	long n;

	snprintf(r.reason, sizeof(r.reason), "%s", reason);
	snprintf(r.fix, sizeof(r.fix), "%s", fix ? fix : "");
	kem_warn("connection from %s refused: %s", conn_peer(l->conn), reason);
	n = refuse_encode(&r, text, sizeof(text));
	if (n > 0)
		link_put(l, RECORD_REFUSE, text, (size_t)n);
	conn_close_after_send(l->conn);
	if (l->vm)
		l->vm->link = NULL;
	l->vm = NULL;
	link_free(l);
}

static void say_progress(struct link *l, const char *step)
{
	struct progress p = { 0 };
	char text[256];
	long n;

	snprintf(p.step, sizeof(p.step), "%s", step);
	n = progress_encode(&p, text, sizeof(text));
	if (n > 0)
		link_put(l, RECORD_PROGRESS, text, (size_t)n);
}

/* ---- the standby's side
 * ------------------------------------------------------------------------------------------ */

void link_welcome(struct vm *vm, int err, const char *why)
{
	struct link *l = vm->link;
	struct hello h;
	uint64_t session;

	if (!l)
		return;
	if (err) {
		link_refuse(l, why ? why : strerror(-err), "see the log of kemari-syncd on the standby");
		return;
	}
	session = engine_next_session(&vm->engine);
	l->session = session;
	/* the engine first: what it says of itself afterwards is what goes into WELCOME */
	link_established(l);
	if (l->ended)
		return;
	if (!fill(vm, &h)) {
		link_refuse(l, "Xen here has a domain of this VM that is not Kemari's", "destroy it first");
		return;
	}
	h.session = session;
	h.staging_bytes = vm_epoch_bytes(vm->d);
	if (send_hello(l, RECORD_WELCOME, &h)) {
		link_close(vm);
		return;
	}
	l->bound = true;
	receive_attach(&l->rx, vm->staging, vm->image, session);
	l->up = true;
}

static void shell_ready(struct vm *vm, int err, const char *why)
{
	struct link *l = vm->link;
	char text[256];

	if (!err)
		err = vm_standby_open(vm);
	if (!err) {
		link_welcome(vm, 0, NULL);
		return;
	}
	snprintf(text, sizeof(text), "the standby cannot be prepared: %s", why ? why : strerror(-err));
	if (l)
		link_refuse(l, text, "see the log of kemari-syncd on the standby");
	vm_free_shell(vm);
}

static int make_standby(struct link *l, const struct hello *h, char *why)
{
	struct vm *vm;
	int rc = vm_new(l->d, h->record, h->record_len, h->domid, &vm);

	if (rc) {
		snprintf(why, RECORD_WHY_MAX, "the VM cannot be taken in: %s", strerror(-rc));
		return rc;
	}
	l->vm = vm;
	vm->link = l;
	snprintf(vm->mem->peer, sizeof(vm->mem->peer), "%s", h->host);
	vm_tell(vm, "%s wants its copy here: making the standby, domain %u", h->host, h->domid);
	say_progress(l, "shell");
	rc = vm_domain_make(vm, true, shell_ready);
	if (!rc)
		return 0;
	snprintf(why, RECORD_WHY_MAX, "kemari-domain cannot be started: %s", strerror(-rc));
	l->vm = NULL;
	vm->link = NULL;
	vm_free(vm);
	return rc;
}

static int check_known(struct vm *vm, const struct hello *h, char *why)
{
	struct hello mine;
	char fix[RECORD_WHY_MAX];

	if (engine_role(&vm->engine) >= ENGINE_HELD && peer_of(h).role >= ENGINE_HELD) {
		snprintf(why, RECORD_WHY_MAX, "%s runs here, too", vm->rec.name);
		return -EEXIST;
	}
	if (h->domid != vm->domid) {
		snprintf(why, RECORD_WHY_MAX, "%s is domain %u here and %u there", vm->rec.name, vm->domid,
			 h->domid);
		return -EPROTO;
	}
	if (!fill(vm, &mine)) {
		snprintf(why, RECORD_WHY_MAX, "Xen here has a domain of this VM that is not Kemari's");
		return -EEXIST;
	}
	/* a shell in the making has no disks to compare yet */
	return !vm->ready && hello_mismatch(&mine, h, why, fix) ? -EPROTO : 0;
}

/* A VM that this host has, too: a session if the other side owns it, an offer of one if we do, else messages.
 */
static int known_vm(struct link *l, struct vm *vm, const struct hello *h, char *why)
{
	int rc = check_known(vm, h, why);

	if (rc)
		return rc;
	if (vm->link && vm->link != l)
		link_close(vm); /* the peer knows better whether the old one lives */
	if (l->up) {
		link_end_session(vm);
		vm_event_type(vm, ENGINE_EV_LINK_DOWN);
	}
	l->vm = vm;
	l->bound = true;
	vm->link = l;
	snprintf(vm->mem->peer, sizeof(vm->mem->peer), "%s", h->host);
	if (vm->ready)
		return 0; /* its shell is still being made: WELCOME follows */
	if (l->peer.role >= ENGINE_HELD)
		link_welcome(vm, vm->image ? 0 : vm_standby_open(vm), NULL);
	else
		link_offer(vm);
	return 0;
}

int link_on_hello(struct link *l, const struct record *r, char *why)
{
	struct hello h;
	struct vm *vm;
	int rc;

	rc = hello_parse(r->payload, r->len, &h, why);
	if (rc)
		return rc;
	l->peer = peer_of(&h);
	l->peer_boot = h.boot;
	if (h.protocol != RECORD_VERSION || h.state_format != XEN_KEMARI_STATE_VERSION) {
		snprintf(why, RECORD_WHY_MAX, "protocol %u, state format %u there, %d and %u here",
			 h.protocol, h.state_format, RECORD_VERSION, XEN_KEMARI_STATE_VERSION);
		rc = -EPROTO;
	} else if (!h.record || !h.domid) {
		snprintf(why, RECORD_WHY_MAX, "a HELLO without VM record or domain");
		rc = -EPROTO;
	} else {
		vm = vm_find_uuid(l->d, h.uuid);
		if (l->vm && l->vm != vm) {
			snprintf(why, RECORD_WHY_MAX, "a HELLO of another VM on this connection");
			hello_free(&h);
			return -EPROTO;
		}
		rc = vm ? known_vm(l, vm, &h, why) : make_standby(l, &h, why);
	}
	hello_free(&h);
	if (rc)
		link_refuse(l, why, NULL);
	return 0;
}

/* ---- the primary's side
 * -------------------------------------------------------------------------------------------- */

int link_on_welcome(struct link *l, const struct record *r, char *why)
{
	struct vm *vm = l->vm;
	struct hello mine, theirs;
	char fix[RECORD_WHY_MAX];
	int rc;

	if (!vm || !l->offered || l->up) {
		snprintf(why, RECORD_WHY_MAX, "a WELCOME at the wrong time");
		return -EPROTO;
	}
	rc = hello_parse(r->payload, r->len, &theirs, why);
	if (rc)
		return rc;
	if (!theirs.session || !fill(vm, &mine)) {
		snprintf(why, RECORD_WHY_MAX, "a WELCOME without a session");
		rc = -EPROTO;
	} else {
		rc = hello_mismatch(&mine, &theirs, why, fix);
	}
	if (!rc) {
		l->peer = peer_of(&theirs);
		l->peer_boot = theirs.boot;
		l->session = theirs.session;
		l->offered = false;
		receive_attach(&l->rx, vm->staging, vm->image, l->session);
		l->up = true;
		link_established(l);
	} else {
		vm_request_fail(vm, CONTROL_PROTECT, EPROTO, why, fix);
	}
	hello_free(&theirs);
	return rc;
}

int link_on_refuse(struct link *l, const struct record *r, char *why)
{
	struct refuse f;
	int rc = refuse_parse(r->payload, r->len, &f, why);

	if (rc)
		return rc;
	snprintf(why, RECORD_WHY_MAX, "refused by the peer: %.200s", f.reason);
	if (l->vm) {
		vm_request_fail(l->vm, CONTROL_PROTECT, ECONNREFUSED, why, f.fix[0] ? f.fix : NULL);
		vm_tell(l->vm, "%s", why);
	}
	return -ECONNREFUSED;
}

int link_on_progress(struct link *l, const struct record *r, char *why)
{
	struct progress p;
	int rc = progress_parse(r->payload, r->len, &p, why);
	char text[128];
	struct control_copy row = { .phase = "preparing", .text = text };

	if (rc || !l->vm)
		return rc;
	snprintf(text, sizeof(text), "the standby prepares: %s", p.step);
	vm_request_progress(l->vm, CONTROL_PROTECT, control_copy_row(&row));
	return 0;
}
