/* SPDX-License-Identifier: GPL-2.0-only */
#include "agent/doctor/check.h"

void check_xendomains(const struct facts *f, struct findings *l)
{
	const struct fact_xendomains *x = &f->xendomains;
	unsigned int linked = 0;

	for (unsigned int i = 0; i < f->nr_vms; i++) {
		const struct fact_vm *vm = &f->vm[i];

		if (!vm->autostart[0])
			continue;
		linked++;
		finding_problem(l, "autostart",
				"%s starts %s at boot, beside a copy that may run on the other "
				"host",
				vm->autostart, vm->name);
		finding_fix(l, "rm %s", vm->autostart);
	}
	if (f->nr_vms && !linked)
		finding_ok(l, "autostart", "/etc/xen/auto starts no VM of kemari");
	if (!f->nr_vms)
		return;
	if (x->enabled == FACT_UNKNOWN && x->save[0]) {
		finding_warning(l, "xendomains",
				"whether xendomains runs was not seen; XENDOMAINS_SAVE is %s, "
				"so it would save guests when the host shuts down",
				x->save);
		finding_fix(l, "set XENDOMAINS_SAVE=\"\" in %s", x->file);
	} else if (x->enabled == FACT_YES && x->save[0]) {
		finding_problem(l, "xendomains",
				"xendomains saves guests when the host shuts down "
				"(XENDOMAINS_SAVE=%s), protected ones, too, and restores "
				"them beside a copy that runs",
				x->save);
		finding_fix(l, "set XENDOMAINS_SAVE=\"\" in %s, or systemctl disable xendomains", x->file);
	} else {
		finding_ok(l, "xendomains", "xendomains saves no guest");
	}
}
