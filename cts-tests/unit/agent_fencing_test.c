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

static void a_host_that_has_risen_is_off_no_more(void **state)
{
	struct proof p = member();

	assert_int_equal(proof_risen(&p, "xa", 150 * S), PROOF_SAME); /* a member */
	proof_left(&p, "xa", true, 200 * S);
	proof_fenced(&p, "xa", 201 * S, &somebody, 202 * S);
	assert_int_equal(proof_risen(&p, "xa", 250 * S), PROOF_RISEN);
	assert_null(proof_off(&p, "xa"));
	/* what was before proves nothing any more, what comes does */
	assert_int_equal(proof_fenced(&p, "xa", 249 * S, &somebody, 251 * S), PROOF_SAME);
	assert_int_equal(proof_fenced(&p, "xa", 260 * S, &somebody, 261 * S), PROOF_OFF);
	assert_int_equal(proof_off(&p, "xa")->boot, PROOF_UNHEARD);
	assert_int_equal(proof_heard(&p, "xa", BOOT + 1, 300 * S, OFFSET), PROOF_BACK);
	assert_int_equal(proof_find(&p, "xa")->boot, BOOT + 1);
}

/* It rebooted in order, say, or was fenced while nobody here looked. */
static void a_host_that_has_risen_is_off_in_whatever_boot_when_it_is_fenced(void **state)
{
	struct proof p = member();

	proof_left(&p, "xa", true, 200 * S);
	assert_int_equal(proof_risen(&p, "xa", 250 * S), PROOF_RECORDED);
	assert_int_equal(proof_risen(&p, "xa", 251 * S), PROOF_SAME);
	assert_int_equal(proof_history(&p, "xa", OFFSET + 220 * S, &somebody, 260 * S, OFFSET), PROOF_SAME);
	assert_int_equal(proof_fenced(&p, "xa", 270 * S, &somebody, 271 * S), PROOF_OFF);
	assert_int_equal(proof_off(&p, "xa")->boot, PROOF_UNHEARD);
}

static void a_host_that_was_only_away_is_the_same(void **state)
{
	struct proof p = member();

	proof_left(&p, "xa", true, 200 * S);
	proof_risen(&p, "xa", 250 * S);
	assert_int_equal(proof_heard(&p, "xa", BOOT, 251 * S, OFFSET), PROOF_RECORDED);
	assert_int_equal(proof_find(&p, "xa")->boot, BOOT);
	assert_int_equal(proof_find(&p, "xa")->after_ns, 251 * S);
	proof_left(&p, "xa", true, 300 * S);
	proof_risen(&p, "xa", 350 * S);
	assert_int_equal(proof_heard(&p, "xa", BOOT + 1, 351 * S, OFFSET), PROOF_RECORDED);
}

static void a_host_that_has_risen_in_the_same_boot_was_never_off(void **state)
{
	struct proof p = member();

	proof_left(&p, "xa", true, 200 * S);
	proof_fenced(&p, "xa", 201 * S, &somebody, 202 * S);
	proof_risen(&p, "xa", 250 * S);
	assert_int_equal(proof_heard(&p, "xa", BOOT, 251 * S, OFFSET), PROOF_ALIVE);
	assert_int_equal(proof_find(&p, "xa")->boot, BOOT);
	assert_true(proof_find(&p, "xa")->member);
	assert_int_equal(proof_heard(&p, "xa", BOOT, 252 * S, OFFSET), PROOF_SAME);
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

static void one_that_is_expected_needs_no_boot(void **state)
{
	struct proof p = member();

	assert_int_equal(proof_expect(&p, "xb", 200 * S, OFFSET), PROOF_RECORDED);
	assert_null(proof_off(&p, "xb"));
	assert_int_equal(proof_fenced(&p, "xb", 201 * S, &somebody, 202 * S), PROOF_OFF);
	assert_int_equal(proof_off(&p, "xb")->boot, PROOF_UNHEARD);
	/* whatever is heard of it is the end of that */
	assert_int_equal(proof_heard(&p, "xb", BOOT, 300 * S, OFFSET), PROOF_BACK);
	assert_null(proof_off(&p, "xb"));
}

static void of_an_expected_host_old_fencings_do_not_count(void **state)
{
	struct proof p = member();

	proof_expect(&p, "xb", 200 * S, OFFSET);
	assert_int_equal(proof_fenced(&p, "xb", 169 * S, &somebody, 202 * S), PROOF_SAME);
	assert_int_equal(proof_history(&p, "xb", OFFSET + 169 * S, &somebody, 202 * S, OFFSET), PROOF_SAME);
	assert_null(proof_off(&p, "xb"));
	/* the fencer does not fence again who was fenced a moment ago */
	assert_int_equal(proof_history(&p, "xb", OFFSET + 185 * S, &somebody, 202 * S, OFFSET), PROOF_OFF);
}

static void to_be_expected_changes_nothing_of_a_host_that_was_heard_of(void **state)
{
	struct proof p = member();

	proof_left(&p, "xa", true, 200 * S);
	assert_int_equal(proof_expect(&p, "xa", 201 * S, OFFSET), PROOF_SAME);
	assert_int_equal(proof_find(&p, "xa")->boot, BOOT);
	assert_int_equal(proof_find(&p, "xa")->after_ns, 100 * S);
}

static void an_operators_word_is_a_proof_of_who_is_no_member(void **state)
{
	struct proof p = member();

	assert_int_equal(proof_word(&p, "xa", 200 * S, OFFSET), PROOF_SAME);
	proof_left(&p, "xa", true, 201 * S);
	assert_int_equal(proof_word(&p, "xa", 202 * S, OFFSET), PROOF_OFF);
	assert_int_equal(proof_off(&p, "xa")->boot, BOOT);
	assert_int_equal(proof_off(&p, "xa")->asker.kind, ASKER_OPERATOR);
	assert_int_equal(proof_word(&p, "xb", 202 * S, OFFSET), PROOF_OFF);
	assert_int_equal(proof_off(&p, "xb")->boot, PROOF_UNHEARD);
	/* a word can be wrong */
	assert_int_equal(proof_heard(&p, "xa", BOOT, 210 * S, OFFSET), PROOF_ALIVE);
	assert_null(proof_off(&p, "xa"));
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

static void fencing_before_the_last_join_does_not_count(void **state)
{
	struct proof p = member();

	/* by the wrong device, while nobody here looked; it lived on, left and came back */
	proof_left(&p, "xa", true, 140 * S);
	assert_int_equal(proof_heard(&p, "xa", BOOT, 160 * S, OFFSET), PROOF_RECORDED);
	proof_left(&p, "xa", true, 165 * S);
	assert_int_equal(proof_history(&p, "xa", OFFSET + 150 * S, &somebody, 166 * S, OFFSET), PROOF_SAME);
	assert_int_equal(proof_fenced(&p, "xa", 159 * S, &somebody, 166 * S), PROOF_SAME);
	assert_null(proof_off(&p, "xa"));
	assert_int_equal(proof_history(&p, "xa", OFFSET + 170 * S, &somebody, 171 * S, OFFSET), PROOF_OFF);
}

static void fencing_long_before_it_was_heard_of_last_does_not_count(void **state)
{
	struct proof p = member();

	/* a member all along, and gone for another reason */
	assert_int_equal(proof_heard(&p, "xa", BOOT, 190 * S, OFFSET), PROOF_SAME);
	proof_left(&p, "xa", true, 191 * S);
	assert_int_equal(proof_fenced(&p, "xa", 150 * S, &somebody, 192 * S), PROOF_SAME);
	assert_int_equal(proof_history(&p, "xa", OFFSET + 150 * S, &somebody, 192 * S, OFFSET), PROOF_ALIVE);
	assert_int_equal(proof_history(&p, "xa", OFFSET + 150 * S, &somebody, 193 * S, OFFSET), PROOF_SAME);
	assert_null(proof_off(&p, "xa"));
	/* an echo is no sign of life */
	assert_int_equal(proof_fenced(&p, "xa", 191 * S, &somebody, 194 * S), PROOF_OFF);
}

static void a_record_counts_for_one_life(void **state)
{
	struct proof p = member();

	proof_heard(&p, "xa", BOOT, 149 * S, OFFSET);
	proof_left(&p, "xa", true, 150 * S);
	assert_int_equal(proof_history(&p, "xa", OFFSET + 160 * S, &somebody, 161 * S, OFFSET), PROOF_OFF);
	assert_int_equal(proof_history(&p, "xa", OFFSET + 160 * S, &somebody, 162 * S, OFFSET), PROOF_SAME);
	assert_non_null(proof_off(&p, "xa"));
	/* one with an older time, from a host whose clock is behind, takes nothing back */
	assert_int_equal(proof_history(&p, "xa", OFFSET + 120 * S, &somebody, 163 * S, OFFSET), PROOF_SAME);
	assert_non_null(proof_off(&p, "xa"));
	assert_int_equal(proof_heard(&p, "xa", BOOT + 1, 170 * S, OFFSET), PROOF_BACK);
	proof_left(&p, "xa", true, 175 * S);
	assert_int_equal(proof_history(&p, "xa", OFFSET + 160 * S, &somebody, 176 * S, OFFSET), PROOF_SAME);
	assert_null(proof_off(&p, "xa"));
}

static void a_doubted_fencing_counts_neither_then_nor_later(void **state)
{
	struct proof p = member();

	proof_left(&p, "xa", true, 150 * S);
	assert_int_equal(proof_history_doubted(&p, "xa", OFFSET + 160 * S, 165 * S, OFFSET), PROOF_DOUBTED);
	assert_null(proof_off(&p, "xa"));
	/* told again, when its devices are better ones */
	assert_int_equal(proof_history_doubted(&p, "xa", OFFSET + 160 * S, 166 * S, OFFSET), PROOF_SAME);
	assert_int_equal(proof_history(&p, "xa", OFFSET + 160 * S, &somebody, 170 * S, OFFSET), PROOF_SAME);
	assert_int_equal(proof_fenced_doubted(&p, "xa", 171 * S, 172 * S, OFFSET), PROOF_DOUBTED);
	assert_int_equal(proof_fenced(&p, "xa", 171 * S, &somebody, 173 * S), PROOF_SAME);
	assert_null(proof_off(&p, "xa"));
	proof_doubt(&p, "xa", 180 * S, OFFSET);
	assert_int_equal(proof_history(&p, "xa", OFFSET + 178 * S, &somebody, 181 * S, OFFSET), PROOF_SAME);
	assert_int_equal(proof_fenced(&p, "xa", 181 * S, &somebody, 182 * S), PROOF_OFF);
}

static void a_proof_is_not_doubted_away(void **state)
{
	struct proof p = member();

	proof_left(&p, "xa", true, 150 * S);
	proof_fenced(&p, "xa", 160 * S, &somebody, 161 * S);
	assert_int_equal(proof_fenced_doubted(&p, "xa", 170 * S, 171 * S, OFFSET), PROOF_SAME);
	assert_int_equal(proof_history_doubted(&p, "xa", OFFSET + 170 * S, 171 * S, OFFSET), PROOF_SAME);
	proof_doubt(&p, "xa", 172 * S, OFFSET);
	assert_non_null(proof_off(&p, "xa"));
	/* nor is one of an earlier life spoken of */
	proof_heard(&p, "xa", BOOT + 1, 200 * S, OFFSET);
	assert_int_equal(proof_fenced_doubted(&p, "xa", 199 * S, 201 * S, OFFSET), PROOF_SAME);
	assert_int_equal(proof_history_doubted(&p, "xa", OFFSET + 170 * S, 201 * S, OFFSET), PROOF_SAME);
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

static void a_doubt_voids_the_fencing_of_a_member_and_no_proof(void **state)
{
	struct proof p = member();

	proof_fenced(&p, "xa", 150 * S, &somebody, 151 * S);
	assert_int_equal(proof_doubt(&p, "xa", 152 * S, OFFSET), PROOF_DOUBTED);
	assert_int_equal(proof_left(&p, "xa", true, 153 * S), PROOF_SAME);
	assert_null(proof_off(&p, "xa"));
	assert_int_equal(proof_history(&p, "xa", OFFSET + 150 * S, &somebody, 154 * S, OFFSET), PROOF_SAME);
	assert_int_equal(proof_fenced(&p, "xa", 160 * S, &somebody, 161 * S), PROOF_OFF);
	assert_int_equal(proof_doubt(&p, "xa", 170 * S, OFFSET), PROOF_RECORDED);
	assert_non_null(proof_off(&p, "xa"));
	assert_int_equal(proof_doubt(&p, "xb", 170 * S, OFFSET), PROOF_SAME);
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

	assert_int_equal(proof_fault(&p, "xb", OFFSET + 120 * S, OFFSET), PROOF_SAME);
	assert_int_equal(proof_fault(&p, "xa", OFFSET + 99 * S, OFFSET), PROOF_SAME);
	assert_int_equal(proof_fault(&p, "xa", OFFSET + 120 * S, OFFSET), PROOF_RECORDED);
	assert_int_equal(proof_fault(&p, "xa", OFFSET + 130 * S, OFFSET), PROOF_SAME);
	proof_left(&p, "xa", true, 150 * S);
	proof_fenced(&p, "xa", 160 * S, &somebody, 161 * S);
	proof_heard(&p, "xa", BOOT, 200 * S, OFFSET);
	assert_true(proof_find(&p, "xa")->fault);
	proof_heard(&p, "xa", BOOT + 1, 300 * S, OFFSET);
	assert_false(proof_find(&p, "xa")->fault);
	/* that boot began before it was heard of; what is told now may be of the one before */
	proof_up(&p, "xa", 250 * S);
	assert_int_equal(proof_fault(&p, "xa", OFFSET + 249 * S, OFFSET), PROOF_SAME);
	assert_int_equal(proof_fault(&p, "xa", OFFSET + 250 * S, OFFSET), PROOF_RECORDED);
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
	proof_fault(&p, "xb", OFFSET + 120 * S, OFFSET);
	proof_up(&p, "xb", 50 * S);
	proof_hold(&p, "xb", "cpu-caterr", OFFSET + 120 * S, OFFSET);
	proof_word(&p, "xc", 160 * S, OFFSET);
	proof_heard(&p, "xd", 6, 100 * S, OFFSET);
	proof_left(&p, "xd", true, 150 * S);
	proof_fenced(&p, "xd", 160 * S, &somebody, 161 * S);
	proof_risen(&p, "xd", 170 * S);
	p.devices_sum = 0xfedcba9876543210;
	assert_int_equal(proof_save(path, 77, &p, &vms), 0);
	proof_load(path, 77, &got, &got_vms);
	assert_int_equal(got.nr, 4);
	assert_int_equal(proof_find(&got, "xd")->risen, 6);
	assert_true(proof_find(&got, "xd")->voided);
	assert_null(proof_off(&got, "xd"));
	assert_int_equal(got.devices_sum, p.devices_sum);
	assert_int_equal(proof_off(&got, "xc")->boot, PROOF_UNHEARD);
	assert_true(proof_off(&got, "xc")->by_word);
	assert_false(proof_off(&got, "xa")->by_word);
	assert_int_equal(proof_off(&got, "xa")->boot, BOOT);
	assert_null(proof_off(&got, "xb"));
	assert_int_equal(proof_find(&got, "xb")->after_ns, 100 * S);
	assert_int_equal(proof_find(&got, "xb")->clock_offset, OFFSET);
	assert_true(proof_off(&got, "xa")->asker.kind == ASKER_OPERATOR);
	assert_string_equal(proof_off(&got, "xa")->asker.program, "stonith_admin");
	assert_string_equal(proof_off(&got, "xa")->asker.node, "xb");
	assert_string_equal(proof_off(&got, "xa")->asker.doer, "");
	assert_true(proof_off(&got, "xa")->settled);
	assert_false(proof_off(&got, "xa")->fault);
	assert_string_equal(proof_off(&got, "xa")->hold, "");
	assert_false(proof_off(&got, "xa")->up_known);
	assert_true(proof_find(&got, "xb")->up_known);
	assert_int_equal(proof_find(&got, "xb")->booted_ns, 50 * S);
	assert_int_equal(proof_find(&got, "xb")->last_ns, 100 * S);
	assert_string_equal(proof_find(&got, "xb")->hold, "cpu-caterr");
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

/* What a kemari-agent that is started anew has of it. */
static struct proof restarted(struct proof *p)
{
	char path[] = "/tmp/kemari-proof-XXXXXX";
	const int fd = mkstemp(path);
	const struct proof_vms vms = { 0 };
	struct proof_vms got_vms;
	struct proof got;

	assert_true(fd >= 0);
	close(fd);
	assert_int_equal(proof_save(path, 77, p, &vms), 0);
	proof_saved(p);
	proof_load(path, 77, &got, &got_vms);
	unlink(path);
	return got;
}

static void no_record_counts_twice_across_a_restart(void **state)
{
	struct proof p = member(), q;

	proof_left(&p, "xa", true, 150 * S);
	assert_int_equal(proof_history(&p, "xa", OFFSET + 160 * S, &somebody, 161 * S, OFFSET), PROOF_OFF);
	q = restarted(&p);
	assert_non_null(proof_off(&q, "xa"));
	assert_int_equal(proof_history(&q, "xa", OFFSET + 160 * S, &somebody, 163 * S, OFFSET), PROOF_SAME);
	assert_int_equal(proof_heard(&q, "xa", BOOT, 165 * S, OFFSET), PROOF_ALIVE);
	q = restarted(&q);
	assert_int_equal(proof_history(&q, "xa", OFFSET + 160 * S, &somebody, 167 * S, OFFSET), PROOF_SAME);
	assert_null(proof_off(&q, "xa"));
}

static void a_fencing_while_nobody_looked_is_before_the_join(void **state)
{
	struct proof p = member(), q = restarted(&p);

	/* fenced by the wrong device at 150, before this start and before what was heard since */
	assert_int_equal(proof_heard(&q, "xa", BOOT, 160 * S, OFFSET), PROOF_RECORDED);
	q = restarted(&q);
	proof_left(&q, "xa", true, 165 * S);
	assert_int_equal(proof_history(&q, "xa", OFFSET + 150 * S, &somebody, 166 * S, OFFSET), PROOF_SAME);
	assert_null(proof_off(&q, "xa"));
}

static void when_it_was_heard_of_last_survives_a_restart(void **state)
{
	struct proof p = member(), q;

	assert_true(proof_unsaved(&p));
	q = restarted(&p);
	assert_false(proof_unsaved(&p));
	proof_heard(&p, "xa", BOOT, 120 * S, OFFSET);
	assert_false(proof_unsaved(&p));
	proof_heard(&p, "xa", BOOT, 190 * S, OFFSET);
	assert_true(proof_unsaved(&p));
	q = restarted(&p);
	assert_false(proof_unsaved(&q));
	assert_int_equal(proof_history(&q, "xa", OFFSET + 150 * S, &somebody, 192 * S, OFFSET), PROOF_ALIVE);
	assert_null(proof_off(&q, "xa"));
	/* and one that ended while this program was away counts */
	assert_int_equal(proof_history(&q, "xa", OFFSET + 195 * S, &somebody, 198 * S, OFFSET), PROOF_OFF);
}

static void which_machine_it_is_survives_a_restart(void **state)
{
	static const uint8_t uuid[16] = { 0x4c, 0x4c, 0x45, 0x44, 15, 16 };
	struct proof p = member(), q;

	assert_false(proof_identify(&p, "xb", uuid));
	assert_true(proof_identify(&p, "xa", uuid));
	assert_false(proof_identify(&p, "xa", uuid));
	q = restarted(&p);
	assert_memory_equal(proof_find(&q, "xa")->uuid, uuid, sizeof(uuid));
	/* of one boot: the board may have been replaced */
	proof_heard(&q, "xa", BOOT + 1, 200 * S, OFFSET);
	assert_true(proof_identify(&q, "xa", uuid));
}

static void what_its_bmc_said_stays_known(void **state)
{
	static const uint8_t uuid[16] = { 0x4c, 0x4c, 0x45, 0x44, 15, 16 };
	struct proof p = member(), q;

	assert_false(proof_bmc(&p, "xb", uuid));
	assert_true(proof_bmc(&p, "xa", uuid));
	assert_false(proof_bmc(&p, "xa", uuid));
	q = restarted(&p);
	assert_memory_equal(proof_find(&q, "xa")->bmc, uuid, sizeof(uuid));
	proof_heard(&q, "xa", BOOT + 1, 200 * S, OFFSET);
	assert_false(proof_bmc(&q, "xa", uuid));
}

#define UUID "4c4c4544-0000-0000-0000-000000000001"

static void the_file_of_an_older_one_is_taken(void **state)
{
	char path[] = "/tmp/kemari-proof-XXXXXX";
	const int fd = mkstemp(path);
	static const char text[] = "kemari-agent 1 000000000000004d\nhost xa 1 2 3 1 4\n"
				   "host xb 1 2 3 1 4 1 0 0\n"
				   "host xc 1 2 3 1 4 0 1 0 5 " UUID "\n"
				   "host xd 1 2 3 1 4 1 0 0 5 " UUID " 1\nend\n";
	struct proof_vms vms;
	struct proof p;

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
	proof_load(path, 77, &p, &vms);
	assert_int_equal(p.devices_sum, 0);
	assert_non_null(proof_off(&p, "xa"));
	assert_false(proof_off(&p, "xa")->settled);
	assert_non_null(proof_off(&p, "xb"));
	assert_int_equal(proof_off(&p, "xb")->asker.kind, ASKER_OPERATOR);
	assert_int_equal(proof_off(&p, "xc")->last_ns, 5);
	assert_int_equal(proof_off(&p, "xc")->uuid[0], 0x4c);
	assert_false(proof_off(&p, "xc")->by_word);
	assert_true(proof_off(&p, "xd")->by_word);
	assert_false(proof_off(&p, "xd")->up_known);
	assert_string_equal(proof_off(&p, "xd")->hold, "");
	unlink(path);
}

static void a_damaged_file_is_not_used(void **state)
{
	static const char short_of_two[] =
		"kemari-agent 1 000000000000004d\nhost xa 1 1 1 1 1 0 0 0 1 " UUID " 0 - - - 0\nend\n";
	static const char bmc_of_no_machine[] =
		"kemari-agent 1 000000000000004d\nhost xa 1 1 1 1 1 0 0 0 1 " UUID
		" 0 - - - 0 0 - 4c4c\nend\n";
	static const char *const texts[] = {
		short_of_two,
		bmc_of_no_machine,
		"",
		"kemari-agent 2 000000000000004d\nend\n",
		"kemari-agent 1 000000000000004d\nhost xa 1 1 1 1 1\n", /* cut */
		"kemari-agent 1 000000000000004d\nhost xa 0 1 1 1 1\nend\n",
		"kemari-agent 1 000000000000004d\nhost xa 1 1 1\nend\n",
		"kemari-agent 1 000000000000004d\nhost xa 1 1 1 1 1 0 0 0 1\nend\n",
		"kemari-agent 1 000000000000004d\nhost xa 1 1 1 1 1 0 0 0 1 4c4c4544\nend\n",
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
		cmocka_unit_test(a_host_that_has_risen_is_off_no_more),
		cmocka_unit_test(a_host_that_has_risen_is_off_in_whatever_boot_when_it_is_fenced),
		cmocka_unit_test(a_host_that_was_only_away_is_the_same),
		cmocka_unit_test(a_host_that_has_risen_in_the_same_boot_was_never_off),
		cmocka_unit_test(clean_leave_is_no_proof),
		cmocka_unit_test(node_gone_unfenced_is_no_proof),
		cmocka_unit_test(never_heard_of_is_no_proof),
		cmocka_unit_test(one_that_is_expected_needs_no_boot),
		cmocka_unit_test(of_an_expected_host_old_fencings_do_not_count),
		cmocka_unit_test(to_be_expected_changes_nothing_of_a_host_that_was_heard_of),
		cmocka_unit_test(an_operators_word_is_a_proof_of_who_is_no_member),
		cmocka_unit_test(fencing_of_an_earlier_boot_does_not_count),
		cmocka_unit_test(another_boot_voids_the_proof),
		cmocka_unit_test(life_in_the_same_boot_voids_the_proof),
		cmocka_unit_test(late_messages_are_no_sign_of_life),
		cmocka_unit_test(leaving_by_itself_is_a_sign_of_life),
		cmocka_unit_test(staying_a_member_is_a_sign_of_life),
		cmocka_unit_test(history_counts_after_the_joining),
		cmocka_unit_test(history_is_worth_nothing_after_a_step_of_the_clock),
		cmocka_unit_test(fencing_before_the_last_join_does_not_count),
		cmocka_unit_test(fencing_long_before_it_was_heard_of_last_does_not_count),
		cmocka_unit_test(a_record_counts_for_one_life),
		cmocka_unit_test(no_record_counts_twice_across_a_restart),
		cmocka_unit_test(a_fencing_while_nobody_looked_is_before_the_join),
		cmocka_unit_test(when_it_was_heard_of_last_survives_a_restart),
		cmocka_unit_test(a_doubted_fencing_counts_neither_then_nor_later),
		cmocka_unit_test(a_proof_is_not_doubted_away),
		cmocka_unit_test(old_history_of_a_member_does_not_count),
		cmocka_unit_test(a_full_table_keeps_its_proofs),
		cmocka_unit_test(who_asked_is_remembered),
		cmocka_unit_test(what_becomes_of_its_power_is_settled_for_one_fencing),
		cmocka_unit_test(who_asked_is_told),
		cmocka_unit_test(a_doubt_voids_the_fencing_of_a_member_and_no_proof),
		cmocka_unit_test(a_late_answer_settles_nothing_for_the_next_boot),
		cmocka_unit_test(a_fault_is_of_one_boot),
		cmocka_unit_test(what_is_saved_comes_back),
		cmocka_unit_test(which_machine_it_is_survives_a_restart),
		cmocka_unit_test(what_its_bmc_said_stays_known),
		cmocka_unit_test(the_file_of_an_older_one_is_taken),
		cmocka_unit_test(a_damaged_file_is_not_used),
	};

	return cmocka_run_group_tests_name("agent_fencing", tests, NULL, NULL);
}
