/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The cluster's fencing devices as its configuration has them, and whether a fencing by them proves a host
 * off (ownership.md 13).  No I/O; also for kemari doctor.
 *
 * Pacemaker (2.1) tells which host had a device fence, in its history as in its notifications, but not which
 * device; only what a person confirmed is marked.  So whatever may have done it must confirm: each device for
 * the host, or, where it has levels, each of these.  Of a level one device is enough, for all of them must
 * succeed.
 */
#ifndef KEMARI_AGENT_DAEMON_DEVICE_H
#define KEMARI_AGENT_DAEMON_DEVICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define DEVICE_NAME 80
#define DEVICE_LIST 256
#define DEVICES 32
#define DEVICE_LEVELS 64
#define DEVICE_WHY 320

/* Strings are cut where they are too long. */
struct device {
	char id[DEVICE_NAME], agent[DEVICE_NAME]; /* agent: type, "fence_kemari" */
	char host_list[DEVICE_LIST], host_map[DEVICE_LIST], host_check[16], method[16];
	char off_action[16], reboot_action[16]; /* what the agent is told instead; "": the same */
	char system_uuid[40];
	char delay[DEVICE_NAME];      /* before it acts, of any kind */
	char own_delay[16];	      /* that the agent itself waits for; "": none */
	char first_file[DEVICE_NAME]; /* with it no delay; "": none */
	char plug[DEVICE_NAME], snmp_version[16];
	char power_timeout[16], login_timeout[16], off_timeout[16], off_retries[16]; /* "": not set */
	bool stopped;								     /* target-role */
};

struct device_level {
	char node[DEVICE_NAME], pattern[DEVICE_NAME]; /* one of them; both "": told by an attribute */
	char devices[DEVICE_LIST];		      /* separated by commas */
};

struct devices {
	bool more;		   /* than there is room for */
	bool odd;		   /* what one is, or is for, is told in a way that is not read */
	char watchdog_timeout[16]; /* stonith-watchdog-timeout; "": not set */
	char stonith_action[16];   /* "": not set */
	unsigned int nr, nr_levels;
	struct device device[DEVICES];
	struct device_level level[DEVICE_LEVELS];
};

enum device_confirms {
	DEVICE_CONFIRMS, /* it reads the power back */
	DEVICE_BELIEVED, /* kemari.conf says so */
	DEVICE_WATCHDOG, /* the host does it itself, in time, if it works */
	DEVICE_UNKNOWN,
	DEVICE_SAYS, /* without the host's being off, whatever kemari.conf says */
};

/*
 * What an agent confirms.  believed: those of kemari.conf's fence_agents_believed.  why: what is wrong with
 * it, a clause; NULL when it confirms.
 */
enum device_confirms device_confirms(const char *agent, const char *believed, const char **why);
/* Is it an agent for management controllers? */
bool device_is_bmc(const char *agent);
/* Is it one for switched outlets, of which a host may have several? */
bool device_is_outlet(const char *agent);
static inline bool device_counts(enum device_confirms c)
{
	return c <= DEVICE_BELIEVED;
}

enum device_targets { DEVICE_NOT, DEVICE_PERHAPS, DEVICE_DOES };

/* Can the device be used against host, as far as its configuration says? */
enum device_targets device_targets(const struct device *d, const char *host);

/* Is word one of list, whose words are separated by any of sep? */
bool device_has_word(const char *list, const char *sep, const char *word);
/* Is id one of the level's devices? */
bool device_of_level(const struct device_level *lv, const char *id);
/* Is it one of those that Pacemaker goes through for host? */
bool device_level_is_for(const struct devices *d, const struct device_level *lv, const char *host);

/* Which machine a host is; zeroes: not known. */
struct device_identity {
	uint8_t told[16]; /* by the host */
	bool watched;	  /* kemari.conf names a BMC as its */
	uint8_t bmc[16];  /* by that one */
};

/* Is the device set up for another machine than the host?  As its system_uuid has it. */
bool device_is_anothers(const struct device *d, const struct device_identity *who);
/* Of the way a device is set up, so that its success means nothing.  fix: what to do, to be followed by
 * "for ID". */
struct device_misuse {
	const char *why, *fix;
};

/* NULL: nothing is wrong. */
const struct device_misuse *device_misused(const struct device *d);

/*
 * Proves a fencing of host that it is off?  Else why (DEVICE_WHY bytes), a clause.  A device for another
 * machine proves nothing; nor does one for a BMC without system_uuid, when the host's watched one is another
 * machine's, or none is watched.
 */
bool devices_prove(const struct devices *d, const char *host, const struct device_identity *who,
		   const char *believed, char *why);

/* An option or parameter that is a time, and not 0. */
static inline bool device_is_time(const char *s)
{
	return s[0] && strspn(s, "0s") != strlen(s);
}

/* Says what of them makes each failover slow: one line each. */
void devices_warn(const struct devices *d);

/* Of all that says what a fencing by them is worth, and of nothing else; never 0. */
uint64_t devices_sum(const struct devices *d);

/*
 * Takes a CIB, or its <configuration>.  Sets of options and attributes are taken without their rules, the
 * first one of a name counts, as Pacemaker takes them; what a primitive does not say, its template does.
 * False: it is neither.
 */
bool devices_read(const char *text, size_t len, struct devices *d);

#endif /* KEMARI_AGENT_DAEMON_DEVICE_H */
