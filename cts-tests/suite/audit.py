# SPDX-License-Identifier: GPL-2.0-only
"""The checks: what an outside client saw and what is on the disk, against what a machine that never
failed would have done. Pure functions; each returns a list of problems, empty when all is well.
mix() and fnv1a() mirror cts-tests/lab/guest/witness.c, the formats those of the programs there."""

import datetime
import re
from dataclasses import dataclass, field

M64 = (1 << 64) - 1
RECORD_BYTES = 68
HASHED_BYTES = 50


def mix(state, n):
    z = ((state ^ n) + 0x9E3779B97F4A7C15) & M64
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & M64
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & M64
    return z ^ (z >> 31)


def fnv1a(data):
    h = 0xCBF29CE484222325
    for b in data:
        h = ((h ^ b) * 0x100000001B3) & M64
    return h


@dataclass
class Seen:
    """What the client wrote down. Times are CLOCK_MONOTONIC of its machine, in ns."""
    answers: list = field(default_factory=list)   # (sent, received, n, state)
    reports: list = field(default_factory=list)   # (received, seq, hash)
    pulses: list = field(default_factory=list)    # (received, seq, monotonic, realtime)
    errors: list = field(default_factory=list)    # (when, text)


def parse_seen(text):
    """Reads the client's log; client.py documents its lines."""
    seen = Seen()
    for line in text.splitlines():
        kind, _, rest = line.partition(" ")
        if kind == "c":
            sent, received, n, state = rest.split()
            seen.answers.append((int(sent), int(received), int(n), int(state, 16)))
        elif kind == "j":
            received, seq, digest = rest.split()
            seen.reports.append((int(received), int(seq), int(digest, 16)))
        elif kind == "p":
            seen.pulses.append(tuple(int(x) for x in rest.split()))
        elif kind == "e":
            when, _, what = rest.partition(" ")
            seen.errors.append((int(when), what))
    return seen


def connection(seen):
    """The connections never broke."""
    return [f"client: {what}" for _, what in seen.errors]


def count(answers):
    """Every number was answered once, in order, by a guest that remembered all those before."""
    problems = []
    state = 0
    if not answers:
        return ["the guest answered nothing"]
    for i, (_, _, n, got) in enumerate(answers, 1):
        if n != i:
            problems.append(f"answer {i} is for number {n}")
            break
        state = mix(state, n)
        if got != state:
            problems.append(f"answer {n}: state {got:016x}, expected {state:016x}")
            break
    return problems


def parse_record(raw):
    """(seq, monotonic, prev, hash) of one journal record; None if it is not a whole, valid one."""
    if len(raw) != RECORD_BYTES or not re.fullmatch(rb"([0-9a-f]{16} ){3}[0-9a-f]{16}\n", raw):
        return None
    seq, mono, prev, digest = (int(x, 16) for x in raw.split())
    if fnv1a(raw[:HASHED_BYTES]) != digest:
        return None
    return seq, mono, prev, digest


def journal(data, reports):
    """The file holds every record reported as durable, in order, with an unbroken chain. What follows
    the last reported record may be torn: the guest was not yet told that it is on the disk."""
    problems = []
    records = []
    prev = last_mono = 0
    for at in range(0, len(data), RECORD_BYTES):
        record = parse_record(data[at:at + RECORD_BYTES])
        if record is None:
            break
        seq, mono, before, digest = record
        if seq != len(records) + 1:
            problems.append(f"record {len(records) + 1} on the disk has number {seq}")
            break
        if before != prev:
            problems.append(f"record {seq}: the chain of hashes is broken")
            break
        if mono < last_mono:
            problems.append(f"record {seq}: the guest's clock was {last_mono - mono} ns behind the record before")
        records.append(digest)
        prev, last_mono = digest, mono
    for i, (_, seq, digest) in enumerate(reports, 1):
        if seq != i:
            problems.append(f"report {i} is about record {seq}")
            break
        if seq > len(records):
            problems.append(f"record {seq} was reported durable and is not on the disk "
                            f"({len(records)} whole records, {len(reports)} reports)")
            break
        if records[seq - 1] != digest:
            problems.append(f"record {seq} on the disk is not the one that was reported")
            break
    if not reports:
        problems.append("no record was reported durable")
    return problems


def parse_clocks(text):
    """The report of `witness clocks`: ({clock: {field: number}}, [(kind, clock, before, after)])."""
    clocks, events, ended = {}, [], False
    for line in text.splitlines():
        w = line.split()
        if w[:1] == ["clock"]:
            clocks[w[1]] = {k: int(v) for k, v in zip(w[2::2], w[3::2])}
        elif w[:1] == ["event"]:
            events.append((w[1], w[2], int(w[4]), int(w[6])))
        ended = w == ["end"]
    if not ended or not clocks:
        raise ValueError("the clock report is not complete")
    return clocks, events


def clocks(text, outage_s, slack_s=0.5):
    """No clock stepped back, none jumped further than the longest outage and some slack for a busy
    emulated CPU."""
    try:
        table, events = parse_clocks(text)
    except ValueError as e:
        return [str(e)]
    problems = []
    for name, c in table.items():
        if c["backs"]:
            problems.append(f"{name} stepped back {c['backs']} times, by up to {c['maxback']} ns")
        if c["maxgap"] > (outage_s + slack_s) * 1e9:
            problems.append(f"{name} jumped by {c['maxgap'] / 1e9:.3f} s, the outage was {outage_s:.3f} s")
    for kind, name, before, after in events:
        if kind == "back":
            problems.append(f"{name} went from {before} to {after}")
    return problems


# What Linux says when it suspends and its hypervisor lets it go on.
SUSPENDED = re.compile(
    r"\] (Freezing [a-z ]+( completed \(elapsed [\d.]+ seconds\)| \.\.\. \(elapsed [\d.]+ seconds\) done\.)?|"
    r"OOM killer (dis|en)abled\.|suspending xenstore\.\.\.|Restarting tasks ?(: (Starting|Done)|.*done\.)|"
    r"xen:grant_table: Grant tables using version 1 layout)$")


def dmesg(before, after, expected=None):
    """The guest's kernel log has no line that it did not have before, but for those that match expected."""
    old = before.splitlines()
    new = after.splitlines()
    if new[:len(old)] == old:
        added = new[len(old):]
    else:
        known = set(old)
        added = [line for line in new if line not in known]
        if not added:
            added = ["(lines are missing)"]
    if expected:
        added = [line for line in added if not expected.search(line)]
    return [f"new in the guest's log: {line}" for line in added[:10]]


# What Linux says, once, when it was so slow in a timer's interrupt that the next timers were due each time it was done.
LATE_TIMER = re.compile(r"new in the guest's log: \[ *([\d.]+)\] hrtimer: interrupt took \d+ ns$")


def untouched(story, when, margin_s=2):
    """Whether by a host's story (`kemari log`) the guest ran there unprotected at that time (CLOCK_REALTIME): Kemari does not
    stop such a guest. margin_s: what clocks differ by."""
    begin = None
    for at, role, state in re.findall(r"^(\S+Z) +(\S+) +(.*?) +epoch \d+ ", story, re.M) + [("", "", "")]:
        end = datetime.datetime.fromisoformat(at).timestamp() if at else float("inf")
        if (role, state) == ("primary", "unprotected"):
            begin = end if begin is None else begin
        elif begin is not None:
            if begin + margin_s <= when <= end - margin_s:
                return True
            begin = None
    return False


def of_kemari(problems, clock_report, stories, crowded=()):
    """Those of dmesg()'s problems that are Kemari's, and those that are not: an emulated CPU, too, is late at times, and a
    timer's interrupt that was late while nothing of Kemari touched the guest is that one's doing. So it is when a host has two
    guests for one CPU (crowded: when, CLOCK_REALTIME): Xen gives each 30 ms, in the middle of an interrupt, too."""
    try:
        table, _ = parse_clocks(clock_report)
        ahead = (table["realtime"]["last"] - table["monotonic"]["last"]) / 1e9
    except (ValueError, KeyError):
        return problems, []

    ours, others = [], []
    for problem in problems:
        m = LATE_TIMER.match(problem)
        when = float(m[1]) + ahead if m else None
        emulated = m and (any(untouched(story, when) for story in stories) or
                          any(begin <= when <= end for begin, end in crowded))
        (others if emulated else ours).append(problem)
    return ours, others


def memory(text):
    """The report of `witness dirty`."""
    m = re.fullmatch(r"pages (\d+) writes (\d+) errors (\d+) first (\d+) generation (\d+)\n?", text)
    if not m:
        return [f"no report about the guest's memory: {text!r}"]
    if int(m[3]):
        return [f"{m[3]} wrong pages in the guest's memory, the first is {m[4]} (generation {m[5]})"]
    return []


def frames(pulses, may_lose):
    """Datagrams arrive in order and at most once; none is missing unless may_lose."""
    problems = []
    missing = 0
    for (_, a, mono_a, _), (_, b, mono_b, _) in zip(pulses, pulses[1:]):
        if b <= a:
            problems.append(f"datagram {b} came after {a}")
        elif b > a + 1:
            missing += b - a - 1
        if mono_b < mono_a:
            problems.append(f"datagram {b}: the guest's clock went back by {mono_a - mono_b} ns")
    if missing and not may_lose:
        problems.append(f"{missing} datagrams are missing")
    if not pulses:
        problems.append("no datagram arrived")
    return problems[:10]


def gap(pulses, begin=None, end=None):
    """The longest time without a datagram that overlaps [begin, end]: (from, to), in ns; (0, 0): there is none."""
    longest = (0, 0)
    for (t, *_), (u, *_) in zip(pulses, pulses[1:]):
        if (begin is None or u >= begin) and (end is None or t <= end) and u - t > longest[1] - longest[0]:
            longest = (t, u)
    return longest


def silence(pulses, begin=None, end=None):
    """Its length in seconds."""
    t, u = gap(pulses, begin, end)
    return (u - t) / 1e9


def console(beats):
    """No line of the guest's console is missing; some may come twice across a failover."""
    numbers = [int(x) for x in re.findall(r"^beat (\d+) monotonic \d+\r?$", beats, re.M)]
    problems = []
    for a, b in zip(numbers, numbers[1:]):
        if b > a + 1:
            problems.append(f"console lines {a + 1} to {b - 1} are missing")
    if not numbers:
        problems.append("the guest wrote nothing on its console")
    return problems
