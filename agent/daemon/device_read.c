/* SPDX-License-Identifier: GPL-2.0-only */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "agent/cib.h"
#include "agent/daemon/device.h"

#define PARAMETER(node, name, field) cib_parameter(node, "instance_attributes", name, field, sizeof(field))

/* What Pacemaker (2.1) has it do for both where nothing else is said; not if it is "reboot", and "off" will
 * do. */
static void take_action(xmlNode *node, struct device *d)
{
	char action[16] = "";

	PARAMETER(node, "action", action);
	if (!action[0] || !strcmp(action, "reboot") || !strcmp(action, "off"))
		return;
	if (!d->off_action[0])
		memcpy(d->off_action, action, sizeof(action));
	if (!d->reboot_action[0])
		memcpy(d->reboot_action, action, sizeof(action));
}

static void take_device(void *arg, xmlNode *node)
{
	struct devices *devices = arg;
	struct device *d = &devices->device[devices->nr];
	char class[16], role[16] = "";

	cib_attribute(node, "class", class, sizeof(class));
	/* without its template it may be anything */
	if ((!class[0] || !strcmp(class, "stonith")) && !cib_plain(node))
		devices->odd = true;
	if (strcmp(class, "stonith") != 0)
		return;
	if (devices->nr == DEVICES) {
		devices->more = true;
		return;
	}
	devices->nr++;
	xml_attribute(node, "id", d->id, sizeof(d->id));
	cib_attribute(node, "type", d->agent, sizeof(d->agent));
	PARAMETER(node, "pcmk_host_list", d->host_list);
	PARAMETER(node, "pcmk_host_map", d->host_map);
	PARAMETER(node, "pcmk_host_check", d->host_check);
	PARAMETER(node, "pcmk_off_action", d->off_action);
	PARAMETER(node, "pcmk_reboot_action", d->reboot_action);
	take_action(node, d);
	PARAMETER(node, "method", d->method);
	PARAMETER(node, "system_uuid", d->system_uuid);
	PARAMETER(node, "delay", d->delay);
	PARAMETER(node, "delay", d->own_delay);
	PARAMETER(node, "first_file", d->first_file);
	PARAMETER(node, "plug", d->plug);
	if (!d->plug[0])
		PARAMETER(node, "port", d->plug); /* its older name */
	PARAMETER(node, "snmp_version", d->snmp_version);
	PARAMETER(node, "power_timeout", d->power_timeout);
	PARAMETER(node, "login_timeout", d->login_timeout);
	PARAMETER(node, "pcmk_off_timeout", d->off_timeout);
	PARAMETER(node, "pcmk_off_retries", d->off_retries);
	if (!d->delay[0])
		PARAMETER(node, "pcmk_delay_base", d->delay);
	if (!d->delay[0])
		PARAMETER(node, "pcmk_delay_max", d->delay);
	cib_parameter(node, "meta_attributes", "target-role", role, sizeof(role));
	d->stopped = !strcasecmp(role, "stopped");
}

static void take_level(void *arg, xmlNode *node)
{
	struct devices *devices = arg;
	struct device_level *lv = &devices->level[devices->nr_levels];

	if (devices->nr_levels == DEVICE_LEVELS) {
		devices->more = true;
		return;
	}
	devices->nr_levels++;
	xml_attribute(node, "target", lv->node, sizeof(lv->node));
	xml_attribute(node, "target-pattern", lv->pattern, sizeof(lv->pattern));
	if (strlen(lv->pattern) == sizeof(lv->pattern) - 1)
		devices->odd = true;
	xml_attribute(node, "devices", lv->devices, sizeof(lv->devices));
}

bool devices_read(const char *text, size_t len, struct devices *d)
{
	xmlDoc *doc = xml_parse(text, len);
	xmlNode *root = doc ? xmlDocGetRootElement(doc) : NULL;
	const bool cib = root && !strcmp((const char *)root->name, "cib");
	const bool ours = cib || (root && !strcmp((const char *)root->name, "configuration"));
	const char *set =
		cib ? "configuration/crm_config/cluster_property_set" : "crm_config/cluster_property_set";

	memset(d, 0, sizeof(*d));
	if (ours) {
		cib_option(root, set, "stonith-watchdog-timeout", d->watchdog_timeout,
			   sizeof(d->watchdog_timeout));
		cib_option(root, set, "stonith-action", d->stonith_action, sizeof(d->stonith_action));
		xml_each(doc, root, "//resources//primitive", take_device, d);
		xml_each(doc, root, "//fencing-topology/fencing-level", take_level, d);
	}
	xmlFreeDoc(doc);
	return ours;
}
