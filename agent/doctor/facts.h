/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What kemari doctor knows of this host and its cluster when it begins to judge.  Gathered by gather_*.c, one
 * file for each source; the checks (check.h) read nothing else.
 *
 * A source that could not be looked at has seen false and says why; its fields are zero then.
 * Strings are cut where they are too long.
 */
#ifndef KEMARI_AGENT_DOCTOR_FACTS_H
#define KEMARI_AGENT_DOCTOR_FACTS_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/daemon/asker.h"
#include "agent/daemon/device.h"
#include "agent/daemon/ring.h"
#include "lib/config.h"

#define FACT_NAME 80
#define FACT_TEXT 256
#define FACT_LINKS 8
#define FACT_NODES 16
#define FACT_RULES 16
#define FACT_VMS 64
#define FACT_ADDRESSES 64
#define FACT_DISKS 16
#define FACT_NICS 8

enum fact { FACT_UNKNOWN, FACT_NO, FACT_YES };

struct fact_source {
	bool seen;
	char why[FACT_TEXT]; /* a clause: "corosync does not answer" */
};

/* kemari.conf and the key that it names. */
struct fact_config {
	char path[FACT_TEXT];
	bool loads; /* or is missing where it may be: then cfg has the defaults */
	bool missing;
	char error[KEM_CONFIG_ERR];
	struct kem_config cfg;
	int key_error; /* negative errno of key_read() */
	char key_why[FACT_TEXT];
	enum fact key_root; /* root owns it */
};

/* The host, its kernel and hypervisor. */
struct fact_host {
	bool root; /* who asks */
	char uname[65];
	bool dom0;
	int xen_error;		/* positive errno of hvop_open(), 0: the patch is there, in this version */
	enum fact synchronized; /* the clock */
	enum fact watchdog;	/* a device, or the daemon that feeds Xen's */
	unsigned int nr_addresses;
	struct {
		char address[64]; /* numeric */
		char interface[16];
	} address[FACT_ADDRESSES];
};

/* A daemon of this host. */
struct fact_daemon {
	enum fact runs;
	enum fact enabled;	 /* at boot, by systemd */
	char version[FACT_NAME]; /* of the program that runs; "": not known */
};

struct fact_daemons {
	struct fact_daemon syncd, agent;
	struct fact_source units;      /* systemd: of it are enabled, above, and what follows */
	enum fact corosync, pacemaker; /* enabled */
};

/* /etc/default/xendomains, its service and /etc/xen/auto. */
struct fact_xendomains {
	enum fact enabled;
	char file[FACT_NAME]; /* that sets save; "": there is none */
	char save[FACT_TEXT]; /* XENDOMAINS_SAVE */
};

/* corosync's configuration map. */
struct fact_ring {
	struct fact_source source;
	struct ring ring; /* time-outs, names */
	uint32_t own;	  /* nodeid of this host; 0: not known */
	struct {
		uint32_t nodeid;
		unsigned int nr_links;
		char address[FACT_LINKS][64];
	} node[FACT_NODES];
	unsigned int nr_nodes;
	char cipher[16], hash[16];
	bool two_node, wait_for_all, device; /* device: a third vote (qdevice) */
};

/* A primitive ocf:kemari:vm with the meta attributes that hold for it; "": not set. */
struct fact_resource {
	char id[FACT_NAME], vm[FACT_NAME], config[FACT_TEXT];
	char clone[FACT_NAME]; /* "": it is in none */
	char promotable[16], clone_max[16], promoted_max[16], clone_node_max[16], notify[16];
	char migration_threshold[16];
};

struct fact_rule {
	char constraint[FACT_NAME], resource[FACT_NAME]; /* resource "": a pattern or set */
	char attribute[FACT_NAME];
};

/* A kemari-agent's, as a node attribute. */
struct fact_word {
	char node[FACT_NAME], text[FACT_TEXT];
};

/* Pacemaker's configuration. */
struct fact_cib {
	struct fact_source source;
	char stonith_enabled[16], health_strategy[24], maintenance[16];
	char startup_fencing[16], priority_delay[16], stonith_timeout[16]; /* "": not set */
	unsigned int nr_nodes, nr_rules, nr_moved, nr_resources, nr_doubts, nr_hardware;
	char node[FACT_NODES][FACT_NAME];
	struct devices fencing;
	struct fact_word doubt[FACT_NODES];	  /* whether a fencing would be a proof */
	struct fact_word hardware[FACT_NODES];	  /* what is wrong with it */
	struct fact_rule health_rule[FACT_RULES]; /* of -INFINITY */
	struct fact_rule moved[FACT_RULES];	  /* what crm_resource --move and --ban left */
	struct fact_resource resource[FACT_VMS];
};

/* Which machine a host is, as it tells itself, or told this host's kemari-agent last. */
struct fact_identity {
	char host[FACT_NAME];
	struct device_identity who;
};

/* The fencer's history: hosts that a device has fenced with success. */
struct fact_history {
	struct fact_source source;
	unsigned int nr;
	char host[FACT_NODES][FACT_NAME];
	char last[FACT_NODES][ASKER_TEXT + FACT_NAME + 2]; /* when, and who asked for it */
};

enum fact_origin { FACT_OF_CLUSTER = 1, FACT_OF_SYNCD = 2 };

/* A VM that the cluster or kemari-syncd knows. */
struct fact_vm {
	char name[FACT_NAME];
	unsigned int origin; /* enum fact_origin, or-ed */

	/* of kemari-syncd's row */
	char role[16], state[96], protection[16], needs[16], peer[FACT_NAME], reason[FACT_TEXT];
	bool started, linked;

	/* its configuration */
	char config[FACT_TEXT]; /* path; "": not known */
	enum fact config_exists;
	char config_error[FACT_TEXT]; /* why it cannot be protected */
	bool have_devices;	      /* what follows is known */
	unsigned int nr_disks, nr_nics;
	struct {
		char target[FACT_TEXT];
		enum fact block_device;
	} disk[FACT_DISKS];
	struct {
		char bridge[16];
		enum fact exists;
	} nic[FACT_NICS];

	enum fact was_protected;   /* its story says that it once was */
	char autostart[FACT_TEXT]; /* the file in /etc/xen/auto; "": none */
};

struct facts {
	struct fact_config config;
	struct fact_host host;
	struct fact_daemons daemons;
	struct fact_source syncd; /* its control socket */
	struct fact_xendomains xendomains;
	struct fact_ring ring;
	struct fact_cib cib;
	struct fact_history history;
	unsigned int nr_identities;
	struct fact_identity identity[FACT_NODES];
	unsigned int nr_vms;
	struct fact_vm vm[FACT_VMS];
};

#endif /* KEMARI_AGENT_DOCTOR_FACTS_H */
