/* SPDX-License-Identifier: GPL-2.0-only */
#include <errno.h>
#include <string.h>

#include "agent/doctor/check.h"

/* "xa and xb", as kemari.conf has them. */
static void check_hosts(const struct fact_config *c, struct findings *l)
{
	const struct kem_config *cfg = &c->cfg;
	unsigned int i;

	if (cfg->nr_hosts != 2) {
		finding_problem(l, "hosts", "%s has %u host lines instead of two", c->path, cfg->nr_hosts);
		finding_fix(l, "a line `host NAME ADDRESS` for each of the two hosts, the same on both");
		return;
	}
	for (i = 0; i < 2; i++)
		if (!strcmp(cfg->host[i].name, cfg->host_name))
			break;
	if (i == 2) {
		finding_problem(l, "hosts", "no host line of %s is this host's (host_name is %s)", c->path,
				cfg->host_name);
		finding_fix(l, "make one of them `host %s ADDRESS`, or set host_name", cfg->host_name);
		return;
	}
	if (!strcmp(cfg->host[0].name, cfg->host[1].name)) {
		finding_problem(l, "hosts", "both host lines of %s name %s", c->path, cfg->host[0].name);
		finding_fix(l, "name the other host in one of them");
		return;
	}
	finding_ok(l, "hosts", "the two hosts are %s and %s, this one is %s", cfg->host[0].name,
		   cfg->host[1].name, cfg->host_name);
}

static bool is_node(const struct fact_ring *r, const char *name)
{
	for (unsigned int i = 0; i < r->ring.nr; i++)
		if (!strcmp(r->ring.node[i].name, name))
			return true;
	return false;
}

static void check_node_names(const struct facts *f, struct findings *l)
{
	const struct kem_config *cfg = &f->config.cfg;
	const char *own = ring_name(&f->ring.ring, f->ring.own);
	unsigned int bad = l->count[FINDING_PROBLEM];

	if (!own) {
		finding_warning(l, "names", "corosync.conf does not name this host in its nodelist");
		finding_fix(l, "add name: %s to this host's node { } in corosync.conf", cfg->host_name);
		return;
	}
	if (strcmp(own, cfg->host_name)) {
		finding_problem(l, "names", "this host is %s in corosync's nodelist, but host_name is %s",
				own, cfg->host_name);
		finding_fix(l, "set host_name = %s in %s, and its host line on both hosts", own,
			    f->config.path);
	}
	for (unsigned int i = 0; i < cfg->nr_hosts; i++)
		if (strcmp(cfg->host[i].name, cfg->host_name) && !is_node(&f->ring, cfg->host[i].name)) {
			finding_problem(l, "names", "host %s of %s is no node of corosync's nodelist",
					cfg->host[i].name, f->config.path);
			finding_fix(l, "use one name: in the host line, in corosync.conf and in uname -n of "
				       "that host");
		}
	if (l->count[FINDING_PROBLEM] == bad)
		finding_ok(l, "names", "the hosts' names are those of the cluster's nodes");
}

static void check_names(const struct facts *f, struct findings *l)
{
	const struct kem_config *cfg = &f->config.cfg;

	if (f->host.uname[0] && strcmp(f->host.uname, cfg->host_name)) {
		finding_problem(l, "names", "uname -n says %s, but host_name is %s", f->host.uname,
				cfg->host_name);
		finding_fix(l, "give the host one name: hostnamectl set-hostname, or host_name in %s",
			    f->config.path);
	}
	if (f->ring.source.seen)
		check_node_names(f, l);
}

static void check_key(const struct facts *f, struct findings *l)
{
	const struct fact_config *c = &f->config;

	if (c->key_error == -EACCES && !f->host.root) {
		finding_warning(l, "key", "the key %s was not looked at: only root may read it",
				c->cfg.key_file);
		finding_fix(l, "run kemari doctor as root");
	} else if (c->key_error) {
		finding_problem(l, "key", "the key cannot be used: %s", c->key_why);
		finding_fix(l,
			    "one and the same key of `kemari keygen` on all hosts in key_file (%s), mode "
			    "0600, owner root",
			    c->cfg.key_file);
	} else if (c->key_root == FACT_NO) {
		finding_problem(l, "key", "%s does not belong to root", c->cfg.key_file);
		finding_fix(l, "chown root: %s", c->cfg.key_file);
	} else {
		finding_ok(l, "key", "the key %s is there, and only root may read it", c->cfg.key_file);
	}
}

void check_config(const struct facts *f, struct findings *l)
{
	const struct fact_config *c = &f->config;

	if (!c->loads) {
		finding_problem(l, "config", "%s", c->error);
		finding_fix(l, "kemari.conf(5) says what is allowed");
		return;
	}
	if (c->missing)
		finding_ok(l, "config", "there is no %s, the defaults hold", c->path);
	else
		finding_ok(l, "config", "%s is in order", c->path);
	check_hosts(c, l);
	check_names(f, l);
	check_key(f, l);
}
