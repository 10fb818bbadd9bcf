# SPDX-License-Identifier: GPL-2.0-only
"""What the scenarios share: the client under way, kemari on a host, and the checks of one guest's run."""

import json
import subprocess
import threading
import time

import audit
from lab import SUITE, LabError, disk_snapshot, read_from_disk

VM = "g1"
CONFIG = "/lab/g1.cfg"


class Client:
    """The external client while it runs. Its log can be read at any time."""

    def __init__(self, lab, log, interval_ms=5):
        self.log = log
        self.answers = self.reports = self.pulses = 0
        self.process = subprocess.Popen(
            ["ip", "netns", "exec", lab.client_ns, "python3", str(SUITE / "client.py"), lab.guest.address, str(log),
             str(interval_ms)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=open(f"{log}.err", "wb"),
            start_new_session=True, text=True)
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()

    def read(self):
        for line in self.process.stdout:
            w = line.split()
            if w[:1] == ["status"]:
                self.answers, self.reports, self.pulses = (int(x) for x in w[1:])

    def wait_progress(self, timeout, answers=20, reports=3):
        """Until the guest has answered and written some more."""
        a, r = self.answers + answers, self.reports + reports
        end = time.monotonic() + timeout
        while self.answers < a or self.reports < r:
            if self.process.poll() is not None:
                raise LabError(f"the client ended, see {self.log}.err")
            if time.monotonic() > end:
                raise LabError(f"no progress in {timeout} s: {self.answers} answers, {self.reports} reports")
            time.sleep(0.05)

    def seen(self):
        return audit.parse_seen(self.log.read_text())

    def stop(self):
        self.process.stdin.close()
        try:
            self.process.wait(45)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.reader.join()


class Kemari:
    """The kemari command on a host."""

    def __init__(self, host):
        self.host = host

    def command(self, args, timeout, check=True):
        return self.host.exec(f"kemari {args}", timeout=timeout, check=check)

    def wait_ready(self, timeout=60):
        end = time.monotonic() + timeout
        while not self.command("status --json", 20, check=False).ok:
            if time.monotonic() > end:
                self.command("status --json", 20)
            time.sleep(0.5)

    def status(self):
        """This host's row about the VM; {} when it knows none."""
        try:
            rows = json.loads(self.command("status --json", 20).out or "[]")
        except ValueError as e:
            raise LabError(f"{self.host}: kemari status --json: {e}") from None
        if isinstance(rows, dict):
            rows = rows.get("vms", [])
        for row in rows:
            if VM in (row.get("vm"), row.get("name")):
                return row
        return {}

    def wait_state(self, state, timeout):
        end = time.monotonic() + timeout
        while True:
            row = self.status()
            if row.get("state") == state:
                return row
            if time.monotonic() > end:
                raise LabError(f"{self.host}: {VM} is {row.get('state', 'unknown')} and not {state} "
                               f"after {timeout} s: {row.get('reason', '')}")
            time.sleep(0.3)

    def create(self):
        self.command(f"create {CONFIG}", 120)

    def protect(self, to):
        self.command(f"protect {VM} --to {to}", 300)
        return self.wait_state("protected", 30)

    def promote(self):
        self.command(f"promote {VM} --primary-is-off", 120)

    def switchover(self):
        self.command(f"switchover {VM}", 120)


class Watched:
    """A guest under the whole workload and what is held against it."""

    def __init__(self, story):
        self.story, self.lab, self.guest = story, story.lab, story.lab.guest
        self.client = None
        self.log_before = ""
        self.outages = [0.0]

    def start(self):
        self.guest.wait_up()
        self.guest.start_workload()
        time.sleep(0.5)
        self.log_before = self.guest.exec("dmesg").out
        self.client = Client(self.lab, self.story.folder / "client.log")
        self.client.wait_progress(60)

    def silence_since(self, begin):
        """The longest silence of the guest's datagrams since begin (monotonic ns), in seconds."""
        s = audit.silence(self.client.seen().pulses, begin=begin)
        self.outages.append(s)
        return s

    def check_disk(self, what, image, seen):
        data, problems = read_from_disk(image, "/journal")
        problems += audit.journal(data, seen.reports)
        if self.story.check(f"{what}: all {len(seen.reports)} records reported durable are on the disk, in order",
                            problems):
            image.unlink()

    def check_power_cut(self):
        """The disk as the dead host left it, before anything runs again."""
        time.sleep(0.3)
        seen = self.client.seen()
        image = self.story.folder / "disk-at-power-cut.img"
        disk_snapshot(self.lab, image)
        self.check_disk("at the power cut", image, seen)

    def check_running(self, may_lose_frames, quiet_log=True):
        """What can be asked of the running guest."""
        story = self.story
        seen = self.client.seen()
        story.check("the TCP connections never broke", audit.connection(seen))
        story.check(f"{len(seen.answers)} answers, each once and in order", audit.count(seen.answers))
        story.check(f"{len(seen.pulses)} datagrams in order, none twice" + ("" if may_lose_frames else ", none lost"),
                    audit.frames(seen.pulses, may_lose_frames))
        story.check("the guest's clocks never stepped back and jumped no further than the outage",
                    audit.clocks(self.guest.ask(self.guest.CLOCKS), max(self.outages)))
        story.check("the guest's memory holds what it wrote", audit.memory(self.guest.ask(self.guest.DIRTY)))
        if quiet_log:
            story.check("no new line in the guest's log", audit.dmesg(self.log_before, self.guest.exec("dmesg").out))

    def check_disk_now(self):
        """The disk under the running guest, its file system frozen for the copy."""
        image = self.story.folder / "disk.img"
        self.guest.freeze()
        try:
            time.sleep(0.5)
            seen = self.client.seen()
            disk_snapshot(self.lab, image)
        finally:
            self.guest.thaw()
        self.check_disk("on the disk", image, seen)

    def check_all(self, may_lose_frames, quiet_log=True):
        self.client.wait_progress(60)
        self.check_running(may_lose_frames, quiet_log)
        self.check_disk_now()

    def stop(self):
        if self.client:
            self.client.stop()
            self.client = None


def other(lab, host):
    return lab.hosts[1] if host is lab.hosts[0] else lab.hosts[0]


def stock_migration(story, a, b):
    """xl create on a, xl migrate to b, the stock way and under the same workload. Returns (silence in s,
    duration in s, Watched); the guest and the client go on."""
    watched = Watched(story)
    story.note("stock migration begins")
    try:
        a.exec(f"xl create {CONFIG}", timeout=120)
        watched.start()
        begin = time.monotonic_ns()
        a.exec(f"xl migrate -s lab-rsh g1 {b}", timeout=180)
        took = (time.monotonic_ns() - begin) / 1e9
        watched.client.wait_progress(60)
        silent = watched.silence_since(begin)
        return silent, took, watched
    except BaseException:
        watched.stop()
        raise
