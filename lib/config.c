/* SPDX-License-Identifier: GPL-2.0-only */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/config.h"

#define FILE_MAX (64U << 10)

enum kind {
	KIND_PATH, /* absolute */
	KIND_WORD, /* no white space, may not be empty */
	KIND_HOST, /* letters, digits, '_', '-', '.' */
	KIND_NAME, /* as KIND_HOST, may be empty */
	KIND_TEXT, /* the rest of the line, may be empty */
	KIND_NUMBER,
	KIND_CHOICE, /* one of choice[], stored as its index */
};

struct key {
	const char *name;
	enum kind kind;
	size_t offset;
	const char *text; /* default of the string kinds */
	uint32_t number;  /* default of the others */
	uint32_t min, max;
	const char *choice[3];
};

#define AT(field) offsetof(struct kem_config, field)

static const struct key keys[] = {
	{ "host_name", KIND_HOST, AT(host_name), .text = "" },
	{ "listen_address", KIND_WORD, AT(listen_address), .text = "*" },
	{ "port", KIND_NUMBER, AT(port), .number = 7310, .min = 1, .max = 65535 },
	{ "key_file", KIND_PATH, AT(key_file), .text = "/etc/kemari/key" },
	{ "run_dir", KIND_PATH, AT(run_dir), .text = "/run/kemari" },
	{ "log_dir", KIND_PATH, AT(log_dir), .text = "/var/log/kemari" },
	{ "helper", KIND_PATH, AT(helper), .text = KEMARI_HELPER },
	{ "control_group", KIND_NAME, AT(control_group), .text = "" },
	{ "tls_priority", KIND_TEXT, AT(tls_priority), .text = "" },
	{ "mode", KIND_CHOICE, AT(mode), .number = KEM_MODE_ASYNC, .choice = { "async", "sync" } },
	{ "disk_write_cache", KIND_CHOICE, AT(disk_write_cache), .number = KEM_CACHE_VOLATILE,
	  .choice = { "volatile", "safe" } },
	{ "disk_answer", KIND_CHOICE, AT(disk_answer), .number = KEM_ANSWER_EARLY,
	  .choice = { "early", "written" } },
	{ "disk_commit_ms", KIND_NUMBER, AT(disk_commit_ms), .number = 20, .min = 0, .max = 1000 },
	{ "disk_error_wait_ms", KIND_NUMBER, AT(disk_error_wait_ms), .number = 20000, .min = 0,
	  .max = 3600000 },
	{ "disk_inflight_ms", KIND_NUMBER, AT(disk_inflight_ms), .number = 5000, .min = 0, .max = 600000 },
	{ "batch_window_us", KIND_NUMBER, AT(batch_window_us), .number = 1000, .min = 0, .max = 1000000 },
	{ "max_epoch_ms", KIND_NUMBER, AT(max_epoch_ms), .number = 1000, .min = 1, .max = 60000 },
	{ "idle_epoch_ms", KIND_NUMBER, AT(idle_epoch_ms), .number = 5000, .min = 1, .max = 60000 },
	{ "staging_mb", KIND_NUMBER, AT(staging_mb), .number = 64, .min = 32, .max = 65536 },
	{ "max_in_flight", KIND_NUMBER, AT(max_in_flight), .number = 2, .min = 1, .max = 6 },
	{ "link_timeout_ms", KIND_NUMBER, AT(link_timeout_ms), .number = 3000, .min = 100, .max = 600000 },
	{ "outdate_after_ms", KIND_NUMBER, AT(outdate_after_ms), .number = 10000, .min = 0, .max = 3600000 },
	{ "fence_after_ms", KIND_NUMBER, AT(fence_after_ms), .number = 10000, .min = 100, .max = 3600000 },
	{ "fence_agents_believed", KIND_TEXT, AT(fence_agents_believed), .text = "" },
	{ "power_on_after_fence", KIND_CHOICE, AT(power_on_after_fence), .number = 1,
	  .choice = { "no", "yes" } },
};

#define NR_KEYS (sizeof(keys) / sizeof(keys[0]))

struct parser {
	const char *name;
	unsigned int line;
	unsigned int seen[NR_KEYS]; /* line of the first setting */
	struct kem_config cfg;
	char *err;
	size_t err_len;
};

static int __attribute__((format(printf, 2, 3))) refuse(struct parser *p, const char *fmt, ...)
{
	va_list ap;
	int n;

	n = snprintf(p->err, p->err_len, "%s:%u: ", p->name, p->line);
	if (n >= 0 && (size_t)n < p->err_len) {
		va_start(ap, fmt);
		vsnprintf(p->err + n, p->err_len - n, fmt, ap);
		va_end(ap);
	}
	return -EINVAL;
}

static void *field(struct kem_config *cfg, const struct key *k)
{
	return (char *)cfg + k->offset;
}

void kem_config_defaults(struct kem_config *cfg)
{
	size_t i;

	_Static_assert(sizeof(cfg->mode) == sizeof(uint32_t), "choices are stored as 32 bits");
	_Static_assert(sizeof(cfg->disk_write_cache) == sizeof(uint32_t), "choices are stored as 32 bits");
	_Static_assert(sizeof(cfg->disk_answer) == sizeof(uint32_t), "choices are stored as 32 bits");

	memset(cfg, 0, sizeof(*cfg));
	for (i = 0; i < NR_KEYS; i++) {
		if (keys[i].text)
			snprintf(field(cfg, &keys[i]), KEM_CONFIG_STR, "%s", keys[i].text);
		else
			memcpy(field(cfg, &keys[i]), &keys[i].number, sizeof(uint32_t));
	}
	if (gethostname(cfg->host_name, sizeof(cfg->host_name) - 1))
		snprintf(cfg->host_name, sizeof(cfg->host_name), "localhost");
}

static bool only(const char *s, const char *extra)
{
	for (; *s; s++) {
		if (!isalnum((unsigned char)*s) && !strchr(extra, *s))
			return false;
	}
	return true;
}

static int set_string(struct parser *p, const struct key *k, const char *value)
{
	if (strlen(value) >= KEM_CONFIG_STR)
		return refuse(p, "%s: longer than %d bytes", k->name, KEM_CONFIG_STR - 1);
	switch (k->kind) {
	case KIND_PATH:
		if (value[0] != '/')
			return refuse(p, "%s: '%s' is not an absolute path", k->name, value);
		break;
	case KIND_WORD:
		if (!value[0] || strpbrk(value, " \t"))
			return refuse(p, "%s: one word without spaces is wanted", k->name);
		break;
	case KIND_HOST:
		if (!value[0] || !only(value, "_-."))
			return refuse(p, "%s: '%s' is not a host name", k->name, value);
		break;
	case KIND_NAME:
		if (!only(value, "_-."))
			return refuse(p, "%s: only letters, digits, '_', '-' and '.' are allowed", k->name);
		break;
	default:
		break;
	}
	snprintf(field(&p->cfg, k), KEM_CONFIG_STR, "%s", value);
	return 0;
}

static int set_number(struct parser *p, const struct key *k, const char *value)
{
	unsigned long number;
	char *end;

	errno = 0;
	number = strtoul(value, &end, 10);
	if (!isdigit((unsigned char)value[0]) || *end || errno || number < k->min || number > k->max)
		return refuse(p, "%s: '%s' is not a number from %u to %u", k->name, value, k->min, k->max);
	memcpy(field(&p->cfg, k), &(uint32_t){ number }, sizeof(uint32_t));
	return 0;
}

static int set_choice(struct parser *p, const struct key *k, const char *value)
{
	uint32_t i;

	for (i = 0; k->choice[i]; i++) {
		if (!strcmp(value, k->choice[i])) {
			memcpy(field(&p->cfg, k), &i, sizeof(i));
			return 0;
		}
	}
	return refuse(p, "%s: '%s' is not one of: %s, %s", k->name, value, k->choice[0], k->choice[1]);
}

static int set_key(struct parser *p, const char *name, const char *value)
{
	const struct key *k;
	size_t i;

	for (i = 0; i < NR_KEYS && strcmp(keys[i].name, name); i++)
		;
	if (i == NR_KEYS)
		return refuse(p, "unknown key '%s'; kemari.conf(5) lists the keys", name);
	k = &keys[i];
	if (p->seen[i])
		return refuse(p, "%s: already set in line %u", name, p->seen[i]);
	p->seen[i] = p->line;
	switch (k->kind) {
	case KIND_NUMBER:
		return set_number(p, k, value);
	case KIND_CHOICE:
		return set_choice(p, k, value);
	default:
		return set_string(p, k, value);
	}
}

/* host NAME ADDRESS */
static int set_host(struct parser *p, char *rest)
{
	struct kem_config *cfg = &p->cfg;
	char *save = NULL, *name, *address;
	unsigned int i;

	name = strtok_r(rest, " \t", &save);
	address = strtok_r(NULL, " \t", &save);
	if (!name || !address || strtok_r(NULL, " \t", &save))
		return refuse(p, "host: a name and an address are wanted: host NAME ADDRESS");
	if (!only(name, "_-.") || strlen(name) >= KEM_CONFIG_STR)
		return refuse(p, "host: '%.64s' is not a host name", name);
	if (!only(address, "_-.:%") || strlen(address) >= KEM_CONFIG_STR)
		return refuse(p, "host %s: '%.64s' is not an address", name, address);
	for (i = 0; i < cfg->nr_hosts; i++) {
		if (!strcmp(cfg->host[i].name, name))
			return refuse(p, "host %s: already listed", name);
	}
	if (cfg->nr_hosts == KEM_CONFIG_HOSTS)
		return refuse(p, "host %s: more than %d hosts", name, KEM_CONFIG_HOSTS);
	snprintf(cfg->host[cfg->nr_hosts].name, KEM_CONFIG_STR, "%s", name);
	snprintf(cfg->host[cfg->nr_hosts].address, KEM_CONFIG_STR, "%s", address);
	cfg->nr_hosts++;
	return 0;
}

/* bmc HOST FILE */
static int set_bmc(struct parser *p, char *rest)
{
	struct kem_config *cfg = &p->cfg;
	char *save = NULL, *host, *file;
	unsigned int i;

	host = strtok_r(rest, " \t", &save);
	file = strtok_r(NULL, " \t", &save);
	if (!host || !file || strtok_r(NULL, " \t", &save))
		return refuse(p, "bmc: a host's name and a file are wanted: bmc HOST FILE");
	if (!only(host, "_-.") || strlen(host) >= KEM_CONFIG_STR)
		return refuse(p, "bmc: '%.64s' is not a host name", host);
	if (file[0] != '/')
		return refuse(p, "bmc %s: '%.64s' is not an absolute path", host, file);
	if (strlen(file) >= KEM_CONFIG_STR)
		return refuse(p, "bmc %s: longer than %d bytes", host, KEM_CONFIG_STR - 1);
	for (i = 0; i < cfg->nr_bmcs; i++) {
		if (!strcmp(cfg->bmc[i].host, host))
			return refuse(p, "bmc %s: already listed", host);
	}
	if (cfg->nr_bmcs == KEM_CONFIG_HOSTS)
		return refuse(p, "bmc %s: more than %d of them", host, KEM_CONFIG_HOSTS);
	snprintf(cfg->bmc[cfg->nr_bmcs].host, KEM_CONFIG_STR, "%s", host);
	snprintf(cfg->bmc[cfg->nr_bmcs].file, KEM_CONFIG_STR, "%s", file);
	cfg->nr_bmcs++;
	return 0;
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

	/* A comment starts at the line's begin or after white space. */
	for (s = line; (s = strchr(s, '#')); s++) {
		if (s == line || isblank((unsigned char)s[-1])) {
			*s = '\0';
			break;
		}
	}
	line = trim(line);
	if (!line[0])
		return 0;
	if (!strncmp(line, "host", 4) && isblank((unsigned char)line[4]) && !strchr(line, '='))
		return set_host(p, line + 4);
	if (!strncmp(line, "bmc", 3) && isblank((unsigned char)line[3]) && !strchr(line, '='))
		return set_bmc(p, line + 3);
	value = strchr(line, '=');
	if (!value)
		return refuse(p, "'%.64s': neither KEY = VALUE nor host NAME ADDRESS", line);
	*value++ = '\0';
	return set_key(p, trim(line), trim(value));
}

static int parse_text(struct parser *p, char *text, size_t len)
{
	char *line, *next;
	size_t i;
	int rc;

	p->line = 1;
	for (i = 0; i < len; i++) {
		unsigned char c = text[i];

		if (c == '\n')
			p->line++;
		else if (c == 0x7f || (c < 0x20 && c != '\t' && c != '\r'))
			return refuse(p, "byte 0x%02x is not text", c);
	}
	p->line = 0;
	for (line = text; line; line = next) {
		next = strchr(line, '\n');
		if (next)
			*next++ = '\0';
		p->line++;
		rc = parse_line(p, line);
		if (rc)
			return rc;
	}
	return 0;
}

int kem_config_parse(const char *name, const char *text, size_t len, struct kem_config *cfg, char *err,
		     size_t err_len)
{
	struct parser *p;
	char *copy;
	int rc = -ENOMEM;

	p = calloc(1, sizeof(*p));
	copy = malloc(len + 1);
	if (!p || !copy) {
		snprintf(err, err_len, "%s: %s", name, strerror(ENOMEM));
		goto out;
	}
	memcpy(copy, text, len);
	copy[len] = '\0';
	p->name = name;
	p->err = err;
	p->err_len = err_len;
	kem_config_defaults(&p->cfg);
	rc = parse_text(p, copy, len);
	if (!rc)
		*cfg = p->cfg;
out:
	free(copy);
	free(p);
	return rc;
}

static int read_file(const char *path, char *buf, size_t cap, size_t *len)
{
	ssize_t n = 1;
	int fd, rc = 0;

	*len = 0;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	while (n > 0 && *len < cap) {
		n = read(fd, buf + *len, cap - *len);
		if (n > 0)
			*len += n;
	}
	if (n < 0)
		rc = -errno;
	else if (*len == cap)
		rc = -EFBIG;
	close(fd);
	return rc;
}

int kem_config_load(const char *path, struct kem_config *cfg, char *err, size_t err_len)
{
	size_t len;
	char *buf;
	int rc;

	buf = malloc(FILE_MAX);
	rc = buf ? read_file(path, buf, FILE_MAX, &len) : -ENOMEM;
	if (rc)
		snprintf(err, err_len, "%s: %s", path, strerror(-rc));
	else
		rc = kem_config_parse(path, buf, len, cfg, err, err_len);
	free(buf);
	return rc;
}

const char *kem_config_address(const struct kem_config *cfg, const char *host)
{
	unsigned int i;

	for (i = 0; i < cfg->nr_hosts; i++) {
		if (!strcmp(cfg->host[i].name, host))
			return cfg->host[i].address;
	}
	return host;
}
