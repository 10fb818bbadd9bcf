/* SPDX-License-Identifier: GPL-2.0-only */
/* start: this host is ready to hold the VM's copy, or to boot it. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "autostart.h"
#include "resource_int.h"
#include "vms.h"

#define RECORD_TIMEOUT_MS 30000

struct starting {
	struct resource *r; /* not listed yet */
	struct control_client *client;
	struct domain_helper *helper;
};

static void end(struct starting *s, int code, const char *why, const char *fix)
{
	if (code) {
		control_fail(s->client, code, why, fix);
		vm_record_free(&s->r->rec);
		free(s->r);
	} else {
		control_done(s->client, NULL);
	}
	free(s);
}

/* What would make promote fail later is found now.  0, or -EINVAL or another errno with why (256 bytes). */
static int ready_for(const struct vm_record *rec, char *why)
{
	char path[64];

	for (unsigned int i = 0; i < rec->nr_disks; i++) {
		int fd = open(rec->disk[i].target, O_RDONLY | O_NONBLOCK | O_CLOEXEC);

		if (fd < 0) {
			int rc = -errno;

			snprintf(why, 256, "disk %s: %.180s: %s", rec->disk[i].vdev, rec->disk[i].target,
				 strerror(-rc));
			return rc;
		}
		close(fd);
	}
	for (unsigned int i = 0; i < rec->nr_nics; i++) {
		snprintf(path, sizeof(path), "/sys/class/net/%s/bridge", rec->nic[i].bridge);
		if (access(path, F_OK)) {
			snprintf(why, 256, "nic %u: this host has no bridge %s", rec->nic[i].devid,
				 rec->nic[i].bridge);
			return -ENODEV;
		}
	}
	return 0;
}

static int fits(const struct resource *r, char *why)
{
	if (!resource_other_host(r->d)) {
		snprintf(why, 256, "kemari.conf must name this host and one other, `host NAME ADDRESS` each");
		return -EINVAL;
	}
	return 0;
}

/* Whoever starts it beside us runs it a second time. */
static int is_ours_to_start(const struct resource *r, char *why)
{
	char path[PATH_MAX];

	if (!autostart_find(AUTOSTART_DIR, r->name, r->config, path, sizeof(path)))
		return 0;
	snprintf(why, 256,
		 "xendomains starts it at boot, beside a copy that may run elsewhere: remove %.120s", path);
	return -EEXIST;
}

/* The name and the uuid are what both hosts and the cluster manager know it by. */
static int is_nobody_elses(const struct resource *r, char *why)
{
	const struct vm *named = vm_find(r->d, r->name), *same = vm_find_uuid(r->d, r->rec.uuid);

	if (strcmp(r->rec.name, r->name)) {
		snprintf(why, 256, "%.100s is the configuration of %.60s, not of %.60s", r->config,
			 r->rec.name, r->name);
		return -EINVAL;
	}
	if (named != same) {
		snprintf(why, 256, "another VM with the %s is served here", named ? "name" : "uuid");
		return -EEXIST;
	}
	for (const struct resource *other = r->d->resources; other; other = other->next)
		if (!memcmp(other->rec.uuid, r->rec.uuid, sizeof(r->rec.uuid))) {
			snprintf(why, 256, "%.60s has the same uuid", other->name);
			return -EEXIST;
		}
	return ready_for(&r->rec, why);
}

static void on_record(void *arg, int exit_code, const char *json, const char *error)
{
	struct starting *s = arg;
	struct resource *r = s->r;
	char why[256];
	int rc;

	s->helper = NULL;
	if (exit_code) {
		end(s, exit_code == DOMAIN_HELPER_REFUSED ? EINVAL : EIO, error, NULL);
		return;
	}
	rc = resource_set_record(r, json, why);
	if (!rc)
		rc = fits(r, why);
	if (!rc)
		rc = is_ours_to_start(r, why);
	if (!rc)
		rc = is_nobody_elses(r, why);
	if (!rc && resource_find(r->d, r->name)) {
		end(s, EBUSY, "the VM was started meanwhile", NULL);
		return;
	}
	if (rc) {
		end(s, -rc, why, "see xl.cfg(5) and kemari(8)");
		return;
	}
	rc = resource_save(r);
	if (rc) {
		end(s, -rc, "it cannot be noted that the VM is started", "make room in the run directory");
		return;
	}
	r->next = r->d->resources;
	r->d->resources = r;
	kem_vm_info(r->name, "started here for the cluster manager");
	vms_publish(r->d);
	end(s, 0, NULL, NULL);
}

void resource_start(struct daemon *d, struct control_client *c, const struct control_request *req)
{
	const char *const argv[] = { "record", req->config, NULL };
	struct resource *known = resource_find(d, req->vm);
	struct starting *s;
	int rc = -ENOMEM;

	if (known) {
		resource_task_cancel(known, "start came");
		control_done(c, NULL);
		return;
	}
	s = calloc(1, sizeof(*s));
	if (s)
		s->r = calloc(1, sizeof(*s->r));
	if (s && s->r) {
		s->client = c;
		s->r->d = d;
		snprintf(s->r->name, sizeof(s->r->name), "%s", req->vm);
		snprintf(s->r->config, sizeof(s->r->config), "%s", req->config);
		rc = domain_helper_run(d->loop, d->cfg.helper, argv, NULL, RECORD_TIMEOUT_MS, on_record, s,
				       &s->helper);
	}
	if (!rc)
		return;
	control_fail(c, -rc, "kemari-domain cannot be started", "check `helper` in kemari.conf");
	if (s)
		free(s->r);
	free(s);
}
