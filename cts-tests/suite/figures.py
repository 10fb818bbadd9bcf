# SPDX-License-Identifier: GPL-2.0-only
"""The arithmetic of what is measured, from what programs printed to the tables in doc/results."""

import statistics
from pathlib import Path

# Rows of tables of an epoch: what they say, its field, the field of one by stock hypercalls
EPOCH_PARTS = (("- stop", "stop_us", "stop_us"), ("- hidden state", "state_us", None), ("- HVM context", "context_us", "context_us"),
               ("- dirty pages found", "harvest_us", "harvest_us"), ("- devices, xenstore", "devices_us", None),
               ("- map", None, "map_us"), ("- copy", "copy_us", "copy_us"))
EPOCH_WORK = (("dom0's CPU time for an epoch, us", "dom0_us", "dom0_us"),
              ("hypercalls of dom0 for an epoch", "hypercalls", "hypercalls"),
              ("exits of the guest for an epoch", "exits", "exits"))
TOP = Path(__file__).resolve().parents[2]


def quantile(values, q):
    """The smallest value that at least a share q of them does not exceed."""
    ordered = sorted(values)
    return ordered[max(0, -(-int(q * 1000) * len(ordered) // 1000) - 1)]


def number(x):
    if abs(x) >= 100 or x == int(x):
        return f"{x:.0f}"
    return f"{x:.1f}" if abs(x) >= 10 else f"{x:.2f}"


def spread(values):
    """Median (smallest to largest) of the rounds."""
    if not values:
        return "-"
    text = number(statistics.median(values))
    return text if len(values) == 1 else f"{text} ({number(min(values))} to {number(max(values))})"


def ratios(ours, theirs):
    """Round by round, so that both were measured next to each other; without what was 0."""
    return [a / b for a, b in zip(ours, theirs) if b]


def rate(text):
    """Of "COUNT NS ...": per second."""
    words = text.split()
    if len(words) < 2 or not all(w.isdigit() for w in words[:2]) or not int(words[1]):
        raise ValueError(f"not a count and its time: {text!r}")
    return int(words[0]) * 1e9 / int(words[1])


class Recent:
    """What several looks at `kemari status --json --recent` have seen, each epoch and output once."""

    def __init__(self, before):
        """before: the first look. What it shows is not of this measurement."""
        self.after = max([row[0] for row in before["epochs"]], default=0)
        self.seen = {kind: h["nr"] for kind, h in before["held_us"].items()}
        self.epochs = {}    # number -> {field: value}
        self.held = {}      # kind -> [us]
        self.gaps = {}      # number -> (us, numbers used up) since the epoch before it

    def add(self, recent):
        rows = [row for row in recent["epochs"] if row[0] > self.after]
        at = recent["fields"].index("at_us")
        for row in rows:
            self.epochs[row[0]] = dict(zip(recent["fields"], row))
        for a, b in zip(rows, rows[1:]):    # of one look, so none is missing; numbers between are attempts put off
            self.gaps[b[0]] = (b[at] - a[at], b[0] - a[0])
        for kind, h in recent["held_us"].items():
            new = min(h["nr"] - self.seen.get(kind, 0), len(h["last"]))
            self.seen[kind] = h["nr"]
            self.held.setdefault(kind, []).extend(h["last"][len(h["last"]) - new:])

    def column(self, field):
        return [e[field] for e in self.epochs.values()]

    def commits(self):
        """Without the epochs that were still on their way."""
        return [us for us in self.column("commit_us") if us]

    def per_second(self):
        us = sum(gap for gap, _ in self.gaps.values())
        return len(self.gaps) * 1e6 / us if us else 0.0

    def tries(self):
        """Of each epoch: how often the guest was stopped for it."""
        return [numbers for _, numbers in self.gaps.values()]


def stock_epochs(text):
    """The lines of `hv-check stock`: [{field: number}]."""
    rows = []
    for line in text.splitlines():
        words = line.split()
        if words[:1] == ["epoch"]:
            rows.append({k: int(v) for k, v in zip(words[1::2], words[2::2])})
    if not rows:
        raise ValueError(f"no epoch by stock hypercalls: {text.strip()[-200:]}")
    return rows


def write(name, text):
    """To doc/results."""
    out = TOP / "doc" / "results" / name
    out.parent.mkdir(exist_ok=True)
    out.write_text(text)
    print(f"written: {out.relative_to(TOP)}", flush=True)


def table(head, rows):
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return lines + ["| " + " | ".join(str(c) for c in row) + " |" for row in rows]
