/* SPDX-License-Identifier: GPL-2.0-only */
#include <string.h>

#include "agent/doctor/check.h"

static void check_one(const struct fact_daemon *d, const char *name, const char *version, struct findings *l)
{
	if (d->version[0] && strcmp(d->version, version)) {
		finding_problem(l, name, "the %s that runs is version %s, this command is %s", name,
				d->version, version);
		finding_fix(l, "systemctl restart %s%s", name,
			    strcmp(name, "kemari-syncd") ? "" : "; guests wait for it meanwhile");
	} else if (d->version[0]) {
		finding_ok(l, name, "%s runs, in version %s", name, d->version);
	} else {
		finding_ok(l, name, "%s runs; its version could not be seen", name);
	}
	if (d->enabled == FACT_NO) {
		finding_warning(l, name, "%s is not started at boot", name);
		finding_fix(l, "systemctl enable %s", name);
	}
}

static void check_syncd(const struct facts *f, const char *version, struct findings *l)
{
	const struct fact_daemon *d = &f->daemons.syncd;

	if (f->syncd.seen) {
		check_one(d, "kemari-syncd", version, l);
		return;
	}
	if (d->runs == FACT_YES && !f->host.root) {
		finding_warning(l, "kemari-syncd", "kemari-syncd runs, but was not asked: %s", f->syncd.why);
		finding_fix(l, "run kemari doctor as root");
	} else if (d->runs == FACT_YES) {
		finding_problem(l, "kemari-syncd", "kemari-syncd runs, but does not answer: %s",
				f->syncd.why);
		finding_fix(l, "journalctl -u kemari-syncd says why; see that run_dir is the daemon's");
	} else {
		finding_problem(l, "kemari-syncd",
				"kemari-syncd does not run: no VM is protected here, and "
				"none was looked at");
		finding_fix(l, "systemctl enable --now kemari-syncd; if it will not: journalctl -u "
			       "kemari-syncd");
	}
}

void check_daemons(const struct facts *f, const char *version, struct findings *l)
{
	const struct fact_daemons *d = &f->daemons;

	check_syncd(f, version, l);
	if (d->agent.runs == FACT_YES) {
		check_one(&d->agent, "kemari-agent", version, l);
	} else if (d->agent.runs == FACT_NO && f->cib.source.seen) {
		finding_problem(l, "kemari-agent",
				"kemari-agent does not run: no VM gets a promotion score or "
				"a proof that a host is off, so nothing fails over");
		finding_fix(l, "systemctl enable --now kemari-agent");
	} else if (d->agent.runs == FACT_NO) {
		finding_warning(l, "kemari-agent",
				"kemari-agent does not run: without it a failover is yours "
				"to do (kemari promote)");
		finding_fix(l, "set up corosync and pacemaker, then systemctl enable --now kemari-agent");
	}
	if (!d->units.seen) {
		finding_warning(l, "systemd", "what is started at boot was not looked at: %s", d->units.why);
		finding_fix(l, "enable corosync, pacemaker, kemari-syncd and kemari-agent");
		return;
	}
	if (f->ring.source.seen && d->corosync == FACT_NO) {
		finding_warning(l, "corosync", "corosync is not started at boot");
		finding_fix(l, "systemctl enable corosync");
	}
	if (f->cib.source.seen && d->pacemaker == FACT_NO) {
		finding_warning(l, "pacemaker", "pacemaker is not started at boot");
		finding_fix(l, "systemctl enable pacemaker");
	}
}
