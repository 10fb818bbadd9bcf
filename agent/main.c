/* SPDX-License-Identifier: GPL-2.0-only */
/* The kemari command: asks kemari-syncd of this host, or kemari-agent. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "agent/args.h"
#include "agent/client.h"
#include "agent/follow.h"
#include "agent/keygen.h"
#include "agent/resource.h"
#include "agent/show.h"
#include "lib/config.h"

#define ERR_MAX 1024

static void complain(const char *why, const char *fix)
{
	fprintf(stderr, "kemari: %s\n", why);
	if (fix)
		fprintf(stderr, "        %s\n", fix);
}

static int load_config(const struct kemari_args *args, struct kem_config *cfg)
{
	const char *path = args->conf_file ? args->conf_file : KEM_CONFIG_FILE;
	char err[KEM_CONFIG_ERR];
	int rc;

	kem_config_defaults(cfg);
	rc = kem_config_load(path, cfg, err, sizeof(err));
	if (!rc || (!args->conf_file && rc == -ENOENT))
		return 0;
	complain(err, "kemari.conf(5) describes the file");
	return EXIT_FAILED;
}

static int run_keygen(const struct kemari_args *args, const struct kem_config *cfg)
{
	const char *path = args->out_file ? args->out_file : cfg->key_file;
	char why[ERR_MAX];
	int rc = keygen(path);

	if (rc) {
		snprintf(why, sizeof(why), "cannot write the key to %s: %s", path, strerror(-rc));
		complain(why, rc == -EEXIST
				      ? "hosts that share the old key would no longer understand each other; "
					"move it away first if you mean it"
			      : rc == -EACCES ? "use root, or another place with --out"
			      : rc == -ENOENT ? "make the directory first"
					      : NULL);
		return rc == -EACCES ? EXIT_NOT_PERMITTED : EXIT_FAILED;
	}
	printf("%s written. Copy it to the other host, with mode 0600, and restart kemari-syncd on both.\n",
	       path);
	return EXIT_DONE;
}

/* How answers are shown. */
struct view {
	enum control_op op;
	bool json, taps, watch, tty;
	bool line_open;	 /* a progress line without its newline */
	time_t progress; /* when the last one was shown */
	json_t *rows;	 /* gathered until their last packet */
};

static void end_line(struct view *v)
{
	if (v->line_open)
		putchar('\n');
	v->line_open = false;
}

static void show_rows(struct view *v)
{
	if (v->op == CONTROL_LOG) {
		show_story(stdout, v->rows);
	} else if (v->json) {
		json_dumpf(v->rows, stdout, v->watch ? JSON_COMPACT : JSON_INDENT(2));
		putchar('\n');
	} else {
		if (v->watch && v->tty)
			fputs("\033[H\033[J", stdout);
		v->taps ? show_taps(stdout, v->rows) : show_status(stdout, v->rows);
		if (v->watch && !v->tty)
			putchar('\n');
	}
	fflush(stdout);
	json_array_clear(v->rows);
}

/* On a terminal one line that changes; in a log a line a second. */
static void on_progress(struct view *v, const json_t *progress)
{
	time_t now = time(NULL);

	if (!v->tty && now == v->progress)
		return;
	v->progress = now;
	if (v->tty)
		fputs("\r\033[K", stdout);
	show_progress(stdout, progress);
	if (v->tty)
		v->line_open = true;
	else
		putchar('\n');
	fflush(stdout);
}

static int on_error(const json_t *answer)
{
	const char *why = json_string_value(json_object_get(answer, "error"));

	complain(why ? why : "the daemon gave no reason", json_string_value(json_object_get(answer, "fix")));
	switch (json_integer_value(json_object_get(answer, "code"))) {
	case ENOENT:
		return EXIT_NO_VM;
	case EACCES:
	case EPERM:
		return EXIT_NOT_PERMITTED;
	default:
		return EXIT_FAILED;
	}
}

/* Returns the exit status, -1 when more is to come. */
static int on_answer(struct view *v, const json_t *answer)
{
	const json_t *part;

	part = json_object_get(answer, "progress");
	if (part) {
		on_progress(v, part);
		return -1;
	}
	part = json_object_get(answer, "rows");
	if (json_is_array(part)) {
		json_array_extend(v->rows, (json_t *)part);
		if (!json_is_true(json_object_get(answer, "more")))
			show_rows(v);
		return -1;
	}
	end_line(v);
	if (!json_is_true(json_object_get(answer, "ok")))
		return on_error(answer);
	part = json_object_get(answer, "text");
	if (json_is_string(part))
		puts(json_string_value(part));
	return EXIT_DONE;
}

static bool is_agents(enum control_op op)
{
	return op == CONTROL_COLD_START;
}

static const char *daemon_of(enum control_op op)
{
	return is_agents(op) ? "kemari-agent" : "kemari-syncd";
}

static int dial(const struct kem_config *cfg, enum control_op op, int *fd)
{
	char path[PATH_MAX], why[PATH_MAX + 128], fix[128];

	snprintf(path, sizeof(path), "%s/%s", cfg->run_dir,
		 is_agents(op) ? CONTROL_AGENT_SOCKET : CONTROL_SOCKET);
	*fd = client_connect(path);
	if (*fd >= 0)
		return 0;
	if (*fd == -EACCES || *fd == -EPERM) {
		snprintf(why, sizeof(why), "this user may not control %s", daemon_of(op));
		complain(why, "use root, or join the group that control_group names in kemari.conf");
		return EXIT_NOT_PERMITTED;
	}
	snprintf(why, sizeof(why), "%s does not answer at %s: %s", daemon_of(op), path, strerror(-*fd));
	snprintf(fix, sizeof(fix), "start it: systemctl start %s; if it will not: journalctl -u %s",
		 daemon_of(op), daemon_of(op));
	complain(why, fix);
	return EXIT_NO_DAEMON;
}

static void broken_off(enum control_op op)
{
	char why[128], fix[128];

	snprintf(why, sizeof(why), "the connection to %s ended before its answer", daemon_of(op));
	snprintf(fix, sizeof(fix), "kemari status shows what came of it; journalctl -u %s shows why",
		 daemon_of(op));
	complain(why, fix);
}

static int converse(int fd, const struct kemari_args *args)
{
	struct view v = { .op = args->req.op,
			  .json = args->json,
			  .taps = args->req.taps,
			  .watch = args->req.watch,
			  .rows = json_array() };
	json_t *answer;
	int rc;

	v.tty = isatty(STDOUT_FILENO);
	rc = client_send(fd, &args->req);
	if (rc)
		errno = -rc;
	for (rc = rc ? EXIT_NO_DAEMON : -1; rc < 0;) {
		answer = client_receive(fd);
		rc = answer ? on_answer(&v, answer) : EXIT_NO_DAEMON;
		json_decref(answer);
	}
	end_line(&v);
	if (rc == EXIT_NO_DAEMON)
		broken_off(args->req.op);
	json_decref(v.rows);
	return rc;
}

/* The guest has moved by itself: should the cluster manager not want it there, it is better known. */
static int has_followed(const struct kemari_args *args, const struct kem_config *cfg)
{
	char path[PATH_MAX], why[256], fix[256];
	int rc;

	snprintf(path, sizeof(path), "%s/%s", cfg->run_dir, CONTROL_SOCKET);
	rc = follow_cluster(path, args->req.vm);
	if (!rc)
		return EXIT_DONE;
	snprintf(why, sizeof(why), "%s has moved, but %s", args->req.vm,
		 rc == -ETIMEDOUT ? "the cluster manager has it promoted here still" : strerror(-rc));
	snprintf(fix, sizeof(fix),
		 "crm_mon -1A shows the scores and whether it is in maintenance, crm_resource --constraints "
		 "-r %s "
		 "what holds it",
		 args->req.vm);
	complain(why, rc == -ETIMEDOUT ? fix : "kemari status shows what became of it");
	return EXIT_FAILED;
}

static int run_control(struct kemari_args *args, const struct kem_config *cfg)
{
	char path[PATH_MAX], why[PATH_MAX + 128];
	int fd, rc;

	if (args->req.op == CONTROL_CREATE) {
		if (!realpath(args->req.config, path)) {
			snprintf(why, sizeof(why), "%s: %s", args->req.config, strerror(errno));
			complain(why, "give the path of the VM's xl configuration");
			return EXIT_FAILED;
		}
		snprintf(args->req.config, sizeof(args->req.config), "%s", path);
	}
	rc = dial(cfg, args->req.op, &fd);
	if (rc)
		return rc;
	rc = converse(fd, args);
	close(fd);
	return rc == EXIT_DONE && args->req.op == CONTROL_SWITCHOVER ? has_followed(args, cfg) : rc;
}

/* Its libraries would cost every other command their loading. */
static int become_doctor(char *argv[])
{
	char why[ERR_MAX];

	execv(KEMARI_DOCTOR, argv);
	snprintf(why, sizeof(why), "cannot start %s: %s", KEMARI_DOCTOR, strerror(errno));
	complain(why, "install Kemari whole: `make install`, or its packages");
	return EXIT_FAILED;
}

int main(int argc, char *argv[])
{
	struct kemari_args args;
	struct kem_config cfg;
	char err[ERR_MAX];
	int rc;

	rc = kemari_args_parse(argc, argv, &args, err, sizeof(err));
	if (rc) {
		complain(err, NULL);
		return rc;
	}
	if (args.command == KEMARI_DO_HELP) {
		kemari_help(stdout, args.topic);
		return EXIT_DONE;
	}
	if (args.command == KEMARI_DO_VERSION) {
		puts("kemari " KEMARI_VERSION);
		return EXIT_DONE;
	}
	if (args.command == KEMARI_DO_DOCTOR)
		return become_doctor(argv);
	rc = load_config(&args, &cfg);
	if (rc)
		return rc;
	if (args.command == KEMARI_DO_KEYGEN)
		return run_keygen(&args, &cfg);
	if (args.command == KEMARI_DO_RESOURCE)
		return resource_action(&cfg, &args.req);
	return run_control(&args, &cfg);
}
