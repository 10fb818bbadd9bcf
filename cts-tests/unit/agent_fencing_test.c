/* SPDX-License-Identifier: GPL-2.0-only */
/* Which hosts are proven off, and what survives a restart of kemari-agent. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "agent/daemon/proof.h"
#include "agent/daemon/proof_file.h"

#define S PROOF_SECOND
#define OFFSET (1700000000LL * S) /* wall clock less uptime */
#define BOOT 0xa1ULL

static const struct asker somebody, operator= { .kind = ASKER_OPERATOR,
						.program = "stonith_admin",
						.node = "xb" };

/* xa in boot BOOT is a member since second 100. */
static struct proof member(void)
{
	struct proof p = { 0 };

	assert_int_equal(proof_heard(&p, "xa", BOOT, 100 * S, OFFSET), PROOF_RECORDED);
	return p;
}

static void fenced_and_gone_is_off(void **state)
{
	struct proof p = member();

	assert_int_equal(proof_left(&p, "xa", true, 200 * S), PROOF_SAME);
	assert_null(proof_off(&p, "xa"));
	assert_int_equal(proof_fenced(&p, "xa", 201 * S, &somebody, 202 * S), PROOF_OFF);
	assert_non_null(proof_off(&p, "xa"));
	assert_int_equal(proof_off(&p, "xa")->boot, BOOT);
	assert_int_equal(proof_fenced(&p, "xa", 203 * S, &somebody, 203 * S), PROOF_SAME);
}

static void fenced_member_is_off_when_its_node_is_gone(void **state)
{
	struct proof p = member();

	assert_int_equal(proof_fenced(&p, "xa", 201 * S, &somebody, 202 * S), PROOF_RECORDED);
	assert_null(proof_off(&p, "xa"));
	assert_int_equal(proof_left(&p, "xa", true, 203 * S), PROOF_OFF);
	assert_non_null(proof_off(&p, "xa"));
}

static void clean_leave_is_no_proof(void **state)
{
	struct proof p = member();

	assert_int_equal(proof_left(&p, "xa", false, 200 * S), PROOF_SAME);
	assert_null(proof_off(&p, "xa"));
	/* until it is fenced after all */
	assert_int_equal(proof_fenced(&p, "xa", 300 * S, &somebody, 301 * S), PROOF_OFF);
}

static void node_gone_unfenced_is_no_proof(void **state)
{
	struct proof p = member();

	proof_left(&p, "xa", true, 200 * S);
	assert_null(proof_off(&p, "xa"));
}

static void never_heard_of_is_no_proof(void **state)
{
	struct proof p = member();

	assert_int_equal(proof_fenced(&p, "xb", 201 * S, &somebody, 202 * S), PROOF_SAME);
	assert_int_equal(proof_history(&p, "xb", OFFSET + 201 * S, &somebody, 202 * S, OFFSET), PROOF_SAME);
	assert_null(proof_off(&p, "xb"));
}

static void fencing_of_an_earlier_boot_does_not_count(void **state)
{
	struct proof p = member();

	proof_left(&p, "xa", true, 150 * S);
	/* told late: it may have ended before the host booted again */
	assert_int_equal(proof_heard(&p, "xa", BOOT + 1, 200 * S, OFFSET), PROOF_RECORDED);
	assert_int_equal(proof_fenced(&p, "xa", 199 * S, &somebody, 201 * S), PROOF_SAME);
	assert_int_equal(proof_history(&p, "xa", OFFSET + 160 * S, &somebody, 201 * S, OFFSET), PROOF_SAME);
	proof_left(&p, "xa", true, 210 * S);
	assert_null(proof_off(&p, "xa"));
}

static void another_boot_voids_the_proof(void **state)
{
	struct proof p = member();

	proof_left(&p, "xa", true, 200 * S);
	proof_fenced(&p, "xa", 201 * S, &somebody, 202 * S);
	assert_int_equal(proof_heard(&p, "xa", BOOT + 1, 300 * S, OFFSET), PROOF_BACK);
	assert_null(proof_off(&p, "xa"));
	proof_left(&p, "xa", true, 400 * S);
	assert_null(proof_off(&p, "xa"));
}

static void life_in_the_same_boot_voids_the_proof(void **state)
{
	struct proof p = member();

	proof_left(&p, "xa", true, 200 * S);
	proof_fenced(&p, "xa", 201 * S, &somebody, 202 * S);
	assert_int_equal(proof_heard(&p, "xa", BOOT, 210 * S, OFFSET), PROOF_ALIVE);
	assert_null(proof_off(&p, "xa"));
	/* and the fencing before that sign of life stays void */
	proof_left(&p, "xa", true, 220 * S);
	assert_int_equal(proof_history(&p, "xa", OFFSET + 201 * S, &somebody, 230 * S, OFFSET), PROOF_SAME);
	assert_null(proof_off(&p, "xa"));
	assert_int_equal(proof_fenced(&p, "xa", 231 * S, &somebody, 232 * S), PROOF_OFF);
}

static void late_messages_are_no_sign_of_life(void **state)
{
	struct proof p = member();

	proof_fenced(&p, "xa", 201 * S, &somebody, 202 * S);
	assert_int_equal(proof_heard(&p, "xa", BOOT, 203 * S, OFFSET), PROOF_SAME);
	assert_int_equal(proof_left(&p, "xa", true, 204 * S), PROOF_OFF);
}

static void leaving_by_itself_is_a_sign_of_life(void **state)
{
	struct proof p = member();

	proof_fenced(&p, "xa", 201 * S, &somebody, 202 * S);
	assert_int_equal(proof_left(&p, "xa", false, 203 * S), PROOF_ALIVE);
	assert_null(proof_off(&p, "xa"));
	assert_int_equal(proof_history(&p, "xa", OFFSET + 201 * S, &somebody, 204 * S, OFFSET), PROOF_SAME);
}

static void staying_a_member_is_a_sign_of_life(void **state)
{
	struct proof p = member();

	proof_fenced(&p, "xa", 201 * S, &somebody, 202 * S);
	assert_null(proof_expire(&p, 202 * S + PROOF_LINGER_NS));
	assert_string_equal(proof_expire(&p, 203 * S + PROOF_LINGER_NS)->host, "xa");
	assert_null(proof_expire(&p, 203 * S + PROOF_LINGER_NS));
	proof_left(&p, "xa", true, 300 * S);
	assert_null(proof_off(&p, "xa"));
	/* a proof of one that is gone does not expire */
	proof_fenced(&p, "xa", 301 * S, &somebody, 302 * S);
	assert_null(proof_expire(&p, 9000 * S));
	assert_non_null(proof_off(&p, "xa"));
}

static void history_counts_after_the_joining(void **state)
{
	struct proof p = member();

	proof_left(&p, "xa", true, 150 * S);
	assert_int_equal(proof_history(&p, "xa", OFFSET + 99 * S, &somebody, 200 * S, OFFSET), PROOF_SAME);
	/* within what the clock may have drifted */
	assert_int_equal(proof_history(&p, "xa", OFFSET + 101 * S, &somebody, 200 * S, OFFSET), PROOF_SAME);
	assert_int_equal(proof_history(&p, "xa", OFFSET + 102 * S, &somebody, 200 * S, OFFSET + S),
			 PROOF_SAME);
	assert_int_equal(proof_history(&p, "xa", OFFSET + 160 * S, &somebody, 200 * S, OFFSET), PROOF_OFF);
}

static void history_is_worth_nothing_after_a_step_of_the_clock(void **state)
{
	struct proof p = member();

	proof_left(&p, "xa", true, 150 * S);
	assert_int_equal(proof_history(&p, "xa", OFFSET + 160 * S, &somebody, 200 * S, OFFSET + 2 * S),
			 PROOF_SAME);
	assert_int_equal(proof_history(&p, "xa", OFFSET + 160 * S, &somebody, 200 * S, OFFSET - 2 * S),
			 PROOF_SAME);
	assert_null(proof_off(&p, "xa"));
}

static void old_history_of_a_member_does_not_count(void **state)
{
	struct proof p = member();

	assert_int_equal(proof_history(&p, "xa", OFFSET + 160 * S, &somebody, 300 * S, OFFSET), PROOF_ALIVE);
	assert_int_equal(proof_history(&p, "xa", OFFSET + 160 * S, &somebody, 301 * S, OFFSET), PROOF_SAME);
	proof_left(&p, "xa", false, 302 * S);
	assert_int_equal(proof_history(&p, "xa", OFFSET + 160 * S, &somebody, 303 * S, OFFSET), PROOF_SAME);
	assert_null(proof_off(&p, "xa"));
}

static void a_full_table_keeps_its_proofs(void **state)
{
	struct proof p = member();
	char name[16];
	int i;

	proof_left(&p, "xa", true, 150 * S);
	proof_fenced(&p, "xa", 160 * S, &somebody, 161 * S);
	for (i = 0; i < 2 * PROOF_HOSTS; i++) {
		snprintf(name, sizeof(name), "h%d", i);
		proof_heard(&p, name, 1, 200 * S, OFFSET);
		proof_left(&p, name, true, 201 * S);
	}
	assert_int_equal(p.nr, PROOF_HOSTS);
	assert_non_null(proof_off(&p, "xa"));
	assert_non_null(proof_find(&p, "h63"));
}

static void who_asked_is_remembered(void **state)
{
	struct proof p = member();

	proof_left(&p, "xa", true, 150 * S);
	assert_int_equal(proof_fenced(&p, "xa", 160 * S, &operator, 161 * S), PROOF_OFF);
	assert_true(proof_off(&p, "xa")->asker.kind == ASKER_OPERATOR);
	/* of the first one: the second has switched nothing off */
	assert_int_equal(proof_fenced(&p, "xa", 170 * S, &somebody, 171 * S), PROOF_SAME);
	assert_true(proof_off(&p, "xa")->asker.kind == ASKER_OPERATOR);
	proof_heard(&p, "xa", BOOT + 1, 200 * S, OFFSET);
	proof_left(&p, "xa", true, 250 * S);
	assert_int_equal(proof_history(&p, "xa", OFFSET + 260 * S, &somebody, 261 * S, OFFSET), PROOF_OFF);
	assert_false(proof_off(&p, "xa")->asker.kind == ASKER_OPERATOR);
}

static void what_becomes_of_its_power_is_settled_for_one_fencing(void **state)
{
	struct proof p = member();

	proof_left(&p, "xa", true, 150 * S);
	proof_fenced(&p, "xa", 160 * S, &somebody, 161 * S);
	assert_false(proof_off(&p, "xa")->settled);
	proof_settle(&p, "xa");
	assert_true(proof_off(&p, "xa")->settled);
	proof_fenced(&p, "xa", 170 * S, &somebody, 171 * S);
	assert_true(proof_off(&p, "xa")->settled);
	/* it was not off, and is fenced once more in that boot */
	proof_heard(&p, "xa", BOOT, 200 * S, OFFSET);
	proof_left(&p, "xa", true, 250 * S);
	proof_fenced(&p, "xa", 260 * S, &somebody, 261 * S);
	assert_false(proof_off(&p, "xa")->settled);
	proof_settle(&p, "xa");
	proof_heard(&p, "xa", BOOT + 1, 300 * S, OFFSET);
	proof_left(&p, "xa", true, 350 * S);
	proof_fenced(&p, "xa", 360 * S, &somebody, 361 * S);
	assert_false(proof_off(&p, "xa")->settled);
}

static void asked(const char *client, const char *node, const char *doer, const char *expected)
{
	struct asker a;
	char text[ASKER_TEXT];

	asker_set(&a, client, node, doer);
	asker_text(&a, text);
	assert_string_equal(text, expected);
}

static void who_asked_is_told(void **state)
{
	asked("pacemaker-controld.812", "xa", "xb", "asked for by Pacemaker itself on xa, carried out by xb");
	asked("stonith_admin.5", "xb", "xb",
	      "asked for by an operator (stonith_admin) on xb, carried out by xb");
	asked("kemari-agent", "xb", NULL, "asked for by kemari-agent on xb");
	asked("dlm_controld.4x", NULL, NULL, "asked for by another program (dlm_controld.4x)");
	asked("stonith_admin_of_mine.5", NULL, NULL, "asked for by another program (stonith_admin_of_mine)");
	asked(NULL, NULL, NULL, "asked for by somebody who is not known");
	/* agent.state has words, and the log has lines */
	asked("a b\n.5", "x\a", "", "asked for by another program (a?b?) on x?");
}

/* The answer to being asked to switch it on comes when it is back. */
static void a_late_answer_settles_nothing_for_the_next_boot(void **state)
{
	struct proof p = member();

	proof_left(&p, "xa", true, 150 * S);
	proof_fenced(&p, "xa", 160 * S, &somebody, 161 * S);
	proof_heard(&p, "xa", BOOT + 1, 300 * S, OFFSET);
	proof_settle(&p, "xa");
	proof_left(&p, "xa", true, 350 * S);
	proof_fenced(&p, "xa", 360 * S, &somebody, 361 * S);
	assert_false(proof_off(&p, "xa")->settled);
}

static void a_fault_is_of_one_boot(void **state)
{
	struct proof p = member();

	assert_int_equal(proof_fault(&p, "xb"), PROOF_SAME);
	assert_int_equal(proof_fault(&p, "xa"), PROOF_RECORDED);
	assert_int_equal(proof_fault(&p, "xa"), PROOF_SAME);
	proof_left(&p, "xa", true, 150 * S);
	proof_fenced(&p, "xa", 160 * S, &somebody, 161 * S);
	proof_heard(&p, "xa", BOOT, 200 * S, OFFSET);
	assert_true(proof_find(&p, "xa")->fault);
	proof_heard(&p, "xa", BOOT + 1, 300 * S, OFFSET);
	assert_false(proof_find(&p, "xa")->fault);
}

static void what_is_saved_comes_back(void **state)
{
	char path[] = "/tmp/kemari-proof-XXXXXX";
	const int fd = mkstemp(path);
	struct proof_vms vms = { .nr = 1, .vm = { "g1" } }, got_vms;
	struct proof p = member(), got;

	assert_true(fd >= 0);
	close(fd);
	proof_left(&p, "xa", true, 150 * S);
	proof_fenced(&p, "xa", 160 * S, &operator, 161 * S);
	proof_settle(&p, "xa");
	/* fenced and still a member: not proven yet, and not after a restart */
	proof_heard(&p, "xb", 5, 100 * S, OFFSET);
	proof_fenced(&p, "xb", 160 * S, &somebody, 161 * S);
	proof_fault(&p, "xb");
	assert_int_equal(proof_save(path, 77, &p, &vms), 0);
	proof_load(path, 77, &got, &got_vms);
	assert_int_equal(got.nr, 2);
	assert_int_equal(proof_off(&got, "xa")->boot, BOOT);
	assert_null(proof_off(&got, "xb"));
	assert_int_equal(proof_find(&got, "xb")->heard_ns, 100 * S);
	assert_int_equal(proof_find(&got, "xb")->clock_offset, OFFSET);
	assert_true(proof_off(&got, "xa")->asker.kind == ASKER_OPERATOR);
	assert_string_equal(proof_off(&got, "xa")->asker.program, "stonith_admin");
	assert_string_equal(proof_off(&got, "xa")->asker.node, "xb");
	assert_string_equal(proof_off(&got, "xa")->asker.doer, "");
	assert_true(proof_off(&got, "xa")->settled);
	assert_false(proof_off(&got, "xa")->fault);
	assert_false(proof_find(&got, "xb")->settled);
	assert_true(proof_find(&got, "xb")->fault);
	assert_int_equal(got_vms.nr, 1);
	assert_string_equal(got_vms.vm[0], "g1");
	/* of an earlier boot of this host */
	proof_load(path, 78, &got, &got_vms);
	assert_int_equal(got.nr + got_vms.nr, 0);
	unlink(path);
	proof_load(path, 77, &got, &got_vms);
	assert_int_equal(got.nr + got_vms.nr, 0);
}

static void the_file_of_an_older_one_is_taken(void **state)
{
	char path[] = "/tmp/kemari-proof-XXXXXX";
	const int fd = mkstemp(path);
	static const char text[] = "kemari-agent 1 000000000000004d\nhost xa 1 2 3 1 4\n"
				   "host xb 1 2 3 1 4 1 0 0\nend\n";
	struct proof_vms vms;
	struct proof p;

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
	proof_load(path, 77, &p, &vms);
	assert_non_null(proof_off(&p, "xa"));
	assert_false(proof_off(&p, "xa")->settled);
	assert_non_null(proof_off(&p, "xb"));
	assert_int_equal(proof_off(&p, "xb")->asker.kind, ASKER_OPERATOR);
	unlink(path);
}

static void a_damaged_file_is_not_used(void **state)
{
	static const char *const texts[] = {
		"",
		"kemari-agent 2 000000000000004d\nend\n",
		"kemari-agent 1 000000000000004d\nhost xa 1 1 1 1 1\n", /* cut */
		"kemari-agent 1 000000000000004d\nhost xa 0 1 1 1 1\nend\n",
		"kemari-agent 1 000000000000004d\nhost xa 1 1 1\nend\n",
		"kemari-agent 1 000000000000004d\nhost xa 1 1 1 1 1 0 0\nend\n",
		"kemari-agent 1 000000000000004d\nhost xa 1 1 1 1 1\nhost xa 1 1 1 1 1\nend\n",
		"kemari-agent 1 000000000000004d\nhost xa 1 1 1 1 1\nvm ../x\nend\n",
	};
	char path[] = "/tmp/kemari-proof-XXXXXX";
	const int fd = mkstemp(path);
	struct proof_vms vms;
	struct proof p;
	size_t i;

	assert_true(fd >= 0);
	close(fd);
	for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		FILE *f = fopen(path, "w");

		assert_non_null(f);
		fputs(texts[i], f);
		fclose(f);
		proof_load(path, 77, &p, &vms);
		assert_int_equal(p.nr + vms.nr, 0);
	}
	unlink(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fenced_and_gone_is_off),
		cmocka_unit_test(fenced_member_is_off_when_its_node_is_gone),
		cmocka_unit_test(clean_leave_is_no_proof),
		cmocka_unit_test(node_gone_unfenced_is_no_proof),
		cmocka_unit_test(never_heard_of_is_no_proof),
		cmocka_unit_test(fencing_of_an_earlier_boot_does_not_count),
		cmocka_unit_test(another_boot_voids_the_proof),
		cmocka_unit_test(life_in_the_same_boot_voids_the_proof),
		cmocka_unit_test(late_messages_are_no_sign_of_life),
		cmocka_unit_test(leaving_by_itself_is_a_sign_of_life),
		cmocka_unit_test(staying_a_member_is_a_sign_of_life),
		cmocka_unit_test(history_counts_after_the_joining),
		cmocka_unit_test(history_is_worth_nothing_after_a_step_of_the_clock),
		cmocka_unit_test(old_history_of_a_member_does_not_count),
		cmocka_unit_test(a_full_table_keeps_its_proofs),
		cmocka_unit_test(who_asked_is_remembered),
		cmocka_unit_test(what_becomes_of_its_power_is_settled_for_one_fencing),
		cmocka_unit_test(who_asked_is_told),
		cmocka_unit_test(a_late_answer_settles_nothing_for_the_next_boot),
		cmocka_unit_test(a_fault_is_of_one_boot),
		cmocka_unit_test(what_is_saved_comes_back),
		cmocka_unit_test(the_file_of_an_older_one_is_taken),
		cmocka_unit_test(a_damaged_file_is_not_used),
	};

	return cmocka_run_group_tests_name("agent_fencing", tests, NULL, NULL);
}
