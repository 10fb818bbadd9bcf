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
PATIENCE = 90           # seconds more that it may take
PILOT = 40              # requests to find out how many there can be in that time
CLOCKS = ("awk '/^now at/ { print \"clock\", $3; exit }' /proc/timer_list; "
          "awk '{ printf \"clock %.0f\\n\", $1 * 1e9 }' /proc/uptime; ")
NETPERF = "netperf -H {address} -P 0 -l {seconds} -t {test} -- -k {keys}"
FIO = "fio --name=bench --filename=/bench/file --size=64m --time_based --runtime={seconds} --output-format=json"
SYSBENCH = "sysbench --time={seconds} "
STRESS_NG = "stress-ng --vm 1 --vm-bytes 32m --vm-keep -t {seconds} --metrics-brief 2>&1"
IOZONE = "cd /bench/scratch && iozone -e -s 8m -r 4k -i 0 -i 1 -i 2 -f iozone"
TAR = "cd /bench/scratch && tar xzf ../tree.tar.gz && sync; find include | wc -l; rm -rf include"
IOZONE_COLUMNS = ("write", "rewrite", "read", "reread", "random read", "random write")


@dataclass
class Workload:
    """measure(place) gives {figure: value}."""
    name: str           # on the command line
    title: str          # the program and its options
    figures: dict       # name -> unit, in the order of the table
    measure: Callable


def missing(what, text):
    return ValueError(f"{what}: no figure in {text.strip()[-200:]!r}")


def last(text):
    return (text.strip().splitlines() or ["nothing said"])[-1][-200:]


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

class Place:
    """The guest, and outside of it a client in the tree that the guest's own programs are from."""

    def __init__(self, lab, tree):
        self.lab, self.tree = lab, tree
        self.share = 1.0    # of the time that passes, what the guest's clock has seen lately

    def look(self):
        self.share = 1.0
        self.inside("sleep 1")

    def seconds(self):
        """By the guest's clock."""
        return max(1, round(SECONDS * self.share))

    def inside(self, command):
        """(what it printed, seconds that it took)"""
        r = self.lab.guest.exec(f"{CLOCKS}({command}) && {{ {CLOCKS}}}", timeout=SECONDS + PATIENCE, check=False)
        if not r.ok:
            raise LabError(f"in the guest it ended with {r.status}: {last(r.err or r.out)}")
        text, seen, passed = clocked(r.out)
        self.share = min(1.0, seen / passed)
        return text, passed / 1e9

    def outside(self, command):
        argv = ["ip", "netns", "exec", self.lab.client_ns, "chroot", self.tree, "sh", "-c", command]
        r = run(argv, SECONDS + PATIENCE)
        if not r.ok:
            raise LabError(f"the client ended with {r.status}: {last(r.err or r.out)}")
        return r.out


def net(test, figures, connections=1):
    """Of several connections throughputs add up; their times are the median of medians and the worst of the worst."""
    keys = ",".join(figures)

    def measure(place):
        command = NETPERF.format(address=place.lab.guest.address, seconds=SECONDS, test=test, keys=keys)
        if connections > 1:
            command = f"for i in $(seq {connections}); do {command} & done; wait"
        values = netperf(place.outside(command))
        if len(values["THROUGHPUT"]) != connections:
            raise LabError(f"netperf: {len(values['THROUGHPUT'])} of {connections} connections ended")
        combine = {"THROUGHPUT": sum, "P50_LATENCY": statistics.median, "P99_LATENCY": max}
        return {k: combine[k](values[k]) for k in figures}
    return measure


def requests(place):
    """As many as fit into the time, as a first few tell."""
    command = f"redis-benchmark -h {place.lab.guest.address} -c 8 -t set,get --csv -n "
    rate = min(redis(place.outside(command + str(PILOT))).values())
    return redis(place.outside(command + str(max(PILOT, int(rate * SECONDS / 2)))))


def guest(command, read):
    """read(what a program in the guest printed): {figure: value by the guest's clock}"""
    def measure(place):
        text, _ = place.inside(command.format(seconds=place.seconds()))
        return {k: v * place.share for k, v in read(text).items()}
    return measure


def disk(options, figure):
    return guest(f"{FIO} {options}", lambda text: {figure: fio(text)[figure]})


def bench(options, pattern, figure):
    return guest(SYSBENCH + options, lambda text: {figure: sysbench(text, pattern)})


def unpack(place):
    text, seconds = place.inside(TAR)
    return {"files/s": int(text) / seconds}


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
    Workload("iozone", "iozone -e -s 8m -r 4k -i 0 -i 1 -i 2", dict.fromkeys(IOZONE_COLUMNS, "kBytes/sec"),
             guest(IOZONE, iozone)),
    Workload("sysbench_cpu", "sysbench cpu", {"events per second": ""},
             bench("cpu run", r"events per second: +([\d.]+)", "events per second")),
    Workload("sysbench_memory", "sysbench memory", {"transferred": "MiB/sec"},
             bench("memory --memory-total-size=100T run", r"transferred \(([\d.]+) MiB/sec\)", "transferred")),
    Workload("stress_ng_vm", "stress-ng --vm 1 --vm-bytes 32m", {"bogo ops/s": ""},
             guest(STRESS_NG, lambda text: {"bogo ops/s": stress_ng(text)})),
    Workload("tar", "tar xzf of the kernel's headers, sync, find, rm", {"files/s": ""}, unpack),
]
