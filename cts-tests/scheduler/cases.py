# SPDX-License-Identifier: GPL-2.0-only
"""The cases: what happens in the documented cluster, and what the scheduler then does."""

from cluster import RESTARTING, Wrong


class Trial:
    """One run of a case. broken: spoils the input just before the run that is judged."""

    def __init__(self, state, configuration, scheduler, broken=None):
        self.cib = state.copy()
        self.configuration = configuration
        self._scheduler = scheduler
        self._broken = broken

    def then(self, *options):
        """A transition on the way to the one that is judged."""
        self.cib = self._scheduler.run(self.cib, *options).after

    def run(self, *options):
        if self._broken:
            self._broken(self.cib)
        return self._scheduler.run(self.cib, *options)

    def cold(self):
        """Both hosts have just joined: nothing runs, nothing has a score."""
        self.cib = self.configuration.copy()
        return "--node-up", "xa", "--node-up", "xb"


class Case:
    def __init__(self, name, how, broken, run):
        self.name, self.how, self.broken, self.run = name, how, broken, run


CASES = []


def case(name, how, broken):
    """A case, and the way to break it; each must be noticed."""
    def add(function):
        CASES.append(Case(name, how, broken, function))
        return function
    return add


def running(configuration, scheduler):
    """Guest on xa, copy on xb, as the scores of kemari-agent make it from cold."""
    cib = scheduler.run(configuration.copy(), "--node-up", "xa", "--node-up", "xb").after
    cib.score("xa", 10)
    cib.score("xb", 5)
    cib = scheduler.run(cib).after
    cib.score("xa", 10000)
    cib.score("xb", 1000)
    return cib


def scores(xa, xb):
    """Breaks a case by other scores."""
    def change(cib):
        cib.score("xa", xa)
        cib.score("xb", xb)
    return change


def options(**values):
    def change(cib):
        for name, value in values.items():
            cib.option(name.replace("_", "-"), value)
    return change


# ---- a host dies ----

@case("all is well: nothing", "the copy has the higher score", scores(1000, 10000))
def _(t):
    r = t.run()
    r.nothing()
    r.roles(xa="Promoted", xb="Unpromoted")


@case("dead primary: fenced, then promoted on the other host", "fencing is off", options(stonith_enabled="false"))
def _(t):
    t.cib.dead("xa")
    r = t.run()
    r.does("off xa", "promote vm1 xb")
    r.ordered("off xa", "promote vm1 xb")
    r.roles(xb="Promoted")


@case("dead primary, no copy: fenced, nothing promoted", "the other host has a score", lambda c: c.score("xb", 900))
def _(t):
    t.cib.score("xb", None)
    t.cib.dead("xa")
    r = t.run()
    r.does("off xa")
    r.roles(xb="Unpromoted")


@case("dead primary, no copy, a cold score once it is off: promoted", "the score stays away",
      lambda c: c.score("xb", None))
def _(t):
    t.cib.score("xb", None)
    t.cib.dead("xa")
    t.then()
    t.cib.score("xb", 10)
    r = t.run()
    r.does("promote vm1 xb")
    r.roles(xb="Promoted")


@case("dead copy: fenced, the guest untouched", "the primary died", lambda c: c.dead("xa"))
def _(t):
    t.cib.dead("xb")
    r = t.run()
    r.does("off xb")
    r.roles(xa="Promoted")


@case("a fenced host comes back: a copy is started, the guest stays", "it is a standby node",
      lambda c: c.standby("xa"))
def _(t):
    t.cib.dead("xa")
    t.then()
    t.cib.score("xb", 10000)
    t.cib.back("xa")
    r = t.run("--node-up", "xa")
    r.does("start vm1 xa")
    r.roles(xb="Promoted", xa="Unpromoted")


@case("two VMs, each host primary of one, one dies: one promoted, the other untouched", "both have no score",
      lambda c: [c.score("xb", None, vm) for vm in ("vm1", "vm2")])
def _(t):
    t.cib.second_vm()
    t.then()
    t.cib.score("xa", 1000, "vm2")
    t.cib.score("xb", 10000, "vm2")
    t.then()
    t.cib.dead("xa")
    r = t.run()
    r.does("off xa", "promote vm1 xb")
    r.ordered("off xa", "promote vm1 xb")
    r.roles("vm1", xb="Promoted")
    r.roles("vm2", xb="Promoted")


@case("sick but connected (terminate=true): fenced, then promoted", "there is no copy", lambda c: c.score("xb", None))
def _(t):
    t.cib.attribute("xa", "terminate", "true")
    r = t.run()
    r.does("off xa", "promote vm1 xb")
    r.ordered("off xa", "promote vm1 xb")


# ---- scores ----

@case("red primary: only the role moves", "its score is the higher one still", lambda c: c.score("xa", 1001))
def _(t):
    t.cib.score("xa", 500)
    r = t.run()
    r.does("demote vm1 xa", "promote vm1 xb")
    r.ordered("demote vm1 xa", "promote vm1 xb")
    r.roles(xa="Unpromoted", xb="Promoted")


@case("both red: nothing", "the scores are lowered on the primary alone", lambda c: c.score("xa", 500))
def _(t):
    for node in ("xa", "xb"):
        t.cib.attribute(node, "#health-kemari", "red")
    r = t.run()
    r.nothing()
    r.roles(xa="Promoted", xb="Unpromoted")


@case("both red, a -INFINITY rule: demoted everywhere (why there is none)", "there is no rule",
      lambda c: c.root.find("configuration/constraints").clear())
def _(t):
    t.cib.rule("vm1-ha", "-INFINITY", "#health-kemari", "red")
    for node in ("xa", "xb"):
        t.cib.attribute(node, "#health-kemari", "red")
    r = t.run()
    r.does("demote vm1 xa")
    r.roles(xa="Unpromoted", xb="Unpromoted")


@case("red copy, node-health-strategy=custom: the copy is stopped (why it is none)", "the strategy is none",
      options(node_health_strategy="none"))
def _(t):
    t.cib.option("node-health-strategy", "custom")
    t.cib.attribute("xb", "#health-kemari", "red")
    r = t.run()
    r.does("stop vm1 xb")


@case("equal scores: nothing", "they are not equal", lambda c: c.score("xb", 501))
def _(t):
    t.cib.score("xa", 500)
    t.cib.score("xb", 500)
    r = t.run()
    r.nothing()
    r.roles(xa="Promoted", xb="Unpromoted")


@case("scores swapped (kemari switchover): the role follows", "they are not swapped", scores(10000, 1000))
def _(t):
    t.cib.score("xa", 1000)
    t.cib.score("xb", 10000)
    r = t.run()
    r.does("demote vm1 xa", "promote vm1 xb")
    r.ordered("demote vm1 xa", "promote vm1 xb")
    r.roles(xa="Unpromoted", xb="Promoted")


@case("controld of the primary killed, a copy: the role moves, nothing is stopped", "its score is there again",
      lambda c: c.score("xa", 10000))
def _(t):
    t.cib.no_attributes("xa")
    r = t.run()
    r.does("demote vm1 xa", "promote vm1 xb")
    r.ordered("demote vm1 xa", "promote vm1 xb")


@case("controld of the primary killed, no copy: demoted", "the other host has a score", lambda c: c.score("xb", 5))
def _(t):
    t.cib.score("xb", None)
    t.cib.no_attributes("xa")
    r = t.run()
    r.does("demote vm1 xa")
    r.roles(xa="Unpromoted", xb="Unpromoted")


@case("... and promoted where it is when the score is there again", "it is not", lambda c: c.score("xa", None))
def _(t):
    t.cib.score("xb", None)
    t.cib.no_attributes("xa")
    t.then()
    t.cib.score("xa", 1000)
    r = t.run()
    r.does("promote vm1 xa")
    r.roles(xa="Promoted", xb="Unpromoted")


# ---- cold ----

@case("cold start, no scores: started on both, promoted nowhere", "a host is a standby node",
      lambda c: c.standby("xb"))
def _(t):
    r = t.run(*t.cold())
    r.does("start vm1 xa", "start vm1 xb")
    r.roles(xa="Unpromoted", xb="Unpromoted")


@case("cold start, cold scores: promoted on one", "there are none", scores(None, None))
def _(t):
    t.then(*t.cold())
    t.cib.score("xa", 10)
    t.cib.score("xb", 5)
    r = t.run()
    r.does("promote vm1 xa")
    r.roles(xa="Promoted", xb="Unpromoted")


@case("cold start, one host is not seen: fenced before anything is started", "start-up fencing is off",
      options(startup_fencing="false"))
def _(t):
    t.cold()
    r = t.run("--node-up", "xb")
    r.does("off xa", "start vm1 xb")
    r.ordered("off xa", "start vm1 xb")


@case("the agent is told what kind of clone it is", "it may run twice", lambda c: c.meta("vm1-ha", "promoted-max", 2))
def _(t):
    told = t.run(*t.cold()).told["start vm1 xa"]
    for name, value in (("on_node", "xa"), ("clone_max", "2"), ("clone_node_max", "1"), ("promoted_max", "1"),
                        ("timeout", "60000")):
        if told.get("CRM_meta_" + name) != value:
            raise Wrong("CRM_meta_%s is %s" % (name, told.get("CRM_meta_" + name)))


# ---- failures of actions ----

@case("the primary fails its monitor: promoted on the other host when it was stopped", "there is no copy",
      lambda c: c.score("xb", None))
def _(t):
    t.cib.score("xa", None)
    r = t.run("--op-inject", "vm1_monitor_10000@xa=9")
    r.does("demote vm1 xa", "stop vm1 xa", "start vm1 xa", "promote vm1 xb")
    r.ordered("demote vm1 xa", "stop vm1 xa", "promote vm1 xb")
    r.ordered("start vm1 xa", "promote vm1 xb")
    r.roles(xa="Unpromoted", xb="Promoted")


@case("... migration-threshold=1: no copy is left (why there is none)", "there is none",
      lambda c: c.primitive_meta("vm1", "migration-threshold", None))
def _(t):
    t.cib.primitive_meta("vm1", "migration-threshold", 1)
    t.cib.score("xa", None)
    r = t.run("--op-inject", "vm1_monitor_10000@xa=9")
    r.does("demote vm1 xa", "stop vm1 xa", "promote vm1 xb")
    r.roles(xb="Promoted")


@case("the copy fails its monitor: restarted, the guest untouched", "the guest's host is a standby node",
      lambda c: c.standby("xa"))
def _(t):
    r = t.run("--op-inject", "vm1_monitor_11000@xb=1")
    r.does("stop vm1 xb", "start vm1 xb")
    r.roles(xa="Promoted", xb="Unpromoted")


@case("degraded monitors on both: nothing", "one is not degraded but failed",
      lambda c: c.monitored("xa", 10000, 8, 9))
def _(t):
    t.cib.monitored("xa", 10000, 8, 191)
    t.cib.monitored("xb", 11000, 0, 190)
    r = t.run()
    r.nothing()
    r.roles(xa="Promoted", xb="Unpromoted")


def no_start(t, status):
    """A copy could not be started on xb, and was stopped for it."""
    t.cib.standby("xb")
    t.then()
    t.cib.standby("xb", "off")
    t.cib.score("xb", None)
    t.then("--op-fail", "vm1_start_0@xb=%d" % status)
    t.cib.attribute("xb", "fail-count-vm1#start_0", "INFINITY")  # as pacemaker-controld counts it
    t.then()


@case("a copy cannot be started: the guest untouched, no other attempt", "the failure is old",
      lambda c: c.age("xb", 200))
def _(t):
    no_start(t, 1)
    r = t.run()
    r.does()
    r.roles(xa="Promoted")


@case("... tried again after failure-timeout", "failures do not time out",
      lambda c: c.primitive_meta("vm1", "failure-timeout", None))
def _(t):
    no_start(t, 1)
    t.cib.age("xb", 200)
    r = t.run()
    r.does("start vm1 xb")
    r.roles(xa="Promoted", xb="Unpromoted")


@case("... the same when it could not be started for want of something (5)", "failures do not time out",
      lambda c: c.primitive_meta("vm1", "failure-timeout", None))
def _(t):
    no_start(t, 5)
    t.cib.age("xb", 200)
    r = t.run()
    r.does("start vm1 xb")


@case("promote fails (no proof yet): the copy is stopped, parked, and started", "it was long ago",
      lambda c: c.age("xb", 200))
def _(t):
    t.cib.dead("xa")
    t.then("--op-fail", "vm1_promote_0@xb=1")
    r = t.run()
    r.does("demote vm1 xb", "stop vm1 xb", "start vm1 xb")
    r.ordered("demote vm1 xb", "stop vm1 xb", "start vm1 xb")
    r.roles(xb="Unpromoted")


@case("... and promoted again", "it lost its score", lambda c: c.score("xb", None))
def _(t):
    t.cib.dead("xa")
    t.then("--op-fail", "vm1_promote_0@xb=1")
    t.then()
    r = t.run()
    r.does("promote vm1 xb")


# ---- the operator ----

@case("standby of the primary's node: demote, stop, promote", "it is no standby", lambda c: c.standby("xa", "off"))
def _(t):
    t.cib.standby("xa")
    r = t.run()
    r.does("demote vm1 xa", "stop vm1 xa", "promote vm1 xb")
    r.ordered("demote vm1 xa", "stop vm1 xa", "promote vm1 xb")
    r.roles(xb="Promoted")


@case("standby of the copy's node: the guest untouched", "it is the other node", lambda c: c.standby("xa"))
def _(t):
    t.cib.standby("xb")
    r = t.run()
    r.does("stop vm1 xb")
    r.roles(xa="Promoted")


def moved_unsynced(t, *fails):
    """By the operator, to a host whose copy is not whole."""
    t.cib.score("xb", None)
    t.cib.moved("vm1-ha", "xb")
    if fails:
        t.then(*fails)
        t.cib.score("xa", 1000)  # held


@case("moved to a host without a whole copy: demoted, then promoted there", "the constraint is cleared",
      lambda c: c.cleared())
def _(t):
    moved_unsynced(t)
    r = t.run()
    r.does("demote vm1 xa", "promote vm1 xb")
    r.ordered("demote vm1 xa", "promote vm1 xb")
    r.roles(xa="Unpromoted", xb="Promoted")


@case("... which fails hard (5): promoted again where it is held", "the failure is old", lambda c: c.age("xb", 200))
def _(t):
    moved_unsynced(t, "--op-fail", "vm1_promote_0@xb=5")
    r = t.run()
    r.does("demote vm1 xb", "stop vm1 xb", "promote vm1 xa")
    r.roles(xa="Promoted")


@case("... and not moved there again until failure-timeout", "the failure is old", lambda c: c.age("xb", 200))
def _(t):
    moved_unsynced(t, "--op-fail", "vm1_promote_0@xb=5")
    t.then()
    r = t.run()
    r.does()
    r.roles(xa="Promoted")


@case("... which fails softly (1): moved there again at once (why it is 5)", "it is moved no more", lambda c: c.cleared())
def _(t):
    moved_unsynced(t, "--op-fail", "vm1_promote_0@xb=1")
    t.then()
    r = t.run()
    r.does("demote vm1 xa", "promote vm1 xb")


@case("maintenance: nothing", "it is over", options(maintenance_mode="false"))
def _(t):
    t.cib.option("maintenance-mode", "true")
    t.cib.score("xa", None)
    t.cib.score("xb", 10000)
    r = t.run()
    r.does()
    r.roles(xa="Promoted", xb="Unpromoted")


@case("maintenance, the primary dies: not replaced", "it is over", options(maintenance_mode="false"))
def _(t):
    t.cib.option("maintenance-mode", "true")
    t.then()
    t.cib.dead("xa")
    r = t.run()
    if "promote vm1 xb" in r.done():
        raise Wrong("it is promoted")


@case("standby of the primary's node, no copy: promoted once the stop has handed the guest over", "there is no score",
      lambda c: c.score("xb", None))
def _(t):
    t.cib.score("xb", None)
    t.cib.standby("xa")
    t.then()
    t.cib.score("xb", 1000)
    r = t.run()
    r.does("promote vm1 xb")
    r.roles(xb="Promoted")


@case("another path of kemari: reload-agent, nothing restarted", "the configuration is another one, too",
      lambda c: c.parameter("vm1", "config", "/etc/xen/other.cfg"))
def _(t):
    t.cib.started_with(RESTARTING)
    t.cib.parameter("vm1", "kemari", "/opt/kemari/sbin/kemari")
    r = t.run()
    r.does("reload-agent vm1 xa", "reload-agent vm1 xb")
    r.roles(xa="Promoted", xb="Unpromoted")


@case("another time-out of stop: nothing", "the configuration is another one, too",
      lambda c: c.parameter("vm1", "config", "/etc/xen/other.cfg"))
def _(t):
    t.cib.started_with(RESTARTING)
    t.cib.root.find(".//primitive[@id='vm1']/operations/op[@name='stop']").set("timeout", "300s")
    t.run().nothing()


# ---- what an operator types: (apply, state, scheduler), apply(cib, block) gives the CIB after it ----

def moves(apply, cib, scheduler):
    cib = apply(cib, "move")
    r = scheduler.run(cib)
    r.does("demote vm1 xa", "promote vm1 xb")
    cib.score("xb", None)  # the trap
    scheduler.run(cib).does("demote vm1 xa", "promote vm1 xb")


def clears(apply, cib, scheduler):
    cib = scheduler.run(apply(cib, "move")).after
    cib.score("xa", 1000)
    cib.score("xb", 10000)
    cib = apply(cib, "clear")
    if "cli-" in "".join(e.get("id") for e in cib.root.find("configuration/constraints")):
        raise Wrong("a constraint is left")
    r = scheduler.run(cib)
    r.nothing()
    r.roles(xa="Unpromoted", xb="Promoted")


def standby(apply, cib, scheduler):
    r = scheduler.run(apply(cib, "standby"))
    r.does("demote vm1 xa", "stop vm1 xa", "promote vm1 xb")
    return r.after


def online(apply, cib, scheduler):
    cib = standby(apply, cib, scheduler)
    cib.score("xa", None)
    cib.score("xb", 10000)
    r = scheduler.run(apply(cib, "online"))
    r.does("start vm1 xa")
    r.roles(xa="Unpromoted", xb="Promoted")


def maintenance(apply, cib, scheduler):
    cib = apply(cib, "maintenance")
    cib.score("xa", None)
    scheduler.run(cib).does()
    cib = apply(cib, "maintenance-end")
    scheduler.run(cib).does("demote vm1 xa", "promote vm1 xb")


COMMANDS = {
    # crm node online asks a running cluster for the node's number
    "crm": {"crm_resource --move --promoted": moves, "crm_resource --clear": clears, "standby": standby,
            "maintenance and its end": maintenance},
    "pcs": {"standby and its end": online, "maintenance and its end": maintenance},
}
