/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Taps.  Of channels that this program makes itself, whose events the guest does not know and has masked, the
 * pending bits in shared_info say what Xen delivered; what the guest sends is its console's.
 */
#include "hv-check.h" /* first: it says that these are tools */

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <xenevtchn.h>

#define OUT XEN_KEMARI_TAP_out
#define IN XEN_KEMARI_TAP_in
#define HOLD XEN_KEMARI_TAP_hold
#define PAUSE XEN_KEMARI_TAP_pause

struct tap {
	struct hv *hv;
	xenevtchn_handle *xce;
	shared_info_t *shinfo;
	uint32_t notify; /* a port of ours */
	uint32_t guest, local;
	unsigned int failed;
};

static void expect(struct tap *t, const char *what, int64_t want, int64_t got)
{
	if (want == got)
		return;
	printf("%s: expected %" PRId64 ", got %" PRId64 "\n", what, want, got);
	t->failed++;
}

static uint32_t mode_of(const char *letters)
{
	return (strchr(letters, 'o') ? OUT : 0) | (strchr(letters, 'i') ? IN : 0) |
	       (strchr(letters, 'h') ? HOLD : 0) | (strchr(letters, 'p') ? PAUSE : 0) |
	       (strchr(letters, 'c') ? XEN_KEMARI_TAP_checkpoint : 0);
}

static int set(struct tap *t, uint32_t mode)
{
	return hvop_tap_set(t->hv->hvop, t->hv->domid, t->guest, mode, t->notify);
}

/* The tap on a port, all zero if there is none; *nr: how many taps there are. */
static struct xen_kemari_tap look(struct hv *hv, uint32_t port, uint32_t *nr, bool *paused)
{
	const struct xen_kemari_tap *taps;
	struct xen_kemari_tap none = { 0 };

	if (hvop_tap_list(hv->hvop, hv->domid, &taps, nr, paused)) {
		*nr = UINT32_MAX;
		return none;
	}
	for (uint32_t i = 0; i < *nr; i++)
		if (taps[i].port == port)
			return taps[i];
	return none;
}

static struct xen_kemari_tap ours(struct tap *t)
{
	uint32_t nr;
	bool paused;

	return look(t->hv, t->guest, &nr, &paused);
}

static uint32_t how_many(struct tap *t)
{
	uint32_t nr;
	bool paused;

	look(t->hv, 0, &nr, &paused);
	return nr;
}

/* Whether our notify port was raised, within a time; how often says nothing. */
static bool notified(struct tap *t, int ms)
{
	struct pollfd p = { .fd = xenevtchn_fd(t->xce), .events = POLLIN };
	xenevtchn_port_or_error_t port;
	bool yes = false;

	while (poll(&p, 1, yes ? 0 : ms) > 0) {
		port = xenevtchn_pending(t->xce);
		if (port < 0)
			break;
		yes |= (uint32_t)port == t->notify;
		xenevtchn_unmask(t->xce, (evtchn_port_t)port);
	}
	return yes;
}

/* Of several events the last may come late. */
static void drain(struct tap *t)
{
	while (notified(t, 50))
		;
}

static bool pending(struct tap *t)
{
	return t->shinfo->evtchn_pending[t->guest / 64] >> t->guest % 64 & 1;
}

static void clear(struct tap *t)
{
	__atomic_fetch_and(&t->shinfo->evtchn_pending[t->guest / 64], ~(1UL << t->guest % 64),
			   __ATOMIC_SEQ_CST);
}

/* Sends to the guest; whether its bit was set by it. */
static bool send(struct tap *t)
{
	clear(t);
	xenevtchn_notify(t->xce, t->local);
	return pending(t);
}

static uint32_t deliver(struct tap *t, uint32_t port, uint32_t directions)
{
	uint32_t nr = UINT32_MAX;

	clear(t);
	hvop_tap_deliver(t->hv->hvop, t->hv->domid, port, directions, &nr);
	return nr;
}

static int map_shared_info(struct tap *t)
{
	const struct xen_kemari_state *s;
	uint32_t size;
	xen_pfn_t gfn;
	int err = 0, rc;

	xc_domain_pause(t->hv->xc, t->hv->domid);
	rc = hvop_get_state(t->hv->hvop, t->hv->domid, &s, &size);
	gfn = rc ? 0 : s->shared_info_gfn;
	xc_domain_unpause(t->hv->xc, t->hv->domid);
	if (rc)
		return rc;
	t->shinfo = (shared_info_t *)hv_map(t->hv, &gfn, 1, &err);
	return t->shinfo && !err ? 0 : -EIO;
}

static int open_channel(struct tap *t)
{
	int port = xc_evtchn_alloc_unbound(t->hv->xc, t->hv->domid, 0);

	if (port < 0)
		return -errno;
	t->guest = (uint32_t)port;
	expect(t, "a tap on a channel that is not bound", -EINVAL, set(t, IN));
	port = xenevtchn_bind_interdomain(t->xce, t->hv->domid, t->guest);
	if (port < 0)
		return -errno;
	t->local = (uint32_t)port;
	drain(t);
	return 0;
}

static int open_taps(struct tap *t, struct hv *hv)
{
	int port;

	t->hv = hv;
	t->xce = xenevtchn_open(NULL, 0);
	if (!t->xce)
		return -errno;
	port = xenevtchn_bind_unbound_port(t->xce, hv->domid);
	if (port < 0)
		return -errno;
	t->notify = (uint32_t)port;
	return map_shared_info(t);
}

static void check_refusals(struct tap *t)
{
	struct hvop *h = t->hv->hvop;
	uint32_t nr, id = t->hv->domid;

	expect(t, "port 0", -EINVAL, hvop_tap_set(h, id, 0, IN, 0));
	expect(t, "a port beyond all", -EINVAL, hvop_tap_set(h, id, UINT32_MAX, IN, 0));
	expect(t, "no direction", -EINVAL, set(t, HOLD));
	expect(t, "a pause by what dom0 sends", -EINVAL, set(t, IN | PAUSE));
	expect(t, "an unknown flag", -EINVAL, set(t, IN | 1U << 31));
	expect(t, "a bound port to notify", -EINVAL, hvop_tap_set(h, id, t->guest, IN, t->local));
	expect(t, "no port to notify", -EINVAL, hvop_tap_set(h, id, t->guest, IN, UINT32_MAX));
	expect(t, "taking what is not there", -ENOENT, set(t, 0));
	expect(t, "delivery of what is not there", -ENOENT, hvop_tap_deliver(h, id, t->guest, IN, &nr));
	expect(t, "delivery in no direction", -EINVAL, hvop_tap_deliver(h, id, 0, 0, &nr));
	expect(t, "delivery with a mode", -EINVAL, hvop_tap_deliver(h, id, 0, IN | HOLD, &nr));
	expect(t, "resume of what no tap stopped", -ENOENT, hvop_tap_resume(h, id));
	expect(t, "taps after all that", 0, how_many(t));
}

static void check_modes(struct tap *t)
{
	expect(t, "sent, no tap", 1, send(t));
	expect(t, "noticed, no tap", 0, notified(t, 20));

	expect(t, "in", 0, set(t, IN));
	expect(t, "sent", 1, send(t));
	expect(t, "noticed", 1, notified(t, 1000));
	expect(t, "seen", 1, (int64_t)ours(t).seen_in);

	expect(t, "in, hold", 0, set(t, IN | HOLD));
	for (int i = 0; i < 3; i++)
		expect(t, "held", 0, send(t));
	expect(t, "held is noticed", 1, notified(t, 1000));
	expect(t, "seen with those", 4, (int64_t)ours(t).seen_in);
	expect(t, "counted as held", 3, (int64_t)ours(t).held_in);
	expect(t, "waits", IN, ours(t).held);
	expect(t, "delivered the other way", 0, deliver(t, t->guest, OUT));
	expect(t, "not there yet", 0, pending(t));
	expect(t, "delivered, all as one", 1, deliver(t, t->guest, IN));
	expect(t, "there now", 1, pending(t));
	expect(t, "delivered again", 0, deliver(t, 0, IN | OUT));
	expect(t, "not there again", 0, pending(t));

	drain(t);
	expect(t, "only out", 0, set(t, OUT | HOLD));
	expect(t, "the other direction", 1, send(t));
	expect(t, "is not seen", 4, (int64_t)ours(t).seen_in);
	expect(t, "nor noticed", 0, notified(t, 20));
}

/* An event that is held when its tap goes, or changes, is delivered. */
static void check_leftovers(struct tap *t)
{
	static const uint32_t after[] = { 0, IN, OUT | HOLD };

	for (unsigned int i = 0; i < 3; i++) {
		expect(t, "in, hold", 0, set(t, IN | HOLD));
		expect(t, "held", 0, send(t));
		expect(t, "changed", 0, set(t, after[i]));
		expect(t, "delivered by the change", 1, pending(t));
		expect(t, "nothing waits", 0, ours(t).held);
	}
	expect(t, "in, hold", 0, set(t, IN | HOLD));
	expect(t, "held", 0, send(t));
	expect(t, "in, hold again", 0, set(t, IN | OUT | HOLD));
	expect(t, "still held", 0, pending(t));
	expect(t, "waits", IN, ours(t).held);
	expect(t, "taken away", 0, set(t, 0));
	expect(t, "gone", 0, how_many(t));
}

static void check_close(struct tap *t)
{
	expect(t, "in, hold", 0, set(t, IN | HOLD));
	expect(t, "held", 0, send(t));
	xenevtchn_unbind(t->xce, t->local);
	expect(t, "delivered by the close", 1, pending(t));
	expect(t, "taps after the close", 0, how_many(t));
	expect(t, "a tap on what is unbound", -EINVAL, set(t, IN));
	t->local = (uint32_t)xenevtchn_bind_interdomain(t->xce, t->hv->domid, t->guest);
	expect(t, "sent when bound anew", 1, send(t));
	expect(t, "taps when bound anew", 0, how_many(t));
}

/* Its channel, its tap and an event that it held are left to the kernel. */
static void child(struct hv *hv, uint32_t guest)
{
	xenevtchn_handle *xce = xenevtchn_open(NULL, 0);
	struct hvop *h = hvop_open();
	xenevtchn_port_or_error_t local = xce ? xenevtchn_bind_interdomain(xce, hv->domid, guest) : -1;

	if (!h || local < 0 || hvop_tap_set(h, hv->domid, guest, IN | HOLD, 0))
		_exit(1);
	xenevtchn_notify(xce, (evtchn_port_t)local);
	_exit(0);
}

static void check_dead_caller(struct tap *t)
{
	int status = -1;
	pid_t pid;

	xenevtchn_unbind(t->xce, t->local);
	clear(t);
	pid = fork();
	if (!pid)
		child(t->hv, t->guest);
	waitpid(pid, &status, 0);
	expect(t, "the caller that dies", 0, status);
	expect(t, "its taps", 0, how_many(t));
	expect(t, "what it held", 1, pending(t));
	t->local = (uint32_t)xenevtchn_bind_interdomain(t->xce, t->hv->domid, t->guest);
}

static void check_capacity(struct tap *t)
{
	uint32_t guest[XEN_KEMARI_MAX_TAPS + 1], local[XEN_KEMARI_MAX_TAPS + 1];

	for (unsigned int i = 0; i <= XEN_KEMARI_MAX_TAPS; i++) {
		int port = xc_evtchn_alloc_unbound(t->hv->xc, t->hv->domid, 0);

		guest[i] = (uint32_t)port;
		port = port < 0 ? port : xenevtchn_bind_interdomain(t->xce, t->hv->domid, (uint32_t)port);
		local[i] = (uint32_t)port;
		expect(t, "many", i < XEN_KEMARI_MAX_TAPS ? 0 : -ENOSPC,
		       hvop_tap_set(t->hv->hvop, t->hv->domid, guest[i], IN | HOLD, t->notify));
	}
	expect(t, "all of them", XEN_KEMARI_MAX_TAPS, how_many(t));
	for (unsigned int i = 0; i < XEN_KEMARI_MAX_TAPS; i++)
		xenevtchn_notify(t->xce, local[i]);
	expect(t, "all of them delivered", XEN_KEMARI_MAX_TAPS, deliver(t, 0, IN));
	xenevtchn_unbind(t->xce, local[0]);
	expect(t, "room again", 0,
	       hvop_tap_set(t->hv->hvop, t->hv->domid, guest[XEN_KEMARI_MAX_TAPS], IN, 0));
	for (unsigned int i = 1; i <= XEN_KEMARI_MAX_TAPS; i++)
		xenevtchn_unbind(t->xce, local[i]);
	expect(t, "none of them", 0, how_many(t));
}

static void check_disable(struct tap *t)
{
	struct hvop *h = t->hv->hvop;

	expect(t, "in, hold", 0, set(t, IN | HOLD));
	expect(t, "held", 0, send(t));
	expect(t, "disable", 0, hvop_disable(h, t->hv->domid));
	expect(t, "delivered by it", 1, pending(t));
	expect(t, "sent afterwards", 1, send(t));
	expect(t, "a tap of one that is not enabled", -ENXIO, set(t, IN));
	expect(t, "enable", 0, hvop_enable(h, t->hv->domid, true));
	expect(t, "taps afterwards", 0, how_many(t));
	expect(t, "sent again", 1, send(t));
}

static int tap_in(struct hv *hv)
{
	struct tap t = { 0 };
	int rc = open_taps(&t, hv);

	if (!rc)
		rc = open_channel(&t);
	if (rc) {
		printf("error %d %s\n", -rc, strerror(-rc));
		return 1;
	}
	check_refusals(&t);
	check_modes(&t);
	check_leftovers(&t);
	check_close(&t);
	check_dead_caller(&t);
	check_capacity(&t);
	check_disable(&t);
	xenevtchn_close(t.xce);
	puts(t.failed ? "failed" : "taps as they should be");
	return t.failed != 0;
}

/* The next instruction of a vCPU is the one behind a hypercall, which said 0. */
static bool behind_hypercall(struct hv *hv, uint32_t vcpu)
{
	static const uint8_t vmmcall[] = { 0x0f, 0x01, 0xd9 }, vmcall[] = { 0x0f, 0x01, 0xc1 };
	vcpu_guest_context_any_t c;
	xen_pfn_t gfn;
	uint8_t *map;
	bool yes = false;
	int err = 0;

	if (xc_vcpu_getcontext(hv->xc, hv->domid, vcpu, &c) || c.x64.user_regs.rax)
		return false;
	gfn = xc_translate_foreign_address(hv->xc, hv->domid, (int)vcpu, c.x64.user_regs.rip - 3);
	map = gfn ? hv_map(hv, &gfn, 1, &err) : NULL;
	if (map && !err && (c.x64.user_regs.rip - 3) % HV_PAGE <= HV_PAGE - 3) {
		const uint8_t *at = map + (c.x64.user_regs.rip - 3) % HV_PAGE;

		yes = !memcmp(at, vmmcall, 3) || !memcmp(at, vmcall, 3);
	}
	if (map)
		xenforeignmemory_unmap(hv->fmem, map, 1);
	return yes;
}

/* Whichever it was that sent. */
static bool in_hypercall(struct hv *hv)
{
	xc_dominfo_t info;

	if (xc_domain_getinfo(hv->xc, hv->domid, 1, &info) != 1)
		return false;
	for (uint32_t i = 0; i <= info.max_vcpu_id; i++)
		if (behind_hypercall(hv, i))
			return true;
	return false;
}

static uint64_t guest_time(struct hv *hv)
{
	xc_dominfo_t info;

	return xc_domain_getinfo(hv->xc, hv->domid, 1, &info) == 1 ? info.cpu_time : 0;
}

/* The guest writes to its console all the time: each tap stops it, in that very hypercall, and nothing else
 * lets it go. */
static int tap_pause(struct hv *hv, uint32_t port, unsigned int times)
{
	const struct timespec while_stopped = { .tv_nsec = 3000000 };
	struct tap t = { 0 };
	unsigned int inside = 0;
	int rc = open_taps(&t, hv);

	if (rc)
		return 1;
	t.guest = port;
	for (unsigned int i = 0; i < times && !t.failed; i++) {
		struct xen_kemari_tap tap;
		uint64_t before;
		uint32_t nr;
		bool paused;

		expect(&t, "out, pause", 0, set(&t, OUT | PAUSE | (i % 2 ? HOLD : 0)));
		expect(&t, "noticed", 1, notified(&t, 10000));
		tap = look(hv, port, &nr, &paused);
		expect(&t, "pauses", 1, (int64_t)tap.pauses);
		expect(&t, "stopped", 1, paused);
		expect(&t, "held", i % 2 ? OUT : 0, tap.held);
		inside += in_hypercall(hv);
		expect(&t, "unpause by the toolstack", -1, xc_domain_unpause(hv->xc, hv->domid));
		before = guest_time(hv);
		nanosleep(&while_stopped, NULL);
		expect(&t, "time that it ran", 0, (int64_t)(guest_time(hv) - before));
		expect(&t, "no more pauses", 0, set(&t, OUT));
		expect(&t, "resume", 0, hvop_tap_resume(hv->hvop, hv->domid));
		expect(&t, "resume again", -ENOENT, hvop_tap_resume(hv->hvop, hv->domid));
		expect(&t, "no tap", 0, set(&t, 0));
		drain(&t);
	}
	expect(&t, "in its hypercall", times, inside);
	printf("stopped %u times, %u in the hypercall that sends, %s\n", times, inside,
	       t.failed ? "failed" : "and nothing but its resume let it go");
	return t.failed != 0;
}

/* The guest is lost afterwards. */
static int tap_reset(struct hv *hv, uint32_t port)
{
	struct tap t = { .hv = hv };

	t.guest = port;
	expect(&t, "out, in, hold", 0, set(&t, OUT | IN | HOLD));
	expect(&t, "tapped", 1, how_many(&t));
	xc_domain_pause(hv->xc, hv->domid);
	expect(&t, "reset", 0, xc_evtchn_reset(hv->xc, (int)hv->domid));
	expect(&t, "taps after the reset", 0, how_many(&t));
	expect(&t, "a tap on what is closed", -EINVAL, set(&t, IN));
	puts(t.failed ? "failed" : "a reset takes taps away");
	return t.failed != 0;
}

static int list(struct hv *hv)
{
	const struct xen_kemari_tap *p;
	uint32_t nr;
	bool paused;
	int rc = hvop_tap_list(hv->hvop, hv->domid, &p, &nr, &paused);

	if (rc) {
		printf("error %d %s\n", -rc, strerror(-rc));
		return 1;
	}
	for (uint32_t i = 0; i < nr; i++)
		printf("port %u notify=%u mode=%#x held=%#x out=%" PRIu64 "/%" PRIu64 " in=%" PRIu64
		       "/%" PRIu64 " pauses=%" PRIu64 " checkpoints=%" PRIu64 " off=%" PRIu64
		       " ordinary=%" PRIu64 "\n",
		       p[i].port, p[i].notify, p[i].mode, p[i].held, (uint64_t)p[i].seen_out,
		       (uint64_t)p[i].held_out, (uint64_t)p[i].seen_in, (uint64_t)p[i].held_in,
		       (uint64_t)p[i].pauses, (uint64_t)p[i].checkpoints, (uint64_t)p[i].interrupts_off,
		       (uint64_t)p[i].ordinary);
	printf("taps=%u paused=%u\n", nr, paused);
	return 0;
}

int hv_tap_main(struct hv *hv, int argc, char **argv)
{
	uint32_t port = argc > 1 ? (uint32_t)strtoul(argv[1], NULL, 0) : 0, nr = 0;
	const char *arg = argc > 2 ? argv[2] : "";
	int rc = -EINVAL;

	if (!strcmp(argv[0], "taps"))
		return list(hv);
	if (!strcmp(argv[0], "tap-in"))
		return tap_in(hv);
	if (!strcmp(argv[0], "tap-pause"))
		return tap_pause(hv, port, (unsigned int)atoi(arg));
	if (!strcmp(argv[0], "tap-reset"))
		return tap_reset(hv, port);
	if (!strcmp(argv[0], "tap-resume"))
		rc = hvop_tap_resume(hv->hvop, hv->domid);
	if (!strcmp(argv[0], "tap"))
		rc = hvop_tap_set(hv->hvop, hv->domid, port, mode_of(arg), 0);
	if (!strcmp(argv[0], "deliver"))
		rc = hvop_tap_deliver(hv->hvop, hv->domid, port, mode_of(arg), &nr);
	if (rc)
		printf("error %d %s\n", -rc, strerror(-rc));
	else
		printf("ok %u\n", nr);
	return rc != 0;
}
