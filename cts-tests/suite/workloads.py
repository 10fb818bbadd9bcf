# SPDX-License-Identifier: GPL-2.0-only
"""Programs that others wrote, as a measure of what a guest gets done: their commands, and what is read from what they
print. Figures have the names that the programs give them; of each workload the first one is compared.

Clients run outside both hosts. What runs in the guest measures by the guest's CLOCK_MONOTONIC, which stands still while
Remus has the guest suspended, so its rates are multiplied by the share of the time that this clock has seen: the other
clock is CLOCK_BOOTTIME, to which Linux adds the time of a suspension."""

import csv
import json
import re
import statistics
from dataclasses import dataclass
from typing import Callable

from lab import LabError, run

SECONDS = 5             # of each measurement, as far as the program has it
PATIENCE = 120          # seconds more that it may take
FILES = 3               # how often the tarball is unpacked
PILOT = 40              # requests to find out how many there can be in that time
CLOCKS = "awk '/^now at/ { print \"clock\", $3; exit }' /proc/timer_list; awk '{ printf \"clock %.0f\\n\", $1 * 1e9 }' /proc/uptime; "
NETPERF = "netperf -H {address} -P 0 -l {seconds} -t {test} -- -k {keys}"
FIO = ("fio --name=bench --filename=/bench/file --size=64m --time_based --runtime={seconds} --output-format=json "
       "{options}")
SYSBENCH = "sysbench {options} --time={seconds} run"
STRESS_NG = "stress-ng --vm 1 --vm-bytes 32m --vm-keep -t {seconds} --metrics-brief 2>&1"
IOZONE = "cd /bench/scratch && iozone -e -s 16m -r 4k -i 0 -i 1 -i 2 -f iozone"
TAR = ("cd /bench/scratch && for i in $(seq {times}); do tar xzf ../tree.tar.gz && sync && "
       "if [ $i -lt {times} ]; then rm -rf include; fi; done; find include | wc -l; rm -rf include; sync")
IOZONE_COLUMNS = ("write", "rewrite", "read", "reread", "random read", "random write")


@dataclass
class Workload:
    """measure(lab, tree) gives ({figure: value}, share of the time that the guest's clock has seen)."""
    name: str           # on the command line
    title: str          # the program and its options
    figures: dict       # name -> unit, in the order of the table
    measure: Callable


def missing(what, text):
    return ValueError(f"{what}: no figure in {text.strip()[-200:]!r}")


# ---- what the programs print

def netperf(text):
    """Of one or several that ran at the same time: {key: [value of each]}."""
    values = {}
    for line in text.splitlines():
        key, equals, value = line.partition("=")
        if equals:
            values.setdefault(key.strip(), []).append(float(value))
    if "THROUGHPUT" not in values:
        raise missing("netperf", text)
    return values


def redis(text):
    """{test: requests per second}"""
    rows = {row["test"]: float(row["rps"]) for row in csv.DictReader(text[text.find('"test"'):].splitlines())}
    if not rows:
        raise missing("redis-benchmark", text)
    return rows


def fio(text):
    """What its only job has read and written."""
    try:
        job = json.loads(text[text.index("{"):])["jobs"][0]
    except (ValueError, KeyError, IndexError):
        raise missing("fio", text) from None
    return job["read"] if job["read"]["total_ios"] else job["write"]


def iozone(text):
    """{column: kBytes/sec}"""
    for line in text.splitlines():
        words = line.split()
        if len(words) == len(IOZONE_COLUMNS) + 2 and all(w.isdigit() for w in words):
            return dict(zip(IOZONE_COLUMNS, (int(w) for w in words[2:])))
    raise missing("iozone", text)


def sysbench(text, pattern):
    found = re.search(pattern, text)
    if not found:
        raise missing("sysbench", text)
    return float(found[1])


def stress_ng(text):
    """bogo ops/s by its real time"""
    found = re.search(r"\] vm +\d+ +[\d.]+ +[\d.]+ +[\d.]+ +([\d.]+) ", text)
    if not found:
        raise missing("stress-ng", text)
    return float(found[1])


def clocked(text):
    """What was printed between two looks at both clocks: (text, ns of the first clock, ns of the second one)."""
    times = [float(line.split()[1]) for line in text.splitlines() if line.startswith("clock ")]
    if len(times) != 4 or times[3] <= times[1]:
        raise missing("clocks of the guest", text)
    rest = "\n".join(line for line in text.splitlines() if not line.startswith("clock "))
    return rest, times[2] - times[0], times[3] - times[1]


# ---- where they run

def inside(lab, command):
    """(what it printed, share of the time that the guest's clock has seen, seconds of that time)"""
    out = lab.guest.exec(f"{CLOCKS}({command}) && {{ {CLOCKS}}}", timeout=SECONDS + PATIENCE).out
    text, seen, passed = clocked(out)
    return text, min(1.0, seen / passed), passed / 1e9


def outside(lab, command, tree):
    """A client, in the tree that the guest's own programs are from."""
    argv = ["ip", "netns", "exec", lab.client_ns, "chroot", tree, "sh", "-c", command]
    r = run(argv, SECONDS + PATIENCE)
    if not r.ok:
        raise LabError(f"`{command}` ended with {r.status}: {(r.err or r.out).strip()[-200:]}")
    return r.out


def net(test, figures, connections=1):
    """Of several connections throughputs add up; their times are the median of medians and the worst of the worst."""
    keys = ",".join(figures)

    def measure(lab, tree):
        command = NETPERF.format(address=lab.guest.address, seconds=SECONDS, test=test, keys=keys)
        if connections > 1:
            command = f"for i in $(seq {connections}); do {command} & done; wait"
        values = netperf(outside(lab, command, tree))
        if len(values["THROUGHPUT"]) != connections:
            raise LabError(f"netperf: {len(values['THROUGHPUT'])} of {connections} connections ended")
        combine = {"THROUGHPUT": sum, "P50_LATENCY": statistics.median, "P99_LATENCY": max}
        return {k: combine[k](values[k]) for k in figures}, 1.0
    return measure


def requests(lab, tree):
    """As many as fit into the time, as a first few tell."""
    command = f"redis-benchmark -h {lab.guest.address} -c 8 -t set,get --csv -n "
    rate = min(redis(outside(lab, command + str(PILOT), tree)).values())
    return redis(outside(lab, command + str(max(PILOT, int(rate * SECONDS / 2))), tree)), 1.0


def disk(options, figure):
    def measure(lab, _tree):
        text, share, _ = inside(lab, FIO.format(seconds=SECONDS, options=options))
        return {figure: fio(text)[figure] * share}, share
    return measure


def iozone_columns(lab, _tree):
    text, share, _ = inside(lab, IOZONE)
    return {k: v * share for k, v in iozone(text).items()}, share


def bench(options, pattern, figure):
    def measure(lab, _tree):
        text, share, _ = inside(lab, SYSBENCH.format(seconds=SECONDS, options=options))
        return {figure: sysbench(text, pattern) * share}, share
    return measure


def memory(lab, _tree):
    text, share, _ = inside(lab, STRESS_NG.format(seconds=SECONDS))
    return {"bogo ops/s": stress_ng(text) * share}, share


def unpack(lab, _tree):
    text, share, seconds = inside(lab, TAR.format(times=FILES))
    return {"files/s": FILES * int(text) / seconds}, share


RR = {"THROUGHPUT": "Trans/s", "P50_LATENCY": "us", "P99_LATENCY": "us"}
STREAM = {"THROUGHPUT": "10^6bits/s"}
DIRECT = "--direct=1 --ioengine=libaio --iodepth=4"
WORKLOADS = [
    Workload("tcp_rr", "netperf TCP_RR", RR, net("TCP_RR", RR)),
    Workload("tcp_rr_8", "netperf TCP_RR, 8 at the same time", RR, net("TCP_RR", RR, 8)),
    Workload("udp_rr", "netperf UDP_RR", RR, net("UDP_RR", RR)),
    Workload("tcp_stream", "netperf TCP_STREAM", STREAM, net("TCP_STREAM", STREAM)),
    Workload("tcp_maerts", "netperf TCP_MAERTS", STREAM, net("TCP_MAERTS", STREAM)),
    Workload("redis", "redis-benchmark -c 8", {"SET": "rps", "GET": "rps"}, requests),
    Workload("fio_fsync", "fio rw=randwrite bs=4k fsync=1, buffered", {"iops": ""},
             disk("--rw=randwrite --bs=4k --ioengine=psync --fsync=1", "iops")),
    Workload("fio_randread", "fio rw=randread bs=4k direct=1 iodepth=4", {"iops": ""},
             disk(f"--rw=randread --bs=4k {DIRECT}", "iops")),
    Workload("fio_randwrite", "fio rw=randwrite bs=4k direct=1 iodepth=4", {"iops": ""},
             disk(f"--rw=randwrite --bs=4k {DIRECT}", "iops")),
    Workload("fio_read", "fio rw=read bs=256k direct=1 iodepth=4", {"bw": "KiB/s"},
             disk(f"--rw=read --bs=256k {DIRECT}", "bw")),
    Workload("fio_write", "fio rw=write bs=256k direct=1 iodepth=4", {"bw": "KiB/s"},
             disk(f"--rw=write --bs=256k {DIRECT}", "bw")),
    Workload("iozone", "iozone -e -s 16m -r 4k -i 0 -i 1 -i 2", dict.fromkeys(IOZONE_COLUMNS, "kBytes/sec"),
             iozone_columns),
    Workload("sysbench_cpu", "sysbench cpu", {"events per second": ""},
             bench("cpu", r"events per second: +([\d.]+)", "events per second")),
    Workload("sysbench_memory", "sysbench memory", {"transferred": "MiB/sec"},
             bench("memory --memory-total-size=100T", r"transferred \(([\d.]+) MiB/sec\)", "transferred")),
    Workload("stress_ng_vm", "stress-ng --vm 1 --vm-bytes 32m", {"bogo ops/s": ""}, memory),
    Workload("tar", "tar xzf of the kernel's headers, sync, rm", {"files/s": ""}, unpack),
]
