# SPDX-License-Identifier: GPL-2.0-only
"""What is done to a protected guest, and what must hold afterwards.

A Session boots both hosts, starts the guest with its workload on the first and a client outside. Its
actions (protect, move, cut, repair, verify) are what scenarios in `run` are made of; audit() is the end of
each: it holds everything that the client and the disk saw against what an unbroken machine would have
done. Silences are the longest gaps in the guest's 20 ms datagrams as seen from outside."""

import json
import subprocess
import time
from pathlib import Path

import audit
from lab import LabError, disk_snapshot, read_from_disk

HERE = Path(__file__).resolve().parent
VM = "g1"
PULSE_MS = 20


class Outside:
    """The external client, as a process in the client's network."""

    def __init__(self, session):
        self.log = session.story.folder / "client.log"
        argv = ["ip", "netns", "exec", session.lab.client_ns, "python3", HERE / "client.py",
                session.lab.guest.address, self.log, "5"]
        self.process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        start_new_session=True, text=True)

    def counts(self):
        """(answers, reports, pulses) so far; waits for the next status line."""
        line = self.process.stdout.readline().split()
        if not line:
            raise LabError("the external client ended")
        return tuple(int(x) for x in line[1:])

    def wait_for_more(self, timeout=60):
        """Until the guest answers, writes its disk and sends again."""
        self.drain()
        first = self.counts()
        end = time.monotonic() + timeout
        while time.monotonic() < end:
            if all(b > a for a, b in zip(first, self.counts())):
                return
        raise LabError(f"the guest does not go on after {timeout} s: {first} answers, reports and datagrams")

    def drain(self):
        """Forgets status lines of the past: there are two in a second."""
        end = time.monotonic() + 0.6
        while time.monotonic() < end:
            self.counts()

    def stop(self):
        self.process.stdin.close()
        self.process.stdout.read()
        self.process.wait(timeout=60)
        return audit.parse_seen(self.log.read_text())

    def kill(self):
        self.process.kill()
        self.process.wait()


class Session:
    def __init__(self, lab, story, config="/lab/g1.cfg"):
        self.lab, self.story, self.config = lab, story, config
        self.a, self.b = lab.hosts[0], lab.hosts[1]
        self.at, self.other = self.a, self.b
        self.events = []        # (kind, begin, end) in ns of CLOCK_MONOTONIC
        self.cut_count = 0
        self.client = None
        self.dmesg = ""

    # ---- setting up

    def start(self):
        with self.story.step("two hosts boot: patched Xen, Debian dom0, a BMC each"):
            self.lab.up()
        for h in self.lab.hosts:
            if "kemari" not in h.exec("xl info | grep xen_version").out:
                raise LabError(f"{h}: this is not the patched Xen")
            if not h.bmc_says_on():
                raise LabError(f"{h}: its BMC does not say on")
        self.story.capture_frames()
        with self.story.step(f"the guest starts on {self.at} from {self.config}"):
            self.at.exec(f"kemari create {self.config}", timeout=120)
            self.lab.guest.wait_up()
        self.lab.guest.start_workload(pulse_ms=PULSE_MS)
        self.dmesg = self.lab.guest.exec("dmesg").out
        self.client = Outside(self)
        self.client.wait_for_more()
        self.story.say("outside, a client holds a TCP connection and counts; the journal reports each fsync")

    def stop(self):
        if self.client:
            self.client.kill()

    # ---- looking

    def status(self, host):
        rows = json.loads(host.exec("kemari status --json").out)
        return next((r for r in rows if r["vm"] == VM), None)

    def wait_state(self, host, state, timeout=60):
        end = time.monotonic() + timeout
        while time.monotonic() < end:
            row = self.status(host)
            if row and row["state"] == state:
                return row
            time.sleep(0.3)
        raise LabError(f"{host}: {VM} is not {state} after {timeout} s: {row}")

    # ---- actions

    def protect(self):
        with self.story.step(f"kemari protect {VM} --to {self.other}: mirrors it from {self.at}"):
            self.at.exec(f"kemari protect {VM} --to {self.other}", timeout=180)
        first = self.wait_state(self.at, "protected")["epoch"]
        self.client.wait_for_more()
        row = self.status(self.at)
        if row["epoch"] <= first:
            raise LabError(f"the epoch does not count: {first}, then {row['epoch']}")
        self.story.say(f"    protected; epoch {row['epoch']}, the guest stops {row['pause_us']} us for one")

    def event(self, kind, begin):
        self.events.append((kind, begin, time.monotonic_ns()))

    def move(self):
        """Planned: no power cut."""
        begin = time.monotonic_ns()
        self.story.say(f"kemari switchover {VM}: from {self.at} to {self.other}")
        self.at.exec(f"kemari switchover {VM}", timeout=60)
        self.at, self.other = self.other, self.at
        self.client.wait_for_more()
        self.event("move", begin)
        self.wait_state(self.at, "protected")

    def cut(self):
        """The power of the guest's host goes, confirmed off; the other host promotes its copy."""
        begin = time.monotonic_ns()
        self.story.say(f"the power of {self.at} is cut through its BMC")
        self.at.cut_power()
        self.story.say(f"    confirmed off; kemari promote {VM} --primary-is-off on {self.other}")
        asked = time.monotonic_ns()
        self.other.exec(f"kemari promote {VM} --primary-is-off", timeout=60)
        self.story.note("promoted", seconds=(time.monotonic_ns() - asked) / 1e9)
        self.at, self.other = self.other, self.at
        self.cut_count += 1
        self.client.wait_for_more()
        self.event("cut", begin)

    def repair(self):
        """The dead host comes back and is the standby again."""
        with self.story.step(f"{self.other} boots again"):
            self.other.power_on()
        self.protect()

    def verify(self, epochs):
        with self.story.step(f"whole-RAM comparison of both copies after {epochs} epochs"):
            r = self.at.exec(f"kemari verify {VM} --epochs {epochs}", timeout=60 + 5 * epochs, check=False)
        self.story.check(f"both copies equal over {epochs} epochs", [] if r.ok else [(r.err or r.out).strip()])

    def restart_daemon(self):
        begin = time.monotonic_ns()
        self.story.say(f"kemari-syncd on {self.at} is killed; systemd starts it again")
        self.at.exec("systemctl kill -s KILL kemari-syncd")
        self.client.wait_for_more()
        self.event("restart", begin)
        self.wait_state(self.at, "protected")

    # ---- the end

    def silences(self, pulses):
        return [(kind, audit.silence(pulses, b, e)) for kind, b, e in self.events]

    def audit(self):
        """All checks. Returns the silences [(kind, seconds)]."""
        guest, check = self.lab.guest, self.story.check
        clocks = guest.ask(guest.CLOCKS)
        memory = guest.ask(guest.DIRTY)
        log = guest.exec("dmesg").out
        guest.freeze()
        image = self.story.folder / "disk.img"
        disk_snapshot(self.lab, image)
        guest.thaw()
        seen = self.client.stop()
        self.client = None
        data, problems = read_from_disk(image, "/journal")
        image.unlink()
        silences = self.silences(seen.pulses)
        longest = max([s for _, s in silences], default=0)
        check(f"the TCP connections went on ({len(seen.answers)} answers)", audit.connection(seen))
        check("every number answered once, in order", audit.count(seen.answers))
        check(f"{len(seen.reports)} journal records durable, the chain whole", problems + audit.journal(data, seen.reports))
        check(f"no clock stepped back or jumped further than the outage ({longest:.2f} s)", audit.clocks(clocks, longest))
        check("the guest's memory is intact", audit.memory(memory))
        check("no new line in the guest's log", audit.dmesg(self.dmesg, log))
        check("datagrams in order, none twice", audit.frames(seen.pulses, may_lose=True))
        for h in self.lab.hosts:
            lines = [line for line in h.serial().splitlines() if "Assertion" in line or "FATAL" in line]
            check(f"{h}: no complaint of the hypervisor", lines)
        return silences
