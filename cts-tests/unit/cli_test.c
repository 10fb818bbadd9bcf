/* SPDX-License-Identifier: GPL-2.0-only */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "agent/args.h"
#include "agent/client.h"
#include "agent/keygen.h"
#include "agent/show.h"

static struct kemari_args args;
static char err[1024];

/* Parses "kemari LINE", split at spaces. */
static int parse(const char *line)
{
	static char copy[512];
	char *argv[16] = { (char *)"kemari" }, *save = NULL, *word;
	int argc = 1;

	snprintf(copy, sizeof(copy), "%s", line);
	for (word = strtok_r(copy, " ", &save); word && argc < 15; word = strtok_r(NULL, " ", &save))
		argv[argc++] = word;
	err[0] = '\0';
	return kemari_args_parse(argc, argv, &args, err, sizeof(err));
}

static void every_command_is_understood(void **state)
{
	assert_int_equal(parse("create vm1.cfg"), 0);
	assert_int_equal(args.req.op, CONTROL_CREATE);
	assert_string_equal(args.req.config, "vm1.cfg");
	assert_int_equal(parse("protect vm1 --to xb"), 0);
	assert_int_equal(args.req.op, CONTROL_PROTECT);
	assert_string_equal(args.req.vm, "vm1");
	assert_string_equal(args.req.host, "xb");
	assert_int_equal(parse("protect --to=xb vm1"), 0);
	assert_string_equal(args.req.host, "xb");
	assert_int_equal(parse("unprotect vm1 --standby-is-gone"), 0);
	assert_true(args.req.standby_is_gone);
	assert_int_equal(parse("unprotect vm1"), 0);
	assert_false(args.req.standby_is_gone);
	assert_int_equal(parse("status"), 0);
	assert_string_equal(args.req.vm, "");
	assert_int_equal(parse("status vm1 --json --watch"), 0);
	assert_true(args.json && args.req.watch);
	assert_int_equal(parse("status vm1 --json --recent"), 0);
	assert_true(args.req.recent);
	assert_int_equal(parse("status --taps"), 0);
	assert_true(args.req.taps);
	assert_int_equal(parse("promote vm1 --primary-is-off"), 0);
	assert_true(args.req.primary_is_off);
	assert_int_equal(parse("cold-start vm1"), 0);
	assert_int_equal(args.req.op, CONTROL_COLD_START);
	assert_false(args.req.peer_is_off);
	assert_int_equal(parse("cold-start vm1 --peer-is-off"), 0);
	assert_true(args.req.peer_is_off);
	assert_int_equal(parse("forget vm1"), 0);
	assert_int_equal(args.req.op, CONTROL_FORGET);
	assert_false(args.req.last_copy);
	assert_int_equal(parse("forget vm1 --last-copy"), 0);
	assert_true(args.req.last_copy);
	assert_int_equal(parse("switchover vm1"), 0);
	assert_string_equal(args.req.host, "");
	assert_int_equal(parse("switchover vm1 --to xb"), 0);
	assert_string_equal(args.req.host, "xb");
	assert_int_equal(parse("verify vm1"), 0);
	assert_int_equal(args.req.epochs, 1);
	assert_int_equal(parse("verify vm1 --epochs 20"), 0);
	assert_int_equal(args.req.epochs, 20);
	assert_int_equal(parse("log vm1 --follow --config /tmp/k.conf"), 0);
	assert_true(args.req.watch);
	assert_string_equal(args.conf_file, "/tmp/k.conf");
	assert_int_equal(parse("keygen --out /tmp/key"), 0);
	assert_int_equal(args.command, KEMARI_DO_KEYGEN);
	assert_string_equal(args.out_file, "/tmp/key");
	assert_int_equal(parse("--version"), 0);
	assert_int_equal(args.command, KEMARI_DO_VERSION);
}

static void actions_of_the_cluster_manager_are_understood(void **state)
{
	assert_int_equal(parse("resource start vm1 --vm-config /etc/xen/vm1.cfg"), 0);
	assert_int_equal(args.command, KEMARI_DO_RESOURCE);
	assert_int_equal(args.req.op, CONTROL_RESOURCE_START);
	assert_string_equal(args.req.vm, "vm1");
	assert_string_equal(args.req.config, "/etc/xen/vm1.cfg");
	assert_int_equal(parse("resource stop vm1 --timeout 100"), 0);
	assert_int_equal(args.req.op, CONTROL_RESOURCE_STOP);
	assert_int_equal(args.req.timeout, 100);
	assert_int_equal(parse("resource promote vm1"), 0);
	assert_int_equal(args.req.op, CONTROL_RESOURCE_PROMOTE);
	assert_int_equal(parse("resource demote vm1"), 0);
	assert_int_equal(args.req.op, CONTROL_RESOURCE_DEMOTE);
	assert_int_equal(parse("resource monitor vm1"), 0);
	assert_int_equal(args.req.op, CONTROL_RESOURCE_MONITOR);
}

static void refused(const char *line, const char *part)
{
	assert_int_equal(parse(line), EXIT_USAGE);
	if (!strstr(err, part))
		fail_msg("'%s' is not in '%s'", part, err);
}

static void a_wrong_line_says_what_would_be_right(void **state)
{
	refused("", "a command is wanted");
	refused("protct vm1", "unknown command 'protct'");
	refused("protect vm1", "kemari protect vm1 --to HOST");
	refused("protect --to xb", "the VM is missing");
	refused("protect vm1 --to", "--to needs a value");
	refused("protect vm1 --to=", "--to needs a value");
	refused("status vm1 vm2", "'vm2' is too much");
	refused("keygen vm1", "'vm1' is too much");
	refused("status --follow", "--follow is not an option of status");
	refused("status --json=yes", "--json takes no value");
	refused("status --recent", "--recent is for --json");
	refused("status --taps --watch", "--taps shows them once");
	refused("log vm1 --recent", "--recent is not an option of log");
	refused("status --frob", "unknown option '--frob'");
	refused("--json status", "the command comes first");
	refused("verify vm1 --epochs 0", "'0' is not a number from 1 to 1000000");
	refused("verify vm1 --epochs 3x", "'3x' is not a number");
	refused("verify vm1 --epochs 99999999999999999999", "is not a number");
	refused("create", "the configuration file is missing");
	refused("cold-start", "the VM is missing");
	refused("forget", "the VM is missing");
	refused("unprotect vm1 --last-copy", "--last-copy is not an option of unprotect");
	refused("cold-start vm1 --primary-is-off", "--primary-is-off is not an option of cold-start");
	refused("resource", "an action and a VM are wanted");
	refused("resource stop", "an action and a VM are wanted");
	refused("resource vm1 stop", "'vm1' is no action");
	refused("resource start vm1", "--vm-config is for start, which needs it");
	refused("resource stop vm1 --vm-config x", "--vm-config is for start");
	refused("resource demote vm1 --timeout 5", "--timeout is for stop and promote");
	refused("resource stop vm1 --timeout 0", "'0' is not a number from 1 to 86400");
	refused("log 0123456789012345678901234567890123456789012345678901234567890123", "1 to 63 bytes");
}

static void promote_without_the_operators_word_names_the_risk(void **state)
{
	assert_int_equal(parse("promote vm1"), EXIT_NOT_CONFIRMED);
	assert_non_null(strstr(err, "two running copies"));
	assert_non_null(strstr(err, "corrupt"));
	assert_non_null(strstr(err, "kemari promote vm1 --primary-is-off"));
}

static void the_word_for_a_cold_start_names_its_risk(void **state)
{
	size_t len;
	char *text;
	FILE *f = open_memstream(&text, &len);

	kemari_help(f, "cold-start");
	fclose(f);
	assert_non_null(strstr(text, "--peer-is-off"));
	assert_non_null(strstr(text, "corrupt"));
	free(text);
}

static void help_works_for_each_command_and_names_all(void **state)
{
	static const char *const names[] = { "create",	 "protect", "unprotect",  "status",
					     "promote",	 "verify",  "switchover", "log",
					     "resource", "keygen",  "cold-start", "forget" };
	char *all, *one, line[64];
	size_t i, len;
	FILE *f;

	f = open_memstream(&all, &len);
	kemari_help(f, NULL);
	fclose(f);
	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		assert_non_null(strstr(all, names[i]));
		snprintf(line, sizeof(line), "%s --help", names[i]);
		assert_int_equal(parse(line), 0);
		assert_int_equal(args.command, KEMARI_DO_HELP);
		f = open_memstream(&one, &len);
		kemari_help(f, args.topic);
		fclose(f);
		snprintf(line, sizeof(line), "usage: kemari %s", names[i]);
		assert_memory_equal(one, line, strlen(line));
		free(one);
	}
	free(all);
}

/* The command and the daemon speak the same language. */
static void what_is_sent_is_what_the_server_reads(void **state)
{
	static const char *const lines[] = { "create /etc/xen/vm1.cfg",
					     "protect vm1 --to 2001:db8::1",
					     "unprotect vm1 --standby-is-gone",
					     "status",
					     "status vm1 --watch",
					     "status vm1 --json --recent",
					     "status vm1 --taps",
					     "promote vm1 --primary-is-off",
					     "cold-start vm1",
					     "cold-start vm1 --peer-is-off",
					     "forget vm1",
					     "forget vm1 --last-copy",
					     "switchover vm1",
					     "verify vm1 --epochs 7",
					     "log vm1 --follow" };
	struct control_request got;
	char why[256], fix[256], *text;
	size_t i;

	for (i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		assert_int_equal(parse(lines[i]), 0);
		text = client_request_text(&args.req);
		if (control_request_parse(text, strlen(text), &got, why, sizeof(why), fix, sizeof(fix)))
			fail_msg("%s: %s", text, why);
		assert_memory_equal(&got, &args.req, sizeof(got));
		free(text);
	}
}

static void rubbish_from_the_server_is_not_an_answer(void **state)
{
	int pair[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
	assert_int_equal(send(pair[1], "[1]", 3, 0), 3);
	assert_null(client_receive(pair[0]));
	assert_int_equal(errno, EBADMSG);
	close(pair[1]);
	assert_null(client_receive(pair[0]));
	assert_int_equal(errno, ECONNRESET);
	close(pair[0]);
}

static char *shown(void (*show)(FILE *out, const json_t *what), json_t *what)
{
	char *text;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	show(f, what);
	fclose(f);
	json_decref(what);
	return text;
}

static void the_status_table_is_aligned_and_complete(void **state)
{
	struct control_status a = {
		.vm = "vm1", .role = "primary", .state = "protected", .peer = "xb", .domid = 1
	};
	struct control_status b = { .vm = "database", .role = "standby", .state = "outdated" };
	json_t *rows = json_array();
	char *text;

	a.epoch = 18446744;
	a.lag_ms = 3;
	a.pause_us = 412;
	a.commit_us = 2345;
	a.held = 9;
	b.reason = "it missed an epoch";
	json_array_append_new(rows, control_status_row(&a));
	json_array_append_new(rows, control_status_row(&b));
	text = shown(show_status, rows);
	assert_string_equal(text,
			    "VM        ROLE     STATE      PEER     EPOCH  LAG  PAUSE(us)  COMMIT(ms)  HELD\n"
			    "vm1       primary  protected  xb    18446744  3ms        412         2.3     9\n"
			    "database  standby  outdated   -            0  0ms          0         0.0     0\n"
			    "database: it missed an epoch\n");
	free(text);
}

static void odd_rows_do_not_break_the_table(void **state)
{
	char *text =
		shown(show_status, json_pack("[{s:i, s:s}, i, {s:n}]", "vm", 7, "epoch", "x", 3, "held"));

	assert_non_null(strstr(text, "-"));
	free(text);
	text = shown(show_status, json_array());
	assert_non_null(strstr(text, "kemari protect"));
	free(text);
}

static void taps_are_a_line_each(void **state)
{
	json_t *rows = json_pack("[{s:s, s:[{s:i, s:s, s:i, s:i, s:i}, {s:s}]}]", "vm", "vm1", "taps", "port",
				 5, "mode", "out,stop", "seen", 12, "held", 0, "stops", 11, "port", "x");
	char *text = shown(show_taps, rows);

	assert_string_equal(text,
			    "VM                PORT  MODE                     SEEN       HELD      STOPS\n"
			    "vm1                  5  out,stop                   12          0         11\n");
	free(text);
}

static void progress_shows_bytes_rate_round_and_time_left(void **state)
{
	struct control_copy p = { .phase = "copying", .round = 3 };
	char *text;

	p.bytes = 3ULL << 29;
	p.rate = 100ULL << 20;
	p.left_bytes = 9ULL << 30;
	text = shown(show_progress, control_copy_row(&p));
	assert_string_equal(text, "copying, round 3, 1.5 GiB sent, 100.0 MiB/s, 9.0 GiB left, 1 min 32 s");
	free(text);
	p = (struct control_copy){ .phase = "connecting", .text = "xb answers" };
	text = shown(show_progress, control_copy_row(&p));
	assert_string_equal(text, "connecting: xb answers");
	free(text);
}

static void the_story_is_one_line_per_change(void **state)
{
	char *text =
		shown(show_story, json_pack("[{s:s, s:s, s:s, s:i, s:s}]", "time", "2026-01-31T12:00:00.123Z",
					    "role", "primary", "state", "protected", "epoch", 42, "reason",
					    "xb holds a complete copy"));

	assert_string_equal(text, "2026-01-31T12:00:00.123Z  primary  protected    epoch 42       "
				  "xb holds a complete copy\n");
	free(text);
}

static void keygen_writes_a_private_key_once(void **state)
{
	char dir[] = "/tmp/kemari-keygen-XXXXXX", path[64], one[128], two[128];
	struct stat st;
	int fd, i;

	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/key", dir);
	assert_int_equal(keygen(path), 0);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(st.st_size, 65);
	assert_int_equal(keygen(path), -EEXIST);
	fd = open(path, O_RDONLY);
	assert_int_equal(read(fd, one, sizeof(one)), 65);
	close(fd);
	for (i = 0; i < 64; i++)
		assert_non_null(strchr("0123456789abcdef", one[i]));
	assert_int_equal(one[64], '\n');
	unlink(path);
	assert_int_equal(keygen(path), 0);
	fd = open(path, O_RDONLY);
	assert_int_equal(read(fd, two, sizeof(two)), 65);
	close(fd);
	assert_memory_not_equal(one, two, 64);
	unlink(path);
	rmdir(dir);
	assert_int_equal(keygen(path), -ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_command_is_understood),
		cmocka_unit_test(actions_of_the_cluster_manager_are_understood),
		cmocka_unit_test(a_wrong_line_says_what_would_be_right),
		cmocka_unit_test(promote_without_the_operators_word_names_the_risk),
		cmocka_unit_test(the_word_for_a_cold_start_names_its_risk),
		cmocka_unit_test(help_works_for_each_command_and_names_all),
		cmocka_unit_test(what_is_sent_is_what_the_server_reads),
		cmocka_unit_test(rubbish_from_the_server_is_not_an_answer),
		cmocka_unit_test(the_status_table_is_aligned_and_complete),
		cmocka_unit_test(odd_rows_do_not_break_the_table),
		cmocka_unit_test(taps_are_a_line_each),
		cmocka_unit_test(progress_shows_bytes_rate_round_and_time_left),
		cmocka_unit_test(the_story_is_one_line_per_change),
		cmocka_unit_test(keygen_writes_a_private_key_once),
	};

	return cmocka_run_group_tests_name("cli", tests, NULL, NULL);
}
