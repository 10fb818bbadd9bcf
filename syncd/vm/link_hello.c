/* SPDX-License-Identifier: GPL-2.0-only */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "block/block.h"
#include "block/share.h"
#include "hvop.h"
#include "link.h"
#include "vms.h"

#define TEXT_MAX (72U << 10)

static const char *const fix_log = "see the log of kemari-syncd on the standby";

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

/* Of a guest that has ended the names alone: its disks are not open any more. */
static void fill_disk(const struct vm *vm, unsigned int index, struct hello_disk *d)
{
	const struct vm_disk *disk = &vm->rec.disk[index];
	const struct vm_device *vd = NULL;
	struct block_properties p;

	snprintf(d->vdev, sizeof(d->vdev), "%s", disk->vdev);
	for (unsigned int i = 0; i < vm->nr_devices; i++)
		if (vm->device[i].kind == VM_DISK && vm->device[i].index == index)
			vd = &vm->device[i];
	if (!vd || !vd->dev)
		return;
	block_properties(vd->dev, &p);
	d->bytes = p.sectors * 512;
	d->sector_size = p.sector_size;
	if (share_identify(disk->target, &d->share))
		kem_vm_warn(vm->rec.name, "%s cannot be looked at", disk->target);
}

/* A domain's policy is made with it: read once. */
static int cpu_policy_of(struct vm *vm, struct cpu_policy *p)
{
	int rc = 0;

	if (!vm->cpu.nr_leaves && vm->guest)
		rc = cpu_policy_read(vm->d->xc, vm->domid, vm->rec.name, &vm->cpu);
	*p = vm->cpu;
	return rc;
}

/*
 * What this host says of the VM; record and session are the caller's to add.  -EPERM: it must be silent; else
 * what reading the domain's CPU policy says.
 */
static int fill(struct vm *vm, struct hello *h)
{
	struct engine_peer me;

	*h = (struct hello){
		.protocol = RECORD_VERSION,
		.state_format = XEN_KEMARI_STATE_VERSION,
		.domid = vm->mem->domid, /* also when it has ended */
		.memory_kb = vm->rec.memory_kb,
		.boot = vm->d->boot,
	};
	if (!engine_say_state(&vm->engine, &me))
		return -EPERM;
	memcpy(h->uuid, vm->rec.uuid, 16);
	snprintf(h->host, sizeof(h->host), "%s", vm->d->cfg.host_name);
	snprintf(h->role, sizeof(h->role), "%s", role_name(me.role));
	h->g = me.g;
	h->epoch = me.epoch;
	for (h->nr_disks = 0; h->nr_disks < vm->rec.nr_disks; h->nr_disks++)
		fill_disk(vm, h->nr_disks, &h->disk[h->nr_disks]);
	return cpu_policy_of(vm, &h->cpu);
}

/* What fill() said, for the peer. */
static void explain_silence(const struct vm *vm, int rc, char *reason, char *fix)
{
	if (rc == -EPERM && vm->creation) {
		snprintf(reason, RECORD_WHY_MAX, "`kemari create` makes a guest of this VM here");
		snprintf(fix, RECORD_WHY_MAX, "see which host is to run it");
	} else if (rc == -EPERM) {
		snprintf(reason, RECORD_WHY_MAX, "Xen here has a domain of this VM that is not Kemari's");
		snprintf(fix, RECORD_WHY_MAX, "destroy it first");
	} else {
		snprintf(reason, RECORD_WHY_MAX, "the CPU policy of the VM's domain cannot be read here");
		snprintf(fix, RECORD_WHY_MAX, "%s", fix_log);
	}
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
	int rc = fill(l->vm, &h);

	if (rc)
		return rc;
	h.record = l->vm->mem->record;
	h.record_len = l->vm->mem->record_len;
	l->offered = engine_role(&l->vm->engine) >= ENGINE_HELD;
	return send_hello(l, RECORD_HELLO, &h);
}

void link_offer(struct vm *vm)
{
	struct link *l = vm->link;

	if (l && l->bound && !l->up && !l->offered && !l->ended && !vm->restarting && !vm->ready &&
	    engine_role(&vm->engine) >= ENGINE_HELD && link_send_hello(l))
		link_again(vm);
}

void link_refuse(struct link *l, const char *reason, const char *fix, bool retry)
{
	struct refuse r = { .retry = retry };
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
	char text[RECORD_WHY_MAX], fix[RECORD_WHY_MAX];
	struct hello h;
	uint64_t session;
	int rc;

	if (!l)
		return;
	if (err) {
		link_refuse(l, why ? why : strerror(-err), fix_log, true);
		return;
	}
	session = engine_next_session(&vm->engine);
	l->session = session;
	/* the engine first: what it says of itself afterwards is what goes into WELCOME */
	link_established(l);
	if (l->ended)
		return;
	rc = fill(vm, &h);
	if (rc) {
		explain_silence(vm, rc, text, fix);
		link_refuse(l, text, fix, true);
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

/* Can the copy here be the other one of the peer's?  0, or -EPROTO with reason and fix. */
static int agree(struct vm *vm, const struct hello *theirs, char *reason, char *fix)
{
	struct hello mine;
	int rc = fill(vm, &mine);

	if (!rc)
		return hello_mismatch(&mine, theirs, reason, fix);
	explain_silence(vm, rc, reason, fix);
	return -EPROTO;
}

static void no_standby(struct vm *vm, const char *why, const char *fix, bool retry)
{
	if (vm->link)
		link_refuse(vm->link, why, fix, retry);
	vm_free_shell(vm);
}

static void not_prepared(struct vm *vm, int err, const char *why)
{
	char text[RECORD_WHY_MAX];

	snprintf(text, sizeof(text), "the standby cannot be prepared: %.200s", why ? why : strerror(-err));
	/* -EEXIST: the domid is a dying domain's */
	no_standby(vm, text, fix_log, err == -EEXIST);
}

/* The shell is the first thing that shows what the guest would find here: compared before it is used. */
static void shell_mapped(struct vm *vm, int err)
{
	char why[RECORD_WHY_MAX], fix[RECORD_WHY_MAX];

	if (!err)
		err = vm_standby_open(vm);
	if (err)
		not_prepared(vm, err, NULL);
	else if (vm->link && agree(vm, &vm->link->theirs, why, fix))
		no_standby(vm, why, fix, false);
	else if (vm->link)
		link_welcome(vm, 0, NULL);
	else
		vm_shell_waits(vm);
}

static void shell_ready(struct vm *vm, int err, const char *why)
{
	if (!err)
		err = vm_ram_begin(vm, VM_PIECE_NS, shell_mapped);
	if (err)
		not_prepared(vm, err, why);
}

static int make_standby(struct link *l, const struct hello *h, const char *name, char *why, char *fix)
{
	struct vm *vm;
	int rc;

	if (vm_find(l->d, name)) {
		snprintf(why, RECORD_WHY_MAX, "another VM with the name %s is served here", name);
		snprintf(fix, RECORD_WHY_MAX, "give it another name, or set the same uuid= on both hosts");
		return -EEXIST;
	}
	rc = vm_new(l->d, h->record, h->record_len, h->domid, &vm);
	if (rc) {
		snprintf(why, RECORD_WHY_MAX, "the VM cannot be taken in: %s", strerror(-rc));
		snprintf(fix, RECORD_WHY_MAX, "%s", fix_log);
		return rc;
	}
	l->vm = vm;
	vm->link = l;
	snprintf(vm->mem->peer, sizeof(vm->mem->peer), "%s", h->host);
	vm_tell(vm, "%s wants its copy here: making the standby, domain %u", h->host, h->domid);
	say_progress(l, "shell");
	vm_staging_begin(vm); /* meanwhile; shell_mapped() has the last word about it */
	rc = vm_domain_make(vm, true, shell_ready);
	if (!rc)
		return 0;
	snprintf(why, RECORD_WHY_MAX, "kemari-domain cannot be started: %s", strerror(-rc));
	snprintf(fix, RECORD_WHY_MAX, "%s", fix_log);
	l->vm = NULL;
	vm->link = NULL;
	vm_free(vm);
	return rc;
}

static int check_known(struct vm *vm, const struct hello *h, char *why, char *fix)
{
	if (engine_role(&vm->engine) >= ENGINE_HELD && peer_of(h).role >= ENGINE_HELD) {
		snprintf(why, RECORD_WHY_MAX, "%s runs here, too", vm->rec.name);
		snprintf(fix, RECORD_WHY_MAX, "stop the one that is not wanted");
		return -EEXIST;
	}
	/* one with a copy is let in, so that it is asked to drop it */
	if (engine_role(&vm->engine) >= ENGINE_HELD && !vm->mem->peer[0] && peer_of(h).role == ENGINE_NONE) {
		snprintf(why, RECORD_WHY_MAX, "%s runs here and is not protected", vm->rec.name);
		snprintf(fix, RECORD_WHY_MAX, "protect it there: kemari protect %s", vm->rec.name);
		return -ENOENT;
	}
	/* a shell in the making is compared when it is there */
	return vm_shell_in_the_making(vm) ? 0 : agree(vm, h, why, fix);
}

/* A VM that this host has, too: a session if the other side owns it, an offer of one if we do, else messages.
 */
static int known_vm(struct link *l, struct vm *vm, const struct hello *h, char *why, char *fix)
{
	int rc = check_known(vm, h, why, fix);

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
	if (vm_shell_in_the_making(vm))
		return 0; /* its shell is still being made: WELCOME follows */
	if (l->peer.role >= ENGINE_HELD)
		link_welcome(vm, vm->image ? 0 : vm_standby_open(vm), NULL);
	else
		link_offer(vm);
	return 0;
}

/* The owner that asked the peer to drop its copy has forgotten the VM since. */
static int nobody_has_it(char *why, char *fix)
{
	fix[0] = '\0';
	snprintf(why, RECORD_WHY_MAX, "the VM ended: neither host has it");
	return -ENOENT;
}

/* A peer whose connection ends comes back in a second, one that is refused takes its time. */
static int not_taken_up(struct link *l, const char *name, char *why)
{
	snprintf(why, RECORD_WHY_MAX, "%s of an earlier kemari-syncd is not taken up here yet", name);
	if (vms_reopening(l->d))
		return -EAGAIN;
	link_refuse(l, why, fix_log, true);
	return 0;
}

/* What is left of it is in the way until it is destroyed. */
static int being_forgotten(const char *name, char *why)
{
	snprintf(why, RECORD_WHY_MAX, "what was left of %s here is being destroyed", name);
	return -EAGAIN;
}

int link_on_hello(struct link *l, const struct record *r, char *why)
{
	struct hello *h = &l->theirs;
	char fix[RECORD_WHY_MAX] = "", name[VM_NAME_MAX];
	struct vm *vm;
	int rc;

	rc = hello_parse(r->payload, r->len, h, why);
	if (rc)
		return rc;
	l->peer = peer_of(h);
	l->peer_boot = h->boot;
	rc = hello_admit(h, name, why, fix);
	if (!rc) {
		vm = vm_find_uuid(l->d, h->uuid);
		if (l->vm && l->vm != vm) {
			snprintf(why, RECORD_WHY_MAX, "a HELLO of another VM on this connection");
			return -EPROTO;
		}
		if (vm && vm_is_bare(vm) && l->peer.role >= ENGINE_HELD) {
			vm_free(vm); /* the standby is made as for any host that has nothing */
			vm = NULL;
		}
		if (!vm && vms_left(l->d, h->uuid, name))
			return not_taken_up(l, name, why);
		if (vm && vm->dead_seen && engine_role(&vm->engine) == ENGINE_NONE)
			return being_forgotten(name, why);
		rc = vm				   ? known_vm(l, vm, h, why, fix)
		     : l->peer.role == ENGINE_NONE ? nobody_has_it(why, fix)
						   : make_standby(l, h, name, why, fix);
	}
	hello_free(h);
	if (rc)
		link_refuse(l, why, fix, false);
	return 0;
}

/* ---- the primary's side
 * -------------------------------------------------------------------------------------------- */

/*
 * The peer will not take the VM.  Whoever asked for it is told, and an attempt that would only meet the same
 * answer again is over, with nothing changed.  What was protected before goes on trying (G5).
 */
void link_refused(struct vm *vm, const char *why, const char *fix, bool retry)
{
	struct engine_event ev = { .type = ENGINE_EV_UNPROTECT };
	struct control_copy row = { .phase = "waiting", .text = why };

	vm_tell(vm, "%s", why);
	vm->refusals++;
	if (retry) {
		vm_request_progress(vm, CONTROL_PROTECT, control_copy_row(&row));
		return;
	}
	if (!vm_request_waits(vm, CONTROL_PROTECT))
		return;
	vm_request_fail(vm, CONTROL_PROTECT, ECONNREFUSED, why, fix[0] ? fix : NULL);
	if (engine_must_hold(&vm->engine))
		return; /* a copy may be there: it has to be outdated first */
	vm->mem->peer[0] = '\0';
	vm_event(vm, &ev);
}

int link_on_welcome(struct link *l, const struct record *r, char *why)
{
	struct vm *vm = l->vm;
	struct hello theirs;
	char fix[RECORD_WHY_MAX];
	int rc;

	if (!vm || !l->offered || l->up) {
		snprintf(why, RECORD_WHY_MAX, "a WELCOME at the wrong time");
		return -EPROTO;
	}
	rc = hello_parse(r->payload, r->len, &theirs, why);
	if (rc)
		return rc;
	hello_free(&theirs);
	if (!theirs.session) {
		snprintf(why, RECORD_WHY_MAX, "a WELCOME without a session");
		return -EPROTO;
	}
	rc = agree(vm, &theirs, why, fix);
	if (rc) {
		link_refused(vm, why, fix, false);
		return rc;
	}
	/* by its name it is known to the cluster, too; by that only if it can be found by it */
	if (strcmp(kem_config_address(&vm->d->cfg, theirs.host), theirs.host) != 0)
		snprintf(vm->mem->peer, sizeof(vm->mem->peer), "%s", theirs.host);
	l->peer = peer_of(&theirs);
	l->peer_boot = theirs.boot;
	l->session = theirs.session;
	l->offered = false;
	receive_attach(&l->rx, vm->staging, vm->image, l->session);
	l->up = true;
	link_established(l);
	return 0;
}

void link_disagree(struct vm *vm, const char *why, const char *fix)
{
	struct link *l = vm->link;

	link_refused(vm, why, fix, false);
	if (!l)
		return;
	if (l->up) {
		link_end_session(vm);
		vm_event_type(vm, ENGINE_EV_LINK_DOWN);
	}
	link_refuse(l, why, fix, false);
	link_reconnect_later(vm);
}

int link_on_refuse(struct link *l, const struct record *r, char *why)
{
	struct refuse f;
	int rc = refuse_parse(r->payload, r->len, &f, why);

	if (rc)
		return rc;
	if (!l->vm) {
		snprintf(why, RECORD_WHY_MAX, "refused by the peer: %.220s", f.reason);
		return -ECONNREFUSED;
	}
	/* "here" in the reason is there */
	snprintf(why, RECORD_WHY_MAX, "%.64s refuses, it says: %.170s", l->vm->mem->peer, f.reason);
	if (l->up && l->vm->shell && engine_role(&l->vm->engine) == ENGINE_NONE) {
		vm_tell(l->vm, "%s", why);
		vm_free_shell(l->vm); /* made for this owner, who will not use it */
	} else {
		link_refused(l->vm, why, f.fix, f.retry);
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
