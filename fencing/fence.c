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
	unsigned int in_a_row; /* looks with this very answer; 0: the last one failed */
	bool ever;	       /* any look succeeded */
	int error;
};

static void look(const struct fence *f, struct look *l)
{
	enum bmc_power power;
	int rc = f->bmc->ops->power(f->bmc, &power);

	if (rc) {
		if (l->error != rc)
			tell(f, "the power cannot be read", f->bmc->why);
		l->in_a_row = 0;
		l->error = rc;
		return;
	}
	l->in_a_row = l->in_a_row && l->power == power ? l->in_a_row + 1 : 1;
	l->power = power;
	l->ever = true;
	l->error = 0;
}

/* Of the first answers: we are not known there, or it is not there, for which the protocol has its own time.
 */
static bool is_final(int error)
{
	return error == -EACCES || error == -EINVAL || error == -EOPNOTSUPP || error == -ETIMEDOUT ||
	       error == -EHOSTUNREACH;
}

/* An order that was refused is no verdict, whatever the reason: what counts is the power. */
static int order(const struct fence *f, enum bmc_order what)
{
	int rc = f->bmc->ops->order(f->bmc, what);

	if (rc)
		tell(f, "the order was not accepted, the power is read again", f->bmc->why);
	return rc;
}

struct goal {
	enum bmc_power power;
	enum bmc_order order;
	unsigned int looks;    /* in a row that prove it */
	uint64_t delay_ns;     /* before the first order */
	const char *not_there; /* for a person, when the time is up */
};

/* refused: what became of the last order. */
static int overdue(const struct fence *f, const struct look *l, const struct goal *g, int refused)
{
	tell(f, g->not_there, l->ever && !refused ? NULL : f->bmc->why);
	return !l->ever ? l->error : refused ? refused : -ETIMEDOUT;
}

/* Looks and orders until the power is what it should be.  *ordered: when, last; 0: it was so already. */
static int reach(const struct fence *f, const struct goal *g, uint64_t *ordered)
{
	uint64_t may_order = now(f) + g->delay_ns, end = may_order + f->timeout_ns;
	struct look l = { 0 };
	int refused = 0;

	*ordered = 0;
	for (;;) {
		look(f, &l);
		if (!l.ever && is_final(l.error))
			return l.error;
		if (l.power == g->power && l.in_a_row >= g->looks)
			return 0;
		if (now(f) >= end)
			return overdue(f, &l, g, refused);
		if (l.in_a_row && l.power != g->power && now(f) >= may_order &&
		    (!*ordered || now(f) - *ordered >= AGAIN_NS)) {
			refused = order(f, g->order);
			*ordered = now(f);
		}
		pause_a_bit(f);
	}
}

int fence_off(const struct fence *f)
{
	const struct goal off = { BMC_OFF, BMC_TURN_OFF, 2, f->delay_ns, "not off in time" };
	uint64_t ordered;
	int rc = reach(f, &off, &ordered);

	if (!rc)
		tell(f, ordered ? "off, read twice" : "it was off already, read twice", NULL);
	return rc;
}

int fence_on(const struct fence *f)
{
	const struct goal on = { BMC_ON, BMC_TURN_ON, 1, 0, "not on in time" };
	uint64_t ordered;

	return reach(f, &on, &ordered);
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

bool bmc_same_uuid(const uint8_t said[16], const uint8_t uuid[16])
{
	uint8_t swapped[16], reversed[16];

	swap_fields(swapped, said);
	reverse(reversed, said);
	return !memcmp(said, uuid, 16) || !memcmp(swapped, uuid, 16) || !memcmp(reversed, uuid, 16);
}

int fence_identify(const struct fence *f, const uint8_t uuid[16])
{
	uint64_t end = now(f) + f->timeout_ns;
	uint8_t said[16];
	int rc;

	while ((rc = f->bmc->ops->uuid(f->bmc, said)) && !is_final(rc) && now(f) < end)
		pause_a_bit(f);
	if (rc) {
		tell(f, "the BMC does not say which machine it belongs to", f->bmc->why);
		return rc;
	}
	if (bmc_same_uuid(said, uuid))
		return 0;
	tell(f, "the BMC belongs to another machine: its UUID is not system_uuid", NULL);
	return -EXDEV;
}
