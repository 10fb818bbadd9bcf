# SPDX-License-Identifier: GPL-2.0-only
"""What the lines of a soak's file (cluster_soak.py) come to: doc/results/cluster.md."""

import statistics

import figures

WANTED_CUTS = 50
LAB = "*lab: Xen under QEMU TCG; not tried on hardware*"


def passed(line):
    """Its own checks held, and all those of the audits that it is in."""
    return bool(not line["failed"] and line["audits"] and not any(a["failed"] for a in line["audits"]))


def middle(values, form):
    """[median, longest]"""
    return [form.format(statistics.median(values)), form.format(max(values))] if values else ["-", "-"]


def silences(lines):
    return [t for line in lines for _, t in line["events"]]


def promotions(lines):
    return [f["promote_ms"] for line in lines for f in line["failovers"] if f["promote_ms"] is not None]


def by_trouble(lines, names):
    rows = []
    for name in names:
        own = [line for line in lines if line["trouble"] == name]
        rows.append([f"`{name}`", len(own), sum(map(passed, own)), *middle(silences(own), "{:.2f}"),
                     *middle(promotions(own), "{:.0f}"), sum(line["power_cuts"] for line in own)])
    return figures.table(["trouble", "runs", "passed", "silence, median s", "longest s",
                          "promote called until guest runs, median ms", "longest ms", "power cuts"], rows)


def by_event(lines):
    kinds = {}
    for line in lines:
        for kind, t in line["events"]:
            kinds.setdefault(kind, []).append(t)
    return figures.table(["event", "n", "silence, median s", "longest s"],
                         [[kind, len(t), *middle(t, "{:.2f}")] for kind, t in sorted(kinds.items())])


def reached(lines, wanted):
    """What of the wanted count, {trouble: runs}, is there."""
    runs = {name: sum(line["trouble"] == name for line in lines) for name in wanted}
    missing = [f"`{name}` {nr - runs[name]}" for name, nr in wanted.items() if runs[name] < nr]
    cuts = sum(line["power_cuts"] for line in lines)
    both = not missing and cuts >= WANTED_CUTS
    most, least = max(wanted.values()), min(wanted.values())
    text = [f"Wanted: {most} runs of each trouble that a cluster meets, {least} of those that are about one rule of "
            f"`doc/ownership.md`, {WANTED_CUTS} power cuts. **{'Reached' if both else 'Not reached yet'}**: "
            f"{len(wanted) - len(missing)} of {len(wanted)} troubles have their runs, {cuts} power cuts."]
    return text + ([f"Runs that are missing: {', '.join(missing)}."] if missing else [])


def failures(lines):
    """Each by itself, the checks that an audit failed after those of the run."""
    rows = []
    for line in lines:
        if not passed(line):
            what = line["failed"] + [f"audit: {check}" for a in line["audits"] for check in a["failed"]]
            rows.append(f"- `{line['trouble']}` ({line['when']}, seed {line['seed']}, report {line['report']}): "
                        + ("; ".join(what) or "no audit"))
    return rows


def in_order(values):
    return ", ".join(str(v) for v in dict.fromkeys(values))


def other_code(lines, key):
    """Results that are kept, and counted for nothing."""
    rows = []
    for other in dict.fromkeys(line["product"] for line in lines if line["product"] != key):
        own = [line for line in lines if line["product"] == other and "events" in line]
        if own:
            rows.append(f"- commit {in_order(line['commit'] for line in own)}, {in_order(line['when'] for line in own)}: "
                        f"{len(own)} runs, {sum(map(passed, own))} passed")
    return rows


def text(all_lines, key, wanted):
    lines = [line for line in all_lines if line["product"] == key]
    runs = [line for line in lines if line["trouble"] in wanted]
    audits = {a["id"]: bool(a["failed"]) for line in runs for a in line["audits"]}
    failed = failures(lines)
    dates = in_order(sorted({line["when"] for line in lines}))
    out = [f"# Soak of the cluster, {dates}", "", LAB, "",
           "Troubles of `cts-tests/suite/troubles.py` in random order, about ten for each boot of two hosts, by",
           "`cts-tests/suite/run cluster-soak`. Guest, load and client are those of `soak.md`. After each trouble one host runs",
           "the guest, no action of Pacemaker's has failed and nothing was fenced but what was to be; at the end of a guest's",
           "life or of the boot all audits: a run has passed when these hold, too. Silence is the longest gap in the guest's",
           "20 ms datagrams seen from outside, for each thing that happened to it. Power cuts are hosts that the suite took the",
           "power of; what the cluster fences comes on top.", "",
           f"Commit {in_order(line['commit'] for line in lines)}; seed {in_order(line['seed'] for line in lines)}.", ""]
    out += reached(runs, wanted) + [""]
    out += [f"{len(runs)} runs, {sum(map(passed, runs))} passed; {len(audits)} audits, {sum(audits.values())} failed.", ""]
    out += by_trouble(runs, wanted) + [""] + by_event(runs) + [""]
    if failed:
        out += ["Failed:", "", *failed, ""]
    others = other_code(all_lines, key)
    if others:
        out += ["Of other code, not counted:", "", *others, ""]
    return "\n".join(out)
