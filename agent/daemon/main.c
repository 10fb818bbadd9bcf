/* SPDX-License-Identifier: GPL-2.0-only */
/* kemari-agent: this host's member of the cluster, for the VMs of kemari-syncd. */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <qb/qbloop.h>
#include <systemd/sd-daemon.h>

#include "agent/daemon/agent.h"
#include "agent/daemon/fencer.h"
#include "agent/daemon/group.h"
#include "agent/daemon/hosts.h"
#include "agent/daemon/identity.h"
#include "agent/daemon/operator.h"
#include "agent/daemon/order.h"
#include "agent/daemon/quorum.h"
#include "agent/daemon/syncd.h"
#include "bootid.h"
#include "log.h"
#include "monotonic.h"
#include "stall.h"
#include "syncd/control/control.h"

#ifndef KEMARI_VERSION
#define KEMARI_VERSION "unknown"
#endif

#define WATCH_PAUSE_MS 1000
#define WATCH_SILENT_MS 60000

static int stop(int32_t sig, void *arg)
{
	struct agent *a = arg;

	kem_info("signal %d: stopping; scores and guests stay as they are", sig);
	qb_loop_stop(a->loop);
	return 0;
}

/* What changed is said before anything is done about it. */
static void agent_order(struct agent *a)
{
	enum order o = order_of(&a->cluster, group_nodeid(a->group));

	if (o == ORDER_UNKNOWN)
		return;
	if (o != ORDER_WAITS)
		order_write(a->cfg.run_dir, o == ORDER_FIRST);
	if (a->second == (o == ORDER_SECOND))
		return;
	a->second = o == ORDER_SECOND;
	agent_state_now(a);
}

static void tick(void *arg)
{
	struct agent *a = arg;

	qb_loop_timer_add(a->loop, QB_LOOP_MED, QB_TIME_NS_IN_SEC, a, tick, &a->tick_timer);
	agent_hosts_tick(a);
	agent_order(a);
	agent_hardware_tick(a);
	agent_state(a);
	agent_decide(a);
	operator_look(a);
}

static void on_table(void *arg)
{
	struct agent *a = arg;

	hosts_table(a);
	agent_state(a);
	agent_touch(a);
}

static void on_relay(void *arg, const struct message_engine *e)
{
	agent_relay(arg, e);
}

static void on_protected(void *arg, const char *vm, const char *host, const char *why)
{
	agent_protected(arg, vm, host, why);
}

/* Two of them would contradict each other. */
static int lock(struct agent *a)
{
	char path[KEM_CONFIG_STR + 16];

	snprintf(path, sizeof(path), "%s/agent.lock", a->cfg.run_dir);
	a->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (a->lock_fd >= 0 && !flock(a->lock_fd, LOCK_EX | LOCK_NB))
		return 0;
	kem_err("%s: %s", path, errno == EWOULDBLOCK ? "another kemari-agent runs here" : strerror(errno));
	return -EBUSY;
}

static int start_watcher(struct agent *a)
{
	struct watcher_conf conf = { .program = KEMARI_BMC,
				     .pause_ms = WATCH_PAUSE_MS,
				     .silent_ms = WATCH_SILENT_MS,
				     .nr = a->cfg.nr_bmcs };
	unsigned int i;

	if (!conf.nr)
		return 0;
	agent_hardware_begin(a);
	for (i = 0; i < conf.nr; i++) {
		memcpy(conf.bmc[i].host, a->health.h[i].host, sizeof(conf.bmc[i].host));
		memcpy(conf.bmc[i].file, a->cfg.bmc[i].file, sizeof(conf.bmc[i].file));
	}
	return watcher_start(&conf, &agent_watcher_ops, a, &a->watcher);
}

/* Before there is a loop: the helpers are forked from a process that has nothing open. */
static int start_helpers(struct agent *a)
{
	int rc = attrd_start(agent_helper_gone, a, &a->attrd);

	if (!rc)
		rc = fencer_start(&agent_fencer_ops, a, &a->fencer);
	return rc ? rc : start_watcher(a);
}

static int start(struct agent *a)
{
	static const struct syncd_ops syncd_ops = { .table = on_table,
						    .relay = on_relay,
						    .protected = on_protected };
	char socket[KEM_CONFIG_STR + sizeof(CONTROL_SOCKET) + 1];
	int rc;

	snprintf(socket, sizeof(socket), "%s/%s", a->cfg.run_dir, CONTROL_SOCKET);
	snprintf(a->state_path, sizeof(a->state_path), "%s/%s", a->cfg.run_dir, PROOF_FILE);
	if (mkdir(a->cfg.run_dir, 0755) && errno != EEXIST) {
		kem_err("cannot make %s: %s", a->cfg.run_dir, strerror(errno));
		return -errno;
	}
	a->boot = boot_id_number();
	if (!a->boot)
		return -EIO;
	rc = lock(a);
	if (rc)
		return rc;
	a->started_ns = monotonic_ns();
	identity_read(a->bmc_uuid);
	agent_load(a);
	rc = attrd_listen(a->attrd, a->loop);
	if (!rc)
		rc = fencer_listen(a->fencer, a->loop);
	if (!rc && a->watcher)
		rc = watcher_listen(a->watcher, a->loop);
	if (!rc)
		rc = quorum_open(a->loop, &agent_quorum_ops, a, &a->quorum);
	if (!rc)
		rc = syncd_open(a->loop, socket, &syncd_ops, a, &a->syncd);
	if (!rc)
		rc = agent_join(a);
	if (!rc)
		rc = operator_start(a);
	if (!rc)
		rc = qb_loop_timer_add(a->loop, QB_LOOP_MED, QB_TIME_NS_IN_SEC, a, tick, &a->tick_timer);
	return rc;
}

static void finish(struct agent *a)
{
	operator_stop(a);
	group_close(a->group);
	quorum_close(a->quorum);
	syncd_close(a->syncd);
	watcher_stop(a->watcher);
	fencer_stop(a->fencer);
	attrd_stop(a->attrd);
	if (a->lock_fd >= 0)
		close(a->lock_fd);
}

static int usage(FILE *f)
{
	fprintf(f, "usage: kemari-agent [--config FILE] [--foreground] [--debug]\n"
		   "Brings the protected VMs of this host and the cluster together; see kemari-agent(8).\n"
		   "  --config FILE  instead of " KEM_CONFIG_FILE "\n"
		   "  --foreground   messages go to stderr\n"
		   "  --debug        more of them\n"
		   "  --version, --help\n");
	return f == stderr ? 2 : 0;
}

static int load_config(struct agent *a, const char *path)
{
	char err[KEM_CONFIG_ERR];
	int rc = kem_config_load(path, &a->cfg, err, sizeof(err));
	unsigned int i;

	if (!rc && !row_host_name_ok(a->cfg.host_name)) {
		snprintf(err, sizeof(err), "host_name '%.80s' is no cluster node's name", a->cfg.host_name);
		rc = -EINVAL;
	}
	for (i = 0; !rc && i < a->cfg.nr_bmcs; i++) {
		if (row_host_name_ok(a->cfg.bmc[i].host))
			continue;
		snprintf(err, sizeof(err), "bmc '%.80s' is no cluster node's name", a->cfg.bmc[i].host);
		rc = -EINVAL;
	}
	if (rc) {
		fprintf(stderr, "kemari-agent: %s\n", err);
		kem_err("%s", err);
	}
	return rc;
}

static int run(struct agent *a)
{
	struct stall *stall = NULL;
	int rc = start_helpers(a);

	if (rc)
		return rc;
	a->loop = qb_loop_create();
	if (!a->loop)
		return -ENOMEM;
	qb_loop_signal_add(a->loop, QB_LOOP_HIGH, SIGTERM, a, stop, NULL);
	qb_loop_signal_add(a->loop, QB_LOOP_HIGH, SIGINT, a, stop, NULL);
	rc = start(a);
	if (!rc)
		rc = stall_open(a->loop, &stall);
	if (!rc) {
		kem_info("ready");
		sd_notify(0, "READY=1");
		qb_loop_run(a->loop);
	}
	stall_close(stall);
	return rc ? rc : a->failed ? -EPIPE : 0;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "config", required_argument, NULL, 'c' }, { "foreground", no_argument, NULL, 'f' },
		{ "debug", no_argument, NULL, 'd' },	    { "version", no_argument, NULL, 'v' },
		{ "help", no_argument, NULL, 'h' },	    { 0 }
	};
	const char *config = KEM_CONFIG_FILE;
	bool foreground = false, debug = false;
	struct agent *a;
	int rc, o;

	while ((o = getopt_long(argc, argv, "c:fd", options, NULL)) != -1)
		switch (o) {
		case 'c':
			config = optarg;
			break;
		case 'f':
			foreground = true;
			break;
		case 'd':
			debug = true;
			break;
		case 'v':
			puts("kemari-agent " KEMARI_VERSION);
			return 0;
		case 'h':
			return usage(stdout);
		default:
			return usage(stderr);
		}
	if (optind != argc)
		return usage(stderr);
	kem_log_init("kemari-agent", foreground, debug);
	signal(SIGPIPE, SIG_IGN);
	a = calloc(1, sizeof(*a));
	if (!a)
		return 1;
	a->lock_fd = -1;
	rc = load_config(a, config);
	if (!rc)
		rc = run(a);
	finish(a);
	free(a);
	kem_log_fini();
	return rc ? 1 : 0;
}
