/* SPDX-License-Identifier: GPL-2.0-only */
/* Which daemons run, in which version, and what systemd starts at boot. */
#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/doctor/gather.h"

/* Anybody may give a process that name. */
static bool is_of_root(const char *pid)
{
	char path[64];
	struct stat st;

	snprintf(path, sizeof(path), "/proc/%.20s", pid);
	return !stat(path, &st) && !st.st_uid;
}

static bool has_name(const char *pid, const char *name)
{
	char path[64], text[32] = "";
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%.20s/comm", pid);
	f = fopen(path, "re");
	if (!f)
		return false;
	if (!fgets(text, sizeof(text), f))
		text[0] = '\0';
	fclose(f);
	text[strcspn(text, "\n")] = '\0';
	return !strcmp(text, name);
}

long gather_find_process(const char *name)
{
	DIR *proc = opendir("/proc");
	struct dirent *d;
	long pid = 0;

	if (!proc)
		return 0;
	while (!pid && (d = readdir(proc)))
		if (isdigit((unsigned char)d->d_name[0]) && has_name(d->d_name, name) &&
		    is_of_root(d->d_name))
			pid = strtol(d->d_name, NULL, 10);
	closedir(proc);
	return pid;
}

int gather_program(long pid)
{
	char path[64];
	struct stat st;
	int fd;

	snprintf(path, sizeof(path), "/proc/%ld/exe", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0 && !fstat(fd, &st) && S_ISREG(st.st_mode) && !st.st_uid && !(st.st_mode & 022))
		return fd;
	if (fd >= 0)
		close(fd);
	return -1;
}

void gather_version(const struct job *j, const char *program, struct fact_daemon *d)
{
	size_t len = strlen(program);

	if (!job_done(j) || !j->out.text || strncmp(j->out.text, program, len) || j->out.text[len] != ' ')
		return;
	snprintf(d->version, sizeof(d->version), "%s", j->out.text + len + 1);
	d->version[strcspn(d->version, "\n")] = '\0';
}

/* Scripts of System V have no state of their own but their links. */
static enum fact generated(const char *unit)
{
	char path[128];
	struct dirent *d;
	enum fact found = FACT_NO;
	size_t len = strcspn(unit, ".");

	for (int level = 2; level <= 5; level++) {
		DIR *dir;

		snprintf(path, sizeof(path), "/etc/rc%d.d", level);
		dir = opendir(path);
		while (dir && (d = readdir(dir)))
			if (d->d_name[0] == 'S' && strlen(d->d_name) == len + 3 &&
			    !strncmp(d->d_name + 3, unit, len))
				found = FACT_YES;
		if (dir)
			closedir(dir);
	}
	return found;
}

static enum fact is_enabled(const char *unit, const char *state)
{
	if (!strncmp(state, "enabled", 7) || !strcmp(state, "static"))
		return FACT_YES;
	return strcmp(state, "generated") ? FACT_NO : generated(unit);
}

static void take_unit(struct facts *f, const char *unit, const char *state)
{
	const struct {
		const char *unit;
		enum fact *fact;
	} units[] = { { "kemari-syncd.service", &f->daemons.syncd.enabled },
		      { "kemari-agent.service", &f->daemons.agent.enabled },
		      { "corosync.service", &f->daemons.corosync },
		      { "pacemaker.service", &f->daemons.pacemaker },
		      { "xendomains.service", &f->xendomains.enabled } };

	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
		if (!strcmp(units[i].unit, unit))
			*units[i].fact = is_enabled(unit, state);
}

void gather_units(const struct job *j, struct facts *f)
{
	char id[FACT_NAME] = "", state[FACT_NAME] = "";
	const char *p = j->out.text;

	if (!job_done(j) || !p) {
		gather_failed(j, "systemctl", &f->daemons.units);
		return;
	}
	f->daemons.units.seen = true;
	/* A paragraph for each unit, its lines in no certain order. */
	for (;; p += *p == '\n') {
		size_t n = strcspn(p, "\n");

		if (!strncmp(p, "Id=", 3))
			snprintf(id, sizeof(id), "%.*s", (int)(n - 3), p + 3);
		else if (!strncmp(p, "UnitFileState=", 14))
			snprintf(state, sizeof(state), "%.*s", (int)(n - 14), p + 14);
		p += n;
		if (!n) {
			if (id[0])
				take_unit(f, id, state);
			id[0] = state[0] = '\0';
		}
		if (!*p && !n)
			break;
	}
}
