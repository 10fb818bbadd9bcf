/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a BMC says of its host's ACPI state: IPMI 2.0, 20.6 "Get ACPI Power State". */
#ifndef KEMARI_FENCING_IPMI_ACPI_H
#define KEMARI_FENCING_IPMI_ACPI_H

#include <stdbool.h>
#include <stdint.h>

#include <freeipmi/freeipmi.h>

/*
 * It will wake up with all that it had, though its chassis is off.  Not of "S4 or S5", which is where the
 * order to turn off ends.
 */
static inline bool ipmi_acpi_sleeps(uint8_t system_state)
{
	switch (system_state) {
	case IPMI_ACPI_SYSTEM_POWER_STATE_S1:
	case IPMI_ACPI_SYSTEM_POWER_STATE_S2:
	case IPMI_ACPI_SYSTEM_POWER_STATE_S3:
	case IPMI_ACPI_SYSTEM_POWER_STATE_S4:
	case IPMI_ACPI_SYSTEM_POWER_STATE_SLEEPING:
	case IPMI_ACPI_SYSTEM_POWER_STATE_G1_SLEEPING:
		return true;
	default:
		return false;
	}
}

#endif
