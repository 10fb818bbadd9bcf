/* SPDX-License-Identifier: GPL-2.0-only */
/* The verifier: comparison of both copies of the guest after an epoch, for tests and kemari verify. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "apply/verify.h"
#include "capture/hot.h"
#include "capture/reference.h"
#include "transport/transport.h"
#include "vm.h"

/* Besides 8 bytes for each page: all that the image holds of the state, and headers. */
#define STATE_BYTES (3U << 20)

static const void *page(void *arg, uint64_t gfn)
{
	return reference_page(arg, gfn);
}

static const char *name(void *arg, uint64_t gfn)
{
	const struct vm *vm = arg;

	return vm->capture ? reference_name(vm->capture, gfn) : "some";
}

bool vm_verify_wants(const struct vm *vm)
{
	return vm->verify_left && !vm->verify_buf;
}

static int write_records(struct vm *vm)
{
	uint64_t outside[HOT_MAX_PINNED];
	struct record_writer w;
	size_t cap = ram_frames(vm->ram) * 8 + STATE_BYTES;
	unsigned int nr = reference_outside(vm->capture, outside, HOT_MAX_PINNED);
	int rc;

	vm->verify_buf = malloc(cap);
	if (!vm->verify_buf)
		return -ENOMEM;
	record_writer_init(&w, vm->verify_buf, cap);
	rc = reference_state(vm->capture, vm->devices, vm->nr_devices, &w);
	if (!rc)
		rc = verify_write(&w, vm->ram, outside, nr, page, vm->capture);
	vm->verify_len = w.len;
	return rc;
}

void vm_verify_take(struct vm *vm, uint64_t epoch)
{
	int rc = 0;

	if (!vm_verify_wants(vm))
		return;
	if (reference_of(vm->capture, epoch))
		rc = write_records(vm);
	else
		rc = reference_begin(vm->capture) ?: -EAGAIN; /* the next one will have it */
	if (rc) {
		free(vm->verify_buf);
		vm->verify_buf = NULL;
	} else {
		vm->verify_epoch = epoch;
		vm->verify_left--;
	}
	if (!rc || rc == -EAGAIN)
		return;
	vm->verify_left = 0;
	vm_tell(vm, "verify: the guest cannot be read anew: %s", strerror(-rc));
	vm_request_fail(vm, CONTROL_VERIFY, -rc, "the guest cannot be read anew at an epoch", NULL);
}

static void on_sent(void *arg, bool sent)
{
	struct vm *vm = arg;

	free(vm->verify_buf);
	vm->verify_buf = NULL;
}

/* Right behind the epoch's own records: the standby compares when it has applied that epoch and no later one.
 */
void vm_verify_send(struct vm *vm, uint64_t epoch)
{
	if (!vm->verify_buf || vm->verify_epoch != epoch)
		return;
	if (record_seal(vm->verify_buf, vm->verify_len, link_session(vm)) ||
	    conn_send(link_conn(vm), vm->verify_buf, vm->verify_len, on_sent, vm)) {
		kem_vm_warn(vm->rec.name, "the hashes of epoch %llu cannot be sent",
			    (unsigned long long)epoch);
		on_sent(vm, false);
		vm->verify_left++;
	}
}

static void finish(struct vm *vm)
{
	json_t *o = json_pack("{sI sI}", "verified", (json_int_t)vm->verify_done, "bad",
			      (json_int_t)vm->verify_bad);
	char text[384];

	if (!vm->verify_bad) {
		vm_request_done_with(vm, CONTROL_VERIFY, o);
		return;
	}
	json_decref(o);
	snprintf(text, sizeof(text), "%llu of %llu epochs differ on the standby; %s",
		 (unsigned long long)vm->verify_bad, (unsigned long long)vm->verify_done, vm->verify_why);
	vm_request_fail(vm, CONTROL_VERIFY, EIO, text, "this is a bug of Kemari: do not rely on the copy");
}

int vm_verify_result(struct vm *vm, const uint8_t *text, uint32_t len, char *why)
{
	char said[sizeof(vm->verify_why)] = "";
	int rc = verify_read_report(text, len, name, vm, said, sizeof(said));

	if (rc < 0) {
		snprintf(why, RECORD_WHY_MAX, "a VERIFY_RESULT that is none");
		return rc;
	}
	vm->verify_done++;
	if (rc) {
		if (!vm->verify_bad++)
			memcpy(vm->verify_why, said, sizeof(said));
		vm_tell(vm, "verify: %s", said);
	}
	vm_request_progress(vm, CONTROL_VERIFY,
			    json_pack("{ss sI sI}", "phase", "verifying", "done", (json_int_t)vm->verify_done,
				      "bad", (json_int_t)vm->verify_bad));
	if (vm_request_waits(vm, CONTROL_VERIFY) && vm->verify_done == vm->verify_wanted)
		finish(vm);
	return 0;
}
