/* SPDX-License-Identifier: GPL-2.0-only */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/config.h"

static char err[KEM_CONFIG_ERR];

static int parse(const char *text, struct kem_config *cfg)
{
	err[0] = '\0';
	return kem_config_parse("k.conf", text, strlen(text), cfg, err, sizeof(err));
}

static void refused(const char *text, const char *message)
{
	struct kem_config cfg;

	memset(&cfg, 0x5a, sizeof(cfg));
	assert_int_equal(parse(text, &cfg), -EINVAL);
	assert_string_equal(err, message);
	assert_int_equal(cfg.port, 0x5a5a5a5a); /* untouched */
}

static void an_empty_file_gives_the_documented_defaults(void **state)
{
	struct kem_config cfg;

	assert_int_equal(parse("", &cfg), 0);
	assert_int_equal(cfg.port, 7310);
	assert_string_equal(cfg.listen_address, "*");
	assert_string_equal(cfg.key_file, "/etc/kemari/key");
	assert_string_equal(cfg.run_dir, "/run/kemari");
	assert_string_equal(cfg.log_dir, "/var/log/kemari");
	assert_string_equal(cfg.control_group, "");
	assert_int_equal(cfg.mode, KEM_MODE_ASYNC);
	assert_int_equal(cfg.disk_write_cache, KEM_CACHE_VOLATILE);
	assert_int_equal(cfg.disk_answer, KEM_ANSWER_EARLY);
	assert_int_equal(cfg.disk_commit_ms, 20);
	assert_int_equal(cfg.batch_window_us, 1000);
	assert_int_equal(cfg.max_epoch_ms, 1000);
	assert_int_equal(cfg.idle_epoch_ms, 5000);
	assert_int_equal(cfg.staging_mb, 64);
	assert_int_equal(cfg.max_in_flight, 2);
	assert_int_equal(cfg.link_timeout_ms, 3000);
	assert_int_equal(cfg.disk_error_wait_ms, 20000);
	assert_int_equal(cfg.nr_hosts, 0);
	assert_int_not_equal(strlen(cfg.host_name), 0);
}

static void keys_comments_and_hosts_are_read(void **state)
{
	struct kem_config cfg;

	assert_int_equal(parse("# all of it\n"
			       "\n"
			       "  port=7400   # not the usual one\r\n"
			       "mode = sync\n"
			       "disk_write_cache = safe\n"
			       "disk_answer = written\n"
			       "tls_priority = NORMAL:-VERS-ALL:+VERS-TLS1.3\n"
			       "host\txb 192.0.2.2\n"
			       "host xc fe80::1%eth0\n"
			       "run_dir = /run/k#1",
			       &cfg),
			 0);
	assert_int_equal(cfg.port, 7400);
	assert_int_equal(cfg.mode, KEM_MODE_SYNC);
	assert_int_equal(cfg.disk_write_cache, KEM_CACHE_SAFE);
	assert_int_equal(cfg.disk_answer, KEM_ANSWER_WRITTEN);
	assert_string_equal(cfg.tls_priority, "NORMAL:-VERS-ALL:+VERS-TLS1.3");
	assert_string_equal(cfg.run_dir, "/run/k#1");
	assert_string_equal(kem_config_address(&cfg, "xb"), "192.0.2.2");
	assert_string_equal(kem_config_address(&cfg, "xc"), "fe80::1%eth0");
	assert_string_equal(kem_config_address(&cfg, "elsewhere"), "elsewhere");
}

static void an_error_names_file_line_key_and_what_is_allowed(void **state)
{
	refused("\nprot = 1\n", "k.conf:2: unknown key 'prot'; kemari.conf(5) lists the keys");
	refused("port = 0", "k.conf:1: port: '0' is not a number from 1 to 65535");
	refused("port = 65536", "k.conf:1: port: '65536' is not a number from 1 to 65535");
	refused("port = -1", "k.conf:1: port: '-1' is not a number from 1 to 65535");
	refused("port = 7310x", "k.conf:1: port: '7310x' is not a number from 1 to 65535");
	refused("port =", "k.conf:1: port: '' is not a number from 1 to 65535");
	refused("port = 99999999999999999999999",
		"k.conf:1: port: '99999999999999999999999' is not a number from 1 to 65535");
	refused("mode = remus", "k.conf:1: mode: 'remus' is not one of: async, sync");
	refused("run_dir = run", "k.conf:1: run_dir: 'run' is not an absolute path");
	refused("listen_address = a b", "k.conf:1: listen_address: one word without spaces is wanted");
	refused("control_group = a b",
		"k.conf:1: control_group: only letters, digits, '_', '-' and '.' are allowed");
	refused("host_name =", "k.conf:1: host_name: '' is not a host name");
	refused("port", "k.conf:1: 'port': neither KEY = VALUE nor host NAME ADDRESS");
	refused("port = 1\n\nport = 2", "k.conf:3: port: already set in line 1");
	refused("host xb", "k.conf:1: host: a name and an address are wanted: host NAME ADDRESS");
	refused("host xb 1 2", "k.conf:1: host: a name and an address are wanted: host NAME ADDRESS");
	refused("host x;b 192.0.2.1", "k.conf:1: host: 'x;b' is not a host name");
	refused("host xb 192.0.2.1\nhost xb 192.0.2.2", "k.conf:2: host xb: already listed");
	refused("port = 1\001", "k.conf:1: byte 0x01 is not text");
}

static void a_nul_byte_does_not_hide_the_rest(void **state)
{
	static const char text[] = "port = 7400\n\0port = x\n";
	struct kem_config cfg;

	assert_int_equal(kem_config_parse("k.conf", text, sizeof(text) - 1, &cfg, err, sizeof(err)), -EINVAL);
	assert_string_equal(err, "k.conf:2: byte 0x00 is not text");
}

static void too_long_values_and_too_many_hosts_are_refused(void **state)
{
	struct kem_config cfg;
	char text[2048];
	int i, n = 0;

	snprintf(text, sizeof(text), "run_dir = /%0*d", KEM_CONFIG_STR, 0);
	refused(text, "k.conf:1: run_dir: longer than 255 bytes");
	for (i = 0; i < KEM_CONFIG_HOSTS; i++)
		n += snprintf(text + n, sizeof(text) - n, "host h%d 192.0.2.%d\n", i, i);
	assert_int_equal(parse(text, &cfg), 0);
	assert_int_equal(cfg.nr_hosts, KEM_CONFIG_HOSTS);
	snprintf(text + n, sizeof(text) - n, "host more 192.0.2.200\n");
	refused(text, "k.conf:33: host more: more than 32 hosts");
}

static void a_missing_or_huge_file_is_refused(void **state)
{
	char path[] = "/tmp/kemari-config-XXXXXX";
	struct kem_config cfg;
	int fd;

	fd = mkstemp(path);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, "port = 7411\n", 12), 12);
	assert_int_equal(kem_config_load(path, &cfg, err, sizeof(err)), 0);
	assert_int_equal(cfg.port, 7411);
	assert_int_equal(ftruncate(fd, 1 << 20), 0);
	assert_int_equal(kem_config_load(path, &cfg, err, sizeof(err)), -EFBIG);
	assert_non_null(strstr(err, path));
	close(fd);
	unlink(path);
	assert_int_equal(kem_config_load(path, &cfg, err, sizeof(err)), -ENOENT);
	assert_non_null(strstr(err, path));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_empty_file_gives_the_documented_defaults),
		cmocka_unit_test(keys_comments_and_hosts_are_read),
		cmocka_unit_test(an_error_names_file_line_key_and_what_is_allowed),
		cmocka_unit_test(a_nul_byte_does_not_hide_the_rest),
		cmocka_unit_test(too_long_values_and_too_many_hosts_are_refused),
		cmocka_unit_test(a_missing_or_huge_file_is_refused),
	};

	return cmocka_run_group_tests_name("config", tests, NULL, NULL);
}
