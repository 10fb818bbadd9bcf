/* SPDX-License-Identifier: GPL-2.0-only */
/* kemari-syncd: the data plane of all protected VMs of this host. */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <qb/qbloop.h>
#include <systemd/sd-daemon.h>
#include <xenctrl.h>

#include "bootid.h"
#include "control/control.h"
#include "daemon.h"
#include "hvop.h"
#include "later.h"
#include "log.h"
#include "stall.h"
#include "transport/transport.h"
#include "vm/resource.h"
#include "vm/vms.h"
#include "xenstore/domwatch.h"
#include "xenstore/xsconn.h"
#include "xenstore/xswire.h"

#ifndef KEMARI_VERSION
#define KEMARI_VERSION "unknown"
#endif

static int stop(int32_t sig, void *arg)
{
	struct daemon *d = arg;

	kem_info("signal %d: stopping; guests wait at their next output until kemari-syncd is back", sig);
	qb_loop_stop(d->loop);
	return 0;
}

static void xenstore_lost(void *arg)
{
	struct daemon *d = arg;

	kem_err("the connection to xenstored is lost: stopping");
	qb_loop_stop(d->loop);
}

static int open_transport(struct daemon *d)
{
	const struct kem_config *c = &d->cfg;
	struct transport_cfg cfg = { .loop = d->loop,
				     .key_file = c->key_file,
				     .priority = c->tls_priority,
				     .silence_ms = c->link_timeout_ms,
				     .keepalive_ms = c->link_timeout_ms / 6,
				     /* a whole epoch may wait, and the next one with it */
				     .high_water = (size_t)c->staging_mb << 20 };
	const char *addr = strcmp(c->listen_address, "*") ? c->listen_address : NULL;
	char why[TRANSPORT_WHY_MAX];
	int rc = transport_open(&cfg, &d->transport, why);

	if (!rc)
		rc = transport_listen(d->transport, addr, (uint16_t)c->port, vms_accepted, d, why);
	if (rc)
		kem_err("%s", why);
	return rc;
}

static int open_xen(struct daemon *d)
{
	static const struct domwatch_ops watch = { .released = vms_released, .introduced = vms_look_beside };
	int rc;

	d->hv = hvop_open();
	if (!d->hv)
		return -errno; /* hvop_open said what to do */
	d->xc = xc_interface_open(NULL, NULL, 0);
	if (!d->xc) {
		kem_err("cannot open Xen's control interface: %s", strerror(errno));
		return -ENODEV;
	}
	rc = xsconn_open(d->loop, xenstore_lost, d, &d->xs);
	if (!rc)
		rc = xswire_open(NULL, &d->wire);
	if (!rc)
		rc = domwatch_open(d->xs, &watch, d, &d->domwatch);
	if (rc)
		kem_err("cannot work with xenstored: %s", strerror(-rc));
	return rc;
}

static int start(struct daemon *d)
{
	static const struct control_handlers handlers = { .request = vms_request };
	char path[KEM_CONFIG_STR + sizeof(CONTROL_SOCKET) + 1];
	const struct control_options opt = { .path = path, .access_group = d->cfg.control_group };
	int rc;

	snprintf(path, sizeof(path), "%s/%s", d->cfg.run_dir, CONTROL_SOCKET);
	if (mkdir(d->cfg.run_dir, 0700) && errno != EEXIST) {
		kem_err("cannot make %s: %s", d->cfg.run_dir, strerror(errno));
		return -errno;
	}
	d->boot = boot_id_number();
	rc = later_open(d->loop, &d->later);
	if (!rc)
		rc = open_xen(d);
	if (!rc)
		rc = open_transport(d);
	if (!rc)
		resources_load(d);
	if (!rc)
		rc = vms_reopen(d); /* from the loop; the control socket answers meanwhile */
	if (!rc)
		rc = control_start(d->loop, &handlers, d, &opt, &d->control);
	return rc;
}

static void finish(struct daemon *d)
{
	if (d->control)
		control_stop(d->control);
	d->control = NULL;
	vms_close(d);
	domwatch_close(d->domwatch);
	if (d->transport)
		transport_close(d->transport);
	xswire_close(d->wire);
	if (d->xs)
		xsconn_close(d->xs);
	if (d->xc)
		xc_interface_close(d->xc);
	if (d->hv)
		hvop_close(d->hv);
	later_close(d->later);
}

static int usage(FILE *f)
{
	fprintf(f, "usage: kemari-syncd [--config FILE] [--foreground] [--debug]\n"
		   "Mirrors the protected VMs of this host and serves their devices; see kemari-syncd(8).\n"
		   "  --config FILE  instead of " KEM_CONFIG_FILE "\n"
		   "  --foreground   messages go to stderr\n"
		   "  --debug        more of them\n"
		   "  --version, --help\n");
	return f == stderr ? 2 : 0;
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
	char err[KEM_CONFIG_ERR];
	struct stall *stall = NULL;
	struct daemon d = { 0 };
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
			puts("kemari-syncd " KEMARI_VERSION);
			return 0;
		case 'h':
			return usage(stdout);
		default:
			return usage(stderr);
		}
	if (optind != argc)
		return usage(stderr);
	kem_log_init("kemari-syncd", foreground, debug);
	rc = kem_config_load(config, &d.cfg, err, sizeof(err));
	if (rc) {
		fprintf(stderr, "kemari-syncd: %s\n", err);
		kem_err("%s", err);
		return 1;
	}
	signal(SIGPIPE, SIG_IGN);
	d.loop = qb_loop_create();
	if (!d.loop)
		return 1;
	qb_loop_signal_add(d.loop, QB_LOOP_HIGH, SIGTERM, &d, stop, NULL);
	qb_loop_signal_add(d.loop, QB_LOOP_HIGH, SIGINT, &d, stop, NULL);
	rc = start(&d);
	if (!rc)
		rc = stall_open(d.loop, &stall);
	if (!rc) {
		kem_info("ready");
		sd_notify(0, "READY=1");
		qb_loop_run(d.loop);
	}
	stall_close(stall);
	finish(&d);
	kem_log_fini();
	return rc ? 1 : 0;
}
