/* SPDX-License-Identifier: GPL-2.0-only */
#include "hv-check.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static void usage(void)
{
	fputs("usage: hv-check DOMID COMMAND...\n"
	      "  enable | enable-fifo | disable | hold GENERATION | run GENERATION | kick PORT | time | "
	      "count | size | cpu\n"
	      "  log on|off|clean       log-dirty by the stock domctl, as xl migrate does\n"
	      "  own-log 0|1            log-dirty, kept from stock commands\n"
	      "  protect N              frames, from where the last one ended\n"
	      "  stop TIMES             stops and lets go: how often the guest was in an interrupt handler\n"
	      "  state                  prints the state\n"
	      "  roundtrip TIMES        get, set, get on a live guest: equal but for the clocks\n"
	      "  refuse                 bad blobs are refused and change nothing (domain paused)\n"
	      "  wander TIMES           vcpu_info moves away and back under fire\n"
	      "  shift SECONDS          moves the guest's clock by set_state's elapsed time\n"
	      "  clock SECONDS          sets the guest's clock by editing the state\n"
	      "  harvest EPOCHS MS      full-RAM compare finds no change that was not listed\n"
	      "  hot EPOCHS MS          the same with a hot list, and its semantics\n"
	      "  checkpoint EPOCHS MS   the same with state and context in the same operation\n"
	      "  watch FRAMES           a port is raised when so many are dirty, and never else\n"
	      "  stock EPOCHS MS        times of epochs by stock hypercalls only, for the benchmark\n"
	      "  freeze FILE            saves the paused guest, whole\n"
	      "  thaw FILE              makes a fresh, paused domain that guest\n"
	      "  tap PORT MODE          sets a tap: letters of out, in, hold, pause; - takes it away\n"
	      "  taps                   lists them\n"
	      "  deliver PORT MODE      what is held, o or i\n"
	      "  tap-in                 taps on channels of its own, and all that can be wrong with them\n"
	      "  tap-pause PORT TIMES   a busy guest is stopped in the hypercall that sends\n"
	      "  tap-resume             the guest that a tap stopped runs on\n"
	      "  area                   the area of checkpoints by taps: what is refused, what it is\n"
	      "  area-busy PORT         who is busy is let alone, who is not armed, too\n"
	      "  area-die PORT          ends when it has a checkpoint, and the guest is stopped\n"
	      "  by-tap PORT EPOCHS COPIES [anywhere]   full-RAM compare of epochs that a tap began\n"
	      "  fire PORT SECONDS      one checkpoint by a tap after the other\n"
	      "  tap-reset PORT         the guest's channels are closed from its side\n",
	      stderr);
}

static int result(int rc)
{
	if (!rc)
		puts("ok");
	else
		printf("error %d %s\n", -rc, strerror(-rc));
	return rc ? 1 : 0;
}

static void print_state(const struct xen_kemari_state *s, uint32_t size)
{
	const struct xen_kemari_vcpu *v = hvop_state_vcpus(s);
	const struct xen_kemari_port *p = hvop_state_ports(s);
	const uint64_t *gfns = hvop_state_grant_gfns(s);

	printf("size=%u vcpus=%u ports=%u grant_frames=%u grant_version=%u flags=%#x vm_assist=%#" PRIx64
	       " shared_info=%#" PRIx64 "\n",
	       size, s->nr_vcpus, s->nr_ports, s->nr_grant_frames, s->grant_version, s->flags,
	       (uint64_t)s->vm_assist, (uint64_t)s->shared_info_gfn);
	printf("system_time=%" PRIu64 " tsc=%" PRIu64 " tsc_khz=%u\n", (uint64_t)s->system_time,
	       (uint64_t)s->tsc, s->tsc_khz);
	for (uint32_t i = 0; i < s->nr_vcpus; i++)
		printf("vcpu %u flags=%#x info=%#" PRIx64 "+%#x vector=%#x shadow=%u runstate=%#" PRIx64
		       " time=%#" PRIx64 " singleshot=%" PRIu64 " period=%" PRIu64 "\n",
		       i, v[i].flags, (uint64_t)v[i].vcpu_info_gfn, v[i].vcpu_info_offset, v[i].upcall_vector,
		       v[i].interrupt_shadow, (uint64_t)v[i].runstate_area, (uint64_t)v[i].time_area,
		       (uint64_t)v[i].singleshot_abs, (uint64_t)v[i].periodic_period);
	for (uint32_t i = 0; i < s->nr_ports; i++)
		printf("port %u state=%u vcpu=%u dom=%u virq=%u remote=%u\n", p[i].port, p[i].state,
		       p[i].vcpu, p[i].remote_dom, p[i].virq, p[i].remote_port);
	for (uint32_t i = 0; i < s->nr_grant_frames; i++)
		printf("grant frame %u gfn=%#" PRIx64 "\n", i, gfns[i]);
}

/* A copy that the next call does not overwrite. */
static struct xen_kemari_state *get(struct hv *hv, uint32_t *size)
{
	const struct xen_kemari_state *s;
	struct xen_kemari_state *copy;
	int rc = hvop_get_state(hv->hvop, hv->domid, &s, size);

	if (rc) {
		printf("get_state: error %d %s\n", -rc, strerror(-rc));
		return NULL;
	}
	copy = malloc(*size);
	if (copy)
		memcpy(copy, s, *size);
	return copy;
}

static int show_state(struct hv *hv)
{
	uint32_t size;
	struct xen_kemari_state *s = get(hv, &size);

	if (!s)
		return 1;
	print_state(s, size);
	printf("check: %s\n", hvop_state_check(s, size) ? "refused" : "accepted");
	free(s);
	return 0;
}

/*
 * What runs on by itself while the guest is paused: clocks and accumulators.  A timer that fired meanwhile is
 * the difference that a comparison may not make either.
 */
static void strip_clocks(struct xen_kemari_state *s)
{
	struct xen_kemari_vcpu *v = (struct xen_kemari_vcpu *)(s + 1);

	s->system_time = 0;
	s->tsc = 0;
	for (uint32_t i = 0; i < s->nr_vcpus; i++) {
		memset(v[i].runstate_time, 0, sizeof(v[i].runstate_time));
		v[i].singleshot_abs = 0;
		v[i].flags &= ~XEN_KEMARI_VF_singleshot;
	}
}

bool hv_same_state(struct xen_kemari_state *a, uint32_t size_a, struct xen_kemari_state *b, uint32_t size_b)
{
	strip_clocks(a);
	strip_clocks(b);
	if (size_a == size_b && !memcmp(a, b, size_a))
		return true;
	puts("states differ:");
	print_state(a, size_a);
	print_state(b, size_b);
	return false;
}

static bool roundtrip_once(struct hv *hv)
{
	uint32_t size_a, size_b = 0;
	struct xen_kemari_state *a, *b = NULL;
	uint64_t armed;
	bool ok = false;
	int rc;

	xc_domain_pause(hv->xc, hv->domid);
	a = get(hv, &size_a);
	if (!a)
		goto out;

	/* The time it stood still is not the guest's. */
	armed = hvop_state_vcpus(a)->singleshot_abs;
	rc = hvop_set_state(hv->hvop, hv->domid, a, size_a, 0);
	if (rc) {
		printf("set_state: error %d %s\n", -rc, strerror(-rc));
		goto out;
	}

	b = get(hv, &size_b);
	if (!b)
		goto out;
	ok = b->system_time >= a->system_time && b->tsc >= a->tsc;
	if (!ok)
		puts("a clock went back");
	for (int i = 0; i < 4; i++)
		ok &= hvop_state_vcpus(b)->runstate_time[i] >= hvop_state_vcpus(a)->runstate_time[i];
	if ((hvop_state_vcpus(b)->flags & XEN_KEMARI_VF_singleshot) &&
	    hvop_state_vcpus(b)->singleshot_abs != armed) {
		puts("the timer moved");
		ok = false;
	}
	ok &= hv_same_state(a, size_a, b, size_b);
	hvop_kick(hv->hvop, hv->domid, 0);
out:
	xc_domain_unpause(hv->xc, hv->domid);
	free(a);
	free(b);
	return ok;
}

static int roundtrip(struct hv *hv, int times)
{
	const struct timespec gap = { .tv_nsec = 20000000 };

	for (int i = 0; i < times; i++) {
		if (!roundtrip_once(hv)) {
			printf("round trip %d failed\n", i);
			return 1;
		}
		nanosleep(&gap, NULL);
	}
	printf("%d round trips\n", times);
	return 0;
}

enum part { PART_STATE, PART_VCPU, PART_PORT, PART_PORT2, PART_LAST_PORT, PART_GFN };

/* One field of the blob, overwritten. */
struct mutation {
	const char *name;
	enum part part;
	size_t offset, size;
	uint64_t value;
};

#define IN_STATE(field)                                                                                      \
	PART_STATE, offsetof(struct xen_kemari_state, field), sizeof(((struct xen_kemari_state *)0)->field)
#define IN_VCPU(field)                                                                                       \
	PART_VCPU, offsetof(struct xen_kemari_vcpu, field), sizeof(((struct xen_kemari_vcpu *)0)->field)
#define IN_PORT(part, field)                                                                                 \
	part, offsetof(struct xen_kemari_port, field), sizeof(((struct xen_kemari_port *)0)->field)

static const struct mutation mutations[] = {
	{ "magic", IN_STATE(magic), 0 },
	{ "version", IN_STATE(version), XEN_KEMARI_STATE_VERSION + 1 },
	{ "unknown flag", IN_STATE(flags), 1U << 31 },
	{ "reserved field", IN_STATE(reserved[2]), 1 },
	{ "how it ended, of one that runs", IN_STATE(shutdown_code), 1 },
	{ "padding", IN_STATE(pad), 1 },
	{ "no vCPU", IN_STATE(nr_vcpus), 0 },
	{ "too many vCPUs", IN_STATE(nr_vcpus), XEN_KEMARI_MAX_VCPUS },
	{ "no ports", IN_STATE(nr_ports), 0 },
	{ "too many ports", IN_STATE(nr_ports), UINT32_MAX },
	{ "grant version", IN_STATE(grant_version), 2 },
	{ "shared_info elsewhere", IN_STATE(shared_info_gfn), 0x20 },
	{ "unknown vm_assist", IN_STATE(vm_assist), 1 },
	{ "grant frame elsewhere", PART_GFN, 0, sizeof(uint64_t), 0x21 },
	{ "vcpu_info offset", IN_VCPU(vcpu_info_offset), HV_PAGE - 32 },
	{ "vcpu_info where nothing is", IN_VCPU(vcpu_info_gfn), 0xf0000 },
	{ "upcall vector", IN_VCPU(upcall_vector), 0xf },
	{ "interrupt shadow", IN_VCPU(interrupt_shadow), 0x10 },
	{ "short period", IN_VCPU(periodic_period), 1 },
	{ "port 0", IN_PORT(PART_PORT, port), 0 },
	{ "a port twice", IN_PORT(PART_PORT2, port), 1 },
	{ "port state", IN_PORT(PART_PORT, state), 3 },
	{ "port of a missing vCPU", IN_PORT(PART_PORT, vcpu), XEN_KEMARI_MAX_VCPUS },
	{ "port to another domain", IN_PORT(PART_PORT, remote_dom), 7 },
	{ "port beyond the domain's limit", IN_PORT(PART_LAST_PORT, port), 4095 },
};

static void mutate(struct xen_kemari_state *s, const struct mutation *m)
{
	struct xen_kemari_vcpu *v = (struct xen_kemari_vcpu *)(s + 1);
	struct xen_kemari_port *p = (struct xen_kemari_port *)(v + s->nr_vcpus);
	void *const base[] = {
		[PART_STATE] = s,
		[PART_VCPU] = v,
		[PART_PORT] = p,
		[PART_PORT2] = p + 1,
		[PART_LAST_PORT] = p + s->nr_ports - 1,
		[PART_GFN] = p + s->nr_ports,
	};

	/* little endian */
	memcpy((uint8_t *)base[m->part] + m->offset, &m->value, m->size);
}

static bool refused(struct hv *hv, const char *name, const void *blob, uint32_t size, uint64_t elapsed)
{
	int rc = hvop_set_state(hv->hvop, hv->domid, blob, size, elapsed);

	if (rc == -EINVAL)
		return true;
	printf("%s: expected EINVAL, got %d\n", name, rc);
	return false;
}

static int refuse(struct hv *hv)
{
	uint32_t size, size_after;
	struct xen_kemari_state *s = get(hv, &size), *bad = NULL, *after = NULL;
	bool ok = true;

	if (!s)
		return 1;
	bad = malloc(size + 64);
	if (!bad)
		return 1;

	for (size_t i = 0; i < sizeof(mutations) / sizeof(mutations[0]); i++) {
		memcpy(bad, s, size);
		mutate(bad, &mutations[i]);
		ok &= refused(hv, mutations[i].name, bad, size, 0);
	}
	memcpy(bad, s, size);
	memset((uint8_t *)bad + size, 0, 64);
	for (uint32_t n = 0; n < size; n += n < 96 ? 8 : 40)
		ok &= refused(hv, "truncated", bad, n, 0);
	ok &= refused(hv, "too long", bad, size + 8, 0);
	ok &= refused(hv, "elapsed", bad, size, ~0ULL);

	after = get(hv, &size_after);
	ok &= after && hv_same_state(s, size, after, size_after);
	free(s);
	free(bad);
	free(after);
	puts(ok ? "all refused, nothing changed" : "failed");
	return ok ? 0 : 1;
}

/*
 * Moves the vcpu_info away and back while a timer that is due at once makes Xen write to it, from another CPU
 * if it can: the old place must stay mapped until nobody writes there.  Frame 0 is nobody's in a PVH Linux;
 * it is put back.
 */
static int wander(struct hv *hv, int times)
{
	const xen_pfn_t elsewhere = 0;
	uint8_t saved[HV_PAGE], *map;
	struct xen_kemari_vcpu *v;
	struct xen_kemari_state *s;
	uint64_t home_gfn, home_singleshot;
	uint32_t size, home_offset, home_flags;
	int err = 0, rc = 0;

	xc_domain_pause(hv->xc, hv->domid);
	s = get(hv, &size);
	map = hv_map(hv, &elsewhere, 1, &err);
	if (!s || !map || err)
		return 1;
	memcpy(saved, map, HV_PAGE);

	v = (struct xen_kemari_vcpu *)(s + 1);
	home_gfn = v->vcpu_info_gfn;
	home_offset = v->vcpu_info_offset;
	home_flags = v->flags;
	home_singleshot = v->singleshot_abs;
	for (int i = 0; !rc && i <= times; i++) {
		bool home = i % 2 || i == times;

		v->vcpu_info_gfn = home ? home_gfn : elsewhere;
		v->vcpu_info_offset = home ? home_offset : 0x100;
		v->flags = i == times ? home_flags : home_flags | XEN_KEMARI_VF_singleshot;
		/* due at any moment of the next call */
		v->singleshot_abs =
			i == times ? home_singleshot : s->system_time + (uint64_t)i * 7919 % 600000;
		rc = hvop_set_state(hv->hvop, hv->domid, s, size, 0);
	}
	if (!rc)
		rc = hvop_kick(hv->hvop, hv->domid, 0);

	memcpy(map, saved, HV_PAGE);
	xenforeignmemory_unmap(hv->fmem, map, 1);
	xc_domain_unpause(hv->xc, hv->domid);
	free(s);
	return result(rc);
}

/* Moves the guest's clock: by an elapsed time, or to an absolute one. */
static int set_clock(struct hv *hv, bool absolute, double seconds)
{
	uint64_t ns = (uint64_t)(seconds * 1e9);
	uint32_t size;
	struct xen_kemari_state *s;
	int rc;

	xc_domain_pause(hv->xc, hv->domid);
	s = get(hv, &size);
	if (!s)
		return 1;
	if (absolute)
		s->system_time = ns;
	rc = hvop_set_state(hv->hvop, hv->domid, s, size, absolute ? 0 : ns);
	if (!rc)
		rc = hvop_kick(hv->hvop, hv->domid, 0);
	xc_domain_unpause(hv->xc, hv->domid);
	free(s);
	return result(rc);
}

static int print_time(struct hv *hv)
{
	uint64_t system_time, tsc;
	int rc = hvop_time(hv->hvop, hv->domid, &system_time, &tsc);

	if (rc)
		return result(rc);
	printf("system_time=%" PRIu64 " tsc=%" PRIu64 "\n", system_time, tsc);
	return 0;
}

static int print_count(struct hv *hv)
{
	uint64_t count;
	int rc = hvop_dirty_count(hv->hvop, hv->domid, &count);

	if (rc)
		return result(rc);
	printf("%" PRIu64 "\n", count);
	return 0;
}

static int stock_log(struct hv *hv, const char *what)
{
	unsigned int op = !strcmp(what, "on")	 ? XEN_DOMCTL_SHADOW_OP_ENABLE_LOGDIRTY
			  : !strcmp(what, "off") ? XEN_DOMCTL_SHADOW_OP_OFF
						 : XEN_DOMCTL_SHADOW_OP_CLEAN;

	return result(xc_shadow_control(hv->xc, hv->domid, op, NULL, 0) < 0 ? -errno : 0);
}

static int protect(struct hv *hv, uint32_t nr)
{
	uint64_t next;
	int rc = hvop_protect(hv->hvop, hv->domid, nr, &next);

	if (rc)
		return result(rc);
	printf("next=%" PRId64 "\n", (int64_t)next);
	return 0;
}

/* The guest is busy and takes timer interrupts: both answers have to come, and it has to stand still, or not. */
static int stop_often(struct hv *hv, unsigned int times)
{
	unsigned int stopped = 0, inside = 0, wrong = 0;
	xc_dominfo_t info;

	for (unsigned int i = 0; i < times; i++) {
		int rc = hvop_stop(hv->hvop, hv->domid, false);

		if (rc && rc != -EAGAIN)
			return result(rc);
		wrong += xc_domain_getinfo(hv->xc, hv->domid, 1, &info) != 1 || info.paused != !rc;
		stopped += !rc;
		inside += rc == -EAGAIN;
		if (!rc)
			xc_domain_unpause(hv->xc, hv->domid);
		if (rc && !hvop_stop(hv->hvop, hv->domid, true))
			xc_domain_unpause(hv->xc, hv->domid);
		nanosleep(&(struct timespec){ .tv_nsec = 1700000 }, NULL);
	}
	printf("stopped=%u inside=%u wrong=%u\n", stopped, inside, wrong);
	return wrong || !stopped;
}

static int print_size(struct hv *hv)
{
	uint32_t size;
	int rc = hvop_state_size(hv->hvop, hv->domid, &size);

	if (rc)
		return result(rc);
	printf("%u\n", size);
	return 0;
}

/* Of its vCPUs, ns. */
static int print_cpu(struct hv *hv)
{
	xc_dominfo_t info;

	if (xc_domain_getinfo(hv->xc, hv->domid, 1, &info) != 1 || info.domid != hv->domid)
		return result(-ESRCH);
	printf("%" PRIu64 "\n", info.cpu_time);
	return 0;
}

static int command(struct hv *hv, int argc, char **argv)
{
	const char *cmd = argv[0], *arg = argc > 1 ? argv[1] : "";
	uint64_t n = strtoull(arg, NULL, 0);

	if (!strcmp(cmd, "enable"))
		return result(hvop_enable(hv->hvop, hv->domid, true));
	if (!strcmp(cmd, "enable-fifo"))
		return result(hvop_enable(hv->hvop, hv->domid, false));
	if (!strcmp(cmd, "disable"))
		return result(hvop_disable(hv->hvop, hv->domid));
	if (!strcmp(cmd, "hold"))
		return result(hvop_hold(hv->hvop, hv->domid, n));
	if (!strcmp(cmd, "run"))
		return result(hvop_run(hv->hvop, hv->domid, n));
	if (!strcmp(cmd, "kick"))
		return result(hvop_kick(hv->hvop, hv->domid, (uint32_t)n));
	if (!strcmp(cmd, "time"))
		return print_time(hv);
	if (!strcmp(cmd, "count"))
		return print_count(hv);
	if (!strcmp(cmd, "cpu"))
		return print_cpu(hv);
	if (!strcmp(cmd, "size"))
		return print_size(hv);
	if (!strcmp(cmd, "log"))
		return stock_log(hv, arg);
	if (!strcmp(cmd, "own-log"))
		return result(hvop_log(hv->hvop, hv->domid, n));
	if (!strcmp(cmd, "protect"))
		return protect(hv, (uint32_t)n);
	if (!strcmp(cmd, "stop"))
		return stop_often(hv, (unsigned int)n);
	if (!strcmp(cmd, "state"))
		return show_state(hv);
	if (!strcmp(cmd, "roundtrip"))
		return roundtrip(hv, (int)n);
	if (!strcmp(cmd, "wander"))
		return wander(hv, (int)n);
	if (!strcmp(cmd, "refuse"))
		return refuse(hv);
	if (!strcmp(cmd, "shift"))
		return set_clock(hv, false, strtod(arg, NULL));
	if (!strcmp(cmd, "clock"))
		return set_clock(hv, true, strtod(arg, NULL));
	if (!strcmp(cmd, "harvest") || !strcmp(cmd, "hot") || !strcmp(cmd, "checkpoint"))
		return hv_memory_main(hv, argc, argv);
	if (!strncmp(cmd, "area", 4) || !strcmp(cmd, "by-tap") || !strcmp(cmd, "fire"))
		return hv_area_main(hv, argc, argv);
	if (!strncmp(cmd, "tap", 3) || !strcmp(cmd, "deliver"))
		return hv_tap_main(hv, argc, argv);
	if (!strcmp(cmd, "watch"))
		return hv_watch(hv, (uint32_t)n);
	if (!strcmp(cmd, "stock"))
		return hv_stock(hv, (int)n, argc > 2 ? atol(argv[2]) : 100);
	if (!strcmp(cmd, "freeze"))
		return hv_freeze(hv, arg);
	if (!strcmp(cmd, "thaw"))
		return hv_thaw(hv, arg);
	usage();
	return 2;
}

int main(int argc, char **argv)
{
	struct hv hv = { 0 };
	int rc = 1;

	if (argc < 3) {
		usage();
		return 2;
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	hv.domid = (uint32_t)strtoul(argv[1], NULL, 0);
	hv.hvop = hvop_open();
	hv.xc = xc_interface_open(NULL, NULL, 0);
	hv.fmem = xenforeignmemory_open(NULL, 0);
	if (hv.hvop && hv.xc && hv.fmem)
		rc = command(&hv, argc - 2, argv + 2);
	else
		fprintf(stderr, "hv-check: cannot open: %s\n", strerror(errno));

	if (hv.fmem)
		xenforeignmemory_close(hv.fmem);
	if (hv.xc)
		xc_interface_close(hv.xc);
	hvop_close(hv.hvop);
	return rc;
}
