/* SPDX-License-Identifier: GPL-2.0-only */
#include "autostart.h"

#include <ctype.h>
#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

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
bool autostart_setting(const char *file, const char *key, char *out, size_t cap)
{
	char line[1024];
	bool found = false;
	FILE *f = fopen(file, "re");

	if (!f)
		return false;
	while (fgets(line, sizeof(line), f))
		found = assignment(line, key, out, cap) || found;
	fclose(f);
	return found;
}

static bool starts(const char *file, const char *name, const char *config)
{
	char named[NAME_MAX + 1] = "";
	struct stat a, b;

	if (config[0] && !stat(file, &a) && !stat(config, &b) && a.st_dev == b.st_dev && a.st_ino == b.st_ino)
		return true;
	return autostart_setting(file, "name", named, sizeof(named)) && !strcmp(named, name);
}

bool autostart_find(const char *dir, const char *name, const char *config, char *path, size_t cap)
{
	DIR *list = opendir(dir);
	const struct dirent *d;
	bool found = false;

	while (list && !found && (d = readdir(list))) {
		if (d->d_name[0] == '.')
			continue;
		found = (size_t)snprintf(path, cap, "%s/%s", dir, d->d_name) < cap &&
			starts(path, name, config);
	}
	if (list)
		closedir(list);
	return found;
}
