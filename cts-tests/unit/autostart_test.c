/* SPDX-License-Identifier: GPL-2.0-only */
/* Whether xendomains would start a guest at boot. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/autostart.h"

#define PATH 128

static char dir[32], config[PATH], path[PATH];

static void file(const char *name, const char *text)
{
	char p[PATH];
	FILE *f;

	snprintf(p, sizeof(p), "%s/%s", dir, name);
	f = fopen(p, "we");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static int setup(void **state)
{
	strcpy(dir, "/tmp/kemari-auto-XXXXXX");
	snprintf(config, sizeof(config), "/tmp/kemari-auto-%d.cfg", (int)getpid());
	return !mkdtemp(dir);
}

static int teardown(void **state)
{
	char command[2 * PATH];

	snprintf(command, sizeof(command), "rm -rf %s %s", dir, config);
	return system(command);
}

static bool found(void)
{
	return autostart_find(dir, "vm1", config, path, sizeof(path));
}

static void what_names_another_guest_is_none_of_ours(void **state)
{
	assert_false(found());
	file("other", "name = \"vm10\"\n#name = \"vm1\"\n");
	file("empty", "");
	file(".hidden", "name = 'vm1'\n");
	assert_false(found());
	assert_false(autostart_find("/nowhere", "vm1", config, path, sizeof(path)));
}

static void what_names_it_starts_it(void **state)
{
	file("other", "name = \"vm10\"\n");
	file("this", "memory = 1\n name='vm1'\n");
	assert_true(found());
	assert_string_equal(strrchr(path, '/'), "/this");
}

static void a_link_to_its_configuration_starts_it_whatever_is_in_it(void **state)
{
	char link[PATH];
	FILE *f = fopen(config, "we");

	assert_non_null(f);
	fclose(f);
	snprintf(link, sizeof(link), "%s/link", dir);
	assert_int_equal(symlink(config, link), 0);
	assert_true(found());
	assert_string_equal(path, link);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_names_another_guest_is_none_of_ours),
		TEST(what_names_it_starts_it),
		TEST(a_link_to_its_configuration_starts_it_whatever_is_in_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
