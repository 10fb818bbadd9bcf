/* SPDX-License-Identifier: GPL-2.0-only */
/* adopt and destroy: what is done to a domain that is there. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <jansson.h>
#include <libxl_utils.h>

#include "domain/helper/helper.h"

#define GONE_MS 50
#define GONE_TRIES (50 * 1000 / GONE_MS) /* fewer than DESTROY_TIMEOUT_MS of kemari-syncd's has */

/* The configuration that xl list -l and xl save show: the record's, with its devices, under libxl's names. */
static char *full_config(const struct vm_record *r, uint32_t domid)
{
	json_t *root = json_loadb(r->json, r->json_len, 0, NULL), *config = json_object_get(root, "config");
	json_t *disks = json_array(), *nics = json_array();
	unsigned int i;
	char *text;

	for (i = 0; i < r->nr_disks; i++) {
		const struct vm_disk *d = &r->disk[i];

		json_array_append_new(disks, json_pack("{s:s, s:s, s:s, s:i}", "pdev_path", d->target, "vdev",
						       d->vdev, "format", "raw", "readwrite", !d->readonly));
	}
	for (i = 0; i < r->nr_nics; i++) {
		const struct vm_nic *n = &r->nic[i];
		char mac[18];

		snprintf(mac, sizeof(mac), "%02x:%02x:%02x:%02x:%02x:%02x", n->mac[0], n->mac[1], n->mac[2],
			 n->mac[3], n->mac[4], n->mac[5]);
		json_array_append_new(nics, json_pack("{s:i, s:s, s:s, s:i}", "devid", n->devid, "mac", mac,
						      "bridge", n->bridge, "mtu", n->mtu));
	}
	json_object_set_new(config, "disks", disks);
	json_object_set_new(config, "nics", nics);
	json_object_set_new(json_object_get(config, "c_info"), "domid", json_integer(domid));
	text = json_dumps(config, JSON_INDENT(4));
	json_decref(root);
	return text;
}

static int check_uuid(struct xl *xl, const struct vm_record *r, uint32_t domid)
{
	libxl_dominfo info;
	int rc = 0;

	libxl_dominfo_init(&info);
	if (libxl_domain_info(xl->ctx, &info, domid))
		rc = fail(DOMAIN_HELPER_FAILED, "there is no domain %u", domid);
	else if (memcmp(libxl_uuid_bytearray(&info.uuid), r->uuid, sizeof(r->uuid)))
		rc = fail(DOMAIN_HELPER_DOMID_BUSY, "domain %u is not %s: it has another uuid", domid,
			  r->name);
	libxl_dominfo_dispose(&info);
	return rc;
}

static int adopt(struct xl *xl, const struct vm_record *r, uint32_t domid)
{
	char *text, *now;
	int rc = check_uuid(xl, r, domid);

	if (rc)
		return rc;
	now = libxl_domid_to_name(xl->ctx, domid);
	if ((!now || strcmp(now, r->name)) && libxl_domain_rename(xl->ctx, domid, NULL, r->name)) {
		free(now);
		return fail(DOMAIN_HELPER_NAME_BUSY, "cannot rename domain %u to %s: %s", domid, r->name,
			    xl_error(xl));
	}
	free(now);
	text = full_config(r, domid);
	if (!text ||
	    libxl_userdata_store(xl->ctx, domid, "libxl-json", (const uint8_t *)text, strlen(text) + 1))
		rc = fail(DOMAIN_HELPER_FAILED, "cannot store the configuration of domain %u: %s", domid,
			  xl_error(xl));
	else
		printf("{\"domid\":%u,\"name\":\"%s\"}\n", domid, r->name);
	free(text);
	return rc;
}

int cmd_adopt(const struct options *o)
{
	struct vm_record r;
	struct xl xl;
	int rc = read_record(o, &r);

	if (rc)
		return rc;
	rc = xl_open(&xl, o->verbose);
	if (!rc) {
		rc = adopt(&xl, &r, o->domid);
		xl_close(&xl);
	}
	vm_record_free(&r);
	return rc;
}

/*
 * A destroyed domain is there, dying, and its number taken, as long as somebody maps its memory:
 * kemari-syncd, which unmaps it meanwhile.
 */
static int wait_gone(struct xl *xl, uint32_t domid)
{
	const struct timespec pause = { .tv_nsec = GONE_MS * 1000000L };
	libxl_dominfo info;
	int rc = 0;

	for (unsigned int i = 0; i < GONE_TRIES && !rc; i++) {
		libxl_dominfo_init(&info);
		rc = libxl_domain_info(xl->ctx, &info, domid);
		libxl_dominfo_dispose(&info);
		if (!rc)
			nanosleep(&pause, NULL);
	}
	if (rc == ERROR_DOMAIN_NOTFOUND)
		return 0;
	return fail(DOMAIN_HELPER_FAILED,
		    "domain %u is destroyed, but does not go: something maps its memory", domid);
}

/* r NULL: whoever it is. */
static int destroy(struct xl *xl, const struct vm_record *r, uint32_t domid)
{
	libxl_dominfo info;
	int rc;

	libxl_dominfo_init(&info);
	rc = libxl_domain_info(xl->ctx, &info, domid);
	if (rc == ERROR_DOMAIN_NOTFOUND)
		rc = 0;
	else if (!rc && r && memcmp(libxl_uuid_bytearray(&info.uuid), r->uuid, sizeof(r->uuid)))
		rc = fail(DOMAIN_HELPER_DOMID_BUSY, "domain %u is not %s: it has another uuid", domid,
			  r->name);
	else if (rc || libxl_domain_destroy(xl->ctx, domid, NULL))
		rc = fail(DOMAIN_HELPER_FAILED, "cannot destroy domain %u: %s", domid, xl_error(xl));
	else
		rc = wait_gone(xl, domid);
	if (!rc)
		printf("{\"domid\":%u}\n", domid);
	libxl_dominfo_dispose(&info);
	return rc;
}

int cmd_destroy(const struct options *o)
{
	struct vm_record r = { 0 };
	struct xl xl;
	int rc = o->record ? read_record(o, &r) : 0;

	if (rc)
		return rc;
	rc = xl_open(&xl, o->verbose);
	if (!rc) {
		rc = destroy(&xl, o->record ? &r : NULL, o->domid);
		xl_close(&xl);
	}
	vm_record_free(&r);
	return rc;
}
