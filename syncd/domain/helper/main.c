/* SPDX-License-Identifier: GPL-2.0-only */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "domain/helper/helper.h"

static const char usage[] =
	"Usage: kemari-domain COMMAND [OPTION]...\n"
	"\n"
	"Makes and ends the Xen domains of Kemari. For kemari-syncd; rarely of use by hand.\n"
	"\n"
	"  record CONFIG [--name NAME]    checks an xl configuration and prints the VM's record (JSON)\n"
	"  create --record FILE --domid D creates the domain, paused, with its kernel\n"
	"  shell --record FILE --domid D  creates a standby: paused, named NAME--standby, with a kernel that "
	"halts\n"
	"  adopt --record FILE --domid D  gives a promoted standby its name and configuration\n"
	"  destroy [--record FILE] --domid D\n"
	"                                 ends the domain; no error when there is none; with a record, only "
	"this VM\n"
	"\n"
	"  --parent PID   ends when that process, its parent, ends\n"
	"  --record -     the record comes from standard input\n"
	"  --verbose      prints what libxl says\n"
	"  --help         prints this\n"
	"\n"
	"The result is one line of JSON on standard output, an error one line on standard error.\n"
	"Exit status: 0 done, 1 Xen or libxl failed, 2 wrong arguments, 3 the configuration cannot be "
	"protected,\n"
	"4 the domid is taken, 5 not enough memory on this host, 6 the name or uuid is another domain's.\n";

int fail(int code, const char *fmt, ...)
{
	va_list ap;

	fputs("kemari-domain: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	return code;
}

enum { OPT_NAME = 256, OPT_RECORD, OPT_DOMID, OPT_PARENT, OPT_VERBOSE, OPT_HELP };

static const struct option long_options[] = {
	{ "name", required_argument, NULL, OPT_NAME },
	{ "record", required_argument, NULL, OPT_RECORD },
	{ "domid", required_argument, NULL, OPT_DOMID },
	{ "parent", required_argument, NULL, OPT_PARENT },
	{ "verbose", no_argument, NULL, OPT_VERBOSE },
	{ "help", no_argument, NULL, OPT_HELP },
	{ NULL, 0, NULL, 0 },
};

static int parse_domid(const char *text, struct options *o)
{
	char *end;
	unsigned long n;

	errno = 0;
	n = strtoul(text, &end, 10);
	if (*text < '0' || *text > '9' || *end || errno || !n || n >= 0x7ff0)
		return fail(DOMAIN_HELPER_USAGE, "--domid %s: not a number from 1 to 32751", text);
	o->domid = n;
	o->have_domid = true;
	return 0;
}

static int parse(int argc, char **argv, struct options *o)
{
	int c;

	while ((c = getopt_long(argc, argv, "", long_options, NULL)) != -1) {
		switch (c) {
		case OPT_NAME:
			o->name = optarg;
			break;
		case OPT_RECORD:
			o->record = optarg;
			break;
		case OPT_DOMID:
			if (parse_domid(optarg, o))
				return DOMAIN_HELPER_USAGE;
			break;
		case OPT_PARENT:
			o->parent = strtol(optarg, NULL, 10);
			if (o->parent <= 0)
				return fail(DOMAIN_HELPER_USAGE, "--parent %s: not a process", optarg);
			break;
		case OPT_VERBOSE:
			o->verbose = true;
			break;
		case OPT_HELP:
			fputs(usage, stdout);
			exit(DOMAIN_HELPER_OK);
		default:
			return fail(DOMAIN_HELPER_USAGE, "see kemari-domain --help");
		}
	}
	return 0;
}

/* What a command takes; whatever else is given is an error. */
struct command {
	const char *name;
	bool config, may_name, may_record, record, domid;
};

static const struct command commands[] = {
	{ .name = "record", .config = true, .may_name = true },
	{ .name = "create", .record = true, .domid = true },
	{ .name = "shell", .record = true, .domid = true },
	{ .name = "adopt", .record = true, .domid = true },
	{ .name = "destroy", .may_record = true, .domid = true },
};

static int check(const struct command *cmd, const struct options *o)
{
	if (cmd->config != !!o->config)
		return fail(DOMAIN_HELPER_USAGE, "%s: %s", cmd->name,
			    o->config ? "takes no file name" : "the path of an xl configuration is missing");
	if (o->name && !cmd->may_name)
		return fail(DOMAIN_HELPER_USAGE, "%s: takes no --name", cmd->name);
	if (cmd->record != !!o->record && !cmd->may_record)
		return fail(DOMAIN_HELPER_USAGE, "%s: %s", cmd->name,
			    o->record ? "takes no --record" : "--record FILE is missing");
	if (cmd->domid != o->have_domid)
		return fail(DOMAIN_HELPER_USAGE, "%s: %s", cmd->name,
			    o->have_domid ? "takes no --domid" : "--domid D is missing");
	return 0;
}

static int run(const struct command *cmd, const struct options *o)
{
	if (!strcmp(cmd->name, "record"))
		return cmd_record(o);
	if (!strcmp(cmd->name, "create"))
		return cmd_create(o, CREATE_COLD);
	if (!strcmp(cmd->name, "shell"))
		return cmd_create(o, CREATE_SHELL);
	if (!strcmp(cmd->name, "adopt"))
		return cmd_adopt(o);
	return cmd_destroy(o);
}

/* False: it has ended already. */
static bool end_with(long parent)
{
	return !prctl(PR_SET_PDEATHSIG, SIGKILL) && getppid() == parent;
}

int main(int argc, char **argv)
{
	struct options o = { 0 };
	unsigned int i;

	if (parse(argc, argv, &o))
		return DOMAIN_HELPER_USAGE;
	if (o.parent && !end_with(o.parent))
		return fail(DOMAIN_HELPER_FAILED, "process %ld, which wanted this, has ended", o.parent);
	if (optind == argc)
		return fail(DOMAIN_HELPER_USAGE, "a command is missing; see kemari-domain --help");
	if (argc - optind > 2)
		return fail(DOMAIN_HELPER_USAGE, "%s: too many arguments", argv[optind]);
	o.config = argv[optind + 1];
	for (i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		if (strcmp(argv[optind], commands[i].name))
			continue;
		if (check(&commands[i], &o))
			return DOMAIN_HELPER_USAGE;
		i = run(&commands[i], &o);
		if (!i && fflush(stdout))
			return fail(DOMAIN_HELPER_FAILED, "cannot write the result: %s", strerror(errno));
		return i;
	}
	return fail(DOMAIN_HELPER_USAGE, "%s: no such command; see kemari-domain --help", argv[optind]);
}
