/* SPDX-License-Identifier: GPL-2.0-only */
#include "block/share.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "block/block.h"
#include "link.h"
#include "wire/samples.h"

/* Storage that does not answer within it is no place for a guest. */
#define READ_TIMEOUT_MS 10000
/* A guest that writes all samples between two looks is asked again. */
#define ATTEMPTS 3

struct vm_share {
	struct vm *vm;
	struct share_read *read;
	struct samples ask;
	/* owner */
	unsigned int attempt, nr_recent;
	bool again; /* the second look, after the peer's */
	uint64_t before[SHARE_SAMPLES], theirs[SHARE_SAMPLES];
};

static struct vm_device *disk_of(struct vm *vm, uint32_t index)
{
	for (unsigned int i = 0; i < vm->nr_devices; i++)
		if (vm->device[i].kind == VM_DISK && vm->device[i].index == index)
			return &vm->device[i];
	return NULL;
}

/* 0: it is not there at the moment. */
static uint64_t bytes_of(const struct vm_device *vd)
{
	struct block_properties p;

	if (!vd->dev)
		return 0;
	block_properties(vd->dev, &p);
	return p.sectors * 512;
}

void vm_share_stop(struct vm *vm)
{
	if (!vm->share)
		return;
	share_read_cancel(vm->share->read);
	free(vm->share);
	vm->share = NULL;
}

static int begin(struct vm *vm)
{
	vm->share = calloc(1, sizeof(*vm->share));
	if (!vm->share)
		return -ENOMEM;
	vm->share->vm = vm;
	return 0;
}

static int look(struct vm_share *s, share_read_fn fn)
{
	const struct vm_disk *d = &s->vm->rec.disk[s->ask.disk];

	return share_read_start(s->vm->d->loop, d->target, s->ask.v, s->ask.nr, READ_TIMEOUT_MS, fn, s,
				&s->read);
}

static void send_samples(struct vm *vm, uint16_t type, const struct samples *s)
{
	uint8_t buf[SAMPLES_MAX_BYTES];

	link_send_record(vm, type, buf, samples_encode(s, buf));
}

/* ---- owner ------------------------------------------------------------------------------------------- */

static void fail(struct vm_share *s, const char *what, const char *fix)
{
	struct vm *vm = s->vm;
	char why[RECORD_WHY_MAX];

	snprintf(why, sizeof(why), "disk %s: %s", vm->rec.disk[s->ask.disk].vdev, what);
	vm_share_stop(vm);
	link_disagree(vm, why, fix);
}

static void fail_errno(struct vm_share *s, const char *where, int err)
{
	char what[128];

	snprintf(what, sizeof(what), "it cannot be read %s: %s", where, strerror(err));
	fail(s, what, "repair that host's path to the disk");
}

static void next_disk(struct vm_share *s);

static void judge(struct vm_share *s, const uint64_t *after)
{
	struct share_verdict v;
	char what[160];

	share_judge(s->before, s->theirs, after, s->ask.nr, s->nr_recent, &v);
	if (v.differing) {
		snprintf(what, sizeof(what),
			 "the standby reads something else: %u of %u samples differ, first at byte %llu",
			 v.differing, s->ask.nr, (unsigned long long)s->ask.v[v.first]);
		fail(s, what, "make its target name the same device on both hosts; a copy of it will not do");
		return;
	}
	if (!v.same && ++s->attempt < ATTEMPTS) {
		next_disk(s);
		return;
	}
	if (!v.same) {
		fail(s, "the guest writes every sample too fast for it to be compared", "try again later");
		return;
	}
	vm_tell(s->vm, "disk %s: the standby sees the same (%u samples, %u of them written by the guest)",
		s->vm->rec.disk[s->ask.disk].vdev, v.same, v.same_recent);
	s->ask.disk++;
	s->attempt = 0;
	next_disk(s);
}

static void on_look(void *arg, int err, const uint64_t *hash, unsigned int nr)
{
	struct vm_share *s = arg;

	s->read = NULL;
	if (err) {
		fail_errno(s, "here", -err);
	} else if (s->again) {
		judge(s, hash);
	} else {
		memcpy(s->before, hash, nr * sizeof(*hash));
		send_samples(s->vm, RECORD_DISK_ASK, &s->ask);
	}
}

/* The disk ask.disk, or the end: the bulk copy may begin. */
static void next_disk(struct vm_share *s)
{
	struct vm *vm = s->vm;
	struct vm_device *vd = disk_of(vm, s->ask.disk);
	uint64_t recent[SHARE_RECENT];
	int rc;

	if (!vd) {
		vm_share_stop(vm);
		vm->shared = true;
		vm_bulk_start(vm);
		return;
	}
	s->nr_recent = vd->dev ? block_recent_writes(vd->dev, recent, SHARE_RECENT) : 0;
	s->ask.nr = share_pick(bytes_of(vd), recent, &s->nr_recent, s->ask.v);
	s->again = false;
	rc = s->ask.nr ? look(s, on_look) : -EINVAL;
	if (rc)
		fail_errno(s, "here", -rc);
}

int vm_share_start(struct vm *vm)
{
	int rc;

	vm_share_stop(vm);
	rc = begin(vm);
	if (!rc)
		next_disk(vm->share);
	return rc;
}

int vm_share_answer(struct vm *vm, const uint8_t *payload, uint32_t len, char *why)
{
	struct vm_share *s = vm->share;
	struct samples a;
	int rc = samples_decode(payload, len, &a, why);

	if (rc)
		return rc;
	if (!s || s->read || s->again || engine_role(&vm->engine) < ENGINE_HELD || a.disk != s->ask.disk ||
	    (!a.error && a.nr != s->ask.nr)) {
		snprintf(why, RECORD_WHY_MAX, "samples of a disk that were not asked for");
		return -EPROTO;
	}
	if (a.error) {
		fail_errno(s, "on the standby", (int)a.error);
		return 0;
	}
	memcpy(s->theirs, a.v, a.nr * sizeof(a.v[0]));
	s->again = true;
	rc = look(s, on_look);
	if (rc)
		fail_errno(s, "here", -rc);
	return 0;
}

/* ---- standby ----------------------------------------------------------------------------------------- */

static void answer(struct vm *vm, uint32_t disk, int err, const uint64_t *hash, unsigned int nr)
{
	struct samples a = { .disk = disk, .error = (uint32_t)-err, .nr = err ? 0 : nr };

	if (!err)
		memcpy(a.v, hash, nr * sizeof(*hash));
	vm_share_stop(vm);
	send_samples(vm, RECORD_DISK_ANSWER, &a);
}

static void on_asked(void *arg, int err, const uint64_t *hash, unsigned int nr)
{
	struct vm_share *s = arg;

	s->read = NULL;
	answer(s->vm, s->ask.disk, err, hash, nr);
}

int vm_share_ask(struct vm *vm, const uint8_t *payload, uint32_t len, char *why)
{
	struct samples ask;
	struct vm_device *vd;
	int rc = samples_decode(payload, len, &ask, why);

	if (rc)
		return rc;
	vd = disk_of(vm, ask.disk);
	if (!vd || vm->share || engine_role(&vm->engine) >= ENGINE_HELD) {
		snprintf(why, RECORD_WHY_MAX, "a question for samples of disk %u at the wrong time",
			 ask.disk);
		return -EPROTO;
	}
	rc = samples_check_offsets(&ask, bytes_of(vd), why);
	if (rc)
		return rc;
	rc = begin(vm);
	if (rc)
		return rc;
	vm->share->ask = ask;
	rc = look(vm->share, on_asked);
	if (rc)
		answer(vm, ask.disk, rc, NULL, 0);
	return 0;
}
