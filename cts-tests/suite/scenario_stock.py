# SPDX-License-Identifier: GPL-2.0-only
"""stock: the lab, the client and the checks without kemari: xl migrate as the baseline, then a power cut
through the BMC, after which everything reported durable must be on the disk."""

from bed import stock_migration
from lab import Lab


def run(lab: Lab, story, args):
    a, b = lab.hosts
    with story.step("booting two hosts"):
        lab.up()
    story.capture_frames()
    with story.step(f"the guest starts on {a} (xl create), the client counts, then xl migrate to {b}"):
        silent, took, watched = stock_migration(story, a, b)
    try:
        story.say(f"xl migrate took {took:.1f} s, the guest was silent for {silent:.2f} s")
        watched.check_all(may_lose_frames=True, quiet_log=False)
        with story.step(f"{b} loses its power"):
            b.cut_power()
        watched.check_power_cut()
        with story.step(f"{b} boots again"):
            b.power_on()
        story.say(f"stock xl migrate: {silent:.2f} s of silence")
    finally:
        watched.stop()
