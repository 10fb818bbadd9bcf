/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fencing/options.h"

#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <uuid/uuid.h>

#include "fencing/secret.h"

enum kind { KIND_STRING, KIND_NUMBER, KIND_SECONDS, KIND_FLAG, KIND_ACTION, KIND_IGNORED };

struct option_def {
	const char *name; /* on standard input, and with - for _ on the command line */
	char letter;	  /* 0: none */
	enum kind kind;
	size_t at;
	uint32_t number, min, max; /* number: the default */
	const char *text;	   /* the default of a string */
	bool required;
	const char *about;
};

#define AT(field) offsetof(struct fence_options, field)

/* Everything there is, in the order of --help. */
static const struct option_def defs[] = {
	{ "action", 'o', KIND_ACTION, AT(action), .text = "reboot", .required = true,
	  .about = "Fencing action" },
	{ "ip", 'a', KIND_STRING, AT(ip), .required = true, .about = "Address or name of the BMC" },
	{ "protocol", 0, KIND_STRING, AT(protocol_text), .text = "ipmi",
	  .about = "What the BMC speaks: ipmi (IPMI 2.0, lanplus) or redfish" },
	{ "ipport", 'u', KIND_NUMBER, AT(port), .max = 65535,
	  .about = "Its port; 0: the protocol's own, 623 (UDP) or 443 (TCP)" },
	{ "username", 'l', KIND_STRING, AT(user), .about = "User of the BMC" },
	{ "password", 0, KIND_STRING, AT(password),
	  .about = "Password, on standard input only; better a file or a script" },
	{ "password_file", 'F', KIND_STRING, AT(password_file),
	  .about = "File that holds the password, readable by its owner only" },
	{ "password_script", 'S', KIND_STRING, AT(password_script),
	  .about = "Program that prints the password" },
	{ "privlvl", 'L', KIND_STRING, AT(privilege), .text = "administrator",
	  .about = "Privilege of the session: operator or administrator" },
	{ "cipher", 'C', KIND_NUMBER, AT(cipher), .number = 3, .max = 17,
	  .about = "Cipher suite of the session" },
	{ "workarounds", 'W', KIND_STRING, AT(workarounds),
	  .about = "FreeIPMI's workarounds for this BMC, by name, with commas: authcap, intel20, "
		   "supermicro20, "
		   "sun20, opensesspriv, integritycheckvalue" },
	{ "system_uuid", 0, KIND_STRING, AT(uuid_text),
	  .about = "UUID of the host (dmidecode -s system-uuid): the BMC of another machine proves nothing" },
	{ "delay", 0, KIND_SECONDS, AT(delay), .max = 3600,
	  .about = "Wait so long before turning off, unless the BMC says off by itself" },
	{ "first_file", 0, KIND_STRING, AT(first_file),
	  .about = "No delay if there is such a file; kemari-agent keeps /run/kemari/shoot-first where this "
		   "host "
		   "shoots first" },
	{ "power_timeout", 0, KIND_SECONDS, AT(power_timeout), .number = 20, .min = 1, .max = 3600,
	  .about = "Time to see the power change" },
	{ "login_timeout", 0, KIND_SECONDS, AT(login_timeout), .number = 5, .min = 1, .max = 600,
	  .about = "Time for the BMC to answer" },
	{ "verbose", 'v', KIND_FLAG, AT(verbose), .about = "Tell each step on standard error" },
	{ "ssl_ca", 0, KIND_STRING, AT(ssl_ca),
	  .about = "Redfish: file with the certificate of who signed the BMC's, or with the BMC's own" },
	{ "ssl_pin", 0, KIND_STRING, AT(ssl_pin),
	  .about = "Redfish: hash of the BMC's public key, sha256//BASE64, instead of trust in who signed "
		   "it" },
	{ "system_id", 0, KIND_STRING, AT(system_id),
	  .about = "Redfish: name of the system, if the BMC has several" },
	/* Pacemaker gives both the node's name */
	{ "plug", 'n', KIND_IGNORED, .about = "Ignored: a BMC has one host" },
	{ "nodename", 0, KIND_IGNORED, .about = "Ignored: for Pacemaker's own use" },
};

#define NR_DEFS (sizeof(defs) / sizeof(defs[0]))

/* Of older agents, which people and Pacemaker use still. */
static const struct {
	const char *name, *now;
} old_names[] = {
	{ "ipaddr", "ip" },	  { "login", "username" },
	{ "passwd", "password" }, { "passwd_script", "password_script" },
	{ "option", "action" },
};

#define NR_OLD_NAMES (sizeof(old_names) / sizeof(old_names[0]))

static const struct {
	const char *name;
	enum fence_action action;
	bool advertised;
} actions[] = {
	{ "on", FENCE_ON, true },
	{ "off", FENCE_OFF, true },
	{ "reboot", FENCE_REBOOT, true },
	{ "status", FENCE_STATUS, true },
	{ "monitor", FENCE_MONITOR, true },
	{ "list", FENCE_LIST, true },
	{ "diag", FENCE_DIAG, true },
	{ "metadata", FENCE_METADATA, true },
	{ "validate-all", FENCE_VALIDATE, true },
	{ "meta-data", FENCE_METADATA, false },
};

#define NR_ACTIONS (sizeof(actions) / sizeof(actions[0]))

struct parse {
	struct fence_options *o;
	char *why;
};

__attribute__((format(printf, 2, 3))) static int refuse(const struct parse *p, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(p->why, FENCE_WHY, fmt, ap);
	va_end(ap);
	return -EINVAL;
}

static int set_number(const struct parse *p, const struct option_def *d, const char *value)
{
	size_t digits = strspn(value, "0123456789");
	/* fence agents take 5 and 5s for seconds */
	const char *unit = d->kind == KIND_SECONDS && !strcmp(value + digits, "s") ? "" : value + digits;
	unsigned long n;

	errno = 0;
	n = strtoul(value, NULL, 10);
	if (!digits || *unit || errno || n < d->min || n > d->max)
		return refuse(p, "%s=%s: a number from %u to %u is needed", d->name, value, d->min, d->max);
	*(uint32_t *)((char *)p->o + d->at) = (uint32_t)n;
	return 0;
}

static int set_action(const struct parse *p, const char *value)
{
	for (size_t i = 0; i < NR_ACTIONS; i++) {
		if (!strcasecmp(actions[i].name, value)) {
			p->o->action = actions[i].action;
			return 0;
		}
	}
	return refuse(p, "action=%s is not known; --help lists them", value);
}

static int set_flag(const struct parse *p, const struct option_def *d, const char *value)
{
	static const char *const yes[] = { "", "1", "true", "yes", "on" }, *const no[] = { "0", "false", "no",
											   "off" };
	bool *flag = (bool *)((char *)p->o + d->at);

	for (size_t i = 0; i < sizeof(yes) / sizeof(yes[0]); i++) {
		if (!strcasecmp(value, yes[i])) {
			*flag = true;
			return 0;
		}
	}
	for (size_t i = 0; i < sizeof(no) / sizeof(no[0]); i++) {
		if (!strcasecmp(value, no[i])) {
			*flag = false;
			return 0;
		}
	}
	return refuse(p, "%s=%s: yes or no is needed", d->name, value);
}

static int set(const struct parse *p, const struct option_def *d, const char *value)
{
	switch (d->kind) {
	case KIND_STRING:
		if (strlen(value) >= FENCE_STR)
			return refuse(p, "%s is longer than %d characters", d->name, FENCE_STR - 1);
		strcpy((char *)p->o + d->at, value);
		return 0;
	case KIND_NUMBER:
	case KIND_SECONDS:
		return set_number(p, d, value);
	case KIND_FLAG:
		return set_flag(p, d, value);
	case KIND_ACTION:
		return set_action(p, value);
	case KIND_IGNORED:
		break;
	}
	return 0;
}

static void defaults(struct fence_options *o)
{
	memset(o, 0, sizeof(*o));
	for (size_t i = 0; i < NR_DEFS; i++) {
		const struct option_def *d = &defs[i];

		if (d->kind == KIND_NUMBER || d->kind == KIND_SECONDS)
			*(uint32_t *)((char *)o + d->at) = d->number;
		else if (d->kind == KIND_STRING && d->text)
			strcpy((char *)o + d->at, d->text);
	}
}

static const struct option_def *find(const char *name)
{
	for (size_t i = 0; i < NR_DEFS; i++) {
		if (!strcmp(defs[i].name, name))
			return &defs[i];
	}
	for (size_t i = 0; i < NR_OLD_NAMES; i++) {
		if (!strcmp(old_names[i].name, name))
			return find(old_names[i].now);
	}
	return NULL;
}

static int parse_line(const struct parse *p, char *line)
{
	const struct option_def *d;
	char *value, *end = line + strlen(line);

	while (end > line && isspace((unsigned char)end[-1]))
		*--end = '\0';
	line += strspn(line, " \t");
	if (!*line || *line == '#')
		return 0;
	value = strchr(line, '=');
	if (!value)
		return refuse(p, "'%.40s' on standard input is not name=value", line);
	*value++ = '\0';
	d = find(line);
	return d ? set(p, d, value) : 0;
}

static int parse_input(const struct parse *p, FILE *in)
{
	char line[FENCE_STR * 2];
	int rc = 0;

	while (!rc && fgets(line, sizeof(line), in)) {
		if (!strchr(line, '\n') && !feof(in))
			rc = refuse(p, "a line on standard input is longer than %zu characters",
				    sizeof(line) - 2);
		else
			rc = parse_line(p, line);
	}
	explicit_bzero(line, sizeof(line));
	return rc;
}

#define LONG_BASE 256

static int parse_args(const struct parse *p, int argc, char *const argv[])
{
	struct option longs[NR_DEFS + 3] = { 0 };
	char names[NR_DEFS][32], shorts[NR_DEFS * 2 + 8] = "+hV";
	int o, rc = 0, hit;

	for (size_t i = 0; i < NR_DEFS; i++) {
		bool has_value = defs[i].kind != KIND_FLAG;

		snprintf(names[i], sizeof(names[i]), "%s", defs[i].name);
		for (char *c = names[i]; *c; c++)
			*c = *c == '_' ? '-' : *c;
		longs[i] = (struct option){ names[i], has_value ? required_argument : no_argument, NULL,
					    LONG_BASE + (int)i };
		if (defs[i].letter)
			snprintf(shorts + strlen(shorts), 3, "%c%s", defs[i].letter, has_value ? ":" : "");
	}
	longs[NR_DEFS] = (struct option){ "help", no_argument, NULL, 'h' };
	longs[NR_DEFS + 1] = (struct option){ "version", no_argument, NULL, 'V' };

	optind = 0;
	opterr = 0;
	while (!rc && (o = getopt_long(argc, argv, shorts, longs, NULL)) != -1) {
		if (o == 'h' || o == 'V') {
			p->o->action = o == 'h' ? FENCE_HELP : FENCE_VERSION;
			return 0;
		}
		hit = o >= LONG_BASE ? o - LONG_BASE : -1;
		for (size_t i = 0; hit < 0 && i < NR_DEFS; i++) {
			if (defs[i].letter && defs[i].letter == o)
				hit = (int)i;
		}
		if (hit < 0)
			rc = refuse(p, "%s: not known, or its value is missing; --help lists the options",
				    argv[optind - 1]);
		else if (defs[hit].at == AT(password) && defs[hit].kind == KIND_STRING)
			rc = refuse(p, "a password on the command line is seen by everybody (ps): use "
				       "--password-file, --password-script, or standard input");
		else
			rc = set(p, &defs[hit], optarg ? optarg : "");
	}
	if (!rc && optind < argc)
		rc = refuse(p, "'%s' is not an option; --help lists them", argv[optind]);
	return rc;
}

static bool needs_bmc(enum fence_action a)
{
	return a != FENCE_METADATA && a != FENCE_HELP && a != FENCE_VERSION;
}

static int check(const struct parse *p)
{
	struct fence_options *o = p->o;
	uuid_t parsed;

	if (!needs_bmc(o->action))
		return 0;
	if (!o->ip[0])
		return refuse(p, "ip is missing: the address or name of the BMC");
	if (!strcasecmp(o->protocol_text, "redfish"))
		o->protocol = FENCE_REDFISH;
	else if (strcasecmp(o->protocol_text, "ipmi"))
		return refuse(p, "protocol=%s: ipmi or redfish is needed", o->protocol_text);
	if (o->first_file[0] && o->first_file[0] != '/')
		return refuse(p, "first_file=%s: an absolute path is needed", o->first_file);
	if (o->ssl_pin[0] && strncmp(o->ssl_pin, "sha256//", 8))
		return refuse(p, "ssl_pin=%s: sha256// and the hash in base64 are needed", o->ssl_pin);
	if (strcasecmp(o->privilege, "administrator") && strcasecmp(o->privilege, "operator"))
		return refuse(p, "privlvl=%s: operator or administrator is needed", o->privilege);
	if (o->uuid_text[0]) {
		if (uuid_parse(o->uuid_text, parsed))
			return refuse(p,
				      "system_uuid=%s is no UUID; dmidecode -s system-uuid prints the host's",
				      o->uuid_text);
		memcpy(o->uuid, parsed, sizeof(o->uuid));
		o->has_uuid = true;
	}
	if (!!o->password[0] + !!o->password_file[0] + !!o->password_script[0] > 1)
		return refuse(p, "one of password, password_file and password_script is enough");
	if (o->password_file[0])
		return secret_from_file(o->password_file, o->password, p->why);
	if (o->password_script[0])
		return secret_from_script(o->password_script, o->password, p->why);
	return 0;
}

int fence_options_parse(int argc, char *const argv[], FILE *in, struct fence_options *o, char why[FENCE_WHY])
{
	struct parse p = { .o = o, .why = why };
	int rc;

	defaults(o);
	why[0] = '\0';
	rc = argc > 1 ? parse_args(&p, argc, argv) : parse_input(&p, in);
	if (!rc)
		rc = check(&p);
	if (rc)
		explicit_bzero(o->password, sizeof(o->password));
	return rc;
}

/* ---- what there is, for programs and for people ---- */

static void dashed(FILE *out, const char *name)
{
	for (; *name; name++)
		fputc(*name == '_' ? '-' : *name, out);
}

static const char *old_name_of(const char *name)
{
	for (size_t i = 0; i < NR_OLD_NAMES; i++) {
		if (!strcmp(old_names[i].now, name))
			return old_names[i].name;
	}
	return NULL;
}

/* old: its older name, in place of its own; NULL: under its own. */
static void metadata_parameter(FILE *out, const struct option_def *d, const char *old)
{
	static const char *const types[] = {
		[KIND_STRING] = "string", [KIND_NUMBER] = "integer", [KIND_SECONDS] = "second",
		[KIND_FLAG] = "boolean",  [KIND_ACTION] = "string",  [KIND_IGNORED] = "string",
	};

	const char *obsolete = old ? NULL : old_name_of(d->name);

	fprintf(out, "\t<parameter name=\"%s\" unique=\"0\" required=\"%d\"%s", old ? old : d->name,
		d->required, old ? " deprecated=\"1\"" : "");
	if (obsolete)
		fprintf(out, " obsoletes=\"%s\"", obsolete);
	fputs(">\n\t\t<getopt mixed=\"", out);
	if (d->letter)
		fprintf(out, "-%c, ", d->letter);
	fputs("--", out);
	dashed(out, d->name);
	if (d->kind != KIND_FLAG)
		fprintf(out, "=[%s]", d->name);
	fprintf(out, "\"/>\n\t\t<content type=\"%s\"", types[d->kind]);
	if (d->text)
		fprintf(out, " default=\"%s\"", d->text);
	else if (d->kind == KIND_NUMBER || d->kind == KIND_SECONDS)
		fprintf(out, " default=\"%u\"", d->number);
	fprintf(out, "/>\n\t\t<shortdesc lang=\"en\">%s</shortdesc>\n\t</parameter>\n", d->about);
}

void fence_metadata(FILE *out)
{
	fputs("<?xml version=\"1.0\"?>\n"
	      "<resource-agent name=\"fence_kemari\" shortdesc=\"Fence agent for BMCs, exact about off\">\n"
	      "<longdesc>fence_kemari turns a host off through its BMC (IPMI 2.0) and reports success only "
	      "after the BMC "
	      "said twice in a row that the power is off. A host that is off already is success at once. "
	      "With "
	      "system_uuid it makes sure that the BMC belongs to the host.</longdesc>\n"
	      "<vendor-url>https://wiki.xenproject.org/</vendor-url>\n<parameters>\n",
	      out);
	for (size_t i = 0; i < NR_DEFS; i++) {
		if (old_name_of(defs[i].name))
			metadata_parameter(out, &defs[i], old_name_of(defs[i].name));
		metadata_parameter(out, &defs[i], NULL);
	}
	fputs("</parameters>\n<actions>\n", out);
	for (size_t i = 0; i < NR_ACTIONS; i++) {
		if (actions[i].advertised)
			fprintf(out, "\t<action name=\"%s\"%s/>\n", actions[i].name,
				actions[i].action == FENCE_ON ? " automatic=\"0\"" : "");
	}
	fputs("</actions>\n</resource-agent>\n", out);
}

void fence_usage(FILE *out)
{
	fputs("usage: fence_kemari OPTION...    or the same as lines name=value on standard input\n"
	      "Turns a host off, or on, through its BMC; see fence_kemari(8).\n",
	      out);
	for (size_t i = 0; i < NR_DEFS; i++) {
		const struct option_def *d = &defs[i];

		if (d->kind == KIND_IGNORED || !strcmp(d->name, "password"))
			continue;
		if (d->letter)
			fprintf(out, "  -%c, --", d->letter);
		else
			fputs("      --", out);
		dashed(out, d->name);
		fprintf(out, "%s\n        %s", d->kind == KIND_FLAG ? "" : " VALUE", d->about);
		if (d->text)
			fprintf(out, " (%s)", d->text);
		else if (d->kind == KIND_NUMBER || d->kind == KIND_SECONDS)
			fprintf(out, " (%u)", d->number);
		fputc('\n', out);
	}
	fputs("  -h, --help, -V, --version\nActions: ", out);
	for (size_t i = 0; i < NR_ACTIONS; i++) {
		if (actions[i].advertised)
			fprintf(out, "%s%s", i ? ", " : "", actions[i].name);
	}
	fputs("\nExit status: 0 done (status: on), 2 status: off, 1 anything else\n", out);
}
