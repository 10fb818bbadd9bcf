# SPDX-License-Identifier: GPL-2.0-only
"""A guest in the hands of a real cluster: Pacemaker starts, fences, promotes; the operator's hands are the
suite's only where a scenario says so."""

import json
import re
import time
import xml.etree.ElementTree as ET

from lab import LabError, at_once
from scenario import HERE, VM, Session

CLONE = f"{VM}-ha"
# what the survivor's journal says of a failover, in the order in which it happens
STEPS = (("corosync noticed", r"corosync\[.*(A processor failed|link: host: \d+ .*is down)"),
         ("new membership", r"corosync\[.*A new membership"),
         ("fencing started", r"pacemaker-(controld|fenced)\[.*Requesting (peer )?fencing \(off\)"),
         ("confirmed off", r"pacemaker-fenced\[.*Operation 'off'.*: OK"),
         ("promote called", r"kemari-syncd\[.*the cluster manager promotes it here"),
         ("guest running", r"kemari-syncd\[.*the guest runs here from epoch"))


# Pacemaker's monitors of the guest come every 10 and 11 s (doc/cluster.md): so long, and a little, until each has looked
LOOKED_S = 15
GUIDE = HERE.parents[1] / "doc/cluster.md"


def blocks():
    """Of doc/cluster.md, for `crm configure`: the first level of fencing, the second one, the guest."""
    found = re.findall(r"^```sh crm config\n(.*?)^```", GUIDE.read_text(), re.S | re.M)
    return {word: next(b for b in found if f"primitive {word}" in b) for word in ("bmc-xa", "pdu1-xa", "vm1")}


def as_here(lab, text):
    """A block as a user types it after `crm configure`, with this lab's addresses, names and times."""
    text = text.replace("\\\n", "").replace("crm configure ", "")
    for h, name in zip(lab.hosts, ("xa", "xb")):
        text = re.sub(rf"\b{name}\b", h.name, text)
        # the simulated BMC needs a workaround
        text = text.replace(f"ip=203.0.113.{h.number} ", f"ip={lab.net}.0.{100 + h.number} workarounds=opensesspriv ")
        text = text.replace(f"/etc/kemari/bmc-{h}", "/etc/kemari/bmc-password")
        text = text.replace(f"4c4c4544-0042-3510-8051-b7c04f4d333{h.number + 1}",
                            f"a1234567-89ab-cdef-a123-456789abcd0{h.number}")
    for feed in (1, 2):
        text = text.replace(f"ip=203.0.113.2{feed} ", f"ip={lab.net}.0.{200 + feed} ")
    # an agent in Python takes up to 10 s on an emulated, busy CPU
    text = re.sub(r"op monitor interval=300s timeout=60s", "op start interval=0 timeout=90s op monitor interval=600s timeout=90s",
                  text)
    text = text.replace("username=fence", "username=lab")
    return re.sub(r"^(<<.*|END|commit)$", "", text, flags=re.M)    # of a block that is one call


def configuration(lab, vm=VM, fencing=True):
    """Fencing through each BMC, and the guest."""
    text = as_here(lab, (blocks()["bmc-xa"] if fencing else "") + blocks()["vm1"])
    return re.sub(r"\bvm1\b", vm, text.replace("/etc/xen/vm1.cfg", f"/lab/{vm}.cfg"))


def second_level(lab):
    """Fencing through the outlets of each host."""
    return as_here(lab, blocks()["pdu1-xa"])


def told(steps):
    return ", ".join(f"{what} {'?' if t is None else f'{t:.2f} s'}" for what, t in steps)


class Cluster(Session):
    """self.at is where the guest runs, self.other the standby's host."""

    def __init__(self, lab, story, config="/lab/g1.cfg"):
        super().__init__(lab, story, config)
        self.fenced = 0     # times that a fencing is due to what the scenario did
        self.steps = []     # of the last failover: (what, seconds)
        self.failovers = []     # (kind, steps) of all

    # ---- setting up

    def start(self):
        with self.story.step("two hosts boot: patched Xen, Debian dom0, a BMC each"):
            self.lab.up()
        self.story.capture_frames()
        with self.story.step("corosync, pacemaker and kemari-agent start on both"):
            self.lab.script("cluster-up", timeout=300)
        with self.story.step("crm configure: fencing through each BMC, the VM, its clone"):
            self.a.exec("cat > /root/cluster.crm && crm -F -f /root/cluster.crm configure", timeout=240,
                        stdin=configuration(self.lab).encode())
        with self.story.step("Pacemaker starts the guest, kemari-agent has it mirrored"):
            self.at = self.until("the guest is promoted somewhere", self.promoted, 180)
            self.other = self.b if self.at is self.a else self.a
            self.wait_state(self.at, "protected", 180)
        self.attach()
        self.story.say(f"    {VM} runs on {self.at}, protected by a copy on {self.other}")

    def stop_cluster(self):
        """Its daemons, the guest goes on: Pacemaker on both hosts before anything else ends on one, so that no host is
        missed."""
        self.at.exec("crm configure property maintenance-mode=true", timeout=90)
        for services in ("pacemaker", "kemari-agent corosync"):
            at_once(lambda h, services=services: h.exec(f"systemctl stop {services}", timeout=120), self.lab.hosts)

    def start_cluster(self):
        at_once(lambda h: h.exec("systemctl start corosync pacemaker kemari-agent", timeout=120), self.lab.hosts)
        self.until("both hosts are online", lambda: len(self.roles()) == 2, 180, pause=1)
        self.at.exec("crm configure property maintenance-mode=false", timeout=90)

    # ---- looking

    def crm_mon(self, host=None):
        """The cluster's state as the host sees it; None: it says nothing now."""
        r = (host or self.at).exec("crm_mon -1 --output-as=xml --inactive", timeout=60, check=False)
        try:
            return ET.fromstring(r.out) if r.ok else None
        except ET.ParseError:
            return None

    def promoted(self, host=None):
        mon = self.crm_mon(host)
        if mon is None:
            return None
        for r in mon.iter("resource"):
            if r.get("id") == VM and r.get("role") == "Promoted" and r.get("active") == "true":
                name = r.find("node").get("name")
                return next(h for h in self.lab.hosts if h.name == name)
        return None

    def roles(self, host=None):
        mon = self.crm_mon(host)
        if mon is None:
            return {}
        return {r.find("node").get("name"): r.get("role") for r in mon.iter("resource")
                if r.get("id") == VM and r.find("node") is not None}

    def calm(self, host=None):
        """Pacemaker, as the host sees it, knows each host online, waits for none and is about to fence none."""
        mon = self.crm_mon(host)
        if mon is None or mon.find("nodes") is None:
            return False
        return all((n.get("online"), n.get("unclean"), n.get("pending")) == ("true", "false", "false")
                   for n in mon.find("nodes"))

    def failed_actions(self, host=None):
        """op_key of each that Pacemaker remembers, as the host sees it."""
        mon = self.crm_mon(host)
        return [] if mon is None else [f.get("op_key", "") for f in mon.iter("failure")]

    def has_failed(self, action, host=None):
        """Pacemaker remembers that this action of the guest's failed."""
        return any(key.startswith(f"{VM}_{action}_") for key in self.failed_actions(host))

    def forgive(self, host=None):
        """What failed was to fail: Pacemaker forgets it, and tries again."""
        (host or self.at).exec(f"crm_resource --cleanup --resource {CLONE}", timeout=60)

    def started(self):
        """Resources that are nothing but started, as fence devices are."""
        mon = self.crm_mon()
        return set() if mon is None else {r.get("id") for r in mon.iter("resource")
                                          if r.get("role") == "Started" and r.get("failed") == "false"}

    def settled(self, timeout=180):
        """Pacemaker and Kemari agree: promoted where it runs, started on the other host, protected."""
        want = {self.at.name: "Promoted", self.other.name: "Unpromoted"}
        # each look costs the one CPU of a dom0 that has a guest to copy a second
        self.until(f"Pacemaker has {want}", lambda: self.roles() == want, timeout, pause=1)
        self.wait_state(self.at, "protected", timeout)

    def quiet(self):
        """No failed action, no fencing but those that are due."""
        end = time.monotonic() + 60
        while (mon := self.crm_mon()) is None:
            if time.monotonic() > end:
                raise LabError(f"{self.at}: crm_mon says nothing")
            time.sleep(1)
        failures = [f"{f.get('op_key')} on {f.get('node')}: {f.get('exitstatus')} {f.get('exitreason')}"
                    for f in mon.iter("failure") if f.get("exitcode") not in ("190", "191")]     # degraded: told, not failed
        self.story.check("no action of the cluster failed", failures)
        fenced = [f"{f.get('action')} of {f.get('target')}: {f.get('status')}" for f in mon.iter("fence_event")
                  if f.get("action") != "on"]
        good = len(fenced) == self.fenced and all(f.endswith("success") for f in fenced)
        self.story.check(f"{self.fenced} fencings, as should be", [] if good else fenced or ["none"])

    def clock_ahead(self, host):
        """Seconds that the wall clock of the host is ahead of this machine's, to some hundredths."""
        begin = time.time()
        theirs = float(host.exec("date +%s.%N").out)
        return theirs - (begin + time.time()) / 2

    def timeline(self, begin):
        """Of a failover: when each step was in the survivor's journal, in seconds since the power was cut, which was at
        begin of CLOCK_REALTIME."""
        ahead = self.clock_ahead(self.at)
        log = self.at.exec(f"journalctl -q -o short-unix --since=@{int(begin + ahead)}", timeout=60).out
        lines = [(float(line.split()[0]) - ahead - begin, line) for line in log.splitlines()
                 if re.match(r"\d+\.\d+ ", line)]
        steps = []
        for what, pattern in STEPS:
            when = next((t for t, line in lines if t >= 0 and re.search(pattern, line)), None)
            steps.append((what, when))
        return [("power off", 0.0), *steps]

    def role_of(self, vm, host):
        rows = json.loads(host.exec("kemari status --json", check=False).out or "[]")
        return next((r for r in rows if r["vm"] == vm), {})

    def runners(self):
        """Hosts on which the guest's domain is not paused, as Xen says. A host that is off runs nothing. The guest that
        runs is paused for each epoch, so it is looked for until it is seen; a copy that runs is not."""
        names = set()

        def look(h):
            looks = 10 if h is self.at else 3
            seen = h.exec(f"for i in $(seq {looks}); do xl list | awk '$1 ~ /^{VM}/ {{ print $5 }}' | grep -v p && break; "
                          "done", timeout=60, check=False).out
            if seen.strip():
                names.add(h.name)
        at_once(look, self.lab.hosts)
        return names

    def single(self):
        runs = self.runners()
        self.story.check(f"Xen runs the guest on {self.at} and nowhere else",
                         [] if runs == {self.at.name} else [f"runs on {sorted(runs) or 'none'}"])

    # ---- what happens

    def drop_client(self):
        """The guest is about to end, or has ended: what was seen of it until now is judged, and not lost."""
        if self.client and self.lab.guest.exec("true", timeout=10, check=False).ok:
            self.audit()
        elif self.client:
            self.audit_of_the_dead(None, time.monotonic_ns())

    def swap(self):
        self.at, self.other = self.other, self.at

    def failover(self, kind, cause):
        """cause() is the end of the primary's host, or of its part in the cluster. Nobody tells the cluster; the guest
        must go on on the other host."""
        self.client.wait_for_more()
        begin = time.monotonic_ns()
        self.story.say(f"{kind} on {self.at}")
        cause()
        cut = time.time()
        self.cut_ns = time.monotonic_ns()
        self.fenced += 1
        self.swap()
        self.until(f"{VM} runs on {self.other}", lambda: (self.status(self.at) or {}).get("role") == "primary", 180)
        self.client.wait_for_more(120)
        self.event(kind, begin)
        self.runs_now(kind)
        self.steps = self.timeline(cut)
        self.failovers.append((kind, self.steps))
        self.story.say("    " + told(self.steps))
        self.until("Pacemaker knows the new primary", lambda: self.promoted() is self.at, 60)

    def power_off(self):
        self.failover("power off", lambda: self.at.bmc("chassis", "power", "off"))

    def come_back(self, wait=40):
        """The host that was lost is switched on, by kemari-agent within the wait or else by hand, and is the standby
        again."""
        with self.story.step(f"{self.other} comes back, by itself if kemari-agent sees to it"):
            end = time.monotonic() + wait
            while not self.other.bmc_says_on() and time.monotonic() < end:
                time.sleep(1)
            if self.other.bmc_says_on():
                self.story.say("    kemari-agent had it switched on")
                self.other.wait_up(300)
            else:
                self.other.power_on()
            self.settled(300)
        self.client.wait_for_more()

    def moved(self, kind, command, timeout=180):
        """command(), on the primary's host, moves the guest, as an operator would have it: nobody is fenced."""
        self.client.wait_for_more()
        begin = time.monotonic_ns()
        with self.story.step(f"{kind}: from {self.at} to {self.other}"):
            old = self.at
            old.exec(command, timeout=120)
            self.until(f"{VM} runs on {self.other}",
                       lambda: (self.status(self.other) or {}).get("role") == "primary", timeout)
            self.swap()
            self.client.wait_for_more()
        self.event(kind, begin)
        self.runs_now(kind)

    def switchover(self):
        self.moved("switchover", f"kemari switchover {VM}")
        self.settled()

    def undisturbed(self, kind, what, seconds=LOOKED_S):
        """what() must not reach the guest, nor make the cluster fence or move anything."""
        self.client.wait_for_more()
        begin = time.monotonic_ns()
        with self.story.step(f"{kind}: the guest must not notice more than a pause"):
            what()
            time.sleep(seconds)
            self.settled(300)
            self.client.wait_for_more()
        self.event(kind, begin)

    def survived(self, kind, host, what, seconds=LOOKED_S):
        """what() hits the cluster's own daemons on the host: they come back in time, or Pacemaker has the host fenced. The
        guest goes on in either case."""
        self.client.wait_for_more()
        begin = time.monotonic_ns()
        with self.story.step(f"{kind} on {host}"):
            what()
            end = time.monotonic() + 180
            time.sleep(seconds)
            want = {self.at.name: "Promoted", self.other.name: "Unpromoted"}
            peer = self.other if host is self.at else self.at
            while host.bmc_says_on() and not (self.calm(peer) and self.roles(peer) == want):
                if time.monotonic() > end:
                    raise LabError(f"{host} neither recovers nor is fenced: {self.roles()}")
                time.sleep(1)
        if host.bmc_says_on():
            self.settled(300)
            self.client.wait_for_more()
            self.event(kind, begin)
            return
        self.story.say(f"    Pacemaker has {host} fenced")
        self.fenced += 1
        if host is self.at:
            self.swap()
            self.until(f"{VM} runs on {self.at}", lambda: (self.status(self.at) or {}).get("role") == "primary", 120)
        self.client.wait_for_more(120)
        self.event(kind, begin)
        self.come_back()
