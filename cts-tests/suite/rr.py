#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Requests of 8 bytes to `witness count`, one outstanding, as fast as the answers come.

    rr.py ADDRESS PORT SECONDS

Prints "COUNT NS MEDIAN_US P99_US" of the answers."""

import socket
import statistics
import struct
import sys
import time

now = time.monotonic_ns


def main(address, port, seconds):
    s = socket.create_connection((address, port), timeout=20)
    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    times = []
    begin = now()
    end = begin + int(seconds * 1e9)
    while now() < end:
        sent = now()
        s.sendall(struct.pack("<Q", len(times) + 1))
        left = 16
        while left:
            data = s.recv(left)
            if not data:
                sys.exit("rr: the guest closed the connection")
            left -= len(data)
        times.append(now() - sent)
    times.sort()
    p99 = times[min(len(times) - 1, len(times) * 99 // 100)]
    print(len(times), now() - begin, int(statistics.median(times) / 1000), p99 // 1000)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]))
