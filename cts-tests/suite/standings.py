# SPDX-License-Identifier: GPL-2.0-only
"""From what rivals.py has measured to doc/results/rivals.md: a table for each workload, and how the goals stand."""

import json
import statistics
import time
from dataclasses import dataclass

from figures import ratios, spread, table

# what the first figure of each row is divided by: column, kind of rival
COLUMNS = {"/ unprotected": "unprotected", "/ Remus": "remus", "/ Remus, netbuf": "netbuf"}


@dataclass
class Goal:
    """Kemari in async mode has at least this times what the best of that kind has."""
    what: str
    workload: str
    kind: str
    times: float


GOALS = [
    Goal("TCP_RR, 1 connection: Remus without network buffering", "tcp_rr", "remus", 2),
    Goal("TCP_RR, 8 connections: Remus without network buffering", "tcp_rr_8", "remus", 2),
    Goal("TCP_RR, 1 connection: Remus with network buffering", "tcp_rr", "netbuf", 30),
    Goal("TCP_RR, 8 connections: Remus with network buffering", "tcp_rr_8", "netbuf", 30),
    Goal("TCP_RR, 1 connection: unprotected", "tcp_rr", "unprotected", 0.5),
    Goal("TCP_RR, 8 connections: unprotected", "tcp_rr_8", "unprotected", 0.5),
    Goal("TCP_STREAM: unprotected", "tcp_stream", "unprotected", 0.7),
    Goal("fsync'ed 4 KiB writes: unprotected", "fio_fsync", "unprotected", 0.7),
    Goal("reads, 4 KiB random: unprotected", "fio_randread", "unprotected", 0.95),
    Goal("reads, sequential: unprotected", "fio_read", "unprotected", 0.95),
    Goal("CPU-bound: unprotected", "sysbench_cpu", "unprotected", 0.98),
]


def lines(records):
    return "".join(json.dumps(r) + "\n" for r in records)


class Standing:
    """What was measured of one workload."""

    def __init__(self, records, rivals, workload):
        self.rivals, self.workload = rivals, workload
        self.rows = [r for r in records if r["workload"] == workload.name]
        self.headline = next(iter(workload.figures))

    def rounds(self, rival, figure=None):
        """{round: value}"""
        return {r["round"]: r["figures"][figure or self.headline] for r in self.rows
                if r["rival"] == rival.name and "figures" in r}

    def best(self, kind):
        """Of that kind, the rival with the highest median; None if there is none."""
        able = [r for r in self.rivals if r.kind == kind and self.rounds(r)]
        return max(able, key=lambda r: statistics.median(self.rounds(r).values()), default=None)

    def times(self, rival, kind):
        """Round by round, what it has by what the best of that kind has."""
        other = self.best(kind)
        if not other:
            return []
        ours, theirs = self.rounds(rival), self.rounds(other)
        both = sorted(set(ours) & set(theirs))
        return ratios([ours[n] for n in both], [theirs[n] for n in both])

    def table(self):
        head = ["configuration"]
        for i, (figure, unit) in enumerate(self.workload.figures.items()):
            head.append(f"{figure}, {unit}" if unit else figure)
            if i == 0:
                head += COLUMNS
        return table(head, [self.row(r) for r in self.rivals])

    def row(self, rival):
        figures = [spread(list(self.rounds(rival, f).values())) for f in self.workload.figures]
        quotients = [spread(self.times(rival, kind)) for kind in COLUMNS.values()]
        return [rival.title, figures[0], *quotients, *figures[1:]]

    def text(self):
        yield f"## {self.workload.title}"
        yield ""
        yield from self.table()


def goals(standings):
    """Of the workloads that Kemari ran."""
    rows = []
    for goal in GOALS:
        s = standings.get(goal.workload)
        kemari = s and s.best("kemari")
        if kemari:
            times = s.times(kemari, goal.kind)
            verdict = "not measured" if not times else "met" if statistics.median(times) >= goal.times else "missed"
            rows.append((goal.what, f"{goal.times:g}", spread(times), verdict))
    if rows:
        yield "## Goals"
        yield ""
        yield from table(["Kemari, mode = async, by", "goal", "measured", ""], rows)


def failures(records, rivals, workloads):
    """What there is no figure of, by its reason."""
    rows = []
    for rival in rivals:
        reasons = {}
        for r in records:
            if r["rival"] == rival.name and "failed" in r:
                reasons.setdefault(r["failed"], set()).add(r["workload"])
        rows += [(rival.title, ", ".join(w.title for w in workloads if w.name in names), reason.replace("|", "/"))
                 for reason, names in reasons.items()]
    if rows:
        yield "## Not measured, at least once"
        yield ""
        yield from table(["configuration", "workload", "reason"], rows)


def clocks(records, rivals):
    rows = [(r.title, spread([x["clock"] for x in records if x["rival"] == r.name and "clock" in x])) for r in rivals]
    yield "## The guest's clock"
    yield ""
    yield ("Of the time that passed, the share that CLOCK_MONOTONIC of the guest has seen, over all workloads. It stands "
           "still while Remus has the guest suspended.")
    yield ""
    yield from table(["configuration", "share"], rows)


def report(records, rivals, workloads, rounds):
    """The text of doc/results/rivals.md."""
    standings = {w.name: Standing(records, rivals, w) for w in workloads}
    out = [f"# Kemari beside Remus, {time.strftime('%Y-%m-%d')}", "",
           "*Emulated lab; not tried on hardware: ratios mean more than times.*", "",
           f"`make bench-rivals`, {rounds} round{'s' if rounds > 1 else ''}, one lab: both hosts are QEMU without hardware "
           "virtualization, on the same patched Xen for all. The guest is Debian 12 with 512 MiB and one vCPU, booted anew "
           "for each configuration in each round; clients run outside both hosts. A figure is the median of the rounds "
           "(smallest to largest); ratios are of the first figure, taken within a round, and by the better interval of a "
           "Remus.", "",
           "Remus does not replicate the disk here (`-d`), and without network buffering holds back no output at all: it "
           "promises less than Kemari in both. Its stream is not encrypted here, Kemari's is. With `-i 20` only clients "
           "outside measure: a program takes a minute to start in the guest. Rates measured by the guest's own clock are "
           "converted to time that has passed."]
    for part in (goals(standings), *(s.text() for s in standings.values()), clocks(records, rivals),
                 failures(records, rivals, workloads)):
        text = list(part)
        if text:
            out += ["", *text]
    return "\n".join(out) + "\n"
