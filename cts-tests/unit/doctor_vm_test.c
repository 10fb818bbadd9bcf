/* SPDX-License-Identifier: GPL-2.0-only */
/* kemari doctor's judgement of a VM, and how findings are shown. */
#include "doctor_bed.h"

#include "agent/args.h"

static void again(struct bed *b)
{
	memset(&b->l, 0, sizeof(b->l));
}

static void a_protected_vm_is_well(void **state)
{
	struct bed *b = *state;

	check_vms(&b->f, "", &b->l);
	assert_well(&b->l);
	assert_int_equal(b->l.nr, 4);
}

static void a_copy_that_follows_is_well(void **state)
{
	struct bed *b = *state;

	SET(b->f.vm[0].role, "standby");
	SET(b->f.vm[0].protection, "");
	check_vms(&b->f, "vm1", &b->l);
	assert_well(&b->l);
	again(b);
	b->f.vm[0].linked = false;
	check_vms(&b->f, "vm1", &b->l);
	assert_one(&b->l, FINDING_WARNING, "protection", "lost the link to xb", "xb runs");
}

static void a_vm_that_nobody_knows_is_a_problem(void **state)
{
	struct bed *b = *state;

	check_vms(&b->f, "vm2", &b->l);
	assert_one(&b->l, FINDING_PROBLEM, "vm", "knows a VM vm2", "kemari status");
	again(b);
	b->f.syncd.seen = b->f.cib.source.seen = false;
	b->f.nr_vms = 0;
	check_vms(&b->f, "vm2", &b->l);
	assert_one(&b->l, FINDING_WARNING, "vm", "vm2 was not looked at", "kemari doctor vm2");
}

static void only_the_given_vm_is_judged(void **state)
{
	struct bed *b = *state;

	b->f.nr_vms = 2;
	b->f.vm[1] = b->f.vm[0];
	SET(b->f.vm[1].name, "vm2");
	b->f.vm[1].started = false;
	check_vms(&b->f, "vm1", &b->l);
	assert_well(&b->l);
	check_vms(&b->f, "", &b->l);
	assert_one(&b->l, FINDING_WARNING, "started", "vm2 is not started", "--resource vm2");
}

static void a_vm_of_no_cluster_need_not_be_started(void **state)
{
	struct bed *b = *state;

	b->f.vm[0].origin = FACT_OF_SYNCD;
	b->f.vm[0].started = false;
	check_vms(&b->f, "", &b->l);
	assert_well(&b->l);
}

static void its_configuration_is_looked_at(void **state)
{
	struct bed *b = *state;
	struct fact_vm *vm = &b->f.vm[0];

	vm->disk[0].block_device = FACT_NO;
	check_vms(&b->f, "", &b->l);
	assert_one(&b->l, FINDING_PROBLEM, "disk", "/dev/vdb is no block device", "storage");
	again(b);
	vm->disk[0].block_device = FACT_YES;
	vm->nic[0].exists = FACT_NO;
	check_vms(&b->f, "", &b->l);
	assert_one(&b->l, FINDING_PROBLEM, "bridge", "no bridge xenbr0", "make the bridge xenbr0");
	again(b);
	vm->nic[0].exists = FACT_YES;
	vm->have_devices = false;
	vm->nr_disks = vm->nr_nics = 0;
	check_vms(&b->f, "", &b->l);
	assert_one(&b->l, FINDING_WARNING, "vm-config", "were not looked at", "record /etc/xen/vm1.cfg");
	again(b);
	SET(vm->config_error, "pci: passthrough cannot be protected");
	check_vms(&b->f, "", &b->l);
	assert_one(&b->l, FINDING_PROBLEM, "vm-config", "vm1: pci", "change /etc/xen/vm1.cfg");
	again(b);
	vm->config_exists = FACT_NO;
	check_vms(&b->f, "", &b->l);
	assert_one(&b->l, FINDING_PROBLEM, "vm-config", "no /etc/xen/vm1.cfg", "copy it");
	again(b);
	SET(vm->config, ""); /* not known: made by kemari create */
	check_vms(&b->f, "", &b->l);
	assert_well(&b->l);
}

static void each_state_of_protection_is_told(void **state)
{
	static const struct {
		const char *protection;
		enum finding_level level;
		const char *found, *fix;
	} cases[] = { { "syncing", FINDING_WARNING, "being copied to xb", "wait" },
		      { "unprotected", FINDING_PROBLEM, "dies with this host (disk full)", "kemari log vm1" },
		      { "link-lost", FINDING_WARNING, "link to xb is lost", "replication network" },
		      { "outdating", FINDING_WARNING, "link to xb is lost", "replication network" },
		      { "blocked", FINDING_PROBLEM, "outputs wait", "--standby-is-gone" } };
	struct bed *b = *state;

	SET(b->f.vm[0].reason, "disk full");
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		again(b);
		SET(b->f.vm[0].protection, cases[i].protection);
		check_vms(&b->f, "", &b->l);
		assert_one(&b->l, cases[i].level, "protection", cases[i].found, cases[i].fix);
	}
}

static void a_vm_that_waits_for_proof_is_a_problem(void **state)
{
	struct bed *b = *state;

	SET(b->f.vm[0].role, "standby");
	SET(b->f.vm[0].needs, "proof");
	check_vms(&b->f, "", &b->l);
	assert_one(&b->l, FINDING_PROBLEM, "protection", "the proof that xb is off", "--primary-is-off");
}

static void a_vm_with_nothing_here_is_told(void **state)
{
	struct bed *b = *state;

	SET(b->f.vm[0].role, "none");
	SET(b->f.vm[0].state, "ready");
	check_vms(&b->f, "", &b->l);
	assert_one(&b->l, FINDING_WARNING, "protection", "has nothing here", "kemari status");
}

static void disks_are_shared_if_it_was_ever_protected(void **state)
{
	struct bed *b = *state;

	b->f.vm[0].was_protected = FACT_NO;
	check_vms(&b->f, "", &b->l);
	assert_one(&b->l, FINDING_WARNING, "shared", "never protected here", "kemari protect");
	again(b);
	b->f.vm[0].was_protected = FACT_UNKNOWN;
	check_vms(&b->f, "", &b->l);
	assert_well(&b->l);
}

static void findings_are_lines_and_a_sum(void **state)
{
	struct bed *b = *state;
	char *text = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&text, &len);

	finding_ok(&b->l, "a", "all is %s", "well");
	finding_warning(&b->l, "b", "it is late");
	finding_fix(&b->l, "go to bed");
	findings_print(f, &b->l);
	fclose(f);
	assert_string_equal(text, "ok       all is well\n"
				  "warning  it is late; fix: go to bed\n"
				  "1 ok, 1 warning, 0 problems\n");
	free(text);
}

static void findings_are_json_too(void **state)
{
	struct bed *b = *state;
	json_t *o, *list;

	finding_ok(&b->l, "a", "all is well");
	finding_problem(&b->l, "b", "it burns");
	finding_fix(&b->l, "water");
	o = findings_json(&b->l);
	list = json_object_get(o, "findings");
	assert_int_equal(json_array_size(list), 2);
	assert_true(json_is_null(json_object_get(json_array_get(list, 0), "fix")));
	assert_string_equal(json_string_value(json_object_get(json_array_get(list, 1), "level")), "problem");
	assert_string_equal(json_string_value(json_object_get(json_array_get(list, 1), "check")), "b");
	assert_string_equal(json_string_value(json_object_get(json_array_get(list, 1), "fix")), "water");
	assert_int_equal(json_integer_value(json_object_get(o, "ok")), 1);
	assert_int_equal(json_integer_value(json_object_get(o, "warnings")), 0);
	assert_int_equal(json_integer_value(json_object_get(o, "problems")), 1);
	json_decref(o);
}

static void more_findings_than_there_is_room_are_counted(void **state)
{
	struct bed *b = *state;

	for (int i = 0; i < FINDING_MAX; i++)
		finding_ok(&b->l, "a", "all is well");
	finding_problem(&b->l, "b", "it burns");
	finding_fix(&b->l, "water");
	assert_int_equal(b->l.nr, FINDING_MAX);
	assert_int_equal(b->l.count[FINDING_PROBLEM], 1);
	assert_string_equal(b->l.list[FINDING_MAX - 1].fix, "");
}

static int parse(struct kemari_args *args, const char *a, const char *b, const char *c)
{
	char *const argv[] = { (char *)"kemari", (char *)"doctor", (char *)a, (char *)b, (char *)c, NULL };
	char err[256];
	int argc = 2 + !!a + !!b + !!c;

	return kemari_args_parse(argc, argv, args, err, sizeof(err));
}

static void the_command_is_understood(void **state)
{
	struct kemari_args args;

	assert_int_equal(parse(&args, NULL, NULL, NULL), 0);
	assert_int_equal(args.command, KEMARI_DO_DOCTOR);
	assert_string_equal(args.req.vm, "");
	assert_false(args.json);
	assert_int_equal(parse(&args, "vm1", "--json", NULL), 0);
	assert_string_equal(args.req.vm, "vm1");
	assert_true(args.json);
	assert_int_equal(parse(&args, "--config", "/tmp/k.conf", NULL), 0);
	assert_string_equal(args.conf_file, "/tmp/k.conf");
	assert_int_equal(parse(&args, "vm1", "vm2", NULL), EXIT_USAGE);
	assert_int_equal(parse(&args, "--watch", NULL, NULL), EXIT_USAGE);
	assert_int_equal(parse(&args, "--help", NULL, NULL), 0);
	assert_int_equal(args.command, KEMARI_DO_HELP);
	assert_string_equal(args.topic, "doctor");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		BED_TEST(a_protected_vm_is_well),
		BED_TEST(a_copy_that_follows_is_well),
		BED_TEST(a_vm_that_nobody_knows_is_a_problem),
		BED_TEST(only_the_given_vm_is_judged),
		BED_TEST(a_vm_of_no_cluster_need_not_be_started),
		BED_TEST(its_configuration_is_looked_at),
		BED_TEST(each_state_of_protection_is_told),
		BED_TEST(a_vm_that_waits_for_proof_is_a_problem),
		BED_TEST(a_vm_with_nothing_here_is_told),
		BED_TEST(disks_are_shared_if_it_was_ever_protected),
		BED_TEST(findings_are_lines_and_a_sum),
		BED_TEST(findings_are_json_too),
		BED_TEST(more_findings_than_there_is_room_are_counted),
		BED_TEST(the_command_is_understood),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
