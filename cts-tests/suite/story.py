# SPDX-License-Identifier: GPL-2.0-only
"""One run of a scenario: the lines of its story, its timeline, its checks, and what is kept of it."""

import contextlib
import json
import subprocess
import threading
import time

from lab import LabError


class Story:
    def __init__(self, lab, name):
        self.lab = lab
        self.start = time.monotonic()
        self.failed = []
        self.folder = lab.run_dir / "reports" / f"{name.replace(' ', '-')}-{time.strftime('%Y%m%d-%H%M%S')}"
        self.folder.mkdir(parents=True)
        self.timeline = open(self.folder / "timeline.jsonl", "w", encoding="utf-8", buffering=1)
        self.pcap = None

    def note(self, what, **more):
        """Into the timeline only."""
        self.timeline.write(json.dumps({"ns": time.monotonic_ns(), "wall": time.time(), "what": what, **more}) + "\n")

    def say(self, text):
        print(f"[{time.monotonic() - self.start:6.1f} s] {text}", flush=True)
        self.note(text)

    @contextlib.contextmanager
    def step(self, text):
        """A step that takes a while: says so every 10 s while it lasts, and how long it took."""
        self.say(text)
        begin = time.monotonic()
        over = threading.Event()

        def tick():
            while not over.wait(10):
                self.say(f"    ... {time.monotonic() - begin:.0f} s")
        t = threading.Thread(target=tick, daemon=True)
        t.start()
        try:
            yield
        finally:
            over.set()
            t.join()
        self.note("done", of=text, seconds=time.monotonic() - begin)

    def check(self, what, problems):
        """One check of this run: prints it, remembers it if it failed."""
        if problems:
            self.failed.append(what)
            self.say(f"    FAILED {what}: {problems[0]}" + (f" (and {len(problems) - 1} more)" if problems[1:] else ""))
            self.note("check failed", check=what, problems=problems)
        else:
            self.say(f"    ok     {what}")
        return not problems

    def capture_frames(self):
        """Everything on the guests' network, headers only, until close()."""
        self.pcap = subprocess.Popen(
            ["ip", "netns", "exec", self.lab.ns, "tcpdump", "-i", "guest", "-s", "128", "-U", "-w",
             str(self.folder / "guest.pcap")], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL, start_new_session=True)

    def collect(self):
        """What a reader of a failed run needs, into the run's folder; says where."""
        for h in self.lab.hosts:
            for log in ("serial.log", "serial.log.before", "journal.log", "qemu.log"):
                source = h.dir / log
                if source.exists():
                    (self.folder / f"{h.name}.{log}").write_bytes(source.read_bytes())
            for name, command in (("xl", "xl list; xl dmesg | tail -n 200"),
                                  ("kemari", "kemari status --json; kemari log g1"),
                                  ("console", "timeout 3 xl console g1 </dev/null; "
                                              "tail -c 20000 /var/log/xen/console/guest-g1.log")):
                r = h.exec(command, timeout=20, check=False)
                (self.folder / f"{h.name}.{name}.txt").write_text(r.out + r.err)
        print(f"everything about this run is in {self.folder}", flush=True)

    def close(self):
        if self.pcap:
            self.pcap.terminate()
            self.pcap.wait()
            self.pcap = None
        self.timeline.close()


@contextlib.contextmanager
def telling(lab, name):
    """A story that collects when it fails. After it, story.failed names what did not hold."""
    story = Story(lab, name)
    try:
        yield story
    except LabError as e:
        story.failed.append(str(e).partition("\n")[0])
        story.say(f"    FAILED {e}")
    finally:
        if story.failed:
            story.collect()
        story.close()
