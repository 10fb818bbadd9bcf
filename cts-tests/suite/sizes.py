# SPDX-License-Identifier: GPL-2.0-only
"""A part of the benchmark: one small epoch, of guests of several sizes, beside one by stock hypercalls. What it costs must
follow from what changed, not from how much memory there is."""

import time

import figures
from figures import number, spread

MIB = (128, 1024, 4096)
HOST_MIB = 6144         # of an emulated host, so that the largest one fits
# of the guest; with its kernel's, about 100 pages change from one datagram to the next, which each get their epoch
PAGES = 4
PULSE_MS = 20
PULSE_PORT = 7005
ROWS = (("epochs per second", "seen_rate", "seen_rate"), ("guest stop, median us", "pause_us", "pause_us"),
        *figures.EPOCH_PARTS, ("pages found dirty", "dirty", "dirty"), ("bytes sent", "bytes", None),
        ("taken by Xen, %", "fired", None), *figures.EPOCH_WORK)


def config_of(session, mib):
    """The lab's guest with that much memory, on both hosts."""
    path = f"/lab/g1-{mib}m.cfg"
    for h in (session.a, session.b):
        h.exec(f"sed -E 's/^(maxmem|memory) = .*/\\1 = {mib}/' /lab/g1.cfg > {path}")
    return path


def measure(bench):
    """{MiB: {name: [values]}} of a bench whose hosts are up and have no guest; into bench.sizes, one by one."""
    kept = bench.seen
    try:
        for mib in MIB:
            bench.story.say(f"small epochs of a guest of {mib} MiB")
            bench.seen = {}
            small_epochs(bench, mib)
            bench.sizes[mib] = bench.seen
    finally:
        bench.seen = kept


def small_epochs(bench, mib):
    bench.config, bench.at, bench.other = config_of(bench, mib), bench.a, bench.b
    bench.a.exec(f"kemari create {bench.config}", timeout=300)
    bench.lab.guest.wait_up()
    bench.protect()
    bench.lab.guest.start(f"witness pulse {bench.lab.net}.2.1 {PULSE_PORT} {PULSE_MS} {PAGES}")
    time.sleep(5)   # hot pages are found
    bench.epochs()
    bench.unprotect()
    bench.stock_epochs()
    bench.end_guest()


def tables(sizes):
    rows = []
    for name, field, stock in ROWS:
        row = [name]
        for seen in sizes.values():
            ours, theirs = seen.get(f"kemari {field}", []), seen.get(f"stock {stock}", [])
            row += [spread(ours), spread(theirs), " ".join(number(r) for r in figures.ratios(ours, theirs)) or "-"]
        rows.append(row)
    yield "## A small epoch, and the size of the guest's memory"
    yield (f"A guest that writes to {PAGES} other pages of its own, then sends a datagram, every {PULSE_MS} ms; the rest of what changes "
           "is its kernel's. Each has an epoch. Rival as above, at the same pace.")
    head = ["figure"]
    for mib in sizes:
        head += [f"{mib} MiB: Kemari", "stock hypercalls", "ratio"]
    yield from figures.table(head, rows)
