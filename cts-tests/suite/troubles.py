# SPDX-License-Identifier: GPL-2.0-only
"""What a cluster must live through, each a function of a Cluster session that ends with the guest protected again.
`run cluster` runs those that fit `make check`, `run cluster-soak` all of them, several times (cluster_soak.py)."""

import contextlib
import random
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


def ring_cut(s):
    """Both hosts are well, and each takes the other one for dead: the one that runs the guest survives."""
    s.client.wait_for_more()
    begin = time.monotonic_ns()
    with s.story.step(f"corosync's networks are cut: {s.at} must shoot first"), without_ring(s, s.at):
        one_shoots(s, s.other, s.at)
        s.wait_state(s.at, "unprotected", 90)
        s.client.wait_for_more()
    s.event("ring cut", begin)
    s.come_back()


def everything_cut(s):
    s.client.wait_for_more()
    begin = time.monotonic_ns()
    with s.story.step(f"all networks between the hosts are cut: {s.at} must shoot first"), without_link(s), \
            without_ring(s, s.at):
        one_shoots(s, s.other, s.at)
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
    with s.story.step("all networks between the hosts are cut, and both BMCs do not answer"), without_link(s), \
            without_ring(s, s.at):
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


# ---- daemons

def killed(unit):
    def scenario(s):
        for h in (s.at, s.other):
            s.undisturbed(f"{unit} killed on {h}",
                          lambda h=h: h.exec(f"systemctl kill --kill-whom=main -s KILL {unit}"))
    return scenario


def packages_installed(s):
    """The Debian packages of what is committed, over what runs: nothing is restarted, then each daemon, as the packages'
    scripts say. The standby's host goes first."""
    with s.story.step("the Debian packages are built"):
        debs = s.lab.packages()
    for h in (s.other, s.at):
        with s.story.step(f"dpkg -i on {h}: {', '.join(d.name for d in debs)}"):
            for d in debs:
                h.exec(f"cat > /tmp/{d.name}", stdin=d.read_bytes())
            before = h.exec("systemctl show --property MainPID kemari-syncd kemari-agent").out
            # kemari.conf is the lab's own, and stays
            h.exec("cd /tmp && dpkg --force-confold -i " + " ".join(d.name for d in debs), timeout=240)
            after = h.exec("systemctl show --property MainPID kemari-syncd kemari-agent").out
        s.story.check(f"no daemon was restarted on {h}", [] if before == after else [before, after])
        for unit in ("kemari-agent", "kemari-syncd"):
            s.undisturbed(f"{unit} restarted on {h}", lambda h=h, unit=unit: h.exec(f"systemctl restart {unit}", timeout=60))


def syncd_hangs(s):
    """Stopped, it answers nobody, and systemd's watchdog ends it before the cluster manager gives up."""
    for h in (s.at, s.other):
        s.undisturbed(f"kemari-syncd hangs on {h}",
                      lambda h=h: h.exec("systemctl kill --kill-whom=main -s STOP kemari-syncd"))


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


def moved_while_unsynced(s):
    """Before its first copy is whole: the copy is completed while the guest is held, then it goes on there."""
    to = s.other

    def early():
        return int(to.exec("journalctl -q -o cat -u kemari-syncd | grep -c 'promoted before its copy here is whole'",
                           timeout=60, check=False).out or 0)

    before = early()
    with s.story.step(f"{to} loses its copy, and is copied to again"):
        s.at.exec(f"crm node standby {to}", timeout=90)
        s.wait_state(s.at, "unprotected", 90)
        s.at.exec(f"crm node online {to}", timeout=90)
        s.until("copying has begun", lambda: (s.status(s.at) or {}).get("state") == "syncing", 180)
    s.moved("--move while unsynced", f"crm_resource --move --promoted --resource {VM}-ha --node {to}")
    s.story.check(f"{to} was promoted before its copy was whole", [] if early() > before else ["it says nothing of that"])
    s.at.exec(f"crm_resource --clear --resource {VM}-ha", timeout=60)
    s.settled(300)


def maintenance(s):
    """Cluster and agents are restarted under the running guest."""
    def restart():
        s.stop_cluster()
        s.start_cluster()
    s.undisturbed("maintenance mode, the whole cluster restarted", restart)


def clone_stopped(s):
    """Both instances are stopped at once, under load: the guest ends in order, once, and boots from its disk when it is
    started again."""
    s.client.wait_for_more()
    told = s.ask_guest()
    died = time.monotonic_ns()
    with s.story.step("the clone is stopped"):
        s.at.exec(f"crm_resource --resource {VM}-ha --set-parameter target-role --meta --parameter-value Stopped; "
                  "crm_resource --wait", timeout=300)
        s.nothing_left("clone stopped")
    s.audit_of_the_dead(told, died)
    with s.story.step("and started again"):
        s.at.exec(f"crm_resource --resource {VM}-ha --delete-parameter target-role --meta", timeout=60)
        starts_anew(s)
        s.settled(300)


def left_in_maintenance(s):
    """Pacemaker ends on the guest's host in maintenance, the guest runs on, and maintenance is over: Pacemaker promotes
    the copy without a fencing, and is refused. (With fencing on, it fences a host that has left with a device running.)"""
    s.client.wait_for_more()
    begin = time.monotonic_ns()
    with s.story.step(f"Pacemaker ends on {s.at} in maintenance; then maintenance is over on {s.other}"):
        s.at.exec("crm configure property maintenance-mode=true", timeout=90)
        s.at.exec("systemctl stop pacemaker", timeout=120)
        s.other.exec("crm configure property stonith-enabled=false", timeout=90)
        s.other.exec("crm configure property maintenance-mode=false", timeout=90)
        s.until(f"promote has failed on {s.other}", lambda: s.has_failed("promote", s.other), 180, pause=1)
        s.single()
        s.client.wait_for_more()
    with s.story.step(f"Pacemaker is there again on {s.at}"):
        s.at.exec("systemctl start pacemaker", timeout=120)
        s.until("both hosts are online", lambda: s.calm(s.other), 180, pause=1)
        s.until(f"Pacemaker finds the guest on {s.at}", lambda: s.promoted(s.other) is s.at, 120, pause=1)
        s.other.exec("crm configure property stonith-enabled=true", timeout=90)
        s.forgive(s.other)
        s.settled(300)
        s.client.wait_for_more()
    s.event("left in maintenance", begin)


def by_hand(s):
    """With xl, beside the cluster: the copy does not run, nor a second guest."""
    s.unpause_the_copy()
    s.story.say(f"xl create {s.config} on {s.at}, where the guest runs")
    made = s.at.exec(f"xl create {s.config}", timeout=60, check=False)
    s.story.check("xl makes no second guest", ["it did"] if made.ok else [])
    s.other.exec("xl pause $(xl list | awk '/g1/ { print $2 }')")    # as it was: whoever is not paused counts as one that runs
    s.goes_on_protected()


def linked_in_auto(s):
    """A host whose xendomains would start the guest gets no copy of it."""
    host = s.other
    with s.story.step(f"{host} is to start the guest at boot: {s.config} is linked in /etc/xen/auto"):
        s.at.exec(f"crm node standby {host}", timeout=90)
        s.wait_state(s.at, "unprotected", 120)
        host.exec(f"mkdir -p /etc/xen/auto && ln -s {s.config} /etc/xen/auto/{VM}.cfg")
        try:
            s.at.exec(f"crm node online {host}", timeout=90)
            s.until(f"start has failed on {host}", lambda: s.has_failed("start"), 120, pause=1)
            s.client.wait_for_more()
        finally:
            host.exec(f"rm -f /etc/xen/auto/{VM}.cfg", check=False)
    s.forgive()
    s.settled(300)


def primary_reboots(s):
    """In order, and with xendomains: the guest is moved before that could save it."""
    s.at.exec("systemctl unmask xendomains; systemctl daemon-reload; systemctl start xendomains", timeout=180)
    s.moved("its host is shut down", "systemctl --no-block poweroff", 300)
    s.until(f"{s.other} is off", lambda: not s.other.bmc_says_on(), 300)
    s.wait_state(s.at, "unprotected", 120)
    s.come_back(wait=0)


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
        for h in s.lab.hosts:
            s.lab.script("bmc-sensor", h.name, "temp", "40")
            s.until(f"kemari-agent takes {h} for well", lambda h=h: not is_red(h), 120, pause=1)
    s.settled()


# ---- two guests

@contextlib.contextmanager
def second_guest(s):
    """g2, protected in the opposite direction, under Pacemaker. Yields protected_on(host), which waits, and lives(), which
    checks that it goes on."""
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
    yield protected_on, lambda: lives(boot)
    s.at.exec("crm_resource --resource g2-ha --set-parameter target-role --meta --parameter-value Stopped; "
              "crm_resource --wait", timeout=240)
    s.at.exec("crm configure delete g2-ha g2", timeout=120)


def two_guests(s):
    """Protected in opposite directions; either host is lost, each in its turn."""
    with second_guest(s) as (protected_on, lives):
        s.power_off()
        lives()
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
        lives()
        s.come_back()


def two_guests_cut(s):
    """Protected in opposite directions, and all networks are cut: each host has a guest to shoot for, one shoots."""
    with second_guest(s) as (_, lives):
        s.client.wait_for_more()
        begin = time.monotonic_ns()
        with s.story.step(f"all networks between the hosts are cut: {s.a} must shoot first"), without_link(s), \
                without_ring(s, s.at):
            one_shoots(s, s.b, s.a, 120)
            if s.at is s.b:
                s.swap()
            for vm in (VM, "g2"):
                s.until(f"{vm} runs on {s.a}", lambda vm=vm: s.role_of(vm, s.a).get("role") == "primary", 120)
            s.wait_state(s.at, "unprotected", 90)
            s.client.wait_for_more(120)
        s.event("all cut, two guests", begin)
        lives()
        s.come_back()


# ---- the guest is lost, or starts anew

def starts_anew(s, seconds=300):
    """After this the guest is another one: it has booted from its disk, once."""
    def found():
        # a host that has just lost its power is Promoted to the other one for some seconds
        return next((p for p in map(s.promoted, s.lab.hosts)
                     if p and p.bmc_says_on() and s.role_of(VM, p).get("role") == "primary"), None)
    s.at = s.until("the guest is promoted", found, seconds)
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
    power_off_primary, power_off_standby, dom0_panic, host_frozen, xen_crash, two_in_a_row, promote_fails, switchover_cut,
    link_cut, ring_cut, everything_cut, bmc_gone, power_and_bmc_gone, cannot_fence, syncd_hangs, controld_killed,
    corosync_killed, moves, standby_node, moved_while_unsynced, maintenance, clone_stopped, left_in_maintenance, by_hand,
    linked_in_auto, primary_reboots, standby_reboots, sick_host, both_hot, two_guests, two_guests_cut, cold_start,
    resync_cut, packages_installed)}
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
