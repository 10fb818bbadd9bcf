/* SPDX-License-Identifier: GPL-2.0-only */
#include "vm.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include <qb/qbloop.h>

#include "capture/dirtylog.h"
#include "resource.h"
#include "ring/guest_xen.h"
#include "vms.h"

#define QUESTIONS_PER_S 32 /* a VM asks fewer */

size_t vm_epoch_bytes(const struct daemon *d)
{
	return ((size_t)d->cfg.staging_mb << 20) / 2;
}

struct vm *vm_find(struct daemon *d, const char *name)
{
	for (struct vm *vm = d->vms; vm; vm = vm->next)
		if (!strcmp(vm->rec.name, name))
			return vm;
	return NULL;
}

struct vm *vm_find_uuid(struct daemon *d, const uint8_t uuid[16])
{
	for (struct vm *vm = d->vms; vm; vm = vm->next)
		if (!memcmp(vm->rec.uuid, uuid, 16))
			return vm;
	return NULL;
}

static void on_story(void *ctx, const char *name, json_t *entry)
{
	struct daemon *d = ctx;

	if (d->control && control_watched(d->control, CONTROL_LOG, name))
		control_publish(d->control, CONTROL_LOG, name, json_pack("[O]", entry));
}

/* ---- the event pump ---------------------------------------------------------------------------------- */

/* The record is in the memory file before anything that depends on it is done. */
static void persist(struct vm *vm, const struct engine_actions *acts)
{
	persist_store(&vm->engine_store, &acts->persist);
}

static void carry_out(struct vm *vm, struct engine_actions *acts)
{
	for (unsigned int i = 0; i < acts->nr; i++) {
		if (acts->a[i].type == ENGINE_ACT_PERSIST) {
			struct engine_event ev = { .type = ENGINE_EV_PERSISTED,
						   .seq = acts->persist.seq,
						   .now = monotonic_ns() };
			struct engine_actions next;

			persist(vm, acts);
			if (!engine_handle(&vm->engine, &ev, &next))
				carry_out(vm, &next);
			return;
		}
		vm_act(vm, &acts->a[i]);
	}
}

/* Nobody is to ask a guest that is held for the grant if the standby's host leaves. */
static bool is_without_standby(const struct vm *vm)
{
	enum engine_role role = engine_role(&vm->engine);

	return role == ENGINE_OWNER || (role == ENGINE_HELD && vm->peer_leaves);
}

/* It was unprotected, by the operator or since the standby's host leaves: no link, no peer to look for, no
 * dirty logging. */
static void leave_protection(struct vm *vm)
{
	if (!is_without_standby(vm) || engine_protection(&vm->engine) != ENGINE_UNPROTECTED ||
	    engine_wants_protection(&vm->engine) || !(vm->mem->peer[0] || vm->capture))
		return;
	link_leave(vm);
	vm_capture_close(vm, false);
}

static void state_changed(struct vm *vm)
{
	const char *state = engine_state_name(&vm->engine);

	vm_committed(vm);
	link_offer(vm);
	if (!strncmp(vm->state, state, sizeof(vm->state) - 1))
		return;
	snprintf(vm->state, sizeof(vm->state), "%s", state);
	vm_publish_status(vm);
}

static void handle_one(struct vm *vm)
{
	struct engine_event ev = vm->event[vm->first_event];
	struct engine_actions acts;
	int rc;

	vm->first_event = (vm->first_event + 1) % VM_EVENTS;
	vm->nr_events--;
	ev.now = monotonic_ns();
	rc = engine_handle(&vm->engine, &ev, &acts);
	if (rc)
		kem_vm_err(vm->rec.name, "the engine refused event %d: %s", ev.type, strerror(-rc));
	else
		carry_out(vm, &acts);
}

static void pump(struct vm *vm)
{
	if (vm->pumping)
		return;
	vm->pumping = true;
	while (vm->nr_events) {
		handle_one(vm);
		leave_protection(vm);
	}
	vm->pumping = false;
	vm_taps_follow(vm);
	state_changed(vm);
	if (vm->ending && engine_role(&vm->engine) == ENGINE_NONE)
		vm->doomed = true;
	vm->unsettled = true;
}

void vm_settle(struct vm *vm)
{
	if (!vm->unsettled || vm->pumping)
		return;
	vm->unsettled = false;
	if (vm->doomed)
		vm_free(vm);
	else if (vm->forget)
		vm_forgotten(vm);
	else
		resource_settle(vm); /* last: it may be the end of the VM */
}

void vm_event(struct vm *vm, const struct engine_event *ev)
{
	vm_busy(vm);
	if (vm->nr_events == VM_EVENTS) {
		kem_vm_err(vm->rec.name, "too many events wait for the engine");
		abort();
	}
	vm->event[(vm->first_event + vm->nr_events) % VM_EVENTS] = *ev;
	vm->nr_events++;
	pump(vm);
	vm_idle(vm);
}

void vm_event_type(struct vm *vm, enum engine_event_type type)
{
	struct engine_event ev = { .type = type };

	vm_event(vm, &ev);
}

/* ---- life ---------------------------------------------------------------------------------------------- */

void vm_engine_settings(const struct daemon *d, const uint8_t uuid[16], struct engine_cfg *e)
{
	const struct kem_config *c = &d->cfg;

	*e = (struct engine_cfg){
		.node = (uint32_t)(d->boot >> 32),
		.boot = (uint32_t)d->boot ? (uint32_t)d->boot : 1,
		/* of a VM that was here before, the peer remembers which question it refused */
		.nonce = monotonic_ns() / 1000000000 * QUESTIONS_PER_S,
		.max_in_flight = c->max_in_flight,
		.staging_pages = vm_epoch_bytes(d) / (RAM_PAGE_SIZE + 64),
		.sync_mode = c->mode == KEM_MODE_SYNC,
		.batch_ns = c->batch_window_us * 1000ULL,
		.owed_ns = c->disk_commit_ms * 1000000ULL,
		.max_epoch_ns = c->max_epoch_ms * 1000000ULL,
		.idle_epoch_ns = c->idle_epoch_ms * 1000000ULL,
		.retry_ns = 1000000,
		.resend_ns = 200000000,
		.outdate_after_ns = c->outdate_after_ms * 1000000ULL,
		.fence_after_ns = c->fence_after_ms * 1000000ULL,
		.handover_ns = 20000000000ULL,
		.yield_ns = 5000000000ULL,
	};
	memcpy(e->uuid, uuid, 16);
}

static size_t image_bytes(const struct vm_record *rec)
{
	struct gfn_range r[RAM_MAX_RANGES];
	unsigned int nr = ram_pvh_ranges(rec->memory_kb, r);

	struct image_cfg cfg = vm_image_cfg(rec);

	return image_mem_size(&cfg, r, nr);
}

static int create_file(struct vm *vm)
{
	struct memfile_region_def def[MEMFILE_MAX_REGIONS];
	char name[VM_MAX_DEVICES][MEMFILE_NAME_MAX];
	unsigned int nr = 0;

	def[nr++] = (struct memfile_region_def){ "vm", sizeof(struct vm_mem) };
	def[nr++] = (struct memfile_region_def){ "engine", persist_size(sizeof(struct engine_persist)) };
	def[nr++] = (struct memfile_region_def){ "unsent",
						 capture_mem_size(vm->rec.memory_kb, vm_epoch_bytes(vm->d)) };
	def[nr++] = (struct memfile_region_def){ "image", image_bytes(&vm->rec) };
	nr += vm_device_regions(&vm->rec, def + nr, MEMFILE_MAX_REGIONS - nr, name);
	return memfile_create(vm->d->cfg.run_dir, vm->rec.uuid, def, nr, &vm->file);
}

static int attach_file(struct vm *vm)
{
	size_t len = 0;
	void *p = memfile_region(vm->file, "engine", &len);
	int rc;

	vm->mem = memfile_region(vm->file, "vm", NULL);
	rc = p && vm->mem ? persist_attach(&vm->engine_store, p, len, sizeof(struct engine_persist))
			  : -EBADMSG;
	if (rc)
		kem_vm_err(vm->rec.name, "the memory file is damaged: %s", strerror(-rc));
	return rc;
}

static int open_story(struct vm *vm)
{
	int rc = story_open(vm->d->cfg.log_dir, vm->rec.name, &vm->story);

	if (!rc)
		story_on_entry(vm->story, on_story, vm->d);
	return rc;
}

int vm_new(struct daemon *d, const char *record, size_t len, uint32_t domid, struct vm **out)
{
	struct vm *vm = calloc(1, sizeof(*vm));
	struct engine_cfg e;
	char why[256];
	int rc;

	if (!vm)
		return -ENOMEM;
	vm->d = d;
	rc = vm_record_parse(record, len, &vm->rec, why, sizeof(why));
	if (rc) {
		kem_err("a VM record is refused: %s", why);
		free(vm);
		return rc;
	}
	vm->domid = domid;
	rc = create_file(vm);
	if (!rc)
		rc = attach_file(vm);
	if (rc)
		goto fail;
	vm->mem->version = VM_MEM_VERSION;
	vm->mem->domid = domid;
	vm->mem->record_len = (uint32_t)len;
	memcpy(vm->mem->record, record, len);
	vm_engine_settings(vm->d, vm->rec.uuid, &e);
	rc = engine_init(&vm->engine, &e);
	if (rc)
		kem_vm_err(vm->rec.name, "the engine refuses its settings: %s", strerror(-rc));
	else
		rc = open_story(vm);
	if (rc)
		goto fail;
	vm->next = d->vms;
	d->vms = vm;
	*out = vm;
	return 0;
fail:
	if (vm->file)
		memfile_remove(vm->file);
	vm_record_free(&vm->rec);
	free(vm);
	return rc;
}

static void unlist(struct vm *vm)
{
	for (struct vm **p = &vm->d->vms; *p; p = &(*p)->next)
		if (*p == vm) {
			*p = vm->next;
			return;
		}
}

void vm_timer_stop(struct vm *vm, uint64_t *timer)
{
	if (*timer)
		qb_loop_timer_del(vm->d->loop, *timer);
	*timer = 0;
}

int vm_timer_start(struct vm *vm, uint64_t *timer, enum qb_loop_priority p, uint64_t ns, void (*fn)(void *vm))
{
	qb_loop_timer_handle h;
	int rc;

	vm_timer_stop(vm, timer);
	rc = qb_loop_timer_add(vm->d->loop, p, ns, vm, fn, &h);
	if (!rc)
		*timer = h;
	return rc;
}

static void stop_timers(struct vm *vm)
{
	vm_timer_stop(vm, &vm->timer);
	vm_timer_stop(vm, &vm->poll);
	vm_timer_stop(vm, &vm->arm);
	vm_timer_stop(vm, &vm->reconnect);
	vm_timer_stop(vm, &vm->shell_timer);
}

/* keep: all that a later daemon needs stays where it is. */
static void end(struct vm *vm, bool keep)
{
	vm->pumping = true; /* what its rooms still say on their way out is not acted upon */
	unlist(vm);
	vms_publish(vm->d);
	domain_helper_cancel(vm->helper);
	link_close(vm);
	stop_timers(vm);
	vm_capture_close(vm, keep);
	vm_standby_close(vm);
	vm_staging_close(vm, keep);
	vm_devices_close(vm);
	vm_domain_close(vm);
	story_close(vm->story);
	for (unsigned int i = 0; i < VM_REQUESTS; i++)
		if (vm->request[i].client)
			control_fail(vm->request[i].client, ESHUTDOWN, "the VM is no longer served here",
				     NULL);
	if (keep)
		memfile_close(vm->file);
	else
		memfile_remove(vm->file);
	vm_record_free(&vm->rec);
	free(vm);
}

void vm_free(struct vm *vm)
{
	if (vm->pumping || vm->inside) {
		vm->doomed = vm->unsettled = true;
		return;
	}
	end(vm, false);
}

/* ---- restart of the daemon ------------------------------------------------------------------------------
 */

static int restore_engine(struct vm *vm, struct engine_actions *acts)
{
	struct engine_persist p;
	struct engine_cfg e;
	int rc = persist_load(&vm->engine_store, &p);

	if (rc == -ENOENT)
		memset(&p, 0, sizeof(p));
	else if (rc)
		return rc;
	vm_engine_settings(vm->d, vm->rec.uuid, &e);
	rc = engine_restore(&vm->engine, &e, &p, monotonic_ns(), acts);
	if (rc)
		kem_vm_err(vm->rec.name, "the engine's record is refused: %s", strerror(-rc));
	return rc;
}

/* Not an owner whose guest was not started yet: what is here is still the standby's image. */
static bool is_owner(const struct vm *vm)
{
	return engine_role(&vm->engine) >= ENGINE_HELD &&
	       (!engine_starts_from(&vm->engine) || vm->mem->running_g == engine_generation(&vm->engine));
}

static int owner_again(struct vm *vm)
{
	int rc = vm_devices_reconnect(vm);

	if (rc)
		return rc;
	/* dirty logging went on while no daemon was there */
	if (engine_protection(&vm->engine) != ENGINE_UNPROTECTED)
		return vm_capture_open(vm, false);
	dirtylog_off(vm->d->hv, vm->d->xc, vm->domid);
	return 0;
}

/* There is none, or half of one: nothing to attach to. */
static void without_domain(struct vm *vm, struct engine_actions *acts)
{
	vm->dead_seen = true; /* no action is for its domain */
	vm->pumping = true;
	carry_out(vm, acts);
	vm->pumping = false;
	staging_open(vm->d->cfg.run_dir, vm->rec.uuid, &vm->staging); /* to be dropped with the rest */
	if (vm->mem->making) {
		vm_make_anew(vm);
		return;
	}
	/* it ended while no daemon was there to see it: the peer has to know */
	if (vm->mem->peer[0] && engine_role(&vm->engine) >= ENGINE_HELD)
		link_connect(vm);
	vm_vanished(vm);
}

/*
 * The guest of a restarted daemon is where it was: running until its next output, or held.  A standby's copy
 * is redone from its staging file.
 */
static int reattach(struct vm *vm, struct engine_actions *acts)
{
	enum engine_role role = engine_role(&vm->engine);
	struct engine_event unborn = { .type = ENGINE_EV_RUN_FAILED, .g = engine_generation(&vm->engine) };
	bool owner = is_owner(vm);
	int rc;

	if (vm->mem->making || !vm_domain_is_there(vm)) {
		without_domain(vm, acts);
		return 0;
	}
	vm->tap_fired = true; /* by one of a daemon that died */
	rc = guest_xen_open(vm->domid, vm->d->loop, &vm->guest);
	if (!rc)
		vm_taps_watch(vm);
	if (!rc)
		rc = vm_devices_open(vm, owner ? XENDEV_REATTACH : XENDEV_PASSIVE);
	if (!rc && owner)
		rc = owner_again(vm);
	else if (!rc)
		rc = vm_standby_open(vm);
	if (rc)
		return rc;
	vm->pumping = true;
	if (role == ENGINE_HELD && !owner)
		vm_event(vm, &unborn); /* it waits for the list, and whatever that leads to comes after it */
	carry_out(vm, acts);
	if (vm->guest)
		vm_console_retake(vm);
	vm_tell(vm, "kemari-syncd took the VM up again");
	if (vm->mem->peer[0] && (role >= ENGINE_HELD || engine_waits_for_have(&vm->engine)))
		link_connect(vm);
	vm_shell_waits(vm);
	vm->pumping = false;
	vm_busy(vm);
	pump(vm);
	vm_idle(vm); /* last: it may be the end of the VM */
	return 0;
}

static int read_file(struct vm *vm)
{
	struct engine_actions acts;
	char why[256];
	int rc = attach_file(vm);

	if (!rc && (vm->mem->version != VM_MEM_VERSION || vm->mem->record_len > VM_RECORD_MAX))
		rc = -EPROTO;
	if (!rc)
		rc = vm_record_parse(vm->mem->record, vm->mem->record_len, &vm->rec, why, sizeof(why));
	if (!rc)
		rc = open_story(vm);
	if (!rc)
		rc = restore_engine(vm, &acts); /* to know its role; vm_reattach() does what it says */
	if (!rc)
		vm->domid = vm->mem->domid;
	return rc;
}

int vm_reopen(struct daemon *d, const uint8_t uuid[16], struct vm **out)
{
	struct vm *vm = calloc(1, sizeof(*vm));
	int rc;

	if (!vm)
		return -ENOMEM;
	vm->d = d;
	rc = memfile_open(d->cfg.run_dir, uuid, &vm->file);
	if (!rc)
		rc = read_file(vm);
	if (!rc) {
		*out = vm;
		return 0;
	}
	story_close(vm->story);
	memfile_close(vm->file);
	vm_record_free(&vm->rec);
	free(vm);
	if (rc == -ESTALE)
		rc = memfile_unlink(d->cfg.run_dir, uuid) ?: -ENOENT;
	return rc;
}

bool vm_reattach_needs_memory(const struct vm *vm)
{
	return !vm->mem->making && vm_domain_is_there(vm) &&
	       !(is_owner(vm) && engine_protection(&vm->engine) == ENGINE_UNPROTECTED);
}

int vm_reattach(struct vm *vm)
{
	struct engine_actions acts;
	int rc;

	vm->next = vm->d->vms;
	vm->d->vms = vm;
	rc = restore_engine(vm, &acts); /* its times begin now */
	if (!rc)
		rc = reattach(vm, &acts);
	if (!rc)
		return 0;
	kem_vm_err(vm->rec.name, "cannot be attached to again: %s", strerror(-rc));
	end(vm, true);
	return -EAGAIN;
}

void vm_leave(struct vm *vm)
{
	end(vm, true);
}

void vms_close(struct daemon *d)
{
	resources_close(d);
	vms_reopen_stop(d);
	while (d->vms)
		end(d->vms, true);
	vms_publish_stop(d);
	vms_forget_going(d);
	vms_unmap_all(d);
}
