/* SPDX-License-Identifier: GPL-2.0-only */
/* The VMs that an earlier daemon left: what one of them lacks keeps no other one away. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <qb/qbloop.h>
#include <uuid/uuid.h>

#include "vm.h"
#include "vms.h"

/* An earlier daemon, or disk requests of it, have not ended: the guest waits. */
#define LOCKED_NS 50000000ULL
/* Anything else; doubled each time. */
#define FIRST_NS 1000000000ULL
#define LAST_NS 60000000000ULL

struct reopening {
	struct daemon *d;
	struct reopening *next;
	uint8_t uuid[16];
	char name[UUID_STR_LEN];
	uint64_t ns; /* until the next attempt */
	bool told;
	qb_loop_timer_handle timer;
};

static void attempt(void *arg);

static void forget(struct reopening *r)
{
	struct reopening **p = &r->d->reopening;

	while (*p != r)
		p = &(*p)->next;
	*p = r->next;
	free(r);
}

static void try_again(struct reopening *r, int err)
{
	uint64_t ns = LOCKED_NS;

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

static void attempt(void *arg)
{
	struct reopening *r = arg;
	int rc = vm_reopen(r->d, r->uuid);

	if (rc && rc != -ENOENT && !of_no_use(rc)) {
		try_again(r, rc);
		return;
	}
	if (!rc && r->told)
		vms_released(r->d); /* the guest may have ended before, when nobody looked */
	if (of_no_use(rc))
		kem_err("the VM of %s/%s.mem is not served: %s. Start kemari-syncd again once the cause is "
			"gone, or "
			"destroy its domain and remove the file",
			r->d->cfg.run_dir, r->name, strerror(-rc));
	forget(r);
}

static int found(const uint8_t uuid[16], void *arg)
{
	struct daemon *d = arg;
	struct reopening *r = calloc(1, sizeof(*r));

	if (!r)
		return -ENOMEM;
	r->d = d;
	r->ns = FIRST_NS;
	memcpy(r->uuid, uuid, sizeof(r->uuid));
	uuid_unparse_lower(uuid, r->name);
	r->next = d->reopening;
	d->reopening = r;
	return 0;
}

int vms_reopen(struct daemon *d)
{
	int rc = memfile_scan(d->cfg.run_dir, found, d);

	for (struct reopening *r = d->reopening, *next; !rc && r; r = next) {
		next = r->next;
		attempt(r);
	}
	return rc;
}

void vms_reopen_stop(struct daemon *d)
{
	while (d->reopening) {
		if (d->reopening->timer)
			qb_loop_timer_del(d->loop, d->reopening->timer);
		forget(d->reopening);
	}
}
