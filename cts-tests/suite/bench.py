# SPDX-License-Identifier: GPL-2.0-only
"""The benchmark: no test, nothing passes or fails. Each figure of a protected guest stands beside its rival,
measured in the same rounds of the same lab; a round is

    stock       the guest by xl create on xen-blkback and xen-netback
    unprotected the guest by kemari create
    protected   the same, mirrored; its epochs under the workload
    hv-check    the same guest unprotected again, epochs by stock hypercalls

After the rounds a guest of each size is moved, for the parts of a promotion, and has its small epochs measured (sizes.py)."""

import base64
import json
import os
import statistics
import tempfile
import time
from pathlib import Path

import figures
import sizes
import xentrace
from figures import number, quantile, spread
from lab import LabError, run
from scenario import PULSE_MS, VM, Outside, Session
from story import telling

HERE = Path(__file__).resolve().parent
RR_PORT = 7006
SECONDS = 5             # of each rate
IDLE_SECONDS = 20
LOAD_SECONDS = 15
WORK_SECONDS = 5        # each, of dom0's time and of what xentrace counts
LOOK_SECONDS = 3        # between two looks at the daemon: each costs dom0 some time
STOCK_EPOCHS = 150
STOCK_LOG = "/run/hv-check-stock"
# a signal to what prints the line; the guest has no pkill
BEAT = """for p in /proc/[0-9]*; do
case $(tr '\\0' ' ' < $p/cmdline) in "witness beat "*) kill -{} ${{p#/proc/}} ;; esac
done"""
PARTS = ("stop_us", "state_us", "context_us", "harvest_us", "devices_us", "copy_us")
RATES = {"rr": "TCP requests/s, one connection", "rr_us": "... time of one, median, us",
         "fsync": "4 KiB write and fsync, /s", "work": "CPU work, rounds/s"}
# the daemon's CPU time in ns, all of its threads, ended ones, too; its memory and its files in KiB
USAGE = """p=$(systemctl show -p MainPID --value kemari-syncd)
awk '{ printf "%.0f\\n", ($14 + $15) * 10000000 }' /proc/$p/stat
awk '/^(VmRSS|RssAnon|RssFile|RssShmem):/ { print $1, $2 }' /proc/$p/status
stat -c '%b %B %n' /run/kemari/* | awk '{ s += $1 * $2 } END { printf "files: %.0f\\n", s / 1024 }'"""


def build_hv_check(lab):
    """The program's bytes."""
    with tempfile.TemporaryDirectory() as tmp:
        lab.script("hv/build-check", f"{tmp}/hv-check", timeout=300)
        return Path(f"{tmp}/hv-check").read_bytes()


class Bench(Session):
    """A session without a client but for the times under load. What is measured goes to self.seen."""

    def __init__(self, lab, story):
        super().__init__(lab, story)
        self.seen = {}
        self.sizes = {}     # of sizes.measure()

    def keep(self, name, value):
        self.seen.setdefault(name, []).append(value)

    def get(self, name):
        return self.seen.get(name, [])

    # ---- guests come and go

    def boot_hosts(self):
        with self.story.step("two hosts boot: patched Xen, Debian dom0, a BMC each"):
            self.lab.up()
        tool = build_hv_check(self.lab)
        self.a.exec("cat > /root/hv-check; chmod +x /root/hv-check", stdin=tool)

    def begin_rates(self):
        self.lab.guest.start(f"witness count {RR_PORT}")

    def end_guest(self):
        self.a.exec(f"xl destroy {VM}", timeout=60)
        self.until("no domain of the guest on any host",
                   lambda: not any(self.domains(h) for h in self.lab.hosts))

    # ---- figures

    def rates(self, kind):
        """What a guest with nothing else to do gets done."""
        guest = self.lab.guest
        r = run(["ip", "netns", "exec", self.lab.client_ns, "python3", HERE / "rr.py", guest.address, RR_PORT,
                 SECONDS], SECONDS + 60)
        if not r.ok:
            raise LabError(f"rr: {r.err.strip()[-300:]}")
        self.keep(f"{kind} rr", figures.rate(r.out))
        self.keep(f"{kind} rr_us", int(r.out.split()[2]))
        for what, command in (("fsync", f"grep -q ' /data ' /proc/mounts && witness fsync {SECONDS} /data/bench"),
                              ("work", f"witness work {SECONDS}")):
            self.keep(f"{kind} {what}", figures.rate(guest.exec(command, timeout=SECONDS + 60).out))
        self.story.say(f"    {kind}: " + ", ".join(
            f"{number(self.get(f'{kind} {k}')[-1])} {RATES[k]}" for k in ("rr", "fsync", "work")))

    def usage(self, host):
        """({word: KiB}, CPU ns, when)"""
        lines = host.exec(USAGE, timeout=240).out.splitlines()
        when = time.monotonic()
        if len(lines) < 2 or not lines[0].isdigit():
            raise LabError(f"{host}: no figures of kemari-syncd: {lines}")
        return {k.rstrip(":"): int(v) for k, v in (line.split() for line in lines[1:])}, int(lines[0]), when

    def idle(self):
        """A guest that does nothing; and one that does nothing but print a line each second."""
        self.lab.guest.exec(BEAT.format("STOP"))
        for guest in ("idle", "beating"):
            begin = [self.usage(h) for h in (self.a, self.b)]
            time.sleep(IDLE_SECONDS)
            for side, h, (_, cpu, when) in zip(("primary", "standby"), (self.a, self.b), begin):
                memory, now_cpu, now = self.usage(h)
                self.keep(f"{side} cpu {guest}", (now_cpu - cpu) / 1e7 / (now - when))
                if guest == "idle":
                    for k, v in memory.items():
                        self.keep(f"{side} {k}", v / 1024)
            self.story.say(f"    {guest}: kemari-syncd takes {number(self.get(f'primary cpu {guest}')[-1])} % of a CPU "
                           f"on the primary, {number(self.get(f'standby cpu {guest}')[-1])} % on the standby")
            self.lab.guest.exec(BEAT.format("CONT"))

    def look(self):
        """What kemari status says of the last epochs, and of all: (recent, stats)"""
        rows = json.loads(self.a.exec(f"kemari status {VM} --json --recent", timeout=120).out)
        return rows[0]["recent"], rows[0]["stats"]

    def host_work(self, kind, epochs):
        """What the primary's host does for an epoch, all else that it does meanwhile included. epochs(): how many so far."""
        def counted():
            return epochs(), time.monotonic()

        def dom0():
            return int(self.a.exec("/root/hv-check 0 cpu").out), time.monotonic()

        def rate(begin, end):
            return (end[0] - begin[0]) / (end[1] - begin[1])
        n, ns = counted(), dom0()
        time.sleep(WORK_SECONDS)
        busy, m = rate(ns, dom0()), counted()
        self.keep(f"{kind} seen_rate", rate(n, m))
        self.keep(f"{kind} dom0_us", busy / 1000 / rate(n, m))
        data = self.a.exec(xentrace.COMMAND.format(seconds=WORK_SECONDS), timeout=60).out
        traced = rate(m, counted())
        for k, found in xentrace.count(base64.b64decode(data)).items():
            self.keep(f"{kind} {k}", found / WORK_SECONDS / traced)

    def begin_load(self):
        self.lab.guest.start_workload(pulse_ms=PULSE_MS)
        self.client = Outside(self)
        self.client.wait_for_more()

    def end_load(self):
        self.client.stop()
        self.client = None

    def epochs(self):
        recent, begin = self.look()
        seen = figures.Recent(recent)
        end = time.monotonic() + LOAD_SECONDS
        while time.monotonic() < end:
            time.sleep(LOOK_SECONDS)
            recent, stats = self.look()
            seen.add(recent)
        if len(seen.epochs) < 10:
            raise LabError(f"only {len(seen.epochs)} epochs in {LOAD_SECONDS} s of load")
        self.keep("kemari n", len(seen.epochs))
        self.keep("kemari rate", seen.per_second())
        self.keep("kemari fired", 100 * (stats["fired"] - begin["fired"]) / (stats["captures"] - begin["captures"]))
        for field in ("pause_us", *PARTS, "dirty", "hot", "pages", "bytes"):
            self.keep(f"kemari {field}", statistics.median(seen.column(field)))
        self.keep("kemari pause_us p99", quantile(seen.column("pause_us"), 0.99))
        if seen.commits():
            self.keep("kemari commit_us", statistics.median(seen.commits()))
            self.keep("kemari commit_us p99", quantile(seen.commits(), 0.99))
        if seen.tries():
            self.keep("kemari tries", statistics.mean(seen.tries()))
        dirty = 4096 * sum(seen.column("dirty"))
        self.keep("sent share", sum(seen.column("bytes")) / dirty if dirty else 0)
        self.host_work("kemari", lambda: self.look()[1]["captures"])
        for kind, times in seen.held.items():
            if times:
                self.keep(f"held {kind}", statistics.median(times))
                self.keep(f"held {kind} p99", quantile(times, 0.99))
                self.keep(f"held {kind} n", len(times))
        self.story.say(f"    under load: {len(seen.epochs)} epochs seen, {number(seen.per_second())} in a second, "
                       f"each stops the guest for {number(self.get('kemari pause_us')[-1])} us")

    def stock_epochs(self):
        """The guest runs as long between two of them as between two of the daemon's."""
        ms = max(1, round(1000 / (self.get("kemari rate")[-1] or 10) - self.get("kemari pause_us")[-1] / 1000))
        command = f"/root/hv-check $(xl domid {VM}) stock {{}} {ms}"
        out = self.a.exec(command.format(STOCK_EPOCHS), timeout=300).out
        rows = figures.stock_epochs(out)
        for field in rows[0]:
            self.keep(f"stock {field}", statistics.median(r[field] for r in rows))
        self.keep("stock pause_us p99", quantile([r["pause_us"] for r in rows], 0.99))
        us = 1000 * ms + self.get("stock pause_us")[-1]
        self.a.exec(f"rm -f {STOCK_LOG}")   # one of before has epochs, too
        self.a.exec(f"{command.format(round(4 * WORK_SECONDS * 1e6 / us))} > {STOCK_LOG} & echo $! > {STOCK_LOG}.pid; "
                    f"until grep -q ^epoch {STOCK_LOG}; do sleep 0.1; done", timeout=60)
        self.host_work("stock", lambda: int(self.a.exec(f"kill -0 $(cat {STOCK_LOG}.pid) && grep -c ^epoch {STOCK_LOG}").out))
        self.a.exec(f"while [ -d /proc/$(cat {STOCK_LOG}.pid) ]; do sleep 0.1; done", timeout=60)
        self.story.say(f"    stock hypercalls every {ms} ms: {number(self.get('stock pause_us')[-1])} us, "
                       f"{number(self.get('stock dirty')[-1])} pages")

    # ---- rounds

    def round(self):
        story, a = self.story, self.a
        with story.step("the guest on the stock backends"):
            self.stock_guest()
            self.begin_rates()
            self.rates("stock")
            self.end_guest()
        with story.step("the guest on Kemari's backends, unprotected"):
            a.exec("systemctl start kemari-syncd; n=0; until kemari status >/dev/null 2>&1 || [ $n -ge 50 ]; do "
                   "n=$((n + 1)); sleep 0.2; done; kemari create /lab/g1.cfg", timeout=180)
            self.lab.guest.wait_up()
            self.begin_rates()
            self.rates("unprotected")
        with story.step("the same guest, protected"):
            self.protect()
            self.rates("protected")
            self.idle()
            self.begin_load()
            self.epochs()
        with story.step("the same guest under the same load, unprotected: stock hypercalls"):
            self.unprotect()
            self.stock_epochs()
            self.end_load()
            self.host_ends(f"xl destroy {VM}", "xl destroy")

    def promotion(self, config, size):
        """A planned move; and the daemons' memory with a guest of that size."""
        self.config, self.at, self.other = config, self.a, self.b
        self.again()
        self.protect()
        for side, h in (("primary", self.a), ("standby", self.b)):
            for k, v in self.usage(h)[0].items():
                self.keep(f"{side} {k} {size}", v / 1024)
        self.move()
        self.keep(f"promotion {size}", self.story_of(self.at))
        self.until("xl knows the guest by its name", lambda: VM in self.domains(self.at))
        self.host_ends(f"xl destroy {VM}", "xl destroy")


# ---- the report

def epoch_tables(s):
    rows = []
    for name, field, stock in (("guest stop, median us", "pause_us", "pause_us"),
                               ("guest stop, p99 us", "pause_us p99", "pause_us p99"),
                               *figures.EPOCH_PARTS, ("pages to copy", "pages", "dirty"), *figures.EPOCH_WORK):
        ours, theirs = s.get(f"kemari {field}"), s.get(f"stock {stock}")
        rows.append((name, spread(ours), spread(theirs), spread(figures.ratios(ours, theirs))))
    yield "## One epoch under the workload"
    yield ("Rival: `hv-check stock`, pause, whole HVM context, SHADOW_OP_CLEAN of the whole bitmap, mapping and "
           "copying the dirty pages, at the same pace in the same guest under the same load, unprotected. It takes no hidden state and "
           "no devices, and lets the guest run on afterwards at the price of a fault for each page again, which is "
           "not in its figures. The last three are all that dom0 and the guest did meanwhile, their other work included.")
    yield from figures.table(["figure", "Kemari", "stock hypercalls", "ratio"], rows)
    rows = [("epochs per second", spread(s.get("kemari rate"))),
            ("epochs seen in a round", spread(s.get("kemari n"))),
            ("taken by Xen, %", spread(s.get("kemari fired"))),
            ("pages sent", spread(s.get("kemari pages"))), ("pages compared, hot", spread(s.get("kemari hot"))),
            ("bytes sent, median", spread(s.get("kemari bytes"))),
            ("dirty pages found", spread(s.get("kemari dirty"))),
            ("bytes sent / (dirty pages x 4096), all epochs", spread(s.get("sent share"))),
            ("stops of the guest for an epoch, put-off ones included", spread(s.get("kemari tries"))),
            ("capture to ack, median us", spread(s.get("kemari commit_us"))),
            ("capture to ack, p99 us", spread(s.get("kemari commit_us p99")))]
    for kind in ("vif", "vbd", "console"):
        rows += [(f"output to release, {kind}, median us", spread(s.get(f"held {kind}"))),
                 (f"output to release, {kind}, p99 us", spread(s.get(f"held {kind} p99"))),
                 (f"outputs measured, {kind}", spread(s.get(f"held {kind} n")))]
    yield ""
    yield from figures.table(["figure", "Kemari"], rows)
    yield ""
    yield "Outputs that the daemon found in one look at a ring (frames, or a batch of writes) count as one."


def rate_table(s):
    rows = []
    for k, name in RATES.items():
        p, u, x = (s.get(f"{kind} {k}") for kind in ("protected", "unprotected", "stock"))
        rows.append((name, spread(p), spread(u), spread(x), spread(figures.ratios(p, u)), spread(figures.ratios(p, x))))
    yield "## What the guest gets done"
    yield "Nothing else runs in it but a console line each second. Rivals: the same guest unprotected on Kemari's backends, and on xen-blkback and xen-netback."
    yield from figures.table(["figure", "protected", "unprotected", "stock backends", "protected / unprotected",
                              "protected / stock"], rows)


def daemon_tables(s):
    names = (("VmRSS", "RSS, MiB"), ("RssAnon", "- own, MiB"), ("RssShmem", "- its files in /run, MiB"),
             ("RssFile", "- programs and mapped files, MiB"), ("files", "files in /run/kemari, MiB"))
    rows = [(f"CPU, % of one, guest {what} for {IDLE_SECONDS} s", spread(s.get(f"primary cpu {k}")),
             spread(s.get(f"standby cpu {k}"))) for k, what in (("idle", "idle"), ("beating", "printing a line each second"))]
    rows += [(name, spread(s.get(f"primary {k}")), spread(s.get(f"standby {k}"))) for k, name in names]
    yield "## kemari-syncd with one protected guest of 128 MiB"
    yield from figures.table(["figure", "primary", "standby"], rows)
    if s.get("primary VmRSS 512"):
        rows = []
        for k, name in names:
            rows.append((name, *(spread(s.get(f"{side} {k} {size}")) for side in ("primary", "standby")
                                 for size in (128, 512))))
        yield ""
        yield "The same with guests of two sizes, under the workload: what grows depends on the guest's memory."
        yield from figures.table(["figure", "primary, 128 MiB", "primary, 512 MiB", "standby, 128 MiB",
                                  "standby, 512 MiB"], rows)


def promotion_table(s):
    rows = [(f"{size} MiB", *s.get(f"promotion {size}")) for size in (128, 512) if s.get(f"promotion {size}")]
    if rows:
        yield "## Promotion, planned move"
        yield from figures.table(["guest", "as the new primary tells it"], rows)


def size_table(s):
    if s.sizes:
        yield from sizes.tables(s.sizes)


def report(s, rounds):
    """The text of doc/results/bench.md."""
    note = "*Emulated lab; not tried on hardware: ratios mean more than times.*"
    lines = [f"# Benchmark, {time.strftime('%Y-%m-%d')}", "",
             f"`make bench`, {rounds} rounds, one lab: both hosts are QEMU without hardware virtualization. A figure is "
             "the median of the rounds (smallest to largest); ratios are taken within a round. The workload is that of "
             "the lab's scenarios: 500 pages rewritten a second, a journal with fsync, 20 ms datagrams, a client that counts. "
             "Programs that others wrote, and Xen's Remus, are in `rivals.md` (`make bench-rivals`)."]
    for part in (epoch_tables, size_table, rate_table, daemon_tables, promotion_table):
        text = list(part(s))
        if text:
            lines += ["", text[0], "", note, "", *spaced(text[1:])]
    return "\n".join(lines) + "\n"


def spaced(lines):
    """An empty line before each table."""
    for before, line in zip(["|"] + lines, lines):
        if line.startswith("|") and before and not before.startswith("|"):
            yield ""
        yield line


def bench(lab, rounds):
    """True if it could measure."""
    os.environ.setdefault("LAB_MEM", str(sizes.HOST_MIB))
    with telling(lab, "bench") as story:
        s = Bench(lab, story)
        try:
            s.boot_hosts()
            for n in range(rounds):
                story.say(f"round {n + 1} of {rounds}")
                s.round()
            for config, size in (("/lab/g1.cfg", 128), ("/lab/g1-512.cfg", 512)):
                story.say(f"a move of a guest of {size} MiB")
                s.promotion(config, size)
            sizes.measure(s)
        except ValueError as e:
            raise LabError(f"what was printed is no figure: {e}") from e
        finally:
            s.stop()
            (story.folder / "bench.md").write_text(report(s, rounds))   # whatever there is
        text = report(s, rounds)
        print(text, flush=True)
        figures.write("bench.md", text)
    return not story.failed
