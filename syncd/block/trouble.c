/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The host's path to the disk fails.  The guest is not told as long as the other host may serve it, or this
 * one again: the request waits in the table, as if the disk were slow.  One trouble lasts from the first
 * error until no request is troubled any more; when it has lasted hold_ms, the errors go through, and go on
 * to do so until the disk does something again.
 */
#include <errno.h>
#include <stdio.h>

#include "block/internal.h"
#include "monotonic.h"

#define RETRY_MAX_MS 1000U
#define RETRY_MIN_MS 10U
#define NS_PER_MS 1000000ULL

/* Would it be the same on any host?  Then waiting for another one is in vain. */
static bool is_final(int err)
{
	switch (err) {
	case -ENODATA:	  /* the medium */
	case -EILSEQ:	  /* its integrity data */
	case -EOPNOTSUPP: /* the storage cannot do it */
	case -EINVAL:
		return true;
	default:
		return false;
	}
}

static void say(struct block *b, const char *why)
{
	struct device_host *h = b->dev.host;

	if (!why && !b->trouble.said)
		return;
	b->trouble.said = why != NULL;
	h->ops->trouble(h, &b->dev, why);
}

static void try_again(void *data)
{
	struct block *b = data;

	b->trouble.timer_set = false;
	device_enter(&b->dev);
	TAILQ_CONCAT(&b->ready, &b->stuck, link);
	io_run(b);
	block_settle(b);
	device_leave(&b->dev);
}

static void try_again_later(struct block *b)
{
	uint64_t ms = b->trouble.hold_ms / 10;

	if (b->trouble.timer_set)
		return;
	if (ms > RETRY_MAX_MS)
		ms = RETRY_MAX_MS;
	else if (ms < RETRY_MIN_MS)
		ms = RETRY_MIN_MS;
	b->trouble.timer_set = qb_loop_timer_add(b->dev.host->loop, QB_LOOP_MED, ms * NS_PER_MS, b, try_again,
						 &b->trouble.timer) == 0;
}

static void begin(struct block *b, int err)
{
	char why[384];

	b->trouble.since = monotonic_ns();
	snprintf(why, sizeof(why), "%s: %s; requests of the guest wait for it, %u s at most", b->target,
		 err == -ENOSPC ? "the storage behind it is full" : strerror(-err),
		 b->trouble.hold_ms / 1000);
	say(b, why);
}

/* How long it may wait is over, or it need not wait. */
static bool is_the_guests(struct block *b, bool owed, int err)
{
	if (is_final(err) || !b->trouble.hold_ms)
		b->trouble.passing |= owed; /* what waits for it waits no longer */
	if (is_final(err) || !b->trouble.hold_ms)
		return true;
	if (b->trouble.since && monotonic_ns() - b->trouble.since >= b->trouble.hold_ms * NS_PER_MS)
		b->trouble.passing = true;
	return b->trouble.passing;
}

/*
 * The I/O of r, which is in no list, failed.  True: it is kept and will be tried again.  False: the error is
 * the guest's.  One that the guest was told is done is tried until it is, here or on the other host.
 */
bool trouble_keep(struct block *b, struct request *r, const struct block_io *io, int err)
{
	bool owed = r->entry->owed;

	if (is_the_guests(b, owed, err) && !owed)
		return false;
	if (!b->trouble.since)
		begin(b, err);
	try_again_later(b);
	if (!b->trouble.timer_set && !owed)
		return false;
	if (!r->troubled)
		b->trouble.nr++;
	r->troubled = true;
	TAILQ_INSERT_TAIL(&b->stuck, r, link);
	return true;
}

/* r was answered, or is owed and over; rc: what its last I/O said. */
void trouble_answered(struct block *b, struct request *r, int rc)
{
	if (r->troubled)
		b->trouble.nr--;
	r->troubled = false;
	if (!rc)
		b->trouble.passing = false;
	if (b->trouble.nr)
		return;
	if (b->trouble.since && b->trouble.passing)
		say(b, "the host's path to it failed for too long, the guest gets the errors");
	b->trouble.since = 0;
	if (!b->trouble.passing)
		say(b, NULL);
}

/* The device is detached: what waits stays in the table. */
void trouble_stop(struct block *b)
{
	if (b->trouble.timer_set)
		qb_loop_timer_del(b->dev.host->loop, b->trouble.timer);
	b->trouble.timer_set = false;
	b->trouble.passing = false;
	b->trouble.nr = 0;
	b->trouble.since = 0;
	say(b, NULL);
}
