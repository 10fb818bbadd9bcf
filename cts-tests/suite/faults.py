# SPDX-License-Identifier: GPL-2.0-only
"""Is the verifier able to see? The daemon of `make faults` leaves one part out of each epoch when the file
/run/kemari/fault names it; `kemari verify` must fail then, and say what differs. Without a fault, before and
after, it must not."""

import contextlib
import os
import shutil
import tempfile
import time
from pathlib import Path

from lab import LabError, run

TOP = Path(__file__).resolve().parents[2]
FAULT_FILE = "/run/kemari/fault"
EPOCHS = 20

# fault (syncd/capture/fault.h): what the verifier must call the difference, one of
FAULTS = {
    "dirty-mark": ("RAM page",),
    "ring-page": ("device ring page",),
    "grant-page": ("grant table page",),
    "vcpu-info": ("vcpu_info page", "shared_info page"),
    "timer": ("singleshot timer not armed",),
}


@contextlib.contextmanager
def daemon_with_faults():
    """Hosts that boot meanwhile get the special build."""
    tree = tempfile.mkdtemp(prefix="kemari-faults-")
    before = os.environ.get("LAB_KEMARI")
    try:
        r = run(["make", "-s", "-C", TOP, "install-faults", f"DESTDIR={tree}"], 1800)
        if not r.ok:
            raise LabError(f"make install-faults: {(r.err or r.out).strip()[-600:]}")
        os.environ["LAB_KEMARI"] = tree
        yield
    finally:
        if before is None:
            os.environ.pop("LAB_KEMARI", None)
        else:
            os.environ["LAB_KEMARI"] = before
        shutil.rmtree(tree, ignore_errors=True)


def green(s, when):
    equal, said = s.compare(EPOCHS)
    s.story.check(f"{when}: both copies equal over {EPOCHS} epochs", [] if equal else [said])
    return equal


def red(s, fault, names):
    s.at.exec(f"printf %s {fault} > {FAULT_FILE}")
    try:
        equal, said = s.compare(EPOCHS)
    finally:
        s.at.exec(f"rm -f {FAULT_FILE}")
    if equal:
        problems = [f"verify saw nothing: {said}"]
    elif not any(n in said for n in names):
        problems = [f"verify does not say {' or '.join(names)}: {said}"]
    else:
        problems = []
    s.story.check(f"{fault} left out: verify fails and names it", problems)
    return equal, said


def copy_anew(s):
    """What was left out is missing on the standby until it gets a whole copy again."""
    s.unprotect()
    s.protect()


def body(s):
    begin = time.monotonic_ns()
    s.protect()
    table = []
    for fault, names in FAULTS.items():
        before = green(s, f"before {fault}")
        equal, said = red(s, fault, names)
        copy_anew(s)
        after = green(s, f"after {fault}, copied anew")
        table.append((fault, before, equal, after, said))
    s.story.say(f"{'fault':12} {'before':7} {'with it':8} {'after':7} what verify said")
    word = {True: "equal", False: "differ"}
    for fault, before, equal, after, said in table:
        s.story.say(f"{fault:12} {word[before]:7} {word[equal]:8} {word[after]:7} {said}")
    s.event("comparing", begin)     # the guest stands still while its memory is hashed
    s.result = s.audit()
