# SPDX-License-Identifier: GPL-2.0-only
"""Troubles of guests: daemons that end, operators, two guests, a guest that starts anew. See troubles.py."""

import contextlib
import time

from cluster import LOOKED_S, configuration
from lab import Guest
from scenario import VM
from trouble_hosts import one_shoots, without_link, without_networks


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


def forgotten(s):
    """An operator gives the standby up while only the link is gone; the copy that is left behind is forgotten, and made
    anew."""
    s.client.wait_for_more()
    begin = time.monotonic_ns()
    with s.story.step("the replication link is cut; kemari unprotect --standby-is-gone"), without_link(s):
        s.wait_state(s.at, "holding: link lost", 30)
        s.at.exec(f"kemari unprotect {VM} --standby-is-gone", timeout=60)
        s.wait_state(s.at, "unprotected", 30)
        left = s.role_of(VM, s.other)
        s.story.check(f"the copy is left on {s.other}", [] if left.get("role") == "standby" else [str(left)])
        s.story.say(f"kemari forget {VM} on {s.other}")
        s.other.exec(f"kemari forget {VM}", timeout=60)
        s.until("nothing is left there", lambda: not s.domains(s.other), 60)
        s.client.wait_for_more()
    with s.story.step(f"kemari protect {VM} --to {s.other}"):
        s.at.exec(f"kemari protect {VM} --to {s.other}", timeout=180)
        s.settled(300)
        s.client.wait_for_more()
    s.event("forgotten", begin)


# ---- two guests

@contextlib.contextmanager
def crowd(s):
    """For the audits: a host may have two guests for its CPU."""
    begin = time.time()
    try:
        yield
    finally:
        s.crowded.append((begin, time.time()))


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
            s.at.exec("kemari switchover g2", timeout=90)
        protected_on(s.other)
        g2.wait_up()
        boot = g2.exec("cat /proc/sys/kernel/random/boot_id").out
    yield protected_on, lambda: lives(boot)
    s.at.exec("crm_resource --resource g2-ha --set-parameter target-role --meta --parameter-value Stopped; "
              "crm_resource --wait", timeout=240)
    s.at.exec("crm configure delete g2-ha g2", timeout=120)


def two_guests(s):
    """Protected in opposite directions; either host is lost, each in its turn."""
    with crowd(s), second_guest(s) as (protected_on, lives):
        s.power_off()
        lives()
        s.come_back()
        with s.story.step(f"g2 moves to {s.other}; then that one is lost"):
            protected_on(s.at)
            s.at.exec("kemari switchover g2", timeout=90)
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
    with crowd(s), second_guest(s) as (_, lives):
        s.client.wait_for_more()
        begin = time.monotonic_ns()
        with s.story.step(f"all networks between the hosts are cut: {s.a} must shoot first"), without_networks(s):
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


def both_lose_power(s):
    s.client.wait_for_more()
    told = s.ask_guest()
    died = time.monotonic_ns()
    s.story.say("the power of both hosts is cut")
    for h in s.lab.hosts:
        h.cut_power()
    s.audit_of_the_dead(told, died)
    s.fenced = 0        # Pacemaker keeps its history in memory


def cold_start(s):
    """Both hosts lose their power at once: the copies are gone, the guest boots once."""
    both_lose_power(s)
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


def one_comes_back(s):
    """Both hosts lose their power, one comes back: alone it runs nothing, until an operator has the absent one fenced."""
    both_lose_power(s)
    s.swap()    # the standby's comes back
    with s.story.step(f"{s.at} is switched on, alone"):
        s.at.bmc("chassis", "power", "on")
        s.at.wait_up(300)
        s.until("Pacemaker is there", lambda: s.crm_mon() is not None, 120, pause=1)
        time.sleep(LOOKED_S)
        s.story.check("alone it runs nothing", [f"{h} runs it" for h in s.runners()])
    with s.story.step(f"kemari cold-start {VM} on {s.at}"):
        said = s.at.exec(f"kemari cold-start {VM}", timeout=240).out
        s.story.check("it says what is left to do", [] if "quorum.cancel_wait_for_all u8 1" in said else [said])
        s.at.exec("corosync-cmapctl -s quorum.cancel_wait_for_all u8 1")
        starts_anew(s)
    s.fenced += 1   # by cold-start; Pacemaker has seen it
    s.come_back()
