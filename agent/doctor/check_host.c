/* SPDX-License-Identifier: GPL-2.0-only */
#include <errno.h>
#include <string.h>

#include "agent/doctor/check.h"

static void check_xen(const struct fact_host *h, struct findings *l)
{
	if (!h->dom0) {
		finding_problem(l, "xen", "this is no dom0: Xen does not run, or this is a guest of it");
		finding_fix(l, "boot the hypervisor that hv-patch/build makes; kemari runs in its dom0");
		return;
	}
	switch (h->xen_error) {
	case 0:
		finding_ok(l, "xen", "the running Xen has the Kemari interface that this version needs");
		break;
	case EACCES:
	case EPERM:
		finding_warning(l, "xen", "Xen was not asked for its Kemari interface: only root may");
		finding_fix(l, "run kemari doctor as root");
		break;
	case ENOSYS:
		finding_problem(l, "xen", "the running Xen has no Kemari patch");
		finding_fix(l, "boot the hypervisor that hv-patch/build makes");
		break;
	case EPROTO:
		finding_problem(l, "xen",
				"the running Xen has another version of the Kemari interface than "
				"this kemari needs");
		finding_fix(l,
			    "boot the hypervisor of this version, or install the kemari of that hypervisor");
		break;
	default:
		finding_problem(l, "xen", "Xen cannot be asked: %s", strerror(h->xen_error));
		finding_fix(l, "see that /dev/xen/privcmd is there and xenfs is mounted");
	}
}

void check_host(const struct facts *f, struct findings *l)
{
	const struct fact_host *h = &f->host;

	check_xen(h, l);
	if (h->synchronized == FACT_NO) {
		finding_warning(l, "clock",
				"the clock is not synchronized: nothing is decided by it, but logs "
				"of two hosts cannot be compared, nor an old fencing be dated");
		finding_fix(l, "run chrony or another NTP client in dom0");
	} else if (h->synchronized == FACT_YES) {
		finding_ok(l, "clock", "the clock is synchronized");
	}
	if (h->watchdog == FACT_NO) {
		finding_warning(l, "watchdog",
				"no watchdog: a dom0 that hangs stays so until its host is "
				"fenced");
		finding_fix(l,
			    "run xenwatchdogd (xencommons does), or load the driver of the board's watchdog");
	} else if (h->watchdog == FACT_YES) {
		finding_ok(l, "watchdog", "there is a watchdog");
	}
}
