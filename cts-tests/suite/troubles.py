# SPDX-License-Identifier: GPL-2.0-only
"""What a cluster must live through, each a function of a Cluster session that ends with the guest protected again.
`run cluster` runs those that fit `make check`, `run cluster-soak` all of them, several times (cluster_soak.py)."""

import contextlib
import re
import time

from cluster import configuration, second_level
from lab import FEEDS, Guest, LabError
from scenario import VM

# corosync's own traffic, whatever network it takes: a port for each link
BLOCK = "iptables -I INPUT -p udp --dport 5405:5412 -j DROP; iptables -I OUTPUT -p udp --dport 5405:5412 -j DROP"
UNBLOCK = "iptables -D INPUT -p udp --dport 5405:5412 -j DROP; iptables -D OUTPUT -p udp --dport 5405:5412 -j DROP"


# ---- the primary's host ends

def power_off_primary(s):
    s.power_off()
    s.come_back()


def power_off_standby(s):
    """The guest goes on unprotected, and is protected again when the host is back."""
    s.client.wait_for_more()
    begin = time.monotonic_ns()
    with s.story.step(f"the power of the standby's host {s.other} is cut"):
        s.other.bmc("chassis", "power", "off")
        s.fenced += 1
        s.wait_state(s.at, "unprotected", 90)
        s.client.wait_for_more()
    s.event("standby off", begin)
    s.come_back()


def dom0_panic(s):
    s.failover("dom0 panics", lambda: s.at.exec("echo c > /proc/sysrq-trigger", timeout=3, check=False))
    s.come_back()


def host_frozen(s):
    """It does nothing any more, but has its power: fencing ends it."""
    s.failover("the host freezes", lambda: s.lab.qmp(s.at, "stop"))
    s.come_back()


def xen_crash(s):
    """An NMI that nobody asked for; the lab's Xen panics on it, and stays so."""
    s.failover("Xen crashes", lambda: s.at.exec("xl debug-keys n", timeout=3, check=False))
    s.come_back()


def two_in_a_row(s):
    s.power_off()
    s.come_back()
    s.power_off()
    s.come_back()


# ---- networks

@contextlib.contextmanager
def without_link(s):
    s.lab.cluster_port(s.other, False)
    try:
        yield
    finally:
        s.lab.cluster_port(s.other, True)


@contextlib.contextmanager
def without_ring(s, host):
    host.exec(BLOCK)
    try:
        yield
    finally:
        host.exec(UNBLOCK, timeout=30, check=False)


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


def ring_cut(s):
    """Both hosts are well, and each takes the other one for dead: the one that runs the guest survives."""
    s.client.wait_for_more()
    begin = time.monotonic_ns()
    with s.story.step(f"corosync's networks are cut: {s.at} must shoot first"), without_ring(s, s.at):
        s.fenced += 1
        s.until(f"{s.other} is off", lambda: not s.other.bmc_says_on(), 90)
        s.story.check(f"{s.at} was not shot", [] if s.at.bmc_says_on() else ["it is off"])
        s.wait_state(s.at, "unprotected", 90)
        s.client.wait_for_more()
    s.event("ring cut", begin)
    s.come_back()


def everything_cut(s):
    s.client.wait_for_more()
    begin = time.monotonic_ns()
    with s.story.step(f"all networks between the hosts are cut: {s.at} must shoot first"), without_link(s), \
            without_ring(s, s.at):
        s.fenced += 1
        s.until(f"{s.other} is off", lambda: not s.other.bmc_says_on(), 90)
        s.story.check(f"{s.at} was not shot", [] if s.at.bmc_says_on() else ["it is off"])
        s.wait_state(s.at, "unprotected", 90)
        s.client.wait_for_more()
    s.event("all cut", begin)
    s.come_back()


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


def with_outlets(s):
    """The second level of fencing is there from now on."""
    devices = {f"pdu{feed}-{h}" for feed in FEEDS for h in s.lab.hosts}
    if s.started() >= devices:
        return
    with s.story.step("crm configure: fencing through the outlets, as a second level"):
        s.lab.script("pdu-up")
        s.at.exec("cat > /root/level2.crm && crm -F -f /root/level2.crm configure", timeout=240,
                  stdin=second_level(s.lab).encode())
        s.until("the devices are started", lambda: s.started() >= devices, 180, pause=1)


def power_and_bmc_gone(s):
    """All cords of the primary's host are pulled: its BMC answers no more than the host does, and what proves it off is its
    outlets. They are switched on by who switches on what was fenced."""
    with_outlets(s)
    bmcs = {f"bmc-{h}" for h in s.lab.hosts}
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


# ---- daemons

def killed(unit):
    def scenario(s):
        for h in (s.at, s.other):
            s.undisturbed(f"{unit} killed on {h}",
                          lambda h=h: h.exec(f"systemctl kill --kill-whom=main -s KILL {unit}"))
    return scenario


def controld_killed(s):
    for h in (s.at, s.other):
        s.survived("pacemaker-controld killed", h, lambda h=h: h.exec("pkill -KILL -f '[/]pacemaker-controld$'"))


def corosync_killed(s):
    """The host is out of the cluster: it is fenced, and comes back."""
    s.failover("corosync killed", lambda: s.at.exec("pkill -KILL -x corosync"))
    s.come_back()


# ---- operators

def moves(s):
    s.switchover()
    s.moved("crm_resource --move", f"crm_resource --move --promoted --resource {VM}-ha --node {s.other}")
    s.at.exec(f"crm_resource --clear --resource {VM}-ha", timeout=60)
    s.settled()


def standby_node(s):
    """Stops before it promotes; the guest is handed over."""
    host = s.at
    s.moved("crm node standby", f"crm node standby {host}")
    s.wait_state(s.at, "unprotected", 90)
    host.exec(f"crm node online {host}", timeout=90)
    s.settled(300)


def maintenance(s):
    """Cluster and agents are restarted under the running guest."""
    def restart():
        s.stop_cluster()
        s.start_cluster()
    s.undisturbed("maintenance mode, the whole cluster restarted", restart)


def standby_reboots(s):
    """In order: it leaves, and joins again."""
    begin = time.monotonic_ns()
    with s.story.step(f"{s.other} is shut down in order"):
        s.other.exec("systemctl poweroff", timeout=30, check=False)
        s.wait_state(s.at, "unprotected", 180)
        s.until(f"{s.other} is off", lambda: not s.other.bmc_says_on(), 180)
        s.client.wait_for_more()
    s.event("standby shut down", begin)
    s.come_back(wait=0)     # who was not fenced is not switched on by anybody


# ---- hardware

def heard(host):
    """Of how many BMCs kemari-agent has heard something to believe since it was started."""
    said = host.exec("journalctl -q -o cat _SYSTEMD_INVOCATION_ID=$(systemctl show -P InvocationID kemari-agent)", timeout=60)
    return len(set(re.findall(r"(\S+): its BMC is (?:well|slow|full)", said.out)))


@contextlib.contextmanager
def watched(s):
    """kemari-agent looks at both BMCs."""
    lines = [f"bmc {h} /etc/kemari/bmc-{h}.conf" for h in s.lab.hosts]
    for h in s.lab.hosts:
        for b in s.lab.hosts:
            h.exec(f"cat > /etc/kemari/bmc-{b}.conf; chmod 600 /etc/kemari/bmc-{b}.conf", stdin=(
                f"ip={s.lab.net}.0.{100 + b.number}\nusername=lab\npassword_file=/etc/kemari/bmc-password\n"
                "workarounds=opensesspriv\n").encode())
        h.exec("cp /etc/kemari/kemari.conf /root/kemari.conf; cat >> /etc/kemari/kemari.conf; "
               "systemctl restart kemari-agent", stdin=("\n".join(lines) + "\n").encode())
    try:
        yield
    finally:
        for h in s.lab.hosts:
            h.exec("cp /root/kemari.conf /etc/kemari/kemari.conf; systemctl restart kemari-agent", check=False)


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


# ---- two guests

def two_guests(s):
    """Protected in opposite directions; either host is lost, each in its turn."""
    g2 = Guest(s.lab, 2)

    def protected_on(host):
        s.until(f"g2 runs on {host}, protected", lambda: (s.role_of("g2", host).get("role"),
                                                          s.role_of("g2", host).get("state")) == ("primary", "protected"), 300)

    def lives(boot):
        s.until("g2 answers", lambda: g2.exec("true", timeout=10, check=False).ok, 120)
        now = g2.exec("cat /proc/sys/kernel/random/boot_id").out
        s.story.check("g2 goes on, and has not booted", [] if now == boot else [f"boot {now}, it was {boot}"])

    with s.story.step(f"a second guest, running on {s.other}"):
        s.at.exec("cat > /root/g2.crm && crm -F -f /root/g2.crm configure", timeout=240,
                  stdin=configuration(s.lab, "g2", fencing=False).encode())
        s.until("g2 runs and is protected", lambda: any(
            s.role_of("g2", h).get("state") == "protected" for h in s.lab.hosts), 300)
        if s.role_of("g2", s.at).get("role") == "primary":
            s.at.exec("kemari switchover g2", timeout=60)
        protected_on(s.other)
        g2.wait_up()
        boot = g2.exec("cat /proc/sys/kernel/random/boot_id").out
    s.power_off()
    lives(boot)
    s.come_back()
    with s.story.step(f"g2 moves to {s.other}; then that one is lost"):
        protected_on(s.at)
        s.at.exec("kemari switchover g2", timeout=60)
        protected_on(s.other)
        begin = time.monotonic_ns()
        s.other.bmc("chassis", "power", "off")
        s.fenced += 1
        s.until(f"g2 runs on {s.at}", lambda: s.role_of("g2", s.at).get("role") == "primary", 120)
        s.wait_state(s.at, "unprotected", 90)
        s.client.wait_for_more()
        s.event("standby off", begin)
    lives(boot)
    s.come_back()
    s.at.exec("crm_resource --resource g2-ha --set-parameter target-role --meta --parameter-value Stopped; "
              "crm_resource --wait", timeout=240)
    s.at.exec("crm configure delete g2-ha g2", timeout=120)


# ---- the guest is lost, or starts anew

def starts_anew(s, seconds=300):
    """After this the guest is another one: it has booted from its disk, once."""
    s.until("the guest is promoted", lambda: any(s.promoted(h) for h in s.lab.hosts), seconds)
    s.at = next(p for p in map(s.promoted, s.lab.hosts) if p)
    s.other = s.b if s.at is s.a else s.a
    s.attach()


def cold_start(s):
    """Both hosts lose their power at once: the copies are gone, the guest boots once."""
    s.client.wait_for_more()
    told = s.ask_guest()
    died = time.monotonic_ns()
    s.story.say("the power of both hosts is cut")
    for h in s.lab.hosts:
        h.cut_power()
    s.audit_of_the_dead(told, died)
    s.fenced = 0        # Pacemaker keeps its history in memory
    with s.story.step("both hosts are switched on"):
        for h in s.lab.hosts:
            h.bmc("chassis", "power", "on")
        for h in s.lab.hosts:
            h.wait_up(300)
        starts_anew(s)
        s.settled(300)


def resync_cut(s):
    """The host where it runs dies before the other one has a whole copy again: fenced, and booted from its disk."""
    s.power_off()
    told = s.ask_guest()
    with s.story.step(f"{s.other} is switched on; {s.at} loses its power while it is copied"):
        s.other.power_on()
        s.until("copying has begun", lambda: (s.status(s.at) or {}).get("state") == "syncing", 180)
        died = time.monotonic_ns()
        s.at.bmc("chassis", "power", "off")
        s.audit_of_the_dead(told, died)
        s.fenced += 1
        s.swap()
        starts_anew(s)
    s.come_back()


SAMPLE = ("link_cut", "ring_cut", "moves")     # with the power cut of the demo
ALL = {f.__name__: f for f in (
    power_off_primary, power_off_standby, dom0_panic, host_frozen, xen_crash, two_in_a_row, link_cut, ring_cut,
    everything_cut, bmc_gone, power_and_bmc_gone, controld_killed, corosync_killed, moves, standby_node, maintenance,
    standby_reboots, sick_host, two_guests, cold_start, resync_cut)}
ALL["agent_killed"] = killed("kemari-agent")
ALL["syncd_killed"] = killed("kemari-syncd")


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
