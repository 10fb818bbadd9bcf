/* SPDX-License-Identifier: GPL-2.0-only */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include <xenctrl.h>

#include "relay.h"
#include "resource.h"
#include "vm.h"
#include "vms.h"

#define RECORD_TIMEOUT_MS 30000
#define DOMID_ATTEMPTS 64U

static const char *const fix_log = "see the log of kemari-syncd";

/* ---- requests that wait
 * --------------------------------------------------------------------------------------- */

static struct vm_request *slot_of(struct vm *vm, enum control_op op)
{
	for (unsigned int i = 0; i < VM_REQUESTS; i++)
		if (vm->request[i].client && vm->request[i].op == op)
			return &vm->request[i];
	return NULL;
}

/* Answers with -EBUSY if one of the kind waits already. */
static struct vm_request *wait_for(struct vm *vm, enum control_op op, struct control_client *c)
{
	if (slot_of(vm, op)) {
		control_fail(c, EBUSY, "the same request is under way for this VM", "wait for it");
		return NULL;
	}
	for (unsigned int i = 0; i < VM_REQUESTS; i++) {
		struct vm_request *q = &vm->request[i];

		if (q->client)
			continue;
		*q = (struct vm_request){
			.client = c, .op = op, .id = ++vm->next_request, .started_ns = monotonic_ns()
		};
		return q;
	}
	control_fail(c, EBUSY, "too many requests wait for this VM", "wait for one of them");
	return NULL;
}

bool vm_request_waits(const struct vm *vm, enum control_op op)
{
	return slot_of((struct vm *)vm, op);
}

void vm_request_progress(struct vm *vm, enum control_op op, json_t *progress)
{
	struct vm_request *q = slot_of(vm, op);

	if (q)
		control_progress(q->client, progress);
	else
		json_decref(progress);
}

void vm_request_done_with(struct vm *vm, enum control_op op, json_t *extra)
{
	struct vm_request *q = slot_of(vm, op);
	struct control_client *c = q ? q->client : NULL;

	if (!q) {
		json_decref(extra);
		return;
	}
	q->client = NULL;
	control_done(c, extra);
}

void vm_request_done(struct vm *vm, enum control_op op)
{
	vm_request_done_with(vm, op, NULL);
}

void vm_request_fail(struct vm *vm, enum control_op op, int code, const char *why, const char *fix)
{
	struct vm_request *q = slot_of(vm, op);
	struct control_client *c = q ? q->client : NULL;

	if (!q)
		return;
	q->client = NULL;
	control_fail(c, code, why, fix);
}

static int errno_of(enum engine_result r)
{
	switch (r) {
	case ENGINE_RES_BUSY:
		return EBUSY;
	case ENGINE_RES_NO_PROOF:
	case ENGINE_RES_PEER_HOLDS:
	case ENGINE_RES_PEER_COPY:
	case ENGINE_RES_PEER_OWNS:
		return EPERM;
	default:
		return ENODATA;
	}
}

void vm_result(struct vm *vm, uint32_t id, enum engine_result result)
{
	struct vm_request *q = NULL;

	if (id >= RESOURCE_STOP_ID)
		resource_result(vm, id, result);
	for (unsigned int i = 0; i < VM_REQUESTS; i++)
		if (vm->request[i].client && vm->request[i].id == id)
			q = &vm->request[i];
	if (!q)
		return;
	if (q->op == CONTROL_FORGET) {
		vm_forget_result(vm, result);
		return;
	}
	if (result != ENGINE_RES_OK) {
		vm_request_fail(vm, q->op, errno_of(result), engine_result_text(result), NULL);
		return;
	}
	if (q->op == CONTROL_UNPROTECT)
		vm->mem->by_hand = 1;
	/* protect is answered when the first epoch is committed */
	if (q->op == CONTROL_PROTECT)
		return;
	vm_request_done_with(vm, q->op,
			     json_pack("{sI}", "us", (json_int_t)((monotonic_ns() - q->started_ns) / 1000)));
}

/* ---- create
 * ------------------------------------------------------------------------------------------------------- */

struct creation {
	struct daemon *d;
	struct control_client *client;
	struct domain_helper *helper;
	char *record;
	unsigned int attempt;
};

static void creation_end(struct creation *c, int code, const char *why, const char *fix)
{
	if (code)
		control_fail(c->client, code, why, fix);
	free(c->record);
	free(c);
}

uint64_t vm_incarnation(void)
{
	uint64_t n = 0;

	while (!n)
		if (getrandom(&n, sizeof(n), 0) != sizeof(n))
			n = monotonic_ns();
		else
			n >>= ENGINE_G_BITS;
	return n;
}

static void try_domid(struct creation *c);

static void on_domain(struct vm *vm, int err, const char *why)
{
	struct creation *c = vm->creation;
	struct engine_event ev = { .type = ENGINE_EV_START_OWNER, .incarnation = vm_incarnation() };
	json_t *answer;

	vm->creation = NULL;
	vm->foreign = false; /* or one that comes later would be no news */
	if (err == -EEXIST && ++c->attempt < DOMID_ATTEMPTS) {
		vm_free(vm);
		try_domid(c);
		return;
	}
	if (err) {
		creation_end(c, -err, why, fix_log);
		vm_free(vm);
		return;
	}
	vm_event(vm, &ev);
	/* it is ours now: the engine takes it for a guest that runs */
	err = engine_may_run(&vm->engine) ? vm_run(vm, engine_generation(&vm->engine), 0) : -EPERM;
	if (err) {
		creation_end(c, -err, "the new guest cannot be started", fix_log);
		return;
	}
	answer = json_pack("{ss si}", "vm", vm->rec.name, "domid", (int)vm->domid);
	control_done(c->client, answer);
	creation_end(c, 0, NULL, NULL);
}

static void try_domid(struct creation *c)
{
	struct vm_record rec;
	struct vm *vm;
	char why[256];
	uint32_t domid;
	int rc = vm_record_parse(c->record, strlen(c->record), &rec, why, sizeof(why));

	if (rc) {
		creation_end(c, EINVAL, why, NULL);
		return;
	}
	domid = vm_record_domid(&rec, c->attempt);
	if (vm_find(c->d, rec.name) || vm_find_uuid(c->d, rec.uuid) || vms_left(c->d, rec.uuid, rec.name)) {
		vm_record_free(&rec);
		creation_end(c, EEXIST, "a VM of this name or uuid is served here already",
			     "see `kemari status`");
		return;
	}
	if (resource_started(c->d, rec.name)) {
		vm_record_free(&rec);
		creation_end(c, EBUSY, "the cluster manager has it started here, and decides where it runs",
			     "let it: crm_mon shows what it waits for; or take it from it first");
		return;
	}
	vm_record_free(&rec);
	rc = vm_new(c->d, c->record, strlen(c->record), domid, &vm);
	if (rc) {
		creation_end(c, -rc, "the VM cannot be set up here", fix_log);
		return;
	}
	vm->creation = c;
	vm_look_for_foreign(vm);
	rc = vm_domain_make(vm, false, on_domain);
	if (rc) {
		creation_end(c, -rc, "kemari-domain cannot be started", "check `helper` in kemari.conf");
		vm_free(vm);
	}
}

static void on_record(void *arg, int exit_code, const char *json, const char *error)
{
	struct creation *c = arg;

	c->helper = NULL;
	if (exit_code) {
		creation_end(c, exit_code == DOMAIN_HELPER_REFUSED ? EINVAL : EIO, error, NULL);
		return;
	}
	c->record = strdup(json);
	if (!c->record) {
		creation_end(c, ENOMEM, "no memory", NULL);
		return;
	}
	try_domid(c);
}

static void create(struct daemon *d, struct control_client *client, const struct control_request *r)
{
	const char *const argv[] = { "record", r->config, NULL };
	struct creation *c = calloc(1, sizeof(*c));
	int rc = -ENOMEM;

	if (c) {
		c->d = d;
		c->client = client;
		rc = domain_helper_run(d->loop, d->cfg.helper, argv, NULL, RECORD_TIMEOUT_MS, on_record, c,
				       &c->helper);
	}
	if (rc) {
		control_fail(client, -rc, "kemari-domain cannot be started", "check `helper` in kemari.conf");
		free(c);
	}
}

/* ---- the others
 * ------------------------------------------------------------------------------------------------------ */

void vm_command(struct vm *vm, struct control_client *c, enum control_op op, struct engine_event ev)
{
	struct vm_request *q = wait_for(vm, op, c);

	if (!q)
		return;
	ev.request = q->id;
	vm_event(vm, &ev);
}

static void protect(struct vm *vm, struct control_client *c, const struct control_request *r)
{
	struct engine_event ev = { .type = ENGINE_EV_PROTECT };

	if (engine_role(&vm->engine) != ENGINE_OWNER) {
		control_fail(c, EPERM, "the VM does not run here", "ask the host where it runs");
		return;
	}
	if (engine_yields(&vm->engine)) {
		control_fail(c, EBUSY, "the cluster manager has just demoted it",
			     "wait for what it does next");
		return;
	}
	if (engine_protection(&vm->engine) == ENGINE_PROTECTED && !strcmp(vm->mem->peer, r->host)) {
		control_done(c, NULL);
		return;
	}
	if (vm->link && strcmp(vm->mem->peer, r->host)) {
		control_fail(c, EBUSY, "the VM has a standby elsewhere", "run `kemari unprotect` first");
		return;
	}
	snprintf(vm->mem->peer, sizeof(vm->mem->peer), "%s", r->host);
	vm->mem->by_hand = 0;
	vm->peer_leaves = false;
	vm_command(vm, c, CONTROL_PROTECT, ev);
	if (!vm->link)
		link_connect(vm);
}

static void verify(struct vm *vm, struct control_client *c, const struct control_request *r)
{
	if (engine_protection(&vm->engine) != ENGINE_PROTECTED) {
		control_fail(c, ENODATA, "the VM has no complete copy to compare with",
			     "run `kemari protect` first");
		return;
	}
	if (!wait_for(vm, CONTROL_VERIFY, c))
		return;
	vm->verify_left = vm->verify_wanted = r->epochs;
	vm->verify_done = vm->verify_bad = 0;
	vm->verify_why[0] = '\0';
}

/* c, and the request with it, is gone afterwards. */
static void answer_rows(struct control_client *c, bool watch, json_t *rows)
{
	if (rows)
		control_rows(c, rows);
	if (watch)
		control_watch(c);
	else
		control_done(c, NULL);
}

static void status(struct daemon *d, struct control_client *c, const struct control_request *r)
{
	bool watch = r->watch;
	bool later = watch && !r->vm[0] && vms_reopening(d);

	unsigned int parts = (r->recent ? VM_ROW_RECENT : 0) | (r->taps ? VM_ROW_TAPS : 0);

	answer_rows(c, watch, later ? NULL : vms_status_rows(d, r->vm, parts));
	if (watch)
		vms_publish(d);
}

static void show_log(struct vm *vm, struct control_client *c, const struct control_request *r)
{
	answer_rows(c, r->watch, story_rows(vm->story));
}

static void unprotect(struct vm *vm, struct control_client *c, const struct control_request *r)
{
	struct engine_event ev = { .type = r->standby_is_gone ? ENGINE_EV_UNPROTECT_STANDBY_GONE
							      : ENGINE_EV_UNPROTECT };

	vm_command(vm, c, CONTROL_UNPROTECT, ev);
}

static void promote(struct vm *vm, struct control_client *c, const struct control_request *r)
{
	struct engine_event ev = { .type = ENGINE_EV_PROMOTE,
				   .proof = r->primary_is_off,
				   .incarnation = vm_incarnation() };

	if (!r->primary_is_off && engine_role(&vm->engine) == ENGINE_COPY) {
		control_fail(
			c, EPERM,
			"nothing proves that the primary's host is off: two running copies destroy the disk",
			"switch its power off, look twice, then say --primary-is-off");
		return;
	}
	vm_command(vm, c, CONTROL_PROMOTE, ev);
}

static void switchover(struct vm *vm, struct control_client *c, const struct control_request *r)
{
	struct engine_event ev = { .type = ENGINE_EV_SWITCHOVER };
	xc_dominfo_t info;
	char fix[320];

	if (r->host[0] && engine_role(&vm->engine) == ENGINE_OWNER && strcmp(r->host, vm->mem->peer) != 0) {
		snprintf(fix, sizeof(fix), "`kemari status` shows where its copy is: %s",
			 vm->mem->peer[0] ? vm->mem->peer : "there is none");
		control_fail(c, EHOSTUNREACH, "its copy is not on that host", fix);
		return;
	}
	/* its copy would take itself for restored from xl's file */
	if (engine_role(&vm->engine) == ENGINE_OWNER && vm_domain_info(vm, &info) &&
	    vm_domain_is_down(&info)) {
		control_fail(c, EBUSY, "the guest is suspended (xl save), or it has ended",
			     "`xl list` shows which; a suspended one can be moved when xl save has ended");
		return;
	}
	vm_command(vm, c, CONTROL_SWITCHOVER, ev);
}

void vm_peer_off(struct vm *vm, uint64_t boot)
{
	struct engine_event ev = { .type = ENGINE_EV_FENCED, .peer_boot = boot };

	vm->peer_off = boot;
	resource_peer_off(vm);
	vm_event(vm, &ev);
}

/*
 * The word of kemari-agent (or the operator, through it) that a host is confirmed off: for every VM that has
 * its other copy there, or waits for the proof that there is none.  The engine knows which boots have ended.
 */
static void host_off(struct daemon *d, struct control_client *c, const struct control_request *r)
{
	const char *address = kem_config_address(&d->cfg, r->host);

	for (struct vm *vm = d->vms, *next; vm; vm = next) {
		next = vm->next;
		if (strcmp(kem_config_address(&d->cfg, vm->mem->peer), address) != 0 ||
		    !link_end_of_boot(vm, r->boot))
			continue;
		vm_peer_off(vm, r->boot);
	}
	control_done(c, NULL);
}

/* Who had that host fenced, for the stories of those VMs: once for each of its boots. */
static void host_fenced(struct daemon *d, struct control_client *c, const struct control_request *r)
{
	const char *address = kem_config_address(&d->cfg, r->host);

	for (struct vm *vm = d->vms; vm; vm = vm->next) {
		if (strcmp(kem_config_address(&d->cfg, vm->mem->peer), address) != 0 ||
		    vm->fenced_told == r->boot)
			continue;
		vm->fenced_told = r->boot;
		vm_tell(vm, "%s was fenced, %s", r->host, r->why);
	}
	control_done(c, NULL);
}

/* Requests that need no VM. */
static bool of_host(struct daemon *d, struct control_client *c, const struct control_request *r)
{
	switch (r->op) {
	case CONTROL_CREATE:
		create(d, c, r);
		return true;
	case CONTROL_HOST_OFF:
		host_off(d, c, r);
		return true;
	case CONTROL_HOST_FENCED:
		host_fenced(d, c, r);
		return true;
	case CONTROL_COLD_START:
		control_fail(c, ENOSYS, "cold-start is kemari-agent's", "ask at its socket");
		return true;
	case CONTROL_RELAY:
		answer_rows(c, r->watch, NULL);
		return true;
	case CONTROL_MESSAGE:
		relay_receive(d, c, r);
		return true;
	case CONTROL_RESOURCE_START ... CONTROL_RESOURCE_MONITOR:
		resource_request(d, c, r);
		return true;
	case CONTROL_STATUS:
		if (r->vm[0] && !vm_find(d, r->vm) && !resource_started(d, r->vm) &&
		    !vms_left(d, NULL, r->vm))
			return false;
		status(d, c, r);
		return true;
	default:
		return false;
	}
}

static void not_here(const struct daemon *d, struct control_client *c)
{
	if (d->reopening)
		control_fail(c, EAGAIN,
			     "what an earlier kemari-syncd left is being taken up, this VM is not there yet",
			     "try again in a moment; `kemari status` shows how far it is");
	else
		control_fail(c, ENOENT, "no such VM is served on this host", "`kemari status` lists them");
}

void vms_request(void *ctx, struct control_client *c, const struct control_request *r)
{
	struct daemon *d = ctx;
	struct vm *vm = r->vm[0] ? vm_find(d, r->vm) : NULL;

	if (of_host(d, c, r))
		return;
	if (!vm) {
		not_here(d, c);
		return;
	}
	switch (r->op) {
	case CONTROL_PROTECT:
		protect(vm, c, r);
		break;
	case CONTROL_UNPROTECT:
		unprotect(vm, c, r);
		break;
	case CONTROL_PROMOTE:
		promote(vm, c, r);
		break;
	case CONTROL_SWITCHOVER:
		switchover(vm, c, r);
		break;
	case CONTROL_FORGET:
		vm_forget(vm, c, r->last_copy);
		break;
	case CONTROL_VERIFY:
		verify(vm, c, r);
		break;
	case CONTROL_LOG:
		show_log(vm, c, r);
		break;
	default:
		control_fail(c, ENOSYS, "unknown request", NULL);
	}
}
