/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Exercises the xenstore room against real Xen; `run` beside this file drives it.  Runs in dom0.
 *
 *   xs-lab boot RECORD D SECONDS   takes the console, offers the devices, unpauses; prints what the frontends
 * publish xs-lab snapshot D FILE         writes the guest's block to FILE; fails if reading it twice differs
 * without traffic xs-lab restore RECORD D FILE   makes the shell D look as FILE says, twice (the second time
 * nothing may be left to do) xs-lab serve RECORD D SECONDS  reattaches to the devices and answers xl destroy
 */
#include <errno.h>
#include <fcntl.h>
#include <pty.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include <qb/qbloop.h>
#include <xenctrl.h>
#include <xenforeignmemory.h>

#include <xen/hvm/params.h>

#include "domain/record.h"
#include "lib/log.h"
#include "xenstore/console_take.h"
#include "xenstore/domwatch.h"
#include "xenstore/tree.h"
#include "xenstore/xendev.h"
#include "xenstore/xsconn.h"
#include "xenstore/xswire.h"

struct lab {
	qb_loop_t *loop;
	struct xsconn *xs;
	struct xswire *wire;
	xc_interface *xc;
	xenforeignmemory_handle *fmem;
	uint32_t domid;
	struct vm_record rec;
	struct xendev_bus *bus;
	struct console_take *take;
	unsigned int connected;
	int console_err;
	bool lost;
};

static void die(const char *what, int err)
{
	fprintf(stderr, "xs-lab: %s: %s\n", what, strerror(-err));
	exit(1);
}

static double now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1e3 + ts.tv_nsec / 1e6;
}

static void on_lost(void *arg)
{
	struct lab *l = arg;

	l->lost = true;
	qb_loop_stop(l->loop);
}

static void stop(void *arg)
{
	struct lab *l = arg;

	qb_loop_stop(l->loop);
}

static void open_all(struct lab *l)
{
	int err;

	l->loop = qb_loop_create();
	err = xsconn_open(l->loop, on_lost, l, &l->xs);
	if (err)
		die("xsconn_open", err);
	err = xswire_open(NULL, &l->wire);
	if (err)
		die("xswire_open", err);
	l->xc = xc_interface_open(NULL, NULL, 0);
	l->fmem = xenforeignmemory_open(NULL, 0);
	if (!l->xc || !l->fmem)
		die("xc", -errno);
}

static void *map_gfn(struct lab *l, uint64_t gfn)
{
	xen_pfn_t pfn = gfn;
	int err;
	void *p = xenforeignmemory_map(l->fmem, l->domid, PROT_READ | PROT_WRITE, 1, &pfn, &err);

	if (!p || err)
		die("map", p ? err : -errno);
	return p;
}

static uint64_t param(struct lab *l, uint32_t which)
{
	uint64_t val;

	if (xc_hvm_param_get(l->xc, l->domid, which, &val))
		die("hvm param", -errno);
	return val;
}

static void load_record(struct lab *l, const char *path)
{
	static char buf[VM_RECORD_MAX + 1];
	char why[256];
	FILE *f = fopen(path, "r");
	size_t n = f ? fread(buf, 1, sizeof(buf), f) : 0;

	if (!f || vm_record_parse(buf, n, &l->rec, why, sizeof(why))) {
		fprintf(stderr, "xs-lab: %s: %s\n", path, f ? why : strerror(errno));
		exit(1);
	}
	fclose(f);
}

/* ---- devices ---- */

static int on_connect(void *arg, struct xendev *x, const struct device_cfg *cfg,
		      struct xendev_disk_info *info)
{
	struct lab *l = arg;
	uint32_t q;

	printf("connect %s features %x", xendev_path(x), cfg->features);
	for (q = 0; q < cfg->nr_queues; q++)
		printf(" queue %u: %u pages ref %u port %u/%u", q, cfg->queue[q].nr_ring_pages,
		       cfg->queue[q].ring_ref[0], cfg->queue[q].evtchn, cfg->queue[q].evtchn_rx);
	printf("\n");
	*info = (struct xendev_disk_info){
		.sectors = 262144, .sector_size = 512, .physical_sector_size = 512, .flush = true
	};
	l->connected++;
	return 0;
}

static void on_closing(void *arg, struct xendev *x, enum xendev_why why)
{
	printf("closing %s by %s\n", xendev_path(x), why == XENDEV_BY_GUEST ? "guest" : "toolstack");
	xendev_stopped(x);
}

static void on_foreign(void *arg, const char *path)
{
	printf("foreign %s\n", path);
}

static const struct xendev_ops dev_ops = { on_connect, on_closing };
static const struct xendev_bus_ops bus_ops = { on_foreign };

static void add_devices(struct lab *l, enum xendev_mode mode, struct xendev **dev)
{
	unsigned int i;
	int err = xendev_bus_open(l->xs, l->domid, l->rec.name, &bus_ops, l, &l->bus);

	for (i = 0; !err && i < l->rec.nr_disks; i++)
		err = xendev_add_disk(l->bus, &l->rec.disk[i], mode, &dev_ops, l, dev++);
	for (i = 0; !err && i < l->rec.nr_nics; i++)
		err = xendev_add_nic(l->bus, &l->rec.nic[i], mode, &dev_ops, l, dev++);
	if (err)
		die("add devices", err);
}

/* ---- boot ---- */

static void on_console(void *arg, int err, uint32_t port)
{
	struct lab *l = arg;

	printf("console: error %d port %u\n", err, port);
	l->take = NULL;
	l->console_err = err;
	qb_loop_stop(l->loop);
}

static void take_console(struct lab *l)
{
	int master, slave, err;
	char tty[64];
	double t0 = now_ms();

	if (openpty(&master, &slave, tty, NULL, NULL))
		die("openpty", -errno);
	err = console_take(l->xs, l->loop, l->xc, l->domid, l->rec.name, tty, on_console, l, &l->take);
	if (err)
		die("console_take", err);
	qb_loop_run(l->loop);
	if (l->console_err)
		exit(1);
	printf("console taken in %.0f ms, tty %s\n", now_ms() - t0, tty);
}

static void run_for(struct lab *l, unsigned int seconds)
{
	qb_loop_timer_handle t;

	setvbuf(stdout, NULL, _IOLBF, 0);
	qb_loop_timer_add(l->loop, QB_LOOP_MED, seconds * 1000000000ULL, l, stop, &t);
	qb_loop_run(l->loop);
	if (l->lost) {
		printf("xenstored lost\n");
		exit(3);
	}
}

static int do_boot(struct lab *l, unsigned int seconds)
{
	struct xendev *dev[VM_MAX_DISKS + VM_MAX_NICS];

	take_console(l);
	add_devices(l, XENDEV_NEW, dev);
	if (xc_domain_unpause(l->xc, l->domid))
		die("unpause", -errno);
	run_for(l, seconds);
	printf("connected %u\n", l->connected);
	return l->connected ? 0 : 1;
}

/* ---- tree ---- */

static int do_snapshot(struct lab *l, const char *file)
{
	const void *page = map_gfn(l, param(l, HVM_PARAM_STORE_PFN)), *buf;
	struct guest_tree *g;
	uint64_t v1, v2;
	size_t len;
	double t0;
	bool idle;
	FILE *f;
	int err = guest_tree_open(l->xs, l->wire, l->domid, "lab", &g);

	if (err)
		die("guest_tree_open", err);
	t0 = now_ms();
	idle = guest_tree_idle(g, page);
	printf("idle %d (%.2f ms)", idle, now_ms() - t0);
	t0 = now_ms();
	idle = guest_tree_idle(g, page);
	printf(" again %d (%.3f ms)\n", idle, now_ms() - t0);
	t0 = now_ms();
	err = guest_tree_snapshot(g, page, &buf, &len, &v1);
	if (err)
		die("snapshot", err);
	printf("snapshot %zu bytes version %lu (%.2f ms)", len, v1, now_ms() - t0);
	t0 = now_ms();
	err = guest_tree_snapshot(g, page, &buf, &len, &v2);
	printf(" again version %lu (%.3f ms)\n", v2, now_ms() - t0);
	if (err || v1 != v2 || !idle)
		return 1;
	f = fopen(file, "w");
	if (!f || fwrite(buf, 1, len, f) != len || fclose(f))
		die(file, -errno);
	guest_tree_close(g);
	return 0;
}

struct follow {
	struct lab *l;
	struct guest_tree *g;
	const void *page;
	unsigned int updates;
	double worst;
};

static void on_follow(void *arg)
{
	struct follow *f = arg;
	qb_loop_timer_handle t;
	double t0 = now_ms();
	int err = guest_tree_refresh(f->g, f->page);

	if (err)
		die("refresh", err);
	/* The first one reads all. */
	if (f->updates++ && now_ms() - t0 > f->worst)
		f->worst = now_ms() - t0;
	qb_loop_timer_add(f->l->loop, QB_LOOP_MED, 50 * 1000000ULL, f, on_follow, &t);
}

static int32_t on_term(int32_t sig, void *arg)
{
	stop(arg);
	return 0;
}

static int do_follow(struct lab *l)
{
	struct follow f = { .l = l, .page = map_gfn(l, param(l, HVM_PARAM_STORE_PFN)) };
	const void *a, *b;
	size_t alen, blen;
	uint64_t version, one;
	struct guest_tree *fresh;
	int err = guest_tree_open(l->xs, l->wire, l->domid, "lab", &f.g);

	if (err)
		die("guest_tree_open", err);
	qb_loop_signal_add(l->loop, QB_LOOP_HIGH, SIGTERM, l, on_term, NULL);
	on_follow(&f);
	run_for(l, 300);
	err = guest_tree_refresh(f.g, f.page);
	if (!err)
		err = guest_tree_snapshot(f.g, f.page, &a, &alen, &version);
	if (!err)
		err = guest_tree_open(l->xs, l->wire, l->domid, "lab", &fresh);
	if (!err)
		err = guest_tree_snapshot(fresh, f.page, &b, &blen, &one);
	if (err)
		die("compare", err);
	printf("followed %lu versions, worst update %.1f ms, %zu bytes\n", version, f.worst, alen);
	if (alen == blen && !memcmp(a, b, alen))
		return 0;
	fprintf(stderr, "xs-lab: following the events gave another block than reading all\n");
	return 1;
}

static void retarget(struct tree *t, uint32_t domid)
{
	unsigned int i, k;

	for (i = 0; i < t->nr_nodes; i++)
		for (k = 0; k < t->node[i].nr_perms; k++)
			if (t->node[i].perm[k].domid == t->domid)
				t->node[i].perm[k].domid = domid;
	t->domid = domid;
}

static int do_restore(struct lab *l, const char *file)
{
	static uint8_t buf[TREE_MAX_BYTES], again[TREE_MAX_BYTES];
	struct xendev *dev[VM_MAX_DISKS + VM_MAX_NICS];
	struct xendev_disk_info info = { .sectors = 262144, .sector_size = 512, .physical_sector_size = 512 };
	struct store_ring ring = { .domid = l->domid };
	struct guest_tree *g;
	const void *got;
	struct tree t;
	char why[256];
	FILE *f = fopen(file, "r");
	size_t len = f ? fread(buf, 1, sizeof(buf), f) : 0;
	uint64_t version;
	unsigned int i, k;
	int err = f ? tree_decode(buf, len, &t, why, sizeof(why)) : -errno;

	if (err)
		die(f ? why : file, err);
	retarget(&t, l->domid);
	ring.gfn = param(l, HVM_PARAM_STORE_PFN);
	ring.evtchn = param(l, HVM_PARAM_STORE_EVTCHN);
	ring.page = map_gfn(l, ring.gfn);
	for (i = 0; i < 2; i++) {
		double t0 = now_ms(), t1, t2, t3;

		err = tree_restore_changes(l->xs, l->wire, NULL, &t, "lab");
		t1 = now_ms();
		if (!err && !i)
			add_devices(l, XENDEV_PASSIVE, dev);
		for (k = 0; !err && k < l->rec.nr_disks + l->rec.nr_nics; k++)
			err = xendev_mirror(dev[k], true, k < l->rec.nr_disks ? &info : NULL);
		t2 = now_ms();
		if (!err)
			err = tree_restore_watches(l->xs, l->wire, &ring, &t, "lab");
		t3 = now_ms();
		if (!err)
			err = store_ring_settle(l->xs, l->wire, &ring, "lab");
		if (err)
			die("restore", err);
		printf("restore: nodes %.2f ms, devices %.2f ms, watches %.2f ms, settle %.2f ms\n", t1 - t0,
		       t2 - t1, t3 - t2, now_ms() - t3);
	}
	/* What the shell now has must be the block, byte for byte. */
	err = guest_tree_open(l->xs, l->wire, l->domid, "lab", &g);
	if (!err)
		err = guest_tree_snapshot(g, ring.page, &got, &len, &version);
	if (err)
		die("read back", err);
	if ((long)len != tree_encode(&t, again, sizeof(again)) || memcmp(got, again, len)) {
		f = fopen("/tmp/xs-got", "w");
		fwrite(got, 1, len, f);
		fclose(f);
		fprintf(stderr, "xs-lab: the shell differs from the block\n");
		return 1;
	}
	printf("restored equal, %u nodes %u watches\n", t.nr_nodes, t.nr_watches);
	return 0;
}

static int do_serve(struct lab *l, unsigned int seconds)
{
	struct xendev *dev[VM_MAX_DISKS + VM_MAX_NICS];

	add_devices(l, XENDEV_REATTACH, dev);
	run_for(l, seconds);
	return 0;
}

int main(int argc, char **argv)
{
	struct lab l = { 0 };

	if (argc < 3)
		return 2;
	kem_log_init("xs-lab", true, true);
	open_all(&l);
	if (!strcmp(argv[1], "snapshot") && argc == 4) {
		l.domid = atoi(argv[2]);
		return do_snapshot(&l, argv[3]);
	}
	if (!strcmp(argv[1], "follow")) {
		l.domid = atoi(argv[2]);
		return do_follow(&l);
	}
	if (argc != 5)
		return 2;
	load_record(&l, argv[2]);
	l.domid = atoi(argv[3]);
	if (!strcmp(argv[1], "boot"))
		return do_boot(&l, atoi(argv[4]));
	if (!strcmp(argv[1], "restore"))
		return do_restore(&l, argv[4]);
	if (!strcmp(argv[1], "serve"))
		return do_serve(&l, atoi(argv[4]));
	return 2;
}
