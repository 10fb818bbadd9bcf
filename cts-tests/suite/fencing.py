# SPDX-License-Identifier: GPL-2.0-only
"""How long it takes from one dom0 until the other host is off and that is certain: fence_kemari beside fence_ipmilan,
in turns, against the same simulated BMC. A benchmark: nothing passes or fails."""

import statistics
import time

import figures
from lab import LabError
from story import telling

ROUNDS = 5
# as doc/cluster.md has it, and the same for fence_ipmilan without a pause of its own
AGENTS = {
    "fence_kemari": "fence_kemari -a {ip} -l lab -F /etc/kemari/bmc-password -W opensesspriv -o off",
    "fence_ipmilan": "fence_ipmilan -a {ip} -l lab -p lab -P -C 3 --power-wait=0 --method=onoff -o off",
}


def ready(lab, victim):
    """The host is on, as its BMC says: one that is off already is no measurement. It stands still, so that its boot takes
    no CPU from what is measured."""
    if not victim.bmc_says_on():
        victim.bmc("chassis", "power", "on")
    end = time.monotonic() + 30
    while not (victim.bmc_says_on() and (victim.dir / "qmp.sock").exists()):
        if time.monotonic() > end:
            raise LabError(f"{victim} was switched on and is not on")
        time.sleep(0.2)
    lab.qmp(victim, "stop")


def order(n):
    """The agents in the order of round n: each is the first one in every other round."""
    return list(AGENTS.items())[::-1 if n % 2 else 1]


def fencing(lab, rounds=ROUNDS):
    """True if it could measure; writes doc/results/fencing.md."""
    times = {name: [] for name in AGENTS}
    with telling(lab, "fencing") as story:
        with story.step("two hosts boot"):
            lab.up()
        victim, other = lab.hosts[:2]
        for n in range(rounds):
            for name, command in order(n):
                ready(lab, victim)
                command = command.format(ip=f"{lab.net}.0.{100 + victim.number}")
                # by dom0's own clock: what the way there takes is nobody's time
                r = other.exec(f"a=$(date +%s%N); {command} >&2 && echo $(($(date +%s%N) - a))", timeout=120)
                if victim.bmc_says_on():
                    raise LabError(f"{victim} is on after {name}")
                times[name].append(int(r.out) / 1e9)
                story.say(f"    {n + 1}: {name}: off and confirmed after {times[name][-1]:.2f} s")
        rows = [(name, f"{statistics.median(t):.2f}", f"{min(t):.2f}", f"{max(t):.2f}") for name, t in times.items()]
        ratio = statistics.median(times["fence_kemari"]) / statistics.median(times["fence_ipmilan"])
        text = "\n".join([
            f"# Fencing, {time.strftime('%Y-%m-%d')}", "",
            f"`make bench-fencing`: seconds from the call of the agent in one dom0 to its success, {rounds} times in turns. The BMC is",
            "a simulated one (ipmi_sim); a real one takes its own time on top of both. The host that is turned off stands still.",
            "Emulated CPUs; not tried on hardware.", "",
            *figures.table(["agent", "median s", "shortest", "longest"], rows), "",
            f"fence_kemari / fence_ipmilan: {ratio:.2f}", ""])
        print(text, flush=True)
        figures.write("fencing.md", text)
    return not story.failed
