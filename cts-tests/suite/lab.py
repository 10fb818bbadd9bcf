# SPDX-License-Identifier: GPL-2.0-only
"""The emulated hosts, their BMCs and the guest, through the scripts of cts-tests/lab. Nothing here waits
without a bound: a dom0, BMC or guest that is dead shows up as LabError."""

import contextlib
import fcntl
import os
import shutil
import signal
import subprocess
import threading
import time
from dataclasses import dataclass
from pathlib import Path

SUITE = Path(__file__).resolve().parent
SCRIPTS = SUITE.parent / "lab"
NO_ANSWER = 255
FEEDS = ("1", "2")      # LAB_FEEDS


class LabError(Exception):
    """Something of the lab did not do what it should; the text says what."""


@dataclass
class Result:
    status: int
    out: str
    err: str

    @property
    def ok(self):
        return self.status == 0


def run(argv, timeout, stdin=None):
    """A command of this machine. A command that takes too long is ended, with what it has started, and has status 124.
    It is in a session of its own: a terminal's Ctrl-C is for the suite alone."""
    with subprocess.Popen([str(a) for a in argv], stdin=subprocess.PIPE if stdin is not None else subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True) as p:
        try:
            out, err = p.communicate(stdin, timeout=timeout)
            status = p.returncode
        except subprocess.TimeoutExpired:
            end_group(p)
            out, err = p.communicate()
            status = 124
            err += f"\nno end after {timeout} s".encode()
        except BaseException:
            end_group(p)
            raise
    return Result(status, out.decode(errors="replace"), err.decode(errors="replace"))


def end_group(process):
    """A process that leads its session. What has a session of its own, as hosts and BMCs, goes on."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def at_once(what, hosts):
    """what(host) for all of them, side by side; LabError names each that failed."""
    errors = []

    def one(h):
        try:
            what(h)
        except LabError as e:
            errors.append(str(e))
    threads = [threading.Thread(target=one, args=(h,)) for h in hosts]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    if errors:
        raise LabError("; ".join(errors))


def settings():
    """The lab's settings as its scripts see them."""
    script = f'. {SCRIPTS}/lab.sh; printf "%s\\n" "$LAB_RUN" "$LAB_NS" "$LAB_CLIENT_NS" "$LAB_HOSTS" "$LAB_NET" ' \
             '"$(lab_exec)" "$(xen_path)"'
    r = run(["bash", "-c", script], 1800)   # the first time it builds
    if not r.ok:
        raise LabError(f"lab.sh: {r.err}")
    return r.out.splitlines()


def debug_xen():
    """The path of a hypervisor with its assertions compiled in."""
    out = run(["bash", "-c", f'. {SCRIPTS}/lab.sh; echo "$KEMARI_CACHE/lab/xen-debug"'], 60).out.strip()
    r = run([SCRIPTS.parents[1] / "hv-patch/build", "--debug", out], 1800)
    if not r.ok:
        raise LabError(f"hv-patch/build --debug: {(r.err or r.out).strip()[-300:]}")
    return f"{out}/xen"


class Lab:
    def __init__(self):
        run_dir, self.ns, self.client_ns, hosts, self.net, self.lab_exec, self.xen = settings()
        self.run_dir = Path(run_dir)
        self.run_dir.mkdir(parents=True, exist_ok=True)
        self.lock = open(self.run_dir / "suite.lock", "w")
        try:
            fcntl.flock(self.lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise LabError(f"another run uses the lab in {run_dir}: wait for it, or set LAB_RUN and LAB_NS") from None
        self.hosts = [Host(self, name, n) for n, name in enumerate(hosts.split(), 1)]
        if len(self.hosts) < 2:
            raise LabError("two hosts are needed: LAB_HOSTS")
        self.guest = Guest(self)
        self.power_cuts = 0     # by this suite, not by the cluster's fencing

    def script(self, name, *args, timeout=60):
        r = run([SCRIPTS / name, *args], timeout)
        if not r.ok:
            raise LabError(f"{name} {' '.join(args)}: {(r.err or r.out).strip()}")
        if name == "host-kill" or args[1:] == ("chassis", "power", "off") or (name, *args[1:]) == ("pdu", "pull"):
            self.power_cuts += 1
        return r.out

    def build(self):
        """Kemari, and the image of the hosts if it is not in the cache: once, before hosts boot side by side."""
        r = run(["make", "-s", "-C", SCRIPTS.parents[1], f"-j{os.cpu_count()}"], 900)
        if not r.ok:
            raise LabError(f"make: {(r.err or r.out).strip()[-600:]}")
        self.script("build-image", timeout=1800)

    def packages(self):
        """The Debian packages of what is committed."""
        return [Path(p) for p in self.script("debs", timeout=900).split()]

    def up(self, timeout=900):
        """Both hosts from scratch, at once, with their BMCs and a fresh disk for the guest."""
        for h in self.hosts:
            h.kill()
        self.script("disk-fresh", timeout=600)
        self.script("bmc-up", *(h.name for h in self.hosts))

        def boot(h):
            (h.dir / "journal.log").unlink(missing_ok=True)
            self.script("host-up", h.name, "--fresh", timeout=timeout)
        at_once(boot, self.hosts)

    def cluster_port(self, host, up):
        """The port of a host in the switch of the cluster network; the host's own link stays up."""
        r = run(["ip", "-n", self.ns, "link", "set", f"{host.name}-clus", "up" if up else "down"], 10)
        if not r.ok:
            raise LabError(r.err)

    def qmp(self, host, command):
        """A command to the machine itself."""
        r = run(["bash", "-c", f'. {SCRIPTS}/lab.sh; qmp {host.name} \'{{"execute":"{command}"}}\''], 15)
        if '"error"' in r.out or '"return"' not in r.out:
            raise LabError(f"{host}: QEMU does not {command}: {r.out}{r.err}")

    def down(self):
        self.script("lab-down")


class Host:
    def __init__(self, lab, name, number):
        self.lab, self.name, self.number = lab, name, number
        self.dir = lab.run_dir / "hosts" / name

    def __repr__(self):
        return self.name

    def exec(self, command, timeout=60, check=True, stdin=None):
        """A shell command in dom0. check: LabError unless its status is 0."""
        argv = ["ip", "netns", "exec", self.lab.ns, self.lab.lab_exec, "run"]
        if stdin is not None:
            argv.append("-i")
        argv += [f"{self.lab.net}.0.{10 + self.number}", "7000", command]
        r = run(argv, timeout, stdin)
        if check and not r.ok:
            if r.status == NO_ANSWER:
                raise LabError(f"{self.name}: dom0 does not answer")
            raise LabError(f"{self.name}: `{command}` ended with {r.status}: {(r.err or r.out).strip()[-600:]}")
        return r

    def bmc(self, *command):
        return self.lab.script("bmc", self.name, *command)

    def bmc_says_on(self):
        out = self.bmc("chassis", "power", "status")
        if "is on" in out:
            return True
        if "is off" in out:
            return False
        raise LabError(f"{self.name}: its BMC says: {out.strip()}")

    def cut_power(self):
        """Power off through the BMC, confirmed off by a question of its own."""
        self.bmc("chassis", "power", "off")
        if self.bmc_says_on():
            raise LabError(f"{self.name}: still on after its BMC took the power away")

    def power_on(self, timeout=300):
        """Power on through the BMC; returns when Xen's services are up."""
        self.bmc("chassis", "power", "on")
        self.wait_up(timeout)

    def wait_up(self, timeout):
        end = time.monotonic() + timeout
        while time.monotonic() < end:
            r = self.exec("systemctl is-active -q xen.service && xl list >/dev/null", timeout=30, check=False)
            if r.ok:
                return
            if "Panic on CPU" in self.serial():
                raise LabError(f"{self.name}: Xen panicked, see {self.dir}/serial.log")
            time.sleep(0.5)
        raise LabError(f"{self.name}: not up after {timeout} s, see {self.dir}/serial.log")

    def outlets_on(self):
        return all(self.lab.script("pdu", self.name, "get", feed).strip() == "on" for feed in FEEDS)

    def outlet_orders(self):
        """What its outlets and cords were told since the cords were pulled, last."""
        lines = (self.dir / "supply/log").read_text().splitlines()
        return lines[len(lines) - lines[::-1].index("pull"):]

    def serial(self):
        try:
            return (self.dir / "serial.log").read_text(errors="replace")
        except FileNotFoundError:
            return ""

    def kill(self):
        self.lab.script("host-kill", self.name)


class Guest:
    """The test guest, asked from outside both hosts."""
    CLOCKS, DIRTY, BUSY = 7003, 7004, 7008

    def __init__(self, lab, number=1):
        self.lab = lab
        self.address = f"{lab.net}.2.{49 + number}"

    def exec(self, command, timeout=30, check=True):
        r = run(["ip", "netns", "exec", self.lab.client_ns, self.lab.lab_exec, "run", "-t", "3000",
                 self.address, "7000", command], timeout)
        if check and not r.ok:
            raise LabError(f"guest: `{command}` ended with {r.status}: {(r.err or r.out).strip()[-300:]}")
        return r

    def wait_up(self, timeout=90):
        end = time.monotonic() + timeout
        while time.monotonic() < end:
            if self.exec("true", timeout=10, check=False).ok:
                return
            time.sleep(0.2)
        raise LabError(f"the guest does not answer after {timeout} s")

    def start(self, command):
        """Starts a program in the guest that stays."""
        self.exec(f"setsid {command} </dev/null >/dev/null 2>/tmp/err.$$ & sleep 0.2; kill -0 $!")

    def ask(self, port):
        return self.exec(f"nc 127.0.0.1 {port} </dev/null", timeout=60).out

    def start_workload(self, journal_ms=50, pulse_ms=20, pages=2000, pages_per_second=500):
        self.start("witness count 7001")
        self.start(f"witness journal 7002 /data/journal {journal_ms}")
        self.start(f"witness clocks {self.CLOCKS}")
        self.start(f"witness dirty {self.DIRTY} {pages} {pages_per_second}")
        self.start(f"witness pulse {self.lab.net}.2.1 7005 {pulse_ms}")

    def freeze(self):
        self.exec("fsfreeze --freeze /data")

    def thaw(self):
        self.exec("fsfreeze --unfreeze /data")


def disk_snapshot(lab, to):
    """A copy of the shared disk as it is."""
    r = run(["cp", "--sparse=always", lab.run_dir / "shared.img", to], 60)
    if not r.ok:
        raise LabError(r.err)


def read_from_disk(image, path):
    """A file out of an ext4 image: its journal is replayed as a mount would, then the file system must be
    clean. Returns (content, problems). The image is changed."""
    run(["e2fsck", "-fy", "-E", "journal_only", image], 60)
    r = run(["e2fsck", "-fn", image], 60)
    problems = [] if r.ok else [f"the file system is not clean: {r.out.strip()[-400:]}"]
    out = Path(f"{image}.file")
    run(["debugfs", "-R", f"dump {path} {out}", image], 60)
    try:
        data = out.read_bytes()
        out.unlink()
    except FileNotFoundError:
        return b"", problems + [f"{path} is not on the disk"]
    return data, problems


def need_tools():
    missing = [t for t in ("ip", "ipmitool", "ipmi_sim", "e2fsck", "debugfs", "tcpdump", "socat", "qemu-system-x86_64")
               if not shutil.which(t)]
    if missing:
        raise LabError(f"not installed on this machine: {', '.join(missing)}")
    if os.geteuid():
        raise LabError("the lab needs root: it makes network namespaces and bridges")
