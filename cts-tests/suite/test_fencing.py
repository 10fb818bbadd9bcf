# SPDX-License-Identifier: GPL-2.0-only
"""The benchmark of the fence agents measures what it says."""

import tempfile
import unittest
from pathlib import Path
from types import SimpleNamespace

import fencing
import lab


class Fencing(unittest.TestCase):
    def test_each_agent_is_first_in_turn(self):
        self.assertEqual([fencing.order(n)[0][0] for n in range(4)], ["fence_kemari", "fence_ipmilan"] * 2)

    def test_a_host_that_stays_off_is_not_measured(self):
        with tempfile.TemporaryDirectory() as d:
            clock = iter(range(0, 1000, 10))
            old, fencing.time = fencing.time, SimpleNamespace(monotonic=lambda: next(clock), sleep=lambda s: None)
            try:
                victim = SimpleNamespace(bmc_says_on=lambda: False, bmc=lambda *a: None, dir=Path(d))
                with self.assertRaisesRegex(lab.LabError, "not on"):
                    fencing.ready(None, victim)
            finally:
                fencing.time = old


if __name__ == "__main__":
    unittest.main()
