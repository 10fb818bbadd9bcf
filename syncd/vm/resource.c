/* SPDX-License-Identifier: GPL-2.0-only */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ocf.h"
#include "resource_int.h"
#include "vms.h"

#define SUFFIX ".resource"
#define FILE_VERSION 1
#define UNLINKED_NS 60000000000ULL

/* ---- the list ------------------------------------------------------------------------------------------ */

struct resource *resource_find(const struct daemon *d, const char *name)
{
	for (struct resource *r = d->resources; r; r = r->next)
		if (!strcmp(r->name, name))
			return r;
	return NULL;
}

bool resource_started(const struct daemon *d, const char *vm)
{
	return resource_find(d, vm);
}

bool resource_promoted(const struct daemon *d, const char *vm)
{
	const struct resource *r = resource_find(d, vm);

	return r && r->promoted;
}

int resource_set_record(struct resource *r, const char *record, char *why)
{
	return vm_record_parse(record, strlen(record), &r->rec, why, 256);
}

static void path_of(const struct daemon *d, const char *name, char path[PATH_MAX])
{
	snprintf(path, PATH_MAX, "%s/%s" SUFFIX, d->cfg.run_dir, name);
}

int resource_save(const struct resource *r)
{
	char path[PATH_MAX], tmp[PATH_MAX + 4];
	json_t *o = json_pack("{si ss ss sb ss}", "version", FILE_VERSION, "vm", r->name, "config", r->config,
			      "promoted", r->promoted, "record", r->rec.json);
	int rc = o ? 0 : -ENOMEM;

	path_of(r->d, r->name, path);
	snprintf(tmp, sizeof(tmp), "%s.new", path);
	if (!rc && (json_dump_file(o, tmp, JSON_INDENT(1)) || rename(tmp, path)))
		rc = -(errno ?: EIO);
	if (rc)
		kem_vm_err(r->name, "cannot write %s: %s", path, strerror(-rc));
	json_decref(o);
	return rc;
}

static void unlist(struct resource *r)
{
	struct resource **p = &r->d->resources;

	while (*p && *p != r)
		p = &(*p)->next;
	if (*p)
		*p = r->next;
}

static void release(struct resource *r)
{
	resource_task_cancel(r, "kemari-syncd ends");
	unlist(r);
	vm_record_free(&r->rec);
	free(r);
}

void resource_drop(struct resource *r)
{
	char path[PATH_MAX];

	path_of(r->d, r->name, path);
	if (unlink(path) && errno != ENOENT)
		kem_vm_err(r->name, "cannot remove %s: %s", path, strerror(errno));
	release(r);
}

/* ---- an earlier daemon's ------------------------------------------------------------------------------- */

static int load(struct daemon *d, const char *path, char *why)
{
	json_t *o = json_load_file(path, JSON_REJECT_DUPLICATES, NULL);
	const char *name, *config, *record;
	struct resource *r = calloc(1, sizeof(*r));
	int version = 0, promoted = 0, rc = -EINVAL;

	snprintf(why, 256, "it is not what kemari-syncd writes");
	if (r &&
	    !json_unpack(o, "{si ss ss sb ss}", "version", &version, "vm", &name, "config", &config,
			 "promoted", &promoted, "record", &record) &&
	    version == FILE_VERSION && strlen(name) < sizeof(r->name) && strlen(config) < sizeof(r->config))
		rc = resource_set_record(r, record, why);
	if (rc) {
		free(r);
	} else {
		r->d = d;
		snprintf(r->name, sizeof(r->name), "%s", name);
		snprintf(r->config, sizeof(r->config), "%s", config);
		r->promoted = promoted;
		r->next = d->resources;
		d->resources = r;
	}
	json_decref(o);
	return rc;
}

void resources_load(struct daemon *d)
{
	DIR *dir = opendir(d->cfg.run_dir);
	const struct dirent *e;

	while (dir && (e = readdir(dir))) {
		size_t len = strlen(e->d_name);
		char path[PATH_MAX], why[256];

		if (len <= strlen(SUFFIX) || strcmp(e->d_name + len - strlen(SUFFIX), SUFFIX))
			continue;
		snprintf(path, sizeof(path), "%s/%s", d->cfg.run_dir, e->d_name);
		if (load(d, path, why))
			kem_err("%s is not taken up: %s", path, why);
	}
	if (dir)
		closedir(dir);
}

void resources_close(struct daemon *d)
{
	while (d->resources)
		release(d->resources);
}

/* ---- status -------------------------------------------------------------------------------------------- */

void resource_rows(const struct daemon *d, const char *vm, json_t *rows)
{
	if (d->reopening)
		return; /* what is not known yet is not said to be nothing */
	for (const struct resource *r = d->resources; r; r = r->next) {
		struct control_status s = { .vm = r->name,
					    .role = "none",
					    .state = "waiting for a role",
					    .uuid = r->rec.uuid_text,
					    .started = true,
					    .promoted = r->promoted };

		if ((!vm[0] || !strcmp(vm, r->name)) && !vm_find((struct daemon *)d, r->name))
			json_array_append_new(rows, control_status_row(&s));
	}
}

/* ---- monitor ------------------------------------------------------------------------------------------- */

/* None is served here: an earlier daemon's may still be taken up, and a domain without a VM is nobody's to
 * judge. */
static int ocf_without_vm(const struct resource *r, const char **reason)
{
	if (r->d->reopening)
		return r->promoted ? OCF_RUNNING_PROMOTED : OCF_SUCCESS;
	if (!vms_domain_of(r->d, r->rec.uuid, 0))
		return r->promoted ? OCF_FAILED_PROMOTED : OCF_SUCCESS;
	*reason = "Xen has a domain of it that kemari-syncd does not serve";
	return r->promoted ? OCF_FAILED_PROMOTED : OCF_ERR_GENERIC;
}

static int ocf_of_promoted(const struct vm *vm, const char **reason)
{
	if (engine_role(&vm->engine) == ENGINE_NONE) {
		*reason = "the guest ended";
		return OCF_FAILED_PROMOTED;
	}
	if (engine_role(&vm->engine) != ENGINE_OWNER || engine_protection(&vm->engine) == ENGINE_PROTECTED)
		return OCF_RUNNING_PROMOTED; /* a copy: the cluster manager has yet to follow a switchover */
	*reason = engine_state_name(&vm->engine);
	return OCF_DEGRADED_PROMOTED;
}

/*
 * Not while a failover may be under way: when the DC has died, Pacemaker (2.1.5, 3.0 too) waits for the
 * cancelling of a recurring monitor whose last answer was no success for cluster-delay and the monitor's
 * time-out, 80 s, before it promotes.
 */
static bool gets_older(struct resource *r, const struct vm *vm)
{
	const uint64_t now = monotonic_ns();

	if (engine_role(&vm->engine) != ENGINE_COPY || link_up(vm)) {
		r->unlinked_ns = 0;
		return false;
	}
	if (!r->unlinked_ns)
		r->unlinked_ns = now;
	return now - r->unlinked_ns >= UNLINKED_NS;
}

static int ocf_of(struct resource *r, const struct vm *vm, const char **reason)
{
	if (!r)
		return OCF_NOT_RUNNING;
	if (!vm)
		return ocf_without_vm(r, reason);
	if (r->promoted)
		return ocf_of_promoted(vm, reason);
	if (gets_older(r, vm)) {
		*reason = "no link to the primary: the copy gets older";
		return OCF_DEGRADED;
	}
	return OCF_SUCCESS;
}

static void monitor(struct daemon *d, struct control_client *c, const struct control_request *req)
{
	const char *reason = NULL;
	int ocf = ocf_of(resource_find(d, req->vm), vm_find(d, req->vm), &reason);

	control_done(c, json_pack("{si ss*}", "ocf", ocf, "reason", reason));
}

/* ---- demote, and who is asked ---------------------------------------------------------------------------
 */

/* Reversible and never waits for another host: what the cluster manager wants next decides. */
void resource_hold(struct resource *r, struct vm *vm, struct control_client *c)
{
	struct engine_event ev = { .type = ENGINE_EV_DEMOTE, .flag = true };

	r->promoted = false;
	resource_save(r); /* told if not; the guest is held in any case */
	if (vm)
		vm_command(vm, c, CONTROL_RESOURCE_DEMOTE, ev);
	else
		control_done(c, NULL);
}

void resource_request(struct daemon *d, struct control_client *c, const struct control_request *req)
{
	struct resource *r = resource_find(d, req->vm);

	if (req->op == CONTROL_RESOURCE_START) {
		resource_start(d, c, req);
		return;
	}
	if (req->op == CONTROL_RESOURCE_MONITOR) {
		monitor(d, c, req);
		return;
	}
	if (!r && req->op == CONTROL_RESOURCE_STOP) {
		control_done(c, NULL); /* what is parked here stays parked */
		return;
	}
	if (!r) {
		control_fail(c, ENOENT, "the VM is not started here", "the cluster manager starts it first");
		return;
	}
	if (req->op == CONTROL_RESOURCE_STOP)
		resource_stop(r, c, req->timeout);
	else if (req->op == CONTROL_RESOURCE_PROMOTE)
		resource_promote(r, c, req->timeout);
	else
		resource_demote(r, c);
}
