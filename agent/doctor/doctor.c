/* SPDX-License-Identifier: GPL-2.0-only */
#include "agent/doctor/doctor.h"

#include <stdio.h>
#include <stdlib.h>

#include "agent/doctor/check.h"
#include "agent/doctor/gather.h"

static void check(const struct facts *f, const char *vm, struct findings *l)
{
	check_config(f, l);
	check_host(f, l);
	check_daemons(f, KEMARI_VERSION, l);
	check_xendomains(f, l);
	check_ring(f, l);
	check_pacemaker(f, l);
	check_fencing(f, l);
	check_levels(f, l);
	check_vms(f, vm, l);
}

int doctor(const char *conf_file, const char *vm, bool json)
{
	struct facts *f = calloc(1, sizeof(*f));
	struct findings *l = calloc(1, sizeof(*l));
	int rc = 1;

	if (!f || !l) {
		fprintf(stderr, "kemari: out of memory\n");
		goto out;
	}
	gather_facts(conf_file, f);
	check(f, vm, l);
	if (json) {
		json_t *o = findings_json(l);

		json_dumpf(o, stdout, JSON_INDENT(2));
		putchar('\n');
		json_decref(o);
	} else {
		findings_print(stdout, l);
	}
	rc = l->count[FINDING_PROBLEM] ? 1 : 0;
out:
	free(f);
	free(l);
	return rc;
}
