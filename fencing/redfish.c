/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Redfish (DMTF DSP0266): the ComputerSystem resource of iLO 4 and later, iDRAC 7 and later, and others. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <uuid/uuid.h>

#include "fencing/options.h"
#include "fencing/redfish.h"

#define SYSTEMS "/redfish/v1/Systems"

struct redfish {
	struct bmc bmc;
	const struct fence_options *o;
	struct http *http;
	char system[FENCE_STR];
	char reset[FENCE_STR]; /* where orders go; empty: not known yet */
};

static struct redfish *redfish_of(struct bmc *b)
{
	return (struct redfish *)b; /* its first member */
}

static int bad(struct redfish *r, const char *what)
{
	snprintf(r->bmc.why, BMC_WHY, "%s: %s", r->o->ip, what);
	return -EPROTO;
}

static const char *text_of(const json_t *object, const char *key)
{
	const json_t *v = json_object_get(object, key);

	return json_is_string(v) ? json_string_value(v) : NULL;
}

/* Copies a path of the BMC.  -EPROTO: it is none, or too long. */
static int keep_path(char to[FENCE_STR], const char *path)
{
	if (!path || path[0] != '/' || strlen(path) >= FENCE_STR)
		return -EPROTO;
	strcpy(to, path);
	return 0;
}

/* The only one, or the one whose last part is id. */
static const char *choose_system(const json_t *members, const char *id)
{
	const json_t *m;
	size_t i;

	if (!id[0])
		return json_array_size(members) == 1 ? text_of(json_array_get(members, 0), "@odata.id")
						     : NULL;
	json_array_foreach(members, i, m) {
		const char *path = text_of(m, "@odata.id");
		size_t len = path ? strlen(path) : 0;

		while (len && path[len - 1] == '/')
			len--;
		if (len > strlen(id) && !strncmp(path + len - strlen(id), id, strlen(id)) &&
		    path[len - strlen(id) - 1] == '/')
			return path;
	}
	return NULL;
}

static int find_system(struct redfish *r)
{
	json_t *answer;
	int rc;

	if (r->system[0])
		return 0;
	rc = http_get(r->http, SYSTEMS, &answer, r->bmc.why, BMC_WHY);
	if (rc)
		return rc;
	if (keep_path(r->system, choose_system(json_object_get(answer, "Members"), r->o->system_id))) {
		bad(r, r->o->system_id[0] ? "it has no system with that system_id"
					  : "it has not just one system: system_id says which");
		rc = -EINVAL;
	}
	json_decref(answer);
	return rc;
}

int redfish_system(struct bmc *b, json_t **answer)
{
	struct redfish *r = redfish_of(b);
	const char *target;
	int rc = find_system(r);

	*answer = NULL;
	if (!rc)
		rc = http_get(r->http, r->system, answer, r->bmc.why, BMC_WHY);
	if (rc)
		return rc;
	target = text_of(json_object_get(json_object_get(*answer, "Actions"), "#ComputerSystem.Reset"),
			 "target");
	if (!r->reset[0] && target && keep_path(r->reset, target)) {
		json_decref(*answer);
		*answer = NULL;
		return bad(r, "the target of its reset action is no path");
	}
	return 0;
}

struct http *redfish_http(struct bmc *b)
{
	return redfish_of(b)->http;
}

int redfish_system_power(struct bmc *b, const json_t *system, enum bmc_power *now)
{
	const char *state = text_of(system, "PowerState");

	if (!state)
		return bad(redfish_of(b), "its system has no PowerState");
	if (!strcmp(state, "Off"))
		*now = BMC_OFF;
	else if (!strcmp(state, "On"))
		*now = BMC_ON;
	else
		*now = BMC_BETWEEN; /* PoweringOn, PoweringOff, Paused, whatever comes */
	return 0;
}

static int redfish_power(struct bmc *b, enum bmc_power *now)
{
	json_t *answer;
	int rc = redfish_system(b, &answer);

	if (rc)
		return rc;
	rc = redfish_system_power(b, answer, now);
	json_decref(answer);
	return rc;
}

static int redfish_order(struct bmc *b, enum bmc_order what)
{
	static const char *const types[] = {
		[BMC_TURN_OFF] = "ForceOff", [BMC_TURN_ON] = "On", [BMC_DIAG] = "Nmi"
	};
	struct redfish *r = redfish_of(b);
	json_t *body = json_pack("{s:s}", "ResetType", types[what]), *answer = NULL;
	int rc = body ? 0 : -ENOMEM;

	if (!rc && !r->reset[0]) {
		rc = redfish_system(b, &answer);
		if (!rc && !r->reset[0])
			rc = bad(r, "its system cannot be reset");
	}
	if (!rc)
		rc = http_post(r->http, r->reset, body, r->bmc.why, BMC_WHY);
	json_decref(answer);
	json_decref(body);
	return rc;
}

int redfish_system_uuid(struct bmc *b, const json_t *system, uint8_t uuid[16])
{
	const char *text = text_of(system, "UUID");

	return !text || uuid_parse(text, uuid) ? bad(redfish_of(b), "its system has no UUID") : 0;
}

static int redfish_uuid(struct bmc *b, uint8_t uuid[16])
{
	json_t *answer;
	int rc = redfish_system(b, &answer);

	if (rc)
		return rc;
	rc = redfish_system_uuid(b, answer, uuid);
	json_decref(answer);
	return rc;
}

static void redfish_close(struct bmc *b)
{
	struct redfish *r = redfish_of(b);

	http_close(r->http);
	free(r);
}

static const struct bmc_ops redfish_ops = {
	.power = redfish_power, .order = redfish_order, .uuid = redfish_uuid, .close = redfish_close
};

int redfish_open(const struct fence_options *o, struct bmc **out, char why[BMC_WHY])
{
	struct redfish *r = calloc(1, sizeof(*r));
	int rc;

	why[0] = '\0';
	if (!r)
		return -ENOMEM;
	r->bmc.ops = &redfish_ops;
	r->o = o;
	rc = http_open(o, &r->http, why, BMC_WHY);
	if (rc) {
		redfish_close(&r->bmc);
		return rc;
	}
	*out = &r->bmc;
	return 0;
}
