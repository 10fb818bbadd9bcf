# SPDX-License-Identifier: GPL-2.0-only
"""Troubles of hosts: their power, networks, fencing, hardware. See troubles.py."""

import contextlib
import random
import re
import time

from cluster import second_level
from lab import FEEDS
from scenario import VM

# corosync's own traffic, whatever network it takes: a port for each link
BLOCK = "iptables -I INPUT -p udp --dport 5405:5412 -j DROP; iptables -I OUTPUT -p udp --dport 5405:5412 -j DROP"
UNBLOCK = "iptables -D INPUT -p udp --dport 5405:5412 -j DROP; iptables -D OUTPUT -p udp --dport 5405:5412 -j DROP"


# ---- the primary's host ends

def power_off_primary(s):
    s.power_off()
    s.come_back()


def power_off_standby_only(s):
    s.client.wait_for_more()
    begin = time.monotonic_ns()
    with s.story.step(f"the power of the standby's host {s.other} is cut"):
        s.other.bmc("chassis", "power", "off")
        s.fenced += 1
        s.wait_state(s.at, "unprotected", 90)
        s.client.wait_for_more()
    s.event("standby off", begin)


def power_off_standby(s):
    """The guest goes on unprotected, and is protected again when the host is back."""
    power_off_standby_only(s)
    s.come_back()


def agent_missing(s):
    """The standby's host is fenced and comes back without its kemari-agent, so that nobody there says that it lives: it is
    not taken for off any more, and the guest that moved to it is not booted a second time."""
    host, seen = s.other, "is there again: the proof that it is off ends"

    def voided():
        return int(s.at.exec(f"journalctl -q -o cat -u kemari-agent | grep -c '{host} {seen}'", timeout=60,
                             check=False).out or 0)

    before = voided()
    host.exec("systemctl mask kemari-agent", timeout=60)
    try:
        power_off_standby_only(s)
        with s.story.step(f"{host} comes back without kemari-agent, and gets its copy"):
            host.wait_up(300)
            s.wait_state(s.at, "protected", 300)
        s.story.check(f"{s.at} does not take it for off any more", [] if voided() > before else ["its log does not say so"])
        left = s.at
        s.moved("crm node standby", f"crm node standby {left}")
        left.exec(f"crm node online {left}", timeout=90)
        s.until(f"the VM is started on {left} again", lambda: s.roles().get(left.name) == "Unpromoted", 180, pause=1)
        time.sleep(20)      # for what would follow from a score
        s.single()
        s.client.wait_for_more()
    finally:
        host.exec("systemctl unmask kemari-agent; systemctl start kemari-agent", timeout=60, check=False)
    with s.story.step(f"kemari-agent is there again on {host}"):
        s.settled(300)
    s.client.wait_for_more()


def dom0_panic(s):
    s.failover("dom0 panics", lambda: s.at.exec("echo c > /proc/sysrq-trigger", timeout=3, check=False))
    s.come_back()


def host_frozen(s):
    """It does nothing any more, but has its power: fencing ends it."""
    s.failover("the host freezes", lambda: s.lab.qmp(s.at, "stop"))
    s.come_back()


def xen_crash(s):
    """An NMI that nobody asked for; the lab's Xen panics on it, and stays so."""
    s.failover("Xen crashes", lambda: s.at.exec("xl debug-keys N", timeout=3, check=False))
    s.come_back()


def two_in_a_row(s):
    s.power_off()
    s.come_back()
    s.power_off()
    s.come_back()


def promote_fails(s):
    """The survivor has lost its path to the disk: what it has of the guest is the last of it, is kept while Pacemaker
    recovers, and runs when the path is back."""
    s.client.wait_for_more()
    begin = time.monotonic_ns()
    s.other.exec("mv /dev/vdb /dev/vdb.away")
    try:
        with s.story.step(f"the power of {s.at} is cut; {s.other} has no path to the disk"):
            s.at.bmc("chassis", "power", "off")
            s.fenced += 1
            s.swap()
            s.until(f"promote has failed on {s.at}", lambda: s.has_failed("promote"), 180, pause=1)
            s.until(f"so has a new start on {s.at}", lambda: s.has_failed("start"), 120, pause=1)
            row = s.status(s.at) or {}
            s.story.check(f"the image is kept on {s.at}", [] if row.get("role") in ("held", "standby") and s.domains(s.at)
                          else [f"{row}, domains {s.domains(s.at)}"])
            runs = s.runners()
            s.story.check("the guest runs nowhere", [] if not runs else [f"runs on {sorted(runs)}"])
    finally:
        s.at.exec("[ -e /dev/vdb ] || mv /dev/vdb.away /dev/vdb", check=False)
        s.other.exec("[ -e /dev/vdb ] || mv /dev/vdb.away /dev/vdb", check=False)
    with s.story.step("the path is back"):
        s.forgive()
        s.until(f"{VM} runs on {s.at}", lambda: (s.status(s.at) or {}).get("role") == "primary", 180)
        s.client.wait_for_more(120)
    s.event("promote fails", begin)
    s.runs_now("promote fails")
    s.come_back()


def switchover_cut(s):
    """The power of either host is cut at some moment of a planned move: the other one has the guest."""
    def begin_and_cut(victim):
        s.at.exec(f"(kemari switchover {VM} < /dev/null > /dev/null 2>&1 &)")
        time.sleep(random.uniform(0, 1))
        victim.bmc("chassis", "power", "off")
    s.failover("power off in a switchover", lambda: begin_and_cut(s.at))
    s.come_back()
    s.client.wait_for_more()
    begin = time.monotonic_ns()
    with s.story.step(f"{VM} is to move to {s.other}, whose power is cut"):
        begin_and_cut(s.other)
        s.fenced += 1
        s.until(f"{VM} runs on {s.at}", lambda: (s.status(s.at) or {}).get("role") == "primary", 120)
        s.wait_state(s.at, "unprotected", 120)
        s.client.wait_for_more(120)
    s.event("switchover to a dying host", begin)
    s.come_back()


# ---- networks

@contextlib.contextmanager
def without_link(s):
    host = s.other
    s.lab.cluster_port(host, False)
    try:
        yield
    finally:
        s.lab.cluster_port(host, True)


@contextlib.contextmanager
def without_ring(s, host):
    host.exec(BLOCK)
    try:
        yield
    finally:
        host.exec(UNBLOCK, timeout=30, check=False)


@contextlib.contextmanager
def without_networks(s):
    """But the management one, which the BMCs are on."""
    with without_link(s), without_ring(s, s.at):
        yield


def link_cut(s):
    """The replication link and one of corosync's: the standby gives its copy up over the other one, the guest goes on
    without, and is mirrored anew."""
    s.client.wait_for_more()
    begin = time.monotonic_ns()
    with s.story.step("the replication link is cut"), without_link(s):
        s.wait_state(s.at, "unprotected", 60)
        s.client.wait_for_more()
    s.event("link cut", begin)
    s.settled(300)


def one_shoots(s, shot, survivor, seconds=90):
    """While they do not see each other."""
    s.fenced += 1
    s.until(f"{shot} is off", lambda: not shot.bmc_says_on(), seconds)
    s.story.check(f"{survivor} was not shot", [] if survivor.bmc_says_on() else ["it is off"])


def shoots_and_goes_on(s, kind, what, cut):
    """Both hosts are well, and each takes the other one for dead: the one that runs the guest survives."""
    s.client.wait_for_more()
    begin = time.monotonic_ns()
    with s.story.step(f"{what} are cut: {s.at} must shoot first"), cut:
        one_shoots(s, s.other, s.at)
        s.wait_state(s.at, "unprotected", 90)
        s.client.wait_for_more()
    s.event(kind, begin)
    s.come_back()


def ring_cut(s):
    shoots_and_goes_on(s, "ring cut", "corosync's networks", without_ring(s, s.at))


def everything_cut(s):
    shoots_and_goes_on(s, "all cut", "all networks between the hosts", without_networks(s))


def bmc_gone(s):
    """No fencing is possible for a while: nothing happens as long as nothing else fails."""
    names = [h.name for h in s.lab.hosts]

    def noticed():
        failed = s.failed_actions()
        return all(any(key.startswith(f"bmc-{name}_") for key in failed) for name in names)

    def cut():
        s.lab.script("bmc-up", "--down", *names)
        try:
            s.until("the monitors of both devices have failed", noticed, 150, pause=2)
        finally:
            s.lab.script("bmc-up", *names)
        s.at.exec("crm_resource --cleanup", timeout=60)
        s.until("both devices are well again", lambda: not noticed() and s.started() >= {f"bmc-{n}" for n in names}, 120,
                pause=1)
    s.undisturbed("both BMCs do not answer", cut)


@contextlib.contextmanager
def outlets(s):
    """The second level of fencing is there meanwhile."""
    devices = {f"pdu{feed}-{h}" for feed in FEEDS for h in s.lab.hosts}
    with s.story.step("crm configure: fencing through the outlets, as a second level"):
        s.lab.script("pdu-up")
        s.at.exec("cat > /root/level2.crm && crm -F -f /root/level2.crm configure", timeout=240,
                  stdin=second_level(s.lab).encode())
        s.until("the devices are started", lambda: s.started() >= devices, 180, pause=1)
    try:
        yield
    finally:
        s.at.exec("cibadmin --delete --xpath //fencing-topology; "
                  "cibadmin --delete-all --force --xpath \"//rsc_location[starts-with(@rsc,'pdu')]\"; "
                  "cibadmin --delete-all --force --xpath \"//primitive[@type='fence_apc_snmp']\"", timeout=60, check=False)
        s.lab.script("pdu-up", "--down")


def power_and_bmc_gone(s):
    """All cords of the primary's host are pulled: its BMC answers no more than the host does, and what proves it off is its
    outlets. They are switched on by who switches on what was fenced."""
    bmcs = {f"bmc-{h}" for h in s.lab.hosts}
    with outlets(s):
        s.failover("the cords pulled", lambda: s.lab.script("pdu", s.at.name, "pull"))
        orders = s.other.outlet_orders()
        s.story.check("both outlets were switched off", [] if {f"off {f}" for f in FEEDS} <= set(orders) else [str(orders)])
        with s.story.step(f"the cords of {s.other} are in again; kemari-agent has the outlets switched on"):
            s.lab.script("pdu", s.other.name, "plug")
            s.until("the outlets are on", s.other.outlets_on, 150)
        s.come_back()
    # the monitor of a BMC without power fails
    s.at.exec("crm_resource --cleanup", timeout=60)
    s.until("both BMCs' devices are well", lambda: not s.failed_actions() and s.started() >= bmcs, 120, pause=1)


def cannot_fence(s):
    """All networks are cut, the BMCs' too: what the guest sends waits, since its copy may be promoted for all that is known
    here; until the other host can be fenced."""
    names = [h.name for h in s.lab.hosts]
    s.client.wait_for_more()
    begin = time.monotonic_ns()
    with s.story.step("all networks between the hosts are cut, and both BMCs do not answer"), without_networks(s):
        s.lab.script("bmc-up", "--down", *names)
        try:
            s.wait_state(s.at, "blocked: cannot fence", 180)
            s.story.check("nothing leaves the host", s.stands_still())
            s.single()
        finally:
            s.lab.script("bmc-up", *names)
        s.fenced += 1
        s.until("one host is off", lambda: not all(h.bmc_says_on() for h in s.lab.hosts), 240)
        if not s.at.bmc_says_on():
            s.swap()    # whose attempt comes first when fencing works again is not settled
        s.until(f"{VM} runs on {s.at}", lambda: (s.status(s.at) or {}).get("role") == "primary", 120)
        s.wait_state(s.at, "unprotected", 90)
        s.client.wait_for_more(120)
    s.event("cannot fence", begin)
    s.come_back()
    # attempts that failed, as they had to, and the good ones with them
    s.at.exec("crm_resource --cleanup; stonith_admin --history '*' --cleanup", timeout=60)
    s.fenced = 0


# ---- hardware

def agent_said(host):
    """The log of kemari-agent since it was started."""
    return host.exec("journalctl -q -o cat _SYSTEMD_INVOCATION_ID=$(systemctl show -P InvocationID kemari-agent)",
                     timeout=60).out


def heard(host):
    """Of how many BMCs kemari-agent has heard something to believe since it was started."""
    return len(set(re.findall(r"(\S+): its BMC is (?:well|slow|full)", agent_said(host))))


def is_red(host):
    said = agent_said(host)
    return said.rfind("this host's health is bad") > said.rfind("this host's health is not bad any more")


@contextlib.contextmanager
def watched(s):
    """kemari-agent looks at both BMCs. That a host has cooled down it believes after 30 s, by its own table after 10
    minutes."""
    lines = [f"bmc {h} /etc/kemari/bmc-{h}.conf" for h in s.lab.hosts]
    for h in s.lab.hosts:
        for b in s.lab.hosts:
            h.exec(f"cat > /etc/kemari/bmc-{b}.conf; chmod 600 /etc/kemari/bmc-{b}.conf", stdin=(
                f"ip={s.lab.net}.0.{100 + b.number}\nusername=lab\npassword_file=/etc/kemari/bmc-password\n"
                "workarounds=opensesspriv\n").encode())
        h.exec("cp /etc/kemari/kemari.conf /etc/kemari/bmc-events.conf /root; cat >> /etc/kemari/kemari.conf; "
               "sed -i '/^event temperature-critical /s/gone=600/gone=30/' /etc/kemari/bmc-events.conf; "
               "systemctl restart kemari-agent", stdin=("\n".join(lines) + "\n").encode())
    try:
        yield
    finally:
        for h in s.lab.hosts:
            h.exec("cp /root/kemari.conf /root/bmc-events.conf /etc/kemari; systemctl restart kemari-agent", check=False)


def sick_host(s):
    """The CPU of the primary's host gets too hot: the guest leaves it before it dies, and nobody is fenced."""
    with watched(s):
        for h in s.lab.hosts:
            s.until(f"kemari-agent on {h} has heard of both BMCs", lambda h=h: heard(h) == 2, 90, pause=1)
        s.settled()
        sick = s.at
        s.client.wait_for_more()
        begin = time.monotonic_ns()
        with s.story.step(f"the CPU of {sick} gets hot"):
            s.lab.script("bmc-sensor", sick.name, "temp", "95")
            s.until(f"{VM} runs on {s.other}", lambda: (s.status(s.other) or {}).get("role") == "primary", 180)
            s.swap()
            s.client.wait_for_more()
        s.event("sick host", begin)
        s.runs_now("sick host")
        s.lab.script("bmc-sensor", sick.name, "temp", "40")
        s.settled(300)
    s.settled()


def both_hot(s):
    """The room's air conditioning fails: no host is better than the other one, so the guest stays, and runs."""
    with watched(s):
        for h in s.lab.hosts:
            s.until(f"kemari-agent on {h} has heard of both BMCs", lambda h=h: heard(h) == 2, 90, pause=1)
        s.settled()

        def heat():
            for h in (s.other, s.at):
                s.lab.script("bmc-sensor", h.name, "temp", "95")
                s.until(f"kemari-agent takes {h} for sick", lambda h=h: is_red(h), 120, pause=1)
        s.undisturbed("both hosts get hot", heat)
        s.single()
        for h in (s.at, s.other):   # the other way round the guest would rightly leave the one that is still hot
            s.lab.script("bmc-sensor", h.name, "temp", "40")
            s.until(f"kemari-agent takes {h} for well", lambda h=h: not is_red(h), 120, pause=1)
    s.settled()
