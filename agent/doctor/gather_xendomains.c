/* SPDX-License-Identifier: GPL-2.0-only */
/* What else starts and saves guests: xendomains. */
#include <ctype.h>
#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "agent/doctor/gather.h"

#define AUTO_DIR "/etc/xen/auto"

/* The value of `key = value`, quoted or not, in out; false: the line sets something else. */
static bool assignment(const char *line, const char *key, char *out, size_t cap)
{
	size_t n = strlen(key);
	char quote;

	while (isspace((unsigned char)*line))
		line++;
	if (strncmp(line, key, n))
		return false;
	for (line += n; isblank((unsigned char)*line); line++)
		;
	if (*line++ != '=')
		return false;
	while (isblank((unsigned char)*line))
		line++;
	quote = *line == '"' || *line == '\'' ? *line++ : '\0';
	for (n = 0;
	     line[n] && line[n] != '\n' && (quote ? line[n] != quote : !isspace((unsigned char)line[n]));)
		n++;
	snprintf(out, cap, "%.*s", (int)n, line);
	return true;
}

/* The last assignment in a file counts, as in a shell. */
static bool look_up(const char *path, const char *key, char *out, size_t cap)
{
	char line[1024];
	bool found = false;
	FILE *f = fopen(path, "re");

	if (!f)
		return false;
	while (fgets(line, sizeof(line), f))
		found = assignment(line, key, out, cap) || found;
	fclose(f);
	return found;
}

static void gather_save(struct fact_xendomains *x)
{
	static const char *const files[] = { "/etc/default/xendomains", "/etc/sysconfig/xendomains" };

	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		if (look_up(files[i], "XENDOMAINS_SAVE", x->save, sizeof(x->save))) {
			snprintf(x->file, sizeof(x->file), "%s", files[i]);
			return;
		}
}

/* Is the file, which xendomains starts, that VM's?  By the file it links to, or by the name in it. */
static bool starts(const char *path, const struct fact_vm *vm)
{
	char name[FACT_NAME] = "";
	struct stat a, b;

	if (vm->config[0] && !stat(path, &a) && !stat(vm->config, &b) && a.st_dev == b.st_dev &&
	    a.st_ino == b.st_ino)
		return true;
	return look_up(path, "name", name, sizeof(name)) && !strcmp(name, vm->name);
}

void gather_xendomains(struct facts *f)
{
	DIR *dir = opendir(AUTO_DIR);
	struct dirent *d;
	char path[FACT_TEXT];

	gather_save(&f->xendomains);
	while (dir && (d = readdir(dir))) {
		if (d->d_name[0] == '.')
			continue;
		if ((size_t)snprintf(path, sizeof(path), AUTO_DIR "/%s", d->d_name) >= sizeof(path))
			continue;
		for (unsigned int i = 0; i < f->nr_vms; i++)
			if (starts(path, &f->vm[i]))
				snprintf(f->vm[i].autostart, sizeof(f->vm[i].autostart), "%s", path);
	}
	if (dir)
		closedir(dir);
}
