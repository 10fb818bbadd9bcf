# SPDX-License-Identifier: GPL-2.0-only
"""A cluster as a CIB, and what Pacemaker's scheduler (crm_simulate) makes of it. No daemon, no second host."""

import copy
import os
import re
import subprocess
import xml.etree.ElementTree as ET

from common import TOP

METADATA = ET.fromstring(subprocess.run([os.path.join(TOP, "ocf/vm"), "meta-data"], stdout=subprocess.PIPE, text=True,
                                        check=True).stdout)
# as pacemaker-controld reads them from the agent
RESTARTING = [p.get("name") for p in METADATA.iter("parameter") if p.get("reloadable") != "1"]

EMPTY = """<cib crm_feature_set="3.16.1" validate-with="pacemaker-3.9" have-quorum="1"
    epoch="1" num_updates="0" admin_epoch="0">
<configuration><crm_config><cluster_property_set id="cib-bootstrap-options">
<nvpair id="have-watchdog" name="have-watchdog" value="false"/>
<nvpair id="dc-version" name="dc-version" value="2.1.5"/>
<nvpair id="cluster-infrastructure" name="cluster-infrastructure" value="corosync"/>
<nvpair id="cluster-name" name="cluster-name" value="kemari"/>
</cluster_property_set></crm_config>
<nodes><node id="1" uname="xa"/><node id="2" uname="xb"/></nodes>
<resources/><constraints/></configuration><status/></cib>
"""


class Wrong(Exception):
    """The scheduler does something else."""


class Cib:
    """A configuration with a state. The methods that change it are what happens in a cluster."""

    def __init__(self, root):
        self.root = root

    @classmethod
    def read(cls, path):
        return cls(ET.parse(path).getroot())

    def copy(self):
        return Cib(copy.deepcopy(self.root))

    def write(self, path):
        ET.ElementTree(self.root).write(path)

    def _state(self, node):
        return self.root.find("status/node_state[@uname='%s']" % node)

    @staticmethod
    def _set(attributes, name, value):
        for pair in attributes.findall("nvpair[@name='%s']" % name):
            attributes.remove(pair)
        if value is not None:
            ET.SubElement(attributes, "nvpair", id="%s-%s" % (attributes.get("id"), name), name=name, value=str(value))

    def attribute(self, node, name, value):
        """A transient one; None: it goes."""
        state = self._state(node)
        place = state.find("transient_attributes/instance_attributes")
        if place is None:
            outer = ET.SubElement(state, "transient_attributes", id=state.get("id"))
            place = ET.SubElement(outer, "instance_attributes", id="status-" + state.get("id"))
        self._set(place, name, value)

    def score(self, node, value, vm="vm1"):
        """As kemari-agent writes it."""
        self.attribute(node, "master-" + vm, value)

    def no_attributes(self, node):
        """pacemaker-controld died there, or the host."""
        state = self._state(node)
        for gone in state.findall("transient_attributes"):
            state.remove(gone)

    def dead(self, node):
        """It left the membership without a word."""
        self._state(node).attrib.update(in_ccm="false", crmd="offline", join="down", expected="member")
        self.no_attributes(node)

    def back(self, node):
        """It was fenced and has booted: nothing is known of it but that it is there."""
        self.root.find("status").remove(self._state(node))

    def standby(self, node, value="on"):
        place = self.root.find("configuration/nodes/node[@uname='%s']" % node)
        attributes = place.find("instance_attributes")
        if attributes is None:
            attributes = ET.SubElement(place, "instance_attributes", id="nodes-" + node)
        self._set(attributes, "standby", value)

    def monitored(self, node, interval, wanted, got, rsc="vm1"):
        """The last result of a recurring monitor."""
        op = self._state(node).find(".//lrm_rsc_op[@id='%s_monitor_%d']" % (rsc, interval))
        op.set("rc-code", str(got))
        op.set("transition-key", "1:1:%d:00000000-0000-0000-0000-000000000000" % wanted)
        op.set("transition-magic", "0:%d;%s" % (got, op.get("transition-key")))

    def age(self, node, seconds):
        """What failed there did so that long ago."""
        state = self._state(node)
        for op in state.iter("lrm_rsc_op"):
            for name in ("last-rc-change", "last-run"):
                if op.get(name):
                    op.set(name, str(int(op.get(name)) - seconds))
        for pair in state.iter("nvpair"):
            if pair.get("name", "").startswith("last-failure-"):
                pair.set("value", str(int(pair.get("value")) - seconds))

    def option(self, name, value):
        self._set(self.root.find("configuration/crm_config/cluster_property_set"), name, value)

    def meta(self, clone, name, value):
        self._set(self.root.find("configuration/resources/clone[@id='%s']/meta_attributes" % clone), name, value)

    def primitive_meta(self, rsc, name, value):
        place = self.root.find(".//primitive[@id='%s']" % rsc)
        attributes = place.find("meta_attributes")
        if attributes is None:
            attributes = ET.SubElement(place, "meta_attributes", id=rsc + "-meta")
        self._set(attributes, name, value)

    def parameter(self, rsc, name, value):
        self._set(self.root.find(".//primitive[@id='%s']/instance_attributes" % rsc), name, value)

    def started_with(self, restarting):
        """pacemaker-controld notes with an action which parameters restart the resource, and their digest; here no other
        one is set yet, so the digest of all is theirs."""
        for op in self.root.findall(".//lrm_resource[@id='vm1']/lrm_rsc_op[@interval='0']"):
            op.set("op-force-restart", " %s " % "  ".join(restarting))
            op.set("op-restart-digest", op.get("op-digest"))

    def rule(self, clone, score, attribute, value):
        """A location rule for the promoted role."""
        constraints = self.root.find("configuration/constraints")
        location = ET.SubElement(constraints, "rsc_location", id="l-" + attribute.strip("#"), rsc=clone)
        rule = ET.SubElement(location, "rule", id=location.get("id") + "-rule", role="Promoted", score=score)
        ET.SubElement(rule, "expression", id=rule.get("id") + "-expr", attribute=attribute, operation="eq",
                      value=value)

    def moved(self, clone, node):
        """What `crm_resource --move --promoted` leaves behind."""
        constraints = self.root.find("configuration/constraints")
        ET.SubElement(constraints, "rsc_location", id="cli-prefer-" + clone, rsc=clone, role="Promoted", node=node,
                      score="INFINITY")

    def cleared(self):
        constraints = self.root.find("configuration/constraints")
        for gone in [c for c in constraints if c.get("id").startswith("cli-")]:
            constraints.remove(gone)

    def second_vm(self):
        """A clone vm2-ha of vm2, in all as vm1-ha."""
        resources = self.root.find("configuration/resources")
        text = ET.tostring(resources.find("clone[@id='vm1-ha']"), encoding="unicode")
        resources.append(ET.fromstring(text.replace("vm1", "vm2")))


class Result:
    """One transition: what is done, in which order, and how the cluster is then."""

    def __init__(self, graph, said, after):
        self.said = said
        self.after = after
        self.actions = {}  # id -> what it is, None for Pacemaker's own bookkeeping
        self.first = {}  # id -> ids of what must be done before
        self.told = {}  # what it is -> what the agent is told with it
        for synapse in graph.iter("synapse"):
            before = {e.get("id") for e in synapse.find("inputs").iter() if e.get("id")}
            for action in synapse.find("action_set"):
                name = self._name(action)
                self.actions[action.get("id")] = name
                self.first[action.get("id")] = before
                if name:
                    self.told[name] = action.find("attributes").attrib

    @staticmethod
    def _name(action):
        operation, node = action.get("operation"), action.get("on_node")
        if action.tag == "crm_event" and operation == "stonith":
            return "%s %s" % (action.find("attributes").get("CRM_meta_stonith_action"), node)
        if action.tag != "rsc_op":
            return None
        rsc = action.find("primitive").get("id")
        if not rsc.startswith("vm") or operation in ("monitor", "cancel", "clear_failcount", "delete"):
            return None
        return "%s %s %s" % (operation, rsc, node)

    def done(self):
        return {a for a in self.actions.values() if a}

    def does(self, *wanted):
        """Exactly these, of fencing and of what VMs are told to do."""
        if self.done() != set(wanted):
            raise Wrong("it does %s, wanted is %s" % (sorted(self.done()), sorted(wanted)))

    def nothing(self):
        """Not even a monitor."""
        if self.actions:
            raise Wrong("it does %s" % self.said)

    def ordered(self, *names):
        """Each waits for the one before."""
        ids = {name: i for i, name in self.actions.items()}
        for earlier, later in zip(names, names[1:]):
            if earlier not in ids or later not in ids or ids[earlier] not in self._all_before(ids[later]):
                raise Wrong("'%s' does not wait for '%s'" % (later, earlier))

    def _all_before(self, action):
        seen, todo = set(), [action]
        while todo:
            for i in self.first.get(todo.pop(), ()):
                if i not in seen:
                    seen.add(i)
                    todo.append(i)
        return seen

    def roles(self, vm="vm1", **wanted):
        """node=role; a node that is not named has none."""
        now = {}
        for rsc in self.said.find("revised_cluster_status").iter("resource"):
            if rsc.get("id") == vm:
                for node in rsc.iter("node"):
                    now[node.get("name")] = rsc.get("role")
        if now != wanted:
            raise Wrong("%s is %s, wanted is %s" % (vm, now, wanted))


class Scheduler:
    def __init__(self, folder):
        self.files = {n: os.path.join(folder, n + ".xml") for n in ("before", "after", "graph")}

    def run(self, cib, *options):
        schema = cib.root.get("validate-with")
        cib.root.set("validate-with", "none")  # crm and pcs have checked it; here it takes most of the time
        cib.write(self.files["before"])
        cib.root.set("validate-with", schema)
        p = subprocess.run(["crm_simulate", "--simulate", "--output-as=xml", "--xml-file", self.files["before"],
                            "--save-output", self.files["after"], "--save-graph", self.files["graph"], *options],
                           stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=20, check=False)
        if p.returncode:
            raise Wrong("crm_simulate: status %d: %s" % (p.returncode, p.stderr or p.stdout))
        after = Cib.read(self.files["after"])
        after.root.set("validate-with", schema)
        return Result(ET.parse(self.files["graph"]).getroot(), Said(p.stdout), after)


class Said:
    """The XML that crm_simulate prints, readable when a test fails."""

    def __init__(self, text):
        # what fails in a transition is told before it
        self.root = ET.fromstring(text[re.search("<pacemaker-result", text).start():])

    def find(self, path):
        return self.root.find(path)

    def __str__(self):
        return ", ".join("%s %s %s" % (a.get("task") or a.tag, a.get("resource") or "", a.get("node") or "")
                         for a in self.root.find("transition"))
