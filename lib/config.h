/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * /etc/kemari/kemari.conf: `key = value` lines, `host NAME ADDRESS` and `bmc HOST FILE` lines, # comments.
 * kemari.conf(5) documents every key; the table in config.c is the one place with defaults, ranges and
 * allowed words.
 */
#ifndef KEMARI_LIB_CONFIG_H
#define KEMARI_LIB_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define KEM_CONFIG_FILE "/etc/kemari/kemari.conf"
#define KEM_CONFIG_STR 256
#define KEM_CONFIG_HOSTS 32
#define KEM_CONFIG_ERR 512

enum kem_mode {
	KEM_MODE_ASYNC, /* the guest runs on once its dirty pages are copied out */
	KEM_MODE_SYNC,	/* the guest runs on once the standby has the epoch */
};

enum kem_disk_answer {
	KEM_ANSWER_EARLY, /* a small write or flush: before it is done, for it is part of the guest's image */
	KEM_ANSWER_WRITTEN, /* when it is done */
};

enum kem_write_cache {
	KEM_CACHE_VOLATILE, /* a disk's cache may die with the host: writes are forced through it */
	KEM_CACHE_SAFE,	    /* battery backed, or shared by both hosts */
};

struct kem_host {
	char name[KEM_CONFIG_STR];
	char address[KEM_CONFIG_STR];
};

/* A management controller. */
struct kem_bmc {
	char host[KEM_CONFIG_STR]; /* whose it is */
	char file[KEM_CONFIG_STR]; /* how to reach it: for kemari-bmc's --bmc-config */
};

struct kem_config {
	char host_name[KEM_CONFIG_STR]; /* what this host calls itself to its peers; default: gethostname() */
	char listen_address[KEM_CONFIG_STR]; /* numeric; "*" = every address */
	uint32_t port;
	char key_file[KEM_CONFIG_STR];
	char run_dir[KEM_CONFIG_STR]; /* memory files; on a tmpfs */
	char log_dir[KEM_CONFIG_STR];
	char helper[KEM_CONFIG_STR];	    /* path of kemari-domain */
	char control_group[KEM_CONFIG_STR]; /* "" = root only */
	char tls_priority[KEM_CONFIG_STR];  /* GnuTLS priority string; "" = the built-in one */
	enum kem_mode mode;
	enum kem_write_cache disk_write_cache;
	enum kem_disk_answer disk_answer;
	uint32_t disk_commit_ms;     /* a write that was answered early waits at most this for its epoch */
	uint32_t disk_error_wait_ms; /* what a host's disk fails is tried again before the guest is told */
	uint32_t disk_inflight_ms; /* a dead host's writes may still reach the disk that long after it is off
				    */
	uint32_t batch_window_us;  /* outputs within it share one epoch; more do when many come */
	uint32_t max_epoch_ms;	   /* no epoch is longer, even without outputs */
	uint32_t idle_epoch_ms;	   /* ... but one in which next to nothing changes */
	uint32_t staging_mb;	   /* room for epochs at the standby; one takes half of it at most */
	uint32_t max_in_flight;	   /* epochs captured and not acked */
	uint32_t link_timeout_ms;  /* silence after which the link counts as lost */
	uint32_t outdate_after_ms; /* ... and then until the standby is asked to drop its copy */
	uint32_t fence_after_ms;   /* ... and then, without an answer, until it is to be fenced */
	char fence_agents_believed[KEM_CONFIG_STR]; /* names, white space between; "" = none but those known
						     */
	uint32_t power_on_after_fence;		    /* 1: a fenced host is switched on again */
	unsigned int nr_hosts;
	struct kem_host host[KEM_CONFIG_HOSTS];
	unsigned int nr_bmcs;
	struct kem_bmc bmc[KEM_CONFIG_HOSTS];
};

void kem_config_defaults(struct kem_config *cfg);

/*
 * Reads path over the defaults.  Returns 0, or a negative errno with err saying file:line, the key and what
 * is allowed; cfg is then unchanged.  A missing file is -ENOENT.
 */
int kem_config_load(const char *path, struct kem_config *cfg, char *err, size_t err_len);

/* As kem_config_load, of a text; name stands for the file in err. */
int kem_config_parse(const char *name, const char *text, size_t len, struct kem_config *cfg, char *err,
		     size_t err_len);

/* Address to connect to for a host name: of its `host` line, or the name itself. */
const char *kem_config_address(const struct kem_config *cfg, const char *host);

#endif /* KEMARI_LIB_CONFIG_H */
