/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The VM around a device backend, for tests: epochs that the test sets, callbacks that are counted, a main
 * loop that runs until nothing is left to do.
 */
#ifndef KEMARI_UNIT_FAKE_HOST_H
#define KEMARI_UNIT_FAKE_HOST_H

#include <assert.h>
#include <qb/qbloop.h>
#include <stdio.h>
#include <string.h>

#include "device.h"
#include "fake_guest.h"
#include "later.h"

struct fake_host {
	struct device_host host; /* first member */
	struct fake_guest guest;
	uint64_t epoch; /* open */
	bool hold;
	unsigned int inside;
	unsigned int held, urgent, quiesced, failed; /* calls */
	char why[128];
	void (*on_held)(struct fake_host *h); /* runs in output_held */
};

static inline struct fake_host *fake_host_of(struct device_host *h)
{
	return (struct fake_host *)h;
}

static inline uint64_t fake_open_epoch(struct device_host *h)
{
	return fake_host_of(h)->epoch;
}

static inline bool fake_must_hold(struct device_host *h, const struct device *dev)
{
	return fake_host_of(h)->hold;
}

static inline void fake_output_held(struct device_host *h, struct device *dev, bool urgent)
{
	struct fake_host *f = fake_host_of(h);

	f->held++;
	f->urgent += urgent;
	if (f->on_held)
		f->on_held(f);
}

static inline void fake_quiesced(struct device_host *h, struct device *dev)
{
	fake_host_of(h)->quiesced++;
}

static inline void fake_trouble(struct device_host *h, struct device *dev, const char *why)
{
}

static inline void fake_failed(struct device_host *h, struct device *dev, const char *why)
{
	fake_host_of(h)->failed++;
	snprintf(fake_host_of(h)->why, sizeof(fake_host_of(h)->why), "%s", why);
}

static inline void fake_enter(struct device_host *h)
{
	fake_host_of(h)->inside++;
}

static inline void fake_leave(struct device_host *h)
{
	assert(fake_host_of(h)->inside--);
}

static const struct device_host_ops fake_host_ops = {
	.enter = fake_enter,
	.leave = fake_leave,
	.open_epoch = fake_open_epoch,
	.output_held = fake_output_held,
	.must_hold = fake_must_hold,
	.quiesced = fake_quiesced,
	.trouble = fake_trouble,
	.failed = fake_failed,
};

static inline void fake_host_init(struct fake_host *f, unsigned int nr_pages)
{
	memset(f, 0, sizeof(*f));
	fake_guest_init(&f->guest, nr_pages);
	f->host.ops = &fake_host_ops;
	f->host.vm = "vm1";
	f->host.guest = &f->guest.guest;
	f->host.loop = qb_loop_create();
	assert(!later_open(f->host.loop, &f->host.later));
	f->epoch = 1;
	f->hold = true;
	assert(f->host.loop);
}

static inline void fake_host_fini(struct fake_host *f)
{
	later_close(f->host.later);
	qb_loop_destroy(f->host.loop);
	fake_guest_fini(&f->guest);
}

static inline void fake_stop_loop(void *data)
{
	qb_loop_stop(data);
}

/* Runs the main loop for ms: enough turns for everything that is ready. */
static inline void fake_run(struct fake_host *f, unsigned int ms)
{
	qb_loop_timer_handle t;

	assert(qb_loop_timer_add(f->host.loop, QB_LOOP_LOW, ms * 1000000ULL, f->host.loop, fake_stop_loop,
				 &t) == 0);
	qb_loop_run(f->host.loop);
}

#endif /* KEMARI_UNIT_FAKE_HOST_H */
