/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The VMs that an earlier daemon left, from the loop.  Until one is taken up it is in no list and nothing
 * acts upon it; whoever asks for it is told so, or waits.  What one of them lacks keeps no other one away.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <qb/qbloop.h>
#include <uuid/uuid.h>

#include "resource.h"
#include "vm.h"
#include "vms.h"

/* An earlier daemon, or disk requests of it, have not ended: the guest waits. */
#define LOCKED_NS 50000000ULL
/* Anything else; doubled each time. */
#define FIRST_NS 1000000000ULL
#define LAST_NS 60000000000ULL
/* Locked for longer than that it is no restart any more. */
#define PATIENCE_NS 10000000000ULL
#define TELL_NS 3000000000ULL

struct reopening {
	struct daemon *d;
	struct reopening *next;
	uint8_t uuid[16];
	char name[UUID_STR_LEN];
	char vm_name[VM_NAME_MAX]; /* "": not known yet */
	struct vm *vm;		   /* its memory is to be mapped before it is taken up; NULL: not open */
	bool mapping;
	uint64_t since_ns;
	uint64_t ns; /* until the next attempt */
	bool told, failed;
	qb_loop_timer_handle timer; /* the next attempt; while mapping, the next word about it */
};

static void attempt(void *arg);

/* ---- how it ends ----------------------------------------------------------------------------------------
 */

static void stop_timer(struct reopening *r)
{
	if (r->timer)
		qb_loop_timer_del(r->d->loop, r->timer);
	r->timer = 0;
}

static void forget(struct reopening *r)
{
	struct reopening **p = &r->d->reopening;

	while (*p != r)
		p = &(*p)->next;
	*p = r->next;
	stop_timer(r);
	free(r);
}

static void try_again(struct reopening *r, int err)
{
	uint64_t ns = LOCKED_NS;

	r->failed = err != -EBUSY || monotonic_ns() - r->since_ns > PATIENCE_NS;
	if (err != -EBUSY) {
		ns = r->ns;
		r->ns = ns * 2 < LAST_NS ? ns * 2 : LAST_NS;
	}
	if (!r->told || err != -EBUSY)
		kem_warn("the VM of %s/%s.mem cannot be taken up yet: %s; it is tried again",
			 r->d->cfg.run_dir, r->name,
			 err == -EBUSY ? "disk requests of an earlier daemon have not ended"
				       : strerror(-err));
	r->told = true;
	if (!qb_loop_timer_add(r->d->loop, QB_LOOP_MED, ns, r, attempt, &r->timer))
		return;
	kem_err("the VM of %s/%s.mem is not served: no timer", r->d->cfg.run_dir, r->name);
	forget(r);
}

static bool of_no_use(int err)
{
	return err == -EPROTO || err == -EBADMSG || err == -EINVAL;
}

static void settle(struct reopening *r, int rc)
{
	struct daemon *d = r->d;

	if (rc && rc != -ENOENT && !of_no_use(rc)) {
		try_again(r, rc);
	} else {
		if (of_no_use(rc))
			kem_err("the VM of %s/%s.mem is not served: %s. Start kemari-syncd again once the "
				"cause is gone, or destroy its domain and remove the file",
				d->cfg.run_dir, r->name, strerror(-rc));
		forget(r);
	}
	if (!rc)
		vms_released(d); /* the guest may have ended before, when nobody looked */
	vms_publish(d);
}

/* ---- its memory -----------------------------------------------------------------------------------------
 */

static double gib(uint64_t pages)
{
	return (double)pages * RAM_PAGE_SIZE / (1ULL << 30);
}

static void say_progress(const struct reopening *r, char text[96])
{
	const struct ram *ram = r->vm ? r->vm->ram_new : NULL;

	if (ram)
		snprintf(text, 96, "%.1f of %.1f GiB of its memory mapped", gib(ram_mapped(ram)),
			 gib(ram_frames(ram)));
	else
		snprintf(text, 96, "%s", r->failed ? "it is tried again" : "its turn has not come");
}

static void tell(void *arg)
{
	struct reopening *r = arg;
	char text[96];

	say_progress(r, text);
	kem_vm_info(r->vm_name, "being taken up: %s", text);
	r->timer = 0;
	qb_loop_timer_add(r->d->loop, QB_LOOP_LOW, TELL_NS, r, tell, &r->timer);
}

static void map_next(struct daemon *d);

static void mapped(struct vm *vm, int err)
{
	struct daemon *d = vm->d;
	struct reopening *r = d->reopening;

	while (r->vm != vm)
		r = r->next;
	stop_timer(r);
	r->vm = NULL;
	r->mapping = false;
	if (err)
		vm_leave(vm);
	settle(r, err ? -EAGAIN : vm_reattach(vm));
	map_next(d);
}

/* One after the other, without a pause: each is served as soon as it can be. */
static void map_next(struct daemon *d)
{
	struct reopening *next = NULL;
	int rc;

	for (struct reopening *r = d->reopening; r; r = r->next) {
		if (r->mapping)
			return;
		if (r->vm)
			next = r;
	}
	if (!next)
		return;
	next->mapping = true;
	qb_loop_timer_add(d->loop, QB_LOOP_LOW, TELL_NS, next, tell, &next->timer);
	rc = vm_ram_begin(next->vm, 0, mapped);
	if (rc)
		mapped(next->vm, rc);
}

static void attempt(void *arg)
{
	struct reopening *r = arg;
	struct vm *vm = NULL;
	int rc;

	r->timer = 0;
	rc = vm_reopen(r->d, r->uuid, &vm);
	if (rc) {
		settle(r, rc);
		return;
	}
	snprintf(r->vm_name, sizeof(r->vm_name), "%s", vm->rec.name);
	if (!vm_reattach_needs_memory(vm)) {
		settle(r, vm_reattach(vm));
		return;
	}
	r->vm = vm;
	map_next(r->d);
}

/* ---- all of them ----------------------------------------------------------------------------------------
 */

static int found(const uint8_t uuid[16], void *arg)
{
	struct daemon *d = arg;
	struct reopening *r = calloc(1, sizeof(*r));
	int rc;

	if (!r)
		return -ENOMEM;
	r->d = d;
	r->ns = FIRST_NS;
	r->since_ns = monotonic_ns();
	memcpy(r->uuid, uuid, sizeof(r->uuid));
	uuid_unparse_lower(uuid, r->name);
	rc = qb_loop_timer_add(d->loop, QB_LOOP_MED, 0, r, attempt, &r->timer);
	if (rc) {
		free(r);
		return rc;
	}
	r->next = d->reopening;
	d->reopening = r;
	return 0;
}

int vms_reopen(struct daemon *d)
{
	return memfile_scan(d->cfg.run_dir, found, d);
}

void vms_reopen_stop(struct daemon *d)
{
	while (d->reopening) {
		if (d->reopening->vm)
			vm_leave(d->reopening->vm);
		forget(d->reopening);
	}
}

/* ---- who asks meanwhile ---------------------------------------------------------------------------------
 */

bool vms_reopening(const struct daemon *d)
{
	for (const struct reopening *r = d->reopening; r; r = r->next)
		if (!r->failed)
			return true;
	return false;
}

bool vms_left(const struct daemon *d, const uint8_t uuid[16], const char *name)
{
	for (const struct reopening *r = d->reopening; r; r = r->next)
		if ((uuid && !memcmp(r->uuid, uuid, sizeof(r->uuid))) || !strcmp(r->vm_name, name))
			return true;
	return false;
}

void vms_reopening_rows(const struct daemon *d, const char *vm, json_t *rows)
{
	for (const struct reopening *r = d->reopening; r; r = r->next) {
		char text[96];
		struct control_status s = { .vm = r->vm_name,
					    .role = "none",
					    .state = "being taken up",
					    .reason = text,
					    .uuid = r->name,
					    .started = resource_started(d, r->vm_name),
					    .promoted = resource_promoted(d, r->vm_name),
					    .running = true }; /* for all that is known */

		if (!r->vm_name[0] || (vm[0] && strcmp(vm, r->vm_name) != 0))
			continue;
		say_progress(r, text);
		json_array_append_new(rows, control_status_row(&s));
	}
}
