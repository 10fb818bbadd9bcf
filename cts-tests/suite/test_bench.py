# SPDX-License-Identifier: GPL-2.0-only
"""The benchmark's arithmetic on figures whose answers are known."""

import unittest

import figures

FIELDS = ["epoch", "at_us", "pause_us", "commit_us"]


def look(epochs, nr, last):
    return {"fields": FIELDS, "epochs": [[n, n * 1000, n, 0 if n == 9 else 7] for n in epochs],
            "held_us": {"vif": {"nr": nr, "last": last}}}


class Statistics(unittest.TestCase):
    def test_quantile(self):
        self.assertEqual(figures.quantile(range(1, 101), 0.99), 99)
        self.assertEqual(figures.quantile(range(1, 101), 0.5), 50)
        self.assertEqual(figures.quantile([7], 0.99), 7)
        self.assertEqual(figures.quantile([3, 1, 2], 1), 3)

    def test_spread(self):
        self.assertEqual(figures.spread([]), "-")
        self.assertEqual(figures.spread([4]), "4")
        self.assertEqual(figures.spread([0.5, 300.4, 20]), "20 (0.50 to 300)")

    def test_ratio_is_round_by_round(self):
        self.assertEqual(figures.ratios([1, 2, 3], [2, 2, 0]), [0.5, 1])

    def test_rate(self):
        self.assertEqual(figures.rate("50 500000000\n"), 100)
        for bad in ("", "50", "50 0", "witness: no space"):
            with self.assertRaises(ValueError):
                figures.rate(bad)


class Recent(unittest.TestCase):
    def test_each_once(self):
        r = figures.Recent(look(range(1, 4), 2, [1, 2]))
        r.add(look(range(2, 6), 4, [1, 2, 3, 4]))
        r.add(look(range(4, 10), 5, [2, 3, 4, 5]))
        self.assertEqual(r.column("epoch"), [4, 5, 6, 7, 8, 9])
        self.assertEqual(r.held["vif"], [3, 4, 5])
        self.assertEqual(r.commits(), [7] * 5)

    def test_a_gap_between_two_looks_is_no_time(self):
        r = figures.Recent(look([], 0, []))
        self.assertEqual(r.per_second(), 0)
        r.add(look([1, 2, 3], 0, []))
        r.add(look([7, 8], 0, []))
        self.assertEqual(r.per_second(), 1000)

    def test_numbers_between_are_attempts_put_off(self):
        r = figures.Recent(look([], 0, []))
        r.add(look([1, 2, 5], 0, []))
        self.assertEqual(r.tries(), [1, 3])
        self.assertEqual(r.per_second(), 500)

    def test_more_outputs_than_the_ring_keeps(self):
        r = figures.Recent(look([], 2, [1, 2]))
        r.add(look([], 100, [8, 9]))
        self.assertEqual(r.held["vif"], [8, 9])


class Texts(unittest.TestCase):
    def test_stock(self):
        self.assertEqual(figures.stock_epochs("x\nepoch pause_us 5 dirty 2\nepoch pause_us 6 dirty 3\n"),
                         [{"pause_us": 5, "dirty": 2}, {"pause_us": 6, "dirty": 3}])
        with self.assertRaises(ValueError):
            figures.stock_epochs("error 22 Invalid argument\n")

    def test_table(self):
        self.assertEqual(figures.table(["a", "b"], [[1, "x"]]), ["| a | b |", "|---|---|", "| 1 | x |"])


if __name__ == "__main__":
    unittest.main()
