# SPDX-License-Identifier: GPL-2.0-only
"""What a cluster must live through, each a function of a Cluster session that ends with the guest protected again.
`run cluster` runs those that fit `make check`, `run cluster-soak` all of them, several times (cluster_soak.py)."""

from lab import LabError
from trouble_guests import (by_hand, clone_stopped, cold_start, controld_killed, corosync_killed, forgotten, killed,
                            left_in_maintenance, linked_in_auto, maintenance, moved_while_unsynced, moves, one_comes_back,
                            packages_installed, primary_reboots, resync_cut, standby_node, standby_reboots, syncd_hangs,
                            two_guests, two_guests_cut)
from trouble_hosts import (agent_missing, bmc_gone, both_hot, cannot_fence, dom0_panic, everything_cut, host_frozen, link_cut,
                           power_and_bmc_gone, power_off_primary, power_off_standby, promote_fails, ring_cut, sick_host,
                           switchover_cut, two_in_a_row, xen_crash)

SAMPLE = ("link_cut", "ring_cut", "moves")     # with the power cut of the demo
ALL = {f.__name__: f for f in (
    power_off_primary, power_off_standby, dom0_panic, host_frozen, xen_crash, two_in_a_row, promote_fails, switchover_cut,
    link_cut, ring_cut, everything_cut, bmc_gone, power_and_bmc_gone, cannot_fence, sick_host, both_hot,
    agent_missing, syncd_hangs, controld_killed, corosync_killed, packages_installed,
    moves, standby_node, moved_while_unsynced, maintenance, clone_stopped, left_in_maintenance, by_hand, forgotten,
    linked_in_auto, primary_reboots, standby_reboots,
    two_guests, two_guests_cut, cold_start, one_comes_back, resync_cut)}
ALL["agent_killed"] = killed("kemari-agent")
ALL["syncd_killed"] = killed("kemari-syncd")
# what a cluster meets; each of the others is about one rule of doc/ownership.md
OFTEN = ("power_off_primary", "power_off_standby", "dom0_panic", "host_frozen", "xen_crash", "two_in_a_row", "link_cut",
         "ring_cut", "everything_cut", "bmc_gone", "power_and_bmc_gone", "agent_killed", "syncd_killed", "controld_killed",
         "corosync_killed", "moves", "standby_node", "sick_host", "two_guests", "cold_start", "resync_cut",
         "standby_reboots")


def troubles(names):
    """A scenario's body: these, one after the other, each checked, and at the end all audits."""
    for name in names:
        if name not in ALL:
            raise LabError(f"no trouble '{name}': {', '.join(ALL)}")

    def body(s):
        for n, name in enumerate(names, 1):
            s.story.say(f"{n} of {len(names)}: {name}")
            ALL[name](s)
            s.single()
            s.quiet()
        s.result = s.audit()
    return body
