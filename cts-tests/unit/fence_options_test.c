/* SPDX-License-Identifier: GPL-2.0-or-later */
/* fencing/options.h: what Pacemaker and people may say, and that no secret is shown. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "fencing/options.h"

static struct fence_options o;
static char why[FENCE_WHY];

static int lines(const char *text)
{
	char *const argv[] = { "fence_kemari", NULL };
	char copy[4096];
	FILE *in;
	int rc;

	snprintf(copy, sizeof(copy), "%s", text);
	in = fmemopen(copy, strlen(copy) + !copy[0], "r");
	rc = fence_options_parse(1, argv, in, &o, why);
	fclose(in);
	return rc;
}

#define ARGS(...) args((char *const[]){ "fence_kemari", __VA_ARGS__, NULL })

static int args(char *const argv[])
{
	int argc = 0;

	while (argv[argc])
		argc++;
	return fence_options_parse(argc, argv, stdin, &o, why);
}

static void refused(int rc, const char *names)
{
	if (rc >= 0 || !strstr(why, names))
		fail_msg("%d: '%s' does not name '%s'", rc, why, names);
}

static void pacemaker_speaks_on_standard_input(void **state)
{
	assert_int_equal(
		lines("# a comment\n\naction=off\nip=10.0.0.1\nusername=admin\npassword=s3cret = x \n"
		      "nodename=xa\nplug=xa\npcmk_host_list=xa\npower_timeout=40s\nverbose=1\n"),
		0);
	assert_int_equal(o.action, FENCE_OFF);
	assert_string_equal(o.ip, "10.0.0.1");
	assert_string_equal(o.user, "admin");
	assert_string_equal(o.password, "s3cret = x");
	assert_int_equal(o.power_timeout, 40);
	assert_true(o.verbose);
	assert_int_equal(o.port, 0);
	assert_int_equal(o.protocol, FENCE_IPMI);
	assert_int_equal(o.cipher, 3);
}

static void the_last_line_wins_and_old_names_work(void **state)
{
	assert_int_equal(lines("ipaddr=a\nip=b\nlogin=u\npasswd=p\noption=status\n"), 0);
	assert_string_equal(o.ip, "b");
	assert_string_equal(o.user, "u");
	assert_string_equal(o.password, "p");
	assert_int_equal(o.action, FENCE_STATUS);
}

static void reboot_is_meant_when_nothing_is_said(void **state)
{
	assert_int_equal(lines("ip=a\n"), 0);
	assert_int_equal(o.action, FENCE_REBOOT);
	refused(lines(""), "ip is missing");
}

static void a_person_uses_options(void **state)
{
	assert_int_equal(ARGS("-o", "on", "-a", "bmc", "-l", "u", "--power-timeout", "7", "--delay=3s", "-v"),
			 0);
	assert_int_equal(o.action, FENCE_ON);
	assert_int_equal(o.power_timeout, 7);
	assert_int_equal(o.delay, 3);
	assert_string_equal(o.first_file, "");
	assert_int_equal(ARGS("-a", "bmc", "--delay", "10", "--first-file", "/run/kemari/shoot-first"), 0);
	assert_string_equal(o.first_file, "/run/kemari/shoot-first");
	refused(ARGS("-a", "bmc", "--first-file", "second"), "an absolute path is needed");
	assert_int_equal(ARGS("-a", "bmc", "--protocol", "redfish", "--system-id", "1"), 0);
	assert_int_equal(o.protocol, FENCE_REDFISH);
	assert_string_equal(o.system_id, "1");
	assert_int_equal(ARGS("--help"), 0);
	assert_int_equal(o.action, FENCE_HELP);
	assert_int_equal(ARGS("-o", "metadata"), 0);
	assert_int_equal(o.action, FENCE_METADATA);
}

static void a_password_in_argv_is_refused(void **state)
{
	refused(ARGS("-a", "bmc", "--password", "s3cret"), "--password-file");
	assert_null(strstr(why, "s3cret"));
	assert_string_equal(o.password, "");
}

static void bad_values_are_named(void **state)
{
	char longer[FENCE_STR + 8];

	refused(lines("ip=a\naction=explode\n"), "action=explode");
	refused(lines("ip=a\nprotocol=telnet\n"), "protocol=telnet");
	refused(lines("ip=a\nssl_pin=abcd\n"), "ssl_pin=abcd");
	refused(lines("ip=a\nipport=65536\n"), "ipport=65536");
	refused(lines("ip=a\nipport=-1\n"), "ipport=-1");
	refused(lines("ip=a\npower_timeout=\n"), "power_timeout=");
	refused(lines("ip=a\npower_timeout=5m\n"), "power_timeout=5m");
	refused(lines("ip=a\ncipher=99999999999999999999\n"), "cipher=");
	refused(lines("ip=a\nverbose=perhaps\n"), "verbose=perhaps");
	refused(lines("ip=a\nprivlvl=user\n"), "privlvl=user");
	refused(lines("ip=a\nsystem_uuid=12\n"), "system_uuid=12");
	refused(lines("ip=a\nnonsense\n"), "name=value");
	refused(ARGS("-a"), "-a");
	refused(ARGS("--no-such-thing"), "--no-such-thing");
	refused(ARGS("-a", "x", "stray"), "stray");
	memset(longer, 'x', sizeof(longer));
	memcpy(longer, "ip=", 3);
	longer[sizeof(longer) - 1] = '\0';
	refused(lines(longer), "ip is longer");
}

static void a_line_that_is_too_long_is_no_two_lines(void **state)
{
	char text[FENCE_STR * 3];

	memset(text, 'x', sizeof(text));
	memcpy(text, "comment=", 8);
	strcpy(text + sizeof(text) - 16, "\nip=a\n");
	refused(lines(text), "longer than");
}

static void a_uuid_is_read(void **state)
{
	assert_int_equal(lines("ip=a\nsystem_uuid=00112233-4455-6677-8899-aabbccddeeff\n"), 0);
	assert_true(o.has_uuid);
	assert_int_equal(o.uuid[0], 0);
	assert_int_equal(o.uuid[15], 0xff);
}

/* A file with this content and mode; its path, good until the next call. */
static const char *file(const char *text, mode_t mode)
{
	static char path[] = "/tmp/fence_options_test.XXXXXX";
	int fd;

	strcpy(path, "/tmp/fence_options_test.XXXXXX");
	fd = mkstemp(path);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	assert_int_equal(fchmod(fd, mode), 0);
	close(fd);
	return path;
}

static void a_password_file_is_private(void **state)
{
	char text[512];
	const char *path = file("s3cret\nsecond line\n", 0600);

	snprintf(text, sizeof(text), "ip=a\npassword_file=%s\n", path);
	assert_int_equal(lines(text), 0);
	assert_string_equal(o.password, "s3cret");
	assert_int_equal(chmod(path, 0640), 0);
	refused(lines(text), "chmod 600");
	assert_string_equal(o.password, "");
	unlink(path);
	refused(lines(text), "No such file");

	snprintf(text, sizeof(text), "ip=a\npassword_file=%s\n", file("\n", 0600));
	refused(lines(text), "no password");
	unlink(strchr(text, '/') ? strtok(strchr(text, '/'), "\n") : "");
	refused(lines("ip=a\npassword_file=/dev/zero\n"), "others may read it");
	refused(lines("ip=a\npassword=x\npassword_file=/etc/x\n"), "is enough");
}

static void a_password_script_prints_it(void **state)
{
	char text[512], path[64];

	snprintf(path, sizeof(path), "%s", file("#!/bin/sh\necho s3cret\n", 0700));
	snprintf(text, sizeof(text), "ip=a\npassword_script=%s\n", path);
	assert_int_equal(lines(text), 0);
	assert_string_equal(o.password, "s3cret");
	unlink(path);
	refused(lines(text), "password_script");

	snprintf(path, sizeof(path), "%s", file("#!/bin/sh\necho s3cret; exit 3\n", 0700));
	snprintf(text, sizeof(text), "ip=a\npassword_script=%s\n", path);
	refused(lines(text), "it failed");
	assert_string_equal(o.password, "");
	unlink(path);
}

static void what_is_shown_has_every_option_and_no_secret(void **state)
{
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);

	fence_metadata(out);
	fence_usage(out);
	fclose(out);
	assert_non_null(strstr(text, "<parameter name=\"system_uuid\" unique=\"0\" required=\"0\">"));
	assert_non_null(strstr(text, "<content type=\"second\" default=\"20\"/>"));
	assert_non_null(strstr(text, "<action name=\"on\" automatic=\"0\"/>"));
	assert_non_null(strstr(text, "--password-script"));
	assert_null(strstr(text, "meta-data"));
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pacemaker_speaks_on_standard_input),
		cmocka_unit_test(the_last_line_wins_and_old_names_work),
		cmocka_unit_test(reboot_is_meant_when_nothing_is_said),
		cmocka_unit_test(a_person_uses_options),
		cmocka_unit_test(a_password_in_argv_is_refused),
		cmocka_unit_test(bad_values_are_named),
		cmocka_unit_test(a_line_that_is_too_long_is_no_two_lines),
		cmocka_unit_test(a_uuid_is_read),
		cmocka_unit_test(a_password_file_is_private),
		cmocka_unit_test(a_password_script_prints_it),
		cmocka_unit_test(what_is_shown_has_every_option_and_no_secret),
	};

	return cmocka_run_group_tests_name("fence options", tests, NULL, NULL);
}
