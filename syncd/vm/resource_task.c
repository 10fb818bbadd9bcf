/* SPDX-License-Identifier: GPL-2.0-only */
/* promote and stop: what the cluster manager waits for, looked at ten times a second. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <xenctrl.h>

#include "resource_int.h"
#include "vms.h"
#include "xenstore/xsconn.h"

#define LOOK_NS 100000000ULL
#define SOON_NS 1000000ULL
#define SECOND_NS 1000000000ULL
/* Without a time from the agent; with one, the answer comes this much before it has passed. */
#define PROMOTE_TIMEOUT_S 60U
#define STOP_TIMEOUT_S 120U
#define DEMOTE_TIMEOUT_S 13U /* less MARGIN_S: less than RESOURCE_GRACE_S of `kemari resource` */
#define MARGIN_S 5U
#define SETTLE_NS SECOND_NS
#define SETTLE_LOOK_NS 20000000ULL
#define DOMID_ATTEMPTS 64U

static void look(void *arg);

/* ---- begin and end --------------------------------------------------------------------------------------
 */

static void look_in(struct resource *r, uint64_t ns)
{
	qb_loop_timer_handle h;

	if (r->timer)
		qb_loop_timer_del(r->d->loop, r->timer);
	r->timer = 0;
	if (!qb_loop_timer_add(r->d->loop, QB_LOOP_MED, ns, r, look, &h))
		r->timer = h;
}

static void task_over(struct resource *r)
{

	if (r->timer)
		qb_loop_timer_del(r->d->loop, r->timer);
	r->timer = 0;
	r->client = NULL;
	r->task = TASK_NONE;
	r->asked = r->begun = false;
	memset(&r->await, 0, sizeof(r->await));
}

static void task_done(struct resource *r)
{
	struct control_client *c = r->client;

	task_over(r);
	if (c)
		control_done(c, NULL);
}

static void task_failed(struct resource *r, int code, const char *why)
{
	struct control_client *c = r->client;

	task_over(r);
	if (c)
		control_fail(c, code, why, NULL);
}

void resource_task_cancel(struct resource *r, const char *why)
{
	if (r->task == TASK_SETTLE)
		task_done(r);
	else
		task_failed(r, ECANCELED, why);
}

static void begin(struct resource *r, enum resource_task task, struct control_client *c, uint32_t timeout)
{
	uint64_t now = monotonic_ns();
	uint32_t s = timeout > 2 * MARGIN_S ? timeout - MARGIN_S : (timeout + 1) / 2;

	resource_task_cancel(r, "another command of the cluster manager came");
	r->task = task;
	r->client = c;
	r->until = now + s * SECOND_NS;
	r->half_at = now + s * SECOND_NS / 2;
}

static bool expired(const struct resource *r)
{
	return monotonic_ns() >= r->until;
}

/* The answer may come at once, and be the end of the resource. */
static void ask(struct resource *r, struct vm *vm, struct engine_event ev)
{
	struct daemon *d = r->d;

	r->asked = true;
	vm_event(vm, &ev);
	vms_publish(d); /* what is needed for it may be kemari-agent's to give */
}

/* ---- promote --------------------------------------------------------------------------------------------
 */

/* A VM that was made to ask for it alone: in the way of a shell. */
static void free_if_bare(struct vm *vm)
{
	if (vm && vm_is_bare(vm))
		vm_free(vm);
}

static void promote_failed(struct resource *r, int code, const char *why)
{
	struct vm *vm = vm_find(r->d, r->name);

	kem_vm_warn(r->name, "promote fails: %s", why);
	task_failed(r, code, why);
	free_if_bare(vm);
}

/*
 * The one other host that kemari.conf names; NULL: there is none, or several.  It is who to ask, never a
 * proof: that no other host is configured says nothing of where the guest runs.
 */
const char *resource_other_host(const struct daemon *d)
{
	const char *other = NULL;

	for (unsigned int i = 0; i < d->cfg.nr_hosts; i++) {
		if (!strcmp(d->cfg.host[i].name, d->cfg.host_name))
			continue;
		if (other)
			return NULL;
		other = d->cfg.host[i].name;
	}
	return other;
}

static bool domid_is_free(struct daemon *d, uint32_t domid)
{
	xc_dominfo_t info;

	for (const struct vm *vm = d->vms; vm; vm = vm->next)
		if (vm->domid == domid)
			return false;
	return xc_domain_getinfo(d->xc, domid, 1, &info) != 1 || info.domid != domid;
}

/* A VM that this host holds nothing of: the engine finds out whether it may boot here. */
static int new_vm(struct resource *r, struct vm **vm)
{
	const char *peer = resource_other_host(r->d);
	unsigned int i = 0;
	int rc;

	if (!peer)
		return -EINVAL; /* start has seen one */
	while (i < DOMID_ATTEMPTS && !domid_is_free(r->d, vm_record_domid(&r->rec, i)))
		i++;
	rc = vm_new(r->d, r->rec.json, r->rec.json_len, vm_record_domid(&r->rec, i), vm);
	if (!rc)
		snprintf((*vm)->mem->peer, sizeof((*vm)->mem->peer), "%s", peer);
	return rc;
}

/* And is to keep it. */
static bool owns(const struct vm *vm)
{
	return engine_role(&vm->engine) == ENGINE_OWNER && !engine_yields(&vm->engine);
}

/* Booting takes seconds, a copy runs at once. */
static bool runs(const struct vm *vm)
{
	return owns(vm) && !vm->ready && vm->mem->running_g == engine_generation(&vm->engine);
}

/*
 * Moved here it is silent until its old host has its first epoch.  All that the cluster manager starts, on
 * both hosts, once it has the answer, would keep it waiting.
 */
static bool is_silent(const struct vm *vm)
{
	return vm && vm->started_from && owns(vm) && engine_protection(&vm->engine) != ENGINE_UNPROTECTED &&
	       !vm->peer_off && engine_committed(&vm->engine) <= vm->started_from;
}

static void settle(struct resource *r, const struct vm *vm)
{
	if (is_silent(vm) && !expired(r))
		look_in(r, SETTLE_LOOK_NS);
	else
		task_done(r);
}

static void promoted(struct resource *r, const struct vm *vm)
{
	r->promoted = true;
	if (resource_save(r)) {
		r->promoted = false;
		promote_failed(r, ENOSPC, "the new role cannot be noted");
		return;
	}
	vms_publish(r->d);
	r->task = TASK_SETTLE;
	r->until = monotonic_ns() + SETTLE_NS;
	settle(r, vm);
}

/* A hard error: the cluster manager is to promote the holder again. */
static bool copy_is_awaited(struct resource *r, const struct vm *vm)
{
	if (!r->await.on || (vm && engine_role(&vm->engine) >= ENGINE_HELD))
		return false;
	if (expired(r)) {
		if (vm && r->asked) /* it does not answer: who knows whether it still holds it */
			promote_failed(r, EPERM, engine_result_text(ENGINE_RES_NO_PROOF));
		else
			promote_failed(
				r, EREMOTE,
				"the other host holds the guest, and its copy here was not whole in time");
		return true;
	}
	return (vm && r->asked) || !await_asks(&r->await, vm, monotonic_ns());
}

static void peer_holds(struct resource *r, struct vm *vm)
{
	if (!r->await.on)
		vm_tell(vm,
			"promoted before its copy here is whole: the other host holds the guest until it is");
	if (await_held(&r->await, vm, monotonic_ns()))
		free_if_bare(vm);
	else
		promote_failed(r, EREMOTE, "the other host holds the guest, and no copy of it comes here");
}

static void look_at_promote(struct resource *r)
{
	struct engine_event ev = { .type = ENGINE_EV_PROMOTE,
				   .request = RESOURCE_PROMOTE_ID,
				   .flag = r->await.on,
				   .incarnation = vm_incarnation() };
	struct vm *vm = vm_find(r->d, r->name);

	if (!vm && r->d->reopening) {
		if (expired(r))
			promote_failed(r, EAGAIN, "what an earlier kemari-syncd left cannot be taken up yet");
		return;
	}
	if (vm && vm->dead_seen && engine_role(&vm->engine) == ENGINE_NONE) {
		/* forgotten: a guest that booted now would be ended with its domain */
		if (expired(r))
			promote_failed(r, ETIMEDOUT, "what was left of it here is being destroyed");
		return;
	}
	if (vm && !engine_is_busy(&vm->engine))
		r->asked = false; /* it was another one that asked */
	if (copy_is_awaited(r, vm))
		return;
	if (!vm && r->begun) {
		promote_failed(r, EIO, "the guest could not be started; the log of kemari-syncd tells more");
		return;
	}
	if (!vm) {
		r->asked = false; /* it was another one that asked */
		if (new_vm(r, &vm)) {
			promote_failed(r, EIO,
				       "the VM cannot be set up here; the log of kemari-syncd tells more");
			return;
		}
	}
	vm_look_for_foreign(vm);
	if (vm->peer_off && !link_up(vm)) {
		ev.proof = true;
		ev.peer_boot = vm->peer_off;
	}
	if (runs(vm))
		promoted(r, vm);
	else if (vm->run_failed)
		promote_failed(r, EIO, "the guest cannot run here; `kemari log` tells why");
	else if (expired(r))
		promote_failed(r, ETIMEDOUT, "the guest did not run in time");
	else if (!owns(vm) && !r->asked)
		ask(r, vm, ev);
	else if (owns(vm))
		r->begun = true; /* without its VM from now on, the guest has come and gone */
}

static void on_promote_result(struct resource *r, struct vm *vm, enum engine_result result)
{
	r->asked = false;
	switch (result) {
	case ENGINE_RES_OK:
		look_in(r, SOON_NS);
		break;
	case ENGINE_RES_NO_PROOF:
		r->await.on = false; /* it does not say so any more */
		if (expired(r) || (r->client && control_gone(r->client)))
			promote_failed(r, EPERM, engine_result_text(result));
		break;
	case ENGINE_RES_OUTDATED: /* now there is nothing here: a cold start may be right */
		if (r->await.on)
			promote_failed(r, EREMOTE,
				       "the guest that the other host held, or its copy here, is gone");
		break;
	case ENGINE_RES_BUSY:
		break;
	case ENGINE_RES_PEER_HOLDS:
		peer_holds(r, vm);
		break;
	case ENGINE_RES_PEER_OWNS:
	case ENGINE_RES_PEER_COPY:
		promote_failed(r, EREMOTE, engine_result_text(result));
		break;
	case ENGINE_RES_STATE:
		if (vm->foreign && !expired(r))
			break; /* a shell of ours that is being destroyed, or what an operator is about to
				  destroy */
			       /* fall through */
	default:
		promote_failed(r, EPERM, engine_result_text(result));
	}
}

void resource_peer_off(struct vm *vm)
{
	struct resource *r = resource_find(vm->d, vm->rec.name);

	if (!r || !r->promoted || r->task != TASK_NONE || engine_role(&vm->engine) != ENGINE_COPY)
		return;
	vm->run_failed = false;
	vm_tell(vm, "the host that it was moved to is off, and the cluster manager has it promoted here");
	begin(r, TASK_PROMOTE, NULL, PROMOTE_TIMEOUT_S);
	look(r);
}

void resource_promote(struct resource *r, struct control_client *c, uint32_t timeout)
{
	struct vm *vm = vm_find(r->d, r->name);

	if (vm)
		vm->run_failed = false; /* it is tried again */
	kem_vm_info(r->name, "the cluster manager promotes it here");
	begin(r, TASK_PROMOTE, c, timeout ? timeout : PROMOTE_TIMEOUT_S);
	look(r);
}

/* ---- stop -----------------------------------------------------------------------------------------------
 */

static void stopped(struct resource *r, const char *how)
{
	struct daemon *d = r->d;

	kem_vm_info(r->name, "stopped here for the cluster manager: %s", how);
	task_done(r);
	resource_drop(r);
	vms_publish(d);
}

static void stop_failed(struct resource *r, const char *why)
{
	kem_vm_err(r->name, "stop fails: %s", why);
	task_failed(r, ETIMEDOUT, why);
}

static void shut_down(struct resource *r, struct vm *vm)
{
	uint64_t now = monotonic_ns();

	r->task = TASK_SHUTDOWN;
	r->kill_at = now + (r->until > now ? (r->until - now) * 2 / 3 : 0);
	vm->stopping = true;
	vm_tell(vm, "the cluster manager stops it and no other host has it: it is asked to power off");
	if (vm->guest && !vm->dead_seen)
		xsconn_write(r->d->xs, XBT_NULL, "poweroff", "/local/domain/%u/control/shutdown", vm->domid);
	look_in(r, LOOK_NS);
}

static void on_stop_result(struct resource *r, struct vm *vm, enum engine_result result)
{
	r->asked = false;
	switch (result) {
	case ENGINE_RES_OK:
		r->task = TASK_LEAVE;
		look_in(r, SOON_NS);
		break;
	case ENGINE_RES_PARKED:
		stopped(r, "the last valid copy stays, held");
		break;
	case ENGINE_RES_SHUTDOWN:
		shut_down(r, vm);
		break;
	case ENGINE_RES_BUSY:
	case ENGINE_RES_STATE: /* it ended meanwhile, or there is nothing left of it: the next look tells */
	case ENGINE_RES_NO_STANDBY:
		break;
	default:
		stop_failed(r, engine_result_text(result));
	}
}

/* Owned here, from an image that could not be started: nothing of the guest has run, what is here may be the
 * last of it. */
static bool never_ran(const struct vm *vm)
{
	return engine_role(&vm->engine) >= ENGINE_HELD && engine_starts_from(&vm->engine) &&
	       vm->mem->running_g != engine_generation(&vm->engine);
}

/* A copy that is being made is worth waiting for: with it the guest goes on elsewhere instead of being shut
 * down. */
static bool copy_is_coming(const struct resource *r, const struct vm *vm)
{
	return engine_role(&vm->engine) >= ENGINE_HELD && engine_wants_protection(&vm->engine) &&
	       engine_protection(&vm->engine) == ENGINE_SYNCING && link_up(vm) && monotonic_ns() < r->half_at;
}

static void look_at_handover(struct resource *r, struct vm *vm)
{
	struct engine_event ev = { .type = ENGINE_EV_STOP, .request = RESOURCE_STOP_ID };

	if (!vm && (r->d->reopening || vms_domain_of(r->d, r->rec.uuid, 0))) {
		if (expired(r))
			stop_failed(r, "Xen has a domain of it that kemari-syncd does not serve");
	} else if (!vm)
		stopped(r, "nothing of it is here");
	else if (never_ran(vm) || (vm->run_failed && engine_role(&vm->engine) >= ENGINE_HELD))
		stopped(r, "it could not be started here: its image stays, held");
	else if (copy_is_coming(r, vm))
		return;
	else if (expired(r) && engine_role(&vm->engine) == ENGINE_OWNER)
		stop_failed(r, "the guest still runs here");
	else if (expired(r))
		stopped(r, "in time for nothing else: what is here stays, held");
	else if (!r->asked)
		ask(r, vm, ev);
}

/* The owner lets us go by dropping our copy as for `kemari unprotect`; without it our copy is kept. */
static void look_at_leave(struct resource *r, struct vm *vm)
{
	enum engine_role role = vm ? engine_role(&vm->engine) : ENGINE_NONE;

	if (role >= ENGINE_HELD || (role == ENGINE_COPY && !link_up(vm) && expired(r))) {
		r->task = TASK_HANDOVER;
		look_in(r, SOON_NS);
	} else if (vm && link_up(vm) && !expired(r)) {
		link_send_record(vm, RECORD_LEAVE, NULL, 0);
	} else if (role == ENGINE_NONE && vm && vm->dead_seen) {
		if (expired(r)) /* nothing of the guest ever runs in it */
			stopped(r, "what was left of it here is being destroyed");
	} else if (role == ENGINE_NONE) {
		if (vm)
			vm_free_shell(vm);
		stopped(r, "the other host goes on without a copy here");
	} else if (expired(r)) {
		stopped(r, "the other host did not let go: the copy stays, held");
	}
}

static void look_at_shutdown(struct resource *r, struct vm *vm)
{
	if (!vm) {
		stopped(r, "the guest ended");
	} else if (expired(r)) {
		stop_failed(r, "the guest's domain cannot be destroyed");
	} else if (monotonic_ns() >= r->kill_at && !r->begun) {
		r->begun = true;
		vm_tell(vm, "the guest did not power off in time: its domain is destroyed");
		vm_destroy(vm);
	}
}

void resource_stop(struct resource *r, struct control_client *c, uint32_t timeout)
{
	struct vm *vm = vm_find(r->d, r->name);
	bool leave = vm && engine_role(&vm->engine) < ENGINE_HELD && link_up(vm);

	begin(r, leave ? TASK_LEAVE : TASK_HANDOVER, c, timeout ? timeout : STOP_TIMEOUT_S);
	look(r);
}

/* ---- demote, when it has to wait ------------------------------------------------------------------------
 */

static void look_at_demote(struct resource *r, struct vm *vm)
{
	struct control_client *c = r->client;

	if (!vm && r->d->reopening) {
		if (expired(r))
			task_failed(r, EAGAIN, "what an earlier kemari-syncd left cannot be taken up yet");
		return;
	}
	r->client = NULL;
	task_over(r);
	resource_hold(r, vm, c);
}

void resource_demote(struct resource *r, struct control_client *c)
{
	begin(r, TASK_DEMOTE, c, DEMOTE_TIMEOUT_S);
	look(r);
}

/* ---- what nobody else would come back to ----------------------------------------------------------------
 */

/*
 * Held, and the cluster manager has it promoted here: whatever was about to happen with it (a switchover
 * whose daemon was killed, a grant that came back) is over, so it goes on.
 */
void resource_settle(struct vm *vm)
{
	struct resource *r = resource_find(vm->d, vm->rec.name);

	if (!r || !r->promoted || r->task != TASK_NONE || engine_role(&vm->engine) != ENGINE_HELD ||
	    engine_is_busy(&vm->engine) || engine_is_gone(&vm->engine) || vm->ending || vm->dead_seen ||
	    vm->run_failed)
		return;
	vm_tell(vm, "held without a reason: it goes on");
	begin(r, TASK_PROMOTE, NULL, PROMOTE_TIMEOUT_S);
	look_in(r, LOOK_NS); /* from the loop: we are inside of what the engine did */
}

/* The demote of before held nothing that could be held: it yielded, and the guest began anew. */
void resource_rebooted(struct vm *vm)
{
	const struct resource *r = resource_find(vm->d, vm->rec.name);
	const struct engine_event demote = { .type = ENGINE_EV_DEMOTE };

	if (r && !r->promoted && r->task == TASK_NONE)
		vm_event(vm, &demote);
}

bool resource_wants_to_run(const struct vm *vm)
{
	const struct resource *r = resource_find(vm->d, vm->rec.name);

	return r && r->task == TASK_PROMOTE && engine_role(&vm->engine) < ENGINE_HELD;
}

bool resource_wants_proof(const struct vm *vm)
{
	return resource_wants_to_run(vm) && !resource_find(vm->d, vm->rec.name)->await.on;
}

/* ---- both -----------------------------------------------------------------------------------------------
 */

/* The resource may be gone afterwards; the next look comes first, so that what ends the task ends it, too. */
static void look(void *arg)
{
	struct resource *r = arg;

	r->timer = 0;
	look_in(r, LOOK_NS);
	switch (r->task) {
	case TASK_PROMOTE:
		look_at_promote(r);
		break;
	case TASK_SETTLE:
		settle(r, vm_find(r->d, r->name));
		break;
	case TASK_HANDOVER:
		look_at_handover(r, vm_find(r->d, r->name));
		break;
	case TASK_LEAVE:
		look_at_leave(r, vm_find(r->d, r->name));
		break;
	case TASK_SHUTDOWN:
		look_at_shutdown(r, vm_find(r->d, r->name));
		break;
	case TASK_DEMOTE:
		look_at_demote(r, vm_find(r->d, r->name));
		break;
	default:
		break;
	}
}

void resource_result(struct vm *vm, uint32_t id, enum engine_result result)
{
	struct resource *r = resource_find(vm->d, vm->rec.name);

	if (r && id == RESOURCE_PROMOTE_ID && r->task == TASK_PROMOTE)
		on_promote_result(r, vm, result);
	else if (r && id == RESOURCE_STOP_ID && r->task == TASK_HANDOVER)
		on_stop_result(r, vm, result);
}
