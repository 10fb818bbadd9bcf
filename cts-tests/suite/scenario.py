# SPDX-License-Identifier: GPL-2.0-only
"""What is done to a protected guest, and what must hold afterwards.

A Session boots both hosts, starts the guest with its workload on the first and a client outside. Its
actions (protect, move, cut, repair, verify) are what scenarios in `run` are made of; audit() is the end of
each: it holds everything that the client and the disk saw against what an unbroken machine would have
done. Silences are the longest gaps in the guest's 20 ms datagrams as seen from outside."""

import json
import re
import subprocess
import time
from datetime import datetime
from pathlib import Path

import audit
from lab import LabError, disk_snapshot, read_from_disk

HERE = Path(__file__).resolve().parent
VM = "g1"
PULSE_MS = 20


class Outside:
    """The external client, as a process in the client's network."""

    def __init__(self, session):
        folder = session.story.folder
        self.log = folder / f"client{len(list(folder.glob('client*.log'))) or ''}.log"
        argv = ["ip", "netns", "exec", session.lab.client_ns, "python3", HERE / "client.py",
                session.lab.guest.address, self.log, str(session.count_ms)]
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

    def stop_without_guest(self):
        """As stop(), for a guest that answers no more: nobody waits for it."""
        self.drain()
        self.counts()       # before this one its log was written out
        self.kill()
        return audit.parse_seen(self.log.read_text().rpartition("\n")[0])

    def kill(self):
        self.process.kill()
        self.process.wait()


class Session:
    count_ms = 5                            # from an answer that the client gets to its next number
    workload = {"pulse_ms": PULSE_MS}       # of Guest.start_workload()

    def __init__(self, lab, story, config="/lab/g1.cfg"):
        self.lab, self.story, self.config = lab, story, config
        self.a, self.b = lab.hosts[0], lab.hosts[1]
        self.at, self.other = self.a, self.b
        self.events = []        # (kind, begin, end) in ns of CLOCK_MONOTONIC, since the last audit
        self.judged = []        # (kind, seconds of silence) of those before it
        self.audits = []        # of each: the checks that failed
        self.compared = 0       # epochs after which both copies were equal
        self.promotions = []    # (kind, seconds from its begin on the new primary to the guest's first instruction)
        self.not_running = []   # (kind, seconds from the guest's stop until its old host knows that it runs)
        self.crowded = []       # (begin, end) of CLOCK_REALTIME: a host may have had two guests
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
            self.attach()
        self.story.say("outside, a client holds a TCP connection and counts; the journal reports each fsync")

    def stop(self):
        if self.client:
            self.client.kill()

    def stock_guest(self):
        """The guest under xl on the stock backends, without Kemari."""
        self.a.exec("systemctl stop kemari-syncd; rm -f /run/kemari/*; modprobe xen-blkback; modprobe xen-netback; "
                    f"xl create {self.config}", timeout=120)
        self.lab.guest.wait_up()

    # ---- looking

    def story_of(self, host):
        """The last thing its kemari-syncd said about the guest's start: where the time of a promotion went."""
        lines = host.exec(f"kemari log {VM}", check=False).out.splitlines()
        return next((line.partition("the guest runs here ")[2] for line in reversed(lines)
                     if "the guest runs here " in line), "")

    def runs_now(self, kind):
        """After a move or a cut."""
        story = self.story_of(self.at)
        us = re.search(r": (\d+) us ", story)
        if not us:
            raise LabError(f"{self.at}: its log does not say how the guest was started: {story!r}")
        self.promotions.append((kind, int(us[1]) / 1e6))
        self.story.say(f"    runs on {self.at} {story}")

    def handed_over(self, host):
        """Seconds in the log of the host that a move left, by its clock: from the guest's stop until the other host
        had said that it runs there."""
        held = None
        seconds = None
        for line in host.exec(f"kemari log {VM}").out.splitlines():
            when = datetime.fromisoformat(line.split()[0].rstrip("Z")) if line else None
            if line.endswith(" guest held"):
                held = when
            elif held and line.endswith("handed over: the peer runs it"):
                seconds, held = (when - held).total_seconds(), None
        if seconds is None:
            raise LabError(f"{host}: its log does not say when the guest was held and handed over")
        return seconds

    def stands_still(self, seconds=2):
        """Nothing that the guest sends gets out: a problem if something does."""
        self.client.drain()
        first = self.client.counts()
        time.sleep(seconds)
        self.client.drain()
        last = self.client.counts()
        return [] if first == last else [f"outputs got out: {first}, then {last} answers, reports, datagrams"]

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
        if not self.client:
            return
        self.client.wait_for_more()
        row = self.status(self.at)
        if row["epoch"] <= first:
            raise LabError(f"the epoch does not count: {first}, then {row['epoch']}")
        self.story.say(f"    protected; epoch {row['epoch']}, the guest stops {row['pause_us']} us for one")

    def protect_a_busy_guest(self, seconds=150):
        """It rewrites 27 MiB faster than the link carries them: the copy ends all the same, and the guest is slowed
        down to what its epochs can carry, bounded by the standby's staging area. Its answers take seconds then:
        what is to happen in it goes on by itself."""
        guest = self.lab.guest
        begin = time.monotonic_ns()
        guest.exec("(setsid sh -c '"
                   f"witness dirty {guest.BUSY} 7000 100000 & sleep {seconds}; nc 127.0.0.1 {guest.BUSY} > /tmp/busy; kill $!"
                   "' </dev/null >/dev/null 2>&1 &)")
        time.sleep(5)
        self.protect()
        self.story.check("the guest was stopped for the rest of the copy",
                         [] if "stands still" in self.at.exec(f"kemari log {VM}").out else ["the log does not say so"])
        left = seconds - (time.monotonic_ns() - begin) / 1e9
        if left < 10:
            raise LabError(f"protecting the guest took {seconds - left:.0f} s")
        with self.story.step("it goes on rewriting"):
            time.sleep(left)
            self.story.check("it was protected all the while", [] if self.status(self.at)["state"] == "protected"
                             else [str(self.status(self.at))])
            self.until("it has ended", lambda: guest.exec("test -s /tmp/busy", check=False).ok, 120)
        self.client.wait_for_more()
        self.event("busy", begin)
        self.story.check("its memory is intact", audit.memory(guest.exec("cat /tmp/busy").out))

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
        self.runs_now("move")
        self.not_running.append(("move", self.handed_over(self.other)))

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
        self.client.wait_for_more()
        self.event("cut", begin)
        self.runs_now("cut")

    def repair(self):
        """The dead host comes back and is the standby again."""
        with self.story.step(f"{self.other} boots again"):
            self.other.power_on()
        self.protect()

    def compare(self, epochs):
        """(equal, what kemari verify said)"""
        r = self.at.exec(f"kemari verify {VM} --epochs {epochs}", timeout=120 + 5 * epochs, check=False)
        said = " ".join((r.err or r.out).split())
        if not r.ok and "differ on the standby" not in said:
            raise LabError(f"{self.at}: kemari verify did not compare: {r.status} {said}")
        return r.ok, said

    def verify(self, epochs):
        begin = time.monotonic_ns()
        with self.story.step(f"whole-RAM comparison of both copies after {epochs} epochs"):
            equal, said = self.compare(epochs)
        self.event("comparison", begin)     # the guest stands still while its memory is hashed
        self.story.check(f"both copies equal over {epochs} epochs", [] if equal else [said])
        self.compared += epochs if equal else 0

    def restart_daemon(self):
        begin = time.monotonic_ns()
        junk = "/run/kemari/11111111-2222-3333-4444-555555555555.mem"
        self.story.say(f"kemari-syncd on {self.at} is killed; systemd starts it again, beside a damaged memory file; "
                       "the lock of the guest's own is not free for 4 s")
        self.at.exec(f"head -c 65536 /dev/zero > {junk}; systemctl kill -s KILL kemari-syncd; "
                     f"for f in /run/kemari/*.mem; do setsid flock $f sleep 4 >/dev/null 2>&1 & done")
        self.client.wait_for_more()
        self.event("restart", begin)
        self.wait_state(self.at, "protected")
        said = self.at.exec(f"journalctl -u kemari-syncd -o cat | grep '{junk} is not served'; rm {junk}", check=False)
        self.story.check("the damaged memory file is refused, and named", [] if said.out else ["the log does not say so"])

    def lose_link(self, seconds=6):
        """The network between the hosts is silent for a while: outputs are held, then all goes on by itself."""
        begin = time.monotonic_ns()
        self.story.say(f"the link between the hosts is cut for {seconds} s")
        self.lab.cluster_port(self.at, up=False)
        try:
            row = self.wait_state(self.at, "holding: link lost", timeout=30)
            self.story.check(f"{self.at} says so: {row['state']}", [])
            self.story.check("no output gets out while the standby is not reached", self.stands_still())
            time.sleep(seconds)
        finally:
            self.lab.cluster_port(self.at, up=True)
        self.client.wait_for_more()
        self.event("link", begin)
        self.wait_state(self.at, "protected")

    def restart_standby_daemon(self):
        begin = time.monotonic_ns()
        self.story.say(f"kemari-syncd on {self.other}, the standby, is killed; systemd starts it again")
        self.other.exec("systemctl kill -s KILL kemari-syncd")
        self.client.wait_for_more()
        self.event("standby restart", begin)
        self.wait_state(self.at, "protected")

    def lose_standby(self):
        """The standby's host dies: outputs are held until a person says that it is gone."""
        begin = time.monotonic_ns()
        self.story.say(f"the power of {self.other}, the standby, is cut")
        self.other.cut_power()
        self.wait_state(self.at, "holding: link lost", timeout=30)
        self.story.check("no output gets out without a word about the standby", self.stands_still())
        self.story.say(f"kemari unprotect {VM} --standby-is-gone on {self.at}")
        self.at.exec(f"kemari unprotect {VM} --standby-is-gone", timeout=30)
        self.client.wait_for_more()
        self.event("standby lost", begin)
        self.wait_state(self.at, "unprotected")

    def unprotect(self):
        self.story.say(f"kemari unprotect {VM}: the standby drops its copy")
        self.at.exec(f"kemari unprotect {VM}", timeout=60)
        if self.client:
            self.client.wait_for_more()
        self.wait_state(self.at, "unprotected")
        self.until(f"nothing of it is left on {self.other}",
                   lambda: not self.status(self.other) and not self.domains(self.other))
        self.story.check(f"nothing of it is left on {self.other}", [])

    # ---- an operator with xl

    def cpu_seconds(self, host):
        """CPU time of the domain that is the guest or its copy."""
        out = host.exec("xl list | awk '/g1/ { print $NF }'").out.split()
        if len(out) != 1:
            raise LabError(f"{host}: xl list shows {len(out)} domains of {VM}")
        return float(out[0])

    def unpause_the_copy(self):
        host = self.other
        self.story.say(f"xl unpause of the copy on {host}, three times")
        before = self.cpu_seconds(host)
        host.exec("d=$(xl list | awk '/g1/ { print $2 }'); for i in 1 2 3; do xl unpause $d; done")
        time.sleep(3)
        after = self.cpu_seconds(host)
        self.story.check("the copy did not run", [] if before == after else [f"it ran for {after - before} s"])
        self.story.check("it is the standby still", [] if self.status(host)["role"] == "standby"
                         else [str(self.status(host))])
        self.client.wait_for_more()

    def pause_the_guest(self, seconds=3):
        begin = time.monotonic_ns()
        self.story.say(f"xl pause and, {seconds} s later, xl unpause of the guest on {self.at}")
        self.at.exec(f"xl pause {VM}")
        self.story.check("a paused guest stays paused", self.stands_still(seconds))
        self.at.exec(f"xl unpause {VM}")
        self.client.wait_for_more()
        self.event("pause", begin)

    def look_with_xl(self):
        self.story.say(f"xl vcpu-list, xl console on {self.at}")
        vcpus = self.at.exec(f"xl vcpu-list {VM}").out
        self.story.check("xl vcpu-list shows its vCPU", [] if f"{VM} " in vcpus else [vcpus])
        said = self.at.exec(f"timeout 5 xl console {VM} < /dev/null", timeout=30, check=False).out
        self.story.check("xl console shows what it prints", [] if "beat" in said else [f"only: {said!r}"])

    def migrate_is_refused(self):
        self.story.say(f"xl migrate {VM} {self.other}, as for a guest without protection")
        r = self.at.exec(f"xl migrate -s lab-rsh {VM} {self.other}", timeout=180, check=False)
        self.story.check("Xen refuses it the guest's dirty log", [] if not r.ok and "Failed to enable logdirty" in r.err
                         else [f"status {r.status}: {r.err[-600:]}"])
        self.goes_on_protected()

    def save_and_go_on(self):
        self.story.check("no new line in the guest's log so far",
                         audit.dmesg(self.dmesg, self.lab.guest.exec("dmesg").out))
        begin = time.monotonic_ns()
        self.story.say(f"xl save -c {VM}: the guest is suspended, written to a file, and goes on")
        self.at.exec(f"xl save -c {VM} /var/tmp/{VM}.save && rm /var/tmp/{VM}.save", timeout=180)
        self.goes_on_protected()
        self.event("save", begin)
        log = self.lab.guest.exec("dmesg").out
        self.story.check("in the guest's log only that it suspended and went on",
                         audit.dmesg(self.dmesg, log, audit.SUSPENDED))
        self.dmesg = log

    def goes_on_protected(self):
        self.client.wait_for_more()
        self.wait_state(self.at, "protected")
        problems = [f"{h}: {self.domains(h)}" for h in self.lab.hosts if len(self.domains(h)) != 1]
        self.story.check("there is the guest, and its copy, and no third domain", problems)
        self.verify(5)

    # ---- the guest ends

    def until(self, what, condition, timeout=60, pause=0.3):
        """Waits for the condition; what it said when it held."""
        end = time.monotonic() + timeout
        while not (said := condition()):
            if time.monotonic() > end:
                raise LabError(f"not so after {timeout} s: {what}")
            time.sleep(pause)
        return said

    def domains(self, host):
        return host.exec("xl list | awk 'NR > 1 && /g1/ { print $1 }'", check=False).out.split()

    def drop_client(self):
        if self.client:
            self.client.kill()
        self.client = None

    def attach(self):
        """The workload and a client, on a guest that has just started."""
        self.lab.guest.wait_up()
        self.lab.guest.start_workload(**self.workload)
        self.dmesg = self.lab.guest.exec("dmesg").out
        self.client = Outside(self)
        self.client.wait_for_more()

    def again(self):
        with self.story.step(f"kemari create {self.config} on {self.at}"):
            self.at.exec(f"kemari create {self.config}", timeout=120)
            self.attach()

    def made_anew(self):
        """How often a daemon found that one before it had not finished the domain."""
        return self.at.exec(f"kemari log {VM}", timeout=60).out.count("was away while its domain was made")

    def guest_reboots(self, kill_after=None):
        """kill_after: seconds until kemari-syncd is killed, which is about to make the domain anew."""
        self.story.say("the guest reboots (on_reboot = restart)"
                       + (f", kemari-syncd is killed {kill_after} s later" if kill_after else ""))
        before = self.lab.guest.exec("cat /proc/sys/kernel/random/boot_id").out
        hits = self.made_anew()
        self.drop_client()
        self.lab.guest.exec("(sleep 0.3; reboot -f) </dev/null >/dev/null 2>&1 &")
        if kill_after:
            time.sleep(kill_after)
            self.at.exec("systemctl kill --kill-whom=main -s KILL kemari-syncd")
        self.until("it boots anew", lambda: self.lab.guest.exec(
            "cat /proc/sys/kernel/random/boot_id", check=False).out not in ("", before), 120)
        self.attach()
        self.wait_state(self.at, "protected", timeout=120)
        if kill_after:
            self.story.say("    it was killed while the domain was made" if self.made_anew() > hits
                           else "    it was killed at another moment")
        self.verify(5)

    def nothing_left(self, what):
        self.until(f"{what}: no domain of it on any host",
                   lambda: not any(self.domains(h) or self.status(h) for h in self.lab.hosts), 150)
        self.story.check(f"{what}: nothing of it runs or waits on either host", [])

    def guest_ends(self, command, what):
        self.story.say(f"the guest ends: {what}")
        self.drop_client()
        self.lab.guest.exec(command, check=False)
        self.nothing_left(what)

    def host_ends(self, command, what):
        self.story.say(f"{what} on {self.at}")
        self.drop_client()
        self.at.exec(command, timeout=120)
        self.nothing_left(what)

    # ---- the end

    def silences(self, pulses):
        return [(kind, audit.silence(pulses, b, e)) for kind, b, e in self.events]

    def ask_guest(self):
        """What only the living guest can tell of itself."""
        guest = self.lab.guest
        return {"clocks": guest.ask(guest.CLOCKS), "memory": guest.ask(guest.DIRTY), "log": guest.exec("dmesg").out,
                "timer": guest.exec("grep -E 'nr_(events|retries|hangs)' /proc/timer_list").out}

    def disk(self):
        """A copy of it as it is now."""
        image = self.story.folder / "disk.img"
        disk_snapshot(self.lab, image)
        return image

    def audit(self):
        """All checks. Returns the silences [(kind, seconds)], with those of the audits before."""
        told = self.ask_guest()
        self.lab.guest.freeze()
        when = time.monotonic_ns()
        image = self.disk()
        self.lab.guest.thaw()
        client, self.client = self.client, None
        seen = client.stop()
        # of a write that is owed the guest hears before it is on the disk, and nobody else
        seen.reports = [r for r in seen.reports if r[0] <= when]
        self.judge(told, image, seen)
        return self.judged

    def audit_of_the_dead(self, told, died):
        """All checks of a guest that was ended on purpose at died of CLOCK_MONOTONIC, before another one starts from its
        disk. told: of ask_guest(), shortly before; None: it was not asked."""
        image = self.disk()
        client, self.client = self.client, None
        seen = client.stop_without_guest()
        seen.errors = [(when, what) for when, what in seen.errors if when < died]
        self.judge(told, image, seen)

    def stories(self):
        return [h.exec(f"kemari log {VM}", timeout=60, check=False).out for h in self.lab.hosts]

    def judge(self, told, image, seen):
        """What the guest told, its disk, what the client saw."""
        check, before = self.story.check, len(self.story.failed)
        data, problems = read_from_disk(image, "/journal")
        image.unlink()
        silences = self.silences(seen.pulses)
        self.pulses = seen.pulses
        longest = max([s for _, s in silences], default=0)
        check(f"the TCP connections went on ({len(seen.answers)} answers)", audit.connection(seen))
        check("every number answered once, in order", audit.count(seen.answers))
        check(f"{len(seen.reports)} journal records durable, the chain whole", problems + audit.journal(data, seen.reports))
        if told:
            (self.story.folder / f"clocks.{len(self.audits)}.txt").write_text(told["clocks"])
            check(f"no clock stepped back or jumped further than the outage ({longest:.2f} s)",
                  audit.clocks(told["clocks"], longest))
            check("the guest's memory is intact", audit.memory(told["memory"]))
            new = audit.dmesg(self.dmesg, told["log"])
            new, emulated = audit.of_kemari(new, told["clocks"], self.stories(), self.crowded) if new else ([], [])
            check("no new line in the guest's log", new)
            for line in emulated:   # from here on that check is blind to those lines: its kernel says them once
                self.story.say(f"    {line}: not Kemari's")
            self.story.say(f"    its timer interrupts: {' '.join(told['timer'].split())}")
        check("datagrams in order, none twice", audit.frames(seen.pulses, may_lose=True))
        for h in self.lab.hosts:
            lines = [line for line in h.serial().splitlines() if "Assertion" in line or "FATAL" in line]
            check(f"{h}: no complaint of the hypervisor", lines)
        self.judged += silences
        self.events.clear()
        self.audits.append(self.story.failed[before:])
