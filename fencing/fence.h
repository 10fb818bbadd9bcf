/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How power is taken from a host and given back, so that "off" is proof.  Knows no protocol and no clock. */
#ifndef KEMARI_FENCING_FENCE_H
#define KEMARI_FENCING_FENCE_H

#include <stdbool.h>
#include <stdint.h>

#include "fencing/bmc.h"

struct fence_clock {
	uint64_t (*now)(void *arg); /* ns, monotonic */
	void (*sleep)(void *arg, uint64_t ns);
	void *arg;
};

struct fence {
	struct bmc *bmc;
	struct fence_clock clock;
	uint64_t timeout_ns;		/* to see what was ordered */
	uint64_t delay_ns;		/* before the first order to turn off; not when it is off already */
	void (*tell)(const char *what); /* a line of the story */
};

/*
 * 0: the power was read as off twice in a row, and nothing else proves it: no order that was accepted, no
 * time that has passed, no silence.  Off already is success at once.  -ETIMEDOUT: still not off.  An answer
 * that was an error (a refused order, a lost session) is no verdict: the power is read again until the time
 * is up; then the error comes back, of the last order, or if the power was never read.  -EACCES, -EINVAL,
 * -EOPNOTSUPP and no answer end it at once as long as no question was answered.
 */
int fence_off(const struct fence *f);
/* 0: read as on. */
int fence_on(const struct fence *f);
/* The off part decides; what comes after it is only told. */
int fence_reboot(const struct fence *f);
int fence_diag(const struct fence *f);

/*
 * What a BMC said is this UUID.  BMCs disagree about the order of the bytes (IPMI 2.0, 20.8; ipmitool's `mc
 * guid` has four ways to print them): RFC 4122, SMBIOS and IPMI's own pass.
 */
bool bmc_same_uuid(const uint8_t said[16], const uint8_t uuid[16]);

/* 0: the BMC belongs to the machine with this UUID.  -EXDEV: to another one.  Errors as of fence_off(). */
int fence_identify(const struct fence *f, const uint8_t uuid[16]);

#endif
