/* SPDX-License-Identifier: GPL-2.0-only */
/* kemari forget in the daemon: what is in use, what the operator is told, what is done after the engine. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "vm/resource.h"
#include "vm/vm.h"

static struct {
	struct vm vm;
	struct vm_mem mem;
	bool linked, started;
	struct engine_event asked; /* of the engine; type 0: it was not */
	bool done;
	int code;
	char why[1024], fix[1024];
	char story[16]; /* what was done, a letter each */
} w;

/* ---- the VM's room ---- */

static void note(const char *what)
{
	assert_true(strlen(w.story) + strlen(what) < sizeof(w.story));
	strcat(w.story, what);
}

static void say(int code, const char *why, const char *fix)
{
	w.code = code;
	snprintf(w.why, sizeof(w.why), "%s", why);
	snprintf(w.fix, sizeof(w.fix), "%s", fix ? fix : "");
}

void control_fail(struct control_client *c, int code, const char *why, const char *fix)
{
	say(code, why, fix);
}

void vm_request_fail(struct vm *vm, enum control_op op, int code, const char *why, const char *fix)
{
	assert_int_equal(op, CONTROL_FORGET);
	say(code, why, fix);
}

void vm_request_done_with(struct vm *vm, enum control_op op, json_t *extra)
{
	assert_int_equal(op, CONTROL_FORGET);
	json_decref(extra);
	w.done = true;
}

void vm_command(struct vm *vm, struct control_client *c, enum control_op op, struct engine_event ev)
{
	assert_int_equal(op, CONTROL_FORGET);
	w.asked = ev;
}

uint64_t vm_incarnation(void)
{
	return 7;
}

void vm_tell(struct vm *vm, const char *fmt, ...)
{
}

bool resource_started(const struct daemon *d, const char *vm)
{
	return w.started;
}

bool link_up(const struct vm *vm)
{
	return w.linked;
}

void link_close(struct vm *vm)
{
	note("l");
}

void vm_standby_close(struct vm *vm)
{
	note("s");
}

void vm_destroy(struct vm *vm)
{
	note("d");
}

void vm_free(struct vm *vm)
{
	note("f");
}

/* ---- the tests ---- */

static int setup(void **state)
{
	memset(&w, 0, sizeof(w));
	w.vm.mem = &w.mem;
	snprintf(w.vm.rec.name, sizeof(w.vm.rec.name), "vm1");
	snprintf(w.mem.peer, sizeof(w.mem.peer), "xa");
	w.vm.domid = 9;
	w.vm.engine.p.role = ENGINE_COPY;
	return 0;
}

static void refused(const char *why, const char *fix)
{
	w.why[0] = '\0';
	vm_forget(&w.vm, NULL, true);
	assert_int_equal(w.asked.type, 0);
	assert_int_equal(w.code, EBUSY);
	if (!strstr(w.why, why) || !strstr(w.fix, fix))
		fail_msg("'%s' or '%s' is not in '%s' '%s'", why, fix, w.why, w.fix);
}

static void a_parked_copy_is_the_engines_to_judge(void **state)
{
	vm_forget(&w.vm, NULL, false);
	assert_int_equal(w.asked.type, ENGINE_EV_FORGET);
	assert_int_equal(w.asked.incarnation, 7);
	assert_false(w.asked.flag);
	vm_forget(&w.vm, NULL, true);
	assert_true(w.asked.flag);
}

static void what_is_in_use_stays_whatever_the_operator_says(void **state)
{
	w.vm.engine.p.role = ENGINE_OWNER;
	refused("runs here", "shut it down");
	w.vm.engine.p.role = ENGINE_HELD;
	w.started = true;
	refused("the cluster manager", "stop its resource");
	w.vm.engine.p.role = ENGINE_COPY;
	w.linked = true;
	refused("xa keeps its copy here", "kemari unprotect vm1, on xa");
	w.linked = false;
	w.vm.dead_seen = true;
	refused("being made or destroyed", "again");
}

static void a_held_guest_that_nobody_manages_may_go(void **state)
{
	w.vm.engine.p.role = ENGINE_HELD;
	vm_forget(&w.vm, NULL, true);
	assert_int_equal(w.asked.type, ENGINE_EV_FORGET);
}

static void that_it_may_be_the_last_is_told_with_the_way_out(void **state)
{
	vm_forget_result(&w.vm, ENGINE_RES_LAST_COPY);
	assert_non_null(strstr(w.why, "last valid copy: xa"));
	assert_non_null(strstr(w.fix, "kemari forget vm1 --last-copy"));
	w.vm.engine.p.role = ENGINE_HELD;
	vm_forget_result(&w.vm, ENGINE_RES_LAST_COPY);
	assert_non_null(strstr(w.why, "the guest itself"));
	vm_forget_result(&w.vm, ENGINE_RES_BUSY);
	assert_non_null(strstr(w.why, "disk request"));
	assert_false(w.vm.forget);
	assert_string_equal(w.story, "");
}

static void its_domain_is_destroyed_after_the_engine_let_it_go(void **state)
{
	w.vm.guest = (struct guest *)&w;
	vm_forget_result(&w.vm, ENGINE_RES_OK);
	assert_true(w.vm.forget);
	assert_string_equal(w.story, "");
	vm_forgotten(&w.vm);
	assert_false(w.vm.forget);
	assert_string_equal(w.story, "lsd");
	assert_false(w.done);
	vm_forget_done(&w.vm, NULL);
	assert_true(w.done);
}

/* Who saw it vanish frees the VM. */
static void what_vanished_meanwhile_is_not_destroyed_twice(void **state)
{
	w.vm.dead_seen = true;
	vm_forget_result(&w.vm, ENGINE_RES_OK);
	assert_false(w.vm.forget);
	assert_true(w.done);
	assert_string_equal(w.story, "");
}

static void without_a_domain_there_is_nothing_to_wait_for(void **state)
{
	vm_forgotten(&w.vm);
	assert_true(w.done);
	assert_string_equal(w.story, "lf");
}

static void a_domain_that_stays_is_named(void **state)
{
	vm_forget_done(&w.vm, "no way");
	assert_false(w.done);
	assert_int_equal(w.code, EIO);
	assert_non_null(strstr(w.why, "domain 9"));
	assert_non_null(strstr(w.why, "no way"));
	assert_string_equal(w.fix, "xl destroy 9");
}

#define TEST(name) cmocka_unit_test_setup(name, setup)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_parked_copy_is_the_engines_to_judge),
		TEST(what_is_in_use_stays_whatever_the_operator_says),
		TEST(a_held_guest_that_nobody_manages_may_go),
		TEST(that_it_may_be_the_last_is_told_with_the_way_out),
		TEST(its_domain_is_destroyed_after_the_engine_let_it_go),
		TEST(what_vanished_meanwhile_is_not_destroyed_twice),
		TEST(without_a_domain_there_is_nothing_to_wait_for),
		TEST(a_domain_that_stays_is_named),
	};

	return cmocka_run_group_tests_name("forget", tests, NULL, NULL);
}
