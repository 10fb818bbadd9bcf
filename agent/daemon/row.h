/* SPDX-License-Identifier: GPL-2.0-only */
/* What is known of one VM on one host: a row of kemari-syncd's status, and what is multicast of it. */
#ifndef KEMARI_AGENT_DAEMON_ROW_H
#define KEMARI_AGENT_DAEMON_ROW_H

#include <stdbool.h>
#include <stdint.h>

#define ROW_VM 64    /* with the NUL, as all of these */
#define ROW_HOST 72  /* the kernel's 64 and more */
#define ROW_STATE 96 /* longer ones are cut */
#define ROW_MAX 64   /* VMs of a host */

enum row_role { ROW_NONE, ROW_STANDBY, ROW_HELD, ROW_PRIMARY, ROW_NR_ROLES };

/* Of an owner only. */
enum row_protection {
	ROW_NOT_OWNER,
	ROW_UNPROTECTED,
	ROW_SYNCING,
	ROW_PROTECTED,
	ROW_LINK_LOST,
	ROW_OUTDATING,
	ROW_BLOCKED,
	ROW_NR_PROTECTIONS
};

enum row_needs {
	ROW_NEEDS_NOTHING,
	ROW_NEEDS_PROOF, /* wants to run, lacks the proof that the peer's host is off */
	ROW_NEEDS_FENCE, /* outputs are held, the standby does not answer */
	ROW_NR_NEEDS
};

struct vm_row {
	uint8_t uuid[16];
	char vm[ROW_VM];
	char state[ROW_STATE]; /* printable ASCII, for people */
	char peer[ROW_HOST];   /* "": none; not multicast */
	uint8_t role, protection, needs;
	bool started;  /* Pacemaker called start */
	bool promoted; /* ... promote */
	bool running;  /* the guest executes here */
	bool linked;
	bool by_hand; /* an operator has unprotected it; not multicast */
	uint64_t g, epoch;
	uint64_t lag_ms, pause_us, commit_us;
};

/* Of a table; NULL: it has none. */
const struct vm_row *row_find(const struct vm_row *row, unsigned int nr, const char *vm);

/* Names and back, as in the status; a value outside of the enum is "?", an unknown name negative. */
const char *row_role_name(unsigned int role);
const char *row_protection_name(unsigned int protection);
const char *row_needs_name(unsigned int needs);
int row_role_value(const char *name);
int row_protection_value(const char *name);
int row_needs_value(const char *name);

/* A name as kemari-syncd takes it: [A-Za-z0-9_][A-Za-z0-9_.+-]*, shorter than max. */
bool row_vm_name_ok(const char *name);
/* Printable ASCII without blanks, at least one character, shorter than ROW_HOST. */
bool row_host_name_ok(const char *name);

#endif /* KEMARI_AGENT_DAEMON_ROW_H */
