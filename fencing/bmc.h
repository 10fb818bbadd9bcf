/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One management controller (BMC): what fencing asks of it, whatever it speaks.  Functions return 0 or a
 * negative errno: -EACCES it refuses the user, the password or the privilege; -EHOSTUNREACH, -ETIMEDOUT no
 * answer, which says nothing about the host's power; -EINVAL the options do not fit it; -EBUSY try again;
 * -EOPNOTSUPP it does not know the command; -EBADRQC it refuses it, whatever its reason; -EPROTO an answer
 * that makes no sense.
 */
#ifndef KEMARI_FENCING_BMC_H
#define KEMARI_FENCING_BMC_H

#include <stdint.h>

#define BMC_WHY 512

/* Between: neither, such as asleep (S1 to S4) or on the way.  Only OFF proves that nothing runs there. */
enum bmc_power { BMC_OFF, BMC_ON, BMC_BETWEEN };
/* DIAG: a non-maskable interrupt.  TURN_OFF is the hard one, no word to the operating system. */
enum bmc_order { BMC_TURN_OFF, BMC_TURN_ON, BMC_DIAG };

struct bmc;

struct bmc_ops {
	int (*power)(struct bmc *b, enum bmc_power *now);
	int (*order)(struct bmc *b, enum bmc_order what);
	/* The host's own, as SMBIOS has it in text form (dmidecode -s system-uuid); see bmc_same_uuid(). */
	int (*uuid)(struct bmc *b, uint8_t uuid[16]);
	void (*close)(struct bmc *b);
};

/* Embedded in what a protocol needs. */
struct bmc {
	const struct bmc_ops *ops;
	char why[BMC_WHY]; /* of the last error, for a person */
};

struct fence_options;

/* Over IPMI 2.0 (RMCP+, "lanplus").  Connects when it has to.  On error why says what was wrong. */
int ipmi_open(const struct fence_options *o, struct bmc **out, char why[BMC_WHY]);
/* The same over Redfish (HTTPS). */
int redfish_open(const struct fence_options *o, struct bmc **out, char why[BMC_WHY]);

#endif
