/* SPDX-License-Identifier: GPL-2.0-only */
/* The verifier: whole-RAM comparison of both copies after an epoch, for tests and kemari verify. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "apply/verify.h"
#include "transport/transport.h"
#include "vm.h"

static const void *page_taken(void *arg, uint64_t gfn)
{
	return capture_page_taken(arg, gfn);
}

/* The guest is stopped at this epoch, which has just been captured. */
void vm_verify_hash(struct vm *vm, uint64_t epoch)
{
	size_t cap = ram_frames(vm->ram) * 8 + (1U << 16);
	struct record_writer w;

	if (!vm->verify_left || vm->verify_buf)
		return;
	vm->verify_buf = malloc(cap);
	if (!vm->verify_buf)
		return;
	record_writer_init(&w, vm->verify_buf, cap);
	if (verify_write(&w, vm->ram, page_taken, vm->capture)) {
		free(vm->verify_buf);
		vm->verify_buf = NULL;
		return;
	}
	vm->verify_len = w.len;
	vm->verify_epoch = epoch;
	vm->verify_left--;
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
	char text[128];

	if (!vm->verify_bad) {
		vm_request_done_with(vm, CONTROL_VERIFY, o);
		return;
	}
	json_decref(o);
	snprintf(text, sizeof(text), "%llu of %llu epochs differ on the standby",
		 (unsigned long long)vm->verify_bad, (unsigned long long)vm->verify_done);
	vm_request_fail(vm, CONTROL_VERIFY, EIO, text, "this is a bug of Kemari: do not rely on the copy");
}

int vm_verify_result(struct vm *vm, const uint8_t *text, uint32_t len, char *why)
{
	json_t *o = json_loadb((const char *)text, len, 0, NULL);
	const json_t *bad = json_object_get(o, "mismatches");

	if (!json_is_integer(bad)) {
		json_decref(o);
		snprintf(why, RECORD_WHY_MAX, "a VERIFY_RESULT that is none");
		return -EBADMSG;
	}
	vm->verify_done++;
	if (json_integer_value(bad)) {
		vm->verify_bad++;
		vm_tell(vm, "verify: %lld pages differ on the standby, the first is gfn 0x%llx",
			(long long)json_integer_value(bad),
			(unsigned long long)json_integer_value(json_object_get(o, "first")));
	}
	json_decref(o);
	vm_request_progress(vm, CONTROL_VERIFY,
			    json_pack("{ss sI sI}", "phase", "verifying", "done", (json_int_t)vm->verify_done,
				      "bad", (json_int_t)vm->verify_bad));
	if (vm_request_waits(vm, CONTROL_VERIFY) && vm->verify_done == vm->verify_wanted)
		finish(vm);
	return 0;
}
