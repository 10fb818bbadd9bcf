/* SPDX-License-Identifier: GPL-2.0-only */
#include <string.h>

#include "agent/doctor/check.h"

static void check_started(const struct facts *f, const struct fact_vm *vm, struct findings *l)
{
	if (!f->syncd.seen || !(vm->origin & FACT_OF_CLUSTER))
		return;
	if (vm->started) {
		finding_ok(l, "started", "%s is started on this host", vm->name);
		return;
	}
	finding_warning(l, "started",
			"%s is not started on this host, which can neither run it nor hold its copy",
			vm->name);
	finding_fix(l,
		    "crm_mon -1rf says why (standby, a failed start); then crm_resource --cleanup --resource "
		    "%s",
		    vm->name);
}

static void check_configuration(const struct fact_vm *vm, struct findings *l)
{
	unsigned int bad = l->count[FINDING_PROBLEM];

	if (!vm->config[0])
		return;
	if (vm->config_exists == FACT_NO) {
		finding_problem(l, "vm-config", "%s: there is no %s on this host", vm->name, vm->config);
		finding_fix(l, "copy it from the other host; it has to be the same");
		return;
	}
	if (vm->config_error[0]) {
		finding_problem(l, "vm-config", "%s: %s", vm->name, vm->config_error);
		finding_fix(l, "change %s, see xl.cfg(5) and kemari(8)", vm->config);
	}
	for (unsigned int i = 0; i < vm->nr_disks; i++)
		if (vm->disk[i].block_device == FACT_NO) {
			finding_problem(l, "disk", "%s: %s is no block device on this host", vm->name,
					vm->disk[i].target);
			finding_fix(l, "connect this host to the storage of %s, under the name that %s has",
				    vm->name, vm->config);
		}
	for (unsigned int i = 0; i < vm->nr_nics; i++)
		if (vm->nic[i].exists == FACT_NO) {
			finding_problem(l, "bridge", "%s: this host has no bridge %s", vm->name,
					vm->nic[i].bridge);
			finding_fix(l, "make the bridge %s, or change bridge= in %s", vm->nic[i].bridge,
				    vm->config);
		}
	if (vm->config_exists == FACT_YES && !vm->have_devices && !vm->config_error[0]) {
		finding_warning(l, "vm-config", "%s: its disks and bridges were not looked at", vm->name);
		finding_fix(l, "as root in dom0: kemari-domain record %s", vm->config);
	}
	if (l->count[FINDING_PROBLEM] == bad && vm->have_devices)
		finding_ok(l, "vm-config", "%s: its configuration, disks (%u) and bridges (%u) are here",
			   vm->name, vm->nr_disks, vm->nr_nics);
}

static const char *because(const struct fact_vm *vm)
{
	return vm->reason[0] ? vm->reason : "no reason is given";
}

/* The guest is here, running or held. */
static void check_owner(const struct fact_vm *vm, struct findings *l)
{
	if (!strcmp(vm->protection, "protected")) {
		finding_ok(l, "protection", "%s runs here, protected by %s", vm->name, vm->peer);
	} else if (!strcmp(vm->protection, "syncing")) {
		finding_warning(l, "protection", "%s is being copied to %s, and not protected yet", vm->name,
				vm->peer);
		finding_fix(l, "wait; kemari status --watch shows it");
	} else if (!strcmp(vm->protection, "blocked")) {
		finding_problem(l, "protection",
				"%s: its outputs wait, for %s neither answers nor is proven off", vm->name,
				vm->peer);
		finding_fix(l,
			    "see why it was not fenced (stonith_admin --history %s); when you have made sure "
			    "that it has no power: kemari unprotect %s --standby-is-gone",
			    vm->peer, vm->name);
	} else if (!strcmp(vm->protection, "unprotected")) {
		finding_problem(l, "protection", "%s is not protected: it dies with this host (%s)", vm->name,
				because(vm));
		finding_fix(l, "kemari log %s says why; kemari protect %s --to HOST, if no cluster does it",
			    vm->name, vm->name);
	} else {
		finding_warning(l, "protection", "%s: the link to %s is lost, its outputs wait (%s)",
				vm->name, vm->peer, because(vm));
		finding_fix(l, "see that %s runs, and the replication network", vm->peer);
	}
}

static void check_protection(const struct fact_vm *vm, struct findings *l)
{
	if (!strcmp(vm->needs, "proof")) {
		finding_problem(l, "protection",
				"%s was promoted here, and waits for the proof that %s is off", vm->name,
				vm->peer);
		finding_fix(l,
			    "see why it was not fenced: stonith_admin --history %s; when you have made sure "
			    "that it has no power: kemari promote %s --primary-is-off",
			    vm->peer, vm->name);
	} else if (!strcmp(vm->role, "primary") || !strcmp(vm->role, "held")) {
		check_owner(vm, l);
	} else if (!strcmp(vm->role, "standby") && vm->linked) {
		finding_ok(l, "protection", "%s has its copy here, which follows %s", vm->name, vm->peer);
	} else if (!strcmp(vm->role, "standby")) {
		finding_warning(l, "protection", "%s has its copy here, but lost the link to %s", vm->name,
				vm->peer);
		finding_fix(l, "see that %s runs, and the replication network", vm->peer);
	} else if (vm->started) {
		finding_warning(l, "protection", "%s has nothing here: neither the guest nor a copy (%s)",
				vm->name, vm->reason[0] ? vm->reason : vm->state);
		finding_fix(l, "kemari status on the host where it runs says why it is not mirrored to here");
	}
}

/* Whether both hosts see the same disk is found out by protecting (some of its blocks are compared). */
static void check_shared(const struct fact_vm *vm, struct findings *l)
{
	if (vm->was_protected == FACT_YES) {
		finding_ok(l, "shared", "%s was protected before: both hosts see its disks", vm->name);
	} else if (vm->was_protected == FACT_NO) {
		finding_warning(l, "shared",
				"%s was never protected here: whether both hosts see the same disks "
				"is not known",
				vm->name);
		finding_fix(l, "kemari protect compares them, and says so if not");
	}
}

void check_vms(const struct facts *f, const char *name, struct findings *l)
{
	bool found = false;

	for (unsigned int i = 0; i < f->nr_vms; i++) {
		const struct fact_vm *vm = &f->vm[i];

		if (name[0] && strcmp(vm->name, name))
			continue;
		found = true;
		check_started(f, vm, l);
		check_configuration(vm, l);
		if (vm->origin & FACT_OF_SYNCD)
			check_protection(vm, l);
		check_shared(vm, l);
	}
	if (!name[0] || found)
		return;
	if (!f->syncd.seen && !f->cib.source.seen) {
		finding_warning(l, "vm", "%s was not looked at: neither kemari-syncd nor pacemaker answers",
				name);
		finding_fix(l, "start them, then kemari doctor %s again", name);
	} else {
		finding_problem(l, "vm", "neither kemari-syncd nor the cluster knows a VM %s", name);
		finding_fix(l, "kemari status lists those of this host; doc/cluster.md, The guest, adds one");
	}
}
