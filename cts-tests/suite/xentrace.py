# SPDX-License-Identifier: GPL-2.0-only
"""How often a host's CPUs enter the hypervisor: counted by xentrace in its dom0. Times are not looked at: under emulation, and
with a record written for each, they would say little; the counts are those of any machine."""

import struct

# xen/include/public/trace.h: classes PV and HVM, subclass 1; a record is a word of event, 28 bits, number of words that
# follow, 3 bits, and whether 8 bytes of cycles come between, 1 bit
MASK = 0x00281000
HYPERCALL = 0x0020100D
EXITS = (0x00081002, 0x00081102)
LOST = 0x0001F001
FILE = "/run/xentrace"
COMMAND = f"rm -f {FILE}; xentrace -D -S 256 -e {MASK:#x} -T {{seconds}} {FILE} >/dev/null 2>&1; base64 -w 0 {FILE}; rm {FILE}"


def count(data):
    """Of a file that xentrace wrote: {"hypercalls": n, "exits": n}"""
    found = {"hypercalls": 0, "exits": 0}
    at = 0
    while at + 4 <= len(data):
        word, = struct.unpack_from("<I", data, at)
        event = word & 0xFFFFFFF
        at += 4 + 4 * (word >> 28 & 7) + 8 * (word >> 31)
        if event == LOST:
            raise ValueError("xentrace: records were lost")
        found["hypercalls"] += event == HYPERCALL
        found["exits"] += event in EXITS
    if at != len(data) or not found["hypercalls"]:
        raise ValueError(f"xentrace: {len(data)} bytes are no records of a host")
    return found
