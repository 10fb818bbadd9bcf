#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""The external client: runs outside both hosts and writes down everything the guest tells it.

    client.py GUEST-ADDRESS LOG [COUNT_INTERVAL_MS]

One TCP connection counts (one number outstanding), one receives the journal's reports, a UDP socket the
pulses. LOG gets one line for each, times in ns of CLOCK_MONOTONIC:

    c SENT RECEIVED N STATE         an answer of `witness count`
    j RECEIVED SEQ HASH             a report of `witness journal`
    p RECEIVED SEQ MONOTONIC REALTIME   a datagram of `witness pulse`
    e WHEN TEXT                     a connection broke

Standard output gets "status ANSWERS REPORTS PULSES" twice a second. The client ends when its standard
input does: it stops counting, waits for the outstanding answer (30 s at most) and closes."""

import os
import selectors
import socket
import struct
import sys
import time

COUNT_PORT, JOURNAL_PORT, PULSE_PORT = 7001, 7002, 7005
now = time.monotonic_ns


class Client:
    def __init__(self, guest, log, interval_ms):
        self.log = log
        self.interval = int(interval_ms * 1e6)
        self.sel = selectors.DefaultSelector()
        self.n = self.answers = self.reports = self.pulses = 0
        self.sent = None            # when the outstanding number was sent
        self.next = now()
        self.closing = None         # when to give up waiting for the last answer
        self.left = {"count": b"", "journal": b""}
        pulse = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        pulse.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        pulse.bind(("", PULSE_PORT))
        self.sel.register(pulse, selectors.EVENT_READ, self.on_pulse)
        self.count = self.connect(guest, COUNT_PORT, self.on_count)
        self.journal = self.connect(guest, JOURNAL_PORT, self.on_journal)
        self.sel.register(sys.stdin.fileno(), selectors.EVENT_READ, self.on_stdin)

    def connect(self, guest, port, handler):
        s = socket.create_connection((guest, port), timeout=20)
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        s.setblocking(False)
        self.sel.register(s, selectors.EVENT_READ, handler)
        return s

    def broken(self, s, name, why):
        self.log.write(f"e {now()} {name}: {why}\n")
        self.sel.unregister(s)
        s.close()
        if s is self.count:
            self.count = None
        else:
            self.journal = None

    def records(self, s, name, size):
        """What arrived on a connection, in records of size bytes."""
        try:
            data = s.recv(65536)
        except BlockingIOError:
            return
        except OSError as e:
            self.broken(s, name, e.strerror)
            return
        if not data:
            self.broken(s, name, "closed by the guest")
            return
        data = self.left[name] + data
        whole = len(data) - len(data) % size
        self.left[name] = data[whole:]
        yield from struct.iter_unpack("<QQ", data[:whole])

    def on_count(self, s):
        t = now()
        for n, state in self.records(s, "count", 16):
            self.log.write(f"c {self.sent or 0} {t} {n} {state:016x}\n")
            self.answers += 1
            self.sent = None

    def on_journal(self, s):
        t = now()
        for seq, digest in self.records(s, "journal", 16):
            self.log.write(f"j {t} {seq} {digest:016x}\n")
            self.reports += 1

    def on_pulse(self, s):
        data = s.recv(64)
        if len(data) == 24:
            seq, mono, real = struct.unpack("<QQQ", data)
            self.log.write(f"p {now()} {seq} {mono} {real}\n")
            self.pulses += 1

    def on_stdin(self, fd):
        if not os.read(fd, 64):
            self.sel.unregister(fd)
            self.closing = now() + 30 * 10**9

    def send_next(self):
        if not self.count or self.sent or self.closing or now() < self.next:
            return
        self.n += 1
        self.sent = now()
        self.next = self.sent + self.interval
        try:
            self.count.sendall(struct.pack("<Q", self.n))
        except OSError as e:
            self.broken(self.count, "count", e.strerror)

    def run(self):
        status = 0
        while not self.closing or (self.sent and self.count and now() < self.closing):
            self.send_next()
            for key, _ in self.sel.select(timeout=0.002 if self.count and not self.sent else 0.2):
                handler = key.data
                handler(key.fileobj)
            if now() > status:
                status = now() + 500_000_000
                print("status", self.answers, self.reports, self.pulses, flush=True)
                self.log.flush()
        if self.sent and self.count:
            self.log.write(f"e {now()} count: number {self.n} was not answered in 30 s\n")


if __name__ == "__main__":
    with open(sys.argv[2], "w", encoding="ascii") as f:
        Client(sys.argv[1], f, float(sys.argv[3]) if len(sys.argv) > 3 else 5).run()
