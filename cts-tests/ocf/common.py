# SPDX-License-Identifier: GPL-2.0-only
"""What the tests of the agent and of the documented configuration share."""

import os
import re
import shutil
import subprocess

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
AGENTS = "/usr/lib/ocf/resource.d"
SBIN = "/usr/sbin"
CRM_LOG = "/var/log/crmsh"


class Score:
    """One line per test, and `N passed, N failed`."""

    def __init__(self, title):
        self.title = title
        self.passed = self.failed = 0

    def tell(self, name, trouble):
        """trouble: None or why it failed"""
        if trouble is None:
            self.passed += 1
            print("ok      %s: %s" % (self.title, name))
        else:
            self.failed += 1
            print(trouble.rstrip("\n"))
            print("FAILED  %s: %s" % (self.title, name))

    def skip(self, name, why):
        print("skipped %s: %s: %s" % (self.title, name, why))

    def end(self):
        print("%d passed, %d failed" % (self.passed, self.failed))
        return 0 if self.failed == 0 else 1

    def tool(self, name, program, argv, wanted="", status=0, **more):
        """A program's verdict: its exit status, and something it says."""
        if not shutil.which(program):
            self.tell(name, "%s is missing: scripts/deps --install" % program)
            return False
        p = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=120, check=False,
                           **more)
        good = p.returncode == status and re.search(wanted, p.stdout)
        said = "\n".join(p.stdout.splitlines()[-20:])
        self.tell(name, None if good else "%s: status %d, expected %d and '%s'\n%s" % (
            " ".join(argv), p.returncode, status, wanted, said))
        return bool(good)


def installed(folder, agent=None, fence=None, hosts=()):
    """The begin of a command line that sees this agent and this fence agent where packages put them, and hosts of these
    names, and changes nothing: a mount namespace, for programs that look nowhere else. Needs root or user namespaces."""
    mounts = []
    if agent:
        place = os.path.join(folder, "resource.d")
        os.mkdir(place)
        for provider in os.listdir(AGENTS) if os.path.isdir(AGENTS) else []:
            if provider != "kemari":
                shutil.copytree(os.path.join(AGENTS, provider), os.path.join(place, provider), symlinks=True)
        os.mkdir(os.path.join(place, "kemari"))
        shutil.copy(agent, os.path.join(place, "kemari", "vm"))
        mounts.append((place, AGENTS))
    if fence:
        # all of /usr/sbin by links to where it is then mounted, too, and the fence agent
        there, links = os.path.join(folder, "sbin.there"), os.path.join(folder, "sbin")
        os.mkdir(there)
        os.mkdir(links)
        for name in os.listdir(SBIN):
            os.symlink(os.path.join(there, name), os.path.join(links, name))
        own = os.path.join(links, "fence_kemari")
        if os.path.lexists(own):
            os.unlink(own)
        shutil.copy(fence, own)
        mounts += [(SBIN, there), (links, SBIN)]
    if hosts:
        names = os.path.join(folder, "hosts")
        with open(names, "w", encoding="utf-8") as f:
            f.write("127.0.0.1 localhost %s\n" % " ".join(hosts))
        mounts.append((names, "/etc/hosts"))
    if os.path.isdir(CRM_LOG):
        log = os.path.join(folder, "crm.log")
        os.mkdir(log)
        mounts.append((log, CRM_LOG))
    script = "".join("mount --bind '%s' '%s' && " % pair for pair in mounts) + 'exec "$@"'
    return ["unshare", "-m", *([] if os.geteuid() == 0 else ["-r"]), "sh", "-c", script, "sh"]
