/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/bmc/table.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TEXT_MAX (64U << 10)
#define WEEK (7 * 86400)

static const struct key {
	const char *name;
	size_t at;
	uint32_t number, min, max; /* number: the default */
} keys[] = {
	{ "interval", offsetof(struct watch_table, interval), 5, 1, 300 },
	{ "sensor_interval", offsetof(struct watch_table, sensor_interval), 10, 1, 3600 },
	{ "slow_after", offsetof(struct watch_table, slow_after), 20, 1, 600 },
	{ "settle", offsetof(struct watch_table, settle), 120, 0, 3600 },
	{ "storm_count", offsetof(struct watch_table, storm_count), 10, 1, WATCH_STORM_MAX },
	{ "storm_within", offsetof(struct watch_table, storm_within), 3600, 1, WEEK },
};

#define NR_KEYS (sizeof(keys) / sizeof(keys[0]))

struct parser {
	const char *name;
	unsigned int line;
	unsigned int key_seen[NR_KEYS]; /* line of the first setting */
	unsigned int rule_seen[WATCH_KINDS];
	struct watch_table t;
	char *err;
};

__attribute__((format(printf, 2, 3))) static int refuse(const struct parser *p, const char *fmt, ...)
{
	va_list ap;
	int n = snprintf(p->err, WATCH_TABLE_ERR, "%s:%u: ", p->name, p->line);

	if (n >= 0 && n < WATCH_TABLE_ERR) {
		va_start(ap, fmt);
		vsnprintf(p->err + n, (size_t)(WATCH_TABLE_ERR - n), fmt, ap);
		va_end(ap);
	}
	return -EINVAL;
}

void watch_table_defaults(struct watch_table *t)
{
	for (size_t i = 0; i < NR_KEYS; i++)
		*(uint32_t *)((char *)t + keys[i].at) = keys[i].number;
	for (int k = 0; k < WATCH_KINDS; k++)
		t->rule[k] = watch_kind_default(k);
}

static int number(const struct parser *p, const char *name, const char *value, uint32_t min, uint32_t max,
		  uint32_t *out)
{
	unsigned long n;
	char *end;

	errno = 0;
	n = strtoul(value, &end, 10);
	if (!isdigit((unsigned char)value[0]) || *end || errno || n < min || n > max)
		return refuse(p, "%s: '%.64s' is not a number from %u to %u", name, value, min, max);
	*out = (uint32_t)n;
	return 0;
}

static int set_key(struct parser *p, const char *name, const char *value)
{
	size_t i = 0;

	while (i < NR_KEYS && strcmp(keys[i].name, name))
		i++;
	if (i == NR_KEYS)
		return refuse(p, "unknown key '%.64s'; bmc-events.conf(5) lists the keys", name);
	if (p->key_seen[i])
		return refuse(p, "%s: already set in line %u", name, p->key_seen[i]);
	p->key_seen[i] = p->line;
	return number(p, name, value, keys[i].min, keys[i].max, (uint32_t *)((char *)&p->t + keys[i].at));
}

#define RESTART_SEEN 4U

static int set_restart(const struct parser *p, const char *event, const char *value, bool *holds,
		       unsigned int *seen)
{
	if (*seen & RESTART_SEEN)
		return refuse(p, "event %s: restart= is there twice", event);
	*seen |= RESTART_SEEN;
	*holds = !strcmp(value, "no");
	if (*holds || !strcmp(value, "yes"))
		return 0;
	return refuse(p, "event %s: restart: '%.64s' is not one of: no, yes", event, value);
}

static int set_option(struct parser *p, const char *event, char *word, struct watch_rule *rule,
		      unsigned int *seen)
{
	static const char *const names[] = { "for", "gone" };
	uint32_t *const to[] = { &rule->for_s, &rule->gone_s };
	char *value = strchr(word, '=');

	if (value)
		*value++ = '\0';
	if (value && !strcmp(word, "restart"))
		return set_restart(p, event, value, &rule->holds, seen);
	for (unsigned int i = 0; value && i < 2; i++) {
		if (strcmp(word, names[i]))
			continue;
		if (*seen & 1U << i)
			return refuse(p, "event %s: %s= is there twice", event, word);
		*seen |= 1U << i;
		return number(p, word, value, 0, WEEK, to[i]);
	}
	return refuse(p, "event %s: '%.64s' is none of: for=SECONDS, gone=SECONDS, restart=no, restart=yes",
		      event, word);
}

static int set_action(const struct parser *p, const char *event, const char *word, enum watch_action *action)
{
	static const char *const names[] = { [WATCH_IGNORE] = "ignore",
					     [WATCH_NOTE] = "note",
					     [WATCH_MOVE] = "move",
					     [WATCH_FENCE] = "fence" };

	for (int a = WATCH_IGNORE; word && a <= WATCH_FENCE; a++) {
		if (!strcmp(word, names[a])) {
			*action = a;
			return 0;
		}
	}
	return refuse(p, "event %s: '%.64s' is not one of: ignore, note, move, fence", event,
		      word ? word : "");
}

/* event NAME ACTION [for=S] [gone=S] [restart=no] */
static int set_event(struct parser *p, char *rest)
{
	char *save = NULL, *name = strtok_r(rest, " \t", &save), *word;
	enum watch_kind kind = name ? watch_kind_of(name) : WATCH_KINDS;
	unsigned int seen = 0;
	int rc;

	if (kind == WATCH_KINDS)
		return refuse(p, "event: '%.64s' is no event; bmc-events.conf(5) lists them",
			      name ? name : "");
	if (p->rule_seen[kind])
		return refuse(p, "event %s: already set in line %u", name, p->rule_seen[kind]);
	p->rule_seen[kind] = p->line;
	rc = set_action(p, name, strtok_r(NULL, " \t", &save), &p->t.rule[kind].action);
	while (!rc && (word = strtok_r(NULL, " \t", &save)))
		rc = set_option(p, name, word, &p->t.rule[kind], &seen);
	return rc;
}

/* Cuts white space off both ends, in place. */
static char *trim(char *s)
{
	char *end;

	s += strspn(s, " \t");
	for (end = s + strlen(s); end > s && strchr(" \t\r", end[-1]); end--)
		;
	*end = '\0';
	return s;
}

static int parse_line(struct parser *p, char *line)
{
	char *s, *value;

	/* a comment starts at the line's begin or after white space */
	for (s = line; (s = strchr(s, '#')); s++) {
		if (s == line || isblank((unsigned char)s[-1])) {
			*s = '\0';
			break;
		}
	}
	line = trim(line);
	if (!line[0])
		return 0;
	if (!strncmp(line, "event", 5) && (isblank((unsigned char)line[5]) || !line[5]))
		return set_event(p, line + 5);
	value = strchr(line, '=');
	if (!value)
		return refuse(p, "'%.64s': neither KEY = VALUE nor event NAME ACTION", line);
	*value++ = '\0';
	return set_key(p, trim(line), trim(value));
}

static int parse_text(struct parser *p, char *text, size_t len)
{
	char *line, *next;
	int rc = 0;

	p->line = 1;
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)text[i];

		if (c == '\n')
			p->line++;
		else if (c == 0x7f || (c < 0x20 && c != '\t' && c != '\r'))
			return refuse(p, "byte 0x%02x is not text", c);
	}
	p->line = 0;
	for (line = text; !rc && line; line = next) {
		next = strchr(line, '\n');
		if (next)
			*next++ = '\0';
		p->line++;
		rc = parse_line(p, line);
	}
	return rc;
}

/* What no single line shows. */
static int check(const struct parser *p)
{
	const struct watch_table *t = &p->t;

	if (t->sensor_interval < t->interval) {
		snprintf(p->err, WATCH_TABLE_ERR, "%s: sensor_interval (%u) is shorter than interval (%u)",
			 p->name, t->sensor_interval, t->interval);
		return -EINVAL;
	}
	for (int k = 0; k < WATCH_KINDS; k++) {
		if (t->rule[k].gone_s >= t->sensor_interval)
			continue;
		snprintf(p->err, WATCH_TABLE_ERR,
			 "%s: event %s: gone=%u: it would be over from one look to the next (sensor_interval "
			 "is %u)",
			 p->name, watch_kind_name(k), t->rule[k].gone_s, t->sensor_interval);
		return -EINVAL;
	}
	return 0;
}

int watch_table_parse(const char *name, const char *text, size_t len, struct watch_table *t,
		      char err[WATCH_TABLE_ERR])
{
	struct parser p = { .name = name, .err = err };
	char *copy = malloc(len + 1);
	int rc;

	if (!copy) {
		snprintf(err, WATCH_TABLE_ERR, "%s: %s", name, strerror(ENOMEM));
		return -ENOMEM;
	}
	memcpy(copy, text, len);
	copy[len] = '\0';
	watch_table_defaults(&p.t);
	rc = parse_text(&p, copy, len);
	if (!rc)
		rc = check(&p);
	if (!rc)
		*t = p.t;
	free(copy);
	return rc;
}

static int read_text(const char *path, char *buf, size_t *len)
{
	FILE *in = fopen(path, "re");
	int rc = 0;

	if (!in)
		return -errno;
	*len = fread(buf, 1, TEXT_MAX, in);
	if (ferror(in))
		rc = errno ? -errno : -EIO;
	else if (*len == TEXT_MAX)
		rc = -EFBIG;
	fclose(in);
	return rc;
}

int watch_table_load(const char *path, struct watch_table *t, char err[WATCH_TABLE_ERR])
{
	char *buf = malloc(TEXT_MAX);
	size_t len = 0;
	int rc = buf ? read_text(path, buf, &len) : -ENOMEM;

	if (rc)
		snprintf(err, WATCH_TABLE_ERR, "%s: %s", path, strerror(-rc));
	else
		rc = watch_table_parse(path, buf, len, t, err);
	free(buf);
	return rc;
}
