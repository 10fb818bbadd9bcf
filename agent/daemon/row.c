/* SPDX-License-Identifier: GPL-2.0-only */
#include "agent/daemon/row.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

static const char *const roles[ROW_NR_ROLES] = {
	[ROW_NONE] = "none",
	[ROW_STANDBY] = "standby",
	[ROW_HELD] = "held",
	[ROW_PRIMARY] = "primary",
};

static const char *const protections[ROW_NR_PROTECTIONS] = {
	[ROW_NOT_OWNER] = "",	       [ROW_UNPROTECTED] = "unprotected", [ROW_SYNCING] = "syncing",
	[ROW_PROTECTED] = "protected", [ROW_LINK_LOST] = "link-lost",	  [ROW_OUTDATING] = "outdating",
	[ROW_BLOCKED] = "blocked",
};

static const char *const needs_names[ROW_NR_NEEDS] = {
	[ROW_NEEDS_NOTHING] = "",
	[ROW_NEEDS_PROOF] = "proof",
	[ROW_NEEDS_FENCE] = "fence",
};

const struct vm_row *row_find(const struct vm_row *row, unsigned int nr, const char *vm)
{
	unsigned int i;

	for (i = 0; i < nr; i++)
		if (!strcmp(row[i].vm, vm))
			return &row[i];
	return NULL;
}

static int value_of(const char *const *names, unsigned int nr, const char *name)
{
	unsigned int i;

	for (i = 0; i < nr; i++)
		if (!strcmp(names[i], name))
			return (int)i;
	return -EINVAL;
}

const char *row_role_name(unsigned int role)
{
	return role < ROW_NR_ROLES ? roles[role] : "?";
}

const char *row_protection_name(unsigned int protection)
{
	return protection < ROW_NR_PROTECTIONS ? protections[protection] : "?";
}

const char *row_needs_name(unsigned int needs)
{
	return needs < ROW_NR_NEEDS ? needs_names[needs] : "?";
}

int row_role_value(const char *name)
{
	return value_of(roles, ROW_NR_ROLES, name);
}

int row_protection_value(const char *name)
{
	return value_of(protections, ROW_NR_PROTECTIONS, name);
}

int row_needs_value(const char *name)
{
	return value_of(needs_names, ROW_NR_NEEDS, name);
}

bool row_vm_name_ok(const char *name)
{
	size_t len = strnlen(name, ROW_VM), i;

	if (!len || len == ROW_VM)
		return false;
	for (i = 0; i < len; i++) {
		const unsigned char c = (unsigned char)name[i];

		if (!isascii(c) || (!isalnum(c) && c != '_' && (!i || !strchr(".+-", c))))
			return false;
	}
	return true;
}

bool row_host_name_ok(const char *name)
{
	size_t len = strnlen(name, ROW_HOST), i;

	if (!len || len == ROW_HOST)
		return false;
	for (i = 0; i < len; i++)
		if (name[i] <= ' ' || name[i] > '~')
			return false;
	return true;
}
