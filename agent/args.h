/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The command line of kemari: commands, their arguments and options, their help.
 */
#ifndef KEMARI_AGENT_ARGS_H
#define KEMARI_AGENT_ARGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "syncd/control/control.h"

/* Exit status, as kemari(8) lists them. */
enum kemari_exit {
	EXIT_DONE = 0,
	EXIT_FAILED = 1,	/* kemari-syncd refused it, or it failed */
	EXIT_USAGE = 2,		/* wrong command line */
	EXIT_NO_DAEMON = 3,	/* kemari-syncd does not answer here */
	EXIT_NO_VM = 4,		/* it knows no VM of that name */
	EXIT_NOT_PERMITTED = 5, /* this user may not */
	EXIT_NOT_CONFIRMED = 6, /* dangerous, and the option that says it was checked is missing */
};

enum kemari_command {
	KEMARI_DO_CONTROL,  /* req goes to kemari-syncd */
	KEMARI_DO_RESOURCE, /* so does it, and the exit status is an OCF agent's (resource.h) */
	KEMARI_DO_KEYGEN,
	KEMARI_DO_DOCTOR, /* of req.vm, "": of all */
	KEMARI_DO_HELP,	  /* of topic, NULL: of all */
	KEMARI_DO_VERSION,
};

struct kemari_args {
	enum kemari_command command;
	struct control_request req; /* req.config: as given, perhaps relative */
	bool json;
	const char *conf_file; /* NULL: the default one */
	const char *out_file;  /* keygen; NULL: key_file of the configuration */
	const char *topic;
};

/* Returns 0, or the exit status with err saying what is wrong and what would be right. */
int kemari_args_parse(int argc, char *const argv[], struct kemari_args *args, char *err, size_t err_len);

/* topic: a command's name, or NULL. */
void kemari_help(FILE *out, const char *topic);

#endif /* KEMARI_AGENT_ARGS_H */
