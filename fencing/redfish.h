/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What else can be asked of a BMC of redfish_open(): its resources, in JSON. */
#ifndef KEMARI_FENCING_REDFISH_H
#define KEMARI_FENCING_REDFISH_H

#include <jansson.h>

#include "fencing/bmc.h"
#include "fencing/http.h"

/* The host's ComputerSystem; *system is the caller's. Errors as in bmc.h, b->why says what was wrong. */
int redfish_system(struct bmc *b, json_t **system);
/* Of that; -EPROTO: it is not in there. */
int redfish_system_power(struct bmc *b, const json_t *system, enum bmc_power *now);
int redfish_system_uuid(struct bmc *b, const json_t *system, uint8_t uuid[16]);

/* For other paths of the same BMC; b's own. */
struct http *redfish_http(struct bmc *b);

#endif
