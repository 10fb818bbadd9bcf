/* SPDX-License-Identifier: GPL-2.0-only */
/* For the tests of kemari doctor: facts of a host and a cluster where all is well, and a look at findings. */
#ifndef KEMARI_UNIT_DOCTOR_BED_H
#define KEMARI_UNIT_DOCTOR_BED_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "agent/doctor/check.h"

struct bed {
	struct facts f;
	struct findings l;
};

static inline void set(char *out, size_t cap, const char *value)
{
	assert_true(strlen(value) < cap);
	memset(out, 0, cap);
	memcpy(out, value, strlen(value));
}

#define SET(field, value) set(field, sizeof(field), value)

static inline void well_config(struct facts *f)
{
	struct kem_config *cfg = &f->config.cfg;

	SET(f->config.path, "/etc/kemari/kemari.conf");
	f->config.loads = true;
	f->config.key_root = FACT_YES;
	kem_config_defaults(cfg);
	SET(cfg->host_name, "xa");
	cfg->nr_hosts = 2;
	SET(cfg->host[0].name, "xa");
	SET(cfg->host[0].address, "198.51.100.1");
	SET(cfg->host[1].name, "xb");
	SET(cfg->host[1].address, "198.51.100.2");
}

static inline void well_host(struct facts *f)
{
	f->host.root = f->host.dom0 = true;
	SET(f->host.uname, "xa");
	f->host.synchronized = f->host.watchdog = FACT_YES;
	f->host.nr_addresses = 2;
	SET(f->host.address[0].address, "192.0.2.1");
	SET(f->host.address[0].interface, "eth0");
	SET(f->host.address[1].address, "198.51.100.1");
	SET(f->host.address[1].interface, "eth1");
	f->syncd.seen = f->daemons.units.seen = true;
	f->daemons.syncd = (struct fact_daemon){ FACT_YES, FACT_YES, "0.1" };
	f->daemons.agent = (struct fact_daemon){ FACT_YES, FACT_YES, "0.1" };
	f->daemons.corosync = f->daemons.pacemaker = FACT_YES;
	f->xendomains.enabled = FACT_NO;
}

static inline void well_ring(struct facts *f)
{
	struct fact_ring *r = &f->ring;

	r->source.seen = r->two_node = r->wait_for_all = true;
	r->ring.token_ms = 1000;
	r->ring.consensus_ms = 200;
	r->ring.nr = r->nr_nodes = 2;
	r->ring.node[0].nodeid = r->node[0].nodeid = r->own = 1;
	r->ring.node[1].nodeid = r->node[1].nodeid = 2;
	SET(r->ring.node[0].name, "xa");
	SET(r->ring.node[1].name, "xb");
	r->node[0].nr_links = r->node[1].nr_links = 2;
	SET(r->node[0].address[0], "192.0.2.1");
	SET(r->node[0].address[1], "198.51.100.1");
	SET(r->node[1].address[0], "192.0.2.2");
	SET(r->node[1].address[1], "198.51.100.2");
	SET(r->cipher, "aes256");
	SET(r->hash, "sha256");
}

static inline void device(struct fact_cib *c, const char *id, const char *agent, const char *host)
{
	struct device *d = &c->fencing.device[c->fencing.nr++];

	SET(d->id, id);
	SET(d->agent, agent);
	SET(d->host_list, host);
	SET(d->host_check, "static-list");
}

static inline void level(struct fact_cib *c, const char *node, const char *devices)
{
	struct device_level *lv = &c->fencing.level[c->fencing.nr_levels++];

	SET(lv->node, node);
	SET(lv->devices, devices);
}

static inline void well_cluster(struct facts *f)
{
	struct fact_cib *c = &f->cib;
	struct fact_resource *r = &c->resource[0];

	c->source.seen = f->history.source.seen = true;
	SET(c->fencing.stonith_action, "off");
	c->nr_nodes = f->history.nr = 2;
	SET(c->node[0], "xa");
	SET(c->node[1], "xb");
	SET(f->history.host[0], "xb");
	SET(f->history.host[1], "xa");
	device(c, "bmc-xa", "fence_kemari", "xa");
	SET(c->fencing.device[0].delay, "10");
	device(c, "bmc-xb", "fence_kemari", "xb");
	device(c, "pdu-xa", "fence_apc_snmp", "xa");
	device(c, "pdu-xb", "fence_apc_snmp", "xb");
	level(c, "xa", "bmc-xa");
	level(c, "xa", "pdu-xa");
	level(c, "xb", "bmc-xb");
	level(c, "xb", "pdu-xb");
	for (unsigned int i = 0; i < 2; i++)
		SET(c->fencing.device[i].off_retries, "1");
	c->nr_resources = 1;
	SET(r->id, "vm1");
	SET(r->vm, "vm1");
	SET(r->clone, "vm1-ha");
	SET(r->promotable, "true");
	SET(r->clone_max, "2");
	SET(r->notify, "false");
}

static inline void well_vm(struct facts *f)
{
	struct fact_vm *vm = &f->vm[0];

	f->nr_vms = 1;
	SET(vm->name, "vm1");
	vm->origin = FACT_OF_CLUSTER | FACT_OF_SYNCD;
	SET(vm->role, "primary");
	SET(vm->state, "protected");
	SET(vm->protection, "protected");
	SET(vm->peer, "xb");
	vm->started = vm->linked = vm->have_devices = true;
	SET(vm->config, "/etc/xen/vm1.cfg");
	vm->config_exists = vm->was_protected = FACT_YES;
	vm->nr_disks = vm->nr_nics = 1;
	SET(vm->disk[0].target, "/dev/vdb");
	vm->disk[0].block_device = FACT_YES;
	SET(vm->nic[0].bridge, "xenbr0");
	vm->nic[0].exists = FACT_YES;
}

/* All is well. */
static inline int bed_setup(void **state)
{
	struct bed *b = calloc(1, sizeof(*b));

	*state = b;
	if (!b)
		return -1;
	well_config(&b->f);
	well_host(&b->f);
	well_ring(&b->f);
	well_cluster(&b->f);
	well_vm(&b->f);
	return 0;
}

static inline int bed_teardown(void **state)
{
	free(*state);
	return 0;
}

/* Nothing but ok, and something. */
static inline void assert_well(const struct findings *l)
{
	for (unsigned int i = 0; i < l->nr; i++)
		if (l->list[i].level != FINDING_OK)
			fail_msg("%s", l->list[i].found);
	assert_true(l->nr);
}

/* Exactly one that is not ok: of that level and check, with these words in what was found and in its fix. */
static inline void assert_one(const struct findings *l, enum finding_level level, const char *check,
			      const char *found, const char *fix)
{
	const struct finding *one = NULL;

	for (unsigned int i = 0; i < l->nr; i++) {
		if (l->list[i].level == FINDING_OK)
			continue;
		if (one)
			fail_msg("two: %s | %s", one->found, l->list[i].found);
		one = &l->list[i];
	}
	if (!one)
		fail_msg("nothing was found instead of: %s", found);
	assert_int_equal(one->level, level);
	assert_string_equal(one->check, check);
	if (!strstr(one->found, found))
		fail_msg("'%s' instead of '%s'", one->found, found);
	if (!strstr(one->fix, fix))
		fail_msg("fix '%s' instead of '%s'", one->fix, fix);
}

#define BED_TEST(f) cmocka_unit_test_setup_teardown(f, bed_setup, bed_teardown)

#endif /* KEMARI_UNIT_DOCTOR_BED_H */
