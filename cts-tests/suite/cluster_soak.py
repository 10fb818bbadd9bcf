# SPDX-License-Identifier: GPL-2.0-only
"""The soak of the cluster: every trouble of troubles.py many times over, in random order, several for each boot of the
hosts. It takes many hours; its results are lines of a file, and a soak that is begun again does what is missing there.
soak_table.py makes doc/results/cluster.md of that file."""

import dataclasses
import hashlib
import json
import os
import random
import signal
import subprocess
import time
import traceback
from pathlib import Path

import figures
import soak_table
from cluster import Cluster
from lab import LabError
from story import telling
from troubles import ALL, OFTEN

TOP = figures.TOP
# what decides how a guest fares; the results of one content of these are counted together
PRODUCT = ("syncd", "agent", "ocf", "fencing", "hv-patch", "lib", "systemd")
PER_SESSION = (8, 12)
WANTED_RUNS = 10        # of doc/results/cluster.md, whatever is asked for now
START = "(start)"       # a session that did not get as far as a trouble


# ---- what is run, and what was

@dataclasses.dataclass
class Options:
    runs: int = WANTED_RUNS
    seed: int = None
    minutes: int = None     # after these no other trouble begins
    state: Path = None
    names: list = None      # none: all


def options(args, env):
    """NAME=value and names of troubles; what is not among them may be in the environment."""
    given = {name: env[name] for name in ("RUNS", "SEED", "MINUTES", "STATE", "NAMES") if env.get(name)}
    names = []
    for arg in args:
        name, equals, value = arg.partition("=")
        if equals:
            given[name] = value
        else:
            names.append(arg)
    o = Options(names=names or given.pop("NAMES", "").split())
    given.pop("NAMES", None)
    for name, value in given.items():
        if name == "STATE":
            o.state = Path(value).resolve()
        elif name not in ("RUNS", "SEED", "MINUTES"):
            raise LabError(f"{name}: RUNS=, SEED=, MINUTES= and STATE= there are")
        elif not value.isdecimal() or (name != "SEED" and value.strip("0") == ""):
            raise LabError(f"{name}={value}: a number is needed")
        else:
            setattr(o, name.lower(), int(value))
    for name in o.names:
        if name not in ALL:
            raise LabError(f"no trouble '{name}': {', '.join(ALL)}")
    if o.state and (o.state.is_relative_to(TOP) or not o.state.parent.is_dir()):
        raise LabError(f"STATE={o.state}: a file in a directory that there is, outside of {TOP}, is needed")
    return o


def git(*args, top=TOP):
    r = subprocess.run(["git", "-C", top, *args], capture_output=True, text=True, check=False)
    if r.returncode:
        raise LabError(f"git {args[0]}: {r.stderr.strip()}")
    return r.stdout


def product(top=TOP):
    """A hash of the product's files as they are, committed or not."""
    h = hashlib.sha256()
    names = git("ls-files", "-co", "--exclude-standard", "-z", "--", *PRODUCT, top=top).split("\0")
    for name in sorted(set(names) - {""}):
        path = Path(top) / name
        if path.is_file():
            h.update(f"{name}\0{path.stat().st_size}\0".encode() + path.read_bytes())
    return h.hexdigest()[:16]


def commit(top=TOP):
    """Documents aside, which this writes itself."""
    dirty = git("status", "--porcelain", "--", ".", ":!doc", top=top)
    return git("rev-parse", "--short", "HEAD", top=top).strip() + ("+dirty" if dirty else "")


def result(text, where):
    try:
        line = json.loads(text)
    except ValueError:
        line = None
    if not isinstance(line, dict) or not {"trouble", "product", "seed", "audits", "failed"} <= line.keys():
        raise LabError(f"{where}: this is no result of a soak")
    return line


class State:
    """The results so far: one JSON object in each line."""

    def __init__(self, path):
        self.path = path
        self.lines = []
        if not path.exists():
            return
        text = path.read_text(encoding="utf-8")
        whole = text.rpartition("\n")[0]
        if text and not text.endswith("\n"):    # it was ended while it wrote
            path.write_text(whole + "\n" if whole else "", encoding="utf-8")
        for n, line in enumerate(whole.splitlines(), 1):
            self.lines.append(result(line, f"{path}, line {n}"))

    def add(self, line):
        with open(self.path, "a", encoding="utf-8") as f:
            f.write(json.dumps(line) + "\n")
            f.flush()
            os.fsync(f.fileno())
        self.lines.append(line)

    def of(self, key):
        return [line for line in self.lines if line["product"] == key]


def wanted(runs, names=()):
    """{name: its number of runs}; of all that there are, those that are rare are run three times for ten."""
    if names:
        return dict.fromkeys(names, runs)
    return {name: runs if name in OFTEN else -(-runs * 3 // 10) for name in ALL}


def plan(runs, seed, done):
    """What is to be done: as many runs of each name as `runs` says, in the order of the seed, without what is done, a list
    of names."""
    todo = [name for name, nr in runs.items() for _ in range(nr)]
    random.Random(seed).shuffle(todo)
    return without(todo, done)


def without(names, done):
    """The first of names for each of done is left out."""
    names = list(names)
    for name in done:
        if name in names:
            names.remove(name)
    return names


# ---- runs

def told(e):
    return str(e) if isinstance(e, LabError) else f"{type(e).__name__}: {e}"


class Run:
    """One trouble, and what of its session belongs to it."""

    def __init__(self, name, s):
        self.name, self.s = name, s
        self.begin = time.monotonic()
        self.first_event = self.events()
        self.first_audit = len(s.audits)
        self.first_failover = len(s.failovers)
        self.first_failed = len(s.story.failed)
        self.first_cut = s.lab.power_cuts
        self.broken = False     # it did not get to its end

    def events(self):
        return len(self.s.judged) + len(self.s.events)

    def do(self):
        s = self.s
        try:
            ALL[self.name](s)
            s.single()
            s.quiet()
        except Exception as e:      # whatever it is, the soak goes on
            self.broken = True
            s.story.failed.append(told(e).partition("\n")[0])
            s.story.say(f"    FAILED {told(e)}")
            s.story.note("broken", trouble=self.name, traceback=traceback.format_exc())
        self.seconds = time.monotonic() - self.begin
        self.last_event = self.events()
        self.last_audit = len(s.audits)     # the next one is its, too
        self.failovers = s.failovers[self.first_failover:]
        self.failed = s.story.failed[self.first_failed:]
        for checks in s.audits[self.first_audit:self.last_audit]:   # they are told of themselves
            for check in checks:
                self.failed.remove(check)
        self.power_cuts = s.lab.power_cuts - self.first_cut

    def audits(self):
        return list(enumerate(self.s.audits))[self.first_audit:self.last_audit + 1]

    def line(self):
        folder = self.s.story.folder
        return {
            "trouble": self.name,
            "seconds": round(self.seconds, 1),
            "events": [[kind, round(t, 3)] for kind, t in self.s.judged[self.first_event:self.last_event]],
            "failovers": [failover_line(kind, steps) for kind, steps in self.failovers],
            "power_cuts": self.power_cuts,
            "failed": self.failed,
            "audits": [{"id": f"{folder.name}#{n}", "failed": checks} for n, checks in self.audits()],
            "report": folder.name,
        }


def failover_line(kind, steps):
    at = dict(steps)
    promote, runs = at.get("promote called"), at.get("guest running")
    return {"kind": kind, "promote_ms": None if promote is None or runs is None else round((runs - promote) * 1000),
            "steps": [[what, None if t is None else round(t, 3)] for what, t in steps]}


def last_audit(s):
    """An audit that cannot be made has failed."""
    before = len(s.audits)
    try:
        if not s.client:
            raise LabError("no guest is watched")
        s.audit()
    except Exception as e:
        s.story.say(f"    FAILED no audit: {told(e)}")
        s.story.note("no audit", traceback=traceback.format_exc())
        s.story.failed.append(f"no audit: {told(e)}".partition("\n")[0])
        del s.audits[before:]
        s.audits.append(s.story.failed[-1:])


def session(lab, names, stopped, make=Cluster, tell=telling):
    """One boot of the hosts. Returns (lines of the runs that were judged, the number of names that were begun, its
    story)."""
    runs = []
    with tell(lab, "cluster-soak") as story:
        s = make(lab, story, "/lab/g1.cfg")
        try:
            start(s)
            for n, name in enumerate(names, 1):
                story.say(f"{n} of {len(names)}: {name}")
                runs.append(Run(name, s))
                runs[-1].do()
                if story.failed or stopped():
                    break
            last_audit(s)
        finally:
            s.stop()
    if not story.failed:
        (story.folder / "guest.pcap").unlink(missing_ok=True)   # half a gigabyte a day
    return [run.line() for run in judged(runs)], len(runs), story


def start(s):
    try:
        s.start()
    except LabError:
        raise
    except Exception as e:
        raise LabError(told(e)) from e


def judged(runs):
    """What an audit finds after a trouble that broke may be that one's doing: nothing can be said of those before it that
    are in the same audit, and they are done again."""
    if not runs or not runs[-1].broken:
        return runs
    return [run for run in runs[:-1] if not any(checks for _, checks in run.audits())] + runs[-1:]


class Stop:
    """When the soak is to end: after its minutes, or by Ctrl-C, the first of which waits for the trouble under way."""

    def __init__(self, minutes):
        self.end = time.monotonic() + minutes * 60 if minutes else None
        self.asked = False
        self.before = signal.signal(signal.SIGINT, self.ask)

    def ask(self, *_):
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True
        # not by print, which it may have interrupted
        os.write(1, b"\nthis trouble is finished and all is checked, then the soak ends; Ctrl-C once more: at once, and "
                    b"what was done since the hosts booted does not count\n")

    def __call__(self):
        return self.asked or (self.end is not None and time.monotonic() > self.end)

    def done(self):
        signal.signal(signal.SIGINT, self.before)


def soak(lab, o, run_session=session):
    """True if all that it did held."""
    state = State(o.state or TOP / "doc/results/cluster.jsonl")
    key = product()
    done = [line for line in state.of(key) if line["trouble"] != START]
    if o.seed is None:
        o.seed = done[-1]["seed"] if done else int(time.time())
    todo = plan(wanted(o.runs, o.names), o.seed, [line["trouble"] for line in done])
    print(f"run cluster-soak RUNS={o.runs} SEED={o.seed} STATE={state.path}\n"
          f"{len(todo)} runs to do, {len(done)} are there of this code, {len(state.lines) - len(done)} of other code",
          flush=True)
    stop, sizes = Stop(o.minutes), random.Random(o.seed)
    passed = failed = starts = 0
    try:
        while todo and not stop():
            now = {"product": product(), "commit": commit()}
            if now["product"] != key:
                raise LabError("the product's files are not those that the soak began with: begin it again")
            lines, nr, story = run_session(lab, todo[:sizes.randint(*PER_SESSION)], stop)
            if product() != key:
                raise LabError("the product's files changed meanwhile: this session does not count; begin the soak again")
            if not nr:
                starts += 1
                lines = [{"trouble": START, "failed": story.failed, "audits": [], "report": story.folder.name}]
            else:
                starts = 0
            todo = todo[nr:] + without(todo[:nr], [line["trouble"] for line in lines])
            for line in lines:
                state.add({**line, "seed": o.seed, **now, "when": time.strftime("%Y-%m-%d")})
                passed += soak_table.passed(line)
                failed += not soak_table.passed(line)
            if nr:
                figures.write("cluster.md", soak_table.text(state.lines, key, wanted(WANTED_RUNS)))
            if starts == 3:
                raise LabError("three times in a row the lab did not come up")
    finally:
        stop.done()
    print(f"{len(todo)} runs are left; the same command does them" if todo else "all runs are done", flush=True)
    print(f"{passed} passed, {failed} failed", flush=True)
    return not failed
