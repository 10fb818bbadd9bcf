/* SPDX-License-Identifier: GPL-2.0-only */
/* record: from an xl configuration file to the VM record.  xl is the only parser of such files. */
#include <dirent.h>
#include <errno.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <jansson.h>

#include "domain/helper/helper.h"
#include "domain/profile.h"

extern char **environ;

#define MAX_JSON (256U << 10)
#define MAX_MESSAGE 1024
#define AUTO_DIR "/etc/xen/auto"

/* All of fd, cut at cap - 1, with a NUL. */
static size_t slurp(FILE *f, char *buf, size_t cap)
{
	size_t n;

	rewind(f);
	n = fread(buf, 1, cap - 1, f);
	buf[n] = '\0';
	return n;
}

static int spawn_xl(const char *config, FILE *out, FILE *err)
{
	char *const argv[] = { "xl", "create", "-qn", (char *)config, NULL };
	posix_spawn_file_actions_t fa;
	int status = 0, rc;
	pid_t pid;

	posix_spawn_file_actions_init(&fa);
	posix_spawn_file_actions_adddup2(&fa, fileno(out), 1);
	posix_spawn_file_actions_adddup2(&fa, fileno(err), 2);
	rc = posix_spawnp(&pid, "xl", &fa, NULL, argv, environ);
	posix_spawn_file_actions_destroy(&fa);
	if (rc)
		return fail(DOMAIN_HELPER_FAILED, "cannot run xl: %s (is xen-utils installed?)",
			    strerror(rc));
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return WIFEXITED(status) && !WEXITSTATUS(status) ? 0 : -1;
}

/* xl's complaint in one line: what it prints last is nearest to the cause. */
static void one_line(char *text)
{
	char *p;

	while (*text && text[strlen(text) - 1] == '\n')
		text[strlen(text) - 1] = '\0';
	for (p = text; *p; p++)
		if (*p == '\n')
			*p = ';';
}

/* `xl create -n`: parses only, and prints what it understood.  The text is the caller's. */
static int dry_run(const char *config, char **json)
{
	FILE *out = tmpfile(), *err = tmpfile();
	char *buf = malloc(MAX_JSON), message[MAX_MESSAGE];
	int rc;

	if (!out || !err || !buf) {
		rc = fail(DOMAIN_HELPER_FAILED, "no temporary file: %s", strerror(errno));
		goto done;
	}
	rc = spawn_xl(config, out, err);
	slurp(out, buf, MAX_JSON);
	slurp(err, message, sizeof(message));
	one_line(message);
	/* In its old format xl prints nothing for a PVH guest but that it does not know the type. */
	if ((!rc && buf[0] != '{') || (rc < 0 && strstr(message, "Unknown domain type")))
		rc = fail(DOMAIN_HELPER_FAILED,
			  "xl does not print JSON: remove output_format from /etc/xen/xl.conf");
	else if (rc < 0)
		rc = fail(DOMAIN_HELPER_REFUSED, "%s: xl does not accept it: %s", config, message);
done:
	if (out)
		fclose(out);
	if (err)
		fclose(err);
	if (rc)
		free(buf);
	else
		*json = buf;
	return rc;
}

static void get_uuid(const char *text, char uuid[37])
{
	json_t *root = json_loads(text, 0, NULL);
	const char *s = json_string_value(json_object_get(json_object_get(root, "c_info"), "uuid"));

	snprintf(uuid, 37, "%s", s ? s : "");
	json_decref(root);
}

/* xendomains starts at boot what is there, whoever else may be running a copy of it. */
static int check_autostart(const char *config)
{
	struct stat want, have;
	struct dirent *d;
	DIR *dir = opendir(AUTO_DIR);
	int rc = 0;

	if (!dir || stat(config, &want)) {
		if (dir)
			closedir(dir);
		return 0;
	}
	while (!rc && (d = readdir(dir)))
		if (!fstatat(dirfd(dir), d->d_name, &have, 0) && have.st_dev == want.st_dev &&
		    have.st_ino == want.st_ino)
			rc = fail(DOMAIN_HELPER_REFUSED,
				  "%s: %s/%s starts it at boot, beside the copy on the other host; remove "
				  "that link",
				  config, AUTO_DIR, d->d_name);
	closedir(dir);
	return rc;
}

int cmd_record(const struct options *o)
{
	char *first = NULL, *second = NULL, *record;
	char why[256] = "", uuid[2][37];
	int rc;

	if (access(o->config, R_OK))
		return fail(DOMAIN_HELPER_USAGE, "%s: %s", o->config, strerror(errno));
	rc = check_autostart(o->config);
	if (!rc)
		rc = dry_run(o->config, &first);
	if (rc)
		return rc;
	/* xl makes up a new uuid on every run unless the file has one. */
	rc = dry_run(o->config, &second);
	if (rc)
		goto out;
	get_uuid(first, uuid[0]);
	get_uuid(second, uuid[1]);
	record =
		vm_profile_record(first, strlen(first), o->name, !strcmp(uuid[0], uuid[1]), why, sizeof(why));
	if (record) {
		puts(record);
		free(record);
	} else {
		rc = fail(DOMAIN_HELPER_REFUSED, "%s: %s", o->config, why);
	}
out:
	free(first);
	free(second);
	return rc;
}
