/* SPDX-License-Identifier: GPL-2.0-or-later */
/* kemari-bmc: watches one BMC and says on standard output, in lines of JSON, what is wrong with its host. */
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <qb/qbloop.h>

#include "agent/bmc/poller.h"
#include "agent/bmc/report.h"
#include "agent/bmc/state.h"
#include "agent/bmc/table.h"
#include "fencing/options.h"
#include "monotonic.h"

#ifndef KEMARI_VERSION
#define KEMARI_VERSION "unknown"
#endif

#define SECOND 1000000000ULL
/* A line comes at least so often, or this program is no more. */
#define SAY_NS (30 * SECOND)
#define CACHE_DIR "/run/kemari/bmc"
/* For a look under way, at the end: a session that is not closed takes a place in the BMC for a minute. */
#define END_SECONDS 2

struct watch {
	const char *host, *config_path, *table_path, *cache_dir;
	struct fence_options options;
	struct watch_table table;
	struct watch_source *source;
	struct watch_poller *poller;
	struct watch_state state;
	struct watch_look look;
	qb_loop_t *loop;
	char *said; /* the last line */
	uint64_t said_ns;
};

static void tell(const char *what)
{
	fprintf(stderr, "kemari-bmc: %s\n", what);
}

static struct watch_now now(void)
{
	return (struct watch_now){ .ns = monotonic_ns(), .wall = (int64_t)time(NULL) };
}

/* The line, if it is another one than the last, or the last was long ago. */
static void say(struct watch *w)
{
	char *line = watch_report(w->host, &w->state);
	uint64_t at = monotonic_ns();

	if (!line || (w->said && !strcmp(line, w->said) && at - w->said_ns < SAY_NS)) {
		free(line);
		return;
	}
	if (puts(line) < 0 || fflush(stdout))
		qb_loop_stop(w->loop); /* nobody reads it */
	free(w->said);
	w->said = line;
	w->said_ns = at;
}

static int32_t on_look(int32_t fd, int32_t revents, void *data)
{
	struct watch *w = data;

	if (watch_poller_take(w->poller, &w->look)) {
		watch_state_look(&w->state, &w->look, now());
		say(w);
	}
	return 0;
}

static int32_t on_reader(int32_t fd, int32_t revents, void *data)
{
	struct watch *w = data;

	qb_loop_stop(w->loop); /* who started it has gone */
	return -1;
}

static int32_t on_signal(int32_t signal_number, void *data)
{
	struct watch *w = data;

	qb_loop_stop(w->loop);
	return -1;
}

static void on_second(void *data)
{
	struct watch *w = data;
	qb_loop_timer_handle timer;

	watch_state_waiting(&w->state, watch_poller_waiting(w->poller), now());
	/* the first line is the first look's, if there is one */
	if (w->said || monotonic_ns() - w->said_ns >= SAY_NS)
		say(w);
	qb_loop_timer_add(w->loop, QB_LOOP_MED, SECOND, w, on_second, &timer);
}

static int run(struct watch *w)
{
	qb_loop_timer_handle timer;
	struct stat st;
	int rc, fd;

	w->loop = qb_loop_create();
	if (!w->loop)
		return -ENOMEM;
	w->said_ns = monotonic_ns();
	/* a closed pipe is an error of the write */
	signal(SIGPIPE, SIG_IGN);
	rc = qb_loop_signal_add(w->loop, QB_LOOP_HIGH, SIGTERM, w, on_signal, NULL);
	if (!rc)
		rc = qb_loop_signal_add(w->loop, QB_LOOP_HIGH, SIGINT, w, on_signal, NULL);
	if (!rc && !fstat(STDOUT_FILENO, &st) && (S_ISFIFO(st.st_mode) || S_ISSOCK(st.st_mode)))
		rc = qb_loop_poll_add(w->loop, QB_LOOP_LOW, STDOUT_FILENO, POLLERR, w, on_reader);
	if (!rc)
		rc = watch_poller_begin(w->source, &w->table, &w->poller, &fd);
	if (!rc)
		rc = qb_loop_poll_add(w->loop, QB_LOOP_MED, fd, POLLIN, w, on_look);
	if (!rc)
		rc = qb_loop_timer_add(w->loop, QB_LOOP_MED, SECOND, w, on_second, &timer);
	if (!rc)
		qb_loop_run(w->loop);
	return rc;
}

/* ---- what it is told ---- */

/* A password in the file: the file is a secret. */
static int check_secret(FILE *in, const struct fence_options *o, char why[FENCE_WHY])
{
	struct stat st;

	if (!o->password[0] || o->password_file[0] || o->password_script[0])
		return 0;
	if (!fstat(fileno(in), &st) && !(st.st_mode & 077))
		return 0;
	snprintf(why, FENCE_WHY, "it has a password, and others may read it; chmod 600");
	return -EPERM;
}

static int read_options(struct watch *w)
{
	char *const argv[] = { "kemari-bmc", NULL };
	char why[FENCE_WHY] = "";
	FILE *in = fopen(w->config_path, "re");
	int rc = in ? fence_options_parse(1, argv, in, &w->options, why) : -errno;

	if (!rc && !w->options.ip[0]) {
		snprintf(why, sizeof(why), "ip is missing: the address or name of the BMC");
		rc = -EINVAL;
	}
	if (!rc && w->options.action == FENCE_METADATA) {
		snprintf(why, sizeof(why), "action=metadata has no place here");
		rc = -EINVAL;
	}
	if (!rc)
		rc = check_secret(in, &w->options, why);
	if (in)
		fclose(in);
	if (rc)
		fprintf(stderr, "kemari-bmc: %s: %s\n", w->config_path, why[0] ? why : strerror(-rc));
	return rc;
}

static int read_table(struct watch *w)
{
	char err[WATCH_TABLE_ERR];
	int rc;

	watch_table_defaults(&w->table);
	rc = watch_table_load(w->table_path ? w->table_path : WATCH_TABLE_FILE, &w->table, err);
	if (rc == -ENOENT && !w->table_path)
		return 0;
	if (rc)
		tell(err);
	return rc;
}

static int make_cache(const char *dir)
{
	char parent[PATH_MAX], *slash;

	snprintf(parent, sizeof(parent), "%s", dir);
	slash = strrchr(parent, '/');
	if (slash && slash != parent) {
		*slash = '\0';
		mkdir(parent, 0755);
	}
	if (!mkdir(dir, 0700) || errno == EEXIST)
		return 0;
	fprintf(stderr, "kemari-bmc: %s: %s\n", dir, strerror(errno));
	return -errno;
}

static int open_source(struct watch *w)
{
	char why[BMC_WHY] = "";
	int rc;

	if (w->options.protocol == FENCE_REDFISH) {
		rc = watch_redfish_open(&w->options, &w->table, &w->source, why);
	} else {
		rc = make_cache(w->cache_dir);
		if (rc)
			return rc;
		rc = watch_ipmi_open(&w->options, &w->table, w->cache_dir, &w->source, why);
	}
	if (rc)
		tell(why[0] ? why : strerror(-rc));
	return rc;
}

static void usage(FILE *out)
{
	fputs("usage: kemari-bmc --host NAME --bmc-config FILE [--events FILE] [--cache DIR]\n"
	      "Watches one BMC; kemari-agent starts it. See kemari-bmc(8).\n"
	      "  --host NAME        whose BMC it is\n"
	      "  --bmc-config FILE  how to reach it: lines name=value as fence_kemari takes them\n"
	      "  --events FILE      what is to be done about what (" WATCH_TABLE_FILE ")\n"
	      "  --cache DIR        for descriptions of sensors (" CACHE_DIR ")\n"
	      "  --help, --version\n",
	      out);
}

/* 0: go on; 1: done; negative: it makes no sense. */
static int parse_args(struct watch *w, int argc, char **argv)
{
	static const struct option longs[] = {
		{ "host", required_argument, NULL, 'H' },
		{ "bmc-config", required_argument, NULL, 'b' },
		{ "events", required_argument, NULL, 'e' },
		{ "cache", required_argument, NULL, 'c' },
		{ "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'V' },
		{ 0 },
	};
	int o;

	while ((o = getopt_long(argc, argv, "", longs, NULL)) != -1) {
		switch (o) {
		case 'H':
			w->host = optarg;
			break;
		case 'b':
			w->config_path = optarg;
			break;
		case 'e':
			w->table_path = optarg;
			break;
		case 'c':
			w->cache_dir = optarg;
			break;
		case 'h':
			usage(stdout);
			return 1;
		case 'V':
			puts("kemari-bmc " KEMARI_VERSION);
			return 1;
		default:
			return -EINVAL;
		}
	}
	if (optind == argc && w->host && w->config_path)
		return 0;
	usage(stderr);
	return -EINVAL;
}

static void end(struct watch *w)
{
	bool ended = !w->poller || watch_poller_end(w->poller, END_SECONDS);

	if (ended && w->source)
		w->source->ops->close(w->source);
	if (w->loop)
		qb_loop_destroy(w->loop);
	free(w->said);
	explicit_bzero(w->options.password, sizeof(w->options.password));
	/* a look that does not end ends with the process, which must not wait for it */
	if (!ended)
		_exit(EXIT_SUCCESS);
}

int main(int argc, char **argv)
{
	struct watch *w = calloc(1, sizeof(*w));
	int rc;

	if (!w)
		return EXIT_FAILURE;
	w->cache_dir = CACHE_DIR;
	rc = parse_args(w, argc, argv);
	if (rc) {
		free(w);
		return rc < 0 ? 2 : EXIT_SUCCESS;
	}
	/* it is of no use without who started it */
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	umask(077);
	rc = read_table(w);
	if (!rc)
		rc = read_options(w);
	if (!rc)
		rc = open_source(w);
	if (!rc) {
		watch_state_init(&w->state, &w->table);
		rc = run(w);
		if (rc)
			tell(strerror(-rc));
	}
	end(w);
	free(w);
	return rc ? EXIT_FAILURE : EXIT_SUCCESS;
}
