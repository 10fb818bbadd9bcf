/* SPDX-License-Identifier: GPL-2.0-only */
/* What this host's files say of a VM. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <jansson.h>

#include "agent/doctor/gather.h"
#include "syncd/domain/record.h"

#define STORY_READ_MAX (64L << 20) /* of its end */

struct fact_vm *gather_vm(struct facts *f, const char *name, enum fact_origin origin)
{
	struct fact_vm *vm = NULL;

	if (!name[0] || strlen(name) >= sizeof(vm->name))
		return NULL;
	for (unsigned int i = 0; i < f->nr_vms && !vm; i++)
		if (!strcmp(f->vm[i].name, name))
			vm = &f->vm[i];
	if (!vm && f->nr_vms < FACT_VMS) {
		vm = &f->vm[f->nr_vms++];
		snprintf(vm->name, sizeof(vm->name), "%s", name);
	}
	if (vm)
		vm->origin |= origin;
	return vm;
}

static void take_record(const char *text, size_t len, struct fact_vm *vm)
{
	struct vm_record rec;
	char why[256], path[64];
	struct stat st;

	if (vm_record_parse(text, len, &rec, why, sizeof(why))) {
		snprintf(vm->config_error, sizeof(vm->config_error), "%s", why);
		return;
	}
	vm->have_devices = true;
	for (unsigned int i = 0; i < rec.nr_disks && i < FACT_DISKS; i++) {
		snprintf(vm->disk[i].target, sizeof(vm->disk[i].target), "%s", rec.disk[i].target);
		vm->disk[i].block_device =
			!stat(rec.disk[i].target, &st) && S_ISBLK(st.st_mode) ? FACT_YES : FACT_NO;
		vm->nr_disks++;
	}
	for (unsigned int i = 0; i < rec.nr_nics && i < FACT_NICS; i++) {
		snprintf(vm->nic[i].bridge, sizeof(vm->nic[i].bridge), "%s", rec.nic[i].bridge);
		snprintf(path, sizeof(path), "/sys/class/net/%s/bridge", rec.nic[i].bridge);
		vm->nic[i].exists = access(path, F_OK) ? FACT_NO : FACT_YES;
		vm->nr_nics++;
	}
	vm_record_free(&rec);
}

/* RUN_DIR/VM.resource, which kemari-syncd writes when the cluster starts the VM. */
static void take_resource(const struct kem_config *cfg, struct fact_vm *vm)
{
	char path[PATH_MAX];
	json_t *o;
	const char *config, *record;

	snprintf(path, sizeof(path), "%s/%s.resource", cfg->run_dir, vm->name);
	o = json_load_file(path, 0, NULL);
	config = json_string_value(json_object_get(o, "config"));
	record = json_string_value(json_object_get(o, "record"));
	if (config)
		snprintf(vm->config, sizeof(vm->config), "%s", config);
	if (record)
		take_record(record, strlen(record), vm);
	json_decref(o);
}

static void take_story(const struct kem_config *cfg, struct fact_vm *vm)
{
	char path[PATH_MAX], *line = NULL;
	size_t cap = 0;
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s.story", cfg->log_dir, vm->name);
	f = fopen(path, "re");
	if (!f) {
		vm->was_protected = errno == ENOENT ? FACT_NO : FACT_UNKNOWN;
		return;
	}
	vm->was_protected = FACT_NO;
	if (!fseek(f, -STORY_READ_MAX, SEEK_END) && getline(&line, &cap, f) < 0)
		rewind(f);
	while (vm->was_protected == FACT_NO && getline(&line, &cap, f) >= 0)
		if (strstr(line, "\"state\":\"protected\""))
			vm->was_protected = FACT_YES;
	free(line);
	fclose(f);
}

void gather_vm_files(const struct kem_config *cfg, struct fact_vm *vm)
{
	take_resource(cfg, vm);
	take_story(cfg, vm);
	if (!strcmp(vm->protection, "protected") || (!strcmp(vm->role, "standby") && vm->linked))
		vm->was_protected = FACT_YES;
	if (vm->config[0])
		vm->config_exists = access(vm->config, F_OK) ? FACT_NO : FACT_YES;
}

void gather_vm_record(const struct job *j, struct fact_vm *vm)
{
	const char *said = j->err.text ? j->err.text : "";

	if (job_done(j) && j->out.text) {
		take_record(j->out.text, strcspn(j->out.text, "\n"), vm);
	} else if (j->status == 3) { /* domain_helper.h: the configuration cannot be protected */
		if (!strncmp(said, "kemari-domain: ", 15))
			said += 15;
		snprintf(vm->config_error, sizeof(vm->config_error), "%.*s", (int)strcspn(said, "\n"), said);
	}
}
