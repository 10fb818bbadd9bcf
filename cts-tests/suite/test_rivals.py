# SPDX-License-Identifier: GPL-2.0-only
"""What the benchmark reads from programs, on what they really print; and its tables on figures whose answers are known."""

import unittest

import rivals
import standings
import workloads
from lab import LabError

REDIS = '''"test","rps","avg_latency_ms","min_latency_ms"
"SET","1160.09","6.803","1.480"
"GET","1626.02","4.881","1.432"
'''
FIO = '''note: something before
{ "fio version" : "fio-3.33", "jobs" : [ { "read" : { "total_ios" : 0, "iops" : 0.0 },
  "write" : { "total_ios" : 695, "iops" : 138.861139, "bw" : 555 } } ] }
'''
IOZONE = '''	File size set to 16384 kB
              kB  reclen    write  rewrite    read    reread    read     write     read   rewrite      read   fwrite
           16384       4    67181   117464   769924   635651   797276   123578

iozone test complete.
'''
SYSBENCH = '''CPU speed:
    events per second:   657.97
         95th percentile:                        2.97
'''
STRESS_NG = '''stress-ng: metrc: [176] stressor       bogo ops real time  usr time  sys time   bogo ops/s     bogo ops/s
stress-ng: metrc: [176]                           (secs)    (secs)    (secs)   (real time) (usr+sys time)
stress-ng: metrc: [176] vm                43108      5.03      4.54      0.29      8569.50        8928.50
'''


class Programs(unittest.TestCase):
    def test_netperf(self):
        text = "THROUGHPUT=23002.65\nTHROUGHPUT_UNITS=1\nP50_LATENCY=59\nTHROUGHPUT=2\n"
        self.assertEqual(workloads.netperf(text)["THROUGHPUT"], [23002.65, 2])

    def test_redis(self):
        self.assertEqual(workloads.redis(REDIS), {"SET": 1160.09, "GET": 1626.02})

    def test_fio(self):
        self.assertEqual(workloads.fio(FIO)["bw"], 555)

    def test_iozone(self):
        self.assertEqual(workloads.iozone(IOZONE)["random write"], 123578)

    def test_sysbench(self):
        self.assertEqual(workloads.sysbench(SYSBENCH, r"events per second: +([\d.]+)"), 657.97)

    def test_stress_ng(self):
        self.assertEqual(workloads.stress_ng(STRESS_NG), 8569.5)

    def test_no_figure(self):
        for read in (workloads.netperf, workloads.redis, workloads.fio, workloads.iozone, workloads.stress_ng,
                     workloads.clocked):
            with self.assertRaises(ValueError):
                read("Killed\n")

    def test_the_clock_that_stood_still(self):
        self.assertEqual(workloads.clocked("clock 10\nclock 100\nx\nclock 15\nclock 110\n"), ("x", 5, 10))


class Tables(unittest.TestCase):
    def setUp(self):
        self.rivals = [rivals.Rival("a", "A", "unprotected"), rivals.Rival("k", "K", "kemari"),
                       rivals.Rival("r20", "R20", "remus"), rivals.Rival("r100", "R100", "remus")]
        self.workload = workloads.Workload("tcp_rr", "rr", {"THROUGHPUT": "Trans/s"}, None)

    def standing(self, *rows):
        records = []
        for rival, number, value in rows:
            what = {"failed": value} if isinstance(value, str) else {"figures": {"THROUGHPUT": value}}
            records.append({"round": number, "rival": rival, "workload": "tcp_rr", **what})
        return standings.Standing(records, self.rivals, self.workload)

    def test_the_better_interval_and_rounds_that_both_have(self):
        s = self.standing(("k", 1, 10), ("k", 2, 30), ("r20", 1, 1), ("r100", 2, 3), ("r100", 1, "it died"))
        self.assertEqual(s.best("remus").name, "r100")
        self.assertEqual(s.times(self.rivals[1], "remus"), [10])
        self.assertEqual(s.times(self.rivals[1], "netbuf"), [])
        self.assertIn("| R100 | 3 |", "\n".join(s.text()))

    def test_goals(self):
        s = self.standing(("a", 1, 10), ("k", 1, 6), ("r100", 1, 4))
        text = "\n".join(standings.goals({"tcp_rr": s}))
        self.assertIn("| TCP_RR, 1 connection: Remus without network buffering | 2 | 1.50 | missed |", text)
        self.assertIn("| TCP_RR, 1 connection: unprotected | 0.5 | 0.60 | met |", text)
        self.assertIn("| TCP_RR, 1 connection: Remus with network buffering | 30 | - | not measured |", text)
        self.assertEqual(list(standings.goals({})), [])

    def test_report(self):
        records = [{"round": 1, "rival": "a", "workload": "tcp_rr", "figures": {"THROUGHPUT": 5}, "clock": 0.5},
                   {"round": 1, "rival": "r20", "workload": "tcp_rr", "failed": "it died"}]
        text = standings.report(records, self.rivals, [self.workload], 1)
        self.assertIn("| A | 5 | 1 | - | - |", text)
        self.assertIn("| A | 0.50 |", text)
        self.assertIn("| R20 | rr | it died |", text)
        self.assertNotIn("Goals", text)     # nobody to compare

    def test_names(self):
        self.assertEqual([[x.name for x in those] for those in rivals.chosen(["async", "tar"])], [["async"], ["tar"]])
        self.assertEqual(len(rivals.chosen(["tar"])[0]), len(rivals.RIVALS))
        with self.assertRaises(LabError):
            rivals.chosen(["no such"])


if __name__ == "__main__":
    unittest.main()
