# SPDX-License-Identifier: GPL-2.0-only
"""The benchmark against others: programs that others wrote (workloads.py), in a guest that is unprotected, protected by
Kemari, and by Xen's own Remus, all in one lab. No test, nothing passes or fails; what a configuration cannot run is in
the tables with its reason. A round is all configurations, one after the other, each with a guest that has just booted.

Remus is `xl remus` twice: as Debian packages it, without network buffering, and with the libxl of build-remus, which has
it. Neither replicates the disk (-d): for that Remus needs a DRBD that Linux 6.1 does not have."""

import time
from dataclasses import dataclass
from pathlib import Path

import standings
from figures import number, write
from lab import LabError
from scenario import VM, Session
from story import telling
from workloads import WORKLOADS, Place

LOG = "/run/xl-remus.log"
PID = "/run/xl-remus.pid"
CONF = "/etc/kemari/kemari.conf"
COPY = "copying the guest to the standby"
# one line of the receiving side for each checkpoint
CHECKPOINTS = f"grep -c 'All records buffered' {LOG} || true"
START = f"rm -f {LOG}; setsid sh -c 'echo $$ > {PID}; exec {{command}}' < /dev/null > {LOG} 2>&1 &"
# for who wants to know the cause of a failure
WHY = f"xl list; tail -n 40 {LOG}; kemari log {VM} | tail -n 40; journalctl -n 40 -o short; xl dmesg | tail -n 40"
DAEMON_UP = ("systemctl restart kemari-syncd; n=0; until kemari status > /dev/null 2>&1 || [ $n -ge 100 ]; do "
             "n=$((n + 1)); sleep 0.2; done")


@dataclass
class Rival:
    """How a guest is run, and with which workloads, all if none is named. LabError from check: it was not run so all the
    while; from recover: nor will it be."""
    name: str           # on the command line
    title: str
    kind: str           # of which the best one is compared
    only = ()

    def build(self, lab):
        """What it needs, before hosts boot."""

    def begin(self, session):
        session.stock_guest()

    def check(self, session):
        pass

    def recover(self, session):
        self.check(session)

    def end(self, session):
        session.away()


class Unprotected(Rival):
    def begin(self, session):
        session.kemari_guest("async")


@dataclass
class Kemari(Rival):
    mode: str
    copies = 0          # how often it was copied as a whole

    def begin(self, session):
        session.kemari_guest(self.mode)
        session.protect()
        self.copies = self.copied(session)

    def copied(self, session):
        return int(session.a.exec(f"kemari log {VM} | grep -c '{COPY}' || true").out)

    def check(self, session):
        before, self.copies = self.copies, self.copied(session)
        if self.copies > before:
            why = session.a.exec(f"kemari log {VM} | grep -B 1 '{COPY}' | tail -n 2 | sed -n '1s/.* epoch [0-9]* *//p'").out
            raise LabError(f"it was copied anew meanwhile, not protected: {why.strip()}")
        row = session.status(session.a)
        if not row or row["state"] != "protected":
            raise LabError(f"kemari status says: {row['state'] if row else 'no such VM'}")

    def recover(self, session):
        session.wait_state(session.a, "protected", 90)
        self.copies = self.copied(session)


@dataclass
class Remus(Rival):
    options: str
    interval: int
    only: tuple = ()
    environment = ""
    done = 0            # checkpoints so far

    def begin(self, session):
        session.stock_guest()
        self.prepare(session)
        self.done = 0
        session.a.exec(START.format(command=f"env {self.environment} xl remus {self.options} -i {self.interval} "
                                            f"-s lab-rsh {VM} {session.b}"))
        session.until("Remus takes checkpoints", lambda: self.more(session) and self.done > 2, 120)

    def prepare(self, session):
        pass

    def more(self, session):
        """True if there were checkpoints since the last look."""
        before = self.done
        self.done = int(session.a.exec(CHECKPOINTS).out or 0)
        if not session.a.exec(f"kill -0 $(cat {PID})", check=False).ok:
            why = session.a.exec(f"grep -m 1 'error:' {LOG} || tail -n 1 {LOG}").out.strip()
            raise LabError(f"xl remus ended: {why}")
        return self.done > before

    def check(self, session):
        session.until("Remus goes on", lambda: self.more(session), 20)

    def end(self, session):
        """Its backup first: one whose primary ends goes on as the guest."""
        session.b.exec(f"xl destroy {VM}--incoming", timeout=60, check=False)
        session.a.exec(f"n=0; while kill -0 $(cat {PID}) && [ $n -lt 50 ]; do n=$((n + 1)); sleep 0.2; done; "
                       f"kill -9 $(cat {PID})", timeout=60, check=False)
        session.away()


class Netbuf(Remus):
    """Frames are held in an ifb device until the backup has the checkpoint."""
    environment = "LD_LIBRARY_PATH=/opt/remus"
    tar = b""

    def build(self, lab):
        self.tar = Path(lab.script("build-remus", timeout=1800).strip()).read_bytes()

    def prepare(self, session):
        session.a.exec("tar -C / -xf -", stdin=self.tar)
        session.a.exec("modprobe -a sch_plug sch_ingress act_mirred cls_u32; modprobe -r ifb; modprobe ifb numifbs=1")


NET = ("tcp_rr", "tcp_rr_8", "udp_rr", "tcp_stream", "tcp_maerts", "redis")
RIVALS = [
    Rival("stock", "unprotected, xen-blkback and xen-netback", "unprotected"),
    Unprotected("unprotected", "unprotected, Kemari's backends", ""),
    Kemari("sync", "Kemari, mode = sync", "", "sync"),
    Kemari("async", "Kemari, mode = async", "kemari", "async"),
    # with an interval of 20 ms a program takes a minute to start in the guest
    Remus("remus-20", "Remus without network buffering, -i 20", "remus", "-F -n -d", 20, NET),
    Remus("remus-100", "Remus without network buffering, -i 100", "remus", "-F -n -d", 100),
    Netbuf("netbuf-20", "Remus with network buffering, -i 20", "netbuf", "-F -d", 20, NET),
    Netbuf("netbuf-100", "Remus with network buffering, -i 100", "netbuf", "-F -d", 100),
]


class Comparison(Session):
    """records: what was measured, {round, rival, workload} and either {figures, clock} or {failed}."""

    def __init__(self, lab, story):
        super().__init__(lab, story)
        self.place = Place(lab, lab.script("build-bench-tree", timeout=1800).strip())
        self.records = []

    def boot_hosts(self):
        with self.story.step("two hosts boot: patched Xen, Debian dom0, a BMC each"):
            self.lab.up()

    def kemari_guest(self, mode):
        for h in (self.a, self.b):
            h.exec(f"sed -i '/^mode = /d' {CONF}; echo 'mode = {mode}' >> {CONF}; {DAEMON_UP}", timeout=120)
        self.a.exec(f"kemari create {self.config}", timeout=180)
        self.lab.guest.wait_up()

    def away(self):
        """No guest, no copy and no daemon, whatever there was."""
        def gone():
            for h in self.lab.hosts:
                h.exec(f"for d in $(xl list | awk 'NR > 1 && /{VM}/ {{ print $2 }}'); do xl destroy $d; done",
                       timeout=120, check=False)
            return not any(self.domains(h) for h in self.lab.hosts)
        if self.a.exec("systemctl is-active -q kemari-syncd", check=False).ok:
            self.a.exec(f"kemari unprotect {VM}", timeout=60, check=False)
        self.until("no domain of the guest on any host", gone, 120)
        for h in self.lab.hosts:
            h.exec("systemctl stop kemari-syncd; rm -f /run/kemari/*", timeout=60)

    # ---- rounds

    def keep(self, number_of, rival, workload, **more):
        self.records.append({"round": number_of, "rival": rival.name, "workload": workload.name, **more})

    def measure(self, number_of, rival, workload):
        begin = time.monotonic()
        values = workload.measure(self.place)
        rival.check(self)
        self.keep(number_of, rival, workload, figures=values, clock=self.place.share)
        self.story.say(f"    {workload.name}: " + ", ".join(f"{number(v)} {k}" for k, v in values.items())
                       + f" ({time.monotonic() - begin:.0f} s)")

    def failed(self, number_of, rival, workload, error):
        for h in self.lab.hosts:
            said = h.exec(WHY, timeout=60, check=False)
            (self.story.folder / f"{number_of}-{rival.name}-{workload.name}.{h}.txt").write_text(said.out + said.err)
        reason = str(error).partition("\n")[0]
        self.story.say(f"    {workload.name}: {reason}")
        self.keep(number_of, rival, workload, failed=reason)

    def run(self, number_of, rival, workloads):
        """What ends in a workload is begun again for the next one; if it cannot be, that is the reason of all others."""
        workloads = [w for w in workloads if not rival.only or w.name in rival.only]
        if not workloads:
            return
        dead = self.begin(rival)
        for workload in workloads:
            try:
                if dead:
                    raise dead
                self.measure(number_of, rival, workload)
            except (LabError, ValueError) as e:
                self.failed(number_of, rival, workload, e)
                if not dead and not self.goes_on(rival) and workload is not workloads[-1]:
                    self.end(rival)
                    dead = self.begin(rival)
        self.end(rival)

    def begin(self, rival):
        """Why it cannot be; None if it can."""
        self.story.say(rival.title)
        try:
            rival.begin(self)
            self.place.look()
            self.story.say(f"    of the time that passes the guest's clock has {self.place.share:.2f}")
        except (LabError, ValueError) as e:
            return e
        return None

    def goes_on(self, rival):
        try:
            self.lab.guest.wait_up(30)
            rival.recover(self)
        except LabError:
            return False
        return True

    def end(self, rival):
        try:
            rival.end(self)
        except LabError as e:
            self.story.say(f"    {rival.name} does not end: {e}")
            self.boot_hosts()


def chosen(names):
    """(rivals, workloads) of these names: all where none of its kind is named."""
    known = {x.name: x for x in RIVALS + WORKLOADS}
    for name in names:
        if name not in known:
            raise LabError(f"rivals: '{name}' is none of {', '.join(known)}")
    return [[x for x in those if x.name in names] or those for those in (RIVALS, WORKLOADS)]


def rivals(lab, rounds, names):
    """True if it could measure."""
    competitors, workloads = chosen(names)
    with telling(lab, "rivals") as story:
        c = Comparison(lab, story)
        try:
            for rival in competitors:
                rival.build(lab)
            c.boot_hosts()
            for n in range(rounds):
                story.say(f"round {n + 1} of {rounds}")
                for i in range(len(competitors)):   # each round begins with another one
                    c.run(n + 1, competitors[(n + i) % len(competitors)], workloads)
        finally:
            text = standings.report(c.records, competitors, workloads, rounds)
            (story.folder / "rivals.md").write_text(text)
            (story.folder / "rivals.jsonl").write_text(standings.lines(c.records))
        print(text, flush=True)
        if names:
            print(f"a part of all: it is in {story.folder} only", flush=True)
        else:
            write("rivals.md", text)
            write("rivals.jsonl", standings.lines(c.records))
    return not story.failed
