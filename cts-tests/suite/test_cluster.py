# SPDX-License-Identifier: GPL-2.0-only
"""What the cluster's session makes of Pacemaker's and Xen's words, and in which order it gives its own; with stand-ins
for hosts."""

import os
import tempfile
import threading
import time
import unittest
from pathlib import Path
from types import SimpleNamespace

import audit
import cluster
import lab
import scenario
import trouble_hosts
from test_audit import make_answers, make_clocks, make_journal

NODE = '<node name="{}" id="1" online="{}" standby="false" pending="{}" unclean="{}"/>'


def mon(nodes, resources="", failures=""):
    return (f"<pacemaker-result><nodes>{nodes}</nodes><resources>{resources}</resources>"
            f"<failures>{failures}</failures></pacemaker-result>")


class Host:
    def __init__(self, name, answers):
        self.name, self.answers, self.said = name, answers, []

    def __repr__(self):
        return self.name

    def exec(self, command, timeout=60, check=True, stdin=None):
        self.said.append(command)
        out = next((a for word, a in self.answers.items() if word in command), "")
        if out is None:
            if check:
                raise lab.LabError(f"{self.name}: dom0 does not answer")
            return lab.Result(lab.NO_ANSWER, "", "")
        return lab.Result(0, out, "")

    def serial(self):
        return ""


class Story:
    def __init__(self, folder=None):
        self.failed, self.folder = [], folder

    def say(self, text):
        pass

    def check(self, what, problems):
        if problems:
            self.failed.append(what)


def session(xa=None, xb=None, folder=None):
    hosts = [Host("xa", xa or {}), Host("xb", xb or {})]
    return cluster.Cluster(SimpleNamespace(hosts=hosts), Story(folder))


class Pacemaker(unittest.TestCase):
    def calm(self, *nodes):
        return session({"crm_mon": mon("".join(NODE.format(*n) for n in nodes))}).calm()

    def test_calm_when_both_are_online(self):
        self.assertTrue(self.calm(("xa", "true", "false", "false"), ("xb", "true", "false", "false")))

    def test_not_calm_with_a_host_that_is_offline_pending_or_to_be_fenced(self):
        for other in (("xb", "false", "false", "false"), ("xb", "true", "true", "false"), ("xb", "true", "false", "true")):
            self.assertFalse(self.calm(("xa", "true", "false", "false"), other))

    def test_not_calm_without_an_answer(self):
        self.assertFalse(session({"crm_mon": "no cluster"}).calm())

    def test_failed_actions(self):
        s = session({"crm_mon": mon("", failures='<failure op_key="bmc-xb_monitor_60000" node="xa"/>')})
        self.assertEqual(s.failed_actions(), ["bmc-xb_monitor_60000"])

    def test_started_is_neither_stopped_nor_failed(self):
        rows = "".join(f'<resource id="{i}" role="{role}" failed="{failed}"/>' for i, role, failed in (
            ("bmc-xa", "Started", "false"), ("bmc-xb", "Stopped", "false"), ("bmc-xc", "Started", "true")))
        self.assertEqual(session({"crm_mon": mon("", rows)}).started(), {"bmc-xa"})

    def test_agents_that_heard_of_both_bmcs(self):
        once = "[info] xa: its BMC is well\n"
        self.assertEqual(trouble_hosts.heard(Host("xa", {"journalctl": once * 2})), 1)
        self.assertEqual(trouble_hosts.heard(Host("xa", {"journalctl": once + "[info] xb: its BMC is well\n"})), 2)


class Single(unittest.TestCase):
    def failed(self, xa, xb):
        s = session({"xl list": xa}, {"xl list": xb})
        s.single()
        return s.story.failed

    def test_one_runs(self):
        self.assertEqual(self.failed("-b----\n", ""), [])

    def test_none_runs_or_both_or_the_other_one(self):
        for xa, xb in (("", ""), ("r-----\n", "-b----\n"), ("", "r-----\n")):
            self.assertTrue(self.failed(xa, xb))

    def test_a_host_that_is_off_runs_nothing(self):
        self.assertEqual(self.failed("r-----\n", None), [])


class StopCluster(unittest.TestCase):
    def test_pacemaker_ends_on_both_before_corosync_ends_on_one(self):
        s = session()
        order, lock = [], threading.Lock()
        for h in s.lab.hosts:
            def tell(command, timeout=60, h=h):
                with lock:
                    order.append((h.name, command))
            h.exec = tell
        s.stop_cluster()
        self.assertIn("maintenance-mode=true", order[0][1])
        self.assertEqual(sorted(order[1:3]), [("xa", "systemctl stop pacemaker"), ("xb", "systemctl stop pacemaker")])
        self.assertEqual(sorted(order[3:]), [("xa", "systemctl stop kemari-agent corosync"),
                                             ("xb", "systemctl stop kemari-agent corosync")])

    def test_hosts_are_told_at_the_same_time(self):
        both = threading.Barrier(2, timeout=10)
        lab.at_once(lambda h: both.wait(), ["xa", "xb"])

    def test_each_host_that_fails_is_named(self):
        def fail(h):
            raise lab.LabError(f"{h} is ill")
        with self.assertRaisesRegex(lab.LabError, "xa is ill.*xb is ill"):
            lab.at_once(fail, ["xa", "xb"])


class Commands(unittest.TestCase):
    def test_one_that_takes_too_long_is_ended_with_what_it_started(self):
        begin = time.monotonic()
        # who has its output open would be waited for
        self.assertEqual(lab.run(["sh", "-c", "sleep 30 & wait"], 0.2).status, 124)
        self.assertLess(time.monotonic() - begin, 20)

    def test_a_terminals_interrupt_does_not_reach_it(self):
        its = int(lab.run(["cut", "-d ", "-f6", "/proc/self/stat"], 10).out)
        self.assertNotEqual(its, os.getsid(0))

    def test_power_cuts_are_counted(self):
        here = lab.Lab.__new__(lab.Lab)
        here.power_cuts = 0
        old, lab.run = lab.run, lambda argv, timeout: lab.Result(0, "", "")
        try:
            for call in (("bmc", "xa", "chassis", "power", "off"), ("bmc", "xa", "chassis", "power", "on"),
                         ("bmc", "xa", "chassis", "power", "status"), ("host-kill", "xa"), ("pdu", "xa", "pull"),
                         ("pdu", "xa", "plug")):
                here.script(*call)
        finally:
            lab.run = old
        self.assertEqual(here.power_cuts, 3)


class Configuration(unittest.TestCase):
    """What is typed is what doc/cluster.md says."""

    def setUp(self):
        nowhere = SimpleNamespace(run_dir=Path("/nowhere"))
        hosts = [lab.Host(nowhere, n, i) for i, n in enumerate(("ya", "yb"), 1)]
        self.lab = SimpleNamespace(hosts=hosts, net="10.1")

    def test_every_block_is_one_of_those_that_are_typed(self):
        found = cluster.re.findall(r"^```sh crm config\n", cluster.GUIDE.read_text(), cluster.re.M)
        self.assertEqual(len(found), len(cluster.blocks()))

    def test_nothing_of_the_documents_addresses_is_left(self):
        text = cluster.configuration(self.lab) + cluster.second_level(self.lab)
        self.assertNotRegex(text, r"203\.0\.113|4c4c4544|\bx[ab]\b|vm1")

    def test_the_outlets_are_a_level_of_their_own(self):
        self.assertNotIn("pdu", cluster.configuration(self.lab))
        text = cluster.second_level(self.lab)
        self.assertIn("fencing_topology ya: bmc-ya pdu1-ya,pdu2-ya yb: bmc-yb pdu1-yb,pdu2-yb", text)
        for device, address in (("pdu1-ya", "10.1.0.201"), ("pdu2-yb", "10.1.0.202")):
            self.assertRegex(text, rf"primitive {device} stonith:fence_apc_snmp +params ip={address} plug=y")


class Outlets(unittest.TestCase):
    def test_orders_are_those_since_the_cords_were_pulled_last(self):
        with tempfile.TemporaryDirectory() as folder:
            host = lab.Host(SimpleNamespace(run_dir=Path(folder)), "xa", 1)
            (host.dir / "supply").mkdir(parents=True)
            (host.dir / "supply/log").write_text("pull\noff 1\nplug\npull\noff 2\non 2\n")
            self.assertEqual(host.outlet_orders(), ["off 2", "on 2"])


class Audits(unittest.TestCase):
    """A guest that dies is judged before another one is looked at."""

    def setUp(self):
        self.dir = tempfile.TemporaryDirectory()
        self.s = session(folder=Path(self.dir.name))
        self.data, reports = make_journal(5)
        self.seen = audit.Seen(answers=make_answers(2), reports=reports, errors=[(5, "count: reset"), (50, "journal: reset")],
                               pulses=[(0, 1, 1, 0), (10**9, 2, 2, 0), (3 * 10**9, 3, 3, 0)])
        self.told = {"clocks": make_clocks(), "memory": "pages 1 writes 1 errors 0 first 0 generation 1\n", "log": "",
                     "timer": ""}
        self.disk, scenario.disk_snapshot = scenario.disk_snapshot, lambda lab, image: image.write_bytes(b"")
        self.read, scenario.read_from_disk = scenario.read_from_disk, lambda image, path: (self.data, [])

    def tearDown(self):
        scenario.disk_snapshot, scenario.read_from_disk = self.disk, self.read
        self.dir.cleanup()

    def dies(self, at):
        self.s.client = SimpleNamespace(stop_without_guest=lambda: self.seen)
        self.s.audit_of_the_dead(self.told, at)

    def test_all_good_until_it_died(self):
        self.s.events.append(("power off", 10**9, 2 * 10**9))
        self.dies(4)
        self.assertEqual(self.s.audits, [[]])
        self.assertEqual(self.s.judged, [("power off", 2.0)])
        self.assertEqual((self.s.events, self.s.client), ([], None))

    def test_a_connection_that_broke_before(self):
        self.dies(6)
        self.assertEqual(len(self.s.audits[0]), 1)

    def test_a_durable_record_that_is_not_on_its_disk(self):
        self.data = self.data[:-68]
        self.dies(4)
        self.assertEqual(len(self.s.audits[0]), 1)

    def test_the_next_guests_results_come_after_it(self):
        self.s.events.append(("power off", 10**9, 2 * 10**9))
        self.dies(4)
        self.s.events.append(("switchover", 0, 5 * 10**8))
        self.dies(4)
        self.assertEqual([kind for kind, _ in self.s.judged], ["power off", "switchover"])
        self.assertEqual(len(self.s.audits), 2)

    def test_a_client_is_not_dropped_unjudged(self):
        for alive in (True, False):
            self.s.client = SimpleNamespace(stop=lambda: self.seen, stop_without_guest=lambda: self.seen)
            answer = lab.Result(0 if alive else lab.NO_ANSWER, "", "")
            self.s.lab.guest = SimpleNamespace(exec=lambda *a, answer=answer, **k: answer, freeze=lambda: None,
                                               thaw=lambda: None)
            self.s.ask_guest = lambda: self.told
            self.seen.errors = []
            self.s.events.append(("link cut", 0, 5 * 10**8))
            self.s.drop_client()
            self.assertIsNone(self.s.client)
        self.assertEqual(self.s.audits, [[], []])
        self.assertEqual(len(self.s.judged), 2)
        self.s.drop_client()
        self.assertEqual(len(self.s.audits), 2)

    def test_a_torn_last_line_of_its_client(self):
        log = Path(self.dir.name) / "client.log"
        log.write_text("c 1 2 1 00\np 3 1 1 1\np 4 2")
        client = scenario.Outside.__new__(scenario.Outside)
        client.log = log
        client.drain = client.counts = client.kill = lambda: None
        self.assertEqual(len(client.stop_without_guest().pulses), 1)


if __name__ == "__main__":
    unittest.main()
