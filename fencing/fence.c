/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fencing/fence.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define MS 1000000ULL
/* Between two looks at the power. */
#define POLL_NS (50 * MS)
/* An order that shows no effect is given again. */
#define AGAIN_NS (3000 * MS)
#define OFF_TWICE 2

static uint64_t now(const struct fence *f)
{
	return f->clock.now(f->clock.arg);
}

static void pause_a_bit(const struct fence *f)
{
	f->clock.sleep(f->clock.arg, POLL_NS);
}

static void tell(const struct fence *f, const char *what, const char *why)
{
	char line[BMC_WHY + 64];

	snprintf(line, sizeof(line), "%s%s%s", what, why ? ": " : "", why ? why : "");
	f->tell(line);
}

struct look {
	enum bmc_power power;
	bool known;	       /* the last look succeeded */
	bool ever;	       /* any look did */
	unsigned int in_a_row; /* looks with this very answer */
	int error;
};

static void look(const struct fence *f, struct look *l)
{
	enum bmc_power power;
	int rc = f->bmc->ops->power(f->bmc, &power);

	if (rc) {
		if (l->error != rc)
			tell(f, "the power cannot be read", f->bmc->why);
		l->known = false;
		l->in_a_row = 0;
		l->error = rc;
		return;
	}
	l->in_a_row = l->known && l->power == power ? l->in_a_row + 1 : 1;
	l->power = power;
	l->known = l->ever = true;
	l->error = 0;
}

/* Not known here, or not there: the protocol has tried for its own time. */
static bool hopeless(const struct look *l)
{
	return l->error == -EACCES || l->error == -EINVAL ||
	       (!l->ever && (l->error == -ETIMEDOUT || l->error == -EHOSTUNREACH));
}

/* An order that was refused is no verdict: what counts is the power. */
static int order(const struct fence *f, enum bmc_order what)
{
	int rc = f->bmc->ops->order(f->bmc, what);

	if (rc)
		tell(f, "the order was not accepted, the power is read again", f->bmc->why);
	return rc == -EACCES ? rc : 0;
}

static int overdue(const struct fence *f, const struct look *l, const char *what)
{
	if (!l->ever) {
		tell(f, what, f->bmc->why);
		return l->error;
	}
	tell(f, what, NULL);
	return -ETIMEDOUT;
}

int fence_off(const struct fence *f)
{
	uint64_t begin = now(f), may_shoot = begin + f->delay_ns, end = may_shoot + f->timeout_ns,
		 ordered = 0;
	struct look l = { 0 };
	int rc;

	for (;;) {
		look(f, &l);
		if (hopeless(&l))
			return l.error;
		if (l.known && l.power == BMC_OFF && l.in_a_row >= OFF_TWICE) {
			tell(f, ordered ? "off, read twice" : "it was off already, read twice", NULL);
			return 0;
		}
		if (now(f) >= end)
			return overdue(f, &l, "not off in time");
		if (l.known && l.power != BMC_OFF && now(f) >= may_shoot &&
		    (!ordered || now(f) - ordered >= AGAIN_NS)) {
			rc = order(f, BMC_TURN_OFF);
			if (rc)
				return rc;
			ordered = now(f);
		}
		pause_a_bit(f);
	}
}

int fence_on(const struct fence *f)
{
	uint64_t end = now(f) + f->timeout_ns, ordered = 0;
	struct look l = { 0 };
	int rc;

	for (;;) {
		look(f, &l);
		if (hopeless(&l))
			return l.error;
		if (l.known && l.power == BMC_ON)
			return 0;
		if (now(f) >= end)
			return overdue(f, &l, "not on in time");
		if (l.known && (!ordered || now(f) - ordered >= AGAIN_NS)) {
			rc = order(f, BMC_TURN_ON);
			if (rc)
				return rc;
			ordered = now(f);
		}
		pause_a_bit(f);
	}
}

int fence_reboot(const struct fence *f)
{
	int rc = fence_off(f);

	if (rc)
		return rc;
	if (fence_on(f))
		tell(f, "it is off, which is what counts, and does not come on again", NULL);
	return 0;
}

int fence_diag(const struct fence *f)
{
	int rc = f->bmc->ops->order(f->bmc, BMC_DIAG);

	if (rc)
		tell(f, "no diagnostic interrupt", f->bmc->why);
	return rc;
}

/* SMBIOS 2.6 and later: the first three fields are little-endian. */
static void swap_fields(uint8_t out[16], const uint8_t in[16])
{
	static const uint8_t at[16] = { 3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15 };

	for (unsigned int i = 0; i < 16; i++)
		out[i] = in[at[i]];
}

static void reverse(uint8_t out[16], const uint8_t in[16])
{
	for (unsigned int i = 0; i < 16; i++)
		out[i] = in[15 - i];
}

int fence_identify(const struct fence *f, const uint8_t uuid[16])
{
	uint64_t end = now(f) + f->timeout_ns;
	uint8_t said[16], other[16];
	int rc;

	while ((rc = f->bmc->ops->uuid(f->bmc, said)) == -EBUSY && now(f) < end)
		pause_a_bit(f);
	if (rc) {
		tell(f, "the BMC does not say which machine it belongs to", f->bmc->why);
		return rc;
	}
	if (!memcmp(said, uuid, 16))
		return 0;
	swap_fields(other, said);
	if (!memcmp(other, uuid, 16))
		return 0;
	reverse(other, said);
	if (!memcmp(other, uuid, 16))
		return 0;
	tell(f, "the BMC belongs to another machine: its UUID is not system_uuid", NULL);
	return -EXDEV;
}
