/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The options of fence_kemari, by the rules of fence agents (FenceAgentAPI.md of ClusterLabs/fence-agents):
 * from the command line, or without one as lines `name=value` on standard input, which is how Pacemaker gives
 * them. Unknown names there are left alone, and so are empty lines and comments.
 */
#ifndef KEMARI_FENCING_OPTIONS_H
#define KEMARI_FENCING_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define FENCE_STR 256
#define FENCE_WHY 256

enum fence_action {
	FENCE_REBOOT,
	FENCE_OFF,
	FENCE_ON,
	FENCE_STATUS,
	FENCE_MONITOR,
	FENCE_LIST,
	FENCE_DIAG,
	FENCE_METADATA,
	FENCE_VALIDATE,
	FENCE_HELP,
	FENCE_VERSION,
};

enum fence_protocol { FENCE_IPMI, FENCE_REDFISH };

struct fence_options {
	enum fence_action action;
	char ip[FENCE_STR];
	char protocol_text[FENCE_STR];
	enum fence_protocol protocol;
	uint32_t port; /* 0: the protocol's own */
	char user[FENCE_STR];
	char password[FENCE_STR]; /* whichever way it came */
	char password_file[FENCE_STR];
	char password_script[FENCE_STR];
	char privilege[FENCE_STR];
	uint32_t cipher;
	char workarounds[FENCE_STR];
	char system_id[FENCE_STR]; /* of a BMC with several systems */
	char ssl_ca[FENCE_STR];
	char ssl_pin[FENCE_STR];
	char uuid_text[FENCE_STR];
	bool has_uuid;
	uint8_t uuid[16];
	uint32_t delay;		    /* s */
	char first_file[FENCE_STR]; /* with it no delay; "": none */
	uint32_t power_timeout;	    /* s */
	uint32_t login_timeout;	    /* s */
	bool verbose;
};

/* -EINVAL, and why names the option and the fix.  Of a password file or script: its own errno. */
int fence_options_parse(int argc, char *const argv[], FILE *in, struct fence_options *o, char why[FENCE_WHY]);
/* The XML that Pacemaker, pcs and crmsh read. */
void fence_metadata(FILE *out);
void fence_usage(FILE *out);

#endif
