# SPDX-License-Identifier: GPL-2.0-only
"""The audits can fail: each is given a good history and the same with one thing wrong."""

import unittest

import audit


def make_journal(n):
    out, prev, reports = b"", 0, []
    for seq in range(1, n + 1):
        head = f"{seq:016x} {seq * 1000:016x} {prev:016x}".encode()
        prev = audit.fnv1a(head)
        out += head + f" {prev:016x}\n".encode()
        reports.append((seq, seq, prev))
    return out, reports


def make_answers(n):
    out, state = [], 0
    for i in range(1, n + 1):
        state = audit.mix(state, i)
        out.append((i * 10, i * 10 + 5, i, state))
    return out


def make_clocks(monotonic="backs 0 maxback 0 maxgap 4000000", events=""):
    return ("samples 100\n"
            f"clock monotonic first 1 last 1000000000 {monotonic}\n"
            "clock realtime first 1 last 1000000000 backs 0 maxback 0 maxgap 4000000\n"
            f"{events}events 0\nend\n")


class Functions(unittest.TestCase):
    def test_known_values(self):
        self.assertEqual(audit.fnv1a(b""), 0xCBF29CE484222325)
        self.assertEqual(audit.fnv1a(b"foobar"), 0x85944171F73967E8)
        self.assertEqual(audit.mix(0, 0), 0xE220A8397B1DCDAF)


class Count(unittest.TestCase):
    def test_good(self):
        self.assertEqual(audit.count(make_answers(50)), [])

    def test_nothing(self):
        self.assertTrue(audit.count([]))

    def test_lost_answer(self):
        answers = make_answers(50)
        del answers[20]
        self.assertTrue(audit.count(answers))

    def test_doubled_answer(self):
        answers = make_answers(50)
        answers.insert(20, answers[20])
        self.assertTrue(audit.count(answers))

    def test_guest_forgot_a_number(self):
        answers = make_answers(50)
        state = answers[19][3]
        for i in range(21, 50):
            state = audit.mix(state, i + 1)
            answers[i] = (*answers[i][:3], state)
        self.assertTrue(audit.count(answers))

    def test_broken_connection(self):
        self.assertTrue(audit.connection(audit.parse_seen("e 5 count: connection reset\n")))
        self.assertEqual(audit.connection(audit.parse_seen("c 1 2 1 00\n")), [])


class Journal(unittest.TestCase):
    def setUp(self):
        self.data, self.reports = make_journal(40)

    def test_good(self):
        self.assertEqual(audit.journal(self.data, self.reports), [])

    def test_torn_tail_after_the_last_report(self):
        self.assertEqual(audit.journal(self.data[:-10], self.reports[:39]), [])
        self.assertEqual(audit.journal(self.data[:39 * 68] + bytes(68), self.reports[:39]), [])

    def test_reported_record_torn(self):
        self.assertTrue(audit.journal(self.data[:-10], self.reports))

    def test_flipped_bit(self):
        bad = bytearray(self.data)
        bad[20 * 68 + 3] ^= 1
        self.assertTrue(audit.journal(bytes(bad), self.reports))

    def test_dropped_record(self):
        self.assertTrue(audit.journal(self.data[:20 * 68] + self.data[21 * 68:], self.reports[:20] + self.reports[21:]))

    def test_doubled_record(self):
        self.assertTrue(audit.journal(self.data[:21 * 68] + self.data[20 * 68:], self.reports))

    def test_record_replaced_by_another_valid_one(self):
        head = b"%016x %016x %016x" % (40, 99999, self.reports[38][2])
        other = self.data[:39 * 68] + head + b" %016x\n" % audit.fnv1a(head)
        self.assertTrue(audit.journal(other, self.reports))
        self.assertEqual(audit.journal(other, self.reports[:39]), [])

    def test_chain_broken(self):
        head = b"%016x %016x %016x" % (40, 40000, 12345)
        self.assertTrue(audit.journal(self.data[:39 * 68] + head + b" %016x\n" % audit.fnv1a(head), self.reports[:39]))

    def test_report_missing(self):
        self.assertTrue(audit.journal(self.data, self.reports[:10] + self.reports[11:]))

    def test_clock_went_back_between_records(self):
        head = b"%016x %016x %016x" % (41, 5, self.reports[39][2])
        self.assertTrue(audit.journal(self.data + head + b" %016x\n" % audit.fnv1a(head), self.reports))

    def test_nothing_reported(self):
        self.assertTrue(audit.journal(self.data, []))


class Clocks(unittest.TestCase):
    def test_good(self):
        self.assertEqual(audit.clocks(make_clocks(), 0.1), [])

    def test_step_back(self):
        text = make_clocks("backs 1 maxback 7 maxgap 4000000", "event back monotonic before 500 after 493\n")
        self.assertTrue(audit.clocks(text, 10))

    def test_jump_longer_than_the_outage(self):
        text = make_clocks("backs 0 maxback 0 maxgap 3000000000")
        self.assertTrue(audit.clocks(text, 2.0, slack_s=0.5))
        self.assertEqual(audit.clocks(text, 2.6, slack_s=0.5), [])

    def test_cut_off_report(self):
        self.assertTrue(audit.clocks(make_clocks()[:-4], 1))


class Rest(unittest.TestCase):
    def test_dmesg(self):
        self.assertEqual(audit.dmesg("a\nb\n", "a\nb\n"), [])
        self.assertTrue(audit.dmesg("a\nb\n", "a\nb\nc\n"))
        self.assertTrue(audit.dmesg("a\nb\n", "b\nc\n"))
        self.assertTrue(audit.dmesg("a\nb\n", "a\n"))

    def test_a_late_timer_is_kemaris_unless_it_did_not_touch_the_guest(self):
        story = ("2026-11-27T22:04:00.000Z  standby  copy         epoch 3029     the link to xa is down\n"
                 "2026-11-27T22:04:10.000Z  primary  unprotected  epoch 0        runs here\n"
                 "2026-11-27T22:04:11.000Z  primary  unprotected  epoch 0        the guest runs here\n"
                 "2026-11-27T22:04:40.000Z  primary  syncing      epoch 0        copying the guest to the standby\n")
        begin = 1795817050     # 22:04:10
        clocks = make_clocks().replace("clock realtime first 1 last 1000000000", f"clock realtime first 1 last {begin}000000000")
        late = "new in the guest's log: [   {}] hrtimer: interrupt took 8544867 ns"
        for at, problems in ((10.5, 0), (1.5, 1), (30.5, 1), (45.5, 1)):
            found, others = audit.of_kemari([late.format(at + 1)], clocks, ["", story])
            self.assertEqual((len(found), len(others)), (problems, 1 - problems), at)
        self.assertTrue(audit.of_kemari([late.format(11.5), "new in the guest's log: [ 11.5] oops"], clocks, [story])[0])
        self.assertTrue(audit.of_kemari([late.format(11.5)], "", [story])[0])
        self.assertTrue(audit.of_kemari([late.format(11.5)], clocks, [])[0])
        self.assertFalse(audit.of_kemari([late.format(31.5)], clocks, [story], [(begin + 30, begin + 31)])[0])
        self.assertTrue(audit.of_kemari([late.format(31.5)], clocks, [story], [(begin + 31, begin + 40)])[0])
        self.assertTrue(audit.of_kemari(["new in the guest's log: [ 31.5] oops"], clocks, [story], [(begin, begin + 40)])[0])

    def test_memory(self):
        self.assertEqual(audit.memory("pages 10 writes 5 errors 0 first 0 generation 0\n"), [])
        self.assertTrue(audit.memory("pages 10 writes 5 errors 2 first 3 generation 1\n"))
        self.assertTrue(audit.memory(""))

    def test_frames(self):
        good = [(i * 10, i, i * 10, i * 10) for i in range(20)]
        self.assertEqual(audit.frames(good, may_lose=False), [])
        self.assertTrue(audit.frames(good[:5] + good[6:], may_lose=False))
        self.assertEqual(audit.frames(good[:5] + good[6:], may_lose=True), [])
        self.assertTrue(audit.frames(good[:6] + good[5:], may_lose=True))
        self.assertTrue(audit.frames([], may_lose=True))
        self.assertTrue(audit.frames(good[:5] + [(60, 6, 3, 60)], may_lose=True))

    def test_silence(self):
        pulses = [(int(t * 1e9), 0, 0, 0) for t in (0, 1, 2, 7, 8, 11)]
        self.assertEqual(audit.gap(pulses)[1] - audit.gap(pulses)[0], 5_000_000_000)
        self.assertEqual(audit.silence(pulses), 5.0)
        self.assertEqual(audit.silence(pulses, begin=7.5e9), 3.0)
        self.assertEqual(audit.silence(pulses, end=1.5e9), 1.0)

    def test_console(self):
        self.assertEqual(audit.console("beat 1 monotonic 5\r\nx\nbeat 2 monotonic 6\n"), [])
        self.assertEqual(audit.console("beat 1 monotonic 5\nbeat 1 monotonic 5\nbeat 2 monotonic 6\n"), [])
        self.assertTrue(audit.console("beat 1 monotonic 5\nbeat 3 monotonic 6\n"))
        self.assertTrue(audit.console(""))


if __name__ == "__main__":
    unittest.main()
