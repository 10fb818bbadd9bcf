/* SPDX-License-Identifier: GPL-2.0-only */
/* What else starts and saves guests: xendomains. */
#include <stdio.h>

#include "agent/doctor/gather.h"
#include "autostart.h"

static void gather_save(struct fact_xendomains *x)
{
	static const char *const files[] = { "/etc/default/xendomains", "/etc/sysconfig/xendomains" };

	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		if (autostart_setting(files[i], "XENDOMAINS_SAVE", x->save, sizeof(x->save))) {
			snprintf(x->file, sizeof(x->file), "%s", files[i]);
			return;
		}
}

void gather_xendomains(struct facts *f)
{
	gather_save(&f->xendomains);
	for (unsigned int i = 0; i < f->nr_vms; i++) {
		struct fact_vm *vm = &f->vm[i];

		if (!autostart_find(AUTOSTART_DIR, vm->name, vm->config, vm->autostart,
				    sizeof(vm->autostart)))
			vm->autostart[0] = '\0';
	}
}
