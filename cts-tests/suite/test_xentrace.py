# SPDX-License-Identifier: GPL-2.0-only
import struct
import unittest

import xentrace


def record(event, words=0, cycles=False):
    return (struct.pack("<I", event | words << 28 | cycles << 31) + bytes(8 * cycles)
            + struct.pack(f"<{words}I", *[xentrace.HYPERCALL] * words))


class Count(unittest.TestCase):
    def test_counts_hypercalls_and_exits_and_no_other_record(self):
        data = (record(0x1F003, 2) + record(xentrace.HYPERCALL, 3, True) + record(0x81102, 4, True) + record(0x81001)
                + record(xentrace.HYPERCALL) + record(0x81002, 1, True))
        self.assertEqual(xentrace.count(data), {"hypercalls": 2, "exits": 2})

    def test_lost_records_are_no_count(self):
        with self.assertRaisesRegex(ValueError, "lost"):
            xentrace.count(record(xentrace.HYPERCALL) + record(xentrace.LOST, 4, True))

    def test_what_ends_within_a_record_is_no_count(self):
        with self.assertRaisesRegex(ValueError, "no records"):
            xentrace.count(record(xentrace.HYPERCALL) + record(xentrace.HYPERCALL, 3, True)[:-4])
        with self.assertRaisesRegex(ValueError, "no records"):
            xentrace.count(b"")


if __name__ == "__main__":
    unittest.main()
