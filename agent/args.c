/* SPDX-License-Identifier: GPL-2.0-only */
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "agent/args.h"

enum operand {
	OPERAND_NONE,
	OPERAND_VM,
	OPERAND_VM_OR_ALL,
	OPERAND_CONFIG,
	OPERAND_ACTION, /* and a VM */
};

struct command {
	const char *name;
	int op; /* enum control_op, or an enum kemari_command below zero */
	enum operand operand;
	const char *options; /* the letters of those it takes, see options[] */
	const char *usage;
	const char *summary;
	const char *help;
};

static const struct command commands[] = {
	{ "create", CONTROL_CREATE, OPERAND_CONFIG, "", "CONFIG",
	  "start a VM here so that it can be protected",
	  "CONFIG is an ordinary xl configuration file. What cannot be protected (passthrough, for one)\n"
	  "is refused with the option's name. The guest boots from its disk.\n" },
	{ "protect", CONTROL_PROTECT, OPERAND_VM, "t", "VM --to HOST", "mirror a running VM to another host",
	  "Copies the VM's memory to HOST while it runs and keeps the copy up to date from then on.\n"
	  "Ends when the VM is protected. Interrupting it leaves the copying going on; see kemari status.\n"
	  "\n"
	  "  --to HOST            the standby host, where kemari-syncd runs with the same key\n" },
	{ "unprotect", CONTROL_UNPROTECT, OPERAND_VM, "g", "VM [--standby-is-gone]", "stop mirroring a VM",
	  "The standby drops its copy and says so; then the VM runs on unprotected.\n"
	  "\n"
	  "  --standby-is-gone    the standby cannot answer and never will run its copy: its host is off,\n"
	  "                       or was rebooted. If that is not true, two copies may run.\n" },
	{ "status", CONTROL_STATUS, OPERAND_VM_OR_ALL, "jwrT", "[VM] [--json [--recent]] [--taps] [--watch]",
	  "show role, state and figures of the VMs here",
	  "  --json               a JSON array, one object per VM\n"
	  "  --recent             in it, times and sizes of each of the last epochs\n"
	  "  --taps               the guest's event channels that are tapped, instead\n"
	  "  --watch              go on showing it as it changes\n" },
	{ "promote", CONTROL_PROMOTE, OPERAND_VM, "p", "VM --primary-is-off",
	  "run the copy here after the primary's host died",
	  "  --primary-is-off     you have made sure that the primary's host has no power, and it stays so\n"
	  "                       until this is done\n" },
	{ "cold-start", CONTROL_COLD_START, OPERAND_VM, "k", "VM [--peer-is-off]",
	  "let a VM boot from its disk here though the other host is absent",
	  "For the time after a power failure of both hosts, when this one comes up alone. What the guest "
	  "had\n"
	  "in memory is lost already. The absent host is fenced first: behind a dead switch it may still "
	  "run\n"
	  "the guest. Refused while a guest or a copy of it is known anywhere. It starts nothing by itself:\n"
	  "Pacemaker does, once this host has quorum; the answer says how, and what is left to you.\n"
	  "\n"
	  "  --peer-is-off        instead of fencing it: you have made sure that the absent host has no "
	  "power,\n"
	  "                       and it stays so until the guest runs here. If that is not true, two "
	  "guests\n"
	  "                       write to the same disk, and it will be corrupt.\n" },
	{ "forget", CONTROL_FORGET, OPERAND_VM, "l", "VM [--last-copy]",
	  "drop a copy here that is not needed any more",
	  "For a copy that was left here when its guest was stopped, or moved on without it. The other host "
	  "is\n"
	  "asked first: it has to say that it runs the guest. The copy is dropped, then its domain "
	  "destroyed.\n"
	  "\n"
	  "  --last-copy          drop it though it may be the last one, or the guest itself, held: what it "
	  "had\n"
	  "                       in memory is lost then, and the guest can only be booted from its disk\n" },
	{ "switchover", CONTROL_SWITCHOVER, OPERAND_VM, "t", "VM [--to HOST]",
	  "move a protected VM to its standby, running",
	  "Run it on the primary's host. Nothing is lost and the guest does not notice; the roles are "
	  "exchanged.\n"
	  "Under a cluster manager it ends when that one has followed.\n"
	  "\n"
	  "  --to HOST            refused if its copy is not there\n" },
	{ "verify", CONTROL_VERIFY, OPERAND_VM, "n", "VM [--epochs N]", "compare both copies of the memory",
	  "  --epochs N           of N epochs one after another; 1 if not given\n" },
	{ "log", CONTROL_LOG, OPERAND_VM, "f", "VM [--follow]", "tell what happened to a VM, and why",
	  "  --follow             go on with what happens next\n" },
	{ "resource", -KEMARI_DO_RESOURCE, OPERAND_ACTION, "xs",
	  "ACTION VM [--vm-config FILE] [--timeout SECONDS]", "act for the cluster manager (ocf:kemari:vm)",
	  "ACTION is start, stop, promote, demote or monitor. The exit status is that of an OCF resource "
	  "agent,\n"
	  "the reason of a failure or of a degraded state is one line of text.\n"
	  "\n"
	  "  --vm-config FILE     start: the VM's xl configuration\n"
	  "  --timeout SECONDS    stop, promote: what the cluster manager allows for it\n" },
	{ "doctor", -KEMARI_DO_DOCTOR, OPERAND_VM_OR_ALL, "j", "[VM] [--json]",
	  "look for what would keep guests from being protected",
	  "Looks at this host and at the cluster as this host sees it: configuration, key, Xen, daemons,\n"
	  "corosync, pacemaker, fencing, and each VM (or the given one). Changes nothing. Each finding is a\n"
	  "line, with its fix; the exit status is 1 if one is a problem.\n"
	  "\n"
	  "  --json               the same as a JSON object\n" },
	{ "keygen", -KEMARI_DO_KEYGEN, OPERAND_NONE, "o", "[--out FILE]", "make the key that all hosts share",
	  "Writes 256 random bits. Copy the file to every host over a channel you trust, mode 0600, owner "
	  "root.\n"
	  "\n"
	  "  --out FILE           instead of key_file of kemari.conf\n" },
};

#define NR_COMMANDS (sizeof(commands) / sizeof(commands[0]))

static const struct {
	char letter;
	const char *name;
	bool has_value;
} options[] = {
	{ 't', "--to", true },
	{ 'g', "--standby-is-gone", false },
	{ 'j', "--json", false },
	{ 'w', "--watch", false },
	{ 'T', "--taps", false },
	{ 'r', "--recent", false },
	{ 'p', "--primary-is-off", false },
	{ 'n', "--epochs", true },
	{ 'f', "--follow", false },
	{ 'o', "--out", true },
	{ 'c', "--config", true },
	{ 'h', "--help", false },
	{ 'x', "--vm-config", true },
	{ 's', "--timeout", true },
	{ 'k', "--peer-is-off", false },
	{ 'l', "--last-copy", false },
};

#define NR_OPTIONS (sizeof(options) / sizeof(options[0]))

struct parse {
	struct kemari_args *args;
	const struct command *cmd; /* NULL: not seen yet */
	bool have_operand, have_action;
	char *err;
	size_t err_len;
};

static int __attribute__((format(printf, 3, 4))) refuse(struct parse *p, int status, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(p->err, p->err_len, fmt, ap);
	va_end(ap);
	return status;
}

static int take(struct parse *p, const char *what, const char *value, char *out, size_t cap)
{
	if (!value[0] || strlen(value) >= cap)
		return refuse(p, EXIT_USAGE, "%s: 1 to %zu bytes are wanted", what, cap - 1);
	snprintf(out, cap, "%s", value);
	return 0;
}

static int set_number(struct parse *p, const char *name, const char *value, long max, uint32_t *out)
{
	char *end;
	long n;

	errno = 0;
	n = strtol(value, &end, 10);
	if (errno || end == value || *end || n < 1 || n > max)
		return refuse(p, EXIT_USAGE, "%s: '%s' is not a number from 1 to %ld", name, value, max);
	*out = (uint32_t)n;
	return 0;
}

static int set_option(struct parse *p, char letter, const char *value)
{
	struct kemari_args *args = p->args;

	switch (letter) {
	case 't':
		return take(p, "--to", value, args->req.host, sizeof(args->req.host));
	case 'n':
		return set_number(p, "--epochs", value, CONTROL_EPOCHS_MAX, &args->req.epochs);
	case 's':
		return set_number(p, "--timeout", value, CONTROL_TIMEOUT_MAX, &args->req.timeout);
	case 'x':
		return take(p, "--vm-config", value, args->req.config, sizeof(args->req.config));
	case 'g':
		args->req.standby_is_gone = true;
		break;
	case 'p':
		args->req.primary_is_off = true;
		break;
	case 'l':
		args->req.last_copy = true;
		break;
	case 'k':
		args->req.peer_is_off = true;
		break;
	case 'j':
		args->json = true;
		break;
	case 'r':
		args->req.recent = true;
		break;
	case 'T':
		args->req.taps = true;
		break;
	case 'w':
	case 'f':
		args->req.watch = true;
		break;
	case 'o':
		args->out_file = value;
		break;
	case 'c':
		args->conf_file = value;
		break;
	default:
		args->command = KEMARI_DO_HELP;
		break;
	}
	return 0;
}

/* argv[*i] is an option, "--name", "--name value" or "--name=value". */
static int parse_option(struct parse *p, int argc, char *const argv[], int *i)
{
	const char *arg = argv[*i], *eq = strchr(arg, '='), *value = NULL;
	size_t len = eq ? (size_t)(eq - arg) : strlen(arg), k;

	if (!strcmp(arg, "-h"))
		return set_option(p, 'h', NULL);
	for (k = 0; k < NR_OPTIONS; k++) {
		if (strlen(options[k].name) == len && !strncmp(options[k].name, arg, len))
			break;
	}
	if (k == NR_OPTIONS)
		return refuse(p, EXIT_USAGE, "unknown option '%s'; kemari --help lists what there is", arg);
	if (!strchr("ch", options[k].letter) && (!p->cmd || !strchr(p->cmd->options, options[k].letter)))
		return refuse(p, EXIT_USAGE, "%s is not an option of %s", options[k].name,
			      p->cmd ? p->cmd->name : "kemari alone: the command comes first");
	if (options[k].has_value) {
		value = eq ? eq + 1 : *i + 1 < argc ? argv[++*i] : NULL;
		if (!value || !value[0])
			return refuse(p, EXIT_USAGE, "%s needs a value", options[k].name);
	} else if (eq) {
		return refuse(p, EXIT_USAGE, "%s takes no value", options[k].name);
	}
	return set_option(p, options[k].letter, value);
}

static int set_action(struct parse *p, const char *name)
{
	static const struct {
		const char *name;
		enum control_op op;
	} actions[] = { { "start", CONTROL_RESOURCE_START },
			{ "stop", CONTROL_RESOURCE_STOP },
			{ "promote", CONTROL_RESOURCE_PROMOTE },
			{ "demote", CONTROL_RESOURCE_DEMOTE },
			{ "monitor", CONTROL_RESOURCE_MONITOR } };

	for (size_t i = 0; i < sizeof(actions) / sizeof(actions[0]); i++)
		if (!strcmp(actions[i].name, name)) {
			p->args->req.op = actions[i].op;
			return 0;
		}
	return refuse(p, EXIT_USAGE, "'%s' is no action: kemari %s %s", name, p->cmd->name, p->cmd->usage);
}

static int parse_operand(struct parse *p, const char *arg)
{
	struct control_request *req = &p->args->req;

	if (p->cmd->operand == OPERAND_ACTION && !p->have_action) {
		p->have_action = true;
		return set_action(p, arg);
	}
	if (p->cmd->operand == OPERAND_NONE || p->have_operand)
		return refuse(p, EXIT_USAGE, "'%s' is too much: kemari %s %s", arg, p->cmd->name,
			      p->cmd->usage);
	p->have_operand = true;
	if (p->cmd->operand == OPERAND_CONFIG)
		return take(p, "CONFIG", arg, req->config, sizeof(req->config));
	return take(p, "VM", arg, req->vm, sizeof(req->vm));
}

static int set_command(struct parse *p, const char *name)
{
	size_t i;

	for (i = 0; i < NR_COMMANDS && strcmp(commands[i].name, name); i++)
		;
	if (i == NR_COMMANDS)
		return refuse(p, EXIT_USAGE, "unknown command '%s'; kemari --help lists them", name);
	p->cmd = &commands[i];
	if (p->cmd->op < 0)
		p->args->command = -p->cmd->op;
	else
		p->args->req.op = p->cmd->op;
	if (p->cmd->op == CONTROL_VERIFY)
		p->args->req.epochs = 1;
	return 0;
}

static int check_resource(struct parse *p)
{
	const struct control_request *req = &p->args->req;
	bool start = req->op == CONTROL_RESOURCE_START;

	if (!p->have_operand)
		return refuse(p, EXIT_USAGE, "an action and a VM are wanted: kemari %s %s", p->cmd->name,
			      p->cmd->usage);
	if (start != !!req->config[0])
		return refuse(p, EXIT_USAGE, "--vm-config is for start, which needs it");
	if (req->timeout && req->op != CONTROL_RESOURCE_STOP && req->op != CONTROL_RESOURCE_PROMOTE)
		return refuse(p, EXIT_USAGE, "--timeout is for stop and promote");
	return 0;
}

/* What must be there once all is read. */
static int check_complete(struct parse *p)
{
	const struct command *cmd = p->cmd;
	const struct control_request *req = &p->args->req;

	if (!cmd)
		return refuse(p, EXIT_USAGE, "a command is wanted; kemari --help lists them");
	if (cmd->operand == OPERAND_ACTION)
		return check_resource(p);
	if (!p->have_operand && (cmd->operand == OPERAND_VM || cmd->operand == OPERAND_CONFIG))
		return refuse(p, EXIT_USAGE, "%s is missing: kemari %s %s",
			      cmd->operand == OPERAND_VM ? "the VM" : "the configuration file", cmd->name,
			      cmd->usage);
	if (cmd->op == CONTROL_PROTECT && !req->host[0])
		return refuse(p, EXIT_USAGE, "the standby host is missing: kemari protect %s --to HOST",
			      req->vm);
	if (req->taps && req->watch)
		return refuse(p, EXIT_USAGE, "--taps shows them once, --watch goes on for ever");
	if (req->recent && !p->args->json)
		return refuse(p, EXIT_USAGE, "--recent is for --json");
	if (cmd->op == CONTROL_PROMOTE && !req->primary_is_off)
		return refuse(p, EXIT_NOT_CONFIRMED,
			      "promoting %s while its primary still runs makes two running copies, and both "
			      "write to\n"
			      "the same disk: it will be corrupt. First make sure that the primary's host is "
			      "off: its\n"
			      "BMC (ipmitool -H BMC chassis power status) says off, or its plug is pulled. A "
			      "host that\n"
			      "does not answer is not off. Then: kemari promote %s --primary-is-off",
			      req->vm, req->vm);
	return 0;
}

int kemari_args_parse(int argc, char *const argv[], struct kemari_args *args, char *err, size_t err_len)
{
	struct parse p = { .args = args, .err = err, .err_len = err_len };
	int i, rc;

	memset(args, 0, sizeof(*args));
	for (i = 1; i < argc; i++) {
		if (argv[i][0] == '-' && !strcmp(argv[i], "--version")) {
			args->command = KEMARI_DO_VERSION;
			return 0;
		}
		if (argv[i][0] == '-')
			rc = parse_option(&p, argc, argv, &i);
		else if (!p.cmd)
			rc = set_command(&p, argv[i]);
		else
			rc = parse_operand(&p, argv[i]);
		if (rc)
			return rc;
	}
	if (args->command == KEMARI_DO_HELP) {
		args->topic = p.cmd ? p.cmd->name : NULL;
		return 0;
	}
	return check_complete(&p);
}

void kemari_help(FILE *out, const char *topic)
{
	size_t i;

	if (!topic) {
		fprintf(out, "usage: kemari COMMAND [ARGUMENTS] [--config FILE]\n\n");
		for (i = 0; i < NR_COMMANDS; i++)
			fprintf(out, "  %-10s  %s\n", commands[i].name, commands[i].summary);
		fprintf(out, "\nkemari COMMAND --help says more; kemari(8) is the manual. --version shows "
			     "the version.\n");
		return;
	}
	for (i = 0; i < NR_COMMANDS; i++) {
		if (!strcmp(commands[i].name, topic))
			fprintf(out, "usage: kemari %s %s\n\n%c%s.\n\n%s", topic, commands[i].usage,
				commands[i].summary[0] - 'a' + 'A', commands[i].summary + 1,
				commands[i].help);
	}
}
