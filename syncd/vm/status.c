/* SPDX-License-Identifier: GPL-2.0-only */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "resource.h"
#include "vm.h"
#include "vms.h"

/* Changes come in bunches; figures (lag, epoch) are shown anew in that time without one. */
#define PUBLISH_SOON_NS 50000000ULL
#define PUBLISH_EVERY_NS 2000000000ULL

const char *vm_role_name(const struct vm *vm)
{
	switch (engine_role(&vm->engine)) {
	case ENGINE_OWNER:
		return "primary";
	case ENGINE_HELD:
		return "held";
	case ENGINE_COPY:
		return "standby";
	default:
		return "none";
	}
}

void vm_tell(struct vm *vm, const char *fmt, ...)
{
	char text[STORY_REASON_MAX];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (vm->story)
		story_add(vm->story, vm_role_name(vm), engine_state_name(&vm->engine),
			  engine_generation(&vm->engine), engine_committed(&vm->engine), "%s", text);
	vms_publish(vm->d);
}

static uint64_t oldest_unacked_ns(const struct vm *vm)
{
	uint64_t ns = 0;

	if (!engine_must_hold(&vm->engine))
		return 0; /* nobody waits for what was under way once */
	for (unsigned int i = 0; i < ENGINE_MAX_FLIGHT; i++)
		if (vm->captured[i].epoch > engine_committed(&vm->engine) && (!ns || vm->captured[i].ns < ns))
			ns = vm->captured[i].ns;
	return ns;
}

/* Why it is not simply well. */
static const char *trouble_of(const struct vm *vm)
{
	if (vm->beside)
		return VM_BESIDE;
	for (unsigned int i = 0; i < vm->nr_devices; i++)
		if (vm->device[i].trouble[0])
			return vm->device[i].trouble;
	return NULL;
}

static const char *protection_of(const struct vm *vm)
{
	static const char *const words[] = {
		[ENGINE_UNPROTECTED] = "unprotected", [ENGINE_SYNCING] = "syncing",
		[ENGINE_PROTECTED] = "protected",     [ENGINE_LINK_LOST] = "link-lost",
		[ENGINE_OUTDATING] = "outdating",     [ENGINE_BLOCKED] = "blocked"
	};

	if (engine_role(&vm->engine) < ENGINE_HELD)
		return NULL;
	return words[engine_protection(&vm->engine)];
}

/* What only a word about the peer's host can give. */
static const char *needs_of(const struct vm *vm)
{
	if (engine_wants_to_run(&vm->engine) || resource_wants_proof(vm))
		return "proof";
	if (engine_role(&vm->engine) >= ENGINE_HELD && engine_protection(&vm->engine) == ENGINE_BLOCKED)
		return "fence";
	return NULL;
}

json_t *vm_status_row(const struct vm *vm, unsigned int parts)
{
	static const char *const kinds[RECENT_KINDS] = {
		[VM_CONSOLE] = "console", [VM_DISK] = "vbd", [VM_NIC] = "vif"
	};
	uint64_t oldest = oldest_unacked_ns(vm);
	struct control_status s = {
		.vm = vm->rec.name,
		.role = vm_role_name(vm),
		.state = engine_state_name(&vm->engine),
		.peer = vm->mem->peer[0] ? vm->mem->peer : NULL,
		.reason = trouble_of(vm),
		.domid = vm->domid,
		.g = engine_generation(&vm->engine),
		.epoch = engine_committed(&vm->engine),
		.lag_ms = oldest ? (monotonic_ns() - oldest) / 1000000 : 0,
		.pause_us = vm->stats.pause_ns / 1000,
		.commit_us = vm->stats.commit_ns / 1000,
		.uuid = vm->rec.uuid_text,
		.protection = protection_of(vm),
		.needs = needs_of(vm),
		.started = resource_started(vm->d, vm->rec.name),
		.promoted = resource_promoted(vm->d, vm->rec.name),
		.by_hand = vm->mem->by_hand,
		.linked = link_up(vm),
		.running = engine_role(&vm->engine) == ENGINE_OWNER && !vm->ready && !vm->dead_seen,
	};
	json_t *row = control_status_row(&s);
	const struct vm_stats *st = &vm->stats;

	json_object_set_new(row, "stats",
			    json_pack("{sI sI sI sI sI sI sI sI sI sI sI sI sI sI sI}", "captures",
				      (json_int_t)st->captures, "fired", (json_int_t)st->fired,
				      "sum_pause_ns", (json_int_t)st->sum_pause_ns, "sum_pages",
				      (json_int_t)st->sum_pages, "sum_bytes", (json_int_t)st->sum_bytes,
				      "pages", (json_int_t)st->pages, "bytes", (json_int_t)st->bytes, "dirty",
				      (json_int_t)st->dirty, "hot", (json_int_t)st->hot, "stop_ns",
				      (json_int_t)st->times.stop, "state_ns", (json_int_t)st->times.state,
				      "context_ns", (json_int_t)st->times.context, "harvest_ns",
				      (json_int_t)st->times.harvest, "devices_ns",
				      (json_int_t)st->times.devices, "copy_ns", (json_int_t)st->times.copy));
	if (parts & VM_ROW_RECENT)
		json_object_set_new(row, "recent", recent_json(&vm->recent, kinds));
	if (parts & VM_ROW_TAPS)
		json_object_set_new(row, "taps", vm_taps_rows(vm));
	return row;
}

void vm_publish_status(const struct vm *vm)
{
	if (vm->d->control && control_watched(vm->d->control, CONTROL_STATUS, vm->rec.name))
		control_publish(vm->d->control, CONTROL_STATUS, vm->rec.name,
				json_pack("[o]", vm_status_row(vm, 0)));
	vms_publish(vm->d);
}

json_t *vms_status_rows(const struct daemon *d, const char *vm, unsigned int parts)
{
	json_t *rows = json_array();

	for (const struct vm *v = d->vms; v; v = v->next)
		if (!vm[0] || !strcmp(vm, v->rec.name))
			json_array_append_new(rows, vm_status_row(v, parts));
	vms_reopening_rows(d, vm, rows);
	resource_rows(d, vm, rows);
	return rows;
}

static void publish_in(struct daemon *d, uint64_t ns);

static void publish(void *arg)
{
	struct daemon *d = arg;

	d->publish = 0;
	d->publish_soon = false;
	if (!d->control || !control_watched(d->control, CONTROL_STATUS, ""))
		return;
	if (vms_reopening(d))
		return; /* a VM that is missing would be taken for gone; it is published when they are there
			 */
	control_publish(d->control, CONTROL_STATUS, "", vms_status_rows(d, "", 0));
	if (d->vms)
		publish_in(d, PUBLISH_EVERY_NS);
}

static void publish_in(struct daemon *d, uint64_t ns)
{
	qb_loop_timer_handle h;

	if (!qb_loop_timer_add(d->loop, QB_LOOP_LOW, ns, d, publish, &h))
		d->publish = h;
}

void vms_publish(struct daemon *d)
{
	if (d->publish_soon)
		return;
	vms_publish_stop(d);
	publish_in(d, PUBLISH_SOON_NS);
	d->publish_soon = d->publish;
}

void vms_publish_stop(struct daemon *d)
{
	if (d->publish)
		qb_loop_timer_del(d->loop, d->publish);
	d->publish = 0;
	d->publish_soon = false;
}
