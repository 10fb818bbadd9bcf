# SPDX-License-Identifier: GPL-2.0-only
"""The soak's bookkeeping: what is done, what counts, what a table says of it; with stand-ins for the lab."""

import collections
import contextlib
import json
import signal
import subprocess
import tempfile
import unittest
from pathlib import Path
from types import SimpleNamespace
from unittest import mock

import cluster_soak
import soak_table
from lab import LabError

STEPS = [("power off", 0.0), ("fencing started", None), ("promote called", 7.1), ("guest running", 7.225)]


def line(trouble="moves", product="new", **more):
    return {"trouble": trouble, "product": product, "seed": 1, "commit": "abc", "when": "2026-01-01", "seconds": 9,
            "events": [["switchover", 1.0]], "failovers": [], "power_cuts": 0, "failed": [],
            "audits": [{"id": "f#0", "failed": []}], "report": "f", **more}


class Story:
    def __init__(self, folder):
        self.folder, self.failed = folder, []

    def say(self, text):
        pass

    def note(self, what, **more):
        pass


class Cluster:
    """Does what its plan says for each trouble, and audits as scenario.Session does."""

    def __init__(self, lab, story, config):
        self.lab, self.story = lab, story
        self.judged, self.events, self.audits, self.failovers = [], [], [], []
        self.client = "one"
        self.findings = list(lab.findings)

    def start(self):
        if self.lab.starts and not self.lab.starts.pop(0):
            raise LabError("xa: not up\nmore")

    def stop(self):
        pass

    def single(self):
        pass

    quiet = single

    def audit(self):
        self.judged += [(kind, 0.5) for kind in self.events]
        self.events.clear()
        failed = self.findings.pop(0) if self.findings else []
        self.story.failed += failed
        self.audits.append(failed)


def gentle(s):
    s.events.append("gentle")


def fails(s):
    s.events.append("fails")
    s.story.failed.append("a check")


def breaks(s):
    raise KeyError("role")


def two_cuts(s):
    for _ in range(2):
        s.lab.power_cuts += 1
        s.events.append("power off")
        s.failovers.append(("power off", STEPS))


def guest_dies(s):
    s.events.append("power off")
    s.audit()
    s.events.append("after")


class Bed(unittest.TestCase):
    def setUp(self):
        self.dir = tempfile.TemporaryDirectory()
        self.lab = SimpleNamespace(power_cuts=2, findings=[], starts=[], run_dir=Path(self.dir.name))
        self.all = dict(cluster_soak.ALL)
        cluster_soak.ALL.update(gentle=gentle, fails=fails, breaks=breaks, two_cuts=two_cuts, guest_dies=guest_dies)

    def tearDown(self):
        cluster_soak.ALL.clear()
        cluster_soak.ALL.update(self.all)
        self.dir.cleanup()

    @contextlib.contextmanager
    def tell(self, lab, name):
        story = Story(Path(self.dir.name))
        try:
            yield story
        except LabError as e:
            story.failed.append(str(e).partition("\n")[0])

    def session(self, *names, stopped=lambda: False):
        lines, begun, story = cluster_soak.session(self.lab, list(names), stopped, Cluster, self.tell)
        return lines, begun


class Sessions(Bed):
    def test_each_run_has_its_own_events(self):
        lines, _ = self.session("two_cuts", "gentle")
        self.assertEqual([d["events"] for d in lines], [[["power off", 0.5]] * 2, [["gentle", 0.5]]])
        self.assertEqual([d["power_cuts"] for d in lines], [2, 0])
        self.assertTrue(all(map(soak_table.passed, lines)))

    def test_time_from_promote_until_the_guest_runs(self):
        (first, *_), _ = self.session("two_cuts")
        self.assertEqual([f["promote_ms"] for f in first["failovers"]], [125, 125])
        self.assertEqual(cluster_soak.failover_line("x", [("promote called", None)])["promote_ms"], None)

    def test_a_failed_check_ends_the_session_after_its_audit(self):
        lines, begun = self.session("gentle", "fails", "gentle")
        self.assertEqual((begun, [soak_table.passed(d) for d in lines]), (2, [True, False]))
        self.assertEqual(lines[1]["failed"], ["a check"])

    def test_an_audit_that_fails_is_held_against_all_that_it_covers(self):
        self.lab.findings = [["memory"]]
        lines, _ = self.session("gentle", "two_cuts")
        self.assertFalse(any(map(soak_table.passed, lines)))
        self.assertEqual(lines[0]["audits"], [{"id": f"{Path(self.dir.name).name}#0", "failed": ["memory"]}])

    def test_a_guests_death_parts_what_was_before_it_from_what_is_after(self):
        self.lab.findings = [[], ["memory"]]
        lines, _ = self.session("gentle", "guest_dies", "two_cuts")
        self.assertEqual([soak_table.passed(d) for d in lines], [True, False, False])
        self.assertEqual([kind for kind, _ in lines[1]["events"]], ["power off", "after"])
        self.assertEqual([len(d["audits"]) for d in lines], [1, 2, 1])

    def test_what_the_audit_of_a_dead_guest_finds_is_the_audits_not_the_runs(self):
        self.lab.findings = [["memory"], []]
        lines, begun = self.session("gentle", "guest_dies", "gentle")
        self.assertEqual((begun, [soak_table.passed(d) for d in lines]), (2, [False, False]))
        self.assertEqual(lines[1]["failed"], [])

    def test_whatever_breaks_is_a_failed_run(self):
        lines, begun = self.session("gentle", "breaks", "gentle")
        self.assertEqual((begun, [soak_table.passed(d) for d in lines]), (2, [True, False]))
        self.assertEqual(lines[1]["failed"], ["KeyError: 'role'"])

    def test_after_a_break_an_audit_says_nothing_about_those_before(self):
        self.lab.findings = [["memory"]]
        lines, begun = self.session("gentle", "breaks")
        self.assertEqual((begun, [d["trouble"] for d in lines]), (2, ["breaks"]))

    def test_an_audit_that_cannot_be_made_has_failed(self):
        self.lab.findings = [1]     # TypeError within
        lines, _ = self.session("gentle")
        self.assertFalse(soak_table.passed(lines[0]))

    def test_it_stops_between_two_troubles(self):
        lines, begun = self.session("gentle", "gentle", stopped=lambda: True)
        self.assertEqual((begun, len(lines)), (1, 1))

    def test_a_lab_that_does_not_come_up(self):
        self.lab.starts = [False]
        self.assertEqual(self.session("gentle"), ([], 0))


class Soak(Bed):
    """All of it, on files of its own."""

    def setUp(self):
        super().setUp()
        self.state = Path(self.dir.name) / "state"
        self.old = cluster_soak.product, cluster_soak.commit, cluster_soak.figures.write
        self.key, self.table = "new", ""
        cluster_soak.product = lambda: self.key
        cluster_soak.commit = lambda: "abc+dirty"
        cluster_soak.figures.write = lambda name, text: setattr(self, "table", text)

    def tearDown(self):
        cluster_soak.product, cluster_soak.commit, cluster_soak.figures.write = self.old
        super().tearDown()

    def soak(self, *names, runs=2, seed=None, stopped=None):
        def once(lab, todo, stop):
            return cluster_soak.session(lab, todo, stopped or stop, Cluster, self.tell)
        o = cluster_soak.Options(runs=runs, seed=seed, state=self.state, names=list(names))
        with contextlib.redirect_stdout(None):
            return cluster_soak.soak(self.lab, o, once)

    def results(self):
        return [json.loads(text) for text in self.state.read_text().splitlines()]

    def count(self):
        return collections.Counter(d["trouble"] for d in self.results())

    def test_all_runs_are_done_and_written(self):
        self.assertTrue(self.soak("gentle", "two_cuts", seed=7))
        self.assertEqual(self.count(), {"gentle": 2, "two_cuts": 2})
        self.assertEqual({(d["seed"], d["commit"], d["product"]) for d in self.results()}, {(7, "abc+dirty", "new")})
        self.assertIn("4 runs, 4 passed", self.table)

    def test_a_soak_that_goes_on_does_what_is_missing_with_its_seed(self):
        self.soak("gentle", "two_cuts", seed=7, runs=1)
        self.soak("gentle", "two_cuts", runs=3)
        self.assertEqual(self.count(), {"gentle": 3, "two_cuts": 3})
        self.assertEqual({d["seed"] for d in self.results()}, {7})

    def test_results_of_other_code_are_kept_and_not_counted(self):
        self.soak("gentle")
        self.key = "newer"
        self.soak("gentle", runs=1)
        self.assertEqual(self.count(), {"gentle": 3})
        self.assertIn("1 runs, 1 passed", self.table)
        self.assertIn("Of other code, not counted:\n\n- commit abc+dirty", self.table)

    def test_a_failure_does_not_end_it(self):
        self.assertFalse(self.soak("breaks", "gentle", seed=1))
        self.assertEqual(self.count(), {"breaks": 2, "gentle": 2})

    def test_what_was_not_judged_is_done_again(self):
        self.lab.findings = [["memory"]]

        def start(lab, todo, stop):
            lines, begun, story = cluster_soak.session(lab, todo, stop, Cluster, self.tell)
            lab.findings = []
            return lines, begun, story
        seed = next(n for n in range(99) if cluster_soak.plan({"gentle": 1, "breaks": 1}, n, []) == ["gentle", "breaks"])
        o = cluster_soak.Options(runs=1, seed=seed, state=self.state, names=["gentle", "breaks"])
        with contextlib.redirect_stdout(None):
            cluster_soak.soak(self.lab, o, start)
        self.assertEqual([d["trouble"] for d in self.results()], ["breaks", "gentle"])

    def test_a_lab_that_fails_once_is_tried_again(self):
        self.lab.starts = [False, False, True]
        self.assertFalse(self.soak("gentle", runs=1))
        self.assertEqual(self.count(), {cluster_soak.START: 2, "gentle": 1})
        self.assertIn("xa: not up", self.table)

    def test_a_lab_that_never_comes_up_ends_it(self):
        self.lab.starts = [False] * 9
        with self.assertRaisesRegex(LabError, "did not come up"):
            self.soak("gentle", runs=1)

    def test_a_session_during_which_the_code_changes_does_not_count(self):
        def stopped():
            self.key = "newer"
            return False
        with self.assertRaisesRegex(LabError, "changed"):
            self.soak("gentle", stopped=stopped)
        self.assertFalse(self.state.exists())

    def test_the_first_interrupt_waits_for_the_trouble_and_the_second_does_not(self):
        stop = cluster_soak.Stop(None)
        try:
            self.assertFalse(stop())
            with mock.patch.object(cluster_soak.os, "write") as said:
                signal.raise_signal(signal.SIGINT)
            self.assertIn(b"once more", said.call_args.args[1])
            self.assertTrue(stop())
            with self.assertRaises(KeyboardInterrupt):
                signal.raise_signal(signal.SIGINT)
        finally:
            stop.done()

    def test_its_minutes(self):
        stop = cluster_soak.Stop(1)
        stop.done()
        self.assertFalse(stop())
        stop.end -= 61
        self.assertTrue(stop())


class File(unittest.TestCase):
    def setUp(self):
        self.dir = tempfile.TemporaryDirectory()
        self.path = Path(self.dir.name) / "state"

    def tearDown(self):
        self.dir.cleanup()

    def test_a_torn_last_line_is_dropped(self):
        self.path.write_text(json.dumps(line()) + "\n" + '{"trouble": "mo')
        state = cluster_soak.State(self.path)
        state.add(line("link_cut"))
        self.assertEqual([d["trouble"] for d in cluster_soak.State(self.path).lines], ["moves", "link_cut"])

    def test_another_file_is_refused_and_left_alone(self):
        for text in ("{}\n", "[]\n", "a letter\n"):
            self.path.write_text(text)
            with self.assertRaisesRegex(LabError, "line 1: this is no result"):
                cluster_soak.State(self.path)
            self.assertEqual(self.path.read_text(), text)


class Plan(unittest.TestCase):
    def test_the_order_is_the_seeds(self):
        runs = {"a": 5, "b": 5, "c": 2}
        self.assertEqual(cluster_soak.plan(runs, 3, []), cluster_soak.plan(runs, 3, []))
        self.assertNotEqual(cluster_soak.plan(runs, 3, []), cluster_soak.plan(runs, 4, []))
        self.assertEqual(sorted(cluster_soak.plan(runs, 3, [])), sorted("aaaaabbbbbcc"))

    def test_done_ones_are_left_out_and_no_others(self):
        todo = cluster_soak.plan({"a": 3, "b": 3}, 1, ["a", "a", "z", "b", "b", "b", "b"])
        self.assertEqual(todo, ["a"])

    def test_what_is_rare_is_run_less_often(self):
        runs = cluster_soak.wanted(10)
        self.assertEqual((runs["moves"], runs["by_hand"]), (10, 3))
        self.assertEqual(set(cluster_soak.wanted(1).values()), {1})
        self.assertEqual(cluster_soak.wanted(7, ["by_hand"]), {"by_hand": 7})
        self.assertLessEqual(set(cluster_soak.OFTEN), set(cluster_soak.ALL))


class Options(unittest.TestCase):
    def test_given_ones_count_more_than_those_of_the_environment(self):
        o = cluster_soak.options(["RUNS=3", "moves"], {"RUNS": "5", "SEED": "0", "NAMES": "link_cut", "MINUTES": ""})
        self.assertEqual((o.runs, o.seed, o.minutes, o.names), (3, 0, None, ["moves"]))
        self.assertEqual(cluster_soak.options([], {"NAMES": "moves link_cut"}).names, ["moves", "link_cut"])
        self.assertEqual(cluster_soak.options([], {}).names, [])

    def test_bad_ones_are_refused(self):
        for bad in ("RUNS=0", "RUNS=x", "MINUTES=-1", "SEED=", "ROUNDS=3", "no_such_trouble",
                    f"STATE={cluster_soak.TOP}/state", "STATE=/no/such/place/state"):
            with self.assertRaises(LabError):
                cluster_soak.options([bad], {})


class Product(unittest.TestCase):
    def setUp(self):
        self.dir = tempfile.TemporaryDirectory()
        self.top = Path(self.dir.name)
        self.git("init", "-q")
        self.write("syncd/a.c", "1")
        self.write("doc/x.md", "1")
        self.commit()

    def tearDown(self):
        self.dir.cleanup()

    def git(self, *args):
        subprocess.run(["git", "-C", self.top, "-c", "user.name=x", "-c", "user.email=x@example.org", *args], check=True,
                       capture_output=True)

    def write(self, name, text):
        (self.top / name).parent.mkdir(exist_ok=True)
        (self.top / name).write_text(text)

    def commit(self):
        self.git("add", "-A")
        self.git("commit", "-q", "-m", "x")

    def test_key_is_the_content_of_the_product(self):
        first = cluster_soak.product(self.top)
        self.write("doc/x.md", "2")
        self.write("cts-tests", "2")
        self.commit()
        self.assertEqual(cluster_soak.product(self.top), first)
        for name in ("syncd/a.c", "lib/new.h"):
            self.write(name, "changed")
            second = cluster_soak.product(self.top)
            self.assertNotEqual(second, first)
            first = second
        self.commit()
        self.assertEqual(cluster_soak.product(self.top), first)

    def test_a_dirty_tree_has_a_mark(self):
        self.assertNotIn("+", cluster_soak.commit(self.top))
        self.write("doc/x.md", "2")
        self.assertNotIn("+", cluster_soak.commit(self.top))
        self.write("syncd/a.c", "2")
        self.assertTrue(cluster_soak.commit(self.top).endswith("+dirty"))


class Table(unittest.TestCase):
    def test_medians_and_longest(self):
        cut = [line("power_off_primary", events=[["power off", t]], power_cuts=1,
                    failovers=[{"kind": "power off", "promote_ms": ms, "steps": []}]) for t, ms in ((7, 90), (9, 110), (8, None))]
        text = soak_table.text(cut, "new", {"power_off_primary": 10, "moves": 10})
        self.assertIn("| `power_off_primary` | 3 | 3 | 8.00 | 9.00 | 100 | 110 | 3 |", text)
        self.assertIn("| `moves` | 0 | 0 | - | - | - | - | 0 |", text)
        self.assertIn("| power off | 3 | 8.00 | 9.00 |", text)
        self.assertIn("*lab: Xen under QEMU TCG; not tried on hardware*", text)

    def test_what_is_wanted_and_there(self):
        wanted = {"moves": 10, "power_off_primary": 10}
        lines = [line()] * 10 + [line("power_off_primary", power_cuts=5)] * 9
        text = " ".join(soak_table.reached(lines, wanted))
        self.assertIn("**Not reached yet**: 1 of 2 troubles have their runs, 45 power cuts", text)
        self.assertIn("`power_off_primary` 1", text)
        lines.append(line("power_off_primary", power_cuts=4))
        self.assertIn("Not reached yet", soak_table.reached(lines, wanted)[0])
        lines[-1] = line("power_off_primary", power_cuts=5)
        self.assertIn("**Reached**", soak_table.reached(lines, wanted)[0])

    def test_failures_are_named_and_audits_counted_once(self):
        bad = [{"id": "f#0", "failed": ["memory"]}]
        text = soak_table.text([line(audits=bad), line(audits=bad), line(failed=["quiet"], audits=[{"id": "g#0", "failed": []}])],
                               "new", {"moves": 10})
        self.assertIn("3 runs, 0 passed; 2 audits, 1 failed", text)
        self.assertIn("- `moves` (2026-01-01, seed 1, report f): audit: memory", text)
        self.assertIn("report f): quiet", text)

    def test_a_run_without_an_audit_has_not_passed(self):
        self.assertFalse(soak_table.passed(line(audits=[])))


if __name__ == "__main__":
    unittest.main()
