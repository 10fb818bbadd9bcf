/* SPDX-License-Identifier: GPL-2.0-only */
/* What fence agents confirm, by their names. */
#include <string.h>

#include "agent/daemon/device.h"

#define NR(array) (sizeof(array) / sizeof((array)[0]))

/*
 * They read the power back until it is off, before they say so: fence-agents' through its library, for power
 * that nothing but the hardware keeps.  Agents for virtual machines are not here, nor those of a cloud: no
 * host of protected guests has such a power supply.
 */
static const char *const controllers[] = {
	"fence_kemari",	  "external/kemari", "fence_ipmilan",  "fence_ipmilanplus", "fence_redfish",
	"fence_idrac",	  "fence_drac",	     "fence_drac5",    "fence_ilo",	    "fence_ilo2",
	"fence_ilo3",	  "fence_ilo4",	     "fence_ilo5",     "fence_ilo6",	    "fence_ilo_ssh",
	"fence_ilo3_ssh", "fence_ilo4_ssh",  "fence_ilo5_ssh", "fence_ilo_mp",	    "fence_ilo_moonshot",
	"fence_imm",	  "fence_rsa",	     "fence_rsb",      "fence_amt",	    "fence_amt_ws"
};
static const char *const chassis[] = { "fence_bladecenter", "fence_ibmblade",  "fence_hpblade",
				       "fence_hds_cb",	    "fence_cisco_ucs", "fence_intelmodular" };
static const char *const outlets[] = {
	"fence_apc",	   "fence_apc_snmp", "fence_cdu",     "fence_cyberpower_ssh", "fence_eaton_snmp",
	"fence_eaton_ssh", "fence_emerson",  "fence_eps",     "fence_ipdu",	      "fence_lindypdu",
	"fence_netio",	   "fence_powerman", "fence_raritan", "fence_raritan_px3",    "fence_tripplite_snmp",
	"fence_wti"
};

static const struct {
	const char *agent;
	enum device_confirms confirms;
	const char *why;
} others[] = {
	{ "fence_kdump", DEVICE_SAYS, "it says that the host's kernel crashed, not that it has no power" },
	{ "fence_dummy", DEVICE_SAYS, "it is for tests" },
	{ "external/ssh", DEVICE_SAYS, "it asks the host to reboot, if that still listens" },
	{ "ssh", DEVICE_SAYS, "it asks the host to reboot, if that still listens" },
	{ "external/vmware", DEVICE_SAYS, "it does not read the power back" },
	{ "fence_rcd_serial", DEVICE_SAYS, "it has no way to read the power back" },
	{ "meatware", DEVICE_SAYS, "a person says so" },
	{ "fence_manual", DEVICE_SAYS, "a person says so" },
	{ "fence_ack_manual", DEVICE_SAYS, "a person says so" },
	{ "null", DEVICE_SAYS, "it is for tests" },
	{ "suicide", DEVICE_SAYS, "it asks the host itself" },
	{ "fence_heuristics_ping", DEVICE_SAYS, "it only lets the next device of its level be used or not" },
	{ "fence_scsi", DEVICE_SAYS, "it takes the disk away, and the guest goes on running" },
	{ "fence_mpath", DEVICE_SAYS, "it takes the disk away, and the guest goes on running" },
	{ "fence_brocade", DEVICE_SAYS, "it takes the disk away, and the guest goes on running" },
	{ "fence_cisco_mds", DEVICE_SAYS, "it takes the disk away, and the guest goes on running" },
	{ "fence_sanbox2", DEVICE_SAYS, "it takes the disk away, and the guest goes on running" },
	{ "fence_ifmib", DEVICE_SAYS, "it takes the network away, and the guest goes on running" },
	{ "fence_watchdog", DEVICE_WATCHDOG, "the host's watchdog is believed, not read" },
	{ "fence_sbd", DEVICE_WATCHDOG, "the host's watchdog is believed, not read" },
	{ "external/sbd", DEVICE_WATCHDOG, "the host's watchdog is believed, not read" },
};

static bool is_in(const char *const *names, size_t nr, const char *agent)
{
	size_t i;

	for (i = 0; i < nr; i++)
		if (!strcmp(names[i], agent))
			return true;
	return false;
}

bool device_is_bmc(const char *agent)
{
	return is_in(controllers, NR(controllers), agent);
}

bool device_is_outlet(const char *agent)
{
	return is_in(outlets, NR(outlets), agent);
}

enum device_confirms device_confirms(const char *agent, const char *believed, const char **why)
{
	const bool is_believed = device_has_word(believed, ", \t", agent);
	size_t i;

	*why = NULL;
	if (device_is_bmc(agent) || device_is_outlet(agent) || is_in(chassis, NR(chassis), agent))
		return DEVICE_CONFIRMS;
	for (i = 0; i < NR(others) && strcmp(others[i].agent, agent) != 0; i++)
		;
	if (i < NR(others) && (others[i].confirms == DEVICE_SAYS || !is_believed)) {
		*why = others[i].why;
		return others[i].confirms;
	}
	if (is_believed)
		return DEVICE_BELIEVED;
	*why = "nothing is known here of whether it reads the power back";
	return DEVICE_UNKNOWN;
}
