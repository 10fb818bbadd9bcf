/* SPDX-License-Identifier: GPL-2.0-only */
/* A port of dom0's is raised when so many frames are dirty, and at no other time. */
#include "hv-memory.h" /* first: it says that these are tools */

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>

#include <xenevtchn.h>

#define ROUNDS 10
#define SOON_MS 20000 /* a guest that writes has written so many by then */
#define QUIET_MS 1000
#define NEVER 100000000U

struct watch {
	struct hv *hv;
	struct memory m;
	xenevtchn_handle *xce;
	uint32_t port;
	unsigned int failed;
};

static uint64_t count(struct watch *w)
{
	uint64_t n = 0;

	if (hvop_dirty_count(w->hv->hvop, w->hv->domid, &n))
		w->failed++;
	return n;
}

static void expect(struct watch *w, const char *what, int want, int got)
{
	if (want == got)
		return;
	printf("%s: expected %d, got %d\n", what, want, got);
	w->failed++;
}

/* Whether it was raised; it may be again afterwards. */
static bool raised(struct watch *w, int ms)
{
	struct pollfd p = { .fd = xenevtchn_fd(w->xce), .events = POLLIN };

	if (poll(&p, 1, ms) != 1)
		return false;
	xenevtchn_unmask(w->xce, (evtchn_port_t)xenevtchn_pending(w->xce));
	return true;
}

static int set(struct watch *w, uint32_t frames, uint32_t port)
{
	uint64_t n;

	return hvop_watch_dirty(w->hv->hvop, w->hv->domid, frames, port, &n);
}

/* Each harvest, which takes all marks, and the guest, which makes new ones. */
static void by_rounds(struct watch *w, uint32_t frames)
{
	bool physmap;

	expect(w, "watch", 0, set(w, frames, w->port));
	for (int i = 0; i < ROUNDS; i++) {
		xc_domain_pause(w->hv->xc, w->hv->domid);
		if (hv_harvest(&w->m, &physmap))
			w->failed++;
		raised(w, 0); /* of before */
		expect(w, "raised with nothing dirty", false, raised(w, QUIET_MS));
		xc_domain_unpause(w->hv->xc, w->hv->domid);
		expect(w, "raised while it writes", true, raised(w, SOON_MS));
		expect(w, "and so many are dirty", true, count(w) >= frames);
	}
}

static void refusals(struct watch *w)
{
	expect(w, "watch without a port", -EINVAL, set(w, 10, 0));
	expect(w, "watch with a port that is not there", -EINVAL, set(w, 10, 100000));
	expect(w, "a number that is not reached", 0, set(w, NEVER, w->port));
	raised(w, 0);
	expect(w, "raised then", false, raised(w, QUIET_MS));
	expect(w, "no number", 0, set(w, 0, 0));
	expect(w, "raised then, too", false, raised(w, QUIET_MS));
}

int hv_watch(struct hv *hv, uint32_t frames)
{
	static struct watch w;
	int port, rc = 1;

	w.hv = hv;
	w.xce = xenevtchn_open(NULL, 0);
	port = w.xce ? xenevtchn_bind_unbound_port(w.xce, DOMID_SELF) : -1;
	if (port < 0) {
		puts("no port of our own");
		goto close;
	}
	w.port = (uint32_t)port;
	expect(&w, "watch without log-dirty", -ENODATA, set(&w, frames, w.port));
	if (hv_open_memory(&w.m, hv) || hv_start(&w.m)) {
		puts("cannot begin");
		goto close;
	}
	by_rounds(&w, frames);
	refusals(&w);
	hv_stop(hv);
	expect(&w, "watch after it", -ENODATA, set(&w, frames, w.port));
	printf("%s\n", w.failed ? "not as it should be" : "told when so many are dirty");
	rc = w.failed != 0;
close:
	if (w.xce)
		xenevtchn_close(w.xce);
	return rc;
}
