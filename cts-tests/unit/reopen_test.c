/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What an earlier daemon left is taken up from the loop: while a guest's memory is mapped, piece by piece,
 * the control socket answers, and nobody gets hold of the VM.  Real: loop, control server, requests,
 * resources, status, ram.  Fake: the hypervisor, engine and link behind a VM.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>
#include <jansson.h>
#include <qb/qbloop.h>
#include <uuid/uuid.h>

#include "lib/ocf.h"
#include "vm/link.h"
#include "vm/relay.h"
#include "vm/resource.h"
#include "vm/vm.h"
#include "vm/vms.h"

#define UUID_OF "11112222-3333-4444-5555-66667777888"
#define MEMORY_KB (40U << 10)
#define PIECES 5U /* 16, 16 and 8 MiB, the ACPI pages, the special ones */
#define FAR_MS 5000U

/* How VM n, of UUID_OF n, fares. */
struct fate {
	int open_err;	   /* of vm_reopen() */
	unsigned int busy; /* so often -EBUSY before */
	bool at_once;	   /* needs no memory */
	bool broken;	   /* its memory cannot be mapped */
	unsigned int opened, left, attached;
};

struct bed {
	struct daemon d;
	char socket[CONTROL_PATH_MAX];
	struct fate fate[3];
	char story[64];	   /* m0 a piece of VM 0's memory, a0 attached, l0 left */
	unsigned int maps; /* at work */
	unsigned int pieces, timers;
	uint64_t most; /* pages in one piece */
	bool frozen;   /* no piece comes */
	struct vm *waits;
	void (*waits_fn)(void *vm);
	bool (*done)(struct bed *bed);
	unsigned int ms;
	enum engine_event_type event; /* the last one of a VM */
	int fd;
};

static struct bed *bed;

/* ---- the VM's room and the hypervisor -------------------------------------------------------------------
 */

static unsigned int nr_of(const uint8_t uuid[16])
{
	return uuid[15] & 7;
}

static void note(char what, unsigned int nr)
{
	size_t n = strlen(bed->story);

	assert_true(n + 3 < sizeof(bed->story));
	bed->story[n] = what;
	bed->story[n + 1] = (char)('0' + nr);
}

static void record_of(unsigned int nr, char text[1024])
{
	snprintf(text, 1024,
		 "{\"format\":1,\"name\":\"vm%u\",\"uuid\":\"" UUID_OF "%u\",\"memory_kb\":%u,\"vcpus\":1,"
		 "\"on\":{\"poweroff\":\"destroy\",\"reboot\":\"restart\",\"crash\":\"destroy\","
		 "\"watchdog\":\"destroy\",\"soft_reset\":\"restart\"},\"disks\":[],\"nics\":[],"
		 "\"config\":{\"c_info\":{\"type\":\"pvh\",\"name\":\"vm%u\",\"uuid\":\"" UUID_OF "%u\"},"
		 "\"b_info\":{\"max_vcpus\":1,\"tsc_mode\":\"native\",\"max_memkb\":%u,\"target_memkb\":%u,"
		 "\"kernel\":\"/boot/vmlinuz\"}}}",
		 nr, nr, MEMORY_KB, nr, nr, MEMORY_KB, MEMORY_KB);
}

int vm_reopen(struct daemon *d, const uint8_t uuid[16], struct vm **out)
{
	struct fate *f = &bed->fate[nr_of(uuid)];
	char text[1024], why[256];
	struct vm *vm;

	f->opened++;
	if (f->busy) {
		f->busy--;
		return -EBUSY;
	}
	if (f->open_err)
		return f->open_err;
	vm = calloc(1, sizeof(*vm));
	record_of(nr_of(uuid), text);
	vm->d = d;
	vm->domid = nr_of(uuid);
	vm->mem = calloc(1, sizeof(*vm->mem));
	assert_int_equal(vm_record_parse(text, strlen(text), &vm->rec, why, sizeof(why)), 0);
	*out = vm;
	return 0;
}

bool vm_reattach_needs_memory(const struct vm *vm)
{
	return !bed->fate[nr_of(vm->rec.uuid)].at_once;
}

int vm_reattach(struct vm *vm)
{
	struct fate *f = &bed->fate[nr_of(vm->rec.uuid)];

	note('a', nr_of(vm->rec.uuid));
	f->attached++;
	assert_true(f->at_once || vm->ram);
	vm->next = vm->d->vms;
	vm->d->vms = vm;
	return 0;
}

static void drop(struct vm *vm)
{
	vm_timer_stop(vm, &vm->ram_timer);
	ram_close(vm->ram_new);
	ram_close(vm->ram);
	vm_record_free(&vm->rec);
	free(vm->mem);
	free(vm);
}

void vm_leave(struct vm *vm)
{
	bed->fate[nr_of(vm->rec.uuid)].left++;
	note('l', nr_of(vm->rec.uuid));
	drop(vm);
}

void vm_timer_stop(struct vm *vm, uint64_t *timer)
{
	if (*timer)
		qb_loop_timer_del(vm->d->loop, *timer);
	*timer = 0;
}

int vm_timer_start(struct vm *vm, uint64_t *timer, enum qb_loop_priority p, uint64_t ns, void (*fn)(void *vm))
{
	bed->timers++;
	if (!bed->frozen)
		return qb_loop_timer_add(vm->d->loop, p, ns, vm, fn, timer);
	bed->waits = vm;
	bed->waits_fn = fn;
	return 0;
}

static void *map(void *arg, const uint64_t *gfns, unsigned int nr, int *err)
{
	unsigned int k = (unsigned int)(uintptr_t)arg - 1;

	note('m', k);
	bed->pieces++;
	/* each piece in a turn of the loop of its own */
	assert_int_equal(bed->timers, bed->pieces);
	if (bed->most < nr)
		bed->most = nr;
	if (bed->fate[k].broken) {
		errno = ENOMEM;
		return NULL;
	}
	memset(err, 0, nr * sizeof(*err));
	bed->maps++;
	return malloc(1);
}

static void unmap(void *arg, void *addr, unsigned int nr)
{
	bed->maps--;
	free(addr);
}

int ram_xen_open(uint32_t domid, const struct ram_ops **ops, void **arg)
{
	static const struct ram_ops fake = { .map = map, .unmap = unmap };

	*ops = &fake;
	*arg = (void *)(uintptr_t)(domid + 1);
	return 0;
}

void ram_xen_close(void *arg)
{
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
	return NULL;
}

void vm_event(struct vm *vm, const struct engine_event *ev)
{
	bed->event = ev->type;
	vm_result(vm, ev->request, ENGINE_RES_OK);
}

bool link_up(const struct vm *vm)
{
	return false;
}

void vms_released(void *arg)
{
}

bool vms_domain_of(struct daemon *d, const uint8_t uuid[16], uint32_t domid)
{
	return false;
}

bool vm_domain_info(const struct vm *vm, struct xc_dominfo *info)
{
	return false;
}

void vm_look_for_foreign(struct vm *vm)
{
}

bool vm_shell_in_the_making(const struct vm *vm)
{
	return false;
}

/* Nothing of these is to happen. */
int vm_new(struct daemon *d, const char *record, size_t len, uint32_t domid, struct vm **out)
{
	fail();
	return -EIO;
}

int vm_run(struct vm *vm, uint64_t g, uint64_t epoch)
{
	fail();
	return -EIO;
}

int vm_domain_make(struct vm *vm, bool shell, void (*ready)(struct vm *vm, int err, const char *why))
{
	fail();
	return -EIO;
}

bool vm_domain_is_down(const struct xc_dominfo *info)
{
	fail();
	return true;
}

void vm_free(struct vm *vm)
{
	fail();
}

void vm_free_shell(struct vm *vm)
{
	fail();
}

void vm_destroy(struct vm *vm)
{
	fail();
}

void link_connect(struct vm *vm)
{
	fail();
}

bool link_end_of_boot(struct vm *vm, uint64_t boot)
{
	fail();
	return false;
}

void link_send_record(struct vm *vm, uint16_t type, const void *payload, size_t len)
{
	fail();
}

json_t *vm_taps_rows(const struct vm *vm)
{
	return json_array();
}

void vm_forget(struct vm *vm, struct control_client *c, bool last_copy)
{
	fail();
}

void vm_forget_result(struct vm *vm, enum engine_result result)
{
	fail();
}

void relay_receive(struct daemon *d, struct control_client *c, const struct control_request *r)
{
	fail();
}

/* ---- the bed --------------------------------------------------------------------------------------------
 */

static void path_in(const char *name, char path[CONTROL_PATH_MAX])
{
	snprintf(path, CONTROL_PATH_MAX, "%s/%s", bed->d.cfg.run_dir, name);
}

static void make_file(unsigned int nr)
{
	char name[64], path[CONTROL_PATH_MAX];

	snprintf(name, sizeof(name), UUID_OF "%u.mem", nr);
	path_in(name, path);
	close(open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
}

static int setup(void **state)
{
	static const struct control_handlers handlers = { .request = vms_request };
	struct control_options opt = { 0 };

	bed = calloc(1, sizeof(*bed));
	snprintf(bed->d.cfg.run_dir, sizeof(bed->d.cfg.run_dir), "/tmp/kemari-reopen-XXXXXX");
	if (!mkdtemp(bed->d.cfg.run_dir))
		return -1;
	path_in(CONTROL_SOCKET, bed->socket);
	opt.path = bed->socket;
	bed->d.loop = qb_loop_create();
	make_file(0);
	return control_start(bed->d.loop, &handlers, &bed->d, &opt, &bed->d.control);
}

static int teardown(void **state)
{
	char command[CONTROL_PATH_MAX + 16];

	resources_close(&bed->d);
	vms_reopen_stop(&bed->d);
	vms_publish_stop(&bed->d);
	while (bed->d.vms) {
		struct vm *vm = bed->d.vms;

		bed->d.vms = vm->next;
		drop(vm);
	}
	assert_int_equal(bed->maps, 0);
	control_stop(bed->d.control);
	qb_loop_destroy(bed->d.loop);
	snprintf(command, sizeof(command), "rm -r %s", bed->d.cfg.run_dir);
	assert_int_equal(system(command), 0);
	free(bed);
	return 0;
}

static void look(void *arg)
{
	qb_loop_timer_handle h;

	if (bed->done(bed) || ++bed->ms == FAR_MS)
		qb_loop_stop(bed->d.loop);
	else
		qb_loop_timer_add(bed->d.loop, QB_LOOP_LOW, 1000000, NULL, look, &h);
}

/* Runs the loop until then. */
static void until(bool (*done)(struct bed *bed))
{
	qb_loop_timer_handle h;

	bed->done = done;
	bed->ms = 0;
	qb_loop_timer_add(bed->d.loop, QB_LOOP_LOW, 0, NULL, look, &h);
	qb_loop_run(bed->d.loop);
	assert_true(done(bed));
}

static bool all_settled(struct bed *b)
{
	return !b->d.reopening;
}

/* The second piece is waited for, and does not come before thaw(). */
static bool is_frozen(struct bed *b)
{
	b->frozen = true;
	return b->waits;
}

static void thaw(void)
{
	struct vm *vm = bed->waits;

	bed->frozen = false;
	bed->waits = NULL;
	bed->timers--;
	vm_timer_start(vm, &vm->ram_timer, QB_LOOP_LOW, 0, bed->waits_fn);
}

static int ask(const char *text)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	memcpy(addr.sun_path, bed->socket, strlen(bed->socket));
	assert_int_equal(connect(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
	return fd;
}

static bool some_time_later(struct bed *b)
{
	return b->ms == 150; /* more than any of the daemon's own delays */
}

static bool heard(struct bed *b)
{
	char byte;

	return recv(b->fd, &byte, 1, MSG_PEEK) >= 0;
}

static json_t *hear(int fd)
{
	static char text[CONTROL_MSG_MAX];
	ssize_t n;

	bed->fd = fd;
	until(heard);
	n = recv(fd, text, sizeof(text), 0);
	assert_true(n > 0);
	return json_loadb(text, (size_t)n, 0, NULL);
}

static bool is_silent(int fd)
{
	bed->fd = fd;
	until(some_time_later);
	return !heard(bed);
}

static void expect_error(int fd, int code, const char *part)
{
	json_t *answer = hear(fd);

	assert_non_null(strstr(json_string_value(json_object_get(answer, "error")), part));
	assert_int_equal(json_integer_value(json_object_get(answer, "code")), code);
	json_decref(answer);
	close(fd);
}

static void expect_ok(int fd)
{
	json_t *answer = hear(fd);

	assert_true(json_is_true(json_object_get(answer, "ok")));
	json_decref(answer);
	close(fd);
}

static void expect_ocf(const char *vm, int ocf)
{
	char text[128];
	json_t *answer;
	int fd;

	snprintf(text, sizeof(text), "{\"op\":\"resource-monitor\",\"vm\":\"%s\"}", vm);
	fd = ask(text);
	answer = hear(fd);
	assert_int_equal(json_integer_value(json_object_get(answer, "ocf")), ocf);
	json_decref(answer);
	close(fd);
}

static const char *word(const json_t *answer, size_t row, const char *key)
{
	const json_t *o = json_array_get(json_object_get(answer, "rows"), row);

	return json_string_value(json_object_get(o, key));
}

/* The cluster manager has it promoted here. */
static void load_resource(unsigned int nr)
{
	char name[64], path[CONTROL_PATH_MAX], record[1024];
	json_t *o;

	record_of(nr, record);
	snprintf(name, sizeof(name), "vm%u", nr);
	o = json_pack("{si ss ss sb ss}", "version", 1, "vm", name, "config", "/x", "promoted", 1, "record",
		      record);
	snprintf(name, sizeof(name), "vm%u.resource", nr);
	path_in(name, path);
	assert_int_equal(json_dump_file(o, path, 0), 0);
	json_decref(o);
	resources_load(&bed->d);
}

/* ---- tests ----------------------------------------------------------------------------------------------
 */

static void a_vm_is_nobodys_until_all_its_memory_is_mapped(void **state)
{
	uint8_t uuid[16];

	uuid_parse(UUID_OF "0", uuid);
	assert_int_equal(vms_reopen(&bed->d), 0);
	assert_true(vms_left(&bed->d, uuid, "?"));
	until(is_frozen);
	assert_null(bed->d.vms);
	assert_true(vms_reopening(&bed->d));
	assert_true(vms_left(&bed->d, uuid, "?"));
	assert_true(vms_left(&bed->d, NULL, "vm0"));
	assert_false(vms_left(&bed->d, NULL, "vm1"));
	thaw();
	until(all_settled);
	assert_non_null(bed->d.vms);
	assert_false(vms_reopening(&bed->d));
	assert_false(vms_left(&bed->d, uuid, "vm0"));
	assert_string_equal(bed->story, "m0m0m0m0m0a0");
	assert_int_equal(bed->pieces, PIECES);
	assert_true(bed->most <= 4096);
}

static void one_is_mapped_after_the_other_and_none_waits_that_need_not(void **state)
{
	const char *const either[] = { "m0m0m0m0m0a0m2m2m2m2m2a2", "m2m2m2m2m2a2m0m0m0m0m0a0" };
	char *at;

	make_file(1);
	make_file(2);
	bed->fate[1].at_once = true;
	assert_int_equal(vms_reopen(&bed->d), 0);
	until(all_settled);
	at = strstr(bed->story, "a1");
	assert_non_null(at);
	assert_true(at - bed->story < 2 * PIECES); /* before the first of the others */
	memmove(at, at + 2, strlen(at + 2) + 1);
	assert_string_equal(bed->story, either[bed->story[1] == '2']);
}

static bool has_failed(struct bed *b)
{
	return b->fate[0].left == 1;
}

static void what_cannot_be_mapped_is_left_and_tried_again(void **state)
{
	bed->fate[0].broken = true;
	assert_int_equal(vms_reopen(&bed->d), 0);
	until(has_failed);
	assert_false(vms_reopening(&bed->d)); /* no other VM waits for it */
	assert_true(vms_left(&bed->d, NULL, "vm0"));
	assert_int_equal(bed->maps, 0);
	bed->fate[0].broken = false;
	until(all_settled);
	assert_string_equal(bed->story, "m0l0m0m0m0m0m0a0");
}

static void a_locked_one_is_waited_for(void **state)
{
	bed->fate[0].busy = 3;
	assert_int_equal(vms_reopen(&bed->d), 0);
	until(all_settled);
	assert_int_equal(bed->fate[0].opened, 4);
	assert_int_equal(bed->fate[0].attached, 1);
}

static void a_locked_one_counts_as_being_taken_up(void **state)
{
	bed->fate[0].busy = 1000;
	assert_int_equal(vms_reopen(&bed->d), 0);
	until(some_time_later);
	assert_true(bed->fate[0].opened > 1);
	assert_true(vms_reopening(&bed->d));
}

static void a_damaged_one_keeps_no_other_away(void **state)
{
	make_file(1);
	bed->fate[0].open_err = -EBADMSG;
	assert_int_equal(vms_reopen(&bed->d), 0);
	until(all_settled);
	assert_string_equal(bed->story, "m1m1m1m1m1a1");
	assert_int_equal(bed->fate[0].opened, 1);
}

static void the_daemons_end_leaves_what_is_half_mapped(void **state)
{
	assert_int_equal(vms_reopen(&bed->d), 0);
	until(is_frozen);
	assert_true(bed->maps > 0);
	vms_reopen_stop(&bed->d);
	assert_int_equal(bed->fate[0].left, 1);
	assert_int_equal(bed->maps, 0);
	assert_null(bed->d.reopening);
}

static void commands_are_answered_meanwhile(void **state)
{
	json_t *answer;
	int fd;

	assert_int_equal(vms_reopen(&bed->d), 0);
	until(is_frozen);
	expect_error(ask("{\"op\":\"switchover\",\"vm\":\"vm0\"}"), EAGAIN, "being taken up");
	fd = ask("{\"op\":\"status\",\"vm\":\"vm0\"}");
	answer = hear(fd);
	assert_string_equal(word(answer, 0, "vm"), "vm0");
	assert_string_equal(word(answer, 0, "state"), "being taken up");
	assert_non_null(strstr(word(answer, 0, "reason"), "of 0.0 GiB of its memory mapped"));
	json_decref(answer);
	close(fd);
	thaw();
	until(all_settled);
	expect_error(ask("{\"op\":\"switchover\",\"vm\":\"vm1\"}"), ENOENT, "no such VM");
}

static void who_watches_all_vms_gets_no_table_that_lacks_one(void **state)
{
	json_t *answer;
	int fd;

	assert_int_equal(vms_reopen(&bed->d), 0);
	until(is_frozen);
	fd = ask("{\"op\":\"status\",\"watch\":true}");
	vms_publish(&bed->d);
	assert_true(is_silent(fd));
	thaw();
	answer = hear(fd);
	assert_null(bed->d.reopening);
	assert_int_equal(json_array_size(json_object_get(answer, "rows")), 1);
	assert_string_equal(word(answer, 0, "vm"), "vm0");
	assert_string_not_equal(word(answer, 0, "state"), "being taken up");
	json_decref(answer);
	close(fd);
}

static void the_cluster_manager_is_answered_or_waits(void **state)
{
	int demote;

	load_resource(0);
	assert_int_equal(vms_reopen(&bed->d), 0);
	until(is_frozen);
	expect_ocf("vm0", OCF_RUNNING_PROMOTED);
	expect_ocf("vm1", OCF_NOT_RUNNING);
	demote = ask("{\"op\":\"resource-demote\",\"vm\":\"vm0\"}");
	assert_true(is_silent(demote));
	assert_int_equal(bed->event, 0);
	thaw();
	expect_ok(demote);
	assert_int_equal(bed->event, ENGINE_EV_DEMOTE);
}

static void promote_waits_and_makes_no_other_vm_of_it(void **state)
{
	int promote;

	load_resource(0);
	assert_int_equal(vms_reopen(&bed->d), 0);
	until(is_frozen);
	promote = ask("{\"op\":\"resource-promote\",\"vm\":\"vm0\",\"timeout\":60}");
	assert_true(is_silent(promote));
	assert_int_equal(bed->event, 0);
	thaw();
	until(all_settled);
	assert_true(is_silent(promote));
	assert_int_equal(bed->event, ENGINE_EV_PROMOTE); /* vm_new() would have failed */
	close(promote);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_vm_is_nobodys_until_all_its_memory_is_mapped),
		TEST(one_is_mapped_after_the_other_and_none_waits_that_need_not),
		TEST(what_cannot_be_mapped_is_left_and_tried_again),
		TEST(a_locked_one_is_waited_for),
		TEST(a_locked_one_counts_as_being_taken_up),
		TEST(a_damaged_one_keeps_no_other_away),
		TEST(the_daemons_end_leaves_what_is_half_mapped),
		TEST(commands_are_answered_meanwhile),
		TEST(who_watches_all_vms_gets_no_table_that_lacks_one),
		TEST(the_cluster_manager_is_answered_or_waits),
		TEST(promote_waits_and_makes_no_other_vm_of_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
